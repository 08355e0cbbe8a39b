/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading an IPv6 packet as far as a guard must: behind extension headers and a fragment header, to the upper layer
 * (RFC 8200, section 4). The guards of both kinds of ports use it. */
#pragma once

#include "frame.h"

#define SKR_IPV6_NEXT_HEADER    6
#define SKR_IPV6_SOURCE         8
#define SKR_IPV6_LENGTH         40
#define SKR_IPV6_HOP_BY_HOP     0
#define SKR_IPV6_ROUTING        43
#define SKR_IPV6_FRAGMENT       44
#define SKR_IPV6_AUTHENTICATION 51
#define SKR_IPV6_NEXT_ICMP      58
#define SKR_IPV6_DESTINATION    60
#define SKR_IPV6_HEADERS_MAX    6 /* of each kind one, and the destination options twice: more is not read */

struct ipv6 {
    struct skr_abi_address source;
    __u32 offset; /* of the upper layer */
    __u8 protocol;
    bool later; /* a fragment other than the first: the upper layer's header is in another packet */
};

static __always_inline bool ipv6_is_extension(__u8 protocol)
{
    return protocol == SKR_IPV6_HOP_BY_HOP || protocol == SKR_IPV6_ROUTING || protocol == SKR_IPV6_DESTINATION ||
           protocol == SKR_IPV6_FRAGMENT || protocol == SKR_IPV6_AUTHENTICATION;
}

/* 0, or a drop reason: the headers are cut off or too many, so that nobody can say what the packet is. */
static __noinline int ipv6_parse(struct __sk_buff *skb, struct ipv6 *packet)
{
    __u8 extension[4];

    if (!packet)
        return -SKR_DROP_INTERNAL;
    packet->offset = ETH_HLEN + SKR_IPV6_LENGTH;
    packet->later = false;
    if (bpf_skb_load_bytes(skb, ETH_HLEN + SKR_IPV6_NEXT_HEADER, &packet->protocol, 1) ||
        bpf_skb_load_bytes(skb, ETH_HLEN + SKR_IPV6_SOURCE, &packet->source, sizeof(packet->source)))
        return -SKR_DROP_TRUNCATED;
#pragma unroll
    for (int i = 0; i < SKR_IPV6_HEADERS_MAX && !packet->later; i++) {
        if (!ipv6_is_extension(packet->protocol))
            break;
        if (bpf_skb_load_bytes(skb, packet->offset, extension, sizeof(extension)))
            return -SKR_DROP_TRUNCATED;
        if (packet->protocol == SKR_IPV6_FRAGMENT) {
            packet->later = extension[2] || extension[3] & 0xf8;
            packet->offset += 8;
        } else if (packet->protocol == SKR_IPV6_AUTHENTICATION) {
            packet->offset += 8 + 4 * extension[1];
        } else {
            packet->offset += 8 + 8 * extension[1];
        }
        packet->protocol = extension[0];
    }
    return !packet->later && ipv6_is_extension(packet->protocol) ? -SKR_DROP_UNREADABLE : 0;
}
