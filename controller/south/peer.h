/* One connection of an agent, from accept to its end, on its worker's thread.
 *
 *   HANDSHAKE -> JOINING -> ENROLLING -> CLOSING -> ENDED     (ALPN skerry-join/1)
 *             -> GREETING -> OPEN -> CLOSING -> ENDED         (ALPN skerry/1)
 *
 * A peer that is ENDED is only memory: its worker frees it when no callback of it can run any more. */
#pragma once

#include "controller/south/private.h"

enum skr_peer_state {
    SKR_PEER_HANDSHAKE,
    SKR_PEER_JOINING,   /* waits for Enroll */
    SKR_PEER_ENROLLING, /* waits for the database */
    SKR_PEER_GREETING,  /* waits for Hello, or Renew when the certificate is outside its time */
    SKR_PEER_OPEN,
    SKR_PEER_CLOSING, /* the last bytes leave, what comes in is ignored */
    SKR_PEER_ENDED
};

struct skr_peer_report;

struct skr_peer {
    UT_hash_handle hh;
    uint64_t session;
    struct skr_worker *worker;
    struct bufferevent *bev;
    SSL *ssl; /* owned by bev */
    struct event *timer;
    enum skr_peer_state state;
    bool counted;        /* as a handshake in progress */
    int64_t deadline_ns; /* of every state but OPEN */
    int64_t heard_ns;
    uint64_t pings;

    /* Sessions: what the certificate says. */
    struct skr_uuid host_id;
    char address[SKR_ADDRESS_TEXT_MAX]; /* where it comes from */
    uint8_t key_hash[SKR_TLS_HASH_SIZE];
    int64_t not_before_ms, not_after_ms;

    bool entered;                         /* in the registry */
    bool policy_open;                     /* the policy knows this session */
    bool problem;                         /* the host's status told of a problem when the session was opened */
    unsigned reports;                     /* received and not answered */
    struct skr_peer_report *report_queue; /* those that are not in the writer's hands */
    bool report_busy;                     /* a piece of one is */
    bool report_blocked;                  /* the writer's queue had no room for the next */
    uint32_t next_part;                   /* of the whole report under way; 0: none is */
    struct skr_report_names *names;       /* what it has named; NULL also while the writer uses it */
    struct skr_peer *next_ended;
};

/* Takes a connected socket; on failure it is closed. */
void skr_peer_adopt(struct skr_worker *worker, uint64_t session, int fd);
void skr_peer_free(struct skr_peer *peer);
struct skr_peer *skr_peer_find(struct skr_worker *worker, uint64_t session);

/* Each of these may end the peer; the caller looks at peer->state before it goes on. */
void skr_peer_send(struct skr_peer *peer, const Skerry__V1__Envelope *envelope);
void skr_peer_send_shared(struct skr_peer *peer, struct skr_shared_bytes *frame);
/* Goodbye with a reason, then closes. */
void skr_peer_goodbye(struct skr_peer *peer, const char *reason, uint32_t reconnect_after_ms);
/* Closes when everything has left. */
void skr_peer_finish(struct skr_peer *peer);
/* Closes now. */
void skr_peer_end(struct skr_peer *peer);
/* Frames that have arrived and may be handled now. */
void skr_peer_pump(struct skr_peer *peer);
/* Reads again or not; the timer follows the state. */
void skr_peer_set_reading(struct skr_peer *peer, bool reading);
void skr_peer_set_state(struct skr_peer *peer, enum skr_peer_state state, unsigned deadline_ms);
void skr_peer_arm(struct skr_peer *peer);

/* ---- enrol.c: own the envelope ---- */
void skr_enrol_receive(struct skr_peer *peer, Skerry__V1__Envelope *envelope);
void skr_enrol_written(struct skr_worker *worker, uint64_t session, void *request);
void skr_enrol_forget(void *request);

/* ---- session.c: own the envelope ---- */
void skr_session_greet(struct skr_peer *peer, Skerry__V1__Envelope *envelope);
void skr_session_receive(struct skr_peer *peer, Skerry__V1__Envelope *envelope);
/* Out of the registry and the policy, when it was in. */
void skr_session_leave(struct skr_peer *peer);
/* Now and then while it is open: takes a problem that is over out of the host's status. */
void skr_session_look_after(struct skr_peer *peer);

/* ---- rollback.c ---- */

/* A snapshot of the database says this about a session that wants to open. */
struct skr_standing {
    int64_t revision;
    bool rolled_back;
    bool problem;                      /* the host's status tells of one */
    struct skr_uuid accepted_database; /* other database that an administrator has let in; nil: none */
    char name[64];                     /* of the host */
};

enum skr_rollback_verdict {
    SKR_ROLLBACK_NONE,
    SKR_ROLLBACK_HELD, /* the host alone says that it holds more than this database: nobody else is concerned */
    SKR_ROLLBACK_SHOWN /* a proof, or enough hosts that say the same */
};
/* Judges what a Hello says that the host holds, and writes down what follows. HELD: *ret says to people why. */
enum skr_rollback_verdict skr_rollback_judge(struct skr_peer *peer, const Skerry__V1__Hello *hello,
                                             const struct skr_standing *standing, struct skr_host_problem *ret);
/* Into the host's status, with an event when there is something to say (text). */
void skr_rollback_tell_problem(struct skr_south *south, const struct skr_host_problem *problem);

/* ---- report.c ---- */
void skr_report_receive(struct skr_peer *peer, Skerry__V1__Envelope *envelope);
void skr_report_retry(struct skr_peer *peer);
/* The session is over: what waits is not written any more. */
void skr_report_forget_all(struct skr_peer *peer);
void skr_report_written(struct skr_worker *worker, uint64_t session, void *request);
void skr_report_forget(void *request);
