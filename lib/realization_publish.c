/* The publisher's side: facts in, waits out. One thread. */
#include "lib/realization_table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- needs ---- */

struct skr_realization_needs *skr_realization_needs_new(uint32_t pairs, uint32_t touches)
{
    size_t head = sizeof(struct skr_realization_needs) + pairs * sizeof(struct skr_realization_pair);
    struct skr_realization_needs *needs = must(calloc(1, head + touches * sizeof(uint64_t)));

    needs->references = 1;
    needs->count = pairs;
    needs->touches = (uint64_t *)(void *)((char *)needs + head);
    return needs;
}

struct skr_realization_needs *skr_realization_needs_ref(struct skr_realization_needs *needs)
{
    __atomic_add_fetch(&needs->references, 1, __ATOMIC_RELAXED);
    return needs;
}

void skr_realization_needs_unref(struct skr_realization_needs *needs)
{
    if (needs && __atomic_sub_fetch(&needs->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(needs);
}

uint64_t skr_realization_touch(Skerry__V1__ObjectType type, const struct skr_uuid *id)
{
    uint64_t high, low;

    memcpy(&high, id->bytes, sizeof(high));
    memcpy(&low, id->bytes + 8, sizeof(low));
    return ((high ^ (uint64_t)type) * 0x9e3779b97f4a7c15ULL) ^ (low * 0xbf58476d1ce4e5b9ULL);
}

/* ---- writes ---- */

/* The pairs have been settled or are given up: the write owes nothing to any scope's list any more. */
static void write_detach(struct realization_write *write)
{
    for (uint32_t i = 0; write->pairs && i < write->pair_count; i++)
        if (write->pairs[i].scope)
            TAILQ_REMOVE(&write->pairs[i].scope->pending, &write->pairs[i], link);
    free(write->pairs);
    write->pairs = NULL;
}

static void write_forget(struct skr_realization_table *table, struct realization_write *write)
{
    skr_id_map_remove(&table->writes, 0, &write->key.id);
    skr_realization_needs_unref(write->needs);
    free(write->objects);
    free(write);
}

static enum skr_realization_state write_state(const struct realization_write *write)
{
    return write->unclean_pairs == 0  ? SKR_REALIZATION_REALIZED
           : write->failed_pairs != 0 ? SKR_REALIZATION_FAILED
                                      : SKR_REALIZATION_PENDING;
}

static void write_tell(struct skr_realization_table *table, struct realization_write *write,
                       enum skr_realization_state state)
{
    if (write->told == state)
        return;
    write->told = state;
    for (size_t i = 0; i < write->object_count; i++)
        skr_realization_tell(table, write->objects[i].resource, &write->objects[i].id);
}

/* Nothing is outstanding any more; its counts still answer for a while. writes_lock held. */
static void write_resolve(struct skr_realization_table *table, struct realization_write *write)
{
    write->resolved = true;
    free(SKR_TAKE(write->objects));
    write->object_count = 0;
    TAILQ_REMOVE(&table->unresolved, write, link);
    table->unresolved_count--;
    TAILQ_INSERT_TAIL(&table->resolved, write, link);
    if (++table->resolved_count > SKR_REALIZATION_RESOLVED_MAX) {
        struct realization_write *oldest = TAILQ_FIRST(&table->resolved);
        TAILQ_REMOVE(&table->resolved, oldest, link);
        table->resolved_count--;
        write_forget(table, oldest);
    }
}

/* Looks at writes whose pairs changed: realized ones settle, failed ones tell who waits. */
static void writes_look_at(struct skr_realization_table *table, struct realization_writes *judged)
{
    struct realization_write *write;

    while ((write = TAILQ_FIRST(judged))) {
        struct realization_waits waits = LIST_HEAD_INITIALIZER(waits);
        enum skr_realization_state state = write_state(write);
        struct skr_realization now;

        TAILQ_REMOVE(judged, write, finished_link);
        write->judged = false;
        write_tell(table, write, state);
        pthread_mutex_lock(&table->writes_lock);
        bool waited_for = !LIST_EMPTY(&write->waits);
        pthread_mutex_unlock(&table->writes_lock);
        if (state == SKR_REALIZATION_PENDING || (state == SKR_REALIZATION_FAILED && !waited_for))
            continue;
        skr_realization_summarize(table, write->needs, NULL, &now);
        if (state == SKR_REALIZATION_REALIZED)
            write_detach(write);
        pthread_mutex_lock(&table->writes_lock);
        skr_realization_collect(&write->waits, &waits);
        if (state == SKR_REALIZATION_REALIZED)
            write_resolve(table, write);
        pthread_mutex_unlock(&table->writes_lock);
        skr_realization_fire(table, &waits, &now);
    }
}

static void writes_settle(struct skr_realization_table *table, struct realization_writes *judged)
{
    writes_look_at(table, judged);
    skr_realization_tell_all(table);
}

static void write_judge(struct realization_write *write, struct realization_writes *judged)
{
    if (write->judged)
        return;
    write->judged = true;
    TAILQ_INSERT_TAIL(judged, write, finished_link);
}

/* A member that stood to the pair in one way now stands in another. */
static void pair_turn(struct realization_pending_pair *pending, enum realization_verdict from,
                      enum realization_verdict to, struct realization_writes *judged)
{
    struct realization_write *write = pending->write;

    if (from != VERDICT_CLEAN && to == VERDICT_CLEAN)
        write->unclean_pairs -= --pending->unclean == 0;
    else if (from == VERDICT_CLEAN && to != VERDICT_CLEAN)
        write->unclean_pairs += pending->unclean++ == 0;
    if (from == VERDICT_FAILED && to != VERDICT_FAILED)
        write->failed_pairs -= --pending->failed == 0;
    else if (from != VERDICT_FAILED && to == VERDICT_FAILED)
        write->failed_pairs += pending->failed++ == 0;
    write_judge(write, judged);
}

/* Beyond the bound the oldest unresolved write is judged by synced revisions from now on. */
static void give_up_oldest(struct skr_realization_table *table)
{
    struct realization_write *oldest = TAILQ_FIRST(&table->unresolved);
    struct skr_realization_wait *wait;

    write_detach(oldest);
    pthread_mutex_lock(&table->writes_lock);
    TAILQ_REMOVE(&table->unresolved, oldest, link);
    table->unresolved_count--;
    if (table->given_up < oldest->revision)
        table->given_up = oldest->revision;
    while ((wait = LIST_FIRST(&oldest->waits))) {
        LIST_REMOVE(wait, link);
        LIST_INSERT_HEAD(&table->old, wait, link);
    }
    write_forget(table, oldest);
    pthread_mutex_unlock(&table->writes_lock);
}

static void pair_start(struct skr_realization_table *table, struct realization_write *write, uint32_t index)
{
    struct realization_pending_pair *pending = &write->pairs[index];
    const struct skr_realization_pair *pair = &write->needs->pairs[index];
    struct realization_shard *shard = skr_realization_shard(table, &pair->scope);
    uint32_t cursor = 0;

    pending->write = write;
    pending->pair = pair;
    pending->scope = skr_id_map_get(&shard->scopes, pair->scope.type, &pair->scope.id);
    if (!pending->scope)
        return;
    for (struct realization_member *member; (member = skr_id_map_next(&pending->scope->members, &cursor));) {
        const char *reason;
        enum realization_verdict verdict = skr_realization_judge(member, write->needs, pair, NULL, &reason);
        pending->unclean += verdict != VERDICT_CLEAN;
        pending->failed += verdict == VERDICT_FAILED;
    }
    write->unclean_pairs += pending->unclean != 0;
    write->failed_pairs += pending->failed != 0;
    TAILQ_INSERT_TAIL(&pending->scope->pending, pending, link);
}

void skr_realization_write(struct skr_realization_table *table, int64_t revision, struct skr_realization_needs *needs,
                           const struct skr_realization_change *objects, size_t count)
{
    struct realization_write *write = must(calloc(1, sizeof(*write)));
    struct realization_writes judged = TAILQ_HEAD_INITIALIZER(judged);

    write->key = skr_realization_revision_key(revision);
    write->revision = revision;
    write->needs = skr_realization_needs_ref(needs);
    write->pairs = must(calloc(needs->count ? needs->count : 1, sizeof(*write->pairs)));
    write->pair_count = needs->count;
    if (table->listener && count) {
        write->objects = must(malloc(count * sizeof(*objects)));
        memcpy(write->objects, objects, count * sizeof(*objects));
        write->object_count = count;
    }
    LIST_INIT(&write->waits);
    for (uint32_t i = 0; i < needs->count; i++)
        pair_start(table, write, i);

    pthread_mutex_lock(&table->writes_lock);
    skr_id_map_put(&table->writes, write);
    TAILQ_INSERT_TAIL(&table->unresolved, write, link);
    table->unresolved_count++;
    pthread_mutex_unlock(&table->writes_lock);
    write_judge(write, &judged);
    writes_look_at(table, &judged); /* told once the revision is reached: who asks before that hears "pending" */
    if (table->unresolved_count > SKR_REALIZATION_WRITES_MAX)
        give_up_oldest(table);
}

void skr_realization_committed(struct skr_realization_table *table, int64_t revision)
{
    if (revision > __atomic_load_n(&table->committed, __ATOMIC_RELAXED))
        __atomic_store_n(&table->committed, revision, __ATOMIC_RELEASE);
}

/* A wait whose revision has been reached, or NULL. writes_lock held. */
static struct skr_realization_wait *wait_due(struct realization_waits *waits, int64_t reached)
{
    struct skr_realization_wait *wait;

    LIST_FOREACH (wait, waits, link)
        if (wait->revision <= reached)
            break;
    return wait;
}

void skr_realization_reached(struct skr_realization_table *table, int64_t revision, bool first)
{
    skr_realization_committed(table, revision);
    pthread_mutex_lock(&table->writes_lock);
    table->reached = revision;
    if (first)
        table->given_up = revision;
    struct skr_realization_wait *wait;
    while ((wait = wait_due(&table->future, revision))) {
        struct realization_waits one = LIST_HEAD_INITIALIZER(one), due = LIST_HEAD_INITIALIZER(due);
        struct skr_map_key key = skr_realization_revision_key(wait->revision);
        struct realization_write *write = skr_id_map_get(&table->writes, 0, &key.id);
        bool old = !write && wait->revision <= table->given_up;
        struct skr_realization now;

        LIST_REMOVE(wait, link);
        LIST_INSERT_HEAD(&one, wait, link);
        pthread_mutex_unlock(&table->writes_lock);
        if (old)
            skr_realization_summarize_old(table, wait->revision, &now);
        else
            skr_realization_summarize(table, write ? write->needs : NULL, NULL, &now);
        pthread_mutex_lock(&table->writes_lock);
        if (LIST_EMPTY(&one)) /* cancelled meanwhile */
            continue;
        if (now.state == SKR_REALIZATION_PENDING) {
            LIST_REMOVE(wait, link);
            LIST_INSERT_HEAD(write ? &write->waits : &table->old, wait, link);
            continue;
        }
        skr_realization_collect(&one, &due);
        pthread_mutex_unlock(&table->writes_lock);
        skr_realization_fire(table, &due, &now);
        pthread_mutex_lock(&table->writes_lock);
    }
    pthread_mutex_unlock(&table->writes_lock);
    skr_realization_tell_all(table);
}

/* ---- objects ---- */

/* Replaces what is known of the object; NULL: nothing. */
static void object_set(struct skr_realization_table *table, const struct skr_map_key *key,
                       struct realization_object *object)
{
    struct realization_shard *shard = skr_realization_shard(table, key);

    pthread_mutex_lock(&shard->lock);
    struct realization_object *before = skr_id_map_remove(&shard->objects, key->type, &key->id);
    if (object)
        skr_id_map_put(&shard->objects, object);
    pthread_mutex_unlock(&shard->lock);
    if (before)
        skr_realization_needs_unref(before->needs);
    free(before);
}

void skr_realization_object(struct skr_realization_table *table, enum skr_resource_id resource,
                            const struct skr_uuid *id, struct skr_realization_needs *needs)
{
    struct skr_map_key key = {.id = *id, .type = resource};
    struct realization_object *object = needs ? must(calloc(1, sizeof(*object))) : NULL;

    if (object) {
        object->key = key;
        object->needs = skr_realization_needs_ref(needs);
    }
    object_set(table, &key, object);
}

void skr_realization_object_loaded(struct skr_realization_table *table, enum skr_resource_id resource,
                                   const struct skr_uuid *id, const struct skr_map_key *scopes, uint32_t count)
{
    struct realization_object *object = must(calloc(1, sizeof(*object) + count * sizeof(*scopes)));

    object->key = (struct skr_map_key){.id = *id, .type = resource};
    object->scope_count = count;
    memcpy(object->scopes, scopes, count * sizeof(*scopes));
    object_set(table, &object->key, object);
}

/* ---- members ---- */

static struct realization_member *member_find(struct skr_realization_table *table, const struct skr_map_key *key,
                                              const struct skr_uuid *host, struct realization_scope **ret_scope)
{
    struct realization_scope *scope = skr_id_map_get(&skr_realization_shard(table, key)->scopes, key->type, &key->id);
    *ret_scope = scope;
    return scope ? skr_id_map_get(&scope->members, 0, host) : NULL;
}

void skr_realization_join(struct skr_realization_table *table, const struct skr_map_key *key,
                          const struct skr_uuid *host, uint64_t version)
{
    struct realization_shard *shard = skr_realization_shard(table, key);
    struct realization_member *member = must(calloc(1, sizeof(*member)));

    member->key.id = *host;
    member->joined = version;
    pthread_mutex_lock(&shard->lock);
    struct realization_scope *scope = skr_id_map_get(&shard->scopes, key->type, &key->id);
    if (!scope) {
        scope = must(calloc(1, sizeof(*scope)));
        scope->key = *key;
        TAILQ_INIT(&scope->pending);
        skr_id_map_put(&shard->scopes, scope);
    }
    skr_id_map_put(&scope->members, member);
    scope->census.valid = false;
    pthread_mutex_unlock(&shard->lock);
}

static void failures_free(struct realization_failure *failures, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(failures[i].reason);
    free(failures);
}

/* Notes the verdicts of the pairs that a change of a member may alter: newest first, down to `floor`, up to which it
 * has settled without any failure. */
static void pairs_before(struct realization_scope *scope, const struct realization_member *member, uint64_t floor)
{
    struct realization_pending_pair *pending;

    TAILQ_FOREACH_REVERSE (pending, &scope->pending, realization_pending, link) {
        const char *reason;
        if (pending->pair->version <= floor)
            break;
        pending->was = skr_realization_judge(member, pending->write->needs, pending->pair, NULL, &reason);
    }
}

static void pairs_after(struct realization_scope *scope, const struct realization_member *member, uint64_t floor,
                        struct realization_writes *judged)
{
    struct realization_pending_pair *pending;

    TAILQ_FOREACH_REVERSE (pending, &scope->pending, realization_pending, link) {
        const char *reason;
        if (pending->pair->version <= floor)
            break;
        enum realization_verdict verdict =
                skr_realization_judge(member, pending->write->needs, pending->pair, NULL, &reason);
        if (verdict != pending->was)
            pair_turn(pending, pending->was, verdict, judged);
        else if (verdict == VERDICT_FAILED)
            write_judge(pending->write, judged);
    }
}

void skr_realization_leave(struct skr_realization_table *table, const struct skr_map_key *key,
                           const struct skr_uuid *host)
{
    struct realization_shard *shard = skr_realization_shard(table, key);
    struct realization_writes judged = TAILQ_HEAD_INITIALIZER(judged);
    struct realization_scope *scope;
    struct realization_member *member = member_find(table, key, host, &scope);
    struct realization_pending_pair *pending;

    if (!member)
        return;
    TAILQ_FOREACH (pending, &scope->pending, link) {
        const char *reason;
        enum realization_verdict verdict =
                skr_realization_judge(member, pending->write->needs, pending->pair, NULL, &reason);
        if (verdict != VERDICT_CLEAN)
            pair_turn(pending, verdict, VERDICT_CLEAN, &judged);
    }
    pthread_mutex_lock(&shard->lock);
    skr_id_map_remove(&scope->members, 0, host);
    scope->census.valid = false;
    if (scope->members.count == 0) {
        skr_id_map_remove(&shard->scopes, key->type, &key->id);
        skr_id_map_done(&scope->members);
        /* All that is still listed here is clean: no host needs it. */
        while ((pending = TAILQ_FIRST(&scope->pending))) {
            TAILQ_REMOVE(&scope->pending, pending, link);
            pending->scope = NULL;
        }
        free(scope->census.others);
        free(scope);
    }
    pthread_mutex_unlock(&shard->lock);
    failures_free(member->failures, member->failure_count);
    failures_free(member->local, member->local_count);
    free(member);
    writes_settle(table, &judged);
}

static struct realization_failure *failures_copy(const struct skr_realization_failure *from, size_t count)
{
    struct realization_failure *to = count ? must(calloc(count, sizeof(*to))) : NULL;

    for (size_t i = 0; i < count; i++) {
        to[i].touch = skr_realization_touch(from[i].type, &from[i].id);
        to[i].id = from[i].id;
        to[i].type = from[i].type;
        to[i].reason = must(strndup(from[i].reason, SKR_REALIZATION_REASON_MAX - 1));
    }
    return to;
}

/* The listener hears of failures that the other list does not have in the same words. */
static void tell_missing(struct skr_realization_table *table, const struct realization_failure *list, uint32_t count,
                         const struct realization_failure *other, uint32_t other_count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = i; /* lists mostly stay as they were */
        if (k >= other_count || other[k].touch != list[i].touch)
            for (k = 0; k < other_count && other[k].touch != list[i].touch;)
                k++;
        if (k == other_count || strcmp(other[k].reason, list[i].reason) != 0)
            skr_realization_tell_object(table, list[i].type, &list[i].id);
    }
}

void skr_realization_applied(struct skr_realization_table *table, const struct skr_map_key *key,
                             const struct skr_uuid *host, uint64_t version,
                             const struct skr_realization_failure *failures, size_t count)
{
    struct realization_shard *shard = skr_realization_shard(table, key);
    struct realization_writes judged = TAILQ_HEAD_INITIALIZER(judged);
    struct realization_scope *scope;
    struct realization_member *member = member_find(table, key, host, &scope);

    if (!member || (member->applied == version && !failures))
        return;
    size_t kept = count > SKR_REALIZATION_FAILURES_MAX ? SKR_REALIZATION_FAILURES_MAX : count;
    struct realization_failure *fresh = failures ? failures_copy(failures, kept) : NULL, *stale = NULL;
    uint32_t stale_count = 0;
    /* An object of which the policy itself knows that it fails, fails with every version. */
    bool any = count || member->failure_count || member->overflow;
    uint64_t floor = any ? 0 : version < member->applied ? version : member->applied;

    pairs_before(scope, member, floor);
    pthread_mutex_lock(&shard->lock);
    member->applied = version;
    scope->census.valid = false;
    if (failures) {
        stale = member->failures;
        stale_count = member->failure_count;
        member->failures = fresh;
        member->failure_count = (uint32_t)kept;
        member->overflow = count > kept;
    }
    pthread_mutex_unlock(&shard->lock);
    pairs_after(scope, member, floor, &judged);
    if (failures && table->listener) {
        tell_missing(table, member->failures, member->failure_count, stale, stale_count);
        tell_missing(table, stale, stale_count, member->failures, member->failure_count);
    }
    failures_free(stale, stale_count);
    writes_settle(table, &judged);
}

/* The list of local failures without and, with a reason, again with this one. */
static void local_replace(struct realization_member *member, const struct realization_failure *failure)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < member->local_count; i++) {
        if (member->local[i].touch == failure->touch)
            free(member->local[i].reason);
        else
            member->local[kept++] = member->local[i];
    }
    member->local_count = kept;
    if (!failure->reason)
        return;
    member->local = must(realloc(member->local, (kept + 1) * sizeof(*member->local)));
    member->local[kept] = *failure;
    member->local_count = kept + 1;
}

void skr_realization_local_failure(struct skr_realization_table *table, const struct skr_map_key *key,
                                   const struct skr_uuid *host, Skerry__V1__ObjectType type, const struct skr_uuid *id,
                                   const char *reason)
{
    struct realization_shard *shard = skr_realization_shard(table, key);
    struct realization_writes judged = TAILQ_HEAD_INITIALIZER(judged);
    struct realization_scope *scope;
    struct realization_member *member = member_find(table, key, host, &scope);

    if (!member)
        return;
    struct realization_failure failure = {.touch = skr_realization_touch(type, id), .id = *id, .type = type};
    if (reason)
        failure.reason = must(strndup(reason, SKR_REALIZATION_REASON_MAX - 1));
    pairs_before(scope, member, 0);
    pthread_mutex_lock(&shard->lock);
    local_replace(member, &failure);
    scope->census.valid = false;
    pthread_mutex_unlock(&shard->lock);
    pairs_after(scope, member, 0, &judged);
    skr_realization_tell_object(table, type, id);
    writes_settle(table, &judged);
}

void skr_realization_excuse(struct skr_realization_table *table, const struct skr_map_key *key,
                            const struct skr_uuid *host, bool excused)
{
    struct realization_shard *shard = skr_realization_shard(table, key);
    struct realization_writes judged = TAILQ_HEAD_INITIALIZER(judged);
    struct realization_scope *scope;
    struct realization_member *member = member_find(table, key, host, &scope);

    if (!member || member->excused == excused)
        return;
    pairs_before(scope, member, 0);
    pthread_mutex_lock(&shard->lock);
    member->excused = excused;
    scope->census.valid = false;
    pthread_mutex_unlock(&shard->lock);
    pairs_after(scope, member, 0, &judged);
    writes_settle(table, &judged);
}
