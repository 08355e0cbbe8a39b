/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard drops frames in which a guest pretends to have another MAC or address, or to be a DHCP server or a router.
 */
#pragma once

#include "event.h"
#include "ipv6.h"

#define SKR_DHCP_SERVER_PORT           bpf_htons(67)
#define SKR_DHCP_CLIENT_PORT           bpf_htons(68)
#define SKR_BOOTP_REQUEST              1 /* RFC 951; anything else is an answer */
#define SKR_DHCP6_CLIENT_PORT          bpf_htons(546)
#define SKR_DHCP6_SERVER_PORT          bpf_htons(547)
#define SKR_DHCP6_RELAY_REPLY          13  /* RFC 8415: from a server to a relay */
#define SKR_ICMP_REDIRECT              5   /* RFC 792 */
#define SKR_ICMP_ROUTER_ADVERTISEMENT  9   /* RFC 1256 */
#define SKR_ICMP6_ROUTER_ADVERTISEMENT 134 /* RFC 4861 */
#define SKR_ICMP6_REDIRECT             137
#define SKR_PORT_GUARDED               (SKR_PORT_ARP_ND_INSPECTION | SKR_PORT_DHCP_GUARD | SKR_PORT_ROUTER_GUARD)

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
static __noinline bool guard_routes_for(__u32 domain, __u32 vsid, const struct mac *mac, __be32 address)
{
    struct skr_abi_ca_record *next_hop;
    struct skr_abi_route *route;
    struct skr_abi_ca_key key;

    if (!mac)
        return false;
    key.vsid = vsid;
    address_from_v4(&key.ca, address);
    if (bpf_map_lookup_elem(&records_ca, &key)) /* somebody's own */
        return false;
    route = route_find(domain, address);
    if (!route || route->vsid != vsid || address_is_zero(&route->next_hop))
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

/* This judges every frame: protocols of bridges never come from a guest, and where a guard is asked for, what it cannot
 * read does not pass: ARP and IP could be inside. */
static __always_inline int guard_kind(const struct skr_abi_port *port, const struct frame *frame)
{
    int bridge = mac_bridge_group(&frame->destination);

    if (bridge)
        return bridge;
    if (frame->ethertype == SKR_ETHERTYPE_IPV4 || frame->ethertype == SKR_ETHERTYPE_ARP ||
        frame->ethertype == SKR_ETHERTYPE_IPV6 || frame->ethertype == SKR_ETHERTYPE_RARP)
        return 0;
    return port->flags & SKR_PORT_GUARDED ? -SKR_DROP_UNREADABLE : 0;
}

/* Is this an answer of a DHCP server? Judged by what its receiver goes by, which a forger cannot choose: the port that
 * it is sent to, and at the port where relays and servers listen alike the kind of the message. A packet that is cut
 * off before it names its kind counts as an answer. `offset`: of the UDP header. */
static __always_inline bool guard_is_dhcp_answer(struct __sk_buff *skb, __u32 offset, __be16 destination, bool v6)
{
    __u8 kind;

    if (destination == (v6 ? SKR_DHCP6_CLIENT_PORT : SKR_DHCP_CLIENT_PORT))
        return true;
    if (destination != (v6 ? SKR_DHCP6_SERVER_PORT : SKR_DHCP_SERVER_PORT))
        return false;
    if (bpf_skb_load_bytes(skb, offset + sizeof(struct udphdr), &kind, 1))
        return true;
    return v6 ? kind == SKR_DHCP6_RELAY_REPLY : kind != SKR_BOOTP_REQUEST;
}

/* IPv4: a guest that answers as a DHCP server, or sends what a router does (advertisements and redirects). */
static __always_inline int guard_servers(struct __sk_buff *skb, const struct skr_abi_port *port,
                                         const struct frame *frame)
{
    __u8 type = bpf_ntohs(frame->source_port) >> 8; /* of ICMP */

    if (frame->protocol == IPPROTO_UDP && port->flags & SKR_PORT_DHCP_GUARD &&
        guard_is_dhcp_answer(skb, ETH_HLEN + frame->ip_length, frame->destination_port, false))
        return -SKR_DROP_DHCP_GUARD;
    if (frame->protocol == IPPROTO_ICMP && port->flags & SKR_PORT_ROUTER_GUARD &&
        (type == SKR_ICMP_ROUTER_ADVERTISEMENT || type == SKR_ICMP_REDIRECT))
        return -SKR_DROP_ROUTER_GUARD;
    return 0;
}

/* The same of IPv6, once it is parsed. A later fragment tells nothing and is nothing without its first. */
static __always_inline int guard_servers_ipv6(struct __sk_buff *skb, const struct skr_abi_port *port,
                                              const struct ipv6 *packet)
{
    __be16 destination;
    __u8 type;

    if (packet->later)
        return 0;
    if (packet->protocol == IPPROTO_UDP && port->flags & SKR_PORT_DHCP_GUARD) {
        if (bpf_skb_load_bytes(skb, packet->offset + 2, &destination, sizeof(destination)))
            return -SKR_DROP_TRUNCATED;
        if (guard_is_dhcp_answer(skb, packet->offset, destination, true))
            return -SKR_DROP_DHCP_GUARD;
    }
    if (packet->protocol == SKR_IPV6_NEXT_ICMP && port->flags & SKR_PORT_ROUTER_GUARD) {
        if (bpf_skb_load_bytes(skb, packet->offset, &type, 1))
            return -SKR_DROP_TRUNCATED;
        if (type == SKR_ICMP6_ROUTER_ADVERTISEMENT || type == SKR_ICMP6_REDIRECT)
            return -SKR_DROP_ROUTER_GUARD;
    }
    return 0;
}

/* IPv4: source address, DHCP and router guard. */
static __always_inline int guard_ip(struct __sk_buff *skb, const struct skr_abi_port *port,
                                    const struct skr_abi_subnet *subnet, const struct frame *frame)
{
    int server = guard_servers(skb, port, frame);

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
    case CLAIM_TAKEN: /* the controller has its holder asked, who may have left it without a word */
        event_seen(skb, port, SKR_EVENT_LEARN, &frame->source, frame->source_ip);
        return -SKR_DROP_SOURCE_ADDRESS;
    default:
        return guard_routes_for(port->domain, port->vsid, &frame->source, frame->source_ip) ? 0
                                                                                            : -SKR_DROP_SOURCE_ADDRESS;
    }
}

/* IPv6 is not carried; what a guard would have refused is named as what it is. */
static __noinline int guard_ipv6(struct __sk_buff *skb, const struct skr_abi_port *port)
{
    struct ipv6 packet;
    int result;

    if (!port)
        return -SKR_DROP_INTERNAL;
    result = ipv6_parse(skb, &packet);
    if (!result)
        result = guard_servers_ipv6(skb, port, &packet);
    return result == -SKR_DROP_DHCP_GUARD || result == -SKR_DROP_ROUTER_GUARD ? result : -SKR_DROP_NOT_IPV4;
}
