/* The comparison. SKR_SEED chooses the models, SKR_BPF_OBJECT another build of the programs (tests/mutants). */
#include "tests/property/agent/isolation.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODELS  200
#define PACKETS 1000 /* a model */

static struct programs programs;
static uint8_t frame[PROGRAMS_FRAME_MAX];
static struct verdict found;
static unsigned reasons[SKR_DROP_REASON_COUNT], verdicts[16];

static const char *reason_name(uint32_t reason)
{
    static const char *const names[] = {
#define REASON_NAME(name, text) #name,
            SKR_DROP_REASONS(REASON_NAME)
#undef REASON_NAME
    };

    return reason < SKR_DROP_REASON_COUNT ? names[reason] : "?";
}

static void make_interfaces(void)
{
    programs_namespace();
    programs_shell("for i in $(seq 0 2 %d); do echo link add i$i type veth peer name i$((i + 1)); done | ip -batch -",
                   INTERFACES - 1);
    programs_shell("for i in $(seq 0 %d); do echo link set i$i up; done | ip -batch -", INTERFACES - 1);
    for (unsigned i = 0; i < INTERFACES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "i%u", i);
        interface_index[i] = if_nametoindex(name);
    }
    for (unsigned uplink = 0; uplink < UPLINKS; uplink++)
        programs_shell("ip link set i%u address 02:02:00:00:00:0%u", INTERFACES - UPLINKS + uplink, uplink + 1);
}

static void describe(uint64_t seed, unsigned number, const struct packet *packet, const struct expectation *expected)
{
    fprintf(stderr,
            "SKR_SEED=%llu packet %u from %s on interface %u: expected verdict %u (%s) target %u vsid %u pa %08x, "
            "found %u (%s) target %u vsid %u pa %08x; ethertype %04x vsid %u\n",
            (unsigned long long)seed, number, packet->wire ? "the wire" : "a guest", interface_index[packet->interface],
            expected->verdict, reason_name(expected->reason), expected->target, expected->vsid, ntohl(expected->pa),
            found.verdict, reason_name(found.reason), found.target, found.vsid, ntohl(found.pa), packet->ethertype,
            packet->vsid);
}

/* Other outer addresses, a hop less to live, a right checksum: nothing else may differ. */
static bool right_straggler(size_t length)
{
    struct iphdr ip, was;
    uint32_t pa;

    memcpy(&was, frame + 14, sizeof(was));
    memcpy(&ip, found.bytes + 14, sizeof(ip));
    memcpy(&pa, found.bytes + 30, 4);
    was.saddr = ip.saddr;
    was.daddr = found.pa;
    was.ttl--;
    programs_checksum(&was);
    return found.length == length && pa == found.pa && ntohl(ip.saddr) - own_pa(0) < UPLINKS &&
           !memcmp(&ip, &was, sizeof(ip)) && !memcmp(found.bytes + 34, frame + 34, length - 34);
}

static bool is_vxlan(const struct model *model, uint32_t vsid)
{
    for (unsigned i = 0; i < model->subnet_count; i++)
        if (model->subnets[i].vsid == vsid)
            return model->subnets[i].vxlan;
    return false;
}

/* A packet leaves with the bytes that came: inside the right outer headers, or rewritten as a router may. */
static bool right_bytes(const struct model *model, const struct packet *packet, size_t length)
{
    const uint8_t *inner = found.bytes, *original = frame;
    size_t outer = 0, tag = packet->plain && packet->vlan ? 4 : 0;
    struct iphdr ip;
    bool routed = packet->ethertype == ETHERTYPE_IP && !packet->wire && !memcmp(packet->destination, gateway_mac, 6);

    if (packet->plain || packet->vlan_port != NOWHERE)
        return found.length == length - tag && !memcmp(inner, original, 12) &&
               !memcmp(inner + 12, original + 12 + tag, length - 12 - tag);
    if (found.verdict == SKR_VERDICT_REMOTE && packet->wire)
        return right_straggler(length);

    if (found.verdict == SKR_VERDICT_REMOTE) {
        bool vxlan = found.bytes[23] == IPPROTO_UDP;
        uint32_t key, pa;

        outer = vxlan ? 50 : 42;
        memcpy(&key, found.bytes + outer - 4, 4);
        memcpy(&pa, found.bytes + 30, 4);
        if (ntohl(key) >> 8 != found.vsid || pa != found.pa || vxlan != is_vxlan(model, found.vsid) ||
            (vxlan ? memcmp(found.bytes + 42, "\x8\0\0\0", 4) != 0
                   : memcmp(found.bytes + 34, "\x20\0\x65\x58", 4) != 0))
            return false;
        inner += outer;
    } else if (packet->wire) {
        original += packet->vxlan ? 50 : 42;
        length -= packet->vxlan ? 50 : 42;
    }
    if (found.length != outer + length && !(packet->ethertype != ETHERTYPE_IP && found.length == outer + 60))
        return false;
    if (!routed && packet->outer_tos != 3)
        return !memcmp(inner, original, length);
    if (!routed)
        return !memcmp(inner, original, 14);
    memcpy(&ip, original + 14, sizeof(ip));
    ip.ttl--;
    programs_checksum(&ip);
    return !memcmp(inner + 6, gateway_mac, 6) && !memcmp(inner + 14, &ip, sizeof(ip)) &&
           !memcmp(inner + 34, original + 34, length - 34);
}

/* The tenant of who sent and of who would receive. */
static bool same_tenant(const struct model *model, const struct packet *packet)
{
    int from = packet->wire ? NOWHERE : model->occupant[packet->interface];
    unsigned domain = DOMAINS, reached = DOMAINS;

    if (packet->plain || packet->vlan_port != NOWHERE) /* the segment says it all */
        return found.vsid & SKR_SEGMENT;
    for (unsigned i = 0; i < model->subnet_count; i++) {
        if (packet->wire && model->subnets[i].vsid == packet->vsid)
            domain = model->subnets[i].domain;
        if (found.verdict == SKR_VERDICT_REMOTE && model->subnets[i].vsid == found.vsid)
            reached = model->subnets[i].domain;
    }
    if (from != NOWHERE)
        domain = model->subnets[model->adapters[from].subnet].domain;
    for (unsigned i = 0; found.verdict == SKR_VERDICT_LOCAL && i < INTERFACES; i++)
        if (interface_index[i] == found.target && model->occupant[i] != NOWHERE)
            reached = model->subnets[model->adapters[model->occupant[i]].subnet].domain;
    return domain == reached;
}

static bool judge(const struct model *model, const struct packet *packet, uint64_t seed, unsigned number)
{
    struct expectation expected = oracle(model, packet);
    size_t length = packet_bytes(packet, frame);
    bool moves = expected.verdict == SKR_VERDICT_LOCAL || expected.verdict == SKR_VERDICT_REMOTE ||
                 expected.verdict == SKR_VERDICT_UPLINK;

    programs_run(packet->wire ? programs.uplink : programs.port, interface_index[packet->interface], frame, length,
                 packet->gso_size, &found);
    verdicts[expected.verdict]++;
    reasons[expected.reason]++;
    if (found.verdict == expected.verdict && found.reason == expected.reason && found.target == expected.target &&
        found.vsid == expected.vsid && found.pa == expected.pa &&
        (!moves || (same_tenant(model, packet) && right_bytes(model, packet, length))))
        return true;
    describe(seed, number, packet, &expected);
    return false;
}

/* Reasons that no generated packet can reach: kernel refusals that need exhausted memory, and reasons of copies, which
 * are counted beside the verdict of the flood. Component tests reach those. */
static bool beyond_packets(uint32_t reason)
{
    return reason == SKR_DROP_NONE || reason == SKR_DROP_ENCAPSULATION_FAILED || reason == SKR_DROP_NO_NEIGHBOR ||
           reason == SKR_DROP_FLOOD_INCOMPLETE;
}

Test(isolation, verdicts_equal_the_oracle, .timeout = 110)
{
    const char *wished = getenv("SKR_SEED");
    uint64_t seed = wished ? strtoull(wished, NULL, 0) : 1;
    unsigned total = 0, deliverable;
    struct model model;
    struct packet packet;

    make_interfaces();
    programs_open(&programs, NULL, true);
    for (unsigned round = 0; round < MODELS; round++) {
        random_seed(seed + round);
        model_make(&model);
        model_program(&model, &programs);
        for (unsigned i = 0; i < PACKETS; i++, total++) {
            packet_make(&model, &packet);
            cr_assert(judge(&model, &packet, seed + round, i), "the programs and the oracle disagree");
        }
    }
    deliverable = verdicts[SKR_VERDICT_LOCAL] + verdicts[SKR_VERDICT_REMOTE] + verdicts[SKR_VERDICT_FLOOD] +
                  verdicts[SKR_VERDICT_REPLY] + verdicts[SKR_VERDICT_UPLINK];
    fprintf(stderr, "%u packets, %u deliverable\n", total, deliverable);
    cr_assert_geq(deliverable, total * 2 / 5, "%u of %u", deliverable, total);
    for (uint32_t reason = 0; reason < SKR_DROP_REASON_COUNT; reason++)
        cr_assert(beyond_packets(reason) || reasons[reason] >= 100, "%s: %u times", reason_name(reason),
                  reasons[reason]);
    programs_close(&programs);
}
