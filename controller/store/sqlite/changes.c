#include "controller/store/sqlite/private.h"
#include <errno.h>

#define HISTORY_MS       600000LL /* 10 minutes */
#define HISTORY_ROWS_MAX 2000000

static bool is_kept(const struct skr_object *object, unsigned field)
{
    return field != SKR_FIELD_ID && object->resource->fields[field].flags & (SKR_FIELD_FILTER | SKR_FIELD_SIGHT);
}

/* The fields of the object before the change that a filter or the sight of others depends on, as JSON text; NULL when
 * they are unchanged. */
static char *kept_fields(enum skr_change_op op, const struct skr_object *before, const struct skr_object *after)
{
    bool differs = op == SKR_CHANGE_DELETE;
    for (unsigned i = 0; before && !differs && i < before->resource->field_count; i++)
        differs = is_kept(before, i) && !skr_value_equal(&before->values[i], &after->values[i]);
    if (!before || !differs)
        return NULL;
    json_t *fields = json_object();
    for (unsigned i = 0; i < before->resource->field_count; i++) {
        const struct skr_field *field = &before->resource->fields[i];
        if (is_kept(before, i) && before->values[i].type != SKR_VALUE_ABSENT)
            json_object_set_new(fields, field->name, skr_value_to_json(field, &before->values[i], SKR_ROLE_ADMIN));
    }
    char *text = json_dumps(fields, JSON_COMPACT);
    json_decref(fields);
    return text;
}

static int write_log_row(struct skr_txn *txn, enum skr_change_op op, const struct skr_object *before,
                         const struct skr_object *object, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *fields = kept_fields(op, before, object);
    struct skr_statement *statement = NULL;
    int r = skr_connection_statement(txn->connection,
                                     "INSERT INTO change_log (revision, op, resource, id, tenant_id, at, fields, "
                                     "write_first) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                                     &statement, error);
    if (r)
        return r;
    skr_bind_integer(statement, 1, txn->revision + 1);
    skr_bind_integer(statement, 2, op);
    skr_bind_text(statement, 3, object->resource->name);
    skr_row_bind_value(statement, 4, &object->values[SKR_FIELD_ID]);
    skr_row_bind_value(statement, 5, &object->values[SKR_FIELD_TENANT_ID]);
    skr_bind_integer(statement, 6, txn->now_ms);
    if (fields)
        skr_bind_text(statement, 7, fields);
    skr_bind_integer(statement, 8, txn->write_first);
    r = skr_step(statement, error);
    if (r)
        return r;
    txn->revision++;
    return 0;
}

/* The object as the database holds it: without secrets, which are shown once, and without computed fields, which are
 * made when they are read. */
static struct skr_object *after_image(const struct skr_object *object)
{
    struct skr_object *copy = skr_object_copy(object);
    for (unsigned i = 0; i < copy->resource->field_count; i++) {
        enum skr_kind kind = copy->resource->fields[i].kind;
        if (kind == SKR_KIND_SECRET || kind == SKR_KIND_COMPUTED)
            skr_value_clear(&copy->values[i]);
    }
    return copy;
}

int skr_changes_add(struct skr_txn *txn, enum skr_change_op op, const struct skr_object *before,
                    const struct skr_object *object, struct skr_error *error)
{
    struct skr_changes *changes = txn->changes;
    int r = op == SKR_CHANGE_STATUS ? 0 : write_log_row(txn, op, before, object, error);
    if (r)
        return r;
    if (changes->count == changes->capacity) {
        changes->capacity = changes->capacity ? 2 * changes->capacity : 64;
        changes->rows = reallocarray(changes->rows, changes->capacity, sizeof changes->rows[0]);
        if (!changes->rows)
            abort();
    }
    changes->rows[changes->count++] = (struct skr_change){.revision = op == SKR_CHANGE_STATUS ? 0 : txn->revision,
                                                          .op = op,
                                                          .resource = object->resource->id,
                                                          .object = after_image(object)};
    return 0;
}

void skr_changes_truncate(struct skr_changes *changes, size_t size)
{
    while (changes->count > size)
        skr_object_unref(changes->rows[--changes->count].object);
}

/* Revisions kept: (oldest, newest), 0 and 0 before the first change. */
static int read_bounds(struct skr_txn *txn, int64_t *ret_oldest, int64_t *ret_newest, struct skr_error *error)
{
    struct skr_statement *statement = NULL;
    int r = skr_connection_statement(txn->connection,
                                     "SELECT (SELECT min(revision) FROM change_log), "
                                     "(SELECT max(revision) FROM change_log)",
                                     &statement, error);
    r = r ? r : skr_step(statement, error);
    if (r < 0)
        return r;
    *ret_oldest = skr_column_integer(statement, 0);
    *ret_newest = skr_column_integer(statement, 1);
    skr_statement_reset(statement);
    return 0;
}

int skr_store_log_read(struct skr_txn *txn, int64_t since, size_t max, struct skr_log_row *ret_rows, size_t *ret_count,
                       struct skr_error *error)
{
    int64_t oldest = 0, newest = 0;
    struct skr_statement *statement = NULL;
    int r = read_bounds(txn, &oldest, &newest, error);
    if (r)
        return r;
    if (since < oldest - 1 || since > newest)
        return skr_error_set(error, SKR_ERROR_GONE,
                             "The history holds revisions %lld to %lld; list again and watch from that revision.",
                             (long long)oldest, (long long)newest);
    r = skr_connection_statement(
            txn->connection,
            "SELECT revision, op, resource, id, tenant_id, fields IS NOT NULL, "
            "coalesce(write_first, revision) FROM change_log WHERE revision > ?1 ORDER BY revision LIMIT ?2",
            &statement, error);
    if (r)
        return r;
    skr_bind_integer(statement, 1, since);
    skr_bind_integer(statement, 2, (int64_t)max);
    size_t count = 0;
    while (count < max && (r = skr_step(statement, error)) == 1) {
        const struct skr_resource *resource = skr_resource_find(skr_column_text(statement, 2));
        if (!resource)
            continue; /* of a kind this version no longer has */
        ret_rows[count++] = (struct skr_log_row){.revision = skr_column_integer(statement, 0),
                                                 .op = (enum skr_change_op)skr_column_integer(statement, 1),
                                                 .resource = resource->id,
                                                 .id = skr_column_uuid(statement, 3),
                                                 .tenant_id = skr_column_uuid(statement, 4),
                                                 .has_fields = skr_column_integer(statement, 5),
                                                 .write_first = skr_column_integer(statement, 6)};
    }
    skr_statement_reset(statement);
    if (r < 0)
        return r;
    *ret_count = count;
    return 0;
}

int skr_store_log_fields(struct skr_txn *txn, int64_t revision, json_t **ret, struct skr_error *error)
{
    struct skr_statement *statement = NULL;
    int r = skr_connection_statement(txn->connection, "SELECT fields FROM change_log WHERE revision = ?1", &statement,
                                     error);
    if (r)
        return r;
    skr_bind_integer(statement, 1, revision);
    r = skr_step(statement, error);
    if (r < 0)
        return r;
    json_t *fields = r && !skr_column_is_null(statement, 0) ? json_loads(skr_column_text(statement, 0), 0, NULL) : NULL;
    skr_statement_reset(statement);
    *ret = fields ? fields : json_object();
    return 0;
}

/* The first revision to keep: the oldest is looked at first, `max_rows` of them, and the newest always stays. */
static int read_cut(struct skr_txn *txn, int64_t now_ms, size_t max_rows, int64_t *ret)
{
    int64_t oldest = 0, newest = 0;
    struct skr_statement *statement = NULL;
    int r = read_bounds(txn, &oldest, &newest, NULL);
    r = r ? r
          : skr_connection_statement(
                    txn->connection,
                    "SELECT revision, at FROM change_log WHERE revision < ?1 ORDER BY revision LIMIT ?2", &statement,
                    NULL);
    if (r)
        return r;
    skr_bind_integer(statement, 1, newest);
    skr_bind_integer(statement, 2, (int64_t)max_rows);
    int64_t cut = oldest;
    while ((r = skr_step(statement, NULL)) == 1) {
        int64_t revision = skr_column_integer(statement, 0);
        if (skr_column_integer(statement, 1) >= now_ms - HISTORY_MS && revision > newest - HISTORY_ROWS_MAX)
            break;
        cut = revision + 1;
    }
    skr_statement_reset(statement);
    if (r < 0)
        return r;
    *ret = cut;
    return 0;
}

int skr_store_log_prune(struct skr_txn *txn, int64_t now_ms, size_t max_rows)
{
    int64_t cut = 0;
    struct skr_statement *statement = NULL;
    int r = read_cut(txn, now_ms, max_rows, &cut);
    r = r ? r
          : skr_connection_statement(txn->connection, "DELETE FROM change_log WHERE revision < ?1", &statement, NULL);
    if (r)
        return r;
    skr_bind_integer(statement, 1, cut);
    return skr_step(statement, NULL);
}
