/* Clients share connections, watches, waits, large bodies and bytes of answers, and may not use them up for each other.
 * A pool bounds what one principal holds, what all principals of a tenant hold, and what tenants hold together: the
 * rest is for the principals of the fabric, so that an administrator gets in whatever tenants do. Called by the other
 * files of this room, on any thread. */
#include "controller/api/http.h"

#include <skerry/id_map.h>
#include <string.h>

enum { OF_PRINCIPAL, OF_TENANT };

/* A principal or tenant that holds something; it is gone with the last of it, so that there are no more than units in
 * the pool. */
struct share {
    struct skr_map_key key; /* first; type: OF_PRINCIPAL or OF_TENANT */
    int64_t held;
};

struct skr_http_pool {
    struct skr_http_pool_limits limits;
    pthread_mutex_t lock;
    struct skr_id_map shares;
    int64_t held, held_by_tenants;
};

struct skr_http_pool *skr_http_pool_new(const struct skr_http_pool_limits *limits)
{
    struct skr_http_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        abort();
    pool->limits = *limits;
    pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

void skr_http_pool_free(struct skr_http_pool *pool)
{
    uint32_t cursor = 0;
    if (!pool)
        return;
    for (struct share *share; (share = skr_id_map_next(&pool->shares, &cursor));)
        free(share);
    skr_id_map_done(&pool->shares);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* All sessions of a user are his. */
static const struct skr_uuid *id_of(const struct skr_principal *principal)
{
    return skr_uuid_is_nil(&principal->user_id) ? &principal->token_id : &principal->user_id;
}

static bool has_tenant(const struct skr_principal *principal)
{
    return !skr_uuid_is_nil(&principal->tenant_id);
}

static int64_t held_by(const struct skr_http_pool *pool, uint32_t type, const struct skr_uuid *id)
{
    const struct share *share = skr_id_map_get(&pool->shares, type, id);
    return share ? share->held : 0;
}

static void add(struct skr_http_pool *pool, uint32_t type, const struct skr_uuid *id, int64_t count)
{
    struct share *share = skr_id_map_get(&pool->shares, type, id);
    if (!share) {
        share = calloc(1, sizeof(*share));
        if (!share)
            abort();
        share->key = (struct skr_map_key){.id = *id, .type = type};
        skr_id_map_put(&pool->shares, share);
    }
    share->held += count;
    if (share->held == 0)
        free(skr_id_map_remove(&pool->shares, type, id));
}

static void add_all(struct skr_http_pool *pool, const struct skr_principal *principal, int64_t count)
{
    pool->held += count;
    add(pool, OF_PRINCIPAL, id_of(principal), count);
    if (!has_tenant(principal))
        return;
    pool->held_by_tenants += count;
    add(pool, OF_TENANT, &principal->tenant_id, count);
}

/* A first one that is larger than a share by itself is let through: it is the only one of its holder. */
static bool is_over(int64_t held, int64_t count, int64_t most)
{
    return held && held + count > most;
}

/* Under the lock. */
static int judge(const struct skr_http_pool *pool, const struct skr_principal *principal, int64_t count,
                 struct skr_error *error)
{
    const struct skr_http_pool_limits *limits = &pool->limits;
    if (is_over(held_by(pool, OF_PRINCIPAL, id_of(principal)), count, limits->of_principal))
        return skr_error_set(error, SKR_ERROR_TOO_MANY, "This %s has %s already, the most one may have is %lld; %s",
                             principal->kind == SKR_PRINCIPAL_SESSION ? "user" : "token", limits->what,
                             (long long)limits->of_principal, limits->advice);
    if (has_tenant(principal) && is_over(held_by(pool, OF_TENANT, &principal->tenant_id), count, limits->of_tenant))
        return skr_error_set(error, SKR_ERROR_TOO_MANY, "Your tenant has %s already, the most one may have is %lld; %s",
                             limits->what, (long long)limits->of_tenant, limits->advice);
    if (pool->held + count > limits->total ||
        (has_tenant(principal) && pool->held_by_tenants + count > limits->total - limits->reserve))
        return skr_error_set(error, SKR_ERROR_TOO_MANY,
                             "The controller has %s of all its clients, as many as it takes; try again in a moment",
                             limits->what);
    return 0;
}

int skr_http_pool_take(struct skr_http_pool *pool, const struct skr_principal *principal, int64_t count,
                       struct skr_error *error)
{
    pthread_mutex_lock(&pool->lock);
    int r = judge(pool, principal, count, error);
    if (r == 0)
        add_all(pool, principal, count);
    pthread_mutex_unlock(&pool->lock);
    return r;
}

void skr_http_pool_force(struct skr_http_pool *pool, const struct skr_principal *principal, int64_t count)
{
    pthread_mutex_lock(&pool->lock);
    add_all(pool, principal, count);
    pthread_mutex_unlock(&pool->lock);
}

void skr_http_pool_give(struct skr_http_pool *pool, const struct skr_principal *principal, int64_t count)
{
    skr_http_pool_force(pool, principal, -count);
}

/* ---- the pools of the room ---- */

void skr_http_pools_new(struct skr_http_pool *pools[static SKR_HTTP_POOL_COUNT])
{
    static const struct skr_http_pool_limits limits[SKR_HTTP_POOL_COUNT] = {
            [SKR_HTTP_POOL_CONNECTIONS] = {"connections open", "close one", SKR_HTTP_CONNECTIONS_MAX, 512, 256, 128},
            [SKR_HTTP_POOL_WATCHES] = {"watches open", "close one", SKR_HTTP_WATCHES_MAX, 96, 64, 32},
            [SKR_HTTP_POOL_WAITS] = {"requests that wait for realization", "let one end", 1024, 256, 128, 64},
            [SKR_HTTP_POOL_BIG_BODIES] = {"bodies over 64 KiB under way", "send them one after the other", 8, 3, 2, 1},
            [SKR_HTTP_POOL_ANSWERS] = {"bytes of answers not read", "read them first", INT64_C(128) << 20,
                                       INT64_C(32) << 20, INT64_C(24) << 20, INT64_C(16) << 20},
    };
    for (unsigned i = 0; i < SKR_HTTP_POOL_COUNT; i++)
        pools[i] = skr_http_pool_new(&limits[i]);
}

void skr_http_pools_free(struct skr_http_pool *pools[static SKR_HTTP_POOL_COUNT])
{
    for (unsigned i = 0; i < SKR_HTTP_POOL_COUNT; i++)
        skr_http_pool_free(pools[i]);
}

int skr_http_hold(struct skr_http_request *request, enum skr_http_pool_id pool, int64_t count, struct skr_error *error)
{
    int r = skr_http_pool_take(request->api->pools[pool], &request->principal, count, error);
    if (r == 0)
        request->held[pool] += count;
    return r;
}

void skr_http_let_go(struct skr_http_request *request, enum skr_http_pool_id pool)
{
    if (request->held[pool])
        skr_http_pool_give(request->api->pools[pool], &request->principal, request->held[pool]);
    request->held[pool] = 0;
}

int skr_http_hold_connection(struct skr_http_request *request, struct skr_error *error)
{
    struct skr_http_peer *peer = request->peer;
    struct skr_http_pool *pool = request->api->pools[SKR_HTTP_POOL_CONNECTIONS];
    const struct skr_principal *principal = &request->principal;
    if (peer->is_held && skr_uuid_equal(id_of(&peer->holder), id_of(principal)) &&
        skr_uuid_equal(&peer->holder.tenant_id, &principal->tenant_id))
        return 0;
    skr_http_let_go_connection(peer);
    int r = skr_http_pool_take(pool, principal, 1, error);
    if (r < 0)
        return r;
    peer->holder = *principal;
    peer->is_held = true;
    return 0;
}

void skr_http_let_go_connection(struct skr_http_peer *peer)
{
    if (peer->is_held)
        skr_http_pool_give(peer->api->pools[SKR_HTTP_POOL_CONNECTIONS], &peer->holder, 1);
    peer->is_held = false;
}
