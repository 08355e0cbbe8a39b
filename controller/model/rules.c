#include "controller/model/rules.h"

#include <stdarg.h>

static const struct skr_rules no_rules;

const struct skr_rules *skr_rules_get(enum skr_resource_id resource)
{
    static const struct skr_rules *const rules[SKR_RESOURCE_COUNT] = {
            [SKR_TENANT] = &skr_tenant_rules,
            [SKR_HOST_GROUP] = &skr_host_group_rules,
            [SKR_LOGICAL_NETWORK] = &skr_logical_network_rules,
            [SKR_NETWORK_SITE] = &skr_network_site_rules,
            [SKR_IP_POOL] = &skr_ip_pool_rules,
            [SKR_MAC_POOL] = &skr_mac_pool_rules,
            [SKR_VIRTUAL_PORT_PROFILE] = &skr_virtual_port_profile_rules,
            [SKR_PORT_CLASSIFICATION] = &skr_port_classification_rules,
            [SKR_HOST] = &skr_host_rules,
            [SKR_VM_NETWORK] = &skr_vm_network_rules,
            [SKR_VM_SUBNET] = &skr_vm_subnet_rules,
            [SKR_NETWORK_ADAPTER] = &skr_network_adapter_rules,
            [SKR_UPLINK_PORT_PROFILE] = &skr_uplink_port_profile_rules,
            [SKR_LOGICAL_SWITCH] = &skr_logical_switch_rules,
            [SKR_HOST_SWITCH] = &skr_host_switch_rules,
            [SKR_JOIN_TOKEN] = &skr_join_token_rules,
            [SKR_TOKEN] = &skr_token_rules,
            [SKR_USER] = &skr_user_rules,
            [SKR_ROLE_BINDING] = &skr_role_binding_rules,
            [SKR_SESSION] = &skr_session_rules,
            [SKR_IP_ALLOCATION] = &skr_ip_allocation_rules,
            [SKR_LOOKUP_RECORD] = &skr_lookup_record_rules,
            [SKR_BACKUP] = &skr_backup_rules,
            [SKR_ACCESS_CONTROL_LIST] = &skr_access_control_list_rules,
            [SKR_CUSTOMER_ROUTE] = &skr_customer_route_rules,
    };
    return rules[resource] ? rules[resource] : &no_rules;
}

int skr_refuse(struct skr_error *error, enum skr_error_tag tag, const char *pointer, const char *format, ...)
{
    char text[SKR_ERROR_DETAIL_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    int r = skr_error_set(error, tag, "%s", text);
    skr_error_field(error, pointer, "%s", text);
    return r;
}

char *skr_pointer(char out[static SKR_ERROR_POINTER_MAX], const char *field, unsigned index, const char *member)
{
    if (member)
        snprintf(out, SKR_ERROR_POINTER_MAX, "/%s/%u/%s", field, index, member);
    else
        snprintf(out, SKR_ERROR_POINTER_MAX, "/%s/%u", field, index);
    return out;
}

int skr_fetch(struct skr_txn *txn, enum skr_resource_id resource, const struct skr_uuid *id, struct skr_object **ret,
              struct skr_error *error)
{
    int r = skr_txn_get(txn, resource, id, NULL, ret, error);
    if (r != -ENOENT)
        return r;
    char text[SKR_UUID_TEXT_MAX];
    return skr_error_set(error, SKR_ERROR_INTERNAL, "The %s %s that another object refers to is missing.",
                         skr_resource_get(resource)->name, skr_uuid_format(id, text));
}

int skr_fetch_first(struct skr_txn *txn, struct skr_statement *statement, enum skr_resource_id resource,
                    struct skr_object **ret, struct skr_error *error)
{
    int r = skr_step(statement, error);
    struct skr_uuid id = r > 0 ? skr_column_uuid(statement, 0) : (struct skr_uuid){0};
    skr_statement_reset(statement);
    if (r <= 0)
        return r;
    r = skr_fetch(txn, resource, &id, ret, error);
    return r < 0 ? r : 1;
}

int skr_fetch_by_address(struct skr_txn *txn, const struct skr_query *query, enum skr_resource_id resource,
                         const struct skr_uuid *parent, const struct skr_address *address, struct skr_object **ret,
                         struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, parent);
    skr_bind_address(statement, 2, address);
    r = skr_fetch_first(txn, statement, resource, ret, error);
    return r < 0 ? r : r > 0 ? 0 : -ENOENT;
}

bool skr_write_changes(const struct skr_write *write, int field)
{
    return !write->before || !write->after ||
           !skr_value_equal(&write->before->values[field], &write->after->values[field]);
}

struct skr_object *skr_row_new(enum skr_resource_id resource)
{
    struct skr_object *row = skr_object_new(skr_resource_get(resource));
    struct skr_uuid id = skr_uuid_new();
    skr_object_fill_defaults(row);
    skr_object_set_uuid(row, SKR_FIELD_ID, &id);
    return row;
}

struct skr_uuid skr_object_id(const struct skr_object *object)
{
    return skr_object_uuid(object, SKR_FIELD_ID);
}

const char *skr_object_name(const struct skr_object *object)
{
    const char *name = skr_object_text(object, SKR_FIELD_NAME);
    return name ? name : "";
}

bool skr_interface_name_valid(const char *name)
{
    size_t length = name ? strlen(name) : 0;
    if (length < 1 || length > 15 || !strcmp(name, ".") || !strcmp(name, ".."))
        return false;
    for (const char *c = name; *c; c++)
        if (*c == '/' || *c == ':' || (unsigned char)*c <= ' ' || (unsigned char)*c == 127)
            return false;
    return true;
}

bool skr_address_is_host(const struct skr_address *address)
{
    if (!skr_address_is_v4(address)) {
        static const struct skr_address zero;
        bool loopback = !memcmp(address->bytes, zero.bytes, 15) && address->bytes[15] <= 1;
        return !loopback && address->bytes[0] != 0xff;
    }
    uint8_t first = address->bytes[12];
    return first != 0 && first != 127 && first < 224;
}

bool skr_prefix_is_edge(const struct skr_prefix *prefix, const struct skr_address *address)
{
    bool v4 = skr_prefix_is_v4(prefix);
    if (prefix->length > (v4 ? 30 : 126))
        return false;
    struct skr_address first = skr_prefix_first(prefix), last = skr_prefix_last(prefix);
    return !skr_address_compare(&first, address) || (v4 && !skr_address_compare(&last, address));
}

int skr_counter_next(struct skr_txn *txn, const char *name, int64_t first, int64_t *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *text = NULL;
    int r = skr_txn_setting_get(txn, name, &text, error);
    if (r < 0 && r != -ENOENT)
        return r;
    int64_t value = text ? strtoll(text, NULL, 10) : first;
    char next[24];
    snprintf(next, sizeof(next), "%lld", (long long)value + 1);
    r = skr_txn_setting_set(txn, name, next, error);
    if (r < 0)
        return r;
    *ret = value;
    return 0;
}

void skr_ids_add(struct skr_ids *ids, const struct skr_uuid *id)
{
    if (ids->count == ids->capacity) {
        ids->capacity = ids->capacity ? 2 * ids->capacity : 16;
        ids->items = reallocarray(ids->items, ids->capacity, sizeof(*ids->items));
        if (!ids->items)
            abort();
    }
    ids->items[ids->count++] = *id;
}

bool skr_ids_contain(const struct skr_ids *ids, const struct skr_uuid *id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (skr_uuid_equal(&ids->items[i], id))
            return true;
    return false;
}

static int compare_ids(const void *a, const void *b)
{
    return skr_uuid_compare(a, b);
}

void skr_ids_sort(struct skr_ids *ids)
{
    if (ids->count)
        qsort(ids->items, ids->count, sizeof(*ids->items), compare_ids);
}

bool skr_ids_search(const struct skr_ids *ids, const struct skr_uuid *id)
{
    return ids->count && bsearch(id, ids->items, ids->count, sizeof(*ids->items), compare_ids);
}

int skr_ids_query(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *key, struct skr_ids *ids,
                  struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, key);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid id = skr_column_uuid(statement, 0);
        skr_ids_add(ids, &id);
    }
    skr_statement_reset(statement);
    return r;
}

int skr_integer_query(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *key, int64_t *ret,
                      struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, query, &statement, error);
    if (r < 0)
        return r;
    if (key)
        skr_bind_uuid(statement, 1, key);
    r = skr_step(statement, error);
    int64_t found = r > 0 ? skr_column_integer(statement, 0) : 0;
    skr_statement_reset(statement);
    if (r < 0)
        return r;
    *ret = found;
    return 0;
}

int skr_find(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *first,
             const struct skr_uuid *second, struct skr_uuid *ret_id, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, first);
    if (second)
        skr_bind_uuid(statement, 2, second);
    r = skr_step(statement, error);
    if (r > 0 && ret_id)
        *ret_id = skr_column_uuid(statement, 0);
    skr_statement_reset(statement);
    return r;
}
