/* Server-Sent Events, as the controller writes them: a parser that is fed pieces of any size. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SKR_SSE_EVENT_MAX (4 << 20) /* bytes of one event */

struct skr_sse_event {
    const char *event; /* "put", "delete", "status", "bookmark", ...; "message" when the stream names none */
    const char *data;
    int64_t id; /* 0 = none */
};

/* Returning non-zero ends the feeding with that value. */
typedef int skr_sse_fn(void *arg, const struct skr_sse_event *event);

struct skr_sse {
    skr_sse_fn *on_event;
    void *arg;
    /* of sse.c */
    char *line, *data;
    size_t line_size, line_capacity, data_size, data_capacity;
    char event[32];
    int64_t id;
};

/* -E2BIG when an event is longer than SKR_SSE_EVENT_MAX. */
int skr_sse_feed(struct skr_sse *sse, const char *bytes, size_t size);
void skr_sse_done(struct skr_sse *sse);
