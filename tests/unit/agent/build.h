/* Deltas and bodies for the agent's tests, and a controller's idea of a scope's digest. */
#pragma once

#include <skerry/address.h>
#include <skerry/digest.h>
#include <skerry/uuid.h>
#include <skerry/v1/southbound.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_SCOPE     SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST
#define DOMAIN_SCOPE   SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN
#define HOST           SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST
#define PA             SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS
#define PORT           SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT
#define HOST_SWITCH    SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH
#define CUSTOMER_ROUTE SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_CUSTOMER_ROUTE
#define ACL            SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_ACCESS_CONTROL_LIST
#define DOMAIN_OBJECT  SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN
#define SUBNET         SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET
#define MEMBER         SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER
#define RECORD         SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD

static const struct skr_digest_key test_key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

/* Ids that read well: kind in the first byte, number in the last two. */
static inline struct skr_uuid test_id(uint8_t kind, uint32_t number)
{
    struct skr_uuid id = {{[0] = kind, [14] = (uint8_t)(number >> 8), [15] = (uint8_t)number}};
    return id;
}

static inline ProtobufCBinaryData test_bytes(const void *data, size_t size)
{
    ProtobufCBinaryData out = {.len = size, .data = malloc(size ? size : 1)};
    memcpy(out.data, data, size);
    return out;
}

static inline ProtobufCBinaryData test_uuid(struct skr_uuid id)
{
    return test_bytes(id.bytes, sizeof(id.bytes));
}

static inline ProtobufCBinaryData test_v4(uint32_t host_order)
{
    uint8_t bytes[4] = {(uint8_t)(host_order >> 24), (uint8_t)(host_order >> 16), (uint8_t)(host_order >> 8),
                        (uint8_t)host_order};
    return test_bytes(bytes, 4);
}

static inline struct skr_address test_address(uint32_t host_order)
{
    return skr_address_from_v4(__builtin_bswap32(host_order));
}

static inline ProtobufCBinaryData test_mac(uint32_t number)
{
    uint8_t bytes[6] = {0x02,           0, (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                        (uint8_t)number};
    return test_bytes(bytes, 6);
}

#define TEST_NEW(type, init)                                                                                           \
    (__extension__({                                                                                                   \
        type *made = malloc(sizeof(type));                                                                             \
        init(made);                                                                                                    \
        made;                                                                                                          \
    }))

static inline Skerry__V1__Delta *delta_new(Skerry__V1__ScopeKind kind, struct skr_uuid id, uint64_t from, uint64_t to)
{
    Skerry__V1__Delta *delta = TEST_NEW(Skerry__V1__Delta, skerry__v1__delta__init);
    delta->kind = kind;
    delta->id = test_uuid(id);
    delta->from_version = from;
    delta->to_version = to;
    return delta;
}

static inline void delta_free(Skerry__V1__Delta *delta)
{
    protobuf_c_message_free_unpacked(&delta->base, NULL);
}

/* Adds bytes as an object's body; returns the object's share of the digest. */
static inline uint64_t delta_upsert_bytes(Skerry__V1__Delta *delta, Skerry__V1__ObjectType type, struct skr_uuid id,
                                          const void *bytes, size_t size)
{
    Skerry__V1__Object *object = TEST_NEW(Skerry__V1__Object, skerry__v1__object__init);
    object->type = type;
    object->id = test_uuid(id);
    object->body = test_bytes(bytes, size);
    delta->upserts = realloc(delta->upserts, (delta->n_upserts + 1) * sizeof(*delta->upserts));
    delta->upserts[delta->n_upserts++] = object;
    return skr_digest_object(&test_key, type, &id, bytes, size);
}

/* Takes the message. */
static inline uint64_t delta_upsert(Skerry__V1__Delta *delta, Skerry__V1__ObjectType type, struct skr_uuid id,
                                    ProtobufCMessage *body)
{
    size_t size = protobuf_c_message_get_packed_size(body);
    uint8_t *bytes = malloc(size + 1);
    protobuf_c_message_pack(body, bytes);
    uint64_t digest = delta_upsert_bytes(delta, type, id, bytes, size);
    free(bytes);
    protobuf_c_message_free_unpacked(body, NULL);
    return digest;
}

static inline void delta_delete(Skerry__V1__Delta *delta, Skerry__V1__ObjectType type, struct skr_uuid id)
{
    Skerry__V1__ObjectKey *key = TEST_NEW(Skerry__V1__ObjectKey, skerry__v1__object_key__init);
    key->type = type;
    key->id = test_uuid(id);
    delta->deletes = realloc(delta->deletes, (delta->n_deletes + 1) * sizeof(*delta->deletes));
    delta->deletes[delta->n_deletes++] = key;
}

/* ---- bodies ---- */

static inline ProtobufCMessage *body_host(const char *name)
{
    Skerry__V1__Host *m = TEST_NEW(Skerry__V1__Host, skerry__v1__host__init);
    m->name = strdup(name);
    return &m->base;
}

static inline ProtobufCMessage *body_pa(uint32_t address, struct skr_uuid logical_network)
{
    Skerry__V1__ProviderAddress *m = TEST_NEW(Skerry__V1__ProviderAddress, skerry__v1__provider_address__init);
    m->address = test_v4(address);
    m->prefix_length = 24;
    m->uplink = strdup("eth0");
    m->mtu = 1500;
    m->logical_network_id = test_uuid(logical_network);
    return &m->base;
}

static inline ProtobufCMessage *body_port(struct skr_uuid vm_network, uint32_t vsid, uint32_t mac)
{
    Skerry__V1__Port *m = TEST_NEW(Skerry__V1__Port, skerry__v1__port__init);
    m->vm_network_id = test_uuid(vm_network);
    m->vm_subnet_id = test_uuid(test_id(0x5b, vsid));
    m->vsid = vsid;
    m->mac = test_mac(mac);
    m->interface = strdup("");
    m->name = strdup("vm");
    m->dhcp_guard = true;
    return &m->base;
}

/* A port of a VLAN (0: untagged) of an uplink, with one address (0: none). */
static inline Skerry__V1__Port *body_vlan_port(const char *uplink, uint32_t vlan, uint32_t mac, uint32_t address)
{
    Skerry__V1__Port *m = TEST_NEW(Skerry__V1__Port, skerry__v1__port__init);
    m->vm_network_id = test_uuid(test_id(0xaa, 77));
    m->isolation = SKERRY__V1__ISOLATION__ISOLATION_VLAN;
    m->mac = test_mac(mac);
    m->vlan_id = vlan;
    m->uplink = strdup(uplink);
    m->interface = strdup("");
    m->name = strdup("vm");
    if (address) {
        m->addresses = malloc(sizeof(*m->addresses));
        m->addresses[0] = test_v4(address);
        m->n_addresses = 1;
    }
    return m;
}

static inline Skerry__V1__HostSwitch *body_host_switch(const char *uplink, const char *second)
{
    const char *names[] = {uplink, second};
    Skerry__V1__HostSwitch *m = TEST_NEW(Skerry__V1__HostSwitch, skerry__v1__host_switch__init);
    m->type = SKERRY__V1__SWITCH_TYPE__SWITCH_TYPE_EXTERNAL;
    m->name = strdup("hs");
    m->uplinks = malloc(sizeof(names));
    while (m->n_uplinks < 2 && names[m->n_uplinks]) {
        m->uplinks[m->n_uplinks] = strdup(names[m->n_uplinks]);
        m->n_uplinks++;
    }
    return m;
}

static inline Skerry__V1__CustomerRoute *body_customer_route(uint32_t prefix, uint32_t length, uint32_t next_hop,
                                                             uint32_t metric)
{
    Skerry__V1__CustomerRoute *m = TEST_NEW(Skerry__V1__CustomerRoute, skerry__v1__customer_route__init);
    m->destination = test_v4(prefix);
    m->prefix_length = length;
    m->next_hop = test_v4(next_hop);
    m->metric = metric;
    return m;
}

static inline ProtobufCMessage *body_domain(uint32_t number, struct skr_uuid logical_network)
{
    Skerry__V1__Domain *m = TEST_NEW(Skerry__V1__Domain, skerry__v1__domain__init);
    m->routing_domain_id = test_uuid(test_id(0x4d, number));
    m->number = number;
    m->encapsulation = SKERRY__V1__ENCAPSULATION__ENCAPSULATION_NVGRE;
    m->mtu = 1458;
    m->logical_network_id = test_uuid(logical_network);
    return &m->base;
}

static inline ProtobufCMessage *body_subnet(uint32_t vsid, uint32_t prefix, uint32_t length)
{
    Skerry__V1__Subnet *m = TEST_NEW(Skerry__V1__Subnet, skerry__v1__subnet__init);
    m->vsid = vsid;
    m->prefix = test_v4(prefix);
    m->prefix_length = length;
    m->gateway = test_v4(prefix + 1);
    return &m->base;
}

static inline ProtobufCMessage *body_member(const uint32_t *addresses, size_t address_count, const uint32_t *vsids,
                                            size_t vsid_count)
{
    Skerry__V1__Member *m = TEST_NEW(Skerry__V1__Member, skerry__v1__member__init);
    m->provider_addresses = malloc((address_count + 1) * sizeof(*m->provider_addresses));
    for (size_t i = 0; i < address_count; i++)
        m->provider_addresses[i] = test_v4(addresses[i]);
    m->n_provider_addresses = address_count;
    m->vsids = malloc((vsid_count + 1) * sizeof(*m->vsids));
    memcpy(m->vsids, vsids, vsid_count * sizeof(*vsids));
    m->n_vsids = vsid_count;
    return &m->base;
}

/* ca 0: MAC alone; pa 0: not placed; adapter nil: none. */
static inline ProtobufCMessage *body_record(uint32_t vsid, uint32_t ca, uint32_t mac, uint32_t pa, struct skr_uuid host,
                                            struct skr_uuid adapter)
{
    Skerry__V1__Record *m = TEST_NEW(Skerry__V1__Record, skerry__v1__record__init);
    m->vsid = vsid;
    if (ca)
        m->customer_address = test_v4(ca);
    m->mac = test_mac(mac);
    m->type = SKERRY__V1__RECORD_TYPE__RECORD_TYPE_STATIC;
    if (pa)
        m->provider_address = test_v4(pa);
    m->host_id = test_uuid(host);
    m->adapter_id = test_uuid(adapter);
    return &m->base;
}
