/* Run by the build: it fails when an address, a method, an action or a field does not say for whom it is. */
#include "controller/api/http.h"

#include <stdio.h>

static unsigned bad;

static void judge_method(const struct skr_route *route, enum skr_http_method method, const char *path)
{
    char text[SKR_HTTP_METHODS_TEXT_MAX];
    if (!(route->methods & method) || skr_route_role(route, method) != SKR_ROLE_NOBODY)
        return;
    fprintf(stderr, "%s %s says for nobody: set its role (writer, reader)\n", skr_http_methods_format(method, text),
            path);
    bad++;
}

static void judge_route(const struct skr_route *route, const char *path)
{
    for (unsigned bit = 0; bit < SKR_HTTP_METHOD_COUNT; bit++)
        judge_method(route, (enum skr_http_method)(1u << bit), path);
}

static void judge_fields(const struct skr_resource *table, const char *name)
{
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct skr_field *field = &table->fields[i];
        bool written = !(field->flags & (SKR_FIELD_READ_ONLY | SKR_FIELD_HIDDEN)) && field->kind != SKR_KIND_COMPUTED;
        bool shown = !(field->flags & SKR_FIELD_HIDDEN) && !(written && field->kind == SKR_KIND_SECRET);
        if ((written && field->writer == SKR_ROLE_NOBODY) || (shown && field->reader == SKR_ROLE_NOBODY)) {
            fprintf(stderr, "%s.%s says for nobody: name its writer and reader\n", name, field->name);
            bad++;
        }
        if (field->sub)
            judge_fields(field->sub, name);
    }
}

int main(void)
{
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        struct skr_route collection = {
                .kind = SKR_ROUTE_COLLECTION, .resource = resource, .methods = skr_route_collection_methods(resource)};
        struct skr_route object = {
                .kind = SKR_ROUTE_OBJECT, .resource = resource, .methods = skr_route_object_methods(resource)};
        judge_route(&collection, resource->collection);
        judge_route(&object, resource->collection);
        for (unsigned a = 0; a < resource->action_count; a++) {
            struct skr_route action = {.kind = SKR_ROUTE_ACTION,
                                       .resource = resource,
                                       .action = &resource->actions[a],
                                       .methods = SKR_HTTP_POST};
            judge_route(&action, resource->actions[a].verb);
        }
        judge_fields(resource, resource->name);
    }
    for (unsigned i = 0; i < skr_fixed_route_count; i++) {
        struct skr_route fixed = {
                .kind = SKR_ROUTE_FIXED, .fixed = &skr_fixed_routes[i], .methods = skr_fixed_routes[i].method};
        judge_route(&fixed, skr_fixed_routes[i].path);
    }
    return bad ? 1 : 0;
}
