/* Users. The password arrives as its hash: Argon2 takes too long for the writer, so who takes the request has hashed
 * it. */
#include "controller/model/rules.h"

static const struct skr_query sessions_of = {"SELECT id FROM session WHERE user_id = ?1"};

static int prepare(struct skr_write *write, struct skr_error *error)
{
    if (!skr_object_has(write->after, SKR_USER_PASSWORD))
        return 0;
    const char *hash = skr_object_text(write->after, SKR_USER_PASSWORD);
    if (strncmp(hash, SKR_PASSWORD_HASH_PREFIX, strlen(SKR_PASSWORD_HASH_PREFIX)) != 0)
        return skr_refuse(error, SKR_ERROR_NOT_SUPPORTED, "/password",
                          "A password is set by a request of its own: POST, PUT or PATCH of the user.");
    skr_object_set_text(write->after, SKR_USER_PASSWORD_HASH, hash);
    skr_value_clear(&write->after->values[SKR_USER_PASSWORD]);
    return 0;
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    if (!write->before || !skr_write_changes(write, SKR_USER_PASSWORD_HASH))
        return 0;
    struct skr_uuid id = skr_object_id(write->after);
    /* The session in which a user changes his own password goes on. */
    bool own = write->principal->kind == SKR_PRINCIPAL_SESSION;
    return skr_session_end_all(write->txn, &sessions_of, &id, own ? &write->principal->token_id : NULL, error);
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(write->before);
    return skr_session_end_all(write->txn, &sessions_of, &id, NULL, error);
}

int skr_model_change_password(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    const struct skr_password_change *change = argument;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = NULL, *after = NULL;
    const struct skr_audited audited = {.principal = &change->principal,
                                        .method = "POST",
                                        .path = "/v1/sessions/current:password",
                                        .kind = skr_resource_get(SKR_USER)->name};
    int r = skr_rolled_back_check(txn, &change->principal, error);
    if (r == 0)
        r = skr_txn_get(txn, SKR_USER, &change->principal.user_id, NULL, &before, error);
    if (r < 0 && r != -ENOENT)
        return r;
    const char *hash = before ? skr_object_text(before, SKR_USER_PASSWORD_HASH) : NULL;
    if (!hash || strcmp(hash, change->old_hash) != 0)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The password has just been changed by somebody; try again.");
    after = skr_object_copy(before);
    skr_object_set_text(after, SKR_USER_PASSWORD_HASH, change->new_hash);
    struct skr_write write = {.txn = txn,
                              .principal = &change->principal,
                              .operation = SKR_OPERATION_PATCH,
                              .resource = SKR_USER,
                              .before = before,
                              .after = after,
                              .secret_field = -1};
    r = skr_write_run(&write, error);
    return r < 0 ? r : skr_audit_done(txn, &audited, before, after, error);
}

const struct skr_rules skr_user_rules = {.prepare = prepare, .stored = stored, .removing = removing};
