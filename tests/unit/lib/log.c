#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/log.h>
#include <string.h>
#include <unistd.h>

static int capture_end = -1, saved_error = -1;

static void capture_begin(void)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    saved_error = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    capture_end = ends[0];
}

static const char *capture_finish(void)
{
    static char text[16384];
    dup2(saved_error, STDERR_FILENO);
    close(saved_error);
    ssize_t size = read(capture_end, text, sizeof(text) - 1);
    close(capture_end);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

Test(log, writes_one_line_with_priority)
{
    capture_begin();
    skr_log_init(SKR_LOG_INFO, false);
    skr_log(SKR_LOG_WARNING, "host gone", "host=%s code=%d", "node1", 3);
    skr_log(SKR_LOG_DEBUG, "not this", NULL);
    skr_log(SKR_LOG_INFO, "plain", NULL);
    cr_assert_str_eq(capture_finish(), "<4>host gone host=node1 code=3\n<6>plain\n");
}

Test(log, a_value_cannot_start_a_line)
{
    capture_begin();
    skr_log_init(SKR_LOG_INFO, false);
    skr_log(SKR_LOG_INFO, "name", "value=%s", "a\n<0>forged");
    cr_assert_str_eq(capture_finish(), "<6>name value=a?<0>forged\n");
}

Test(log, writes_json_lines)
{
    capture_begin();
    skr_log_init(SKR_LOG_INFO, true);
    skr_log(SKR_LOG_ERROR, "said \"no\"", "host=%s why='%s' n=%d", "n\\1", "two words\t", 5);
    json_t *line = json_loads(capture_finish(), 0, NULL);
    cr_assert_not_null(line);
    cr_assert_str_eq(json_string_value(json_object_get(line, "message")), "said \"no\"");
    cr_assert_str_eq(json_string_value(json_object_get(line, "level")), "error");
    cr_assert_str_eq(json_string_value(json_object_get(line, "host")), "n\\1");
    cr_assert_str_eq(json_string_value(json_object_get(line, "why")), "two words?");
    cr_assert_str_eq(json_string_value(json_object_get(line, "n")), "5");
    json_decref(line);
}

Test(log, long_values_stay_json)
{
    char value[5000];
    memset(value, '"', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    capture_begin();
    skr_log_init(SKR_LOG_INFO, true);
    skr_log(SKR_LOG_INFO, value, "value=%s", value);
    json_t *line = json_loads(capture_finish(), 0, NULL);
    cr_assert_not_null(line);
    json_decref(line);
}

Test(log, parses_levels)
{
    enum skr_log_level level = SKR_LOG_NOTICE;
    cr_assert_eq(skr_log_level_parse("loud", &level), -EINVAL);
    cr_assert_eq(level, SKR_LOG_NOTICE);
    cr_assert_eq(skr_log_level_parse("debug", &level), 0);
    cr_assert_eq(level, SKR_LOG_DEBUG);
}

Test(log, limit_stops_after_burst_and_counts)
{
    struct skr_log_limit limit = {0};
    unsigned allowed = 0;
    for (int i = 0; i < 100; i++)
        allowed += skr_log_allowed(&limit, 5);
    cr_assert_geq(allowed, 5);
    cr_assert_leq(allowed, 7); /* a second may pass on a slow machine */
    cr_assert_geq(limit.suppressed + allowed, 99);
    limit.window_ns -= 3000000000LL; /* three seconds later */
    capture_begin();
    skr_log_init(SKR_LOG_INFO, false);
    cr_assert(skr_log_allowed(&limit, 5));
    skr_log(SKR_LOG_WARNING, "session refused", "host=h1");
    cr_assert_eq(strncmp(capture_finish(), "<4>session refused host=h1 not_logged=9", 39), 0, "the line says of what");
    capture_begin();
    cr_assert(skr_log_allowed(&limit, 5));
    skr_log(SKR_LOG_WARNING, "session refused", NULL);
    cr_assert_str_eq(capture_finish(), "<4>session refused\n", "once");
}

enum { THREADS = 8, ASKED = 20000 };

static struct skr_log_limit shared;

static void *ask_often(void *arg)
{
    for (int i = 0; i < ASKED; i++)
        *(unsigned *)arg += skr_log_allowed(&shared, 1000000);
    return NULL;
}

/* The handlers of several workers share one limit. */
Test(log, threads_share_a_limit)
{
    pthread_t threads[THREADS];
    unsigned allowed[THREADS] = {0}, all = 0;
    int64_t from_ns = skr_clock_monotonic_ns();
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, ask_often, &allowed[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all += allowed[i];
    }
    int64_t seconds = (skr_clock_monotonic_ns() - from_ns) / SKR_NS_PER_S + 1;
    cr_assert_eq(all, THREADS * ASKED);
    cr_assert_leq(shared.used, all);
    cr_assert_geq(shared.used, all - seconds, "lines of %d threads were lost", THREADS);
}
