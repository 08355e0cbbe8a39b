#include "controller/south/private.h"
#include <errno.h>
#include <skerry/clock.h>
#include <stdio.h>
#include <string.h>

struct skr_registry_host {
    UT_hash_handle hh;
    struct skr_uuid id;
    uint64_t session;
    uint64_t number; /* the agent's own count of its connections */
    char address[SKR_ADDRESS_TEXT_MAX];
    int64_t shared_ns; /* when two machines were last seen to use its identity; 0: never */
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

/* An agent writes its number down before it uses it, so it uses none twice. */
static void compare(struct skr_registry_host *host, uint64_t number, const char *address,
                    struct skr_registry_entered *ret)
{
    *ret = (struct skr_registry_entered){.older = host->session};
    if (number > host->number || strcmp(address, host->address) == 0)
        return;
    host->shared_ns = skr_clock_monotonic_ns();
    ret->shared = true;
    memcpy(ret->address, host->address, sizeof(ret->address));
}

int skr_registry_enter(struct skr_registry *registry, const struct skr_uuid *host_id, uint64_t session, uint64_t number,
                       const char *address, struct skr_registry_entered *ret)
{
    int result = 0;
    *ret = (struct skr_registry_entered){0};
    pthread_mutex_lock(&registry->lock);
    struct skr_registry_host *host = find(registry, host_id);
    if (host)
        compare(host, number, address, ret);
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
    snprintf(host->address, sizeof(host->address), "%s", address);
out:
    pthread_mutex_unlock(&registry->lock);
    return result;
}

int64_t skr_registry_shared_ns(struct skr_registry *registry, const struct skr_uuid *host_id)
{
    pthread_mutex_lock(&registry->lock);
    struct skr_registry_host *host = find(registry, host_id);
    int64_t shared_ns = host ? host->shared_ns : 0;
    pthread_mutex_unlock(&registry->lock);
    return shared_ns;
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
