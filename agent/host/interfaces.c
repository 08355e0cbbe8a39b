/* The inventory of interfaces: filled by one dump, kept by notifications. */
#include "agent/host/private.h"

#include <errno.h>
#include <fcntl.h>
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
    struct {
        struct ethtool_link_settings settings;
        uint32_t modes[3 * 127];
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
static size_t position(const struct skr_host *host, uint32_t ifindex)
{
    size_t low = 0, high = host->interface_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (host->interfaces[middle].ifindex < ifindex)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool stands_at(const struct skr_host *host, size_t at, uint32_t ifindex)
{
    return at < host->interface_count && host->interfaces[at].ifindex == ifindex;
}

static int make_room(struct skr_host *host)
{
    if (host->interface_count < host->interface_room)
        return 0;
    if (host->interface_room >= HOST_INTERFACES_MAX)
        return -E2BIG;
    size_t room = host->interface_room ? host->interface_room * 2 : 64;
    struct skr_host_interface *grown = realloc(host->interfaces, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    host->interfaces = grown;
    host->interface_room = room;
    return 0;
}

static void tell(struct skr_host *host, const struct skr_host_interface *interface, bool present)
{
    struct uplink *uplink;
    HASH_FIND_STR(host->uplinks, interface->name, uplink);
    if (uplink) {
        bool was_present = uplink->ifindex == interface->ifindex;
        if (present != was_present || (present && uplink->up != interface->up)) {
            uplink->ifindex = present ? interface->ifindex : 0;
            uplink->up = present && interface->up;
            host->output.uplink(host->output.arg, interface, present);
        }
    }
    skr_host_provider_address_interface(host, interface, present);
    skr_host_binding_interface(host, interface, present);
}

/* Enters or updates one interface; returns false when nothing that anybody looks at differs. */
static bool enter(struct skr_host *host, const struct skr_host_interface *interface)
{
    size_t at = position(host, interface->ifindex);
    if (stands_at(host, at, interface->ifindex)) {
        struct skr_host_interface *known = &host->interfaces[at];
        if (!memcmp(known, interface, sizeof(*known)))
            return false;
        if (strcmp(known->name, interface->name) || strcmp(known->alias, interface->alias)) {
            struct skr_host_interface renamed = *known;
            *known = *interface;
            tell(host, &renamed, false);
        }
        *known = *interface;
        return true;
    }
    if (make_room(host) < 0)
        return false;
    memmove(&host->interfaces[at + 1], &host->interfaces[at], (host->interface_count - at) * sizeof(*interface));
    host->interfaces[at] = *interface;
    host->interface_count++;
    return true;
}

static void leave(struct skr_host *host, uint32_t ifindex)
{
    size_t at = position(host, ifindex);
    if (!stands_at(host, at, ifindex))
        return;
    struct skr_host_interface gone = host->interfaces[at];
    host->interface_count--;
    memmove(&host->interfaces[at], &host->interfaces[at + 1], (host->interface_count - at) * sizeof(gone));
    tell(host, &gone, false);
}

void skr_host_link_message(struct skr_host *host, const struct nlmsghdr *message)
{
    struct skr_host_interface interface;
    const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*link) || link->ifi_family != AF_UNSPEC)
        return; /* bridge ports report under their own family */
    if (message->nlmsg_type == RTM_DELLINK) {
        leave(host, (uint32_t)link->ifi_index);
        return;
    }
    if (parse(message, &interface) < 0)
        return;
    const struct skr_host_interface *known = skr_host_interface(host, interface.ifindex);
    interface.speed_mbps =
            known && known->running == interface.running ? known->speed_mbps : read_speed(interface.name);
    if (enter(host, &interface)) {
        struct skr_host_interface copy = interface; /* telling may move the inventory */
        tell(host, &copy, true);
    }
}

static int dumped(const struct nlmsghdr *message, void *arg)
{
    struct skr_host_interface interface;
    if (message->nlmsg_type == RTM_NEWLINK && parse(message, &interface) == 0) {
        interface.speed_mbps = read_speed(interface.name);
        enter(arg, &interface);
    }
    return MNL_CB_OK;
}

int skr_host_interfaces_load(struct skr_host *host)
{
    SKR_CLEANUP(skr_free_cleanup) struct skr_host_interface *before = NULL;
    size_t before_count = host->interface_count;
    if (before_count) {
        before = malloc(before_count * sizeof(*before));
        if (!before)
            return -ENOMEM;
        memcpy(before, host->interfaces, before_count * sizeof(*before));
    }
    host->interface_count = 0;
    struct nlmsghdr *message = skr_netlink_request(host->netlink, RTM_GETLINK, 0);
    mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    int r = skr_netlink_dump(host->netlink, message, dumped, host);
    if (r < 0)
        return r;
    for (size_t i = 0; i < before_count; i++) {
        if (!skr_host_interface(host, before[i].ifindex))
            tell(host, &before[i], false);
    }
    for (size_t i = 0; i < host->interface_count; i++) {
        struct skr_host_interface copy = host->interfaces[i];
        tell(host, &copy, true);
    }
    return 0;
}

const struct skr_host_interface *skr_host_interface(const struct skr_host *host, uint32_t ifindex)
{
    size_t at = position(host, ifindex);
    return stands_at(host, at, ifindex) ? &host->interfaces[at] : NULL;
}

const struct skr_host_interface *skr_host_interface_named(const struct skr_host *host, const char *name)
{
    for (size_t i = 0; i < host->interface_count; i++) {
        if (!strcmp(host->interfaces[i].name, name))
            return &host->interfaces[i];
    }
    return NULL;
}

size_t skr_host_interfaces(const struct skr_host *host, const struct skr_host_interface **ret)
{
    *ret = host->interfaces;
    return host->interface_count;
}

bool skr_host_is_uplink(const struct skr_host *host, const char *name)
{
    struct uplink *uplink;
    HASH_FIND_STR(host->uplinks, name, uplink);
    return uplink != NULL;
}

void skr_host_sysctl(const char *family, const char *interface, const char *key, const char *value)
{
    char path[128];
    snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, interface, key);
    SKR_CLEANUP(skr_close_cleanup) int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, value, strlen(value)) < 0)
        return; /* read-only /proc/sys: the audit shows what follows from it */
}
