#include "controller/store/sqlite/private.h"
#include <errno.h>
#include <string.h>

#define EACH_PAGE 256

const struct skr_resource_sql *skr_rows_sql(struct skr_txn *txn, enum skr_resource_id resource, struct skr_error *error)
{
    const struct skr_resource_sql *sql = &txn->store->sql[resource];
    if (sql->resource)
        return sql;
    skr_error_set(error, SKR_ERROR_INTERNAL, "%s is not kept in a table.", skr_resource_get(resource)->name);
    return NULL;
}

/* ---- reading ---- */

static void append(struct skr_value *value, const struct skr_resource *sub, struct skr_statement *statement,
                   const struct skr_list_sql *list)
{
    bool full = !(value->count & (value->count - 1)); /* room doubles at each power of two, counting from 0 */
    size_t room = value->count ? 2 * (size_t)value->count : 1;
    if (full && sub)
        value->objects = reallocarray(value->objects, room, sizeof(struct skr_object *));
    else if (full)
        value->uuids = reallocarray(value->uuids, room, sizeof value->uuids[0]);
    if (sub ? !value->objects : !value->uuids)
        abort();
    if (sub) {
        struct skr_object *object = skr_object_new(sub);
        skr_row_read(statement, 0, list->columns, list->column_count, object);
        value->objects[value->count++] = object;
    } else {
        value->uuids[value->count++] = skr_column_uuid(statement, 0);
    }
}

int skr_rows_read_lists(struct skr_txn *txn, const struct skr_resource_sql *sql, struct skr_object *object,
                        struct skr_error *error)
{
    for (unsigned i = 0; i < sql->list_count; i++) {
        const struct skr_list_sql *list = &sql->lists[i];
        struct skr_value *value = &object->values[list->field];
        struct skr_statement *statement = NULL;
        int r = skr_connection_statement(txn->connection, list->select, &statement, error);
        if (r)
            return r;
        skr_value_clear(value);
        value->type = list->sub ? SKR_VALUE_OBJECTS : SKR_VALUE_UUIDS;
        skr_row_bind_value(statement, 1, &object->values[SKR_FIELD_ID]);
        while ((r = skr_step(statement, error)) == 1)
            append(value, list->sub, statement, list);
        if (r)
            return r;
    }
    return 0;
}

int skr_txn_get(struct skr_txn *txn, enum skr_resource_id resource, const struct skr_uuid *id,
                const struct skr_uuid *tenant, struct skr_object **ret, struct skr_error *error)
{
    const struct skr_resource_sql *sql = skr_rows_sql(txn, resource, error);
    struct skr_statement *statement = NULL;
    int r = sql ? skr_connection_statement(txn->connection, tenant ? sql->get_of_tenant : sql->get, &statement, error)
                : -EIO;
    if (r)
        return r;
    skr_bind_uuid(statement, 1, id);
    if (tenant)
        skr_bind_uuid(statement, 2, tenant);
    r = skr_step(statement, error);
    if (r != 1)
        return r ? r : -ENOENT;
    if (!ret) {
        skr_statement_reset(statement);
        return 0;
    }
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = skr_object_new(sql->resource);
    skr_row_read(statement, 0, sql->columns, sql->column_count, object);
    skr_statement_reset(statement);
    r = skr_rows_read_lists(txn, sql, object, error);
    if (r)
        return r;
    *ret = SKR_TAKE(object);
    return 0;
}

/* Page by page, so that fn may use the same transaction. */
int skr_txn_each(struct skr_txn *txn, enum skr_resource_id resource, int (*fn)(void *arg, struct skr_object *object),
                 void *arg, struct skr_error *error)
{
    struct skr_list_query query = {.resource = resource, .limit = EACH_PAGE};
    struct skr_object *objects[EACH_PAGE];
    uint32_t count;
    bool more = true;
    int result = 0;
    while (more && !result) {
        int r = skr_txn_list(txn, &query, objects, &count, &more, error);
        if (r)
            return r;
        for (uint32_t i = 0; i < count; i++) {
            query.after = skr_object_uuid(objects[i], SKR_FIELD_ID);
            if (!result)
                result = fn(arg, objects[i]);
            skr_object_unref(objects[i]);
        }
    }
    return result;
}

int64_t skr_txn_count(struct skr_txn *txn, enum skr_resource_id resource)
{
    return atomic_load(&txn->store->counts[resource]);
}

/* ---- writing ---- */

/* NULL with error: nothing can be written, or no table. */
static const struct skr_resource_sql *writable_sql(struct skr_txn *txn, const struct skr_object *object,
                                                   struct skr_error *error)
{
    return skr_txn_is_writable(txn, error) ? skr_rows_sql(txn, object->resource->id, error) : NULL;
}

static int run_for_owner(struct skr_txn *txn, const char *text, const struct skr_object *object,
                         struct skr_error *error)
{
    struct skr_statement *statement = NULL;
    int r = skr_connection_statement(txn->connection, text, &statement, error);
    if (r)
        return r;
    skr_row_bind_value(statement, 1, &object->values[SKR_FIELD_ID]);
    return skr_step(statement, error);
}

static int insert_list(struct skr_txn *txn, const struct skr_list_sql *list, const struct skr_object *object,
                       struct skr_error *error)
{
    const struct skr_value *value = &object->values[list->field];
    for (uint32_t i = 0; i < value->count; i++) {
        struct skr_statement *statement = NULL;
        int r = skr_connection_statement(txn->connection, list->insert, &statement, error);
        if (r)
            return r;
        skr_row_bind_value(statement, 1, &object->values[SKR_FIELD_ID]);
        skr_bind_integer(statement, 2, i);
        if (list->sub)
            skr_row_bind(statement, 3, list->columns, list->column_count, value->objects[i], false);
        else
            skr_bind_uuid(statement, 3, &value->uuids[i]);
        r = skr_step(statement, error);
        if (r)
            return r;
    }
    return 0;
}

/* Runs a statement that must hit exactly the object's row. */
static int write_row(struct skr_txn *txn, const struct skr_resource_sql *sql, const char *text,
                     const struct skr_object *object, bool status, struct skr_error *error)
{
    struct skr_statement *statement = NULL;
    int r = skr_connection_statement(txn->connection, text, &statement, error);
    if (r)
        return r;
    if (text == sql->remove)
        skr_row_bind_value(statement, 1, &object->values[SKR_FIELD_ID]);
    else
        skr_row_bind(statement, 1, sql->columns, sql->column_count, object, status);
    r = skr_step(statement, error);
    if (r)
        return r;
    if (sqlite3_changes(txn->connection->db) != 1)
        return skr_error_set(error, SKR_ERROR_NOT_FOUND, "The %s is no longer there.", sql->resource->name);
    return 0;
}

/* From the first changed row on, a failure leaves the object half written. */
static int broken(struct skr_txn *txn, int r)
{
    txn->broken |= r != 0;
    return r;
}

int skr_txn_insert(struct skr_txn *txn, struct skr_object *object, struct skr_error *error)
{
    const struct skr_resource_sql *sql = writable_sql(txn, object, error);
    if (!sql)
        return -EIO;
    int r = 0;
    if (!skr_object_has(object, SKR_FIELD_ID)) {
        struct skr_uuid id = skr_uuid_new();
        skr_object_set_uuid(object, SKR_FIELD_ID, &id);
    }
    skr_object_set_integer(object, SKR_FIELD_CREATED_AT, txn->now_ms);
    skr_object_set_integer(object, SKR_FIELD_UPDATED_AT, txn->now_ms);
    skr_object_set_integer(object, SKR_FIELD_ETAG, txn->revision + 1);
    skr_row_fill(object);
    r = write_row(txn, sql, sql->insert, object, false, error);
    if (r)
        return r;
    for (unsigned i = 0; !r && i < sql->list_count; i++)
        r = insert_list(txn, &sql->lists[i], object, error);
    r = r ? r : skr_labels_update(txn, NULL, object, error);
    r = r ? r : skr_changes_add(txn, SKR_CHANGE_PUT, NULL, object, error);
    if (!r)
        atomic_fetch_add(&txn->store->counts[object->resource->id], 1);
    return broken(txn, r);
}

int skr_txn_append(struct skr_txn *txn, struct skr_object *object, struct skr_error *error)
{
    const struct skr_resource_sql *sql = writable_sql(txn, object, error);
    if (!sql)
        return -EIO;
    if (!(sql->resource->flags & SKR_RESOURCE_APPENDED))
        return skr_error_set(error, SKR_ERROR_INTERNAL, "A %s is not only appended.", sql->resource->name);
    skr_object_set_integer(object, SKR_FIELD_CREATED_AT, txn->now_ms);
    skr_object_set_integer(object, SKR_FIELD_UPDATED_AT, txn->now_ms);
    skr_object_set_integer(object, SKR_FIELD_ETAG, txn->revision);
    skr_row_fill(object);
    return write_row(txn, sql, sql->insert, object, false, error);
}

void skr_txn_when_refused(struct skr_txn *txn, skr_refused_fn *fn, void *arg)
{
    txn->refused = fn;
    txn->refused_arg = arg;
}

void skr_txn_set_asker(struct skr_txn *txn, const void *asker)
{
    txn->asker = asker;
}

const void *skr_txn_asker(const struct skr_txn *txn)
{
    return txn->asker;
}

enum difference { SAME, STATUS_DIFFERS, VERSIONED_DIFFERS };

static enum difference compare(const struct skr_object *before, const struct skr_object *after)
{
    enum difference difference = SAME;
    for (unsigned i = SKR_FIELD_ID + 1; i < after->resource->field_count; i++) {
        const struct skr_field *field = &after->resource->fields[i];
        bool derived = i == SKR_FIELD_CREATED_AT || i == SKR_FIELD_UPDATED_AT || i == SKR_FIELD_ETAG ||
                       field->kind == SKR_KIND_COMPUTED || field->kind == SKR_KIND_SECRET;
        if (derived || skr_value_equal(&before->values[i], &after->values[i]))
            continue;
        if (!(field->flags & SKR_FIELD_UNVERSIONED))
            return VERSIONED_DIFFERS;
        difference = STATUS_DIFFERS;
    }
    return difference;
}

static int update_lists(struct skr_txn *txn, const struct skr_resource_sql *sql, const struct skr_object *before,
                        const struct skr_object *after, struct skr_error *error)
{
    int r = 0;
    for (unsigned i = 0; !r && i < sql->list_count; i++) {
        const struct skr_list_sql *list = &sql->lists[i];
        if (skr_value_equal(&before->values[list->field], &after->values[list->field]))
            continue;
        r = run_for_owner(txn, list->remove, after, error);
        r = r ? r : insert_list(txn, list, after, error);
    }
    return r;
}

int skr_txn_update(struct skr_txn *txn, const struct skr_object *before, struct skr_object *after,
                   struct skr_error *error)
{
    const struct skr_resource_sql *sql = writable_sql(txn, after, error);
    if (!sql)
        return -EIO;
    int r = 0;
    skr_row_fill(after);
    enum difference difference = compare(before, after);
    bool status = difference == STATUS_DIFFERS;
    struct skr_uuid id = skr_object_uuid(before, SKR_FIELD_ID);
    skr_object_set_uuid(after, SKR_FIELD_ID, &id);
    skr_object_set_integer(after, SKR_FIELD_CREATED_AT, skr_object_integer(before, SKR_FIELD_CREATED_AT));
    bool versioned = difference == VERSIONED_DIFFERS;
    skr_object_set_integer(after, SKR_FIELD_UPDATED_AT,
                           versioned ? txn->now_ms : skr_object_integer(before, SKR_FIELD_UPDATED_AT));
    skr_object_set_integer(after, SKR_FIELD_ETAG,
                           versioned ? txn->revision + 1 : skr_object_integer(before, SKR_FIELD_ETAG));
    if (difference == SAME)
        return 0;
    const char *text = status ? sql->update_status : sql->update;
    r = text ? write_row(txn, sql, text, after, status, error) : 0;
    if (r)
        return r;
    r = update_lists(txn, sql, before, after, error);
    r = r || status ? r : skr_labels_update(txn, before, after, error);
    r = r ? r : skr_changes_add(txn, status ? SKR_CHANGE_STATUS : SKR_CHANGE_PUT, before, after, error);
    return broken(txn, r);
}

int skr_txn_delete(struct skr_txn *txn, struct skr_object *object, struct skr_error *error)
{
    const struct skr_resource_sql *sql = writable_sql(txn, object, error);
    if (!sql)
        return -EIO;
    int r = 0;
    for (unsigned i = 0; !r && i < sql->list_count; i++)
        r = run_for_owner(txn, sql->lists[i].remove, object, error);
    r = r ? r : write_row(txn, sql, sql->remove, object, false, error);
    r = r ? r : skr_labels_update(txn, object, NULL, error);
    r = r ? r : skr_changes_add(txn, SKR_CHANGE_DELETE, object, object, error);
    if (!r)
        atomic_fetch_sub(&txn->store->counts[object->resource->id], 1);
    return broken(txn, r);
}
