/* A disk that is full or broken: the write is answered STORAGE, what was acknowledged stays, and it goes on afterwards.
 */
#include "tests/support/slow_vfs.h"
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <semaphore.h>
#include <skerry/macros.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

struct failing {
    const char *what;
    void (*fail)(unsigned after, unsigned count, int code);
    int code;
};

static void setup(struct skr_test_store *test)
{
    skr_slow_vfs_configure(&(struct skr_slow_vfs_options){0});
    skr_test_store_open(test, SKR_SLOW_VFS);
    cr_assert(eq(int, skr_test_add_tenant(test->store, "before"), 0));
}

static void refuse_one(const struct failing *failing)
{
    struct skr_test_store test;
    struct skr_error error = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = skr_test_object(SKR_TENANT, "during");
    setup(&test);
    int64_t revision = skr_store_revision(test.store);
    failing->fail(0, 1, failing->code);
    int r = skr_store_write_wait(test.store, skr_test_insert, tenant, NULL, &error);
    cr_assert(eq(int, r, -ENOSPC), "%s", failing->what);
    cr_assert(eq(int, error.tag, SKR_ERROR_STORAGE), "%s: %s", failing->what, error.detail);
    cr_assert(eq(i64, skr_store_revision(test.store), revision));
    cr_assert(eq(int, skr_test_has_tenant(test.store, "during"), 0));
    cr_assert(eq(int, skr_test_add_tenant(test.store, "after"), 0), "it must go on");
    skr_test_store_close(&test);
    skr_test_store_reopen(&test, NULL);
    cr_assert(eq(int, skr_test_has_tenant(test.store, "before"), 1));
    cr_assert(eq(int, skr_test_has_tenant(test.store, "during"), 0));
    cr_assert(eq(int, skr_test_has_tenant(test.store, "after"), 1));
    skr_test_store_remove(&test);
}

Test(failure, one_write_is_refused_and_the_next_is_taken)
{
    static const struct failing cases[] = {
            {"full at a write", skr_slow_vfs_fail_writes, SQLITE_FULL},
            {"broken at a write", skr_slow_vfs_fail_writes, SQLITE_IOERR_WRITE},
            {"broken at a sync", skr_slow_vfs_fail_syncs, SQLITE_IOERR_FSYNC},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(cases); i++)
        refuse_one(&cases[i]);
}

struct answer {
    char name[32];
    bool big;
    int calls, runs, result;
};

/* A write too big for the page cache goes to the disk before its COMMIT, so it meets the full disk in the middle. */
static int insert_some(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct answer *answer = arg;
    answer->runs++;
    int r = 0;
    for (int i = 0; !r && i < (answer->big ? 30000 : 1); i++) {
        char name[64], text[4000];
        memset(text, 'x', sizeof text);
        text[sizeof text - 1] = 0;
        snprintf(name, sizeof name, i ? "%s %d" : "%s", answer->name, i);
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = skr_test_object(SKR_TENANT, name);
        skr_object_set_text(tenant, SKR_FIELD_DESCRIPTION, answer->big ? text : "");
        r = skr_txn_insert(txn, tenant, error);
    }
    return r;
}

/* A rule that would rather go on: half of it must not become a write of its own. */
static int swallow_failure(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct skr_error why = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = skr_test_object(SKR_TENANT, "goes on");
    int r = skr_txn_try(txn, insert_some, arg, &why, error);
    cr_expect_lt(r, 0, "no refusal of a rule");
    skr_txn_insert(txn, tenant, NULL);
    return 0;
}

Test(failure, of_a_part_ends_the_whole_write)
{
    struct skr_test_store test;
    struct answer answer = {.name = "part", .big = true};
    struct skr_error error = {0};
    setup(&test);
    skr_slow_vfs_fail_writes(0, 1, SQLITE_FULL);
    cr_expect_lt(skr_store_write_wait(test.store, swallow_failure, &answer, NULL, &error), 0);
    cr_expect_not(skr_test_has_tenant(test.store, "part"));
    cr_expect_not(skr_test_has_tenant(test.store, "goes on"));
    cr_expect_eq(skr_test_add_tenant(test.store, "after"), 0);
    skr_test_store_remove(&test);
}

static void answered(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    struct answer *answer = arg;
    (void)revision;
    (void)error;
    answer->result = result;
    answer->calls++;
}

static int nothing(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    (void)txn;
    (void)arg;
    (void)error;
    return 0;
}

static int fill_the_disk(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    (void)txn;
    (void)error;
    skr_slow_vfs_fail_writes(0, 1, *(int *)arg);
    return 0;
}

/* The big one loses the transaction of the whole batch; run again one by one, the others go through. */
Test(failure, a_lost_transaction_runs_again_one_by_one)
{
    struct skr_test_store test;
    struct answer answers[5] = {0};
    int full = SQLITE_FULL;
    setup(&test);
    cr_assert(eq(int, skr_store_write(test.store, fill_the_disk, NULL, &full), 0));
    for (int i = 0; i < 5; i++) {
        snprintf(answers[i].name, sizeof answers[i].name, "tenant %d", i);
        answers[i].big = i == 2;
        cr_assert(eq(int, skr_store_write(test.store, insert_some, answered, &answers[i]), 0));
    }
    cr_assert(eq(int, skr_store_write_wait(test.store, nothing, NULL, NULL, NULL), 0));
    int refused = 0, again = 0;
    for (int i = 0; i < 5; i++) {
        cr_assert(eq(int, answers[i].calls, 1), "answered exactly once");
        cr_assert(eq(int, skr_test_has_tenant(test.store, answers[i].name), answers[i].result == 0));
        cr_assert(answers[i].result == 0 || answers[i].result == -ENOSPC);
        refused += answers[i].result != 0;
        again += answers[i].runs > 1;
    }
    cr_assert(le(int, refused, 1), "one failing write of the disk refuses one at most");
    cr_assert(gt(int, refused + again, 0), "the disk never failed");
    cr_assert(eq(int, skr_test_has_tenant(test.store, "before"), 1));
    skr_test_store_remove(&test);
}

/* A checkpoint that fails is no failed write: the log still has everything. */
Test(failure, a_failing_checkpoint_loses_nothing)
{
    struct skr_test_store test;
    struct answer big = {.name = "big", .big = true};
    setup(&test);
    cr_assert(eq(int, skr_store_write_wait(test.store, insert_some, &big, NULL, NULL), 0));
    /* The log is now long enough for a checkpoint as soon as nobody waits; whenever it comes, its writes fail. */
    skr_slow_vfs_fail_writes(0, 1000, SQLITE_IOERR_WRITE);
    skr_test_add_tenant(test.store, "refused or not");
    skr_slow_vfs_fail_writes(0, 0, SQLITE_OK);
    cr_assert(eq(int, skr_test_add_tenant(test.store, "after"), 0));
    skr_test_store_close(&test);
    skr_test_store_reopen(&test, NULL);
    cr_assert(eq(int, skr_test_has_tenant(test.store, "big"), 1));
    cr_assert(eq(int, skr_test_has_tenant(test.store, "big 29999"), 1));
    cr_assert(eq(int, skr_test_has_tenant(test.store, "after"), 1));
    skr_test_store_remove(&test);
}

struct heard {
    unsigned puts;
    char names[8][32];
};

static void hear(void *arg, const struct skr_change *changes, size_t count)
{
    struct heard *heard = arg;
    for (size_t i = 0; i < count && heard->puts < SKR_ARRAY_SIZE(heard->names); i++)
        snprintf(heard->names[heard->puts++], sizeof heard->names[0], "%s",
                 skr_object_text(changes[i].object, SKR_FIELD_NAME));
}

struct gate {
    sem_t entered, others;
};

static int wait_for_others(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct gate *gate = arg;
    (void)txn, (void)error;
    sem_post(&gate->entered);
    sem_wait(&gate->others);
    return 0;
}

/* The COMMIT of the batch fails, once: the batch is lost and each of its writes runs again. */
static int break_the_commit(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    (void)txn, (void)error;
    if (!(*(int *)arg)++)
        skr_slow_vfs_fail_syncs(0, 1, SQLITE_IOERR_FSYNC);
    return 0;
}

/* Every acknowledged write has been told: hosts and watches hear of nothing else. */
Test(failure, what_runs_again_is_told_like_everything)
{
    struct skr_test_store test;
    struct answer answers[3] = {0};
    struct heard heard = {0};
    struct gate gate;
    int runs = 0;
    sem_init(&gate.entered, 0, 0);
    sem_init(&gate.others, 0, 0);
    setup(&test);
    skr_store_listen(test.store, hear, &heard);
    cr_assert(eq(int, skr_store_write(test.store, wait_for_others, NULL, &gate), 0));
    sem_wait(&gate.entered); /* else its batch may hold the next write and none of the others */
    cr_assert(eq(int, skr_store_write(test.store, break_the_commit, NULL, &runs), 0));
    for (int i = 0; i < 3; i++) {
        snprintf(answers[i].name, sizeof answers[i].name, "tenant %d", i);
        cr_assert(eq(int, skr_store_write(test.store, insert_some, answered, &answers[i]), 0));
    }
    sem_post(&gate.others);
    sem_post(&gate.others); /* it may be in the lost batch, and then waits again */
    cr_assert(eq(int, skr_store_write_wait(test.store, nothing, NULL, NULL, NULL), 0));
    cr_assert(eq(int, runs, 2), "the batch was not lost");
    cr_assert(eq(u32, heard.puts, 3), "acknowledged, and nobody heard of it");
    for (int i = 0; i < 3; i++) {
        cr_assert(eq(int, answers[i].result, 0));
        cr_assert(eq(int, answers[i].runs, 2));
        cr_assert(eq(str, heard.names[i], answers[i].name));
    }
    skr_test_store_remove(&test);
    sem_destroy(&gate.entered);
    sem_destroy(&gate.others);
}

/* Degraded until a write has gone to the disk; one that changes nothing proves nothing. */
Test(failure, is_told_until_a_write_succeeds)
{
    struct skr_test_store test;
    char why[SKR_STORE_WHY_MAX];
    setup(&test);
    cr_assert(eq(int, skr_store_health(test.store, why), SKR_STORE_SOUND));
    cr_assert(eq(str, why, ""));
    skr_slow_vfs_fail_writes(0, 1000, SQLITE_FULL);
    cr_assert(lt(int, skr_test_add_tenant(test.store, "refused"), 0));
    cr_assert(eq(int, skr_store_health(test.store, why), SKR_STORE_DEGRADED));
    cr_assert_not_null(strstr(why, "full"), "%s", why);
    cr_assert(eq(int, skr_store_write_wait(test.store, nothing, NULL, NULL, NULL), 0));
    cr_assert(eq(int, skr_store_health(test.store, why), SKR_STORE_DEGRADED));
    skr_slow_vfs_fail_writes(0, 0, SQLITE_OK);
    cr_assert(eq(int, skr_test_add_tenant(test.store, "taken"), 0));
    cr_assert(eq(int, skr_store_health(test.store, why), SKR_STORE_SOUND));
    cr_assert(eq(str, why, ""));
    skr_test_store_remove(&test);
}
