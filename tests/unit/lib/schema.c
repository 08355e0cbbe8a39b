/* The schema's columns are the tables' fields, in the same order, with the types, references and indexes they call for.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <skerry/resource.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *db;

static int is_sql(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".sql") == 0;
}

static void run_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/schema/%s", SKR_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    static char text[1 << 20];
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';
    char *message = NULL;
    cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, &message), SQLITE_OK, "%s: %s", name, message);
}

static void open_schema(void)
{
    cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL);
    struct dirent **entries;
    int count = scandir(SKR_SOURCE_DIR "/schema", &entries, is_sql, alphasort);
    cr_assert_gt(count, 0);
    for (int i = 0; i < count; i++) {
        run_file(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void close_schema(void)
{
    sqlite3_close(db);
}

TestSuite(schema, .init = open_schema, .fini = close_schema);

static sqlite3_stmt *ask(const char *sql, const char *word)
{
    sqlite3_stmt *statement;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_bind_text(statement, 1, word, -1, SQLITE_TRANSIENT);
    return statement;
}

static const char *text_of(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

static const char *column_type(enum skr_kind kind)
{
    switch (kind) {
    case SKR_KIND_INTEGER:
    case SKR_KIND_BOOLEAN:
    case SKR_KIND_TIME:
        return "INTEGER";
    case SKR_KIND_TEXT:
    case SKR_KIND_ENUM:
    case SKR_KIND_JSON:
    case SKR_KIND_ADDRESSES:
        return "TEXT";
    case SKR_KIND_UUID:
    case SKR_KIND_ADDRESS:
    case SKR_KIND_PREFIX:
    case SKR_KIND_MAC:
    case SKR_KIND_REFERENCE:
        return "BLOB";
    default:
        return NULL;
    }
}

/* The next column of the table must be this one. A view has no types. */
static void expect_column(sqlite3_stmt *columns, const char *table, const char *name, const char *type, bool not_null,
                          bool view)
{
    cr_assert_eq(sqlite3_step(columns), SQLITE_ROW, "%s has no column %s", table, name);
    cr_assert_str_eq(text_of(columns, 0), name, "%s has %s where %s belongs", table, text_of(columns, 0), name);
    if (view)
        return;
    cr_assert_str_eq(text_of(columns, 1), type, "%s.%s", table, name);
    cr_assert_eq(sqlite3_column_int(columns, 2) != 0, not_null, "%s.%s: NOT NULL", table, name);
}

static void expect_fields(sqlite3_stmt *columns, const char *table, const char *before,
                          const struct skr_resource *fields, bool view)
{
    for (unsigned i = 0; i < fields->field_count; i++) {
        const struct skr_field *field = &fields->fields[i];
        char name[128];
        snprintf(name, sizeof(name), "%s%s", before, field->name);
        if (field->kind == SKR_KIND_STRUCT) {
            strcat(name, "_");
            expect_fields(columns, table, name, field->sub, view);
        } else if (column_type(field->kind)) {
            expect_column(columns, table, name, column_type(field->kind), !(field->flags & SKR_FIELD_NULLABLE), view);
        }
    }
}

static void expect_end(sqlite3_stmt *columns, const char *table)
{
    cr_assert_eq(sqlite3_step(columns), SQLITE_DONE, "%s has the column %s too many", table, text_of(columns, 0));
    sqlite3_finalize(columns);
}

#define COLUMNS "SELECT name, type, \"notnull\" FROM pragma_table_info(?1) ORDER BY cid"

static void expect_list_table(const struct skr_resource *resource, const struct skr_field *field)
{
    char table[128];
    snprintf(table, sizeof(table), "%s_%s", resource->table, field->name);
    sqlite3_stmt *columns = ask(COLUMNS, table);
    expect_column(columns, table, "owner_id", "BLOB", true, false);
    expect_column(columns, table, "position", "INTEGER", true, false);
    if (field->kind == SKR_KIND_REFERENCES)
        expect_column(columns, table, "target_id", "BLOB", true, false);
    else
        expect_fields(columns, table, "", field->sub, false);
    expect_end(columns, table);
}

Test(schema, columns_are_the_fields)
{
    for (int id = 0; id < SKR_RESOURCE_COUNT; id++) {
        const struct skr_resource *r = skr_resource_get((enum skr_resource_id)id);
        sqlite3_stmt *columns = ask(COLUMNS, r->table);
        expect_fields(columns, r->table, "", r, r->flags & SKR_RESOURCE_DERIVED);
        expect_end(columns, r->table);
        for (unsigned i = 0; i < r->field_count; i++)
            if (r->fields[i].kind == SKR_KIND_REFERENCES || r->fields[i].kind == SKR_KIND_STRUCTS)
                expect_list_table(r, &r->fields[i]);
    }
}

/* "column>table:action " for each foreign key of a table. */
static void foreign_keys(const char *table, char out[static 4096])
{
    sqlite3_stmt *keys = ask("SELECT \"from\", \"table\", on_delete FROM pragma_foreign_key_list(?1)", table);
    size_t n = 0;
    out[0] = '\0';
    while (sqlite3_step(keys) == SQLITE_ROW)
        n += (size_t)snprintf(out + n, 4096 - n, " %s>%s:%s ", text_of(keys, 0), text_of(keys, 1), text_of(keys, 2));
    sqlite3_finalize(keys);
}

static void expect_key(const char *table, const char *column, const char *target, const char *action)
{
    char keys[4096], wanted[256];
    foreign_keys(table, keys);
    snprintf(wanted, sizeof(wanted), " %s>%s:%s ", column, target, action);
    cr_assert(strstr(keys, wanted), "%s needs%s, has%s", table, wanted, keys);
}

Test(schema, references_are_foreign_keys)
{
    for (int id = 0; id < SKR_RESOURCE_COUNT; id++) {
        const struct skr_resource *r = skr_resource_get((enum skr_resource_id)id);
        for (unsigned i = 0; i < r->field_count && !(r->flags & (SKR_RESOURCE_DERIVED | SKR_RESOURCE_HISTORY)); i++) {
            const struct skr_field *f = &r->fields[i];
            char table[128];
            snprintf(table, sizeof(table), "%s_%s", r->table, f->name);
            if (f->kind == SKR_KIND_REFERENCE)
                expect_key(r->table, f->name, skr_resource_get(f->target)->table, "RESTRICT");
            if (f->kind == SKR_KIND_REFERENCES)
                expect_key(table, "target_id", skr_resource_get(f->target)->table, "RESTRICT");
            if (f->kind == SKR_KIND_REFERENCES || f->kind == SKR_KIND_STRUCTS)
                expect_key(table, "owner_id", r->table, "CASCADE");
        }
    }
}

/* The plan of `sql` must name an index and neither scan nor sort. */
static void expect_indexed(const char *sql)
{
    char explain[512];
    snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
    sqlite3_stmt *plan = ask(explain, "");
    bool searched = false;
    while (sqlite3_step(plan) == SQLITE_ROW) {
        const char *line = text_of(plan, 3);
        cr_assert_null(strstr(line, "SCAN"), "%s: %s", sql, line);
        cr_assert_null(strstr(line, "TEMP B-TREE"), "%s: %s", sql, line);
        searched = searched || strstr(line, "SEARCH");
    }
    sqlite3_finalize(plan);
    cr_assert(searched, "%s", sql);
}

Test(schema, filters_and_references_have_an_index)
{
    for (int id = 0; id < SKR_RESOURCE_COUNT; id++) {
        const struct skr_resource *r = skr_resource_get((enum skr_resource_id)id);
        for (unsigned i = 0; i < r->field_count; i++) {
            const struct skr_field *f = &r->fields[i];
            char sql[256];
            if (f->flags & SKR_FIELD_FILTER) {
                snprintf(sql, sizeof(sql), "SELECT id FROM %s WHERE %s = ?1 AND id > x'00' ORDER BY id", r->table,
                         f->name);
                expect_indexed(sql);
            }
            if (f->kind == SKR_KIND_REFERENCE && !(r->flags & SKR_RESOURCE_DERIVED)) {
                snprintf(sql, sizeof(sql), "SELECT 1 FROM %s WHERE %s = ?1", r->table, f->name);
                expect_indexed(sql);
            }
            if (f->kind == SKR_KIND_REFERENCES) {
                snprintf(sql, sizeof(sql), "SELECT 1 FROM %s_%s WHERE target_id = ?1", r->table, f->name);
                expect_indexed(sql);
            }
        }
    }
}

/* Unique indexes on exactly these columns. */
static bool is_unique(const char *table, const char *columns)
{
    sqlite3_stmt *found = ask("SELECT group_concat(name, ',') AS columns FROM (SELECT l.name AS list, i.name AS name"
                              " FROM pragma_index_list(?1) l, pragma_index_info(l.name) i WHERE l.\"unique\""
                              " ORDER BY l.name, i.seqno) GROUP BY list",
                              table);
    bool unique = false;
    while (sqlite3_step(found) == SQLITE_ROW)
        unique = unique || strcmp(text_of(found, 0), columns) == 0;
    sqlite3_finalize(found);
    return unique;
}

Test(schema, what_is_unique)
{
    for (int id = 0; id < SKR_LOOKUP_RECORD; id++) {
        const struct skr_resource *r = skr_resource_get((enum skr_resource_id)id);
        char columns[128] = "name";
        if (r->name_parent >= 0)
            snprintf(columns, sizeof(columns), "%s,name", r->fields[r->name_parent].name);
        cr_assert(is_unique(r->table, columns), "%s: names", r->table);
        if (r->name_other_parent)
            snprintf(columns, sizeof(columns), "%s,name", r->fields[r->name_other_parent].name);
        cr_assert(is_unique(r->table, columns), "%s: names in the other parent", r->table);
    }
    cr_assert(is_unique("vm_subnet", "vsid"));
    cr_assert(is_unique("vm_network", "routing_domain_id"));
    cr_assert(is_unique("vm_network", "routing_domain_number"));
    cr_assert(is_unique("network_adapter", "vm_subnet_id,mac"));
    cr_assert(is_unique("lookup_record", "vm_network_id,customer_address"));
    cr_assert(is_unique("ip_allocation", "ip_pool_id,address"));
    cr_assert(is_unique("token", "secret_hash"));
    cr_assert_not(is_unique("host", "state,synced_revision"), "the check itself must be able to fail");
}

Test(schema, every_table_is_strict)
{
    sqlite3_stmt *loose = ask("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
                              " AND name NOT LIKE 'sqlite%' AND strict = 0 AND ?1 IS NOT NULL",
                              "");
    cr_assert_eq(sqlite3_step(loose), SQLITE_DONE, "%s is not STRICT", text_of(loose, 0));
    sqlite3_finalize(loose);
}

Test(schema, values_have_their_sizes)
{
    cr_assert_eq(
            sqlite3_exec(db,
                         "INSERT INTO host_group VALUES (zeroblob(16), NULL, 'a', '', '{}', 0, 0, 1, NULL, 1, 0, 0)",
                         NULL, NULL, NULL),
            SQLITE_OK, "%s", sqlite3_errmsg(db));
    static const char *const bad[] = {
            "INSERT INTO host_group VALUES (zeroblob(15), NULL, 'b', '', '{}', 0, 0, 1, NULL, 1, 0, 0)",
            "INSERT INTO host_group VALUES (x'01', NULL, 'b', '', '{}', 0, 0, 1, NULL, 1, 0, 0)",
            "INSERT INTO host_group VALUES (randomblob(16), NULL, 'a', '', '{}', 0, 0, 1, NULL, 1, 0, 0)",
            "INSERT INTO host_group VALUES (randomblob(16), NULL, 'b', '', '{}', 0, 0, 1, randomblob(16), 1, 0, 0)",
            "INSERT INTO host_group VALUES (randomblob(16), NULL, 'b', '', '{}', 0, 0, 1, NULL, 2, 0, 0)",
            "INSERT INTO host_group VALUES (randomblob(16), NULL, 'b', '', '{}', 0, 0, 1, NULL, 'yes', 0, 0)",
            "INSERT INTO host_group VALUES (randomblob(16), NULL, NULL, '', '{}', 0, 0, 1, NULL, 1, 0, 0)",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(sqlite3_exec(db, bad[i], NULL, NULL, NULL), SQLITE_CONSTRAINT, "%s", bad[i]);
}
