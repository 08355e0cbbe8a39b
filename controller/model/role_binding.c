/* Grants: which scope goes with which role, and that nobody gives more than he has. */
#include "controller/model/rules.h"

static bool is_tenants(enum skr_role role)
{
    return role == SKR_ROLE_TENANT || role == SKR_ROLE_VIEWER;
}

/* A tenant's administrator grants his tenant's roles in his tenant; administrators grant everything. */
static int check_width(const struct skr_write *write, enum skr_role role, struct skr_error *error)
{
    const struct skr_principal *principal = write->principal;
    struct skr_uuid tenant_id = skr_object_uuid(write->after, SKR_FIELD_TENANT_ID);
    if (principal->role == SKR_ROLE_ADMIN && skr_uuid_is_nil(&principal->tenant_id) &&
        skr_uuid_is_nil(&principal->host_group_id))
        return 0;
    if (principal->role == SKR_ROLE_TENANT && is_tenants(role) && !skr_uuid_is_nil(&tenant_id) &&
        skr_uuid_equal(&tenant_id, &principal->tenant_id))
        return 0;
    return skr_refuse(
            error, SKR_ERROR_FORBIDDEN, "/role",
            "Nobody grants more than he has: you may grant tenant-admin and tenant-viewer of your own tenant.");
}

int skr_grant_check(const struct skr_write *write, int role_field, int group_field, struct skr_error *error)
{
    enum skr_role role = skr_role_find(skr_object_text(write->after, role_field));
    const char *name = skr_role_name(role);
    bool has_tenant = skr_object_has(write->after, SKR_FIELD_TENANT_ID);
    if (role == SKR_ROLE_NOBODY)
        return skr_refuse(error, SKR_ERROR_INVALID, "/role", "There is no such role.");
    int r = check_width(write, role, error);
    if (r < 0)
        return r;
    if (is_tenants(role) && !has_tenant)
        return skr_refuse(error, SKR_ERROR_INVALID, "/tenant_id", "%s is a role in a tenant; name it in tenant_id.",
                          name);
    if (!is_tenants(role) && has_tenant)
        return skr_refuse(error, SKR_ERROR_INVALID, "/tenant_id", "%s is no role of a tenant; leave tenant_id out.",
                          name);
    if (role != SKR_ROLE_FABRIC && skr_object_has(write->after, group_field))
        return skr_refuse(error, SKR_ERROR_INVALID, "/host_group_id",
                          "Only a fabric-operator is limited to a host group; leave host_group_id out.");
    return 0;
}

/* Whom a tenant's administrators may bind must not be somebody elsewhere. */
static int check_user(const struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *user = NULL;
    struct skr_uuid user_id = skr_object_uuid(write->after, SKR_ROLE_BINDING_USER_ID);
    struct skr_uuid tenant_id = skr_object_uuid(write->after, SKR_FIELD_TENANT_ID);
    int r = skr_fetch(write->txn, SKR_USER, &user_id, &user, error);
    if (r < 0)
        return r;
    struct skr_uuid own_id = skr_object_uuid(user, SKR_FIELD_TENANT_ID);
    if (skr_uuid_is_nil(&own_id) || skr_uuid_equal(&own_id, &tenant_id))
        return 0;
    return skr_refuse(error, SKR_ERROR_CONFLICT, "/user_id",
                      "The user \"%.100s\" belongs to a tenant and takes roles in it alone.", skr_object_name(user));
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    if (write->before)
        return 0;
    int r = skr_grant_check(write, SKR_ROLE_BINDING_ROLE, SKR_ROLE_BINDING_HOST_GROUP_ID, error);
    return r < 0 ? r : check_user(write, error);
}

/* A token that was made under a grant ends with it, because it would otherwise keep rights that its owner has lost. */
static int end_tokens(struct skr_txn *txn, const struct skr_uuid *id, struct skr_error *error)
{
    static const struct skr_query of_binding = {"SELECT id FROM token WHERE role_binding_id = ?1"};
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = skr_ids_query(txn, &of_binding, id, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *token = NULL;
        r = skr_fetch(txn, SKR_TOKEN, &ids.items[i], &token, error);
        if (r == 0)
            r = skr_write_inner(txn, SKR_TOKEN, token, NULL, error);
    }
    return r;
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    static const struct skr_query of_binding = {"SELECT id FROM session WHERE role_binding_id = ?1"};
    struct skr_uuid id = skr_object_id(write->before);
    int r = skr_session_end_all(write->txn, &of_binding, &id, NULL, error);
    return r < 0 ? r : end_tokens(write->txn, &id, error);
}

const struct skr_rules skr_role_binding_rules = {.prepare = prepare, .removing = removing};
