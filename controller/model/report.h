/* What the files of a report share: report.c (interfaces, bindings, drift), learned.c, claim.c,
 * adapter_move.c. */
#pragma once

#include "controller/model/rules.h"

#define SKR_INVENTORY_MAX 4096 /* interfaces kept of one host */

struct skr_report {
    struct skr_txn *txn;
    struct skr_uuid host_id;
    const Skerry__V1__Report *body;
    Skerry__V1__ReportAccepted *accepted;
};

/* Adds a refusal to the answer. `address` may be NULL. Returns 0. */
int skr_report_refuse(struct skr_report *report, const ProtobufCBinaryData *adapter_id,
                      const ProtobufCBinaryData *address, const char *reason);
void skr_report_bytes(ProtobufCBinaryData *ret, const void *data, size_t size);
bool skr_report_uuid(const ProtobufCBinaryData *data, struct skr_uuid *ret);
bool skr_report_address(const ProtobufCBinaryData *data, struct skr_address *ret);
/* 1 and *ret: an adapter that is on the reporting host; 0: anything else. */
int skr_report_own_adapter(struct skr_report *report, const ProtobufCBinaryData *id, struct skr_object **ret,
                           struct skr_error *error);
int skr_report_apply_learned(struct skr_report *report, struct skr_error *error);
/* While the database is rolled back: the orphans of the reporting host (orphan.c). */
int skr_report_apply_held(struct skr_report *report, struct skr_error *error);
int skr_report_apply_claims(struct skr_report *report, struct skr_error *error);

/* Of adapters that are moving to the reporting host (adapter_move.c). 1: the binding was of one; 0: of none. */
int skr_report_target_binding(struct skr_report *report, const Skerry__V1__PortBinding *binding, struct skr_ids *named,
                              struct skr_error *error);
/* After a whole report: those that it did not name (sorted) have no interface, or no claim, there. */
int skr_report_target_unnamed(struct skr_report *report, const struct skr_ids *named, struct skr_error *error);
int skr_report_target_unclaimed(struct skr_report *report, const struct skr_ids *named, struct skr_error *error);
int skr_report_target_claim(struct skr_report *report, struct skr_object *adapter, bool claimed,
                            struct skr_error *error);
int skr_report_apply_moved(struct skr_report *report, struct skr_error *error);
