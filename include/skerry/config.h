/* Configuration of a daemon: an INI file (libinih) and flags over it, described by one table, so that --help, the
 * parser and the error messages agree. An unknown section, key or flag is an error that names the nearest known one. */
#pragma once

#include <skerry/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum skr_option_kind { SKR_OPTION_TEXT, SKR_OPTION_INTEGER, SKR_OPTION_BOOLEAN, SKR_OPTION_DURATION };

struct skr_option {
    const char *section, *key; /* file: [section] key = value */
    const char *flag;          /* --flag VALUE; NULL: file only */
    enum skr_option_kind kind;
    size_t offset;            /* into the target struct: char * (owned), int64_t, bool, int64_t milliseconds */
    const char *fallback;     /* default as text; NULL = NULL, 0, false */
    int64_t minimum, maximum; /* integer and duration (in ms); both 0 = no bound */
    const char *help;         /* one line */
};

/* Fills `target` from defaults, then the file (path may be NULL; a missing file is an error unless `optional`), then
 * argv from index *index on; stops at the first word that is no flag and leaves its index there. Durations: 500ms, 30s,
 * 10m, 24h, 7d. */
int skr_config_read(const struct skr_option *options, size_t count, void *target, const char *path, bool optional,
                    int argc, char **argv, int *index, struct skr_error *error);
void skr_config_done(const struct skr_option *options, size_t count, void *target);
/* Prints the options as help text to stdout. */
void skr_config_help(const struct skr_option *options, size_t count);
