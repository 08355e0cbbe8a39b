/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Moving VMs: the switch is made here, by the VM's first frame on its target, on every host that sees it. A record that
 * is armed names two hosts; the frame that comes from the armed one turns it around, in one replacement of the entry.
 * Frames that still arrive at the source go on to the target as they came, in new outer headers.
 * docs/design/datapath.md, "Moves" and recipe 5. */
#pragma once

#include "segment.h"

/* The announcement that the target makes (RFC 903, as QEMU does): so long that the kernel's marks for checksums of the
 * frame it is made of lie within. */
#define SKR_ANNOUNCEMENT_LENGTH 96
#define SKR_RARP_REPLY          bpf_htons(3)

struct rarp {
    struct ethhdr ethernet;
    __be16 hardware, protocol;
    __u8 hardware_length, protocol_length;
    __be16 operation;
    __u8 sender_mac[ETH_ALEN], sender_ip[4], target_mac[ETH_ALEN], target_ip[4];
    __u8 zero[SKR_ANNOUNCEMENT_LENGTH - ETH_HLEN - 28];
} __attribute__((packed));

static __always_inline bool move_same_pa(const struct skr_abi_address *a, const struct skr_abi_address *b)
{
    return a->words[3] == b->words[3] && a->words[2] == b->words[2];
}

/* The record names its armed host from now on, and the former one as the other. */
static __always_inline long move_flip(const struct skr_abi_mac_key *key, const struct skr_abi_mac_record *record,
                                      __u32 ifindex)
{
    struct skr_abi_mac_record flipped = {.pa = record->armed_pa,
                                         .ifindex = ifindex,
                                         .flags = (record->flags & ~(__u32)SKR_MAC_ARRIVES) | SKR_MAC_FLIPPED,
                                         .armed_pa = record->pa};

    return probe ? 0 : bpf_map_update_elem(&records_mac, key, &flipped, BPF_EXIST);
}

/* A frame from a host that the record of its source MAC does not name. From the armed one: the VM runs there now. From
 * the former one: it was on its way when the VM left. 0 or a drop reason. */
static __noinline int move_sender(const struct skr_abi_mac_key *key, const struct skr_abi_address *from)
{
    struct skr_abi_mac_record *record;

    if (!key || !from)
        return -SKR_DROP_SOURCE_RECORD;
    record = bpf_map_lookup_elem(&records_mac, key);
    if (!record || !move_same_pa(&record->armed_pa, from))
        return -SKR_DROP_SOURCE_RECORD;
    if (!(record->flags & SKR_MAC_FLIPPED))
        move_flip(key, record, 0); /* that fails without memory alone, and the next frame tries again */
    return 0;
}

/* May the host at this address pass on frames of others to the VM that `record` is about? It was there until now; the
 * host that it leaves may be told so before its target. */
static __always_inline bool move_passed_on(const struct skr_abi_mac_record *record, const struct skr_abi_address *from)
{
    if (!record->ifindex)
        return false;
    if (record->flags & SKR_MAC_ARRIVES)
        return move_same_pa(&record->pa, from);
    return record->flags & SKR_MAC_FLIPPED && move_same_pa(&record->armed_pa, from);
}

/* On to where the record says, if that is a member: never decapsulated, and each host takes a hop of its life. Back to
 * the sender only when the VM has just gone there, which the sender has not been told yet. */
static __noinline int move_straggler(struct __sk_buff *skb, __u32 vsid, const struct skr_abi_subnet *subnet,
                                     const struct skr_abi_mac_record *record)
{
    struct skr_abi_peer_key peer = {};
    struct skr_abi_neighbor *neighbor;
    struct ethhdr *ethernet;
    struct iphdr *ip;
    __u32 uplink = skb->ifindex;
    void *data;

    if (!subnet || !record)
        return -SKR_DROP_INTERNAL;
    peer.domain = subnet->domain;
    peer.pa = record->pa;
    if (address_is_zero(&subnet->source_pa) || !bpf_map_lookup_elem(&peers, &peer))
        return -SKR_DROP_NOT_LOCAL;
    neighbor = bpf_map_lookup_elem(&neighbors, &peer.pa);
    data = frame_bytes(skb, ETH_HLEN + sizeof(*ip));
    if (!data)
        return -SKR_DROP_TRUNCATED;
    ethernet = data;
    ip = data + ETH_HLEN;
    if (ip->saddr == peer.pa.words[3] && !(record->flags & SKR_MAC_FLIPPED))
        return -SKR_DROP_NOT_LOCAL;
    if (ip->ttl <= 1)
        return -SKR_DROP_STRAGGLER_LOOP;
    ip->saddr = subnet->source_pa.words[3];
    ip->daddr = peer.pa.words[3];
    ip->ttl--;
    ip_checksum(ip);
    if (neighbor) {
        uplink = neighbor->ifindex;
        mac_copy(ethernet->h_dest, neighbor->destination_mac);
        mac_copy(ethernet->h_source, neighbor->source_mac);
    } else {
        __builtin_memset(ethernet, 0, 2 * ETH_ALEN);
    }
    verdict_set(skb, SKR_VERDICT_REMOTE, uplink, vsid, peer.pa.words[3]);
    return neighbor ? bpf_redirect(uplink, 0) : bpf_redirect_neigh(uplink, NULL, 0, 0);
}

/* A MAC is announced from the uplink of a segment. Of a port that is about to leave: it has, and its neighbours here
 * find it by the uplink from now on. Only a RARP tells so: other frames of its own may come back from a team's switch.
 */
static __noinline int move_leave(__u32 segment, const struct mac *mac)
{
    struct skr_abi_mac_key key = {.vsid = segment};
    struct skr_abi_mac_record *record;

    if (!mac)
        return -SKR_DROP_INTERNAL;
    mac_copy(key.mac, mac);
    record = bpf_map_lookup_elem(&records_mac, &key);
    if (record && record->ifindex && (record->flags & (SKR_MAC_WAITS | SKR_MAC_FLIPPED)) == SKR_MAC_WAITS)
        move_flip(&key, record, 0);
    return 0;
}

/* ---- on the target ---- */

static __noinline int move_event(struct __sk_buff *skb, const struct skr_abi_port *port)
{
    struct skr_abi_event *event;

    if (probe || !port)
        return 0;
    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event)
        return 0; /* the port's flags say so too */
    __builtin_memset(event, 0, sizeof(*event));
    event->kind = SKR_EVENT_MOVED;
    event->ifindex = skb->ifindex;
    event->vsid = port->vsid;
    event->domain = port->domain;
    mac_copy(event->mac, port->mac);
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/* The frame becomes an announcement of the MAC. */
static __always_inline int move_write_announcement(struct __sk_buff *skb, const struct mac *mac, struct frame *frame)
{
    struct rarp rarp = {.ethernet = {.h_proto = SKR_ETHERTYPE_RARP},
                        .hardware = bpf_htons(1),
                        .protocol = SKR_ETHERTYPE_IPV4,
                        .hardware_length = ETH_ALEN,
                        .protocol_length = 4,
                        .operation = SKR_RARP_REPLY};

    __builtin_memset(rarp.ethernet.h_dest, 0xff, ETH_ALEN);
    __builtin_memcpy(rarp.ethernet.h_source, mac->bytes, ETH_ALEN);
    __builtin_memcpy(rarp.sender_mac, mac->bytes, ETH_ALEN);
    __builtin_memcpy(rarp.target_mac, mac->bytes, ETH_ALEN);
    if (bpf_skb_change_tail(skb, SKR_ANNOUNCEMENT_LENGTH, 0) || bpf_skb_store_bytes(skb, 0, &rarp, sizeof(rarp), 0))
        return -SKR_DROP_ENCAPSULATION_FAILED;
    *frame = (struct frame){.ethertype = SKR_ETHERTYPE_RARP, .length = SKR_ANNOUNCEMENT_LENGTH};
    __builtin_memset(frame->destination.bytes, 0xff, ETH_ALEN);
    frame->source = *mac;
    return 0;
}

/* The port and its record are current. False: this host has not been told enough of the move yet. */
static __always_inline bool move_make_current(struct __sk_buff *skb, const struct skr_abi_port *port,
                                              const struct skr_abi_subnet *subnet)
{
    struct skr_abi_mac_key key = {.vsid = port->vsid};
    struct skr_abi_port current = *port;
    struct skr_abi_mac_record *record;
    __u32 ifindex = skb->ifindex;

    mac_copy(key.mac, port->mac);
    record = bpf_map_lookup_elem(&records_mac, &key);
    if (!record || (address_is_zero(&record->armed_pa) && !(record->flags & SKR_MAC_WAITS)))
        return false;
    if (!(record->flags & SKR_MAC_FLIPPED && record->ifindex == ifindex) &&
        (!move_same_pa(&record->armed_pa, &subnet->source_pa) || move_flip(&key, record, ifindex)))
        return false;
    current.flags &= ~(__u32)SKR_PORT_ARMED;
    current.flags |= SKR_PORT_MOVED;
    return probe || !bpf_map_update_elem(&ports, &ifindex, &current, BPF_EXIST);
}

/* The first frame with the VM's MAC from an armed port makes the port current; it comes in once more behind an
 * announcement, which it is turned into here. */
static __noinline int move_turn(struct __sk_buff *skb, const struct skr_abi_port *port, struct frame *frame)
{
    struct skr_abi_subnet *subnet;
    struct mac mac SKR_ALIGNED;

    if (!port || !frame)
        return -SKR_DROP_INTERNAL;
    mac_copy(&mac, port->mac);
    if (!mac_equal(&mac, &frame->source))
        return -SKR_DROP_NOT_CURRENT;
    subnet = bpf_map_lookup_elem(&subnets, &port->vsid);
    if (!subnet || !move_make_current(skb, port, subnet))
        return -SKR_DROP_NOT_CURRENT;
    move_event(skb, port);
    if (!probe && bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS))
        drop_count(skb->ifindex, SKR_DROP_FLOOD_INCOMPLETE);
    return move_write_announcement(skb, &mac, frame);
}

/* A frame from an armed port: what it is turned into goes to every port and every member host, the source among them,
 * or to the uplink. Apart from move_turn, because 6.1 counts the stack of five calls, and flooding takes three. */
static __noinline int move_arrive(struct __sk_buff *skb, const struct skr_abi_port *port, struct frame *frame)
{
    struct skr_abi_subnet *subnet;
    int result;

    if (!port || !frame)
        return -SKR_DROP_INTERNAL;
    result = move_turn(skb, port, frame);
    if (result)
        return result;
    if (port->vsid & SKR_SEGMENT)
        return segment_flood(skb, port, frame);
    subnet = bpf_map_lookup_elem(&subnets, &port->vsid);
    return subnet ? flood_from_port(skb, frame, port->vsid, subnet) : -SKR_DROP_NOT_CURRENT;
}
