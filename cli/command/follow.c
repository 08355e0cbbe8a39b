#include "cli/command/command.h"

#include "cli/rest/sse.h"

#include <errno.h>
#include <skerry/clock.h>
#include <string.h>

/* ---- a write: the controller waits ---- */

int skr_ask_realized(struct skr_session *session, int64_t revision, unsigned ms, struct skr_answer *ret,
                     struct skr_error *error)
{
    struct skr_request_path path;
    struct skr_request request = {.method = "GET", .path = path.text, .patient_for_ms = ms};
    skr_path_set(&path, "/v1/realizations/%lld?wait=realized&timeout=%ums", (long long)revision, ms);
    return skr_client_send(session->client, &request, ret, error);
}

/* ---- an object: every change of it stands in the log, so watching from before the look misses none ---- */

struct following {
    skr_object_fn *seen;
    void *arg;
};

static int on_event(void *arg, const struct skr_sse_event *event)
{
    struct following *following = arg;
    bool enough = false;
    if (strcmp(event->event, "delete") == 0) {
        enough = following->seen(following->arg, NULL);
    } else if (strcmp(event->event, "put") == 0 || strcmp(event->event, "status") == 0) {
        json_t *data = json_loads(event->data, 0, NULL), *object = json_object_get(data, "object");
        enough = object && following->seen(following->arg, object);
        json_decref(data);
    }
    return enough ? -ECANCELED : 0;
}

static int on_data(void *arg, const char *data, size_t size)
{
    return skr_sse_feed(arg, data, size);
}

/* 1: it is enough. */
static int look(struct skr_session *session, const struct skr_resource *resource, const char *id,
                const struct following *following, struct skr_error *error)
{
    struct skr_request_path path;
    json_t *object = NULL;
    skr_path_set(&path, "/v1/%s/%s", resource->collection, id);
    int r = skr_client_get(session->client, path.text, &object, error);
    if (r == 0)
        r = following->seen(following->arg, object);
    json_decref(object);
    return r;
}

int skr_follow_object(struct skr_session *session, const struct skr_resource *resource, const char *id,
                      int64_t deadline_ns, skr_object_fn *seen, void *arg, struct skr_error *error)
{
    struct following following = {.seen = seen, .arg = arg};
    struct skr_sse sse SKR_CLEANUP(skr_sse_done) = {.on_event = on_event, .arg = &following};
    struct skr_request_path path;
    json_t *controller = NULL;
    int r = skr_client_get(session->client, "/v1/controller", &controller, error);
    skr_path_set(&path, "/v1/watch?kinds=%s&id=%s&since=%lld", resource->name, id,
                 (long long)json_integer_value(json_object_get(controller, "revision")));
    json_decref(controller);
    if (r == 0)
        r = look(session, resource, id, &following, error);
    if (r != 0)
        return r < 0 ? r : 0;
    int64_t left_ms = deadline_ns ? (deadline_ns - skr_clock_monotonic_ns()) / SKR_NS_PER_MS : 0;
    if (deadline_ns && left_ms <= 0)
        return 0;
    r = skr_client_stream(session->client, path.text, left_ms, on_data, &sse, error);
    return r == -ECANCELED ? 0 : r;
}
