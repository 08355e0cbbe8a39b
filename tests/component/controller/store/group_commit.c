/* Many clients share a COMMIT: counted, not believed, with a disk whose sync takes 10 ms. */
#include "tests/support/slow_vfs.h"
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <stdatomic.h>
#include <stdio.h>

#define CLIENTS 64

struct client {
    struct skr_store *store;
    int number, writes;
    pthread_t thread;
};

static void *client_main(void *arg)
{
    struct client *client = arg;
    for (int i = 0; i < client->writes; i++) {
        char name[48];
        snprintf(name, sizeof name, "tenant %d of client %d of %d", i, client->number, client->writes);
        if (skr_test_add_tenant(client->store, name))
            abort();
    }
    return NULL;
}

/* Writes a second and, in *ret_syncs, syncs a write. */
static double measure(struct skr_store *store, int clients, int writes, double *ret_syncs)
{
    struct client all[CLIENTS];
    uint64_t syncs = skr_slow_vfs_syncs();
    int64_t begun_ns = skr_clock_monotonic_ns();
    for (int i = 0; i < clients; i++) {
        all[i] = (struct client){.store = store, .number = i, .writes = writes};
        cr_assert(eq(int, pthread_create(&all[i].thread, NULL, client_main, &all[i]), 0));
    }
    for (int i = 0; i < clients; i++)
        pthread_join(all[i].thread, NULL);
    double seconds = (double)(skr_clock_monotonic_ns() - begun_ns) / SKR_NS_PER_S;
    *ret_syncs = (double)(skr_slow_vfs_syncs() - syncs) / (clients * writes);
    return clients * writes / seconds;
}

Test(group_commit, sixty_four_clients_write_twenty_times_what_one_does)
{
    struct skr_test_store test;
    double one_syncs, many_syncs;
    skr_slow_vfs_configure(&(struct skr_slow_vfs_options){.sync_ns = 10 * SKR_NS_PER_MS});
    skr_test_store_open(&test, SKR_SLOW_VFS);
    double one = measure(test.store, 1, 30, &one_syncs);
    double many = measure(test.store, CLIENTS, 20, &many_syncs);
    cr_assert(ge(dbl, one_syncs, 1.0), "an acknowledged write was not synced");
    cr_assert(le(dbl, many_syncs, 0.1), "%.3f syncs a write", many_syncs);
    cr_assert(ge(dbl, many, 20 * one), "%.0f a second against %.0f", many, one);
    struct skr_store_stats stats;
    skr_store_stats(test.store, &stats);
    cr_assert(eq(u64, stats.writes, 30 + CLIENTS * 20));
    cr_assert(lt(u64, stats.commits, stats.writes / 5));
    cr_assert(gt(u64, stats.batch_max, 32));
    skr_test_store_remove(&test);
}

/* ---- a batch made on purpose: the first write holds the writer until all others wait ---- */

struct held {
    sem_t *entered, *go;
};

static int hold(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct held *held = arg;
    (void)txn;
    (void)error;
    sem_post(held->entered);
    sem_wait(held->go);
    return 0;
}

struct answer {
    char name[32];
    bool refuse;
    _Atomic int calls, runs;
    int result;
    int64_t revision, committed;
    struct skr_store *store;
};

static int insert_or_refuse(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct answer *answer = arg;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = skr_test_object(SKR_TENANT, answer->name);
    answer->runs++;
    int r = skr_txn_insert(txn, tenant, error);
    if (!r && answer->refuse)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "No.");
    return r;
}

static void answered(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    struct answer *answer = arg;
    answer->result = result;
    answer->revision = revision;
    answer->committed = skr_store_revision(answer->store);
    if ((result != 0) != (error != NULL))
        abort();
    answer->calls++;
}

Test(group_commit, a_refused_write_leaves_the_others_of_its_batch_alone)
{
    struct skr_test_store test;
    struct answer answers[9] = {0};
    sem_t entered, go;
    sem_init(&entered, 0, 0);
    sem_init(&go, 0, 0);
    skr_test_store_open(&test, NULL);
    struct held held = {&entered, &go};
    cr_assert(eq(int, skr_store_write(test.store, hold, NULL, &held), 0));
    sem_wait(&entered);
    for (int i = 0; i < 9; i++) {
        answers[i].store = test.store;
        answers[i].refuse = i == 4;
        /* number 7 has the name of number 1: refused by the database */
        snprintf(answers[i].name, sizeof answers[i].name, "tenant %d", i == 7 ? 1 : i);
        cr_assert(eq(int, skr_store_write(test.store, insert_or_refuse, answered, &answers[i]), 0));
    }
    sem_post(&go);
    cr_assert(eq(int, skr_test_add_tenant(test.store, "last"), 0));
    int64_t revision = 0;
    for (int i = 0; i < 9; i++) {
        bool refused = i == 4 || i == 7;
        cr_assert(eq(int, answers[i].calls, 1));
        cr_assert(eq(int, answers[i].result, i == 4 ? -EPROTO : i == 7 ? -EEXIST : 0));
        cr_assert(eq(i64, answers[i].revision, refused ? 0 : ++revision));
        cr_assert(ge(i64, answers[i].committed, answers[i].revision), "answered before it was committed");
        cr_assert(eq(int, skr_test_has_tenant(test.store, answers[i].name), i != 4));
    }
    struct skr_store_stats stats;
    skr_store_stats(test.store, &stats);
    cr_assert(ge(u64, stats.batch_max, 9));
    cr_assert(eq(u64, stats.refused, 2));
    skr_test_store_remove(&test);
}

Test(group_commit, the_queue_is_bounded_and_closing_answers_all_of_it)
{
    struct skr_test_store test;
    struct answer answers[6] = {0};
    sem_t entered, go;
    sem_init(&entered, 0, 0);
    sem_init(&go, 0, 0);
    skr_test_store_open(&test, NULL);
    skr_test_store_close(&test);
    struct skr_store_options options = {.path = test.path, .queue_max = 5};
    cr_assert(eq(int, skr_store_open(&options, &test.store, NULL), 0));
    struct held held = {&entered, &go};
    cr_assert(eq(int, skr_store_write(test.store, hold, NULL, &held), 0));
    sem_wait(&entered);
    for (int i = 0; i < 6; i++) {
        answers[i].store = test.store;
        snprintf(answers[i].name, sizeof answers[i].name, "tenant %d", i);
        int r = skr_store_write(test.store, insert_or_refuse, answered, &answers[i]);
        cr_assert(eq(int, r, i < 5 ? 0 : -EAGAIN));
    }
    sem_post(&go);
    skr_test_store_close(&test);
    for (int i = 0; i < 6; i++)
        cr_assert(eq(int, answers[i].calls, i < 5));
    skr_test_store_reopen(&test, NULL);
    cr_assert(eq(int, skr_test_has_tenant(test.store, "tenant 4"), 1));
    skr_test_store_remove(&test);
}
