/* Reach says which network sites a host reaches, by which uplink, and which host switch an adapter is on there. An
 * interface that a host switch uses reaches what its uplink port profile lists; any other uplink reaches what the host
 * says of it, by default every site that covers the host's group. Among several sites of a logical network the nearest
 * to the host counts. */
#pragma once

#include "controller/model/rules.h"

struct skr_reach_uplink {
    const char *interface;            /* of a team: its first */
    const struct skr_object *own;     /* entry of host.uplinks[]; NULL: the profile decides, or nothing is said of it */
    const struct skr_object *profile; /* uplink port profile; NULL: `own` decides */
    const struct skr_object *switched; /* host switch; NULL: none uses the interface */
};

struct skr_reach {
    struct skr_object *host;
    struct skr_ids groups; /* its host group and those above, nearest first */
    struct skr_reach_uplink *uplinks;
    size_t count;
    struct skr_object **kept; /* what the uplinks point to */
    size_t kept_count;
};

int skr_reach_load(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_reach *ret, struct skr_error *error);
void skr_reach_cleanup(struct skr_reach *reach);

/* How near the site is: position in `groups`; -ENOENT: it does not cover the host, or the uplink does not reach it. */
int skr_reach_distance(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_reach_uplink *uplink,
                       const struct skr_uuid *site_id, struct skr_error *error);
/* The uplink that reaches the site, one of a host switch before others; NULL: none. */
int skr_reach_site(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_uuid *site_id,
                   const struct skr_reach_uplink **ret, struct skr_error *error);
/* Where a VM network is for this host: its own site, the nearest one, or with network virtualization the one the host
 * has a provider address of. *ret NULL: nowhere. */
int skr_reach_vm_network(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_object *vm_network,
                         struct skr_uuid *ret_site_id, const struct skr_reach_uplink **ret, struct skr_error *error);
