/* Addresses taken from pools: one row each, free ranges and the pool's counters in the same transaction.
 * total = allocated + reserved + vip + free holds at every commit; retired addresses count as allocated. */
#include "controller/model/ip_ranges.h"

static const struct skr_query pools_of_site = {"SELECT id FROM ip_pool WHERE network_site_id = ?1 ORDER BY id"};
static const struct skr_query pools_of_subnet = {"SELECT id FROM ip_pool WHERE vm_subnet_id = ?1 ORDER BY id"};
static const struct skr_query allocation_at = {"SELECT id FROM ip_allocation WHERE ip_pool_id = ?1 AND address = ?2"};
static const struct skr_query held_by = {"SELECT id FROM ip_allocation WHERE owner_id = ?1 AND +address = ?2"};
static const struct skr_query in_range = {
        "SELECT address FROM ip_allocation WHERE ip_pool_id = ?1 AND address >= ?2 AND address <= ?3 ORDER BY address"};
static const struct skr_query of_pool = {
        "SELECT address, retired_at_revision FROM ip_allocation WHERE ip_pool_id = ?1 ORDER BY address"};
static const struct skr_query count_up = {
        "UPDATE ip_pool SET allocated = allocated + ?2, vip_count = vip_count + ?3 WHERE id = ?1"};

int skr_ip_pools_of_site(struct skr_txn *txn, const struct skr_uuid *site_id, struct skr_ids *ids,
                         struct skr_error *error)
{
    return skr_ids_query(txn, &pools_of_site, site_id, ids, error);
}

int skr_ip_pools_of_subnet(struct skr_txn *txn, const struct skr_uuid *subnet_id, struct skr_ids *ids,
                           struct skr_error *error)
{
    return skr_ids_query(txn, &pools_of_subnet, subnet_id, ids, error);
}

/* ---- building ---- */

static int check_live(const struct skr_ip_range *whole, const struct skr_ip_aside *aside,
                      const struct skr_address *address, bool resting, struct skr_error *error)
{
    char text[SKR_ADDRESS_TEXT_MAX];
    const struct skr_ip_aside_range *found = skr_ip_aside_find(aside, address);
    if (skr_ip_range_contains(whole, address) && (!found || found->vip))
        return 0;
    return skr_refuse(error, SKR_ERROR_IN_USE, found ? "/reserved" : "/range_end", "%s %s; %s.",
                      skr_address_format(address, text),
                      resting ? "was freed and is kept until every host has let go of it" : "is allocated",
                      found ? "take it out of what is reserved or release it first"
                            : "leave it inside of the range or release it first");
}

/* Allocated addresses in order; the caller frees *ret. */
static int read_allocated(struct skr_txn *txn, const struct skr_object *pool, const struct skr_ip_aside *aside,
                          struct skr_address **ret, size_t *ret_count, struct skr_error *error)
{
    struct skr_ip_range whole = skr_ip_pool_range(pool);
    struct skr_uuid id = skr_object_id(pool);
    SKR_CLEANUP(skr_free_cleanup) struct skr_address *list = NULL;
    size_t count = 0, capacity = 0;
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &of_pool, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &id);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_address address = skr_column_address(statement, 0);
        r = check_live(&whole, aside, &address, !skr_column_is_null(statement, 1), error);
        if (r < 0)
            break;
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            list = reallocarray(list, capacity, sizeof(*list));
            if (!list)
                abort();
        }
        list[count++] = address;
    }
    skr_statement_reset(statement);
    if (r < 0)
        return r;
    *ret = SKR_TAKE(list);
    *ret_count = count;
    return 0;
}

struct builder {
    struct skr_txn *txn;
    struct skr_uuid pool_id;
    struct skr_address cursor; /* everything below has been decided */
    bool done;                 /* the last address of the range has been passed */
    struct skr_ip_range whole;
};

/* The addresses between the cursor and the range are free. */
static int skip(struct builder *builder, const struct skr_ip_range *range, struct skr_error *error)
{
    int r = 0;
    if (builder->done)
        return 0;
    if (skr_address_compare(&builder->cursor, &range->first) < 0) {
        struct skr_ip_range gap = {builder->cursor, skr_address_add(&range->first, -1)};
        r = skr_ip_ranges_add(builder->txn, &builder->pool_id, &gap, error);
    }
    if (skr_address_compare(&builder->cursor, &range->last) <= 0)
        builder->cursor = skr_address_add(&range->last, 1);
    builder->done = skr_address_compare(&range->last, &builder->whole.last) >= 0;
    return r;
}

/* Merges two ordered lists: what is set aside and what is allocated. */
static int build_free(struct builder *builder, const struct skr_ip_aside *aside, const struct skr_address *taken,
                      size_t taken_count, struct skr_error *error)
{
    size_t a = 0, t = 0;
    int r = 0;
    while (r == 0 && (a < aside->count || t < taken_count)) {
        bool use_aside = t == taken_count ||
                         (a < aside->count && skr_address_compare(&aside->items[a].range.first, &taken[t]) <= 0);
        struct skr_ip_range next;
        if (use_aside)
            next = aside->items[a++].range;
        else
            next.first = next.last = taken[t++];
        r = skip(builder, &next, error);
    }
    if (r < 0 || builder->done)
        return r;
    struct skr_ip_range rest = {builder->cursor, builder->whole.last};
    return skr_ip_ranges_add(builder->txn, &builder->pool_id, &rest, error);
}

static int64_t at_most(unsigned __int128 value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

int skr_ip_pool_count(struct skr_txn *txn, struct skr_object *pool, struct skr_error *error)
{
    SKR_CLEANUP(skr_ip_aside_cleanup) struct skr_ip_aside aside = {0};
    SKR_CLEANUP(skr_free_cleanup) struct skr_address *taken = NULL;
    size_t count;
    skr_ip_aside_of(pool, &aside);
    int r = read_allocated(txn, pool, &aside, &taken, &count, error);
    if (r < 0)
        return r;
    struct skr_ip_range whole = skr_ip_pool_range(pool);
    unsigned __int128 reserved = 0, vip = 0;
    for (size_t i = 0; i < aside.count; i++)
        *(aside.items[i].vip ? &vip : &reserved) += skr_ip_range_count(&aside.items[i].range);
    int64_t virtual = at_most(vip);
    for (size_t i = 0; i < count; i++)
        virtual -= skr_ip_aside_find(&aside, &taken[i]) ? 1 : 0;
    skr_object_set_integer(pool, SKR_IP_POOL_TOTAL, at_most(skr_ip_range_count(&whole)));
    skr_object_set_integer(pool, SKR_IP_POOL_ALLOCATED, (int64_t)count);
    skr_object_set_integer(pool, SKR_IP_POOL_RESERVED_COUNT, at_most(reserved));
    skr_object_set_integer(pool, SKR_IP_POOL_VIP_COUNT, virtual);
    return 0;
}

int skr_ip_pool_rebuild(struct skr_txn *txn, const struct skr_object *pool, struct skr_error *error)
{
    SKR_CLEANUP(skr_ip_aside_cleanup) struct skr_ip_aside aside = {0};
    SKR_CLEANUP(skr_free_cleanup) struct skr_address *taken = NULL;
    size_t count;
    struct skr_ip_range whole = skr_ip_pool_range(pool);
    struct builder builder = {.txn = txn, .pool_id = skr_object_id(pool), .cursor = whole.first, .whole = whole};
    skr_ip_aside_of(pool, &aside);
    int r = read_allocated(txn, pool, &aside, &taken, &count, error);
    if (r == 0)
        r = skr_ip_ranges_clear(txn, &builder.pool_id, error);
    return r < 0 ? r : build_free(&builder, &aside, taken, count, error);
}

/* ---- taking and giving ---- */

/* Counts for the pool, and for all that it belongs to. */
static int count(struct skr_txn *txn, const struct skr_object *pool, int allocated, int vip, struct skr_error *error)
{
    struct skr_uuid pool_id = skr_object_id(pool);
    struct skr_ip_counts more = {.allocated = (unsigned __int128)allocated, .vip = (unsigned __int128)vip}, none = {0};
    struct skr_statement *statement = NULL;
    int r = skr_ip_usage_change(txn, pool, &none, &more, error);
    if (r == 0)
        r = skr_txn_query(txn, &count_up, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &pool_id);
    skr_bind_integer(statement, 2, allocated);
    skr_bind_integer(statement, 3, vip);
    return skr_statement_run(statement, error);
}

int skr_ip_find(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_address *address,
                struct skr_object **ret, struct skr_error *error)
{
    return skr_fetch_by_address(txn, &allocation_at, SKR_IP_ALLOCATION, pool_id, address, ret, error);
}

static int insert(struct skr_txn *txn, const struct skr_object *pool, const struct skr_address *address,
                  const char *kind, const struct skr_uuid *owner, bool vip, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = skr_row_new(SKR_IP_ALLOCATION);
    struct skr_uuid pool_id = skr_object_id(pool), tenant_id = skr_object_uuid(pool, SKR_FIELD_TENANT_ID);
    char text[SKR_ADDRESS_TEXT_MAX];
    if (!skr_uuid_is_nil(&tenant_id))
        skr_object_set_uuid(row, SKR_FIELD_TENANT_ID, &tenant_id);
    skr_object_set_text(row, SKR_FIELD_NAME, skr_address_format(address, text));
    skr_object_set_uuid(row, SKR_IP_ALLOCATION_IP_POOL_ID, &pool_id);
    skr_object_set_address(row, SKR_IP_ALLOCATION_ADDRESS, address);
    skr_object_set_text(row, SKR_IP_ALLOCATION_PURPOSE, kind);
    if (owner)
        skr_object_set_uuid(row, SKR_IP_ALLOCATION_OWNER_ID, owner);
    int r = skr_held_insert(txn, row, error);
    return r < 0 ? r : count(txn, pool, 1, vip ? -1 : 0, error);
}

/* The lowest virtual IP that nobody has: 1, or 0 when all are taken. */
static int lowest_vip(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_ip_aside *aside,
                      struct skr_address *ret, struct skr_error *error)
{
    for (size_t i = 0; i < aside->count; i++) {
        if (!aside->items[i].vip)
            continue;
        struct skr_statement *statement;
        int r = skr_txn_query(txn, &in_range, &statement, error);
        if (r < 0)
            return r;
        struct skr_address candidate = aside->items[i].range.first;
        skr_bind_uuid(statement, 1, pool_id);
        skr_bind_address(statement, 2, &candidate);
        skr_bind_address(statement, 3, &aside->items[i].range.last);
        while ((r = skr_step(statement, error)) > 0) {
            struct skr_address taken = skr_column_address(statement, 0);
            if (skr_address_compare(&taken, &candidate))
                break;
            candidate = skr_address_add(&candidate, 1);
        }
        skr_statement_reset(statement);
        if (r < 0)
            return r;
        if (skr_ip_range_contains(&aside->items[i].range, &candidate)) {
            *ret = candidate;
            return 1;
        }
    }
    return 0;
}

/* Takes the lowest free address out of the pool, without a row: 1, or 0 when none is free. */
static int claim_free(struct skr_txn *txn, const struct skr_object *pool, const char *kind, struct skr_address *ret,
                      struct skr_error *error)
{
    SKR_CLEANUP(skr_ip_aside_cleanup) struct skr_ip_aside aside = {0};
    struct skr_uuid pool_id = skr_object_id(pool);
    if (!strcmp(kind, SKR_IP_VIP)) {
        skr_ip_aside_of(pool, &aside);
        return lowest_vip(txn, &pool_id, &aside, ret, error);
    }
    int r = skr_ip_ranges_lowest(txn, &pool_id, ret, error);
    return r <= 0 ? r : skr_ip_ranges_take(txn, &pool_id, ret, error);
}

int skr_ip_allocate_free(struct skr_txn *txn, const struct skr_object *pool, const char *kind,
                         const struct skr_uuid *owner, struct skr_address *ret, struct skr_error *error)
{
    struct skr_address address;
    int r = claim_free(txn, pool, kind, &address, error);
    if (r <= 0)
        return r;
    r = insert(txn, pool, &address, kind, owner, !strcmp(kind, SKR_IP_VIP), error);
    if (r < 0)
        return r;
    *ret = address;
    return 1;
}

/* Says why the address is not free. */
static int say_taken(struct skr_txn *txn, const struct skr_object *pool, const struct skr_address *address,
                     const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *holder = NULL;
    char text[SKR_ADDRESS_TEXT_MAX], called[SKR_CALLED_MAX];
    struct skr_uuid pool_id = skr_object_id(pool);
    skr_address_format(address, text);
    int r = skr_ip_find(txn, &pool_id, address, &holder, error);
    if (r < 0 && r != -ENOENT)
        return r;
    if (holder && skr_object_has(holder, SKR_IP_ALLOCATION_RETIRED_AT_REVISION))
        return skr_refuse(error, SKR_ERROR_EXISTS, pointer,
                          "%s was freed and rests until the hosts that may serve it have let go of it; choose another "
                          "address.",
                          text);
    if (holder && skr_asker_sees(txn, pool))
        return skr_refuse(error, SKR_ERROR_EXISTS, pointer, "%s is allocated already (%s); choose another address.",
                          text, skr_object_text(holder, SKR_IP_ALLOCATION_PURPOSE));
    if (holder)
        return skr_refuse(error, SKR_ERROR_EXISTS, pointer, "%s is allocated already; choose another address.", text);
    return skr_refuse(error, SKR_ERROR_CONFLICT, pointer,
                      "%s is set aside in %s; choose another address or take it out of what is reserved.", text,
                      skr_called(txn, pool, "IP pool", "its IP pool", called));
}

static int allocate_wished(struct skr_txn *txn, const struct skr_object *pool, const struct skr_address *address,
                           bool vip, const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_ip_aside_cleanup) struct skr_ip_aside aside = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *holder = NULL;
    struct skr_uuid pool_id = skr_object_id(pool);
    struct skr_ip_range whole = skr_ip_pool_range(pool);
    char text[SKR_ADDRESS_TEXT_MAX], called[SKR_CALLED_MAX];
    if (!skr_ip_range_contains(&whole, address))
        return skr_refuse(error, SKR_ERROR_INVALID, pointer, "%s is outside of the range of %s.",
                          skr_address_format(address, text), skr_called(txn, pool, "IP pool", "its IP pool", called));
    if (!vip) {
        int r = skr_ip_ranges_take(txn, &pool_id, address, error);
        return r ? (r < 0 ? r : 0) : say_taken(txn, pool, address, pointer, error);
    }
    skr_ip_aside_of(pool, &aside);
    const struct skr_ip_aside_range *found = skr_ip_aside_find(&aside, address);
    if (!found || !found->vip)
        return skr_refuse(error, SKR_ERROR_INVALID, pointer,
                          "%s is not among the vip_reserved addresses of %s; add it there first.",
                          skr_address_format(address, text), skr_called(txn, pool, "IP pool", "its IP pool", called));
    int r = skr_ip_find(txn, &pool_id, address, &holder, error);
    return r == -ENOENT ? 0 : r < 0 ? r : say_taken(txn, pool, address, pointer, error);
}

int skr_ip_claim(struct skr_txn *txn, const struct skr_object *pool, const struct skr_address *wished, const char *kind,
                 const char *pointer, struct skr_address *ret, struct skr_error *error)
{
    bool vip = !strcmp(kind, SKR_IP_VIP);
    struct skr_address address;
    char called[SKR_CALLED_MAX];
    int r = wished ? allocate_wished(txn, pool, wished, vip, pointer, error)
                   : claim_free(txn, pool, kind, &address, error);
    if (r < 0)
        return r;
    if (!wished && r == 0)
        return skr_error_set(error, SKR_ERROR_EXHAUSTED, "%s has no free %saddress; widen its range.",
                             skr_called(txn, pool, "IP pool", "The IP pool", called), vip ? "virtual IP " : "");
    *ret = wished ? *wished : address;
    return 0;
}

int skr_ip_count_claim(struct skr_txn *txn, const struct skr_object *pool, const struct skr_object *allocation,
                       struct skr_error *error)
{
    bool vip = !strcmp(skr_object_text(allocation, SKR_IP_ALLOCATION_PURPOSE), SKR_IP_VIP);
    int r = count(txn, pool, 1, vip ? -1 : 0, error);
    return r < 0 ? r : skr_held_note(txn, NULL, allocation, error);
}

/* The row is gone: the pool has one less, and the address is free unless it is set aside. */
static int free_address(struct skr_txn *txn, const struct skr_object *allocation, struct skr_error *error)
{
    SKR_CLEANUP(skr_ip_aside_cleanup) struct skr_ip_aside aside = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL;
    struct skr_uuid pool_id = skr_object_uuid(allocation, SKR_IP_ALLOCATION_IP_POOL_ID);
    struct skr_address address = skr_object_address(allocation, SKR_IP_ALLOCATION_ADDRESS);
    int r = skr_fetch(txn, SKR_IP_POOL, &pool_id, &pool, error);
    if (r < 0)
        return r;
    skr_ip_aside_of(pool, &aside);
    const struct skr_ip_aside_range *found = skr_ip_aside_find(&aside, &address);
    r = count(txn, pool, -1, found && found->vip ? 1 : 0, error);
    return r < 0 || found ? r : skr_ip_ranges_give(txn, &pool_id, &address, error);
}

int skr_ip_give_back(struct skr_txn *txn, const struct skr_object *allocation, struct skr_error *error)
{
    int r = skr_held_note(txn, allocation, NULL, error);
    return r < 0 ? r : free_address(txn, allocation, error);
}

int skr_ip_release(struct skr_txn *txn, struct skr_object *allocation, struct skr_error *error)
{
    int r = skr_held_delete(txn, allocation, error);
    return r < 0 ? r : free_address(txn, allocation, error);
}

/* The one of these pools whose range has the address: 1 and *ret, or 0. */
static int pool_with(struct skr_txn *txn, const struct skr_ids *pools, const struct skr_address *address,
                     struct skr_object **ret, struct skr_error *error)
{
    for (size_t i = 0; i < pools->count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL;
        int r = skr_fetch(txn, SKR_IP_POOL, &pools->items[i], &pool, error);
        if (r < 0)
            return r;
        struct skr_ip_range range = skr_ip_pool_range(pool);
        if (skr_ip_range_contains(&range, address)) {
            *ret = SKR_TAKE(pool);
            return 1;
        }
    }
    return 0;
}

int skr_ip_take(struct skr_txn *txn, const struct skr_ids *pools, const struct skr_address *address,
                const struct skr_uuid *owner, const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL, *holder = NULL;
    int r = pool_with(txn, pools, address, &pool, error);
    if (r <= 0)
        return r;
    struct skr_uuid pool_id = skr_object_id(pool);
    r = skr_ip_ranges_take(txn, &pool_id, address, error);
    if (r)
        return r < 0 ? r : insert(txn, pool, address, SKR_IP_ADAPTER, owner, false, error);
    r = skr_ip_find(txn, &pool_id, address, &holder, error);
    if (r == -ENOENT)
        return 0; /* reserved: set aside for exactly this, addresses given by hand */
    if (r < 0)
        return r;
    struct skr_uuid other = skr_object_uuid(holder, SKR_IP_ALLOCATION_OWNER_ID);
    return skr_uuid_equal(&other, owner) ? 0 : say_taken(txn, pool, address, pointer, error);
}

int skr_ip_is_virtual(struct skr_txn *txn, const struct skr_ids *pools, const struct skr_address *address,
                      const struct skr_uuid *tenant_id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL, *holder = NULL;
    int r = pool_with(txn, pools, address, &pool, error);
    if (r <= 0)
        return r;
    struct skr_uuid pool_id = skr_object_id(pool);
    r = skr_ip_find(txn, &pool_id, address, &holder, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct skr_uuid tenant = skr_object_uuid(holder, SKR_FIELD_TENANT_ID);
    return strcmp(skr_object_text(holder, SKR_IP_ALLOCATION_PURPOSE), SKR_IP_VIP) == 0 &&
           skr_uuid_equal(&tenant, tenant_id) && !skr_object_has(holder, SKR_IP_ALLOCATION_RETIRED_AT_REVISION);
}

int skr_ip_held(struct skr_txn *txn, const struct skr_address *address, const struct skr_uuid *owner,
                struct skr_object **ret, struct skr_error *error)
{
    return skr_fetch_by_address(txn, &held_by, SKR_IP_ALLOCATION, owner, address, ret, error);
}

int skr_ip_give(struct skr_txn *txn, const struct skr_address *address, const struct skr_uuid *owner,
                struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *held = NULL;
    int r = skr_ip_held(txn, address, owner, &held, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return skr_ip_release(txn, held, error);
}
