/* When the write-ahead log goes back into the database file. Only the writer does it: two connections that reset a log
 * at once can corrupt it before SQLite 3.51.3. Readers that overlap for ever keep a log from starting over, so at the
 * last threshold they are kept out for a moment. */
#include "controller/store/sqlite/private.h"
#include <skerry/clock.h>

#define IDLE_PAGES    1000  /* worth doing when nobody waits */
#define BUSY_PAGES    16000 /* at the latest, passively */
#define RESTART_PAGES 64000 /* and from here the log must start over */
#define RETRY_PAGES   1000  /* between two attempts that readers cut short */
#define GATE_WAIT_MS  50

enum skr_checkpoint skr_checkpoint_due(const struct skr_wal *wal, bool idle)
{
    if (wal->pages < wal->tried + RETRY_PAGES)
        return SKR_CHECKPOINT_NONE;
    if (wal->pages >= RESTART_PAGES)
        return SKR_CHECKPOINT_RESTART;
    return wal->pages - wal->backfilled > (idle ? IDLE_PAGES : BUSY_PAGES) ? SKR_CHECKPOINT_PASSIVE
                                                                           : SKR_CHECKPOINT_NONE;
}

int skr_checkpoint_hook(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct skr_wal *wal = arg;
    (void)db;
    (void)name;
    if ((unsigned)pages < wal->pages) /* the log started over */
        wal->backfilled = wal->tried = 0;
    wal->pages = (unsigned)pages;
    return SQLITE_OK;
}

void skr_checkpoint_run(struct skr_store *store, enum skr_checkpoint kind)
{
    struct skr_wal *wal = &store->writer.wal;
    sqlite3 *db = store->writer.connection.db;
    int in_log = 0, backfilled = 0, code = SQLITE_BUSY;
    if (kind == SKR_CHECKPOINT_NONE)
        return;
    if (kind == SKR_CHECKPOINT_RESTART) {
        /* The gate stays closed while the log restarts, but nobody waits in SQLite for a reader that stayed inside. */
        bool alone = skr_readers_close_gate(&store->readers, GATE_WAIT_MS * SKR_NS_PER_MS);
        if (alone)
            code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_RESTART, &in_log, &backfilled);
        skr_readers_open_gate(&store->readers);
    }
    if (code == SQLITE_BUSY)
        code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &backfilled);
    wal->tried = wal->pages;
    if (!code && backfilled > 0)
        wal->backfilled = (unsigned)backfilled;
    if (!code)
        atomic_fetch_add(&store->checkpoints, 1);
}
