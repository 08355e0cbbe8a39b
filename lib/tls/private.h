/* Functions that the files behind <skerry/tls.h> share. */
#pragma once

#include <openssl/x509v3.h>
#include <skerry/macros.h>
#include <skerry/tls.h>

#define SKR_TLS_CHAIN_MAX 16
/* SAN of every certificate made by skr_tls_sign_server. An agent demands it of its peer, because hosts hold
 * certificates of the same authority and must not pass for the controller. */
#define SKR_TLS_CONTROLLER_NAME  "skerry://controller"
#define SKR_TLS_HOST_NAME_PREFIX "skerry://host/"

struct skr_tls_identity {
    EVP_PKEY *key;
    X509 *certificate;      /* NULL: still missing */
    STACK_OF(X509) * chain; /* issuers, without the certificate itself; may be NULL */
};

static inline void skr_tls_x509_cleanup(X509 **certificate)
{
    X509_free(*certificate);
}
static inline void skr_tls_chain_cleanup(STACK_OF(X509) * *chain)
{
    sk_X509_pop_free(*chain, X509_free);
}
static inline void skr_tls_bio_cleanup(BIO **bio)
{
    BIO_free_all(*bio);
}
static inline void skr_tls_key_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
static inline void skr_tls_request_cleanup(X509_REQ **request)
{
    X509_REQ_free(*request);
}
static inline void skr_tls_context_cleanup(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

/* Ends an OpenSSL failure: empties its queue and makes it ours. Returns the -errno of the tag. */
int skr_tls_fail(struct skr_error *error, enum skr_error_tag tag, const char *sentence);
/* The certificates of a PEM text: the first one, and the rest as a chain (NULL when there is none). */
int skr_tls_read_certificates(const char *pem, X509 **ret_first, STACK_OF(X509) * *ret_rest, struct skr_error *error);
int skr_tls_key_hash(EVP_PKEY *key, uint8_t ret[static SKR_TLS_HASH_SIZE]);
/* Copies the SAN URI that begins with `prefix`; -ENOENT when there is none that fits. */
int skr_tls_uri(const X509 *certificate, const char *prefix, char *out, size_t size);
/* The host that a certificate names; -EBADMSG. */
int skr_tls_host_id(const X509 *certificate, struct skr_uuid *ret);
int skr_tls_x509_times(const X509 *certificate, int64_t *ret_not_before_ms, int64_t *ret_not_after_ms);
/* A text bio's content as a new NUL-terminated string. */
int skr_tls_bio_text(BIO *bio, char **ret);
