/* How a host gets to a logical network, and what that makes of an adapter: its uplink, its switch, its profile. The
 * model judges by the same rules (controller/model/reach.h): a site counts where it covers the host's group and an
 * uplink lists it; of several the nearest; a switch comes before other uplinks, and a team is known by its first. */
#include "controller/policy/graph.h"
#include <string.h>

#define GROUP_DEPTH_MAX 32 /* host groups above one another */

static bool covers(const struct site *site, const struct host *host)
{
    uint32_t depth = 0;

    for (const struct host_group *group = host->group; group && depth < GROUP_DEPTH_MAX; group = group->parent, depth++)
        for (uint32_t i = 0; i < site->groups.count; i++)
            if (site->groups.items[i].to == &group->node)
                return true;
    return false;
}

static const struct host_uplink *own_uplink(const struct host *host, const char *interface)
{
    for (uint32_t i = 0; i < host->uplink_count; i++)
        if (host->uplinks[i].interface && strcmp(host->uplinks[i].interface, interface) == 0)
            return &host->uplinks[i];
    return NULL;
}

/* The uplink port profile lists sites; without one, the host's uplink does, and one that lists none reaches all. */
static bool lists_site(const struct uplink_profile *profile, const struct host_uplink *own, const struct site *site)
{
    if (profile) {
        for (uint32_t i = 0; i < profile->sites.count; i++)
            if (profile->sites.items[i].to == &site->node)
                return true;
        return false;
    }
    for (uint32_t i = 0; own && i < own->site_count; i++)
        if (skr_uuid_equal(&own->sites[i], &site->node.key.id))
            return true;
    return !own || own->site_count == 0;
}

static bool in_switch(const struct host *host, const char *interface)
{
    const struct host_switch *host_switch;

    LIST_FOREACH (host_switch, &host->switches, host_link)
        for (uint32_t i = 0; i < host_switch->profiles.count; i++)
            if (host_switch->uplinks[i] && strcmp(host_switch->uplinks[i], interface) == 0)
                return true;
    return false;
}

/* The first uplink that lists the site; switches stand in order of their ids. */
static bool way_to(const struct host *host, const struct site *site, struct reach *ret)
{
    const struct host_switch *host_switch;

    LIST_FOREACH (host_switch, &host->switches, host_link) {
        const char *interface = host_switch->profiles.count ? host_switch->uplinks[0] : NULL;
        if (interface && lists_site((const struct uplink_profile *)host_switch->profiles.items[0].to,
                                    own_uplink(host, interface), site)) {
            *ret = (struct reach){interface, site, host_switch};
            return true;
        }
    }
    for (uint32_t i = 0; i < host->uplink_count; i++) {
        const struct host_uplink *uplink = &host->uplinks[i];
        if (uplink->interface && !in_switch(host, uplink->interface) && lists_site(NULL, uplink, site)) {
            *ret = (struct reach){uplink->interface, site, NULL};
            return true;
        }
    }
    return false;
}

/* Takes the site with the lowest id of those of one group. */
static bool way_from(const struct host *host, const struct host_group *group, const struct logical_network *network,
                     struct reach *ret)
{
    const struct edge *edge;
    bool found = false;

    LIST_FOREACH (edge, &group->sites, link) {
        const struct site *site = (const struct site *)edge->from;
        if (site->network != network)
            continue;
        if (found && skr_uuid_compare(&site->node.key.id, &ret->site->node.key.id) >= 0)
            continue;
        found = way_to(host, site, ret) || found;
    }
    return found;
}

bool skr_policy_reach(const struct host *host, const struct logical_network *network, const struct site *site,
                      struct reach *ret)
{
    uint32_t depth = 0;

    if (site)
        return site->network == network && covers(site, host) && way_to(host, site, ret);
    for (const struct host_group *group = host->group; group && depth < GROUP_DEPTH_MAX; group = group->parent, depth++)
        if (way_from(host, group, network, ret))
            return true;
    return false;
}

/* With network virtualization the provider address says which uplink it is. */
static const struct host_switch *switch_of_address(const struct host *host, const struct logical_network *network)
{
    const struct provider_address *address;
    const struct host_switch *host_switch;

    LIST_FOREACH (address, &host->addresses, host_link)
        if (address->network == network)
            break;
    if (!address || !address->uplink)
        return NULL;
    LIST_FOREACH (host_switch, &host->switches, host_link)
        if (host_switch->profiles.count && strcmp(host_switch->uplinks[0], address->uplink) == 0)
            return host_switch;
    return NULL;
}

const struct host_switch *skr_policy_host_switch_of(const struct adapter *adapter, const struct host *host)
{
    const struct domain *domain = adapter->domain;
    struct reach reach;

    if (!host || LIST_EMPTY(&host->switches) || !domain || !domain->network)
        return NULL;
    if (!domain->isolation)
        return switch_of_address(host, domain->network);
    return skr_policy_reach(host, domain->network, domain->site, &reach) ? reach.host_switch : NULL;
}

const struct profile *skr_policy_profile_of(const struct adapter *adapter, const struct host *host)
{
    const struct host_switch *host_switch = skr_policy_host_switch_of(adapter, host);
    const struct logical_switch *logical = host_switch ? host_switch->logical : NULL;
    const struct profile *fallback = NULL;

    if (!adapter->classification)
        return NULL;
    for (uint32_t i = 0; logical && i < logical->profiles.count; i++) {
        const struct profile *profile = (const struct profile *)logical->profiles.items[i].to;
        if (skr_uuid_equal(&logical->ports[i].classification, &adapter->classification->node.key.id))
            return profile;
        if (logical->ports[i].is_default)
            fallback = profile;
    }
    return fallback ? fallback : adapter->classification->profile;
}
