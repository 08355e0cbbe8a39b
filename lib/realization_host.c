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

/* Waits for writes that are judged by synced revisions. */
static void old_waits_settle(struct skr_realization_table *table)
{
    struct realization_waits again = LIST_HEAD_INITIALIZER(again);
    struct skr_realization_wait *wait;

    pthread_mutex_lock(&table->writes_lock);
    while ((wait = LIST_FIRST(&table->old))) {
        struct realization_waits due = LIST_HEAD_INITIALIZER(due);
        struct skr_realization now;

        LIST_REMOVE(wait, link);
        LIST_INSERT_HEAD(&again, wait, link);
        int64_t revision = wait->revision;
        pthread_mutex_unlock(&table->writes_lock);
        skr_realization_summarize_old(table, revision, &now);
        pthread_mutex_lock(&table->writes_lock);
        if (LIST_FIRST(&again) != wait || now.state != SKR_REALIZATION_REALIZED)
            continue;
        LIST_REMOVE(wait, link);
        wait->state = WAIT_FIRING;
        wait->firing = pthread_self();
        LIST_INSERT_HEAD(&due, wait, link);
        pthread_mutex_unlock(&table->writes_lock);
        skr_realization_fire(table, &due, &now);
        pthread_mutex_lock(&table->writes_lock);
    }
    while ((wait = LIST_FIRST(&again))) {
        LIST_REMOVE(wait, link);
        LIST_INSERT_HEAD(&table->old, wait, link);
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
