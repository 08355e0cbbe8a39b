#include "controller/model/ip_ranges.h"

static const struct skr_query siblings_at_site = {
        "SELECT id, name, range_start, range_end FROM ip_pool WHERE network_site_id = ?1"};
static const struct skr_query siblings_at_subnet = {
        "SELECT id, name, range_start, range_end FROM ip_pool WHERE vm_subnet_id = ?1"};
static const struct skr_query allocations = {
        "SELECT address, purpose FROM ip_allocation WHERE ip_pool_id = ?1 AND retired_at_revision IS NULL LIMIT 9"};
static const struct skr_query resting = {"SELECT id FROM ip_allocation WHERE ip_pool_id = ?1 AND purpose = 'provider'"};
static const struct skr_query left_over = {"SELECT id FROM ip_allocation WHERE ip_pool_id = ?1"};
static const struct skr_query network_of_subnet = {"SELECT vm_network_id FROM vm_subnet WHERE id = ?1"};
static const struct skr_query network_passing_site = {
        "SELECT n.id FROM network_site s JOIN vm_network n ON n.logical_network_id = s.logical_network_id "
        "WHERE s.id = ?1 AND n.isolation = 'none'"};
static const struct skr_query networks_on_subnet = {
        "SELECT n.id FROM vm_network n JOIN vm_subnet v ON v.vm_network_id = n.id AND v.prefix = ?2 "
        "WHERE n.network_site_id = ?1"};
static const struct skr_query records_in_range = {
        "SELECT customer_address, network_adapter_id FROM lookup_record WHERE vm_network_id = ?1 "
        "AND customer_address >= ?2 AND customer_address <= ?3"};

/* ---- the parent ---- */

static int check_site(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *site = NULL;
    struct skr_uuid id = skr_object_uuid(write->after, SKR_IP_POOL_NETWORK_SITE_ID);
    struct skr_prefix subnet = skr_object_prefix(write->after, SKR_IP_POOL_SUBNET);
    int r = skr_fetch(write->txn, SKR_NETWORK_SITE, &id, &site, error);
    if (r < 0 || skr_network_site_subnet(site, &subnet))
        return r;
    char text[SKR_PREFIX_TEXT_MAX];
    return skr_refuse(error, SKR_ERROR_INVALID, "/subnet",
                      "Site \"%.100s\" has no subnet %s; name one of its subnet_vlans or add this one there.",
                      skr_object_name(site), skr_prefix_format(&subnet, text));
}

static int check_vm_subnet(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *vm_subnet = NULL;
    struct skr_uuid id = skr_object_uuid(write->after, SKR_IP_POOL_VM_SUBNET_ID);
    int r = skr_fetch(write->txn, SKR_VM_SUBNET, &id, &vm_subnet, error);
    if (r == 0 && !skr_object_has(vm_subnet, SKR_VM_SUBNET_VSID))
        return skr_refuse(
                error, SKR_ERROR_CONFLICT, "/vm_subnet_id",
                "VM subnet \"%.100s\" is on a VLAN, whose addresses are from the pools of its site; create the "
                "pool there.",
                skr_object_name(vm_subnet));
    if (r == 0)
        r = skr_tenant_inherit(write->after, vm_subnet, error);
    if (r < 0 || skr_value_equal(&vm_subnet->values[SKR_VM_SUBNET_PREFIX], &write->after->values[SKR_IP_POOL_SUBNET]))
        return r;
    char text[SKR_PREFIX_TEXT_MAX];
    struct skr_prefix prefix = skr_object_prefix(vm_subnet, SKR_VM_SUBNET_PREFIX);
    return skr_refuse(error, SKR_ERROR_INVALID, "/subnet",
                      "VM subnet \"%.100s\" is %s; give this as the pool's subnet.", skr_object_name(vm_subnet),
                      skr_prefix_format(&prefix, text));
}

static int check_parent(struct skr_write *write, struct skr_error *error)
{
    bool site = skr_object_has(write->after, SKR_IP_POOL_NETWORK_SITE_ID);
    bool vm_subnet = skr_object_has(write->after, SKR_IP_POOL_VM_SUBNET_ID);
    if (site == vm_subnet)
        return skr_refuse(
                error, SKR_ERROR_INVALID, "/network_site_id",
                site ? "A pool belongs to a network site or to a VM subnet, not to both; leave one out."
                     : "A pool belongs to a network site or to a VM subnet: give network_site_id or vm_subnet_id.");
    return site ? check_site(write, error) : check_vm_subnet(write, error);
}

/* ---- addresses ---- */

static int check_member(const struct skr_object *pool, int field, const char *pointer, struct skr_error *error)
{
    struct skr_prefix subnet = skr_object_prefix(pool, SKR_IP_POOL_SUBNET);
    struct skr_address address = skr_object_address(pool, field);
    char text[SKR_ADDRESS_TEXT_MAX], prefix[SKR_PREFIX_TEXT_MAX];
    skr_address_format(&address, text);
    skr_prefix_format(&subnet, prefix);
    if (!skr_prefix_contains(&subnet, &address))
        return skr_refuse(error, SKR_ERROR_INVALID, pointer, "%s is outside of the pool's subnet %s.", text, prefix);
    if (skr_prefix_is_edge(&subnet, &address))
        return skr_refuse(
                error, SKR_ERROR_INVALID, pointer,
                "%s is the network or broadcast address of %s, which nobody can have; leave it out of the range.", text,
                prefix);
    return 0;
}

static int check_range(const struct skr_object *pool, struct skr_error *error)
{
    struct skr_ip_range range = skr_ip_pool_range(pool);
    int r = check_member(pool, SKR_IP_POOL_RANGE_START, "/range_start", error);
    if (r == 0)
        r = check_member(pool, SKR_IP_POOL_RANGE_END, "/range_end", error);
    if (r < 0 || skr_address_compare(&range.first, &range.last) <= 0)
        return r;
    return skr_refuse(error, SKR_ERROR_INVALID, "/range_end",
                      "The range ends before it starts; swap range_start and range_end.");
}

static int check_siblings(struct skr_write *write, struct skr_error *error)
{
    bool site = skr_object_has(write->after, SKR_IP_POOL_NETWORK_SITE_ID);
    struct skr_uuid id = skr_object_id(write->after);
    struct skr_uuid parent =
            skr_object_uuid(write->after, site ? SKR_IP_POOL_NETWORK_SITE_ID : SKR_IP_POOL_VM_SUBNET_ID);
    struct skr_ip_range range = skr_ip_pool_range(write->after);
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, site ? &siblings_at_site : &siblings_at_subnet, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &parent);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid other = skr_column_uuid(statement, 0);
        struct skr_ip_range taken = {skr_column_address(statement, 2), skr_column_address(statement, 3)};
        if (skr_uuid_equal(&other, &id) || skr_address_compare(&taken.last, &range.first) < 0 ||
            skr_address_compare(&range.last, &taken.first) < 0)
            continue;
        char from[SKR_ADDRESS_TEXT_MAX], to[SKR_ADDRESS_TEXT_MAX];
        r = skr_refuse(error, SKR_ERROR_CONFLICT, "/range_start",
                       "The range overlaps %s-%s of IP pool \"%.100s\"; choose addresses that no other pool has.",
                       skr_address_format(&taken.first, from), skr_address_format(&taken.last, to),
                       skr_column_text(statement, 1));
        break;
    }
    skr_statement_reset(statement);
    return r;
}

static int check_list_entry(const struct skr_object *pool, int field, size_t index, const json_t *entry,
                            struct skr_error *error)
{
    char place[SKR_ERROR_POINTER_MAX];
    struct skr_ip_range range, whole = skr_ip_pool_range(pool);
    skr_pointer(place, pool->resource->fields[field].name, (unsigned)index, NULL);
    int r = skr_ip_range_parse(json_string_value(entry), &range);
    if (r < 0)
        return skr_refuse(error, SKR_ERROR_INVALID, place,
                          r == -ERANGE ? "The range ends before it starts; write the lower address first."
                                       : "Write an address (\"10.0.0.9\") or a range (\"10.0.0.9-10.0.0.20\").");
    if (!skr_ip_range_contains(&whole, &range.first) || !skr_ip_range_contains(&whole, &range.last))
        return skr_refuse(error, SKR_ERROR_INVALID, place,
                          "\"%s\" is not inside of the pool's range; addresses outside of it need no reservation.",
                          json_string_value(entry));
    return 0;
}

static int check_list(const struct skr_object *pool, int field, struct skr_error *error)
{
    const struct skr_value *value = &pool->values[field];
    size_t index;
    json_t *entry;
    if (value->type != SKR_VALUE_JSON)
        return 0;
    if (json_array_size(value->json) > SKR_POOL_RANGES_MAX)
        return skr_refuse(error, SKR_ERROR_LIMIT, field == SKR_IP_POOL_RESERVED ? "/reserved" : "/vip_reserved",
                          "At most %d entries; write neighbours as ranges.", SKR_POOL_RANGES_MAX);
    json_array_foreach (value->json, index, entry) {
        int r = check_list_entry(pool, field, index, entry, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Reserved and virtual addresses are counted, so each may be named once. */
static int check_aside(const struct skr_object *pool, struct skr_error *error)
{
    SKR_CLEANUP(skr_ip_aside_cleanup) struct skr_ip_aside aside = {0};
    int r = check_list(pool, SKR_IP_POOL_RESERVED, error);
    if (r == 0)
        r = check_list(pool, SKR_IP_POOL_VIP_RESERVED, error);
    if (r < 0)
        return r;
    skr_ip_aside_of(pool, &aside);
    for (size_t i = 1; i < aside.count; i++) {
        char text[SKR_ADDRESS_TEXT_MAX];
        if (skr_address_compare(&aside.items[i - 1].range.last, &aside.items[i].range.first) < 0)
            continue;
        return skr_refuse(error, SKR_ERROR_INVALID,
                          aside.items[i].vip || aside.items[i - 1].vip ? "/vip_reserved" : "/reserved",
                          "%s is set aside twice; name each address once in reserved or vip_reserved.",
                          skr_address_format(&aside.items[i].range.first, text));
    }
    return 0;
}

static int check_gateways(const struct skr_object *pool, struct skr_error *error)
{
    const struct skr_value *gateways = &pool->values[SKR_IP_POOL_GATEWAYS];
    struct skr_prefix subnet = skr_object_prefix(pool, SKR_IP_POOL_SUBNET);
    char place[SKR_ERROR_POINTER_MAX], text[SKR_ADDRESS_TEXT_MAX], prefix[SKR_PREFIX_TEXT_MAX];
    for (uint32_t i = 0; gateways->type == SKR_VALUE_OBJECTS && i < gateways->count; i++) {
        struct skr_address address = skr_object_address(gateways->objects[i], SKR_GATEWAY_ADDRESS);
        skr_pointer(place, "gateways", i, "address");
        skr_address_format(&address, text);
        if (!skr_prefix_contains(&subnet, &address) || skr_prefix_is_edge(&subnet, &address))
            return skr_refuse(error, SKR_ERROR_INVALID, place, "Gateway %s is not a host address of the subnet %s.",
                              text, skr_prefix_format(&subnet, prefix));
        for (uint32_t other = 0; other < i; other++) {
            struct skr_address earlier = skr_object_address(gateways->objects[other], SKR_GATEWAY_ADDRESS);
            if (!skr_address_compare(&earlier, &address))
                return skr_refuse(error, SKR_ERROR_INVALID, place, "Gateway %s is listed twice; keep one.", text);
        }
    }
    return 0;
}

static int check_servers(const struct skr_object *pool, int field, struct skr_error *error)
{
    const struct skr_value *value = &pool->values[field];
    char place[SKR_ERROR_POINTER_MAX], text[SKR_ADDRESS_TEXT_MAX];
    for (uint32_t i = 0; value->type == SKR_VALUE_ADDRESSES && i < value->count; i++)
        if (!skr_address_is_host(&value->addresses[i]))
            return skr_refuse(error, SKR_ERROR_INVALID, skr_pointer(place, pool->resource->fields[field].name, i, NULL),
                              "%s is no address that a server can have.",
                              skr_address_format(&value->addresses[i], text));
    return 0;
}

static bool is_domain(const char *name)
{
    size_t label = 0;
    if (strlen(name) > 253)
        return false;
    for (const char *c = name; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_';
        bool edge = label == 0 || !c[1] || c[1] == '.';
        if (*c == '.' ? label == 0 : (!letter && (*c != '-' || edge)) || ++label > 63)
            return false;
        if (*c == '.')
            label = 0;
    }
    return true;
}

static int check_domains(const struct skr_object *pool, struct skr_error *error)
{
    const struct skr_value *list = &pool->values[SKR_IP_POOL_DNS_SEARCH_SUFFIXES];
    const char *suffix = skr_object_text(pool, SKR_IP_POOL_DNS_SUFFIX);
    char place[SKR_ERROR_POINTER_MAX];
    size_t index;
    json_t *entry;
    if (suffix && !is_domain(suffix))
        return skr_refuse(error, SKR_ERROR_INVALID, "/dns_suffix", "\"%.100s\" is no domain, like example.com.",
                          suffix);
    if (list->type != SKR_VALUE_JSON)
        return 0;
    json_array_foreach (list->json, index, entry)
        if (!json_is_string(entry) || !*json_string_value(entry) || !is_domain(json_string_value(entry)))
            return skr_refuse(error, SKR_ERROR_INVALID,
                              skr_pointer(place, "dns_search_suffixes", (unsigned)index, NULL),
                              "Write a domain, like example.com.");
    return 0;
}

/* NetBIOS name service (RFC 1001) is of IPv4 alone. */
static int check_wins(const struct skr_object *pool, struct skr_error *error)
{
    const struct skr_value *value = &pool->values[SKR_IP_POOL_WINS_SERVERS];
    char place[SKR_ERROR_POINTER_MAX];
    for (uint32_t i = 0; value->type == SKR_VALUE_ADDRESSES && i < value->count; i++)
        if (!skr_address_is_v4(&value->addresses[i]))
            return skr_refuse(error, SKR_ERROR_INVALID, skr_pointer(place, "wins_servers", i, NULL),
                              "WINS servers have IPv4 addresses; leave this one out.");
    return check_servers(pool, SKR_IP_POOL_WINS_SERVERS, error);
}

static bool ranges_change(const struct skr_write *write)
{
    return skr_write_changes(write, SKR_IP_POOL_RANGE_START) || skr_write_changes(write, SKR_IP_POOL_RANGE_END) ||
           skr_write_changes(write, SKR_IP_POOL_RESERVED) || skr_write_changes(write, SKR_IP_POOL_VIP_RESERVED) ||
           skr_write_changes(write, SKR_IP_POOL_GATEWAYS);
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    int r = check_parent(write, error);
    if (r == 0)
        r = check_range(write->after, error);
    if (r == 0)
        r = check_gateways(write->after, error);
    if (r == 0)
        r = check_aside(write->after, error);
    if (r == 0)
        r = check_servers(write->after, SKR_IP_POOL_DNS_SERVERS, error);
    if (r == 0)
        r = check_wins(write->after, error);
    if (r == 0)
        r = check_domains(write->after, error);
    if (r == 0)
        r = check_siblings(write, error);
    return r < 0 || !ranges_change(write) ? r : skr_ip_pool_count(write->txn, write->after, error);
}

/* ---- what follows ---- */

/* Addresses of adapters in a VM network that the pool now manages stay with them. */
static int take_records(struct skr_write *write, const struct skr_uuid *network_id, struct skr_error *error)
{
    struct skr_uuid pool_id = skr_object_id(write->after);
    struct skr_ids pools = {.items = &pool_id, .count = 1};
    struct skr_ip_range range = skr_ip_pool_range(write->after);
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids adapters = {0};
    SKR_CLEANUP(skr_free_cleanup) struct skr_address *addresses = NULL;
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, &records_in_range, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, network_id);
    skr_bind_address(statement, 2, &range.first);
    skr_bind_address(statement, 3, &range.last);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid adapter = skr_column_uuid(statement, 1);
        skr_ids_add(&adapters, &adapter);
        addresses = reallocarray(addresses, adapters.capacity, sizeof(*addresses));
        if (!addresses)
            abort();
        addresses[adapters.count - 1] = skr_column_address(statement, 0);
    }
    skr_statement_reset(statement);
    for (size_t i = 0; r == 0 && i < adapters.count; i++)
        r = skr_ip_take(write->txn, &pools, &addresses[i], &adapters.items[i], "/range_start", error);
    return r < 0 ? r : skr_customer_address_rest_in(write->txn, network_id, write->after, error);
}

/* VM networks whose adapters have addresses of the pool: that of its VM subnet, those on the VLAN of its subnet, and
 * the one that passes through the site. */
static int take_present(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids networks = {0};
    bool site = skr_object_has(write->after, SKR_IP_POOL_NETWORK_SITE_ID);
    struct skr_uuid parent =
            skr_object_uuid(write->after, site ? SKR_IP_POOL_NETWORK_SITE_ID : SKR_IP_POOL_VM_SUBNET_ID);
    struct skr_prefix subnet = skr_object_prefix(write->after, SKR_IP_POOL_SUBNET);
    int r = 0;
    if (!site)
        r = skr_ids_query(write->txn, &network_of_subnet, &parent, &networks, error);
    if (r == 0 && site)
        r = skr_ids_query(write->txn, &network_passing_site, &parent, &networks, error);
    if (r == 0 && site) {
        struct skr_statement *statement;
        r = skr_txn_query(write->txn, &networks_on_subnet, &statement, error);
        if (r < 0)
            return r;
        skr_bind_uuid(statement, 1, &parent);
        skr_bind_prefix(statement, 2, &subnet);
        while ((r = skr_step(statement, error)) > 0) {
            struct skr_uuid id = skr_column_uuid(statement, 0);
            skr_ids_add(&networks, &id);
        }
        skr_statement_reset(statement);
    }
    for (size_t i = 0; r == 0 && i < networks.count; i++)
        r = take_records(write, &networks.items[i], error);
    return r;
}

/* A site's pools say where its provider addresses and the VM subnets on its VLANs have their gateway. */
static int tell_site(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(write->after);
    struct skr_uuid site_id = skr_object_uuid(write->after, SKR_IP_POOL_NETWORK_SITE_ID);
    struct skr_prefix subnet = skr_object_prefix(write->after, SKR_IP_POOL_SUBNET);
    int r = write->before ? skr_provider_address_refresh_pool(write->txn, &id, error) : 0;
    if (r == 0)
        r = skr_vm_vlan_gateway(write->txn, &site_id, &subnet, error);
    return r < 0 ? r : skr_provider_address_retry(write->txn, &site_id, error);
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    if (!ranges_change(write))
        return 0;
    struct skr_ip_counts was = {0}, now = skr_ip_counts_of(write->after);
    if (write->before)
        was = skr_ip_counts_of(write->before);
    int r = skr_ip_usage_change(write->txn, write->after, &was, &now, error);
    if (r == 0)
        r = skr_ip_pool_rebuild(write->txn, write->after, error);
    if (r == 0)
        r = take_present(write, error);
    return r < 0 || !skr_object_has(write->after, SKR_IP_POOL_NETWORK_SITE_ID) ? r : tell_site(write, error);
}

static int check_allocations(struct skr_write *write, const struct skr_uuid *id, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, &allocations, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, id);
    int refused = 0;
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_address address = skr_column_address(statement, 0);
        char text[SKR_ADDRESS_TEXT_MAX];
        if (!refused)
            refused =
                    skr_error_set(error, SKR_ERROR_IN_USE,
                                  "Addresses of IP pool \"%.100s\" are allocated; release them or delete their owners "
                                  "first.",
                                  skr_object_name(write->before));
        skr_error_field(error, "", "%s is allocated (%s)", skr_address_format(&address, text),
                        skr_column_text(statement, 1));
    }
    skr_statement_reset(statement);
    return r < 0 ? r : refused;
}

/* Customer addresses rest in their VM network, whether or not a pool has them. */
static int release_resting(struct skr_write *write, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = skr_ids_query(write->txn, &left_over, id, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *allocation = NULL;
        r = skr_fetch(write->txn, SKR_IP_ALLOCATION, &ids.items[i], &allocation, error);
        if (r == 0)
            r = skr_ip_release(write->txn, allocation, error);
    }
    return r;
}

/* Provider addresses that rest would be forgotten with their pool, and given out by another one too early. */
static int removing(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL; /* as its counters are after that */
    struct skr_uuid id = skr_object_id(write->before);
    int r = check_allocations(write, &id, error);
    if (r == 0)
        r = skr_find(write->txn, &resting, &id, NULL, NULL, error);
    if (r > 0)
        return skr_error_set(
                error, SKR_ERROR_CONFLICT,
                "Freed addresses of IP pool \"%.100s\" rest until every host has let go of them; try again "
                "when all hosts are in sync, or remove hosts that do not come back.",
                skr_object_name(write->before));
    if (r == 0)
        r = release_resting(write, &id, error);
    if (r == 0)
        r = skr_fetch(write->txn, SKR_IP_POOL, &id, &pool, error);
    if (r < 0)
        return r;
    const struct skr_ip_counts was = skr_ip_counts_of(pool), none = {0};
    r = skr_ip_usage_change(write->txn, pool, &was, &none, error);
    return r < 0 ? r : skr_ip_ranges_clear(write->txn, &id, error);
}

static int compute(struct skr_txn *txn, struct skr_object *pool, struct skr_error *error)
{
    const struct skr_ip_counts counts = skr_ip_counts_of(pool);
    (void)txn;
    (void)error;
    skr_object_set_json(pool, SKR_IP_POOL_UTILIZATION, skr_ip_counts_json(&counts));
    return 0;
}

const struct skr_rules skr_ip_pool_rules = {
        .prepare = prepare, .stored = stored, .removing = removing, .compute = compute};
