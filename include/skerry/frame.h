/* Frames of the southbound protocol: 4 bytes length in network byte order, then one protobuf Envelope. The length is
 * checked against `max` before a byte of the body is kept, and unpacking goes through an allocator that is bounded in
 * total and in number, because protobuf-c has no limit of its own. */
#pragma once

#include <skerry/v1/southbound.pb-c.h>
#include <stddef.h>
#include <stdint.h>

/* The version of the protocol that this controller or agent speaks. A peer of one version before is served as well. */
#define SKR_PROTOCOL_VERSION        1
#define SKR_PROTOCOL_VERSION_OLDEST (SKR_PROTOCOL_VERSION > 1 ? SKR_PROTOCOL_VERSION - 1 : 1)

#define SKR_FRAME_HEADER              4
#define SKR_FRAME_MAX                 1048576
#define SKR_FRAME_MAX_UNAUTHENTICATED 16384
/* Unpacked, a frame may take this many times its size on the wire, plus 4 KiB. */
#define SKR_FRAME_EXPANSION_MAX 32

/* Looks at the first `size` bytes of a stream. 0: *ret_body bytes of body follow the header (they may not be there
 * yet). -EAGAIN: fewer than 4 bytes. -EMSGSIZE: longer than max. -EBADMSG: length 0. */
int skr_frame_peek(const void *data, size_t size, size_t max, size_t *ret_body);
/* Unpacks a body. -EBADMSG: not an Envelope, no or several bodies, or over the allocator's bound. */
int skr_frame_unpack(const void *body, size_t size, Skerry__V1__Envelope **ret);
void skr_envelope_free(Skerry__V1__Envelope *envelope);
/* Packs header and body into one new buffer that the caller frees. -EMSGSIZE over SKR_FRAME_MAX. */
int skr_frame_pack(const Skerry__V1__Envelope *envelope, uint8_t **ret, size_t *ret_size);
