/* rooms: lib */
/* The target reads the request that a joining host sends to be signed, and certificates as they come back or stand in a
 * peer's chain. The first byte picks: PEM as it is, or DER that the target wraps. */
#include "lib/tls/private.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_request(const char *pem)
{
    struct skr_error error = {0};
    uint8_t hash[SKR_TLS_HASH_SIZE];
    if (skr_tls_request_key_hash(pem, hash, &error) < 0 && error.tag == SKR_ERROR_NONE)
        abort();
}

static void try_certificate(const char *pem)
{
    struct skr_error error = {0};
    int64_t from = 17, to = 17;
    uint8_t hash[SKR_TLS_HASH_SIZE];
    if (skr_tls_certificate_times(pem, &from, &to, &error) < 0 &&
        (error.tag == SKR_ERROR_NONE || from != 17 || to != 17))
        abort();
    skr_error_clear(&error);
    if (skr_tls_certificate_key_hash(pem, hash, &error) < 0 && error.tag == SKR_ERROR_NONE)
        abort();
}

static void try_peer(const uint8_t *der, size_t size)
{
    struct skr_uuid id = {{0xa5}};
    SKR_CLEANUP(skr_tls_x509_cleanup) X509 *certificate = d2i_X509(NULL, &der, (long)size);
    if (certificate && skr_tls_host_id(certificate, &id) < 0 && id.bytes[0] != 0xa5)
        abort();
}

static char *wrap(const char *label, const uint8_t *der, size_t size)
{
    char *pem = NULL;
    SKR_CLEANUP(skr_tls_bio_cleanup) BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio(bio, label, "", der, (long)size) <= 0 || skr_tls_bio_text(bio, &pem) < 0)
        abort();
    return pem;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint8_t pick = data[0] % 3;
    char *pem;
    data++;
    size--;
    if (pick == 0)
        pem = strndup((const char *)data, size);
    else
        pem = wrap(pick == 1 ? PEM_STRING_X509_REQ : PEM_STRING_X509, data, size);
    if (!pem)
        abort();
    if (pick != 2)
        try_request(pem);
    if (pick != 1)
        try_certificate(pem);
    if (pick == 2)
        try_peer(data, size);
    free(pem);
    if (ERR_peek_error() && pick != 2)
        abort(); /* OpenSSL's errors end in lib/tls */
    ERR_clear_error();
    return 0;
}
