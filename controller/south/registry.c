#include "controller/south/private.h"

struct skr_registry_host {
    UT_hash_handle hh;
    struct skr_uuid id;
    uint64_t session;
    uint64_t number; /* the agent's own count of its connections */
    struct skr_registry_counters counters;
};

void skr_registry_init(struct skr_registry *registry)
{
    pthread_mutex_init(&registry->lock, NULL);
    registry->hosts = NULL;
}

void skr_registry_done(struct skr_registry *registry)
{
    struct skr_registry_host *host, *next;
    HASH_ITER (hh, registry->hosts, host, next) {
        HASH_DEL(registry->hosts, host);
        free(host);
    }
    pthread_mutex_destroy(&registry->lock);
}

static struct skr_registry_host *find(struct skr_registry *registry, const struct skr_uuid *host_id)
{
    struct skr_registry_host *host;
    HASH_FIND(hh, registry->hosts, host_id, sizeof(*host_id), host);
    return host;
}

int skr_registry_enter(struct skr_registry *registry, const struct skr_uuid *host_id, uint64_t session, uint64_t number,
                       uint64_t *ret_older)
{
    int result = 0;
    pthread_mutex_lock(&registry->lock);
    struct skr_registry_host *host = find(registry, host_id);
    uint64_t older = host ? host->session : 0;
    if (host && number < host->number) {
        result = -ESTALE;
        goto out;
    }
    if (!host) {
        host = calloc(1, sizeof(*host));
        if (!host)
            abort();
        host->id = *host_id;
        HASH_ADD(hh, registry->hosts, id, sizeof(host->id), host);
    }
    host->session = session;
    host->number = number;
    *ret_older = older;
out:
    pthread_mutex_unlock(&registry->lock);
    return result;
}

bool skr_registry_leave(struct skr_registry *registry, const struct skr_uuid *host_id, uint64_t session)
{
    pthread_mutex_lock(&registry->lock);
    struct skr_registry_host *host = find(registry, host_id);
    bool was_present = host && host->session == session;
    if (was_present) {
        HASH_DEL(registry->hosts, host);
        free(host);
    }
    pthread_mutex_unlock(&registry->lock);
    return was_present;
}

uint64_t skr_registry_find(struct skr_registry *registry, const struct skr_uuid *host_id)
{
    pthread_mutex_lock(&registry->lock);
    struct skr_registry_host *host = find(registry, host_id);
    uint64_t session = host ? host->session : 0;
    pthread_mutex_unlock(&registry->lock);
    return session;
}

void skr_registry_count(struct skr_registry *registry, const struct skr_uuid *host_id, uint64_t session,
                        const struct skr_registry_counters *counters)
{
    pthread_mutex_lock(&registry->lock);
    struct skr_registry_host *host = find(registry, host_id);
    if (host && host->session == session)
        host->counters = *counters;
    pthread_mutex_unlock(&registry->lock);
}

struct skr_registry_row *skr_registry_rows(struct skr_registry *registry, size_t *ret_count)
{
    size_t count = 0;
    pthread_mutex_lock(&registry->lock);
    struct skr_registry_row *rows = calloc(HASH_COUNT(registry->hosts) + 1, sizeof(*rows));
    for (const struct skr_registry_host *host = registry->hosts; rows && host; host = host->hh.next)
        rows[count++] = (struct skr_registry_row){.host_id = host->id, .counters = host->counters};
    pthread_mutex_unlock(&registry->lock);
    *ret_count = count;
    return rows;
}
