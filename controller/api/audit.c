#include "controller/api/http.h"

#include <arpa/inet.h>
#include <string.h>

/* An IPv4 client of a socket for both families stands there as ::ffff:a.b.c.d; people know it as a.b.c.d. */
static void write_address(const struct sockaddr *from, char out[static INET6_ADDRSTRLEN])
{
    struct skr_address address = {0};
    out[0] = '\0';
    if (from && from->sa_family == AF_INET6)
        memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, sizeof(address.bytes));
    else if (from && from->sa_family == AF_INET)
        address = skr_address_from_v4(((const struct sockaddr_in *)(const void *)from)->sin_addr.s_addr);
    else
        return;
    char text[SKR_ADDRESS_TEXT_MAX];
    snprintf(out, INET6_ADDRSTRLEN, "%s", skr_address_format(&address, text));
}

void skr_http_audit_begin(struct skr_http_request *request)
{
    const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    write_address(info ? info->client_addr : NULL, request->principal.address);
    memcpy(request->principal.request_id, request->id, sizeof(request->principal.request_id));
}

static void done(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    (void)result, (void)revision, (void)error;
    free(arg);
}

static bool writes(const struct skr_http_request *request)
{
    return request->method & (SKR_HTTP_POST | SKR_HTTP_PUT | SKR_HTTP_PATCH | SKR_HTTP_DELETE);
}

/* What is refused because there is too much of it is not written down: that would be more of it. */
static bool is_overload(const struct skr_error *why)
{
    return why->tag == SKR_ERROR_TOO_MANY || why->tag == SKR_ERROR_UNAVAILABLE;
}

void skr_http_audit_refusal(struct skr_http_request *request, const struct skr_error *why)
{
    const char *dry_run = skr_http_parameter(request, "dry_run");
    if (request->audited || !*request->principal.request_id || !writes(request) || is_overload(why) ||
        (dry_run && strcmp(dry_run, "true") == 0))
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
