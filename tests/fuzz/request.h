/* The text of a request for fuzz targets: method and address on the first line, behind a digit that says which role
 * asks, then name=value lines as libmicrohttpd decodes them, up to an empty line. */
#pragma once

#include "controller/api/http.h"

#include <stdlib.h>
#include <string.h>

static inline void need_reason(const struct skr_error *error)
{
    json_t *problem = error->tag == SKR_ERROR_NONE ? NULL : skr_problem_to_json(error, "id");
    char *text = problem ? json_dumps(problem, 0) : NULL;
    if (!text)
        abort();
    free(text);
    json_decref(problem);
}

/* Takes the digit; without one the administrator asks. */
static inline enum skr_role take_role(char **line)
{
    static const enum skr_role roles[] = {SKR_ROLE_ADMIN, SKR_ROLE_FABRIC, SKR_ROLE_AUDITOR, SKR_ROLE_TENANT,
                                          SKR_ROLE_VIEWER};
    return **line >= '0' && **line <= '9' ? roles[(unsigned)(*(*line)++ - '0') % SKR_ARRAY_SIZE(roles)]
                                          : SKR_ROLE_ADMIN;
}

/* Tells whether skr_http_request_begin() lets the parameter through. */
static inline bool known(const struct skr_http_request *request, const char *name)
{
    for (const char *const *known = skr_route_parameters(&request->route, request->method); *known; known++)
        if (strcmp(*known, name) == 0)
            return true;
    if (request->route.kind != SKR_ROUTE_COLLECTION || request->method != SKR_HTTP_GET)
        return false;
    int field = skr_resource_field(request->route.resource, name);
    return field >= 0 && skr_http_may_filter(&request->principal, &request->route.resource->fields[field]);
}

static inline void read_parameters(struct skr_http_request *request, char **rest)
{
    char *line;
    while ((line = strsep(rest, "\n")) && *line) {
        char *value = strchr(line, '=');
        if (value)
            *value++ = '\0';
        if (known(request, line) && request->parameter_count < SKR_HTTP_QUERY_MAX && !skr_http_parameter(request, line))
            request->parameters[request->parameter_count++] =
                    (struct skr_http_parameter){.name = line, .value = value ? value : ""};
    }
}
