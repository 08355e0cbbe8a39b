#include "controller/api/http.h"

#include <criterion/criterion.h>

Test(limits, a_burst_then_the_rate)
{
    struct skr_http_limits *limits = skr_http_limits_new(10);
    struct skr_uuid token = skr_uuid_new(), other = skr_uuid_new();
    int64_t now_ns = 5 * SKR_NS_PER_S;
    for (int i = 0; i < 20; i++)
        cr_assert_eq(skr_http_limits_take(limits, &token, 1, 0, now_ns), 0, "request %d", i);
    cr_assert_gt(skr_http_limits_take(limits, &token, 1, 0, now_ns), 0);
    cr_assert_eq(skr_http_limits_take(limits, &other, 1, 0, now_ns), 0, "each principal has a bucket of its own");
    now_ns += SKR_NS_PER_S / 10;
    cr_assert_eq(skr_http_limits_take(limits, &token, 1, 0, now_ns), 0);
    cr_assert_gt(skr_http_limits_take(limits, &token, 1, 0, now_ns), 0);
    now_ns += 3600 * SKR_NS_PER_S;
    for (int i = 0; i < 20; i++)
        cr_assert_eq(skr_http_limits_take(limits, &token, 1, 0, now_ns), 0, "never more than a burst is saved up");
    cr_assert_gt(skr_http_limits_take(limits, &token, 1, 0, now_ns), 0);
    skr_http_limits_free(limits);
}

Test(limits, a_bucket_with_a_rate_of_its_own)
{
    struct skr_http_limits *limits = skr_http_limits_new(1000);
    struct skr_uuid tenant = skr_uuid_new();
    int64_t now_ns = 5 * SKR_NS_PER_S;
    for (int i = 0; i < 4; i++)
        cr_assert_eq(skr_http_limits_take(limits, &tenant, 1, 2, now_ns), 0, "request %d", i);
    cr_assert_gt(skr_http_limits_take(limits, &tenant, 1, 2, now_ns), 0);
    cr_assert_eq(skr_http_limits_take(limits, &tenant, 1, 2, now_ns + SKR_NS_PER_S / 2), 0);
    cr_assert_gt(skr_http_limits_take(limits, &tenant, 1, 2, now_ns + SKR_NS_PER_S / 2), 0);
    cr_assert_eq(skr_http_limits_take(limits, &tenant, 10, 4, now_ns + 10 * SKR_NS_PER_S), 0,
                 "a raised quota counts at once");
    skr_http_limits_free(limits);
}

Test(limits, more_principals_than_buckets)
{
    struct skr_http_limits *limits = skr_http_limits_new(1);
    for (int i = 0; i < 5000; i++) {
        struct skr_uuid token = skr_uuid_new();
        cr_assert_eq(skr_http_limits_take(limits, &token, 1, 0, SKR_NS_PER_S + i), 0);
    }
    skr_http_limits_free(limits);
}

/* A token that is refused is told when it will not be: a moment before it still is, then it is taken. */
Test(limits, how_long_to_wait_is_exact)
{
    static const struct {
        int64_t rate;
        unsigned count;
        int64_t wait_ms;
    } rows[] = {{1, 1, 1000}, {2, 1, 500}, {10, 20, 2000}, {10, 15, 1500}, {4, 1000, 2000}};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(rows); i++) {
        struct skr_http_limits *limits = skr_http_limits_new(1000);
        struct skr_uuid id = skr_uuid_new();
        int64_t now_ns = 5 * SKR_NS_PER_S;
        cr_assert_eq(skr_http_limits_take(limits, &id, (unsigned)(2 * rows[i].rate), rows[i].rate, now_ns), 0);
        int64_t wait_ns = skr_http_limits_take(limits, &id, rows[i].count, rows[i].rate, now_ns);
        cr_expect_eq(wait_ns / SKR_NS_PER_MS, rows[i].wait_ms, "row %zu: %lld ns", i, (long long)wait_ns);
        int64_t early_ns = now_ns + wait_ns - SKR_NS_PER_MS;
        cr_expect_gt(skr_http_limits_take(limits, &id, rows[i].count, rows[i].rate, early_ns), 0, "row %zu", i);
        cr_expect_eq(skr_http_limits_take(limits, &id, rows[i].count, rows[i].rate, now_ns + wait_ns), 0, "row %zu", i);
        skr_http_limits_free(limits);
    }
}
