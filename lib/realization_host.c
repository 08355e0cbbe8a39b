/* The publisher's side: hosts, and what is judged by their synced revisions. */
#include "lib/realization_table.h"
#include <stdio.h>
#include <stdlib.h>

void skr_realization_host_put(struct skr_realization_table *table, const struct skr_uuid *id, const char *name,
                              int64_t synced_revision)
{
    pthread_mutex_lock(&table->hosts_lock);
    struct realization_host *host = skr_id_map_get(&table->hosts, 0, id);
    if (!host) {
        host = calloc(1, sizeof(*host));
        if (!host)
            abort();
        host->key.id = *id;
        host->synced = synced_revision;
        skr_id_map_put(&table->hosts, host);
    }
    snprintf(host->name, sizeof(host->name), "%s", name ? name : "");
    pthread_mutex_unlock(&table->hosts_lock);
}

/* Every host that holds anything up has what was written up to here. */
static int64_t lowest_synced(struct skr_realization_table *table)
{
    int64_t lowest = INT64_MAX;
    uint32_t cursor = 0;
    const struct realization_host *host;

    pthread_mutex_lock(&table->hosts_lock);
    while ((host = skr_id_map_next(&table->hosts, &cursor)))
        if (!host->excused && host->synced < lowest)
            lowest = host->synced;
    pthread_mutex_unlock(&table->hosts_lock);
    return lowest;
}

/* A wait that `lowest` has reached, or NULL. writes_lock held. */
static struct skr_realization_wait *old_wait_due(struct skr_realization_table *table, int64_t lowest)
{
    struct skr_realization_wait *wait;

    LIST_FOREACH (wait, &table->old, link)
        if (wait->revision <= lowest)
            break;
    return wait;
}

/* Waits for writes that are judged by synced revisions. */
static void old_waits_settle(struct skr_realization_table *table)
{
    struct skr_realization_wait *wait;

    pthread_mutex_lock(&table->writes_lock);
    bool any = !LIST_EMPTY(&table->old);
    pthread_mutex_unlock(&table->writes_lock);
    if (!any)
        return;
    int64_t lowest = lowest_synced(table);
    pthread_mutex_lock(&table->writes_lock);
    while ((wait = old_wait_due(table, lowest))) {
        struct realization_waits one = LIST_HEAD_INITIALIZER(one), due = LIST_HEAD_INITIALIZER(due);
        int64_t revision = wait->revision;
        struct skr_realization now;

        LIST_REMOVE(wait, link);
        LIST_INSERT_HEAD(&one, wait, link);
        skr_realization_collect(&one, &due);
        pthread_mutex_unlock(&table->writes_lock);
        skr_realization_summarize_old(table, revision, &now);
        skr_realization_fire(table, &due, &now);
        pthread_mutex_lock(&table->writes_lock);
    }
    pthread_mutex_unlock(&table->writes_lock);
}

void skr_realization_host_remove(struct skr_realization_table *table, const struct skr_uuid *id)
{
    pthread_mutex_lock(&table->hosts_lock);
    free(skr_id_map_remove(&table->hosts, 0, id));
    pthread_mutex_unlock(&table->hosts_lock);
    old_waits_settle(table);
}

void skr_realization_host_connected(struct skr_realization_table *table, const struct skr_uuid *id, int64_t since_ms)
{
    pthread_mutex_lock(&table->hosts_lock);
    struct realization_host *host = skr_id_map_get(&table->hosts, 0, id);
    if (host)
        host->since_ms = since_ms;
    pthread_mutex_unlock(&table->hosts_lock);
    skr_realization_tell(table, SKR_HOST, id);
    skr_realization_tell_all(table);
}

void skr_realization_host_excuse(struct skr_realization_table *table, const struct skr_uuid *id, bool excused)
{
    pthread_mutex_lock(&table->hosts_lock);
    struct realization_host *host = skr_id_map_get(&table->hosts, 0, id);
    bool changed = host && host->excused != excused;
    if (changed)
        host->excused = excused;
    pthread_mutex_unlock(&table->hosts_lock);
    if (changed)
        old_waits_settle(table);
}

void skr_realization_host_synced(struct skr_realization_table *table, const struct skr_uuid *id, int64_t revision)
{
    pthread_mutex_lock(&table->hosts_lock);
    struct realization_host *host = skr_id_map_get(&table->hosts, 0, id);
    if (host && host->synced < revision)
        host->synced = revision;
    pthread_mutex_unlock(&table->hosts_lock);
    old_waits_settle(table);
}
