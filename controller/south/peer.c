#include "controller/south/peer.h"
#include <errno.h>
#include <event2/buffer.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <skerry/clock.h>
#include <string.h>
#include <sys/socket.h>

#define SILENCE 3 /* keepalives without a word end a session */

struct skr_peer *skr_peer_find(struct skr_worker *worker, uint64_t session)
{
    struct skr_peer *peer;
    HASH_FIND(hh, worker->peers, &session, sizeof(session), peer);
    return peer;
}

/* It has shown who it is, or will not any more. */
static void uncount(struct skr_peer *peer)
{
    if (!peer->counted)
        return;
    peer->counted = false;
    skr_acceptor_release(peer->worker->south);
}

/* To the next ping, or to the end of its patience when that is nearer. */
static int64_t next_keepalive(const struct skr_peer *peer)
{
    int64_t period = peer->worker->south->keepalive_ms;
    int64_t left = SILENCE * period - (skr_clock_monotonic_ns() - peer->heard_ns) / SKR_NS_PER_MS;
    return left > 0 && left < period ? left + 1 : period;
}

void skr_peer_arm(struct skr_peer *peer)
{
    int64_t ms = next_keepalive(peer);
    if (peer->report_blocked)
        ms = SKR_SOUTH_RETRY_MS;
    else if (peer->state != SKR_PEER_OPEN)
        ms = (peer->deadline_ns - skr_clock_monotonic_ns()) / SKR_NS_PER_MS + 1;
    if (ms < 1)
        ms = 1;
    const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(peer->timer, &delay);
}

void skr_peer_set_state(struct skr_peer *peer, enum skr_peer_state state, unsigned deadline_ms)
{
    peer->state = state;
    peer->deadline_ns = skr_clock_monotonic_ns() + deadline_ms * SKR_NS_PER_MS;
    skr_peer_arm(peer);
}

void skr_peer_set_reading(struct skr_peer *peer, bool reading)
{
    if (reading) {
        peer->heard_ns = skr_clock_monotonic_ns(); /* it could not be heard meanwhile */
        bufferevent_enable(peer->bev, EV_READ);
    } else {
        bufferevent_disable(peer->bev, EV_READ);
    }
}

void skr_peer_end(struct skr_peer *peer)
{
    struct skr_worker *worker = peer->worker;
    if (peer->state == SKR_PEER_ENDED)
        return;
    skr_session_leave(peer);
    uncount(peer);
    peer->state = SKR_PEER_ENDED;
    event_del(peer->timer);
    bufferevent_setcb(peer->bev, NULL, NULL, NULL, NULL);
    bufferevent_disable(peer->bev, EV_READ | EV_WRITE);
    HASH_DEL(worker->peers, peer);
    peer->next_ended = worker->ended;
    worker->ended = peer;
}

void skr_peer_free(struct skr_peer *peer)
{
    if (peer->timer)
        event_free(peer->timer);
    if (peer->bev)
        bufferevent_free(peer->bev);
    skr_report_forget_all(peer);
    free(peer);
    ERR_clear_error();
}

/* Everything has left: TLS and TCP say so, and the peer's answer to that ends it. Closing at once would answer bytes
 * that are still on their way in with a reset, which may overtake what we sent. */
static void say_end(struct skr_peer *peer)
{
    SSL_shutdown(peer->ssl);
    ERR_clear_error();
    shutdown(bufferevent_getfd(peer->bev), SHUT_WR);
}

void skr_peer_finish(struct skr_peer *peer)
{
    if (peer->state >= SKR_PEER_CLOSING)
        return;
    skr_session_leave(peer);
    skr_peer_set_reading(peer, true);
    skr_peer_set_state(peer, SKR_PEER_CLOSING, SKR_SOUTH_CLOSING_MS);
    if (evbuffer_get_length(bufferevent_get_output(peer->bev)) == 0)
        say_end(peer);
}

void skr_peer_goodbye(struct skr_peer *peer, const char *reason, uint32_t reconnect_after_ms)
{
    Skerry__V1__Goodbye goodbye = SKERRY__V1__GOODBYE__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    goodbye.reason = (char *)reason;
    goodbye.reconnect_after_ms = reconnect_after_ms;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_GOODBYE;
    envelope.goodbye = &goodbye;
    if (peer->state < SKR_PEER_CLOSING)
        skr_peer_send(peer, &envelope);
    skr_peer_finish(peer);
}

/* A peer that does not take what it is sent costs no more than SKR_SOUTH_OUTPUT_MAX. */
static bool has_room(struct skr_peer *peer, size_t size)
{
    if (evbuffer_get_length(bufferevent_get_output(peer->bev)) + size <= SKR_SOUTH_OUTPUT_MAX)
        return true;
    if (skr_log_allowed(&peer->worker->log_limit, 10))
        skr_log(SKR_LOG_WARNING, "session ended: it does not read", "session=%llu", (unsigned long long)peer->session);
    skr_peer_end(peer);
    return false;
}

static void count_out(struct skr_peer *peer, size_t size)
{
    atomic_fetch_add_explicit(&peer->worker->south->counters.frames_out, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&peer->worker->south->counters.bytes_out, size, memory_order_relaxed);
}

static void free_frame(const void *data, size_t size, void *arg)
{
    (void)size, (void)arg;
    free((void *)data);
}

static void unref_frame(const void *data, size_t size, void *arg)
{
    (void)data, (void)size;
    skr_shared_bytes_unref(arg);
}

void skr_peer_send(struct skr_peer *peer, const Skerry__V1__Envelope *envelope)
{
    uint8_t *frame;
    size_t size;
    if (skr_frame_pack(envelope, &frame, &size) < 0) {
        skr_peer_end(peer);
        return;
    }
    if (!has_room(peer, size)) {
        free(frame);
        return;
    }
    count_out(peer, size);
    if (evbuffer_add_reference(bufferevent_get_output(peer->bev), frame, size, free_frame, NULL) < 0) {
        free(frame);
        skr_peer_end(peer);
    }
}

void skr_peer_send_shared(struct skr_peer *peer, struct skr_shared_bytes *frame)
{
    if (!has_room(peer, frame->size))
        return;
    count_out(peer, frame->size);
    skr_shared_bytes_ref(frame);
    if (evbuffer_add_reference(bufferevent_get_output(peer->bev), frame->data, frame->size, unref_frame, frame) < 0) {
        skr_shared_bytes_unref(frame);
        skr_peer_end(peer);
    }
}

static void dispatch(struct skr_peer *peer, Skerry__V1__Envelope *envelope)
{
    if (peer->state == SKR_PEER_JOINING)
        skr_enrol_receive(peer, envelope);
    else if (peer->state == SKR_PEER_GREETING)
        skr_session_greet(peer, envelope);
    else
        skr_session_receive(peer, envelope);
}

static bool is_reading(const struct skr_peer *peer)
{
    return (peer->state == SKR_PEER_JOINING || peer->state == SKR_PEER_GREETING || peer->state == SKR_PEER_OPEN) &&
           (bufferevent_get_enabled(peer->bev) & EV_READ);
}

static void refuse_frame(struct skr_peer *peer, const char *why)
{
    atomic_fetch_add_explicit(&peer->worker->south->counters.refused, 1, memory_order_relaxed);
    if (skr_log_allowed(&peer->worker->log_limit, 10))
        skr_log(SKR_LOG_WARNING, "connection ended: bad frame", "reason='%s' session=%llu", why,
                (unsigned long long)peer->session);
    if (peer->state == SKR_PEER_OPEN)
        skr_peer_goodbye(peer, "bad_frame", 5000);
    else
        skr_peer_end(peer);
}

/* One frame off the input: 1 handled, 0 not all there yet or ended. */
static int pump_one(struct skr_peer *peer)
{
    struct evbuffer *input = bufferevent_get_input(peer->bev);
    uint8_t header[SKR_FRAME_HEADER];
    Skerry__V1__Envelope *envelope = NULL;
    size_t body, max = peer->state == SKR_PEER_OPEN ? SKR_FRAME_MAX : SKR_FRAME_MAX_UNAUTHENTICATED;
    ssize_t got = evbuffer_copyout(input, header, sizeof(header));
    int result = skr_frame_peek(header, got < 0 ? 0 : (size_t)got, max, &body);
    if (result == -EAGAIN)
        return 0;
    if (result < 0) {
        refuse_frame(peer, result == -EMSGSIZE ? "longer than allowed" : "empty");
        return 0;
    }
    if (evbuffer_get_length(input) < SKR_FRAME_HEADER + body)
        return 0;
    const unsigned char *frame = evbuffer_pullup(input, (ssize_t)(SKR_FRAME_HEADER + body));
    result = frame ? skr_frame_unpack(frame + SKR_FRAME_HEADER, body, &envelope) : -ENOMEM;
    evbuffer_drain(input, SKR_FRAME_HEADER + body);
    if (result < 0) {
        refuse_frame(peer, "not an envelope");
        return 0;
    }
    atomic_fetch_add_explicit(&peer->worker->south->counters.frames_in, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&peer->worker->south->counters.bytes_in, SKR_FRAME_HEADER + body, memory_order_relaxed);
    dispatch(peer, envelope);
    return 1;
}

void skr_peer_pump(struct skr_peer *peer)
{
    while (is_reading(peer) && pump_one(peer))
        ;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct skr_peer *peer = arg;
    peer->heard_ns = skr_clock_monotonic_ns();
    if (peer->state == SKR_PEER_CLOSING) {
        struct evbuffer *input = bufferevent_get_input(bev);
        evbuffer_drain(input, evbuffer_get_length(input));
        return;
    }
    skr_peer_pump(peer);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct skr_peer *peer = arg;
    (void)bev;
    if (peer->state == SKR_PEER_CLOSING)
        say_end(peer);
}

static void handshaken(struct skr_peer *peer)
{
    atomic_fetch_add_explicit(&peer->worker->south->counters.handshakes, 1, memory_order_relaxed);
    if (skr_tls_is_join(peer->ssl)) {
        peer->state = SKR_PEER_JOINING; /* still counted and on the same deadline: it has shown nothing yet */
        return;
    }
    if (skr_tls_peer_host_id(peer->ssl, &peer->host_id) < 0 || skr_tls_peer_key_hash(peer->ssl, peer->key_hash) < 0 ||
        skr_tls_peer_times(peer->ssl, &peer->not_before_ms, &peer->not_after_ms) < 0) {
        skr_peer_end(peer);
        return;
    }
    uncount(peer);
    peer->state = SKR_PEER_GREETING;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct skr_peer *peer = arg;
    if (what & BEV_EVENT_CONNECTED) {
        handshaken(peer);
        return;
    }
    unsigned long failure = bufferevent_get_openssl_error(bev);
    if (peer->state == SKR_PEER_HANDSHAKE) {
        const char *reason = failure ? ERR_reason_error_string(failure) : NULL;
        atomic_fetch_add_explicit(&peer->worker->south->counters.refused, 1, memory_order_relaxed);
        if (skr_log_allowed(&peer->worker->log_limit, 10))
            skr_log(SKR_LOG_INFO, "TLS handshake failed", "reason='%s'", reason ? reason : "the peer left");
    }
    ERR_clear_error();
    skr_peer_end(peer);
}

static void ping(struct skr_peer *peer)
{
    Skerry__V1__Ping body = SKERRY__V1__PING__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    body.sequence = ++peer->pings;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_PING;
    envelope.ping = &body;
    skr_peer_send(peer, &envelope);
}

/* A peer that is heard needs no ping from us; one that is not heard for SILENCE of them is gone. */
static void keep_alive(struct skr_peer *peer)
{
    int64_t period_ns = peer->worker->south->keepalive_ms * SKR_NS_PER_MS;
    int64_t silent_ns = skr_clock_monotonic_ns() - peer->heard_ns;
    if (!(bufferevent_get_enabled(peer->bev) & EV_READ))
        return;
    if (silent_ns >= SILENCE * period_ns) {
        skr_log(SKR_LOG_INFO, "session ended: silent", "session=%llu", (unsigned long long)peer->session);
        skr_peer_end(peer);
    } else if (silent_ns >= period_ns / 2) {
        ping(peer);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct skr_peer *peer = arg;
    (void)fd, (void)what;
    if (peer->state == SKR_PEER_OPEN) {
        if (peer->report_blocked)
            skr_report_retry(peer);
        if (peer->state == SKR_PEER_OPEN && skr_clock_wall_ms() > peer->not_after_ms)
            skr_peer_goodbye(peer, "certificate_expired", 0);
        if (peer->state == SKR_PEER_OPEN)
            skr_session_look_after(peer);
        if (peer->state == SKR_PEER_OPEN)
            keep_alive(peer);
    } else if (skr_clock_monotonic_ns() >= peer->deadline_ns) {
        if (peer->state != SKR_PEER_CLOSING)
            atomic_fetch_add_explicit(&peer->worker->south->counters.refused, 1, memory_order_relaxed);
        skr_peer_end(peer);
    }
    if (peer->state != SKR_PEER_ENDED)
        skr_peer_arm(peer);
}

static void name_address(int fd, char ret[static SKR_ADDRESS_TEXT_MAX])
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    socklen_t size = sizeof(at);
    struct skr_address address = {0};
    if (getpeername(fd, &at.any, &size) == 0 && at.any.sa_family == AF_INET)
        address = skr_address_from_v4(at.v4.sin_addr.s_addr);
    else if (at.any.sa_family == AF_INET6)
        memcpy(address.bytes, &at.v6.sin6_addr, sizeof(address.bytes));
    skr_address_format(&address, ret);
}

void skr_peer_adopt(struct skr_worker *worker, uint64_t session, int fd)
{
    SSL *ssl = SSL_new(worker->south->tls);
    struct bufferevent *bev = ssl ? bufferevent_openssl_socket_new(worker->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                                   BEV_OPT_CLOSE_ON_FREE)
                                  : NULL;
    struct skr_peer *peer = calloc(1, sizeof(*peer));
    if (!peer)
        abort();
    *peer = (struct skr_peer){.session = session, .worker = worker, .bev = bev, .ssl = ssl};
    peer->timer = evtimer_new(worker->base, on_timer, peer);
    if (!bev || !peer->timer) {
        if (!bev) /* which has freed ssl already */
            close(fd);
        skr_peer_free(peer);
        skr_acceptor_release(worker->south);
        return;
    }
    name_address(fd, peer->address);
    peer->counted = true;
    peer->heard_ns = skr_clock_monotonic_ns();
    HASH_ADD(hh, worker->peers, session, sizeof(peer->session), peer);
    bufferevent_setcb(bev, on_read, on_written, on_event, peer);
    skr_peer_set_state(peer, SKR_PEER_HANDSHAKE, SKR_SOUTH_GREETING_MS);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}
