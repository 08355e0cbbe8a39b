/* A virtual port profile that is held back on a host, from the transaction that says so to what the policy holds for
 * each host: at once where nothing is held, elsewhere when the rows are gone; and the same after a restart. */
#include "tests/support/controller/compiled.h"

/* Two hosts with one adapter each whose classification has the profile "Guest dynamic IP"; h1 waits for its
 * administrator. */
static void begin(struct compiled *s)
{
    world_open(&s->world);
    world_fill(&s->world);
    world_create(&s->world, SKR_NETWORK_ADAPTER, "red-2",
                 "{'name': 'red-2', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h1', "
                 "'classification_id': '$Guest dynamic IP'}");
    world_create(&s->world, SKR_NETWORK_ADAPTER, "red-3",
                 "{'name': 'red-3', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h2', "
                 "'classification_id': '$Guest dynamic IP'}");
    world_patch(&s->world, SKR_HOST, "h1", "{'remediation': 'manual'}");
    compiled_begin(s);
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *classification = world_get(&s->world, SKR_PORT_CLASSIFICATION, "Guest dynamic IP");
    struct skr_uuid id = skr_object_uuid(classification, SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID);
    world_name(&s->world, "profile", &id);
}

static bool dhcp_guard(struct compiled *s, const char *host, const char *adapter)
{
    Skerry__V1__Port *port = compiled_port(s, host, adapter);
    bool guard = port->dhcp_guard;
    skerry__v1__port__free_unpacked(port, NULL);
    return guard;
}

static size_t rows_of(struct compiled *s, const char *host, struct skr_object *ret[static 8])
{
    return world_list(&s->world, SKR_COMPLIANCE, SKR_COMPLIANCE_HOST_ID, host, ret, 8);
}

static void expect_rows(struct compiled *s, const char *host, size_t count, const char *field, const char *expected,
                        const char *found)
{
    struct skr_object *rows[8];
    size_t held = rows_of(s, host, rows);
    cr_assert_eq(held, count, "%s: %zu rows", host, held);
    for (size_t i = 0; i < held; i++) {
        if (count == 1) {
            cr_expect_str_eq(skr_object_text(rows[i], SKR_COMPLIANCE_FIELD), field);
            cr_expect_str_eq(skr_object_text(rows[i], SKR_COMPLIANCE_EXPECTED), expected);
            cr_expect_str_eq(skr_object_text(rows[i], SKR_COMPLIANCE_FOUND), found);
        }
        skr_object_unref(rows[i]);
    }
}

static void expect_guards(struct compiled *s, bool held, bool elsewhere)
{
    cr_expect_eq(dhcp_guard(s, "h1", "red-2"), held, "where an administrator waits");
    cr_expect_eq(dhcp_guard(s, "h2", "red-3"), elsewhere, "where it is put back at once");
    compiled_expect_recompute(s);
}

Test(model_held, a_value_stays_in_force_until_its_row_is_gone)
{
    struct compiled s;

    begin(&s);
    expect_guards(&s, true, true);
    uint64_t before = compiled_scope(&s, "h1")->digest;

    world_patch(&s.world, SKR_VIRTUAL_PORT_PROFILE, "profile", "{'security': {'dhcp_guard': false}}");
    expect_guards(&s, true, false);
    cr_assert_eq(compiled_scope(&s, "h1")->digest, before, "nothing is sent to the host that waits");
    expect_rows(&s, "h1", 1, "security.dhcp_guard", "false", "true");
    expect_rows(&s, "h2", 0, NULL, NULL, NULL);

    uint64_t version = compiled_scope(&s, "h1")->version;
    compiled_remediate(&s, "h1");
    expect_guards(&s, false, false);
    cr_assert_eq(compiled_scope(&s, "h1")->version, version + 1);
    const struct scope *scope = compiled_scope(&s, "h1");
    const struct ring_entry *last = scope->ring[(scope->ring_first + scope->ring_count - 1) % scope->ring_capacity];
    cr_assert_eq(last->count, 1, "the affected port alone, not the others of the host");
    expect_rows(&s, "h1", 0, NULL, NULL, NULL);
    compiled_end(&s);
}

/* "open" has another value than what the ports have now. */
static void other_profile(struct compiled *s)
{
    world_create(&s->world, SKR_VIRTUAL_PORT_PROFILE, "open",
                 "{'name': 'open', 'security': {'guest_specified_ips': true, 'dhcp_guard': false}, 'bandwidth': "
                 "{'minimum_weight': "
                 "10}}");
    world_create(&s->world, SKR_PORT_CLASSIFICATION, "opened",
                 "{'name': 'opened', 'virtual_port_profile_id': '$open'}");
    world_patch(&s->world, SKR_TENANT, "red", "{'port_classification_ids': ['$Guest dynamic IP', '$opened']}");
    world_create(&s->world, SKR_NETWORK_ADAPTER, "red-4",
                 "{'name': 'red-4', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h1', "
                 "'classification_id': '$opened'}");
}

Test(model_held, a_classification_with_another_profile_is_held_as_well)
{
    struct compiled s;

    begin(&s);
    other_profile(&s);
    world_patch(&s.world, SKR_PORT_CLASSIFICATION, "Guest dynamic IP", "{'virtual_port_profile_id': '$open'}");
    expect_guards(&s, true, false);
    expect_rows(&s, "h1", 1, "security.dhcp_guard", "false", "true");
    cr_expect_not(dhcp_guard(&s, "h1", "red-4"), "ports that have the profile already go on with it");

    world_patch(&s.world, SKR_VIRTUAL_PORT_PROFILE, "open", "{'security': {'dhcp_guard': true}}");
    cr_expect_not(dhcp_guard(&s, "h1", "red-4"), "held for these in turn");
    expect_guards(&s, true, true);
    expect_rows(&s, "h1", 1, "security.dhcp_guard", "true", "false");
    compiled_remediate(&s, "h1");
    cr_expect(dhcp_guard(&s, "h1", "red-4"));

    world_patch(&s.world, SKR_PORT_CLASSIFICATION, "Guest dynamic IP", "{'virtual_port_profile_id': '$profile'}");
    expect_rows(&s, "h1", 0, NULL, NULL, NULL); /* equal values: nothing differs */
    compiled_end(&s);
}

static void deploy(struct compiled *s, const char *ports)
{
    char json[512];
    world_create(&s->world, SKR_UPLINK_PORT_PROFILE, "up",
                 "{'name': 'up', 'network_site_ids': ['$site-north', '$site-south']}");
    snprintf(json, sizeof(json), "{'name': 'sw', 'uplink_port_profile_ids': ['$up'], 'virtual_ports': [%s]}", ports);
    world_create(&s->world, SKR_LOGICAL_SWITCH, "sw", json);
    for (unsigned i = 1; i <= 2; i++) {
        snprintf(json, sizeof(json),
                 "{'host_id': '$h%u', 'logical_switch_id': '$sw', 'uplinks': [{'interface': 'eth1', "
                 "'uplink_port_profile_id': '$up'}]}",
                 i);
        world_create(&s->world, SKR_HOST_SWITCH, i == 1 ? "hs1" : "hs2", json);
    }
}

Test(model_held, a_logical_switch_that_maps_to_another_profile_is_held_as_well)
{
    struct compiled s;

    begin(&s);
    other_profile(&s);
    deploy(&s, "{'classification_id': '$Guest dynamic IP', 'profile_id': '$profile', 'is_default': true}");
    expect_guards(&s, true, true);
    cr_expect(dhcp_guard(&s, "h1", "red-4"), "deploying a switch is asked for by itself");

    world_patch(&s.world, SKR_LOGICAL_SWITCH, "sw",
                "{'virtual_ports': [{'classification_id': '$Guest dynamic IP', 'profile_id': '$open', 'is_default': "
                "false}, {'classification_id': '$opened', 'profile_id': '$profile', 'is_default': true}]}");
    expect_guards(&s, true, false);
    expect_rows(&s, "h1", 1, "security.dhcp_guard", "false", "true");

    world_patch(&s.world, SKR_LOGICAL_SWITCH, "sw",
                "{'virtual_ports': [{'classification_id': '$Guest dynamic IP', 'profile_id': '$open', 'is_default': "
                "true}]}");
    cr_expect(dhcp_guard(&s, "h1", "red-4") && dhcp_guard(&s, "h1", "red-1"), "the default changed for others");
    compiled_expect_recompute(&s);

    world_patch(&s.world, SKR_LOGICAL_SWITCH, "sw", "{'virtual_ports': []}");
    expect_guards(&s, true, true);
    world_delete(&s.world, SKR_HOST_SWITCH, "hs1");
    expect_rows(&s, "h1", 0, NULL, NULL, NULL); /* there are no ports on the switch any more */
    compiled_expect_recompute(&s);
    compiled_end(&s);
}

Test(model_held, ports_without_a_classification_are_held_as_well)
{
    struct compiled s;
    struct skr_txn *txn;
    struct skr_uuid id;

    begin(&s);
    cr_assert_eq(skr_store_read_begin(s.world.test.store, &txn, NULL), 0);
    cr_assert_eq(skr_name_find(txn, SKR_VIRTUAL_PORT_PROFILE, SKR_DEFAULT_PROFILE, NULL, &id, NULL), 1);
    skr_store_read_end(txn);
    world_name(&s.world, "default", &id);
    cr_assert(dhcp_guard(&s, "h1", "red-1"));
    world_patch(&s.world, SKR_VIRTUAL_PORT_PROFILE, "default", "{'security': {'dhcp_guard': false}}");
    cr_expect(dhcp_guard(&s, "h1", "red-1"), "held");
    expect_rows(&s, "h1", 1, "security.dhcp_guard", "false", "true");
    compiled_expect_recompute(&s);
    compiled_remediate(&s, "h1");
    cr_expect_not(dhcp_guard(&s, "h1", "red-1"));
    compiled_expect_recompute(&s);
    compiled_end(&s);
}

/* The uplink that the policy sends of a host's address in a network follows the profile by itself, whatever the host's
 * remediation. */
Test(model_held, an_uplink_profile_reaches_every_host_by_itself)
{
    struct compiled s;

    begin(&s);
    deploy(&s, "");
    uint64_t first = compiled_scope(&s, "h1")->version, second = compiled_scope(&s, "h2")->version;
    world_patch(&s.world, SKR_UPLINK_PORT_PROFILE, "up", "{'load_balancing': 'dynamic'}");
    cr_expect_eq(compiled_scope(&s, "h1")->version, first + 1, "manual or not");
    cr_expect_eq(compiled_scope(&s, "h2")->version, second + 1);
    expect_rows(&s, "h1", 0, NULL, NULL, NULL);
    expect_rows(&s, "h2", 0, NULL, NULL, NULL);
    compiled_expect_recompute(&s);
    compiled_end(&s);
}
