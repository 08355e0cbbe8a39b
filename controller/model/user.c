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
    return skr_session_end_all(write->txn, &sessions_of, &id, error);
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(write->before);
    return skr_session_end_all(write->txn, &sessions_of, &id, error);
}

const struct skr_rules skr_user_rules = {.prepare = prepare, .stored = stored, .removing = removing};
