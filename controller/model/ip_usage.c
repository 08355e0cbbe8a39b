/* How full pools are: of one pool from its ranges and counters, and sums of those of a VM subnet, a network site and a
 * logical network, kept with every change of a pool, so that showing them is one row however many pools there are.
 * Counts may pass 64 bits (IPv6), so they are decimal texts outside. */
#include "controller/model/ip_ranges.h"

#define COUNT_TEXT_MAX 40 /* 2^128 has 39 digits */

static const struct skr_query usage_of = {"SELECT total, allocated, reserved, vip FROM ip_usage WHERE parent_id = ?1"};
static const struct skr_query set_usage = {
        "INSERT INTO ip_usage (parent_id, total, allocated, reserved, vip) VALUES (?1, ?2, ?3, ?4, ?5) "
        "ON CONFLICT (parent_id) DO UPDATE SET total = excluded.total, allocated = excluded.allocated, "
        "reserved = excluded.reserved, vip = excluded.vip"};
static const struct skr_query drop_usage = {"DELETE FROM ip_usage WHERE parent_id = ?1"};
static const struct skr_query any_usage = {
        "SELECT parent_id FROM ip_usage WHERE parent_id > ?1 ORDER BY parent_id LIMIT 1"};
static const struct skr_query network_of_site = {"SELECT logical_network_id FROM network_site WHERE id = ?1"};

static const char *format_count(unsigned __int128 value, char text[static COUNT_TEXT_MAX])
{
    char *digit = text + COUNT_TEXT_MAX - 1;
    *digit = '\0';
    do
        *--digit = (char)('0' + (int)(value % 10));
    while (value /= 10);
    return digit;
}

static unsigned __int128 parse_count(const char *text)
{
    unsigned __int128 value = 0;
    for (; *text; text++)
        value = value * 10 + (unsigned)(*text - '0');
    return value;
}

/* Sizes follow from the ranges; rows count what is allocated, and of virtual IPs what is left. */
struct skr_ip_counts skr_ip_counts_of(const struct skr_object *pool)
{
    SKR_CLEANUP(skr_ip_aside_cleanup) struct skr_ip_aside aside = {0};
    struct skr_ip_range whole = skr_ip_pool_range(pool);
    struct skr_ip_counts counts = {.total = skr_ip_range_count(&whole)};
    skr_ip_aside_of(pool, &aside);
    for (size_t i = 0; i < aside.count; i++)
        *(aside.items[i].vip ? &counts.vip : &counts.reserved) += skr_ip_range_count(&aside.items[i].range);
    unsigned __int128 counted = counts.vip > INT64_MAX ? INT64_MAX : counts.vip;
    counts.vip -= counted - (unsigned __int128)skr_object_integer(pool, SKR_IP_POOL_VIP_COUNT);
    counts.allocated = (unsigned __int128)skr_object_integer(pool, SKR_IP_POOL_ALLOCATED);
    return counts;
}

json_t *skr_ip_counts_json(const struct skr_ip_counts *counts)
{
    char text[5][COUNT_TEXT_MAX];
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "total", format_count(counts->total, text[0]), "allocated",
                     format_count(counts->allocated, text[1]), "reserved", format_count(counts->reserved, text[2]),
                     "vip", format_count(counts->vip, text[3]), "free",
                     format_count(counts->total - counts->allocated - counts->reserved - counts->vip, text[4]));
}

/* ---- sums ---- */

static int read_sum(struct skr_txn *txn, const struct skr_uuid *parent_id, struct skr_ip_counts *ret,
                    struct skr_error *error)
{
    struct skr_statement *statement;
    struct skr_ip_counts counts = {0};
    int r = skr_txn_query(txn, &usage_of, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, parent_id);
    r = skr_step(statement, error);
    if (r > 0)
        counts = (struct skr_ip_counts){.total = parse_count(skr_column_text(statement, 0)),
                                        .allocated = parse_count(skr_column_text(statement, 1)),
                                        .reserved = parse_count(skr_column_text(statement, 2)),
                                        .vip = parse_count(skr_column_text(statement, 3))};
    skr_statement_reset(statement);
    if (r >= 0)
        *ret = counts;
    return r < 0 ? r : 0;
}

static int write_sum(struct skr_txn *txn, const struct skr_uuid *parent_id, const struct skr_ip_counts *counts,
                     struct skr_error *error)
{
    struct skr_statement *statement;
    char text[COUNT_TEXT_MAX];
    int r = skr_txn_query(txn, counts->total ? &set_usage : &drop_usage, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, parent_id);
    if (counts->total) {
        skr_bind_text(statement, 2, format_count(counts->total, text));
        skr_bind_text(statement, 3, format_count(counts->allocated, text));
        skr_bind_text(statement, 4, format_count(counts->reserved, text));
        skr_bind_text(statement, 5, format_count(counts->vip, text));
    }
    return skr_statement_run(statement, error);
}

static int change_sum(struct skr_txn *txn, const struct skr_uuid *parent_id, const struct skr_ip_counts *less,
                      const struct skr_ip_counts *more, struct skr_error *error)
{
    struct skr_ip_counts counts;
    int r = read_sum(txn, parent_id, &counts, error);
    if (r < 0)
        return r;
    counts.total += more->total - less->total; /* modulo 2^128: each sum stays one of counts */
    counts.allocated += more->allocated - less->allocated;
    counts.reserved += more->reserved - less->reserved;
    counts.vip += more->vip - less->vip;
    return write_sum(txn, parent_id, &counts, error);
}

int skr_ip_usage_change(struct skr_txn *txn, const struct skr_object *pool, const struct skr_ip_counts *less,
                        const struct skr_ip_counts *more, struct skr_error *error)
{
    bool site = skr_object_has(pool, SKR_IP_POOL_NETWORK_SITE_ID);
    struct skr_uuid parent_id = skr_object_uuid(pool, site ? SKR_IP_POOL_NETWORK_SITE_ID : SKR_IP_POOL_VM_SUBNET_ID);
    struct skr_uuid network_id;
    int r = change_sum(txn, &parent_id, less, more, error);
    if (r < 0 || !site)
        return r;
    r = skr_find(txn, &network_of_site, &parent_id, NULL, &network_id, error);
    return r <= 0 ? r : change_sum(txn, &network_id, less, more, error);
}

int skr_ip_usage_compute(struct skr_txn *txn, struct skr_object *parent, int field, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(parent);
    struct skr_ip_counts counts;
    int r = read_sum(txn, &id, &counts, error);
    if (r == 0)
        skr_object_set_json(parent, field, skr_ip_counts_json(&counts));
    return r;
}

/* ---- databases from before there were sums ---- */

struct adding {
    struct skr_txn *txn;
    struct skr_error *error;
};

static int add_pool(void *argument, struct skr_object *pool)
{
    struct adding *adding = argument;
    const struct skr_ip_counts counts = skr_ip_counts_of(pool), none = {0};
    return skr_ip_usage_change(adding->txn, pool, &none, &counts, adding->error);
}

int skr_ip_usage_bootstrap(struct skr_txn *txn, struct skr_error *error)
{
    struct adding adding = {txn, error};
    static const struct skr_uuid nil;
    int r = skr_find(txn, &any_usage, &nil, NULL, NULL, error);
    return r ? (r < 0 ? r : 0) : skr_txn_each(txn, SKR_IP_POOL, add_pool, &adding, error);
}
