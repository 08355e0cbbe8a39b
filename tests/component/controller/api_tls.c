/* TLS as clients meet it: versions, ciphers, renegotiation, and what answers tell browsers about it. */
#include "tests/component/controller/api_client.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static struct api_server server;

static void start(void)
{
    api_server_start(&server, NULL, NULL);
}

static void stop(void)
{
    api_server_stop(&server);
}

TestSuite(api_tls, .init = start, .fini = stop);

/* A connection of exactly this version, with these ciphers; ssl NULL: the server did not agree. */
static struct api_raw shake_hands(int version, const char *ciphers)
{
    struct api_raw raw = {.context = SSL_CTX_new(TLS_client_method()), .fd = api_raw_socket(&server)};
    SSL_CTX_set_security_level(raw.context, 0);
    SSL_CTX_set_min_proto_version(raw.context, version);
    SSL_CTX_set_max_proto_version(raw.context, version);
    if (ciphers)
        cr_assert_eq(SSL_CTX_set_cipher_list(raw.context, ciphers), 1, "%s", ciphers);
    raw.ssl = SSL_new(raw.context);
    SSL_set_fd(raw.ssl, raw.fd);
    if (SSL_connect(raw.ssl) == 1)
        return raw;
    SSL_free(raw.ssl);
    raw.ssl = NULL;
    return raw;
}

static bool agrees(int version, const char *ciphers)
{
    struct api_raw raw = shake_hands(version, ciphers);
    bool agreed = raw.ssl != NULL;
    api_raw_close(&raw);
    return agreed;
}

Test(api_tls, only_ciphers_that_authenticate_and_keys_that_do_not_last)
{
    static const char *const weak[] = {"AES128-SHA",
                                       "AES128-GCM-SHA256",
                                       "ECDHE-ECDSA-AES128-SHA",
                                       "ECDHE-ECDSA-AES256-SHA",
                                       "ECDHE-ECDSA-AES128-SHA256",
                                       "ECDHE-ECDSA-AES256-SHA384",
                                       "ECDHE-ECDSA-AES128-CCM",
                                       "ALL:!AESGCM:!CHACHA20"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(weak); i++)
        cr_expect_not(agrees(TLS1_2_VERSION, weak[i]), "%s", weak[i]);
    cr_expect(agrees(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    cr_expect(agrees(TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"));
    cr_expect(agrees(TLS1_3_VERSION, NULL));
    cr_expect_not(agrees(TLS1_1_VERSION, "ALL"));
}

Test(api_tls, renegotiation_ends_the_connection)
{
    char byte;
    struct api_raw raw = shake_hands(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256");
    cr_assert(raw.ssl);
    SSL_renegotiate(raw.ssl);
    cr_assert_leq(SSL_do_handshake(raw.ssl), 0, "the server took a second handshake");
    cr_assert_leq(SSL_read(raw.ssl, &byte, 1), 0);
    api_raw_close(&raw);
}

Test(api_tls, every_answer_keeps_browsers_on_tls)
{
    static const char *const paths[] = {"/", "/healthz", "/v1/openapi.json", "/v1/tenants", "/nowhere"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(paths); i++) {
        char request[128], answer[4096];
        struct api_raw raw = api_raw_open(&server);
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        api_raw_send(&raw, request);
        int size = SSL_read(raw.ssl, answer, sizeof(answer) - 1);
        cr_assert_gt(size, 0);
        answer[size] = '\0';
        cr_expect(strstr(answer, "Strict-Transport-Security: max-age=31536000\r\n"), "%s: %s", paths[i], answer);
        api_raw_close(&raw);
    }
}
