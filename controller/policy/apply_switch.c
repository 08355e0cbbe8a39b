/* After-images of what leads to the physical network into nodes: logical networks, network sites, uplink port profiles,
 * logical switches, host switches. */
#include "controller/policy/graph.h"
#include <skerry/macros.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MTU 1500

static void texts_free(char **texts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

/* The keys of a list of references; the caller's to free. */
static struct skr_map_key *keys_of(const struct skr_object *object, int field, enum skr_resource_id target,
                                   uint32_t *ret_count)
{
    const struct skr_value *value = object ? &object->values[field] : NULL;
    uint32_t count = value && value->type == SKR_VALUE_UUIDS ? value->count : 0;
    struct skr_map_key *keys = skr_policy_must(calloc(count + 1, sizeof(*keys)));

    for (uint32_t i = 0; i < count; i++)
        keys[i] = (struct skr_map_key){.id = value->uuids[i], .type = target};
    *ret_count = count;
    return keys;
}

static void host_switch_changed(struct skr_policy *policy, struct host_switch *host_switch)
{
    skr_policy_node_mark(policy, &host_switch->node);
    if (host_switch->host)
        skr_policy_host_ports_changed(policy, host_switch->host);
}

static void uplink_profile_changed(struct skr_policy *policy, const struct uplink_profile *profile)
{
    const struct edge *edge;
    LIST_FOREACH (edge, &profile->uplinks, link)
        host_switch_changed(policy, (struct host_switch *)edge->from);
}

/* Switches that reach the site, and those whose host adapters are in it. */
static void site_users_changed(struct skr_policy *policy, const struct site *site)
{
    const struct edge *edge;

    LIST_FOREACH (edge, &site->users, link) {
        if (edge->from->key.type == SKR_UPLINK_PORT_PROFILE)
            uplink_profile_changed(policy, (const struct uplink_profile *)edge->from);
        else
            skr_policy_node_mark(policy, edge->from);
    }
}

/* ---- logical networks ---- */

void skr_policy_apply_logical_network(struct skr_policy *policy, struct logical_network *network,
                                      const struct skr_object *object)
{
    const char *encapsulation = object ? skr_object_text(object, SKR_LOGICAL_NETWORK_ENCAPSULATION) : NULL;
    uint32_t mtu = object ? (uint32_t)skr_object_integer(object, SKR_LOGICAL_NETWORK_MTU) : 0;
    bool mtu_changed = network->mtu != (mtu ? mtu : DEFAULT_MTU);
    struct provider_address *address;
    struct domain *domain;
    struct subnet *subnet;
    struct site *site;

    network->vxlan = encapsulation && strcmp(encapsulation, "vxlan") == 0;
    network->mtu = mtu ? mtu : DEFAULT_MTU;
    LIST_FOREACH (address, &network->addresses, network_link)
        skr_policy_node_mark(policy, &address->node);
    LIST_FOREACH (domain, &network->domains, network_link) {
        skr_policy_node_mark(policy, &domain->node);
        LIST_FOREACH (subnet, &domain->subnets, domain_link)
            skr_policy_node_mark(policy, &subnet->node);
    }
    if (mtu_changed)
        LIST_FOREACH (site, &network->sites, network_link)
            site_users_changed(policy, site);
}

/* ---- network sites ---- */

static void site_set_vlans(struct site *site, const struct skr_object *object)
{
    uint32_t count;
    struct skr_object *const *list = skr_policy_apply_structs(object, SKR_NETWORK_SITE_SUBNET_VLANS, &count);

    free(site->vlans);
    site->vlans = skr_policy_must(calloc(count + 1, sizeof(*site->vlans)));
    site->vlan_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t vlan = (uint16_t)skr_object_integer(list[i], SKR_SUBNET_VLAN_VLAN_ID);
        uint32_t at = 0;
        while (at < site->vlan_count && site->vlans[at] != vlan)
            at++;
        if (at == site->vlan_count)
            site->vlans[site->vlan_count++] = vlan;
    }
}

static void adapters_of_domain_changed(struct skr_policy *policy, const struct domain *domain)
{
    struct adapter *adapter;
    struct subnet *subnet;

    LIST_FOREACH (subnet, &domain->subnets, domain_link)
        LIST_FOREACH (adapter, &subnet->adapters, subnet_link)
            skr_policy_adapter_profile_changed(policy, adapter);
    LIST_FOREACH (adapter, &domain->loose, subnet_link)
        skr_policy_adapter_profile_changed(policy, adapter);
}

/* VM networks in the site, and those for which each host's site decides. */
static void site_domains_changed(struct skr_policy *policy, const struct site *site,
                                 const struct logical_network *network)
{
    const struct domain *domain;

    LIST_FOREACH (domain, &site->domains, site_link)
        adapters_of_domain_changed(policy, domain);
    if (network)
        LIST_FOREACH (domain, &network->domains, network_link)
            if (domain->isolation && !domain->site)
                adapters_of_domain_changed(policy, domain);
}

void skr_policy_apply_site(struct skr_policy *policy, struct site *site, const struct skr_object *object)
{
    struct logical_network *before = site->network;
    uint32_t count;
    SKR_CLEANUP(skr_free_cleanup)
    struct skr_map_key *groups = keys_of(object, SKR_NETWORK_SITE_HOST_GROUP_IDS, SKR_HOST_GROUP, &count);

    if (before)
        LIST_REMOVE(site, network_link);
    site->network =
            skr_policy_apply_reference(policy, object, SKR_NETWORK_SITE_LOGICAL_NETWORK_ID, SKR_LOGICAL_NETWORK);
    if (site->network)
        LIST_INSERT_HEAD(&site->network->sites, site, network_link);
    free(site->name);
    site->name = skr_policy_apply_text(object, SKR_FIELD_NAME);
    site_set_vlans(site, object);
    skr_policy_edges_set(policy, &site->groups, &site->node, groups, count);
    site_users_changed(policy, site);
    site_domains_changed(policy, site, site->network ? site->network : before);
    skr_policy_apply_release(policy, before);
}

/* ---- uplink port profiles ---- */

void skr_policy_apply_uplink_profile(struct skr_policy *policy, struct uplink_profile *profile,
                                     const struct skr_object *object)
{
    static const char *const balancing[] = {"switch_port", "address_hash", "dynamic", NULL};
    static const char *const teaming[] = {"switch_independent", "static", "lacp", NULL};
    uint32_t count;
    SKR_CLEANUP(skr_free_cleanup)
    struct skr_map_key *sites = keys_of(object, SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS, SKR_NETWORK_SITE, &count);

    profile->load_balancing = skr_policy_apply_choice(
            object ? skr_object_text(object, SKR_UPLINK_PORT_PROFILE_LOAD_BALANCING) : NULL, balancing);
    profile->teaming_mode = skr_policy_apply_choice(
            object ? skr_object_text(object, SKR_UPLINK_PORT_PROFILE_TEAMING_MODE) : NULL, teaming);
    skr_policy_edges_set(policy, &profile->sites, &profile->node, sites, count);
    uplink_profile_changed(policy, profile);
}

/* ---- logical switches ---- */

static void logical_set_extensions(struct logical_switch *logical, const struct skr_object *object)
{
    const struct skr_value *value = object ? &object->values[SKR_LOGICAL_SWITCH_EXTENSIONS] : NULL;
    size_t count = value && value->type == SKR_VALUE_JSON ? json_array_size(value->json) : 0;

    texts_free(logical->extensions, logical->extension_count);
    logical->extensions = skr_policy_must(calloc(count + 1, sizeof(char *)));
    logical->extension_count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(value->json, i));
        if (text)
            logical->extensions[logical->extension_count++] = skr_policy_must(strdup(text));
    }
}

static void logical_set_ports(struct skr_policy *policy, struct logical_switch *logical,
                              const struct skr_object *object)
{
    uint32_t count;
    struct skr_object *const *list = skr_policy_apply_structs(object, SKR_LOGICAL_SWITCH_VIRTUAL_PORTS, &count);
    SKR_CLEANUP(skr_free_cleanup)
    struct skr_map_key *profiles = skr_policy_must(calloc(count + 1, sizeof(*profiles)));

    free(logical->ports);
    logical->ports = skr_policy_must(calloc(count + 1, sizeof(*logical->ports)));
    for (uint32_t i = 0; i < count; i++) {
        logical->ports[i].classification = skr_object_uuid(list[i], SKR_VIRTUAL_PORT_CLASSIFICATION_ID);
        logical->ports[i].is_default = skr_object_integer(list[i], SKR_VIRTUAL_PORT_IS_DEFAULT) != 0;
        profiles[i] = (struct skr_map_key){.id = skr_object_uuid(list[i], SKR_VIRTUAL_PORT_PROFILE_ID),
                                           .type = SKR_VIRTUAL_PORT_PROFILE};
    }
    skr_policy_edges_set(policy, &logical->profiles, &logical->node, profiles, count);
}

void skr_policy_apply_logical_switch(struct skr_policy *policy, struct logical_switch *logical,
                                     const struct skr_object *object)
{
    static const char *const types[] = {"external", "internal", "private", NULL};
    static const char *const modes[] = {"weight", "absolute", NULL};
    struct host_switch *host_switch;

    logical->type = skr_policy_apply_choice(object ? skr_object_text(object, SKR_LOGICAL_SWITCH_TYPE) : NULL, types);
    logical->minimum_bandwidth_mode = skr_policy_apply_choice(
            object ? skr_object_text(object, SKR_LOGICAL_SWITCH_MINIMUM_BANDWIDTH_MODE) : NULL, modes);
    logical->sriov = object && skr_object_integer(object, SKR_LOGICAL_SWITCH_SRIOV) != 0;
    logical_set_extensions(logical, object);
    logical_set_ports(policy, logical, object);
    LIST_FOREACH (host_switch, &logical->switches, logical_link)
        host_switch_changed(policy, host_switch);
}

/* ---- host switches ---- */

static void switch_set_uplinks(struct skr_policy *policy, struct host_switch *host_switch,
                               const struct skr_object *object)
{
    uint32_t count;
    struct skr_object *const *list = skr_policy_apply_structs(object, SKR_HOST_SWITCH_UPLINKS, &count);
    SKR_CLEANUP(skr_free_cleanup)
    struct skr_map_key *profiles = skr_policy_must(calloc(count + 1, sizeof(*profiles)));

    texts_free(host_switch->uplinks, host_switch->profiles.count);
    host_switch->uplinks = skr_policy_must(calloc(count + 1, sizeof(char *)));
    for (uint32_t i = 0; i < count; i++) {
        const char *interface = skr_object_text(list[i], SKR_SWITCH_UPLINK_INTERFACE);
        host_switch->uplinks[i] = skr_policy_must(strdup(interface ? interface : ""));
        profiles[i] = (struct skr_map_key){.id = skr_object_uuid(list[i], SKR_SWITCH_UPLINK_PROFILE_ID),
                                           .type = SKR_UPLINK_PORT_PROFILE};
    }
    skr_policy_edges_set(policy, &host_switch->profiles, &host_switch->node, profiles, count);
}

static void adapters_free(struct host_switch *host_switch)
{
    for (uint32_t i = 0; i < host_switch->targets.count; i++)
        free(host_switch->adapters[i].name);
    free(host_switch->adapters);
}

static void switch_set_adapters(struct skr_policy *policy, struct host_switch *host_switch,
                                const struct skr_object *object)
{
    uint32_t count;
    struct skr_object *const *list = skr_policy_apply_structs(object, SKR_HOST_SWITCH_HOST_ADAPTERS, &count);
    SKR_CLEANUP(skr_free_cleanup)
    struct skr_map_key *targets = skr_policy_must(calloc(count + 1, sizeof(*targets)));

    adapters_free(host_switch);
    host_switch->adapters = skr_policy_must(calloc(count + 1, sizeof(*host_switch->adapters)));
    for (uint32_t i = 0; i < count; i++) {
        struct host_adapter *adapter = &host_switch->adapters[i];
        bool in_site = skr_object_has(list[i], SKR_HOST_ADAPTER_NETWORK_SITE_ID);
        adapter->name = skr_policy_apply_text(list[i], SKR_HOST_ADAPTER_NAME);
        adapter->inherit_from_uplink = skr_object_integer(list[i], SKR_HOST_ADAPTER_INHERIT_FROM_UPLINK) != 0;
        adapter->vlan_id = (uint32_t)skr_object_integer(list[i], SKR_HOST_ADAPTER_VLAN_ID);
        targets[i].id =
                skr_object_uuid(list[i], in_site ? SKR_HOST_ADAPTER_NETWORK_SITE_ID : SKR_HOST_ADAPTER_VM_NETWORK_ID);
        targets[i].type = in_site ? SKR_NETWORK_SITE : SKR_VM_NETWORK;
    }
    skr_policy_edges_set(policy, &host_switch->targets, &host_switch->node, targets, count);
}

/* In order of id: the lowest that reaches a site is the way to it. */
static void host_insert_switch(struct host *host, struct host_switch *host_switch)
{
    struct host_switch *other, *last = NULL;

    LIST_FOREACH (other, &host->switches, host_link) {
        if (skr_uuid_compare(&other->node.key.id, &host_switch->node.key.id) > 0)
            break;
        last = other;
    }
    if (last)
        LIST_INSERT_AFTER(last, host_switch, host_link);
    else
        LIST_INSERT_HEAD(&host->switches, host_switch, host_link);
}

void skr_policy_apply_host_switch(struct skr_policy *policy, struct host_switch *host_switch,
                                  const struct skr_object *object)
{
    struct host *host = host_switch->host;
    struct logical_switch *logical = host_switch->logical;

    if (host)
        LIST_REMOVE(host_switch, host_link);
    if (logical)
        LIST_REMOVE(host_switch, logical_link);
    host_switch->host = skr_policy_apply_reference(policy, object, SKR_HOST_SWITCH_HOST_ID, SKR_HOST);
    host_switch->logical =
            skr_policy_apply_reference(policy, object, SKR_HOST_SWITCH_LOGICAL_SWITCH_ID, SKR_LOGICAL_SWITCH);
    if (host_switch->host)
        host_insert_switch(host_switch->host, host_switch);
    if (host_switch->logical)
        LIST_INSERT_HEAD(&host_switch->logical->switches, host_switch, logical_link);
    free(host_switch->name);
    host_switch->name = skr_policy_apply_text(object, SKR_FIELD_NAME);
    switch_set_uplinks(policy, host_switch, object);
    switch_set_adapters(policy, host_switch, object);
    host_switch_changed(policy, host_switch);
    if (host && host != host_switch->host)
        skr_policy_host_ports_changed(policy, host);
    skr_policy_apply_release(policy, host);
    skr_policy_apply_release(policy, logical);
}

/* ---- what the nodes own ---- */

void skr_policy_switch_node_done(struct node *node)
{
    switch ((enum skr_resource_id)node->key.type) {
    case SKR_NETWORK_SITE:
        free(((struct site *)node)->name);
        free(((struct site *)node)->vlans);
        skr_policy_edges_done(&((struct site *)node)->groups);
        break;
    case SKR_UPLINK_PORT_PROFILE:
        skr_policy_edges_done(&((struct uplink_profile *)node)->sites);
        break;
    case SKR_LOGICAL_SWITCH: {
        struct logical_switch *logical = (struct logical_switch *)node;
        texts_free(logical->extensions, logical->extension_count);
        free(logical->ports);
        skr_policy_edges_done(&logical->profiles);
        break;
    }
    case SKR_HOST_SWITCH: {
        struct host_switch *host_switch = (struct host_switch *)node;
        texts_free(host_switch->uplinks, host_switch->profiles.count);
        adapters_free(host_switch);
        free(host_switch->name);
        skr_policy_edges_done(&host_switch->profiles);
        skr_policy_edges_done(&host_switch->targets);
        break;
    }
    default:
        break;
    }
}
