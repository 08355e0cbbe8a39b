#include "cli/command/command.h"

#include <errno.h>
#include <skerry/clock.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Waiting that shows how far it is: on a terminal one line that changes, elsewhere a line where something new is. */

#define QUESTION_MS  1000 /* one question to the controller lasts no longer while somebody watches */
#define BAR_WIDTH    24
#define RECONNECT_MS 500

const json_t *skr_shown_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return value ? value : json_object_get(json_object_get(object, "status"), name);
}

static bool is_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

/* Replaces the line that stands there. */
static void show_line(const char *text)
{
    char tame[256];
    snprintf(tame, sizeof(tame), "%s", text);
    skr_text_tame(tame);
    fprintf(stderr, "\r\033[K%s", tame);
    fflush(stderr);
}

static void end_line(bool shown)
{
    if (shown)
        fputs("\r\033[K", stderr);
    fflush(stderr);
}

static void bar(unsigned percent, char out[static BAR_WIDTH + 3])
{
    unsigned filled = (percent > 100 ? 100 : percent) * BAR_WIDTH / 100;
    out[0] = '[';
    for (unsigned i = 0; i < BAR_WIDTH; i++)
        out[1 + i] = i < filled ? '#' : '.';
    out[BAR_WIDTH + 1] = ']';
    out[BAR_WIDTH + 2] = '\0';
}

/* ---- realization ---- */

static json_int_t host_count(const json_t *realization, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(realization, "hosts"), name));
}

static json_int_t all_hosts(const json_t *realization)
{
    return host_count(realization, "applied") + host_count(realization, "pending") +
           host_count(realization, "offline") + host_count(realization, "failed");
}

static void show_realization(const char *what, const json_t *realization)
{
    json_int_t applied = host_count(realization, "applied"), all = all_hosts(realization);
    char gauge[BAR_WIDTH + 3], line[256];
    bar(all ? (unsigned)(100 * applied / all) : 0, gauge);
    snprintf(line, sizeof(line), "%s %.100s: applied on %lld of %lld hosts", gauge, what, (long long)applied,
             (long long)all);
    show_line(line);
}

int skr_wait_realized(struct skr_session *session, const char *what, int64_t revision, unsigned ms, int *ret_code,
                      json_int_t *ret_hosts, struct skr_error *error)
{
    int64_t deadline = skr_clock_monotonic_ns() + (int64_t)ms * SKR_NS_PER_MS;
    bool watched = is_terminal(), shown = false;
    for (;;) {
        struct skr_answer answer = {0};
        int64_t left = (deadline - skr_clock_monotonic_ns()) / SKR_NS_PER_MS;
        int64_t most = watched ? QUESTION_MS : SKR_REALIZED_MAX_MS;
        unsigned question = (unsigned)(left < 1 ? 1 : left < most ? left : most);
        int r = skr_ask_realized(session, revision, question, &answer, error);
        if (r < 0) {
            end_line(shown);
            return r;
        }
        const char *state = json_string_value(json_object_get(answer.body, "state"));
        bool goes_on = state && strcmp(state, "pending") == 0 && skr_clock_monotonic_ns() < deadline;
        if (goes_on && watched)
            show_realization(what, answer.body);
        shown = shown || (goes_on && watched);
        if (!goes_on) {
            end_line(shown);
            *ret_code = skr_realization_code(what, answer.body);
            *ret_hosts = all_hosts(answer.body);
        }
        skr_answer_done(&answer);
        if (!goes_on)
            return 0;
    }
}

/* ---- jobs ---- */

struct following {
    json_t *job;
    bool watched, shown;
    char told[512]; /* the step that was told last */
};

static bool is_ended(const json_t *job)
{
    static const char *const ends[] = {"succeeded", "failed", "cancelled"};
    const char *state = json_string_value(skr_shown_member(job, "state"));
    for (size_t i = 0; state && i < SKR_ARRAY_SIZE(ends); i++)
        if (strcmp(state, ends[i]) == 0)
            return true;
    return false;
}

/* The step that runs, else the last that has begun. */
static const json_t *current_step(const json_t *job)
{
    const json_t *steps = skr_shown_member(job, "steps"), *found = NULL;
    json_t *step;
    size_t i;
    json_array_foreach (steps, i, step) {
        const char *state = json_string_value(json_object_get(step, "state"));
        if (state && strcmp(state, "pending") != 0)
            found = step;
        if (state && strcmp(state, "running") == 0)
            break;
    }
    return found;
}

static void show_job(struct following *following)
{
    const json_t *step = current_step(following->job);
    const char *name = json_string_value(json_object_get(step, "name"));
    const char *message = json_string_value(json_object_get(step, "message"));
    unsigned percent = (unsigned)json_integer_value(skr_shown_member(following->job, "percent"));
    char text[512], gauge[BAR_WIDTH + 3];
    snprintf(text, sizeof(text), "%.100s%s%.300s", name ? name : "waiting to start", message && *message ? ": " : "",
             message ? message : "");
    if (following->watched) {
        char line[256];
        bar(percent, gauge);
        snprintf(line, sizeof(line), "%s %3u%% %.200s", gauge, percent, text);
        show_line(line);
        following->shown = true;
    } else if (strcmp(text, following->told) != 0) {
        skr_say("%3u%% %s", percent, text);
        memcpy(following->told, text, sizeof(text));
    }
}

static bool on_job(void *arg, json_t *job)
{
    struct following *following = arg;
    if (!job)
        return true; /* the next look finds out */
    json_decref(following->job);
    following->job = json_incref(job);
    show_job(following);
    return is_ended(job);
}

static int judge_job(const char *id, const json_t *job)
{
    const char *state = json_string_value(skr_shown_member(job, "state"));
    const char *message = json_string_value(skr_shown_member(job, "message"));
    bool done = state && strcmp(state, "succeeded") == 0;
    printf("job/%s %s%s%s\n", id, state ? state : "?", !done && message && *message ? ": " : "",
           !done && message ? message : "");
    fflush(stdout);
    return done ? SKR_EXIT_DONE : is_ended(job) ? SKR_EXIT_FAILED : SKR_EXIT_NOT_YET_REALIZED;
}

int skr_wait_job(struct skr_session *session, const char *id, int64_t ms, int *ret_code, struct skr_error *error)
{
    struct following following = {.watched = is_terminal()};
    int64_t deadline = ms ? skr_clock_monotonic_ns() + ms * SKR_NS_PER_MS : 0;
    int r;
    for (;;) {
        if (deadline && skr_clock_monotonic_ns() >= deadline) {
            r = 0;
            break;
        }
        r = skr_follow_object(session, skr_resource_get(SKR_JOB), id, deadline, on_job, &following, error);
        if (following.job && is_ended(following.job))
            r = 0;
        else if (r == 0 || error->tag == SKR_ERROR_UNAVAILABLE || error->tag == SKR_ERROR_GONE)
            r = 1; /* the connection ended, the job goes on, also through a restart of the controller */
        if (r <= 0)
            break;
        skr_error_clear(error);
        nanosleep(&(struct timespec){.tv_nsec = RECONNECT_MS * SKR_NS_PER_MS}, NULL);
    }
    end_line(following.shown);
    if (r == 0)
        *ret_code = judge_job(id, following.job);
    json_decref(following.job);
    return r;
}
