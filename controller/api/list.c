#include "controller/api/http.h"

#include <errno.h>
#include <string.h>

#define BINDING_MAX 4096

static bool is_own_parameter(const struct skr_http_request *request, const char *name)
{
    for (const char *const *known = skr_route_parameters(&request->route, SKR_HTTP_GET); *known; known++)
        if (strcmp(*known, name) == 0)
            return true;
    return false;
}

void skr_http_filters_clear(struct skr_list_query *query)
{
    for (unsigned i = 0; i < query->filter_count; i++)
        skr_value_clear(&query->filters[i].value);
    query->filter_count = 0;
}

int skr_http_filters(struct skr_http_request *request, struct skr_list_query *query, struct skr_error *error)
{
    const struct skr_resource *resource = request->route.resource;
    for (unsigned i = 0; i < request->parameter_count; i++) {
        const struct skr_http_parameter *parameter = &request->parameters[i];
        if (is_own_parameter(request, parameter->name))
            continue;
        if (query->filter_count == SKR_LIST_FILTERS_MAX)
            return skr_error_set(error, SKR_ERROR_SYNTAX, "At most %d filters go together", SKR_LIST_FILTERS_MAX);
        struct skr_list_filter *filter = &query->filters[query->filter_count];
        filter->field = skr_resource_field(resource, parameter->name);
        filter->value = (struct skr_value){.type = SKR_VALUE_ABSENT};
        struct skr_error why = {0};
        if (skr_value_from_text(&resource->fields[filter->field], parameter->value, &filter->value, &why) < 0)
            return skr_error_set(error, SKR_ERROR_SYNTAX, "%s=%.60s: %.300s", parameter->name, parameter->value,
                                 why.detail);
        query->filter_count++;
    }
    return 0;
}

/* What a page token is bound to: who asks, the list, its filters in order of their fields. */
static void make_binding(const struct skr_http_request *request, const struct skr_list_query *query,
                         char out[static BINDING_MAX])
{
    const struct skr_resource *resource = request->route.resource;
    char tenant[SKR_UUID_TEXT_MAX];
    int at = snprintf(out, BINDING_MAX, "%s %s", resource->collection,
                      skr_uuid_format(&request->principal.tenant_id, tenant));
    for (unsigned field = 0; field < resource->field_count; field++)
        for (unsigned i = 0; i < query->filter_count && at < BINDING_MAX; i++) {
            if (query->filters[i].field != (int)field)
                continue;
            const char *name = resource->fields[field].name;
            for (unsigned p = 0; p < request->parameter_count && at < BINDING_MAX; p++)
                if (strcmp(request->parameters[p].name, name) == 0)
                    at += snprintf(out + at, (size_t)(BINDING_MAX - at), "\n%s=%s", name, request->parameters[p].value);
        }
}

static int parse_limit(const char *text, uint32_t *ret, struct skr_error *error)
{
    char *end;
    unsigned long limit = SKR_PAGE_DEFAULT;
    if (text) {
        limit = strtoul(text, &end, 10);
        if (text[0] < '0' || text[0] > '9' || *end || limit < 1 || limit > SKR_PAGE_MAX)
            return skr_error_set(error, SKR_ERROR_SYNTAX, "limit is a number from 1 to %d, not '%.40s'", SKR_PAGE_MAX,
                                 text);
    }
    *ret = (uint32_t)limit;
    return 0;
}

static int refuse_unbuilt(struct skr_http_request *request, struct skr_error *error)
{
    if (skr_http_parameter(request, "labels"))
        return skr_error_set(error, SKR_ERROR_NOT_SUPPORTED,
                             "Lists cannot be filtered by labels yet; filter the answer, or by a field such as name");
    if (skr_http_parameter(request, "realization"))
        return skr_error_set(error, SKR_ERROR_NOT_SUPPORTED,
                             "Lists cannot be filtered by realization yet; look at status.realization of each object");
    if (skr_http_parameter(request, "since"))
        return skr_error_set(error, SKR_ERROR_SYNTAX, "since goes with watch=true");
    return 0;
}

struct page {
    struct skr_list_query query;
    struct skr_http_fields fields;
    char binding[BINDING_MAX];
    struct skr_object *objects[SKR_PAGE_MAX];
    uint32_t count;
    bool more;
    int64_t revision;
};

static void page_free(struct page **page)
{
    for (uint32_t i = 0; i < (*page)->count; i++)
        skr_object_unref((*page)->objects[i]);
    skr_http_filters_clear(&(*page)->query);
    skr_http_fields_done(&(*page)->fields);
    free(*page);
}

static int parse_page(struct skr_http_request *request, struct page *page, struct skr_error *error)
{
    page->query.resource = request->route.resource->id;
    int r = refuse_unbuilt(request, error);
    if (r == 0)
        r = parse_limit(skr_http_parameter(request, "limit"), &page->query.limit, error);
    if (r == 0)
        r = skr_http_fields_parse(request->route.resource, skr_http_parameter(request, "fields"), &page->fields, error);
    if (r == 0)
        r = skr_http_filters(request, &page->query, error);
    if (r < 0)
        return r;
    make_binding(request, &page->query, page->binding);
    const char *token = skr_http_parameter(request, "page_token");
    return token ? skr_page_token_parse(&request->api->page_key, page->binding, token, &page->query.after, error) : 0;
}

static int read_page(struct skr_http_request *request, struct page *page, struct skr_error *error)
{
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    int r = skr_store_read_begin(request->api->store, &txn, error);
    if (r < 0)
        return r;
    page->revision = skr_txn_revision(txn);
    return skr_model_list(txn, &request->principal, &page->query, page->objects, &page->count, &page->more, error);
}

static json_t *render_page(struct skr_http_request *request, const struct page *page)
{
    json_t *rendered = json_object(), *items = json_array();
    for (uint32_t i = 0; i < page->count; i++)
        json_array_append_new(
                items, skr_render_object(request->api, &request->principal, page->objects[i], NULL, &page->fields));
    json_object_set_new(rendered, "items", items);
    if (page->more && page->count) {
        char token[SKR_PAGE_TOKEN_MAX];
        struct skr_uuid last = skr_object_uuid(page->objects[page->count - 1], SKR_FIELD_ID);
        skr_page_token_make(&request->api->page_key, page->binding, &last, token);
        json_object_set_new(rendered, "next_page_token", json_string(token));
    } else {
        json_object_set_new(rendered, "next_page_token", json_null());
    }
    json_object_set_new(rendered, "revision", json_integer(page->revision));
    return rendered;
}

void skr_http_list(struct skr_http_request *request)
{
    bool watch = false;
    int r = skr_http_boolean(request, "watch", &watch, &request->error);
    if (r == 0 && watch) {
        skr_http_watch(request);
        return;
    }
    struct page *page SKR_CLEANUP(page_free) = calloc(1, sizeof(*page));
    if (!page)
        abort();
    if (r == 0)
        r = parse_page(request, page, &request->error);
    if (r == 0)
        r = read_page(request, page, &request->error);
    if (r < 0)
        skr_http_answer_error(request, &request->error);
    else
        skr_http_answer(request, 200, render_page(request, page));
}

void skr_http_get(struct skr_http_request *request)
{
    struct skr_http_fields fields SKR_CLEANUP(skr_http_fields_done) = {0};
    struct skr_object *object SKR_CLEANUP(skr_object_cleanup) = NULL;
    struct skr_txn *txn = NULL;
    int r = skr_http_fields_parse(request->route.resource, skr_http_parameter(request, "fields"), &fields,
                                  &request->error);
    if (r == 0)
        r = skr_store_read_begin(request->api->store, &txn, &request->error);
    if (r == 0) {
        r = skr_model_read(txn, &request->principal, request->route.resource->id, &request->route.id, &object,
                           &request->error);
        skr_store_read_end(txn);
    }
    if (r < 0) {
        skr_http_answer_error(request, &request->error);
        return;
    }
    skr_http_answer(request, 200, skr_render_object(request->api, &request->principal, object, NULL, &fields));
    skr_http_add_etag(request, skr_object_integer(object, SKR_FIELD_ETAG));
}
