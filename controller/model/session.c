/* Sessions of the web page: rows, made by a login, ended by time, a logout, a new password, or the end of the role
 * binding. The cookie is "<id>.<secret>" like a token; its SHA-256 is kept. */
#include "controller/model/rules.h"

#define SWEPT_MAX 4 /* ended sessions that one login takes away */

int skr_session_end_all(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *key,
                        const struct skr_uuid *except, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = skr_ids_query(txn, query, key, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *session = NULL;
        if (except && skr_uuid_equal(except, &ids.items[i]))
            continue;
        r = skr_fetch(txn, SKR_SESSION, &ids.items[i], &session, error);
        if (r == 0)
            r = skr_write_inner(txn, SKR_SESSION, session, NULL, error);
    }
    return r;
}

/* ---- logging in ---- */

static int refuse_login(struct skr_error *error)
{
    return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED,
                         "The name or the password is wrong; look at both and try again.");
}

int skr_model_find_user(struct skr_txn *txn, const char *name, struct skr_object **ret, struct skr_error *error)
{
    struct skr_uuid id;
    int r = skr_name_find(txn, SKR_USER, name, NULL, &id, error);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    return skr_fetch(txn, SKR_USER, &id, ret, error);
}

static int describe_scope(struct skr_txn *txn, const struct skr_object *binding, char *out, size_t room,
                          struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *scope = NULL;
    bool tenant = skr_object_has(binding, SKR_FIELD_TENANT_ID);
    bool group = skr_object_has(binding, SKR_ROLE_BINDING_HOST_GROUP_ID);
    struct skr_uuid id = skr_object_uuid(binding, tenant ? SKR_FIELD_TENANT_ID : SKR_ROLE_BINDING_HOST_GROUP_ID);
    out[0] = '\0';
    if (!tenant && !group)
        return 0;
    int r = skr_fetch(txn, tenant ? SKR_TENANT : SKR_HOST_GROUP, &id, &scope, error);
    if (r == 0)
        snprintf(out, room, " of the %s \"%.100s\"", scope->resource->name, skr_object_name(scope));
    return r;
}

/* A user with several grants must choose one; the answer names them. */
static int ask_which(struct skr_txn *txn, const struct skr_ids *bindings, struct skr_error *error)
{
    int r = skr_error_set(error, SKR_ERROR_INVALID,
                          "You have %zu roles and act under one at a time: say which in role_binding_id.",
                          bindings->count);
    for (size_t i = 0; i < bindings->count && i < SKR_ERROR_FIELDS_MAX; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *binding = NULL;
        char text[SKR_UUID_TEXT_MAX], scope[160];
        struct skr_error why = {0};
        int found = skr_fetch(txn, SKR_ROLE_BINDING, &bindings->items[i], &binding, &why);
        if (found == 0)
            found = describe_scope(txn, binding, scope, sizeof(scope), &why);
        if (found < 0) {
            *error = why;
            return found;
        }
        skr_error_field(error, "/role_binding_id", "%s: %s%s", skr_uuid_format(&bindings->items[i], text),
                        skr_object_text(binding, SKR_ROLE_BINDING_ROLE), scope);
    }
    return r;
}

static int choose_binding(struct skr_txn *txn, const struct skr_login *login, const struct skr_uuid *user_id,
                          struct skr_object **ret, struct skr_error *error)
{
    static const struct skr_query of_user = {"SELECT id FROM role_binding WHERE user_id = ?1"};
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = skr_ids_query(txn, &of_user, user_id, &ids, error);
    if (r < 0)
        return r;
    if (!ids.count)
        return skr_error_set(error, SKR_ERROR_FORBIDDEN,
                             "You have no role yet; ask an administrator for a role binding.");
    if (skr_uuid_is_nil(&login->role_binding_id)) {
        if (ids.count > 1)
            return ask_which(txn, &ids, error);
        return skr_fetch(txn, SKR_ROLE_BINDING, &ids.items[0], ret, error);
    }
    if (skr_ids_contain(&ids, &login->role_binding_id))
        return skr_fetch(txn, SKR_ROLE_BINDING, &login->role_binding_id, ret, error);
    char text[SKR_UUID_TEXT_MAX];
    return skr_refuse(error, SKR_ERROR_REFERENCE, "/role_binding_id",
                      "You have no role binding with the id %s; leave it out to hear which you have.",
                      skr_uuid_format(&login->role_binding_id, text));
}

/* Room for one more of the user, and those that ended long ago go. */
static int make_room(struct skr_txn *txn, const struct skr_uuid *user_id, struct skr_error *error)
{
    static const struct skr_query oldest_of = {"SELECT id FROM session WHERE user_id = ?1 ORDER BY id DESC LIMIT 1 "
                                               "OFFSET 15"};
    static const struct skr_query ended = {"SELECT id FROM session WHERE expires_at < ?1 ORDER BY expires_at LIMIT 4"};
    _Static_assert(SKR_SESSIONS_PER_USER_MAX == 16 && SWEPT_MAX == 4, "the queries above say the same");
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    struct skr_statement *statement = NULL;
    int r = skr_ids_query(txn, &oldest_of, user_id, &ids, error);
    if (r == 0)
        r = skr_txn_query(txn, &ended, &statement, error);
    if (r < 0)
        return r;
    skr_bind_integer(statement, 1, skr_txn_now_ms(txn));
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid id = skr_column_uuid(statement, 0);
        if (!skr_ids_contain(&ids, &id))
            skr_ids_add(&ids, &id);
    }
    skr_statement_reset(statement);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *session = NULL;
        r = skr_fetch(txn, SKR_SESSION, &ids.items[i], &session, error);
        if (r == 0)
            r = skr_write_inner(txn, SKR_SESSION, session, NULL, error);
    }
    return r;
}

static struct skr_object *new_session(struct skr_txn *txn, const struct skr_login *login, const struct skr_object *user,
                                      const struct skr_object *binding)
{
    struct skr_object *session = skr_row_new(SKR_SESSION);
    struct skr_uuid user_id = skr_object_id(user), binding_id = skr_object_id(binding);
    int64_t now_ms = skr_txn_now_ms(txn);
    skr_object_set_text(session, SKR_FIELD_NAME, skr_object_name(user));
    skr_value_copy(&session->values[SKR_FIELD_TENANT_ID], &binding->values[SKR_FIELD_TENANT_ID]);
    skr_object_set_uuid(session, SKR_SESSION_USER_ID, &user_id);
    skr_object_set_uuid(session, SKR_SESSION_ROLE_BINDING_ID, &binding_id);
    skr_object_set_text(session, SKR_SESSION_ROLE, skr_object_text(binding, SKR_ROLE_BINDING_ROLE));
    skr_value_copy(&session->values[SKR_SESSION_HOST_GROUP_ID], &binding->values[SKR_ROLE_BINDING_HOST_GROUP_ID]);
    skr_object_set_integer(session, SKR_SESSION_EXPIRES_AT, now_ms + SKR_SESSION_MS);
    skr_object_set_integer(session, SKR_SESSION_LAST_USED_AT, now_ms);
    skr_object_set_text(session, SKR_SESSION_ADDRESS, login->address);
    return session;
}

void skr_session_csrf(const char *secret, char ret[static SKR_SESSION_CSRF_MAX])
{
    char text[SKR_SECRET_TEXT_MAX + 16];
    snprintf(text, sizeof(text), "csrf %.*s", SKR_SECRET_TEXT_MAX, secret);
    skr_hash_text(text, ret);
}

int skr_model_login(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    struct skr_login *login = argument;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *user = NULL, *binding = NULL, *session = NULL;
    skr_login_done(login);
    int r = skr_txn_get(txn, SKR_USER, &login->user_id, NULL, &user, error);
    if (r < 0 && r != -ENOENT)
        return r;
    const char *hash = r == 0 ? skr_object_text(user, SKR_USER_PASSWORD_HASH) : NULL;
    if (!hash || !*hash || strcmp(hash, login->password_hash) != 0) /* a new one since it was compared */
        return refuse_login(error);
    r = choose_binding(txn, login, &login->user_id, &binding, error);
    if (r == 0)
        r = make_room(txn, &login->user_id, error);
    if (r < 0)
        return r;
    struct skr_principal principal = {.role = skr_role_find(skr_object_text(binding, SKR_ROLE_BINDING_ROLE)),
                                      .kind = SKR_PRINCIPAL_SESSION,
                                      .user_id = login->user_id,
                                      .joining = true};
    skr_principal_set_name(&principal, skr_object_name(user));
    snprintf(principal.address, sizeof(principal.address), "%s", login->address);
    snprintf(principal.request_id, sizeof(principal.request_id), "%s", login->request_id);
    session = new_session(txn, login, user, binding);
    struct skr_write write = {.txn = txn,
                              .principal = &principal,
                              .operation = SKR_OPERATION_CREATE,
                              .resource = SKR_SESSION,
                              .after = session,
                              .secret_field = -1};
    r = skr_token_secret(&write, SKR_SESSION_SECRET_HASH, -1, error);
    if (r == 0)
        r = skr_write_run(&write, error);
    if (r < 0)
        return r;
    char csrf[SKR_SESSION_CSRF_MAX], text[SKR_UUID_TEXT_MAX];
    struct skr_uuid id = skr_object_id(session);
    skr_session_csrf(write.secret, csrf);
    snprintf(login->cookie, sizeof(login->cookie), "%s.%s", skr_uuid_format(&id, text), write.secret);
    explicit_bzero(write.secret, sizeof(write.secret));
    login->session = skr_object_copy(session);
    skr_object_set_text(login->session, SKR_SESSION_CSRF_TOKEN, csrf);
    return 0;
}

void skr_login_done(struct skr_login *login)
{
    skr_object_unref(SKR_TAKE(login->session));
    explicit_bzero(login->cookie, sizeof(login->cookie));
}

/* ---- who is it ---- */

static bool has_ended(const struct skr_object *session, int64_t now_ms)
{
    return skr_object_integer(session, SKR_SESSION_EXPIRES_AT) <= now_ms ||
           skr_object_integer(session, SKR_SESSION_LAST_USED_AT) + SKR_SESSION_IDLE_MS <= now_ms;
}

int skr_model_authenticate_session(struct skr_txn *txn, const char *cookie, int64_t now_ms, struct skr_principal *ret,
                                   bool *ret_touch, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *session = NULL;
    struct skr_uuid id = {0};
    const char *secret;
    int r = skr_secret_split(cookie, &id, &secret);
    if (r == 0)
        r = skr_txn_get(txn, SKR_SESSION, &id, NULL, &session, error);
    if (r < 0 && r != -ENOENT && r != -EINVAL)
        return r;
    int64_t used_ms = r < 0 ? 0 : skr_object_integer(session, SKR_SESSION_LAST_USED_AT);
    if (r < 0 || !skr_hash_matches(secret, skr_object_text(session, SKR_SESSION_SECRET_HASH)) ||
        has_ended(session, now_ms))
        return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED, "Your session has ended; log in again.");
    struct skr_principal principal = {.role = skr_role_find(skr_object_text(session, SKR_SESSION_ROLE)),
                                      .kind = SKR_PRINCIPAL_SESSION,
                                      .token_id = id,
                                      .user_id = skr_object_uuid(session, SKR_SESSION_USER_ID),
                                      .tenant_id = skr_object_uuid(session, SKR_FIELD_TENANT_ID),
                                      .host_group_id = skr_object_uuid(session, SKR_SESSION_HOST_GROUP_ID)};
    skr_principal_set_name(&principal, skr_object_name(session));
    r = skr_quota_requests(txn, &principal, error);
    if (r < 0)
        return r;
    *ret = principal;
    *ret_touch = used_ms + SKR_SESSION_TOUCH_MS <= now_ms;
    return 0;
}

int skr_model_check_principal(struct skr_txn *txn, const struct skr_principal *principal, int64_t now_ms,
                              struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
    bool session = principal->kind == SKR_PRINCIPAL_SESSION;
    if (principal->kind == SKR_PRINCIPAL_MODEL)
        return 0;
    int r = skr_txn_get(txn, session ? SKR_SESSION : SKR_TOKEN, &principal->token_id, NULL, &row, error);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && (session ? !has_ended(row, now_ms) : skr_object_integer(row, SKR_TOKEN_EXPIRES_AT) > now_ms))
        return 0;
    return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED, "The token or session has ended; log in again.");
}

int skr_model_touch_session(struct skr_txn *txn, void *session_id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *session = NULL, *after = NULL;
    int r = skr_txn_get(txn, SKR_SESSION, session_id, NULL, &session, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    after = skr_object_copy(session);
    skr_object_set_integer(after, SKR_SESSION_LAST_USED_AT, skr_txn_now_ms(txn));
    return skr_txn_update(txn, session, after, error);
}

int skr_model_logout(struct skr_txn *txn, void *session_id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *session = NULL;
    int r = skr_txn_get(txn, SKR_SESSION, session_id, NULL, &session, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return skr_write_inner(txn, SKR_SESSION, session, NULL, error);
}

/* The only way to one is a login. */
static int prepare(struct skr_write *write, struct skr_error *error)
{
    if (write->before || write->principal->joining)
        return 0;
    return skr_error_set(error, SKR_ERROR_METHOD, "Log in with a POST to /v1/sessions of its own.");
}

const struct skr_rules skr_session_rules = {.prepare = prepare};
