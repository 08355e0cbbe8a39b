#include "controller/store/sqlite/private.h"
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <skerry/clock.h>

static struct skr_test_store test;

static void open_store(void)
{
    skr_test_store_open(&test, NULL);
}

static void close_store(void)
{
    skr_test_store_remove(&test);
}

TestSuite(readers, .init = open_store, .fini = close_store);

static void *read_once(void *arg)
{
    struct skr_txn *txn = NULL;
    (void)arg;
    if (skr_store_read_begin(test.store, &txn, NULL))
        return NULL;
    skr_store_read_end(txn);
    return test.store;
}

Test(readers, the_gate_waits_for_those_inside_and_keeps_others_out)
{
    struct skr_txn *inside;
    pthread_t outside;
    void *went_in = NULL;
    cr_assert(eq(int, skr_store_read_begin(test.store, &inside, NULL), 0));
    int64_t begun_ns = skr_clock_monotonic_ns();
    cr_assert(not(skr_readers_close_gate(&test.store->readers, 5 * SKR_NS_PER_MS)), "somebody is inside");
    cr_assert(ge(i64, skr_clock_monotonic_ns() - begun_ns, 5 * SKR_NS_PER_MS));
    skr_readers_open_gate(&test.store->readers);
    skr_store_read_end(inside);
    cr_assert(skr_readers_close_gate(&test.store->readers, SKR_NS_PER_S));
    cr_assert(eq(int, pthread_create(&outside, NULL, read_once, NULL), 0));
    cr_assert(eq(u32, test.store->readers.active, 0));
    skr_readers_open_gate(&test.store->readers);
    pthread_join(outside, &went_in);
    cr_assert(went_in == test.store, "the reader outside went in when the gate opened");
}

static unsigned pages_after_a_write(const char *name)
{
    struct skr_store_stats stats;
    cr_assert(eq(int, skr_test_add_tenant(test.store, name), 0));
    skr_store_stats(test.store, &stats);
    return (unsigned)stats.wal_pages;
}

/* The writer is parked between two writes here, so the test may act in its place. */
Test(readers, a_reader_inside_keeps_the_log_and_without_it_the_log_starts_over)
{
    struct skr_txn *inside;
    unsigned first = pages_after_a_write("one");
    cr_assert(eq(int, skr_store_read_begin(test.store, &inside, NULL), 0));
    unsigned second = pages_after_a_write("two");
    cr_assert(gt(u32, second, first));
    skr_checkpoint_run(test.store, SKR_CHECKPOINT_RESTART);
    unsigned third = pages_after_a_write("three");
    cr_assert(gt(u32, third, second), "a log was reset under a reader");
    cr_assert(eq(i64, skr_txn_revision(inside), 1));
    skr_store_read_end(inside);
    skr_checkpoint_run(test.store, SKR_CHECKPOINT_RESTART);
    cr_assert(lt(u32, pages_after_a_write("four"), third));
    struct skr_store_stats stats;
    skr_store_stats(test.store, &stats);
    cr_assert(eq(u64, stats.checkpoints, 2));
}
