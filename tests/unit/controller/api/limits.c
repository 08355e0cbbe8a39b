#include "controller/api/http.h"

#include <criterion/criterion.h>

Test(limits, a_burst_then_the_rate)
{
    struct skr_http_limits *limits = skr_http_limits_new(10);
    struct skr_uuid token = skr_uuid_new(), other = skr_uuid_new();
    int64_t now_ns = 5 * SKR_NS_PER_S;
    for (int i = 0; i < 20; i++)
        cr_assert(skr_http_limits_take(limits, &token, 1, 0, now_ns), "request %d", i);
    cr_assert_not(skr_http_limits_take(limits, &token, 1, 0, now_ns));
    cr_assert(skr_http_limits_take(limits, &other, 1, 0, now_ns), "each principal has a bucket of its own");
    now_ns += SKR_NS_PER_S / 10;
    cr_assert(skr_http_limits_take(limits, &token, 1, 0, now_ns));
    cr_assert_not(skr_http_limits_take(limits, &token, 1, 0, now_ns));
    now_ns += 3600 * SKR_NS_PER_S;
    for (int i = 0; i < 20; i++)
        cr_assert(skr_http_limits_take(limits, &token, 1, 0, now_ns), "never more than a burst is saved up");
    cr_assert_not(skr_http_limits_take(limits, &token, 1, 0, now_ns));
    skr_http_limits_free(limits);
}

Test(limits, a_bucket_with_a_rate_of_its_own)
{
    struct skr_http_limits *limits = skr_http_limits_new(1000);
    struct skr_uuid tenant = skr_uuid_new();
    int64_t now_ns = 5 * SKR_NS_PER_S;
    for (int i = 0; i < 4; i++)
        cr_assert(skr_http_limits_take(limits, &tenant, 1, 2, now_ns), "request %d", i);
    cr_assert_not(skr_http_limits_take(limits, &tenant, 1, 2, now_ns));
    cr_assert(skr_http_limits_take(limits, &tenant, 1, 2, now_ns + SKR_NS_PER_S / 2));
    cr_assert_not(skr_http_limits_take(limits, &tenant, 1, 2, now_ns + SKR_NS_PER_S / 2));
    cr_assert(skr_http_limits_take(limits, &tenant, 10, 4, now_ns + 10 * SKR_NS_PER_S),
              "a raised quota counts at once");
    skr_http_limits_free(limits);
}

Test(limits, more_principals_than_buckets)
{
    struct skr_http_limits *limits = skr_http_limits_new(1);
    for (int i = 0; i < 5000; i++) {
        struct skr_uuid token = skr_uuid_new();
        cr_assert(skr_http_limits_take(limits, &token, 1, 0, SKR_NS_PER_S + i));
    }
    skr_http_limits_free(limits);
}
