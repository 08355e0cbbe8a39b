/* How a host gets to a logical network, and what that makes of an adapter: its uplink, its switch, its profile. */
#include "controller/policy/graph.h"
#include <string.h>

#define GROUP_DEPTH_MAX 32 /* host groups above one another */
#define NOT_COVERED     GROUP_DEPTH_MAX

/* How far above the host the site's nearest group stands; NOT_COVERED when none does. */
static uint32_t distance(const struct host *host, const struct site *site)
{
    uint32_t depth = 0;

    for (const struct host_group *group = host->group; group && depth < GROUP_DEPTH_MAX; group = group->parent, depth++)
        for (uint32_t i = 0; i < site->groups.count; i++)
            if (site->groups.items[i].to == &group->node)
                return depth;
    return NOT_COVERED;
}

/* The better of two ways: what covers the host most closely, then the lower ids, so that every order of writes ends at
 * the same. */
struct choice {
    struct reach reach;
    uint32_t distance;
    bool found;
};

static int compare_nodes(const struct node *a, const struct node *b)
{
    if (!a || !b)
        return (a == NULL) - (b == NULL); /* a switch before none */
    return skr_uuid_compare(&a->key.id, &b->key.id);
}

static void consider(struct choice *best, const struct host *host, const struct reach *reach)
{
    uint32_t far = distance(host, reach->site);
    int order = 0;

    if (best->found) {
        order = far < best->distance ? -1 : far > best->distance;
        const struct node *mine = reach->host_switch ? &reach->host_switch->node : NULL;
        const struct node *other = best->reach.host_switch ? &best->reach.host_switch->node : NULL;
        if (order == 0)
            order = compare_nodes(&reach->site->node, &best->reach.site->node);
        if (order == 0)
            order = compare_nodes(mine, other);
    }
    if (best->found && order >= 0)
        return;
    *best = (struct choice){.reach = *reach, .distance = far, .found = true};
}

static bool fits(const struct site *site, const struct logical_network *network, const struct site *wanted)
{
    return site && site->network == network && (!wanted || site == wanted);
}

static void consider_switches(struct choice *best, const struct host *host, const struct logical_network *network,
                              const struct site *wanted)
{
    const struct host_switch *host_switch;

    LIST_FOREACH (host_switch, &host->switches, host_link)
        for (uint32_t i = 0; i < host_switch->profiles.count; i++) {
            const struct uplink_profile *profile = (const struct uplink_profile *)host_switch->profiles.items[i].to;
            for (uint32_t s = 0; profile && s < profile->sites.count; s++) {
                const struct site *site = (const struct site *)profile->sites.items[s].to;
                if (fits(site, network, wanted))
                    consider(best, host, &(struct reach){host_switch->uplinks[i], site, host_switch});
            }
        }
}

static bool in_switch(const struct host *host, const char *interface)
{
    const struct host_switch *host_switch;

    LIST_FOREACH (host_switch, &host->switches, host_link)
        for (uint32_t i = 0; i < host_switch->profiles.count; i++)
            if (strcmp(host_switch->uplinks[i], interface) == 0)
                return true;
    return false;
}

static void consider_covering(struct choice *best, const struct host *host, const char *interface,
                              const struct logical_network *network, const struct site *wanted)
{
    const struct edge *edge;
    uint32_t depth = 0;

    if (wanted) {
        if (fits(wanted, network, NULL) && distance(host, wanted) < NOT_COVERED)
            consider(best, host, &(struct reach){interface, wanted, NULL});
        return;
    }
    for (const struct host_group *group = host->group; group && depth < GROUP_DEPTH_MAX; group = group->parent, depth++)
        LIST_FOREACH (edge, &group->sites, link)
            if (fits((const struct site *)edge->from, network, NULL))
                consider(best, host, &(struct reach){interface, (const struct site *)edge->from, NULL});
}

static void consider_uplinks(struct choice *best, const struct host *host, struct skr_policy *policy,
                             const struct logical_network *network, const struct site *wanted)
{
    for (uint32_t i = 0; i < host->uplink_count; i++) {
        const struct host_uplink *uplink = &host->uplinks[i];
        if (!uplink->interface || in_switch(host, uplink->interface))
            continue;
        if (uplink->site_count == 0)
            consider_covering(best, host, uplink->interface, network, wanted);
        for (uint32_t s = 0; s < uplink->site_count; s++) {
            const struct site *site = skr_policy_graph_find(policy, SKR_NETWORK_SITE, &uplink->sites[s]);
            if (fits(site, network, wanted))
                consider(best, host, &(struct reach){uplink->interface, site, NULL});
        }
    }
}

bool skr_policy_reach(struct skr_policy *policy, const struct host *host, const struct logical_network *network,
                      const struct site *site, struct reach *ret)
{
    struct choice best = {.found = false};

    consider_switches(&best, host, network, site);
    if (!best.found)
        consider_uplinks(&best, host, policy, network, site);
    if (best.found)
        *ret = best.reach;
    return best.found;
}

const struct host_switch *skr_policy_host_switch_of(const struct adapter *adapter, const struct host *host)
{
    const struct domain *domain = adapter->domain;
    struct choice best = {.found = false};

    if (!host || LIST_EMPTY(&host->switches) || !domain || !domain->network)
        return NULL;
    consider_switches(&best, host, domain->network, domain->site);
    return best.found ? best.reach.host_switch : NULL;
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
        if (skr_uuid_compare(&logical->ports[i].classification, &adapter->classification->node.key.id) == 0)
            return profile;
        if (logical->ports[i].is_default)
            fallback = profile;
    }
    return fallback ? fallback : adapter->classification->profile;
}
