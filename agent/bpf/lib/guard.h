/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a guest may not pretend: another MAC, another address, a DHCP server, a router. */
#pragma once

#include "event.h"

#define SKR_DHCP_SERVER_PORT           bpf_htons(67)
#define SKR_DHCP_CLIENT_PORT           bpf_htons(68)
#define SKR_ICMP_ROUTER_ADVERTISEMENT  9   /* RFC 1256 */
#define SKR_ICMP6_ROUTER_ADVERTISEMENT 134 /* RFC 4861 */
#define SKR_IPV6_NEXT_ICMP             58
#define SKR_IPV6_NEXT_HEADER           6
#define SKR_IPV6_LENGTH                40

enum claim {
    CLAIM_HELD,  /* a record gives this address to the sender's MAC */
    CLAIM_NEW,   /* nobody has it, and this port may choose */
    CLAIM_TAKEN, /* another adapter learned it, and this port may choose too */
    CLAIM_REFUSED
};

static __always_inline bool subnet_has_host(const struct skr_abi_subnet *subnet, __be32 address)
{
    __u32 bits = subnet->prefix_length - 96;
    __u32 mask = bits && bits <= 32 ? 0xffffffff << (32 - bits) : 0;
    __u32 host = bpf_ntohl(address);

    return (host & mask) == (bpf_ntohl(subnet->gateway.words[3]) & mask) && (host & ~mask) && (host & ~mask) != ~mask;
}

static __always_inline struct skr_abi_route *route_find(__u32 domain, __be32 destination)
{
    struct skr_abi_route_key key = {.prefix_bits = 160, .domain = bpf_htonl(domain)};

    address_from_v4(&key.destination, destination);
    return bpf_map_lookup_elem(&routes, &key);
}

/* Is the sender the next hop of a customer route to this address? What it forwards from there comes through it. */
static __noinline bool guard_routes_for(const struct skr_abi_port *port, const struct mac *mac, __be32 address)
{
    struct skr_abi_ca_record *next_hop;
    struct skr_abi_route *route;
    struct skr_abi_ca_key key;

    if (!port || !mac)
        return false;
    key.vsid = port->vsid;
    address_from_v4(&key.ca, address);
    if (bpf_map_lookup_elem(&records_ca, &key)) /* somebody's own */
        return false;
    route = route_find(port->domain, address);
    if (!route || route->vsid != port->vsid || address_is_zero(&route->next_hop))
        return false;
    key.ca = route->next_hop;
    next_hop = bpf_map_lookup_elem(&records_ca, &key);
    return next_hop && mac_equal(next_hop->mac, mac);
}

/* May the sender with this MAC speak for this address? */
static __always_inline enum claim guard_claim(const struct skr_abi_port *port, const struct skr_abi_subnet *subnet,
                                              const struct mac *mac, __be32 address)
{
    struct skr_abi_ca_key key;
    struct skr_abi_ca_record *record;
    bool chooses = port->flags & SKR_PORT_GUEST_SPECIFIED_IPS;

    key.vsid = port->vsid;
    address_from_v4(&key.ca, address);
    record = bpf_map_lookup_elem(&records_ca, &key);
    if (record && mac_equal(record->mac, mac))
        return CLAIM_HELD;
    if (record)
        return chooses && record->flags & SKR_RECORD_DYNAMIC ? CLAIM_TAKEN : CLAIM_REFUSED;
    if (chooses && subnet_has_host(subnet, address) && address != subnet->gateway.words[3])
        return CLAIM_NEW;
    return CLAIM_REFUSED;
}

static __always_inline int guard_source_mac(const struct skr_abi_port *port, const struct frame *frame)
{
    if (mac_equal(frame->source.bytes, port->mac))
        return 0;
    if (!(port->flags & SKR_PORT_MAC_SPOOFING) || mac_is_group(&frame->source) || mac_is_gateway(&frame->source))
        return -SKR_DROP_SOURCE_MAC;
    return 0;
}

/* IPv4: a guest that answers as a DHCP server, or advertises itself as a router. */
static __always_inline int guard_servers(const struct skr_abi_port *port, const struct frame *frame)
{
    if (frame->protocol == IPPROTO_UDP && frame->source_port == SKR_DHCP_SERVER_PORT &&
        frame->destination_port == SKR_DHCP_CLIENT_PORT && port->flags & SKR_PORT_DHCP_GUARD)
        return -SKR_DROP_DHCP_GUARD;
    if (frame->protocol == IPPROTO_ICMP && (bpf_ntohs(frame->source_port) >> 8) == SKR_ICMP_ROUTER_ADVERTISEMENT &&
        port->flags & SKR_PORT_ROUTER_GUARD)
        return -SKR_DROP_ROUTER_GUARD;
    return 0;
}

/* IPv4: source address, DHCP and router guard. */
static __always_inline int guard_ip(struct __sk_buff *skb, const struct skr_abi_port *port,
                                    const struct skr_abi_subnet *subnet, const struct frame *frame)
{
    int server = guard_servers(port, frame);

    if (server)
        return server;
    if (!frame->source_ip) { /* a DHCP client has no address yet */
        if (frame->protocol == IPPROTO_UDP && frame->source_port == SKR_DHCP_CLIENT_PORT &&
            frame->destination_port == SKR_DHCP_SERVER_PORT)
            return 0;
        return -SKR_DROP_SOURCE_ADDRESS;
    }
    switch (guard_claim(port, subnet, &frame->source, frame->source_ip)) {
    case CLAIM_HELD:
        return 0;
    case CLAIM_NEW:
        event_seen(skb, port, SKR_EVENT_LEARN, &frame->source, frame->source_ip);
        return 0;
    case CLAIM_REFUSED:
        return guard_routes_for(port, &frame->source, frame->source_ip) ? 0 : -SKR_DROP_SOURCE_ADDRESS;
    default:
        return -SKR_DROP_SOURCE_ADDRESS;
    }
}

/* IPv6 is not carried; a router advertisement is named as what it is. */
static __always_inline int guard_ipv6(struct __sk_buff *skb, const struct skr_abi_port *port)
{
    __u8 next = 0, type = 0;

    if (port->flags & SKR_PORT_ROUTER_GUARD && !bpf_skb_load_bytes(skb, ETH_HLEN + SKR_IPV6_NEXT_HEADER, &next, 1) &&
        next == SKR_IPV6_NEXT_ICMP && !bpf_skb_load_bytes(skb, ETH_HLEN + SKR_IPV6_LENGTH, &type, 1) &&
        type == SKR_ICMP6_ROUTER_ADVERTISEMENT)
        return -SKR_DROP_ROUTER_GUARD;
    return -SKR_DROP_NOT_IPV4;
}
