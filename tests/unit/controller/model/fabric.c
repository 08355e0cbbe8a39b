/* Uplink port profiles, logical switches, host switches, and what hosts reach by them. */
#include "tests/support/controller/world.h"

#define VLANS                                                                                                          \
    "[{'subnet': '10.7.0.0/24', 'vlan_id': 70}, {'subnet': '2001:db8:7::/64', 'vlan_id': 70}, "                        \
    "{'subnet': '10.7.1.0/24', 'vlan_id': 71}]"

#define REFUSED(w, resource, json, tag, pointer)                                                                       \
    world_judge(w, SKR_OPERATION_CREATE, SKR_##resource, NULL, json, SKR_ERROR_##tag, pointer, NULL)
#define PATCHED(w, resource, target, json, tag, pointer)                                                               \
    world_judge(w, SKR_OPERATION_PATCH, SKR_##resource, target, json, SKR_ERROR_##tag, pointer, NULL)

static int64_t rows(struct world *w, enum skr_resource_id resource)
{
    struct skr_txn *txn;
    cr_assert_eq(skr_store_read_begin(w->test.store, &txn, NULL), 0);
    int64_t count = skr_txn_count(txn, resource);
    skr_store_read_end(txn);
    return count;
}

/* "low-profile": classifications and profiles may have the same name. */
static void name_profile(struct world *w, const char *name, const char *known_as)
{
    struct skr_txn *txn;
    struct skr_uuid id;
    cr_assert_eq(skr_store_read_begin(w->test.store, &txn, NULL), 0);
    cr_assert_eq(skr_name_find(txn, SKR_VIRTUAL_PORT_PROFILE, name, NULL, &id, NULL), 1, "%s", name);
    skr_store_read_end(txn);
    world_name(w, known_as, &id);
}

/* A VLAN network with a site of three subnets on two VLANs, an uplink profile that reaches it and the cloud, a switch.
 */
static void open_fabric(struct world *w)
{
    world_open(w);
    world_fill(w);
    name_profile(w, "High bandwidth adapter", "high-profile");
    name_profile(w, "Low bandwidth adapter", "low-profile");
    name_profile(w, "Guest dynamic IP", "dynamic-profile");
    world_create(w, SKR_LOGICAL_NETWORK, "lab", "{'name': 'lab', 'isolation': 'vlan'}");
    world_create(w, SKR_NETWORK_SITE, "lab-1",
                 "{'logical_network_id': '$lab', 'host_group_ids': ['$root'], 'subnet_vlans': " VLANS "}");
    world_create(w, SKR_UPLINK_PORT_PROFILE, "both",
                 "{'name': 'both', 'network_site_ids': ['$lab-1', '$site-north', '$site-south']}");
    world_create(w, SKR_UPLINK_PORT_PROFILE, "other", "{'name': 'other', 'network_site_ids': ['$lab-1']}");
    world_create(w, SKR_LOGICAL_SWITCH, "switch",
                 "{'name': 'switch', 'uplink_port_profile_ids': ['$both', '$other'], 'virtual_ports': ["
                 "{'classification_id': '$High bandwidth', 'profile_id': '$low-profile', 'is_default': true},"
                 "{'classification_id': '$Guest dynamic IP', 'profile_id': '$dynamic-profile'}]}");
    world_patch(w, SKR_TENANT, "red", "{'logical_network_ids': ['$cloud', '$plain', '$lab']}");
}

Test(model_fabric, switches_and_their_rules)
{
    struct world w;
    open_fabric(&w);
    REFUSED(&w, LOGICAL_SWITCH,
            "{'name': 'l', 'virtual_ports': [{'classification_id': '$High bandwidth', 'profile_id': '$high-profile'}]}",
            INVALID, "/virtual_ports");
    REFUSED(&w, LOGICAL_SWITCH,
            "{'name': 'l', 'virtual_ports': [{'classification_id': '$High bandwidth', 'profile_id': '$high-profile', "
            "'is_default': true}, {'classification_id': '$High bandwidth', 'profile_id': '$high-profile'}]}",
            INVALID, "/virtual_ports/1/classification_id");
    REFUSED(&w, LOGICAL_SWITCH,
            "{'name': 'l', 'virtual_ports': [{'classification_id': '$High bandwidth', 'profile_id': '$both'}]}",
            REFERENCE, "/virtual_ports/0/profile_id");
    REFUSED(&w, LOGICAL_SWITCH, "{'name': 'l', 'type': 'private', 'uplink_port_profile_ids': ['$both']}", INVALID,
            "/uplink_port_profile_ids");
    REFUSED(&w, LOGICAL_SWITCH, "{'name': 'l', 'type': 'internal', 'uplink_mode': 'team'}", INVALID, "/uplink_mode");
    REFUSED(&w, LOGICAL_SWITCH, "{'name': 'l', 'extensions': ['a', 'a']}", INVALID, "/extensions/1");
    PATCHED(&w, LOGICAL_SWITCH, "switch", "{'sriov': true}", INVALID, "/sriov");
    world_judge(&w, SKR_OPERATION_DELETE, SKR_UPLINK_PORT_PROFILE, "both", NULL, SKR_ERROR_IN_USE, NULL, NULL);
    world_judge(&w, SKR_OPERATION_DELETE, SKR_NETWORK_SITE, "lab-1", NULL, SKR_ERROR_IN_USE, NULL, NULL);

    REFUSED(&w, HOST_SWITCH, "{'host_id': '$h1', 'logical_switch_id': '$switch'}", INVALID, "/uplinks");
    REFUSED(&w, HOST_SWITCH,
            "{'host_id': '$h1', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth9', "
            "'uplink_port_profile_id': '$both'}]}",
            CONFLICT, "/uplinks/0/interface");
    REFUSED(&w, HOST_SWITCH, "{'host_id': '$h1', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1'}]}",
            CONFLICT, "/uplinks/0/uplink_port_profile_id");
    REFUSED(&w, HOST_SWITCH,
            "{'host_id': '$h1', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1', "
            "'uplink_port_profile_id': '$both'}], 'host_adapters': [{'name': 'mgmt'}]}",
            INVALID, "/host_adapters/0/network_site_id");
    REFUSED(&w, HOST_SWITCH,
            "{'host_id': '$h1', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1', "
            "'uplink_port_profile_id': '$other'}]}",
            IN_USE, "/uplinks"); /* red-1 is in the cloud, which "other" does not reach */
    world_create(&w, SKR_HOST_SWITCH, "hs1",
                 "{'host_id': '$h1', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1', "
                 "'uplink_port_profile_id': '$both'}], 'host_adapters': [{'name': 'mgmt', 'network_site_id': '$lab-1', "
                 "'vlan_id': 71}]}");
    REFUSED(&w, HOST_SWITCH,
            "{'name': 'again', 'host_id': '$h1', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1', "
            "'uplink_port_profile_id': '$both'}]}",
            EXISTS, "/logical_switch_id");
    PATCHED(&w, HOST_SWITCH, "hs1", "{'logical_switch_id': '$switch', 'uplinks': []}", INVALID, "/uplinks");
    PATCHED(&w, LOGICAL_SWITCH, "switch", "{'uplink_port_profile_ids': ['$other']}", IN_USE,
            "/uplink_port_profile_ids");
    world_judge(&w, SKR_OPERATION_DELETE, SKR_LOGICAL_SWITCH, "switch", NULL, SKR_ERROR_IN_USE, NULL, NULL);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *one = world_get(&w, SKR_HOST_SWITCH, "hs1");
    cr_assert_str_eq(skr_object_name(one), "switch", "the default name");
    json_t *availability = one->values[SKR_HOST_SWITCH_AVAILABILITY].json;
    cr_assert(json_is_true(json_object_get(availability, "highly_available")));
    cr_assert_eq(json_integer_value(json_object_get(availability, "hosts")), 1);
    world_close(&w);
}

Test(model_fabric, a_profile_takes_provider_addresses_along)
{
    struct world w;
    open_fabric(&w);
    world_create(&w, SKR_HOST_SWITCH, "hs2",
                 "{'host_id': '$h2', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1', "
                 "'uplink_port_profile_id': '$both'}]}");
    int64_t all = rows(&w, SKR_PROVIDER_ADDRESS);
    world_patch(&w, SKR_UPLINK_PORT_PROFILE, "both", "{'network_site_ids': ['$lab-1', '$site-north']}");
    cr_assert_eq(rows(&w, SKR_PROVIDER_ADDRESS), all - 1, "the site of h2 is not listed any more");
    world_patch(&w, SKR_UPLINK_PORT_PROFILE, "both", "{'network_site_ids': ['$lab-1', '$site-north', '$site-south']}");
    cr_assert_eq(rows(&w, SKR_PROVIDER_ADDRESS), all);
    world_patch(&w, SKR_UPLINK_PORT_PROFILE, "both", "{'network_virtualization': false}");
    cr_assert_eq(rows(&w, SKR_PROVIDER_ADDRESS), all - 1);
    world_delete(&w, SKR_HOST_SWITCH, "hs2");
    cr_assert_eq(rows(&w, SKR_PROVIDER_ADDRESS), all, "without the switch the host's uplink reaches what covers it");
    REFUSED(&w, HOST_SWITCH,
            "{'host_id': '$h1', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1', "
            "'uplink_port_profile_id': '$both'}]}",
            IN_USE, "/uplinks"); /* red-1 needs the address, and virtualization is off */
    world_close(&w);
}

Test(model_fabric, hosts_that_lack_the_switch_of_their_group)
{
    struct world w;
    struct skr_error error = {0};
    open_fabric(&w);
    cr_assert_eq(world_join(&w, "h3", "south", "eth1", 3, &error), 0, "%s", error.detail);
    world_create(&w, SKR_HOST_SWITCH, "hs2",
                 "{'host_id': '$h2', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1', "
                 "'uplink_port_profile_id': '$both'}]}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *lacking = world_get(&w, SKR_HOST_SWITCH, "hs2");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = world_get(&w, SKR_HOST_GROUP, "south");
    json_t *availability = lacking->values[SKR_HOST_SWITCH_AVAILABILITY].json;
    cr_assert(json_is_false(json_object_get(availability, "highly_available")));
    cr_assert(strstr(json_string_value(json_object_get(availability, "reason")), "1 of 2 hosts"));
    cr_assert_eq(json_array_size(group->values[SKR_HOST_GROUP_AVAILABILITY].json), 1);
    world_create(&w, SKR_HOST_SWITCH, "hs3",
                 "{'host_id': '$h3', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1', "
                 "'uplink_port_profile_id': '$both'}]}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *full = world_get(&w, SKR_HOST_SWITCH, "hs2");
    cr_assert(json_is_true(json_object_get(full->values[SKR_HOST_SWITCH_AVAILABILITY].json, "highly_available")));
    world_patch(&w, SKR_HOST, "h3", "{'state': 'removed'}");
    cr_assert_eq(rows(&w, SKR_HOST_SWITCH), 1, "a removed host lets go of its switches");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *alone = world_get(&w, SKR_HOST_SWITCH, "hs2");
    cr_assert(json_is_true(json_object_get(alone->values[SKR_HOST_SWITCH_AVAILABILITY].json, "highly_available")));
    world_close(&w);
}

static void check_address(struct world *w, const char *adapter, const char *wanted)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = world_get(w, SKR_NETWORK_ADAPTER, adapter);
    const struct skr_value *value = &object->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES];
    char text[SKR_ADDRESS_TEXT_MAX];
    if (!wanted) {
        cr_assert_neq(value->type, SKR_VALUE_ADDRESSES, "%s has addresses", adapter);
        return;
    }
    cr_assert_eq(value->type, SKR_VALUE_ADDRESSES, "%s", adapter);
    cr_assert_eq(value->count, 1, "%s", adapter);
    cr_assert_str_eq(skr_address_format(&value->addresses[0], text), wanted);
}

Test(model_fabric, vm_networks_on_vlans)
{
    struct world w;
    open_fabric(&w);
    int64_t subnets = rows(&w, SKR_VM_SUBNET);
    REFUSED(&w, VM_NETWORK,
            "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan', 'vlan_id': 99}",
            EXHAUSTED, "/network_site_id");
    REFUSED(&w, VM_NETWORK,
            "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan', 'network_site_id': "
            "'$site-north'}",
            REFERENCE, "/network_site_id");
    REFUSED(&w, VM_NETWORK,
            "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan', 'network_site_id': "
            "'$lab-1', 'vlan_id': 9}",
            INVALID, "/vlan_id");
    world_create(&w, SKR_VM_NETWORK, "lab-net",
                 "{'name': 'lab-net', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan'}");
    cr_assert_eq(rows(&w, SKR_VM_SUBNET), subnets + 2, "VLAN 70 has a subnet of each family");
    REFUSED(&w, VM_NETWORK,
            "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan', 'network_site_id': "
            "'$lab-1', 'vlan_id': 70}",
            EXISTS, "/vlan_id");
    REFUSED(&w, VM_SUBNET, "{'name': 's', 'vm_network_id': '$lab-net', 'prefix': '10.7.9.0/24'}", CONFLICT,
            "/vm_network_id");
    world_create(&w, SKR_VM_NETWORK, "lab-two",
                 "{'name': 'lab-two', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan'}");
    REFUSED(&w, VM_NETWORK, "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$lab', 'isolation': 'vlan'}",
            EXHAUSTED, "/network_site_id");
    world_create(&w, SKR_IP_POOL, "lab-pool",
                 "{'name': 'lab-pool', 'network_site_id': '$lab-1', 'subnet': '10.7.1.0/24', 'range_start': "
                 "'10.7.1.10', 'range_end': '10.7.1.11', 'gateways': [{'address': '10.7.1.254'}]}");
    REFUSED(&w, NETWORK_ADAPTER, "{'name': 'n', 'vm_network_id': '$lab-net'}", INVALID, "/vm_subnet_id");
    world_create(&w, SKR_NETWORK_ADAPTER, "l1", "{'name': 'l1', 'vm_network_id': '$lab-two', 'host_id': '$h1'}");
    world_create(&w, SKR_NETWORK_ADAPTER, "l2", "{'name': 'l2', 'vm_network_id': '$lab-two'}");
    check_address(&w, "l1", "10.7.1.10");
    check_address(&w, "l2", "10.7.1.11");
    REFUSED(&w, NETWORK_ADAPTER, "{'name': 'n', 'vm_network_id': '$lab-two'}", EXHAUSTED, "/ip_addresses");
    REFUSED(&w, NETWORK_ADAPTER, "{'name': 'n', 'vm_network_id': '$lab-two', 'ip_addresses': ['10.7.1.254']}", INVALID,
            "/ip_addresses/0");
    REFUSED(&w, NETWORK_ADAPTER, "{'name': 'n', 'vm_network_id': '$lab-two', 'ip_addresses': ['10.7.0.9']}", INVALID,
            "/ip_addresses/0");
    PATCHED(&w, NETWORK_SITE, "lab-1", "{'subnet_vlans': [{'subnet': '10.7.1.0/24', 'vlan_id': 71}]}", IN_USE,
            "/subnet_vlans");
    PATCHED(&w, NETWORK_SITE, "lab-1", "{'host_group_ids': []}", IN_USE, NULL);
    world_patch(&w, SKR_NETWORK_SITE, "lab-1",
                "{'subnet_vlans': [{'subnet': '10.7.0.0/24', 'vlan_id': 70}, {'subnet': '10.7.1.0/24', 'vlan_id': 71}, "
                "{'subnet': '10.7.2.0/24', 'vlan_id': 71}]}");
    cr_assert_eq(rows(&w, SKR_VM_SUBNET), subnets + 3, "subnets follow the site");
    world_judge(&w, SKR_OPERATION_DELETE, SKR_VM_NETWORK, "lab-two", NULL, SKR_ERROR_IN_USE, NULL, NULL);
    world_delete(&w, SKR_VM_NETWORK, "lab-net");
    cr_assert_eq(rows(&w, SKR_VM_SUBNET), subnets + 2, "and go with the VM network");
    world_delete(&w, SKR_NETWORK_ADAPTER, "l1");
    REFUSED(&w, NETWORK_ADAPTER, "{'name': 'n', 'vm_network_id': '$lab-two', 'ip_addresses': ['10.7.1.10']}", INVALID,
            "/vm_subnet_id");
    world_close(&w);
}

Test(model_fabric, vm_networks_that_pass_through)
{
    struct world w;
    open_fabric(&w);
    world_create(&w, SKR_NETWORK_SITE, "corp-north",
                 "{'logical_network_id': '$plain', 'host_group_ids': ['$north'], 'subnet_vlans': [{'subnet': "
                 "'10.10.0.0/24', 'vlan_id': 10}]}");
    world_create(&w, SKR_NETWORK_SITE, "corp-south",
                 "{'logical_network_id': '$plain', 'host_group_ids': ['$south'], 'subnet_vlans': [{'subnet': "
                 "'10.11.0.0/24', 'vlan_id': 10}, {'subnet': '10.12.0.0/24', 'vlan_id': 12}]}");
    REFUSED(&w, NETWORK_SITE, "{'logical_network_id': '$plain', 'host_group_ids': ['$north']}", CONFLICT,
            "/host_group_ids/0");
    world_create(&w, SKR_IP_POOL, "corp-pool",
                 "{'name': 'corp-pool', 'network_site_id': '$corp-north', 'subnet': '10.10.0.0/24', 'range_start': "
                 "'10.10.0.10', 'range_end': '10.10.0.20'}");
    world_create(&w, SKR_VM_NETWORK, "corp",
                 "{'name': 'corp', 'tenant_id': '$red', 'logical_network_id': '$plain', 'isolation': 'none'}");
    REFUSED(&w, VM_NETWORK, "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$plain', 'isolation': 'none'}",
            EXISTS, "/isolation");
    world_create(&w, SKR_NETWORK_ADAPTER, "c1", "{'name': 'c1', 'vm_network_id': '$corp', 'host_id': '$h1'}");
    check_address(&w, "c1", "10.10.0.10");
    world_create(&w, SKR_NETWORK_ADAPTER, "c2", "{'name': 'c2', 'vm_network_id': '$corp'}");
    check_address(&w, "c2", NULL);
    world_patch(&w, SKR_NETWORK_ADAPTER, "c2", "{'host_id': '$h1'}");
    check_address(&w, "c2", "10.10.0.11");
    PATCHED(&w, NETWORK_ADAPTER, "c2", "{'host_id': '$h2'}", INVALID, "/vlan_id");
    PATCHED(&w, NETWORK_ADAPTER, "c2", "{'host_id': '$h2', 'vlan_id': 11}", CONFLICT, "/vlan_id");
    PATCHED(&w, NETWORK_ADAPTER, "c2", "{'host_id': '$h2', 'vlan_id': 12}", INVALID, "/ip_addresses/0");
    PATCHED(&w, NETWORK_ADAPTER, "c2", "{'host_id': '$h2', 'vlan_id': 12, 'ip_addresses': ['10.12.0.5']}", NONE, NULL);
    REFUSED(&w, NETWORK_ADAPTER, "{'name': 'n', 'vm_network_id': '$corp', 'ip_addresses': ['10.99.0.1']}", INVALID,
            "/ip_addresses/0");
    REFUSED(&w, NETWORK_ADAPTER, "{'name': 'n', 'vm_network_id': '$corp', 'ip_addresses': ['10.12.0.5']}", EXISTS,
            "/ip_addresses/0");
    PATCHED(&w, NETWORK_SITE, "corp-south", "{'subnet_vlans': [{'subnet': '10.11.0.0/24', 'vlan_id': 10}]}", IN_USE,
            "/subnet_vlans");
    world_synced(&w, "h1", skr_store_revision(w.test.store));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = world_get(&w, SKR_IP_POOL, "corp-pool");
    json_t *used = json_object_get(pool->values[SKR_IP_POOL_UTILIZATION].json, "allocated");
    cr_assert_str_eq(json_string_value(used), "1", "c2 gave its address back");
    world_close(&w);
}

Test(model_fabric, private_vlans)
{
    struct world w;
    open_fabric(&w);
    world_create(&w, SKR_LOGICAL_NETWORK, "pv", "{'name': 'pv', 'isolation': 'pvlan'}");
    world_patch(&w, SKR_TENANT, "red", "{'logical_network_ids': ['$cloud', '$plain', '$lab', '$pv']}");
    REFUSED(&w, NETWORK_SITE, "{'logical_network_id': '$pv', 'subnet_vlans': [{'vlan_id': 5}]}", INVALID,
            "/subnet_vlans/0/secondary_vlan_id");
    REFUSED(&w, NETWORK_SITE,
            "{'logical_network_id': '$pv', 'subnet_vlans': [{'subnet': '10.5.0.0/24', 'vlan_id': 5, "
            "'secondary_vlan_id': 50}, {'subnet': '10.6.0.0/24', 'vlan_id': 5, 'secondary_vlan_id': 51}]}",
            CONFLICT, "/subnet_vlans/1/secondary_vlan_id");
    REFUSED(&w, NETWORK_SITE,
            "{'logical_network_id': '$lab', 'subnet_vlans': [{'vlan_id': 5, 'secondary_vlan_id': 50}]}", INVALID,
            "/subnet_vlans/0/secondary_vlan_id");
    world_create(&w, SKR_NETWORK_SITE, "pv-1",
                 "{'logical_network_id': '$pv', 'host_group_ids': ['$root'], 'subnet_vlans': [{'subnet': "
                 "'10.5.0.0/24', 'vlan_id': 5, 'secondary_vlan_id': 50}]}");
    REFUSED(&w, VM_NETWORK,
            "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$pv', 'isolation': 'pvlan', "
            "'secondary_vlan_id': 51}",
            INVALID, "/secondary_vlan_id");
    world_create(&w, SKR_VM_NETWORK, "pv-net",
                 "{'name': 'pv-net', 'tenant_id': '$red', 'logical_network_id': '$pv', 'isolation': 'pvlan'}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *net = world_get(&w, SKR_VM_NETWORK, "pv-net");
    cr_assert_eq(skr_object_integer(net, SKR_VM_NETWORK_SECONDARY_VLAN_ID), 50);
    world_close(&w);
}

Test(model_fabric, changed_profiles_wait_for_an_administrator)
{
    struct world w;
    struct skr_error error = {0};
    open_fabric(&w);
    world_create(&w, SKR_HOST_SWITCH, "hs1",
                 "{'host_id': '$h1', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1', "
                 "'uplink_port_profile_id': '$both'}]}");
    world_patch(&w, SKR_VIRTUAL_PORT_PROFILE, "low-profile", "{'security': {'mac_spoofing': true}}");
    cr_assert_eq(rows(&w, SKR_COMPLIANCE), 0, "remediation is auto");
    world_patch(&w, SKR_HOST, "h1", "{'remediation': 'manual'}");
    world_patch(&w, SKR_VIRTUAL_PORT_PROFILE, "low-profile",
                "{'security': {'mac_spoofing': false}, 'bandwidth': {'minimum_weight': 7}}");
    cr_assert_eq(rows(&w, SKR_COMPLIANCE), 2, "a row a field");
    world_patch(&w, SKR_VIRTUAL_PORT_PROFILE, "low-profile", "{'security': {'mac_spoofing': true}}");
    cr_assert_eq(rows(&w, SKR_COMPLIANCE), 1, "back at what is in force");
    struct skr_txn *txn;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *held = NULL;
    struct skr_uuid host_id = world_id(&w, "h1");
    cr_assert_eq(skr_store_read_begin(w.test.store, &txn, NULL), 0);
    cr_assert_eq(skr_profile_in_force(txn, adapter, &host_id, &held, &error), 1, "%s", error.detail);
    skr_store_read_end(txn);
    cr_assert_eq(skr_object_integer(held->values[SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH].objects[0],
                                    SKR_BANDWIDTH_MINIMUM_WEIGHT),
                 1, "what was before stays in force");
    world_patch(&w, SKR_HOST, "h1", "{'remediation': 'auto'}");
    cr_assert_eq(rows(&w, SKR_COMPLIANCE), 0);
    world_close(&w);
}

Test(model_fabric, ipv6_from_pool_to_adapter)
{
    struct world w;
    open_fabric(&w);
    world_create(&w, SKR_VM_SUBNET, "six", "{'name': 'six', 'vm_network_id': '$red-net', 'prefix': '2001:db8:1::/64'}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *subnet = world_get(&w, SKR_VM_SUBNET, "six");
    struct skr_address gateway = skr_object_address(subnet, SKR_VM_SUBNET_GATEWAY);
    char text[SKR_ADDRESS_TEXT_MAX];
    cr_assert_str_eq(skr_address_format(&gateway, text), "2001:db8:1::1");
    world_create(&w, SKR_IP_POOL, "six-pool",
                 "{'name': 'six-pool', 'vm_subnet_id': '$six', 'subnet': '2001:db8:1::/64', 'range_start': "
                 "'2001:db8:1::1', 'range_end': '2001:db8:1:0:ffff:ffff:ffff:ffff', 'reserved': "
                 "['2001:db8:1::2-2001:db8:1::f'], 'vip_reserved': ['2001:db8:1:0:8000::-2001:db8:1:0:ffff:ffff:ffff:"
                 "ffff']}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = world_get(&w, SKR_IP_POOL, "six-pool");
    json_t *use = pool->values[SKR_IP_POOL_UTILIZATION].json;
    cr_assert_str_eq(json_string_value(json_object_get(use, "total")), "18446744073709551615");
    cr_assert_str_eq(json_string_value(json_object_get(use, "vip")), "9223372036854775808");
    cr_assert_str_eq(json_string_value(json_object_get(use, "reserved")), "15");
    cr_assert_str_eq(json_string_value(json_object_get(use, "free")), "9223372036854775792");
    world_create(&w, SKR_NETWORK_ADAPTER, "s1", "{'name': 's1', 'vm_network_id': '$red-net', 'vm_subnet_id': '$six'}");
    check_address(&w, "s1", "2001:db8:1::10");
    REFUSED(&w, NETWORK_ADAPTER,
            "{'name': 'n', 'vm_network_id': '$red-net', 'vm_subnet_id': '$six', 'ip_addresses': ['2001:db8:1::']}",
            INVALID, "/ip_addresses/0");
    world_close(&w);
}
