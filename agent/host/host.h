/* The host itself over rtnetlink (libmnl): interface inventory and binding, provider addresses, rules, routes, sysctls,
 * neighbours. Keeps what desired state asks for and tells what changed. Everything it made is marked (rtproto 83 'S',
 * rule priority range, neighbour NTF_EXT_MANAGED) so that a restarted agent recognizes it. One thread; netlink is
 * non-blocking on the loop, dumps are short. */
#pragma once

#include "agent/desired/desired.h"
#include <skerry/abi/fastpath.h>
#include <skerry/address.h>

#define SKR_INTERFACE_NAME_MAX 16

struct skr_host_interface {
    uint32_t ifindex;
    char name[SKR_INTERFACE_NAME_MAX];
    char alias[256];
    char kind[16]; /* IFLA_INFO_KIND, empty = physical */
    struct skr_mac mac;
    uint32_t mtu;
    bool up, running;
    bool peer_elsewhere;      /* veth whose peer is in another network namespace */
    bool promiscuous, marked; /* takes every frame because somebody said so; because an agent did */
    int64_t speed_mbps;
    uint32_t rx_queues, tx_queues;
};

/* The states of a guest's interface. A guest's is one with an alias skerry:..., and one that was ever bound here. */
enum skr_guest_state {
    SKR_GUEST_NONE,   /* it is none: gone, or an uplink */
    SKR_GUEST_BOUND,  /* an adapter is on it; told after the binding */
    SKR_GUEST_CLOSED, /* no adapter is on it: everything must drop, both ways; told before the binding is */
    SKR_GUEST_RELEASED,
};

/* Callbacks through which the host room notifies the rest of the agent. All are required. */
struct skr_host_output {
    /* An adapter was bound, rebound (interface differs, also in name), or lost its interface (NULL, reason:
     * no_interface, ambiguous_binding, interface_in_use, interface_is_uplink, removed). */
    void (*binding)(void *arg, const struct skr_uuid *adapter_id, const struct skr_host_interface *interface,
                    const char *reason);
    /* An interface with ifalias skerry:<adapter id> appeared or went. */
    void (*claim)(void *arg, const struct skr_uuid *adapter_id, const char *interface, bool present);
    /* An own PA stands on its uplink (ifindex) or does not (0, reason). The reason is "removed", or starts with one of
     * no_uplink, uplink_down, duplicate_address, unsupported, refused, a colon and a sentence. */
    void (*own_pa)(void *arg, const struct skr_uuid *id, const struct skr_address *pa, uint32_t ifindex, uint32_t mtu,
                   const char *reason);
    void (*neighbor)(void *arg, const struct skr_address *pa,
                     const struct skr_abi_neighbor *neighbor); /* ifindex 0: none */
    /* An uplink of desired state appeared (attach), went, or changed state or MTU. */
    void (*uplink)(void *arg, const struct skr_host_interface *interface, bool present);
    /* Frames from provider addresses on this uplink need their site's tag (uplink_egress), or no longer do. */
    void (*tagging)(void *arg, const struct skr_host_interface *uplink, bool tags);
    /* An interface of a guest is in this state now. Not before skr_host_guests_begin(). name: "" with SKR_GUEST_NONE.
     */
    void (*guest)(void *arg, uint32_t ifindex, const char *name, enum skr_guest_state state);
    /* An interface, one of our addresses, rules or routes, a qdisc or a filter changed: drift looks at once. kind:
     * "link", "address", "rule", "qdisc", "filter", "guest" (it has been closed for a while). The agent's own additions
     * are not reported. */
    void (*changed)(void *arg, const char *kind, uint32_t ifindex);
    void *arg;
};

struct skr_host;
int skr_host_new(struct skr_desired *desired, const struct skr_host_output *output, struct skr_host **ret,
                 struct skr_error *error);
void skr_host_free(struct skr_host *host); /* leaves addresses, rules and routes in place */
/* An skr_desired_fn. */
void skr_host_changes(void *host, const struct skr_desired_change *changes, size_t count);
/* An adapter was on this interface when an earlier agent ended: if the interface still answers the adapter's
 * description, it is not ambiguous. Before the first skr_host_changes(). */
void skr_host_remember(struct skr_host *host, const struct skr_uuid *adapter_id, uint32_t ifindex);
/* Earlier agents left this about an interface. kept: it is a guest's; released: an administrator let it go; runs: a
 * program of an earlier agent serves it, which goes on until skr_host_guests_settled(). Before skr_host_guests_begin().
 */
void skr_host_guest_remember(struct skr_host *host, uint32_t ifindex, bool kept, bool released, bool runs);
/* From here on every guest's interface is told, at once for those that are there. */
void skr_host_guests_begin(struct skr_host *host);
/* Desired state is known: what is not bound now will not be. */
void skr_host_guests_settled(struct skr_host *host);
/* -ENOENT and a sentence: not closed; -EEXIST: bound. */
int skr_host_guest_release(struct skr_host *host, const char *name, struct skr_error *error);
struct skr_host_closed {
    const struct skr_host_interface *interface;
    struct skr_uuid adapter_id; /* that its alias names, or that was on it; nil: not known */
    char why[64];
};
/* Interfaces that are closed, and were at since_ns (INT64_MAX: all). */
void skr_host_closed_each(const struct skr_host *host, int64_t since_ns,
                          void (*fn)(void *arg, const struct skr_host_closed *closed), void *arg);
/* Removes addresses, rules, routes and neighbours that an agent made on this host and desired state no longer has.
 * Called once desired state is known (from the cache or from Synced), never before; uninstall calls it with a desired
 * state that has nothing. ret: what went, and what the kernel would not remove; may be NULL. */
struct skr_host_removed {
    size_t rules, routes, neighbors, addresses, promiscuous, failed;
};
void skr_host_remove_unintended(struct skr_host *host, struct skr_host_removed *ret);
/* A station on an uplink speaks for this address with that MAC: unless it is this host itself, the audit tells. */
void skr_host_pa_claimed(struct skr_host *host, const struct skr_address *pa, const struct skr_mac *mac);
/* A skr_program_remote_pa_fn. */
void skr_host_need_neighbor(void *host, const struct skr_address *pa, const struct skr_address *source);

int skr_host_fd(const struct skr_host *host); /* readable: netlink messages wait */
void skr_host_read(struct skr_host *host);
int64_t skr_host_deadline_ns(const struct skr_host *host); /* duplicate-address detection, retries; INT64_MAX: none */
void skr_host_run(struct skr_host *host, int64_t now_ns);

/* Inventory, in order of ifindex. */
size_t skr_host_interfaces(const struct skr_host *host, const struct skr_host_interface **ret);
const struct skr_host_interface *skr_host_interface(const struct skr_host *host, uint32_t ifindex);

/* Lists the differences from desired state on the host side (PA missing, uplink down, wrong MTU, rule or route gone);
 * fn for each. Waiting notifications are read first, so that it is the present that is compared. repair puts one back.
 */
struct skr_host_difference {
    const char *object_kind; /* provider-address, uplink, port, interface */
    struct skr_uuid object_id;
    char object[64], field[32], expected[64], found[64];
};
void skr_host_audit(struct skr_host *host, void (*fn)(void *arg, const struct skr_host_difference *difference),
                    void *arg);
int skr_host_repair(struct skr_host *host, const struct skr_host_difference *difference);
