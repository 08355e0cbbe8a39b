/* Rows of the model made by hand, as the policy gets them after a commit: what the rules would check is the caller's to
 * keep. */
#pragma once

#include <arpa/inet.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline struct skr_uuid uuid_of(unsigned kind, unsigned number)
{
    struct skr_uuid id = {{1}};
    id.bytes[1] = (uint8_t)kind;
    id.bytes[2] = (uint8_t)(number >> 8);
    id.bytes[14] = (uint8_t)number;
    id.bytes[15] = (uint8_t)(number * 37 + kind * 11);
    return id;
}

static inline struct skr_object *row(enum skr_resource_id resource, const struct skr_uuid *id)
{
    struct skr_object *object = skr_object_new(skr_resource_get(resource));
    skr_object_set_uuid(object, SKR_FIELD_ID, id);
    return object;
}

static inline struct skr_object *profile_row(unsigned n, const char *name, bool built_in, bool learning)
{
    struct skr_uuid id = uuid_of(SKR_VIRTUAL_PORT_PROFILE, n);
    struct skr_object *object = row(SKR_VIRTUAL_PORT_PROFILE, &id);
    const struct skr_field *field = &object->resource->fields[SKR_VIRTUAL_PORT_PROFILE_SECURITY];
    struct skr_object *security = skr_object_new(field->sub);
    struct skr_value *value = &object->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY];

    skr_object_set_text(object, SKR_FIELD_NAME, name);
    skr_object_set_integer(object, SKR_VIRTUAL_PORT_PROFILE_BUILT_IN, built_in);
    skr_object_set_integer(security, SKR_SECURITY_DHCP_GUARD, 1);
    skr_object_set_integer(security, SKR_SECURITY_GUEST_SPECIFIED_IPS, learning);
    value->objects = malloc(sizeof(struct skr_object *));
    value->objects[0] = security;
    value->count = 1;
    value->type = SKR_VALUE_OBJECTS;
    return object;
}

static inline struct skr_object *classification_row(unsigned n, unsigned profile)
{
    struct skr_uuid id = uuid_of(SKR_PORT_CLASSIFICATION, n), profile_id = uuid_of(SKR_VIRTUAL_PORT_PROFILE, profile);
    struct skr_object *object = row(SKR_PORT_CLASSIFICATION, &id);
    skr_object_set_uuid(object, SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID, &profile_id);
    return object;
}

static inline struct skr_object *logical_network_row(unsigned n, const char *encapsulation, int mtu)
{
    struct skr_uuid id = uuid_of(SKR_LOGICAL_NETWORK, n);
    struct skr_object *object = row(SKR_LOGICAL_NETWORK, &id);
    skr_object_set_text(object, SKR_LOGICAL_NETWORK_ENCAPSULATION, encapsulation);
    skr_object_set_integer(object, SKR_LOGICAL_NETWORK_MTU, mtu);
    return object;
}

static inline struct skr_object *host_row(unsigned n, const char *name, const char *enrolment)
{
    struct skr_uuid id = uuid_of(SKR_HOST, n);
    struct skr_object *object = row(SKR_HOST, &id);
    skr_object_set_text(object, SKR_FIELD_NAME, name);
    skr_object_set_text(object, SKR_HOST_STATE, "active");
    skr_object_set_text(object, SKR_HOST_ENROLMENT, enrolment);
    skr_object_set_text(object, SKR_HOST_REMEDIATION, "auto");
    return object;
}

static inline struct skr_object *provider_address_row(unsigned n, unsigned host, unsigned network, const char *address)
{
    struct skr_uuid id = uuid_of(SKR_PROVIDER_ADDRESS, n), host_id = uuid_of(SKR_HOST, host),
                    network_id = uuid_of(SKR_LOGICAL_NETWORK, network);
    struct skr_object *object = row(SKR_PROVIDER_ADDRESS, &id);
    struct skr_prefix subnet;
    struct skr_address value;

    skr_prefix_parse("10.1.0.0/16", &subnet);
    skr_object_set_uuid(object, SKR_PROVIDER_ADDRESS_HOST_ID, &host_id);
    skr_object_set_uuid(object, SKR_PROVIDER_ADDRESS_LOGICAL_NETWORK_ID, &network_id);
    skr_object_set_text(object, SKR_PROVIDER_ADDRESS_UPLINK, "eth0");
    skr_object_set_prefix(object, SKR_PROVIDER_ADDRESS_SUBNET, &subnet);
    skr_object_set_integer(object, SKR_PROVIDER_ADDRESS_VLAN_ID, 0);
    if (address && skr_address_parse(address, &value) == 0)
        skr_object_set_address(object, SKR_PROVIDER_ADDRESS_ADDRESS, &value);
    else
        skr_object_set_text(object, SKR_PROVIDER_ADDRESS_REASON, "no_provider_address: site Hamburg has none left");
    return object;
}

static inline struct skr_object *vm_network_row(unsigned n, unsigned network, int mtu)
{
    struct skr_uuid id = uuid_of(SKR_VM_NETWORK, n), network_id = uuid_of(SKR_LOGICAL_NETWORK, network),
                    rdid = uuid_of(77, n);
    struct skr_object *object = row(SKR_VM_NETWORK, &id);
    skr_object_set_uuid(object, SKR_VM_NETWORK_LOGICAL_NETWORK_ID, &network_id);
    skr_object_set_text(object, SKR_VM_NETWORK_ISOLATION, "network_virtualization");
    skr_object_set_uuid(object, SKR_VM_NETWORK_ROUTING_DOMAIN_ID, &rdid);
    skr_object_set_integer(object, SKR_VM_NETWORK_ROUTING_DOMAIN_NUMBER, 1000 + n);
    if (mtu)
        skr_object_set_integer(object, SKR_VM_NETWORK_MTU, mtu);
    return object;
}

static inline struct skr_object *vm_subnet_row(unsigned n, unsigned network)
{
    struct skr_uuid id = uuid_of(SKR_VM_SUBNET, n), network_id = uuid_of(SKR_VM_NETWORK, network);
    struct skr_object *object = row(SKR_VM_SUBNET, &id);
    struct skr_prefix prefix;
    struct skr_address gateway;

    skr_prefix_parse("192.168.1.0/24", &prefix);
    skr_address_parse("192.168.1.1", &gateway);
    skr_object_set_uuid(object, SKR_VM_SUBNET_VM_NETWORK_ID, &network_id);
    skr_object_set_prefix(object, SKR_VM_SUBNET_PREFIX, &prefix);
    skr_object_set_integer(object, SKR_VM_SUBNET_VSID, 4096 + n);
    skr_object_set_address(object, SKR_VM_SUBNET_GATEWAY, &gateway);
    return object;
}

/* The VM subnet's prefix becomes 192.168.third.0/24. */
static inline void vm_subnet_prefix(struct skr_object *object, unsigned third)
{
    struct skr_prefix prefix = {.address = skr_address_from_v4(htonl(0xc0a80000U + (third << 8))), .length = 24};
    struct skr_address gateway = skr_address_from_v4(htonl(0xc0a80001U + (third << 8)));

    skr_object_set_prefix(object, SKR_VM_SUBNET_PREFIX, &prefix);
    skr_object_set_address(object, SKR_VM_SUBNET_GATEWAY, &gateway);
}

/* host, classification: 0 = none. */
static inline struct skr_object *adapter_row(unsigned n, unsigned network, unsigned subnet, unsigned host,
                                             unsigned classification)
{
    struct skr_uuid id = uuid_of(SKR_NETWORK_ADAPTER, n), network_id = uuid_of(SKR_VM_NETWORK, network),
                    subnet_id = uuid_of(SKR_VM_SUBNET, subnet), host_id = uuid_of(SKR_HOST, host),
                    classification_id = uuid_of(SKR_PORT_CLASSIFICATION, classification);
    struct skr_object *object = row(SKR_NETWORK_ADAPTER, &id);
    struct skr_mac mac = {{2, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n}};
    struct skr_address address = skr_address_from_v4(htonl(0xc0a80100U + n % 250 + 2));
    char name[32];

    snprintf(name, sizeof(name), "adapter-%u", n);
    skr_object_set_text(object, SKR_FIELD_NAME, name);
    skr_object_set_uuid(object, SKR_NETWORK_ADAPTER_VM_NETWORK_ID, &network_id);
    skr_object_set_uuid(object, SKR_NETWORK_ADAPTER_VM_SUBNET_ID, &subnet_id);
    skr_object_set_mac(object, SKR_NETWORK_ADAPTER_MAC, &mac);
    skr_object_set_addresses(object, SKR_NETWORK_ADAPTER_IP_ADDRESSES, &address, 1);
    if (host)
        skr_object_set_uuid(object, SKR_NETWORK_ADAPTER_HOST_ID, &host_id);
    if (classification)
        skr_object_set_uuid(object, SKR_NETWORK_ADAPTER_CLASSIFICATION_ID, &classification_id);
    return object;
}

static inline struct skr_object *record_row(unsigned n, unsigned adapter, unsigned network, unsigned subnet,
                                            unsigned salt)
{
    struct skr_uuid id = uuid_of(SKR_LOOKUP_RECORD, n), adapter_id = uuid_of(SKR_NETWORK_ADAPTER, adapter),
                    network_id = uuid_of(SKR_VM_NETWORK, network), subnet_id = uuid_of(SKR_VM_SUBNET, subnet);
    struct skr_object *object = row(SKR_LOOKUP_RECORD, &id);
    struct skr_mac mac = {{2, 0, 0, 0, (uint8_t)(adapter >> 8), (uint8_t)adapter}};
    struct skr_address address = skr_address_from_v4(htonl(0xc0a80100U + (n + salt) % 250 + 2));

    skr_object_set_uuid(object, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID, &adapter_id);
    skr_object_set_uuid(object, SKR_LOOKUP_RECORD_VM_NETWORK_ID, &network_id);
    skr_object_set_uuid(object, SKR_LOOKUP_RECORD_VM_SUBNET_ID, &subnet_id);
    skr_object_set_integer(object, SKR_LOOKUP_RECORD_VSID, 4096 + subnet);
    skr_object_set_mac(object, SKR_LOOKUP_RECORD_MAC, &mac);
    skr_object_set_text(object, SKR_LOOKUP_RECORD_TYPE, salt % 2 ? "dynamic" : "static");
    skr_object_set_address(object, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS, &address);
    return object;
}

/* A new entry of a list of structs. */
static inline struct skr_object *entry_add(struct skr_object *object, int field)
{
    struct skr_value *value = &object->values[field];
    struct skr_object *entry = skr_object_new(object->resource->fields[field].sub);

    if (value->type != SKR_VALUE_OBJECTS) {
        value->type = SKR_VALUE_OBJECTS;
        value->objects = NULL;
        value->count = 0;
    }
    value->objects = realloc(value->objects, (value->count + 1) * sizeof(struct skr_object *));
    value->objects[value->count++] = entry;
    return entry;
}

static inline void id_add(struct skr_object *object, int field, const struct skr_uuid *id)
{
    const struct skr_value *value = &object->values[field];
    struct skr_uuid ids[32];
    uint32_t count = value->type == SKR_VALUE_UUIDS ? value->count : 0;

    if (count)
        memcpy(ids, value->uuids, count * sizeof(*ids));
    ids[count] = *id;
    skr_object_set_uuids(object, field, ids, count + 1);
}

/* parent: 0 = the root. */
static inline struct skr_object *host_group_row(unsigned n, unsigned parent)
{
    struct skr_uuid id = uuid_of(SKR_HOST_GROUP, n), parent_id = uuid_of(SKR_HOST_GROUP, parent);
    struct skr_object *object = row(SKR_HOST_GROUP, &id);
    if (parent)
        skr_object_set_uuid(object, SKR_HOST_GROUP_PARENT_ID, &parent_id);
    return object;
}

/* vlans: ends with -1. */
static inline struct skr_object *site_row(unsigned n, unsigned network, const char *name, const int *vlans)
{
    struct skr_uuid id = uuid_of(SKR_NETWORK_SITE, n), network_id = uuid_of(SKR_LOGICAL_NETWORK, network);
    struct skr_object *object = row(SKR_NETWORK_SITE, &id);

    skr_object_set_text(object, SKR_FIELD_NAME, name);
    skr_object_set_uuid(object, SKR_NETWORK_SITE_LOGICAL_NETWORK_ID, &network_id);
    for (; *vlans >= 0; vlans++)
        skr_object_set_integer(entry_add(object, SKR_NETWORK_SITE_SUBNET_VLANS), SKR_SUBNET_VLAN_VLAN_ID, *vlans);
    return object;
}

static inline struct skr_object *uplink_profile_row(unsigned n, const char *teaming)
{
    struct skr_uuid id = uuid_of(SKR_UPLINK_PORT_PROFILE, n);
    struct skr_object *object = row(SKR_UPLINK_PORT_PROFILE, &id);

    skr_object_set_text(object, SKR_UPLINK_PORT_PROFILE_LOAD_BALANCING, "dynamic");
    skr_object_set_text(object, SKR_UPLINK_PORT_PROFILE_TEAMING_MODE, teaming);
    return object;
}

static inline struct skr_object *logical_switch_row(unsigned n, const char *type)
{
    struct skr_uuid id = uuid_of(SKR_LOGICAL_SWITCH, n);
    struct skr_object *object = row(SKR_LOGICAL_SWITCH, &id);

    skr_object_set_text(object, SKR_LOGICAL_SWITCH_TYPE, type);
    skr_object_set_text(object, SKR_LOGICAL_SWITCH_MINIMUM_BANDWIDTH_MODE, "weight");
    skr_object_set_json(object, SKR_LOGICAL_SWITCH_EXTENSIONS, json_pack("[s]", "monitor"));
    return object;
}

static inline void logical_switch_map(struct skr_object *object, unsigned classification, unsigned profile,
                                      bool is_default)
{
    struct skr_object *entry = entry_add(object, SKR_LOGICAL_SWITCH_VIRTUAL_PORTS);
    struct skr_uuid classification_id = uuid_of(SKR_PORT_CLASSIFICATION, classification),
                    profile_id = uuid_of(SKR_VIRTUAL_PORT_PROFILE, profile);

    skr_object_set_uuid(entry, SKR_VIRTUAL_PORT_CLASSIFICATION_ID, &classification_id);
    skr_object_set_uuid(entry, SKR_VIRTUAL_PORT_PROFILE_ID, &profile_id);
    skr_object_set_integer(entry, SKR_VIRTUAL_PORT_IS_DEFAULT, is_default);
}

static inline struct skr_object *host_switch_row(unsigned n, unsigned host, unsigned logical)
{
    struct skr_uuid id = uuid_of(SKR_HOST_SWITCH, n), host_id = uuid_of(SKR_HOST, host),
                    logical_id = uuid_of(SKR_LOGICAL_SWITCH, logical);
    struct skr_object *object = row(SKR_HOST_SWITCH, &id);

    skr_object_set_text(object, SKR_FIELD_NAME, "switch");
    skr_object_set_uuid(object, SKR_HOST_SWITCH_HOST_ID, &host_id);
    skr_object_set_uuid(object, SKR_HOST_SWITCH_LOGICAL_SWITCH_ID, &logical_id);
    return object;
}

/* profile: 0 = none. */
static inline void host_switch_uplink(struct skr_object *object, const char *interface, unsigned profile)
{
    struct skr_object *entry = entry_add(object, SKR_HOST_SWITCH_UPLINKS);
    struct skr_uuid profile_id = uuid_of(SKR_UPLINK_PORT_PROFILE, profile);

    skr_object_set_text(entry, SKR_SWITCH_UPLINK_INTERFACE, interface);
    if (profile)
        skr_object_set_uuid(entry, SKR_SWITCH_UPLINK_PROFILE_ID, &profile_id);
}

static inline void host_switch_adapter(struct skr_object *object, const char *name, int field,
                                       const struct skr_uuid *target)
{
    struct skr_object *entry = entry_add(object, SKR_HOST_SWITCH_HOST_ADAPTERS);

    skr_object_set_text(entry, SKR_HOST_ADAPTER_NAME, name);
    skr_object_set_integer(entry, SKR_HOST_ADAPTER_INHERIT_FROM_UPLINK, 1);
    skr_object_set_uuid(entry, field, target);
}

static inline void host_uplink(struct skr_object *host, const char *interface, const struct skr_uuid *site)
{
    struct skr_object *entry = entry_add(host, SKR_HOST_UPLINKS);
    char text[SKR_UUID_TEXT_MAX];

    skr_object_set_text(entry, SKR_UPLINK_INTERFACE, interface);
    if (site)
        skr_object_set_json(entry, SKR_UPLINK_NETWORK_SITE_IDS, json_pack("[s]", skr_uuid_format(site, text)));
}

/* `logical_switch` and `classification` 0: ports of none. */
static inline struct skr_object *hold_row(unsigned n, unsigned host, unsigned logical_switch, unsigned classification,
                                          const char *field, const char *found)
{
    struct skr_uuid id = uuid_of(SKR_COMPLIANCE, n), host_id = uuid_of(SKR_HOST, host),
                    switch_id = uuid_of(SKR_LOGICAL_SWITCH, logical_switch),
                    classification_id = uuid_of(SKR_PORT_CLASSIFICATION, classification);
    struct skr_object *object = row(SKR_COMPLIANCE, &id);

    skr_object_set_uuid(object, SKR_COMPLIANCE_HOST_ID, &host_id);
    skr_object_set_text(object, SKR_COMPLIANCE_OBJECT_KIND, "virtual-port-profile");
    if (logical_switch)
        skr_object_set_uuid(object, SKR_COMPLIANCE_LOGICAL_SWITCH_ID, &switch_id);
    if (classification)
        skr_object_set_uuid(object, SKR_COMPLIANCE_CLASSIFICATION_ID, &classification_id);
    skr_object_set_text(object, SKR_COMPLIANCE_FIELD, field);
    skr_object_set_text(object, SKR_COMPLIANCE_FOUND, found);
    return object;
}

static inline struct skr_object *acl_row(unsigned n, const char *protocol, const char *ports)
{
    struct skr_uuid id = uuid_of(SKR_ACCESS_CONTROL_LIST, n), rule_id = uuid_of(88, n);
    struct skr_object *object = row(SKR_ACCESS_CONTROL_LIST, &id);
    struct skr_object *rule = entry_add(object, SKR_ACCESS_CONTROL_LIST_RULES);
    struct skr_prefix remote;

    skr_prefix_parse("10.9.0.0/16", &remote);
    skr_object_set_uuid(rule, SKR_ACL_RULE_ID, &rule_id);
    skr_object_set_text(rule, SKR_ACL_RULE_NAME, "rule");
    skr_object_set_text(rule, SKR_ACL_RULE_DIRECTION, "out");
    skr_object_set_text(rule, SKR_ACL_RULE_ACTION, "deny");
    skr_object_set_text(rule, SKR_ACL_RULE_PROTOCOL, protocol);
    skr_object_set_prefix(rule, SKR_ACL_RULE_REMOTE, &remote);
    if (ports)
        skr_object_set_text(rule, SKR_ACL_RULE_REMOTE_PORTS, ports);
    skr_object_set_integer(rule, SKR_ACL_RULE_WEIGHT, 7);
    skr_object_set_integer(rule, SKR_ACL_RULE_STATEFUL, 1);
    skr_object_set_integer(rule, SKR_ACL_RULE_IDLE_TIMEOUT_S, 300);
    return object;
}

/* site, vlan: 0 = none. */
static inline struct skr_object *vlan_network_row(unsigned n, unsigned network, const char *isolation, unsigned site,
                                                  int vlan)
{
    struct skr_object *object = vm_network_row(n, network, 0);
    struct skr_uuid site_id = uuid_of(SKR_NETWORK_SITE, site);

    skr_object_set_text(object, SKR_VM_NETWORK_ISOLATION, isolation);
    if (site)
        skr_object_set_uuid(object, SKR_VM_NETWORK_NETWORK_SITE_ID, &site_id);
    if (vlan)
        skr_object_set_integer(object, SKR_VM_NETWORK_VLAN_ID, vlan);
    return object;
}

/* To 10.n.0.0/16 by way of 192.168.subnet.9. */
static inline struct skr_object *route_row(unsigned n, unsigned network, unsigned subnet, unsigned metric)
{
    struct skr_uuid id = uuid_of(SKR_CUSTOMER_ROUTE, n), network_id = uuid_of(SKR_VM_NETWORK, network);
    struct skr_object *object = row(SKR_CUSTOMER_ROUTE, &id);
    struct skr_prefix destination;
    struct skr_address next_hop;

    destination =
            (struct skr_prefix){.address = skr_address_from_v4(htonl(0x0a000000U + (n % 256 << 16))), .length = 16};
    next_hop = skr_address_from_v4(htonl(0xc0a80009U + (subnet % 256 << 8)));
    skr_object_set_uuid(object, SKR_CUSTOMER_ROUTE_VM_NETWORK_ID, &network_id);
    skr_object_set_prefix(object, SKR_CUSTOMER_ROUTE_DESTINATION, &destination);
    skr_object_set_address(object, SKR_CUSTOMER_ROUTE_NEXT_HOP, &next_hop);
    skr_object_set_integer(object, SKR_CUSTOMER_ROUTE_METRIC, metric);
    return object;
}
