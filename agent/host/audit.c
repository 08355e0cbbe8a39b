/* The audit lists the differences from desired state on the host side and repairs one of them at a time. One dump of
 * addresses, rules and routes an audit, whatever the number of PAs. */
#include "agent/host/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <skerry/clock.h>
#include <stdio.h>
#include <string.h>

struct audit {
    struct skr_host *host;
    void (*fn)(void *arg, const struct skr_host_difference *difference);
    void *arg;
    struct seen {
        uint32_t table; /* = the PA in host byte order */
        const struct provider_address *pa;
        bool address, rule, on_link, gateway;
        UT_hash_handle hh;
    } * seen;
};

static struct seen *seen_for(struct audit *audit, uint32_t pa_host_order)
{
    struct seen *seen;
    HASH_FIND(hh, audit->seen, &pa_host_order, sizeof(pa_host_order), seen);
    return seen;
}

static int on_address(const struct nlmsghdr *message, void *arg)
{
    const struct ifaddrmsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[IFA_MAX + 1];
    skr_netlink_attributes(message, sizeof(*body), table, IFA_MAX);
    struct seen *seen = table[IFA_LOCAL] ? seen_for(arg, ntohl(mnl_attr_get_u32(table[IFA_LOCAL]))) : NULL;
    if (seen && seen->pa->ifindex == body->ifa_index)
        seen->address = true;
    return MNL_CB_OK;
}

static int on_rule(const struct nlmsghdr *message, void *arg)
{
    const struct fib_rule_hdr *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[FRA_MAX + 1];
    skr_netlink_attributes(message, sizeof(*body), table, FRA_MAX);
    if (!table[FRA_SRC] || !table[FRA_TABLE] || body->src_len != 32)
        return MNL_CB_OK;
    struct seen *seen = seen_for(arg, ntohl(mnl_attr_get_u32(table[FRA_SRC])));
    if (seen && mnl_attr_get_u32(table[FRA_TABLE]) == seen->table)
        seen->rule = true;
    return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *message, void *arg)
{
    const struct rtmsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[RTA_MAX + 1];
    skr_netlink_attributes(message, sizeof(*body), table, RTA_MAX);
    struct seen *seen = table[RTA_TABLE] ? seen_for(arg, mnl_attr_get_u32(table[RTA_TABLE])) : NULL;
    if (!seen || !table[RTA_OIF] || mnl_attr_get_u32(table[RTA_OIF]) != seen->pa->ifindex)
        return MNL_CB_OK;
    const struct provider_address *pa = seen->pa;
    uint32_t destination = table[RTA_DST] ? mnl_attr_get_u32(table[RTA_DST]) : 0;
    if (table[RTA_GATEWAY] && !body->rtm_dst_len)
        seen->gateway = seen->gateway || mnl_attr_get_u32(table[RTA_GATEWAY]) == skr_address_v4(&pa->gateway);
    else if (!table[RTA_GATEWAY] && body->rtm_dst_len == pa->subnet.length)
        seen->on_link = seen->on_link || destination == skr_address_v4(&pa->subnet.address);
    return MNL_CB_OK;
}

static int look(struct audit *audit)
{
    struct skr_netlink *netlink = audit->host->netlink;
    struct nlmsghdr *message = skr_netlink_request(netlink, RTM_GETADDR, 0);
    ((struct ifaddrmsg *)mnl_nlmsg_put_extra_header(message, sizeof(struct ifaddrmsg)))->ifa_family = AF_INET;
    int r = skr_netlink_dump(netlink, message, on_address, audit);
    if (r < 0)
        return r;
    message = skr_netlink_request(netlink, RTM_GETRULE, 0);
    ((struct fib_rule_hdr *)mnl_nlmsg_put_extra_header(message, sizeof(struct fib_rule_hdr)))->family = AF_INET;
    r = skr_netlink_dump(netlink, message, on_rule, audit);
    if (r < 0)
        return r;
    message = skr_netlink_request(netlink, RTM_GETROUTE, 0);
    struct rtmsg *filter = mnl_nlmsg_put_extra_header(message, sizeof(*filter));
    filter->rtm_family = AF_INET;
    filter->rtm_protocol = SKR_NETLINK_PROTOCOL;
    return skr_netlink_dump(netlink, message, on_route, audit);
}

static void differ(struct audit *audit, const char *kind, const struct skr_uuid *id, const char *object,
                   const char *field, const char *expected, const char *found)
{
    struct skr_host_difference difference = {.object_kind = kind, .object_id = *id};
    snprintf(difference.object, sizeof(difference.object), "%s", object);
    snprintf(difference.field, sizeof(difference.field), "%s", field);
    snprintf(difference.expected, sizeof(difference.expected), "%s", expected);
    snprintf(difference.found, sizeof(difference.found), "%s", found);
    audit->fn(audit->arg, &difference);
}

/* The kernel takes the greater of an interface's value and that of "all". */
static void audit_sysctl(struct audit *audit, const struct provider_address *pa, const char *key, int least)
{
    char object[SKR_ADDRESS_TEXT_MAX], expected[16], found[16];
    int own = skr_host_sysctl_read("ipv4", pa->uplink, key), all = skr_host_sysctl_read("ipv4", "all", key);
    if (own < 0 || own >= least || all >= least)
        return;
    snprintf(expected, sizeof(expected), "%d", least);
    snprintf(found, sizeof(found), "%d", own > all ? own : all);
    differ(audit, "provider-address", &pa->id, skr_address_format(&pa->address, object), key, expected, found);
}

void skr_host_doubt(struct doubt *doubt, const uint8_t mac[static 6])
{
    memcpy(doubt->mac, mac, sizeof(doubt->mac));
    doubt->at_ns = skr_clock_monotonic_ns();
}

bool skr_host_doubts(const struct doubt *doubt)
{
    return doubt->at_ns && skr_clock_monotonic_ns() - doubt->at_ns < SKR_HOST_DOUBT_NS;
}

static const char *mac_text(const uint8_t bytes[static 6], char out[static SKR_MAC_TEXT_MAX])
{
    struct skr_mac mac;
    memcpy(mac.bytes, bytes, sizeof(mac.bytes));
    return skr_mac_format(&mac, out);
}

/* Forged ARP, or a mistake on the wire: another station speaks for our address, or a next hop has got another MAC. */
static void audit_doubts(struct audit *audit)
{
    static const struct skr_uuid none;
    char object[SKR_ADDRESS_TEXT_MAX], expected[SKR_MAC_TEXT_MAX], found[SKR_MAC_TEXT_MAX];
    for (const struct provider_address *pa = audit->host->addresses; pa; pa = pa->hh.next) {
        const struct skr_host_interface *interface = skr_host_interface(audit->host, pa->ifindex);
        if (pa->state == PA_READY && interface && skr_host_doubts(&pa->claimed))
            differ(audit, "provider-address", &pa->id, skr_address_format(&pa->address, object), "station",
                   skr_mac_format(&interface->mac, expected), mac_text(pa->claimed.mac, found));
    }
    for (const struct next_hop *hop = audit->host->next_hops; hop; hop = hop->hh.next)
        if (skr_host_doubts(&hop->former))
            differ(audit, "provider-address", &none, skr_address_format(&hop->key.address, object), "next_hop_mac",
                   mac_text(hop->former.mac, expected), mac_text(hop->mac, found));
}

static void audit_address(struct audit *audit, const struct provider_address *pa)
{
    char object[SKR_ADDRESS_TEXT_MAX];
    const struct seen *seen = seen_for(audit, skr_host_provider_address_table(pa));
    const struct skr_host_interface *interface = skr_host_interface(audit->host, pa->ifindex);
    if (pa->state != PA_READY || !seen)
        return; /* not configured yet: a failure of realization, told as such */
    skr_address_format(&pa->address, object);
    if (!seen->address)
        differ(audit, "provider-address", &pa->id, object, "address", pa->uplink, "missing");
    if (!seen->rule)
        differ(audit, "provider-address", &pa->id, object, "rule", "from the address, own table", "missing");
    /* Routes go with an uplink that is down; the uplink is then what differs. */
    if (interface && interface->up && !seen->on_link)
        differ(audit, "provider-address", &pa->id, object, "route", "its subnet on the uplink", "missing");
    if (interface && interface->up && pa->has_gateway && !seen->gateway)
        differ(audit, "provider-address", &pa->id, object, "gateway", "default through the site's gateway", "missing");
    audit_sysctl(audit, pa, "arp_ignore", 1);
    audit_sysctl(audit, pa, "arp_announce", 2);
}

/* The largest MTU that anything on the uplink needs, once. */
static void audit_mtu(struct audit *audit, const char *uplink, const struct skr_host_interface *interface)
{
    char mtu[16], found[16];
    const struct host_switch *host_switch = skr_host_switch_of(audit->host, uplink);
    struct skr_uuid id = host_switch ? host_switch->id : (struct skr_uuid){0};
    uint32_t needed = host_switch ? host_switch->mtu : 0;
    for (const struct provider_address *pa = audit->host->addresses; pa; pa = pa->hh.next) {
        if (pa->state != PA_READY || pa->ifindex != interface->ifindex || pa->mtu <= needed)
            continue;
        needed = pa->mtu;
        id = pa->id;
    }
    if (interface->mtu >= needed)
        return;
    snprintf(mtu, sizeof(mtu), "%u", needed);
    snprintf(found, sizeof(found), "%u", interface->mtu);
    differ(audit, "uplink", &id, uplink, "mtu", mtu, found);
}

static void audit_links(struct audit *audit)
{
    const struct skr_uuid none = {0};
    for (const struct uplink *uplink = audit->host->uplinks; uplink; uplink = uplink->hh.next) {
        const struct skr_host_interface *interface = skr_host_interface_named(audit->host, uplink->name);
        if (!interface)
            differ(audit, "uplink", &none, uplink->name, "interface", "present", "missing");
        else if (!interface->up)
            differ(audit, "uplink", &none, uplink->name, "state", "up", "down");
        else if (!interface->running) /* the cable, or the switch at its other end */
            differ(audit, "uplink", &none, uplink->name, "carrier", "present", "lost");
        if (interface && uplink->all_frames && !interface->promiscuous)
            differ(audit, "uplink", &none, uplink->name, "promiscuous", "on", "off");
        if (interface)
            audit_mtu(audit, uplink->name, interface);
    }
    for (const struct port *port = audit->host->ports; port; port = port->hh.next) {
        const struct skr_host_interface *interface = skr_host_interface(audit->host, port->ifindex);
        if (interface && !interface->up)
            differ(audit, "port", &port->id, interface->name, "state", "up", "down");
    }
}

static void audit_closed(void *arg, const struct skr_host_closed *closed)
{
    differ(arg, "interface", &closed->adapter_id, closed->interface->name, "closed", "bound to an adapter",
           closed->why);
}

void skr_host_audit(struct skr_host *host, void (*fn)(void *arg, const struct skr_host_difference *difference),
                    void *arg)
{
    struct audit audit = {.host = host, .fn = fn, .arg = arg};
    skr_host_read(host);
    for (const struct provider_address *pa = host->addresses; pa; pa = pa->hh.next) {
        uint32_t table = skr_host_provider_address_table(pa);
        struct seen *seen = seen_for(&audit, table);
        if (seen) /* two ids of one address, on its way from one to the other */
            continue;
        seen = calloc(1, sizeof(*seen));
        if (!seen)
            abort();
        seen->table = table;
        seen->pa = pa;
        HASH_ADD(hh, audit.seen, table, sizeof(seen->table), seen);
    }
    if (look(&audit) == 0) {
        for (const struct provider_address *pa = host->addresses; pa; pa = pa->hh.next)
            audit_address(&audit, pa);
        audit_links(&audit);
        audit_doubts(&audit);
        skr_host_closed_each(host, skr_host_guest_told_ns(host), audit_closed, &audit);
    }
    struct seen *seen, *next;
    HASH_ITER (hh, audit.seen, seen, next) {
        HASH_DEL(audit.seen, seen);
        free(seen);
    }
}

int skr_host_repair(struct skr_host *host, const struct skr_host_difference *difference)
{
    if (!strcmp(difference->field, "station") || !strcmp(difference->field, "next_hop_mac"))
        return -ENOTSUP; /* what others say on the wire is the administrator's to stop */
    if (!strcmp(difference->object_kind, "provider-address")) {
        struct provider_address *pa;
        HASH_FIND(hh, host->addresses, &difference->object_id, sizeof(difference->object_id), pa);
        return pa && pa->state == PA_READY ? skr_host_provider_address_install(host, pa) : -ENOENT;
    }
    const struct skr_host_interface *interface = skr_host_interface_named(host, difference->object);
    if (!strcmp(difference->field, "promiscuous"))
        return interface ? skr_host_uplink_repair(host, interface) : -ENODEV;
    if (strcmp(difference->field, "state") != 0)
        return -ENOTSUP; /* a missing interface, a small MTU or a cable is the administrator's to mend */
    return interface ? skr_netlink_link_up(host->netlink, interface->ifindex) : -ENODEV;
}
