/* The inventory of interfaces: filled by one dump, kept by notifications. */
#include "agent/host/private.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void copy_text(char *to, size_t size, const struct nlattr *attribute)
{
    to[0] = 0;
    if (attribute)
        snprintf(to, size, "%.*s", (int)mnl_attr_get_payload_len(attribute), mnl_attr_get_str(attribute));
}

static void read_kind(struct skr_host_interface *interface, const struct nlattr *info)
{
    const struct nlattr *attribute;
    if (!info)
        return;
    mnl_attr_for_each_nested(attribute, info) if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
            copy_text(interface->kind, sizeof(interface->kind), attribute);
}

/* Does it bear the alternative name that says that its promiscuity is ours? */
static bool read_mark(uint32_t ifindex, const struct nlattr *properties)
{
    char name[SKR_NETLINK_MARK_SIZE];
    const struct nlattr *attribute;
    if (!properties)
        return false;
    skr_netlink_mark(ifindex, name);
    mnl_attr_for_each_nested(attribute, properties) if (mnl_attr_get_type(attribute) == IFLA_ALT_IFNAME &&
                                                        !strcmp(mnl_attr_get_str(attribute), name)) return true;
    return false;
}

static int parse(const struct nlmsghdr *message, struct skr_host_interface *ret)
{
    const struct nlattr *table[IFLA_MAX + 1];
    const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
    skr_netlink_attributes(message, sizeof(*link), table, IFLA_MAX);
    if (!table[IFLA_IFNAME] || link->ifi_index <= 0)
        return -EINVAL;
    *ret = (struct skr_host_interface){.ifindex = (uint32_t)link->ifi_index,
                                       .up = link->ifi_flags & IFF_UP,
                                       .running = link->ifi_flags & IFF_LOWER_UP,
                                       .peer_elsewhere = table[IFLA_LINK_NETNSID] != NULL,
                                       .speed_mbps = -1};
    copy_text(ret->name, sizeof(ret->name), table[IFLA_IFNAME]);
    copy_text(ret->alias, sizeof(ret->alias), table[IFLA_IFALIAS]);
    read_kind(ret, table[IFLA_LINKINFO]);
    ret->peer_elsewhere = ret->peer_elsewhere && !strcmp(ret->kind, "veth");
    ret->promiscuous = link->ifi_flags & IFF_PROMISC;
    ret->marked = read_mark(ret->ifindex, table[IFLA_PROP_LIST]);
    if (table[IFLA_ADDRESS] && mnl_attr_get_payload_len(table[IFLA_ADDRESS]) == sizeof(ret->mac.bytes))
        memcpy(ret->mac.bytes, mnl_attr_get_payload(table[IFLA_ADDRESS]), sizeof(ret->mac.bytes));
    ret->mtu = table[IFLA_MTU] ? mnl_attr_get_u32(table[IFLA_MTU]) : 0;
    ret->rx_queues = table[IFLA_NUM_RX_QUEUES] ? mnl_attr_get_u32(table[IFLA_NUM_RX_QUEUES]) : 0;
    ret->tx_queues = table[IFLA_NUM_TX_QUEUES] ? mnl_attr_get_u32(table[IFLA_NUM_TX_QUEUES]) : 0;
    return 0;
}

/* The link's speed as the driver tells it; -1 where there is none (taps before use, most virtual links). */
static int64_t read_speed(const char *name)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    union {
        struct ethtool_link_settings settings;
        uint8_t room[sizeof(struct ethtool_link_settings) + sizeof(uint32_t[3 * INT8_MAX])]; /* with its masks */
    } command = {.settings = {.cmd = ETHTOOL_GLINKSETTINGS}};
    struct ifreq request = {.ifr_data = (void *)&command};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0 || command.settings.link_mode_masks_nwords >= 0)
        return -1;
    command.settings.cmd = ETHTOOL_GLINKSETTINGS;
    command.settings.link_mode_masks_nwords = (int8_t)-command.settings.link_mode_masks_nwords;
    if (ioctl(fd, SIOCETHTOOL, &request) < 0 || command.settings.speed == (uint32_t)SPEED_UNKNOWN)
        return -1;
    return command.settings.speed;
}

/* Where ifindex stands or would stand. */
static size_t position(const struct inventory *inventory, uint32_t ifindex)
{
    size_t low = 0, high = inventory->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (inventory->items[middle].ifindex < ifindex)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct skr_host_interface *find(const struct inventory *inventory, uint32_t ifindex)
{
    size_t at = position(inventory, ifindex);
    return at < inventory->count && inventory->items[at].ifindex == ifindex ? &inventory->items[at] : NULL;
}

static int make_room(struct inventory *inventory)
{
    if (inventory->count < inventory->room)
        return 0;
    if (inventory->room >= HOST_INTERFACES_MAX)
        return -E2BIG;
    size_t room = inventory->room ? inventory->room * 2 : 64;
    struct skr_host_interface *grown = realloc(inventory->items, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    inventory->items = grown;
    inventory->room = room;
    return 0;
}

static int put(struct inventory *inventory, const struct skr_host_interface *interface)
{
    struct skr_host_interface *known = find(inventory, interface->ifindex);
    if (known) {
        *known = *interface;
        return 0;
    }
    int r = make_room(inventory);
    if (r < 0)
        return r;
    size_t at = position(inventory, interface->ifindex);
    memmove(&inventory->items[at + 1], &inventory->items[at], (inventory->count - at) * sizeof(*interface));
    inventory->items[at] = *interface;
    inventory->count++;
    return 0;
}

static void take_out(struct inventory *inventory, uint32_t ifindex)
{
    size_t at = position(inventory, ifindex);
    inventory->count--;
    memmove(&inventory->items[at], &inventory->items[at + 1], (inventory->count - at) * sizeof(*inventory->items));
}

typedef void index_fn(struct skr_host *host, enum index_kind kind, const void *bytes, size_t size, uint64_t value);

static void index_interface(struct skr_host *host, const struct skr_host_interface *interface, index_fn *fn)
{
    struct skr_uuid id;
    fn(host, INDEX_LINK_NAME, interface->name, strlen(interface->name), interface->ifindex);
    fn(host, INDEX_LINK_MAC, MAC_KEY(&interface->mac), MAC_KEY_SIZE, interface->ifindex);
    if (skr_host_alias_id(interface, &id))
        fn(host, INDEX_LINK_ALIAS, &id, sizeof(id), interface->ifindex);
}

/* One interface differs; before NULL: new, after NULL: gone. Both are the caller's copies. */
static void tell(struct skr_host *host, const struct skr_host_interface *before, const struct skr_host_interface *after)
{
    bool name_gone = before && (!after || strcmp(before->name, after->name) != 0);
    if (name_gone) {
        skr_host_provider_address_interface(host, before, false);
        skr_host_uplink_interface(host, before, false);
        skr_host_switch_interface(host, before);
    }
    if (after) {
        skr_host_uplink_interface(host, after, true);
        skr_host_switch_interface(host, after);
        skr_host_provider_address_interface(host, after, true);
    }
    skr_host_neighbor_interface(host, before, after);
    skr_host_claim_interface(host, before, after);
    skr_host_binding_interface(host, before, after);
}

static bool same(const struct skr_host_interface *a, const struct skr_host_interface *b)
{
    return a->ifindex == b->ifindex && a->mtu == b->mtu && a->up == b->up && a->running == b->running &&
           a->peer_elsewhere == b->peer_elsewhere && a->promiscuous == b->promiscuous && a->marked == b->marked &&
           a->speed_mbps == b->speed_mbps && a->rx_queues == b->rx_queues && a->tx_queues == b->tx_queues &&
           !memcmp(&a->mac, &b->mac, sizeof(a->mac)) && !strcmp(a->name, b->name) && !strcmp(a->alias, b->alias) &&
           !strcmp(a->kind, b->kind);
}

/* Enters or updates one interface; false: nothing differs. */
static bool enter(struct skr_host *host, struct skr_host_interface interface)
{
    const struct skr_host_interface *known = find(&host->inventory, interface.ifindex);
    struct skr_host_interface before;
    interface.speed_mbps =
            known && known->running == interface.running ? known->speed_mbps : read_speed(interface.name);
    if (known && same(known, &interface))
        return false;
    if (known) {
        before = *known;
        index_interface(host, &before, skr_host_index_remove);
    }
    if (put(&host->inventory, &interface) < 0)
        return false; /* beyond HOST_INTERFACES_MAX: never bound */
    index_interface(host, &interface, skr_host_index_add);
    host->interfaces_down += !interface.up;
    host->interfaces_down -= known && !before.up;
    tell(host, known ? &before : NULL, &interface);
    return true;
}

static bool leave(struct skr_host *host, uint32_t ifindex)
{
    const struct skr_host_interface *known = find(&host->inventory, ifindex);
    if (!known)
        return false;
    struct skr_host_interface gone = *known;
    index_interface(host, &gone, skr_host_index_remove);
    take_out(&host->inventory, ifindex);
    host->interfaces_down -= !gone.up;
    tell(host, &gone, NULL);
    return true;
}

bool skr_host_link_message(struct skr_host *host, const struct nlmsghdr *message)
{
    struct skr_host_interface interface;
    const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*link) || link->ifi_family != AF_UNSPEC)
        return false; /* bridge ports report under their own family */
    if (message->nlmsg_type == RTM_DELLINK)
        return leave(host, (uint32_t)link->ifi_index);
    return parse(message, &interface) == 0 && enter(host, interface);
}

static int dumped(const struct nlmsghdr *message, void *arg)
{
    struct skr_host_interface interface;
    if (message->nlmsg_type == RTM_NEWLINK && parse(message, &interface) == 0)
        (void)put(arg, &interface);
    return MNL_CB_OK;
}

int skr_host_interfaces_load(struct skr_host *host)
{
    struct inventory now = {0};
    struct nlmsghdr *message = skr_netlink_request(host->netlink, RTM_GETLINK, 0);
    mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    bool differs = false;
    int r = skr_netlink_dump(host->netlink, message, dumped, &now);
    /* Interfaces that are gone leave first, because a new interface may have the name of one of them. */
    for (size_t i = host->inventory.count; r == 0 && i-- > 0;) {
        uint32_t ifindex = host->inventory.items[i].ifindex;
        if (!find(&now, ifindex))
            differs = leave(host, ifindex) || differs;
    }
    for (size_t i = 0; r == 0 && i < now.count; i++)
        differs = enter(host, now.items[i]) || differs;
    free(now.items);
    host->rescan_ns = host->now_ns + RESCAN_NS;
    return r < 0 ? r : differs;
}

const struct skr_host_interface *skr_host_interface(const struct skr_host *host, uint32_t ifindex)
{
    return find(&host->inventory, ifindex);
}

const struct skr_host_interface *skr_host_interface_named(const struct skr_host *host, const char *name)
{
    const uint64_t *found;
    size_t size = strlen(name);
    if (size >= SKR_INTERFACE_NAME_MAX || !skr_host_index_find(host, INDEX_LINK_NAME, name, size, &found))
        return NULL;
    return skr_host_interface(host, (uint32_t)found[0]);
}

size_t skr_host_interfaces(const struct skr_host *host, const struct skr_host_interface **ret)
{
    *ret = host->inventory.items;
    return host->inventory.count;
}

void skr_host_interfaces_free(struct skr_host *host)
{
    free(host->inventory.items);
}
