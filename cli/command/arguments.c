#include "cli/command/arguments.h"

#include <errno.h>
#include <skerry/resource.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct skr_flag *find_flag(const struct skr_flag *flags, const char *name, size_t length)
{
    for (const struct skr_flag *flag = flags; flag->name; flag++)
        if (strlen(flag->name) == length && strncmp(flag->name, name, length) == 0)
            return flag;
    return NULL;
}

static const struct skr_flag *find_letter(const struct skr_flag *flags, char letter)
{
    for (const struct skr_flag *flag = flags; flag->name; flag++)
        if (flag->letter && flag->letter == letter)
            return flag;
    return NULL;
}

static int unknown(const struct skr_flag *flags, const char *word, struct skr_error *error)
{
    const char *names[SKR_FLAGS_MAX];
    size_t count = 0;
    for (const struct skr_flag *flag = flags; flag->name && count < SKR_FLAGS_MAX; flag++)
        names[count++] = flag->name;
    const char *near = skr_nearest(word + strspn(word, "-"), names, count);
    if (near)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "There is no flag %.60s; did you mean --%s?", word, near);
    return skr_error_set(error, SKR_ERROR_SYNTAX, "There is no flag %.60s here", word);
}

static int add_field(struct skr_arguments *arguments, const char *name, size_t length, const char *value,
                     struct skr_error *error)
{
    if (arguments->field_count == SKR_FLAG_FIELDS_MAX)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "At most %d fields at once", SKR_FLAG_FIELDS_MAX);
    if (!length || length >= SKR_FIELD_NAME_MAX)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "--%.60s is no name of a field", name);
    struct skr_flag_field *field = &arguments->fields[arguments->field_count++];
    for (size_t i = 0; i < length; i++)
        field->name[i] = name[i] == '-' ? '_' : name[i];
    field->name[length] = '\0';
    field->value = value;
    return 0;
}

static int add_flag(struct skr_arguments *arguments, const struct skr_flag *flag, const char *value,
                    struct skr_error *error)
{
    if (flag->value && !value)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "--%s needs a value: %s", flag->name, flag->value);
    if (!flag->value && value)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "--%s takes no value", flag->name);
    if (arguments->flag_count == SKR_FLAGS_MAX)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "At most %d flags at once", SKR_FLAGS_MAX);
    arguments->flags[arguments->flag_count].flag = flag;
    arguments->flags[arguments->flag_count++].value = flag->value ? value : "";
    return 0;
}

/* The word behind a flag is its value unless it is a flag itself; "-" alone is a value. */
static const char *value_behind(int argc, char *const *argv, int at)
{
    return at + 1 < argc && (strncmp(argv[at + 1], "--", 2) != 0 || !argv[at + 1][2]) ? argv[at + 1] : NULL;
}

static int take_flag(const struct skr_flag *flags, bool takes_fields, int argc, char *const *argv, int *at,
                     struct skr_arguments *arguments, struct skr_error *error)
{
    const char *word = argv[*at], *equals = strchr(word, '='), *value = equals ? equals + 1 : NULL;
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct skr_flag *flag = is_long                               ? find_flag(flags, name, length)
                                  : length == 1 || (equals && !is_long) ? find_letter(flags, word[1])
                                                                        : NULL;
    if (!flag && !(is_long && takes_fields))
        return unknown(flags, word, error);
    if (!value && (!flag || flag->value)) {
        value = value_behind(argc, argv, *at);
        *at += value != NULL;
    }
    return flag ? add_flag(arguments, flag, value, error) : add_field(arguments, name, length, value, error);
}

int skr_arguments_parse(const struct skr_flag *flags, bool takes_fields, int argc, char *const *argv,
                        struct skr_arguments *ret, struct skr_error *error)
{
    struct skr_arguments arguments = {0};
    bool flags_ended = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        int r = 0;
        if (!flags_ended && strcmp(word, "--") == 0)
            flags_ended = true;
        else if (!flags_ended && word[0] == '-' && word[1])
            r = take_flag(flags, takes_fields, argc, argv, &i, &arguments, error);
        else if (arguments.word_count == SKR_WORDS_MAX)
            r = skr_error_set(error, SKR_ERROR_SYNTAX, "At most %d words at once", SKR_WORDS_MAX);
        else
            arguments.words[arguments.word_count++] = word;
        if (r < 0)
            return r;
    }
    *ret = arguments;
    return 0;
}

const char *skr_arguments_flag(const struct skr_arguments *arguments, const char *name)
{
    for (unsigned i = arguments->flag_count; i-- > 0;)
        if (strcmp(arguments->flags[i].flag->name, name) == 0)
            return arguments->flags[i].value;
    return NULL;
}

int skr_duration_parse(const char *what, const char *text, int64_t *ret_ms, struct skr_error *error)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(units); i++)
        if (!errno && text[0] >= '0' && text[0] <= '9' && strcmp(end, units[i].unit) == 0 &&
            number <= INT32_MAX / units[i].ms) {
            *ret_ms = number * units[i].ms;
            return 0;
        }
    return skr_error_set(error, SKR_ERROR_SYNTAX, "--%s takes a time like 500ms, 30s, 10m or 1h, not '%.40s'", what,
                         text);
}
