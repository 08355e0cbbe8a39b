/* Inside the HTTP room: a connection (peer), a request, and how a request waits.
 *
 * A request lives on the HTTP worker that owns its connection. libmicrohttpd calls us with the headers, with pieces of
 * the body, and once more when all is there; then the route's handler either answers (skr_http_answer_*) or suspends
 * (skr_http_suspend) and hands the request to somebody: the writer, the policy, a commit, always with a deadline that
 * the timer keeps. Whoever is first calls skr_http_complete(), which resumes exactly once and says so by returning
 * true; the worker then goes on with the request's `next` step. So only workers parse, judge, render and answer, and an
 * owner does no more than write its result into memory of its own and complete.
 *
 * References: libmicrohttpd holds one on the request until NOTIFY_COMPLETED, every owner one of its own, and the peer
 * one while the request is suspended. Locks: a peer's lock is held for a few instructions and never while libmicrohttpd
 * is called; `peers_lock` is taken before it. */
#pragma once

#include "controller/api/api.h"

#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <stdatomic.h>

#define SKR_HTTP_CONNECTIONS_MAX 2048
#define SKR_HTTP_BODY_MAX        (1 << 20)
#define SKR_HTTP_BODY_SMALL      (64 << 10)
/* The body of an address that needs no token: a login is a name and a password. */
#define SKR_HTTP_BODY_PUBLIC (4 << 10)
/* An answer up to this size counts for nothing: what all connections together hold of these is little. */
#define SKR_HTTP_ANSWER_SMALL (16 << 10)
/* A refused body up to this size is read and thrown away, so that the client gets to see the answer. */
#define SKR_HTTP_DRAIN_MAX       (8 << 20)
#define SKR_HTTP_HEADERS_MAX     (16 << 10)
#define SKR_HTTP_MEMORY_MAX      (64 << 10)
#define SKR_HTTP_QUERY_MAX       32
#define SKR_HTTP_DEPTH_MAX       32
#define SKR_HTTP_TOKENS_MAX      50000
#define SKR_HTTP_WATCHES_MAX     256
#define SKR_HTTP_WAIT_MAX_MS     (300 * 1000)
#define SKR_HTTP_WAIT_DEFAULT_MS (30 * 1000)
#define SKR_HTTP_REQUEST_ID_MAX  37

struct skr_http_request;

/* ---- what clients share (pool.c) ---- */

struct skr_http_pool;
struct skr_http_pool_limits {
    const char *what;   /* "watches open": for messages */
    const char *advice; /* to a holder that has too many: "close one" */
    int64_t total, of_tenant, of_principal;
    int64_t reserve; /* of total: no tenant gets it */
};
struct skr_http_pool *skr_http_pool_new(const struct skr_http_pool_limits *limits);
void skr_http_pool_free(struct skr_http_pool *pool); /* NULL is fine */
/* Any thread. 0, or TOO_MANY with a sentence that says whose limit it is. */
int skr_http_pool_take(struct skr_http_pool *pool, const struct skr_principal *principal, int64_t count,
                       struct skr_error *error);
/* Counts what cannot be refused any more. */
void skr_http_pool_force(struct skr_http_pool *pool, const struct skr_principal *principal, int64_t count);
void skr_http_pool_give(struct skr_http_pool *pool, const struct skr_principal *principal, int64_t count);

enum skr_http_pool_id {
    SKR_HTTP_POOL_CONNECTIONS,
    SKR_HTTP_POOL_WATCHES,
    SKR_HTTP_POOL_WAITS,
    SKR_HTTP_POOL_BIG_BODIES,
    SKR_HTTP_POOL_ANSWERS, /* bytes */
    SKR_HTTP_POOL_COUNT
};
struct skr_http_peer;
void skr_http_pools_new(struct skr_http_pool *pools[static SKR_HTTP_POOL_COUNT]);
void skr_http_pools_free(struct skr_http_pool *pools[static SKR_HTTP_POOL_COUNT]);
/* Worker only, once it is known who asks. 0, or TOO_MANY. A request lets go of all that it holds at its end at the
 * latest. */
int skr_http_hold(struct skr_http_request *request, enum skr_http_pool_id pool, int64_t count, struct skr_error *error);
void skr_http_let_go(struct skr_http_request *request, enum skr_http_pool_id pool);
/* A connection counts for the principal of its last request. TOO_MANY. */
int skr_http_hold_connection(struct skr_http_request *request, struct skr_error *error);
void skr_http_let_go_connection(struct skr_http_peer *peer);

/* ---- routes (route.c) ---- */

enum skr_http_method {
    SKR_HTTP_GET = 1 << 0,
    SKR_HTTP_POST = 1 << 1,
    SKR_HTTP_PUT = 1 << 2,
    SKR_HTTP_PATCH = 1 << 3,
    SKR_HTTP_DELETE = 1 << 4,
    SKR_HTTP_OTHER = 0
};
#define SKR_HTTP_METHOD_COUNT 5

enum skr_route_kind { SKR_ROUTE_FIXED, SKR_ROUTE_COLLECTION, SKR_ROUTE_OBJECT, SKR_ROUTE_ACTION };

typedef void skr_http_step_fn(struct skr_http_request *request);

/* Addresses that no resource table makes: one row an address and method, those of one address next to each other. A
 * path that ends in '/' takes one more word. Routing, authorization and OpenAPI come from this table alone. */
struct skr_fixed_route {
    const char *path;
    const char *word; /* name of that word */
    enum skr_http_method method;
    enum skr_role role; /* for whom it is; PUBLIC: it needs no token */
    const char *help;
    const char *const *parameters; /* of the query */
    const char *body_media;        /* of the request's body, NULL: application/json */
    const char *body;              /* JSON schema of the request's body as JSON text; NULL: it takes none */
    unsigned status;               /* of success */
    const char *answer_media;      /* of the answer, NULL: application/json */
    const char *answer;            /* JSON schema of a successful answer as JSON text; NULL: it has no body */
    skr_http_step_fn *handle;
};
extern const struct skr_fixed_route skr_fixed_routes[];
extern const unsigned skr_fixed_route_count;

struct skr_route {
    enum skr_route_kind kind;
    unsigned methods;                    /* set of enum skr_http_method */
    const struct skr_fixed_route *fixed; /* the first row of the address; see skr_route_take_method */
    const struct skr_resource *resource;
    const struct skr_action *action;
    struct skr_uuid id;
    const char *word; /* into the path */
};
/* NOT_FOUND with a sentence that names the nearest address. */
int skr_route_find(const char *path, struct skr_route *ret, struct skr_error *error);
/* False: the address does not take the method. */
bool skr_route_take_method(struct skr_route *route, enum skr_http_method method);
/* For whom the route is, with the method; NOBODY: a table forgot to say, and nobody gets in. */
enum skr_role skr_route_role(const struct skr_route *route, enum skr_http_method method);
bool skr_route_is_public(const struct skr_route *route, enum skr_http_method method);
enum skr_http_method skr_http_method_parse(const char *text);
/* "GET, POST": for the Allow header and messages. */
#define SKR_HTTP_METHODS_TEXT_MAX 40
char *skr_http_methods_format(unsigned methods, char out[static SKR_HTTP_METHODS_TEXT_MAX]);
/* Methods of a resource's collection and of its objects. */
unsigned skr_route_collection_methods(const struct skr_resource *resource);
unsigned skr_route_object_methods(const struct skr_resource *resource);
/* The query parameters that a route takes with a method, NULL-terminated; a list takes its FILTER fields besides. */
const char *const *skr_route_parameters(const struct skr_route *route, enum skr_http_method method);

/* ---- requests (request.c) ---- */

/* One TCP connection. libmicrohttpd holds a reference until it closes the socket, each request one. */
struct skr_http_peer {
    unsigned references;                   /* atomic */
    struct skr_http_peer *previous, *next; /* of api->peers, under peers_lock */
    struct skr_api *api;
    pthread_mutex_t lock;
    int fd;                             /* -1 once libmicrohttpd is about to close it */
    int64_t deadline_ns;                /* complete what is suspended, else shut the socket down */
    struct skr_http_request *suspended; /* with a reference */
    bool is_held;                       /* it counts as a connection of `holder`; of the worker alone */
    struct skr_principal holder;
    bool bad_target; /* of the request whose line has come last: skr_http_target_is_good */
};

enum skr_http_outcome { SKR_HTTP_DONE, SKR_HTTP_TIMEOUT, SKR_HTTP_STOPPING };

struct skr_http_parameter {
    const char *name, *value; /* of libmicrohttpd's memory, live as long as the request */
    bool used;
};

struct skr_http_request {
    unsigned references; /* atomic */
    struct skr_api *api;
    struct skr_http_peer *peer;
    struct MHD_Connection *connection;
    struct skr_http_request *resume_next; /* chain of those the timer or the stop completes */
    char id[SKR_HTTP_REQUEST_ID_MAX];
    int64_t started_ns;

    enum skr_http_method method;
    struct skr_route route;
    struct skr_principal principal;
    char path[256]; /* as it was asked for, cut; for the audit log */
    bool audited;   /* whoever has the request now leaves its record, refused or not */
    struct skr_http_parameter parameters[SKR_HTTP_QUERY_MAX];
    unsigned parameter_count;

    char *body;
    size_t body_size, body_capacity, drained;
    bool has_body;          /* one is announced */
    bool closes;            /* the connection ends with the answer */
    bool refused;           /* `error` answers it, whatever the body holds */
    unsigned retry_after_s; /* of a refusal that passes; 0: it is not known when */
    struct skr_error error;

    bool interruptible; /* suspended for news, not for a write: a stop completes it at once */
    enum skr_http_outcome outcome;
    skr_http_step_fn *next;
    void *wait; /* wait.c alone */
    void *job;  /* of whoever handles it; freed by free_job */
    void (*free_job)(void *job);

    struct MHD_Response *response;
    unsigned status;
    int64_t held[SKR_HTTP_POOL_COUNT];

    skr_http_step_fn *after_passwords; /* password.c alone */
    void *scratch;                     /* of a handler with several steps; freed with the request */
};

struct skr_http_request *skr_http_request_new(struct skr_api *api, struct MHD_Connection *connection);
struct skr_http_request *skr_http_request_ref(struct skr_http_request *request);
void skr_http_request_unref(struct skr_http_request *request);
/* Headers are here: route, method, token, limits, query. A refusal stands in request->error. */
void skr_http_request_begin(struct skr_http_request *request, const char *path, const char *method,
                            const char *version);
/* Takes a piece of the body or throws it away. */
void skr_http_request_body(struct skr_http_request *request, const char *data, size_t size);
/* The body as JSON; NULL with request->error filled. */
json_t *skr_http_request_json(struct skr_http_request *request);
/* Lets go of the answer, which has been sent or never will be; a cookie in it is cleared. */
void skr_http_request_drop_response(struct skr_http_request *request);
/* Frees the body's bytes as soon as they are parsed. */
void skr_http_request_drop_body(struct skr_http_request *request);

/* ---- where a request ends (framing.c) ---- */

/* The address as it came, before libmicrohttpd decodes it: %00 would end the path. */
bool skr_http_target_is_good(const char *target);
/* SYNTAX, and the connection is to be closed: others may read the bytes of this request differently. */
int skr_http_judge_framing(struct skr_http_request *request, const char *version, struct skr_error *error);

/* Clears what malloc gave and frees it; NULL is fine. For what may hold a secret: a body, an answer. */
void skr_http_forget(void *memory);
/* From now on jansson and GnuTLS clear what they free. Process-wide, and before any thread uses them. */
void skr_http_forget_what_is_freed(void);

/* NULL when not given. */
const char *skr_http_parameter(struct skr_http_request *request, const char *name);
const char *skr_http_header(struct skr_http_request *request, const char *name);
/* ?name=true|false, absent = false. */
int skr_http_boolean(struct skr_http_request *request, const char *name, bool *ret, struct skr_error *error);
/* ?wait=realized[&timeout=30s]: ret_timeout_ms 0 when no wait is asked for. */
int skr_http_wait_parameters(struct skr_http_request *request, unsigned *ret_timeout_ms, struct skr_error *error);
/* "500ms", "30s", "2m"; -EINVAL. */
int skr_http_duration_parse(const char *text, unsigned *ret_ms);
/* "123" in quotes; ret_etag 0 = none given. "Any version" (*) is refused: it would undo what this header is for. */
int skr_http_if_match(const char *text, int64_t *ret_etag, struct skr_error *error);

/* Worker only. The request will be completed by its owner, or by the timer at the deadline; then `next` runs. */
void skr_http_suspend(struct skr_http_request *request, int64_t deadline_ns, skr_http_step_fn *next);
/* Any thread, with a reference of its own. False: somebody else was first. */
bool skr_http_complete(struct skr_http_request *request, enum skr_http_outcome outcome);

/* ---- a write of a handler's own, beside those of objects (own_write.c) ---- */

/* First in what the handler hands to the writer. It outlives a request that was answered by its deadline: the writer
 * may take it all the same. */
struct skr_http_own_write {
    unsigned references; /* atomic: the request's and the writer's */
    struct skr_http_request *request;
    void (*release)(struct skr_http_own_write *write);
    int result;
    struct skr_error error;
};
/* Worker only. Suspends the request, has the writer run fn(txn, write) and goes on with `next`. Takes `write`, zeroed
 * but for what stands behind it: request->job; `release` frees it after the last use, on whatever thread. */
void skr_http_own_write(struct skr_http_request *request, struct skr_http_own_write *write, skr_write_fn *fn,
                        void (*release)(struct skr_http_own_write *write), skr_http_step_fn *next);
/* In `next`: what came of it; -errno with request->error, which is `late` when the writer has not answered in time. */
int skr_http_own_write_result(struct skr_http_request *request, const char *late);

/* ---- answers (answer.c, problem.c) ---- */

/* `body` is stolen, may be NULL for no body. Adds the headers all answers have. */
void skr_http_answer(struct skr_http_request *request, unsigned status, json_t *body);
void skr_http_answer_text(struct skr_http_request *request, unsigned status, const char *type, char *stolen);
/* The same text for everybody, which lives as long as the API: no copy of it for each client. */
void skr_http_answer_shared(struct skr_http_request *request, unsigned status, const char *type, const char *text);
void skr_http_answer_error(struct skr_http_request *request, const struct skr_error *error);
/* When what is about to be refused may be tried again: Retry-After, in whole seconds. */
void skr_http_retry_after(struct skr_http_request *request, int64_t wait_ns);
/* With more members in the problem's object; `members` is borrowed and may be NULL. */
void skr_http_answer_problem(struct skr_http_request *request, const struct skr_error *error, json_t *members);
void skr_http_add_header(struct skr_http_request *request, const char *name, const char *value);
/* Adds the headers of every answer: its id, and that browsers guess no type and come back over TLS alone (RFC 6797). */
void skr_http_add_common_headers(struct skr_http_request *request);
void skr_http_add_revision(struct skr_http_request *request, int64_t revision);
void skr_http_add_etag(struct skr_http_request *request, int64_t etag);
/* application/problem+json of RFC 9457. */
json_t *skr_problem_to_json(const struct skr_error *error, const char *request_id);
/* A JSON string of text that may not be UTF-8. */
json_t *skr_json_text(const char *text);

/* ---- deadlines (timer.c) ---- */

int skr_http_timer_start(struct skr_api *api);
void skr_http_timer_stop(struct skr_api *api);
void skr_http_peer_deadline(struct skr_http_peer *peer, int64_t deadline_ns);
void skr_http_peer_started(struct skr_api *api, struct MHD_Connection *connection, void **socket_context);
void skr_http_peer_closed(void **socket_context);
void skr_http_peer_unref(struct skr_http_peer *peer);
/* Completes what is suspended, all of it or what is interruptible. */
void skr_http_complete_all(struct skr_api *api, bool interruptible_only);

/* ---- limits (limits.c) ---- */

struct skr_http_limits;
struct skr_http_limits *skr_http_limits_new(unsigned requests_per_second);
void skr_http_limits_free(struct skr_http_limits *limits);
/* Takes that many tokens of somebody's bucket, at most all it can ever hold. 0, or how many ns later there will be as
 * many when nobody takes any before. `per_second`: how fast it fills, 0 = as everybody's. */
int64_t skr_http_limits_take(struct skr_http_limits *limits, const struct skr_uuid *id, unsigned count,
                             int64_t per_second, int64_t now_ns);
/* The same for what a request asks: of its token's or session's bucket, and of its tenant's when that has a quota.
 * TOO_MANY. `what`: "requests" or "operations". */
int skr_http_limit(struct skr_http_request *request, unsigned count, const char *what, struct skr_error *error);

/* ---- what the audit log says of requests that never reach the rules (audit.c) ---- */

/* Leaves a record of a refused write, unless the rules do or nobody is known to have asked. */
void skr_http_audit_refusal(struct skr_http_request *request, const struct skr_error *why);

/* ---- who asks (auth.c) ---- */

struct skr_http_auth;
#define SKR_HTTP_COOKIE "__Host-skerry-session"
struct skr_http_auth *skr_http_auth_new(void);
void skr_http_auth_free(struct skr_http_auth *auth);
/* Forgets everything: a token changed. */
void skr_http_auth_forget(struct skr_http_auth *auth);
/* request->principal from the token or the session's cookie, where it asks from included. UNAUTHENTICATED; FORBIDDEN: a
 * page of another site, or a write of a session without its X-CSRF-Token. */
int skr_http_authenticate(struct skr_http_request *request, struct skr_error *error);
/* Address and request id into the principal: from now on what it writes, or tries to, is recorded. */
void skr_http_say_where(struct skr_http_request *request);
/* FORBIDDEN when a browser says that the page which asks is another site's. */
int skr_http_check_origin(struct skr_http_request *request, struct skr_error *error);
/* Makes the value that X-CSRF-Token must have; -EINVAL: there is no session's cookie. */
int skr_http_csrf(struct skr_http_request *request, char ret[static SKR_SESSION_CSRF_MAX]);
/* May the principal use the route at all? FORBIDDEN, the same for every id. */
int skr_http_authorize(const struct skr_principal *principal, const struct skr_route *route,
                       enum skr_http_method method, struct skr_error *error);

/* ---- what takes long (slow.c) ---- */

/* One thread computes Argon2id and scrypt for all, so that no worker and no write waits for it. */
struct skr_http_slow;
struct skr_http_slow_task {
    /* On that thread; `stopping`: it has ended, and nothing may be begun. */
    void (*run)(struct skr_http_slow_task *task, bool stopping);
    struct skr_http_slow_task *next;
};
struct skr_http_slow *skr_http_slow_new(void);
/* Ends the thread; what still waits runs as stopping. NULL is fine. */
void skr_http_slow_free(struct skr_http_slow *slow);
/* False: too many wait already. */
bool skr_http_slow_submit(struct skr_http_slow *slow, struct skr_http_slow_task *task);
#define SKR_HTTP_SLOW_FULL "Many passwords and passphrases are being looked at already; try again in a moment"

/* ---- passwords (password.c) ---- */

#define SKR_HTTP_PASSWORD_MAX      1024
#define SKR_HTTP_PASSWORD_HASH_MAX 256
struct skr_http_passwords;
struct skr_http_passwords *skr_http_passwords_new(void);
/* NULL is fine. */
void skr_http_passwords_free(struct skr_http_passwords *passwords);
/* Suspends the request until the password is hashed (`hash` NULL) or compared with `hash` ("": with nobody's, which
 * takes as long and never matches); then `next` runs with request->job the answer. */
void skr_http_password_submit(struct skr_http_request *request, const char *password, const char *hash,
                              skr_http_step_fn *next);
/* In `next`: 1 it matches (is made), 0 not, -errno with request->error filled: TOO_MANY when the queue is full.
 * *ret_hash as long as the request's job. */
int skr_http_password_result(struct skr_http_request *request, const char **ret_hash);
/* Attempts to log in: false when this name or address has failed too often lately. */
bool skr_http_password_may_try(struct skr_http_request *request, const char *name);
void skr_http_password_failed(struct skr_http_request *request, const char *name);
/* Before a write of a user: the password in the body becomes its hash, then `next` runs; of anything else `next` alone.
 */
void skr_http_hash_passwords(struct skr_http_request *request, skr_http_step_fn *next);

/* ---- handlers ---- */

void skr_http_login(struct skr_http_request *request);        /* session.c: POST /v1/sessions */
void skr_http_logout(struct skr_http_request *request);       /* session.c: DELETE /v1/sessions/current */
void skr_http_own_password(struct skr_http_request *request); /* own_password.c: POST /v1/sessions/current:password */
void skr_http_whoami(struct skr_http_request *request);       /* session.c: GET /v1/sessions/current */

void skr_http_list(struct skr_http_request *request);            /* list.c */
void skr_http_get(struct skr_http_request *request);             /* list.c */
void skr_http_write(struct skr_http_request *request);           /* write.c: POST, PUT, PATCH, DELETE and actions */
void skr_http_accept_database(struct skr_http_request *request); /* accept.c */
void skr_http_batch(struct skr_http_request *request);           /* write.c */
void skr_http_realization(struct skr_http_request *request);     /* wait.c */
void skr_http_watch(struct skr_http_request *request);           /* watch.c */
void skr_http_openapi(struct skr_http_request *request);         /* openapi.c */
void skr_http_healthz(struct skr_http_request *request);         /* health.c */
void skr_http_readyz(struct skr_http_request *request);
void skr_http_metrics(struct skr_http_request *request);
void skr_http_controller(struct skr_http_request *request);
void skr_http_overlaps(struct skr_http_request *request); /* overlaps.c: GET /v1/overlaps */
void skr_http_page(struct skr_http_request *request);     /* page.c */

/* The self-service page: the files of web/, compiled in by cmake/page.cmake. Only what stands here is served. */
struct skr_page_file {
    const char *path, *type, *etag;
    const unsigned char *bytes;
    size_t size;
};
extern const struct skr_page_file skr_page_files[];
extern const unsigned skr_page_file_count;

/* A filter tells as much as its field: of what somebody may not read he may not ask either. */
bool skr_http_may_filter(const struct skr_principal *principal, const struct skr_field *field);
/* Filters of a list or watch: every parameter that is not one of the route's own must be a FILTER field. */
int skr_http_filters(struct skr_http_request *request, struct skr_list_query *query, struct skr_error *error);
void skr_http_filters_clear(struct skr_list_query *query);

/* Waits until a write is realized or `timeout_ms` is over, then `next` runs with *ret filled. */
void skr_http_wait_realized(struct skr_http_request *request, int64_t revision, unsigned timeout_ms,
                            struct skr_realization *ret, skr_http_step_fn *next);
/* Worker only. The client has left, so that `next` will not run: nothing waits for its request any more. */
void skr_http_wait_abandon(struct skr_http_request *request);

/* ---- rendering (render.c) ---- */

/* Member names of ?fields=, NULL-terminated pointers into `text`. */
#define SKR_HTTP_FIELDS_MAX 64
struct skr_http_fields {
    char *text;
    const char *names[SKR_HTTP_FIELDS_MAX];
    unsigned count; /* 0 = all */
};
int skr_http_fields_parse(const struct skr_resource *resource, const char *text, struct skr_http_fields *ret,
                          struct skr_error *error);
void skr_http_fields_done(struct skr_http_fields *fields);
/* Fills in what is known of the object's realization now. */
void skr_render_look_up(struct skr_api *api, const struct skr_object *object, struct skr_realization *ret);
/* False: `text` names no state. */
bool skr_render_state_parse(const char *text, enum skr_realization_state *ret);
/* The object with its `status`. `realization` NULL: looked up. `fields` NULL: all. */
json_t *skr_render_object(struct skr_api *api, const struct skr_principal *principal, const struct skr_object *object,
                          const struct skr_realization *realization, const struct skr_http_fields *fields);
json_t *skr_render_realization(const struct skr_principal *principal, const struct skr_realization *realization);

/* ---- watch (watch.c) ---- */

struct skr_http_watches;
struct skr_http_watches *skr_http_watches_new(void);
void skr_http_watches_free(struct skr_http_watches *watches);
void skr_http_watches_changes(struct skr_http_watches *watches, const struct skr_change *changes, size_t count);
void skr_http_watches_realizations(struct skr_http_watches *watches, const struct skr_realization_change *changes,
                                   size_t count);
unsigned skr_http_watches_count(struct skr_http_watches *watches);

/* ---- pieces that stand alone ---- */

/* Before jansson sees a body: nesting and number of values are bounded. TOO_LARGE. (prescan.c) */
int skr_json_prescan(const char *text, size_t size, struct skr_error *error);

/* Page tokens: opaque, signed, bound to what was asked. (page_token.c) */
#define SKR_PAGE_TOKEN_MAX 48
struct skr_page_key {
    uint8_t bytes[32];
};
struct skr_page_key skr_page_key_make(const struct skr_uuid *database_id, const struct skr_digest_key *key);
char *skr_page_token_make(const struct skr_page_key *key, const char *binding, const struct skr_uuid *after,
                          char out[static SKR_PAGE_TOKEN_MAX]);
/* SYNTAX with a sentence. */
int skr_page_token_parse(const struct skr_page_key *key, const char *binding, const char *token,
                         struct skr_uuid *ret_after, struct skr_error *error);

/* OpenAPI 3.1 of all routes; new text. (openapi.c) */
char *skr_openapi_text(void);

/* ---- counters (health.c) ---- */

#define SKR_HTTP_LATENCY_BUCKETS 8
struct skr_http_counters {
    atomic_ullong answers[SKR_HTTP_METHOD_COUNT + 1][5]; /* method, status class */
    atomic_ullong refusals[SKR_ERROR_TAG_COUNT];
    atomic_ullong latency[SKR_HTTP_LATENCY_BUCKETS + 1];
    atomic_ullong latency_sum_us, connections, deadline_shutdowns, watch_events;
};
void skr_http_count_answer(struct skr_http_request *request);

/* ---- the whole ---- */

enum skr_http_stopping {
    SKR_HTTP_RUNNING,
    SKR_HTTP_NOTHING_NEW, /* requests are refused, waits and watches end, writes are answered */
    SKR_HTTP_NOTHING_WAITS
};

struct skr_api {
    struct skr_store *store;
    struct skr_realization_table *realizations;
    char *south_address;
    uint8_t authority_key_hash[32];
    bool (*ready)(void *arg);
    void *ready_arg;
    void (*metrics)(void *arg, FILE *out);
    void *metrics_arg;
    struct skr_api_deadlines deadlines; /* in ms, filled in */

    struct MHD_Daemon *daemon;
    uint16_t port;
    atomic_int stopping; /* enum skr_http_stopping */

    pthread_mutex_t peers_lock;
    pthread_cond_t timer_wake, drained;
    struct skr_http_peer *peers;
    unsigned peer_crowd;           /* most peers at once since memory was given back */
    unsigned peer_count, requests; /* requests between their headers and the end of their answer */
    int64_t timer_next_ns;
    pthread_t timer;
    bool timer_running, timer_end, timer_trims;

    struct skr_http_pool *pools[SKR_HTTP_POOL_COUNT];
    struct skr_http_limits *limits;
    struct skr_http_auth *auth;
    struct skr_http_passwords *passwords;
    struct skr_http_slow *slow;
    struct skr_http_watches *watches;
    struct skr_page_key page_key;
    char *openapi;
    struct skr_http_counters counters;
};
