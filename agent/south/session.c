#include "agent/desired/arena.h"
#include "agent/south/held.h"
#include "agent/south/session_private.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <skerry/log.h>
#include <skerry/macros.h>
#include <string.h>

#define RECONNECT_MS     3000
#define RECONNECT_FACTOR 10 /* the cap, in first waits */
#define FIRST_TRIES      3
#define DISPLACED_MAX    6 /* doublings of the wait that the controller wishes */
#define SAVE_MS          200
#define SAVE_SHARE       20 /* saving takes at most one part in this of the time */
#define REPORT_MS        20
#define FRAMES_A_TURN    64
#define OUTPUT_MAX       (16UL * 1024 * 1024) /* unsent bytes to a controller that does not read */

/* ---- small things ---- */

void skr_session_arm(struct event *event, int64_t ms)
{
    struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(event, &delay);
}

/* Spread, not secrecy: a seed of its own for each session. */
uint32_t skr_session_random(struct skr_session *session, uint32_t bound)
{
    session->random = session->random * 6364136223846793005u + 1442695040888963407u;
    return bound ? (uint32_t)(session->random >> 33) % bound : 0;
}

static void note_error(struct skr_session *session, const char *why)
{
    snprintf(session->last_error, sizeof(session->last_error), "%s", why);
}

/* ---- the cache ---- */

static void save_now(struct skr_session *session)
{
    if (!session->unsaved || !session->options.cache_path)
        return;
    int64_t start_ns = skr_clock_monotonic_ns();
    int r = skr_desired_save(session->options.desired, session->options.cache_path);
    if (r == 0)
        r = skr_revision_proof_save(&session->proof, session->options.cache_path);
    session->save_took_ms = (skr_clock_monotonic_ns() - start_ns) / SKR_NS_PER_MS;
    static struct skr_log_limit limit;
    if (r < 0 && skr_log_allowed(&limit, 3))
        skr_log(SKR_LOG_ERROR, "the cache cannot be written", "path=%s reason='%s'", session->options.cache_path,
                strerror(-r));
    session->unsaved = r < 0;
    if (session->unsaved)
        skr_session_arm(session->save, 10LL * SAVE_MS);
}

static void on_save(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    save_now(arg);
}

void skr_session_note(struct skr_session *session, const Skerry__V1__Envelope *envelope)
{
    static struct skr_log_limit limit;
    int r = session->options.cache_path ? skr_desired_note(session->options.cache_path, envelope) : 0;
    if (r < 0 && skr_log_allowed(&limit, 3))
        skr_log(SKR_LOG_WARNING, "a change cannot be noted before the cache is written", "path=%s reason='%s'",
                session->options.cache_path, strerror(-r));
}

void skr_session_unsaved(struct skr_session *session)
{
    if (session->unsaved && event_pending(session->save, EV_TIMEOUT, NULL))
        return;
    int64_t ms = session->options.save_ms ? session->options.save_ms : SAVE_MS;
    session->unsaved = true;
    skr_session_arm(session->save, ms > SAVE_SHARE * session->save_took_ms ? ms : SAVE_SHARE * session->save_took_ms);
}

/* ---- ending and coming back ---- */

static int64_t reconnect_delay(struct skr_session *session)
{
    int64_t first = session->options.reconnect_ms ? session->options.reconnect_ms : RECONNECT_MS;
    int64_t cap = first;
    for (unsigned i = FIRST_TRIES; i < session->attempts && cap < RECONNECT_FACTOR * first; i++)
        cap *= 2;
    if (cap > RECONNECT_FACTOR * first)
        cap = RECONNECT_FACTOR * first;
    unsigned doublings = session->displaced < DISPLACED_MAX ? session->displaced : DISPLACED_MAX;
    int64_t wished = session->goodbye_ms > 0 ? session->goodbye_ms << (doublings ? doublings - 1 : 0) : 0;
    return wished + skr_session_random(session, (uint32_t)cap + 1);
}

static void drop_connection(struct skr_session *session)
{
    bool was_connected = session->state == SKR_SESSION_CONNECTED;
    if (session->bev) {
        bufferevent_setcb(session->bev, NULL, NULL, NULL, NULL);
        bufferevent_free(session->bev);
    }
    session->bev = NULL;
    session->state = SKR_SESSION_WAITING;
    session->report_waits = session->heard_state = session->agreed = false;
    event_del(session->keepalive);
    event_del(session->renew);
    event_del(session->pump);
    event_del(session->report);
    skr_desired_drop_partial(session->options.desired);
    ERR_clear_error();
    if (was_connected && session->options.connected)
        session->options.connected(session->options.arg, false);
}

void skr_session_disconnect(struct skr_session *session, const char *why)
{
    if (session->state == SKR_SESSION_WAITING)
        return;
    bool was_connected = session->state == SKR_SESSION_CONNECTED;
    note_error(session, why);
    drop_connection(session);
    if (was_connected && session->goodbye_ms < 0)
        session->displaced = 0;
    int64_t delay = reconnect_delay(session);
    session->goodbye_ms = -1;
    skr_log(was_connected ? SKR_LOG_NOTICE : SKR_LOG_INFO, "no session with the controller",
            "reason='%s' again_in_ms=%lld", why, (long long)delay);
    skr_session_arm(session->reconnect, delay);
}

void skr_session_connected(struct skr_session *session)
{
    session->state = SKR_SESSION_CONNECTED;
    session->attempts = 0;
    session->last_error[0] = 0;
    session->report_whole = true;
    skr_session_plan_renewal(session);
    if (session->options.connected)
        session->options.connected(session->options.arg, true);
}

/* ---- frames ---- */

int skr_session_send(struct skr_session *session, Skerry__V1__Envelope *envelope)
{
    SKR_CLEANUP(skr_free_cleanup) uint8_t *frame = NULL;
    size_t size;
    int r = session->bev ? skr_frame_pack(envelope, &frame, &size) : -ENOTCONN;
    skr_envelope_free(envelope);
    if (r == -EMSGSIZE)
        skr_log(SKR_LOG_ERROR, "a message to the controller is too large", NULL);
    if (r < 0)
        return r;
    if (evbuffer_get_length(bufferevent_get_output(session->bev)) + size > OUTPUT_MAX) {
        skr_session_disconnect(session, "the controller does not read");
        return -ENOBUFS;
    }
    bufferevent_write(session->bev, frame, size);
    return 0;
}

/* Takes one frame out of the input. 1: handled, 0: not whole yet, -EBADMSG. */
static int take_frame(struct skr_session *session)
{
    struct evbuffer *input = bufferevent_get_input(session->bev);
    uint8_t header[SKR_FRAME_HEADER];
    size_t body;
    ev_ssize_t there = evbuffer_copyout(input, header, sizeof(header));
    int r = skr_frame_peek(header, there > 0 ? (size_t)there : 0, SKR_FRAME_MAX, &body);
    if (r == -EAGAIN)
        return 0;
    if (r < 0)
        return -EBADMSG;
    if (evbuffer_get_length(input) < SKR_FRAME_HEADER + body)
        return 0;
    Skerry__V1__Envelope *envelope = NULL;
    const uint8_t *bytes = evbuffer_pullup(input, (ev_ssize_t)(SKR_FRAME_HEADER + body));
    r = bytes ? skr_frame_unpack(bytes + SKR_FRAME_HEADER, body, &envelope) : -EBADMSG;
    if (r < 0)
        return -EBADMSG;
    evbuffer_drain(input, SKR_FRAME_HEADER + body);
    skr_session_receive(session, envelope);
    skr_envelope_free(envelope);
    return 1;
}

static void pump(struct skr_session *session)
{
    struct bufferevent *bev = session->bev;
    session->heard_ns = skr_clock_monotonic_ns();
    for (int i = 0; i < FRAMES_A_TURN; i++) {
        int r = take_frame(session);
        if (session->bev != bev)
            return;
        if (r < 0)
            skr_session_disconnect(session, "the controller sent a malformed frame");
        if (r <= 0) {
            skr_session_acknowledge(session);
            return;
        }
    }
    skr_session_acknowledge(session);
    event_active(session->pump, EV_TIMEOUT, 0); /* others on this loop first */
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
    struct skr_session *session = arg;
    (void)fd;
    (void)what;
    if (session->bev)
        pump(session);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    pump(arg);
}

/* ---- events of the connection ---- */

static bool is_another_authority(unsigned long failure)
{
    return ERR_GET_LIB(failure) == ERR_LIB_SSL && ERR_GET_REASON(failure) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

/* Why a connection ended, or could not be made. */
static void describe_end(const struct skr_session *session, short what, char why[static SKR_SESSION_REASON_MAX])
{
    unsigned long failure, first = 0;
    while ((failure = bufferevent_get_openssl_error(session->bev)) != 0)
        first = first ? first : failure;
    int dns = bufferevent_socket_get_dns_error(session->bev);
    const char *text = session->state == SKR_SESSION_CONNECTING ? "the controller cannot be reached"
                                                                : "the controller closed the connection";
    if (first && is_another_authority(first)) {
        snprintf(why, SKR_SESSION_REASON_MAX,
                 "what answers at %s is not the controller that this host joined: its certificate is of another "
                 "authority; if the controller was made anew, stop the agent, move its state directory away and let "
                 "the host join again",
                 session->options.identity->controller);
        return;
    }
    /* OpenSSL only says of a refused connection that a system call failed. */
    bool by_tls = first && !ERR_SYSTEM_ERROR(first) && ERR_reason_error_string(first);
    if (by_tls)
        text = ERR_reason_error_string(first);
    else if (first && ERR_SYSTEM_ERROR(first))
        text = strerror(ERR_GET_REASON(first));
    else if (dns)
        text = evutil_gai_strerror(dns);
    else if (what & BEV_EVENT_ERROR)
        text = errno ? strerror(errno) : "the connection failed";
    snprintf(why, SKR_SESSION_REASON_MAX, "%s%s", by_tls ? "TLS: " : "", text);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct skr_session *session = arg;
    char why[SKR_SESSION_REASON_MAX];
    if (what & BEV_EVENT_CONNECTED) {
        /* Applied is small and follows other small frames: it must not wait for their acknowledgement. */
        const int on = 1;
        setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        session->state = SKR_SESSION_GREETING;
        skr_session_greet(session);
        return;
    }
    describe_end(session, what, why);
    /* The messages that came before the end may hold a reason. */
    pump(session);
    if (session->bev == bev)
        skr_session_disconnect(session, why);
}

static void on_keepalive(evutil_socket_t fd, short what, void *arg)
{
    struct skr_session *session = arg;
    (void)fd;
    (void)what;
    if (session->state != SKR_SESSION_CONNECTED) {
        skr_session_disconnect(session, "the controller does not answer");
        return;
    }
    int64_t silent_ms = (skr_clock_monotonic_ns() - session->heard_ns) / SKR_NS_PER_MS;
    int64_t left_ms = SKR_SESSION_SILENCE * session->keepalive_ms - silent_ms;
    if (left_ms <= 0) {
        skr_session_disconnect(session, "the controller is silent");
        return;
    }
    Skerry__V1__Envelope *envelope = skr_session_envelope(SKERRY__V1__ENVELOPE__BODY_PING);
    envelope->ping->sequence = ++session->ping_sequence;
    skr_session_send(session, envelope);
    skr_session_arm(session->keepalive, left_ms < session->keepalive_ms ? left_ms : session->keepalive_ms);
}

void skr_session_set_keepalive(struct skr_session *session, uint32_t ms)
{
    if (ms == 0)
        ms = SKR_SESSION_KEEPALIVE_MS;
    if (ms < SKR_SESSION_KEEPALIVE_MIN_MS)
        ms = SKR_SESSION_KEEPALIVE_MIN_MS;
    session->keepalive_ms = ms < SKR_SESSION_KEEPALIVE_MAX_MS ? ms : SKR_SESSION_KEEPALIVE_MAX_MS;
    skr_session_arm(session->keepalive, session->keepalive_ms);
}

/* ---- connecting ---- */

static int open_connection(struct skr_session *session, struct skr_error *error)
{
    char host[256];
    uint16_t port;
    uint8_t numeric[16];
    SSL_CTX *context = NULL;
    int r = skr_controller_split(session->options.identity->controller, host, &port);
    if (r < 0)
        return skr_error_set(error, SKR_ERROR_INVALID, "the controller's address is malformed");
    r = skr_identity_context(session->options.identity, &context, error);
    if (r < 0)
        return r;
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    if (!ssl)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "there is no memory for TLS");
    session->bev = bufferevent_openssl_socket_new(session->options.base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
                                                  BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!session->bev) {
        SSL_free(ssl);
        return skr_error_set(error, SKR_ERROR_INTERNAL, "there is no memory for a connection");
    }
    /* A controller that is killed sends no close_notify; frames have lengths, so nothing can be cut unseen. */
    bufferevent_openssl_set_allow_dirty_shutdown(session->bev, 1);
    bufferevent_setcb(session->bev, on_read, NULL, on_event, session);
    bufferevent_enable(session->bev, EV_READ | EV_WRITE);
    bool is_name = inet_pton(AF_INET, host, numeric) != 1 && inet_pton(AF_INET6, host, numeric) != 1;
    if (is_name && !session->dns)
        session->dns = evdns_base_new(session->options.base,
                                      EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    r = bufferevent_socket_connect_hostname(session->bev, is_name ? session->dns : NULL, AF_UNSPEC, host, port);
    return r < 0 ? skr_error_set(error, SKR_ERROR_UNAVAILABLE, "no connection can be begun") : 0;
}

static void on_reconnect(evutil_socket_t fd, short what, void *arg)
{
    struct skr_session *session = arg;
    struct skr_error error = {0};
    (void)fd;
    (void)what;
    session->attempts++;
    session->state = SKR_SESSION_CONNECTING;
    session->goodbye_ms = -1;
    skr_session_arm(session->keepalive, SKR_SESSION_GREETING_MS);
    if (open_connection(session, &error) < 0)
        skr_session_disconnect(session, error.detail);
}

/* ---- reports ---- */

/* A database that was set back takes no report; once it hears what is here. */
static Skerry__V1__Envelope *next_report(struct skr_session *session)
{
    if (session->rolled_back) {
        bool due = session->report_whole;
        session->report_whole = false;
        return due ? skr_held_report(session->options.desired) : NULL;
    }
    if (session->report_whole && session->agreed) {
        skr_report_begin_whole(session->options.report);
        session->report_whole = false;
    }
    return skr_report_take(session->options.report);
}

static void on_report(evutil_socket_t fd, short what, void *arg)
{
    struct skr_session *session = arg;
    (void)fd;
    (void)what;
    if (session->state != SKR_SESSION_CONNECTED || session->report_waits)
        return;
    Skerry__V1__Envelope *envelope = next_report(session);
    if (!envelope)
        return;
    session->report_waits = skr_session_send(session, envelope) == 0;
    if (!session->report_waits) /* the next session tells it again */
        skr_session_disconnect(session, "a report could not be sent");
}

void skr_session_report_soon(struct skr_session *session)
{
    if (session->state == SKR_SESSION_CONNECTED && !event_pending(session->report, EV_TIMEOUT, NULL))
        skr_session_arm(session->report, REPORT_MS);
}

static void report_changed(void *arg)
{
    skr_session_report_soon(arg);
}

/* ---- life ---- */

static void on_renew(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    skr_session_send_renew(arg);
}

int skr_session_new(const struct skr_session_options *options, struct skr_session **ret, struct skr_error *error)
{
    struct skr_session *session = skr_must(calloc(1, sizeof(*session)));
    session->options = *options;
    session->goodbye_ms = -1;
    session->keepalive_ms = SKR_SESSION_KEEPALIVE_MS;
    if (options->cache_path)
        skr_revision_proof_load(&session->proof, options->cache_path);
    if (skr_random_bytes(&session->random, sizeof(session->random)) < 0)
        session->random = (uint64_t)skr_clock_monotonic_ns();
    session->reconnect = evtimer_new(options->base, on_reconnect, session);
    session->keepalive = evtimer_new(options->base, on_keepalive, session);
    session->renew = evtimer_new(options->base, on_renew, session);
    session->save = evtimer_new(options->base, on_save, session);
    session->pump = evtimer_new(options->base, on_pump, session);
    session->report = evtimer_new(options->base, on_report, session);
    if (!session->reconnect || !session->keepalive || !session->renew || !session->save || !session->pump ||
        !session->report) {
        skr_session_free(session);
        return skr_error_set(error, SKR_ERROR_INTERNAL, "There is no memory for a session.");
    }
    if (options->report)
        skr_report_on_change(options->report, report_changed, session);
    *ret = session;
    return 0;
}

void skr_session_start(struct skr_session *session)
{
    skr_session_arm(session->reconnect, 0);
}

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

void skr_session_free(struct skr_session *session)
{
    if (!session)
        return;
    if (session->save)
        save_now(session);
    if (session->options.report)
        skr_report_on_change(session->options.report, NULL, NULL);
    session->options.connected = NULL;
    if (session->pump && session->reconnect && session->keepalive && session->renew && session->report)
        drop_connection(session);
    if (session->dns)
        evdns_base_free(session->dns, 0);
    free_event(session->reconnect);
    free_event(session->keepalive);
    free_event(session->renew);
    free_event(session->save);
    free_event(session->pump);
    free_event(session->report);
    free(session);
}

void skr_session_wake(struct skr_session *session)
{
    if (session->bev)
        event_active(session->pump, EV_TIMEOUT, 0);
}

void skr_session_status(const struct skr_session *session, struct skr_session_status *ret)
{
    int64_t not_before;
    *ret = (struct skr_session_status){.state = session->state,
                                       .rolled_back = session->rolled_back,
                                       .number = session->number,
                                       .attempts = session->attempts,
                                       .deltas = session->deltas};
    snprintf(ret->last_error, sizeof(ret->last_error), "%s", session->last_error);
    if (skr_tls_certificate_times(session->options.identity->certificate, &not_before, &ret->certificate_until_ms,
                                  NULL) < 0)
        ret->certificate_until_ms = 0;
}
