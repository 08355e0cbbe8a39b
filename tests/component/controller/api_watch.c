/* Watches over a real connection: order, coalescing, reconnecting with Last-Event-ID, filters, and what ends them. */
#include "tests/component/controller/api_client.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/resource_fields.h>
#include <string.h>

#define SOON 10000

static struct api_server server;

static void start(void)
{
    struct skr_api_options options = {.deadlines = {.bookmark = 200}};
    api_server_start(&server, &options, NULL);
}

static void stop(void)
{
    api_server_stop(&server);
}

TestSuite(api_watch, .init = start, .fini = stop);

static void create_tenant(const char *name, char id[static 37])
{
    char body[80];
    snprintf(body, sizeof(body), "{\"name\": \"%s\"}", name);
    api_create(&server, "tenants", body, id);
}

/* The next event that is no bookmark. */
static struct api_event next(struct api_watch *watch)
{
    struct api_event event = {0};
    for (int i = 0; i < 200; i++) {
        cr_assert(api_watch_next(watch, SOON, &event), "no event came");
        if (strcmp(event.type, "bookmark") != 0)
            return event;
        json_decref(event.data);
    }
    cr_assert_fail("nothing but bookmarks came");
    return event;
}

static void expect(struct api_watch *watch, const char *type, const char *id)
{
    struct api_event event = next(watch);
    cr_assert_str_eq(event.type, type);
    cr_assert_str_eq(api_text(event.data, "id"), id);
    json_decref(event.data);
}

/* The watch stands: its first bookmark says from where. */
static long long expect_bookmark(struct api_watch *watch)
{
    struct api_event event;
    cr_assert(api_watch_next(watch, SOON, &event));
    cr_assert_str_eq(event.type, "bookmark");
    cr_assert_eq(event.id, json_integer_value(json_object_get(event.data, "revision")));
    json_decref(event.data);
    return event.id;
}

Test(api_watch, tells_what_happens_with_the_object_as_it_is)
{
    char id[37], path[80], line[80];
    struct api_watch *watch = api_watch_open(&server, "/v1/watch?kinds=tenant", NULL);
    expect_bookmark(watch);
    create_tenant("Red", id);
    struct api_event event = next(watch);
    cr_assert_str_eq(event.type, "put");
    cr_assert_str_eq(api_text(event.data, "kind"), "tenant");
    cr_assert_str_eq(api_text(json_object_get(event.data, "object"), "name"), "Red");
    cr_assert_eq(event.id, json_integer_value(json_object_get(event.data, "revision")));
    json_decref(event.data);
    snprintf(path, sizeof(path), "/v1/tenants/%s", id);
    API_REPLY before = api_call(&server, "GET", path, NULL, NULL);
    snprintf(line, sizeof(line), "If-Match: %s", before.etag);
    API_REPLY patched = api_call(&server, "PATCH", path, "{\"name\": \"Blue\"}", (const char *const[]){line, NULL});
    cr_assert_eq(patched.status, 200, "%s", patched.text);
    event = next(watch);
    cr_assert_str_eq(api_text(json_object_get(event.data, "object"), "name"), "Blue");
    json_decref(event.data);
    API_REPLY gone = api_call(&server, "DELETE", path, NULL, NULL);
    cr_assert_eq(gone.status, 204);
    expect(watch, "delete", id);
    api_watch_close(watch);
}

Test(api_watch, bookmarks_come_by_themselves_and_never_go_back)
{
    struct api_watch *watch = api_watch_open(&server, "/v1/watch", NULL);
    long long last = 0;
    int64_t from_ns = skr_clock_monotonic_ns();
    for (int i = 0; i < 4; i++) {
        long long id = expect_bookmark(watch);
        cr_assert_geq(id, last);
        last = id;
    }
    cr_assert_geq(skr_clock_monotonic_ns() - from_ns, 400 * SKR_NS_PER_MS, "one every 200 ms after the first");
    api_watch_close(watch);
}

/* Cut at every point of a history, the two halves together tell each change once. */
Test(api_watch, reconnecting_has_no_gap_and_no_duplicate)
{
    enum { COUNT = 30 };
    char ids[COUNT][37], start_at[32], path[96];
    struct api_watch *first = api_watch_open(&server, "/v1/watch?kinds=tenant", NULL);
    long long from = expect_bookmark(first);
    api_watch_close(first);
    snprintf(path, sizeof(path), "/v1/watch?kinds=tenant&since=%lld", from);
    snprintf(start_at, sizeof(start_at), "%lld", from);
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof(name), "t%d", i);
        create_tenant(name, ids[i]);
    }
    char last[32];
    snprintf(last, sizeof(last), "%s", start_at);
    for (int i = 0; i < COUNT;) {
        struct api_watch *watch = api_watch_open(&server, path, last);
        for (int taken = 0; taken <= i % 4 && i < COUNT; taken++, i++) {
            struct api_event event = next(watch);
            cr_assert_str_eq(event.type, "put");
            cr_assert_str_eq(api_text(event.data, "id"), ids[i], "event %d", i);
            cr_assert_gt(event.id, 0);
            snprintf(last, sizeof(last), "%lld", event.id);
            json_decref(event.data);
        }
        api_watch_close(watch);
    }
    struct api_watch *rest = api_watch_open(&server, path, last);
    expect_bookmark(rest);
    api_watch_close(rest);
}

/* While a client writes, another one is cut off again and again; it sees every object exactly once. */
static void *write_many(void *arg)
{
    char(*ids)[37] = arg;
    for (int i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof(name), "w%d", i);
        create_tenant(name, ids[i]);
    }
    return NULL;
}

Test(api_watch, reconnecting_under_writes_converges)
{
    static char ids[60][37];
    char last[32] = "";
    pthread_t writer;
    int seen = 0;
    struct api_watch *watch = api_watch_open(&server, "/v1/tenants?watch=true", NULL);
    snprintf(last, sizeof(last), "%lld", expect_bookmark(watch));
    pthread_create(&writer, NULL, write_many, ids);
    for (int i = 0; i < 1000 && seen < 60; i++) {
        struct api_event event;
        cr_assert(api_watch_next(watch, SOON, &event));
        if (strcmp(event.type, "put") == 0)
            seen++;
        if (event.id >= 0)
            snprintf(last, sizeof(last), "%lld", event.id);
        json_decref(event.data);
        if (i % 5 != 4)
            continue;
        api_watch_close(watch);
        watch = api_watch_open(&server, "/v1/tenants?watch=true", last);
    }
    pthread_join(writer, NULL);
    cr_assert_eq(seen, 60);
    expect_bookmark(watch);
    api_watch_close(watch);
}

Test(api_watch, a_history_with_many_changes_of_one_object_coalesces)
{
    char id[37], path[80], line[80], etag[32], watched[96];
    struct api_watch *watch = api_watch_open(&server, "/v1/watch?kinds=tenant", NULL);
    long long from = expect_bookmark(watch);
    api_watch_close(watch);
    create_tenant("Red", id);
    snprintf(path, sizeof(path), "/v1/tenants/%s", id);
    API_REPLY got = api_call(&server, "GET", path, NULL, NULL);
    snprintf(etag, sizeof(etag), "%s", got.etag);
    for (int i = 0; i < 10; i++) {
        char body[64];
        snprintf(body, sizeof(body), "{\"description\": \"%d\"}", i);
        snprintf(line, sizeof(line), "If-Match: %s", etag);
        API_REPLY reply = api_call(&server, "PATCH", path, body, (const char *const[]){line, NULL});
        cr_assert_eq(reply.status, 200, "%s", reply.text);
        snprintf(etag, sizeof(etag), "%s", reply.etag);
    }
    snprintf(watched, sizeof(watched), "/v1/watch?kinds=tenant&since=%lld", from);
    watch = api_watch_open(&server, watched, NULL);
    struct api_event event = next(watch);
    cr_assert_str_eq(api_text(json_object_get(event.data, "object"), "description"), "9");
    json_decref(event.data);
    expect_bookmark(watch);
    api_watch_close(watch);
}

Test(api_watch, shows_the_kinds_and_objects_asked_for)
{
    char red[37], blue[37], group[37], path[120];
    struct api_watch *groups = api_watch_open(&server, "/v1/watch?kinds=host-group", NULL);
    expect_bookmark(groups);
    create_tenant("Red", red);
    create_tenant("Blue", blue);
    snprintf(path, sizeof(path), "/v1/watch?kinds=tenant&id=%s&since=0", blue);
    struct api_watch *one = api_watch_open(&server, path, NULL);
    expect(one, "put", blue);
    struct api_watch *named = api_watch_open(&server, "/v1/tenants?watch=true&name=Red&since=0", NULL);
    struct api_event event = next(named);
    cr_assert_str_eq(api_text(event.data, "id"), red);
    json_decref(event.data);
    api_create(&server, "host-groups", "{\"name\": \"rack\"}", group);
    expect(groups, "put", group);
    api_watch_close(groups);
    api_watch_close(one);
    api_watch_close(named);
}

/* Fewer changes than one reading of the log takes, and more text than one round of events holds. */
Test(api_watch, a_round_that_is_full_of_text_loses_nothing)
{
    enum { COUNT = 90 };
    char ids[COUNT][37], path[80], body[4200];
    struct api_watch *watch = api_watch_open(&server, "/v1/watch?kinds=tenant", NULL);
    long long from = expect_bookmark(watch);
    api_watch_close(watch);
    CURL *writer = api_handle_new(&server);
    memset(body, 'x', sizeof(body));
    memcpy(body, "{\"description\": \"", 17);
    for (int i = 0; i < COUNT; i++) {
        int end = snprintf(body + 4000, 64, "\", \"name\": \"t%d\"}", i);
        API_REPLY created = api_call_on(writer, &server, "POST", "/v1/tenants", body, 4000 + (size_t)end, NULL);
        cr_assert_eq(created.status, 201, "%s", created.text);
        snprintf(ids[i], sizeof(ids[i]), "%s", api_text(created.json, "id"));
    }
    curl_easy_cleanup(writer);
    snprintf(path, sizeof(path), "/v1/watch?kinds=tenant&since=%lld", from);
    watch = api_watch_open(&server, path, NULL);
    for (int i = 0; i < COUNT; i++) {
        struct api_event event;
        cr_assert(api_watch_next(watch, SOON, &event), "event %d", i);
        cr_assert_str_eq(event.type, "put", "event %d", i);
        cr_assert_str_eq(api_text(event.data, "id"), ids[i], "event %d", i);
        json_decref(event.data);
    }
    expect_bookmark(watch);
    api_watch_close(watch);
}

static int change_status(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct skr_uuid id;
    struct skr_object *before SKR_CLEANUP(skr_object_cleanup) = NULL;
    skr_uuid_parse(arg, &id);
    int r = skr_txn_get(txn, SKR_JOIN_TOKEN, &id, NULL, &before, error);
    if (r < 0)
        return r;
    struct skr_object *after SKR_CLEANUP(skr_object_cleanup) = skr_object_copy(before);
    skr_object_set_integer(after, SKR_JOIN_TOKEN_USES_LEFT, 77);
    return skr_txn_update(txn, before, after, error);
}

Test(api_watch, status_comes_without_an_id_and_is_not_kept)
{
    char id[37];
    api_create(&server, "join-tokens", "{\"name\": \"one\"}", id);
    struct api_watch *watch = api_watch_open(&server, "/v1/watch?kinds=join-token", NULL);
    expect_bookmark(watch);
    cr_assert_eq(skr_store_write_wait(server.database.store, change_status, id, NULL, NULL), 0);
    struct api_event event = next(watch);
    cr_assert_str_eq(event.type, "status");
    cr_assert_eq(event.id, -1);
    cr_assert_str_eq(api_text(event.data, "id"), id);
    json_decref(event.data);
    api_watch_close(watch);
}

static int forget_history(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    (void)unused, (void)error;
    return skr_store_log_prune(txn, skr_clock_wall_ms() + 3600 * 1000LL, 1000000);
}

Test(api_watch, a_start_before_the_history_is_gone)
{
    char id[37];
    create_tenant("Red", id);
    create_tenant("Blue", id);
    cr_assert_geq(skr_store_write_wait(server.database.store, forget_history, NULL, NULL, NULL), 0);
    API_REPLY reply = api_call(&server, "GET", "/v1/watch?since=0", NULL, NULL);
    cr_assert_eq(reply.status, 410, "%s", reply.text);
    cr_assert_str_eq(api_text(reply.json, "type"), "urn:skerry:error:gone");
}

Test(api_watch, a_stop_ends_it)
{
    struct api_event event;
    struct api_watch *watch = api_watch_open(&server, "/v1/watch?kinds=host", NULL);
    expect_bookmark(watch);
    int64_t from_ns = skr_clock_monotonic_ns();
    skr_api_stop(server.api);
    cr_assert_lt(skr_clock_monotonic_ns() - from_ns, 3 * SKR_NS_PER_S);
    while (api_watch_next(watch, SOON, &event))
        json_decref(event.data);
    cr_assert(api_watch_ended(watch));
    api_watch_close(watch);
}

Test(api_watch, a_client_that_takes_nothing_is_cut_off)
{
    struct skr_api_options options = {.deadlines = {.bookmark = 200, .sse_write = 500}};
    static struct api_server impatient;
    api_server_start(&impatient, &options, NULL);
    struct api_watch *watch = api_watch_open(&impatient, "/v1/watch?kinds=tenant", NULL);
    expect_bookmark(watch);
    /* From here on the client reads no more; events pile up in the sockets and then nowhere. */
    char body[4200];
    memset(body, 'x', sizeof(body));
    memcpy(body, "{\"description\": \"", 17);
    bool cut = false;
    CURL *writer = api_handle_new(&impatient);
    for (int i = 0; i < 3000 && !cut; i++) {
        int end = snprintf(body + 4000, 64, "\", \"name\": \"t%d\"}", i);
        API_REPLY created = api_call_on(writer, &impatient, "POST", "/v1/tenants", body, 4000 + (size_t)end, NULL);
        cr_assert_eq(created.status, 201, "%s", created.text);
        if (i % 50 != 49)
            continue;
        API_REPLY metrics = api_call(&impatient, "GET", "/metrics", NULL, NULL);
        cut = !strstr(metrics.text, "\nskerry_http_deadline_shutdowns_total 0\n");
    }
    cr_assert(cut);
    curl_easy_cleanup(writer);
    api_watch_close(watch);
    api_server_stop(&impatient);
}
