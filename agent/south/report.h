/* A report is the state that this host tells the controller (docs/design/southbound.md, "What is reported"). It is kept
 * here whole, with a mark on the parts that the controller has not heard yet. The session takes differences while it is
 * connected and everything after each connect. One thread. */
#pragma once

#include "agent/drift/drift.h"
#include "agent/host/host.h"
#include "agent/learn/learn.h"

#define SKR_REPORT_PORTS_MAX      65536  /* claims, bindings and moves, each */
#define SKR_REPORT_LEARNED_MAX    262144 /* addresses of all ports; one has at most SKR_LEARN_ADDRESSES_MAX */
#define SKR_REPORT_DRIFT_MAX      16384
#define SKR_REPORT_INTERFACES_MAX 256 /* physical ones first */

struct skr_report;

int skr_report_new(struct skr_report **ret);
void skr_report_free(struct skr_report *report);
/* Called when something new is to be told. */
void skr_report_on_change(struct skr_report *report, void (*fn)(void *arg), void *arg);

/* Each call is an occurrence, told once. */
void skr_report_learned(struct skr_report *report, const struct skr_learned *learned);
/* The controller refused that occurrence (0: of a controller that does not number): nothing is left to tell of it.
 * False: the port has shown the address again since, and that is still to be told or judged. */
bool skr_report_refused(struct skr_report *report, const struct skr_uuid *adapter_id, const struct skr_address *address,
                        uint64_t number);
void skr_report_drift(struct skr_report *report, const struct skr_drift_item *item);
/* reason: why not bound; when it is, what is wrong with the guest all the same, or NULL. `placed` false: the adapter is
 * no longer ours to speak of, nor are its addresses. */
void skr_report_binding(struct skr_report *report, const struct skr_uuid *adapter_id, bool placed,
                        const char *interface, const char *reason);
void skr_report_claim(struct skr_report *report, const struct skr_uuid *adapter_id, const char *interface,
                      bool present);
/* The VM's first frame was seen on an armed port: told until the port is not armed any more (moved false). */
void skr_report_moved(struct skr_report *report, const struct skr_uuid *adapter_id, bool moved, int64_t first_frame_ns);
/* The whole inventory; told when it differs from the last one. */
void skr_report_interfaces(struct skr_report *report, const struct skr_host_interface *interfaces, size_t count);
/* Counters travel with every report, and make one of their own when they differ: call it now and then. */
void skr_report_counters(struct skr_report *report, uint64_t dropped, uint64_t rx_packets, uint64_t tx_packets);

/* The next frames are a whole report, in as many parts as it takes: a new session. */
void skr_report_begin_whole(struct skr_report *report);
/* Takes the items that are to be told now, as much as fits a frame, or NULL: nothing. Items that were taken count as
 * told; a connection that ends is followed by a whole report. The caller frees the envelope. */
Skerry__V1__Envelope *skr_report_take(struct skr_report *report);
/* The controller has committed this report: what was announced in it has been judged, and is not repeated as an
 * announcement. */
void skr_report_accepted(struct skr_report *report, uint64_t sequence);
/* An interface as the protocol has it; the caller frees the message. */
Skerry__V1__Interface *skr_report_interface_message(const struct skr_host_interface *interface);
