#include "controller/api/http.h"

#include <inttypes.h>
#include <skerry/tls.h>
#include <string.h>

static const unsigned latency_ms[SKR_HTTP_LATENCY_BUCKETS] = {1, 2, 5, 10, 50, 200, 1000, 10000};

static unsigned method_index(enum skr_http_method method)
{
    return method ? (unsigned)__builtin_ctz(method) : SKR_HTTP_METHOD_COUNT;
}

void skr_http_count_answer(struct skr_http_request *request)
{
    struct skr_http_counters *counters = &request->api->counters;
    if (request->status < 100 || request->status > 599)
        return;
    atomic_fetch_add_explicit(&counters->answers[method_index(request->method)][request->status / 100 - 1], 1,
                              memory_order_relaxed);
    /* A watch lasts as long as the client likes; that is not a latency. */
    if (request->interruptible)
        return;
    int64_t took_ns = skr_clock_monotonic_ns() - request->started_ns;
    unsigned bucket = 0;
    while (bucket < SKR_HTTP_LATENCY_BUCKETS && took_ns > latency_ms[bucket] * SKR_NS_PER_MS)
        bucket++;
    atomic_fetch_add_explicit(&counters->latency[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->latency_sum_us, (unsigned long long)(took_ns / 1000), memory_order_relaxed);
}

void skr_http_healthz(struct skr_http_request *request)
{
    skr_http_answer_text(request, 200, "text/plain", strdup("ok\n"));
}

void skr_http_readyz(struct skr_http_request *request)
{
    struct skr_api *api = request->api;
    char why[SKR_STORE_WHY_MAX], *text;
    enum skr_store_state state = skr_store_health(api->store, why);
    if (api->ready && !api->ready(api->ready_arg)) {
        skr_error_set(&request->error, SKR_ERROR_UNAVAILABLE,
                      "The controller is still loading the model; try again in a moment");
    } else if (state == SKR_STORE_DAMAGED) {
        skr_error_set(&request->error, SKR_ERROR_UNAVAILABLE, "%s", why);
    } else {
        if (asprintf(&text, state == SKR_STORE_DEGRADED ? "degraded: %s\n" : "ready\n", why) < 0)
            abort();
        skr_http_answer_text(request, 200, "text/plain", text);
        return;
    }
    skr_http_answer_error(request, &request->error);
}

void skr_http_controller(struct skr_http_request *request)
{
    struct skr_api *api = request->api;
    struct skr_uuid database_id = skr_store_database_id(api->store);
    char id[SKR_UUID_TEXT_MAX], hash[SKR_TLS_HASH_TEXT_MAX];
    bool rolled_back = false;
    int64_t revision = 0;
    struct skr_txn *txn = NULL;
    int r = skr_store_read_begin(api->store, &txn, &request->error);
    if (r == 0) {
        revision = skr_txn_revision(txn);
        r = skr_model_rolled_back(txn, &rolled_back, &request->error);
        skr_store_read_end(txn);
    }
    if (r < 0) {
        skr_http_answer_error(request, &request->error);
        return;
    }
    json_t *answer = json_object();
    json_object_set_new(answer, "version", json_string(SKR_VERSION));
    json_object_set_new(answer, "database_id", json_string(skr_uuid_format(&database_id, id)));
    json_object_set_new(answer, "south_address", json_string(api->south_address));
    json_object_set_new(answer, "authority_key_hash", json_string(skr_tls_hash_format(api->authority_key_hash, hash)));
    json_object_set_new(answer, "revision", json_integer(revision));
    json_object_set_new(answer, "rolled_back", json_boolean(rolled_back));
    skr_http_answer(request, 200, answer);
}

/* ---- /metrics ---- */

static void describe(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_one(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    describe(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void print_http(struct skr_api *api, FILE *out)
{
    struct skr_http_counters *counters = &api->counters;
    describe(out, "skerry_http_answers_total", "counter", "Answers by method and status class");
    for (unsigned method = 0; method <= SKR_HTTP_METHOD_COUNT; method++)
        for (unsigned status = 1; status < 5; status++) {
            char name[SKR_HTTP_METHODS_TEXT_MAX] = "other";
            if (method < SKR_HTTP_METHOD_COUNT)
                skr_http_methods_format(1u << method, name);
            fprintf(out, "skerry_http_answers_total{method=\"%s\",status=\"%uxx\"} %llu\n", name, status + 1,
                    atomic_load(&counters->answers[method][status]));
        }
    describe(out, "skerry_http_refusals_total", "counter", "Answers that were problems, by type");
    for (int tag = SKR_ERROR_NONE + 1; tag < SKR_ERROR_TAG_COUNT; tag++)
        fprintf(out, "skerry_http_refusals_total{type=\"%s\"} %llu\n",
                skr_error_tag_info((enum skr_error_tag)tag)->name, atomic_load(&counters->refusals[tag]));
    describe(out, "skerry_http_request_seconds", "histogram",
             "From the headers to the end of the answer, waits left out");
    unsigned long long sum = 0;
    for (unsigned bucket = 0; bucket < SKR_HTTP_LATENCY_BUCKETS; bucket++) {
        sum += atomic_load(&counters->latency[bucket]);
        fprintf(out, "skerry_http_request_seconds_bucket{le=\"%g\"} %llu\n", latency_ms[bucket] / 1000.0, sum);
    }
    sum += atomic_load(&counters->latency[SKR_HTTP_LATENCY_BUCKETS]);
    fprintf(out, "skerry_http_request_seconds_bucket{le=\"+Inf\"} %llu\n", sum);
    fprintf(out, "skerry_http_request_seconds_sum %.6f\n", (double)atomic_load(&counters->latency_sum_us) / 1e6);
    fprintf(out, "skerry_http_request_seconds_count %llu\n", sum);
    pthread_mutex_lock(&api->peers_lock);
    unsigned peers = api->peer_count, requests = api->requests;
    pthread_mutex_unlock(&api->peers_lock);
    print_one(out, "skerry_http_connections", "gauge", "Open connections", peers);
    print_one(out, "skerry_http_connections_total", "counter", "Connections taken",
              atomic_load(&counters->connections));
    print_one(out, "skerry_http_requests", "gauge", "Requests not answered yet, watches included", requests);
    print_one(out, "skerry_http_watches", "gauge", "Open watches", skr_http_watches_count(api->watches));
    print_one(out, "skerry_http_watch_events_total", "counter", "Events sent to watches",
              atomic_load(&counters->watch_events));
    print_one(out, "skerry_http_deadline_shutdowns_total", "counter", "Connections ended by a deadline",
              atomic_load(&counters->deadline_shutdowns));
}

static void print_store(struct skr_api *api, FILE *out)
{
    struct skr_store_stats stats;
    skr_store_stats(api->store, &stats);
    print_one(out, "skerry_store_revision", "gauge", "Last committed revision",
              (uint64_t)skr_store_revision(api->store));
    print_one(out, "skerry_store_writes_total", "counter", "Writes that were committed", stats.writes);
    print_one(out, "skerry_store_refused_total", "counter", "Writes that were refused", stats.refused);
    print_one(out, "skerry_store_commits_total", "counter", "Commits; many writes share one", stats.commits);
    print_one(out, "skerry_store_batch_max", "gauge", "Most writes that shared one commit", stats.batch_max);
    print_one(out, "skerry_store_queue_length", "gauge", "Writes waiting for the writer", stats.queue_length);
    print_one(out, "skerry_store_checkpoints_total", "counter", "Checkpoints of the write-ahead log",
              stats.checkpoints);
    char why[SKR_STORE_WHY_MAX];
    print_one(out, "skerry_store_state", "gauge", "0 sound, 1 degraded (takes no writes now), 2 damaged",
              skr_store_health(api->store, why));
    print_one(out, "skerry_store_wal_pages", "gauge", "Pages in the write-ahead log", stats.wal_pages);
}

void skr_http_metrics(struct skr_http_request *request)
{
    struct skr_api *api = request->api;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    print_http(api, out);
    print_store(api, out);
    if (api->metrics)
        api->metrics(api->metrics_arg, out);
    fclose(out);
    skr_http_answer_text(request, 200, "text/plain; version=0.0.4", text);
}
