/* A virtual port profile that is held back on a host, from the transaction that says so to what the policy holds for
 * each host: at once where nothing is held, elsewhere when the rows are gone; and the same after a restart. */
#include "controller/policy/graph.h"
#include "tests/support/controller/world.h"
#include <skerry/clock.h>

struct scene {
    struct world world;
    struct skr_policy *policy;
    struct skr_realization_table *table;
};

static void send_nothing(void *arg, uint64_t session, struct skr_shared_bytes *frame)
{
    (void)arg, (void)session, (void)frame;
}

static void close_nothing(void *arg, uint64_t session, const char *reason)
{
    (void)arg, (void)session, (void)reason;
}

static void note_nothing(void *arg, const struct skr_uuid *host_id, int64_t revision)
{
    (void)arg, (void)host_id, (void)revision;
}

static struct skr_policy *loaded(struct scene *s, struct skr_realization_table *table)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_policy_options options = {.realizations = table, .digest_key = {1, 2}, .incarnation = 1};
    struct skr_policy *policy;
    struct skr_error error = {0};

    options.output = (struct skr_policy_output){send_nothing, close_nothing, note_nothing, NULL};
    cr_assert_eq(skr_policy_new(&options, &policy, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_store_read_begin(s->world.test.store, &txn, &error), 0);
    cr_assert_eq(skr_policy_load(policy, txn, &error), 0, "%s", error.detail);
    return policy;
}

/* Two hosts with one adapter each whose classification has the profile "Guest dynamic IP"; h1 waits for its
 * administrator. */
static void begin(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    world_open(&s->world);
    world_fill(&s->world);
    world_create(&s->world, SKR_NETWORK_ADAPTER, "red-2",
                 "{'name': 'red-2', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h1', "
                 "'classification_id': '$Guest dynamic IP'}");
    world_create(&s->world, SKR_NETWORK_ADAPTER, "red-3",
                 "{'name': 'red-3', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h2', "
                 "'classification_id': '$Guest dynamic IP'}");
    world_patch(&s->world, SKR_HOST, "h1", "{'remediation': 'manual'}");
    cr_assert_eq(skr_realization_table_new(&s->table), 0);
    s->policy = loaded(s, s->table);
    skr_store_listen(s->world.test.store, skr_policy_changes, s->policy);
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *classification = world_get(&s->world, SKR_PORT_CLASSIFICATION, "Guest dynamic IP");
    struct skr_uuid id = skr_object_uuid(classification, SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID);
    world_name(&s->world, "profile", &id);
}

static void end(struct scene *s)
{
    skr_store_listen(s->world.test.store, NULL, NULL);
    skr_policy_free(s->policy);
    skr_realization_table_free(s->table);
    world_close(&s->world);
}

static const struct scope *scope_of(struct scene *s, const char *host)
{
    struct skr_uuid id = world_id(&s->world, host);
    skr_policy_run(s->policy, skr_clock_monotonic_ns());
    const struct host *node = skr_policy_graph_find(s->policy, SKR_HOST, &id);
    return node->scope;
}

static bool dhcp_guard(struct scene *s, const char *host, const char *adapter)
{
    const struct scope *scope = scope_of(s, host);
    struct skr_uuid id = world_id(&s->world, adapter);
    const struct scope_object *object = skr_id_map_get(&scope->objects, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &id);
    cr_assert_not_null(object);
    Skerry__V1__Port *port = skerry__v1__port__unpack(NULL, object->size, object->bytes);
    bool guard = port->dhcp_guard;
    skerry__v1__port__free_unpacked(port, NULL);
    return guard;
}

static size_t rows_of(struct scene *s, const char *host, struct skr_object *ret[static 8])
{
    return world_list(&s->world, SKR_COMPLIANCE, SKR_COMPLIANCE_HOST_ID, host, ret, 8);
}

static void expect_recompute_equal(struct scene *s)
{
    struct skr_realization_table *table;

    skr_policy_run(s->policy, skr_clock_monotonic_ns());
    cr_assert_eq(skr_realization_table_new(&table), 0);
    struct skr_policy *fresh = loaded(s, table);
    char *mine = skr_policy_dump(s->policy), *theirs = skr_policy_dump(fresh);
    cr_assert_str_eq(mine, theirs, "a restart changes nothing of it");
    free(mine);
    free(theirs);
    skr_policy_free(fresh);
    skr_realization_table_free(table);
}

struct change {
    struct skr_uuid profile_id, host_id;
};

/* One transaction, as the rules make it: the profile, and the row for the host that must not have it yet. */
static int change_and_hold(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    const struct change *change = argument;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *profile = NULL, *after = NULL, *row = NULL;
    int r = skr_fetch(txn, SKR_VIRTUAL_PORT_PROFILE, &change->profile_id, &profile, error);
    if (r < 0)
        return r;
    after = skr_object_copy(profile);
    skr_object_set_integer(after->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY].objects[0], SKR_SECURITY_DHCP_GUARD, 0);
    row = skr_row_new(SKR_COMPLIANCE);
    skr_object_set_text(row, SKR_FIELD_NAME, "held");
    skr_object_set_uuid(row, SKR_COMPLIANCE_HOST_ID, &change->host_id);
    skr_object_set_text(row, SKR_COMPLIANCE_OBJECT_KIND, "virtual-port-profile");
    skr_object_set_uuid(row, SKR_COMPLIANCE_OBJECT_ID, &change->profile_id);
    skr_object_set_text(row, SKR_COMPLIANCE_OBJECT, "held");
    skr_object_set_text(row, SKR_COMPLIANCE_FIELD, "security.dhcp_guard");
    skr_object_set_text(row, SKR_COMPLIANCE_EXPECTED, "false");
    skr_object_set_text(row, SKR_COMPLIANCE_FOUND, "true");
    skr_object_set_integer(row, SKR_COMPLIANCE_SINCE, 1);
    r = skr_txn_update(txn, profile, after, error);
    return r < 0 ? r : skr_txn_insert(txn, row, error);
}

static int release(struct skr_txn *txn, void *row, struct skr_error *error)
{
    return skr_txn_delete(txn, row, error);
}

Test(model_held, a_value_stays_in_force_until_its_row_is_gone)
{
    struct scene s;
    struct skr_object *rows[8];
    struct skr_error error = {0};

    begin(&s);
    cr_assert(dhcp_guard(&s, "h1", "red-2") && dhcp_guard(&s, "h2", "red-3"));
    uint64_t before = scope_of(&s, "h1")->digest;

    struct change change = {.profile_id = world_id(&s.world, "profile"), .host_id = world_id(&s.world, "h1")};
    cr_assert_eq(skr_store_write_wait(s.world.test.store, change_and_hold, &change, NULL, &error), 0, "%s",
                 error.detail);
    cr_assert_not(dhcp_guard(&s, "h2", "red-3"), "at once");
    cr_assert(dhcp_guard(&s, "h1", "red-2"), "held");
    cr_assert_eq(scope_of(&s, "h1")->digest, before, "nothing is sent to the host that waits");
    cr_assert_eq(rows_of(&s, "h1", rows), 1);
    expect_recompute_equal(&s);

    uint64_t version = scope_of(&s, "h1")->version;
    cr_assert_eq(skr_store_write_wait(s.world.test.store, release, rows[0], NULL, &error), 0, "%s", error.detail);
    skr_object_unref(rows[0]);
    cr_assert_not(dhcp_guard(&s, "h1", "red-2"));
    cr_assert_eq(scope_of(&s, "h1")->version, version + 1);
    const struct scope *scope = scope_of(&s, "h1");
    const struct ring_entry *last = scope->ring[(scope->ring_first + scope->ring_count - 1) % scope->ring_capacity];
    cr_assert_eq(last->count, 1, "the affected port alone, not the others of the host");
    cr_assert_eq(rows_of(&s, "h1", rows), 0);
    expect_recompute_equal(&s);
    end(&s);
}
