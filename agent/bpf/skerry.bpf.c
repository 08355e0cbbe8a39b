/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The fast path as one object, so that both hooks share its maps. */
#include "port_closed.h"
#include "port_ingress.h"
#include "uplink_ingress.h"

const char skr_license[] SEC("license") = "Dual BSD/GPL";
