/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tables and configuration. Shapes are those of <skerry/abi/fastpath.h>; user space sets the capacities before it
 * loads. Policy tables take memory an entry, not for their capacity: a host with ten records must not pay for a
 * million. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <skerry/abi/drop_reasons.h>
#include <skerry/abi/fastpath.h>
#include <stdbool.h>
#include <stddef.h>

/* Tests and explain ask for verdicts: no copy leaves, no event is sent. */
volatile const __u32 probe = 0;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct skr_abi_info);
} info SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, __u32);
    __type(value, struct skr_abi_port);
} ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct skr_abi_mac_key);
    __type(value, struct skr_abi_mac_record);
} records_mac SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct skr_abi_ca_key);
    __type(value, struct skr_abi_ca_record);
} records_ca SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, __u32);
    __type(value, struct skr_abi_subnet);
} subnets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, struct skr_abi_route_key);
    __type(value, struct skr_abi_route);
} routes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 256);
    __type(key, struct skr_abi_address);
    __type(value, struct skr_abi_own_pa);
} own_pas SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct skr_abi_peer_key);
    __type(value, struct skr_abi_peer);
} peers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct skr_abi_flood_key);
    __type(value, struct skr_abi_flood);
} flood SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, struct skr_abi_address);
    __type(value, struct skr_abi_neighbor);
} neighbors SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, __u32);
    __type(value, struct skr_abi_meter);
} meters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, struct skr_abi_drop_key);
    __type(value, __u64);
} drops SEC(".maps");

/* Interfaces of guests, by ifindex: enum skr_guest_memory. No program reads it: it is what a later agent knows. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, __u32);
    __type(value, __u32);
} guests SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 18);
} events SEC(".maps");
