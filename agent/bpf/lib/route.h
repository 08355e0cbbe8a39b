/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The distributed router: what a guest sends to the gateway's MAC. It answers ping, lives a TTL, and rewrites MACs. */
#pragma once

#include "arp.h"

#define SKR_ICMP_ECHO 8

/* One's complement arithmetic on a 16-bit word of a checksummed header (RFC 1624). */
static __always_inline __be16 checksum_replace(__be16 checksum, __be16 from, __be16 to)
{
    return checksum_fold((__u16)~checksum + (__u16)~from + (__u32)to);
}

static __always_inline int route_answer_ping(struct __sk_buff *skb, const struct frame *frame, __u32 vsid)
{
    __u32 offset = ETH_HLEN + frame->ip_length;
    __be16 echo[2]; /* type and code, checksum */
    struct ethhdr *ethernet;
    struct iphdr *ip;
    void *data;

    if (frame->protocol != IPPROTO_ICMP || bpf_ntohs(frame->source_port) >> 8 != SKR_ICMP_ECHO)
        return -SKR_DROP_GATEWAY_PROTOCOL;
    if (bpf_skb_load_bytes(skb, offset, echo, sizeof(echo)))
        return -SKR_DROP_TRUNCATED;
    echo[1] = checksum_replace(echo[1], echo[0], 0);
    echo[0] = 0; /* echo reply, code 0 */
    if (bpf_skb_store_bytes(skb, offset, echo, sizeof(echo), 0))
        return -SKR_DROP_TRUNCATED;
    data = frame_bytes(skb, ETH_HLEN + sizeof(*ip));
    if (!data)
        return -SKR_DROP_TRUNCATED;
    ethernet = data;
    ip = data + ETH_HLEN;
    mac_copy(ethernet->h_dest, &frame->source);
    mac_copy(ethernet->h_source, &frame->destination);
    ip->saddr = frame->destination_ip;
    ip->daddr = frame->source_ip;
    ip->check = checksum_replace(ip->check, *(__be16 *)&ip->ttl, bpf_htons(SKR_OUTER_TTL << 8 | frame->protocol));
    ip->ttl = SKR_OUTER_TTL;
    return reply(skb, vsid);
}

/* New MACs and TTL - 1, in the packet and in `frame`. */
static __always_inline int route_rewrite(struct __sk_buff *skb, struct frame *frame, const __u8 *destination)
{
    const struct mac gateway SKR_ALIGNED = {SKR_GATEWAY_MAC_BYTES};
    void *data = frame_bytes(skb, ETH_HLEN + sizeof(struct iphdr));
    struct ethhdr *ethernet = data;
    struct iphdr *ip = data + ETH_HLEN;
    __be16 before, after;

    if (!data)
        return -SKR_DROP_TRUNCATED;
    mac_copy(&frame->source, &gateway);
    mac_copy(&frame->destination, destination);
    mac_copy(ethernet->h_source, &gateway);
    mac_copy(ethernet->h_dest, destination);
    before = *(__be16 *)&ip->ttl;
    frame->ttl--;
    ip->ttl = frame->ttl;
    after = *(__be16 *)&ip->ttl;
    ip->check = checksum_replace(ip->check, before, after);
    return 0;
}

static __always_inline int route_to(struct __sk_buff *skb, const struct skr_abi_port *port, struct frame *frame,
                                    const struct skr_abi_route *route, const struct skr_abi_subnet *subnet)
{
    struct skr_abi_ca_key ca = {.vsid = route->vsid};
    struct skr_abi_mac_key key = {.vsid = route->vsid};
    struct skr_abi_ca_record *holder;
    struct skr_abi_mac_record *record;
    int result;

    if (address_is_zero(&route->next_hop))
        address_from_v4(&ca.ca, frame->destination_ip);
    else
        ca.ca = route->next_hop;
    holder = bpf_map_lookup_elem(&records_ca, &ca);
    if (holder)
        mac_copy(key.mac, holder->mac);
    record = holder ? bpf_map_lookup_elem(&records_mac, &key) : NULL;
    if (!record) {
        event_quote(skb, port, SKR_EVENT_UNREACHABLE, 0);
        return -SKR_DROP_UNKNOWN_DESTINATION;
    }
    if (frame_segment_length(frame) > subnet->mtu &&
        !(record_is_local(record) && subnet->flags & SKR_SUBNET_UPLINK_MTU)) {
        event_quote(skb, port, SKR_EVENT_TOO_BIG, subnet->mtu);
        return tunnel_too_big(subnet);
    }
    result = route_rewrite(skb, frame, key.mac);
    if (result)
        return result;
    if (record_is_local(record))
        return deliver(skb, frame, route->vsid, record->ifindex);
    return forward_remote(skb, frame, route->vsid, subnet, record);
}

static __noinline int route_from_port(struct __sk_buff *skb, const struct skr_abi_port *port, struct frame *frame)
{
    struct skr_abi_route *route;
    struct skr_abi_subnet *subnet;

    if (!port || !frame)
        return -SKR_DROP_INTERNAL;
    if (frame->ethertype != SKR_ETHERTYPE_IPV4)
        return -SKR_DROP_GATEWAY_PROTOCOL;
    route = route_find(port->domain, frame->destination_ip);
    if (!route) {
        event_quote(skb, port, SKR_EVENT_UNREACHABLE, 0);
        return -SKR_DROP_NO_ROUTE;
    }
    subnet = bpf_map_lookup_elem(&subnets, &route->vsid);
    if (!subnet || subnet->domain != port->domain)
        return -SKR_DROP_NO_SUBNET;
    if (frame->destination_ip == subnet->gateway.words[3])
        return route_answer_ping(skb, frame, port->vsid);
    if (frame->ttl <= 1) {
        event_quote(skb, port, SKR_EVENT_TTL_EXCEEDED, 0);
        return -SKR_DROP_TTL_EXCEEDED;
    }
    return route_to(skb, port, frame, route, subnet);
}
