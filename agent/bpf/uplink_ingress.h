/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hook: ingress of an uplink. What is not ours passes on untouched. A tunnel's frame is ours when it comes to a
 * provider address of ours, whole, on that address's uplink and VLAN; it is let in when its sender is a member of the
 * VM network and has the inner source MAC. docs/design/datapath.md, "A packet, from VM A to VM B", step 5. */
#pragma once

#include "agent/bpf/lib/move.h"
#include "agent/bpf/lib/uplink_segment.h"

#define SKR_PACKET_HOST 0
#define SKR_ECN_MASK    3
#define SKR_ECN_CE      3

struct outer {
    struct skr_abi_address source, destination;
    __u32 vsid;
    __u32 length; /* from the outer IPv4 header to the inner Ethernet header */
    __u8 tos;
};

/* The inner Ethernet header. */
static __always_inline int uplink_read_inner(struct __sk_buff *skb, const struct ethhdr *ethernet, struct outer *outer,
                                             struct frame *frame)
{
    mac_copy(&frame->destination, ethernet->h_dest);
    mac_copy(&frame->source, ethernet->h_source);
    frame->ethertype = ethernet->h_proto;
    frame->length = skb->len - ETH_HLEN - outer->length;
    frame->gso_size = skb->gso_size;
    if (frame->ethertype == bpf_htons(ETH_P_8021Q) || frame->ethertype == bpf_htons(ETH_P_8021AD))
        return -SKR_DROP_GUEST_VLAN_TAG;
    return frame->ethertype == SKR_ETHERTYPE_IPV6 ? -SKR_DROP_NOT_IPV4 : 0;
}

static __always_inline int uplink_parse_gre(struct __sk_buff *skb, struct outer *outer, struct frame *frame)
{
    void *data = frame_bytes(skb, 2 * ETH_HLEN + SKR_NVGRE_OUTER);
    struct gre *gre = data + ETH_HLEN + sizeof(struct iphdr);

    if (!data)
        return -SKR_DROP_TRUNCATED;
    if (gre->flags != SKR_GRE_KEY_ALONE)
        return -SKR_DROP_OUTER_INVALID;
    outer->vsid = bpf_ntohl(gre->key) >> 8;
    outer->length = SKR_NVGRE_OUTER;
    return uplink_read_inner(skb, (void *)(gre + 1), outer, frame);
}

static __always_inline int uplink_parse_vxlan(struct __sk_buff *skb, struct outer *outer, struct frame *frame)
{
    void *data = frame_bytes(skb, 2 * ETH_HLEN + SKR_VXLAN_OUTER);
    struct vxlan *vxlan = data + ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr);

    if (!data)
        return -SKR_DROP_TRUNCATED;
    if (!(vxlan->flags & SKR_VXLAN_HAS_VNI))
        return -SKR_DROP_OUTER_INVALID;
    outer->vsid = bpf_ntohl(vxlan->vni) >> 8;
    outer->length = SKR_VXLAN_OUTER;
    return uplink_read_inner(skb, (void *)(vxlan + 1), outer, frame);
}

/* Is this packet, if it is for us, a tunnel's? A later fragment of GRE cannot say; VXLAN is left to the kernel then. */
static __always_inline bool uplink_is_tunnel(const struct iphdr *ip)
{
    const struct gre *gre = (const void *)(ip + 1);
    const struct udphdr *udp = (const void *)(ip + 1);
    bool headless = ip->frag_off & SKR_FRAGMENT_OFFSET;

    if (ip->protocol == IPPROTO_GRE)
        return headless || ip->ihl != 5 || gre->protocol == SKR_GRE_PROTOCOL_ETHERNET;
    return ip->protocol == IPPROTO_UDP && !headless && ip->ihl == 5 && udp->dest == SKR_VXLAN_PORT;
}

/* Is it for a provider address of ours, and as it must be? Sets `outer` and the inner Ethernet header in `frame`. */
static __always_inline int uplink_parse(struct __sk_buff *skb, __u32 vlan, struct outer *outer, struct frame *frame)
{
    void *data = frame_bytes(skb, ETH_HLEN + sizeof(struct iphdr) + sizeof(struct gre));
    struct iphdr *ip = data + ETH_HLEN;
    struct skr_abi_own_pa *own;
    bool gre;

    if (!data || !uplink_is_tunnel(ip))
        return SKR_NOT_OURS;
    address_from_v4(&outer->source, ip->saddr);
    address_from_v4(&outer->destination, ip->daddr);
    outer->tos = ip->tos;
    own = bpf_map_lookup_elem(&own_pas, &outer->destination);
    if (!own)
        return SKR_NOT_OURS;
    if (skb->pkt_type != SKR_PACKET_HOST)
        return -SKR_DROP_NOT_ADDRESSED;
    if (own->ifindex != skb->ifindex || own->vlan_id != vlan)
        return -SKR_DROP_WRONG_UPLINK;
    if (ip->frag_off & SKR_FRAGMENT_ANY)
        return -SKR_DROP_OUTER_FRAGMENT;
    if (ip->version != 4 || ip->ihl != 5)
        return -SKR_DROP_OUTER_INVALID;
    /* A GSO packet's own length field may be anything that its segments will overwrite. */
    if (!skb->gso_size && ETH_HLEN + (__u32)bpf_ntohs(ip->tot_len) > skb->len)
        return -SKR_DROP_TRUNCATED;
    gre = ip->protocol == IPPROTO_GRE;
    return gre ? uplink_parse_gre(skb, outer, frame) : uplink_parse_vxlan(skb, outer, frame);
}

/* The sender is a member, and the inner source MAC is at the sender. The gateway's MAC is at every member, for packets
 * that it routed, and those have one receiver. */
static __always_inline int uplink_check_sender(const struct outer *outer, const struct skr_abi_subnet *subnet,
                                               const struct mac *source, bool group)
{
    struct skr_abi_peer_key peer = {.domain = subnet->domain, .pa = outer->source};
    struct skr_abi_mac_key key = {.vsid = outer->vsid};
    struct skr_abi_mac_record *record;

    if (!bpf_map_lookup_elem(&peers, &peer))
        return -SKR_DROP_NOT_A_MEMBER;
    if (mac_is_gateway(source))
        return group ? -SKR_DROP_SOURCE_RECORD : 0;
    mac_copy(key.mac, source);
    record = bpf_map_lookup_elem(&records_mac, &key);
    if (!record || record->pa.words[3] != outer->source.words[3] || record->pa.words[2] != outer->source.words[2])
        return move_sender(&key, &outer->source);
    return 0;
}

/* The inner source address is judged against the records. Of switched packets the address must be the
 * MAC's, or nobody's where the VM subnet learns and this host has not been told yet, or behind a route through it. */
static __always_inline int uplink_check_switched(const struct outer *outer, const struct skr_abi_subnet *subnet,
                                                 const struct frame *frame, __be32 address)
{
    struct skr_abi_ca_key key = {.vsid = outer->vsid};
    struct skr_abi_ca_record *record;

    if (!address) /* a DHCP client has none yet */
        return 0;
    address_from_v4(&key.ca, address);
    record = bpf_map_lookup_elem(&records_ca, &key);
    if (record)
        return mac_equal(record->mac, &frame->source) ? 0 : -SKR_DROP_SENDER_ADDRESS;
    if (subnet->flags & SKR_SUBNET_LEARNS && subnet_has_host(subnet, address) && address != subnet->gateway.words[3])
        return 0;
    return guard_routes_for(subnet->domain, outer->vsid, &frame->source, address) ? 0 : -SKR_DROP_SENDER_ADDRESS;
}

/* Routed packets have the gateway's MAC, so the address tells who sends: whoever has the address, or is the next hop to
 * it, is at the sending host, or is moving there or away. */
static __always_inline int uplink_check_routed(const struct outer *outer, const struct skr_abi_subnet *subnet,
                                               __be32 address, bool passed_on)
{
    struct skr_abi_route *route = route_find(subnet->domain, address);
    struct skr_abi_mac_key key = {};
    struct skr_abi_ca_key ca = {};
    struct skr_abi_ca_record *holder;
    struct skr_abi_mac_record *record;
    struct skr_abi_subnet *home;

    if (!route)
        return -SKR_DROP_SENDER_ADDRESS;
    key.vsid = ca.vsid = route->vsid;
    if (address_is_zero(&route->next_hop))
        address_from_v4(&ca.ca, address);
    else
        ca.ca = route->next_hop;
    holder = bpf_map_lookup_elem(&records_ca, &ca);
    if (!holder) {
        home = bpf_map_lookup_elem(&subnets, &ca.vsid);
        return home && home->flags & SKR_SUBNET_LEARNS && address_is_zero(&route->next_hop) &&
                               subnet_has_host(home, address) && address != home->gateway.words[3]
                       ? 0
                       : -SKR_DROP_SENDER_ADDRESS;
    }
    mac_copy(key.mac, holder->mac);
    record = bpf_map_lookup_elem(&records_mac, &key);
    return record && (passed_on || move_same_pa(&record->pa, &outer->source) ||
                      move_same_pa(&record->armed_pa, &outer->source))
                   ? 0
                   : -SKR_DROP_SENDER_ADDRESS;
}

/* ARP: what a record gives to one adapter for good no other may speak for, and the gateway's address nobody. */
static __always_inline int uplink_check_arp(struct __sk_buff *skb, const struct outer *outer,
                                            const struct skr_abi_subnet *subnet)
{
    __u32 offset = ETH_HLEN + outer->length + ETH_HLEN;
    struct skr_abi_ca_key key = {.vsid = outer->vsid};
    struct skr_abi_ca_record *record;
    struct mac mac SKR_ALIGNED;
    __be32 address;

    if (bpf_skb_load_bytes(skb, offset + offsetof(struct arp, sender_ip), &address, sizeof(address)) ||
        bpf_skb_load_bytes(skb, offset + offsetof(struct arp, sender_mac), &mac, sizeof(mac.bytes)))
        return -SKR_DROP_TRUNCATED;
    if (!address)
        return 0;
    if (address == subnet->gateway.words[3])
        return -SKR_DROP_ARP_SPOOFED;
    address_from_v4(&key.ca, address);
    record = bpf_map_lookup_elem(&records_ca, &key);
    return record && !(record->flags & SKR_RECORD_DYNAMIC) && !mac_equal(record->mac, &mac) ? -SKR_DROP_ARP_SPOOFED : 0;
}

/* The sender has the inner source MAC; has it what the frame says besides? `passed_on`: by the host that the receiver
 * has left, so that the sending host is not the sender's. */
static __noinline int uplink_check_source(struct __sk_buff *skb, const struct outer *outer,
                                          const struct skr_abi_subnet *subnet, const struct frame *frame,
                                          bool passed_on)
{
    __be32 address;

    if (!outer || !subnet || !frame)
        return -SKR_DROP_INTERNAL;
    if (frame->ethertype == SKR_ETHERTYPE_ARP && !mac_is_gateway(&frame->source))
        return uplink_check_arp(skb, outer, subnet);
    if (frame->ethertype != SKR_ETHERTYPE_IPV4) /* the gateway routes IPv4 alone */
        return mac_is_gateway(&frame->source) ? -SKR_DROP_SOURCE_RECORD : 0;
    if (bpf_skb_load_bytes(skb, ETH_HLEN + outer->length + ETH_HLEN + offsetof(struct iphdr, saddr), &address,
                           sizeof(address)))
        return -SKR_DROP_TRUNCATED;
    return mac_is_gateway(&frame->source) ? uplink_check_routed(outer, subnet, address, passed_on)
                                          : uplink_check_switched(outer, subnet, frame, address);
}

/* RFC 6040, section 4.2: a mark made on the way reaches the receiver. */
static __always_inline int uplink_congestion(struct __sk_buff *skb, const struct outer *outer)
{
    void *data;
    struct iphdr *ip;
    __be16 before;

    if ((outer->tos & SKR_ECN_MASK) != SKR_ECN_CE)
        return 0;
    data = frame_bytes(skb, ETH_HLEN + sizeof(*ip));
    if (!data)
        return -SKR_DROP_TRUNCATED;
    ip = data + ETH_HLEN;
    if (!(ip->tos & SKR_ECN_MASK))
        return -SKR_DROP_CONGESTION_MARK;
    before = *(__be16 *)ip;
    ip->tos |= SKR_ECN_CE;
    ip->check = checksum_fold((__u16)~ip->check + (__u16)~before + (__u32) * (__be16 *)ip);
    return 0;
}

/* Takes the outer headers off; the inner frame is in `frame`. */
static __always_inline int uplink_unwrap(struct __sk_buff *skb, const struct outer *outer, struct frame *frame)
{
    struct ethhdr *ethernet;
    void *data;

    if (bpf_skb_adjust_room(skb, -(__s32)(outer->length + ETH_HLEN), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
        return -SKR_DROP_DECAPSULATION_FAILED;
    data = frame_bytes(skb, ETH_HLEN);
    if (!data)
        return -SKR_DROP_DECAPSULATION_FAILED;
    ethernet = data;
    tunnel_write_inner_ethernet(ethernet, frame);
    if (frame->ethertype == SKR_ETHERTYPE_IPV4)
        return uplink_congestion(skb, outer);
    return tunnel_fix_protocol(skb) ? -SKR_DROP_DECAPSULATION_FAILED : 0;
}

/* Header length of the segments, for the meter. */
static __always_inline void uplink_measure_segments(struct __sk_buff *skb, struct frame *frame)
{
    void *data = frame_bytes(skb, ETH_HLEN + sizeof(struct iphdr));
    struct iphdr *ip = data + ETH_HLEN;

    if (!data || frame->ethertype != SKR_ETHERTYPE_IPV4)
        return;
    frame->ip_length = ip->ihl * 4;
    frame->protocol = ip->protocol;
    frame_parse_transport(skb, frame, true);
}

static __always_inline int uplink_receive(struct __sk_buff *skb, __u32 vlan)
{
    struct outer outer;
    struct frame frame = {};
    struct skr_abi_subnet *subnet;
    struct skr_abi_mac_key key = {};
    struct skr_abi_mac_record *record = NULL;
    __u32 target = 0;
    bool group;
    int sender, result = uplink_parse(skb, vlan, &outer, &frame);

    if (result)
        return result;
    subnet = bpf_map_lookup_elem(&subnets, &outer.vsid);
    if (!subnet)
        return -SKR_DROP_UNKNOWN_VSID;
    if ((outer.length == SKR_VXLAN_OUTER) != !!(subnet->flags & SKR_SUBNET_VXLAN))
        return -SKR_DROP_WRONG_ENCAPSULATION;
    group = mac_is_group(&frame.destination);
    sender = uplink_check_sender(&outer, subnet, &frame.source, group);
    if (sender && (group || sender != -SKR_DROP_SOURCE_RECORD))
        return sender;
    if (!group) {
        key.vsid = outer.vsid;
        mac_copy(key.mac, &frame.destination);
        record = bpf_map_lookup_elem(&records_mac, &key);
        if (sender && !(record && move_passed_on(record, &outer.source)))
            return sender;
    }
    result = uplink_check_source(skb, &outer, subnet, &frame, record && move_passed_on(record, &outer.source));
    if (result)
        return result;
    /* The compiler would keep "there is a record" as a number, from which the 6.1 verifier learns nothing. */
    asm volatile("" : "+r"(record));
    if (!group) {
        if (!record)
            return -SKR_DROP_UNKNOWN_DESTINATION;
        if (!record->ifindex)
            return record->pa.words[3] == outer.destination.words[3] ? -SKR_DROP_UNBOUND
                                                                     : move_straggler(skb, outer.vsid, subnet, record);
        target = record->ifindex;
    }
    result = uplink_unwrap(skb, &outer, &frame);
    if (result)
        return result;
    if (frame.gso_size)
        uplink_measure_segments(skb, &frame);
    if (!group)
        return deliver(skb, &frame, outer.vsid, target);
    verdict_set(skb, SKR_VERDICT_FLOOD, flood_local(skb, &frame, outer.vsid, 0), outer.vsid, 0);
    return TC_ACT_STOLEN;
}

/* A station that says it has a provider address of ours: hosts that believe it send their tunnels there. */
static __noinline int uplink_watch_arp(struct __sk_buff *skb)
{
    struct skr_abi_port nobody = {};
    struct skr_abi_address address;
    struct mac mac SKR_ALIGNED;
    __be32 sender;

    if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct arp, sender_ip), &sender, sizeof(sender)) ||
        bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct arp, sender_mac), &mac, sizeof(mac.bytes)))
        return 0;
    address_from_v4(&address, sender);
    if (bpf_map_lookup_elem(&own_pas, &address))
        event_seen(skb, &nobody, SKR_EVENT_PA_CLAIMED, &mac, sender);
    return 0;
}

/* Handles a frame that no tunnel carried. */
static __always_inline int uplink_other(struct __sk_buff *skb, __u32 vlan)
{
    if (vlan)
        return segment_for_host(skb, vlan);
    return segment_from_uplink(skb);
}

SEC("tc")
int uplink_ingress(struct __sk_buff *skb)
{
    __u32 vlan = 0; /* with its priority */
    int result = SKR_NOT_OURS;

    if (skb->vlan_present || skb->protocol == SKR_TAG_PROTOCOL) {
        result = segment_tagged_from_uplink(skb, &vlan);
        if (result != SKR_NOT_OURS)
            goto decided;
    }
    if (skb->protocol == SKR_ETHERTYPE_IPV4)
        result = uplink_receive(skb, vlan & SKR_TAG_VLAN);
    else if (skb->protocol == SKR_ETHERTYPE_ARP)
        uplink_watch_arp(skb);
    if (result == SKR_NOT_OURS)
        result = uplink_other(skb, vlan);
decided:
    if (result == SKR_PASS_ON)
        return TC_ACT_UNSPEC;
    return result < 0 ? drop(skb, -result) : result;
}

/* Hook: egress of an uplink that has provider addresses on a tagged VLAN, where the kernel has no 802.1Q. Everything
 * that such an address sends, tunnels and the host's own ARP and IP alike, gets its site's tag. */
SEC("tc")
int uplink_egress(struct __sk_buff *skb)
{
    struct skr_abi_address address;
    struct skr_abi_own_pa *own;
    __be32 source;

    if (skb->vlan_present || !uplink_speaker(skb, true, &source))
        return TC_ACT_UNSPEC;
    address_from_v4(&address, source);
    own = bpf_map_lookup_elem(&own_pas, &address);
    if (!own || own->ifindex != skb->ifindex || !own->vlan_id)
        return TC_ACT_UNSPEC;
    /* Untagged it would be in another network. */
    if (bpf_skb_vlan_push(skb, SKR_TAG_PROTOCOL, own->vlan_id))
        return drop(skb, SKR_DROP_ENCAPSULATION_FAILED);
    verdict_set(skb, SKR_VERDICT_UPLINK, skb->ifindex, SKR_SEGMENT_OF(skb->ifindex, own->vlan_id), 0);
    return TC_ACT_UNSPEC;
}
