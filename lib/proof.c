#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <skerry/proof.h>
#include <stdlib.h>
#include <string.h>

void skr_proof_make(const struct skr_proof_key *key, const struct skr_uuid *host_id, const struct skr_uuid *database_id,
                    uint64_t revision, uint8_t ret[static SKR_PROOF_SIZE])
{
    uint8_t text[40];
    unsigned size = SKR_PROOF_SIZE;
    memcpy(text, host_id->bytes, 16);
    memcpy(text + 16, database_id->bytes, 16);
    for (int i = 0; i < 8; i++)
        text[32 + i] = (uint8_t)(revision >> (56 - 8 * i));
    if (!HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes), text, sizeof(text), ret, &size))
        abort(); /* there is no memory */
}

bool skr_proof_holds(const struct skr_proof_key *key, const struct skr_uuid *host_id,
                     const struct skr_uuid *database_id, uint64_t revision, const uint8_t *proof, size_t size)
{
    uint8_t right[SKR_PROOF_SIZE];
    if (size != sizeof(right))
        return false;
    skr_proof_make(key, host_id, database_id, revision, right);
    return CRYPTO_memcmp(right, proof, sizeof(right)) == 0;
}
