#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/pem.h>
#include <skerry/macros.h>
#include <skerry/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS  1800000000000LL
#define HOUR_MS 3600000LL

/* An authority, a server's identity under it, and a host's. Tests add what is wrong. */
struct scene {
    struct skr_tls_identity *authority, *server, *host;
    char *authority_pem;
    struct skr_uuid host_id;
    uint8_t pin[1][SKR_TLS_HASH_SIZE];
};

static struct scene scene;
static struct skr_error error;

static struct skr_tls_identity *new_host(const struct skr_tls_identity *authority, int64_t now_ms, int64_t lifetime_ms)
{
    struct skr_tls_identity *host;
    char *request, *certificate;
    cr_assert_eq(skr_tls_key_new(&host, &error), 0);
    cr_assert_eq(skr_tls_request_new(host, &request, &error), 0);
    cr_assert_eq(skr_tls_sign_host(authority, request, &scene.host_id, now_ms, lifetime_ms, &certificate, &error), 0);
    cr_assert_eq(skr_tls_identity_set_certificate(host, certificate, &error), 0);
    free(request);
    free(certificate);
    return host;
}

static void begin(void)
{
    static const char *const names[] = {"controller.example", "192.0.2.1", "2001:db8::1"};
    memset(&error, 0, sizeof(error));
    for (unsigned i = 0; i < 16; i++)
        scene.host_id.bytes[i] = (uint8_t)(i + 1);
    cr_assert_eq(skr_tls_authority_new("Skerry test", NOW_MS, &scene.authority, &error), 0);
    cr_assert_eq(skr_tls_identity_certificate_pem(scene.authority, &scene.authority_pem), 0);
    cr_assert_eq(skr_tls_identity_key_hash(scene.authority, scene.pin[0]), 0);
    cr_assert_eq(skr_tls_sign_server(scene.authority, names, 3, NOW_MS, HOUR_MS, &scene.server, &error), 0);
    scene.host = new_host(scene.authority, NOW_MS, HOUR_MS);
}

static void end(void)
{
    skr_tls_identity_free(scene.authority);
    skr_tls_identity_free(scene.server);
    skr_tls_identity_free(scene.host);
    free(scene.authority_pem);
}

TestSuite(tls, .init = begin, .fini = end);

/* Both ends of one connection over memory. */
struct pair {
    SSL *client, *server;
    bool client_done, server_done, failed;
};

static void pair_open(struct pair *pair, SSL_CTX *client, SSL_CTX *server)
{
    BIO *a, *b;
    *pair = (struct pair){.client = SSL_new(client), .server = SSL_new(server)};
    cr_assert_eq(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    SSL_set_bio(pair->client, a, a);
    SSL_set_bio(pair->server, b, b);
    SSL_set_connect_state(pair->client);
    SSL_set_accept_state(pair->server);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

static bool step(SSL *ssl, bool *done)
{
    if (*done)
        return true;
    int result = SSL_do_handshake(ssl);
    if (result == 1)
        *done = true;
    int why = SSL_get_error(ssl, result);
    return result == 1 || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/* True when both ends say so. A client is done before the server has judged its certificate. */
static bool handshake(struct pair *pair)
{
    bool client_ok = true, server_ok = true;
    for (int round = 0; round < 20 && !(pair->client_done && pair->server_done); round++) {
        client_ok = client_ok && step(pair->client, &pair->client_done);
        server_ok = server_ok && step(pair->server, &pair->server_done);
    }
    return pair->client_done && pair->server_done;
}

static void pair_close(struct pair *pair)
{
    SSL_free(pair->client);
    SSL_free(pair->server);
}

static SSL_CTX *server_context(void)
{
    SSL_CTX *context;
    cr_assert_eq(skr_tls_server_context(scene.server, scene.authority_pem, &context, &error), 0, "%s", error.detail);
    return context;
}

static SSL_CTX *client_context(const struct skr_tls_identity *identity)
{
    SSL_CTX *context;
    cr_assert_eq(skr_tls_client_context(identity, scene.pin, 1, &context, &error), 0, "%s", error.detail);
    return context;
}

Test(tls, session_knows_the_host)
{
    struct pair pair;
    struct skr_uuid id;
    uint8_t hash[SKR_TLS_HASH_SIZE], expected[SKR_TLS_HASH_SIZE];
    int64_t from, to;
    pair_open(&pair, client_context(scene.host), server_context());
    cr_assert(handshake(&pair));
    cr_assert_not(skr_tls_is_join(pair.server));
    cr_assert_eq(skr_tls_peer_host_id(pair.server, &id), 0);
    cr_assert_eq(skr_uuid_compare(&id, &scene.host_id), 0);
    cr_assert_eq(skr_tls_peer_key_hash(pair.server, hash), 0);
    cr_assert_eq(skr_tls_identity_key_hash(scene.host, expected), 0);
    cr_assert_arr_eq(hash, expected, SKR_TLS_HASH_SIZE);
    cr_assert_eq(skr_tls_peer_times(pair.server, &from, &to), 0);
    cr_assert_eq(from, NOW_MS - SKR_TLS_BACKDATE_MS);
    cr_assert_eq(to, NOW_MS + HOUR_MS);
    cr_assert_str_eq(SSL_get_version(pair.server), "TLSv1.3");
    pair_close(&pair);
}

Test(tls, join_shows_no_certificate)
{
    struct pair pair;
    struct skr_uuid id = scene.host_id;
    uint8_t hash[SKR_TLS_HASH_SIZE];
    int64_t from, to;
    pair_open(&pair, client_context(NULL), server_context());
    cr_assert(handshake(&pair));
    cr_assert(skr_tls_is_join(pair.server));
    cr_assert_eq(skr_tls_peer_host_id(pair.server, &id), -ENOENT);
    cr_assert_eq(skr_tls_peer_key_hash(pair.server, hash), -ENOENT);
    cr_assert_eq(skr_tls_peer_times(pair.server, &from, &to), -ENOENT);
    cr_assert_eq(skr_tls_peer_host_id(pair.client, &id), -EBADMSG); /* a server is no host */
    cr_assert_eq(skr_uuid_compare(&id, &scene.host_id), 0);
    pair_close(&pair);
}

Test(tls, session_without_certificate_is_refused)
{
    static const unsigned char protocol[] = "\x08" SKR_TLS_ALPN_SESSION;
    struct pair pair;
    SSL_CTX *client = client_context(NULL);
    cr_assert_eq(SSL_CTX_set_alpn_protos(client, protocol, sizeof(protocol) - 1), 0);
    pair_open(&pair, client, server_context());
    cr_assert_not(handshake(&pair));
    cr_assert_not(pair.server_done);
    pair_close(&pair);
}

Test(tls, other_or_no_alpn_is_refused)
{
    static const unsigned char other[] = "\x08http/1.1";
    for (int i = 0; i < 2; i++) {
        struct pair pair;
        SSL_CTX *client = client_context(scene.host);
        cr_assert_eq(SSL_CTX_set_alpn_protos(client, i ? other : NULL, i ? sizeof(other) - 1 : 0), 0);
        pair_open(&pair, client, server_context());
        cr_assert_not(handshake(&pair));
        cr_assert_not(pair.server_done);
        cr_assert_not(pair.client_done);
        pair_close(&pair);
    }
}

Test(tls, wrong_pin_is_refused_before_the_client_sends_its_certificate)
{
    struct pair pair;
    scene.pin[0][5] ^= 1;
    pair_open(&pair, client_context(scene.host), server_context());
    cr_assert_not(handshake(&pair));
    cr_assert_not(pair.client_done);
    cr_assert_null(SSL_get0_peer_certificate(pair.server));
    pair_close(&pair);
}

Test(tls, one_of_several_pins_is_enough)
{
    struct pair pair;
    SSL_CTX *client;
    uint8_t pins[2][SKR_TLS_HASH_SIZE] = {{1}};
    memcpy(pins[1], scene.pin[0], SKR_TLS_HASH_SIZE);
    cr_assert_eq(skr_tls_client_context(scene.host, pins, 2, &client, &error), 0);
    pair_open(&pair, client, server_context());
    cr_assert(handshake(&pair));
    pair_close(&pair);
    cr_assert_lt(skr_tls_client_context(scene.host, pins, 0, &client, &error), 0);
}

Test(tls, certificate_of_another_authority_is_refused)
{
    struct pair pair;
    struct skr_tls_identity *foreign, *stranger;
    cr_assert_eq(skr_tls_authority_new("Skerry test", NOW_MS, &foreign, &error), 0);
    stranger = new_host(foreign, NOW_MS, HOUR_MS);
    pair_open(&pair, client_context(stranger), server_context());
    cr_assert_not(handshake(&pair));
    cr_assert_not(pair.server_done);
    pair_close(&pair);
    skr_tls_identity_free(stranger);
    skr_tls_identity_free(foreign);
}

Test(tls, expired_certificate_is_let_through_and_told)
{
    struct pair pair;
    int64_t from, to;
    struct skr_tls_identity *old = new_host(scene.authority, 1000000000000LL, HOUR_MS);
    pair_open(&pair, client_context(old), server_context());
    cr_assert(handshake(&pair));
    cr_assert_eq(skr_tls_peer_times(pair.server, &from, &to), 0);
    cr_assert_eq(to, 1000000000000LL + HOUR_MS);
    pair_close(&pair);
    skr_tls_identity_free(old);
}

/* Every host has a certificate of the authority; none of them may pass for the controller. */
Test(tls, a_host_cannot_be_the_server)
{
    struct pair pair;
    SSL_CTX *server;
    char *host_pem, *chain, *key;
    struct skr_tls_identity *imposter;
    cr_assert_eq(skr_tls_identity_certificate_pem(scene.host, &host_pem), 0);
    cr_assert_eq(skr_tls_identity_key_pem(scene.host, &key), 0);
    cr_assert_gt(asprintf(&chain, "%s%s", host_pem, scene.authority_pem), 0);
    cr_assert_eq(skr_tls_identity_from_pem(key, chain, &imposter, &error), 0);
    cr_assert_eq(skr_tls_server_context(imposter, scene.authority_pem, &server, &error), 0);
    pair_open(&pair, client_context(NULL), server);
    cr_assert_not(handshake(&pair));
    cr_assert_not(pair.client_done);
    pair_close(&pair);
    skr_tls_identity_free(imposter);
    free(host_pem);
    free(chain);
    free(key);
}

Test(tls, identities_survive_pem)
{
    struct skr_tls_identity *copy = NULL;
    uint8_t a[SKR_TLS_HASH_SIZE], b[SKR_TLS_HASH_SIZE];
    char *key, *certificate, *again;
    cr_assert_eq(skr_tls_identity_key_pem(scene.server, &key), 0);
    cr_assert_eq(skr_tls_identity_certificate_pem(scene.server, &certificate), 0);
    cr_assert_eq(skr_tls_identity_from_pem(key, certificate, &copy, &error), 0);
    cr_assert_eq(skr_tls_identity_certificate_pem(copy, &again), 0);
    cr_assert_str_eq(certificate, again);
    cr_assert_eq(skr_tls_identity_key_hash(copy, a), 0);
    cr_assert_eq(skr_tls_certificate_key_hash(certificate, b, &error), 0);
    cr_assert_arr_eq(a, b, sizeof(a));
    skr_tls_identity_free(copy);
    copy = NULL;
    cr_assert_lt(skr_tls_identity_from_pem(key, scene.authority_pem, &copy, &error), 0);
    cr_assert_lt(skr_tls_identity_from_pem("no key", certificate, &copy, &error), 0);
    cr_assert_lt(skr_tls_identity_from_pem(key, "no certificate", &copy, &error), 0);
    cr_assert_null(copy);
    cr_assert_lt(skr_tls_identity_set_certificate(scene.host, certificate, &error), 0);
    cr_assert_eq(skr_tls_identity_from_pem(key, NULL, &copy, &error), 0);
    free(again);
    cr_assert_eq(skr_tls_identity_certificate_pem(copy, &again), -ENOENT);
    skr_tls_identity_free(copy);
    free(key);
    free(certificate);
}

Test(tls, requests_are_judged)
{
    uint8_t hash[SKR_TLS_HASH_SIZE], expected[SKR_TLS_HASH_SIZE];
    char *request, *certificate = NULL;
    cr_assert_eq(skr_tls_request_new(scene.host, &request, &error), 0);
    cr_assert_eq(skr_tls_request_key_hash(request, hash, &error), 0);
    cr_assert_eq(skr_tls_identity_key_hash(scene.host, expected), 0);
    cr_assert_arr_eq(hash, expected, sizeof(hash));
    cr_assert_lt(skr_tls_request_key_hash("junk", hash, &error), 0);
    /* Another base64 digit inside the signature. */
    char *end_line = strstr(request, "\n-----END"), *digit = end_line - 10;
    *digit = *digit == 'A' ? 'B' : 'A';
    cr_assert_lt(skr_tls_request_key_hash(request, hash, &error), 0);
    cr_assert_lt(skr_tls_sign_host(scene.authority, request, &scene.host_id, NOW_MS, HOUR_MS, &certificate, &error), 0);
    cr_assert_null(certificate);
    free(request);
    char *large = malloc(20000);
    memset(large, 'x', 19999);
    large[19999] = '\0';
    cr_assert_lt(skr_tls_request_key_hash(large, hash, &error), 0);
    free(large);
}

/* P-384 and RSA: whoever wants to make us work for a signature. */
Test(tls, requests_with_other_keys_are_refused)
{
    EVP_PKEY *keys[] = {EVP_EC_gen("P-384"), EVP_RSA_gen(2048)};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(keys); i++) {
        X509_REQ *request = X509_REQ_new();
        BIO *bio = BIO_new(BIO_s_mem());
        uint8_t hash[SKR_TLS_HASH_SIZE];
        char *data;
        X509_REQ_set_pubkey(request, keys[i]);
        cr_assert_gt(X509_REQ_sign(request, keys[i], EVP_sha256()), 0);
        PEM_write_bio_X509_REQ(bio, request);
        BIO_write(bio, "", 1);
        BIO_get_mem_data(bio, &data);
        cr_assert_lt(skr_tls_request_key_hash(data, hash, &error), 0);
        cr_assert_not_null(strstr(error.detail, "P-256"));
        BIO_free(bio);
        X509_REQ_free(request);
        EVP_PKEY_free(keys[i]);
    }
}

Test(tls, certificate_times)
{
    int64_t from = 1, to = 2;
    cr_assert_eq(skr_tls_certificate_times(scene.authority_pem, &from, &to, &error), 0);
    cr_assert_eq(from, NOW_MS - SKR_TLS_BACKDATE_MS);
    cr_assert_eq(to, NOW_MS + 20LL * 365 * 24 * HOUR_MS);
    cr_assert_lt(skr_tls_certificate_times("junk", &from, &to, &error), 0);
}

Test(tls, hashes_as_text)
{
    char text[SKR_TLS_HASH_TEXT_MAX];
    uint8_t back[SKR_TLS_HASH_SIZE];
    skr_tls_hash_format(scene.pin[0], text);
    cr_assert_eq(strlen(text), 64);
    cr_assert_eq(skr_tls_hash_parse(text, back), 0);
    cr_assert_arr_eq(back, scene.pin[0], sizeof(back));
    text[63] = 'g';
    cr_assert_eq(skr_tls_hash_parse(text, back), -EINVAL);
    text[63] = '\0';
    cr_assert_eq(skr_tls_hash_parse(text, back), -EINVAL);
    cr_assert_arr_eq(back, scene.pin[0], sizeof(back));
}

Test(tls, secrets_and_digests)
{
    static const uint8_t abc[4] = {0xba, 0x78, 0x16, 0xbf}; /* FIPS 180-2, appendix B.1 */
    char a[SKR_SECRET_TEXT_MAX], b[SKR_SECRET_TEXT_MAX];
    uint8_t hash[SKR_TLS_HASH_SIZE];
    cr_assert_eq(skr_secret_new(a), 0);
    cr_assert_eq(skr_secret_new(b), 0);
    cr_assert_eq(strlen(a), 43);
    cr_assert_eq(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
    cr_assert_str_neq(a, b);
    cr_assert_not(skr_secret_equal(a, b, 43));
    cr_assert(skr_secret_equal(a, a, 43));
    skr_sha256("abc", 3, hash);
    cr_assert_arr_eq(hash, abc, sizeof(abc));
}
