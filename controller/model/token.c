/* Tokens of the API, and what both kinds of tokens share. The secret is shown once; its SHA-256 is kept. */
#include "controller/model/rules.h"

#define INITIAL "initial_token"

void skr_hash_text(const char *text, char ret[static SKR_TLS_HASH_TEXT_MAX])
{
    uint8_t hash[SKR_TLS_HASH_SIZE];
    skr_sha256(text, strlen(text), hash);
    skr_tls_hash_format(hash, ret);
}

bool skr_hash_matches(const char *text, const char *hash)
{
    char computed[SKR_TLS_HASH_TEXT_MAX];
    skr_hash_text(text, computed);
    return hash && strlen(hash) == strlen(computed) && skr_secret_equal(computed, hash, strlen(computed));
}

int skr_token_secret(struct skr_write *write, int hash_field, int secret_field, struct skr_error *error)
{
    char hash[SKR_TLS_HASH_TEXT_MAX];
    int r = skr_secret_new(write->secret);
    if (r < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "No randomness for a secret.");
    skr_hash_text(write->secret, hash);
    skr_object_set_text(write->after, hash_field, hash);
    write->secret_field = secret_field;
    return 0;
}

/* The grant of a user under which it is made: of the session, or of the token that he made before. */
static int settle_binding(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *maker = NULL;
    const struct skr_principal *principal = write->principal;
    bool session = principal->kind == SKR_PRINCIPAL_SESSION;
    if (principal->kind == SKR_PRINCIPAL_MODEL)
        return 0;
    int r = skr_txn_get(write->txn, session ? SKR_SESSION : SKR_TOKEN, &principal->token_id, NULL, &maker, error);
    if (r == -ENOENT)
        return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED, "The token or session has ended; log in again.");
    if (r < 0)
        return r;
    skr_value_copy(&write->after->values[SKR_TOKEN_ROLE_BINDING_ID],
                   &maker->values[session ? SKR_SESSION_ROLE_BINDING_ID : SKR_TOKEN_ROLE_BINDING_ID]);
    return 0;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    if (write->before)
        return 0;
    int r = skr_grant_check(write, SKR_TOKEN_ROLE, SKR_TOKEN_HOST_GROUP_ID, error);
    if (r == 0)
        r = settle_binding(write, error);
    if (r < 0)
        return r;
    int64_t ttl_s = skr_object_integer(write->after, SKR_TOKEN_TTL_S);
    skr_object_set_integer(write->after, SKR_TOKEN_EXPIRES_AT, skr_txn_now_ms(write->txn) + ttl_s * 1000);
    return skr_token_secret(write, SKR_TOKEN_SECRET_HASH, SKR_TOKEN_SECRET, error);
}

static bool is_administrators(const struct skr_object *token)
{
    return skr_role_find(skr_object_text(token, SKR_TOKEN_ROLE)) == SKR_ROLE_ADMIN;
}

/* The first token opens the door once; an administrator's own token closes it. */
static int end_initial(struct skr_txn *txn, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *text = NULL;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *token = NULL;
    struct skr_uuid id;
    int r = skr_txn_setting_get(txn, INITIAL, &text, error);
    if (r < 0 || skr_uuid_parse(text, &id) < 0)
        return r == -ENOENT ? 0 : r;
    r = skr_txn_get(txn, SKR_TOKEN, &id, NULL, &token, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return skr_txn_delete(txn, token, error);
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    if (write->before || !is_administrators(write->after))
        return 0;
    int r = end_initial(write->txn, error);
    if (r < 0 || !skr_object_integer(write->after, SKR_TOKEN_INITIAL))
        return r;
    char text[SKR_UUID_TEXT_MAX];
    struct skr_uuid id = skr_object_id(write->after);
    return skr_txn_setting_set(write->txn, INITIAL, skr_uuid_format(&id, text), error);
}

const struct skr_rules skr_token_rules = {.prepare = prepare, .stored = stored};

/* ---- the first one ---- */

static int is_valid(void *now_ms, struct skr_object *token)
{
    return is_administrators(token) && skr_object_integer(token, SKR_TOKEN_EXPIRES_AT) > *(int64_t *)now_ms;
}

int skr_model_first_token(struct skr_txn *txn, char **ret_token, struct skr_error *error)
{
    int64_t now_ms = skr_txn_now_ms(txn);
    int r = skr_txn_each(txn, SKR_TOKEN, is_valid, &now_ms, error);
    if (r < 0)
        return r;
    if (r > 0) {
        *ret_token = NULL;
        return 0;
    }
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *token = skr_row_new(SKR_TOKEN);
    struct skr_uuid id = skr_object_id(token);
    char name[64] = "initial ", text[SKR_UUID_TEXT_MAX];
    skr_uuid_format(&id, name + strlen(name));
    skr_object_set_text(token, SKR_FIELD_NAME, name);
    skr_object_set_integer(token, SKR_TOKEN_TTL_S, 24LL * 3600);
    skr_object_set_integer(token, SKR_TOKEN_INITIAL, 1);
    struct skr_write write = {.txn = txn,
                              .principal = &skr_principal_model,
                              .operation = SKR_OPERATION_CREATE,
                              .resource = SKR_TOKEN,
                              .after = token,
                              .secret_field = -1};
    r = skr_write_run(&write, error);
    if (r < 0)
        return r;
    if (asprintf(ret_token, "%s.%s", skr_uuid_format(&id, text), write.secret) < 0)
        abort();
    return 0;
}

/* ---- who is it ---- */

int skr_secret_split(const char *text, struct skr_uuid *ret_id, const char **ret_secret)
{
    char id[SKR_UUID_TEXT_MAX];
    const char *dot = text ? strchr(text, '.') : NULL;
    struct skr_uuid found;
    if (!dot || dot - text != SKR_UUID_TEXT_MAX - 1)
        return -EINVAL;
    memcpy(id, text, SKR_UUID_TEXT_MAX - 1);
    id[SKR_UUID_TEXT_MAX - 1] = '\0';
    if (skr_uuid_parse(id, &found) < 0)
        return -EINVAL;
    *ret_id = found;
    *ret_secret = dot + 1;
    return 0;
}

void skr_principal_set_name(struct skr_principal *principal, const char *name)
{
    snprintf(principal->name, sizeof(principal->name), "%s", name);
    skr_utf8_mend(principal->name);
}

static int refuse_bearer(struct skr_error *error)
{
    return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED,
                         "The token is unknown or has ended; log in with a valid one.");
}

int skr_model_authenticate(struct skr_txn *txn, const char *bearer, int64_t now_ms, struct skr_principal *ret,
                           struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *token = NULL;
    struct skr_uuid id;
    const char *secret;
    if (skr_secret_split(bearer, &id, &secret) < 0)
        return refuse_bearer(error);
    int r = skr_txn_get(txn, SKR_TOKEN, &id, NULL, &token, error);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == -ENOENT || !skr_hash_matches(secret, skr_object_text(token, SKR_TOKEN_SECRET_HASH)) ||
        skr_object_integer(token, SKR_TOKEN_EXPIRES_AT) <= now_ms)
        return refuse_bearer(error);
    struct skr_principal principal = {.role = skr_role_find(skr_object_text(token, SKR_TOKEN_ROLE)),
                                      .kind = SKR_PRINCIPAL_TOKEN,
                                      .token_id = id,
                                      .tenant_id = skr_object_uuid(token, SKR_FIELD_TENANT_ID),
                                      .host_group_id = skr_object_uuid(token, SKR_TOKEN_HOST_GROUP_ID)};
    skr_principal_set_name(&principal, skr_object_name(token));
    r = skr_quota_requests(txn, &principal, error);
    if (r == 0)
        *ret = principal;
    return r;
}
