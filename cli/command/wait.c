#include "cli/command/command.h"

#include <errno.h>
#include <skerry/clock.h>
#include <string.h>
#include <time.h>

#define WAIT_DEFAULT_MS 30000
/* The write is realized and the object is not: another write that it depends on is on its way. */
#define LOOK_AGAIN_MS 200
/* One question to the controller at a time lasts no longer than this. */
#define QUESTION_MAX_MS 30000

enum goal { REALIZED, BOUND, DELETED, GOAL_COUNT };
static const char *const goal_names[] = {[REALIZED] = "realized", [BOUND] = "bound", [DELETED] = "deleted"};

struct waiting {
    struct skr_session *session;
    const struct skr_resource *resource;
    enum goal goal;
    int64_t deadline_ns;
    char id[48], name[300];
    json_t *object; /* the last that was seen; NULL: deleted */
};

static int64_t left_ms(const struct waiting *waiting)
{
    int64_t left = (waiting->deadline_ns - skr_clock_monotonic_ns()) / SKR_NS_PER_MS;
    return left > 0 ? left : 0;
}

static const json_t *realization_of(const json_t *object)
{
    return json_object_get(json_object_get(object, "status"), "realization");
}

static bool is_reached(const struct waiting *waiting)
{
    if (waiting->goal == DELETED)
        return !waiting->object;
    if (waiting->goal == BOUND)
        return json_is_true(json_object_get(json_object_get(waiting->object, "status"), "bound"));
    const char *state = json_string_value(json_object_get(realization_of(waiting->object), "state"));
    return state && strcmp(state, "realized") == 0;
}

static bool on_object(void *arg, json_t *object)
{
    struct waiting *waiting = arg;
    json_decref(waiting->object);
    waiting->object = json_incref(object);
    return is_reached(waiting) || !object;
}

/* ---- realized: the controller waits ---- */

static int look(struct waiting *waiting, struct skr_error *error)
{
    struct skr_request_path path;
    json_t *object = NULL;
    skr_path_set(&path, "/v1/%s/%s", waiting->resource->collection, waiting->id);
    int r = skr_client_get(waiting->session->client, path.text, &object, error);
    if (r == 0)
        on_object(waiting, object);
    json_decref(object);
    return r;
}

static int wait_realized(struct waiting *waiting, struct skr_error *error)
{
    int r;
    while ((r = look(waiting, error)) == 0 && !is_reached(waiting) && left_ms(waiting)) {
        struct skr_answer answer = {0};
        int64_t ms = left_ms(waiting) < QUESTION_MAX_MS ? left_ms(waiting) : QUESTION_MAX_MS;
        const char *etag = json_string_value(json_object_get(waiting->object, "etag"));
        if (strcmp(etag ? etag : "", "") == 0)
            return skr_error_set(error, SKR_ERROR_NOT_SUPPORTED, "A %s is not realized on hosts",
                                 waiting->resource->name);
        r = skr_ask_realized(waiting->session, strtoll(etag, NULL, 10), (unsigned)(ms ? ms : 1), &answer, error);
        if (r < 0)
            return r;
        const char *state = json_string_value(json_object_get(answer.body, "state"));
        bool at_once = state && strcmp(state, "pending") != 0;
        skr_answer_done(&answer);
        if (at_once && look(waiting, error) == 0 && !is_reached(waiting))
            nanosleep(&(struct timespec){.tv_nsec = LOOK_AGAIN_MS * SKR_NS_PER_MS}, NULL);
    }
    return r;
}

/* ---- bound and deleted ---- */

static int wait_watching(struct waiting *waiting, struct skr_error *error)
{
    int r = skr_follow_object(waiting->session, waiting->resource, waiting->id, waiting->deadline_ns, on_object,
                              waiting, error);
    bool gone = r < 0 && error->tag == SKR_ERROR_NOT_FOUND;
    if (gone && waiting->goal == DELETED) {
        on_object(waiting, NULL);
        return 0;
    }
    if (r == 0 && !waiting->object && waiting->goal != DELETED)
        return skr_error_set(error, SKR_ERROR_NOT_FOUND, "%s was deleted", waiting->name);
    return r;
}

static int tell(const struct waiting *waiting)
{
    if (is_reached(waiting)) {
        printf("%s/%s %s\n", waiting->resource->name, waiting->name, goal_names[waiting->goal]);
        return SKR_EXIT_DONE;
    }
    if (waiting->goal == REALIZED) {
        int code = skr_realization_code(waiting->name, realization_of(waiting->object));
        return code ? code : SKR_EXIT_NOT_YET_REALIZED;
    }
    const char *reason = json_string_value(json_object_get(json_object_get(waiting->object, "status"), "bound_reason"));
    skr_say("%s is not %s%s%s", waiting->name, goal_names[waiting->goal], reason ? ": " : "", reason ? reason : "");
    return SKR_EXIT_NOT_YET_REALIZED;
}

static int parse_goal(const struct skr_arguments *arguments, const struct skr_resource *resource, enum goal *ret,
                      struct skr_error *error)
{
    const char *text = skr_arguments_flag(arguments, "for");
    for (int i = 0; i < GOAL_COUNT; i++)
        if (strcmp(text ? text : "realized", goal_names[i]) == 0) {
            *ret = (enum goal)i;
            if (i == BOUND && resource->id != SKR_NETWORK_ADAPTER)
                return skr_error_set(error, SKR_ERROR_SYNTAX, "Only network adapters are bound, a %s is not",
                                     resource->name);
            return 0;
        }
    return skr_error_set(error, SKR_ERROR_SYNTAX, "--for takes realized, bound or deleted, not '%.40s'", text);
}

static int find(struct waiting *waiting, const char *name, struct skr_error *error)
{
    json_t *object = NULL;
    int r = skr_lookup_find(waiting->session->lookup, waiting->resource, name, &object, error);
    if (r < 0)
        return r;
    char *path SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(waiting->session->lookup, waiting->resource, object);
    snprintf(waiting->id, sizeof(waiting->id), "%.40s", json_string_value(json_object_get(object, "id")));
    snprintf(waiting->name, sizeof(waiting->name), "%.299s", path);
    waiting->object = object;
    return 0;
}

int skr_command_wait(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct waiting waiting = {.session = &session};
    struct skr_error error = {0};
    const char *name = NULL, *timeout = skr_arguments_flag(arguments, "timeout");
    int64_t ms = WAIT_DEFAULT_MS;
    if (!arguments->word_count)
        return skr_usage_because(command, "wait takes a kind and a name");
    int taken = skr_target_at(arguments, 0, &waiting.resource, &name, &error);
    if (taken < 0 || parse_goal(arguments, waiting.resource, &waiting.goal, &error) < 0 ||
        (timeout && skr_duration_parse("timeout", timeout, &ms, &error) < 0))
        return skr_usage(command, &error);
    if (!name || (unsigned)taken != arguments->word_count)
        return skr_usage_because(command, "wait takes the name of one %s", waiting.resource->name);
    waiting.deadline_ns = skr_clock_monotonic_ns() + ms * SKR_NS_PER_MS;
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = find(&waiting, name, &error);
    if (r < 0 && error.tag == SKR_ERROR_NOT_FOUND && waiting.goal == DELETED) {
        printf("%s/%s deleted\n", waiting.resource->name, name);
        return SKR_EXIT_DONE;
    }
    if (r == 0)
        r = waiting.goal == REALIZED ? wait_realized(&waiting, &error) : wait_watching(&waiting, &error);
    int code = r < 0 ? skr_fail(&error) : tell(&waiting);
    json_decref(waiting.object);
    return code;
}
