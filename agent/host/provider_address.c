/* Provider addresses on their uplinks: probe, address, `ip rule from PA`, own table through the site pool's gateway,
 * ARP settings (docs/design/datapath.md, "PA plumbing"). The table's number is the PA itself, so that a restarted agent
 * finds its own. */
#include "agent/host/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

uint32_t skr_host_provider_address_table(const struct provider_address *pa)
{
    return ntohl(skr_address_v4(&pa->address));
}

const struct provider_address *skr_host_provider_address_of_table(const struct skr_host *host, uint32_t table)
{
    for (const struct provider_address *pa = host->addresses; pa; pa = pa->hh.next) {
        if (skr_host_provider_address_table(pa) == table)
            return pa;
    }
    return NULL;
}

static void tell(struct skr_host *host, const struct provider_address *pa)
{
    bool ready = pa->state == PA_READY;
    if (ready) /* nothing it says must leave without its tag */
        skr_host_uplinks_settle(host);
    host->output.own_pa(host->output.arg, &pa->id, &pa->address, ready ? pa->ifindex : 0, pa->mtu,
                        ready ? NULL : pa->reason);
    if (!ready)
        skr_host_uplinks_settle(host);
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

/* When to try again: with jitter, or two hosts that were given one address would meet at every try. */
static int64_t later(const struct skr_host *host)
{
    uint32_t noise = 0;
    (void)!getrandom(&noise, sizeof(noise), 0);
    return host->now_ns + RETRY_NS + RETRY_NS * (int64_t)(noise & 0xff) / 256;
}

void skr_host_pa_claimed(struct skr_host *host, const struct skr_address *address, const struct skr_mac *mac)
{
    const struct skr_host_interface *interfaces;
    size_t count = skr_host_interfaces(host, &interfaces);
    for (size_t i = 0; i < count; i++)
        if (memcmp(&interfaces[i].mac, mac, sizeof(*mac)) == 0)
            return;
    for (struct provider_address *pa = host->addresses; pa; pa = pa->hh.next) {
        if (pa->state != PA_READY || skr_address_compare(&pa->address, address) != 0)
            continue;
        bool known = skr_host_doubts(&pa->claimed) && !memcmp(pa->claimed.mac, mac->bytes, 6);
        skr_host_doubt(&pa->claimed, mac->bytes);
        if (!known)
            host->output.changed(host->output.arg, "address", pa->ifindex);
    }
}

struct address_search {
    uint32_t ifindex, v4;
    bool found, ours;
    unsigned prefix_length;
};

static int address_seen(const struct nlmsghdr *message, void *arg)
{
    struct address_search *search = arg;
    const struct ifaddrmsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[IFA_MAX + 1];
    skr_netlink_attributes(message, sizeof(*body), table, IFA_MAX);
    if (body->ifa_index != search->ifindex || !table[IFA_LOCAL] || mnl_attr_get_u32(table[IFA_LOCAL]) != search->v4)
        return MNL_CB_OK;
    search->found = true;
    search->ours = table[IFA_PROTO] && mnl_attr_get_u8(table[IFA_PROTO]) == SKR_NETLINK_PROTOCOL;
    search->prefix_length = body->ifa_prefixlen;
    return MNL_CB_OK;
}

static struct address_search find_address(struct skr_host *host, const struct provider_address *pa)
{
    struct address_search search = {.ifindex = pa->ifindex, .v4 = skr_address_v4(&pa->address)};
    struct nlmsghdr *message = skr_netlink_request(host->netlink, RTM_GETADDR, 0);
    struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->ifa_family = AF_INET;
    if (skr_netlink_dump(host->netlink, message, address_seen, &search) < 0)
        search.found = false;
    return search;
}

int skr_host_provider_address_install(struct skr_host *host, const struct provider_address *pa)
{
    uint32_t table = skr_host_provider_address_table(pa);
    const struct skr_host_interface *interface = skr_host_interface(host, pa->ifindex);
    /* Where /proc/sys cannot be written the audit says what it finds. Without promotion, whoever removes the first
     * address of a subnet from an interface removes all others of the subnet too. */
    skr_host_sysctl_write("ipv4", pa->uplink, "arp_ignore", "1");
    skr_host_sysctl_write("ipv4", pa->uplink, "arp_announce", "2");
    skr_host_sysctl_write("ipv4", pa->uplink, "promote_secondaries", "1");
    int r = 0;
    if (!find_address(host, pa).found)
        r = skr_netlink_address(host->netlink, true, pa->ifindex, &pa->address, pa->subnet.length);
    if (r == 0)
        r = skr_netlink_rule(host->netlink, true, &pa->address, table);
    if (r < 0 || !interface || !interface->up)
        return r; /* the kernel takes no routes over an interface that is down: they follow when it comes up */
    r = skr_netlink_route(host->netlink, true, table, &pa->subnet.address, pa->subnet.length, NULL, &pa->address,
                          pa->ifindex);
    if (r == 0 && pa->has_gateway)
        r = skr_netlink_route(host->netlink, true, table, &pa->subnet.address, 0, &pa->gateway, &pa->address,
                              pa->ifindex);
    return r;
}

static void become_ready(struct skr_host *host, struct provider_address *pa)
{
    char reason[sizeof(pa->reason)];
    int r = skr_host_provider_address_install(host, pa);
    if (r < 0) {
        snprintf(reason, sizeof(reason), "refused: the kernel does not take the provider address: %s", strerror(-r));
        wait_for(host, pa, later(host), reason);
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

static bool send_probe(struct skr_host *host, struct provider_address *pa)
{
    const struct skr_host_interface *interface = skr_host_interface(host, pa->ifindex);
    const struct probe_place place = {.ifindex = pa->ifindex, .vlan = pa->vlan_id};
    if (!interface || skr_host_probe_send(pa->probe_fd, &place, &interface->mac, skr_address_v4(&pa->address)) < 0) {
        close_probe(pa);
        wait_for(host, pa, later(host), "uplink_down: the uplink takes no frames");
        return false;
    }
    pa->state = PA_PROBING;
    pa->probes_sent++;
    pa->due_ns = host->now_ns + PROBE_INTERVAL_NS;
    return true;
}

static void begin(struct skr_host *host, struct provider_address *pa)
{
    const struct skr_host_interface *interface = skr_host_interface_named(host, pa->uplink);
    close_probe(pa);
    pa->ifindex = 0;
    if (!interface) {
        char reason[sizeof(pa->reason)];
        snprintf(reason, sizeof(reason), "no_uplink: this host has no interface %s", pa->uplink);
        wait_for(host, pa, INT64_MAX, reason);
        return;
    }
    if (pa->vlan_id && interface->ifindex > SKR_SEGMENT_IFINDEX_MAX) {
        wait_for(host, pa, INT64_MAX, "unsupported: a VLAN on an interface with so high a number");
        return;
    }
    pa->ifindex = interface->ifindex;
    if (!interface->up) {
        skr_netlink_link_up(host->netlink, interface->ifindex);
        wait_for(host, pa, later(host), "uplink_down: the uplink is being set up");
        return;
    }
    if (find_address(host, pa).found) { /* adopted: an earlier agent has probed it */
        become_ready(host, pa);
        return;
    }
    if (!interface->running) { /* nobody could answer */
        wait_for(host, pa, later(host), "uplink_down: the uplink has no carrier");
        return;
    }
    const struct probe_place place = {.ifindex = pa->ifindex, .vlan = pa->vlan_id};
    pa->probe_fd = skr_host_probe_open(&place, skr_address_v4(&pa->address));
    pa->probes_sent = 0;
    send_probe(host, pa);
}

static void probe(struct skr_host *host, struct provider_address *pa)
{
    const struct skr_host_interface *interface = skr_host_interface(host, pa->ifindex);
    const struct probe_place place = {.ifindex = pa->ifindex, .vlan = pa->vlan_id};
    uint32_t v4 = skr_address_v4(&pa->address);
    if (interface && skr_host_probe_conflict(pa->probe_fd, &interface->mac, v4)) {
        close_probe(pa);
        wait_for(host, pa, later(host), "duplicate_address: another station holds the provider address");
        return;
    }
    if (!interface || pa->probes_sent < PROBE_COUNT) {
        send_probe(host, pa);
        return;
    }
    become_ready(host, pa);
    if (pa->state == PA_READY)
        skr_host_probe_announce(pa->probe_fd, &place, &interface->mac, v4);
    close_probe(pa);
}

/* Another object with the same address: it moves from one to the other, and nothing is taken away between. */
static struct provider_address *heir(const struct skr_host *host, const struct provider_address *pa)
{
    for (struct provider_address *other = host->addresses; other; other = other->hh.next) {
        if (other != pa && !skr_address_compare(&other->address, &pa->address))
            return other;
    }
    return NULL;
}

static void remove_routes(struct skr_host *host, const struct provider_address *pa)
{
    uint32_t table = skr_host_provider_address_table(pa);
    if (pa->has_gateway)
        skr_netlink_route(host->netlink, false, table, &pa->subnet.address, 0, &pa->gateway, &pa->address, pa->ifindex);
    skr_netlink_route(host->netlink, false, table, &pa->subnet.address, pa->subnet.length, NULL, &pa->address,
                      pa->ifindex);
}

/* Takes it from the kernel. An address that somebody else had put there stays. */
static void uninstall(struct skr_host *host, const struct provider_address *pa)
{
    struct address_search found = find_address(host, pa);
    skr_netlink_rule(host->netlink, false, &pa->address, skr_host_provider_address_table(pa));
    remove_routes(host, pa);
    if (found.found && found.ours)
        skr_netlink_address(host->netlink, false, pa->ifindex, &pa->address, found.prefix_length);
    for (const struct provider_address *other = host->addresses; other; other = other->hh.next) {
        if (other != pa && other->state == PA_READY && other->ifindex == pa->ifindex)
            skr_host_provider_address_install(host, other);
    }
}

static void withdraw(struct skr_host *host, struct provider_address *pa)
{
    struct provider_address *other = heir(host, pa);
    close_probe(pa);
    bool stands = other && other->state == PA_READY;
    if (stands && pa->state == PA_READY && other->ifindex == pa->ifindex)
        return;
    bool was_ready = pa->state == PA_READY;
    pa->state = PA_WAITING;
    snprintf(pa->reason, sizeof(pa->reason), "removed");
    tell(host, pa);
    if (was_ready)
        uninstall(host, pa);
    if (!stands)
        return;
    skr_host_provider_address_install(host, other);
    tell(host, other);
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

/* The same address in the same place: gateway and MTU may differ. */
static bool same_place(const struct provider_address *pa, const Skerry__V1__ProviderAddress *wanted)
{
    struct skr_address address = from_wire(&wanted->address);
    return !skr_address_compare(&pa->address, &address) && pa->subnet.length == wanted->prefix_length &&
           !strcmp(pa->uplink, wanted->uplink) && pa->vlan_id == wanted->vlan_id;
}

static bool same_rest(const struct provider_address *pa, const Skerry__V1__ProviderAddress *wanted)
{
    struct skr_address gateway = from_wire(&wanted->gateway);
    return pa->has_gateway == (wanted->gateway.len != 0) && !skr_address_compare(&pa->gateway, &gateway) &&
           pa->mtu == wanted->mtu;
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

/* In place: a new gateway or MTU costs no packet. */
static void update(struct skr_host *host, struct provider_address *pa, const Skerry__V1__ProviderAddress *wanted)
{
    if (same_rest(pa, wanted))
        return;
    bool lost_gateway = pa->has_gateway && !wanted->gateway.len;
    if (lost_gateway && pa->state == PA_READY)
        skr_netlink_route(host->netlink, false, skr_host_provider_address_table(pa), &pa->subnet.address, 0,
                          &pa->gateway, &pa->address, pa->ifindex);
    fill(pa, wanted);
    if (pa->state != PA_READY)
        return;
    skr_host_provider_address_install(host, pa);
    tell(host, pa);
}

void skr_host_provider_address_set(struct skr_host *host, const struct skr_uuid *id,
                                   const Skerry__V1__ProviderAddress *wanted)
{
    struct provider_address *pa;
    HASH_FIND(hh, host->addresses, id, sizeof(*id), pa);
    if (pa && wanted && same_place(pa, wanted)) {
        update(host, pa, wanted);
        return;
    }
    if (pa) {
        withdraw(host, pa);
        HASH_DEL(host->addresses, pa);
        free(pa);
    }
    if (!wanted || wanted->address.len != 4 || wanted->prefix_length > 32 ||
        strlen(wanted->uplink) >= SKR_INTERFACE_NAME_MAX)
        return; /* IPv6: what compiles it says that it is not supported; desired/ has validated the sizes */
    pa = calloc(1, sizeof(*pa));
    if (!pa)
        abort();
    pa->id = *id;
    pa->probe_fd = -1;
    fill(pa, wanted);
    HASH_ADD(hh, host->addresses, id, sizeof(pa->id), pa);
    begin(host, pa);
}

/* Its interface went, or goes by another name now: then it must not keep the address. */
static void lose_uplink(struct skr_host *host, struct provider_address *pa)
{
    if (pa->state == PA_READY)
        uninstall(host, pa);
    begin(host, pa);
}

void skr_host_provider_address_interface(struct skr_host *host, const struct skr_host_interface *interface,
                                         bool present)
{
    struct provider_address *pa, *next;
    HASH_ITER (hh, host->addresses, pa, next) {
        if (strcmp(pa->uplink, interface->name) != 0)
            continue;
        if (!present && pa->ifindex && pa->ifindex != interface->ifindex)
            continue; /* an older interface of this name */
        if (!present || (pa->ifindex && pa->ifindex != interface->ifindex))
            lose_uplink(host, pa);
        else if (pa->state == PA_WAITING && interface->up)
            begin(host, pa);
        else if (pa->state == PA_READY && interface->up && !pa->uplink_up)
            skr_host_provider_address_install(host, pa); /* going down took the routes, not the address */
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
