#include "controller/api/http.h"

#include <string.h>

/* One token bucket a principal, in a table of fixed size: a new principal takes the place of the one that has asked
 * nothing for longest among its neighbours. A bucket lost that way was full again anyway, or the table is under attack
 * by more tokens than an administrator has given out. */
#define BUCKETS    1024
#define NEIGHBOURS 8

struct bucket {
    struct skr_uuid token_id;
    int64_t last_ns; /* 0 = free */
    double tokens;
};

struct skr_http_limits {
    pthread_mutex_t lock;
    double per_second, burst;
    struct bucket buckets[BUCKETS];
};

struct skr_http_limits *skr_http_limits_new(unsigned requests_per_second)
{
    struct skr_http_limits *limits = calloc(1, sizeof(*limits));
    if (!limits)
        abort();
    pthread_mutex_init(&limits->lock, NULL);
    limits->per_second = requests_per_second;
    limits->burst = 2.0 * requests_per_second;
    return limits;
}

void skr_http_limits_free(struct skr_http_limits *limits)
{
    if (!limits)
        return;
    pthread_mutex_destroy(&limits->lock);
    free(limits);
}

static struct bucket *find(struct skr_http_limits *limits, const struct skr_uuid *token_id)
{
    /* The last bytes of a UUIDv7 are random. */
    unsigned start = (unsigned)token_id->bytes[15] << 8 | token_id->bytes[14];
    struct bucket *oldest = NULL;
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct bucket *bucket = &limits->buckets[(start + i) % BUCKETS];
        if (bucket->last_ns && skr_uuid_compare(&bucket->token_id, token_id) == 0)
            return bucket;
        if (!oldest || bucket->last_ns < oldest->last_ns)
            oldest = bucket;
    }
    *oldest = (struct bucket){.token_id = *token_id, .tokens = limits->burst};
    return oldest;
}

bool skr_http_limits_take(struct skr_http_limits *limits, const struct skr_uuid *token_id, unsigned count,
                          int64_t now_ns)
{
    pthread_mutex_lock(&limits->lock);
    struct bucket *bucket = find(limits, token_id);
    if (bucket->last_ns && now_ns > bucket->last_ns)
        bucket->tokens += (double)(now_ns - bucket->last_ns) * limits->per_second / (double)SKR_NS_PER_S;
    if (bucket->tokens > limits->burst)
        bucket->tokens = limits->burst;
    if (now_ns > bucket->last_ns)
        bucket->last_ns = now_ns;
    double wanted = count < limits->burst ? count : limits->burst;
    bool taken = bucket->tokens >= wanted;
    if (taken)
        bucket->tokens -= wanted;
    pthread_mutex_unlock(&limits->lock);
    return taken;
}
