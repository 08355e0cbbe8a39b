#include "cli/command/write.h"

#include <errno.h>
#include <string.h>

/* Actions, POST <collection>/{id}:verb, straight from the resource tables. "host drain H" is the same as
 * "act host H drain". */

static const struct skr_action *find_action(const struct skr_resource *resource, const char *verb,
                                            struct skr_error *error)
{
    const char *names[32] = {NULL};
    char known[200] = "";
    size_t count = 0;
    for (unsigned i = 0; i < resource->action_count; i++) {
        size_t at = strlen(known);
        if (strcmp(resource->actions[i].verb, verb) == 0)
            return &resource->actions[i];
        snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "", resource->actions[i].verb);
        if (count < SKR_ARRAY_SIZE(names))
            names[count++] = resource->actions[i].verb;
    }
    const char *near = skr_nearest(verb, names, count);
    if (near)
        skr_error_set(error, SKR_ERROR_SYNTAX, "A %s has no action '%.40s'; did you mean '%s'?", resource->name, verb,
                      near);
    else
        skr_error_set(error, SKR_ERROR_SYNTAX, "A %s has no action '%.40s'%s%s", resource->name, verb,
                      count ? "; it has " : "", known);
    return NULL;
}

static int body_of(struct skr_lookup *lookup, const struct skr_action *action, const struct skr_arguments *arguments,
                   json_t **ret, struct skr_error *error)
{
    json_t *body = json_object();
    int r = 0;
    if (!action->input && arguments->field_count)
        r = skr_error_set(error, SKR_ERROR_SYNTAX, "%s takes no fields", action->verb);
    if (r == 0 && action->input)
        r = skr_body_from_fields(action->input, arguments, body, error);
    if (r == 0 && action->input)
        r = skr_lookup_references(lookup, action->input, body, "", error);
    if (r < 0)
        json_decref(body);
    else
        *ret = body;
    return r;
}

static void tell(const struct skr_writing *writing, const struct skr_resource *resource, const char *path,
                 const struct skr_action *action, const json_t *answer)
{
    const char *address = json_string_value(json_object_get(answer, "address"));
    if (writing->form == SKR_FORM_JSON && answer)
        skr_json_print(answer, stdout);
    else
        printf("%s/%s %s%s%s%s\n", resource->name, path, action->verb, address ? ": " : " done", address ? address : "",
               skr_write_is_dry(writing) ? " (dry run)" : "");
    fflush(stdout);
}

static int act(struct skr_writing *writing, const struct skr_resource *resource, const char *name,
               const struct skr_action *action, struct skr_error *error)
{
    struct skr_request_path path;
    struct skr_request request = {.method = "POST"};
    struct skr_answer answer = {0};
    json_t *object = NULL, *body = NULL;
    int r = skr_lookup_find(writing->session->lookup, resource, name, &object, error);
    if (r == 0)
        r = body_of(writing->session->lookup, action, writing->arguments, &body, error);
    if (r < 0) {
        json_decref(object);
        return r;
    }
    char *shown SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(writing->session->lookup, resource, object);
    skr_path_set(&path, "/v1/%s/%s:%s", resource->collection, json_string_value(json_object_get(object, "id")),
                 action->verb);
    request.body = action->input ? body : NULL;
    r = skr_write_send(writing, &request, &path, shown, &answer, error);
    if (r == 0 && !answer.job[0])
        tell(writing, resource, shown, action, answer.body);
    json_decref(object);
    json_decref(body);
    skr_answer_done(&answer);
    return r;
}

static int run(const struct skr_command *command, const struct skr_arguments *arguments,
               const struct skr_resource *resource, const char *name, const char *verb)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_writing writing SKR_CLEANUP(skr_writing_done) = {.session = &session, .arguments = arguments};
    struct skr_error error = {0};
    unsigned forms = 1U << SKR_FORM_TABLE | 1U << SKR_FORM_JSON;
    int code = SKR_EXIT_DONE;
    const struct skr_action *action = find_action(resource, verb, &error);
    if (!action || skr_form_parse(skr_arguments_flag(arguments, "output"), forms, &writing.form, &error) < 0)
        return skr_usage(command, &error);
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = act(&writing, resource, name, action, &error);
    if (r == 0)
        r = skr_write_settle(&writing, &code, &error);
    return r < 0 ? skr_fail(&error) : code;
}

int skr_command_act(const struct skr_command *command, const struct skr_arguments *arguments)
{
    const struct skr_resource *resource = NULL;
    struct skr_error error = {0};
    const char *name = NULL;
    if (!arguments->word_count)
        return skr_usage_because(command, "act takes a kind, a name and an action");
    int taken = skr_target_at(arguments, 0, &resource, &name, &error);
    if (taken < 0)
        return skr_usage(command, &error);
    if (!name || (unsigned)taken + 1 != arguments->word_count)
        return skr_usage_because(command, "act takes the name of one %s and what to do", resource->name);
    return run(command, arguments, resource, name, arguments->words[taken]);
}

int skr_command_host_action(const struct skr_command *command, const struct skr_arguments *arguments)
{
    const char *verb = strrchr(command->name, ' ') + 1;
    if (arguments->word_count != 1)
        return skr_usage_because(command, "host %s takes one host", verb);
    return run(command, arguments, skr_resource_get(SKR_HOST), arguments->words[0], verb);
}

/* ---- jobs ---- */

int skr_command_job_wait(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_error error = {0};
    const char *timeout = skr_arguments_flag(arguments, "timeout");
    int64_t ms = 0;
    int code = SKR_EXIT_DONE;
    if (arguments->word_count != 1)
        return skr_usage_because(command, "job wait takes the id of one job; skerryctl get jobs lists them");
    if (timeout && skr_duration_parse("timeout", timeout, &ms, &error) < 0)
        return skr_usage(command, &error);
    const char *id = strncmp(arguments->words[0], "job/", 4) == 0 ? arguments->words[0] + 4 : arguments->words[0];
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = skr_wait_job(&session, id, ms, &code, &error);
    return r < 0 ? skr_fail(&error) : code;
}

int skr_command_job_cancel(const struct skr_command *command, const struct skr_arguments *arguments)
{
    const struct skr_resource *jobs = skr_resource_find("job");
    if (arguments->word_count != 1 || !jobs)
        return skr_usage_because(command, "job cancel takes the id of one job; skerryctl get jobs lists them");
    const char *id = strncmp(arguments->words[0], "job/", 4) == 0 ? arguments->words[0] + 4 : arguments->words[0];
    return run(command, arguments, jobs, id, "cancel");
}
