/* The rules of the objects. Everything here runs inside a transaction of the store: reads on a snapshot, writes in the
 * writer's savepoint, so whatever a rule checks still holds when it commits. One file an object (vm_subnet.c, ...),
 * each with one struct skr_rules; this header is what api, policy, south and jobs use. */
#pragma once

#include "controller/store/store.h"
#include <skerry/v1/southbound.pb-c.h>

/* Who asks. */
struct skr_principal {
    enum skr_role role;
    struct skr_uuid token_id;
    struct skr_uuid tenant_id; /* nil: not bound to a tenant */
    bool joining;              /* internal: an agent's report or enrolment */
};

/* Makes a new database usable: built-in root host group, default MAC pool, built-in profiles and classifications.
 * Idempotent; run as a write at every start. */
int skr_model_bootstrap(struct skr_txn *txn, void *unused, struct skr_error *error);
/* The first administrator's token (24 h, INITIAL) if no valid administrator's token exists: *ret_secret is the whole
 * token text "<id>.<secret>", or NULL when there was one already. */
int skr_model_first_token(struct skr_txn *txn, char **ret_token, struct skr_error *error);

/* ---- requests of the API ---- */

enum skr_operation { SKR_OPERATION_CREATE, SKR_OPERATION_REPLACE, SKR_OPERATION_PATCH, SKR_OPERATION_DELETE };

struct skr_write_request {
    enum skr_operation operation;
    enum skr_resource_id resource;
    struct skr_principal principal;
    struct skr_uuid id;       /* not for CREATE */
    struct skr_object *input; /* CREATE, REPLACE: whole; PATCH: partial; owned by the caller */
    int64_t if_match;         /* etag, 0 = not given */
    bool if_none_match_any;   /* CREATE: If-None-Match: * */
    bool dry_run;             /* judge and answer, roll back: ends with -ECANCELED, no error set and `result` filled */
    /* Filled by skr_model_write (reset at each run; the caller clears at the end): */
    struct skr_object *result; /* after-image with computed and secret fields; DELETE: last image */
    struct skr_uuid job_id;    /* the job that the rules started to carry it out; nil: none */
};
/* An skr_write_fn; arg is a struct skr_write_request. Checks existence and visibility, If-Match, references (each
 * reference must exist and be visible to the principal), name uniqueness, the kind's maximum, then the object's own
 * rules. */
int skr_model_write(struct skr_txn *txn, void *request, struct skr_error *error);
void skr_write_request_done(struct skr_write_request *request);

struct skr_action_request {
    enum skr_resource_id resource;
    const char *verb;
    struct skr_principal principal;
    struct skr_uuid id;
    struct skr_object *input;   /* of the action's input table, NULL without one */
    json_t *result;             /* answer, new reference; may stay NULL (204) */
    struct skr_object *changed; /* the object acted on, after it; the job when one was started; may be NULL */
    struct skr_uuid job_id;     /* the job that was started; nil: none */
};
/* An skr_write_fn for POST .../{id}:verb. ip-pool:allocate {address?, kind}, :release {address}; host:remediate,
 * :revoke, :approve; job:cancel. */
int skr_model_action(struct skr_txn *txn, void *request, struct skr_error *error);
void skr_action_request_done(struct skr_action_request *request);

/* ---- moving an adapter (model.md, "Moving a VM") ---- */

/* Begins a move: target_host_id says where to, and what waits there is programmed. CONFLICT: the adapter is on no host,
 * on this one or moving already, or the target is not in service or does not reach the network; EXISTS: another adapter
 * has its explicit interface there. `adapter` is the row as it stands, here and below. */
int skr_adapter_move_begin(struct skr_txn *txn, struct skr_object *adapter, const struct skr_uuid *target_id,
                           struct skr_error *error);
/* The adapter stays where it is; nothing to do when it is not moving. */
int skr_adapter_move_cancel(struct skr_txn *txn, struct skr_object *adapter, struct skr_error *error);
/* The adapter is on its target from now on. CONFLICT when it is not moving. */
int skr_adapter_move_finish(struct skr_txn *txn, struct skr_object *adapter, struct skr_error *error);

/* Reads one or a page and fills COMPUTED fields. Same errors as the store, NOT_FOUND with a sentence. */
int skr_model_read(struct skr_txn *txn, const struct skr_principal *principal, enum skr_resource_id resource,
                   const struct skr_uuid *id, struct skr_object **ret, struct skr_error *error);
int skr_model_list(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_list_query *query,
                   struct skr_object **ret_objects, uint32_t *ret_count, bool *ret_more, struct skr_error *error);

/* ---- jobs (job.c): long work in steps, carried out by the jobs room ---- */

#define SKR_JOBS_MAX      10000 /* kept, ended ones included */
#define SKR_JOBS_OPEN_MAX 1000

struct skr_job_request {
    const char *kind;                      /* one of the table's */
    const struct skr_object *object;       /* what it is about; NULL: the controller as a whole */
    struct skr_uuid host_id, parent_id;    /* nil: none */
    const struct skr_principal *principal; /* who asks; NULL: the controller itself */
    json_t *input;                         /* object, kept with the row; may be NULL */
};
/* Inserts the row: the job begins when this write is committed, and not if it is not. An object has one open job at a
 * time: CONFLICT. LIMIT. Rules put *ret into struct skr_write's job_id, actions into the request's; the API then
 * answers 202 with Location: /v1/jobs/{id}. */
int skr_job_start(struct skr_txn *txn, const struct skr_job_request *request, struct skr_uuid *ret,
                  struct skr_error *error);
/* CONFLICT when it has ended or can no longer be taken back. */
int skr_job_cancel(struct skr_txn *txn, const struct skr_object *job, struct skr_error *error);
/* The open job about an object; -ENOENT without an error. */
int skr_job_of(struct skr_txn *txn, const struct skr_uuid *object_id, struct skr_object **ret, struct skr_error *error);
bool skr_job_is_open(const struct skr_object *job);
bool skr_job_in_state(const struct skr_object *job, const char *state);

/* Bearer token "<id>.<secret>" -> principal. UNAUTHENTICATED. */
int skr_model_authenticate(struct skr_txn *txn, const char *bearer, int64_t now_ms, struct skr_principal *ret,
                           struct skr_error *error);

/* ---- agents ---- */

/* The controller's certificate authority, kept in the settings: PEM of key and certificate. Made when missing by
 * `make_key_pem`/`make_certificate_pem` given by main (south owns TLS). */
int skr_model_authority_get(struct skr_txn *txn, char **ret_key_pem, char **ret_certificate_pem,
                            struct skr_error *error);
int skr_model_authority_set(struct skr_txn *txn, const char *key_pem, const char *certificate_pem,
                            struct skr_error *error);

struct skr_enrolment {
    const Skerry__V1__Enroll *enroll;
    uint8_t key_hash[32];
    /* result */
    struct skr_uuid host_id;
    bool pending_approval;
};
/* An skr_write_fn. Checks the token (hash, expiry, uses), takes a use bound to the key hash (the same key may retry and
 * gets the same host), creates the host in the token's host group with the given uplinks. UNAUTHENTICATED otherwise. */
int skr_model_enroll(struct skr_txn *txn, void *enrolment, struct skr_error *error);

/* May this key speak for this host? FORBIDDEN: revoked, removed, pending approval or another key; NOT_FOUND. */
int skr_model_authorize_host(struct skr_txn *txn, const struct skr_uuid *host_id, const uint8_t key_hash[static 32],
                             struct skr_error *error);

/* One thing an agent reported, as an ordinary write. `refusals` (new JSON array) lists what was not taken:
 * {adapter_id, customer_address, reason}. */
struct skr_report_write {
    struct skr_uuid host_id;
    const Skerry__V1__Report *report;
    Skerry__V1__ReportAccepted *accepted; /* result, protobuf-c allocated, owned by the caller */
};
int skr_model_report(struct skr_txn *txn, void *report_write, struct skr_error *error);
/* Hello, connect and disconnect: agent version, kernel, last seen, certificate end. */
struct skr_host_seen {
    struct skr_uuid host_id;
    const char *agent_version, *kernel; /* NULL: unchanged */
    int64_t certificate_expires_at_ms;  /* 0: unchanged */
    int64_t now_ms;
};
int skr_model_host_seen(struct skr_txn *txn, void *host_seen, struct skr_error *error);
/* The host's root digest matched at this revision: durable, frees what was retired at or before the lowest of all. */
struct skr_host_synced {
    struct skr_uuid host_id;
    int64_t revision;
};
int skr_model_host_synced(struct skr_txn *txn, void *host_synced, struct skr_error *error);

/* A Hello proved that the database is older than a host's: from now on every request's write is refused with CONFLICT
 * and a sentence that says what to do; durable. */
int skr_model_set_rolled_back(struct skr_txn *txn, void *unused, struct skr_error *error);
int skr_model_rolled_back(struct skr_txn *txn, bool *ret, struct skr_error *error);

/* Reason of the event that host:remediate leaves; its host_id says which host. South sends the command when it sees it.
 */
#define SKR_EVENT_REMEDIATION_REQUESTED "RemediationRequested"
/* Writes an event row; rules and south use it. */
struct skr_event_write {
    const char *reason, *object_kind;
    struct skr_uuid object_id, host_id, tenant_id; /* nil: none */
    char message[512]; /* of a tenant's event: names no host, provider address or interface */
    char detail[512];  /* for the fabric: with their names; empty: the message names all */
};
int skr_model_event(struct skr_txn *txn, void *event_write, struct skr_error *error);
