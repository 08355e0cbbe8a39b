#include "cli/apply/manifest.h"
#include "cli/apply/member.h"

#include <skerry/macros.h>
#include <skerry/object.h>

/* Only what a request may write: the rest is not ours to compare. */
static json_t *writable_part(const struct skr_resource *resource, const json_t *object)
{
    json_t *part = json_object();
    for (unsigned i = 0; i < resource->field_count; i++) {
        json_t *value = json_object_get(object, resource->fields[i].name);
        if (value && skr_member_is_writable(&resource->fields[i]))
            json_object_set_new(part, resource->fields[i].name, skr_member_writable_part(&resource->fields[i], value));
    }
    return part;
}

/* Without null for what is fixed at create, and without secrets: the controller shows none to compare with. */
static json_t *comparable_part(const struct skr_resource *resource, const json_t *desired)
{
    json_t *part = json_copy((json_t *)desired);
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        bool fixed_null = field->flags & SKR_FIELD_IMMUTABLE && json_is_null(json_object_get(part, field->name));
        if (fixed_null || field->kind == SKR_KIND_SECRET)
            json_object_del(part, field->name);
    }
    return part;
}

static int parse(const struct skr_resource *resource, json_t *stolen, struct skr_object **ret, struct skr_error *error)
{
    int r = skr_object_from_json(resource, stolen, true, SKR_ROLE_ADMIN, ret, error);
    json_decref(stolen);
    return r;
}

int skr_manifest_diff(const struct skr_resource *resource, const json_t *current, const json_t *desired, json_t **ret,
                      struct skr_error *error)
{
    struct skr_object *before SKR_CLEANUP(skr_object_cleanup) = NULL, *wanted SKR_CLEANUP(skr_object_cleanup) = NULL,
                              *after SKR_CLEANUP(skr_object_cleanup) = NULL;
    bool changed = false;
    int r = parse(resource, writable_part(resource, current), &before, error);
    if (r == 0)
        r = parse(resource, comparable_part(resource, desired), &wanted, error);
    if (r < 0)
        return r;
    if (skr_object_merge(before, wanted, &after, &changed) < 0)
        return skr_error_set(error, SKR_ERROR_LIMIT, "The %s would hold more labels than it can", resource->name);
    json_t *patch = json_object();
    for (unsigned i = 0; i < resource->field_count; i++)
        if (!skr_value_equal(&before->values[i], &after->values[i]))
            json_object_set(patch, resource->fields[i].name, json_object_get(desired, resource->fields[i].name));
    if (!json_object_size(patch)) {
        json_decref(patch);
        patch = NULL;
    }
    *ret = patch;
    return 0;
}
