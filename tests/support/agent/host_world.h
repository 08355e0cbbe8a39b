/* A host room in a network namespace of its own: desired state fed by deltas, and everything it tells written down.
 * Waiting is for events, with a deadline. */
#pragma once

#include "agent/host/host.h"
#include "tests/unit/agent/build.h"

#define WORLD_TOLD_MAX 256
#define WORLD_WAIT_MS  10000

struct world_told {
    enum { TOLD_BINDING, TOLD_CLAIM, TOLD_PA, TOLD_NEIGHBOR, TOLD_UPLINK, TOLD_CHANGED, TOLD_TAGGING, TOLD_GUEST } what;
    struct skr_uuid id;
    struct skr_address address;
    struct skr_abi_neighbor neighbor;
    uint32_t ifindex;
    bool present;
    enum skr_guest_state guest;
    char text[160]; /* interface, reason or kind */
};

struct world {
    struct skr_desired *desired;
    struct skr_host *host;
    struct world_told told[WORLD_TOLD_MAX]; /* the last ones; index modulo WORLD_TOLD_MAX */
    size_t told_count;
    uint64_t version;
};

/* A new network namespace (programs_namespace), desired state and host. */
void world_new(struct world *world);
void world_open(struct world *world);         /* in the namespace that is there already */
void world_restart_host(struct world *world); /* as a new agent that adopts: desired state is told again */
void world_free(struct world *world);
/* Applies a delta of the host scope made by the caller's upserts and deletes. */
Skerry__V1__Delta *world_delta(struct world *world);
void world_apply(struct world *world, Skerry__V1__Delta *delta);
/* Host{uplinks}, remediation. */
void world_uplinks(struct world *world, bool remediate, const char *first, const char *second);

/* Reads and runs the host until fn is true; fails the test after WORLD_WAIT_MS. */
void world_until(struct world *world, bool (*fn)(struct world *world, void *arg), void *arg, const char *what);
/* Takes what waits, without waiting for more. */
void world_drain(struct world *world);
/* The last thing told of this kind about id (or address); NULL: nothing yet. */
const struct world_told *world_last(const struct world *world, int what, const struct skr_uuid *id,
                                    const struct skr_address *address);
size_t world_count(const struct world *world, int what);
/* The last binding of the adapter is this interface (name) or this reason. */
void world_until_bound(struct world *world, struct skr_uuid id, const char *interface);
void world_until_unbound(struct world *world, struct skr_uuid id, const char *reason);
void world_until_pa(struct world *world, uint32_t address, bool stands);

/* true when the shell command succeeds. */
bool world_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint32_t world_ifindex(const char *name);
