/* Binding decides which interface carries which adapter, in the order of docs/design/datapath.md ("Binding"): the
 * explicit name, the ifalias skerry:<adapter id>, then the MAC. What an event can concern is queued; settling resolves
 * the queue until nobody waits. It ends, because an interface only ever goes to a firmer claim, and a port that is
 * bound stays bound while its interface answers the same description: what appears later never takes it away. */
#include "agent/host/private.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

/* libvirt sets the first octet of a tap's own MAC to FE, so on taps it does not count. */
static bool mac_matches(const struct skr_host_interface *interface, const struct port *port)
{
    size_t skip = !strcmp(interface->kind, "tun") ? 1 : 0;
    return !memcmp(interface->mac.bytes + skip, port->mac.bytes + skip, sizeof(port->mac.bytes) - skip);
}

static struct port *bound_to(const struct skr_host *host, uint32_t ifindex)
{
    struct port *port;
    HASH_FIND(bound, host->ports_by_ifindex, &ifindex, sizeof(ifindex), port);
    return port;
}

static struct port *find_port(const struct skr_host *host, const struct skr_uuid *id)
{
    struct port *port;
    HASH_FIND(hh, host->ports, id, sizeof(*id), port);
    return port;
}

static void queue(struct skr_host *host, struct port *port)
{
    if (!port || port->queued)
        return;
    port->queued = true;
    DL_APPEND2(host->queue, port, prev_queued, next_queued);
}

static void queue_all(struct skr_host *host, enum index_kind kind, const void *bytes, size_t size)
{
    const uint64_t *ports;
    size_t count = skr_host_index_find(host, kind, bytes, size, &ports);
    for (size_t i = 0; i < count; i++)
        queue(host, (struct port *)(uintptr_t)ports[i]);
}

/* Everybody whom this interface can concern. */
static void queue_concerned(struct skr_host *host, const struct skr_host_interface *interface)
{
    struct skr_uuid id;
    queue(host, bound_to(host, interface->ifindex));
    queue_all(host, INDEX_PORT_NAME, interface->name, strlen(interface->name));
    queue_all(host, INDEX_PORT_MAC, MAC_KEY(&interface->mac), MAC_KEY_SIZE);
    if (skr_host_alias_id(interface, &id))
        queue(host, find_port(host, &id));
}

static bool free_for_mac(const struct skr_host *host, const struct skr_host_interface *interface,
                         const struct port *port)
{
    struct skr_uuid id;
    const uint64_t *named;
    const struct port *holder = bound_to(host, interface->ifindex);
    return mac_matches(interface, port) && !skr_host_alias_id(interface, &id) &&
           !skr_host_is_uplink(host, interface->name) && (!holder || holder == port) &&
           !skr_host_index_find(host, INDEX_PORT_NAME, interface->name, strlen(interface->name), &named);
}

/* Two unbound adapters of one MAC (in two VM networks) and one interface: nobody can tell whose it is. */
static bool twin_waits(const struct skr_host *host, const struct skr_host_interface *interface, const struct port *port)
{
    const uint64_t *ports;
    size_t count = skr_host_index_find(host, INDEX_PORT_MAC, MAC_KEY(&port->mac), MAC_KEY_SIZE, &ports);
    for (size_t i = 0; i < count; i++) {
        const struct port *other = (const struct port *)(uintptr_t)ports[i];
        if (other != port && !other->ifindex && mac_matches(interface, other))
            return true;
    }
    return false;
}

/* The interface that is this port's already, or was when an earlier agent ended. */
static uint32_t held(const struct skr_host *host, const struct port *port)
{
    struct memory *memory;
    if (port->ifindex)
        return port->ifindex;
    HASH_FIND(hh, host->memories, &port->id, sizeof(port->id), memory);
    return memory ? memory->ifindex : 0;
}

static const struct skr_host_interface *by_mac(const struct skr_host *host, const struct port *port,
                                               const char **ret_reason)
{
    const struct skr_host_interface *found = NULL;
    const uint64_t *ifindexes;
    uint32_t mine = held(host, port);
    size_t matches = 0;
    size_t count = skr_host_index_find(host, INDEX_LINK_MAC, MAC_KEY(&port->mac), MAC_KEY_SIZE, &ifindexes);
    for (size_t i = 0; i < count; i++) {
        const struct skr_host_interface *interface = skr_host_interface(host, (uint32_t)ifindexes[i]);
        if (!interface || !free_for_mac(host, interface, port))
            continue;
        if (interface->ifindex == mine)
            return interface;
        found = interface;
        matches++;
    }
    if (matches > 1 || (found && twin_waits(host, found, port))) {
        *ret_reason = "ambiguous_binding";
        return NULL;
    }
    return found;
}

static const struct skr_host_interface *by_alias(const struct skr_host *host, const struct port *port,
                                                 const char **ret_reason)
{
    const uint64_t *ifindexes;
    uint32_t mine = held(host, port);
    size_t count = skr_host_index_find(host, INDEX_LINK_ALIAS, &port->id, sizeof(port->id), &ifindexes);
    for (size_t i = 0; i < count; i++) {
        if (ifindexes[i] == mine || count == 1)
            return skr_host_interface(host, (uint32_t)ifindexes[i]);
    }
    if (count)
        *ret_reason = "ambiguous_binding";
    return NULL;
}

static const struct skr_host_interface *resolve(const struct skr_host *host, const struct port *port,
                                                enum bind_rank *ret_rank, const char **ret_reason)
{
    const uint64_t *ifindexes;
    *ret_reason = "no_interface";
    if (port->interface[0]) {
        *ret_rank = RANK_EXPLICIT;
        return skr_host_interface_named(host, port->interface);
    }
    if (skr_host_index_find(host, INDEX_LINK_ALIAS, &port->id, sizeof(port->id), &ifindexes)) {
        *ret_rank = RANK_ALIAS;
        return by_alias(host, port, ret_reason);
    }
    *ret_rank = RANK_MAC;
    return by_mac(host, port, ret_reason);
}

/* Sets up the host side of a port before it carries frames. The guest's end of a veth is the guest's: its segmentation
 * features (tunnel, SCTP, fraglist) follow neither the host side's features nor any rtnetlink attribute, and changing
 * them would mean to enter the guest's namespace, which a namespace id does not open. The fast path drops the packets
 * that it cannot carry as gso_unsupported. */
static void prepare(struct skr_host *host, const struct skr_host_interface *interface)
{
    skr_host_sysctl_write("ipv6", interface->name, "disable_ipv6", "1");
    if (!interface->up)
        skr_netlink_link_up(host->netlink, interface->ifindex);
}

static void let_go(struct skr_host *host, struct port *port)
{
    const struct skr_host_interface *interface = skr_host_interface(host, port->ifindex);
    uint32_t ifindex = port->ifindex;
    if (!ifindex)
        return;
    HASH_DELETE(bound, host->ports_by_ifindex, port);
    port->ifindex = 0;
    port->rank = RANK_NONE;
    skr_host_guest_look(host, ifindex);
    if (interface)
        queue_concerned(host, interface);
}

static void unbind(struct skr_host *host, struct port *port, const char *reason)
{
    if (port->told && !port->ifindex && !strcmp(port->reason, reason))
        return;
    let_go(host, port);
    port->told = true;
    snprintf(port->reason, sizeof(port->reason), "%s", reason);
    host->output.binding(host->output.arg, &port->id, NULL, port->reason);
}

static void bind_to(struct skr_host *host, struct port *port, const struct skr_host_interface *interface,
                    enum bind_rank rank)
{
    bool same = port->ifindex == interface->ifindex;
    port->rank = rank;
    if (same && port->peer_elsewhere == interface->peer_elsewhere && !strcmp(port->name, interface->name))
        return;
    if (!same) {
        let_go(host, port);
        port->rank = rank;
        port->ifindex = interface->ifindex;
        HASH_ADD(bound, host->ports_by_ifindex, ifindex, sizeof(port->ifindex), port);
        /* A twin that was ambiguous is not any more. */
        queue_all(host, INDEX_PORT_MAC, MAC_KEY(&port->mac), MAC_KEY_SIZE);
        prepare(host, interface);
    }
    port->peer_elsewhere = interface->peer_elsewhere;
    memcpy(port->name, interface->name, sizeof(port->name));
    port->reason[0] = 0;
    port->told = true;
    struct skr_host_interface copy = *interface;
    host->output.binding(host->output.arg, &port->id, &copy, NULL);
    skr_host_guest_look(host, port->ifindex);
}

static void bind_port(struct skr_host *host, struct port *port)
{
    const char *reason = NULL;
    enum bind_rank rank = RANK_NONE;
    const struct skr_host_interface *interface = resolve(host, port, &rank, &reason);
    if (!interface) {
        unbind(host, port, reason);
        return;
    }
    if (skr_host_is_uplink(host, interface->name)) {
        unbind(host, port, "interface_is_uplink");
        return;
    }
    struct port *holder = bound_to(host, interface->ifindex);
    if (holder && holder != port && holder->rank >= rank) {
        unbind(host, port, "interface_in_use");
        return;
    }
    if (holder && holder != port) {
        unbind(host, holder, "interface_in_use");
        queue(host, holder);
    }
    bind_to(host, port, interface, rank);
}

void skr_host_binding_settle(struct skr_host *host)
{
    while (host->queue) {
        struct port *port = host->queue;
        DL_DELETE2(host->queue, port, prev_queued, next_queued);
        port->queued = false;
        bind_port(host, port);
    }
    skr_host_uplinks_settle(host);
}

static void index_port(struct skr_host *host, struct port *port, bool add)
{
    void (*fn)(struct skr_host *, enum index_kind, const void *, size_t, uint64_t) =
            add ? skr_host_index_add : skr_host_index_remove;
    if (port->interface[0])
        fn(host, INDEX_PORT_NAME, port->interface, strlen(port->interface), (uintptr_t)port);
    else
        fn(host, INDEX_PORT_MAC, MAC_KEY(&port->mac), MAC_KEY_SIZE, (uintptr_t)port);
}

static void queue_wanted(struct skr_host *host, const struct port *port)
{
    const struct skr_host_interface *interface = skr_host_interface_named(host, port->interface);
    if (interface)
        queue_concerned(host, interface);
    queue_all(host, INDEX_PORT_MAC, MAC_KEY(&port->mac), MAC_KEY_SIZE);
}

static void remove_port(struct skr_host *host, struct port *port)
{
    struct memory *memory;
    index_port(host, port, false);
    bool bound = port->ifindex != 0;
    let_go(host, port);
    queue_wanted(host, port);
    if (port->queued)
        DL_DELETE2(host->queue, port, prev_queued, next_queued);
    HASH_DEL(host->ports, port);
    HASH_FIND(hh, host->memories, &port->id, sizeof(port->id), memory);
    if (memory) {
        HASH_DEL(host->memories, memory);
        free(memory);
    }
    if (bound || port->told)
        host->output.binding(host->output.arg, &port->id, NULL, "removed");
    free(port);
}

void skr_host_port_set(struct skr_host *host, const struct skr_uuid *id, const Skerry__V1__Port *wanted)
{
    struct port *port = find_port(host, id);
    if (!wanted) {
        if (port)
            remove_port(host, port);
        return;
    }
    if (port) {
        index_port(host, port, false);
        queue_wanted(host, port);
    } else {
        port = calloc(1, sizeof(*port));
        if (!port)
            abort();
        port->id = *id;
        HASH_ADD(hh, host->ports, id, sizeof(port->id), port);
    }
    snprintf(port->interface, sizeof(port->interface), "%s", wanted->interface);
    bool in_segment = wanted->isolation != SKERRY__V1__ISOLATION__ISOLATION_UNSPECIFIED;
    snprintf(port->uplink, sizeof(port->uplink), "%s", in_segment ? wanted->uplink : "");
    if (wanted->mac.len == sizeof(port->mac.bytes))
        memcpy(port->mac.bytes, wanted->mac.data, sizeof(port->mac.bytes));
    index_port(host, port, true);
    queue_wanted(host, port);
    queue(host, port);
}

void skr_host_binding_interface(struct skr_host *host, const struct skr_host_interface *before,
                                const struct skr_host_interface *after)
{
    const struct skr_host_interface *either = after ? after : before;
    if (!either)
        return;
    if (before)
        queue_concerned(host, before);
    if (after)
        queue_concerned(host, after);
    skr_host_binding_settle(host);
    skr_host_guest_look(host, either->ifindex);
}

void skr_host_remember(struct skr_host *host, const struct skr_uuid *adapter_id, uint32_t ifindex)
{
    struct memory *memory;
    HASH_FIND(hh, host->memories, adapter_id, sizeof(*adapter_id), memory);
    if (!memory) {
        memory = calloc(1, sizeof(*memory));
        if (!memory)
            abort();
        memory->id = *adapter_id;
        HASH_ADD(hh, host->memories, id, sizeof(memory->id), memory);
    }
    memory->ifindex = ifindex;
}

void skr_host_binding_free(struct skr_host *host)
{
    struct port *port, *next_port;
    struct memory *memory, *next_memory;
    HASH_CLEAR(bound, host->ports_by_ifindex);
    HASH_ITER (hh, host->ports, port, next_port) {
        HASH_DEL(host->ports, port);
        free(port);
    }
    HASH_ITER (hh, host->memories, memory, next_memory) {
        HASH_DEL(host->memories, memory);
        free(memory);
    }
}
