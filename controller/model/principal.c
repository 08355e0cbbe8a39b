/* Sight decides which objects a principal reaches. A grant is a role and a scope; the tables say for which role a kind
 * is, and this file says which of its rows. No other file compares tenants or host groups. */
#include "controller/model/rules.h"

const struct skr_principal skr_principal_model = {.role = SKR_ROLE_ADMIN, .joining = true, .name = "controller"};

static void take_ids(struct skr_sight *sight, int field, struct skr_ids *ids)
{
    skr_ids_sort(ids);
    sight->kind = SKR_SIGHT_WITHIN;
    sight->field = field;
    sight->count = (uint32_t)ids->count;
    sight->ids = SKR_TAKE(ids->items);
}

/* ---- tenants ---- */

/* The objects that administrators let a tenant use stand in the lists of the tenant's own row. */
static int of_tenants_list(struct skr_txn *txn, const struct skr_principal *principal, int field,
                           struct skr_sight *sight, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = NULL;
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = skr_txn_get(txn, SKR_TENANT, &principal->tenant_id, NULL, &tenant, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    const struct skr_value *list = &tenant->values[field];
    for (uint32_t i = 0; list->type == SKR_VALUE_UUIDS && i < list->count; i++)
        skr_ids_add(&ids, &list->uuids[i]);
    take_ids(sight, SKR_FIELD_ID, &ids);
    return 0;
}

static int of_tenant(struct skr_txn *txn, const struct skr_principal *principal, enum skr_resource_id resource,
                     struct skr_sight *sight, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    switch (resource) {
    case SKR_TENANT:
        skr_ids_add(&ids, &principal->tenant_id);
        take_ids(sight, SKR_FIELD_ID, &ids);
        return 0;
    case SKR_LOGICAL_NETWORK:
        return of_tenants_list(txn, principal, SKR_TENANT_LOGICAL_NETWORK_IDS, sight, error);
    case SKR_PORT_CLASSIFICATION:
        return of_tenants_list(txn, principal, SKR_TENANT_PORT_CLASSIFICATION_IDS, sight, error);
    default:
        sight->kind = SKR_SIGHT_TENANT;
        sight->tenant_id = principal->tenant_id;
        return 0;
    }
}

/* ---- host groups ---- */

/* Rows that stand in the subtree, by their host or their host group. */
static int of_place(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_resource *resource,
                    int place, struct skr_sight *sight, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    unsigned height;
    bool hosts = strcmp(resource->fields[place].name, "host_id") == 0;
    int r = hosts ? skr_host_group_hosts(txn, &principal->host_group_id, &ids, error)
                  : skr_host_group_subtree(txn, &principal->host_group_id, &ids, &height, error);
    if (r < 0)
        return r;
    take_ids(sight, place, &ids);
    return 0;
}

/* An operator sees the fabric's definitions, and of what stands on hosts what stands on his. */
static int of_group(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_resource *resource,
                    bool writing, struct skr_sight *sight, struct skr_error *error)
{
    int place = skr_resource_place(resource);
    if (place >= 0)
        return of_place(txn, principal, resource, place, sight, error);
    if (!writing)
        sight->kind = resource->scope == SKR_SCOPE_TENANT ? SKR_SIGHT_FABRIC : SKR_SIGHT_ALL;
    return 0;
}

/* ---- all ---- */

static bool bound_to_nothing(const struct skr_principal *principal)
{
    return skr_uuid_is_nil(&principal->tenant_id) && skr_uuid_is_nil(&principal->host_group_id);
}

static int look(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_resource *resource,
                enum skr_role reserved, bool writing, struct skr_sight *ret, struct skr_error *error)
{
    struct skr_sight sight = {.kind = SKR_SIGHT_NOTHING};
    bool allowed = writing ? skr_role_writes(reserved, principal->role) : skr_role_reads(reserved, principal->role);
    int r = 0;
    if (principal->joining) { /* the controller acts, for whomever it is written down */
        *ret = (struct skr_sight){.kind = SKR_SIGHT_ALL};
        return 0;
    }
    switch (allowed ? principal->role : SKR_ROLE_NOBODY) {
    case SKR_ROLE_ADMIN:
    case SKR_ROLE_AUDITOR:
        if (bound_to_nothing(principal))
            sight.kind = SKR_SIGHT_ALL;
        break;
    case SKR_ROLE_FABRIC:
        /* A fabric principal sees the objects of tenants, to know what its hosts carry, but does not write them; only
         * an operation that is reserved for the fabric (a move, a drain) may change them. */
        if (!skr_uuid_is_nil(&principal->host_group_id))
            r = of_group(txn, principal, resource, writing, &sight, error);
        else
            sight.kind = writing && resource->scope == SKR_SCOPE_TENANT && reserved != SKR_ROLE_FABRIC
                                 ? SKR_SIGHT_FABRIC
                                 : SKR_SIGHT_ALL;
        break;
    case SKR_ROLE_TENANT:
    case SKR_ROLE_VIEWER:
        if (!skr_uuid_is_nil(&principal->tenant_id))
            r = of_tenant(txn, principal, resource->id, &sight, error);
        break;
    default:
        break;
    }
    if (r < 0)
        return r;
    *ret = sight;
    return 0;
}

int skr_model_sees(struct skr_txn *txn, const struct skr_principal *principal, enum skr_resource_id id,
                   struct skr_sight *ret, struct skr_error *error)
{
    const struct skr_resource *resource = skr_resource_get(id);
    return look(txn, principal, resource, resource->reader, false, ret, error);
}

/* The objects that it may create, change, delete or do an action to (`action` NULL: none): never more than it sees. */
static int find_writable(struct skr_txn *txn, const struct skr_principal *principal, enum skr_resource_id id,
                         const struct skr_action *action, struct skr_sight *ret, struct skr_error *error)
{
    const struct skr_resource *resource = skr_resource_get(id);
    return look(txn, principal, resource, action ? action->role : resource->writer, true, ret, error);
}

void skr_sight_done(struct skr_sight *sight)
{
    free(SKR_TAKE(sight->ids));
    sight->count = 0;
}

bool skr_sight_covers(const struct skr_sight *sight, const struct skr_object *object)
{
    struct skr_uuid tenant_id = skr_object_uuid(object, SKR_FIELD_TENANT_ID), id;
    struct skr_ids ids = {.items = sight->ids, .count = sight->count};
    switch (sight->kind) {
    case SKR_SIGHT_ALL:
        return true;
    case SKR_SIGHT_TENANT:
        return skr_uuid_equal(&tenant_id, &sight->tenant_id);
    case SKR_SIGHT_FABRIC:
        return skr_uuid_is_nil(&tenant_id);
    case SKR_SIGHT_WITHIN:
        id = skr_object_uuid(object, sight->field);
        return skr_ids_search(&ids, &id);
    default:
        return false;
    }
}

bool skr_sight_narrow(const struct skr_sight *sight, struct skr_list_query *query)
{
    switch (sight->kind) {
    case SKR_SIGHT_ALL:
        return true;
    case SKR_SIGHT_TENANT:
        query->tenant = &sight->tenant_id;
        return true;
    case SKR_SIGHT_FABRIC:
        query->no_tenant = true;
        return true;
    case SKR_SIGHT_WITHIN:
        query->within = sight->ids;
        query->within_count = sight->count;
        query->within_field = sight->field;
        return sight->count > 0;
    default:
        return false;
    }
}

int skr_principal_sees(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_object *object,
                       struct skr_error *error)
{
    SKR_CLEANUP(skr_sight_done) struct skr_sight sight = {0};
    int r = skr_model_sees(txn, principal, object->resource->id, &sight, error);
    return r < 0 ? r : skr_sight_covers(&sight, object);
}

bool skr_asker_sees(struct skr_txn *txn, const struct skr_object *object)
{
    const struct skr_principal *principal = skr_txn_asker(txn);
    struct skr_error ignored = {0};
    return !principal || skr_principal_sees(txn, principal, object, &ignored) > 0;
}

const char *skr_called(struct skr_txn *txn, const struct skr_object *object, const char *kind, const char *blind,
                       char out[static SKR_CALLED_MAX])
{
    if (!skr_asker_sees(txn, object))
        return blind;
    snprintf(out, SKR_CALLED_MAX, "%s \"%.100s\"", kind, skr_object_name(object));
    return out;
}

int skr_writes_check(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_object *object,
                     const struct skr_action *action, struct skr_error *error)
{
    SKR_CLEANUP(skr_sight_done) struct skr_sight sight = {0};
    int r = find_writable(txn, principal, object->resource->id, action, &sight, error);
    if (r < 0 || skr_sight_covers(&sight, object))
        return r;
    return skr_error_set(error, SKR_ERROR_FORBIDDEN,
                         "The %s \"%.100s\" is outside of what your role reaches; ask an administrator.",
                         object->resource->name, skr_object_name(object));
}
