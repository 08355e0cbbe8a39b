/* The files of a report share this: report.c (interfaces, bindings, drift), learned.c, claim.c,
 * adapter_move.c. */
#pragma once

#include "controller/model/rules.h"

#define SKR_INVENTORY_MAX      256    /* interfaces kept of one host */
#define SKR_INVENTORY_KIND_MAX 15     /* bytes of an interface's kind, as in the kernel */
#define SKR_REPORT_NAMES_MAX   262144 /* names of one sort in a whole report */
#define SKR_WAITING_CLAIMS_MAX 4096   /* of one host: adapters that others have; beyond it a claim does not wait */

struct skr_report_names {
    struct skr_ids claims, bindings, learned, findings;
    struct skr_ids gone; /* rows of the present section that were not named */
    int64_t began_ms;
    bool sorted, too_many;
};

struct skr_report {
    struct skr_txn *txn;
    struct skr_uuid host_id;
    struct skr_object *host;
    const Skerry__V1__Report *body;
    Skerry__V1__ReportAccepted *accepted;
    struct skr_report_names *names; /* NULL: nothing is gone because it is not named */
    struct skr_evidence *evidence;  /* may be NULL */
    struct skr_report_write *write; /* takes the questions */
    int64_t received_ms;
    int64_t findings; /* open ones of the host, -1: not counted yet */
};

/* Adds an id to what a whole report has named; `sort` is a list of struct skr_report_names. */
#define SKR_REPORT_NAME(report, sort, id)                                                                              \
    do {                                                                                                               \
        if ((report)->names)                                                                                           \
            skr_report_name((report)->names, &(report)->names->sort, (id));                                            \
    } while (0)
void skr_report_name(struct skr_report_names *names, struct skr_ids *ids, const struct skr_uuid *id);

/* Evidence of a record's address, in ms of wall clock; 0: none is remembered. */
int64_t skr_evidence_get(const struct skr_evidence *evidence, const struct skr_uuid *record_id);
void skr_evidence_set(struct skr_evidence *evidence, const struct skr_uuid *record_id, int64_t ms);

/* Adds a refusal to the answer. `address` may be NULL; `number`: of the occurrence, 0: it has none. Returns 0. */
int skr_report_refuse(struct skr_report *report, const ProtobufCBinaryData *adapter_id,
                      const ProtobufCBinaryData *address, uint64_t number, const char *reason);
bool skr_report_uuid(const ProtobufCBinaryData *data, struct skr_uuid *ret);
bool skr_report_address(const ProtobufCBinaryData *data, struct skr_address *ret);
/* 1 and *ret: an adapter that is on the reporting host; 0: anything else. */
int skr_report_own_adapter(struct skr_report *report, const ProtobufCBinaryData *id, struct skr_object **ret,
                           struct skr_error *error);
/* While the database is rolled back: the orphans of the reporting host (orphan.c). */
int skr_report_apply_held(struct skr_report *report, struct skr_error *error);

/* Takes one item of a report; `index` counts in the list of its sort. */
typedef int skr_report_take_fn(struct skr_report *report, size_t index, struct skr_error *error);
/* A row of the host that a whole report has not named; looked at again, because other writes came in between. */
typedef int skr_report_lose_fn(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error);
int skr_report_take_learned(struct skr_report *report, size_t index, struct skr_error *error);
int skr_report_lose_learned(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error);
int skr_report_take_claim(struct skr_report *report, size_t index, struct skr_error *error);
int skr_report_lose_claim(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error);
int skr_report_lose_waiting(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error);
int skr_report_take_moved(struct skr_report *report, size_t index, struct skr_error *error);

/* For adapters that are moving to the reporting host (adapter_move.c). 1: the binding was of one; 0: of none. */
int skr_report_target_binding(struct skr_report *report, const Skerry__V1__PortBinding *binding,
                              struct skr_error *error);
int skr_report_lose_target_binding(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error);
int skr_report_target_claim(struct skr_report *report, struct skr_object *adapter, bool claimed,
                            struct skr_error *error);
int skr_report_lose_target_claim(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error);
