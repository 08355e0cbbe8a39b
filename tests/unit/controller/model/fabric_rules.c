/* The rules of the fabric that refuse: teams, host adapters, sites and their VLANs, private VLANs, VM networks on
 * VLANs, host groups; and what a tenant's quota counts of it. Each sentence says what to do. */
#include "tests/support/controller/world.h"
#include <sqlite3.h>

#define CREATED(w, resource, json, tag, words)                                                                         \
    world_judge(w, SKR_OPERATION_CREATE, SKR_##resource, NULL, json, SKR_ERROR_##tag, NULL, words)
#define PATCHED(w, resource, target, json, tag, words)                                                                 \
    world_judge(w, SKR_OPERATION_PATCH, SKR_##resource, target, json, SKR_ERROR_##tag, NULL, words)
#define DELETED(w, resource, target, tag, words)                                                                       \
    world_judge(w, SKR_OPERATION_DELETE, SKR_##resource, target, NULL, SKR_ERROR_##tag, NULL, words)

static void open_fabric(struct world *w)
{
    world_open(w);
    world_fill(w);
    world_create(w, SKR_LOGICAL_NETWORK, "lab", "{'name': 'lab', 'isolation': 'vlan'}");
    world_create(w, SKR_NETWORK_SITE, "lab-1",
                 "{'name': 'lab-1', 'logical_network_id': '$lab', 'host_group_ids': ['$root'], 'subnet_vlans': ["
                 "{'subnet': '10.7.0.0/24', 'vlan_id': 70}, {'subnet': '10.7.1.0/24', 'vlan_id': 71}]}");
    world_create(w, SKR_UPLINK_PORT_PROFILE, "both",
                 "{'name': 'both', 'network_site_ids': ['$lab-1', '$site-north', '$site-south']}");
    world_create(w, SKR_UPLINK_PORT_PROFILE, "other", "{'name': 'other', 'network_site_ids': ['$lab-1']}");
    world_create(w, SKR_LOGICAL_SWITCH, "team",
                 "{'name': 'team', 'uplink_mode': 'team', 'uplink_port_profile_ids': ['$both', '$other']}");
    world_create(w, SKR_LOGICAL_SWITCH, "single", "{'name': 'single', 'uplink_port_profile_ids': ['$both', '$other']}");
    world_patch(w, SKR_TENANT, "red", "{'logical_network_ids': ['$cloud', '$plain', '$lab']}");
    world_patch(w, SKR_HOST, "h2",
                "{'uplinks': [{'name': 'u1', 'interface': 'eth1'}, {'name': 'u2', 'interface': 'eth2'}, {'name': 'u3', "
                "'interface': 'eth3'}]}");
}

Test(model_fabric_rules, teams_of_uplinks)
{
    struct world w;
    char json[4096];
    open_fabric(&w);
#define TEAM(uplinks)              "{'host_id': '$h2', 'logical_switch_id': '$team', 'uplinks': [" uplinks "]}"
#define MEMBER(interface, profile) "{'interface': '" interface "', 'uplink_port_profile_id': '$" profile "'}"
    CREATED(&w, HOST_SWITCH, TEAM(MEMBER("eth1", "both") ", " MEMBER("eth2", "other")), CONFLICT,
            "same uplink port profile; give that of the first");
    CREATED(&w, HOST_SWITCH, TEAM(MEMBER("eth1", "both") ", " MEMBER("eth1", "both")), INVALID,
            "Interface eth1 is an uplink twice; keep one");
    CREATED(&w, HOST_SWITCH, TEAM(MEMBER("eth1", "both") ", " MEMBER("eth9", "both")), CONFLICT,
            "has no interface eth9");
    CREATED(&w, HOST_SWITCH, TEAM(""), INVALID, "give it an uplink");
    size_t at = (size_t)snprintf(json, sizeof(json), "{'host_id': '$h2', 'logical_switch_id': '$team', 'uplinks': [");
    for (int i = 0; i < 33; i++)
        at += (size_t)snprintf(json + at, sizeof(json) - at, "%s" MEMBER("e%d", "both"), i ? ", " : "", i);
    snprintf(json + at, sizeof(json) - at, "]}");
    CREATED(&w, HOST_SWITCH, json, INVALID, "at most 32 entries");
    CREATED(&w, HOST_SWITCH,
            "{'host_id': '$h2', 'logical_switch_id': '$single', 'uplinks': [" MEMBER("eth1", "both") ", " MEMBER(
                    "eth2", "both") "]}",
            CONFLICT, "has no teams (uplink_mode \"none\"): give one uplink");
    world_create(&w, SKR_HOST_SWITCH, "hs", TEAM(MEMBER("eth1", "both") ", " MEMBER("eth2", "both")));
    CREATED(&w, HOST_SWITCH,
            "{'host_id': '$h2', 'logical_switch_id': '$single', 'uplinks': [" MEMBER("eth2", "other") "]}", CONFLICT,
            "Host switch \"team\" of this host has interface eth2; choose another");
    world_create(&w, SKR_HOST_SWITCH, "hs-single",
                 "{'host_id': '$h2', 'logical_switch_id': '$single', 'uplinks': [" MEMBER("eth3", "other") "]}");
    PATCHED(&w, LOGICAL_SWITCH, "team", "{'uplink_mode': 'none'}", IN_USE, "leave one in each of them first");
    PATCHED(&w, HOST_SWITCH, "hs", "{'uplinks': [" MEMBER("eth1", "both") "]}", NONE, NULL);
    PATCHED(&w, LOGICAL_SWITCH, "team", "{'uplink_mode': 'none'}", NONE, NULL);
    world_close(&w);
}

static int report_interfaces(struct skr_txn *txn, void *world, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *after = NULL;
    struct skr_uuid id = world_id(world, "h2");
    int r = skr_fetch(txn, SKR_HOST, &id, &host, error);
    if (r < 0)
        return r;
    after = skr_object_copy(host);
    skr_object_set_json(after, SKR_HOST_INVENTORY,
                        json_pack("[{s:s}, {s:i}, {s:s}]", "name", "lo", "mtu", 1500, "name", "eth7"));
    return skr_txn_update(txn, host, after, error);
}

/* An uplink is an interface that the host reports, or one that its row names. */
Test(model_fabric_rules, interfaces_of_a_host_are_what_it_reports)
{
    struct world w;
    open_fabric(&w);
    cr_assert_eq(skr_store_write_wait(w.test.store, report_interfaces, &w, NULL, NULL), 0);
    CREATED(&w, HOST_SWITCH, TEAM(MEMBER("eth8", "both")), CONFLICT, "has no interface eth8");
    CREATED(&w, HOST_SWITCH, TEAM(MEMBER("mtu", "both")), CONFLICT, "has no interface mtu");
    CREATED(&w, HOST_SWITCH, TEAM(MEMBER("eth7", "both")), NONE, NULL);
    world_close(&w);
}

static void rename_table(struct world *w, const char *from, const char *to)
{
    char sql[160];
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(w->test.path, &db), SQLITE_OK);
    snprintf(sql, sizeof(sql), "PRAGMA legacy_alter_table = ON; ALTER TABLE %s RENAME TO %s", from, to);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* A table that cannot be read is the database's failure: no reason to tell people that something is in use. */
Test(model_fabric_rules, what_cannot_be_read_is_not_in_use)
{
    static const char *const hidden[] = {"vm_network", "vm_subnet"};
    struct world w;
    open_fabric(&w);
    world_create(&w, SKR_VM_NETWORK, "lab-net",
                 "{'name': 'lab-net', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan'}");
    world_create(&w, SKR_HOST_SWITCH, "hs",
                 "{'host_id': '$h2', 'logical_switch_id': '$single', 'uplinks': [" MEMBER(
                         "eth1", "both") "], 'host_adapters': [{'name': 'v', 'vm_network_id': '$lab-net'}]}");
    world_create(&w, SKR_NETWORK_ADAPTER, "vlan-vm",
                 "{'name': 'vlan-vm', 'tenant_id': '$red', 'vm_network_id': '$lab-net', 'host_id': '$h2'}");
    for (size_t i = 0; i < SKR_ARRAY_SIZE(hidden); i++) {
        struct answer answer __attribute__((cleanup(answer_cleanup))) = {0};
        rename_table(&w, hidden[i], "hidden");
        cr_expect_lt(world_request(&w, SKR_OPERATION_PATCH, SKR_UPLINK_PORT_PROFILE, "both",
                                   "{'network_site_ids': ['$lab-1', '$site-north']}", &answer),
                     0);
        cr_expect_eq(answer.error.tag, SKR_ERROR_INTERNAL, "%s: %s", hidden[i], answer.error.detail);
        rename_table(&w, "hidden", hidden[i]);
    }
    world_patch(&w, SKR_UPLINK_PORT_PROFILE, "both", "{'network_site_ids': ['$lab-1', '$site-north']}");
    world_close(&w);
}

Test(model_fabric_rules, host_adapters_have_a_place)
{
    struct world w;
    open_fabric(&w);
    world_create(&w, SKR_VM_NETWORK, "lab-net",
                 "{'name': 'lab-net', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan'}");
#define ADAPTED(adapter)                                                                                               \
    "{'host_id': '$h2', 'logical_switch_id': '$single', 'uplinks': [" MEMBER(                                          \
            "eth1", "both") "], 'host_adapters': [" adapter "]}"
    CREATED(&w, HOST_SWITCH, ADAPTED("{'name': 'm', 'network_site_id': '$lab-1', 'vm_network_id': '$lab-net'}"),
            INVALID, "not both; leave one out");
    CREATED(&w, HOST_SWITCH, ADAPTED("{'name': 'm'}"), INVALID, "network_site_id, vm_network_id, or inherit");
    CREATED(&w, HOST_SWITCH, ADAPTED("{'name': 'm', 'vm_network_id': '$red-net'}"), CONFLICT,
            "the host itself is not in it; name one on a VLAN");
    CREATED(&w, HOST_SWITCH, ADAPTED("{'name': 'm', 'network_site_id': '$lab-1'}"), INVALID, "name the");
    CREATED(&w, HOST_SWITCH, ADAPTED("{'name': 'm', 'network_site_id': '$lab-1', 'vlan_id': 72}"), CONFLICT, "VLAN 72");
    CREATED(&w, HOST_SWITCH, ADAPTED("{'name': 'a b', 'inherit_from_uplink': true}"), INVALID, "1 to 15 bytes");
    CREATED(&w, HOST_SWITCH, ADAPTED("{'name': 'eth2', 'inherit_from_uplink': true}"), CONFLICT,
            "is an uplink of the host; choose another name");
    CREATED(&w, HOST_SWITCH,
            ADAPTED("{'name': 'a', 'inherit_from_uplink': true}, {'name': 'b', 'inherit_from_uplink': true}"), CONFLICT,
            "not two");
    CREATED(&w, HOST_SWITCH,
            ADAPTED("{'name': 'a', 'inherit_from_uplink': true}, {'name': 'a', 'vm_network_id': '$lab-net'}"), INVALID,
            "have the name a");
    world_create(&w, SKR_HOST_SWITCH, "hs",
                 ADAPTED("{'name': 'm', 'network_site_id': '$lab-1', 'vlan_id': 71}, {'name': 'v', 'vm_network_id': "
                         "'$lab-net'}"));
    PATCHED(&w, UPLINK_PORT_PROFILE, "both", "{'network_site_ids': ['$site-north', '$site-south']}", IN_USE,
            "would lose their site or VLAN; change its host_adapters first");
    PATCHED(&w, NETWORK_SITE, "lab-1", "{'subnet_vlans': [{'subnet': '10.7.0.0/24', 'vlan_id': 70}]}", IN_USE,
            "would lose their site or VLAN");
    world_delete(&w, SKR_HOST_SWITCH, "hs");
    world_close(&w);
}

Test(model_fabric_rules, sites_that_are_used_keep_what_is_used)
{
    struct world w;
    open_fabric(&w);
    PATCHED(&w, NETWORK_SITE, "site-north", "{'subnet_vlans': [{'subnet': '10.83.9.0/24', 'vlan_id': 0}]}", IN_USE,
            "IP pool \"pa-north\" is in 10.83.1.0/24, which the site would lose; delete the pool first");
    DELETED(&w, NETWORK_SITE, "site-north", IN_USE, "pa-north");
    DELETED(&w, NETWORK_SITE, "lab-1", IN_USE, "both");
    world_patch(&w, SKR_UPLINK_PORT_PROFILE, "both", "{'network_site_ids': ['$site-north', '$site-south']}");
    world_delete(&w, SKR_LOGICAL_SWITCH, "team");
    world_delete(&w, SKR_LOGICAL_SWITCH, "single");
    world_delete(&w, SKR_UPLINK_PORT_PROFILE, "other");
    world_create(&w, SKR_VM_NETWORK, "lab-net",
                 "{'name': 'lab-net', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan'}");
    DELETED(&w, NETWORK_SITE, "lab-1", IN_USE, "lab-net");
    PATCHED(&w, NETWORK_SITE, "lab-1", "{'subnet_vlans': [{'subnet': '10.7.1.0/24', 'vlan_id': 71}]}", IN_USE,
            "VLAN 70 serves VM network \"lab-net\"; delete the VM network before the VLAN");
    world_delete(&w, SKR_VM_NETWORK, "lab-net");
    world_delete(&w, SKR_NETWORK_SITE, "lab-1");
    CREATED(&w, NETWORK_SITE,
            "{'logical_network_id': '$cloud', 'host_group_ids': ['$north'], 'subnet_vlans': [{'subnet': "
            "'10.84.0.0/24', 'vlan_id': 0}]}",
            CONFLICT, "neither would be nearer to its hosts; take the group out of one of them");
    world_close(&w);
}

Test(model_fabric_rules, hosts_stay_where_their_adapters_have_a_site)
{
    struct world w;
    open_fabric(&w);
    world_create(&w, SKR_NETWORK_SITE, "lab-north",
                 "{'name': 'lab-north', 'logical_network_id': '$plain', 'host_group_ids': ['$north'], 'subnet_vlans': "
                 "[{'subnet': '10.20.0.0/24', 'vlan_id': 20}]}");
    world_create(&w, SKR_VM_NETWORK, "corp",
                 "{'name': 'corp', 'tenant_id': '$red', 'logical_network_id': '$plain', 'isolation': 'none'}");
    world_create(&w, SKR_NETWORK_ADAPTER, "c1",
                 "{'name': 'c1', 'vm_network_id': '$corp', 'host_id': '$h1', 'ip_addresses': ['10.20.0.5']}");
    PATCHED(&w, HOST, "h1", "{'host_group_id': '$south'}", IN_USE, "skerryctl host drain");
    PATCHED(&w, NETWORK_SITE, "lab-north", "{'host_group_ids': ['$south']}", IN_USE, "take it off the host first");
    PATCHED(&w, HOST_GROUP, "north", "{'parent_id': '$south'}", NONE, NULL);
    PATCHED(&w, NETWORK_SITE, "lab-north", "{'host_group_ids': ['$south']}", NONE, NULL); /* serves the subtree */
    PATCHED(&w, HOST_GROUP, "north", "{'parent_id': '$root'}", IN_USE, "take it off the host first");
    world_close(&w);
}

Test(model_fabric_rules, private_vlans_are_pairs)
{
    struct world w;
    open_fabric(&w);
    world_create(&w, SKR_LOGICAL_NETWORK, "pv", "{'name': 'pv', 'isolation': 'pvlan'}");
#define PAIRS(a, b, c, d)                                                                                              \
    "{'logical_network_id': '$pv', 'subnet_vlans': [{'subnet': '10.5.0.0/24', 'vlan_id': " #a                          \
    ", 'secondary_vlan_id': " #b "}, {'subnet': '10.6.0.0/24', 'vlan_id': " #c ", 'secondary_vlan_id': " #d "}]}"
    CREATED(&w, NETWORK_SITE, PAIRS(5, 5, 6, 60), INVALID, "different; give both");
    CREATED(&w, NETWORK_SITE, PAIRS(5, 50, 5, 51), CONFLICT, "one VLAN has one secondary VLAN");
    CREATED(&w, NETWORK_SITE, PAIRS(5, 50, 6, 50), CONFLICT, "a secondary VLAN one VLAN");
    CREATED(&w, NETWORK_SITE, PAIRS(5, 50, 50, 60), CONFLICT, "VLAN 50 cannot be a VLAN and a secondary VLAN at once");
    CREATED(&w, NETWORK_SITE, PAIRS(5, 50, 5, 50), NONE, NULL);
    world_close(&w);
}

Test(model_fabric_rules, one_vm_network_a_vlan_and_words_when_all_are_taken)
{
    struct world w;
    open_fabric(&w);
    world_patch(&w, SKR_TENANT, "red", "{'quotas': {'vm_subnets': 2}}");
    CREATED(&w, VM_SUBNET, "{'name': 'c', 'vm_network_id': '$red-net', 'prefix': '10.9.0.0/24'}", LIMIT,
            "has 2 of 2 VM subnets");
#define ON_LAB(more) "{'name': 'n" more "', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan'}"
    world_create(&w, SKR_VM_NETWORK, "n1", ON_LAB("1")); /* its VM subnet is the site's doing */
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = world_get(&w, SKR_TENANT, "red");
    const json_t *usage = tenant->values[SKR_TENANT_USAGE].json;
    cr_expect_eq(json_integer_value(json_object_get(usage, "vm_subnets")), 2, "red-a and red-b");
    world_create(&w, SKR_VM_NETWORK, "n2", ON_LAB("2"));
    CREATED(&w, VM_NETWORK, ON_LAB("3"), EXHAUSTED, "has a VLAN free; add one to the subnet_vlans of a site");
    CREATED(&w, VM_NETWORK,
            "{'name': 'n', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan', 'network_site_id': "
            "'$lab-1'}",
            EXHAUSTED, "Every VLAN of site \"lab-1\" serves a VM network; add one to its subnet_vlans");
    CREATED(&w, VM_NETWORK,
            "{'name': 'n', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan', 'network_site_id': "
            "'$lab-1', 'vlan_id': 70}",
            EXISTS, "choose another VLAN");
    world_delete(&w, SKR_VM_NETWORK, "n1");
    tenant = (skr_object_unref(tenant), world_get(&w, SKR_TENANT, "red"));
    usage = tenant->values[SKR_TENANT_USAGE].json;
    cr_expect_eq(json_integer_value(json_object_get(usage, "vm_subnets")), 2, "it did not count, and does not now");
    CREATED(&w, VM_NETWORK, ON_LAB("3"), NONE, NULL);
    world_close(&w);
}

Test(model_fabric_rules, networks_that_pass_through)
{
    struct world w;
    open_fabric(&w);
#define PASSING(name, network, more)                                                                                   \
    "{'name': '" name "', 'tenant_id': '$red', 'logical_network_id': '$" network "', 'isolation': 'none'" more "}"
    CREATED(&w, VM_NETWORK, PASSING("p", "cloud", ""), CONFLICT, "choose a logical network without it");
    CREATED(&w, VM_NETWORK, PASSING("p", "lab", ""), CONFLICT, "choose another logical network");
    CREATED(&w, VM_NETWORK, PASSING("p", "plain", ", 'vlan_id': 7"), INVALID, "leave it out");
    world_create(&w, SKR_VM_NETWORK, "corp", PASSING("corp", "plain", ""));
    CREATED(&w, VM_NETWORK, PASSING("p", "plain", ""), EXISTS, "there can be one; put the adapters into that one");
    CREATED(&w, VM_SUBNET, "{'name': 's', 'vm_network_id': '$corp', 'prefix': '10.9.0.0/24'}", CONFLICT,
            "has no VM subnets");
    CREATED(&w, NETWORK_ADAPTER, "{'name': 'a', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'vlan_id': 7}",
            INVALID, "leave it out");
    PATCHED(&w, LOGICAL_NETWORK, "plain", "{'network_virtualization': true}", IN_USE, "corp");

    world_create(&w, SKR_NETWORK_SITE, "s",
                 "{'name': 's', 'logical_network_id': '$plain', 'host_group_ids': ['$root'], 'subnet_vlans': ["
                 "{'subnet': '10.20.0.0/29', 'vlan_id': 20}, {'subnet': '10.21.0.0/24', 'vlan_id': 21}]}");
    world_create(&w, SKR_IP_POOL, "pool",
                 "{'name': 'pool', 'network_site_id': '$s', 'subnet': '10.20.0.0/29', 'range_start': '10.20.0.1', "
                 "'range_end': '10.20.0.3', 'gateways': [{'address': '10.20.0.1'}]}");
#define IN_CORP(name, more) "{'name': '" name "', 'vm_network_id': '$corp', 'host_id': '$h1'" more "}"
    CREATED(&w, NETWORK_ADAPTER, IN_CORP("a", ""), INVALID, "name the adapter's");
    CREATED(&w, NETWORK_ADAPTER, IN_CORP("a", ", 'vlan_id': 22"), CONFLICT, "name one of its own");
    CREATED(&w, NETWORK_ADAPTER, IN_CORP("a", ", 'vlan_id': 20, 'ip_addresses': ['10.21.0.9']"), INVALID,
            "outside of the subnets");
    CREATED(&w, NETWORK_ADAPTER, IN_CORP("a", ", 'vlan_id': 20, 'ip_addresses': ['10.20.0.1']"), INVALID, "gateway");
    CREATED(&w, NETWORK_ADAPTER, IN_CORP("a", ", 'vlan_id': 20, 'ip_addresses': ['10.20.0.7']"), INVALID, "broadcast");
    world_create(&w, SKR_NETWORK_ADAPTER, "a", IN_CORP("a", ", 'vlan_id': 20"));
    world_create(&w, SKR_NETWORK_ADAPTER, "b", IN_CORP("b", ", 'vlan_id': 20"));
    CREATED(&w, NETWORK_ADAPTER, IN_CORP("c", ", 'vlan_id': 20"), EXHAUSTED, "pool"); /* never the gateway */
    CREATED(&w, NETWORK_ADAPTER, IN_CORP("c", ", 'vlan_id': 20, 'ip_addresses': ['10.20.0.2']"), EXISTS, "");
    world_close(&w);
}

static void expect_available(struct world *w, const char *host_switch, bool available, const char *words)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(w, SKR_HOST_SWITCH, host_switch);
    const json_t *said = row->values[SKR_HOST_SWITCH_AVAILABILITY].json;
    const char *reason = json_string_value(json_object_get(said, "reason"));
    cr_expect_eq(json_is_true(json_object_get(said, "highly_available")), available, "%s", words);
    if (!available)
        cr_expect(reason && strstr(reason, words), "%s: %s", words, reason ? reason : "no reason");
}

Test(model_fabric_rules, hosts_that_come_and_go_change_what_is_highly_available)
{
    struct world w;
    struct skr_error error = {0};
    open_fabric(&w);
    world_create(&w, SKR_HOST_GROUP, "spare", "{'name': 'spare', 'parent_id': '$south'}");
    world_create(&w, SKR_HOST_SWITCH, "hs2",
                 "{'host_id': '$h2', 'logical_switch_id': '$single', 'uplinks': [" MEMBER("eth1", "both") "]}");
    expect_available(&w, "hs2", true, "the only host");
    cr_assert_eq(world_join(&w, "h3", "spare", "eth1", 3, &error), 0, "%s", error.detail);
    expect_available(&w, "hs2", true, "another group's host");
    world_patch(&w, SKR_HOST, "h3", "{'host_group_id': '$south'}");
    expect_available(&w, "hs2", false, "1 of 2 hosts");
    world_create(&w, SKR_HOST_SWITCH, "hs3",
                 "{'host_id': '$h3', 'logical_switch_id': '$single', 'uplinks': [" MEMBER("eth1", "both") "]}");
    expect_available(&w, "hs2", true, "both have it");
    expect_available(&w, "hs3", true, "both have it");
    cr_assert_eq(world_join(&w, "h4", "south", "eth1", 4, &error), 0, "%s", error.detail);
    expect_available(&w, "hs3", false, "2 of 3 hosts");
    world_patch(&w, SKR_HOST, "h4", "{'host_group_id': '$spare'}");
    expect_available(&w, "hs3", true, "it left");
    world_patch(&w, SKR_HOST, "h3", "{'host_group_id': '$spare'}");
    expect_available(&w, "hs3", false, "1 of 2 hosts"); /* h4 is there without one */
    expect_available(&w, "hs2", true, "alone in its group again");
    world_patch(&w, SKR_HOST, "h4", "{'state': 'removed'}");
    expect_available(&w, "hs3", true, "what is removed does not count");
    world_delete(&w, SKR_HOST_SWITCH, "hs3");
    expect_available(&w, "hs2", true, "another group's switch");
    world_close(&w);
}
