/* Whether a host can carry virtualized networks, and why not. Nothing is stored: the rows of provider addresses are
 * kept up with every change (provider_address.c), and a host that has one carries the network. Only where there is none
 * the reason is looked for: the uplinks, the host group, what the uplinks are said to reach.
 *
 * A fabric without a virtualized logical network asks nothing of its hosts, and neither does a host all of whose
 * uplinks have a profile with network virtualization off: somebody decided that. */
#include "controller/model/reach.h"
#include "controller/model/report.h"

static const struct skr_query rows_of_host = {
        "SELECT address IS NULL, logical_network_id, network_site_id, uplink FROM provider_address WHERE host_id = ?1"};
static const struct skr_query any_virtualized = {
        "SELECT id FROM logical_network WHERE network_virtualization = 1 AND id > ?1 LIMIT 1"};
static const struct skr_query virtualized_here = {
        "SELECT s.id FROM network_site_host_group_ids l JOIN network_site s ON s.id = l.owner_id "
        "JOIN logical_network n ON n.id = s.logical_network_id WHERE l.target_id = ?1 AND n.network_virtualization = "
        "1 LIMIT 1"};

static int fetch_name(struct skr_txn *txn, enum skr_resource_id resource, const struct skr_uuid *id,
                      char ret[static SKR_CARRIAGE_NAME_MAX], struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    int r = skr_fetch(txn, resource, id, &object, error);
    if (r == 0)
        snprintf(ret, SKR_CARRIAGE_NAME_MAX, "%s", skr_object_name(object));
    return r;
}

/* A host that has not connected yet has told nothing, and a long list may have been cut. */
static bool lacks_interface(const struct skr_object *host, const char *interface)
{
    const struct skr_value *inventory = &host->values[SKR_HOST_INVENTORY];
    size_t told = inventory->type == SKR_VALUE_JSON ? json_array_size(inventory->json) : 0;
    return told > 0 && told < SKR_INVENTORY_MAX && !skr_host_reports_interface(host, interface);
}

/* 1: the host has addresses, and *ret_... say of which network and site it has none (nil: of none), and which uplink is
 * not there (empty: none). 0: no rows. */
static int look_at_rows(struct skr_txn *txn, const struct skr_object *host, struct skr_uuid *ret_network_id,
                        struct skr_uuid *ret_site_id, char ret_missing[static SKR_CARRIAGE_NAME_MAX],
                        struct skr_error *error)
{
    struct skr_uuid host_id = skr_object_id(host);
    struct skr_statement *statement;
    bool any = false, lacks = false;
    int r = skr_txn_query(txn, &rows_of_host, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &host_id);
    while (!lacks && (r = skr_step(statement, error)) > 0) {
        any = true;
        lacks = skr_column_integer(statement, 0) != 0;
        if (lacks) {
            *ret_network_id = skr_column_uuid(statement, 1);
            *ret_site_id = skr_column_uuid(statement, 2);
        } else if (lacks_interface(host, skr_column_text(statement, 3)))
            snprintf(ret_missing, SKR_CARRIAGE_NAME_MAX, "%s", skr_column_text(statement, 3));
    }
    skr_statement_reset(statement);
    return r < 0 ? r : any;
}

static int tell_exhausted(struct skr_txn *txn, const struct skr_uuid *network_id, const struct skr_uuid *site_id,
                          char ret[static SKR_CARRIAGE_MAX], struct skr_error *error)
{
    char network[SKR_CARRIAGE_NAME_MAX], site[SKR_CARRIAGE_NAME_MAX];
    int r = fetch_name(txn, SKR_LOGICAL_NETWORK, network_id, network, error);
    if (r == 0)
        r = fetch_name(txn, SKR_NETWORK_SITE, site_id, site, error);
    if (r < 0)
        return r;
    snprintf(ret, SKR_CARRIAGE_MAX,
             "It cannot carry logical network \"%s\": no IPv4 pool of site \"%s\" has a free address for the host. "
             "Make an IP pool there, or a larger one.",
             network, site);
    return 1;
}

static int tell_missing(const struct skr_object *host, const char *interface, char ret[static SKR_CARRIAGE_MAX])
{
    snprintf(
            ret, SKR_CARRIAGE_MAX,
            "It has no interface %s, which should carry provider addresses. Bring the interface back, or name another: "
            "skerryctl host edit %.*s --uplink INTERFACE",
            interface, SKR_CARRIAGE_NAME_MAX, skr_object_name(host));
    return 1;
}

/* 1 and the site: it serves the host's group, or one above, in a virtualized network; 0: no site does. */
static int find_site(struct skr_txn *txn, const struct skr_reach *reach, struct skr_uuid *ret, struct skr_error *error)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < reach->groups.count; i++)
        r = skr_find(txn, &virtualized_here, &reach->groups.items[i], NULL, ret, error);
    return r;
}

static bool is_meant_without(const struct skr_reach_uplink *uplink)
{
    return uplink->profile && !skr_object_integer(uplink->profile, SKR_UPLINK_PORT_PROFILE_NETWORK_VIRTUALIZATION);
}

/* There is a site for the host, and none of its uplinks reaches one: what the first that should says of itself. */
static int tell_unreached(struct skr_txn *txn, const struct skr_reach_uplink *uplink, const struct skr_uuid *site_id,
                          char ret[static SKR_CARRIAGE_MAX], struct skr_error *error)
{
    char site[SKR_CARRIAGE_NAME_MAX];
    int r = fetch_name(txn, SKR_NETWORK_SITE, site_id, site, error);
    if (r < 0)
        return r;
    if (uplink->profile)
        snprintf(
                ret, SKR_CARRIAGE_MAX,
                "It can carry no virtualized network: uplink port profile \"%.*s\" of its uplink %s does not list site "
                "\"%s\", which serves the host's group. Add the site to the profile's network sites.",
                SKR_CARRIAGE_NAME_MAX, skr_object_name(uplink->profile), uplink->interface, site);
    else
        snprintf(ret, SKR_CARRIAGE_MAX,
                 "It can carry no virtualized network: its uplink %s names the sites that it reaches, and site \"%s\", "
                 "which serves the host's group, is not among them. Add the site to the uplink's network_site_ids, or "
                 "leave that list empty.",
                 uplink->interface, site);
    return 1;
}

/* The host has no row of provider addresses, though the fabric has a virtualized network. */
static int tell_none(struct skr_txn *txn, const struct skr_object *host, char ret[static SKR_CARRIAGE_MAX],
                     struct skr_error *error)
{
    SKR_CLEANUP(skr_reach_cleanup) struct skr_reach reach = {0};
    struct skr_uuid id = skr_object_id(host), site_id;
    const struct skr_reach_uplink *should = NULL;
    char group[SKR_CARRIAGE_NAME_MAX];
    int r = skr_reach_load(txn, &id, &reach, error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < reach.count && !should; i++)
        should = is_meant_without(&reach.uplinks[i]) ? NULL : &reach.uplinks[i];
    if (!reach.count) {
        snprintf(ret, SKR_CARRIAGE_MAX,
                 "It can carry no virtualized network: it has no uplink. Name the interface that carries provider "
                 "addresses: skerryctl host edit %.*s --uplink INTERFACE",
                 SKR_CARRIAGE_NAME_MAX, skr_object_name(host));
        return 1;
    }
    if (!should)
        return 0;
    r = find_site(txn, &reach, &site_id, error);
    if (r != 0)
        return r < 0 ? r : tell_unreached(txn, should, &site_id, ret, error);
    r = fetch_name(txn, SKR_HOST_GROUP, &reach.groups.items[0], group, error);
    if (r < 0)
        return r;
    snprintf(ret, SKR_CARRIAGE_MAX,
             "It can carry no virtualized network: no site of a virtualized logical network serves its host group "
             "\"%s\" or one above. Add the group to the host groups of such a site, or move the host: skerryctl host "
             "edit %.*s --host-group GROUP",
             group, SKR_CARRIAGE_NAME_MAX, skr_object_name(host));
    return 1;
}

int skr_carriage_problem(struct skr_txn *txn, const struct skr_object *host, char ret[static SKR_CARRIAGE_MAX],
                         struct skr_error *error)
{
    static const struct skr_uuid first;
    struct skr_uuid network_id = {0}, site_id = {0};
    char missing[SKR_CARRIAGE_NAME_MAX] = "";
    if (!skr_host_in_service(host))
        return 0;
    int r = look_at_rows(txn, host, &network_id, &site_id, missing, error);
    if (r > 0 && *missing)
        r = tell_missing(host, missing, ret);
    else if (r > 0)
        r = skr_uuid_is_nil(&site_id) ? 0 : tell_exhausted(txn, &network_id, &site_id, ret, error);
    else if (r == 0 && (r = skr_find(txn, &any_virtualized, &first, NULL, NULL, error)) > 0)
        r = tell_none(txn, host, ret, error);
    if (r > 0)
        skr_utf8_mend(ret);
    return r;
}
