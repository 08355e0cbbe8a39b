/* Tags on real packets: guests in VLANs and untagged, and provider addresses on a tagged VLAN. Two hosts, four guests
 * (tests/support/agent/two_hosts.h), their VM subnets replaced by segments. */
#include "tests/support/agent/two_hosts.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct two_hosts lab;
static const char *const names[2] = {"h1", "h2"};

static void put(unsigned host, enum skr_fastpath_table table, const void *key, const void *value)
{
    struct skr_fastpath *fastpath = lab.hosts[host];
    cr_assert_eq(fastpath->ops->put(fastpath, table, key, value), 0);
}

static struct skr_abi_address receiver(uint32_t ifindex)
{
    struct skr_abi_address address = {.bytes = {SKR_FLOOD_LOCAL}};
    address.words[3] = htonl(ifindex);
    return address;
}

/* The guest is a port of this VLAN now. `next`: another guest here in the same VLAN, later in the chain; NULL: none. */
static void put_in_vlan(const struct two_hosts_guest *guest, uint32_t vlan, const struct two_hosts_guest *next)
{
    uint32_t ifindex = two_hosts_port(guest), segment = SKR_SEGMENT_OF(if_nametoindex("u"), vlan);
    struct skr_abi_port port = {.vsid = segment, .flags = SKR_PORT_ARP_ND_INSPECTION | SKR_PORT_ROUTER_GUARD};
    struct skr_abi_subnet subnet = {.mtu = 1500};
    struct skr_abi_mac_key mac = {.vsid = segment};
    struct skr_abi_mac_record at = {.ifindex = ifindex};
    struct skr_abi_ca_key ca = {.vsid = segment, .ca = programs_v4(guest->ip)};
    struct skr_abi_ca_record holder = {0};
    struct skr_abi_flood_key link = {.vsid = segment, .receiver = receiver(ifindex)};
    struct skr_abi_flood to = {0};
    memcpy(port.mac, guest->mac, 6);
    memcpy(mac.mac, guest->mac, 6);
    memcpy(holder.mac, guest->mac, 6);
    put(guest->host, SKR_TABLE_SUBNETS, &segment, &subnet);
    put(guest->host, SKR_TABLE_RECORDS_MAC, &mac, &at);
    put(guest->host, SKR_TABLE_RECORDS_CA, &ca, &holder);
    if (next)
        to.next = receiver(two_hosts_port(next));
    put(guest->host, SKR_TABLE_FLOOD, &link, &to);
    link.receiver = receiver(0);
    to.next = receiver(ifindex);
    put(guest->host, SKR_TABLE_FLOOD, &link, &to);
    put(guest->host, SKR_TABLE_PORTS, &ifindex, &port);
}

static bool ping(const char *guest, const char *address)
{
    char command[160];
    snprintf(command, sizeof(command), "ip netns exec %s ping -q -c 2 -i 0.05 -W 1 %s >/dev/null", guest, address);
    return system(command) == 0;
}

static void open_vlans(uint32_t of_b)
{
    two_hosts_open(&lab, &(struct two_hosts_options){.peer = false});
    for (unsigned host = 0; host < 2; host++)
        programs_shell("ip -n %s link set u promisc on", names[host]);
    put_in_vlan(&two_hosts_guests[2], 10, NULL);
    put_in_vlan(&two_hosts_guests[0], 10, &two_hosts_guests[2]);
    put_in_vlan(&two_hosts_guests[1], of_b, NULL);
}

/* A socket that hears the wire where h2 is, with tags beside the frames. */
static int wire_socket(void)
{
    int fd, on = 1;
    two_hosts_enter("h2");
    struct sockaddr_ll at = {
            .sll_family = AF_PACKET, .sll_protocol = htons(0x0003), .sll_ifindex = (int)if_nametoindex("u")};
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
    return fd;
}

/* Every IPv4 and ARP frame that arrived has this tag (0: none); their number. */
static unsigned heard_with_tag(int fd, unsigned tag)
{
    uint8_t bytes[2048], control[256];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    unsigned count = 0;
    for (;;) {
        struct sockaddr_ll from;
        struct msghdr message = {.msg_name = &from,
                                 .msg_namelen = sizeof(from),
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        if (recvmsg(fd, &message, MSG_DONTWAIT) < 0)
            return count;
        const struct tpacket_auxdata *aux = (const void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
        unsigned found = aux->tp_status & TP_STATUS_VLAN_VALID ? aux->tp_vlan_tci : 0;
        if (from.sll_pkttype == PACKET_OUTGOING || bytes[12] != 8)
            continue;
        cr_assert_eq(found, tag, "tag %u", found);
        count++;
    }
}

Test(fastpath_vlans, guests_of_one_vlan)
{
    open_vlans(10);
    int wire = wire_socket();
    cr_assert(ping("a", "10.0.0.6"), "another host");
    cr_assert(ping("b", "10.0.0.7"), "back");
    cr_assert(ping("a", "10.0.0.7"), "the same host");
    cr_assert_gt(heard_with_tag(wire, 10), 4);
    programs_shell("ip netns exec b iperf3 -s -1 -D >/dev/null && for i in $(seq 50); do ip netns exec a "
                   "iperf3 -c 10.0.0.6 -n 64M >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1");
    cr_assert_lt(two_hosts_statistic("h1", "u", "tx_packets"), (64 << 20) / 1400 / 2, "segments are carried whole");
    close(wire);
    two_hosts_close(&lab);
}

Test(fastpath_vlans, guests_of_two_vlans)
{
    open_vlans(20);
    cr_assert(!ping("a", "10.0.0.6"));
    cr_assert(ping("a", "10.0.0.7"));
    two_hosts_close(&lab);
}

/* The wire's untagged frames are those of the host's own stack: both have what is theirs. */
Test(fastpath_vlans, guests_and_host_untagged)
{
    two_hosts_open(&lab, &(struct two_hosts_options){.peer = true});
    for (unsigned host = 0; host < 2; host++)
        programs_shell("ip -n %s link set u promisc on", names[host]);
    put_in_vlan(&two_hosts_guests[0], 0, NULL);
    put_in_vlan(&two_hosts_guests[1], 0, NULL);
    int wire = wire_socket();
    cr_assert(ping("a", "10.0.0.6"));
    cr_assert(ping("h1", "192.168.1.20"));
    cr_assert_gt(heard_with_tag(wire, 0), 4);
    close(wire);
    two_hosts_close(&lab);
}

static void expect_tagged_tunnels(struct two_hosts_options options)
{
    options.vlan = 100;
    two_hosts_open(&lab, &options);
    int wire = wire_socket();
    cr_assert(ping("h1", "192.168.1.20"), "the hosts themselves");
    cr_assert(ping("a", "10.0.0.6"), "a tunnel");
    cr_assert(ping("a", "10.0.1.6"), "another subnet");
    cr_assert_gt(heard_with_tag(wire, 100), 6);
    programs_shell("ip netns exec b iperf3 -s -1 -D >/dev/null && for i in $(seq 50); do ip netns exec a "
                   "iperf3 -c 10.0.0.6 -n 64M >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1");
    cr_assert_lt(two_hosts_statistic("h1", "u", "tx_packets"), (64 << 20) / 1400 / 2, "segments are carried whole");
    close(wire);
    two_hosts_close(&lab);
}

Test(fastpath_vlans, nvgre_of_a_tagged_site)
{
    expect_tagged_tunnels((struct two_hosts_options){.peer = true});
}

Test(fastpath_vlans, vxlan_of_a_tagged_site_with_the_kernels_next_hops)
{
    expect_tagged_tunnels((struct two_hosts_options){.vxlan = true, .no_neighbors = true});
}
