/* The diagnostic socket serves `skerryctl host local`: a Unix socket (root alone) that takes one JSON object a line,
 * {"command": "records"}, and answers each with one JSON line: what is asked, or {"error": {"tag", "detail"}}.
 * Commands: records, routes, ports, provider-addresses, stats, drift, status, ping-pa {"address"}, release
 * {"interface"}. Rows show what is intended and whether the fast path holds it; lists end at SKR_DIAG_ROWS_MAX and say
 * so ("truncated": true). `vsid` narrows records. One thread. */
#pragma once

#include "agent/desired/desired.h"
#include "agent/fastpath/program.h"
#include "agent/host/host.h"
#include <event2/event.h>
#include <jansson.h>

#define SKR_DIAG_ROWS_MAX    20000
#define SKR_DIAG_CLIENTS_MAX 16
#define SKR_DIAG_REQUEST_MAX 4096

struct skr_diag;
struct skr_diag_options {
    struct event_base *base;
    const char *path;
    struct skr_desired *desired;
    struct skr_program *program;
    struct skr_fastpath *fastpath;
    struct skr_host *host; /* NULL: no host side */
    /* Answers of rooms that stand above this one; new references. NULL: none there. */
    json_t *(*drift)(void *arg);
    json_t *(*status)(void *arg);
    /* An administrator releases an interface that is closed. 0, or -errno and a sentence. NULL: none there. */
    int (*release)(void *arg, const char *interface, struct skr_error *error);
    void *arg;
};

int skr_diag_new(const struct skr_diag_options *options, struct skr_diag **ret, struct skr_error *error);
void skr_diag_free(struct skr_diag *diag);
