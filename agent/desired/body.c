#include "agent/desired/body.h"
#include <ctype.h>
#include <skerry/abi/fastpath.h>
#include <skerry/macros.h>
#include <string.h>

#define VLAN_MAX 4094
#define MTU_MIN  576
#define MTU_MAX  65535

bool skr_body_uuid(const ProtobufCBinaryData *bytes, struct skr_uuid *ret)
{
    if (bytes->len != sizeof(ret->bytes))
        return false;
    memcpy(ret->bytes, bytes->data, sizeof(ret->bytes));
    return true;
}

bool skr_body_address(const ProtobufCBinaryData *bytes, struct skr_address *ret)
{
    if (bytes->len == 4) {
        uint32_t v4;
        memcpy(&v4, bytes->data, sizeof(v4));
        *ret = skr_address_from_v4(v4);
        return true;
    }
    if (bytes->len != sizeof(ret->bytes))
        return false;
    memcpy(ret->bytes, bytes->data, sizeof(ret->bytes));
    return true;
}

bool skr_body_mac(const ProtobufCBinaryData *bytes, struct skr_mac *ret)
{
    if (bytes->len != sizeof(ret->bytes))
        return false;
    memcpy(ret->bytes, bytes->data, sizeof(ret->bytes));
    return true;
}

bool skr_body_prefix(const ProtobufCBinaryData *bytes, uint32_t length, struct skr_prefix *ret)
{
    struct skr_prefix prefix;
    if (!skr_body_address(bytes, &prefix.address))
        return false;
    if (length > (skr_address_is_v4(&prefix.address) ? 32 : 128))
        return false;
    prefix.length = (uint8_t)length;
    unsigned bits = skr_prefix_length_128(&prefix);
    for (unsigned bit = bits; bit < 128; bit++)
        if (prefix.address.bytes[bit / 8] & (0x80 >> (bit % 8)))
            return false;
    *ret = prefix;
    return true;
}

bool skr_body_interface_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length >= SKR_BODY_INTERFACE_NAME_SIZE || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (const char *c = name; *c; c++)
        if (*c == '/' || *c == ':' || isspace((unsigned char)*c) || iscntrl((unsigned char)*c))
            return false;
    return true;
}

static bool uuid_ok(const ProtobufCBinaryData *bytes)
{
    return bytes->len == sizeof(struct skr_uuid);
}

static bool address_ok(const ProtobufCBinaryData *bytes)
{
    return bytes->len == 4 || bytes->len == 16;
}

static bool addresses_ok(const ProtobufCBinaryData *bytes, size_t count)
{
    if (count > SKR_BODY_ADDRESSES_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!address_ok(&bytes[i]))
            return false;
    return true;
}

static bool vsid_ok(uint32_t vsid)
{
    return vsid >= SKR_VSID_MIN && vsid <= SKR_VSID_MAX;
}

static bool mtu_ok(uint32_t mtu)
{
    return mtu == 0 || (mtu >= MTU_MIN && mtu <= MTU_MAX);
}

static bool mac_ok(const ProtobufCBinaryData *bytes)
{
    struct skr_mac mac;
    return skr_body_mac(bytes, &mac) && !skr_mac_is_group(&mac) && !skr_mac_is_zero(&mac);
}

static bool names_ok(char *const *names, size_t count)
{
    if (count > SKR_BODY_ADDRESSES_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!skr_body_interface_name(names[i]))
            return false;
    return true;
}

static bool ids_ok(const ProtobufCBinaryData *ids, size_t count)
{
    if (count > SKR_BODY_ADDRESSES_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!uuid_ok(&ids[i]))
            return false;
    return true;
}

static bool host_ok(const ProtobufCMessage *message)
{
    const Skerry__V1__Host *host = (const void *)message;
    return strlen(host->name) <= SKR_BODY_NAME_MAX && names_ok(host->uplinks, host->n_uplinks);
}

static bool provider_address_ok(const ProtobufCMessage *message)
{
    const Skerry__V1__ProviderAddress *pa = (const void *)message;
    if (!address_ok(&pa->address) || pa->prefix_length > (pa->address.len == 4 ? 32 : 128))
        return false;
    if (pa->gateway.len != 0 && pa->gateway.len != pa->address.len)
        return false;
    return skr_body_interface_name(pa->uplink) && pa->vlan_id <= VLAN_MAX && mtu_ok(pa->mtu) &&
           uuid_ok(&pa->logical_network_id);
}

/* The port is of a VM subnet, or of a VLAN of an uplink. A value of an enum that only a newer controller has is no
 * error here, nor below: support.h judges it, and that object alone fails. */
static bool port_place_ok(const Skerry__V1__Port *port)
{
    if (port->isolation == SKERRY__V1__ISOLATION__ISOLATION_UNSPECIFIED)
        return vsid_ok(port->vsid) && uuid_ok(&port->vm_subnet_id);
    return port->vsid == 0 && port->vlan_id <= VLAN_MAX && port->secondary_vlan_id <= VLAN_MAX &&
           (port->vm_subnet_id.len == 0 || uuid_ok(&port->vm_subnet_id)) &&
           (!port->uplink[0] || skr_body_interface_name(port->uplink));
}

static bool port_ok(const ProtobufCMessage *message)
{
    const Skerry__V1__Port *port = (const void *)message;
    return uuid_ok(&port->vm_network_id) && port_place_ok(port) && mac_ok(&port->mac) &&
           addresses_ok(port->addresses, port->n_addresses) &&
           (!port->interface[0] || skr_body_interface_name(port->interface)) &&
           strlen(port->name) <= SKR_BODY_NAME_MAX &&
           (port->host_switch_id.len == 0 || uuid_ok(&port->host_switch_id)) &&
           ids_ok(port->access_control_list_ids, port->n_access_control_list_ids);
}

static bool host_switch_ok(const ProtobufCMessage *message)
{
    const Skerry__V1__HostSwitch *host_switch = (const void *)message;
    return strlen(host_switch->name) <= SKR_BODY_NAME_MAX && mtu_ok(host_switch->mtu) &&
           names_ok(host_switch->uplinks, host_switch->n_uplinks);
}

/* Its rules are not looked at: no list is enforced by this agent, and what names one is closed. */
static bool access_control_list_ok(const ProtobufCMessage *message)
{
    (void)message;
    return true;
}

static bool domain_ok(const ProtobufCMessage *message)
{
    const Skerry__V1__Domain *domain = (const void *)message;
    return uuid_ok(&domain->routing_domain_id) && domain->number != 0 &&
           domain->encapsulation != SKERRY__V1__ENCAPSULATION__ENCAPSULATION_UNSPECIFIED && mtu_ok(domain->mtu) &&
           uuid_ok(&domain->logical_network_id);
}

static bool subnet_ok(const ProtobufCMessage *message)
{
    const Skerry__V1__Subnet *subnet = (const void *)message;
    struct skr_prefix prefix;
    return vsid_ok(subnet->vsid) && skr_body_prefix(&subnet->prefix, subnet->prefix_length, &prefix) &&
           subnet->gateway.len == subnet->prefix.len && mtu_ok(subnet->mtu) &&
           ids_ok(subnet->access_control_list_ids, subnet->n_access_control_list_ids);
}

static bool member_ok(const ProtobufCMessage *message)
{
    const Skerry__V1__Member *member = (const void *)message;
    if (!addresses_ok(member->provider_addresses, member->n_provider_addresses) || member->n_vsids > SKR_BODY_VSIDS_MAX)
        return false;
    for (size_t i = 0; i < member->n_vsids; i++)
        if (!vsid_ok(member->vsids[i]))
            return false;
    return true;
}

static bool record_ok(const ProtobufCMessage *message)
{
    const Skerry__V1__Record *record = (const void *)message;
    return vsid_ok(record->vsid) && mac_ok(&record->mac) &&
           (record->customer_address.len == 0 || address_ok(&record->customer_address)) &&
           record->type != SKERRY__V1__RECORD_TYPE__RECORD_TYPE_UNSPECIFIED &&
           (record->provider_address.len == 0 || address_ok(&record->provider_address)) &&
           (record->host_id.len == 0 || uuid_ok(&record->host_id)) &&
           (record->adapter_id.len == 0 || uuid_ok(&record->adapter_id));
}

static bool holder_ok(const ProtobufCMessage *message)
{
    const Skerry__V1__Holder *holder = (const void *)message;
    return address_ok(&holder->address) && mac_ok(&holder->mac);
}

static bool customer_route_ok(const ProtobufCMessage *message)
{
    const Skerry__V1__CustomerRoute *route = (const void *)message;
    struct skr_prefix destination;
    return skr_body_prefix(&route->destination, route->prefix_length, &destination) && address_ok(&route->next_hop);
}

/* `scope_named`: the object's id is the scope's own. */
static const struct body_kind {
    Skerry__V1__ObjectType type;
    Skerry__V1__ScopeKind scope;
    bool scope_named;
    const ProtobufCMessageDescriptor *descriptor;
    bool (*ok)(const ProtobufCMessage *message);
} kinds[] = {
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, true,
         &skerry__v1__host__descriptor, host_ok},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, false,
         &skerry__v1__provider_address__descriptor, provider_address_ok},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, false,
         &skerry__v1__port__descriptor, port_ok},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, false,
         &skerry__v1__host_switch__descriptor, host_switch_ok},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_ACCESS_CONTROL_LIST, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, false,
         &skerry__v1__access_control_list__descriptor, access_control_list_ok},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, true,
         &skerry__v1__domain__descriptor, domain_ok},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, false,
         &skerry__v1__subnet__descriptor, subnet_ok},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, false,
         &skerry__v1__member__descriptor, member_ok},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, false,
         &skerry__v1__record__descriptor, record_ok},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_CUSTOMER_ROUTE, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, false,
         &skerry__v1__customer_route__descriptor, customer_route_ok},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, false,
         &skerry__v1__holder__descriptor, holder_ok},
};

static const struct body_kind *kind_of(Skerry__V1__ObjectType type)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

bool skr_body_scope(Skerry__V1__ScopeKind kind)
{
    return kind == SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST || kind == SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN;
}

bool skr_body_known(Skerry__V1__ObjectType type)
{
    return kind_of(type) != NULL;
}

bool skr_body_belongs(Skerry__V1__ScopeKind kind, Skerry__V1__ObjectType type)
{
    const struct body_kind *known = kind_of(type);
    return known ? known->scope == kind : type != SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_UNSPECIFIED;
}

ProtobufCMessage *skr_body_unpack(struct skr_arena *arena, Skerry__V1__ScopeKind kind, const struct skr_uuid *scope_id,
                                  Skerry__V1__ObjectType type, const struct skr_uuid *id, const uint8_t *data,
                                  size_t size)
{
    const struct body_kind *known = kind_of(type);
    if (!skr_body_belongs(kind, type))
        return NULL;
    if (!known) /* of a newer controller: that it is there is all that can be said of it */
        return skr_arena_unpack(arena, &skerry__v1__scope_digests_request__descriptor, NULL, 0);
    if (known->scope_named && skr_uuid_compare(scope_id, id) != 0)
        return NULL;
    ProtobufCMessage *message = skr_arena_unpack(arena, known->descriptor, data, size);
    return message && known->ok(message) ? message : NULL;
}
