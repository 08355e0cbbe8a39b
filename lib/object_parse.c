/* JSON -> object. One reader walks the table of the resource beside the JSON and reports every mistake with the pointer
 * of the member it is about. */
#include "lib/object_private.h"

#include <errno.h>
#include <skerry/macros.h>
#include <skerry/text.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reader {
    enum skr_role role;
    bool bad, echoes; /* what was shown comes back */
    struct skr_error *error;
};

/* A value being read: whose it is and where it stands. */
struct place {
    const struct skr_field *field;
    const char *pointer;
    const char *label; /* begins the sentence */
};

static void complain(struct reader *reader, const char *pointer, const char *format, ...) SKR_PRINTF(3, 4);
static void complain(struct reader *reader, const char *pointer, const char *format, ...)
{
    char detail[SKR_ERROR_DETAIL_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    skr_error_field(reader->error, pointer, "%s", detail);
    reader->bad = true;
}

static const char *type_name(const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction or exponent";
    case JSON_NULL:
        return "null";
    default:
        return "a boolean";
    }
}

static void complain_type(struct reader *reader, const struct place *place, const char *wanted, const json_t *json)
{
    complain(reader, place->pointer, "%s must be %s, not %s", place->label, wanted, type_name(json));
}

/* Appends "/<member>" escaped as RFC 6901 says; cut when it is longer than a pointer may be. */
static void append_member(char out[SKR_ERROR_POINTER_MAX], const char *base, const char *member)
{
    char escaped[SKR_ERROR_POINTER_MAX * 2] = "";
    size_t n = 0;
    for (const char *p = member; *p && n + 3 < sizeof(escaped); p++) {
        if (*p == '~' || *p == '/')
            escaped[n++] = '~';
        escaped[n++] = *p == '~' ? '0' : *p == '/' ? '1' : *p;
    }
    if (snprintf(out, SKR_ERROR_POINTER_MAX, "%s/%s", base, escaped) >= SKR_ERROR_POINTER_MAX)
        skr_utf8_mend(out);
}

/* The text of a JSON string without NUL inside, else NULL after a complaint. */
static const char *plain_text(struct reader *reader, const struct place *place, const json_t *json)
{
    const char *text = json_string_value(json);
    if (!text)
        complain_type(reader, place, "a text", json);
    else if (strlen(text) != json_string_length(json))
        complain(reader, place->pointer, "%s must not contain control characters (U+0000)", place->label);
    else
        return text;
    return NULL;
}

static bool read_scalar(struct reader *reader, const struct place *place, const json_t *json, struct skr_value *ret)
{
    char why[SKR_WHY_MAX];
    if (place->field->kind == SKR_KIND_INTEGER || place->field->kind == SKR_KIND_BOOLEAN) {
        bool boolean = place->field->kind == SKR_KIND_BOOLEAN;
        if (boolean ? !json_is_boolean(json) : !json_is_integer(json)) {
            complain_type(reader, place, boolean ? "true or false" : "an integer", json);
            return false;
        }
        *ret = (struct skr_value){.type = SKR_VALUE_INTEGER,
                                  .integer = boolean ? json_is_true(json) : json_integer_value(json)};
        if (boolean || skr_integer_check(place->field, ret->integer, why) == 0)
            return true;
    } else {
        const char *text = plain_text(reader, place, json);
        if (!text)
            return false;
        if (skr_scalar_from_text(place->field, text, ret, why) == 0)
            return true;
    }
    complain(reader, place->pointer, "%s %s", place->label, why);
    *ret = (struct skr_value){0};
    return false;
}

/* A list that is one and not too long. */
static bool check_list(struct reader *reader, const struct place *place, const json_t *json)
{
    size_t maximum = skr_field_entries_max(place->field);
    if (!json_is_array(json))
        complain_type(reader, place, "a list", json);
    else if (json_array_size(json) > maximum)
        complain(reader, place->pointer, "%s must have at most %zu entries, not %zu", place->label, maximum,
                 json_array_size(json));
    else if (json_array_size(json) < (size_t)place->field->minimum)
        complain(reader, place->pointer, "%s must have at least %lld entries", place->label,
                 (long long)place->field->minimum);
    else
        return true;
    return false;
}

#define LABEL_MAX 128

/* Pointer and label of an entry of a list. */
struct entry {
    char pointer[SKR_ERROR_POINTER_MAX];
    char label[LABEL_MAX];
    struct place place;
};

static void entry_at(struct entry *entry, const struct place *list, size_t index)
{
    char number[24];
    snprintf(number, sizeof(number), "%zu", index);
    append_member(entry->pointer, list->pointer, number);
    snprintf(entry->label, sizeof(entry->label), "%s[%zu]", list->label, index);
    entry->place = (struct place){.field = list->field, .pointer = entry->pointer, .label = entry->label};
}

/* REFERENCES and ADDRESSES. */
static void read_scalars(struct reader *reader, const struct place *place, const json_t *json, struct skr_value *ret)
{
    if (!check_list(reader, place, json))
        return;
    bool uuids = place->field->kind == SKR_KIND_REFERENCES;
    size_t size = json_array_size(json), count = 0;
    struct skr_value *values = calloc(size + 1, sizeof(*values));
    if (!values)
        abort();
    for (size_t i = 0; i < size; i++) {
        struct entry entry;
        entry_at(&entry, place, i);
        if (!read_scalar(reader, &entry.place, json_array_get(json, i), &values[count]))
            continue;
        bool twice = false;
        for (size_t j = 0; j < count && !twice; j++)
            twice = skr_value_equal(&values[j], &values[count]);
        if (twice)
            complain(reader, entry.pointer, "%s repeats an entry of the list", entry.label);
        else
            count++;
    }
    *ret = (struct skr_value){.type = uuids ? SKR_VALUE_UUIDS : SKR_VALUE_ADDRESSES, .count = (uint32_t)count};
    if (count > 0 && uuids && !(ret->uuids = calloc(count, sizeof(ret->uuids[0]))))
        abort();
    if (count > 0 && !uuids && !(ret->addresses = calloc(count, sizeof(ret->addresses[0]))))
        abort();
    for (size_t i = 0; i < count; i++) {
        if (uuids)
            ret->uuids[i] = values[i].uuid;
        else
            ret->addresses[i] = values[i].address;
    }
    free(values);
}

static void read_texts(struct reader *reader, const struct place *place, const json_t *json, struct skr_value *ret)
{
    if (!check_list(reader, place, json))
        return;
    for (size_t i = 0; i < json_array_size(json); i++) {
        struct entry entry;
        char why[SKR_WHY_MAX];
        entry_at(&entry, place, i);
        const char *text = plain_text(reader, &entry.place, json_array_get(json, i));
        if (text && skr_text_check(text, 1, SKR_ENTRY_TEXT_MAX, why) != 0)
            complain(reader, entry.pointer, "%s %s", entry.label, why);
    }
    *ret = (struct skr_value){.type = SKR_VALUE_JSON, .json = json_deep_copy(json)};
}

static void read_map(struct reader *reader, const struct place *place, const json_t *json, bool partial,
                     struct skr_value *ret)
{
    size_t maximum = skr_field_entries_max(place->field);
    if (!json_is_object(json)) {
        complain_type(reader, place, "an object", json);
        return;
    }
    if (json_object_size(json) > maximum) {
        complain(reader, place->pointer, "%s must have at most %zu entries, not %zu", place->label, maximum,
                 json_object_size(json));
        return;
    }
    const char *key;
    json_t *member;
    json_object_foreach ((json_t *)json, key, member) {
        char pointer[SKR_ERROR_POINTER_MAX], label[LABEL_MAX], why[SKR_WHY_MAX];
        append_member(pointer, place->pointer, key);
        if (skr_text_check(key, 1, SKR_ENTRY_KEY_MAX, why) != 0) {
            complain(reader, pointer, "a key of %s %s", place->label, why);
            continue;
        }
        if (partial && json_is_null(member))
            continue;
        snprintf(label, sizeof(label), "%s.%s", place->label, key);
        const char *text =
                plain_text(reader, &(struct place){.pointer = pointer, .label = label, .field = place->field}, member);
        if (text && skr_text_check(text, 0, SKR_ENTRY_TEXT_MAX, why) != 0)
            complain(reader, pointer, "%s %s", label, why);
    }
    *ret = (struct skr_value){.type = SKR_VALUE_JSON, .json = json_deep_copy(json)};
}

static struct skr_object *read_object(struct reader *reader, const struct skr_resource *resource, const json_t *json,
                                      const struct place *place, bool partial);

static void read_objects(struct reader *reader, const struct place *place, const json_t *json, bool partial,
                         struct skr_value *ret)
{
    bool list = place->field->kind == SKR_KIND_STRUCTS;
    if (list && !check_list(reader, place, json))
        return;
    size_t count = list ? json_array_size(json) : 1;
    struct skr_value value = {.type = SKR_VALUE_OBJECTS, .count = (uint32_t)count};
    value.objects = calloc(count + 1, sizeof(struct skr_object *));
    if (!value.objects)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct entry entry;
        if (list)
            entry_at(&entry, place, i);
        value.objects[i] = read_object(reader, place->field->sub, list ? json_array_get(json, i) : json,
                                       list ? &entry.place : place, partial && !list);
    }
    *ret = value;
}

/* null: "not set" where that is a value; in a PATCH back to the default. */
static void read_null(struct reader *reader, const struct place *place, bool partial, struct skr_value *ret)
{
    const struct skr_field *field = place->field;
    if (field->flags & SKR_FIELD_NULLABLE ||
        (partial && (field->kind == SKR_KIND_STRUCT || (field->kind == SKR_KIND_JSON && field->json_shape == '{'))))
        ret->type = SKR_VALUE_NULL;
    else if (partial && !(field->flags & SKR_FIELD_REQUIRED))
        skr_field_default(field, ret);
    if (ret->type == SKR_VALUE_ABSENT)
        complain(reader, place->pointer, "%s must not be null", place->label);
}

static void read_value(struct reader *reader, const struct place *place, const json_t *json, bool partial,
                       struct skr_value *ret)
{
    if (json_is_null(json)) {
        read_null(reader, place, partial, ret);
        return;
    }
    switch (place->field->kind) {
    case SKR_KIND_REFERENCES:
    case SKR_KIND_ADDRESSES:
        read_scalars(reader, place, json, ret);
        break;
    case SKR_KIND_STRUCT:
    case SKR_KIND_STRUCTS:
        read_objects(reader, place, json, partial, ret);
        break;
    case SKR_KIND_JSON:
        if (place->field->json_shape == '[')
            read_texts(reader, place, json, ret);
        else
            read_map(reader, place, json, partial, ret);
        break;
    default:
        read_scalar(reader, place, json, ret);
        break;
    }
}

static bool may_write(const struct reader *reader, const struct skr_field *field)
{
    return !(field->flags & (SKR_FIELD_READ_ONLY | SKR_FIELD_HIDDEN)) && skr_role_writes(field->writer, reader->role);
}

#define CANDIDATES_MAX 64
#define SHOWN_MAX      64 /* bytes of an unknown name in a sentence, which mends what is cut */

static void complain_unknown(struct reader *reader, const struct skr_resource *resource, const char *pointer,
                             const char *member)
{
    const char *candidates[CANDIDATES_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < resource->field_count && count < CANDIDATES_MAX; i++)
        if (may_write(reader, &resource->fields[i]))
            candidates[count++] = resource->fields[i].name;
    const char *nearest = skr_nearest(member, candidates, count);
    if (nearest)
        complain(reader, pointer, "%s has no field \"%.*s\"; did you mean \"%s\"?", resource->name, SHOWN_MAX, member,
                 nearest);
    else
        complain(reader, pointer, "%s has no field \"%.*s\"", resource->name, SHOWN_MAX, member);
}

static void read_member(struct reader *reader, struct skr_object *object, const char *base, const char *member,
                        const json_t *json)
{
    const struct skr_resource *resource = object->resource;
    char pointer[SKR_ERROR_POINTER_MAX];
    append_member(pointer, base, member);
    int index = skr_resource_field(resource, member);
    bool known = index >= 0;
    const struct skr_field *field = &resource->fields[known ? index : 0];
    if (known && may_write(reader, field)) {
        struct place place = {.field = field, .pointer = pointer, .label = field->name};
        read_value(reader, &place, json, object->partial, &object->values[index]);
        return;
    }
    bool seen = known && !(field->flags & SKR_FIELD_HIDDEN) && skr_role_reads(field->reader, reader->role);
    bool shown = seen && (field->flags & SKR_FIELD_READ_ONLY);
    bool status = !known && resource->table && strcmp(member, "status") == 0;
    if (reader->echoes && (status || seen))
        return; /* told back as it was shown: skr_object_check_echo */
    if (shown || status)
        complain(reader, pointer, "%s is read-only: leave it out", member);
    else
        complain_unknown(reader, resource, pointer, member);
}

/* Completes a whole object with the fields that the request did not mention. */
static void complete(struct reader *reader, struct skr_object *object, const json_t *json, const char *base)
{
    for (unsigned i = 0; i < object->resource->field_count; i++) {
        const struct skr_field *field = &object->resource->fields[i];
        struct skr_value *value = &object->values[i];
        if (json_object_get(json, field->name) || !may_write(reader, field))
            continue;
        if (field->flags & SKR_FIELD_REQUIRED) {
            char pointer[SKR_ERROR_POINTER_MAX];
            append_member(pointer, base, field->name);
            complain(reader, pointer, "%s is required", field->name);
            continue;
        }
        bool unset = (field->flags & SKR_FIELD_NULLABLE) && !field->fallback;
        if (!(field->flags & SKR_FIELD_IMMUTABLE) || !unset)
            skr_field_default(field, value);
    }
}

/* Always an object, so that lists stay whole; reader->bad says whether it is to be used. */
static struct skr_object *read_object(struct reader *reader, const struct skr_resource *resource, const json_t *json,
                                      const struct place *place, bool partial)
{
    struct skr_object *object = skr_object_new(resource);
    object->partial = partial;
    if (!json_is_object(json)) {
        complain_type(reader, place, "an object", json);
        return object;
    }
    const char *member;
    json_t *value;
    json_object_foreach ((json_t *)json, member, value)
        read_member(reader, object, place->pointer, member, value);
    if (!partial)
        complete(reader, object, json, place->pointer);
    return object;
}

static int parse(struct reader reader, const struct skr_resource *resource, const json_t *json, bool partial,
                 struct skr_object **ret)
{
    struct place place = {.pointer = "", .label = resource->name};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = read_object(&reader, resource, json, &place, partial);
    if (reader.bad)
        return -EINVAL;
    *ret = SKR_TAKE(object);
    return 0;
}

int skr_object_from_json(const struct skr_resource *resource, const json_t *json, bool partial, enum skr_role role,
                         struct skr_object **ret, struct skr_error *error)
{
    return parse((struct reader){.role = role, .error = error}, resource, json, partial, ret);
}

/* ---- what was shown, told back ---- */

int skr_object_from_echo(const struct skr_resource *resource, const json_t *json, enum skr_role role,
                         struct skr_object **ret, struct skr_error *error)
{
    return parse((struct reader){.role = role, .error = error, .echoes = true}, resource, json, false, ret);
}

/* The entry as it was shown: of the same name where entries have names, else at the same place. */
static const json_t *entry_shown(const struct skr_resource *sub, const json_t *list, const json_t *entry, size_t index)
{
    const json_t *name = json_object_get(entry, sub->fields[SKR_ENTRY_NAME].name), *other;
    size_t i;
    if (!(sub->flags & SKR_RESOURCE_KEYED))
        return json_array_get(list, index);
    json_array_foreach (list, i, other)
        if (json_equal(json_object_get(other, sub->fields[SKR_ENTRY_NAME].name), name))
            return other;
    return NULL;
}

static void check_echo(struct reader *reader, const struct skr_resource *resource, const json_t *json,
                       const json_t *shown, const char *base)
{
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        const json_t *member = json_object_get(json, field->name), *was = json_object_get(shown, field->name), *entry;
        char pointer[SKR_ERROR_POINTER_MAX];
        size_t n;
        if (!member)
            continue;
        append_member(pointer, base, field->name);
        if (!may_write(reader, field)) {
            if (!was || !json_equal(member, was))
                complain(reader, pointer, "%s is read-only: leave it out, or send it back as it was shown",
                         field->name);
        } else if (field->kind == SKR_KIND_STRUCT) {
            check_echo(reader, field->sub, member, was, pointer);
        } else if (field->kind == SKR_KIND_STRUCTS) {
            json_array_foreach (member, n, entry) {
                char at[SKR_ERROR_POINTER_MAX], number[24];
                snprintf(number, sizeof(number), "%zu", n);
                append_member(at, pointer, number);
                check_echo(reader, field->sub, entry, entry_shown(field->sub, was, entry, n), at);
            }
        }
    }
}

int skr_object_check_echo(const struct skr_object *before, const json_t *json, enum skr_role role,
                          struct skr_error *error)
{
    struct reader reader = {.role = role, .error = error};
    json_t *shown = skr_object_to_json(before, role);
    check_echo(&reader, before->resource, json, shown, "");
    json_decref(shown);
    return reader.bad ? -EINVAL : 0;
}
