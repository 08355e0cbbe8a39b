#include "cli/command/write.h"

#include <errno.h>
#include <string.h>

static int delete_one(struct skr_writing *writing, const struct skr_resource *resource, const char *name,
                      struct skr_error *error)
{
    struct skr_request_path path;
    struct skr_request request = {.method = "DELETE"};
    struct skr_answer answer = {0};
    json_t *object = NULL;
    int r = skr_lookup_find(writing->session->lookup, resource, name, &object, error);
    if (r < 0)
        return r;
    char *shown SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(writing->session->lookup, resource, object);
    skr_path_set(&path, "/v1/%s/%s", resource->collection, json_string_value(json_object_get(object, "id")));
    json_decref(object);
    r = skr_write_send(writing, &request, &path, shown, &answer, error);
    if (r < 0)
        return r;
    if (!answer.job[0])
        printf("%s/%s deleted%s\n", resource->name, shown, skr_write_is_dry(writing) ? " (dry run)" : "");
    fflush(stdout);
    skr_answer_done(&answer);
    return r;
}

int skr_command_delete(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_writing writing SKR_CLEANUP(skr_writing_done) = {.session = &session, .arguments = arguments};
    struct skr_error error = {0};
    const struct skr_resource *resource = NULL;
    const char *name = NULL;
    int code = SKR_EXIT_DONE;
    if (!arguments->word_count)
        return skr_usage_because(command, "delete takes a kind and names");
    int taken = skr_target_at(arguments, 0, &resource, &name, &error);
    if (taken < 0)
        return skr_usage(command, &error);
    if (!name)
        return skr_usage_because(command, "delete takes the names of the %s to delete", resource->collection);
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = delete_one(&writing, resource, name, &error);
    for (unsigned at = (unsigned)taken; at < arguments->word_count && r == 0; at++) {
        name = arguments->words[at];
        const char *slash = strchr(arguments->words[0], '/');
        if (slash) { /* KIND/NAME KIND/NAME ... */
            r = skr_target_at(arguments, at, &resource, &name, &error) < 0 ? -EINVAL : 0;
            if (r == 0 && !strchr(arguments->words[at], '/'))
                r = skr_error_set(&error, SKR_ERROR_SYNTAX, "'%.100s' is not of the form KIND/NAME like the first one",
                                  arguments->words[at]);
        }
        if (r == 0)
            r = delete_one(&writing, resource, name, &error);
    }
    if (r == 0)
        r = skr_write_settle(&writing, &code, &error);
    return r < 0 ? skr_fail(&error) : code;
}
