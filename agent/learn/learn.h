/* Address learning: events of the fast path become claims that the controller judges (docs/design/southbound.md, "What
 * is reported"). Keeps what each port has claimed, at most SKR_LEARN_ADDRESSES_MAX a port, paced by a token bucket a
 * port; ages a claim by asking the guest (ARP), never by silence alone. Also answers frames that are too big for the
 * path, whose TTL ran out at the gateway or that lead nowhere with ICMP: quoting a packet is the agent's work, not the
 * fast path's. Answers wait for skr_learn_run(), which sends a bounded number of them: no guest's packets hold up what
 * other guests need. One thread. */
#pragma once

#include "agent/desired/desired.h"
#include "agent/fastpath/fastpath.h"
#include <skerry/address.h>

#define SKR_LEARN_ADDRESSES_MAX 64                    /* a port */
#define SKR_LEARN_PER_SECOND    20                    /* claims a port; what is over is learned from a later frame */
#define SKR_LEARN_DOUBT_NS      (750LL * 1000 * 1000) /* the guest that waits asks in ARP once a second */
#define SKR_LEARN_EARLY_MAX     65536 /* ports that are known from records alone; theirs come when they do */

struct skr_learn;

struct skr_learned {
    struct skr_uuid adapter_id;
    struct skr_address customer_address;
    struct skr_mac mac;
    Skerry__V1__LearnedEvidence evidence;
    bool withdrawn;
    bool over; /* the claim has ended without a word: it was lost, or never told; what was told of it is to be forgotten
                */
};

struct skr_learn_options {
    int64_t probe_interval_ns; /* how often a guest is asked for each address, 0 = 60 s */
    int64_t refused_again_ns;  /* a refused claim is not repeated before this long, 0 = 30 s */
    void (*report)(void *arg, const struct skr_learned *learned);
    /* Sends a group frame into the VM subnet, as if the guest behind the interface had. May be NULL. */
    void (*flood)(void *arg, uint32_t ifindex, const void *frame, size_t size);
    void *arg;
};

int skr_learn_new(const struct skr_learn_options *options, struct skr_learn **ret);
void skr_learn_free(struct skr_learn *learn);
/* An event of the fast path. */
void skr_learn_event(struct skr_learn *learn, const struct skr_abi_event *event, int64_t now_ns);
/* A port's interface (0: none now: its claims stay, unasked, until it is back or gone). */
void skr_learn_port(struct skr_learn *learn, const struct skr_uuid *adapter_id, uint32_t ifindex);
/* An skr_desired_fn: ports, gateways and records. Forgets what ports have claimed that went away, withdraws what ports
 * have that may no longer learn or are in another subnet now. A record that says that a port has an address is a claim
 * of that port, whether it comes before or after it; one that says that another has it, or nobody, ends the claim. */
void skr_learn_changes(void *learn, const struct skr_desired_change *changes, size_t count);
/* The controller refused a claim: it is forgotten and may be learned again after a while, or told again as soon as no
 * record holds the address. `soon`: the while is a second, because the address is about to become free. The caller has
 * forgotten what was told of it. */
void skr_learn_refused(struct skr_learn *learn, const struct skr_uuid *adapter_id, const struct skr_address *address,
                       bool soon);
/* Another port shows an address that this port has claimed: its guest is asked at once, and for a minute every
 * SKR_LEARN_DOUBT_NS, and the claim is withdrawn when it stays silent for as long, or when the port has no interface. A
 * claim is questioned so at most once a second. Nothing happens when the port has no such claim. */
void skr_learn_ask(struct skr_learn *learn, const struct skr_uuid *adapter_id, const struct skr_address *address,
                   int64_t now_ns);
int64_t skr_learn_deadline_ns(const struct skr_learn *learn);
void skr_learn_run(struct skr_learn *learn, int64_t now_ns);
