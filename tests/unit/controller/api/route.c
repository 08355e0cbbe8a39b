#include "controller/api/http.h"

#include <criterion/criterion.h>
#include <string.h>

#define ID "01890000-0000-7000-8000-000000000001"

static struct skr_route found(const char *path)
{
    struct skr_route route = {0};
    struct skr_error error = {0};
    cr_assert_eq(skr_route_find(path, &route, &error), 0, "%s: %s", path, error.detail);
    return route;
}

Test(route, every_collection_object_and_action_of_the_tables_has_an_address)
{
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        char path[160];
        snprintf(path, sizeof(path), "/v1/%s", resource->collection);
        struct skr_route route = found(path);
        cr_assert_eq(route.kind, SKR_ROUTE_COLLECTION);
        cr_assert_eq(route.resource, resource);
        snprintf(path, sizeof(path), "/v1/%s/" ID, resource->collection);
        route = found(path);
        cr_assert_eq(route.kind, SKR_ROUTE_OBJECT);
        cr_assert_eq(route.id.bytes[15], 1);
        for (unsigned action = 0; action < resource->action_count; action++) {
            snprintf(path, sizeof(path), "/v1/%s/" ID ":%s", resource->collection, resource->actions[action].verb);
            route = found(path);
            cr_assert_eq(route.kind, SKR_ROUTE_ACTION);
            cr_assert_eq(route.action, &resource->actions[action]);
            cr_assert_eq(route.methods, SKR_HTTP_POST);
        }
    }
}

Test(route, views_are_read_and_tokens_are_not_changed)
{
    char text[SKR_HTTP_METHODS_TEXT_MAX];
    cr_assert_str_eq(skr_http_methods_format(found("/v1/events").methods, text), "GET");
    cr_assert_str_eq(skr_http_methods_format(found("/v1/events/" ID).methods, text), "GET");
    cr_assert_str_eq(skr_http_methods_format(found("/v1/tenants").methods, text), "GET, POST");
    cr_assert_str_eq(skr_http_methods_format(found("/v1/tenants/" ID).methods, text), "GET, PUT, PATCH, DELETE");
    cr_assert_str_eq(skr_http_methods_format(found("/v1/tokens/" ID).methods, text), "GET, DELETE");
}

Test(route, fixed_addresses_and_their_word)
{
    cr_assert_eq(found("/healthz").fixed->role, SKR_ROLE_PUBLIC);
    cr_assert_eq(found("/metrics").fixed->role, SKR_ROLE_ADMIN);
    cr_assert_str_eq(found("/v1/realizations/17").word, "17");
}

Test(route, the_page_is_for_everybody_and_only_its_own_files)
{
    cr_assert_eq(found("/").fixed->role, SKR_ROLE_PUBLIC);
    cr_assert_gt(skr_page_file_count, 10);
    for (unsigned i = 0; i < skr_page_file_count; i++) {
        struct skr_route route = found(skr_page_files[i].path);
        cr_assert_eq(route.fixed->handle, skr_http_page, "%s", skr_page_files[i].path);
        cr_assert_str_eq(route.fixed->answer_media, skr_page_files[i].type);
        cr_assert_gt(skr_page_files[i].size, 0);
    }
}

Test(route, every_row_of_a_fixed_address_is_reached_by_its_method)
{
    for (unsigned i = 0; i < skr_fixed_route_count; i++) {
        const struct skr_fixed_route *fixed = &skr_fixed_routes[i];
        char path[160];
        snprintf(path, sizeof(path), "%s%s", fixed->path, fixed->word ? "17" : "");
        struct skr_route route = found(path);
        cr_assert(skr_route_take_method(&route, fixed->method), "%s", path);
        cr_assert_eq(route.fixed, fixed, "%s", path);
        cr_assert(fixed->help && fixed->parameters && fixed->handle && fixed->status, "%s", path);
        const char *const schemas[] = {fixed->body, fixed->answer};
        for (size_t s = 0; s < SKR_ARRAY_SIZE(schemas); s++) {
            json_t *schema = schemas[s] ? json_loads(schemas[s], 0, NULL) : NULL;
            cr_assert(!schemas[s] || json_is_object(schema), "%s: %s", path, schemas[s]);
            json_decref(schema);
        }
    }
    struct skr_route route = found("/healthz");
    cr_assert_not(skr_route_take_method(&route, SKR_HTTP_POST));
    cr_assert_not(skr_route_take_method(&route, SKR_HTTP_OTHER));
}

Test(route, refuses_and_leaves_the_output_alone)
{
    static const char *const bad[] = {"",
                                      "//",
                                      "/index.html",
                                      "/../app.js",
                                      "/app.js/",
                                      "/views/",
                                      "/healthz/",
                                      "/v1/realizations/1/2",
                                      "/v1/tenants/",
                                      "/v1/tenants//",
                                      "/v1/tenants/x",
                                      "/v1/tenants/" ID "/x",
                                      "/v1/tenants/" ID ":",
                                      "/v1/tenants/" ID ":go",
                                      "/v1/tenants/" ID "0",
                                      "/v1/hosts/:remediate",
                                      "/v1/vmn",
                                      "/v1/tenant",
                                      "/V1/tenants"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++) {
        struct skr_route route = {.methods = 12345};
        struct skr_error error = {0};
        cr_assert_lt(skr_route_find(bad[i], &route, &error), 0, "%s", bad[i]);
        cr_assert_eq(error.tag, SKR_ERROR_NOT_FOUND, "%s", bad[i]);
        cr_assert_eq(route.methods, 12345);
    }
}

Test(route, methods)
{
    cr_assert_eq(skr_http_method_parse("GET"), SKR_HTTP_GET);
    cr_assert_eq(skr_http_method_parse("HEAD"), SKR_HTTP_GET);
    cr_assert_eq(skr_http_method_parse("PATCH"), SKR_HTTP_PATCH);
    cr_assert_eq(skr_http_method_parse("get"), SKR_HTTP_OTHER);
    cr_assert_eq(skr_http_method_parse("BREW"), SKR_HTTP_OTHER);
}
