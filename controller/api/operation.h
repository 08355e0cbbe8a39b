/* Writes of a request: one, or those of a batch.
 *
 * operation.c  one write of an object or one action: parse, run, render
 * batch.c      POST /v1/batch: many of them, and what they say of each other
 * retry.c      Idempotency-Key: what is kept of a POST and how it is told again
 * write.c      the way of all of them: worker, slow thread, writer, worker */
#pragma once

#include "controller/api/http.h"

#define SKR_BATCH_OPERATIONS_MAX 1000

struct skr_http_operation {
    enum skr_http_method method;
    struct skr_route route;
    bool is_action;
    int etag_of; /* the operation of the same batch whose result is the version to change, -1: if_match says it */
    struct skr_write_request write;
    struct skr_action_request action;
    struct skr_object *input;
    json_t *body; /* of a PUT: what it tells back is compared with what is there */
};

/* The memory the writer writes into, so it has a reference of its own: when the deadline answers first, the request
 * goes on without looking at the job, and the writer's `done` frees what it finished too late. */
struct skr_http_job {
    struct skr_http_slow_task slow;   /* first */
    unsigned references;              /* atomic */
    struct skr_http_request *request; /* while the writer owns it */
    struct skr_principal principal;
    struct skr_http_operation *operations;
    unsigned count;
    bool is_batch, dry_run, confirmed;
    struct skr_retry retry; /* key NULL: none was sent */
    char *key, *path;       /* of the retry */
    /* written by the writer */
    int failed; /* the operation that was refused, -1: all of them together */
    int result;
    int64_t revision;
    struct skr_error error;
    json_t *removal; /* what must be confirmed; NULL: nothing */
    /* of the worker */
    unsigned wait_ms;
    struct skr_http_fields fields; /* of a single operation */
    char *field_names;             /* ?fields= of a batch */
    struct skr_realization realization;
};

/* ---- operation.c ---- */

struct skr_http_preconditions {
    int64_t if_match; /* 0: none */
    bool if_none_match_any;
};
/* With method and route filled in; `body` NULL: there is none. */
int skr_http_operation_parse(struct skr_http_operation *operation, const struct skr_principal *principal,
                             const json_t *body, const struct skr_http_preconditions *preconditions, bool dry_run,
                             struct skr_error *error);
/* On the writer. -ECANCELED: a dry run that passed. */
int skr_http_operation_run(struct skr_http_operation *operation, struct skr_txn *txn, struct skr_error *error);
/* The object that the operation made, changed or took away; NULL: there is nothing to show. */
const struct skr_object *skr_http_operation_object(const struct skr_http_operation *operation);
/* 200, 201, 202 or 204 of one that was done; a waiting DELETE answers otherwise. */
unsigned skr_http_operation_status(const struct skr_http_operation *operation, bool dry_run);
#define SKR_HTTP_LOCATION_MAX 128
/* "" when the status names no place. */
char *skr_http_operation_location(const struct skr_http_operation *operation, unsigned status,
                                  char out[static SKR_HTTP_LOCATION_MAX]);
/* The answer's body, NULL when there is none. `first`: not a retry, secrets may be shown. */
json_t *skr_http_operation_render(struct skr_http_request *request, const struct skr_http_operation *operation,
                                  const struct skr_realization *realization, const struct skr_http_fields *fields,
                                  bool dry_run);
void skr_http_operation_done(struct skr_http_operation *operation);

/* ---- batch.c ---- */

int skr_http_batch_parse(struct skr_http_request *request, struct skr_http_job *job, struct skr_error *error);
json_t *skr_http_batch_render(struct skr_http_request *request, const struct skr_http_job *job);
/* Says which operation an error is about: "/name" becomes "/operations/3/body/name". */
void skr_http_batch_blame(struct skr_error *error, unsigned operation);

/* ---- retry.c ---- */

/* Takes the key; before the body is parsed. */
int skr_http_retry_parse(struct skr_http_request *request, struct skr_http_job *job, struct skr_error *error);
/* Describes the job's answer as new JSON text, which is kept for a retry of the request. */
char *skr_http_retry_describe(const struct skr_http_job *job);
/* Answers from the objects as they are now. */
void skr_http_retry_answer(struct skr_http_request *request, const struct skr_http_job *job);
