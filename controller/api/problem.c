#include "controller/api/http.h"

#include <stdio.h>
#include <string.h>

json_t *skr_json_text(const char *text)
{
    json_t *made = json_string(text);
    if (made)
        return made;
    /* Somebody's bytes that are not UTF-8, echoed in a message. */
    char *copy = strdup(text);
    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    made = json_string(copy ? copy : "");
    free(copy);
    return made;
}

json_t *skr_problem_to_json(const struct skr_error *error, const char *request_id)
{
    const struct skr_error_tag_info *info = skr_error_tag_info(error->tag);
    char type[96];
    snprintf(type, sizeof(type), "urn:skerry:error:%s", info->name);
    json_t *problem = json_object();
    json_object_set_new(problem, "type", json_string(type));
    json_object_set_new(problem, "title", json_string(info->title));
    json_object_set_new(problem, "status", json_integer(info->http_status));
    json_object_set_new(problem, "detail", skr_json_text(error->detail[0] ? error->detail : info->title));
    unsigned kept = error->field_count < SKR_ERROR_FIELDS_MAX ? error->field_count : SKR_ERROR_FIELDS_MAX;
    if (kept) {
        json_t *errors = json_array();
        for (unsigned i = 0; i < kept; i++) {
            json_t *entry = json_object();
            json_object_set_new(entry, "pointer", skr_json_text(error->fields[i].pointer));
            json_object_set_new(entry, "detail", skr_json_text(error->fields[i].detail));
            json_array_append_new(errors, entry);
        }
        json_object_set_new(problem, "errors", errors);
    }
    json_object_set_new(problem, "request_id", json_string(request_id));
    return problem;
}
