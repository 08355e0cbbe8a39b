#include "controller/model/rules.h"
#include <skerry/abi/fastpath.h>

static const struct skr_query pools_of_group = {"SELECT owner_id FROM mac_pool_host_group_ids WHERE target_id = ?1"};
static const struct skr_query overlapping = {
        "SELECT id, name FROM mac_pool WHERE id > ?1 AND range_start <= ?3 AND range_end >= ?2"};
static const struct skr_query used_from = {
        "SELECT mac FROM network_adapter WHERE mac >= ?1 AND mac <= ?2 ORDER BY mac"};

bool skr_mac_is_gateway(const struct skr_mac *mac)
{
    static const uint8_t gateway[] = SKR_GATEWAY_MAC_BYTES;
    return !memcmp(mac->bytes, gateway, sizeof(gateway));
}

static int check_mac(const struct skr_object *pool, int field, const char *pointer, struct skr_error *error)
{
    struct skr_mac mac = skr_object_mac(pool, field);
    char text[SKR_MAC_TEXT_MAX];
    if (!skr_mac_is_group(&mac) && !skr_mac_is_zero(&mac))
        return 0;
    return skr_refuse(error, SKR_ERROR_INVALID, pointer,
                      "%s is no address of a single adapter; clear its lowest bit of the "
                      "first byte.",
                      skr_mac_format(&mac, text));
}

static int check_range(const struct skr_object *pool, struct skr_error *error)
{
    static const struct skr_mac gateway = {SKR_GATEWAY_MAC_BYTES};
    struct skr_mac first = skr_object_mac(pool, SKR_MAC_POOL_RANGE_START);
    struct skr_mac last = skr_object_mac(pool, SKR_MAC_POOL_RANGE_END);
    uint64_t from = skr_mac_to_u64(&first), to = skr_mac_to_u64(&last);
    if (from > to)
        return skr_refuse(error, SKR_ERROR_INVALID, "/range_end",
                          "The range ends before it starts; swap range_start and range_end.");
    if (first.bytes[0] != last.bytes[0])
        return skr_refuse(error, SKR_ERROR_INVALID, "/range_end",
                          "A range stays within one first byte, so that it holds no group addresses.");
    if (from <= skr_mac_to_u64(&gateway) && skr_mac_to_u64(&gateway) <= to)
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/range_start",
                          "The range holds 02:5c:00:00:00:01, the MAC of every gateway; leave it out.");
    return 0;
}

static int check_overlap(struct skr_write *write, struct skr_error *error)
{
    static const struct skr_uuid nil;
    struct skr_uuid id = skr_object_id(write->after);
    struct skr_mac first = skr_object_mac(write->after, SKR_MAC_POOL_RANGE_START);
    struct skr_mac last = skr_object_mac(write->after, SKR_MAC_POOL_RANGE_END);
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, &overlapping, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &nil);
    skr_bind_mac(statement, 2, &first);
    skr_bind_mac(statement, 3, &last);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid other = skr_column_uuid(statement, 0);
        if (skr_uuid_equal(&other, &id))
            continue;
        r = skr_refuse(error, SKR_ERROR_CONFLICT, "/range_start",
                       "The range overlaps that of MAC pool \"%.100s\"; choose addresses that no other pool has.",
                       skr_column_text(statement, 1));
        break;
    }
    skr_statement_reset(statement);
    return r;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    int r = check_mac(write->after, SKR_MAC_POOL_RANGE_START, "/range_start", error);
    if (r == 0)
        r = check_mac(write->after, SKR_MAC_POOL_RANGE_END, "/range_end", error);
    if (r == 0)
        r = check_range(write->after, error);
    return r < 0 ? r : check_overlap(write, error);
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    if (!skr_object_integer(write->before, SKR_MAC_POOL_BUILT_IN))
        return 0;
    return skr_error_set(
            error, SKR_ERROR_CONFLICT,
            "MAC pool \"%.100s\" is built in and cannot be deleted; create another for the host groups that "
            "need one.",
            skr_object_name(write->before));
}

/* The pool of the nearest group above: 1 and *ret, or 0. */
static int nearest_pool(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_object **ret,
                        struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids chain = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    struct skr_uuid group, pool_id;
    int r = skr_uuid_is_nil(host_id) ? skr_host_group_root(txn, &group, error)
                                     : skr_fetch(txn, SKR_HOST, host_id, &host, error);
    if (r == 0 && host)
        group = skr_object_uuid(host, SKR_HOST_HOST_GROUP_ID);
    if (r == 0)
        r = skr_host_group_chain(txn, &group, &chain, error);
    for (size_t i = 0; r == 0 && i < chain.count; i++)
        r = skr_find(txn, &pools_of_group, &chain.items[i], NULL, &pool_id, error);
    if (r <= 0)
        return r;
    r = skr_fetch(txn, SKR_MAC_POOL, &pool_id, ret, error);
    return r < 0 ? r : 1;
}

/* The first address from `from` on that no adapter has: 1 and *ret, or 0. */
static int first_unused(struct skr_txn *txn, uint64_t from, uint64_t to, uint64_t *ret, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &used_from, &statement, error);
    if (r < 0)
        return r;
    struct skr_mac first = skr_mac_from_u64(from), last = skr_mac_from_u64(to);
    skr_bind_mac(statement, 1, &first);
    skr_bind_mac(statement, 2, &last);
    uint64_t candidate = from;
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_mac used = skr_column_mac(statement, 0);
        if (skr_mac_to_u64(&used) > candidate)
            break;
        candidate = skr_mac_to_u64(&used) + 1; /* the same MAC may stand in several VM subnets */
    }
    skr_statement_reset(statement);
    if (r < 0 || candidate > to)
        return r < 0 ? r : 0;
    *ret = candidate;
    return 1;
}

/* The search goes on where it ended last, so a MAC that was freed is not seen again soon. */
static int next_of(struct skr_txn *txn, const struct skr_object *pool, struct skr_mac *ret, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(pool);
    struct skr_mac first = skr_object_mac(pool, SKR_MAC_POOL_RANGE_START);
    struct skr_mac last = skr_object_mac(pool, SKR_MAC_POOL_RANGE_END);
    uint64_t from = skr_mac_to_u64(&first), to = skr_mac_to_u64(&last), value = 0;
    char name[64] = "mac_pool_next.", text[24];
    skr_uuid_format(&id, name + strlen(name));
    SKR_CLEANUP(skr_free_cleanup) char *stored = NULL;
    int r = skr_txn_setting_get(txn, name, &stored, error);
    if (r < 0 && r != -ENOENT)
        return r;
    uint64_t cursor = stored ? strtoull(stored, NULL, 10) : from;
    if (cursor < from || cursor > to)
        cursor = from;
    r = first_unused(txn, cursor, to, &value, error);
    if (r == 0 && cursor > from)
        r = first_unused(txn, from, cursor - 1, &value, error);
    if (r <= 0)
        return r;
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value + 1);
    r = skr_txn_setting_set(txn, name, text, error);
    if (r < 0)
        return r;
    *ret = skr_mac_from_u64(value);
    return 1;
}

int skr_mac_pool_assign(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_mac *ret,
                        struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL;
    char called[SKR_CALLED_MAX];
    int r = nearest_pool(txn, host_id, &pool, error);
    if (r == 0)
        return skr_refuse(error, SKR_ERROR_EXHAUSTED, "/mac",
                          "No MAC pool serves the root host group; give a MAC or add a pool's host_group_ids.");
    if (r > 0)
        r = next_of(txn, pool, ret, error);
    if (r == 0)
        return skr_refuse(error, SKR_ERROR_EXHAUSTED, "/mac", "%s has no free address; widen its range or give a MAC.",
                          skr_called(txn, pool, "MAC pool", "The pool of MACs", called));
    return r < 0 ? r : 0;
}

const struct skr_rules skr_mac_pool_rules = {.prepare = prepare, .removing = removing};
