#include "controller/store/sqlite/private.h"

void skr_txn_tally(struct skr_txn *txn, const struct skr_uuid *id, int64_t add)
{
    struct skr_tally *tally = NULL;
    HASH_FIND(hh, txn->tallies, id, sizeof *id, tally);
    if (!tally) {
        tally = calloc(1, sizeof *tally);
        if (!tally)
            abort();
        tally->id = *id;
        HASH_ADD(hh, txn->tallies, id, sizeof tally->id, tally);
    }
    tally->sum += add;
}

int skr_txn_each_tally(struct skr_txn *txn, int (*fn)(void *arg, const struct skr_uuid *id, int64_t sum), void *arg)
{
    int r = 0;
    for (struct skr_tally *tally = txn->tallies; tally && !r; tally = tally->hh.next)
        r = fn(arg, &tally->id, tally->sum);
    return r;
}

void skr_tallies_clear(struct skr_txn *txn)
{
    struct skr_tally *tally, *next;
    HASH_ITER (hh, txn->tallies, tally, next) {
        HASH_DEL(txn->tallies, tally);
        free(tally);
    }
}
