/* Usage says which objects use an object and which names are taken; every kind shares these queries. */
#include "controller/model/rules.h"

#define USERS_NAMED_MAX          (SKR_ERROR_FIELDS_MAX + 1)
#define REFERENCE(table, column) "SELECT id, name FROM " table " WHERE " column " = ?1 LIMIT 9"
#define LINK(table, field)                                                                                             \
    "SELECT o.id, o.name FROM " table "_" field " l JOIN " table                                                       \
    " o ON o.id = l.owner_id WHERE l.target_id = ?1 LIMIT 9"

/* ENTRY finds users whose list of structs refers to the object; several entries of one list may name it. */
#define ENTRY(table, field, column)                                                                                    \
    "SELECT o.id, o.name FROM " table "_" field " l JOIN " table " o ON o.id = l.owner_id WHERE l." column             \
    " = ?1 LIMIT 9"

static const struct {
    enum skr_resource_id target, user;
    struct skr_query query;
} users[] = {
        {SKR_TENANT, SKR_VM_NETWORK, {REFERENCE("vm_network", "tenant_id")}},
        {SKR_TENANT, SKR_ACCESS_CONTROL_LIST, {REFERENCE("access_control_list", "tenant_id")}},
        {SKR_HOST_GROUP, SKR_HOST_GROUP, {REFERENCE("host_group", "parent_id")}},
        {SKR_HOST_GROUP, SKR_HOST, {REFERENCE("host", "host_group_id")}},
        {SKR_HOST_GROUP, SKR_NETWORK_SITE, {LINK("network_site", "host_group_ids")}},
        {SKR_HOST_GROUP, SKR_MAC_POOL, {LINK("mac_pool", "host_group_ids")}},
        {SKR_HOST_GROUP, SKR_JOIN_TOKEN, {REFERENCE("join_token", "host_group_id")}},
        {SKR_LOGICAL_NETWORK, SKR_NETWORK_SITE, {REFERENCE("network_site", "logical_network_id")}},
        {SKR_LOGICAL_NETWORK, SKR_VM_NETWORK, {REFERENCE("vm_network", "logical_network_id")}},
        {SKR_LOGICAL_NETWORK, SKR_TENANT, {LINK("tenant", "logical_network_ids")}},
        {SKR_NETWORK_SITE, SKR_IP_POOL, {REFERENCE("ip_pool", "network_site_id")}},
        {SKR_VIRTUAL_PORT_PROFILE,
         SKR_PORT_CLASSIFICATION,
         {REFERENCE("port_classification", "virtual_port_profile_id")}},
        {SKR_PORT_CLASSIFICATION, SKR_NETWORK_ADAPTER, {REFERENCE("network_adapter", "classification_id")}},
        {SKR_PORT_CLASSIFICATION, SKR_TENANT, {LINK("tenant", "port_classification_ids")}},
        {SKR_HOST, SKR_NETWORK_ADAPTER, {REFERENCE("network_adapter", "host_id")}},
        {SKR_HOST, SKR_NETWORK_ADAPTER, {REFERENCE("network_adapter", "target_host_id")}},
        {SKR_TENANT, SKR_TOKEN, {REFERENCE("token", "tenant_id")}},
        {SKR_TENANT, SKR_USER, {REFERENCE("user", "tenant_id")}},
        {SKR_TENANT, SKR_ROLE_BINDING, {REFERENCE("role_binding", "tenant_id")}},
        {SKR_HOST_GROUP, SKR_TOKEN, {REFERENCE("token", "host_group_id")}},
        {SKR_HOST_GROUP, SKR_ROLE_BINDING, {REFERENCE("role_binding", "host_group_id")}},
        {SKR_USER, SKR_ROLE_BINDING, {REFERENCE("role_binding", "user_id")}},
        /* those without a VSID were made with the VM network and go with it */
        {SKR_VM_NETWORK, SKR_VM_SUBNET, {REFERENCE("vm_subnet", "+vsid IS NOT NULL AND vm_network_id")}},
        {SKR_VM_SUBNET, SKR_NETWORK_ADAPTER, {REFERENCE("network_adapter", "vm_subnet_id")}},
        {SKR_VM_SUBNET, SKR_IP_POOL, {REFERENCE("ip_pool", "vm_subnet_id")}},
        {SKR_VM_NETWORK, SKR_CUSTOMER_ROUTE, {REFERENCE("customer_route", "vm_network_id")}},
        {SKR_VM_SUBNET, SKR_CUSTOMER_ROUTE, {REFERENCE("customer_route", "vm_subnet_id")}},
        {SKR_ACCESS_CONTROL_LIST, SKR_NETWORK_ADAPTER, {LINK("network_adapter", "acl_ids")}},
        {SKR_ACCESS_CONTROL_LIST, SKR_VM_SUBNET, {LINK("vm_subnet", "acl_ids")}},
        {SKR_NETWORK_SITE, SKR_VM_NETWORK, {REFERENCE("vm_network", "network_site_id")}},
        {SKR_NETWORK_SITE, SKR_UPLINK_PORT_PROFILE, {LINK("uplink_port_profile", "network_site_ids")}},
        {SKR_NETWORK_SITE, SKR_HOST_SWITCH, {ENTRY("host_switch", "host_adapters", "network_site_id")}},
        {SKR_UPLINK_PORT_PROFILE, SKR_LOGICAL_SWITCH, {LINK("logical_switch", "uplink_port_profile_ids")}},
        {SKR_UPLINK_PORT_PROFILE, SKR_HOST_SWITCH, {ENTRY("host_switch", "uplinks", "uplink_port_profile_id")}},
        {SKR_PORT_CLASSIFICATION, SKR_LOGICAL_SWITCH, {ENTRY("logical_switch", "virtual_ports", "classification_id")}},
        {SKR_PORT_CLASSIFICATION, SKR_HOST_SWITCH, {ENTRY("host_switch", "host_adapters", "classification_id")}},
        {SKR_VIRTUAL_PORT_PROFILE, SKR_LOGICAL_SWITCH, {ENTRY("logical_switch", "virtual_ports", "profile_id")}},
        {SKR_LOGICAL_SWITCH, SKR_HOST_SWITCH, {REFERENCE("host_switch", "logical_switch_id")}},
        {SKR_VM_NETWORK, SKR_HOST_SWITCH, {ENTRY("host_switch", "host_adapters", "vm_network_id")}},
        {SKR_VM_NETWORK, SKR_NETWORK_ADAPTER, {REFERENCE("network_adapter", "vm_network_id")}},
};

struct user {
    enum skr_resource_id resource;
    struct skr_uuid id;
    char name[SKR_NAME_MAX * 4 + 1];
};

static int collect(struct skr_txn *txn, size_t entry, const struct skr_uuid *id, struct user *ret_users,
                   unsigned *count, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &users[entry].query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, id);
    while (*count < USERS_NAMED_MAX && (r = skr_step(statement, error)) > 0) {
        struct user *user = &ret_users[*count];
        user->resource = users[entry].user;
        user->id = skr_column_uuid(statement, 0);
        if (*count && skr_uuid_equal(&user->id, &ret_users[*count - 1].id))
            continue; /* another entry of the same list */
        ++*count;
        snprintf(user->name, sizeof(user->name), "%s", skr_column_text(statement, 1));
    }
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

/* Those that the principal sees come first; returns how many. */
static int sort_seen(struct skr_txn *txn, const struct skr_principal *principal, struct user *found, unsigned count,
                     struct skr_error *error)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
        int r = skr_fetch(txn, found[i].resource, &found[i].id, &object, error);
        if (r == 0)
            r = skr_principal_sees(txn, principal, object, error);
        if (r < 0)
            return r;
        if (r > 0)
            found[seen++] = found[i];
    }
    return (int)seen;
}

int skr_usage_check(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_object *object,
                    struct skr_error *error)
{
    struct user found[USERS_NAMED_MAX];
    unsigned count = 0;
    struct skr_uuid id = skr_object_id(object);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(users); i++) {
        if (users[i].target != object->resource->id)
            continue;
        int r = collect(txn, i, &id, found, &count, error);
        if (r < 0)
            return r;
    }
    if (!count)
        return 0;
    int seen = sort_seen(txn, principal, found, count, error);
    if (seen < 0)
        return seen;
    char list[320] = "";
    size_t length = 0;
    for (int i = 0; i < seen && i < 3; i++)
        length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s \"%.60s\"", i ? ", " : "",
                                   skr_resource_get(found[i].resource)->name, found[i].name);
    int r = seen ? skr_error_set(error, SKR_ERROR_IN_USE,
                                 "The %s \"%.60s\" is used by %s%s: delete these or take it out of them first.",
                                 object->resource->name, skr_object_name(object), list,
                                 count > 3 || (unsigned)seen < count ? " and others" : "")
                 : skr_error_set(error, SKR_ERROR_IN_USE,
                                 "The %s \"%.60s\" is used by what an administrator keeps; ask one to take it out.",
                                 object->resource->name, skr_object_name(object));
    for (int i = 0; i < seen && i < SKR_ERROR_FIELDS_MAX; i++) {
        char text[SKR_UUID_TEXT_MAX];
        skr_error_field(error, "", "used by %s \"%.120s\" (%s)", skr_resource_get(found[i].resource)->name,
                        found[i].name, skr_uuid_format(&found[i].id, text));
    }
    return r;
}

#define NAME(table)            "SELECT id FROM " table " WHERE name = ?1"
#define NAME_IN(table, parent) "SELECT id FROM " table " WHERE " parent " = ?2 AND name = ?1"
#define NAME_OF_TENANT(table)  "SELECT id FROM " table " WHERE tenant_id IS ?2 AND name = ?1" /* null: the fabric's */

/* In the name_parent of the resource's table, and in its name_other_parent. */
static const struct {
    struct skr_query query, other_query;
} names[SKR_RESOURCE_COUNT] = {
        [SKR_TENANT] = {{NAME("tenant")}},
        [SKR_HOST_GROUP] = {{NAME("host_group")}},
        [SKR_LOGICAL_NETWORK] = {{NAME("logical_network")}},
        [SKR_NETWORK_SITE] = {{NAME_IN("network_site", "logical_network_id")}},
        [SKR_IP_POOL] = {{NAME_IN("ip_pool", "network_site_id")}, {NAME_IN("ip_pool", "vm_subnet_id")}},
        [SKR_MAC_POOL] = {{NAME("mac_pool")}},
        [SKR_VIRTUAL_PORT_PROFILE] = {{NAME("virtual_port_profile")}},
        [SKR_PORT_CLASSIFICATION] = {{NAME("port_classification")}},
        [SKR_HOST] = {{NAME("host")}},
        [SKR_VM_NETWORK] = {{NAME_OF_TENANT("vm_network")}},
        [SKR_VM_SUBNET] = {{NAME_IN("vm_subnet", "vm_network_id")}},
        [SKR_NETWORK_ADAPTER] = {{NAME_IN("network_adapter", "vm_network_id")}},
        [SKR_UPLINK_PORT_PROFILE] = {{NAME("uplink_port_profile")}},
        [SKR_LOGICAL_SWITCH] = {{NAME("logical_switch")}},
        [SKR_HOST_SWITCH] = {{NAME_IN("host_switch", "host_id")}},
        [SKR_JOIN_TOKEN] = {{NAME("join_token")}},
        [SKR_ACCESS_CONTROL_LIST] = {{NAME_OF_TENANT("access_control_list")}},
        [SKR_CUSTOMER_ROUTE] = {{NAME_IN("customer_route", "vm_network_id")}},
        [SKR_TOKEN] = {{NAME_OF_TENANT("token")}},
        [SKR_USER] = {{NAME("user")}},
        [SKR_ROLE_BINDING] = {{NAME_OF_TENANT("role_binding")}},
};

static int find_name(struct skr_txn *txn, const struct skr_query *query, const char *name,
                     const struct skr_uuid *parent, struct skr_uuid *ret_id, struct skr_error *error)
{
    if (!query->sql)
        return 0;
    struct skr_statement *statement;
    int r = skr_txn_query(txn, query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_text(statement, 1, name);
    if (parent && !skr_uuid_is_nil(parent))
        skr_bind_uuid(statement, 2, parent);
    r = skr_step(statement, error);
    if (r > 0)
        *ret_id = skr_column_uuid(statement, 0);
    skr_statement_reset(statement);
    return r;
}

int skr_name_find(struct skr_txn *txn, enum skr_resource_id resource, const char *name, const struct skr_uuid *parent,
                  struct skr_uuid *ret_id, struct skr_error *error)
{
    bool scoped = skr_resource_get(resource)->name_parent >= 0;
    return find_name(txn, &names[resource].query, name, scoped ? parent : NULL, ret_id, error);
}

int skr_name_check(struct skr_txn *txn, const struct skr_object *object, struct skr_error *error)
{
    const struct skr_resource *resource = object->resource;
    const struct skr_query *query = &names[resource->id].query;
    struct skr_uuid parent = {0}, id = skr_object_id(object), other;
    int scope = resource->name_parent;
    if (resource->name_other_parent && !skr_object_has(object, scope)) {
        scope = resource->name_other_parent;
        query = &names[resource->id].other_query;
    }
    if (scope >= 0)
        parent = skr_object_uuid(object, scope);
    int r = find_name(txn, query, skr_object_name(object), scope >= 0 ? &parent : NULL, &other, error);
    if (r <= 0 || skr_uuid_equal(&id, &other))
        return r < 0 ? r : 0;
    return skr_refuse(error, SKR_ERROR_EXISTS, "/name",
                      "There is a %s named \"%.100s\" already%s%s; choose another name.", resource->name,
                      skr_object_name(object), scope >= 0 ? " in this " : "",
                      scope >= 0 ? skr_resource_get(resource->fields[scope].target)->name : "");
}
