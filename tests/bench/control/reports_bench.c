/* Hosts that report thousands of ports at once, and what a POST takes beside them.
 *
 *     bench-reports URL CA_FILE TOKEN_FILE CONTROLLER_DATABASE FIELDS PORTS HOST_ID=STATE_DIRECTORY...
 *
 * Creates PORTS adapters on each host (FIELDS is a JSON object with what they share), then each host opens a session
 * with the identity that is in its state directory and tells in a whole report that all of its ports are bound, while
 * adapters are created by single POSTs. Prints one JSON object on a line. Then every host reports that nothing is bound
 * any more, and when the first of these reports is under way a line says "ending"; the program ends with the
 * controller. tests/bench/control/bench.py starts what it needs. */
#include "agent/south/identity.h"
#include "tests/bench/control/bench.h"
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/frame.h>
#include <skerry/macros.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define A_BATCH   1000
#define HOSTS_MAX 16
#define PORTS_MAX 16384
#define POSTS_MAX 100000

struct host {
    struct skr_uuid id;
    struct skr_identity *identity;
    struct skr_uuid ports[PORTS_MAX];
    unsigned count;
    SSL *ssl;
    pthread_t thread;
    double took_ms;
};

static struct host hosts[HOSTS_MAX];
static unsigned host_count;
static atomic_uint reporting;
static atomic_bool ending;

/* ---- the session ---- */

static void send_frame(SSL *ssl, const Skerry__V1__Envelope *envelope)
{
    uint8_t *frame;
    size_t size;
    bench_must(skr_frame_pack(envelope, &frame, &size) == 0, "a frame");
    for (size_t at = 0; at < size;) {
        int sent = SSL_write(ssl, frame + at, (int)(size - at));
        bench_must(sent > 0 || atomic_load(&ending), "the connection is gone");
        if (sent <= 0)
            break;
        at += (size_t)sent;
    }
    free(frame);
}

static bool read_all(SSL *ssl, uint8_t *to, size_t size)
{
    for (size_t at = 0; at < size;) {
        int got = SSL_read(ssl, to + at, (int)(size - at));
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

/* NULL: the connection ended. */
static Skerry__V1__Envelope *read_frame(SSL *ssl)
{
    uint8_t header[SKR_FRAME_HEADER];
    size_t size;
    Skerry__V1__Envelope *envelope = NULL;
    if (!read_all(ssl, header, sizeof(header)) || skr_frame_peek(header, sizeof(header), SKR_FRAME_MAX, &size) < 0)
        return NULL;
    SKR_CLEANUP(skr_free_cleanup) uint8_t *body = malloc(size);
    return body && read_all(ssl, body, size) && skr_frame_unpack(body, size, &envelope) == 0 ? envelope : NULL;
}

static void answer_ping(SSL *ssl, uint64_t sequence)
{
    Skerry__V1__Pong body = SKERRY__V1__PONG__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    body.sequence = sequence;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_PONG;
    envelope.pong = &body;
    send_frame(ssl, &envelope);
}

/* Reads until a message of that kind that is the last of its kind; false: the connection ended. */
static bool await(SSL *ssl, Skerry__V1__Envelope__BodyCase body)
{
    for (;;) {
        Skerry__V1__Envelope *envelope = read_frame(ssl);
        if (!envelope)
            return false;
        if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_PING)
            answer_ping(ssl, envelope->ping->sequence);
        bool done = envelope->body_case == body &&
                    !(body == SKERRY__V1__ENVELOPE__BODY_REPORT_ACCEPTED && envelope->report_accepted->more);
        skr_envelope_free(envelope);
        if (done)
            return true;
    }
}

static void open_session(struct host *host)
{
    char name[256];
    Skerry__V1__Hello hello = SKERRY__V1__HELLO__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    struct sockaddr_in at = {.sin_family = AF_INET};
    SSL_CTX *context;
    bench_must(skr_controller_split(host->identity->controller, name, &at.sin_port) == 0, "the controller's address");
    at.sin_port = htons(at.sin_port);
    bench_must(inet_pton(AF_INET, name, &at.sin_addr) == 1, "the controller's address");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bench_must(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0, "cannot connect");
    bench_must(skr_identity_context(host->identity, &context, NULL) == 0, "the identity");
    host->ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_fd(host->ssl, fd);
    bench_must(SSL_connect(host->ssl) == 1, "TLS");
    hello.protocol_version = 1;
    hello.agent_version = hello.kernel = hello.fastpath = "bench";
    bench_must(skr_identity_next_session(host->identity, &hello.session_number) == 0, "the session's number");
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    send_frame(host->ssl, &envelope);
    bench_must(await(host->ssl, SKERRY__V1__ENVELOPE__BODY_WELCOME), "no welcome");
}

static void send_bindings(struct host *host, bool bound)
{
    Skerry__V1__Report report = SKERRY__V1__REPORT__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__PortBinding *bindings = calloc(host->count, sizeof(*bindings)),
                            **list = calloc(host->count, sizeof(*list));
    char(*names)[16] = calloc(host->count, sizeof(*names));
    bench_must(bindings && list && names, "memory");
    for (unsigned i = 0; i < host->count; i++) {
        skerry__v1__port_binding__init(&bindings[i]);
        snprintf(names[i], sizeof(names[i]), "tap%u", i);
        bindings[i].adapter_id = (ProtobufCBinaryData){16, host->ports[i].bytes};
        bindings[i].bound = bound;
        bindings[i].interface = bound ? names[i] : "";
        bindings[i].reason = bound ? "" : "no_interface";
        list[i] = &bindings[i];
    }
    report.sequence = bound ? 1 : 2;
    report.whole = true;
    report.bindings = list;
    report.n_bindings = host->count;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_REPORT;
    envelope.report = &report;
    send_frame(host->ssl, &envelope);
    free(bindings);
    free(list);
    free(names);
}

static void *report_bound(void *arg)
{
    struct host *host = arg;
    open_session(host);
    int64_t begun_ns = skr_clock_monotonic_ns();
    send_bindings(host, true);
    bench_must(await(host->ssl, SKERRY__V1__ENVELOPE__BODY_REPORT_ACCEPTED), "the report was not accepted");
    host->took_ms = bench_ms_since(begun_ns);
    atomic_fetch_sub(&reporting, 1);
    return NULL;
}

static void *report_unbound(void *arg)
{
    struct host *host = arg;
    send_bindings(host, false);
    while (await(host->ssl, SKERRY__V1__ENVELOPE__BODY_GOODBYE))
        ;
    SSL_free(host->ssl);
    return NULL;
}

static void run_hosts(void *(*fn)(void *))
{
    for (unsigned i = 0; i < host_count; i++)
        bench_must(pthread_create(&hosts[i].thread, NULL, fn, &hosts[i]) == 0, "a thread");
}

static void join_hosts(void)
{
    for (unsigned i = 0; i < host_count; i++)
        pthread_join(hosts[i].thread, NULL);
}

/* ---- adapters ---- */

static char *adapter(const json_t *fields, const char *host_id, unsigned number)
{
    char name[64];
    json_t *body = json_copy((json_t *)fields);
    snprintf(name, sizeof(name), "report-%07u", number);
    json_object_set_new(body, "name", json_string(name));
    if (host_id)
        json_object_set_new(body, "host_id", json_string(host_id));
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

static void create_ports(struct bench_client *client, const char *token, const char *url, const json_t *fields,
                         const struct host *host, unsigned ports, unsigned *made)
{
    char id[SKR_UUID_TEXT_MAX], batch_url[600];
    snprintf(batch_url, sizeof(batch_url), "%s/v1/batch", url);
    skr_uuid_format(&host->id, id);
    for (unsigned done = 0; done < ports; done += A_BATCH) {
        json_t *operations = json_array();
        for (unsigned i = done; i < ports && i < done + A_BATCH; i++) {
            SKR_CLEANUP(skr_free_cleanup) char *body = adapter(fields, id, (*made)++);
            json_array_append_new(operations, json_pack("{s:s, s:s, s:o}", "method", "POST", "path",
                                                        "/v1/network-adapters", "body", json_loads(body, 0, NULL)));
        }
        json_t *batch = json_pack("{s:o}", "operations", operations);
        SKR_CLEANUP(skr_free_cleanup) char *text = json_dumps(batch, JSON_COMPACT);
        json_decref(batch);
        const char *answer = bench_client_call(client, token, batch_url, text, NULL);
        bench_must(strstr(answer, "\"results\"") != NULL, answer);
    }
}

static void read_ports(const char *database, struct host *host)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    bench_must(sqlite3_open(database, &db) == SQLITE_OK, database);
    bench_must(sqlite3_prepare_v2(db, "SELECT id FROM network_adapter WHERE host_id = ?1 LIMIT ?2", -1, &statement,
                                  NULL) == SQLITE_OK,
               sqlite3_errmsg(db));
    sqlite3_bind_blob(statement, 1, host->id.bytes, sizeof(host->id.bytes), SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, PORTS_MAX);
    while (sqlite3_step(statement) == SQLITE_ROW)
        memcpy(host->ports[host->count++].bytes, sqlite3_column_blob(statement, 0), 16);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

/* ---- all of it ---- */

static void print_figures(double *posts, unsigned post_count)
{
    double longest_ms = 0;
    unsigned ports = 0;
    for (unsigned i = 0; i < host_count; i++) {
        longest_ms = hosts[i].took_ms > longest_ms ? hosts[i].took_ms : longest_ms;
        ports += hosts[i].count;
    }
    json_t *figures =
            json_pack("{s:i, s:i, s:f, s:f, s:i, s:f, s:f, s:f}", "hosts", (int)host_count, "ports", (int)ports,
                      "reports_s", longest_ms / 1000, "us_a_port", longest_ms * 1000 / ports, "posts", (int)post_count,
                      "post_p50_ms", bench_quantile(posts, post_count, 0.5), "post_p99_ms",
                      bench_quantile(posts, post_count, 0.99), "post_max_ms", bench_quantile(posts, post_count, 1));
    json_dumpf(figures, stdout, JSON_COMPACT);
    puts("");
    fflush(stdout);
    json_decref(figures);
}

int main(int argc, char **argv)
{
    static double posts[POSTS_MAX];
    char url[600];
    unsigned made = 0, post_count = 0;
    bench_must(argc > 7 && argc - 7 <= HOSTS_MAX, "see the comment in reports_bench.c");
    struct bench_client *client = bench_client_new(argv[2]);
    SKR_CLEANUP(skr_free_cleanup) char *token = bench_token(argv[3]);
    json_t *fields = json_loads(argv[5], 0, NULL);
    unsigned ports = (unsigned)atoi(argv[6]);
    bench_must(fields && ports > 0 && ports <= PORTS_MAX, "FIELDS or PORTS");
    for (host_count = 0; host_count + 7 < (unsigned)argc; host_count++) {
        struct host *host = &hosts[host_count];
        char *directory = strchr(argv[7 + host_count], '=');
        bench_must(directory != NULL, "HOST_ID=STATE_DIRECTORY");
        *directory++ = '\0';
        bench_must(skr_uuid_parse(argv[7 + host_count], &host->id) == 0, "HOST_ID");
        bench_must(skr_identity_load(directory, &host->identity, NULL) == 0, directory);
        create_ports(client, token, argv[1], fields, host, ports, &made);
        read_ports(argv[4], host);
    }
    snprintf(url, sizeof(url), "%s/v1/network-adapters", argv[1]);
    atomic_store(&reporting, host_count);
    run_hosts(report_bound);
    while (post_count < 20 || (atomic_load(&reporting) && post_count < POSTS_MAX)) {
        SKR_CLEANUP(skr_free_cleanup) char *body = adapter(fields, NULL, made++);
        const char *answer = bench_client_call(client, token, url, body, &posts[post_count++]);
        bench_must(strstr(answer, "\"etag\"") != NULL, answer);
    }
    join_hosts();
    print_figures(posts, post_count);
    atomic_store(&ending, true);
    run_hosts(report_unbound);
    puts("ending");
    fflush(stdout);
    join_hosts();
    for (unsigned i = 0; i < host_count; i++)
        skr_identity_free(hosts[i].identity);
    json_decref(fields);
    bench_client_free(client);
    return 0;
}
