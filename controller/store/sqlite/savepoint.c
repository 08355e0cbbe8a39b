/* Going back inside of a transaction. SQLite's savepoints take the rows back; what the store knows of them beside is
 * kept in a mark. A write of a batch and a try within a write differ in nothing but who is told. */
#include "controller/store/sqlite/private.h"
#include <errno.h>

void skr_mark_set(struct skr_txn *txn, struct skr_mark *ret)
{
    *ret = (struct skr_mark){.changes = txn->changes->count,
                             .revision = txn->revision,
                             .tallies = skr_tallies_copy(txn->tallies),
                             .broken = txn->broken};
    for (unsigned i = 0; i < SKR_RESOURCE_COUNT; i++)
        ret->counts[i] = atomic_load(&txn->store->counts[i]);
}

void skr_mark_return(struct skr_txn *txn, struct skr_mark *mark)
{
    skr_changes_truncate(txn->changes, mark->changes);
    skr_tallies_clear(&txn->tallies);
    txn->tallies = SKR_TAKE(mark->tallies);
    txn->revision = mark->revision;
    txn->broken = mark->broken;
    for (unsigned i = 0; i < SKR_RESOURCE_COUNT; i++)
        atomic_store(&txn->store->counts[i], mark->counts[i]);
}

void skr_mark_done(struct skr_mark *mark)
{
    skr_tallies_clear(&mark->tallies);
}

/* All have one name: SQLite means the innermost. */
int skr_savepoint_open(struct skr_txn *txn, bool whole, struct skr_mark *ret)
{
    skr_mark_set(txn, ret);
    ret->whole = whole;
    return whole ? SQLITE_OK : skr_connection_run(txn->connection, "SAVEPOINT w");
}

int skr_savepoint_close(struct skr_txn *txn, struct skr_mark *mark, bool keep)
{
    if (!keep) {
        skr_mark_return(txn, mark);
        int code = skr_connection_run(txn->connection, mark->whole ? "ROLLBACK" : "ROLLBACK TO w");
        if (code || mark->whole)
            return code ? code : skr_connection_run(txn->connection, "BEGIN IMMEDIATE");
    }
    return mark->whole ? SQLITE_OK : skr_connection_run(txn->connection, "RELEASE w");
}

bool skr_txn_is_writable(const struct skr_txn *txn, struct skr_error *error)
{
    if (txn->changes && !txn->broken)
        return true;
    skr_error_set(error, SKR_ERROR_INTERNAL,
                  txn->changes ? "A part of the write has failed." : "A snapshot cannot be written.");
    return false;
}

int skr_txn_try(struct skr_txn *txn, skr_write_fn *fn, void *arg, struct skr_error *ret_why, struct skr_error *error)
{
    SKR_CLEANUP(skr_mark_done) struct skr_mark mark = {0};
    struct skr_error why = {0};
    if (!skr_txn_is_writable(txn, error))
        return -EIO;
    int code = skr_savepoint_open(txn, false, &mark);
    int r = code ? skr_sqlite_error(txn->connection, code, NULL, &why) : fn(txn, arg, &why);
    if (!code)
        code = skr_savepoint_close(txn, &mark, !r);
    if (code && (!r || skr_error_is_refusal(&why)))
        r = skr_sqlite_error(txn->connection, code, NULL, &why);
    if (code || (r && !skr_error_is_refusal(&why))) {
        txn->broken = true; /* whatever the caller makes of it */
        if (error)
            *error = why;
        return r;
    }
    if (r)
        *ret_why = why;
    return r != 0;
}
