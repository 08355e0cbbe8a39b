/* Which interface carries which adapter, in the order of datapath.md ("Binding"): the explicit name, the ifalias
 * skerry:<adapter id>, then the MAC. Work per event: the ports that the event can concern. */
#include "agent/host/private.h"

#include <stdio.h>
#include <string.h>

#define ALIAS_PREFIX "skerry:"

static bool alias_id(const struct skr_host_interface *interface, struct skr_uuid *ret)
{
    return !strncmp(interface->alias, ALIAS_PREFIX, strlen(ALIAS_PREFIX)) &&
           skr_uuid_parse(interface->alias + strlen(ALIAS_PREFIX), ret) == 0;
}

static bool alias_names(const struct skr_host_interface *interface, const struct port *port)
{
    struct skr_uuid id;
    return alias_id(interface, &id) && skr_uuid_compare(&id, &port->id) == 0;
}

/* libvirt sets the first octet of a tap's own MAC to FE, so on taps it does not count. */
static bool mac_matches(const struct skr_host_interface *interface, const struct port *port)
{
    size_t skip = !strcmp(interface->kind, "tun") ? 1 : 0;
    return !memcmp(interface->mac.bytes + skip, port->mac.bytes + skip, sizeof(port->mac.bytes) - skip);
}

static struct port *bound_to(struct skr_host *host, uint32_t ifindex)
{
    for (struct port *port = host->ports; port; port = port->hh.next) {
        if (port->ifindex == ifindex)
            return port;
    }
    return NULL;
}

static const struct skr_host_interface *by_mac(struct skr_host *host, const struct port *port, const char **ret_reason)
{
    const struct skr_host_interface *found = NULL;
    struct skr_uuid id;
    for (size_t i = 0; i < host->interface_count; i++) {
        const struct skr_host_interface *interface = &host->interfaces[i];
        struct port *holder;
        if (!mac_matches(interface, port) || alias_id(interface, &id) || skr_host_is_uplink(host, interface->name))
            continue;
        holder = bound_to(host, interface->ifindex);
        if (holder && holder != port)
            continue;
        if (found) {
            *ret_reason = "ambiguous_binding";
            return NULL;
        }
        found = interface;
    }
    /* The other way round: two unbound adapters of one MAC (in two VM networks) and one interface. */
    for (struct port *other = host->ports; found && other; other = other->hh.next) {
        if (other != port && !other->interface[0] && other->ifindex != found->ifindex && !other->ifindex &&
            mac_matches(found, other)) {
            *ret_reason = "ambiguous_binding";
            return NULL;
        }
    }
    return found;
}

static const struct skr_host_interface *resolve(struct skr_host *host, const struct port *port, const char **ret_reason)
{
    *ret_reason = "no_interface";
    if (port->interface[0])
        return skr_host_interface_named(host, port->interface);
    for (size_t i = 0; i < host->interface_count; i++) {
        if (alias_names(&host->interfaces[i], port))
            return &host->interfaces[i];
    }
    return by_mac(host, port, ret_reason);
}

/* What a port's host side needs before it carries frames. */
static void prepare(struct skr_host *host, const struct skr_host_interface *interface)
{
    skr_host_sysctl("ipv6", interface->name, "disable_ipv6", "1");
    if (!interface->up)
        skr_netlink_link_up(host->netlink, interface->ifindex);
}

static void bind_port(struct skr_host *host, struct port *port)
{
    const char *reason = NULL;
    const struct skr_host_interface *interface = resolve(host, port, &reason);
    if (interface && skr_host_is_uplink(host, interface->name)) {
        interface = NULL;
        reason = "interface_is_uplink";
    }
    struct port *holder = interface ? bound_to(host, interface->ifindex) : NULL;
    if (holder && holder != port) {
        interface = NULL;
        reason = "interface_in_use";
    }
    if (interface) {
        if (port->told && port->ifindex == interface->ifindex && port->peer_elsewhere == interface->peer_elsewhere)
            return;
        port->ifindex = interface->ifindex;
        port->peer_elsewhere = interface->peer_elsewhere;
        port->reason[0] = 0;
        port->told = true;
        struct skr_host_interface copy = *interface;
        prepare(host, &copy);
        host->output.binding(host->output.arg, &port->id, &copy, NULL);
        return;
    }
    if (port->told && !port->ifindex && !strcmp(port->reason, reason))
        return;
    port->ifindex = 0;
    port->told = true;
    snprintf(port->reason, sizeof(port->reason), "%s", reason);
    host->output.binding(host->output.arg, &port->id, NULL, port->reason);
}

static void remove_port(struct skr_host *host, struct port *port)
{
    HASH_DEL(host->ports, port);
    if (port->ifindex)
        host->output.binding(host->output.arg, &port->id, NULL, "removed");
    free(port);
}

static struct port *add_port(struct skr_host *host, const struct skr_uuid *id)
{
    struct port *port = calloc(1, sizeof(*port));
    if (!port)
        abort();
    port->id = *id;
    HASH_ADD(hh, host->ports, id, sizeof(port->id), port);
    return port;
}

void skr_host_port_set(struct skr_host *host, const struct skr_uuid *id, const Skerry__V1__Port *wanted)
{
    struct port *port;
    HASH_FIND(hh, host->ports, id, sizeof(*id), port);
    if (!wanted) {
        if (port)
            remove_port(host, port);
        return;
    }
    if (!port)
        port = add_port(host, id);
    snprintf(port->interface, sizeof(port->interface), "%s", wanted->interface);
    if (wanted->mac.len == sizeof(port->mac.bytes))
        memcpy(port->mac.bytes, wanted->mac.data, sizeof(port->mac.bytes));
    bind_port(host, port);
}

static void update_claim(struct skr_host *host, const struct skr_host_interface *interface, bool present)
{
    struct skr_uuid id;
    struct claim *claim;
    if (!alias_id(interface, &id))
        return;
    HASH_FIND(hh, host->claims, &id, sizeof(id), claim);
    if (present && !claim) {
        claim = calloc(1, sizeof(*claim));
        if (!claim)
            abort();
        claim->id = id;
        claim->ifindex = interface->ifindex;
        snprintf(claim->interface, sizeof(claim->interface), "%s", interface->name);
        HASH_ADD(hh, host->claims, id, sizeof(claim->id), claim);
        host->output.claim(host->output.arg, &id, claim->interface, true);
    } else if (!present && claim && claim->ifindex == interface->ifindex) {
        HASH_DEL(host->claims, claim);
        host->output.claim(host->output.arg, &id, claim->interface, false);
        free(claim);
    }
}

void skr_host_binding_interface(struct skr_host *host, const struct skr_host_interface *interface, bool present)
{
    update_claim(host, interface, present);
    struct port *port, *next;
    HASH_ITER (hh, host->ports, port, next) {
        bool concerned = port->ifindex == interface->ifindex || !strcmp(port->interface, interface->name) ||
                         alias_names(interface, port) || (!port->interface[0] && mac_matches(interface, port));
        if (concerned)
            bind_port(host, port);
    }
}

void skr_host_binding_free(struct skr_host *host)
{
    struct port *port, *next_port;
    HASH_ITER (hh, host->ports, port, next_port) {
        HASH_DEL(host->ports, port);
        free(port);
    }
    struct claim *claim, *next_claim;
    HASH_ITER (hh, host->claims, claim, next_claim) {
        HASH_DEL(host->claims, claim);
        free(claim);
    }
}
