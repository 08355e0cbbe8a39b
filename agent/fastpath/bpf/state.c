#include "agent/fastpath/bpf/bpf.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

/* Read in one turn of the loop: the rest stays in the ring, and the descriptor stays readable. */
#define EVENTS_POLL_MAX 256

static int on_sample(void *context, void *data, size_t size)
{
    struct skr_fastpath_bpf *bpf = context;

    if (size >= sizeof(struct skr_abi_event) && bpf->event_fn)
        bpf->event_fn(bpf->event_arg, data);
    return ++bpf->event_count < EVENTS_POLL_MAX ? 0 : -EAGAIN;
}

int skr_bpf_state_open(struct skr_fastpath_bpf *bpf)
{
    bpf->cpus = libbpf_num_possible_cpus();
    if (bpf->cpus < 0)
        return bpf->cpus;
    bpf->ring = ring_buffer__new(bpf->maps[SKR_BPF_EVENTS], on_sample, bpf, NULL);
    return bpf->ring ? 0 : -errno;
}

int skr_bpf_state_events_fd(struct skr_fastpath *fastpath)
{
    return ring_buffer__epoll_fd(skr_bpf_from(fastpath)->ring);
}

int skr_bpf_state_events_poll(struct skr_fastpath *fastpath, void (*fn)(void *arg, const struct skr_abi_event *event),
                              void *arg)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);
    int result;

    bpf->event_fn = fn;
    bpf->event_arg = arg;
    bpf->event_count = 0;
    /* poll, not consume: it also takes the readiness off the epoll descriptor. */
    result = ring_buffer__poll(bpf->ring, 0);
    bpf->event_fn = NULL;
    return result < 0 && result != -EAGAIN ? result : bpf->event_count;
}

static int meter_sum(struct skr_fastpath_bpf *bpf, uint32_t key, struct skr_abi_meter *ret)
{
    SKR_CLEANUP(skr_free_cleanup) struct skr_abi_meter *cpus = calloc((size_t)bpf->cpus, sizeof(*cpus));
    struct skr_abi_meter sum = {0};

    if (!cpus)
        return -ENOMEM;
    if (bpf_map_lookup_elem(bpf->maps[SKR_BPF_METERS], &key, cpus))
        return -errno;
    for (int cpu = 0; cpu < bpf->cpus; cpu++) {
        sum.tx_packets += cpus[cpu].tx_packets;
        sum.tx_bytes += cpus[cpu].tx_bytes;
        sum.rx_packets += cpus[cpu].rx_packets;
        sum.rx_bytes += cpus[cpu].rx_bytes;
    }
    *ret = sum;
    return 0;
}

int skr_bpf_state_meter(struct skr_fastpath *fastpath, uint32_t ifindex, struct skr_abi_meter *ret)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);
    struct skr_abi_meter own = {0}, carried = {0};
    int result = meter_sum(bpf, ifindex, &own);
    int more = meter_sum(bpf, ifindex | SKR_METER_CARRIED, &carried);

    if (result && more)
        return result;
    own.tx_packets += carried.tx_packets;
    own.tx_bytes += carried.tx_bytes;
    own.rx_packets += carried.rx_packets;
    own.rx_bytes += carried.rx_bytes;
    *ret = own;
    return 0;
}

int skr_bpf_state_carry(struct skr_fastpath *fastpath, uint32_t ifindex, const struct skr_abi_meter *meter)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);
    uint32_t key = ifindex | SKR_METER_CARRIED;
    SKR_CLEANUP(skr_free_cleanup) struct skr_abi_meter *cpus = calloc((size_t)bpf->cpus, sizeof(*cpus));
    struct skr_abi_meter before = {0};

    if (!cpus)
        return -ENOMEM;
    (void)meter_sum(bpf, key, &before); /* none: zero */
    cpus[0] = (struct skr_abi_meter){.tx_packets = before.tx_packets + meter->tx_packets,
                                     .tx_bytes = before.tx_bytes + meter->tx_bytes,
                                     .rx_packets = before.rx_packets + meter->rx_packets,
                                     .rx_bytes = before.rx_bytes + meter->rx_bytes};
    return bpf_map_update_elem(bpf->maps[SKR_BPF_METERS], &key, cpus, BPF_ANY) ? -errno : 0;
}

struct drops_walk {
    void (*fn)(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count);
    void *arg;
    int cpus;
};

static int drops_entry(void *arg, const void *key, const void *value)
{
    struct drops_walk *walk = arg;
    struct skr_abi_drop_key drop;
    uint64_t sum = 0, count;

    memcpy(&drop, key, sizeof(drop));
    for (int cpu = 0; cpu < walk->cpus; cpu++) {
        memcpy(&count, (const char *)value + (size_t)cpu * sizeof(count), sizeof(count));
        sum += count;
    }
    if (sum)
        walk->fn(walk->arg, drop.reason, drop.ifindex, sum);
    return 0;
}

int skr_bpf_state_drops(struct skr_fastpath *fastpath,
                        void (*fn)(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count), void *arg)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);
    struct drops_walk walk = {.fn = fn, .arg = arg, .cpus = bpf->cpus};

    return skr_bpf_map_walk(bpf->maps[SKR_BPF_DROPS], sizeof(struct skr_abi_drop_key),
                            sizeof(uint64_t) * (size_t)bpf->cpus, drops_entry, &walk);
}

struct guests_walk {
    struct skr_fastpath_bpf *bpf;
    void (*fn)(void *arg, uint32_t ifindex, enum skr_guest_memory memory, bool runs);
    void *arg;
};

static int guests_entry(void *arg, const void *key, const void *value)
{
    const struct guests_walk *walk = arg;
    uint32_t ifindex, memory, program;

    memcpy(&ifindex, key, sizeof(ifindex));
    memcpy(&memory, value, sizeof(memory));
    bool runs = !skr_bpf_filter_program(SKR_HOOK_PORT, ifindex, walk->bpf->priority, walk->bpf->handle, &program) &&
                skr_bpf_filter_is(program, SKR_HOOK_PORT);
    walk->fn(walk->arg, ifindex, memory == SKR_GUEST_LET_GO ? SKR_GUEST_LET_GO : SKR_GUEST_KEPT, runs);
    return 0;
}

/* Programs run on interfaces of which nothing was kept: uplinks, and ports of an older build, which are kept from here
 * on. */
static void guests_running(const struct guests_walk *walk)
{
    struct skr_fastpath_bpf *bpf = walk->bpf;
    struct if_nameindex *interfaces = if_nameindex();
    uint32_t program, memory;

    for (struct if_nameindex *i = interfaces; i && i->if_index; i++) {
        uint32_t ifindex = i->if_index;
        if (!bpf_map_lookup_elem(bpf->maps[SKR_BPF_GUESTS], &ifindex, &memory) ||
            skr_bpf_filter_program(SKR_HOOK_PORT, ifindex, bpf->priority, bpf->handle, &program) ||
            !skr_bpf_filter_ours(program))
            continue;
        bool kept = !skr_bpf_filter_is(program, SKR_HOOK_UPLINK);
        if (kept)
            (void)skr_bpf_state_guest_keep(&bpf->base, ifindex, SKR_GUEST_KEPT);
        walk->fn(walk->arg, ifindex, kept ? SKR_GUEST_KEPT : SKR_GUEST_FORGOTTEN,
                 !skr_bpf_filter_is(program, SKR_HOOK_CLOSED));
    }
    if_freenameindex(interfaces);
}

int skr_bpf_state_guests(struct skr_fastpath *fastpath,
                         void (*fn)(void *arg, uint32_t ifindex, enum skr_guest_memory memory, bool runs), void *arg)
{
    struct guests_walk walk = {.bpf = skr_bpf_from(fastpath), .fn = fn, .arg = arg};

    guests_running(&walk);
    return skr_bpf_map_walk(walk.bpf->maps[SKR_BPF_GUESTS], sizeof(uint32_t), sizeof(uint32_t), guests_entry, &walk);
}

enum skr_guest_memory skr_bpf_state_guest(struct skr_fastpath *fastpath, uint32_t ifindex)
{
    uint32_t value = SKR_GUEST_FORGOTTEN;

    bpf_map_lookup_elem(skr_bpf_from(fastpath)->maps[SKR_BPF_GUESTS], &ifindex, &value);
    return value;
}

int skr_bpf_state_guest_keep(struct skr_fastpath *fastpath, uint32_t ifindex, enum skr_guest_memory memory)
{
    int map = skr_bpf_from(fastpath)->maps[SKR_BPF_GUESTS];
    uint32_t value = memory;

    if (memory == SKR_GUEST_FORGOTTEN)
        return bpf_map_delete_elem(map, &ifindex) && errno != ENOENT ? -errno : 0;
    return bpf_map_update_elem(map, &ifindex, &value, BPF_ANY) ? -errno : 0;
}

void skr_bpf_state_forget(struct skr_fastpath_bpf *bpf, uint32_t ifindex)
{
    struct skr_abi_drop_key key = {.ifindex = ifindex};
    uint32_t carried = ifindex | SKR_METER_CARRIED;

    bpf_map_delete_elem(bpf->maps[SKR_BPF_METERS], &ifindex);
    bpf_map_delete_elem(bpf->maps[SKR_BPF_METERS], &carried);
    for (key.reason = 0; key.reason < SKR_DROP_REASON_COUNT; key.reason++)
        bpf_map_delete_elem(bpf->maps[SKR_BPF_DROPS], &key);
}
