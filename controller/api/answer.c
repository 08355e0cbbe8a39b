#include "controller/api/http.h"

#include <inttypes.h>
#include <skerry/log.h>
#include <stdio.h>
#include <string.h>

void skr_http_add_header(struct skr_http_request *request, const char *name, const char *value)
{
    MHD_add_response_header(request->response, name, value);
}

void skr_http_add_common_headers(struct skr_http_request *request)
{
    skr_http_add_header(request, "X-Content-Type-Options", "nosniff");
    skr_http_add_header(request, "Strict-Transport-Security", "max-age=31536000");
    skr_http_add_header(request, "X-Request-Id", request->id);
}

void skr_http_add_revision(struct skr_http_request *request, int64_t revision)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, revision);
    skr_http_add_header(request, "Skerry-Revision", text);
}

void skr_http_add_etag(struct skr_http_request *request, int64_t etag)
{
    char text[32];
    snprintf(text, sizeof(text), "\"%" PRId64 "\"", etag);
    skr_http_add_header(request, "ETag", text);
}

/* Takes `response`. */
static void respond(struct skr_http_request *request, unsigned status, const char *type, struct MHD_Response *response)
{
    if (!response)
        abort();
    request->response = response;
    request->status = status;
    if (type)
        skr_http_add_header(request, "Content-Type", type);
    skr_http_add_header(request, "Cache-Control", "no-store");
    skr_http_add_common_headers(request);
}

/* Bytes that a client has not read yet are memory that it holds. False: it holds so many that it must read them first.
 * The answer to a write tells what has been done and is never refused. */
static bool may_answer(struct skr_http_request *request, size_t size)
{
    struct skr_error full = {0};
    if (size <= SKR_HTTP_ANSWER_SMALL)
        return true;
    if (request->method != SKR_HTTP_GET) {
        skr_http_pool_force(request->api->pools[SKR_HTTP_POOL_ANSWERS], &request->principal, (int64_t)size);
        request->held[SKR_HTTP_POOL_ANSWERS] += (int64_t)size;
        return true;
    }
    if (skr_http_hold(request, SKR_HTTP_POOL_ANSWERS, (int64_t)size, &full) == 0)
        return true;
    skr_http_answer_error(request, &full);
    return false;
}

void skr_http_answer_text(struct skr_http_request *request, unsigned status, const char *type, char *stolen)
{
    size_t size = stolen ? strlen(stolen) : 0;
    if (!may_answer(request, size))
        skr_http_forget(stolen);
    else if (stolen) /* an answer may show a new token, once */
        respond(request, status, type,
                MHD_create_response_from_buffer_with_free_callback(size, stolen, skr_http_forget));
    else
        skr_http_answer_shared(request, status, type, "");
}

void skr_http_answer_shared(struct skr_http_request *request, unsigned status, const char *type, const char *text)
{
    respond(request, status, type,
            MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT));
}

void skr_http_answer(struct skr_http_request *request, unsigned status, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    skr_http_answer_text(request, status, text ? "application/json" : NULL, text);
}

void skr_http_retry_after(struct skr_http_request *request, int64_t wait_ns)
{
    request->retry_after_s = (unsigned)((wait_ns + SKR_NS_PER_S - 1) / SKR_NS_PER_S);
}

void skr_http_answer_error(struct skr_http_request *request, const struct skr_error *error)
{
    skr_http_answer_problem(request, error, NULL);
}

void skr_http_answer_problem(struct skr_http_request *request, const struct skr_error *error, json_t *members)
{
    static struct skr_log_limit limit;
    struct skr_error unknown = {.tag = SKR_ERROR_INTERNAL};
    if (error->tag == SKR_ERROR_NONE || error->tag >= SKR_ERROR_TAG_COUNT)
        error = &unknown;
    const struct skr_error_tag_info *info = skr_error_tag_info(error->tag);
    skr_http_audit_refusal(request, error);
    json_t *problem = skr_problem_to_json(error, request->id);
    if (members)
        json_object_update(problem, members);
    char *text = json_dumps(problem, JSON_COMPACT);
    json_decref(problem);
    skr_http_answer_text(request, (unsigned)info->http_status, "application/problem+json", text);
    atomic_fetch_add_explicit(&request->api->counters.refusals[error->tag], 1, memory_order_relaxed);
    if (error->tag == SKR_ERROR_UNAUTHENTICATED)
        skr_http_add_header(request, "WWW-Authenticate", "Bearer realm=\"skerry\"");
    if (error->tag == SKR_ERROR_TOO_MANY || error->tag == SKR_ERROR_UNAVAILABLE || error->tag == SKR_ERROR_RESTING) {
        char seconds[12];
        snprintf(seconds, sizeof(seconds), "%u", request->retry_after_s ? request->retry_after_s : 1);
        skr_http_add_header(request, "Retry-After", seconds);
    }
    if (error->tag == SKR_ERROR_METHOD) {
        char allowed[SKR_HTTP_METHODS_TEXT_MAX];
        skr_http_add_header(request, "Allow", skr_http_methods_format(request->route.methods, allowed));
    }
    if ((error->tag == SKR_ERROR_INTERNAL || error->tag == SKR_ERROR_STORAGE) && skr_log_allowed(&limit, 20))
        skr_log(SKR_LOG_ERROR, "request failed", "request_id=%s type=%s detail='%s'", request->id, info->name,
                error->detail);
}
