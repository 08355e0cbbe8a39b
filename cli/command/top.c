#include "cli/command/command.h"

#include <errno.h>
#include <skerry/clock.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Live traffic a host, from what the controller's /metrics says of it: packets to and from the VMs, and what the fast
 * path dropped, as rates between two looks. Agents report while anything changes, so a rate is as fresh as they are. */

#define INTERVAL_DEFAULT_MS 2000
#define METRICS_MAX         (64 << 20)

static const struct {
    const char *metric, *title;
} columns[] = {{"skerry_host_rx_packets", "TO VMS/S"},
               {"skerry_host_tx_packets", "FROM VMS/S"},
               {"skerry_host_dropped_packets_total", "DROPPED/S"}};

struct look {
    json_t *hosts; /* id -> [value a column] */
    int64_t at_ns;
    char *text;
    size_t size;
};

static int on_data(void *arg, const char *data, size_t size)
{
    struct look *look = arg;
    if (look->size + size > METRICS_MAX)
        return -E2BIG;
    char *text = realloc(look->text, look->size + size + 1);
    if (!text)
        abort();
    memcpy(text + look->size, data, size);
    look->text = text;
    look->size += size;
    text[look->size] = '\0';
    return 0;
}

/* name{host_id="..."} value */
static void take_line(struct look *look, const char *line)
{
    char name[64], id[48];
    long long value;
    if (sscanf(line, "%63[a-z_]{host_id=\"%47[^\"]\"} %lld", name, id, &value) != 3)
        return;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(columns); i++) {
        if (strcmp(name, columns[i].metric) != 0)
            continue;
        json_t *values = json_object_get(look->hosts, id);
        if (!values) {
            values = json_pack("[i, i, i]", 0, 0, 0);
            json_object_set_new(look->hosts, id, values);
        }
        json_array_set_new(values, i, json_integer(value));
    }
}

static int take_look(struct skr_session *session, struct look *ret, struct skr_error *error)
{
    struct look look = {.hosts = json_object()};
    int r = skr_client_stream(session->client, "/metrics", SKR_CLIENT_TIMEOUT_MS, on_data, &look, error);
    look.at_ns = skr_clock_monotonic_ns();
    char *rest = look.text, *line;
    while (r == 0 && (line = strsep(&rest, "\n")))
        take_line(&look, line);
    free(SKR_TAKE(look.text));
    if (r < 0)
        json_decref(look.hosts);
    else
        *ret = look;
    return r;
}

static void print(struct skr_session *session, const struct look *before, const struct look *after)
{
    struct skr_namer namer = skr_lookup_namer(session->lookup);
    json_t *titles = json_pack("[s]", "HOST"), *rows = json_array(), *values;
    double seconds = (double)(after->at_ns - before->at_ns) / SKR_NS_PER_S;
    const char *id;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(columns); i++)
        json_array_append_new(titles, json_string(columns[i].title));
    json_object_foreach (after->hosts, id, values) {
        const json_t *old = json_object_get(before->hosts, id);
        const char *name = namer.name(namer.arg, skr_resource_get(SKR_HOST), id);
        json_t *row = json_pack("[s]", name ? name : id);
        for (size_t i = 0; i < SKR_ARRAY_SIZE(columns); i++) {
            /* A counter that went back began anew: its host was connected again, or a VM left it. */
            json_int_t was = json_integer_value(json_array_get(old, i)),
                       is = json_integer_value(json_array_get(values, i));
            char text[32];
            snprintf(text, sizeof(text), "%.0f", old && is >= was ? (double)(is - was) / seconds : 0.0);
            json_array_append_new(row, json_string(text));
        }
        json_array_append_new(rows, row);
    }
    bool terminal = isatty(STDOUT_FILENO) == 1;
    if (terminal)
        fputs("\033[H\033[J", stdout);
    skr_table_print(titles, rows, stdout, skr_colour_wanted(stdout));
    fflush(stdout);
    json_decref(titles);
    json_decref(rows);
}

static int run(struct skr_session *session, int64_t interval_ms, long rounds, struct skr_error *error)
{
    struct look before = {0};
    int r = take_look(session, &before, error);
    for (long i = 0; r == 0 && (!rounds || i < rounds) && !ferror(stdout); i++) {
        struct look after = {0};
        nanosleep(&(struct timespec){.tv_sec = interval_ms / 1000, .tv_nsec = interval_ms % 1000 * SKR_NS_PER_MS},
                  NULL);
        r = take_look(session, &after, error);
        if (r < 0)
            break;
        print(session, &before, &after);
        json_decref(before.hosts);
        before = after;
    }
    json_decref(before.hosts);
    return r;
}

int skr_command_top(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_error error = {0};
    const char *interval = skr_arguments_flag(arguments, "interval"), *count = skr_arguments_flag(arguments, "count");
    int64_t ms = INTERVAL_DEFAULT_MS;
    char *end = NULL;
    long rounds = count ? strtol(count, &end, 10) : 0;
    if (interval && skr_duration_parse("interval", interval, &ms, &error) < 0)
        return skr_usage(command, &error);
    if (arguments->word_count || (count && (*end || rounds < 1)) || ms < 1)
        return skr_usage_because(command, "top takes --interval TIME and --count N, and no words");
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = run(&session, ms, rounds, &error);
    return r < 0 ? skr_fail(&error) : SKR_EXIT_DONE;
}
