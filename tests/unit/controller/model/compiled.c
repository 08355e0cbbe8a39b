/* The policy compiles the rows that the model writes: an engine that followed every commit equals one that loaded the
 * result. */
#include "controller/policy/policy.h"
#include "tests/support/controller/world.h"

#include <pthread.h>

static struct world world;

static void send(void *arg, uint64_t session, struct skr_shared_bytes *frame)
{
    (void)arg, (void)session, (void)frame;
}

static void end(void *arg, uint64_t session, const char *reason)
{
    (void)arg, (void)session, (void)reason;
}

static void synced(void *arg, const struct skr_uuid *host_id, int64_t revision)
{
    (void)arg, (void)host_id, (void)revision;
}

struct engine {
    struct skr_realization_table *table;
    struct skr_policy *policy;
};

static struct engine engine_loaded(void)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct engine engine = {0};
    struct skr_error error = {0};
    struct skr_policy_options options = {.digest_key = skr_store_digest_key(world.test.store),
                                         .output = {.send = send, .close = end, .synced = synced}};
    cr_assert_eq(skr_realization_table_new(&engine.table), 0);
    options.realizations = engine.table;
    cr_assert_eq(skr_policy_new(&options, &engine.policy, &error), 0);
    cr_assert_eq(skr_store_read_begin(world.test.store, &txn, &error), 0);
    cr_assert_eq(skr_policy_load(engine.policy, txn, &error), 0, "%s", error.detail);
    return engine;
}

static void engine_free(struct engine *engine)
{
    skr_policy_free(engine->policy);
    skr_realization_table_free(engine->table);
}

static void expect_equal(struct engine *followed, int64_t now)
{
    struct engine loaded = engine_loaded();
    skr_policy_run(followed->policy, now);
    skr_policy_run(followed->policy, now + 61000000000LL); /* nobody lingers any more */
    char *a = skr_policy_dump(followed->policy), *b = skr_policy_dump(loaded.policy);
    cr_assert_str_eq(a, b);
    free(a);
    free(b);
    engine_free(&loaded);
}

Test(compiled, following_every_commit_equals_loading)
{
    world_open(&world);
    struct engine followed = engine_loaded();
    skr_store_listen(world.test.store, skr_policy_changes, followed.policy);
    world_fill(&world);
    expect_equal(&followed, 1);
    char *text = skr_policy_dump(followed.policy);
    cr_assert_not_null(strstr(text, "held by"), "hosts hold what their adapters need");
    cr_assert_not_null(strstr(text, "  13 "), "lookup records are compiled");
    free(text);

    world_patch(&world, SKR_NETWORK_ADAPTER, "red-1", "{'host_id': '$h2', 'classification_id': '$Guest dynamic IP'}");
    world_create(&world, SKR_NETWORK_ADAPTER, "red-2",
                 "{'name': 'red-2', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-b', 'host_id': '$h1'}");
    world_delete(&world, SKR_NETWORK_ADAPTER, "blue-1");
    world_patch(&world, SKR_LOGICAL_NETWORK, "cloud", "{'mtu': 9000}");
    expect_equal(&followed, 100000000000LL);
    struct skr_action_request revoke;
    struct skr_error error = {0};
    cr_assert_eq(world_action(&world, SKR_HOST, "h2", "revoke", NULL, &revoke, &error), 0, "%s", error.detail);
    skr_action_request_done(&revoke);
    expect_equal(&followed, 200000000000LL);
    skr_test_store_close(&world.test);
    engine_free(&followed);
    skr_test_store_remove(&world.test);
}

struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool called;
    struct skr_realization realization;
};

static void tell(void *arg, const struct skr_realization *realization)
{
    struct told *told = arg;
    pthread_mutex_lock(&told->lock);
    told->called = true;
    told->realization = *realization;
    pthread_cond_signal(&told->changed);
    pthread_mutex_unlock(&told->lock);
}

Test(compiled, its_own_thread_publishes_what_it_has_reached)
{
    struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    world_open(&world);
    struct engine engine = engine_loaded();
    skr_store_listen(world.test.store, skr_policy_changes, engine.policy);
    cr_assert_eq(skr_policy_start(engine.policy), 0);
    world_create(&world, SKR_TENANT, "red", "{'name': 'red'}");
    struct skr_realization_wait *wait =
            skr_realization_wait_new(engine.table, skr_store_revision(world.test.store), tell, &told);
    pthread_mutex_lock(&told.lock);
    while (!told.called)
        pthread_cond_wait(&told.changed, &told.lock);
    pthread_mutex_unlock(&told.lock);
    cr_assert_eq(told.realization.state, SKR_REALIZATION_REALIZED, "nobody needs a tenant");
    cr_assert(!skr_realization_wait_cancel(wait));
    skr_test_store_close(&world.test);
    skr_policy_stop(engine.policy);
    engine_free(&engine);
    skr_test_store_remove(&world.test);
}
