#include "tests/support/controller/compiled.h"
#include <skerry/clock.h>

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

static struct skr_policy *loaded(struct compiled *s, struct skr_realization_table *table)
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

void compiled_begin(struct compiled *s)
{
    cr_assert_eq(skr_realization_table_new(&s->table), 0);
    s->policy = loaded(s, s->table);
    skr_store_listen(s->world.test.store, skr_policy_changes, s->policy);
}

void compiled_end(struct compiled *s)
{
    skr_store_listen(s->world.test.store, NULL, NULL);
    skr_policy_free(s->policy);
    skr_realization_table_free(s->table);
    world_close(&s->world);
}

const struct scope *compiled_scope(struct compiled *s, const char *host)
{
    struct skr_uuid id = world_id(&s->world, host);
    skr_policy_run(s->policy, skr_clock_monotonic_ns());
    const struct host *node = skr_policy_graph_find(s->policy, SKR_HOST, &id);
    return node->scope;
}

Skerry__V1__Port *compiled_port(struct compiled *s, const char *host, const char *adapter)
{
    const struct scope *scope = compiled_scope(s, host);
    struct skr_uuid id = world_id(&s->world, adapter);
    const struct scope_object *object = skr_id_map_get(&scope->objects, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &id);
    cr_assert_not_null(object, "%s has no port on %s", adapter, host);
    return skerry__v1__port__unpack(NULL, object->size, object->bytes);
}

void compiled_expect_recompute(struct compiled *s)
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

static int release(struct skr_txn *txn, void *host_id, struct skr_error *error)
{
    return skr_profile_release(txn, host_id, error);
}

void compiled_remediate(struct compiled *s, const char *host)
{
    struct skr_uuid id = world_id(&s->world, host);
    struct skr_error error = {0};
    cr_assert_eq(skr_store_write_wait(s->world.test.store, release, &id, NULL, &error), 0, "%s", error.detail);
}
