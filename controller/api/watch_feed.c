#include "controller/api/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define ROWS_MAX 256
/* Batches without a single event for this client before it hears a comment, so that a narrow filter over a long history
 * neither holds the worker for long nor looks dead. */
#define SILENT_BATCHES_MAX 16

static void append(struct skr_watch *watch, const char *text, size_t size)
{
    if (watch->size + size > watch->capacity) {
        size_t capacity = watch->capacity ? watch->capacity : 4096;
        while (capacity < watch->size + size)
            capacity *= 2;
        watch->text = realloc(watch->text, capacity);
        if (!watch->text)
            abort();
        watch->capacity = capacity;
    }
    memcpy(watch->text + watch->size, text, size);
    watch->size += size;
}

/* One event; `id` -1 = none. Compact JSON holds no line break, so it fits one data line. */
static void append_event(struct skr_watch *watch, const char *event, int64_t id, json_t *stolen)
{
    char head[96];
    char *data SKR_CLEANUP(skr_free_cleanup) = json_dumps(stolen, JSON_COMPACT);
    json_decref(stolen);
    if (!data)
        return;
    int size = id >= 0 ? snprintf(head, sizeof(head), "id: %" PRId64 "\nevent: %s\ndata: ", id, event)
                       : snprintf(head, sizeof(head), "event: %s\ndata: ", event);
    append(watch, head, (size_t)size);
    append(watch, data, strlen(data));
    append(watch, "\n\n", 2);
    atomic_fetch_add_explicit(&watch->request->api->counters.watch_events, 1, memory_order_relaxed);
}

static json_t *describe(enum skr_resource_id resource, const struct skr_uuid *id, int64_t revision)
{
    char text[SKR_UUID_TEXT_MAX];
    json_t *data = json_object();
    json_object_set_new(data, "kind", json_string(skr_resource_get(resource)->name));
    json_object_set_new(data, "id", json_string(skr_uuid_format(id, text)));
    if (revision)
        json_object_set_new(data, "revision", json_integer(revision));
    return data;
}

static bool matches(const struct skr_watch *watch, const struct skr_object *object)
{
    for (unsigned i = 0; i < watch->filter_count; i++) {
        int field = skr_resource_field(object->resource, watch->filters[i].name);
        if (field < 0 || !skr_value_equal(&object->values[field], &watch->filters[i].value))
            return false;
    }
    return true;
}

/* ---- what the log kept of an object: before a change, or at its end ---- */

static bool filter_matched(const struct skr_watch_filter *filter, const struct skr_log_row *row, const json_t *fields)
{
    if (strcmp(filter->name, "id") == 0)
        return skr_uuid_equal(&filter->value.uuid, &row->id);
    if (strcmp(filter->name, "tenant_id") == 0)
        return skr_uuid_equal(&filter->value.uuid, &row->tenant_id);
    const struct skr_resource *resource = skr_resource_get(row->resource);
    int field = skr_resource_field(resource, filter->name);
    if (field < 0)
        return false;
    json_t *wanted = skr_value_to_json(&resource->fields[field], &filter->value, SKR_ROLE_ADMIN);
    bool equal = json_equal(wanted, json_object_get(fields, filter->name));
    json_decref(wanted);
    return equal;
}

/* Was the object in this client's view before the change? A client must never hear of one that was not: an id is a
 * secret between tenants, and a filter is exact. */
static bool was_seen(const struct skr_watch *watch, struct skr_txn *txn, const struct skr_log_row *row)
{
    struct skr_sight sight = {0};
    struct skr_error ignored = {0};
    json_t *fields = NULL;
    if (skr_model_sees(txn, &watch->request->principal, row->resource, &sight, &ignored) < 0)
        return false;
    bool seen = skr_store_log_fields(txn, row->revision, &fields, &ignored) == 0 &&
                skr_sight_covers_logged(&sight, row, fields);
    for (unsigned i = 0; seen && i < watch->filter_count; i++)
        seen = filter_matched(&watch->filters[i], row, fields);
    skr_sight_done(&sight);
    json_decref(fields);
    return seen;
}

static bool visible(const struct skr_watch *watch, const struct skr_log_row *row)
{
    return watch->kinds >> row->resource & 1 &&
           skr_role_reads(skr_resource_get(row->resource)->reader, watch->request->principal.role);
}

/* The next row about the same object, of all or of those that say what it was before; NULL: none in this batch. */
static const struct skr_log_row *next_row(const struct skr_log_row *rows, size_t count, size_t at, bool with_fields)
{
    for (size_t i = at + 1; i < count; i++)
        if (rows[i].resource == rows[at].resource && skr_uuid_equal(&rows[i].id, &rows[at].id) &&
            (rows[i].has_fields || !with_fields))
            return &rows[i];
    return NULL;
}

/* An object that changes again in this batch is put by its last row; each row tells by itself whom it leaves. */
static void feed_put(struct skr_watch *watch, struct skr_txn *txn, const struct skr_log_row *rows, size_t count,
                     size_t at)
{
    const struct skr_log_row *row = &rows[at];
    struct skr_http_request *request = watch->request;
    bool last = !next_row(rows, count, at, false);
    if (!last && !row->has_fields)
        return;
    struct skr_object *object SKR_CLEANUP(skr_object_cleanup) = NULL;
    struct skr_error ignored = {0};
    bool now = skr_model_read(txn, &request->principal, row->resource, &row->id, &object, &ignored) == 0 &&
               matches(watch, object);
    json_t *data = describe(row->resource, &row->id, row->revision);
    const struct skr_log_row *next = next_row(rows, count, at, true);
    if (now && last) {
        json_object_set_new(data, "object",
                            skr_render_object(request->api, &request->principal, object, NULL, &watch->fields));
        append_event(watch, "put", row->revision, data);
    } else if (row->has_fields && was_seen(watch, txn, row) && !(next ? was_seen(watch, txn, next) : now)) {
        append_event(watch, "delete", row->revision, data);
    } else {
        json_decref(data);
    }
}

/* ---- what the principal may see is another ---- */

struct listing {
    struct skr_watch *watch;
    struct skr_txn *txn;
    int64_t revision;
};

/* Events of these have no id: more may follow of the same revision, and who reconnects hears all of it again. */
static void feed_gained(void *arg, enum skr_resource_id resource, const struct skr_uuid *id)
{
    const struct listing *listing = arg;
    struct skr_watch *watch = listing->watch;
    struct skr_http_request *request = watch->request;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    struct skr_error ignored = {0};
    if (skr_model_read(listing->txn, &request->principal, resource, id, &object, &ignored) < 0 ||
        !matches(watch, object))
        return;
    json_t *data = describe(resource, id, listing->revision);
    json_object_set_new(data, "object",
                        skr_render_object(request->api, &request->principal, object, NULL, &watch->fields));
    append_event(watch, "put", -1, data);
}

static void feed_lost(void *arg, enum skr_resource_id resource, const struct skr_uuid *id)
{
    const struct listing *listing = arg;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    struct skr_error ignored = {0};
    int r = skr_txn_get(listing->txn, resource, id, NULL, &object, &ignored);
    if (r < 0 ? !listing->watch->filter_count : matches(listing->watch, object))
        append_event(listing->watch, "delete", -1, describe(resource, id, listing->revision));
}

static void feed_sight(struct skr_watch *watch, struct skr_txn *txn, const struct skr_log_row *rows, size_t count,
                       size_t at)
{
    struct listing listing = {.watch = watch, .txn = txn, .revision = rows[at].revision};
    skr_watch_lists(watch, txn, &rows[at], next_row(rows, count, at, true), feed_gained, feed_lost, &listing);
}

/* Tells the client why there will be no more, and ends. */
static void end_with(struct skr_watch *watch, const struct skr_error *error, int64_t id)
{
    append_event(watch, error->tag == SKR_ERROR_GONE ? "gone" : "error", id,
                 skr_problem_to_json(error, watch->request->id));
    watch->ended = true;
}

static void end_moved(struct skr_watch *watch, const struct skr_log_row *row)
{
    struct skr_error error = {0};
    skr_error_set(
            &error, SKR_ERROR_GONE,
            "Hosts have come into your host group or left it, with all that is on them; list again and watch from "
            "that revision.");
    end_with(watch, &error, row->revision);
}

static void feed_rows(struct skr_watch *watch, struct skr_txn *txn, const struct skr_log_row *rows, size_t count)
{
    for (size_t i = 0; i < count && watch->size < SKR_WATCH_TEXT_MAX; i++) {
        const struct skr_log_row *row = &rows[i];
        watch->cursor = row->revision;
        feed_sight(watch, txn, rows, count, i);
        if (visible(watch, row)) {
            if (row->op != SKR_CHANGE_DELETE)
                feed_put(watch, txn, rows, count, i);
            else if (was_seen(watch, txn, row))
                append_event(watch, "delete", row->revision, describe(row->resource, &row->id, row->revision));
        }
        if (skr_watch_sight_moved(watch, txn, row)) {
            end_moved(watch, row);
            return;
        }
    }
}

static void feed_statuses(struct skr_watch *watch, struct skr_txn *txn, const struct skr_watch_status *statuses,
                          unsigned count)
{
    struct skr_http_request *request = watch->request;
    for (unsigned i = 0; i < count; i++) {
        struct skr_object *object SKR_CLEANUP(skr_object_cleanup) = NULL;
        struct skr_error ignored = {0};
        if (skr_model_read(txn, &request->principal, statuses[i].resource, &statuses[i].id, &object, &ignored) < 0 ||
            !matches(watch, object))
            continue;
        json_t *data = describe(statuses[i].resource, &statuses[i].id, 0);
        json_object_set_new(data, "object",
                            skr_render_object(request->api, &request->principal, object, NULL, &watch->fields));
        append_event(watch, "status", -1, data);
    }
}

/* True when there is more in the log than was looked at. */
static bool feed_log(struct skr_watch *watch, struct skr_txn *txn, struct skr_log_row *rows)
{
    struct skr_error error = {0};
    for (unsigned batch = 0; batch < SILENT_BATCHES_MAX; batch++) {
        size_t count = 0;
        if (skr_store_log_read(txn, watch->cursor, ROWS_MAX, rows, &count, &error) < 0) {
            end_with(watch, &error, -1);
            return false;
        }
        feed_rows(watch, txn, rows, count);
        if (watch->ended)
            return false;
        bool more = count == ROWS_MAX || (count && watch->cursor < rows[count - 1].revision);
        if (!more) {
            /* Nothing lies between the last row and the snapshot. */
            if (watch->cursor < skr_txn_revision(txn))
                watch->cursor = skr_txn_revision(txn);
            return false;
        }
        if (watch->size)
            return true;
    }
    append(watch, ": reading on\n\n", 14);
    return true;
}

/* Feeds what is new in the log and in status; false: nothing more can come now. */
static bool feed_news(struct skr_watch *watch, const struct skr_watch_status *statuses, unsigned count)
{
    struct skr_api *api = watch->request->api;
    struct skr_log_row rows[ROWS_MAX];
    struct skr_error error = {0};
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    /* A client whose token has ended hears no more, however long the connection stands. */
    if (skr_store_read_begin(api->store, &txn, &error) < 0 ||
        skr_model_check_principal(txn, &watch->request->principal, skr_clock_wall_ms(), &error) < 0) {
        end_with(watch, &error, -1);
        return false;
    }
    bool more = skr_store_revision(api->store) > watch->cursor && feed_log(watch, txn, rows);
    if (!watch->ended)
        feed_statuses(watch, txn, statuses, count);
    return more;
}

void skr_watch_feed(struct skr_watch *watch, const struct skr_watch_status *statuses, unsigned status_count,
                    int64_t now_ns)
{
    struct skr_api *api = watch->request->api;
    bool due = now_ns >= watch->bookmark_due_ns, more = false;
    if (due || status_count || skr_store_revision(api->store) > watch->cursor)
        more = feed_news(watch, statuses, status_count);
    if (watch->ended || more || !due)
        return;
    json_t *data = json_object();
    json_object_set_new(data, "revision", json_integer(watch->cursor));
    append_event(watch, "bookmark", watch->cursor, data);
    watch->bookmark_due_ns = now_ns + api->deadlines.bookmark * SKR_NS_PER_MS;
}
