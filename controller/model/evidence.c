/* When the ports that hold addresses last showed them. Kept beside the database, because an address that is shown again
 * changes no row; a controller that starts anew orders what it hears by when the records were written. */
#include "controller/model/report.h"

#define uthash_fatal(msg) abort()
#include <uthash.h>

#define RECORDS_MAX 65536 /* beyond, the record whose evidence came first is forgotten */

struct shown {
    struct skr_uuid id; /* of the record */
    int64_t ms;
    UT_hash_handle hh;
};

struct skr_evidence {
    struct shown *records; /* in the order of their evidence */
};

struct skr_evidence *skr_evidence_new(void)
{
    struct skr_evidence *evidence = calloc(1, sizeof(*evidence));
    if (!evidence)
        abort();
    return evidence;
}

static void forget(struct skr_evidence *evidence, struct shown *shown)
{
    HASH_DEL(evidence->records, shown); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    free(shown);
}

void skr_evidence_free(struct skr_evidence *evidence)
{
    while (evidence && evidence->records)
        forget(evidence, evidence->records);
    free(evidence);
}

static struct shown *find(const struct skr_evidence *evidence, const struct skr_uuid *record_id)
{
    struct shown *shown = NULL;
    if (evidence)
        HASH_FIND(hh, evidence->records, record_id, sizeof(*record_id), shown);
    return shown;
}

int64_t skr_evidence_get(const struct skr_evidence *evidence, const struct skr_uuid *record_id)
{
    const struct shown *shown = find(evidence, record_id);
    return shown ? shown->ms : 0;
}

void skr_evidence_set(struct skr_evidence *evidence, const struct skr_uuid *record_id, int64_t ms)
{
    struct shown *shown = find(evidence, record_id);
    if (shown)
        forget(evidence, shown);
    else if (HASH_COUNT(evidence->records) >= RECORDS_MAX)
        forget(evidence, evidence->records);
    shown = calloc(1, sizeof(*shown));
    if (!shown)
        abort();
    shown->id = *record_id;
    shown->ms = ms;
    HASH_ADD(hh, evidence->records, id, sizeof(shown->id), shown);
}
