/* This file defines the shape of every table that user space and the eBPF programs share. Version SKR_ABI_VERSION;
 * static_asserts below hold the sizes. All addresses are 16 bytes in network byte order, IPv4 as ::ffff:a.b.c.d; VSIDs,
 * indexes and flags are in host byte order; unused bytes are zero, in keys above all. Included by both sides: only
 * linux/types.h.
 *
 * Policy tables (ports .. neighbors) hold what the controller asked for, as compiled by the agent. State tables
 * (meters, drops) are never replaced: see docs/design/datapath.md, "Maps". */
#pragma once

#include <linux/types.h>

#define SKR_ABI_VERSION 2

#define SKR_GATEWAY_MAC_BYTES                                                                                          \
    {                                                                                                                  \
        0x02, 0x5c, 0x00, 0x00, 0x00, 0x01                                                                             \
    } /* one constant, never allocatable */
#define SKR_VSID_MIN 4096
#define SKR_VSID_MAX 16777214

/* Segments: a VLAN of an uplink (VLAN 0: untagged) has a number outside the 24 bits of a VSID and stands where a VSID
 * does, in ports, subnets, records and the local chains of flood. So a port is in one VM subnet or in one segment, and
 * one mechanism serves both; what a tunnel carries can never name a segment. */
#define SKR_SEGMENT                   0x80000000u
#define SKR_SEGMENT_IFINDEX_MAX       0x7ffff
#define SKR_SEGMENT_OF(ifindex, vlan) (SKR_SEGMENT | (ifindex) << 12 | (vlan))
#define SKR_SEGMENT_IFINDEX(segment)  ((segment) >> 12 & SKR_SEGMENT_IFINDEX_MAX)
#define SKR_SEGMENT_VLAN(segment)     ((segment)&0xfff)

struct skr_abi_address {
    union {
        __u8 bytes[16];
        __u32 words[4]; /* the same bytes; IPv4 is words[3] */
    };
};

/* ports: ifindex (__u32) -> what is behind that interface. */
enum {
    SKR_PORT_MAC_SPOOFING = 1 << 0,        /* may send from any MAC */
    SKR_PORT_GUEST_SPECIFIED_IPS = 1 << 1, /* learns: unknown source addresses of the subnet pass and are reported */
    SKR_PORT_ARP_ND_INSPECTION = 1 << 2,   /* ARP and ND must name an address the port holds */
    SKR_PORT_DHCP_GUARD = 1 << 3,
    SKR_PORT_ROUTER_GUARD = 1 << 4,
    SKR_PORT_PEER = 1 << 5,        /* veth whose peer is in another namespace: bpf_redirect_peer works */
    SKR_PORT_CLOSED = 1 << 6,      /* asks for what cannot be enforced here: nothing in, nothing out; vsid is 0 */
    SKR_PORT_ANY_ADDRESS = 1 << 7, /* in a segment: any source address that no other port of it holds */
    SKR_PORT_PRIORITY = 1 << 8,    /* in a segment: the priority of the guest's tag goes into the uplink's */
    SKR_PORT_ARMED = 1 << 9,       /* target of a move: nothing in, and out only what makes it current */
    SKR_PORT_MOVED = 1 << 10       /* it was armed, and the VM's first frame made it current */
};
struct skr_abi_port {
    __u8 adapter_id[16];
    __u32 domain; /* routing domain number */
    __u32 vsid;   /* or segment */
    __u32 flags;
    __u8 mac[6];
    __u8 reserved[6];
};

/* records_mac: (VSID, MAC) -> where that MAC is. */
struct skr_abi_mac_key {
    __u32 vsid;
    __u8 mac[6];
    __u8 zero[2];
};
enum {
    SKR_MAC_FLIPPED = 1 << 0,
    /* In a segment: of an armed port (no interface), whose first frame writes its interface here; or of one that is
     * about to leave, whose interface goes when its MAC is announced from the uplink. */
    SKR_MAC_WAITS = 1 << 1,
    SKR_MAC_TOLD = 1 << 2, /* with FLIPPED: the agent wrote it so, no frame did */
    /* The interface is of the armed port here: it takes what others send here, because they have been told of the turn
     * first. What is sent from here goes to `pa`. */
    SKR_MAC_ARRIVES = 1 << 3
};
struct skr_abi_mac_record {
    struct skr_abi_address pa; /* of the host; own PA when local */
    __u32 ifindex;             /* local and bound: the port (see SKR_MAC_ARRIVES); else 0 */
    __u32 flags;
    /* Not zero: the VM is moving. A frame from there makes it `pa`; then (FLIPPED) it is the host that it left, whose
     * last frames, and frames for it that went there, are still taken. */
    struct skr_abi_address armed_pa;
};

/* records_ca: (VSID, customer address) -> who holds that address. */
struct skr_abi_ca_key {
    __u32 vsid;
    struct skr_abi_address ca;
};
enum { SKR_RECORD_DYNAMIC = 1 << 0, SKR_RECORD_L2ONLY = 1 << 1, SKR_RECORD_GATEWAY = 1 << 2, SKR_RECORD_DHCP = 1 << 3 };
struct skr_abi_ca_record {
    __u8 mac[6];
    __u8 zero[2];
    __u32 flags;
};

/* subnets: VSID (__u32) -> the VM subnet. Segment -> only flags and mtu (the uplink's): it has ports here, or carries
 * own provider addresses (SKR_SUBNET_HOST), or both. */
enum {
    SKR_SUBNET_LEARNS = 1 << 0,
    SKR_SUBNET_VXLAN = 1 << 1,
    SKR_SUBNET_HOST = 1 << 2,
    SKR_SUBNET_UPLINK_MTU = 1 << 3 /* `mtu` is what the uplink carries, less than the VM subnet's: of remote frames */
};
struct skr_abi_subnet {
    __u32 domain;
    __u32 flags;
    struct skr_abi_address gateway;   /* first host address */
    struct skr_abi_address source_pa; /* own PA that encapsulates for this subnet; zero: none yet, remote frames drop */
    __u32 prefix_length;              /* of the 16-byte form (IPv4 + 96) */
    __u32 mtu;                        /* inner IP MTU */
};

/* routes: longest prefix within a routing domain. Domain 0 is nobody's: it holds the subnets of own provider addresses,
 * which ports in segments may not send to or from. */
struct skr_abi_route_key {
    __u32 prefix_bits; /* LPM: 32 (domain) + length in the 16-byte form */
    __u32 domain;      /* big-endian: LPM compares from the most significant bit */
    struct skr_abi_address destination;
};
struct skr_abi_route {
    __u32 vsid; /* VM subnet the packet leaves in */
    __u32 flags;
    struct skr_abi_address next_hop; /* zero: the destination itself is on that subnet */
};

/* own_pas: own provider address -> how packets with it leave and arrive. */
struct skr_abi_own_pa {
    __u32 ifindex; /* uplink */
    __u32 vlan_id; /* 0 = untagged */
    __u32 mtu;     /* PA side */
    __u32 reserved;
};

/* peers: who may send to us in a domain. */
struct skr_abi_peer_key {
    __u32 domain;
    struct skr_abi_address pa;
};
struct skr_abi_peer {
    __u32 flags;
};

/* flood: per VSID two chains of receivers in ascending order, so that the table's content is a function of the set and
 * an insertion touches one predecessor. Remote: (vsid, PA) -> next PA; the chain starts at PA zero and ends at zero.
 * Local: (vsid, ifindex in the last 4 bytes, big-endian, of an address that starts with SKR_FLOOD_LOCAL) likewise,
 * starting at ifindex 0. */
#define SKR_FLOOD_LOCAL      0xfe
#define SKR_FLOOD_REMOTE_MAX 8192
#define SKR_FLOOD_LOCAL_MAX  1024
struct skr_abi_flood_key {
    __u32 vsid;
    struct skr_abi_address receiver;
};
struct skr_abi_flood {
    struct skr_abi_address next;
};

/* neighbors: remote PA -> its next hop, filled from netlink. Copies need it (docs/design/datapath.md, recipe 3); single
 * packets are faster with it, and without an entry the kernel resolves the next hop for them. */
struct skr_abi_neighbor {
    __u32 ifindex;
    __u8 source_mac[6];
    __u8 destination_mac[6];
};

/* meters (state): ifindex of a port -> per-CPU counters, inner L2 bytes without FCS. From the VM's point of view. What
 * an adapter brought along from another host stands at ifindex | SKR_METER_CARRIED, which no program touches. */
#define SKR_METER_CARRIED 0x80000000u
struct skr_abi_meter {
    __u64 tx_packets, tx_bytes, rx_packets, rx_bytes;
    __u64 event_window_ns, event_count; /* limits the port's events; meaningless in a sum */
    __u64 reserved[2];
};

/* drops (state): (reason, ifindex) -> per-CPU count. Reasons in abi/drop_reasons.h. */
struct skr_abi_drop_key {
    __u32 reason;
    __u32 ifindex;
};

/* events: ring buffer from the programs to the agent. */
enum {
    SKR_EVENT_LEARN = 1,        /* port saw `ca` with `mac` as source (ARP or IP) */
    SKR_EVENT_ANNOUNCEMENT = 2, /* gratuitous ARP or RARP */
    SKR_EVENT_TOO_BIG = 3, /* packet (whole frame from the VM) follows; the agent answers with ICMP (recipe 7); mtu */
    SKR_EVENT_TTL_EXCEEDED = 4, /* likewise, at the gateway */
    SKR_EVENT_UNREACHABLE = 5,  /* likewise, no route or no record behind the route */
    SKR_EVENT_PA_CLAIMED = 8,   /* ARP of a station on the uplink with our own provider address `ca` and `mac` */
    SKR_EVENT_OTHER_MAC = 7,    /* the guest sent from `mac`, which the port may not have: dropped */
    SKR_EVENT_MOVED = 6         /* the VM's first frame made an armed port current */
};
/* info (array of one, written once by user space): what the pinned tables are. */
struct skr_abi_info {
    __u32 version; /* SKR_ABI_VERSION */
    __u32 reserved[3];
};
#define SKR_EVENT_PACKET_MAX 256
struct skr_abi_event {
    __u32 kind;
    __u32 ifindex;
    __u32 vsid;
    __u32 domain;
    struct skr_abi_address ca;
    __u8 mac[6];
    __u16 packet_size; /* bytes that follow in packet, at most SKR_EVENT_PACKET_MAX */
    __u32 mtu;
    __u32 reserved;
    __u8 packet[SKR_EVENT_PACKET_MAX];
};

/* Verdict left in skb->cb[] for tests and explain (recipe 8). */
enum {
    SKR_VERDICT_PASS, /* not ours */
    SKR_VERDICT_DROP,
    SKR_VERDICT_LOCAL,
    SKR_VERDICT_REMOTE,
    SKR_VERDICT_FLOOD,
    SKR_VERDICT_REPLY,    /* answered to the sender */
    SKR_VERDICT_CONSUMED, /* understood, and nobody needs to see it */
    SKR_VERDICT_UPLINK    /* out of an uplink as it is, with the segment's tag */
};
/* Pass: cb[3] is the segment whose tag was taken off and put back, or 0.
 * cb[0] verdict, cb[1] drop reason, cb[2] target ifindex (local, reply) or uplink ifindex (remote, uplink), cb[3] VSID
 * after routing or segment, cb[4] last 4 bytes of the PA (remote). Flood: cb[2] sum of the local receivers' ifindexes,
 * cb[4] sum of the last 4 bytes of the remote receivers' PAs; in a segment the ifindex of the uplink that gets a copy,
 * or 0. */

/* Key of each table as struct, for generic code: ports, subnets: __u32; own_pas, neighbors: struct skr_abi_address. */
#ifndef __bpf__
#include <assert.h>
static_assert(sizeof(struct skr_abi_address) == 16, "abi");
static_assert(sizeof(struct skr_abi_port) == 40, "abi");
static_assert(sizeof(struct skr_abi_mac_key) == 12, "abi");
static_assert(sizeof(struct skr_abi_mac_record) == 40, "abi");
static_assert(sizeof(struct skr_abi_ca_key) == 20, "abi");
static_assert(sizeof(struct skr_abi_ca_record) == 12, "abi");
static_assert(sizeof(struct skr_abi_subnet) == 48, "abi");
static_assert(sizeof(struct skr_abi_route_key) == 24, "abi");
static_assert(sizeof(struct skr_abi_route) == 24, "abi");
static_assert(sizeof(struct skr_abi_own_pa) == 16, "abi");
static_assert(sizeof(struct skr_abi_peer_key) == 20, "abi");
static_assert(sizeof(struct skr_abi_flood_key) == 20, "abi");
static_assert(sizeof(struct skr_abi_neighbor) == 16, "abi");
static_assert(sizeof(struct skr_abi_meter) == 64, "abi");
static_assert(sizeof(struct skr_abi_event) == 304, "abi");
#endif
