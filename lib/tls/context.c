#include "lib/tls/private.h"
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>

#define PINS_MAX              16
#define PEER_CERTIFICATES_MAX 16384 /* bytes a peer's chain may take */

struct pins {
    size_t count;
    uint8_t hashes[][SKR_TLS_HASH_SIZE];
};

static const unsigned char session_protocol[] = "\x08" SKR_TLS_ALPN_SESSION, join_protocol[] = "\x0d" SKR_TLS_ALPN_JOIN;

/* Settings that client and server share: TLS 1.3 alone, nothing kept after a connection, buffers given back while it
 * idles. */
static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SKR_CLEANUP(skr_tls_context_cleanup) SSL_CTX *context = SSL_CTX_new(method);
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(context, 0) != 1)
        return NULL;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(context,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_max_cert_list(context, PEER_CERTIFICATES_MAX);
    return SKR_TAKE(context);
}

static bool use_identity(SSL_CTX *context, const struct skr_tls_identity *identity)
{
    if (!identity->certificate || SSL_CTX_use_certificate(context, identity->certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context, identity->key) != 1)
        return false;
    for (int i = 0; i < sk_X509_num(identity->chain); i++)
        if (SSL_CTX_add1_chain_cert(context, sk_X509_value(identity->chain, i)) != 1)
            return false;
    return true;
}

/* OpenSSL asks the ALPN callback only about clients that offer something; who offers nothing ends here. */
static int demand_alpn(SSL *ssl, int *alert, void *arg)
{
    const unsigned char *data;
    size_t size;
    (void)arg;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data, &size) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static bool offers(const unsigned char *list, unsigned size, const unsigned char *protocol)
{
    for (unsigned at = 0; at < size && list[at] < size - at; at += 1u + list[at])
        if (list[at] == protocol[0] && memcmp(list + at, protocol, 1u + protocol[0]) == 0)
            return true;
    return false;
}

/* Runs before the server decides whether to ask for a certificate. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
                       unsigned in_size, void *arg)
{
    (void)arg;
    const unsigned char *chosen;
    if (offers(in, in_size, session_protocol)) {
        chosen = session_protocol;
        SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    } else if (offers(in, in_size, join_protocol)) {
        chosen = join_protocol;
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    } else {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen + 1;
    *out_size = chosen[0];
    return SSL_TLSEXT_ERR_OK;
}

static int trust_authorities(SSL_CTX *context, const char *authority_pems, struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_x509_cleanup) X509 *first = NULL;
    SKR_CLEANUP(skr_tls_chain_cleanup) STACK_OF(X509) *rest = NULL;
    int result = skr_tls_read_certificates(authority_pems, &first, &rest, error);
    if (result < 0)
        return result;
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    bool done = X509_STORE_add_cert(store, first) == 1 && X509_STORE_set_flags(store, X509_V_FLAG_NO_CHECK_TIME) == 1;
    for (int i = 0; done && i < sk_X509_num(rest); i++)
        done = X509_STORE_add_cert(store, sk_X509_value(rest, i)) == 1;
    return done ? 0 : skr_tls_fail(error, SKR_ERROR_INTERNAL, "The authorities could not be trusted");
}

int skr_tls_server_context(const struct skr_tls_identity *server, const char *authority_pems, SSL_CTX **ret,
                           struct skr_error *error)
{
    SKR_CLEANUP(skr_tls_context_cleanup) SSL_CTX *context = context_new(TLS_server_method());
    if (!context || !use_identity(context, server))
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "The server's TLS context could not be made");
    int result = trust_authorities(context, authority_pems, error);
    if (result < 0)
        return result;
    SSL_CTX_set_client_hello_cb(context, demand_alpn, NULL);
    SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL);
    *ret = SKR_TAKE(context);
    return 0;
}

static bool is_pinned(const struct pins *pins, X509 *certificate)
{
    uint8_t hash[SKR_TLS_HASH_SIZE];
    if (skr_tls_key_hash(X509_get0_pubkey(certificate), hash) < 0)
        return false;
    for (size_t i = 0; i < pins->count; i++)
        if (memcmp(hash, pins->hashes[i], sizeof(hash)) == 0)
            return true;
    return false;
}

/* The whole judgement of a controller's certificate: made for a controller, and signed by a pinned authority that came
 * with it. Runs before the client sends its own certificate or any data. */
static int verify_by_pin(X509_STORE_CTX *store, void *arg)
{
    const struct pins *pins = arg;
    char name[64];
    X509 *peer = X509_STORE_CTX_get0_cert(store);
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
    bool controller = skr_tls_uri(peer, SKR_TLS_CONTROLLER_NAME, name, sizeof(name)) == 0 &&
                      strcmp(name, SKR_TLS_CONTROLLER_NAME) == 0;
    for (int i = 0; controller && i < sk_X509_num(sent) && i < SKR_TLS_CHAIN_MAX; i++) {
        X509 *authority = sk_X509_value(sent, i);
        if (is_pinned(pins, authority) && X509_check_ca(authority) >= 1 &&
            X509_check_issued(authority, peer) == X509_V_OK && X509_verify(peer, X509_get0_pubkey(authority)) == 1)
            return 1;
    }
    ERR_clear_error();
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
}

static int pins_index = -1;

static void free_pins(void *parent, void *pins, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
    (void)parent, (void)data, (void)index, (void)argl, (void)argp;
    free(pins);
}

static void make_pins_index(void)
{
    pins_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_pins);
}

/* The pins live as long as the context that uses them. */
static bool use_pins(SSL_CTX *context, const uint8_t (*hashes)[SKR_TLS_HASH_SIZE], size_t count)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_pins_index);
    struct pins *pins = malloc(sizeof(*pins) + count * SKR_TLS_HASH_SIZE);
    if (!pins)
        return false;
    pins->count = count;
    memcpy(pins->hashes, hashes, count * SKR_TLS_HASH_SIZE);
    if (pins_index < 0 || SSL_CTX_set_ex_data(context, pins_index, pins) != 1) {
        free(pins);
        return false;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, verify_by_pin, pins);
    return true;
}

int skr_tls_client_context(const struct skr_tls_identity *identity, const uint8_t (*pins)[SKR_TLS_HASH_SIZE],
                           size_t pin_count, SSL_CTX **ret, struct skr_error *error)
{
    if (pin_count == 0 || pin_count > PINS_MAX)
        return skr_error_set(error, SKR_ERROR_INVALID, "A client needs 1 to %d authorities to trust.", PINS_MAX);
    SKR_CLEANUP(skr_tls_context_cleanup) SSL_CTX *context = context_new(TLS_client_method());
    const unsigned char *protocol = identity ? session_protocol : join_protocol;
    if (!context || (identity && !use_identity(context, identity)) || !use_pins(context, pins, pin_count) ||
        SSL_CTX_set_alpn_protos(context, protocol, 1u + protocol[0]) != 0)
        return skr_tls_fail(error, SKR_ERROR_INTERNAL, "The client's TLS context could not be made");
    *ret = SKR_TAKE(context);
    return 0;
}

int skr_tls_peer_host_id(const SSL *ssl, struct skr_uuid *ret)
{
    const X509 *peer = SSL_get0_peer_certificate(ssl);
    return peer ? skr_tls_host_id(peer, ret) : -ENOENT;
}

int skr_tls_peer_key_hash(const SSL *ssl, uint8_t ret[static SKR_TLS_HASH_SIZE])
{
    X509 *peer = SSL_get0_peer_certificate(ssl);
    return peer ? skr_tls_key_hash(X509_get0_pubkey(peer), ret) : -ENOENT;
}

int skr_tls_peer_times(const SSL *ssl, int64_t *ret_not_before_ms, int64_t *ret_not_after_ms)
{
    const X509 *peer = SSL_get0_peer_certificate(ssl);
    return peer ? skr_tls_x509_times(peer, ret_not_before_ms, ret_not_after_ms) : -ENOENT;
}

bool skr_tls_is_join(const SSL *ssl)
{
    const unsigned char *protocol;
    unsigned size;
    SSL_get0_alpn_selected(ssl, &protocol, &size);
    return size == join_protocol[0] && memcmp(protocol, join_protocol + 1, size) == 0;
}
