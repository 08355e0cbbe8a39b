/* The inside of struct skr_program. Three layers:
 *   entry.c   what every table shall hold: one entry a key, with the objects that ask for it; a commit brings the fast
 *             path there in the right order;
 *   domain.c, customer_route.c, adapter.c, segment.c, holder.c, address.c, flood.c   what each object asks for, kept so
 * that it can be taken back; program.c  dispatches changes and ends each with one commit; audit.c and describe.c read.
 */
#pragma once

#include "agent/desired/support.h"
#include "agent/fastpath/program.h"

#define uthash_fatal(msg) abort()
#include <uthash.h>
#include <utlist.h>

#define SKR_AUDIT_DIFFERENCES_MAX 4096 /* of a table in one round; the next round finds the rest */
/* The bytes that an encapsulation adds to a packet of the guest: outer IPv4, GRE or UDP and VXLAN, inner Ethernet. */
#define SKR_NVGRE_OVERHEAD 42
#define SKR_VXLAN_OVERHEAD 50
#define SKR_KEY_SIZE_MAX   64
#define SKR_VALUE_SIZE_MAX 64

struct skr_program_domain;

/* The object an entry stems from. A nil type: none (parts of chains, neighbours). */
struct skr_program_owner {
    struct skr_uuid id;
    struct skr_program_domain *domain; /* NULL: the host's scope */
    uint32_t type;
};

struct skr_program_cause {
    struct skr_program_cause *next;
    struct skr_program_owner owner;
    _Alignas(8) uint8_t value[];
};

/* The cause with the lowest object id wins and stands in the entry itself; there seldom are others. */
struct skr_program_entry {
    UT_hash_handle hh;
    struct skr_program_owner owner;
    struct skr_program_cause *others;
    uint8_t table;
    bool intended : 1; /* someone asks for it; if not, it goes with the next commit */
    bool present : 1;  /* the fast path holds an entry with this key that we put */
    bool current : 1;  /* and with this value */
    bool dirty : 1, seen : 1;
    uint32_t failed_at;          /* 1 + its place in program->failed; 0: it has not failed */
    _Alignas(8) uint8_t bytes[]; /* key, then value */
};

/* An entry that the fast path refused, and why. */
struct skr_program_failed {
    struct skr_program_entry *entry;
    int error;
};

struct skr_program_entries {
    struct skr_program_entry **items;
    size_t count, room;
};

struct skr_program_subnet {
    UT_hash_handle hh;
    struct skr_uuid id;
    uint32_t vsid, mtu;
    struct skr_prefix prefix;
    struct skr_address gateway;
    bool learns, asserted;
    char closed[SKR_SUPPORT_TEXT_MAX]; /* why its ports are; empty: they are not */
    uint32_t asserted_number;
};

struct skr_program_customer_route {
    UT_hash_handle hh;
    struct skr_uuid id;
    struct skr_prefix destination;
    struct skr_address next_hop;
    uint32_t metric;
    char refused[SKR_SUPPORT_TEXT_MAX]; /* why it is not supported; empty: it is */
    bool asserted;
    uint32_t asserted_number;
};

struct skr_program_member {
    UT_hash_handle hh;
    struct skr_uuid id;
    struct skr_address *addresses;
    uint32_t *vsids;
    size_t address_count, vsid_count;
    bool asserted;
    uint32_t asserted_number;
};

/* In a VM network without network virtualization: the adapter with this MAC has this address for good. */
struct skr_program_holder {
    UT_hash_handle hh;
    struct skr_uuid id;
    struct skr_address address;
    struct skr_mac mac;
};

/* A segment in which such a VM network has ports here. */
struct skr_program_place {
    struct skr_program_place *next;
    uint32_t segment, ports;
    bool filled; /* the entries of all holders stand in it */
};

struct skr_program_domain {
    UT_hash_handle hh;
    struct skr_uuid id;
    bool known;                       /* the Domain object is here, and this agent can do what it says */
    char lacks[SKR_SUPPORT_TEXT_MAX]; /* what it cannot do; empty: nothing */
    bool vxlan;
    uint32_t number, mtu;
    uint32_t asserted_uplink_mtu; /* inner; 0: no limit is known */
    struct skr_uuid logical_network_id;
    struct skr_address source_pa; /* zero: none */
    struct skr_program_subnet *subnets;
    struct skr_program_member *members;
    struct skr_program_customer_route *routes;
    struct skr_program_holder *holders;
    struct skr_program_place *places;
    bool touched;      /* its ports and customer routes are looked at again before the commit */
    size_t references; /* of owners and local records */
};

/* A record whose entry follows more than itself: of an adapter that is placed here (`here`: the entry names the
 * adapter's interface), that is moving, or that has just moved. */
struct skr_program_local_record {
    UT_hash_handle hh;
    struct skr_uuid id;
    struct skr_program_domain *domain;
    struct skr_abi_mac_key key;
    struct skr_address pa, armed; /* armed: zero when the adapter is not moving */
    bool here;
    struct skr_program_adapter *adapter;
    struct skr_program_local_record *prev, *next;
};

struct skr_program_adapter {
    UT_hash_handle hh;
    struct skr_uuid id;
    bool placed;  /* the Port object is here */
    bool armed;   /* ... and the adapter is not yet */
    bool leaving; /* ... and the adapter may be elsewhere any moment */
    struct skr_uuid vm_network_id;
    uint32_t vsid, flags;
    struct skr_mac mac;
    /* In a segment: */
    bool in_segment, has_host_switch;
    char uplink[SKR_BODY_INTERFACE_NAME_SIZE];
    uint32_t vlan_id;
    struct skr_uuid host_switch_id;
    struct skr_address *addresses;
    size_t address_count;
    struct skr_address gateway; /* zero: none */
    /* unsupported settings of the port: those that close it, and those it works without; empty: none */
    char closed[SKR_SUPPORT_TEXT_MAX], without[SKR_SUPPORT_TEXT_MAX];
    uint32_t ifindex; /* bound */
    bool peer;
    uint32_t asserted_ifindex, asserted_vsid;
    struct skr_program_local_record *records;
};

/* A provider address: own, remote, or both while a host changes. */
struct skr_program_pa {
    UT_hash_handle hh;
    struct skr_address address;
    uint32_t references;                    /* of entries */
    uint32_t own;                           /* ProviderAddress objects */
    bool told;                              /* on_remote_pa has been said */
    struct skr_address source, told_source; /* own PA of the VM networks that it is a member's in */
    bool standing_known;
    uint32_t standing_ifindex, standing_mtu;
    bool neighbor_known;
    struct skr_abi_neighbor neighbor;
    bool excused_own, excused_neighbor; /* an adopted entry stands until the host speaks */
    bool dirty;
    struct skr_program_pa *next_dirty;
};

struct skr_program_provider_address {
    UT_hash_handle hh;
    struct skr_uuid id;
    struct skr_address address;
    struct skr_prefix subnet;
    uint32_t vlan_id, mtu;
    uint32_t asserted_segment; /* of its VLAN; 0: none */
    struct skr_uuid logical_network_id;
};

struct skr_program_uplink {
    UT_hash_handle hh;
    char name[SKR_BODY_INTERFACE_NAME_SIZE];
    uint32_t ifindex, mtu;
};

struct skr_program_segment {
    UT_hash_handle hh;
    uint32_t number;
    uint32_t ports, hosts; /* who uses it: ports here, own provider addresses */
};

struct skr_program_receiver {
    struct skr_abi_address address;
    uint32_t references;
    struct skr_program_owner owner;
};
struct skr_program_chain {
    UT_hash_handle hh;
    struct {
        uint32_t vsid, local;
    } key;
    struct skr_program_receiver *receivers; /* ascending */
    size_t count, room;
};

struct skr_program {
    struct skr_fastpath *fastpath;
    struct skr_desired *desired;
    struct skr_program_entry *tables[SKR_TABLE_COUNT];
    struct skr_program_entries dirty[SKR_TABLE_COUNT];
    struct skr_program_failed *failed;
    size_t failed_count, failed_room;
    bool failure_cleared; /* an object with another failed entry must say so again */
    bool held, settled, domains_gone;
    bool segments_touched; /* ports in segments are looked at again before the commit */
    bool places_touched;   /* ... and whether a place has got its first port, or lost its last */
    bool self_known;
    struct skr_uuid self; /* this host's id */
    struct skr_program_domain *domains;
    struct skr_program_adapter *adapters;
    struct skr_program_local_record *local_records;
    struct skr_program_pa *pas, *dirty_pas;
    struct skr_program_provider_address *provider_addresses;
    struct skr_program_chain *chains;
    struct skr_program_uplink *uplinks;
    struct skr_program_segment *segments;
    struct skr_program_former *formers;
    int64_t formers_due_ns; /* INT64_MAX: no former host is to be forgotten */
    void (*moved)(void *arg, const struct skr_uuid *adapter_id);
    void *moved_arg;
    skr_program_remote_pa_fn *remote_pa;
    void *remote_pa_arg;
    enum skr_fastpath_table audit_next;
};

/* ---- entry.c ---- */
struct skr_program_entry *skr_program_entry_find(const struct skr_program *program, enum skr_fastpath_table table,
                                                 const void *key);
uint8_t *skr_program_entry_value(struct skr_program_entry *entry);
void skr_program_ask(struct skr_program *program, enum skr_fastpath_table table, const void *key,
                     const struct skr_program_owner *owner, const void *value);
void skr_program_take_back(struct skr_program *program, enum skr_fastpath_table table, const void *key,
                           const struct skr_program_owner *owner);
/* Notes that this aspect of the owner failed, or (reason NULL) has not. */
void skr_program_fail(struct skr_program *program, const struct skr_program_owner *owner,
                      enum skr_desired_aspect aspect, const char *reason);
int skr_program_put(struct skr_program *program, struct skr_program_entry *entry);
/* Entries of this table that the fast path refused are tried again, until it is full again. */
void skr_program_retry(struct skr_program *program, enum skr_fastpath_table table);
void skr_program_commit_entries(struct skr_program *program);
void skr_program_entries_free(struct skr_program *program);

/* ---- domain.c ---- */
struct skr_program_domain *skr_program_domain_find(const struct skr_program *program, const struct skr_uuid *id);
struct skr_program_domain *skr_program_domain_make(struct skr_program *program, const struct skr_uuid *id);
const struct skr_program_subnet *skr_program_domain_subnet(const struct skr_program_domain *domain, uint32_t vsid);
void skr_program_domain_change(struct skr_program *program, const struct skr_desired_change *change);
void skr_program_self(struct skr_program *program, const struct skr_uuid *host_id);
void skr_program_domains_source(struct skr_program *program);
/* An own provider address or an uplink changed: VM subnets carry what fits into the uplink. */
void skr_program_domains_uplink(struct skr_program *program);
void skr_program_domains_sweep(struct skr_program *program, bool all);

/* ---- adapter.c ---- */
void skr_program_port_change(struct skr_program *program, const struct skr_desired_change *change);
void skr_program_ports_settle(struct skr_program *program);
void skr_program_record_local(struct skr_program *program, const struct skr_uuid *id, struct skr_program_domain *domain,
                              const struct skr_uuid *adapter_id, const struct skr_abi_mac_key *key, bool here,
                              const struct skr_address *pa, const struct skr_address *armed);
/* Asserts it again; it ceases to be a local record when the reason for that is over. */
void skr_program_record_reassert(struct skr_program *program, const struct skr_uuid *id);
void skr_program_record_not_local(struct skr_program *program, const struct skr_uuid *id);
/* The domain's source address has changed, by which a host knows what comes to it. */
void skr_program_moving_reassert(struct skr_program *program, const struct skr_program_domain *domain);
void skr_program_adapters_free(struct skr_program *program);

/* ---- customer_route.c ---- */
void skr_program_customer_route_change(struct skr_program *program, struct skr_program_domain *domain,
                                       const struct skr_desired_change *change);
void skr_program_customer_routes_settle(struct skr_program *program, struct skr_program_domain *domain);
void skr_program_customer_routes_free(struct skr_program_domain *domain);

/* ---- segment.c ---- */
/* The port's segment, or why it has none (in `out`, or static). */
const char *skr_program_segment_of(const struct skr_program *program, const struct skr_program_adapter *adapter,
                                   uint32_t *ret_segment, char out[static SKR_SUPPORT_TEXT_MAX]);
/* Adds the records of a port that is asserted in adapter->asserted_vsid on adapter->asserted_ifindex. */
void skr_program_segment_assert(struct skr_program *program, const struct skr_program_adapter *adapter,
                                const struct skr_program_owner *owner);
void skr_program_segment_withdraw(struct skr_program *program, const struct skr_program_adapter *adapter,
                                  const struct skr_program_owner *owner);
/* 0: no uplink has this number. */
uint32_t skr_program_uplink_mtu(const struct skr_program *program, uint32_t ifindex);
/* One user more (1) or less (-1): a port, or an own provider address (host). */
void skr_program_segment_hold(struct skr_program *program, uint32_t number, bool host, int delta);
void skr_program_segments_free(struct skr_program *program);

/* ---- holder.c ---- */
void skr_program_holder_change(struct skr_program *program, struct skr_program_domain *domain,
                               const struct skr_desired_change *change);
/* One port more (1) or less (-1) of the VM network in this segment. */
void skr_program_place_hold(struct skr_program *program, const struct skr_uuid *vm_network_id, uint32_t segment,
                            int delta);
void skr_program_places_settle(struct skr_program *program);
void skr_program_holders_free(struct skr_program_domain *domain);

/* ---- move.c ---- */
/* Writes to `ret` the armed entry as the fast path has turned it; false: the entry is not turned, or not armed. */
bool skr_program_turned(enum skr_fastpath_table table, const void *intended, const void *found, void *ret);
/* Returns the value to write for the entry: the intended one, or in `room` the one that the fast path has turned. */
const void *skr_program_keep_turned(struct skr_program *program, const struct skr_program_entry *entry,
                                    const void *intended, void *room);
void skr_program_tell_moved(struct skr_program *program, const struct skr_uuid *adapter_id);
/* The host that a record's adapter was moved from, NULL: none any more. `takes_part`: this host is one of the two, so
 * that the former one passes on frames; to others it is the sender of what was on its way, for a moment. */
void skr_program_former_set(struct skr_program *program, const struct skr_uuid *record_id,
                            const struct skr_address *address, bool takes_part);
const struct skr_address *skr_program_former_of(const struct skr_program *program, const struct skr_uuid *record_id);
void skr_program_formers_free(struct skr_program *program);

/* ---- address.c ---- */
void skr_program_provider_address_change(struct skr_program *program, const struct skr_desired_change *change);
/* An entry names this PA, or no longer does. */
void skr_program_pa_reference(struct skr_program *program, const struct skr_address *pa, int delta);
/* MTU of the uplink that the own address stands on; 0: it stands on none, or none is known. */
uint32_t skr_program_own_mtu(const struct skr_program *program, const struct skr_address *address);
/* Packets to the remote provider address `pa` leave from our provider address `source`; zeros: it is not known. */
void skr_program_pa_source(struct skr_program *program, const struct skr_address *pa, const struct skr_address *source);
void skr_program_pas_settle(struct skr_program *program);
bool skr_program_pa_excused(struct skr_program *program, enum skr_fastpath_table table, const void *key);
void skr_program_pas_free(struct skr_program *program);

/* ---- flood.c ---- */
bool skr_program_flood_add(struct skr_program *program, uint32_t vsid, bool local,
                           const struct skr_abi_address *receiver, const struct skr_program_owner *owner);
void skr_program_flood_remove(struct skr_program *program, uint32_t vsid, bool local,
                              const struct skr_abi_address *receiver);
void skr_program_flood_free(struct skr_program *program);

/* ---- program.c ---- */
void skr_program_commit(struct skr_program *program);

static inline struct skr_abi_address skr_program_abi(const struct skr_address *address)
{
    struct skr_abi_address out;
    memcpy(out.bytes, address->bytes, sizeof(out.bytes));
    return out;
}

static inline struct skr_address skr_program_address(const struct skr_abi_address *address)
{
    struct skr_address out;
    memcpy(out.bytes, address->bytes, sizeof(out.bytes));
    return out;
}

static inline bool skr_program_is_zero(const void *address)
{
    static const uint8_t zero[16];
    return memcmp(address, zero, sizeof(zero)) == 0;
}
