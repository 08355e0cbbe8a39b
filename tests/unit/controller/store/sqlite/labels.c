/* Lists by labels, sums of a write, what the history says of filter fields, and long writes behind short ones. */
#include "controller/store/store.h"
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <pthread.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <stdio.h>
#include <string.h>

static struct skr_test_store test;

static void open_store(void)
{
    skr_test_store_open(&test, NULL);
}

static void close_store(void)
{
    skr_test_store_remove(&test);
}

TestSuite(labels, .init = open_store, .fini = close_store);

static int insert_itself(struct skr_txn *txn, void *object, struct skr_error *error)
{
    return skr_txn_insert(txn, object, error);
}

static struct skr_object *add(const char *name, json_t *labels)
{
    struct skr_object *object = skr_test_object(SKR_TENANT, name);
    struct skr_error error = {0};
    skr_object_set_json(object, SKR_FIELD_LABELS, labels);
    int r = skr_store_write_wait(test.store, insert_itself, object, NULL, &error);
    cr_assert(eq(int, r, 0), "%s", error.detail);
    return object;
}

/* Names of all that the query finds, page by page. */
static void list(struct skr_list_query *query, char *ret_names, size_t size)
{
    struct skr_object *objects[SKR_PAGE_MAX];
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    bool more = true;
    struct skr_uuid last;
    ret_names[0] = '\0';
    query->resource = SKR_TENANT;
    query->ret_last = &last;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    while (more) {
        uint32_t count = 0;
        struct skr_error error = {0};
        int r = skr_txn_list(txn, query, objects, &count, &more, &error);
        cr_assert(eq(int, r, 0), "%s", error.detail);
        cr_assert(le(u32, count, query->limit));
        for (uint32_t i = 0; i < count; i++) {
            strncat(ret_names, skr_object_text(objects[i], SKR_FIELD_NAME), size - strlen(ret_names) - 1);
            skr_object_unref(objects[i]);
        }
        query->after = last;
    }
}

static int relabel(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(arg);
    skr_object_set_json(after, SKR_FIELD_LABELS, json_pack("{s:s}", "tier", "silver"));
    return skr_txn_update(txn, arg, after, error);
}

Test(labels, a_list_holds_what_has_all_of_them)
{
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *a = add("a", json_pack("{s:s,s:s}", "tier", "gold", "site", "x"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *b = add("b", json_pack("{s:s}", "tier", "gold"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *c = add("c", json_pack("{s:s}", "tier", "iron"));
    char names[64];
    struct skr_list_query gold = {.limit = 1, .labels = {{"tier", "gold"}}, .label_count = 1};
    list(&gold, names, sizeof names);
    cr_assert(eq(str, names, "ab"));
    struct skr_list_query both = {.limit = 9, .labels = {{"tier", "gold"}, {"site", "x"}}, .label_count = 2};
    list(&both, names, sizeof names);
    cr_assert(eq(str, names, "a"));
    struct skr_list_query named = {.limit = 9, .labels = {{"tier", "gold"}}, .label_count = 1, .filter_count = 1};
    char name[] = "b";
    named.filters[0] = (struct skr_list_filter){SKR_FIELD_NAME, {.type = SKR_VALUE_TEXT, .text = name}};
    list(&named, names, sizeof names);
    cr_assert(eq(str, names, "b"));
    struct skr_list_query any = {.limit = 2, .labels = {{"tier", NULL}}, .label_count = 1};
    list(&any, names, sizeof names);
    cr_assert(eq(str, names, "abc"));
    struct skr_uuid foreign = {{1}};
    struct skr_list_query others = {.limit = 9, .labels = {{"tier", "gold"}}, .label_count = 1, .tenant = &foreign};
    list(&others, names, sizeof names);
    cr_assert(eq(str, names, ""));
}

Test(labels, they_follow_changes_and_deletes)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *a = add("a", json_pack("{s:s}", "tier", "gold"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *b = add("b", json_pack("{s:s}", "tier", "gold"));
    char names[64];
    unsigned queries;
    cr_assert(eq(int, skr_store_write_wait(test.store, relabel, a, NULL, NULL), 0));
    cr_assert(eq(int, skr_store_write_wait(test.store, skr_test_delete, b, NULL, NULL), 0));
    struct skr_list_query gold = {.limit = 9, .labels = {{"tier", "gold"}}, .label_count = 1};
    list(&gold, names, sizeof names);
    cr_assert(eq(str, names, ""));
    struct skr_list_query silver = {.limit = 9, .labels = {{"tier", "silver"}}, .label_count = 1};
    list(&silver, names, sizeof names);
    cr_assert(eq(str, names, "a"));
    cr_assert(eq(u32, skr_test_bad_plans(test.store, &queries), 0));
}

static int rename_it(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(arg);
    skr_object_set_text(after, SKR_FIELD_NAME, "new");
    return skr_txn_update(txn, arg, after, error);
}

static json_t *fields_of(int64_t revision)
{
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    json_t *fields = NULL;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(eq(int, skr_store_log_fields(txn, revision, &fields, NULL), 0));
    return fields;
}

Test(labels, the_history_keeps_what_filters_saw_before)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *a = add("old", json_object());
    int64_t created = skr_store_revision(test.store);
    cr_assert(eq(int, skr_store_write_wait(test.store, relabel, a, NULL, NULL), 0));
    int64_t relabelled = skr_store_revision(test.store);
    cr_assert(eq(int, skr_store_write_wait(test.store, rename_it, a, NULL, NULL), 0));
    int64_t renamed = skr_store_revision(test.store);
    json_t *fields[] = {fields_of(created), fields_of(relabelled), fields_of(renamed)};
    cr_assert(eq(sz, json_object_size(fields[0]), 0));
    cr_assert(eq(sz, json_object_size(fields[1]), 0));
    cr_assert(eq(str, (char *)json_string_value(json_object_get(fields[2], "name")), "old"));
    for (size_t i = 0; i < SKR_ARRAY_SIZE(fields); i++)
        json_decref(fields[i]);
}

static int add_up(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    (void)error;
    const struct skr_uuid ids[] = {{{1}}, {{2}}};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *a = skr_test_object(SKR_TENANT, "a");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *b = skr_test_object(SKR_TENANT, "b");
    skr_object_set_uuid(a, SKR_FIELD_ID, &ids[0]);
    skr_object_set_uuid(b, SKR_FIELD_ID, &ids[1]);
    skr_txn_tally(txn, &ids[0], a, 2);
    skr_txn_tally(txn, &ids[1], a, 5);
    skr_txn_tally(txn, &ids[0], b, 11);
    skr_txn_tally(txn, &ids[0], a, -3);
    return arg ? -EINVAL : 0;
}

static int sum_up(void *arg, const struct skr_uuid *id, const struct skr_object *object, int64_t sum)
{
    int64_t *sums = arg;
    *sums = *sums * 100 + sum + (id->bytes[0] * 10 + (*skr_object_text(object, SKR_FIELD_NAME) - 'a'));
    return 0;
}

static int read_sums(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    add_up(txn, NULL, error);
    return skr_txn_each_tally(txn, sum_up, arg);
}

Test(labels, sums_belong_to_one_write)
{
    int64_t sums = 0;
    cr_assert(lt(int, skr_store_write_wait(test.store, add_up, &test, NULL, NULL), 0));
    cr_assert(eq(int, skr_store_write_wait(test.store, read_sums, &sums, NULL, NULL), 0));
    cr_assert(eq(i64, sums, (10 - 1) * 10000 + (20 + 5) * 100 + (10 + 1 + 11)));
}

/* ---- long writes ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool go;
    char order[16];
    unsigned done;
} run = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int hold(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    (void)txn, (void)error;
    pthread_mutex_lock(&run.lock);
    strcat(run.order, arg);
    while (!run.go)
        pthread_cond_wait(&run.changed, &run.lock);
    pthread_mutex_unlock(&run.lock);
    return 0;
}

static void count(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    (void)arg, (void)result, (void)revision, (void)error;
    pthread_mutex_lock(&run.lock);
    run.done++;
    pthread_cond_broadcast(&run.changed);
    pthread_mutex_unlock(&run.lock);
}

Test(labels, waiting_single_writes_go_before_long_ones)
{
    char first[] = "f", bulk[] = "B", single[] = "s";
    cr_assert(eq(int, skr_store_write(test.store, hold, count, first), 0));
    pthread_mutex_lock(&run.lock);
    while (!run.order[0]) { /* the writer is inside: what follows waits */
        pthread_mutex_unlock(&run.lock);
        pthread_mutex_lock(&run.lock);
    }
    cr_assert(eq(int, skr_store_write_bulk(test.store, hold, count, bulk), 0));
    cr_assert(eq(int, skr_store_write_bulk(test.store, hold, count, bulk), 0));
    cr_assert(eq(int, skr_store_write(test.store, hold, count, single), 0));
    cr_assert(eq(int, skr_store_write(test.store, hold, count, single), 0));
    run.go = true;
    pthread_cond_broadcast(&run.changed);
    while (run.done < 5)
        pthread_cond_wait(&run.changed, &run.lock);
    pthread_mutex_unlock(&run.lock);
    cr_assert(eq(str, run.order, "fssBB"));
}
