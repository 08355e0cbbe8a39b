/* Host switches, VLAN ports, profiles in force, held values, lists and routes: what hosts get, and what is said of it.
 */
#include "tests/unit/controller/policy/fixture.h"

/* Two hosts below the root group, one site of network 1 with VLAN 10, both hosts with a switch on eth0 that reaches it,
 * and an adapter in each: 1 in a network on that VLAN, 2 in one with virtualization. */
static void fabric(struct world *world)
{
    static const int vlans[] = {10, -1};
    struct skr_uuid group = uuid_of(SKR_HOST_GROUP, 1), site_id = uuid_of(SKR_NETWORK_SITE, 1);
    struct skr_object *site = site_row(1, 1, "Dallas", vlans), *uplinks = uplink_profile_row(1, "lacp");
    struct skr_object *logical = logical_switch_row(1, "external");

    put(world, profile_row(1, "Medium bandwidth adapter", true, false));
    put(world, profile_row(2, "Fast", false, false));
    put(world, classification_row(1, 1));
    put(world, classification_row(2, 1));
    put(world, logical_network_row(1, "nvgre", 1600));
    put(world, host_group_row(1, 0));
    id_add(site, SKR_NETWORK_SITE_HOST_GROUP_IDS, &group);
    put(world, site);
    id_add(uplinks, SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS, &site_id);
    put(world, uplinks);
    logical_switch_map(logical, 1, 1, true);
    logical_switch_map(logical, 2, 2, false);
    put(world, logical);
    for (unsigned i = 1; i <= 2; i++) {
        char name[16];
        snprintf(name, sizeof(name), "host-%u", i);
        struct skr_object *host = host_row(i, name, "enrolled"), *host_switch = host_switch_row(i, i, 1);
        skr_object_set_uuid(host, SKR_HOST_HOST_GROUP_ID, &group);
        put(world, host);
        host_switch_uplink(host_switch, "eth0", 1);
        host_switch_uplink(host_switch, "eth1", 1);
        put(world, host_switch);
    }
    put(world, vlan_network_row(1, 1, "vlan", 1, 10));
    put(world, vm_subnet_row(1, 1));
    put(world, adapter_row(1, 1, 1, 1, 2));
    put(world, vm_network_row(2, 1, 0));
    put(world, vm_subnet_row(2, 2));
    put(world, provider_address_row(1, 1, 1, "10.1.0.1"));
    put(world, provider_address_row(2, 2, 1, "10.1.0.2"));
    put(world, adapter_row(2, 2, 2, 2, 2));
    commit(world);
    for (unsigned i = 1; i <= 2; i++) {
        struct skr_uuid id = uuid_of(SKR_HOST, i);
        agent_connect(world, agent_new(world, &id));
    }
    world_settle(world);
}

/* The object that the agent holds; NULL when it holds none. */
static void *held(const struct agent *agent, uint32_t kind, struct skr_uuid scope_id, uint32_t type, struct skr_uuid id,
                  const ProtobufCMessageDescriptor *descriptor)
{
    const struct agent_scope *scope = skr_id_map_get(&agent->scopes, kind, &scope_id);
    const struct scope_object *object = scope ? skr_id_map_get(&scope->objects, type, &id) : NULL;
    return object ? protobuf_c_message_unpack(descriptor, NULL, object->size, object->bytes) : NULL;
}

static void *held_here(const struct agent *agent, uint32_t type, struct skr_uuid id,
                       const ProtobufCMessageDescriptor *descriptor)
{
    return held(agent, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, agent->host, type, id, descriptor);
}

static Skerry__V1__Port *port_of(const struct world *world, unsigned agent, unsigned adapter)
{
    return held_here(&world->agents[agent], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT,
                     uuid_of(SKR_NETWORK_ADAPTER, adapter), &skerry__v1__port__descriptor);
}

/* The object as the agent has it, whatever the scope; NULL: it has none. */
static struct scope_object *held_in(const struct agent *agent, enum skr_resource_id resource, unsigned n,
                                    Skerry__V1__ObjectType type)
{
    struct skr_uuid id = uuid_of(resource, n);
    struct scope_object *found = NULL;
    uint32_t cursor = 0;

    for (const struct agent_scope *scope; !found && (scope = skr_id_map_next(&agent->scopes, &cursor));)
        found = skr_id_map_get(&scope->objects, type, &id);
    return found;
}

static void free_port(Skerry__V1__Port *port)
{
    skerry__v1__port__free_unpacked(port, NULL);
}

static bool is_id(const ProtobufCBinaryData *bytes, unsigned resource, unsigned n)
{
    struct skr_uuid id = uuid_of(resource, n);
    return bytes->len == 16 && memcmp(bytes->data, id.bytes, 16) == 0;
}

static uint64_t digest_of(const struct world *world, unsigned host)
{
    struct skr_uuid id = uuid_of(SKR_HOST, host);
    const struct host *node = skr_policy_graph_find(world->policy, SKR_HOST, &id);
    return node->scope->digest;
}

static struct skr_realization of_object(struct world *world, enum skr_resource_id resource, unsigned n)
{
    struct skr_realization realization;
    struct skr_uuid id = uuid_of(resource, n);
    skr_realization_of_object(world->table, resource, &id, &realization);
    return realization;
}

static struct skr_realization of_write(struct world *world, int64_t revision)
{
    struct skr_realization realization;
    cr_assert_eq(skr_realization_of_write(world->table, revision, &realization), 0);
    return realization;
}

Test(policy_fabric, a_host_switch_is_its_logical_switch_and_its_uplinks)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    Skerry__V1__HostSwitch *one = held_here(&w.agents[0], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH,
                                            uuid_of(SKR_HOST_SWITCH, 1), &skerry__v1__host_switch__descriptor);
    cr_assert_not_null(one);
    cr_assert_eq(one->type, SKERRY__V1__SWITCH_TYPE__SWITCH_TYPE_EXTERNAL);
    cr_assert_eq(one->n_uplinks, 2);
    cr_assert_str_eq(one->uplinks[1], "eth1");
    cr_assert_eq(one->teaming_mode, SKERRY__V1__TEAMING_MODE__TEAMING_MODE_LACP);
    cr_assert_eq(one->load_balancing, SKERRY__V1__LOAD_BALANCING__LOAD_BALANCING_DYNAMIC);
    cr_assert_eq(one->minimum_bandwidth_mode, SKERRY__V1__MINIMUM_BANDWIDTH_MODE__MINIMUM_BANDWIDTH_MODE_WEIGHT);
    cr_assert_eq(one->n_extensions, 1);
    cr_assert_eq(one->mtu, 1600, "of the logical network that it reaches");
    skerry__v1__host_switch__free_unpacked(one, NULL);

    Skerry__V1__Host *host = held_here(&w.agents[0], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST, uuid_of(SKR_HOST, 1),
                                       &skerry__v1__host__descriptor);
    cr_assert_eq(host->n_uplinks, 2, "the switch's interfaces are the host's uplinks");
    skerry__v1__host__free_unpacked(host, NULL);

    put_op(&w, SKR_CHANGE_DELETE, host_switch_row(1, 1, 1));
    commit(&w);
    world_settle(&w);
    cr_assert_null(held_here(&w.agents[0], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH,
                             uuid_of(SKR_HOST_SWITCH, 1), &skerry__v1__host_switch__descriptor));
    world_expect_equal(&w);
    world_done(&w);
}

/* With a VSID the records tell the source; in a VLAN nobody but its port does. */
Test(policy_fabric, the_source_of_a_move_is_told_in_a_vlan)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    for (unsigned adapter = 1; adapter <= 2; adapter++)
        for (unsigned moves = 2; moves-- > 0;) {
            unsigned host = adapter, other = 3 - adapter;
            struct skr_object *row = adapter_row(adapter, adapter, adapter, host, 2);
            struct skr_uuid target = uuid_of(SKR_HOST, other);
            if (moves)
                skr_object_set_uuid(row, SKR_NETWORK_ADAPTER_TARGET_HOST_ID, &target);
            put(&w, row);
            commit(&w);
            world_settle(&w);
            Skerry__V1__Port *here = port_of(&w, host - 1, adapter), *there = port_of(&w, other - 1, adapter);
            cr_expect(!here->armed && here->leaving == (moves && adapter == 1), "adapter %u", adapter);
            cr_expect(moves ? there && there->armed && !there->leaving : !there, "adapter %u", adapter);
            free_port(here);
            free_port(there);
        }
    world_expect_equal(&w);
    world_done(&w);
}

Test(policy_fabric, a_vlan_port_says_its_place_itself)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    Skerry__V1__Port *port = port_of(&w, 0, 1);
    cr_assert_not_null(port);
    cr_assert_eq(port->isolation, SKERRY__V1__ISOLATION__ISOLATION_VLAN);
    cr_assert_eq(port->vsid, 0);
    cr_assert_eq(port->vlan_id, 10);
    cr_assert_eq(port->gateway.len, 4, "which no VM may speak for");
    cr_assert_str_eq(port->uplink, "eth0");
    cr_assert(is_id(&port->host_switch_id, SKR_HOST_SWITCH, 1));
    cr_assert(is_id(&port->vm_network_id, SKR_VM_NETWORK, 1));
    free_port(port);
    cr_assert_null(held_in(&w.agents[0], SKR_VM_NETWORK, 1, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN));
    cr_assert_null(held_in(&w.agents[0], SKR_VM_SUBNET, 1, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET));
    cr_assert_eq(w.agents[1].scopes.count, 2);
    port = port_of(&w, 1, 2);
    cr_assert_eq(port->isolation, 0);
    cr_assert_eq(port->vsid, 4098);
    cr_assert_str_eq(port->uplink, "");
    cr_assert(is_id(&port->host_switch_id, SKR_HOST_SWITCH, 2), "the switch of its provider address");
    free_port(port);
    cr_assert_eq(of_object(&w, SKR_NETWORK_ADAPTER, 1).state, SKR_REALIZATION_REALIZED);
    world_done(&w);
}

/* ---- whose addresses there are in a network without network virtualization ---- */

static unsigned holders_at(const struct world *world, unsigned agent)
{
    struct skr_uuid network = uuid_of(SKR_VM_NETWORK, 1);
    const struct agent_scope *scope =
            skr_id_map_get(&world->agents[agent].scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &network);
    uint32_t cursor = 0;
    unsigned count = 0;

    if (!scope)
        return 0;
    for (const struct scope_object *object; (object = skr_id_map_next(&scope->objects, &cursor));)
        count += object->key.type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER;
    return count;
}

static void change(struct world *world, struct skr_object *row)
{
    put(world, row);
    commit(world);
    world_settle(world);
}

Test(policy_fabric, hosts_with_a_port_in_a_vlan_know_whose_its_addresses_are)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    change(&w, record_row(1, 1, 1, 1, 0));
    cr_assert_eq(holders_at(&w, 0), 1);
    cr_assert_eq(holders_at(&w, 1), 0, "it has no port there");
    struct scope_object *object =
            held_in(&w.agents[0], SKR_LOOKUP_RECORD, 1, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER);
    Skerry__V1__Holder *holder = skerry__v1__holder__unpack(NULL, object->size, object->bytes);
    cr_assert_arr_eq(holder->address.data, ((uint8_t[]){192, 168, 1, 3}), 4);
    cr_assert_arr_eq(holder->mac.data, ((uint8_t[]){2, 0, 0, 0, 0, 1}), 6);
    skerry__v1__holder__free_unpacked(holder, NULL);
    change(&w, record_row(2, 1, 1, 1, 1));
    cr_assert_eq(holders_at(&w, 0), 1, "what is learned may move, and is not told");
    change(&w, adapter_row(3, 1, 1, 2, 2));
    cr_assert_eq(holders_at(&w, 1), 1, "now it has");
    change(&w, record_row(4, 3, 1, 1, 0));
    cr_assert(holders_at(&w, 0) == 2 && holders_at(&w, 1) == 2);
    cr_assert_eq(of_object(&w, SKR_NETWORK_ADAPTER, 3).state, SKR_REALIZATION_REALIZED);
    world_expect_equal(&w);
    put_op(&w, SKR_CHANGE_DELETE, record_row(1, 1, 1, 1, 0));
    commit(&w);
    world_settle(&w);
    cr_assert(holders_at(&w, 0) == 1 && holders_at(&w, 1) == 1);
    change(&w, adapter_row(3, 1, 1, 0, 2));
    cr_assert_eq(w.agents[1].scopes.count, 2, "dropped with the last port, and nothing lingers");
    world_expect_equal(&w);
    world_done(&w);
}

/* A record of a network with many ports, and a port where there is one already: who has none there hears nothing. */
Test(policy_fabric, a_port_more_in_a_vlan_is_told_to_its_host_alone)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    change(&w, adapter_row(3, 1, 1, 2, 2));
    for (unsigned n = 1; n <= 100; n++)
        put(&w, record_row(n, 1, 1, 1, 0));
    commit(&w);
    world_settle(&w);
    cr_assert(holders_at(&w, 0) == 100 && holders_at(&w, 1) == 100);
    w.counts = (struct counts){0};
    change(&w, adapter_row(4, 1, 1, 2, 2));
    cr_assert(w.counts.deltas == 1 && w.counts.whole == 0, "%u deltas, %u whole", w.counts.deltas, w.counts.whole);
    w.counts = (struct counts){0};
    change(&w, record_row(101, 4, 1, 1, 0));
    cr_assert_eq(w.counts.deltas, 2);
    cr_assert_lt(w.counts.bytes, 600, "one record to each of the two hosts, %u bytes", w.counts.bytes);
    world_done(&w);
}

/* It would end its session over what it does not know, or fail every adapter. */
Test(policy_fabric, an_older_agent_goes_on_as_it_was)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    change(&w, record_row(1, 1, 1, 1, 0));
    for (unsigned round = 0; round < 2; round++) {
        w.agents[0].older = round == 0;
        agent_disconnect(&w, &w.agents[0]);
        agent_connect(&w, &w.agents[0]);
        world_settle(&w);
        cr_assert_eq(w.agents[0].scopes.count, w.agents[0].older ? 1 : 2);
        cr_assert_eq(holders_at(&w, 0), w.agents[0].older ? 0 : 1);
        cr_assert_eq(of_object(&w, SKR_NETWORK_ADAPTER, 1).state, SKR_REALIZATION_REALIZED);
        world_expect_equal(&w);
    }
    w.agents[0].older = true; /* and it has the network's adapter taken away and given back */
    agent_disconnect(&w, &w.agents[0]);
    agent_connect(&w, &w.agents[0]);
    change(&w, adapter_row(1, 1, 1, 0, 2));
    change(&w, adapter_row(1, 1, 1, 1, 2));
    cr_assert_eq(w.agents[0].scopes.count, 1);
    world_expect_equal(&w);
    world_done(&w);
}

Test(policy_fabric, an_uplink_that_does_not_reach_the_site_fails_the_port_and_leaves_it_without_one)
{
    static const int vlans[] = {10, -1};
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    put(&w, site_row(1, 1, "Dallas", vlans)); /* covers no group any more */
    int64_t revision = commit(&w);
    world_settle(&w);
    Skerry__V1__Port *port = port_of(&w, 0, 1);
    cr_assert_str_eq(port->uplink, "");
    cr_assert_eq(port->vlan_id, 0);
    free_port(port);
    struct skr_realization r = of_object(&w, SKR_NETWORK_ADAPTER, 1);
    cr_assert_eq(r.state, SKR_REALIZATION_FAILED);
    cr_assert_str_eq(r.hosts[0].reason, "no_uplink: no uplink of the host reaches network site Dallas");
    cr_assert_eq(of_write(&w, revision).failed, 1);
    world_expect_equal(&w);
    world_done(&w);
}

Test(policy_fabric, a_network_that_passes_through_has_the_vlan_of_the_hosts_site)
{
    static const int two[] = {10, 20, -1};
    struct skr_uuid group = uuid_of(SKR_HOST_GROUP, 1);
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    put(&w, vlan_network_row(3, 1, "none", 0, 0));
    struct skr_object *adapter = adapter_row(3, 3, 0, 1, 0);
    skr_object_set_null(adapter, SKR_NETWORK_ADAPTER_VM_SUBNET_ID);
    put(&w, adapter);
    commit(&w);
    world_settle(&w);
    Skerry__V1__Port *port = port_of(&w, 0, 3);
    cr_assert_not_null(port, "an adapter without VM subnet has a port");
    cr_assert_eq(port->isolation, SKERRY__V1__ISOLATION__ISOLATION_NONE);
    cr_assert_eq(port->vlan_id, 10);
    cr_assert_eq(port->vm_subnet_id.len, 0);
    free_port(port);

    struct skr_object *site = site_row(1, 1, "Dallas", two);
    id_add(site, SKR_NETWORK_SITE_HOST_GROUP_IDS, &group);
    put(&w, site);
    commit(&w);
    world_settle(&w);
    struct skr_realization r = of_object(&w, SKR_NETWORK_ADAPTER, 3);
    cr_assert_eq(r.state, SKR_REALIZATION_FAILED);
    cr_assert_eq(strncmp(r.hosts[0].reason, "no_vlan: ", 9), 0, "%s", r.hosts[0].reason);

    adapter = adapter_row(3, 3, 0, 1, 0);
    skr_object_set_null(adapter, SKR_NETWORK_ADAPTER_VM_SUBNET_ID);
    skr_object_set_integer(adapter, SKR_NETWORK_ADAPTER_VLAN_ID, 20);
    put(&w, adapter);
    commit(&w);
    world_settle(&w);
    port = port_of(&w, 0, 3);
    cr_assert_eq(port->vlan_id, 20);
    cr_assert_str_eq(port->uplink, "eth0");
    free_port(port);
    cr_assert_eq(of_object(&w, SKR_NETWORK_ADAPTER, 3).state, SKR_REALIZATION_REALIZED);
    world_done(&w);
}

/* Profile n with a maximum bandwidth, which is what these tests look at. */
static struct skr_object *profile_with(unsigned n, const char *name, bool built_in, int64_t maximum_bps)
{
    struct skr_object *profile = profile_row(n, name, built_in, false);
    skr_object_set_integer(entry_add(profile, SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH), SKR_BANDWIDTH_MAXIMUM_BPS,
                           maximum_bps);
    return profile;
}

static uint64_t maximum_of(const struct world *world, unsigned agent, unsigned adapter)
{
    Skerry__V1__Port *port = port_of(world, agent, adapter);
    uint64_t maximum = port->maximum_bps;
    free_port(port);
    return maximum;
}

Test(policy_fabric, a_minimum_is_asked_for_whether_the_switch_has_its_mode_or_not)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w); /* its switch shares out by weight */
    struct skr_object *profile = profile_row(2, "Fast", false, false);
    struct skr_object *bandwidth = entry_add(profile, SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH);
    skr_object_set_integer(bandwidth, SKR_BANDWIDTH_MINIMUM_WEIGHT, 5);
    put(&w, profile);
    put(&w, classification_row(2, 2));
    commit(&w);
    world_settle(&w);
    Skerry__V1__Port *port = port_of(&w, 0, 1);
    cr_assert_eq(port->minimum_weight, 5);
    cr_assert_eq(port->minimum_bps, 0);
    free_port(port);
    put_op(&w, SKR_CHANGE_DELETE, host_switch_row(2, 2, 1));
    commit(&w);
    world_settle(&w);
    port = port_of(&w, 1, 2);
    cr_assert_eq(port->minimum_weight, 5, "nobody shares out without a switch, and the host has to say so");
    free_port(port);
    profile = profile_row(2, "Fast", false, false);
    skr_object_set_integer(entry_add(profile, SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH), SKR_BANDWIDTH_MINIMUM_BPS, 1000);
    put(&w, profile);
    commit(&w);
    world_settle(&w);
    port = port_of(&w, 0, 1);
    cr_assert_eq(port->minimum_bps, 1000, "the switch shares out by weight");
    free_port(port);
    world_done(&w);
}

/* Built-in profiles have weights; a fabric in which nobody shares out has no failures because of them. */
Test(policy_fabric, the_weight_of_a_built_in_profile_asks_for_nothing_where_nobody_shares_out)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    struct skr_object *profile = profile_row(1, "Medium bandwidth adapter", true, false);
    skr_object_set_integer(entry_add(profile, SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH), SKR_BANDWIDTH_MINIMUM_WEIGHT, 10);
    put(&w, profile);
    put(&w, adapter_row(3, 2, 2, 2, 0));
    commit(&w);
    world_settle(&w);
    Skerry__V1__Port *port = port_of(&w, 1, 3);
    cr_assert_eq(port->minimum_weight, 10, "its switch shares out by weight");
    free_port(port);
    put_op(&w, SKR_CHANGE_DELETE, host_switch_row(2, 2, 1));
    commit(&w);
    world_settle(&w);
    port = port_of(&w, 1, 3);
    cr_assert_eq(port->minimum_weight, 0);
    free_port(port);
    world_done(&w);
}

Test(policy_fabric, what_a_profile_hands_to_the_network_card_is_asked_of_the_host)
{
    static const int fields[] = {SKR_OFFLOAD_VMQ, SKR_OFFLOAD_IPSEC_TASK_OFFLOAD, SKR_OFFLOAD_SRIOV, SKR_OFFLOAD_VRSS};
    for (size_t i = 0; i < 4; i++) {
        struct world w;
        world_init(&w, NULL);
        fabric(&w);
        struct skr_object *profile = profile_row(2, "Fast", false, false);
        skr_object_set_integer(entry_add(profile, SKR_VIRTUAL_PORT_PROFILE_OFFLOAD), fields[i], 1);
        put(&w, profile);
        put(&w, classification_row(2, 2));
        commit(&w);
        world_settle(&w);
        Skerry__V1__Port *port = port_of(&w, 0, 1);
        cr_assert_eq(port->vmq, i == 0);
        cr_assert_eq(port->ipsec_task_offload, i == 1);
        cr_assert_eq(port->sriov, i == 2);
        cr_assert_eq(port->vrss, i == 3);
        free_port(port);
        world_done(&w);
    }
}

Test(policy_fabric, a_switch_maps_the_classification_to_its_profile)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    put(&w, profile_with(1, "Medium bandwidth adapter", true, 100));
    put(&w, profile_with(2, "Fast", false, 200));
    put(&w, adapter_row(3, 2, 2, 2, 0));
    int64_t revision = commit(&w);
    world_settle(&w);
    cr_assert_eq(maximum_of(&w, 1, 2), 200, "its own profile would be 1");
    cr_assert_eq(maximum_of(&w, 1, 3), 100, "the default of the switch");
    cr_assert_eq(of_write(&w, revision).applied, 2, "every host with ports under it");

    put_op(&w, SKR_CHANGE_DELETE, host_switch_row(2, 2, 1));
    commit(&w);
    world_settle(&w);
    cr_assert_eq(maximum_of(&w, 1, 2), 100, "without a switch the classification's own counts");
    world_done(&w);
}

Test(policy_fabric, what_is_held_stays_in_force_on_that_host_until_the_row_is_gone)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    put(&w, profile_with(2, "Fast", false, 200));
    commit(&w);
    world_settle(&w);
    uint64_t before = digest_of(&w, 1);

    put(&w, profile_with(2, "Fast", false, 300));
    put(&w, hold_row(1, 1, 1, 2, "bandwidth.maximum_bps", "200"));
    int64_t revision = commit(&w);
    world_settle(&w);
    cr_assert_eq(digest_of(&w, 1), before, "nothing reaches the host that waits");
    cr_assert_eq(maximum_of(&w, 0, 1), 200);
    cr_assert_eq(maximum_of(&w, 1, 2), 300);
    struct skr_realization r = of_write(&w, revision);
    cr_assert_eq(r.applied, 1);
    cr_assert_eq(r.state, SKR_REALIZATION_REALIZED, "a host that waits for its administrator holds nothing up");

    put(&w, hold_row(3, 1, 0, 2, "bandwidth.maximum_bps", "50"));
    put(&w, hold_row(4, 1, 1, 0, "bandwidth.maximum_bps", "60"));
    put(&w, hold_row(5, 1, 1, 1, "bandwidth.maximum_bps", "70"));
    commit(&w);
    world_settle(&w);
    cr_assert_eq(digest_of(&w, 1), before, "what is held for ports on no switch, or of others, is not this one's");

    unsigned deltas = w.counts.deltas;
    put_op(&w, SKR_CHANGE_DELETE, hold_row(1, 1, 1, 2, "bandwidth.maximum_bps", "200"));
    revision = commit(&w);
    world_settle(&w);
    cr_assert_eq(maximum_of(&w, 0, 1), 300);
    cr_assert_eq(w.counts.deltas, deltas + 1, "only what differed is sent");
    cr_assert_eq(of_write(&w, revision).applied, 1);

    struct skr_object *other = hold_row(2, 1, 1, 2, "security.mac_spoofing", "true");
    skr_object_set_text(other, SKR_COMPLIANCE_OBJECT_KIND, "port");
    put(&w, other);
    commit(&w);
    Skerry__V1__Port *port = port_of(&w, 0, 1);
    cr_assert_not(port->mac_spoofing, "drift that an agent reports holds nothing");
    free_port(port);
    world_expect_equal(&w);
    world_done(&w);
}

static Skerry__V1__AccessControlList *list_of(const struct world *world, unsigned agent, unsigned n)
{
    return held_here(&world->agents[agent], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_ACCESS_CONTROL_LIST,
                     uuid_of(SKR_ACCESS_CONTROL_LIST, n), &skerry__v1__access_control_list__descriptor);
}

Test(policy_fabric, a_list_goes_to_the_hosts_whose_ports_carry_it)
{
    struct skr_uuid list = uuid_of(SKR_ACCESS_CONTROL_LIST, 1), other = uuid_of(SKR_ACCESS_CONTROL_LIST, 2);
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    put(&w, acl_row(1, "tcp", "1000-2000"));
    put(&w, acl_row(2, "any", NULL));
    struct skr_object *adapter = adapter_row(1, 1, 1, 1, 2), *subnet = vm_subnet_row(2, 2), *vlan = vm_subnet_row(1, 1);
    id_add(adapter, SKR_NETWORK_ADAPTER_ACL_IDS, &list);
    id_add(subnet, SKR_VM_SUBNET_ACL_IDS, &other);
    id_add(vlan, SKR_VM_SUBNET_ACL_IDS, &other);
    put(&w, subnet);
    put(&w, vlan);
    put(&w, adapter);
    commit(&w);
    world_settle(&w);

    Skerry__V1__AccessControlList *acl = list_of(&w, 0, 1);
    cr_assert_not_null(acl);
    const Skerry__V1__AccessRule *rule = acl->rules[0];
    cr_assert(rule->out && rule->stateful);
    cr_assert_eq(rule->action, SKERRY__V1__ACCESS_ACTION__ACCESS_ACTION_DENY);
    cr_assert_eq(rule->protocol, 6);
    cr_assert_eq(rule->local.len, 0);
    cr_assert_eq(rule->remote.len, 17);
    cr_assert_eq(rule->remote.data[16], 96 + 16);
    cr_assert_eq(rule->remote_port_first, 1000);
    cr_assert_eq(rule->remote_port_last, 2000);
    cr_assert_eq(rule->local_port_last, 0);
    skerry__v1__access_control_list__free_unpacked(acl, NULL);
    cr_assert_null(list_of(&w, 1, 1), "no port of the second host has it");
    acl = list_of(&w, 1, 2);
    cr_assert_eq(acl->rules[0]->protocol, 256);
    skerry__v1__access_control_list__free_unpacked(acl, NULL);

    Skerry__V1__Port *port = port_of(&w, 0, 1);
    cr_assert_eq(port->n_access_control_list_ids, 2, "on a VLAN the subnet's come with the port");
    cr_assert(is_id(&port->access_control_list_ids[0], SKR_ACCESS_CONTROL_LIST, 1), "its own first");
    free_port(port);
    port = port_of(&w, 1, 2);
    cr_assert_eq(port->n_access_control_list_ids, 0, "else the domain says so");
    free_port(port);
    Skerry__V1__Subnet *sent = held(&w.agents[1], SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, uuid_of(SKR_VM_NETWORK, 2),
                                    SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET, uuid_of(SKR_VM_SUBNET, 2),
                                    &skerry__v1__subnet__descriptor);
    cr_assert_eq(sent->n_access_control_list_ids, 1);
    skerry__v1__subnet__free_unpacked(sent, NULL);

    put(&w, acl_row(2, "udp", NULL));
    int64_t revision = commit(&w);
    world_settle(&w);
    cr_assert_eq(of_write(&w, revision).applied, 2);
    put(&w, adapter_row(1, 1, 1, 1, 2));
    put(&w, vm_subnet_row(1, 1));
    commit(&w);
    world_settle(&w);
    cr_assert_null(list_of(&w, 0, 1));
    cr_assert_null(list_of(&w, 0, 2));
    world_expect_equal(&w);
    world_done(&w);
}

/* A field that does not travel is a rule that means something else. */
Test(policy_fabric, a_rule_is_sent_with_every_field)
{
    struct skr_uuid list = uuid_of(SKR_ACCESS_CONTROL_LIST, 1), rule_id = uuid_of(88, 1);
    struct skr_prefix local, remote;
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    struct skr_object *acl = acl_row(1, "udp", "53"), *adapter = adapter_row(1, 1, 1, 1, 2);
    struct skr_object *given = acl->values[SKR_ACCESS_CONTROL_LIST_RULES].objects[0];
    skr_prefix_parse("10.1.2.0/24", &local);
    skr_prefix_parse("fd00:5::/48", &remote);
    skr_object_set_prefix(given, SKR_ACL_RULE_LOCAL, &local);
    skr_object_set_prefix(given, SKR_ACL_RULE_REMOTE, &remote);
    skr_object_set_text(given, SKR_ACL_RULE_DIRECTION, "in");
    skr_object_set_text(given, SKR_ACL_RULE_ACTION, "meter");
    skr_object_set_text(given, SKR_ACL_RULE_LOCAL_PORTS, "5000-5005");
    skr_object_set_integer(given, SKR_ACL_RULE_STATEFUL, 0);
    skr_object_set_integer(given, SKR_ACL_RULE_LOG, 1);
    put(&w, acl);
    id_add(adapter, SKR_NETWORK_ADAPTER_ACL_IDS, &list);
    put(&w, adapter);
    commit(&w);
    world_settle(&w);
    Skerry__V1__AccessControlList *sent = list_of(&w, 0, 1);
    cr_assert_not_null(sent);
    cr_assert_eq(sent->n_rules, 1);
    const Skerry__V1__AccessRule *rule = sent->rules[0];
    cr_expect(rule->id.len == 16 && memcmp(rule->id.data, rule_id.bytes, 16) == 0);
    cr_expect_not(rule->out);
    cr_expect_eq(rule->action, SKERRY__V1__ACCESS_ACTION__ACCESS_ACTION_METER);
    cr_expect_eq(rule->protocol, 17);
    cr_expect(rule->local.len == 17 && memcmp(rule->local.data, local.address.bytes, 16) == 0);
    cr_expect_eq(rule->local.data[16], 96 + 24);
    cr_expect(rule->remote.len == 17 && memcmp(rule->remote.data, remote.address.bytes, 16) == 0);
    cr_expect_eq(rule->remote.data[16], 48);
    cr_expect_eq(rule->local_port_first, 5000);
    cr_expect_eq(rule->local_port_last, 5005);
    cr_expect_eq(rule->remote_port_first, 53);
    cr_expect_eq(rule->remote_port_last, 53);
    cr_expect_eq(rule->weight, 7);
    cr_expect_not(rule->stateful);
    cr_expect_eq(rule->idle_timeout_s, 300);
    cr_expect(rule->log);
    skerry__v1__access_control_list__free_unpacked(sent, NULL);
    world_done(&w);
}

/* The switch's MTU is the largest of the networks that its uplinks reach, whichever comes last. */
Test(policy_fabric, the_largest_network_gives_the_mtu)
{
    static const int vlans[] = {11, -1};
    struct skr_uuid group = uuid_of(SKR_HOST_GROUP, 1),
                    sites[] = {uuid_of(SKR_NETWORK_SITE, 1), uuid_of(SKR_NETWORK_SITE, 2)};
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    for (unsigned order = 0; order < 2; order++) {
        struct skr_object *site = site_row(2, 2, "Houston", vlans), *uplinks = uplink_profile_row(1, "lacp");
        put(&w, logical_network_row(2, "nvgre", order ? 9000 : 1500));
        id_add(site, SKR_NETWORK_SITE_HOST_GROUP_IDS, &group);
        put(&w, site);
        id_add(uplinks, SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS, &sites[0]);
        id_add(uplinks, SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS, &sites[1]);
        put(&w, uplinks);
        commit(&w);
        world_settle(&w);
        Skerry__V1__HostSwitch *sent = held_here(&w.agents[0], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH,
                                                 uuid_of(SKR_HOST_SWITCH, 1), &skerry__v1__host_switch__descriptor);
        cr_expect_eq(sent->mtu, order ? 9000 : 1600, "%u", sent->mtu);
        skerry__v1__host_switch__free_unpacked(sent, NULL);
    }
    world_done(&w);
}

Test(policy_fabric, a_customer_route_is_its_domains)
{
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    put(&w, route_row(1, 2, 1, 7));
    int64_t revision = commit(&w);
    world_settle(&w);
    Skerry__V1__CustomerRoute *route =
            held(&w.agents[1], SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, uuid_of(SKR_VM_NETWORK, 2),
                 SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_CUSTOMER_ROUTE, uuid_of(SKR_CUSTOMER_ROUTE, 1),
                 &skerry__v1__customer_route__descriptor);
    cr_assert_not_null(route);
    cr_assert_eq(route->destination.len, 4);
    cr_assert_eq(route->prefix_length, 16);
    cr_assert_eq(route->next_hop.len, 4);
    cr_assert_eq(route->metric, 7);
    skerry__v1__customer_route__free_unpacked(route, NULL);
    cr_assert_eq(of_write(&w, revision).applied, 1, "the host in the VM network");
    put_op(&w, SKR_CHANGE_DELETE, route_row(1, 2, 1, 7));
    commit(&w);
    world_settle(&w);
    world_expect_equal(&w);
    world_done(&w);
}

Test(policy_fabric, a_change_of_an_uplink_profile_waits_for_every_host_that_has_it)
{
    struct skr_uuid site = uuid_of(SKR_NETWORK_SITE, 1);
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    w.agents[1].answers = false;
    struct skr_object *profile = uplink_profile_row(1, "static");
    id_add(profile, SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS, &site);
    put(&w, profile);
    commit(&w);
    world_settle(&w);
    struct skr_realization r = of_object(&w, SKR_UPLINK_PORT_PROFILE, 1);
    cr_assert_eq(r.applied, 1);
    cr_assert_eq(r.pending, 1);
    cr_assert_str_eq(r.hosts[0].name, "host-2");
    world_done(&w);
}

/* The host says again what it has, with these failures. */
static void say_failure(struct world *world, unsigned agent, uint32_t type, struct skr_uuid id, const char *reason)
{
    struct agent *from = &world->agents[agent];
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Applied applied = SKERRY__V1__APPLIED__INIT;
    Skerry__V1__Failure failure = SKERRY__V1__FAILURE__INIT, *list[] = {&failure};
    const struct agent_scope *scope =
            skr_id_map_get(&from->scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, &from->host);

    failure.type = (Skerry__V1__ObjectType)type;
    failure.id = skr_policy_wire_uuid(&id);
    failure.reason = (char *)(uintptr_t)reason;
    applied.kind = SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST;
    applied.id = skr_policy_wire_uuid(&from->host);
    applied.version = scope->version;
    applied.digest = agent_scope_digest(world, scope, NULL);
    applied.failures = list;
    applied.n_failures = reason ? 1 : 0;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_APPLIED;
    envelope.applied = &applied;
    agent_say(world, from, &envelope);
    world_settle(world);
}

Test(policy_fabric, what_an_agent_does_not_do_is_failed_with_its_words)
{
    static const char reason[] = "not_supported: teams are not supported by this agent";
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    put(&w, host_switch_row(2, 2, 1)); /* written by itself, now without uplinks */
    commit(&w);
    world_settle(&w);
    say_failure(&w, 0, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH, uuid_of(SKR_HOST_SWITCH, 1), reason);
    struct skr_realization r = of_object(&w, SKR_HOST_SWITCH, 1);
    cr_assert_eq(r.state, SKR_REALIZATION_FAILED);
    cr_assert_str_eq(r.hosts[0].reason, reason);
    cr_assert_eq(of_object(&w, SKR_HOST_SWITCH, 2).state, SKR_REALIZATION_REALIZED);
    say_failure(&w, 0, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH, uuid_of(SKR_HOST_SWITCH, 1), NULL);
    cr_assert_eq(of_object(&w, SKR_HOST_SWITCH, 1).state, SKR_REALIZATION_REALIZED);

    say_failure(&w, 0, 4711, uuid_of(SKR_HOST_SWITCH, 1), reason);
    cr_assert(w.agents[0].connected, "a type that the controller does not know is no reason to part");
    cr_assert_eq(of_object(&w, SKR_HOST_SWITCH, 1).state, SKR_REALIZATION_FAILED, "it is the object's id");
    world_done(&w);
}

Test(policy_fabric, a_host_in_maintenance_holds_nothing_up)
{
    struct skr_uuid group = uuid_of(SKR_HOST_GROUP, 1);
    struct world w;
    world_init(&w, NULL);
    fabric(&w);
    w.agents[1].answers = false;
    put(&w, profile_with(2, "Fast", false, 500));
    int64_t revision = commit(&w);
    world_settle(&w);
    cr_assert_eq(of_write(&w, revision).pending, 1);

    struct skr_object *host = host_row(2, "host-2", "enrolled");
    skr_object_set_uuid(host, SKR_HOST_HOST_GROUP_ID, &group);
    skr_object_set_text(host, SKR_HOST_STATE, "maintenance");
    put(&w, host);
    commit(&w);
    cr_assert_eq(of_write(&w, revision).state, SKR_REALIZATION_REALIZED);
    put(&w, adapter_row(4, 2, 2, 2, 0));
    revision = commit(&w);
    cr_assert_eq(of_write(&w, revision).state, SKR_REALIZATION_REALIZED);
    w.agents[1].answers = true;
    world_settle(&w);
    cr_assert_eq(maximum_of(&w, 1, 2), 500, "it goes on meanwhile");
    world_done(&w);
}

/* ---- realization by kind ---- */

static void expect_pending(struct world *world, struct skr_object *object)
{
    enum skr_resource_id resource = object->resource->id;
    struct skr_uuid id = skr_object_uuid(object, SKR_FIELD_ID);
    struct skr_realization r;
    for (uint32_t i = 0; i < world->agent_count; i++)
        world->agents[i].answers = false;
    put(world, object);
    commit(world);
    world_settle(world);
    skr_realization_of_object(world->table, resource, &id, &r);
    cr_assert_eq(r.state, SKR_REALIZATION_PENDING, "%s: state %d", skr_resource_get(resource)->name, (int)r.state);
    cr_assert_gt(r.pending, 0);
}

/* Adapter 1 carries list 1. */
static void with_list(struct world *world)
{
    struct skr_uuid list = uuid_of(SKR_ACCESS_CONTROL_LIST, 1);
    struct skr_object *adapter = adapter_row(1, 1, 1, 1, 2);
    put(world, acl_row(1, "tcp", "1000-2000"));
    id_add(adapter, SKR_NETWORK_ADAPTER_ACL_IDS, &list);
    put(world, adapter);
    commit(world);
    world_settle(world);
}

/* The profile of a classification is its own where no logical switch says which. */
static void without_mapping(struct world *world)
{
    put_op(world, SKR_CHANGE_DELETE, host_switch_row(2, 2, 1));
    put(world, profile_row(2, "Fast", false, true));
    commit(world);
    world_settle(world);
}

/* A write that changes any of these waits for the hosts that it concerns, and is not told "realized" before they are.
 */
Test(policy_realization, every_kind_that_concerns_a_host_is_waited_for)
{
    struct skr_uuid group = uuid_of(SKR_HOST_GROUP, 1), site_id = uuid_of(SKR_NETWORK_SITE, 1);
    for (int kind = 0; kind < 14; kind++) {
        struct world w;
        struct skr_object *object = NULL;
        world_init(&w, NULL);
        fabric(&w);
        switch (kind) {
        case 0:
            object = profile_row(2, "Fast", false, true);
            break;
        case 1:
            object = logical_network_row(1, "nvgre", 1500);
            break;
        case 2:
            object = uplink_profile_row(1, "static");
            id_add(object, SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS, &site_id);
            break;
        case 3:
            object = logical_switch_row(1, "internal");
            logical_switch_map(object, 1, 1, true);
            logical_switch_map(object, 2, 2, false);
            break;
        case 4:
            object = host_row(1, "renamed", "enrolled");
            skr_object_set_uuid(object, SKR_HOST_HOST_GROUP_ID, &group);
            break;
        case 5:
            object = host_switch_row(1, 1, 1);
            host_switch_uplink(object, "eth7", 1);
            break;
        case 6:
            object = provider_address_row(2, 2, 1, "10.1.0.9");
            break;
        case 7:
            object = vm_network_row(2, 1, 1400);
            break;
        case 8:
            object = adapter_row(2, 2, 2, 1, 2);
            break;
        case 9:
            object = vlan_network_row(1, 1, "vlan", 1, 10);
            skr_object_set_integer(object, SKR_VM_NETWORK_VLAN_ID, 11);
            break;
        case 10:
            object = route_row(1, 2, 1, 7);
            break;
        case 11:
            with_list(&w);
            object = acl_row(1, "udp", NULL);
            break;
        case 12:
            without_mapping(&w);
            object = classification_row(2, 2);
            break;
        default:
            object = vm_subnet_row(2, 2);
            skr_object_set_integer(object, SKR_VM_SUBNET_VSID, 70001);
        }
        expect_pending(&w, object);
        world_done(&w);
    }
}
