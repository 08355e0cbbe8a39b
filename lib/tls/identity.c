#include "lib/hex.h"
#include "lib/tls/private.h"
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

int skr_tls_fail(struct skr_error *error, enum skr_error_tag tag, const char *sentence)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return skr_error_set(error, tag, reason ? "%s (%s)." : "%s.", sentence, reason);
}

static void identity_cleanup(struct skr_tls_identity **identity)
{
    skr_tls_identity_free(*identity);
}

void skr_tls_identity_free(struct skr_tls_identity *identity)
{
    if (!identity)
        return;
    EVP_PKEY_free(identity->key);
    X509_free(identity->certificate);
    sk_X509_pop_free(identity->chain, X509_free);
    free(identity);
}

static struct skr_tls_identity *identity_new(void)
{
    struct skr_tls_identity *identity = calloc(1, sizeof(*identity));
    if (!identity)
        abort();
    return identity;
}

int skr_tls_key_new(struct skr_tls_identity **ret, struct skr_error *error)
{
    SKR_CLEANUP(identity_cleanup) struct skr_tls_identity *identity = identity_new();
    identity->key = EVP_EC_gen("P-256");
    if (!identity->key)
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "No key could be made");
    *ret = SKR_TAKE(identity);
    return 0;
}

int skr_tls_read_certificates(const char *pem, X509 **ret_first, STACK_OF(X509) * *ret_rest, struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_bio_cleanup) BIO *bio = BIO_new_mem_buf(pem, -1);
    SKR_CLEANUP(skr_tls_x509_cleanup) X509 *first = bio ? PEM_read_bio_X509(bio, NULL, NULL, (void *)"") : NULL;
    SKR_CLEANUP(skr_tls_chain_cleanup) STACK_OF(X509) *rest = NULL;
    if (!first)
        return skr_tls_fail(error, SKR_ERROR_INVALID, "The text is not a PEM certificate");
    for (int i = 0; i < SKR_TLS_CHAIN_MAX; i++) {
        X509 *next = PEM_read_bio_X509(bio, NULL, NULL, (void *)"");
        if (!next)
            break;
        if ((!rest && !(rest = sk_X509_new_null())) || !sk_X509_push(rest, next)) {
            X509_free(next);
            return skr_tls_fail(error, SKR_ERROR_INTERNAL, "Out of memory");
        }
    }
    ERR_clear_error(); /* the end of the text is an error to PEM_read_bio_X509 */
    *ret_first = SKR_TAKE(first);
    *ret_rest = SKR_TAKE(rest);
    return 0;
}

int skr_tls_identity_set_certificate(struct skr_tls_identity *identity, const char *certificate_pem,
                                     struct skr_error *error)
{
    X509 *certificate;
    STACK_OF(X509) * chain;
    int result = skr_tls_read_certificates(certificate_pem, &certificate, &chain, error);
    if (result < 0)
        return result;
    if (X509_check_private_key(certificate, identity->key) != 1) {
        X509_free(certificate);
        sk_X509_pop_free(chain, X509_free);
        return skr_tls_fail(error, SKR_ERROR_INVALID, "The certificate belongs to another key");
    }
    X509_free(identity->certificate);
    sk_X509_pop_free(identity->chain, X509_free);
    identity->certificate = certificate;
    identity->chain = chain;
    return 0;
}

int skr_tls_identity_from_pem(const char *key_pem, const char *certificate_pem, struct skr_tls_identity **ret,
                              struct skr_error *error)
{
    SKR_CLEANUP(identity_cleanup) struct skr_tls_identity *identity = identity_new();
    SKR_CLEANUP(skr_tls_bio_cleanup) BIO *bio = BIO_new_mem_buf(key_pem, -1);
    /* The empty passphrase keeps OpenSSL from asking the terminal for one. */
    identity->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;
    if (!identity->key)
        return skr_tls_fail(error, SKR_ERROR_INVALID, "The text is not a PEM private key");
    if (certificate_pem) {
        int result = skr_tls_identity_set_certificate(identity, certificate_pem, error);
        if (result < 0)
            return result;
    }
    *ret = SKR_TAKE(identity);
    return 0;
}

int skr_tls_bio_text(BIO *bio, char **ret)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    char *text = size > 0 ? strndup(data, (size_t)size) : NULL;
    if (!text)
        return -ENOMEM;
    *ret = text;
    return 0;
}

int skr_tls_identity_key_pem(const struct skr_tls_identity *identity, char **ret_pem)
{
    SKR_CLEANUP(skr_tls_bio_cleanup) BIO *bio = BIO_new(BIO_s_secmem());
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL) != 1) {
        ERR_clear_error();
        return -EIO;
    }
    return skr_tls_bio_text(bio, ret_pem);
}

int skr_tls_identity_secret(const struct skr_tls_identity *identity, const char *purpose,
                            uint8_t ret[static SKR_TLS_HASH_SIZE])
{
    BIGNUM *number = NULL;
    uint8_t bytes[64];
    unsigned size = SKR_TLS_HASH_SIZE;
    int r = -EIO;
    if (EVP_PKEY_get_bn_param(identity->key, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1 &&
        BN_bn2binpad(number, bytes, sizeof(bytes)) == (int)sizeof(bytes) &&
        HMAC(EVP_sha256(), bytes, sizeof(bytes), (const unsigned char *)purpose, strlen(purpose), ret, &size))
        r = 0;
    BN_clear_free(number);
    explicit_bzero(bytes, sizeof(bytes));
    ERR_clear_error();
    return r;
}

int skr_tls_identity_certificate_pem(const struct skr_tls_identity *identity, char **ret_pem)
{
    SKR_CLEANUP(skr_tls_bio_cleanup) BIO *bio = BIO_new(BIO_s_mem());
    if (!identity->certificate)
        return -ENOENT;
    if (!bio || PEM_write_bio_X509(bio, identity->certificate) != 1)
        goto failed;
    for (int i = 0; i < sk_X509_num(identity->chain); i++)
        if (PEM_write_bio_X509(bio, sk_X509_value(identity->chain, i)) != 1)
            goto failed;
    return skr_tls_bio_text(bio, ret_pem);
failed:
    ERR_clear_error();
    return -EIO;
}

int skr_tls_key_hash(EVP_PKEY *key, uint8_t ret[static SKR_TLS_HASH_SIZE])
{
    unsigned char *der = NULL;
    int size = key ? i2d_PUBKEY(key, &der) : -1;
    if (size <= 0) {
        ERR_clear_error();
        return -EIO;
    }
    skr_sha256(der, (size_t)size, ret);
    OPENSSL_free(der);
    return 0;
}

int skr_tls_identity_key_hash(const struct skr_tls_identity *identity, uint8_t ret[static SKR_TLS_HASH_SIZE])
{
    return skr_tls_key_hash(identity->key, ret);
}

int skr_tls_certificate_key_hash(const char *certificate_pem, uint8_t ret[static SKR_TLS_HASH_SIZE],
                                 struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_x509_cleanup) X509 *certificate = NULL;
    SKR_CLEANUP(skr_tls_chain_cleanup) STACK_OF(X509) *rest = NULL;
    int result = skr_tls_read_certificates(certificate_pem, &certificate, &rest, error);
    if (result < 0)
        return result;
    result = skr_tls_key_hash(X509_get0_pubkey(certificate), ret);
    return result < 0 ? skr_tls_fail(error, SKR_ERROR_INVALID, "The certificate has no usable key") : 0;
}

static int time_to_ms(const ASN1_TIME *time, int64_t *ret_ms)
{
    struct tm utc;
    if (ASN1_TIME_to_tm(time, &utc) != 1) {
        ERR_clear_error();
        return -EBADMSG;
    }
    *ret_ms = (int64_t)timegm(&utc) * 1000;
    return 0;
}

int skr_tls_x509_times(const X509 *certificate, int64_t *ret_not_before_ms, int64_t *ret_not_after_ms)
{
    int64_t from, to;
    int result = time_to_ms(X509_get0_notBefore(certificate), &from);
    if (result == 0)
        result = time_to_ms(X509_get0_notAfter(certificate), &to);
    if (result < 0)
        return result;
    *ret_not_before_ms = from;
    *ret_not_after_ms = to;
    return 0;
}

int skr_tls_certificate_times(const char *certificate_pem, int64_t *ret_not_before_ms, int64_t *ret_not_after_ms,
                              struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_x509_cleanup) X509 *certificate = NULL;
    SKR_CLEANUP(skr_tls_chain_cleanup) STACK_OF(X509) *rest = NULL;
    int result = skr_tls_read_certificates(certificate_pem, &certificate, &rest, error);
    if (result == 0 && skr_tls_x509_times(certificate, ret_not_before_ms, ret_not_after_ms) < 0)
        result = skr_tls_fail(error, SKR_ERROR_INVALID, "The certificate has no readable times");
    return result;
}

int skr_tls_uri(const X509 *certificate, const char *prefix, char *out, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int result = -ENOENT;
    for (int i = 0; result < 0 && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        const char *text = (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
        size_t length = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
        if (length >= size || length < strlen(prefix) || memchr(text, '\0', length) ||
            memcmp(text, prefix, strlen(prefix)) != 0)
            continue;
        memcpy(out, text, length);
        out[length] = '\0';
        result = 0;
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return result;
}

int skr_tls_host_id(const X509 *certificate, struct skr_uuid *ret)
{
    char name[64];
    if (skr_tls_uri(certificate, SKR_TLS_HOST_NAME_PREFIX, name, sizeof(name)) < 0 ||
        skr_uuid_parse(name + strlen(SKR_TLS_HOST_NAME_PREFIX), ret) < 0)
        return -EBADMSG;
    return 0;
}

char *skr_tls_hash_format(const uint8_t hash[static SKR_TLS_HASH_SIZE], char out[static SKR_TLS_HASH_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SKR_TLS_HASH_SIZE; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[SKR_TLS_HASH_TEXT_MAX - 1] = '\0';
    return out;
}

int skr_tls_hash_parse(const char *text, uint8_t ret[static SKR_TLS_HASH_SIZE])
{
    uint8_t hash[SKR_TLS_HASH_SIZE];
    if (strnlen(text, SKR_TLS_HASH_TEXT_MAX) != SKR_TLS_HASH_TEXT_MAX - 1)
        return -EINVAL;
    for (size_t i = 0; i < SKR_TLS_HASH_SIZE; i++) {
        int high = skr_hex_digit(text[2 * i]), low = skr_hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return -EINVAL;
        hash[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(ret, hash, sizeof(hash));
    return 0;
}

int skr_random_bytes(void *out, size_t size)
{
    for (uint8_t *at = out; size > 0;) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        at += got;
        size -= (size_t)got;
    }
    return 0;
}

int skr_secret_new(char out[static SKR_SECRET_TEXT_MAX])
{
    uint8_t bytes[32];
    char text[48];
    int result = skr_random_bytes(bytes, sizeof(bytes));
    if (result < 0)
        return result;
    EVP_EncodeBlock((unsigned char *)text, bytes, sizeof(bytes));
    for (size_t i = 0; i < SKR_SECRET_TEXT_MAX - 1; i++)
        out[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    out[SKR_SECRET_TEXT_MAX - 1] = '\0';
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(text, sizeof(text));
    return 0;
}

void skr_sha256(const void *data, size_t size, uint8_t ret[static SKR_TLS_HASH_SIZE])
{
    unsigned length = SKR_TLS_HASH_SIZE;
    if (EVP_Digest(data, size, ret, &length, EVP_sha256(), NULL) != 1)
        abort(); /* SHA-256 without a provider: nothing here could be trusted */
}

bool skr_secret_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}
