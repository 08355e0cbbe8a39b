/* The fast path as the agent sees it: tables of fixed-size entries (shapes in <skerry/abi/fastpath.h>), programs on
 * interfaces, counters and events. Two providers: bpf (the kernel, pinned, outlives the agent) and memory (hash tables,
 * for tests and the swarm). A provider stores what it is told and judges nothing; what to store is compiled above it
 * (agent/fastpath/program.h). One thread. */
#pragma once

#include <skerry/abi/drop_reasons.h>
#include <skerry/abi/fastpath.h>
#include <skerry/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum skr_fastpath_table {
    SKR_TABLE_PORTS,
    SKR_TABLE_RECORDS_MAC,
    SKR_TABLE_RECORDS_CA,
    SKR_TABLE_SUBNETS,
    SKR_TABLE_ROUTES,
    SKR_TABLE_OWN_PAS,
    SKR_TABLE_PEERS,
    SKR_TABLE_FLOOD,
    SKR_TABLE_NEIGHBORS,
    SKR_TABLE_COUNT
};
struct skr_fastpath_table_info {
    const char *name; /* "records_ca": map name, diag, drift */
    size_t key_size, value_size;
    uint32_t max_entries; /* default capacity; the bpf provider reads [fastpath] in the configuration */
};
const struct skr_fastpath_table_info *skr_fastpath_table_info(enum skr_fastpath_table table);

/* An interface has one of PORT, UPLINK and CLOSED at its ingress, and at most one of the others at its egress.
 * Attaching one replaces, in place, what stands in the same direction. CLOSED and CLOSED_EGRESS drop everything. */
enum skr_fastpath_hook { SKR_HOOK_PORT, SKR_HOOK_UPLINK, SKR_HOOK_EGRESS, SKR_HOOK_CLOSED, SKR_HOOK_CLOSED_EGRESS };
static inline bool skr_fastpath_is_egress(enum skr_fastpath_hook hook)
{
    return hook == SKR_HOOK_EGRESS || hook == SKR_HOOK_CLOSED_EGRESS;
}

/* That an interface is a guest's outlives the agent. Attaching PORT or CLOSED keeps it as SKR_GUEST_KEPT. */
enum skr_guest_memory {
    SKR_GUEST_FORGOTTEN, /* none is kept */
    SKR_GUEST_KEPT,
    SKR_GUEST_LET_GO, /* an administrator released it */
};

/* The qdisc, filters and programs on one hook of an interface, as the kernel reports them. */
struct skr_fastpath_attachment {
    bool qdisc;          /* a clsact or ingress qdisc is there */
    bool attached;       /* our filter (priority, handle) is there */
    uint32_t program_id; /* of our filter, 0 = none */
    bool ours;           /* program_id is the one we loaded */
    bool serves;         /* it is a program of this hook, of any build */
    unsigned foreign;    /* other filters and programs on the same hook */
};

struct skr_fastpath;
struct skr_fastpath_ops {
    const char *name;
    void (*free)(struct skr_fastpath *fastpath);
    /* 0 or -errno; -E2BIG: the table is full. put replaces in place, atomically for a packet. remove of what is not
     * there is 0. get: -ENOENT. */
    int (*put)(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key, const void *value);
    int (*remove)(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key);
    int (*get)(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key, void *ret_value);
    /* Every entry that was there throughout the walk; fn returning non-zero ends it with that value. */
    int (*walk)(struct skr_fastpath *fastpath, enum skr_fastpath_table table,
                int (*fn)(void *arg, const void *key, const void *value), void *arg);
    /* Attaches or replaces in place (never remove-then-add). detach leaves qdiscs, foreign filters
     * and what another of our hooks put in the same direction. */
    int (*attach)(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex);
    int (*detach)(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex);
    int (*inspect)(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex,
                   struct skr_fastpath_attachment *ret);
    /* Readable when events wait; -1: none ever. poll calls fn for waiting events, a bounded
     * number in one call, and returns how many. */
    int (*events_fd)(struct skr_fastpath *fastpath);
    int (*events_poll)(struct skr_fastpath *fastpath, void (*fn)(void *arg, const struct skr_abi_event *event),
                       void *arg);
    int (*meter)(struct skr_fastpath *fastpath, uint32_t ifindex, struct skr_abi_meter *ret); /* summed over CPUs */
    /* fn for every interface number that is kept, and for every interface that a program of a port or an uplink, of any
     * build, serves (runs; SKR_GUEST_FORGOTTEN: it is not kept). */
    int (*guests)(struct skr_fastpath *fastpath,
                  void (*fn)(void *arg, uint32_t ifindex, enum skr_guest_memory memory, bool runs), void *arg);
    int (*guest_keep)(struct skr_fastpath *fastpath, uint32_t ifindex, enum skr_guest_memory memory);
    /* Pins let a later agent adopt the fast path. fn is called for each that is not there any more, with what is found
     * instead. pin puts one back. */
    void (*pins)(struct skr_fastpath *fastpath,
                 void (*fn)(void *arg, unsigned pin, const char *name, const char *found), void *arg);
    int (*pin)(struct skr_fastpath *fastpath, unsigned pin);
    /* Counts on from what an adapter took along from another host; goes with the port, like what the port counts. */
    int (*carry)(struct skr_fastpath *fastpath, uint32_t ifindex, const struct skr_abi_meter *meter);
    /* Treats a group frame as if the guest behind a port's interface had just sent it: it is judged, metered, learned
     * from, and its copies go out. `frame` begins with its Ethernet header. */
    int (*flood_as_guest)(struct skr_fastpath *fastpath, uint32_t ifindex, const void *frame, size_t size);
    /* fn for each (reason, ifindex, count) with count > 0. */
    int (*drops)(struct skr_fastpath *fastpath,
                 void (*fn)(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count), void *arg);
};
struct skr_fastpath {
    const struct skr_fastpath_ops *ops;
};

struct skr_fastpath_options {
    const char
            *pin_directory;  /* bpf: where maps and programs are pinned; the provider mounts a bpffs if none is there */
    const char *object_path; /* bpf: another build of the programs (upgrade); NULL = the embedded one */
    uint32_t records_max;    /* capacity of the two record tables, 0 = default */
    uint16_t filter_priority; /* tc priority, 0 = 49152 */
    uint32_t filter_handle;   /* tc handle, 0 = 1 */
    bool exclusive;           /* bpf: fails (IN_USE) while another exclusive one has the pin directory */
};

int skr_fastpath_memory_new(const struct skr_fastpath_options *options, struct skr_fastpath **ret,
                            struct skr_error *error);
/* Loads or adopts: maps that are pinned with the same version and shape are used as they are, programs are replaced in
 * place where they differ. Nothing is cleared. free() leaves everything pinned and attached. */
int skr_fastpath_bpf_new(const struct skr_fastpath_options *options, struct skr_fastpath **ret,
                         struct skr_error *error);
/* Closes interfaces and does nothing else, beside an agent that runs or in place of one that does not: attach takes
 * CLOSED and CLOSED_EGRESS, and fails with -EEXIST where a program of ours is in that place already, or where an
 * administrator released the interface. No table may be used. */
int skr_fastpath_bpf_guard_new(const struct skr_fastpath_options *options, struct skr_fastpath **ret,
                               struct skr_error *error);
/* Takes everything away: pins, filters (ours alone). For leaving a machine. */
int skr_fastpath_bpf_uninstall(const struct skr_fastpath_options *options, struct skr_error *error);
