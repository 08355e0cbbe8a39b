/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hook: ingress and egress of an interface of a guest that is bound to no adapter. Without a program the guest would
 * talk to the host's own network stack, so that everything is dropped in both directions, and counted. */
#pragma once

#include "agent/bpf/lib/verdict.h"

SEC("tc")
int port_closed(struct __sk_buff *skb)
{
    return drop(skb, SKR_DROP_PORT_CLOSED);
}
