#include "controller/store/sqlite/private.h"
#include <skerry/clock.h>
#include <time.h>

static void wait_until(struct skr_readers *readers, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = deadline_ns / SKR_NS_PER_S, .tv_nsec = deadline_ns % SKR_NS_PER_S};
    pthread_cond_timedwait(&readers->changed, &readers->lock, &until);
}

int skr_readers_init(struct skr_store *store, unsigned count, struct skr_error *error)
{
    struct skr_readers *readers = &store->readers;
    readers->all = calloc(count, sizeof readers->all[0]);
    if (!readers->all)
        abort();
    for (unsigned i = 0; i < count; i++) {
        struct skr_reader *reader = &readers->all[i];
        int r = skr_connection_open(store, false, &reader->connection, error);
        if (r)
            return r;
        readers->count++;
        reader->txn = (struct skr_txn){.store = store, .connection = &reader->connection};
        reader->next = readers->idle;
        readers->idle = reader;
    }
    return 0;
}

void skr_readers_done(struct skr_store *store)
{
    for (unsigned i = 0; i < store->readers.count; i++)
        skr_connection_close(&store->readers.all[i].connection);
    free(store->readers.all);
}

/* NULL when none came back in time. */
static struct skr_reader *borrow(struct skr_readers *readers)
{
    int64_t deadline_ns = skr_clock_monotonic_ns() + SKR_STORE_READ_WAIT_MS * SKR_NS_PER_MS;
    pthread_mutex_lock(&readers->lock);
    while ((readers->gate_closed || !readers->idle) && skr_clock_monotonic_ns() < deadline_ns)
        wait_until(readers, deadline_ns);
    struct skr_reader *reader = readers->gate_closed ? NULL : readers->idle;
    if (reader) {
        readers->idle = reader->next;
        readers->active++;
    }
    pthread_mutex_unlock(&readers->lock);
    return reader;
}

static void give_back(struct skr_readers *readers, struct skr_reader *reader)
{
    pthread_mutex_lock(&readers->lock);
    reader->next = readers->idle;
    readers->idle = reader;
    readers->active--;
    pthread_cond_broadcast(&readers->changed); /* readers and the gate wait for the same */
    pthread_mutex_unlock(&readers->lock);
}

/* The first read takes the snapshot, so the revision is the snapshot's. */
static int begin(struct skr_reader *reader, struct skr_error *error)
{
    struct skr_connection *connection = &reader->connection;
    struct skr_statement *statement = NULL;
    int code = skr_connection_run(connection, "BEGIN");
    if (code)
        return skr_sqlite_error(connection, code, NULL, error);
    int r = skr_connection_statement(connection, "SELECT max(revision) FROM change_log", &statement, error);
    r = r ? r : skr_step(statement, error);
    if (r < 0)
        return r;
    reader->txn.revision = skr_column_integer(statement, 0);
    skr_statement_reset(statement);
    return 0;
}

int skr_store_read_begin(struct skr_store *store, struct skr_txn **ret, struct skr_error *error)
{
    struct skr_reader *reader = borrow(&store->readers);
    if (!reader)
        return skr_error_set(error, SKR_ERROR_UNAVAILABLE, "Too many requests read the database at once; try again.");
    int r = begin(reader, error);
    if (r) {
        skr_store_read_end(&reader->txn);
        return r;
    }
    reader->txn.now_ms = skr_clock_wall_ms();
    *ret = &reader->txn;
    return 0;
}

void skr_store_read_end(struct skr_txn *txn)
{
    struct skr_reader *reader = SKR_CONTAINER_OF(txn, struct skr_reader, txn);
    skr_connection_reset(&reader->connection);
    if (!sqlite3_get_autocommit(reader->connection.db))
        skr_connection_run(&reader->connection, "ROLLBACK");
    give_back(&txn->store->readers, reader);
}

bool skr_readers_close_gate(struct skr_readers *readers, int64_t wait_ns)
{
    int64_t deadline_ns = skr_clock_monotonic_ns() + wait_ns;
    pthread_mutex_lock(&readers->lock);
    readers->gate_closed = true;
    while (readers->active && skr_clock_monotonic_ns() < deadline_ns)
        wait_until(readers, deadline_ns);
    bool empty = !readers->active;
    pthread_mutex_unlock(&readers->lock);
    return empty;
}

void skr_readers_open_gate(struct skr_readers *readers)
{
    pthread_mutex_lock(&readers->lock);
    readers->gate_closed = false;
    pthread_cond_broadcast(&readers->changed);
    pthread_mutex_unlock(&readers->lock);
}
