#include <skerry/digest.h>
#include <string.h>

/* The state of SipHash-2-4 with the bytes that do not fill a word yet. */
struct sip {
    uint64_t v0, v1, v2, v3;
    uint64_t total;
    uint8_t tail[8];
    size_t tail_size;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static uint64_t load_le64(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word : __builtin_bswap64(word);
}

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static void sip_init(struct sip *s, const struct skr_digest_key *key)
{
    *s = (struct sip){.v0 = key->k0 ^ 0x736f6d6570736575ULL,
                      .v1 = key->k1 ^ 0x646f72616e646f6dULL,
                      .v2 = key->k0 ^ 0x6c7967656e657261ULL,
                      .v3 = key->k1 ^ 0x7465646279746573ULL};
}

static void sip_update(struct sip *s, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    s->total += size;
    if (size == 0)
        return;
    if (s->tail_size > 0) {
        size_t take = sizeof(s->tail) - s->tail_size < size ? sizeof(s->tail) - s->tail_size : size;
        memcpy(s->tail + s->tail_size, bytes, take);
        s->tail_size += take;
        bytes += take;
        size -= take;
        if (s->tail_size < sizeof(s->tail))
            return;
        sip_word(s, load_le64(s->tail));
        s->tail_size = 0;
    }
    for (; size >= 8; bytes += 8, size -= 8)
        sip_word(s, load_le64(bytes));
    memcpy(s->tail, bytes, size);
    s->tail_size = size;
}

static uint64_t sip_final(struct sip *s)
{
    uint8_t last[8] = {0};
    memcpy(last, s->tail, s->tail_size);
    last[7] = (uint8_t)s->total;
    sip_word(s, load_le64(last));
    s->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t skr_siphash(const struct skr_digest_key *key, const void *data, size_t size)
{
    struct sip s;
    sip_init(&s, key);
    sip_update(&s, data, size);
    return sip_final(&s);
}

uint64_t skr_digest_object(const struct skr_digest_key *key, uint32_t type, const struct skr_uuid *id,
                           const void *bytes, size_t size)
{
    const uint8_t type_bytes[4] = {(uint8_t)(type >> 24), (uint8_t)(type >> 16), (uint8_t)(type >> 8), (uint8_t)type};
    struct sip s;
    sip_init(&s, key);
    sip_update(&s, type_bytes, sizeof(type_bytes));
    sip_update(&s, id->bytes, sizeof(id->bytes));
    sip_update(&s, bytes, size);
    return sip_final(&s);
}
