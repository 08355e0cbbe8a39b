/* Events: kept 7 days and at most 1,000,000; each new one takes up to two old ones with it, and upkeep takes the rest
 * when no new ones come. */
#include "controller/model/rules.h"

#include <stdarg.h>

#define EVENTS_MAX   1000000
#define EVENT_AGE_MS (7LL * 24 * 3600 * 1000)
#define PRUNE_BESIDE 2
#define PRUNE_MAX    1000 /* rows of each kind that one write of upkeep takes away */

static const struct skr_query oldest = {"SELECT id, created_at FROM event WHERE id > ?1 ORDER BY id LIMIT ?2"};

int skr_event_prune(struct skr_txn *txn, unsigned max, struct skr_error *error)
{
    static const struct skr_uuid nil;
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids old = {0};
    int64_t over = skr_txn_count(txn, SKR_EVENT) - EVENTS_MAX;
    int64_t limit = skr_txn_now_ms(txn) - EVENT_AGE_MS;
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &oldest, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &nil);
    skr_bind_integer(statement, 2, max);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid id = skr_column_uuid(statement, 0);
        if ((int64_t)old.count <= over || skr_column_integer(statement, 1) < limit)
            skr_ids_add(&old, &id);
    }
    skr_statement_reset(statement);
    for (size_t i = 0; r == 0 && i < old.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *event = NULL;
        r = skr_fetch(txn, SKR_EVENT, &old.items[i], &event, error);
        if (r == 0)
            r = skr_txn_delete(txn, event, error);
    }
    return r;
}

int skr_model_prune(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    (void)unused;
    int r = skr_event_prune(txn, PRUNE_MAX, error);
    if (r == 0)
        r = skr_holding_prune(txn, PRUNE_MAX, error);
    return r < 0 ? r : skr_audit_prune(txn, PRUNE_MAX, error);
}

int skr_model_event(struct skr_txn *txn, void *event_write, struct skr_error *error)
{
    const struct skr_event_write *write = event_write;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *event = skr_row_new(SKR_EVENT);
    skr_object_set_text(event, SKR_FIELD_NAME, write->reason);
    skr_object_set_text(event, SKR_EVENT_REASON, write->reason);
    skr_object_set_text(event, SKR_EVENT_MESSAGE, write->message);
    skr_object_set_text(event, SKR_EVENT_OBJECT_KIND, write->object_kind ? write->object_kind : "");
    if (*write->detail)
        skr_object_set_text(event, SKR_EVENT_DETAIL, write->detail);
    if (!skr_uuid_is_nil(&write->object_id))
        skr_object_set_uuid(event, SKR_EVENT_OBJECT_ID, &write->object_id);
    if (!skr_uuid_is_nil(&write->host_id))
        skr_object_set_uuid(event, SKR_EVENT_HOST_ID, &write->host_id);
    if (!skr_uuid_is_nil(&write->tenant_id))
        skr_object_set_uuid(event, SKR_FIELD_TENANT_ID, &write->tenant_id);
    int r = skr_event_prune(txn, PRUNE_BESIDE, error);
    return r < 0 ? r : skr_txn_insert(txn, event, error);
}

static int add(struct skr_txn *txn, struct skr_event_write *write, const struct skr_object *object,
               const struct skr_uuid *host_id, struct skr_error *error)
{
    if (object) {
        write->object_kind = object->resource->name;
        write->object_id = skr_object_id(object);
    }
    if (object && object->resource->scope == SKR_SCOPE_TENANT)
        write->tenant_id = skr_object_uuid(object, SKR_FIELD_TENANT_ID);
    if (host_id)
        write->host_id = *host_id;
    return skr_model_event(txn, write, error);
}

int skr_event_add(struct skr_txn *txn, const char *reason, const struct skr_object *object,
                  const struct skr_uuid *host_id, struct skr_error *error, const char *format, ...)
{
    struct skr_event_write write = {.reason = reason};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(write.message, sizeof(write.message), format, arguments);
    va_end(arguments);
    skr_utf8_mend(write.message);
    return add(txn, &write, object, host_id, error);
}

int skr_event_add_detail(struct skr_txn *txn, const char *reason, const struct skr_object *object,
                         const struct skr_uuid *host_id, const char *message, struct skr_error *error,
                         const char *format, ...)
{
    struct skr_event_write write = {.reason = reason};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(write.detail, sizeof(write.detail), format, arguments);
    va_end(arguments);
    skr_utf8_mend(write.detail);
    snprintf(write.message, sizeof(write.message), "%s", message);
    return add(txn, &write, object, host_id, error);
}
