/* The inside of the learn room. */
#pragma once

#include "agent/learn/learn.h"
#include <uthash.h>

struct claim {
    struct skr_address address;
    struct skr_mac mac;
    Skerry__V1__LearnedEvidence evidence;
    unsigned unanswered;
    int64_t told_ns;  /* last */
    int64_t probe_ns; /* next question to the guest; of a refused claim: when it is forgotten */
    bool refused;     /* kept so that a refused address is not claimed with every frame */
    UT_hash_handle hh;
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

/* answer.c: a socket that sends answers on any interface, -1: none can be had. The kernel takes a long time to close
 * one (it waits for all its packet handlers), so it is kept. */
int skr_learn_answer_open(void);
/* Sends the ICMP error that the event asks for, about the packet in it, back to its guest: fragmentation
 * needed (RFC 1191 section 4), time exceeded or unreachable (RFC 792). */
void skr_learn_answer(int fd, const struct skr_abi_event *event, const struct skr_address *gateway);
/* probe.c: a packet socket on the port that sees ARP; an ARP request from the gateway; answers heard so far. */
int skr_learn_probe_open(uint32_t ifindex);
int skr_learn_probe_send(int fd, uint32_t ifindex, const struct skr_address *gateway, const struct claim *claim);
/* fn for each (address, MAC) that a station behind the port has shown in ARP. */
void skr_learn_probe_read(int fd, void (*fn)(void *arg, const struct skr_address *address, const struct skr_mac *mac),
                          void *arg);
