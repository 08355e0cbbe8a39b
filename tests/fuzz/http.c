/* rooms: controller/api */
/* A request as far as it is text (tests/fuzz/request.h), behind it a line of If-Match, and the body. What is refused
 * has a reason that can be answered as problem+json; what a parser makes is made again from its own output. */
#include "tests/fuzz/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_token(const char *token)
{
    static const struct skr_page_key key = {{1, 2, 3}};
    struct skr_error error = {0};
    struct skr_uuid after = {{0xa5}}, again;
    char text[SKR_PAGE_TOKEN_MAX];
    if (skr_page_token_parse(&key, "list", token, &after, &error) < 0) {
        need_reason(&error);
        if (after.bytes[0] != 0xa5)
            abort();
        /* A signed one is taken, and comes back as it was. */
        memcpy(after.bytes, token, strnlen(token, sizeof(after.bytes)));
        skr_page_token_make(&key, "list", &after, text);
        if (skr_page_token_parse(&key, "list", text, &again, &error) < 0 || skr_uuid_compare(&after, &again) != 0 ||
            skr_page_token_parse(&key, "tail", text, &again, &error) == 0)
            abort();
    } else if (strcmp(skr_page_token_make(&key, "list", &after, text), token) != 0) {
        abort();
    }
}

static void try_query(struct skr_http_request *request)
{
    struct skr_error error = {0};
    struct skr_list_query query = {0};
    struct skr_http_fields fields = {0};
    unsigned timeout;
    bool boolean;
    const char *token = skr_http_parameter(request, "page_token");
    if (token)
        try_token(token);
    if (skr_http_wait_parameters(request, &timeout, &error) < 0)
        need_reason(&error);
    else if (timeout > SKR_HTTP_WAIT_MAX_MS)
        abort();
    skr_error_clear(&error);
    if (skr_http_boolean(request, "dry_run", &boolean, &error) < 0)
        need_reason(&error);
    if (!request->route.resource)
        return;
    skr_error_clear(&error);
    if (skr_http_fields_parse(request->route.resource, skr_http_parameter(request, "fields"), &fields, &error) < 0)
        need_reason(&error);
    skr_http_fields_done(&fields);
    skr_error_clear(&error);
    /* A write's own parameters are no filters: only a list takes them. */
    if (request->route.kind == SKR_ROUTE_COLLECTION && request->method == SKR_HTTP_GET &&
        skr_http_filters(request, &query, &error) < 0)
        need_reason(&error);
    skr_http_filters_clear(&query);
}

static void try_if_match(const char *text)
{
    struct skr_error error = {0};
    int64_t etag = -1;
    int r = skr_http_if_match(text, &etag, &error);
    if (r < 0)
        need_reason(&error);
    if (r < 0 ? etag != -1 : text ? etag <= 0 : etag != 0)
        abort();
}

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* The bounds of the pre-scan hold for whatever jansson takes afterwards. */
static unsigned depth(const json_t *json)
{
    unsigned deepest = 0;
    const char *name;
    json_t *item;
    size_t i;
    if (json_is_array(json))
        json_array_foreach (json, i, item)
            deepest = larger(deepest, depth(item));
    else if (json_is_object(json))
        json_object_foreach ((json_t *)json, name, item)
            deepest = larger(deepest, depth(item));
    else
        return 0;
    return deepest + 1;
}

static void try_body(const char *body, size_t size)
{
    struct skr_error error = {0};
    if (skr_json_prescan(body, size, &error) < 0) {
        need_reason(&error);
        return;
    }
    json_t *json = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
    if (json && depth(json) > SKR_HTTP_DEPTH_MAX)
        abort();
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skr_http_request *request = calloc(1, sizeof(*request));
    struct skr_error error = {0};
    char *text = malloc(size + 1);
    if (!request || !text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    char *rest = text, *line = strsep(&rest, "\n");
    request->principal.role = take_role(&line);
    char *path = strchr(line, ' ');
    if (path) {
        *path++ = '\0';
        request->method = skr_http_method_parse(line);
        if (skr_route_find(path, &request->route, &error) < 0) {
            need_reason(&error);
        } else {
            read_parameters(request, &rest);
            try_query(request);
        }
        try_if_match(strsep(&rest, "\n"));
        if (rest)
            try_body(rest, size - (size_t)(rest - text));
    }
    free(text);
    free(request);
    return 0;
}
