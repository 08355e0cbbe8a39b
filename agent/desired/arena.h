/* Memory for unpacked messages that die together, and the bound on what one body may take: protobuf-c has none of its
 * own. Running out of real memory ends the process: daemons here do not limp on without it. One thread. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct skr_arena_chunk;
struct skr_arena {
    struct skr_arena_chunk *chunks;
    size_t allowance; /* bytes the body being unpacked may still take */
    ProtobufCAllocator allocator;
};

void skr_arena_init(struct skr_arena *arena);
/* Everything that was unpacked into it is gone; reset keeps a chunk for the next use, done keeps nothing. */
void skr_arena_reset(struct skr_arena *arena);
void skr_arena_done(struct skr_arena *arena);
/* Unpacks one message with the bound of lib/frame (SKR_FRAME_EXPANSION_MAX). NULL: malformed or over the bound. */
ProtobufCMessage *skr_arena_unpack(struct skr_arena *arena, const ProtobufCMessageDescriptor *descriptor,
                                   const uint8_t *data, size_t size);

static inline void *skr_must(void *pointer)
{
    if (!pointer)
        abort();
    return pointer;
}
