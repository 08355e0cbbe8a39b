/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ARP from a guest: answered here from the lookup records, so that requests do not flood (RFC 826, 5227). */
#pragma once

#include "flood.h"
#include "guard.h"

#define SKR_ARP_REQUEST  bpf_htons(1)
#define SKR_ARP_REPLY    bpf_htons(2)
#define SKR_ARP_ETHERNET bpf_htons(1)

struct arp {
    __be16 hardware, protocol;
    __u8 hardware_length, protocol_length;
    __be16 operation;
    struct mac sender_mac;
    __be32 sender_ip;
    struct mac target_mac;
    __be32 target_ip;
} __attribute__((packed));

static __always_inline int arp_answer(struct __sk_buff *skb, const struct mac *mac, __u32 vsid)
{
    void *data = frame_bytes(skb, ETH_HLEN + sizeof(struct arp));
    struct ethhdr *ethernet = data;
    struct arp *arp = data + ETH_HLEN;
    __be32 asked;

    if (!data)
        return -SKR_DROP_TRUNCATED;
    asked = arp->target_ip;
    arp->operation = SKR_ARP_REPLY;
    mac_copy(ethernet->h_dest, ethernet->h_source);
    mac_copy(ethernet->h_source, mac);
    mac_copy(&arp->target_mac, &arp->sender_mac);
    arp->target_ip = arp->sender_ip;
    mac_copy(&arp->sender_mac, mac);
    arp->sender_ip = asked;
    return reply(skb, vsid);
}

/* May the guest say what this ARP says? Tells the agent what it has not known. */
static __always_inline int arp_guard(struct __sk_buff *skb, const struct skr_abi_port *port,
                                     const struct skr_abi_subnet *subnet, const struct frame *frame,
                                     const struct arp *arp, bool announces)
{
    __u32 kind = announces ? SKR_EVENT_ANNOUNCEMENT : SKR_EVENT_LEARN;
    bool inspects = port->flags & SKR_PORT_ARP_ND_INSPECTION;
    enum claim claim;

    if (inspects && !mac_equal(&arp->sender_mac, &frame->source))
        return -SKR_DROP_ARP_SPOOFED;
    if (!arp->sender_ip) /* a probe (RFC 5227) asks; an answer from nobody makes a cache forget somebody */
        return inspects && arp->operation != SKR_ARP_REQUEST ? -SKR_DROP_ARP_SPOOFED : 0;
    claim = guard_claim(port, subnet, &frame->source, arp->sender_ip);
    if (claim == CLAIM_NEW || claim == CLAIM_TAKEN || (announces && claim == CLAIM_HELD))
        event_seen(skb, port, kind, &frame->source, arp->sender_ip);
    if (inspects && (claim == CLAIM_REFUSED || (claim == CLAIM_TAKEN && !announces)))
        return -SKR_DROP_ARP_SPOOFED;
    return 0;
}

static __always_inline int arp_request(struct __sk_buff *skb, const struct skr_abi_port *port,
                                       const struct skr_abi_subnet *subnet, const struct frame *frame, __be32 target)
{
    const struct mac gateway SKR_ALIGNED = {SKR_GATEWAY_MAC_BYTES};
    bool learns = subnet->flags & SKR_SUBNET_LEARNS;
    struct skr_abi_ca_key key;
    struct skr_abi_ca_record *record;
    struct mac holder SKR_ALIGNED;

    if (target == subnet->gateway.words[3])
        return arp_answer(skb, &gateway, port->vsid);
    key.vsid = port->vsid;
    address_from_v4(&key.ca, target);
    record = bpf_map_lookup_elem(&records_ca, &key);
    if (record && mac_equal(record->mac, &frame->source)) /* its own: silence says that it is free to use it */
        return learns ? flood_from_port(skb, frame, port->vsid, subnet) : consume(skb);
    if (record) {
        mac_copy(&holder, record->mac);
        return arp_answer(skb, &holder, port->vsid);
    }
    return learns ? flood_from_port(skb, frame, port->vsid, subnet) : -SKR_DROP_UNKNOWN_DESTINATION;
}

/* SKR_ARP_SWITCH: an ordinary frame for whoever its destination MAC names. */
#define SKR_ARP_SWITCH (-1000)

static __noinline int arp_from_port(struct __sk_buff *skb, const struct skr_abi_port *port,
                                    const struct skr_abi_subnet *subnet, const struct frame *frame)
{
    void *data = frame_bytes(skb, ETH_HLEN + sizeof(struct arp));
    struct arp *packet = data + ETH_HLEN, arp SKR_ALIGNED;
    bool announces;
    int result;

    if (!data || !port || !subnet || !frame)
        return -SKR_DROP_TRUNCATED;
    arp = *packet;
    if (arp.hardware != SKR_ARP_ETHERNET || arp.protocol != SKR_ETHERTYPE_IPV4 || arp.hardware_length != ETH_ALEN ||
        arp.protocol_length != 4)
        return -SKR_DROP_NOT_IPV4;
    announces = arp.sender_ip && (arp.sender_ip == arp.target_ip ||
                                  (arp.operation == SKR_ARP_REPLY && mac_is_group(&frame->destination)));
    result = arp_guard(skb, port, subnet, frame, &arp, announces);
    if (result)
        return result;
    if (announces)
        return flood_from_port(skb, frame, port->vsid, subnet);
    if (arp.operation == SKR_ARP_REQUEST)
        return arp_request(skb, port, subnet, frame, arp.target_ip);
    return mac_is_gateway(&frame->destination) ? consume(skb) : SKR_ARP_SWITCH;
}
