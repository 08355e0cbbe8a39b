#include "cli/command/command.h"

#include <string.h>
#include <termios.h>

/* A line of standard input into out, without its end. False: there is none. */
static bool read_line(char *out, size_t size)
{
    if (!fgets(out, (int)size, stdin)) {
        out[0] = '\0';
        return false;
    }
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

static bool prompt(const char *title, char *out, size_t size)
{
    struct termios before, silent;
    bool hidden = tcgetattr(STDIN_FILENO, &before) == 0;
    if (hidden) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    fprintf(stderr, "%s: ", title); /* last: what is typed from now on is kept, and not shown */
    bool read = read_line(out, size);
    if (hidden)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return read;
}

int skr_secret_ask(const char *title, char ret[static SKR_SECRET_LINE_MAX], struct skr_error *error)
{
    char line[SKR_SECRET_LINE_MAX];
    bool read = isatty(STDIN_FILENO) ? prompt(title, line, sizeof(line)) : read_line(line, sizeof(line));
    int r = 0;
    if (!read || !line[0])
        r = skr_error_set(error, SKR_ERROR_SYNTAX, "%s: nothing was given; it is one line of standard input", title);
    else if (strlen(line) == sizeof(line) - 1)
        r = skr_error_set(error, SKR_ERROR_SYNTAX, "%s: this is too long; it has at most %d bytes", title,
                          SKR_SECRET_LINE_MAX - 2);
    else
        memcpy(ret, line, sizeof(line));
    explicit_bzero(line, sizeof(line));
    return r;
}

int skr_secret_choose(const char *title, char ret[static SKR_SECRET_LINE_MAX], struct skr_error *error)
{
    char chosen[SKR_SECRET_LINE_MAX], again[SKR_SECRET_LINE_MAX] = "";
    int r = skr_secret_ask(title, chosen, error);
    if (r == 0 && isatty(STDIN_FILENO))
        r = skr_secret_ask("The same again", again, error);
    else
        memcpy(again, chosen, sizeof(again));
    if (r == 0 && strcmp(chosen, again) != 0)
        r = skr_error_set(error, SKR_ERROR_SYNTAX, "%s: the two differ; try again", title);
    if (r == 0)
        memcpy(ret, chosen, sizeof(chosen));
    explicit_bzero(chosen, sizeof(chosen));
    explicit_bzero(again, sizeof(again));
    return r;
}

int skr_secret_from_flag(const struct skr_field *field, const char *word, json_t **ret, struct skr_error *error)
{
    char text[SKR_SECRET_LINE_MAX] = "";
    if (!word || strcmp(word, "-") != 0)
        return skr_error_set(
                error, SKR_ERROR_SYNTAX,
                "--%s takes - alone: a word of the command line stands in the process list, where everybody "
                "on this machine reads it. With --%s - it is a line of standard input, or asked for",
                field->name, field->name);
    int r = skr_secret_choose(field->name, text, error);
    json_t *value = r == 0 ? json_string(text) : NULL;
    explicit_bzero(text, sizeof(text));
    if (r == 0 && !value)
        r = skr_error_set(error, SKR_ERROR_INVALID, "%s takes UTF-8 text", field->name);
    if (r == 0)
        *ret = value;
    return r;
}
