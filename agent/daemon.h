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

struct port;
struct daemon {
    const struct settings *settings;
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
    struct port *ports; /* where our program is attached */
    bool settled;       /* the controller has said what is intended */
};

int daemon_run(const struct settings *settings, struct skr_error *error);

/* ---- wiring.c ---- */
int wiring_host(struct daemon *daemon, struct skr_error *error); /* host, learn and drift, with their outputs */
struct skr_session_options wiring_session(struct daemon *daemon);
struct skr_diag_options wiring_diag(struct daemon *daemon);
/* After anything happened: the timer stands at the next deadline, and what changed is acknowledged. */
void wiring_settle(struct daemon *daemon);
void wiring_free(struct daemon *daemon);
