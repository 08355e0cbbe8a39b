#include "controller/model/rules.h"

static const struct skr_query hosts_with = {
        "SELECT s.host_id FROM host_switch_uplinks u JOIN host_switch s ON s.id = u.owner_id "
        "WHERE u.uplink_port_profile_id = ?1"};

/* Every host whose switch has the profile follows at once. */
static int stored(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids rows = {0}, hosts = {0};
    struct skr_uuid id = skr_object_id(write->after);
    if (!write->before || (!skr_write_changes(write, SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS) &&
                           !skr_write_changes(write, SKR_UPLINK_PORT_PROFILE_NETWORK_VIRTUALIZATION)))
        return 0;
    int r = skr_ids_query(write->txn, &hosts_with, &id, &rows, error);
    if (r < 0)
        return r;
    skr_ids_sort(&rows); /* once a team's member */
    for (size_t i = 0; i < rows.count; i++)
        if (!i || !skr_uuid_equal(&rows.items[i], &rows.items[i - 1]))
            skr_ids_add(&hosts, &rows.items[i]);
    return skr_provider_address_hosts(write->txn, &hosts, SKR_WITHDRAWAL_FREE, "/network_site_ids", error);
}

const struct skr_rules skr_uplink_port_profile_rules = {.stored = stored};
