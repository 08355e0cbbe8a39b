/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames of an uplink that no tunnel carried: for ports in segments, for provider addresses on a tagged VLAN, or
 * nobody's business here. What is not ours goes on as it came, tag included. */
#pragma once

#include "move.h"

/* Beside actions and reasons. */
#define SKR_NOT_OURS (-1000) /* nothing is decided yet */
#define SKR_PASS_ON  (-1001) /* decided: it goes on; copies of it may be out */

static __always_inline int segment_pass(struct __sk_buff *skb)
{
    verdict_set(skb, SKR_VERDICT_PASS, 0, 0, 0);
    return SKR_PASS_ON;
}

static __always_inline bool segment_destination(struct __sk_buff *skb, struct mac *ret)
{
    void *data = frame_bytes(skb, ETH_HLEN);

    if (data)
        mac_copy(ret, data);
    return data;
}

/* To one port, or a copy to every port of the segment: the frame is untagged now. */
static __noinline int segment_deliver(struct __sk_buff *skb, __u32 segment, __u32 ifindex)
{
    struct frame frame = {};

    (void)frame_parse(skb, &frame); /* what a VLAN carries is not judged, only measured */
    segment_measure_ipv6(skb, &frame);
    if (ifindex)
        return deliver(skb, &frame, segment, ifindex);
    if (frame.ethertype == SKR_ETHERTYPE_RARP)
        move_leave(segment, &frame.source);
    verdict_set(skb, SKR_VERDICT_FLOOD, flood_local(skb, &frame, segment, 0), segment, 0);
    return SKR_PASS_ON;
}

/* Untagged: ports of untagged networks. The host's own stack lives there too, so it has every group frame as well. */
static __noinline int segment_from_uplink(struct __sk_buff *skb)
{
    __u32 segment = SKR_SEGMENT_OF(skb->ifindex, 0), ifindex;
    struct mac destination SKR_ALIGNED;

    if (!bpf_map_lookup_elem(&subnets, &segment) || !segment_destination(skb, &destination))
        return segment_pass(skb);
    if (mac_is_group(&destination))
        return mac_bridge_group(&destination) ? segment_pass(skb) : segment_deliver(skb, segment, 0);
    ifindex = segment_find(segment, &destination);
    return ifindex ? segment_deliver(skb, segment, ifindex) : segment_pass(skb);
}

/* The VLAN of a tag that is in the packet or beside it; false: not an 802.1Q tag. */
static __always_inline bool segment_read_tag(struct __sk_buff *skb, __u32 *ret_tag)
{
    __be16 tag;

    if (skb->vlan_present) {
        *ret_tag = skb->vlan_tci & 0xffff;
        return skb->vlan_proto == SKR_TAG_PROTOCOL;
    }
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &tag, sizeof(tag)))
        return false;
    *ret_tag = bpf_ntohs(tag);
    return true;
}

static __always_inline int segment_put_back(struct __sk_buff *skb, __u32 tag)
{
    if (bpf_skb_vlan_push(skb, SKR_TAG_PROTOCOL, tag))
        return -SKR_DROP_DECAPSULATION_FAILED;
    verdict_set(skb, SKR_VERDICT_PASS, 0, SKR_SEGMENT_OF(skb->ifindex, tag & SKR_TAG_VLAN), 0);
    return SKR_PASS_ON;
}

/* SKR_NOT_OURS: the frame may be the host's own, and its tag is off; *ret_vlan is its VLAN. */
static __noinline int segment_tagged_from_uplink(struct __sk_buff *skb, __u32 *ret_vlan)
{
    __u32 tag = 0, segment, ifindex = 0;
    struct mac destination SKR_ALIGNED;
    struct skr_abi_subnet *subnet;
    bool group, host;
    int result;

    if (!ret_vlan || !segment_read_tag(skb, &tag) || !segment_destination(skb, &destination))
        return segment_pass(skb);
    if (!(tag & SKR_TAG_VLAN)) /* a priority and no VLAN */
        return bpf_skb_vlan_pop(skb) ? -SKR_DROP_DECAPSULATION_FAILED : SKR_NOT_OURS;
    segment = SKR_SEGMENT_OF(skb->ifindex, tag & SKR_TAG_VLAN);
    subnet = bpf_map_lookup_elem(&subnets, &segment);
    if (!subnet)
        return segment_pass(skb);
    host = subnet->flags & SKR_SUBNET_HOST;
    group = mac_is_group(&destination);
    if (!group)
        ifindex = segment_find(segment, &destination);
    if (!group && !ifindex && !host)
        return segment_pass(skb);
    if (bpf_skb_vlan_pop(skb))
        return -SKR_DROP_DECAPSULATION_FAILED;
    if (ifindex)
        return segment_deliver(skb, segment, ifindex);
    if (group && !mac_bridge_group(&destination)) {
        result = segment_deliver(skb, segment, 0);
        /* Others on this host may have an interface in this VLAN. */
        if (!host)
            return bpf_skb_vlan_push(skb, SKR_TAG_PROTOCOL, tag) ? -SKR_DROP_DECAPSULATION_FAILED : result;
    }
    *ret_vlan = tag; /* with the priority, should it have to be put back */
    return host ? SKR_NOT_OURS : segment_put_back(skb, tag);
}

/* Reads the sender's address of an IPv4 or ARP frame (`source`), or else the address that the frame is for. */
static __always_inline bool uplink_speaker(struct __sk_buff *skb, bool source, __be32 *ret)
{
    __u32 offset;

    if (skb->protocol == SKR_ETHERTYPE_IPV4)
        offset = source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
    else if (skb->protocol == SKR_ETHERTYPE_ARP)
        offset = source ? offsetof(struct arp, sender_ip) : offsetof(struct arp, target_ip);
    else
        return false;
    return !bpf_skb_load_bytes(skb, ETH_HLEN + offset, ret, sizeof(*ret));
}

/* Off the tagged VLAN of provider addresses: the host's stack gets what concerns such an address, and announcements of
 * its neighbours. Anything else has its tag back: whoever is in this VLAN must not reach the host's other addresses. */
static __noinline int segment_for_host(struct __sk_buff *skb, __u32 tag)
{
    struct skr_abi_address address;
    struct skr_abi_own_pa *own = NULL;
    __be32 target = 0, speaker = 0;

    if (uplink_speaker(skb, false, &target)) {
        address_from_v4(&address, target);
        own = bpf_map_lookup_elem(&own_pas, &address);
    }
    if (own && own->ifindex == skb->ifindex && own->vlan_id == (tag & SKR_TAG_VLAN))
        return segment_pass(skb);
    if (!own && skb->protocol == SKR_ETHERTYPE_ARP && uplink_speaker(skb, true, &speaker) && speaker == target)
        return segment_pass(skb);
    return segment_put_back(skb, tag);
}
