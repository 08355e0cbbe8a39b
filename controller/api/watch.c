#include "controller/api/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct skr_http_watches {
    pthread_mutex_t lock;
    struct skr_watch *first;
    unsigned count;
};

struct skr_http_watches *skr_http_watches_new(void)
{
    struct skr_http_watches *watches = calloc(1, sizeof(*watches));
    if (!watches)
        abort();
    pthread_mutex_init(&watches->lock, NULL);
    return watches;
}

void skr_http_watches_free(struct skr_http_watches *watches)
{
    if (!watches)
        return;
    pthread_mutex_destroy(&watches->lock);
    free(watches);
}

unsigned skr_http_watches_count(struct skr_http_watches *watches)
{
    pthread_mutex_lock(&watches->lock);
    unsigned count = watches->count;
    pthread_mutex_unlock(&watches->lock);
    return count;
}

/* ---- waking: the writer's thread ---- */

/* The same object twice is once: its state is read when it is delivered. Beyond the maximum one is lost, as status is
 * allowed to be. */
static void note_status(struct skr_watch *watch, enum skr_resource_id resource, const struct skr_uuid *id)
{
    for (unsigned i = 0; i < watch->status_count; i++)
        if (watch->statuses[i].resource == resource && skr_uuid_equal(&watch->statuses[i].id, id))
            return;
    if (watch->status_count < SKR_WATCH_STATUSES_MAX)
        watch->statuses[watch->status_count++] = (struct skr_watch_status){.resource = resource, .id = *id};
}

struct woken {
    struct skr_http_request *requests[SKR_HTTP_WATCHES_MAX];
    unsigned count;
};

/* Under the lock. */
static void has_news(struct skr_watch *watch, struct woken *woken)
{
    watch->news = true;
    woken->requests[woken->count++] = skr_http_request_ref(watch->request);
}

/* Without the lock. */
static void wake(struct woken *woken)
{
    for (unsigned i = 0; i < woken->count; i++) {
        skr_http_complete(woken->requests[i], SKR_HTTP_DONE);
        skr_http_request_unref(woken->requests[i]);
    }
}

void skr_http_watches_changes(struct skr_http_watches *watches, const struct skr_change *changes, size_t count)
{
    struct woken woken = {.count = 0};
    uint64_t kinds = 0;
    for (size_t i = 0; i < count; i++)
        kinds |= UINT64_C(1) << changes[i].resource | skr_watch_kinds_decided(changes[i].resource);
    pthread_mutex_lock(&watches->lock);
    uint64_t credentials = kinds & (UINT64_C(1) << SKR_TOKEN | UINT64_C(1) << SKR_SESSION);
    for (struct skr_watch *watch = watches->first; watch; watch = watch->next) {
        if (!(watch->kinds & kinds) && !credentials)
            continue;
        for (size_t i = 0; i < count; i++) {
            struct skr_uuid id = skr_object_uuid(changes[i].object, SKR_FIELD_ID);
            if (changes[i].op == SKR_CHANGE_STATUS && watch->kinds >> changes[i].resource & 1)
                note_status(watch, changes[i].resource, &id);
        }
        has_news(watch, &woken);
    }
    pthread_mutex_unlock(&watches->lock);
    wake(&woken);
}

void skr_http_watches_realizations(struct skr_http_watches *watches, const struct skr_realization_change *changes,
                                   size_t count)
{
    struct woken woken = {.count = 0};
    pthread_mutex_lock(&watches->lock);
    for (struct skr_watch *watch = watches->first; watch; watch = watch->next) {
        bool concerned = false;
        for (size_t i = 0; i < count; i++)
            if (watch->kinds >> changes[i].resource & 1) {
                note_status(watch, changes[i].resource, &changes[i].id);
                concerned = true;
            }
        if (concerned)
            has_news(watch, &woken);
    }
    pthread_mutex_unlock(&watches->lock);
    wake(&woken);
}

/* ---- the stream: the connection's worker ---- */

static unsigned take_news(struct skr_watch *watch, struct skr_watch_status statuses[static SKR_WATCH_STATUSES_MAX])
{
    struct skr_http_watches *watches = watch->request->api->watches;
    pthread_mutex_lock(&watches->lock);
    unsigned count = watch->status_count;
    memcpy(statuses, watch->statuses, count * sizeof(*statuses));
    watch->status_count = 0;
    watch->news = false;
    pthread_mutex_unlock(&watches->lock);
    return count;
}

static void sleep_until_news(struct skr_watch *watch)
{
    struct skr_http_watches *watches = watch->request->api->watches;
    skr_http_suspend(watch->request, watch->bookmark_due_ns, NULL);
    pthread_mutex_lock(&watches->lock);
    bool news = watch->news;
    pthread_mutex_unlock(&watches->lock);
    /* It came after we looked and before we could be woken. */
    if (news)
        skr_http_complete(watch->request, SKR_HTTP_DONE);
}

static ssize_t read_events(void *arg, uint64_t position, char *buffer, size_t room)
{
    (void)position;
    struct skr_watch *watch = arg;
    struct skr_api *api = watch->request->api;
    int64_t now_ns = skr_clock_monotonic_ns();
    if (watch->sent == watch->size) {
        struct skr_watch_status statuses[SKR_WATCH_STATUSES_MAX];
        if (watch->ended || atomic_load(&api->stopping))
            return MHD_CONTENT_READER_END_OF_STREAM;
        watch->sent = watch->size = 0;
        unsigned count = take_news(watch, statuses);
        skr_watch_feed(watch, statuses, count, now_ns);
        if (!watch->size) {
            sleep_until_news(watch);
            return 0;
        }
    }
    size_t size = watch->size - watch->sent < room ? watch->size - watch->sent : room;
    memcpy(buffer, watch->text + watch->sent, size);
    watch->sent += size;
    /* We are not called again before this has gone to the socket. */
    skr_http_peer_deadline(watch->request->peer, now_ns + api->deadlines.sse_write * SKR_NS_PER_MS);
    return (ssize_t)size;
}

static void free_watch(void *arg)
{
    struct skr_watch *watch = arg;
    struct skr_http_request *request = watch->request;
    struct skr_http_watches *watches = request->api->watches;
    pthread_mutex_lock(&watches->lock);
    if (watch->previous)
        watch->previous->next = watch->next;
    else
        watches->first = watch->next;
    if (watch->next)
        watch->next->previous = watch->previous;
    watches->count--;
    pthread_mutex_unlock(&watches->lock);
    for (unsigned i = 0; i < watch->filter_count; i++)
        skr_value_clear(&watch->filters[i].value);
    skr_http_fields_done(&watch->fields);
    free(watch->text);
    free(watch);
    skr_http_request_unref(request);
}

/* ---- the request ---- */

/* A kind that is not for the role is none. */
static unsigned readable_kinds(const struct skr_principal *principal, const struct skr_resource **ret)
{
    unsigned count = 0;
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        if (skr_role_reads(resource->reader, principal->role))
            ret[count++] = resource;
    }
    return count;
}

static int parse_kinds(const struct skr_principal *principal, const char *text, uint64_t *ret, struct skr_error *error)
{
    const struct skr_resource *readable[SKR_RESOURCE_COUNT];
    const char *names[SKR_RESOURCE_COUNT];
    unsigned count = readable_kinds(principal, readable);
    uint64_t kinds = 0;
    for (unsigned i = 0; i < count; i++) {
        names[i] = readable[i]->name;
        kinds |= text ? 0 : UINT64_C(1) << readable[i]->id;
    }
    char *copy SKR_CLEANUP(skr_free_cleanup) = text ? strdup(text) : NULL, *rest = copy, *name;
    while ((name = strsep(&rest, ","))) {
        unsigned at = 0;
        while (at < count && strcmp(names[at], name) != 0)
            at++;
        if (at < count) {
            kinds |= UINT64_C(1) << readable[at]->id;
            continue;
        }
        const char *near = skr_nearest(name, names, count);
        return near ? skr_error_set(error, SKR_ERROR_SYNTAX, "kinds: there is no kind '%.60s'; did you mean '%s'?",
                                    name, near)
                    : skr_error_set(error, SKR_ERROR_SYNTAX,
                                    "kinds: there is no kind '%.60s'; give kinds such as vm-network,vm-subnet", name);
    }
    *ret = kinds;
    return 0;
}

/* A filter that one of the kinds knows nothing of would silently hide all of it. */
static int judge_filter(const struct skr_watch *watch, const struct skr_principal *principal, const char *name,
                        struct skr_error *error)
{
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        int field = watch->kinds >> i & 1 ? skr_resource_field(resource, name) : 0;
        if (field < 0 || (watch->kinds >> i & 1 && !skr_role_reads(resource->fields[field].reader, principal->role)))
            return skr_error_set(error, SKR_ERROR_SYNTAX,
                                 "A %s has no %s; name kinds that have it with kinds=", resource->name, name);
    }
    return 0;
}

static int parse_filters(struct skr_http_request *request, struct skr_watch *watch, struct skr_error *error)
{
    static const char *const names[] = {"id", "tenant_id", "vm_network_id", "host_id"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(names); i++) {
        const char *text = skr_http_parameter(request, names[i]);
        struct skr_value value = {.type = SKR_VALUE_UUID};
        if (!text)
            continue;
        if (skr_uuid_parse(text, &value.uuid) < 0)
            return skr_error_set(error, SKR_ERROR_SYNTAX, "%s is a UUID, not '%.60s'", names[i], text);
        int r = judge_filter(watch, &request->principal, names[i], error);
        if (r < 0)
            return r;
        watch->filters[watch->filter_count++] = (struct skr_watch_filter){.name = names[i], .value = value};
    }
    return 0;
}

/* GET /v1/<collection>?watch=true: the list's kind and filters. */
static int parse_list_filters(struct skr_http_request *request, struct skr_watch *watch, struct skr_error *error)
{
    static const char *const refused[] = {"limit", "page_token", "labels", "realization"};
    struct skr_list_query query = {0};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(refused); i++)
        if (skr_http_parameter(request, refused[i]))
            return skr_error_set(error, SKR_ERROR_SYNTAX, "%s does not go with watch=true", refused[i]);
    watch->kinds = UINT64_C(1) << request->route.resource->id;
    int r = skr_http_fields_parse(request->route.resource, skr_http_parameter(request, "fields"), &watch->fields,
                                  error);
    if (r == 0)
        r = skr_http_filters(request, &query, error);
    for (unsigned i = 0; r == 0 && i < query.filter_count; i++) {
        const char *name = request->route.resource->fields[query.filters[i].field].name;
        watch->filters[watch->filter_count++] =
                (struct skr_watch_filter){.name = name, .value = query.filters[i].value};
    }
    if (r == 0)
        query.filter_count = 0;
    skr_http_filters_clear(&query);
    return r;
}

/* Last-Event-ID, which a browser sends by itself, before ?since=, before now. */
static int parse_start(struct skr_http_request *request, struct skr_watch *watch, struct skr_error *error)
{
    int64_t newest = skr_store_revision(request->api->store);
    const char *id = skr_http_header(request, "Last-Event-ID");
    const char *text = id && *id ? id : skr_http_parameter(request, "since");
    if (!text) {
        watch->cursor = newest;
        return 0;
    }
    char *end;
    errno = 0;
    long long since = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno)
        return skr_error_set(error, SKR_ERROR_SYNTAX,
                             "since is the revision of a list or of the last event seen, a number, not '%.40s'", text);
    if (since > newest)
        return skr_error_set(error, SKR_ERROR_SYNTAX,
                             "There is no revision %lld yet; the last is %" PRId64
                             ". Is this another database? List again",
                             since, newest);
    watch->cursor = since;
    struct skr_log_row row;
    size_t count;
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    int r = skr_store_read_begin(request->api->store, &txn, error);
    return r < 0 ? r : skr_store_log_read(txn, since, 1, &row, &count, error);
}

/* The pool has let it in, so there are no more than SKR_HTTP_WATCHES_MAX. */
static void enlist(struct skr_http_watches *watches, struct skr_watch *watch)
{
    pthread_mutex_lock(&watches->lock);
    watch->next = watches->first;
    if (watches->first)
        watches->first->previous = watch;
    watches->first = watch;
    watches->count++;
    pthread_mutex_unlock(&watches->lock);
}

void skr_http_watch(struct skr_http_request *request)
{
    struct skr_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        abort();
    struct skr_error *error = &request->error;
    int r;
    if (request->route.kind == SKR_ROUTE_COLLECTION) {
        r = parse_list_filters(request, watch, error);
    } else {
        r = parse_kinds(&request->principal, skr_http_parameter(request, "kinds"), &watch->kinds, error);
        if (r == 0)
            r = parse_filters(request, watch, error);
    }
    if (r == 0)
        r = parse_start(request, watch, error);
    watch->request = request;
    if (r == 0)
        r = skr_http_hold(request, SKR_HTTP_POOL_WATCHES, 1, error);
    if (r < 0) {
        for (unsigned i = 0; i < watch->filter_count; i++)
            skr_value_clear(&watch->filters[i].value);
        skr_http_fields_done(&watch->fields);
        free(watch);
        skr_http_answer_error(request, error);
        return;
    }
    enlist(request->api->watches, watch);
    /* Due at once: the first bookmark tells the client where it stands. */
    watch->bookmark_due_ns = skr_clock_monotonic_ns();
    request->interruptible = true;
    skr_http_request_ref(request);
    request->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 << 10, read_events, watch, free_watch);
    if (!request->response)
        abort();
    request->status = 200;
    skr_http_add_header(request, "Content-Type", "text/event-stream");
    skr_http_add_header(request, "Cache-Control", "no-store");
    skr_http_add_common_headers(request);
}
