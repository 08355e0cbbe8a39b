/* Writes that must not pass: the tag, the field that is blamed, and a sentence. */
#include "tests/support/controller/world.h"

#define SITE   "{'name': 's', 'logical_network_id': '$cloud', 'subnet_vlans': "
#define POOL   "{'name': 'p', 'network_site_id': '$site-north', 'subnet': '10.83.1.0/24', "
#define VPOOL  "{'name': 'p', 'vm_subnet_id': '$red-b', 'subnet': '10.0.1.0/24', "
#define SUBNET "{'name': 's', 'vm_network_id': '$red-net', "
#define NIC    "{'name': 'n', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', "
#define NO_ID  "'01970000-0000-7000-8000-000000000000'"

static const struct refusal {
    enum skr_operation operation;
    enum skr_resource_id resource;
    const char *target, *json;
    enum skr_error_tag tag;
    const char *pointer; /* NULL: the object as a whole */
} refusals[] = {
#define CREATE(resource, json, tag, pointer)                                                                           \
    {                                                                                                                  \
        SKR_OPERATION_CREATE, SKR_##resource, NULL, json, SKR_ERROR_##tag, pointer                                     \
    }
#define PATCH(resource, target, json, tag, pointer)                                                                    \
    {                                                                                                                  \
        SKR_OPERATION_PATCH, SKR_##resource, target, json, SKR_ERROR_##tag, pointer                                    \
    }
#define REPLACE(resource, target, json, tag, pointer)                                                                  \
    {                                                                                                                  \
        SKR_OPERATION_REPLACE, SKR_##resource, target, json, SKR_ERROR_##tag, pointer                                  \
    }
#define DELETE(resource, target, tag)                                                                                  \
    {                                                                                                                  \
        SKR_OPERATION_DELETE, SKR_##resource, target, NULL, SKR_ERROR_##tag, NULL                                      \
    }
        /* names and references */
        CREATE(TENANT, "{'name': 'red'}", EXISTS, "/name"),
        CREATE(TENANT, "{'name': 't', 'logical_network_ids': [" NO_ID "]}", REFERENCE, "/logical_network_ids/0"),
        CREATE(TENANT, "{'name': 't', 'logical_network_ids': ['$cloud', '$cloud']}", INVALID, "/logical_network_ids/1"),
        PATCH(TENANT, "red", "{'logical_network_ids': []}", IN_USE, "/logical_network_ids"),
        PATCH(TENANT, "blue", "{'name': 'red'}", EXISTS, "/name"),
        CREATE(HOST_GROUP, "{'name': 'north'}", EXISTS, "/name"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '10.9.0.0/24', 'name': 'a'}", EXISTS, "/name"),
        CREATE(VM_NETWORK, "{'name': 'red-net', 'tenant_id': '$red', 'logical_network_id': '$cloud'}", EXISTS, "/name"),
        /* host groups */
        CREATE(HOST_GROUP, "{'name': 'g', 'parent_id': " NO_ID "}", REFERENCE, "/parent_id"),
        PATCH(HOST_GROUP, "north", "{'parent_id': '$north-a'}", INVALID, "/parent_id"),
        PATCH(HOST_GROUP, "north", "{'parent_id': '$north'}", INVALID, "/parent_id"),
        PATCH(HOST_GROUP, "root", "{'parent_id': '$north'}", CONFLICT, "/parent_id"),
        PATCH(HOST_GROUP, "north", "{'parent_id': '$south'}", NONE, NULL), /* the site still covers its hosts */
        PATCH(HOST_GROUP, "north", "{'parent_id': '$root'}", NONE, NULL),
        DELETE(HOST_GROUP, "root", IN_USE),
        DELETE(HOST_GROUP, "north", IN_USE),
        /* logical networks */
        CREATE(LOGICAL_NETWORK, "{'name': 'l-vlan', 'isolation': 'vlan'}", NONE, NULL),
        CREATE(LOGICAL_NETWORK, "{'name': 'l', 'isolation': 'vlan', 'network_virtualization': true}", INVALID,
               "/network_virtualization"),
        CREATE(LOGICAL_NETWORK, "{'name': 'l', 'isolation': 'pvlan', 'network_virtualization': true}", INVALID,
               "/network_virtualization"),
        CREATE(LOGICAL_NETWORK, "{'name': 'l-vxlan', 'encapsulation': 'vxlan'}", NONE, NULL),
        CREATE(LOGICAL_NETWORK, "{'name': 'l', 'mtu': 100}", INVALID, "/mtu"),
        PATCH(LOGICAL_NETWORK, "cloud", "{'isolation': 'vlan'}", INVALID, "/isolation"),
        PATCH(LOGICAL_NETWORK, "cloud", "{'network_virtualization': false}", IN_USE, "/network_virtualization"),
        DELETE(LOGICAL_NETWORK, "cloud", IN_USE),
        /* sites */
        CREATE(NETWORK_SITE, SITE "[{'subnet': '10.83.1.128/25'}]}", CONFLICT, "/subnet_vlans/0/subnet"),
        CREATE(NETWORK_SITE, SITE "[{'subnet': '10.84.0.0/24'}, {'subnet': '10.84.0.0/25'}]}", CONFLICT,
               "/subnet_vlans/1/subnet"),
        CREATE(NETWORK_SITE, SITE "[]}", INVALID, "/subnet_vlans"),
        CREATE(NETWORK_SITE, SITE "[{'vlan_id': 3}]}", INVALID, "/subnet_vlans/0/subnet"),
        CREATE(NETWORK_SITE, SITE "[{'subnet': '10.84.0.0/31'}]}", INVALID, "/subnet_vlans/0/subnet"),
        CREATE(NETWORK_SITE, SITE "[{'subnet': '224.0.0.0/24'}]}", INVALID, "/subnet_vlans/0/subnet"),
        CREATE(NETWORK_SITE, SITE "[{'subnet': '10.84.0.0/24', 'vlan_id': 4095}]}", INVALID, "/subnet_vlans/0/vlan_id"),
        CREATE(NETWORK_SITE, SITE "[{'subnet': '10.84.0.0/24', 'secondary_vlan_id': 5}]}", INVALID,
               "/subnet_vlans/0/secondary_vlan_id"),
        CREATE(NETWORK_SITE, SITE "[{'subnet': '10.84.0.0/24'}], 'host_group_ids': ['$north']}", CONFLICT,
               "/host_group_ids/0"),
        CREATE(NETWORK_SITE, SITE "[{'subnet': '10.84.0.0/24'}], 'host_group_ids': [" NO_ID "]}", REFERENCE,
               "/host_group_ids/0"),
        PATCH(NETWORK_SITE, "site-north", "{'subnet_vlans': [{'subnet': '10.85.0.0/24'}]}", IN_USE, "/subnet_vlans"),
        PATCH(NETWORK_SITE, "site-north", "{'logical_network_id': '$plain'}", INVALID, "/logical_network_id"),
        PATCH(NETWORK_SITE, "site-north", "{'host_group_ids': []}", IN_USE, "/host_group_ids"),
        DELETE(NETWORK_SITE, "site-north", IN_USE),
        /* pools */
        CREATE(IP_POOL, "{'name': 'p', 'subnet': '10.0.0.0/24', 'range_start': '10.0.0.5', 'range_end': '10.0.0.9'}",
               INVALID, "/network_site_id"),
        CREATE(IP_POOL,
               "{'name': 'p', 'network_site_id': '$site-north', 'vm_subnet_id': '$red-a', 'subnet': '10.0.0.0/24', "
               "'range_start': '10.0.0.5', 'range_end': '10.0.0.9'}",
               INVALID, "/network_site_id"),
        CREATE(IP_POOL,
               "{'name': 'p', 'network_site_id': '$site-north', 'subnet': '10.83.9.0/24', 'range_start': '10.83.9.5', "
               "'range_end': '10.83.9.9'}",
               INVALID, "/subnet"),
        CREATE(IP_POOL,
               "{'name': 'p', 'vm_subnet_id': '$red-b', 'subnet': '10.0.9.0/24', 'range_start': '10.0.9.5', "
               "'range_end': '10.0.9.9'}",
               INVALID, "/subnet"),
        CREATE(IP_POOL, POOL "'range_start': '10.83.9.5', 'range_end': '10.83.1.9'}", INVALID, "/range_start"),
        CREATE(IP_POOL, POOL "'range_start': '10.83.1.50', 'range_end': '10.83.2.9'}", INVALID, "/range_end"),
        CREATE(IP_POOL, POOL "'range_start': '10.83.1.60', 'range_end': '10.83.1.50'}", INVALID, "/range_end"),
        CREATE(IP_POOL, POOL "'range_start': '10.83.1.0', 'range_end': '10.83.1.5'}", INVALID, "/range_start"),
        CREATE(IP_POOL, POOL "'range_start': '10.83.1.250', 'range_end': '10.83.1.255'}", INVALID, "/range_end"),
        CREATE(IP_POOL, POOL "'range_start': '10.83.1.13', 'range_end': '10.83.1.50'}", CONFLICT, "/range_start"),
        CREATE(IP_POOL,
               POOL "'range_start': '10.83.1.50', 'range_end': '10.83.1.60', 'gateways': [{'address': '10.83.2.1'}]}",
               INVALID, "/gateways/0/address"),
        CREATE(IP_POOL,
               POOL "'range_start': '10.83.1.50', 'range_end': '10.83.1.60', 'gateways': [{'address': '10.83.1.1'}, "
                    "{'address': '10.83.1.1'}]}",
               INVALID, "/gateways/1/address"),
        CREATE(IP_POOL, VPOOL "'range_start': '10.0.1.5', 'range_end': '10.0.1.9', 'reserved': ['10.0.1.10']}", INVALID,
               "/reserved/0"),
        CREATE(IP_POOL, VPOOL "'range_start': '10.0.1.5', 'range_end': '10.0.1.9', 'reserved': ['nonsense']}", INVALID,
               "/reserved/0"),
        CREATE(IP_POOL, VPOOL "'range_start': '10.0.1.5', 'range_end': '10.0.1.9', 'reserved': ['10.0.1.8-10.0.1.6']}",
               INVALID, "/reserved/0"),
        CREATE(IP_POOL,
               VPOOL "'range_start': '10.0.1.5', 'range_end': '10.0.1.9', 'reserved': ['10.0.1.6'], 'vip_reserved': "
                     "['10.0.1.5-10.0.1.7']}",
               INVALID, "/vip_reserved"),
        CREATE(IP_POOL, VPOOL "'range_start': '10.0.1.5', 'range_end': '10.0.1.9', 'dns_servers': ['224.0.0.1']}",
               INVALID, "/dns_servers/0"),
        PATCH(IP_POOL, "pa-north", "{'range_start': '10.83.1.11'}", IN_USE, "/range_end"),
        PATCH(IP_POOL, "red-pool", "{'reserved': ['10.0.0.2']}", IN_USE, "/reserved"),
        PATCH(IP_POOL, "red-pool", "{'vm_subnet_id': '$red-b'}", INVALID, "/vm_subnet_id"),
        DELETE(IP_POOL, "pa-north", IN_USE),
        /* MAC pools, profiles, classifications */
        CREATE(MAC_POOL, "{'name': 'm', 'range_start': '02:00:00:00:00:09', 'range_end': '02:00:00:00:00:01'}", INVALID,
               "/range_end"),
        CREATE(MAC_POOL, "{'name': 'm', 'range_start': '01:00:00:00:00:00', 'range_end': '01:00:00:00:00:01'}", INVALID,
               "/range_start"),
        CREATE(MAC_POOL, "{'name': 'm', 'range_start': '02:00:00:00:00:00', 'range_end': '06:00:00:00:00:01'}", INVALID,
               "/range_end"),
        CREATE(MAC_POOL, "{'name': 'm', 'range_start': '02:5c:00:00:00:00', 'range_end': '02:5c:00:00:00:ff'}",
               CONFLICT, "/range_start"),
        CREATE(MAC_POOL, "{'name': 'm', 'range_start': '02:5c:01:00:00:00', 'range_end': '02:5c:01:00:00:ff'}",
               CONFLICT, "/range_start"),
        DELETE(MAC_POOL, "Default MAC pool", CONFLICT),
        CREATE(VIRTUAL_PORT_PROFILE, "{'name': 'v', 'bandwidth': {'minimum_weight': 5, 'minimum_bps': 1000}}", INVALID,
               "/bandwidth/minimum_bps"),
        CREATE(VIRTUAL_PORT_PROFILE, "{'name': 'v', 'bandwidth': {'maximum_bps': 5, 'minimum_bps': 1000}}", INVALID,
               "/bandwidth/maximum_bps"),
        DELETE(VIRTUAL_PORT_PROFILE, "High bandwidth adapter", IN_USE),
        CREATE(PORT_CLASSIFICATION, "{'name': 'c', 'virtual_port_profile_id': " NO_ID "}", REFERENCE,
               "/virtual_port_profile_id"),
        DELETE(PORT_CLASSIFICATION, "High bandwidth", CONFLICT),
        DELETE(PORT_CLASSIFICATION, "Guest dynamic IP", IN_USE),
        /* VM networks */
        CREATE(VM_NETWORK, "{'name': 'v', 'logical_network_id': '$cloud'}", INVALID, "/tenant_id"),
        CREATE(VM_NETWORK, "{'name': 'v', 'tenant_id': '$blue', 'logical_network_id': '$plain'}", REFERENCE,
               "/logical_network_id"),
        CREATE(VM_NETWORK, "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$plain'}", CONFLICT,
               "/logical_network_id"),
        CREATE(VM_NETWORK, "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$cloud', 'isolation': 'vlan'}",
               CONFLICT, "/isolation"),
        CREATE(VM_NETWORK, "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$cloud', 'vlan_id': 3}", INVALID,
               "/vlan_id"),
        CREATE(VM_NETWORK, "{'name': 'v', 'tenant_id': '$red', 'logical_network_id': '$cloud', 'mtu': 1459}", INVALID,
               "/mtu"),
        CREATE(VM_NETWORK, "{'name': 'v', 'tenant_id': " NO_ID ", 'logical_network_id': '$cloud'}", REFERENCE,
               "/tenant_id"),
        PATCH(VM_NETWORK, "red-net", "{'mtu': 9000}", INVALID, "/mtu"),
        PATCH(VM_NETWORK, "red-net", "{'tenant_id': '$blue'}", INVALID, "/tenant_id"),
        DELETE(VM_NETWORK, "red-net", IN_USE),
        DELETE(TENANT, "red", IN_USE),
        /* VM subnets */
        CREATE(VM_SUBNET, SUBNET "'prefix': '10.0.0.128/25'}", CONFLICT, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '10.0.0.0/8'}", CONFLICT, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '10.2.0.0/30'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '10.0.0.0/7'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '127.0.0.0/24'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '169.254.3.0/24'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '0.0.0.0/8'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '239.0.0.0/24'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '250.0.0.0/8'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '2001:db8::/48'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '2001:db8::/65'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': 'fe80::/64'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': 'ff05::/64'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '::/64'}", INVALID, "/prefix"),
        CREATE(VM_SUBNET, "{'name': 's', 'vm_network_id': '$blue-net', 'prefix': '2001:db8::/64'}", NONE, NULL),
        CREATE(VM_SUBNET, SUBNET "'prefix': '10.3.0.0/24', 'vsid': 4095}", INVALID, "/vsid"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '10.3.0.0/24', 'vsid': 16777215}", INVALID, "/vsid"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '10.3.0.0/24', 'vsid': 4096}", EXISTS, "/vsid"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '10.3.0.0/24', 'tenant_id': '$blue'}", INVALID, "/tenant_id"),
        CREATE(VM_SUBNET, SUBNET "'prefix': '10.3.0.0/24', 'pa_multicast_group': '239.1.1.1'}", NOT_SUPPORTED,
               "/pa_multicast_group"),
        PATCH(VM_SUBNET, "red-a", "{'prefix': '10.4.0.0/24'}", INVALID, "/prefix"),
        PATCH(VM_SUBNET, "red-a", "{'vsid': 5000}", INVALID, "/vsid"),
        DELETE(VM_SUBNET, "red-a", IN_USE),
        /* network adapters */
        CREATE(NETWORK_ADAPTER, NIC "'mac': '02:aa:00:00:00:01'}", EXISTS, "/mac"),
        CREATE(NETWORK_ADAPTER, NIC "'mac': '03:00:00:00:00:01'}", INVALID, "/mac"),
        CREATE(NETWORK_ADAPTER, NIC "'mac': '00:00:00:00:00:00'}", INVALID, "/mac"),
        CREATE(NETWORK_ADAPTER, NIC "'mac': '02:5c:00:00:00:01'}", INVALID, "/mac"),
        CREATE(NETWORK_ADAPTER, NIC "'ip_addresses': ['10.0.1.5']}", INVALID, "/ip_addresses/0"),
        CREATE(NETWORK_ADAPTER, NIC "'ip_addresses': ['10.0.0.0']}", INVALID, "/ip_addresses/0"),
        CREATE(NETWORK_ADAPTER, NIC "'ip_addresses': ['10.0.0.255']}", INVALID, "/ip_addresses/0"),
        CREATE(NETWORK_ADAPTER, NIC "'ip_addresses': ['10.0.0.7', '10.0.0.1']}", INVALID, "/ip_addresses/1"),
        CREATE(NETWORK_ADAPTER, NIC "'ip_addresses': ['10.0.0.7', '10.0.0.7']}", INVALID, "/ip_addresses/1"),
        CREATE(NETWORK_ADAPTER, NIC "'ip_addresses': ['10.0.0.2']}", EXISTS, "/ip_addresses/0"),
        CREATE(NETWORK_ADAPTER, NIC "'ip_addresses': ['2001:db8::7']}", INVALID, "/ip_addresses/0"),
        CREATE(NETWORK_ADAPTER, NIC "'vlan_id': 7}", INVALID, "/vlan_id"),
        CREATE(NETWORK_ADAPTER, "{'name': 'n', 'vm_network_id': '$red-net'}", INVALID, "/vm_subnet_id"),
        CREATE(NETWORK_ADAPTER, NIC "'mirror': 'source', 'protected_network': true}", NONE, NULL),
        CREATE(NETWORK_ADAPTER, "{'name': 'n', 'vm_network_id': '$red-net', 'vm_subnet_id': '$blue-a'}", REFERENCE,
               "/vm_subnet_id"),
        CREATE(NETWORK_ADAPTER, "{'name': 'n', 'vm_network_id': '$red-net', 'vm_subnet_id': " NO_ID "}", REFERENCE,
               "/vm_subnet_id"),
        CREATE(NETWORK_ADAPTER, NIC "'classification_id': '$High bandwidth'}", REFERENCE, "/classification_id"),
        CREATE(NETWORK_ADAPTER, NIC "'interface': 'tap9'}", INVALID, "/interface"),
        CREATE(NETWORK_ADAPTER, NIC "'host_id': '$h1', 'interface': 'a/b'}", INVALID, "/interface"),
        CREATE(NETWORK_ADAPTER, NIC "'host_id': '$h1', 'interface': 'tap1'}", EXISTS, "/interface"),
        CREATE(NETWORK_ADAPTER, NIC "'host_id': " NO_ID "}", REFERENCE, "/host_id"),
        CREATE(NETWORK_ADAPTER, NIC "'tenant_id': '$blue'}", INVALID, "/tenant_id"),
        PATCH(NETWORK_ADAPTER, "red-1", "{'mac': '02:aa:00:00:00:02'}", INVALID, "/mac"),
        PATCH(NETWORK_ADAPTER, "red-1", "{'vm_subnet_id': '$red-b'}", INVALID, "/vm_subnet_id"),
        REPLACE(NETWORK_ADAPTER, "red-1", "{'name': 'red-1', 'vm_network_id': '$blue-net', 'vm_subnet_id': '$red-a'}",
                INVALID, "/vm_network_id"),
        /* hosts */
        CREATE(HOST, "{'name': 'h9'}", METHOD, NULL),
        PATCH(HOST, "h1", "{'state': 'asleep'}", INVALID, "/state"),
        PATCH(HOST, "h2", "{'state': 'maintenance'}", NONE, NULL),
        PATCH(HOST, "h2", "{'state': 'active'}", NONE, NULL),
        PATCH(HOST, "h1", "{'host_group_id': '$south'}", IN_USE, "/host_group_id"),
        PATCH(HOST, "h1", "{'host_group_id': null}", IN_USE, "/host_group_id"),
        PATCH(HOST, "h1", "{'uplinks': []}", IN_USE, "/uplinks"),
        PATCH(HOST, "h1", "{'uplinks': [{'name': 'a', 'interface': 'eth1'}, {'name': 'a', 'interface': 'eth2'}]}",
              INVALID, "/uplinks/1/name"),
        PATCH(HOST, "h1", "{'uplinks': [{'name': 'a', 'interface': 'eth1'}, {'name': 'b', 'interface': 'eth1'}]}",
              INVALID, "/uplinks/1/interface"),
        PATCH(HOST, "h1", "{'uplinks': [{'name': 'a', 'interface': 'eth 1'}]}", INVALID, "/uplinks/0/interface"),
        PATCH(HOST, "h1", "{'uplinks': [{'name': 'a', 'interface': 'eth1', 'network_site_ids': ['x']}]}", INVALID,
              "/uplinks/0/network_site_ids/0"),
        PATCH(HOST, "h1", "{'uplinks': [{'name': 'a', 'interface': 'eth1', 'network_site_ids': ['$site-south']}]}",
              CONFLICT, "/uplinks/0/network_site_ids/0"),
        PATCH(HOST, "h1", "{'uplinks': [{'name': 'a', 'interface': 'eth1', 'network_site_ids': [" NO_ID "]}]}",
              REFERENCE, "/uplinks/0/network_site_ids/0"),
        PATCH(HOST, "h1", "{'gateway_only': true}", IN_USE, "/gateway_only"),
        DELETE(HOST, "h1", IN_USE),
        /* tokens cannot change */
        CREATE(JOIN_TOKEN, "{'name': 'j', 'ttl_s': 5}", INVALID, "/ttl_s"),
        CREATE(JOIN_TOKEN, "{'name': 'j', 'uses': 0}", INVALID, "/uses"),
        CREATE(TOKEN, "{'name': 'k', 'role': 'king'}", INVALID, "/role"),
};

static void check(struct world *world, const struct refusal *refusal, size_t row)
{
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    int64_t before = skr_store_revision(world->test.store);
    world_request(world, refusal->operation, refusal->resource, refusal->target, refusal->json, &answer);
    const char *json = refusal->json ? refusal->json : refusal->target;
    if (refusal->tag == SKR_ERROR_NONE) {
        cr_expect_eq(answer.result, 0, "row %zu %s: %s", row, json, answer.error.detail);
        return;
    }
    cr_expect_lt(answer.result, 0, "row %zu passed: %s", row, json);
    cr_expect_eq(answer.error.tag, refusal->tag, "row %zu %s: tag %s (%s), wanted %s", row, json,
                 skr_error_tag_info(answer.error.tag)->name, answer.error.detail,
                 skr_error_tag_info(refusal->tag)->name);
    if (refusal->pointer)
        cr_expect_str_eq(answer.error.fields[0].pointer, refusal->pointer, "row %zu %s: %s at %s", row, json,
                         answer.error.detail, answer.error.fields[0].pointer);
    cr_expect_gt(strlen(answer.error.detail), 15, "row %zu says too little: %s", row, answer.error.detail);
    cr_expect_eq(skr_store_revision(world->test.store), before, "row %zu left something behind", row);
}

Test(model_refusals, table)
{
    struct world world;
    world_open(&world);
    world_fill(&world);
    cr_assert_gt(SKR_ARRAY_SIZE(refusals), 60);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(refusals); i++)
        check(&world, &refusals[i], i);
    world_close(&world);
}

/* A refusal lists the users of the object, with ids. */
Test(model_refusals, users_are_named)
{
    struct world world;
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_open(&world);
    world_fill(&world);
    world_request(&world, SKR_OPERATION_DELETE, SKR_VM_SUBNET, "red-a", NULL, &answer);
    cr_assert_eq(answer.error.tag, SKR_ERROR_IN_USE);
    cr_expect_eq(answer.error.field_count, 2);
    cr_expect(strstr(answer.error.detail, "red-1"), "%s", answer.error.detail);
    cr_expect(strstr(answer.error.fields[1].detail, "red-pool"), "%s", answer.error.fields[1].detail);
    world_close(&world);
}

static int write_as(struct world *world, struct skr_write_request *request, struct skr_error *error)
{
    *error = (struct skr_error){0};
    return skr_store_write_wait(world->test.store, skr_model_write, request, NULL, error);
}

Test(model_refusals, preconditions)
{
    struct world world;
    struct skr_error error;
    world_open(&world);
    world_fill(&world);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *input = NULL;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = world_get(&world, SKR_TENANT, "red");
    cr_assert_eq(world_parse(&world, skr_resource_get(SKR_TENANT), "{'description': 'x'}", true, &input, &error), 0);
    struct skr_write_request request = {.operation = SKR_OPERATION_PATCH,
                                        .resource = SKR_TENANT,
                                        .principal = {.role = SKR_ROLE_ADMIN},
                                        .id = world_id(&world, "red"),
                                        .input = input};
    cr_expect_lt(write_as(&world, &request, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_PRECONDITION_REQUIRED);
    request.if_match = skr_object_integer(tenant, SKR_FIELD_ETAG) + 1;
    cr_expect_lt(write_as(&world, &request, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_PRECONDITION_FAILED);
    request.if_match--;
    request.dry_run = true;
    cr_expect_eq(write_as(&world, &request, &error), -ECANCELED);
    cr_expect_str_eq(skr_object_text(request.result, SKR_FIELD_DESCRIPTION), "x");
    request.dry_run = false;
    cr_expect_eq(write_as(&world, &request, &error), 0, "%s", error.detail);
    cr_expect_lt(write_as(&world, &request, &error), 0); /* the etag has moved on */
    cr_expect_eq(error.tag, SKR_ERROR_PRECONDITION_FAILED);
    request.id = skr_uuid_new();
    cr_expect_lt(write_as(&world, &request, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_NOT_FOUND);
    request.resource = SKR_EVENT;
    cr_expect_lt(write_as(&world, &request, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_METHOD);
    request.resource = SKR_TOKEN;
    cr_expect_lt(write_as(&world, &request, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_METHOD);
    skr_write_request_done(&request);
    world_close(&world);
}

Test(model_refusals, database_that_was_rolled_back)
{
    struct world world;
    struct skr_error error = {0};
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_open(&world);
    world_fill(&world);
    cr_assert_eq(
            skr_store_write_wait(world.test.store, skr_model_set_rolled_back, &(struct skr_rollback){0}, NULL, &error),
            0);
    world_request(&world, SKR_OPERATION_CREATE, SKR_TENANT, NULL, "{'name': 'late'}", &answer);
    cr_expect_eq(answer.error.tag, SKR_ERROR_CONFLICT);
    cr_expect_eq(world_events(&world, "DatabaseRolledBack"), 1);
    world_close(&world);
}
