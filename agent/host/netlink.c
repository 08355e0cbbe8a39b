#include "agent/host/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define EVENTS_RECEIVE_BUFFER (4 * 1024 * 1024)
#define EVENT_READS_MAX       256 /* a call: a storm does not hold up the loop */
#define EVENT_DISCARDS_MAX    (1 << 20)
#define DUMP_TRIES_MAX        5 /* a dump that a change interrupted is begun again */
#define RULE_PRIORITY         5300

struct skr_netlink {
    struct mnl_socket *requests, *events;
    uint32_t port, sequence;
    /* Notifications have a buffer of their own: what they cause makes requests. */
    char send[SKR_NETLINK_BUFFER], receive[SKR_NETLINK_BUFFER], event[SKR_NETLINK_BUFFER];
};

static const int event_groups[] = {RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_RULE,
                                   RTNLGRP_IPV4_ROUTE, RTNLGRP_NEIGH,       RTNLGRP_TC};

static int open_events(struct skr_netlink *netlink)
{
    netlink->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!netlink->events || mnl_socket_bind(netlink->events, 0, MNL_SOCKET_AUTOPID) < 0)
        return -errno;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(event_groups); i++) {
        int group = event_groups[i];
        if (mnl_socket_setsockopt(netlink->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
            return -errno;
    }
    int size = EVENTS_RECEIVE_BUFFER, fd = mnl_socket_get_fd(netlink->events);
    /* Forcing needs the first user namespace's CAP_NET_ADMIN; a smaller buffer only overruns earlier. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    return 0;
}

int skr_netlink_new(struct skr_netlink **ret)
{
    struct skr_netlink *netlink = calloc(1, sizeof(*netlink));
    if (!netlink)
        return -ENOMEM;
    netlink->sequence = (uint32_t)time(NULL);
    netlink->requests = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    int r = 0, on = 1;
    if (!netlink->requests || mnl_socket_bind(netlink->requests, 0, MNL_SOCKET_AUTOPID) < 0)
        r = -errno;
    if (r == 0) {
        netlink->port = mnl_socket_get_portid(netlink->requests);
        /* Dumps are filtered by the kernel: a host may have a million routes that are not ours. */
        (void)mnl_socket_setsockopt(netlink->requests, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
        r = open_events(netlink);
    }
    if (r < 0) {
        skr_netlink_free(netlink);
        return r;
    }
    *ret = netlink;
    return 0;
}

void skr_netlink_free(struct skr_netlink *netlink)
{
    if (!netlink)
        return;
    if (netlink->requests)
        mnl_socket_close(netlink->requests);
    if (netlink->events)
        mnl_socket_close(netlink->events);
    free(netlink);
}

struct nlmsghdr *skr_netlink_request(struct skr_netlink *netlink, uint16_t type, uint16_t flags)
{
    memset(netlink->send, 0, MNL_NLMSG_HDRLEN);
    struct nlmsghdr *message = mnl_nlmsg_put_header(netlink->send);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    return message;
}

/* Takes one datagram apart. 0: more to come; 1: the answer is complete; -errno. What answers an earlier request, one
 * that was given up, is passed over. */
static int take(struct skr_netlink *netlink, size_t size, bool *interrupted, mnl_cb_t fn, void *arg)
{
    int length = (int)size;
    for (const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)netlink->receive;
         mnl_nlmsg_ok(message, length); message = mnl_nlmsg_next(message, &length)) {
        if (message->nlmsg_seq != netlink->sequence || message->nlmsg_pid != netlink->port)
            continue;
        *interrupted = *interrupted || message->nlmsg_flags & NLM_F_DUMP_INTR;
        if (message->nlmsg_type == NLMSG_DONE)
            return 1;
        if (message->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
            if (mnl_nlmsg_get_payload_len(message) < sizeof(*error))
                return -EBADMSG;
            return error->error ? error->error : 1;
        }
        if (message->nlmsg_type >= NLMSG_MIN_TYPE && fn)
            (void)fn(message, arg);
    }
    return 0;
}

static int receive(struct skr_netlink *netlink, mnl_cb_t fn, void *arg)
{
    bool interrupted = false;
    for (;;) {
        ssize_t size = mnl_socket_recvfrom(netlink->requests, netlink->receive, sizeof(netlink->receive));
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return -errno;
        int r = take(netlink, (size_t)size, &interrupted, fn, arg);
        if (r != 0)
            return r < 0 ? r : interrupted ? -EINTR : 0;
    }
}

int skr_netlink_get(struct skr_netlink *netlink, struct nlmsghdr *message, mnl_cb_t fn, void *arg)
{
    message->nlmsg_flags |= NLM_F_ACK;
    message->nlmsg_seq = ++netlink->sequence;
    if (mnl_socket_sendto(netlink->requests, message, message->nlmsg_len) < 0)
        return -errno;
    return receive(netlink, fn, arg);
}

int skr_netlink_call(struct skr_netlink *netlink, struct nlmsghdr *message)
{
    return skr_netlink_get(netlink, message, NULL, NULL);
}

int skr_netlink_dump(struct skr_netlink *netlink, struct nlmsghdr *message, mnl_cb_t fn, void *arg)
{
    int r = -EINTR;
    message->nlmsg_flags |= NLM_F_DUMP;
    for (int i = 0; r == -EINTR && i < DUMP_TRIES_MAX; i++) {
        message->nlmsg_seq = ++netlink->sequence;
        if (mnl_socket_sendto(netlink->requests, message, message->nlmsg_len) < 0)
            return -errno;
        r = receive(netlink, fn, arg);
    }
    return r;
}

int skr_netlink_events_fd(const struct skr_netlink *netlink)
{
    return mnl_socket_get_fd(netlink->events);
}

int skr_netlink_events(struct skr_netlink *netlink, mnl_cb_t fn, void *arg)
{
    for (int i = 0; i < EVENT_READS_MAX; i++) {
        ssize_t size = mnl_socket_recvfrom(netlink->events, netlink->event, sizeof(netlink->event));
        if (size < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (mnl_cb_run(netlink->event, (size_t)size, 0, 0, fn, arg) < 0)
            return -errno;
    }
    return 0;
}

void skr_netlink_events_discard(struct skr_netlink *netlink)
{
    for (int i = 0; i < EVENT_DISCARDS_MAX; i++) {
        if (mnl_socket_recvfrom(netlink->events, netlink->event, sizeof(netlink->event)) < 0 && errno == EAGAIN)
            return;
    }
}

void skr_netlink_attributes(const struct nlmsghdr *message, size_t header, const struct nlattr **table, unsigned max)
{
    for (unsigned i = 0; i <= max; i++)
        table[i] = NULL;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, header)
    {
        unsigned type = mnl_attr_get_type(attribute);
        if (type <= max)
            table[type] = attribute;
    }
}

static void put_v4(struct nlmsghdr *message, uint16_t type, const struct skr_address *address)
{
    mnl_attr_put_u32(message, type, skr_address_v4(address));
}

int skr_netlink_link_up(struct skr_netlink *netlink, uint32_t ifindex)
{
    struct nlmsghdr *message = skr_netlink_request(netlink, RTM_NEWLINK, 0);
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof(*link));
    link->ifi_index = (int)ifindex;
    link->ifi_flags = IFF_UP;
    link->ifi_change = IFF_UP;
    return skr_netlink_call(netlink, message);
}

int skr_netlink_promiscuous(struct skr_netlink *netlink, uint32_t ifindex, bool on)
{
    struct nlmsghdr *message = skr_netlink_request(netlink, RTM_NEWLINK, 0);
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof(*link));
    link->ifi_index = (int)ifindex;
    link->ifi_flags = on ? IFF_PROMISC : 0;
    link->ifi_change = IFF_PROMISC;
    return skr_netlink_call(netlink, message);
}

void skr_netlink_mark(uint32_t ifindex, char out[static SKR_NETLINK_MARK_SIZE])
{
    snprintf(out, SKR_NETLINK_MARK_SIZE, "skerry-promiscuous-%u", ifindex);
}

int skr_netlink_alternative_name(struct skr_netlink *netlink, bool add, uint32_t ifindex)
{
    struct nlmsghdr *message = skr_netlink_request(netlink, add ? RTM_NEWLINKPROP : RTM_DELLINKPROP,
                                                   add ? NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND : 0);
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof(*link));
    char name[SKR_NETLINK_MARK_SIZE];
    skr_netlink_mark(ifindex, name);
    link->ifi_index = (int)ifindex;
    struct nlattr *list = mnl_attr_nest_start(message, IFLA_PROP_LIST);
    mnl_attr_put_strz(message, IFLA_ALT_IFNAME, name);
    mnl_attr_nest_end(message, list);
    int r = skr_netlink_call(netlink, message);
    return r == (add ? -EEXIST : -ENOENT) ? 0 : r;
}

int skr_netlink_address(struct skr_netlink *netlink, bool add, uint32_t ifindex, const struct skr_address *address,
                        unsigned prefix_length)
{
    struct nlmsghdr *message =
            skr_netlink_request(netlink, add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
    struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->ifa_family = AF_INET;
    body->ifa_prefixlen = (uint8_t)prefix_length;
    body->ifa_index = ifindex;
    put_v4(message, IFA_LOCAL, address);
    put_v4(message, IFA_ADDRESS, address);
    if (add)
        mnl_attr_put_u8(message, IFA_PROTO, SKR_NETLINK_PROTOCOL);
    int r = skr_netlink_call(netlink, message);
    return !add && (r == -EADDRNOTAVAIL || r == -ENODEV) ? 0 : r;
}

int skr_netlink_rule(struct skr_netlink *netlink, bool add, const struct skr_address *from, uint32_t table)
{
    struct nlmsghdr *message =
            skr_netlink_request(netlink, add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
    struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->family = AF_INET;
    body->src_len = 32;
    body->action = FR_ACT_TO_TBL;
    put_v4(message, FRA_SRC, from);
    mnl_attr_put_u32(message, FRA_TABLE, table);
    mnl_attr_put_u32(message, FRA_PRIORITY, RULE_PRIORITY);
    mnl_attr_put_u8(message, FRA_PROTOCOL, SKR_NETLINK_PROTOCOL);
    int r = skr_netlink_call(netlink, message);
    return (add && r == -EEXIST) || (!add && r == -ENOENT) ? 0 : r;
}

int skr_netlink_route(struct skr_netlink *netlink, bool add, uint32_t table, const struct skr_address *destination,
                      unsigned prefix_length, const struct skr_address *gateway, const struct skr_address *source,
                      uint32_t ifindex)
{
    struct nlmsghdr *message =
            skr_netlink_request(netlink, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
    struct rtmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->rtm_family = AF_INET;
    body->rtm_dst_len = (uint8_t)prefix_length;
    body->rtm_protocol = SKR_NETLINK_PROTOCOL;
    body->rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    body->rtm_type = RTN_UNICAST;
    if (prefix_length)
        put_v4(message, RTA_DST, destination);
    if (gateway)
        put_v4(message, RTA_GATEWAY, gateway);
    put_v4(message, RTA_PREFSRC, source);
    mnl_attr_put_u32(message, RTA_OIF, ifindex);
    mnl_attr_put_u32(message, RTA_TABLE, table);
    int r = skr_netlink_call(netlink, message);
    return !add && (r == -ESRCH || r == -ENODEV) ? 0 : r;
}

int skr_netlink_neighbor(struct skr_netlink *netlink, bool add, uint32_t ifindex, const struct skr_address *address)
{
    struct nlmsghdr *message =
            skr_netlink_request(netlink, add ? RTM_NEWNEIGH : RTM_DELNEIGH, add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
    struct ndmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->ndm_family = AF_INET;
    body->ndm_ifindex = (int)ifindex;
    /* NTF_EXT_LEARNED keeps the entry out of the kernel's garbage collection and its gc_thresh. */
    body->ndm_flags = add ? NTF_EXT_LEARNED : 0;
    put_v4(message, NDA_DST, address);
    if (add) {
        mnl_attr_put_u32(message, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
        mnl_attr_put_u8(message, NDA_PROTOCOL, SKR_NETLINK_PROTOCOL);
    }
    int r = skr_netlink_call(netlink, message);
    return !add && (r == -ENOENT || r == -ENODEV) ? 0 : r;
}
