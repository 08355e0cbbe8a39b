#include "controller/model/rules.h"

static int prepare(struct skr_write *write, struct skr_error *error)
{
    if (write->before)
        return 0;
    int64_t ttl_s = skr_object_integer(write->after, SKR_JOIN_TOKEN_TTL_S);
    skr_object_set_integer(write->after, SKR_JOIN_TOKEN_EXPIRES_AT, skr_txn_now_ms(write->txn) + ttl_s * 1000);
    skr_object_set_integer(write->after, SKR_JOIN_TOKEN_USES_LEFT,
                           skr_object_integer(write->after, SKR_JOIN_TOKEN_USES));
    return skr_token_secret(write, SKR_JOIN_TOKEN_SECRET_HASH, SKR_JOIN_TOKEN_SECRET, error);
}

const struct skr_rules skr_join_token_rules = {.prepare = prepare};
