#include "controller/api/http.h"

#include <string.h>

/* One token bucket a principal and one a tenant that has a quota of requests, in a table of fixed size: a new principal
 * takes the place of the one that has asked nothing for longest among its neighbours. A bucket lost that way was full
 * again anyway, or the table is under attack by more tokens than an administrator has given out. */
#define BUCKETS    1024
#define NEIGHBOURS 8

struct bucket {
    struct skr_uuid id;
    int64_t last_ns; /* 0 = free */
    double tokens;
};

struct skr_http_limits {
    pthread_mutex_t lock;
    double per_second;
    struct bucket buckets[BUCKETS];
};

struct skr_http_limits *skr_http_limits_new(unsigned requests_per_second)
{
    struct skr_http_limits *limits = calloc(1, sizeof(*limits));
    if (!limits)
        abort();
    pthread_mutex_init(&limits->lock, NULL);
    limits->per_second = requests_per_second;
    return limits;
}

void skr_http_limits_free(struct skr_http_limits *limits)
{
    if (!limits)
        return;
    pthread_mutex_destroy(&limits->lock);
    free(limits);
}

static struct bucket *find(struct skr_http_limits *limits, const struct skr_uuid *id, double burst)
{
    /* The last bytes of a UUIDv7 are random. */
    unsigned start = (unsigned)id->bytes[15] << 8 | id->bytes[14];
    struct bucket *oldest = NULL;
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct bucket *bucket = &limits->buckets[(start + i) % BUCKETS];
        if (bucket->last_ns && skr_uuid_equal(&bucket->id, id))
            return bucket;
        if (!oldest || bucket->last_ns < oldest->last_ns)
            oldest = bucket;
    }
    *oldest = (struct bucket){.id = *id, .tokens = burst};
    return oldest;
}

int64_t skr_http_limits_take(struct skr_http_limits *limits, const struct skr_uuid *id, unsigned count,
                             int64_t per_second, int64_t now_ns)
{
    double rate = per_second ? (double)per_second : limits->per_second, burst = 2 * rate;
    pthread_mutex_lock(&limits->lock);
    struct bucket *bucket = find(limits, id, burst);
    if (bucket->last_ns && now_ns > bucket->last_ns)
        bucket->tokens += (double)(now_ns - bucket->last_ns) * rate / (double)SKR_NS_PER_S;
    if (bucket->tokens > burst)
        bucket->tokens = burst;
    if (now_ns > bucket->last_ns)
        bucket->last_ns = now_ns;
    double wanted = count < burst ? count : burst;
    double missing = wanted - bucket->tokens;
    if (missing <= 0)
        bucket->tokens -= wanted;
    pthread_mutex_unlock(&limits->lock);
    return missing <= 0 ? 0 : (int64_t)(missing / rate * (double)SKR_NS_PER_S) + 1;
}

static bool take(struct skr_http_request *request, const struct skr_uuid *id, unsigned count, int64_t per_second)
{
    int64_t wait_ns = skr_http_limits_take(request->api->limits, id, count, per_second, request->started_ns);
    skr_http_retry_after(request, wait_ns);
    return !wait_ns;
}

int skr_http_limit(struct skr_http_request *request, unsigned count, const char *what, struct skr_error *error)
{
    const struct skr_principal *principal = &request->principal;
    if (!count)
        return 0;
    if (!take(request, &principal->token_id, count, 0))
        return skr_error_set(error, SKR_ERROR_TOO_MANY, "This %s sends more %s than one may; wait as Retry-After says",
                             principal->kind == SKR_PRINCIPAL_SESSION ? "session" : "token", what);
    if (!principal->tenant_requests || take(request, &principal->tenant_id, count, principal->tenant_requests))
        return 0;
    return skr_error_set(error, SKR_ERROR_TOO_MANY,
                         "Your tenant sends more %s than its quota requests_per_second of %lld; wait as Retry-After "
                         "says, or ask an administrator for a higher quota",
                         what, (long long)principal->tenant_requests);
}
