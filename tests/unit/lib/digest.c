#include <criterion/criterion.h>
#include <skerry/digest.h>
#include <string.h>

static const struct skr_digest_key key = {.k0 = 0x0706050403020100ULL, .k1 = 0x0f0e0d0c0b0a0908ULL};

/* Appendix A of the SipHash paper, and the first vectors of its reference. */
Test(digest, known_vectors)
{
    uint8_t data[16];
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)i;
    cr_assert_eq(skr_siphash(&key, data, 0), 0x726fdb47dd0e0e31ULL);
    cr_assert_eq(skr_siphash(&key, data, 1), 0x74f839c593dc67fdULL);
    cr_assert_eq(skr_siphash(&key, data, 8), 0x93f5f5799a932462ULL);
    cr_assert_eq(skr_siphash(&key, data, 15), 0xa129ca6149be45e5ULL);
}

Test(digest, object_is_the_hash_over_type_id_and_bytes)
{
    struct skr_uuid id;
    for (unsigned i = 0; i < 16; i++)
        id.bytes[i] = (uint8_t)(i * 7);
    for (size_t size = 0; size < 40; size++) {
        uint8_t whole[64] = {0, 0, 1, 13}, body[40];
        for (size_t i = 0; i < size; i++)
            body[i] = (uint8_t)(i + size);
        memcpy(whole + 4, id.bytes, 16);
        memcpy(whole + 20, body, size);
        cr_assert_eq(skr_digest_object(&key, 0x10d, &id, body, size), skr_siphash(&key, whole, 20 + size));
    }
    cr_assert_neq(skr_digest_object(&key, 1, &id, NULL, 0), skr_digest_object(&key, 2, &id, NULL, 0));
}

Test(digest, bucket_is_the_last_byte)
{
    struct skr_uuid id = {.bytes = {[0] = 9, [15] = 200}};
    cr_assert_eq(skr_digest_bucket(&id), 200);
}
