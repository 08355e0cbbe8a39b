/* This file knows which job waits for what, and runs the thread that looks. A look registers what it waits for inside
 * its own transaction, on the writer's thread (skr_jobs_note): what is committed after it finds the watches in place,
 * so no change is missed. */
#include "controller/jobs/private.h"

#include <skerry/clock.h>
#include <skerry/log.h>
#include <sys/queue.h>
#include <time.h>

#define LOOK_MAX_WAIT_MS 60000 /* deadlines are wall clock, which may jump */

struct watch {
    LIST_ENTRY(watch) of_object, of_job;
    struct watched *object;
    struct skr_job_waiting *job;
};
LIST_HEAD(watch_list, watch);

/* An object that some job waits for. */
struct watched {
    struct skr_map_key key;
    struct watch_list watches;
};

/* An open job. The lock guards it, apart from `realization`, which is the engine's own. */
struct skr_job_waiting {
    struct skr_map_key key; /* the job's id */
    struct skr_jobs *jobs;
    struct watch_list watches;
    bool dirty;            /* to be looked at */
    int64_t own_etag;      /* of the row as the last look wrote it */
    int64_t born_revision; /* of the write that started it; 0: this engine did not hear of it */
    int64_t due_ms;        /* INT64_MAX: never */
    struct skr_realization_wait *realization;
    int64_t awaited_revision;
};

/* ---- the maps; lock held ---- */

static struct skr_job_waiting *add_job(struct skr_jobs *jobs, const struct skr_uuid *id)
{
    struct skr_job_waiting *job = calloc(1, sizeof(*job));
    if (!job)
        abort();
    *job = (struct skr_job_waiting){.key = {.id = *id}, .jobs = jobs, .dirty = true, .due_ms = INT64_MAX};
    skr_id_map_put(&jobs->waiting, job);
    return job;
}

static void forget_watches(struct skr_jobs *jobs, struct skr_job_waiting *job)
{
    struct watch *watch;
    while ((watch = LIST_FIRST(&job->watches))) {
        struct watched *object = watch->object;
        LIST_REMOVE(watch, of_job);
        LIST_REMOVE(watch, of_object);
        free(watch);
        if (LIST_EMPTY(&object->watches)) {
            skr_id_map_remove(&jobs->watches, 0, &object->key.id);
            free(object);
        }
    }
}

static void add_watch(struct skr_jobs *jobs, struct skr_job_waiting *job, const struct skr_uuid *id)
{
    struct watched *object = skr_id_map_get(&jobs->watches, 0, id);
    struct watch *watch = calloc(1, sizeof(*watch));
    if (!object && (object = calloc(1, sizeof(*object)))) {
        object->key.id = *id;
        skr_id_map_put(&jobs->watches, object);
    }
    if (!object || !watch)
        abort();
    watch->object = object;
    watch->job = job;
    LIST_INSERT_HEAD(&object->watches, watch, of_object);
    LIST_INSERT_HEAD(&job->watches, watch, of_job);
}

/* ---- news: the writer's and the policy's thread ---- */

/* Realization changes on another thread: what came between the look and this is found by one more look, which a new
 * watch therefore calls for. */
void skr_jobs_note(struct skr_jobs *jobs, struct skr_job_run *run, int64_t etag)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids before = {0};
    struct watch *watch;
    skr_ids_sort(&run->watched);
    pthread_mutex_lock(&jobs->lock);
    struct skr_job_waiting *job = skr_id_map_get(&jobs->waiting, 0, &run->id);
    if (job) {
        LIST_FOREACH (watch, &job->watches, of_job)
            skr_ids_add(&before, &watch->object->key.id);
        skr_ids_sort(&before);
        forget_watches(jobs, job);
        for (size_t i = 0; i < run->watched.count; i++) {
            add_watch(jobs, job, &run->watched.items[i]);
            job->dirty = job->dirty || !skr_ids_search(&before, &run->watched.items[i]);
        }
        job->own_etag = etag;
    }
    pthread_mutex_unlock(&jobs->lock);
}

/* A job's own row: started, cancelled, or what the last look wrote. */
static bool job_changed(struct skr_jobs *jobs, const struct skr_change *change)
{
    struct skr_uuid id = skr_object_id(change->object);
    struct skr_job_waiting *job = skr_id_map_get(&jobs->waiting, 0, &id);
    if (!job) {
        if (change->op == SKR_CHANGE_DELETE || !skr_job_is_open(change->object))
            return false;
        add_job(jobs, &id)->born_revision = change->write_revision;
        return true;
    }
    if (skr_object_integer(change->object, SKR_FIELD_ETAG) == job->own_etag)
        return false;
    job->dirty = true;
    return true;
}

/* Jobs that wait for this object are to be looked at. */
static bool touch(struct skr_jobs *jobs, const struct skr_uuid *id)
{
    struct watched *object = skr_id_map_get(&jobs->watches, 0, id);
    struct watch *watch;
    if (!object)
        return false;
    LIST_FOREACH (watch, &object->watches, of_object)
        watch->job->dirty = true;
    return true;
}

void skr_jobs_changes(void *argument, const struct skr_change *changes, size_t count)
{
    struct skr_jobs *jobs = argument;
    bool news = false;
    for (size_t i = 0; i < count; i++)
        if (changes[i].resource == SKR_BACKUP && changes[i].op == SKR_CHANGE_DELETE)
            skr_job_backup_deleted(jobs->backup_directory, changes[i].object);
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < count; i++) {
        struct skr_uuid id = skr_object_id(changes[i].object);
        if (changes[i].resource == SKR_JOB)
            news |= job_changed(jobs, &changes[i]);
        news |= touch(jobs, &id);
    }
    if (news)
        pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
}

void skr_jobs_realizations(void *argument, const struct skr_realization_change *changes, size_t count)
{
    struct skr_jobs *jobs = argument;
    bool news = false;
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < count; i++)
        news |= touch(jobs, &changes[i].id);
    if (news)
        pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
}

static void realized(void *argument, const struct skr_realization *realization)
{
    struct skr_job_waiting *job = argument;
    (void)realization;
    pthread_mutex_lock(&job->jobs->lock);
    job->dirty = true;
    pthread_cond_signal(&job->jobs->wake);
    pthread_mutex_unlock(&job->jobs->lock);
}

/* ---- looking: the engine's thread, without the lock ---- */

static void end_wait(struct skr_job_waiting *job)
{
    if (job->realization)
        skr_realization_wait_cancel(SKR_TAKE(job->realization));
}

/* A wait that has ended and did not bring what the step needs is not begun again: it would end at once. */
static void await(struct skr_jobs *jobs, struct skr_job_waiting *job, int64_t revision)
{
    if (job->awaited_revision == revision)
        return;
    end_wait(job);
    job->awaited_revision = revision;
    if (revision)
        job->realization = skr_realization_wait_new(jobs->options.realizations, revision, realized, job);
}

static void drop(struct skr_jobs *jobs, struct skr_job_waiting *job)
{
    end_wait(job);
    pthread_mutex_lock(&jobs->lock);
    forget_watches(jobs, job);
    skr_id_map_remove(&jobs->waiting, 0, &job->key.id);
    pthread_mutex_unlock(&jobs->lock);
    free(job);
}

static int64_t due_of(const struct skr_job_run *run)
{
    int64_t due = INT64_MAX;
    if (run->deadline_ms)
        due = run->deadline_ms;
    if (run->look_again_ms && run->look_again_ms < due)
        due = run->look_again_ms;
    return due <= run->now_ms ? run->now_ms + SKR_JOB_LOOK_AGAIN_MS : due;
}

static void settle(struct skr_jobs *jobs, struct skr_job_waiting *job, const struct skr_job_look *look)
{
    if (look->ended) {
        drop(jobs, job);
        return;
    }
    await(jobs, job, look->moved ? 0 : look->run.awaited_revision);
    pthread_mutex_lock(&jobs->lock);
    job->due_ms = look->moved ? INT64_MAX : due_of(&look->run);
    job->dirty = job->dirty || look->moved;
    pthread_mutex_unlock(&jobs->lock);
}

/* The database takes no write now: nothing is wrong with the job. */
static bool is_passing(int result, const struct skr_error *error)
{
    return result == -EAGAIN || result == -ESHUTDOWN || error->tag == SKR_ERROR_STORAGE ||
           error->tag == SKR_ERROR_UNAVAILABLE || error->tag == SKR_ERROR_NONE;
}

static void try_later(struct skr_jobs *jobs, struct skr_job_waiting *job, int64_t now_ms, const struct skr_error *error)
{
    static struct skr_log_limit limit;
    if (skr_log_allowed(&limit, 10))
        skr_log(SKR_LOG_WARNING, "a job waits for the database", "reason='%s'", error->detail);
    pthread_mutex_lock(&jobs->lock);
    job->due_ms = now_ms + SKR_JOB_LOOK_AGAIN_MS;
    pthread_mutex_unlock(&jobs->lock);
}

static int write_look(struct skr_jobs *jobs, struct skr_job_look *look, struct skr_error *error)
{
    *error = (struct skr_error){0};
    return skr_store_write_wait(jobs->options.store, skr_job_look, look, NULL, error);
}

/* The step was refused: what it wrote is gone with its savepoint; now the job ends, undone if that is possible. */
static int fail(struct skr_jobs *jobs, struct skr_job_look *look, struct skr_error *error)
{
    char reason[SKR_ERROR_DETAIL_MAX], both[2 * SKR_ERROR_DETAIL_MAX + 64];
    snprintf(reason, sizeof(reason), "%s", error->detail);
    look->failure = reason;
    int r = write_look(jobs, look, error);
    if (r < 0 && !is_passing(r, error)) {
        snprintf(both, sizeof(both), "%s It could not be undone: %s", reason, error->detail);
        look->failure = both;
        look->without_undo = true;
        r = write_look(jobs, look, error);
    }
    look->failure = NULL;
    return r;
}

static int look_once(struct skr_jobs *jobs, struct skr_job_look *look, struct skr_error *error)
{
    int r = write_look(jobs, look, error);
    if (r == 0 && look->wants) {
        /* Something that it needs outside of the database may be missing for good: that is a failure, not a pause. */
        if (look->wants->prepare(jobs->options.store, look->row, jobs->backup_directory, &look->prepared, error) < 0)
            return fail(jobs, look, error);
        r = write_look(jobs, look, error);
    }
    return r < 0 && !is_passing(r, error) ? fail(jobs, look, error) : r;
}

static void look_at(struct skr_jobs *jobs, struct skr_job_waiting *job, int64_t now_ms)
{
    struct skr_error error = {0};
    struct skr_job_look look = {.jobs = jobs, .id = job->key.id, .now_ms = now_ms};
    pthread_mutex_lock(&jobs->lock);
    job->dirty = false;
    job->due_ms = INT64_MAX;
    pthread_mutex_unlock(&jobs->lock);
    look.born_revision = job->born_revision;
    int r = look_once(jobs, &look, &error);
    if (r < 0)
        try_later(jobs, job, now_ms, &error);
    else
        settle(jobs, job, &look);
    json_decref(look.prepared);
    skr_job_look_done(&look);
}

static struct skr_job_waiting *next_due(struct skr_jobs *jobs, int64_t now_ms)
{
    uint32_t cursor = 0;
    struct skr_job_waiting *job;
    pthread_mutex_lock(&jobs->lock);
    do
        job = skr_id_map_next(&jobs->waiting, &cursor);
    while (job && !job->dirty && job->due_ms > now_ms);
    pthread_mutex_unlock(&jobs->lock);
    return job; /* only this thread takes jobs out of the map */
}

size_t skr_jobs_run(struct skr_jobs *jobs, int64_t now_ms, size_t max_looks)
{
    size_t looks = 0;
    struct skr_job_waiting *job;
    if (!jobs->started_ms)
        jobs->started_ms = now_ms;
    for (; looks < max_looks && (job = next_due(jobs, now_ms)); looks++)
        look_at(jobs, job, now_ms);
    return looks;
}

/* Lock held. */
static int64_t due_ms(struct skr_jobs *jobs)
{
    int64_t due = INT64_MAX;
    uint32_t cursor = 0;
    for (struct skr_job_waiting *job; (job = skr_id_map_next(&jobs->waiting, &cursor));)
        due = job->dirty ? 0 : job->due_ms < due ? job->due_ms : due;
    return due;
}

int64_t skr_jobs_due_ms(struct skr_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    int64_t due = due_ms(jobs);
    pthread_mutex_unlock(&jobs->lock);
    return due;
}

/* ---- its life ---- */

static void sleep_until_due(struct skr_jobs *jobs)
{
    int64_t wait_ms = due_ms(jobs);
    if (wait_ms == INT64_MAX) {
        pthread_cond_wait(&jobs->wake, &jobs->lock);
        return;
    }
    wait_ms -= skr_clock_wall_ms();
    if (wait_ms <= 0)
        return;
    int64_t until =
            skr_clock_monotonic_ns() + (wait_ms < LOOK_MAX_WAIT_MS ? wait_ms : LOOK_MAX_WAIT_MS) * SKR_NS_PER_MS;
    struct timespec at = {.tv_sec = until / SKR_NS_PER_S, .tv_nsec = until % SKR_NS_PER_S};
    pthread_cond_timedwait(&jobs->wake, &jobs->lock, &at);
}

static void *work(void *argument)
{
    struct skr_jobs *jobs = argument;
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping) {
        pthread_mutex_unlock(&jobs->lock);
        size_t looks = skr_jobs_run(jobs, skr_clock_wall_ms(), 1);
        pthread_mutex_lock(&jobs->lock);
        if (!looks && !jobs->stopping)
            sleep_until_due(jobs);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static int load(struct skr_jobs *jobs, struct skr_error *error)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids open = {0};
    int r = skr_store_read_begin(jobs->options.store, &txn, error);
    if (r == 0)
        r = skr_job_list_open(txn, &open, error);
    for (size_t i = 0; r == 0 && i < open.count; i++)
        add_job(jobs, &open.items[i]);
    return r;
}

int skr_jobs_new(const struct skr_jobs_options *options, struct skr_jobs **ret, struct skr_error *error)
{
    struct skr_jobs *jobs = calloc(1, sizeof(*jobs));
    pthread_condattr_t monotonic;
    if (!jobs)
        abort();
    jobs->options = *options;
    jobs->backup_directory = strdup(options->backup_directory ? options->backup_directory : "");
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    skr_job_backup_sweep(jobs->backup_directory);
    int r = load(jobs, error);
    if (r < 0) {
        skr_jobs_free(jobs);
        return r;
    }
    *ret = jobs;
    return 0;
}

int skr_jobs_start(struct skr_jobs *jobs)
{
    int r = pthread_create(&jobs->thread, NULL, work, jobs);
    jobs->running = r == 0;
    return -r;
}

void skr_jobs_stop(struct skr_jobs *jobs)
{
    if (!jobs || !jobs->running)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
    pthread_join(jobs->thread, NULL);
    jobs->running = false;
}

void skr_jobs_free(struct skr_jobs *jobs)
{
    uint32_t cursor;
    struct skr_job_waiting *job;
    if (!jobs)
        return;
    while (cursor = 0, (job = skr_id_map_next(&jobs->waiting, &cursor)))
        drop(jobs, job);
    skr_id_map_done(&jobs->waiting);
    skr_id_map_done(&jobs->watches);
    pthread_cond_destroy(&jobs->wake);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs->backup_directory);
    free(jobs);
}
