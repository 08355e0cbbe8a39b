/* VM networks of isolation vlan and pvlan: one VLAN of one site. Their VM subnets are the site's subnets on that VLAN,
 * made and taken away by the rules of the site and of the VM network, never by a request. */
#include "controller/model/rules.h"

static const struct skr_query taken = {"SELECT id, name FROM vm_network WHERE network_site_id = ?1 AND vlan_id = ?2"};
static const struct skr_query sites_of = {"SELECT id FROM network_site WHERE logical_network_id = ?1 ORDER BY id"};
static const struct skr_query networks_of = {"SELECT id FROM vm_network WHERE network_site_id = ?1"};
static const struct skr_query subnets_of = {"SELECT id FROM vm_subnet WHERE vm_network_id = ?1"};
static const struct skr_query subnets_at = {
        "SELECT v.id FROM vm_network n JOIN vm_subnet v ON v.vm_network_id = n.id AND v.prefix = ?2 "
        "WHERE n.network_site_id = ?1"};
static const struct skr_query record_within = {
        "SELECT a.name FROM lookup_record l JOIN network_adapter a ON a.id = l.network_adapter_id "
        "WHERE l.vm_network_id = ?1 AND l.customer_address >= ?2 AND l.customer_address <= ?3 LIMIT 1"};
static const struct skr_query pools_at = {
        "SELECT id FROM ip_pool WHERE network_site_id = ?1 AND +subnet = ?2 ORDER BY id"};

static const struct skr_object *entry_of(const struct skr_object *site, uint32_t index)
{
    const struct skr_value *entries = &site->values[SKR_NETWORK_SITE_SUBNET_VLANS];
    return entries->type == SKR_VALUE_OBJECTS && index < entries->count ? entries->objects[index] : NULL;
}

static const struct skr_object *entry_with(const struct skr_object *site, int64_t vlan_id)
{
    const struct skr_object *entry;
    for (uint32_t i = 0; (entry = entry_of(site, i)); i++)
        if (skr_object_integer(entry, SKR_SUBNET_VLAN_VLAN_ID) == vlan_id)
            return entry;
    return NULL;
}

/* ---- site and VLAN of a new VM network ---- */

/* 1: a VM network has it, its name in `name`; 0: free. */
static int is_taken(struct skr_txn *txn, const struct skr_object *site, int64_t vlan_id, char name[static 128],
                    struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(site);
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &taken, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &id);
    skr_bind_integer(statement, 2, vlan_id);
    r = skr_step(statement, error);
    if (r > 0)
        snprintf(name, 128, "%.100s", skr_column_text(statement, 1));
    skr_statement_reset(statement);
    return r;
}

/* The first entry of the site that fits what is given and is free: 1 and *ret; 0: none. */
static int pick(struct skr_write *write, const struct skr_object *site, const struct skr_object **ret,
                struct skr_error *error)
{
    const struct skr_object *entry;
    bool given = skr_object_has(write->after, SKR_VM_NETWORK_VLAN_ID);
    int64_t wanted = skr_object_integer(write->after, SKR_VM_NETWORK_VLAN_ID);
    char name[128];
    for (uint32_t i = 0; (entry = entry_of(site, i)); i++) {
        int64_t vlan_id = skr_object_integer(entry, SKR_SUBNET_VLAN_VLAN_ID);
        int r = given && vlan_id != wanted ? 1 : is_taken(write->txn, site, vlan_id, name, error);
        if (r < 0)
            return r;
        if (r == 0) {
            *ret = entry;
            return 1;
        }
    }
    return 0;
}

static int explain(struct skr_write *write, const struct skr_object *site, struct skr_error *error)
{
    int64_t wanted = skr_object_integer(write->after, SKR_VM_NETWORK_VLAN_ID);
    char name[128] = "";
    if (!skr_object_has(write->after, SKR_VM_NETWORK_VLAN_ID))
        return skr_refuse(error, SKR_ERROR_EXHAUSTED, "/network_site_id",
                          "Every VLAN of site \"%.100s\" serves a VM network; add one to its subnet_vlans.",
                          skr_object_name(site));
    if (!entry_with(site, wanted))
        return skr_refuse(error, SKR_ERROR_INVALID, "/vlan_id",
                          "Site \"%.100s\" has no VLAN %lld; name one of its subnet_vlans or add this one there.",
                          skr_object_name(site), (long long)wanted);
    int r = is_taken(write->txn, site, wanted, name, error);
    if (r < 0)
        return r;
    return skr_refuse(error, SKR_ERROR_EXISTS, "/vlan_id",
                      "VLAN %lld of site \"%.100s\" serves VM network \"%.100s\"; choose another VLAN.",
                      (long long)wanted, skr_object_name(site), name);
}

static int take_entry(struct skr_write *write, const struct skr_object *site, const struct skr_object *entry,
                      struct skr_error *error)
{
    struct skr_uuid site_id = skr_object_id(site);
    bool given = skr_object_has(write->after, SKR_VM_NETWORK_SECONDARY_VLAN_ID);
    int64_t secondary = skr_object_integer(entry, SKR_SUBNET_VLAN_SECONDARY_VLAN_ID);
    int64_t vlan_id = skr_object_integer(entry, SKR_SUBNET_VLAN_VLAN_ID);
    if (given && skr_object_integer(write->after, SKR_VM_NETWORK_SECONDARY_VLAN_ID) != secondary)
        return skr_refuse(error, SKR_ERROR_INVALID, "/secondary_vlan_id",
                          secondary ? "The secondary VLAN of VLAN %lld is %lld; give this one or leave it out."
                                    : "VLAN %lld has no secondary VLAN; leave it out.",
                          (long long)vlan_id, (long long)secondary);
    skr_object_set_uuid(write->after, SKR_VM_NETWORK_NETWORK_SITE_ID, &site_id);
    skr_object_set_integer(write->after, SKR_VM_NETWORK_VLAN_ID, vlan_id);
    if (secondary)
        skr_object_set_integer(write->after, SKR_VM_NETWORK_SECONDARY_VLAN_ID, secondary);
    return 0;
}

int skr_vm_vlan_settle(struct skr_write *write, const struct skr_object *logical_network, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids sites = {0};
    struct skr_uuid network_id = skr_object_id(logical_network);
    struct skr_uuid given = skr_object_uuid(write->after, SKR_VM_NETWORK_NETWORK_SITE_ID);
    bool named = skr_object_has(write->after, SKR_VM_NETWORK_NETWORK_SITE_ID);
    int r = 0;
    if (named)
        skr_ids_add(&sites, &given);
    else
        r = skr_ids_query(write->txn, &sites_of, &network_id, &sites, error);
    for (size_t i = 0; r == 0 && i < sites.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *site = NULL;
        const struct skr_object *entry = NULL;
        r = skr_fetch(write->txn, SKR_NETWORK_SITE, &sites.items[i], &site, error);
        if (r < 0)
            return r;
        struct skr_uuid of = skr_object_uuid(site, SKR_NETWORK_SITE_LOGICAL_NETWORK_ID);
        if (!skr_uuid_equal(&of, &network_id))
            return skr_refuse(error, SKR_ERROR_REFERENCE, "/network_site_id",
                              "Site \"%.100s\" is not one of logical network \"%.100s\"; name one that is.",
                              skr_object_name(site), skr_object_name(logical_network));
        r = pick(write, site, &entry, error);
        if (r > 0)
            return take_entry(write, site, entry, error);
        if (r == 0 && named)
            return explain(write, site, error);
    }
    return r < 0 ? r
                 : skr_refuse(
                           error, SKR_ERROR_EXHAUSTED, "/network_site_id",
                           "No site of logical network \"%.100s\" has %s VLAN free; add one to the subnet_vlans of a "
                           "site.",
                           skr_object_name(logical_network),
                           skr_object_has(write->after, SKR_VM_NETWORK_VLAN_ID) ? "this" : "a");
}

/* ---- VM subnets ---- */

/* Reads all ids of a site's subnet before it returns, because the caller may use the same statement again. */
static int ids_of_subnet(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *site_id,
                         const struct skr_prefix *subnet, struct skr_ids *ids, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, site_id);
    skr_bind_prefix(statement, 2, subnet);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid id = skr_column_uuid(statement, 0);
        skr_ids_add(ids, &id);
    }
    skr_statement_reset(statement);
    return r;
}

/* The gateway with the lowest metric among the site's pools of the subnet: 1 and *ret, or 0. */
static int gateway_of(struct skr_txn *txn, const struct skr_uuid *site_id, const struct skr_prefix *subnet,
                      struct skr_address *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids pools = {0};
    int64_t best = INT64_MAX;
    int r = ids_of_subnet(txn, &pools_at, site_id, subnet, &pools, error);
    for (size_t i = 0; r == 0 && i < pools.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL;
        r = skr_fetch(txn, SKR_IP_POOL, &pools.items[i], &pool, error);
        const struct skr_value *gateways = r < 0 ? NULL : &pool->values[SKR_IP_POOL_GATEWAYS];
        for (uint32_t k = 0; gateways && k < gateways->count; k++) {
            int64_t metric = skr_object_integer(gateways->objects[k], SKR_GATEWAY_METRIC);
            if (metric >= best)
                continue;
            best = metric;
            *ret = skr_object_address(gateways->objects[k], SKR_GATEWAY_ADDRESS);
        }
    }
    return r < 0 ? r : best < INT64_MAX;
}

static int set_gateway(struct skr_txn *txn, const struct skr_uuid *site_id, struct skr_object *vm_subnet,
                       struct skr_error *error)
{
    struct skr_prefix prefix = skr_object_prefix(vm_subnet, SKR_VM_SUBNET_PREFIX);
    struct skr_address gateway;
    int r = gateway_of(txn, site_id, &prefix, &gateway, error);
    if (r > 0)
        skr_object_set_address(vm_subnet, SKR_VM_SUBNET_GATEWAY, &gateway);
    else
        skr_object_set_null(vm_subnet, SKR_VM_SUBNET_GATEWAY);
    return r < 0 ? r : 0;
}

static int add_subnet(struct skr_txn *txn, const struct skr_object *vm_network, const struct skr_uuid *site_id,
                      const struct skr_prefix *prefix, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *vm_subnet = skr_object_new(skr_resource_get(SKR_VM_SUBNET));
    struct skr_uuid network_id = skr_object_id(vm_network);
    char text[SKR_PREFIX_TEXT_MAX];
    skr_object_set_text(vm_subnet, SKR_FIELD_NAME, skr_prefix_format(prefix, text));
    skr_object_set_uuid(vm_subnet, SKR_VM_SUBNET_VM_NETWORK_ID, &network_id);
    skr_object_set_prefix(vm_subnet, SKR_VM_SUBNET_PREFIX, prefix);
    int r = set_gateway(txn, site_id, vm_subnet, error);
    return r < 0 ? r : skr_write_inner(txn, SKR_VM_SUBNET, NULL, vm_subnet, error);
}

static int drop_subnet(struct skr_txn *txn, const struct skr_uuid *network_id, struct skr_object *vm_subnet,
                       struct skr_error *error)
{
    struct skr_prefix prefix = skr_object_prefix(vm_subnet, SKR_VM_SUBNET_PREFIX);
    struct skr_address first = skr_prefix_first(&prefix), last = skr_prefix_last(&prefix);
    struct skr_statement *statement;
    char text[SKR_PREFIX_TEXT_MAX];
    int r = skr_txn_query(txn, &record_within, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, network_id);
    skr_bind_address(statement, 2, &first);
    skr_bind_address(statement, 3, &last);
    r = skr_step(statement, error);
    if (r > 0)
        r = skr_refuse(error, SKR_ERROR_IN_USE, "/subnet_vlans",
                       "Network adapter \"%.100s\" has an address in %s, which the site would lose; delete it first.",
                       skr_column_text(statement, 0), skr_prefix_format(&prefix, text));
    skr_statement_reset(statement);
    return r < 0 ? r : skr_write_inner(txn, SKR_VM_SUBNET, vm_subnet, NULL, error);
}

/* True when the site has the prefix on the VLAN. */
static bool is_on(const struct skr_object *site, int64_t vlan_id, const struct skr_prefix *prefix)
{
    const struct skr_object *entry = skr_network_site_subnet(site, prefix);
    return entry && skr_object_integer(entry, SKR_SUBNET_VLAN_VLAN_ID) == vlan_id;
}

int skr_vm_vlan_subnets(struct skr_txn *txn, const struct skr_object *vm_network, const struct skr_object *site,
                        struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    struct skr_uuid network_id = skr_object_id(vm_network), site_id = skr_object_id(site);
    int64_t vlan_id = skr_object_integer(vm_network, SKR_VM_NETWORK_VLAN_ID);
    bool present[SKR_SITE_SUBNETS_MAX] = {false};
    const struct skr_object *entry;
    int r = skr_ids_query(txn, &subnets_of, &network_id, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *vm_subnet = NULL;
        r = skr_fetch(txn, SKR_VM_SUBNET, &ids.items[i], &vm_subnet, error);
        if (r < 0)
            return r;
        struct skr_prefix prefix = skr_object_prefix(vm_subnet, SKR_VM_SUBNET_PREFIX);
        if (!is_on(site, vlan_id, &prefix))
            r = drop_subnet(txn, &network_id, vm_subnet, error);
        for (uint32_t k = 0; r == 0 && (entry = entry_of(site, k)); k++)
            present[k] |= entry == skr_network_site_subnet(site, &prefix);
    }
    for (uint32_t k = 0; r == 0 && (entry = entry_of(site, k)); k++) {
        struct skr_prefix prefix = skr_object_prefix(entry, SKR_SUBNET_VLAN_SUBNET);
        if (!present[k] && skr_object_has(entry, SKR_SUBNET_VLAN_SUBNET) && is_on(site, vlan_id, &prefix))
            r = add_subnet(txn, vm_network, &site_id, &prefix, error);
    }
    return r;
}

/* A secondary VLAN may change: the VM network takes the new one over. */
static int follow_secondary(struct skr_txn *txn, struct skr_object *vm_network, const struct skr_object *entry,
                            struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(vm_network);
    skr_value_clear(&after->values[SKR_VM_NETWORK_SECONDARY_VLAN_ID]);
    skr_value_copy(&after->values[SKR_VM_NETWORK_SECONDARY_VLAN_ID], &entry->values[SKR_SUBNET_VLAN_SECONDARY_VLAN_ID]);
    return skr_txn_update(txn, vm_network, after, error);
}

int skr_vm_vlan_site(struct skr_txn *txn, const struct skr_object *site, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids networks = {0};
    struct skr_uuid site_id = skr_object_id(site);
    int r = skr_ids_query(txn, &networks_of, &site_id, &networks, error);
    for (size_t i = 0; r == 0 && i < networks.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *vm_network = NULL;
        r = skr_fetch(txn, SKR_VM_NETWORK, &networks.items[i], &vm_network, error);
        if (r < 0)
            return r;
        int64_t vlan_id = skr_object_integer(vm_network, SKR_VM_NETWORK_VLAN_ID);
        const struct skr_object *entry = entry_with(site, vlan_id);
        if (!entry)
            return skr_refuse(error, SKR_ERROR_IN_USE, "/subnet_vlans",
                              "VLAN %lld serves VM network \"%.100s\"; delete the VM network before the VLAN.",
                              (long long)vlan_id, skr_object_name(vm_network));
        r = follow_secondary(txn, vm_network, entry, error);
        if (r == 0)
            r = skr_vm_vlan_subnets(txn, vm_network, site, error);
    }
    return r;
}

int skr_vm_vlan_gateway(struct skr_txn *txn, const struct skr_uuid *site_id, const struct skr_prefix *subnet,
                        struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = ids_of_subnet(txn, &subnets_at, site_id, subnet, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *vm_subnet = NULL, *after = NULL;
        r = skr_fetch(txn, SKR_VM_SUBNET, &ids.items[i], &vm_subnet, error);
        if (r < 0)
            return r;
        after = skr_object_copy(vm_subnet);
        r = set_gateway(txn, site_id, after, error);
        if (r == 0)
            r = skr_txn_update(txn, vm_subnet, after, error);
    }
    return r;
}
