/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ports of VLAN and untagged networks: a segment is a VLAN of an uplink. Frames are switched by (segment, MAC) among
 * the ports here, and leave by the uplink with the segment's tag otherwise. docs/design/datapath.md, "A port with no
 * VSID". */
#pragma once

#include "route.h"

#define SKR_TAG_VLAN     0x0fff
#define SKR_TAG_PRIORITY 0xe000
#define SKR_TAG_PROTOCOL bpf_htons(ETH_P_8021Q)
#define SKR_ICMP6_NS     135 /* RFC 4861 */
#define SKR_ICMP6_NA     136

/* May the sender use this address? Records of a segment are those of its ports here, so that a port without addresses
 * of its own may have any, but none of its neighbours'. */
static __always_inline bool segment_holds(const struct skr_abi_port *port, const struct mac *mac,
                                          const struct skr_abi_address *address)
{
    struct skr_abi_ca_key key = {.vsid = port->vsid, .ca = *address};
    struct skr_abi_ca_record *record = bpf_map_lookup_elem(&records_ca, &key);

    return record ? mac_equal(record->mac, mac) : port->flags & SKR_PORT_ANY_ADDRESS;
}

static __always_inline bool segment_holds_v4(const struct skr_abi_port *port, const struct mac *mac, __be32 v4)
{
    struct skr_abi_address address;

    address_from_v4(&address, v4);
    return segment_holds(port, mac, &address);
}

/* Provider addresses are the hosts' own: whoever reaches them could pretend to be a host. */
static __always_inline bool segment_is_fabric(__be32 address)
{
    return route_find(0, address) != NULL;
}

static __noinline int segment_guard_ipv4(struct __sk_buff *skb, const struct skr_abi_port *port,
                                         const struct frame *frame)
{
    int server;

    if (!port || !frame)
        return -SKR_DROP_INTERNAL;
    server = guard_servers(skb, port, frame);
    if (server)
        return server;
    if (segment_is_fabric(frame->destination_ip) || segment_is_fabric(frame->source_ip))
        return -SKR_DROP_PROVIDER_SUBNET;
    if (!frame->source_ip) /* a DHCP client, or a router asking who is there (IGMP) */
        return 0;
    return segment_holds_v4(port, &frame->source, frame->source_ip) ? 0 : -SKR_DROP_SOURCE_ADDRESS;
}

static __noinline int segment_guard_arp(struct __sk_buff *skb, const struct skr_abi_port *port,
                                        const struct frame *frame)
{
    void *data = frame_bytes(skb, ETH_HLEN + sizeof(struct arp));
    struct arp *packet = data + ETH_HLEN, arp SKR_ALIGNED;

    if (!data || !port || !frame)
        return -SKR_DROP_TRUNCATED;
    arp = *packet;
    if (segment_is_fabric(arp.target_ip) || segment_is_fabric(arp.sender_ip))
        return -SKR_DROP_PROVIDER_SUBNET;
    if (!(port->flags & SKR_PORT_ARP_ND_INSPECTION))
        return 0;
    if (!mac_equal(&arp.sender_mac, &frame->source))
        return -SKR_DROP_ARP_SPOOFED;
    if (!arp.sender_ip) /* only a probe (RFC 5227) has no sender */
        return arp.operation == SKR_ARP_REQUEST ? 0 : -SKR_DROP_ARP_SPOOFED;
    return segment_holds_v4(port, &frame->source, arp.sender_ip) ? 0 : -SKR_DROP_ARP_SPOOFED;
}

static __always_inline bool segment_is_link_local(const struct skr_abi_address *address)
{
    return (address->words[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* An address whose last eight bytes are made of a MAC (RFC 4291, appendix A): only the owner of that MAC may have it.
 */
static __always_inline bool segment_is_of_a_mac(const struct skr_abi_address *address)
{
    return address->bytes[11] == 0xff && address->bytes[12] == 0xfe;
}

static __always_inline bool segment_is_of_this_mac(const struct skr_abi_address *address, const struct mac *mac)
{
    return address->words[0] == bpf_htonl(0xfe800000) && !address->words[1] &&
           address->bytes[8] == (mac->bytes[0] ^ 2) && address->bytes[9] == mac->bytes[1] &&
           address->bytes[10] == mac->bytes[2] && address->bytes[13] == mac->bytes[3] &&
           address->bytes[14] == mac->bytes[4] && address->bytes[15] == mac->bytes[5];
}

/* May the sender use this address of IPv6? A port has the link-local address of its MAC without being given it. */
static __noinline bool segment_holds_v6(const struct skr_abi_port *port, const struct mac *mac,
                                        const struct skr_abi_address *address)
{
    if (!port || !mac || !address)
        return false;
    if (segment_is_link_local(address) && segment_is_of_a_mac(address))
        return segment_is_of_this_mac(address, mac);
    return segment_holds(port, mac, address);
}

/* Neighbour discovery: an advertisement says who has its target, and a solicitation from nobody that its sender is
 * about to take it (RFC 4862): a neighbour that hears it gives the address up. */
static __always_inline int segment_guard_neighbour(struct __sk_buff *skb, const struct skr_abi_port *port,
                                                   const struct mac *mac, const struct ipv6 *packet)
{
    struct skr_abi_address target;
    __u8 type;

    if (bpf_skb_load_bytes(skb, packet->offset, &type, 1))
        return -SKR_DROP_TRUNCATED;
    if (type != SKR_ICMP6_NA && (type != SKR_ICMP6_NS || !address_is_zero(&packet->source)))
        return 0;
    if (bpf_skb_load_bytes(skb, packet->offset + 8, &target, sizeof(target)))
        return -SKR_DROP_TRUNCATED;
    return segment_holds_v6(port, mac, &target) ? 0 : -SKR_DROP_ARP_SPOOFED;
}

static __noinline int segment_guard_ipv6(struct __sk_buff *skb, const struct skr_abi_port *port,
                                         const struct frame *frame)
{
    struct ipv6 packet;
    int result;

    if (!port || !frame)
        return -SKR_DROP_INTERNAL;
    result = ipv6_parse(skb, &packet);
    if (result == -SKR_DROP_UNREADABLE && !(port->flags & SKR_PORT_GUARDED))
        result = 0;
    if (!result)
        result = guard_servers_ipv6(skb, port, &packet);
    if (result)
        return result;
    if (packet.protocol == SKR_IPV6_NEXT_ICMP && !packet.later && port->flags & SKR_PORT_ARP_ND_INSPECTION) {
        result = segment_guard_neighbour(skb, port, &frame->source, &packet);
        if (result)
            return result;
    }
    if (address_is_zero(&packet.source))
        return 0;
    return segment_holds_v6(port, &frame->source, &packet.source) ? 0 : -SKR_DROP_SOURCE_ADDRESS;
}

/* Header length of the segments of IPv6, which frame_parse() leaves open: for the meter and the MTU. */
static __always_inline void segment_measure_ipv6(struct __sk_buff *skb, struct frame *frame)
{
    __u8 next, words;

    if (!frame->gso_size || frame->ethertype != SKR_ETHERTYPE_IPV6 ||
        bpf_skb_load_bytes(skb, ETH_HLEN + SKR_IPV6_NEXT_HEADER, &next, 1))
        return;
    if (next == IPPROTO_UDP)
        frame->headers = ETH_HLEN + SKR_IPV6_LENGTH + sizeof(struct udphdr);
    else if (next == IPPROTO_TCP && !bpf_skb_load_bytes(skb, ETH_HLEN + SKR_IPV6_LENGTH + 12, &words, 1))
        frame->headers = ETH_HLEN + SKR_IPV6_LENGTH + 4 * (words >> 4);
}

/* The port that has this MAC in the segment; 0: none here. */
static __always_inline __u32 segment_find(__u32 segment, const struct mac *mac)
{
    struct skr_abi_mac_key key = {.vsid = segment};
    struct skr_abi_mac_record *record;

    mac_copy(key.mac, mac);
    record = bpf_map_lookup_elem(&records_mac, &key);
    return record ? record->ifindex : 0;
}

static __always_inline int segment_to_uplink(struct __sk_buff *skb, const struct skr_abi_port *port,
                                             const struct frame *frame)
{
    __u32 uplink = SKR_SEGMENT_IFINDEX(port->vsid);
    __u16 tag = SKR_SEGMENT_VLAN(port->vsid);

    if (port->flags & SKR_PORT_PRIORITY)
        tag |= frame->priority;
    if (tag && bpf_skb_vlan_push(skb, SKR_TAG_PROTOCOL, tag))
        return -SKR_DROP_ENCAPSULATION_FAILED;
    verdict_set(skb, SKR_VERDICT_UPLINK, uplink, port->vsid, 0);
    return bpf_redirect(uplink, 0);
}

static __always_inline int segment_guard(struct __sk_buff *skb, const struct skr_abi_port *port,
                                         const struct skr_abi_subnet *subnet, struct frame *frame)
{
    int result = 0;

    if (frame->ethertype == SKR_ETHERTYPE_IPV4)
        result = segment_guard_ipv4(skb, port, frame);
    else if (frame->ethertype == SKR_ETHERTYPE_ARP)
        result = segment_guard_arp(skb, port, frame);
    else if (frame->ethertype == SKR_ETHERTYPE_IPV6)
        result = segment_guard_ipv6(skb, port, frame);
    if (result)
        return result;
    segment_measure_ipv6(skb, frame);
    if (frame->gso_size && !frame->headers) /* a kind of segmentation whose headers nobody counted */
        return 0;
    return frame_segment_length(frame) > subnet->mtu ? -SKR_DROP_TOO_BIG : 0;
}

/* To every port of the segment but the sender, and out of the uplink. */
static __always_inline int segment_flood(struct __sk_buff *skb, const struct skr_abi_port *port,
                                         const struct frame *frame)
{
    __u32 sum = flood_local(skb, frame, port->vsid, skb->ifindex);
    int result = segment_to_uplink(skb, port, frame);

    if (result >= 0)
        verdict_set(skb, SKR_VERDICT_FLOOD, sum, port->vsid, SKR_SEGMENT_IFINDEX(port->vsid));
    return result;
}

/* A frame of a local port, its tag taken off and its MAC judged. */
static __noinline int segment_from_port(struct __sk_buff *skb, const struct skr_abi_port *port,
                                        const struct skr_abi_subnet *subnet, struct frame *frame)
{
    __u32 ifindex;
    int result;

    if (!port || !subnet || !frame)
        return -SKR_DROP_INTERNAL;
    result = segment_guard(skb, port, subnet, frame);
    if (result)
        return result;
    if (!mac_is_group(&frame->destination)) {
        ifindex = segment_find(port->vsid, &frame->destination);
        return ifindex ? deliver(skb, frame, port->vsid, ifindex) : segment_to_uplink(skb, port, frame);
    }
    return segment_flood(skb, port, frame);
}
