#include "controller/api/openapi.h"

#include <ctype.h>
#include <string.h>

#define SCHEMA(name) skr_openapi_reference("#/components/schemas/%s", name)

static json_t *content(const char *type, json_t *schema)
{
    return json_pack("{s:{s:{s:o}}}", "content", type, "schema", schema);
}

/* ---- parameters ---- */

static const struct {
    const char *name, *schema, *help;
} known[] = {
        {"limit", "{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 1000, \"default\": 50}", "Objects a page"},
        {"page_token", "{\"type\": \"string\"}", "next_page_token of the page before"},
        {"fields", "{\"type\": \"string\"}", "Names of the members to answer, separated by commas"},
        {"labels", "{\"type\": \"string\"}", "name=value or name, separated by commas: objects with all of them"},
        {"realization", "{\"enum\": [\"pending\", \"realized\", \"failed\", \"unplaced\"]}",
         "Objects in this state; a page may hold fewer than the limit although another follows"},
        {"watch", "{\"type\": \"boolean\"}", "Changes as Server-Sent Events instead of a page"},
        {"since", "{\"type\": \"integer\", \"minimum\": 0}", "Revision to watch from; 410 when it is forgotten"},
        {"dry_run", "{\"type\": \"boolean\"}", "Answer what would happen, store nothing"},
        {"tenant_id", "{\"type\": \"string\", \"format\": \"uuid\"}", "The tenant's alone"},
        {"confirm", "{\"type\": \"boolean\"}", "Many ports may leave a host by this"},
        {"wait", "{\"enum\": [\"realized\"]}", "Answer when every host that needs it has it"},
        {"timeout", "{\"type\": \"string\", \"pattern\": \"^[0-9]+(ms|s|m)$\"}", "How long to wait, at most 300s"},
};

static void add_parameter(json_t *parameters, const char *name, const char *in, const char *help, json_t *schema)
{
    json_t *parameter = json_pack("{s:s,s:s,s:o}", "name", name, "in", in, "schema", schema);
    if (help)
        json_object_set_new(parameter, "description", json_string(help));
    if (strcmp(in, "path") == 0)
        json_object_set_new(parameter, "required", json_true());
    json_array_append_new(parameters, parameter);
}

/* The parameters since and until are times in lists to which rows are only appended. */
static void add_time(json_t *parameters, const char *name)
{
    add_parameter(parameters, name, "query",
                  strcmp(name, "since") == 0 ? "Written at this time or later" : "Written at this time or earlier",
                  skr_openapi_parse("{\"type\": \"string\", \"format\": \"date-time\"}"));
}

static void add_known(json_t *parameters, const char *name)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(known); i++)
        if (strcmp(known[i].name, name) == 0) {
            add_parameter(parameters, name, "query", known[i].help, skr_openapi_parse(known[i].schema));
            return;
        }
    add_parameter(parameters, name, "query", NULL, skr_openapi_typed("string", NULL, false));
}

static void add_headers(json_t *parameters, const struct skr_route *route, enum skr_http_method method)
{
    json_t *text = skr_openapi_typed("string", NULL, false);
    bool batch = route->kind == SKR_ROUTE_FIXED && route->fixed->handle == skr_http_batch;
    bool keyed = batch || (route->kind != SKR_ROUTE_FIXED && !skr_route_is_public(route, method));
    if (route->kind == SKR_ROUTE_OBJECT && method != SKR_HTTP_GET)
        add_parameter(parameters, "If-Match", "header", "ETag of the last GET", json_incref(text));
    if (route->kind == SKR_ROUTE_COLLECTION && method == SKR_HTTP_POST)
        add_parameter(parameters, "If-None-Match", "header", "*: refused with 412 when the name is taken",
                      json_incref(text));
    if (method == SKR_HTTP_POST && keyed)
        add_parameter(parameters, "Idempotency-Key", "header", "The same key does the same request once; kept 24 hours",
                      json_incref(text));
    json_decref(text);
}

static json_t *parameters_of(const struct skr_route *route, enum skr_http_method method)
{
    json_t *parameters = json_array();
    const struct skr_resource *resource = route->resource;
    if (route->kind == SKR_ROUTE_OBJECT || route->kind == SKR_ROUTE_ACTION)
        add_parameter(parameters, "id", "path", NULL, skr_openapi_typed("string", "uuid", false));
    if (route->kind == SKR_ROUTE_FIXED && route->fixed->word)
        add_parameter(parameters, route->fixed->word, "path", NULL, skr_openapi_typed("string", NULL, false));
    bool history = resource && resource->flags & SKR_RESOURCE_APPENDED;
    for (const char *const *name = skr_route_parameters(route, method); *name; name++)
        if (history && (strcmp(*name, "since") == 0 || strcmp(*name, "until") == 0))
            add_time(parameters, *name);
        else
            add_known(parameters, *name);
    for (unsigned i = 0;
         resource && route->kind == SKR_ROUTE_COLLECTION && method == SKR_HTTP_GET && i < resource->field_count; i++)
        if (resource->fields[i].flags & SKR_FIELD_FILTER)
            add_parameter(parameters, resource->fields[i].name, "query", resource->fields[i].help,
                          skr_openapi_filter(&resource->fields[i]));
    add_headers(parameters, route, method);
    return parameters;
}

/* ---- operations ---- */

static void add_answer(json_t *operation, unsigned status, const char *description, const char *media, json_t *schema)
{
    char text[8];
    json_t *made = schema ? content(media, schema) : json_object();
    snprintf(text, sizeof(text), "%u", status);
    json_object_set_new(made, "description", json_string(description));
    json_object_set_new(json_object_get(operation, "responses"), text, made);
}

static json_t *operation(const struct skr_route *route, enum skr_http_method method, const char *summary, json_t *body)
{
    json_t *problem = content("application/problem+json", SCHEMA("problem"));
    json_object_set_new(problem, "description", json_string("A problem (RFC 9457)"));
    json_t *made = json_pack("{s:s,s:o,s:{s:o}}", "summary", summary, "parameters", parameters_of(route, method),
                             "responses", "default", problem);
    if (body)
        json_object_set_new(made, "requestBody", body);
    if (skr_route_is_public(route, method))
        json_object_set_new(made, "security", json_array());
    return made;
}

static json_t *required_body(const char *media, json_t *schema)
{
    json_t *body = content(media, schema);
    json_object_set_new(body, "required", json_true());
    return body;
}

static void set(json_t *paths, const char *path, enum skr_http_method method, json_t *operation)
{
    char name[SKR_HTTP_METHODS_TEXT_MAX];
    skr_http_methods_format(method, name);
    for (char *at = name; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    json_t *operations = json_object_get(paths, path);
    if (!operations) {
        operations = json_object();
        json_object_set_new(paths, path, operations);
    }
    json_object_set_new(operations, name, operation);
}

static json_t *list_schema(const struct skr_resource *resource)
{
    return json_pack("{s:s,s:b,s:[s,s,s],s:{s:{s:s,s:o},s:{s:[s,s]},s:{s:s}}}", "type", "object",
                     "additionalProperties", 0, "required", "items", "next_page_token", "revision", "properties",
                     "items", "type", "array", "items", SCHEMA(resource->name), "next_page_token", "type", "string",
                     "null", "revision", "type", "integer");
}

static void add_collection(json_t *paths, const struct skr_resource *resource)
{
    char path[128], summary[160], name[80];
    struct skr_route route = {.kind = SKR_ROUTE_COLLECTION, .resource = resource};
    snprintf(path, sizeof(path), "/v1/%s", resource->collection);
    snprintf(summary, sizeof(summary), "List %s", resource->collection);
    json_t *list = operation(&route, SKR_HTTP_GET, summary, NULL);
    add_answer(list, 200, "A page; with watch=true a stream", "application/json", list_schema(resource));
    json_t *media = json_object_get(json_object_get(json_object_get(list, "responses"), "200"), "content");
    json_object_set_new(media, "text/event-stream",
                        json_pack("{s:o}", "schema", skr_openapi_typed("string", NULL, false)));
    set(paths, path, SKR_HTTP_GET, list);
    if (!(skr_route_collection_methods(resource) & SKR_HTTP_POST))
        return;
    snprintf(summary, sizeof(summary), "Create a %s", resource->name);
    snprintf(name, sizeof(name), "%s-create", resource->name);
    json_t *create = operation(&route, SKR_HTTP_POST, summary, required_body("application/json", SCHEMA(name)));
    add_answer(create, 201, "Created", "application/json", SCHEMA(resource->name));
    add_answer(create, 200, "What a dry run would create", "application/json", SCHEMA(resource->name));
    add_answer(create, 202, "Created; a job carries on", "application/json", SCHEMA(resource->name));
    set(paths, path, SKR_HTTP_POST, create);
}

static void add_object(json_t *paths, const struct skr_resource *resource)
{
    static const struct {
        enum skr_http_method method;
        const char *verb, *media, *suffix;
    } kinds[] = {{SKR_HTTP_GET, "Read", NULL, ""},
                 {SKR_HTTP_PUT, "Replace", "application/json", "-create"},
                 {SKR_HTTP_PATCH, "Change", "application/merge-patch+json", "-patch"},
                 {SKR_HTTP_DELETE, "Delete", NULL, ""}};
    char path[128], summary[160], name[80];
    struct skr_route route = {.kind = SKR_ROUTE_OBJECT, .resource = resource};
    snprintf(path, sizeof(path), "/v1/%s/{id}", resource->collection);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++) {
        if (!(skr_route_object_methods(resource) & kinds[i].method))
            continue;
        snprintf(summary, sizeof(summary), "%s a %s", kinds[i].verb, resource->name);
        snprintf(name, sizeof(name), "%s%s", resource->name, kinds[i].suffix);
        json_t *made = operation(&route, kinds[i].method, summary,
                                 kinds[i].media ? required_body(kinds[i].media, SCHEMA(name)) : NULL);
        if (kinds[i].method == SKR_HTTP_DELETE) {
            add_answer(made, 204, "Deleted", NULL, NULL);
            add_answer(made, 200, "Deleted, and waited for", "application/json", SCHEMA("waited"));
        } else {
            add_answer(made, 200, "The object", "application/json", SCHEMA(resource->name));
        }
        if (kinds[i].method != SKR_HTTP_GET)
            add_answer(made, 202, "A job carries on; Location names it", "application/json",
                       skr_openapi_typed("object", NULL, false));
        set(paths, path, kinds[i].method, made);
    }
}

static void add_actions(json_t *paths, const struct skr_resource *resource)
{
    for (unsigned i = 0; i < resource->action_count; i++) {
        const struct skr_action *action = &resource->actions[i];
        struct skr_route route = {.kind = SKR_ROUTE_ACTION, .resource = resource, .action = action};
        char path[160];
        snprintf(path, sizeof(path), "/v1/%s/{id}:%s", resource->collection, action->verb);
        json_t *body = action->input ? content("application/json", skr_openapi_table(action->input, SKR_OPENAPI_CREATE))
                                     : NULL;
        json_t *made = operation(&route, SKR_HTTP_POST, action->help, body);
        add_answer(made, 200, "The object, or what the action found", "application/json",
                   skr_openapi_typed("object", NULL, false));
        add_answer(made, 202, "A job carries on; Location names it", "application/json", SCHEMA("job"));
        add_answer(made, 204, "Done", NULL, NULL);
        set(paths, path, SKR_HTTP_POST, made);
    }
}

static void add_fixed(json_t *paths)
{
    for (unsigned i = 0; i < skr_fixed_route_count; i++) {
        const struct skr_fixed_route *fixed = &skr_fixed_routes[i];
        struct skr_route route = {.kind = SKR_ROUTE_FIXED, .fixed = fixed};
        char path[128];
        snprintf(path, sizeof(path), fixed->word ? "%s{%s}" : "%s%s", fixed->path, fixed->word ? fixed->word : "");
        json_t *body = fixed->body ? required_body(fixed->body_media ? fixed->body_media : "application/json",
                                                   skr_openapi_parse(fixed->body))
                                   : NULL;
        json_t *made = operation(&route, fixed->method, fixed->help, body);
        add_answer(made, fixed->status, fixed->answer ? "The answer" : "Done",
                   fixed->answer_media ? fixed->answer_media : "application/json",
                   fixed->answer ? skr_openapi_parse(fixed->answer) : NULL);
        set(paths, path, fixed->method, made);
    }
}

static void add_schemas(json_t *schemas, const struct skr_resource *resource)
{
    char name[80];
    json_object_set_new(schemas, resource->name, skr_openapi_resource(resource));
    if (skr_route_collection_methods(resource) & SKR_HTTP_POST) {
        snprintf(name, sizeof(name), "%s-create", resource->name);
        json_object_set_new(schemas, name, skr_openapi_table(resource, SKR_OPENAPI_CREATE));
    }
    if (skr_route_object_methods(resource) & SKR_HTTP_PATCH) {
        snprintf(name, sizeof(name), "%s-patch", resource->name);
        json_object_set_new(schemas, name, skr_openapi_table(resource, SKR_OPENAPI_PATCH));
    }
}

char *skr_openapi_text(void)
{
    json_t *paths = json_object(), *schemas = json_object();
    add_fixed(paths);
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        add_collection(paths, resource);
        add_object(paths, resource);
        add_actions(paths, resource);
        add_schemas(schemas, resource);
    }
    skr_openapi_common(schemas);
    /* A token, or a session's cookie, whose writes carry the CSRF token that the login answered. */
    json_t *security = json_pack("[{s:[]}, {s:[], s:[]}]", "bearer", "session", "csrf");
    json_t *schemes = json_pack("{s:{s:s,s:s}, s:{s:s,s:s,s:s}, s:{s:s,s:s,s:s}}", "bearer", "type", "http", "scheme",
                                "bearer", "session", "type", "apiKey", "in", "cookie", "name", SKR_HTTP_COOKIE, "csrf",
                                "type", "apiKey", "in", "header", "name", "X-CSRF-Token");
    json_t *root = json_pack("{s:s,s:{s:s,s:s,s:s},s:o,s:o,s:{s:o,s:o}}", "openapi", "3.1.0", "info", "title", "Skerry",
                             "version", SKR_VERSION, "description",
                             "Software-defined networking for virtualization hosts", "security", security, "paths",
                             paths, "components", "schemas", schemas, "securitySchemes", schemes);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        abort();
    return text;
}

void skr_http_openapi(struct skr_http_request *request)
{
    skr_http_answer_shared(request, 200, "application/json", request->api->openapi);
}
