/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a program ends. Helpers return a tc action (0 or more) or a negative drop reason; only the entry points turn a
 * reason into a counter. cb[] tells tests and explain what was decided. */
#pragma once

#include "frame.h"

static __always_inline void verdict_set(struct __sk_buff *skb, __u32 verdict, __u32 target, __u32 vsid, __u32 pa)
{
    skb->cb[0] = verdict;
    skb->cb[1] = SKR_DROP_NONE;
    skb->cb[2] = target;
    skb->cb[3] = vsid;
    skb->cb[4] = pa;
}

static __noinline void drop_count(__u32 ifindex, __u32 reason)
{
    struct skr_abi_drop_key key = {.reason = reason, .ifindex = ifindex};
    __u64 one = 1, *count = bpf_map_lookup_elem(&drops, &key);

    if (count)
        *count += 1;
    else
        bpf_map_update_elem(&drops, &key, &one, BPF_NOEXIST);
}

static __always_inline int drop(struct __sk_buff *skb, __u32 reason)
{
    verdict_set(skb, SKR_VERDICT_DROP, 0, 0, 0);
    skb->cb[1] = reason;
    drop_count(skb->ifindex, reason);
    return TC_ACT_SHOT;
}

static __always_inline int consume(struct __sk_buff *skb)
{
    verdict_set(skb, SKR_VERDICT_CONSUMED, 0, 0, 0);
    return TC_ACT_STOLEN;
}

/* Back to the guest that sent it. */
static __always_inline int reply(struct __sk_buff *skb, __u32 vsid)
{
    verdict_set(skb, SKR_VERDICT_REPLY, skb->ifindex, vsid, 0);
    return bpf_redirect(skb->ifindex, 0);
}
