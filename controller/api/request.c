#include "controller/api/http.h"

#include <ctype.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <malloc.h>
#include <string.h>
#include <strings.h>

void skr_http_forget(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

/* jansson frees passwords of bodies, GnuTLS the records that they came in. */
void skr_http_forget_what_is_freed(void)
{
    json_set_alloc_funcs(malloc, skr_http_forget);
    gnutls_free = skr_http_forget;
}

static enum MHD_Result clear_cookie(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)arg, (void)kind;
    if (strcmp(name, "Set-Cookie") == 0) /* libmicrohttpd's own copy, which it frees as it is */
        explicit_bzero((void *)(uintptr_t)value, strlen(value));
    return MHD_YES;
}

void skr_http_request_drop_response(struct skr_http_request *request)
{
    struct MHD_Response *response = SKR_TAKE(request->response);
    if (!response)
        return;
    MHD_get_response_headers(response, clear_cookie, NULL);
    MHD_destroy_response(response);
}

struct skr_http_request *skr_http_request_new(struct skr_api *api, struct MHD_Connection *connection)
{
    struct skr_http_request *request = calloc(1, sizeof(*request));
    if (!request)
        abort();
    struct skr_uuid id = skr_uuid_new();
    request->references = 1;
    request->api = api;
    request->connection = connection;
    request->peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    __atomic_add_fetch(&request->peer->references, 1, __ATOMIC_RELAXED);
    request->started_ns = skr_clock_monotonic_ns();
    skr_uuid_format(&id, request->id);
    return request;
}

struct skr_http_request *skr_http_request_ref(struct skr_http_request *request)
{
    __atomic_add_fetch(&request->references, 1, __ATOMIC_RELAXED);
    return request;
}

void skr_http_request_unref(struct skr_http_request *request)
{
    if (__atomic_sub_fetch(&request->references, 1, __ATOMIC_ACQ_REL))
        return;
    skr_http_request_drop_body(request);
    if (request->free_job)
        request->free_job(request->job);
    skr_http_request_drop_response(request);
    for (int i = 0; i < SKR_HTTP_POOL_COUNT; i++)
        skr_http_let_go(request, (enum skr_http_pool_id)i);
    skr_http_peer_unref(request->peer);
    skr_http_forget(request->scratch);
    free(request);
}

void skr_http_request_drop_body(struct skr_http_request *request)
{
    skr_http_forget(SKR_TAKE(request->body));
    request->body_size = request->body_capacity = 0;
    skr_http_let_go(request, SKR_HTTP_POOL_BIG_BODIES);
}

const char *skr_http_header(struct skr_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *skr_http_parameter(struct skr_http_request *request, const char *name)
{
    for (unsigned i = 0; i < request->parameter_count; i++)
        if (strcmp(request->parameters[i].name, name) == 0)
            return request->parameters[i].value;
    return NULL;
}

/* ---- what the headers say ---- */

static enum MHD_Result add_size(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value,
                                size_t value_size)
{
    (void)kind, (void)key, (void)value;
    *(size_t *)arg += key_size + value_size + 4;
    return MHD_YES;
}

static enum MHD_Result take_parameter(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_size,
                                      const char *value, size_t value_size)
{
    (void)kind;
    struct skr_http_request *request = arg;
    if (request->parameter_count == SKR_HTTP_QUERY_MAX) {
        skr_error_set(&request->error, SKR_ERROR_SYNTAX, "There are more than %d query parameters", SKR_HTTP_QUERY_MAX);
        return MHD_NO;
    }
    if (strlen(key) != key_size || (value && strlen(value) != value_size)) {
        skr_error_set(&request->error, SKR_ERROR_SYNTAX, "A query parameter holds a NUL character");
        return MHD_NO;
    }
    if (skr_http_parameter(request, key)) {
        skr_error_set(&request->error, SKR_ERROR_SYNTAX, "The query parameter '%.60s' stands there twice", key);
        return MHD_NO;
    }
    request->parameters[request->parameter_count++] =
            (struct skr_http_parameter){.name = key, .value = value ? value : ""};
    return MHD_YES;
}

bool skr_http_may_filter(const struct skr_principal *principal, const struct skr_field *field)
{
    return field->flags & SKR_FIELD_FILTER && skr_role_reads(field->reader, principal->role);
}

static bool known_parameter(const struct skr_http_request *request, const char *name)
{
    for (const char *const *known = skr_route_parameters(&request->route, request->method); *known; known++)
        if (strcmp(*known, name) == 0)
            return true;
    if (request->route.kind != SKR_ROUTE_COLLECTION || request->method != SKR_HTTP_GET)
        return false;
    int field = skr_resource_field(request->route.resource, name);
    return field >= 0 && skr_http_may_filter(&request->principal, &request->route.resource->fields[field]);
}

static int refuse_parameter(const struct skr_http_request *request, const char *name, struct skr_error *error)
{
    const char *candidates[64];
    size_t count = 0;
    char list[300] = "";
    for (const char *const *known = skr_route_parameters(&request->route, request->method); *known && count < 32;
         known++)
        candidates[count++] = *known;
    const struct skr_resource *resource = request->route.resource;
    if (request->route.kind == SKR_ROUTE_COLLECTION && request->method == SKR_HTTP_GET)
        for (unsigned i = 0; i < resource->field_count && count < SKR_ARRAY_SIZE(candidates); i++)
            if (skr_http_may_filter(&request->principal, &resource->fields[i]))
                candidates[count++] = resource->fields[i].name;
    const char *near = skr_nearest(name, candidates, count);
    if (near)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "There is no query parameter '%.60s' here; did you mean '%s'?",
                             name, near);
    for (size_t i = 0, at = 0; i < count && at < sizeof(list) - 1; i++, at = strlen(list))
        snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "", candidates[i]);
    return skr_error_set(error, SKR_ERROR_SYNTAX, "There is no query parameter '%.60s' here; it takes %s", name,
                         count ? list : "none");
}

static int judge_query(struct skr_http_request *request)
{
    MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, take_parameter, request);
    if (request->error.tag)
        return -EPROTO;
    for (unsigned i = 0; i < request->parameter_count; i++)
        if (!known_parameter(request, request->parameters[i].name))
            return refuse_parameter(request, request->parameters[i].name, &request->error);
    return 0;
}

static bool is_media_type(const char *header, const char *type)
{
    size_t length = strlen(type);
    return strncasecmp(header, type, length) == 0 &&
           (!header[length] || header[length] == ';' || header[length] == ' ');
}

static size_t body_max(const struct skr_http_request *request)
{
    return skr_route_is_public(&request->route, request->method) ? SKR_HTTP_BODY_PUBLIC : SKR_HTTP_BODY_MAX;
}

static int judge_body_headers(struct skr_http_request *request)
{
    const char *length = skr_http_header(request, "Content-Length"), *type = skr_http_header(request, "Content-Type");
    request->has_body = skr_http_header(request, "Transfer-Encoding") || (length && strcmp(length, "0") != 0);
    if (!request->has_body)
        return 0;
    if (request->method == SKR_HTTP_GET || request->method == SKR_HTTP_DELETE)
        return skr_error_set(&request->error, SKR_ERROR_SYNTAX, "GET and DELETE take no body; leave it out");
    if (length && strtoull(length, NULL, 10) > body_max(request))
        return skr_error_set(&request->error, SKR_ERROR_TOO_LARGE, "The body has %.20s bytes; at most %zu are taken",
                             length, body_max(request));
    const struct skr_fixed_route *fixed = request->route.fixed;
    if (fixed && fixed->body_media) {
        if (!type || !is_media_type(type, fixed->body_media))
            return skr_error_set(&request->error, SKR_ERROR_MEDIA_TYPE,
                                 "%s takes another body; send it with Content-Type: %s", fixed->path,
                                 fixed->body_media);
        return 0;
    }
    if (type && !is_media_type(type, "application/json") &&
        !(request->method == SKR_HTTP_PATCH && is_media_type(type, "application/merge-patch+json")))
        return skr_error_set(&request->error, SKR_ERROR_MEDIA_TYPE,
                             "The body is sent as %.80s; send JSON with Content-Type: application/json%s", type,
                             request->method == SKR_HTTP_PATCH ? " or application/merge-patch+json" : "");
    return 0;
}

static int judge_route(struct skr_http_request *request, const char *path, const char *method)
{
    int r = skr_route_find(path, &request->route, &request->error);
    if (r < 0)
        return r;
    request->method = skr_http_method_parse(method);
    if (!skr_route_take_method(&request->route, request->method)) {
        char allowed[SKR_HTTP_METHODS_TEXT_MAX];
        return skr_error_set(&request->error, SKR_ERROR_METHOD, "%.100s does not take %.20s; it takes %s", path, method,
                             skr_http_methods_format(request->route.methods, allowed));
    }
    return 0;
}

static int judge(struct skr_http_request *request, const char *path, const char *method)
{
    size_t size = strlen(path);
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, add_size, &size);
    MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, add_size, &size);
    if (size > SKR_HTTP_HEADERS_MAX)
        return skr_error_set(&request->error, SKR_ERROR_HEADERS_TOO_LARGE,
                             "Address and headers have %zu bytes; at most %d are taken", size, SKR_HTTP_HEADERS_MAX);
    int r = judge_route(request, path, method);
    if (r < 0)
        return r;
    /* A client that logs in has no principal yet. The audit log has its attempt, and none of strangers elsewhere. */
    if (skr_route_is_public(&request->route, request->method)) {
        skr_http_say_where(request);
    } else {
        r = skr_http_authenticate(request, &request->error);
        if (r < 0)
            return r;
        r = skr_http_hold_connection(request, &request->error);
        request->closes = request->closes || r < 0;
        if (r == 0)
            r = skr_http_limit(request, 1, "requests", &request->error);
        if (r == 0)
            r = skr_http_authorize(&request->principal, &request->route, request->method, &request->error);
        if (r < 0)
            return r;
    }
    r = judge_query(request);
    if (r < 0)
        return r;
    /* A key belongs to somebody, and what it answers comes from objects. */
    const struct skr_fixed_route *fixed = request->route.fixed;
    bool keyless = (fixed && fixed->handle != skr_http_batch) || skr_route_is_public(&request->route, request->method);
    if (request->method == SKR_HTTP_POST && keyless && skr_http_header(request, "Idempotency-Key"))
        return skr_error_set(&request->error, SKR_ERROR_SYNTAX, "%.100s takes no Idempotency-Key; leave it out", path);
    return judge_body_headers(request);
}

void skr_http_request_begin(struct skr_http_request *request, const char *path, const char *method, const char *version)
{
    snprintf(request->path, sizeof(request->path), "%s", path);
    if (atomic_load(&request->api->stopping)) {
        skr_error_set(&request->error, SKR_ERROR_UNAVAILABLE, "The controller is stopping; try again in a moment");
        request->refused = true;
        return;
    }
    request->refused =
            skr_http_judge_framing(request, version, &request->error) < 0 || judge(request, path, method) < 0;
    if (request->refused && request->error.tag != SKR_ERROR_TOO_LARGE)
        request->has_body = skr_http_header(request, "Content-Length") || skr_http_header(request, "Transfer-Encoding");
}

/* ---- the body ---- */

static void refuse_body(struct skr_http_request *request)
{
    request->refused = true;
    skr_http_request_drop_body(request);
}

static void grow_body(struct skr_http_request *request, size_t wanted)
{
    size_t capacity = request->body_capacity ? request->body_capacity : 1024;
    while (capacity < wanted)
        capacity *= 2;
    char *body = malloc(capacity);
    if (!body)
        abort();
    if (request->body) {
        memcpy(body, request->body, request->body_size);
        skr_http_forget(request->body);
    }
    request->body = body;
    request->body_capacity = capacity;
}

void skr_http_request_body(struct skr_http_request *request, const char *data, size_t size)
{
    request->drained += size;
    if (request->refused)
        return;
    size_t wanted = request->body_size + size;
    bool is_big = wanted > SKR_HTTP_BODY_SMALL && !request->held[SKR_HTTP_POOL_BIG_BODIES];
    int r = 0;
    if (wanted > body_max(request))
        r = skr_error_set(&request->error, SKR_ERROR_TOO_LARGE, "The body has more than %zu bytes", body_max(request));
    else if (is_big)
        r = skr_http_hold(request, SKR_HTTP_POOL_BIG_BODIES, 1, &request->error);
    if (r < 0) {
        refuse_body(request);
        return;
    }
    if (wanted > request->body_capacity)
        grow_body(request, wanted);
    memcpy(request->body + request->body_size, data, size);
    request->body_size = wanted;
}

json_t *skr_http_request_json(struct skr_http_request *request)
{
    json_error_t problem;
    if (!request->body_size) {
        skr_error_set(&request->error, SKR_ERROR_SYNTAX, "The request needs a body: a JSON object");
        return NULL;
    }
    if (skr_json_prescan(request->body, request->body_size, &request->error) < 0)
        return NULL;
    json_t *json = json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, &problem);
    skr_http_request_drop_body(request);
    if (!json) {
        bool nul = json_error_code(&problem) == json_error_null_character;
        skr_error_set(&request->error, SKR_ERROR_SYNTAX, "The body is not JSON: line %d, column %d: %s", problem.line,
                      problem.column, nul ? "a text must not contain the character \\u0000" : problem.text);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        skr_error_set(&request->error, SKR_ERROR_SYNTAX, "The body must be one JSON object: {...}");
        return NULL;
    }
    return json;
}

/* ---- parameters ---- */

int skr_http_boolean(struct skr_http_request *request, const char *name, bool *ret, struct skr_error *error)
{
    const char *value = skr_http_parameter(request, name);
    if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "%s is true or false, not '%.60s'", name, value);
    *ret = value && strcmp(value, "true") == 0;
    return 0;
}

int skr_http_duration_parse(const char *text, unsigned *ret_ms)
{
    static const struct {
        const char *unit;
        unsigned ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}};
    char *end;
    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno)
        return -EINVAL;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(units); i++)
        if (strcmp(end, units[i].unit) == 0) {
            if (number > UINT_MAX / units[i].ms)
                return -EINVAL;
            *ret_ms = (unsigned)number * units[i].ms;
            return 0;
        }
    return -EINVAL;
}

int skr_http_wait_parameters(struct skr_http_request *request, unsigned *ret_timeout_ms, struct skr_error *error)
{
    const char *wait = skr_http_parameter(request, "wait"), *timeout = skr_http_parameter(request, "timeout");
    unsigned ms = SKR_HTTP_WAIT_DEFAULT_MS;
    if (timeout && !wait)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "timeout goes with wait=realized");
    if (wait && strcmp(wait, "realized") != 0)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "wait takes 'realized', not '%.60s'", wait);
    if (timeout && (skr_http_duration_parse(timeout, &ms) < 0 || ms == 0 || ms > SKR_HTTP_WAIT_MAX_MS))
        return skr_error_set(error, SKR_ERROR_SYNTAX,
                             "timeout is a time like 500ms, 30s or 2m, at most 300s, not '%.60s'", timeout);
    *ret_timeout_ms = wait ? ms : 0;
    return 0;
}

int skr_http_if_match(const char *text, int64_t *ret_etag, struct skr_error *error)
{
    char *end;
    if (!text) {
        *ret_etag = 0;
        return 0;
    }
    errno = 0;
    long long etag = text[0] == '"' && isdigit((unsigned char)text[1]) ? strtoll(text + 1, &end, 10) : 0;
    if (etag <= 0 || errno || strcmp(end, "\"") != 0)
        return skr_error_set(error, SKR_ERROR_SYNTAX,
                             "If-Match holds one ETag in quotes, as GET answered it (\"42\"), not %.60s", text);
    *ret_etag = etag;
    return 0;
}
