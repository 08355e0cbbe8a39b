/* Where an adapter's addresses are from. With network virtualization: its VM subnet and that one's pools. On a VLAN:
 * the VM subnets of the VLAN, and the pools of the site for their prefixes. In a network that passes through: the
 * subnets of one VLAN of the site that is nearest to its host; without a host nothing is known yet but the logical
 * network. */
#pragma once

#include "controller/model/rules.h"

struct skr_home {
    struct skr_object *vm_network;
    struct skr_object *vm_subnet; /* NULL: the VM network has none */
    struct skr_object *site;      /* NULL: virtualized, or not known without a host */
    int64_t vlan_id;              /* -1: likewise */
};

/* Judges vm_subnet_id and vlan_id of the adapter on the way. The host, if any, must reach the VM network. */
int skr_home_load(struct skr_txn *txn, const struct skr_object *adapter, struct skr_home *ret, struct skr_error *error);
void skr_home_cleanup(struct skr_home *home);
/* The VLAN at the site: the one that is wanted, else (`wanted` NULL) its only one. `pointer` is to blame. */
int skr_home_choose_vlan(struct skr_txn *txn, const struct skr_object *site, const int64_t *wanted, const char *pointer,
                         int64_t *ret, struct skr_error *error);
/* NULL, or why an adapter here cannot have the address; fits "<address> <why> <*ret_of>". */
int skr_home_refuses(struct skr_txn *txn, const struct skr_home *home, const struct skr_address *address,
                     const char **ret_why, char ret_of[static 128], struct skr_error *error);
/* Pools by id. `any`: all that could have an address of the adapter; else those a new address is from. */
int skr_home_pools(struct skr_txn *txn, const struct skr_home *home, bool any, struct skr_ids *ids,
                   struct skr_error *error);
/* Pools that could have an address of the adapter, as it is stored. */
int skr_home_pools_of(struct skr_txn *txn, const struct skr_object *adapter, struct skr_ids *ids,
                      struct skr_error *error);
