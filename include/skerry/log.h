/* Structured logging for daemons: one line `message key=value ...` to stderr with a journald priority prefix, or JSON
 * lines. Libraries do not log; they return errors. Thread-safe; never blocks on anything but the write. */
#pragma once

#include <skerry/macros.h>
#include <stdbool.h>

enum skr_log_level { SKR_LOG_ERROR = 3, SKR_LOG_WARNING = 4, SKR_LOG_NOTICE = 5, SKR_LOG_INFO = 6, SKR_LOG_DEBUG = 7 };

void skr_log_init(enum skr_log_level level, bool json);
int skr_log_level_parse(const char *text, enum skr_log_level *ret);
/* `fields` is a printf format of `key=%value` pairs separated by one space; values with spaces are quoted with %s in
 * single quotes by the caller. NULL for none. */
void skr_log(enum skr_log_level level, const char *message, const char *fields, ...) SKR_PRINTF(3, 4);

/* Token bucket for lines that traffic or peers drive: at most `burst` lines, one more a second. Zero-initialized. */
struct skr_log_limit {
    unsigned used;
    unsigned suppressed;
    long long window_ns;
};
/* Any thread, also several with one limit. True when the caller may log now; counts what it suppressed and logs that
 * number when it opens again. */
bool skr_log_allowed(struct skr_log_limit *limit, unsigned burst);
