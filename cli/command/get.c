#include "cli/command/command.h"

#include "cli/output/csv.h"
#include "cli/output/yaml.h"

#include <errno.h>
#include <string.h>

#define EVENTS_SHOWN 10

/* The kind goes in front, so that what is printed can be applied. */
static json_t *with_kind(const struct skr_resource *resource, const json_t *object)
{
    json_t *shown = json_pack("{s:s}", "kind", resource->name);
    json_object_update(shown, (json_t *)object);
    return shown;
}

static void print_names(struct skr_lookup *lookup, const struct skr_resource *resource, const json_t *items)
{
    json_t *item;
    size_t i;
    json_array_foreach (items, i, item) {
        char *path SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(lookup, resource, item);
        printf("%s/%s\n", resource->name, path);
    }
}

static void print_table(struct skr_lookup *lookup, const struct skr_resource *resource, const json_t *items, bool wide)
{
    struct skr_namer namer = skr_lookup_namer(lookup);
    json_t *titles = skr_columns_titles(resource, wide), *rows = json_array(), *item;
    size_t i;
    json_array_foreach (items, i, item)
        json_array_append_new(rows, skr_columns_row(resource, item, wide, &namer));
    if (json_array_size(rows))
        skr_table_print(titles, rows, stdout, skr_colour_wanted(stdout));
    else
        skr_say("No %s", resource->collection);
    json_decref(titles);
    json_decref(rows);
}

static void print_csv(struct skr_lookup *lookup, const struct skr_resource *resource, const json_t *items)
{
    struct skr_namer pather = skr_lookup_pather(lookup);
    json_t *item;
    size_t i;
    skr_csv_print_titles(resource, stdout);
    json_array_foreach (items, i, item) {
        char *path SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(lookup, resource, item);
        skr_csv_print_row(resource, item, path, &pather, stdout);
    }
}

static void print_items(struct skr_lookup *lookup, const struct skr_resource *resource, json_t *items, bool one,
                        enum skr_form form)
{
    json_t *shown = json_array(), *item;
    size_t i;
    json_array_foreach (items, i, item)
        json_array_append_new(shown, with_kind(resource, item));
    json_t *whole = one ? json_incref(json_array_get(shown, 0)) : json_pack("{s:O}", "items", shown);
    if (form == SKR_FORM_JSON)
        skr_json_print(whole, stdout);
    else if (form == SKR_FORM_YAML)
        skr_yaml_print(whole, stdout);
    else if (form == SKR_FORM_NAME)
        print_names(lookup, resource, items);
    else if (form == SKR_FORM_CSV)
        print_csv(lookup, resource, items);
    else
        print_table(lookup, resource, items, form == SKR_FORM_WIDE);
    json_decref(whole);
    json_decref(shown);
}

static int collect_page(void *arg, json_t *items, struct skr_error *error)
{
    (void)error;
    json_array_extend(arg, items);
    return 0;
}

static int get_list(struct skr_session *session, const struct skr_resource *resource,
                    const struct skr_arguments *arguments, json_t *items, struct skr_error *error)
{
    struct skr_request_path path;
    skr_path_set(&path, "/v1/%s", resource->collection);
    int r = skr_filters_add(session, resource, arguments, &path, error);
    return r < 0 ? r : skr_client_list(session->client, &path, collect_page, items, NULL, error);
}

static int count_absent(void *arg, json_t *items, struct skr_error *error)
{
    unsigned *absent = arg;
    json_t *host;
    size_t i;
    (void)error;
    json_array_foreach (items, i, host) {
        const char *state = json_string_value(json_object_get(host, "state"));
        *absent += (!state || strcmp(state, "removed") != 0) &&
                   json_is_false(json_object_get(json_object_get(host, "status"), "online"));
    }
    return 0;
}

/* After a restore each host tells what it has when it connects: until then "none" means nothing. */
static int tell_who_is_waited_for(struct skr_session *session, struct skr_error *error)
{
    struct skr_request_path path;
    json_t *controller = NULL;
    unsigned absent = 0;
    int r = skr_client_get(session->client, "/v1/controller", &controller, error);
    bool restored = json_is_true(json_object_get(controller, "rolled_back"));
    json_decref(controller);
    skr_path_set(&path, "/v1/hosts");
    if (r == 0 && restored)
        r = skr_client_list(session->client, &path, count_absent, &absent, NULL, error);
    if (r == 0 && absent)
        skr_say("They are not all known yet: waiting for %u host%s to connect and tell what %s.", absent,
                absent == 1 ? "" : "s", absent == 1 ? "it has" : "they have");
    return r;
}

static int run_get(struct skr_session *session, const struct skr_resource *resource, const char *name,
                   const struct skr_arguments *arguments, enum skr_form form, struct skr_error *error)
{
    json_t *items = json_array(), *object = NULL;
    int r = name ? skr_lookup_find(session->lookup, resource, name, &object, error)
                 : get_list(session, resource, arguments, items, error);
    if (object)
        json_array_append_new(items, object);
    if (r == 0)
        print_items(session->lookup, resource, items, name != NULL, form);
    if (r == 0 && resource->id == SKR_ORPHAN && !name)
        r = tell_who_is_waited_for(session, error);
    json_decref(items);
    return r;
}

int skr_command_get(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_error error = {0};
    const struct skr_resource *resource = NULL;
    const char *name = NULL;
    enum skr_form form;
    if (!arguments->word_count)
        return skr_usage_because(command, "get takes a kind; skerryctl help lists them");
    if (skr_arguments_flag(arguments, "watch"))
        return skr_command_watch(command, arguments);
    int taken = skr_target_at(arguments, 0, &resource, &name, &error);
    if (taken < 0 || skr_form_parse(skr_arguments_flag(arguments, "output"), ~0U, &form, &error) < 0)
        return skr_usage(command, &error);
    if ((unsigned)taken != arguments->word_count)
        return skr_usage_because(command, "get takes one name at most; leave it out to list all");
    if (name && arguments->field_count)
        return skr_usage_because(command, "Filters are for lists; one %s has its name already", resource->name);
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = run_get(&session, resource, name, arguments, form, &error);
    return r < 0 ? skr_fail(&error) : SKR_EXIT_DONE;
}

int skr_command_host_list(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_error error = {0};
    enum skr_form form;
    if (arguments->word_count)
        return skr_usage_because(command, "host list takes no words; skerryctl get host NAME shows one");
    if (skr_form_parse(skr_arguments_flag(arguments, "output"), ~0U, &form, &error) < 0)
        return skr_usage(command, &error);
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = run_get(&session, skr_resource_get(SKR_HOST), NULL, arguments, form, &error);
    return r < 0 ? skr_fail(&error) : SKR_EXIT_DONE;
}

/* ---- describe ---- */

static void describe_events(struct skr_session *session, const json_t *object)
{
    const char *id = json_string_value(json_object_get(object, "id"));
    struct skr_request_path path;
    json_t *items = json_array(), *rows = json_array(), *widths = json_array(), *row;
    skr_path_set(&path, "/v1/events?object_id=%s", id ? id : "");
    if (id && skr_client_list(session->client, &path, collect_page, items, NULL, NULL) == 0) {
        size_t count = json_array_size(items);
        for (size_t i = count > EVENTS_SHOWN ? count - EVENTS_SHOWN : 0; i < count; i++) {
            const json_t *event = json_array_get(items, i);
            char *at SKR_CLEANUP(skr_free_cleanup) = skr_cell_text(NULL, json_object_get(event, "created_at"), NULL);
            char *reason SKR_CLEANUP(skr_free_cleanup) = skr_cell_text(NULL, json_object_get(event, "reason"), NULL);
            char *message SKR_CLEANUP(skr_free_cleanup) = skr_cell_text(NULL, json_object_get(event, "message"), NULL);
            row = json_pack("[s,s,s,s]", "", at, reason, message);
            skr_table_widen(widths, row);
            json_array_append_new(rows, row);
        }
    }
    size_t i;
    if (json_array_size(rows))
        puts("events:");
    json_array_foreach (rows, i, row)
        skr_table_print_row(widths, row, stdout, false);
    json_decref(items);
    json_decref(rows);
    json_decref(widths);
}

/* A fault of a port that stands is shown above everything else, because the rest looks well. */
static void describe_guest(const json_t *object)
{
    const json_t *status = json_object_get(object, "status");
    const char *reason = json_string_value(json_object_get(status, "bound_reason"));
    if (reason && json_is_true(json_object_get(status, "bound")))
        printf("attention: %s\n\n", reason);
}

int skr_command_describe(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_error error = {0};
    const struct skr_resource *resource = NULL;
    const char *name = NULL;
    json_t *object = NULL;
    if (!arguments->word_count)
        return skr_usage_because(command, "describe takes a kind and a name");
    int taken = skr_target_at(arguments, 0, &resource, &name, &error);
    if (taken < 0)
        return skr_usage(command, &error);
    if (!name || (unsigned)taken != arguments->word_count)
        return skr_usage_because(command, "describe takes the name of one %s", resource->name);
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = skr_lookup_find(session.lookup, resource, name, &object, &error);
    if (r < 0)
        return skr_fail(&error);
    struct skr_namer namer = skr_lookup_namer(session.lookup);
    describe_guest(object);
    skr_describe_print(resource, object, &namer, stdout);
    describe_events(&session, object);
    json_decref(object);
    return SKR_EXIT_DONE;
}
