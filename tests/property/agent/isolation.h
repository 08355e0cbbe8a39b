/* Isolation by generation: random models (tenants with overlapping prefixes, several VM subnets and hosts), random
 * packets, and an oracle that says from the model alone what must happen. isolation_model.c makes models and fills the
 * tables, isolation_vlan.c has ports of VLANs beside them, isolation_oracle.c judges, isolation_packet.c makes packets,
 * isolation.c compares. */
#pragma once

#include "tests/support/agent/programs.h"

#define DOMAINS    4
#define SUBNETS    12
#define ADAPTERS   48
#define HOSTS      4 /* remote */
#define ROUTES     8
#define INTERFACES 32
#define VLAN_PORTS 7
#define UPLINKS    2 /* the last interfaces */
#define NOWHERE    (-1)

enum place { BOUND, UNBOUND, REMOTE, UNPLACED };

struct model_subnet {
    uint32_t vsid, prefix, length, mtu;
    unsigned domain;
    bool programmed, learns, has_source, vxlan;
    bool uplink_small; /* `mtu` is what the uplink carries */
    unsigned source;   /* own PA: number of an uplink */
};

struct model_adapter {
    unsigned subnet;
    uint8_t mac[6];
    uint32_t ip;
    enum place place;
    int interface;        /* bound */
    int record_interface; /* what its record says; another one's when the tables contradict each other */
    unsigned host;        /* remote */
    uint32_t flags;
    bool dynamic;
    bool closed; /* asks for what cannot be enforced */
    /* Moving. `other`: the host that its record is armed with, or that it left (turned); NOWHERE: it does not move. */
    int other;
    bool turned;
    bool arrives; /* from a remote host to this one: `interface` waits for it, armed */
    bool awaited; /* ... and its record names that interface, for others who have been told of the turn first */
};

/* A port of a VLAN (0: untagged) of an uplink, on interface vlan_interface(its number). Its MAC and address may be a
 * tenant's or another VLAN's too. */
struct model_vlan_port {
    unsigned uplink;
    uint32_t vlan, ip, flags;
    uint8_t mac[6];
    bool closed;
};

struct model_route {
    unsigned domain, subnet;
    uint32_t prefix, length, next_hop;
};

struct model {
    unsigned subnet_count, adapter_count, route_count;
    struct model_subnet subnets[SUBNETS];
    struct model_adapter adapters[ADAPTERS];
    struct model_route routes[ROUTES];
    struct model_vlan_port vlan_ports[VLAN_PORTS];
    uint32_t vlan_mtu;
    bool member[HOSTS][DOMAINS];
    bool neighbor[HOSTS];
    int occupant[INTERFACES]; /* adapter, or NOWHERE */
};

struct arp_fields {
    uint16_t operation;
    uint32_t sender, target;
    uint8_t sender_mac[6];
};

/* An Ethernet frame as fields. */
struct packet {
    uint8_t destination[6], source[6];
    uint16_t ethertype;
    bool tagged;
    uint32_t source_ip, destination_ip;
    uint8_t protocol, ttl, tos, icmp_type;
    uint16_t source_port, destination_port;
    struct arp_fields arp;
    uint32_t payload, gso_size;
    bool cut; /* shorter than its headers say */
    bool wrong_checksum;
    uint8_t bootp; /* first byte of the payload of UDP: 1 is a request of DHCP */
    /* On the wire. */
    bool wire;
    uint32_t outer_source, outer_destination, vsid;
    uint8_t outer_mac[6], outer_tos, outer_ttl;
    uint16_t gre_flags;
    bool fragment, vxlan;
    unsigned interface;
    /* A frame of a VLAN: of vlan_port, or of the wire with this tag. */
    bool plain;
    int vlan_port;
    uint32_t vlan;
};

struct expectation {
    uint32_t verdict, reason, target, vsid, pa;
};

extern const uint8_t gateway_mac[6], broadcast_mac[6];
extern uint32_t interface_index[INTERFACES];

uint32_t random_below(uint32_t n);
void random_seed(uint64_t seed);
bool random_percent(unsigned percent);

uint32_t own_pa(unsigned uplink);
uint32_t host_pa(unsigned host);
const uint8_t *uplink_mac(unsigned uplink);
uint32_t subnet_gateway(const struct model_subnet *subnet);

void model_make(struct model *model);
void model_program(const struct model *model, const struct programs *programs);
void packet_make(const struct model *model, struct packet *packet);
size_t packet_bytes(const struct packet *packet, uint8_t *out);
unsigned vlan_interface(unsigned port);
void vlan_make(struct model *model);
void vlan_program(const struct model *model, const struct programs *programs);
void vlan_packet_make(const struct model *model, struct packet *packet);
struct expectation vlan_oracle(const struct model *model, const struct packet *packet);
bool is_dhcp_answer(const struct packet *packet);
uint32_t bridge_reason(const uint8_t *mac);      /* why no guest may send to this group; 0: it may */
uint32_t ip_length(const struct packet *packet); /* of the longest segment */
struct expectation oracle(const struct model *model, const struct packet *packet);
