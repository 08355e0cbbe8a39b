/* Objects a second in batches of 1,000 over REST, beside a bare SQLite loop that writes the very same rows.
 *
 *     bench-batches URL CA_FILE TOKEN_FILE CONTROLLER_DATABASE DIRECTORY COUNT FIELDS
 *
 * A round: a copy of the controller's database, COUNT adapters by POST /v1/batch, another copy; every row that the
 * second copy has and the first has not (adapters, addresses, allocations, records, labels, change log, audit log, ...)
 * is then written into the first one by prepared INSERTs, 1,000 adapters' worth a COMMIT (WAL, synchronous=FULL, all
 * indexes, no triggers: their rows are among the written). FIELDS is a JSON object with what all adapters share. Prints
 * one JSON object; tests/bench/control/bench.py starts everything it needs. */
#include "tests/bench/control/bench.h"
#include <jansson.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A_BATCH     1000
#define ROUNDS      3
#define COUNT_MAX   1000000
#define TABLES_MAX  256
#define COLUMNS_MAX 64

/* The rows that one table gained. */
struct gain {
    char name[64];
    int columns;
    size_t rows, room;
    sqlite3_value **values; /* rows x columns */
    sqlite3_stmt *insert;
};

struct bench {
    struct bench_client *client;
    char batch_url[512], *token;
    const char *database, *directory;
    json_t *fields;
    unsigned count, made;
};

static sqlite3 *open_database(const char *path)
{
    sqlite3 *db;
    bench_must(sqlite3_open(path, &db) == SQLITE_OK, path);
    return db;
}

static void execute(sqlite3 *db, const char *sql)
{
    bench_must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    bench_must(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, sqlite3_errmsg(db));
    return stmt;
}

static void copy_database(const struct bench *bench, const char *to)
{
    char sql[1100];
    sqlite3 *db = open_database(bench->database);
    remove(to);
    snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", to);
    execute(db, sql);
    sqlite3_close(db);
}

/* ---- ours ---- */

static char *make_batch(struct bench *bench)
{
    json_t *operations = json_array();
    for (unsigned i = 0; i < A_BATCH; i++) {
        char name[64];
        json_t *body = json_copy(bench->fields);
        snprintf(name, sizeof(name), "batch-%07u", bench->made++);
        json_object_set_new(body, "name", json_string(name));
        json_array_append_new(operations, json_pack("{s:s, s:s, s:o}", "method", "POST", "path", "/v1/network-adapters",
                                                    "body", body));
    }
    json_t *batch = json_pack("{s:o}", "operations", operations);
    char *text = json_dumps(batch, JSON_COMPACT);
    json_decref(batch);
    return text;
}

static double write_batches(struct bench *bench)
{
    double total_ms = 0, took_ms;
    for (unsigned i = 0; i < bench->count; i += A_BATCH) {
        SKR_CLEANUP(skr_free_cleanup) char *body = make_batch(bench);
        const char *answer = bench_client_call(bench->client, bench->token, bench->batch_url, body, &took_ms);
        bench_must(strstr(answer, "\"results\"") != NULL, answer);
        total_ms += took_ms;
    }
    return bench->count / total_ms * 1000;
}

/* ---- bare ---- */

static void read_gain(sqlite3 *db, struct gain *gain)
{
    char sql[300];
    snprintf(sql, sizeof(sql), "SELECT * FROM later.%.63s EXCEPT SELECT * FROM main.%.63s", gain->name, gain->name);
    sqlite3_stmt *stmt = prepare(db, sql);
    gain->columns = sqlite3_column_count(stmt);
    bench_must(gain->columns <= COLUMNS_MAX, "a table has more columns than expected");
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        if (gain->rows == gain->room) {
            gain->room = gain->room ? 2 * gain->room : 1024;
            gain->values = reallocarray(gain->values, gain->room, (size_t)gain->columns * sizeof(sqlite3_value *));
            bench_must(gain->values != NULL, "memory");
        }
        for (int c = 0; c < gain->columns; c++)
            gain->values[gain->rows * (size_t)gain->columns + (size_t)c] =
                    sqlite3_value_dup(sqlite3_column_value(stmt, c));
        gain->rows++;
    }
    sqlite3_finalize(stmt);
    int length = snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO main.%.63s VALUES (?", gain->name);
    for (int c = 1; c < gain->columns; c++)
        length += snprintf(sql + length, sizeof(sql) - (size_t)length, ",?");
    snprintf(sql + length, sizeof(sql) - (size_t)length, ")");
    gain->insert = prepare(db, sql);
}

static unsigned read_gains(sqlite3 *db, struct gain gains[static TABLES_MAX])
{
    unsigned count = 0;
    sqlite3_stmt *tables = prepare(db, "SELECT name FROM later.sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                                       "'sqlite%' ORDER BY rootpage");
    while (sqlite3_step(tables) == SQLITE_ROW) {
        bench_must(count < TABLES_MAX, "more tables than expected");
        snprintf(gains[count].name, sizeof(gains[0].name), "%s", (const char *)sqlite3_column_text(tables, 0));
        count++;
    }
    sqlite3_finalize(tables);
    for (unsigned i = 0; i < count; i++)
        read_gain(db, &gains[i]);
    return count;
}

static void drop_triggers(sqlite3 *db)
{
    sqlite3_stmt *triggers = prepare(db, "SELECT group_concat('DROP TRIGGER ' || name, ';') FROM main.sqlite_schema "
                                         "WHERE type = 'trigger'");
    bench_must(sqlite3_step(triggers) == SQLITE_ROW, "the triggers");
    SKR_CLEANUP(skr_free_cleanup) char *sql = strdup((const char *)sqlite3_column_text(triggers, 0) ?: "");
    sqlite3_finalize(triggers);
    execute(db, sql);
}

static void insert_row(struct gain *gain, size_t row)
{
    for (int c = 0; c < gain->columns; c++)
        sqlite3_bind_value(gain->insert, c + 1, gain->values[row * (size_t)gain->columns + (size_t)c]);
    bench_must(sqlite3_step(gain->insert) == SQLITE_DONE, gain->name);
    sqlite3_reset(gain->insert);
}

static double write_bare(const struct bench *bench, const char *before, const char *after, double *ret_rows)
{
    static struct gain gains[TABLES_MAX];
    char sql[1100];
    size_t rows = 0;
    unsigned commits = bench->count / A_BATCH;
    sqlite3 *db = open_database(before);
    memset(gains, 0, sizeof(gains));
    snprintf(sql, sizeof(sql), "ATTACH '%s' AS later", after);
    execute(db, sql);
    drop_triggers(db);
    unsigned tables = read_gains(db, gains);
    execute(db, "PRAGMA main.journal_mode = WAL; PRAGMA main.synchronous = FULL; PRAGMA main.cache_size = -262144");
    int64_t begun_ns = skr_clock_monotonic_ns();
    for (unsigned i = 0; i < commits; i++) {
        execute(db, "BEGIN IMMEDIATE");
        for (struct gain *gain = gains; gain < gains + tables; gain++)
            for (size_t row = gain->rows * i / commits; row < gain->rows * (i + 1) / commits; row++)
                insert_row(gain, row);
        execute(db, "COMMIT");
    }
    double total_ms = bench_ms_since(begun_ns);
    for (struct gain *gain = gains; gain < gains + tables; gain++) {
        sqlite3_finalize(gain->insert);
        for (size_t i = 0; i < gain->rows * (size_t)gain->columns; i++)
            sqlite3_value_free(gain->values[i]);
        free(gain->values);
        rows += gain->rows;
    }
    sqlite3_close(db);
    *ret_rows = (double)rows / bench->count;
    return bench->count / total_ms * 1000;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    double batches[ROUNDS], bare[ROUNDS], ratios[ROUNDS], rows = 0;
    char before[600], after[600];
    if (argc != 8)
        return fprintf(stderr, "bench-batches URL CA_FILE TOKEN_FILE CONTROLLER_DATABASE DIRECTORY COUNT FIELDS\n"), 2;
    bench.client = bench_client_new(argv[2]);
    bench.token = bench_token(argv[3]);
    bench.database = argv[4];
    snprintf(bench.batch_url, sizeof(bench.batch_url), "%s/v1/batch", argv[1]);
    snprintf(before, sizeof(before), "%s/before.db", argv[5]);
    snprintf(after, sizeof(after), "%s/after.db", argv[5]);
    bench.count = (unsigned)strtoul(argv[6], NULL, 10);
    bench_must(bench.count >= A_BATCH && bench.count <= COUNT_MAX && bench.count % A_BATCH == 0,
               "COUNT is 1,000 to 1,000,000 in thousands");
    bench.fields = json_loads(argv[7], JSON_REJECT_DUPLICATES, NULL);
    bench_must(json_is_object(bench.fields), "FIELDS is a JSON object");
    for (unsigned i = 0; i < ROUNDS; i++) {
        copy_database(&bench, before);
        batches[i] = write_batches(&bench);
        copy_database(&bench, after);
        bare[i] = write_bare(&bench, before, after, &rows);
        ratios[i] = batches[i] / bare[i];
    }
    printf("{\"count\": %u, \"rows_an_object\": %.1f, \"batches_per_second\": %.0f, \"bare_per_second\": %.0f, "
           "\"ratio\": %.3f}\n",
           ROUNDS * bench.count, rows, bench_quantile(batches, ROUNDS, 0.5), bench_quantile(bare, ROUNDS, 0.5),
           bench_quantile(ratios, ROUNDS, 0.5));
    bench_client_free(bench.client);
    free(bench.token);
    json_decref(bench.fields);
    return 0;
}
