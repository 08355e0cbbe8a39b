/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hook: ingress of an adapter's host-side interface. Frames from the guest: guard them, answer what the host can
 * answer, then route or switch. docs/design/datapath.md, "A packet, from VM A to VM B". */
#pragma once

#include "agent/bpf/lib/move.h"
#include "agent/bpf/lib/route.h"
#include "agent/bpf/lib/segment.h"

/* A priority tag (VLAN 0) is taken off, any other is refused: it would leave as the fabric's. */
static __always_inline int port_untag(struct __sk_buff *skb, struct frame *frame)
{
    if (skb->vlan_present) {
        if (skb->vlan_tci & SKR_TAG_VLAN)
            return -SKR_DROP_GUEST_VLAN_TAG;
        frame->priority = skb->vlan_tci & SKR_TAG_PRIORITY;
        if (bpf_skb_vlan_pop(skb))
            return -SKR_DROP_GUEST_VLAN_TAG;
    }
    if (skb->vlan_present || skb->protocol == bpf_htons(ETH_P_8021Q) || skb->protocol == bpf_htons(ETH_P_8021AD))
        return -SKR_DROP_GUEST_VLAN_TAG;
    return 0;
}

static __always_inline int port_unicast(struct __sk_buff *skb, const struct skr_abi_port *port,
                                        const struct skr_abi_subnet *subnet, const struct frame *frame)
{
    struct skr_abi_mac_key key = {.vsid = port->vsid};
    struct skr_abi_mac_record *record;

    mac_copy(key.mac, &frame->destination);
    record = bpf_map_lookup_elem(&records_mac, &key);
    if (!record)
        return -SKR_DROP_UNKNOWN_DESTINATION;
    if (record_is_local(record))
        return deliver(skb, frame, port->vsid, record->ifindex);
    if (frame_segment_length(frame) > subnet->mtu) {
        event_quote(skb, port, SKR_EVENT_TOO_BIG, subnet->mtu);
        return tunnel_too_big(subnet);
    }
    return forward_remote(skb, frame, port->vsid, subnet, record);
}

static __always_inline int port_group(struct __sk_buff *skb, const struct skr_abi_port *port,
                                      const struct skr_abi_subnet *subnet, const struct frame *frame)
{
    if (frame_segment_length(frame) > subnet->mtu && !(subnet->flags & SKR_SUBNET_UPLINK_MTU))
        return -SKR_DROP_TOO_BIG;
    return flood_from_port(skb, frame, port->vsid, subnet);
}

static __always_inline int port_forward(struct __sk_buff *skb, const struct skr_abi_port *port, struct frame *frame)
{
    struct skr_abi_subnet *subnet;
    int result = port_untag(skb, frame);

    if (!result)
        result = frame_parse(skb, frame);
    if (result)
        return result;
    result = guard_source_mac(port, frame);
    if (result) { /* a guest with another MAC is dead, and nobody but this host can say why */
        event_seen(skb, port, SKR_EVENT_OTHER_MAC, &frame->source, 0);
        return result;
    }
    subnet = bpf_map_lookup_elem(&subnets, &port->vsid);
    if (!subnet)
        return port->flags & SKR_PORT_CLOSED ? -SKR_DROP_PORT_CLOSED : -SKR_DROP_NO_SUBNET;
    result = guard_kind(port, frame);
    if (result)
        return result;
    if (port->vsid & SKR_SEGMENT)
        return segment_from_port(skb, port, subnet, frame);
    if (frame->ethertype == SKR_ETHERTYPE_IPV4) {
        result = guard_ip(skb, port, subnet, frame);
        if (result)
            return result;
    } else if (frame->ethertype == SKR_ETHERTYPE_ARP) {
        result = arp_from_port(skb, port, subnet, frame);
        if (result != SKR_ARP_SWITCH)
            return result;
    } else if (frame->ethertype == SKR_ETHERTYPE_IPV6) {
        return guard_ipv6(skb, port);
    } else if (frame->ethertype == SKR_ETHERTYPE_RARP) {
        event_seen(skb, port, SKR_EVENT_ANNOUNCEMENT, &frame->source, 0);
    }
    if (mac_is_group(&frame->destination))
        return port_group(skb, port, subnet, frame);
    if (mac_is_gateway(&frame->destination))
        return route_from_port(skb, port, frame);
    return port_unicast(skb, port, subnet, frame);
}

/* The VM may be about to run here: until its first frame the port is nobody's. */
static __always_inline int port_arrive(struct __sk_buff *skb, const struct skr_abi_port *port, struct frame *frame)
{
    int result = port_untag(skb, frame);

    if (!result)
        result = frame_parse(skb, frame);
    return result ? result : move_arrive(skb, port, frame);
}

SEC("tc")
int port_ingress(struct __sk_buff *skb)
{
    __u32 ifindex = skb->ifindex;
    struct skr_abi_port *port = bpf_map_lookup_elem(&ports, &ifindex);
    struct frame frame = {};
    int result;

    if (!port)
        return drop(skb, SKR_DROP_UNKNOWN_PORT);
    if (port->flags & SKR_PORT_ARMED) { /* not metered: what it sends is an announcement of ours */
        result = port_arrive(skb, port, &frame);
        return result < 0 ? drop(skb, -result) : result;
    }
    result = port_forward(skb, port, &frame);
    if (result < 0)
        return drop(skb, -result);
    meter_sent(&frame, ifindex);
    return result;
}
