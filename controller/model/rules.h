/* Inside of the model: what one object's rules look like, and what several of them share. Every write, whether it comes
 * from a request, an agent's report or an enrolment, is a struct skr_write that goes through skr_write_run(), so no
 * rule can be walked around. Nothing here changes anything outside the transaction. */
#pragma once

#include "controller/model/model.h"
#include <errno.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <skerry/text.h>
#include <skerry/tls.h>
#include <stdio.h>
#include <string.h>

#define SKR_ADAPTER_ADDRESSES_MAX 64 /* static addresses of one adapter */
#define SKR_LEARNED_MAX           64 /* dynamic records of one adapter */
#define SKR_GROUP_DEPTH_MAX       16 /* host groups above one another, the root included */
#define SKR_HOST_UPLINKS_MAX      32
#define SKR_ORPHANS_MAX           4096 /* of one host; the ports come first */
#define SKR_COMPLIANCE_MAX        1000 /* open drift items of one host */
#define SKR_SITE_SUBNETS_MAX      256
#define SKR_CUSTOMER_ROUTES_MAX   1000 /* of one VM network */
#define SKR_POOL_RANGES_MAX       1000 /* entries of reserved and of vip_reserved */

/* One write of one object. */
struct skr_write {
    struct skr_txn *txn;
    const struct skr_principal *principal;
    enum skr_operation operation;
    enum skr_resource_id resource;
    struct skr_object *before; /* NULL for a create; no rule changes it */
    struct skr_object *after;  /* NULL for a delete; prepare fills in what is assigned */
    int secret_field;          /* shown once in the answer, -1 = none; never part of `after`, which is published */
    char secret[SKR_SECRET_TEXT_MAX];
    struct skr_uuid job_id; /* a job that prepare, stored or removing started */
};

struct skr_rules {
    /* Judges `after` and fills in assigned fields. The row is not written yet. */
    int (*prepare)(struct skr_write *write, struct skr_error *error);
    /* The row is written: keeps the rows that are derived from it. */
    int (*stored)(struct skr_write *write, struct skr_error *error);
    /* Judges a delete and takes away derived rows. Nobody uses the object: that was checked before. */
    int (*removing)(struct skr_write *write, struct skr_error *error);
    /* The row is gone: frees what it held. */
    int (*removed)(struct skr_write *write, struct skr_error *error);
    /* Fills COMPUTED fields of an object that is about to be shown. */
    int (*compute)(struct skr_txn *txn, struct skr_object *object, struct skr_error *error);
};

extern const struct skr_rules skr_uplink_port_profile_rules, skr_logical_switch_rules, skr_host_switch_rules;
extern const struct skr_rules skr_tenant_rules, skr_host_group_rules, skr_logical_network_rules, skr_network_site_rules,
        skr_ip_pool_rules, skr_mac_pool_rules, skr_virtual_port_profile_rules, skr_port_classification_rules,
        skr_host_rules, skr_vm_network_rules, skr_vm_subnet_rules, skr_network_adapter_rules, skr_join_token_rules,
        skr_token_rules, skr_user_rules, skr_role_binding_rules, skr_session_rules, skr_lookup_record_rules,
        skr_backup_rules, skr_access_control_list_rules, skr_customer_route_rules, skr_ip_allocation_rules;

/* Never NULL; views have empty ones. */
const struct skr_rules *skr_rules_get(enum skr_resource_id resource);

/* References, rules, name, maximum, row, derived rows; for a delete: users, rules, row. */
int skr_write_run(struct skr_write *write, struct skr_error *error);
/* A write inside another one, by the model itself. `before` may be NULL (create), `after` may be NULL (delete). */
int skr_write_inner(struct skr_txn *txn, enum skr_resource_id resource, struct skr_object *before,
                    struct skr_object *after, struct skr_error *error);
/* Large removals (removal.c): an adapter was written; one port of a host, or all (`network_id`: that are virtualized in
 * this logical network), will leave it or no longer work. */
void skr_removal_note(struct skr_write *write);
void skr_removal_note_port(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_object *adapter);
int skr_removal_note_ports(struct skr_txn *txn, const struct skr_uuid *host_id, const struct skr_uuid *network_id,
                           struct skr_error *error);
/* IN_USE with everything that uses the object, up to SKR_ERROR_FIELDS_MAX; what the principal does not see stays
 * unnamed. */
int skr_usage_check(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_object *object,
                    struct skr_error *error);
/* EXISTS when another object of this kind has the name in the same scope. */
int skr_name_check(struct skr_txn *txn, const struct skr_object *object, struct skr_error *error);
/* 1: taken, by *ret_id; 0: free. `parent` is the object of the table's name_parent, NULL for global names. */
int skr_name_find(struct skr_txn *txn, enum skr_resource_id resource, const char *name, const struct skr_uuid *parent,
                  struct skr_uuid *ret_id, struct skr_error *error);

/* ---- audit log (audit.c) ---- */

#define SKR_AUDIT_PATH_MAX 256

/* An audit record says this besides the object and the result. */
struct skr_audited {
    const struct skr_principal *principal;
    const char *method, *path;
    const char *kind; /* of the object; NULL: none */
};
/* The record of a write that is done; nothing when it came from inside. `before` NULL: created, `after` NULL: deleted.
 */
int skr_audit_done(struct skr_txn *txn, const struct skr_audited *audited, const struct skr_object *before,
                   const struct skr_object *after, struct skr_error *error);
/* "/v1/<collection>[/<id>][:<verb>]"; id may be nil, verb NULL. */
void skr_audit_path(char out[static SKR_AUDIT_PATH_MAX], const struct skr_resource *resource, const struct skr_uuid *id,
                    const char *verb);
/* Takes away the oldest records that are too old or too many, at most `max`. */
int skr_audit_prune(struct skr_txn *txn, unsigned max, struct skr_error *error);

/* Entries of lists with named entries: INVALID when a name stands twice; gives each its id (entry.c). */
int skr_entries_settle(struct skr_write *write, struct skr_error *error);
/* LIMIT when the tenant would have more of a quota's things (SKR_QUOTA_*) than it may; nil: no tenant, no quota. */
int skr_quota_check(struct skr_txn *txn, const struct skr_uuid *tenant_id, int quota, int64_t more,
                    struct skr_error *error);
/* The same for what a create or update adds. */
int skr_quota_check_write(struct skr_write *write, struct skr_error *error);
/* How many requests a second the principal's tenant may send, into the principal. */
int skr_quota_requests(struct skr_txn *txn, struct skr_principal *principal, struct skr_error *error);
/* How much of each quota is used: {vm_networks, ...}, new reference. */
int skr_quota_usage(struct skr_txn *txn, const struct skr_uuid *tenant_id, json_t **ret, struct skr_error *error);
/* REFERENCE when the lists that the field names are not of the object's own tenant. */
int skr_access_control_lists_check(struct skr_write *write, int field, struct skr_error *error);
/* The row within sight; else NOT_FOUND, in the same words whether it is missing or somebody else's. ret
 * NULL: only whether it is there. (read.c) */
int skr_model_find(struct skr_txn *txn, const struct skr_sight *sight, enum skr_resource_id resource,
                   const struct skr_uuid *id, struct skr_object **ret, struct skr_error *error);

/* How a sentence calls an object that the request did not name: `kind` with its name, or `blind` when whoever asked for
 * this write does not see it. Every sentence about another object says it by this. (principal.c) */
#define SKR_CALLED_MAX 192
const char *skr_called(struct skr_txn *txn, const struct skr_object *object, const char *kind, const char *blind,
                       char out[static SKR_CALLED_MAX]);
/* Does whoever asked for this write see it? The controller itself sees everything. */
bool skr_asker_sees(struct skr_txn *txn, const struct skr_object *object);
/* FORBIDDEN: the principal sees the object and may not change it (do the action to it). (principal.c) */
int skr_writes_check(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_object *object,
                     const struct skr_action *action, struct skr_error *error);
/* The controller's own principal. */
extern const struct skr_principal skr_principal_model;

/* ---- small things (rules.c) ---- */

/* Sets tag and sentence and names the field. Returns the tag's -errno. */
int skr_refuse(struct skr_error *error, enum skr_error_tag tag, const char *pointer, const char *format, ...)
        SKR_PRINTF(4, 5);
/* "/uplinks/2/name"; `member` may be NULL. Returns out. */
char *skr_pointer(char out[static SKR_ERROR_POINTER_MAX], const char *field, unsigned index, const char *member);
/* A row that must be there: -ENOENT becomes INTERNAL. */
int skr_fetch(struct skr_txn *txn, enum skr_resource_id resource, const struct skr_uuid *id, struct skr_object **ret,
              struct skr_error *error);
/* Runs a statement that is bound, and resets it. 1 and *ret: the row whose id it answers first; 0: it answers none. */
int skr_fetch_first(struct skr_txn *txn, struct skr_statement *statement, enum skr_resource_id resource,
                    struct skr_object **ret, struct skr_error *error);
/* The row whose id `query` (of one UUID and one address) names; -ENOENT without an error when it names none. */
int skr_fetch_by_address(struct skr_txn *txn, const struct skr_query *query, enum skr_resource_id resource,
                         const struct skr_uuid *parent, const struct skr_address *address, struct skr_object **ret,
                         struct skr_error *error);
/* True on create, or when an update touches the field. */
bool skr_write_changes(const struct skr_write *write, int field);
/* A row of a view with its defaults and a new id. */
struct skr_object *skr_row_new(enum skr_resource_id resource);
/* The id of an object, and its name ("" when it has none). */
struct skr_uuid skr_object_id(const struct skr_object *object);
const char *skr_object_name(const struct skr_object *object);
/* Linux's rule for names of interfaces (dev_valid_name), 1 to 15 bytes. */
bool skr_interface_name_valid(const char *name);
/* A unicast host address that can stand in a packet: not unspecified, loopback, multicast or broadcast. */
bool skr_address_is_host(const struct skr_address *address);
/* The host addresses of a prefix exclude the first (IPv6: anycast of its routers) and in IPv4 the last. */
bool skr_prefix_is_edge(const struct skr_prefix *prefix, const struct skr_address *address);
/* Counter kept in the settings, starting at `first`. */
int skr_counter_next(struct skr_txn *txn, const char *name, int64_t first, int64_t *ret, struct skr_error *error);

struct skr_ids {
    struct skr_uuid *items;
    size_t count, capacity;
};
void skr_ids_add(struct skr_ids *ids, const struct skr_uuid *id);
bool skr_ids_contain(const struct skr_ids *ids, const struct skr_uuid *id);
void skr_ids_sort(struct skr_ids *ids);
bool skr_ids_search(const struct skr_ids *ids, const struct skr_uuid *id); /* in sorted ones */
static inline void skr_ids_cleanup(struct skr_ids *ids)
{
    free(ids->items);
}
/* Appends the first column of every row; `key` is bound to ?1. Read whole before anything else uses the statement. */
int skr_ids_query(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *key, struct skr_ids *ids,
                  struct skr_error *error);
/* The first column of the first row, 0 when there is none; `key` is bound to ?1, NULL: the query has no parameter. */
int skr_integer_query(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *key, int64_t *ret,
                      struct skr_error *error);
/* 1: a row with the two keys exists, its first column in *ret_id (may be NULL); 0: none; -errno. `second` may be NULL.
 */
int skr_find(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *first,
             const struct skr_uuid *second, struct skr_uuid *ret_id, struct skr_error *error);

/* ---- host groups (host_group.c) ---- */

/* The group itself and everything above it, nearest first. */
int skr_host_group_chain(struct skr_txn *txn, const struct skr_uuid *id, struct skr_ids *ids, struct skr_error *error);
int skr_host_group_root(struct skr_txn *txn, struct skr_uuid *ret, struct skr_error *error);
/* The group and everything below it, breadth first; *ret_height counts its levels. */
int skr_host_group_subtree(struct skr_txn *txn, const struct skr_uuid *id, struct skr_ids *groups, unsigned *ret_height,
                           struct skr_error *error);
/* Hosts in the group and below it. */
int skr_host_group_hosts(struct skr_txn *txn, const struct skr_uuid *id, struct skr_ids *hosts,
                         struct skr_error *error);

/* ---- provider addresses (provider_address.c) ---- */

enum skr_withdrawal {
    SKR_WITHDRAWAL_FREE,  /* the administrator asked for it: uplinks, removal, revocation */
    SKR_WITHDRAWAL_UNUSED /* a site, group or network changed, or the host's group: refused where adapters are on it */
};
/* Makes the rows of a host what its group, uplinks and the sites ask for. `pointer` names the field to blame. */
int skr_provider_address_host(struct skr_txn *txn, const struct skr_object *host, enum skr_withdrawal withdrawal,
                              const char *pointer, struct skr_error *error);
int skr_provider_address_hosts(struct skr_txn *txn, const struct skr_ids *hosts, enum skr_withdrawal withdrawal,
                               const char *pointer, struct skr_error *error);
/* Rows of the site that wait for an address try again. */
int skr_provider_address_retry(struct skr_txn *txn, const struct skr_uuid *site_id, struct skr_error *error);
/* Rows take over VLAN and gateway as they are written now. */
int skr_provider_address_refresh_site(struct skr_txn *txn, const struct skr_uuid *site_id, struct skr_error *error);
int skr_provider_address_refresh_pool(struct skr_txn *txn, const struct skr_uuid *pool_id, struct skr_error *error);
/* 1: the host's uplinks reach the logical network, 0: not. */
int skr_provider_address_reaches(struct skr_txn *txn, const struct skr_uuid *host_id, const struct skr_uuid *network_id,
                                 struct skr_error *error);
/* The host's address in a logical network, NULL value when it has none. Returns 1 or 0. */
int skr_provider_address_of(struct skr_txn *txn, const struct skr_uuid *host_id, const struct skr_uuid *network_id,
                            struct skr_address *ret, struct skr_error *error);

/* ---- network sites (network_site.c) ---- */

/* All hosts below the groups of a site. */
int skr_network_site_hosts(struct skr_txn *txn, const struct skr_object *site, struct skr_ids *hosts,
                           struct skr_error *error);
/* Has the site what network virtualization asks for: subnets, and no other site at the same distance? `pointer` NULL:
 * the site's own fields. */
int skr_network_site_check_virtualized(struct skr_txn *txn, const struct skr_object *site, const char *pointer,
                                       struct skr_error *error);
/* The entry of subnet_vlans[] with this subnet, NULL when there is none. */
const struct skr_object *skr_network_site_subnet(const struct skr_object *site, const struct skr_prefix *subnet);
/* 1: the site serves one of these groups, 0: none. */
int skr_network_site_covers(struct skr_txn *txn, const struct skr_uuid *site_id, const struct skr_ids *chain,
                            struct skr_error *error);

/* ---- addresses of pools (ip_allocation.c) ---- */

#define SKR_IP_ADAPTER  "adapter"
#define SKR_IP_PROVIDER "provider"
#define SKR_IP_VIP      "vip"
#define SKR_IP_MANUAL   "manual"

/* Fills the counters of a pool from its ranges and allocations; refuses ranges that would drop a live allocation. */
int skr_ip_pool_count(struct skr_txn *txn, struct skr_object *pool, struct skr_error *error);
/* Builds the free ranges anew; the row must be written. */
int skr_ip_pool_rebuild(struct skr_txn *txn, const struct skr_object *pool, struct skr_error *error);
/* 1: the lowest free address is taken, 0: none is free. */
int skr_ip_allocate_free(struct skr_txn *txn, const struct skr_object *pool, const char *kind,
                         const struct skr_uuid *owner, struct skr_address *ret, struct skr_error *error);
/* Like it with a wished address that need not be of a pool: taken when one of these pools has it free, refused when
 * somebody else holds it, and nothing otherwise. */
int skr_ip_take(struct skr_txn *txn, const struct skr_ids *pools, const struct skr_address *address,
                const struct skr_uuid *owner, const char *pointer, struct skr_error *error);
/* 1: the tenant has allocated the address as a virtual IP, so that its adapters may show it, one at a time; 0: not. */
int skr_ip_is_virtual(struct skr_txn *txn, const struct skr_ids *pools, const struct skr_address *address,
                      const struct skr_uuid *tenant_id, struct skr_error *error);
/* Gives back what `owner` holds at the address; nothing when it holds none there. */
int skr_ip_give(struct skr_txn *txn, const struct skr_address *address, const struct skr_uuid *owner,
                struct skr_error *error);
/* The allocation that `owner` holds at the address; -ENOENT. */
int skr_ip_held(struct skr_txn *txn, const struct skr_address *address, const struct skr_uuid *owner,
                struct skr_object **ret, struct skr_error *error);
int skr_ip_release(struct skr_txn *txn, struct skr_object *allocation, struct skr_error *error);
/* An allocation that a request made or deleted: takes the address out of the pool without a row, and counts what the
 * row then means. `wished` NULL: the lowest free one. EXHAUSTED names the pool; EXISTS says who has the wished one. */
int skr_ip_claim(struct skr_txn *txn, const struct skr_object *pool, const struct skr_address *wished, const char *kind,
                 const char *pointer, struct skr_address *ret, struct skr_error *error);
int skr_ip_count_claim(struct skr_txn *txn, const struct skr_object *pool, const struct skr_object *allocation,
                       struct skr_error *error);
int skr_ip_give_back(struct skr_txn *txn, const struct skr_object *allocation, struct skr_error *error);
/* The allocation of an address in a pool; -ENOENT. */
int skr_ip_find(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_address *address,
                struct skr_object **ret, struct skr_error *error);
/* The address rests until every host has synced past the revision of this write. */
int skr_ip_retire(struct skr_txn *txn, const struct skr_uuid *pool_id, const struct skr_address *address,
                  struct skr_error *error);
/* The customer address of a lookup record leaves the record's host: nobody else gets it until that host has synced past
 * the revision of this write. */
int skr_customer_address_leave(struct skr_txn *txn, const struct skr_object *record, struct skr_error *error);
/* The customer address of a lookup record that goes away: it rests until the record's host, and those that it has left,
 * have synced past the revision of this write, also when it is of no pool. It is free at once when no host serves it.
 */
int skr_customer_address_free(struct skr_txn *txn, const struct skr_object *record, struct skr_error *error);
/* A pool, new or with another range, does not give out what rests in the VM network. */
int skr_customer_address_rest_in(struct skr_txn *txn, const struct skr_uuid *vm_network_id,
                                 const struct skr_object *pool, struct skr_error *error);
/* RESTING, naming the host to those who see it, while the address rests in the VM network. */
int skr_customer_address_rests(struct skr_txn *txn, const struct skr_uuid *vm_network_id,
                               const struct skr_address *address, const char *pointer, struct skr_error *error);
/* Frees what the host has let go of, having synced the revision: at most SKR_RECLAIM_MAX. 1: there may be more; they do
 * not rest any more, and go back to their pools the next time. */
#define SKR_RECLAIM_MAX 1000
int skr_customer_address_reclaim(struct skr_txn *txn, const struct skr_uuid *host_id, int64_t revision,
                                 struct skr_error *error);
/* The lowest revision that every host that is not removed has synced; INT64_MAX without hosts. */
int skr_retired_limit(struct skr_txn *txn, int64_t *ret, struct skr_error *error);
/* Frees addresses and VSIDs that every host has let go of. */
int skr_retired_reclaim(struct skr_txn *txn, struct skr_error *error);
/* Sums up what the pools of a VM subnet, a network site or a logical network have, into its computed field. */
int skr_ip_usage_compute(struct skr_txn *txn, struct skr_object *parent, int field, struct skr_error *error);
/* Makes the sums of a database that has pools and no sums. */
int skr_ip_usage_bootstrap(struct skr_txn *txn, struct skr_error *error);
/* Writes a row that says who has an address (lookup record, provider address, allocation), and the history with it:
 * such rows are written by these and by nothing else (address_holding.c). */
int skr_held_insert(struct skr_txn *txn, struct skr_object *row, struct skr_error *error);
int skr_held_update(struct skr_txn *txn, const struct skr_object *before, struct skr_object *after,
                    struct skr_error *error);
int skr_held_delete(struct skr_txn *txn, struct skr_object *row, struct skr_error *error);
/* The history alone, of a row that a request's write inserts (`before` NULL) or deletes (`after` NULL). */
int skr_held_note(struct skr_txn *txn, const struct skr_object *before, const struct skr_object *after,
                  struct skr_error *error);
/* Takes away ended holdings that are too old or too many, at most `max`. */
int skr_holding_prune(struct skr_txn *txn, unsigned max, struct skr_error *error);
/* Pools of a parent, by id. */
int skr_ip_pools_of_site(struct skr_txn *txn, const struct skr_uuid *site_id, struct skr_ids *ids,
                         struct skr_error *error);
int skr_ip_pools_of_subnet(struct skr_txn *txn, const struct skr_uuid *subnet_id, struct skr_ids *ids,
                           struct skr_error *error);

/* ---- where adapters are (reach.c, home.c) ---- */

bool skr_vm_network_is_virtualized(const struct skr_object *vm_network);
/* The virtual port profile of the adapter on this host: mapped by its host switch, else the classification's own; what
 * is held back there is in it. `host_id` NULL: on no host. 1, or 0: it has none, and the defaults count.
 * (port_profile.c) */
int skr_profile_in_force(struct skr_txn *txn, const struct skr_object *adapter, const struct skr_uuid *host_id,
                         struct skr_object **ret, struct skr_error *error);
/* Adapters of networks without virtualization still reach their site, VLAN and subnets. `pointer` is to blame. */
int skr_home_check_host(struct skr_txn *txn, const struct skr_object *host, const char *pointer,
                        struct skr_error *error);

/* ---- profiles held back on hosts with manual remediation (port_profile.c, profile_hold.c) ---- */

#define SKR_HELD_PROFILE    "virtual-port-profile"     /* object_kind of their rows of compliance */
#define SKR_DEFAULT_PROFILE "Medium bandwidth adapter" /* of ports that nothing else gives a profile */

/* These decide the virtual port profile of a port; nil: it is on no switch, it has no classification. */
struct skr_port_kind {
    struct skr_uuid logical_switch_id, classification_id;
};
struct skr_port_kinds {
    struct skr_port_kind *items;
    size_t count;
};
static inline void skr_port_kinds_cleanup(struct skr_port_kinds *kinds)
{
    free(kinds->items);
}
void skr_port_kinds_add(struct skr_port_kinds *kinds, const struct skr_port_kind *kind); /* once */
/* The kind of the adapter's port on this host; `host_id` NULL: on no host. */
int skr_port_kind_load(struct skr_txn *txn, const struct skr_object *adapter, const struct skr_uuid *host_id,
                       struct skr_port_kind *ret, struct skr_error *error);
/* The kinds of the ports of all adapters on a host. */
int skr_port_kinds_on_host(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_port_kinds *kinds,
                           struct skr_error *error);
/* The profile of such ports as the model has it, `instead` (may be NULL) in place of the row of that id. 1 or 0. */
int skr_port_kind_profile(struct skr_txn *txn, const struct skr_port_kind *kind, const struct skr_object *instead,
                          struct skr_object **ret, struct skr_error *error);

/* A profile, a classification or a logical switch was changed: rows of compliance for ports whose profile is another
 * now, on the hosts that must not have it yet. */
int skr_profile_changed(struct skr_write *write, struct skr_error *error);
/* Puts the values that are still in force for such ports on the host into the profile. Number of values, or -errno. */
int skr_profile_hold(struct skr_txn *txn, struct skr_object *profile, const struct skr_uuid *host_id,
                     const struct skr_port_kind *kind, struct skr_error *error);
/* Nothing is held back on the host any more; :remediate. */
int skr_profile_release(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_error *error);
/* The host's ports, or the switches that carry them, are others now: nothing is held for ports that it does not have.
 */
int skr_profile_prune(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_error *error);
/* The classification goes, and with it what is held for its ports. */
int skr_profile_forget(struct skr_txn *txn, const struct skr_uuid *classification_id, struct skr_error *error);

/* ---- host switches (host_switch.c, availability.c) ---- */

/* Host adapters of the host still have their site and VLAN. `pointer` is to blame. */
int skr_host_switch_check_host(struct skr_txn *txn, const struct skr_object *host, const char *pointer,
                               struct skr_error *error);
/* All of a host that goes. */
int skr_host_switch_erase(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_error *error);
/* Keeps the numbers of hosts and host switches of groups; after a host, or a host switch, was written. */
int skr_host_group_count(struct skr_write *write, struct skr_error *error);
int skr_host_group_count_switch(struct skr_txn *txn, const struct skr_object *host_switch, int change,
                                struct skr_error *error);
/* {highly_available, hosts, hosts_with_switch, reason}; new reference in *ret. */
int skr_host_switch_availability(struct skr_txn *txn, const struct skr_object *host_switch, json_t **ret,
                                 struct skr_error *error);
int skr_host_group_availability(struct skr_txn *txn, const struct skr_object *group, json_t **ret,
                                struct skr_error *error);

/* ---- VM networks on VLANs (vm_vlan.c) ---- */

/* Settles site, VLAN and secondary VLAN of a new vlan or pvlan network: judges what is given, picks the rest. */
int skr_vm_vlan_settle(struct skr_write *write, const struct skr_object *logical_network, struct skr_error *error);
/* Makes the VM subnets of a VM network those of its VLAN at the site. */
int skr_vm_vlan_subnets(struct skr_txn *txn, const struct skr_object *vm_network, const struct skr_object *site,
                        struct skr_error *error);
/* The same for every VM network of a site; refused where a VLAN that one needs would go. */
int skr_vm_vlan_site(struct skr_txn *txn, const struct skr_object *site, struct skr_error *error);
/* The gateway of a subnet of the site is what its pools say. */
int skr_vm_vlan_gateway(struct skr_txn *txn, const struct skr_uuid *site_id, const struct skr_prefix *subnet,
                        struct skr_error *error);

/* ---- virtual subnet IDs (vsid.c) ---- */

int skr_vsid_assign(struct skr_txn *txn, int64_t wished, int64_t *ret, struct skr_error *error);
int skr_vsid_retire(struct skr_txn *txn, int64_t vsid, struct skr_error *error);
int skr_vsid_reclaim(struct skr_txn *txn, int64_t synced_revision, struct skr_error *error);

/* ---- lookup records (lookup_record.c) ---- */

/* After an adapter was written: its static and l2only records, and the host of its dynamic ones. */
int skr_lookup_record_adapter(struct skr_txn *txn, const struct skr_object *adapter, struct skr_error *error);
/* The record becomes this adapter's; `mac` and `type` NULL: as they are. */
int skr_lookup_record_move(struct skr_txn *txn, struct skr_object *record, const struct skr_object *adapter,
                           const struct skr_mac *mac, const char *type, struct skr_error *error);
int skr_lookup_record_erase(struct skr_txn *txn, const struct skr_object *adapter, struct skr_error *error);
/* The record of an address in a VM network; -ENOENT. */
int skr_lookup_record_find(struct skr_txn *txn, const struct skr_uuid *vm_network_id, const struct skr_address *address,
                           struct skr_object **ret, struct skr_error *error);
int skr_lookup_record_insert(struct skr_txn *txn, const struct skr_object *adapter, const struct skr_address *address,
                             const struct skr_mac *mac, const char *type, struct skr_error *error);
/* The record goes. `served`: its host may still serve the address, which rests until that has let go; false: the host
 * itself said that it has. */
int skr_lookup_record_withdraw(struct skr_txn *txn, struct skr_object *record, bool served, struct skr_error *error);

/* ---- jobs (job.c) ---- */

int skr_job_list_open(struct skr_txn *txn, struct skr_ids *ids, struct skr_error *error);

/* ---- compliance (compliance.c) ---- */

/* The summary in a host's status; an skr_rules.compute. */
int skr_compliance_summary(struct skr_txn *txn, struct skr_object *host, struct skr_error *error);

/* ---- what a host can carry (carriage.c) ---- */

#define SKR_CARRIAGE_MAX      512 /* bytes of the sentence, with its NUL */
#define SKR_CARRIAGE_NAME_MAX 80  /* of each name in it */
/* The agent of the host has reported an interface of this name (host_switch.c). */
bool skr_host_reports_interface(const struct skr_object *host, const char *interface);
/* 1: the host can carry no virtualized network, or has no address for one that it should carry; why, and the next step,
 * in *ret. 0: it can, or nothing asks for it. */
int skr_carriage_problem(struct skr_txn *txn, const struct skr_object *host, char ret[static SKR_CARRIAGE_MAX],
                         struct skr_error *error);

/* ---- others ---- */

/* REFERENCE when the tenant's list (field) does not name the object. */
int skr_tenant_allows(struct skr_txn *txn, const struct skr_uuid *tenant_id, int field, const struct skr_uuid *id,
                      const char *pointer, struct skr_error *error);
/* An object that stands below another one belongs to its tenant. */
int skr_tenant_inherit(struct skr_object *object, const struct skr_object *parent, struct skr_error *error);
/* Does an uplink of the host name the site? */
bool skr_host_names_site(const struct skr_object *host, const struct skr_uuid *site_id);
bool skr_uplink_names_site(const struct skr_object *uplink, const struct skr_uuid *site_id);
bool skr_host_in_service(const struct skr_object *host);     /* enrolled and not removed: it keeps what it has */
bool skr_host_takes_adapters(const struct skr_object *host); /* and active: it gets more */

int skr_mac_pool_assign(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_mac *ret,
                        struct skr_error *error);
bool skr_mac_is_gateway(const struct skr_mac *mac);
/* Outer headers of the encapsulation: bytes of a PA-side MTU that a VM network cannot use. */
int64_t skr_logical_network_overhead(const struct skr_object *network);
int skr_vm_network_mtu(struct skr_txn *txn, const struct skr_object *vm_network, int64_t *ret, struct skr_error *error);
/* The VM subnet of a VM network with the highest prefix that does not begin behind this address: 1 and *ret, or 0. The
 * one that holds the address, if one does: they do not overlap. */
int skr_vm_subnet_before(struct skr_txn *txn, const struct skr_uuid *vm_network_id, const struct skr_address *address,
                         struct skr_object **ret, struct skr_error *error);
/* Judges an address of an adapter: in the subnet, not its gateway or an edge. NULL or why not. */
const char *skr_vm_subnet_refuses(const struct skr_object *vm_subnet, const struct skr_address *address);
/* Takes the adapter off its host. */
int skr_network_adapter_unplace(struct skr_txn *txn, struct skr_object *adapter, struct skr_error *error);
/* The adapter is on no host any more: the claim that has waited longest, and is allowed, wins. (claim.c) */
int skr_claim_next(struct skr_txn *txn, const struct skr_uuid *adapter_id, struct skr_error *error);
/* No claim of the host waits any more. */
int skr_claim_forget_host(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_error *error);
/* May an adapter of this VM network be on that host: in service, and its uplinks reach the network? `pointer` names the
 * field to blame. */
int skr_network_adapter_check_host(struct skr_txn *txn, const struct skr_object *vm_network,
                                   const struct skr_uuid *host_id, const char *pointer, struct skr_error *error);
/* EXISTS when another adapter names this adapter's explicit interface on that host. */
int skr_network_adapter_check_interface(struct skr_txn *txn, const struct skr_object *adapter,
                                        const struct skr_uuid *host_id, const char *pointer, struct skr_error *error);
bool skr_adapter_is_moving(const struct skr_object *adapter);
bool skr_adapter_is_moving_to(const struct skr_object *adapter, const struct skr_uuid *host_id);
/* Clears what the row says of a move. */
void skr_adapter_move_forget(struct skr_object *adapter);
/* Finishes the move of an adapter whose source has lost the interface and whose target has one. */
int skr_adapter_move_settle(struct skr_txn *txn, struct skr_object *adapter, struct skr_error *error);
/* Does the adapter's profile have guest_specified_ips? 1 or 0. */
int skr_network_adapter_learns(struct skr_txn *txn, const struct skr_object *adapter, struct skr_error *error);
/* SHA-256 of a secret in hex, and a comparison in constant time. */
void skr_hash_text(const char *text, char ret[static SKR_TLS_HASH_TEXT_MAX]);
bool skr_hash_matches(const char *text, const char *hash);
/* Makes the secret of a token: its hash into the row, the secret into the answer. */
int skr_token_secret(struct skr_write *write, int hash_field, int secret_field, struct skr_error *error);
/* "<id>.<secret>"; *ret_secret points into it. -EINVAL. */
int skr_secret_split(const char *text, struct skr_uuid *ret_id, const char **ret_secret);
void skr_principal_set_name(struct skr_principal *principal, const char *name);
/* Judges the grant that a new token or role binding holds: the scope fits the role, and it is no wider than the
 * writer's own. */
int skr_grant_check(const struct skr_write *write, int role_field, int group_field, struct skr_error *error);
/* Ends the sessions that `query` finds for the key, but for `except` (NULL: all). */
int skr_session_end_all(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *key,
                        const struct skr_uuid *except, struct skr_error *error);
/* The database is accepted: nobody looks at them any more. */
int skr_orphans_forget(struct skr_txn *txn, struct skr_error *error);
/* CONFLICT while the database is rolled back. The sentence names the hosts that showed it to a principal of the fabric
 * alone; `principal` may be NULL. */
int skr_rolled_back_check(struct skr_txn *txn, const struct skr_principal *principal, struct skr_error *error);
/* 1: the status of a host tells of a problem; 0: none does (enrolment.c). */
int skr_host_any_problem(struct skr_txn *txn, struct skr_error *error);
/* Makes the host's inventory from what an agent says about its interfaces; new reference. */
json_t *skr_inventory_json(Skerry__V1__Interface *const *interfaces, size_t count);
/* Writes an event; `object` and `host_id` may be NULL. The object's tenant sees it, so the message names no host,
 * provider address, interface or another tenant's object, unless the object has no tenant. */
int skr_event_add(struct skr_txn *txn, const char *reason, const struct skr_object *object,
                  const struct skr_uuid *host_id, struct skr_error *error, const char *format, ...) SKR_PRINTF(6, 7);
/* An event that cannot be told without them: `message` is for the tenant, the format for the fabric. */
int skr_event_add_detail(struct skr_txn *txn, const char *reason, const struct skr_object *object,
                         const struct skr_uuid *host_id, const char *message, struct skr_error *error,
                         const char *format, ...) SKR_PRINTF(7, 8);
