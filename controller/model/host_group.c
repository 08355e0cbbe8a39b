#include "controller/model/rules.h"

static const struct skr_query parent_of = {"SELECT parent_id FROM host_group WHERE id = ?1 AND parent_id IS NOT NULL"};
static const struct skr_query children_of = {"SELECT id FROM host_group WHERE parent_id = ?1"};
static const struct skr_query root = {"SELECT id FROM host_group WHERE parent_id IS NULL LIMIT 1"};
static const struct skr_query hosts_of = {"SELECT id FROM host WHERE host_group_id = ?1"};

int skr_host_group_root(struct skr_txn *txn, struct skr_uuid *ret, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &root, &statement, error);
    if (r < 0)
        return r;
    r = skr_step(statement, error);
    if (r > 0)
        *ret = skr_column_uuid(statement, 0);
    skr_statement_reset(statement);
    if (r == 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The root host group is missing.");
    return r < 0 ? r : 0;
}

int skr_host_group_chain(struct skr_txn *txn, const struct skr_uuid *id, struct skr_ids *ids, struct skr_error *error)
{
    struct skr_uuid current = *id, above;
    int r = 1;
    for (unsigned depth = 0; r > 0 && depth <= SKR_GROUP_DEPTH_MAX; depth++) {
        skr_ids_add(ids, &current);
        r = skr_find(txn, &parent_of, &current, NULL, &above, error);
        current = above;
    }
    return r < 0 ? r : 0;
}

int skr_host_group_subtree(struct skr_txn *txn, const struct skr_uuid *id, struct skr_ids *groups, unsigned *ret_height,
                           struct skr_error *error)
{
    unsigned height = 0;
    skr_ids_add(groups, id);
    for (size_t level = 0, end; level < groups->count; level = end) {
        end = groups->count;
        height++;
        for (size_t i = level; i < end; i++) {
            struct skr_uuid group = groups->items[i];
            int r = skr_ids_query(txn, &children_of, &group, groups, error);
            if (r < 0)
                return r;
        }
    }
    *ret_height = height;
    return 0;
}

int skr_host_group_hosts(struct skr_txn *txn, const struct skr_uuid *id, struct skr_ids *hosts, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids groups = {0};
    unsigned height;
    int r = skr_host_group_subtree(txn, id, &groups, &height, error);
    for (size_t i = 0; r == 0 && i < groups.count; i++)
        r = skr_ids_query(txn, &hosts_of, &groups.items[i], hosts, error);
    return r;
}

static int check_tree(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids chain = {0}, below = {0};
    struct skr_uuid id = skr_object_id(write->after);
    struct skr_uuid parent = skr_object_uuid(write->after, SKR_HOST_GROUP_PARENT_ID);
    int r = skr_host_group_chain(write->txn, &parent, &chain, error);
    if (r < 0)
        return r;
    if (skr_ids_contain(&chain, &id))
        return skr_refuse(error, SKR_ERROR_INVALID, "/parent_id",
                          "A host group cannot stand below itself; name a parent outside of its own subtree.");
    unsigned height = 1;
    if (write->before && (r = skr_host_group_subtree(write->txn, &id, &below, &height, error)) < 0)
        return r;
    if (chain.count + height > SKR_GROUP_DEPTH_MAX)
        return skr_refuse(error, SKR_ERROR_LIMIT, "/parent_id",
                          "Host groups may stand %d deep; here it would be %zu. Choose a parent nearer to the root.",
                          SKR_GROUP_DEPTH_MAX, chain.count + height);
    return 0;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    if (skr_object_integer(write->after, SKR_HOST_GROUP_BUILT_IN)) {
        if (!skr_object_has(write->after, SKR_HOST_GROUP_PARENT_ID))
            return 0;
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/parent_id",
                          "The root of all host groups has no parent; leave it null.");
    }
    if (!skr_object_has(write->after, SKR_HOST_GROUP_PARENT_ID)) {
        struct skr_uuid top;
        int r = skr_host_group_root(write->txn, &top, error);
        if (r < 0)
            return r;
        skr_object_set_uuid(write->after, SKR_HOST_GROUP_PARENT_ID, &top);
    }
    return skr_write_changes(write, SKR_HOST_GROUP_PARENT_ID) ? check_tree(write, error) : 0;
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    if (!write->before || !skr_write_changes(write, SKR_HOST_GROUP_PARENT_ID))
        return 0;
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids hosts = {0};
    struct skr_uuid id = skr_object_id(write->after);
    int r = skr_host_group_hosts(write->txn, &id, &hosts, error);
    return r < 0 ? r : skr_provider_address_hosts(write->txn, &hosts, SKR_WITHDRAWAL_UNUSED, "/parent_id", error);
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    if (!skr_object_integer(write->before, SKR_HOST_GROUP_BUILT_IN))
        return 0;
    return skr_error_set(error, SKR_ERROR_CONFLICT,
                         "\"%s\" is the root of all host groups and cannot be deleted; delete the groups below it.",
                         skr_object_name(write->before));
}

static int compute(struct skr_txn *txn, struct skr_object *group, struct skr_error *error)
{
    json_t *availability = NULL;
    int r = skr_host_group_availability(txn, group, &availability, error);
    if (r == 0)
        skr_object_set_json(group, SKR_HOST_GROUP_AVAILABILITY, availability);
    return r;
}

const struct skr_rules skr_host_group_rules = {
        .prepare = prepare, .stored = stored, .removing = removing, .compute = compute};
