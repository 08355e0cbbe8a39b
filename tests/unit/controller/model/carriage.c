/* A host that can carry no virtualized network says so, why, and what to do; one that nobody asks says nothing. */
#include "tests/support/controller/world.h"

static struct world w;
static struct skr_error error;

static void begin(void)
{
    world_open(&w);
}

static void end(void)
{
    world_close(&w);
}

TestSuite(model_carriage, .init = begin, .fini = end);

/* The host's reason holds the words, in its compliance and as its problem; NULL: it has none. */
static void expect_reason(const char *host, const char *words, const char *next)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = world_get(&w, SKR_HOST, host);
    const json_t *told = object->values[SKR_HOST_COMPLIANCE].json;
    const char *reason = json_string_value(json_object_get(told, "reason"));
    const char *problem = skr_object_text(object, SKR_HOST_PROBLEM);
    cr_expect_eq(json_is_true(json_object_get(told, "compliant")), !words, "%s: %s", host, reason ? reason : "-");
    cr_expect_eq(json_integer_value(json_object_get(told, "non_compliant")), 0, "no row says so");
    if (!words) {
        cr_expect(json_is_null(json_object_get(told, "reason")) && !problem, "%s: %s", host, reason ? reason : problem);
        return;
    }
    cr_assert(reason, "%s says nothing, expected: %s", host, words);
    cr_expect(strstr(reason, words) && strstr(reason, next), "%s", reason);
    cr_expect_str_eq(problem ? problem : "", reason);
}

static void add_host(const char *name, const char *group, const char *uplink, uint8_t key)
{
    cr_assert_eq(world_join(&w, name, group, uplink, key, &error), 0, "%s", error.detail);
    struct skr_host_seen seen = {.host_id = world_id(&w, name), .now_ms = 1000};
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_host_seen, &seen, NULL, &error), 0, "%s", error.detail);
}

static void add_site(const char *name, const char *group, int subnet)
{
    char json[256];
    snprintf(json, sizeof(json),
             "{'name': '%s', 'logical_network_id': '$cloud', 'host_group_ids': ['$%s'], 'subnet_vlans': [{'subnet': "
             "'10.83.%d.0/24', 'vlan_id': 0}]}",
             name, group, subnet);
    world_create(&w, SKR_NETWORK_SITE, name, json);
}

static void add_pool(const char *name, const char *site, int subnet, int last)
{
    char json[256];
    snprintf(json, sizeof(json),
             "{'name': '%s', 'network_site_id': '$%s', 'subnet': '10.83.%d.0/24', 'range_start': '10.83.%d.10', "
             "'range_end': '10.83.%d.%d'}",
             name, site, subnet, subnet, subnet, last);
    world_create(&w, SKR_IP_POOL, name, json);
}

Test(model_carriage, from_a_bare_host_to_one_that_carries)
{
    world_create(&w, SKR_HOST_GROUP, "north", "{'name': 'north'}");
    world_create(&w, SKR_HOST_GROUP, "south", "{'name': 'south'}");
    add_host("h1", "north", NULL, 1);
    expect_reason("h1", NULL, NULL); /* nothing is virtualized here */
    world_create(&w, SKR_LOGICAL_NETWORK, "vlans", "{'name': 'vlans', 'network_virtualization': false}");
    expect_reason("h1", NULL, NULL);
    world_create(&w, SKR_LOGICAL_NETWORK, "cloud", "{'name': 'cloud', 'network_virtualization': true}");
    expect_reason("h1", "no uplink", "skerryctl host edit h1 --uplink INTERFACE");
    world_patch(&w, SKR_HOST, "h1", "{'uplinks': [{'name': 'a', 'interface': 'eth1'}]}");
    expect_reason("h1", "no site of a virtualized logical network serves its host group \"north\"", "host-group");
    add_site("s-south", "south", 2);
    expect_reason("h1", "serves its host group \"north\"", "host-group");
    add_site("s-north", "north", 1);
    expect_reason("h1", "no IPv4 pool of site \"s-north\" has a free address", "IP pool");
    add_pool("p", "s-north", 1, 10);
    expect_reason("h1", NULL, NULL);
    add_host("h2", "north", "eth1", 2);
    expect_reason("h2", "cannot carry logical network \"cloud\": no IPv4 pool of site \"s-north\"", "larger one");
    world_patch(&w, SKR_HOST, "h1", "{'uplinks': []}");
    expect_reason("h1", "no uplink", "--uplink");
}

Test(model_carriage, what_the_uplinks_are_said_to_reach)
{
    world_create(&w, SKR_LOGICAL_NETWORK, "cloud", "{'name': 'cloud', 'network_virtualization': true}");
    world_create(&w, SKR_LOGICAL_NETWORK, "vlans", "{'name': 'vlans', 'network_virtualization': false}");
    add_site("here", "root", 1);
    add_pool("p", "here", 1, 20);
    world_create(&w, SKR_NETWORK_SITE, "rack",
                 "{'name': 'rack', 'logical_network_id': '$vlans', 'host_group_ids': ['$root'], 'subnet_vlans': "
                 "[{'vlan_id': 7}]}");
    add_host("h1", "root", "eth1", 1);
    expect_reason("h1", NULL, NULL);
    world_patch(&w, SKR_HOST, "h1", "{'uplinks': [{'name': 'a', 'interface': 'eth1', 'network_site_ids': ['$rack']}]}");
    expect_reason("h1", "its uplink eth1 names the sites that it reaches, and site \"here\"", "network_site_ids");
    world_create(&w, SKR_UPLINK_PORT_PROFILE, "profile", "{'name': 'profile', 'network_site_ids': ['$rack']}");
    world_create(&w, SKR_LOGICAL_SWITCH, "switch",
                 "{'name': 'switch', 'type': 'external', 'uplink_port_profile_ids': ['$profile']}");
    world_create(&w, SKR_HOST_SWITCH, "hs1",
                 "{'host_id': '$h1', 'logical_switch_id': '$switch', 'uplinks': [{'interface': 'eth1', "
                 "'uplink_port_profile_id': '$profile'}]}");
    expect_reason("h1", "uplink port profile \"profile\" of its uplink eth1 does not list site \"here\"",
                  "Add the site");
    world_patch(&w, SKR_UPLINK_PORT_PROFILE, "profile", "{'network_virtualization': false}");
    expect_reason("h1", NULL, NULL); /* somebody decided that this host carries none */
    world_patch(&w, SKR_UPLINK_PORT_PROFILE, "profile",
                "{'network_virtualization': true, 'network_site_ids': ['$rack', '$here']}");
    expect_reason("h1", NULL, NULL);
}

/* The inventory of a host that the reports tell. */
static void has_interfaces(const char *host, char *name)
{
    Skerry__V1__Interface one = SKERRY__V1__INTERFACE__INIT, *list[] = {&one};
    Skerry__V1__Report report = SKERRY__V1__REPORT__INIT;
    one.name = name;
    report.interfaces = list;
    report.n_interfaces = 1;
    struct skr_report_write write = {.host_id = world_id(&w, host), .report = &report};
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_report, &write, NULL, &error), 0, "%s", error.detail);
    skerry__v1__report_accepted__free_unpacked(write.accepted, NULL);
}

Test(model_carriage, an_uplink_that_is_not_there)
{
    world_create(&w, SKR_LOGICAL_NETWORK, "cloud", "{'name': 'cloud', 'network_virtualization': true}");
    add_site("here", "root", 1);
    add_pool("p", "here", 1, 20);
    add_host("h1", "root", "eth1", 1);
    expect_reason("h1", NULL, NULL); /* it has told nothing of its interfaces */
    has_interfaces("h1", (char[]){"eth0"});
    expect_reason("h1", "no interface eth1", "--uplink");
    has_interfaces("h1", (char[]){"eth1"});
    expect_reason("h1", NULL, NULL);
    world_patch(&w, SKR_HOST, "h1", "{'uplinks': [{'name': 'a', 'interface': 'eth7'}]}");
    expect_reason("h1", "no interface eth7", "skerryctl host edit h1");
}

Test(model_carriage, a_session_in_trouble_comes_first)
{
    world_create(&w, SKR_LOGICAL_NETWORK, "cloud", "{'name': 'cloud', 'network_virtualization': true}");
    add_host("h1", "root", NULL, 1);
    expect_reason("h1", "no uplink", "--uplink");
    struct skr_host_problem problem = {.host_id = world_id(&w, "h1"), .reason = "HostHeld", .text = "It is held."};
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_host_problem, &problem, NULL, &error), 0, "%s",
                 error.detail);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = world_get(&w, SKR_HOST, "h1");
    const json_t *told = host->values[SKR_HOST_COMPLIANCE].json;
    cr_expect_str_eq(skr_object_text(host, SKR_HOST_PROBLEM), "It is held.");
    cr_expect(strstr(json_string_value(json_object_get(told, "reason")), "no uplink"));
    problem.text[0] = '\0';
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_host_problem, &problem, NULL, &error), 0);
    expect_reason("h1", "no uplink", "--uplink");
    /* Only read, never kept: the row of the host is as it was. */
    world_patch(&w, SKR_HOST, "h1", "{'description': 'rack 3'}");
    world_patch(&w, SKR_LOGICAL_NETWORK, "cloud", "{'network_virtualization': false}");
    expect_reason("h1", NULL, NULL);
}
