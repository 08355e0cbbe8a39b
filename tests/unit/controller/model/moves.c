/* Moving an adapter: what begins a move, what ends it, and that nothing else changes. */
#include "tests/support/controller/world.h"

struct change {
    struct skr_uuid adapter, target;
    enum { BEGIN, CANCEL, FINISH } what;
};

static int run_change(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    const struct change *change = argument;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    int r = skr_fetch(txn, SKR_NETWORK_ADAPTER, &change->adapter, &adapter, error);
    if (r < 0)
        return r;
    if (change->what == BEGIN)
        return skr_adapter_move_begin(txn, adapter, &change->target, error);
    return change->what == CANCEL ? skr_adapter_move_cancel(txn, adapter, error)
                                  : skr_adapter_move_finish(txn, adapter, error);
}

static int begin(struct world *world, const char *adapter, const char *target, struct skr_error *error)
{
    struct change change = {world_id(world, adapter), world_id(world, target), BEGIN};
    return skr_store_write_wait(world->test.store, run_change, &change, NULL, error);
}

static int finish(struct world *world, const char *adapter, struct skr_error *error)
{
    struct change change = {.adapter = world_id(world, adapter), .what = FINISH};
    return skr_store_write_wait(world->test.store, run_change, &change, NULL, error);
}

static void cancel(struct world *world, const char *adapter)
{
    struct skr_error error = {0};
    struct change change = {.adapter = world_id(world, adapter), .what = CANCEL};
    cr_assert_eq(skr_store_write_wait(world->test.store, run_change, &change, NULL, &error), 0, "%s", error.detail);
}

static void begin_move(struct world *world, const char *adapter, const char *target)
{
    struct skr_error error = {0};
    cr_assert_eq(begin(world, adapter, target, &error), 0, "%s", error.detail);
}

static bool refers_to(struct world *world, const char *adapter, int field, const char *host)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = world_get(world, SKR_NETWORK_ADAPTER, adapter);
    struct skr_uuid id = skr_object_uuid(object, field);
    struct skr_uuid wanted = host ? world_id(world, host) : (struct skr_uuid){0};
    return skr_uuid_equal(&id, &wanted);
}

static void expect_at(struct world *world, const char *adapter, const char *host, const char *target)
{
    cr_expect(refers_to(world, adapter, SKR_NETWORK_ADAPTER_HOST_ID, host), "%s is not on %s", adapter, host);
    cr_expect(refers_to(world, adapter, SKR_NETWORK_ADAPTER_TARGET_HOST_ID, target), "%s does not move to %s", adapter,
              target ? target : "nowhere");
}

/* ---- reports ---- */

struct say {
    Skerry__V1__Report report;
    Skerry__V1__PortBinding binding, *bindings[1];
    Skerry__V1__Claim claim, *claims[1];
    Skerry__V1__Moved moved, *moves[1];
    struct skr_uuid adapter;
};

static void say_init(struct say *say, struct world *world, const char *adapter)
{
    memset(say, 0, sizeof(*say));
    skerry__v1__report__init(&say->report);
    skerry__v1__port_binding__init(&say->binding);
    skerry__v1__claim__init(&say->claim);
    skerry__v1__moved__init(&say->moved);
    say->adapter = world_id(world, adapter);
    say->binding.adapter_id = say->claim.adapter_id = say->moved.adapter_id =
            (ProtobufCBinaryData){16, say->adapter.bytes};
    say->bindings[0] = &say->binding;
    say->claims[0] = &say->claim;
    say->moves[0] = &say->moved;
    say->report.bindings = say->bindings;
    say->report.claims = say->claims;
    say->report.moved = say->moves;
}

/* How many refusals the report met. */
static size_t report(struct world *world, const char *host, const struct say *say)
{
    Skerry__V1__ReportAccepted *accepted = NULL;
    struct skr_error error = {0};
    cr_assert_eq(world_report(world, host, &say->report, &accepted, &error), 0, "%s", error.detail);
    size_t refused = accepted->n_refusals;
    skerry__v1__report_accepted__free_unpacked(accepted, NULL);
    return refused;
}

static size_t bound(struct world *world, const char *host, const char *adapter, const char *interface)
{
    struct say say;
    say_init(&say, world, adapter);
    say.binding.bound = interface != NULL;
    say.binding.interface = interface ? (char *)(uintptr_t)interface : say.binding.interface;
    say.report.n_bindings = 1;
    return report(world, host, &say);
}

static size_t claimed(struct world *world, const char *host, const char *adapter, bool withdrawn)
{
    struct say say;
    say_init(&say, world, adapter);
    say.claim.interface = "tap7";
    say.claim.withdrawn = withdrawn;
    say.report.n_claims = 1;
    return report(world, host, &say);
}

static size_t moved(struct world *world, const char *host, const char *adapter)
{
    struct say say;
    say_init(&say, world, adapter);
    say.report.n_moved = 1;
    return report(world, host, &say);
}

/* ---- tests ---- */

Test(model_move, what_cannot_begin)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    cr_expect_lt(begin(&w, "red-1", "h1", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_CONFLICT, "it is there");
    cr_expect_lt(begin(&w, "blue-1", "h2", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_CONFLICT, "it is nowhere");
    cr_expect_lt(finish(&w, "red-1", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_CONFLICT, "it does not move");
    cr_assert_eq(world_join(&w, "h3", "root", "eth0", 3, &error), 0);
    cr_expect_lt(begin(&w, "red-1", "h3", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_CONFLICT, "no site covers the root");
    cr_expect_str_eq(error.fields[0].pointer, "/host_id");
    world_create(&w, SKR_NETWORK_ADAPTER, "squatter",
                 "{'name': 'squatter', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h2', "
                 "'interface': 'tap1'}");
    cr_expect_lt(begin(&w, "red-1", "h2", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_EXISTS, "its explicit interface is taken there");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'interface': null}");
    begin_move(&w, "red-1", "h2");
    cr_expect_lt(begin(&w, "red-1", "h2", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_CONFLICT, "it moves already");
    expect_at(&w, "red-1", "h1", "h2");
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_request(&w, SKR_OPERATION_DELETE, SKR_HOST, "h2", NULL, &answer);
    cr_expect_lt(answer.result, 0, "a target is in use");
    world_close(&w);
}

Test(model_move, cancelled_leaves_everything_as_it_was)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    cr_expect_eq(bound(&w, "h1", "red-1", "tap1"), 0);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    begin_move(&w, "red-1", "h2");
    cr_expect_eq(bound(&w, "h2", "red-1", "tap9"), 0, "the target may say that it has an interface");
    expect_at(&w, "red-1", "h1", "h2");
    cancel(&w, "red-1");
    cancel(&w, "red-1");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    for (unsigned i = 0; i < after->resource->field_count; i++)
        cr_expect(skr_value_equal(&before->values[i], &after->values[i]), "%s", after->resource->fields[i].name);
    cr_expect_eq(moved(&w, "h2", "red-1"), 1);
    cr_expect_eq(bound(&w, "h2", "red-1", "tap9"), 1);
    world_close(&w);
}

/* The hundredth move finds what the first did. */
Test(model_move, the_first_frame_ends_it_and_the_adapter_keeps_all)
{
    struct world w;
    long long first[5], last[5];
    world_open(&w);
    world_fill(&w);
    world_utilization(&w, "red-pool", first);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    cr_expect_eq(bound(&w, "h1", "red-1", "tap1"), 0);
    for (int i = 0; i < 6; i++) {
        const char *from = i % 2 ? "h2" : "h1", *to = i % 2 ? "h1" : "h2";
        struct skr_object *rows[4];
        begin_move(&w, "red-1", to);
        cr_expect_eq(bound(&w, to, "red-1", "tap1"), 0);
        cr_expect_eq(moved(&w, from, "red-1"), 0, "where it is: nothing to say");
        expect_at(&w, "red-1", from, to);
        cr_expect_eq(moved(&w, to, "red-1"), 0);
        expect_at(&w, "red-1", to, NULL);
        cr_expect_eq(moved(&w, to, "red-1"), 0, "told again");
        cr_assert_eq(world_list(&w, SKR_LOOKUP_RECORD, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID, "red-1", rows, 4), 1);
        struct skr_uuid at = skr_object_uuid(rows[0], SKR_LOOKUP_RECORD_HOST_ID), wanted = world_id(&w, to);
        cr_expect(skr_uuid_equal(&at, &wanted));
        skr_object_unref(rows[0]);
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *there = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
        cr_expect_eq(skr_object_integer(there, SKR_NETWORK_ADAPTER_BOUND), 1, "it was bound there before");
        cr_expect_str_eq(skr_object_text(there, SKR_NETWORK_ADAPTER_BOUND_INTERFACE), "tap1");
        static const int kept[] = {SKR_NETWORK_ADAPTER_MAC, SKR_NETWORK_ADAPTER_IP_ADDRESSES,
                                   SKR_NETWORK_ADAPTER_INTERFACE};
        for (size_t k = 0; k < SKR_ARRAY_SIZE(kept); k++)
            cr_expect(skr_value_equal(&before->values[kept[k]], &there->values[kept[k]]));
    }
    world_utilization(&w, "red-pool", last);
    cr_expect_arr_eq(first, last, sizeof(first));
    world_close(&w);
}

Test(model_move, source_unbound_and_target_bound_end_it)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    cr_expect_eq(bound(&w, "h1", "red-1", "tap1"), 0);
    begin_move(&w, "red-1", "h2");
    cr_expect_eq(bound(&w, "h2", "red-1", "tap1"), 0);
    expect_at(&w, "red-1", "h1", "h2");
    cr_expect_eq(bound(&w, "h1", "red-1", NULL), 0);
    expect_at(&w, "red-1", "h2", NULL);
    begin_move(&w, "red-1", "h1");
    cr_expect_eq(bound(&w, "h2", "red-1", NULL), 0);
    expect_at(&w, "red-1", "h2", "h1");
    cr_expect_eq(bound(&w, "h1", "red-1", "tap1"), 0);
    expect_at(&w, "red-1", "h1", NULL);
    world_close(&w);
}

Test(model_move, an_administrator_ends_it_or_places_it_elsewhere)
{
    struct world w;
    struct skr_action_request request = {0};
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    cr_expect_lt(world_action(&w, SKR_NETWORK_ADAPTER, "red-1", "activate", NULL, &request, &error), 0);
    skr_action_request_done(&request);
    cr_expect_eq(error.tag, SKR_ERROR_CONFLICT);
    begin_move(&w, "red-1", "h2");
    cr_expect_eq(world_action(&w, SKR_NETWORK_ADAPTER, "red-1", "activate", NULL, &request, &error), 0);
    skr_action_request_done(&request);
    expect_at(&w, "red-1", "h2", NULL);
    begin_move(&w, "red-1", "h1");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'description': 'nothing to do with it'}");
    expect_at(&w, "red-1", "h2", "h1");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'host_id': null}");
    expect_at(&w, "red-1", NULL, NULL);
    world_close(&w);
}

/* libvirt gives the target's interface the alias too: two hosts claim it, and neither is wrong. */
Test(model_move, a_claimed_adapter_moves_with_its_claim)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    cr_expect_eq(claimed(&w, "h2", "blue-1", false), 0);
    expect_at(&w, "blue-1", "h2", NULL);
    begin_move(&w, "blue-1", "h1");
    cr_expect_eq(claimed(&w, "h1", "blue-1", false), 0);
    cr_expect_eq(world_events(&w, "ClaimConflict"), 0);
    cr_expect_eq(claimed(&w, "h2", "blue-1", true), 0);
    expect_at(&w, "blue-1", "h2", "h1");
    cr_expect_eq(moved(&w, "h1", "blue-1"), 0);
    expect_at(&w, "blue-1", "h1", NULL);
    cr_expect_eq(claimed(&w, "h1", "blue-1", true), 0);
    expect_at(&w, "blue-1", NULL, NULL);
    /* Without an alias on the target the adapter is there because it was moved: no whole report takes it away. */
    cr_expect_eq(claimed(&w, "h2", "blue-1", false), 0);
    begin_move(&w, "blue-1", "h1");
    cr_expect_eq(claimed(&w, "h1", "blue-1", false), 0);
    struct say say;
    say_init(&say, &w, "blue-1");
    say.report.whole = true;
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(moved(&w, "h1", "blue-1"), 0);
    cr_expect_eq(report(&w, "h1", &say), 0);
    expect_at(&w, "blue-1", "h1", NULL);
    world_close(&w);
}

Test(model_move, hosts_that_have_no_part_in_it)
{
    struct world w;
    struct skr_error error = {0};
    struct say say;
    world_open(&w);
    world_fill(&w);
    cr_assert_eq(world_join(&w, "h3", "north", "eth0", 3, &error), 0);
    begin_move(&w, "red-1", "h2");
    cr_expect_eq(moved(&w, "h3", "red-1"), 1);
    cr_expect_eq(bound(&w, "h3", "red-1", "tap1"), 1);
    cr_expect_eq(claimed(&w, "h3", "red-1", false), 1);
    say_init(&say, &w, "red-1");
    say.moved.adapter_id.len = 3;
    say.report.n_moved = 1;
    cr_expect_eq(report(&w, "h2", &say), 1);
    expect_at(&w, "red-1", "h1", "h2");
    world_close(&w);
}
