#include "lib/tls/private.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

#define ENCRYPTED "-----BEGIN ENCRYPTED PRIVATE KEY-----"
/* scrypt: 16 MiB, what OpenSSL takes by default. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1

static void key_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void info_cleanup(PKCS8_PRIV_KEY_INFO **info)
{
    PKCS8_PRIV_KEY_INFO_free(*info);
}

static void sealed_cleanup(X509_SIG **sealed)
{
    X509_SIG_free(*sealed);
}

static void algorithm_cleanup(X509_ALGOR **algorithm)
{
    X509_ALGOR_free(*algorithm);
}

int skr_tls_key_encrypt(const char *key_pem, const char *passphrase, char **ret_pem, struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_bio_cleanup) BIO *in = BIO_new_mem_buf(key_pem, -1), *out = BIO_new(BIO_s_mem());
    SKR_CLEANUP(key_cleanup) EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, (void *)"") : NULL;
    if (!key)
        return skr_tls_fail(error, SKR_ERROR_INVALID, "The text is not a PEM private key");
    SKR_CLEANUP(info_cleanup) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    SKR_CLEANUP(algorithm_cleanup)
    X509_ALGOR *algorithm = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
    SKR_CLEANUP(sealed_cleanup)
    X509_SIG *sealed = info && algorithm ? PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), info, algorithm) : NULL;
    if (sealed)
        algorithm = NULL; /* it has it now */
    if (!sealed || !out || PEM_write_bio_PKCS8(out, sealed) != 1)
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "The key cannot be encrypted");
    return skr_tls_bio_text(out, ret_pem);
}

/* OpenSSL asks for the passphrase; without one it must not ask the terminal. */
static int give_passphrase(char *buffer, int size, int writing, void *passphrase)
{
    (void)writing;
    size_t length = passphrase ? strlen(passphrase) : 0;
    if (!length || length > (size_t)size)
        return -1;
    for (size_t i = 0; i < length; i++) /* without its end: OpenSSL counts */
        buffer[i] = ((const char *)passphrase)[i];
    return (int)length;
}

int skr_tls_key_decrypt(const char *pem, const char *passphrase, char **ret_key_pem, struct skr_error *error)
{
    if (strncmp(pem, ENCRYPTED, strlen(ENCRYPTED)) != 0)
        return -ENOTSUP;
    SKR_CLEANUP(skr_tls_bio_cleanup) BIO *in = BIO_new_mem_buf(pem, -1), *out = BIO_new(BIO_s_secmem());
    SKR_CLEANUP(key_cleanup)
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, give_passphrase, (void *)(uintptr_t)passphrase) : NULL;
    if (!key)
        return skr_tls_fail(error, SKR_ERROR_INVALID, "The passphrase does not open the key");
    if (!out || PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) != 1)
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "The key cannot be written");
    return skr_tls_bio_text(out, ret_key_pem);
}
