#include "controller/store/sqlite/migrate.h"
#include "controller/store/sqlite/private.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#define READERS       4
#define QUEUE_DEFAULT 10000

/* ---- facts ---- */

/* The setting, made from random bytes the first time. Hexadecimal, `size` bytes. */
static int random_setting(struct skr_txn *txn, const char *name, uint8_t *ret, size_t size, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *text = NULL;
    uint8_t bytes[16];
    char made[sizeof bytes * 2 + 1];
    assert(size <= sizeof bytes);
    int r = skr_txn_setting_get(txn, name, &text, error);
    if (r == -ENOENT) {
        if (getrandom(bytes, size, 0) != (ssize_t)size)
            return skr_error_set(error, SKR_ERROR_INTERNAL, "There is no randomness.");
        for (size_t i = 0; i < size; i++)
            snprintf(made + 2 * i, 3, "%02x", bytes[i]);
        r = skr_txn_setting_set(txn, name, made, error);
    }
    if (r)
        return r;
    const char *from = text ? text : made;
    for (size_t i = 0; i < size; i++)
        if (sscanf(from + 2 * i, "%2hhx", &bytes[i]) != 1)
            return skr_error_set(error, SKR_ERROR_STORAGE, "The setting %s is damaged.", name);
    memcpy(ret, bytes, size);
    return 0;
}

static int load_facts(struct skr_txn *txn, struct skr_error *error)
{
    struct skr_store *store = txn->store;
    SKR_CLEANUP(skr_free_cleanup) char *text = NULL;
    char number[24];
    int r = random_setting(txn, "database_id", store->database_id.bytes, sizeof store->database_id.bytes, error);
    r = r ? r : random_setting(txn, "digest_key", (uint8_t *)&store->digest_key, sizeof store->digest_key, error);
    if (r)
        return r;
    r = skr_txn_setting_get(txn, "incarnation", &text, error);
    if (r && r != -ENOENT)
        return r;
    store->incarnation = (text ? strtoull(text, NULL, 10) : 0) + 1;
    snprintf(number, sizeof number, "%llu", (unsigned long long)store->incarnation);
    return skr_txn_setting_set(txn, "incarnation", number, error);
}

static int query_integer(struct skr_connection *connection, const char *sql, int64_t *ret, struct skr_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(connection->db, sql, -1, &stmt, NULL);
    code = code ? code : sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return code == SQLITE_ROW ? 0 : skr_sqlite_error(connection, code, sql, error);
}

/* Makes the SQL of every resource that has a table or a view; counts the rows of tables, once. */
static int load_resource(struct skr_store *store, const struct skr_resource *resource, struct skr_error *error)
{
    char sql[256];
    int64_t table = 0, view = 0, count = 0;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '%s'",
             resource->table);
    int r = query_integer(&store->writer.connection, sql, &table, error);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_schema WHERE type = 'view' AND name = '%s'",
             resource->table);
    r = r ? r : query_integer(&store->writer.connection, sql, &view, error);
    if (r || (!table && !view))
        return r;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", resource->table);
    bool counted = table && !(resource->flags & SKR_RESOURCE_APPENDED);
    r = counted ? query_integer(&store->writer.connection, sql, &count, error) : 0;
    if (r)
        return r;
    if (skr_resource_sql_make(resource, &store->sql[resource->id]))
        return skr_error_set(error, SKR_ERROR_INTERNAL, "%s nests deeper than a table can.", resource->name);
    atomic_store(&store->counts[resource->id], count);
    return 0;
}

static int load_resources(struct skr_store *store, struct skr_error *error)
{
    int r = 0;
    for (unsigned i = 0; !r && i < SKR_RESOURCE_COUNT; i++)
        r = load_resource(store, skr_resource_get((enum skr_resource_id)i), error);
    return r;
}

static int refuse_new(const struct skr_store *store, const char *how, const char *evidence, struct skr_error *error)
{
    return skr_error_set(error, SKR_ERROR_CONFLICT,
                         "The database %.250s is %s, but %.60s of an installation is there. Put a backup in its place "
                         "(skerry-controller restore FILE), or start with --initialize for a new installation, which "
                         "knows no host, tenant or token of the old one.",
                         store->path, how, evidence);
}

/* Reads and writes what must stand before the writer's thread runs. */
static int prepare_database(struct skr_store *store, const struct skr_store_options *options, struct skr_error *error)
{
    struct skr_connection *connection = &store->writer.connection;
    struct skr_txn txn = {.store = store, .connection = connection};
    int64_t revision = 0, version = 0;
    int r = options->evidence ? query_integer(connection, "PRAGMA user_version", &version, error) : 0;
    if (!r && options->evidence && !version)
        return refuse_new(store, "empty", options->evidence, error);
    r = r ? r : skr_migrate(connection->db, options->schema_directory, error);
    if (r)
        return r;
    int code = sqlite3_exec(connection->db, "PRAGMA foreign_keys = ON; BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code)
        return skr_sqlite_error(connection, code, NULL, error);
    r = load_facts(&txn, error);
    skr_connection_reset(connection);
    code = sqlite3_exec(connection->db, r ? "ROLLBACK" : "COMMIT", NULL, NULL, NULL);
    if (!r && code)
        r = skr_sqlite_error(connection, code, NULL, error);
    r = r ? r : load_resources(store, error);
    r = r ? r : query_integer(connection, "SELECT coalesce(max(revision), 0) FROM change_log", &revision, error);
    if (!r)
        atomic_store(&store->revision, revision);
    return r;
}

/* ---- open and close ---- */

/* A second process on the same file would be a second writer. */
static int take_lock(struct skr_store *store, const char *evidence, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *path = NULL;
    if (asprintf(&path, "%s.lock", store->path) < 0)
        abort();
    SKR_CLEANUP(skr_close_cleanup) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return skr_error_set(error, SKR_ERROR_STORAGE, "The lock file %s: %s.", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The database %s is open in another process.", store->path);
    /* Keys and hashes live in it: made here, because SQLite's own mode would let others read it. */
    SKR_CLEANUP(skr_close_cleanup) int file = open(store->path, O_RDWR | (evidence ? 0 : O_CREAT) | O_CLOEXEC, 0600);
    struct stat facts;
    if (evidence && (file < 0 ? errno == ENOENT : fstat(file, &facts) == 0 && facts.st_size == 0))
        return refuse_new(store, file < 0 ? "missing" : "empty", evidence, error);
    if (file < 0)
        return skr_error_set(error, SKR_ERROR_STORAGE, "The database %s: %s.", store->path, strerror(errno));
    store->lock_fd = skr_take_fd(&fd);
    return 0;
}

static struct skr_store *store_new(const struct skr_store_options *options)
{
    struct skr_store *store = calloc(1, sizeof *store);
    pthread_condattr_t monotonic;
    if (!store || !(store->path = strdup(options->path)) || (options->vfs && !(store->vfs = strdup(options->vfs))))
        abort();
    store->lock_fd = -1;
    store->writer.length_max = options->queue_max ? options->queue_max : QUEUE_DEFAULT;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->texts_lock, NULL);
    pthread_mutex_init(&store->health.lock, NULL);
    pthread_mutex_init(&store->readers.lock, NULL);
    pthread_cond_init(&store->readers.changed, &monotonic);
    pthread_mutex_init(&store->writer.lock, NULL);
    pthread_cond_init(&store->writer.wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return store;
}

static void store_cleanup(struct skr_store **store)
{
    skr_store_close(*store);
}

static sqlite3_mem_methods plain;

static void free_cleared(void *memory)
{
    explicit_bzero(memory, (size_t)plain.xSize(memory));
    plain.xFree(memory);
}

static void *realloc_cleared(void *memory, int size)
{
    int had = plain.xSize(memory);
    if (size <= had)
        return memory;
    void *larger = plain.xMalloc(size);
    if (!larger)
        return NULL;
    memcpy(larger, memory, (size_t)had);
    free_cleared(memory);
    return larger;
}

/* SQLite would count every allocation under one lock for figures that nobody reads, and leave rows and bound texts in
 * memory that is free again: the authority's key is one of them. It is told once a process, and before anything else;
 * where SQLite runs already it goes on as before. */
static void tell_sqlite(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain) != SQLITE_OK)
        return;
    sqlite3_mem_methods cleared = plain;
    cleared.xFree = free_cleared;
    cleared.xRealloc = realloc_cleared;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &cleared);
}

int skr_store_open(const struct skr_store_options *options, struct skr_store **ret, struct skr_error *error)
{
    static pthread_once_t told = PTHREAD_ONCE_INIT;
    pthread_once(&told, tell_sqlite);
    SKR_CLEANUP(store_cleanup) struct skr_store *store = store_new(options);
    int r = take_lock(store, options->evidence, error);
    r = r ? r : skr_connection_open(store, true, &store->writer.connection, error);
    r = r ? r : prepare_database(store, options, error);
    r = r ? r : skr_readers_init(store, READERS, error);
    r = r ? r : skr_writer_start(store, error);
    if (r)
        return r;
    *ret = SKR_TAKE(store);
    return 0;
}

void skr_store_close(struct skr_store *store)
{
    if (!store)
        return;
    skr_health_stop(store);
    skr_writer_stop(store);
    skr_readers_done(store);
    skr_connection_close(&store->writer.connection); /* last: it alone may empty the log */
    struct skr_text *text, *next;
    HASH_ITER (hh, store->texts, text, next) {
        HASH_DEL(store->texts, text);
        free(text->sql);
        free(text);
    }
    for (unsigned i = 0; i < SKR_RESOURCE_COUNT; i++)
        skr_resource_sql_done(&store->sql[i]);
    pthread_mutex_destroy(&store->texts_lock);
    pthread_mutex_destroy(&store->health.lock);
    pthread_mutex_destroy(&store->readers.lock);
    pthread_cond_destroy(&store->readers.changed);
    pthread_mutex_destroy(&store->writer.lock);
    pthread_cond_destroy(&store->writer.wake);
    skr_close_cleanup(&store->lock_fd);
    free(store->path);
    free(store->vfs);
    free(store);
}

void skr_store_listen(struct skr_store *store, skr_commit_fn *fn, void *arg)
{
    assert(store->listener_count < SKR_STORE_LISTENERS_MAX);
    store->listeners[store->listener_count++] = (struct skr_listener){fn, arg};
}

/* ---- looking at it ---- */

struct skr_uuid skr_store_database_id(const struct skr_store *store)
{
    return store->database_id;
}

struct skr_digest_key skr_store_digest_key(const struct skr_store *store)
{
    return store->digest_key;
}

uint64_t skr_store_incarnation(const struct skr_store *store)
{
    return store->incarnation;
}

int64_t skr_store_revision(const struct skr_store *store)
{
    return atomic_load(&store->revision);
}

int64_t skr_txn_revision(struct skr_txn *txn)
{
    return txn->revision;
}

void skr_txn_skip_revisions(struct skr_txn *txn, int64_t count)
{
    txn->revision += count;
}

struct skr_store *skr_txn_store(struct skr_txn *txn)
{
    return txn->store;
}

int64_t skr_txn_now_ms(struct skr_txn *txn)
{
    return txn->now_ms;
}

void skr_store_stats(struct skr_store *store, struct skr_store_stats *ret)
{
    pthread_mutex_lock(&store->writer.lock);
    unsigned length = store->writer.single.length + store->writer.bulk.length;
    pthread_mutex_unlock(&store->writer.lock);
    *ret = (struct skr_store_stats){.writes = atomic_load(&store->writes),
                                    .refused = atomic_load(&store->refused),
                                    .commits = atomic_load(&store->commits),
                                    .batch_max = atomic_load(&store->batch_max),
                                    .queue_length = length,
                                    .checkpoints = atomic_load(&store->checkpoints),
                                    .wal_pages = atomic_load(&store->wal_pages)};
}

void skr_store_each_query(struct skr_store *store, void (*fn)(void *arg, const char *sql), void *arg)
{
    pthread_mutex_lock(&store->texts_lock);
    unsigned count = HASH_COUNT(store->texts), used = 0;
    SKR_CLEANUP(skr_free_cleanup) const char **texts = calloc(count + 1, sizeof *texts);
    struct skr_text *text, *next;
    if (!texts)
        abort();
    HASH_ITER (hh, store->texts, text, next)
        texts[used++] = text->sql; /* texts live as long as the store */
    pthread_mutex_unlock(&store->texts_lock);
    for (unsigned i = 0; i < used; i++)
        fn(arg, texts[i]);
}

int skr_store_explain(struct skr_store *store, const char *sql, char **ret_plan, struct skr_error *error)
{
    struct skr_txn *txn;
    int r = skr_store_read_begin(store, &txn, error);
    if (r)
        return r;
    SKR_CLEANUP(skr_free_cleanup) char *explain = NULL;
    char *plan = NULL;
    size_t size;
    FILE *out = open_memstream(&plan, &size);
    if (!out || asprintf(&explain, "EXPLAIN QUERY PLAN %s", sql) < 0)
        abort();
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(txn->connection->db, explain, -1, &stmt, NULL);
    while (!code && sqlite3_step(stmt) == SQLITE_ROW)
        fprintf(out, "%s\n", (const char *)sqlite3_column_text(stmt, 3));
    if (code)
        r = skr_sqlite_error(txn->connection, code, sql, error);
    sqlite3_finalize(stmt);
    fclose(out);
    skr_store_read_end(txn);
    if (r)
        free(plan);
    else
        *ret_plan = plan;
    return r;
}
