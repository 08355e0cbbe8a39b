/* The readers' side of the table, and waits. */
#include "lib/realization_table.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int skr_realization_table_new(struct skr_realization_table **ret)
{
    struct skr_realization_table *table = calloc(1, sizeof(*table));

    if (!table)
        return -ENOMEM;
    for (int i = 0; i < SKR_REALIZATION_SHARDS; i++)
        pthread_mutex_init(&table->shards[i].lock, NULL);
    pthread_mutex_init(&table->hosts_lock, NULL);
    pthread_mutex_init(&table->writes_lock, NULL);
    pthread_cond_init(&table->fired, NULL);
    TAILQ_INIT(&table->unresolved);
    TAILQ_INIT(&table->resolved);
    LIST_INIT(&table->future);
    LIST_INIT(&table->old);
    *ret = table;
    return 0;
}

static void failures_free(struct realization_failure *failures, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(failures[i].reason);
    free(failures);
}

static void shard_free(struct realization_shard *shard)
{
    uint32_t cursor = 0;

    for (struct realization_scope *scope; (scope = skr_id_map_next(&shard->scopes, &cursor));) {
        uint32_t inner = 0;
        for (struct realization_member *member; (member = skr_id_map_next(&scope->members, &inner));) {
            failures_free(member->failures, member->failure_count);
            failures_free(member->local, member->local_count);
            free(member);
        }
        skr_id_map_done(&scope->members);
        free(scope->census.others);
        free(scope);
    }
    skr_id_map_done(&shard->scopes);
    cursor = 0;
    for (struct realization_object *object; (object = skr_id_map_next(&shard->objects, &cursor));) {
        skr_realization_needs_unref(object->needs);
        free(object);
    }
    skr_id_map_done(&shard->objects);
    pthread_mutex_destroy(&shard->lock);
}

void skr_realization_table_free(struct skr_realization_table *table)
{
    uint32_t cursor = 0;

    if (!table)
        return;
    for (struct realization_write *write; (write = skr_id_map_next(&table->writes, &cursor));) {
        skr_realization_needs_unref(write->needs);
        free(write->pairs);
        free(write->objects);
        free(write);
    }
    skr_id_map_done(&table->writes);
    for (int i = 0; i < SKR_REALIZATION_SHARDS; i++)
        shard_free(&table->shards[i]);
    cursor = 0;
    for (struct realization_host *host; (host = skr_id_map_next(&table->hosts, &cursor));)
        free(host);
    skr_id_map_done(&table->hosts);
    pthread_mutex_destroy(&table->hosts_lock);
    pthread_mutex_destroy(&table->writes_lock);
    pthread_cond_destroy(&table->fired);
    free(table->changes);
    free(table);
}

/* The needs of a write that is kept, reffed, or NULL. writes_lock held. */
static struct skr_realization_needs *needs_of(struct skr_realization_table *table, int64_t revision)
{
    struct skr_map_key key = skr_realization_revision_key(revision);
    const struct realization_write *write = skr_id_map_get(&table->writes, 0, &key.id);
    return write ? skr_realization_needs_ref(write->needs) : NULL;
}

int skr_realization_of_write(struct skr_realization_table *table, int64_t revision, struct skr_realization *ret)
{
    if (revision > __atomic_load_n(&table->committed, __ATOMIC_ACQUIRE))
        return -ENOENT;
    pthread_mutex_lock(&table->writes_lock);
    struct skr_realization_needs *needs = needs_of(table, revision);
    bool reached = revision <= table->reached, given_up = !needs && revision <= table->given_up;
    pthread_mutex_unlock(&table->writes_lock);

    if (given_up)
        skr_realization_summarize_old(table, revision, ret);
    else
        skr_realization_summarize(table, needs, NULL, ret);
    if (!reached)
        ret->state = SKR_REALIZATION_PENDING;
    skr_realization_needs_unref(needs);
    return 0;
}

bool skr_realization_knows(struct skr_realization_table *table, int64_t revision)
{
    pthread_mutex_lock(&table->writes_lock);
    bool reached = revision <= table->reached;
    pthread_mutex_unlock(&table->writes_lock);
    return reached;
}

static struct skr_realization_needs *needs_of_object(const struct realization_object *object)
{
    if (object->needs)
        return skr_realization_needs_ref(object->needs);
    struct skr_realization_needs *needs = skr_realization_needs_new(object->scope_count, 0);
    for (uint32_t i = 0; i < object->scope_count; i++)
        needs->pairs[i] = (struct skr_realization_pair){.scope = object->scopes[i], .version = 1};
    return needs;
}

void skr_realization_of_object(struct skr_realization_table *table, enum skr_resource_id resource,
                               const struct skr_uuid *id, struct skr_realization *ret)
{
    struct skr_map_key key = {.id = *id, .type = resource};
    struct realization_shard *shard = skr_realization_shard(table, &key);

    pthread_mutex_lock(&shard->lock);
    const struct realization_object *object = skr_id_map_get(&shard->objects, resource, id);
    struct skr_realization_needs *needs = object ? needs_of_object(object) : NULL;
    pthread_mutex_unlock(&shard->lock);
    skr_realization_summarize(table, needs, id, ret);
    skr_realization_needs_unref(needs);
}

bool skr_realization_host_online(struct skr_realization_table *table, const struct skr_uuid *host_id,
                                 int64_t *ret_since_ms)
{
    pthread_mutex_lock(&table->hosts_lock);
    const struct realization_host *host = skr_id_map_get(&table->hosts, 0, host_id);
    int64_t since = host ? host->since_ms : 0;
    pthread_mutex_unlock(&table->hosts_lock);
    *ret_since_ms = since;
    return since != 0;
}

/* ---- waits ---- */

void skr_realization_collect(struct realization_waits *from, struct realization_waits *to)
{
    struct skr_realization_wait *wait;

    while ((wait = LIST_FIRST(from))) {
        LIST_REMOVE(wait, link);
        wait->state = WAIT_FIRING;
        wait->firing = pthread_self();
        LIST_INSERT_HEAD(to, wait, link);
    }
}

void skr_realization_fire(struct skr_realization_table *table, struct realization_waits *waits,
                          const struct skr_realization *realization)
{
    struct skr_realization_wait *wait;

    while ((wait = LIST_FIRST(waits))) {
        LIST_REMOVE(wait, link);
        wait->fn(wait->arg, realization);
        pthread_mutex_lock(&table->writes_lock);
        wait->state = WAIT_DONE;
        bool released = wait->released;
        pthread_cond_broadcast(&table->fired);
        pthread_mutex_unlock(&table->writes_lock);
        if (released)
            free(wait);
    }
}

/* Puts the wait where it will be found again. False: there is nothing to wait for. writes_lock held. */
static bool wait_enlist(struct skr_realization_table *table, struct skr_realization_wait *wait)
{
    struct skr_map_key key = skr_realization_revision_key(wait->revision);
    struct realization_write *write = skr_id_map_get(&table->writes, 0, &key.id);

    if (wait->revision > table->reached)
        LIST_INSERT_HEAD(&table->future, wait, link);
    else if (write && !write->resolved)
        LIST_INSERT_HEAD(&write->waits, wait, link);
    else if (!write && wait->revision <= table->given_up)
        LIST_INSERT_HEAD(&table->old, wait, link);
    else
        return false;
    return true;
}

struct skr_realization_wait *skr_realization_wait_new(struct skr_realization_table *table, int64_t revision,
                                                      skr_realization_fn *fn, void *arg)
{
    struct skr_realization_wait *wait = calloc(1, sizeof(*wait));
    struct skr_realization now = {0};
    struct realization_waits mine = LIST_HEAD_INITIALIZER(mine);

    if (!wait)
        abort();
    *wait = (struct skr_realization_wait){.table = table, .revision = revision, .fn = fn, .arg = arg};
    pthread_mutex_lock(&table->writes_lock);
    bool waiting = wait_enlist(table, wait);
    pthread_mutex_unlock(&table->writes_lock);

    /* It may already have failed or be realized; the publisher only looks again when something changes. */
    bool known = skr_realization_of_write(table, revision, &now) == 0;
    if (!waiting) {
        if (now.state == SKR_REALIZATION_PENDING)
            now.state = SKR_REALIZATION_REALIZED; /* it was, once; that is what is waited for */
    } else if (!known || now.state == SKR_REALIZATION_PENDING) {
        return wait;
    }
    pthread_mutex_lock(&table->writes_lock);
    if (wait->state == WAIT_ARMED) {
        if (waiting)
            LIST_REMOVE(wait, link);
        wait->state = WAIT_FIRING;
        wait->firing = pthread_self();
        LIST_INSERT_HEAD(&mine, wait, link);
    }
    pthread_mutex_unlock(&table->writes_lock);
    /* A wait that fn cancels is gone on return; the caller then has no use for the pointer but to compare it. */
    skr_realization_fire(table, &mine, &now);
    return wait;
}

bool skr_realization_wait_cancel(struct skr_realization_wait *wait)
{
    struct skr_realization_table *table = wait->table;

    pthread_mutex_lock(&table->writes_lock);
    if (wait->state == WAIT_FIRING && pthread_equal(wait->firing, pthread_self())) {
        wait->released = true;
        pthread_mutex_unlock(&table->writes_lock);
        return false;
    }
    while (wait->state == WAIT_FIRING)
        pthread_cond_wait(&table->fired, &table->writes_lock);
    bool armed = wait->state == WAIT_ARMED;
    if (armed)
        LIST_REMOVE(wait, link);
    pthread_mutex_unlock(&table->writes_lock);
    free(wait);
    return armed;
}
