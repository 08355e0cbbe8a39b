/* An IP pool against a model of it, in IPv4 and in IPv6: any sequence of allocations, releases, reservations and moved
 * ends gives the same answers, the lowest free address comes first, and the counters are right as decimal text after
 * every step (a /64 passes 64 bits). Seeded: a failure names the seed of its sequence. */
#include "tests/support/controller/world.h"

#define STEPS     250
#define SEQUENCES 4
#define LOW       40 /* addresses at the start of the subnet that the model follows */
#define HIGH      8  /* and at the end of the pool */
#define KNOWN     (LOW + HIGH)

enum aside { OPEN, RESERVED, VIRTUAL };

struct model {
    struct world world;
    unsigned seed, start, end; /* first and last index of the range */
    bool v6, taken[KNOWN];
    enum aside aside[KNOWN];
};

/* Distance from the network's address. In IPv6 the last ones are at the far end of the /64. */
static unsigned __int128 offset(const struct model *m, unsigned index)
{
    return m->v6 && index >= LOW ? UINT64_MAX - KNOWN + 1 + index : index + 1U;
}

static const char *text_of(const struct model *m, unsigned index, char text[static SKR_ADDRESS_TEXT_MAX])
{
    struct skr_address base;
    unsigned __int128 at = offset(m, index);
    cr_assert_eq(skr_address_parse(m->v6 ? "2001:db8:77::" : "10.77.0.0", &base), 0);
    for (unsigned byte = 15; at; byte--, at >>= 8) /* the low bits of a network's address are 0 */
        base.bytes[byte] = (uint8_t)at;
    return skr_address_format(&base, text);
}

static unsigned pick(struct model *m, unsigned below)
{
    return (unsigned)rand_r(&m->seed) % below;
}

static bool usable(const struct model *m, unsigned index, enum aside aside)
{
    return index >= m->start && index <= m->end && m->aside[index] == aside && !m->taken[index];
}

/* The lowest that is free, KNOWN: none that the model follows. */
static unsigned lowest(const struct model *m, enum aside aside)
{
    for (unsigned i = 0; i < KNOWN; i++)
        if (usable(m, i, aside))
            return i;
    return KNOWN;
}

/* ---- counters ---- */

static void expect_count(const json_t *utilization, const char *name, unsigned __int128 wanted, unsigned seed)
{
    char text[48], *digit = text + sizeof(text) - 1;
    *digit = '\0';
    do
        *--digit = (char)('0' + (int)(wanted % 10));
    while (wanted /= 10);
    cr_assert_str_eq(json_string_value(json_object_get(utilization, name)), digit, "%s, seed %u", name, seed);
}

static void expect_counters(struct model *m, unsigned seed)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = world_get(&m->world, SKR_IP_POOL, "pool");
    const json_t *utilization = pool->values[SKR_IP_POOL_UTILIZATION].json;
    unsigned __int128 total = offset(m, m->end) - offset(m, m->start) + 1, allocated = 0, reserved = 0, vip = 0;
    for (unsigned i = m->start; i <= m->end; i++) {
        allocated += m->taken[i];
        reserved += m->aside[i] == RESERVED;
        vip += m->aside[i] == VIRTUAL && !m->taken[i];
    }
    expect_count(utilization, "total", total, seed);
    expect_count(utilization, "allocated", allocated, seed);
    expect_count(utilization, "reserved", reserved, seed);
    expect_count(utilization, "vip", vip, seed);
    expect_count(utilization, "free", total - allocated - reserved - vip, seed);
}

/* ---- steps ---- */

static bool act(struct model *m, const char *verb, const char *json, char ret[static SKR_ADDRESS_TEXT_MAX])
{
    struct skr_action_request request;
    struct skr_error error = {0};
    int r = world_action(&m->world, SKR_IP_POOL, "pool", verb, json, &request, &error);
    const char *address = r == 0 ? json_string_value(json_object_get(request.result, "address")) : NULL;
    snprintf(ret, SKR_ADDRESS_TEXT_MAX, "%s", address ? address : "");
    skr_action_request_done(&request);
    return r == 0;
}

static void allocate_lowest(struct model *m, bool virtual)
{
    unsigned index = lowest(m, virtual ? VIRTUAL : OPEN);
    char text[SKR_ADDRESS_TEXT_MAX], wanted[SKR_ADDRESS_TEXT_MAX];
    bool between = m->v6 && !virtual && m->start < LOW && m->end >= LOW; /* what the model does not follow is free */
    if (between && index >= LOW)
        return;
    bool done = act(m, "allocate", virtual ? "{'kind': 'vip'}" : "{}", text);
    cr_assert_eq(done, index < KNOWN, "%s: there is %s", text, index < KNOWN ? "one" : "none");
    if (!done)
        return;
    cr_assert_str_eq(text, text_of(m, index, wanted), "the lowest free one comes first");
    m->taken[index] = true;
}

static void allocate_wished(struct model *m)
{
    unsigned index = pick(m, KNOWN);
    bool virtual = pick(m, 4) == 0;
    char json[128], text[SKR_ADDRESS_TEXT_MAX];
    snprintf(json, sizeof(json), "{'address': '%s'%s}", text_of(m, index, text), virtual ? ", 'kind': 'vip'" : "");
    bool done = act(m, "allocate", json, text);
    cr_assert_eq(done, usable(m, index, virtual ? VIRTUAL : OPEN), "%s", json);
    m->taken[index] |= done;
}

static void give_back(struct model *m)
{
    unsigned index = pick(m, KNOWN);
    char json[128], text[SKR_ADDRESS_TEXT_MAX];
    snprintf(json, sizeof(json), "{'address': '%s'}", text_of(m, index, text));
    bool done = act(m, "release", json, text);
    cr_assert_eq(done, m->taken[index], "%s", json);
    m->taken[index] = false;
}

/* Other ends, and other addresses set aside inside of them: refused where something allocated would be lost. */
static void change(struct model *m)
{
    struct model after = *m;
    char json[512], first[SKR_ADDRESS_TEXT_MAX], last[SKR_ADDRESS_TEXT_MAX], texts[4][SKR_ADDRESS_TEXT_MAX];
    after.start = pick(m, 5);
    after.end = KNOWN - 1 - pick(m, 10);
    unsigned reserved = 6 + pick(m, 10), virtual = reserved + 4 + pick(m, 8);
    unsigned reserved_end = reserved + pick(m, 3), virtual_end = virtual + pick(m, 3);
    for (unsigned i = 0; i < KNOWN; i++)
        after.aside[i] = i >= reserved && i <= reserved_end ? RESERVED
                         : i >= virtual && i <= virtual_end ? VIRTUAL
                                                            : OPEN;
    after.aside[0] = RESERVED; /* the gateway */
    bool fits = true;
    for (unsigned i = 0; i < KNOWN; i++)
        fits &= !m->taken[i] || (i >= after.start && i <= after.end && after.aside[i] != RESERVED);
    snprintf(json, sizeof(json),
             "{'range_start': '%s', 'range_end': '%s', 'reserved': ['%s-%s'], 'vip_reserved': ['%s-%s']}",
             text_of(m, after.start, first), text_of(m, after.end, last), text_of(m, reserved, texts[0]),
             text_of(m, reserved_end, texts[1]), text_of(m, virtual, texts[2]), text_of(m, virtual_end, texts[3]));
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_request(&m->world, SKR_OPERATION_PATCH, SKR_IP_POOL, "pool", json, &answer);
    cr_assert_eq(answer.result == 0, fits, "%s: %s", json, answer.error.detail);
    if (!fits) {
        cr_assert_eq(answer.error.tag, SKR_ERROR_IN_USE, "%s", answer.error.detail);
        return;
    }
    m->start = after.start;
    m->end = after.end;
    memcpy(m->aside, after.aside, sizeof(m->aside));
}

static void run(bool v6, unsigned seed)
{
    struct model m = {.seed = seed, .v6 = v6, .end = KNOWN - 1};
    char json[256], first[SKR_ADDRESS_TEXT_MAX], last[SKR_ADDRESS_TEXT_MAX];
    world_open(&m.world);
    world_fill(&m.world);
    const char *prefix = v6 ? "2001:db8:77::/64" : "10.77.0.0/24";
    snprintf(json, sizeof(json), "{'name': 's', 'vm_network_id': '$red-net', 'prefix': '%s'}", prefix);
    world_create(&m.world, SKR_VM_SUBNET, "s", json);
    snprintf(json, sizeof(json),
             "{'name': 'pool', 'vm_subnet_id': '$s', 'subnet': '%s', 'range_start': '%s', 'range_end': '%s'}", prefix,
             text_of(&m, 0, first), text_of(&m, KNOWN - 1, last));
    world_create(&m.world, SKR_IP_POOL, "pool", json);
    m.aside[0] = RESERVED;
    for (unsigned step = 0; step < STEPS; step++) {
        switch (pick(&m, 8)) {
        case 0:
        case 1:
            allocate_lowest(&m, false);
            break;
        case 2:
            allocate_lowest(&m, true);
            break;
        case 3:
            allocate_wished(&m);
            break;
        case 4:
            change(&m);
            break;
        default:
            give_back(&m);
        }
        expect_counters(&m, seed);
    }
    world_close(&m.world);
}

Test(property_pools, ipv4)
{
    for (unsigned seed = 1; seed <= SEQUENCES; seed++)
        run(false, seed);
}

Test(property_pools, ipv6)
{
    for (unsigned seed = 1; seed <= SEQUENCES; seed++)
        run(true, seed);
}
