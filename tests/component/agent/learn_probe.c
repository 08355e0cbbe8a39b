/* Ageing by asking, and ICMP that quotes: a real guest in a namespace behind a veth. */
#include "agent/fastpath/fastpath.h"
#include "agent/learn/private.h"
#include "tests/support/agent/host_world.h"
#include "tests/support/agent/programs.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <skerry/clock.h>
#include <sys/socket.h>

#define VSID  5001
#define GUEST 0x0a000005u /* 10.0.0.5 */
#define GONE  0x0a000006u

static struct skr_desired *desired;
static struct skr_learn *learn;
static struct skr_learned told[256];
static size_t told_count;
static const uint8_t guest_mac[6] = {2, 0, 0, 0, 0, 5};

static void on_report(void *arg, const struct skr_learned *learned)
{
    (void)arg;
    cr_assert_lt(told_count, 256u);
    told[told_count++] = *learned;
}

static void deliver(Skerry__V1__Delta *delta)
{
    struct skr_error error = {0};
    bool complete;
    int r = skr_desired_delta(desired, delta, &complete, &error);
    cr_assert(r == 0 || r == -ESTALE, "%s", error.detail);
    delta_free(delta);
}

/* The VM network, and this host's port in it. */
static void begin(int64_t probe_interval_ns)
{
    struct skr_uuid database = test_id(0xdb, 1), id = test_id(0xad, 1);
    const struct skr_learn_options options = {.report = on_report, .probe_interval_ns = probe_interval_ns};
    skr_desired_new(&desired);
    skr_desired_set_controller(desired, &database, 7, &test_key);
    cr_assert_eq(skr_learn_new(&options, &learn), 0);
    skr_desired_listen(desired, skr_learn_changes, learn);
    Skerry__V1__Port *port = (Skerry__V1__Port *)body_port(test_id(0x4d, 1), VSID, 5);
    port->guest_specified_ips = true;
    Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, test_id(0x05, 1), 0, 1);
    delta_upsert(delta, PORT, id, &port->base);
    deliver(delta);
    delta = delta_new(DOMAIN_SCOPE, test_id(0x4d, 1), 0, 1);
    delta_upsert(delta, SUBNET, test_id(0x5b, 1), body_subnet(VSID, 0x0a000000, 24));
    deliver(delta);
    skr_learn_port(learn, &id, world_ifindex("v1"));
}

static void end(void)
{
    skr_learn_free(learn);
    skr_desired_free(desired);
}

static void setup(void)
{
    programs_namespace();
    programs_shell(
            "mount -t tmpfs none /run && ip netns add guest && ip link add v1 type veth peer name eth0 netns guest"
            " && ip -n guest link set eth0 address 02:00:00:00:00:05 up && ip link set v1 up && "
            "ip -n guest addr add 10.0.0.5/24 dev eth0");
    begin(50 * SKR_NS_PER_MS);
}

TestSuite(learn_probe, .init = setup, .fini = end);

static void claim(uint32_t ca)
{
    struct skr_address address = test_address(ca);
    struct skr_abi_event e = {.kind = SKR_EVENT_LEARN, .ifindex = world_ifindex("v1"), .vsid = VSID};
    memcpy(e.ca.bytes, address.bytes, sizeof(address.bytes));
    memcpy(e.mac, guest_mac, sizeof(guest_mac));
    skr_learn_event(learn, &e, skr_clock_monotonic_ns());
}

/* Runs what is due, when it is due. */
static void run_for(int64_t ns)
{
    int64_t until = skr_clock_monotonic_ns() + ns;
    for (int64_t now = skr_clock_monotonic_ns(); now < until; now = skr_clock_monotonic_ns()) {
        int64_t due = skr_learn_deadline_ns(learn), wake = due < until ? due : until;
        if (wake > now)
            poll(NULL, 0, (int)((wake - now) / SKR_NS_PER_MS + 1));
        skr_learn_run(learn, skr_clock_monotonic_ns());
    }
}

/* Our program drops here what the guest sends, as it consumes what a guest answers to its gateway. */
Test(learn_probe, who_answers_stays_and_who_does_not_goes)
{
    const struct skr_fastpath_options options = {.pin_directory = "/run/bpf"};
    struct skr_address gone = test_address(GONE);
    struct skr_fastpath *fastpath = NULL;
    struct skr_error error = {0};
    cr_assert_eq(skr_fastpath_bpf_new(&options, &fastpath, &error), 0, "%s", error.detail);
    cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_PORT, world_ifindex("v1")), 0);
    claim(GUEST);
    claim(GONE);
    cr_assert_eq(told_count, 2);
    run_for(1000 * SKR_NS_PER_MS);
    cr_assert_eq(told_count, 3, "%zu", told_count);
    cr_assert(told[2].withdrawn);
    cr_assert_eq(skr_address_compare(&told[2].customer_address, &gone), 0);
    fastpath->ops->free(fastpath);
}

Test(learn_probe, a_guest_that_drops_the_address_loses_it)
{
    claim(GUEST);
    run_for(300 * SKR_NS_PER_MS);
    cr_assert_eq(told_count, 1);
    programs_shell("ip -n guest addr del 10.0.0.5/24 dev eth0");
    run_for(1000 * SKR_NS_PER_MS);
    cr_assert_eq(told_count, 2);
    cr_assert(told[1].withdrawn);
}

static void question(int64_t now_ns)
{
    struct skr_uuid id = test_id(0xad, 1);
    struct skr_address address = test_address(GUEST);
    skr_learn_ask(learn, &id, &address, now_ns);
}

/* Another port shows the address: a guest that has it keeps it, one that has left it loses it well within two seconds,
 * whatever it has answered before. */
Test(learn_probe, an_address_in_doubt)
{
    end();
    begin(0); /* a guest is asked once a minute without need */
    claim(GUEST);
    question(skr_clock_monotonic_ns());
    run_for(SKR_LEARN_DOUBT_NS + 500 * SKR_NS_PER_MS);
    cr_assert_eq(told_count, 1, "it has answered");
    programs_shell("ip -n guest addr del 10.0.0.5/24 dev eth0");
    question(skr_clock_monotonic_ns());
    int64_t left = skr_clock_monotonic_ns();
    while (told_count == 1 && skr_clock_monotonic_ns() - left < 5000 * SKR_NS_PER_MS)
        run_for(10 * SKR_NS_PER_MS);
    cr_assert_eq(told_count, 2);
    cr_assert(told[1].withdrawn);
    cr_assert_lt(skr_clock_monotonic_ns() - left, 2 * SKR_LEARN_DOUBT_NS);
}

Test(learn_probe, what_cannot_be_asked_is_not_withdrawn)
{
    claim(GUEST);
    programs_shell("ip link set v1 down");
    run_for(800 * SKR_NS_PER_MS);
    cr_assert_eq(told_count, 1);
}

static void quote(uint32_t kind, uint32_t destination, struct skr_abi_event *ret)
{
    struct ether_header ethernet = {.ether_type = htons(ETHERTYPE_IP)};
    struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .tot_len = htons(100)};
    *ret = (struct skr_abi_event){
            .kind = kind, .ifindex = world_ifindex("v1"), .vsid = VSID, .mtu = 1458, .packet_size = 114};
    memcpy(ethernet.ether_shost, guest_mac, 6);
    ethernet.ether_dhost[0] = 2;
    ip.saddr = htonl(GUEST);
    ip.daddr = htonl(destination);
    memcpy(ret->packet, &ethernet, sizeof(ethernet));
    memcpy(ret->packet + sizeof(ethernet), &ip, sizeof(ip));
}

struct answer {
    struct ether_header ethernet;
    struct iphdr ip;
    struct icmphdr icmp;
    struct iphdr quoted;
    uint8_t rest[1500];
    size_t size; /* of what came */
} __attribute__((packed));

/* A packet that leaves v1 towards the guest is seen on this socket as outgoing. */
static int tap_open(void)
{
    const struct sockaddr_ll at = {
            .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)world_ifindex("v1")};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    cr_assert_geq(fd, 0);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static bool tap_icmp(int fd, struct answer *ret)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (poll(&wait, 1, 300) == 1) {
        ssize_t size = recv(fd, ret, offsetof(struct answer, size), 0);
        ret->size = (size_t)size;
        if (size >= (ssize_t)offsetof(struct answer, rest) && ret->ethernet.ether_type == htons(ETHERTYPE_IP) &&
            ret->ip.protocol == IPPROTO_ICMP)
            return true;
    }
    return false;
}

/* RFC 1071: what is right sums up to all ones, its own checksum taken in. An odd byte is the first of its word. */
static uint32_t summed(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += i % 2 ? bytes[i] : bytes[i] * 256u;
    return (uint32_t)(sum % 65535);
}

/* A guest drops an error whose sums are wrong without a word, and goes on sending packets that are too big. */
Test(learn_probe, errors_have_right_sums_whatever_they_quote)
{
    const struct skr_address gateway = test_address(0x0a000001);
    int fd = tap_open(), out = skr_learn_answer_open();
    for (uint16_t size = 14 + 28; size <= 114; size++) {
        struct skr_abi_event e;
        struct answer answer;
        quote(SKR_EVENT_TOO_BIG, 0x0a000106, &e);
        e.packet_size = size;
        for (unsigned i = 14 + 20; i < sizeof(e.packet); i++)
            e.packet[i] = (uint8_t)(i * 7 + 129);
        skr_learn_answer(out, &e, &gateway);
        cr_assert(tap_icmp(fd, &answer), "size %u", size);
        size_t all = ntohs(answer.ip.tot_len);
        cr_assert_eq(all, 20u + 8u + size - 14u, "size %u", size);
        cr_assert_leq(14 + all, answer.size);
        cr_assert_eq(summed(&answer.ip, 20), 0, "size %u", size);
        cr_assert_eq(summed(&answer.icmp, all - 20), 0, "size %u", size);
        cr_assert_arr_eq(&answer.quoted, e.packet + 14, size - 14, "size %u", size);
    }
    close(out);
    close(fd);
}

Test(learn_probe, errors_quote_the_packet)
{
    static const struct {
        uint32_t kind;
        uint8_t type, code;
    } cases[] = {{SKR_EVENT_TOO_BIG, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED},
                 {SKR_EVENT_TTL_EXCEEDED, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL},
                 {SKR_EVENT_UNREACHABLE, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH}};
    int fd = tap_open();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct skr_abi_event e;
        struct answer answer;
        quote(cases[i].kind, 0x0a000106, &e);
        skr_learn_event(learn, &e, skr_clock_monotonic_ns());
        skr_learn_run(learn, skr_clock_monotonic_ns());
        cr_assert(tap_icmp(fd, &answer), "kind %u", cases[i].kind);
        cr_assert_eq(answer.icmp.type, cases[i].type);
        cr_assert_eq(answer.icmp.code, cases[i].code);
        cr_assert_eq(answer.ip.saddr, htonl(0x0a000001), "from the gateway");
        cr_assert_eq(answer.ip.daddr, htonl(GUEST));
        cr_assert_eq(answer.quoted.daddr, htonl(0x0a000106));
        cr_assert_eq(ntohs(answer.icmp.un.frag.mtu), cases[i].kind == SKR_EVENT_TOO_BIG ? 1458 : 0);
    }
    close(fd);
}

Test(learn_probe, no_error_about_what_must_not_be_answered)
{
    struct skr_abi_event e;
    struct answer answer;
    int fd = tap_open();
    quote(SKR_EVENT_UNREACHABLE, 0xe0000001, &e); /* multicast */
    skr_learn_event(learn, &e, skr_clock_monotonic_ns());
    quote(SKR_EVENT_UNREACHABLE, 0x0a000106, &e);
    e.packet[sizeof(struct ether_header) + 7] = 1; /* a later fragment */
    skr_learn_event(learn, &e, skr_clock_monotonic_ns());
    quote(SKR_EVENT_UNREACHABLE, 0x0a000106, &e);
    e.packet[sizeof(struct ether_header) + 9] = IPPROTO_ICMP; /* an ICMP error: type 3 follows */
    e.packet[sizeof(struct ether_header) + sizeof(struct iphdr)] = ICMP_DEST_UNREACH;
    skr_learn_event(learn, &e, skr_clock_monotonic_ns());
    quote(SKR_EVENT_UNREACHABLE, 0x0a000106, &e);
    e.packet_size = 20;
    skr_learn_event(learn, &e, skr_clock_monotonic_ns());
    skr_learn_run(learn, skr_clock_monotonic_ns());
    cr_assert_not(tap_icmp(fd, &answer));
    close(fd);
}

/* A guest that makes the agent answer as much as it can: what others need waits for a bounded piece of that alone, and
 * the kernel's slow closing of packet sockets is not in it. */
Test(learn_probe, a_flood_of_packets_to_answer_holds_nothing_up)
{
    struct skr_abi_event e;
    int64_t begin = skr_clock_monotonic_ns(), turns = 0;
    quote(SKR_EVENT_TTL_EXCEEDED, 0x0a000106, &e);
    for (int i = 0; i < 10000; i++)
        skr_learn_event(learn, &e, begin);
    claim(GUEST);
    cr_assert_eq(told_count, 1, "learned before anything is answered");
    while (skr_learn_deadline_ns(learn) <= skr_clock_monotonic_ns()) {
        skr_learn_run(learn, skr_clock_monotonic_ns());
        cr_assert_lt(++turns, 20, "what was over is not kept");
    }
    cr_assert_lt(skr_clock_monotonic_ns() - begin, 500 * SKR_NS_PER_MS);
}
