/* Inside of the job engine: what a kind of job is, and what its steps are given. A step runs on the writer's thread, in
 * its own savepoint; it may read and write through run->txn alone, and may be run again for the same look.
 *
 * engine.c   who waits for what, and the thread      step.c    one look at one job: the row and its steps
 * realized.c has a change reached every host         kinds.c   the table of kinds
 * migrate.c, drain.c, replace.c, remediate.c, ...    their steps */
#pragma once

#include "controller/jobs/jobs.h"
#include "controller/model/rules.h"
#include <pthread.h>
#include <skerry/id_map.h>

#define SKR_JOB_STEPS_MAX     8
#define SKR_JOB_MESSAGE_MAX   512
#define SKR_JOB_LOOK_AGAIN_MS 1000 /* where nothing tells: a host that is offline, a database that takes no write */

/* A step that has not failed (-errno with the reason in its error) returns one of these. */
enum { SKR_JOB_WAITS, SKR_JOB_GOES_ON };

struct skr_job_run {
    struct skr_txn *txn;
    struct skr_realization_table *realizations;
    const struct skr_object *job;
    struct skr_uuid id, object_id, host_id; /* the job's */
    const json_t *input;                    /* what was asked for */
    json_t *progress;                       /* what steps remember; an object, kept with the row */
    int64_t now_ms, started_ms;             /* started_ms: when this engine began to hear of hosts */
    int64_t born_revision;                  /* of the write that started the job; 0: before this engine began */
    bool cancelled;                         /* for undo: not failed */
    bool kept;                              /* by undo: what steps have done stays, they are not shown as undone */
    const char *backup_directory;
    json_t *prepared; /* what the step's prepare found out; NULL without one */
    /* what the step says */
    char message[SKR_JOB_MESSAGE_MAX];
    int percent;
    int64_t deadline_ms;      /* when it gives up; shown; 0: never */
    int64_t look_again_ms;    /* 0: only when something happens */
    int64_t awaited_revision; /* look again once this write is realized or has failed; 0: none */
    struct skr_ids watched;   /* objects whose change, or change of realization, calls for a look */
};

typedef int skr_job_step_fn(struct skr_job_run *run, struct skr_error *error);

struct skr_job_step {
    const char *name;
    skr_job_step_fn *run;
    /* Before the transaction, on the engine's thread: what cannot be in it. May be done again, and may take long.
     * *ret: for run->prepared, new reference. NULL: nothing. */
    int (*prepare)(struct skr_store *store, const struct skr_object *job, const char *backup_directory, json_t **ret,
                   struct skr_error *error);
    bool fixed; /* cannot be cancelled while it is under way */
    int weight; /* its share of the percent, 0 = 1 */
};

struct skr_job_kind {
    const char *name;
    struct skr_job_step steps[SKR_JOB_STEPS_MAX]; /* ends with a name of NULL */
    skr_job_step_fn *undo;                        /* after a failure or a cancel; NULL: there is nothing to put back */
    const char *done;                             /* message of success; NULL: the last step's */
};

/* NULL: a kind this version does not know. */
const struct skr_job_kind *skr_job_kind_find(const char *name);
/* Before any job runs: removes what a controller that was killed while it made a copy has left. */
void skr_job_backup_sweep(const char *directory);
/* On the writer's thread: the row is gone, and so must be its file. */
void skr_job_backup_deleted(const char *directory, const struct skr_object *backup);
extern const struct skr_job_kind skr_job_deploy_host_switch, skr_job_remove_host_switch, skr_job_backup,
        skr_job_migrate, skr_job_drain, skr_job_replace, skr_job_remediate;

/* ---- for steps (step.c, realized.c) ---- */

void skr_job_say(struct skr_job_run *run, int percent, const char *format, ...) SKR_PRINTF(3, 4);
void skr_job_watch(struct skr_job_run *run, const struct skr_uuid *id);
/* Ids and numbers in `input` and `progress`; nil and 0 when absent. */
struct skr_uuid skr_job_uuid(const json_t *json, const char *name);
void skr_job_set_uuid(json_t *json, const char *name, const struct skr_uuid *id);
int64_t skr_job_integer(const json_t *json, const char *name);
/* The revision that the write of this look will have, if the look changes the job's row: and it does when a step ends.
 */
int64_t skr_job_write_revision(struct skr_job_run *run);
/* 1: what the write changed (revision 0: the object as it is) is applied on every host that needs it, hosts that have
 * been offline for a while apart, and `must` (may be NULL) is online; 0: the step waits, and the run says for what;
 * -errno: a host failed, the error names it. */
int skr_job_realized(struct skr_job_run *run, int64_t revision, enum skr_resource_id resource,
                     const struct skr_uuid *object_id, const struct skr_uuid *must, struct skr_error *error);
/* The row, or CONFLICT "... is gone". */
int skr_job_fetch(struct skr_job_run *run, enum skr_resource_id resource, const struct skr_uuid *id,
                  struct skr_object **ret, struct skr_error *error);

/* Writes where an adapter is: of a VM that does not run, or whose host is gone. */
int skr_job_place(struct skr_job_run *run, struct skr_object *adapter, const struct skr_uuid *host_id,
                  struct skr_error *error);

/* ---- one look at one job (step.c) ---- */

struct skr_job_look {
    struct skr_jobs *jobs;
    struct skr_uuid id;
    int64_t now_ms, born_revision;
    const char *failure; /* the step's last attempt was refused: end the job with this */
    bool without_undo;   /* and the undo was refused too */
    json_t *prepared;    /* by the prepare of the step at hand */
    /* filled by the look; reset at each run */
    bool ended, moved;                /* moved: a step ended, there is more to do at once */
    const struct skr_job_step *wants; /* the step at hand, when its prepare must run first */
    struct skr_object *row;           /* as it was found */
    struct skr_job_run run;
};
/* An skr_write_fn. */
int skr_job_look(struct skr_txn *txn, void *look, struct skr_error *error);
void skr_job_look_done(struct skr_job_look *look);

/* ---- engine.c ---- */

struct skr_job_waiting;
/* On the writer's thread, before the commit: from now on changes of these objects call for a look. `etag` is the one
 * that the job's own row gets. */
void skr_jobs_note(struct skr_jobs *jobs, struct skr_job_run *run, int64_t etag);

struct skr_jobs {
    struct skr_jobs_options options;
    char *backup_directory;
    int64_t started_ms;
    pthread_mutex_t lock; /* guards everything below, for a few instructions */
    pthread_cond_t wake;
    struct skr_id_map waiting; /* struct skr_job_waiting by the job's id */
    struct skr_id_map watches; /* struct watch by an object's id */
    bool stopping, running;
    pthread_t thread;
};
