/* Tenants have customer routes, access control lists and quotas besides networks and adapters. */
#include "tests/support/controller/world.h"

#define ROUTE(rest) "{'name': 'r', 'vm_network_id': '$red-net', " rest "}"
#define RULE(rest)  "{'name': 'l', 'tenant_id': '$red', 'rules': [{'name': 'a', 'direction': 'in', " rest "}]}"

/* Must be refused with this tag, at this field, in a sentence that holds `words`, and leave nothing behind. */
static void refused(struct world *w, enum skr_operation operation, enum skr_resource_id resource, const char *target,
                    const char *json, enum skr_error_tag tag, const char *pointer, const char *words)
{
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    int64_t before = skr_store_revision(w->test.store);
    world_request(w, operation, resource, target, json, &answer);
    cr_expect_eq(answer.error.tag, tag, "%s: %s", json, answer.error.detail);
    cr_expect_str_eq(answer.error.fields[0].pointer, pointer, "%s: %s", json, answer.error.detail);
    cr_expect(strstr(answer.error.detail, words), "%s: %s", json, answer.error.detail);
    cr_expect_eq(skr_store_revision(w->test.store), before);
}

static void expect_prefix(const struct skr_object *object, int field, const char *wanted)
{
    char text[SKR_PREFIX_TEXT_MAX];
    struct skr_prefix prefix = skr_object_prefix(object, field);
    cr_expect_str_eq(skr_prefix_format(&prefix, text), wanted);
}

Test(model_customer_route, goes_by_way_of_a_vm)
{
    struct world w;
    struct skr_object *routes[8];
    world_open(&w);
    world_fill(&w);
    world_create(&w, SKR_CUSTOMER_ROUTE, "route", ROUTE("'destination': '0.0.0.0/0', 'next_hop': '10.0.1.7'"));
    world_create(&w, SKR_CUSTOMER_ROUTE, "second",
                 "{'name': 's', 'vm_network_id': '$red-net', 'destination': '0.0.0.0/0', 'next_hop': '10.0.0.9', "
                 "'metric': 5}");
    world_create(&w, SKR_CUSTOMER_ROUTE, "longer",
                 "{'name': 't', 'vm_network_id': '$red-net', 'destination': '10.9.0.0/16', 'next_hop': '10.0.0.9'}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *route = world_get(&w, SKR_CUSTOMER_ROUTE, "route");
    struct skr_uuid subnet = skr_object_uuid(route, SKR_CUSTOMER_ROUTE_VM_SUBNET_ID), red_b = world_id(&w, "red-b");
    struct skr_uuid tenant = skr_object_uuid(route, SKR_FIELD_TENANT_ID), red = world_id(&w, "red");
    cr_expect(skr_uuid_equal(&subnet, &red_b) && skr_uuid_equal(&tenant, &red));
    expect_prefix(route, SKR_CUSTOMER_ROUTE_DESTINATION, "0.0.0.0/0");
    size_t count = world_list(&w, SKR_EFFECTIVE_ROUTE, SKR_EFFECTIVE_ROUTE_VM_NETWORK_ID, "red-net", routes, 8);
    cr_assert_eq(count, 5, "two VM subnets and three customer routes, not %zu", count);
    size_t ours = 0;
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(skr_object_has(routes[i], SKR_EFFECTIVE_ROUTE_NEXT_HOP),
                     skr_object_has(routes[i], SKR_EFFECTIVE_ROUTE_CUSTOMER_ROUTE_ID));
        ours += skr_object_has(routes[i], SKR_EFFECTIVE_ROUTE_METRIC);
        skr_object_unref(routes[i]);
    }
    cr_expect_eq(ours, 3);
    world_patch(&w, SKR_CUSTOMER_ROUTE, "route", "{'next_hop': '10.0.0.77', 'metric': 9}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *moved = world_get(&w, SKR_CUSTOMER_ROUTE, "route");
    struct skr_uuid red_a = world_id(&w, "red-a");
    subnet = skr_object_uuid(moved, SKR_CUSTOMER_ROUTE_VM_SUBNET_ID);
    cr_expect(skr_uuid_equal(&subnet, &red_a));
    world_patch(&w, SKR_CUSTOMER_ROUTE, "route", "{'description': 'no more than that'}");
    world_delete(&w, SKR_CUSTOMER_ROUTE, "route");
    world_close(&w);
}

Test(model_customer_route, refusals)
{
    static const struct {
        const char *json;
        enum skr_error_tag tag;
        const char *pointer, *words;
    } bad[] = {
            {ROUTE("'destination': '10.9.0.0/16', 'next_hop': '10.0.0.1'"), SKR_ERROR_INVALID, "/next_hop", "gateway"},
            {ROUTE("'destination': '10.9.0.0/16', 'next_hop': '10.0.0.0'"), SKR_ERROR_INVALID, "/next_hop", "network"},
            {ROUTE("'destination': '10.9.0.0/16', 'next_hop': '10.0.0.255'"), SKR_ERROR_INVALID, "/next_hop", "broad"},
            {ROUTE("'destination': '10.9.0.0/16', 'next_hop': '10.0.2.1'"), SKR_ERROR_INVALID, "/next_hop", "red-net"},
            {ROUTE("'destination': '10.9.0.0/16', 'next_hop': '9.0.0.1'"), SKR_ERROR_INVALID, "/next_hop", "red-net"},
            {ROUTE("'destination': '10.9.0.0/16', 'next_hop': 'fd00::1'"), SKR_ERROR_INVALID, "/next_hop", "IPv4"},
            {ROUTE("'destination': 'fd01::/64', 'next_hop': '10.0.0.9'"), SKR_ERROR_INVALID, "/next_hop", "IPv6"},
            {ROUTE("'destination': '10.9.0.1/16', 'next_hop': '10.0.0.9'"), SKR_ERROR_INVALID, "/destination", "bits"},
            {ROUTE("'destination': '127.1.0.0/16', 'next_hop': '10.0.0.9'"), SKR_ERROR_INVALID, "/destination", "loop"},
            {ROUTE("'destination': '224.0.0.0/4', 'next_hop': '10.0.0.9'"), SKR_ERROR_INVALID, "/destination", "multi"},
            {ROUTE("'destination': 'ff02::/16', 'next_hop': '10.0.0.9'"), SKR_ERROR_INVALID, "/destination", "multi"},
            {ROUTE("'destination': '10.8.0.0/16', 'next_hop': '10.0.0.10'"), SKR_ERROR_EXISTS, "/destination", "first"},
            {ROUTE("'destination': '10.9.0.0/16', 'next_hop': '10.0.0.9', 'metric': 10000"), SKR_ERROR_INVALID,
             "/metric", "9999"},
            {ROUTE("'destination': '10.9.0.0/16'"), SKR_ERROR_INVALID, "/next_hop", "required"},
            {"{'name': 'first', 'vm_network_id': '$red-net', 'destination': '10.9.0.0/16', 'next_hop': '10.0.0.9'}",
             SKR_ERROR_EXISTS, "/name", "first"},
            {"{'name': 'r', 'vm_network_id': '$red-net', 'tenant_id': '$blue', 'destination': '10.9.0.0/16', "
             "'next_hop': '10.0.0.9'}",
             SKR_ERROR_INVALID, "/tenant_id", "another tenant"},
    };
    struct world w;
    world_open(&w);
    world_fill(&w);
    world_create(
            &w, SKR_CUSTOMER_ROUTE, "first",
            "{'name': 'first', 'vm_network_id': '$red-net', 'destination': '10.8.0.0/16', 'next_hop': '10.0.1.9'}");
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++)
        refused(&w, SKR_OPERATION_CREATE, SKR_CUSTOMER_ROUTE, NULL, bad[i].json, bad[i].tag, bad[i].pointer,
                bad[i].words);
    refused(&w, SKR_OPERATION_DELETE, SKR_VM_SUBNET, "red-b", NULL, SKR_ERROR_IN_USE, "", "customer-route \"first\"");
    world_create(&w, SKR_CUSTOMER_ROUTE, "other",
                 "{'name': 'other', 'vm_network_id': '$red-net', 'destination': '10.8.0.0/16', 'next_hop': '10.0.1.9', "
                 "'metric': 1}");
    refused(&w, SKR_OPERATION_PATCH, SKR_CUSTOMER_ROUTE, "other", "{'metric': 0}", SKR_ERROR_EXISTS, "/destination",
            "first");
    refused(&w, SKR_OPERATION_PATCH, SKR_CUSTOMER_ROUTE, "other", "{'vm_network_id': '$blue-net'}", SKR_ERROR_INVALID,
            "/vm_network_id", "fixed");
    world_close(&w);
}

Test(model_customer_route, a_vm_network_has_so_many)
{
    struct world w;
    char json[160];
    world_open(&w);
    world_fill(&w);
    for (int i = 0; i < SKR_CUSTOMER_ROUTES_MAX; i++) {
        SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
        snprintf(json, sizeof(json),
                 "{'name': 'r%d', 'vm_network_id': '$red-net', 'destination': '10.%d.%d.0/24', 'next_hop': '10.0.0.9'}",
                 i, 100 + i / 250, i % 250);
        cr_assert_eq(world_request(&w, SKR_OPERATION_CREATE, SKR_CUSTOMER_ROUTE, NULL, json, &answer), 0, "%s",
                     answer.error.detail);
    }
    refused(&w, SKR_OPERATION_CREATE, SKR_CUSTOMER_ROUTE, NULL,
            ROUTE("'destination': '10.9.0.0/16', 'next_hop': '10.0.0.9'"), SKR_ERROR_LIMIT, "/vm_network_id", "1000");
    world_create(&w, SKR_CUSTOMER_ROUTE, "elsewhere",
                 "{'name': 'r', 'vm_network_id': '$blue-net', 'destination': '10.9.0.0/16', 'next_hop': '10.0.0.9'}");
    world_close(&w);
}

/* ---- access control lists ---- */

static const struct skr_object *rule_of(const struct skr_object *list, const char *name)
{
    const struct skr_value *rules = &list->values[SKR_ACCESS_CONTROL_LIST_RULES];
    for (uint32_t i = 0; i < rules->count; i++)
        if (!strcmp(skr_object_text(rules->objects[i], SKR_ACL_RULE_NAME), name))
            return rules->objects[i];
    cr_assert(false, "no rule %s", name);
    abort();
}

Test(model_access_control_list, rules_are_kept_in_one_way_of_writing)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    world_create(
            &w, SKR_ACCESS_CONTROL_LIST, "list",
            "{'name': 'web', 'tenant_id': '$red', 'rules': ["
            "{'name': 'http', 'direction': 'in', 'action': 'allow', 'protocol': '6', 'local_ports': '080-80', "
            "'remote': '10.0.0.0/8', 'weight': 10, 'stateful': true, 'idle_timeout_s': 60},"
            "{'name': 'rest', 'direction': 'in', 'action': 'deny', 'log': true},"
            "{'name': 'ping', 'direction': 'out', 'action': 'meter', 'protocol': 'icmpv6', 'local': 'fd00::/64'}]}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *list = world_get(&w, SKR_ACCESS_CONTROL_LIST, "list");
    const struct skr_object *http = rule_of(list, "http"), *rest = rule_of(list, "rest");
    cr_expect_str_eq(skr_object_text(http, SKR_ACL_RULE_PROTOCOL), "tcp");
    cr_expect_str_eq(skr_object_text(http, SKR_ACL_RULE_LOCAL_PORTS), "80");
    cr_expect_eq(skr_object_integer(http, SKR_ACL_RULE_IDLE_TIMEOUT_S), 60);
    cr_expect_str_eq(skr_object_text(rest, SKR_ACL_RULE_PROTOCOL), "any");
    cr_expect_not(skr_object_has(rest, SKR_ACL_RULE_LOCAL_PORTS) || skr_object_has(rest, SKR_ACL_RULE_REMOTE));
    cr_expect_eq(skr_object_integer(rest, SKR_ACL_RULE_IDLE_TIMEOUT_S), 300);
    cr_expect_not(skr_object_has(rule_of(list, "ping"), SKR_ACL_RULE_REMOTE));
    world_close(&w);
}

Test(model_access_control_list, a_rule_keeps_its_id_with_its_name)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    world_create(&w, SKR_ACCESS_CONTROL_LIST, "list",
                 "{'name': 'l', 'tenant_id': '$red', 'rules': ["
                 "{'name': 'b', 'direction': 'in', 'action': 'allow'}, {'name': 'a', 'direction': 'in', 'action': "
                 "'deny'}]}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = world_get(&w, SKR_ACCESS_CONTROL_LIST, "list");
    world_patch(&w, SKR_ACCESS_CONTROL_LIST, "list",
                "{'rules': [{'name': 'c', 'direction': 'in', 'action': 'deny'}, {'name': 'a', 'direction': 'out', "
                "'action': 'allow'}, {'name': 'b', 'direction': 'in', 'action': 'allow'}]}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = world_get(&w, SKR_ACCESS_CONTROL_LIST, "list");
    struct skr_uuid a = skr_object_uuid(rule_of(before, "a"), SKR_ACL_RULE_ID);
    struct skr_uuid b = skr_object_uuid(rule_of(before, "b"), SKR_ACL_RULE_ID);
    struct skr_uuid new_a = skr_object_uuid(rule_of(after, "a"), SKR_ACL_RULE_ID);
    struct skr_uuid new_b = skr_object_uuid(rule_of(after, "b"), SKR_ACL_RULE_ID);
    struct skr_uuid c = skr_object_uuid(rule_of(after, "c"), SKR_ACL_RULE_ID);
    cr_expect(skr_uuid_equal(&a, &new_a) && skr_uuid_equal(&b, &new_b));
    cr_expect_not(skr_uuid_equal(&a, &b) || skr_uuid_equal(&c, &a) || skr_uuid_equal(&c, &b) || skr_uuid_is_nil(&c));
    cr_expect_str_eq(skr_object_text(rule_of(after, "a"), SKR_ACL_RULE_DIRECTION), "out");
    int64_t etag = skr_object_integer(after, SKR_FIELD_ETAG);
    world_patch(&w, SKR_ACCESS_CONTROL_LIST, "list",
                "{'rules': [{'name': 'c', 'direction': 'in', 'action': 'deny'}, {'name': 'a', 'direction': 'out', "
                "'action': 'allow', 'protocol': 'any'}, {'name': 'b', 'direction': 'in', 'action': 'allow'}]}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *same = world_get(&w, SKR_ACCESS_CONTROL_LIST, "list");
    cr_expect_eq(skr_object_integer(same, SKR_FIELD_ETAG), etag, "the same rules are no change");
    world_close(&w);
}

Test(model_access_control_list, refusals)
{
    static const struct {
        const char *json, *pointer, *words;
    } bad[] = {
            {RULE("'action': 'drop'"), "/rules/0/action", "deny"},
            {RULE("'action': 'deny', 'protocol': 'sctp'"), "/rules/0/protocol", "sctp"},
            {RULE("'action': 'deny', 'protocol': '256'"), "/rules/0/protocol", "255"},
            {RULE("'action': 'deny', 'local_ports': '80'"), "/rules/0/local_ports", "tcp and udp"},
            {RULE("'action': 'deny', 'protocol': 'icmp', 'remote_ports': '80'"), "/rules/0/remote_ports",
             "tcp and udp"},
            {RULE("'action': 'deny', 'protocol': 'tcp', 'remote_ports': '0'"), "/rules/0/remote_ports", "65535"},
            {RULE("'action': 'deny', 'protocol': 'tcp', 'local_ports': '9-8'"), "/rules/0/local_ports", "range"},
            {RULE("'action': 'deny', 'protocol': 'tcp', 'local_ports': 'http'"), "/rules/0/local_ports", "http"},
            {RULE("'action': 'deny', 'local': '10.0.0.0/8', 'remote': 'fd00::/8'"), "/rules/0/remote", "family"},
            {RULE("'action': 'deny', 'protocol': 'icmp', 'remote': 'fd00::/8'"), "/rules/0/remote", "protocol"},
            {RULE("'action': 'deny', 'protocol': 'icmpv6', 'local': '10.0.0.0/8'"), "/rules/0/local", "protocol"},
            {RULE("'action': 'deny', 'remote': '10.0.0.1/8'"), "/rules/0/remote", "bits"},
            {RULE("'action': 'deny', 'stateful': true"), "/rules/0/stateful", "allow"},
            {RULE("'action': 'meter', 'stateful': true"), "/rules/0/stateful", "allow"},
            {RULE("'action': 'deny', 'weight': 65536"), "/rules/0/weight", "65535"},
            {RULE("'action': 'allow', 'stateful': true, 'idle_timeout_s': 0"), "/rules/0/idle_timeout_s", "86400"},
            {RULE("'action': 'deny', 'id': '01970000-0000-7000-8000-000000000000'"), "/rules/0/id", "read-only"},
            {"{'name': 'l', 'tenant_id': '$red', 'rules': [{'name': 'a', 'direction': 'in', 'action': 'deny'}, "
             "{'name': "
             "'b', 'direction': 'in', 'action': 'deny'}, {'name': 'a', 'direction': 'out', 'action': 'deny'}]}",
             "/rules/2/name", "\"a\""},
            {"{'name': 'l', 'tenant_id': '$red', 'rules': [{'direction': 'in', 'action': 'deny'}]}", "/rules/0/name",
             "required"},
            {"{'name': 'l'}", "/tenant_id", "tenant"},
    };
    struct world w;
    world_open(&w);
    world_fill(&w);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++)
        refused(&w, SKR_OPERATION_CREATE, SKR_ACCESS_CONTROL_LIST, NULL, bad[i].json, SKR_ERROR_INVALID, bad[i].pointer,
                bad[i].words);
    world_close(&w);
}

Test(model_access_control_list, is_attached_by_its_own_tenant_alone)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    world_create(&w, SKR_ACCESS_CONTROL_LIST, "mine", "{'name': 'l', 'tenant_id': '$red'}");
    world_create(&w, SKR_ACCESS_CONTROL_LIST, "more", "{'name': 'm', 'tenant_id': '$red'}");
    world_create(&w, SKR_ACCESS_CONTROL_LIST, "theirs", "{'name': 'l', 'tenant_id': '$blue'}");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'acl_ids': ['$more', '$mine']}");
    world_patch(&w, SKR_VM_SUBNET, "red-b", "{'acl_ids': ['$mine']}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    struct skr_uuid more = world_id(&w, "more");
    cr_assert_eq(adapter->values[SKR_NETWORK_ADAPTER_ACL_IDS].count, 2);
    cr_expect(skr_uuid_equal(&adapter->values[SKR_NETWORK_ADAPTER_ACL_IDS].uuids[0], &more), "their order is kept");
    refused(&w, SKR_OPERATION_PATCH, SKR_NETWORK_ADAPTER, "red-1", "{'acl_ids': ['$mine', '$theirs']}",
            SKR_ERROR_REFERENCE, "/acl_ids/1", "another tenant");
    refused(&w, SKR_OPERATION_PATCH, SKR_VM_SUBNET, "red-a", "{'acl_ids': ['$theirs']}", SKR_ERROR_REFERENCE,
            "/acl_ids/0", "another tenant");
    refused(&w, SKR_OPERATION_PATCH, SKR_VM_SUBNET, "red-a", "{'acl_ids': ['$red-net']}", SKR_ERROR_REFERENCE,
            "/acl_ids/0", "no access-control-list");
    refused(&w, SKR_OPERATION_DELETE, SKR_ACCESS_CONTROL_LIST, "mine", NULL, SKR_ERROR_IN_USE, "",
            "network-adapter \"red-1\", vm-subnet \"b\"");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'acl_ids': []}");
    world_delete(&w, SKR_ACCESS_CONTROL_LIST, "more");
    world_close(&w);
}

/* ---- quotas ---- */

static int64_t used(struct world *w, const char *tenant, const char *quota)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = world_get(w, SKR_TENANT, tenant);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(w, SKR_USAGE, tenant);
    const json_t *count = json_object_get(object->values[SKR_TENANT_USAGE].json, quota);
    cr_assert(json_is_integer(count), "%s", quota);
    cr_expect_eq(json_integer_value(count), skr_object_integer(row, skr_resource_field(row->resource, quota)));
    return json_integer_value(count);
}

/* The template with a digit for each '#'. */
static void number(const char *template, char digit, char *ret, size_t size)
{
    snprintf(ret, size, "%s", template);
    for (char *p = ret; *p; p++)
        if (*p == '#')
            *p = digit;
}

Test(model_quota, growth_ends_at_the_quota)
{
    static const struct {
        enum skr_resource_id resource;
        const char *quota, *json, *words;
        int64_t used;
    } kinds[] = {
            {SKR_VM_NETWORK, "vm_networks", "{'name': 'n#', 'tenant_id': '$red', 'logical_network_id': '$cloud'}",
             "has 2 of 2 VM networks", 1},
            {SKR_VM_SUBNET, "vm_subnets", "{'name': 's#', 'vm_network_id': '$red-net', 'prefix': '10.1.#.0/24'}",
             "has 3 of 3 VM subnets", 2},
            {SKR_NETWORK_ADAPTER, "network_adapters",
             "{'name': 'a#', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-b', 'ip_addresses': []}",
             "has 2 of 2 network adapters", 1},
            {SKR_CUSTOMER_ROUTE, "customer_routes",
             "{'name': 'r#', 'vm_network_id': '$red-net', 'destination': '10.9.#.0/24', 'next_hop': '10.0.0.9'}",
             "has 1 of 1 customer routes", 0},
            {SKR_ACCESS_CONTROL_LIST, "acl_rules",
             "{'name': 'l#', 'tenant_id': '$red', 'rules': [{'name': 'a', 'direction': 'in', 'action': 'deny'}]}",
             "has 1 of 1 ACL rules", 0},
    };
    struct world w;
    world_open(&w);
    world_fill(&w);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++) {
        char json[256], name[32], pointer[64];
        cr_expect_eq(used(&w, "red", kinds[i].quota), kinds[i].used, "%s", kinds[i].quota);
        snprintf(json, sizeof(json), "{'quotas': {'%s': %d}}", kinds[i].quota, (int)kinds[i].used + 1);
        world_patch(&w, SKR_TENANT, "red", json);
        number(kinds[i].json, '1', json, sizeof(json));
        snprintf(name, sizeof(name), "one-%zu", i);
        world_create(&w, kinds[i].resource, name, json);
        number(kinds[i].json, '2', json, sizeof(json));
        snprintf(pointer, sizeof(pointer), "/quotas/%s", kinds[i].quota);
        refused(&w, SKR_OPERATION_CREATE, kinds[i].resource, NULL, json, SKR_ERROR_LIMIT, pointer, kinds[i].words);
        world_patch(&w, kinds[i].resource, name, "{'description': 'a change is no growth'}");
        cr_expect_eq(used(&w, "red", kinds[i].quota), kinds[i].used + 1);
        world_delete(&w, kinds[i].resource, name);
        world_create(&w, kinds[i].resource, name, json);
    }
    cr_expect_eq(used(&w, "blue", "network_adapters"), 1, "of nobody else");
    world_close(&w);
}

Test(model_quota, lowering_one_takes_nothing_away)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    world_create(&w, SKR_ACCESS_CONTROL_LIST, "list",
                 "{'name': 'l', 'tenant_id': '$red', 'rules': [{'name': 'a', 'direction': 'in', 'action': 'deny'}, "
                 "{'name': 'b', 'direction': 'in', 'action': 'deny'}]}");
    world_patch(&w, SKR_TENANT, "red", "{'quotas': {'network_adapters': 0, 'acl_rules': 1}}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    cr_expect_not_null(adapter);
    refused(&w, SKR_OPERATION_CREATE, SKR_NETWORK_ADAPTER, NULL,
            "{'name': 'n', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-b'}", SKR_ERROR_LIMIT,
            "/quotas/network_adapters", "has 1 of 0");
    refused(&w, SKR_OPERATION_PATCH, SKR_ACCESS_CONTROL_LIST, "list",
            "{'rules': [{'name': 'a', 'direction': 'in', 'action': 'deny'}, {'name': 'b', 'direction': 'in', 'action': "
            "'deny'}, {'name': 'c', 'direction': 'in', 'action': 'deny'}]}",
            SKR_ERROR_LIMIT, "/quotas/acl_rules", "has 2 of 1 ACL rules, and this needs 1 more");
    world_patch(&w, SKR_ACCESS_CONTROL_LIST, "list",
                "{'rules': [{'name': 'a', 'direction': 'out', 'action': 'deny'}, {'name': 'x', 'direction': 'in', "
                "'action': 'deny'}]}");
    cr_expect_eq(used(&w, "red", "acl_rules"), 2);
    world_patch(&w, SKR_TENANT, "red", "{'quotas': {'network_adapters': null}}");
    world_create(&w, SKR_NETWORK_ADAPTER, "new",
                 "{'name': 'n', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-b'}");
    world_patch(&w, SKR_TENANT, "red", "{'quotas': null}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = world_get(&w, SKR_TENANT, "red");
    cr_expect_not(skr_object_has(tenant->values[SKR_TENANT_QUOTAS].objects[0], SKR_QUOTA_ACL_RULES));
    world_close(&w);
}

/* ---- tenants ---- */

Test(model_tenant, what_is_used_stays_in_its_lists)
{
    struct world w;
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_open(&w);
    world_fill(&w);
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'classification_id': '$Guest dynamic IP'}");
    refused(&w, SKR_OPERATION_PATCH, SKR_TENANT, "red", "{'port_classification_ids': []}", SKR_ERROR_IN_USE,
            "/port_classification_ids", "network adapter \"red-1\"");
    refused(&w, SKR_OPERATION_PATCH, SKR_TENANT, "red", "{'logical_network_ids': ['$plain']}", SKR_ERROR_IN_USE,
            "/logical_network_ids", "VM network \"red-net\"");
    world_patch(&w, SKR_TENANT, "red", "{'logical_network_ids': ['$cloud']}");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'classification_id': null}");
    world_patch(&w, SKR_TENANT, "red", "{'port_classification_ids': []}");
    world_create(&w, SKR_ACCESS_CONTROL_LIST, "list", "{'name': 'walls', 'tenant_id': '$red'}");
    world_request(&w, SKR_OPERATION_DELETE, SKR_TENANT, "red", NULL, &answer);
    cr_expect_eq(answer.error.tag, SKR_ERROR_IN_USE);
    cr_expect_eq(answer.error.field_count, 2);
    cr_expect(strstr(answer.error.detail, "\"red-net\"") && strstr(answer.error.detail, "\"walls\""), "%s",
              answer.error.detail);
    world_close(&w);
}
