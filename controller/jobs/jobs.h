/* The job engine: carries out long work in steps.
 *
 * A job is a row (resource `job`). A rule or action inserts it in its own write (skr_job_start of controller/model);
 * the engine sees the commit. Each kind is a static table of steps (kinds.c). A step is a function that runs inside a
 * write of the store: it looks at the database and the realization, makes ordinary writes of the model, and says done,
 * wait, or why it failed; in the same transaction the job's row takes note. So whatever happens to the controller
 * between two transactions, the row says what was done and nothing is half done: a new engine looks at every open job
 * once and goes on. What a step changes outside of the database (a backup's file) it does before its transaction, and
 * so that it may be done twice.
 *
 * A job that fails or is cancelled is undone by its kind's `undo`, in the transaction that ends it.
 *
 * Nothing is polled. A step that waits names the objects whose change may end the wait, the write whose realization it
 * needs, and a deadline; the engine looks at the job again when one of them comes.
 *
 * Threads: one of its own; skr_jobs_changes is called on the writer's, realization waits on the policy's. */
#pragma once

#include "controller/store/store.h"
#include <skerry/realization.h>

struct skr_jobs;

struct skr_jobs_options {
    struct skr_store *store;
    struct skr_realization_table *realizations;
    const char *backup_directory; /* made with mode 0700 at the first backup */
};

int skr_jobs_new(const struct skr_jobs_options *options, struct skr_jobs **ret, struct skr_error *error);
int skr_jobs_start(struct skr_jobs *jobs); /* its thread */
void skr_jobs_stop(struct skr_jobs *jobs);
/* Stopped or never started, and when nothing commits any more. NULL is fine. */
void skr_jobs_free(struct skr_jobs *jobs);

/* An skr_commit_fn: which jobs waited for one of these objects. */
void skr_jobs_changes(void *jobs, const struct skr_change *changes, size_t count);
/* A skr_realization_listener_fn. */
void skr_jobs_realizations(void *jobs, const struct skr_realization_change *changes, size_t count);

/* For tests, instead of start: does what is due at `now_ms`, in at most `max_writes` transactions. Returns how many
 * were run; 0: everything waits. */
size_t skr_jobs_run(struct skr_jobs *jobs, int64_t now_ms, size_t max_writes);
/* When skr_jobs_run has something to do though nothing happens; INT64_MAX: never. */
int64_t skr_jobs_due_ms(struct skr_jobs *jobs);
