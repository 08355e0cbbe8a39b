/* The benchmark measures the cost of a durable write: a bare SQLite loop (WAL, synchronous=FULL, one row and one row of
 * history a COMMIT) beside the writer with 1 and with 64 clients, on the disk as it is and on one whose sync takes 10
 * ms.
 *
 *     bench-commit [--directory DIR] [--writes N] [--repeats N] [--json FILE]
 *
 * The contenders take turns (A B C A B C); the table shows medians over the repeats. Measure a release build. */
#include "tests/bench/control/bench.h"
#include "tests/support/slow_vfs.h"
#include "tests/support/test_store.h"
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define CLIENTS_MAX  64
#define REPEATS_MAX  20
#define SLOW_SYNC_MS 10

struct result {
    double per_second, p50_ms, p99_ms, syncs_a_write;
};

struct contender {
    const char *name;
    void (*run)(unsigned clients, unsigned writes, struct result *ret);
    unsigned clients;
    bool slow;      /* the disk whose sync takes 10 ms */
    unsigned share; /* of the writes asked for: slow ones do fewer */
    struct result results[REPEATS_MAX];
};

static void finish(struct result *ret, double *took_ms, unsigned writes, double total_ms, uint64_t syncs)
{
    *ret = (struct result){.per_second = writes / total_ms * 1000,
                           .p50_ms = bench_quantile(took_ms, writes, 0.5),
                           .p99_ms = bench_quantile(took_ms, writes, 0.99),
                           .syncs_a_write = (double)syncs / writes};
}

/* ---- bare: what anybody would write first ---- */

static const char bare_schema[] =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE tenant (id BLOB NOT NULL PRIMARY KEY, tenant_id BLOB, name TEXT NOT NULL, description TEXT NOT "
        "NULL,"
        " labels TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, etag INTEGER NOT NULL)"
        " STRICT, WITHOUT ROWID;"
        "CREATE UNIQUE INDEX tenant_by_name ON tenant (name); CREATE INDEX tenant_by_tenant_id ON tenant (tenant_id, "
        "id);"
        "CREATE TABLE change_log (revision INTEGER NOT NULL PRIMARY KEY, op INTEGER NOT NULL, resource TEXT NOT NULL,"
        " id BLOB NOT NULL, tenant_id BLOB, at INTEGER NOT NULL) STRICT;";

struct bare {
    sqlite3 *db;
    sqlite3_stmt *begin, *row, *log, *commit;
};

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    bench_must(!sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), sqlite3_errmsg(db));
    return stmt;
}

static void step(sqlite3_stmt *stmt)
{
    bench_must(sqlite3_step(stmt) == SQLITE_DONE, "bare step");
    sqlite3_reset(stmt);
}

static void bare_open(struct bare *bare, const struct skr_test_store *place)
{
    char path[128];
    snprintf(path, sizeof path, "%s/bare.db", place->directory);
    bench_must(!sqlite3_open_v2(path, &bare->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, SKR_SLOW_VFS),
               "bare open");
    bench_must(!sqlite3_exec(bare->db, bare_schema, NULL, NULL, NULL), sqlite3_errmsg(bare->db));
    bare->begin = prepare(bare->db, "BEGIN IMMEDIATE");
    bare->row = prepare(bare->db, "INSERT INTO tenant VALUES (?1, NULL, ?2, '', '{}', ?3, ?3, ?4)");
    bare->log = prepare(bare->db, "INSERT INTO change_log VALUES (?1, 0, 'tenant', ?2, NULL, ?3)");
    bare->commit = prepare(bare->db, "COMMIT");
}

static void bare_insert(struct bare *bare, unsigned number)
{
    char name[48];
    struct skr_uuid id = skr_uuid_new();
    int64_t now_ms = skr_clock_wall_ms();
    snprintf(name, sizeof name, "tenant %u of client %u", number, 0U);
    sqlite3_bind_blob(bare->row, 1, &id, sizeof id, SQLITE_STATIC);
    sqlite3_bind_text(bare->row, 2, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(bare->row, 3, now_ms);
    sqlite3_bind_int64(bare->row, 4, number + 1);
    step(bare->row);
    sqlite3_bind_int64(bare->log, 1, number + 1);
    sqlite3_bind_blob(bare->log, 2, &id, sizeof id, SQLITE_STATIC);
    sqlite3_bind_int64(bare->log, 3, now_ms);
    step(bare->log);
}

static void bare_close(struct bare *bare)
{
    sqlite3_finalize(bare->begin);
    sqlite3_finalize(bare->row);
    sqlite3_finalize(bare->log);
    sqlite3_finalize(bare->commit);
    sqlite3_close(bare->db);
}

static void run_bare(unsigned clients, unsigned writes, struct result *ret)
{
    struct skr_test_store place;
    struct bare bare = {0};
    SKR_CLEANUP(skr_free_cleanup) double *took_ms = calloc(writes, sizeof *took_ms);
    (void)clients;
    skr_test_store_open(&place, SKR_SLOW_VFS);
    bare_open(&bare, &place);
    uint64_t syncs = skr_slow_vfs_syncs();
    int64_t begun_ns = skr_clock_monotonic_ns();
    for (unsigned i = 0; i < writes; i++) {
        int64_t one_ns = skr_clock_monotonic_ns();
        step(bare.begin);
        bare_insert(&bare, i);
        step(bare.commit);
        took_ms[i] = bench_ms_since(one_ns);
    }
    finish(ret, took_ms, writes, bench_ms_since(begun_ns), skr_slow_vfs_syncs() - syncs);
    bare_close(&bare);
    skr_test_store_remove(&place);
}

/* ---- ours ---- */

struct client {
    struct skr_store *store;
    unsigned number, writes;
    double *took_ms;
    pthread_t thread;
};

static void *client_main(void *arg)
{
    struct client *client = arg;
    for (unsigned i = 0; i < client->writes; i++) {
        char name[48];
        snprintf(name, sizeof name, "tenant %u of client %u", i, client->number);
        int64_t one_ns = skr_clock_monotonic_ns();
        bench_must(!skr_test_add_tenant(client->store, name), "a write was refused");
        client->took_ms[i] = bench_ms_since(one_ns);
    }
    return NULL;
}

static void run_writer(unsigned clients, unsigned writes, struct result *ret)
{
    struct skr_test_store test;
    struct client all[CLIENTS_MAX];
    unsigned each = writes / clients;
    SKR_CLEANUP(skr_free_cleanup) double *took_ms = calloc(writes, sizeof *took_ms);
    skr_test_store_open(&test, SKR_SLOW_VFS);
    uint64_t syncs = skr_slow_vfs_syncs();
    int64_t begun_ns = skr_clock_monotonic_ns();
    for (unsigned i = 0; i < clients; i++) {
        all[i] = (struct client){
                .store = test.store, .number = i, .writes = each, .took_ms = &took_ms[(size_t)i * each]};
        bench_must(!pthread_create(&all[i].thread, NULL, client_main, &all[i]), "thread");
    }
    for (unsigned i = 0; i < clients; i++)
        pthread_join(all[i].thread, NULL);
    finish(ret, took_ms, clients * each, bench_ms_since(begun_ns), skr_slow_vfs_syncs() - syncs);
    skr_test_store_remove(&test);
}

/* ---- the table ---- */

enum { BARE, ONE, MANY, BARE_SLOW, ONE_SLOW, MANY_SLOW, CONTENDERS };
static struct contender contenders[CONTENDERS] = {
        [BARE] = {"bare loop, this disk", run_bare, 1, false, 1},
        [ONE] = {"writer, 1 client, this disk", run_writer, 1, false, 1},
        [MANY] = {"writer, 64 clients, this disk", run_writer, CLIENTS_MAX, false, 1},
        [BARE_SLOW] = {"bare loop, 10 ms a sync", run_bare, 1, true, 20},
        [ONE_SLOW] = {"writer, 1 client, 10 ms a sync", run_writer, 1, true, 20},
        [MANY_SLOW] = {"writer, 64 clients, 10 ms a sync", run_writer, CLIENTS_MAX, true, 1},
};

static double median(const struct contender *contender, size_t member, unsigned repeats)
{
    double values[REPEATS_MAX];
    for (unsigned i = 0; i < repeats; i++)
        memcpy(&values[i], (const char *)&contender->results[i] + member, sizeof values[i]);
    return bench_quantile(values, repeats, 0.5);
}

static void run_all(unsigned writes, unsigned repeats)
{
    for (unsigned repeat = 0; repeat < repeats; repeat++)
        for (unsigned i = 0; i < CONTENDERS; i++) {
            struct contender *contender = &contenders[i];
            unsigned share = writes / contender->share;
            skr_slow_vfs_configure(&(struct skr_slow_vfs_options){
                    .sync_ns = contender->slow ? SLOW_SYNC_MS * SKR_NS_PER_MS : 0, .real_syncs = !contender->slow});
            contender->run(contender->clients, share < contender->clients ? contender->clients : share,
                           &contender->results[repeat]);
        }
}

#define MEDIAN(number, member) median(&contenders[number], offsetof(struct result, member), repeats)

static json_t *report(unsigned repeats)
{
    json_t *figures = json_array();
    printf("%-36s %10s %10s %10s %12s\n", "", "commits/s", "p50 ms", "p99 ms", "syncs/write");
    for (unsigned i = 0; i < CONTENDERS; i++) {
        double rate = MEDIAN(i, per_second), p50 = MEDIAN(i, p50_ms), p99 = MEDIAN(i, p99_ms);
        double syncs = MEDIAN(i, syncs_a_write);
        printf("%-36s %10.0f %10.3f %10.3f %12.3f\n", contenders[i].name, rate, p50, p99, syncs);
        json_array_append_new(figures, json_pack("{s:s, s:f, s:f, s:f, s:f}", "name", contenders[i].name, "per_second",
                                                 rate, "p50_ms", p50, "p99_ms", p99, "syncs_per_write", syncs));
    }
    double times = MEDIAN(MANY_SLOW, per_second) / MEDIAN(ONE_SLOW, per_second);
    double syncs = MEDIAN(MANY_SLOW, syncs_a_write);
    double one = MEDIAN(ONE, per_second) / MEDIAN(BARE, per_second);
    printf("\n64 clients against 1 at 10 ms a sync: %.1f times (>= 20), %.3f syncs a write (<= 0.1)\n"
           "1 client against the bare loop: %.2f times\n",
           times, syncs, one);
    return json_pack("{s:{s:f, s:f, s:f}, s:f, s:f, s:o}", "ratios", "writes_64_vs_1_at_10ms_sync", times,
                     "syncs_per_write", syncs, "writes_1_vs_bare", one, "bare_p50_ms", MEDIAN(BARE, p50_ms),
                     "bare_p99_ms", MEDIAN(BARE, p99_ms), "figures", figures);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"directory", required_argument, NULL, 'd'},
                                            {"writes", required_argument, NULL, 'w'},
                                            {"repeats", required_argument, NULL, 'r'},
                                            {"json", required_argument, NULL, 'j'},
                                            {0}};
    const char *json_path = NULL, *directory = "/var/tmp";
    unsigned long writes = 4000, repeats = 3;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'd')
            directory = optarg;
        else if (option == 'w')
            writes = strtoul(optarg, NULL, 10);
        else if (option == 'r')
            repeats = strtoul(optarg, NULL, 10);
        else if (option == 'j')
            json_path = optarg;
        else
            return 2;
    }
    bench_must(writes >= 200 && writes <= 1000000, "--writes must be 200 to 1000000");
    bench_must(repeats >= 1 && repeats <= REPEATS_MAX, "--repeats must be 1 to 20");
    bench_must(!setenv("TMPDIR", directory, 1) && strlen(directory) < 40, "--directory must be shorter than 40 bytes");
    run_all((unsigned)writes, (unsigned)repeats);
    json_t *json = report((unsigned)repeats);
    bench_must(!json_path || !json_dump_file(json, json_path, JSON_INDENT(2)), "the JSON file cannot be written");
    json_decref(json);
    return 0;
}
