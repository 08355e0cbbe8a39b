#include "cli/command/write.h"

#include <errno.h>
#include <string.h>

#define CONFLICT_RETRIES_MAX 3

enum outcome { CREATED, CHANGED, LEFT_ALONE, OUTCOME_COUNT };
static const char *const outcome_names[] = {[CREATED] = "created", [CHANGED] = "changed", [LEFT_ALONE] = "left alone"};

struct applying {
    struct skr_writing writing;
    const struct skr_manifest *manifest;
    unsigned counts[OUTCOME_COUNT];
    int code;
};

/* In a dry run, what would be created first is not there to refer to. */
static bool refers_to_what_would_be(const struct applying *applying, const struct skr_manifest_entry *entry)
{
    for (unsigned i = 0; i < entry->resource->field_count; i++) {
        const struct skr_resource *target = skr_field_target(&entry->resource->fields[i]);
        const json_t *value = json_object_get(entry->body, entry->resource->fields[i].name);
        json_t *item;
        size_t n;
        if (target && json_is_string(value) && skr_manifest_has(applying->manifest, target, json_string_value(value)))
            return true;
        json_array_foreach (target ? value : NULL, n, item)
            if (json_is_string(item) && skr_manifest_has(applying->manifest, target, json_string_value(item)))
                return true;
    }
    return false;
}

static void count(struct applying *applying, const struct skr_manifest_entry *entry, const json_t *object,
                  enum outcome outcome, int waited)
{
    applying->counts[outcome]++;
    if (applying->code == SKR_EXIT_DONE)
        applying->code = waited;
    skr_write_tell(&applying->writing, entry->resource, object, outcome_names[outcome]);
}

/* Reads, compares, writes what differs on top of what was read. -EAGAIN: somebody else was faster. */
static int try_entry(struct applying *applying, const struct skr_manifest_entry *entry, struct skr_error *error)
{
    json_t *current = NULL, *patch = NULL, *object = NULL;
    enum outcome outcome = LEFT_ALONE;
    int waited = SKR_EXIT_DONE;
    int r = skr_lookup_same(applying->writing.session->lookup, entry->resource, entry->body, &current, error);
    if (r == 0 && !current) {
        outcome = CREATED;
        r = skr_write_create(&applying->writing, entry, &object, &waited, error);
    } else if (r == 0 && !(entry->resource->flags & SKR_RESOURCE_NO_UPDATE)) {
        r = skr_manifest_diff(entry->resource, current, entry->body, &patch, error);
        if (r == 0 && patch) {
            outcome = CHANGED;
            r = skr_write_patch(&applying->writing, entry->resource, current, patch, &object, &waited, error);
        }
    }
    if (r == 0)
        count(applying, entry, object ? object : current, outcome, waited);
    else if (error->tag == SKR_ERROR_PRECONDITION_FAILED || (outcome == CREATED && error->tag == SKR_ERROR_EXISTS))
        r = -EAGAIN;
    json_decref(current);
    json_decref(patch);
    json_decref(object);
    return r;
}

static int apply_entry(struct applying *applying, struct skr_manifest_entry *entry, struct skr_error *error)
{
    struct skr_error unresolved = {0};
    int r = skr_lookup_references(applying->writing.session->lookup, entry->resource, entry->body, entry->pointer,
                                  &unresolved);
    if (r < 0 && skr_write_is_dry(&applying->writing) && refers_to_what_would_be(applying, entry)) {
        count(applying, entry, entry->body, CREATED, SKR_EXIT_DONE);
        return 0;
    }
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

int skr_command_apply(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_manifest manifest SKR_CLEANUP(skr_manifest_done) = {0};
    struct applying applying = {.writing = {.session = &session, .arguments = arguments}, .manifest = &manifest};
    struct skr_error error = {0};
    json_t *given = NULL;
    const char *file = skr_arguments_flag(arguments, "file");
    if (!file || arguments->word_count)
        return skr_usage_because(command, "apply takes -f FILE, or -f - for standard input");
    int r = skr_read_json(file, &given, &error);
    if (r == 0)
        r = skr_manifest_parse(given, &manifest, &error);
    json_decref(given);
    if (r == 0)
        r = skr_manifest_order(&manifest, &error);
    if (r == 0)
        r = skr_session_open(&session, &error);
    size_t done = 0;
    for (; done < manifest.count && r == 0; done += r == 0)
        r = apply_entry(&applying, &manifest.entries[done], &error);
    if (r < 0) {
        int code = skr_fail(&error);
        if (done < manifest.count)
            skr_say("%s %s failed; %zu of %zu objects were applied before it, the others were not tried",
                    manifest.entries[done].resource->name,
                    json_string_value(json_object_get(manifest.entries[done].body, "name")), done, manifest.count);
        return code;
    }
    skr_say("%u created, %u changed, %u left alone", applying.counts[CREATED], applying.counts[CHANGED],
            applying.counts[LEFT_ALONE]);
    return applying.code;
}
