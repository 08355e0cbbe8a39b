/* A controller that follows a script: a thread that accepts connections one after the other and runs a function of the
 * test on each, blocking, with a limit on every wait. */
#pragma once

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/frame.h>
#include <skerry/tls.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

struct controller {
    struct skr_tls_identity *authority, *server;
    char *authority_pem;
    uint8_t pin[SKR_TLS_HASH_SIZE];
    SSL_CTX *context;
    int fd;
    char address[64];
    pthread_t thread;
    /* Returns false when no further connection is awaited. */
    bool (*script)(struct controller *controller, SSL *ssl, int connection);
    atomic_int connections;
    atomic_bool done;
    struct skr_uuid host_id;
};

static inline Skerry__V1__Envelope *controller_read(SSL *ssl)
{
    uint8_t header[4];
    static _Thread_local uint8_t body[SKR_FRAME_MAX];
    size_t size, got = 0;
    Skerry__V1__Envelope *envelope = NULL;
    while (got < 4) {
        int n = SSL_read(ssl, header + got, (int)(4 - got));
        if (n <= 0)
            return NULL;
        got += (size_t)n;
    }
    if (skr_frame_peek(header, 4, SKR_FRAME_MAX, &size) < 0)
        return NULL;
    for (got = 0; got < size;) {
        int n = SSL_read(ssl, body + got, (int)(size - got));
        if (n <= 0)
            return NULL;
        got += (size_t)n;
    }
    return skr_frame_unpack(body, size, &envelope) == 0 ? envelope : NULL;
}

/* The next message of that kind; pings in between are passed over. */
static inline Skerry__V1__Envelope *controller_expect(SSL *ssl, Skerry__V1__Envelope__BodyCase body)
{
    for (int i = 0; i < 100; i++) {
        Skerry__V1__Envelope *envelope = controller_read(ssl);
        if (!envelope || envelope->body_case == body)
            return envelope;
        skr_envelope_free(envelope);
    }
    return NULL;
}

static inline void controller_write(SSL *ssl, const Skerry__V1__Envelope *envelope)
{
    uint8_t *frame;
    size_t size;
    cr_assert_eq(skr_frame_pack(envelope, &frame, &size), 0);
    SSL_write(ssl, frame, (int)size);
    free(frame);
}

static inline void *controller_main(void *arg)
{
    struct controller *controller = arg;
    bool more = true;
    while (more) {
        struct timeval limit = {.tv_sec = 10};
        int fd = accept(controller->fd, NULL, NULL);
        if (fd < 0)
            break;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        SSL *ssl = SSL_new(controller->context);
        SSL_set_fd(ssl, fd);
        int connection = atomic_fetch_add(&controller->connections, 1);
        if (SSL_accept(ssl) == 1)
            more = controller->script(controller, ssl, connection);
        SSL_shutdown(ssl);
        SSL_free(ssl);
        close(fd);
    }
    atomic_store(&controller->done, true);
    return NULL;
}

static inline void controller_start(struct controller *controller,
                                    bool (*script)(struct controller *controller, SSL *ssl, int connection))
{
    const char *names[] = {"127.0.0.1"};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int64_t now = skr_clock_wall_ms();
    memset(controller, 0, sizeof(*controller));
    controller->script = script;
    controller->host_id = (struct skr_uuid){{5, 1}};
    cr_assert_eq(skr_tls_authority_new("test", now, &controller->authority, NULL), 0);
    cr_assert_eq(skr_tls_identity_certificate_pem(controller->authority, &controller->authority_pem), 0);
    cr_assert_eq(skr_tls_certificate_key_hash(controller->authority_pem, controller->pin, NULL), 0);
    cr_assert_eq(skr_tls_sign_server(controller->authority, names, 1, now, 3600000, &controller->server, NULL), 0);
    cr_assert_eq(skr_tls_server_context(controller->server, controller->authority_pem, &controller->context, NULL), 0);
    controller->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(controller->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(controller->fd, 8), 0);
    getsockname(controller->fd, (struct sockaddr *)&at, &size);
    snprintf(controller->address, sizeof(controller->address), "127.0.0.1:%u", ntohs(at.sin_port));
    cr_assert_eq(pthread_create(&controller->thread, NULL, controller_main, controller), 0);
}

static inline void controller_stop(struct controller *controller)
{
    shutdown(controller->fd, SHUT_RDWR);
    pthread_join(controller->thread, NULL);
    close(controller->fd);
    SSL_CTX_free(controller->context);
    skr_tls_identity_free(controller->server);
    skr_tls_identity_free(controller->authority);
    free(controller->authority_pem);
}
