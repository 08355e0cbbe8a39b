#include "cli/command/write.h"

#include <errno.h>
#include <string.h>

/* apply and diff: both compare each object of a file with what is there; apply writes what differs, diff shows it. */

#define CONFLICT_RETRIES_MAX 3
#define EXIT_DIFFERS         1 /* diff, as of kubectl and diff(1) */

enum outcome { CREATED, CHANGED, LEFT_ALONE, OUTCOME_COUNT };
static const char *const outcome_names[] = {[CREATED] = "created", [CHANGED] = "changed", [LEFT_ALONE] = "left alone"};

struct applying {
    struct skr_writing writing;
    struct skr_manifest manifest;
    bool only_shows;
    unsigned counts[OUTCOME_COUNT];
};

/* The comparison of one object with the controller's says what the object needs. */
struct comparison {
    enum outcome outcome;
    json_t *current, *patch;
};

static void comparison_done(struct comparison *comparison)
{
    json_decref(comparison->current);
    json_decref(comparison->patch);
}

static bool names_an_entry(const struct applying *applying, const struct skr_resource *table, const json_t *holder)
{
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct skr_resource *target = skr_field_target(&table->fields[i]);
        const json_t *value = json_object_get(holder, table->fields[i].name);
        json_t *item;
        size_t n;
        if (target && json_is_string(value) && skr_manifest_has(&applying->manifest, target, json_string_value(value)))
            return true;
        json_array_foreach (value, n, item) {
            if (target && json_is_string(item) &&
                skr_manifest_has(&applying->manifest, target, json_string_value(item)))
                return true;
            if (table->fields[i].kind == SKR_KIND_STRUCTS && names_an_entry(applying, table->fields[i].sub, item))
                return true;
        }
    }
    return false;
}

static int compare(struct applying *applying, const struct skr_manifest_entry *entry, struct comparison *ret,
                   struct skr_error *error)
{
    struct comparison comparison = {.outcome = LEFT_ALONE};
    int r = skr_lookup_same(applying->writing.session->lookup, entry->resource, entry->body, &comparison.current,
                            error);
    if (r == 0 && !comparison.current)
        comparison.outcome = CREATED;
    else if (r == 0 && !(entry->resource->flags & SKR_RESOURCE_NO_UPDATE))
        r = skr_manifest_diff(entry->resource, comparison.current, entry->body, &comparison.patch, error);
    if (comparison.patch)
        comparison.outcome = CHANGED;
    if (r < 0)
        comparison_done(&comparison);
    else
        *ret = comparison;
    return r;
}

/* ---- diff ---- */

static void show_member(struct applying *applying, const struct skr_field *field, const json_t *before,
                        const json_t *after)
{
    struct skr_namer namer = skr_lookup_namer(applying->writing.session->lookup);
    char *was SKR_CLEANUP(skr_free_cleanup) = skr_cell_text(field, before, &namer);
    char *becomes SKR_CLEANUP(skr_free_cleanup) = skr_cell_text(field, after, &namer);
    if (before)
        printf("    %s: %s -> %s\n", field->name, was, becomes);
    else
        printf("    %s: %s\n", field->name, becomes);
}

static void show(struct applying *applying, const struct skr_manifest_entry *entry, const struct comparison *comparison)
{
    const struct skr_resource *resource = entry->resource;
    const json_t *object = comparison->current ? comparison->current : entry->body;
    const json_t *members = comparison->outcome == CREATED ? entry->body : comparison->patch;
    bool colour = skr_colour_wanted(stdout);
    if (comparison->outcome == LEFT_ALONE)
        return;
    char *path SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(applying->writing.session->lookup, resource, object);
    printf("%s%c %s/%s%s\n",
           !colour               ? ""
           : comparison->current ? "\033[33m"
                                 : "\033[32m",
           comparison->current ? '~' : '+', resource->name, path, colour ? "\033[0m" : "");
    for (unsigned i = 0; i < resource->field_count; i++) {
        const json_t *after = json_object_get(members, resource->fields[i].name);
        if (after && i != SKR_FIELD_NAME)
            show_member(applying, &resource->fields[i], json_object_get(comparison->current, resource->fields[i].name),
                        after);
    }
}

/* ---- apply ---- */

/* Nothing shows whether a secret is the one that the file holds, and a new password ends sessions: it is for create. */
static void tell_secrets(const struct skr_manifest_entry *entry, const char *path)
{
    const struct skr_resource *resource = entry->resource;
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        if (field->kind != SKR_KIND_SECRET || !json_object_get(entry->body, field->name))
            continue;
        if (resource->flags & SKR_RESOURCE_NO_UPDATE)
            skr_say("%s/%s keeps the %s it was created with", resource->name, path, field->name);
        else
            skr_say("%s/%s keeps its %s; skerryctl edit %s %s --%s - sets a new one", resource->name, path, field->name,
                    resource->name, path, field->name);
    }
}

static int write_entry(struct applying *applying, const struct skr_manifest_entry *entry, struct comparison *comparison,
                       struct skr_error *error)
{
    json_t *object = NULL;
    int r = 0;
    if (comparison->outcome == CREATED)
        r = skr_write_create(&applying->writing, entry, &object, error);
    else if (comparison->outcome == CHANGED)
        r = skr_write_patch(&applying->writing, entry->resource, comparison->current, comparison->patch, &object,
                            error);
    if (r == 0)
        skr_write_tell(&applying->writing, entry->resource, object ? object : comparison->current,
                       outcome_names[comparison->outcome]);
    if (r == 0 && comparison->current) {
        char *path SKR_CLEANUP(skr_free_cleanup) =
                skr_lookup_path(applying->writing.session->lookup, entry->resource, comparison->current);
        tell_secrets(entry, path);
    }
    json_decref(object);
    return r;
}

/* Reads, compares, writes what differs on top of what was read. -EAGAIN: somebody else was faster. */
static int try_entry(struct applying *applying, const struct skr_manifest_entry *entry, struct skr_error *error)
{
    struct comparison comparison = {0};
    int r = compare(applying, entry, &comparison, error);
    if (r < 0)
        return r;
    if (applying->only_shows)
        show(applying, entry, &comparison);
    else
        r = write_entry(applying, entry, &comparison, error);
    if (r == 0)
        applying->counts[comparison.outcome]++;
    else if (error->tag == SKR_ERROR_PRECONDITION_FAILED ||
             (comparison.outcome == CREATED && error->tag == SKR_ERROR_EXISTS))
        r = -EAGAIN;
    comparison_done(&comparison);
    return r;
}

/* Nothing has been written, so what would be created first is not there to refer to. */
static int would_create(struct applying *applying, const struct skr_manifest_entry *entry)
{
    struct comparison comparison = {.outcome = CREATED};
    if (applying->only_shows)
        show(applying, entry, &comparison);
    else
        skr_write_tell(&applying->writing, entry->resource, entry->body, outcome_names[CREATED]);
    applying->counts[CREATED]++;
    return 0;
}

static int apply_entry(struct applying *applying, struct skr_manifest_entry *entry, struct skr_error *error)
{
    struct skr_error unresolved = {0};
    bool writes = !applying->only_shows && !skr_write_is_dry(&applying->writing);
    int r = skr_lookup_references(applying->writing.session->lookup, entry->resource, entry->body, entry->pointer,
                                  &unresolved);
    if (r < 0 && !writes && names_an_entry(applying, entry->resource, entry->body))
        return would_create(applying, entry);
    if (r < 0) {
        *error = unresolved;
        return r;
    }
    for (unsigned tries = 0; tries <= CONFLICT_RETRIES_MAX; tries++) {
        skr_error_clear(error);
        r = try_entry(applying, entry, error);
        if (r != -EAGAIN)
            return r;
    }
    return -EPROTO;
}

static int apply_all(struct applying *applying, struct skr_error *error)
{
    size_t done = 0;
    int r = 0, code = SKR_EXIT_DONE;
    for (; done < applying->manifest.count && r == 0; done += r == 0)
        r = apply_entry(applying, &applying->manifest.entries[done], error);
    if (r < 0) {
        const struct skr_manifest_entry *entry = &applying->manifest.entries[done];
        code = skr_fail(error);
        if (!applying->only_shows)
            skr_say("%s %s failed; %zu of %zu objects were applied before it, the others were not tried",
                    entry->resource->name, json_string_value(json_object_get(entry->body, "name")), done,
                    applying->manifest.count);
        return code;
    }
    if (applying->only_shows) {
        skr_say("%u to create, %u to change, %u as they should be", applying->counts[CREATED],
                applying->counts[CHANGED], applying->counts[LEFT_ALONE]);
        return applying->counts[CREATED] + applying->counts[CHANGED] ? EXIT_DIFFERS : SKR_EXIT_DONE;
    }
    skr_say("%u created, %u changed, %u left alone", applying->counts[CREATED], applying->counts[CHANGED],
            applying->counts[LEFT_ALONE]);
    r = skr_write_settle(&applying->writing, &code, error);
    return r < 0 ? skr_fail(error) : code;
}

static int run(const struct skr_command *command, const struct skr_arguments *arguments, bool only_shows)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct applying applying = {.writing = {.session = &session, .arguments = arguments}, .only_shows = only_shows};
    struct skr_error error = {0};
    const char *file = skr_arguments_flag(arguments, "file");
    if (!file || arguments->word_count)
        return skr_usage_because(command, "%s takes -f FILE, or -f - for standard input", command->name);
    int r = skr_read_manifest(file, arguments, &applying.manifest, &error);
    if (r == 0)
        r = skr_session_open(arguments, &session, &error);
    int code = r < 0 ? skr_fail(&error) : apply_all(&applying, &error);
    skr_manifest_done(&applying.manifest);
    skr_writing_done(&applying.writing);
    return code;
}

int skr_command_apply(const struct skr_command *command, const struct skr_arguments *arguments)
{
    return run(command, arguments, false);
}

int skr_command_diff(const struct skr_command *command, const struct skr_arguments *arguments)
{
    return run(command, arguments, true);
}
