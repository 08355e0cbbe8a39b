#include "controller/store/sqlite/private.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that grows; memory ends the process, as everywhere in the daemons. */
struct builder {
    char *text;
    size_t size;
    FILE *stream;
};

static FILE *builder_begin(struct builder *builder)
{
    builder->stream = open_memstream(&builder->text, &builder->size);
    if (!builder->stream)
        abort();
    return builder->stream;
}

static char *builder_end(struct builder *builder)
{
    if (fclose(builder->stream))
        abort();
    return builder->text;
}

static char *format(const char *pattern, ...) SKR_PRINTF(1, 2);
static char *format(const char *pattern, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, pattern);
    if (vasprintf(&text, pattern, arguments) < 0)
        abort();
    va_end(arguments);
    return text;
}

static bool is_column(enum skr_kind kind)
{
    switch (kind) {
    case SKR_KIND_REFERENCES:
    case SKR_KIND_STRUCTS:
    case SKR_KIND_STRUCT:
    case SKR_KIND_COMPUTED:
    case SKR_KIND_SECRET:
        return false;
    default:
        return true;
    }
}

static unsigned columns_max(const struct skr_resource *resource)
{
    unsigned count = 0;
    for (unsigned i = 0; i < resource->field_count; i++)
        count += resource->fields[i].kind == SKR_KIND_STRUCT ? resource->fields[i].sub->field_count : 1;
    return count;
}

static int make_columns(const struct skr_resource *resource, bool nested, struct skr_column **ret, unsigned *ret_count)
{
    SKR_CLEANUP(skr_free_cleanup) struct skr_column *columns = calloc(columns_max(resource) + 1, sizeof *columns);
    unsigned count = 0;
    if (!columns)
        abort();
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        bool unversioned = field->flags & SKR_FIELD_UNVERSIONED;
        if (is_column(field->kind))
            columns[count++] = (struct skr_column){field, (int)i, -1, unversioned};
        else if (nested && field->kind != SKR_KIND_COMPUTED && field->kind != SKR_KIND_SECRET)
            return -ENOTSUP;
        for (unsigned k = 0; field->kind == SKR_KIND_STRUCT && k < field->sub->field_count; k++) {
            if (!is_column(field->sub->fields[k].kind))
                return -ENOTSUP;
            columns[count++] = (struct skr_column){&field->sub->fields[k], (int)i, (int)k, unversioned};
        }
    }
    *ret = SKR_TAKE(columns);
    *ret_count = count;
    return 0;
}

static void write_name(FILE *out, const struct skr_resource *resource, const struct skr_column *column)
{
    if (column->sub >= 0)
        fprintf(out, "%s_", resource->fields[column->field].name);
    fputs(column->description->name, out);
}

static char *names(const struct skr_resource *resource, const struct skr_column *columns, unsigned count)
{
    struct builder builder = {0};
    FILE *out = builder_begin(&builder);
    for (unsigned i = 0; i < count; i++) {
        fputs(i ? ", " : "", out);
        write_name(out, resource, &columns[i]);
    }
    return builder_end(&builder);
}

/* ?1, ?2, ... */
static char *marks(unsigned count)
{
    struct builder builder = {0};
    FILE *out = builder_begin(&builder);
    for (unsigned i = 1; i <= count; i++)
        fprintf(out, "%s?%u", i > 1 ? ", " : "", i);
    return builder_end(&builder);
}

/* Parameter 1 is the id; the others count on in the order of the columns. NULL when there is nothing to set. A status
 * write names its columns alone: SQLite then leaves every index of the other columns as it is. */
static char *update(const struct skr_resource_sql *sql, bool status)
{
    struct builder builder = {0};
    FILE *out = builder_begin(&builder);
    unsigned parameter = 1;
    fprintf(out, "UPDATE %s SET ", sql->resource->table);
    for (unsigned i = 1; i < sql->column_count; i++) {
        if (status && !sql->columns[i].unversioned)
            continue;
        fputs(parameter > 1 ? ", " : "", out);
        write_name(out, sql->resource, &sql->columns[i]);
        fprintf(out, " = ?%u", ++parameter);
    }
    fputs(" WHERE id = ?1", out);
    char *text = builder_end(&builder);
    if (parameter > 1)
        return text;
    free(text);
    return NULL;
}

static int make_list(const struct skr_resource *resource, int number, struct skr_list_sql *ret)
{
    const struct skr_field *field = &resource->fields[number];
    const char *owner = resource->table;
    *ret = (struct skr_list_sql){.field = number};
    ret->remove = format("DELETE FROM %s_%s WHERE owner_id = ?1", owner, field->name);
    if (field->kind == SKR_KIND_REFERENCES) {
        ret->select = format("SELECT target_id FROM %s_%s WHERE owner_id = ?1 ORDER BY position", owner, field->name);
        ret->insert =
                format("INSERT INTO %s_%s (owner_id, position, target_id) VALUES (?1, ?2, ?3)", owner, field->name);
        return 0;
    }
    ret->sub = field->sub;
    int r = make_columns(field->sub, true, &ret->columns, &ret->column_count);
    if (r)
        return r;
    SKR_CLEANUP(skr_free_cleanup) char *own = names(field->sub, ret->columns, ret->column_count);
    SKR_CLEANUP(skr_free_cleanup) char *values = marks(ret->column_count + 2);
    ret->select = format("SELECT %s FROM %s_%s WHERE owner_id = ?1 ORDER BY position", own, owner, field->name);
    ret->insert = format("INSERT INTO %s_%s (owner_id, position, %s) VALUES (%s)", owner, field->name, own, values);
    return 0;
}

int skr_resource_sql_make(const struct skr_resource *resource, struct skr_resource_sql *ret)
{
    struct skr_resource_sql sql = {.resource = resource};
    int r = make_columns(resource, false, &sql.columns, &sql.column_count);
    sql.lists = calloc(resource->field_count + 1, sizeof *sql.lists);
    if (!sql.lists)
        abort();
    for (unsigned i = 0; !r && i < resource->field_count; i++) {
        enum skr_kind kind = resource->fields[i].kind;
        if (kind == SKR_KIND_REFERENCES || kind == SKR_KIND_STRUCTS)
            r = make_list(resource, (int)i, &sql.lists[sql.list_count++]);
    }
    if (r) {
        skr_resource_sql_done(&sql);
        return r;
    }
    SKR_CLEANUP(skr_free_cleanup) char *columns = names(resource, sql.columns, sql.column_count);
    SKR_CLEANUP(skr_free_cleanup) char *values = marks(sql.column_count);
    sql.select = format("SELECT %s FROM %s", columns, resource->table);
    sql.get = format("%s WHERE id = ?1", sql.select);
    /* The search itself leaves out another tenant's row, so it is answered as a missing one; the + keeps SQLite from
     * searching by the tenant, because the id alone finds the row. */
    sql.get_of_tenant = format("%s WHERE id = ?1 AND +tenant_id = ?2", sql.select);
    sql.insert = format("INSERT INTO %s (%s) VALUES (%s)", resource->table, columns, values);
    sql.update = update(&sql, false);
    sql.update_status = update(&sql, true);
    sql.remove = format("DELETE FROM %s WHERE id = ?1", resource->table);
    *ret = sql;
    return 0;
}

void skr_resource_sql_done(struct skr_resource_sql *sql)
{
    for (unsigned i = 0; i < sql->list_count; i++) {
        free(sql->lists[i].columns);
        free(sql->lists[i].select);
        free(sql->lists[i].insert);
        free(sql->lists[i].remove);
    }
    free(sql->lists);
    free(sql->columns);
    free(sql->select);
    free(sql->get);
    free(sql->get_of_tenant);
    free(sql->insert);
    free(sql->update);
    free(sql->update_status);
    free(sql->remove);
    *sql = (struct skr_resource_sql){0};
}

/* Driven by an index of labels, in its order, which is by id too. CROSS JOIN: never the other way round. */
static void write_by_label(FILE *out, const struct skr_resource_sql *sql, const struct skr_list_way *way)
{
    SKR_CLEANUP(skr_free_cleanup) char *columns = names(sql->resource, sql->columns, sql->column_count);
    fprintf(out,
            "SELECT %s FROM label CROSS JOIN %s ON id = label_object_id WHERE label_object_id > ?1 "
            "AND label_kind = ?3 AND label_name = ?4",
            columns, sql->resource->table);
    if (way->label_value)
        fputs(" AND label_value = ?5", out);
    if (way->tenant != SKR_WAY_ALL)
        fputs(way->tenant == SKR_WAY_ONE ? " AND label_tenant_id = ?6" : " AND label_tenant_id IS NULL", out);
    fputs(" ORDER BY label_object_id LIMIT ?2", out);
}

static void write_by_rows(FILE *out, const struct skr_resource_sql *sql, const struct skr_list_way *way)
{
    fprintf(out, "%s WHERE id > ?1", sql->select);
    if (way->tenant != SKR_WAY_ALL)
        fputs(way->tenant == SKR_WAY_ONE ? " AND tenant_id = ?6" : " AND tenant_id IS NULL", out);
    if (way->field >= 0)
        fprintf(out, " AND %s %s", sql->resource->fields[way->field].name, way->null ? "IS NULL" : "= ?7");
    fputs(" ORDER BY id LIMIT ?2", out);
}

char *skr_resource_sql_list(const struct skr_resource_sql *sql, const struct skr_list_way *way)
{
    struct builder builder = {0};
    FILE *out = builder_begin(&builder);
    if (way->by_place)
        fprintf(out, "SELECT id FROM %s WHERE id > ?1 AND %s = ?7 ORDER BY id LIMIT ?2", sql->resource->table,
                sql->resource->fields[way->field].name);
    else if (way->by_label)
        write_by_label(out, sql, way);
    else
        write_by_rows(out, sql, way);
    return builder_end(&builder);
}
