/* The inside of the host room: who keeps what. host.c wires, interfaces.c the inventory, binding.c adapters to
 * interfaces, provider_address.c PAs on uplinks, neighbor.c next hops of remote PAs. */
#pragma once

#include "agent/host/host.h"
#include "agent/host/netlink.h"
#include <skerry/macros.h>
#include <uthash.h>

#define HOST_INTERFACES_MAX 65536
#define PROBE_COUNT         3                     /* ARP probes before an address is used (RFC 5227 section 2.1.1) */
#define PROBE_INTERVAL_NS   (100 * 1000 * 1000LL) /* shortened: a PA comes from a pool that knows who holds what */
#define RETRY_NS            (2 * 1000 * 1000 * 1000LL)

struct port {
    struct skr_uuid id; /* adapter */
    struct skr_mac mac;
    char interface[SKR_INTERFACE_NAME_MAX]; /* explicit, or empty */
    uint32_t ifindex;                       /* bound to; 0 */
    bool peer_elsewhere, told;
    char reason[32];
    UT_hash_handle hh;
};

/* What the interface's ifalias claims. */
struct claim {
    struct skr_uuid id; /* adapter */
    uint32_t ifindex;
    char interface[SKR_INTERFACE_NAME_MAX];
    UT_hash_handle hh;
};

enum pa_state { PA_WAITING, PA_PROBING, PA_READY };

struct provider_address {
    struct skr_uuid id;
    struct skr_address address, gateway;
    struct skr_prefix subnet;
    bool has_gateway, uplink_up;
    char uplink[SKR_INTERFACE_NAME_MAX];
    uint32_t vlan_id, mtu, ifindex;
    enum pa_state state;
    int probe_fd, probes_sent;
    int64_t due_ns;
    char reason[96];
    UT_hash_handle hh;
};

struct remote_pa {
    struct skr_address address, next_hop;
    uint32_t ifindex; /* uplink of the next hop; 0: no own PA reaches it */
    UT_hash_handle hh;
};

struct next_hop_key {
    struct skr_address address;
    uint32_t ifindex;
};
struct next_hop {
    struct next_hop_key key;
    unsigned users;
    bool resolved;
    uint8_t mac[6];
    UT_hash_handle hh;
};

struct uplink {
    char name[SKR_INTERFACE_NAME_MAX];
    uint32_t ifindex; /* told; 0 = absent */
    bool up;
    UT_hash_handle hh;
};

struct skr_host {
    struct skr_desired *desired;
    struct skr_host_output output;
    struct skr_netlink *netlink;
    struct skr_host_interface *interfaces; /* in order of ifindex */
    size_t interface_count, interface_room;
    struct port *ports;
    struct claim *claims;
    struct provider_address *addresses;
    struct uplink *uplinks;
    struct remote_pa *remotes;
    struct next_hop *next_hops;
    int64_t now_ns;
};

/* interfaces.c */
int skr_host_interfaces_load(struct skr_host *host);
/* A link message: updates the inventory and tells the other files. */
void skr_host_link_message(struct skr_host *host, const struct nlmsghdr *message);
const struct skr_host_interface *skr_host_interface_named(const struct skr_host *host, const char *name);
bool skr_host_is_uplink(const struct skr_host *host, const char *name);
/* Writes one word to /proc/sys/net/<family>/conf/<interface>/<key>; a missing file is fine (IPv6 may be off). */
void skr_host_sysctl(const char *family, const char *interface, const char *key, const char *value);

/* binding.c */
void skr_host_port_set(struct skr_host *host, const struct skr_uuid *id, const Skerry__V1__Port *port);
/* An interface is new, different or gone (`interface` then is its last state). */
void skr_host_binding_interface(struct skr_host *host, const struct skr_host_interface *interface, bool present);
void skr_host_binding_free(struct skr_host *host);

/* provider_address.c */
void skr_host_provider_address_set(struct skr_host *host, const struct skr_uuid *id,
                                   const Skerry__V1__ProviderAddress *address);
void skr_host_provider_address_interface(struct skr_host *host, const struct skr_host_interface *interface,
                                         bool present);
void skr_host_provider_address_run(struct skr_host *host);
int64_t skr_host_provider_address_deadline(const struct skr_host *host);
/* Address, rule and routes of one PA; all of them are idempotent. */
int skr_host_provider_address_install(struct skr_host *host, const struct provider_address *pa);
void skr_host_provider_address_free(struct skr_host *host);
uint32_t skr_host_provider_address_table(const struct provider_address *pa);

/* neighbor.c */
void skr_host_neighbor_message(struct skr_host *host, const struct nlmsghdr *message);
/* The own PAs changed: every remote PA's next hop is worked out again. */
void skr_host_neighbor_refresh(struct skr_host *host);
void skr_host_neighbor_free(struct skr_host *host);
