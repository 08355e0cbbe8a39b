/* The tables of resources hold together. */
#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <string.h>

static const unsigned field_counts[SKR_RESOURCE_COUNT] = {
        [SKR_TENANT] = SKR_TENANT_FIELD_COUNT,
        [SKR_HOST_GROUP] = SKR_HOST_GROUP_FIELD_COUNT,
        [SKR_LOGICAL_NETWORK] = SKR_LOGICAL_NETWORK_FIELD_COUNT,
        [SKR_NETWORK_SITE] = SKR_NETWORK_SITE_FIELD_COUNT,
        [SKR_IP_POOL] = SKR_IP_POOL_FIELD_COUNT,
        [SKR_MAC_POOL] = SKR_MAC_POOL_FIELD_COUNT,
        [SKR_VIRTUAL_PORT_PROFILE] = SKR_VIRTUAL_PORT_PROFILE_FIELD_COUNT,
        [SKR_PORT_CLASSIFICATION] = SKR_PORT_CLASSIFICATION_FIELD_COUNT,
        [SKR_HOST] = SKR_HOST_FIELD_COUNT,
        [SKR_VM_NETWORK] = SKR_VM_NETWORK_FIELD_COUNT,
        [SKR_VM_SUBNET] = SKR_VM_SUBNET_FIELD_COUNT,
        [SKR_NETWORK_ADAPTER] = SKR_NETWORK_ADAPTER_FIELD_COUNT,
        [SKR_UPLINK_PORT_PROFILE] = SKR_UPLINK_PORT_PROFILE_FIELD_COUNT,
        [SKR_LOGICAL_SWITCH] = SKR_LOGICAL_SWITCH_FIELD_COUNT,
        [SKR_HOST_SWITCH] = SKR_HOST_SWITCH_FIELD_COUNT,
        [SKR_JOIN_TOKEN] = SKR_JOIN_TOKEN_FIELD_COUNT,
        [SKR_TOKEN] = SKR_TOKEN_FIELD_COUNT,
        [SKR_ACCESS_CONTROL_LIST] = SKR_ACCESS_CONTROL_LIST_FIELD_COUNT,
        [SKR_CUSTOMER_ROUTE] = SKR_CUSTOMER_ROUTE_FIELD_COUNT,
        [SKR_USER] = SKR_USER_FIELD_COUNT,
        [SKR_ROLE_BINDING] = SKR_ROLE_BINDING_FIELD_COUNT,
        [SKR_SESSION] = SKR_SESSION_FIELD_COUNT,
        [SKR_LOOKUP_RECORD] = SKR_LOOKUP_RECORD_FIELD_COUNT,
        [SKR_PROVIDER_ADDRESS] = SKR_PROVIDER_ADDRESS_FIELD_COUNT,
        [SKR_IP_ALLOCATION] = SKR_IP_ALLOCATION_FIELD_COUNT,
        [SKR_EFFECTIVE_ROUTE] = SKR_EFFECTIVE_ROUTE_FIELD_COUNT,
        [SKR_COMPLIANCE] = SKR_COMPLIANCE_FIELD_COUNT,
        [SKR_ORPHAN] = SKR_ORPHAN_FIELD_COUNT,
        [SKR_EVENT] = SKR_EVENT_FIELD_COUNT,
        [SKR_JOB] = SKR_JOB_FIELD_COUNT,
        [SKR_BACKUP] = SKR_BACKUP_FIELD_COUNT,
        [SKR_AUDIT_RECORD] = SKR_AUDIT_RECORD_FIELD_COUNT,
        [SKR_USAGE] = SKR_USAGE_FIELD_COUNT,
        [SKR_ADDRESS_HOLDING] = SKR_ADDRESS_HOLDING_FIELD_COUNT,
};

#define EACH_RESOURCE(r)                                                                                               \
    for (int r##_id = 0; r##_id < SKR_RESOURCE_COUNT; r##_id++)                                                        \
        for (const struct skr_resource *r = skr_resource_get((enum skr_resource_id)r##_id); r; r = NULL)

static bool is_list(const struct skr_field *field)
{
    return field->kind == SKR_KIND_REFERENCES || field->kind == SKR_KIND_STRUCTS || field->kind == SKR_KIND_ADDRESSES;
}

static bool is_word(const char *text)
{
    return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
}

static void check_name_of_kind(const struct skr_field *field, const char *where)
{
    size_t length = strlen(field->name);
    if (field->kind == SKR_KIND_REFERENCE)
        cr_assert(length > 3 && strcmp(field->name + length - 3, "_id") == 0, "%s: references end in _id", where);
    if (field->kind == SKR_KIND_REFERENCES)
        cr_assert(length > 4 && strcmp(field->name + length - 4, "_ids") == 0, "%s: reference lists end in _ids",
                  where);
}

static void check_kind(const struct skr_field *field, const char *where)
{
    bool reference = field->kind == SKR_KIND_REFERENCE || field->kind == SKR_KIND_REFERENCES;
    bool structs = field->kind == SKR_KIND_STRUCT || field->kind == SKR_KIND_STRUCTS;
    check_name_of_kind(field, where);
    if (reference)
        cr_assert_lt(field->target, SKR_LOOKUP_RECORD, "%s refers to a view", where);
    cr_assert_eq(structs, field->sub != NULL, "%s: sub", where);
    cr_assert_eq(field->kind == SKR_KIND_ENUM, field->choices != NULL, "%s: choices", where);
    cr_assert_eq(field->kind == SKR_KIND_JSON, field->json_shape == '{' || field->json_shape == '[', "%s", where);
    cr_assert_leq(field->minimum, field->maximum ? field->maximum : field->minimum, "%s: bounds", where);
    if (is_list(field))
        cr_assert_leq(field->maximum, SKR_LIST_MAX, "%s: more entries than any list", where);
    for (int i = 0; field->choices && field->choices[i]; i++)
        cr_assert(strspn(field->choices[i], "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(field->choices[i]),
                  "%s", where);
}

static void check_roles(const struct skr_field *field, const char *where)
{
    bool writable = !(field->flags & (SKR_FIELD_READ_ONLY | SKR_FIELD_HIDDEN));
    bool secret = field->kind == SKR_KIND_SECRET && writable;
    bool derived = field->kind == SKR_KIND_COMPUTED || (field->kind == SKR_KIND_SECRET && !writable);
    if (writable) {
        cr_assert_neq(field->writer, SKR_ROLE_NOBODY, "%s can be written and names no writer", where);
        if (field->kind == SKR_KIND_INTEGER)
            cr_assert(field->minimum || field->maximum, "%s has no bounds", where);
    }
    cr_assert(!derived || !writable, "%s is never written by a request", where);
    cr_assert(!derived || !(field->flags & SKR_FIELD_FILTER), "%s has no column to filter by", where);
    if (secret)
        cr_assert_eq(field->reader, SKR_ROLE_NOBODY, "%s: what is kept secret is shown", where);
    else if (!(field->flags & SKR_FIELD_HIDDEN))
        cr_assert_neq(field->reader, SKR_ROLE_NOBODY, "%s is shown and names no reader", where);
    if (field->writer == SKR_ROLE_ANY || field->writer == SKR_ROLE_TENANT)
        cr_assert_neq(field->reader, SKR_ROLE_ADMIN, "%s: a tenant writes what it cannot read", where);
    if (field->flags & SKR_FIELD_REQUIRED)
        cr_assert(writable && !field->fallback && !(field->flags & SKR_FIELD_NULLABLE), "%s: required and not", where);
    if (field->flags & SKR_FIELD_FILTER)
        cr_assert(!is_list(field) && !field->sub && field->kind != SKR_KIND_JSON, "%s cannot be a filter", where);
}

/* A default must pass what a request must pass, and every optional writable field has one or leaves it to the rules. */
static void check_fallback(const struct skr_field *field, const char *where)
{
    if (!field->fallback)
        return;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    struct skr_field one = *field;
    one.flags &= ~(unsigned)(SKR_FIELD_READ_ONLY | SKR_FIELD_HIDDEN);
    one.writer = SKR_ROLE_ANY;
    struct skr_resource table = {.name = "one", .fields = &one, .field_count = 1, .name_parent = -1};
    json_t *json = json_loads(field->fallback, JSON_DECODE_ANY, NULL);
    cr_assert_not_null(json, "%s: the default is no JSON", where);
    json_t *body = json_pack("{s: o}", field->name, json);
    struct skr_error error = {0};
    cr_assert_eq(skr_object_from_json(&table, body, false, SKR_ROLE_ADMIN, &object, &error), 0, "%s: %s", where,
                 error.detail);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *filled = skr_object_new(&table);
    skr_object_fill_defaults(filled);
    cr_assert(skr_value_equal(&filled->values[0], &object->values[0]), "%s: the default is lost", where);
    json_decref(body);
}

static void check_fields(const struct skr_resource *resource)
{
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        char where[128];
        cr_assert_not_null(field->name, "%s: field %u is missing", resource->name, i);
        snprintf(where, sizeof(where), "%s.%s", resource->name, field->name);
        cr_assert(is_word(field->name), "%s", where);
        cr_assert(field->help && *field->help && field->help[strlen(field->help) - 1] != '.', "%s: help", where);
        for (unsigned j = 0; j < i; j++)
            cr_assert_str_neq(field->name, resource->fields[j].name, "%s stands twice", where);
        cr_assert_eq(skr_resource_field(resource, field->name), (int)i);
        check_kind(field, where);
        check_roles(field, where);
        check_fallback(field, where);
        if (field->sub) {
            cr_assert_null(field->sub->table, "%s: a sub table is no resource", where);
            check_fields(field->sub);
        }
    }
}

Test(resource, fields_hold_together)
{
    EACH_RESOURCE(r)
    {
        cr_assert_eq(r->id, (enum skr_resource_id)r_id, "%s stands in another's place", r->name);
        cr_assert_eq(r->field_count, field_counts[r_id], "%s: the table and its enum differ", r->name);
        check_fields(r);
    }
}

Test(resource, common_fields_come_first)
{
    static const char *const names[] = {"id",     "tenant_id",  "name",       "description",
                                        "labels", "created_at", "updated_at", "etag"};
    EACH_RESOURCE(r)
    for (int i = 0; i < SKR_FIELD_COMMON_COUNT; i++)
        cr_assert_str_eq(r->fields[i].name, names[i], "%s", r->name);
}

Test(resource, names_are_unique_and_found)
{
    EACH_RESOURCE(r)
    {
        const char *words[] = {r->name, r->collection, r->shorthand};
        for (size_t i = 0; i < SKR_ARRAY_SIZE(words); i++)
            if (words[i])
                cr_assert_eq(skr_resource_find(words[i]), r, "%s means another resource", words[i]);
        cr_assert(r->table && r->help && r->maximum > 0, "%s", r->name);
    }
    cr_assert_null(skr_resource_find("nothing"));
    cr_assert_eq(skr_resource_field(skr_resource_get(SKR_HOST), "nothing"), -1);
}

Test(resource, scopes_views_and_actions_hold_together)
{
    EACH_RESOURCE(r)
    {
        if (r->name_parent >= 0)
            cr_assert(r->fields[r->name_parent].kind == SKR_KIND_REFERENCE, "%s: names have no such scope", r->name);
        if (r->name_other_parent)
            cr_assert(r->fields[r->name_other_parent].kind == SKR_KIND_REFERENCE && r->name_parent >= 0, "%s", r->name);
        if (r->scope == SKR_SCOPE_TENANT)
            cr_assert(r->fields[SKR_FIELD_TENANT_ID].flags & SKR_FIELD_FILTER, "%s", r->name);
        for (unsigned i = SKR_FIELD_COMMON_COUNT; (r->flags & SKR_RESOURCE_VIEW) && i < r->field_count; i++)
            cr_assert(r->fields[i].flags & SKR_FIELD_READ_ONLY, "%s.%s", r->name, r->fields[i].name);
        for (unsigned i = 0; i < r->action_count; i++) {
            cr_assert_neq(r->actions[i].role, SKR_ROLE_NOBODY);
            cr_assert(r->actions[i].help && *r->actions[i].help);
            if (r->actions[i].input)
                check_fields(r->actions[i].input);
        }
    }
}

Test(resource, administrators_fields_are_theirs)
{
    static const struct {
        enum skr_resource_id resource;
        const char *name;
    } reserved[] = {{SKR_NETWORK_ADAPTER, "host_id"},
                    {SKR_NETWORK_ADAPTER, "interface"},
                    {SKR_VM_SUBNET, "vsid"},
                    {SKR_VM_NETWORK, "routing_domain_id"},
                    {SKR_VM_SUBNET, "pa_multicast_group"},
                    {SKR_VM_NETWORK, "tenant_id"},
                    {SKR_NETWORK_ADAPTER, "bound_interface"}};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(reserved); i++) {
        const struct skr_resource *r = skr_resource_get(reserved[i].resource);
        const struct skr_field *field = &r->fields[skr_resource_field(r, reserved[i].name)];
        cr_assert_not(skr_role_writes(field->writer, SKR_ROLE_TENANT), "%s", field->name);
    }
}

/* Rows: what is reserved; columns: who. w writes, r reads, b both. */
Test(resource, roles)
{
    static const enum skr_role reserved[] = {SKR_ROLE_NOBODY, SKR_ROLE_ADMIN,  SKR_ROLE_FABRIC, SKR_ROLE_TENANT,
                                             SKR_ROLE_ANY,    SKR_ROLE_PUBLIC, SKR_ROLE_SELF};
    static const enum skr_role who[] = {SKR_ROLE_ADMIN,  SKR_ROLE_FABRIC, SKR_ROLE_AUDITOR,
                                        SKR_ROLE_TENANT, SKR_ROLE_VIEWER, SKR_ROLE_NOBODY};
    static const char *const expected[] = {"------", "b-r---", "bbr---", "b-rb--", "bbrbr-", "bbbbbb", "bbbbb-"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(reserved); i++)
        for (size_t j = 0; j < SKR_ARRAY_SIZE(who); j++) {
            bool writes = skr_role_writes(reserved[i], who[j]), reads = skr_role_reads(reserved[i], who[j]);
            char got = writes ? (reads ? 'b' : 'w') : (reads ? 'r' : '-');
            cr_expect_eq(got, expected[i][j], "reserved %zu, role %zu: %c", i, j, got);
        }
}

Test(resource, roles_have_names)
{
    static const enum skr_role who[] = {SKR_ROLE_ADMIN, SKR_ROLE_FABRIC, SKR_ROLE_AUDITOR, SKR_ROLE_TENANT,
                                        SKR_ROLE_VIEWER};
    const struct skr_field *field = &skr_resource_get(SKR_TOKEN)->fields[SKR_TOKEN_ROLE];
    for (size_t i = 0; i < SKR_ARRAY_SIZE(who); i++) {
        cr_assert_str_eq(field->choices[i], skr_role_name(who[i]));
        cr_assert_eq(skr_role_find(skr_role_name(who[i])), who[i]);
    }
    cr_assert_null(field->choices[SKR_ARRAY_SIZE(who)]);
    cr_assert_null(skr_role_name(SKR_ROLE_ANY));
    cr_assert_eq(skr_role_find("any"), SKR_ROLE_NOBODY);
    cr_assert_eq(skr_role_find(NULL), SKR_ROLE_NOBODY);
}

Test(resource, every_table_says_for_whom_it_is)
{
    EACH_RESOURCE(r)
    {
        cr_assert_neq(r->reader, SKR_ROLE_NOBODY, "%s names no reader", r->name);
        cr_assert_eq(r->writer == SKR_ROLE_NOBODY, !!(r->flags & SKR_RESOURCE_VIEW), "%s: writer", r->name);
    }
    cr_assert_eq(skr_resource_place(skr_resource_get(SKR_HOST)), SKR_HOST_HOST_GROUP_ID);
    cr_assert_eq(skr_resource_place(skr_resource_get(SKR_COMPLIANCE)), SKR_COMPLIANCE_HOST_ID);
    cr_assert_eq(skr_resource_place(skr_resource_get(SKR_LOGICAL_NETWORK)), -1);
}

Test(resource, status_is_one_rule)
{
    cr_assert(skr_resource_in_status(skr_resource_get(SKR_IP_POOL), SKR_IP_POOL_UTILIZATION));
    cr_assert(skr_resource_in_status(skr_resource_get(SKR_HOST), SKR_HOST_ENROLMENT));
    cr_assert(skr_resource_in_status(skr_resource_get(SKR_NETWORK_ADAPTER), SKR_NETWORK_ADAPTER_BOUND));
    cr_assert_not(skr_resource_in_status(skr_resource_get(SKR_VM_SUBNET), SKR_VM_SUBNET_GATEWAY));
    cr_assert_not(skr_resource_in_status(skr_resource_get(SKR_HOST), SKR_HOST_STATE));
    cr_assert_not(skr_resource_in_status(skr_resource_get(SKR_LOOKUP_RECORD), SKR_LOOKUP_RECORD_PROVIDER_ADDRESS));
}

Test(resource, nearest_names)
{
    static const char *const names[] = {"vm_network_id", "vm_subnet_id", "mac", "name"};
    cr_assert_str_eq(skr_nearest("vm_netwrok_id", names, 4), "vm_network_id");
    cr_assert_str_eq(skr_nearest("vm_subnet", names, 4), "vm_subnet_id");
    cr_assert_str_eq(skr_nearest("nam", names, 4), "name");
    cr_assert_str_eq(skr_nearest("cam", names, 4), "mac");
    cr_assert_null(skr_nearest("colour", names, 4));
    cr_assert_null(skr_nearest("", names, 4));
    cr_assert_null(skr_nearest("x", names, 0));
    char longer[400];
    memset(longer, 'n', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    cr_assert_null(skr_nearest(longer, names, 4));
}
