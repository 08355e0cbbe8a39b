/* Parts of a write that are refused alone (skr_txn_try). */
#include "controller/store/store.h"
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <stdio.h>
#include <string.h>

#define HEARD_MAX 8

static struct skr_test_store test;
static char heard[128]; /* names of what was committed, and the revisions */

static void hear(void *arg, const struct skr_change *changes, size_t count)
{
    (void)arg;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(heard);
        snprintf(heard + length, sizeof(heard) - length, "%s %lld/%lld, ",
                 skr_object_text(changes[i].object, SKR_FIELD_NAME), (long long)changes[i].revision,
                 (long long)changes[i].write_revision);
    }
}

static void open_store(void)
{
    skr_test_store_open(&test, NULL);
    heard[0] = '\0';
    skr_store_listen(test.store, hear, NULL);
}

static void close_store(void)
{
    skr_test_store_remove(&test);
}

TestSuite(savepoint, .init = open_store, .fini = close_store);

static const struct skr_uuid host = {{1}};

/* A script of a write: letters insert a tenant of that name and add 1 to the sum, "(" begins a part, ")" ends it, "!)"
 * ends it refused, "#)" in an error that no part may survive; "?" is a tenant whose second table refuses. */
struct script {
    const char *at;
    char answers[16]; /* of each part */
    int64_t sum, revision, count;
    bool swallow; /* the failure of a part */
};

static int insert(struct skr_txn *txn, char name, struct skr_error *error)
{
    const char text[2] = {name};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = skr_test_object(SKR_TENANT, text);
    if (name == '?') {
        struct skr_uuid nobody = skr_uuid_new();
        skr_object_set_uuids(tenant, SKR_TENANT_LOGICAL_NETWORK_IDS, &nobody, 1);
    }
    skr_txn_tally(txn, &host, tenant, 1);
    return skr_txn_insert(txn, tenant, error);
}

static int run_part(struct skr_txn *txn, void *arg, struct skr_error *error);

static int run_inner(struct skr_txn *txn, struct script *script, struct skr_error *error)
{
    struct skr_error why = {0};
    const char *end = script->at;
    for (int depth = 1; depth; end++)
        depth += (*end == '(') - (*end == ')');
    int r = skr_txn_try(txn, run_part, script, &why, error);
    strcat(script->answers, r == 0 ? "0" : r == 1 ? "1" : "-");
    cr_expect_eq(why.tag, r == 1 ? SKR_ERROR_CONFLICT : SKR_ERROR_NONE);
    script->at = end;
    return r < 0 && !script->swallow ? r : 0;
}

static int run_part(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct script *script = arg;
    int r = 0;
    while (r == 0 && *script->at && *script->at != ')') {
        char letter = *script->at++;
        if (letter == '(')
            r = run_inner(txn, script, error);
        else if (letter == '!')
            r = skr_error_set(error, SKR_ERROR_CONFLICT, "No.");
        else if (letter == '#')
            r = skr_error_set(error, SKR_ERROR_STORAGE, "The disk is full.");
        else
            r = insert(txn, letter, error);
        if (letter == '?' && r < 0)
            r = skr_error_set(error, SKR_ERROR_CONFLICT, "It refers to nothing.");
    }
    return r;
}

static int add_sum(void *arg, const struct skr_uuid *id, const struct skr_object *tenant, int64_t sum)
{
    int64_t *ret = arg;
    cr_expect_eq(skr_uuid_compare(id, &host), 0);
    cr_expect_eq(strlen(skr_object_text(tenant, SKR_FIELD_NAME)), 1);
    *ret += sum;
    return 0;
}

static int run_script(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct script *script = arg;
    int r = run_part(txn, script, error);
    script->sum = 0;
    skr_txn_each_tally(txn, add_sum, &script->sum);
    script->revision = skr_txn_revision(txn);
    script->count = skr_txn_count(txn, SKR_TENANT);
    return r;
}

/* The log holds the changes that the listener heard, oldest first, and as many rows. */
static void expect_log(size_t count)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_log_row rows[HEARD_MAX];
    size_t found;
    cr_assert_eq(skr_store_read_begin(test.store, &txn, NULL), 0);
    cr_assert_eq(skr_store_log_read(txn, 0, HEARD_MAX, rows, &found, NULL), 0);
    cr_expect_eq(found, count);
    for (size_t i = 0; i < found; i++)
        cr_expect_eq(rows[i].revision, (int64_t)i + 1, "no gap");
}

static void expect_script(const char *text, const char *answers, const char *wanted, size_t count)
{
    struct script script = {.at = text};
    struct skr_error error = {0};
    cr_assert_eq(skr_store_write_wait(test.store, run_script, &script, NULL, &error), 0, "%s: %s", text, error.detail);
    cr_expect_str_eq(script.answers, answers, "%s", text);
    cr_expect_str_eq(heard, wanted, "%s", text);
    cr_expect_eq(script.sum, (int64_t)count, "%s", text);
    cr_expect_eq(script.count, (int64_t)count, "%s", text);
    cr_expect_eq(script.revision, (int64_t)count, "%s", text);
    cr_expect_eq(skr_store_revision(test.store), (int64_t)count);
    expect_log(count);
    const char *letters = "abcdef?";
    for (size_t i = 0; letters[i]; i++) {
        const char name[3] = {letters[i], ' '}, only[2] = {letters[i]};
        cr_expect_eq(skr_test_has_tenant(test.store, only), strstr(wanted, name) != NULL, "%s: %s", text, only);
    }
}

Test(savepoint, nothing_is_left_of_what_was_refused)
{
    expect_script("a(bc!)d", "1", "a 1/2, d 2/2, ", 2);
}

Test(savepoint, what_was_done_stays)
{
    expect_script("(a)(b!)(c)", "010", "a 1/2, c 2/2, ", 2);
}

Test(savepoint, parts_have_parts)
{
    expect_script("a(b(c!)d)(e(f)!)", "1001", "a 1/3, b 2/3, d 3/3, ", 3);
}

/* Its row stands, its list does not. */
Test(savepoint, an_object_written_in_part_is_taken_back)
{
    expect_script("a(?)b", "1", "a 1/2, b 2/2, ", 2);
}

Test(savepoint, a_write_that_is_refused_takes_its_parts_along)
{
    struct script script = {.at = "a(b)!"};
    struct skr_error error = {0};
    cr_expect_lt(skr_store_write_wait(test.store, run_script, &script, NULL, &error), 0);
    cr_expect_str_eq(error.detail, "No.");
    expect_script("c", "", "c 1/1, ", 1);
}

/* When the database fails, nothing of the write may stand, even where the rule ignores the failure. */
Test(savepoint, a_failure_ends_the_whole_write)
{
    for (int swallow = 0; swallow < 2; swallow++) {
        struct script script = {.at = swallow ? "a(b(c#))" : "a(b(c#))d", .swallow = swallow};
        struct skr_error error = {0};
        cr_expect_lt(skr_store_write_wait(test.store, run_script, &script, NULL, &error), 0);
        cr_expect_eq(error.tag, swallow ? SKR_ERROR_INTERNAL : SKR_ERROR_STORAGE, "%s", error.detail);
        cr_expect_str_eq(script.answers, swallow ? "-0" : "--");
        cr_expect_str_eq(heard, "");
    }
    expect_script("e", "", "e 1/1, ", 1);
}

Test(savepoint, a_snapshot_is_not_written)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct script script = {.at = "a"};
    struct skr_error error = {0}, why = {0};
    cr_assert_eq(skr_store_read_begin(test.store, &txn, NULL), 0);
    cr_expect_lt(skr_txn_try(txn, run_part, &script, &why, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_INTERNAL);
    cr_expect_str_eq(script.at, "a");
}
