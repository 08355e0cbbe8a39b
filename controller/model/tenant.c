#include "controller/model/rules.h"

static const struct skr_query network_in_use = {
        "SELECT name FROM vm_network WHERE tenant_id = ?1 AND logical_network_id = ?2 LIMIT 1"};

static bool lists(const struct skr_object *tenant, int field, const struct skr_uuid *id)
{
    const struct skr_value *value = &tenant->values[field];
    for (uint32_t i = 0; value->type == SKR_VALUE_UUIDS && i < value->count; i++)
        if (skr_uuid_equal(&value->uuids[i], id))
            return true;
    return false;
}

static int check_dropped(struct skr_write *write, const struct skr_uuid *network_id, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, &network_in_use, &statement, error);
    if (r < 0)
        return r;
    struct skr_uuid id = skr_object_id(write->before);
    skr_bind_uuid(statement, 1, &id);
    skr_bind_uuid(statement, 2, network_id);
    r = skr_step(statement, error);
    if (r > 0)
        r = skr_refuse(
                error, SKR_ERROR_IN_USE, "/logical_network_ids",
                "The tenant's VM network \"%.100s\" uses a logical network that the list no longer names; delete "
                "the VM network first.",
                skr_column_text(statement, 0));
    skr_statement_reset(statement);
    return r;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    if (!write->before || !skr_write_changes(write, SKR_TENANT_LOGICAL_NETWORK_IDS))
        return 0;
    const struct skr_value *old = &write->before->values[SKR_TENANT_LOGICAL_NETWORK_IDS];
    for (uint32_t i = 0; old->type == SKR_VALUE_UUIDS && i < old->count; i++) {
        if (lists(write->after, SKR_TENANT_LOGICAL_NETWORK_IDS, &old->uuids[i]))
            continue;
        int r = check_dropped(write, &old->uuids[i], error);
        if (r < 0)
            return r;
    }
    return 0;
}

int skr_tenant_allows(struct skr_txn *txn, const struct skr_uuid *tenant_id, int field, const struct skr_uuid *id,
                      const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = NULL;
    int r = skr_fetch(txn, SKR_TENANT, tenant_id, &tenant, error);
    if (r < 0 || lists(tenant, field, id))
        return r;
    return skr_refuse(error, SKR_ERROR_REFERENCE, pointer,
                      "Tenant \"%.100s\" may not use this %s; an administrator adds it to the tenant's %s first.",
                      skr_object_name(tenant),
                      field == SKR_TENANT_LOGICAL_NETWORK_IDS ? "logical network" : "port classification",
                      tenant->resource->fields[field].name);
}

int skr_tenant_inherit(struct skr_object *object, const struct skr_object *parent, struct skr_error *error)
{
    struct skr_uuid tenant_id = skr_object_uuid(parent, SKR_FIELD_TENANT_ID);
    struct skr_uuid given = skr_object_uuid(object, SKR_FIELD_TENANT_ID);
    if (!skr_uuid_is_nil(&given) && !skr_uuid_equal(&given, &tenant_id))
        return skr_refuse(error, SKR_ERROR_INVALID, "/tenant_id",
                          "The %s \"%.100s\" belongs to another tenant; leave tenant_id out, it follows from there.",
                          parent->resource->name, skr_object_name(parent));
    skr_object_set_uuid(object, SKR_FIELD_TENANT_ID, &tenant_id);
    return 0;
}

const struct skr_rules skr_tenant_rules = {.prepare = prepare};
