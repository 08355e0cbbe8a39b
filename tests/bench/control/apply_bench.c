/* From a write over REST to applied on every host that needs it, beside a bare SQLite commit on the same disk.
 *
 *     bench-apply URL CA_FILE TOKEN_FILE DATABASE COUNT FIELDS HOST_ID...
 *
 * Turns: one bare commit (one row, WAL, synchronous=FULL), then one POST /v1/network-adapters?wait=realized over a
 * connection that stays open, on the next host in turn. FIELDS is a JSON object with what all adapters share. Prints
 * one JSON object. tests/bench/control/bench.py starts everything it needs. */
#include <curl/curl.h>
#include <jansson.h>
#include <skerry/clock.h>
#include <skerry/file.h>
#include <skerry/macros.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (64 * 1024)
#define ROW_BYTES  400
#define COUNT_MAX  1000000
#define CONNECT_S  10L
#define ANSWER_S   30L

struct answer {
    size_t size;
    char text[ANSWER_MAX];
};

struct bench {
    CURL *curl;
    struct answer answer;
    sqlite3 *database;
    sqlite3_stmt *insert;
    json_t *fields;
    double *bare_ms, *apply_ms;
};

static void must(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "bench-apply: %s\n", what);
        exit(1);
    }
}

static double ms_since(int64_t begun_ns)
{
    return (double)(skr_clock_monotonic_ns() - begun_ns) / SKR_NS_PER_MS;
}

static size_t collect(char *data, size_t size, size_t count, void *arg)
{
    struct answer *answer = arg;
    if (answer->size + size * count >= sizeof(answer->text))
        return 0;
    memcpy(answer->text + answer->size, data, size * count);
    answer->size += size * count;
    answer->text[answer->size] = 0;
    return size * count;
}

static void open_database(struct bench *bench, const char *path)
{
    must(sqlite3_open(path, &bench->database) == SQLITE_OK, "cannot open the bare database");
    must(sqlite3_exec(bench->database,
                      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                      "CREATE TABLE row(id INTEGER PRIMARY KEY, data BLOB) STRICT",
                      NULL, NULL, NULL) == SQLITE_OK,
         "cannot prepare the bare database: it must not exist yet");
    must(sqlite3_prepare_v2(bench->database, "INSERT INTO row(data) VALUES(?1)", -1, &bench->insert, NULL) == SQLITE_OK,
         "prepare");
}

static double bare_commit(struct bench *bench)
{
    static const char data[ROW_BYTES];
    int64_t begun = skr_clock_monotonic_ns();
    sqlite3_bind_blob(bench->insert, 1, data, sizeof(data), SQLITE_STATIC);
    must(sqlite3_step(bench->insert) == SQLITE_DONE, "bare commit");
    sqlite3_reset(bench->insert);
    return ms_since(begun);
}

static struct curl_slist *open_connection(struct bench *bench, const char *url, const char *ca, const char *token_file)
{
    SKR_CLEANUP(skr_free_cleanup) uint8_t *token = NULL;
    size_t size = 0;
    char line[512], address[512];
    must(skr_file_read(token_file, 256, &token, &size) == 0, "cannot read the token");
    token[strcspn((char *)token, "\n")] = 0;
    snprintf(line, sizeof(line), "Authorization: Bearer %s", (char *)token);
    snprintf(address, sizeof(address), "%s/v1/network-adapters?wait=realized&timeout=20s", url);
    struct curl_slist *headers = curl_slist_append(NULL, line);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    bench->curl = curl_easy_init();
    must(bench->curl != NULL, "curl");
    curl_easy_setopt(bench->curl, CURLOPT_URL, address);
    curl_easy_setopt(bench->curl, CURLOPT_CAINFO, ca);
    curl_easy_setopt(bench->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(bench->curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(bench->curl, CURLOPT_WRITEDATA, &bench->answer);
    curl_easy_setopt(bench->curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(bench->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
    curl_easy_setopt(bench->curl, CURLOPT_TIMEOUT, ANSWER_S);
    return headers;
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
    bench->answer.size = 0;
    curl_easy_setopt(bench->curl, CURLOPT_POSTFIELDS, body);
    int64_t begun = skr_clock_monotonic_ns();
    CURLcode code = curl_easy_perform(bench->curl);
    double took = ms_since(begun);
    must(code == CURLE_OK, curl_easy_strerror(code));
    must(is_realized(bench->answer.text), bench->answer.text);
    return took;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, unsigned count, double share)
{
    qsort(values, count, sizeof(*values), compare);
    return values[(unsigned)(share * (count - 1) + 0.5)];
}

int main(int argc, char **argv)
{
    static struct bench bench;
    if (argc < 8)
        return fprintf(stderr, "bench-apply URL CA_FILE TOKEN_FILE DATABASE COUNT FIELDS HOST_ID...\n"), 2;
    unsigned count = (unsigned)strtoul(argv[5], NULL, 10), hosts = (unsigned)argc - 7;
    must(count > 0 && count <= COUNT_MAX, "COUNT is 1 to 1,000,000");
    bench.fields = json_loads(argv[6], JSON_REJECT_DUPLICATES, NULL);
    must(json_is_object(bench.fields), "FIELDS is a JSON object");
    bench.bare_ms = calloc(count, sizeof(double));
    bench.apply_ms = calloc(count, sizeof(double));
    must(bench.bare_ms && bench.apply_ms, "memory");
    open_database(&bench, argv[4]);
    struct curl_slist *headers = open_connection(&bench, argv[1], argv[2], argv[3]);
    apply(&bench, COUNT_MAX, argv[7]); /* opens the connection */
    for (unsigned i = 0; i < count; i++) {
        bench.bare_ms[i] = bare_commit(&bench);
        bench.apply_ms[i] = apply(&bench, i, argv[7 + i % hosts]);
    }
    printf("{\"count\": %u, \"hosts\": %u, \"bare_p50_ms\": %.3f, \"bare_p99_ms\": %.3f, \"apply_p50_ms\": %.3f, "
           "\"apply_p99_ms\": %.3f}\n",
           count, hosts, quantile(bench.bare_ms, count, 0.5), quantile(bench.bare_ms, count, 0.99),
           quantile(bench.apply_ms, count, 0.5), quantile(bench.apply_ms, count, 0.99));
    curl_slist_free_all(headers);
    curl_easy_cleanup(bench.curl);
    sqlite3_finalize(bench.insert);
    sqlite3_close(bench.database);
    json_decref(bench.fields);
    free(bench.bare_ms);
    free(bench.apply_ms);
    return 0;
}
