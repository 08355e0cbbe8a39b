/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Broadcast and multicast: a copy to each local port but the source, and one to each member host with ports in the VM
 * subnet. Both walk a chain in the flood table; the frame itself is used up. */
#pragma once

#include "tunnel.h"

struct flood_walk {
    struct __sk_buff *skb;
    const struct frame *frame;
    struct tunnel *tunnel;
    struct skr_abi_flood_key at;
    __u32 source;  /* ifindex that does not get a copy */
    __u32 sum;     /* for the verdict */
    __u32 dropped; /* reason of a copy that failed */
    __u32 ended;   /* the chain came to its end */
};

/* Moves on in the chain; false: it is over or broken. */
static __always_inline bool flood_next(struct flood_walk *walk)
{
    struct skr_abi_flood *link = bpf_map_lookup_elem(&flood, &walk->at);

    if (!link)
        return false;
    walk->at.receiver = link->next;
    walk->ended = address_is_zero(&link->next);
    return !walk->ended;
}

static long flood_copy_local(__u32 index, void *context)
{
    struct flood_walk *walk = context;
    struct skr_abi_port *port;
    __u32 ifindex;
    int reason = 0;

    (void)index;
    if (!flood_next(walk))
        return 1;
    ifindex = bpf_ntohl(walk->at.receiver.words[3]);
    if (ifindex == walk->source)
        return 0;
    port = deliver_port(ifindex, walk->at.vsid, &reason);
    if (!port) {
        walk->dropped = -reason;
        return 0;
    }
    if (port->flags & SKR_PORT_ARMED)
        return 0;
    walk->sum += ifindex;
    if (!probe && bpf_clone_redirect(walk->skb, ifindex, 0)) {
        walk->dropped = SKR_DROP_FLOOD_INCOMPLETE;
        return 0;
    }
    meter_received(walk->frame, ifindex);
    return 0;
}

static long flood_copy_remote(__u32 index, void *context)
{
    struct flood_walk *walk = context;
    struct skr_abi_neighbor *neighbor;

    (void)index;
    if (!flood_next(walk))
        return 1;
    neighbor = bpf_map_lookup_elem(&neighbors, &walk->at.receiver);
    if (!neighbor) {
        walk->dropped = SKR_DROP_NO_NEIGHBOR;
        return 0;
    }
    walk->tunnel->destination = walk->at.receiver.words[3];
    walk->sum += walk->tunnel->destination;
    if (probe)
        return 0;
    if (tunnel_write_receiver(walk->skb, walk->tunnel, neighbor) || bpf_clone_redirect(walk->skb, neighbor->ifindex, 0))
        walk->dropped = SKR_DROP_FLOOD_INCOMPLETE;
    return 0;
}

static __always_inline void flood_finish(struct flood_walk *walk)
{
    /* A VM subnet without receivers of a kind has no chain of that kind. */
    if (!walk->ended && !walk->dropped && walk->sum)
        walk->dropped = SKR_DROP_FLOOD_INCOMPLETE;
    if (walk->dropped)
        drop_count(walk->skb->ifindex, walk->dropped);
}

/* Local receivers; returns the sum for the verdict. */
static __noinline __u32 flood_local(struct __sk_buff *skb, const struct frame *frame, __u32 vsid, __u32 source)
{
    struct flood_walk walk = {.skb = skb, .frame = frame, .source = source};

    walk.at.vsid = vsid;
    walk.at.receiver.bytes[0] = SKR_FLOOD_LOCAL;
    bpf_loop(SKR_FLOOD_LOCAL_MAX + 1, flood_copy_local, &walk, 0);
    flood_finish(&walk);
    return walk.sum;
}

/* Remote receivers; wraps the frame. 0 or a drop reason, the sum in *ret_sum. */
static __noinline int flood_remote(struct __sk_buff *skb, const struct frame *frame, __u32 vsid,
                                   const struct skr_abi_subnet *subnet, __u32 *ret_sum)
{
    struct tunnel tunnel = {};
    struct flood_walk walk = {.skb = skb, .frame = frame, .tunnel = &tunnel};
    int result;

    walk.at.vsid = vsid;
    if (!bpf_map_lookup_elem(&flood, &walk.at))
        return 0; /* nobody elsewhere */
    if (frame_segment_length(frame) > subnet->mtu)
        return tunnel_too_big(subnet);
    result = tunnel_init(&tunnel, frame, vsid, subnet);
    if (!result && !probe)
        result = tunnel_wrap(skb, &tunnel, frame);
    if (result)
        return result;
    bpf_loop(SKR_FLOOD_REMOTE_MAX + 1, flood_copy_remote, &walk, 0);
    flood_finish(&walk);
    *ret_sum = walk.sum;
    return 0;
}

/* A group frame from a local port. */
static __always_inline int flood_from_port(struct __sk_buff *skb, const struct frame *frame, __u32 vsid,
                                           const struct skr_abi_subnet *subnet)
{
    __u32 ifindex = skb->ifindex, local, remote = 0;
    int result;

    local = flood_local(skb, frame, vsid, ifindex);
    result = flood_remote(skb, frame, vsid, subnet, &remote);
    if (result) /* those here have their copies: a flood that is not whole, not a drop */
        drop_count(ifindex, -result);
    verdict_set(skb, SKR_VERDICT_FLOOD, local, vsid, remote);
    return TC_ACT_STOLEN;
}
