#include "agent/south/join.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <skerry/clock.h>
#include <skerry/frame.h>
#include <skerry/macros.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>

#define TRY_MS              15000 /* one attempt: connecting, handshake, answer */
#define RETRY_MS            2000
#define APPROVAL_RETRY_MS   5000
#define TIMEOUT_MS          120000
#define APPROVAL_TIMEOUT_MS (24LL * 3600 * 1000)

struct attempt {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    int64_t deadline_ns;
};

static void attempt_done(struct attempt *attempt)
{
    if (attempt->ssl) {
        SSL_shutdown(attempt->ssl);
        SSL_free(attempt->ssl);
    }
    SSL_CTX_free(attempt->context);
    skr_close_cleanup(&attempt->fd);
    ERR_clear_error();
}

static int unreachable(struct skr_error *error, const char *controller, const char *why)
{
    skr_error_set(error, SKR_ERROR_UNAVAILABLE, "The controller at %s cannot be reached: %s.", controller, why);
    return -EAGAIN;
}

/* ---- one attempt: socket, TLS, one frame each way ---- */

static int wait_for(struct attempt *attempt, short events)
{
    int64_t left = (attempt->deadline_ns - skr_clock_monotonic_ns()) / SKR_NS_PER_MS;
    struct pollfd poll_fd = {.fd = attempt->fd, .events = events};
    int r = left > 0 ? poll(&poll_fd, 1, (int)left) : 0;
    if (r < 0 && errno == EINTR)
        return 0;
    return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

static int connect_to(struct attempt *attempt, const struct addrinfo *address)
{
    const int on = 1;
    attempt->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (attempt->fd < 0)
        return -errno;
    /* The request follows the end of the handshake at once: it must not wait for the acknowledgement of that. */
    setsockopt(attempt->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(attempt->fd, address->ai_addr, address->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    int r = wait_for(attempt, POLLOUT), failure = 0;
    socklen_t size = sizeof(failure);
    if (r < 0)
        return r;
    getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    return -failure;
}

static int open_socket(struct attempt *attempt, const char *controller, struct skr_error *error)
{
    char host[256], service[8];
    uint16_t port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    skr_controller_split(controller, host, &port);
    snprintf(service, sizeof(service), "%u", port);
    int r = getaddrinfo(host, service, &hints, &list);
    if (r != 0)
        return unreachable(error, controller, gai_strerror(r));
    r = -EHOSTUNREACH;
    for (const struct addrinfo *address = list; address && r < 0; address = address->ai_next) {
        skr_close_cleanup(&attempt->fd);
        r = connect_to(attempt, address);
    }
    freeaddrinfo(list);
    return r < 0 ? unreachable(error, controller, strerror(-r)) : 0;
}

/* Waits for what OpenSSL wants; 0: try again. */
static int ssl_wait(struct attempt *attempt, int result)
{
    switch (SSL_get_error(attempt->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(attempt, POLLIN);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(attempt, POLLOUT);
    default:
        return -EPROTO;
    }
}

static int handshake(struct attempt *attempt, const struct skr_join_string *string, struct skr_error *error)
{
    int r = skr_tls_client_context(NULL, (const uint8_t(*)[SKR_TLS_HASH_SIZE])string->pin, 1, &attempt->context, error);
    if (r < 0)
        return r;
    attempt->ssl = SSL_new(attempt->context);
    if (!attempt->ssl || SSL_set_fd(attempt->ssl, attempt->fd) != 1)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "There is no memory for a connection.");
    for (int done = SSL_connect(attempt->ssl); done != 1; done = SSL_connect(attempt->ssl)) {
        r = ssl_wait(attempt, done);
        if (r == -EPROTO && SSL_get_verify_result(attempt->ssl) != X509_V_OK)
            return skr_error_set(error, SKR_ERROR_FORBIDDEN,
                                 "What answers at %s is not the controller that the join string was made by.",
                                 string->controller);
        if (r < 0)
            return unreachable(error, string->controller, r == -EPROTO ? "the TLS handshake failed" : strerror(-r));
    }
    return 0;
}

enum direction { SEND, RECEIVE };

/* All of it. What is sent is only read. */
static int transfer(struct attempt *attempt, enum direction direction, uint8_t *data, size_t size)
{
    while (size > 0) {
        int n = direction == SEND ? SSL_write(attempt->ssl, data, (int)size) : SSL_read(attempt->ssl, data, (int)size);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
            continue;
        }
        int r = ssl_wait(attempt, n);
        if (r < 0)
            return r;
    }
    return 0;
}

static int exchange(struct attempt *attempt, const Skerry__V1__Envelope *request, Skerry__V1__Envelope **ret)
{
    uint8_t header[SKR_FRAME_HEADER];
    SKR_CLEANUP(skr_free_cleanup) uint8_t *frame = NULL, *body = NULL;
    size_t size;
    int r = skr_frame_pack(request, &frame, &size);
    if (r == 0 && size > SKR_FRAME_MAX_UNAUTHENTICATED)
        r = -EMSGSIZE;
    if (r == 0)
        r = transfer(attempt, SEND, frame, size);
    if (r == 0)
        r = transfer(attempt, RECEIVE, header, sizeof(header));
    if (r == 0)
        r = skr_frame_peek(header, sizeof(header), SKR_FRAME_MAX, &size);
    if (r < 0)
        return r;
    body = malloc(size);
    if (!body)
        return -ENOMEM;
    r = transfer(attempt, RECEIVE, body, size);
    return r < 0 ? r : skr_frame_unpack(body, size, ret);
}

/* ---- the request and its answer ---- */

static int ask(struct skr_identity *identity, const struct skr_join_options *options, Skerry__V1__Envelope **ret,
               struct skr_error *error)
{
    struct utsname kernel;
    SKR_CLEANUP(skr_free_cleanup) char *request = NULL;
    struct attempt attempt = {.fd = -1, .deadline_ns = skr_clock_monotonic_ns() + TRY_MS * SKR_NS_PER_MS};
    Skerry__V1__Enroll enroll = SKERRY__V1__ENROLL__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    int r = skr_tls_request_new(identity->tls, &request, error);
    if (r < 0)
        return r;
    uname(&kernel);
    enroll.protocol_version = SKR_PROTOCOL_VERSION;
    enroll.token_id = (ProtobufCBinaryData){16, (uint8_t *)options->string.token_id.bytes};
    enroll.secret = (char *)options->string.secret;
    enroll.certificate_request = request;
    enroll.host_name = (char *)(options->host_name ? options->host_name : kernel.nodename);
    enroll.agent_version = SKR_VERSION;
    enroll.kernel = kernel.release;
    enroll.interfaces = (Skerry__V1__Interface **)options->interfaces;
    enroll.n_interfaces = options->interface_count;
    enroll.uplinks = (char **)options->uplinks;
    enroll.n_uplinks = options->uplink_count;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_ENROLL;
    envelope.enroll = &enroll;
    r = open_socket(&attempt, options->string.controller, error);
    if (r == 0)
        r = handshake(&attempt, &options->string, error);
    if (r == 0) {
        r = exchange(&attempt, &envelope, ret);
        if (r == -EMSGSIZE)
            skr_error_set(error, SKR_ERROR_TOO_LARGE, "The host has too many interfaces to list when it joins.");
        else if (r < 0)
            r = unreachable(error, options->string.controller, "it ended the connection without an answer");
    }
    attempt_done(&attempt);
    return r;
}

static enum skr_error_tag tag_named(const char *name)
{
    for (int tag = 1; tag < SKR_ERROR_TAG_COUNT; tag++)
        if (strcmp(skr_error_tag_info(tag)->name, name) == 0)
            return tag;
    return SKR_ERROR_CONFLICT;
}

/* 0: enrolled. -EAGAIN: not yet; *ret_pending tells an approval from a busy controller. */
static int judge(struct skr_identity *identity, const struct skr_join_options *options,
                 const Skerry__V1__Envelope *envelope, char **ret_host_name, bool *ret_pending, struct skr_error *error)
{
    struct skr_uuid host_id;
    if (envelope->body_case != SKERRY__V1__ENVELOPE__BODY_ENROLLED)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "The controller's answer is not one to an enrolment.");
    const Skerry__V1__Enrolled *enrolled = envelope->enrolled;
    if (enrolled->error) {
        enum skr_error_tag tag = tag_named(enrolled->error->tag);
        int r = skr_error_set(error, tag, "The controller refused: %s", enrolled->error->detail);
        return tag == SKR_ERROR_UNAVAILABLE || tag == SKR_ERROR_TOO_MANY ? -EAGAIN : r == -EAGAIN ? -EPROTO : r;
    }
    const char *name = enrolled->host_name;
    if (enrolled->pending_approval) {
        *ret_pending = true;
        skr_error_set(error, SKR_ERROR_UNAVAILABLE, "The host waits for an administrator's approval%s%.300s.",
                      *name ? ": skerryctl host approve " : "", name);
        return -EAGAIN;
    }
    if (enrolled->host_id.len != sizeof(host_id.bytes))
        return skr_error_set(error, SKR_ERROR_SYNTAX, "The controller gave no host id.");
    memcpy(host_id.bytes, enrolled->host_id.data, sizeof(host_id.bytes));
    int r = skr_identity_enrolled(identity, &host_id, options->string.controller, enrolled->certificate,
                                  enrolled->authorities, enrolled->n_authorities, error);
    if (r == 0)
        *ret_host_name = *name ? strdup(name) : NULL;
    return r;
}

static void pause_ms(int64_t ms)
{
    struct timespec delay = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * SKR_NS_PER_MS};
    nanosleep(&delay, NULL);
}

int skr_join(struct skr_identity *identity, const struct skr_join_options *options, char **ret_host_name,
             struct skr_error *error)
{
    int64_t now_ns = skr_clock_monotonic_ns();
    int64_t timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_MS;
    int64_t deadline_ns = now_ns + timeout_ms * SKR_NS_PER_MS,
            approval_ns = now_ns + APPROVAL_TIMEOUT_MS * SKR_NS_PER_MS;
    bool told_pending = false, told_trying = false;
    for (;;) {
        Skerry__V1__Envelope *envelope = NULL;
        bool pending = false;
        int r = ask(identity, options, &envelope, error);
        if (r == 0)
            r = judge(identity, options, envelope, ret_host_name, &pending, error);
        skr_envelope_free(envelope);
        if (r != -EAGAIN)
            return r;
        now_ns = skr_clock_monotonic_ns();
        if (pending)
            deadline_ns = approval_ns;
        if (now_ns >= deadline_ns)
            return -ETIMEDOUT;
        bool *told = pending ? &told_pending : &told_trying;
        if (options->waiting && !*told)
            options->waiting(options->arg, error ? error->detail : "");
        *told = true;
        int64_t left_ms = (deadline_ns - now_ns) / SKR_NS_PER_MS + 1, pause = pending ? APPROVAL_RETRY_MS : RETRY_MS;
        if (options->retry_ms)
            pause = options->retry_ms;
        pause_ms(left_ms < pause ? left_ms : pause);
    }
}
