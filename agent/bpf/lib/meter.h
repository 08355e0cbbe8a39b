/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Meters count the bytes and packets that an adapter sent and received: inner Ethernet frames without FCS, a GSO packet
 * as the segments it stands for (gso_segs is 0 after the kernel made or took room). Per CPU, so plain additions. */
#pragma once

#include "frame.h"

/* Not on the stack: this is the deepest call of all, and 6.1 lets a chain of calls have 512 bytes. */
const struct skr_abi_meter meter_zero;

static __noinline struct skr_abi_meter *meter_create(__u32 ifindex)
{
    bpf_map_update_elem(&meters, &ifindex, &meter_zero, BPF_NOEXIST);
    return bpf_map_lookup_elem(&meters, &ifindex);
}

static __always_inline struct skr_abi_meter *meter_get(__u32 ifindex)
{
    struct skr_abi_meter *meter = bpf_map_lookup_elem(&meters, &ifindex);

    return meter ? meter : meter_create(ifindex);
}

static __always_inline void meter_measure(const struct frame *frame, __u64 *ret_packets, __u64 *ret_bytes)
{
    __u64 packets = 1, bytes = frame->length;

    if (frame->gso_size && frame->headers && frame->length > frame->headers) {
        packets = (frame->length - frame->headers + frame->gso_size - 1) / frame->gso_size;
        bytes += (packets - 1) * frame->headers;
    }
    *ret_packets = packets;
    *ret_bytes = bytes;
}

static __always_inline void meter_sent(const struct frame *frame, __u32 ifindex)
{
    struct skr_abi_meter *meter = meter_get(ifindex);
    __u64 packets, bytes;

    if (!meter)
        return;
    meter_measure(frame, &packets, &bytes);
    meter->tx_packets += packets;
    meter->tx_bytes += bytes;
}

static __always_inline void meter_received(const struct frame *frame, __u32 ifindex)
{
    struct skr_abi_meter *meter = meter_get(ifindex);
    __u64 packets, bytes;

    if (!meter)
        return;
    meter_measure(frame, &packets, &bytes);
    meter->rx_packets += packets;
    meter->rx_bytes += bytes;
}
