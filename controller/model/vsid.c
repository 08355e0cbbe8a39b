/* Virtual subnet IDs: lowest free first. Numbers from the counter upwards were never given out, except wished ones;
 * those below it are in use or in vsid_retired, where revision 0 means that every host has let go of it. */
#include "controller/model/rules.h"
#include <skerry/abi/fastpath.h>

#define NEXT "vsid_next"

static const struct skr_query lowest_returned = {
        "SELECT vsid FROM vsid_retired WHERE retired_at_revision = 0 ORDER BY vsid LIMIT 1"};
static const struct skr_query in_use = {"SELECT name FROM vm_subnet WHERE vsid = ?1"};
static const struct skr_query state_of = {"SELECT retired_at_revision FROM vsid_retired WHERE vsid = ?1"};
static const struct skr_query take_back = {"DELETE FROM vsid_retired WHERE vsid = ?1"};
static const struct skr_query retire = {"INSERT INTO vsid_retired (vsid, retired_at_revision) VALUES (?1, ?2)"};
static const struct skr_query reclaim = {
        "UPDATE vsid_retired SET retired_at_revision = 0 WHERE retired_at_revision > 0 AND retired_at_revision <= ?1"};

/* 1: a row, its first column in *ret; 0: none. */
static int look(struct skr_txn *txn, const struct skr_query *query, int64_t vsid, int64_t *ret, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, query, &statement, error);
    if (r < 0)
        return r;
    if (vsid)
        skr_bind_integer(statement, 1, vsid);
    r = skr_step(statement, error);
    if (r > 0 && ret)
        *ret = skr_column_integer(statement, 0);
    skr_statement_reset(statement);
    return r;
}

static int wish(struct skr_txn *txn, int64_t vsid, struct skr_error *error)
{
    int64_t revision = 0;
    int r = look(txn, &in_use, vsid, NULL, error);
    if (r > 0)
        return skr_refuse(error, SKR_ERROR_EXISTS, "/vsid",
                          "VSID %lld belongs to another VM subnet; choose another or leave it out.", (long long)vsid);
    if (r == 0)
        r = look(txn, &state_of, vsid, &revision, error);
    if (r <= 0)
        return r;
    if (revision)
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/vsid",
                          "VSID %lld was freed and rests until every host has let go of it; choose another.",
                          (long long)vsid);
    return look(txn, &take_back, vsid, NULL, error);
}

/* The first number from the counter on that is neither in use nor resting. */
static int next_unused(struct skr_txn *txn, int64_t *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *text = NULL;
    int r = skr_txn_setting_get(txn, NEXT, &text, error);
    if (r < 0 && r != -ENOENT)
        return r;
    int64_t vsid = text ? strtoll(text, NULL, 10) : SKR_VSID_MIN;
    for (; vsid <= SKR_VSID_MAX; vsid++) {
        r = look(txn, &in_use, vsid, NULL, error);
        if (r == 0)
            r = look(txn, &state_of, vsid, NULL, error);
        if (r < 0)
            return r;
        if (r == 0)
            break;
    }
    *ret = vsid;
    return 0;
}

int skr_vsid_assign(struct skr_txn *txn, int64_t wished, int64_t *ret, struct skr_error *error)
{
    if (wished) {
        int r = wish(txn, wished, error);
        if (r == 0)
            *ret = wished;
        return r;
    }
    int64_t returned, unused;
    int found = look(txn, &lowest_returned, 0, &returned, error);
    if (found < 0)
        return found;
    int r = next_unused(txn, &unused, error);
    if (r < 0)
        return r;
    if (found && returned < unused) {
        r = look(txn, &take_back, returned, NULL, error);
        if (r == 0)
            *ret = returned;
        return r;
    }
    if (unused > SKR_VSID_MAX)
        return skr_error_set(error, SKR_ERROR_EXHAUSTED, "All virtual subnet IDs are taken; delete VM subnets.");
    char next[24];
    snprintf(next, sizeof(next), "%lld", (long long)unused + 1);
    r = skr_txn_setting_set(txn, NEXT, next, error);
    if (r == 0)
        *ret = unused;
    return r;
}

int skr_vsid_retire(struct skr_txn *txn, int64_t vsid, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &retire, &statement, error);
    if (r < 0)
        return r;
    skr_bind_integer(statement, 1, vsid);
    skr_bind_integer(statement, 2, skr_txn_revision(txn) + 1); /* the delete that follows has the next revision */
    return skr_statement_run(statement, error);
}

int skr_vsid_reclaim(struct skr_txn *txn, int64_t synced_revision, struct skr_error *error)
{
    return look(txn, &reclaim, synced_revision, NULL, error);
}
