/* The host scope: logical switches as they stand on the host. */
#include "controller/policy/graph.h"
#include <stdlib.h>

static uint32_t switch_mtu(const struct host_switch *host_switch)
{
    uint32_t mtu = 0;

    for (uint32_t i = 0; i < host_switch->profiles.count; i++) {
        const struct uplink_profile *profile = (const struct uplink_profile *)host_switch->profiles.items[i].to;
        for (uint32_t s = 0; profile && s < profile->sites.count; s++) {
            const struct site *site = (const struct site *)profile->sites.items[s].to;
            if (site->network && site->network->mtu > mtu)
                mtu = site->network->mtu;
        }
    }
    return mtu;
}

static uint32_t adapter_vlan(const struct host_adapter *adapter, const struct node *target)
{
    if (adapter->vlan_id || !target)
        return adapter->vlan_id;
    if (target->key.type == SKR_VM_NETWORK)
        return ((const struct domain *)target)->vlan_id;
    const struct site *site = (const struct site *)target;
    return site->vlan_count == 1 ? site->vlans[0] : 0;
}

static void put_switch(struct skr_policy *policy, const struct host_switch *host_switch)
{
    const struct logical_switch *logical = host_switch->logical;
    const struct uplink_profile *team =
            host_switch->profiles.count ? (const struct uplink_profile *)host_switch->profiles.items[0].to : NULL;
    uint32_t count = host_switch->targets.count;
    Skerry__V1__HostAdapter *adapters = skr_policy_must(calloc(count + 1, sizeof(*adapters)));
    Skerry__V1__HostAdapter **list = skr_policy_must(calloc(count + 1, sizeof(void *)));
    Skerry__V1__HostSwitch message = SKERRY__V1__HOST_SWITCH__INIT;

    for (uint32_t i = 0; i < count; i++) {
        skerry__v1__host_adapter__init(&adapters[i]);
        if (host_switch->adapters[i].name)
            adapters[i].name = host_switch->adapters[i].name;
        adapters[i].inherit_from_uplink = host_switch->adapters[i].inherit_from_uplink;
        adapters[i].vlan_id = adapter_vlan(&host_switch->adapters[i], host_switch->targets.items[i].to);
        list[i] = &adapters[i];
    }
    if (host_switch->name)
        message.name = host_switch->name;
    message.type = (Skerry__V1__SwitchType)logical->type;
    message.uplinks = host_switch->uplinks;
    message.n_uplinks = host_switch->profiles.count;
    message.load_balancing = (Skerry__V1__LoadBalancing)(team ? team->load_balancing : 0);
    message.teaming_mode = (Skerry__V1__TeamingMode)(team ? team->teaming_mode : 0);
    message.minimum_bandwidth_mode = (Skerry__V1__MinimumBandwidthMode)logical->minimum_bandwidth_mode;
    message.sriov = logical->sriov;
    message.extensions = logical->extensions;
    message.n_extensions = logical->extension_count;
    message.host_adapters = list;
    message.n_host_adapters = count;
    message.mtu = switch_mtu(host_switch);
    skr_policy_compile_put(policy, host_switch->scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH,
                           &host_switch->node.key.id, &message.base);
    free(adapters);
    free(list);
}

void skr_policy_compile_host_switch(struct skr_policy *policy, struct host_switch *host_switch)
{
    bool stands = host_switch->host && host_switch->logical && host_switch->logical->node.present;
    struct scope *scope = stands ? host_switch->host->scope : NULL;

    skr_policy_compile_place(policy, &host_switch->scope, scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH,
                             &host_switch->node.key.id);
    if (scope)
        put_switch(policy, host_switch);
}
