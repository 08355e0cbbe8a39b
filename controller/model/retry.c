/* Idempotency keys: what a POST has done is kept in the transaction that did it, so that a client that heard no answer
 * may ask again. */
#include "controller/model/rules.h"

static const struct skr_query find = {"SELECT path, body_hash, revision, objects, created_at FROM idempotency "
                                      "WHERE principal_id = ?1 AND key = ?2"};
static const struct skr_query last = {
        "SELECT number FROM idempotency WHERE principal_id = ?1 ORDER BY number DESC LIMIT 1"};
static const struct skr_query forget_key = {"DELETE FROM idempotency WHERE principal_id = ?1 AND key = ?2"};
static const struct skr_query forget_oldest = {"DELETE FROM idempotency WHERE principal_id = ?1 AND number <= ?2"};
static const struct skr_query keep = {"INSERT INTO idempotency (principal_id, key, number, path, body_hash, revision, "
                                      "objects, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"};
static const struct skr_query expired = {
        "SELECT principal_id, key FROM idempotency WHERE created_at < ?1 ORDER BY created_at LIMIT 1"};

static int query_of(struct skr_txn *txn, const struct skr_query *query, const struct skr_retry *retry,
                    struct skr_statement **ret, struct skr_error *error)
{
    int r = skr_txn_query(txn, query, ret, error);
    if (r == 0)
        skr_bind_uuid(*ret, 1, &retry->principal_id);
    return r;
}

int skr_model_retry_find(struct skr_txn *txn, struct skr_retry *retry, struct skr_error *error)
{
    struct skr_statement *statement = NULL;
    uint8_t hash[32] = {0};
    skr_retry_done(retry);
    int r = query_of(txn, &find, retry, &statement, error);
    if (r < 0)
        return r;
    skr_bind_text(statement, 2, retry->key);
    r = skr_step(statement, error);
    if (r <= 0)
        return r;
    bool valid = skr_column_integer(statement, 4) >= skr_txn_now_ms(txn) - SKR_RETRY_KEPT_MS;
    bool same = !strcmp(skr_column_text(statement, 0), retry->path) && skr_column_hash(statement, 1, hash) &&
                !memcmp(hash, retry->body_hash, sizeof(hash));
    if (valid && same) {
        retry->revision = skr_column_integer(statement, 2);
        retry->objects = strdup(skr_column_text(statement, 3));
        if (!retry->objects)
            abort();
    }
    skr_statement_reset(statement);
    if (valid && !same)
        return skr_error_set(error, SKR_ERROR_INVALID,
                             "This Idempotency-Key came with another request before; use a new key for each new one.");
    return 0;
}

static int forget_expired(struct skr_txn *txn, const struct skr_retry *retry, struct skr_error *error)
{
    struct skr_statement *statement = NULL;
    int r = query_of(txn, &forget_key, retry, &statement, error);
    if (r < 0)
        return r;
    skr_bind_text(statement, 2, retry->key);
    return skr_step(statement, error);
}

int skr_model_retry_keep(struct skr_txn *txn, const struct skr_retry *retry, const char *objects,
                         struct skr_error *error)
{
    struct skr_statement *statement = NULL;
    int64_t newest = 0;
    int r = forget_expired(txn, retry, error);
    if (r == 0)
        r = skr_integer_query(txn, &last, &retry->principal_id, &newest, error);
    int64_t number = newest + 1;
    if (r == 0)
        r = query_of(txn, &keep, retry, &statement, error);
    if (r < 0)
        return r;
    skr_bind_text(statement, 2, retry->key);
    skr_bind_integer(statement, 3, number);
    skr_bind_text(statement, 4, retry->path);
    skr_bind_hash(statement, 5, retry->body_hash);
    skr_bind_integer(statement, 6, skr_txn_revision(txn));
    skr_bind_text(statement, 7, objects);
    skr_bind_integer(statement, 8, skr_txn_now_ms(txn));
    r = skr_step(statement, error);
    if (r == 0)
        r = query_of(txn, &forget_oldest, retry, &statement, error);
    if (r < 0)
        return r;
    skr_bind_integer(statement, 2, number - SKR_RETRIES_MAX);
    return skr_step(statement, error);
}

int skr_model_retry_prune(struct skr_txn *txn, int64_t now_ms, unsigned max, struct skr_error *error)
{
    for (unsigned i = 0; i < max; i++) {
        struct skr_statement *statement = NULL;
        struct skr_retry oldest = {0};
        int r = skr_txn_query(txn, &expired, &statement, error);
        if (r < 0)
            return r;
        skr_bind_integer(statement, 1, now_ms - SKR_RETRY_KEPT_MS);
        r = skr_step(statement, error);
        if (r <= 0)
            return r;
        SKR_CLEANUP(skr_free_cleanup) char *key = strdup(skr_column_text(statement, 1));
        oldest.principal_id = skr_column_uuid(statement, 0);
        oldest.key = key;
        skr_statement_reset(statement);
        if (!key)
            abort();
        r = forget_expired(txn, &oldest, error);
        if (r < 0)
            return r;
    }
    return 0;
}

void skr_retry_done(struct skr_retry *retry)
{
    free(SKR_TAKE(retry->objects));
}
