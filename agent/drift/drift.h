/* Drift: this host differs from what was asked. Detects it at once where netlink tells and by an audit of everything,
 * the fast path's real map contents included, every interval otherwise; keeps each finding until it is gone; puts it
 * back where the host's remediation is `auto`, or when told to. Never touches what is not ours. One thread. */
#pragma once

#include "agent/desired/desired.h"
#include "agent/fastpath/fastpath.h"
#include "agent/fastpath/program.h"
#include "agent/host/host.h"

#define SKR_DRIFT_ITEMS_MAX 4096 /* beyond: repaired like the others, not listed */

struct skr_drift;

struct skr_drift_item {
    uint8_t key[16]; /* stable for the same finding on this host */
    char object_kind[24];
    struct skr_uuid object_id; /* nil: none */
    char object[160], field[32], expected[96], found[96];
    int64_t since_ms; /* wall clock */
    bool resolved;
};

struct skr_drift_options {
    struct skr_desired *desired;
    struct skr_program *program;
    struct skr_fastpath *fastpath;
    struct skr_host *host; /* NULL: no host side (the swarm) */
    int64_t interval_ns;   /* full audit; 0 = 10 s */
    /* A finding is new, has another text (same key), or is resolved. */
    void (*report)(void *arg, const struct skr_drift_item *item);
    void *arg;
};

int skr_drift_new(const struct skr_drift_options *options, struct skr_drift **ret);
void skr_drift_free(struct skr_drift *drift);

/* Our program is expected on this interface (or no longer). `object_id`: the adapter of a port, nil for an uplink. */
void skr_drift_expect(struct skr_drift *drift, enum skr_fastpath_hook hook, uint32_t ifindex, const char *interface,
                      const struct skr_uuid *object_id, bool expected);
/* Desired state is known (cache or Synced): audits begin. Before, a table's content is nobody's drift. */
void skr_drift_begin(struct skr_drift *drift, int64_t now_ns);
/* From netlink: look at links, addresses and filters now. */
void skr_drift_changed(struct skr_drift *drift, int64_t now_ns);
/* Command: put back everything that is open, whatever the host's setting. */
void skr_drift_remediate(struct skr_drift *drift, int64_t now_ns);

int64_t skr_drift_deadline_ns(const struct skr_drift *drift);
void skr_drift_run(struct skr_drift *drift, int64_t now_ns, int64_t wall_ms);

/* Open findings, for diag and for a whole report. */
void skr_drift_each(const struct skr_drift *drift, void (*fn)(void *arg, const struct skr_drift_item *item), void *arg);
