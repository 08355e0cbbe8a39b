#include "controller/api/http.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <skerry/tls.h>
#include <string.h>

/* 16 bytes of the last id and 16 bytes of a keyed hash over it and over what was asked, in base64url. The key comes
 * from the database, so a token stays good over a restart. */
#define TOKEN_BYTES 32
#define TOKEN_TEXT  43

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct skr_page_key skr_page_key_make(const struct skr_uuid *database_id, const struct skr_digest_key *key)
{
    struct {
        char purpose[16];
        struct skr_uuid database_id;
        struct skr_digest_key key;
    } seed = {.purpose = "page token", .database_id = *database_id, .key = *key};
    struct skr_page_key made;
    skr_sha256(&seed, sizeof(seed), made.bytes);
    return made;
}

static void sign(const struct skr_page_key *key, const char *binding, const struct skr_uuid *after,
                 uint8_t out[static 16])
{
    uint8_t digest[EVP_MAX_MD_SIZE], whole[32];
    unsigned size = 0;
    HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes), (const unsigned char *)binding, strlen(binding), digest, &size);
    memcpy(whole, digest, 16);
    memcpy(whole + 16, after->bytes, 16);
    HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes), whole, sizeof(whole), digest, &size);
    memcpy(out, digest, 16);
}

char *skr_page_token_make(const struct skr_page_key *key, const char *binding, const struct skr_uuid *after,
                          char out[static SKR_PAGE_TOKEN_MAX])
{
    uint8_t bytes[TOKEN_BYTES];
    memcpy(bytes, after->bytes, 16);
    sign(key, binding, after, bytes + 16);
    uint32_t bits = 0;
    unsigned have = 0, at = 0;
    for (unsigned i = 0; i < TOKEN_BYTES; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 6; have -= 6)
            out[at++] = alphabet[bits >> (have - 6) & 63];
    }
    out[at++] = alphabet[bits << (6 - have) & 63];
    out[at] = '\0';
    return out;
}

static int decode(const char *token, uint8_t out[static TOKEN_BYTES])
{
    if (strlen(token) != TOKEN_TEXT)
        return -EINVAL;
    uint32_t bits = 0;
    unsigned have = 0, at = 0;
    for (const char *c = token; *c; c++) {
        const char *found = strchr(alphabet, *c);
        if (!found)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)(found - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[at++] = (uint8_t)(bits >> have);
        }
    }
    return at == TOKEN_BYTES && !(bits & ((1u << have) - 1)) ? 0 : -EINVAL;
}

int skr_page_token_parse(const struct skr_page_key *key, const char *binding, const char *token,
                         struct skr_uuid *ret_after, struct skr_error *error)
{
    uint8_t bytes[TOKEN_BYTES], wanted[16];
    struct skr_uuid after;
    if (decode(token, bytes) < 0)
        return skr_error_set(
                error, SKR_ERROR_SYNTAX,
                "page_token is not one of ours; send back next_page_token exactly as the last page gave it");
    memcpy(after.bytes, bytes, 16);
    sign(key, binding, &after, wanted);
    if (CRYPTO_memcmp(wanted, bytes + 16, sizeof(wanted)))
        return skr_error_set(error, SKR_ERROR_SYNTAX,
                             "page_token belongs to another list; keep the same address and filters on every page, or "
                             "start again without page_token");
    *ret_after = after;
    return 0;
}
