/* Requests that wait: many writers at once while health answers, waits for realization, deadlines, stop. */
#include "tests/component/controller/api_client.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <skerry/clock.h>
#include <skerry/realization_publish.h>
#include <string.h>

#define CLIENTS 64

static struct api_server server;

static void start(void)
{
    api_server_start(&server, NULL, NULL);
}

static void stop(void)
{
    api_server_stop(&server);
}

TestSuite(api_waiting, .init = start, .fini = stop);

/* A write that keeps the writer busy until it is told to go on. */
struct gate {
    sem_t entered, open;
};

static int hold(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    (void)txn, (void)error;
    struct gate *gate = arg;
    sem_post(&gate->entered);
    sem_wait(&gate->open);
    return 0;
}

static void held(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    (void)arg, (void)result, (void)revision, (void)error;
}

static void close_gate(struct gate *gate)
{
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->open, 0, 0);
    cr_assert_eq(skr_store_write(server.database.store, hold, held, gate), 0);
    sem_wait(&gate->entered);
}

struct client {
    pthread_t thread;
    int number;
    long status;
    unsigned done;
};

static void *create_some(void *arg)
{
    struct client *client = arg;
    CURL *handle = api_handle_new(&server);
    for (int i = 0; i < 5; i++) {
        char body[64];
        snprintf(body, sizeof(body), "{\"name\": \"c%d-%d\"}", client->number, i);
        API_REPLY reply = api_call_on(handle, &server, "POST", "/v1/tenants", body, strlen(body), NULL);
        client->status = reply.status;
        if (reply.status == 201)
            client->done++;
    }
    curl_easy_cleanup(handle);
    return NULL;
}

static long long metric(const char *name)
{
    API_REPLY reply = api_call(&server, "GET", "/metrics", NULL, NULL);
    char line[96];
    snprintf(line, sizeof(line), "\n%s", name);
    const char *found = reply.text ? strstr(reply.text, line) : NULL;
    cr_assert(found);
    return strtoll(found + strlen(line), NULL, 10);
}

Test(api_waiting, sixty_four_tls_clients_wait_while_health_answers)
{
    static struct client clients[CLIENTS];
    struct gate gate;
    close_gate(&gate);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].number = i;
        pthread_create(&clients[i].thread, NULL, create_some, &clients[i]);
    }
    /* Their requests all stand in the queue behind the gate; every look at it is itself an answered request. */
    int64_t deadline_ns = skr_clock_monotonic_ns() + 60 * SKR_NS_PER_S;
    while (metric("skerry_store_queue_length ") < CLIENTS)
        cr_assert_lt(skr_clock_monotonic_ns(), deadline_ns, "the writes did not arrive");
    for (int i = 0; i < 20; i++) {
        int64_t from_ns = skr_clock_monotonic_ns();
        API_REPLY health = api_call(&server, "GET", "/healthz", NULL, NULL);
        cr_assert_eq(health.status, 200);
        cr_assert_lt(skr_clock_monotonic_ns() - from_ns, 2 * SKR_NS_PER_S);
    }
    sem_post(&gate.open);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        cr_assert_eq(clients[i].done, 5, "client %d got %ld", i, clients[i].status);
    }
    cr_assert_eq(metric("skerry_http_answers_total{method=\"POST\",status=\"2xx\"} "), 5 * CLIENTS);
    cr_assert_lt(metric("skerry_store_commits_total "), 5 * CLIENTS, "writes share commits");
}

Test(api_waiting, a_wait_that_times_out_says_pending)
{
    int64_t from_ns = skr_clock_monotonic_ns();
    API_REPLY reply = api_call(&server, "POST", "/v1/tenants?wait=realized&timeout=300ms", "{\"name\": \"Red\"}", NULL);
    int64_t took_ns = skr_clock_monotonic_ns() - from_ns;
    cr_assert_eq(reply.status, 201, "%s", reply.text);
    cr_assert_geq(took_ns, 300 * SKR_NS_PER_MS);
    cr_assert_lt(took_ns, 10 * SKR_NS_PER_S);
    const json_t *realization = json_object_get(json_object_get(reply.json, "status"), "realization");
    cr_assert_str_eq(api_text(realization, "state"), "pending");
    char path[200];
    snprintf(path, sizeof(path), "%s?wait=realized&timeout=50ms", reply.location);
    API_REPLY deleted = api_call(&server, "DELETE", path, NULL, NULL);
    cr_assert_eq(deleted.status, 200, "a DELETE that waits has something to say: %s", deleted.text);
    cr_assert_str_eq(api_text(json_object_get(deleted.json, "realization"), "state"), "pending");
}

struct asker {
    pthread_t thread;
    char path[96];
    struct api_reply reply;
};

static void *ask(void *arg)
{
    struct asker *asker = arg;
    asker->reply = api_call(&server, "GET", asker->path, NULL, NULL);
    return NULL;
}

static void wait_for_requests(long long count)
{
    /* The asking request itself counts too. */
    int64_t deadline_ns = skr_clock_monotonic_ns() + 20 * SKR_NS_PER_S;
    while (metric("skerry_http_requests ") < count + 1)
        cr_assert_lt(skr_clock_monotonic_ns(), deadline_ns);
}

Test(api_waiting, a_wait_ends_when_the_write_is_realized)
{
    struct asker asker = {0};
    API_REPLY reply = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"Red\"}", NULL);
    snprintf(asker.path, sizeof(asker.path), "/v1/realizations/%lld?wait=realized&timeout=60s", reply.revision);
    pthread_create(&asker.thread, NULL, ask, &asker);
    wait_for_requests(1);
    skr_realization_committed(server.realizations, reply.revision);
    skr_realization_reached(server.realizations, reply.revision, true);
    pthread_join(asker.thread, NULL);
    cr_assert_eq(asker.reply.status, 200);
    cr_assert_str_eq(api_text(asker.reply.json, "state"), "realized");
    cr_assert_eq(json_integer_value(json_object_get(asker.reply.json, "revision")), reply.revision);
    api_reply_done(&asker.reply);
    API_REPLY again = api_call(&server, "GET", reply.location, NULL, NULL);
    const json_t *realization = json_object_get(json_object_get(again.json, "status"), "realization");
    cr_assert_str_eq(api_text(realization, "state"), "realized");
}

/* Clients that ask and hang up at once, as a script that is killed does. */
Test(api_waiting, a_client_that_leaves_takes_its_wait_along)
{
    char request[512];
    int64_t deadline_ns = skr_clock_monotonic_ns() + 20 * SKR_NS_PER_S;
    API_REPLY reply = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"Red\"}", NULL);
    snprintf(request, sizeof(request),
             "GET /v1/realizations/%lld?wait=realized&timeout=60s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
             "\r\n",
             reply.revision, server.token);
    for (int i = 0; i < 20; i++) {
        struct api_raw raw = api_raw_open(&server);
        api_raw_send(&raw, request);
        if (i % 2) /* half of them when they wait already */
            wait_for_requests(i / 2 + 1);
        api_raw_close(&raw);
    }
    wait_for_requests(10);
    skr_realization_committed(server.realizations, reply.revision);
    skr_realization_reached(server.realizations, reply.revision, true);
    while (metric("skerry_http_requests ") > 1)
        cr_assert_lt(skr_clock_monotonic_ns(), deadline_ns, "requests of clients that left are still there");
    api_expect_no_leak();
}

Test(api_waiting, realizations_of_writes_to_come_do_not_exist)
{
    API_REPLY reply = api_call(&server, "GET", "/v1/realizations/999999", NULL, NULL);
    cr_assert_eq(reply.status, 404, "%s", reply.text);
}

Test(api_waiting, a_stop_answers_who_waits)
{
    struct asker asker = {0};
    API_REPLY reply = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"Red\"}", NULL);
    snprintf(asker.path, sizeof(asker.path), "/v1/realizations/%lld?wait=realized&timeout=60s", reply.revision);
    pthread_create(&asker.thread, NULL, ask, &asker);
    wait_for_requests(1);
    int64_t from_ns = skr_clock_monotonic_ns();
    skr_api_stop(server.api);
    cr_assert_lt(skr_clock_monotonic_ns() - from_ns, 4 * SKR_NS_PER_S);
    pthread_join(asker.thread, NULL);
    cr_assert_eq(asker.reply.status, 200);
    cr_assert_str_eq(api_text(asker.reply.json, "state"), "pending");
    api_reply_done(&asker.reply);
}

Test(api_waiting, a_write_that_takes_too_long_is_answered_and_may_still_finish)
{
    struct skr_api_options options = {.deadlines = {.answer = 400}};
    struct gate gate;
    api_server_stop(&server);
    api_server_start(&server, &options, NULL);
    close_gate(&gate);
    API_REPLY late = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"Red\"}", NULL);
    cr_assert_eq(late.status, 503, "%s", late.text);
    cr_assert(strstr(late.text, "look before you retry"));
    /* A write of a handler's own, whose memory the writer has still when the answer is out. */
    API_REPLY own = api_call(&server, "POST", "/v1/controller:accept-database", NULL, NULL);
    cr_assert_eq(own.status, 503, "%s", own.text);
    cr_assert(strstr(own.text, "look at GET /v1/controller"), "%s", own.text);
    sem_post(&gate.open);
    API_REPLY next = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"Blue\"}", NULL);
    cr_assert_eq(next.status, 201, "%s", next.text);
    API_REPLY list = api_call(&server, "GET", "/v1/tenants", NULL, NULL);
    cr_assert_eq(json_array_size(json_object_get(list.json, "items")), 2);
}
