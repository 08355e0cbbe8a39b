/* A patch over an object. */
#include "lib/object_private.h"

#include <errno.h>
#include <skerry/macros.h>

/* RFC 7396 for a map of texts: null removes. */
static int merge_map(const struct skr_field *field, const json_t *patch, json_t *into)
{
    const char *key;
    json_t *member;
    json_object_foreach ((json_t *)patch, key, member) {
        if (json_is_null(member))
            json_object_del(into, key);
        else
            json_object_set_new(into, key, json_deep_copy(member));
    }
    return json_object_size(into) > skr_field_entries_max(field) ? -E2BIG : 0;
}

static int merge_value(const struct skr_field *field, const struct skr_value *patch, bool partial,
                       struct skr_value *into)
{
    if (patch->type == SKR_VALUE_NULL && !(field->flags & SKR_FIELD_NULLABLE)) {
        skr_value_clear(into);
        skr_field_default(field, into);
        return 0;
    }
    if (partial && field->kind == SKR_KIND_JSON && field->json_shape == '{' && patch->type == SKR_VALUE_JSON) {
        if (into->type != SKR_VALUE_JSON) {
            skr_value_clear(into);
            *into = (struct skr_value){.type = SKR_VALUE_JSON, .json = json_object()};
        }
        return merge_map(field, patch->json, into->json);
    }
    if (field->kind == SKR_KIND_STRUCT && patch->type == SKR_VALUE_OBJECTS && into->type == SKR_VALUE_OBJECTS) {
        struct skr_object *merged;
        bool changed;
        int r = skr_object_merge(into->objects[0], patch->objects[0], &merged, &changed);
        if (r < 0)
            return r;
        skr_object_unref(into->objects[0]);
        into->objects[0] = merged;
        return 0;
    }
    skr_value_clear(into);
    skr_value_copy(into, patch);
    return 0;
}

static bool is_versioned(const struct skr_resource *resource, unsigned index)
{
    const struct skr_field *field = &resource->fields[index];
    if (resource->table && (index == SKR_FIELD_CREATED_AT || index == SKR_FIELD_UPDATED_AT || index == SKR_FIELD_ETAG))
        return false;
    return !(field->flags & SKR_FIELD_UNVERSIONED) && field->kind != SKR_KIND_COMPUTED &&
           field->kind != SKR_KIND_SECRET;
}

int skr_object_merge(const struct skr_object *before, const struct skr_object *patch, struct skr_object **ret_after,
                     bool *ret_changed)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(before);
    const struct skr_resource *resource = before->resource;
    bool changed = false;
    for (unsigned i = 0; i < resource->field_count; i++) {
        if (patch->values[i].type == SKR_VALUE_ABSENT)
            continue;
        int r = merge_value(&resource->fields[i], &patch->values[i], patch->partial, &after->values[i]);
        if (r < 0)
            return r;
        changed = changed || (is_versioned(resource, i) && !skr_value_equal(&before->values[i], &after->values[i]));
    }
    *ret_after = SKR_TAKE(after);
    *ret_changed = changed;
    return 0;
}
