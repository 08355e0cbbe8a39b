#include "controller/api/openapi.h"

#include <stdarg.h>
#include <string.h>

json_t *skr_openapi_typed(const char *type, const char *format, bool nullable)
{
    json_t *schema = json_object();
    if (nullable)
        json_object_set_new(schema, "type", json_pack("[s,s]", type, "null"));
    else
        json_object_set_new(schema, "type", json_string(type));
    if (format)
        json_object_set_new(schema, "format", json_string(format));
    return schema;
}

static json_t *list_of(json_t *items, const struct skr_field *field)
{
    json_t *schema = skr_openapi_typed("array", NULL, false);
    json_object_set_new(schema, "items", items);
    json_object_set_new(schema, "maxItems", json_integer(field->maximum ? field->maximum : SKR_LIST_MAX));
    return schema;
}

static json_t *schema_of_enum(const struct skr_field *field, bool nullable)
{
    json_t *schema = skr_openapi_typed("string", NULL, nullable), *choices = json_array();
    for (const char *const *choice = field->choices; choice && *choice; choice++)
        json_array_append_new(choices, json_string(*choice));
    if (nullable)
        json_array_append_new(choices, json_null());
    json_object_set_new(schema, "enum", choices);
    return schema;
}

static json_t *schema_of_text(const struct skr_field *field, bool nullable)
{
    json_t *schema = skr_openapi_typed("string", NULL, nullable);
    if (field->minimum && !(field->flags & SKR_FIELD_READ_ONLY)) /* what rules write may say nothing */
        json_object_set_new(schema, "minLength", json_integer(field->minimum));
    json_object_set_new(schema, "maxLength", json_integer(field->maximum ? field->maximum : SKR_TEXT_MAX));
    return schema;
}

static json_t *schema_of_integer(const struct skr_field *field, bool nullable)
{
    /* The etag is written as text, the way the ETag header carries it. */
    if (strcmp(field->name, "etag") == 0)
        return skr_openapi_typed("string", NULL, false);
    json_t *schema = skr_openapi_typed("integer", "int64", nullable);
    if (field->minimum || field->maximum) {
        json_object_set_new(schema, "minimum", json_integer(field->minimum));
        json_object_set_new(schema, "maximum", json_integer(field->maximum));
    }
    return schema;
}

/* Requests write texts; rules may keep any JSON. */
static json_t *schema_of_json(const struct skr_field *field, enum skr_openapi_view view, bool nullable)
{
    bool list = field->json_shape == '[';
    json_t *schema = skr_openapi_typed(list ? "array" : "object", NULL, nullable);
    if (view == SKR_OPENAPI_ANSWER)
        return schema;
    json_t *member = skr_openapi_typed("string", NULL, view == SKR_OPENAPI_PATCH && !list);
    json_object_set_new(schema, list ? "items" : "additionalProperties", member);
    return schema;
}

static json_t *schema_of_kind(const struct skr_field *field, enum skr_openapi_view view, bool nullable)
{
    switch (field->kind) {
    case SKR_KIND_TEXT:
        return schema_of_text(field, nullable);
    case SKR_KIND_SECRET:
        return skr_openapi_typed("string", NULL, nullable);
    case SKR_KIND_INTEGER:
        return schema_of_integer(field, nullable);
    case SKR_KIND_BOOLEAN:
        return skr_openapi_typed("boolean", NULL, nullable);
    case SKR_KIND_ENUM:
        return schema_of_enum(field, nullable);
    case SKR_KIND_TIME:
        return skr_openapi_typed("string", "date-time", nullable);
    case SKR_KIND_UUID:
    case SKR_KIND_REFERENCE:
        return skr_openapi_typed("string", "uuid", nullable);
    case SKR_KIND_ADDRESS:
        return skr_openapi_typed("string", "ip", nullable);
    case SKR_KIND_PREFIX:
        return skr_openapi_typed("string", "cidr", nullable);
    case SKR_KIND_MAC:
        return skr_openapi_typed("string", "mac", nullable);
    case SKR_KIND_REFERENCES:
        return list_of(skr_openapi_typed("string", "uuid", false), field);
    case SKR_KIND_ADDRESSES:
        return list_of(skr_openapi_typed("string", "ip", false), field);
    case SKR_KIND_STRUCTS:
        return list_of(skr_openapi_table(field->sub, view), field);
    case SKR_KIND_STRUCT:
        return skr_openapi_table(field->sub, view);
    case SKR_KIND_JSON:
        return schema_of_json(field, view, nullable);
    case SKR_KIND_COMPUTED:
        return json_object();
    }
    return json_object();
}

static bool is_written(const struct skr_field *field)
{
    return !(field->flags & (SKR_FIELD_READ_ONLY | SKR_FIELD_HIDDEN)) && field->kind != SKR_KIND_COMPUTED;
}

static json_t *schema_of_field(const struct skr_field *field, enum skr_openapi_view view)
{
    /* A value that rules fill in may not be known yet; null in a PATCH resets to the default. */
    bool nullable = field->flags & SKR_FIELD_NULLABLE || view == SKR_OPENAPI_PATCH ||
                    (view == SKR_OPENAPI_ANSWER && !is_written(field));
    json_t *schema = schema_of_kind(field, view, nullable);
    if (field->help)
        json_object_set_new(schema, "description", json_string(field->help));
    if (view == SKR_OPENAPI_ANSWER && !is_written(field))
        json_object_set_new(schema, "readOnly", json_true());
    if (view != SKR_OPENAPI_ANSWER && field->kind == SKR_KIND_SECRET)
        json_object_set_new(schema, "writeOnly", json_true());
    json_t *fallback = field->fallback ? json_loads(field->fallback, JSON_DECODE_ANY, NULL) : NULL;
    if (fallback)
        json_object_set_new(schema, "default", fallback);
    if (field->kind == SKR_KIND_REFERENCE || field->kind == SKR_KIND_REFERENCES)
        json_object_set_new(schema, "x-skerry-kind", json_string(skr_resource_get(field->target)->name));
    if (field->flags & SKR_FIELD_IMMUTABLE)
        json_object_set_new(schema, "x-skerry-immutable", json_true());
    return schema;
}

json_t *skr_openapi_table(const struct skr_resource *table, enum skr_openapi_view view)
{
    json_t *schema = skr_openapi_typed("object", NULL, false), *properties = json_object(), *required = json_array();
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct skr_field *field = &table->fields[i];
        bool shown = view == SKR_OPENAPI_ANSWER ? !(field->flags & SKR_FIELD_HIDDEN) : is_written(field);
        if (!shown || (view == SKR_OPENAPI_PATCH && field->flags & SKR_FIELD_IMMUTABLE) ||
            (view == SKR_OPENAPI_ANSWER && table->table && skr_resource_in_status(table, (int)i)))
            continue;
        json_object_set_new(properties, field->name, schema_of_field(field, view));
        if (field->flags & SKR_FIELD_REQUIRED && view == SKR_OPENAPI_CREATE)
            json_array_append_new(required, json_string(field->name));
    }
    json_object_set_new(schema, "properties", properties);
    json_object_set_new(schema, "additionalProperties", json_false());
    if (json_array_size(required))
        json_object_set(schema, "required", required);
    json_decref(required);
    return schema;
}

static json_t *schema_of_status(const struct skr_resource *resource)
{
    json_t *properties = json_object();
    for (unsigned i = 0; i < resource->field_count; i++)
        if (skr_resource_in_status(resource, (int)i) && !(resource->fields[i].flags & SKR_FIELD_HIDDEN))
            json_object_set_new(properties, resource->fields[i].name,
                                schema_of_field(&resource->fields[i], SKR_OPENAPI_ANSWER));
    json_object_set_new(properties, "realization", skr_openapi_reference("#/components/schemas/realization"));
    if (resource->id == SKR_HOST) {
        json_object_set_new(properties, "online", skr_openapi_typed("boolean", NULL, false));
        json_object_set_new(properties, "online_since", skr_openapi_typed("string", "date-time", true));
    }
    return json_pack("{s:s,s:b,s:o,s:b}", "type", "object", "readOnly", 1, "properties", properties,
                     "additionalProperties", 0);
}

static void add_once(json_t *properties, const char *name, const char *help)
{
    json_object_set_new(properties, name,
                        json_pack("{s:s,s:b,s:s}", "type", "string", "readOnly", 1, "description", help));
}

json_t *skr_openapi_resource(const struct skr_resource *resource)
{
    json_t *schema = skr_openapi_table(resource, SKR_OPENAPI_ANSWER), *properties;
    properties = json_object_get(schema, "properties");
    json_object_set_new(schema, "description", json_string(resource->help));
    if (!(resource->flags & SKR_RESOURCE_VIEW))
        json_object_set_new(properties, "status", schema_of_status(resource));
    if (resource->id == SKR_JOIN_TOKEN) {
        add_once(properties, "join_string", "For skerry-agent join; answered to the create alone");
        add_once(properties, "join_command",
                 "The whole command, IFNAME in the place of the uplink; answered to the create alone");
    }
    return schema;
}

json_t *skr_openapi_filter(const struct skr_field *field)
{
    return schema_of_kind(field, SKR_OPENAPI_CREATE, false);
}

json_t *skr_openapi_reference(const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return json_pack("{s:s}", "$ref", text);
}

json_t *skr_openapi_parse(const char *text)
{
    json_t *schema = json_loads(text, 0, NULL);
    if (!schema)
        abort(); /* a test reads every one */
    return schema;
}

#define STATE "{\"enum\": [\"pending\", \"realized\", \"failed\", \"unplaced\"]}"
#define REALIZATION                                                                                                    \
    "\"state\": " STATE ", \"hosts\": {\"type\": \"object\", \"additionalProperties\": false,"                         \
    " \"required\": [\"applied\", \"pending\", \"offline\", \"failed\", \"not_applied\"], \"properties\": {"           \
    "\"applied\": {\"type\": \"integer\"}, \"pending\": {\"type\": \"integer\"}, \"offline\": {\"type\": "             \
    "\"integer\"},"                                                                                                    \
    " \"failed\": {\"type\": \"integer\"}, \"not_applied\": {\"type\": \"array\", \"items\": {\"type\": \"object\","   \
    " \"additionalProperties\": false, \"required\": [\"state\"], \"properties\": {\"id\": {\"type\": \"string\"},"    \
    " \"name\": {\"type\": \"string\"}, \"reason\": {\"type\": \"string\"},"                                           \
    " \"state\": {\"enum\": [\"applied\", \"pending\", \"offline\", \"failed\"]}}}}}}"

static const struct {
    const char *name, *text;
} common[] = {
        {"problem",
         "{\"type\": \"object\", \"additionalProperties\": false,"
         " \"required\": [\"type\", \"title\", \"status\", \"detail\", \"request_id\"], \"properties\": {"
         "\"type\": {\"type\": \"string\", \"pattern\": \"^urn:skerry:error:[a-z_-]+$\"},"
         " \"title\": {\"type\": \"string\"}, \"status\": {\"type\": \"integer\"},"
         " \"detail\": {\"type\": \"string\"}, \"request_id\": {\"type\": \"string\"},"
         " \"ports\": {\"type\": \"array\", \"description\": \"Of needs_confirmation: ports that hosts would lose, up "
         "to"
         " 100 of those that you see\", \"items\": {\"type\": \"object\", \"additionalProperties\": false,"
         " \"required\": [\"id\", \"name\"], \"properties\": {\"id\": {\"type\": \"string\", \"format\": \"uuid\"},"
         " \"name\": {\"type\": \"string\"}, \"host_id\": {\"type\": \"string\", \"format\": \"uuid\"}}}},"
         " \"port_count\": {\"type\": \"integer\", \"description\": \"How many they are in all\"},"
         " \"errors\": {\"type\": \"array\", \"items\": {\"type\": \"object\", \"additionalProperties\": false,"
         " \"required\": [\"pointer\", \"detail\"], \"properties\": {\"pointer\": {\"type\": \"string\"},"
         " \"detail\": {\"type\": \"string\"}}}}}}"},
        {"realization", "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"state\", \"hosts\"],"
                        " \"properties\": {" REALIZATION "}}"},
        {"write-realization", "{\"type\": \"object\", \"additionalProperties\": false,"
                              " \"required\": [\"state\", \"hosts\", \"revision\"],"
                              " \"properties\": {\"revision\": {\"type\": \"integer\"}, " REALIZATION "}}"},
        {"waited", "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"realization\"],"
                   " \"properties\": {\"realization\": {\"$ref\": \"#/components/schemas/realization\"}}}"},
        {"controller",
         "{\"type\": \"object\","
         " \"required\": [\"version\", \"database_id\", \"south_address\", \"authority_key_hash\", \"revision\","
         " \"rolled_back\"],"
         " \"properties\": {\"version\": {\"type\": \"string\"},"
         " \"database_id\": {\"type\": \"string\", \"format\": \"uuid\"},"
         " \"south_address\": {\"type\": \"string\"}, \"authority_key_hash\": {\"type\": \"string\"},"
         " \"revision\": {\"type\": \"integer\"}, \"rolled_back\": {\"type\": \"boolean\"}}}"},
        {"overlapping",
         "{\"type\": \"object\", \"additionalProperties\": false,"
         " \"required\": [\"kind\", \"id\", \"name\", \"parent_id\", \"parent\", \"prefix\", \"vlan_id\"],"
         " \"properties\": {\"kind\": {\"enum\": [\"vm-subnet\", \"network-site\"]},"
         " \"id\": {\"type\": \"string\", \"format\": \"uuid\"}, \"name\": {\"type\": \"string\"},"
         " \"parent_id\": {\"type\": \"string\", \"format\": \"uuid\"},"
         " \"parent\": {\"type\": \"string\", \"description\":"
         " \"Name of the VM network or logical network\"},"
         " \"prefix\": {\"type\": [\"string\", \"null\"]},"
         " \"vlan_id\": {\"type\": [\"integer\", \"null\"]}}}"},
        {"overlaps", "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"items\", \"complete\"],"
                     " \"properties\": {\"complete\": {\"type\": \"boolean\", \"description\":"
                     " \"false: there are more than the 1,000 shown\"},"
                     " \"items\": {\"type\": \"array\", \"items\": {\"type\": \"object\","
                     " \"additionalProperties\": false, \"required\": [\"conflict\", \"first\", \"second\"],"
                     " \"properties\": {\"conflict\": {\"enum\": [\"prefix\", \"vlan\"], \"description\":"
                     " \"Prefixes overlap, or a VLAN is used twice at the same hosts\"},"
                     " \"first\": {\"$ref\": \"#/components/schemas/overlapping\"},"
                     " \"second\": {\"$ref\": \"#/components/schemas/overlapping\"}}}}}}"},
        {"whoami", "{\"type\": \"object\", \"additionalProperties\": false,"
                   " \"required\": [\"kind\", \"id\", \"name\", \"role\"],"
                   " \"properties\": {\"kind\": {\"enum\": [\"token\", \"session\"]},"
                   " \"id\": {\"type\": \"string\", \"format\": \"uuid\"}, \"name\": {\"type\": \"string\"},"
                   " \"role\": {\"type\": \"string\"}, \"user_id\": {\"type\": [\"string\", \"null\"]},"
                   " \"tenant_id\": {\"type\": [\"string\", \"null\"]},"
                   " \"host_group_id\": {\"type\": [\"string\", \"null\"]},"
                   " \"csrf_token\": {\"type\": [\"string\", \"null\"], \"description\":"
                   " \"For X-CSRF-Token, with every write of this session; null: a token needs none\"}}}"},
        {"batch",
         "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"operations\"], \"properties\": {"
         "\"operations\": {\"type\": \"array\", \"minItems\": 1, \"maxItems\": 1000, \"items\": {\"type\": \"object\","
         " \"additionalProperties\": false, \"required\": [\"method\"], \"properties\": {"
         "\"method\": {\"enum\": [\"POST\", \"PUT\", \"PATCH\", \"DELETE\"]}, \"path\": {\"type\": \"string\"},"
         " \"resource\": {\"type\": \"string\"}, \"id\": {}, \"action\": {\"type\": \"string\"},"
         " \"body\": {\"type\": \"object\"}, \"if_match\": {\"type\": \"string\"},"
         " \"if_none_match_any\": {\"type\": \"boolean\"}}}}}}"},
        {"batch-results",
         "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"results\", \"revision\"],"
         " \"properties\": {\"revision\": {\"type\": \"integer\"},"
         " \"realization\": {\"$ref\": \"#/components/schemas/realization\"},"
         " \"results\": {\"type\": \"array\", \"items\": {\"type\": \"object\", \"additionalProperties\": false,"
         " \"required\": [\"status\"], \"properties\": {\"status\": {\"type\": \"integer\"},"
         " \"kind\": {\"type\": \"string\"}, \"id\": {\"type\": \"string\"}, \"location\": {\"type\": \"string\"},"
         " \"object\": {\"type\": \"object\"}, \"result\": {}}}}}}"},
};

void skr_openapi_common(json_t *schemas)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(common); i++)
        json_object_set_new(schemas, common[i].name, skr_openapi_parse(common[i].text));
}
