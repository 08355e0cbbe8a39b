/* Events: kept 7 days and at most 1,000,000; each new one takes up to two old ones with it, and upkeep takes the rest
 * when no new ones come.
 *
 * Agents and tenants can cause most of them as often as they like. So what happens again within a minute (the same
 * reason, object and host) is counted in the row that is there. A host, or a tenant where no host is concerned, gets at
 * most OBJECTS_MAX rows a minute; what is beyond is one row a reason that names no object. */
#include "controller/model/rules.h"

#include <stdarg.h>

#define EVENTS_MAX   1000000
#define EVENT_AGE_MS (7LL * 24 * 3600 * 1000)
#define AGAIN_MS     (60LL * 1000)
#define OBJECTS_MAX  100
#define PRUNE_BESIDE 2
#define PRUNE_MAX    1000 /* rows of each kind that one write of upkeep takes away */

static const struct skr_query oldest = {"SELECT id, created_at FROM event WHERE id > ?1 ORDER BY id LIMIT ?2"};

/* An id begins with the time at which it was made: the query reads what happened to the object within the minute. */
static const struct skr_query latest = {"SELECT id FROM event WHERE object_id IS ?1 AND id >= ?2 AND +reason = ?3 "
                                        "AND +host_id IS ?4 AND +tenant_id IS ?5 ORDER BY id DESC LIMIT 1"};

static const struct skr_query recent_of_host = {
        "SELECT 1 FROM event WHERE host_id = ?1 AND id >= ?2 LIMIT 1 OFFSET ?3"};
static const struct skr_query recent_of_tenant = {
        "SELECT 1 FROM event WHERE tenant_id = ?1 AND id >= ?2 LIMIT 1 OFFSET ?3"};

/* Takes away the oldest events that are too old or too many, at most `max`. */
static int prune(struct skr_txn *txn, unsigned max, struct skr_error *error)
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
    int r = prune(txn, PRUNE_MAX, error);
    if (r == 0)
        r = skr_holding_prune(txn, PRUNE_MAX, error);
    return r < 0 ? r : skr_audit_prune(txn, PRUNE_MAX, error);
}

static void bind_uuid_or_null(struct skr_statement *statement, int index, const struct skr_uuid *id)
{
    if (skr_uuid_is_nil(id))
        skr_bind_null(statement, index);
    else
        skr_bind_uuid(statement, index, id);
}

static struct skr_uuid first_id_at(int64_t ms)
{
    struct skr_uuid id = {0};
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    return id;
}

/* 1 and *ret: the row of the same event within the last minute; 0: there is none. */
static int find_latest(struct skr_txn *txn, const struct skr_event_write *write, struct skr_object **ret,
                       struct skr_error *error)
{
    struct skr_uuid since = first_id_at(skr_txn_now_ms(txn) - AGAIN_MS);
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &latest, &statement, error);
    if (r < 0)
        return r;
    bind_uuid_or_null(statement, 1, &write->object_id);
    skr_bind_uuid(statement, 2, &since);
    skr_bind_text(statement, 3, write->reason);
    bind_uuid_or_null(statement, 4, &write->host_id);
    bind_uuid_or_null(statement, 5, &write->tenant_id);
    return skr_fetch_first(txn, statement, SKR_EVENT, ret, error);
}

/* 1: the host or tenant that the event concerns has had enough rows within the minute. */
static int is_crowded(struct skr_txn *txn, const struct skr_event_write *write, struct skr_error *error)
{
    bool of_host = !skr_uuid_is_nil(&write->host_id);
    const struct skr_uuid *whose = of_host ? &write->host_id : &write->tenant_id;
    struct skr_uuid since = first_id_at(skr_txn_now_ms(txn) - AGAIN_MS);
    struct skr_statement *statement;
    if (skr_uuid_is_nil(&write->object_id) || skr_uuid_is_nil(whose))
        return 0;
    int r = skr_txn_query(txn, of_host ? &recent_of_host : &recent_of_tenant, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, whose);
    skr_bind_uuid(statement, 2, &since);
    skr_bind_integer(statement, 3, OBJECTS_MAX - 1);
    r = skr_step(statement, error);
    skr_statement_reset(statement);
    return r;
}

/* The same event without its object. Where a host is concerned it is the fabric's, because it stands for objects of
 * several tenants. */
static struct skr_event_write without_object(const struct skr_event_write *write)
{
    struct skr_event_write crowd = {.reason = write->reason, .host_id = write->host_id};
    bool of_host = !skr_uuid_is_nil(&write->host_id);
    if (!of_host)
        crowd.tenant_id = write->tenant_id;
    snprintf(
            crowd.message, sizeof(crowd.message),
            "There were more than %d events within a minute; those of this kind are counted here. The last one: %.380s",
            OBJECTS_MAX, of_host && *write->detail ? write->detail : write->message);
    skr_utf8_mend(crowd.message);
    return crowd;
}

static void set_texts(struct skr_object *event, const struct skr_event_write *write)
{
    skr_object_set_text(event, SKR_EVENT_MESSAGE, write->message);
    skr_object_set_text(event, SKR_EVENT_DETAIL, *write->detail ? write->detail : NULL);
}

static int count_again(struct skr_txn *txn, struct skr_object *event, const struct skr_event_write *write,
                       struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(event);
    set_texts(after, write);
    skr_object_set_integer(after, SKR_EVENT_COUNT, skr_object_integer(event, SKR_EVENT_COUNT) + 1);
    return skr_txn_update(txn, event, after, error);
}

static int insert(struct skr_txn *txn, const struct skr_event_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *event = skr_row_new(SKR_EVENT);
    skr_object_set_text(event, SKR_FIELD_NAME, write->reason);
    skr_object_set_text(event, SKR_EVENT_REASON, write->reason);
    skr_object_set_text(event, SKR_EVENT_OBJECT_KIND, write->object_kind ? write->object_kind : "");
    set_texts(event, write);
    if (!skr_uuid_is_nil(&write->object_id))
        skr_object_set_uuid(event, SKR_EVENT_OBJECT_ID, &write->object_id);
    if (!skr_uuid_is_nil(&write->host_id))
        skr_object_set_uuid(event, SKR_EVENT_HOST_ID, &write->host_id);
    if (!skr_uuid_is_nil(&write->tenant_id))
        skr_object_set_uuid(event, SKR_FIELD_TENANT_ID, &write->tenant_id);
    int r = prune(txn, PRUNE_BESIDE, error);
    return r < 0 ? r : skr_txn_insert(txn, event, error);
}

int skr_model_event(struct skr_txn *txn, void *event_write, struct skr_error *error)
{
    const struct skr_event_write *write = event_write;
    struct skr_event_write crowd;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = NULL;
    int r = find_latest(txn, write, &before, error);
    if (r == 0) {
        r = is_crowded(txn, write, error);
        if (r == 0)
            return insert(txn, write, error);
        if (r < 0)
            return r;
        crowd = without_object(write);
        write = &crowd;
        r = find_latest(txn, write, &before, error);
    }
    if (r < 0)
        return r;
    return before ? count_again(txn, before, write, error) : insert(txn, write, error);
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
