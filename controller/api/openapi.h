/* OpenAPI 3.1 from the same tables that route and validate.
 *
 * openapi_schema.c  a resource table as JSON schemas: what is answered, what is created, what a PATCH may hold
 * openapi.c         addresses, parameters and answers */
#pragma once

#include "controller/api/http.h"

enum skr_openapi_view { SKR_OPENAPI_ANSWER, SKR_OPENAPI_CREATE, SKR_OPENAPI_PATCH };

/* {"type": ...}; `format` may be NULL. */
json_t *skr_openapi_typed(const char *type, const char *format, bool nullable);
json_t *skr_openapi_reference(const char *format, ...) SKR_PRINTF(1, 2);
/* JSON text that is part of the program. */
json_t *skr_openapi_parse(const char *text);
json_t *skr_openapi_table(const struct skr_resource *table, enum skr_openapi_view view);
json_t *skr_openapi_resource(const struct skr_resource *resource);
/* A filter of a list. */
json_t *skr_openapi_filter(const struct skr_field *field);
/* Adds what belongs to no table: problem, realization, batch. */
void skr_openapi_common(json_t *schemas);
