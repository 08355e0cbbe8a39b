/* A commit reaches others through listeners, the history behind watch, and snapshots. */
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <stdio.h>
#include <string.h>

#define HEARD_MAX 256

struct heard {
    struct skr_change changes[HEARD_MAX];
    size_t count;
    unsigned calls;
    int64_t committed; /* revision of the store during the last call */
    struct skr_store *store;
};

static void hear(void *arg, const struct skr_change *changes, size_t count)
{
    struct heard *heard = arg;
    heard->calls++;
    heard->committed = skr_store_revision(heard->store);
    for (size_t i = 0; i < count && heard->count < HEARD_MAX; i++) {
        heard->changes[heard->count] = changes[i];
        skr_object_ref(heard->changes[heard->count++].object);
    }
}

static struct skr_test_store test;
static struct heard heard;

static void open_store(void)
{
    skr_test_store_open(&test, NULL);
    heard = (struct heard){.store = test.store};
    skr_store_listen(test.store, hear, &heard);
}

static void close_store(void)
{
    skr_test_store_remove(&test);
    for (size_t i = 0; i < heard.count; i++)
        skr_object_unref(heard.changes[i].object);
}

TestSuite(changes, .init = open_store, .fini = close_store);

static void write_now(skr_write_fn *fn, void *arg, int64_t *ret_revision)
{
    struct skr_error error = {0};
    int r = skr_store_write_wait(test.store, fn, arg, ret_revision, &error);
    cr_assert(eq(int, r, 0), "%s", error.detail);
}

static int three_changes(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct skr_object *red = arg;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *first = skr_object_copy(red);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *blue = skr_test_object(SKR_TENANT, "blue");
    int r = skr_txn_insert(txn, first, error);
    r = r ? r : skr_txn_insert(txn, blue, error);
    if (r || skr_txn_revision(txn) != 2)
        return r ? r : -EPROTO;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *second = skr_object_copy(first);
    skr_object_set_text(second, SKR_FIELD_DESCRIPTION, "warmer");
    return skr_txn_update(txn, first, second, error);
}

Test(changes, come_in_commit_order_with_the_write_s_last_revision)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *red = skr_test_object(SKR_TENANT, "red");
    int64_t revision = 0;
    write_now(three_changes, red, &revision);
    cr_assert(eq(i64, revision, 3));
    cr_assert(eq(u32, heard.calls, 1));
    cr_assert(eq(sz, heard.count, 3));
    cr_assert(eq(i64, heard.committed, 3), "heard before it was committed");
    for (size_t i = 0; i < 3; i++) {
        cr_assert(eq(i64, heard.changes[i].revision, (int64_t)i + 1));
        cr_assert(eq(i64, heard.changes[i].write_revision, 3));
        cr_assert(eq(int, heard.changes[i].op, SKR_CHANGE_PUT));
        cr_assert(eq(i64, skr_object_integer(heard.changes[i].object, SKR_FIELD_ETAG), (int64_t)i + 1));
    }
    /* after-images are of their moment */
    cr_assert(eq(str, (char *)skr_object_text(heard.changes[0].object, SKR_FIELD_DESCRIPTION), ""));
    cr_assert(eq(str, (char *)skr_object_text(heard.changes[2].object, SKR_FIELD_DESCRIPTION), "warmer"));
}

static int insert_and_refuse(struct skr_txn *txn, void *object, struct skr_error *error)
{
    int r = skr_test_insert(txn, object, error);
    return r ? r : skr_error_set(error, SKR_ERROR_CONFLICT, "No.");
}

Test(changes, of_a_refused_write_are_never_heard)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *red = skr_test_object(SKR_TENANT, "red");
    struct skr_error error = {0};
    struct skr_txn *txn;
    cr_assert(lt(int, skr_store_write_wait(test.store, insert_and_refuse, red, NULL, &error), 0));
    cr_assert(eq(str, error.detail, "No."));
    cr_assert(eq(sz, heard.count, 0));
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(eq(i64, skr_txn_count(txn, SKR_TENANT), 0));
    skr_store_read_end(txn);
    write_now(skr_test_insert, red, NULL);
    cr_assert(eq(i64, heard.changes[0].revision, 1), "a refused write takes no revision");
}

static struct skr_object *add_host(void)
{
    struct skr_object *host = skr_test_object(SKR_HOST, "host");
    skr_object_set_text(host, SKR_HOST_STATE, "active");
    skr_object_set_text(host, SKR_HOST_REMEDIATION, "auto");
    skr_object_set_text(host, SKR_HOST_ENROLMENT, "enrolled");
    return host;
}

static int insert_host_then_status(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct skr_object **host = arg;
    int r = skr_txn_insert(txn, *host, error);
    if (r)
        return r;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(*host);
    skr_object_set_text(after, SKR_HOST_KERNEL, "6.1");
    r = skr_txn_update(txn, *host, after, error);
    if (!r) {
        skr_object_unref(*host);
        *host = SKR_TAKE(after);
    }
    return r;
}

static int set_kernel(struct skr_txn *txn, void *host, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(host);
    skr_object_set_text(after, SKR_HOST_KERNEL, "6.6");
    return skr_txn_update(txn, host, after, error);
}

Test(changes, of_status_alone_make_no_log_row_and_keep_the_etag)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = add_host();
    int64_t revision = -1;
    write_now(insert_host_then_status, &host, &revision);
    cr_assert(eq(i64, revision, 1));
    cr_assert(eq(int, heard.changes[1].op, SKR_CHANGE_STATUS));
    cr_assert(eq(i64, heard.changes[1].revision, 0));
    cr_assert(eq(i64, heard.changes[1].write_revision, 1));
    write_now(set_kernel, host, &revision);
    cr_assert(eq(i64, revision, 0), "a status has no revision");
    cr_assert(eq(i64, heard.changes[2].write_revision, 0));
    cr_assert(eq(i64, skr_object_integer(heard.changes[2].object, SKR_FIELD_ETAG), 1));
    cr_assert(eq(str, (char *)skr_object_text(heard.changes[2].object, SKR_HOST_KERNEL), "6.6"));
    struct skr_uuid id = skr_object_uuid(host, SKR_FIELD_ID);
    struct skr_log_row rows[4];
    size_t count = 9;
    struct skr_txn *txn;
    struct skr_object *stored = NULL;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(eq(int, skr_store_log_read(txn, 0, 4, rows, &count, NULL), 0));
    cr_assert(eq(sz, count, 1));
    cr_assert(eq(int, skr_txn_get(txn, SKR_HOST, &id, NULL, &stored, NULL), 0));
    cr_assert(eq(str, (char *)skr_object_text(stored, SKR_HOST_KERNEL), "6.6"));
    skr_object_unref(stored);
    skr_store_read_end(txn);
}

Test(changes, a_snapshot_stays_as_it_was)
{
    struct skr_txn *before, *after;
    cr_assert(eq(int, skr_test_add_tenant(test.store, "red"), 0));
    cr_assert(eq(int, skr_store_read_begin(test.store, &before, NULL), 0));
    cr_assert(eq(int, skr_test_add_tenant(test.store, "blue"), 0));
    cr_assert(eq(int, skr_store_read_begin(test.store, &after, NULL), 0));
    cr_assert(eq(i64, skr_txn_revision(before), 1));
    cr_assert(eq(i64, skr_txn_revision(after), 2));
    struct skr_object *objects[10];
    struct skr_list_query query = {.resource = SKR_TENANT, .limit = 10};
    uint32_t old = 0, new = 0;
    bool more;
    cr_assert(eq(int, skr_txn_list(before, &query, objects, &old, &more, NULL), 0));
    for (uint32_t i = 0; i < old; i++)
        skr_object_unref(objects[i]);
    cr_assert(eq(int, skr_txn_list(after, &query, objects, &new, &more, NULL), 0));
    for (uint32_t i = 0; i < new; i++)
        skr_object_unref(objects[i]);
    cr_assert(eq(u32, old, 1));
    cr_assert(eq(u32, new, 2));
    skr_store_read_end(after);
    skr_store_read_end(before);
}

Test(changes, a_pool_without_a_free_connection_says_so_in_time)
{
    struct skr_txn *all[4], *one = NULL;
    struct skr_error error = {0};
    for (int i = 0; i < 4; i++)
        cr_assert(eq(int, skr_store_read_begin(test.store, &all[i], NULL), 0));
    int64_t begun_ns = skr_clock_monotonic_ns();
    cr_assert(lt(int, skr_store_read_begin(test.store, &one, &error), 0));
    cr_assert(eq(int, error.tag, SKR_ERROR_UNAVAILABLE));
    cr_assert(one == NULL);
    cr_assert(lt(i64, skr_clock_monotonic_ns() - begun_ns, 10 * SKR_NS_PER_S));
    for (int i = 0; i < 4; i++)
        skr_store_read_end(all[i]);
    cr_assert(eq(int, skr_store_read_begin(test.store, &one, &error), 0));
    skr_store_read_end(one);
}

/* ---- history ---- */

struct pruning {
    int64_t now_ms;
    size_t max_rows;
};

static int prune(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct pruning *pruning = arg;
    (void)error;
    return skr_store_log_prune(txn, pruning->now_ms, pruning->max_rows);
}

static void assert_history(int64_t since, size_t expected, int64_t first)
{
    struct skr_log_row rows[16];
    size_t count = 99;
    struct skr_txn *txn;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(eq(int, skr_store_log_read(txn, since, 16, rows, &count, NULL), 0));
    cr_assert(eq(sz, count, expected));
    for (size_t i = 0; i < count; i++) {
        cr_assert(eq(i64, rows[i].revision, first + (int64_t)i));
        cr_assert(eq(int, rows[i].resource, SKR_TENANT));
    }
    skr_store_read_end(txn);
}

static void assert_gone(int64_t since)
{
    struct skr_log_row rows[16];
    size_t count = 99;
    struct skr_error error = {0};
    struct skr_txn *txn;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(lt(int, skr_store_log_read(txn, since, 16, rows, &count, &error), 0));
    cr_assert(eq(int, error.tag, SKR_ERROR_GONE));
    cr_assert(eq(sz, count, 99), "output touched on failure");
    skr_store_read_end(txn);
}

Test(changes, the_history_is_read_pruned_and_says_when_it_is_gone)
{
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "tenant %d", i);
        cr_assert(eq(int, skr_test_add_tenant(test.store, name), 0));
    }
    assert_history(0, 6, 1);
    assert_history(4, 2, 5);
    assert_history(6, 0, 0);
    assert_gone(7); /* a revision this database never had: it was restored */
    struct pruning pruning = {.now_ms = skr_clock_wall_ms(), .max_rows = 100};
    write_now(prune, &pruning, NULL);
    assert_history(0, 6, 1); /* too young */
    pruning.now_ms += 11 * 60 * 1000;
    pruning.max_rows = 2;
    write_now(prune, &pruning, NULL);
    assert_gone(1);
    assert_history(2, 4, 3);
    pruning.max_rows = 100;
    write_now(prune, &pruning, NULL);
    assert_gone(4);
    assert_history(5, 1, 6); /* the newest stays, so revisions go on */
    skr_test_store_close(&test);
    skr_test_store_reopen(&test, NULL);
    cr_assert(eq(i64, skr_store_revision(test.store), 6));
}
