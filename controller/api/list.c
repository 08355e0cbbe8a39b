#include "controller/api/http.h"

#include <errno.h>
#include <string.h>

#define BINDING_MAX 8192
/* A page by realization asks the table object by object. It ends early after that many objects or that much time; the
 * client goes on with next_page_token. */
#define JUDGED_MAX     5000
#define JUDGED_STEP    250
#define JUDGED_TIME_NS (10 * SKR_NS_PER_MS)

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

/* A page token is bound to this: who asks, the list, its filters in order of their fields. */
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

static int bind_extras(struct skr_http_request *request, char binding[static BINDING_MAX], struct skr_error *error)
{
    static const char *const names[] = {"labels", "realization", "since", "until"};
    size_t at = strlen(binding);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(names) && at < BINDING_MAX; i++) {
        const char *value = skr_http_parameter(request, names[i]);
        if (value)
            at += (size_t)snprintf(binding + at, BINDING_MAX - at, "\n%s=%s", names[i], value);
    }
    return at < BINDING_MAX ? 0 : skr_error_set(error, SKR_ERROR_SYNTAX, "The filters are longer than a list takes");
}

/* "a=b,c": label a is b, and there is a label c. `text` is cut into pieces that the query points at. */
static int parse_labels(char *text, struct skr_list_query *query, struct skr_error *error)
{
    char *rest = text, *word;
    while ((word = strsep(&rest, ","))) {
        char *value = strchr(word, '=');
        if (value)
            *value++ = '\0';
        if (!*word)
            return skr_error_set(error, SKR_ERROR_SYNTAX, "labels: write name=value or name, separated by commas");
        if (query->label_count == SKR_LIST_LABELS_MAX)
            return skr_error_set(error, SKR_ERROR_SYNTAX, "labels: at most %d go together", SKR_LIST_LABELS_MAX);
        /* One with a value finds fewer: it leads. */
        struct skr_list_label label = {.name = word, .value = value};
        if (value && query->label_count && !query->labels[0].value) {
            query->labels[query->label_count++] = query->labels[0];
            query->labels[0] = label;
        } else {
            query->labels[query->label_count++] = label;
        }
    }
    return 0;
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

struct page {
    struct skr_list_query query;
    struct skr_http_fields fields;
    char *labels; /* what the query's labels point into */
    bool by_realization;
    enum skr_realization_state realization;
    struct skr_uuid last; /* where the next page begins */
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
    free((*page)->labels);
    free(*page);
}

/* since and until of a list of what is only appended. */
static int parse_times(struct skr_http_request *request, struct skr_list_query *query, struct skr_error *error)
{
    const struct {
        const char *name;
        int64_t *ms;
    } times[] = {{"since", &query->created_from}, {"until", &query->created_until}};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(times); i++) {
        const char *text = skr_http_parameter(request, times[i].name);
        if (text && (skr_time_parse(text, times[i].ms) != 0 || *times[i].ms <= 0))
            return skr_error_set(error, SKR_ERROR_SYNTAX, "%s is a time, like 2026-01-31T12:00:00Z, not '%.60s'",
                                 times[i].name, text);
    }
    return 0;
}

static int parse_selectors(struct skr_http_request *request, struct page *page, struct skr_error *error)
{
    const char *labels = skr_http_parameter(request, "labels"), *state = skr_http_parameter(request, "realization");
    if (request->route.resource->flags & SKR_RESOURCE_APPENDED)
        return parse_times(request, &page->query, error);
    if (skr_http_parameter(request, "since"))
        return skr_error_set(error, SKR_ERROR_SYNTAX, "since goes with watch=true");
    if (state && request->route.resource->flags & SKR_RESOURCE_VIEW)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "A %s has no realization of its own",
                             request->route.resource->name);
    if (state && !skr_render_state_parse(state, &page->realization))
        return skr_error_set(error, SKR_ERROR_SYNTAX,
                             "realization is pending, realized, failed or unplaced, not '%.60s'", state);
    page->by_realization = state != NULL;
    if (!labels)
        return 0;
    if (request->route.resource->flags & SKR_RESOURCE_VIEW)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "A %s has no labels", request->route.resource->name);
    page->labels = strdup(labels);
    if (!page->labels)
        abort();
    return parse_labels(page->labels, &page->query, error);
}

static int parse_page(struct skr_http_request *request, struct page *page, struct skr_error *error)
{
    page->query.resource = request->route.resource->id;
    page->query.ret_last = &page->last;
    int r = parse_selectors(request, page, error);
    if (r == 0)
        r = parse_limit(skr_http_parameter(request, "limit"), &page->query.limit, error);
    if (r == 0)
        r = skr_http_fields_parse(request->route.resource, skr_http_parameter(request, "fields"), &page->fields, error);
    if (r == 0)
        r = skr_http_filters(request, &page->query, error);
    if (r < 0)
        return r;
    make_binding(request, &page->query, page->binding);
    r = bind_extras(request, page->binding, error);
    const char *token = skr_http_parameter(request, "page_token");
    if (r < 0 || !token)
        return r;
    return skr_page_token_parse(&request->api->page_key, page->binding, token, &page->query.after, error);
}

/* Keeps of one stretch of the list what is in the wanted state, as far as the page has room. */
static void judge_stretch(struct skr_http_request *request, struct page *page, uint32_t wanted,
                          struct skr_object **objects, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct skr_object *object SKR_CLEANUP(skr_object_cleanup) = objects[i];
        struct skr_realization realization;
        if (page->count == wanted) {
            page->more = true;
            continue;
        }
        page->last = skr_object_uuid(object, SKR_FIELD_ID);
        skr_render_look_up(request->api, object, &realization);
        if (realization.state == page->realization)
            page->objects[page->count++] = SKR_TAKE(object);
    }
}

static int read_judged(struct skr_http_request *request, struct page *page, struct skr_txn *txn,
                       struct skr_error *error)
{
    int64_t until_ns = skr_clock_monotonic_ns() + JUDGED_TIME_NS;
    uint32_t wanted = page->query.limit, judged = 0, count = 0;
    struct skr_object *objects[JUDGED_STEP];
    do {
        struct skr_uuid end = {0};
        page->query.limit = JUDGED_STEP;
        page->query.ret_last = &end;
        int r = skr_model_list(txn, &request->principal, &page->query, objects, &count, &page->more, error);
        if (r < 0)
            return r;
        judge_stretch(request, page, wanted, objects, count);
        if (page->count < wanted)
            page->last = end;
        page->query.after = page->last;
        judged += JUDGED_STEP;
    } while (page->more && page->count < wanted && judged < JUDGED_MAX && skr_clock_monotonic_ns() < until_ns);
    return 0;
}

static int read_page(struct skr_http_request *request, struct page *page, struct skr_error *error)
{
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    int r = skr_store_read_begin(request->api->store, &txn, error);
    if (r < 0)
        return r;
    page->revision = skr_txn_revision(txn);
    if (page->by_realization)
        return read_judged(request, page, txn, error);
    return skr_model_list(txn, &request->principal, &page->query, page->objects, &page->count, &page->more, error);
}

static json_t *render_page(struct skr_http_request *request, const struct page *page)
{
    json_t *rendered = json_object(), *items = json_array();
    for (uint32_t i = 0; i < page->count; i++)
        json_array_append_new(
                items, skr_render_object(request->api, &request->principal, page->objects[i], NULL, &page->fields));
    json_object_set_new(rendered, "items", items);
    if (page->more) {
        char token[SKR_PAGE_TOKEN_MAX];
        skr_page_token_make(&request->api->page_key, page->binding, &page->last, token);
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
