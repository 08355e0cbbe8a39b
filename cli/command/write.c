#include "cli/command/write.h"

#include <skerry/clock.h>
#include <string.h>

static const char adapters[] = "/v1/network-adapters";

bool skr_write_is_dry(const struct skr_writing *writing)
{
    return skr_arguments_flag(writing->arguments, "dry-run") != NULL;
}

void skr_writing_done(struct skr_writing *writing)
{
    json_decref(SKR_TAKE(writing->revisions));
    json_decref(SKR_TAKE(writing->jobs));
}

int skr_write_send(struct skr_writing *writing, struct skr_request *request, struct skr_request_path *path,
                   const char *what, struct skr_answer *ret, struct skr_error *error)
{
    struct skr_answer answer = {0};
    unsigned ms;
    int r = skr_wait_flags(writing->arguments, &ms,
                           error); /* what cannot be right is said before anything is written */
    if (r < 0)
        return r;
    if (skr_write_is_dry(writing))
        skr_path_add(path, "dry_run", "true");
    if (skr_arguments_flag(writing->arguments, "confirm"))
        skr_path_add(path, "confirm", "true");
    request->path = path->text;
    r = skr_client_send(writing->session->client, request, &answer, error);
    if (r < 0)
        return r;
    if (answer.revision && skr_arguments_flag(writing->arguments, "wait")) {
        writing->revisions = writing->revisions ? writing->revisions : json_array();
        bool adapter = strncmp(path->text, adapters, strlen(adapters)) == 0 && strcmp(request->method, "DELETE") != 0;
        json_array_append_new(writing->revisions,
                              json_pack("[s, I, b]", what ? what : "?", (json_int_t)answer.revision, (int)adapter));
    }
    if (answer.job[0]) {
        writing->jobs = writing->jobs ? writing->jobs : json_array();
        json_array_append_new(writing->jobs, json_string(answer.job));
    }
    *ret = answer;
    return 0;
}

static int send_object(struct skr_writing *writing, struct skr_request *request, struct skr_request_path *path,
                       const char *what, json_t **ret_object, struct skr_error *error)
{
    struct skr_answer answer = {0};
    int r = skr_write_send(writing, request, path, what, &answer, error);
    if (r == 0)
        *ret_object = answer.body ? answer.body : json_object();
    return r;
}

int skr_write_create(struct skr_writing *writing, const struct skr_manifest_entry *entry, json_t **ret_object,
                     struct skr_error *error)
{
    struct skr_request_path path;
    struct skr_request request = {.method = "POST", .body = entry->body};
    skr_path_set(&path, "/v1/%s", entry->resource->collection);
    return send_object(writing, &request, &path, json_string_value(json_object_get(entry->body, "name")), ret_object,
                       error);
}

int skr_write_patch(struct skr_writing *writing, const struct skr_resource *resource, const json_t *current,
                    const json_t *patch, json_t **ret_object, struct skr_error *error)
{
    struct skr_request_path path;
    struct skr_request request = {
            .method = "PATCH", .body = patch, .etag = json_string_value(json_object_get(current, "etag"))};
    skr_path_set(&path, "/v1/%s/%s", resource->collection, json_string_value(json_object_get(current, "id")));
    return send_object(writing, &request, &path, json_string_value(json_object_get(current, "name")), ret_object,
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

/* *deadline 0: as long as they take. */
static int follow_jobs(struct skr_writing *writing, bool waits, int64_t deadline, int *ret_code,
                       struct skr_error *error)
{
    json_t *job;
    size_t i;
    int r = 0;
    json_array_foreach (writing->jobs, i, job) {
        const char *id = json_string_value(job);
        int64_t left = deadline ? (deadline - skr_clock_monotonic_ns()) / SKR_NS_PER_MS : 0;
        int code = SKR_EXIT_DONE;
        if (writing->form != SKR_FORM_JSON)
            printf("job/%s started\n", id);
        fflush(stdout);
        if (!waits)
            skr_say("skerryctl job wait %s follows it", id);
        else if (r == 0)
            r = skr_wait_job(writing->session, id, deadline && left < 1 ? 1 : left, &code, error);
        if (*ret_code == SKR_EXIT_DONE)
            *ret_code = code;
    }
    return r;
}

int skr_write_settle(struct skr_writing *writing, int *ret_code, struct skr_error *error)
{
    unsigned ms;
    json_t *write;
    size_t i;
    *ret_code = SKR_EXIT_DONE;
    int r = skr_wait_flags(writing->arguments, &ms, error);
    int64_t deadline = skr_clock_monotonic_ns() + (int64_t)ms * SKR_NS_PER_MS;
    if (r == 0)
        r = follow_jobs(writing, ms != 0, skr_arguments_flag(writing->arguments, "timeout") ? deadline : 0, ret_code,
                        error);
    if (!ms || *ret_code != SKR_EXIT_DONE)
        return r;
    json_array_foreach (writing->revisions, i, write) {
        int64_t left = (deadline - skr_clock_monotonic_ns()) / SKR_NS_PER_MS;
        const char *what = json_string_value(json_array_get(write, 0));
        int code = SKR_EXIT_DONE;
        json_int_t hosts = 1;
        if (r == 0)
            r = skr_wait_realized(writing->session, what, json_integer_value(json_array_get(write, 1)),
                                  left > 1 ? (unsigned)left : 1, &code, &hosts, error);
        if (hosts == 0 && json_is_true(json_array_get(write, 2)))
            skr_say("%s: no host needs it; an adapter is realized when it is on a host", what);
        if (*ret_code == SKR_EXIT_DONE)
            *ret_code = code;
    }
    return r;
}
