#include "controller/model/rules.h"

static const struct skr_query subnets_of_network = {
        "SELECT s.id, s.name, v.subnet FROM network_site s JOIN network_site_subnet_vlans v ON v.owner_id = s.id "
        "WHERE s.logical_network_id = ?1 AND v.subnet IS NOT NULL"};
static const struct skr_query other_site_of_group = {
        "SELECT s.id, s.name FROM network_site_host_group_ids l JOIN network_site s ON s.id = l.owner_id "
        "WHERE l.target_id = ?1 AND s.logical_network_id = ?2 AND s.id <> ?3 LIMIT 1"};
static const struct skr_query covers = {
        "SELECT owner_id FROM network_site_host_group_ids WHERE target_id = ?1 AND owner_id = ?2"};
static const struct skr_query pools_of_site = {"SELECT id, name, subnet FROM ip_pool WHERE network_site_id = ?1"};
static const struct skr_query addresses_of_site = {"SELECT id FROM provider_address WHERE network_site_id = ?1"};

/* Hosts of adapters in the VM network that passes through the site's logical network, one row an adapter. */
static const struct skr_query hosts_passing = {
        "SELECT a.host_id FROM network_site s JOIN vm_network n ON n.logical_network_id = s.logical_network_id "
        "AND n.isolation = 'none' JOIN network_adapter a ON a.vm_network_id = n.id "
        "WHERE s.id = ?1 AND a.host_id IS NOT NULL"};

static const struct skr_query hosts_at = {
        "SELECT s.host_id FROM host_switch_host_adapters a JOIN host_switch s ON s.id = a.owner_id "
        "WHERE a.network_site_id = ?1"};

static const struct skr_value *subnets(const struct skr_object *site)
{
    return &site->values[SKR_NETWORK_SITE_SUBNET_VLANS];
}

static uint32_t subnet_count(const struct skr_object *site)
{
    return subnets(site)->type == SKR_VALUE_OBJECTS ? subnets(site)->count : 0;
}

const struct skr_object *skr_network_site_subnet(const struct skr_object *site, const struct skr_prefix *subnet)
{
    for (uint32_t i = 0; i < subnet_count(site); i++) {
        const struct skr_object *entry = subnets(site)->objects[i];
        struct skr_prefix prefix = skr_object_prefix(entry, SKR_SUBNET_VLAN_SUBNET);
        if (skr_object_has(entry, SKR_SUBNET_VLAN_SUBNET) && prefix.length == subnet->length &&
            !skr_address_compare(&prefix.address, &subnet->address))
            return entry;
    }
    return NULL;
}

int skr_network_site_covers(struct skr_txn *txn, const struct skr_uuid *site_id, const struct skr_ids *chain,
                            struct skr_error *error)
{
    for (size_t i = 0; i < chain->count; i++) {
        int r = skr_find(txn, &covers, &chain->items[i], site_id, NULL, error);
        if (r)
            return r;
    }
    return 0;
}

int skr_network_site_hosts(struct skr_txn *txn, const struct skr_object *site, struct skr_ids *hosts,
                           struct skr_error *error)
{
    const struct skr_value *groups = &site->values[SKR_NETWORK_SITE_HOST_GROUP_IDS];
    for (uint32_t i = 0; groups->type == SKR_VALUE_UUIDS && i < groups->count; i++) {
        int r = skr_host_group_hosts(txn, &groups->uuids[i], hosts, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Two sites of one network for the same group would both be nearest to its hosts. */
static int check_distance(struct skr_txn *txn, const struct skr_object *site, const char *pointer,
                          struct skr_error *error)
{
    const struct skr_value *groups = &site->values[SKR_NETWORK_SITE_HOST_GROUP_IDS];
    struct skr_uuid id = skr_object_id(site), network_id = skr_object_uuid(site, SKR_NETWORK_SITE_LOGICAL_NETWORK_ID);
    for (uint32_t i = 0; groups->type == SKR_VALUE_UUIDS && i < groups->count; i++) {
        struct skr_statement *statement;
        int r = skr_txn_query(txn, &other_site_of_group, &statement, error);
        if (r < 0)
            return r;
        skr_bind_uuid(statement, 1, &groups->uuids[i]);
        skr_bind_uuid(statement, 2, &network_id);
        skr_bind_uuid(statement, 3, &id);
        r = skr_step(statement, error);
        if (r > 0) {
            char place[SKR_ERROR_POINTER_MAX];
            r = skr_refuse(
                    error, SKR_ERROR_CONFLICT, pointer ? pointer : skr_pointer(place, "host_group_ids", i, NULL),
                    "Site \"%.100s\" of the same logical network already serves this host group, so neither would "
                    "be nearer to its hosts; take the group out of one of them.",
                    skr_column_text(statement, 1));
        }
        skr_statement_reset(statement);
        if (r < 0)
            return r;
    }
    return 0;
}

int skr_network_site_check_virtualized(struct skr_txn *txn, const struct skr_object *site, const char *pointer,
                                       struct skr_error *error)
{
    char place[SKR_ERROR_POINTER_MAX];
    if (!subnet_count(site))
        return skr_refuse(error, SKR_ERROR_INVALID, pointer ? pointer : "/subnet_vlans",
                          "Site \"%.100s\" needs at least one subnet: provider addresses come from it.",
                          skr_object_name(site));
    for (uint32_t i = 0; i < subnet_count(site); i++)
        if (!skr_object_has(subnets(site)->objects[i], SKR_SUBNET_VLAN_SUBNET))
            return skr_refuse(
                    error, SKR_ERROR_INVALID, pointer ? pointer : skr_pointer(place, "subnet_vlans", i, "subnet"),
                    "Site \"%.100s\" needs a subnet here: with network virtualization provider addresses come "
                    "from it.",
                    skr_object_name(site));
    return check_distance(txn, site, pointer, error);
}

static int64_t vlan_of(const struct skr_object *site, uint32_t index)
{
    return skr_object_integer(subnets(site)->objects[index], SKR_SUBNET_VLAN_VLAN_ID);
}

static int64_t secondary_of(const struct skr_object *site, uint32_t index)
{
    return skr_object_integer(subnets(site)->objects[index], SKR_SUBNET_VLAN_SECONDARY_VLAN_ID);
}

/* One primary VLAN serves one isolated private VLAN, and no VLAN is both. */
static int check_private(const struct skr_object *site, uint32_t index, struct skr_error *error)
{
    int64_t primary = vlan_of(site, index), secondary = secondary_of(site, index);
    char place[SKR_ERROR_POINTER_MAX];
    skr_pointer(place, "subnet_vlans", index, "secondary_vlan_id");
    if (!primary || !secondary || primary == secondary)
        return skr_refuse(
                error, SKR_ERROR_INVALID, place,
                "A private VLAN has a VLAN and a secondary VLAN, both from 1 to 4094 and different; give both.");
    for (uint32_t i = 0; i < index; i++) {
        int64_t other = vlan_of(site, i), other_secondary = secondary_of(site, i);
        if ((other == primary) != (other_secondary == secondary))
            return skr_refuse(error, SKR_ERROR_CONFLICT, place,
                              "VLAN %lld with secondary VLAN %lld is in the way of %lld with %lld: one VLAN has one "
                              "secondary VLAN, and a secondary VLAN one VLAN.",
                              (long long)other, (long long)other_secondary, (long long)primary, (long long)secondary);
        if (other == secondary || other_secondary == primary)
            return skr_refuse(error, SKR_ERROR_CONFLICT, place,
                              "VLAN %lld cannot be a VLAN and a secondary VLAN at once.",
                              (long long)(other == secondary ? secondary : primary));
    }
    return 0;
}

static int check_subnet(const struct skr_object *site, uint32_t index, struct skr_error *error)
{
    struct skr_prefix prefix = skr_object_prefix(subnets(site)->objects[index], SKR_SUBNET_VLAN_SUBNET);
    char place[SKR_ERROR_POINTER_MAX], text[SKR_PREFIX_TEXT_MAX];
    bool v4 = skr_prefix_is_v4(&prefix);
    skr_pointer(place, "subnet_vlans", index, "subnet");
    if (prefix.length < (v4 ? 8 : 16) || prefix.length > (v4 ? 30 : 126))
        return skr_refuse(error, SKR_ERROR_INVALID, place,
                          "%s is no usable subnet; subnets of sites are /8 to /30 in IPv4 and /16 to /126 in IPv6.",
                          skr_prefix_format(&prefix, text));
    struct skr_address first = skr_prefix_first(&prefix);
    if (!skr_address_is_host(&first))
        return skr_refuse(error, SKR_ERROR_INVALID, place,
                          "%s holds no addresses that hosts can have; use the subnet of the physical network.",
                          skr_prefix_format(&prefix, text));
    for (uint32_t i = 0; i < index; i++) {
        struct skr_prefix other = skr_object_prefix(subnets(site)->objects[i], SKR_SUBNET_VLAN_SUBNET);
        if (skr_object_has(subnets(site)->objects[i], SKR_SUBNET_VLAN_SUBNET) && skr_prefix_overlaps(&prefix, &other))
            return skr_refuse(error, SKR_ERROR_CONFLICT, place, "%s overlaps another subnet of this site.",
                              skr_prefix_format(&prefix, text));
    }
    return 0;
}

static int check_entry(const struct skr_object *site, const struct skr_object *network, uint32_t index,
                       struct skr_error *error)
{
    const struct skr_object *entry = subnets(site)->objects[index];
    bool private = !strcmp(skr_object_text(network, SKR_LOGICAL_NETWORK_ISOLATION), "pvlan");
    char place[SKR_ERROR_POINTER_MAX];
    if (!private && skr_object_has(entry, SKR_SUBNET_VLAN_SECONDARY_VLAN_ID))
        return skr_refuse(error, SKR_ERROR_INVALID, skr_pointer(place, "subnet_vlans", index, "secondary_vlan_id"),
                          "A secondary VLAN belongs to logical networks with isolation \"pvlan\"; leave it out.");
    int r = private ? check_private(site, index, error) : 0;
    if (r < 0)
        return r;
    if (skr_object_has(entry, SKR_SUBNET_VLAN_SUBNET))
        return check_subnet(site, index, error);
    for (uint32_t i = 0; i < subnet_count(site); i++)
        if (i != index && vlan_of(site, i) == vlan_of(site, index))
            return skr_refuse(error, SKR_ERROR_INVALID, skr_pointer(place, "subnet_vlans", index, "subnet"),
                              "VLAN %lld stands here without a subnet and elsewhere too; keep one of them.",
                              (long long)vlan_of(site, index));
    return 0;
}

/* Sites of a connected network reach each other, so a subnet may exist only once in it. */
static int check_overlap(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(write->after);
    struct skr_uuid network_id = skr_object_uuid(write->after, SKR_NETWORK_SITE_LOGICAL_NETWORK_ID);
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, &subnets_of_network, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &network_id);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid other_id = skr_column_uuid(statement, 0);
        struct skr_prefix other = skr_column_prefix(statement, 2);
        for (uint32_t i = 0; !skr_uuid_equal(&other_id, &id) && i < subnet_count(write->after); i++) {
            const struct skr_object *entry = subnets(write->after)->objects[i];
            struct skr_prefix prefix = skr_object_prefix(entry, SKR_SUBNET_VLAN_SUBNET);
            if (!skr_object_has(entry, SKR_SUBNET_VLAN_SUBNET) || !skr_prefix_overlaps(&prefix, &other))
                continue;
            char place[SKR_ERROR_POINTER_MAX], text[SKR_PREFIX_TEXT_MAX], other_text[SKR_PREFIX_TEXT_MAX];
            r = skr_refuse(error, SKR_ERROR_CONFLICT, skr_pointer(place, "subnet_vlans", i, "subnet"),
                           "%s overlaps %s of site \"%.100s\" in the same logical network; choose another subnet.",
                           skr_prefix_format(&prefix, text), skr_prefix_format(&other, other_text),
                           skr_column_text(statement, 1));
            skr_statement_reset(statement);
            return r;
        }
    }
    skr_statement_reset(statement);
    return r;
}

/* A subnet with pools stays; its provider addresses come from these pools, so they are covered by this. */
static int check_dropped(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(write->after);
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, &pools_of_site, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &id);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_prefix subnet = skr_column_prefix(statement, 2);
        char text[SKR_PREFIX_TEXT_MAX];
        if (skr_network_site_subnet(write->after, &subnet))
            continue;
        r = skr_refuse(error, SKR_ERROR_IN_USE, "/subnet_vlans",
                       "IP pool \"%.100s\" is in %s, which the site would lose; delete the pool first.",
                       skr_column_text(statement, 1), skr_prefix_format(&subnet, text));
        break;
    }
    skr_statement_reset(statement);
    return r;
}

/* "<logical network>_<n>" with the lowest n that is free. */
static int assign_name(struct skr_write *write, const struct skr_object *network, struct skr_error *error)
{
    struct skr_uuid network_id = skr_object_id(network), other;
    for (unsigned n = 0; n <= 100000; n++) {
        char name[4 * SKR_NAME_MAX + 16];
        snprintf(name, sizeof(name), "%.1000s_%u", skr_object_name(network), n);
        int r = skr_name_find(write->txn, SKR_NETWORK_SITE, name, &network_id, &other, error);
        if (r < 0)
            return r;
        if (r == 0) {
            skr_object_set_text(write->after, SKR_FIELD_NAME, name);
            return 0;
        }
    }
    return skr_refuse(error, SKR_ERROR_LIMIT, "/name", "No default name is free; give the site a name.");
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    struct skr_uuid network_id = skr_object_uuid(write->after, SKR_NETWORK_SITE_LOGICAL_NETWORK_ID);
    int r = skr_fetch(write->txn, SKR_LOGICAL_NETWORK, &network_id, &network, error);
    if (r == 0 && !skr_object_has(write->after, SKR_FIELD_NAME))
        r = assign_name(write, network, error);
    if (r < 0)
        return r;
    if (subnet_count(write->after) > SKR_SITE_SUBNETS_MAX)
        return skr_refuse(error, SKR_ERROR_LIMIT, "/subnet_vlans", "A site has at most %d subnets.",
                          SKR_SITE_SUBNETS_MAX);
    bool connected = !strcmp(skr_object_text(network, SKR_LOGICAL_NETWORK_ISOLATION), "connected");
    for (uint32_t i = 0; r == 0 && i < subnet_count(write->after); i++)
        r = check_entry(write->after, network, i, error);
    if (r == 0 && connected && skr_write_changes(write, SKR_NETWORK_SITE_SUBNET_VLANS))
        r = check_overlap(write, error);
    if (r == 0 && write->before && skr_write_changes(write, SKR_NETWORK_SITE_SUBNET_VLANS))
        r = check_dropped(write, error);
    if (r == 0 && skr_object_integer(network, SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION))
        return skr_network_site_check_virtualized(write->txn, write->after, NULL, error);
    if (r == 0 && connected && skr_write_changes(write, SKR_NETWORK_SITE_HOST_GROUP_IDS))
        r = check_distance(write->txn, write->after, NULL, error);
    return r;
}

/* Hosts below groups that one image has and the other has not. */
static int changed_hosts(struct skr_write *write, struct skr_ids *hosts, struct skr_error *error)
{
    int r = 0;
    if (write->before)
        r = skr_network_site_hosts(write->txn, write->before, hosts, error);
    if (r == 0 && write->after)
        r = skr_network_site_hosts(write->txn, write->after, hosts, error);
    return r;
}

/* Provider addresses, VM subnets on the VLANs, adapters in networks that pass through and host adapters follow. */
static int change_subnets(struct skr_write *write, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids hosts = {0};
    int r = skr_provider_address_refresh_site(write->txn, id, error);
    if (r == 0)
        r = skr_vm_vlan_site(write->txn, write->after, error);
    if (r == 0)
        r = skr_ids_query(write->txn, &hosts_passing, id, &hosts, error);
    if (r == 0)
        r = skr_ids_query(write->txn, &hosts_at, id, &hosts, error);
    skr_ids_sort(&hosts);
    for (size_t i = 0; r == 0 && i < hosts.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
        if (i && skr_uuid_equal(&hosts.items[i], &hosts.items[i - 1]))
            continue;
        r = skr_fetch(write->txn, SKR_HOST, &hosts.items[i], &host, error);
        if (r == 0)
            r = skr_home_check_host(write->txn, host, "/subnet_vlans", error);
    }
    return r;
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids hosts = {0};
    struct skr_uuid id = skr_object_id(write->after);
    int r = 0;
    if (write->before && skr_write_changes(write, SKR_NETWORK_SITE_SUBNET_VLANS))
        r = change_subnets(write, &id, error);
    if (r < 0 || !skr_write_changes(write, SKR_NETWORK_SITE_HOST_GROUP_IDS))
        return r;
    r = changed_hosts(write, &hosts, error);
    return r < 0 ? r : skr_provider_address_hosts(write->txn, &hosts, SKR_WITHDRAWAL_UNUSED, "/host_group_ids", error);
}

/* Hosts that name the site in their uplinks have a row of it, with an address or waiting for one. */
static int check_named(struct skr_write *write, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids rows = {0};
    int r = skr_ids_query(write->txn, &addresses_of_site, id, &rows, error);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL, *host = NULL;
        r = skr_fetch(write->txn, SKR_PROVIDER_ADDRESS, &rows.items[i], &row, error);
        if (r < 0)
            return r;
        struct skr_uuid host_id = skr_object_uuid(row, SKR_PROVIDER_ADDRESS_HOST_ID);
        r = skr_fetch(write->txn, SKR_HOST, &host_id, &host, error);
        if (r == 0 && skr_host_names_site(host, id))
            r = skr_error_set(error, SKR_ERROR_IN_USE,
                              "Host \"%.100s\" names site \"%.100s\" in its uplinks; take it out there first.",
                              skr_object_name(host), skr_object_name(write->before));
    }
    return r;
}

/* The site lets go of its groups first, so that its hosts' rows go and those of farther sites come. */
static int removing(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids hosts = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *bare = NULL;
    struct skr_uuid id = skr_object_id(write->before);
    int r = check_named(write, &id, error);
    if (r == 0)
        r = skr_network_site_hosts(write->txn, write->before, &hosts, error);
    if (r < 0 || !hosts.count)
        return r;
    bare = skr_object_copy(write->before);
    skr_object_set_uuids(bare, SKR_NETWORK_SITE_HOST_GROUP_IDS, NULL, 0);
    r = skr_txn_update(write->txn, write->before, bare, error);
    return r < 0 ? r : skr_provider_address_hosts(write->txn, &hosts, SKR_WITHDRAWAL_UNUSED, "", error);
}

static int compute(struct skr_txn *txn, struct skr_object *object, struct skr_error *error)
{
    return skr_ip_usage_compute(txn, object, SKR_NETWORK_SITE_UTILIZATION, error);
}

const struct skr_rules skr_network_site_rules = {
        .prepare = prepare, .stored = stored, .removing = removing, .compute = compute};
