/* One look at one job, in one transaction: what its step says stands in its row when the write is committed, together
 * with whatever the step wrote, or not at all. */
#include "controller/jobs/private.h"

#include <stdarg.h>

/* ---- what steps use ---- */

void skr_job_say(struct skr_job_run *run, int percent, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run->message, sizeof(run->message), format, arguments);
    va_end(arguments);
    skr_utf8_mend(run->message);
    run->percent = percent;
}

void skr_job_watch(struct skr_job_run *run, const struct skr_uuid *id)
{
    skr_ids_add(&run->watched, id);
}

struct skr_uuid skr_job_uuid(const json_t *json, const char *name)
{
    struct skr_uuid id = {0};
    const char *text = json_string_value(json_object_get(json, name));
    if (text)
        skr_uuid_parse(text, &id);
    return id;
}

void skr_job_set_uuid(json_t *json, const char *name, const struct skr_uuid *id)
{
    char text[SKR_UUID_TEXT_MAX];
    json_object_set_new(json, name, json_string(skr_uuid_format(id, text)));
}

int64_t skr_job_integer(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

int64_t skr_job_write_revision(struct skr_job_run *run)
{
    return skr_txn_revision(run->txn) + 1; /* the row is written last, and all of it is versioned */
}

int skr_job_fetch(struct skr_job_run *run, enum skr_resource_id resource, const struct skr_uuid *id,
                  struct skr_object **ret, struct skr_error *error)
{
    int r = skr_txn_get(run->txn, resource, id, NULL, ret, error);
    return r == -ENOENT ? skr_error_set(error, SKR_ERROR_CONFLICT, "The %s has been deleted meanwhile.",
                                        skr_resource_get(resource)->name)
                        : r;
}

int skr_job_place(struct skr_job_run *run, struct skr_object *adapter, const struct skr_uuid *host_id,
                  struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(adapter);
    skr_object_set_uuid(after, SKR_NETWORK_ADAPTER_HOST_ID, host_id);
    skr_object_set_integer(after, SKR_NETWORK_ADAPTER_CLAIMED, 0); /* this host has claimed nothing */
    return skr_write_inner(run->txn, SKR_NETWORK_ADAPTER, adapter, after, error);
}

/* ---- the row ---- */

static struct skr_object *step_row(struct skr_object *job, unsigned index)
{
    return job->values[SKR_JOB_STEPS].objects[index];
}

static unsigned count_steps(const struct skr_job_kind *kind)
{
    unsigned count = 0;
    while (count < SKR_JOB_STEPS_MAX && kind->steps[count].name)
        count++;
    return count;
}

/* The first look: the row gets its steps. */
static void begin(struct skr_object *job, const struct skr_job_kind *kind, int64_t now_ms)
{
    struct skr_value *value = &job->values[SKR_JOB_STEPS];
    if (value->type == SKR_VALUE_OBJECTS && value->count)
        return;
    skr_value_clear(value);
    *value = (struct skr_value){.type = SKR_VALUE_OBJECTS, .count = count_steps(kind)};
    value->objects = calloc(value->count ? value->count : 1, sizeof(struct skr_object *));
    if (!value->objects)
        abort();
    for (unsigned i = 0; i < value->count; i++) {
        struct skr_object *row = skr_object_new(job->resource->fields[SKR_JOB_STEPS].sub);
        skr_object_fill_defaults(row);
        skr_object_set_text(row, SKR_JOB_STEP_NAME, kind->steps[i].name);
        skr_object_set_text(row, SKR_JOB_STEP_MESSAGE, "");
        value->objects[i] = row;
    }
    if (skr_job_in_state(job, "pending"))
        skr_object_set_text(job, SKR_JOB_STATE, "running");
    skr_object_set_integer(job, SKR_JOB_STARTED_AT, now_ms);
}

/* The first step that has not succeeded; the number of steps when all have. */
static unsigned current_step(struct skr_object *job)
{
    unsigned i = 0;
    while (i < job->values[SKR_JOB_STEPS].count &&
           !strcmp(skr_object_text(step_row(job, i), SKR_JOB_STEP_STATE), "succeeded"))
        i++;
    return i;
}

static void enter(struct skr_object *row, int64_t now_ms)
{
    if (skr_object_has(row, SKR_JOB_STEP_STARTED_AT))
        return;
    skr_object_set_text(row, SKR_JOB_STEP_STATE, "running");
    skr_object_set_integer(row, SKR_JOB_STEP_STARTED_AT, now_ms);
}

static void leave(struct skr_object *row, const char *state, const char *message, int64_t now_ms)
{
    skr_object_set_text(row, SKR_JOB_STEP_STATE, state);
    if (message)
        skr_object_set_text(row, SKR_JOB_STEP_MESSAGE, message);
    if (!skr_object_has(row, SKR_JOB_STEP_STARTED_AT))
        skr_object_set_integer(row, SKR_JOB_STEP_STARTED_AT, now_ms);
    skr_object_set_integer(row, SKR_JOB_STEP_ENDED_AT, now_ms);
}

static void set_percent(struct skr_object *job, const struct skr_job_kind *kind)
{
    int64_t sum = 0, of = 0;
    for (unsigned i = 0; i < job->values[SKR_JOB_STEPS].count; i++) {
        int weight = i < count_steps(kind) && kind->steps[i].weight ? kind->steps[i].weight : 1;
        sum += weight * skr_object_integer(step_row(job, i), SKR_JOB_STEP_PERCENT);
        of += weight;
    }
    skr_object_set_integer(job, SKR_JOB_PERCENT, of ? sum / of : 0);
}

static void end(struct skr_object *job, const char *state, const char *message, int64_t now_ms)
{
    skr_object_set_text(job, SKR_JOB_STATE, state);
    skr_object_set_text(job, SKR_JOB_MESSAGE, message);
    skr_object_set_integer(job, SKR_JOB_ENDED_AT, now_ms);
    skr_object_set_integer(job, SKR_JOB_CANCELLABLE, 0);
    skr_object_set_null(job, SKR_JOB_DEADLINE);
    skr_object_set_json(job, SKR_JOB_INPUT, json_object());
    skr_object_set_json(job, SKR_JOB_PROGRESS, json_object());
}

/* ---- the look ---- */

static void open_run(struct skr_txn *txn, struct skr_job_look *look, const struct skr_object *job)
{
    struct skr_job_run *run = &look->run;
    const struct skr_value *progress = &job->values[SKR_JOB_PROGRESS], *input = &job->values[SKR_JOB_INPUT];
    *run = (struct skr_job_run){.txn = txn,
                                .realizations = look->jobs->options.realizations,
                                .job = job,
                                .id = look->id,
                                .object_id = skr_object_uuid(job, SKR_JOB_OBJECT_ID),
                                .host_id = skr_object_uuid(job, SKR_JOB_HOST_ID),
                                .now_ms = look->now_ms,
                                .started_ms = look->jobs->started_ms,
                                .born_revision = look->born_revision,
                                .backup_directory = look->jobs->backup_directory,
                                .prepared = look->prepared};
    run->input = input->type == SKR_VALUE_JSON ? input->json : NULL;
    run->progress = progress->type == SKR_VALUE_JSON ? json_deep_copy(progress->json) : json_object();
}

static int take_step(struct skr_job_look *look, const struct skr_job_kind *kind, struct skr_object *job, unsigned index,
                     struct skr_error *error)
{
    struct skr_job_run *run = &look->run;
    const struct skr_job_step *step = &kind->steps[index];
    struct skr_object *row = step_row(job, index);
    enter(row, run->now_ms);
    skr_object_set_integer(job, SKR_JOB_CANCELLABLE, !step->fixed);
    if (step->prepare && !look->prepared) {
        look->wants = step;
        return 0;
    }
    int r = step->run(run, error);
    if (r < 0)
        return r;
    skr_object_set_text(row, SKR_JOB_STEP_MESSAGE, run->message);
    skr_object_set_text(job, SKR_JOB_MESSAGE, run->message);
    skr_object_set_integer(row, SKR_JOB_STEP_PERCENT, r == SKR_JOB_GOES_ON ? 100 : run->percent);
    if (r == SKR_JOB_WAITS)
        return 0;
    leave(row, "succeeded", NULL, run->now_ms);
    look->moved = true;
    run->deadline_ms = 0;
    if (index + 1 < job->values[SKR_JOB_STEPS].count)
        skr_object_set_integer(job, SKR_JOB_CANCELLABLE, !kind->steps[index + 1].fixed);
    else
        end(job, "succeeded", kind->done ? kind->done : run->message, run->now_ms);
    return 0;
}

/* Puts back what the kind can put back, and ends. */
static int give_up(struct skr_job_look *look, const struct skr_job_kind *kind, struct skr_object *job, unsigned index,
                   struct skr_error *error)
{
    struct skr_job_run *run = &look->run;
    bool undo = kind && kind->undo && !look->without_undo;
    run->cancelled = !look->failure;
    int r = undo ? kind->undo(run, error) : 0;
    if (r < 0)
        return r;
    for (unsigned i = 0; i < job->values[SKR_JOB_STEPS].count; i++) {
        if (i > index)
            leave(step_row(job, i), "skipped", NULL, run->now_ms);
        else if (i == index && look->failure)
            leave(step_row(job, i), "failed", look->failure, run->now_ms);
        else if (i == index || (undo && !run->kept))
            leave(step_row(job, i), "undone", NULL, run->now_ms);
    }
    if (!look->failure) {
        end(job, "cancelled", run->message[0] ? run->message : "Cancelled; what was done is undone.", run->now_ms);
        return 0;
    }
    end(job, "failed", look->failure, run->now_ms);
    return skr_event_add(run->txn, "JobFailed", job, skr_uuid_is_nil(&run->host_id) ? NULL : &run->host_id, error,
                         "Job \"%.150s\" has failed: %.300s", skr_object_name(job), look->failure);
}

static int go_on(struct skr_job_look *look, struct skr_object *job, struct skr_error *error)
{
    const char *name = skr_object_text(job, SKR_JOB_KIND);
    const struct skr_job_kind *kind = skr_job_kind_find(name);
    char unknown[128];
    if (!kind && !look->failure) {
        snprintf(unknown, sizeof(unknown), "This version of the controller knows no job of kind \"%.40s\".", name);
        look->failure = unknown;
    }
    if (kind)
        begin(job, kind, look->now_ms);
    unsigned index = current_step(job);
    bool gives_up = look->failure || skr_job_in_state(job, "cancelling");
    int r = gives_up ? give_up(look, kind, job, index, error) : take_step(look, kind, job, index, error);
    if (look->failure == unknown)
        look->failure = NULL;
    if (r == 0 && kind)
        set_percent(job, kind);
    return r;
}

static int store_row(struct skr_job_look *look, struct skr_object *job, struct skr_error *error)
{
    struct skr_job_run *run = &look->run;
    look->ended = !skr_job_is_open(job);
    if (!look->ended) {
        skr_object_set_json(job, SKR_JOB_PROGRESS, json_incref(run->progress));
        if (run->deadline_ms)
            skr_object_set_integer(job, SKR_JOB_DEADLINE, run->deadline_ms);
        else if (!look->wants)
            skr_object_set_null(job, SKR_JOB_DEADLINE);
    }
    int r = skr_txn_update(run->txn, look->row, job, error);
    if (r == 0)
        skr_jobs_note(look->jobs, run, skr_object_integer(job, SKR_FIELD_ETAG));
    return r;
}

int skr_job_look(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    struct skr_job_look *look = argument;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *job = NULL;
    skr_job_look_done(look);
    int r = skr_txn_get(txn, SKR_JOB, &look->id, NULL, &look->row, error);
    if (r == -ENOENT || (r == 0 && !skr_job_is_open(look->row))) {
        look->ended = true;
        return 0;
    }
    if (r < 0)
        return r;
    bool rolled_back;
    job = skr_object_copy(look->row);
    open_run(txn, look, look->row);
    r = skr_model_rolled_back(txn, &rolled_back, error);
    if (r == 0 && rolled_back) { /* nothing is written until somebody has accepted the database */
        look->run.look_again_ms = look->now_ms + SKR_JOB_LOOK_AGAIN_MS;
        return 0;
    }
    if (r == 0)
        r = go_on(look, job, error);
    return r < 0 ? r : store_row(look, job, error);
}

void skr_job_look_done(struct skr_job_look *look)
{
    skr_object_unref(SKR_TAKE(look->row));
    json_decref(SKR_TAKE(look->run.progress));
    free(SKR_TAKE(look->run.watched.items));
    look->run = (struct skr_job_run){0};
    look->ended = look->moved = false;
    look->wants = NULL;
}
