#include "controller/store/sqlite/private.h"
#include <string.h>

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- defaults ---- */

/* The table's fallback for the kinds that have one as plain JSON; false when it says nothing. */
static bool fill_fallback(struct skr_object *object, int number)
{
    const struct skr_field *field = &object->resource->fields[number];
    if (!field->fallback)
        return false;
    json_t *json = json_loads(field->fallback, JSON_DECODE_ANY, NULL);
    bool filled = true;
    if (field->kind == SKR_KIND_JSON && json)
        skr_object_set_json(object, number, json_incref(json));
    else if (json_is_integer(json))
        skr_object_set_integer(object, number, json_integer_value(json));
    else if (json_is_boolean(json))
        skr_object_set_integer(object, number, json_is_true(json));
    else if (json_is_string(json) && (field->kind == SKR_KIND_TEXT || field->kind == SKR_KIND_ENUM))
        skr_object_set_text(object, number, json_string_value(json));
    else
        filled = false;
    json_decref(json);
    return filled;
}

static void fill_absent(struct skr_object *object, int number)
{
    const struct skr_field *field = &object->resource->fields[number];
    if (fill_fallback(object, number))
        return;
    switch (field->flags & SKR_FIELD_NULLABLE ? SKR_KIND_SECRET : field->kind) {
    case SKR_KIND_TEXT:
        skr_object_set_text(object, number, "");
        break;
    case SKR_KIND_INTEGER:
    case SKR_KIND_BOOLEAN:
    case SKR_KIND_TIME:
        skr_object_set_integer(object, number, 0);
        break;
    case SKR_KIND_REFERENCES:
        skr_object_set_uuids(object, number, NULL, 0);
        break;
    case SKR_KIND_ADDRESSES:
        skr_object_set_addresses(object, number, NULL, 0);
        break;
    case SKR_KIND_STRUCTS:
        object->values[number] = (struct skr_value){.type = SKR_VALUE_OBJECTS};
        break;
    case SKR_KIND_STRUCT:
        object->values[number] = (struct skr_value){.type = SKR_VALUE_OBJECTS, .count = 1};
        object->values[number].objects = must(calloc(1, sizeof(struct skr_object *)));
        object->values[number].objects[0] = skr_object_new(field->sub);
        break;
    case SKR_KIND_JSON:
        skr_object_set_json(object, number, field->json_shape == '[' ? json_array() : json_object());
        break;
    default:
        skr_object_set_null(object, number);
        break;
    }
}

void skr_row_fill(struct skr_object *object)
{
    for (unsigned i = 0; i < object->resource->field_count; i++) {
        struct skr_value *value = &object->values[i];
        enum skr_kind kind = object->resource->fields[i].kind;
        if (value->type == SKR_VALUE_ABSENT && kind != SKR_KIND_COMPUTED && kind != SKR_KIND_SECRET)
            fill_absent(object, (int)i);
        for (uint32_t k = 0; value->type == SKR_VALUE_OBJECTS && k < value->count; k++)
            skr_row_fill(value->objects[k]);
    }
}

/* ---- object -> row ---- */

static void bind_owned(struct skr_statement *statement, int index, char *text)
{
    int code = sqlite3_bind_text(statement->stmt, index, must(text), -1, free);
    if (code && !statement->bind_result)
        statement->bind_result = code;
}

static char *addresses_text(const struct skr_value *value)
{
    json_t *array = must(json_array());
    char text[SKR_ADDRESS_TEXT_MAX];
    for (uint32_t i = 0; i < value->count; i++)
        json_array_append_new(array, must(json_string(skr_address_format(&value->addresses[i], text))));
    char *dumped = json_dumps(array, JSON_COMPACT);
    json_decref(array);
    return dumped;
}

void skr_row_bind_value(struct skr_statement *statement, int index, const struct skr_value *value)
{
    switch (value->type) {
    case SKR_VALUE_INTEGER:
        skr_bind_integer(statement, index, value->integer);
        break;
    case SKR_VALUE_TEXT:
        skr_bind_text(statement, index, value->text);
        break;
    case SKR_VALUE_UUID:
        skr_bind_uuid(statement, index, &value->uuid);
        break;
    case SKR_VALUE_ADDRESS:
        skr_bind_address(statement, index, &value->address);
        break;
    case SKR_VALUE_PREFIX:
        skr_bind_prefix(statement, index, &value->prefix);
        break;
    case SKR_VALUE_MAC:
        skr_bind_mac(statement, index, &value->mac);
        break;
    case SKR_VALUE_ADDRESSES:
        bind_owned(statement, index, addresses_text(value));
        break;
    case SKR_VALUE_JSON:
        bind_owned(statement, index, json_dumps(value->json, JSON_COMPACT | JSON_ENCODE_ANY));
        break;
    default:
        skr_bind_null(statement, index);
        break;
    }
}

static const struct skr_value *column_value(const struct skr_object *object, const struct skr_column *column)
{
    static const struct skr_value null = {.type = SKR_VALUE_NULL};
    const struct skr_value *value = &object->values[column->field];
    if (column->sub < 0)
        return value;
    return value->type == SKR_VALUE_OBJECTS && value->count ? &value->objects[0]->values[column->sub] : &null;
}

void skr_row_bind(struct skr_statement *statement, int first, const struct skr_column *columns, unsigned count,
                  const struct skr_object *object, bool status)
{
    for (unsigned i = 0; i < count; i++)
        if (!status || i == 0 || columns[i].unversioned)
            skr_row_bind_value(statement, first++, column_value(object, &columns[i]));
}

/* ---- row -> object ---- */

static void read_addresses(struct skr_object *object, int number, const char *text)
{
    struct skr_value *value = &object->values[number];
    json_t *array = json_loads(text, 0, NULL);
    size_t count = json_array_size(array);
    skr_value_clear(value);
    *value = (struct skr_value){.type = SKR_VALUE_ADDRESSES, .count = (uint32_t)count};
    if (count)
        value->addresses = must(calloc(count, sizeof(struct skr_address)));
    for (size_t i = 0; i < count; i++)
        skr_address_parse(json_string_value(json_array_get(array, i)), &value->addresses[i]);
    json_decref(array);
}

static void read_json(struct skr_object *object, int number, const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    if (json)
        skr_object_set_json(object, number, json);
    else
        skr_object_set_null(object, number);
}

static void read_value(struct skr_statement *statement, int column, struct skr_object *object, int number)
{
    const struct skr_field *field = &object->resource->fields[number];
    struct skr_value *value = &object->values[number];
    if (skr_column_is_null(statement, column)) {
        skr_object_set_null(object, number);
        return;
    }
    skr_value_clear(value);
    switch (field->kind) {
    case SKR_KIND_TEXT:
    case SKR_KIND_ENUM:
        skr_object_set_text(object, number, skr_column_text(statement, column));
        break;
    case SKR_KIND_INTEGER:
    case SKR_KIND_BOOLEAN:
    case SKR_KIND_TIME:
        *value = (struct skr_value){.type = SKR_VALUE_INTEGER, .integer = skr_column_integer(statement, column)};
        break;
    case SKR_KIND_UUID:
    case SKR_KIND_REFERENCE:
        *value = (struct skr_value){.type = SKR_VALUE_UUID, .uuid = skr_column_uuid(statement, column)};
        break;
    case SKR_KIND_ADDRESS:
        *value = (struct skr_value){.type = SKR_VALUE_ADDRESS, .address = skr_column_address(statement, column)};
        break;
    case SKR_KIND_PREFIX:
        *value = (struct skr_value){.type = SKR_VALUE_PREFIX, .prefix = skr_column_prefix(statement, column)};
        break;
    case SKR_KIND_MAC:
        *value = (struct skr_value){.type = SKR_VALUE_MAC, .mac = skr_column_mac(statement, column)};
        break;
    case SKR_KIND_ADDRESSES:
        read_addresses(object, number, skr_column_text(statement, column));
        break;
    default:
        read_json(object, number, skr_column_text(statement, column));
        break;
    }
}

/* The nested object a column belongs to, made at its first column. */
static struct skr_object *nested(struct skr_object *object, int number)
{
    struct skr_value *value = &object->values[number];
    if (value->type != SKR_VALUE_OBJECTS) {
        skr_value_clear(value);
        *value = (struct skr_value){.type = SKR_VALUE_OBJECTS, .count = 1};
        value->objects = must(calloc(1, sizeof(struct skr_object *)));
        value->objects[0] = skr_object_new(object->resource->fields[number].sub);
    }
    return value->objects[0];
}

/* A nullable nested object of which every column is null is null itself. */
static void drop_empty(struct skr_object *object)
{
    for (unsigned i = 0; i < object->resource->field_count; i++) {
        const struct skr_field *field = &object->resource->fields[i];
        bool empty = field->kind == SKR_KIND_STRUCT && field->flags & SKR_FIELD_NULLABLE;
        for (unsigned k = 0; empty && k < field->sub->field_count; k++)
            empty = !skr_object_has(object->values[i].objects[0], (int)k);
        if (empty)
            skr_object_set_null(object, (int)i);
    }
}

void skr_row_read(struct skr_statement *statement, int first, const struct skr_column *columns, unsigned count,
                  struct skr_object *object)
{
    for (unsigned i = 0; i < count; i++) {
        const struct skr_column *column = &columns[i];
        if (column->sub < 0)
            read_value(statement, first + (int)i, object, column->field);
        else
            read_value(statement, first + (int)i, nested(object, column->field), column->sub);
    }
    drop_empty(object);
}
