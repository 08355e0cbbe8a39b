/* What differs from desired state on the host side, and putting one thing back. One dump of addresses, rules and routes
 * an audit, whatever the number of PAs. */
#include "agent/host/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <stdio.h>
#include <string.h>

struct audit {
    struct skr_host *host;
    void (*fn)(void *arg, const struct skr_host_difference *difference);
    void *arg;
    struct seen {
        uint32_t table; /* = the PA in host byte order */
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
    if (!seen)
        return MNL_CB_OK;
    for (const struct provider_address *pa = ((struct audit *)arg)->host->addresses; pa; pa = pa->hh.next) {
        if (skr_host_provider_address_table(pa) == seen->table && pa->ifindex == body->ifa_index)
            seen->address = true;
    }
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
    if (seen && table[RTA_GATEWAY])
        seen->gateway = true;
    else if (seen)
        seen->on_link = true;
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
    ((struct rtmsg *)mnl_nlmsg_put_extra_header(message, sizeof(struct rtmsg)))->rtm_family = AF_INET;
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

static void audit_address(struct audit *audit, const struct provider_address *pa)
{
    char object[SKR_ADDRESS_TEXT_MAX], mtu[16], found[16];
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
    if (interface && interface->mtu < pa->mtu) {
        snprintf(mtu, sizeof(mtu), "%u", pa->mtu);
        snprintf(found, sizeof(found), "%u", interface->mtu);
        differ(audit, "uplink", &pa->id, pa->uplink, "mtu", mtu, found);
    }
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
    }
    for (const struct port *port = audit->host->ports; port; port = port->hh.next) {
        const struct skr_host_interface *interface = skr_host_interface(audit->host, port->ifindex);
        if (interface && !interface->up)
            differ(audit, "port", &port->id, interface->name, "state", "up", "down");
    }
}

void skr_host_audit(struct skr_host *host, void (*fn)(void *arg, const struct skr_host_difference *difference),
                    void *arg)
{
    struct audit audit = {.host = host, .fn = fn, .arg = arg};
    for (const struct provider_address *pa = host->addresses; pa; pa = pa->hh.next) {
        struct seen *seen = calloc(1, sizeof(*seen));
        if (!seen)
            abort();
        seen->table = skr_host_provider_address_table(pa);
        HASH_ADD(hh, audit.seen, table, sizeof(seen->table), seen);
    }
    if (look(&audit) == 0) {
        for (const struct provider_address *pa = host->addresses; pa; pa = pa->hh.next)
            audit_address(&audit, pa);
        audit_links(&audit);
    }
    struct seen *seen, *next;
    HASH_ITER (hh, audit.seen, seen, next) {
        HASH_DEL(audit.seen, seen);
        free(seen);
    }
}

int skr_host_repair(struct skr_host *host, const struct skr_host_difference *difference)
{
    if (!strcmp(difference->object_kind, "provider-address")) {
        struct provider_address *pa;
        HASH_FIND(hh, host->addresses, &difference->object_id, sizeof(difference->object_id), pa);
        return pa && pa->state == PA_READY ? skr_host_provider_address_install(host, pa) : -ENOENT;
    }
    if (strcmp(difference->field, "state") != 0)
        return -ENOTSUP; /* a missing interface or a small MTU is the administrator's to mend */
    const struct skr_host_interface *interface = skr_host_interface_named(host, difference->object);
    return interface ? skr_netlink_link_up(host->netlink, interface->ifindex) : -ENODEV;
}
