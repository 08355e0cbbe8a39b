#include "controller/api/operation.h"

#include <errno.h>
#include <string.h>

/* POST, PUT, PATCH, DELETE, actions and batches: parse on the worker, do what takes long on a thread for that,
 * judge and commit on the writer, answer on the worker again. */

static void free_job(void *arg)
{
    struct skr_http_job *job = arg;
    if (__atomic_sub_fetch(&job->references, 1, __ATOMIC_ACQ_REL))
        return;
    for (unsigned i = 0; i < job->count; i++)
        skr_http_operation_done(&job->operations[i]);
    free(job->operations);
    skr_retry_done(&job->retry);
    free(job->key);
    free(job->path);
    free(job->field_names);
    json_decref(job->removal);
    skr_http_fields_done(&job->fields);
    free(job);
}

#define SLOW_MAX 8 /* operations of a batch that take long: others log in meanwhile */

/* ---- parse ---- */

static int parse_preconditions(struct skr_http_request *request, struct skr_http_preconditions *ret,
                               struct skr_error *error)
{
    const char *none = skr_http_header(request, "If-None-Match");
    int r = skr_http_if_match(skr_http_header(request, "If-Match"), &ret->if_match, error);
    if (r == 0 && none && strcmp(none, "*") != 0)
        r = skr_error_set(error, SKR_ERROR_SYNTAX, "If-None-Match is taken as * on a POST that creates, nowhere else");
    ret->if_none_match_any = none != NULL;
    return r;
}

static int parse_single(struct skr_http_request *request, struct skr_http_job *job, struct skr_error *error)
{
    struct skr_http_preconditions preconditions = {0};
    struct skr_http_operation *operation = calloc(1, sizeof(*operation));
    if (!operation)
        abort();
    *operation = (struct skr_http_operation){.method = request->method, .route = request->route, .etag_of = -1};
    job->operations = operation;
    job->count = 1;
    int r = skr_http_fields_parse(request->route.resource, skr_http_parameter(request, "fields"), &job->fields, error);
    if (r == 0)
        r = parse_preconditions(request, &preconditions, error);
    if (r < 0)
        return r;
    json_t *body = request->body_size ? skr_http_request_json(request) : NULL;
    if (!body && request->error.tag)
        return -EINVAL;
    r = skr_http_operation_parse(operation, &request->principal, body, &preconditions, job->dry_run, error);
    json_decref(body);
    return r;
}

static int parse(struct skr_http_request *request, struct skr_http_job *job, struct skr_error *error)
{
    int r = skr_http_wait_parameters(request, &job->wait_ms, error);
    if (r == 0)
        r = skr_http_boolean(request, "dry_run", &job->dry_run, error);
    if (r == 0)
        r = skr_http_boolean(request, "confirm", &job->confirmed, error);
    if (r == 0)
        r = skr_http_retry_parse(request, job, error);
    if (r < 0)
        return r;
    return job->is_batch ? skr_http_batch_parse(request, job, error) : parse_single(request, job, error);
}

/* ---- the writer ---- */

static int run_operations(struct skr_txn *txn, struct skr_http_job *job, struct skr_error *error)
{
    job->failed = -1;
    json_decref(SKR_TAKE(job->removal)); /* of an earlier attempt */
    for (unsigned i = 0; i < job->count; i++) {
        struct skr_http_operation *operation = &job->operations[i];
        if (operation->etag_of >= 0)
            operation->write.if_match =
                    skr_object_integer(skr_http_operation_object(&job->operations[operation->etag_of]), SKR_FIELD_ETAG);
        int r = skr_http_operation_run(operation, txn, error);
        if (r < 0 && !(job->dry_run && r == -ECANCELED)) {
            job->failed = (int)i;
            return r;
        }
    }
    return job->confirmed ? 0 : skr_model_confirm(txn, &job->principal, &job->removal, error);
}

/* A key that came with another request: the rules never see this one. */
static int audit_key(struct skr_txn *txn, void *arg, int result, const struct skr_error *why)
{
    const struct skr_http_job *job = arg;
    const struct skr_route *route = job->is_batch ? NULL : &job->operations[0].route;
    struct skr_refusal refusal = {
            .principal = job->principal, .method = "POST", .resource = route ? route->resource : NULL, .why = *why};
    struct skr_error error;
    if (route)
        refusal.id = route->id;
    (void)result;
    snprintf(refusal.path, sizeof(refusal.path), "%s", job->path);
    return job->dry_run ? 0 : skr_model_refusal(txn, &refusal, &error);
}

static int run(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct skr_http_job *job = arg;
    if (job->key)
        skr_txn_when_refused(txn, audit_key, job);
    int r = job->key ? skr_model_retry_find(txn, &job->retry, error) : 0;
    if (r < 0 || job->retry.objects)
        return r;
    r = run_operations(txn, job, error);
    if (r == 0 && job->key) {
        char *objects SKR_CLEANUP(skr_free_cleanup) = skr_http_retry_describe(job);
        r = skr_model_retry_keep(txn, &job->retry, objects, error);
    }
    return r == 0 && job->dry_run ? -ECANCELED : r;
}

/* On the writer's thread, once. */
static void done(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    struct skr_http_job *job = arg;
    struct skr_http_request *request = job->request;
    job->result = result;
    job->revision = revision;
    if (result < 0 && error)
        job->error = *error;
    skr_http_complete(request, SKR_HTTP_DONE);
    skr_http_request_unref(request);
    free_job(job);
}

/* ---- answer ---- */

static void answer_single(struct skr_http_request *request, const struct skr_http_job *job)
{
    const struct skr_http_operation *operation = &job->operations[0];
    const struct skr_object *object = skr_http_operation_object(operation);
    const struct skr_realization *realization = job->dry_run ? NULL : &job->realization;
    char location[SKR_HTTP_LOCATION_MAX];
    unsigned status = skr_http_operation_status(operation, job->dry_run);
    json_t *body = skr_http_operation_render(request, operation, realization, &job->fields, job->dry_run);
    if (!body && job->wait_ms && realization) {
        body = json_object();
        json_object_set_new(body, "realization", skr_render_realization(&request->principal, realization));
        status = status == 204 ? 200 : status;
    }
    skr_http_answer(request, status, body);
    if (object && status != 204 && operation->method != SKR_HTTP_DELETE && !operation->action.result)
        skr_http_add_etag(request, skr_object_integer(object, SKR_FIELD_ETAG));
    if (skr_http_operation_location(operation, status, location)[0])
        skr_http_add_header(request, "Location", location);
}

static void answer(struct skr_http_request *request)
{
    struct skr_http_job *job = request->job;
    if (job->is_batch)
        skr_http_answer(request, 200, skr_http_batch_render(request, job));
    else
        answer_single(request, job);
    skr_http_add_revision(request, job->revision);
}

/* The revision a client may ask about. A write that changed nothing names the object's last change. */
static int64_t revision_of(const struct skr_http_job *job, struct skr_store *store)
{
    const struct skr_object *object = skr_http_operation_object(&job->operations[0]);
    if (job->revision)
        return job->revision;
    return object && !job->dry_run && !job->is_batch ? skr_object_integer(object, SKR_FIELD_ETAG)
                                                     : skr_store_revision(store);
}

static void refuse_late(struct skr_http_request *request)
{
    struct skr_error late = {0};
    skr_error_set(&late, SKR_ERROR_UNAVAILABLE,
                  request->outcome == SKR_HTTP_STOPPING
                          ? "The controller stopped before this write was answered; look whether it was done"
                          : "The database has not taken this write in time; it may still do so: look before you retry");
    skr_http_answer_error(request, &late);
}

static void on_written(struct skr_http_request *request)
{
    struct skr_http_job *job = request->job;
    if (request->outcome != SKR_HTTP_DONE) {
        refuse_late(request);
        return;
    }
    /* A dry run is rolled back by an error of its own that says nothing. */
    if (job->result < 0 && !(job->dry_run && job->result == -ECANCELED)) {
        if (job->is_batch && job->failed >= 0)
            skr_http_batch_blame(&job->error, (unsigned)job->failed);
        skr_http_answer_problem(request, &job->error, job->removal);
        return;
    }
    if (job->retry.objects) {
        skr_http_retry_answer(request, job);
        return;
    }
    job->revision = revision_of(job, request->api->store);
    if (job->dry_run) {
        answer(request);
        return;
    }
    if (skr_realization_of_write(request->api->realizations, job->revision, &job->realization) < 0)
        job->realization = (struct skr_realization){.state = SKR_REALIZATION_PENDING};
    if (job->wait_ms && job->realization.state == SKR_REALIZATION_PENDING)
        skr_http_wait_realized(request, job->revision, job->wait_ms, &job->realization, answer);
    else
        answer(request);
}

static void refuse(struct skr_http_job *job, int r, enum skr_error_tag tag, const char *why)
{
    struct skr_error refused = {0};
    job->failed = -1;
    skr_error_set(&refused, tag, "%s", why);
    done(job, r, 0, &refused);
}

static void hand_over(struct skr_http_job *job)
{
    struct skr_store *store = job->request->api->store;
    int r = job->is_batch ? skr_store_write_bulk(store, run, done, job) : skr_store_write(store, run, done, job);
    if (r < 0)
        refuse(job, r, SKR_ERROR_UNAVAILABLE,
               r == -EAGAIN ? "More writes are waiting than the database can take; try again in a moment"
                            : "The controller is stopping; try again in a moment");
}

/* On the slow thread. */
static void do_slow(struct skr_http_slow_task *task, bool stopping)
{
    struct skr_http_job *job = (struct skr_http_job *)task;
    struct skr_error error = {0};
    int r = 0;
    if (stopping) {
        refuse(job, -ESHUTDOWN, SKR_ERROR_UNAVAILABLE, "The controller is stopping; try again in a moment");
        return;
    }
    for (unsigned i = 0; r == 0 && i < job->count; i++) {
        job->failed = (int)i;
        if (!job->operations[i].is_action)
            r = skr_model_do_slow(job->request->api->store, &job->operations[i].write, &error);
    }
    if (r < 0)
        done(job, r, 0, &error);
    else
        hand_over(job);
}

static unsigned count_slow(const struct skr_http_job *job)
{
    unsigned count = 0;
    for (unsigned i = 0; i < job->count; i++)
        count += !job->operations[i].is_action && skr_model_is_slow(&job->operations[i].write);
    return count;
}

static void submit(struct skr_http_request *request, struct skr_http_job *job)
{
    struct skr_api *api = request->api;
    unsigned slow = count_slow(job);
    if (slow > SLOW_MAX) {
        skr_error_set(&request->error, SKR_ERROR_LIMIT, "A batch may hold %d passphrases, not %u; send several.",
                      SLOW_MAX, slow);
        skr_http_answer_error(request, &request->error);
        return;
    }
    request->audited = true;
    job->request = skr_http_request_ref(request);
    __atomic_add_fetch(&job->references, 1, __ATOMIC_RELAXED);
    skr_http_suspend(request, skr_clock_monotonic_ns() + api->deadlines.answer * SKR_NS_PER_MS, on_written);
    job->slow.run = do_slow;
    if (!slow)
        hand_over(job);
    else if (!skr_http_slow_submit(api->slow, &job->slow))
        refuse(job, -EAGAIN, SKR_ERROR_TOO_MANY, SKR_HTTP_SLOW_FULL);
}

static void begin(struct skr_http_request *request, bool is_batch)
{
    struct skr_http_job *job = calloc(1, sizeof(*job));
    if (!job)
        abort();
    job->references = 1;
    job->is_batch = is_batch;
    job->principal = request->principal;
    request->job = job;
    request->free_job = free_job;
    if (parse(request, job, &request->error) < 0)
        skr_http_answer_error(request, &request->error);
    else
        submit(request, job);
}

void skr_http_write(struct skr_http_request *request)
{
    begin(request, false);
}

void skr_http_batch(struct skr_http_request *request)
{
    begin(request, true);
}
