#include "agent/host/private.h"

#include <endian.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <skerry/clock.h>
#include <stdio.h>
#include <string.h>

int skr_host_new(struct skr_desired *desired, const struct skr_host_output *output, struct skr_host **ret,
                 struct skr_error *error)
{
    struct skr_host *host = calloc(1, sizeof(*host));
    if (!host)
        abort();
    host->desired = desired;
    host->output = *output;
    host->guests_due_ns = INT64_MAX;
    host->now_ns = skr_clock_monotonic_ns();
    int r = skr_netlink_new(&host->netlink);
    if (r == 0)
        r = skr_host_interfaces_load(host);
    if (r < 0) {
        skr_host_free(host);
        skr_error_set(error, SKR_ERROR_INTERNAL,
                      "the kernel's rtnetlink cannot be used: %s; the agent needs CAP_NET_ADMIN", strerror(-r));
        return r;
    }
    *ret = host;
    return 0;
}

void skr_host_free(struct skr_host *host)
{
    if (!host)
        return;
    skr_host_binding_free(host);
    skr_host_claim_free(host);
    skr_host_guests_free(host);
    skr_host_provider_address_free(host);
    skr_host_neighbor_free(host);
    skr_host_uplinks_free(host);
    skr_host_switches_free(host);
    skr_host_index_free(host);
    skr_host_interfaces_free(host);
    skr_netlink_free(host->netlink);
    free(host);
}

void skr_host_changes(void *arg, const struct skr_desired_change *changes, size_t count)
{
    struct skr_host *host = arg;
    bool uplinks = false;
    host->now_ns = skr_clock_monotonic_ns();
    /* Uplinks first: an interface that is one must not be bound as a port. */
    for (size_t i = 0; i < count; i++) {
        if (changes[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH)
            skr_host_switch_set(host, &changes[i]);
        uplinks = uplinks || changes[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST ||
                  changes[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH;
    }
    if (uplinks)
        skr_host_uplinks_read(host);
    for (size_t i = 0; i < count; i++) {
        const struct skr_desired_change *change = &changes[i];
        if (change->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS)
            skr_host_provider_address_set(host, &change->id, (const Skerry__V1__ProviderAddress *)change->after);
        else if (change->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT)
            skr_host_port_set(host, &change->id, (const Skerry__V1__Port *)change->after);
    }
    /* Together, not one by one: what is ambiguous must not depend on the order. */
    skr_host_binding_settle(host);
}

int skr_host_fd(const struct skr_host *host)
{
    return skr_netlink_events_fd(host->netlink);
}

/* Is it about one of our addresses? The index is told. */
static bool our_address(const struct skr_host *host, const struct nlmsghdr *message, uint32_t *ret_ifindex)
{
    const struct ifaddrmsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[IFA_MAX + 1];
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*body))
        return false;
    skr_netlink_attributes(message, sizeof(*body), table, IFA_MAX);
    if (!table[IFA_LOCAL] || !skr_host_provider_address_of_table(host, be32toh(mnl_attr_get_u32(table[IFA_LOCAL]))))
        return false;
    *ret_ifindex = body->ifa_index;
    return true;
}

static bool our_rule(const struct nlmsghdr *message)
{
    const struct nlattr *table[FRA_MAX + 1];
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct fib_rule_hdr))
        return false;
    skr_netlink_attributes(message, sizeof(struct fib_rule_hdr), table, FRA_MAX);
    return table[FRA_PROTOCOL] && mnl_attr_get_u8(table[FRA_PROTOCOL]) == SKR_NETLINK_PROTOCOL;
}

/* One of ours went, or somebody else's came into our table. */
static bool our_route(const struct skr_host *host, const struct nlmsghdr *message)
{
    const struct rtmsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[RTA_MAX + 1];
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*body))
        return false;
    if (message->nlmsg_type == RTM_DELROUTE)
        return body->rtm_protocol == SKR_NETLINK_PROTOCOL;
    skr_netlink_attributes(message, sizeof(*body), table, RTA_MAX);
    return body->rtm_protocol != SKR_NETLINK_PROTOCOL && table[RTA_TABLE] &&
           skr_host_provider_address_of_table(host, mnl_attr_get_u32(table[RTA_TABLE]));
}

/* Returns the kind of object that changed, or NULL when the change cannot be drift. */
static const char *judge(struct skr_host *host, const struct nlmsghdr *message, uint32_t *ret_ifindex)
{
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        if (!skr_host_link_message(host, message))
            return NULL;
        *ret_ifindex = (uint32_t)((const struct ifinfomsg *)mnl_nlmsg_get_payload(message))->ifi_index;
        return "link";
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
        skr_host_neighbor_message(host, message);
        return NULL; /* neighbours come and go with traffic: no reason to look at everything */
    case RTM_DELADDR:
        return our_address(host, message, ret_ifindex) ? "address" : NULL;
    case RTM_DELRULE:
        return our_rule(message) ? "rule" : NULL;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return our_route(host, message) ? "rule" : NULL;
    case RTM_DELQDISC:
    case RTM_NEWTFILTER: /* a replaced program looks like a new filter */
    case RTM_DELTFILTER:
        if (mnl_nlmsg_get_payload_len(message) < sizeof(struct tcmsg))
            return NULL;
        *ret_ifindex = (uint32_t)((const struct tcmsg *)mnl_nlmsg_get_payload(message))->tcm_ifindex;
        return message->nlmsg_type == RTM_DELQDISC ? "qdisc" : "filter";
    default:
        return NULL;
    }
}

static int on_event(const struct nlmsghdr *message, void *arg)
{
    struct skr_host *host = arg;
    uint32_t ifindex = 0;
    const char *kind = judge(host, message, &ifindex);
    if (kind)
        host->output.changed(host->output.arg, kind, ifindex);
    return MNL_CB_OK;
}

void skr_host_read(struct skr_host *host)
{
    host->now_ns = skr_clock_monotonic_ns();
    if (skr_netlink_events(host->netlink, on_event, host) != -ENOBUFS)
        return;
    /* Notifications were lost: interfaces and neighbours are read again and everything is looked at. */
    skr_netlink_events_discard(host->netlink);
    skr_host_interfaces_load(host);
    skr_host_neighbor_resync(host);
    host->output.changed(host->output.arg, "link", 0);
}

int64_t skr_host_deadline_ns(const struct skr_host *host)
{
    int64_t due = skr_host_provider_address_deadline(host);
    int64_t guests = skr_host_guest_deadline(host);
    due = guests < due ? guests : due;
    return host->interfaces_down && host->rescan_ns < due ? host->rescan_ns : due;
}

void skr_host_run(struct skr_host *host, int64_t now_ns)
{
    host->now_ns = now_ns;
    skr_host_provider_address_run(host);
    skr_host_guest_run(host);
    if (!host->interfaces_down || host->rescan_ns > now_ns)
        return;
    host->rescan_ns = now_ns + RESCAN_NS;
    if (skr_host_interfaces_load(host) > 0)
        host->output.changed(host->output.arg, "link", 0);
}
