/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading a frame: headers in the linear part, and what the programs need of them as one struct on the stack. Whatever
 * calls a helper that moves bytes must fetch its pointers again. */
#pragma once

#include "maps.h"
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#define SKR_ETHERTYPE_IPV4  bpf_htons(ETH_P_IP)
#define SKR_ETHERTYPE_IPV6  bpf_htons(ETH_P_IPV6)
#define SKR_ETHERTYPE_ARP   bpf_htons(ETH_P_ARP)
#define SKR_ETHERTYPE_RARP  bpf_htons(ETH_P_RARP)
#define SKR_FRAGMENT_OFFSET bpf_htons(0x1fff)
#define SKR_FRAGMENT_ANY    bpf_htons(0x3fff) /* offset or more fragments */
#define SKR_IPV4_LENGTH_MAX 60                /* of the header */
#define SKR_ETHERTYPE_FIRST 0x600             /* what is less is a length (IEEE 802.3) */

/* Aligned, because MACs are read as four bytes and two, and the stack must be read aligned. */
#define SKR_ALIGNED __attribute__((aligned(4)))
struct mac {
    __u8 bytes[6];
};

struct frame {
    struct mac destination SKR_ALIGNED;
    __u16 priority; /* of the guest's own tag, where an uplink's tag has it */
    struct mac source SKR_ALIGNED;
    __be16 ethertype;
    __be16 source_port, destination_port; /* TCP and UDP, first fragment; ICMP: type and code as source_port */
    __u8 protocol, tos, ttl;
    __u8 ip_length; /* of the IPv4 header */
    __be32 source_ip, destination_ip;
    __u32 length;  /* of the whole frame, as it came */
    __u32 headers; /* GSO: Ethernet to TCP or UDP, repeated in each segment */
    __u32 gso_size;
};

static __always_inline void mac_copy(void *to, const void *from)
{
    *(__u32 *)to = *(const __u32 *)from;
    *(__u16 *)(to + 4) = *(const __u16 *)(from + 4);
}

static __always_inline bool mac_equal(const void *a, const void *b)
{
    return *(const __u32 *)a == *(const __u32 *)b && *(const __u16 *)(a + 4) == *(const __u16 *)(b + 4);
}

static __always_inline bool mac_is_gateway(const struct mac *mac)
{
    const struct mac gateway SKR_ALIGNED = {SKR_GATEWAY_MAC_BYTES};
    return mac_equal(mac, &gateway);
}

static __always_inline bool mac_is_group(const struct mac *mac)
{
    return mac->bytes[0] & 1;
}

/* Groups that bridges alone speak to: 0, or the drop reason. No switch forwards the first sixteen (IEEE 802.1Q, table
 * 8-1); the others are the bridges' management, registration (GVRP, MVRP), connectivity faults and TRILL, and those of
 * Cisco (CDP, VTP, UDLD, PVST+) and Foundry. From a guest they would change how the fabric itself works. */
static __always_inline int mac_bridge_group(const struct mac *mac)
{
    __be32 first = *(const __u32 *)mac->bytes;

    if (first == bpf_htonl(0x0180c200) && mac->bytes[4] == 0) {
        if (mac->bytes[5] < 0x10)
            return -SKR_DROP_LINK_LOCAL_GROUP;
        return mac->bytes[5] == 0x10 || (mac->bytes[5] >= 0x20 && mac->bytes[5] < 0x50) ? -SKR_DROP_BRIDGE_PROTOCOL : 0;
    }
    return (first & bpf_htonl(0xffffff00)) == bpf_htonl(0x01000c00) || first == bpf_htonl(0x01e052cc)
                   ? -SKR_DROP_BRIDGE_PROTOCOL
                   : 0;
}

static __always_inline void address_from_v4(struct skr_abi_address *address, __be32 v4)
{
    address->words[0] = 0;
    address->words[1] = 0;
    address->words[2] = bpf_htonl(0xffff);
    address->words[3] = v4;
}

static __always_inline bool address_is_zero(const struct skr_abi_address *address)
{
    return !(address->words[0] | address->words[1] | address->words[2] | address->words[3]);
}

/* In assembly, because a compiler that keeps data_end in a 32-bit register loses what the verifier knows of it. */
#define SKR_PACKET_POINTER(skb, field)                                                                                 \
    ({                                                                                                                 \
        void *pointer_;                                                                                                \
        asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(pointer_) : "r"(skb), "i"(offsetof(struct __sk_buff, field)));    \
        pointer_;                                                                                                      \
    })

/* The first `size` bytes of the frame, or NULL when it is shorter. */
static __always_inline void *frame_bytes(struct __sk_buff *skb, __u32 size)
{
    void *data = SKR_PACKET_POINTER(skb, data);

    if (data + size <= SKR_PACKET_POINTER(skb, data_end))
        return data;
    if (skb->len < size || bpf_skb_pull_data(skb, size))
        return NULL;
    data = SKR_PACKET_POINTER(skb, data);
    return data + size <= SKR_PACKET_POINTER(skb, data_end) ? data : NULL;
}

/* Ports (or ICMP type) behind an IPv4 header of any length, and the header length of a GSO segment. */
static __always_inline int frame_parse_transport(struct __sk_buff *skb, struct frame *frame, bool first_fragment)
{
    __be16 words[7] = {};
    __u32 offset = ETH_HLEN + frame->ip_length;

    if (!first_fragment)
        return 0;
    switch (frame->protocol) {
    case IPPROTO_TCP:
        if (frame->gso_size) {
            if (bpf_skb_load_bytes(skb, offset, words, sizeof(words)))
                return -SKR_DROP_TRUNCATED;
            frame->headers = offset + 4 * (bpf_ntohs(words[6]) >> 12);
            break;
        }
        if (bpf_skb_load_bytes(skb, offset, words, 4))
            return -SKR_DROP_TRUNCATED;
        break;
    case IPPROTO_UDP:
        frame->headers = offset + sizeof(struct udphdr);
        if (bpf_skb_load_bytes(skb, offset, words, 4))
            return -SKR_DROP_TRUNCATED;
        break;
    case IPPROTO_ICMP:
        if (bpf_skb_load_bytes(skb, offset, words, 2))
            return -SKR_DROP_TRUNCATED;
        break;
    default:
        return 0;
    }
    frame->source_port = words[0];
    frame->destination_port = words[1];
    return 0;
}

/* The checksum of an IPv4 header, options included (RFC 791): false when it is wrong. */
static __always_inline bool frame_checksum_ip(struct __sk_buff *skb, const struct iphdr *ip, __u32 length)
{
    const __u32 *words = (const __u32 *)ip;
    __u64 sum = 0;
    __u32 word;

#pragma unroll
    for (unsigned i = 0; i < sizeof(*ip) / 4; i++)
        sum += words[i];
    for (__u32 at = sizeof(*ip); at < SKR_IPV4_LENGTH_MAX && at < length; at += 4) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN + at, &word, sizeof(word)))
            return false;
        sum += word;
    }
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

static __always_inline int frame_parse_ip(struct __sk_buff *skb, struct frame *frame)
{
    void *data = frame_bytes(skb, ETH_HLEN + sizeof(struct iphdr));
    struct iphdr *ip;
    bool first;

    if (!data)
        return -SKR_DROP_TRUNCATED;
    ip = data + ETH_HLEN;
    frame->ip_length = ip->ihl * 4;
    if (ip->version != 4 || frame->ip_length < sizeof(struct iphdr))
        return -SKR_DROP_TRUNCATED;
    /* A GSO packet's own length and checksum may be anything that its segments will overwrite. */
    if (!frame->gso_size &&
        (bpf_ntohs(ip->tot_len) < frame->ip_length || ETH_HLEN + (__u32)bpf_ntohs(ip->tot_len) > frame->length))
        return -SKR_DROP_TRUNCATED;
    frame->protocol = ip->protocol;
    frame->tos = ip->tos;
    frame->ttl = ip->ttl;
    frame->source_ip = ip->saddr;
    frame->destination_ip = ip->daddr;
    first = !(ip->frag_off & SKR_FRAGMENT_OFFSET);
    if (!frame->gso_size && !frame_checksum_ip(skb, ip, frame->ip_length))
        return -SKR_DROP_CHECKSUM;
    return frame_parse_transport(skb, frame, first);
}

/* Ethernet and, where it is IPv4, what follows. 0 or a negative drop reason. */
static __always_inline int frame_parse(struct __sk_buff *skb, struct frame *frame)
{
    void *data = frame_bytes(skb, ETH_HLEN);
    struct ethhdr *ethernet = data;

    if (!data)
        return -SKR_DROP_TRUNCATED;
    mac_copy(&frame->destination, ethernet->h_dest);
    mac_copy(&frame->source, ethernet->h_source);
    frame->ethertype = ethernet->h_proto;
    frame->length = skb->len;
    frame->gso_size = skb->gso_size;
    if (frame->ethertype == SKR_ETHERTYPE_IPV4)
        return frame_parse_ip(skb, frame);
    return 0;
}

/* The same for every packet of a flow, spread over 32 bits: FlowID, VXLAN source port. */
static __always_inline __u32 frame_flow_hash(const struct frame *frame)
{
    __u32 hash;

    if (frame->ethertype == SKR_ETHERTYPE_IPV4) {
        hash = frame->source_ip * 0x9e3779b1 ^ frame->destination_ip * 0x85ebca77;
        if (frame->protocol != IPPROTO_ICMP)
            hash ^= ((__u32)frame->source_port << 16 | frame->destination_port) * 0xc2b2ae3d;
        hash ^= frame->protocol;
    } else {
        hash = *(__u32 *)frame->source.bytes * 0x9e3779b1 ^ *(__u32 *)frame->destination.bytes * 0x85ebca77;
    }
    hash ^= hash >> 16;
    hash *= 0x7feb352d;
    return hash ^ hash >> 15;
}

/* The IP length of the longest packet that will be on the wire. */
static __always_inline __u32 frame_segment_length(const struct frame *frame)
{
    return frame->gso_size && frame->headers ? frame->headers - ETH_HLEN + frame->gso_size : frame->length - ETH_HLEN;
}
