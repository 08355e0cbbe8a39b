/* Moves: who has the port, what records say, and whose counters go where. */
#include "tests/unit/controller/policy/fixture.h"

static struct skr_object *moving(unsigned host, unsigned target)
{
    struct skr_object *object = adapter_row(1, 1, 1, host, 0);
    struct skr_uuid target_id = uuid_of(SKR_HOST, target);

    if (target)
        skr_object_set_uuid(object, SKR_NETWORK_ADAPTER_TARGET_HOST_ID, &target_id);
    return object;
}

/* Three hosts, an adapter on the first. */
static void cloud(struct world *world)
{
    static const char *const names[] = {"host-1", "host-2", "host-3"}, *const pas[] = {"10.1.0.1", "10.1.0.2",
                                                                                       "10.1.0.3"};

    put(world, logical_network_row(1, "nvgre", 1500));
    for (unsigned i = 0; i < 3; i++) {
        put(world, host_row(i + 1, names[i], "enrolled"));
        put(world, provider_address_row(i + 1, i + 1, 1, pas[i]));
    }
    put(world, vm_network_row(1, 1, 0));
    put(world, vm_subnet_row(1, 1));
    put(world, moving(1, 0));
    put(world, record_row(1, 1, 1, 1, 0));
    commit(world);
    for (unsigned i = 0; i < 3; i++) {
        struct skr_uuid id = uuid_of(SKR_HOST, i + 1);
        agent_connect(world, agent_new(world, &id));
    }
    world_settle(world);
}

static void change(struct world *world, struct skr_object *adapter)
{
    put(world, adapter);
    commit(world);
    world_settle(world);
}

static int port_armed(struct agent *agent)
{
    struct skr_uuid id = uuid_of(SKR_NETWORK_ADAPTER, 1);
    struct agent_scope *scope = skr_id_map_get(&agent->scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, &agent->host);
    struct scope_object *object =
            scope ? skr_id_map_get(&scope->objects, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &id) : NULL;
    if (!object)
        return -1;
    Skerry__V1__Port *port = skerry__v1__port__unpack(NULL, object->size, object->bytes);
    int armed = port->armed;
    skerry__v1__port__free_unpacked(port, NULL);
    return armed;
}

static void say_port_state(struct world *world, struct agent *agent)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__PortState state = SKERRY__V1__PORT_STATE__INIT;
    struct skr_uuid id = uuid_of(SKR_NETWORK_ADAPTER, 1);

    state.adapter_id = (ProtobufCBinaryData){sizeof(id.bytes), id.bytes};
    state.tx_packets = 7;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_PORT_STATE;
    envelope.port_state = &state;
    agent_say(world, agent, &envelope);
    world_run(world);
}

/* Frames that wait for each agent: "010" when the second has one. */
static void expect_waiting(struct world *world, const char *wanted)
{
    for (unsigned i = 0; i < 3; i++) {
        struct agent *agent = &world->agents[i];
        cr_expect_eq(agent->count, (uint32_t)(wanted[i] - '0'), "host %u has %u", i + 1, agent->count);
        agent_drop_frames(agent);
    }
}

Test(policy_move, the_port_waits_on_the_target_and_leaves_the_source)
{
    struct world w;
    world_init(&w, NULL);
    cloud(&w);
    change(&w, moving(1, 2));
    world_expect_equal(&w);
    cr_expect_eq(port_armed(&w.agents[0]), 0);
    cr_expect_eq(port_armed(&w.agents[1]), 1);
    cr_expect_eq(port_armed(&w.agents[2]), -1);
    change(&w, moving(1, 0)); /* cancelled */
    cr_expect_eq(port_armed(&w.agents[0]), 0);
    cr_expect_eq(port_armed(&w.agents[1]), -1);
    change(&w, moving(1, 2));
    change(&w, moving(2, 0));
    world_expect_equal(&w);
    cr_expect_eq(port_armed(&w.agents[0]), -1);
    cr_expect_eq(port_armed(&w.agents[1]), 0);
    world_done(&w);
}

Test(policy_move, counters_go_from_the_source_to_the_target_once)
{
    struct world w;
    world_init(&w, NULL);
    cloud(&w);
    say_port_state(&w, &w.agents[0]); /* nothing moves */
    expect_waiting(&w, "000");
    change(&w, moving(1, 2));
    say_port_state(&w, &w.agents[0]); /* not yet */
    expect_waiting(&w, "000");
    change(&w, moving(2, 0));
    say_port_state(&w, &w.agents[2]); /* no part in it */
    say_port_state(&w, &w.agents[1]);
    expect_waiting(&w, "000");
    say_port_state(&w, &w.agents[0]);
    expect_waiting(&w, "010");
    say_port_state(&w, &w.agents[0]); /* once */
    expect_waiting(&w, "000");
    world_done(&w);
}

/* In a write so large that each object has needs of its own. The VM's port on the target is part of its adapter. */
Test(policy_move, what_fails_on_the_target_fails_the_adapter)
{
    struct world w;
    struct skr_realization r;
    struct skr_uuid id = uuid_of(SKR_NETWORK_ADAPTER, 1);
    world_init(&w, NULL);
    cloud(&w);
    w.agents[1].failing_id = id;
    w.agents[1].failing_type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT;
    strcpy(w.agents[1].failing, "map_full: no room for the port");
    for (unsigned n = 2; n <= 12; n++) {
        put(&w, vm_network_row(n, 1, 0));
        put(&w, vm_subnet_row(n, n));
        put(&w, adapter_row(n, n, n, 3, 0));
    }
    put(&w, moving(1, 2));
    commit(&w);
    world_settle(&w);
    skr_realization_of_object(w.table, SKR_NETWORK_ADAPTER, &id, &r);
    cr_assert_eq(r.state, SKR_REALIZATION_FAILED);
    cr_assert_eq(skr_uuid_compare(&r.hosts[0].id, &w.agents[1].host), 0);
    world_done(&w);
}
