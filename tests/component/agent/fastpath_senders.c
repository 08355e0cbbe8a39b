/* Frames that are let in from the fabric: who an inner frame says it is from, against the records; in the network's own
 * encapsulation. And what does not fit into the uplink on its way out.
 *
 *   domain 7: subnet 5001 = 10.0.0.0/24 { A .5 on p1, B .6 on p2 (learned), R .9 at 192.168.2.20,
 *                                         S .10 at 192.168.2.21 }
 *             subnet 5002 = 10.0.1.0/24 { C .5 on p3 }
 *             172.16.0.0/12 through R; own PA 192.168.1.10 on u1 */
#include "tests/support/agent/programs.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <string.h>

#define OWN_PA   0xc0a8010a
#define PEER     0xc0a80214
#define PEER_2   0xc0a80215
#define IP_A     0x0a000005
#define IP_B     0x0a000006
#define IP_R     0x0a000009
#define IP_S     0x0a00000a
#define IP_C     0x0a000105
#define NOBODYS  0x0a00004d
#define GATEWAY  0x0a000001
#define BEHIND_R 0xac100505

static const uint8_t mac_a[6] = {2, 1, 0, 0, 0, 5}, mac_b[6] = {2, 1, 0, 0, 0, 6}, mac_c[6] = {2, 1, 0, 0, 1, 5},
                     mac_r[6] = {2, 1, 0, 0, 0, 9}, mac_s[6] = {2, 1, 0, 0, 0, 10}, uplink[6] = {2, 2, 0, 0, 0, 1},
                     router[6] = {2, 2, 0, 0, 0, 2}, broadcast[6] = {255, 255, 255, 255, 255, 255},
                     gateway_mac[6] = SKR_GATEWAY_MAC_BYTES;
static struct programs programs;
static uint32_t p1, p2, p3, u1;
static uint8_t frame[PROGRAMS_FRAME_MAX];
static struct verdict verdict;

static void put_record(uint32_t vsid, uint32_t ip, const uint8_t *mac, uint32_t pa, uint32_t ifindex, uint32_t flags)
{
    struct skr_abi_mac_key mac_key = {.vsid = vsid};
    struct skr_abi_mac_record mac_record = {.ifindex = ifindex, .pa = programs_v4(pa)};
    struct skr_abi_ca_key ca_key = {.vsid = vsid, .ca = programs_v4(ip)};
    struct skr_abi_ca_record ca_record = {.flags = flags};
    struct skr_abi_port port = {.domain = 7, .vsid = vsid};

    memcpy(mac_key.mac, mac, 6);
    memcpy(ca_record.mac, mac, 6);
    memcpy(port.mac, mac, 6);
    programs_put(&programs, "records_mac", &mac_key, &mac_record);
    programs_put(&programs, "records_ca", &ca_key, &ca_record);
    if (ifindex)
        programs_put(&programs, "ports", &ifindex, &port);
}

static void put_route(uint32_t destination, uint32_t length, uint32_t vsid, uint32_t next_hop)
{
    struct skr_abi_route_key key = {
            .prefix_bits = 32 + 96 + length, .domain = htonl(7), .destination = programs_v4(destination)};
    struct skr_abi_route route = {.vsid = vsid};

    if (next_hop)
        route.next_hop = programs_v4(next_hop);
    programs_put(&programs, "routes", &key, &route);
}

static void put_subnet(uint32_t vsid, uint32_t flags, uint32_t mtu)
{
    uint32_t gateway = vsid == 5001 ? GATEWAY : GATEWAY + 0x100;
    struct skr_abi_subnet subnet = {.domain = 7,
                                    .flags = flags,
                                    .gateway = programs_v4(gateway),
                                    .source_pa = programs_v4(OWN_PA),
                                    .prefix_length = 120,
                                    .mtu = mtu};

    programs_put(&programs, "subnets", &vsid, &subnet);
    put_route(gateway & 0xffffff00, 24, vsid, 0);
}

static void put_link(struct skr_abi_address at, struct skr_abi_address next)
{
    programs_put(&programs, "flood", &(struct skr_abi_flood_key){.vsid = 5001, .receiver = at},
                 &(struct skr_abi_flood){.next = next});
}

static struct skr_abi_address local(uint32_t ifindex)
{
    struct skr_abi_address address = {.bytes = {SKR_FLOOD_LOCAL}};

    address.words[3] = htonl(ifindex);
    return address;
}

static void put_fabric(void)
{
    struct skr_abi_address own = programs_v4(OWN_PA), none = {0};
    struct skr_abi_own_pa own_pa = {.ifindex = u1, .mtu = 1500};

    programs_put(&programs, "own_pas", &own, &own_pa);
    for (uint32_t pa = PEER; pa <= PEER_2; pa++) {
        struct skr_abi_address remote = programs_v4(pa);
        struct skr_abi_peer_key peer = {.domain = 7, .pa = remote};
        struct skr_abi_neighbor neighbor = {.ifindex = u1, .destination_mac = {2, 2, 0, 0, 0, 2}};

        programs_put(&programs, "peers", &peer, &(struct skr_abi_peer){0});
        programs_put(&programs, "neighbors", &remote, &neighbor);
    }
    put_link(none, programs_v4(PEER));
    put_link(programs_v4(PEER), none);
    put_link(local(0), local(p1));
    put_link(local(p1), local(p2));
    put_link(local(p2), none);
}

static void setup(bool probe)
{
    programs_namespace();
    programs_shell("for i in p1 p2 p3 u1; do ip link add $i type veth peer name x$i && ip link set $i up && "
                   "ip link set x$i up || exit 1; done; ip link set u1 address 02:02:00:00:00:01");
    p1 = if_nametoindex("p1");
    p2 = if_nametoindex("p2");
    p3 = if_nametoindex("p3");
    u1 = if_nametoindex("u1");
    programs_open(&programs, NULL, probe);
    put_subnet(5001, 0, 1458);
    put_subnet(5002, 0, 1458);
    put_route(0xac100000, 12, 5001, IP_R);
    put_record(5001, IP_A, mac_a, OWN_PA, p1, 0);
    put_record(5001, IP_B, mac_b, OWN_PA, p2, SKR_RECORD_DYNAMIC);
    put_record(5001, IP_R, mac_r, PEER, 0, 0);
    put_record(5001, IP_S, mac_s, PEER_2, 0, 0);
    put_record(5002, IP_C, mac_c, OWN_PA, p3, 0);
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

TestSuite(fastpath_senders, .init = setup_probe, .fini = teardown);
TestSuite(fastpath_senders_real, .init = setup_real, .fini = teardown);

static void expect(int program, uint32_t ifindex, size_t length, uint32_t expected, uint32_t reason)
{
    programs_run(program, ifindex, frame, length, 0, &verdict);
    cr_assert(verdict.verdict == expected && verdict.reason == reason, "verdict %u reason %u instead of %u and %u",
              verdict.verdict, verdict.reason, expected, reason);
}

/* From the fabric: this inner packet in this VSID, from that host. */
static void expect_ip(uint32_t pa, uint32_t vsid, const uint8_t *mac, uint32_t source, uint32_t expected,
                      uint32_t reason)
{
    uint8_t inner[100];
    bool c = vsid == 5002;
    size_t length = programs_udp(inner, c ? mac_c : mac_a, mac, source, c ? IP_C : IP_A, 1, 2, 20);

    expect(programs.uplink, u1, programs_nvgre(frame, uplink, router, pa, OWN_PA, vsid, inner, length), expected,
           reason);
}

static void expect_arp(uint32_t pa, const uint8_t *mac, uint32_t sender, uint32_t expected, uint32_t reason)
{
    uint8_t inner[100];
    size_t length = programs_arp(inner, broadcast, mac, 1, sender, sender);

    expect(programs.uplink, u1, programs_nvgre(frame, uplink, router, pa, OWN_PA, 5001, inner, length), expected,
           reason);
}

Test(fastpath_senders, a_switched_packet_has_its_senders_address)
{
    expect_ip(PEER, 5001, mac_r, IP_R, SKR_VERDICT_LOCAL, 0);
    expect_ip(PEER, 5001, mac_r, IP_S, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    expect_ip(PEER, 5001, mac_r, IP_B, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    expect_ip(PEER, 5001, mac_r, NOBODYS, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    expect_ip(PEER, 5001, mac_r, IP_C, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    expect_ip(PEER, 5001, mac_r, 0, SKR_VERDICT_LOCAL, 0); /* a DHCP client */
    put_subnet(5001, SKR_SUBNET_LEARNS, 1458);
    expect_ip(PEER, 5001, mac_r, NOBODYS, SKR_VERDICT_LOCAL, 0); /* learned there, not told here yet */
    expect_ip(PEER, 5001, mac_r, GATEWAY, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    expect_ip(PEER, 5001, mac_r, IP_S, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
}

Test(fastpath_senders, a_routed_packet_comes_from_where_its_address_is)
{
    expect_ip(PEER, 5002, gateway_mac, IP_R, SKR_VERDICT_LOCAL, 0);
    expect_ip(PEER_2, 5002, gateway_mac, IP_S, SKR_VERDICT_LOCAL, 0);
    expect_ip(PEER_2, 5002, gateway_mac, IP_R, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    expect_ip(PEER, 5002, gateway_mac, IP_A, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    expect_ip(PEER, 5002, gateway_mac, NOBODYS, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    expect_ip(PEER, 5002, gateway_mac, 0x08080808, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    expect_ip(PEER, 5002, gateway_mac, 0, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    put_subnet(5001, SKR_SUBNET_LEARNS, 1458);
    expect_ip(PEER, 5002, gateway_mac, NOBODYS, SKR_VERDICT_LOCAL, 0);
    expect_ip(PEER, 5002, gateway_mac, GATEWAY, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
}

Test(fastpath_senders, a_customer_route_comes_through_its_next_hop)
{
    expect_ip(PEER, 5001, mac_r, BEHIND_R, SKR_VERDICT_LOCAL, 0);
    expect_ip(PEER, 5002, gateway_mac, BEHIND_R, SKR_VERDICT_LOCAL, 0);
    expect_ip(PEER_2, 5001, mac_s, BEHIND_R, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
    expect_ip(PEER_2, 5002, gateway_mac, BEHIND_R, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
}

/* While a VM moves, both its hosts route for it. */
Test(fastpath_senders, a_moving_sender_routes_from_both_hosts)
{
    struct skr_abi_mac_key key = {.vsid = 5001};
    struct skr_abi_mac_record moving = {.pa = programs_v4(PEER), .armed_pa = programs_v4(PEER_2)};

    memcpy(key.mac, mac_r, 6);
    programs_put(&programs, "records_mac", &key, &moving);
    expect_ip(PEER, 5002, gateway_mac, IP_R, SKR_VERDICT_LOCAL, 0);
    expect_ip(PEER_2, 5002, gateway_mac, IP_R, SKR_VERDICT_LOCAL, 0);
    expect_ip(PEER, 5002, gateway_mac, IP_S, SKR_VERDICT_DROP, SKR_DROP_SENDER_ADDRESS);
}

Test(fastpath_senders, arp_names_its_sender)
{
    expect_arp(PEER, mac_r, IP_R, SKR_VERDICT_FLOOD, 0);
    expect_arp(PEER, mac_r, 0, SKR_VERDICT_FLOOD, 0);
    expect_arp(PEER, mac_r, IP_B, SKR_VERDICT_FLOOD, 0); /* a learned address changes hands */
    expect_arp(PEER, mac_r, IP_S, SKR_VERDICT_DROP, SKR_DROP_ARP_SPOOFED);
    expect_arp(PEER, mac_r, IP_A, SKR_VERDICT_DROP, SKR_DROP_ARP_SPOOFED);
    expect_arp(PEER, mac_r, GATEWAY, SKR_VERDICT_DROP, SKR_DROP_ARP_SPOOFED);
}

Test(fastpath_senders, the_gateway_routes_ipv4_alone)
{
    uint8_t inner[100];
    size_t length = programs_arp(inner, mac_c, gateway_mac, 2, IP_R, IP_C);

    expect(programs.uplink, u1, programs_nvgre(frame, uplink, router, PEER, OWN_PA, 5002, inner, length),
           SKR_VERDICT_DROP, SKR_DROP_SOURCE_RECORD);
}

Test(fastpath_senders, only_the_networks_own_encapsulation)
{
    uint8_t inner[100];
    size_t length = programs_udp(inner, mac_a, mac_r, IP_R, IP_A, 1, 2, 20);
    struct udphdr udp = {.source = htons(50000), .dest = htons(4789), .len = htons((uint16_t)(16 + length))};

    put_subnet(5001, SKR_SUBNET_VXLAN, 1450);
    expect(programs.uplink, u1, programs_nvgre(frame, uplink, router, PEER, OWN_PA, 5001, inner, length),
           SKR_VERDICT_DROP, SKR_DROP_WRONG_ENCAPSULATION);
    frame[17] = (uint8_t)(36 + length);
    frame[23] = IPPROTO_UDP;
    memcpy(frame + 34, &udp, 8);
    memcpy(frame + 42, (uint8_t[]){8, 0, 0, 0, 0, 0x13, 0x89, 0}, 8);
    memcpy(frame + 50, inner, length);
    programs_checksum_frame(frame);
    expect(programs.uplink, u1, 50 + length, SKR_VERDICT_LOCAL, 0);
    put_subnet(5001, 0, 1458);
    expect(programs.uplink, u1, 50 + length, SKR_VERDICT_DROP, SKR_DROP_WRONG_ENCAPSULATION);
}

/* ---- an uplink that carries less than the VM network ---- */

static size_t to(const uint8_t *mac, uint32_t ip, size_t length)
{
    return programs_udp(frame, mac, mac_a, IP_A, ip, 1, 2, length - 28);
}

Test(fastpath_senders, what_the_uplink_does_not_carry)
{
    put_subnet(5001, SKR_SUBNET_UPLINK_MTU, 1358);
    put_subnet(5002, SKR_SUBNET_UPLINK_MTU, 1358);
    expect(programs.port, p1, to(mac_r, IP_R, 1358), SKR_VERDICT_REMOTE, 0);
    expect(programs.port, p1, to(mac_r, IP_R, 1359), SKR_VERDICT_DROP, SKR_DROP_UPLINK_MTU);
    expect(programs.port, p1, to(mac_b, IP_B, 1458), SKR_VERDICT_LOCAL, 0);
    expect(programs.port, p1, to(gateway_mac, IP_C, 1458), SKR_VERDICT_LOCAL, 0);
    expect(programs.port, p1, to(broadcast, 0xffffffff, 1359), SKR_VERDICT_FLOOD, 0);
    cr_assert(verdict.target == p2 && verdict.pa == 0);
    cr_assert_eq(programs_drops(&programs, SKR_DROP_UPLINK_MTU, p1), 2);
}

static int take_event(void *context, void *data, size_t size)
{
    (void)size;
    memcpy(context, data, sizeof(struct skr_abi_event));
    return 0;
}

/* The host can say which MAC a guest has that nobody hears. */
Test(fastpath_senders_real, frames_from_another_mac_are_told)
{
    struct skr_abi_event event = {0};
    struct ring_buffer *ring = ring_buffer__new(programs_map(&programs, "events"), take_event, &event, NULL);

    cr_assert(ring);
    expect(programs.port, p1, programs_udp(frame, mac_b, mac_s, IP_A, IP_B, 1, 2, 20), SKR_VERDICT_DROP,
           SKR_DROP_SOURCE_MAC);
    cr_assert_eq(ring_buffer__consume(ring), 1);
    cr_assert(event.kind == SKR_EVENT_OTHER_MAC && event.ifindex == p1);
    cr_assert_arr_eq(event.mac, mac_s, 6);
    for (unsigned i = 0; i < 2000; i++)
        expect(programs.port, p1, programs_udp(frame, mac_b, mac_s, IP_A, IP_B, 1, 2, 20), SKR_VERDICT_DROP,
               SKR_DROP_SOURCE_MAC);
    cr_assert_lt(ring_buffer__consume(ring), 1000);
    ring_buffer__free(ring);
}

Test(fastpath_senders_real, a_station_with_our_provider_address_is_told)
{
    static const uint8_t stranger[6] = {2, 0, 0, 0, 0, 0x66};
    struct skr_abi_event event = {0};
    struct skr_abi_address own = programs_v4(OWN_PA);
    struct ring_buffer *ring = ring_buffer__new(programs_map(&programs, "events"), take_event, &event, NULL);

    cr_assert(ring);
    expect(programs.uplink, u1, programs_arp(frame, broadcast, stranger, 1, PEER, OWN_PA), SKR_VERDICT_PASS, 0);
    cr_assert_eq(ring_buffer__consume(ring), 0);
    expect(programs.uplink, u1, programs_arp(frame, broadcast, stranger, 2, OWN_PA, PEER), SKR_VERDICT_PASS, 0);
    cr_assert_eq(ring_buffer__consume(ring), 1);
    cr_assert(event.kind == SKR_EVENT_PA_CLAIMED && event.ifindex == u1);
    cr_assert_arr_eq(event.mac, stranger, 6);
    cr_assert_arr_eq(event.ca.bytes, own.bytes, 16);
    ring_buffer__free(ring);
}

Test(fastpath_senders_real, the_guest_hears_what_the_uplink_carries)
{
    struct skr_abi_event event = {0};
    struct ring_buffer *ring = ring_buffer__new(programs_map(&programs, "events"), take_event, &event, NULL);

    cr_assert(ring);
    put_subnet(5001, SKR_SUBNET_UPLINK_MTU, 1358);
    expect(programs.port, p1, to(mac_r, IP_R, 1400), SKR_VERDICT_DROP, SKR_DROP_UPLINK_MTU);
    cr_assert_eq(ring_buffer__consume(ring), 1);
    cr_assert(event.kind == SKR_EVENT_TOO_BIG && event.mtu == 1358);
    ring_buffer__free(ring);
}
