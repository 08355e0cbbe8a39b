/* This file removes objects that an earlier agent made and that are not needed any more: addresses, rules, routes and
 * neighbours that carry our protocol number and that desired state does not have. Found by dumps, then each is sent
 * back as the request to delete it. */
#include "agent/host/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <string.h>

#define DOOMED_MAX 65536 /* a kind; what is beyond goes next time */

struct doomed {
    const struct skr_host *host;
    struct nlmsghdr **messages;
    size_t count, room;
};

static void doom(struct doomed *doomed, const struct nlmsghdr *message, uint16_t type)
{
    if (doomed->count == DOOMED_MAX || message->nlmsg_len > SKR_NETLINK_BUFFER)
        return;
    if (doomed->count == doomed->room) {
        size_t room = doomed->room ? doomed->room * 2 : 16;
        struct nlmsghdr **grown = realloc(doomed->messages, room * sizeof(struct nlmsghdr *));
        if (!grown)
            return;
        doomed->messages = grown;
        doomed->room = room;
    }
    struct nlmsghdr *copy = malloc(message->nlmsg_len);
    if (!copy)
        return;
    memcpy(copy, message, message->nlmsg_len);
    copy->nlmsg_type = type;
    copy->nlmsg_flags = NLM_F_REQUEST;
    copy->nlmsg_pid = 0;
    doomed->messages[doomed->count++] = copy;
}

static bool is_ours(const struct nlattr *protocol)
{
    return protocol && mnl_attr_get_u8(protocol) == SKR_NETLINK_PROTOCOL;
}

static const struct provider_address *pa_of_v4(const struct doomed *doomed, const struct nlattr *address)
{
    return address ? skr_host_provider_address_of_table(doomed->host, ntohl(mnl_attr_get_u32(address))) : NULL;
}

static int on_address(const struct nlmsghdr *message, void *arg)
{
    const struct ifaddrmsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[IFA_MAX + 1];
    skr_netlink_attributes(message, sizeof(*body), table, IFA_MAX);
    const struct provider_address *pa = pa_of_v4(arg, table[IFA_LOCAL]);
    if (is_ours(table[IFA_PROTO]) && !(pa && pa->ifindex == body->ifa_index))
        doom(arg, message, RTM_DELADDR);
    return MNL_CB_OK;
}

static int on_rule(const struct nlmsghdr *message, void *arg)
{
    const struct fib_rule_hdr *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[FRA_MAX + 1];
    skr_netlink_attributes(message, sizeof(*body), table, FRA_MAX);
    const struct provider_address *pa = pa_of_v4(arg, table[FRA_SRC]);
    bool wanted = pa && body->src_len == 32 && table[FRA_TABLE] &&
                  mnl_attr_get_u32(table[FRA_TABLE]) == skr_host_provider_address_table(pa);
    if (is_ours(table[FRA_PROTOCOL]) && !wanted)
        doom(arg, message, RTM_DELRULE);
    return MNL_CB_OK;
}

static bool route_wanted(const struct provider_address *pa, const struct rtmsg *body, const struct nlattr **table)
{
    if (!pa)
        return false;
    if (pa->state != PA_READY)
        return true; /* its routes are put right when it is */
    if (!table[RTA_OIF] || mnl_attr_get_u32(table[RTA_OIF]) != pa->ifindex)
        return false;
    if (table[RTA_GATEWAY])
        return pa->has_gateway && !body->rtm_dst_len &&
               mnl_attr_get_u32(table[RTA_GATEWAY]) == skr_address_v4(&pa->gateway);
    return body->rtm_dst_len == pa->subnet.length &&
           (!table[RTA_DST] || mnl_attr_get_u32(table[RTA_DST]) == skr_address_v4(&pa->subnet.address));
}

static int on_route(const struct nlmsghdr *message, void *arg)
{
    const struct rtmsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[RTA_MAX + 1];
    skr_netlink_attributes(message, sizeof(*body), table, RTA_MAX);
    if (body->rtm_protocol != SKR_NETLINK_PROTOCOL || !table[RTA_TABLE])
        return MNL_CB_OK;
    const struct doomed *doomed = arg;
    if (!route_wanted(skr_host_provider_address_of_table(doomed->host, mnl_attr_get_u32(table[RTA_TABLE])), body,
                      table))
        doom(arg, message, RTM_DELROUTE);
    return MNL_CB_OK;
}

static int on_neighbor(const struct nlmsghdr *message, void *arg)
{
    const struct doomed *doomed = arg;
    const struct ndmsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[NDA_MAX + 1];
    skr_netlink_attributes(message, sizeof(*body), table, NDA_MAX);
    if (!is_ours(table[NDA_PROTOCOL]) || !table[NDA_DST] || mnl_attr_get_payload_len(table[NDA_DST]) != 4)
        return MNL_CB_OK;
    struct skr_address address = skr_address_from_v4(mnl_attr_get_u32(table[NDA_DST]));
    if (!skr_host_neighbor_wanted(doomed->host, (uint32_t)body->ndm_ifindex, &address))
        doom(arg, message, RTM_DELNEIGH);
    return MNL_CB_OK;
}

/* Each kind that went is counted; what had gone already, with an address or a route before it, is not. */
static size_t sweep(struct skr_host *host, uint16_t type, size_t header, mnl_cb_t fn, size_t *failed)
{
    struct doomed doomed = {.host = host};
    size_t gone = 0;
    struct nlmsghdr *message = skr_netlink_request(host->netlink, type, 0);
    /* The family is the first byte of every rtnetlink header. */
    *(uint8_t *)mnl_nlmsg_put_extra_header(message, header) = AF_INET;
    if (type == RTM_GETROUTE)
        ((struct rtmsg *)mnl_nlmsg_get_payload(message))->rtm_protocol = SKR_NETLINK_PROTOCOL;
    (void)skr_netlink_dump(host->netlink, message, fn, &doomed);
    for (size_t i = 0; i < doomed.count; i++) {
        if (type == RTM_GETROUTE)
            ((struct rtmsg *)mnl_nlmsg_get_payload(doomed.messages[i]))->rtm_flags = 0;
        int r = skr_netlink_call(host->netlink, doomed.messages[i]);
        if (r == 0)
            gone++;
        else if (r != -ENOENT && r != -ESRCH && r != -EADDRNOTAVAIL && r != -ENODEV)
            ++*failed;
        free(doomed.messages[i]);
    }
    free(doomed.messages);
    return gone;
}

void skr_host_remove_unintended(struct skr_host *host, struct skr_host_removed *ret)
{
    struct skr_host_removed removed = {0};
    removed.rules = sweep(host, RTM_GETRULE, sizeof(struct fib_rule_hdr), on_rule, &removed.failed);
    removed.routes = sweep(host, RTM_GETROUTE, sizeof(struct rtmsg), on_route, &removed.failed);
    removed.neighbors = sweep(host, RTM_GETNEIGH, sizeof(struct ndmsg), on_neighbor, &removed.failed);
    removed.addresses = sweep(host, RTM_GETADDR, sizeof(struct ifaddrmsg), on_address, &removed.failed);
    removed.promiscuous = skr_host_uplinks_forget(host, &removed.failed);
    /* A removed address may have been the first of its subnet, and others of the subnet went with it. */
    for (const struct provider_address *pa = host->addresses; pa && removed.addresses; pa = pa->hh.next) {
        if (pa->state == PA_READY)
            (void)skr_host_provider_address_install(host, pa);
    }
    if (ret)
        *ret = removed;
}
