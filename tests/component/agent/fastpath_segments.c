/* Ports of VLAN and untagged networks and provider addresses on a tagged VLAN, a frame at a time.
 *
 *   uplink u1: VLAN 10 { A 10.9.0.5 on p1, B 10.9.0.6 on p2 }, VLAN 20 { C on p3, any address }, untagged { D on p4 }
 *   own PA 192.168.1.10/24 on u1, VLAN 100; peer 192.168.1.20; VM subnet 5001 with V 10.0.0.5 on p5 and R at the peer
 */
#include "tests/support/agent/programs.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <string.h>

#define OWN_PA  0xc0a8010a
#define PEER_PA 0xc0a80114
#define IP_A    0x0a090005
#define IP_B    0x0a090006
#define IP_V    0x0a000005
#define IP_R    0x0a000006
#define OUTSIDE 0x0a0900c8

static const uint8_t mac_a[6] = {2, 1, 0, 10, 0, 5}, mac_b[6] = {2, 1, 0, 10, 0, 6}, mac_c[6] = {2, 1, 0, 20, 0, 5},
                     mac_d[6] = {2, 1, 0, 0, 0, 7}, mac_v[6] = {2, 1, 0, 0, 0, 5}, mac_r[6] = {2, 1, 0, 0, 0, 6},
                     mac_out[6] = {2, 9, 9, 9, 9, 9}, mac_uplink[6] = {2, 2, 0, 0, 0, 1},
                     mac_peer[6] = {2, 2, 0, 0, 0, 2}, broadcast[6] = {255, 255, 255, 255, 255, 255},
                     bridge_group[6] = {1, 0x80, 0xc2, 0, 0, 0};
static struct programs programs;
static uint32_t p1, p2, p3, p4, p5, u1;
static uint8_t frame[PROGRAMS_FRAME_MAX];
static struct verdict verdict;

static struct skr_abi_address local(uint32_t ifindex)
{
    struct skr_abi_address address = {.bytes = {SKR_FLOOD_LOCAL}};

    address.words[3] = htonl(ifindex);
    return address;
}

static void put_port(uint32_t ifindex, uint32_t vsid, const uint8_t *mac, uint32_t flags)
{
    struct skr_abi_port port = {.vsid = vsid, .flags = flags, .domain = vsid & SKR_SEGMENT ? 0 : 7};
    struct skr_abi_mac_key key = {.vsid = vsid};
    struct skr_abi_mac_record record = {.ifindex = ifindex};

    memcpy(port.mac, mac, 6);
    memcpy(key.mac, mac, 6);
    programs_put(&programs, "ports", &ifindex, &port);
    programs_put(&programs, "records_mac", &key, &record);
}

static void put_address(uint32_t vsid, const uint8_t *mac, struct skr_abi_address address)
{
    struct skr_abi_ca_key key = {.vsid = vsid, .ca = address};
    struct skr_abi_ca_record record = {0};

    memcpy(record.mac, mac, 6);
    programs_put(&programs, "records_ca", &key, &record);
}

static void put_segment(uint32_t segment, uint32_t flags, uint32_t first, uint32_t second)
{
    struct skr_abi_subnet subnet = {.flags = flags, .mtu = 1500};
    uint32_t chain[] = {0, first, second, 0};

    programs_put(&programs, "subnets", &segment, &subnet);
    for (unsigned i = 0; i < 3 && (i == 0 || chain[i]); i++) {
        struct skr_abi_flood_key key = {.vsid = segment, .receiver = local(chain[i])};
        struct skr_abi_flood link = {0};
        if (chain[i + 1])
            link.next = local(chain[i + 1]);
        programs_put(&programs, "flood", &key, &link);
    }
}

static void put_tagged_pa(void)
{
    struct skr_abi_address own = programs_v4(OWN_PA), peer = programs_v4(PEER_PA);
    struct skr_abi_own_pa own_pa = {.ifindex = u1, .vlan_id = 100, .mtu = 1500};
    struct skr_abi_peer_key peer_key = {.domain = 7, .pa = peer};
    struct skr_abi_peer allowed = {0};
    struct skr_abi_route_key subnet = {.prefix_bits = 32 + 120, .destination = programs_v4(OWN_PA & 0xffffff00)};
    struct skr_abi_route route = {0};
    struct skr_abi_subnet vm_subnet = {
            .domain = 7, .gateway = programs_v4(0x0a000001), .source_pa = own, .prefix_length = 120, .mtu = 1458};
    struct skr_abi_mac_key remote = {.vsid = 5001};
    struct skr_abi_mac_record at_peer = {.pa = peer};
    uint32_t vsid = 5001;

    memcpy(remote.mac, mac_r, 6);
    programs_put(&programs, "own_pas", &own, &own_pa);
    programs_put(&programs, "peers", &peer_key, &allowed);
    programs_put(&programs, "routes", &subnet, &route);
    programs_put(&programs, "subnets", &vsid, &vm_subnet);
    programs_put(&programs, "records_mac", &remote, &at_peer);
    put_segment(SKR_SEGMENT_OF(u1, 100), SKR_SUBNET_HOST, 0, 0);
}

static void setup(void)
{
    uint32_t guarded = SKR_PORT_ARP_ND_INSPECTION | SKR_PORT_DHCP_GUARD | SKR_PORT_ROUTER_GUARD;
    uint32_t vlan_10, vlan_20, untagged;

    programs_namespace();
    programs_shell("for i in p1 p2 p3 p4 p5 u1; do ip link add $i type veth peer name x$i && ip link set $i up && "
                   "ip link set x$i up || exit 1; done; ip link set u1 address 02:02:00:00:00:01");
    p1 = if_nametoindex("p1");
    p2 = if_nametoindex("p2");
    p3 = if_nametoindex("p3");
    p4 = if_nametoindex("p4");
    p5 = if_nametoindex("p5");
    u1 = if_nametoindex("u1");
    vlan_10 = SKR_SEGMENT_OF(u1, 10);
    vlan_20 = SKR_SEGMENT_OF(u1, 20);
    untagged = SKR_SEGMENT_OF(u1, 0);
    programs_open(&programs, NULL, true);
    put_segment(vlan_10, 0, p1, p2);
    put_segment(vlan_20, 0, p3, 0);
    put_segment(untagged, 0, p4, 0);
    put_port(p1, vlan_10, mac_a, guarded);
    put_port(p2, vlan_10, mac_b, guarded);
    put_port(p3, vlan_20, mac_c, SKR_PORT_ANY_ADDRESS);
    put_port(p4, untagged, mac_d, SKR_PORT_ANY_ADDRESS);
    put_port(p5, 5001, mac_v, guarded);
    put_address(vlan_10, mac_a, programs_v4(IP_A));
    put_address(vlan_10, mac_b, programs_v4(IP_B));
    put_address(5001, mac_v, programs_v4(IP_V));
    put_address(5001, mac_r, programs_v4(IP_R));
    put_tagged_pa();
}

static void teardown(void)
{
    programs_close(&programs);
}

TestSuite(fastpath_segments, .init = setup, .fini = teardown);

static void run(int program, uint32_t ifindex, size_t length)
{
    programs_run(program, ifindex, frame, length, 0, &verdict);
}

static void expect_drop(int program, uint32_t ifindex, size_t length, uint32_t reason)
{
    uint64_t before = programs_drops(&programs, reason, ifindex);

    run(program, ifindex, length);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_DROP, "verdict %u, reason %u expected", verdict.verdict, reason);
    cr_assert_eq(verdict.reason, reason, "reason %u instead of %u", verdict.reason, reason);
    cr_assert_eq(programs_drops(&programs, reason, ifindex), before + 1);
}

static size_t udp(const uint8_t *destination, const uint8_t *source, uint32_t from, uint32_t to)
{
    return programs_udp(frame, destination, source, from, to, 1000, 2000, 20);
}

/* Puts a tag into the frame as it is on the wire. */
static size_t tagged(size_t length, uint16_t tag)
{
    memmove(frame + 16, frame + 12, length - 12);
    memcpy(frame + 12, (uint8_t[]){0x81, 0, (uint8_t)(tag >> 8), (uint8_t)tag}, 4);
    return length + 4;
}

static void expect_tag(uint32_t uplink, uint16_t tag, size_t length)
{
    cr_assert_eq(verdict.verdict, SKR_VERDICT_UPLINK, "verdict %u, reason %u", verdict.verdict, verdict.reason);
    cr_assert_eq(verdict.action, TC_ACT_REDIRECT);
    cr_assert_eq(verdict.target, uplink);
    cr_assert_eq(verdict.vsid, SKR_SEGMENT_OF(uplink, tag)); /* the tag itself is seen in fastpath_vlans.c */
    cr_assert_eq(verdict.length, length);
    cr_assert_arr_eq(verdict.bytes, frame, length);
}

Test(fastpath_segments, a_port_switches_within_its_vlan)
{
    size_t length = udp(mac_b, mac_a, IP_A, IP_B);

    run(programs.port, p1, length);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL, "reason %u", verdict.reason);
    cr_assert_eq(verdict.target, p2);
    run(programs.port, p1, udp(mac_out, mac_a, IP_A, OUTSIDE));
    expect_tag(u1, 10, length);
    run(programs.port, p3, udp(mac_a, mac_c, IP_A, IP_A)); /* another VLAN's MAC is nobody here */
    expect_tag(u1, 20, length);
    run(programs.port, p1, udp(mac_v, mac_a, IP_A, IP_V)); /* so is a VM subnet's */
    expect_tag(u1, 10, length);
    run(programs.port, p4, udp(mac_out, mac_d, OUTSIDE, IP_A));
    expect_tag(u1, 0, length);
    run(programs.port, p1, udp(broadcast, mac_a, IP_A, 0xffffffff));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    cr_assert_eq(verdict.action, TC_ACT_REDIRECT);
    cr_assert_eq(verdict.target, p2);
    cr_assert_eq(verdict.pa, u1);
    cr_assert_eq(verdict.vsid, SKR_SEGMENT_OF(u1, 10));
    expect_drop(programs.port, p5, udp(mac_a, mac_v, IP_V, IP_A), SKR_DROP_UNKNOWN_DESTINATION);
}

Test(fastpath_segments, what_a_vlan_carries_besides_ipv4)
{
    size_t length = udp(mac_out, mac_c, IP_A, OUTSIDE);

    memcpy(frame + 12, (uint8_t[]){0x88, 0xb5}, 2); /* for experiments, from a port without guards */
    run(programs.port, p3, length);
    expect_tag(u1, 20, length);
    length = programs_arp(frame, broadcast, mac_a, 1, IP_A, OUTSIDE);
    run(programs.port, p1, length);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    cr_assert_eq(verdict.target, p2);
}

Test(fastpath_segments, guards)
{
    size_t length;

    expect_drop(programs.port, p1, udp(mac_b, mac_c, IP_A, IP_B), SKR_DROP_SOURCE_MAC);
    expect_drop(programs.port, p1, udp(mac_b, mac_a, OUTSIDE, IP_B), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(programs.port, p1, udp(mac_b, mac_a, IP_B, IP_B), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(programs.port, p1, programs_arp(frame, broadcast, mac_a, 1, IP_B, OUTSIDE), SKR_DROP_ARP_SPOOFED);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, IP_A, IP_B, 67, 68, 10), SKR_DROP_DHCP_GUARD);
    length = programs_udp(frame, broadcast, mac_a, 0, 0xffffffff, 68, 67, 10);
    frame[42] = 1; /* a request */
    run(programs.port, p1, length);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    length = udp(mac_b, mac_a, IP_A, IP_B);
    frame[23] = 1; /* ICMP router advertisement */
    programs_checksum_frame(frame);
    frame[34] = 9;
    expect_drop(programs.port, p1, length, SKR_DROP_ROUTER_GUARD);
    expect_drop(programs.port, p1, tagged(udp(mac_b, mac_a, IP_A, IP_B), 20), SKR_DROP_GUEST_VLAN_TAG);
    expect_drop(programs.port, p1, udp(bridge_group, mac_a, IP_A, IP_B), SKR_DROP_LINK_LOCAL_GROUP);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, IP_A, IP_B, 1, 2, 1473), SKR_DROP_TOO_BIG);
    run(programs.port, p1, programs_udp(frame, mac_b, mac_a, IP_A, IP_B, 1, 2, 1472));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL);
}

/* Ethernet, IPv6 with one extension header or none, and the first bytes of what follows. */
static size_t ipv6(const uint8_t *source_address, uint8_t extension, uint8_t next, uint8_t type)
{
    uint8_t *at = frame + 14;

    memset(frame, 0, 120);
    memcpy(frame, mac_b, 6);
    memcpy(frame + 6, mac_a, 6);
    memcpy(frame + 12, (uint8_t[]){0x86, 0xdd, 0x60}, 3);
    at[6] = extension ? extension : next;
    at[7] = 255;
    memcpy(at + 8, source_address, 16);
    at[24] = 0xfe;
    at[25] = 0x80;
    at += 40;
    if (extension) {
        at[0] = next;
        at += 8;
    }
    at[0] = type;
    memcpy(at + 8, source_address, 16);
    return 120;
}

Test(fastpath_segments, guards_of_ipv6)
{
    static const uint8_t link_local[16] = {0xfe, 0x80, [8] = 0, 1, 0, 0xff, 0xfe, 10, 0, 5},
                         own[16] = {0x20, 1, 0xd, 0xb8, [15] = 5}, other[16] = {0x20, 1, 0xd, 0xb8, [15] = 6};
    struct skr_abi_address held;
    size_t length;

    memcpy(held.bytes, own, 16);
    put_address(SKR_SEGMENT_OF(u1, 10), mac_a, held);
    run(programs.port, p1, ipv6(own, 0, 58, 128));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL, "reason %u", verdict.reason);
    run(programs.port, p1, ipv6(link_local, 0, 58, 136)); /* advertises itself */
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL);
    expect_drop(programs.port, p1, ipv6(other, 0, 58, 128), SKR_DROP_SOURCE_ADDRESS);
    length = ipv6(link_local, 0, 58, 136);
    memcpy(frame + 62, other, 16);
    expect_drop(programs.port, p1, length, SKR_DROP_ARP_SPOOFED);
    expect_drop(programs.port, p1, ipv6(link_local, 0, 58, 134), SKR_DROP_ROUTER_GUARD);
    expect_drop(programs.port, p1, ipv6(link_local, 60, 58, 134), SKR_DROP_ROUTER_GUARD);
    expect_drop(programs.port, p1, ipv6(link_local, 44, 58, 134), SKR_DROP_ROUTER_GUARD);
    length = ipv6(link_local, 0, 17, 0);
    memcpy(frame + 54, (uint8_t[]){547 >> 8, 547 & 0xff, 546 >> 8, 546 & 0xff}, 4);
    expect_drop(programs.port, p1, length, SKR_DROP_DHCP_GUARD);
    length = ipv6(link_local, 60, 58, 134);
    frame[55] = 255; /* an extension that is longer than the packet */
    expect_drop(programs.port, p1, length, SKR_DROP_TRUNCATED);
}

Test(fastpath_segments, provider_addresses_are_out_of_reach)
{
    expect_drop(programs.port, p3, udp(mac_out, mac_c, OUTSIDE, OWN_PA), SKR_DROP_PROVIDER_SUBNET);
    expect_drop(programs.port, p4, udp(mac_out, mac_d, PEER_PA + 1, OUTSIDE), SKR_DROP_PROVIDER_SUBNET);
    expect_drop(programs.port, p4, programs_arp(frame, broadcast, mac_d, 1, OUTSIDE, PEER_PA),
                SKR_DROP_PROVIDER_SUBNET);
}

Test(fastpath_segments, a_closed_port)
{
    put_port(p1, 0, mac_a, SKR_PORT_CLOSED);
    expect_drop(programs.port, p1, udp(mac_b, mac_a, IP_A, IP_B), SKR_DROP_PORT_CLOSED);
    expect_drop(programs.port, p2, udp(mac_a, mac_b, IP_B, IP_A), SKR_DROP_PORT_CLOSED);
    put_port(p5, 0, mac_v, SKR_PORT_CLOSED);
    expect_drop(programs.port, p5, udp(mac_r, mac_v, IP_V, IP_R), SKR_DROP_PORT_CLOSED);
}

Test(fastpath_segments, priorities)
{
    size_t length = udp(mac_out, mac_a, IP_A, OUTSIDE);

    /* BPF_PROG_TEST_RUN leaves a tag in the frame, where a guest's is refused; none can be put beside it. */
    expect_drop(programs.port, p1, tagged(length, 0xa000), SKR_DROP_GUEST_VLAN_TAG);
    run(programs.uplink, u1, tagged(udp(mac_d, mac_out, IP_A, OUTSIDE), 0xa000)); /* a priority and no VLAN */
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL);
    cr_assert_eq(verdict.target, p4);
}

Test(fastpath_segments, the_uplink_delivers)
{
    size_t length = udp(mac_a, mac_out, OUTSIDE, IP_A);
    uint8_t plain[200];

    memcpy(plain, frame, length);
    run(programs.uplink, u1, tagged(length, 10));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL, "reason %u", verdict.reason);
    cr_assert_eq(verdict.target, p1);
    cr_assert_eq(verdict.length, length);
    cr_assert_arr_eq(verdict.bytes, plain, length);
    run(programs.uplink, u1, udp(mac_d, mac_out, OUTSIDE, IP_A));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL);
    cr_assert_eq(verdict.target, p4);
    run(programs.uplink, u1, tagged(udp(broadcast, mac_out, OUTSIDE, 0xffffffff), 10));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    cr_assert_eq(verdict.target, p1 + p2);
    cr_assert_eq(verdict.action, TC_ACT_UNSPEC);
    run(programs.uplink, u1, udp(broadcast, mac_out, OUTSIDE, 0xffffffff));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    cr_assert_eq(verdict.target, p4);
    cr_assert_eq(verdict.action, TC_ACT_UNSPEC, "the host's stack has it too");
}

static void expect_untouched(size_t length)
{
    run(programs.uplink, u1, length);
    cr_assert_eq(verdict.action, TC_ACT_UNSPEC);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_PASS);
    if (!verdict.vsid)
        cr_assert_arr_eq(verdict.bytes, frame, length);
}

Test(fastpath_segments, the_uplink_passes_what_is_not_ours)
{
    expect_untouched(tagged(udp(mac_a, mac_out, OUTSIDE, IP_A), 30));
    expect_untouched(tagged(udp(mac_a, mac_out, OUTSIDE, IP_A), 20)); /* A is not in this VLAN */
    expect_untouched(udp(mac_a, mac_out, OUTSIDE, IP_A));
    expect_untouched(udp(bridge_group, mac_out, OUTSIDE, IP_A));
    expect_untouched(tagged(udp(bridge_group, mac_out, OUTSIDE, IP_A), 10));
    size_t length = udp(mac_d, mac_out, OUTSIDE, IP_A);
    memcpy(frame + 12, (uint8_t[]){0x88, 0xa8, 0, 10}, 4); /* 802.1ad */
    run(programs.uplink, u1, length);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL, "untagged, as far as 802.1Q goes");
    cr_assert_arr_eq(verdict.bytes, frame, length);
}

static size_t tunnel(uint32_t source_pa)
{
    uint8_t inner[200];
    size_t length = programs_udp(inner, mac_v, mac_r, IP_R, IP_V, 1, 2, 10);

    return programs_nvgre(frame, mac_uplink, mac_peer, source_pa, OWN_PA, 5001, inner, length);
}

Test(fastpath_segments, tunnels_of_a_tagged_site)
{
    size_t length = tunnel(PEER_PA);

    expect_drop(programs.uplink, u1, length, SKR_DROP_WRONG_UPLINK);
    expect_drop(programs.uplink, u1, tagged(length, 0), SKR_DROP_WRONG_UPLINK);
    run(programs.uplink, u1, tagged(tunnel(PEER_PA), 0xa064)); /* VLAN 100, with a priority */
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL, "reason %u", verdict.reason);
    cr_assert_eq(verdict.target, p5);
    cr_assert_eq(verdict.length, length - 42);
    put_segment(SKR_SEGMENT_OF(u1, 10), SKR_SUBNET_HOST, p1, p2);
    expect_drop(programs.uplink, u1, tagged(tunnel(PEER_PA), 10), SKR_DROP_WRONG_UPLINK);
    expect_drop(programs.uplink, u1, tagged(tunnel(PEER_PA + 1), 100), SKR_DROP_NOT_A_MEMBER);
}

static void expect_for_host(size_t length, bool taken)
{
    run(programs.uplink, u1, tagged(length, 100));
    cr_assert_eq(verdict.action, TC_ACT_UNSPEC, "verdict %u reason %u", verdict.verdict, verdict.reason);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_PASS);
    cr_assert_eq(verdict.vsid, taken ? 0 : SKR_SEGMENT_OF(u1, 100));
    cr_assert_eq(verdict.length, length);
}

Test(fastpath_segments, the_host_on_a_tagged_site)
{
    expect_for_host(udp(mac_uplink, mac_peer, PEER_PA, OWN_PA), true);
    expect_for_host(programs_arp(frame, broadcast, mac_peer, 1, PEER_PA, OWN_PA), true);
    expect_for_host(programs_arp(frame, broadcast, mac_peer, 1, PEER_PA, PEER_PA), true); /* announces itself */
    expect_for_host(programs_arp(frame, broadcast, mac_peer, 1, PEER_PA, OWN_PA + 1), false);
    expect_for_host(udp(mac_uplink, mac_peer, PEER_PA, 0x0a0b0c0d), false); /* another address of the host */
    expect_for_host(udp(broadcast, mac_peer, PEER_PA, 0xffffffff), false);
}

static void expect_egress(uint32_t ifindex, size_t length, uint32_t vlan)
{
    run(programs.egress, ifindex, length);
    cr_assert_eq(verdict.action, TC_ACT_UNSPEC);
    cr_assert_eq(verdict.verdict, vlan ? SKR_VERDICT_UPLINK : 0);
    cr_assert_eq(verdict.vsid, vlan ? SKR_SEGMENT_OF(ifindex, vlan) : 0);
    cr_assert_arr_eq(verdict.bytes, frame, length);
}

Test(fastpath_segments, egress_tags_what_the_provider_address_says)
{
    expect_egress(u1, udp(mac_peer, mac_uplink, OWN_PA, PEER_PA), 100);
    expect_egress(u1, programs_arp(frame, broadcast, mac_uplink, 1, OWN_PA, PEER_PA), 100);
    expect_egress(p1, udp(mac_peer, mac_uplink, OWN_PA, PEER_PA), 0); /* not its uplink */
    expect_egress(u1, udp(mac_peer, mac_uplink, 0x0a0b0c0d, PEER_PA), 0);
    expect_egress(u1, tagged(udp(mac_peer, mac_uplink, OWN_PA, PEER_PA), 30), 0);
}

Test(fastpath_segments, abi)
{
    uint32_t segment = SKR_SEGMENT_OF(SKR_SEGMENT_IFINDEX_MAX, 4094);

    cr_assert_gt(SKR_SEGMENT_OF(1, 0), SKR_VSID_MAX);
    cr_assert_eq(SKR_SEGMENT_IFINDEX(segment), SKR_SEGMENT_IFINDEX_MAX);
    cr_assert_eq(SKR_SEGMENT_VLAN(segment), 4094);
}
