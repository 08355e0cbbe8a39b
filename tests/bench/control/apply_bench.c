/* From a write over REST to applied on every host that needs it, beside a bare SQLite commit on the same disk.
 *
 *     bench-apply URL CA_FILE TOKEN_FILE DATABASE COUNT FIELDS HOST_ID...
 *
 * Turns: one bare commit (one row, WAL, synchronous=FULL), then one POST /v1/network-adapters?wait=realized over a
 * connection that stays open, on the next host in turn. FIELDS is a JSON object with what all adapters share. Prints
 * one JSON object. tests/bench/control/bench.py starts everything it needs. */
#include "tests/bench/control/bench.h"
#include <jansson.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_BYTES 400
#define COUNT_MAX 1000000

struct bench {
    struct bench_client *client;
    char url[512], *token;
    sqlite3 *database;
    sqlite3_stmt *insert;
    json_t *fields;
    double *bare_ms, *apply_ms;
};

static void open_database(struct bench *bench, const char *path)
{
    bench_must(sqlite3_open(path, &bench->database) == SQLITE_OK, "cannot open the bare database");
    bench_must(sqlite3_exec(bench->database,
                            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                            "CREATE TABLE row(id INTEGER PRIMARY KEY, data BLOB) STRICT",
                            NULL, NULL, NULL) == SQLITE_OK,
               "cannot prepare the bare database: it must not exist yet");
    bench_must(sqlite3_prepare_v2(bench->database, "INSERT INTO row(data) VALUES(?1)", -1, &bench->insert, NULL) ==
                       SQLITE_OK,
               "prepare");
}

static double bare_commit(struct bench *bench)
{
    static const char data[ROW_BYTES];
    int64_t begun = skr_clock_monotonic_ns();
    sqlite3_bind_blob(bench->insert, 1, data, sizeof(data), SQLITE_STATIC);
    bench_must(sqlite3_step(bench->insert) == SQLITE_DONE, "bare commit");
    sqlite3_reset(bench->insert);
    return bench_ms_since(begun);
}

static bool is_realized(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    const char *state = NULL;
    bool fine = json && json_unpack(json, "{s:{s:{s:s}}}", "status", "realization", "state", &state) == 0 &&
                !strcmp(state, "realized");
    json_decref(json);
    return fine;
}

static double apply(struct bench *bench, unsigned number, const char *host)
{
    char name[64];
    snprintf(name, sizeof(name), "bench-%06u", number);
    json_object_set_new(bench->fields, "name", json_string(name));
    json_object_set_new(bench->fields, "host_id", json_string(host));
    SKR_CLEANUP(skr_free_cleanup) char *body = json_dumps(bench->fields, JSON_COMPACT);
    double took;
    const char *answer = bench_client_call(bench->client, bench->token, bench->url, body, &took);
    bench_must(is_realized(answer), answer);
    return took;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    if (argc < 8)
        return fprintf(stderr, "bench-apply URL CA_FILE TOKEN_FILE DATABASE COUNT FIELDS HOST_ID...\n"), 2;
    unsigned count = (unsigned)strtoul(argv[5], NULL, 10), hosts = (unsigned)argc - 7;
    bench_must(count > 0 && count <= COUNT_MAX, "COUNT is 1 to 1,000,000");
    bench.fields = json_loads(argv[6], JSON_REJECT_DUPLICATES, NULL);
    bench_must(json_is_object(bench.fields), "FIELDS is a JSON object");
    bench.bare_ms = calloc(count, sizeof(double));
    bench.apply_ms = calloc(count, sizeof(double));
    bench_must(bench.bare_ms && bench.apply_ms, "memory");
    open_database(&bench, argv[4]);
    bench.client = bench_client_new(argv[2]);
    bench.token = bench_token(argv[3]);
    snprintf(bench.url, sizeof(bench.url), "%s/v1/network-adapters?wait=realized&timeout=20s", argv[1]);
    apply(&bench, COUNT_MAX, argv[7]); /* opens the connection */
    for (unsigned i = 0; i < count; i++) {
        bench.bare_ms[i] = bare_commit(&bench);
        bench.apply_ms[i] = apply(&bench, i, argv[7 + i % hosts]);
    }
    printf("{\"count\": %u, \"hosts\": %u, \"bare_p50_ms\": %.3f, \"bare_p99_ms\": %.3f, \"apply_p50_ms\": %.3f, "
           "\"apply_p99_ms\": %.3f}\n",
           count, hosts, bench_quantile(bench.bare_ms, count, 0.5), bench_quantile(bench.bare_ms, count, 0.99),
           bench_quantile(bench.apply_ms, count, 0.5), bench_quantile(bench.apply_ms, count, 0.99));
    bench_client_free(bench.client);
    free(bench.token);
    sqlite3_finalize(bench.insert);
    sqlite3_close(bench.database);
    json_decref(bench.fields);
    free(bench.bare_ms);
    free(bench.apply_ms);
    return 0;
}
