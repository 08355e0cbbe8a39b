#include "controller/api/http.h"

#include <stdio.h>
#include <string.h>

/* Addresses come from the resource tables: /v1/<collection>, /v1/<collection>/<id>, /v1/<collection>/<id>:<verb>. What
 * no table makes stands in skr_fixed_routes. openapi.c walks the same two sources. */

static const char *const no_parameters[] = {NULL};
static const char *const realization_parameters[] = {"wait", "timeout", NULL};
static const char *const watch_parameters[] = {"kinds", "since", "id", "tenant_id", "vm_network_id", "host_id", NULL};
static const char *const list_parameters[] = {"limit",       "page_token", "fields", "labels",
                                              "realization", "watch",      "since",  NULL};
static const char *const get_parameters[] = {"fields", NULL};
static const char *const write_parameters[] = {"dry_run", "wait", "timeout", "fields", NULL};
static const char *const delete_parameters[] = {"dry_run", "wait", "timeout", NULL};
static const char *const action_parameters[] = {"wait", "timeout", NULL};

const struct skr_fixed_route skr_fixed_routes[] = {
        {"/healthz", NULL, "Is the process alive", true, no_parameters, skr_http_healthz},
        {"/readyz", NULL, "Is it ready for requests", true, no_parameters, skr_http_readyz},
        {"/metrics", NULL, "Counters as Prometheus text", false, no_parameters, skr_http_metrics},
        {"/v1/openapi.json", NULL, "This description", true, no_parameters, skr_http_openapi},
        {"/v1/controller", NULL, "Version, database and what join commands need", false, no_parameters,
         skr_http_controller},
        {"/v1/watch", NULL, "Changes of objects as Server-Sent Events", false, watch_parameters, skr_http_watch},
        {"/v1/realizations/", "revision", "Has a write been applied on every host that needs it", false,
         realization_parameters, skr_http_realization},
};
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
        return method == SKR_HTTP_GET ? list_parameters : write_parameters;
    case SKR_ROUTE_OBJECT:
        if (method == SKR_HTTP_GET)
            return get_parameters;
        return method == SKR_HTTP_DELETE ? delete_parameters : write_parameters;
    case SKR_ROUTE_ACTION:
        return action_parameters;
    }
    return no_parameters;
}

static bool find_fixed(const char *path, struct skr_route *ret)
{
    for (unsigned i = 0; i < skr_fixed_route_count; i++) {
        const struct skr_fixed_route *route = &skr_fixed_routes[i];
        size_t length = strlen(route->path);
        bool takes_word = route->word != NULL;
        if (strncmp(path, route->path, length) != 0 || (!takes_word && path[length]))
            continue;
        if (takes_word && (!path[length] || strchr(path + length, '/')))
            continue;
        *ret = (struct skr_route){.kind = SKR_ROUTE_FIXED,
                                  .methods = SKR_HTTP_GET,
                                  .fixed = route,
                                  .word = takes_word ? path + length : NULL};
        return true;
    }
    return false;
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
