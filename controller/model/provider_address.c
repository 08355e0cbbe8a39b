/* This file says which host has which provider address. For each logical network with network virtualization the site
 * of the nearest ancestor group serves a host; each uplink gets one address of each site it reaches, from the site's
 * pools by id. A row that found no address stays and says so; it tries again when a pool gains addresses.
 *
 * Rows are compared with what should be, so a host that keeps an (uplink, site) keeps its address, and an interface
 * that is renamed takes its address along. */
#include "controller/model/reach.h"

#define WANTS_MAX 4096 /* uplinks x sites of one host */

static const struct skr_query rows_of_host = {"SELECT id FROM provider_address WHERE host_id = ?1"};
static const struct skr_query rows_of_site = {"SELECT id FROM provider_address WHERE network_site_id = ?1"};
static const struct skr_query rows_of_pool = {"SELECT id FROM provider_address WHERE ip_pool_id = ?1"};
static const struct skr_query waiting_rows = {
        "SELECT id FROM provider_address WHERE network_site_id = ?1 AND address IS NULL"};
static const struct skr_query row_of_network = {
        "SELECT id FROM provider_address WHERE host_id = ?1 AND +logical_network_id = ?2 LIMIT 1"};
static const struct skr_query address_of_network = {
        "SELECT address FROM provider_address WHERE host_id = ?1 AND +logical_network_id = ?2 AND address IS NOT NULL "
        "ORDER BY id LIMIT 1"};
static const struct skr_query sites_of_group = {
        "SELECT s.id, s.logical_network_id FROM network_site_host_group_ids l JOIN network_site s ON s.id = l.owner_id "
        "JOIN logical_network n ON n.id = s.logical_network_id WHERE l.target_id = ?1 AND n.network_virtualization = "
        "1"};
static const struct skr_query network_of_site = {
        "SELECT s.logical_network_id FROM network_site s JOIN logical_network n ON n.id = s.logical_network_id "
        "WHERE s.id = ?1 AND n.network_virtualization = 1"};
static const struct skr_query adapter_on_network = {
        "SELECT a.name FROM network_adapter a JOIN vm_network v ON v.id = a.vm_network_id "
        "WHERE a.host_id = ?1 AND v.logical_network_id = ?2 UNION ALL "
        "SELECT a.name FROM network_adapter a JOIN vm_network v ON v.id = a.vm_network_id "
        "WHERE a.target_host_id = ?1 AND v.logical_network_id = ?2 LIMIT 1"};

struct want {
    struct skr_uuid site_id, network_id;
    char interface[16];
    int distance; /* of a profile's site to the host */
    bool met;
};
struct wants {
    struct want *items;
    size_t count;
};

static void wants_cleanup(struct wants *wants)
{
    free(wants->items);
}

static void wants_add(struct wants *wants, const struct skr_uuid *site_id, const struct skr_uuid *network_id,
                      const char *interface)
{
    wants->items = reallocarray(wants->items, wants->count + 1, sizeof(*wants->items));
    if (!wants->items)
        abort();
    struct want *want = &wants->items[wants->count++];
    *want = (struct want){.site_id = *site_id, .network_id = *network_id};
    snprintf(want->interface, sizeof(want->interface), "%s", interface);
}

static bool has_network(const struct wants *wants, const struct skr_uuid *network_id)
{
    for (size_t i = 0; i < wants->count; i++)
        if (skr_uuid_equal(&wants->items[i].network_id, network_id))
            return true;
    return false;
}

/* Sites that serve the chain of groups, nearest first, one a network. */
static int nearest_sites(struct skr_txn *txn, const struct skr_ids *chain, struct wants *sites, struct skr_error *error)
{
    for (size_t i = 0; i < chain->count; i++) {
        struct skr_statement *statement;
        int r = skr_txn_query(txn, &sites_of_group, &statement, error);
        if (r < 0)
            return r;
        skr_bind_uuid(statement, 1, &chain->items[i]);
        while ((r = skr_step(statement, error)) > 0) {
            struct skr_uuid site_id = skr_column_uuid(statement, 0), network_id = skr_column_uuid(statement, 1);
            if (!has_network(sites, &network_id))
                wants_add(sites, &site_id, &network_id, "");
        }
        skr_statement_reset(statement);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Names of the host's own uplink: each covering site of them. */
static int want_named(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_reach_uplink *uplink,
                      struct wants *wants, struct skr_error *error)
{
    const struct skr_value *names = &uplink->own->values[SKR_UPLINK_NETWORK_SITE_IDS];
    size_t index;
    json_t *name;
    json_array_foreach (names->json, index, name) {
        struct skr_uuid site_id, network_id;
        if (skr_uuid_parse(json_string_value(name), &site_id) < 0)
            continue;
        int r = skr_network_site_covers(txn, &site_id, &reach->groups, error);
        if (r > 0)
            r = skr_find(txn, &network_of_site, &site_id, NULL, &network_id, error);
        if (r < 0)
            return r;
        if (r > 0)
            wants_add(wants, &site_id, &network_id, uplink->interface);
    }
    return 0;
}

/* Sites of a profile stand for many host groups: of each network the nearest one to this host counts. */
static int want_listed(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_reach_uplink *uplink,
                       struct wants *wants, struct skr_error *error)
{
    const struct skr_value *sites = &uplink->profile->values[SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS];
    size_t first = wants->count;
    if (!skr_object_integer(uplink->profile, SKR_UPLINK_PORT_PROFILE_NETWORK_VIRTUALIZATION))
        return 0;
    for (uint32_t i = 0; i < sites->count; i++) {
        struct skr_uuid network_id;
        int r = skr_find(txn, &network_of_site, &sites->uuids[i], NULL, &network_id, error);
        int distance = r > 0 ? skr_reach_distance(txn, reach, uplink, &sites->uuids[i], error) : -ENOENT;
        if (r < 0 || (distance < 0 && distance != -ENOENT))
            return r < 0 ? r : distance;
        if (distance < 0)
            continue;
        size_t k = first;
        while (k < wants->count && !skr_uuid_equal(&wants->items[k].network_id, &network_id))
            k++;
        if (k == wants->count)
            wants_add(wants, &sites->uuids[i], &network_id, uplink->interface);
        else if (distance < wants->items[k].distance)
            wants->items[k].site_id = sites->uuids[i];
        else
            continue;
        wants->items[k].distance = distance;
    }
    return 0;
}

static int want_uplink(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_reach_uplink *uplink,
                       const struct wants *nearest, struct wants *wants, struct skr_error *error)
{
    if (uplink->profile)
        return want_listed(txn, reach, uplink, wants, error);
    const struct skr_value *names = uplink->own ? &uplink->own->values[SKR_UPLINK_NETWORK_SITE_IDS] : NULL;
    if (names && names->type == SKR_VALUE_JSON && json_array_size(names->json))
        return want_named(txn, reach, uplink, wants, error);
    for (size_t s = 0; s < nearest->count && wants->count < WANTS_MAX; s++)
        wants_add(wants, &nearest->items[s].site_id, &nearest->items[s].network_id, uplink->interface);
    return 0;
}

static int compute_wants(struct skr_txn *txn, const struct skr_object *host, struct wants *wants,
                         struct skr_error *error)
{
    if (!skr_host_in_service(host))
        return 0;
    SKR_CLEANUP(skr_reach_cleanup) struct skr_reach reach = {0};
    SKR_CLEANUP(wants_cleanup) struct wants nearest = {0};
    struct skr_uuid id = skr_object_id(host);
    int r = skr_reach_load(txn, &id, &reach, error);
    if (r == 0)
        r = nearest_sites(txn, &reach.groups, &nearest, error);
    for (size_t i = 0; r == 0 && i < reach.count; i++)
        r = want_uplink(txn, &reach, &reach.uplinks[i], &nearest, wants, error);
    return r;
}

/* ---- one row ---- */

static void describe(struct skr_object *row, const struct skr_object *pool, const struct skr_object *site)
{
    struct skr_prefix subnet = skr_object_prefix(pool, SKR_IP_POOL_SUBNET);
    const struct skr_object *entry = skr_network_site_subnet(site, &subnet);
    const struct skr_value *gateways = &pool->values[SKR_IP_POOL_GATEWAYS];
    const struct skr_object *best = NULL;
    for (uint32_t i = 0; gateways->type == SKR_VALUE_OBJECTS && i < gateways->count; i++)
        if (!best ||
            skr_object_integer(gateways->objects[i], SKR_GATEWAY_METRIC) < skr_object_integer(best, SKR_GATEWAY_METRIC))
            best = gateways->objects[i];
    skr_object_set_prefix(row, SKR_PROVIDER_ADDRESS_SUBNET, &subnet);
    skr_object_set_integer(row, SKR_PROVIDER_ADDRESS_VLAN_ID,
                           entry ? skr_object_integer(entry, SKR_SUBNET_VLAN_VLAN_ID) : 0);
    skr_object_set_null(row, SKR_PROVIDER_ADDRESS_GATEWAY);
    if (best) {
        struct skr_address gateway = skr_object_address(best, SKR_GATEWAY_ADDRESS);
        skr_object_set_address(row, SKR_PROVIDER_ADDRESS_GATEWAY, &gateway);
    }
}

static void describe_none(struct skr_object *row, const struct skr_object *site)
{
    char reason[SKR_TEXT_MAX];
    const struct skr_object *entry = site->values[SKR_NETWORK_SITE_SUBNET_VLANS].objects[0]; /* virtualized: has one */
    struct skr_prefix subnet = skr_object_prefix(entry, SKR_SUBNET_VLAN_SUBNET);
    snprintf(reason, sizeof(reason), "no_provider_address: no IP pool of site \"%.255s\" has a free address",
             skr_object_name(site));
    skr_object_set_text(row, SKR_FIELD_NAME, "none");
    skr_object_set_null(row, SKR_PROVIDER_ADDRESS_IP_POOL_ID);
    skr_object_set_null(row, SKR_PROVIDER_ADDRESS_ADDRESS);
    skr_object_set_prefix(row, SKR_PROVIDER_ADDRESS_SUBNET, &subnet);
    skr_object_set_null(row, SKR_PROVIDER_ADDRESS_GATEWAY);
    skr_object_set_integer(row, SKR_PROVIDER_ADDRESS_VLAN_ID, skr_object_integer(entry, SKR_SUBNET_VLAN_VLAN_ID));
    skr_object_set_text(row, SKR_PROVIDER_ADDRESS_REASON, reason);
}

/* 1: the row has an address now, 0: none is left. */
static int assign(struct skr_txn *txn, struct skr_object *row, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids pools = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *site = NULL;
    struct skr_uuid site_id = skr_object_uuid(row, SKR_PROVIDER_ADDRESS_NETWORK_SITE_ID), id = skr_object_id(row);
    int r = skr_fetch(txn, SKR_NETWORK_SITE, &site_id, &site, error);
    if (r == 0)
        r = skr_ip_pools_of_site(txn, &site_id, &pools, error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < pools.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL;
        struct skr_address address;
        r = skr_fetch(txn, SKR_IP_POOL, &pools.items[i], &pool, error);
        if (r < 0)
            return r;
        struct skr_prefix subnet = skr_object_prefix(pool, SKR_IP_POOL_SUBNET);
        if (!skr_prefix_is_v4(&subnet)) /* outer headers are IPv4 */
            continue;
        r = skr_ip_allocate_free(txn, pool, SKR_IP_PROVIDER, &id, &address, error);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        char text[SKR_ADDRESS_TEXT_MAX];
        skr_object_set_text(row, SKR_FIELD_NAME, skr_address_format(&address, text));
        skr_object_set_uuid(row, SKR_PROVIDER_ADDRESS_IP_POOL_ID, &pools.items[i]);
        skr_object_set_address(row, SKR_PROVIDER_ADDRESS_ADDRESS, &address);
        skr_object_set_null(row, SKR_PROVIDER_ADDRESS_REASON);
        describe(row, pool, site);
        return 1;
    }
    describe_none(row, site);
    return 0;
}

static int create_row(struct skr_txn *txn, const struct skr_uuid *host_id, const struct want *want,
                      struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = skr_row_new(SKR_PROVIDER_ADDRESS);
    skr_object_set_uuid(row, SKR_PROVIDER_ADDRESS_HOST_ID, host_id);
    skr_object_set_uuid(row, SKR_PROVIDER_ADDRESS_NETWORK_SITE_ID, &want->site_id);
    skr_object_set_uuid(row, SKR_PROVIDER_ADDRESS_LOGICAL_NETWORK_ID, &want->network_id);
    skr_object_set_text(row, SKR_PROVIDER_ADDRESS_UPLINK, want->interface);
    int r = assign(txn, row, error);
    return r < 0 ? r : skr_held_insert(txn, row, error);
}

static int withdraw_row(struct skr_txn *txn, struct skr_object *row, struct skr_error *error)
{
    struct skr_uuid pool_id = skr_object_uuid(row, SKR_PROVIDER_ADDRESS_IP_POOL_ID);
    struct skr_address address = skr_object_address(row, SKR_PROVIDER_ADDRESS_ADDRESS);
    bool has = skr_object_has(row, SKR_PROVIDER_ADDRESS_ADDRESS);
    int r = skr_held_delete(txn, row, error);
    return r < 0 || !has ? r : skr_ip_retire(txn, &pool_id, &address, error);
}

static int rename_row(struct skr_txn *txn, struct skr_object *row, const struct want *want, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(row);
    skr_object_set_text(after, SKR_PROVIDER_ADDRESS_UPLINK, want->interface);
    return skr_held_update(txn, row, after, error);
}

/* ---- a host ---- */

static int check_withdrawal(struct skr_txn *txn, const struct skr_object *host, const struct skr_object *row,
                            const struct wants *wants, enum skr_withdrawal withdrawal, const char *pointer,
                            struct skr_error *error)
{
    if (!skr_host_in_service(host))
        return 0;
    struct skr_uuid network_id = skr_object_uuid(row, SKR_PROVIDER_ADDRESS_LOGICAL_NETWORK_ID);
    if (withdrawal == SKR_WITHDRAWAL_FREE && has_network(wants, &network_id))
        return 0;
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &adapter_on_network, &statement, error);
    if (r < 0)
        return r;
    struct skr_uuid host_id = skr_object_id(host);
    skr_bind_uuid(statement, 1, &host_id);
    skr_bind_uuid(statement, 2, &network_id);
    r = skr_step(statement, error);
    if (r > 0)
        r = skr_refuse(
                error, SKR_ERROR_IN_USE, pointer,
                "Host \"%.100s\" would lose its provider address %s, which network adapter \"%.100s\" needs; move the "
                "adapters of that network to other hosts first, or all of them with \"skerryctl host drain\".",
                skr_object_name(host), skr_object_name(row), skr_column_text(statement, 0));
    skr_statement_reset(statement);
    return r;
}

static struct want *find_want(const struct wants *wants, const struct skr_object *row, bool same_interface)
{
    struct skr_uuid site_id = skr_object_uuid(row, SKR_PROVIDER_ADDRESS_NETWORK_SITE_ID);
    const char *uplink = skr_object_text(row, SKR_PROVIDER_ADDRESS_UPLINK);
    for (size_t i = 0; i < wants->count; i++) {
        struct want *want = &wants->items[i];
        if (!want->met && skr_uuid_equal(&want->site_id, &site_id) &&
            (!same_interface || !strcmp(want->interface, uplink ? uplink : "")))
            return want;
    }
    return NULL;
}

static int settle_rows(struct skr_txn *txn, const struct skr_object *host, struct skr_object **rows, size_t count,
                       const struct wants *wants, enum skr_withdrawal withdrawal, const char *pointer,
                       struct skr_error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct want *want = find_want(wants, rows[i], true);
        if (!want)
            continue;
        want->met = true;
        skr_object_unref(SKR_TAKE(rows[i]));
    }
    for (size_t i = 0; i < count; i++) {
        struct want *want = rows[i] ? find_want(wants, rows[i], false) : NULL;
        int r = 0;
        if (want) {
            want->met = true;
            r = rename_row(txn, rows[i], want, error);
        } else if (rows[i]) {
            r = check_withdrawal(txn, host, rows[i], wants, withdrawal, pointer, error);
            if (r == 0)
                r = withdraw_row(txn, rows[i], error);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* Networks that the host has an address in. */
static void networks_with_address(struct skr_object *const *rows, size_t count, struct skr_ids *networks)
{
    for (size_t i = 0; i < count; i++) {
        struct skr_uuid id = skr_object_uuid(rows[i], SKR_PROVIDER_ADDRESS_LOGICAL_NETWORK_ID);
        if (skr_object_has(rows[i], SKR_PROVIDER_ADDRESS_ADDRESS) && !skr_ids_contain(networks, &id))
            skr_ids_add(networks, &id);
    }
}

/* Where the host had an address and found none at its new site, its ports stay and carry nothing. */
static int note_silenced(struct skr_txn *txn, const struct skr_uuid *host_id, const struct skr_ids *had,
                         struct skr_error *error)
{
    struct skr_address address;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < had->count; i++) {
        r = skr_provider_address_of(txn, host_id, &had->items[i], &address, error);
        if (r == 0)
            r = skr_removal_note_ports(txn, host_id, &had->items[i], error);
    }
    return r < 0 ? r : 0;
}

int skr_provider_address_host(struct skr_txn *txn, const struct skr_object *host, enum skr_withdrawal withdrawal,
                              const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0}, had = {0};
    SKR_CLEANUP(wants_cleanup) struct wants wants = {0};
    struct skr_uuid id = skr_object_id(host);
    int r = compute_wants(txn, host, &wants, error);
    if (r == 0)
        r = skr_ids_query(txn, &rows_of_host, &id, &ids, error);
    if (r < 0)
        return r;
    struct skr_object **rows = calloc(ids.count + 1, sizeof(struct skr_object *));
    if (!rows)
        abort();
    for (size_t i = 0; r == 0 && i < ids.count; i++)
        r = skr_fetch(txn, SKR_PROVIDER_ADDRESS, &ids.items[i], &rows[i], error);
    if (r == 0)
        networks_with_address(rows, ids.count, &had);
    if (r == 0)
        r = settle_rows(txn, host, rows, ids.count, &wants, withdrawal, pointer, error);
    for (size_t i = 0; i < ids.count; i++)
        skr_object_unref(rows[i]);
    free(rows);
    for (size_t i = 0; r == 0 && i < wants.count; i++)
        if (!wants.items[i].met)
            r = create_row(txn, &id, &wants.items[i], error);
    if (r == 0)
        r = note_silenced(txn, &id, &had, error);
    if (r == 0)
        r = skr_home_check_host(txn, host, pointer, error);
    return r < 0 ? r : skr_profile_prune(txn, &id, error); /* switches may carry other ports now */
}

int skr_provider_address_hosts(struct skr_txn *txn, const struct skr_ids *hosts, enum skr_withdrawal withdrawal,
                               const char *pointer, struct skr_error *error)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < hosts->count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
        r = skr_fetch(txn, SKR_HOST, &hosts->items[i], &host, error);
        if (r == 0)
            r = skr_provider_address_host(txn, host, withdrawal, pointer, error);
    }
    return r;
}

int skr_provider_address_retry(struct skr_txn *txn, const struct skr_uuid *site_id, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = skr_ids_query(txn, &waiting_rows, site_id, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL, *after = NULL;
        r = skr_fetch(txn, SKR_PROVIDER_ADDRESS, &ids.items[i], &row, error);
        if (r < 0)
            return r;
        after = skr_object_copy(row);
        r = assign(txn, after, error);
        if (r <= 0)
            return r;
        r = skr_held_update(txn, row, after, error);
    }
    return r;
}

static int refresh(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *key,
                   struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = skr_ids_query(txn, query, key, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL, *after = NULL, *pool = NULL, *site = NULL;
        r = skr_fetch(txn, SKR_PROVIDER_ADDRESS, &ids.items[i], &row, error);
        if (r < 0 || !skr_object_has(row, SKR_PROVIDER_ADDRESS_ADDRESS))
            continue;
        struct skr_uuid pool_id = skr_object_uuid(row, SKR_PROVIDER_ADDRESS_IP_POOL_ID);
        struct skr_uuid site_id = skr_object_uuid(row, SKR_PROVIDER_ADDRESS_NETWORK_SITE_ID);
        r = skr_fetch(txn, SKR_IP_POOL, &pool_id, &pool, error);
        if (r == 0)
            r = skr_fetch(txn, SKR_NETWORK_SITE, &site_id, &site, error);
        if (r < 0)
            return r;
        after = skr_object_copy(row);
        describe(after, pool, site);
        r = skr_held_update(txn, row, after, error);
    }
    return r;
}

int skr_provider_address_refresh_site(struct skr_txn *txn, const struct skr_uuid *site_id, struct skr_error *error)
{
    return refresh(txn, &rows_of_site, site_id, error);
}

int skr_provider_address_refresh_pool(struct skr_txn *txn, const struct skr_uuid *pool_id, struct skr_error *error)
{
    return refresh(txn, &rows_of_pool, pool_id, error);
}

int skr_provider_address_reaches(struct skr_txn *txn, const struct skr_uuid *host_id, const struct skr_uuid *network_id,
                                 struct skr_error *error)
{
    return skr_find(txn, &row_of_network, host_id, network_id, NULL, error);
}

int skr_provider_address_of(struct skr_txn *txn, const struct skr_uuid *host_id, const struct skr_uuid *network_id,
                            struct skr_address *ret, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &address_of_network, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, host_id);
    skr_bind_uuid(statement, 2, network_id);
    r = skr_step(statement, error);
    if (r > 0)
        *ret = skr_column_address(statement, 0);
    skr_statement_reset(statement);
    return r;
}
