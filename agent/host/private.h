/* The inside of the host room: who keeps what. host.c wires, interfaces.c the inventory, uplink.c and host_switch.c
 * what leads out, index.c who has or wants a name, binding.c adapters to interfaces, guest.c what must be closed,
 * provider_address.c PAs on uplinks, probe.c their duplicate-address detection, neighbor.c next hops of remote PAs,
 * audit.c what differs, unintended.c what an earlier agent left. */
#pragma once

#include "agent/desired/support.h"
#include "agent/host/host.h"
#include "agent/host/netlink.h"
#include <skerry/macros.h>
#include <uthash.h>

#define HOST_INTERFACES_MAX 65536
#define PROBE_COUNT         3                     /* ARP probes before an address is used (RFC 5227 section 2.1.1) */
#define PROBE_INTERVAL_NS   (100LL * 1000 * 1000) /* shortened: a PA comes from a pool that knows who holds what */
/* The kernel does not tell of an ifalias that is set while the interface is down: while there are such, they are read
 * again. */
#define RESCAN_NS (2LL * 1000 * 1000 * 1000)
#define RETRY_NS  (2LL * 1000 * 1000 * 1000)

/* How firmly an interface is a port's; a firmer claim takes it from a weaker one. */
enum bind_rank { RANK_NONE, RANK_MAC, RANK_ALIAS, RANK_EXPLICIT };

struct port {
    struct skr_uuid id; /* adapter */
    struct skr_mac mac;
    char interface[SKR_INTERFACE_NAME_MAX]; /* explicit, or empty */
    char uplink[SKR_INTERFACE_NAME_MAX];    /* of a port of a VLAN, else empty */
    uint32_t ifindex;                       /* bound to; 0 */
    char name[SKR_INTERFACE_NAME_MAX];      /* of that interface, as told */
    enum bind_rank rank;
    bool peer_elsewhere, told, queued;
    char reason[32];
    struct port *prev_queued, *next_queued;
    UT_hash_handle hh, bound; /* by id; by ifindex */
};

/* The interface to which an adapter was bound when an earlier agent ended. */
struct memory {
    struct skr_uuid id; /* adapter */
    uint32_t ifindex;
    UT_hash_handle hh;
};

/* The adapter that an interface's ifalias claims. */
struct claim {
    struct skr_uuid id; /* adapter */
    uint32_t ifindex;
    char interface[SKR_INTERFACE_NAME_MAX];
    UT_hash_handle hh;
};

enum index_kind { INDEX_LINK_NAME, INDEX_LINK_ALIAS, INDEX_LINK_MAC, INDEX_PORT_NAME, INDEX_PORT_MAC };
struct index_key {
    uint8_t kind, bytes[SKR_INTERFACE_NAME_MAX];
};
struct index_node {
    struct index_key key;
    size_t count, room;
    uint64_t *values; /* ifindex, or struct port * */
    UT_hash_handle hh;
};

/* An address of the fabric is doubtful because this MAC spoke for it. 0: never. Told for SKR_HOST_DOUBT_NS. */
#define SKR_HOST_DOUBT_NS (120 * 1000000000LL)
struct doubt {
    uint8_t mac[6];
    int64_t at_ns;
};

enum pa_state { PA_WAITING, PA_PROBING, PA_READY };

struct provider_address {
    struct skr_uuid id;
    struct skr_address address, gateway;
    struct skr_prefix subnet;
    bool has_gateway, uplink_up; /* uplink_up: as of the last message about it */
    char uplink[SKR_INTERFACE_NAME_MAX];
    uint32_t vlan_id, mtu, ifindex;
    enum pa_state state;
    int probe_fd, probes_sent;
    int64_t due_ns;
    char reason[96];
    struct doubt claimed; /* by another station, when */
    UT_hash_handle hh;
};

struct remote_pa {
    struct skr_address address;
    struct skr_address source;           /* own PA that sends there; zeros: any may */
    struct next_hop *next_hop;           /* NULL: no own PA reaches it */
    struct remote_pa *next_user, **link; /* users of the same next hop; where this one hangs */
    UT_hash_handle hh;
};

struct next_hop_key {
    struct skr_address address;
    uint32_t ifindex;
};
struct next_hop {
    struct next_hop_key key;
    struct remote_pa *users;
    bool resolved;
    uint8_t mac[6];
    struct doubt former; /* the MAC that it had until then */
    UT_hash_handle hh;
};

struct uplink {
    char name[SKR_INTERFACE_NAME_MAX];
    uint32_t ifindex, mtu; /* told; 0 = absent */
    bool up;
    bool tags;       /* told */
    bool all_frames; /* was made promiscuous, unless it was already */
    UT_hash_handle hh;
};

struct host_switch {
    struct skr_uuid id, scope_id;
    char uplink[SKR_INTERFACE_NAME_MAX];
    char refused[SKR_SUPPORT_TEXT_MAX]; /* what of it this agent does not do, or empty */
    uint32_t mtu;
    UT_hash_handle hh;
};

struct inventory {
    struct skr_host_interface *items; /* in order of ifindex */
    size_t count, room;
};

struct skr_host {
    struct skr_desired *desired;
    struct skr_host_output output;
    struct skr_netlink *netlink;
    struct inventory inventory;
    size_t interfaces_down;
    int64_t rescan_ns;
    struct index_node *index;
    struct port *ports, *ports_by_ifindex, *queue;
    struct memory *memories;
    struct claim *claims;
    struct guest *guests;
    bool guests_known;
    int64_t guests_due_ns; /* the next that is closed for so long that it is told; INT64_MAX: none */
    struct provider_address *addresses;
    struct uplink *uplinks;
    struct host_switch *host_switches;
    struct remote_pa *remotes;
    struct next_hop *next_hops;
    int64_t now_ns;
};

/* audit.c */
void skr_host_doubt(struct doubt *doubt, const uint8_t mac[static 6]);
bool skr_host_doubts(const struct doubt *doubt); /* it is recent */

/* interfaces.c */
/* Reads all interfaces; what differs from the known ones is told like a notification. 1: something
 * differed, 0: nothing; on failure nothing changed. */
int skr_host_interfaces_load(struct skr_host *host);
/* A link message: updates the inventory and tells the other files. false: nothing differs. */
bool skr_host_link_message(struct skr_host *host, const struct nlmsghdr *message);
const struct skr_host_interface *skr_host_interface_named(const struct skr_host *host, const char *name);
void skr_host_interfaces_free(struct skr_host *host);

/* uplink.c */
/* Reads anew from desired state which interfaces are uplinks. */
void skr_host_uplinks_read(struct skr_host *host);
/* An interface of this name is there, different, or gone. */
void skr_host_uplink_interface(struct skr_host *host, const struct skr_host_interface *interface, bool present);
/* Ports were bound or lost, or provider addresses came or went. */
void skr_host_uplinks_settle(struct skr_host *host);
bool skr_host_is_uplink(const struct skr_host *host, const char *name);
int skr_host_uplink_repair(struct skr_host *host, const struct skr_host_interface *interface);
/* Ends promiscuity that an agent set and nobody needs; their number, those that the kernel keeps in *failed. */
size_t skr_host_uplinks_forget(struct skr_host *host, size_t *failed);
void skr_host_uplinks_free(struct skr_host *host);

/* host_switch.c */
void skr_host_switch_set(struct skr_host *host, const struct skr_desired_change *change);
void skr_host_switch_interface(struct skr_host *host, const struct skr_host_interface *interface);
/* The one on this uplink that needs the largest MTU; NULL: none. */
const struct host_switch *skr_host_switch_of(const struct skr_host *host, const char *uplink);
void skr_host_switches_free(struct skr_host *host);

/* sysctl.c: /proc/sys/net/<family>/conf/<interface>/<key>. A missing file is fine (IPv6 may be off). */
int skr_host_sysctl_write(const char *family, const char *interface, const char *key, const char *value);
/* -1: cannot be read. */
int skr_host_sysctl_read(const char *family, const char *interface, const char *key);

/* index.c: an interface name, the adapter id of an alias, or MAC_KEY_SIZE last bytes of a MAC -> values. */
#define MAC_KEY(mac) ((mac)->bytes + 1) /* the first octet does not count on taps */
#define MAC_KEY_SIZE 5
void skr_host_index_add(struct skr_host *host, enum index_kind kind, const void *bytes, size_t size, uint64_t value);
void skr_host_index_remove(struct skr_host *host, enum index_kind kind, const void *bytes, size_t size, uint64_t value);
/* Their number; *ret is valid until the next change of the index. */
size_t skr_host_index_find(const struct skr_host *host, enum index_kind kind, const void *bytes, size_t size,
                           const uint64_t **ret);
void skr_host_index_free(struct skr_host *host);

/* binding.c */
bool skr_host_alias_id(const struct skr_host_interface *interface, struct skr_uuid *ret);
/* Takes note of a port; skr_host_binding_settle() then binds whatever can be bound. */
void skr_host_port_set(struct skr_host *host, const struct skr_uuid *id, const Skerry__V1__Port *port);
void skr_host_binding_settle(struct skr_host *host);
/* An interface is new (before NULL), different, gone (after NULL), or has become an uplink or no longer is one. */
void skr_host_binding_interface(struct skr_host *host, const struct skr_host_interface *before,
                                const struct skr_host_interface *after);
void skr_host_binding_free(struct skr_host *host);

/* claim.c: an interface's alias is new, different or gone. */
/* Does its alias say that it is a guest's, whatever stands behind the colon? */
bool skr_host_alias_ours(const struct skr_host_interface *interface);
void skr_host_claim_interface(struct skr_host *host, const struct skr_host_interface *before,
                              const struct skr_host_interface *after);
void skr_host_claim_free(struct skr_host *host);

/* guest.c */
/* The interface, its binding or what is an uplink may have changed. */
void skr_host_guest_look(struct skr_host *host, uint32_t ifindex);
int64_t skr_host_guest_deadline(const struct skr_host *host);
void skr_host_guest_run(struct skr_host *host);
/* An interface that was closed at that time is worth a finding now. */
int64_t skr_host_guest_told_ns(const struct skr_host *host);
void skr_host_guests_free(struct skr_host *host);

/* provider_address.c */
void skr_host_provider_address_set(struct skr_host *host, const struct skr_uuid *id,
                                   const Skerry__V1__ProviderAddress *address);
/* An interface of this name is there, or not any more. */
void skr_host_provider_address_interface(struct skr_host *host, const struct skr_host_interface *interface,
                                         bool present);
void skr_host_provider_address_run(struct skr_host *host);
int64_t skr_host_provider_address_deadline(const struct skr_host *host);
/* Settings, address, rule and routes of one PA; all of them are idempotent. */
int skr_host_provider_address_install(struct skr_host *host, const struct provider_address *pa);
void skr_host_provider_address_free(struct skr_host *host);
uint32_t skr_host_provider_address_table(const struct provider_address *pa);
/* The own PA whose table this is; NULL: none. */
const struct provider_address *skr_host_provider_address_of_table(const struct skr_host *host, uint32_t table);

/* probe.c: ARP for an address before it is used (RFC 5227 section 2.1). */
struct probe_place {
    uint32_t ifindex;
    uint32_t vlan; /* 0: untagged */
};
int skr_host_probe_open(const struct probe_place *place, uint32_t address);
int skr_host_probe_send(int fd, const struct probe_place *place, const struct skr_mac *mac, uint32_t address);
/* Tells everybody who has it now (RFC 5227 section 2.3): caches may name the host that had it before. */
void skr_host_probe_announce(int fd, const struct probe_place *place, const struct skr_mac *mac, uint32_t address);
/* Has another station answered for the address, or probed it too, since the last look? */
bool skr_host_probe_conflict(int fd, const struct skr_mac *mac, uint32_t address);

/* neighbor.c */
void skr_host_neighbor_message(struct skr_host *host, const struct nlmsghdr *message);
/* The own PAs changed: every remote PA's next hop is worked out again. */
void skr_host_neighbor_refresh(struct skr_host *host);
/* An interface's MAC or state changed: its own MAC is told anew, and the neighbours that going down took come back. */
void skr_host_neighbor_interface(struct skr_host *host, const struct skr_host_interface *before,
                                 const struct skr_host_interface *after);
/* Notifications were lost: every next hop is read again. */
void skr_host_neighbor_resync(struct skr_host *host);
bool skr_host_neighbor_wanted(const struct skr_host *host, uint32_t ifindex, const struct skr_address *address);
void skr_host_neighbor_free(struct skr_host *host);
