/* Addresses of pools and of hosts: what is free, what rests, and counters that are always right. */
#include "tests/support/controller/world.h"

static void expect_utilization(struct world *world, const char *pool, long long total, long long allocated,
                               long long reserved, long long vip, long long free_count)
{
    long long now[5], wanted[5] = {total, allocated, reserved, vip, free_count};
    world_utilization(world, pool, now);
    for (size_t i = 0; i < 5; i++)
        cr_expect_eq(now[i], wanted[i], "counter %zu of %s is %lld, not %lld", i, pool, now[i], wanted[i]);
}

static int allocate(struct world *world, const char *json, char ret[static SKR_ADDRESS_TEXT_MAX],
                    enum skr_error_tag *tag)
{
    struct skr_action_request request;
    struct skr_error error = {0};
    int r = world_action(world, SKR_IP_POOL, "red-pool", "allocate", json, &request, &error);
    snprintf(ret, SKR_ADDRESS_TEXT_MAX, "%s",
             r == 0 ? json_string_value(json_object_get(request.result, "address")) : "");
    *tag = error.tag;
    skr_action_request_done(&request);
    return r;
}

static int release(struct world *world, const char *json, enum skr_error_tag *tag)
{
    struct skr_action_request request;
    struct skr_error error = {0};
    int r = world_action(world, SKR_IP_POOL, "red-pool", "release", json, &request, &error);
    *tag = error.tag;
    skr_action_request_done(&request);
    return r;
}

/* 20 addresses: the gateway and two reserved ones aside, one for virtual IPs, one with red-1. */
Test(model_pools, allocate_and_release)
{
    struct world w;
    char text[SKR_ADDRESS_TEXT_MAX];
    enum skr_error_tag tag;
    world_open(&w);
    world_fill(&w);
    expect_utilization(&w, "red-pool", 20, 1, 3, 1, 15);
    cr_expect_eq(allocate(&w, "{}", text, &tag), 0);
    cr_expect_str_eq(text, "10.0.0.3", "%s: the gateway and red-1 have .1 and .2", text);
    cr_expect_eq(allocate(&w, "{'address': '10.0.0.10'}", text, &tag), 0);
    cr_expect_lt(allocate(&w, "{'address': '10.0.0.10'}", text, &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_EXISTS);
    cr_expect_lt(allocate(&w, "{'address': '10.0.0.1'}", text, &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_CONFLICT);
    cr_expect_lt(allocate(&w, "{'address': '10.0.0.2'}", text, &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_EXISTS);
    cr_expect_lt(allocate(&w, "{'address': '10.0.0.19'}", text, &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_CONFLICT);
    cr_expect_lt(allocate(&w, "{'address': '10.0.0.15'}", text, &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_CONFLICT);
    cr_expect_lt(allocate(&w, "{'address': '10.0.0.99'}", text, &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_INVALID);
    cr_expect_lt(allocate(&w, "{'address': '10.0.0.10', 'kind': 'vip'}", text, &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_INVALID);
    cr_expect_eq(allocate(&w, "{'kind': 'vip'}", text, &tag), 0);
    cr_expect_str_eq(text, "10.0.0.15");
    cr_expect_lt(allocate(&w, "{'kind': 'vip'}", text, &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_EXHAUSTED);
    expect_utilization(&w, "red-pool", 20, 4, 3, 0, 13);
    cr_expect_eq(release(&w, "{'address': '10.0.0.15'}", &tag), 0);
    cr_expect_eq(release(&w, "{'address': '10.0.0.3'}", &tag), 0);
    cr_expect_lt(release(&w, "{'address': '10.0.0.3'}", &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_CONFLICT);
    cr_expect_lt(release(&w, "{'address': '10.0.0.2'}", &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_IN_USE);
    expect_utilization(&w, "red-pool", 20, 2, 3, 1, 14);
    world_close(&w);
}

/* An address is free when no object has it, in any order of events. */
Test(model_pools, random_sequences_keep_the_counters)
{
    struct world w;
    bool taken[256] = {false};
    unsigned seed = 7, count = 1;
    world_open(&w);
    world_fill(&w);
    taken[2] = true;
    for (int step = 0; step < 300; step++) {
        unsigned last = 1 + (unsigned)rand_r(&seed) % 20;
        char json[64], text[SKR_ADDRESS_TEXT_MAX];
        enum skr_error_tag tag;
        bool usable = last != 1 && last != 15 && last < 19;
        snprintf(json, sizeof(json), "{'address': '10.0.0.%u'}", last);
        if (rand_r(&seed) % 2) {
            int r = allocate(&w, json, text, &tag);
            cr_assert_eq(r == 0, usable && !taken[last], "step %d: %s", step, json);
            count += r == 0;
            taken[last] = taken[last] || r == 0;
        } else {
            int r = release(&w, json, &tag);
            cr_assert_eq(r == 0, taken[last] && last != 2, "step %d: %s", step, json);
            count -= r == 0;
            taken[last] = taken[last] && r < 0;
        }
        expect_utilization(&w, "red-pool", 20, count, 3, 1, 16 - count);
    }
    world_close(&w);
}

Test(model_pools, changing_the_range_keeps_what_is_allocated)
{
    struct world w;
    char text[SKR_ADDRESS_TEXT_MAX];
    enum skr_error_tag tag;
    world_open(&w);
    world_fill(&w);
    cr_assert_eq(allocate(&w, "{'address': '10.0.0.10'}", text, &tag), 0);
    world_patch(&w, SKR_IP_POOL, "red-pool", "{'reserved': [], 'range_end': '10.0.0.30'}");
    expect_utilization(&w, "red-pool", 30, 2, 1, 1, 26);
    world_patch(&w, SKR_IP_POOL, "red-pool", "{'reserved': ['10.0.0.3-10.0.0.9'], 'range_end': '10.0.0.15'}");
    expect_utilization(&w, "red-pool", 15, 2, 8, 1, 4);
    for (int i = 11; i <= 14; i++) {
        char wanted[16];
        snprintf(wanted, sizeof(wanted), "10.0.0.%d", i);
        cr_expect_eq(allocate(&w, "{}", text, &tag), 0);
        cr_expect_str_eq(text, wanted);
    }
    cr_expect_lt(allocate(&w, "{}", text, &tag), 0);
    cr_expect_eq(tag, SKR_ERROR_EXHAUSTED);
    world_close(&w);
}

Test(model_pools, a_pool_made_later_knows_addresses_in_use)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    world_create(&w, SKR_IP_POOL, "blue-pool",
                 "{'name': 'blue-pool', 'vm_subnet_id': '$blue-a', 'subnet': '10.0.0.0/24', 'range_start': '10.0.0.2', "
                 "'range_end': '10.0.0.9'}");
    expect_utilization(&w, "blue-pool", 8, 1, 0, 0, 7);
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_request(&w, SKR_OPERATION_PATCH, SKR_IP_POOL, "blue-pool", "{'range_end': '10.0.0.10'}", &answer);
    const json_t *utilization = answer.object->values[SKR_IP_POOL_UTILIZATION].json;
    cr_expect_str_eq(json_string_value(json_object_get(utilization, "free")), "8", "the answer says it at once");
    world_create(&w, SKR_NETWORK_ADAPTER, "blue-2",
                 "{'name': 'blue-2', 'vm_network_id': '$blue-net', 'vm_subnet_id': '$blue-a'}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = world_get(&w, SKR_NETWORK_ADAPTER, "blue-2");
    char text[SKR_ADDRESS_TEXT_MAX];
    cr_expect_eq(adapter->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES].count, 1);
    skr_address_format(&adapter->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES].addresses[0], text);
    cr_expect_str_eq(text, "10.0.0.3");
    world_delete(&w, SKR_NETWORK_ADAPTER, "blue-2");
    world_delete(&w, SKR_NETWORK_ADAPTER, "blue-1");
    expect_utilization(&w, "blue-pool", 9, 0, 0, 0, 9);
    world_delete(&w, SKR_IP_POOL, "blue-pool");
    world_close(&w);
}

/* ---- provider addresses ---- */

static void expect_provider(struct world *world, const char *host, const char *wanted)
{
    char text[SKR_ADDRESS_TEXT_MAX];
    world_provider_address(world, host, text);
    cr_expect_str_eq(text, wanted, "%s has \"%s\", not \"%s\"", host, text, wanted);
}

Test(model_provider_address, follows_site_pool_and_gateway)
{
    struct world w;
    struct skr_object *row[2];
    world_open(&w);
    world_fill(&w);
    expect_provider(&w, "h1", "10.83.1.10");
    expect_provider(&w, "h2", "10.83.2.10");
    cr_assert_eq(world_list(&w, SKR_PROVIDER_ADDRESS, SKR_PROVIDER_ADDRESS_HOST_ID, "h2", row, 2), 1);
    char text[SKR_ADDRESS_TEXT_MAX];
    struct skr_address gateway = skr_object_address(row[0], SKR_PROVIDER_ADDRESS_GATEWAY);
    cr_expect_str_eq(skr_address_format(&gateway, text), "10.83.2.254");
    cr_expect_eq(skr_object_integer(row[0], SKR_PROVIDER_ADDRESS_VLAN_ID), 7);
    skr_object_unref(row[0]);
    world_patch(&w, SKR_NETWORK_SITE, "site-south", "{'subnet_vlans': [{'subnet': '10.83.2.0/24', 'vlan_id': 9}]}");
    world_patch(&w, SKR_IP_POOL, "pa-south", "{'gateways': [{'address': '10.83.2.253', 'metric': 1}]}");
    cr_assert_eq(world_list(&w, SKR_PROVIDER_ADDRESS, SKR_PROVIDER_ADDRESS_HOST_ID, "h2", row, 2), 1);
    gateway = skr_object_address(row[0], SKR_PROVIDER_ADDRESS_GATEWAY);
    cr_expect_str_eq(skr_address_format(&gateway, text), "10.83.2.253");
    cr_expect_eq(skr_object_integer(row[0], SKR_PROVIDER_ADDRESS_VLAN_ID), 9);
    skr_object_unref(row[0]);
    expect_provider(&w, "h2", "10.83.2.10");
    world_close(&w);
}

Test(model_provider_address, survives_a_renamed_uplink_and_one_more)
{
    struct world w;
    struct skr_object *rows[4];
    world_open(&w);
    world_fill(&w);
    world_patch(&w, SKR_HOST, "h1", "{'uplinks': [{'name': 'a', 'interface': 'enp5s0'}]}");
    expect_provider(&w, "h1", "10.83.1.10");
    world_patch(&w, SKR_HOST, "h1",
                "{'uplinks': [{'name': 'a', 'interface': 'enp5s0'}, {'name': 'b', 'interface': 'enp6s0'}]}");
    size_t count = world_list(&w, SKR_PROVIDER_ADDRESS, SKR_PROVIDER_ADDRESS_HOST_ID, "h1", rows, 4);
    cr_expect_eq(count, 2);
    for (size_t i = 0; i < count; i++)
        skr_object_unref(rows[i]);
    world_close(&w);
}

/* Four addresses: the fifth host waits and says for what, and gets one as soon as the pool has one. */
Test(model_provider_address, none_left_names_the_site_and_waits)
{
    struct world w;
    struct skr_object *row[2];
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    for (int i = 3; i <= 6; i++) {
        char name[8];
        snprintf(name, sizeof(name), "h%d", i);
        cr_assert_eq(world_join(&w, name, "north-a", "eth0", (uint8_t)i, &error), 0, "%s", error.detail);
    }
    expect_provider(&w, "h5", "10.83.1.13");
    expect_provider(&w, "h6", "");
    cr_assert_eq(world_list(&w, SKR_PROVIDER_ADDRESS, SKR_PROVIDER_ADDRESS_HOST_ID, "h6", row, 2), 1);
    const char *reason = skr_object_text(row[0], SKR_PROVIDER_ADDRESS_REASON);
    cr_expect(reason && strstr(reason, "no_provider_address") && strstr(reason, "site-north"), "%s", reason);
    skr_object_unref(row[0]);
    world_patch(&w, SKR_IP_POOL, "pa-north", "{'range_end': '10.83.1.14'}");
    expect_provider(&w, "h6", "10.83.1.14");
    world_close(&w);
}

Test(model_provider_address, rests_until_every_host_has_synced)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    world_patch(&w, SKR_IP_POOL, "pa-north", "{'range_end': '10.83.1.11'}");
    cr_assert_eq(world_join(&w, "h3", "north", "eth0", 3, &error), 0);
    expect_provider(&w, "h3", "10.83.1.11");
    world_delete(&w, SKR_HOST, "h3");
    int64_t removed = skr_store_revision(w.test.store);
    cr_assert_eq(world_join(&w, "h4", "north", "eth0", 4, &error), 0);
    expect_provider(&w, "h4", "");
    world_synced(&w, "h1", removed);
    expect_provider(&w, "h4", "");
    world_synced(&w, "h2", removed - 1000 > 0 ? removed - 1000 : 1);
    expect_provider(&w, "h4", "");
    world_synced(&w, "h2", removed);
    expect_provider(&w, "h4", "10.83.1.11"); /* h4 came later, so it holds nothing of the past */
    world_close(&w);
}

/* A host changes its site when nothing on it needs the old one: nothing of the network is on it, or all has been
 * drained. */
Test(model_provider_address, a_host_without_adapters_changes_its_site)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    cr_assert_eq(world_join(&w, "h3", "north", "eth0", 3, &error), 0);
    expect_provider(&w, "h3", "10.83.1.11");
    world_patch(&w, SKR_HOST, "h3", "{'host_group_id': '$south'}");
    expect_provider(&w, "h3", "10.83.2.11");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'host_id': '$h3'}");
    world_judge(&w, SKR_OPERATION_PATCH, SKR_HOST, "h3", "{'host_group_id': '$north'}", SKR_ERROR_IN_USE,
                "/host_group_id", "skerryctl host drain");
    world_patch(&w, SKR_HOST_GROUP, "south", "{'parent_id': '$north'}"); /* south's own site stays nearer */
    world_patch(&w, SKR_HOST, "h3", "{'state': 'maintenance'}");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'host_id': '$h1'}");
    world_patch(&w, SKR_HOST, "h3", "{'host_group_id': '$north'}");
    expect_provider(&w, "h3", "10.83.1.12");
    world_close(&w);
}

/* No write waits for a host in maintenance, but it goes on forwarding: to the old owner of an address too. */
Test(model_provider_address, rests_until_hosts_in_maintenance_have_let_go)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    world_patch(&w, SKR_IP_POOL, "pa-north", "{'range_end': '10.83.1.11'}");
    cr_assert_eq(world_join(&w, "h3", "north", "eth0", 3, &error), 0);
    expect_provider(&w, "h3", "10.83.1.11");
    world_patch(&w, SKR_HOST, "h2", "{'state': 'maintenance'}");
    world_delete(&w, SKR_HOST, "h3");
    int64_t removed = skr_store_revision(w.test.store);
    world_synced(&w, "h1", removed);
    cr_assert_eq(world_join(&w, "h4", "north", "eth0", 4, &error), 0);
    expect_provider(&w, "h4", "");
    world_synced(&w, "h2", removed);
    expect_provider(&w, "h4", "10.83.1.11");
    world_close(&w);
}

/* A revision that hosts had before the removal does not prove that they let go: one revision short is short. */
Test(model_provider_address, rests_past_the_revision_before_its_removal)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    world_patch(&w, SKR_IP_POOL, "pa-north", "{'range_end': '10.83.1.11'}");
    cr_assert_eq(world_join(&w, "h3", "north", "eth0", 3, &error), 0);
    int64_t before = skr_store_revision(w.test.store);
    world_synced(&w, "h1", before);
    world_synced(&w, "h2", before);
    world_delete(&w, SKR_HOST, "h3");
    cr_assert_eq(world_join(&w, "h4", "north", "eth0", 4, &error), 0);
    expect_provider(&w, "h4", "");
    world_close(&w);
}

static int retire_first(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = world_get(arg, SKR_IP_POOL, "pa-north");
    struct skr_uuid id = skr_object_id(pool);
    struct skr_address address = skr_object_address(pool, SKR_IP_POOL_RANGE_START);
    return skr_ip_retire(txn, &id, &address, error);
}

/* The same where nothing of the write comes before it. */
Test(model_provider_address, retiring_first_counts_from_its_own_write)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    int64_t before = skr_store_revision(w.test.store);
    cr_assert_eq(skr_store_write_wait(w.test.store, retire_first, &w, NULL, &error), 0, "%s", error.detail);
    world_synced(&w, "h1", before);
    world_synced(&w, "h2", before);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
    cr_assert_eq(world_list(&w, SKR_IP_ALLOCATION, SKR_IP_ALLOCATION_IP_POOL_ID, "pa-north", &row, 1), 1);
    cr_expect_gt(skr_object_integer(row, SKR_IP_ALLOCATION_RETIRED_AT_REVISION), before);
    world_close(&w);
}

Test(model_provider_address, nearest_site_wins)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    world_create(&w, SKR_NETWORK_SITE, "near",
                 "{'name': 'near', 'logical_network_id': '$cloud', 'host_group_ids': ['$north-a'], 'subnet_vlans': "
                 "[{'subnet': '10.83.5.0/24'}]}");
    world_create(
            &w, SKR_IP_POOL, "pa-near",
            "{'name': 'pa-near', 'network_site_id': '$near', 'subnet': '10.83.5.0/24', 'range_start': '10.83.5.10', "
            "'range_end': '10.83.5.20'}");
    cr_assert_eq(world_join(&w, "h3", "north-a", "eth0", 3, &error), 0);
    expect_provider(&w, "h3", "10.83.5.10");
    world_patch(&w, SKR_NETWORK_SITE, "near",
                "{'host_group_ids': []}"); /* nobody runs on h3: it falls to the farther one */
    expect_provider(&w, "h3", "10.83.1.11");
    world_close(&w);
}

Test(model_provider_address, removal_and_revocation_let_go)
{
    struct world w;
    struct skr_action_request request;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    cr_assert_eq(world_action(&w, SKR_HOST, "h2", "revoke", NULL, &request, &error), 0, "%s", error.detail);
    skr_action_request_done(&request);
    expect_provider(&w, "h2", "");
    cr_expect_lt(world_action(&w, SKR_HOST, "h2", "approve", NULL, &request, &error), 0);
    skr_action_request_done(&request);
    world_patch(&w, SKR_HOST, "h1", "{'state': 'removed'}");
    expect_provider(&w, "h1", "");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    cr_expect(!skr_object_has(adapter, SKR_NETWORK_ADAPTER_HOST_ID));
    world_delete(&w, SKR_HOST, "h1");
    world_close(&w);
}

/* ---- VSIDs and MACs ---- */

static int64_t vsid_of(struct world *world, const char *name)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *subnet = world_get(world, SKR_VM_SUBNET, name);
    return skr_object_integer(subnet, SKR_VM_SUBNET_VSID);
}

Test(model_vsid, lowest_free_that_does_not_rest)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    cr_expect_eq(vsid_of(&w, "red-a"), 4096);
    cr_expect_eq(vsid_of(&w, "blue-a"), 4098);
    world_create(&w, SKR_VM_SUBNET, "c",
                 "{'name': 'c', 'vm_network_id': '$red-net', 'prefix': '10.0.2.0/24', 'vsid': 4100}");
    world_delete(&w, SKR_VM_SUBNET, "red-b");
    int64_t removed = skr_store_revision(w.test.store);
    world_create(&w, SKR_VM_SUBNET, "d", "{'name': 'd', 'vm_network_id': '$red-net', 'prefix': '10.0.3.0/24'}");
    cr_expect_eq(vsid_of(&w, "d"), 4099, "4097 rests");
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_request(&w, SKR_OPERATION_CREATE, SKR_VM_SUBNET, NULL,
                  "{'name': 'x', 'vm_network_id': '$red-net', 'prefix': '10.0.9.0/24', 'vsid': 4097}", &answer);
    cr_expect_eq(answer.error.tag, SKR_ERROR_CONFLICT);
    world_create(&w, SKR_VM_SUBNET, "e", "{'name': 'e', 'vm_network_id': '$red-net', 'prefix': '10.0.4.0/24'}");
    cr_expect_eq(vsid_of(&w, "e"), 4101, "4100 was wished by another");
    world_synced(&w, "h1", removed);
    world_synced(&w, "h2", removed);
    world_create(&w, SKR_VM_SUBNET, "f", "{'name': 'f', 'vm_network_id': '$red-net', 'prefix': '10.0.5.0/24'}");
    cr_expect_eq(vsid_of(&w, "f"), 4097);
    world_close(&w);
}

Test(model_vsid, rests_past_the_revision_before_its_removal)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    int64_t before = skr_store_revision(w.test.store);
    world_synced(&w, "h1", before);
    world_synced(&w, "h2", before);
    world_delete(&w, SKR_VM_SUBNET, "red-b");
    world_create(&w, SKR_VM_SUBNET, "c", "{'name': 'c', 'vm_network_id': '$red-net', 'prefix': '10.0.2.0/24'}");
    cr_expect_eq(vsid_of(&w, "c"), 4099, "4097 rests");
    world_close(&w);
}

Test(model_mac_pool, assigns_until_nothing_is_free)
{
    struct world w;
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_open(&w);
    world_fill(&w);
    world_create(&w, SKR_MAC_POOL, "small",
                 "{'name': 'small', 'range_start': '02:77:00:00:00:00', 'range_end': '02:77:00:00:00:01', "
                 "'host_group_ids': ['$north']}");
    for (int i = 0; i < 3; i++) {
        char json[256];
        snprintf(json, sizeof(json),
                 "{'name': 'n%d', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h1'}", i);
        skr_object_unref(SKR_TAKE(answer.object));
        int r = world_request(&w, SKR_OPERATION_CREATE, SKR_NETWORK_ADAPTER, NULL, json, &answer);
        cr_expect_eq(r == 0, i < 2, "%d: %s", i, answer.error.detail);
        if (r == 0) {
            struct skr_mac mac = skr_object_mac(answer.object, SKR_NETWORK_ADAPTER_MAC);
            cr_expect_eq(skr_mac_to_u64(&mac), 0x027700000000u + (unsigned)i);
        }
    }
    cr_expect_eq(answer.error.tag, SKR_ERROR_EXHAUSTED);
    cr_expect_str_eq(answer.error.fields[0].pointer, "/mac");
    world_create(&w, SKR_NETWORK_ADAPTER, "n9",
                 "{'name': 'n9', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a'}");
    world_close(&w);
}
