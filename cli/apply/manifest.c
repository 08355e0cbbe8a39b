#include "cli/apply/manifest.h"

#include "cli/apply/member.h"

#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>

/* Shown by the controller, in no table. */
static bool is_answer_only(const char *name)
{
    static const char *const names[] = {"kind", "status", "join_string", "join_command"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int refuse(struct skr_error *error, const char *pointer, const char *member, const char *sentence)
{
    char at[SKR_ERROR_POINTER_MAX];
    snprintf(at, sizeof(at), "%s%s%.60s", pointer, *member ? "/" : "", member);
    return skr_error_field(error, at, "%s", sentence);
}

static int take_members(const struct skr_resource *resource, const json_t *given, json_t *body, const char *pointer,
                        struct skr_error *error)
{
    const char *name;
    json_t *value;
    int r = 0;
    json_object_foreach ((json_t *)given, name, value) {
        struct skr_error why = {0};
        if (is_answer_only(name))
            continue;
        int field = skr_member_find(resource, name, &why);
        if (field < 0) {
            r = refuse(error, pointer, name, why.detail);
            continue;
        }
        if (!skr_member_is_writable(&resource->fields[field]))
            continue;
        if (json_object_get(body, resource->fields[field].name))
            r = refuse(error, pointer, name, "This is said twice, by its long and its short name; keep one.");
        else
            json_object_set_new(body, resource->fields[field].name,
                                skr_member_writable_part(&resource->fields[field], value));
    }
    return r;
}

/* Puts what stands before the last slash of the name where it belongs. */
static int split_name(const struct skr_resource *resource, json_t *body, const char *pointer, struct skr_error *error)
{
    const char *name = json_string_value(json_object_get(body, "name")), *slash = name ? strrchr(name, '/') : NULL;
    if (!slash || slash == name || !slash[1] || resource->name_parent < 0)
        return 0;
    char *prefix SKR_CLEANUP(skr_free_cleanup) = strndup(name, (size_t)(slash - name));
    char *leaf SKR_CLEANUP(skr_free_cleanup) = strdup(slash + 1);
    const char *parent = resource->fields[resource->name_parent].name;
    const char *other = resource->name_other_parent ? resource->fields[resource->name_other_parent].name : NULL;
    bool has_parent = json_object_get(body, parent) || (other && json_object_get(body, other));
    if (!has_parent && other)
        return refuse(
                error, pointer, "name",
                "A path does not say what kind of parent it means; give the name alone and the parent as a field.");
    if (!has_parent)
        json_object_set_new(body, parent, json_string(prefix));
    else if (resource->scope == SKR_SCOPE_TENANT && !strchr(prefix, '/') && !json_object_get(body, "tenant_id"))
        json_object_set_new(body, "tenant_id", json_string(prefix));
    json_object_set_new(body, "name", json_string(leaf));
    return 0;
}

int skr_manifest_entry_make(const struct skr_resource *resource, json_t *body, const char *pointer,
                            struct skr_manifest_entry *ret, struct skr_error *error)
{
    struct skr_manifest_entry entry = {.resource = resource, .body = json_object()};
    snprintf(entry.pointer, sizeof(entry.pointer), "%s", pointer);
    int r = take_members(resource, body, entry.body, pointer, error);
    const char *name = json_string_value(json_object_get(entry.body, "name"));
    if (r == 0 && (!name || !*name))
        r = refuse(error, pointer, "name", "Every object needs a name, by which it is found again.");
    if (r == 0)
        r = split_name(resource, entry.body, pointer, error);
    json_decref(body);
    if (r < 0) {
        json_decref(entry.body);
        return r;
    }
    *ret = entry;
    return 0;
}

static int find_kind(const json_t *given, const char *pointer, const struct skr_resource **ret, struct skr_error *error)
{
    const char *kind = json_string_value(json_object_get(given, "kind")), *names[SKR_RESOURCE_COUNT];
    char sentence[200];
    size_t count = 0;
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++)
        if (!(skr_resource_get((enum skr_resource_id)i)->flags & SKR_RESOURCE_VIEW))
            names[count++] = skr_resource_get((enum skr_resource_id)i)->name;
    if (!kind)
        return refuse(error, pointer, "kind", "Every object says what it is: \"kind\": \"vm-network\".");
    const struct skr_resource *resource = skr_resource_find(kind);
    if (resource && !(resource->flags & SKR_RESOURCE_VIEW)) {
        *ret = resource;
        return 0;
    }
    const char *near = resource ? NULL : skr_nearest(kind, names, count);
    if (resource)
        snprintf(sentence, sizeof(sentence), "%s are kept by the controller and can only be read.",
                 resource->collection);
    else if (near)
        snprintf(sentence, sizeof(sentence), "There is no kind '%.60s'; did you mean '%s'?", kind, near);
    else
        snprintf(sentence, sizeof(sentence), "There is no kind '%.60s'; skerryctl help lists them.", kind);
    return refuse(error, pointer, "kind", sentence);
}

static int add(struct skr_manifest *manifest, const json_t *given, const char *pointer, struct skr_error *error)
{
    const struct skr_resource *resource = NULL;
    if (!json_is_object(given))
        return refuse(error, pointer, "", "An object is expected here: {\"kind\": ..., \"name\": ...}.");
    int r = find_kind(given, pointer, &resource, error);
    if (r == 0)
        r = skr_manifest_entry_make(resource, json_incref((json_t *)given), pointer,
                                    &manifest->entries[manifest->count], error);
    if (r == 0)
        manifest->count++;
    return r;
}

int skr_manifest_parse(const json_t *given, struct skr_manifest *ret, struct skr_error *error)
{
    const json_t *list = json_is_array(given)                             ? given
                         : json_is_array(json_object_get(given, "items")) ? json_object_get(given, "items")
                                                                          : NULL;
    size_t count = list ? json_array_size(list) : 1;
    struct skr_manifest manifest = {0};
    int r = 0;
    if (count > SKR_MANIFEST_MAX)
        return skr_error_set(error, SKR_ERROR_TOO_LARGE, "%zu objects at once; at most %d are taken", count,
                             SKR_MANIFEST_MAX);
    manifest.entries = calloc(count ? count : 1, sizeof(*manifest.entries));
    if (!manifest.entries)
        abort();
    for (size_t i = 0; i < count; i++) {
        char pointer[32] = "";
        if (list)
            snprintf(pointer, sizeof(pointer), "%s/%zu", list == given ? "" : "/items", i);
        int bad = add(&manifest, list ? json_array_get(list, i) : given, pointer, error);
        r = r < 0 ? r : bad;
    }
    if (r < 0) {
        skr_manifest_done(&manifest);
        return r;
    }
    *ret = manifest;
    return 0;
}

void skr_manifest_done(struct skr_manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++)
        json_decref(manifest->entries[i].body);
    free(SKR_TAKE(manifest->entries));
    manifest->count = 0;
}
