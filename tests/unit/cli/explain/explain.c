#include "cli/explain/explain.h"

#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <string.h>

#define NETWORK   "\"vm_network_id\": \"n1\""
#define REALIZED  "\"realization\": {\"state\": \"realized\"}"
#define BOUND     "\"status\": {\"bound\": true, \"bound_interface\": \"tap0\", " REALIZED "}"
#define RULE_TAIL ", \"weight\": 0}"

static json_t *json(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, 0, &error);
    cr_assert(value, "%s: %s", text, error.text);
    return value;
}

struct scene {
    struct skr_explain_facts facts;
    json_t *from, *to, *routes, *from_lists, *to_lists, *from_subnet, *to_subnet, *host;
};

static void open_scene(struct scene *scene)
{
    scene->from = json("{\"vm_subnet_id\": \"s1\", " NETWORK ", " BOUND "}");
    scene->to = json("{\"vm_subnet_id\": \"s2\", " NETWORK ", " BOUND "}");
    scene->routes = json("[{\"destination\": \"10.0.1.0/24\", \"vm_subnet_id\": \"s1\"},"
                         " {\"destination\": \"10.0.2.0/24\", \"vm_subnet_id\": \"s2\"}]");
    scene->host = json("{\"name\": \"h1\", \"status\": {\"online\": true}}");
    scene->from_lists = json_array();
    scene->to_lists = json_array();
    scene->from_subnet = json_array();
    scene->to_subnet = json_array();
    scene->facts = (struct skr_explain_facts){
            .from = {"a", scene->from, scene->host, scene->from_lists, scene->from_subnet, "10.0.1.5"},
            .to = {"b", scene->to, scene->host, scene->to_lists, scene->to_subnet, "10.0.2.5"},
            .routes = scene->routes,
            .protocol = -1,
            .port = -1};
}

static void close_scene(struct scene *scene)
{
    json_t *const all[] = {scene->from,     scene->to,          scene->routes,    scene->from_lists,
                           scene->to_lists, scene->from_subnet, scene->to_subnet, scene->host};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(all); i++)
        json_decref(all[i]);
}

/* The verdict, and the text of the last finding in `words`. */
static void expect(const struct scene *scene, enum skr_finding_state verdict, const char *words)
{
    json_t *findings = skr_explain(&scene->facts);
    char *all = json_dumps(findings, 0);
    cr_expect_eq(skr_explain_verdict(findings), verdict, "%s", all);
    cr_expect(strstr(all, words), "%s is not in %s", words, all);
    free(all);
    json_decref(findings);
}

static void add_list(json_t *lists, const char *rules)
{
    char text[1024];
    snprintf(text, sizeof(text), "{\"name\": \"web\", \"rules\": [%s]}", rules);
    json_array_append_new(lists, json(text));
}

Test(explain, nothing_in_the_way)
{
    struct scene scene;
    open_scene(&scene);
    expect(&scene, SKR_FINDING_FINE, "the VM network's router has a route to 10.0.2.5, VM subnet 10.0.2.0/24");
    scene.facts.to.address = "10.0.1.6";
    expect(&scene, SKR_FINDING_FINE, "same VM subnet");
    close_scene(&scene);
}

Test(explain, each_thing_that_stops_it)
{
    struct scene scene;
    open_scene(&scene);
    scene.facts.to.address = "10.0.9.9";
    expect(&scene, SKR_FINDING_STOPS, "no route: the VM network of a has none to 10.0.9.9");
    scene.facts.to.address = "10.0.2.9";
    scene.facts.to.adapter = NULL;
    expect(&scene, SKR_FINDING_STOPS, "no network adapter of the VM network has the address 10.0.2.9");
    scene.facts.to.adapter = scene.to;
    json_object_set_new(scene.to, "vm_network_id", json_string("n2"));
    expect(&scene, SKR_FINDING_STOPS, "another VM network");
    close_scene(&scene);
}

Test(explain, ends_that_are_not_there)
{
    struct scene scene;
    open_scene(&scene);
    json_t *status = json("{\"bound\": false, \"bound_reason\": \"no_interface\"}");
    json_object_set(scene.to, "status", status);
    expect(&scene, SKR_FINDING_STOPS, "b is unbound: no_interface; start its VM on host h1, with the alias skerry:");
    json_object_set(scene.from, "status", status);
    expect(&scene, SKR_FINDING_STOPS, "a is unbound: no_interface; start its VM on");
    json_decref(status);
    close_scene(&scene);
}

/* The port stands and everything is green, and the guest is dead: that comes before whatever else is said. */
Test(explain, a_guest_with_another_mac)
{
    struct scene scene;
    open_scene(&scene);
    json_t *status = json_object_get(scene.to, "status");
    json_object_set_new(status, "bound_reason", json_string("wrong_mac: the guest sends from MAC 02:00:00:00:00:09"));
    expect(&scene, SKR_FINDING_STOPS, "the VM of b has another MAC than its adapter: wrong_mac");
    json_object_set_new(status, "bound_reason", json_string("other_mac: the guest sends from MAC 02:00:00:00:00:09"));
    expect(&scene, SKR_FINDING_UNCERTAIN, "the VM of b has another MAC than its adapter: other_mac");
    close_scene(&scene);
}

Test(explain, hosts_that_are_away_or_behind)
{
    struct scene scene;
    open_scene(&scene);
    json_object_set_new(json_object_get(scene.host, "status"), "online", json_false());
    expect(&scene, SKR_FINDING_UNCERTAIN, "host h1 is offline");
    json_object_set_new(json_object_get(scene.host, "status"), "online", json_true());
    json_object_set_new(
            json_object_get(scene.to, "status"), "realization",
            json("{\"state\": \"failed\", \"hosts\": {\"not_applied\": [{\"state\": \"failed\", \"reason\": "
                 "\"not_supported: x\"}]}}"));
    expect(&scene, SKR_FINDING_UNCERTAIN, "a host: failed, not_supported: x");
    close_scene(&scene);
}

Test(explain, a_route_by_way_of_a_vm_is_uncertain_and_the_longest_prefix_wins)
{
    struct scene scene;
    open_scene(&scene);
    json_array_append_new(scene.routes, json("{\"destination\": \"0.0.0.0/0\", \"next_hop\": \"10.0.1.1\"}"));
    expect(&scene, SKR_FINDING_FINE, "10.0.2.0/24");
    scene.facts.to.address = "8.8.8.8";
    scene.facts.to.adapter = NULL;
    expect(&scene, SKR_FINDING_UNCERTAIN, "by way of 10.0.1.1");
    close_scene(&scene);
}

Test(explain, rules_in_order)
{
    struct scene scene;
    open_scene(&scene);
    add_list(scene.to_lists, "{\"name\": \"ssh\", \"direction\": \"in\", \"action\": \"allow\", \"protocol\": \"tcp\", "
                             "\"local_ports\": \"22\"" RULE_TAIL);
    scene.facts.protocol = 6;
    scene.facts.port = 22;
    expect(&scene, SKR_FINDING_FINE, "allows it");
    scene.facts.port = 80;
    expect(&scene, SKR_FINDING_STOPS, "no rule of the access control lists of the adapter b allows it in");
    scene.facts.port = -1;
    expect(&scene, SKR_FINDING_UNCERTAIN, "allows some of it; say --protocol and --port");
    add_list(scene.to_lists,
             "{\"name\": \"never\", \"direction\": \"in\", \"action\": \"deny\", \"protocol\": \"any\", "
             "\"remote\": \"10.0.1.0/24\", \"weight\": 0}");
    scene.facts.port = 22;
    expect(&scene, SKR_FINDING_STOPS, "rule \\\"never\\\" of access control list");
    add_list(scene.to_lists, "{\"name\": \"first\", \"direction\": \"in\", \"action\": \"allow\", \"weight\": 10}");
    expect(&scene, SKR_FINDING_FINE, "rule \\\"first\\\"");
    add_list(scene.to_subnet, "{\"name\": \"subnet\", \"direction\": \"in\", \"action\": \"deny\", \"local_ports\": "
                              "\"20-30\"" RULE_TAIL);
    expect(&scene, SKR_FINDING_STOPS, "VM subnet of b");
    close_scene(&scene);
}

Test(explain, out_is_judged_before_the_way)
{
    struct scene scene;
    open_scene(&scene);
    add_list(scene.from_lists, "{\"name\": \"m\", \"direction\": \"out\", \"action\": \"meter\"" RULE_TAIL);
    expect(&scene, SKR_FINDING_STOPS, "allows it out, and there are rules: denied");
    add_list(scene.from_lists,
             "{\"name\": \"ok\", \"direction\": \"out\", \"action\": \"allow\", \"remote\": \"10.0.2.0/24\"" RULE_TAIL);
    expect(&scene, SKR_FINDING_FINE, "rule \\\"ok\\\"");
    close_scene(&scene);
}

Test(explain, protocols)
{
    cr_expect_eq(skr_protocol_parse("TCP"), 6);
    cr_expect_eq(skr_protocol_parse("58"), 58);
    cr_expect_eq(skr_protocol_parse("icmpv6"), 58);
    cr_expect_eq(skr_protocol_parse("256"), -1);
    cr_expect_eq(skr_protocol_parse(""), -1);
    cr_expect_eq(skr_protocol_parse("tcpx"), -1);
}
