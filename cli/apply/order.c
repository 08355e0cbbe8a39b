#include "cli/apply/manifest.h"
#include "cli/output/cell.h"

#include <errno.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>

/* Objects refer to one another by name, so an edge is a kind and the last word of a path: "red/web" and "blue/web" both
 * come behind every VM network named "web". One edge too many does no harm; kinds refer to one another in one direction
 * alone, and host groups, which refer to their own kind, have names without a path. */

enum mark { UNSEEN, OPEN, DONE };

struct sorting {
    const struct skr_manifest *manifest;
    json_t *by_name; /* "<kind>/<name>" -> [index] */
    unsigned char *marks;
    size_t *order, ordered;
    struct skr_error *error;
};

static json_t *find(const struct sorting *sorting, const struct skr_resource *kind, const char *reference)
{
    const char *slash = kind->name_parent >= 0 ? strrchr(reference, '/') : NULL;
    char *key SKR_CLEANUP(skr_free_cleanup) = NULL;
    if (asprintf(&key, "%s/%s", kind->name, slash ? slash + 1 : reference) < 0)
        abort();
    return json_object_get(sorting->by_name, key);
}

static json_t *index_names(const struct skr_manifest *manifest)
{
    json_t *by_name = json_object();
    for (size_t i = 0; i < manifest->count; i++) {
        const struct skr_manifest_entry *entry = &manifest->entries[i];
        char *key SKR_CLEANUP(skr_free_cleanup) = NULL;
        if (asprintf(&key, "%s/%s", entry->resource->name, json_string_value(json_object_get(entry->body, "name"))) < 0)
            abort();
        json_t *list = json_object_get(by_name, key);
        if (!list) {
            list = json_array();
            json_object_set_new(by_name, key, list);
        }
        json_array_append_new(list, json_integer((json_int_t)i));
    }
    return by_name;
}

static int visit(struct sorting *sorting, size_t at, unsigned depth);

static int visit_named(struct sorting *sorting, const struct skr_resource *kind, const json_t *reference,
                       unsigned depth)
{
    json_t *found = json_is_string(reference) ? find(sorting, kind, json_string_value(reference)) : NULL, *index;
    size_t i;
    int r = 0;
    json_array_foreach (found, i, index)
        if (r == 0)
            r = visit(sorting, (size_t)json_integer_value(index), depth + 1);
    return r;
}

static int visit_table(struct sorting *sorting, const struct skr_resource *table, const json_t *holder, unsigned depth)
{
    int r = 0;
    for (unsigned f = 0; f < table->field_count && r == 0; f++) {
        const struct skr_field *field = &table->fields[f];
        const struct skr_resource *target = skr_field_target(field);
        const json_t *value = json_object_get(holder, field->name);
        json_t *item;
        size_t i;
        if (target && !json_is_array(value))
            r = visit_named(sorting, target, value, depth);
        json_array_foreach (value, i, item) {
            if (r == 0 && target)
                r = visit_named(sorting, target, item, depth);
            else if (r == 0 && field->kind == SKR_KIND_STRUCTS)
                r = visit_table(sorting, field->sub, item, depth);
        }
    }
    return r;
}

static int visit(struct sorting *sorting, size_t at, unsigned depth)
{
    const struct skr_manifest_entry *entry = &sorting->manifest->entries[at];
    if (sorting->marks[at] == DONE)
        return 0;
    const char *name = json_string_value(json_object_get(entry->body, "name"));
    if (sorting->marks[at] == OPEN)
        return skr_error_set(sorting->error, SKR_ERROR_SYNTAX,
                             "%s %.100s refers back to itself, so there is no order to create these objects in",
                             entry->resource->name, name);
    if (depth > SKR_MANIFEST_DEPTH_MAX)
        return skr_error_set(sorting->error, SKR_ERROR_SYNTAX,
                             "More than %d objects refer to one another in a row, up to %s %.100s",
                             SKR_MANIFEST_DEPTH_MAX, entry->resource->name, name);
    sorting->marks[at] = OPEN;
    int r = visit_table(sorting, entry->resource, entry->body, depth);
    if (r < 0)
        return r;
    sorting->marks[at] = DONE;
    sorting->order[sorting->ordered++] = at;
    return 0;
}

int skr_manifest_order(struct skr_manifest *manifest, struct skr_error *error)
{
    unsigned char *marks SKR_CLEANUP(skr_free_cleanup) = calloc(manifest->count + 1, sizeof(*marks));
    size_t *order SKR_CLEANUP(skr_free_cleanup) = calloc(manifest->count + 1, sizeof(*order));
    struct skr_manifest_entry *sorted = calloc(manifest->count + 1, sizeof(*sorted));
    if (!marks || !order || !sorted)
        abort();
    struct sorting sorting = {
            .manifest = manifest, .by_name = index_names(manifest), .marks = marks, .order = order, .error = error};
    int r = 0;
    for (size_t i = 0; i < manifest->count && r == 0; i++)
        r = visit(&sorting, i, 0);
    json_decref(sorting.by_name);
    if (r < 0) {
        free(sorted);
        return r;
    }
    for (size_t i = 0; i < manifest->count; i++)
        sorted[i] = manifest->entries[order[i]];
    free(manifest->entries);
    manifest->entries = sorted;
    return 0;
}

bool skr_manifest_has(const struct skr_manifest *manifest, const struct skr_resource *kind, const char *reference)
{
    const char *slash = kind->name_parent >= 0 ? strrchr(reference, '/') : NULL;
    for (size_t i = 0; i < manifest->count; i++) {
        const char *name = json_string_value(json_object_get(manifest->entries[i].body, "name"));
        if (manifest->entries[i].resource == kind && strcmp(name, slash ? slash + 1 : reference) == 0)
            return true;
    }
    return false;
}
