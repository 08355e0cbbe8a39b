/* A write-ahead log of more than 16,000 pages is emptied before the next write, whether or not somebody waits. */
#include "tests/support/slow_vfs.h"
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>

#define ROWS 17000 /* each a page of its own */

static int insert_many(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    char name[32], text[4000];
    int r = 0;
    (void)arg;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    for (int i = 0; !r && i < ROWS; i++) {
        snprintf(name, sizeof name, "tenant %d", i);
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = skr_test_object(SKR_TENANT, name);
        skr_object_set_text(tenant, SKR_FIELD_DESCRIPTION, text);
        r = skr_txn_insert(txn, tenant, error);
    }
    return r;
}

Test(long_log, is_emptied_at_once)
{
    struct skr_test_store test;
    struct skr_store_stats long_log, short_log;
    skr_slow_vfs_configure(&(struct skr_slow_vfs_options){0});
    skr_test_store_open(&test, SKR_SLOW_VFS);
    cr_assert(eq(int, skr_store_write_wait(test.store, insert_many, NULL, NULL, NULL), 0));
    skr_store_stats(test.store, &long_log);
    cr_assert(gt(u64, long_log.wal_pages, 16000));
    cr_assert(eq(int, skr_test_add_tenant(test.store, "next"), 0));
    skr_store_stats(test.store, &short_log);
    cr_assert(ge(u64, short_log.checkpoints, 1));
    cr_assert(lt(u64, short_log.wal_pages, 1000), "the log started over");
    skr_test_store_remove(&test);
}
