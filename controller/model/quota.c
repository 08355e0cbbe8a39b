/* Quotas: what a tenant may have, judged against the counts that the store keeps in the same transaction. A quota below
 * the use takes nothing away: it stops growth. */
#include "controller/model/rules.h"

/* Counts, then quotas, in the order of the fields of tenant.quotas. */
static const struct skr_query use_and_quotas = {
        "SELECT u.vm_networks, u.vm_subnets, u.network_adapters, u.learned_addresses, u.acl_rules, u.customer_routes, "
        "t.quotas_vm_networks, t.quotas_vm_subnets, t.quotas_network_adapters, t.quotas_learned_addresses, "
        "t.quotas_acl_rules, t.quotas_customer_routes, t.name "
        "FROM tenant t JOIN tenant_usage u ON u.tenant_id = t.id WHERE t.id = ?1"};

static const struct skr_query requests_of = {"SELECT quotas_requests_per_second FROM tenant WHERE id = ?1"};

static int refuse(struct skr_statement *statement, int quota, int64_t more, struct skr_error *error)
{
    static const char *const words[SKR_QUOTA_COUNTED] = {"VM networks",       "VM subnets", "network adapters",
                                                         "learned addresses", "ACL rules",  "customer routes"};
    char pointer[SKR_ERROR_POINTER_MAX];
    snprintf(pointer, sizeof(pointer), "/quotas/%s",
             skr_resource_get(SKR_TENANT)->fields[SKR_TENANT_QUOTAS].sub->fields[quota].name);
    return skr_refuse(
            error, SKR_ERROR_LIMIT, pointer,
            "Tenant \"%.100s\" has %lld of %lld %s, and this needs %lld more; delete what is not needed or "
            "ask an administrator for a higher quota.",
            skr_column_text(statement, 2 * SKR_QUOTA_COUNTED), (long long)skr_column_integer(statement, quota),
            (long long)skr_column_integer(statement, SKR_QUOTA_COUNTED + quota), words[quota], (long long)more);
}

int skr_quota_check(struct skr_txn *txn, const struct skr_uuid *tenant_id, int quota, int64_t more,
                    struct skr_error *error)
{
    struct skr_statement *statement;
    if (more <= 0 || skr_uuid_is_nil(tenant_id))
        return 0;
    int r = skr_txn_query(txn, &use_and_quotas, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, tenant_id);
    r = skr_step(statement, error);
    int limit = SKR_QUOTA_COUNTED + quota;
    if (r > 0 && !skr_column_is_null(statement, limit) &&
        skr_column_integer(statement, quota) + more > skr_column_integer(statement, limit))
        r = refuse(statement, quota, more, error);
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

/* How many more of a quota's things a write makes; negative ones are always welcome. */
static int64_t added(const struct skr_write *write)
{
    if (write->resource == SKR_VM_SUBNET && !skr_object_has(write->after, SKR_VM_SUBNET_VSID))
        return 0; /* of a VLAN: made by the site */
    if (write->resource != SKR_ACCESS_CONTROL_LIST)
        return !write->before;
    int64_t before = write->before ? write->before->values[SKR_ACCESS_CONTROL_LIST_RULES].count : 0;
    return (int64_t)write->after->values[SKR_ACCESS_CONTROL_LIST_RULES].count - before;
}

int skr_quota_check_write(struct skr_write *write, struct skr_error *error)
{
    static const struct {
        enum skr_resource_id resource;
        int quota;
    } counted[] = {{SKR_VM_NETWORK, SKR_QUOTA_VM_NETWORKS},
                   {SKR_VM_SUBNET, SKR_QUOTA_VM_SUBNETS},
                   {SKR_NETWORK_ADAPTER, SKR_QUOTA_NETWORK_ADAPTERS},
                   {SKR_ACCESS_CONTROL_LIST, SKR_QUOTA_ACL_RULES},
                   {SKR_CUSTOMER_ROUTE, SKR_QUOTA_CUSTOMER_ROUTES}};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(counted); i++) {
        if (counted[i].resource != write->resource)
            continue;
        struct skr_uuid tenant_id = skr_object_uuid(write->after, SKR_FIELD_TENANT_ID);
        return skr_quota_check(write->txn, &tenant_id, counted[i].quota, added(write), error);
    }
    return 0;
}

int skr_quota_requests(struct skr_txn *txn, struct skr_principal *principal, struct skr_error *error)
{
    struct skr_statement *statement;
    if (skr_uuid_is_nil(&principal->tenant_id))
        return 0;
    int r = skr_txn_query(txn, &requests_of, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &principal->tenant_id);
    r = skr_step(statement, error);
    if (r > 0)
        principal->tenant_requests = skr_column_integer(statement, 0); /* null: 0 */
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

int skr_quota_usage(struct skr_txn *txn, const struct skr_uuid *tenant_id, json_t **ret, struct skr_error *error)
{
    const struct skr_resource *quotas = skr_resource_get(SKR_TENANT)->fields[SKR_TENANT_QUOTAS].sub;
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &use_and_quotas, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, tenant_id);
    r = skr_step(statement, error);
    json_t *usage = json_object();
    for (int i = 0; r > 0 && i < SKR_QUOTA_COUNTED; i++)
        json_object_set_new(usage, quotas->fields[i].name, json_integer(skr_column_integer(statement, i)));
    skr_statement_reset(statement);
    if (r < 0) {
        json_decref(usage);
        return r;
    }
    *ret = usage;
    return 0;
}
