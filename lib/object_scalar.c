/* Scalars from text, their bounds, and defaults. */
#include "lib/object_private.h"

#include <errno.h>
#include <skerry/clock.h>
#include <skerry/text.h>
#include <stdio.h>
#include <string.h>

static bool is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0x9f);
}

/* They turn around what stands beside them (Unicode Annex 9), so that a name reads as another one. */
static bool is_bidirectional_control(uint32_t character)
{
    return character == 0x061c || character == 0x200e || character == 0x200f ||
           (character >= 0x202a && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069);
}

/* Walks the text; counts its characters. */
static int scan_text(const char *text, bool lines, size_t *ret_characters, char why[SKR_WHY_MAX])
{
    size_t characters = 0;
    for (const char *p = text; *p; characters++) {
        uint32_t character;
        unsigned length = skr_utf8_decode(p, &character);
        if (length == 0) {
            snprintf(why, SKR_WHY_MAX, "must be valid UTF-8");
            return -EINVAL;
        }
        if (is_bidirectional_control(character)) {
            snprintf(why, SKR_WHY_MAX,
                     "must not contain characters that change the direction of writing (U+%04X at character %zu)",
                     character, characters + 1);
            return -EINVAL;
        }
        if (is_control(character) && !(lines && (character == '\n' || character == '\t'))) {
            snprintf(why, SKR_WHY_MAX, "must not contain control characters (U+%04X at character %zu)", character,
                     characters + 1);
            return -EINVAL;
        }
        p += length;
    }
    *ret_characters = characters;
    return 0;
}

static int check_length(size_t length, size_t minimum, size_t maximum, const char *unit, char why[SKR_WHY_MAX])
{
    if (length >= minimum && length <= maximum)
        return 0;
    if (length == 0)
        snprintf(why, SKR_WHY_MAX, "must not be empty");
    else
        snprintf(why, SKR_WHY_MAX, "must have %zu to %zu %s, not %zu", minimum, maximum, unit, length);
    return -EINVAL;
}

int skr_text_check(const char *text, size_t minimum, size_t maximum, char why[SKR_WHY_MAX])
{
    size_t characters;
    if (scan_text(text, false, &characters, why) != 0)
        return -EINVAL;
    return check_length(strlen(text), minimum, maximum, "bytes", why);
}

/* A field called "name" is counted in characters and must not begin or end with a blank, so that two names that look
 * the same are the same. Long free text may have lines. */
static int check_text_field(const struct skr_field *field, const char *text, char why[SKR_WHY_MAX])
{
    size_t maximum = field->maximum ? (size_t)field->maximum : SKR_TEXT_MAX, length = strlen(text), characters;
    if (scan_text(text, maximum > SKR_TEXT_MAX, &characters, why) != 0)
        return -EINVAL;
    if (strcmp(field->name, "name") != 0)
        return check_length(length, (size_t)field->minimum, maximum, "bytes", why);
    if (length > 0 && (text[0] == ' ' || text[length - 1] == ' ')) {
        snprintf(why, SKR_WHY_MAX, "must not begin or end with a blank");
        return -EINVAL;
    }
    return check_length(characters, (size_t)field->minimum, maximum, "characters", why);
}

static int parse_text(const struct skr_field *field, const char *text, struct skr_value *ret, char why[SKR_WHY_MAX])
{
    if (check_text_field(field, text, why) != 0)
        return -EINVAL;
    struct skr_value value = {.type = SKR_VALUE_TEXT, .text = (char *)text};
    skr_value_copy(ret, &value);
    return 0;
}

/* "must be one of a, b, c", with the nearest when one is near. */
static int parse_choice(const struct skr_field *field, const char *text, struct skr_value *ret, char why[SKR_WHY_MAX])
{
    size_t count = 0;
    int length = snprintf(why, SKR_WHY_MAX, "must be one of");
    for (; field->choices[count]; count++) {
        if (strcmp(field->choices[count], text) == 0)
            return parse_text(&(struct skr_field){.name = field->name}, text, ret, why);
        if (length < SKR_WHY_MAX)
            length += snprintf(why + length, (size_t)(SKR_WHY_MAX - length), "%s \"%s\"", count ? "," : "",
                               field->choices[count]);
    }
    const char *nearest = skr_nearest(text, field->choices, count);
    if (nearest && length < SKR_WHY_MAX)
        snprintf(why + length, (size_t)(SKR_WHY_MAX - length), "; did you mean \"%s\"?", nearest);
    return -EINVAL;
}

int skr_integer_check(const struct skr_field *field, int64_t value, char why[SKR_WHY_MAX])
{
    if ((field->minimum == 0 && field->maximum == 0) || (value >= field->minimum && value <= field->maximum))
        return 0;
    snprintf(why, SKR_WHY_MAX, "must be an integer from %lld to %lld", (long long)field->minimum,
             (long long)field->maximum);
    return -EINVAL;
}

static int parse_integer(const struct skr_field *field, const char *text, struct skr_value *ret, char why[SKR_WHY_MAX])
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool begins = (text[0] >= '0' && text[0] <= '9') || (text[0] == '-' && text[1] >= '0' && text[1] <= '9');
    if (!begins || *end || errno) {
        if (skr_integer_check(field, INT64_MIN, why) == 0)
            snprintf(why, SKR_WHY_MAX, "must be an integer");
        return -EINVAL;
    }
    if (skr_integer_check(field, number, why) != 0)
        return -EINVAL;
    *ret = (struct skr_value){.type = SKR_VALUE_INTEGER, .integer = number};
    return 0;
}

static int parse_boolean(const char *text, struct skr_value *ret, char why[SKR_WHY_MAX])
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0) {
        snprintf(why, SKR_WHY_MAX, "must be true or false");
        return -EINVAL;
    }
    *ret = (struct skr_value){.type = SKR_VALUE_INTEGER, .integer = yes};
    return 0;
}

static int parse_prefix(const char *text, struct skr_value *ret, char why[SKR_WHY_MAX])
{
    struct skr_value value = {.type = SKR_VALUE_PREFIX};
    int r = skr_prefix_parse(text, &value.prefix);
    if (r == 0)
        *ret = value;
    else
        snprintf(why, SKR_WHY_MAX,
                 r == -EDOM ? "must not have bits set behind its length, like 10.1.2.0/24 and not 10.1.2.3/24"
                            : "must be an address with a length, like 10.1.2.0/24");
    return r == 0 ? 0 : -EINVAL;
}

static int parse_mac(const char *text, struct skr_value *ret, char why[SKR_WHY_MAX])
{
    struct skr_value value = {.type = SKR_VALUE_MAC};
    if (skr_mac_parse(text, &value.mac) != 0)
        snprintf(why, SKR_WHY_MAX, "must be a MAC address, like 02:00:5e:10:00:01");
    else if (skr_mac_is_group(&value.mac) || skr_mac_is_zero(&value.mac))
        snprintf(why, SKR_WHY_MAX, "must be the MAC address of one station: not zero, first byte even");
    else {
        *ret = value;
        return 0;
    }
    return -EINVAL;
}

static int parse_uuid(const struct skr_field *field, const char *text, struct skr_value *ret, char why[SKR_WHY_MAX])
{
    struct skr_value value = {.type = SKR_VALUE_UUID};
    if (skr_uuid_parse(text, &value.uuid) == 0) {
        *ret = value;
        return 0;
    }
    if (field->kind == SKR_KIND_UUID)
        snprintf(why, SKR_WHY_MAX, "must be a UUID");
    else
        snprintf(why, SKR_WHY_MAX, "must be the id (a UUID) of a %s", skr_resource_get(field->target)->name);
    return -EINVAL;
}

int skr_scalar_from_text(const struct skr_field *field, const char *text, struct skr_value *ret, char why[SKR_WHY_MAX])
{
    struct skr_value value = {0};
    switch (field->kind) {
    case SKR_KIND_TEXT:
    case SKR_KIND_SECRET:
        return parse_text(field, text, ret, why);
    case SKR_KIND_ENUM:
        return parse_choice(field, text, ret, why);
    case SKR_KIND_INTEGER:
        return parse_integer(field, text, ret, why);
    case SKR_KIND_BOOLEAN:
        return parse_boolean(text, ret, why);
    case SKR_KIND_PREFIX:
        return parse_prefix(text, ret, why);
    case SKR_KIND_MAC:
        return parse_mac(text, ret, why);
    case SKR_KIND_UUID:
    case SKR_KIND_REFERENCE:
    case SKR_KIND_REFERENCES:
        return parse_uuid(field, text, ret, why);
    case SKR_KIND_TIME:
        value.type = SKR_VALUE_INTEGER;
        if (skr_time_parse(text, &value.integer) != 0) {
            snprintf(why, SKR_WHY_MAX, "must be a time, like 2026-01-31T12:00:00Z");
            return -EINVAL;
        }
        break;
    case SKR_KIND_ADDRESS:
    case SKR_KIND_ADDRESSES:
        value.type = SKR_VALUE_ADDRESS;
        if (skr_address_parse(text, &value.address) != 0) {
            snprintf(why, SKR_WHY_MAX, "must be an IP address, like 10.1.2.3");
            return -EINVAL;
        }
        break;
    default:
        snprintf(why, SKR_WHY_MAX, "is not a single value");
        return -EINVAL;
    }
    *ret = value;
    return 0;
}

int skr_value_from_text(const struct skr_field *field, const char *text, struct skr_value *ret, struct skr_error *error)
{
    char why[SKR_WHY_MAX];
    bool list = field->kind == SKR_KIND_REFERENCES || field->kind == SKR_KIND_ADDRESSES;
    if (list)
        snprintf(why, sizeof(why), "is not a single value");
    else if (skr_scalar_from_text(field, text, ret, why) == 0)
        return 0;
    return skr_error_set(error, SKR_ERROR_INVALID, "%s %s", field->name, why);
}

size_t skr_field_entries_max(const struct skr_field *field)
{
    return field->maximum ? (size_t)field->maximum : SKR_LIST_MAX;
}

/* A default is a scalar, checked by the unit test of tables. */
static void parse_fallback(const struct skr_field *field, struct skr_value *ret)
{
    json_t *json = json_loads(field->fallback, JSON_DECODE_ANY, NULL);
    char why[SKR_WHY_MAX];
    if (json_is_string(json))
        skr_scalar_from_text(field, json_string_value(json), ret, why);
    else if (json_is_integer(json) || json_is_boolean(json))
        *ret = (struct skr_value){.type = SKR_VALUE_INTEGER,
                                  .integer = json_is_integer(json) ? json_integer_value(json) : json_is_true(json)};
    json_decref(json);
}

static void empty_of_kind(const struct skr_field *field, struct skr_value *ret)
{
    struct skr_value value = {0};
    switch (field->kind) {
    case SKR_KIND_INTEGER:
        value.type = field->minimum > 0 || field->maximum < 0 ? SKR_VALUE_ABSENT : SKR_VALUE_INTEGER;
        break;
    case SKR_KIND_BOOLEAN:
        value.type = SKR_VALUE_INTEGER;
        break;
    case SKR_KIND_TEXT:
        if (field->minimum == 0)
            skr_value_copy(&value, &(struct skr_value){.type = SKR_VALUE_TEXT, .text = (char[]){""}});
        break;
    case SKR_KIND_REFERENCES:
        value.type = SKR_VALUE_UUIDS;
        break;
    case SKR_KIND_ADDRESSES:
        value.type = SKR_VALUE_ADDRESSES;
        break;
    case SKR_KIND_STRUCTS:
        value.type = SKR_VALUE_OBJECTS;
        break;
    case SKR_KIND_STRUCT: {
        struct skr_object *object = skr_object_new(field->sub);
        skr_object_fill_defaults(object);
        skr_value_copy(&value, &(struct skr_value){.type = SKR_VALUE_OBJECTS, .count = 1, .objects = &object});
        skr_object_unref(object);
        break;
    }
    case SKR_KIND_JSON:
        value = (struct skr_value){.type = SKR_VALUE_JSON,
                                   .json = field->json_shape == '[' ? json_array() : json_object()};
        break;
    default:
        break;
    }
    *ret = value;
}

void skr_field_default(const struct skr_field *field, struct skr_value *ret)
{
    *ret = (struct skr_value){0};
    if (field->fallback)
        parse_fallback(field, ret);
    else if (field->flags & SKR_FIELD_NULLABLE)
        ret->type = SKR_VALUE_NULL;
    else
        empty_of_kind(field, ret);
}

void skr_object_fill_defaults(struct skr_object *object)
{
    for (unsigned i = 0; i < object->resource->field_count; i++)
        if (object->values[i].type == SKR_VALUE_ABSENT)
            skr_field_default(&object->resource->fields[i], &object->values[i]);
}
