/* Rows of the model made by hand, as the policy gets them after a commit: what the rules would check is the caller's to
 * keep. */
#pragma once

#include <arpa/inet.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdio.h>
#include <stdlib.h>

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
