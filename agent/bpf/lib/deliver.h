/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* To a guest on this host: the one place where a frame reaches one, and so where what a guest receives is judged. */
#pragma once

#include "meter.h"
#include "verdict.h"

/* The port, or NULL: then *ret_reason says why it must not have the frame. */
static __always_inline struct skr_abi_port *deliver_port(__u32 ifindex, __u32 vsid, int *ret_reason)
{
    struct skr_abi_port *port = bpf_map_lookup_elem(&ports, &ifindex);

    if (port && port->vsid == vsid)
        return port;
    if (port && port->flags & SKR_PORT_CLOSED)
        *ret_reason = -SKR_DROP_PORT_CLOSED;
    else
        *ret_reason = port ? -SKR_DROP_INTERNAL : -SKR_DROP_UNBOUND;
    return NULL;
}

/* Does the VM of this MAC run here? */
static __always_inline bool record_is_local(const struct skr_abi_mac_record *record)
{
    return record->ifindex && !(record->flags & SKR_MAC_ARRIVES);
}

static __always_inline int deliver(struct __sk_buff *skb, const struct frame *frame, __u32 vsid, __u32 ifindex)
{
    int reason = 0;
    struct skr_abi_port *port = deliver_port(ifindex, vsid, &reason);

    if (!port)
        return reason;
    meter_received(frame, ifindex);
    verdict_set(skb, SKR_VERDICT_LOCAL, ifindex, vsid, 0);
    if (!(port->flags & SKR_PORT_PEER))
        return bpf_redirect(ifindex, 0);
    /* The peer takes the frame as it is, and it came here addressed to another MAC than our end's. */
    if (skb->pkt_type)
        bpf_skb_change_type(skb, 0);
    return bpf_redirect_peer(ifindex, 0);
}
