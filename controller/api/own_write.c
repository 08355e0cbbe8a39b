#include "controller/api/http.h"

#include <errno.h>

static void unref(void *arg)
{
    struct skr_http_own_write *write = arg;
    if (__atomic_sub_fetch(&write->references, 1, __ATOMIC_ACQ_REL) == 0)
        write->release(write);
}

/* On the writer's thread, once. */
static void done(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    struct skr_http_own_write *write = arg;
    struct skr_http_request *request = write->request;
    (void)revision;
    write->result = result;
    if (result < 0 && error)
        write->error = *error;
    skr_http_complete(request, SKR_HTTP_DONE);
    skr_http_request_unref(request);
    unref(write);
}

void skr_http_own_write(struct skr_http_request *request, struct skr_http_own_write *write, skr_write_fn *fn,
                        void (*release)(struct skr_http_own_write *write), skr_http_step_fn *next)
{
    struct skr_api *api = request->api;
    write->references = 2;
    write->request = skr_http_request_ref(request);
    write->release = release;
    request->job = write;
    request->free_job = unref;
    skr_http_suspend(request, skr_clock_monotonic_ns() + api->deadlines.answer * SKR_NS_PER_MS, next);
    int r = skr_store_write(api->store, fn, done, write);
    if (r == 0)
        return;
    struct skr_error refused = {0};
    skr_error_set(&refused, SKR_ERROR_UNAVAILABLE, "The database takes no write now; try again in a moment");
    done(write, r, 0, &refused);
}

int skr_http_own_write_result(struct skr_http_request *request, const char *late)
{
    const struct skr_http_own_write *write = request->job;
    if (request->outcome != SKR_HTTP_DONE) /* the writer has it still: nothing of it may be looked at */
        return skr_error_set(&request->error, SKR_ERROR_UNAVAILABLE, "%s", late);
    if (write->result < 0)
        request->error = write->error;
    return write->result;
}
