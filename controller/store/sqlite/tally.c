#include "controller/store/sqlite/private.h"

static void add(struct skr_tally **tallies, const struct skr_uuid *id, struct skr_object *object, int64_t number)
{
    const struct skr_uuid key[2] = {*id, skr_object_uuid(object, SKR_FIELD_ID)};
    struct skr_tally *tally = NULL;
    HASH_FIND(hh, *tallies, key, sizeof key, tally);
    if (!tally) {
        tally = calloc(1, sizeof *tally);
        if (!tally)
            abort();
        memcpy(tally->key, key, sizeof key);
        tally->object = skr_object_ref(object);
        HASH_ADD(hh, *tallies, key, sizeof tally->key, tally);
    }
    tally->sum += number;
}

void skr_txn_tally(struct skr_txn *txn, const struct skr_uuid *id, struct skr_object *object, int64_t number)
{
    add(&txn->tallies, id, object, number);
}

int skr_txn_each_tally(struct skr_txn *txn, skr_tally_fn *fn, void *arg)
{
    int r = 0;
    for (struct skr_tally *tally = txn->tallies; tally && !r; tally = tally->hh.next)
        r = fn(arg, &tally->key[0], tally->object, tally->sum);
    return r;
}

struct skr_tally *skr_tallies_copy(const struct skr_tally *tallies)
{
    struct skr_tally *copy = NULL;
    for (const struct skr_tally *tally = tallies; tally; tally = tally->hh.next)
        add(&copy, &tally->key[0], tally->object, tally->sum);
    return copy;
}

void skr_tallies_clear(struct skr_tally **tallies)
{
    struct skr_tally *tally, *next;
    HASH_ITER (hh, *tallies, tally, next) {
        HASH_DEL(*tallies, tally);
        skr_object_unref(tally->object);
        free(tally);
    }
}
