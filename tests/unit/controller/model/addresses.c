/* Address holdings, sums over pools, and allocations made by hand. */
#include "tests/support/controller/world.h"

/* "kind owner-kind owner-name state;" of every holding of the address, oldest first. */
static void describe(struct world *world, const char *address, const struct skr_principal *who, char ret[static 1024])
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_error error = {0};
    struct skr_object *rows[32];
    struct skr_list_query query = {.resource = SKR_ADDRESS_HOLDING, .limit = 32, .filter_count = 1};
    uint32_t count = 0;
    bool more;
    size_t length = 0;
    query.filters[0].field = SKR_ADDRESS_HOLDING_ADDRESS;
    query.filters[0].value.type = SKR_VALUE_ADDRESS;
    cr_assert_eq(skr_address_parse(address, &query.filters[0].value.address), 0);
    cr_assert_eq(skr_store_read_begin(world->test.store, &txn, &error), 0);
    cr_assert_eq(skr_model_list(txn, who, &query, rows, &count, &more, &error), 0, "%s", error.detail);
    ret[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        length += (size_t)snprintf(ret + length, 1024 - length, "%s %s %s %s;",
                                   skr_object_text(rows[i], SKR_ADDRESS_HOLDING_KIND),
                                   skr_object_text(rows[i], SKR_ADDRESS_HOLDING_OWNER_KIND),
                                   skr_object_text(rows[i], SKR_ADDRESS_HOLDING_OWNER_NAME),
                                   skr_object_has(rows[i], SKR_ADDRESS_HOLDING_HELD_UNTIL) ? "ended" : "now");
        skr_object_unref(rows[i]);
    }
}

static void expect_history(struct world *world, const char *address, const char *wanted)
{
    static const struct skr_principal administrator = {.role = SKR_ROLE_ADMIN};
    char text[1024];
    describe(world, address, &administrator, text);
    cr_expect_str_eq(text, wanted, "%s: \"%s\", not \"%s\"", address, text, wanted);
}

static void expect_usage(struct world *world, enum skr_resource_id resource, const char *name, int field,
                         const char *wanted)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = world_get(world, resource, name);
    const json_t *counts = object->values[field].json;
    char text[256] = "";
    static const char *const names[] = {"total", "allocated", "reserved", "vip", "free"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(names); i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
                 json_string_value(json_object_get(counts, names[i])));
    cr_expect_str_eq(text, wanted, "%s: %s, not %s", name, text, wanted);
}

Test(model_addresses, a_holding_begins_and_ends_with_its_row)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    expect_history(&w, "10.0.0.2", "adapter network-adapter red-1 now;adapter network-adapter blue-1 now;");
    expect_history(&w, "10.83.1.10", "provider host h1 now;");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'ip_addresses': ['10.0.0.9']}");
    expect_history(&w, "10.0.0.2", "adapter network-adapter red-1 ended;adapter network-adapter blue-1 now;");
    expect_history(&w, "10.0.0.9", "adapter network-adapter red-1 now;");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'description': 'the same', 'host_id': '$h2', 'interface': null}");
    expect_history(&w, "10.0.0.9", "adapter network-adapter red-1 now;");
    world_delete(&w, SKR_NETWORK_ADAPTER, "red-1");
    expect_history(&w, "10.0.0.9", "adapter network-adapter red-1 ended;");
    world_patch(&w, SKR_HOST, "h1", "{'state': 'removed'}");
    expect_history(&w, "10.83.1.10", "provider host h1 ended;");
    world_close(&w);
}

Test(model_addresses, tenants_see_their_own_and_nothing_of_the_fabric)
{
    struct world w;
    char text[1024];
    world_open(&w);
    world_fill(&w);
    const struct skr_principal red = {.role = SKR_ROLE_VIEWER, .tenant_id = world_id(&w, "red")};
    describe(&w, "10.0.0.2", &red, text);
    cr_expect_str_eq(text, "adapter network-adapter red-1 now;");
    describe(&w, "10.83.1.10", &red, text);
    cr_expect_str_eq(text, "");
    world_close(&w);
}

Test(model_addresses, a_holding_names_its_pool_also_when_that_comes_later)
{
    struct world w;
    struct skr_object *rows[4];
    world_open(&w);
    world_fill(&w);
    cr_assert_eq(world_list(&w, SKR_ADDRESS_HOLDING, SKR_ADDRESS_HOLDING_OWNER_ID, "red-1", rows, 4), 1);
    struct skr_uuid pool = skr_object_uuid(rows[0], SKR_ADDRESS_HOLDING_IP_POOL_ID), red = world_id(&w, "red-pool");
    cr_expect(skr_uuid_equal(&pool, &red));
    skr_object_unref(rows[0]);
    cr_assert_eq(world_list(&w, SKR_ADDRESS_HOLDING, SKR_ADDRESS_HOLDING_VM_SUBNET_ID, "blue-a", rows, 4), 1);
    cr_expect_not(skr_object_has(rows[0], SKR_ADDRESS_HOLDING_IP_POOL_ID));
    skr_object_unref(rows[0]);
    world_create(&w, SKR_IP_POOL, "blue-pool",
                 "{'name': 'blue-pool', 'vm_subnet_id': '$blue-a', 'subnet': '10.0.0.0/24', 'range_start': '10.0.0.2', "
                 "'range_end': '10.0.0.9'}");
    struct skr_uuid blue = world_id(&w, "blue-pool");
    cr_assert_eq(world_list(&w, SKR_ADDRESS_HOLDING, SKR_ADDRESS_HOLDING_OWNER_ID, "blue-1", rows, 4), 1);
    pool = skr_object_uuid(rows[0], SKR_ADDRESS_HOLDING_IP_POOL_ID);
    cr_expect(skr_uuid_equal(&pool, &blue));
    skr_object_unref(rows[0]);
    world_close(&w);
}

Test(model_addresses, allocations_by_hand_are_named_by_their_address)
{
    struct world w;
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_open(&w);
    world_fill(&w);
    world_create(&w, SKR_IP_ALLOCATION, "lowest", "{'ip_pool_id': '$red-pool', 'description': 'printer'}");
    world_create(&w, SKR_IP_ALLOCATION, "named", "{'ip_pool_id': '$red-pool', 'name': '10.0.0.9'}");
    world_create(&w, SKR_IP_ALLOCATION, "vip", "{'ip_pool_id': '$red-pool', 'purpose': 'vip', 'address': '10.0.0.15'}");
    expect_history(&w, "10.0.0.3", "manual ip-allocation 10.0.0.3 now;");
    expect_history(&w, "10.0.0.15", "vip ip-allocation 10.0.0.15 now;");
    expect_usage(&w, SKR_IP_POOL, "red-pool", SKR_IP_POOL_UTILIZATION, "20 4 3 0 13");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&w, SKR_IP_ALLOCATION, "lowest");
    struct skr_uuid tenant = skr_object_uuid(row, SKR_FIELD_TENANT_ID), red = world_id(&w, "red");
    cr_expect(skr_uuid_equal(&tenant, &red));
    cr_expect_str_eq(skr_object_name(row), "10.0.0.3");
    static const struct {
        const char *json;
        enum skr_error_tag tag;
    } bad[] = {
            {"{'ip_pool_id': '$red-pool', 'name': 'printer'}", SKR_ERROR_INVALID},
            {"{'ip_pool_id': '$red-pool', 'name': '10.0.0.7', 'address': '10.0.0.8'}", SKR_ERROR_INVALID},
            {"{'ip_pool_id': '$red-pool', 'purpose': 'adapter'}", SKR_ERROR_INVALID},
            {"{'ip_pool_id': '$red-pool', 'purpose': 'provider'}", SKR_ERROR_INVALID},
            {"{'ip_pool_id': '$red-pool', 'address': '10.0.0.9'}", SKR_ERROR_EXISTS},
            {"{'ip_pool_id': '$red-pool', 'address': '10.0.0.99'}", SKR_ERROR_INVALID},
            {"{'ip_pool_id': '$red-pool', 'purpose': 'vip'}", SKR_ERROR_EXHAUSTED},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++) {
        cr_expect_lt(world_request(&w, SKR_OPERATION_CREATE, SKR_IP_ALLOCATION, NULL, bad[i].json, &answer), 0);
        cr_expect_eq(answer.error.tag, bad[i].tag, "%s: %s", bad[i].json, answer.error.detail);
    }
    expect_usage(&w, SKR_IP_POOL, "red-pool", SKR_IP_POOL_UTILIZATION, "20 4 3 0 13");
    world_delete(&w, SKR_IP_ALLOCATION, "lowest");
    world_delete(&w, SKR_IP_ALLOCATION, "vip");
    expect_history(&w, "10.0.0.3", "manual ip-allocation 10.0.0.3 ended;");
    expect_usage(&w, SKR_IP_POOL, "red-pool", SKR_IP_POOL_UTILIZATION, "20 2 3 1 14");
    world_close(&w);
}

Test(model_addresses, what_an_adapter_or_a_host_has_is_not_deleted_by_hand)
{
    struct world w;
    struct skr_object *rows[8];
    world_open(&w);
    world_fill(&w);
    static const char *const pools[] = {"red-pool", "pa-north"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(pools); i++) {
        SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
        cr_assert_eq(world_list(&w, SKR_IP_ALLOCATION, SKR_IP_ALLOCATION_IP_POOL_ID, pools[i], rows, 8), 1);
        struct skr_uuid id = skr_object_id(rows[0]);
        skr_object_unref(rows[0]);
        world_rename(&w, "row", &id);
        cr_expect_lt(world_request(&w, SKR_OPERATION_DELETE, SKR_IP_ALLOCATION, "row", NULL, &answer), 0);
        cr_expect_eq(answer.error.tag, SKR_ERROR_IN_USE);
        cr_expect(strstr(answer.error.detail, i ? "its host" : "its network adapter"), "%s", answer.error.detail);
    }
    world_close(&w);
}

Test(model_addresses, tenants_allocate_in_their_own_pools_alone)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    static const struct {
        const char *tenant, *pool;
        enum skr_error_tag tag;
    } cases[] = {{"red", "red-pool", SKR_ERROR_NONE},
                 {"blue", "red-pool", SKR_ERROR_REFERENCE},
                 {"red", "pa-north", SKR_ERROR_REFERENCE}};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(cases); i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *input = NULL;
        struct skr_error error = {0};
        char json[128];
        snprintf(json, sizeof(json), "{'ip_pool_id': '$%s'}", cases[i].pool);
        cr_assert_eq(world_parse(&w, skr_resource_get(SKR_IP_ALLOCATION), json, false, &input, &error), 0);
        struct skr_write_request request = {
                .operation = SKR_OPERATION_CREATE,
                .resource = SKR_IP_ALLOCATION,
                .principal = {.role = SKR_ROLE_TENANT, .tenant_id = world_id(&w, cases[i].tenant)},
                .input = input};
        skr_store_write_wait(w.test.store, skr_model_write, &request, NULL, &error);
        cr_expect_eq(error.tag, cases[i].tag, "%zu: %s", i, error.detail);
        skr_write_request_done(&request);
    }
    world_close(&w);
}

Test(model_addresses, sums_follow_every_pool)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    expect_usage(&w, SKR_VM_SUBNET, "red-a", SKR_VM_SUBNET_UTILIZATION, "20 1 3 1 15");
    expect_usage(&w, SKR_VM_SUBNET, "red-b", SKR_VM_SUBNET_UTILIZATION, "0 0 0 0 0");
    expect_usage(&w, SKR_NETWORK_SITE, "site-north", SKR_NETWORK_SITE_UTILIZATION, "4 1 0 0 3");
    expect_usage(&w, SKR_LOGICAL_NETWORK, "cloud", SKR_LOGICAL_NETWORK_UTILIZATION, "15 2 0 0 13");
    world_create(&w, SKR_IP_POOL, "pa-more",
                 "{'name': 'pa-more', 'network_site_id': '$site-north', 'subnet': '10.83.1.0/24', 'range_start': "
                 "'10.83.1.20', 'range_end': '10.83.1.29', 'reserved': ['10.83.1.20']}");
    expect_usage(&w, SKR_NETWORK_SITE, "site-north", SKR_NETWORK_SITE_UTILIZATION, "14 1 1 0 12");
    world_patch(&w, SKR_IP_POOL, "pa-more", "{'range_end': '10.83.1.39'}");
    expect_usage(&w, SKR_LOGICAL_NETWORK, "cloud", SKR_LOGICAL_NETWORK_UTILIZATION, "35 2 1 0 32");
    world_delete(&w, SKR_IP_POOL, "pa-more");
    expect_usage(&w, SKR_LOGICAL_NETWORK, "cloud", SKR_LOGICAL_NETWORK_UTILIZATION, "15 2 0 0 13");
    world_create(&w, SKR_VM_SUBNET, "six", "{'name': 'six', 'vm_network_id': '$red-net', 'prefix': 'fd00:1::/64'}");
    world_create(&w, SKR_IP_POOL, "six-pool",
                 "{'name': 'six-pool', 'vm_subnet_id': '$six', 'subnet': 'fd00:1::/64', 'range_start': 'fd00:1::2', "
                 "'range_end': 'fd00:1::ffff:ffff:ffff:ffff'}");
    expect_usage(&w, SKR_VM_SUBNET, "six", SKR_VM_SUBNET_UTILIZATION,
                 "18446744073709551614 0 0 0 18446744073709551614");
    world_close(&w);
}

/* As after the migration of a database that had pools: the sums are made once. */
static int forget_sums(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    static const struct skr_query forget = {"DELETE FROM ip_usage WHERE parent_id > x'00'"};
    struct skr_statement *statement;
    (void)unused;
    int r = skr_txn_query(txn, &forget, &statement, error);
    return r < 0 ? r : skr_step(statement, error);
}

Test(model_addresses, bootstrap_makes_missing_sums_once)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    cr_assert_eq(skr_store_write_wait(w.test.store, forget_sums, NULL, NULL, &error), 0, "%s", error.detail);
    expect_usage(&w, SKR_LOGICAL_NETWORK, "cloud", SKR_LOGICAL_NETWORK_UTILIZATION, "0 0 0 0 0");
    for (int i = 0; i < 2; i++)
        cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_bootstrap, NULL, NULL, &error), 0);
    expect_usage(&w, SKR_LOGICAL_NETWORK, "cloud", SKR_LOGICAL_NETWORK_UTILIZATION, "15 2 0 0 13");
    expect_usage(&w, SKR_VM_SUBNET, "red-a", SKR_VM_SUBNET_UTILIZATION, "20 1 3 1 15");
    world_close(&w);
}

static int age_all(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    static const struct skr_query age = {"UPDATE address_holding SET held_until = 1 WHERE held_until > 1"};
    struct skr_statement *statement;
    (void)unused;
    int r = skr_txn_query(txn, &age, &statement, error);
    return r < 0 ? r : skr_step(statement, error);
}

Test(model_addresses, old_holdings_go)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'ip_addresses': ['10.0.0.9']}");
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_prune, NULL, NULL, &error), 0, "%s", error.detail);
    expect_history(&w, "10.0.0.2", "adapter network-adapter red-1 ended;adapter network-adapter blue-1 now;");
    cr_assert_eq(skr_store_write_wait(w.test.store, age_all, NULL, NULL, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_prune, NULL, NULL, &error), 0, "%s", error.detail);
    expect_history(&w, "10.0.0.2", "adapter network-adapter blue-1 now;");
    expect_history(&w, "10.0.0.9", "adapter network-adapter red-1 now;");
    world_close(&w);
}

/* ---- overlaps ---- */

/* "conflict parent/name parent/name;" of each pair. */
static int overlaps(struct world *world, const struct skr_principal *who, const char *tenant, char ret[static 1024],
                    struct skr_error *error)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_uuid id = tenant ? world_id(world, tenant) : (struct skr_uuid){0};
    json_t *answer = NULL, *item;
    size_t i, length = 0;
    ret[0] = '\0';
    cr_assert_eq(skr_store_read_begin(world->test.store, &txn, error), 0);
    int r = skr_model_overlaps(txn, who, &id, &answer, error);
    if (r < 0) {
        cr_expect_null(answer);
        return r;
    }
    json_array_foreach (json_object_get(answer, "items"), i, item) {
        const json_t *first = json_object_get(item, "first"), *second = json_object_get(item, "second");
        length += (size_t)snprintf(
                ret + length, 1024 - length, "%s %s/%s %s/%s;", json_string_value(json_object_get(item, "conflict")),
                json_string_value(json_object_get(first, "parent")), json_string_value(json_object_get(first, "name")),
                json_string_value(json_object_get(second, "parent")),
                json_string_value(json_object_get(second, "name")));
    }
    json_decref(answer);
    return 0;
}

Test(model_overlaps, of_a_tenant_across_its_vm_networks)
{
    static const struct skr_principal administrator = {.role = SKR_ROLE_ADMIN};
    struct world w;
    char text[1024];
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    cr_assert_eq(overlaps(&w, &administrator, "red", text, &error), 0, "%s", error.detail);
    cr_expect_str_eq(text, "");
    world_create(&w, SKR_VM_NETWORK, "red-two",
                 "{'name': 'red-two', 'tenant_id': '$red', 'logical_network_id': '$cloud'}");
    world_create(&w, SKR_VM_SUBNET, "wide", "{'name': 'wide', 'vm_network_id': '$red-two', 'prefix': '10.0.0.0/16'}");
    world_create(&w, SKR_VM_NETWORK, "red-three",
                 "{'name': 'red-three', 'tenant_id': '$red', 'logical_network_id': '$cloud'}");
    world_create(&w, SKR_VM_SUBNET, "same", "{'name': 'same', 'vm_network_id': '$red-three', 'prefix': '10.0.0.0/16'}");
    world_create(&w, SKR_VM_SUBNET, "apart",
                 "{'name': 'apart', 'vm_network_id': '$red-three', 'prefix': "
                 "'10.1.0.0/16'}");
    cr_assert_eq(overlaps(&w, &administrator, "red", text, &error), 0);
    static const char wanted[] = "prefix red-two/wide red-three/same;prefix red-two/wide red-net/a;"
                                 "prefix red-three/same red-net/a;prefix red-two/wide red-net/b;"
                                 "prefix red-three/same red-net/b;";
    cr_expect_eq(strlen(text), strlen(wanted), "%s", text);
    const struct skr_principal red = {.role = SKR_ROLE_VIEWER, .tenant_id = world_id(&w, "red")};
    const struct skr_principal blue = {.role = SKR_ROLE_TENANT, .tenant_id = world_id(&w, "blue")};
    char own[1024];
    cr_assert_eq(overlaps(&w, &red, NULL, own, &error), 0, "%s", error.detail);
    cr_expect_str_eq(own, text);
    cr_assert_eq(overlaps(&w, &blue, NULL, own, &error), 0);
    cr_expect_str_eq(own, "");
    cr_expect_lt(overlaps(&w, &blue, "red", own, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_NOT_FOUND, "%s", error.detail);
    world_close(&w);
}

Test(model_overlaps, of_sites_and_their_vlans)
{
    static const struct skr_principal administrator = {.role = SKR_ROLE_ADMIN};
    struct world w;
    char text[1024];
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    world_create(&w, SKR_NETWORK_SITE, "wide",
                 "{'name': 'wide', 'logical_network_id': '$plain', 'host_group_ids': ['$north-a'], 'subnet_vlans': "
                 "[{'subnet': '10.83.0.0/16', 'vlan_id': 7}]}");
    cr_assert_eq(overlaps(&w, &administrator, NULL, text, &error), 0, "%s", error.detail);
    cr_expect_str_eq(text, "prefix plain/wide cloud/site-north;prefix plain/wide cloud/site-south;",
                     "VLAN 7 is used in north and in south, by no host twice: %s", text);
    world_patch(&w, SKR_NETWORK_SITE, "wide", "{'host_group_ids': ['$root']}");
    cr_assert_eq(overlaps(&w, &administrator, NULL, text, &error), 0);
    cr_expect(strstr(text, "vlan cloud/site-south plain/wide;"), "a group below is the same hosts: %s", text);
    world_close(&w);
}

/* ---- customer addresses that were freed ---- */

static void expect_refused(struct world *world, const char *json, const char *words)
{
    world_judge(world, SKR_OPERATION_CREATE, SKR_NETWORK_ADAPTER, NULL, json, SKR_ERROR_RESTING, "/ip_addresses/0",
                words);
}

static int64_t freed(struct world *world, const char *adapter)
{
    world_delete(world, SKR_NETWORK_ADAPTER, adapter);
    return skr_store_revision(world->test.store);
}

Test(model_addresses, a_freed_address_rests_until_the_host_that_served_it_has_synced)
{
    static const char again[] = "{'name': 'red-9', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', "
                                "'host_id': '$h2', 'ip_addresses': ['10.0.0.2']}";
    struct world w;
    world_open(&w);
    world_fill(&w);
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'host_id': '$h1'}");
    int64_t before = skr_store_revision(w.test.store), removed = freed(&w, "red-1");
    expect_refused(&w, again, "host \"h1\"");
    world_create(&w, SKR_NETWORK_ADAPTER, "red-8",
                 "{'name': 'red-8', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a'}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *assigned = world_get(&w, SKR_NETWORK_ADAPTER, "red-8");
    char text[SKR_ADDRESS_TEXT_MAX];
    skr_address_format(&assigned->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES].addresses[0], text);
    cr_expect_str_neq(text, "10.0.0.2", "the lowest address rests");
    world_synced(&w, "h2", removed);
    expect_refused(&w, again, "h1");
    world_synced(&w, "h1", before);
    expect_refused(&w, again, "h1");
    world_synced(&w, "h1", removed);
    world_create(&w, SKR_NETWORK_ADAPTER, "red-9", again);
    world_close(&w);
}

/* An address that no pool manages is served like any other. */
Test(model_addresses, an_address_of_no_pool_rests_too)
{
    static const char again[] = "{'name': 'blue-9', 'vm_network_id': '$blue-net', 'vm_subnet_id': '$blue-a', "
                                "'ip_addresses': ['10.0.0.2']}";
    struct world w;
    world_open(&w);
    world_fill(&w);
    world_patch(&w, SKR_NETWORK_ADAPTER, "blue-1", "{'host_id': '$h1'}");
    int64_t removed = freed(&w, "blue-1");
    expect_refused(&w, again, "h1");
    world_create(
            &w, SKR_NETWORK_ADAPTER, "red-9",
            "{'name': 'red-9', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'ip_addresses': ['10.0.0.9']}");
    world_synced(&w, "h1", removed);
    world_create(&w, SKR_NETWORK_ADAPTER, "blue-9", again);
    world_close(&w);
}

/* Its adapter has left the host, which may be away: there the former guest goes on with the address. */
Test(model_addresses, a_freed_address_rests_on_each_host_that_its_adapter_has_left)
{
    static const char again[] = "{'name': 'red-9', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', "
                                "'ip_addresses': ['10.0.0.2']}";
    static const char *const places[] = {"{'host_id': '$h2', 'interface': null}", "{'host_id': null}",
                                         "{'host_id': '$h1'}", "{'host_id': null}"};
    struct world w;
    world_open(&w);
    world_fill(&w);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(places); i++)
        world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", places[i]);
    int64_t left = skr_store_revision(w.test.store), removed = freed(&w, "red-1");
    expect_refused(&w, again, "host \"h");
    world_synced(&w, "h2", removed);
    expect_refused(&w, again, "host \"h1\"");
    world_synced(&w, "h1", left);
    world_create(&w, SKR_NETWORK_ADAPTER, "red-9", again);
    world_close(&w);
}

/* A VM network can be taken down at once, and what rests in it is not given out by a pool that is made afterwards. */
Test(model_addresses, a_pool_may_go_while_its_addresses_rest_and_the_next_one_knows_them)
{
    static const char pool[] = "{'name': 'red-next', 'vm_subnet_id': '$red-a', 'subnet': '10.0.0.0/24', "
                               "'range_start': '10.0.0.2', 'range_end': '10.0.0.3'}";
    static const char another[] = "{'name': '%s', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a'}";
    struct world w;
    char body[160], text[SKR_ADDRESS_TEXT_MAX];
    world_open(&w);
    world_fill(&w);
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'host_id': '$h1'}");
    int64_t removed = freed(&w, "red-1");
    world_delete(&w, SKR_IP_POOL, "red-pool");
    world_create(&w, SKR_IP_POOL, "red-next", pool);
    for (int i = 0; i < 2; i++) {
        snprintf(body, sizeof(body), another, i ? "red-7" : "red-6");
        world_create(&w, SKR_NETWORK_ADAPTER, i ? "red-7" : "red-6", body);
        SKR_CLEANUP(skr_object_cleanup)
        struct skr_object *adapter = world_get(&w, SKR_NETWORK_ADAPTER, i ? "red-7" : "red-6");
        skr_address_format(&adapter->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES].addresses[0], text);
        cr_expect_str_eq(text, i ? "10.0.0.2" : "10.0.0.3");
        world_synced(&w, "h1", removed);
    }
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *full = world_get(&w, SKR_IP_POOL, "red-next");
    cr_expect_eq(skr_object_integer(full, SKR_IP_POOL_ALLOCATED), 2);
    world_close(&w);
}

Test(model_addresses, an_address_that_no_host_serves_is_free_at_once)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    world_create(
            &w, SKR_NETWORK_ADAPTER, "off",
            "{'name': 'off', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'ip_addresses': ['10.0.0.9']}");
    world_delete(&w, SKR_NETWORK_ADAPTER, "off");
    world_create(&w, SKR_NETWORK_ADAPTER, "on",
                 "{'name': 'on', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h1', "
                 "'ip_addresses': ['10.0.0.9']}");
    world_patch(&w, SKR_NETWORK_ADAPTER, "on", "{'ip_addresses': ['10.0.0.10']}");
    world_judge(&w, SKR_OPERATION_PATCH, SKR_NETWORK_ADAPTER, "red-1", "{'ip_addresses': ['10.0.0.9']}",
                SKR_ERROR_RESTING, "/ip_addresses/0", "h1");
    world_patch(&w, SKR_HOST, "h1", "{'state': 'removed'}");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'ip_addresses': ['10.0.0.9']}");
    world_close(&w);
}
