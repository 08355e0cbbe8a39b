#include "tests/component/controller/blind_scene.h"

#include <criterion/criterion.h>
#include <skerry/resource_fields.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct blind_scene scene;
static struct skr_uuid hosts[2];

/* Creates by a body whose single quotes are double ones; the id is in a buffer that a few later calls leave alone. */
static const char *make(const char *collection, const char *format, ...) SKR_PRINTF(2, 3);
static const char *make(const char *collection, const char *format, ...)
{
    static char ids[64][37];
    static unsigned next;
    char body[1500], path[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(body, sizeof(body), format, arguments);
    va_end(arguments);
    for (char *c = body; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    cr_assert_lt(next, SKR_ARRAY_SIZE(ids));
    snprintf(path, sizeof(path), "/v1/%s", collection);
    API_REPLY reply = api_call(scene.server, "POST", path, body, NULL);
    cr_assert(reply.status == 201 || reply.status == 202, "%s: %s", body, reply.text);
    snprintf(ids[next], sizeof(ids[next]), "%s", api_text(reply.json, "id"));
    return ids[next++];
}

static struct api_reply patch(const char *collection, const char *id, const char *body)
{
    char path[128], line[80];
    snprintf(path, sizeof(path), "/v1/%s/%s", collection, id);
    API_REPLY before = api_call(scene.server, "GET", path, NULL, NULL);
    snprintf(line, sizeof(line), "If-Match: %s", before.etag);
    return api_call(scene.server, "PATCH", path, body, (const char *const[]){line, NULL});
}

void blind_change(const char *collection, const char *id, const char *body)
{
    API_REPLY reply = patch(collection, id, body);
    cr_assert_eq(reply.status, 200, "%s", reply.text);
}

static void login(const char *tenant)
{
    char body[200];
    snprintf(body, sizeof(body), "{\"name\": \"own\", \"role\": \"tenant-admin\", \"tenant_id\": \"%s\"}", tenant);
    API_REPLY reply = api_call(scene.server, "POST", "/v1/tokens", body, NULL);
    cr_assert_eq(reply.status, 201, "%s", reply.text);
    snprintf(scene.bearer, sizeof(scene.bearer), "Authorization: Bearer %s.%s", api_text(reply.json, "id"),
             api_text(reply.json, "secret"));
}

static int add_hosts(struct skr_txn *txn, void *group, struct skr_error *error)
{
    for (unsigned i = 0; i < 2; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = skr_object_new(skr_resource_get(SKR_HOST));
        struct skr_uuid group_id;
        hosts[i] = skr_uuid_new();
        skr_uuid_parse(group, &group_id);
        skr_object_set_uuid(host, SKR_FIELD_ID, &hosts[i]);
        skr_object_set_text(host, SKR_FIELD_NAME, i ? BLIND_WORD "-host-2" : BLIND_WORD "-host-1");
        skr_object_set_uuid(host, SKR_HOST_HOST_GROUP_ID, &group_id);
        skr_object_set_text(host, SKR_HOST_ENROLMENT, "enrolled");
        skr_object_fill_defaults(host);
        int r = skr_txn_insert(txn, host, error);
        if (r < 0)
            return r;
    }
    return 0;
}

struct fabric {
    const char *group, *networks[4], *sites[4]; /* virtualized, in VLANs, passing through for one tenant each */
    const char *pool_of_vlan, *classification;
    char hosts[2][37];
};

static void build_fabric(struct fabric *fabric)
{
    static const char *const networks[] = {
            "'isolation': 'connected', 'network_virtualization': true",
            "'isolation': 'vlan', 'network_virtualization': false",
            "'isolation': 'connected', 'network_virtualization': false",
            "'isolation': 'connected', 'network_virtualization': false",
    };
    static const char *const sites[] = {
            "{'subnet': '198.51.100.0/24', 'vlan_id': 3000}",
            "{'subnet': '10.31.1.0/24', 'vlan_id': 3001}, {'subnet': '10.31.2.0/24', 'vlan_id': " BLIND_OWN_VLAN "}, "
            "{'subnet': '10.31.3.0/24', 'vlan_id': 3003}",
            "{'subnet': '10.33.1.0/24', 'vlan_id': 3011}, {'subnet': '10.33.2.0/24', 'vlan_id': 3012}",
            "{'subnet': '10.34.1.0/24', 'vlan_id': 3021}, {'subnet': '10.34.2.0/24', 'vlan_id': 3022}",
    };
    struct skr_error error = {0};
    fabric->group = make("host-groups", "{'name': '" BLIND_WORD "-group'}");
    for (unsigned i = 0; i < SKR_ARRAY_SIZE(networks); i++) {
        fabric->networks[i] = make("logical-networks", "{'name': 'seen-%u', %s}", i, networks[i]);
        fabric->sites[i] =
                make("network-sites",
                     "{'name': '" BLIND_WORD "-site-%u', 'logical_network_id': '%s', 'host_group_ids': ['%s'], "
                     "'subnet_vlans': [%s]}",
                     i, fabric->networks[i], fabric->group, sites[i]);
    }
    make("ip-pools",
         "{'name': '" BLIND_WORD "-pool-1', 'network_site_id': '%s', 'subnet': '198.51.100.0/24', 'range_start': "
         "'198.51.100.10', 'range_end': '198.51.100.20'}",
         fabric->sites[0]);
    fabric->pool_of_vlan = make("ip-pools",
                                "{'name': '" BLIND_WORD "-pool-2', 'network_site_id': '%s', 'subnet': '10.31.2.0/24', "
                                "'range_start': '10.31.2.10', 'range_end': '10.31.2.13', 'reserved': ['10.31.2.12'], "
                                "'vip_reserved': ['10.31.2.13'], 'gateways': [{'address': '10.31.2.1', 'metric': 1}]}",
                                fabric->sites[1]);
    fabric->classification = make("port-classifications", "{'name': 'seen-class', 'virtual_port_profile_id': '%s'}",
                                  make("virtual-port-profiles", "{'name': '" BLIND_WORD "-profile'}"));
    cr_assert_eq(skr_store_write_wait(scene.server->database.store, add_hosts, (void *)(uintptr_t)fabric->group, NULL,
                                      &error),
                 0, "%s", error.detail);
    for (unsigned i = 0; i < 2; i++) {
        skr_uuid_format(&hosts[i], fabric->hosts[i]);
        blind_change("hosts", fabric->hosts[i],
                     "{\"uplinks\": [{\"name\": \"" BLIND_WORD "-uplink\", \"interface\": \"" BLIND_WORD "0\"}]}");
    }
    make("mac-pools",
         "{'name': '" BLIND_WORD "-macs', 'host_group_ids': ['%s'], 'range_start': '02:aa:00:00:00:00', 'range_end': "
         "'02:aa:00:00:00:05'}",
         fabric->group);
}

/* A tenant whose names begin with `word`; `foreign`: it comes first, and so has what there is once. */
static const char *build_tenant(const struct fabric *fabric, const char *word, bool foreign)
{
    const char *tenant =
            make("tenants",
                 "{'name': '%s', 'logical_network_ids': ['%s', '%s', '%s', '%s'], 'port_classification_ids': "
                 "['%s']}",
                 word, fabric->networks[0], fabric->networks[1], fabric->networks[2], fabric->networks[3],
                 fabric->classification);
    const char *lan, *open, *network, *subnet, *list;
    list = make("access-control-lists",
                "{'name': '%s-list', 'tenant_id': '%s', 'rules': [{'name': 'r', 'direction': "
                "'in', 'action': 'allow'}]}",
                word, tenant);
    network = make("vm-networks", "{'name': '%s-net', 'tenant_id': '%s', 'logical_network_id': '%s'}", word, tenant,
                   fabric->networks[0]);
    subnet = make("vm-subnets",
                  "{'name': '%s-subnet', 'tenant_id': '%s', 'vm_network_id': '%s', 'prefix': "
                  "'10.0.0.0/24', 'acl_ids': ['%s']}",
                  word, tenant, network, list);
    make("ip-pools",
         "{'name': '%s-pool', 'vm_subnet_id': '%s', 'subnet': '10.0.0.0/24', 'range_start': '10.0.0.2', "
         "'range_end': '10.0.0.9'}",
         word, subnet);
    make("customer-routes",
         "{'name': '%s-route', 'tenant_id': '%s', 'vm_network_id': '%s', 'destination': "
         "'172.16.0.0/16', 'next_hop': '10.0.0.5', 'metric': 1}",
         word, tenant, network);
    make("network-adapters",
         "{'name': '%s-vm', 'tenant_id': '%s', 'vm_network_id': '%s', 'vm_subnet_id': '%s', "
         "'host_id': '%s', 'interface': '" BLIND_WORD "-%u', 'acl_ids': ['%s']}",
         word, tenant, network, subnet, fabric->hosts[0], foreign, list);
    lan = make("vm-networks",
               "{'name': '%s-lan', 'tenant_id': '%s', 'logical_network_id': '%s', 'isolation': 'vlan', "
               "'network_site_id': '%s', 'vlan_id': %s}",
               word, tenant, fabric->networks[1], fabric->sites[1], foreign ? "3001" : BLIND_OWN_VLAN);
    make("network-adapters", "{'name': '%s-lan-vm', 'tenant_id': '%s', 'vm_network_id': '%s', 'host_id': '%s'%s}", word,
         tenant, lan, fabric->hosts[0], foreign ? ", 'ip_addresses': []" : "");
    open = make("vm-networks",
                "{'name': '%s-open', 'tenant_id': '%s', 'logical_network_id': '%s', 'isolation': 'none'}", word, tenant,
                fabric->networks[foreign ? 2 : 3]);
    make("network-adapters",
         "{'name': '%s-open-vm', 'tenant_id': '%s', 'vm_network_id': '%s', 'host_id': '%s', 'vlan_id': %u, "
         "'ip_addresses': []}",
         word, tenant, open, fabric->hosts[0], foreign ? 3011 : 3021);
    make("users", "{'name': '%s-user', 'tenant_id': '%s', 'password': 'a long password'}", word, tenant);
    return tenant;
}

/* The fabric uses objects of the tenant and takes the rest of what the tenant needs, so that the tenant's writes are
 * refused because of objects that it does not see. */
static void be_in_the_way(const struct fabric *fabric)
{
    char path[128];
    API_REPLY lans = api_call(scene.server, "GET", "/v1/vm-networks?name=own-lan", NULL, NULL);
    const char *lan = api_text(json_array_get(json_object_get(lans.json, "items"), 0), "id");
    API_REPLY adapters = api_call(scene.server, "GET", "/v1/network-adapters?name=own-vm", NULL, NULL);
    const char *adapter = api_text(json_array_get(json_object_get(adapters.json, "items"), 0), "id");
    const char *logical = make("logical-switches", "{'name': '" BLIND_WORD "-switch'}");
    const char *kept = make("vm-networks",
                            "{'name': 'own-kept', 'tenant_id': '%s', 'logical_network_id': '%s', 'isolation': 'vlan', "
                            "'network_site_id': '%s', 'vlan_id': 3003}",
                            scene.tenant, fabric->networks[1], fabric->sites[1]);
    make("host-switches",
         "{'name': '" BLIND_WORD
         "-host-switch', 'host_id': '%s', 'logical_switch_id': '%s', 'uplinks': [{'interface': '" BLIND_WORD
         "0'}], 'host_adapters': [{'name': '" BLIND_WORD "-adapter-1', 'vm_network_id': '%s'}, {'name': '" BLIND_WORD
         "-adapter-2', 'vm_network_id': '%s'}]}",
         fabric->hosts[1], logical, lan, kept);
    snprintf(path, sizeof(path), "/v1/ip-pools/%s:allocate", fabric->pool_of_vlan);
    API_REPLY taken = api_call(scene.server, "POST", path, "{}", NULL);
    cr_assert_eq(taken.status, 200, "%s", taken.text);
    snprintf(path, sizeof(path), "/v1/network-adapters/%s:migrate", adapter);
    char body[80];
    snprintf(body, sizeof(body), "{\"host_id\": \"%s\"}", fabric->hosts[1]);
    API_REPLY job = api_call(scene.server, "POST", path, body, NULL);
    cr_assert_eq(job.status, 202, "%s", job.text);
}

const struct blind_scene *blind_scene_build(struct api_server *server)
{
    struct fabric fabric = {0};
    scene.server = server;
    build_fabric(&fabric);
    build_tenant(&fabric, BLIND_WORD "-tenant", true);
    scene.tenant = build_tenant(&fabric, "own", false);
    be_in_the_way(&fabric);
    login(scene.tenant);
    return &scene;
}
