#include "controller/store/sqlite/private.h"

static void add(struct skr_tally **tallies, const struct skr_uuid *id, int64_t number)
{
    struct skr_tally *tally = NULL;
    HASH_FIND(hh, *tallies, id, sizeof *id, tally);
    if (!tally) {
        tally = calloc(1, sizeof *tally);
        if (!tally)
            abort();
        tally->id = *id;
        HASH_ADD(hh, *tallies, id, sizeof tally->id, tally);
    }
    tally->sum += number;
}

void skr_txn_tally(struct skr_txn *txn, const struct skr_uuid *id, int64_t number)
{
    add(&txn->tallies, id, number);
}

int skr_txn_each_tally(struct skr_txn *txn, int (*fn)(void *arg, const struct skr_uuid *id, int64_t sum), void *arg)
{
    int r = 0;
    for (struct skr_tally *tally = txn->tallies; tally && !r; tally = tally->hh.next)
        r = fn(arg, &tally->id, tally->sum);
    return r;
}

struct skr_tally *skr_tallies_copy(const struct skr_tally *tallies)
{
    struct skr_tally *copy = NULL;
    for (const struct skr_tally *tally = tallies; tally; tally = tally->hh.next)
        add(&copy, &tally->id, tally->sum);
    return copy;
}

void skr_tallies_clear(struct skr_tally **tallies)
{
    struct skr_tally *tally, *next;
    HASH_ITER (hh, *tallies, tally, next) {
        HASH_DEL(*tallies, tally);
        free(tally);
    }
}
