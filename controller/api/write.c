#include "controller/api/http.h"

#include <errno.h>
#include <skerry/resource_fields.h>
#include <skerry/tls.h>
#include <string.h>

/* POST, PUT, PATCH, DELETE and actions: parse on the worker, judge and commit on the writer, answer on the worker
 * again.
 *
 * The job is the memory the writer writes into, so it has a reference of its own: when the deadline answers first, the
 * request goes on without looking at the job, and the writer's `done` frees what it finished too late. */
struct job {
    unsigned references;              /* atomic */
    struct skr_http_request *request; /* while the writer owns it */
    bool is_action;
    struct skr_write_request write;
    struct skr_action_request action;
    struct skr_object *input;
    /* written by done */
    int result;
    int64_t revision;
    struct skr_error error;
    /* of the worker */
    unsigned wait_ms;
    struct skr_http_fields fields;
    bool realization_known;
    struct skr_realization realization;
};

static void job_unref(void *arg)
{
    struct job *job = arg;
    if (__atomic_sub_fetch(&job->references, 1, __ATOMIC_ACQ_REL))
        return;
    if (job->is_action)
        skr_action_request_done(&job->action);
    else
        skr_write_request_done(&job->write);
    skr_object_unref(job->input);
    skr_http_fields_done(&job->fields);
    free(job);
}

/* ---- parse ---- */

static int parse_body(struct skr_http_request *request, const struct skr_resource *table, bool partial,
                      struct skr_object **ret, struct skr_error *error)
{
    /* An action without a body asks for its defaults. */
    bool empty = request->route.kind == SKR_ROUTE_ACTION && !request->body_size;
    json_t *json = empty ? json_object() : skr_http_request_json(request);
    if (!json)
        return -EINVAL; /* request->error says why */
    int r = skr_object_from_json(table, json, partial, request->principal.role, ret, error);
    json_decref(json);
    return r;
}

static int parse_preconditions(struct skr_http_request *request, struct skr_write_request *write,
                               struct skr_error *error)
{
    const char *match = skr_http_header(request, "If-Match"), *none = skr_http_header(request, "If-None-Match");
    int64_t etag = 0;
    int r = skr_http_if_match(match, &etag, error);
    if (r < 0)
        return r;
    if (none && (write->operation != SKR_OPERATION_CREATE || strcmp(none, "*") != 0))
        return skr_error_set(error, SKR_ERROR_SYNTAX,
                             "If-None-Match is taken as * on a POST that creates, nowhere else");
    if (match && write->operation == SKR_OPERATION_CREATE)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "If-Match makes no sense on a POST; nothing is there to match");
    bool changes = write->operation == SKR_OPERATION_REPLACE || write->operation == SKR_OPERATION_PATCH;
    if (changes && !match)
        return skr_error_set(error, SKR_ERROR_PRECONDITION_REQUIRED,
                             "Say which version you change: send If-Match with the ETag of your last GET");
    write->if_match = etag;
    write->if_none_match_any = none != NULL;
    return 0;
}

static int parse_write(struct skr_http_request *request, struct job *job, struct skr_error *error)
{
    struct skr_write_request *write = &job->write;
    write->operation = request->method == SKR_HTTP_POST    ? SKR_OPERATION_CREATE
                       : request->method == SKR_HTTP_PUT   ? SKR_OPERATION_REPLACE
                       : request->method == SKR_HTTP_PATCH ? SKR_OPERATION_PATCH
                                                           : SKR_OPERATION_DELETE;
    write->resource = request->route.resource->id;
    write->principal = request->principal;
    write->id = request->route.id;
    int r = skr_http_boolean(request, "dry_run", &write->dry_run, error);
    if (r == 0)
        r = parse_preconditions(request, write, error);
    if (r == 0)
        r = skr_http_fields_parse(request->route.resource, skr_http_parameter(request, "fields"), &job->fields, error);
    if (r == 0 && write->operation != SKR_OPERATION_DELETE)
        r = parse_body(request, request->route.resource, write->operation == SKR_OPERATION_PATCH, &job->input, error);
    write->input = job->input;
    return r;
}

static int parse_action(struct skr_http_request *request, struct job *job, struct skr_error *error)
{
    const struct skr_action *action = request->route.action;
    job->action = (struct skr_action_request){.resource = request->route.resource->id,
                                              .verb = action->verb,
                                              .principal = request->principal,
                                              .id = request->route.id};
    if (!action->input) {
        if (request->body_size && strspn(request->body, " \t\r\n{}") < request->body_size)
            return skr_error_set(error, SKR_ERROR_SYNTAX, ":%s takes no body; leave it out", action->verb);
        return 0;
    }
    int r = parse_body(request, action->input, false, &job->input, error);
    job->action.input = job->input;
    return r;
}

/* ---- answer ---- */

static void add_join_string(struct skr_http_request *request, const struct skr_object *token, json_t *rendered)
{
    char text[512], command[560], id[SKR_UUID_TEXT_MAX], hash[SKR_TLS_HASH_TEXT_MAX];
    struct skr_uuid uuid = skr_object_uuid(token, SKR_FIELD_ID);
    const char *secret = skr_object_text(token, SKR_JOIN_TOKEN_SECRET);
    if (!secret)
        return;
    snprintf(text, sizeof(text), "skerry://%s/%s.%s#%s", request->api->south_address, skr_uuid_format(&uuid, id),
             secret, skr_tls_hash_format(request->api->authority_key_hash, hash));
    snprintf(command, sizeof(command), "skerry-agent join '%s'", text);
    json_object_set_new(rendered, "join_string", json_string(text));
    json_object_set_new(rendered, "join_command", json_string(command));
}

/* 202: a job carries on; Location says where to follow it. */
static bool answer_job(struct skr_http_request *request, const struct skr_uuid *job_id, json_t **body)
{
    char location[64], id[SKR_UUID_TEXT_MAX];
    if (skr_uuid_is_nil(job_id))
        return false;
    skr_http_answer(request, 202, SKR_TAKE(*body));
    snprintf(location, sizeof(location), "/v1/jobs/%s", skr_uuid_format(job_id, id));
    skr_http_add_header(request, "Location", location);
    return true;
}

static void answer_write(struct skr_http_request *request, struct job *job)
{
    const struct skr_write_request *write = &job->write;
    const struct skr_object *result = write->result;
    const struct skr_realization *realization = job->realization_known ? &job->realization : NULL;
    if (write->operation == SKR_OPERATION_DELETE || !result) {
        json_t *body = NULL;
        if (job->wait_ms && realization) {
            body = json_object();
            json_object_set_new(body, "realization", skr_render_realization(&request->principal, realization));
        }
        if (!answer_job(request, &write->job_id, &body))
            skr_http_answer(request, body ? 200 : 204, body);
        return;
    }
    json_t *rendered = skr_render_object(request->api, &request->principal, result, realization, &job->fields);
    bool created = write->operation == SKR_OPERATION_CREATE && !write->dry_run;
    if (created && result->resource->id == SKR_JOIN_TOKEN)
        add_join_string(request, result, rendered);
    bool goes_on = !write->dry_run && answer_job(request, &write->job_id, &rendered);
    if (!goes_on)
        skr_http_answer(request, created ? 201 : 200, rendered);
    skr_http_add_etag(request, skr_object_integer(result, SKR_FIELD_ETAG));
    if (created && !goes_on) {
        char location[128], id[SKR_UUID_TEXT_MAX];
        struct skr_uuid uuid = skr_object_uuid(result, SKR_FIELD_ID);
        snprintf(location, sizeof(location), "/v1/%s/%s", result->resource->collection, skr_uuid_format(&uuid, id));
        skr_http_add_header(request, "Location", location);
    }
}

static void answer_action(struct skr_http_request *request, struct job *job)
{
    json_t *body = json_incref(job->action.result);
    if (!body && job->action.changed)
        body = skr_render_object(request->api, &request->principal, job->action.changed,
                                 job->realization_known ? &job->realization : NULL, NULL);
    if (!answer_job(request, &job->action.job_id, &body))
        skr_http_answer(request, body ? 200 : 204, body);
}

static void answer(struct skr_http_request *request)
{
    struct job *job = request->job;
    if (job->is_action)
        answer_action(request, job);
    else
        answer_write(request, job);
    skr_http_add_revision(request, job->revision);
}

/* The revision a client may ask about. A write that changed nothing names the object's last change. */
static int64_t revision_of(const struct job *job, struct skr_store *store)
{
    const struct skr_object *object = job->is_action ? job->action.changed : job->write.result;
    if (job->revision || job->write.dry_run)
        return job->revision ? job->revision : skr_store_revision(store);
    return object ? skr_object_integer(object, SKR_FIELD_ETAG) : skr_store_revision(store);
}

static void on_written(struct skr_http_request *request)
{
    struct skr_error late = {0};
    struct job *job = request->job;
    if (request->outcome != SKR_HTTP_DONE) {
        skr_error_set(
                &late, SKR_ERROR_UNAVAILABLE,
                request->outcome == SKR_HTTP_STOPPING
                        ? "The controller stopped before this write was answered; look whether it was done"
                        : "The database has not taken this write in time; it may still do so: look before you retry");
        skr_http_answer_error(request, &late);
        return;
    }
    /* A dry run is rolled back by an error of its own that says nothing. */
    bool dry_run_passed = job->write.dry_run && job->result == -ECANCELED;
    if (job->result < 0 && !dry_run_passed) {
        skr_http_answer_error(request, &job->error);
        return;
    }
    job->revision = revision_of(job, request->api->store);
    if (job->write.dry_run) {
        answer(request);
        return;
    }
    job->realization_known =
            skr_realization_of_write(request->api->realizations, job->revision, &job->realization) == 0;
    if (!job->realization_known)
        job->realization = (struct skr_realization){.state = SKR_REALIZATION_PENDING};
    job->realization_known = true;
    if (job->wait_ms && job->realization.state == SKR_REALIZATION_PENDING)
        skr_http_wait_realized(request, job->revision, job->wait_ms, &job->realization, answer);
    else
        answer(request);
}

/* On the writer's thread, once. */
static void done(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    struct job *job = arg;
    struct skr_http_request *request = job->request;
    job->result = result;
    job->revision = revision;
    if (result < 0 && error)
        job->error = *error;
    skr_http_complete(request, SKR_HTTP_DONE);
    skr_http_request_unref(request);
    job_unref(job);
}

static int run_write(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    return skr_model_write(txn, &((struct job *)arg)->write, error);
}

static int run_action(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    return skr_model_action(txn, &((struct job *)arg)->action, error);
}

static void submit(struct skr_http_request *request, struct job *job)
{
    struct skr_api *api = request->api;
    job->request = skr_http_request_ref(request);
    __atomic_add_fetch(&job->references, 1, __ATOMIC_RELAXED);
    skr_http_suspend(request, skr_clock_monotonic_ns() + api->deadlines.answer * SKR_NS_PER_MS, on_written);
    int r = skr_store_write(api->store, job->is_action ? run_action : run_write, done, job);
    if (r == 0)
        return;
    struct skr_error refused = {0};
    skr_error_set(&refused, SKR_ERROR_UNAVAILABLE,
                  r == -EAGAIN ? "More writes are waiting than the database can take; try again in a moment"
                               : "The controller is stopping; try again in a moment");
    done(job, r, 0, &refused);
}

void skr_http_write(struct skr_http_request *request)
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        abort();
    job->references = 1;
    job->is_action = request->route.kind == SKR_ROUTE_ACTION;
    request->job = job;
    request->free_job = job_unref;
    int r = skr_http_wait_parameters(request, &job->wait_ms, &request->error);
    if (r == 0)
        r = job->is_action ? parse_action(request, job, &request->error) : parse_write(request, job, &request->error);
    if (r < 0)
        skr_http_answer_error(request, &request->error);
    else
        submit(request, job);
}
