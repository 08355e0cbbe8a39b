/* Next hops of remote provider addresses: on the link, or the gateway, kept resolved by the kernel. */
#include "agent/host/private.h"
#include "tests/support/agent/host_world.h"
#include "tests/support/agent/programs.h"

#include <criterion/criterion.h>

#define ON_LINK 0xc0000207u /* 192.0.2.7 */
#define FAR_1   0xc6336401u /* 198.51.100.1 */
#define FAR_2   0xc6336402u
#define SECOND  0xcb007105u /* 203.0.113.5 */
#define MANAGED "ip neigh show dev u0 | grep -q '^%s .*managed'"

static const struct skr_address any_source;
static struct world world;

static void setup(void)
{
    world_new(&world);
    programs_shell("mount -t tmpfs none /run && ip netns add fabric && ip link add u0 type veth peer name f0 netns "
                   "fabric && ip -n fabric link set f0 up && ip link set u0 up && ip -n fabric link set f0 address "
                   "02:00:00:00:00:f0 && ip -n fabric addr add 192.0.2.1/24 dev f0");
    world_drain(&world);
    Skerry__V1__ProviderAddress *pa = (Skerry__V1__ProviderAddress *)body_pa(0xc0000205u, test_id(0x11, 1));
    free(pa->uplink);
    pa->uplink = strdup("u0");
    pa->gateway = test_v4(0xc0000201u);
    world_uplinks(&world, true, "u0", NULL);
    Skerry__V1__Delta *delta = world_delta(&world);
    delta_upsert(delta, PA, test_id(0xaa, 1), &pa->base);
    world_apply(&world, delta);
    world_until_pa(&world, 0xc0000205u, true);
}

static void teardown(void)
{
    world_free(&world);
}

TestSuite(host_neighbor, .init = setup, .fini = teardown);

static void need(uint32_t address, bool needed)
{
    struct skr_address pa = test_address(address);
    skr_host_need_neighbor(world.host, &pa, needed ? &any_source : NULL);
}

static void need_from(uint32_t address, uint32_t source)
{
    struct skr_address pa = test_address(address), from = test_address(source);
    skr_host_need_neighbor(world.host, &pa, &from);
}

static const struct world_told *told_about(uint32_t address)
{
    struct skr_address pa = test_address(address);
    return world_last(&world, TOLD_NEIGHBOR, NULL, &pa);
}

static bool is_resolved(struct world *w, void *arg)
{
    struct skr_address pa = test_address(*(const uint32_t *)arg);
    const struct world_told *told = world_last(w, TOLD_NEIGHBOR, NULL, &pa);
    return told && told->present;
}

static void until_resolved(uint32_t address)
{
    world_until(&world, is_resolved, &address, "the next hop resolves");
}

Test(host_neighbor, on_the_link)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0xf0};
    need(ON_LINK, true);
    cr_assert_not(told_about(ON_LINK)->present, "nobody answers");
    programs_shell("ip -n fabric addr add 192.0.2.7/24 dev f0");
    until_resolved(ON_LINK);
    const struct skr_abi_neighbor *neighbor = &told_about(ON_LINK)->neighbor;
    cr_assert_eq(neighbor->ifindex, world_ifindex("u0"));
    cr_assert_arr_eq(neighbor->destination_mac, mac, 6);
    cr_assert_arr_eq(neighbor->source_mac, skr_host_interface(world.host, neighbor->ifindex)->mac.bytes, 6);
    cr_assert(world_shell(MANAGED, "192.0.2.7"));
    need(ON_LINK, false);
    cr_assert_not(world_shell(MANAGED, "192.0.2.7"));
}

Test(host_neighbor, the_gateway_is_shared_and_counted)
{
    need(FAR_1, true);
    need(FAR_2, true);
    until_resolved(FAR_1);
    until_resolved(FAR_2);
    cr_assert(world_shell(MANAGED, "192.0.2.1"));
    need(FAR_1, false);
    cr_assert(world_shell(MANAGED, "192.0.2.1"));
    need(FAR_2, false);
    cr_assert_not(world_shell(MANAGED, "192.0.2.1"));
    world_drain(&world);
    cr_assert_not(world_shell(MANAGED, "192.0.2.1"), "our own deletion is not undone");
}

Test(host_neighbor, a_later_user_of_a_known_next_hop_is_told_at_once)
{
    need(FAR_1, true);
    until_resolved(FAR_1);
    need(FAR_2, true);
    cr_assert(told_about(FAR_2)->present);
}

static bool gateway_managed(struct world *w, void *arg)
{
    (void)w, (void)arg;
    return world_shell(MANAGED, "192.0.2.1");
}

Test(host_neighbor, deleted_by_hand_it_comes_back)
{
    need(FAR_1, true);
    until_resolved(FAR_1);
    programs_shell("ip neigh del 192.0.2.1 dev u0");
    world_until(&world, gateway_managed, NULL, "the neighbour is managed again");
    programs_shell("ip neigh flush dev u0");
    world_until(&world, gateway_managed, NULL, "the neighbour is managed again");
    cr_assert(told_about(FAR_1)->present, "and its MAC was never untold");
}

Test(host_neighbor, the_uplink_down_and_up)
{
    need(FAR_1, true);
    until_resolved(FAR_1);
    programs_shell("ip link set u0 down && ip link set u0 up");
    world_drain(&world);
    world_until(&world, gateway_managed, NULL, "the neighbour is managed again");
}

struct mac {
    uint8_t bytes[6];
    bool source;
};

static bool mac_told(struct world *w, void *arg)
{
    const struct mac *mac = arg;
    struct skr_address pa = test_address(FAR_1);
    const struct world_told *told = world_last(w, TOLD_NEIGHBOR, NULL, &pa);
    const uint8_t *bytes = mac->source ? told->neighbor.source_mac : told->neighbor.destination_mac;
    return !memcmp(bytes, mac->bytes, 6);
}

Test(host_neighbor, new_macs_on_either_side_are_told)
{
    struct mac theirs = {.bytes = {2, 0, 0, 0, 0, 0xf1}}, ours = {.bytes = {2, 0, 0, 0, 0, 0xa0}, .source = true};
    need(FAR_1, true);
    until_resolved(FAR_1);
    programs_shell("ip link set u0 address 02:00:00:00:00:a0");
    world_until(&world, mac_told, &ours, "our own new MAC");
    programs_shell("ip -n fabric link set f0 address 02:00:00:00:00:f1 && "
                   "ip netns exec fabric ping -q -c1 -W2 192.0.2.5 >/dev/null; ip neigh flush dev u0");
    world_until(&world, mac_told, &theirs, "the gateway's new MAC");
}

Test(host_neighbor, unreachable_without_an_own_address)
{
    need(FAR_1, true);
    until_resolved(FAR_1);
    Skerry__V1__Delta *delta = world_delta(&world);
    delta_delete(delta, PA, test_id(0xaa, 1));
    world_apply(&world, delta);
    cr_assert_not(told_about(FAR_1)->present);
    cr_assert_not(world_shell(MANAGED, "192.0.2.1"));
}

/* Two own PAs, each behind a router of its own: a packet goes to the router of the PA that it comes from. */
Test(host_neighbor, the_gateway_of_the_sending_address)
{
    struct mac second = {.bytes = {2, 0, 0, 0, 0, 0xf2}};
    programs_shell("ip link add u1 type veth peer name f1 netns fabric && ip link set u1 up && ip -n fabric link set "
                   "f1 address 02:00:00:00:00:f2 up && ip -n fabric addr add 203.0.113.1/24 dev f1");
    world_drain(&world);
    Skerry__V1__ProviderAddress *pa = (Skerry__V1__ProviderAddress *)body_pa(SECOND, test_id(0x12, 1));
    free(pa->uplink);
    pa->uplink = strdup("u1");
    pa->gateway = test_v4(0xcb007101u);
    world_uplinks(&world, true, "u0", "u1");
    Skerry__V1__Delta *delta = world_delta(&world);
    delta_upsert(delta, PA, test_id(0xaa, 2), &pa->base);
    world_apply(&world, delta);
    world_until_pa(&world, SECOND, true);
    need(FAR_2, true); /* nobody says who sends: the first that has a gateway */
    need_from(FAR_1, SECOND);
    until_resolved(FAR_1);
    until_resolved(FAR_2);
    cr_assert(mac_told(&world, &second));
    cr_assert_eq(told_about(FAR_2)->neighbor.destination_mac[5], 0xf0);
    need_from(FAR_1, 0xc0000205u);
    until_resolved(FAR_1);
    cr_assert_eq(told_about(FAR_1)->neighbor.destination_mac[5], 0xf0);
    cr_assert_not(world_shell("ip neigh show dev u1 | grep -q managed"), "the other router is nobody's next hop");
    need_from(ON_LINK, SECOND); /* not on the sender's link */
    until_resolved(ON_LINK);
    cr_assert_eq(told_about(ON_LINK)->neighbor.destination_mac[5], 0xf2);
    need_from(ON_LINK, 0xc0000299u); /* no address of ours */
    cr_assert_not(told_about(ON_LINK)->present);
}

struct doubts {
    unsigned count;
    char field[32], expected[64], found[64];
};

static void take_doubt(void *arg, const struct skr_host_difference *difference)
{
    struct doubts *doubts = arg;
    if (strcmp(difference->field, "next_hop_mac") != 0 && strcmp(difference->field, "station") != 0)
        return;
    doubts->count++;
    memcpy(doubts->field, difference->field, sizeof(doubts->field));
    memcpy(doubts->expected, difference->expected, sizeof(doubts->expected));
    memcpy(doubts->found, difference->found, sizeof(doubts->found));
}

static bool is_doubted(struct world *w, void *arg)
{
    memset(arg, 0, sizeof(struct doubts));
    skr_host_audit(w->host, take_doubt, arg);
    return ((struct doubts *)arg)->count > 0;
}

/* A forged answer leads tunnels elsewhere: the audit names both MACs. */
Test(host_neighbor, another_mac_for_a_next_hop_is_told)
{
    struct doubts doubts = {0};
    need(FAR_1, true);
    until_resolved(FAR_1);
    cr_assert_not(is_doubted(&world, &doubts), "the first answer is no other");
    programs_shell("ip -n fabric link set f0 address 02:00:00:00:00:f1 && ip -n fabric neigh flush all && "
                   "ip neigh change 192.0.2.1 lladdr 02:00:00:00:00:f1 dev u0 nud reachable");
    world_until(&world, is_doubted, &doubts, "the audit says so");
    cr_assert_str_eq(doubts.field, "next_hop_mac");
    cr_assert_str_eq(doubts.expected, "02:00:00:00:00:f0");
    cr_assert_str_eq(doubts.found, "02:00:00:00:00:f1");
}

Test(host_neighbor, a_station_with_our_address_is_told)
{
    struct doubts doubts = {0};
    struct skr_address own = test_address(0xc0000205u);
    struct skr_mac stranger = {{2, 0, 0, 0, 0, 0x66}};
    const struct skr_host_interface *uplink = skr_host_interface(world.host, world_ifindex("u0"));
    skr_host_pa_claimed(world.host, &own, &uplink->mac);
    cr_assert_not(is_doubted(&world, &doubts), "our own announcement, come back");
    skr_host_pa_claimed(world.host, &own, &stranger);
    cr_assert(is_doubted(&world, &doubts));
    cr_assert_str_eq(doubts.field, "station");
    cr_assert_str_eq(doubts.found, "02:00:00:00:00:66");
    world.host->addresses->claimed.at_ns -= SKR_HOST_DOUBT_NS;
    cr_assert_not(is_doubted(&world, &doubts), "that was two minutes ago");
}
