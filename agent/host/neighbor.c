/* The next hop of each remote PA, kept resolved by the kernel (managed neighbours) and told to the fast path. A remote
 * PA within the subnet of the own PA that sends there is its own next hop; any other goes through that PA's gateway:
 * exactly what the PA's own routing table says. Where no sender is known every own PA may be, the first with a gateway
 * for what is in no subnet. Many remote PAs share a next hop, so next hops are counted. */
#include "agent/host/private.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>

static bool may_send(const struct provider_address *pa, const struct remote_pa *remote)
{
    static const struct skr_address any;
    return pa->state == PA_READY && (memcmp(remote->source.bytes, any.bytes, sizeof(any.bytes)) == 0 ||
                                     skr_address_compare(&pa->address, &remote->source) == 0);
}

static const struct provider_address *route(const struct skr_host *host, const struct remote_pa *remote,
                                            struct skr_address *ret_next_hop)
{
    const struct provider_address *through = NULL;
    for (const struct provider_address *pa = host->addresses; pa; pa = pa->hh.next) {
        if (!may_send(pa, remote))
            continue;
        if (skr_prefix_contains(&pa->subnet, &remote->address)) {
            *ret_next_hop = remote->address;
            return pa;
        }
        if (pa->has_gateway && (!through || skr_uuid_compare(&pa->id, &through->id) < 0))
            through = pa;
    }
    if (through)
        *ret_next_hop = through->gateway;
    return through;
}

static struct next_hop *find(const struct skr_host *host, const struct next_hop_key *key)
{
    struct next_hop *next_hop;
    HASH_FIND(hh, host->next_hops, key, sizeof(*key), next_hop);
    return next_hop;
}

static struct next_hop_key make_key(const struct skr_address *address, uint32_t ifindex)
{
    struct next_hop_key key;
    memset(&key, 0, sizeof(key));
    key.address = *address;
    key.ifindex = ifindex;
    return key;
}

static void tell(struct skr_host *host, const struct remote_pa *remote)
{
    struct skr_abi_neighbor neighbor = {0};
    const struct next_hop *next_hop = remote->next_hop;
    const struct skr_host_interface *interface = next_hop ? skr_host_interface(host, next_hop->key.ifindex) : NULL;
    if (interface && next_hop->resolved) {
        neighbor.ifindex = interface->ifindex;
        memcpy(neighbor.source_mac, interface->mac.bytes, 6);
        memcpy(neighbor.destination_mac, next_hop->mac, 6);
    }
    host->output.neighbor(host->output.arg, &remote->address, &neighbor);
}

static void release(struct skr_host *host, struct remote_pa *remote)
{
    struct next_hop *next_hop = remote->next_hop;
    if (!next_hop)
        return;
    remote->next_hop = NULL;
    *remote->link = remote->next_user;
    if (remote->next_user)
        remote->next_user->link = remote->link;
    if (next_hop->users)
        return;
    skr_netlink_neighbor(host->netlink, false, next_hop->key.ifindex, &next_hop->key.address);
    HASH_DEL(host->next_hops, next_hop); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    free(next_hop);
}

static void enter(struct skr_host *host, const struct nlmsghdr *message, bool tell_all);

static int on_known(const struct nlmsghdr *message, void *arg)
{
    if (message->nlmsg_type == RTM_NEWNEIGH)
        enter(arg, message, false);
    return MNL_CB_OK;
}

/* The kernel tells a neighbour's MAC when it changes; one that is known already is read once. */
static void read_known(struct skr_host *host, const struct next_hop_key *key)
{
    struct nlmsghdr *message = skr_netlink_request(host->netlink, RTM_GETNEIGH, 0);
    struct ndmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->ndm_family = AF_INET;
    body->ndm_ifindex = (int)key->ifindex;
    mnl_attr_put_u32(message, NDA_DST, skr_address_v4(&key->address));
    (void)skr_netlink_get(host->netlink, message, on_known, host); /* none yet: told when there is one */
}

static void acquire(struct skr_host *host, struct remote_pa *remote, const struct next_hop_key *key)
{
    struct next_hop *next_hop = find(host, key);
    if (!next_hop) {
        next_hop = calloc(1, sizeof(*next_hop));
        if (!next_hop)
            abort();
        next_hop->key = *key;
        HASH_ADD(hh, host->next_hops, key, sizeof(next_hop->key), next_hop);
        read_known(host, key);
        skr_netlink_neighbor(host->netlink, true, key->ifindex, &key->address);
    }
    remote->next_hop = next_hop;
    remote->next_user = next_hop->users;
    remote->link = &next_hop->users;
    if (remote->next_user)
        remote->next_user->link = &remote->next_user;
    next_hop->users = remote;
}

static void place(struct skr_host *host, struct remote_pa *remote)
{
    struct skr_address next_hop = {0};
    const struct provider_address *pa = route(host, remote, &next_hop);
    struct next_hop_key key = make_key(&next_hop, pa ? pa->ifindex : 0);
    if (pa ? remote->next_hop && !memcmp(&key, &remote->next_hop->key, sizeof(key)) : !remote->next_hop)
        return;
    release(host, remote);
    if (pa)
        acquire(host, remote, &key);
    tell(host, remote);
}

void skr_host_need_neighbor(void *arg, const struct skr_address *pa, const struct skr_address *source)
{
    struct skr_host *host = arg;
    struct remote_pa *remote;
    HASH_FIND(hh, host->remotes, pa, sizeof(*pa), remote);
    if (source) {
        if (!remote) {
            remote = calloc(1, sizeof(*remote));
            if (!remote)
                abort();
            remote->address = *pa;
            HASH_ADD(hh, host->remotes, address, sizeof(remote->address), remote);
        }
        remote->source = *source;
        place(host, remote);
    } else if (remote) {
        release(host, remote);
        HASH_DEL(host->remotes, remote);
        free(remote);
    }
}

void skr_host_neighbor_refresh(struct skr_host *host)
{
    struct remote_pa *remote, *next;
    HASH_ITER (hh, host->remotes, remote, next)
        place(host, remote);
}

static void tell_users(struct skr_host *host, const struct next_hop *next_hop)
{
    for (const struct remote_pa *remote = next_hop->users; remote; remote = remote->next_user)
        tell(host, remote);
}

void skr_host_neighbor_interface(struct skr_host *host, const struct skr_host_interface *before,
                                 const struct skr_host_interface *after)
{
    if (!after)
        return;
    bool other_mac = before && memcmp(&before->mac, &after->mac, sizeof(after->mac)) != 0;
    bool came_up = after->up && !(before && before->up);
    if (!other_mac && !came_up)
        return;
    for (struct next_hop *next_hop = host->next_hops; next_hop; next_hop = next_hop->hh.next) {
        if (next_hop->key.ifindex != after->ifindex)
            continue;
        if (came_up)
            skr_netlink_neighbor(host->netlink, true, next_hop->key.ifindex, &next_hop->key.address);
        if (other_mac)
            tell_users(host, next_hop);
    }
}

void skr_host_neighbor_resync(struct skr_host *host)
{
    for (struct next_hop *next_hop = host->next_hops; next_hop; next_hop = next_hop->hh.next) {
        struct next_hop before = *next_hop;
        skr_netlink_neighbor(host->netlink, true, next_hop->key.ifindex, &next_hop->key.address);
        read_known(host, &next_hop->key);
        if (before.resolved != next_hop->resolved || memcmp(before.mac, next_hop->mac, sizeof(before.mac)) != 0)
            tell_users(host, next_hop);
    }
}

bool skr_host_neighbor_wanted(const struct skr_host *host, uint32_t ifindex, const struct skr_address *address)
{
    struct next_hop_key key = make_key(address, ifindex);
    return find(host, &key) != NULL;
}

static void enter(struct skr_host *host, const struct nlmsghdr *message, bool tell_all)
{
    const struct ndmsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *table[NDA_MAX + 1];
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*body) || body->ndm_family != AF_INET)
        return;
    skr_netlink_attributes(message, sizeof(*body), table, NDA_MAX);
    if (!table[NDA_DST] || mnl_attr_get_payload_len(table[NDA_DST]) != 4 || !table[NDA_LLADDR] ||
        mnl_attr_get_payload_len(table[NDA_LLADDR]) != 6)
        return;
    /* A next hop that stopped answering keeps its last MAC: the frame is lost either way, and a wrong guess of the
     * kernel's must not cut off hosts that are there. */
    if (!(body->ndm_state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)))
        return;
    struct skr_address address = skr_address_from_v4(mnl_attr_get_u32(table[NDA_DST]));
    struct next_hop_key key = make_key(&address, (uint32_t)body->ndm_ifindex);
    struct next_hop *next_hop = find(host, &key);
    const uint8_t *mac = mnl_attr_get_payload(table[NDA_LLADDR]);
    if (!next_hop || (next_hop->resolved && !memcmp(next_hop->mac, mac, 6)))
        return;
    bool other = next_hop->resolved;
    if (other)
        skr_host_doubt(&next_hop->former, next_hop->mac);
    next_hop->resolved = true;
    memcpy(next_hop->mac, mac, 6);
    if (tell_all)
        tell_users(host, next_hop);
    if (other && tell_all)
        host->output.changed(host->output.arg, "neighbor", next_hop->key.ifindex);
}

void skr_host_neighbor_message(struct skr_host *host, const struct nlmsghdr *message)
{
    const struct ndmsg *body = mnl_nlmsg_get_payload(message);
    if (message->nlmsg_type == RTM_NEWNEIGH) {
        enter(host, message, true);
        return;
    }
    /* A neighbour that we need was deleted, so it is asked for again. */
    const struct nlattr *table[NDA_MAX + 1];
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*body) || body->ndm_family != AF_INET)
        return;
    skr_netlink_attributes(message, sizeof(*body), table, NDA_MAX);
    if (!table[NDA_DST] || mnl_attr_get_payload_len(table[NDA_DST]) != 4)
        return;
    struct skr_address address = skr_address_from_v4(mnl_attr_get_u32(table[NDA_DST]));
    struct next_hop_key key = make_key(&address, (uint32_t)body->ndm_ifindex);
    const struct skr_host_interface *interface = skr_host_interface(host, key.ifindex);
    /* Going down takes all neighbours; coming up asks for them again. */
    if (interface && interface->up && find(host, &key))
        skr_netlink_neighbor(host->netlink, true, key.ifindex, &key.address);
}

void skr_host_neighbor_free(struct skr_host *host)
{
    struct remote_pa *remote, *next_remote;
    HASH_ITER (hh, host->remotes, remote, next_remote) {
        HASH_DEL(host->remotes, remote);
        free(remote);
    }
    struct next_hop *next_hop, *next;
    HASH_ITER (hh, host->next_hops, next_hop, next) {
        HASH_DEL(host->next_hops, next_hop);
        free(next_hop);
    }
}
