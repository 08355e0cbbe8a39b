#include "controller/model/rules.h"

/* Each entry is a list of objects that a tenant may use, with the query for the objects of the tenant that use them. */
static const struct {
    int field;
    const char *what, *user, *remedy;
    struct skr_query users;
} lists_of_tenant[] = {
        {SKR_TENANT_LOGICAL_NETWORK_IDS,
         "logical network",
         "VM network",
         "delete the VM network first",
         {"SELECT id, name FROM vm_network WHERE tenant_id = ?1 AND logical_network_id = ?2 LIMIT 9"}},
        {SKR_TENANT_PORT_CLASSIFICATION_IDS,
         "port classification",
         "network adapter",
         "give the adapter another one first",
         {"SELECT id, name FROM network_adapter WHERE tenant_id = ?1 AND classification_id = ?2 LIMIT 9"}},
};

static bool lists(const struct skr_object *tenant, int field, const struct skr_uuid *id)
{
    const struct skr_value *value = &tenant->values[field];
    for (uint32_t i = 0; value->type == SKR_VALUE_UUIDS && i < value->count; i++)
        if (skr_uuid_equal(&value->uuids[i], id))
            return true;
    return false;
}

static int check_dropped(struct skr_write *write, size_t list, const struct skr_uuid *dropped, struct skr_error *error)
{
    const char *what = lists_of_tenant[list].what, *user = lists_of_tenant[list].user;
    char pointer[SKR_ERROR_POINTER_MAX], text[SKR_UUID_TEXT_MAX];
    struct skr_uuid id = skr_object_id(write->before);
    struct skr_statement *statement;
    int used = 0, r = skr_txn_query(write->txn, &lists_of_tenant[list].users, &statement, error);
    if (r < 0)
        return r;
    snprintf(pointer, sizeof(pointer), "/%s", write->after->resource->fields[lists_of_tenant[list].field].name);
    skr_bind_uuid(statement, 1, &id);
    skr_bind_uuid(statement, 2, dropped);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid user_id = skr_column_uuid(statement, 0);
        if (!used)
            used = skr_error_set(error, SKR_ERROR_IN_USE,
                                 "The tenant's %s \"%.100s\" uses a %s that the list no longer names; %s.", user,
                                 skr_column_text(statement, 1), what, lists_of_tenant[list].remedy);
        skr_error_field(error, pointer, "used by %s \"%.120s\" (%s)", user, skr_column_text(statement, 1),
                        skr_uuid_format(&user_id, text));
    }
    skr_statement_reset(statement);
    return r < 0 ? r : used;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    for (size_t list = 0; write->before && list < SKR_ARRAY_SIZE(lists_of_tenant); list++) {
        int field = lists_of_tenant[list].field;
        const struct skr_value *old = &write->before->values[field];
        if (!skr_write_changes(write, field))
            continue;
        for (uint32_t i = 0; old->type == SKR_VALUE_UUIDS && i < old->count; i++) {
            int r = lists(write->after, field, &old->uuids[i]) ? 0 : check_dropped(write, list, &old->uuids[i], error);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int compute(struct skr_txn *txn, struct skr_object *tenant, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(tenant);
    json_t *usage;
    int r = skr_quota_usage(txn, &id, &usage, error);
    if (r == 0)
        skr_object_set_json(tenant, SKR_TENANT_USAGE, usage);
    return r;
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

const struct skr_rules skr_tenant_rules = {.prepare = prepare, .compute = compute};
