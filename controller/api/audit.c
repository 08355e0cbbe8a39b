#include "controller/api/http.h"

#include <string.h>

static void done(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    (void)result, (void)revision, (void)error;
    free(arg);
}

static bool writes(const struct skr_http_request *request)
{
    return request->method & (SKR_HTTP_POST | SKR_HTTP_PUT | SKR_HTTP_PATCH | SKR_HTTP_DELETE);
}

/* A refusal because of too much load leaves no audit record, because writing the record would add to the load. */
static bool is_overload(const struct skr_error *why)
{
    return why->tag == SKR_ERROR_TOO_MANY || why->tag == SKR_ERROR_UNAVAILABLE;
}

/* A stranger (a request without a token) leaves an audit record only for a login with a wrong name or password, because
 * password.c lets few of those through a minute; any other refusal of a stranger could fill the log. */
static bool is_strangers(const struct skr_http_request *request, const struct skr_error *why)
{
    return skr_uuid_is_nil(&request->principal.token_id) && why->tag != SKR_ERROR_UNAUTHENTICATED;
}

void skr_http_audit_refusal(struct skr_http_request *request, const struct skr_error *why)
{
    const char *dry_run = skr_http_parameter(request, "dry_run");
    if (request->audited || !*request->principal.request_id || !writes(request) || is_overload(why) ||
        is_strangers(request, why) || (dry_run && strcmp(dry_run, "true") == 0))
        return;
    struct skr_refusal *refusal = calloc(1, sizeof(*refusal));
    if (!refusal)
        abort();
    request->audited = true;
    refusal->principal = request->principal;
    refusal->resource = request->route.resource;
    refusal->id = request->route.id;
    refusal->why = *why;
    snprintf(refusal->path, sizeof(refusal->path), "%s", request->path);
    snprintf(refusal->method, sizeof(refusal->method), "%s",
             request->method == SKR_HTTP_POST    ? "POST"
             : request->method == SKR_HTTP_PUT   ? "PUT"
             : request->method == SKR_HTTP_PATCH ? "PATCH"
                                                 : "DELETE");
    if (skr_store_write(request->api->store, skr_model_refusal, done, refusal) < 0)
        free(refusal);
}
