#include "controller/api/http.h"

#include <errno.h>
#include <malloc.h>
#include <skerry/log.h>
#include <sys/socket.h>
#include <time.h>

/* Every deadline of the room, by one thread. A peer has one deadline at a time: of its handshake and headers, of the
 * body, of the answer, of idleness, or of what is suspended on it. Deadlines move far more often than they pass, so a
 * peer only writes down its own; the thread sleeps until the earliest it saw and then looks at all of them again. */

/* Two looks at all peers are at least this far apart. */
#define LOOK_NS (20 * SKR_NS_PER_MS)
/* Connections at once whose memory is given back to the kernel when three quarters of them have gone. */
#define CROWD 256

static void wake_before(struct skr_api *api, int64_t deadline_ns)
{
    if (deadline_ns >= __atomic_load_n(&api->timer_next_ns, __ATOMIC_SEQ_CST))
        return;
    pthread_mutex_lock(&api->peers_lock);
    if (deadline_ns < api->timer_next_ns) {
        __atomic_store_n(&api->timer_next_ns, deadline_ns, __ATOMIC_SEQ_CST);
        pthread_cond_signal(&api->timer_wake);
    }
    pthread_mutex_unlock(&api->peers_lock);
}

void skr_http_peer_deadline(struct skr_http_peer *peer, int64_t deadline_ns)
{
    pthread_mutex_lock(&peer->lock);
    peer->deadline_ns = deadline_ns;
    pthread_mutex_unlock(&peer->lock);
    wake_before(peer->api, deadline_ns);
}

void skr_http_peer_started(struct skr_api *api, struct MHD_Connection *connection, void **socket_context)
{
    struct skr_http_peer *peer = calloc(1, sizeof(*peer));
    if (!peer)
        abort();
    peer->references = 1;
    peer->api = api;
    peer->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    peer->deadline_ns = INT64_MAX;
    pthread_mutex_init(&peer->lock, NULL);
    pthread_mutex_lock(&api->peers_lock);
    peer->next = api->peers;
    if (api->peers)
        api->peers->previous = peer;
    api->peers = peer;
    api->peer_count++;
    if (api->peer_count > api->peer_crowd)
        api->peer_crowd = api->peer_count;
    pthread_mutex_unlock(&api->peers_lock);
    atomic_fetch_add_explicit(&api->counters.connections, 1, memory_order_relaxed);
    *socket_context = peer;
    skr_http_peer_deadline(peer, skr_clock_monotonic_ns() + api->deadlines.headers * SKR_NS_PER_MS);
}

/* With peers_lock held. The C library would keep what a crowd has left; the thread gives it back. */
static void note_leaving(struct skr_api *api)
{
    api->peer_count--;
    if (api->peer_crowd < CROWD || api->peer_count > api->peer_crowd / 4)
        return;
    api->peer_crowd = api->peer_count;
    api->timer_trims = true;
    pthread_cond_signal(&api->timer_wake);
}

/* The socket is about to be closed: from here on nobody may touch its number. */
void skr_http_peer_closed(void **socket_context)
{
    struct skr_http_peer *peer = SKR_TAKE(*socket_context);
    struct skr_api *api = peer->api;
    pthread_mutex_lock(&api->peers_lock);
    if (peer->previous)
        peer->previous->next = peer->next;
    else
        api->peers = peer->next;
    if (peer->next)
        peer->next->previous = peer->previous;
    note_leaving(api);
    pthread_mutex_unlock(&api->peers_lock);
    skr_http_let_go_connection(peer);
    pthread_mutex_lock(&peer->lock);
    peer->fd = -1;
    pthread_mutex_unlock(&peer->lock);
    skr_http_peer_unref(peer);
}

void skr_http_peer_unref(struct skr_http_peer *peer)
{
    if (__atomic_sub_fetch(&peer->references, 1, __ATOMIC_ACQ_REL))
        return;
    pthread_mutex_destroy(&peer->lock);
    free(peer);
}

/* ---- waiting requests ---- */

void skr_http_suspend(struct skr_http_request *request, int64_t deadline_ns, skr_http_step_fn *next)
{
    struct skr_http_peer *peer = request->peer;
    request->next = next;
    MHD_suspend_connection(request->connection);
    pthread_mutex_lock(&peer->lock);
    peer->suspended = skr_http_request_ref(request);
    peer->deadline_ns = deadline_ns;
    pthread_mutex_unlock(&peer->lock);
    wake_before(peer->api, deadline_ns);
    /* A stop that looked before we stood there. */
    if (atomic_load(&request->api->stopping) >=
        (request->interruptible ? SKR_HTTP_NOTHING_NEW : SKR_HTTP_NOTHING_WAITS))
        skr_http_complete(request, SKR_HTTP_STOPPING);
}

/* With the peer's lock held: takes the suspended request away from everybody else. */
static struct skr_http_request *take_suspended(struct skr_http_peer *peer, enum skr_http_outcome outcome)
{
    struct skr_http_request *request = SKR_TAKE(peer->suspended);
    peer->deadline_ns = INT64_MAX;
    request->outcome = outcome;
    return request;
}

bool skr_http_complete(struct skr_http_request *request, enum skr_http_outcome outcome)
{
    struct skr_http_peer *peer = request->peer;
    pthread_mutex_lock(&peer->lock);
    bool first = peer->suspended == request;
    if (first)
        take_suspended(peer, outcome);
    pthread_mutex_unlock(&peer->lock);
    if (!first)
        return false;
    MHD_resume_connection(request->connection);
    skr_http_request_unref(request);
    return true;
}

static void resume_chain(struct skr_http_request *request)
{
    while (request) {
        struct skr_http_request *next = request->resume_next;
        MHD_resume_connection(request->connection);
        skr_http_request_unref(request);
        request = next;
    }
}

void skr_http_complete_all(struct skr_api *api, bool interruptible_only)
{
    struct skr_http_request *chain = NULL;
    pthread_mutex_lock(&api->peers_lock);
    for (struct skr_http_peer *peer = api->peers; peer; peer = peer->next) {
        pthread_mutex_lock(&peer->lock);
        if (peer->suspended && (peer->suspended->interruptible || !interruptible_only)) {
            struct skr_http_request *request = take_suspended(peer, SKR_HTTP_STOPPING);
            request->resume_next = chain;
            chain = request;
        }
        pthread_mutex_unlock(&peer->lock);
    }
    pthread_mutex_unlock(&api->peers_lock);
    resume_chain(chain);
}

/* ---- the thread ---- */

/* With peers_lock held. Returns the earliest deadline that is still ahead. */
static int64_t look(struct skr_api *api, int64_t now_ns, struct skr_http_request **ret_chain)
{
    int64_t earliest = INT64_MAX;
    for (struct skr_http_peer *peer = api->peers; peer; peer = peer->next) {
        pthread_mutex_lock(&peer->lock);
        if (peer->deadline_ns <= now_ns) {
            if (peer->suspended) {
                struct skr_http_request *request = take_suspended(peer, SKR_HTTP_TIMEOUT);
                request->resume_next = *ret_chain;
                *ret_chain = request;
            } else if (peer->fd >= 0) {
                /* The worker sees the end of the connection and closes it. */
                shutdown(peer->fd, SHUT_RDWR);
                peer->deadline_ns = INT64_MAX;
                atomic_fetch_add_explicit(&api->counters.deadline_shutdowns, 1, memory_order_relaxed);
            }
        } else if (peer->deadline_ns < earliest) {
            earliest = peer->deadline_ns;
        }
        pthread_mutex_unlock(&peer->lock);
    }
    return earliest;
}

static void sleep_until(struct skr_api *api, int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX) {
        pthread_cond_wait(&api->timer_wake, &api->peers_lock);
        return;
    }
    struct timespec until = {.tv_sec = deadline_ns / SKR_NS_PER_S, .tv_nsec = deadline_ns % SKR_NS_PER_S};
    pthread_cond_timedwait(&api->timer_wake, &api->peers_lock, &until);
}

static void *run(void *arg)
{
    struct skr_api *api = arg;
    int64_t looked_ns = 0;
    pthread_mutex_lock(&api->peers_lock);
    while (!api->timer_end) {
        if (api->timer_trims) {
            api->timer_trims = false;
            pthread_mutex_unlock(&api->peers_lock);
            malloc_trim(0);
            pthread_mutex_lock(&api->peers_lock);
            continue;
        }
        int64_t now_ns = skr_clock_monotonic_ns(), due_ns = api->timer_next_ns;
        if (due_ns < looked_ns + LOOK_NS)
            due_ns = looked_ns + LOOK_NS;
        if (now_ns < due_ns) {
            sleep_until(api, due_ns);
            continue;
        }
        struct skr_http_request *chain = NULL;
        looked_ns = now_ns;
        /* A thread that sets an earlier one from here on sees INT64_MAX and says so. */
        __atomic_store_n(&api->timer_next_ns, INT64_MAX, __ATOMIC_SEQ_CST);
        int64_t earliest = look(api, now_ns, &chain);
        __atomic_store_n(&api->timer_next_ns, earliest, __ATOMIC_SEQ_CST);
        pthread_mutex_unlock(&api->peers_lock);
        resume_chain(chain);
        pthread_mutex_lock(&api->peers_lock);
    }
    pthread_mutex_unlock(&api->peers_lock);
    return NULL;
}

int skr_http_timer_start(struct skr_api *api)
{
    api->timer_next_ns = INT64_MAX;
    int r = pthread_create(&api->timer, NULL, run, api);
    api->timer_running = r == 0;
    return -r;
}

void skr_http_timer_stop(struct skr_api *api)
{
    if (!api->timer_running)
        return;
    pthread_mutex_lock(&api->peers_lock);
    api->timer_end = true;
    pthread_cond_signal(&api->timer_wake);
    pthread_mutex_unlock(&api->peers_lock);
    pthread_join(api->timer, NULL);
    api->timer_running = false;
}
