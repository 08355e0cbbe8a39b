/* The host scope: the host, its provider addresses, the ports of its adapters. */
#include "controller/policy/graph.h"
#include <stdlib.h>

const struct provider_address *skr_policy_host_provider_address(const struct host *host,
                                                                const struct logical_network *network)
{
    const struct provider_address *address;

    if (!host->active)
        return NULL;
    LIST_FOREACH (address, &host->addresses, host_link)
        if (address->network == network && address->has_address)
            return address;
    return NULL;
}

void skr_policy_compile_host(struct skr_policy *policy, struct host *host)
{
    Skerry__V1__Host message = SKERRY__V1__HOST__INIT;

    if (!host->scope)
        return;
    if (host->name)
        message.name = host->name;
    message.remediate = host->remediate;
    message.uplinks = host->uplinks;
    message.n_uplinks = host->uplink_count;
    skr_policy_compile_put(policy, host->scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST, &host->node.key.id,
                           &message.base);
}

void skr_policy_compile_provider_address(struct skr_policy *policy, struct provider_address *address)
{
    const Skerry__V1__ObjectType type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS;
    const struct skr_uuid *id = &address->node.key.id;
    struct scope *scope = address->host && address->has_address ? address->host->scope : NULL;
    Skerry__V1__ProviderAddress message = SKERRY__V1__PROVIDER_ADDRESS__INIT;

    if (address->scope && address->scope != scope)
        skr_policy_scope_remove(policy, address->scope, type, id);
    address->scope = scope;
    if (!scope)
        return;
    message.address = skr_policy_wire_address(&address->address);
    message.prefix_length = address->subnet.length;
    if (address->has_gateway)
        message.gateway = skr_policy_wire_address(&address->gateway);
    if (address->uplink)
        message.uplink = address->uplink;
    message.vlan_id = address->vlan_id;
    message.mtu = address->network->mtu;
    message.logical_network_id = skr_policy_wire_uuid(&address->network->node.key.id);
    skr_policy_compile_put(policy, scope, type, id, &message.base);
}

static void put_port(struct skr_policy *policy, struct scope *scope, const struct adapter *adapter)
{
    static const struct profile guarded = {.dhcp_guard = true, .router_guard = true, .arp_nd_inspection = true};
    const struct profile *profile = adapter->classification->profile ? adapter->classification->profile : &guarded;
    Skerry__V1__Port message = SKERRY__V1__PORT__INIT;
    ProtobufCBinaryData *addresses = skr_policy_must(calloc(adapter->address_count + 1U, sizeof(*addresses)));

    for (uint16_t i = 0; i < adapter->address_count; i++)
        addresses[i] = skr_policy_wire_address(&adapter->addresses[i]);
    message.vm_network_id = skr_policy_wire_uuid(&adapter->domain->node.key.id);
    message.vm_subnet_id = skr_policy_wire_uuid(&adapter->subnet->node.key.id);
    message.vsid = adapter->subnet->vsid;
    message.mac = (ProtobufCBinaryData){.len = 6, .data = (uint8_t *)(uintptr_t)adapter->mac.bytes};
    message.addresses = addresses;
    message.n_addresses = adapter->address_count;
    if (adapter->interface)
        message.interface = adapter->interface;
    message.mac_spoofing = profile->mac_spoofing;
    message.guest_specified_ips = profile->guest_specified_ips;
    message.arp_nd_inspection = profile->arp_nd_inspection;
    message.dhcp_guard = profile->dhcp_guard;
    message.router_guard = profile->router_guard;
    if (adapter->name)
        message.name = adapter->name;
    skr_policy_compile_put(policy, scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &adapter->node.key.id,
                           &message.base);
    free(addresses);
}

void skr_policy_compile_port(struct skr_policy *policy, struct adapter *adapter)
{
    struct scope *scope = adapter->member ? adapter->host->scope : NULL;

    if (adapter->scope && adapter->scope != scope) {
        skr_policy_scope_remove(policy, adapter->scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT,
                                &adapter->node.key.id);
        skr_policy_realize_port_gone(policy, adapter);
    }
    adapter->scope = scope;
    if (!scope)
        return;
    put_port(policy, scope, adapter);
    skr_policy_realize_port(policy, adapter);
}
