#include "controller/api/http.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* A request that waits until a write is realized. The policy's thread copies what it found and completes; the deadline
 * is the timer's, and then the truth of that moment is read. */

struct wait {
    unsigned references; /* atomic: the request's and the callback's */
    struct skr_http_request *request;
    struct skr_realization found;
    /* of the worker alone */
    struct skr_realization_wait *handle;
    int64_t revision;
    struct skr_realization *ret;
    skr_http_step_fn *next;
};

static void wait_unref(struct wait *wait)
{
    if (__atomic_sub_fetch(&wait->references, 1, __ATOMIC_ACQ_REL))
        return;
    skr_http_request_unref(wait->request);
    free(wait);
}

static void on_realized(void *arg, const struct skr_realization *realization)
{
    struct wait *wait = arg;
    wait->found = *realization;
    skr_http_complete(wait->request, SKR_HTTP_DONE);
    wait_unref(wait);
}

/* The callback's reference goes with the callback, or here when there will be none. */
static struct wait *end_wait(struct skr_http_request *request)
{
    struct wait *wait = SKR_TAKE(request->wait);
    if (wait && skr_realization_wait_cancel(wait->handle))
        wait_unref(wait);
    return wait;
}

void skr_http_wait_abandon(struct skr_http_request *request)
{
    struct wait *wait = end_wait(request);
    if (wait)
        wait_unref(wait);
}

static void on_resumed(struct skr_http_request *request)
{
    struct wait *wait = end_wait(request);
    skr_http_step_fn *next = wait->next;
    skr_http_let_go(request, SKR_HTTP_POOL_WAITS);
    if (request->outcome == SKR_HTTP_DONE)
        *wait->ret = wait->found;
    else if (skr_realization_of_write(request->api->realizations, wait->revision, wait->ret) < 0)
        *wait->ret = (struct skr_realization){.state = SKR_REALIZATION_PENDING};
    wait_unref(wait);
    next(request);
}

void skr_http_wait_realized(struct skr_http_request *request, int64_t revision, unsigned timeout_ms,
                            struct skr_realization *ret, skr_http_step_fn *next)
{
    struct skr_error full = {0};
    /* A write that stands already is answered without the wait rather than with a refusal. */
    if (skr_http_hold(request, SKR_HTTP_POOL_WAITS, 1, &full) < 0) {
        if (request->method == SKR_HTTP_GET)
            skr_http_answer_error(request, &full);
        else
            next(request);
        return;
    }
    struct wait *wait = calloc(1, sizeof(*wait));
    if (!wait)
        abort();
    *wait = (struct wait){
            .references = 2, .request = skr_http_request_ref(request), .revision = revision, .ret = ret, .next = next};
    request->wait = wait;
    request->interruptible = true;
    skr_http_suspend(request, skr_clock_monotonic_ns() + timeout_ms * SKR_NS_PER_MS, on_resumed);
    wait->handle = skr_realization_wait_new(request->api->realizations, revision, on_realized, wait);
}

/* ---- GET /v1/realizations/N ---- */

struct question {
    int64_t revision;
    struct skr_realization realization;
};

static void answer_question(struct skr_http_request *request)
{
    const struct question *question = request->job;
    json_t *rendered = skr_render_realization(&request->principal, &question->realization);
    json_object_set_new(rendered, "revision", json_integer(question->revision));
    skr_http_answer(request, 200, rendered);
    skr_http_add_revision(request, question->revision);
}

static int parse_revision(const char *text, int64_t *ret, struct skr_error *error)
{
    char *end;
    errno = 0;
    long long revision = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || revision < 1)
        return skr_error_set(error, SKR_ERROR_NOT_FOUND,
                             "'%.40s' is no revision; every write answers its own in the header Skerry-Revision", text);
    *ret = revision;
    return 0;
}

/* A principal that sees a part hears of writes that changed something of it, and of others as if there were none. */
static int check_write(struct skr_http_request *request, int64_t revision, struct skr_error *error)
{
    const struct skr_principal *principal = &request->principal;
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    /* The store is asked, not the policy: a revision that has just been committed may not have reached the policy. */
    int64_t newest = skr_store_revision(request->api->store);
    if (skr_uuid_is_nil(&principal->tenant_id) && skr_uuid_is_nil(&principal->host_group_id))
        return revision <= newest
                       ? 0
                       : skr_error_set(error, SKR_ERROR_NOT_FOUND,
                                       "There is no write %" PRId64 " yet; the last is %" PRId64, revision, newest);
    int r = skr_store_read_begin(request->api->store, &txn, error);
    if (r == 0)
        r = skr_model_sees_write(txn, principal, revision, error);
    if (r != 0)
        return r < 0 ? r : 0;
    return skr_error_set(error, SKR_ERROR_NOT_FOUND,
                         "There is no write %" PRId64 " that changed something of yours, or it is too long ago; the "
                         "objects themselves say whether they are realized",
                         revision);
}

void skr_http_realization(struct skr_http_request *request)
{
    unsigned timeout_ms = 0;
    struct question *question = calloc(1, sizeof(*question));
    if (!question)
        abort();
    request->job = question;
    request->free_job = free;
    int r = parse_revision(request->route.word, &question->revision, &request->error);
    if (r == 0)
        r = skr_http_wait_parameters(request, &timeout_ms, &request->error);
    if (r == 0)
        r = check_write(request, question->revision, &request->error);
    if (r < 0) {
        skr_http_answer_error(request, &request->error);
        return;
    }
    if (skr_realization_of_write(request->api->realizations, question->revision, &question->realization) < 0)
        question->realization = (struct skr_realization){.state = SKR_REALIZATION_PENDING};
    if (timeout_ms && question->realization.state == SKR_REALIZATION_PENDING)
        skr_http_wait_realized(request, question->revision, timeout_ms, &question->realization, answer_question);
    else
        answer_question(request);
}
