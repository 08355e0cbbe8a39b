#include "controller/api/http.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

/* OpenAPI 3.1 from the same tables that route and validate. One schema an object: what only the controller writes is
 * readOnly, what is shown once is described so. A PATCH takes the same members, none required. */

static json_t *schema_of_table(const struct skr_resource *table, bool partial);

static json_t *typed(const char *type, const char *format, bool nullable)
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
    json_t *schema = typed("array", NULL, false);
    json_object_set_new(schema, "items", items);
    json_object_set_new(schema, "maxItems", json_integer(field->maximum ? field->maximum : SKR_LIST_MAX));
    return schema;
}

static json_t *schema_of_enum(const struct skr_field *field, bool nullable)
{
    json_t *schema = typed("string", NULL, nullable), *choices = json_array();
    for (const char *const *choice = field->choices; choice && *choice; choice++)
        json_array_append_new(choices, json_string(*choice));
    if (nullable)
        json_array_append_new(choices, json_null());
    json_object_set_new(schema, "enum", choices);
    return schema;
}

static json_t *schema_of_text(const struct skr_field *field, bool nullable)
{
    json_t *schema = typed("string", NULL, nullable);
    if (field->minimum)
        json_object_set_new(schema, "minLength", json_integer(field->minimum));
    json_object_set_new(schema, "maxLength", json_integer(field->maximum ? field->maximum : SKR_TEXT_MAX));
    return schema;
}

static json_t *schema_of_integer(const struct skr_field *field, bool nullable)
{
    /* The etag is written as text, the way the ETag header carries it. */
    if (strcmp(field->name, "etag") == 0)
        return typed("string", NULL, false);
    json_t *schema = typed("integer", "int64", nullable);
    if (field->minimum || field->maximum) {
        json_object_set_new(schema, "minimum", json_integer(field->minimum));
        json_object_set_new(schema, "maximum", json_integer(field->maximum));
    }
    return schema;
}

static json_t *schema_of_kind(const struct skr_field *field, bool nullable)
{
    switch (field->kind) {
    case SKR_KIND_TEXT:
        return schema_of_text(field, nullable);
    case SKR_KIND_SECRET:
        return typed("string", NULL, nullable);
    case SKR_KIND_INTEGER:
        return schema_of_integer(field, nullable);
    case SKR_KIND_BOOLEAN:
        return typed("boolean", NULL, nullable);
    case SKR_KIND_ENUM:
        return schema_of_enum(field, nullable);
    case SKR_KIND_TIME:
        return typed("string", "date-time", nullable);
    case SKR_KIND_UUID:
    case SKR_KIND_REFERENCE:
        return typed("string", "uuid", nullable);
    case SKR_KIND_ADDRESS:
        return typed("string", "ip", nullable);
    case SKR_KIND_PREFIX:
        return typed("string", "cidr", nullable);
    case SKR_KIND_MAC:
        return typed("string", "mac", nullable);
    case SKR_KIND_REFERENCES:
        return list_of(typed("string", "uuid", false), field);
    case SKR_KIND_ADDRESSES:
        return list_of(typed("string", "ip", false), field);
    case SKR_KIND_STRUCTS:
        return list_of(schema_of_table(field->sub, false), field);
    case SKR_KIND_STRUCT:
        return schema_of_table(field->sub, false);
    case SKR_KIND_JSON:
        return typed(field->json_shape == '[' ? "array" : "object", NULL, nullable);
    case SKR_KIND_COMPUTED:
        return json_object();
    }
    return json_object();
}

static json_t *schema_of_field(const struct skr_field *field)
{
    json_t *schema = schema_of_kind(field, field->flags & SKR_FIELD_NULLABLE);
    if (field->help)
        json_object_set_new(schema, "description", json_string(field->help));
    if (field->flags & SKR_FIELD_READ_ONLY || field->kind == SKR_KIND_COMPUTED)
        json_object_set_new(schema, "readOnly", json_true());
    else if (field->kind == SKR_KIND_SECRET)
        json_object_set_new(schema, "writeOnly", json_true());
    if (field->fallback) {
        json_t *fallback = json_loads(field->fallback, JSON_DECODE_ANY, NULL);
        if (fallback)
            json_object_set_new(schema, "default", fallback);
    }
    if (field->kind == SKR_KIND_REFERENCE || field->kind == SKR_KIND_REFERENCES)
        json_object_set_new(schema, "x-skerry-kind", json_string(skr_resource_get(field->target)->name));
    if (field->flags & SKR_FIELD_IMMUTABLE)
        json_object_set_new(schema, "x-skerry-immutable", json_true());
    return schema;
}

static json_t *schema_of_table(const struct skr_resource *table, bool partial)
{
    json_t *schema = typed("object", NULL, false), *properties = json_object(), *required = json_array();
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct skr_field *field = &table->fields[i];
        bool written = !(field->flags & SKR_FIELD_READ_ONLY) && field->kind != SKR_KIND_COMPUTED;
        if (field->flags & SKR_FIELD_HIDDEN || (partial && (!written || field->flags & SKR_FIELD_IMMUTABLE)))
            continue;
        json_object_set_new(properties, field->name, schema_of_field(field));
        if (field->flags & SKR_FIELD_REQUIRED && !partial)
            json_array_append_new(required, json_string(field->name));
    }
    json_object_set_new(schema, "properties", properties);
    json_object_set_new(schema, "additionalProperties", json_false());
    if (json_array_size(required))
        json_object_set_new(schema, "required", required);
    else
        json_decref(required);
    return schema;
}

static json_t *schema_of_resource(const struct skr_resource *resource)
{
    json_t *schema = schema_of_table(resource, false);
    json_t *properties = json_object_get(schema, "properties");
    json_object_set_new(schema, "description", json_string(resource->help));
    if (!(resource->flags & SKR_RESOURCE_VIEW))
        json_object_set_new(properties, "status",
                            json_pack("{s:s,s:b,s:s}", "type", "object", "readOnly", 1, "description",
                                      "Realization, and for hosts whether they are online"));
    if (resource->id == SKR_JOIN_TOKEN) {
        json_object_set_new(properties, "join_string",
                            json_pack("{s:s,s:b,s:s}", "type", "string", "readOnly", 1, "description",
                                      "For skerry-agent join; answered to the create alone"));
        json_object_set_new(properties, "join_command",
                            json_pack("{s:s,s:b,s:s}", "type", "string", "readOnly", 1, "description",
                                      "The whole command; answered to the create alone"));
    }
    return schema;
}

/* ---- operations ---- */

static json_t *reference(const char *format, ...) SKR_PRINTF(1, 2);
static json_t *reference(const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return json_pack("{s:s}", "$ref", text);
}

static json_t *content(const char *type, json_t *schema)
{
    return json_pack("{s:{s:{s:o}}}", "content", type, "schema", schema);
}

static json_t *answer(const char *description, json_t *schema)
{
    json_t *made = schema ? content("application/json", schema) : json_object();
    json_object_set_new(made, "description", json_string(description));
    return made;
}

static void add_parameter(json_t *parameters, const char *name, const char *in, const char *help, json_t *schema)
{
    json_t *parameter = json_pack("{s:s,s:s,s:o}", "name", name, "in", in, "schema", schema);
    if (help)
        json_object_set_new(parameter, "description", json_string(help));
    if (strcmp(in, "path") == 0)
        json_object_set_new(parameter, "required", json_true());
    json_array_append_new(parameters, parameter);
}

static json_t *parameters_of(const struct skr_route *route, enum skr_http_method method)
{
    json_t *parameters = json_array();
    if (route->kind == SKR_ROUTE_OBJECT || route->kind == SKR_ROUTE_ACTION)
        add_parameter(parameters, "id", "path", NULL, typed("string", "uuid", false));
    if (route->kind == SKR_ROUTE_FIXED && route->fixed->word)
        add_parameter(parameters, route->fixed->word, "path", NULL, typed("integer", "int64", false));
    for (const char *const *name = skr_route_parameters(route, method); *name; name++)
        add_parameter(parameters, *name, "query", NULL, typed("string", NULL, false));
    const struct skr_resource *resource = route->resource;
    if (route->kind == SKR_ROUTE_COLLECTION && method == SKR_HTTP_GET)
        for (unsigned i = 0; i < resource->field_count; i++)
            if (resource->fields[i].flags & SKR_FIELD_FILTER)
                add_parameter(parameters, resource->fields[i].name, "query", resource->fields[i].help,
                              schema_of_kind(&resource->fields[i], false));
    if (method == SKR_HTTP_PUT || method == SKR_HTTP_PATCH || method == SKR_HTTP_DELETE)
        add_parameter(parameters, "If-Match", "header", "ETag of the last GET", typed("string", NULL, false));
    return parameters;
}

static json_t *operation(const struct skr_route *route, enum skr_http_method method, const char *summary, json_t *body,
                         const char *status, json_t *good)
{
    json_t *made = json_pack("{s:s,s:o}", "summary", summary, "parameters", parameters_of(route, method));
    if (body)
        json_object_set_new(made, "requestBody", body);
    json_t *answers = json_pack("{s:o}", status, good);
    json_t *problem = content("application/problem+json", reference("#/components/schemas/problem"));
    json_object_set_new(problem, "description", json_string("A problem (RFC 9457)"));
    json_object_set_new(answers, "default", problem);
    json_object_set_new(made, "responses", answers);
    if (skr_route_is_public(route, method))
        json_object_set_new(made, "security", json_array());
    return made;
}

static json_t *list_schema(const struct skr_resource *resource)
{
    return json_pack("{s:s,s:{s:{s:s,s:o},s:{s:[s,s]},s:{s:s}}}", "type", "object", "properties", "items", "type",
                     "array", "items", reference("#/components/schemas/%s", resource->name), "next_page_token", "type",
                     "string", "null", "revision", "type", "integer");
}

static void add_collection(json_t *paths, const struct skr_resource *resource)
{
    char path[128], summary[160];
    struct skr_route route = {.kind = SKR_ROUTE_COLLECTION, .resource = resource};
    json_t *operations = json_object();
    snprintf(path, sizeof(path), "/v1/%s", resource->collection);
    snprintf(summary, sizeof(summary), "List %s", resource->collection);
    json_object_set_new(operations, "get",
                        operation(&route, SKR_HTTP_GET, summary, NULL, "200", answer("A page", list_schema(resource))));
    if (skr_route_collection_methods(resource) & SKR_HTTP_POST) {
        snprintf(summary, sizeof(summary), "Create a %s", resource->name);
        json_object_set_new(operations, "post",
                            operation(&route, SKR_HTTP_POST, summary,
                                      content("application/json", reference("#/components/schemas/%s", resource->name)),
                                      "201", answer("Created", reference("#/components/schemas/%s", resource->name))));
    }
    json_object_set_new(paths, path, operations);
}

static void add_object(json_t *paths, const struct skr_resource *resource)
{
    static const struct {
        enum skr_http_method method;
        const char *key, *verb, *status, *media, *schema_suffix;
    } kinds[] = {{SKR_HTTP_GET, "get", "Read", "200", NULL, ""},
                 {SKR_HTTP_PUT, "put", "Replace", "200", "application/json", ""},
                 {SKR_HTTP_PATCH, "patch", "Change", "200", "application/merge-patch+json", "-patch"},
                 {SKR_HTTP_DELETE, "delete", "Delete", "204", NULL, ""}};
    char path[128], summary[160];
    struct skr_route route = {.kind = SKR_ROUTE_OBJECT, .resource = resource};
    json_t *operations = json_object();
    snprintf(path, sizeof(path), "/v1/%s/{id}", resource->collection);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++) {
        if (!(skr_route_object_methods(resource) & kinds[i].method))
            continue;
        snprintf(summary, sizeof(summary), "%s a %s", kinds[i].verb, resource->name);
        json_t *body = kinds[i].media ? content(kinds[i].media, reference("#/components/schemas/%s%s", resource->name,
                                                                          kinds[i].schema_suffix))
                                      : NULL;
        json_t *schema =
                kinds[i].method == SKR_HTTP_DELETE ? NULL : reference("#/components/schemas/%s", resource->name);
        json_object_set_new(operations, kinds[i].key,
                            operation(&route, kinds[i].method, summary, body, kinds[i].status,
                                      answer(schema ? "The object" : "Deleted", schema)));
    }
    json_object_set_new(paths, path, operations);
}

static void add_actions(json_t *paths, const struct skr_resource *resource)
{
    for (unsigned i = 0; i < resource->action_count; i++) {
        const struct skr_action *action = &resource->actions[i];
        struct skr_route route = {.kind = SKR_ROUTE_ACTION, .resource = resource, .action = action};
        char path[160];
        snprintf(path, sizeof(path), "/v1/%s/{id}:%s", resource->collection, action->verb);
        json_t *body = action->input ? content("application/json", schema_of_table(action->input, false)) : NULL;
        json_object_set_new(paths, path,
                            json_pack("{s:o}", "post",
                                      operation(&route, SKR_HTTP_POST, action->help, body, "200",
                                                answer("Done; 204 when there is nothing to say", json_object()))));
    }
}

static const char controller_schema[] =
        "{\"type\": \"object\", \"additionalProperties\": false,"
        " \"required\": [\"version\", \"database_id\", \"south_address\", \"authority_key_hash\", \"revision\","
        " \"rolled_back\"],"
        " \"properties\": {\"version\": {\"type\": \"string\"},"
        " \"database_id\": {\"type\": \"string\", \"format\": \"uuid\"},"
        " \"south_address\": {\"type\": \"string\"}, \"authority_key_hash\": {\"type\": \"string\"},"
        " \"revision\": {\"type\": \"integer\"}, \"rolled_back\": {\"type\": \"boolean\"}}}";
static const char whoami_schema[] =
        "{\"type\": \"object\", \"additionalProperties\": false,"
        " \"required\": [\"kind\", \"id\", \"name\", \"role\"],"
        " \"properties\": {\"kind\": {\"enum\": [\"token\", \"session\"]},"
        " \"id\": {\"type\": \"string\", \"format\": \"uuid\"}, \"name\": {\"type\": \"string\"},"
        " \"role\": {\"type\": \"string\"}, \"user_id\": {\"type\": [\"string\", \"null\"]},"
        " \"tenant_id\": {\"type\": [\"string\", \"null\"]},"
        " \"host_group_id\": {\"type\": [\"string\", \"null\"]},"
        " \"csrf_token\": {\"type\": [\"string\", \"null\"], \"description\":"
        " \"For X-CSRF-Token, with every write of this session; null: a token needs none\"}}}";
static const char write_realization_schema[] =
        "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"state\", \"hosts\", \"revision\"],"
        " \"properties\": {\"state\": {\"enum\": [\"pending\", \"realized\", \"failed\"]},"
        " \"hosts\": {\"type\": \"object\"}, \"revision\": {\"type\": \"integer\"}}}";

static json_t *schema_text(const char *text)
{
    json_t *schema = json_loads(text, 0, NULL);
    if (!schema)
        abort(); /* a test reads every one */
    return schema;
}

static json_t *fixed_operation(const struct skr_fixed_route *fixed)
{
    struct skr_route route = {.kind = SKR_ROUTE_FIXED, .fixed = fixed};
    char status[8];
    json_t *body =
            fixed->body ? content(fixed->body_media ? fixed->body_media : "application/json", schema_text(fixed->body))
                        : NULL;
    json_t *good = fixed->answer ? content(fixed->answer_media ? fixed->answer_media : "application/json",
                                           schema_text(fixed->answer))
                                 : json_object();
    json_object_set_new(good, "description", json_string(fixed->answer ? "The answer" : "Done"));
    snprintf(status, sizeof(status), "%u", fixed->status);
    return operation(&route, fixed->method, fixed->help, body, status, good);
}

static void add_fixed(json_t *paths)
{
    for (unsigned i = 0; i < skr_fixed_route_count; i++) {
        const struct skr_fixed_route *fixed = &skr_fixed_routes[i];
        char path[128], method[SKR_HTTP_METHODS_TEXT_MAX];
        snprintf(path, sizeof(path), fixed->word ? "%s{%s}" : "%s%s", fixed->path, fixed->word ? fixed->word : "");
        skr_http_methods_format(fixed->method, method);
        for (char *at = method; *at; at++)
            *at = (char)tolower((unsigned char)*at);
        json_t *operations = json_object_get(paths, path);
        if (!operations) {
            operations = json_object();
            json_object_set_new(paths, path, operations);
        }
        json_object_set_new(operations, method, fixed_operation(fixed));
    }
}

char *skr_openapi_text(void)
{
    json_t *paths = json_object(), *schemas = json_object();
    add_fixed(paths);
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        char name[80];
        add_collection(paths, resource);
        add_object(paths, resource);
        add_actions(paths, resource);
        json_object_set_new(schemas, resource->name, schema_of_resource(resource));
        snprintf(name, sizeof(name), "%s-patch", resource->name);
        if (skr_route_object_methods(resource) & SKR_HTTP_PATCH)
            json_object_set_new(schemas, name, schema_of_table(resource, true));
    }
    json_object_set_new(schemas, "problem",
                        json_pack("{s:s,s:{s:{s:s},s:{s:s},s:{s:s},s:{s:s},s:{s:s},s:{s:s}}}", "type", "object",
                                  "properties", "type", "type", "string", "title", "type", "string", "status", "type",
                                  "integer", "detail", "type", "string", "errors", "type", "array", "request_id",
                                  "type", "string"));
    json_object_set_new(schemas, "controller", schema_text(controller_schema));
    json_object_set_new(schemas, "whoami", schema_text(whoami_schema));
    json_object_set_new(schemas, "write-realization", schema_text(write_realization_schema));
    json_t *root = json_pack("{s:s,s:{s:s,s:s,s:s},s:[{s:[]}],s:o,s:{s:o,s:{s:{s:s,s:s}}}}", "openapi", "3.1.0", "info",
                             "title", "Skerry", "version", SKR_VERSION, "description",
                             "Software-defined networking for virtualization hosts", "security", "bearer", "paths",
                             paths, "components", "schemas", schemas, "securitySchemes", "bearer", "type", "http",
                             "scheme", "bearer");
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        abort();
    return text;
}

void skr_http_openapi(struct skr_http_request *request)
{
    skr_http_answer_text(request, 200, "application/json", strdup(request->api->openapi));
}
