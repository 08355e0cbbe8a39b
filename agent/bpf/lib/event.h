/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Telling the agent. A port may send SKR_EVENTS_A_SECOND on a CPU, so that no guest can fill the ring for others. */
#pragma once

#include "meter.h"

#define SKR_EVENTS_A_SECOND 64
#define SKR_NANOSECONDS     1000000000ull

static __always_inline bool event_allowed(__u32 ifindex)
{
    struct skr_abi_meter *meter = meter_get(ifindex);
    __u64 now;

    if (probe || !meter)
        return false;
    now = bpf_ktime_get_ns();
    if (now - meter->event_window_ns >= SKR_NANOSECONDS) {
        meter->event_window_ns = now;
        meter->event_count = 0;
    }
    return meter->event_count++ < SKR_EVENTS_A_SECOND;
}

/* The guest behind the port shows that `mac` has `ca` (0: the MAC alone). */
static __noinline int event_seen(struct __sk_buff *skb, const struct skr_abi_port *port, __u32 kind,
                                 const struct mac *mac, __be32 ca)
{
    struct skr_abi_event *event;

    if (!port || !mac || !event_allowed(skb->ifindex))
        return 0;
    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event)
        return 0;
    event->kind = kind;
    event->ifindex = skb->ifindex;
    event->vsid = port->vsid;
    event->domain = port->domain;
    if (ca)
        address_from_v4(&event->ca, ca);
    else
        __builtin_memset(&event->ca, 0, sizeof(event->ca));
    mac_copy(event->mac, mac);
    event->packet_size = 0;
    event->mtu = 0;
    event->reserved = 0;
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/* A packet that its sender must hear about: the agent quotes it in an ICMP error. */
static __noinline int event_quote(struct __sk_buff *skb, const struct skr_abi_port *port, __u32 kind, __u32 mtu)
{
    struct skr_abi_event *event;
    __u32 size = skb->len;
    long error;

    if (!port || !event_allowed(skb->ifindex))
        return 0;
    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event)
        return 0;
    __builtin_memset(event, 0, sizeof(*event));
    event->kind = kind;
    event->ifindex = skb->ifindex;
    event->vsid = port->vsid;
    event->domain = port->domain;
    event->mtu = mtu;
    mac_copy(event->mac, port->mac);
    if (size > SKR_EVENT_PACKET_MAX)
        size = SKR_EVENT_PACKET_MAX;
    /* The 6.1 verifier wants 1 to 256 said in one breath; the assembly keeps the compiler from seeing that it is so. */
    asm volatile("" : "+r"(size));
    size = ((size - 1) & (SKR_EVENT_PACKET_MAX - 1)) + 1;
    error = bpf_skb_load_bytes(skb, 0, event->packet, size);
    if (error) {
        bpf_ringbuf_discard(event, 0);
        return 0;
    }
    event->packet_size = size;
    bpf_ringbuf_submit(event, 0);
    return 0;
}
