/* The protocol step by step: Hello, digests, deltas, buckets, window, what a host may hold. */
#include "tests/unit/controller/policy/fixture.h"

/* Two hosts with provider addresses, one VM network with an adapter on each. */
static void small_cloud(struct world *world)
{
    put(world, profile_row(1, "Medium bandwidth adapter", true, false));
    put(world, profile_row(2, "Learning", false, true));
    put(world, classification_row(2, 2));
    put(world, logical_network_row(1, "nvgre", 1500));
    put(world, host_row(1, "host-1", "enrolled"));
    put(world, host_row(2, "host-2", "enrolled"));
    put(world, provider_address_row(1, 1, 1, "10.1.0.1"));
    put(world, provider_address_row(2, 2, 1, "10.1.0.2"));
    put(world, vm_network_row(1, 1, 0));
    put(world, vm_subnet_row(1, 1));
    put(world, adapter_row(1, 1, 1, 1, 0));
    put(world, record_row(1, 1, 1, 1, 0));
    put(world, adapter_row(2, 1, 1, 2, 0));
    put(world, record_row(2, 2, 1, 1, 0));
    commit(world);
    for (unsigned i = 1; i <= 2; i++) {
        struct skr_uuid id = uuid_of(SKR_HOST, i);
        agent_new(world, &id);
    }
}

static void both_connect(struct world *world)
{
    agent_connect(world, &world->agents[0]);
    agent_connect(world, &world->agents[1]);
    world_settle(world);
}

static struct scope_object *held(struct agent *agent, uint32_t kind, struct skr_uuid scope_id, uint32_t type,
                                 struct skr_uuid id)
{
    struct agent_scope *scope = skr_id_map_get(&agent->scopes, kind, &scope_id);
    return scope ? skr_id_map_get(&scope->objects, type, &id) : NULL;
}

static struct scope_object *held_in_domain(struct agent *agent, uint32_t type, struct skr_uuid id)
{
    return held(agent, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, uuid_of(SKR_VM_NETWORK, 1), type, id);
}

static struct skr_realization of_write(struct world *world, int64_t revision)
{
    struct skr_realization realization;
    cr_assert_eq(skr_realization_of_write(world->table, revision, &realization), 0);
    return realization;
}

Test(policy_session, a_new_agent_gets_its_scopes_whole_and_is_synced)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    world_expect_equal(&w);
    cr_assert_eq(w.counts.whole, 4);
    cr_assert_eq(w.agents[0].synced_revision, (uint64_t)w.revision);
    cr_assert_eq(w.synced_calls, 2);
    cr_assert_eq(w.synced_revision, w.revision);
    world_done(&w);
}

/* It can use what others say of its ports only when it has them. */
Test(policy_session, the_host_scope_comes_first)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    cr_assert_eq(w.agents[0].first_kind, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST);
    world_done(&w);
}

Test(policy_session, what_is_sent_says_what_the_model_says)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    struct scope_object *object =
            held_in_domain(&w.agents[0], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, uuid_of(SKR_LOOKUP_RECORD, 2));
    Skerry__V1__Record *record = skerry__v1__record__unpack(NULL, object->size, object->bytes);
    cr_assert_eq(record->vsid, 4097);
    cr_assert_eq(record->provider_address.len, 4);
    cr_assert_arr_eq(record->provider_address.data, ((uint8_t[]){10, 1, 0, 2}), 4);
    cr_assert_eq(record->type, SKERRY__V1__RECORD_TYPE__RECORD_TYPE_STATIC);
    skerry__v1__record__free_unpacked(record, NULL);

    object = held_in_domain(&w.agents[0], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER, uuid_of(SKR_HOST, 2));
    Skerry__V1__Member *member = skerry__v1__member__unpack(NULL, object->size, object->bytes);
    cr_assert_eq(member->n_provider_addresses, 1);
    cr_assert_eq(member->n_vsids, 1);
    cr_assert_eq(member->vsids[0], 4097);
    skerry__v1__member__free_unpacked(member, NULL);

    object = held_in_domain(&w.agents[0], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN, uuid_of(SKR_VM_NETWORK, 1));
    Skerry__V1__Domain *domain = skerry__v1__domain__unpack(NULL, object->size, object->bytes);
    cr_assert_eq(domain->mtu, 1458);
    cr_assert_eq(domain->number, 1001);
    cr_assert_eq(domain->encapsulation, SKERRY__V1__ENCAPSULATION__ENCAPSULATION_NVGRE);
    skerry__v1__domain__free_unpacked(domain, NULL);

    struct skr_uuid host = uuid_of(SKR_HOST, 1);
    object = held(&w.agents[0], SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, host,
                  SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, uuid_of(SKR_NETWORK_ADAPTER, 1));
    Skerry__V1__Port *port = skerry__v1__port__unpack(NULL, object->size, object->bytes);
    cr_assert_eq(port->vsid, 4097);
    cr_assert(port->dhcp_guard && !port->guest_specified_ips);
    cr_assert_str_eq(port->name, "adapter-1");
    skerry__v1__port__free_unpacked(port, NULL);
    world_done(&w);
}

Test(policy_session, an_mtu_and_vxlan_of_the_model_are_passed_through)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    put(&w, logical_network_row(1, "vxlan", 9000));
    commit(&w);
    world_settle(&w);
    struct scope_object *object =
            held_in_domain(&w.agents[1], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN, uuid_of(SKR_VM_NETWORK, 1));
    Skerry__V1__Domain *domain = skerry__v1__domain__unpack(NULL, object->size, object->bytes);
    cr_assert_eq(domain->mtu, 8950);
    cr_assert_eq(domain->encapsulation, SKERRY__V1__ENCAPSULATION__ENCAPSULATION_VXLAN);
    skerry__v1__domain__free_unpacked(domain, NULL);
    put(&w, vm_network_row(1, 1, 1400));
    commit(&w);
    world_settle(&w);
    object = held_in_domain(&w.agents[1], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET, uuid_of(SKR_VM_SUBNET, 1));
    Skerry__V1__Subnet *subnet = skerry__v1__subnet__unpack(NULL, object->size, object->bytes);
    cr_assert_eq(subnet->mtu, 1400);
    cr_assert(!subnet->learns);
    skerry__v1__subnet__free_unpacked(subnet, NULL);
    world_done(&w);
}

Test(policy_session, a_learning_port_makes_its_subnet_learn)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    const uint32_t type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET;
    for (int learns = 1; learns >= 0; learns--) {
        put(&w, adapter_row(1, 1, 1, 1, learns ? 2 : 0));
        commit(&w);
        world_settle(&w);
        struct scope_object *object = held_in_domain(&w.agents[1], type, uuid_of(SKR_VM_SUBNET, 1));
        Skerry__V1__Subnet *subnet = skerry__v1__subnet__unpack(NULL, object->size, object->bytes);
        cr_assert_eq(subnet->learns, learns);
        skerry__v1__subnet__free_unpacked(subnet, NULL);
    }
    world_done(&w);
}

Test(policy_session, a_host_without_an_adapter_sees_nothing_of_a_vm_network)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    put(&w, vm_network_row(2, 1, 0));
    put(&w, vm_subnet_row(2, 2));
    put(&w, adapter_row(3, 2, 2, 1, 0));
    commit(&w);
    both_connect(&w);
    cr_assert_eq(w.agents[0].scopes.count, 3);
    cr_assert_eq(w.agents[1].scopes.count, 2);
    world_done(&w);
}

Test(policy_session, an_equal_root_digest_costs_no_scope)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    agent_disconnect(&w, &w.agents[0]);
    w.counts = (struct counts){0};
    agent_connect(&w, &w.agents[0]);
    world_settle(&w);
    cr_assert_eq(w.counts.deltas, 0);
    cr_assert_eq(w.counts.synced, 1);
    cr_assert_lt(w.counts.bytes, 200);
    /* The next change reaches it although the two may count differently. */
    put(&w, adapter_row(1, 1, 1, 1, 2));
    commit(&w);
    world_settle(&w);
    world_expect_equal(&w);
    cr_assert_gt(w.counts.unnumbered, 0);
    world_done(&w);
}

Test(policy_session, a_short_absence_is_made_up_from_the_ring)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    agent_disconnect(&w, &w.agents[0]);
    put(&w, record_row(3, 1, 1, 1, 1));
    commit(&w);
    put_op(&w, SKR_CHANGE_DELETE, record_row(2, 2, 1, 1, 0));
    commit(&w);
    world_settle(&w);
    w.counts = (struct counts){0};
    agent_connect(&w, &w.agents[0]);
    world_settle(&w);
    world_expect_equal(&w);
    cr_assert_eq(w.counts.deltas, 1);
    cr_assert_eq(w.counts.whole + w.counts.buckets, 0);
    world_done(&w);
}

Test(policy_session, a_digest_nobody_knows_is_compared_by_buckets)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    for (unsigned i = 10; i < 60; i++)
        put(&w, record_row(i, 1, 1, 1, i));
    commit(&w);
    both_connect(&w);
    agent_disconnect(&w, &w.agents[0]);
    /* One object lost, one that should not be there. */
    struct skr_uuid domain = uuid_of(SKR_VM_NETWORK, 1), lost = uuid_of(SKR_LOOKUP_RECORD, 20),
                    foreign = uuid_of(50, 1);
    struct agent_scope *scope = skr_id_map_get(&w.agents[0].scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &domain);
    uint8_t byte = 1;
    agent_scope_set(scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, &lost, NULL);
    agent_scope_set(scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, &foreign, &(ProtobufCBinaryData){1, &byte});
    w.counts = (struct counts){0};
    agent_connect(&w, &w.agents[0]);
    world_settle(&w);
    world_expect_equal(&w);
    cr_assert_eq(w.counts.requests, 1);
    cr_assert_eq(w.counts.buckets, 1);
    cr_assert_eq(w.counts.whole, 0);
    cr_assert_lt(w.counts.bytes, 1500, "only what differs travels");
    world_done(&w);
}

Test(policy_session, a_scope_that_the_agent_must_not_have_is_taken_away)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    agent_disconnect(&w, &w.agents[0]);
    struct skr_uuid foreign = uuid_of(SKR_VM_NETWORK, 9);
    ProtobufCBinaryData id = skr_policy_wire_uuid(&foreign);
    agent_scope_of(&w.agents[0], SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &id, true);
    agent_connect(&w, &w.agents[0]);
    world_settle(&w);
    cr_assert_eq(w.counts.removed, 1);
    world_expect_equal(&w);
    world_done(&w);
}

Test(policy_session, live_deltas_are_encoded_once_for_all_receivers)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    put(&w, record_row(3, 1, 1, 1, 1));
    commit(&w);
    cr_assert_eq(w.agents[0].count, 1);
    cr_assert_eq(w.agents[0].frames[w.agents[0].first], w.agents[1].frames[w.agents[1].first]);
    world_settle(&w);
    world_expect_equal(&w);
    world_done(&w);
}

Test(policy_session, beyond_the_window_changes_coalesce)
{
    struct world w;
    struct skr_policy_options options = {.window_bytes = 1};
    world_init(&w, &options);
    small_cloud(&w);
    both_connect(&w);
    world_expect_equal(&w);
    w.counts = (struct counts){0};
    for (unsigned salt = 1; salt <= 20; salt++) {
        put(&w, record_row(3, 1, 1, 1, salt));
        commit(&w);
    }
    cr_assert_eq(w.agents[0].count, 1, "one delta is under way, the rest waits");
    world_settle(&w);
    world_expect_equal(&w);
    cr_assert_eq(w.counts.deltas, 4, "the first and one for all others, for each host");
    world_done(&w);
}

Test(policy_session, whoever_falls_behind_the_ring_is_compared)
{
    struct world w;
    struct skr_policy_options options = {.window_bytes = 1};
    world_init(&w, &options);
    small_cloud(&w);
    both_connect(&w);
    for (unsigned i = 0; i < SKR_POLICY_RING_VERSIONS + 10; i++) {
        put(&w, record_row(3, 1, 1, 1, i));
        commit(&w);
    }
    world_settle(&w);
    world_expect_equal(&w);
    cr_assert_geq(w.counts.requests, 2);
    world_done(&w);
}

Test(policy_session, a_large_delta_travels_in_several_frames)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    for (unsigned i = 0; i < 8000; i++) {
        put(&w, record_row(100 + i, 1, 1, 1, i));
        if (i % 50 == 49)
            commit(&w);
    }
    commit(&w);
    both_connect(&w);
    world_expect_equal(&w);
    cr_assert_gt(w.counts.more, 0);
    world_done(&w);
}

Test(policy_session, a_resync_compares_again_and_endless_ones_end_the_session)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    struct skr_uuid domain = uuid_of(SKR_VM_NETWORK, 1);
    struct agent_scope *scope = skr_id_map_get(&w.agents[0].scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &domain);
    agent_say_resync(&w, &w.agents[0], scope);
    world_settle(&w);
    cr_assert_eq(w.counts.requests, 1);
    world_expect_equal(&w);
    for (int i = 0; i <= SKR_POLICY_RESYNCS_MAX + 1; i++) {
        w.agents[0].answers = false;
        agent_say_resync(&w, &w.agents[0], scope);
        world_settle(&w);
    }
    cr_assert(!w.agents[0].connected);
    world_done(&w);
}

Test(policy_session, a_newer_session_ends_the_older_and_a_late_one_is_refused)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    struct skr_uuid id = uuid_of(SKR_HOST, 1);
    struct agent *second = agent_new(&w, &id);
    second->next_number = 5;
    agent_connect(&w, second);
    world_settle(&w);
    cr_assert(!w.agents[0].connected && second->connected);
    agent_connect(&w, &w.agents[0]); /* number 2: older than 6 */
    world_settle(&w);
    cr_assert(!w.agents[0].connected && second->connected);
    world_expect_equal(&w);
    world_done(&w);
}

Test(policy_session, a_revoked_host_is_out_everywhere_at_once)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    struct skr_change change = {
            .op = SKR_CHANGE_STATUS, .resource = SKR_HOST, .object = host_row(2, "host-2", "revoked")};
    skr_policy_changes(w.policy, &change, 1);
    skr_object_unref(change.object);
    world_settle(&w);
    cr_assert(!w.agents[1].connected);
    cr_assert_null(held_in_domain(&w.agents[0], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER, uuid_of(SKR_HOST, 2)));
    struct scope_object *object =
            held_in_domain(&w.agents[0], SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, uuid_of(SKR_LOOKUP_RECORD, 2));
    Skerry__V1__Record *record = skerry__v1__record__unpack(NULL, object->size, object->bytes);
    cr_assert_eq(record->provider_address.len, 0);
    skerry__v1__record__free_unpacked(record, NULL);
    agent_connect(&w, &w.agents[1]);
    world_settle(&w);
    cr_assert(!w.agents[1].connected, "its next session is refused");
    world_done(&w);
}

Test(policy_session, a_member_lingers_until_everybody_knows_and_a_while_longer)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    w.agents[1].answers = false;
    put(&w, adapter_row(1, 1, 1, 0, 0));
    commit(&w);
    world_settle(&w);
    const uint32_t type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER;
    for (int i = 0; i < 10; i++, w.now += SECOND)
        world_settle(&w);
    cr_assert_not_null(held_in_domain(&w.agents[1], type, uuid_of(SKR_HOST, 1)), "host 2 has not acknowledged");
    struct skr_uuid domain = uuid_of(SKR_VM_NETWORK, 1);
    w.agents[1].answers = true;
    agent_say_applied(&w, &w.agents[1],
                      skr_id_map_get(&w.agents[1].scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &domain));
    for (int i = 0; i < 5; i++, w.now += SECOND)
        world_settle(&w);
    cr_assert_not_null(held_in_domain(&w.agents[1], type, uuid_of(SKR_HOST, 1)));
    for (int i = 0; i < 3; i++, w.now += SECOND)
        world_settle(&w);
    cr_assert_null(held_in_domain(&w.agents[1], type, uuid_of(SKR_HOST, 1)));
    cr_assert_eq(w.agents[0].scopes.count, 1, "only its host scope is left");
    world_expect_equal(&w);
    world_done(&w);
}

Test(policy_session, a_silent_member_makes_nobody_linger_for_ever)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    w.agents[1].answers = false;
    put(&w, adapter_row(1, 1, 1, 0, 0));
    commit(&w);
    world_settle(&w);
    w.now += 61 * SECOND;
    world_settle(&w);
    cr_assert_eq(w.agents[0].scopes.count, 1);
    world_done(&w);
}

Test(policy_session, a_host_is_not_synced_before_it_has_dropped_what_it_must_not_have)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    put(&w, adapter_row(1, 1, 1, 0, 0));
    int64_t revision = commit(&w);
    world_settle(&w);
    w.now += 61 * SECOND;
    world_run(&w); /* the scope is taken away, and the agent has not heard of it yet */
    w.synced_revision = 0;
    put_op(&w, SKR_CHANGE_DELETE, record_row(1, 1, 1, 1, 0));
    commit(&w);
    while (agent_step(&w, &w.agents[1]))
        ;
    w.now += 5 * SECOND;
    world_run(&w);
    const struct host *host = skr_policy_graph_find(w.policy, SKR_HOST, &w.agents[0].host);
    cr_assert_leq(host->synced, revision);
    world_settle(&w);
    w.now += 5 * SECOND;
    world_settle(&w);
    cr_assert_eq(host->synced, w.revision);
    world_done(&w);
}

/* ---- truth ---- */

Test(policy_realization, a_frozen_host_is_pending_and_named)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    w.agents[1].answers = false;
    put(&w, record_row(3, 1, 1, 1, 1));
    int64_t revision = commit(&w);
    world_settle(&w);
    struct skr_realization r = of_write(&w, revision);
    cr_assert_eq(r.state, SKR_REALIZATION_PENDING);
    cr_assert_eq(r.applied, 1);
    cr_assert_eq(r.pending, 1);
    cr_assert_eq(r.named, 1);
    cr_assert_str_eq(r.hosts[0].name, "host-2");
    agent_disconnect(&w, &w.agents[1]);
    world_run(&w);
    r = of_write(&w, revision);
    cr_assert_eq(r.offline, 1);
    cr_assert_eq(r.state, SKR_REALIZATION_PENDING);
    w.agents[1].answers = true;
    agent_connect(&w, &w.agents[1]);
    world_settle(&w);
    r = of_write(&w, revision);
    cr_assert_eq(r.state, SKR_REALIZATION_REALIZED);
    cr_assert_eq(r.applied, 2);
    world_done(&w);
}

Test(policy_realization, an_acknowledgement_with_a_wrong_digest_counts_for_nothing)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    w.agents[1].answers = false;
    put(&w, record_row(3, 1, 1, 1, 1));
    int64_t revision = commit(&w);
    world_settle(&w);
    struct skr_uuid domain = uuid_of(SKR_VM_NETWORK, 1), gone = uuid_of(SKR_LOOKUP_RECORD, 3);
    struct agent_scope *scope = skr_id_map_get(&w.agents[1].scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &domain);
    agent_scope_set(scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, &gone, NULL);
    agent_say_applied(&w, &w.agents[1], scope);
    world_run(&w);
    cr_assert_eq(of_write(&w, revision).state, SKR_REALIZATION_PENDING);
    w.agents[1].answers = true;
    world_settle(&w);
    cr_assert_eq(of_write(&w, revision).state, SKR_REALIZATION_REALIZED, "it was compared and got what it lacked");
    world_expect_equal(&w);
    world_done(&w);
}

Test(policy_realization, a_failure_fails_the_write_and_the_object_until_it_is_gone)
{
    struct world w;
    struct skr_realization r;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    struct agent *agent = &w.agents[1];
    agent->failing_id = uuid_of(SKR_NETWORK_ADAPTER, 2);
    agent->failing_type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT;
    strcpy(agent->failing, "map_full: no room for the port");
    put(&w, adapter_row(2, 1, 1, 2, 2));
    int64_t revision = commit(&w);
    world_settle(&w);
    r = of_write(&w, revision);
    cr_assert_eq(r.state, SKR_REALIZATION_FAILED);
    cr_assert_eq(r.failed, 1);
    cr_assert_str_eq(r.hosts[0].reason, "map_full: no room for the port");
    skr_realization_of_object(w.table, SKR_NETWORK_ADAPTER, &agent->failing_id, &r);
    cr_assert_eq(r.state, SKR_REALIZATION_FAILED);
    /* Another write of the same scope is not to blame. */
    put(&w, adapter_row(5, 1, 1, 2, 0));
    cr_assert_eq(of_write(&w, commit(&w)).state, SKR_REALIZATION_PENDING);
    world_settle(&w);
    cr_assert_eq(of_write(&w, w.revision).state, SKR_REALIZATION_REALIZED);
    agent->failing[0] = 0;
    struct skr_uuid host = uuid_of(SKR_HOST, 2);
    agent_say_applied(&w, agent, skr_id_map_get(&agent->scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, &host));
    world_settle(&w);
    cr_assert_eq(of_write(&w, revision).state, SKR_REALIZATION_REALIZED);
    world_done(&w);
}

Test(policy_realization, waiting_for_another_scope_is_pending_not_failed)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    struct agent *agent = &w.agents[1];
    agent->failing_id = uuid_of(SKR_NETWORK_ADAPTER, 2);
    agent->failing_type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT;
    strcpy(agent->failing, "waiting: the VM network has not arrived");
    put(&w, adapter_row(2, 1, 1, 2, 2));
    int64_t revision = commit(&w);
    world_settle(&w);
    struct skr_realization r = of_write(&w, revision);
    cr_assert_eq(r.state, SKR_REALIZATION_PENDING);
    cr_assert_eq(r.pending, 1);
    world_done(&w);
}

Test(policy_realization, an_adapter_on_a_host_without_provider_address_has_failed)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    put(&w, host_row(3, "host-3", "enrolled"));
    put(&w, provider_address_row(3, 3, 1, NULL));
    put(&w, adapter_row(3, 1, 1, 3, 0));
    put(&w, record_row(3, 3, 1, 1, 0));
    int64_t revision = commit(&w);
    world_settle(&w);
    struct skr_realization r = of_write(&w, revision);
    cr_assert_eq(r.state, SKR_REALIZATION_FAILED);
    cr_assert_str_eq(r.hosts[0].name, "host-3");
    cr_assert_not_null(strstr(r.hosts[0].reason, "no_provider_address"));
    cr_assert_not_null(strstr(r.hosts[0].reason, "Hamburg"));
    put(&w, provider_address_row(3, 3, 1, "10.1.0.3"));
    commit(&w);
    struct skr_uuid id = uuid_of(SKR_HOST, 3);
    agent_connect(&w, agent_new(&w, &id));
    world_settle(&w);
    cr_assert_eq(of_write(&w, revision).state, SKR_REALIZATION_REALIZED);
    world_expect_equal(&w);
    world_done(&w);
}

Test(policy_realization, a_later_member_does_not_hold_up_an_older_write)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    w.agents[1].answers = false;
    put(&w, record_row(3, 1, 1, 1, 1));
    int64_t revision = commit(&w);
    put(&w, host_row(3, "host-3", "enrolled"));
    put(&w, provider_address_row(3, 3, 1, "10.1.0.3"));
    put(&w, adapter_row(3, 1, 1, 3, 0));
    int64_t placed = commit(&w);
    w.agents[1].answers = true;
    world_settle(&w);
    struct skr_uuid domain = uuid_of(SKR_VM_NETWORK, 1);
    agent_say_applied(&w, &w.agents[1],
                      skr_id_map_get(&w.agents[1].scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &domain));
    world_settle(&w);
    cr_assert_eq(of_write(&w, revision).state, SKR_REALIZATION_REALIZED);
    struct skr_realization r = of_write(&w, placed);
    cr_assert_eq(r.state, SKR_REALIZATION_PENDING);
    cr_assert_str_eq(r.hosts[0].name, "host-3");
    world_done(&w);
}

Test(policy_realization, a_removed_host_holds_nothing_up)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    agent_disconnect(&w, &w.agents[1]);
    put(&w, record_row(3, 1, 1, 1, 1));
    int64_t revision = commit(&w);
    world_settle(&w);
    cr_assert_eq(of_write(&w, revision).state, SKR_REALIZATION_PENDING);
    struct skr_object *removed = host_row(2, "host-2", "enrolled");
    skr_object_set_text(removed, SKR_HOST_STATE, "removed");
    put(&w, removed);
    commit(&w);
    world_settle(&w);
    cr_assert_eq(of_write(&w, revision).state, SKR_REALIZATION_REALIZED);
    world_done(&w);
}

Test(policy_session, idle_hosts_are_recorded_as_synced_by_and_by)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    struct skr_uuid tenant = uuid_of(SKR_TENANT, 1);
    put(&w, row(SKR_TENANT, &tenant));
    int64_t revision = commit(&w);
    cr_assert_eq(of_write(&w, revision).state, SKR_REALIZATION_REALIZED, "nobody needs it");
    cr_assert_lt(w.synced_revision, revision);
    w.now += 2 * SECOND;
    world_settle(&w);
    cr_assert_eq(w.synced_revision, revision);
    world_done(&w);
}

/* ---- what must not be remembered for ever ---- */

/* Mended while nobody was connected: the scope is the controller's, so no acknowledgement of it will come. */
Test(policy_realization, a_failure_that_was_mended_while_away_is_over_in_the_next_session)
{
    struct world w;
    struct skr_realization r;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    struct agent *agent = &w.agents[1];
    agent->failing_id = uuid_of(SKR_NETWORK_ADAPTER, 2);
    agent->failing_type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT;
    strcpy(agent->failing, "map_full: no room for the port");
    put(&w, adapter_row(2, 1, 1, 2, 2));
    commit(&w);
    world_settle(&w);
    skr_realization_of_object(w.table, SKR_NETWORK_ADAPTER, &agent->failing_id, &r);
    cr_assert_eq(r.state, SKR_REALIZATION_FAILED);
    agent_disconnect(&w, agent);
    agent->failing[0] = 0;
    put(&w, record_row(2, 2, 1, 1, 7)); /* another scope changes, so that digests are compared */
    commit(&w);
    agent_connect(&w, agent);
    world_settle(&w);
    skr_realization_of_object(w.table, SKR_NETWORK_ADAPTER, &agent->failing_id, &r);
    cr_assert_eq(r.state, SKR_REALIZATION_REALIZED);
    world_done(&w);
}

/* A comparison now and then is no sign of digests that keep differing. */
Test(policy_session, comparisons_that_succeed_are_forgotten)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    struct skr_uuid domain = uuid_of(SKR_VM_NETWORK, 1);
    struct agent_scope *scope = skr_id_map_get(&w.agents[0].scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &domain);
    for (int i = 0; i < 3 * SKR_POLICY_RESYNCS_MAX; i++) {
        agent_say_resync(&w, &w.agents[0], scope);
        world_settle(&w);
        cr_assert(w.agents[0].connected, "time %d", i);
    }
    world_done(&w);
}

/* Networks come and go for years; what nothing refers to must not stay in memory. */
Test(policy_session, rows_that_are_gone_leave_nothing_behind)
{
    struct world w;
    world_init(&w, NULL);
    small_cloud(&w);
    both_connect(&w);
    uint32_t before = w.policy->nodes.count;
    for (enum skr_change_op op = SKR_CHANGE_PUT;; op = SKR_CHANGE_DELETE) {
        put_op(&w, op, record_row(9, 9, 9, 9, 0));
        put_op(&w, op, adapter_row(9, 9, 9, 1, 9));
        put_op(&w, op, classification_row(9, 9));
        put_op(&w, op, profile_row(9, "Nine", false, false));
        put_op(&w, op, vm_subnet_row(9, 9));
        put_op(&w, op, vm_network_row(9, 1, 0));
        put_op(&w, op, provider_address_row(9, 2, 1, "10.1.0.9"));
        commit(&w);
        world_settle(&w);
        if (op == SKR_CHANGE_DELETE)
            break;
        cr_assert_eq(w.policy->nodes.count, before + 7);
    }
    for (int i = 0; i < 70; i++, w.now += SECOND)
        world_settle(&w);
    cr_assert_eq(w.policy->nodes.count, before);
    world_done(&w);
}
