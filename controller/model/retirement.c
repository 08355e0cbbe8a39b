/* What was freed rests: an address or a VSID is given out again only when every host that is not removed has synced
 * past the revision of its removal. Time is no proof. A host in maintenance goes on forwarding with what it has, so it
 * holds back what was freed like an active one; one that never comes back is removed. */
#include "controller/model/rules.h"

static const struct skr_query lowest_synced = {
        "SELECT synced_revision FROM host WHERE state = ?1 ORDER BY synced_revision LIMIT 1"};
static const struct skr_query retired = {
        "SELECT id FROM ip_allocation WHERE retired_at_revision IS NOT NULL AND retired_at_revision <= ?1 LIMIT 1000"};

int skr_ip_retire(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_address *address,
                  struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL, *after = NULL;
    int r = skr_ip_find(txn, pool_id, address, &row, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    after = skr_object_copy(row);
    /* The revision before may be another write's, which hosts have: it proves nothing about this removal. */
    skr_object_set_integer(after, SKR_IP_ALLOCATION_RETIRED_AT_REVISION, skr_txn_revision(txn) + 1);
    skr_object_set_null(after, SKR_IP_ALLOCATION_OWNER_ID);
    return skr_held_update(txn, row, after, error);
}

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
