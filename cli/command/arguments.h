/* Words and flags of a command line. Flags stand anywhere: --name value, --name=value, -o value; "--" ends them. A
 * command that takes fields accepts every other flag as one (--vm-network red/web), to be judged against the table of
 * its kind. Nothing is copied but field names; the rest points into argv. */
#pragma once

#include <skerry/error.h>
#include <stdbool.h>
#include <stdint.h>

#define SKR_WORDS_MAX       128
#define SKR_FLAGS_MAX       48 /* of one command line; a host has up to 32 uplinks */
#define SKR_FLAG_FIELDS_MAX 64
#define SKR_FIELD_NAME_MAX  64

struct skr_flag {
    const char *name;  /* without dashes */
    char letter;       /* -o; 0 = none */
    const char *value; /* what it takes, for help; NULL: nothing */
    const char *help;
};

struct skr_flag_field {
    char name[SKR_FIELD_NAME_MAX]; /* with _ for - */
    const char *value;             /* NULL: the flag stood alone */
};

struct skr_arguments {
    const char *words[SKR_WORDS_MAX];
    unsigned word_count;
    struct {
        const struct skr_flag *flag;
        const char *value;
    } flags[SKR_FLAGS_MAX];
    unsigned flag_count;
    struct skr_flag_field fields[SKR_FLAG_FIELDS_MAX];
    unsigned field_count;
};

/* `flags` ends with a nameless one. SYNTAX with a sentence; *ret untouched. */
int skr_arguments_parse(const struct skr_flag *flags, bool takes_fields, int argc, char *const *argv,
                        struct skr_arguments *ret, struct skr_error *error);
/* Value of a flag; "" when it takes none; NULL when it was not given. */
const char *skr_arguments_flag(const struct skr_arguments *arguments, const char *name);

/* "500ms", "30s", "10m", "1h". SYNTAX; `what` names the flag. */
int skr_duration_parse(const char *what, const char *text, int64_t *ret_ms, struct skr_error *error);
