/* How addresses of pools are counted and kept. The free ranges of a pool, rows of ip_pool_free, and the addresses it
 * sets aside: reserved ones, gateways, and those kept for virtual IPs. Used by ip_allocation.c, ip_pool.c and
 * retirement.c; counters are theirs, and the sums over pools (ip_usage.c) follow them. */
#pragma once

#include "controller/model/rules.h"

struct skr_ip_range {
    struct skr_address first, last;
};
struct skr_ip_aside_range {
    struct skr_ip_range range;
    bool vip;
};
/* In order of address. */
struct skr_ip_aside {
    struct skr_ip_aside_range *items;
    size_t count;
};

/* 1 and *ret: the lowest free address; 0: none is free. */
int skr_ip_ranges_lowest(struct skr_txn *txn, const struct skr_uuid *pool_id, struct skr_address *ret,
                         struct skr_error *error);
/* 1: it was free and is not any more; 0: it was not free. */
int skr_ip_ranges_take(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_address *address,
                       struct skr_error *error);
/* The address must not be free. */
int skr_ip_ranges_give(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_address *address,
                       struct skr_error *error);
/* A whole range that touches no other. */
int skr_ip_ranges_add(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_ip_range *range,
                      struct skr_error *error);
int skr_ip_ranges_clear(struct skr_txn *txn, const struct skr_uuid *pool_id, struct skr_error *error);

/* "a" or "a-b". -EINVAL: neither, -ERANGE: b is below a. */
int skr_ip_range_parse(const char *text, struct skr_ip_range *ret);
unsigned __int128 skr_ip_range_count(const struct skr_ip_range *range);
bool skr_ip_range_contains(const struct skr_ip_range *range, const struct skr_address *address);
struct skr_ip_range skr_ip_pool_range(const struct skr_object *pool);
void skr_ip_aside_of(const struct skr_object *pool, struct skr_ip_aside *ret);
static inline void skr_ip_aside_cleanup(struct skr_ip_aside *aside)
{
    free(aside->items);
}
const struct skr_ip_aside_range *skr_ip_aside_find(const struct skr_ip_aside *aside, const struct skr_address *address);

/* ---- counts (ip_usage.c) ---- */

struct skr_ip_counts {
    unsigned __int128 total, allocated, reserved, vip;
};
struct skr_ip_counts skr_ip_counts_of(const struct skr_object *pool);
/* {total, allocated, reserved, vip, free} as decimal texts; new reference. */
json_t *skr_ip_counts_json(const struct skr_ip_counts *counts);
/* A pool counts so much more and so much less, and with it what it belongs to. */
int skr_ip_usage_change(struct skr_txn *txn, const struct skr_object *pool, const struct skr_ip_counts *less,
                        const struct skr_ip_counts *more, struct skr_error *error);
