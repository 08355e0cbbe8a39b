/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Outer headers: NVGRE (RFC 7637) and VXLAN (RFC 7348) over IPv4. docs/design/datapath.md, recipes 2, 3 and 4, has what
 * the kernel forces. Layout of both: Ethernet, IPv4, GRE | UDP + VXLAN, inner Ethernet. */
#pragma once

#include "deliver.h"

#define SKR_GRE_KEY_ALONE         bpf_htons(0x2000)
#define SKR_GRE_PROTOCOL_ETHERNET bpf_htons(0x6558)
#define SKR_VXLAN_PORT            bpf_htons(4789)
#define SKR_VXLAN_HAS_VNI         bpf_htonl(0x08000000)
#define SKR_OUTER_TTL             64
#define SKR_OUTER_DONT_FRAGMENT   bpf_htons(0x4000)
#define SKR_EPHEMERAL_FIRST       49152
#define SKR_ETHERNET_MIN          60 /* without FCS; the receiver's kernel cannot take the outer headers off shorter frames */

struct gre {
    __be16 flags, protocol;
    __be32 key;
};
struct vxlan {
    __be32 flags, vni;
};
#define SKR_NVGRE_OUTER (sizeof(struct iphdr) + sizeof(struct gre))
#define SKR_VXLAN_OUTER (sizeof(struct iphdr) + sizeof(struct udphdr) + sizeof(struct vxlan))

/* Where a frame goes. */
struct tunnel {
    __u32 vsid;
    __u32 hash;
    __be32 source, destination; /* provider addresses */
    bool vxlan;
    __u8 tos;
};

static __always_inline __u16 checksum_fold(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static __always_inline void ip_checksum(struct iphdr *ip)
{
    __u16 *words = (__u16 *)ip;
    __u32 sum = 0;

    ip->check = 0;
#pragma unroll
    for (int i = 0; i < 10; i++)
        sum += words[i];
    ip->check = checksum_fold(sum);
}

/* Makes the kernel read the EtherType again: skb->protocol is what it was before we moved the headers. */
static __always_inline int tunnel_fix_protocol(struct __sk_buff *skb)
{
    if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 1) || bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 1))
        return -SKR_DROP_ENCAPSULATION_FAILED;
#pragma unroll
    for (int i = 0; i < 3 && skb->vlan_present; i++)
        if (bpf_skb_vlan_pop(skb))
            return -SKR_DROP_ENCAPSULATION_FAILED;
    return 0;
}

/* Room for the outer headers of a frame that is not IP, or that the kernel takes for encapsulated already. */
static __always_inline int tunnel_make_room_plain(struct __sk_buff *skb, __u32 room)
{
    struct ethhdr *ethernet;
    void *data;

    if (skb->len < SKR_ETHERNET_MIN && bpf_skb_change_tail(skb, SKR_ETHERNET_MIN, 0))
        return -SKR_DROP_ENCAPSULATION_FAILED;
    if (bpf_skb_change_head(skb, room, 0))
        return -SKR_DROP_ENCAPSULATION_FAILED;
    data = frame_bytes(skb, ETH_HLEN);
    if (!data)
        return -SKR_DROP_ENCAPSULATION_FAILED;
    ethernet = data;
    ethernet->h_proto = SKR_ETHERTYPE_IPV4;
    return skb->protocol == SKR_ETHERTYPE_IPV4 ? 0 : tunnel_fix_protocol(skb);
}

static __always_inline int tunnel_make_room(struct __sk_buff *skb, const struct frame *frame, bool vxlan)
{
    __u32 room = ETH_HLEN + (vxlan ? SKR_VXLAN_OUTER : SKR_NVGRE_OUTER);
    __u64 flags = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) |
                  BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
    long error;

    if (frame->ethertype != SKR_ETHERTYPE_IPV4)
        return tunnel_make_room_plain(skb, room);
    flags |= vxlan ? BPF_F_ADJ_ROOM_ENCAP_L4_UDP : BPF_F_ADJ_ROOM_ENCAP_L4_GRE;
    error = bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC, flags);
    if (!error)
        return 0;
    if (frame->gso_size)
        return -SKR_DROP_GSO_UNSUPPORTED;
    return error == -114 /* EALREADY */ ? tunnel_make_room_plain(skb, room) : -SKR_DROP_ENCAPSULATION_FAILED;
}

/* Ethernet and IPv4 of one receiver. neighbor NULL: the kernel will find the next hop, but refuses a multicast MAC. */
static __always_inline int tunnel_write_receiver(struct __sk_buff *skb, const struct tunnel *tunnel,
                                                 const struct skr_abi_neighbor *neighbor)
{
    void *data = frame_bytes(skb, ETH_HLEN + sizeof(struct iphdr));
    struct ethhdr *ethernet = data;
    struct iphdr *ip = data + ETH_HLEN;

    if (!data)
        return -SKR_DROP_ENCAPSULATION_FAILED;
    if (neighbor) {
        mac_copy(ethernet->h_dest, neighbor->destination_mac);
        mac_copy(ethernet->h_source, neighbor->source_mac);
    } else {
        __builtin_memset(ethernet, 0, 2 * ETH_ALEN);
    }
    ethernet->h_proto = SKR_ETHERTYPE_IPV4;
    ip->version = 4;
    ip->ihl = 5;
    ip->tos = tunnel->tos;
    ip->tot_len = bpf_htons(skb->len - ETH_HLEN);
    ip->id = 0;
    ip->frag_off = SKR_OUTER_DONT_FRAGMENT;
    ip->ttl = SKR_OUTER_TTL;
    ip->protocol = tunnel->vxlan ? IPPROTO_UDP : IPPROTO_GRE;
    ip->saddr = tunnel->source;
    ip->daddr = tunnel->destination;
    ip_checksum(ip);
    return 0;
}

static __always_inline void tunnel_write_inner_ethernet(struct ethhdr *ethernet, const struct frame *frame)
{
    mac_copy(ethernet->h_dest, &frame->destination);
    mac_copy(ethernet->h_source, &frame->source);
    ethernet->h_proto = frame->ethertype;
}

/* Writes the headers that are the same for every receiver: GRE or UDP + VXLAN, and the inner Ethernet header. */
static __always_inline int tunnel_write_nvgre(struct __sk_buff *skb, const struct tunnel *tunnel,
                                              const struct frame *frame)
{
    void *data = frame_bytes(skb, 2 * ETH_HLEN + SKR_NVGRE_OUTER);
    struct gre *gre = data + ETH_HLEN + sizeof(struct iphdr);

    if (!data)
        return -SKR_DROP_ENCAPSULATION_FAILED;
    gre->flags = SKR_GRE_KEY_ALONE;
    gre->protocol = SKR_GRE_PROTOCOL_ETHERNET;
    gre->key = bpf_htonl(tunnel->vsid << 8 | (tunnel->hash & 0xff));
    tunnel_write_inner_ethernet((void *)(gre + 1), frame);
    return 0;
}

static __always_inline int tunnel_write_vxlan(struct __sk_buff *skb, const struct tunnel *tunnel,
                                              const struct frame *frame)
{
    void *data = frame_bytes(skb, 2 * ETH_HLEN + SKR_VXLAN_OUTER);
    struct udphdr *udp = data + ETH_HLEN + sizeof(struct iphdr);
    struct vxlan *vxlan = (void *)(udp + 1);

    if (!data)
        return -SKR_DROP_ENCAPSULATION_FAILED;
    udp->source = bpf_htons(SKR_EPHEMERAL_FIRST | (tunnel->hash & 0x3fff));
    udp->dest = SKR_VXLAN_PORT;
    udp->len = bpf_htons(skb->len - ETH_HLEN - sizeof(struct iphdr));
    udp->check = 0; /* RFC 7348 section 5 */
    vxlan->flags = SKR_VXLAN_HAS_VNI;
    vxlan->vni = bpf_htonl(tunnel->vsid << 8);
    tunnel_write_inner_ethernet((void *)(vxlan + 1), frame);
    return 0;
}

/* Everything but the receiver. Pointers into the packet are gone afterwards. */
static __always_inline int tunnel_wrap(struct __sk_buff *skb, const struct tunnel *tunnel, const struct frame *frame)
{
    int result = tunnel_make_room(skb, frame, tunnel->vxlan);

    if (result)
        return result;
    return tunnel->vxlan ? tunnel_write_vxlan(skb, tunnel, frame) : tunnel_write_nvgre(skb, tunnel, frame);
}

static __always_inline int tunnel_init(struct tunnel *tunnel, const struct frame *frame, __u32 vsid,
                                       const struct skr_abi_subnet *subnet)
{
    if (address_is_zero(&subnet->source_pa))
        return -SKR_DROP_NO_PROVIDER_ADDRESS;
    tunnel->vsid = vsid;
    tunnel->hash = frame_flow_hash(frame);
    tunnel->source = subnet->source_pa.words[3];
    tunnel->vxlan = subnet->flags & SKR_SUBNET_VXLAN;
    tunnel->tos = frame->ethertype == SKR_ETHERTYPE_IPV4 ? frame->tos : 0;
    return 0;
}

/* To one host. `frame` holds the inner Ethernet header as it shall arrive. */
static __always_inline int tunnel_send(struct __sk_buff *skb, const struct frame *frame, __u32 vsid,
                                       const struct skr_abi_subnet *subnet, const struct skr_abi_address *pa)
{
    struct tunnel tunnel;
    struct skr_abi_neighbor *neighbor;
    struct skr_abi_own_pa *own;
    __u32 uplink;
    int result;

    if (address_is_zero(pa))
        return -SKR_DROP_NO_PROVIDER_ADDRESS;
    result = tunnel_init(&tunnel, frame, vsid, subnet);
    if (result)
        return result;
    tunnel.destination = pa->words[3];
    neighbor = bpf_map_lookup_elem(&neighbors, pa);
    if (neighbor) {
        uplink = neighbor->ifindex;
    } else {
        own = bpf_map_lookup_elem(&own_pas, &subnet->source_pa);
        if (!own)
            return -SKR_DROP_NO_PROVIDER_ADDRESS;
        uplink = own->ifindex;
    }
    result = tunnel_wrap(skb, &tunnel, frame);
    if (!result)
        result = tunnel_write_receiver(skb, &tunnel, neighbor);
    if (result)
        return result;
    verdict_set(skb, SKR_VERDICT_REMOTE, uplink, vsid, tunnel.destination);
    return neighbor ? bpf_redirect(uplink, 0) : bpf_redirect_neigh(uplink, NULL, 0, 0);
}

/* Why a frame larger than subnet->mtu does not leave. */
static __always_inline int tunnel_too_big(const struct skr_abi_subnet *subnet)
{
    return subnet->flags & SKR_SUBNET_UPLINK_MTU ? -SKR_DROP_UPLINK_MTU : -SKR_DROP_TOO_BIG;
}

/* To the host that a record names. Its own PA there means: here, but without an interface. */
static __always_inline int forward_remote(struct __sk_buff *skb, const struct frame *frame, __u32 vsid,
                                          const struct skr_abi_subnet *subnet, const struct skr_abi_mac_record *record)
{
    if (record->pa.words[3] == subnet->source_pa.words[3] && !address_is_zero(&record->pa))
        return -SKR_DROP_UNBOUND;
    return tunnel_send(skb, frame, vsid, subnet, &record->pa);
}
