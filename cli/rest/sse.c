#include "cli/rest/sse.h"

#include <errno.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>

/* Keeps a NUL behind what it holds. */
static int append(char **text, size_t *size, size_t *capacity, const char *bytes, size_t count)
{
    if (*size + count > SKR_SSE_EVENT_MAX)
        return -E2BIG;
    if (*size + count + 1 > *capacity) {
        size_t wanted = *capacity ? *capacity : 1024;
        while (wanted < *size + count + 1)
            wanted *= 2;
        *text = realloc(*text, wanted);
        if (!*text)
            abort();
        *capacity = wanted;
    }
    memcpy(*text + *size, bytes, count);
    *size += count;
    (*text)[*size] = '\0';
    return 0;
}

static int dispatch(struct skr_sse *sse)
{
    int r = 0;
    if (sse->data_size) {
        struct skr_sse_event event = {
                .event = sse->event[0] ? sse->event : "message", .data = sse->data, .id = sse->id};
        r = sse->on_event(sse->arg, &event);
    }
    sse->data_size = 0;
    sse->event[0] = '\0';
    sse->id = 0;
    return r;
}

static int take_line(struct skr_sse *sse)
{
    char *line = sse->line ? sse->line : (char[]){""}, *value;
    if (sse->line_size && line[sse->line_size - 1] == '\r')
        line[sse->line_size - 1] = '\0';
    if (!*line)
        return dispatch(sse);
    if (*line == ':')
        return 0; /* a comment: alive */
    value = line + strcspn(line, ":");
    if (*value)
        *value++ = '\0';
    value += *value == ' ';
    if (strcmp(line, "event") == 0)
        snprintf(sse->event, sizeof(sse->event), "%.31s", value);
    else if (strcmp(line, "id") == 0)
        sse->id = strtoll(value, NULL, 10);
    else if (strcmp(line, "data") == 0) {
        if (sse->data_size && append(&sse->data, &sse->data_size, &sse->data_capacity, "\n", 1) < 0)
            return -E2BIG;
        return append(&sse->data, &sse->data_size, &sse->data_capacity, value, strlen(value));
    }
    return 0;
}

int skr_sse_feed(struct skr_sse *sse, const char *bytes, size_t size)
{
    while (size) {
        const char *end = memchr(bytes, '\n', size);
        size_t length = end ? (size_t)(end - bytes) : size;
        int r = append(&sse->line, &sse->line_size, &sse->line_capacity, bytes, length);
        if (r == 0 && end) {
            r = take_line(sse);
            sse->line_size = 0;
            if (sse->line)
                sse->line[0] = '\0';
        }
        if (r != 0)
            return r;
        bytes += length + (end ? 1 : 0);
        size -= length + (end ? 1 : 0);
    }
    return 0;
}

void skr_sse_done(struct skr_sse *sse)
{
    free(SKR_TAKE(sse->line));
    free(SKR_TAKE(sse->data));
    sse->line_size = sse->data_size = sse->line_capacity = sse->data_capacity = 0;
}
