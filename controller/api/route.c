#include "controller/api/http.h"

#include <stdio.h>
#include <string.h>

/* Addresses come from the resource tables: /v1/<collection>, /v1/<collection>/<id>, /v1/<collection>/<id>:<verb>. What
 * no table makes stands in skr_fixed_routes. openapi.c walks the same two sources. */

static const char *const no_parameters[] = {NULL};
static const char *const realization_parameters[] = {"wait", "timeout", NULL};
static const char *const watch_parameters[] = {"kinds", "since", "id", "tenant_id", "vm_network_id", "host_id", NULL};
static const char *const overlap_parameters[] = {"tenant_id", NULL};
static const char *const list_parameters[] = {"limit",       "page_token", "fields", "labels",
                                              "realization", "watch",      "since",  NULL};
static const char *const history_parameters[] = {"limit", "page_token", "fields", "since", "until", NULL};
static const char *const get_parameters[] = {"fields", NULL};
static const char *const write_parameters[] = {"dry_run", "confirm", "wait", "timeout", "fields", NULL};
static const char *const delete_parameters[] = {"dry_run", "confirm", "wait", "timeout", NULL};

#define TEXT "{\"type\": \"string\"}"

/* The files of the self-service page: the build writes a row for each. */
#define SKR_PAGE_FILE(path_, type_)                                                                                    \
    {.path = (path_),                                                                                                  \
     .method = SKR_HTTP_GET,                                                                                           \
     .role = SKR_ROLE_PUBLIC,                                                                                          \
     .help = "A file of the self-service page",                                                                        \
     .parameters = no_parameters,                                                                                      \
     .status = 200,                                                                                                    \
     .answer_media = (type_),                                                                                          \
     .answer = TEXT,                                                                                                   \
     .handle = skr_http_page},

/* clang-format off */
const struct skr_fixed_route skr_fixed_routes[] = {
        {.path = "/healthz", .method = SKR_HTTP_GET, .role = SKR_ROLE_PUBLIC, .help = "Is the process alive", .parameters = no_parameters,
         .status = 200, .answer_media = "text/plain", .answer = TEXT, .handle = skr_http_healthz},
        {.path = "/readyz", .method = SKR_HTTP_GET, .role = SKR_ROLE_PUBLIC, .help = "Is it ready for requests", .parameters = no_parameters,
         .status = 200, .answer_media = "text/plain", .answer = TEXT, .handle = skr_http_readyz},
        {.path = "/metrics", .method = SKR_HTTP_GET, .role = SKR_ROLE_ADMIN, .help = "Counters as Prometheus text",
         .parameters = no_parameters, .status = 200, .answer_media = "text/plain", .answer = TEXT,
         .handle = skr_http_metrics},
        {.path = "/v1/openapi.json", .method = SKR_HTTP_GET, .role = SKR_ROLE_PUBLIC, .help = "This description", .parameters = no_parameters,
         .status = 200, .answer = "{\"type\": \"object\"}", .handle = skr_http_openapi},
        {.path = "/v1/controller", .method = SKR_HTTP_GET, .role = SKR_ROLE_ANY,
         .help = "Version, database and what join commands need", .parameters = no_parameters, .status = 200,
         .answer = "{\"$ref\": \"#/components/schemas/controller\"}", .handle = skr_http_controller},
        {.path = "/v1/batch", .method = SKR_HTTP_POST, .role = SKR_ROLE_ANY,
         .help = "Up to 1,000 writes in one transaction, all or nothing", .parameters = write_parameters,
         .body = "{\"$ref\": \"#/components/schemas/batch\"}", .status = 200,
         .answer = "{\"$ref\": \"#/components/schemas/batch-results\"}", .handle = skr_http_batch},
        {.path = "/v1/overlaps", .method = SKR_HTTP_GET, .role = SKR_ROLE_ANY,
         .help = "Subnets that overlap: a tenant's across its VM networks, or those of sites with VLANs used twice",
         .parameters = overlap_parameters, .status = 200, .answer = "{\"$ref\": \"#/components/schemas/overlaps\"}",
         .handle = skr_http_overlaps},
        {.path = "/v1/sessions/current", .method = SKR_HTTP_GET, .role = SKR_ROLE_SELF,
         .help = "Who am I, and under which grant", .parameters = no_parameters, .status = 200,
         .answer = "{\"$ref\": \"#/components/schemas/whoami\"}", .handle = skr_http_whoami},
        {.path = "/v1/sessions/current", .method = SKR_HTTP_DELETE, .role = SKR_ROLE_SELF,
         .help = "Log out: ends the session of the cookie", .parameters = no_parameters, .status = 204,
         .handle = skr_http_logout},
        {.path = "/v1/sessions/current:password", .method = SKR_HTTP_POST, .role = SKR_ROLE_SELF,
         .help = "Changes one's own password, which the current one is needed for; one's other sessions end",
         .parameters = no_parameters,
         .body = "{\"type\": \"object\", \"required\": [\"current_password\", \"password\"], \"additionalProperties\": "
                 "false, \"properties\": {\"current_password\": " TEXT ", \"password\": {\"type\": \"string\", "
                 "\"minLength\": 10, \"maxLength\": 1024}}}",
         .status = 204, .handle = skr_http_own_password},
        {.path = "/v1/controller:accept-database", .method = SKR_HTTP_POST, .role = SKR_ROLE_ADMIN,
         .help = "Goes on with a database that was restored or rolled back; hosts get what it says",
         .parameters = no_parameters, .status = 200, .answer = "{\"$ref\": \"#/components/schemas/controller\"}",
         .handle = skr_http_accept_database},
        {.path = "/v1/watch", .method = SKR_HTTP_GET, .role = SKR_ROLE_ANY,
         .help = "Changes of objects as Server-Sent Events", .parameters = watch_parameters, .status = 200,
         .answer_media = "text/event-stream", .answer = TEXT, .handle = skr_http_watch},
        {.path = "/v1/realizations/", .word = "revision", .method = SKR_HTTP_GET, .role = SKR_ROLE_ANY,
         .help = "Has a write been applied on every host that needs it", .parameters = realization_parameters,
         .status = 200, .answer = "{\"$ref\": \"#/components/schemas/write-realization\"}",
         .handle = skr_http_realization},
#include "page_files.inc"
};
/* clang-format on */
const unsigned skr_fixed_route_count = SKR_ARRAY_SIZE(skr_fixed_routes);

static const struct {
    enum skr_http_method method;
    const char *name;
} methods[] = {{SKR_HTTP_GET, "GET"},
               {SKR_HTTP_POST, "POST"},
               {SKR_HTTP_PUT, "PUT"},
               {SKR_HTTP_PATCH, "PATCH"},
               {SKR_HTTP_DELETE, "DELETE"}};

enum skr_http_method skr_http_method_parse(const char *text)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(methods); i++)
        if (strcmp(text, methods[i].name) == 0)
            return methods[i].method;
    return strcmp(text, "HEAD") == 0 ? SKR_HTTP_GET : SKR_HTTP_OTHER;
}

char *skr_http_methods_format(unsigned set, char out[static SKR_HTTP_METHODS_TEXT_MAX])
{
    int at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < SKR_ARRAY_SIZE(methods); i++)
        if (set & methods[i].method)
            at += snprintf(out + at, (size_t)(SKR_HTTP_METHODS_TEXT_MAX - at), "%s%s", at ? ", " : "", methods[i].name);
    return out;
}

unsigned skr_route_collection_methods(const struct skr_resource *resource)
{
    return resource->flags & SKR_RESOURCE_VIEW ? SKR_HTTP_GET : SKR_HTTP_GET | SKR_HTTP_POST;
}

unsigned skr_route_object_methods(const struct skr_resource *resource)
{
    if (resource->flags & SKR_RESOURCE_VIEW)
        return SKR_HTTP_GET;
    if (resource->flags & SKR_RESOURCE_NO_UPDATE)
        return SKR_HTTP_GET | SKR_HTTP_DELETE;
    return SKR_HTTP_GET | SKR_HTTP_PUT | SKR_HTTP_PATCH | SKR_HTTP_DELETE;
}

const char *const *skr_route_parameters(const struct skr_route *route, enum skr_http_method method)
{
    switch (route->kind) {
    case SKR_ROUTE_FIXED:
        return route->fixed->parameters;
    case SKR_ROUTE_COLLECTION:
        if (method == SKR_HTTP_GET && route->resource->flags & SKR_RESOURCE_APPENDED)
            return history_parameters; /* nothing of it is watched, labelled or realized */
        return method == SKR_HTTP_GET ? list_parameters : write_parameters;
    case SKR_ROUTE_OBJECT:
        if (method == SKR_HTTP_GET)
            return get_parameters;
        return method == SKR_HTTP_DELETE ? delete_parameters : write_parameters;
    case SKR_ROUTE_ACTION:
        return write_parameters;
    }
    return no_parameters;
}

static bool is_at(const struct skr_fixed_route *fixed, const char *path)
{
    size_t length = strlen(fixed->path);
    if (strncmp(path, fixed->path, length) != 0)
        return false;
    return fixed->word ? path[length] && !strchr(path + length, '/') : !path[length];
}

static bool find_fixed(const char *path, struct skr_route *ret)
{
    struct skr_route route = {.kind = SKR_ROUTE_FIXED};
    for (unsigned i = 0; i < skr_fixed_route_count; i++) {
        const struct skr_fixed_route *fixed = &skr_fixed_routes[i];
        if (!is_at(fixed, path))
            continue;
        if (!route.fixed)
            route.fixed = fixed;
        if (strcmp(route.fixed->path, fixed->path) == 0)
            route.methods |= fixed->method;
        if (fixed->word)
            route.word = path + strlen(fixed->path);
    }
    if (!route.fixed)
        return false;
    *ret = route;
    return true;
}

bool skr_route_take_method(struct skr_route *route, enum skr_http_method method)
{
    if (!(route->methods & method))
        return false;
    if (route->kind == SKR_ROUTE_FIXED)
        while (route->fixed->method != method)
            route->fixed++;
    return true;
}

enum skr_role skr_route_role(const struct skr_route *route, enum skr_http_method method)
{
    switch (route->kind) {
    case SKR_ROUTE_FIXED:
        return route->fixed->role;
    case SKR_ROUTE_ACTION:
        return route->action->role;
    case SKR_ROUTE_COLLECTION:
        if (method == SKR_HTTP_POST && route->resource->flags & SKR_RESOURCE_LOGIN)
            return SKR_ROLE_PUBLIC;
        break;
    case SKR_ROUTE_OBJECT:
        break;
    }
    return method == SKR_HTTP_GET ? route->resource->reader : route->resource->writer;
}

bool skr_route_is_public(const struct skr_route *route, enum skr_http_method method)
{
    return skr_route_role(route, method) == SKR_ROLE_PUBLIC;
}

/* No address at all: say which one is near. */
static int unknown_path(const char *path, struct skr_error *error)
{
    const char *candidates[SKR_RESOURCE_COUNT + SKR_ARRAY_SIZE(skr_fixed_routes)];
    char paths[SKR_RESOURCE_COUNT][64];
    size_t count = 0;
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        snprintf(paths[i], sizeof(paths[i]), "/v1/%s", skr_resource_get((enum skr_resource_id)i)->collection);
        candidates[count++] = paths[i];
    }
    for (unsigned i = 0; i < skr_fixed_route_count; i++)
        candidates[count++] = skr_fixed_routes[i].path;
    const char *near = skr_nearest(path, candidates, count);
    return near ? skr_error_set(error, SKR_ERROR_NOT_FOUND, "There is nothing at %.100s; did you mean %s?", path, near)
                : skr_error_set(error, SKR_ERROR_NOT_FOUND,
                                "There is nothing at %.100s; GET /v1/openapi.json lists every address", path);
}

static const struct skr_resource *find_collection(const char *text, size_t length)
{
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        if (strlen(resource->collection) == length && strncmp(resource->collection, text, length) == 0)
            return resource;
    }
    return NULL;
}

static int find_action(const struct skr_resource *resource, const char *verb, struct skr_route *route,
                       struct skr_error *error)
{
    for (unsigned i = 0; i < resource->action_count; i++) {
        if (strcmp(resource->actions[i].verb, verb) != 0)
            continue;
        route->kind = SKR_ROUTE_ACTION;
        route->action = &resource->actions[i];
        route->methods = SKR_HTTP_POST;
        return 0;
    }
    if (!resource->action_count)
        return skr_error_set(error, SKR_ERROR_NOT_FOUND, "A %s has no actions, and none that is called '%.40s'",
                             resource->name, verb);
    char known[200] = "";
    for (unsigned i = 0; i < resource->action_count; i++) {
        size_t at = strlen(known);
        snprintf(known + at, sizeof(known) - at, "%s:%s", i ? ", " : "", resource->actions[i].verb);
    }
    return skr_error_set(error, SKR_ERROR_NOT_FOUND, "A %s has no action '%.40s'; it has %s", resource->name, verb,
                         known);
}

int skr_route_find(const char *path, struct skr_route *ret, struct skr_error *error)
{
    struct skr_route route = {0};
    if (find_fixed(path, ret))
        return 0;
    if (strncmp(path, "/v1/", 4) != 0)
        return unknown_path(path, error);
    const char *collection = path + 4;
    size_t length = strcspn(collection, "/");
    route.resource = find_collection(collection, length);
    if (!route.resource)
        return unknown_path(path, error);
    if (!collection[length]) {
        route.kind = SKR_ROUTE_COLLECTION;
        route.methods = skr_route_collection_methods(route.resource);
        *ret = route;
        return 0;
    }
    const char *word = collection + length + 1;
    char id[SKR_UUID_TEXT_MAX] = "";
    size_t id_length = strcspn(word, ":");
    if (id_length < sizeof(id))
        memcpy(id, word, id_length);
    if (!*word)
        return skr_error_set(error, SKR_ERROR_NOT_FOUND,
                             "The path ends where the id of a %s should stand; GET /v1/%s lists them",
                             route.resource->name, route.resource->collection);
    if (skr_uuid_parse(id, &route.id) < 0)
        return skr_error_set(error, SKR_ERROR_NOT_FOUND,
                             "'%.60s' is not the id of a %s: ids are UUIDs; GET /v1/%s?name=... finds one by name",
                             word, route.resource->name, route.resource->collection);
    route.kind = SKR_ROUTE_OBJECT;
    route.methods = skr_route_object_methods(route.resource);
    if (word[id_length] == ':') {
        int r = find_action(route.resource, word + id_length + 1, &route, error);
        if (r < 0)
            return r;
    }
    *ret = route;
    return 0;
}
