#include "cli/rest/problem.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define PREFIX "urn:skerry:error:"

static enum skr_error_tag tag_of(long status, const char *type)
{
    bool ours = type && strncmp(type, PREFIX, strlen(PREFIX)) == 0;
    for (int i = SKR_ERROR_NONE + 1; i < SKR_ERROR_TAG_COUNT; i++)
        if (ours && strcmp(skr_error_tag_info((enum skr_error_tag)i)->name, type + strlen(PREFIX)) == 0)
            return (enum skr_error_tag)i;
    for (int i = SKR_ERROR_NONE + 1; i < SKR_ERROR_TAG_COUNT; i++)
        if (skr_error_tag_info((enum skr_error_tag)i)->http_status == status)
            return (enum skr_error_tag)i;
    return SKR_ERROR_INTERNAL;
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? text : "";
}

int skr_problem_to_error(long status, const json_t *problem, struct skr_error *error)
{
    enum skr_error_tag tag = tag_of(status, text_of(problem, "type"));
    const char *title = text_of(problem, "title"), *detail = text_of(problem, "detail");
    const json_t *errors = json_object_get(problem, "errors"), *ports = json_object_get(problem, "ports");
    int r;
    if (!*title && !*detail)
        r = skr_error_set(error, tag, "The answer was %ld without a reason; is this address a controller's?", status);
    /* One field's sentence is the detail too; it is told once, beside its pointer. */
    else if (json_array_size(errors) == 1 && strcmp(detail, text_of(json_array_get(errors, 0), "detail")) == 0)
        r = skr_error_set(error, tag, "%.300s", title);
    else if (status >= 500)
        r = skr_error_set(error, tag, "%.100s: %.300s (request %.40s)", title, detail, text_of(problem, "request_id"));
    else
        r = skr_error_set(error, tag, "%.100s%s%.400s", title, *title && *detail ? ": " : "", detail);
    size_t i;
    json_t *entry;
    json_array_foreach (errors, i, entry)
        skr_error_field(error, text_of(entry, "pointer"), "%.400s", text_of(entry, "detail"));
    json_array_foreach (ports, i, entry)
        skr_error_field(error, "", "Port \"%.300s\", %.40s.", text_of(entry, "name"), text_of(entry, "id"));
    return r;
}
