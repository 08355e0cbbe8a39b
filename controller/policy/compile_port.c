/* The host scope: the ports of its adapters. */
#include "controller/policy/graph.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A port carries these besides the adapter; they are freed after it has been packed. */
struct lists {
    ProtobufCBinaryData *addresses, *acls;
};

/* A minimum for which the switch has no mode is asked for all the same, so that the host says that it is not done. But
 * nobody has chosen the weights of the built-in profiles: where nobody shares out, they ask for nothing. */
static void put_minimum(Skerry__V1__Port *message, const struct port_profile *profile,
                        const struct host_switch *host_switch)
{
    uint32_t mode = host_switch && host_switch->logical ? host_switch->logical->minimum_bandwidth_mode : 0;

    if (mode == SKERRY__V1__MINIMUM_BANDWIDTH_MODE__MINIMUM_BANDWIDTH_MODE_WEIGHT || !profile->built_in)
        message->minimum_weight = profile->minimum_weight;
    message->minimum_bps = profile->minimum_bps;
}

static void put_profile(Skerry__V1__Port *message, const struct port_profile *profile)
{
    message->mac_spoofing = profile->mac_spoofing;
    message->guest_specified_ips = profile->guest_specified_ips;
    message->arp_nd_inspection = profile->arp_nd_inspection;
    message->dhcp_guard = profile->dhcp_guard;
    message->router_guard = profile->router_guard;
    message->guest_teaming = profile->guest_teaming;
    message->ieee_priority_tagging = profile->ieee_priority_tagging;
    message->maximum_bps = profile->maximum_bps;
    message->vmq = profile->vmq;
    message->ipsec_task_offload = profile->ipsec_task_offload;
    message->sriov = profile->sriov;
    message->vrss = profile->vrss;
}

/* Without a VSID the VM subnet's lists come with the port, after its own: there is no domain that would say so. */
static void put_acls(Skerry__V1__Port *message, struct lists *lists, const struct adapter *adapter)
{
    const struct adapter_extra *extra = adapter->extra;
    const struct subnet *subnet = adapter->domain->isolation ? adapter->subnet : NULL;
    size_t own = extra ? extra->acl_count : 0, all = own + (subnet ? subnet->acl_count : 0);

    lists->acls = skr_policy_must(calloc(all + 1, sizeof(*lists->acls)));
    for (size_t i = 0; i < all; i++)
        lists->acls[i] = skr_policy_wire_uuid(i < own ? &extra->acls[i] : &subnet->acls[i - own]);
    message->access_control_list_ids = lists->acls;
    message->n_access_control_list_ids = all;
}

static void put_adapter(Skerry__V1__Port *message, struct lists *lists, const struct adapter *adapter)
{
    const struct adapter_extra *extra = adapter->extra;

    lists->addresses = skr_policy_must(calloc(adapter->address_count + 1U, sizeof(*lists->addresses)));
    for (uint16_t i = 0; i < adapter->address_count; i++)
        lists->addresses[i] = skr_policy_wire_address(&adapter->addresses[i]);
    message->addresses = lists->addresses;
    message->n_addresses = adapter->address_count;
    message->vm_network_id = skr_policy_wire_uuid(&adapter->domain->node.key.id);
    if (adapter->subnet)
        message->vm_subnet_id = skr_policy_wire_uuid(&adapter->subnet->node.key.id);
    message->mac = (ProtobufCBinaryData){.len = 6, .data = (uint8_t *)(uintptr_t)adapter->mac.bytes};
    if (adapter->name)
        message->name = adapter->name;
    if (extra && extra->interface)
        message->interface = extra->interface;
    if (extra) {
        message->mirror = (Skerry__V1__MirrorMode)extra->mirror;
        message->protected_network = extra->protected_network;
    }
    put_acls(message, lists, adapter);
}

/* In a network that passes through, the adapter may name one of the site's VLANs; a single one is the site's word. */
static uint32_t vlan_of(const struct adapter *adapter, const struct site *site)
{
    if (adapter->domain->isolation != SKERRY__V1__ISOLATION__ISOLATION_NONE)
        return adapter->domain->vlan_id;
    if (adapter->extra && adapter->extra->has_vlan)
        return adapter->extra->vlan_id;
    return site->vlan_count == 1 ? site->vlans[0] : 0;
}

/* Without a VSID: the uplink's interface is the port's way out. One that has none stays closed on the host. */
static void put_place(Skerry__V1__Port *message, const struct adapter *adapter, const struct reach *reach)
{
    if (!adapter->domain->isolation) {
        message->vsid = adapter->subnet->vsid;
    } else {
        message->isolation = (Skerry__V1__Isolation)adapter->domain->isolation;
        message->secondary_vlan_id = adapter->domain->secondary_vlan_id;
        if (adapter->subnet && adapter->subnet->has_gateway)
            message->gateway = skr_policy_wire_address(&adapter->subnet->gateway);
    }
    if (reach->interface) {
        message->vlan_id = vlan_of(adapter, reach->site);
        message->uplink = (char *)(uintptr_t)reach->interface;
    }
    if (reach->host_switch)
        message->host_switch_id = skr_policy_wire_uuid(&reach->host_switch->node.key.id);
}

/* How the adapter gets to its network from this host; why not, NULL when it does. With a VSID the provider address
 * decides that, and there is no interface. */
static const char *reach_of(const struct adapter *adapter, const struct host *host, struct reach *ret, char *out,
                            size_t size)
{
    const struct domain *domain = adapter->domain;
    const struct adapter_extra *extra = adapter->extra;
    struct reach reach;

    *ret = (struct reach){.host_switch = skr_policy_host_switch_of(adapter, host)};
    if (!domain->isolation)
        return skr_policy_realize_address(adapter, host, out, size);
    if (!domain->network || !skr_policy_reach(host, domain->network, domain->site, &reach)) {
        snprintf(out, size, "no_uplink: no uplink of the host reaches %s%.63s",
                 domain->site ? "network site " : "a network site of the VM network's logical network",
                 domain->site && domain->site->name ? domain->site->name : "");
        return out;
    }
    if (domain->isolation == SKERRY__V1__ISOLATION__ISOLATION_NONE && !(extra && extra->has_vlan) &&
        reach.site->vlan_count > 1) {
        snprintf(out, size, "no_vlan: network site %.63s has several VLANs; the adapter's vlan_id must name one",
                 reach.site->name ? reach.site->name : "");
        return out;
    }
    *ret = reach;
    return NULL;
}

static void put_port(struct skr_policy *policy, const struct adapter *adapter, const struct host *host,
                     const struct reach *reach, bool armed, bool leaving)
{
    struct port_profile profile = skr_policy_port_profile(adapter, host);
    Skerry__V1__Port message = SKERRY__V1__PORT__INIT;
    struct lists lists;

    put_adapter(&message, &lists, adapter);
    put_place(&message, adapter, reach);
    put_profile(&message, &profile);
    put_minimum(&message, &profile, reach->host_switch);
    message.armed = armed;
    message.leaving = leaving;
    skr_policy_compile_put(policy, host->scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &adapter->node.key.id,
                           &message.base);
    free(lists.addresses);
    free(lists.acls);
}

/* Out of a scope where it does not stand any more. */
static void leave(struct skr_policy *policy, const struct adapter *adapter, struct scope *scope, bool stands,
                  bool *failed)
{
    if (!scope)
        return;
    if (!stands)
        skr_policy_scope_remove(policy, scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &adapter->node.key.id);
    skr_policy_realize_port(policy, adapter, scope, failed, NULL);
}

static void compile_on(struct skr_policy *policy, const struct adapter *adapter, const struct host *host, bool armed,
                       bool leaving, bool *failed)
{
    char reason[SKR_REALIZATION_REASON_MAX];
    struct reach reach;
    const char *failure = reach_of(adapter, host, &reach, reason, sizeof(reason));

    put_port(policy, adapter, host, &reach, armed, leaving);
    skr_policy_realize_port(policy, adapter, host->scope, failed, failure);
}

void skr_policy_compile_port(struct skr_policy *policy, struct adapter *adapter)
{
    struct move *move = adapter->move;
    struct scope *here = adapter->placed ? adapter->host->scope : NULL;
    struct scope *target = move && move->placed ? move->target->scope : NULL;

    if (adapter->scope != here)
        leave(policy, adapter, adapter->scope, adapter->scope == target, &adapter->failed);
    if (move && move->scope != target)
        leave(policy, adapter, move->scope, move->scope == here, &move->failed);
    adapter->scope = here;
    if (move)
        move->scope = target;
    if (target)
        compile_on(policy, adapter, move->target, true, false, &move->failed);
    if (here) /* records with a VSID tell the source of a move; without one, its port does */
        compile_on(policy, adapter, adapter->host, false, target && adapter->domain->isolation, &adapter->failed);
    skr_policy_move_forget(adapter);
}
