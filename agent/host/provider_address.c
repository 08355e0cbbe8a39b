/* Provider addresses on their uplinks: probe, address, `ip rule from PA`, own table through the site pool's gateway,
 * ARP settings (datapath.md, "PA plumbing"). The table's number is the PA itself, so that a restarted agent finds its
 * own. */
#include "agent/host/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <skerry/clock.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct arp_frame {
    struct ether_header ethernet;
    struct ether_arp arp;
} __attribute__((packed));

uint32_t skr_host_provider_address_table(const struct provider_address *pa)
{
    return ntohl(skr_address_v4(&pa->address));
}

static void tell(struct skr_host *host, const struct provider_address *pa)
{
    bool ready = pa->state == PA_READY;
    host->output.own_pa(host->output.arg, &pa->id, &pa->address, ready ? pa->ifindex : 0, pa->mtu,
                        ready ? NULL : pa->reason);
    skr_host_neighbor_refresh(host);
}

static void wait_for(struct skr_host *host, struct provider_address *pa, int64_t due_ns, const char *reason)
{
    bool was_ready = pa->state == PA_READY;
    bool same = !strcmp(pa->reason, reason);
    pa->state = PA_WAITING;
    pa->due_ns = due_ns;
    snprintf(pa->reason, sizeof(pa->reason), "%s", reason);
    if (was_ready || !same)
        tell(host, pa);
}

struct address_search {
    uint32_t ifindex, v4;
    bool found;
};

static int address_seen(const struct nlmsghdr *message, void *arg)
{
    struct address_search *search = arg;
    const struct ifaddrmsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[IFA_MAX + 1];
    skr_netlink_attributes(message, sizeof(*body), table, IFA_MAX);
    if (body->ifa_index == search->ifindex && table[IFA_LOCAL] && mnl_attr_get_u32(table[IFA_LOCAL]) == search->v4)
        search->found = true;
    return MNL_CB_OK;
}

static bool address_present(struct skr_host *host, const struct provider_address *pa)
{
    struct address_search search = {.ifindex = pa->ifindex, .v4 = skr_address_v4(&pa->address)};
    struct nlmsghdr *message = skr_netlink_request(host->netlink, RTM_GETADDR, 0);
    struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->ifa_family = AF_INET;
    return skr_netlink_dump(host->netlink, message, address_seen, &search) == 0 && search.found;
}

int skr_host_provider_address_install(struct skr_host *host, const struct provider_address *pa)
{
    uint32_t table = skr_host_provider_address_table(pa);
    int r = address_present(host, pa)
                    ? 0
                    : skr_netlink_address(host->netlink, true, pa->ifindex, &pa->address, pa->subnet.length);
    if (r == 0)
        r = skr_netlink_route(host->netlink, true, table, &pa->subnet.address, pa->subnet.length, NULL, &pa->address,
                              pa->ifindex);
    if (r == 0 && pa->has_gateway)
        r = skr_netlink_route(host->netlink, true, table, &pa->subnet.address, 0, &pa->gateway, &pa->address,
                              pa->ifindex);
    if (r == 0)
        r = skr_netlink_rule(host->netlink, true, &pa->address, table);
    return r;
}

static void become_ready(struct skr_host *host, struct provider_address *pa)
{
    char reason[sizeof(pa->reason)];
    skr_host_sysctl("ipv4", pa->uplink, "arp_ignore", "1");
    skr_host_sysctl("ipv4", pa->uplink, "arp_announce", "2");
    int r = skr_host_provider_address_install(host, pa);
    if (r < 0) {
        snprintf(reason, sizeof(reason), "provider_address: the kernel refused it: %s", strerror(-r));
        wait_for(host, pa, host->now_ns + RETRY_NS, reason);
        return;
    }
    pa->state = PA_READY;
    pa->uplink_up = true;
    pa->due_ns = INT64_MAX;
    pa->reason[0] = 0;
    tell(host, pa);
}

static void close_probe(struct provider_address *pa)
{
    skr_close_cleanup(&pa->probe_fd);
}

/* RFC 5227 section 2.1.1: a request from 0.0.0.0 for the address. */
static int send_probe(struct skr_host *host, struct provider_address *pa)
{
    const struct skr_host_interface *interface = skr_host_interface(host, pa->ifindex);
    struct sockaddr_ll to = {
            .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = (int)pa->ifindex, .sll_halen = 6};
    struct arp_frame frame = {.ethernet = {.ether_type = htons(ETHERTYPE_ARP)},
                              .arp = {.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER),
                                                 .ar_pro = htons(ETHERTYPE_IP),
                                                 .ar_hln = 6,
                                                 .ar_pln = 4,
                                                 .ar_op = htons(ARPOP_REQUEST)}}};
    uint32_t v4 = skr_address_v4(&pa->address);
    memset(frame.ethernet.ether_dhost, 0xff, 6);
    memset(to.sll_addr, 0xff, 6);
    memcpy(frame.ethernet.ether_shost, interface->mac.bytes, 6);
    memcpy(frame.arp.arp_sha, interface->mac.bytes, 6);
    memcpy(frame.arp.arp_tpa, &v4, 4);
    ssize_t r = sendto(pa->probe_fd, &frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to));
    return r < 0 ? -errno : 0;
}

/* Has anybody answered for, or probed, our address since the last look? */
static bool probe_answered(struct skr_host *host, struct provider_address *pa)
{
    const struct skr_host_interface *interface = skr_host_interface(host, pa->ifindex);
    uint32_t v4 = skr_address_v4(&pa->address);
    struct arp_frame frame;
    bool answered = false;
    ssize_t size;
    while ((size = recv(pa->probe_fd, &frame, sizeof(frame), MSG_DONTWAIT)) >= 0) {
        if ((size_t)size >= sizeof(frame) && !memcmp(frame.arp.arp_spa, &v4, 4) && interface &&
            memcmp(frame.arp.arp_sha, interface->mac.bytes, 6) != 0)
            answered = true;
    }
    return answered;
}

static void begin(struct skr_host *host, struct provider_address *pa)
{
    const struct skr_host_interface *interface = skr_host_interface_named(host, pa->uplink);
    close_probe(pa);
    if (pa->vlan_id) {
        wait_for(host, pa, INT64_MAX, "unsupported: provider addresses on a tagged VLAN");
        return;
    }
    if (!interface) {
        char reason[sizeof(pa->reason)];
        snprintf(reason, sizeof(reason), "no_uplink: this host has no interface %s", pa->uplink);
        wait_for(host, pa, INT64_MAX, reason);
        return;
    }
    pa->ifindex = interface->ifindex;
    if (!interface->up) {
        skr_netlink_link_up(host->netlink, interface->ifindex);
        wait_for(host, pa, host->now_ns + RETRY_NS, "uplink_down: the uplink is being set up");
        return;
    }
    if (address_present(host, pa)) { /* adopted: an earlier agent has probed it */
        become_ready(host, pa);
        return;
    }
    pa->probe_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ARP));
    struct sockaddr_ll at = {
            .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = (int)pa->ifindex};
    if (pa->probe_fd < 0 || bind(pa->probe_fd, (struct sockaddr *)&at, sizeof(at)) < 0 || send_probe(host, pa) < 0) {
        close_probe(pa);
        wait_for(host, pa, host->now_ns + RETRY_NS, "uplink_down: the uplink takes no frames");
        return;
    }
    pa->state = PA_PROBING;
    pa->probes_sent = 1;
    pa->due_ns = host->now_ns + PROBE_INTERVAL_NS;
}

static void probe(struct skr_host *host, struct provider_address *pa)
{
    if (probe_answered(host, pa)) {
        close_probe(pa);
        wait_for(host, pa, host->now_ns + RETRY_NS, "duplicate_address: another station holds the provider address");
        return;
    }
    if (pa->probes_sent < PROBE_COUNT && send_probe(host, pa) == 0) {
        pa->probes_sent++;
        pa->due_ns = host->now_ns + PROBE_INTERVAL_NS;
        return;
    }
    close_probe(pa);
    become_ready(host, pa);
}

static void withdraw(struct skr_host *host, struct provider_address *pa)
{
    close_probe(pa);
    if (pa->state != PA_READY)
        return;
    uint32_t table = skr_host_provider_address_table(pa);
    pa->state = PA_WAITING;
    snprintf(pa->reason, sizeof(pa->reason), "removed");
    tell(host, pa);
    skr_netlink_rule(host->netlink, false, &pa->address, table);
    if (pa->has_gateway)
        skr_netlink_route(host->netlink, false, table, &pa->subnet.address, 0, &pa->gateway, &pa->address, pa->ifindex);
    skr_netlink_route(host->netlink, false, table, &pa->subnet.address, pa->subnet.length, NULL, &pa->address,
                      pa->ifindex);
    skr_netlink_address(host->netlink, false, pa->ifindex, &pa->address, pa->subnet.length);
}

static struct skr_address from_wire(const ProtobufCBinaryData *data)
{
    struct skr_address address = {0};
    uint32_t v4;
    if (data->len == 4) {
        memcpy(&v4, data->data, 4);
        return skr_address_from_v4(v4);
    }
    if (data->len == 16)
        memcpy(address.bytes, data->data, 16);
    return address;
}

static bool same(const struct provider_address *pa, const Skerry__V1__ProviderAddress *wanted)
{
    struct skr_address address = from_wire(&wanted->address), gateway = from_wire(&wanted->gateway);
    return !skr_address_compare(&pa->address, &address) && pa->has_gateway == (wanted->gateway.len != 0) &&
           !skr_address_compare(&pa->gateway, &gateway) && pa->subnet.length == wanted->prefix_length &&
           !strcmp(pa->uplink, wanted->uplink) && pa->vlan_id == wanted->vlan_id && pa->mtu == wanted->mtu;
}

static void fill(struct provider_address *pa, const Skerry__V1__ProviderAddress *wanted)
{
    char text[SKR_PREFIX_TEXT_MAX + 4], address[SKR_ADDRESS_TEXT_MAX];
    pa->address = from_wire(&wanted->address);
    pa->gateway = from_wire(&wanted->gateway);
    pa->has_gateway = wanted->gateway.len != 0;
    pa->vlan_id = wanted->vlan_id;
    pa->mtu = wanted->mtu;
    snprintf(pa->uplink, sizeof(pa->uplink), "%s", wanted->uplink);
    uint32_t mask = wanted->prefix_length ? htonl(~0U << (32 - wanted->prefix_length)) : 0;
    struct skr_address first = skr_address_from_v4(skr_address_v4(&pa->address) & mask);
    snprintf(text, sizeof(text), "%s/%u", skr_address_format(&first, address), wanted->prefix_length);
    skr_prefix_parse(text, &pa->subnet);
}

void skr_host_provider_address_set(struct skr_host *host, const struct skr_uuid *id,
                                   const Skerry__V1__ProviderAddress *wanted)
{
    struct provider_address *pa;
    HASH_FIND(hh, host->addresses, id, sizeof(*id), pa);
    if (pa && wanted && same(pa, wanted))
        return;
    if (pa) {
        withdraw(host, pa);
        HASH_DEL(host->addresses, pa);
        free(pa);
    }
    if (!wanted || wanted->address.len != 4 || wanted->prefix_length > 32)
        return; /* an IPv6 PA is refused by the controller; desired/ has validated the sizes */
    pa = calloc(1, sizeof(*pa));
    if (!pa)
        abort();
    pa->id = *id;
    pa->probe_fd = -1;
    fill(pa, wanted);
    HASH_ADD(hh, host->addresses, id, sizeof(pa->id), pa);
    begin(host, pa);
}

void skr_host_provider_address_interface(struct skr_host *host, const struct skr_host_interface *interface,
                                         bool present)
{
    struct provider_address *pa, *next;
    HASH_ITER (hh, host->addresses, pa, next) {
        if (strcmp(pa->uplink, interface->name) != 0)
            continue;
        if (!present) {
            pa->ifindex = 0;
            begin(host, pa);
        } else if (pa->state == PA_WAITING && interface->up) {
            begin(host, pa);
        } else if (pa->state == PA_READY && interface->up && !pa->uplink_up) {
            skr_host_provider_address_install(host, pa); /* going down took the routes, not the address */
        }
        pa->uplink_up = present && interface->up;
        /* A ready PA whose uplink goes down stays: the audit reports the uplink and sets it up. */
    }
}

void skr_host_provider_address_run(struct skr_host *host)
{
    struct provider_address *pa, *next;
    HASH_ITER (hh, host->addresses, pa, next) {
        if (pa->due_ns > host->now_ns)
            continue;
        if (pa->state == PA_PROBING)
            probe(host, pa);
        else if (pa->state == PA_WAITING)
            begin(host, pa);
    }
}

int64_t skr_host_provider_address_deadline(const struct skr_host *host)
{
    int64_t earliest = INT64_MAX;
    for (const struct provider_address *pa = host->addresses; pa; pa = pa->hh.next)
        earliest = pa->due_ns < earliest ? pa->due_ns : earliest;
    return earliest;
}

void skr_host_provider_address_free(struct skr_host *host)
{
    struct provider_address *pa, *next;
    HASH_ITER (hh, host->addresses, pa, next) {
        close_probe(pa);
        HASH_DEL(host->addresses, pa);
        free(pa);
    }
}
