/* The rules of the objects. Everything here runs inside a transaction of the store: reads on a snapshot, writes in the
 * writer's savepoint, so whatever a rule checks still holds when it commits. One file an object (vm_subnet.c, ...),
 * each with one struct skr_rules; this header is what api, policy, south and jobs use. */
#pragma once

#include "controller/store/store.h"
#include <skerry/v1/southbound.pb-c.h>

/* A principal is the one who asks, under one grant: a role and what it reaches. */
enum skr_principal_kind {
    SKR_PRINCIPAL_MODEL,  /* the controller itself: rules, reports of agents, enrolment */
    SKR_PRINCIPAL_TOKEN,  /* a bearer token: token_id, name is the token's */
    SKR_PRINCIPAL_SESSION /* a user of the web page: token_id is the session's, user_id, name is the user's */
};
#define SKR_PRINCIPAL_NAME_MAX 128 /* bytes kept of a name */
struct skr_principal {
    enum skr_role role; /* one of the five */
    enum skr_principal_kind kind;
    struct skr_uuid token_id;      /* of the token or session: what is counted, limited and ended */
    struct skr_uuid user_id;       /* nil: a token */
    struct skr_uuid tenant_id;     /* nil: not bound to a tenant */
    struct skr_uuid host_group_id; /* nil: not bound to a host group; its subtree is found when it is judged */
    int64_t tenant_requests;       /* a second, of all the tenant's principals together; 0: no quota */
    bool joining;                  /* internal: an agent's report or enrolment */
    char name[SKR_PRINCIPAL_NAME_MAX];
    char address[46];    /* where the request came from; "" = inside */
    char request_id[37]; /* "" = inside */
};

/* The objects of one kind that a principal reaches. Everything that shows, changes or refers to objects asks this: one
 * object by skr_sight_covers(), a list by its query. Ask anew in each transaction. */
enum skr_sight_kind {
    SKR_SIGHT_NOTHING,
    SKR_SIGHT_ALL,
    SKR_SIGHT_TENANT, /* rows with this tenant_id */
    SKR_SIGHT_FABRIC, /* rows with none */
    SKR_SIGHT_WITHIN  /* rows whose `field` is one of `ids` */
};
struct skr_sight {
    enum skr_sight_kind kind;
    struct skr_uuid tenant_id;
    int field;
    struct skr_uuid *ids; /* sorted; owned */
    uint32_t count;
};
int skr_model_sees(struct skr_txn *txn, const struct skr_principal *principal, enum skr_resource_id resource,
                   struct skr_sight *ret, struct skr_error *error);
void skr_sight_done(struct skr_sight *sight);
bool skr_sight_covers(const struct skr_sight *sight, const struct skr_object *object);
/* The same for an object as the history remembers it; `fields` of skr_store_log_fields, for sights by a field. */
bool skr_sight_covers_logged(const struct skr_sight *sight, const struct skr_log_row *row, const json_t *fields);
/* 1: the write that has this revision changed something that the principal sees or saw; 0: for it there was none, or
 * the history no longer says. */
int skr_model_sees_write(struct skr_txn *txn, const struct skr_principal *principal, int64_t revision,
                         struct skr_error *error);
/* Limits a list to what is seen; false: nothing is. `query` borrows from `sight`. */
bool skr_sight_narrow(const struct skr_sight *sight, struct skr_list_query *query);
/* 1: the principal sees the object, 0: for it there is none. */
int skr_principal_sees(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_object *object,
                       struct skr_error *error);

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
    const json_t *echo;       /* REPLACE: the input as it came, to compare what it may not change; may be NULL */
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
/* The slow part of a write comes before it: the passphrase of a backup in the input becomes the authority's key
 * encrypted by it. On a thread that may take its time; nothing to do when it is not slow. */
bool skr_model_is_slow(const struct skr_write_request *request);
int skr_model_do_slow(struct skr_store *store, struct skr_write_request *request, struct skr_error *error);

struct skr_action_request {
    enum skr_resource_id resource;
    const char *verb;
    struct skr_principal principal;
    struct skr_uuid id;
    struct skr_object *input;   /* of the action's input table, NULL without one */
    bool dry_run;               /* like a write's: ends with -ECANCELED */
    json_t *result;             /* answer, new reference; may stay NULL (204) */
    struct skr_object *changed; /* the object acted on, after it; the job when one was started; may be NULL */
    struct skr_uuid job_id;     /* the job that was started; nil: none */
};
/* An skr_write_fn for POST .../{id}:verb. ip-pool:allocate {address?, kind}, :release {address}; host:approve,
 * :revoke; host:drain, :replace, :remediate and network-adapter:migrate start jobs; network-adapter:activate,
 * job:cancel. */
int skr_model_action(struct skr_txn *txn, void *request, struct skr_error *error);
void skr_action_request_done(struct skr_action_request *request);

/* ---- moving an adapter (docs/design/model.md, "Moving a VM") ---- */

/* Begins a move: target_host_id says where to, and what waits there is programmed. CONFLICT: the adapter is on no host,
 * on this one or moving already, or the target is not in service or does not reach the network; EXISTS: another adapter
 * has its explicit interface there. `adapter` is the row as it stands, here and below. */
int skr_adapter_move_begin(struct skr_txn *txn, struct skr_object *adapter, const struct skr_uuid *target_id,
                           struct skr_error *error);
/* CONFLICT: its host switches here and there come from different logical switches, or one host alone has one for it. */
int skr_adapter_move_boundary(struct skr_txn *txn, const struct skr_object *adapter, const struct skr_uuid *target_id,
                              struct skr_error *error);
/* The adapter stays where it is; nothing to do when it is not moving. */
int skr_adapter_move_cancel(struct skr_txn *txn, struct skr_object *adapter, struct skr_error *error);
/* The adapter is on its target from now on. CONFLICT when it is not moving. */
int skr_adapter_move_finish(struct skr_txn *txn, struct skr_object *adapter, struct skr_error *error);

#define SKR_REMOVAL_PORTS_MAX 100 /* ports that a refusal lists */
/* At the end of a request's write: NEEDS_CONFIRMATION when it takes many ports from a host, with {ports: [{id, name,
 * host_id}], port_count} (new reference): those that the principal sees, and how many there are in all. Ask only when
 * the request did not say confirm=true. */
int skr_model_confirm(struct skr_txn *txn, const struct skr_principal *principal, json_t **ret_removal,
                      struct skr_error *error);

/* ---- retried requests (retry.c) ---- */

#define SKR_RETRIES_MAX   10000 /* keys kept a principal; the oldest go first */
#define SKR_RETRY_KEPT_MS (INT64_C(24) * 3600 * 1000)
#define SKR_RETRY_KEY_MAX 255

/* A POST with an Idempotency-Key. */
struct skr_retry {
    struct skr_uuid principal_id;
    const char *key;  /* of the caller */
    const char *path; /* of the caller */
    uint8_t body_hash[32];
    /* Filled by skr_model_retry_find when the request was done before: */
    int64_t revision;
    char *objects; /* what skr_model_retry_keep was given; NULL: it is new */
};
/* INVALID: the key came with another request. */
int skr_model_retry_find(struct skr_txn *txn, struct skr_retry *retry, struct skr_error *error);
/* In the write that does it. Never put a secret into `objects`. */
int skr_model_retry_keep(struct skr_txn *txn, const struct skr_retry *retry, const char *objects,
                         struct skr_error *error);
/* Forgets at most `max` that are too old. */
int skr_model_retry_prune(struct skr_txn *txn, int64_t now_ms, unsigned max, struct skr_error *error);
void skr_retry_done(struct skr_retry *retry);

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
    bool beside; /* another job about the object may be open: this one ends what it is about */
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

/* ---- sessions ---- */

#define SKR_SESSION_MS            (12LL * 3600 * 1000) /* after the login it ends */
#define SKR_SESSION_IDLE_MS       (30LL * 60 * 1000)   /* without use too */
#define SKR_SESSION_TOUCH_MS      (60LL * 1000)        /* so often its use is written down */
#define SKR_SESSIONS_PER_USER_MAX 16                   /* one more ends the oldest */
#define SKR_SESSION_COOKIE_MAX    128
#define SKR_SESSION_CSRF_MAX      65

/* How the hash of a password begins: Argon2id, version 19, 19 MiB, two passes, one lane. */
#define SKR_PASSWORD_HASH_PREFIX "$argon2id$v=19$m=19456,t=2,p=1$"
/* The user who logs in by this name; -ENOENT without an error. Its hash is SKR_USER_PASSWORD_HASH. */
int skr_model_find_user(struct skr_txn *txn, const char *name, struct skr_object **ret, struct skr_error *error);
struct skr_login {
    struct skr_uuid user_id, role_binding_id; /* nil: the only one */
    char password_hash[256];                  /* that the password matched */
    char address[46], request_id[37];
    /* result */
    char cookie[SKR_SESSION_COOKIE_MAX];
    struct skr_object *session; /* with its CSRF token */
};
/* An skr_write_fn. UNAUTHENTICATED; INVALID with the role bindings when there are several and none is named. */
int skr_model_login(struct skr_txn *txn, void *login, struct skr_error *error);
void skr_login_done(struct skr_login *login);
/* A user's own password, from one of his sessions; the others end. */
struct skr_password_change {
    struct skr_principal principal;
    char old_hash[256], new_hash[256]; /* that the current one matched; of the new one */
};
/* An skr_write_fn. CONFLICT when it is another one by now. */
int skr_model_change_password(struct skr_txn *txn, void *change, struct skr_error *error);
/* Cookie "<id>.<secret>" -> principal. *ret_touch: its use is to be written down. UNAUTHENTICATED. */
int skr_model_authenticate_session(struct skr_txn *txn, const char *cookie, int64_t now_ms, struct skr_principal *ret,
                                   bool *ret_touch, struct skr_error *error);
/* UNAUTHENTICATED once the token or session of a principal who was let in has ended: asked again by what goes on long
 * after a request began. */
int skr_model_check_principal(struct skr_txn *txn, const struct skr_principal *principal, int64_t now_ms,
                              struct skr_error *error);
/* skr_write_fns of a struct skr_uuid; nothing when the session is gone. */
int skr_model_touch_session(struct skr_txn *txn, void *session_id, struct skr_error *error);
int skr_model_logout(struct skr_txn *txn, void *session_id, struct skr_error *error);
/* Makes the value that X-CSRF-Token must have from the cookie's secret. */
void skr_session_csrf(const char *secret, char ret[static SKR_SESSION_CSRF_MAX]);

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
    char host_name[4 * SKR_NAME_MAX + 1]; /* that it has now */
    bool pending_approval;
};
/* An skr_write_fn. Checks the token (hash, expiry, uses), takes a use bound to the key hash (the same key may retry and
 * gets the same host), creates the host in the token's host group with the given uplinks. UNAUTHENTICATED otherwise. */
int skr_model_enroll(struct skr_txn *txn, void *enrolment, struct skr_error *error);

/* May this key speak for this host? FORBIDDEN: revoked, removed, pending approval or another key; NOT_FOUND. */
int skr_model_authorize_host(struct skr_txn *txn, const struct skr_uuid *host_id, const uint8_t key_hash[static 32],
                             struct skr_error *error);

/* The names in the parts of one whole report so far; when its last part has been taken, what the host had and did
 * not name is gone. Belongs to the session that reports; one write at a time uses it. */
struct skr_report_names;
struct skr_report_names *skr_report_names_new(int64_t began_ms);
void skr_report_names_free(struct skr_report_names *names);

/* When ports last showed the addresses that they hold: an occurrence that is older than what the holder has shown is
 * history, and history does not overrule the present. In memory, at most 65,536 records; the writer's thread alone uses
 * it. */
struct skr_evidence;
struct skr_evidence *skr_evidence_new(void);
void skr_evidence_free(struct skr_evidence *evidence);

/* The place in a report at which a piece of it begins. Zeroed: its beginning. */
struct skr_report_place {
    unsigned section;
    size_t index;
};
/* A piece of what an agent reported, as an ordinary write: at most SKR_REPORT_PIECE_MAX items and about 5 ms of work,
 * so that other writes do not wait for a large report. `accepted` lists what of the piece was refused. */
#define SKR_REPORT_PIECE_MAX 64
/* A learned address that a port shows while another port holds it: the holder's agent is to ask its guest. */
struct skr_question {
    struct skr_uuid host_id, adapter_id; /* of the holder */
    struct skr_address address;
};
struct skr_report_write {
    struct skr_uuid host_id;
    const Skerry__V1__Report *report;
    bool held;                      /* of a session that was told that the database is rolled back */
    int64_t received_ms;            /* wall clock */
    struct skr_report_names *names; /* of the whole report that this is a part of; NULL: of none */
    struct skr_evidence *evidence;  /* NULL: only the database remembers */
    struct skr_report_place begin;
    /* results */
    struct skr_report_place next;                        /* where the next piece begins */
    bool done;                                           /* there is none */
    struct skr_question questions[SKR_REPORT_PIECE_MAX]; /* at most one an item */
    size_t question_count;
    Skerry__V1__ReportAccepted *accepted; /* protobuf-c allocated, owned by the caller */
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

/* Hosts showed that the database is older than what they received: by a proof, or because several say so. */
struct skr_rollback {
    char hosts[192];             /* their names, for people */
    struct skr_uuid database_id; /* that they hold: ours, or another */
    uint64_t revision;           /* the highest that they hold of it */
    bool proved;
};
/* An skr_write_fn; `rollback` is a const struct skr_rollback. From now on every request's
 * write is refused with CONFLICT and a sentence that says what to do; durable. */
int skr_model_set_rolled_back(struct skr_txn *txn, void *rollback, struct skr_error *error);
/* The other database whose hosts an administrator has let in by accepting this one; nil: none. */
int skr_model_accepted_database(struct skr_txn *txn, struct skr_uuid *ret, struct skr_error *error);
/* Counts the hosts that are enrolled and active, to `max` at most. */
int skr_model_count_hosts(struct skr_txn *txn, unsigned max, unsigned *ret, struct skr_error *error);
/* Writes down what is wrong with a host's session. */
struct skr_host_problem {
    struct skr_uuid host_id;
    const char *reason; /* of the event */
    char text[512];     /* of the event and of the host's status; empty: nothing is wrong any more, without an event */
};
/* An skr_write_fn of a const struct skr_host_problem. */
int skr_model_host_problem(struct skr_txn *txn, void *host_problem, struct skr_error *error);
#define SKR_EVENT_HOST_IN_DOUBT        "HostStateInDoubt"
#define SKR_EVENT_HOST_IDENTITY_SHARED "HostIdentityShared"
/* An skr_write_fn: an administrator has reviewed what hosts have that a restored or rolled back database has not, and
 * goes on with it. Revisions go on far beyond any that a host may have received, so that none proves it older again;
 * hosts that were held for what they say alone are judged anew too. CONFLICT when it is not rolled back and no host is
 * held. `principal`: const struct skr_principal, for the audit log. */
int skr_model_accept_database(struct skr_txn *txn, void *principal, struct skr_error *error);
/* Reasons of the events that say so: south ends every session, and judges each host anew when it comes back. */
#define SKR_EVENT_DATABASE_ROLLED_BACK "DatabaseRolledBack"
#define SKR_EVENT_DATABASE_ACCEPTED    "DatabaseAccepted"
/* Settings that a copy of the database treats apart. */
#define SKR_SETTING_AUTHORITY_KEY "authority.key"
#define SKR_SETTING_ROLLED_BACK   "rolled_back"
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

/* ---- address management (overlap.c) ---- */

/* Finds overlaps: {items: [{conflict, first, second}], complete}. For a tenant, of its VM subnets; with neither
 * `tenant_id` nor a tenant of the principal's own the subnets of sites, and VLANs that sites of several logical
 * networks use at the same hosts. NOT_FOUND, FORBIDDEN; LIMIT when there is more than one answer can compare. New
 * reference in *ret. */
int skr_model_overlaps(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_uuid *tenant_id,
                       json_t **ret, struct skr_error *error);

/* ---- history ---- */

/* A request to write that did not get as far as the rules: not well formed, not allowed. */
struct skr_refusal {
    struct skr_principal principal;
    char method[8], path[256];
    const struct skr_resource *resource; /* NULL: unknown */
    struct skr_uuid id;                  /* nil: none */
    struct skr_error why;
};
/* An skr_write_fn: the audit record of a struct skr_refusal. What skr_model_write and skr_model_action refuse or do
 * leaves its own. */
int skr_model_refusal(struct skr_txn *txn, void *refusal, struct skr_error *error);
/* An skr_write_fn: takes away audit records and events that are too old or too many, at most 1,000 of each; run now
 * and then. */
int skr_model_prune(struct skr_txn *txn, void *unused, struct skr_error *error);
