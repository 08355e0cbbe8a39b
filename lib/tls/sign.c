#include "lib/tls/private.h"
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <skerry/address.h>
#include <stdio.h>
#include <string.h>

#define AUTHORITY_LIFETIME_MS (20LL * 365 * 24 * 3600 * 1000)
#define SERVER_NAMES_MAX      64
#define REQUEST_PEM_MAX       16384

struct extension {
    int nid;
    const char *value;
};

static const struct extension authority_extensions[] = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                                        {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                                        {NID_subject_key_identifier, "hash"}};
static const struct extension host_extensions[] = {{NID_basic_constraints, "critical,CA:FALSE"},
                                                   {NID_key_usage, "critical,digitalSignature"},
                                                   {NID_ext_key_usage, "clientAuth,serverAuth"},
                                                   {NID_subject_key_identifier, "hash"},
                                                   {NID_authority_key_identifier, "keyid:always"}};
static const struct extension server_extensions[] = {{NID_basic_constraints, "critical,CA:FALSE"},
                                                     {NID_key_usage, "critical,digitalSignature"},
                                                     {NID_ext_key_usage, "serverAuth"},
                                                     {NID_subject_key_identifier, "hash"},
                                                     {NID_authority_key_identifier, "keyid:always"}};

static bool add_extensions(X509 *certificate, X509 *issuer, const struct extension *extensions, size_t count)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, extensions[i].nid, extensions[i].value);
        bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        if (!added)
            return false;
    }
    return true;
}

/* 127 random bits, positive and not zero (RFC 5280 section 4.1.2.2). */
static bool set_serial(X509 *certificate)
{
    uint8_t bytes[16];
    if (skr_random_bytes(bytes, sizeof(bytes)) < 0)
        return false;
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return done;
}

/* A certificate without extensions: names, times and key. */
static X509 *certificate_new(const char *common_name, EVP_PKEY *key, const X509 *issuer, int64_t now_ms,
                             int64_t lifetime_ms)
{
    SKR_CLEANUP(skr_tls_x509_cleanup) X509 *certificate = X509_new();
    if (!certificate || X509_set_version(certificate, X509_VERSION_3) != 1 || !set_serial(certificate))
        return NULL;
    X509_NAME *subject = X509_get_subject_name(certificate);
    if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) != 1)
        return NULL;
    if (X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject) != 1 ||
        !ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)((now_ms - SKR_TLS_BACKDATE_MS) / 1000)) ||
        !ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)((now_ms + lifetime_ms) / 1000)) ||
        X509_set_pubkey(certificate, key) != 1)
        return NULL;
    return SKR_TAKE(certificate);
}

int skr_tls_authority_new(const char *common_name, int64_t now_ms, struct skr_tls_identity **ret,
                          struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_identity_cleanup) struct skr_tls_identity *authority = NULL;
    int result = skr_tls_key_new(&authority, error);
    if (result < 0)
        return result;
    X509 *certificate = certificate_new(common_name, authority->key, NULL, now_ms, AUTHORITY_LIFETIME_MS);
    authority->certificate = certificate;
    if (!certificate ||
        !add_extensions(certificate, certificate, authority_extensions, SKR_ARRAY_SIZE(authority_extensions)) ||
        X509_sign(certificate, authority->key, EVP_sha256()) == 0)
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "The certificate authority could not be made");
    *ret = SKR_TAKE(authority);
    return 0;
}

int skr_tls_request_new(const struct skr_tls_identity *identity, char **ret_pem, struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_request_cleanup) X509_REQ *request = X509_REQ_new();
    SKR_CLEANUP(skr_tls_bio_cleanup) BIO *bio = BIO_new(BIO_s_mem());
    if (!request || !bio || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_pubkey(request, identity->key) != 1 || X509_REQ_sign(request, identity->key, EVP_sha256()) == 0 ||
        PEM_write_bio_X509_REQ(bio, request) != 1)
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "The certificate request could not be made");
    return skr_tls_bio_text(bio, ret_pem);
}

/* The request's key after everything has been checked that the requester could get wrong. Its kind comes first: the
 * signature of a huge RSA key would cost us more than its sender. */
static int request_key(const char *request_pem, EVP_PKEY **ret, struct skr_error *error)
{
    char group[32] = "";
    if (strnlen(request_pem, REQUEST_PEM_MAX) == REQUEST_PEM_MAX)
        return skr_error_set(error, SKR_ERROR_INVALID, "The certificate request is longer than %d bytes.",
                             REQUEST_PEM_MAX);
    SKR_CLEANUP(skr_tls_bio_cleanup) BIO *bio = BIO_new_mem_buf(request_pem, -1);
    SKR_CLEANUP(skr_tls_request_cleanup)
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, (void *)"") : NULL;
    if (!request)
        return skr_tls_fail(error, SKR_ERROR_INVALID, "The text is not a PEM certificate request");
    SKR_CLEANUP(skr_tls_key_cleanup) EVP_PKEY *key = X509_REQ_get_pubkey(request);
    if (!key || !EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 ||
        strcmp(group, "prime256v1") != 0)
        return skr_tls_fail(error, SKR_ERROR_INVALID, "The certificate request's key is not ECDSA P-256");
    if (X509_REQ_verify(request, key) != 1)
        return skr_tls_fail(error, SKR_ERROR_INVALID, "The certificate request is not signed by its own key");
    *ret = SKR_TAKE(key);
    return 0;
}

int skr_tls_request_key_hash(const char *request_pem, uint8_t ret[static SKR_TLS_HASH_SIZE], struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_key_cleanup) EVP_PKEY *key = NULL;
    int result = request_key(request_pem, &key, error);
    if (result == 0 && skr_tls_key_hash(key, ret) < 0)
        result = skr_tls_fail(error, SKR_ERROR_INVALID, "The certificate request's key cannot be hashed");
    return result;
}

int skr_tls_sign_host(const struct skr_tls_identity *authority, const char *request_pem, const struct skr_uuid *host_id,
                      int64_t now_ms, int64_t lifetime_ms, char **ret_certificate_pem, struct skr_error *error)
{
    char id[SKR_UUID_TEXT_MAX], uri[64];
    SKR_CLEANUP(skr_tls_key_cleanup) EVP_PKEY *key = NULL;
    int result = request_key(request_pem, &key, error);
    if (result < 0)
        return result;
    snprintf(uri, sizeof(uri), "URI:" SKR_TLS_HOST_NAME_PREFIX "%s", skr_uuid_format(host_id, id));
    const struct extension name = {NID_subject_alt_name, uri};
    SKR_CLEANUP(skr_tls_x509_cleanup)
    X509 *certificate = certificate_new(id, key, authority->certificate, now_ms, lifetime_ms);
    SKR_CLEANUP(skr_tls_bio_cleanup) BIO *bio = BIO_new(BIO_s_mem());
    if (!certificate || !bio ||
        !add_extensions(certificate, authority->certificate, host_extensions, SKR_ARRAY_SIZE(host_extensions)) ||
        !add_extensions(certificate, authority->certificate, &name, 1) ||
        X509_sign(certificate, authority->key, EVP_sha256()) == 0 || PEM_write_bio_X509(bio, certificate) != 1)
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "The host's certificate could not be signed");
    return skr_tls_bio_text(bio, ret_certificate_pem);
}

static bool add_name(GENERAL_NAMES *names, int type, const void *data, size_t size)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    if (!name || !value || ASN1_STRING_set(value, data, (int)size) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(names, name))
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool add_address_or_dns(GENERAL_NAMES *names, const char *text)
{
    struct skr_address address;
    if (skr_address_parse(text, &address) < 0)
        return add_name(names, GEN_DNS, text, strlen(text));
    uint32_t v4 = skr_address_v4(&address);
    if (skr_address_is_v4(&address))
        return add_name(names, GEN_IPADD, &v4, sizeof(v4));
    return add_name(names, GEN_IPADD, address.bytes, sizeof(address.bytes));
}

static bool add_server_names(X509 *certificate, const char *const *texts, size_t count)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool done = names && add_name(names, GEN_URI, SKR_TLS_CONTROLLER_NAME, strlen(SKR_TLS_CONTROLLER_NAME));
    for (size_t i = 0; done && i < count; i++)
        done = add_address_or_dns(names, texts[i]);
    done = done && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return done;
}

int skr_tls_sign_server(const struct skr_tls_identity *authority, const char *const *names, size_t name_count,
                        int64_t now_ms, int64_t lifetime_ms, struct skr_tls_identity **ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_identity_cleanup) struct skr_tls_identity *server = NULL;
    if (name_count > SERVER_NAMES_MAX)
        return skr_error_set(error, SKR_ERROR_INVALID, "A server certificate takes at most %d names.",
                             SERVER_NAMES_MAX);
    int result = skr_tls_key_new(&server, error);
    if (result < 0)
        return result;
    X509 *issuer = authority->certificate;
    X509 *certificate = certificate_new("skerry-controller", server->key, issuer, now_ms, lifetime_ms);
    server->certificate = certificate;
    if (!certificate || !add_extensions(certificate, issuer, server_extensions, SKR_ARRAY_SIZE(server_extensions)) ||
        !add_server_names(certificate, names, name_count) || X509_sign(certificate, authority->key, EVP_sha256()) == 0)
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "The server's certificate could not be signed");
    /* The authority travels with the certificate: peers know it by its pin alone. */
    server->chain = sk_X509_new_null();
    if (!server->chain || X509_up_ref(issuer) != 1)
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "Out of memory");
    if (!sk_X509_push(server->chain, issuer)) {
        X509_free(issuer);
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "Out of memory");
    }
    *ret = SKR_TAKE(server);
    return 0;
}
