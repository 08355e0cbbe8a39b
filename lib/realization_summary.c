/* Summaries: who owes a change, who failed it. Computed when asked for, shard by shard. */
#include "lib/realization_table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct realization_shard *skr_realization_shard(struct skr_realization_table *table, const struct skr_map_key *key)
{
    uint32_t sum = key->type;
    for (int i = 0; i < 16; i++)
        sum = sum * 31 + key->id.bytes[i];
    return &table->shards[(sum ^ (sum >> 16)) % SKR_REALIZATION_SHARDS];
}

struct skr_map_key skr_realization_revision_key(int64_t revision)
{
    struct skr_map_key key = {0};
    memcpy(key.id.bytes, &revision, sizeof(revision));
    return key;
}

static bool concerns(const struct realization_failure *failure, const struct skr_realization_needs *needs,
                     const struct skr_realization_pair *pair, const struct skr_uuid *object)
{
    if (pair->touch_count == UINT32_MAX || (object && memcmp(object, &failure->id, sizeof(*object)) == 0))
        return true;
    for (uint32_t i = 0; i < pair->touch_count; i++)
        if (needs->touches[pair->touch_first + i] == failure->touch)
            return true;
    return false;
}

static enum realization_verdict verdict_of(const struct realization_member *member,
                                           const struct skr_realization_needs *needs,
                                           const struct skr_realization_pair *pair, const struct skr_uuid *object,
                                           const char **ret_reason)
{
    if (member->joined > pair->version)
        return VERDICT_CLEAN;
    for (uint32_t i = 0; i < member->local_count; i++)
        if (concerns(&member->local[i], needs, pair, object)) {
            *ret_reason = member->local[i].reason;
            return VERDICT_FAILED;
        }
    if (member->applied < pair->version)
        return VERDICT_PENDING;

    enum realization_verdict verdict = VERDICT_CLEAN;
    for (uint32_t i = 0; i < member->failure_count && verdict != VERDICT_FAILED; i++)
        if (concerns(&member->failures[i], needs, pair, object)) {
            *ret_reason = member->failures[i].reason;
            verdict = strncmp(*ret_reason, "waiting", 7) == 0 ? VERDICT_PENDING : VERDICT_FAILED;
        }
    if (verdict == VERDICT_CLEAN && member->overflow) {
        *ret_reason = "more failures than are kept";
        verdict = VERDICT_FAILED;
    }
    return verdict;
}

enum realization_verdict skr_realization_judge(const struct realization_member *member,
                                               const struct skr_realization_needs *needs,
                                               const struct skr_realization_pair *pair, const struct skr_uuid *object,
                                               const char **ret_reason)
{
    return member->excused ? VERDICT_CLEAN : verdict_of(member, needs, pair, object, ret_reason);
}

/* A host in a summary that is being made. */
struct row {
    struct skr_map_key key;
    enum realization_verdict verdict;
    char reason[SKR_REALIZATION_REASON_MAX];
    enum skr_realization_host_state state;
};

static void row_add(struct skr_id_map *rows, const struct skr_uuid *host, enum realization_verdict verdict,
                    const char *reason)
{
    struct row *row = skr_id_map_get(rows, 0, host);

    if (!row) {
        row = calloc(1, sizeof(*row));
        if (!row)
            abort();
        row->key.id = *host;
        skr_id_map_put(rows, row);
    } else if (row->verdict >= verdict) {
        return;
    }
    row->verdict = verdict;
    snprintf(row->reason, sizeof(row->reason), "%s", reason ? reason : "");
}

static void rows_add_pair(struct skr_realization_table *table, const struct skr_realization_needs *needs,
                          const struct skr_realization_pair *pair, const struct skr_uuid *object,
                          struct skr_id_map *rows)
{
    struct realization_shard *shard = skr_realization_shard(table, &pair->scope);

    pthread_mutex_lock(&shard->lock);
    const struct realization_scope *scope = skr_id_map_get(&shard->scopes, pair->scope.type, &pair->scope.id);
    uint32_t cursor = 0;
    const struct realization_member *member;
    while (scope && (member = skr_id_map_next(&scope->members, &cursor))) {
        const char *reason = NULL;
        if (member->joined > pair->version)
            continue;
        enum realization_verdict verdict = verdict_of(member, needs, pair, object, &reason);
        if (verdict != VERDICT_CLEAN && member->excused)
            continue;
        row_add(rows, &member->key.id, verdict, reason);
    }
    pthread_mutex_unlock(&shard->lock);
}

static void name_row(const struct row *row, const struct realization_host *host, struct skr_realization *ret)
{
    struct skr_realization_host *named = &ret->hosts[ret->named++];

    named->id = row->key.id;
    snprintf(named->name, sizeof(named->name), "%s", host ? host->name : "");
    named->state = row->state;
    const char *fallback = row->state == SKR_HOST_OFFLINE   ? "not connected"
                           : row->state == SKR_HOST_PENDING ? "not acknowledged yet"
                                                            : "failed";
    snprintf(named->reason, sizeof(named->reason), "%s", row->reason[0] ? row->reason : fallback);
}

static void count_rows(struct skr_realization_table *table, struct skr_id_map *rows, struct skr_realization *ret)
{
    static const enum skr_realization_host_state order[] = {SKR_HOST_FAILED, SKR_HOST_PENDING, SKR_HOST_OFFLINE};
    uint32_t cursor = 0;
    struct row *row;

    memset(ret, 0, sizeof(*ret));
    pthread_mutex_lock(&table->hosts_lock);
    while ((row = skr_id_map_next(rows, &cursor))) {
        const struct realization_host *host = skr_id_map_get(&table->hosts, 0, &row->key.id);
        row->state = row->verdict == VERDICT_FAILED  ? SKR_HOST_FAILED
                     : row->verdict == VERDICT_CLEAN ? SKR_HOST_APPLIED
                     : host && host->since_ms        ? SKR_HOST_PENDING
                                                     : SKR_HOST_OFFLINE;
        ret->applied += row->state == SKR_HOST_APPLIED;
        ret->pending += row->state == SKR_HOST_PENDING;
        ret->offline += row->state == SKR_HOST_OFFLINE;
        ret->failed += row->state == SKR_HOST_FAILED;
    }
    for (size_t i = 0; i < SKR_ARRAY_SIZE(order); i++)
        for (cursor = 0; ret->named < SKR_REALIZATION_HOSTS_MAX && (row = skr_id_map_next(rows, &cursor));)
            if (row->state == order[i])
                name_row(row, skr_id_map_get(&table->hosts, 0, &row->key.id), ret);
    pthread_mutex_unlock(&table->hosts_lock);
    ret->state = ret->failed                    ? SKR_REALIZATION_FAILED
                 : ret->pending || ret->offline ? SKR_REALIZATION_PENDING
                                                : SKR_REALIZATION_REALIZED;
}

static void rows_free(struct skr_id_map *rows)
{
    uint32_t cursor = 0;
    for (struct row *row; (row = skr_id_map_next(rows, &cursor));)
        free(row);
    skr_id_map_done(rows);
}

void skr_realization_summarize(struct skr_realization_table *table, const struct skr_realization_needs *needs,
                               const struct skr_uuid *object, struct skr_realization *ret)
{
    struct skr_id_map rows = {0};

    for (uint32_t i = 0; needs && i < needs->count; i++)
        rows_add_pair(table, needs, &needs->pairs[i], object, &rows);
    count_rows(table, &rows, ret);
    rows_free(&rows);
}

/* Nothing is kept of this write: a host counts as having it when it holds everything up to it. */
void skr_realization_summarize_old(struct skr_realization_table *table, int64_t revision, struct skr_realization *ret)
{
    struct skr_id_map rows = {0};
    uint32_t cursor = 0;
    const struct realization_host *host;

    pthread_mutex_lock(&table->hosts_lock);
    while ((host = skr_id_map_next(&table->hosts, &cursor)))
        if (!host->excused || host->synced >= revision)
            row_add(&rows, &host->key.id, host->synced >= revision ? VERDICT_CLEAN : VERDICT_PENDING, NULL);
    pthread_mutex_unlock(&table->hosts_lock);
    count_rows(table, &rows, ret);
    rows_free(&rows);
}
