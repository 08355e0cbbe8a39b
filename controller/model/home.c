#include "controller/model/home.h"
#include "controller/model/reach.h"

static const struct skr_query pools_at_site = {"SELECT id, subnet FROM ip_pool WHERE network_site_id = ?1 ORDER BY id"};
static const struct skr_query subnets_of_network = {"SELECT id FROM vm_subnet WHERE vm_network_id = ?1 LIMIT 2"};
static const struct skr_query site_subnets = {
        "SELECT v.subnet FROM network_site s JOIN network_site_subnet_vlans v ON v.owner_id = s.id "
        "WHERE s.logical_network_id = ?1 AND v.subnet IS NOT NULL"};
static const struct skr_query bare_on_host = {
        "SELECT a.id FROM network_adapter a JOIN vm_network n ON n.id = a.vm_network_id "
        "WHERE a.host_id = ?1 AND n.isolation <> 'network_virtualization'"};

bool skr_vm_network_is_virtualized(const struct skr_object *vm_network)
{
    return !strcmp(skr_object_text(vm_network, SKR_VM_NETWORK_ISOLATION), "network_virtualization");
}

void skr_home_cleanup(struct skr_home *home)
{
    skr_object_unref(home->vm_network);
    skr_object_unref(home->vm_subnet);
    skr_object_unref(home->site);
}

static uint32_t entry_count(const struct skr_object *site)
{
    const struct skr_value *entries = &site->values[SKR_NETWORK_SITE_SUBNET_VLANS];
    return entries->type == SKR_VALUE_OBJECTS ? entries->count : 0;
}

static const struct skr_object *entry_at(const struct skr_object *site, uint32_t index)
{
    return site->values[SKR_NETWORK_SITE_SUBNET_VLANS].objects[index];
}

/* ---- VM subnet ---- */

static int load_subnet(struct skr_txn *txn, const struct skr_object *adapter, struct skr_home *home,
                       struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids subnets = {0};
    struct skr_uuid network_id = skr_object_id(home->vm_network);
    const char *name = skr_object_name(home->vm_network);
    if (skr_object_has(adapter, SKR_NETWORK_ADAPTER_VM_SUBNET_ID)) {
        struct skr_uuid id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_VM_SUBNET_ID);
        int r = skr_fetch(txn, SKR_VM_SUBNET, &id, &home->vm_subnet, error);
        if (r < 0)
            return r;
        struct skr_uuid of = skr_object_uuid(home->vm_subnet, SKR_VM_SUBNET_VM_NETWORK_ID);
        if (skr_uuid_equal(&network_id, &of))
            return 0;
        return skr_refuse(error, SKR_ERROR_REFERENCE, "/vm_subnet_id",
                          "VM subnet \"%.100s\" is not one of VM network \"%.100s\"; name one that is.",
                          skr_object_name(home->vm_subnet), name);
    }
    if (skr_vm_network_is_virtualized(home->vm_network))
        return skr_refuse(error, SKR_ERROR_INVALID, "/vm_subnet_id",
                          "Name the VM subnet of VM network \"%.100s\" that the adapter is in.", name);
    int r = skr_ids_query(txn, &subnets_of_network, &network_id, &subnets, error);
    if (r < 0 || !subnets.count)
        return r;
    if (subnets.count > 1)
        return skr_refuse(error, SKR_ERROR_INVALID, "/vm_subnet_id",
                          "VM network \"%.100s\" has several VM subnets; name the one that the adapter is in.", name);
    return skr_fetch(txn, SKR_VM_SUBNET, &subnets.items[0], &home->vm_subnet, error);
}

/* ---- VLAN ---- */

int skr_home_choose_vlan(struct skr_txn *txn, const struct skr_object *site, const int64_t *wanted, const char *pointer,
                         int64_t *ret, struct skr_error *error)
{
    const char *name = skr_object_name(site);
    int64_t vlan_id = -1;
    bool blind = !skr_asker_sees(txn, site); /* its VLANs are the fabric's too */
    for (uint32_t i = 0; i < entry_count(site); i++) {
        int64_t other = skr_object_integer(entry_at(site, i), SKR_SUBNET_VLAN_VLAN_ID);
        if (!wanted && vlan_id >= 0 && other != vlan_id && blind)
            return skr_error_set(error, SKR_ERROR_CONFLICT,
                                 "Where the adapter is there are several VLANs; ask an administrator to name its own.");
        if (!wanted && vlan_id >= 0 && other != vlan_id)
            return skr_refuse(error, SKR_ERROR_INVALID, pointer,
                              "Site \"%.100s\" has several VLANs, %lld and %lld among them; name the adapter's.", name,
                              (long long)vlan_id, (long long)other);
        if (!wanted || other == *wanted)
            vlan_id = other;
    }
    if (wanted && vlan_id < 0 && blind)
        return skr_error_set(error, SKR_ERROR_CONFLICT,
                             "Where the adapter is its VLAN is not; ask an administrator to name another.");
    if (wanted && vlan_id < 0)
        return skr_refuse(error, SKR_ERROR_CONFLICT, pointer,
                          "Site \"%.100s\", where the adapter's host is, has no VLAN %lld; name one of its own.", name,
                          (long long)*wanted);
    *ret = vlan_id < 0 ? 0 : vlan_id; /* a site that lists nothing is untagged */
    return 0;
}

/* In a network that passes through the host's site decides, and where it has several VLANs the adapter. */
static int choose_vlan(struct skr_txn *txn, const struct skr_object *adapter, struct skr_home *home,
                       struct skr_error *error)
{
    int64_t wanted = skr_object_integer(adapter, SKR_NETWORK_ADAPTER_VLAN_ID);
    bool named = skr_object_has(adapter, SKR_NETWORK_ADAPTER_VLAN_ID);
    return skr_home_choose_vlan(txn, home->site, named ? &wanted : NULL, "/vlan_id", &home->vlan_id, error);
}

static int load_site(struct skr_txn *txn, const struct skr_object *adapter, struct skr_home *home,
                     struct skr_error *error)
{
    SKR_CLEANUP(skr_reach_cleanup) struct skr_reach reach = {0};
    const struct skr_object *network = home->vm_network;
    struct skr_uuid host_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID), site_id;
    const struct skr_reach_uplink *uplink = NULL;
    if (skr_object_has(network, SKR_VM_NETWORK_NETWORK_SITE_ID)) {
        site_id = skr_object_uuid(network, SKR_VM_NETWORK_NETWORK_SITE_ID);
        home->vlan_id = skr_object_integer(network, SKR_VM_NETWORK_VLAN_ID);
        return skr_fetch(txn, SKR_NETWORK_SITE, &site_id, &home->site, error);
    }
    if (!skr_object_has(adapter, SKR_NETWORK_ADAPTER_HOST_ID))
        return 0;
    int r = skr_reach_load(txn, &host_id, &reach, error);
    if (r == 0)
        r = skr_reach_vm_network(txn, &reach, network, &site_id, &uplink, error);
    if (r < 0 || !uplink)
        return r;
    r = skr_fetch(txn, SKR_NETWORK_SITE, &site_id, &home->site, error);
    return r < 0 ? r : choose_vlan(txn, adapter, home, error);
}

int skr_home_load(struct skr_txn *txn, const struct skr_object *adapter, struct skr_home *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_home_cleanup) struct skr_home home = {.vlan_id = -1};
    struct skr_uuid network_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    int r = skr_fetch(txn, SKR_VM_NETWORK, &network_id, &home.vm_network, error);
    if (r < 0)
        return r;
    bool passes = !strcmp(skr_object_text(home.vm_network, SKR_VM_NETWORK_ISOLATION), "none");
    if (!passes && skr_object_has(adapter, SKR_NETWORK_ADAPTER_VLAN_ID))
        return skr_refuse(error, SKR_ERROR_INVALID, "/vlan_id",
                          "Only adapters of VM networks with isolation \"none\" name a VLAN; leave it out.");
    r = load_subnet(txn, adapter, &home, error);
    if (r == 0 && !skr_vm_network_is_virtualized(home.vm_network))
        r = load_site(txn, adapter, &home, error);
    if (r < 0)
        return r;
    *ret = home;
    home = (struct skr_home){0};
    return 0;
}

/* ---- addresses ---- */

/* Without a host any site of the logical network may become the adapter's. */
static int check_anywhere(struct skr_txn *txn, const struct skr_home *home, const struct skr_address *address,
                          const char **ret_why, struct skr_error *error)
{
    struct skr_uuid id = skr_object_uuid(home->vm_network, SKR_VM_NETWORK_LOGICAL_NETWORK_ID);
    struct skr_statement *statement;
    bool some = false, fits = false;
    int r = skr_txn_query(txn, &site_subnets, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &id);
    while (!fits && (r = skr_step(statement, error)) > 0) {
        struct skr_prefix subnet = skr_column_prefix(statement, 0);
        some = true;
        fits = skr_prefix_contains(&subnet, address) && !skr_prefix_is_edge(&subnet, address);
    }
    skr_statement_reset(statement);
    *ret_why = some && !fits ? "is in no subnet of the logical network of" : NULL;
    return r < 0 ? r : 0;
}

static const char *check_site(const struct skr_home *home, const struct skr_address *address)
{
    bool some = false;
    for (uint32_t i = 0; i < entry_count(home->site); i++) {
        const struct skr_object *entry = entry_at(home->site, i);
        struct skr_prefix subnet = skr_object_prefix(entry, SKR_SUBNET_VLAN_SUBNET);
        if (skr_object_integer(entry, SKR_SUBNET_VLAN_VLAN_ID) != home->vlan_id ||
            !skr_object_has(entry, SKR_SUBNET_VLAN_SUBNET))
            continue;
        some = true;
        if (skr_prefix_contains(&subnet, address))
            return skr_prefix_is_edge(&subnet, address) ? "is the network or broadcast address of a subnet of" : NULL;
    }
    return some ? "is outside of the subnets on the adapter's VLAN of" : NULL;
}

static int check_gateways(struct skr_txn *txn, const struct skr_home *home, const struct skr_address *address,
                          const char **ret_why, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids pools = {0};
    int r = skr_home_pools(txn, home, true, &pools, error);
    for (size_t i = 0; r == 0 && !*ret_why && i < pools.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL;
        r = skr_fetch(txn, SKR_IP_POOL, &pools.items[i], &pool, error);
        const struct skr_value *gateways = r < 0 ? NULL : &pool->values[SKR_IP_POOL_GATEWAYS];
        for (uint32_t k = 0; gateways && k < gateways->count; k++) {
            struct skr_address gateway = skr_object_address(gateways->objects[k], SKR_GATEWAY_ADDRESS);
            if (!skr_address_compare(&gateway, address))
                *ret_why = "is a gateway of";
        }
    }
    return r;
}

int skr_home_refuses(struct skr_txn *txn, const struct skr_home *home, const struct skr_address *address,
                     const char **ret_why, char ret_of[static 128], struct skr_error *error)
{
    const char *why = NULL;
    int r = 0;
    if (skr_vm_network_is_virtualized(home->vm_network)) {
        struct skr_prefix prefix = skr_object_prefix(home->vm_subnet, SKR_VM_SUBNET_PREFIX);
        char text[SKR_PREFIX_TEXT_MAX];
        snprintf(ret_of, 128, "%s", skr_prefix_format(&prefix, text));
        why = skr_vm_subnet_refuses(home->vm_subnet, address);
    } else if (!skr_address_is_host(address)) {
        snprintf(ret_of, 128, "a VM");
        why = "cannot be the address of";
    } else if (home->site) {
        snprintf(ret_of, 128, "its network site"); /* whose name is not for tenants, nor in events that they read */
        why = check_site(home, address);
        if (!why)
            r = check_gateways(txn, home, address, &why, error);
    } else {
        snprintf(ret_of, 128, "VM network \"%.100s\"", skr_object_name(home->vm_network));
        r = check_anywhere(txn, home, address, &why, error);
    }
    if (r == 0)
        *ret_why = why;
    return r;
}

int skr_home_pools(struct skr_txn *txn, const struct skr_home *home, bool any, struct skr_ids *ids,
                   struct skr_error *error)
{
    struct skr_statement *statement;
    if (skr_vm_network_is_virtualized(home->vm_network)) {
        struct skr_uuid subnet_id = skr_object_id(home->vm_subnet);
        return skr_ip_pools_of_subnet(txn, &subnet_id, ids, error);
    }
    if (!home->site)
        return 0;
    struct skr_uuid site_id = skr_object_id(home->site);
    bool one = home->vm_subnet && !any;
    struct skr_prefix own = one ? skr_object_prefix(home->vm_subnet, SKR_VM_SUBNET_PREFIX) : (struct skr_prefix){0};
    int r = skr_txn_query(txn, &pools_at_site, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &site_id);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid id = skr_column_uuid(statement, 0);
        struct skr_prefix subnet = skr_column_prefix(statement, 1);
        const struct skr_object *entry = skr_network_site_subnet(home->site, &subnet);
        bool here = entry && skr_object_integer(entry, SKR_SUBNET_VLAN_VLAN_ID) == home->vlan_id;
        if (here && (!one || (own.length == subnet.length && !skr_address_compare(&own.address, &subnet.address))))
            skr_ids_add(ids, &id);
    }
    skr_statement_reset(statement);
    return r;
}

int skr_home_pools_of(struct skr_txn *txn, const struct skr_object *adapter, struct skr_ids *ids,
                      struct skr_error *error)
{
    SKR_CLEANUP(skr_home_cleanup) struct skr_home home = {0};
    int r = skr_home_load(txn, adapter, &home, error);
    return r < 0 ? r : skr_home_pools(txn, &home, true, ids, error);
}

/* ---- hosts ---- */

static int check_adapter(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_object *adapter,
                         const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_home_cleanup) struct skr_home home = {0};
    const struct skr_value *addresses = &adapter->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES];
    const struct skr_reach_uplink *uplink = NULL;
    struct skr_uuid site_id;
    struct skr_error failed = {0};
    int r = skr_home_load(txn, adapter, &home, &failed);
    bool fits = r == 0;
    if (r < 0 && !skr_error_is_refusal(&failed)) {
        *error = failed;
        return r;
    }
    r = fits ? skr_reach_vm_network(txn, reach, home.vm_network, &site_id, &uplink, error) : 0;
    fits = fits && uplink;
    for (uint32_t i = 0; r == 0 && fits && addresses->type == SKR_VALUE_ADDRESSES && i < addresses->count; i++) {
        const char *why = NULL;
        char of[128];
        r = skr_home_refuses(txn, &home, &addresses->addresses[i], &why, of, error);
        fits = r < 0 || !why;
    }
    if (r < 0 || fits)
        return r;
    return skr_refuse(error, SKR_ERROR_IN_USE, pointer,
                      "Network adapter \"%.100s\" on host \"%.100s\" would lose its site, VLAN or subnet; take it off "
                      "the host first.",
                      skr_object_name(adapter), skr_object_name(reach->host));
}

int skr_home_check_host(struct skr_txn *txn, const struct skr_object *host, const char *pointer,
                        struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids adapters = {0};
    SKR_CLEANUP(skr_reach_cleanup) struct skr_reach reach = {0};
    struct skr_uuid id = skr_object_id(host);
    if (!skr_host_in_service(host))
        return 0;
    int r = skr_host_switch_check_host(txn, host, pointer, error);
    if (r == 0)
        r = skr_ids_query(txn, &bare_on_host, &id, &adapters, error);
    if (r == 0 && adapters.count)
        r = skr_reach_load(txn, &id, &reach, error);
    for (size_t i = 0; r == 0 && i < adapters.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
        r = skr_fetch(txn, SKR_NETWORK_ADAPTER, &adapters.items[i], &adapter, error);
        if (r == 0)
            r = check_adapter(txn, &reach, adapter, pointer, error);
    }
    return r;
}
