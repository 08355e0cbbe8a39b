/* Object -> JSON. */
#include <skerry/clock.h>
#include <skerry/object.h>
#include <stdio.h>
#include <string.h>

static json_t *integer_to_json(const struct skr_field *field, int64_t value)
{
    char text[SKR_TIME_TEXT_MAX];
    if (field->kind == SKR_KIND_BOOLEAN)
        return json_boolean(value);
    if (field->kind == SKR_KIND_TIME)
        return json_string(skr_time_format(value, text));
    if (strcmp(field->name, "etag") == 0) { /* text, so that nobody computes with it */
        snprintf(text, sizeof(text), "%lld", (long long)value);
        return json_string(text);
    }
    return json_integer(value);
}

static json_t *uuid_to_json(const struct skr_uuid *uuid)
{
    char text[SKR_UUID_TEXT_MAX];
    return json_string(skr_uuid_format(uuid, text));
}

static json_t *address_to_json(const struct skr_address *address)
{
    char text[SKR_ADDRESS_TEXT_MAX];
    return json_string(skr_address_format(address, text));
}

static json_t *list_to_json(const struct skr_value *value, enum skr_role role)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < value->count; i++)
        json_array_append_new(list, value->type == SKR_VALUE_UUIDS       ? uuid_to_json(&value->uuids[i])
                                    : value->type == SKR_VALUE_ADDRESSES ? address_to_json(&value->addresses[i])
                                                                         : skr_object_to_json(value->objects[i], role));
    return list;
}

json_t *skr_value_to_json(const struct skr_field *field, const struct skr_value *value, enum skr_role role)
{
    char prefix[SKR_PREFIX_TEXT_MAX], mac[SKR_MAC_TEXT_MAX];
    switch (value->type) {
    case SKR_VALUE_ABSENT:
    case SKR_VALUE_NULL:
        return json_null();
    case SKR_VALUE_INTEGER:
        return integer_to_json(field, value->integer);
    case SKR_VALUE_TEXT:
        return json_string(value->text);
    case SKR_VALUE_UUID:
        return uuid_to_json(&value->uuid);
    case SKR_VALUE_ADDRESS:
        return address_to_json(&value->address);
    case SKR_VALUE_PREFIX:
        return json_string(skr_prefix_format(&value->prefix, prefix));
    case SKR_VALUE_MAC:
        return json_string(skr_mac_format(&value->mac, mac));
    case SKR_VALUE_JSON:
        return json_deep_copy(value->json);
    case SKR_VALUE_OBJECTS:
        if (field->kind == SKR_KIND_STRUCT)
            return skr_object_to_json(value->objects[0], role);
        return list_to_json(value, role);
    default:
        return list_to_json(value, role);
    }
}

json_t *skr_object_to_json(const struct skr_object *object, enum skr_role role)
{
    const struct skr_resource *resource = object->resource;
    json_t *json = json_object(), *status = NULL;
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        const struct skr_value *value = &object->values[i];
        if (value->type == SKR_VALUE_ABSENT || (field->flags & SKR_FIELD_HIDDEN) ||
            !skr_role_reads(field->reader, role))
            continue;
        json_t *target = json;
        if (skr_resource_in_status(resource, (int)i))
            target = status ? status : (status = json_object());
        json_object_set_new(target, field->name, skr_value_to_json(field, value, role));
    }
    if (status)
        json_object_set_new(json, "status", status);
    return json;
}
