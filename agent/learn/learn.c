#include "agent/learn/private.h"

#include <errno.h>
#include <skerry/macros.h>
#include <string.h>

#define PROBE_INTERVAL_NS     (60 * 1000 * 1000 * 1000LL)
#define PROBE_AGAIN_NS        (1000 * 1000 * 1000LL)
#define PROBES_UNANSWERED_MAX 3
#define REFUSED_AGAIN_NS      (30 * 1000 * 1000 * 1000LL)
#define SECOND_NS             (1000 * 1000 * 1000LL)

struct skr_learn {
    struct skr_learn_options options;
    struct port *ports, *ports_by_ifindex;
    int64_t due_ns;
};

int skr_learn_new(const struct skr_learn_options *options, struct skr_learn **ret)
{
    struct skr_learn *learn = calloc(1, sizeof(*learn));
    if (!learn)
        return -ENOMEM;
    learn->options = *options;
    if (!learn->options.probe_interval_ns)
        learn->options.probe_interval_ns = PROBE_INTERVAL_NS;
    learn->due_ns = INT64_MAX;
    *ret = learn;
    return 0;
}

static void forget(struct port *port, struct claim *claim)
{
    HASH_DEL(port->claims, claim);
    free(claim);
}

static void remove_port(struct skr_learn *learn, struct port *port)
{
    struct claim *claim, *next;
    HASH_ITER (hh, port->claims, claim, next)
        forget(port, claim);
    if (port->ifindex)
        HASH_DELETE(by_ifindex, learn->ports_by_ifindex, port);
    HASH_DEL(learn->ports, port);
    skr_close_cleanup(&port->probe_fd);
    free(port);
}

void skr_learn_free(struct skr_learn *learn)
{
    if (!learn)
        return;
    struct port *port, *next;
    HASH_ITER (hh, learn->ports, port, next)
        remove_port(learn, port);
    free(learn);
}

static struct port *find_port(struct skr_learn *learn, const struct skr_uuid *adapter_id)
{
    struct port *port;
    HASH_FIND(hh, learn->ports, adapter_id, sizeof(*adapter_id), port);
    return port;
}

void skr_learn_port(struct skr_learn *learn, const struct skr_uuid *adapter_id, uint32_t ifindex)
{
    struct port *port = find_port(learn, adapter_id);
    if (!port) {
        port = calloc(1, sizeof(*port));
        if (!port)
            abort();
        port->id = *adapter_id;
        port->probe_fd = -1;
        port->tokens = SKR_LEARN_PER_SECOND;
        HASH_ADD(hh, learn->ports, id, sizeof(port->id), port);
    }
    if (port->ifindex == ifindex)
        return;
    if (port->ifindex)
        HASH_DELETE(by_ifindex, learn->ports_by_ifindex, port);
    port->ifindex = ifindex;
    learn->due_ns = 0; /* what was due while the port had no interface */
    skr_close_cleanup(&port->probe_fd);
    if (ifindex)
        HASH_ADD(by_ifindex, learn->ports_by_ifindex, ifindex, sizeof(port->ifindex), port);
}

struct search {
    struct skr_uuid id;
    bool learns;
    uint32_t vsid;
    struct skr_address gateway;
};

static int find_desired_port(void *arg, const struct skr_desired_change *object)
{
    struct search *search = arg;
    if (skr_uuid_compare(&object->id, &search->id) != 0)
        return 0;
    const Skerry__V1__Port *port = (const Skerry__V1__Port *)object->after;
    search->learns = port->guest_specified_ips;
    search->vsid = port->vsid;
    return 1;
}

static int find_desired_subnet(void *arg, const struct skr_desired_change *object)
{
    struct search *search = arg;
    const Skerry__V1__Subnet *subnet = (const Skerry__V1__Subnet *)object->after;
    uint32_t v4;
    if (subnet->vsid != search->vsid || subnet->gateway.len != sizeof(v4))
        return 0;
    memcpy(&v4, subnet->gateway.data, sizeof(v4));
    search->gateway = skr_address_from_v4(v4);
    return 1;
}

static bool gateway_of(struct skr_learn *learn, uint32_t vsid, struct skr_address *ret)
{
    struct search search = {.vsid = vsid};
    if (!skr_desired_each(learn->options.desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET, find_desired_subnet,
                          &search))
        return false;
    *ret = search.gateway;
    return true;
}

static bool take_token(struct port *port, int64_t now_ns)
{
    if (now_ns - port->tokens_ns >= SECOND_NS) {
        port->tokens = SKR_LEARN_PER_SECOND;
        port->tokens_ns = now_ns;
    }
    if (!port->tokens)
        return false;
    port->tokens--;
    return true;
}

static void tell(struct skr_learn *learn, const struct port *port, const struct claim *claim, bool withdrawn)
{
    struct skr_learned learned = {.adapter_id = port->id,
                                  .customer_address = claim->address,
                                  .mac = claim->mac,
                                  .evidence = claim->evidence,
                                  .withdrawn = withdrawn};
    learn->options.report(learn->options.arg, &learned);
}

static void schedule(struct skr_learn *learn, struct claim *claim, int64_t at_ns)
{
    claim->probe_ns = at_ns;
    if (at_ns < learn->due_ns)
        learn->due_ns = at_ns;
}

static void claim_address(struct skr_learn *learn, struct port *port, const struct skr_abi_event *event, int64_t now_ns)
{
    struct skr_address address;
    struct claim *claim;
    bool announcement = event->kind == SKR_EVENT_ANNOUNCEMENT;
    memcpy(address.bytes, event->ca.bytes, sizeof(address.bytes));
    HASH_FIND(hh, port->claims, &address, sizeof(address), claim);
    if (claim && claim->refused_ns && now_ns - claim->refused_ns < REFUSED_AGAIN_NS && !announcement)
        return;
    if (claim && !claim->refused_ns && !announcement && !memcmp(claim->mac.bytes, event->mac, 6))
        return;
    if (!take_token(port, now_ns) || (!claim && HASH_COUNT(port->claims) >= SKR_LEARN_ADDRESSES_MAX))
        return;
    if (!claim) {
        claim = calloc(1, sizeof(*claim));
        if (!claim)
            abort();
        claim->address = address;
        HASH_ADD(hh, port->claims, address, sizeof(claim->address), claim);
    }
    memcpy(claim->mac.bytes, event->mac, 6);
    claim->evidence = announcement ? SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_ANNOUNCEMENT
                                   : SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE;
    claim->refused_ns = 0;
    claim->unanswered = 0;
    schedule(learn, claim, now_ns + learn->options.probe_interval_ns);
    tell(learn, port, claim, false);
}

void skr_learn_event(struct skr_learn *learn, const struct skr_abi_event *event, int64_t now_ns)
{
    struct port *port;
    HASH_FIND(by_ifindex, learn->ports_by_ifindex, &event->ifindex, sizeof(event->ifindex), port);
    if (!port)
        return;
    struct skr_address gateway;
    if (event->kind == SKR_EVENT_TOO_BIG) {
        if (gateway_of(learn, event->vsid, &gateway))
            skr_learn_answer_too_big(event, &gateway);
        return;
    }
    struct search search = {.id = port->id};
    skr_desired_each(learn->options.desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, find_desired_port, &search);
    if (search.learns)
        claim_address(learn, port, event, now_ns);
}

void skr_learn_changes(void *arg, const struct skr_desired_change *changes, size_t count)
{
    struct skr_learn *learn = arg;
    for (size_t i = 0; i < count; i++) {
        const struct skr_desired_change *change = &changes[i];
        if (change->type != SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT)
            continue;
        struct port *port = find_port(learn, &change->id);
        const Skerry__V1__Port *after = (const Skerry__V1__Port *)change->after;
        if (port && !after) {
            remove_port(learn, port);
        } else if (port && !after->guest_specified_ips) {
            struct claim *claim, *next;
            HASH_ITER (hh, port->claims, claim, next) {
                tell(learn, port, claim, true);
                forget(port, claim);
            }
        }
    }
}

void skr_learn_refused(struct skr_learn *learn, const struct skr_uuid *adapter_id, const struct skr_address *address)
{
    struct port *port = find_port(learn, adapter_id);
    struct claim *claim = NULL;
    if (port)
        HASH_FIND(hh, port->claims, address, sizeof(*address), claim);
    if (claim)
        claim->refused_ns = claim->probe_ns - learn->options.probe_interval_ns; /* when it was claimed */
}

struct answers {
    struct skr_learn *learn;
    struct port *port;
    int64_t now_ns;
};

static void on_answer(void *arg, const struct skr_address *address, const struct skr_mac *mac)
{
    struct answers *answers = arg;
    struct claim *claim;
    HASH_FIND(hh, answers->port->claims, address, sizeof(*address), claim);
    if (!claim || memcmp(claim->mac.bytes, mac->bytes, sizeof(mac->bytes)) != 0)
        return;
    claim->unanswered = 0;
    claim->probe_ns = answers->now_ns + answers->learn->options.probe_interval_ns;
}

static void ask(struct skr_learn *learn, struct port *port, struct claim *claim, int64_t now_ns)
{
    struct skr_address gateway;
    struct search search = {.id = port->id};
    skr_desired_each(learn->options.desired, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, find_desired_port, &search);
    if (claim->refused_ns) {
        forget(port, claim);
        return;
    }
    if (claim->unanswered >= PROBES_UNANSWERED_MAX) {
        tell(learn, port, claim, true);
        forget(port, claim);
        return;
    }
    if (port->probe_fd < 0)
        port->probe_fd = skr_learn_probe_open(port->ifindex);
    if (port->probe_fd >= 0 && gateway_of(learn, search.vsid, &gateway) &&
        skr_learn_probe_send(port->probe_fd, port->ifindex, &gateway, claim) == 0)
        claim->unanswered++;
    claim->probe_ns = now_ns + PROBE_AGAIN_NS;
}

void skr_learn_run(struct skr_learn *learn, int64_t now_ns)
{
    if (learn->due_ns > now_ns)
        return;
    learn->due_ns = INT64_MAX;
    struct port *port, *next_port;
    HASH_ITER (hh, learn->ports, port, next_port) {
        struct answers answers = {.learn = learn, .port = port, .now_ns = now_ns};
        if (port->probe_fd >= 0)
            skr_learn_probe_read(port->probe_fd, on_answer, &answers);
        struct claim *claim, *next;
        bool asked = false;
        HASH_ITER (hh, port->claims, claim, next) {
            if (claim->probe_ns <= now_ns && port->ifindex)
                ask(learn, port, claim, now_ns);
        }
        for (claim = port->claims; claim; claim = claim->hh.next) {
            asked = asked || claim->unanswered;
            if (claim->probe_ns < learn->due_ns && port->ifindex)
                learn->due_ns = claim->probe_ns;
        }
        if (!asked)
            skr_close_cleanup(&port->probe_fd);
    }
}

int64_t skr_learn_deadline_ns(const struct skr_learn *learn)
{
    return learn->due_ns;
}

void skr_learn_each(const struct skr_learn *learn, void (*fn)(void *arg, const struct skr_learned *learned), void *arg)
{
    for (const struct port *port = learn->ports; port; port = port->hh.next) {
        for (const struct claim *claim = port->claims; claim; claim = claim->hh.next) {
            struct skr_learned learned = {.adapter_id = port->id,
                                          .customer_address = claim->address,
                                          .mac = claim->mac,
                                          .evidence = claim->evidence};
            if (!claim->refused_ns)
                fn(arg, &learned);
        }
    }
}
