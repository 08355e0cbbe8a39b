/* The index of labels: one row a label of an object, written with the object. */
#include "controller/store/sqlite/private.h"
#include <string.h>

static const json_t *labels_of(const struct skr_object *object)
{
    return object && object->values[SKR_FIELD_LABELS].type == SKR_VALUE_JSON ? object->values[SKR_FIELD_LABELS].json
                                                                             : NULL;
}

static int write_each(struct skr_txn *txn, const char *sql, const struct skr_object *object, bool tenant,
                      struct skr_error *error)
{
    const char *name;
    json_t *value;
    int r = 0;
    if (!object)
        return 0;
    json_object_foreach ((json_t *)labels_of(object), name, value) {
        struct skr_statement *statement = NULL;
        if (!json_is_string(value))
            continue;
        r = skr_connection_statement(txn->connection, sql, &statement, error);
        if (r)
            return r;
        skr_bind_text(statement, 1, object->resource->name);
        skr_bind_text(statement, 2, name);
        skr_bind_text(statement, 3, json_string_value(value));
        skr_row_bind_value(statement, 4, &object->values[SKR_FIELD_ID]);
        if (tenant)
            skr_row_bind_value(statement, 5, &object->values[SKR_FIELD_TENANT_ID]);
        r = skr_step(statement, error);
        if (r)
            return r;
    }
    return 0;
}

int skr_labels_update(struct skr_txn *txn, const struct skr_object *before, const struct skr_object *after,
                      struct skr_error *error)
{
    if (before && after && skr_value_equal(&before->values[SKR_FIELD_LABELS], &after->values[SKR_FIELD_LABELS]))
        return 0;
    int r = write_each(txn,
                       "DELETE FROM label WHERE label_kind = ?1 AND label_name = ?2 AND label_value = ?3 "
                       "AND label_object_id = ?4",
                       before, false, error);
    return r ? r
             : write_each(txn,
                          "INSERT INTO label (label_kind, label_name, label_value, label_object_id, label_tenant_id) "
                          "VALUES (?1, ?2, ?3, ?4, ?5)",
                          after, true, error);
}

bool skr_labels_match(const struct skr_list_query *query, const struct skr_object *object)
{
    for (unsigned i = 0; i < query->label_count; i++) {
        const char *value = json_string_value(json_object_get(labels_of(object), query->labels[i].name));
        if (!value || (query->labels[i].value && strcmp(value, query->labels[i].value) != 0))
            return false;
    }
    return true;
}
