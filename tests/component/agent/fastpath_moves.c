/* A VM that moves, a frame at a time: on a host that only watches, on the source, on the target.
 *
 *   domain 7: subnet 5001 = 10.0.0.0/24 { A .5 on p1, V .7 that moves, W .9 at WATCHER }, own PA 192.168.1.10 on u1;
 *   members: WATCHER 192.168.2.20, OTHER 192.168.2.21, THIRD 192.168.2.22. */
#include "tests/support/agent/programs.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <string.h>

#define OWN      0xc0a8010a
#define WATCHER  0xc0a80214
#define OTHER    0xc0a80215
#define THIRD    0xc0a80216
#define STRANGER 0xc0a80217
#define VSID     5001
#define IP_A     0x0a000005
#define IP_V     0x0a000007
#define IP_W     0x0a000009
#define OUTER    42

static const uint8_t mac_a[6] = {2, 1, 0, 0, 0, 5}, mac_v[6] = {2, 1, 0, 0, 0, 7}, mac_w[6] = {2, 1, 0, 0, 0, 9},
                     mac_uplink[6] = {2, 2, 0, 0, 0, 1}, mac_router[6] = {2, 2, 0, 0, 0, 2},
                     broadcast[6] = {255, 255, 255, 255, 255, 255};
static struct programs programs;
static uint32_t p1, p2, u1;
static uint8_t frame[PROGRAMS_FRAME_MAX];
static struct verdict verdict;

static struct skr_abi_address address(uint32_t v4)
{
    return v4 ? programs_v4(v4) : (struct skr_abi_address){0};
}

static uint32_t network = VSID; /* or a segment: where ports and records are put */

static struct skr_abi_mac_key key_of(const uint8_t *mac)
{
    struct skr_abi_mac_key key = {.vsid = network};

    memcpy(key.mac, mac, 6);
    return key;
}

static void put_record(const uint8_t *mac, uint32_t ip, uint32_t pa, uint32_t ifindex, uint32_t armed, uint32_t flags)
{
    struct skr_abi_mac_key key = key_of(mac);
    struct skr_abi_mac_record record = {
            .pa = address(pa), .ifindex = ifindex, .flags = flags, .armed_pa = address(armed)};
    struct skr_abi_ca_key ca_key = {.vsid = network, .ca = address(ip)};
    struct skr_abi_ca_record ca_record = {0};

    memcpy(ca_record.mac, mac, 6);
    programs_put(&programs, "records_mac", &key, &record);
    programs_put(&programs, "records_ca", &ca_key, &ca_record);
}

static void expect_record(const uint8_t *mac, uint32_t pa, uint32_t ifindex, uint32_t armed, uint32_t flags)
{
    struct skr_abi_mac_key key = key_of(mac);
    struct skr_abi_mac_record record,
            wanted = {.pa = address(pa), .ifindex = ifindex, .flags = flags, .armed_pa = address(armed)};

    cr_assert_eq(bpf_map_lookup_elem(programs_map(&programs, "records_mac"), &key, &record), 0);
    cr_assert_arr_eq(&record, &wanted, sizeof(wanted), "pa %08x interface %u flags %u armed %08x",
                     ntohl(record.pa.words[3]), record.ifindex, record.flags, ntohl(record.armed_pa.words[3]));
}

static void put_port(uint32_t ifindex, const uint8_t *mac, uint32_t flags)
{
    struct skr_abi_port port = {.domain = 7, .vsid = network, .flags = flags};

    memcpy(port.mac, mac, 6);
    programs_put(&programs, "ports", &ifindex, &port);
}

static uint32_t port_flags(uint32_t ifindex)
{
    struct skr_abi_port port;

    cr_assert_eq(bpf_map_lookup_elem(programs_map(&programs, "ports"), &ifindex, &port), 0);
    return port.flags;
}

static void put_subnet(uint32_t flags)
{
    uint32_t vsid = VSID;
    struct skr_abi_subnet subnet = {.domain = 7,
                                    .flags = flags,
                                    .gateway = programs_v4(0x0a000001),
                                    .source_pa = programs_v4(OWN),
                                    .prefix_length = 120,
                                    .mtu = 1450};

    programs_put(&programs, "subnets", &vsid, &subnet);
}

static void put_member(uint32_t pa)
{
    struct skr_abi_address at = programs_v4(pa);
    struct skr_abi_peer_key key = {.domain = 7, .pa = at};
    struct skr_abi_peer peer = {0};
    struct skr_abi_neighbor neighbor = {.ifindex = u1};

    memcpy(neighbor.source_mac, mac_uplink, 6);
    memcpy(neighbor.destination_mac, mac_router, 6);
    programs_put(&programs, "peers", &key, &peer);
    programs_put(&programs, "neighbors", &at, &neighbor);
}

static void chain(struct skr_abi_address at, struct skr_abi_address next)
{
    struct skr_abi_flood_key key = {.vsid = network, .receiver = at};
    struct skr_abi_flood link = {.next = next};

    programs_put(&programs, "flood", &key, &link);
}

static struct skr_abi_address local(uint32_t ifindex)
{
    struct skr_abi_address at = {.bytes = {SKR_FLOOD_LOCAL}};

    at.words[3] = htonl(ifindex);
    return at;
}

static void setup(void)
{
    struct skr_abi_address own = programs_v4(OWN), none = {0};
    struct skr_abi_own_pa own_pa = {.mtu = 1500};

    programs_namespace();
    programs_shell("for i in p1 p2 u1; do ip link add $i type veth peer name x$i && ip link set $i up && "
                   "ip link set x$i up || exit 1; done; ip link set u1 address 02:02:00:00:00:01");
    p1 = if_nametoindex("p1");
    p2 = if_nametoindex("p2");
    u1 = own_pa.ifindex = if_nametoindex("u1");
    programs_open(&programs, NULL, false);
    put_subnet(0);
    programs_put(&programs, "own_pas", &own, &own_pa);
    put_member(WATCHER);
    put_member(OTHER);
    put_member(THIRD);
    put_port(p1, mac_a, 0);
    put_record(mac_a, IP_A, OWN, p1, 0, 0);
    put_record(mac_w, IP_W, WATCHER, 0, 0, 0);
    chain(none, address(WATCHER));
    chain(address(WATCHER), address(OTHER));
    chain(address(OTHER), none);
    chain(local(0), local(p1));
    chain(local(p1), local(p2));
    chain(local(p2), none);
}

static void teardown(void)
{
    programs_close(&programs);
}

TestSuite(fastpath_moves, .init = setup, .fini = teardown);

static size_t wire(uint32_t source_pa, const uint8_t *destination, const uint8_t *source)
{
    uint8_t inner[200];
    size_t length = programs_udp(inner, destination, source, source == mac_w ? IP_W : IP_V, IP_A, 1, 2, 10);

    return programs_nvgre(frame, mac_uplink, mac_router, source_pa, OWN, VSID, inner, length);
}

static void from_wire(uint32_t source_pa, const uint8_t *destination, const uint8_t *source)
{
    programs_run(programs.uplink, u1, frame, wire(source_pa, destination, source), 0, &verdict);
}

static void from_port(uint32_t ifindex, const uint8_t *destination, const uint8_t *source, uint32_t source_ip)
{
    size_t length = programs_udp(frame, destination, source, source_ip, IP_W, 1, 2, 10);

    programs_run(programs.port, ifindex, frame, length, 0, &verdict);
}

static void expect_drop(uint32_t reason)
{
    cr_assert_eq(verdict.verdict, SKR_VERDICT_DROP, "verdict %u, reason %u expected", verdict.verdict, reason);
    cr_assert_eq(verdict.reason, reason, "reason %u instead of %u", verdict.reason, reason);
}

static void expect_local(uint32_t ifindex)
{
    cr_assert_eq(verdict.verdict, SKR_VERDICT_LOCAL, "verdict %u reason %u", verdict.verdict, verdict.reason);
    cr_assert_eq(verdict.target, ifindex);
}

static void expect_remote(uint32_t pa)
{
    cr_assert_eq(verdict.verdict, SKR_VERDICT_REMOTE, "verdict %u reason %u", verdict.verdict, verdict.reason);
    cr_assert_eq(verdict.target, u1);
    cr_assert_eq(verdict.pa, htonl(pa));
}

/* ---- a host that only watches ---- */

Test(fastpath_moves, a_frame_from_the_armed_host_turns_the_record_around)
{
    put_record(mac_v, IP_V, OTHER, 0, THIRD, 0);
    from_wire(OTHER, mac_a, mac_v);
    expect_local(p1);
    expect_record(mac_v, OTHER, 0, THIRD, 0);
    from_port(p1, mac_v, mac_a, IP_A);
    expect_remote(OTHER);
    from_wire(THIRD, mac_a, mac_v);
    expect_local(p1);
    expect_record(mac_v, THIRD, 0, OTHER, SKR_MAC_FLIPPED);
    from_port(p1, mac_v, mac_a, IP_A);
    expect_remote(THIRD);
    /* A frame that the VM sent before it left was on its way: the host takes it, and it turns nothing back. */
    from_wire(OTHER, mac_a, mac_v);
    expect_local(p1);
    expect_record(mac_v, THIRD, 0, OTHER, SKR_MAC_FLIPPED);
}

/* Told by the controller, the host knows from whom frames may still be on their way. */
Test(fastpath_moves, the_former_host_is_heard_after_the_turn_and_turns_nothing)
{
    put_record(mac_v, IP_V, THIRD, 0, OTHER, SKR_MAC_FLIPPED | SKR_MAC_TOLD);
    from_wire(OTHER, mac_a, mac_v);
    expect_local(p1);
    from_wire(OTHER, mac_a, mac_w); /* of that VM alone */
    expect_drop(SKR_DROP_SOURCE_RECORD);
    from_wire(WATCHER, mac_a, mac_v);
    expect_drop(SKR_DROP_SOURCE_RECORD);
    expect_record(mac_v, THIRD, 0, OTHER, SKR_MAC_FLIPPED | SKR_MAC_TOLD);
    from_port(p1, mac_v, mac_a, IP_A);
    expect_remote(THIRD);
}

Test(fastpath_moves, no_other_host_turns_it)
{
    put_record(mac_v, IP_V, OTHER, 0, THIRD, 0);
    from_wire(WATCHER, mac_a, mac_v);
    expect_drop(SKR_DROP_SOURCE_RECORD);
    from_wire(STRANGER, mac_a, mac_v);
    expect_drop(SKR_DROP_NOT_A_MEMBER);
    from_wire(THIRD, mac_a, mac_w); /* another MAC from the armed host */
    expect_drop(SKR_DROP_SOURCE_RECORD);
    expect_record(mac_v, OTHER, 0, THIRD, 0);
    expect_record(mac_w, WATCHER, 0, 0, 0);
    put_record(mac_v, IP_V, OTHER, 0, 0, 0); /* cancelled */
    from_wire(THIRD, mac_a, mac_v);
    expect_drop(SKR_DROP_SOURCE_RECORD);
    put_record(mac_v, IP_V, THIRD, 0, 0, 0); /* over: the former host is as any other */
    from_wire(OTHER, mac_a, mac_v);
    expect_drop(SKR_DROP_SOURCE_RECORD);
}

/* ---- the source ---- */

static void be_the_source(void)
{
    put_port(p2, mac_v, 0);
    put_record(mac_v, IP_V, OWN, p2, THIRD, 0);
}

Test(fastpath_moves, the_source_delivers_until_it_hears_the_target)
{
    be_the_source();
    from_wire(WATCHER, mac_v, mac_w);
    expect_local(p2);
    from_port(p1, mac_v, mac_a, IP_A);
    expect_local(p2);
    from_wire(THIRD, broadcast, mac_v);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    expect_record(mac_v, THIRD, 0, OWN, SKR_MAC_FLIPPED);
    from_port(p1, mac_v, mac_a, IP_A);
    expect_remote(THIRD);
}

/* Addresses, time to live and checksum, and not another byte. */
static void expect_rewritten(size_t length)
{
    struct iphdr ip;

    expect_remote(THIRD);
    cr_assert_eq(verdict.action, TC_ACT_REDIRECT);
    cr_assert_eq(verdict.length, length);
    memcpy(&ip, frame + 14, sizeof(ip));
    ip.saddr = htonl(OWN);
    ip.daddr = htonl(THIRD);
    ip.ttl--;
    programs_checksum(&ip);
    cr_assert_arr_eq(verdict.bytes, mac_router, 6);
    cr_assert_arr_eq(verdict.bytes + 6, mac_uplink, 6);
    cr_assert_arr_eq(verdict.bytes + 14, &ip, sizeof(ip));
    cr_assert_arr_eq(verdict.bytes + 34, frame + 34, length - 34);
}

Test(fastpath_moves, stragglers_go_on_as_they_came)
{
    size_t length;

    be_the_source();
    from_wire(THIRD, broadcast, mac_v);
    length = wire(WATCHER, mac_v, mac_w);
    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    expect_rewritten(length);
    /* The same in VXLAN, as this host sends it itself. */
    put_subnet(SKR_SUBNET_VXLAN);
    from_port(p1, mac_w, mac_a, IP_A);
    expect_remote(WATCHER);
    length = verdict.length;
    memcpy(frame, verdict.bytes, length);
    memcpy(frame, mac_uplink, 6);
    memcpy(frame + 26, (uint32_t[]){htonl(WATCHER), htonl(OWN)}, 8);
    memcpy(frame + 50, mac_v, 6);
    memcpy(frame + 56, mac_w, 6);
    memcpy(frame + 76, (uint32_t[]){htonl(IP_W)}, 4);
    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    expect_rewritten(length);
}

Test(fastpath_moves, stragglers_that_go_nowhere)
{
    size_t length;

    be_the_source();
    from_wire(THIRD, broadcast, mac_v);
    length = wire(WATCHER, mac_v, mac_w);
    frame[22] = 1; /* time to live */
    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    expect_drop(SKR_DROP_STRAGGLER_LOOP);
    from_wire(OTHER, mac_v, mac_w); /* a sender that may not send this is no straggler's */
    expect_drop(SKR_DROP_SOURCE_RECORD);
    put_record(mac_w, IP_W, THIRD, 0, 0, 0);
    put_record(mac_v, IP_V, THIRD, 0, 0, 0);
    from_wire(THIRD, mac_v, mac_w); /* back to where it came from, which has had time to know better */
    expect_drop(SKR_DROP_NOT_LOCAL);
    put_record(mac_w, IP_W, WATCHER, 0, 0, 0);
    put_record(mac_v, IP_V, STRANGER, 0, 0, 0);
    from_wire(WATCHER, mac_v, mac_w);
    expect_drop(SKR_DROP_NOT_LOCAL);
    put_record(mac_v, IP_V, OWN, 0, 0, 0);
    from_wire(WATCHER, mac_v, mac_w);
    expect_drop(SKR_DROP_UNBOUND);
}

/* The controller tells the hosts one after the other: the target, which sends here, may hear of the turn last. */
Test(fastpath_moves, a_target_that_has_not_heard_gets_its_own_back)
{
    size_t length;

    be_the_source();
    put_record(mac_v, IP_V, THIRD, 0, OWN, SKR_MAC_FLIPPED | SKR_MAC_TOLD);
    put_record(mac_w, IP_W, THIRD, 0, 0, 0);
    length = wire(THIRD, mac_v, mac_w);
    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    expect_rewritten(length);
    frame[22] = 1; /* time to live: two hosts that each take the other for the target end it */
    programs_run(programs.uplink, u1, frame, length, 0, &verdict);
    expect_drop(SKR_DROP_STRAGGLER_LOOP);
}

/* ---- the target ---- */

static void be_the_target(void)
{
    put_port(p2, mac_v, SKR_PORT_ARMED | SKR_PORT_ARP_ND_INSPECTION);
    put_record(mac_v, IP_V, OTHER, 0, OWN, 0);
}

Test(fastpath_moves, an_armed_port_has_nothing_before_its_first_frame)
{
    be_the_target();
    from_port(p1, mac_v, mac_a, IP_A);
    expect_remote(OTHER);
    from_port(p1, broadcast, mac_a, IP_A);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    cr_assert_eq(verdict.target, 0, "p1 sent it, and p2 waits");
    from_wire(OTHER, broadcast, mac_v); /* the VM, where it runs */
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD);
    cr_assert_eq(verdict.target, p1);
    from_port(p2, broadcast, mac_a, IP_V);
    expect_drop(SKR_DROP_NOT_CURRENT);
    cr_assert_eq(port_flags(p2), SKR_PORT_ARMED | SKR_PORT_ARP_ND_INSPECTION);
    expect_record(mac_v, OTHER, 0, OWN, 0);
}

/* Others have been told of the turn first: what they send here is for the VM. Here nobody has been told. */
Test(fastpath_moves, an_armed_port_has_what_others_send_to_its_host)
{
    be_the_target();
    put_record(mac_v, IP_V, OTHER, p2, OWN, SKR_MAC_ARRIVES);
    from_wire(WATCHER, mac_v, mac_w);
    expect_local(p2);
    from_port(p1, mac_v, mac_a, IP_A);
    expect_remote(OTHER);
    from_wire(OTHER, mac_v, mac_w); /* passed on by the host that it leaves */
    expect_local(p2);
    put_record(mac_w, IP_W, OWN, p1, 0, 0);
    from_wire(OTHER, mac_v, mac_w); /* of this host's own, sent back */
    expect_local(p2);
    put_record(mac_w, IP_W, WATCHER, 0, 0, 0);
    from_wire(THIRD, mac_v, mac_w); /* who passes on without a right to */
    expect_drop(SKR_DROP_SOURCE_RECORD);
    from_wire(OTHER, mac_a, mac_w); /* to a VM that does not move */
    expect_drop(SKR_DROP_SOURCE_RECORD);
    expect_record(mac_v, OTHER, p2, OWN, SKR_MAC_ARRIVES);
    from_port(p2, mac_w, mac_v, IP_V);
    expect_record(mac_v, OWN, p2, OTHER, SKR_MAC_FLIPPED);
    from_port(p1, mac_v, mac_a, IP_A);
    expect_local(p2);
}

Test(fastpath_moves, nothing_turns_before_the_record_is_armed)
{
    be_the_target();
    put_record(mac_v, IP_V, OTHER, 0, 0, 0);
    from_port(p2, broadcast, mac_v, IP_V);
    expect_drop(SKR_DROP_NOT_CURRENT);
    put_record(mac_v, IP_V, OTHER, 0, THIRD, 0);
    from_port(p2, broadcast, mac_v, IP_V);
    expect_drop(SKR_DROP_NOT_CURRENT);
    expect_record(mac_v, OTHER, 0, THIRD, 0);
    cr_assert_eq(port_flags(p2), SKR_PORT_ARMED | SKR_PORT_ARP_ND_INSPECTION);
}

static int take_event(void *context, void *data, size_t size)
{
    cr_assert_geq(size, sizeof(struct skr_abi_event));
    memcpy(context, data, sizeof(struct skr_abi_event));
    return 0;
}

/* Any frame will do, and it is announced to everybody whatever it was. */
Test(fastpath_moves, the_first_frame_makes_it_current_and_is_announced)
{
    static const uint8_t announcement[] = {0, 1, 8, 0, 6, 4, 0, 3, 2, 1, 0, 0, 0, 7, 0, 0, 0, 0, 2, 1, 0, 0, 0, 7};
    struct skr_abi_event event = {0};
    struct ring_buffer *ring = ring_buffer__new(programs_map(&programs, "events"), take_event, &event, NULL);

    be_the_target();
    from_port(p2, mac_w, mac_v, IP_V);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD, "reason %u", verdict.reason);
    cr_assert_eq(verdict.target, p1);
    cr_assert_eq(verdict.pa, htonl(WATCHER) + htonl(OTHER));
    cr_assert_arr_eq(verdict.bytes + OUTER, broadcast, 6);
    cr_assert_arr_eq(verdict.bytes + OUTER + 6, mac_v, 6);
    cr_assert_arr_eq(verdict.bytes + OUTER + 12, ((uint8_t[]){0x80, 0x35}), 2);
    cr_assert_arr_eq(verdict.bytes + OUTER + 14, announcement, sizeof(announcement));
    for (size_t i = OUTER + 14 + sizeof(announcement); i < verdict.length; i++)
        cr_assert_eq(verdict.bytes[i], 0, "byte %zu of the VM's frame is told to everybody", i);
    cr_assert_eq(port_flags(p2), SKR_PORT_MOVED | SKR_PORT_ARP_ND_INSPECTION);
    expect_record(mac_v, OWN, p2, OTHER, SKR_MAC_FLIPPED);
    cr_assert_eq(ring_buffer__poll(ring, 0), 1);
    cr_assert_eq(event.kind, SKR_EVENT_MOVED);
    cr_assert_eq(event.ifindex, p2);
    ring_buffer__free(ring);
    from_port(p1, mac_v, mac_a, IP_A);
    expect_local(p2);
    from_port(p2, mac_w, mac_v, IP_V);
    expect_remote(WATCHER);
}

Test(fastpath_moves, a_large_first_frame_is_announced_too)
{
    size_t length = programs_udp(frame, mac_w, mac_v, IP_V, IP_W, 1, 2, 1300);

    be_the_target();
    programs_run(programs.port, p2, frame, length, 0, &verdict);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD, "reason %u", verdict.reason);
    cr_assert_eq(verdict.length, OUTER + 96);
    expect_record(mac_v, OWN, p2, OTHER, SKR_MAC_FLIPPED);
}

/* A straggler comes from the former host with a MAC that is elsewhere. Nobody else may pass anything on. */
Test(fastpath_moves, the_former_host_may_pass_on_what_it_got)
{
    be_the_target();
    from_wire(OTHER, mac_v, mac_w);
    expect_drop(SKR_DROP_SOURCE_RECORD);
    from_port(p2, broadcast, mac_v, IP_V);
    from_wire(OTHER, mac_v, mac_w);
    expect_local(p2);
    from_wire(THIRD, mac_v, mac_w);
    expect_drop(SKR_DROP_SOURCE_RECORD);
    from_wire(OTHER, mac_a, mac_w); /* to a VM that was not there */
    expect_drop(SKR_DROP_SOURCE_RECORD);
    from_wire(OTHER, broadcast, mac_w);
    expect_drop(SKR_DROP_SOURCE_RECORD);
    put_record(mac_v, IP_V, OWN, p2, 0, 0);
    from_wire(OTHER, mac_v, mac_w);
    expect_drop(SKR_DROP_SOURCE_RECORD);
}

/* ---- the source, in a segment ---- */

/* A and V in the uplink's untagged network, and V is about to leave. */
static void leave_a_segment(void)
{
    struct skr_abi_subnet subnet = {.mtu = 1500};

    network = SKR_SEGMENT_OF(u1, 0);
    programs_put(&programs, "subnets", &network, &subnet);
    put_port(p1, mac_a, 0);
    put_port(p2, mac_v, 0);
    put_record(mac_a, IP_A, 0, p1, 0, 0);
    put_record(mac_v, IP_V, 0, p2, 0, SKR_MAC_WAITS);
    chain(local(0), local(p1));
    chain(local(p1), local(p2));
    chain(local(p2), address(0));
}

static void announce_from_wire(const uint8_t *mac, uint16_t ethertype)
{
    memset(frame, 0, 60);
    memcpy(frame, broadcast, 6);
    memcpy(frame + 6, mac, 6);
    memcpy(frame + 12, (uint16_t[]){htons(ethertype)}, 2);
    programs_run(programs.uplink, u1, frame, 60, 0, &verdict);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_FLOOD, "verdict %u reason %u", verdict.verdict, verdict.reason);
}

Test(fastpath_moves, a_port_of_a_segment_has_left_when_the_uplink_announces_it)
{
    leave_a_segment();
    announce_from_wire(mac_a, 0x8035);
    expect_record(mac_a, 0, p1, 0, 0);
    announce_from_wire(mac_v, 0x88b5); /* its own, that came back */
    from_port(p1, mac_v, mac_a, IP_A);
    expect_local(p2);
    announce_from_wire(mac_v, 0x8035);
    expect_record(mac_v, 0, 0, 0, SKR_MAC_WAITS | SKR_MAC_FLIPPED);
    from_port(p1, mac_v, mac_a, IP_A);
    cr_assert_eq(verdict.verdict, SKR_VERDICT_UPLINK, "verdict %u reason %u", verdict.verdict, verdict.reason);
    cr_assert_eq(verdict.target, u1);
}

Test(fastpath_moves, an_announcement_takes_nothing_from_the_target)
{
    leave_a_segment();
    put_record(mac_v, IP_V, 0, 0, 0, SKR_MAC_WAITS);
    announce_from_wire(mac_v, 0x8035);
    expect_record(mac_v, 0, 0, 0, SKR_MAC_WAITS);
    put_record(mac_v, IP_V, 0, p2, 0, SKR_MAC_WAITS | SKR_MAC_FLIPPED);
    announce_from_wire(mac_v, 0x8035);
    expect_record(mac_v, 0, p2, 0, SKR_MAC_WAITS | SKR_MAC_FLIPPED);
}
