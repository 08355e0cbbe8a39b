/* Every query has its index: a plan that scans a table or sorts is refused. */
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <skerry/macros.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static struct skr_test_store judged;

static int explain_each(struct skr_store *store, const char *sql)
{
    SKR_CLEANUP(skr_free_cleanup) char *plan = NULL;
    struct skr_error error = {0};
    if (skr_store_explain(store, sql, &plan, &error)) {
        fprintf(stderr, "%s\n%s\n", sql, error.detail);
        return 1;
    }
    if (!skr_test_plan_is_bad(plan))
        return 0;
    fprintf(stderr, "%s\n%s\n", sql, plan);
    return 1;
}

static void *any_memory(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory)
        abort();
    return memory;
}

/* A value of the field's kind; what it says does not matter to a plan. */
static struct skr_value any_value(const struct skr_field *field)
{
    switch (field->kind) {
    case SKR_KIND_TEXT:
    case SKR_KIND_ENUM:
        return (struct skr_value){.type = SKR_VALUE_TEXT, .text = any_memory(1)};
    case SKR_KIND_ADDRESS:
        return (struct skr_value){.type = SKR_VALUE_ADDRESS};
    case SKR_KIND_MAC:
        return (struct skr_value){.type = SKR_VALUE_MAC};
    case SKR_KIND_PREFIX:
        return (struct skr_value){.type = SKR_VALUE_PREFIX};
    case SKR_KIND_UUID:
    case SKR_KIND_REFERENCE:
        return (struct skr_value){.type = SKR_VALUE_UUID};
    default:
        return (struct skr_value){.type = SKR_VALUE_INTEGER};
    }
}

static void list(struct skr_txn *txn, const struct skr_list_query *query)
{
    struct skr_object *object = NULL;
    struct skr_error error = {0};
    uint32_t count = 0;
    bool more = false;
    int r = skr_txn_list(txn, query, &object, &count, &more, &error);
    cr_assert(eq(int, r, 0), "%s: %s", skr_resource_get(query->resource)->name, error.detail);
    if (count)
        skr_object_unref(object);
}

/* A list is limited to everything, a tenant's rows, rows of no tenant or rows in places, and may go on after a row. */
static void list_everywhere(struct skr_txn *txn, struct skr_list_query *query)
{
    static const struct skr_uuid tenant = {{7}}, places[] = {{{1}}, {{2}}, {{3}}};
    const struct skr_resource *resource = skr_resource_get(query->resource);
    struct skr_uuid last;
    query->ret_last = &last;
    for (unsigned page = 0; page < 2; page++) {
        query->after = (struct skr_uuid){{page ? 9 : 0}};
        list(txn, query);
        query->tenant = &tenant;
        list(txn, query);
        query->tenant = NULL;
        query->no_tenant = true;
        list(txn, query);
        query->no_tenant = false;
        int fields[] = {skr_resource_place(resource), SKR_FIELD_ID};
        for (unsigned i = 0; i < SKR_ARRAY_SIZE(fields); i++) {
            if (fields[i] < 0)
                continue;
            query->within = places;
            query->within_count = SKR_ARRAY_SIZE(places);
            query->within_field = fields[i];
            list(txn, query);
            query->within = NULL;
        }
    }
    query->ret_last = NULL;
}

/* Every filter alone and every pair of filters, null and not. */
static void list_by(struct skr_txn *txn, const struct skr_resource *resource, unsigned a, unsigned b)
{
    struct skr_list_query query = {.resource = resource->id, .limit = 1, .filter_count = a == b ? 1 : 2};
    query.filters[0] = (struct skr_list_filter){(int)a, any_value(&resource->fields[a])};
    query.filters[1] = (struct skr_list_filter){(int)b, any_value(&resource->fields[b])};
    list_everywhere(txn, &query);
    query.labels[0] = (struct skr_list_label){"a", "b"};
    query.label_count = !(resource->flags & SKR_RESOURCE_VIEW); /* which has none */
    list_everywhere(txn, &query);
    query.label_count = 0;
    skr_value_clear(&query.filters[0].value);
    query.filters[0].value.type = SKR_VALUE_NULL;
    list_everywhere(txn, &query);
    skr_value_clear(&query.filters[1].value);
}

/* A column that is never NULL needs no index for NULL. */
static bool is_never_null(const char *table, const char *column, int length)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    cr_assert(eq(int, sqlite3_open_v2(judged.path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK));
    cr_assert(
            eq(int,
               sqlite3_prepare_v2(db, "SELECT \"notnull\" FROM pragma_table_info(?1) WHERE name = ?2", -1, &stmt, NULL),
               SQLITE_OK));
    sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, column, length, SQLITE_STATIC);
    cr_assert(eq(int, sqlite3_step(stmt), SQLITE_ROW));
    bool never = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return never;
}

static bool is_stored_list(const char *sql, char table[static 64])
{
    const char *from = strstr(sql, " FROM ");
    bool list = from && strstr(sql, " WHERE id > ?1") && strstr(sql, " ORDER BY id LIMIT ?2") &&
                sscanf(from, " FROM %63s", table) == 1;
    for (unsigned i = 0; list && i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        list = !(resource->flags & SKR_RESOURCE_DERIVED && !strcmp(resource->table, table));
    }
    return list;
}

/* A list must be driven by an index that knows everything that the query asks for, or finds one row: a search of the
 * table from an id on, for rows that may never come, is a scan by another name. */
static void judge_driver(void *arg, const char *sql)
{
    SKR_CLEANUP(skr_free_cleanup) char *plan = NULL;
    unsigned *bad = arg, conditions = 0;
    bool fine = false, all = true;
    char table[64];
    if (!is_stored_list(sql, table))
        return;
    cr_assert(eq(int, skr_store_explain(judged.store, sql, &plan, NULL), 0));
    for (const char *at = strstr(sql, " WHERE "); (at = strstr(at, " AND ")); conditions++) {
        char wanted[80];
        at += strlen(" AND ");
        int length = (int)strcspn(at, " ");
        snprintf(wanted, sizeof wanted, "(%.*s=?)", length, at);
        fine |= strstr(plan, wanted) || (!strncmp(at + length, " IS NULL", 8) && is_never_null(table, at, length));
        snprintf(wanted, sizeof wanted, "%.*s=?", length, at);
        all &= strstr(plan, wanted) != NULL;
    }
    if (fine || (all && (strstr(plan, conditions ? " AND id>?)" : "(id>?)") || strstr(plan, "=?)"))))
        return;
    fprintf(stderr, "not driven by what it asks for: %s\n%s\n", sql, plan);
    ++*bad;
}

Test(plan, every_generated_query_has_its_index)
{
    struct skr_test_store test;
    struct skr_uuid tenant = {0};
    struct skr_txn *txn;
    unsigned queries = 0, filters = 0;
    skr_test_store_open(&test, NULL);
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    for (unsigned i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        struct skr_object *object = NULL;
        struct skr_list_query query = {.resource = resource->id, .limit = 1};
        skr_txn_get(txn, resource->id, &tenant, NULL, &object, NULL);
        list_everywhere(txn, &query);
        query.labels[0] = (struct skr_list_label){"a", "b"};
        query.label_count = !(resource->flags & SKR_RESOURCE_VIEW);
        list_everywhere(txn, &query);
        query.labels[0].value = NULL;
        list_everywhere(txn, &query);
        for (unsigned a = 0; a < resource->field_count; a++)
            for (unsigned b = a; b < resource->field_count; b++)
                if (resource->fields[a].flags & resource->fields[b].flags & SKR_FIELD_FILTER) {
                    list_by(txn, resource, a, b);
                    filters++;
                }
    }
    skr_store_read_end(txn);
    unsigned bad = skr_test_bad_plans(test.store, &queries);
    judged = test;
    skr_store_each_query(test.store, judge_driver, &bad);
    cr_assert(eq(u32, bad, 0));
    cr_assert(gt(u32, filters, SKR_RESOURCE_COUNT));
    cr_assert(gt(u32, queries, 5 * SKR_RESOURCE_COUNT));
    skr_test_store_remove(&test);
}

/* Writing too, with the foreign keys that a DELETE must look at: each needs an index on the referring columns. */
Test(plan, every_write_and_its_foreign_keys_have_their_index)
{
    struct skr_test_store test;
    sqlite3 *db;
    sqlite3_stmt *tables;
    int seen = 0, bad = 0;
    skr_test_store_open(&test, NULL);
    for (unsigned i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        char sql[256];
        if (resource->flags & SKR_RESOURCE_VIEW)
            continue;
        snprintf(sql, sizeof sql, "DELETE FROM %s WHERE id = ?1", resource->table);
        bad += explain_each(test.store, sql);
        snprintf(sql, sizeof sql, "UPDATE %s SET name = ?2 WHERE id = ?1", resource->table);
        bad += explain_each(test.store, sql);
    }
    cr_assert(eq(int, bad, 0));
    cr_assert(eq(int, sqlite3_open_v2(test.path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK));
    cr_assert(eq(int,
                 sqlite3_prepare_v2(db,
                                    "SELECT t.name, k.\"from\" FROM sqlite_schema t, pragma_foreign_key_list(t.name) k "
                                    "WHERE t.type = 'table' AND NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name) i, "
                                    "pragma_index_info(i.name) c WHERE c.seqno = 0 AND c.name = k.\"from\") "
                                    "UNION ALL SELECT '', count(*) FROM sqlite_schema t, "
                                    "pragma_foreign_key_list(t.name) WHERE t.type = 'table'",
                                    -1, &tables, NULL),
                 SQLITE_OK));
    while (sqlite3_step(tables) == SQLITE_ROW) {
        const char *table = (const char *)sqlite3_column_text(tables, 0);
        if (*table)
            fprintf(stderr, "%s.%s has no index\n", table, sqlite3_column_text(tables, 1));
        else
            seen = sqlite3_column_int(tables, 1);
        bad += *table != 0;
    }
    sqlite3_finalize(tables);
    sqlite3_close(db);
    cr_assert(eq(int, bad, 0));
    cr_assert(gt(int, seen, 20));
    skr_test_store_remove(&test);
}

Test(plan, a_scan_and_a_sort_are_seen)
{
    struct skr_test_store test;
    SKR_CLEANUP(skr_free_cleanup) char *plan = NULL;
    struct skr_error error = {0};
    skr_test_store_open(&test, NULL);
    cr_assert(eq(int, explain_each(test.store, "SELECT id FROM tenant WHERE description = ?1"), 1));
    cr_assert(eq(int, explain_each(test.store, "SELECT id FROM tenant WHERE id > ?1 ORDER BY description"), 1));
    cr_assert(eq(int, explain_each(test.store, "SELECT id FROM tenant WHERE id = ?1"), 0));
    cr_assert(lt(int, skr_store_explain(test.store, "SELECT nonsense FROM tenant", &plan, &error), 0));
    cr_assert(plan == NULL);
    skr_test_store_remove(&test);
}
