/* Watches are exact: nothing is missed and nothing comes twice however often a client and the controller come back, and
 * nobody hears of an object that was never in his view. */
#include "tests/component/controller/api_client.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <skerry/macros.h>
#include <stdatomic.h>
#include <string.h>

#define SOON          10000
#define WRITES_MAX    400000
#define DELETE_EACH   4
#define DELETE_BEHIND 50
#define AHEAD         100 /* revisions that the writer is before the reader at most */

static struct api_server server;
static const struct skr_api_options options = {.deadlines = {.bookmark = 200}};

static void start(void)
{
    api_server_start(&server, &options, NULL);
}

static void stop(void)
{
    api_server_stop(&server);
}

TestSuite(api_watch_exact, .init = start, .fini = stop, .timeout = 1800);

static void call(const char *method, const char *collection, const char *id, const char *body, long wanted)
{
    char path[120], line[64] = "If-None-Match: *";
    snprintf(path, sizeof(path), "/v1/%s/%s", collection, id);
    if (strcmp(method, "PATCH") == 0) {
        API_REPLY now = api_call(&server, "GET", path, NULL, NULL);
        snprintf(line, sizeof(line), "If-Match: %s", now.etag);
    }
    const char *const headers[] = {line, NULL};
    API_REPLY reply = api_call(&server, method, path, body, strcmp(method, "PATCH") == 0 ? headers : NULL);
    cr_assert_eq(reply.status, wanted, "%s %s: %s", method, path, reply.text);
}

/* Writes the events of the watch as words: "put:x delete:y ". The first bookmark ends the reading. */
static void read_all(struct api_watch *watch, const char *const names[], const char ids[][37], char *out, size_t size)
{
    struct api_event event;
    out[0] = '\0';
    while (api_watch_next(watch, 1000, &event)) {
        if (strcmp(event.type, "bookmark") == 0) {
            json_decref(event.data);
            return;
        }
        for (int i = 0; names[i]; i++)
            if (strcmp(api_text(event.data, "id"), ids[i]) == 0)
                snprintf(out + strlen(out), size - strlen(out), "%s:%s ", event.type, names[i]);
        json_decref(event.data);
    }
}

/* Groups below a, b and c: x moves from a to b, y goes away below b, z is renamed below a. */
Test(api_watch_exact, a_filter_hears_of_what_comes_leaves_and_goes_and_of_nothing_else)
{
    static const char *const names[] = {"x", "y", "z", NULL};
    static const char *const wanted[] = {"put:z delete:x ", "delete:y put:x ", ""};
    char parents[3][37], ids[3][37], body[160], said[256];
    struct api_watch *watches[3];
    for (int i = 0; i < 3; i++) {
        snprintf(body, sizeof(body), "{\"name\": \"parent%d\"}", i);
        api_create(&server, "host-groups", body, parents[i]);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(body, sizeof(body), "{\"name\": \"%s\", \"parent_id\": \"%s\"}", names[i], parents[i == 1]);
        api_create(&server, "host-groups", body, ids[i]);
    }
    API_REPLY now = api_call(&server, "GET", "/v1/host-groups", NULL, NULL);
    long long since = json_integer_value(json_object_get(now.json, "revision"));
    call("PATCH", "host-groups", ids[2], "{\"name\": \"zz\"}", 200);
    call("DELETE", "host-groups", ids[1], NULL, 204);
    snprintf(body, sizeof(body), "{\"parent_id\": \"%s\"}", parents[1]);
    call("PATCH", "host-groups", ids[0], body, 200);
    for (int i = 0; i < 3; i++) {
        char path[160];
        snprintf(path, sizeof(path), "/v1/host-groups?watch=true&parent_id=%.36s&since=%lld&fields=id", parents[i],
                 since);
        watches[i] = api_watch_open(&server, path, NULL);
        read_all(watches[i], names, (const char(*)[37])ids, said, sizeof(said));
        cr_expect_str_eq(said, wanted[i], "watch %d: %s", i, said);
        api_watch_close(watches[i]);
    }
}

static int tell(void *arg)
{
    struct skr_realization_change change = {.resource = SKR_TENANT};
    skr_uuid_parse(arg, &change.id);
    skr_api_realizations(server.api, &change, 1);
    return 0;
}

Test(api_watch_exact, a_watch_hears_when_only_realization_changes)
{
    char id[37];
    struct api_event event = {0};
    api_create(&server, "tenants", "{\"name\": \"red\"}", id);
    struct api_watch *watch = api_watch_open(&server, "/v1/watch?kinds=tenant", NULL);
    cr_assert(api_watch_next(watch, SOON, &event));
    json_decref(event.data);
    tell(id);
    do {
        cr_assert(api_watch_next(watch, SOON, &event));
        if (strcmp(event.type, "status") == 0)
            break;
        json_decref(event.data);
    } while (true);
    cr_assert_eq(event.id, -1);
    cr_assert_str_eq(api_text(event.data, "id"), id);
    json_decref(event.data);
    api_watch_close(watch);
}

/* ---- a storm ---- */

struct written {
    char id[37];
    long long created, deleted; /* revisions */
};

static struct {
    pthread_mutex_t lock; /* held during a write, and during a restart */
    pthread_cond_t changed;
    struct written *rows;
    atomic_int count;
    CURL *handle; /* the writer's, NULL after a restart */
    /* under lock */
    long long written, heard; /* revisions */
    bool end;
} storm = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void add_one(struct written *row, int number)
{
    char body[64];
    int size = snprintf(body, sizeof(body), "{\"name\": \"t%d\"}", number);
    API_REPLY reply = api_call_on(storm.handle, &server, "POST", "/v1/tenants", body, (size_t)size, NULL);
    if (reply.status != 201)
        return;
    snprintf(row->id, sizeof(row->id), "%s", api_text(reply.json, "id"));
    storm.written = row->created = reply.revision;
}

static void remove_one(struct written *row)
{
    char path[80];
    snprintf(path, sizeof(path), "/v1/tenants/%s", row->id);
    API_REPLY reply = api_call_on(storm.handle, &server, "DELETE", path, NULL, 0, NULL);
    if (reply.status == 204)
        storm.written = row->deleted = reply.revision;
}

static void *write_on(void *unused)
{
    pthread_mutex_lock(&storm.lock);
    for (int i = 0; i < WRITES_MAX && !storm.end; i++) {
        if (!storm.handle)
            storm.handle = api_handle_new(&server);
        add_one(&storm.rows[i], i);
        if (i % DELETE_EACH == 0 && i >= DELETE_BEHIND && storm.rows[i - DELETE_BEHIND].created)
            remove_one(&storm.rows[i - DELETE_BEHIND]);
        atomic_store(&storm.count, i + 1);
        while (storm.written > storm.heard + AHEAD && !storm.end)
            pthread_cond_wait(&storm.changed, &storm.lock);
        pthread_mutex_unlock(&storm.lock); /* for a restart */
        pthread_mutex_lock(&storm.lock);
    }
    pthread_mutex_unlock(&storm.lock);
    return unused;
}

/* Lets the writer go on behind what has been heard, or end. */
static void tell_writer(long long heard, bool end)
{
    pthread_mutex_lock(&storm.lock);
    storm.heard = heard;
    storm.end |= end;
    pthread_cond_signal(&storm.changed);
    pthread_mutex_unlock(&storm.lock);
}

static void restart(void)
{
    pthread_mutex_lock(&storm.lock);
    curl_easy_cleanup(storm.handle);
    storm.handle = NULL;
    api_server_restart(&server, &options);
    pthread_mutex_unlock(&storm.lock);
}

/* How often each revision was delivered. */
struct heard {
    unsigned char *times;
    size_t size;
    long long last;
};

/* Reads up to `events` of them, or until `until` has been reached. */
static void read_some(struct heard *heard, const char *path, int events, long long until)
{
    char last[24];
    struct api_event event;
    snprintf(last, sizeof(last), "%lld", heard->last);
    struct api_watch *watch = api_watch_open(&server, path, last);
    for (int i = 0; i < events && heard->last < until && api_watch_next(watch, SOON, &event); i++) {
        if (event.id >= 0 && strcmp(event.type, "bookmark") != 0) {
            cr_assert_gt(event.id, heard->last, "revisions only grow");
            cr_assert_lt((size_t)event.id, heard->size);
            heard->times[event.id]++;
        }
        if (event.id > heard->last)
            heard->last = event.id;
        json_decref(event.data);
    }
    api_watch_close(watch);
}

static void judge(const struct heard *heard)
{
    unsigned gaps = 0, twice = 0;
    for (int i = 0; i < atomic_load(&storm.count); i++) {
        const struct written *row = &storm.rows[i];
        if (row->created && !row->deleted)
            gaps += heard->times[row->created] == 0;
        if (row->deleted)
            gaps += heard->times[row->deleted] == 0;
    }
    for (size_t i = 0; i < heard->size; i++)
        twice += heard->times[i] > 1;
    cr_log_info("%d writes, %u gaps, %u duplicates", atomic_load(&storm.count), gaps, twice);
    cr_assert_eq(gaps, 0);
    cr_assert_eq(twice, 0);
}

Test(api_watch_exact, reconnects_and_restarts_lose_and_repeat_nothing)
{
    const char *given = getenv("SKERRY_LONG");
    int reconnects = given && *given ? 10000 : 300, restarts = 5;
    struct heard heard = {.size = 4 * WRITES_MAX};
    pthread_t writer;
    heard.times = calloc(heard.size, 1);
    storm.rows = calloc(WRITES_MAX, sizeof(*storm.rows));
    cr_assert(heard.times && storm.rows);
    storm.heard = heard.last = skr_store_revision(server.database.store);
    cr_assert_eq(pthread_create(&writer, NULL, write_on, NULL), 0);
    for (int i = 0; i < reconnects; i++) {
        if (i % (reconnects / restarts) == reconnects / restarts / 2)
            restart();
        read_some(&heard, "/v1/watch?kinds=tenant", 1 + i % 3, INT64_MAX);
        tell_writer(heard.last, false);
    }
    tell_writer(heard.last, true);
    pthread_join(writer, NULL);
    curl_easy_cleanup(storm.handle);
    read_some(&heard, "/v1/watch?kinds=tenant", WRITES_MAX, skr_store_revision(server.database.store));
    judge(&heard);
    free(heard.times);
    free(storm.rows);
}
