/* The running agent: its rooms and how they hear each other. daemon.c starts and stops them, wiring.c carries words
 * from one to the next. */
#pragma once

#include "agent/desired/desired.h"
#include "agent/diag/diag.h"
#include "agent/drift/drift.h"
#include "agent/fastpath/program.h"
#include "agent/host/host.h"
#include "agent/learn/learn.h"
#include "agent/settings.h"
#include "agent/south/report.h"
#include "agent/south/session.h"
#include <event2/event.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

/* The program that is to be in one direction of an interface. */
struct attachment {
    UT_hash_handle hh;
    struct attachment_key {
        uint32_t ifindex, egress;
    } key;
    enum skr_fastpath_hook hook;
    struct skr_uuid adapter_id; /* of a port; nil: of none */
    char name[SKR_INTERFACE_NAME_MAX];
    struct other_mac { /* the guest sends from a MAC that is not its adapter's */
        bool told;
        struct skr_mac mac;     /* the latest */
        int64_t since_ms;       /* wall clock */
        uint64_t first, frames; /* of the counter: before the first of them, and at the last look */
        uint64_t own;           /* what the guest had sent from its own MAC then */
    } other_mac;
    bool waits; /* for the tables to be filled: an earlier agent's program serves it meanwhile */
};

struct daemon {
    const struct settings *settings;
    int state_lock; /* on the state directory; -1: none */
    struct event_base *base;
    struct skr_identity *identity;
    struct skr_desired *desired;
    struct skr_fastpath *fastpath;
    struct skr_program *program;
    struct skr_host *host;
    struct skr_learn *learn;
    struct skr_drift *drift;
    struct skr_report *report;
    struct skr_session *session;
    struct skr_diag *diag;
    struct event *host_event, *fastpath_event, *timer, *inventory, *counters, *terminate, *interrupt;
    struct attachment *attachments;
    bool filled;  /* the tables hold what the cache or the controller said */
    bool settled; /* the controller has said what is intended */
};

int daemon_run(const struct settings *settings, struct skr_error *error);
/* guard.c: returns on failure alone. */
int guard_run(const struct settings *settings, struct skr_error *error);
/* main.c: outputs of a host room that nobody listens to. */
extern const struct skr_host_output daemon_nothing;

/* ---- wiring.c ---- */
int wiring_host(struct daemon *daemon, struct skr_error *error); /* host, learn and drift, with their outputs */
struct skr_session_options wiring_session(struct daemon *daemon);
struct skr_diag_options wiring_diag(struct daemon *daemon);
/* After anything happened: the timer stands at the next deadline, and what changed is acknowledged. */
void wiring_settle(struct daemon *daemon);

/* ---- other_mac.c ---- */
/* An event of the fast path: the guest's frame from another MAC was dropped. Told at once, once. */
void other_mac_seen(struct daemon *daemon, const struct skr_abi_event *event);
/* Now and then: how many they are by now; over when there was none since the last look. */
void other_mac_look(struct daemon *daemon);

/* ---- attachment.c ---- */
/* NULL: none of this hook. */
const struct attachment *attachment_find(const struct daemon *daemon, enum skr_fastpath_hook hook, uint32_t ifindex);
const struct attachment *attachment_of(const struct daemon *daemon, const struct skr_uuid *adapter_id);
/* The program of an uplink is wanted on this interface, or no longer is. */
void attachment_put(struct daemon *daemon, enum skr_fastpath_hook hook, const struct skr_host_interface *interface,
                    bool present);
/* An adapter is on this interface now (NULL: on none). */
void attachment_bind(struct daemon *daemon, const struct skr_uuid *adapter_id,
                     const struct skr_host_interface *interface);
/* An output of the host room. */
void attachment_guest(void *daemon, uint32_t ifindex, const char *name, enum skr_guest_state state);
/* At start, before desired state is read: closes what earlier agents left open. */
void attachments_begin(struct daemon *daemon);
/* The tables hold what is intended: our programs take over, and what no adapter is on is closed. */
void attachments_filled(struct daemon *daemon);
void attachments_free(struct daemon *daemon);
