#include "controller/api/http.h"

#include <errno.h>
#include <skerry/resource_fields.h>
#include <string.h>

/* A user changes his own password: the current one is compared, then the new one hashed, both on the password thread;
 * then the writer takes it. */

struct change {
    struct skr_http_own_write own; /* first */
    struct skr_password_change write;
};

/* Between the two passwords. */
struct attempt {
    char name[SKR_NAME_MAX * 4 + 1];
    char old_hash[SKR_HTTP_PASSWORD_HASH_MAX];
    char password[SKR_HTTP_PASSWORD_MAX + 1];
};

static void release(struct skr_http_own_write *own)
{
    explicit_bzero(own, sizeof(struct change));
    free(own);
}

static void refuse(struct skr_http_request *request)
{
    struct attempt *attempt = request->scratch;
    explicit_bzero(attempt->password, sizeof(attempt->password));
    skr_http_answer_error(request, &request->error);
}

/* ---- the writer ---- */

static void on_written(struct skr_http_request *request)
{
    if (skr_http_own_write_result(
                request,
                "The database has not taken the new password in time; it may still do so: try to log in with it") < 0)
        refuse(request);
    else
        skr_http_answer(request, 204, NULL);
}

static int run(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    return skr_model_change_password(txn, &((struct change *)arg)->write, error);
}

/* ---- the passwords ---- */

static void on_hashed(struct skr_http_request *request)
{
    struct attempt *attempt = request->scratch;
    const char *hash;
    if (skr_http_password_result(request, &hash) < 0) {
        refuse(request);
        return;
    }
    struct change *change = calloc(1, sizeof(*change));
    if (!change)
        abort();
    change->write.principal = request->principal;
    snprintf(change->write.old_hash, sizeof(change->write.old_hash), "%s", attempt->old_hash);
    snprintf(change->write.new_hash, sizeof(change->write.new_hash), "%s", hash);
    explicit_bzero(attempt->password, sizeof(attempt->password));
    request->free_job(SKR_TAKE(request->job));
    skr_http_own_write(request, &change->own, run, release, on_written);
}

static void on_compared(struct skr_http_request *request)
{
    struct attempt *attempt = request->scratch;
    const char *hash;
    int r = skr_http_password_result(request, &hash);
    if (r == 0) {
        skr_http_password_failed(request, attempt->name);
        skr_error_set(&request->error, SKR_ERROR_FORBIDDEN, "The current password is wrong; nothing was changed.");
        skr_error_field(&request->error, "/current_password", "This is not the current password.");
    }
    if (r <= 0) {
        refuse(request);
        return;
    }
    request->free_job(SKR_TAKE(request->job));
    skr_http_password_submit(request, attempt->password, NULL, on_hashed);
}

/* ---- the request ---- */

static int take(const json_t *body, const char *name, int64_t minimum, const char **ret, struct skr_error *error)
{
    const json_t *member = json_object_get(body, name);
    const char *text = json_string_value(member);
    size_t length = text ? json_string_length(member) : 0;
    char pointer[SKR_ERROR_POINTER_MAX];
    if (text && strlen(text) == length && length >= (size_t)minimum && length <= SKR_HTTP_PASSWORD_MAX) {
        *ret = text;
        return 0;
    }
    snprintf(pointer, sizeof(pointer), "/%s", name);
    int r = skr_error_set(error, SKR_ERROR_INVALID, "Give %s: a text of %lld to %d bytes.", name, (long long)minimum,
                          SKR_HTTP_PASSWORD_MAX);
    skr_error_field(error, pointer, "A text of %lld to %d bytes.", (long long)minimum, SKR_HTTP_PASSWORD_MAX);
    return r;
}

static int find_user(struct skr_http_request *request, struct skr_object **ret, struct skr_error *error)
{
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    int r = skr_store_read_begin(request->api->store, &txn, error);
    return r < 0 ? r : skr_txn_get(txn, SKR_USER, &request->principal.user_id, NULL, ret, error);
}

static int compare(struct skr_http_request *request, const json_t *body, struct skr_error *error)
{
    struct attempt *attempt = request->scratch;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *user = NULL;
    const char *current = "", *password = "";
    int64_t minimum = skr_resource_get(SKR_USER)->fields[SKR_USER_PASSWORD].minimum;
    if (json_object_size(body) != 2)
        return skr_error_set(error, SKR_ERROR_INVALID, "The body holds current_password and password, nothing else.");
    int r = take(body, "current_password", 1, &current, error);
    if (r == 0)
        r = take(body, "password", minimum, &password, error);
    if (r == 0)
        r = find_user(request, &user, error);
    if (r < 0)
        return r == -ENOENT ? skr_error_set(error, SKR_ERROR_UNAUTHENTICATED, "Your session has ended; log in again.")
                            : r;
    const char *hash = skr_object_text(user, SKR_USER_PASSWORD_HASH);
    snprintf(attempt->name, sizeof(attempt->name), "%s", skr_object_text(user, SKR_FIELD_NAME));
    snprintf(attempt->old_hash, sizeof(attempt->old_hash), "%s", hash ? hash : "");
    snprintf(attempt->password, sizeof(attempt->password), "%s", password);
    if (!skr_http_password_may_try(request, attempt->name))
        return skr_error_set(error, SKR_ERROR_TOO_MANY, "Too many passwords were wrong; wait a minute and try again");
    skr_http_password_submit(request, current, attempt->old_hash, on_compared);
    return 0;
}

void skr_http_own_password(struct skr_http_request *request)
{
    struct attempt *attempt = calloc(1, sizeof(*attempt));
    if (!attempt)
        abort();
    request->scratch = attempt;
    json_t *body = NULL;
    int r = 0;
    if (request->principal.kind != SKR_PRINCIPAL_SESSION)
        r = skr_error_set(&request->error, SKR_ERROR_CONFLICT,
                          "A token has no password; log in with a POST to /v1/sessions to change yours");
    else if (!(body = skr_http_request_json(request)))
        r = -EINVAL; /* request->error says why */
    if (r == 0)
        r = compare(request, body, &request->error);
    json_decref(body);
    if (r < 0)
        refuse(request);
}
