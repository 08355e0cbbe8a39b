/* The programs, a frame at a time: what they answer, where they send, what they refuse and under which reason.
 *
 *   domain 7: subnet 5001 = 10.0.0.0/24 { A .5 on p1, B .6 on p2, R .9 at host 192.168.2.20 }
 *             subnet 5002 = 10.0.1.0/24 { C .5 on p3, S .9 at host 192.168.2.20, U .7 here without interface }
 *   domain 8: subnet 6001 = 10.0.0.0/24 { D .5 on p4 }             own PA 192.168.1.10 on u1 */
#include "tests/support/agent/programs.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <string.h>

#define OWN_PA      0xc0a8010a
#define PEER_PA     0xc0a80214
#define STRANGER_PA 0xc0a80215
#define IP_A        0x0a000005
#define IP_B        0x0a000006
#define IP_R        0x0a000009
#define IP_C        0x0a000105
#define IP_S        0x0a000109
#define GATEWAY     0x0a000001

static const uint8_t mac_a[6] = {2, 1, 0, 0, 0, 5}, mac_b[6] = {2, 1, 0, 0, 0, 6}, mac_c[6] = {2, 1, 0, 0, 1, 5},
                     mac_d[6] = {2, 1, 0, 8, 0, 5}, mac_r[6] = {2, 1, 0, 0, 0, 9}, mac_s[6] = {2, 1, 0, 0, 1, 9},
                     mac_u[6] = {2, 1, 0, 0, 1, 7}, mac_nobody[6] = {2, 9, 9, 9, 9, 9},
                     mac_uplink[6] = {2, 2, 0, 0, 0, 1}, mac_router[6] = {2, 2, 0, 0, 0, 2},
                     broadcast[6] = {255, 255, 255, 255, 255, 255}, gateway_mac[6] = SKR_GATEWAY_MAC_BYTES;
static struct programs programs;
static uint32_t p1, p2, p3, p4, u1;
static uint8_t frame[PROGRAMS_FRAME_MAX];
static struct verdict verdict;

static void put_port(uint32_t ifindex, uint32_t domain, uint32_t vsid, const uint8_t *mac, uint32_t flags)
{
    struct skr_abi_port port = {.domain = domain, .vsid = vsid, .flags = flags};

    memcpy(port.mac, mac, 6);
    programs_put(&programs, "ports", &ifindex, &port);
}

static void put_record(uint32_t vsid, uint32_t ip, const uint8_t *mac, uint32_t pa, uint32_t ifindex)
{
    struct skr_abi_mac_key mac_key = {.vsid = vsid};
    struct skr_abi_mac_record mac_record = {.ifindex = ifindex};
    struct skr_abi_ca_key ca_key = {.vsid = vsid, .ca = programs_v4(ip)};
    struct skr_abi_ca_record ca_record = {0};

    if (pa)
        mac_record.pa = programs_v4(pa);
    memcpy(mac_key.mac, mac, 6);
    memcpy(ca_record.mac, mac, 6);
    programs_put(&programs, "records_mac", &mac_key, &mac_record);
    programs_put(&programs, "records_ca", &ca_key, &ca_record);
}

static void put_subnet(uint32_t vsid, uint32_t domain, uint32_t gateway, uint32_t flags)
{
    struct skr_abi_subnet subnet = {.domain = domain,
                                    .flags = flags,
                                    .gateway = programs_v4(gateway),
                                    .source_pa = programs_v4(OWN_PA),
                                    .prefix_length = 120,
                                    .mtu = 1458};
    struct skr_abi_route_key key = {.prefix_bits = 32 + 120, .domain = htonl(domain)};
    struct skr_abi_route route = {.vsid = vsid};

    key.destination = programs_v4(gateway & 0xffffff00);
    programs_put(&programs, "subnets", &vsid, &subnet);
    programs_put(&programs, "routes", &key, &route);
}

static void put_flood(uint32_t vsid, struct skr_abi_address at, struct skr_abi_address next)
{
    struct skr_abi_flood_key key = {.vsid = vsid, .receiver = at};
    struct skr_abi_flood link = {.next = next};

    programs_put(&programs, "flood", &key, &link);
}

static struct skr_abi_address flood_local(uint32_t ifindex)
{
    struct skr_abi_address address = {.bytes = {SKR_FLOOD_LOCAL}};

    address.words[3] = htonl(ifindex);
    return address;
}

static void put_fabric(void)
{
    struct skr_abi_address own = programs_v4(OWN_PA), remote = programs_v4(PEER_PA), none = {0};
    struct skr_abi_own_pa own_pa = {.ifindex = u1, .mtu = 1500};
    struct skr_abi_peer_key peer = {.domain = 7, .pa = remote};
    struct skr_abi_peer allowed = {0};
    struct skr_abi_neighbor neighbor = {.ifindex = u1};

    memcpy(neighbor.source_mac, mac_uplink, 6);
    memcpy(neighbor.destination_mac, mac_router, 6);
    programs_put(&programs, "own_pas", &own, &own_pa);
    programs_put(&programs, "peers", &peer, &allowed);
    programs_put(&programs, "neighbors", &remote, &neighbor);
    put_flood(5001, none, remote);
    put_flood(5001, remote, none);
    put_flood(5001, flood_local(0), flood_local(p1));
    put_flood(5001, flood_local(p1), flood_local(p2));
    put_flood(5001, flood_local(p2), none);
}

static void setup(bool probe)
{
    static const uint32_t guarded = SKR_PORT_ARP_ND_INSPECTION | SKR_PORT_DHCP_GUARD | SKR_PORT_ROUTER_GUARD;

    programs_namespace();
    programs_shell("for i in p1 p2 p3 p4 u1; do ip link add $i type veth peer name x$i && ip link set $i up && "
                   "ip link set x$i up || exit 1; done; ip link set u1 address 02:02:00:00:00:01");
    p1 = if_nametoindex("p1");
    p2 = if_nametoindex("p2");
    p3 = if_nametoindex("p3");
    p4 = if_nametoindex("p4");
    u1 = if_nametoindex("u1");
    programs_open(&programs, NULL, probe);
    put_subnet(5001, 7, GATEWAY, 0);
    put_subnet(5002, 7, GATEWAY + 0x100, 0);
    put_subnet(6001, 8, GATEWAY, 0);
    put_port(p1, 7, 5001, mac_a, guarded);
    put_port(p2, 7, 5001, mac_b, guarded);
    put_port(p3, 7, 5002, mac_c, guarded);
    put_port(p4, 8, 6001, mac_d, guarded);
    put_record(5001, IP_A, mac_a, OWN_PA, p1);
    put_record(5001, IP_B, mac_b, OWN_PA, p2);
    put_record(5001, IP_R, mac_r, PEER_PA, 0);
    put_record(5002, IP_C, mac_c, OWN_PA, p3);
    put_record(5002, IP_S, mac_s, PEER_PA, 0);
    put_record(5002, 0x0a000107, mac_u, OWN_PA, 0);
    put_record(6001, IP_A, mac_d, OWN_PA, p4);
    put_fabric();
}

static void setup_probe(void)
{
    setup(true);
}

static void setup_real(void)
{
    setup(false);
}

static void teardown(void)
{
    programs_close(&programs);
}

TestSuite(fastpath_programs, .init = setup_probe, .fini = teardown);
TestSuite(fastpath_programs_real, .init = setup_real, .fini = teardown);

static void from_guest(uint32_t ifindex, size_t length)
{
    programs_run(programs.port, ifindex, frame, length, 0, &verdict);
}

static void expect_drop(int program, uint32_t ifindex, size_t length, uint32_t reason)
{
    uint64_t before = programs_drops(&programs, reason, ifindex);

    programs_run(program, ifindex, frame, length, 0, &verdict);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_DROP, "verdict %u, reason %u expected", verdict.verdict, reason);
    cr_assert_eq(verdict.reason, reason, "reason %u instead of %u", verdict.reason, reason);
    cr_assert_eq(verdict.action, TC_ACT_SHOT);
    cr_assert_eq(programs_drops(&programs, reason, ifindex), before + 1);
}

static size_t udp_a_to(const uint8_t *mac, uint32_t ip, size_t payload)
{
    return programs_udp(frame, mac, mac_a, IP_A, ip, 1000, 2000, payload);
}

/* RFC 7637, figure 1: outer Ethernet, IPv4 with protocol 0x2f, GRE 0x2000 0x6558, VSID and FlowID, inner Ethernet. */
Test(fastpath_programs, nvgre_bytes)
{
    size_t length = udp_a_to(mac_r, IP_R, 10);
    uint8_t expected[14 + 20 + 8] = {2, 2, 0, 0, 0, 2, 2, 2, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 47};
    struct iphdr ip;

    frame[15] = 0xb8; /* expedited forwarding, to be seen outside */
    memcpy(&ip, frame + 14, sizeof(ip));
    programs_checksum(&ip);
    memcpy(frame + 14, &ip, sizeof(ip));
    from_guest(p1, length);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_REMOTE, "reason %u", verdict.reason);
    cr_assert_eq(verdict.action, TC_ACT_REDIRECT);
    cr_assert_eq(verdict.target, u1);
    cr_assert_eq(verdict.pa, htonl(PEER_PA));
    cr_assert_eq(verdict.length, length + 42);
    expected[15] = 0xb8;
    expected[17] = (uint8_t)(20 + 8 + length);
    memcpy(expected + 26, (uint32_t[]){htonl(OWN_PA), htonl(PEER_PA)}, 8);
    memcpy(&ip, expected + 14, sizeof(ip));
    programs_checksum(&ip);
    memcpy(expected + 14, &ip, sizeof(ip));
    memcpy(expected + 34, (uint8_t[]){0x20, 0, 0x65, 0x58, 0, 0x13, 0x89}, 7);
    expected[41] = verdict.bytes[41]; /* FlowID: any, but the same for this flow */
    cr_assert_arr_eq(verdict.bytes, expected, sizeof(expected));
    cr_assert_arr_eq(verdict.bytes + 42, frame, length);
    length = udp_a_to(mac_r, IP_R, 400);
    from_guest(p1, length);
    cr_assert_eq(verdict.bytes[41], expected[41]);
}

Test(fastpath_programs, flow_id_spreads_flows)
{
    bool seen[256] = {false};
    unsigned distinct = 0;

    for (uint16_t port = 1; port <= 256; port++) {
        size_t length = programs_udp(frame, mac_r, mac_a, IP_A, IP_R, port, 80, 10);
        from_guest(p1, length);
        distinct += !seen[verdict.bytes[41]];
        seen[verdict.bytes[41]] = true;
    }
    cr_assert_gt(distinct, 128, "%u", distinct);
}

/* RFC 7348: UDP to 4789 without checksum, flags 0x08, VNI. */
Test(fastpath_programs, vxlan_bytes)
{
    size_t length = udp_a_to(mac_r, IP_R, 10);
    uint8_t vxlan[] = {8, 0, 0, 0, 0, 0x13, 0x89, 0};

    put_subnet(5001, 7, GATEWAY, SKR_SUBNET_VXLAN);
    from_guest(p1, length);
    cr_assert_eq(verdict.length, length + 50);
    cr_assert_eq(verdict.bytes[23], 17);
    cr_assert_geq(verdict.bytes[34], 0xc0);
    cr_assert_arr_eq(verdict.bytes + 36, ((uint8_t[]){0x12, 0xb5, 0, (uint8_t)(16 + length), 0, 0}), 6);
    cr_assert_arr_eq(verdict.bytes + 42, vxlan, sizeof(vxlan));
    cr_assert_arr_eq(verdict.bytes + 50, frame, length);
    /* And back: the same bytes addressed to us. */
    memcpy(frame, verdict.bytes, verdict.length);
}

Test(fastpath_programs, arp_is_answered)
{
    size_t length = programs_arp(frame, broadcast, mac_a, 1, IP_A, IP_R);

    from_guest(p1, length);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_REPLY);
    cr_assert_eq(verdict.target, p1);
    cr_assert_arr_eq(verdict.bytes, mac_a, 6);
    cr_assert_arr_eq(verdict.bytes + 6, mac_r, 6);
    cr_assert_arr_eq(verdict.bytes + 20, ((uint8_t[]){0, 2, 2, 1, 0, 0, 0, 9, 10, 0, 0, 9}), 12);
    cr_assert_arr_eq(verdict.bytes + 32, mac_a, 6);
    cr_assert_arr_eq(verdict.bytes + 38, ((uint8_t[]){10, 0, 0, 5}), 4);
    from_guest(p1, programs_arp(frame, broadcast, mac_a, 1, IP_A, GATEWAY));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_REPLY);
    cr_assert_arr_eq(verdict.bytes + 22, gateway_mac, 6);
}

/* RFC 5227: a probe for another's address is answered, for the own one never; an announcement is passed on. */
Test(fastpath_programs, arp_probes_and_announcements)
{
    from_guest(p1, programs_arp(frame, broadcast, mac_a, 1, 0, IP_R));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_REPLY);
    from_guest(p1, programs_arp(frame, broadcast, mac_a, 1, 0, IP_A));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_CONSUMED);
    from_guest(p1, programs_arp(frame, broadcast, mac_a, 1, IP_A, IP_A));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    cr_assert_eq(verdict.target, p2);
    cr_assert_eq(verdict.pa, htonl(PEER_PA));
    expect_drop(programs.port, p1, programs_arp(frame, broadcast, mac_a, 1, IP_A, 0x0a0000c8),
                SKR_DROP_UNKNOWN_DESTINATION);
    put_subnet(5001, 7, GATEWAY, SKR_SUBNET_LEARNS);
    from_guest(p1, programs_arp(frame, broadcast, mac_a, 1, IP_A, 0x0a0000c8));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
}

Test(fastpath_programs, local_delivery)
{
    size_t length = udp_a_to(mac_b, IP_B, 10);

    from_guest(p1, length);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL);
    cr_assert_eq(verdict.target, p2);
    cr_assert_eq(verdict.length, length);
    cr_assert_arr_eq(verdict.bytes, frame, length);
}

static void expect_routed(uint32_t ip, uint32_t expected_verdict, size_t offset, const uint8_t *mac)
{
    size_t length = udp_a_to(gateway_mac, ip, 10);
    struct iphdr ip_header;

    from_guest(p1, length);
    cr_assert_eq(verdict.verdict, expected_verdict, "reason %u", verdict.reason);
    cr_assert_eq(verdict.vsid, 5002);
    cr_assert_arr_eq(verdict.bytes + offset, mac, 6);
    cr_assert_arr_eq(verdict.bytes + offset + 6, gateway_mac, 6);
    memcpy(&ip_header, frame + 14, sizeof(ip_header));
    ip_header.ttl = 63;
    programs_checksum(&ip_header);
    cr_assert_arr_eq(verdict.bytes + offset + 14, &ip_header, sizeof(ip_header));
}

Test(fastpath_programs, routing)
{
    expect_routed(IP_C, SKR_VERDICT_LOCAL, 0, mac_c);
    expect_routed(IP_S, SKR_VERDICT_REMOTE, 42, mac_s);
    cr_assert_arr_eq(verdict.bytes + 38, ((uint8_t[]){0, 0x13, 0x8a}), 3);
}

Test(fastpath_programs, customer_route)
{
    struct skr_abi_route_key key = {
            .prefix_bits = 32 + 96 + 12, .domain = htonl(7), .destination = programs_v4(0xac100000)};
    struct skr_abi_route route = {.vsid = 5002, .next_hop = programs_v4(IP_C)};

    programs_put(&programs, "routes", &key, &route);
    expect_routed(0xac100505, SKR_VERDICT_LOCAL, 0, mac_c);
    /* And what the next hop forwards from there is let in, from nobody else. */
    from_guest(p3, programs_udp(frame, gateway_mac, mac_c, 0xac100505, IP_A, 1, 2, 10));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL, "reason %u", verdict.reason);
    cr_assert_eq(verdict.target, p1);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, 0xac100505, IP_B, 1, 2, 10),
                SKR_DROP_SOURCE_ADDRESS);
    expect_drop(programs.port, p3, programs_udp(frame, gateway_mac, mac_c, 0xac200505, IP_A, 1, 2, 10),
                SKR_DROP_SOURCE_ADDRESS);
}

Test(fastpath_programs, gateway_answers_ping)
{
    static const uint32_t gateways[] = {GATEWAY, GATEWAY + 0x100};

    for (unsigned i = 0; i < 2; i++) {
        size_t length = programs_udp(frame, gateway_mac, mac_a, IP_A, gateways[i], 0, 0, 20);
        uint8_t echo[28] = {8, 0, 0, 0, 0x12, 0x34, 0, 1};
        uint32_t sum = 0;

        frame[23] = 1; /* ICMP instead of UDP */
        programs_checksum_frame(frame);
        memcpy(frame + 34, echo, sizeof(echo));
        for (unsigned word = 0; word < 14; word++)
            sum += (uint32_t)(frame[34 + 2 * word] << 8 | frame[35 + 2 * word]);
        sum = ~((sum & 0xffff) + (sum >> 16));
        frame[36] = (uint8_t)(sum >> 8);
        frame[37] = (uint8_t)sum;
        from_guest(p1, length);
        cr_assert_eq(verdict.verdict, SKR_VERDICT_REPLY, "reason %u", verdict.reason);
        cr_assert_arr_eq(verdict.bytes, mac_a, 6);
        cr_assert_eq(verdict.bytes[34], 0);
        sum = 0;
        for (unsigned word = 0; word < 14; word++)
            sum += (uint32_t)(verdict.bytes[34 + 2 * word] << 8 | verdict.bytes[35 + 2 * word]);
        cr_assert_eq((uint16_t)((sum & 0xffff) + (sum >> 16)), 0xffff);
        cr_assert_arr_eq(verdict.bytes + 30, ((uint8_t[]){10, 0, 0, 5}), 4);
    }
    expect_drop(programs.port, p1, udp_a_to(gateway_mac, GATEWAY, 10), SKR_DROP_GATEWAY_PROTOCOL);
}

Test(fastpath_programs, guards)
{
    size_t length;
    uint8_t tagged[] = {0x81, 0, 0, 100};

    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_r, IP_A, IP_B, 1, 2, 10), SKR_DROP_SOURCE_MAC);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, IP_R, IP_B, 1, 2, 10), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, GATEWAY, IP_B, 1, 2, 10), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, 0, IP_B, 1, 2, 10), SKR_DROP_SOURCE_ADDRESS);
    length = programs_udp(frame, broadcast, mac_a, 0, 0xffffffff, 68, 67, 10);
    frame[42] = 1; /* a request */
    from_guest(p1, length);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    expect_drop(programs.port, p1, programs_arp(frame, broadcast, mac_a, 1, IP_R, IP_B), SKR_DROP_ARP_SPOOFED);
    expect_drop(programs.port, p1, programs_arp(frame, broadcast, mac_a, 1, GATEWAY, GATEWAY), SKR_DROP_ARP_SPOOFED);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, IP_A, IP_B, 67, 68, 10), SKR_DROP_DHCP_GUARD);
    length = udp_a_to(mac_b, IP_B, 10);
    frame[23] = 1; /* ICMP router advertisement */
    programs_checksum_frame(frame);
    frame[34] = 9;
    expect_drop(programs.port, p1, length, SKR_DROP_ROUTER_GUARD);
    length = udp_a_to(mac_b, IP_B, 10);
    memmove(frame + 16, frame + 12, length - 12);
    memcpy(frame + 12, tagged, sizeof(tagged));
    expect_drop(programs.port, p1, length + 4, SKR_DROP_GUEST_VLAN_TAG);
    length = udp_a_to(mac_b, IP_B, 40);
    memcpy(frame + 12, (uint8_t[]){0x86, 0xdd}, 2);
    expect_drop(programs.port, p1, length, SKR_DROP_NOT_IPV4);
    frame[20] = 58;
    frame[54] = 134;
    expect_drop(programs.port, p1, length, SKR_DROP_ROUTER_GUARD);
}

Test(fastpath_programs, learning_ports_may_choose)
{
    put_port(p1, 7, 5001, mac_a, SKR_PORT_ARP_ND_INSPECTION | SKR_PORT_GUEST_SPECIFIED_IPS);
    from_guest(p1, programs_udp(frame, mac_b, mac_a, 0x0a000063, IP_B, 1, 2, 10));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, GATEWAY, IP_B, 1, 2, 10), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, IP_B, IP_B, 1, 2, 10), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, 0x0b000001, IP_B, 1, 2, 10),
                SKR_DROP_SOURCE_ADDRESS);
    expect_drop(programs.port, p1, programs_udp(frame, mac_b, mac_a, 0x0a0000ff, IP_B, 1, 2, 10),
                SKR_DROP_SOURCE_ADDRESS);
}

Test(fastpath_programs, port_drops)
{
    uint32_t vsid = 6001;
    size_t length;

    expect_drop(programs.port, u1, udp_a_to(mac_b, IP_B, 10), SKR_DROP_UNKNOWN_PORT);
    expect_drop(programs.port, p1, udp_a_to(mac_nobody, IP_B, 10), SKR_DROP_UNKNOWN_DESTINATION);
    expect_drop(programs.port, p1, udp_a_to(gateway_mac, 0x08080808, 10), SKR_DROP_NO_ROUTE);
    expect_drop(programs.port, p1, udp_a_to(gateway_mac, 0x0a000107, 10), SKR_DROP_UNBOUND);
    length = udp_a_to(gateway_mac, IP_C, 10);
    frame[22] = 1;
    programs_checksum_frame(frame);
    expect_drop(programs.port, p1, length, SKR_DROP_TTL_EXCEEDED);
    expect_drop(programs.port, p1, udp_a_to(mac_r, IP_R, 1458 - 27), SKR_DROP_TOO_BIG);
    from_guest(p1, udp_a_to(mac_r, IP_R, 1458 - 28));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_REMOTE);
    length = udp_a_to(mac_r, IP_R, 10);
    frame[17] = 200;
    expect_drop(programs.port, p1, length, SKR_DROP_TRUNCATED);
    expect_drop(programs.port, p1, udp_a_to((uint8_t[]){1, 0x80, 0xc2, 0, 0, 0xe}, IP_R, 10),
                SKR_DROP_LINK_LOCAL_GROUP);
    put_record(5001, IP_B, mac_b, OWN_PA, p4);
    expect_drop(programs.port, p1, udp_a_to(mac_b, IP_B, 10), SKR_DROP_INTERNAL);
    programs_remove(&programs, "subnets", &vsid);
    expect_drop(programs.port, p4, programs_udp(frame, mac_b, mac_d, IP_A, IP_B, 1, 2, 10), SKR_DROP_NO_SUBNET);
    put_record(5001, IP_R, mac_r, 0, 0);
    expect_drop(programs.port, p1, udp_a_to(mac_r, IP_R, 10), SKR_DROP_NO_PROVIDER_ADDRESS);
}

Test(fastpath_programs, flood_needs_neighbors)
{
    struct skr_abi_address remote = programs_v4(PEER_PA);

    programs_remove(&programs, "neighbors", &remote);
    from_guest(p1, udp_a_to(broadcast, 0xffffffff, 10));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    cr_assert_eq(verdict.pa, 0);
    cr_assert_eq(programs_drops(&programs, SKR_DROP_NO_NEIGHBOR, p1), 1);
    put_flood(5001, remote, programs_v4(STRANGER_PA)); /* leads nowhere */
    from_guest(p1, udp_a_to(broadcast, 0xffffffff, 10));
    cr_assert_eq(programs_drops(&programs, SKR_DROP_NO_NEIGHBOR, p1), 2);
    programs_remove(&programs, "flood", &(struct skr_abi_flood_key){.vsid = 5001, .receiver = flood_local(p2)});
    from_guest(p1, udp_a_to(broadcast, 0xffffffff, 10));
    cr_assert_eq(programs_drops(&programs, SKR_DROP_FLOOD_INCOMPLETE, p1), 1);
}

static size_t from_wire(uint32_t source_pa, uint32_t vsid, const uint8_t *destination, const uint8_t *source)
{
    uint8_t inner[200];
    size_t length = programs_udp(inner, destination, source, source == mac_s ? IP_S : IP_R, IP_A, 1, 2, 10);

    return programs_nvgre(frame, mac_uplink, mac_router, source_pa, OWN_PA, vsid, inner, length);
}

Test(fastpath_programs, decapsulation)
{
    size_t length = from_wire(PEER_PA, 5001, mac_a, mac_r);

    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL, "reason %u", verdict.reason);
    cr_assert_eq(verdict.target, p1);
    cr_assert_eq(verdict.length, length - 42);
    cr_assert_arr_eq(verdict.bytes, frame + 42, length - 42);
    programs_run(programs.uplink, u1, frame, from_wire(PEER_PA, 5001, broadcast, mac_r), 0, &verdict);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    cr_assert_eq(verdict.target, p1 + p2);
    programs_run(programs.uplink, u1, frame, from_wire(PEER_PA, 5002, mac_c, gateway_mac), 0, &verdict);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL);
    cr_assert_eq(verdict.target, p3);
}

/* ARP in IPv4: the frame must come out with its own protocol, which the bytes alone do not show. */
Test(fastpath_programs, decapsulation_of_arp)
{
    uint8_t inner[64];
    size_t length = programs_arp(inner, mac_a, mac_r, 2, IP_R, IP_A);

    length = programs_nvgre(frame, mac_uplink, mac_router, PEER_PA, OWN_PA, 5001, inner, length);
    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL);
    cr_assert_eq(verdict.length, 42);
    cr_assert_arr_eq(verdict.bytes, inner, 42);
}

Test(fastpath_programs, congestion_is_carried_over)
{
    size_t length = from_wire(PEER_PA, 5001, mac_a, mac_r);
    struct iphdr ip;

    frame[15] = 3;
    expect_drop(programs.uplink, u1, length, SKR_DROP_CONGESTION_MARK);
    frame[42 + 15] = 2; /* the inner sender can be told */
    memcpy(&ip, frame + 42 + 14, sizeof(ip));
    programs_checksum(&ip);
    memcpy(frame + 42 + 14, &ip, sizeof(ip));
    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL);
    ip.tos = 3;
    programs_checksum(&ip);
    cr_assert_arr_eq(verdict.bytes + 14, &ip, sizeof(ip));
}

Test(fastpath_programs, uplink_passes_what_is_not_ours)
{
    size_t length = programs_udp(frame, mac_uplink, mac_router, PEER_PA, OWN_PA, 1, 2, 10);

    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    cr_assert_eq(verdict.action, TC_ACT_UNSPEC);
    length = programs_arp(frame, broadcast, mac_router, 1, PEER_PA, OWN_PA);
    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    cr_assert_eq(verdict.action, TC_ACT_UNSPEC);
    length = from_wire(PEER_PA, 5001, mac_a, mac_r);
    frame[33]++; /* another destination */
    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    cr_assert_eq(verdict.action, TC_ACT_UNSPEC);
    cr_assert_arr_eq(verdict.bytes, frame, length);
}

Test(fastpath_programs, uplink_drops)
{
    size_t length = from_wire(PEER_PA, 5001, mac_a, mac_r);

    expect_drop(programs.uplink, p1, length, SKR_DROP_NOT_ADDRESSED);
    memcpy(frame, broadcast, 6);
    expect_drop(programs.uplink, u1, length, SKR_DROP_NOT_ADDRESSED);
    programs_shell("ip link set p4 address 02:02:00:00:00:01");
    expect_drop(programs.uplink, p4, from_wire(PEER_PA, 5001, mac_a, mac_r), SKR_DROP_WRONG_UPLINK);
    expect_drop(programs.uplink, u1, from_wire(PEER_PA, 5999, mac_a, mac_r), SKR_DROP_UNKNOWN_VSID);
    expect_drop(programs.uplink, u1, from_wire(STRANGER_PA, 5001, mac_a, mac_r), SKR_DROP_NOT_A_MEMBER);
    expect_drop(programs.uplink, u1, from_wire(PEER_PA, 6001, mac_d, mac_r), SKR_DROP_NOT_A_MEMBER);
    expect_drop(programs.uplink, u1, from_wire(PEER_PA, 5001, mac_a, mac_b), SKR_DROP_SOURCE_RECORD);
    expect_drop(programs.uplink, u1, from_wire(PEER_PA, 5001, broadcast, gateway_mac), SKR_DROP_SOURCE_RECORD);
    expect_drop(programs.uplink, u1, from_wire(PEER_PA, 5001, mac_nobody, mac_r), SKR_DROP_UNKNOWN_DESTINATION);
    expect_drop(programs.uplink, u1, from_wire(PEER_PA, 5001, mac_r, mac_r), SKR_DROP_NOT_LOCAL);
    expect_drop(programs.uplink, u1, from_wire(PEER_PA, 5002, mac_u, mac_s), SKR_DROP_UNBOUND);
    length = from_wire(PEER_PA, 5001, mac_a, mac_r);
    frame[20] = 0x20;
    expect_drop(programs.uplink, u1, length, SKR_DROP_OUTER_FRAGMENT);
    from_wire(PEER_PA, 5001, mac_a, mac_r);
    frame[34] = 0xa0; /* with a checksum */
    expect_drop(programs.uplink, u1, length, SKR_DROP_OUTER_INVALID);
    from_wire(PEER_PA, 5001, mac_a, mac_r);
    expect_drop(programs.uplink, u1, length - 1, SKR_DROP_TRUNCATED);
    frame[54] = 0x81;
    frame[55] = 0;
    expect_drop(programs.uplink, u1, length, SKR_DROP_GUEST_VLAN_TAG);
    frame[54] = 0x86;
    frame[55] = 0xdd;
    expect_drop(programs.uplink, u1, length, SKR_DROP_NOT_IPV4);
    length = programs_nvgre(frame, mac_uplink, mac_router, PEER_PA, OWN_PA, 5001, frame + 42, 20);
    memcpy(frame + 42, mac_a, 6);
    memcpy(frame + 48, mac_r, 6);
    memcpy(frame + 54, (uint8_t[]){0x88, 0xb5}, 2);
    expect_drop(programs.uplink, u1, length, SKR_DROP_DECAPSULATION_FAILED);
}

/* A GSO packet is judged by its segments. */
Test(fastpath_programs, gso_is_judged_by_segment)
{
    size_t length = udp_a_to(mac_r, IP_R, 2800);

    programs_run(programs.port, p1, frame, length, 1430, &verdict);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_DROP); /* TEST_RUN makes UDP GSO of no known type */
    cr_assert_eq(verdict.reason, SKR_DROP_GSO_UNSUPPORTED);
    programs_run(programs.port, p1, frame, length, 1431, &verdict);
    cr_assert_eq(verdict.reason, SKR_DROP_TOO_BIG);
}

static int take_event(void *context, void *data, size_t size)
{
    cr_assert_geq(size, sizeof(struct skr_abi_event));
    memcpy(context, data, sizeof(struct skr_abi_event));
    return 0;
}

Test(fastpath_programs_real, events)
{
    struct skr_abi_event event = {0};
    struct ring_buffer *ring = ring_buffer__new(programs_map(&programs, "events"), take_event, &event, NULL);
    struct skr_abi_address learned = programs_v4(0x0a000063);
    unsigned count = 0;

    cr_assert(ring);
    put_port(p1, 7, 5001, mac_a, SKR_PORT_ARP_ND_INSPECTION | SKR_PORT_GUEST_SPECIFIED_IPS);
    from_guest(p1, programs_udp(frame, mac_b, mac_a, 0x0a000063, IP_B, 1, 2, 10));
    cr_assert_eq(ring_buffer__consume(ring), 1);
    cr_assert_eq(event.kind, SKR_EVENT_LEARN);
    cr_assert_eq(event.ifindex, p1);
    cr_assert_eq(event.vsid, 5001);
    cr_assert_eq(event.domain, 7);
    cr_assert_arr_eq(event.mac, mac_a, 6);
    cr_assert_arr_eq(event.ca.bytes, learned.bytes, 16);
    from_guest(p1, udp_a_to(mac_r, IP_R, 1500));
    cr_assert_eq(ring_buffer__consume(ring), 1);
    cr_assert_eq(event.kind, SKR_EVENT_TOO_BIG);
    cr_assert_eq(event.mtu, 1458);
    cr_assert_eq(event.packet_size, SKR_EVENT_PACKET_MAX);
    cr_assert_arr_eq(event.packet, frame, SKR_EVENT_PACKET_MAX);
    for (unsigned i = 0; i < 2000; i++)
        from_guest(p1, udp_a_to(gateway_mac, 0x08080808, 10));
    count = (unsigned)ring_buffer__consume(ring);
    cr_assert_eq(event.kind, SKR_EVENT_UNREACHABLE);
    cr_assert_lt(count, 1000, "%u events of one port", count);
    ring_buffer__free(ring);
}

Test(fastpath_programs_real, meters)
{
    struct skr_abi_meter cpus[256] = {0}, sum = {0};

    from_guest(p1, udp_a_to(mac_b, IP_B, 10));
    from_guest(p1, udp_a_to(mac_r, IP_R, 20));
    expect_drop(programs.port, p1, udp_a_to(mac_nobody, IP_B, 10), SKR_DROP_UNKNOWN_DESTINATION);
    cr_assert_eq(bpf_map_lookup_elem(programs_map(&programs, "meters"), &p1, cpus), 0);
    for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++) {
        sum.tx_packets += cpus[cpu].tx_packets;
        sum.tx_bytes += cpus[cpu].tx_bytes;
    }
    cr_assert_eq(sum.tx_packets, 2);
    cr_assert_eq(sum.tx_bytes, 42 + 10 + 42 + 20);
    cr_assert_eq(bpf_map_lookup_elem(programs_map(&programs, "meters"), &p2, cpus), 0);
    cr_assert_eq(cpus[0].rx_packets + cpus[1].rx_packets, 1);
}
