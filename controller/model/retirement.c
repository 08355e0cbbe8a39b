/* An address or a VSID that was freed rests. A provider address or a VSID is given out again only when every host that
 * is not removed has synced past the revision of its removal; a customer address, when the hosts that served it have:
 * other hosts send its packets to the last of these. Time is no proof. A host in maintenance goes on forwarding with
 * what it has, so it holds back what was freed like an active one; one that never comes back is removed. */
#include "controller/model/ip_ranges.h"

static const struct skr_query lowest_synced = {
        "SELECT synced_revision FROM host WHERE state = ?1 ORDER BY synced_revision LIMIT 1"};
static const struct skr_query retired = {
        "SELECT id FROM ip_allocation WHERE retired_at_revision IS NOT NULL AND retired_at_revision <= ?1 LIMIT 1000"};

static const struct skr_query rest = {
        "INSERT INTO resting_address (vm_network_id, address, host_id, revision) VALUES (?1, ?2, ?3, ?4) "
        "ON CONFLICT (vm_network_id, address, host_id) DO UPDATE SET revision = excluded.revision"};
static const struct skr_query name_allocation = {
        "UPDATE resting_address SET allocation_id = ?3 WHERE vm_network_id = ?1 AND address = ?2"};
static const struct skr_query waits_for_more = {"SELECT host_id FROM resting_address WHERE allocation_id = ?1 LIMIT 1"};
static const struct skr_query rest_in_range = {
        "SELECT DISTINCT r.address FROM resting_address r JOIN host h ON h.id = r.host_id "
        "WHERE r.vm_network_id = ?1 AND r.address >= ?2 AND r.address <= ?3 AND r.revision > h.synced_revision"};
static const struct skr_query rests = {
        "SELECT r.host_id FROM resting_address r JOIN host h ON h.id = r.host_id "
        "WHERE r.vm_network_id = ?1 AND r.address = ?2 AND r.revision > h.synced_revision LIMIT 1"};
static const struct skr_query let_go = {
        "DELETE FROM resting_address WHERE host_id = ?1 AND (vm_network_id, address) = (SELECT vm_network_id, address "
        "FROM resting_address WHERE host_id = ?1 AND revision <= ?2 ORDER BY revision LIMIT 1) RETURNING "
        "allocation_id"};

/* The revision before may be another write's, which hosts have: it proves nothing about this removal. */
static int64_t revision_of_removal(struct skr_txn *txn)
{
    return skr_txn_revision(txn) + 1;
}

static int retire(struct skr_txn *txn, const struct skr_object *row, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(row);
    skr_object_set_integer(after, SKR_IP_ALLOCATION_RETIRED_AT_REVISION, revision_of_removal(txn));
    skr_object_set_null(after, SKR_IP_ALLOCATION_OWNER_ID);
    return skr_held_update(txn, row, after, error);
}

int skr_ip_retire(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_address *address,
                  struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
    int r = skr_ip_find(txn, pool_id, address, &row, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return retire(txn, row, error);
}

/* ---- customer addresses ---- */

/* A host that is not in service, or removed, serves nothing. */
static int serves(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    if (skr_uuid_is_nil(host_id))
        return 0;
    int r = skr_fetch(txn, SKR_HOST, host_id, &host, error);
    return r < 0 ? r : skr_host_in_service(host);
}

int skr_customer_address_leave(struct skr_txn *txn, const struct skr_object *record, struct skr_error *error)
{
    struct skr_uuid network_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_VM_NETWORK_ID);
    struct skr_uuid host_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_HOST_ID);
    struct skr_address address = skr_object_address(record, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS);
    struct skr_statement *statement;
    int r = serves(txn, &host_id, error);
    if (r <= 0)
        return r;
    r = skr_txn_query(txn, &rest, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &network_id);
    skr_bind_address(statement, 2, &address);
    skr_bind_uuid(statement, 3, &host_id);
    skr_bind_integer(statement, 4, revision_of_removal(txn));
    return skr_statement_run(statement, error);
}

/* The host that has not let go of the address: 1; 0: there is none. */
static int find_server(struct skr_txn *txn, const struct skr_uuid *vm_network_id, const struct skr_address *address,
                       struct skr_uuid *ret_host, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &rests, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, vm_network_id);
    skr_bind_address(statement, 2, address);
    r = skr_step(statement, error);
    if (r > 0)
        *ret_host = skr_column_uuid(statement, 0);
    skr_statement_reset(statement);
    return r;
}

/* The allocation goes back to its pool with the last host that lets go of the address. */
static int hold_back(struct skr_txn *txn, const struct skr_uuid *vm_network_id, const struct skr_object *allocation,
                     struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(allocation);
    struct skr_address address = skr_object_address(allocation, SKR_IP_ALLOCATION_ADDRESS);
    struct skr_statement *statement = NULL;
    int r = retire(txn, allocation, error);
    if (r == 0)
        r = skr_txn_query(txn, &name_allocation, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, vm_network_id);
    skr_bind_address(statement, 2, &address);
    skr_bind_uuid(statement, 3, &id);
    return skr_statement_run(statement, error);
}

int skr_customer_address_free(struct skr_txn *txn, const struct skr_object *record, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *allocation = NULL;
    struct skr_uuid network_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_VM_NETWORK_ID);
    struct skr_uuid adapter_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID), host_id;
    struct skr_address address = skr_object_address(record, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS);
    int r = skr_customer_address_leave(txn, record, error);
    if (r == 0)
        r = find_server(txn, &network_id, &address, &host_id, error);
    if (r <= 0)
        return r < 0 ? r : skr_ip_give(txn, &address, &adapter_id, error);
    r = skr_ip_held(txn, &address, &adapter_id, &allocation, error);
    return r < 0 ? (r == -ENOENT ? 0 : r) : hold_back(txn, &network_id, allocation, error);
}

int skr_customer_address_rest_in(struct skr_txn *txn, const struct skr_uuid *vm_network_id,
                                 const struct skr_object *pool, struct skr_error *error)
{
    struct skr_uuid pool_id = skr_object_id(pool);
    struct skr_ids pools = {.items = &pool_id, .count = 1};
    struct skr_ip_range range = skr_ip_pool_range(pool);
    SKR_CLEANUP(skr_free_cleanup) struct skr_address *addresses = NULL;
    struct skr_statement *statement;
    size_t count = 0;
    int r = skr_txn_query(txn, &rest_in_range, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, vm_network_id);
    skr_bind_address(statement, 2, &range.first);
    skr_bind_address(statement, 3, &range.last);
    while ((r = skr_step(statement, error)) > 0) {
        addresses = reallocarray(addresses, count + 1, sizeof(*addresses));
        if (!addresses)
            abort();
        addresses[count++] = skr_column_address(statement, 0);
    }
    skr_statement_reset(statement);
    for (size_t i = 0; r == 0 && i < count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *allocation = NULL;
        /* In the VM network's name until it is retired: it is nobody's. */
        r = skr_ip_find(txn, &pool_id, &addresses[i], &allocation, error);
        if (r != -ENOENT)
            continue;
        r = skr_ip_take(txn, &pools, &addresses[i], vm_network_id, "/range_start", error);
        if (r == 0)
            r = skr_ip_find(txn, &pool_id, &addresses[i], &allocation, error);
        r = r == -ENOENT ? 0 : r < 0 ? r : hold_back(txn, vm_network_id, allocation, error);
    }
    return r;
}

static int say_resting(struct skr_txn *txn, const struct skr_uuid *host_id, const struct skr_address *address,
                       const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    char text[SKR_ADDRESS_TEXT_MAX];
    int r = skr_fetch(txn, SKR_HOST, host_id, &host, error);
    if (r < 0)
        return r;
    skr_address_format(address, text);
    if (!skr_asker_sees(txn, host))
        return skr_refuse(
                error, SKR_ERROR_RESTING, pointer,
                "%s was freed, and the host that served it has not let go of it yet; try again in a moment, or "
                "choose another address.",
                text);
    return skr_refuse(
            error, SKR_ERROR_RESTING, pointer,
            "%s was freed, and host \"%.100s\", which served it, has not let go of it yet; try again when the "
            "host is connected, remove the host if it will not come back, or choose another address.",
            text, skr_object_name(host));
}

int skr_customer_address_rests(struct skr_txn *txn, const struct skr_uuid *vm_network_id,
                               const struct skr_address *address, const char *pointer, struct skr_error *error)
{
    struct skr_uuid host_id;
    int r = find_server(txn, vm_network_id, address, &host_id, error);
    return r > 0 ? say_resting(txn, &host_id, address, pointer, error) : r;
}

/* Frees the first address that the host has let go of at the revision: 1; 0: there is none. */
static int free_one(struct skr_txn *txn, const struct skr_uuid *host_id, int64_t revision, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *allocation = NULL;
    struct skr_uuid allocation_id = {0};
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &let_go, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, host_id);
    skr_bind_integer(statement, 2, revision);
    r = skr_step(statement, error);
    if (r > 0 && !skr_column_is_null(statement, 0))
        allocation_id = skr_column_uuid(statement, 0);
    skr_statement_reset(statement);
    if (r <= 0 || skr_uuid_is_nil(&allocation_id))
        return r;
    r = skr_find(txn, &waits_for_more, &allocation_id, NULL, NULL, error);
    if (r)
        return r;
    r = skr_fetch(txn, SKR_IP_ALLOCATION, &allocation_id, &allocation, error);
    if (r == 0)
        r = skr_ip_release(txn, allocation, error);
    return r < 0 ? r : 1;
}

int skr_customer_address_reclaim(struct skr_txn *txn, const struct skr_uuid *host_id, int64_t revision,
                                 struct skr_error *error)
{
    int r = 1;
    for (unsigned i = 0; r > 0 && i < SKR_RECLAIM_MAX; i++)
        r = free_one(txn, host_id, revision, error);
    return r;
}

/* ---- what every host must have let go of ---- */

int skr_retired_limit(struct skr_txn *txn, int64_t *ret, struct skr_error *error)
{
    static const char *const forwarding[] = {"active", "maintenance"};
    struct skr_statement *statement;
    int64_t limit = INT64_MAX;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(forwarding); i++) {
        int r = skr_txn_query(txn, &lowest_synced, &statement, error);
        if (r < 0)
            return r;
        skr_bind_text(statement, 1, forwarding[i]);
        r = skr_step(statement, error);
        if (r > 0 && skr_column_integer(statement, 0) < limit)
            limit = skr_column_integer(statement, 0);
        skr_statement_reset(statement);
        if (r < 0)
            return r;
    }
    *ret = limit;
    return 0;
}

static int reclaim_one(struct skr_txn *txn, const struct skr_uuid *id, struct skr_ids *sites, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL, *pool = NULL;
    int r = skr_fetch(txn, SKR_IP_ALLOCATION, id, &row, error);
    if (r < 0)
        return r;
    struct skr_uuid pool_id = skr_object_uuid(row, SKR_IP_ALLOCATION_IP_POOL_ID);
    r = skr_fetch(txn, SKR_IP_POOL, &pool_id, &pool, error);
    if (r < 0)
        return r;
    struct skr_uuid site_id = skr_object_uuid(pool, SKR_IP_POOL_NETWORK_SITE_ID);
    if (!skr_uuid_is_nil(&site_id) && !skr_ids_contain(sites, &site_id))
        skr_ids_add(sites, &site_id);
    return skr_ip_release(txn, row, error);
}

int skr_retired_reclaim(struct skr_txn *txn, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids rows = {0}, sites = {0};
    struct skr_statement *statement;
    int64_t limit;
    int r = skr_retired_limit(txn, &limit, error);
    if (r == 0)
        r = skr_vsid_reclaim(txn, limit, error);
    if (r == 0)
        r = skr_txn_query(txn, &retired, &statement, error);
    if (r != 0)
        return r;
    skr_bind_integer(statement, 1, limit);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid id = skr_column_uuid(statement, 0);
        skr_ids_add(&rows, &id);
    }
    skr_statement_reset(statement);
    for (size_t i = 0; r == 0 && i < rows.count; i++)
        r = reclaim_one(txn, &rows.items[i], &sites, error);
    for (size_t i = 0; r == 0 && i < sites.count; i++)
        r = skr_provider_address_retry(txn, &sites.items[i], error);
    return r;
}
