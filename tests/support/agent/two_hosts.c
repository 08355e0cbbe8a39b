#include "tests/support/agent/two_hosts.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

const struct two_hosts_guest two_hosts_guests[TWO_HOSTS_GUESTS] = {
        {"a", 0, 5001, 0x0a000005, {2, 1, 0, 0, 0, 5}},
        {"b", 1, 5001, 0x0a000006, {2, 1, 0, 0, 0, 6}},
        {"c", 0, 5001, 0x0a000007, {2, 1, 0, 0, 0, 7}},
        {"d", 1, 5002, 0x0a000106, {2, 1, 0, 0, 1, 6}},
};
static const uint32_t pas[2] = {0xc0a8010a, 0xc0a80114};
static const uint8_t uplink_macs[2][6] = {{2, 2, 0, 0, 0, 1}, {2, 2, 0, 0, 0, 2}};
static const char *const host_names[2] = {"h1", "h2"};

void two_hosts_enter(const char *name)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/run/netns/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
    cr_assert_eq(setns(fd, CLONE_NEWNET), 0, "%s", strerror(errno));
    close(fd);
}

uint32_t two_hosts_port(const struct two_hosts_guest *guest)
{
    char name[16];

    snprintf(name, sizeof(name), "p%s", guest->name);
    two_hosts_enter(host_names[guest->host]);
    return if_nametoindex(name);
}

static void put(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key, const void *value)
{
    cr_assert_eq(fastpath->ops->put(fastpath, table, key, value), 0, "%s", skr_fastpath_table_info(table)->name);
}

static void put_subnet(struct skr_fastpath *fastpath, unsigned host, uint32_t vsid, uint32_t gateway,
                       const struct two_hosts_options *options)
{
    struct skr_abi_subnet subnet = {.domain = 7,
                                    .flags = options->vxlan ? SKR_SUBNET_VXLAN : 0,
                                    .gateway = programs_v4(gateway),
                                    .source_pa = programs_v4(pas[host]),
                                    .prefix_length = 120,
                                    .mtu = options->vxlan ? 1450 : 1458};
    struct skr_abi_route_key key = {
            .prefix_bits = 32 + 120, .domain = htonl(7), .destination = programs_v4(gateway - 1)};
    struct skr_abi_route route = {.vsid = vsid};

    put(fastpath, SKR_TABLE_SUBNETS, &vsid, &subnet);
    put(fastpath, SKR_TABLE_ROUTES, &key, &route);
}

static void put_flood(struct skr_fastpath *fastpath, struct skr_abi_address at, struct skr_abi_address next)
{
    struct skr_abi_flood_key key = {.vsid = 5001, .receiver = at};
    struct skr_abi_flood link = {.next = next};

    put(fastpath, SKR_TABLE_FLOOD, &key, &link);
}

static void put_fabric(struct skr_fastpath *fastpath, unsigned host, const struct two_hosts_options *options)
{
    uint32_t uplink = if_nametoindex("u");
    struct skr_abi_address own = programs_v4(pas[host]), remote = programs_v4(pas[!host]), none = {0};
    struct skr_abi_own_pa own_pa = {.ifindex = uplink, .vlan_id = options->vlan, .mtu = 1500};
    struct skr_abi_peer_key peer = {.domain = 7, .pa = remote};
    struct skr_abi_peer allowed = {0};
    struct skr_abi_neighbor neighbor = {.ifindex = uplink};

    memcpy(neighbor.source_mac, uplink_macs[host], 6);
    memcpy(neighbor.destination_mac, uplink_macs[!host], 6);
    put(fastpath, SKR_TABLE_OWN_PAS, &own, &own_pa);
    put(fastpath, SKR_TABLE_PEERS, &peer, &allowed);
    if (!options->no_neighbors)
        put(fastpath, SKR_TABLE_NEIGHBORS, &remote, &neighbor);
    put_flood(fastpath, none, remote);
    put_flood(fastpath, remote, none);
    if (options->vlan) {
        uint32_t segment = SKR_SEGMENT_OF(uplink, options->vlan);
        struct skr_abi_subnet of_host = {.flags = SKR_SUBNET_HOST, .mtu = 1500};

        put(fastpath, SKR_TABLE_SUBNETS, &segment, &of_host);
        cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_EGRESS, uplink), 0);
    }
    cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_UPLINK, uplink), 0);
}

/* The guest as this host sees it; here it also gets a port and a place in the chain of local receivers. */
static void put_guest(struct skr_fastpath *fastpath, unsigned host, const struct two_hosts_guest *guest,
                      struct skr_abi_address *last, const struct two_hosts_options *options)
{
    uint32_t ifindex = guest->host == host ? two_hosts_port(guest) : 0;
    struct skr_abi_mac_key mac_key = {.vsid = guest->vsid};
    struct skr_abi_mac_record mac_record = {.pa = programs_v4(pas[guest->host]), .ifindex = ifindex};
    struct skr_abi_ca_key ca_key = {.vsid = guest->vsid, .ca = programs_v4(guest->ip)};
    struct skr_abi_ca_record ca_record = {0};
    struct skr_abi_port port = {.domain = 7,
                                .vsid = guest->vsid,
                                .flags = SKR_PORT_ARP_ND_INSPECTION | SKR_PORT_DHCP_GUARD | SKR_PORT_ROUTER_GUARD |
                                         (options->peer ? SKR_PORT_PEER : 0)};
    struct skr_abi_address at = {.bytes = {SKR_FLOOD_LOCAL}};

    memcpy(mac_key.mac, guest->mac, 6);
    memcpy(ca_record.mac, guest->mac, 6);
    memcpy(port.mac, guest->mac, 6);
    put(fastpath, SKR_TABLE_RECORDS_MAC, &mac_key, &mac_record);
    put(fastpath, SKR_TABLE_RECORDS_CA, &ca_key, &ca_record);
    if (!ifindex)
        return;
    put(fastpath, SKR_TABLE_PORTS, &ifindex, &port);
    cr_assert_eq(fastpath->ops->attach(fastpath, SKR_HOOK_PORT, ifindex), 0);
    if (guest->vsid == 5001) {
        at.words[3] = htonl(ifindex);
        put_flood(fastpath, at, (struct skr_abi_address){0});
        put_flood(fastpath, *last, at);
        *last = at;
    }
}

static void open_host(struct two_hosts *lab, unsigned host, const struct two_hosts_options *options)
{
    char pins[80];
    struct skr_fastpath_options fastpath = {.pin_directory = pins, .object_path = options->object_path};
    struct skr_abi_address last = {.bytes = {SKR_FLOOD_LOCAL}};
    struct skr_error error = {0};

    snprintf(pins, sizeof(pins), "%s/%s", lab->directory, host_names[host]);
    two_hosts_enter(host_names[host]);
    cr_assert_eq(skr_fastpath_bpf_new(&fastpath, &lab->hosts[host], &error), 0, "%s", error.detail);
    put_subnet(lab->hosts[host], host, 5001, 0x0a000001, options);
    put_subnet(lab->hosts[host], host, 5002, 0x0a000101, options);
    put_fabric(lab->hosts[host], host, options);
    for (unsigned i = 0; i < TWO_HOSTS_GUESTS; i++)
        put_guest(lab->hosts[host], host, &two_hosts_guests[i], &last, options);
}

static void build_wire(void)
{
    programs_shell("mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns");
    programs_shell("for n in h1 h2 a b c d; do ip netns add $n && ip -n $n link set lo up && "
                   "ip netns exec $n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 "
                   "|| exit 1; done;"
                   "ip -n h1 link add u type veth peer name u netns h2");
    for (unsigned host = 0; host < 2; host++)
        programs_shell("ip -n h%u link set u address 02:02:00:00:00:0%u up && ip -n h%u addr add 192.168.1.%u/24 dev u",
                       host + 1, host + 1, host + 1, host ? 20 : 10);
}

static void build_guest(const struct two_hosts_guest *guest, unsigned mtu)
{
    struct in_addr address = {.s_addr = htonl(guest->ip)}, gateway = {.s_addr = htonl((guest->ip & 0xffffff00) + 1)};
    char text[16], gateway_text[16];

    snprintf(text, sizeof(text), "%s", inet_ntoa(address));
    snprintf(gateway_text, sizeof(gateway_text), "%s", inet_ntoa(gateway));
    programs_shell(
            "ip -n %s link add p%s type veth peer name eth0 netns %s && ip -n %s link set p%s up && "
            "ip netns exec %s sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && "
            "ip -n %s link set eth0 address 02:01:00:00:%02x:%02x mtu %u up && ip -n %s addr add %s/24 dev eth0 && "
            "ip -n %s route add default via %s",
            host_names[guest->host], guest->name, guest->name, host_names[guest->host], guest->name, guest->name,
            guest->name, guest->mac[4], guest->mac[5], mtu, guest->name, text, guest->name, gateway_text);
}

void two_hosts_open(struct two_hosts *lab, const struct two_hosts_options *options)
{
    programs_namespace();
    build_wire();
    for (unsigned i = 0; i < TWO_HOSTS_GUESTS; i++)
        build_guest(&two_hosts_guests[i], options->vxlan ? 1450 : 1458);
    snprintf(lab->directory, sizeof(lab->directory), "/run/netns/pins"); /* on the tmpfs of this process */
    mkdir(lab->directory, 0700);
    for (unsigned host = 0; host < 2; host++)
        open_host(lab, host, options);
}

void two_hosts_close(struct two_hosts *lab)
{
    for (unsigned host = 0; host < 2; host++)
        lab->hosts[host]->ops->free(lab->hosts[host]);
}

uint64_t two_hosts_statistic(const char *name, const char *interface, const char *statistic)
{
    char command[256];
    unsigned long long value = 0;
    FILE *output;

    snprintf(command, sizeof(command), "ip netns exec %s cat /sys/class/net/%s/statistics/%s", name, interface,
             statistic);
    output = popen(command, "r");
    cr_assert(output && fscanf(output, "%llu", &value) == 1, "%s", command);
    pclose(output);
    return value;
}
