/* Certificates and TLS contexts (OpenSSL), for both daemons. The controller's own authority is ECDSA P-256; agents are
 * named by SAN URI:skerry://host/<uuid>; the API's certificate is signed by the same authority with DNS and IP names.
 * OpenSSL's errors end here: functions return -errno and fill a struct skr_error. All PEM strings are NUL-terminated
 * and owned by the caller after return. Times are wall clock milliseconds, given by the caller. */
#pragma once

#include <openssl/ssl.h>
#include <skerry/error.h>
#include <skerry/uuid.h>
#include <stdbool.h>
#include <stdint.h>

#define SKR_TLS_HASH_SIZE     32
#define SKR_TLS_HASH_TEXT_MAX 65
#define SKR_TLS_BACKDATE_MS   300000LL
#define SKR_TLS_ALPN_JOIN     "skerry-join/1"
#define SKR_TLS_ALPN_SESSION  "skerry/1"

struct skr_tls_identity; /* a private key and its certificate */

/* Makes a key and a self-signed authority certificate, valid 20 years. */
int skr_tls_authority_new(const char *common_name, int64_t now_ms, struct skr_tls_identity **ret,
                          struct skr_error *error);
/* A key of our own, certificate still missing. */
int skr_tls_key_new(struct skr_tls_identity **ret, struct skr_error *error);
int skr_tls_identity_from_pem(const char *key_pem, const char *certificate_pem, struct skr_tls_identity **ret,
                              struct skr_error *error);
void skr_tls_identity_free(struct skr_tls_identity *identity);
static inline void skr_tls_identity_cleanup(struct skr_tls_identity **identity)
{
    skr_tls_identity_free(*identity);
}
int skr_tls_identity_set_certificate(struct skr_tls_identity *identity, const char *certificate_pem,
                                     struct skr_error *error);
/* PKCS #8 with scrypt and AES-256 (RFC 5958, RFC 7914), as PEM "ENCRYPTED PRIVATE KEY". About 50 ms. */
int skr_tls_key_encrypt(const char *key_pem, const char *passphrase, char **ret_pem, struct skr_error *error);
/* -ENOTSUP without an error: the PEM is not encrypted. INVALID: not with this passphrase. */
int skr_tls_key_decrypt(const char *pem, const char *passphrase, char **ret_key_pem, struct skr_error *error);
int skr_tls_identity_key_pem(const struct skr_tls_identity *identity, char **ret_pem);
int skr_tls_identity_certificate_pem(const struct skr_tls_identity *identity, char **ret_pem);

/* SHA-256 over the SubjectPublicKeyInfo (DER): the pin of join strings and the "key hash" of hosts. */
int skr_tls_certificate_key_hash(const char *certificate_pem, uint8_t ret[static SKR_TLS_HASH_SIZE],
                                 struct skr_error *error);
int skr_tls_identity_key_hash(const struct skr_tls_identity *identity, uint8_t ret[static SKR_TLS_HASH_SIZE]);
/* 32 secret bytes that only the holder of the private key can make, the same ones for the same purpose every time. */
int skr_tls_identity_secret(const struct skr_tls_identity *identity, const char *purpose,
                            uint8_t ret[static SKR_TLS_HASH_SIZE]);
char *skr_tls_hash_format(const uint8_t hash[static SKR_TLS_HASH_SIZE], char out[static SKR_TLS_HASH_TEXT_MAX]);
int skr_tls_hash_parse(const char *text, uint8_t ret[static SKR_TLS_HASH_SIZE]);

/* A PKCS #10 request (RFC 2986) for our own key; its subject is ignored by the authority. */
int skr_tls_request_new(const struct skr_tls_identity *identity, char **ret_pem, struct skr_error *error);
/* Checks the request's self-signature and returns its key hash. */
int skr_tls_request_key_hash(const char *request_pem, uint8_t ret[static SKR_TLS_HASH_SIZE], struct skr_error *error);
/* Signs a request for a host: client and server authentication, SAN URI:skerry://host/<id>, notBefore backdated. */
int skr_tls_sign_host(const struct skr_tls_identity *authority, const char *request_pem, const struct skr_uuid *host_id,
                      int64_t now_ms, int64_t lifetime_ms, char **ret_certificate_pem, struct skr_error *error);
/* A server identity with SANs: each name is a DNS name or an IP address in text. Used for the API and for port 6653. */
int skr_tls_sign_server(const struct skr_tls_identity *authority, const char *const *names, size_t name_count,
                        int64_t now_ms, int64_t lifetime_ms, struct skr_tls_identity **ret, struct skr_error *error);
/* notBefore and notAfter of a certificate. */
int skr_tls_certificate_times(const char *certificate_pem, int64_t *ret_not_before_ms, int64_t *ret_not_after_ms,
                              struct skr_error *error);

/* Server context for port 6653: TLS 1.3 alone, no session cache or tickets, RELEASE_BUFFERS. The ALPN callback demands
 * a client certificate signed by one of `authority_pems` for "skerry/1" and asks for none for "skerry-join/1"; other or
 * no ALPN fails the handshake. A certificate outside its time is let through here; skr_tls_peer_* tell, the caller
 * decides (docs/design/southbound.md: it may only renew). */
int skr_tls_server_context(const struct skr_tls_identity *server, const char *authority_pems, SSL_CTX **ret,
                           struct skr_error *error);
/* Client context for agents: `identity` NULL when joining (ALPN skerry-join/1). The peer's chain must contain a
 * certificate whose key hash is one of `pins` and that has signed the peer; its time is judged by nobody here: with a
 * plainly wrong clock the agent warns instead of refusing (skr_tls_peer_times). Names are not compared: the pin is. */
int skr_tls_client_context(const struct skr_tls_identity *identity, const uint8_t (*pins)[SKR_TLS_HASH_SIZE],
                           size_t pin_count, SSL_CTX **ret, struct skr_error *error);

/* After the handshake. -ENOENT when the peer showed no certificate, -EBADMSG when it has no skerry://host/ name. */
int skr_tls_peer_host_id(const SSL *ssl, struct skr_uuid *ret);
int skr_tls_peer_key_hash(const SSL *ssl, uint8_t ret[static SKR_TLS_HASH_SIZE]);
int skr_tls_peer_times(const SSL *ssl, int64_t *ret_not_before_ms, int64_t *ret_not_after_ms);
bool skr_tls_is_join(const SSL *ssl); /* the negotiated ALPN is skerry-join/1 */

/* Random bytes, and secrets as text: 256 bits in base64url without padding (43 characters). */
#define SKR_SECRET_TEXT_MAX 44
int skr_random_bytes(void *out, size_t size);
int skr_secret_new(char out[static SKR_SECRET_TEXT_MAX]);
void skr_sha256(const void *data, size_t size, uint8_t ret[static SKR_TLS_HASH_SIZE]);
/* Constant time. */
bool skr_secret_equal(const void *a, const void *b, size_t size);
