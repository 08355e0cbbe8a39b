#include "cli/command/write.h"

#include <string.h>

bool skr_write_is_dry(const struct skr_writing *writing)
{
    return skr_arguments_flag(writing->arguments, "dry-run") != NULL;
}

static int send(struct skr_writing *writing, struct skr_request *request, struct skr_request_path *path,
                const char *what, json_t **ret_object, int *ret_code, struct skr_error *error)
{
    struct skr_answer answer = {0};
    if (skr_write_is_dry(writing))
        skr_path_add(path, "dry_run", "true");
    int r = skr_wait_flags(writing->arguments, path, &request->patient_for_ms, error);
    request->path = path->text;
    if (r == 0)
        r = skr_client_send(writing->session->client, request, &answer, error);
    if (r < 0)
        return r;
    *ret_code = SKR_EXIT_DONE;
    if (request->patient_for_ms)
        *ret_code = skr_realization_code(what, json_object_get(json_object_get(answer.body, "status"), "realization"));
    *ret_object = answer.body ? answer.body : json_object();
    return 0;
}

int skr_write_create(struct skr_writing *writing, const struct skr_manifest_entry *entry, json_t **ret_object,
                     int *ret_code, struct skr_error *error)
{
    struct skr_request_path path;
    struct skr_request request = {.method = "POST", .body = entry->body};
    skr_path_set(&path, "/v1/%s", entry->resource->collection);
    return send(writing, &request, &path, json_string_value(json_object_get(entry->body, "name")), ret_object, ret_code,
                error);
}

int skr_write_patch(struct skr_writing *writing, const struct skr_resource *resource, const json_t *current,
                    const json_t *patch, json_t **ret_object, int *ret_code, struct skr_error *error)
{
    struct skr_request_path path;
    struct skr_request request = {
            .method = "PATCH", .body = patch, .etag = json_string_value(json_object_get(current, "etag"))};
    skr_path_set(&path, "/v1/%s/%s", resource->collection, json_string_value(json_object_get(current, "id")));
    return send(writing, &request, &path, json_string_value(json_object_get(current, "name")), ret_object, ret_code,
                error);
}

/* A secret is shown by this answer and never again. */
static void tell_secret(const struct skr_resource *resource, const json_t *object)
{
    const char *id = json_string_value(json_object_get(object, "id"));
    const char *secret = json_string_value(json_object_get(object, "secret"));
    const char *join = json_string_value(json_object_get(object, "join_command"));
    if (join)
        printf("%s\n", join);
    else if (secret && resource->id == SKR_TOKEN)
        printf("%s.%s\n", id ? id : "", secret);
}

void skr_write_tell(struct skr_writing *writing, const struct skr_resource *resource, const json_t *object,
                    const char *what)
{
    char *path SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(writing->session->lookup, resource, object);
    if (writing->form == SKR_FORM_JSON) {
        skr_json_print(object, stdout);
        return;
    }
    if (writing->form == SKR_FORM_NAME)
        printf("%s/%s\n", resource->name, path);
    else
        printf("%s/%s %s%s\n", resource->name, path, what, skr_write_is_dry(writing) ? " (dry run)" : "");
    tell_secret(resource, object);
    fflush(stdout);
}
