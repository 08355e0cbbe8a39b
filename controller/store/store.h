/* The database room: the only one that knows which database it is (SQLite; another would stand behind this header).
 *
 * One writer thread owns the only writing connection and all checkpoints. A queued write is a function of model/ that
 * runs in its own savepoint; many share one COMMIT (group commit, synchronous=FULL), and their `done` functions are
 * called, on the writer's thread, only after COMMIT returned OK. A write that fails is rolled back alone. After any
 * error the writer looks whether SQLite rolled back the whole transaction; then the batch's writes run again one by
 * one. Readers are read-only connections from a pool, each borrowed for one snapshot.
 *
 * Rows are struct skr_object; the SQL for them is made once from the resource tables. What generic rows cannot say is a
 * static const struct skr_query of model/, prepared once a connection.
 *
 * Threads: skr_store_write and skr_store_read_begin from any; a struct skr_txn belongs to one thread until it ends. */
#pragma once

#include <skerry/address.h>
#include <skerry/digest.h>
#include <skerry/error.h>
#include <skerry/object.h>
#include <skerry/uuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct skr_store;
struct skr_txn;
struct skr_statement;

struct skr_store_options {
    const char *path;             /* database file; "<path>.lock" keeps out a second process */
    const char *schema_directory; /* NNNN_verb_noun.sql; NULL: the migrations compiled into the program */
    const char *vfs;              /* NULL: SQLite's own; tests give one whose sync takes 10 ms */
    unsigned queue_max;           /* waiting writes, 0 = 10,000; beyond: skr_store_write answers -EAGAIN */
    const char *evidence; /* of an installation: a missing or empty database is refused then; NULL: it is made */
};

/* Opens, takes the lock, runs missing migrations (each in a transaction), refuses a database of a newer version. */
int skr_store_open(const struct skr_store_options *options, struct skr_store **ret, struct skr_error *error);
/* Ends the writer after everything queued has been answered, then closes. NULL is fine. */
void skr_store_close(struct skr_store *store);

/* Facts of this database, made with it. */
struct skr_uuid skr_store_database_id(const struct skr_store *store);
struct skr_digest_key skr_store_digest_key(const struct skr_store *store);
/* Grows with each skr_store_open of this database; the southbound incarnation. */
uint64_t skr_store_incarnation(const struct skr_store *store);
/* Last committed revision of the change log. */
int64_t skr_store_revision(const struct skr_store *store);

/* ---- writing ---- */

/* Runs in the writer's savepoint. May read and write through txn; changes nothing else. Returns 0 or -errno with error
 * filled; may be called again when the batch had to be repeated, so it must not consume `arg`. */
typedef int skr_write_fn(struct skr_txn *txn, void *arg, struct skr_error *error);
/* Called exactly once on the writer's thread, after COMMIT or after the write was refused. result: 0 or -errno;
 * revision: of the write's last change (0 when it changed nothing). Must be short and must not wait. */
typedef void skr_write_done_fn(void *arg, int result, int64_t revision, const struct skr_error *error);

/* Queues a write. -EAGAIN: the queue is full. -ESHUTDOWN: closing. After 0, done will be called. */
int skr_store_write(struct skr_store *store, skr_write_fn *fn, skr_write_done_fn *done, void *arg);
/* Like it for a write that takes long: single writes that wait go first (eight batches of them at most), and each of
 * these runs in a transaction of its own. */
int skr_store_write_bulk(struct skr_store *store, skr_write_fn *fn, skr_write_done_fn *done, void *arg);
/* Queues and waits; for start-up, tests and threads that may wait. Never from an HTTP worker or the writer. */
int skr_store_write_wait(struct skr_store *store, skr_write_fn *fn, void *arg, int64_t *ret_revision,
                         struct skr_error *error);

/* Counters for /metrics. */
struct skr_store_stats {
    uint64_t writes, refused, commits, batch_max, queue_length, checkpoints, wal_pages;
};
void skr_store_stats(struct skr_store *store, struct skr_store_stats *ret);

/* ---- health ---- */

/* A database that has been found damaged takes no more writes: they are refused with STORAGE until it is replaced. One
 * that could not take the last write (a full disk) is degraded until one succeeds. */
enum skr_store_state { SKR_STORE_SOUND, SKR_STORE_DEGRADED, SKR_STORE_DAMAGED };
#define SKR_STORE_WHY_MAX 512
/* Any thread. *ret_why: a sentence with the next step, "" when it is sound. */
enum skr_store_state skr_store_health(struct skr_store *store, char ret_why[static SKR_STORE_WHY_MAX]);
/* Looks for damage once, on a thread of the store's own; what it finds is the store's health. */
int skr_store_check_begin(struct skr_store *store, struct skr_error *error);
/* Reads every page of a database that may be in use. STORAGE, CONFLICT: damaged, unreadable, or none of a controller.
 */
int skr_store_check(const char *path, struct skr_error *error);

/* ---- whole copies ---- */

/* Makes a copy of the database as it is now, in one file of mode 0600 that must not exist, and checks it. With `value`
 * the setting has that value in the copy and its own leaves no trace there. Any thread that may take its time. */
struct skr_store_copy {
    const char *path;
    const char *setting, *value; /* value NULL: the copy is exact */
};
struct skr_store_copy_facts {
    int64_t bytes, revision;
};
int skr_store_copy(struct skr_store *store, const struct skr_store_copy *options, struct skr_store_copy_facts *ret,
                   struct skr_error *error);

/* Puts a checked copy in the place of a database that nobody has open, and keeps that one as `aside`. CONFLICT: it is
 * open, or the file is damaged or no database of ours; nothing is changed then. */
struct skr_store_restore {
    const char *path, *file, *aside;
    const char *mark;    /* a setting that gets the value "1" */
    const char *setting; /* whose value `change` may replace: *ret stays NULL when it need not */
    int (*change)(void *arg, const char *value, char **ret, struct skr_error *error);
    void *arg;
};
int skr_store_restore(const struct skr_store_restore *options, struct skr_error *error);

/* ---- changes ---- */

enum skr_change_op {
    SKR_CHANGE_PUT,
    SKR_CHANGE_DELETE,
    SKR_CHANGE_STATUS /* only unversioned fields: not in the log */
};

struct skr_change {
    int64_t revision;       /* own row of the change log; 0 for STATUS */
    int64_t write_revision; /* last revision of the same write: what Skerry-Revision said; 0 if all were STATUS */
    enum skr_change_op op;
    enum skr_resource_id resource;
    struct skr_object *object; /* after-image; DELETE: the last one. Immutable; ref it to keep it */
};

/* Called on the writer's thread after each COMMIT with the changes of the batch in commit order, before the writes'
 * done functions; must not wait. Set before the first write; at most SKR_STORE_LISTENERS_MAX. */
#define SKR_STORE_LISTENERS_MAX 4
typedef void skr_commit_fn(void *arg, const struct skr_change *changes, size_t count);
void skr_store_listen(struct skr_store *store, skr_commit_fn *fn, void *arg);

/* History for watch: rows with revision > since, oldest first, as (revision, op, resource, id, tenant). Objects are
 * read in their current state. GONE when `since` is older than the history, or newer than the database: it was
 * restored. */
struct skr_log_row {
    int64_t revision;
    enum skr_change_op op;
    enum skr_resource_id resource;
    struct skr_uuid id;
    struct skr_uuid tenant_id; /* nil = fabric */
    bool has_fields;           /* skr_store_log_fields has something to say */
    int64_t write_first;       /* first revision of the same write */
};
int skr_store_log_read(struct skr_txn *txn, int64_t since, size_t max, struct skr_log_row *ret_rows, size_t *ret_count,
                       struct skr_error *error);
/* The values of the fields of filters and of sight before a change that touched one of them, or of a deleted object: a
 * new JSON object of names and values as an object shows them. */
int skr_store_log_fields(struct skr_txn *txn, int64_t revision, json_t **ret, struct skr_error *error);
/* History kept: rows of the last 10 minutes, at most 2,000,000, and always the newest. Looks at `max_rows` rows at
 * most; run now and then as a write. */
int skr_store_log_prune(struct skr_txn *txn, int64_t now_ms, size_t max_rows);

/* ---- reading ---- */

/* A snapshot on a pooled read-only connection. End it before rendering, waiting or sending. */
int skr_store_read_begin(struct skr_store *store, struct skr_txn **ret, struct skr_error *error);
void skr_store_read_end(struct skr_txn *txn);
static inline void skr_store_read_cleanup(struct skr_txn **txn)
{
    if (*txn)
        skr_store_read_end(*txn);
}
/* Revision of the snapshot; inside a write: of the last change so far. */
int64_t skr_txn_revision(struct skr_txn *txn);
struct skr_store *skr_txn_store(struct skr_txn *txn);

/* ---- generic rows ---- */

/* -ENOENT (error untouched) when there is none, or when `tenant` is given and it is not that tenant's. ret NULL: only
 * whether there is one. */
int skr_txn_get(struct skr_txn *txn, enum skr_resource_id resource, const struct skr_uuid *id,
                const struct skr_uuid *tenant, struct skr_object **ret, struct skr_error *error);

struct skr_list_filter {
    int field; /* SKR_FIELD_FILTER fields */
    struct skr_value value;
};
struct skr_list_label {
    const char *name, *value; /* value NULL: any */
};
#define SKR_LIST_FILTERS_MAX 4
#define SKR_LIST_LABELS_MAX  8
/* Rows that a page looks at. One index drives a list: the tenant's with one filter, or the first label, or the places.
 * A row that the index finds and another condition refuses makes the page shorter. */
#define SKR_LIST_EXAMINED_MAX 1000
#define SKR_PAGE_DEFAULT      50
#define SKR_PAGE_MAX          1000
struct skr_list_query {
    enum skr_resource_id resource;
    const struct skr_uuid *tenant; /* NULL: all */
    bool no_tenant;                /* rows of no tenant alone */
    const struct skr_uuid *within; /* NULL: all; else rows whose within_field is one of these, sorted */
    uint32_t within_count;
    int within_field;
    struct skr_list_filter filters[SKR_LIST_FILTERS_MAX];
    unsigned filter_count;
    struct skr_list_label labels[SKR_LIST_LABELS_MAX]; /* all of them; the first should be the rarest */
    unsigned label_count;
    int64_t created_from, created_until; /* ms, both included; 0: any. Only of SKR_RESOURCE_APPENDED */
    struct skr_uuid after;               /* nil = from the beginning; order is by id */
    uint32_t limit;                      /* 1 to SKR_PAGE_MAX */
    /* `after` of the next page. NULL: the last object's id, where labels, several filters or filters among places do
     * not make pages shorter. */
    struct skr_uuid *ret_last;
};
/* Fills ret_objects (room for query->limit) and *ret_count; *ret_more when another page follows. A page
 * may hold fewer objects than the limit, even none, although another follows. */
int skr_txn_list(struct skr_txn *txn, const struct skr_list_query *query, struct skr_object **ret_objects,
                 uint32_t *ret_count, bool *ret_more, struct skr_error *error);
/* All rows in order of id, for start-up; fn returning non-zero ends it with that value, and may use txn. */
int skr_txn_each(struct skr_txn *txn, enum skr_resource_id resource, int (*fn)(void *arg, struct skr_object *object),
                 void *arg, struct skr_error *error);
/* Rows of a table, from memory: those of writes still under way included. 0 for what is derived (effective-route). */
int64_t skr_txn_count(struct skr_txn *txn, enum skr_resource_id resource);

/* Inside a write: row, link and child rows, and the change. insert fills id (when absent), created_at, updated_at, etag
 * in `object`; update fills updated_at and etag when a versioned field differs (else it is a STATUS change, and nothing
 * at all when nothing differs). Unique and foreign key violations come back as EXISTS, REFERENCE and IN_USE with a
 * generic sentence; rules check first and say it better. */
int skr_txn_insert(struct skr_txn *txn, struct skr_object *object, struct skr_error *error);
int skr_txn_update(struct skr_txn *txn, const struct skr_object *before, struct skr_object *after,
                   struct skr_error *error);
int skr_txn_delete(struct skr_txn *txn, struct skr_object *object, struct skr_error *error);
/* Adds a row that nobody watches: no revision, no change, not counted. Only what is SKR_RESOURCE_APPENDED. */
int skr_txn_append(struct skr_txn *txn, struct skr_object *object, struct skr_error *error);
/* Inside a write: does `fn` as a part that may be refused alone. 0: done. 1: refused; nothing of it is left, not its
 * rows, changes, revisions or sums, *ret_why says why, and the write may go on. -errno: the database or a rule failed;
 * the whole write is refused then, whatever it returns. A part may have parts. */
int skr_txn_try(struct skr_txn *txn, skr_write_fn *fn, void *arg, struct skr_error *ret_why, struct skr_error *error);
/* Inside a write: should it be refused, for whatever reason, `fn` runs in the same batch once the write has been rolled
 * back, in a savepoint of its own, to leave a record of it. It gets the write's error and appends, nothing else; when
 * it fails it is rolled back too. The last call counts; `arg` lives as long as the write's own. */
typedef int skr_refused_fn(struct skr_txn *txn, void *arg, int result, const struct skr_error *why);
void skr_txn_when_refused(struct skr_txn *txn, skr_refused_fn *fn, void *arg);
/* On whose behalf the write runs, kept for the rules and forgotten at its end; NULL: nobody's. The store does not look
 * at it. It lives as long as the write's own argument. */
void skr_txn_set_asker(struct skr_txn *txn, const void *asker);
const void *skr_txn_asker(const struct skr_txn *txn);
/* Wall clock of the write (one value a savepoint). */
int64_t skr_txn_now_ms(struct skr_txn *txn);
/* Sums that a write keeps while it runs, forgotten at its end: what its parts together do to `id` by an object, one sum
 * for the two; the object is kept as it was at the first addition. */
void skr_txn_tally(struct skr_txn *txn, const struct skr_uuid *id, struct skr_object *object, int64_t number);
/* In order of their first addition; returning non-zero ends it with that value. */
typedef int skr_tally_fn(void *arg, const struct skr_uuid *id, const struct skr_object *object, int64_t sum);
int skr_txn_each_tally(struct skr_txn *txn, skr_tally_fn *fn, void *arg);

/* Inside a write, before its first change: the next revisions begin after a gap of this size. */
void skr_txn_skip_revisions(struct skr_txn *txn, int64_t count);

/* Named facts (the settings table): certificate authority, counters. *ret_value is owned by the caller; -ENOENT. */
int skr_txn_setting_get(struct skr_txn *txn, const char *name, char **ret_value, struct skr_error *error);
int skr_txn_setting_set(struct skr_txn *txn, const char *name, const char *value, struct skr_error *error);

/* ---- named queries ---- */

struct skr_query {
    const char *sql; /* portable SQL with ?1 .. ?n */
};
/* A statement ready to bind; reset and unbound first. Valid until the transaction ends; one user at a time. */
int skr_txn_query(struct skr_txn *txn, const struct skr_query *query, struct skr_statement **ret,
                  struct skr_error *error);
void skr_bind_null(struct skr_statement *statement, int index); /* from 1 */
void skr_bind_integer(struct skr_statement *statement, int index, int64_t value);
void skr_bind_text(struct skr_statement *statement, int index, const char *text);
void skr_bind_uuid(struct skr_statement *statement, int index, const struct skr_uuid *uuid);
void skr_bind_address(struct skr_statement *statement, int index, const struct skr_address *address);
void skr_bind_prefix(struct skr_statement *statement, int index, const struct skr_prefix *prefix);
void skr_bind_hash(struct skr_statement *statement, int index, const uint8_t hash[static 32]);
void skr_bind_mac(struct skr_statement *statement, int index, const struct skr_mac *mac);
/* 1: a row is there, 0: done, -errno with error. */
int skr_step(struct skr_statement *statement, struct skr_error *error);
void skr_statement_reset(struct skr_statement *statement);
/* Runs a statement that answers no row, and resets it. */
int skr_statement_run(struct skr_statement *statement, struct skr_error *error);
bool skr_column_is_null(struct skr_statement *statement, int column); /* from 0 */
int64_t skr_column_integer(struct skr_statement *statement, int column);
const char *skr_column_text(struct skr_statement *statement, int column); /* until the next step */
struct skr_uuid skr_column_uuid(struct skr_statement *statement, int column);
struct skr_address skr_column_address(struct skr_statement *statement, int column);
struct skr_prefix skr_column_prefix(struct skr_statement *statement, int column);
struct skr_mac skr_column_mac(struct skr_statement *statement, int column);
/* False: it does not hold 32 bytes. */
bool skr_column_hash(struct skr_statement *statement, int column, uint8_t ret[static 32]);
/* Every query prepared so far on any connection, for the test that reads EXPLAIN QUERY PLAN. */
void skr_store_each_query(struct skr_store *store, void (*fn)(void *arg, const char *sql), void *arg);
/* The plan's lines of one SQL text, newline-separated, owned by the caller. */
int skr_store_explain(struct skr_store *store, const char *sql, char **ret_plan, struct skr_error *error);
