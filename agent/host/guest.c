/* Interfaces of guests. One that carries an alias skerry:..., or was ever bound, is a guest's until it is gone, becomes
 * an uplink, or an administrator releases it; while it is bound to no adapter it must be closed, because what its guest
 * sends would reach the host's own network stack. binding.c says when to look; the agent closes and opens. */
#include "agent/desired/arena.h"
#include "agent/host/private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A VM that starts is claimed, placed and bound within milliseconds, and the source of a move goes soon: neither is
 * worth a finding. */
#define TOLD_AFTER_NS (3LL * 1000 * 1000 * 1000)

struct guest {
    uint32_t ifindex;
    enum skr_guest_state state;
    bool runs; /* an earlier agent's program serves its port until desired state is known */
    bool was_bound;
    struct skr_uuid adapter_id; /* the last one here; nil: none */
    char alias[sizeof(((struct skr_host_interface *)0)->alias)];
    int64_t closed_ns;
    bool due_told;
    UT_hash_handle hh;
};

static struct guest *guest_find(const struct skr_host *host, uint32_t ifindex)
{
    struct guest *guest;
    HASH_FIND(hh, host->guests, &ifindex, sizeof(ifindex), guest);
    return guest;
}

static struct guest *guest_make(struct skr_host *host, uint32_t ifindex)
{
    struct guest *guest = guest_find(host, ifindex);
    if (guest)
        return guest;
    guest = skr_must(calloc(1, sizeof(*guest)));
    guest->ifindex = ifindex;
    HASH_ADD(hh, host->guests, ifindex, sizeof(guest->ifindex), guest);
    return guest;
}

static void guest_forget(struct skr_host *host, struct guest *guest)
{
    uint32_t ifindex = guest->ifindex;
    HASH_DEL(host->guests, guest); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    free(guest);
    host->output.guest(host->output.arg, ifindex, "", SKR_GUEST_NONE);
}

static void set_state(struct skr_host *host, struct guest *guest, const char *name, enum skr_guest_state state)
{
    if (guest->state == state)
        return;
    guest->state = state;
    guest->closed_ns = host->now_ns;
    guest->due_told = false;
    if (state == SKR_GUEST_CLOSED && host->now_ns + TOLD_AFTER_NS < host->guests_due_ns)
        host->guests_due_ns = host->now_ns + TOLD_AFTER_NS;
    host->output.guest(host->output.arg, guest->ifindex, name, state);
}

/* An interface that was released is closed again when it says anew that it is a guest's. */
static void note_alias(struct guest *guest, const struct skr_host_interface *interface)
{
    bool differs = strcmp(guest->alias, interface->alias) != 0;
    if (differs && guest->state == SKR_GUEST_RELEASED && skr_host_alias_ours(interface))
        guest->state = SKR_GUEST_NONE;
    snprintf(guest->alias, sizeof(guest->alias), "%s", interface->alias);
}

void skr_host_guest_look(struct skr_host *host, uint32_t ifindex)
{
    const struct skr_host_interface *interface = skr_host_interface(host, ifindex);
    struct guest *guest = guest_find(host, ifindex);
    struct port *bound;
    if (!host->guests_known || !ifindex)
        return;
    if (!interface || skr_host_is_uplink(host, interface->name)) {
        if (guest)
            guest_forget(host, guest);
        return;
    }
    HASH_FIND(bound, host->ports_by_ifindex, &ifindex, sizeof(ifindex), bound);
    bool is_guests = bound || (guest && guest->was_bound) || skr_host_alias_ours(interface);
    if (!is_guests) {
        if (guest && !guest->runs)
            guest_forget(host, guest);
        return;
    }
    guest = guest_make(host, ifindex);
    note_alias(guest, interface);
    if (bound) {
        guest->runs = false;
        guest->was_bound = true;
        guest->adapter_id = bound->id;
        set_state(host, guest, interface->name, SKR_GUEST_BOUND);
    } else if (guest->state != SKR_GUEST_RELEASED && !guest->runs) {
        set_state(host, guest, interface->name, SKR_GUEST_CLOSED);
    }
}

/* ---- start ---- */

void skr_host_guest_remember(struct skr_host *host, uint32_t ifindex, bool kept, bool released, bool runs)
{
    const struct skr_host_interface *interface = skr_host_interface(host, ifindex);
    if (!interface) {
        host->output.guest(host->output.arg, ifindex, "", SKR_GUEST_NONE);
        return;
    }
    struct guest *guest = guest_make(host, ifindex);
    guest->was_bound = kept;
    guest->runs = runs;
    if (!released)
        return;
    guest->state = SKR_GUEST_RELEASED;
    snprintf(guest->alias, sizeof(guest->alias), "%s", interface->alias);
}

static void look_at_all(struct skr_host *host)
{
    for (size_t i = 0; i < host->inventory.count; i++)
        skr_host_guest_look(host, host->inventory.items[i].ifindex);
}

void skr_host_guests_begin(struct skr_host *host)
{
    host->guests_known = true;
    look_at_all(host);
}

void skr_host_guests_settled(struct skr_host *host)
{
    for (struct guest *guest = host->guests; guest; guest = guest->hh.next)
        guest->runs = false;
    look_at_all(host);
}

/* ---- told ---- */

static void why_closed(const struct skr_host *host, const struct guest *guest,
                       const struct skr_host_interface *interface, struct skr_host_closed *ret)
{
    struct skr_uuid id;
    struct port *port = NULL;
    ret->interface = interface;
    ret->adapter_id = guest->adapter_id;
    if (!skr_host_alias_ours(interface)) {
        snprintf(ret->why, sizeof(ret->why), "its adapter left, and it has no alias");
        return;
    }
    if (!skr_host_alias_id(interface, &id)) {
        snprintf(ret->why, sizeof(ret->why), "its alias names no adapter");
        return;
    }
    ret->adapter_id = id;
    HASH_FIND(hh, host->ports, &id, sizeof(id), port);
    if (!port)
        snprintf(ret->why, sizeof(ret->why), "its adapter is not on this host");
    else if (port->ifindex)
        snprintf(ret->why, sizeof(ret->why), "its adapter is on %s", port->name);
    else
        snprintf(ret->why, sizeof(ret->why), "its adapter is not bound: %s", port->reason);
}

void skr_host_closed_each(const struct skr_host *host, int64_t since_ns,
                          void (*fn)(void *arg, const struct skr_host_closed *closed), void *arg)
{
    for (const struct guest *guest = host->guests; guest; guest = guest->hh.next) {
        const struct skr_host_interface *interface = skr_host_interface(host, guest->ifindex);
        struct skr_host_closed closed = {0};
        if (!interface || guest->state != SKR_GUEST_CLOSED || guest->closed_ns > since_ns)
            continue;
        why_closed(host, guest, interface, &closed);
        fn(arg, &closed);
    }
}

int64_t skr_host_guest_told_ns(const struct skr_host *host)
{
    return host->now_ns - TOLD_AFTER_NS;
}

int64_t skr_host_guest_deadline(const struct skr_host *host)
{
    return host->guests_due_ns;
}

void skr_host_guest_run(struct skr_host *host)
{
    if (host->guests_due_ns > host->now_ns)
        return;
    host->guests_due_ns = INT64_MAX;
    for (struct guest *guest = host->guests; guest; guest = guest->hh.next) {
        int64_t due_ns = guest->closed_ns + TOLD_AFTER_NS;
        if (guest->state != SKR_GUEST_CLOSED || guest->due_told)
            continue;
        guest->due_told = due_ns <= host->now_ns;
        if (guest->due_told)
            host->output.changed(host->output.arg, "guest", guest->ifindex);
        else if (due_ns < host->guests_due_ns)
            host->guests_due_ns = due_ns;
    }
}

int skr_host_guest_release(struct skr_host *host, const char *name, struct skr_error *error)
{
    const struct skr_host_interface *interface = skr_host_interface_named(host, name);
    struct guest *guest = interface ? guest_find(host, interface->ifindex) : NULL;
    if (!interface)
        return skr_error_set(error, SKR_ERROR_NOT_FOUND, "This host has no interface %.15s.", name);
    if (guest && guest->state == SKR_GUEST_BOUND)
        return skr_error_set(error, SKR_ERROR_CONFLICT,
                             "The interface %s is bound to an adapter; delete the adapter or place it elsewhere first.",
                             name);
    if (!guest || guest->state != SKR_GUEST_CLOSED)
        return skr_error_set(error, SKR_ERROR_NOT_FOUND,
                             "The interface %s is not closed; skerryctl host local ports lists those that are.", name);
    set_state(host, guest, interface->name, SKR_GUEST_RELEASED);
    return 0;
}

void skr_host_guests_free(struct skr_host *host)
{
    struct guest *guest, *next;
    HASH_ITER (hh, host->guests, guest, next) {
        HASH_DEL(host->guests, guest);
        free(guest);
    }
}
