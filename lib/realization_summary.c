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

/* Returns the verdict of a member, or -1 when the pair does not concern it. */
static int standing_of(const struct realization_member *member, const struct skr_realization_needs *needs,
                       const struct skr_realization_pair *pair, const struct skr_uuid *object, const char **ret_reason)
{
    if (member->joined > pair->version)
        return -1;
    enum realization_verdict verdict = verdict_of(member, needs, pair, object, ret_reason);
    return verdict != VERDICT_CLEAN && member->excused ? -1 : (int)verdict;
}

/* Every host of the pair gets a row. */
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
        int standing = standing_of(member, needs, pair, object, &reason);
        if (standing >= 0)
            row_add(rows, &member->key.id, (enum realization_verdict)standing, reason);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* Holds the newest version, with nothing to say about it. */
static bool is_plain(const struct realization_member *member, uint64_t newest)
{
    return member->applied == newest && !member->failure_count && !member->local_count && !member->overflow &&
           !member->excused;
}

/* The census of the scope, taken anew when a member has changed since. The shard's lock is held. */
static const struct realization_census *census_of(struct realization_scope *scope)
{
    struct realization_census *census = &scope->census;
    struct realization_member *member;
    uint32_t cursor = 0;

    if (census->valid)
        return census;
    free(census->others);
    *census = (struct realization_census){.valid = true};
    while ((member = skr_id_map_next(&scope->members, &cursor)))
        census->newest = member->applied > census->newest ? member->applied : census->newest;
    for (cursor = 0; (member = skr_id_map_next(&scope->members, &cursor));) {
        if (is_plain(member, census->newest)) {
            census->plain++;
            census->joined = member->joined > census->joined ? member->joined : census->joined;
            continue;
        }
        if ((census->other_count & (census->other_count - 1)) == 0) {
            size_t room = census->other_count ? 2 * (size_t)census->other_count : 1;
            census->others = reallocarray(census->others, room, sizeof(*census->others));
            if (!census->others)
                abort();
        }
        census->others[census->other_count++] = member;
    }
    return census;
}

/* Counts the hosts of the pair that have it and are in no row; the others of them get rows. A scope may have all hosts
 * for members, and a page shows many of its objects: hosts with nothing to say are counted together. */
static uint32_t count_pair(struct skr_realization_table *table, const struct skr_realization_needs *needs,
                           const struct skr_realization_pair *pair, const struct skr_uuid *object,
                           struct skr_id_map *rows)
{
    struct realization_shard *shard = skr_realization_shard(table, &pair->scope);
    const struct realization_member *member;
    const struct row *row;
    uint32_t clean = 0, cursor = 0, next = 0;
    const char *reason = NULL;

    pthread_mutex_lock(&shard->lock);
    struct realization_scope *scope = skr_id_map_get(&shard->scopes, pair->scope.type, &pair->scope.id);
    if (!scope) {
        pthread_mutex_unlock(&shard->lock);
        return 0;
    }
    const struct realization_census *census = census_of(scope);
    bool together = census->newest >= pair->version && census->joined <= pair->version;
    if (together)
        clean = census->plain;
    while ((member = !together                    ? skr_id_map_next(&scope->members, &cursor)
                     : next < census->other_count ? census->others[next++]
                                                  : NULL)) {
        int standing = standing_of(member, needs, pair, object, &reason);
        if (standing == VERDICT_CLEAN)
            clean++;
        else if (standing >= 0)
            row_add(rows, &member->key.id, (enum realization_verdict)standing, reason);
    }
    for (cursor = 0; (row = skr_id_map_next(rows, &cursor));) {
        member = skr_id_map_get(&scope->members, 0, &row->key.id);
        clean -= member && standing_of(member, needs, pair, object, &reason) == VERDICT_CLEAN;
    }
    pthread_mutex_unlock(&shard->lock);
    return clean;
}

static uint32_t member_count(struct skr_realization_table *table, const struct skr_realization_pair *pair)
{
    struct realization_shard *shard = skr_realization_shard(table, &pair->scope);

    pthread_mutex_lock(&shard->lock);
    const struct realization_scope *scope = skr_id_map_get(&shard->scopes, pair->scope.type, &pair->scope.id);
    uint32_t count = scope ? scope->members.count : 0;
    pthread_mutex_unlock(&shard->lock);
    return count;
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

static enum skr_realization_state state_of(const struct skr_realization *counts)
{
    return counts->failed                       ? SKR_REALIZATION_FAILED
           : counts->pending || counts->offline ? SKR_REALIZATION_PENDING
                                                : SKR_REALIZATION_REALIZED;
}

/* clean: hosts that have it and are in no row. */
static void count_rows(struct skr_realization_table *table, struct skr_id_map *rows, uint32_t clean,
                       struct skr_realization *ret)
{
    static const enum skr_realization_host_state order[] = {SKR_HOST_FAILED, SKR_HOST_PENDING, SKR_HOST_OFFLINE};
    uint32_t cursor = 0;
    struct row *row;

    memset(ret, 0, sizeof(*ret));
    ret->applied = clean;
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
    ret->state = state_of(ret);
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
    uint32_t largest = 0, most = 0, clean = 0;

    for (uint32_t i = 0; needs && needs->count > 1 && i < needs->count; i++) {
        uint32_t count = member_count(table, &needs->pairs[i]);
        if (count > most) {
            most = count;
            largest = i;
        }
    }
    for (uint32_t i = 0; needs && i < needs->count; i++)
        if (i != largest)
            rows_add_pair(table, needs, &needs->pairs[i], object, &rows);
    if (needs && needs->count)
        clean = count_pair(table, needs, &needs->pairs[largest], object, &rows);
    count_rows(table, &rows, clean, ret);
    rows_free(&rows);
}

static void name_host(const struct realization_host *host, struct skr_realization *ret)
{
    struct row row = {.key = host->key, .state = host->since_ms ? SKR_HOST_PENDING : SKR_HOST_OFFLINE};

    if (ret->named < SKR_REALIZATION_HOSTS_MAX)
        name_row(&row, host, ret);
}

/* Nothing is kept of this write: a host counts as having it when it holds everything up to it. */
void skr_realization_summarize_old(struct skr_realization_table *table, int64_t revision, struct skr_realization *ret)
{
    uint32_t cursor = 0;
    const struct realization_host *host;

    memset(ret, 0, sizeof(*ret));
    pthread_mutex_lock(&table->hosts_lock);
    while ((host = skr_id_map_next(&table->hosts, &cursor))) {
        bool owes = host->synced < revision && !host->excused;
        ret->applied += host->synced >= revision;
        ret->pending += owes && host->since_ms;
        ret->offline += owes && !host->since_ms;
        if (owes && host->since_ms)
            name_host(host, ret);
    }
    for (cursor = 0;
         ret->offline && ret->named < SKR_REALIZATION_HOSTS_MAX && (host = skr_id_map_next(&table->hosts, &cursor));)
        if (host->synced < revision && !host->excused && !host->since_ms)
            name_host(host, ret);
    pthread_mutex_unlock(&table->hosts_lock);
    ret->state = state_of(ret);
}
