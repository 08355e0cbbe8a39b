#include <errno.h>
#include <skerry/frame.h>
#include <skerry/macros.h>
#include <stdbool.h>
#include <string.h>

#define ALLOWANCE_BASE   4096
#define ALLOCATIONS_BASE 64

/* The allowance is the memory that one unpacking may still take. protobuf-c frees some of it on the way; the bound is
 * on what was ever taken. */
struct allowance {
    size_t bytes, count;
};

static void *bounded_alloc(void *data, size_t size)
{
    struct allowance *left = data;
    if (size > left->bytes || left->count == 0)
        return NULL;
    left->bytes -= size;
    left->count--;
    return malloc(size);
}

static void bounded_free(void *data, void *pointer)
{
    (void)data;
    free(pointer);
}

int skr_frame_peek(const void *data, size_t size, size_t max, size_t *ret_body)
{
    const uint8_t *bytes = data;
    if (size < SKR_FRAME_HEADER)
        return -EAGAIN;
    size_t body = (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
    if (body > max)
        return -EMSGSIZE;
    if (body == 0)
        return -EBADMSG;
    *ret_body = body;
    return 0;
}

static bool take_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* An Envelope is exactly one length-delimited field. protobuf would take the last of several and merge equal ones; a
 * sender that means one thing has no use for that, and a filter in front of us might see the first. */
static bool is_one_field(const uint8_t *body, size_t size)
{
    const uint8_t *at = body, *end = body + size;
    uint64_t tag, length;
    return take_varint(&at, end, &tag) && (tag & 7) == 2 && take_varint(&at, end, &length) &&
           length == (uint64_t)(end - at);
}

int skr_frame_unpack(const void *body, size_t size, Skerry__V1__Envelope **ret)
{
    struct allowance left = {.bytes = size * SKR_FRAME_EXPANSION_MAX + ALLOWANCE_BASE,
                             .count = size + ALLOCATIONS_BASE};
    ProtobufCAllocator allocator = {.alloc = bounded_alloc, .free = bounded_free, .allocator_data = &left};
    if (size > SKR_FRAME_MAX || !is_one_field(body, size))
        return -EBADMSG;
    Skerry__V1__Envelope *envelope = skerry__v1__envelope__unpack(&allocator, size, body);
    if (!envelope)
        return -EBADMSG;
    if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY__NOT_SET) {
        skr_envelope_free(envelope);
        return -EBADMSG;
    }
    *ret = envelope;
    return 0;
}

void skr_envelope_free(Skerry__V1__Envelope *envelope)
{
    /* The bounded allocator takes from malloc, so protobuf-c's own gives back. */
    if (envelope)
        skerry__v1__envelope__free_unpacked(envelope, NULL);
}

int skr_frame_pack(const Skerry__V1__Envelope *envelope, uint8_t **ret, size_t *ret_size)
{
    size_t body = skerry__v1__envelope__get_packed_size(envelope);
    if (body > SKR_FRAME_MAX)
        return -EMSGSIZE;
    uint8_t *frame = malloc(SKR_FRAME_HEADER + body);
    if (!frame)
        return -ENOMEM;
    frame[0] = (uint8_t)(body >> 24);
    frame[1] = (uint8_t)(body >> 16);
    frame[2] = (uint8_t)(body >> 8);
    frame[3] = (uint8_t)body;
    skerry__v1__envelope__pack(envelope, frame + SKR_FRAME_HEADER);
    *ret = frame;
    *ret_size = SKR_FRAME_HEADER + body;
    return 0;
}
