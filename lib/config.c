#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <skerry/config.h>
#include <skerry/macros.h>
#include <skerry/resource.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 64

/* Where a value comes from, for its error message. */
struct source {
    const struct skr_option *options;
    size_t count;
    void *target;
    const char *path;
    struct skr_error *error;
    uint64_t seen; /* options that the file has set */
    int result;
};

static void *slot(void *target, const struct skr_option *option)
{
    return (char *)target + option->offset;
}

static bool parse_boolean(const char *text, bool *ret)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(yes); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret = strcmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool parse_number(const char *text, int64_t *ret, const char **ret_rest)
{
    char *rest;
    if ((*text < '0' || *text > '9') && *text != '-')
        return false;
    errno = 0;
    int64_t value = strtoll(text, &rest, 10);
    if (errno || rest == text)
        return false;
    *ret = value;
    *ret_rest = rest;
    return true;
}

static bool parse_duration(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t value;
    const char *unit;
    if (!parse_number(text, &value, &unit) || value < 0)
        return false;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(units); i++)
        if (strcmp(unit, units[i].unit) == 0)
            return !__builtin_mul_overflow(value, units[i].ms, ret_ms);
    return false;
}

static int refuse(struct skr_error *error, const char *where, const char *text, const char *expected)
{
    return skr_error_set(error, SKR_ERROR_INVALID, "%s: '%s' is not %s.", where, text, expected);
}

static int check_bounds(const struct skr_option *option, int64_t value, const char *where, const char *text,
                        struct skr_error *error)
{
    const char *unit = option->kind == SKR_OPTION_DURATION ? " ms" : "";
    if ((option->minimum == 0 && option->maximum == 0) || (value >= option->minimum && value <= option->maximum))
        return 0;
    return skr_error_set(error, SKR_ERROR_INVALID, "%s: '%s' must lie between %" PRId64 "%s and %" PRId64 "%s.", where,
                         text, option->minimum, unit, option->maximum, unit);
}

/* Sets one option from text; the target keeps its value when the text is refused. */
static int set_option(const struct skr_option *option, void *target, const char *text, const char *where,
                      struct skr_error *error)
{
    int64_t number = 0;
    bool boolean;
    const char *rest;
    int result;
    switch (option->kind) {
    case SKR_OPTION_TEXT: {
        char *copy = strdup(text), **at = slot(target, option);
        if (!copy)
            return -ENOMEM;
        free(*at);
        *at = copy;
        return 0;
    }
    case SKR_OPTION_BOOLEAN:
        if (!parse_boolean(text, &boolean))
            return refuse(error, where, text, "true or false");
        *(bool *)slot(target, option) = boolean;
        return 0;
    case SKR_OPTION_INTEGER:
        if (!parse_number(text, &number, &rest) || *rest)
            return refuse(error, where, text, "a whole number");
        break;
    case SKR_OPTION_DURATION:
        if (!parse_duration(text, &number))
            return refuse(error, where, text, "a duration like 500ms, 30s, 10m, 24h or 7d");
        break;
    }
    result = check_bounds(option, number, where, text, error);
    if (result == 0)
        *(int64_t *)slot(target, option) = number;
    return result;
}

static int set_defaults(const struct skr_option *options, size_t count, void *target, struct skr_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const struct skr_option *option = &options[i];
        if (option->kind == SKR_OPTION_TEXT)
            *(char **)slot(target, option) = NULL;
        else if (option->kind == SKR_OPTION_BOOLEAN)
            *(bool *)slot(target, option) = false;
        else
            *(int64_t *)slot(target, option) = 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (!options[i].fallback)
            continue;
        int result = set_option(&options[i], target, options[i].fallback, "default", error);
        if (result < 0)
            return result;
    }
    return 0;
}

static const char *did_you_mean(const char *text, const char *const *names, size_t count, const char *prefix, char *out,
                                size_t size)
{
    const char *nearest = skr_nearest(text, names, count);
    if (!nearest)
        return "";
    snprintf(out, size, " Did you mean '%s%s'?", prefix, nearest);
    return out;
}

static int unknown_key(struct source *source, const char *where, const char *section, const char *key)
{
    const char *names[OPTIONS_MAX];
    char hint[128];
    size_t count = 0;
    for (size_t i = 0; i < source->count; i++)
        if (source->options[i].section && strcmp(source->options[i].section, section) == 0)
            names[count++] = source->options[i].key;
    if (count > 0)
        return skr_error_set(source->error, SKR_ERROR_SYNTAX, "%s: there is no '%s' in [%s].%s", where, key, section,
                             did_you_mean(key, names, count, "", hint, sizeof(hint)));
    for (size_t i = 0; i < source->count; i++)
        if (source->options[i].section)
            names[count++] = source->options[i].section;
    return skr_error_set(source->error, SKR_ERROR_SYNTAX, "%s: there is no section [%s].%s", where, section,
                         did_you_mean(section, names, count, "", hint, sizeof(hint)));
}

static int handle_line(void *user, const char *section, const char *key, const char *value)
{
    struct source *source = user;
    char where[256];
    if (source->result < 0)
        return 0;
    snprintf(where, sizeof(where), "%s: [%s] %s", source->path, section, key);
    for (size_t i = 0; i < source->count; i++) {
        const struct skr_option *option = &source->options[i];
        if (!option->section || strcmp(option->section, section) != 0 || strcmp(option->key, key) != 0)
            continue;
        if (source->seen & (1ULL << i)) {
            source->result = skr_error_set(source->error, SKR_ERROR_SYNTAX, "%s is given twice.", where);
            return 0;
        }
        source->seen |= 1ULL << i;
        source->result = set_option(option, source->target, value, where, source->error);
        return source->result == 0;
    }
    source->result = unknown_key(source, source->path, section, key);
    return 0;
}

static int read_file(struct source *source, bool optional)
{
    FILE *file = fopen(source->path, "re");
    if (!file) {
        int failure = errno;
        if (optional && failure == ENOENT)
            return 0;
        return skr_error_set(source->error, SKR_ERROR_NOT_FOUND, "%s cannot be read: %s.", source->path,
                             strerrordesc_np(failure));
    }
    int line = ini_parse_file(file, handle_line, source);
    fclose(file);
    if (line > 0 && source->result == 0)
        return skr_error_set(source->error, SKR_ERROR_SYNTAX,
                             "%s:%d: neither [section] nor key = value, or longer than 200 bytes.", source->path, line);
    return source->result;
}

static int unknown_flag(const struct skr_option *options, size_t count, const char *flag, struct skr_error *error)
{
    const char *names[OPTIONS_MAX];
    char hint[128];
    size_t known = 0;
    for (size_t i = 0; i < count; i++)
        if (options[i].flag)
            names[known++] = options[i].flag;
    return skr_error_set(error, SKR_ERROR_SYNTAX, "There is no flag --%s.%s", flag,
                         did_you_mean(flag, names, known, "--", hint, sizeof(hint)));
}

/* One flag at argv[*index]: --flag VALUE, --flag=VALUE, or --flag alone for a boolean. */
static int read_flag(const struct skr_option *options, size_t count, void *target, int argc, char **argv, int *index,
                     struct skr_error *error)
{
    char name[64];
    const char *word = argv[*index] + 2, *value = strchr(word, '=');
    size_t length = value ? (size_t)(value - word) : strlen(word);
    snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : sizeof(name) - 1), word);
    for (size_t i = 0; i < count; i++) {
        if (!options[i].flag || strcmp(options[i].flag, name) != 0)
            continue;
        char where[80];
        snprintf(where, sizeof(where), "--%s", name);
        if (value)
            value++;
        else if (options[i].kind == SKR_OPTION_BOOLEAN)
            value = "true";
        else if (*index + 1 < argc)
            value = argv[++*index];
        else
            return skr_error_set(error, SKR_ERROR_SYNTAX, "--%s needs a value.", name);
        ++*index;
        return set_option(&options[i], target, value, where, error);
    }
    return unknown_flag(options, count, name, error);
}

static int read_all(const struct skr_option *options, size_t count, void *target, const char *path, bool optional,
                    int argc, char **argv, int *index, struct skr_error *error)
{
    struct source source = {.options = options, .count = count, .target = target, .path = path, .error = error};
    int result = set_defaults(options, count, target, error);
    if (result == 0 && path)
        result = read_file(&source, optional);
    while (result == 0 && *index < argc && strncmp(argv[*index], "--", 2) == 0) {
        if (argv[*index][2] == '\0') {
            ++*index;
            break;
        }
        result = read_flag(options, count, target, argc, argv, index, error);
    }
    return result;
}

int skr_config_read(const struct skr_option *options, size_t count, void *target, const char *path, bool optional,
                    int argc, char **argv, int *index, struct skr_error *error)
{
    if (count > OPTIONS_MAX)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "More than %d options.", OPTIONS_MAX);
    int result = read_all(options, count, target, path, optional, argc, argv, index, error);
    if (result < 0)
        skr_config_done(options, count, target);
    return result;
}

void skr_config_done(const struct skr_option *options, size_t count, void *target)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i].kind != SKR_OPTION_TEXT)
            continue;
        char **text = slot(target, &options[i]);
        free(*text);
        *text = NULL;
    }
}

void skr_config_help(const struct skr_option *options, size_t count)
{
    static const char *const words[] = {[SKR_OPTION_TEXT] = " TEXT",
                                        [SKR_OPTION_INTEGER] = " N",
                                        [SKR_OPTION_BOOLEAN] = "",
                                        [SKR_OPTION_DURATION] = " TIME"};
    for (size_t i = 0; i < count; i++) {
        char left[80];
        if (options[i].flag)
            snprintf(left, sizeof(left), "--%s%s", options[i].flag, words[options[i].kind]);
        else
            snprintf(left, sizeof(left), "[%s] %s", options[i].section, options[i].key);
        printf("  %-32s %s", left, options[i].help);
        if (options[i].fallback)
            printf(" (default %s)", options[i].fallback);
        printf("\n");
    }
}
