#include "cli/rest/client.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void skr_path_set(struct skr_request_path *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path->text, sizeof(path->text), format, arguments);
    va_end(arguments);
    path->has_query = strchr(path->text, '?') != NULL;
}

static void append_escaped(struct skr_request_path *path, const char *text)
{
    size_t length = strlen(path->text);
    for (const unsigned char *c = (const unsigned char *)text; *c && length + 4 < sizeof(path->text); c++) {
        if (isalnum(*c) || strchr("-._~", *c))
            path->text[length++] = (char)*c;
        else
            length += (size_t)snprintf(path->text + length, 4, "%%%02X", *c);
    }
    path->text[length] = '\0';
}

static void append(struct skr_request_path *path, char c)
{
    size_t length = strlen(path->text);
    if (length + 1 < sizeof(path->text)) {
        path->text[length] = c;
        path->text[length + 1] = '\0';
    }
}

void skr_path_add(struct skr_request_path *path, const char *name, const char *value)
{
    append(path, path->has_query ? '&' : '?');
    path->has_query = true;
    append_escaped(path, name);
    append(path, '=');
    append_escaped(path, value);
}
