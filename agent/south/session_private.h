/* The inside of struct skr_session. session.c: connections, timers, frames; receive.c: what each message does. */
#pragma once

#include "agent/south/revision_proof.h"
#include "agent/south/session.h"
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <skerry/clock.h>
#include <skerry/frame.h>

#define SKR_SESSION_KEEPALIVE_MS     5000
#define SKR_SESSION_KEEPALIVE_MIN_MS 100
#define SKR_SESSION_KEEPALIVE_MAX_MS 60000
#define SKR_SESSION_SILENCE          3 /* keepalives without a word end a session */
#define SKR_SESSION_GREETING_MS      15000
#define SKR_SESSION_RESYNCS_MAX      64

/* The first message of a session is chosen by our clock, or as the controller's Goodbye told us, because its clock
 * counts. */
enum skr_session_opening { SKR_OPENING_BY_CLOCK, SKR_OPENING_HELLO, SKR_OPENING_RENEW };

struct skr_session {
    struct skr_session_options options;
    enum skr_session_state state;
    bool rolled_back;
    struct bufferevent *bev;
    struct evdns_base *dns;
    struct event *reconnect, *keepalive, *renew, *save, *pump, *report;
    unsigned attempts;
    uint64_t number; /* of this session */
    struct skr_revision_proof proof;
    int64_t keepalive_ms;
    int64_t heard_ns;
    int64_t goodbye_ms; /* the controller wishes us back not before this; -1 = no wish */
    unsigned displaced; /* sessions in a row that ended because another agent has this host's identity */
    uint64_t ping_sequence, deltas;
    enum skr_session_opening opening;
    bool renewing;       /* this connection is for Renew alone */
    unsigned mismatches; /* Synced that named another root digest, in a row */
    bool heard_state;    /* the controller is past the comparison, or asks for it: it hears Applied from here on */
    bool agreed;         /* the controller has said Synced, and what is here is that */
    bool report_whole;   /* a whole report is due, once both agree on what there is to report of */
    bool report_waits;   /* one is on its way and not accepted yet */
    bool unsaved;
    int64_t save_took_ms;
    uint64_t random;
    char last_error[SKR_SESSION_REASON_MAX];
};

/* ---- session.c ---- */
/* Packs, sends, frees the envelope. -errno: it was not sent; when the controller takes nothing, the connection has been
 * ended, because what is lost in between is never said again. */
int skr_session_send(struct skr_session *session, Skerry__V1__Envelope *envelope);
/* Ends this connection; another follows. */
void skr_session_disconnect(struct skr_session *session, const char *why);
void skr_session_connected(struct skr_session *session);
void skr_session_unsaved(struct skr_session *session);
/* Before it is applied: an agent that is killed comes back with it. */
void skr_session_note(struct skr_session *session, const Skerry__V1__Envelope *envelope);
void skr_session_arm(struct event *event, int64_t ms);
uint32_t skr_session_random(struct skr_session *session, uint32_t bound);
void skr_session_set_keepalive(struct skr_session *session, uint32_t ms);
void skr_session_report_soon(struct skr_session *session);

/* ---- receive.c ---- */
Skerry__V1__Envelope *skr_session_envelope(Skerry__V1__Envelope__BodyCase body);
void skr_session_greet(struct skr_session *session);
void skr_session_send_renew(struct skr_session *session);
/* May end the connection: session->bev is another or NULL then. */
void skr_session_receive(struct skr_session *session, Skerry__V1__Envelope *envelope);
void skr_session_acknowledge(struct skr_session *session);
/* Half the certificate's life, with jitter. */
void skr_session_plan_renewal(struct skr_session *session);
