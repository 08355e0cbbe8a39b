/* The inside of the learn room. */
#pragma once

#include "agent/host/arp_frame.h"
#include "agent/learn/learn.h"
#include <uthash.h>

struct port;

/* An address that ports wait for. */
struct wish {
    uint32_t vsid;
    struct skr_address address;
};
_Static_assert(sizeof(struct wish) == sizeof(uint32_t) + sizeof(struct skr_address),
               "it is hashed, so it has no padding");

struct claim {
    struct skr_address address;
    struct port *port;
    struct wish wish; /* of a refused claim */
    struct skr_mac mac;
    Skerry__V1__LearnedEvidence evidence;
    unsigned unanswered;
    int64_t told_ns;  /* last */
    int64_t probe_ns; /* next question to the guest; of a refused claim: when it is forgotten */
    int64_t asked_ns; /* when another port has last shown the address, 0: never */
    bool unannounced; /* the guest uses the address without having announced it, and no record says that it has it */
    bool refused;     /* kept so that a refused address is not claimed with every frame */
    UT_hash_handle hh, by_wish;
};

struct port {
    struct skr_uuid id; /* adapter */
    uint32_t ifindex;
    uint32_t vsid; /* of desired state; 0: none yet */
    bool known;    /* desired state has it; until then its claims are what records say, and not told */
    bool learns;
    struct skr_uuid host_id; /* of a port that is not known: where its records say it is */
    struct claim *claims;
    unsigned tokens;
    int64_t tokens_ns;
    unsigned answers_waiting;
    int probe_fd; /* open while questions wait: answers of the guest are read here */
    UT_hash_handle hh, by_ifindex;
};

struct gateway {
    uint32_t vsid;
    struct skr_uuid subnet_id;
    struct skr_address address;
    UT_hash_handle hh;
};

/* gateway.c: the gateways of VM subnets, a uthash by VSID. */
void skr_learn_gateway_changed(struct gateway **gateways, const struct skr_desired_change *change);
void skr_learn_gateways_free(struct gateway **gateways);
/* NULL: none is known. Valid until the next change. */
const struct skr_address *skr_learn_gateway_of(const struct gateway *gateways, uint32_t vsid);
/* answer.c: a socket that sends answers on any interface, -1: none can be had. The kernel takes a long time to close
 * one (it waits for all its packet handlers), so it is kept. */
int skr_learn_answer_open(void);
/* Sends the ICMP error that the event asks for, about the packet in it, back to its guest: fragmentation
 * needed (RFC 1191 section 4), time exceeded or unreachable (RFC 792). */
void skr_learn_answer(int fd, const struct skr_abi_event *event, const struct skr_address *gateway);
/* probe.c: a packet socket on the port that sees ARP; an ARP request from the gateway; answers heard so far. */
int skr_learn_probe_open(uint32_t ifindex);
int skr_learn_probe_send(int fd, uint32_t ifindex, const struct skr_address *gateway, const struct claim *claim);
/* A gratuitous ARP (RFC 5227 section 3) from the guest that has the claim's address. */
struct skr_arp_frame skr_learn_announcement(const struct claim *claim);
/* fn for each (address, MAC) that a station behind the port has shown in ARP. */
void skr_learn_probe_read(int fd, void (*fn)(void *arg, const struct skr_address *address, const struct skr_mac *mac),
                          void *arg);
