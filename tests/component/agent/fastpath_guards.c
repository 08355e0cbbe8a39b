/* Guests may not pretend to be these, judged by what their receivers go by: DHCP servers, routers, neighbours, bridges.
 *
 *   uplink u1, VLAN 10: A 10.9.0.5 and 2001:db8::5 on p1, B 10.9.0.6 on p2, both guarded;
 *                       C on p3, unguarded, any address
 *   VM subnet 5001: V 10.0.0.5 on p4 and W 10.0.0.6 on p5, both guarded */
#include "tests/support/agent/programs.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <string.h>

#define IP_A 0x0a090005
#define IP_B 0x0a090006
#define IP_V 0x0a000005
#define IP_W 0x0a000006

static const uint8_t mac_a[6] = {2, 1, 0, 10, 0, 5}, mac_b[6] = {2, 1, 0, 10, 0, 6}, mac_c[6] = {2, 1, 0, 10, 0, 7},
                     mac_v[6] = {2, 1, 0, 0, 0, 5}, mac_w[6] = {2, 1, 0, 0, 0, 6},
                     broadcast[6] = {255, 255, 255, 255, 255, 255};
static const uint8_t own_v6[16] = {0x20, 1, 0xd, 0xb8, [15] = 5}, other_v6[16] = {0x20, 1, 0xd, 0xb8, [15] = 6},
                     nobody_v6[16], link_local_a[16] = {0xfe, 0x80, [8] = 0, 1, 0, 0xff, 0xfe, 10, 0, 5},
                     link_local_b[16] = {0xfe, 0x80, [8] = 0, 1, 0, 0xff, 0xfe, 10, 0, 6},
                     link_local_1[16] = {0xfe, 0x80, [15] = 1};
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

static void put_link(uint32_t vsid, uint32_t at, uint32_t next)
{
    struct skr_abi_flood_key key = {.vsid = vsid, .receiver = local(at)};
    struct skr_abi_flood link = {0};

    if (next)
        link.next = local(next);
    programs_put(&programs, "flood", &key, &link);
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

static struct skr_abi_address v6(const uint8_t *bytes)
{
    struct skr_abi_address address;

    memcpy(address.bytes, bytes, 16);
    return address;
}

static void setup(void)
{
    static const uint32_t guarded = SKR_PORT_ARP_ND_INSPECTION | SKR_PORT_DHCP_GUARD | SKR_PORT_ROUTER_GUARD;
    uint32_t vsid = 5001, vlan;
    struct skr_abi_subnet subnet = {.domain = 7, .gateway = programs_v4(0x0a000001), .prefix_length = 120, .mtu = 1458};

    programs_namespace();
    programs_shell("for i in p1 p2 p3 p4 p5 u1; do ip link add $i type veth peer name x$i && ip link set $i up && "
                   "ip link set x$i up || exit 1; done");
    p1 = if_nametoindex("p1");
    p2 = if_nametoindex("p2");
    p3 = if_nametoindex("p3");
    p4 = if_nametoindex("p4");
    p5 = if_nametoindex("p5");
    u1 = if_nametoindex("u1");
    vlan = SKR_SEGMENT_OF(u1, 10);
    programs_open(&programs, NULL, true);
    programs_put(&programs, "subnets", &vsid, &subnet);
    programs_put(&programs, "subnets", &vlan, &(struct skr_abi_subnet){.mtu = 1500});
    put_port(p1, vlan, mac_a, guarded);
    put_port(p2, vlan, mac_b, guarded);
    put_port(p3, vlan, mac_c, SKR_PORT_ANY_ADDRESS);
    put_port(p4, vsid, mac_v, guarded);
    put_port(p5, vsid, mac_w, guarded);
    put_address(vlan, mac_a, programs_v4(IP_A));
    put_address(vlan, mac_a, v6(own_v6));
    put_address(vlan, mac_b, programs_v4(IP_B));
    put_address(vsid, mac_v, programs_v4(IP_V));
    put_address(vsid, mac_w, programs_v4(IP_W));
    put_link(vlan, 0, p1);
    put_link(vlan, p1, p2);
    put_link(vlan, p2, p3);
    put_link(vlan, p3, 0);
    put_link(vsid, 0, p4);
    put_link(vsid, p4, p5);
    put_link(vsid, p5, 0);
}

static void teardown(void)
{
    programs_close(&programs);
}

TestSuite(fastpath_guards, .init = setup, .fini = teardown);

static void run(uint32_t ifindex, size_t length)
{
    programs_run(programs.port, ifindex, frame, length, 0, &verdict);
}

static void expect_drop(uint32_t ifindex, size_t length, uint32_t reason)
{
    uint64_t before = programs_drops(&programs, reason, ifindex);

    run(ifindex, length);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_DROP, "verdict %u, reason %u expected", verdict.verdict, reason);
    cr_assert_eq(verdict.reason, reason, "reason %u instead of %u", verdict.reason, reason);
    cr_assert_eq(programs_drops(&programs, reason, ifindex), before + 1);
}

static void expect_passes(uint32_t ifindex, size_t length)
{
    run(ifindex, length);
    cr_assert_neq(verdict.verdict, SKR_VERDICT_DROP, "reason %u", verdict.reason);
}

/* ---- DHCP servers ---- */

/* BOOTP of the given kind (1: a client's or relay's request, 2: an answer) between these ports. */
static size_t bootp(uint32_t port, uint16_t from, uint16_t to, uint8_t kind)
{
    bool vlan = port == p1;
    size_t length = programs_udp(frame, vlan ? mac_b : mac_w, vlan ? mac_a : mac_v, vlan ? IP_A : IP_V,
                                 vlan ? IP_B : IP_W, from, to, 240);

    frame[42] = kind;
    return length;
}

Test(fastpath_guards, dhcp_answers_whatever_their_source_port)
{
    const uint32_t ports[] = {p1, p4};

    for (unsigned i = 0; i < 2; i++) {
        expect_drop(ports[i], bootp(ports[i], 67, 68, 2), SKR_DROP_DHCP_GUARD);
        expect_drop(ports[i], bootp(ports[i], 4444, 68, 2), SKR_DROP_DHCP_GUARD);
        expect_drop(ports[i], bootp(ports[i], 68, 68, 2), SKR_DROP_DHCP_GUARD);
        expect_drop(ports[i], bootp(ports[i], 67, 67, 2), SKR_DROP_DHCP_GUARD);
        expect_drop(ports[i], bootp(ports[i], 4444, 67, 2), SKR_DROP_DHCP_GUARD);
        expect_passes(ports[i], bootp(ports[i], 68, 67, 1));
        expect_passes(ports[i], bootp(ports[i], 67, 67, 1)); /* a relay's request */
        expect_passes(ports[i], bootp(ports[i], 67, 4444, 2));
    }
}

/* The kind of the message lies in a later fragment: nobody can say that it is a request. */
Test(fastpath_guards, a_dhcp_message_cut_before_its_kind)
{
    size_t length = programs_udp(frame, mac_w, mac_v, IP_V, IP_W, 67, 67, 0);

    frame[20] = 0x20; /* more fragments */
    programs_checksum_frame(frame);
    expect_drop(p4, length, SKR_DROP_DHCP_GUARD);
}

/* ---- IPv6 ---- */

/* Ethernet, IPv6 with these extension headers of eight bytes each, 64 bytes of the upper layer in *ret. */
static size_t ipv6(const uint8_t *source, const uint8_t *extensions, unsigned count, uint8_t next, uint8_t **ret)
{
    uint8_t *at = frame + 14, *kind = at + 6;

    memset(frame, 0, 200);
    memcpy(frame, mac_b, 6);
    memcpy(frame + 6, mac_a, 6);
    memcpy(frame + 12, (uint8_t[]){0x86, 0xdd, 0x60}, 3);
    at[5] = (uint8_t)(8 * count + 64);
    at[7] = 255;
    memcpy(at + 8, source, 16);
    memcpy(at + 24, link_local_b, 16);
    at += 40;
    for (unsigned i = 0; i < count; i++, at += 8) {
        *kind = extensions[i];
        kind = at;
    }
    *kind = next;
    *ret = at;
    return (size_t)(at - frame) + 64;
}

static size_t udp6(const uint8_t *extensions, unsigned count, uint16_t from, uint16_t to, uint8_t kind)
{
    uint8_t *upper;
    size_t length = ipv6(link_local_a, extensions, count, IPPROTO_UDP, &upper);

    memcpy(upper, (uint16_t[]){htons(from), htons(to), htons(64)}, 6);
    upper[8] = kind;
    return length;
}

static size_t icmp6(const uint8_t *source, const uint8_t *extensions, unsigned count, uint8_t type,
                    const uint8_t *target)
{
    uint8_t *upper;
    size_t length = ipv6(source, extensions, count, 58, &upper);

    upper[0] = type;
    memcpy(upper + 8, target, 16);
    return length;
}

Test(fastpath_guards, dhcpv6_answers_behind_headers)
{
    static const uint8_t options[] = {0, 60, 43}, fragment[] = {44};

    expect_drop(p1, udp6(NULL, 0, 547, 546, 7), SKR_DROP_DHCP_GUARD);
    expect_drop(p1, udp6(NULL, 0, 4444, 546, 7), SKR_DROP_DHCP_GUARD);
    expect_drop(p1, udp6(options, 3, 4444, 546, 7), SKR_DROP_DHCP_GUARD);
    expect_drop(p1, udp6(fragment, 1, 4444, 546, 7), SKR_DROP_DHCP_GUARD);
    expect_drop(p1, udp6(NULL, 0, 4444, 547, 13), SKR_DROP_DHCP_GUARD); /* a server's answer to a relay */
    expect_passes(p1, udp6(NULL, 0, 546, 547, 1));
    expect_passes(p1, udp6(NULL, 0, 547, 547, 12)); /* a relay's request */
}

Test(fastpath_guards, routers_behind_headers)
{
    static const uint8_t options[] = {0, 60}, fragment[] = {44}, many[] = {0, 60, 43, 60, 60, 60, 60};
    size_t length;

    expect_drop(p1, icmp6(link_local_a, NULL, 0, 134, nobody_v6), SKR_DROP_ROUTER_GUARD);
    expect_drop(p1, icmp6(link_local_a, NULL, 0, 137, nobody_v6), SKR_DROP_ROUTER_GUARD);
    expect_drop(p1, icmp6(link_local_a, options, 2, 137, nobody_v6), SKR_DROP_ROUTER_GUARD);
    expect_drop(p1, icmp6(link_local_a, fragment, 1, 134, nobody_v6), SKR_DROP_ROUTER_GUARD);
    expect_drop(p1, icmp6(link_local_a, many, 7, 134, nobody_v6), SKR_DROP_UNREADABLE);
    expect_passes(p1, icmp6(own_v6, fragment, 1, 128, nobody_v6)); /* a large ping */
    length = icmp6(own_v6, fragment, 1, 134, nobody_v6);
    frame[14 + 40 + 3] = 8; /* a later fragment: what looks like a type is in the middle of a message */
    expect_passes(p1, length);
}

/* Redirects of IPv4 change a neighbour's routes as an advertisement does. */
Test(fastpath_guards, redirects_of_ipv4)
{
    static const uint8_t types[] = {5, 9};

    for (unsigned i = 0; i < 2; i++) {
        size_t length = programs_udp(frame, mac_b, mac_a, IP_A, IP_B, 0, 0, 40);

        frame[23] = 1;
        programs_checksum_frame(frame);
        frame[34] = types[i];
        expect_drop(p1, length, SKR_DROP_ROUTER_GUARD);
        length = programs_udp(frame, mac_w, mac_v, IP_V, IP_W, 0, 0, 40);
        frame[23] = 1;
        programs_checksum_frame(frame);
        frame[34] = types[i];
        expect_drop(p4, length, SKR_DROP_ROUTER_GUARD);
    }
}

/* A packet that is not carried is refused for what it is. */
Test(fastpath_guards, ipv6_of_a_vm_subnet_has_its_own_reasons)
{
    static const uint8_t options[] = {0, 60};
    size_t length;

#define FROM_V(built) (length = (built), memcpy(frame, mac_w, 6), memcpy(frame + 6, mac_v, 6), length)
    expect_drop(p4, FROM_V(icmp6(link_local_a, NULL, 0, 134, nobody_v6)), SKR_DROP_ROUTER_GUARD);
    expect_drop(p4, FROM_V(icmp6(link_local_a, options, 2, 134, nobody_v6)), SKR_DROP_ROUTER_GUARD);
    expect_drop(p4, FROM_V(icmp6(link_local_a, NULL, 0, 137, nobody_v6)), SKR_DROP_ROUTER_GUARD);
    expect_drop(p4, FROM_V(udp6(options, 2, 4444, 546, 7)), SKR_DROP_DHCP_GUARD);
    expect_drop(p4, FROM_V(icmp6(link_local_a, NULL, 0, 128, nobody_v6)), SKR_DROP_NOT_IPV4);
#undef FROM_V
}

Test(fastpath_guards, a_neighbours_link_local_address)
{
    expect_passes(p1, icmp6(link_local_a, NULL, 0, 136, link_local_a));
    expect_passes(p1, icmp6(nobody_v6, NULL, 0, 135, link_local_a));    /* is it free? */
    expect_passes(p1, icmp6(link_local_a, NULL, 0, 135, link_local_b)); /* where is B? */
    expect_passes(p1, icmp6(own_v6, NULL, 0, 136, own_v6));
    expect_drop(p1, icmp6(link_local_a, NULL, 0, 136, link_local_b), SKR_DROP_ARP_SPOOFED);
    expect_drop(p1, icmp6(link_local_a, NULL, 0, 136, link_local_1), SKR_DROP_ARP_SPOOFED);
    expect_drop(p1, icmp6(nobody_v6, NULL, 0, 135, link_local_b), SKR_DROP_ARP_SPOOFED);
    expect_drop(p1, icmp6(nobody_v6, NULL, 0, 135, other_v6), SKR_DROP_ARP_SPOOFED);
    expect_drop(p1, icmp6(link_local_b, NULL, 0, 135, link_local_a), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(p1, icmp6(link_local_b, NULL, 0, 128, nobody_v6), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(p1, icmp6(link_local_1, NULL, 0, 128, nobody_v6), SKR_DROP_SOURCE_ADDRESS);
}

/* A port that may choose its addresses may have any link-local one, except one that is made of another's MAC. */
Test(fastpath_guards, link_local_addresses_of_a_port_without_addresses)
{
    size_t length;

#define FROM_C(built) (length = (built), memcpy(frame + 6, mac_c, 6), length)
    expect_passes(p3, FROM_C(icmp6(link_local_1, NULL, 0, 128, nobody_v6)));
    expect_drop(p3, FROM_C(icmp6(link_local_b, NULL, 0, 128, nobody_v6)), SKR_DROP_SOURCE_ADDRESS);
    put_address(SKR_SEGMENT_OF(u1, 10), mac_b, v6(link_local_1));
    expect_drop(p3, FROM_C(icmp6(link_local_1, NULL, 0, 128, nobody_v6)), SKR_DROP_SOURCE_ADDRESS);
#undef FROM_C
}

/* A port without addresses may have any address but those that are somebody's: a gateway's stands with the MAC that no
 * port may have. */
Test(fastpath_guards, the_gateway_of_a_vlan)
{
    static const uint8_t gateway_mac[6] = SKR_GATEWAY_MAC_BYTES;

    expect_passes(p3, programs_arp(frame, broadcast, mac_c, 2, 0x0a090001, 0x0a090001));
    put_address(SKR_SEGMENT_OF(u1, 10), gateway_mac, programs_v4(0x0a090001));
    put_port(p3, SKR_SEGMENT_OF(u1, 10), mac_c, SKR_PORT_ANY_ADDRESS | SKR_PORT_ARP_ND_INSPECTION);
    expect_drop(p3, programs_arp(frame, broadcast, mac_c, 2, 0x0a090001, 0x0a090001), SKR_DROP_ARP_SPOOFED);
    expect_drop(p3, programs_udp(frame, mac_b, mac_c, 0x0a090001, IP_B, 1, 2, 10), SKR_DROP_SOURCE_ADDRESS);
    expect_passes(p3, programs_udp(frame, mac_b, mac_c, 0x0a090009, IP_B, 1, 2, 10));
}

/* The address of a VM on another host: known here, with no port here. */
Test(fastpath_guards, the_address_of_a_vm_on_another_host)
{
    static const uint8_t mac_there[6] = {2, 0x77, 0, 0, 0, 1}, v6_there[16] = {0x20, 1, 0xd, 0xb8, [15] = 0x77};
    uint32_t vlan = SKR_SEGMENT_OF(u1, 10), ip_there = 0x0a090077;
    size_t length;

#define FROM_C(built) (length = (built), memcpy(frame + 6, mac_c, 6), length)
    put_port(p3, vlan, mac_c, SKR_PORT_ANY_ADDRESS | SKR_PORT_ARP_ND_INSPECTION);
    expect_passes(p3, programs_arp(frame, mac_b, mac_c, 2, ip_there, IP_B));
    put_address(vlan, mac_there, programs_v4(ip_there));
    put_address(vlan, mac_there, v6(v6_there));
    expect_drop(p3, programs_arp(frame, mac_b, mac_c, 2, ip_there, IP_B), SKR_DROP_ARP_SPOOFED);
    expect_drop(p3, programs_udp(frame, mac_b, mac_c, ip_there, IP_B, 1, 2, 10), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(p3, FROM_C(icmp6(link_local_1, NULL, 0, 136, v6_there)), SKR_DROP_ARP_SPOOFED);
    expect_drop(p3, FROM_C(icmp6(nobody_v6, NULL, 0, 135, v6_there)), SKR_DROP_ARP_SPOOFED);
    expect_drop(p3, FROM_C(icmp6(v6_there, NULL, 0, 128, own_v6)), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(p1, programs_arp(frame, mac_b, mac_a, 2, ip_there, IP_B), SKR_DROP_ARP_SPOOFED);
    /* It is spoken to as before: by the uplink, where it is. */
    run(p3, programs_udp(frame, mac_there, mac_c, 0x0a090009, ip_there, 1, 2, 10));
    cr_assert_eq(verdict.verdict, SKR_VERDICT_UPLINK, "reason %u", verdict.reason);
#undef FROM_C
}

/* ---- bridges, and what cannot be read ---- */

static size_t ethernet(uint32_t port, const uint8_t *destination, uint16_t ethertype)
{
    memset(frame, 0, 100);
    memcpy(frame, destination, 6);
    memcpy(frame + 6, port == p1 ? mac_a : port == p3 ? mac_c : mac_v, 6);
    frame[12] = (uint8_t)(ethertype >> 8);
    frame[13] = (uint8_t)ethertype;
    return 100;
}

Test(fastpath_guards, protocols_of_bridges)
{
    static const uint8_t groups[][6] = {{1, 0, 0xc, 0xcc, 0xcc, 0xcc}, {1, 0, 0xc, 0xcc, 0xcc, 0xcd},
                                        {1, 0, 0xc, 0xcd, 0xcd, 0xcd}, {1, 0, 0xc, 0, 0, 0},
                                        {1, 0x80, 0xc2, 0, 0, 0x10},   {1, 0x80, 0xc2, 0, 0, 0x20},
                                        {1, 0x80, 0xc2, 0, 0, 0x21},   {1, 0x80, 0xc2, 0, 0, 0x30},
                                        {1, 0x80, 0xc2, 0, 0, 0x4f},   {1, 0xe0, 0x52, 0xcc, 0xcc, 0xcc}};
    const uint32_t ports[] = {p1, p3, p4}; /* also one without guards: they are nobody's to send */

    for (unsigned port = 0; port < 3; port++) {
        for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
            expect_drop(ports[port], ethernet(ports[port], groups[i], 60), SKR_DROP_BRIDGE_PROTOCOL);
        expect_drop(ports[port], ethernet(ports[port], (uint8_t[]){1, 0x80, 0xc2, 0, 0, 0}, 60),
                    SKR_DROP_LINK_LOCAL_GROUP);
        expect_drop(ports[port], ethernet(ports[port], (uint8_t[]){1, 0x80, 0xc2, 0, 0, 0xe}, 0x88cc),
                    SKR_DROP_LINK_LOCAL_GROUP);
    }
    /* From the wire they are the host's to hear, never a guest's. */
    ethernet(p1, groups[0], 60);
    programs_run(programs.uplink, u1, frame, 100, 0, &verdict);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_PASS);
}

Test(fastpath_guards, what_a_guard_cannot_read)
{
    static const uint16_t types[] = {60 /* LLC, SNAP */, 0x9100, 0x8847, 0x8864, 0x88b5, 0x6558};

    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        expect_drop(p1, ethernet(p1, broadcast, types[i]), SKR_DROP_UNREADABLE);
        expect_drop(p4, ethernet(p4, mac_w, types[i]), SKR_DROP_UNREADABLE);
        expect_passes(p3, ethernet(p3, broadcast, types[i]));
    }
}

Test(fastpath_guards, headers_that_contradict_themselves)
{
    size_t length = programs_udp(frame, mac_b, mac_a, IP_A, IP_B, 1, 2, 40);
    struct iphdr ip;

    frame[24] ^= 1;
    expect_drop(p1, length, SKR_DROP_CHECKSUM);
    memcpy(&ip, frame + 14, sizeof(ip));
    ip.tot_len = htons(19);
    programs_checksum(&ip);
    memcpy(frame + 14, &ip, sizeof(ip));
    expect_drop(p1, length, SKR_DROP_TRUNCATED);
    ip.tot_len = htons(68);
    ip.ihl = 6; /* four bytes of options: what were the ports */
    ip.check = 0;
    memcpy(frame + 14, &ip, sizeof(ip));
    expect_drop(p1, length, SKR_DROP_CHECKSUM);
    for (uint32_t sum = 0, word = 0; word <= 12; word++) {
        if (word == 12) {
            sum = (sum & 0xffff) + (sum >> 16);
            sum = ~((sum & 0xffff) + (sum >> 16));
            memcpy(frame + 24, (uint8_t[]){(uint8_t)(sum >> 8), (uint8_t)sum}, 2);
        } else {
            sum += (uint32_t)(frame[14 + 2 * word] << 8 | frame[15 + 2 * word]);
        }
    }
    expect_passes(p1, length);
}

/* An answer from nobody makes caches forget the one that had the address. */
Test(fastpath_guards, arp_answers_from_nobody)
{
    expect_drop(p1, programs_arp(frame, mac_b, mac_a, 2, 0, IP_B), SKR_DROP_ARP_SPOOFED);
    expect_drop(p4, programs_arp(frame, mac_w, mac_v, 2, 0, IP_W), SKR_DROP_ARP_SPOOFED);
    expect_passes(p1, programs_arp(frame, broadcast, mac_a, 1, 0, IP_B));
    expect_passes(p4, programs_arp(frame, broadcast, mac_v, 1, 0, IP_W));
}

/* V is the next hop of a customer route that covers all of 10.0.0.0/24, W too. What it forwards from there is its to
 * send, but not in the name of an adapter that has the address itself. */
Test(fastpath_guards, a_next_hop_is_not_its_neighbour)
{
    struct skr_abi_route_key key = {
            .prefix_bits = 32 + 120, .domain = htonl(7), .destination = programs_v4(0x0a000000)};
    struct skr_abi_route route = {.vsid = 5001, .next_hop = programs_v4(IP_V)};

    expect_drop(p4, programs_udp(frame, mac_w, mac_v, 0x0a000009, IP_W, 1000, 2000, 10), SKR_DROP_SOURCE_ADDRESS);
    programs_put(&programs, "routes", &key, &route);
    expect_passes(p4, programs_udp(frame, mac_w, mac_v, 0x0a000009, IP_W, 1000, 2000, 10));
    expect_drop(p4, programs_udp(frame, mac_w, mac_v, IP_W, IP_V, 1000, 2000, 10), SKR_DROP_SOURCE_ADDRESS);
    expect_drop(p5, programs_udp(frame, mac_v, mac_w, 0x0a000009, IP_V, 1000, 2000, 10), SKR_DROP_SOURCE_ADDRESS);
}

/* A behaviour that is not there: fails on the day that it is, so that the test becomes an ordinary one. */
static void expect_not_there(bool there, const char *behaviour, const char *reason)
{
    cr_assert_not(there, "%s: it is there now, so demand it (it was left out because %s)", behaviour, reason);
}

Test(fastpath_guards, storms_are_limited)
{
    unsigned passed = 0;

    for (unsigned i = 0; i < 20000; i++) {
        run(p4, programs_arp(frame, broadcast, mac_v, 1, IP_V, IP_V));
        passed += verdict.verdict == SKR_VERDICT_FLOOD;
    }
    cr_assert_gt(passed, 0);
    expect_not_there(passed < 20000, "a port that floods without end is limited by name",
                     "the limit of a port has no place in the tables of version 2");
}
