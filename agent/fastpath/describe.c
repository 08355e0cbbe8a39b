#include "agent/fastpath/program_private.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define NETWORK_TEXT_MAX 40

struct text {
    char network[NETWORK_TEXT_MAX];
    char address[SKR_ADDRESS_TEXT_MAX], other[SKR_ADDRESS_TEXT_MAX], mac[SKR_MAC_TEXT_MAX];
};

static const char *address_text(const struct skr_abi_address *from, char out[static SKR_ADDRESS_TEXT_MAX])
{
    struct skr_address address = skr_program_address(from);
    return skr_program_is_zero(&address) ? "none" : skr_address_format(&address, out);
}

static const char *mac_text(const __u8 *bytes, char out[static SKR_MAC_TEXT_MAX])
{
    struct skr_mac mac;
    memcpy(mac.bytes, bytes, sizeof(mac.bytes));
    return skr_mac_format(&mac, out);
}

static uint32_t number(const void *key)
{
    uint32_t out;
    memcpy(&out, key, sizeof(out));
    return out;
}

static uint32_t receiver_ifindex(const struct skr_abi_address *receiver)
{
    uint32_t big_endian;
    memcpy(&big_endian, receiver->bytes + 12, sizeof(big_endian));
    return ntohl(big_endian);
}

/* "vsid=5001", or a segment as "uplink=3 vlan=10". */
static const char *network_text(uint32_t vsid, char out[static NETWORK_TEXT_MAX])
{
    if (vsid & SKR_SEGMENT)
        snprintf(out, NETWORK_TEXT_MAX, "uplink=%u vlan=%u", SKR_SEGMENT_IFINDEX(vsid), SKR_SEGMENT_VLAN(vsid));
    else
        snprintf(out, NETWORK_TEXT_MAX, "vsid=%u", vsid);
    return out;
}

static int describe_key(enum skr_fastpath_table table, const void *key, struct text *t, char *out, size_t size)
{
    switch (table) {
    case SKR_TABLE_PORTS:
        return snprintf(out, size, "port ifindex=%u", number(key));
    case SKR_TABLE_SUBNETS:
        return snprintf(out, size, "subnet %s", network_text(number(key), t->network));
    case SKR_TABLE_RECORDS_MAC: {
        const struct skr_abi_mac_key *k = key;
        return snprintf(out, size, "record %s mac=%s", network_text(k->vsid, t->network), mac_text(k->mac, t->mac));
    }
    case SKR_TABLE_RECORDS_CA: {
        const struct skr_abi_ca_key *k = key;
        return snprintf(out, size, "record %s ca=%s", network_text(k->vsid, t->network),
                        address_text(&k->ca, t->address));
    }
    case SKR_TABLE_ROUTES: {
        const struct skr_abi_route_key *k = key;
        struct skr_address a = skr_program_address(&k->destination);
        unsigned length = k->prefix_bits - 32;
        return snprintf(out, size, "route domain=%u %s/%u", ntohl(k->domain), skr_address_format(&a, t->address),
                        skr_address_is_v4(&a) && length >= 96 ? length - 96 : length);
    }
    case SKR_TABLE_OWN_PAS:
        return snprintf(out, size, "provider-address pa=%s", address_text(key, t->address));
    case SKR_TABLE_NEIGHBORS:
        return snprintf(out, size, "neighbor pa=%s", address_text(key, t->address));
    case SKR_TABLE_PEERS: {
        const struct skr_abi_peer_key *k = key;
        return snprintf(out, size, "peer domain=%u pa=%s", k->domain, address_text(&k->pa, t->address));
    }
    default: {
        const struct skr_abi_flood_key *k = key;
        if (k->receiver.bytes[0] == SKR_FLOOD_LOCAL)
            return snprintf(out, size, "flood %s ifindex=%u", network_text(k->vsid, t->network),
                            receiver_ifindex(&k->receiver));
        return snprintf(out, size, "flood %s pa=%s", network_text(k->vsid, t->network),
                        address_text(&k->receiver, t->address));
    }
    }
}

static void describe_value(enum skr_fastpath_table table, const void *value, struct text *t, char *out, size_t size)
{
    switch (table) {
    case SKR_TABLE_PORTS: {
        const struct skr_abi_port *v = value;
        snprintf(out, size, " %s domain=%u mac=%s flags=%#x", network_text(v->vsid, t->network), v->domain,
                 mac_text(v->mac, t->mac), v->flags);
        break;
    }
    case SKR_TABLE_SUBNETS: {
        const struct skr_abi_subnet *v = value;
        snprintf(out, size, " domain=%u gateway=%s source=%s mtu=%u flags=%#x", v->domain,
                 address_text(&v->gateway, t->address), address_text(&v->source_pa, t->other), v->mtu, v->flags);
        break;
    }
    case SKR_TABLE_RECORDS_MAC: {
        const struct skr_abi_mac_record *v = value;
        snprintf(out, size, " pa=%s ifindex=%u flags=%#x armed=%s", address_text(&v->pa, t->address), v->ifindex,
                 v->flags, address_text(&v->armed_pa, t->other));
        break;
    }
    case SKR_TABLE_RECORDS_CA: {
        const struct skr_abi_ca_record *v = value;
        snprintf(out, size, " mac=%s flags=%#x", mac_text(v->mac, t->mac), v->flags);
        break;
    }
    case SKR_TABLE_ROUTES: {
        const struct skr_abi_route *v = value;
        snprintf(out, size, " vsid=%u next-hop=%s", v->vsid, address_text(&v->next_hop, t->address));
        break;
    }
    case SKR_TABLE_OWN_PAS: {
        const struct skr_abi_own_pa *v = value;
        snprintf(out, size, " ifindex=%u vlan=%u mtu=%u", v->ifindex, v->vlan_id, v->mtu);
        break;
    }
    case SKR_TABLE_NEIGHBORS: {
        const struct skr_abi_neighbor *v = value;
        snprintf(out, size, " ifindex=%u mac=%s", v->ifindex, mac_text(v->destination_mac, t->mac));
        break;
    }
    case SKR_TABLE_FLOOD: {
        const struct skr_abi_flood *v = value;
        if (v->next.bytes[0] == SKR_FLOOD_LOCAL)
            snprintf(out, size, " next-ifindex=%u", receiver_ifindex(&v->next));
        else
            snprintf(out, size, " next=%s", address_text(&v->next, t->other));
        break;
    }
    default:
        break;
    }
}

void skr_program_describe(struct skr_program *program, enum skr_fastpath_table table, const void *key,
                          const void *value, char *out, size_t size, struct skr_uuid *ret_object)
{
    struct text text;
    const struct skr_program_entry *entry = skr_program_entry_find(program, table, key);
    int used = describe_key(table, key, &text, out, size);
    if (value && used >= 0 && (size_t)used < size)
        describe_value(table, value, &text, out + used, size - (size_t)used);
    if (ret_object)
        *ret_object = entry && entry->intended ? entry->owner.id : (struct skr_uuid){0};
}
