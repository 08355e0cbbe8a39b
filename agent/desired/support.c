#include "agent/desired/support.h"

#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>

static const char *say(char *out, const char *what, const char *then)
{
    snprintf(out, SKR_SUPPORT_TEXT_MAX, "not_supported: %s is not supported by this agent%s", what, then);
    return out;
}

static bool is_ipv6(const ProtobufCBinaryData *bytes)
{
    struct skr_address address;
    return skr_body_address(bytes, &address) && !skr_address_is_v4(&address);
}

const char *skr_support_host_switch(const Skerry__V1__HostSwitch *host_switch, char out[static SKR_SUPPORT_TEXT_MAX])
{
    if (host_switch->type == SKERRY__V1__SWITCH_TYPE__SWITCH_TYPE_INTERNAL)
        return say(out, "a host switch of type internal", "");
    if (host_switch->type == SKERRY__V1__SWITCH_TYPE__SWITCH_TYPE_PRIVATE)
        return say(out, "a host switch of type private", "");
    if (host_switch->type != SKERRY__V1__SWITCH_TYPE__SWITCH_TYPE_EXTERNAL)
        return say(out, "this type of host switch", "");
    if (host_switch->n_uplinks > 1)
        return host_switch->teaming_mode == SKERRY__V1__TEAMING_MODE__TEAMING_MODE_LACP
                       ? say(out, "a team of several uplinks (lacp)", "")
                       : say(out, "a team of several uplinks", "");
    if (host_switch->n_uplinks == 0)
        return say(out, "a host switch of type external without an uplink", "");
    if (host_switch->minimum_bandwidth_mode)
        return say(out, "minimum_bandwidth_mode", ": only none is");
    if (host_switch->sriov)
        return say(out, "sriov", "");
    if (host_switch->n_extensions)
        return say(out, "a switch extension", "");
    if (host_switch->n_host_adapters)
        return say(out, "a host adapter", "");
    return NULL;
}

const char *skr_support_port_closed(const Skerry__V1__Port *port, char out[static SKR_SUPPORT_TEXT_MAX])
{
    if (port->n_access_control_list_ids)
        return say(out, "an access control list", ", so the port is closed");
    switch (port->isolation) {
    case SKERRY__V1__ISOLATION__ISOLATION_UNSPECIFIED:
    case SKERRY__V1__ISOLATION__ISOLATION_NONE:
    case SKERRY__V1__ISOLATION__ISOLATION_VLAN:
        return NULL;
    case SKERRY__V1__ISOLATION__ISOLATION_PVLAN:
        return say(out, "isolation pvlan", ", so the port is closed");
    default:
        return say(out, "this isolation", ", so the port is closed");
    }
}

static bool has_ipv6(const Skerry__V1__Port *port)
{
    for (size_t i = 0; i < port->n_addresses; i++)
        if (is_ipv6(&port->addresses[i]))
            return true;
    return false;
}

const char *skr_support_port_settings(const Skerry__V1__Port *port, char out[static SKR_SUPPORT_TEXT_MAX])
{
    /* A tunnel has no place for the priority of the guest's tag, and carries no IPv6. */
    bool tunnels = port->isolation == SKERRY__V1__ISOLATION__ISOLATION_UNSPECIFIED;
    const struct {
        bool asked;
        const char *name;
    } settings[] = {
            {tunnels && has_ipv6(port), "an IPv6 address"},
            {port->guest_teaming, "guest_teaming"},
            {port->ieee_priority_tagging && tunnels, "ieee_priority_tagging"},
            {port->minimum_weight || port->minimum_bps, "minimum bandwidth"},
            {port->maximum_bps, "maximum bandwidth"},
            {port->mirror, "mirror"},
            {port->protected_network, "protected_network"},
            {port->vmq, "vmq"},
            {port->ipsec_task_offload, "ipsec_task_offload"},
            {port->sriov, "sriov"},
            {port->vrss, "vrss"},
    };
    char names[SKR_SUPPORT_TEXT_MAX / 2] = "";
    for (size_t i = 0; i < SKR_ARRAY_SIZE(settings); i++) {
        size_t used = strlen(names);
        if (settings[i].asked)
            snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", settings[i].name);
    }
    return names[0] ? say(out, names, "; the port works without it") : NULL;
}

const char *skr_support_subnet(const Skerry__V1__Subnet *subnet, char out[static SKR_SUPPORT_TEXT_MAX])
{
    if (subnet->n_access_control_list_ids)
        return say(out, "an access control list of a VM subnet", ", so its ports are closed");
    return is_ipv6(&subnet->prefix) ? say(out, "an IPv6 VM subnet", ", so its ports are closed") : NULL;
}

const char *skr_support_domain(const Skerry__V1__Domain *domain, char out[static SKR_SUPPORT_TEXT_MAX])
{
    return domain->encapsulation == SKERRY__V1__ENCAPSULATION__ENCAPSULATION_NVGRE ||
                           domain->encapsulation == SKERRY__V1__ENCAPSULATION__ENCAPSULATION_VXLAN
                   ? NULL
                   : say(out, "this encapsulation", ", so the VM network does not work here");
}

bool skr_support_record_type(const Skerry__V1__Record *record)
{
    return record->type >= SKERRY__V1__RECORD_TYPE__RECORD_TYPE_STATIC &&
           record->type <= SKERRY__V1__RECORD_TYPE__RECORD_TYPE_DHCP;
}

const char *skr_support_record(const Skerry__V1__Record *record, char out[static SKR_SUPPORT_TEXT_MAX])
{
    if (!skr_support_record_type(record))
        return say(out, "this type of record", "");
    return is_ipv6(&record->customer_address) ? say(out, "an IPv6 customer address", "") : NULL;
}

const char *skr_support_customer_route(const Skerry__V1__CustomerRoute *route, char out[static SKR_SUPPORT_TEXT_MAX])
{
    return is_ipv6(&route->destination) || is_ipv6(&route->next_hop) ? say(out, "a customer route of IPv6", "") : NULL;
}

const char *skr_support_provider_address(const Skerry__V1__ProviderAddress *address,
                                         char out[static SKR_SUPPORT_TEXT_MAX])
{
    return is_ipv6(&address->address) ? say(out, "an IPv6 provider address", "") : NULL;
}

const char *skr_support_object(Skerry__V1__ObjectType type, char out[static SKR_SUPPORT_TEXT_MAX])
{
    if (type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_ACCESS_CONTROL_LIST)
        return say(out, "an access control list", ", so what names it is closed");
    return skr_body_known(type) ? NULL : say(out, "an object of this type", "");
}
