/* Jobs: long work in steps. A rule or an action that starts one inserts its row in its own write; the engine of the
 * jobs room sees the commit and goes on from there. Ended jobs are kept 30 days and at most SKR_JOBS_MAX; each new one
 * takes old ones with it. */
#include "controller/model/rules.h"

#define JOB_AGE_MS (30LL * 24 * 3600 * 1000)

static const struct skr_query open_of = {"SELECT id FROM job WHERE object_id = ?1 AND ended_at IS NULL"};
static const struct skr_query count_in_state = {"SELECT count(*) FROM job WHERE state = ?1"};
static const struct skr_query ids_in_state = {"SELECT id FROM job WHERE state = ?1 ORDER BY id"};
static const struct skr_query oldest_in_state = {"SELECT id, ended_at FROM job WHERE state = ?1 ORDER BY id LIMIT 1"};
static const char *const open_states[] = {"pending", "running", "cancelling"};
static const char *const ended_states[] = {"succeeded", "failed", "cancelled"};

bool skr_job_is_open(const struct skr_object *job)
{
    return !skr_object_has(job, SKR_JOB_ENDED_AT);
}

bool skr_job_in_state(const struct skr_object *job, const char *state)
{
    return !strcmp(skr_object_text(job, SKR_JOB_STATE), state);
}

int skr_job_of(struct skr_txn *txn, const struct skr_uuid *object_id, struct skr_object **ret, struct skr_error *error)
{
    struct skr_uuid id;
    int r = skr_find(txn, &open_of, object_id, NULL, &id, error);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    return skr_fetch(txn, SKR_JOB, &id, ret, error);
}

int skr_job_list_open(struct skr_txn *txn, struct skr_ids *ids, struct skr_error *error)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < SKR_ARRAY_SIZE(open_states); i++) {
        struct skr_statement *statement;
        r = skr_txn_query(txn, &ids_in_state, &statement, error);
        if (r < 0)
            return r;
        skr_bind_text(statement, 1, open_states[i]);
        while ((r = skr_step(statement, error)) > 0) {
            struct skr_uuid id = skr_column_uuid(statement, 0);
            skr_ids_add(ids, &id);
        }
        skr_statement_reset(statement);
    }
    return r;
}

static int check_room(struct skr_txn *txn, struct skr_error *error)
{
    int64_t count = 0;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(open_states); i++) {
        struct skr_statement *statement;
        int r = skr_txn_query(txn, &count_in_state, &statement, error);
        if (r < 0)
            return r;
        skr_bind_text(statement, 1, open_states[i]);
        r = skr_step(statement, error);
        count += r > 0 ? skr_column_integer(statement, 0) : 0;
        skr_statement_reset(statement);
        if (r < 0)
            return r;
    }
    return count < SKR_JOBS_OPEN_MAX
                   ? 0
                   : skr_error_set(error, SKR_ERROR_LIMIT, "%d jobs are under way already; wait until some have ended.",
                                   SKR_JOBS_OPEN_MAX);
}

/* Takes away the oldest job of each end when it is old, or when there is no more room. */
static int prune(struct skr_txn *txn, struct skr_error *error)
{
    bool full = skr_txn_count(txn, SKR_JOB) >= SKR_JOBS_MAX;
    int64_t limit = skr_txn_now_ms(txn) - JOB_AGE_MS;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(ended_states); i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *job = NULL;
        struct skr_statement *statement;
        int r = skr_txn_query(txn, &oldest_in_state, &statement, error);
        if (r < 0)
            return r;
        skr_bind_text(statement, 1, ended_states[i]);
        r = skr_step(statement, error);
        bool old = r > 0 && (full || skr_column_integer(statement, 1) < limit);
        struct skr_uuid id = old ? skr_column_uuid(statement, 0) : (struct skr_uuid){0};
        skr_statement_reset(statement);
        if (r >= 0 && old)
            r = skr_fetch(txn, SKR_JOB, &id, &job, error);
        if (r >= 0 && old)
            r = skr_txn_delete(txn, job, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_alone(struct skr_txn *txn, const struct skr_object *object, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *other = NULL;
    struct skr_uuid id = skr_object_id(object);
    int r = skr_job_of(txn, &id, &other, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    id = skr_object_id(other);
    char text[SKR_UUID_TEXT_MAX];
    return skr_error_set(
            error, SKR_ERROR_CONFLICT,
            "Job %s (%s) of this %s has not ended: wait for it, or cancel it with POST /v1/jobs/%s:cancel.",
            skr_uuid_format(&id, text), skr_object_text(other, SKR_JOB_KIND), object->resource->name, text);
}

static void describe(struct skr_object *job, const struct skr_job_request *request)
{
    char name[SKR_NAME_MAX + 1], by[SKR_PRINCIPAL_NAME_MAX] = "controller";
    snprintf(name, sizeof(name), "%s%s%.200s", request->kind, request->object ? " " : "",
             request->object ? skr_object_name(request->object) : "");
    skr_utf8_mend(name);
    if (request->principal && !request->principal->joining)
        snprintf(by, sizeof(by), "%s", request->principal->name);
    skr_object_set_text(job, SKR_FIELD_NAME, name);
    skr_object_set_text(job, SKR_JOB_KIND, request->kind);
    skr_object_set_text(job, SKR_JOB_OBJECT_KIND, request->object ? request->object->resource->name : "");
    skr_object_set_text(job, SKR_JOB_REQUESTED_BY, by);
    skr_object_set_text(job, SKR_JOB_MESSAGE, "");
    skr_object_set_integer(job, SKR_JOB_CANCELLABLE, 1);
    if (!skr_uuid_is_nil(&request->host_id))
        skr_object_set_uuid(job, SKR_JOB_HOST_ID, &request->host_id);
    if (!skr_uuid_is_nil(&request->parent_id))
        skr_object_set_uuid(job, SKR_JOB_PARENT_ID, &request->parent_id);
    if (request->object) {
        struct skr_uuid id = skr_object_id(request->object);
        skr_object_set_uuid(job, SKR_JOB_OBJECT_ID, &id);
    }
    if (request->input)
        skr_object_set_json(job, SKR_JOB_INPUT, json_incref(request->input));
}

int skr_job_start(struct skr_txn *txn, const struct skr_job_request *request, struct skr_uuid *ret,
                  struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *job = skr_row_new(SKR_JOB);
    int r = request->object && !request->beside ? check_alone(txn, request->object, error) : 0;
    if (r == 0)
        r = check_room(txn, error);
    if (r == 0)
        r = prune(txn, error);
    if (r < 0)
        return r;
    describe(job, request);
    r = skr_txn_insert(txn, job, error);
    if (r == 0)
        *ret = skr_object_id(job);
    return r;
}

int skr_job_cancel(struct skr_txn *txn, const struct skr_object *job, struct skr_error *error)
{
    if (!skr_job_is_open(job))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The job has ended (%s); there is nothing to cancel.",
                             skr_object_text(job, SKR_JOB_STATE));
    if (skr_job_in_state(job, "cancelling"))
        return 0;
    if (!skr_object_integer(job, SKR_JOB_CANCELLABLE))
        return skr_error_set(error, SKR_ERROR_CONFLICT,
                             "What the job does now cannot be taken back; wait for its end, and undo it by another.");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(job);
    skr_object_set_text(after, SKR_JOB_STATE, "cancelling");
    return skr_txn_update(txn, job, after, error);
}
