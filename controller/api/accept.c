#include "controller/api/http.h"

#include <errno.h>

/* POST /v1/controller:accept-database: one write without an object. Its memory outlives a request that was answered by
 * its deadline, as that of other writes does (write.c). */
struct accept {
    unsigned references; /* atomic: the request's and the writer's */
    struct skr_http_request *request;
    struct skr_principal principal;
    int result;
    struct skr_error error;
};

static void accept_free(void *arg)
{
    struct accept *accept = arg;
    if (__atomic_sub_fetch(&accept->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(accept);
}

static void done(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    struct accept *accept = arg;
    struct skr_http_request *request = accept->request;
    (void)revision;
    accept->result = result;
    if (result < 0 && error)
        accept->error = *error;
    skr_http_complete(request, SKR_HTTP_DONE);
    skr_http_request_unref(request);
    accept_free(accept);
}

static void on_written(struct skr_http_request *request)
{
    const struct accept *accept = request->job;
    if (request->outcome != SKR_HTTP_DONE) {
        skr_error_set(&request->error, SKR_ERROR_UNAVAILABLE,
                      "The database has not taken this in time; look at GET /v1/controller before you retry");
        skr_http_answer_error(request, &request->error);
    } else if (accept->result < 0) {
        skr_http_answer_error(request, &accept->error);
    } else {
        skr_http_controller(request);
    }
}

static int run(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct accept *accept = arg;
    return skr_model_accept_database(txn, &accept->principal, error);
}

void skr_http_accept_database(struct skr_http_request *request)
{
    struct accept *accept = calloc(1, sizeof(*accept));
    struct skr_api *api = request->api;
    if (!accept)
        abort();
    *accept =
            (struct accept){.references = 2, .request = skr_http_request_ref(request), .principal = request->principal};
    request->job = accept;
    request->free_job = accept_free;
    skr_http_suspend(request, skr_clock_monotonic_ns() + api->deadlines.answer * SKR_NS_PER_MS, on_written);
    int r = skr_store_write(api->store, run, done, accept);
    if (r == 0)
        return;
    struct skr_error refused = {0};
    skr_error_set(&refused, SKR_ERROR_UNAVAILABLE, "The database takes no write now; try again in a moment");
    done(accept, r, 0, &refused);
}
