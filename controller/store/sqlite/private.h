/* The files of the SQLite provider share this. No other room looks in here.
 *
 * store.c      open and close, lock, facts            connection.c  one SQLite connection and its statements
 * writer.c     queue, savepoints, group commit        statement.c   binding, stepping and reading columns
 * checkpoint.c when the write-ahead log is emptied    rows.c        get, list, insert, update, delete of objects
 * readers.c    the pool of snapshots                  row.c         one object <-> one row
 * changes.c    change log and after-images            resource_sql.c the SQL of a resource table
 * labels.c     the index of labels                    tally.c       what a write adds up
 * list.c       pages: which index drives              place.c       pages of what stands in some places
 * savepoint.c  taking back what was refused           copy.c        backup and restore
 * health.c     damage and full disks, once seen       check.c       looking for damage, files of others */
#pragma once

#include "controller/store/store.h"
#include <pthread.h>
#include <skerry/macros.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <uthash.h>

#define SKR_STORE_BATCH_MAX      1000  /* writes one COMMIT carries */
#define SKR_STORE_BULK_MAX       64    /* long writes that wait */
#define SKR_STORE_STATEMENTS_MAX 1024  /* kept prepared a connection */
#define SKR_STORE_NEAR           256   /* of them found by where their text lies; a power of two */
#define SKR_STORE_READ_WAIT_MS   2000  /* for a connection of the pool */
#define SKR_STORE_SETTING_MAX    65536 /* bytes */

/* ---- connection.c ---- */

struct skr_statement {
    sqlite3_stmt *stmt;
    struct skr_connection *connection;
    char *sql;
    int bind_result;                 /* first failed bind; skr_step reports it */
    bool used;                       /* stands in the connection's list below */
    struct skr_statement *next_used; /* to be reset when the transaction ends */
    UT_hash_handle hh;
};

struct skr_connection {
    sqlite3 *db;
    struct skr_store *store;
    struct skr_statement *statements; /* by text */
    /* Most texts are constants, so where one lies tells what it says: no hash of it, only a comparison. */
    struct skr_statement *near[SKR_STORE_NEAR];
    struct skr_statement *used;
};

int skr_connection_open(struct skr_store *store, bool writing, struct skr_connection *ret, struct skr_error *error);
/* Zeroed is fine. */
void skr_connection_close(struct skr_connection *connection);
/* The cached statement of this text, reset and unbound. */
int skr_connection_statement(struct skr_connection *connection, const char *sql, struct skr_statement **ret,
                             struct skr_error *error);
/* Resets what this transaction used: a statement left in the middle would keep its snapshot alive. */
void skr_connection_reset(struct skr_connection *connection);
/* Runs a cached statement without parameters or rows; SQLite's code. */
int skr_connection_run(struct skr_connection *connection, const char *sql);
/* SQLite's code as an error for people; sql tells a refused DELETE (IN_USE) from a refused INSERT (REFERENCE). Damage
 * is kept (health.c). */
int skr_sqlite_error(struct skr_connection *connection, int code, const char *sql, struct skr_error *error);
static inline const char *skr_sqlite_text(sqlite3 *db)
{
    return db ? sqlite3_errmsg(db) : "out of memory";
}

/* ---- resource_sql.c ---- */

struct skr_column {
    const struct skr_field *description;
    int field;
    int sub; /* field of the nested object, -1 when the column is the field itself */
    bool unversioned;
};

/* A link table (sub NULL) or child table. */
struct skr_list_sql {
    int field;
    const struct skr_resource *sub;
    struct skr_column *columns;
    unsigned column_count;
    char *select, *insert, *remove;
};

struct skr_resource_sql {
    const struct skr_resource *resource; /* NULL: it has no table */
    struct skr_column *columns;          /* the first is the id */
    unsigned column_count;
    char *select; /* SELECT <columns> FROM <table> */
    char *get, *get_of_tenant, *insert, *update, *update_status,
            *remove; /* update_status NULL: nothing is unversioned */
    struct skr_list_sql *lists;
    unsigned list_count;
};

/* -ENOTSUP when the table nests deeper than rows can. */
int skr_resource_sql_make(const struct skr_resource *resource, struct skr_resource_sql *ret);
void skr_resource_sql_done(struct skr_resource_sql *sql);
/* How a list finds its rows: one index that knows all of this, in order of id. */
struct skr_list_way {
    enum { SKR_WAY_ALL, SKR_WAY_ONE, SKR_WAY_NONE } tenant; /* of all, of one, of none */
    bool by_label, label_value;                             /* by the first label, and by its value too */
    bool by_place;                                          /* ids alone, of one place after the other: field is it */
    int field;                                              /* by its value or, with `null`, its absence; -1: none */
    bool null;
};
/* Parameters: ?1 after, ?2 limit, ?3 to ?5 kind, name and value of the label, ?6 tenant, ?7 value of the field. Owned
 * by the caller. */
char *skr_resource_sql_list(const struct skr_resource_sql *sql, const struct skr_list_way *way);

/* ---- row.c ---- */

/* Gives every stored value that is absent its default, so that row and after-image say the same. */
void skr_row_fill(struct skr_object *object);
/* Binds the columns from index `first` on, in order. With `status`, the id and the unversioned ones alone. */
void skr_row_bind(struct skr_statement *statement, int first, const struct skr_column *columns, unsigned count,
                  const struct skr_object *object, bool status);
/* Fills the object's values from the columns, the first of which is `first`. */
void skr_row_read(struct skr_statement *statement, int first, const struct skr_column *columns, unsigned count,
                  struct skr_object *object);
void skr_row_bind_value(struct skr_statement *statement, int index, const struct skr_value *value);

/* ---- changes.c ---- */

struct skr_changes {
    struct skr_change *rows;
    size_t count, capacity;
};

/* Writes the log row under the next revision (STATUS: none) and keeps a copy of the object. `before` NULL: created. */
int skr_changes_add(struct skr_txn *txn, enum skr_change_op op, const struct skr_object *before,
                    const struct skr_object *object, struct skr_error *error);
/* Forgets the changes from `size` on. */
void skr_changes_truncate(struct skr_changes *changes, size_t size);

/* ---- labels.c ---- */

/* Keeps the index: what `before` had goes, what `after` has comes; either may be NULL. */
int skr_labels_update(struct skr_txn *txn, const struct skr_object *before, const struct skr_object *after,
                      struct skr_error *error);
/* Has the object the query's labels? */
bool skr_labels_match(const struct skr_list_query *query, const struct skr_object *object);

/* ---- rows.c ---- */

/* NULL with error when the kind has no table. */
const struct skr_resource_sql *skr_rows_sql(struct skr_txn *txn, enum skr_resource_id resource,
                                            struct skr_error *error);
/* Link and child rows of an object whose own row is read. */
int skr_rows_read_lists(struct skr_txn *txn, const struct skr_resource_sql *sql, struct skr_object *object,
                        struct skr_error *error);

/* ---- place.c ---- */

/* Ids of the next `rows` rows that stand in one of query->within, sorted; owned by the caller. `statement` is the list
 * by place. */
int skr_place_find(struct skr_statement *statement, const struct skr_list_query *query, uint32_t rows,
                   struct skr_uuid **ret, uint32_t *ret_count, struct skr_error *error);

/* ---- tally.c ---- */

struct skr_tally {
    struct skr_uuid key[2]; /* the id, and the object's */
    struct skr_object *object;
    int64_t sum;
    UT_hash_handle hh;
};
struct skr_tally *skr_tallies_copy(const struct skr_tally *tallies);
void skr_tallies_clear(struct skr_tally **tallies);

/* ---- transactions ---- */

struct skr_txn {
    struct skr_store *store;
    struct skr_connection *connection;
    int64_t revision;
    int64_t write_first; /* of the running write: its first revision, should it have any */
    int64_t now_ms;
    struct skr_changes *changes; /* NULL: a snapshot */
    struct skr_tally *tallies;   /* of the running write */
    skr_refused_fn *refused;     /* what the running write leaves when it is refused */
    void *refused_arg;
    const void *asker; /* on whose behalf; of the rules */
    bool broken;       /* a part has failed for good: the write must be refused, whatever the rule says */
};

/* ---- savepoint.c ---- */

/* Where a transaction stands, beside its rows. */
struct skr_mark {
    size_t changes;
    int64_t revision;
    int64_t counts[SKR_RESOURCE_COUNT];
    struct skr_tally *tallies;
    bool broken;
    bool whole; /* stands for the transaction itself */
};
void skr_mark_set(struct skr_txn *txn, struct skr_mark *ret);
void skr_mark_return(struct skr_txn *txn, struct skr_mark *mark);
/* Cleanup function; zeroed is fine. */
void skr_mark_done(struct skr_mark *mark);
/* Both: SQLite's code. They nest; what is not kept is as if it had not been. `whole`: nothing else is in the
 * transaction, so no savepoint is needed, for which SQLite would copy every page and, statement after statement, walk
 * along all of these copies: a batch of 1,000 objects took four times as long. */
int skr_savepoint_open(struct skr_txn *txn, bool whole, struct skr_mark *ret);
int skr_savepoint_close(struct skr_txn *txn, struct skr_mark *mark, bool keep);
/* No snapshot, and no write that is lost already: SQLite may have left its transaction, and each statement would be one
 * of its own. */
bool skr_txn_is_writable(const struct skr_txn *txn, struct skr_error *error);

/* ---- readers.c ---- */

struct skr_reader {
    struct skr_txn txn; /* first: a transaction of the pool is its reader */
    struct skr_connection connection;
    struct skr_reader *next;
};

struct skr_readers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct skr_reader *all, *idle;
    unsigned count, active;
    bool gate_closed;
};

int skr_readers_init(struct skr_store *store, unsigned count, struct skr_error *error);
void skr_readers_done(struct skr_store *store);
/* Keeps new readers out and waits, at most that long, until none is inside. Open the gate again in any case. */
bool skr_readers_close_gate(struct skr_readers *readers, int64_t wait_ns);
void skr_readers_open_gate(struct skr_readers *readers);

/* ---- writer.c and checkpoint.c ---- */

struct skr_write {
    skr_write_fn *fn;
    skr_write_done_fn *done;
    void *arg;
    int result;
    int64_t revision;
    struct skr_error *error; /* only of a refused one: it is large */
    struct skr_write *next;
};

struct skr_queue {
    struct skr_write *head, **tail;
    unsigned length;
};

struct skr_wal {
    unsigned pages;      /* frames in the log after the last COMMIT */
    unsigned backfilled; /* of them already in the database file */
    unsigned tried;      /* pages at the last attempt */
};

struct skr_writer {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* under lock */
    struct skr_queue single, bulk;
    unsigned length_max; /* of single; bulk takes SKR_STORE_BULK_MAX */
    unsigned rounds;     /* batches of single writes since a long one waits */
    unsigned wake_at;    /* senders signal when the queue is this long */
    bool closing;
    /* writer's own */
    struct skr_connection connection;
    struct skr_txn txn;
    struct skr_changes changes;
    unsigned answered;   /* writes of the last batch */
    int64_t answered_at; /* monotonic */
    int64_t sync_ns;     /* what a COMMIT takes, smoothed */
    int64_t changed;     /* rows that this connection has changed, at the last COMMIT */
    struct skr_wal wal;
};

int skr_writer_start(struct skr_store *store, struct skr_error *error);
void skr_writer_stop(struct skr_store *store);

enum skr_checkpoint { SKR_CHECKPOINT_NONE, SKR_CHECKPOINT_PASSIVE, SKR_CHECKPOINT_RESTART };
/* Says which checkpoint the log needs now. */
enum skr_checkpoint skr_checkpoint_due(const struct skr_wal *wal, bool idle);
/* Writer's thread, between transactions. */
void skr_checkpoint_run(struct skr_store *store, enum skr_checkpoint kind);
/* Keeps wal->pages; sqlite3_wal_hook. */
int skr_checkpoint_hook(void *wal, sqlite3 *db, const char *name, int pages);

/* ---- check.c ---- */

/* A connection of its own to a file that may be anybody's: nothing in its schema is trusted. */
int skr_check_open(const char *path, int flags, sqlite3 **ret, struct skr_error *error);
static inline void skr_check_close(sqlite3 **db)
{
    sqlite3_close(*db);
}
/* First column of the first row as text, NULL when there is none. Owned by the caller. The parameters may be NULL. */
int skr_check_ask(sqlite3 *db, const char *sql, const char *first, const char *second, char **ret,
                  struct skr_error *error);
/* Every page, every reference, and whether it is a database of a controller at all; `what` begins the sentences. */
int skr_check_all(sqlite3 *db, const char *what, struct skr_error *error);

/* ---- health.c ---- */

/* Any thread. From now on the database is damaged: STORAGE, with what SQLite said and what to do. */
int skr_health_damaged(struct skr_store *store, const char *what, struct skr_error *error);
/* Writer's thread. A write that the database could not take (error), or a COMMIT that has changed something (NULL). */
void skr_health_note(struct skr_store *store, const struct skr_error *error);
bool skr_health_is_damaged(const struct skr_store *store);
/* Ends the thread that looks for damage. */
void skr_health_stop(struct skr_store *store);

struct skr_health {
    pthread_mutex_t lock;
    char why[SKR_STORE_WHY_MAX]; /* under lock */
    _Atomic enum skr_store_state state;
    pthread_t thread;
    bool started;
    atomic_bool closing;
};

/* ---- store.c ---- */

struct skr_text {
    char *sql;
    UT_hash_handle hh;
};

struct skr_listener {
    skr_commit_fn *fn;
    void *arg;
};

struct skr_store {
    char *path;
    char *vfs;
    int lock_fd;
    struct skr_uuid database_id;
    struct skr_digest_key digest_key;
    uint64_t incarnation;
    _Atomic int64_t revision;
    _Atomic int64_t counts[SKR_RESOURCE_COUNT]; /* rows, those of the running batch included */
    struct skr_resource_sql sql[SKR_RESOURCE_COUNT];
    struct skr_listener listeners[SKR_STORE_LISTENERS_MAX];
    unsigned listener_count;
    pthread_mutex_t texts_lock;
    struct skr_text *texts; /* of every statement prepared so far */
    struct skr_readers readers;
    struct skr_writer writer;
    struct skr_health health;
    _Atomic uint64_t writes, refused, commits, batch_max, checkpoints, wal_pages;
};
