#include "cli/command/command.h"

#include "cli/rest/sse.h"

#include <errno.h>
#include <skerry/clock.h>
#include <string.h>
#include <time.h>

#define RECONNECT_MS 1000

/* Lists, then watches from the list's revision; a lost connection goes on behind the last event. */
struct watching {
    struct skr_session session;
    const struct skr_resource *resource;
    char id[48]; /* "": all */
    enum skr_form form;
    int64_t cursor;
    bool gone;                             /* the history does not reach back to the cursor: list again */
    json_t *widths;                        /* of the columns so far */
    json_t *known;                         /* id -> path, for what is deleted */
    const struct skr_arguments *arguments; /* filters */
};

static void print_object(struct watching *watching, const char *event, const json_t *object)
{
    struct skr_namer namer = skr_lookup_namer(watching->session.lookup);
    const char *id = json_string_value(json_object_get(object, "id"));
    char *path SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(watching->session.lookup, watching->resource, object);
    if (id)
        json_object_set_new(watching->known, id, json_string(path));
    if (watching->form == SKR_FORM_NAME) {
        printf("%s %s/%s\n", event, watching->resource->name, path);
    } else if (watching->form != SKR_FORM_JSON) {
        json_t *row = skr_columns_row(watching->resource, object, watching->form == SKR_FORM_WIDE, &namer);
        json_array_insert_new(row, 0, json_string(event));
        skr_table_widen(watching->widths, row);
        skr_table_print_row(watching->widths, row, stdout, skr_colour_wanted(stdout));
        json_decref(row);
    }
    fflush(stdout);
}

static void print_json_line(const char *event, const json_t *data)
{
    json_t *line = json_pack("{s:s}", "event", event);
    json_object_update(line, (json_t *)data);
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(line);
}

static void print_deleted(struct watching *watching, const json_t *data)
{
    const char *id = json_string_value(json_object_get(data, "id"));
    const char *path = id ? json_string_value(json_object_get(watching->known, id)) : NULL;
    printf("delete  %s/%s\n", watching->resource->name, path ? path : id ? id : "?");
    fflush(stdout);
    if (id)
        json_object_del(watching->known, id);
}

static int on_event(void *arg, const struct skr_sse_event *event)
{
    struct watching *watching = arg;
    if (event->id)
        watching->cursor = event->id;
    if (strcmp(event->event, "gone") == 0) {
        watching->gone = true;
        return -ECANCELED;
    }
    bool is_delete = strcmp(event->event, "delete") == 0;
    if (!is_delete && strcmp(event->event, "put") != 0 && strcmp(event->event, "status") != 0)
        return 0;
    json_t *data = json_loads(event->data, 0, NULL);
    if (watching->form == SKR_FORM_JSON)
        print_json_line(event->event, data);
    else if (is_delete)
        print_deleted(watching, data);
    else
        print_object(watching, event->event, json_object_get(data, "object"));
    json_decref(data);
    return ferror(stdout) ? -EPIPE : 0;
}

static int on_data(void *arg, const char *data, size_t size)
{
    return skr_sse_feed(arg, data, size);
}

static int on_page(void *arg, json_t *items, struct skr_error *error)
{
    struct watching *watching = arg;
    json_t *item;
    size_t i;
    (void)error;
    json_array_foreach (items, i, item) {
        if (watching->form == SKR_FORM_JSON) {
            json_t *data = json_pack("{s:s,s:O}", "kind", watching->resource->name, "object", item);
            print_json_line("list", data);
            json_decref(data);
        } else {
            print_object(watching, "list", item);
        }
    }
    return 0;
}

static int list(struct watching *watching, struct skr_error *error)
{
    struct skr_request_path path;
    skr_path_set(&path, "/v1/%s", watching->resource->collection);
    if (watching->id[0]) {
        /* No list has a filter by id: the revision of the controller comes first, then the object as it is. */
        json_t *controller = NULL, *object = NULL;
        int r = skr_client_get(watching->session.client, "/v1/controller", &controller, error);
        watching->cursor = json_integer_value(json_object_get(controller, "revision"));
        json_decref(controller);
        if (r == 0)
            r = skr_lookup_find(watching->session.lookup, watching->resource, watching->id, &object, error);
        if (r < 0)
            return r;
        json_t *items = json_pack("[o]", object);
        on_page(watching, items, error);
        json_decref(items);
        return 0;
    }
    int r = skr_filters_add(&watching->session, watching->resource, watching->arguments, &path, error);
    return r < 0 ? r : skr_client_list(watching->session.client, &path, on_page, watching, &watching->cursor, error);
}

static int watch(struct watching *watching, int64_t deadline_ns, struct skr_error *error)
{
    int r = list(watching, error);
    while (r == 0) {
        struct skr_request_path path;
        struct skr_sse sse SKR_CLEANUP(skr_sse_done) = {.on_event = on_event, .arg = watching};
        int64_t left = deadline_ns ? (deadline_ns - skr_clock_monotonic_ns()) / SKR_NS_PER_MS : 0;
        if (deadline_ns && left <= 0)
            return 0;
        skr_path_set(&path, "/v1/watch?kinds=%s&since=%lld", watching->resource->name, (long long)watching->cursor);
        if (watching->id[0])
            skr_path_add(&path, "id", watching->id);
        r = skr_filters_add(&watching->session, watching->resource, watching->arguments, &path, error);
        if (r < 0)
            return r;
        watching->gone = false;
        r = skr_client_stream(watching->session.client, path.text, left, on_data, &sse, error);
        if (watching->gone || (r < 0 && error->tag == SKR_ERROR_GONE)) {
            skr_error_clear(error);
            r = list(watching, error);
        } else if (r == 0 || error->tag == SKR_ERROR_UNAVAILABLE) {
            if (deadline_ns && skr_clock_monotonic_ns() >= deadline_ns)
                return 0;
            if (r < 0)
                skr_say("%s; trying on", error->detail);
            skr_error_clear(error);
            nanosleep(&(struct timespec){.tv_sec = RECONNECT_MS / 1000}, NULL);
            r = 0;
        }
    }
    return r == -EPIPE ? 0 : r;
}

static int start(struct watching *watching, const char *name, struct skr_error *error)
{
    json_t *object = NULL;
    int r = skr_session_open(watching->arguments, &watching->session, error);
    if (r == 0 && name)
        r = skr_lookup_find(watching->session.lookup, watching->resource, name, &object, error);
    if (object)
        snprintf(watching->id, sizeof(watching->id), "%.40s", json_string_value(json_object_get(object, "id")));
    json_decref(object);
    return r;
}

int skr_command_watch(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct watching watching = {.arguments = arguments};
    struct skr_error error = {0};
    const char *name = NULL, *timeout = skr_arguments_flag(arguments, "timeout");
    unsigned forms = 1U << SKR_FORM_TABLE | 1U << SKR_FORM_WIDE | 1U << SKR_FORM_JSON | 1U << SKR_FORM_NAME;
    int64_t ms = 0;
    if (!arguments->word_count)
        return skr_usage_because(command, "watch takes a kind");
    int taken = skr_target_at(arguments, 0, &watching.resource, &name, &error);
    if (taken < 0 || skr_form_parse(skr_arguments_flag(arguments, "output"), forms, &watching.form, &error) < 0 ||
        (timeout && skr_duration_parse("timeout", timeout, &ms, &error) < 0))
        return skr_usage(command, &error);
    if ((unsigned)taken != arguments->word_count)
        return skr_usage_because(command, "watch takes one name at most");
    if (name && arguments->field_count)
        return skr_usage_because(command, "Filters are for lists; one %s has its name already",
                                 watching.resource->name);
    watching.widths = json_array();
    watching.known = json_object();
    if (watching.form == SKR_FORM_TABLE || watching.form == SKR_FORM_WIDE) {
        json_t *titles = skr_columns_titles(watching.resource, watching.form == SKR_FORM_WIDE);
        json_array_insert_new(titles, 0, json_string("EVENT"));
        skr_table_widen(watching.widths, titles);
        skr_table_print_row(watching.widths, titles, stdout, false);
        json_decref(titles);
    }
    int r = start(&watching, name, &error);
    if (r == 0)
        r = watch(&watching, ms ? skr_clock_monotonic_ns() + ms * SKR_NS_PER_MS : 0, &error);
    skr_session_close(&watching.session);
    json_decref(watching.widths);
    json_decref(watching.known);
    return r < 0 ? skr_fail(&error) : SKR_EXIT_DONE;
}
