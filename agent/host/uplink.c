/* Uplinks: the interfaces that the host's object names and those of its host switches. Whether one must take every
 * frame (promiscuous, while ports of VLANs are bound: their MACs are not the uplink's), and whether a program tags what
 * its provider addresses say.
 *
 * Promiscuity that the agent sets is marked by an alternative name of the interface, which lives and dies with it: so a
 * later agent knows that it may take it back, and an administrator's own setting stays. */
#include "agent/desired/support.h"
#include "agent/host/private.h"

#include <stdio.h>
#include <string.h>

struct names {
    char (*items)[SKR_INTERFACE_NAME_MAX];
    size_t count, room;
};

static bool has_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (!strcmp(names->items[i], name))
            return true;
    return false;
}

static void add_name(struct names *names, const char *name)
{
    if (strlen(name) >= SKR_INTERFACE_NAME_MAX || has_name(names, name))
        return;
    if (names->count == names->room) {
        names->room = names->room ? 2 * names->room : 8;
        names->items = skr_must(realloc(names->items, names->room * sizeof(*names->items)));
    }
    snprintf(names->items[names->count++], SKR_INTERFACE_NAME_MAX, "%s", name);
}

static int of_host(void *arg, const struct skr_desired_change *object)
{
    const Skerry__V1__Host *host = (const void *)object->after;
    for (size_t i = 0; i < host->n_uplinks; i++)
        add_name(arg, host->uplinks[i]);
    return 0;
}

static int of_host_switch(void *arg, const struct skr_desired_change *object)
{
    const Skerry__V1__HostSwitch *host_switch = (const void *)object->after;
    char text[SKR_SUPPORT_TEXT_MAX];
    if (!skr_support_host_switch(host_switch, text))
        add_name(arg, host_switch->uplinks[0]);
    return 0;
}

/* ---- promiscuity ---- */

static bool wants_all_frames(const struct skr_host *host, const struct uplink *uplink)
{
    for (const struct port *port = host->ports; port; port = port->hh.next)
        if (port->ifindex && !strcmp(port->uplink, uplink->name))
            return true;
    return false;
}

static int set_promiscuous(struct skr_host *host, const struct skr_host_interface *interface)
{
    if (interface->promiscuous)
        return 0; /* ours from before, or an administrator's */
    int r = interface->marked ? 0 : skr_netlink_alternative_name(host->netlink, true, interface->ifindex);
    return r < 0 ? r : skr_netlink_promiscuous(host->netlink, interface->ifindex, true);
}

static int clear_promiscuous(struct skr_host *host, const struct skr_host_interface *interface)
{
    if (!interface->marked)
        return 0;
    int r = skr_netlink_promiscuous(host->netlink, interface->ifindex, false);
    return r < 0 ? r : skr_netlink_alternative_name(host->netlink, false, interface->ifindex);
}

int skr_host_uplink_repair(struct skr_host *host, const struct skr_host_interface *interface)
{
    return set_promiscuous(host, interface);
}

size_t skr_host_uplinks_forget(struct skr_host *host, size_t *failed)
{
    size_t cleared = 0;
    for (size_t i = 0; i < host->inventory.count; i++) {
        const struct skr_host_interface *interface = &host->inventory.items[i];
        struct uplink *uplink;
        HASH_FIND_STR(host->uplinks, interface->name, uplink);
        if (!interface->marked || (uplink && uplink->all_frames))
            continue;
        if (clear_promiscuous(host, interface) < 0)
            ++*failed;
        else
            cleared++;
    }
    return cleared;
}

/* ---- tags ---- */

static bool wants_tags(const struct skr_host *host, const struct uplink *uplink)
{
    for (const struct provider_address *pa = host->addresses; pa; pa = pa->hh.next)
        if (pa->vlan_id && pa->state == PA_READY && pa->ifindex == uplink->ifindex)
            return true;
    return false;
}

static void settle_tags(struct skr_host *host, struct uplink *uplink, const struct skr_host_interface *interface)
{
    bool tags = interface && wants_tags(host, uplink);
    if (!interface || tags == uplink->tags)
        return;
    uplink->tags = tags;
    struct skr_host_interface copy = *interface;
    host->output.tagging(host->output.arg, &copy, tags);
}

void skr_host_uplinks_settle(struct skr_host *host)
{
    for (struct uplink *uplink = host->uplinks; uplink; uplink = uplink->hh.next) {
        const struct skr_host_interface *interface = skr_host_interface(host, uplink->ifindex);
        bool all_frames = interface && wants_all_frames(host, uplink);
        settle_tags(host, uplink, interface);
        if (all_frames == uplink->all_frames)
            continue;
        uplink->all_frames = all_frames;
        if (!interface)
            continue;
        /* The audit reports it when the kernel refuses. */
        if (all_frames)
            (void)set_promiscuous(host, interface);
        else
            (void)clear_promiscuous(host, interface);
    }
}

/* ---- the set ---- */

static void drop_uplink(struct skr_host *host, struct uplink *uplink)
{
    const struct skr_host_interface *interface = skr_host_interface(host, uplink->ifindex);
    struct uplink gone = *uplink;
    HASH_DEL(host->uplinks, uplink);
    free(uplink);
    if (!interface)
        return;
    struct skr_host_interface copy = *interface;
    if (gone.all_frames)
        (void)clear_promiscuous(host, &copy);
    if (gone.tags)
        host->output.tagging(host->output.arg, &copy, false);
    host->output.uplink(host->output.arg, &copy, false);
    skr_host_binding_interface(host, NULL, &copy); /* a port may have waited for it */
}

static void add_uplink(struct skr_host *host, const char *name)
{
    struct uplink *uplink;
    HASH_FIND_STR(host->uplinks, name, uplink);
    if (uplink)
        return;
    uplink = skr_must(calloc(1, sizeof(*uplink)));
    snprintf(uplink->name, sizeof(uplink->name), "%s", name);
    HASH_ADD_STR(host->uplinks, name, uplink);
    const struct skr_host_interface *interface = skr_host_interface_named(host, name);
    if (!interface)
        return;
    struct skr_host_interface copy = *interface;
    uplink->ifindex = copy.ifindex;
    uplink->up = copy.up;
    uplink->mtu = copy.mtu;
    skr_host_binding_interface(host, NULL, &copy); /* whoever was bound to it is not any more */
    if (!copy.up)
        skr_netlink_link_up(host->netlink, copy.ifindex);
    host->output.uplink(host->output.arg, &copy, true);
}

void skr_host_uplinks_read(struct skr_host *host)
{
    struct names names = {0};
    struct uplink *uplink, *next;
    skr_desired_each(host->desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST, of_host, &names);
    skr_desired_each(host->desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH, of_host_switch, &names);
    HASH_ITER (hh, host->uplinks, uplink, next)
        if (!has_name(&names, uplink->name))
            drop_uplink(host, uplink);
    for (size_t i = 0; i < names.count; i++)
        add_uplink(host, names.items[i]);
    free(names.items);
}

static void uplink_gone(struct skr_host *host, const struct skr_host_interface *interface)
{
    struct uplink *uplink;
    HASH_FIND_STR(host->uplinks, interface->name, uplink);
    if (!uplink || uplink->ifindex != interface->ifindex)
        return;
    if (uplink->tags)
        host->output.tagging(host->output.arg, interface, false);
    uplink->ifindex = 0;
    uplink->up = uplink->tags = uplink->all_frames = false;
    host->output.uplink(host->output.arg, interface, false);
}

static void uplink_present(struct skr_host *host, const struct skr_host_interface *interface)
{
    struct uplink *uplink;
    HASH_FIND_STR(host->uplinks, interface->name, uplink);
    if (!uplink ||
        (uplink->ifindex == interface->ifindex && uplink->up == interface->up && uplink->mtu == interface->mtu))
        return;
    bool is_new = uplink->ifindex != interface->ifindex;
    uplink->ifindex = interface->ifindex;
    uplink->up = interface->up;
    uplink->mtu = interface->mtu;
    if (is_new && !interface->up)
        skr_netlink_link_up(host->netlink, interface->ifindex);
    host->output.uplink(host->output.arg, interface, true);
}

void skr_host_uplink_interface(struct skr_host *host, const struct skr_host_interface *interface, bool present)
{
    if (present)
        uplink_present(host, interface);
    else
        uplink_gone(host, interface);
}

bool skr_host_is_uplink(const struct skr_host *host, const char *name)
{
    struct uplink *uplink;
    HASH_FIND_STR(host->uplinks, name, uplink);
    return uplink != NULL;
}

void skr_host_uplinks_free(struct skr_host *host)
{
    struct uplink *uplink, *next;
    HASH_ITER (hh, host->uplinks, uplink, next) {
        HASH_DEL(host->uplinks, uplink);
        free(uplink);
    }
}
