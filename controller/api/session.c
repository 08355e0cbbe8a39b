#include "controller/api/http.h"

#include <errno.h>
#include <skerry/resource_fields.h>
#include <skerry/tls.h>
#include <string.h>

/* Logging in: the body is read on a worker, the password compared on the password thread, the session written by the
 * writer, and the cookie answered on a worker again. */
struct login {
    struct skr_http_own_write own; /* first */
    struct skr_login write;
};

static void release_login(struct skr_http_own_write *own)
{
    struct login *login = (struct login *)own;
    skr_login_done(&login->write);
    explicit_bzero(login->write.password_hash, sizeof(login->write.password_hash));
    free(login);
}

/* A login between reading the user's name and comparing the password. */
struct attempt {
    struct skr_uuid user_id, role_binding_id;
    char name[SKR_NAME_MAX * 4 + 1];
};

/* ---- after the writer ---- */

static void on_written(struct skr_http_request *request)
{
    struct login *login = request->job;
    if (skr_http_own_write_result(request, "The database has not taken the login in time; try again in a moment") < 0) {
        skr_http_answer_error(request, &request->error);
        return;
    }
    char cookie[SKR_SESSION_COOKIE_MAX + 128], location[64], id[SKR_UUID_TEXT_MAX];
    struct skr_uuid uuid = skr_object_uuid(login->write.session, SKR_FIELD_ID);
    snprintf(cookie, sizeof(cookie), SKR_HTTP_COOKIE "=%s; Path=/; Max-Age=%lld; HttpOnly; Secure; SameSite=Strict",
             login->write.cookie, (long long)(SKR_SESSION_MS / 1000));
    snprintf(location, sizeof(location), "/v1/sessions/%s", skr_uuid_format(&uuid, id));
    /* To the user himself, whatever his role: it is about him. */
    skr_http_answer(request, 201, skr_object_to_json(login->write.session, SKR_ROLE_ADMIN));
    skr_http_add_header(request, "Set-Cookie", cookie);
    skr_http_add_header(request, "Location", location);
    explicit_bzero(cookie, sizeof(cookie));
}

static int run(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    return skr_model_login(txn, &((struct login *)arg)->write, error);
}

/* ---- after the password ---- */

static void on_compared(struct skr_http_request *request)
{
    const char *hash = "";
    struct attempt attempt = *(struct attempt *)request->scratch;
    int r = skr_http_password_result(request, &hash);
    if (r == 0) {
        skr_http_password_failed(request, attempt.name);
        r = skr_error_set(&request->error, SKR_ERROR_UNAUTHENTICATED,
                          "The name or the password is wrong; look at both and try again.");
    }
    if (r < 0) {
        skr_http_answer_error(request, &request->error);
        return;
    }
    struct login *login = calloc(1, sizeof(*login));
    if (!login)
        abort();
    login->write.user_id = attempt.user_id;
    login->write.role_binding_id = attempt.role_binding_id;
    snprintf(login->write.password_hash, sizeof(login->write.password_hash), "%s", hash);
    memcpy(login->write.address, request->principal.address, sizeof(login->write.address));
    memcpy(login->write.request_id, request->id, sizeof(login->write.request_id));
    request->free_job(SKR_TAKE(request->job));
    skr_http_own_write(request, &login->own, run, release_login, on_written);
}

static int find_user(struct skr_http_request *request, const char *name, struct skr_object **ret,
                     struct skr_error *error)
{
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    int r = skr_store_read_begin(request->api->store, &txn, error);
    return r < 0 ? r : skr_model_find_user(txn, name, ret, error);
}

static int parse(struct skr_http_request *request, struct skr_object **ret, struct skr_error *error)
{
    /* A page of another site must not log its visitor in as somebody else. */
    int r = skr_http_check_origin(request, error);
    if (r < 0)
        return r;
    json_t *json = skr_http_request_json(request);
    if (!json)
        return -EINVAL; /* request->error says why */
    r = skr_object_from_json(skr_resource_get(SKR_SESSION), json, false, SKR_ROLE_TENANT, ret, error);
    json_decref(json);
    return r;
}

void skr_http_login(struct skr_http_request *request)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *input = NULL, *user = NULL;
    struct attempt *attempt = calloc(1, sizeof(*attempt));
    if (!attempt)
        abort();
    request->scratch = attempt;
    int r = parse(request, &input, &request->error);
    if (r == 0) {
        snprintf(attempt->name, sizeof(attempt->name), "%s", skr_object_text(input, SKR_FIELD_NAME));
        attempt->role_binding_id = skr_object_uuid(input, SKR_SESSION_ROLE_BINDING_ID);
        if (!skr_http_password_may_try(request, attempt->name))
            r = skr_error_set(&request->error, SKR_ERROR_TOO_MANY,
                              "Too many logins have failed; wait a minute and try again");
    }
    if (r == 0)
        r = find_user(request, attempt->name, &user, &request->error);
    if (r < 0 && r != -ENOENT) {
        skr_http_answer_error(request, &request->error);
        return;
    }
    const char *hash = user ? skr_object_text(user, SKR_USER_PASSWORD_HASH) : "";
    if (user)
        attempt->user_id = skr_object_uuid(user, SKR_FIELD_ID);
    skr_http_password_submit(request, skr_object_text(input, SKR_SESSION_PASSWORD), hash ? hash : "", on_compared);
}

/* ---- logging out, and who am I ---- */

struct logout {
    struct skr_http_own_write own; /* first */
    struct skr_uuid id;
};

static void release_logout(struct skr_http_own_write *own)
{
    free(own);
}

static void on_logged_out(struct skr_http_request *request)
{
    if (skr_http_own_write_result(request, "The database has not taken the logout in time; try again in a moment") <
        0) {
        skr_http_answer_error(request, &request->error);
        return;
    }
    skr_http_answer(request, 204, NULL);
    skr_http_add_header(request, "Set-Cookie",
                        SKR_HTTP_COOKIE "=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict");
}

static int run_logout(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    return skr_model_logout(txn, &((struct logout *)arg)->id, error);
}

void skr_http_logout(struct skr_http_request *request)
{
    if (request->principal.kind != SKR_PRINCIPAL_SESSION) {
        skr_error_set(&request->error, SKR_ERROR_CONFLICT,
                      "A token has no session to end; DELETE /v1/tokens/<id> ends the token itself");
        skr_http_answer_error(request, &request->error);
        return;
    }
    struct logout *logout = calloc(1, sizeof(*logout));
    if (!logout)
        abort();
    logout->id = request->principal.token_id;
    skr_http_own_write(request, &logout->own, run_logout, release_logout, on_logged_out);
}

static json_t *id_or_null(const struct skr_uuid *id)
{
    char text[SKR_UUID_TEXT_MAX];
    return skr_uuid_is_nil(id) ? json_null() : json_string(skr_uuid_format(id, text));
}

void skr_http_whoami(struct skr_http_request *request)
{
    const struct skr_principal *principal = &request->principal;
    bool session = principal->kind == SKR_PRINCIPAL_SESSION;
    char csrf[SKR_SESSION_CSRF_MAX];
    json_t *answer = json_object();
    json_object_set_new(answer, "kind", json_string(session ? "session" : "token"));
    json_object_set_new(answer, "id", id_or_null(&principal->token_id));
    json_object_set_new(answer, "name", skr_json_text(principal->name));
    json_object_set_new(answer, "role", json_string(skr_role_name(principal->role)));
    json_object_set_new(answer, "user_id", id_or_null(&principal->user_id));
    json_object_set_new(answer, "tenant_id", id_or_null(&principal->tenant_id));
    json_object_set_new(answer, "host_group_id", id_or_null(&principal->host_group_id));
    json_object_set_new(answer, "csrf_token",
                        session && skr_http_csrf(request, csrf) == 0 ? json_string(csrf) : json_null());
    skr_http_answer(request, 200, answer);
}
