#include "cli/apply/member.h"

#include <errno.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 64
#define CANDIDATES_MAX 64

bool skr_member_is_writable(const struct skr_field *field)
{
    return !(field->flags & (SKR_FIELD_READ_ONLY | SKR_FIELD_HIDDEN)) && field->kind != SKR_KIND_COMPUTED;
}

static json_t *without_read_only(const struct skr_resource *sub, const json_t *entry)
{
    json_t *copy = json_deep_copy(entry);
    for (unsigned i = 0; i < sub->field_count; i++)
        if (!skr_member_is_writable(&sub->fields[i]))
            json_object_del(copy, sub->fields[i].name);
    return copy;
}

json_t *skr_member_writable_part(const struct skr_field *field, const json_t *value)
{
    if (field->kind == SKR_KIND_STRUCT)
        return without_read_only(field->sub, value);
    if (field->kind != SKR_KIND_STRUCTS || !json_is_array(value))
        return json_deep_copy(value);
    json_t *list = json_array(), *entry;
    size_t i;
    json_array_foreach ((json_t *)value, i, entry)
        json_array_append_new(list, without_read_only(field->sub, entry));
    return list;
}

void skr_member_short_name(const struct skr_field *field, char *out, size_t size)
{
    size_t length = strlen(field->name);
    snprintf(out, size, "%s", field->name);
    if (field->kind == SKR_KIND_REFERENCE && length > 3 && length < size)
        out[length - 3] = '\0';
    if (field->kind == SKR_KIND_REFERENCES && length > 4 && length < size) {
        out[length - 4] = 's';
        out[length - 3] = '\0';
    }
}

int skr_member_find(const struct skr_resource *resource, const char *name, struct skr_error *error)
{
    char names[CANDIDATES_MAX][NAME_MAX_BYTES];
    const char *candidates[CANDIDATES_MAX];
    size_t count = 0;
    int field = skr_resource_field(resource, name);
    if (field >= 0 && !(resource->fields[field].flags & SKR_FIELD_HIDDEN))
        return field;
    for (unsigned i = 0; i < resource->field_count && count < CANDIDATES_MAX; i++) {
        if (resource->fields[i].flags & SKR_FIELD_HIDDEN)
            continue;
        skr_member_short_name(&resource->fields[i], names[count], sizeof(names[count]));
        if (strcmp(names[count], name) == 0)
            return (int)i;
        if (skr_member_is_writable(&resource->fields[i])) {
            candidates[count] = names[count];
            count++;
        }
    }
    const char *near = skr_nearest(name, candidates, count);
    bool is_kind = resource->collection != NULL; /* else it is what an action takes, and help has no page for it */
    if (near)
        skr_error_set(error, SKR_ERROR_INVALID, "%s%s has no '%.60s'; did you mean '%s'?",
                      is_kind ? "A " : "The action ", resource->name, name, near);
    else if (is_kind)
        skr_error_set(error, SKR_ERROR_INVALID, "A %s has no '%.60s'; skerryctl help %s lists what it has",
                      resource->name, name, resource->name);
    else
        skr_error_set(
                error, SKR_ERROR_INVALID,
                "The action %s has no '%.60s'; skerryctl help KIND lists the actions of a kind and what they take",
                resource->name, name);
    return -1;
}

/* ---- words ---- */

static int bad(const struct skr_field *field, const char *text, const char *wanted, struct skr_error *error)
{
    return skr_error_set(error, SKR_ERROR_INVALID, "%s takes %s, not '%.100s'", field->name, wanted, text ? text : "");
}

static int from_json(const struct skr_field *field, const char *text, const char *wanted, json_t **ret,
                     struct skr_error *error)
{
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!value)
        return bad(field, text, wanted, error);
    *ret = value;
    return 0;
}

static int from_integer(const struct skr_field *field, const char *text, json_t **ret, struct skr_error *error)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return bad(field, text, "a number", error);
    *ret = json_integer(number);
    return 0;
}

static int from_boolean(const struct skr_field *field, const char *text, json_t **ret, struct skr_error *error)
{
    bool yes = !text || strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;
    if (!yes && strcmp(text, "false") != 0 && strcmp(text, "no") != 0)
        return bad(field, text, "true or false", error);
    *ret = json_boolean(yes);
    return 0;
}

static int from_list(const struct skr_field *field, const char *text, json_t **ret, struct skr_error *error)
{
    if (*text == '[')
        return from_json(field, text, "a list: a,b or [\"a\", \"b\"]", ret, error);
    json_t *list = json_array();
    char *copy SKR_CLEANUP(skr_free_cleanup) = strdup(text), *rest = *text ? copy : NULL, *word;
    while ((word = strsep(&rest, ","))) {
        json_t *item = json_string(word);
        if (!item) {
            json_decref(list);
            return bad(field, "?", "UTF-8 text", error);
        }
        json_array_append_new(list, item);
    }
    *ret = list;
    return 0;
}

static int from_map(const struct skr_field *field, const char *text, json_t **ret, struct skr_error *error)
{
    static const char wanted[] = "a map: a=b,c=d or {\"a\": \"b\"}";
    if (*text == '{')
        return from_json(field, text, wanted, ret, error);
    json_t *map = json_object();
    char *copy SKR_CLEANUP(skr_free_cleanup) = strdup(text), *rest = *text ? copy : NULL, *word;
    while ((word = strsep(&rest, ","))) {
        char *equals = strchr(word, '=');
        if (equals)
            *equals = '\0';
        if (!equals || json_object_set_new(map, word, json_string(equals + 1)) < 0) {
            json_decref(map);
            return bad(field, text, wanted, error);
        }
    }
    *ret = map;
    return 0;
}

int skr_member_from_text(const struct skr_field *field, const char *text, json_t **ret, struct skr_error *error)
{
    if (!text && field->kind != SKR_KIND_BOOLEAN)
        return skr_error_set(error, SKR_ERROR_INVALID, "%s needs a value: %s", field->name, field->help);
    if (text && strcmp(text, "null") == 0) {
        *ret = json_null();
        return 0;
    }
    switch (field->kind) {
    case SKR_KIND_INTEGER:
        return from_integer(field, text, ret, error);
    case SKR_KIND_BOOLEAN:
        return from_boolean(field, text, ret, error);
    case SKR_KIND_REFERENCES:
    case SKR_KIND_ADDRESSES:
        return from_list(field, text, ret, error);
    case SKR_KIND_JSON:
        return field->json_shape == '[' ? from_list(field, text, ret, error) : from_map(field, text, ret, error);
    case SKR_KIND_STRUCT:
        return from_json(field, text, "a JSON object", ret, error);
    case SKR_KIND_STRUCTS:
        return from_json(field, text, "a JSON array of objects", ret, error);
    default: {
        json_t *value = json_string(text);
        if (!value)
            return bad(field, "?", "UTF-8 text", error);
        *ret = value;
        return 0;
    }
    }
}
