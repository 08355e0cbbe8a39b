/* The session to the controller: connects, reconnects, keeps alive, renews, feeds desired state and tells reports. Many
 * may live on one event base (the swarm). Nothing here waits; one thread. */
#pragma once

#include "agent/desired/desired.h"
#include "agent/south/identity.h"
#include "agent/south/report.h"
#include <event2/event.h>
#include <skerry/abi/fastpath.h>

#define SKR_SESSION_REASON_MAX 400 /* a sentence with what to do next */

struct skr_session;

enum skr_session_state { SKR_SESSION_WAITING, SKR_SESSION_CONNECTING, SKR_SESSION_GREETING, SKR_SESSION_CONNECTED };

struct skr_session_options {
    struct event_base *base;
    struct skr_identity *identity; /* the caller's; outlives the session */
    struct skr_desired *desired;
    struct skr_report *report;
    const char *fastpath;   /* provider's name, for Hello */
    const char *cache_path; /* NULL: no cache */
    int64_t reconnect_ms;   /* first tries wait up to this, later ones up to ten times; 0 = 3,000 */
    int64_t save_ms;        /* the cache is written this long after the last change, 0 = 200 */
    /* All optional. */
    void (*connected)(void *arg, bool connected);
    void (*synced)(void *arg);
    void (*command)(void *arg, const Skerry__V1__Command *command);
    void (*refused)(void *arg, const struct skr_uuid *adapter_id, const struct skr_address *address,
                    const char *reason);
    /* Gives the counters that an adapter which has moved here had at its former host. */
    void (*port_state)(void *arg, const struct skr_uuid *adapter_id, const struct skr_abi_meter *meter);
    void *arg;
};

int skr_session_new(const struct skr_session_options *options, struct skr_session **ret, struct skr_error *error);
/* Says goodbye if it can, writes the cache if something is unwritten. */
void skr_session_free(struct skr_session *session);
/* Connects now. */
void skr_session_start(struct skr_session *session);
/* Failures or versions in desired state changed outside a delta: acknowledged soon. */
void skr_session_wake(struct skr_session *session);

/* Sends the counters of a port that leaves this host, for the host to which its adapter has moved, if it has. They are
 * lost when there is no connection. */
void skr_session_port_state(struct skr_session *session, const struct skr_uuid *adapter_id,
                            const struct skr_abi_meter *meter);

struct skr_session_status {
    enum skr_session_state state;
    bool rolled_back;
    uint64_t deltas; /* taken since the agent started */
    uint64_t number;
    unsigned attempts;            /* since it was last connected */
    int64_t certificate_until_ms; /* wall clock, 0 = unknown */
    char last_error[SKR_SESSION_REASON_MAX];
};
void skr_session_status(const struct skr_session *session, struct skr_session_status *ret);
