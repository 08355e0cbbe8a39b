/* Address holdings record which object had which address, and when. Three kinds of rows give an address to an object:
 * lookup records (adapters and what they were heard to use), provider addresses (hosts) and allocations made by hand.
 * Each of them is written through the functions here or told to them, so the history follows in the same savepoint: a
 * holding begins when such a row gets an address and ends when it loses it, or when the same row gives the address to
 * another object.
 *
 * Ended holdings are kept 90 days and at most 1,000,000; each new holding takes two old ones with it, and upkeep takes
 * the rest. */
#include "controller/model/rules.h"

#define ENDED_MAX    1000000
#define ENDED_AGE_MS (90LL * 24 * 3600 * 1000)
#define PRUNE_BESIDE 2

static const struct skr_query end_holding = {
        "UPDATE address_holding SET held_until = ?2, updated_at = ?2 WHERE source_id = ?1 AND held_until IS NULL"};
static const struct skr_query name_pool = {"UPDATE address_holding SET ip_pool_id = ?3, network_site_id = (SELECT "
                                           "network_site_id FROM ip_pool WHERE id = ?3) "
                                           "WHERE owner_id = ?1 AND +address = ?2 AND held_until IS NULL"};
static const struct skr_query ended = {"SELECT ended FROM address_holding_total WHERE id = 1"};
static const struct skr_query drop_ended = {
        "DELETE FROM address_holding WHERE id IN "
        "(SELECT id FROM address_holding WHERE held_until < ?1 ORDER BY held_until LIMIT ?2)"};
static const struct skr_query name_of_adapter = {"SELECT name FROM network_adapter WHERE id = ?1"};
static const struct skr_query name_of_host = {"SELECT name FROM host WHERE id = ?1"};
static const struct skr_query pool_of_adapter = {
        "SELECT p.id, p.network_site_id FROM ip_allocation a JOIN ip_pool p ON p.id = a.ip_pool_id "
        "WHERE a.owner_id = ?1 AND +a.address = ?2"};
static const struct skr_query place_of_pool = {
        "SELECT p.network_site_id, p.vm_subnet_id, s.vm_network_id FROM ip_pool p "
        "LEFT JOIN vm_subnet s ON s.id = p.vm_subnet_id WHERE p.id = ?1"};

/* ---- pruning ---- */

int skr_holding_prune(struct skr_txn *txn, unsigned max, struct skr_error *error)
{
    struct skr_statement *statement;
    int64_t count;
    int r = skr_integer_query(txn, &ended, NULL, &count, error);
    if (r < 0 || !count)
        return r;
    int64_t over = count - ENDED_MAX;
    r = skr_txn_query(txn, &drop_ended, &statement, error);
    if (r < 0)
        return r;
    skr_bind_integer(statement, 1, over > 0 ? INT64_MAX : skr_txn_now_ms(txn) - ENDED_AGE_MS);
    skr_bind_integer(statement, 2, over > 0 && over < max ? over : max);
    return skr_statement_run(statement, error);
}

/* ---- what a row says ---- */

struct holding {
    bool held;
    struct skr_address address;
    const char *kind, *owner_kind;
    struct skr_uuid owner_id;
};

static struct holding describe(const struct skr_object *row)
{
    struct holding none = {0};
    if (!row)
        return none;
    if (row->resource->id == SKR_LOOKUP_RECORD && skr_object_has(row, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS))
        return (struct holding){.held = true,
                                .address = skr_object_address(row, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS),
                                .kind = strcmp(skr_object_text(row, SKR_LOOKUP_RECORD_TYPE), "dynamic") ? SKR_IP_ADAPTER
                                                                                                        : "learned",
                                .owner_kind = "network-adapter",
                                .owner_id = skr_object_uuid(row, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID)};
    if (row->resource->id == SKR_PROVIDER_ADDRESS && skr_object_has(row, SKR_PROVIDER_ADDRESS_ADDRESS))
        return (struct holding){.held = true,
                                .address = skr_object_address(row, SKR_PROVIDER_ADDRESS_ADDRESS),
                                .kind = SKR_IP_PROVIDER,
                                .owner_kind = "host",
                                .owner_id = skr_object_uuid(row, SKR_PROVIDER_ADDRESS_HOST_ID)};
    if (row->resource->id != SKR_IP_ALLOCATION || skr_object_has(row, SKR_IP_ALLOCATION_OWNER_ID) ||
        skr_object_has(row, SKR_IP_ALLOCATION_RETIRED_AT_REVISION))
        return none;
    return (struct holding){.held = true,
                            .address = skr_object_address(row, SKR_IP_ALLOCATION_ADDRESS),
                            .kind = skr_object_text(row, SKR_IP_ALLOCATION_PURPOSE),
                            .owner_kind = "ip-allocation",
                            .owner_id = skr_object_id(row)};
}

static bool same(const struct holding *a, const struct holding *b)
{
    return a->held == b->held &&
           (!a->held || (!skr_address_compare(&a->address, &b->address) && !strcmp(a->kind, b->kind) &&
                         skr_uuid_equal(&a->owner_id, &b->owner_id)));
}

/* ---- beginning and ending ---- */

static void set_id(struct skr_object *holding, int field, const struct skr_uuid *id)
{
    if (!skr_uuid_is_nil(id))
        skr_object_set_uuid(holding, field, id);
}

static int set_owner(struct skr_txn *txn, struct skr_object *holding, const struct holding *now,
                     struct skr_error *error)
{
    bool adapter = !strcmp(now->owner_kind, "network-adapter");
    struct skr_statement *statement;
    char text[SKR_ADDRESS_TEXT_MAX];
    skr_object_set_text(holding, SKR_ADDRESS_HOLDING_OWNER_KIND, now->owner_kind);
    skr_object_set_uuid(holding, SKR_ADDRESS_HOLDING_OWNER_ID, &now->owner_id);
    skr_object_set_text(holding, SKR_ADDRESS_HOLDING_OWNER_NAME, skr_address_format(&now->address, text));
    if (!strcmp(now->owner_kind, "ip-allocation"))
        return 0;
    int r = skr_txn_query(txn, adapter ? &name_of_adapter : &name_of_host, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &now->owner_id);
    r = skr_step(statement, error);
    if (r > 0)
        skr_object_set_text(holding, SKR_ADDRESS_HOLDING_OWNER_NAME, skr_column_text(statement, 0));
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

/* An adapter's address is of a pool when an allocation says so. */
static int set_place_of_record(struct skr_txn *txn, struct skr_object *holding, const struct skr_object *record,
                               const struct holding *now, struct skr_error *error)
{
    struct skr_uuid network_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_VM_NETWORK_ID);
    struct skr_uuid subnet_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_VM_SUBNET_ID);
    struct skr_statement *statement;
    set_id(holding, SKR_ADDRESS_HOLDING_VM_NETWORK_ID, &network_id);
    set_id(holding, SKR_ADDRESS_HOLDING_VM_SUBNET_ID, &subnet_id);
    int r = skr_txn_query(txn, &pool_of_adapter, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &now->owner_id);
    skr_bind_address(statement, 2, &now->address);
    r = skr_step(statement, error);
    if (r > 0) {
        struct skr_uuid pool_id = skr_column_uuid(statement, 0), site_id = skr_column_uuid(statement, 1);
        set_id(holding, SKR_ADDRESS_HOLDING_IP_POOL_ID, &pool_id);
        set_id(holding, SKR_ADDRESS_HOLDING_NETWORK_SITE_ID, &site_id);
    }
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

static int set_place_of_pool(struct skr_txn *txn, struct skr_object *holding, const struct skr_uuid *pool_id,
                             struct skr_error *error)
{
    struct skr_statement *statement;
    set_id(holding, SKR_ADDRESS_HOLDING_IP_POOL_ID, pool_id);
    int r = skr_txn_query(txn, &place_of_pool, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, pool_id);
    r = skr_step(statement, error);
    if (r > 0) {
        struct skr_uuid site_id = skr_column_uuid(statement, 0), subnet_id = skr_column_uuid(statement, 1);
        struct skr_uuid network_id = skr_column_uuid(statement, 2);
        set_id(holding, SKR_ADDRESS_HOLDING_NETWORK_SITE_ID, &site_id);
        set_id(holding, SKR_ADDRESS_HOLDING_VM_SUBNET_ID, &subnet_id);
        set_id(holding, SKR_ADDRESS_HOLDING_VM_NETWORK_ID, &network_id);
    }
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

static int begin(struct skr_txn *txn, const struct skr_object *row, const struct holding *now, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *holding = skr_row_new(SKR_ADDRESS_HOLDING);
    struct skr_uuid tenant_id = skr_object_uuid(row, SKR_FIELD_TENANT_ID), source_id = skr_object_id(row), pool_id;
    char text[SKR_ADDRESS_TEXT_MAX];
    set_id(holding, SKR_FIELD_TENANT_ID, &tenant_id);
    skr_object_set_text(holding, SKR_FIELD_NAME, skr_address_format(&now->address, text));
    skr_object_set_address(holding, SKR_ADDRESS_HOLDING_ADDRESS, &now->address);
    skr_object_set_text(holding, SKR_ADDRESS_HOLDING_KIND, now->kind);
    skr_object_set_uuid(holding, SKR_ADDRESS_HOLDING_SOURCE_ID, &source_id);
    skr_object_set_integer(holding, SKR_ADDRESS_HOLDING_HELD_FROM, skr_txn_now_ms(txn));
    int r = set_owner(txn, holding, now, error);
    if (r < 0)
        return r;
    if (row->resource->id == SKR_LOOKUP_RECORD) {
        r = set_place_of_record(txn, holding, row, now, error);
    } else {
        pool_id = skr_object_uuid(row, row->resource->id == SKR_PROVIDER_ADDRESS ? SKR_PROVIDER_ADDRESS_IP_POOL_ID
                                                                                 : SKR_IP_ALLOCATION_IP_POOL_ID);
        r = set_place_of_pool(txn, holding, &pool_id, error);
    }
    if (r == 0)
        r = skr_holding_prune(txn, PRUNE_BESIDE, error);
    return r < 0 ? r : skr_txn_append(txn, holding, error);
}

static int end(struct skr_txn *txn, const struct skr_object *row, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(row);
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &end_holding, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &id);
    skr_bind_integer(statement, 2, skr_txn_now_ms(txn));
    return skr_statement_run(statement, error);
}

int skr_held_note(struct skr_txn *txn, const struct skr_object *before, const struct skr_object *after,
                  struct skr_error *error)
{
    struct holding was = describe(before), now = describe(after);
    if (same(&was, &now))
        return 0;
    int r = was.held ? end(txn, before, error) : 0;
    return r < 0 || !now.held ? r : begin(txn, after, &now, error);
}

/* An address that its adapter had already is of a pool now. */
static int note_pool(struct skr_txn *txn, const struct skr_object *allocation, struct skr_error *error)
{
    struct skr_uuid pool_id = skr_object_uuid(allocation, SKR_IP_ALLOCATION_IP_POOL_ID);
    struct skr_uuid owner_id = skr_object_uuid(allocation, SKR_IP_ALLOCATION_OWNER_ID);
    struct skr_address address = skr_object_address(allocation, SKR_IP_ALLOCATION_ADDRESS);
    struct skr_statement *statement;
    if (strcmp(skr_object_text(allocation, SKR_IP_ALLOCATION_PURPOSE), SKR_IP_ADAPTER) != 0)
        return 0;
    int r = skr_txn_query(txn, &name_pool, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &owner_id);
    skr_bind_address(statement, 2, &address);
    skr_bind_uuid(statement, 3, &pool_id);
    return skr_statement_run(statement, error);
}

/* ---- rows ---- */

int skr_held_insert(struct skr_txn *txn, struct skr_object *row, struct skr_error *error)
{
    int r = skr_txn_insert(txn, row, error);
    if (r == 0)
        r = skr_held_note(txn, NULL, row, error);
    return r < 0 || row->resource->id != SKR_IP_ALLOCATION ? r : note_pool(txn, row, error);
}

int skr_held_update(struct skr_txn *txn, const struct skr_object *before, struct skr_object *after,
                    struct skr_error *error)
{
    int r = skr_txn_update(txn, before, after, error);
    return r < 0 ? r : skr_held_note(txn, before, after, error);
}

int skr_held_delete(struct skr_txn *txn, struct skr_object *row, struct skr_error *error)
{
    int r = skr_held_note(txn, row, NULL, error);
    return r < 0 ? r : skr_txn_delete(txn, row, error);
}
