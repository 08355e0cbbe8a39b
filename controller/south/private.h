/* The files of this room share this.
 *
 *   acceptor (1 thread)   listening socket, cap of handshakes, writes the notes
 *   worker (n threads)    an event base each; a peer (one connection) lives on one worker and nobody else touches it
 *   policy, writer        send mail to the worker that a session's number names
 *
 * A session's number is unique in this process: a counter, and in its low byte the worker. */
#pragma once

#include "controller/south/south.h"
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <pthread.h>
#include <skerry/frame.h>
#include <skerry/log.h>
#include <skerry/mailbox.h>
#include <skerry/proof.h>
#include <skerry/tls.h>
#include <stdatomic.h>
#include <uthash.h>

#define SKR_SOUTH_WORKERS_MAX      64
#define SKR_SOUTH_GREETING_MS      5000     /* from accept to an Enroll or an authorized Hello */
#define SKR_SOUTH_ENROL_MS         30000    /* for the database to answer an Enroll */
#define SKR_SOUTH_CLOSING_MS       2000     /* for the last bytes to leave */
#define SKR_SOUTH_RETRY_MS         100      /* when the writer's queue is full */
#define SKR_SOUTH_OUTPUT_MAX       16777216 /* unsent bytes of one peer; the policy's window is below it */
#define SKR_SOUTH_REPORTS_MAX      8        /* uncommitted reports of one peer; then we stop reading from it */
#define SKR_SOUTH_LONG_REPORTS_MAX 16       /* pieces of long reports among the writer's long writes, of all peers */
#define SKR_SOUTH_NOTES_MS         500      /* seen and synced wait this long for company */
#define SKR_SOUTH_NOTES_BATCH_MAX  256

struct skr_peer;

/* ---- hosts and their sessions ---- */

struct skr_registry {
    pthread_mutex_t lock;
    struct skr_registry_host *hosts; /* uthash by host id: those with a session */
};

void skr_registry_init(struct skr_registry *registry);
void skr_registry_done(struct skr_registry *registry);
struct skr_registry_entered {
    uint64_t older; /* session that was replaced; 0: none */
    /* Both sessions came with a number that one agent uses once, and from different addresses: the host's identity is
     * on two machines. `address` is where the other session came from. */
    bool shared;
    char address[SKR_ADDRESS_TEXT_MAX];
};
/* Makes `session` the host's. -ESTALE: the host's present session has a higher number of its own; *ret is filled then
 * too. */
int skr_registry_enter(struct skr_registry *registry, const struct skr_uuid *host_id, uint64_t session, uint64_t number,
                       const char *address, struct skr_registry_entered *ret);
/* When two machines were last seen to use the identity of a host that has a session (monotonic); 0: never. */
int64_t skr_registry_shared_ns(struct skr_registry *registry, const struct skr_uuid *host_id);
/* True when the session still was the host's. */
bool skr_registry_leave(struct skr_registry *registry, const struct skr_uuid *host_id, uint64_t session);
/* Keeps what the host's present session counts; `session` is another: nothing happens. */
struct skr_registry_counters {
    uint64_t dropped_packets, rx_packets, tx_packets;
};
void skr_registry_count(struct skr_registry *registry, const struct skr_uuid *host_id, uint64_t session,
                        const struct skr_registry_counters *counters);
/* Copies of all, in no order, for the caller to free; *ret_count of them. NULL: none. */
struct skr_registry_row {
    struct skr_uuid host_id;
    struct skr_registry_counters counters;
};
struct skr_registry_row *skr_registry_rows(struct skr_registry *registry, size_t *ret_count);
/* 0: none. */
uint64_t skr_registry_find(struct skr_registry *registry, const struct skr_uuid *host_id);

/* ---- hosts that hold more than this database, by their word alone (rollback.c) ---- */

#define SKR_ROLLBACK_WITNESSES_MIN 2 /* one host's word is never enough, also in a fleet of one */
#define SKR_ROLLBACK_WITNESSES_MAX 5 /* so many are enough in a fleet of any size */

struct skr_witnesses {
    pthread_mutex_t lock;
    struct skr_witness *hosts; /* uthash by host id; at most one a host that is enrolled */
};

void skr_witnesses_init(struct skr_witnesses *witnesses);
void skr_witnesses_done(struct skr_witnesses *witnesses);
void skr_witnesses_forget(struct skr_witnesses *witnesses, const struct skr_uuid *host_id);

/* ---- small facts about hosts on their way to the database: at most one of each a host, written in batches ---- */

struct skr_notes {
    pthread_mutex_t lock;
    struct skr_note *notes; /* uthash by host id */
    struct skr_note *batch; /* on its way */
    bool queued;            /* the batch is in the writer's hands and must not be touched */
    int64_t due_ns;         /* INT64_MAX: nothing to write */
};

void skr_notes_init(struct skr_notes *notes);
void skr_notes_done(struct skr_notes *notes);
void skr_notes_seen(struct skr_south *south, const struct skr_uuid *host_id, const char *agent_version,
                    const char *kernel, int64_t certificate_expires_at_ms);
void skr_notes_synced(struct skr_south *south, const struct skr_uuid *host_id, int64_t revision);
/* Queues a batch when one is due. Returns when to come back. */
int64_t skr_notes_flush(struct skr_south *south, int64_t now_ns);

/* ---- workers ---- */

enum skr_worker_mail_kind {
    SKR_MAIL_ADOPT,
    SKR_MAIL_SEND,
    SKR_MAIL_END,
    SKR_MAIL_ENROLLED,
    SKR_MAIL_REPORTED,
    SKR_MAIL_STOP
};

struct skr_worker_mail {
    struct skr_mail mail;
    enum skr_worker_mail_kind kind;
    uint64_t session;
    int fd;                         /* ADOPT */
    struct skr_shared_bytes *frame; /* SEND */
    char reason[64];                /* END: for Goodbye; empty: the peer has been told already */
    void *request;                  /* ENROLLED, REPORTED */
};

struct skr_worker {
    struct skr_south *south;
    unsigned index;
    pthread_t thread;
    bool started;
    struct event_base *base;
    struct skr_mailbox *box;
    struct event *box_event;
    struct skr_peer *peers; /* uthash by session */
    struct skr_peer *ended; /* to be freed when no callback of theirs runs */
    bool stopping;
    struct skr_log_limit log_limit; /* lines that peers drive */
};

int skr_worker_start(struct skr_worker *worker, struct skr_south *south, unsigned index, struct skr_error *error);
void skr_worker_join(struct skr_worker *worker);
void skr_worker_done(struct skr_worker *worker);
struct skr_worker *skr_worker_of(struct skr_south *south, uint64_t session);
struct skr_worker_mail *skr_worker_mail_new(enum skr_worker_mail_kind kind, uint64_t session);
/* Any thread. */
void skr_worker_post(struct skr_worker *worker, struct skr_worker_mail *mail);
void skr_worker_end_session(struct skr_south *south, uint64_t session, const char *reason);

/* ---- acceptor ---- */

int skr_acceptor_open(struct skr_south *south, const char *listen, struct skr_error *error);
int skr_acceptor_start(struct skr_south *south, struct skr_error *error);
void skr_acceptor_wake(struct skr_south *south);
void skr_acceptor_join(struct skr_south *south);
/* A connection no longer counts as a handshake in progress. */
void skr_acceptor_release(struct skr_south *south);

/* ---- the room ---- */

struct skr_south_counters {
    atomic_uint_fast64_t sessions, handshakes, enrolments, refused, frames_in, frames_out, bytes_in, bytes_out, reports;
};

struct skr_south {
    struct skr_store *store;
    struct skr_policy *policy;
    int64_t certificate_lifetime_ms, shared_ms;
    unsigned keepalive_ms, handshakes_max, worker_count;

    struct skr_tls_identity *authority;
    char *authority_pem;
    const char *authority_pems[2]; /* NULL-terminated */
    uint8_t authority_key_hash[SKR_TLS_HASH_SIZE];
    struct skr_proof_key proof_key;
    SSL_CTX *tls;

    int listen_fd, wake_fd;
    uint16_t port;
    pthread_t acceptor;
    bool acceptor_started;
    atomic_uint handshakes; /* in progress */
    atomic_uint_fast64_t next_session;
    atomic_bool stopping;

    struct skr_worker workers[SKR_SOUTH_WORKERS_MAX];
    struct skr_registry registry;
    struct skr_witnesses witnesses;
    struct skr_notes notes;
    atomic_uint_fast64_t revocations; /* grows before sessions are ended for what the database says now */

    pthread_mutex_t writes_lock; /* guards writes */
    pthread_cond_t writes_over;
    unsigned writes; /* queued and not answered */

    atomic_uint long_reports;      /* pieces of long reports in the writer's hands */
    struct skr_evidence *evidence; /* the writer's */

    struct skr_south_counters counters;
};

/* skr_store_write whose `done` calls skr_south_written last; skr_south_stop waits for all of them. */
int skr_south_write(struct skr_south *south, skr_write_fn *fn, skr_write_done_fn *done, void *arg);
/* Like it, by the way of long writes. */
int skr_south_write_bulk(struct skr_south *south, skr_write_fn *fn, skr_write_done_fn *done, void *arg);
void skr_south_written(struct skr_south *south);
