/* Keyed 64-bit hashes (SipHash-2-4, Aumasson and Bernstein 2012) and the additive scope digest of the southbound
 * protocol: a scope's digest is the sum modulo 2^64 of skr_digest_object() over its objects, so a change costs one
 * subtraction and one addition. */
#pragma once

#include <skerry/uuid.h>
#include <stddef.h>
#include <stdint.h>

struct skr_digest_key {
    uint64_t k0, k1;
};

#define SKR_DIGEST_BUCKETS 256

uint64_t skr_siphash(const struct skr_digest_key *key, const void *data, size_t size);
/* Over type, id and the object's bytes exactly as sent. `type` is the southbound object type. */
uint64_t skr_digest_object(const struct skr_digest_key *key, uint32_t type, const struct skr_uuid *id,
                           const void *bytes, size_t size);
/* The bucket (0 to 255) an object belongs to: the last byte of its id, which UUIDv7 fills with randomness. */
static inline unsigned skr_digest_bucket(const struct skr_uuid *id)
{
    return id->bytes[15];
}
