/* rooms: cli/rest */
/* A stream of Server-Sent Events as skerryctl reads it, in pieces: the first byte is their size. However it is cut, the
 * same events come out. */
#include "cli/rest/sse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* FNV-1a over all that was said. */
struct seen {
    uint64_t hash;
    unsigned events;
};

static void add(struct seen *seen, const void *bytes, size_t size)
{
    for (const uint8_t *at = bytes; size; size--, at++)
        seen->hash = (seen->hash ^ *at) * UINT64_C(1099511628211);
}

static int on_event(void *arg, const struct skr_sse_event *event)
{
    struct seen *seen = arg;
    if (!event->event[0] || !event->data)
        abort();
    add(seen, event->event, strlen(event->event) + 1);
    add(seen, event->data, strlen(event->data) + 1);
    add(seen, &event->id, sizeof(event->id));
    seen->events++;
    return 0;
}

static struct seen read_in_pieces(const char *bytes, size_t size, size_t piece)
{
    struct seen seen = {.hash = UINT64_C(14695981039346656037)};
    struct skr_sse sse = {.on_event = on_event, .arg = &seen};
    int r = 0;
    for (size_t at = 0; r == 0 && at < size; at += piece)
        r = skr_sse_feed(&sse, bytes + at, size - at < piece ? size - at : piece);
    if (r != 0) /* inputs are far smaller than SKR_SSE_EVENT_MAX */
        abort();
    skr_sse_done(&sse);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct seen whole = read_in_pieces((const char *)data + 1, size - 1, size);
    struct seen pieces = read_in_pieces((const char *)data + 1, size - 1, 1 + data[0] % 16);
    if (whole.hash != pieces.hash || whole.events != pieces.events)
        abort();
    return 0;
}
