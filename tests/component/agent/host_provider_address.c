/* Provider addresses on an uplink, judged by what the kernel has: u0 is the uplink, and "fabric" a namespace behind it.
 */
#include "tests/support/agent/host_world.h"
#include "tests/support/agent/programs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/clock.h>

#define PA_1     0xc0000205u /* 192.0.2.5 */
#define PA_2     0xc0000206u
#define GATEWAY  0xc0000201u
#define PROTOCOL "83" /* SKR_NETLINK_PROTOCOL */
#define TABLE_1  "3221225989"
#define LINK_OK  "ip -o addr show dev u0 | grep -q 192.0.2.5/24"
#define RULE_OK  "ip rule | grep -q 'from 192.0.2.5 lookup " TABLE_1 "'"
#define ROUTE_OK "ip route show table " TABLE_1 " | grep -q '^192.0.2.0/24 dev u0'"
#define GATE_OK  "ip route show table " TABLE_1 " | grep -q '^default via 192.0.2.1 dev u0'"

static const struct skr_address any_source;
static struct world world;

static void setup(void)
{
    world_new(&world);
    programs_shell("mount -t tmpfs none /run && ip netns add fabric && ip link add u0 type veth peer name f0 netns "
                   "fabric && ip -n fabric link set lo up && ip -n fabric link set f0 up && ip link set u0 up && "
                   "ip -n fabric addr add 192.0.2.1/24 dev f0");
    world_drain(&world);
    world_uplinks(&world, true, "u0", NULL);
}

static void teardown(void)
{
    world_free(&world);
}

TestSuite(host_provider_address, .init = setup, .fini = teardown);

static void set_pa(uint32_t number, uint32_t address, const char *uplink, bool gateway, uint32_t mtu)
{
    Skerry__V1__ProviderAddress *pa = (Skerry__V1__ProviderAddress *)body_pa(address, test_id(0x11, 1));
    free(pa->uplink);
    pa->uplink = strdup(uplink);
    pa->mtu = mtu;
    if (gateway)
        pa->gateway = test_v4(GATEWAY);
    Skerry__V1__Delta *delta = world_delta(&world);
    delta_upsert(delta, PA, test_id(0xaa, number), &pa->base);
    world_apply(&world, delta);
}

static void remove_pa(uint32_t number)
{
    Skerry__V1__Delta *delta = world_delta(&world);
    delta_delete(delta, PA, test_id(0xaa, number));
    world_apply(&world, delta);
}

static const struct world_told *told_about(uint32_t address)
{
    struct skr_address pa = test_address(address);
    return world_last(&world, TOLD_PA, NULL, &pa);
}

static struct skr_host_difference found[32];
static size_t found_count;

static void on_difference(void *arg, const struct skr_host_difference *difference)
{
    (void)arg;
    cr_assert_lt(found_count, 32u);
    found[found_count++] = *difference;
}

static const struct skr_host_difference *audit_finds(const char *field)
{
    found_count = 0;
    skr_host_audit(world.host, on_difference, NULL);
    for (size_t i = 0; i < found_count; i++)
        if (!strcmp(found[i].field, field))
            return &found[i];
    return NULL;
}

static void audit_is_clean(void)
{
    audit_finds("");
    cr_assert_eq(found_count, 0, "%s %s: %s, not %s", found[0].object, found[0].field, found[0].found,
                 found[0].expected);
}

/* Announced, or frames of the fabric go to the station that had the address before until they time out. */
static bool neighbour_knows(struct world *w, void *arg)
{
    (void)w, (void)arg;
    return world_shell("ip -n fabric neigh show 192.0.2.5 dev f0 | grep -q $(ip -br link show u0 | awk '{print $3}')");
}

Test(host_provider_address, is_probed_and_then_stands)
{
    int64_t before = skr_clock_monotonic_ns();
    programs_shell("ip -n fabric neigh replace 192.0.2.5 dev f0 lladdr 02:00:00:00:00:77 nud stale");
    set_pa(1, PA_1, "u0", true, 1500);
    cr_assert_null(told_about(PA_1), "not before it is probed");
    cr_assert_not(world_shell(LINK_OK));
    world_until_pa(&world, PA_1, true);
    cr_assert_geq(skr_clock_monotonic_ns() - before, 300 * SKR_NS_PER_MS, "three probes, 100 ms each");
    cr_assert_eq(told_about(PA_1)->ifindex, world_ifindex("u0"));
    cr_assert(world_shell(LINK_OK) && world_shell(RULE_OK) && world_shell(ROUTE_OK) && world_shell(GATE_OK));
    cr_assert(world_shell("test $(cat /proc/sys/net/ipv4/conf/u0/arp_ignore) = 1"));
    cr_assert(world_shell("test $(cat /proc/sys/net/ipv4/conf/u0/arp_announce) = 2"));
    world_until(&world, neighbour_knows, NULL, "the neighbour that took the address for another station's");
    audit_is_clean();
    cr_assert(world_shell("ip netns exec fabric ping -q -c1 -W2 192.0.2.5 >/dev/null"));
    remove_pa(1);
    cr_assert_str_eq(told_about(PA_1)->text, "removed");
    cr_assert_not(world_shell(LINK_OK));
    cr_assert_not(world_shell(RULE_OK));
    cr_assert(world_shell("test -z \"$(ip route show table " TABLE_1 " 2>/dev/null)\""));
}

Test(host_provider_address, another_station_holds_it)
{
    programs_shell("ip -n fabric addr add 192.0.2.5/24 dev f0");
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, false);
    cr_assert(strstr(told_about(PA_1)->text, "duplicate_address: ") == told_about(PA_1)->text);
    cr_assert_not(world_shell(LINK_OK));
    programs_shell("ip -n fabric addr del 192.0.2.5/24 dev f0");
    world_until_pa(&world, PA_1, true); /* it is tried again */
    cr_assert(world_shell(LINK_OK));
}

Test(host_provider_address, is_adopted_without_probing)
{
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    skr_host_free(world.host);
    world.host = NULL;
    programs_shell(LINK_OK " && ip rule del from 192.0.2.5"); /* while no agent runs */
    world_restart_host(&world);
    cr_assert(told_about(PA_1) && told_about(PA_1)->present, "at once");
    cr_assert(world_shell(RULE_OK), "what was missing is back");
    audit_is_clean();
}

Test(host_provider_address, two_on_one_uplink)
{
    set_pa(1, PA_1, "u0", true, 1500);
    set_pa(2, PA_2, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    world_until_pa(&world, PA_2, true);
    audit_is_clean();
    remove_pa(1); /* the first of the subnet: the kernel may take the second with it */
    cr_assert_not(world_shell(LINK_OK));
    cr_assert(world_shell("ip -o addr show dev u0 | grep -q 192.0.2.6/24"));
    audit_is_clean();
    cr_assert(world_shell("ip netns exec fabric ping -q -c1 -W2 192.0.2.6 >/dev/null"));
}

Test(host_provider_address, moves_to_another_object_without_a_gap)
{
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    Skerry__V1__ProviderAddress *pa = (Skerry__V1__ProviderAddress *)body_pa(PA_1, test_id(0x11, 1));
    free(pa->uplink);
    pa->uplink = strdup("u0");
    pa->gateway = test_v4(GATEWAY);
    Skerry__V1__Delta *delta = world_delta(&world);
    delta_upsert(delta, PA, test_id(0xaa, 2), &pa->base);
    delta_delete(delta, PA, test_id(0xaa, 1));
    world.told_count = 0;
    world_apply(&world, delta);
    cr_assert(told_about(PA_1)->present);
    for (size_t i = 0; i < world.told_count; i++)
        cr_assert(world.told[i].what != TOLD_PA || world.told[i].present);
    audit_is_clean();
}

Test(host_provider_address, a_new_gateway_or_mtu_is_taken_in_place)
{
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    world.told_count = 0;
    set_pa(1, PA_1, "u0", false, 1400);
    cr_assert_eq(world_count(&world, TOLD_PA), 1);
    cr_assert(told_about(PA_1)->present);
    cr_assert(world_shell(LINK_OK) && !world_shell(GATE_OK) && world_shell(ROUTE_OK));
    set_pa(1, PA_1, "u0", true, 1400);
    cr_assert(world_shell(GATE_OK));
    audit_is_clean();
}

Test(host_provider_address, foreign_addresses_stay)
{
    programs_shell("ip addr add 192.0.2.77/24 dev u0 && ip addr add 198.51.100.1/24 dev u0 && "
                   "ip rule add from 203.0.113.1 lookup 77 && ip route add 203.0.113.0/24 dev u0 table 77");
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    remove_pa(1);
    skr_host_remove_unintended(world.host, NULL);
    cr_assert_not(world_shell(LINK_OK));
    cr_assert(world_shell("ip -o addr show dev u0 | grep -q 192.0.2.77/24 && ip -o addr show dev u0 | grep -q 198.51"));
    cr_assert(world_shell("ip rule | grep -q 203.0.113.1 && ip route show table 77 | grep -q 203.0.113.0/24"));
}

Test(host_provider_address, an_address_that_somebody_else_put_there_is_used_and_left)
{
    programs_shell("ip addr add 192.0.2.5/24 dev u0");
    set_pa(1, PA_1, "u0", true, 1500);
    cr_assert(told_about(PA_1) && told_about(PA_1)->present);
    cr_assert(world_shell(ROUTE_OK) && world_shell(GATE_OK));
    remove_pa(1);
    cr_assert(world_shell(LINK_OK));
    cr_assert_not(world_shell(RULE_OK));
    cr_assert(world_shell("test -z \"$(ip route show table " TABLE_1 " 2>/dev/null)\""));
}

Test(host_provider_address, a_foreign_address_of_the_subnet_outlives_ours)
{
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    programs_shell("ip addr add 192.0.2.77/24 dev u0"); /* secondary to ours */
    remove_pa(1);
    cr_assert(world_shell("ip -o addr show dev u0 | grep -q 192.0.2.77/24"));
}

static bool routes_stand(struct world *w, void *arg)
{
    (void)w, (void)arg;
    return world_shell(ROUTE_OK) && world_shell(GATE_OK);
}

Test(host_provider_address, routes_come_back_with_the_uplink)
{
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    programs_shell("ip link set u0 down");
    cr_assert(audit_finds("state"));
    cr_assert_eq(found_count, 1, "the uplink is what differs, not its routes");
    cr_assert_eq(skr_host_repair(world.host, &found[0]), 0);
    world_until(&world, routes_stand, NULL, "routes");
    audit_is_clean();
    cr_assert(told_about(PA_1)->present);
}

Test(host_provider_address, an_uplink_made_anew)
{
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    programs_shell("ip link del u0");
    world_until_pa(&world, PA_1, false);
    cr_assert(strstr(told_about(PA_1)->text, "no_uplink: ") == told_about(PA_1)->text);
    cr_assert(audit_finds("interface"));
    programs_shell("ip link add other type bridge && ip link add u0 type veth peer name f0 netns fabric && "
                   "ip -n fabric link set f0 up");
    world_until_pa(&world, PA_1, true);
    cr_assert_eq(told_about(PA_1)->ifindex, world_ifindex("u0"));
    cr_assert(world_shell(LINK_OK) && routes_stand(&world, NULL));
    audit_is_clean();
}

Test(host_provider_address, an_uplink_renamed_loses_it)
{
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    programs_shell("ip link set u0 down && ip link set u0 name u9 && ip link set u9 up");
    world_until_pa(&world, PA_1, false);
    cr_assert_not(world_shell("ip -o addr | grep -q 192.0.2.5"));
    cr_assert_not(world_shell(RULE_OK));
    programs_shell("ip link set u9 down && ip link set u9 name u0");
    world_until_pa(&world, PA_1, true);
    audit_is_clean();
}

Test(host_provider_address, an_alias_on_the_uplink_changes_nothing)
{
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    world.told_count = 0;
    programs_shell("ip link set u0 alias 'to rack 7'");
    world_drain(&world);
    cr_assert_eq(world_count(&world, TOLD_PA), 0);
    cr_assert_eq(world_count(&world, TOLD_UPLINK), 0);
}

Test(host_provider_address, every_deletion_is_found_and_mended)
{
    static const struct {
        const char *command, *field, *kind;
    } deeds[] = {
            {"ip addr del 192.0.2.5/24 dev u0", "address", "address"},
            {"ip rule del from 192.0.2.5", "rule", "rule"},
            {"ip route del 192.0.2.0/24 dev u0 table " TABLE_1, "route", "rule"},
            {"ip route del default table " TABLE_1, "gateway", "rule"},
            {"ip route replace default via 192.0.2.9 dev u0 table " TABLE_1, "gateway", "rule"},
            {"ip link set u0 down", "state", "link"},
            {"sysctl -qw net.ipv4.conf.u0.arp_ignore=0", "arp_ignore", NULL},
            {"sysctl -qw net.ipv4.conf.u0.arp_announce=0", "arp_announce", NULL},
    };
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        world_drain(&world);
        world.told_count = 0;
        programs_shell("%s", deeds[i].command);
        world_drain(&world);
        const struct world_told *changed = world_last(&world, TOLD_CHANGED, NULL, NULL);
        if (deeds[i].kind)
            cr_assert(changed, "%s is told", deeds[i].command);
        const struct skr_host_difference *difference = audit_finds(deeds[i].field);
        cr_assert(difference, "%s is found", deeds[i].command);
        for (size_t j = 0; j < found_count; j++)
            cr_assert_eq(skr_host_repair(world.host, &found[j]), 0, "%s", deeds[i].command);
        world_drain(&world);
        audit_is_clean();
    }
}

Test(host_provider_address, an_uplink_too_small_is_told_and_not_touched)
{
    set_pa(1, PA_1, "u0", true, 1600);
    world_until_pa(&world, PA_1, true);
    const struct skr_host_difference *difference = audit_finds("mtu");
    cr_assert(difference);
    cr_assert_str_eq(difference->expected, "1600");
    cr_assert_str_eq(difference->found, "1500");
    cr_assert_eq(skr_host_repair(world.host, difference), -ENOTSUP);
}

Test(host_provider_address, own_writes_and_other_peoples_routes_are_no_change)
{
    world_drain(&world);
    world.told_count = 0;
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    world_drain(&world);
    cr_assert_eq(world_count(&world, TOLD_CHANGED), 0);
    programs_shell("ip addr add 198.51.100.1/24 dev u0 && ip route add 203.0.113.0/24 dev u0 && "
                   "ip route del 203.0.113.0/24 && ip addr del 198.51.100.1/24 dev u0 && "
                   "ip rule add from 203.0.113.1 lookup 77 && ip rule del from 203.0.113.1");
    world_drain(&world);
    cr_assert_eq(world_count(&world, TOLD_CHANGED), 0);
}

Test(host_provider_address, works_under_reverse_path_filtering)
{
    programs_shell("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.u0.rp_filter=1 && "
                   "ip link add admin type bridge && ip link set admin up && ip addr add 10.9.0.2/24 dev admin && "
                   "ip route add default via 10.9.0.1 && ip -n fabric link add far type bridge && "
                   "ip -n fabric link set far up && ip -n fabric addr add 198.51.100.9/24 dev far");
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    /* The default route leads elsewhere; PA traffic goes, and is accepted, by the PA's own table. */
    cr_assert(world_shell("ping -q -c1 -W2 -I 192.0.2.5 198.51.100.9 >/dev/null"));
    cr_assert(world_shell("ip netns exec fabric ping -q -c1 -W2 -I 198.51.100.9 192.0.2.5 >/dev/null"));
}

Test(host_provider_address, what_an_earlier_agent_made_goes)
{
    set_pa(1, PA_1, "u0", true, 1500);
    set_pa(2, PA_2, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    world_until_pa(&world, PA_2, true);
    struct skr_address remote = test_address(0xc0000264u), far = test_address(0xc6336401u);
    skr_host_need_neighbor(world.host, &remote, &any_source);
    skr_host_need_neighbor(world.host, &far, &any_source);
    cr_assert(world_shell("ip neigh show 192.0.2.100 | grep -q managed"));
    /* Desired state changes while no agent runs. */
    skr_host_free(world.host);
    world.host = NULL;
    skr_desired_free(world.desired);
    world_open(&world);
    world_uplinks(&world, true, "u0", NULL);
    set_pa(2, PA_2, "u0", true, 1500);
    skr_host_need_neighbor(world.host, &far, &any_source); /* by the gateway */
    skr_host_remove_unintended(world.host, NULL);
    cr_assert_not(world_shell(LINK_OK) || world_shell(RULE_OK));
    cr_assert(world_shell("test -z \"$(ip route show table " TABLE_1 " 2>/dev/null)\""));
    cr_assert_not(world_shell("ip neigh show 192.0.2.100 | grep -q managed"));
    cr_assert(world_shell("ip neigh show 192.0.2.1 | grep -q managed"));
    cr_assert(world_shell("ip -o addr show dev u0 | grep -q 192.0.2.6/24"));
    audit_is_clean();
}

/* Routes of an earlier agent: those that lead elsewhere would take packets from the right ones. */
Test(host_provider_address, of_our_routes_the_right_ones_stay)
{
    programs_shell("ip link add admin type bridge && ip link set admin up");
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    programs_shell("for r in '203.0.113.0/24 dev u0' '192.0.2.0/24 dev admin metric 5' 'default via 192.0.2.9 dev u0 "
                   "metric 5' '192.0.2.0/25 dev u0'; do ip route add $r table " TABLE_1 " proto " PROTOCOL
                   " || exit 1; done; ip route add 203.0.114.0/24 dev u0 table " TABLE_1);
    struct skr_host_removed removed;
    skr_host_remove_unintended(world.host, &removed);
    cr_assert_eq(removed.routes, 4);
    cr_assert_eq(removed.rules + removed.addresses + removed.failed, 0);
    cr_assert(world_shell(ROUTE_OK) && world_shell(GATE_OK));
    cr_assert(world_shell("ip route show table " TABLE_1 " | grep -q 203.0.114.0/24"), "not of ours");
    audit_is_clean();
}

Test(host_provider_address, with_nothing_desired_all_of_ours_goes_and_the_rest_stays)
{
    struct skr_host_removed removed;
    set_pa(1, PA_1, "u0", true, 1500);
    world_until_pa(&world, PA_1, true);
    struct skr_address remote = test_address(0xc0000264u);
    skr_host_need_neighbor(world.host, &remote, &any_source);
    cr_assert(world_shell("ip addr add 192.0.2.9/24 dev u0 && ip rule add from 192.0.2.9 lookup 77 && "
                          "ip route add 198.51.100.0/24 dev u0 table 77 && ip neigh add 192.0.2.77 dev u0 lladdr "
                          "02:00:00:00:00:77"));
    skr_host_free(world.host);
    world.host = NULL;
    skr_desired_free(world.desired);
    world_open(&world);
    skr_host_remove_unintended(world.host, &removed);
    cr_assert_not(world_shell(LINK_OK) || world_shell(RULE_OK));
    cr_assert(world_shell("test -z \"$(ip route show table " TABLE_1 " 2>/dev/null)\""));
    cr_assert_not(world_shell("ip neigh show | grep -q managed"));
    cr_assert(world_shell("ip -o addr show dev u0 | grep -q 192.0.2.9/24 && ip rule | grep -q 'from 192.0.2.9 lookup "
                          "77' && ip route show table 77 | grep -q 198.51.100.0/24 && ip neigh show 192.0.2.77 | "
                          "grep -q 02:00:00:00:00:77"));
    cr_assert_eq(removed.rules, 1);
    cr_assert_eq(removed.routes, 2);
    cr_assert_eq(removed.neighbors, 1);
    cr_assert_eq(removed.addresses, 1);
    cr_assert_eq(removed.failed, 0);
}
