#include "controller/api/http.h"

/* POST /v1/controller:accept-database: one write without an object. */
struct accept {
    struct skr_http_own_write write; /* first */
    struct skr_principal principal;
};

static void release(struct skr_http_own_write *write)
{
    free(write);
}

static void on_written(struct skr_http_request *request)
{
    if (skr_http_own_write_result(
                request, "The database has not taken this in time; look at GET /v1/controller before you retry") < 0)
        skr_http_answer_error(request, &request->error);
    else
        skr_http_controller(request);
}

static int run(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    return skr_model_accept_database(txn, &((struct accept *)arg)->principal, error);
}

void skr_http_accept_database(struct skr_http_request *request)
{
    struct accept *accept = calloc(1, sizeof(*accept));
    if (!accept)
        abort();
    accept->principal = request->principal;
    skr_http_own_write(request, &accept->write, run, release, on_written);
}
