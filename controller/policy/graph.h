/* The policy's inside: the graph that after-images make, the scopes compiled from it, who holds what of them.
 *
 * Nodes mirror rows. A reference to a row that has not come yet makes an absent node, so the order of after-images
 * within a write does not matter; an absent node lives as long as something refers to it. Applying an after-image
 * relinks its node, keeps the counts (adapters a member, learning ports a subnet) and marks what must be compiled
 * again; at the end of the write each marked node is compiled once into its scope, each touched scope gets a version,
 * and its members get a delta. Nothing walks the model. One thread. */
#pragma once

#include "controller/policy/fabric.h"
#include "controller/policy/policy.h"
#include <pthread.h>
#include <skerry/digest.h>
#include <skerry/id_map.h>
#include <skerry/mailbox.h>
#include <skerry/realization_publish.h>
#include <sys/queue.h>

#define SKR_POLICY_RING_VERSIONS 256 /* recent changes kept a scope, and at most as many keys as it has objects */
#define SKR_POLICY_RING_KEYS_MIN 64
#define SKR_POLICY_FRAME_BYTES   ((size_t)512 * 1024) /* a delta over this travels in several frames */
#define SKR_POLICY_SYNC_MS       250                  /* a host is told and recorded as synced at most this often */
#define SKR_POLICY_IDLE_SYNCS    100                  /* hosts that owe nothing are recorded in a second, at most */
#define SKR_POLICY_RESYNCS_MAX   8                    /* digests that differ in a row, then the session ends */

/* ---- scopes ---- */

/* A compiled object: its bytes as sent. key.type is the southbound object type. */
struct scope_object {
    struct skr_map_key key;
    uint32_t size;
    uint64_t digest;
    uint8_t bytes[];
};

/* One version of the recent past: which objects it changed, and the digests around it. */
struct ring_entry {
    uint64_t version, digest_before, digest;
    uint32_t count;
    struct skr_map_key keys[];
};

/* The frames of one delta. */
struct frames {
    unsigned references;
    uint32_t count;
    size_t bytes;
    struct skr_shared_bytes *frame[];
};

LIST_HEAD(member_list, member);
struct scope {
    struct skr_map_key key; /* type: ScopeKind */
    struct host *host;      /* one of the two owns it */
    struct domain *domain;
    uint64_t version, digest;
    struct skr_id_map objects;
    uint64_t *buckets; /* 256 sums, kept from the first time somebody asked */
    struct ring_entry **ring;
    uint32_t ring_first, ring_count, ring_capacity;
    size_t ring_keys;
    struct member_list members;
    uint32_t member_count;
    /* These fields belong to the write in progress. */
    struct skr_map_key *changed;
    uint32_t changed_count, changed_capacity;
    uint64_t digest_before;
    bool touched, ending;
};

/* ---- who holds what ---- */

enum member_sync {
    MEMBER_OFFLINE,      /* no session, or one that has not said yet what it holds */
    MEMBER_WHOLE,        /* holds nothing that is worth comparing: send everything */
    MEMBER_WAIT_BUCKETS, /* asked for its bucket digests */
    MEMBER_LIVE          /* holds `base` when it has processed what was sent */
};

struct inflight {
    uint64_t version, digest;
    uint32_t bytes;
};

struct member_subnet {
    struct subnet *subnet;
    uint32_t ports;
};

/* A member that has no port any more. */
struct lingering {
    struct member *member;
    uint64_t version; /* of the removal, to be acknowledged by every connected member */
    int64_t since, acked;
    LIST_ENTRY(lingering) link;
};

/* A host in a scope: in its own host scope, or in the domain of a VM network. */
struct member {
    struct skr_map_key key; /* the scope's, in host->members */
    struct host *host;
    struct scope *scope;
    LIST_ENTRY(member) scope_link, host_link;
    union { /* subnets with ports on this host: mostly one */
        struct member_subnet one;
        struct member_subnet *many;
    };
    uint32_t subnet_count, subnet_capacity, ports; /* capacity 0: one */
    bool dirty;                                    /* its Member object must be compiled */
    LIST_ENTRY(member) dirty_link;
    /* The state of what the host has. */
    enum member_sync sync;
    bool behind, queued, base_numbered; /* base_numbered: the agent counts `base` as we do */
    bool failing;                       /* while a Hello is read: it named the scope */
    uint8_t resyncs;
    uint64_t acked, acked_digest, base;
    struct inflight *inflight;
    uint32_t inflight_count;
    TAILQ_ENTRY(member) queue_link; /* changed while the window was closed */
    struct lingering *linger;       /* NULL: it has ports */
};

TAILQ_HEAD(member_queue, member);
struct session {
    struct skr_map_key key; /* the session's number as an id */
    uint64_t number, agent_number;
    struct host *host;
    enum { SESSION_DIGESTS, SESSION_LIVE } state;
    bool told_synced;
    size_t unacked; /* bytes of deltas */
    struct member_queue queue;
    struct skr_id_map removed; /* scopes it was told to drop and has not yet: struct skr_map_key, owned */
};

/* ---- nodes ---- */

struct profile {
    struct node node;
    LIST_HEAD(, classification) classifications;
    struct edge_list mappings; /* from logical switches */
    struct port_profile values;
};

struct classification {
    struct node node;
    struct profile *profile;
    LIST_ENTRY(classification) profile_link;
    LIST_HEAD(, adapter) adapters;
};

struct logical_network {
    struct node node;
    bool vxlan;
    uint32_t mtu;
    LIST_HEAD(, domain) domains;
    LIST_HEAD(, site) sites;
    LIST_HEAD(, provider_address) addresses;
};

struct host_uplink {
    char *interface;
    struct skr_uuid *sites; /* none: those that cover the host's group */
    uint32_t site_count;
};

struct host {
    struct node node;
    char *name;
    struct host_uplink *uplinks;
    uint32_t uplink_count;
    bool active, remediate, excused; /* excused: in maintenance, holds nothing up */
    bool older; /* its agent does not know Holder: it is no member of a VM network without network virtualization */
    struct host_group *group;
    LIST_ENTRY(host) group_link;
    LIST_HEAD(, host_switch) switches;
    LIST_HEAD(, hold) holds;
    struct skr_id_map acls; /* struct acl_use */
    struct scope *scope;    /* while active */
    uint64_t last_version;  /* of its scope before it was withdrawn: a later one counts on */
    LIST_HEAD(, adapter) adapters;
    LIST_HEAD(, move) arriving; /* adapters that are moving here */
    LIST_HEAD(, provider_address) addresses;
    struct member_list member_list;
    struct skr_id_map members; /* by scope */
    uint32_t behind;           /* members that have not acknowledged their scope's version */
    struct session *session;
    int64_t synced;    /* last revision given to output.synced */
    int64_t synced_at; /* when */
    bool sync_due;
    TAILQ_ENTRY(host) sync_link;
};

struct provider_address {
    struct node node;
    struct host *host;
    struct logical_network *network;
    LIST_ENTRY(provider_address) host_link, network_link;
    char *uplink, *reason;
    bool has_address, has_gateway;
    struct skr_address address, gateway;
    struct skr_prefix subnet;
    uint32_t vlan_id;
    struct scope *scope; /* where its object stands */
};

struct domain {
    struct node node;
    struct logical_network *network;
    LIST_ENTRY(domain) network_link;
    LIST_HEAD(, subnet) subnets;
    struct skr_uuid routing_domain_id;
    uint32_t number, mtu;
    struct scope *scope; /* while present */
    /* Without network virtualization: one VLAN of one site, or whatever the host's site has. */
    uint32_t isolation, vlan_id, secondary_vlan_id; /* isolation: the protocol's, unspecified with virtualization */
    struct site *site;
    LIST_ENTRY(domain) site_link;
    LIST_HEAD(, adapter) loose; /* adapters without VM subnet */
    struct edge_list users;     /* host switches */
};

struct subnet {
    struct node node;
    struct domain *domain;
    LIST_ENTRY(subnet) domain_link;
    LIST_HEAD(, adapter) adapters;
    struct skr_uuid *acls;
    uint32_t acl_count;
    uint32_t vsid, learners;
    bool has_gateway;
    struct skr_prefix prefix;
    struct skr_address gateway;
    struct scope *scope; /* where its object stands */
};

/* Fields that few adapters have. */
struct adapter_extra {
    char *interface;
    uint32_t vlan_id, mirror; /* mirror: of the protocol */
    bool has_vlan, protected_network;
    uint32_t acl_count;
    struct skr_uuid acls[];
};

/* An adapter that is moving, or whose former host may still hand on what its port counted. */
struct move {
    struct adapter *adapter;
    struct host *target; /* NULL: it has arrived */
    LIST_ENTRY(move) target_link;
    bool placed, failed, carries; /* like the adapter's, on the target */
    struct member *member;
    struct subnet *counted_subnet;
    struct scope *scope; /* where its armed Port stands */
    bool has_former;
    struct skr_uuid former; /* host */
    int64_t arrived_ns;
};

struct adapter {
    struct node node;
    struct host *host;
    struct domain *domain;
    struct subnet *subnet;
    struct classification *classification;
    LIST_ENTRY(adapter) host_link, subnet_link, classification_link; /* subnet_link: or in domain->loose */
    LIST_HEAD(, record) records;
    char *name;
    struct adapter_extra *extra; /* NULL: nothing of it */
    struct skr_address *addresses;
    uint16_t address_count;
    struct skr_mac mac;
    bool placed, failed; /* it has a port on its host; a local failure is published */
    bool carries;        /* its lists are counted on its host */
    struct subnet *learner_subnet;
    struct member *member; /* counted there, in counted_subnet */
    struct subnet *counted_subnet;
    struct scope *scope; /* where its Port stands */
    struct move *move;   /* NULL: it does not move */
};

struct record {
    struct node node;
    struct adapter *adapter;
    struct domain *domain;
    LIST_ENTRY(record) adapter_link;
    struct skr_address address;
    struct skr_mac mac;
    uint32_t vsid;
    uint8_t type; /* RecordType */
    bool has_address;
    bool holder;         /* of a VM network without network virtualization: sent as Holder */
    struct scope *scope; /* where its object stands */
};

/* ---- the engine ---- */

struct changed_object {
    enum skr_resource_id resource;
    struct skr_uuid id;
    bool deleted;
};

struct skr_policy {
    struct skr_policy_options options;
    struct skr_mailbox *mailbox;
    pthread_t thread;
    bool started, stopping; /* stopping is atomic */
    int64_t now_ns;
    int64_t revision; /* everything up to here is compiled */
    bool loading;
    struct skr_id_map nodes, sessions;
    struct profile *default_profile;
    struct classification *default_classification; /* of adapters that name none */
    /* These fields belong to the write in progress. */
    struct node **dirty;
    uint32_t dirty_count, dirty_capacity;
    struct member_list dirty_members;
    LIST_HEAD(, acl_use) dirty_uses;
    struct scope **touched;
    uint32_t touched_count, touched_capacity;
    struct changed_object *objects;
    uint32_t object_count, object_capacity;
    /* Timers. */
    LIST_HEAD(, lingering) lingering;
    int64_t linger_due, sync_due, idle_due; /* INT64_MAX: nothing to do */
    TAILQ_HEAD(, host) sync_queue;
    uint32_t idle_cursor;
};

/* graph.c: the nodes. */
void skr_policy_graph_init(struct skr_policy *policy);
void skr_policy_graph_done(struct skr_policy *policy);
void *skr_policy_graph_find(struct skr_policy *policy, enum skr_resource_id resource, const struct skr_uuid *id);
/* Finds or makes it (absent). */
void *skr_policy_graph_node(struct skr_policy *policy, enum skr_resource_id resource, const struct skr_uuid *id);
void skr_policy_node_ref(struct node *node);
void skr_policy_node_unref(struct skr_policy *policy, struct node *node);
/* To be compiled at the end of the write. */
void skr_policy_node_mark(struct skr_policy *policy, struct node *node);

/* edges.c: references of lists. */
/* The edges become these, in order; a key with the nil id is one without target. */
void skr_policy_edges_set(struct skr_policy *policy, struct edges *edges, struct node *from,
                          const struct skr_map_key *keys, uint32_t count);
/* Frees the array alone; for the end. */
void skr_policy_edges_done(struct edges *edges);

/* apply.c, apply_host.c, apply_switch.c, apply_profile.c, apply_tenant.c, acl.c: after-images into nodes. `object` is
 * NULL when the row is gone. */
void skr_policy_graph_apply(struct skr_policy *policy, enum skr_change_op op, const struct skr_object *object);
void skr_policy_apply_profile(struct skr_policy *policy, struct profile *profile, const struct skr_object *object);
void skr_policy_apply_classification(struct skr_policy *policy, struct classification *classification,
                                     const struct skr_object *object);
void skr_policy_apply_hold(struct skr_policy *policy, struct hold *hold, const struct skr_object *object);
/* Is this row of compliance a value that is held? */
bool skr_policy_is_hold(const struct skr_object *object);
void skr_policy_apply_logical_network(struct skr_policy *policy, struct logical_network *network,
                                      const struct skr_object *object);
void skr_policy_apply_host_group(struct skr_policy *policy, struct host_group *group, const struct skr_object *object);
void skr_policy_apply_site(struct skr_policy *policy, struct site *site, const struct skr_object *object);
void skr_policy_apply_provider_address(struct skr_policy *policy, struct provider_address *address,
                                       const struct skr_object *object);
void skr_policy_apply_host(struct skr_policy *policy, struct host *host, const struct skr_object *object);
void skr_policy_apply_uplink_profile(struct skr_policy *policy, struct uplink_profile *profile,
                                     const struct skr_object *object);
void skr_policy_apply_logical_switch(struct skr_policy *policy, struct logical_switch *logical,
                                     const struct skr_object *object);
void skr_policy_apply_host_switch(struct skr_policy *policy, struct host_switch *host_switch,
                                  const struct skr_object *object);
void skr_policy_apply_vm_network(struct skr_policy *policy, struct domain *domain, const struct skr_object *object);
void skr_policy_apply_vm_subnet(struct skr_policy *policy, struct subnet *subnet, const struct skr_object *object);
void skr_policy_apply_network_adapter(struct skr_policy *policy, struct adapter *adapter,
                                      const struct skr_object *object);
void skr_policy_apply_lookup_record(struct skr_policy *policy, struct record *record, const struct skr_object *object);
void skr_policy_apply_route(struct skr_policy *policy, struct route *route, const struct skr_object *object);
void skr_policy_apply_acl(struct skr_policy *policy, struct acl *acl, const struct skr_object *object);
/* Frees what such a node owns. */
void skr_policy_switch_node_done(struct node *node);
void skr_policy_host_done(struct host *host);
void skr_policy_adapter_extra_free(struct adapter_extra *extra);
/* A reference of the object to another row, referenced; NULL when it is not set. */
void *skr_policy_apply_reference(struct skr_policy *policy, const struct skr_object *object, int field,
                                 enum skr_resource_id resource);
void skr_policy_apply_release(struct skr_policy *policy, void *node); /* NULL is fine */
char *skr_policy_apply_text(const struct skr_object *object, int field);
/* The structs of a list field, *ret_count of them. */
struct skr_object *const *skr_policy_apply_structs(const struct skr_object *object, int field, uint32_t *ret_count);
/* The index of the text among `names` (NULL-terminated) plus one, 0 when it is none: how the protocol counts enums. */
uint32_t skr_policy_apply_choice(const char *text, const char *const *names);
/* The adapter's profile may have changed: its port, its subnet's learning. */
void skr_policy_adapter_profile_changed(struct skr_policy *policy, struct adapter *adapter);
/* Uplinks, switches or mappings have changed, of which the host's ports are made. */
void skr_policy_host_ports_changed(struct skr_policy *policy, struct host *host);
/* The adapter's host became active or ceased to be: it counts as a member's port or not. */
void skr_policy_adapter_recount(struct skr_policy *policy, struct adapter *adapter);
/* The host's agent says whether it knows Holder: its memberships follow. */
void skr_policy_host_set_older(struct skr_policy *policy, struct host *host, bool older);
/* Counts the adapter's lists and its VM subnet's on its host, or takes them away. */
void skr_policy_adapter_carry(struct skr_policy *policy, struct adapter *adapter, bool carries);
/* One port of the host more (or less) carries these lists. */
void skr_policy_acl_count(struct skr_policy *policy, struct host *host, const struct skr_uuid *ids, uint32_t count,
                          bool more);

/* reach.c: which uplink, switch and profile an adapter gets on a host. */
/* site: NULL for whichever of the logical network is the host's. False: no uplink reaches it. */
bool skr_policy_reach(const struct host *host, const struct logical_network *network, const struct site *site,
                      struct reach *ret);
/* NULL when there is none; host may be NULL. */
const struct host_switch *skr_policy_host_switch_of(const struct adapter *adapter, const struct host *host);
const struct profile *skr_policy_profile_of(const struct adapter *adapter, const struct host *host);
/* The profile's values that are in force on the host: apply_profile.c knows those that are held there. */
struct port_profile skr_policy_port_profile(const struct adapter *adapter, const struct host *host);

/* compile.c, compile_host.c, compile_switch.c, compile_domain.c: nodes into the objects of scopes. */
void skr_policy_compile_marked(struct skr_policy *policy);
void skr_policy_compile_host(struct skr_policy *policy, struct host *host);
void skr_policy_compile_host_switch(struct skr_policy *policy, struct host_switch *host_switch);
void skr_policy_compile_provider_address(struct skr_policy *policy, struct provider_address *address);
void skr_policy_compile_port(struct skr_policy *policy, struct adapter *adapter);
void skr_policy_compile_domain(struct skr_policy *policy, struct domain *domain);
void skr_policy_compile_subnet(struct skr_policy *policy, struct subnet *subnet);
void skr_policy_compile_record(struct skr_policy *policy, struct record *record);
void skr_policy_compile_route(struct skr_policy *policy, struct route *route);
void skr_policy_compile_member(struct skr_policy *policy, struct member *member);
void skr_policy_compile_acl(struct skr_policy *policy, struct acl *acl);
void skr_policy_compile_acl_use(struct skr_policy *policy, struct acl_use *use);
/* The object stands in `to` from now on, NULL: nowhere, and *at says so; it is taken out of the scope it stood in. */
void skr_policy_compile_place(struct skr_policy *policy, struct scope **at, struct scope *to,
                              Skerry__V1__ObjectType type, const struct skr_uuid *id);
/* Packs the message into the scope's object. */
void skr_policy_compile_put(struct skr_policy *policy, struct scope *scope, Skerry__V1__ObjectType type,
                            const struct skr_uuid *id, const ProtobufCMessage *message);
ProtobufCBinaryData skr_policy_wire_address(const struct skr_address *address);
ProtobufCBinaryData skr_policy_wire_uuid(const struct skr_uuid *id);
/* The address that packets to this host carry in that logical network: of the lowest row that has one. */
const struct provider_address *skr_policy_host_provider_address(const struct host *host,
                                                                const struct logical_network *network);

/* scope.c: objects, digests, versions, the ring. */
struct scope *skr_policy_scope_new(Skerry__V1__ScopeKind kind, const struct skr_uuid *id);
void skr_policy_scope_free(struct scope *scope);
void skr_policy_scope_put(struct skr_policy *policy, struct scope *scope, Skerry__V1__ObjectType type,
                          const struct skr_uuid *id, const void *bytes, size_t size);
void skr_policy_scope_remove(struct skr_policy *policy, struct scope *scope, Skerry__V1__ObjectType type,
                             const struct skr_uuid *id);
/* The members get ScopeRemoved and the scope goes at the end of the write. */
void skr_policy_scope_end(struct skr_policy *policy, struct scope *scope);
/* Next version from what changed; false when nothing did. */
bool skr_policy_scope_close(struct scope *scope);
const uint64_t *skr_policy_scope_buckets(struct scope *scope);
/* The ring's entry that follows the content with this digest, its index; -1: none. */
int skr_policy_scope_ring_after_digest(const struct scope *scope, uint64_t digest);
/* ... that follows this version. */
int skr_policy_scope_ring_after_version(const struct scope *scope, uint64_t version);
uint64_t skr_policy_scope_root_term(const struct skr_policy *policy, const struct skr_map_key *key, uint64_t digest);

/* delta.c: frames. Each returns one reference. */
struct frames *skr_policy_delta_recent(const struct skr_policy *policy, const struct scope *scope, uint32_t ring_index,
                                       uint64_t from_version);
struct frames *skr_policy_delta_whole(const struct skr_policy *policy, const struct scope *scope);
struct frames *skr_policy_delta_buckets(const struct skr_policy *policy, const struct scope *scope,
                                        const bool differs[static 256]);
void skr_policy_frames_unref(struct frames *frames);

/* member.c: who is a member, lingering. */
/* The member's subnets, subnet_count of them. */
const struct member_subnet *skr_policy_member_subnets(const struct member *member);
void skr_policy_member_free(struct member *member);
struct member *skr_policy_member_find(const struct host *host, const struct skr_map_key *scope);
/* Finds or makes the membership. */
struct member *skr_policy_member_of(struct skr_policy *policy, struct host *host, struct scope *scope);
void skr_policy_member_port_added(struct skr_policy *policy, struct member *member, struct subnet *subnet);
void skr_policy_member_port_removed(struct skr_policy *policy, struct member *member, struct subnet *subnet);
void skr_policy_member_mark(struct skr_policy *policy, struct member *member);
/* Ends the membership; the agent is told to drop the scope when it has a session. */
void skr_policy_member_end(struct skr_policy *policy, struct member *member);
void skr_policy_linger_run(struct skr_policy *policy);

/* write.c: the end of a write. */
void skr_policy_write_end(struct skr_policy *policy, int64_t write_revision);
void skr_policy_write_object(struct skr_policy *policy, enum skr_resource_id resource, const struct skr_uuid *id,
                             bool deleted);
void skr_policy_write_touch(struct skr_policy *policy, struct scope *scope);

/* move.c: adapters that move. */
/* NULL: it does not. */
const struct host *skr_policy_move_target(const struct adapter *adapter);
/* Around an after-image: the old target, which the caller releases; the new one. */
struct host *skr_policy_move_unlink(struct adapter *adapter);
void skr_policy_move_link(struct skr_policy *policy, struct adapter *adapter, const struct skr_object *object);
/* It was on `source` and moving to `target` (each may be NULL); where it is now says whether it has arrived. */
void skr_policy_move_arrived(struct skr_policy *policy, struct adapter *adapter, const struct host *source,
                             const struct host *target);
/* Frees what is over. */
void skr_policy_move_forget(struct adapter *adapter);
/* From the source of a move that has just ended, once, to its target; from anybody else to nobody. */
void skr_policy_move_port_state(struct skr_policy *policy, const struct session *session, Skerry__V1__PortState *state);

/* realize.c: what the table is told. */
void skr_policy_realize_write(struct skr_policy *policy, int64_t write_revision);
void skr_policy_realize_load(struct skr_policy *policy);
/* Why packets do not reach the adapter there, NULL when the host has an address for its VM network. Uses `out`. */
const char *skr_policy_realize_address(const struct adapter *adapter, const struct host *host, char *out, size_t size);
/* Why the adapter has no way to its network from its host; NULL: it has one. */
void skr_policy_realize_port(struct skr_policy *policy, const struct adapter *adapter, const struct scope *scope,
                             bool *failed, const char *reason);

/* session.c, receive.c, send.c: the protocol. */
void skr_policy_open_session(struct skr_policy *policy, uint64_t number, const struct skr_uuid *host_id,
                             const Skerry__V1__Hello *hello, const char *const *authority_pems);
void skr_policy_session_receive(struct skr_policy *policy, uint64_t number, const Skerry__V1__Envelope *envelope);
void skr_policy_forget_session(struct skr_policy *policy, uint64_t number);
void skr_policy_session_command(struct skr_policy *policy, const struct skr_uuid *host_id,
                                const struct skr_policy_command *command);
/* Frees it. */
void skr_policy_session_done(struct session *session);
/* Ends it from our side. */
void skr_policy_session_end(struct skr_policy *policy, struct session *session, const char *reason);
void skr_policy_session_send(struct skr_policy *policy, const struct session *session,
                             const Skerry__V1__Envelope *envelope);
void skr_policy_session_send_removed(struct skr_policy *policy, struct session *session,
                                     const struct skr_map_key *scope, uint64_t version);
/* A member's scope has a new version, or the member something to catch up with. `live`: the frames of the newest
 * version, made when first needed: [0] numbered, [1] for agents that count otherwise. */
void skr_policy_member_send(struct skr_policy *policy, struct member *member, struct frames *live[2]);
void skr_policy_member_bucket_digests(struct skr_policy *policy, struct member *member,
                                      const uint64_t digests[static 256]);
void skr_policy_member_resync(struct skr_policy *policy, struct member *member);
/* The host holds this content of the scope. */
void skr_policy_member_acked(struct skr_policy *policy, struct member *member, uint64_t version, uint64_t digest,
                             const struct skr_realization_failure *failures, size_t count);
void skr_policy_member_offline(struct member *member);
void skr_policy_member_online(struct skr_policy *policy, struct member *member, uint64_t version, uint64_t digest);
void skr_policy_member_behind(struct member *member, bool behind);
void skr_policy_session_pump(struct skr_policy *policy, struct session *session);

/* sync.c: Synced, at once or a little later. */
void skr_policy_sync_host(struct skr_policy *policy, struct host *host);
void skr_policy_sync_run(struct skr_policy *policy);
/* Has the host acknowledged all that it must hold, and all that it must not? */
bool skr_policy_host_is_settled(const struct host *host);
uint64_t skr_policy_host_root_digest(const struct skr_policy *policy, const struct host *host);

void *skr_policy_must(void *memory);
