#include "agent/desired/arena.h"
#include <skerry/frame.h>

#define CHUNK_SIZE     (64UL * 1024)
#define ALLOWANCE_BASE 4096
#define ALIGNMENT      16

struct skr_arena_chunk {
    struct skr_arena_chunk *next;
    size_t size, used;
    _Alignas(ALIGNMENT) uint8_t data[];
};

static void *arena_alloc(void *data, size_t size)
{
    struct skr_arena *arena = data;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size > arena->allowance)
        return NULL;
    arena->allowance -= size;
    struct skr_arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        chunk = skr_must(malloc(sizeof(*chunk) + room));
        chunk->size = room;
        chunk->used = 0;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    void *out = chunk->data + chunk->used;
    chunk->used += size;
    return out;
}

/* Nothing is given back one by one. */
static void arena_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

void skr_arena_init(struct skr_arena *arena)
{
    *arena = (struct skr_arena){.allocator = {.alloc = arena_alloc, .free = arena_free}};
}

void skr_arena_reset(struct skr_arena *arena)
{
    struct skr_arena_chunk *kept = arena->chunks;
    if (!kept)
        return;
    arena->chunks = kept->next;
    skr_arena_done(arena);
    kept->next = NULL;
    kept->used = 0;
    arena->chunks = kept;
}

void skr_arena_done(struct skr_arena *arena)
{
    while (arena->chunks) {
        struct skr_arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }
}

ProtobufCMessage *skr_arena_unpack(struct skr_arena *arena, const ProtobufCMessageDescriptor *descriptor,
                                   const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1];
    arena->allowance = size * SKR_FRAME_EXPANSION_MAX + ALLOWANCE_BASE;
    arena->allocator.allocator_data = arena;
    return protobuf_c_message_unpack(descriptor, &arena->allocator, size, data ? data : nothing);
}
