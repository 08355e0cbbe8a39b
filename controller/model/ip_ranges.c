/* Free addresses of a pool as maximal ranges: taking one splits a range, giving one back merges its neighbours. */
#include "controller/model/ip_ranges.h"

static const struct skr_query lowest = {
        "SELECT range_start, range_end FROM ip_pool_free WHERE ip_pool_id = ?1 ORDER BY range_start LIMIT 1"};
static const struct skr_query at_or_below = {
        "SELECT range_start, range_end FROM ip_pool_free WHERE ip_pool_id = ?1 AND range_start <= ?2 "
        "ORDER BY range_start DESC LIMIT 1"};
static const struct skr_query starting_at = {
        "SELECT range_start, range_end FROM ip_pool_free WHERE ip_pool_id = ?1 AND range_start = ?2"};
static const struct skr_query add = {
        "INSERT INTO ip_pool_free (ip_pool_id, range_start, range_end) VALUES (?1, ?2, ?3)"};
static const struct skr_query drop = {
        "DELETE FROM ip_pool_free WHERE ip_pool_id = ?1 AND range_start = ?2 AND range_end = ?3"};
static const struct skr_query drop_all = {"DELETE FROM ip_pool_free WHERE ip_pool_id = ?1"};

/* 1: found, 0: none. `address` NULL: bound to the pool alone. */
static int look(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *pool_id,
                const struct skr_address *address, struct skr_ip_range *ret, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, pool_id);
    if (address)
        skr_bind_address(statement, 2, address);
    r = skr_step(statement, error);
    if (r > 0)
        *ret = (struct skr_ip_range){skr_column_address(statement, 0), skr_column_address(statement, 1)};
    skr_statement_reset(statement);
    return r;
}

static int change(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *pool_id,
                  const struct skr_ip_range *range, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, pool_id);
    if (range) {
        skr_bind_address(statement, 2, &range->first);
        skr_bind_address(statement, 3, &range->last);
    }
    return skr_statement_run(statement, error);
}

int skr_ip_ranges_lowest(struct skr_txn *txn, const struct skr_uuid *pool_id, struct skr_address *ret,
                         struct skr_error *error)
{
    struct skr_ip_range range;
    int r = look(txn, &lowest, pool_id, NULL, &range, error);
    if (r > 0)
        *ret = range.first;
    return r;
}

int skr_ip_ranges_take(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_address *address,
                       struct skr_error *error)
{
    struct skr_ip_range range;
    int r = look(txn, &at_or_below, pool_id, address, &range, error);
    if (r <= 0 || skr_address_compare(&range.last, address) < 0)
        return r < 0 ? r : 0;
    r = change(txn, &drop, pool_id, &range, error);
    if (r == 0 && skr_address_compare(&range.first, address) < 0) {
        struct skr_ip_range left = {range.first, skr_address_add(address, -1)};
        r = change(txn, &add, pool_id, &left, error);
    }
    if (r == 0 && skr_address_compare(address, &range.last) < 0) {
        struct skr_ip_range right = {skr_address_add(address, 1), range.last};
        r = change(txn, &add, pool_id, &right, error);
    }
    return r < 0 ? r : 1;
}

int skr_ip_ranges_give(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_address *address,
                       struct skr_error *error)
{
    struct skr_ip_range merged = {*address, *address}, below, above;
    struct skr_address next = skr_address_add(address, 1), previous = skr_address_add(address, -1);
    int r = look(txn, &at_or_below, pool_id, address, &below, error);
    if (r > 0 && !skr_address_compare(&below.last, &previous)) {
        merged.first = below.first;
        r = change(txn, &drop, pool_id, &below, error);
    }
    if (r < 0)
        return r;
    r = look(txn, &starting_at, pool_id, &next, &above, error);
    if (r > 0) {
        merged.last = above.last;
        r = change(txn, &drop, pool_id, &above, error);
    }
    return r < 0 ? r : change(txn, &add, pool_id, &merged, error);
}

int skr_ip_ranges_add(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_ip_range *range,
                      struct skr_error *error)
{
    return change(txn, &add, pool_id, range, error);
}

int skr_ip_ranges_clear(struct skr_txn *txn, const struct skr_uuid *pool_id, struct skr_error *error)
{
    return change(txn, &drop_all, pool_id, NULL, error);
}

/* ---- what a pool sets aside ---- */

int skr_ip_range_parse(const char *text, struct skr_ip_range *ret)
{
    char copy[2 * SKR_ADDRESS_TEXT_MAX + 2];
    if (!text || strlen(text) >= sizeof(copy))
        return -EINVAL;
    snprintf(copy, sizeof(copy), "%s", text);
    char *dash = strchr(copy, '-');
    if (dash)
        *dash = '\0';
    struct skr_ip_range range;
    if (skr_address_parse(copy, &range.first) < 0 || skr_address_parse(dash ? dash + 1 : copy, &range.last) < 0)
        return -EINVAL;
    if (skr_address_compare(&range.first, &range.last) > 0)
        return -ERANGE;
    *ret = range;
    return 0;
}

unsigned __int128 skr_ip_range_count(const struct skr_ip_range *range)
{
    unsigned __int128 first = 0, last = 0;
    for (size_t i = 0; i < sizeof(range->first.bytes); i++) {
        first = first << 8 | range->first.bytes[i];
        last = last << 8 | range->last.bytes[i];
    }
    return last - first + 1;
}

bool skr_ip_range_contains(const struct skr_ip_range *range, const struct skr_address *address)
{
    return skr_address_compare(&range->first, address) <= 0 && skr_address_compare(address, &range->last) <= 0;
}

static void aside_add(struct skr_ip_aside *aside, const struct skr_ip_range *range, bool vip)
{
    aside->items = reallocarray(aside->items, aside->count + 1, sizeof(*aside->items));
    if (!aside->items)
        abort();
    aside->items[aside->count++] = (struct skr_ip_aside_range){*range, vip};
}

/* A single address, unless it is outside of the range or set aside already. */
static void aside_add_address(struct skr_ip_aside *aside, const struct skr_ip_range *pool,
                              const struct skr_address *address)
{
    struct skr_ip_range one = {*address, *address};
    if (skr_ip_range_contains(pool, address) && !skr_ip_aside_find(aside, address))
        aside_add(aside, &one, false);
}

static void aside_add_list(struct skr_ip_aside *aside, const struct skr_object *pool, int field)
{
    const struct skr_value *value = &pool->values[field];
    size_t index;
    json_t *entry;
    if (value->type != SKR_VALUE_JSON)
        return;
    json_array_foreach (value->json, index, entry) {
        struct skr_ip_range range;
        if (skr_ip_range_parse(json_string_value(entry), &range) == 0)
            aside_add(aside, &range, field == SKR_IP_POOL_VIP_RESERVED);
    }
}

static int compare_aside(const void *a, const void *b)
{
    const struct skr_ip_aside_range *left = a, *right = b;
    return skr_address_compare(&left->range.first, &right->range.first);
}

void skr_ip_aside_of(const struct skr_object *pool, struct skr_ip_aside *ret)
{
    struct skr_ip_range whole = skr_ip_pool_range(pool);
    struct skr_ip_aside aside = {0};
    aside_add_list(&aside, pool, SKR_IP_POOL_RESERVED);
    aside_add_list(&aside, pool, SKR_IP_POOL_VIP_RESERVED);
    const struct skr_value *gateways = &pool->values[SKR_IP_POOL_GATEWAYS];
    for (uint32_t i = 0; gateways->type == SKR_VALUE_OBJECTS && i < gateways->count; i++) {
        struct skr_address address = skr_object_address(gateways->objects[i], SKR_GATEWAY_ADDRESS);
        aside_add_address(&aside, &whole, &address);
    }
    if (skr_object_has(pool, SKR_IP_POOL_VM_SUBNET_ID)) {
        struct skr_prefix subnet = skr_object_prefix(pool, SKR_IP_POOL_SUBNET);
        struct skr_address gateway = skr_address_add(&subnet.address, 1);
        aside_add_address(&aside, &whole, &gateway);
    }
    if (aside.count)
        qsort(aside.items, aside.count, sizeof(*aside.items), compare_aside);
    *ret = aside;
}

const struct skr_ip_aside_range *skr_ip_aside_find(const struct skr_ip_aside *aside, const struct skr_address *address)
{
    for (size_t i = 0; i < aside->count; i++)
        if (skr_ip_range_contains(&aside->items[i].range, address))
            return &aside->items[i];
    return NULL;
}

struct skr_ip_range skr_ip_pool_range(const struct skr_object *pool)
{
    return (struct skr_ip_range){skr_object_address(pool, SKR_IP_POOL_RANGE_START),
                                 skr_object_address(pool, SKR_IP_POOL_RANGE_END)};
}
