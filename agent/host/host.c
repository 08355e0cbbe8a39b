#include "agent/host/private.h"

#include <errno.h>
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
    skr_host_provider_address_free(host);
    skr_host_neighbor_free(host);
    struct uplink *uplink, *next;
    HASH_ITER (hh, host->uplinks, uplink, next) {
        HASH_DEL(host->uplinks, uplink);
        free(uplink);
    }
    skr_netlink_free(host->netlink);
    free(host->interfaces);
    free(host);
}

static bool wanted(const Skerry__V1__Host *body, const char *name)
{
    for (size_t i = 0; body && i < body->n_uplinks; i++) {
        if (!strcmp(body->uplinks[i], name))
            return true;
    }
    return false;
}

static void drop_uplinks(struct skr_host *host, const Skerry__V1__Host *body)
{
    struct uplink *uplink, *next;
    HASH_ITER (hh, host->uplinks, uplink, next) {
        if (wanted(body, uplink->name))
            continue;
        const struct skr_host_interface *interface = skr_host_interface(host, uplink->ifindex);
        HASH_DEL(host->uplinks, uplink);
        if (interface) {
            struct skr_host_interface copy = *interface;
            host->output.uplink(host->output.arg, &copy, false);
        }
        free(uplink);
    }
}

static void add_uplink(struct skr_host *host, const char *name)
{
    struct uplink *uplink;
    HASH_FIND_STR(host->uplinks, name, uplink);
    if (uplink)
        return;
    uplink = calloc(1, sizeof(*uplink));
    if (!uplink)
        abort();
    snprintf(uplink->name, sizeof(uplink->name), "%s", name);
    HASH_ADD_STR(host->uplinks, name, uplink);
    const struct skr_host_interface *interface = skr_host_interface_named(host, name);
    if (!interface)
        return;
    struct skr_host_interface copy = *interface;
    uplink->ifindex = copy.ifindex;
    uplink->up = copy.up;
    if (!copy.up)
        skr_netlink_link_up(host->netlink, copy.ifindex);
    host->output.uplink(host->output.arg, &copy, true);
}

static void set_uplinks(struct skr_host *host, const Skerry__V1__Host *body)
{
    drop_uplinks(host, body);
    for (size_t i = 0; body && i < body->n_uplinks; i++)
        add_uplink(host, body->uplinks[i]);
}

void skr_host_changes(void *arg, const struct skr_desired_change *changes, size_t count)
{
    struct skr_host *host = arg;
    host->now_ns = skr_clock_monotonic_ns();
    /* Uplinks first: an interface that is one must not be bound as a port. */
    for (size_t i = 0; i < count; i++) {
        if (changes[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST)
            set_uplinks(host, (const Skerry__V1__Host *)changes[i].after);
    }
    for (size_t i = 0; i < count; i++) {
        const struct skr_desired_change *change = &changes[i];
        if (change->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS)
            skr_host_provider_address_set(host, &change->id, (const Skerry__V1__ProviderAddress *)change->after);
        else if (change->type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT)
            skr_host_port_set(host, &change->id, (const Skerry__V1__Port *)change->after);
    }
}

int skr_host_fd(const struct skr_host *host)
{
    return skr_netlink_events_fd(host->netlink);
}

static uint32_t ifindex_of(const struct nlmsghdr *message)
{
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct ifaddrmsg))
        return 0;
    switch (message->nlmsg_type) {
    case RTM_NEWADDR:
    case RTM_DELADDR:
        return ((const struct ifaddrmsg *)mnl_nlmsg_get_payload(message))->ifa_index;
    case RTM_NEWQDISC:
    case RTM_DELQDISC:
    case RTM_NEWTFILTER:
    case RTM_DELTFILTER:
        return (uint32_t)((const struct tcmsg *)mnl_nlmsg_get_payload(message))->tcm_ifindex;
    default:
        return 0;
    }
}

static int on_event(const struct nlmsghdr *message, void *arg)
{
    struct skr_host *host = arg;
    const char *kind = NULL;
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        skr_host_link_message(host, message);
        host->output.changed(host->output.arg, "link",
                             (uint32_t)((const struct ifinfomsg *)mnl_nlmsg_get_payload(message))->ifi_index);
        return MNL_CB_OK;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
        skr_host_neighbor_message(host, message);
        return MNL_CB_OK; /* neighbours come and go with traffic: no reason to look at everything */
    case RTM_DELADDR:
        kind = "address";
        break;
    case RTM_DELRULE:
    case RTM_DELROUTE:
        kind = "rule";
        break;
    case RTM_DELQDISC:
        kind = "qdisc";
        break;
    case RTM_NEWTFILTER: /* a replaced program looks like a new filter */
    case RTM_DELTFILTER:
        kind = "filter";
        break;
    default:
        return MNL_CB_OK;
    }
    host->output.changed(host->output.arg, kind, ifindex_of(message));
    return MNL_CB_OK;
}

void skr_host_read(struct skr_host *host)
{
    host->now_ns = skr_clock_monotonic_ns();
    if (skr_netlink_events(host->netlink, on_event, host) != -ENOBUFS)
        return;
    /* Notifications were lost: the inventory is read again and everything is looked at. */
    skr_host_interfaces_load(host);
    host->output.changed(host->output.arg, "link", 0);
}

int64_t skr_host_deadline_ns(const struct skr_host *host)
{
    return skr_host_provider_address_deadline(host);
}

void skr_host_run(struct skr_host *host, int64_t now_ns)
{
    host->now_ns = now_ns;
    skr_host_provider_address_run(host);
}
