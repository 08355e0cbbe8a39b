#include <errno.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/log.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Escaped as JSON, fields grow by less than 2.5 times, so a line never has to be cut in the middle of a value. */
#define LINE_MAX_BYTES    4096
#define FIELDS_MAX_BYTES  1024
#define MESSAGE_MAX_BYTES 256

static const struct {
    const char *name;
    enum skr_log_level level;
} levels[] = {
        {"error", SKR_LOG_ERROR}, {"warning", SKR_LOG_WARNING}, {"notice", SKR_LOG_NOTICE},
        {"info", SKR_LOG_INFO},   {"debug", SKR_LOG_DEBUG},
};

static atomic_int log_level = SKR_LOG_INFO;
static atomic_bool log_json;
static atomic_bool log_plain; /* a person is watching: no priority prefix */

void skr_log_init(enum skr_log_level level, bool json)
{
    atomic_store(&log_level, (int)level);
    atomic_store(&log_json, json);
    atomic_store(&log_plain, isatty(STDERR_FILENO) == 1);
}

int skr_log_level_parse(const char *text, enum skr_log_level *ret)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(levels); i++) {
        if (strcmp(text, levels[i].name) == 0) {
            *ret = levels[i].level;
            return 0;
        }
    }
    return -EINVAL;
}

/* A line under construction; room for its end is always kept. */
struct line {
    size_t used;
    char text[LINE_MAX_BYTES];
};

static void line_char(struct line *line, char c)
{
    if (line->used < sizeof(line->text) - 8)
        line->text[line->used++] = c;
}

static void line_text(struct line *line, const char *text)
{
    for (; *text; text++)
        line_char(line, *text);
}

/* One line is one record, whatever a peer put into a value. */
static void line_plain(struct line *line, const char *text)
{
    for (; *text; text++)
        line_char(line, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void line_json_char(struct line *line, char c)
{
    if (c == '"' || c == '\\')
        line_char(line, '\\');
    line_char(line, (unsigned char)c < ' ' || c == 0x7f ? '?' : c);
}

static void line_json_string(struct line *line, const char *text, size_t size)
{
    line_char(line, '"');
    for (size_t i = 0; i < size; i++)
        line_json_char(line, text[i]);
    line_char(line, '"');
}

/* key=value key='value with spaces' -> ,"key":"value" ... A word without '=' ends it: the line stays valid JSON. */
static void line_json_fields(struct line *line, const char *fields)
{
    while (*fields) {
        const char *equals = strchr(fields, '=');
        if (!equals)
            return;
        line_char(line, ',');
        line_json_string(line, fields, (size_t)(equals - fields));
        line_char(line, ':');
        const char *value = equals + 1;
        bool quoted = *value == '\'';
        if (quoted)
            value++;
        size_t size = strcspn(value, quoted ? "'" : " ");
        line_json_string(line, value, size);
        fields = value + size;
        if (quoted && *fields)
            fields++;
        while (*fields == ' ')
            fields++;
    }
}

static const char *level_name(enum skr_log_level level)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(levels); i++)
        if (levels[i].level == level)
            return levels[i].name;
    return "info";
}

static void format_plain(struct line *line, enum skr_log_level level, const char *message, const char *fields)
{
    const char prefix[] = {'<', (char)('0' + (int)level), '>', '\0'};
    if (!atomic_load_explicit(&log_plain, memory_order_relaxed))
        line_text(line, prefix);
    line_plain(line, message);
    if (*fields) {
        line_char(line, ' ');
        line_plain(line, fields);
    }
}

static void format_json(struct line *line, enum skr_log_level level, const char *message, const char *fields)
{
    char now[SKR_TIME_TEXT_MAX];
    line_text(line, "{\"time\":\"");
    line_text(line, skr_time_format(skr_clock_wall_ms(), now));
    line_text(line, "\",\"level\":\"");
    line_text(line, level_name(level));
    line_text(line, "\",\"message\":");
    line_json_string(line, message, strnlen(message, MESSAGE_MAX_BYTES));
    line_json_fields(line, fields);
    line->text[line->used++] = '}';
}

/* Lines like the next one of this thread that a limit has kept back since the last. */
static _Thread_local unsigned not_logged;

void skr_log(enum skr_log_level level, const char *message, const char *fields, ...)
{
    unsigned kept_back = not_logged;
    not_logged = 0;
    char values[FIELDS_MAX_BYTES] = "";
    struct line line = {0};
    if ((int)level > atomic_load_explicit(&log_level, memory_order_relaxed))
        return;
    if (fields) {
        va_list arguments;
        va_start(arguments, fields);
        vsnprintf(values, sizeof(values), fields, arguments);
        va_end(arguments);
    }
    size_t used = strlen(values);
    if (kept_back > 0)
        snprintf(values + used, sizeof(values) - used, "%snot_logged=%u", used ? " " : "", kept_back);
    if (atomic_load_explicit(&log_json, memory_order_relaxed))
        format_json(&line, level, message, values);
    else
        format_plain(&line, level, message, values);
    line.text[line.used++] = '\n';
    /* One write a line: lines of several threads never mix. There is nowhere to report that this fails. */
    ssize_t written = write(STDERR_FILENO, line.text, line.used);
    (void)written;
}

/* One lock for all limits: they are asked when something is wrong, not in a hot path. */
static pthread_mutex_t limits_lock = PTHREAD_MUTEX_INITIALIZER;

/* Under the lock. When it opens again, the thread's next line says how many were not logged. */
static bool take_line(struct skr_log_limit *limit, unsigned burst)
{
    int64_t now = skr_clock_monotonic_ns();
    int64_t seconds = (now - limit->window_ns) / SKR_NS_PER_S;
    if (limit->window_ns == 0 || seconds >= limit->used) {
        limit->used = 0;
        limit->window_ns = now;
    } else if (seconds > 0) {
        limit->used -= (unsigned)seconds;
        limit->window_ns += seconds * SKR_NS_PER_S;
    }
    if (limit->used >= burst) {
        limit->suppressed++;
        return false;
    }
    limit->used++;
    not_logged = limit->suppressed;
    limit->suppressed = 0;
    return true;
}

bool skr_log_allowed(struct skr_log_limit *limit, unsigned burst)
{
    pthread_mutex_lock(&limits_lock);
    bool allowed = take_line(limit, burst);
    pthread_mutex_unlock(&limits_lock);
    return allowed;
}
