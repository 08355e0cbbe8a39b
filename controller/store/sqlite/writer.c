/* One thread writes. Writes wait in a queue; the writer takes all of them, runs each in a savepoint of one transaction
 * and answers them together after its COMMIT, because a COMMIT costs a sync of the disk however much it carries.
 *
 * Gathering: clients that were just answered usually come back at once. So the writer lets as many writes gather as it
 * just answered, but waits for them no longer than a quarter of what a COMMIT takes.
 *
 * Losing the transaction: after some errors (a full disk) SQLite has rolled back everything, not only the statement.
 * Then no write of the batch has happened, and each runs again in a transaction of its own: one write that cannot be
 * stored must not refuse the others. */
#include "controller/store/sqlite/private.h"
#include <errno.h>
#include <skerry/clock.h>
#include <time.h>

#define GATHER_SHARE   4 /* of a COMMIT's time */
#define SYNC_SMOOTHING 8
#define BULK_ROUNDS    8 /* batches of single writes that a waiting long one lets go first */

/* ---- one batch ---- */

static void refuse(struct skr_write *write, int result, const struct skr_error *error)
{
    write->result = result;
    write->revision = 0;
    if (!write->error && !(write->error = malloc(sizeof *write->error)))
        abort();
    *write->error = *error;
}

/* Deferred foreign keys would only fail the COMMIT of everybody. */
static bool dangling_references(sqlite3 *db)
{
    int dangling = 0, unused;
    sqlite3_db_status(db, SQLITE_DBSTATUS_DEFERRED_FKS, &dangling, &unused, 0);
    return dangling;
}

static int call(struct skr_writer *writer, struct skr_write *write, struct skr_error *error)
{
    struct skr_txn *txn = &writer->txn;
    txn->refused = NULL;
    txn->asker = NULL;
    txn->now_ms = skr_clock_wall_ms();
    int r = write->fn(txn, write->arg, error);
    skr_connection_reset(&writer->connection);
    if (!r && txn->broken)
        r = skr_error_set(error, SKR_ERROR_INTERNAL, "A part of the write has failed.");
    if (!r && dangling_references(writer->connection.db))
        r = skr_error_set(error, SKR_ERROR_REFERENCE, "The object refers to something that does not exist.");
    return r;
}

/* Says in every change of the write which revision the write ends with. */
static void seal(struct skr_writer *writer, struct skr_write *write, size_t first, int64_t revision_before)
{
    write->revision = writer->txn.revision > revision_before ? writer->txn.revision : 0;
    for (size_t i = first; i < writer->changes.count; i++)
        writer->changes.rows[i].write_revision = write->revision;
}

/* Runs what a refused write leaves behind. False: the whole transaction is gone. */
static bool run_refused(struct skr_writer *writer, const struct skr_write *write)
{
    struct skr_txn *txn = &writer->txn;
    SKR_CLEANUP(skr_mark_done) struct skr_mark mark = {0};
    if (!txn->refused)
        return true;
    if (skr_savepoint_open(txn, false, &mark))
        return false;
    int r = txn->refused(txn, txn->refused_arg, write->result, write->error);
    skr_connection_reset(&writer->connection);
    if (sqlite3_get_autocommit(writer->connection.db))
        return false;
    return !skr_savepoint_close(txn, &mark, !r);
}

/* Runs one write so that it can be taken back. False: the whole transaction is gone. */
static bool run_write(struct skr_store *store, struct skr_write *write, bool alone)
{
    struct skr_writer *writer = &store->writer;
    struct skr_txn *txn = &writer->txn;
    sqlite3 *db = writer->connection.db;
    SKR_CLEANUP(skr_mark_done) struct skr_mark mark = {0};
    struct skr_error error = {0};
    txn->write_first = txn->revision + 1;
    txn->broken = false;
    skr_tallies_clear(&txn->tallies);
    write->result = 0;
    int code = skr_savepoint_open(txn, alone, &mark);
    int r = code ? skr_sqlite_error(&writer->connection, code, NULL, &error) : call(writer, write, &error);
    if (r)
        refuse(write, r, &error);
    if (code || sqlite3_get_autocommit(db))
        return false;
    if (skr_savepoint_close(txn, &mark, !r))
        return false;
    if (r)
        return run_refused(writer, write);
    seal(writer, write, mark.changes, mark.revision);
    return true;
}

static int commit(struct skr_writer *writer)
{
    int64_t begun_ns = skr_clock_monotonic_ns();
    int code = skr_connection_run(&writer->connection, "COMMIT");
    int64_t took_ns = skr_clock_monotonic_ns() - begun_ns;
    int64_t changed = sqlite3_total_changes64(writer->connection.db);
    if (!code && changed != writer->changed) /* a COMMIT of nothing proves nothing */
        skr_health_note(writer->connection.store, NULL);
    writer->changed = changed;
    if (!code)
        writer->sync_ns += (took_ns - writer->sync_ns) / (writer->sync_ns ? SYNC_SMOOTHING : 1);
    return code;
}

/* Back to what is committed. */
static void abandon(struct skr_writer *writer, struct skr_mark *begun)
{
    skr_connection_reset(&writer->connection);
    if (!sqlite3_get_autocommit(writer->connection.db))
        skr_connection_run(&writer->connection, "ROLLBACK");
    skr_mark_return(&writer->txn, begun);
}

static void refuse_all(struct skr_write *writes, int result, const struct skr_error *error)
{
    for (struct skr_write *write = writes; write; write = write->next)
        refuse(write, result, error);
}

/* Runs the writes in one transaction. True: each has its answer. False: none has happened, run them one by one. */
static bool run_transaction(struct skr_store *store, struct skr_write *writes)
{
    struct skr_writer *writer = &store->writer;
    sqlite3 *db = writer->connection.db;
    SKR_CLEANUP(skr_mark_done) struct skr_mark begun = {0};
    struct skr_error error = {0};
    skr_mark_set(&writer->txn, &begun);
    int code = skr_connection_run(&writer->connection, "BEGIN IMMEDIATE");
    if (code) {
        refuse_all(writes, skr_sqlite_error(&writer->connection, code, NULL, &error), &error);
        abandon(writer, &begun);
        return true;
    }
    bool alive = true, alone = !writes->next;
    for (struct skr_write *write = writes; write && alive; write = write->next)
        alive = run_write(store, write, alone);
    code = alive ? commit(writer) : SQLITE_OK;
    if (alive && !code)
        return true;
    if (alone && !writes->result) { /* the COMMIT failed, or SQLite gave up although the rule did not mind */
        int r = code ? skr_sqlite_error(&writer->connection, code, NULL, &error)
                     : skr_error_set(&error, SKR_ERROR_STORAGE, "The database did not take the write: %s.",
                                     sqlite3_errmsg(db));
        refuse(writes, r, &error);
    }
    abandon(writer, &begun);
    return alone;
}

/* ---- after COMMIT ---- */

static void publish(struct skr_store *store)
{
    struct skr_writer *writer = &store->writer;
    atomic_store(&store->revision, writer->txn.revision);
    atomic_store(&store->wal_pages, writer->wal.pages);
    atomic_fetch_add(&store->commits, 1);
    for (unsigned i = 0; writer->changes.count && i < store->listener_count; i++)
        store->listeners[i].fn(store->listeners[i].arg, writer->changes.rows, writer->changes.count);
    skr_changes_truncate(&writer->changes, 0);
}

static void answer(struct skr_store *store, struct skr_write *write)
{
    atomic_fetch_add(write->result ? &store->refused : &store->writes, 1);
    if (write->result && write->error->tag == SKR_ERROR_STORAGE)
        skr_health_note(store, write->error);
    if (write->done)
        write->done(write->arg, write->result, write->revision, write->result ? write->error : NULL);
    free(write->error);
    free(write);
}

static void run_batch(struct skr_store *store, struct skr_write *writes)
{
    bool damaged = skr_health_is_damaged(store), together = damaged || run_transaction(store, writes);
    if (damaged) {
        struct skr_error error = {0};
        refuse_all(writes, skr_health_damaged(store, NULL, &error), &error);
    } else if (together) {
        publish(store);
    }
    for (struct skr_write *write = writes, *next; write; write = next) {
        next = write->next;
        write->next = NULL;
        if (!together) {
            run_transaction(store, write);
            publish(store);
        }
        answer(store, write);
    }
}

/* ---- the queue ---- */

static void wait_until(struct skr_writer *writer, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = deadline_ns / SKR_NS_PER_S, .tv_nsec = deadline_ns % SKR_NS_PER_S};
    while (writer->single.length < writer->wake_at && !writer->closing)
        if (pthread_cond_timedwait(&writer->wake, &writer->lock, &until))
            return;
}

/* Lock held. Waits for the clients that were just answered, then for anybody. */
static void gather(struct skr_store *store)
{
    struct skr_writer *writer = &store->writer;
    writer->wake_at = writer->answered;
    wait_until(writer, writer->answered_at + writer->sync_ns / GATHER_SHARE);
    writer->wake_at = 1;
    while (!writer->single.length && !writer->bulk.length && !writer->closing) {
        enum skr_checkpoint due = skr_checkpoint_due(&writer->wal, true);
        if (due != SKR_CHECKPOINT_NONE) {
            pthread_mutex_unlock(&writer->lock);
            skr_checkpoint_run(store, due);
            pthread_mutex_lock(&writer->lock);
        } else {
            pthread_cond_wait(&writer->wake, &writer->lock);
        }
    }
}

static struct skr_write *take_from(struct skr_queue *queue, unsigned max, unsigned *ret_count)
{
    struct skr_write *first = queue->head, **end = &queue->head;
    unsigned count = 0;
    while (*end && count < max) {
        end = &(*end)->next;
        count++;
    }
    queue->head = *end;
    *end = NULL;
    if (!queue->head)
        queue->tail = &queue->head;
    queue->length -= count;
    *ret_count = count;
    return count ? first : NULL;
}

/* The next batch: all single writes that wait, else one long one. NULL when the store closes and everything is
 * answered. */
static struct skr_write *take(struct skr_store *store, unsigned *ret_count)
{
    struct skr_writer *writer = &store->writer;
    pthread_mutex_lock(&writer->lock);
    gather(store);
    bool bulk = writer->bulk.length && (!writer->single.length || writer->rounds >= BULK_ROUNDS);
    struct skr_write *first =
            bulk ? take_from(&writer->bulk, 1, ret_count) : take_from(&writer->single, SKR_STORE_BATCH_MAX, ret_count);
    writer->rounds = bulk || !writer->bulk.length ? 0 : writer->rounds + 1;
    pthread_mutex_unlock(&writer->lock);
    return first;
}

static void *writer_main(void *arg)
{
    struct skr_store *store = arg;
    struct skr_writer *writer = &store->writer;
    struct skr_write *writes;
    unsigned count;
    while ((writes = take(store, &count))) {
        if (count > atomic_load(&store->batch_max))
            atomic_store(&store->batch_max, count);
        run_batch(store, writes);
        writer->answered = count;
        writer->answered_at = skr_clock_monotonic_ns();
        skr_checkpoint_run(store, skr_checkpoint_due(&writer->wal, false));
    }
    return NULL;
}

int skr_writer_start(struct skr_store *store, struct skr_error *error)
{
    struct skr_writer *writer = &store->writer;
    sqlite3_wal_hook(writer->connection.db, skr_checkpoint_hook, &writer->wal);
    writer->single.tail = &writer->single.head;
    writer->bulk.tail = &writer->bulk.head;
    writer->wake_at = 1;
    writer->txn = (struct skr_txn){.store = store,
                                   .connection = &writer->connection,
                                   .revision = atomic_load(&store->revision),
                                   .changes = &writer->changes};
    int r = pthread_create(&writer->thread, NULL, writer_main, store);
    if (r)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The writer could not be started (errno %d).", r);
    writer->started = true;
    pthread_setname_np(writer->thread, "writer");
    return 0;
}

void skr_writer_stop(struct skr_store *store)
{
    struct skr_writer *writer = &store->writer;
    if (!writer->started)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->closing = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    skr_tallies_clear(&writer->txn.tallies);
    free(writer->changes.rows);
}

static int enqueue(struct skr_writer *writer, bool bulk, skr_write_fn *fn, skr_write_done_fn *done, void *arg)
{
    struct skr_write *write = calloc(1, sizeof *write);
    struct skr_queue *queue = bulk ? &writer->bulk : &writer->single;
    if (!write)
        abort();
    *write = (struct skr_write){.fn = fn, .done = done, .arg = arg};
    pthread_mutex_lock(&writer->lock);
    unsigned max = bulk ? SKR_STORE_BULK_MAX : writer->length_max;
    int r = writer->closing ? -ESHUTDOWN : queue->length >= max ? -EAGAIN : 0;
    if (!r) {
        *queue->tail = write;
        queue->tail = &write->next;
        queue->length++;
        if (bulk || queue->length >= writer->wake_at)
            pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->lock);
    if (r)
        free(write);
    return r;
}

int skr_store_write(struct skr_store *store, skr_write_fn *fn, skr_write_done_fn *done, void *arg)
{
    return enqueue(&store->writer, false, fn, done, arg);
}

int skr_store_write_bulk(struct skr_store *store, skr_write_fn *fn, skr_write_done_fn *done, void *arg)
{
    return enqueue(&store->writer, true, fn, done, arg);
}

struct waiter {
    skr_write_fn *fn;
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    int result;
    int64_t revision;
    struct skr_error *error;
};

static int waiter_run(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct waiter *waiter = arg;
    return waiter->fn(txn, waiter->arg, error);
}

static void waiter_done(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    struct waiter *waiter = arg;
    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    waiter->result = result;
    waiter->revision = revision;
    if (error && waiter->error)
        *waiter->error = *error;
    pthread_cond_signal(&waiter->answered); /* under the lock: the waiter's memory ends when it has it */
    pthread_mutex_unlock(&waiter->lock);
}

int skr_store_write_wait(struct skr_store *store, skr_write_fn *fn, void *arg, int64_t *ret_revision,
                         struct skr_error *error)
{
    struct waiter waiter = {.fn = fn,
                            .arg = arg,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .answered = PTHREAD_COND_INITIALIZER,
                            .error = error};
    int r = skr_store_write(store, waiter_run, waiter_done, &waiter);
    if (r) {
        skr_error_set(error, SKR_ERROR_UNAVAILABLE, "The database takes no more writes now; try again.");
        return r;
    }
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.done)
        pthread_cond_wait(&waiter.answered, &waiter.lock);
    pthread_mutex_unlock(&waiter.lock);
    if (!waiter.result && ret_revision)
        *ret_revision = waiter.revision;
    return waiter.result;
}
