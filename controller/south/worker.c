#include "controller/south/peer.h"
#include <errno.h>
#include <signal.h>
#include <skerry/clock.h>
#include <stdio.h>
#include <string.h>

#define RECONNECT_MS_PER_SESSION 3
#define RECONNECT_MIN_MS         500
#define RECONNECT_MAX_MS         30000

struct skr_worker *skr_worker_of(struct skr_south *south, uint64_t session)
{
    return &south->workers[(session & 0xff) % south->worker_count];
}

struct skr_worker_mail *skr_worker_mail_new(enum skr_worker_mail_kind kind, uint64_t session)
{
    struct skr_worker_mail *mail = calloc(1, sizeof(*mail));
    if (!mail)
        abort();
    mail->kind = kind;
    mail->session = session;
    return mail;
}

void skr_worker_post(struct skr_worker *worker, struct skr_worker_mail *mail)
{
    skr_mailbox_send(worker->box, &mail->mail);
}

void skr_worker_end_session(struct skr_south *south, uint64_t session, const char *reason)
{
    struct skr_worker_mail *mail = skr_worker_mail_new(SKR_MAIL_END, session);
    snprintf(mail->reason, sizeof(mail->reason), "%s", reason);
    skr_worker_post(skr_worker_of(south, session), mail);
}

static void end_session(struct skr_worker *worker, const struct skr_worker_mail *mail)
{
    struct skr_peer *peer = skr_peer_find(worker, mail->session);
    if (!peer || peer->state == SKR_PEER_CLOSING)
        return;
    if (mail->reason[0])
        skr_peer_goodbye(peer, mail->reason, 5000);
    else
        skr_peer_finish(peer);
}

/* Spread over a time that grows with the fleet, so that nobody returns in one wave. */
static uint32_t reconnect_after(const struct skr_south *south)
{
    uint64_t span = atomic_load(&south->counters.sessions) * RECONNECT_MS_PER_SESSION;
    uint32_t random = 0;
    if (span < RECONNECT_MIN_MS)
        span = RECONNECT_MIN_MS;
    if (span > RECONNECT_MAX_MS)
        span = RECONNECT_MAX_MS;
    skr_random_bytes(&random, sizeof(random));
    return random % (uint32_t)span;
}

static void stop_all(struct skr_worker *worker)
{
    struct skr_peer *peer, *next;
    worker->stopping = true;
    HASH_ITER (hh, worker->peers, peer, next) {
        if (peer->state == SKR_PEER_OPEN)
            skr_peer_goodbye(peer, "controller_stops", reconnect_after(worker->south));
        else if (peer->state != SKR_PEER_CLOSING)
            skr_peer_end(peer);
    }
}

static void adopt(struct skr_worker *worker, const struct skr_worker_mail *mail)
{
    if (!worker->stopping) {
        skr_peer_adopt(worker, mail->session, mail->fd);
        return;
    }
    close(mail->fd);
    skr_acceptor_release(worker->south);
}

static void handle(struct skr_worker *worker, struct skr_worker_mail *mail)
{
    struct skr_peer *peer;
    switch (mail->kind) {
    case SKR_MAIL_ADOPT:
        adopt(worker, mail);
        break;
    case SKR_MAIL_SEND:
        peer = skr_peer_find(worker, mail->session);
        if (peer && peer->state == SKR_PEER_OPEN)
            skr_peer_send_shared(peer, mail->frame);
        skr_shared_bytes_unref(mail->frame);
        break;
    case SKR_MAIL_END:
        end_session(worker, mail);
        break;
    case SKR_MAIL_ENROLLED:
        skr_enrol_written(worker, mail->session, mail->request);
        break;
    case SKR_MAIL_REPORTED:
        skr_report_written(worker, mail->session, mail->request);
        break;
    case SKR_MAIL_STOP:
        stop_all(worker);
        break;
    }
    free(mail);
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct skr_worker *worker = arg;
    (void)fd, (void)what;
    for (struct skr_mail *mail = skr_mailbox_take_all(worker->box), *next; mail; mail = next) {
        next = mail->next;
        handle(worker, SKR_CONTAINER_OF(mail, struct skr_worker_mail, mail));
    }
}

static void reap(struct skr_worker *worker)
{
    while (worker->ended) {
        struct skr_peer *peer = worker->ended;
        worker->ended = peer->next_ended;
        skr_peer_free(peer);
    }
}

static void *run(void *arg)
{
    struct skr_worker *worker = arg;
    sigset_t all;
    sigfillset(&all); /* signals are main's; SIGPIPE from a socket is an error code here */
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!worker->stopping || worker->peers) {
        event_base_loop(worker->base, EVLOOP_ONCE);
        reap(worker);
    }
    event_base_loop(worker->base, EVLOOP_NONBLOCK); /* libevent frees what was freed last in a turn of its own */
    return NULL;
}

int skr_worker_start(struct skr_worker *worker, struct skr_south *south, unsigned index, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *name = NULL;
    worker->south = south;
    worker->index = index;
    struct event_config *config = event_config_new();
    if (config) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        worker->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (!worker->base || skr_mailbox_new(&worker->box) < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "A session worker could not be made.");
    worker->box_event = event_new(worker->base, skr_mailbox_fd(worker->box), EV_READ | EV_PERSIST, on_mail, worker);
    if (!worker->box_event || event_add(worker->box_event, NULL) < 0 ||
        pthread_create(&worker->thread, NULL, run, worker) != 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "A session worker could not be started.");
    worker->started = true;
    if (asprintf(&name, "south-%u", index) > 0)
        pthread_setname_np(worker->thread, name);
    return 0;
}

void skr_worker_join(struct skr_worker *worker)
{
    if (!worker->started)
        return;
    skr_worker_post(worker, skr_worker_mail_new(SKR_MAIL_STOP, 0));
    pthread_join(worker->thread, NULL);
    worker->started = false;
}

static void forget(struct skr_worker_mail *mail)
{
    if (mail->kind == SKR_MAIL_SEND)
        skr_shared_bytes_unref(mail->frame);
    else if (mail->kind == SKR_MAIL_ADOPT)
        close(mail->fd);
    else if (mail->kind == SKR_MAIL_ENROLLED)
        skr_enrol_forget(mail->request);
    else if (mail->kind == SKR_MAIL_REPORTED)
        skr_report_forget(mail->request);
    free(mail);
}

void skr_worker_done(struct skr_worker *worker)
{
    if (worker->box) {
        for (struct skr_mail *mail = skr_mailbox_take_all(worker->box), *next; mail; mail = next) {
            next = mail->next;
            forget(SKR_CONTAINER_OF(mail, struct skr_worker_mail, mail));
        }
    }
    if (worker->box_event)
        event_free(worker->box_event);
    if (worker->base)
        event_base_free(worker->base);
    skr_mailbox_free(worker->box);
    *worker = (struct skr_worker){0};
}
