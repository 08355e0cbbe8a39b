#include "cli/command/command.h"

#include <stdarg.h>
#include <string.h>

static const char *name_in_colour(void)
{
    return skr_colour_wanted(stderr) ? "\033[31mskerryctl\033[0m" : "skerryctl";
}

void skr_say(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    skr_text_tame(text);
    fprintf(stderr, "%s\n", text);
}

static void tell(const struct skr_error *error)
{
    char text[SKR_ERROR_DETAIL_MAX];
    fflush(stdout);
    snprintf(text, sizeof(text), "%s", error->detail);
    skr_text_tame(text);
    fprintf(stderr, "%s: %s\n", name_in_colour(), text);
    for (unsigned i = 0; i < error->field_count && i < SKR_ERROR_FIELDS_MAX; i++) {
        const struct skr_error_field *field = &error->fields[i];
        if (!field->pointer[0] && strcmp(field->detail, error->detail) == 0)
            continue;
        skr_say("  %s%s%s", field->pointer, field->pointer[0] ? ": " : "", field->detail);
    }
}

int skr_fail(const struct skr_error *error)
{
    tell(error);
    int code = skr_error_tag_info(error->tag)->exit_code;
    return code ? code : SKR_EXIT_FAILED;
}

int skr_usage(const struct skr_command *command, const struct skr_error *error)
{
    tell(error);
    if (command)
        fprintf(stderr, "Usage: skerryctl %s; more: skerryctl help %s\n", command->usage, command->name);
    else
        fputs("skerryctl help lists all commands\n", stderr);
    return SKR_EXIT_USAGE;
}

int skr_usage_because(const struct skr_command *command, const char *format, ...)
{
    struct skr_error error = {.tag = SKR_ERROR_SYNTAX};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.detail, sizeof(error.detail), format, arguments);
    va_end(arguments);
    return skr_usage(command, &error);
}
