#include "agent/desired/body.h"
#include "agent/learn/private.h"

#include <errno.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <string.h>

#define PROBE_INTERVAL_NS     (60LL * 1000 * 1000 * 1000)
#define PROBE_AGAIN_NS        (1000LL * 1000 * 1000)
#define PROBES_UNANSWERED_MAX 3
#define REFUSED_AGAIN_NS      (30LL * 1000 * 1000 * 1000)
#define SECOND_NS             (1000LL * 1000 * 1000)
/* Packets that wait for an answer, and how many are answered in one turn of the loop: learning and programming wait
 * for no more than that. What is over gets none, as if its ICMP error had been lost. */
#define ANSWERS_MAX      256
#define ANSWERS_PORT_MAX 32
#define ANSWERS_RUN_MAX  32

struct skr_learn {
    struct skr_learn_options options;
    struct port *ports, *ports_by_ifindex;
    struct claim *refused;    /* by wish; several ports may have the same */
    struct gateway *gateways; /* by VSID */
    struct skr_uuid self;     /* this host, once its scope has said so */
    unsigned early;           /* ports that are not known */
    int64_t due_ns, now_ns;
    struct skr_abi_event *answers; /* a ring of ANSWERS_MAX */
    unsigned answers_first, answers_count;
    int answer_fd; /* -1: none yet */
};

int skr_learn_new(const struct skr_learn_options *options, struct skr_learn **ret)
{
    struct skr_learn *learn = calloc(1, sizeof(*learn));
    if (!learn)
        return -ENOMEM;
    learn->options = *options;
    if (!learn->options.probe_interval_ns)
        learn->options.probe_interval_ns = PROBE_INTERVAL_NS;
    if (!learn->options.refused_again_ns)
        learn->options.refused_again_ns = REFUSED_AGAIN_NS;
    learn->due_ns = INT64_MAX;
    learn->answer_fd = -1;
    learn->now_ns = skr_clock_monotonic_ns(); /* a controller may refuse before the first event */
    *ret = learn;
    return 0;
}

static void set_refused(struct skr_learn *learn, struct claim *claim, bool refused)
{
    if (claim->refused == refused)
        return;
    claim->refused = refused;
    if (!refused) {
        HASH_DELETE(by_wish, learn->refused, claim);
        return;
    }
    memset(&claim->wish, 0, sizeof(claim->wish));
    claim->wish.vsid = claim->port->vsid;
    claim->wish.address = claim->address;
    HASH_ADD(by_wish, learn->refused, wish, sizeof(claim->wish), claim);
}

static struct claim *add_claim(struct port *port, const struct skr_address *address)
{
    struct claim *claim = calloc(1, sizeof(*claim));
    if (!claim)
        abort();
    claim->address = *address;
    claim->port = port;
    HASH_ADD(hh, port->claims, address, sizeof(claim->address), claim);
    return claim;
}

static void forget(struct skr_learn *learn, struct claim *claim)
{
    struct port *port = claim->port;
    set_refused(learn, claim, false);
    HASH_DEL(port->claims, claim);
    free(claim);
}

static void remove_port(struct skr_learn *learn, struct port *port)
{
    struct claim *claim, *next;
    HASH_ITER (hh, port->claims, claim, next)
        forget(learn, claim);
    if (port->ifindex)
        HASH_DELETE(by_ifindex, learn->ports_by_ifindex, port);
    HASH_DEL(learn->ports, port);
    learn->early -= !port->known;
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
    skr_learn_gateways_free(&learn->gateways);
    skr_close_cleanup(&learn->answer_fd);
    free(learn->answers);
    free(learn);
}

static struct port *find_port(struct skr_learn *learn, const struct skr_uuid *adapter_id)
{
    struct port *port;
    HASH_FIND(hh, learn->ports, adapter_id, sizeof(*adapter_id), port);
    return port;
}

static struct port *need_port(struct skr_learn *learn, const struct skr_uuid *adapter_id)
{
    struct port *port = find_port(learn, adapter_id);
    if (port)
        return port;
    port = calloc(1, sizeof(*port));
    if (!port)
        abort();
    port->id = *adapter_id;
    port->probe_fd = -1;
    port->tokens = SKR_LEARN_PER_SECOND;
    learn->early++;
    HASH_ADD(hh, learn->ports, id, sizeof(port->id), port);
    return port;
}

static void set_ifindex(struct skr_learn *learn, struct port *port, uint32_t ifindex)
{
    if (port->ifindex) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a port with an interface is in it */
        HASH_DELETE(by_ifindex, learn->ports_by_ifindex, port);
    }
    port->ifindex = ifindex;
    skr_close_cleanup(&port->probe_fd);
    if (ifindex)
        HASH_ADD(by_ifindex, learn->ports_by_ifindex, ifindex, sizeof(port->ifindex), port);
}

static struct port *port_on(struct skr_learn *learn, uint32_t ifindex)
{
    struct port *port;
    HASH_FIND(by_ifindex, learn->ports_by_ifindex, &ifindex, sizeof(ifindex), port);
    return port;
}

static void tell(struct skr_learn *learn, const struct port *port, struct claim *claim, bool withdrawn)
{
    claim->told_ns = learn->now_ns;
    struct skr_learned learned = {.adapter_id = port->id,
                                  .customer_address = claim->address,
                                  .mac = claim->mac,
                                  .evidence = claim->evidence,
                                  .withdrawn = withdrawn};
    learn->options.report(learn->options.arg, &learned);
}

static void withdraw(struct skr_learn *learn, struct claim *claim)
{
    tell(learn, claim->port, claim, true);
    forget(learn, claim);
}

/* Another port shows the address too. It is refused, and shows it to the controller again half a minute later. */
static bool in_doubt(const struct skr_learn *learn, const struct claim *claim)
{
    return claim->asked_ns && learn->now_ns - claim->asked_ns < 2 * learn->options.refused_again_ns;
}

/* The guest is gone: what it shares with another it has no more. */
static void give_up_doubtful(struct skr_learn *learn, struct port *port)
{
    struct claim *claim, *next;
    HASH_ITER (hh, port->claims, claim, next) {
        if (port->known && !claim->refused && in_doubt(learn, claim))
            withdraw(learn, claim);
    }
}

void skr_learn_port(struct skr_learn *learn, const struct skr_uuid *adapter_id, uint32_t ifindex)
{
    struct port *port = ifindex ? need_port(learn, adapter_id) : find_port(learn, adapter_id);
    struct port *holder = ifindex ? port_on(learn, ifindex) : NULL;
    if (!port || port->ifindex == ifindex)
        return;
    if (holder)
        set_ifindex(learn, holder, 0);
    set_ifindex(learn, port, ifindex);
    if (!ifindex)
        give_up_doubtful(learn, port);
    learn->due_ns = 0; /* what was due while the port had no interface */
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

static void schedule(struct skr_learn *learn, struct claim *claim, int64_t at_ns)
{
    claim->probe_ns = at_ns;
    if (at_ns < learn->due_ns)
        learn->due_ns = at_ns;
}

/* Is there anything in the event that the controller has not been told? */
static bool is_news(const struct claim *claim, const struct skr_abi_event *event, bool announcement, int64_t now_ns)
{
    if (!claim)
        return true;
    /* An announcement may win what a mere source did not; a refused announcement is not repeated. */
    if (claim->refused)
        return announcement && claim->evidence != SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_ANNOUNCEMENT;
    if (memcmp(claim->mac.bytes, event->mac, sizeof(claim->mac.bytes)) != 0)
        return true;
    return announcement && now_ns - claim->told_ns >= SECOND_NS;
}

static void claim_address(struct skr_learn *learn, struct port *port, const struct skr_abi_event *event)
{
    struct skr_address address;
    struct claim *claim;
    bool announcement = event->kind == SKR_EVENT_ANNOUNCEMENT;
    memcpy(address.bytes, event->ca.bytes, sizeof(address.bytes));
    HASH_FIND(hh, port->claims, &address, sizeof(address), claim);
    if (!is_news(claim, event, announcement, learn->now_ns) ||
        (!claim && HASH_COUNT(port->claims) >= SKR_LEARN_ADDRESSES_MAX) || !take_token(port, learn->now_ns))
        return;
    if (!claim)
        claim = add_claim(port, &address);
    memcpy(claim->mac.bytes, event->mac, 6);
    claim->evidence = announcement ? SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_ANNOUNCEMENT
                                   : SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE;
    set_refused(learn, claim, false);
    claim->unanswered = 0;
    claim->unannounced = !announcement;
    schedule(learn, claim, learn->now_ns + learn->options.probe_interval_ns);
    tell(learn, port, claim, false);
}

/* ---- answers ---- */

static void queue_answer(struct skr_learn *learn, struct port *port, const struct skr_abi_event *event)
{
    if (learn->answers_count == ANSWERS_MAX || port->answers_waiting == ANSWERS_PORT_MAX)
        return;
    if (!learn->answers)
        learn->answers = calloc(ANSWERS_MAX, sizeof(*learn->answers));
    if (!learn->answers)
        abort();
    learn->answers[(learn->answers_first + learn->answers_count++) % ANSWERS_MAX] = *event;
    port->answers_waiting++;
}

static void run_answers(struct skr_learn *learn)
{
    if (learn->answers_count && learn->answer_fd < 0)
        learn->answer_fd = skr_learn_answer_open();
    for (unsigned i = 0; i < ANSWERS_RUN_MAX && learn->answers_count; i++) {
        const struct skr_abi_event *event = &learn->answers[learn->answers_first];
        struct port *port = port_on(learn, event->ifindex);
        const struct skr_address *gateway =
                port && port->vsid == event->vsid ? skr_learn_gateway_of(learn->gateways, port->vsid) : NULL;
        if (port && port->answers_waiting)
            port->answers_waiting--;
        if (gateway && learn->answer_fd >= 0)
            skr_learn_answer(learn->answer_fd, event, gateway);
        learn->answers_first = (learn->answers_first + 1) % ANSWERS_MAX;
        learn->answers_count--;
    }
}

void skr_learn_event(struct skr_learn *learn, const struct skr_abi_event *event, int64_t now_ns)
{
    struct port *port = port_on(learn, event->ifindex);
    learn->now_ns = now_ns;
    /* An event from the time when the port was in another subnet says nothing about addresses in this one. */
    if (!port || event->vsid != port->vsid)
        return;
    switch (event->kind) {
    case SKR_EVENT_LEARN:
    case SKR_EVENT_ANNOUNCEMENT:
        if (port->learns)
            claim_address(learn, port, event);
        return;
    case SKR_EVENT_TOO_BIG:
    case SKR_EVENT_TTL_EXCEEDED:
    case SKR_EVENT_UNREACHABLE:
        queue_answer(learn, port, event);
        return;
    default: /* of newer programs than this agent */
        return;
    }
}

static void withdraw_all(struct skr_learn *learn, struct port *port)
{
    struct claim *claim, *next;
    HASH_ITER (hh, port->claims, claim, next) {
        if (!claim->refused && port->known)
            tell(learn, port, claim, true);
        forget(learn, claim);
    }
}

static void port_changed(struct skr_learn *learn, const struct skr_desired_change *change)
{
    const Skerry__V1__Port *after = (const Skerry__V1__Port *)change->after;
    struct port *port = after ? need_port(learn, &change->id) : find_port(learn, &change->id);
    if (!port)
        return;
    if (!after) {
        remove_port(learn, port);
        return;
    }
    if (!after->guest_specified_ips || after->vsid != port->vsid)
        withdraw_all(learn, port);
    port->learns = after->guest_specified_ips;
    port->vsid = after->vsid;
    if (port->known)
        return;
    port->known = true;
    learn->early--;
    for (struct claim *claim = port->claims; claim; claim = claim->hh.next) {
        schedule(learn, claim, learn->now_ns + learn->options.probe_interval_ns);
        tell(learn, port, claim, false);
    }
}

/* Records that came before they could be told from those of other hosts. */
static void set_self(struct skr_learn *learn, const struct skr_uuid *self)
{
    struct port *port, *next;
    if (skr_uuid_compare(self, &learn->self) == 0)
        return;
    learn->self = *self;
    HASH_ITER (hh, learn->ports, port, next)
        if (!port->known && port->claims && skr_uuid_compare(&port->host_id, self) != 0)
            remove_port(learn, port);
}

/* The port that a record of this host speaks of, also when desired state does not have it yet. NULL: none of ours, or
 * one that does not learn. */
static struct port *port_of_record(struct skr_learn *learn, const Skerry__V1__Record *record)
{
    struct skr_uuid adapter_id, host_id;
    if (record->type != SKERRY__V1__RECORD_TYPE__RECORD_TYPE_DYNAMIC ||
        !skr_body_uuid(&record->adapter_id, &adapter_id) || !skr_body_uuid(&record->host_id, &host_id) ||
        (!skr_uuid_is_nil(&learn->self) && skr_uuid_compare(&host_id, &learn->self) != 0))
        return NULL;
    struct port *port = find_port(learn, &adapter_id);
    if (port && port->known)
        return port->learns ? port : NULL;
    if (!port && learn->early >= SKR_LEARN_EARLY_MAX)
        return NULL;
    port = need_port(learn, &adapter_id);
    port->vsid = record->vsid;
    port->host_id = host_id;
    return port;
}

/* Another port has the address now, or none: history does not overrule that. The next frame that shows it is a new
 * claim. */
static void claim_lost(struct skr_learn *learn, const Skerry__V1__Record *before, const Skerry__V1__Record *after)
{
    struct skr_uuid adapter_id, holder_id;
    struct skr_address address;
    struct claim *claim = NULL;
    if (!before || !skr_body_uuid(&before->adapter_id, &adapter_id) ||
        !skr_body_address(&before->customer_address, &address) ||
        (after && skr_body_uuid(&after->adapter_id, &holder_id) && skr_uuid_compare(&holder_id, &adapter_id) == 0))
        return;
    struct port *port = find_port(learn, &adapter_id);
    if (port)
        HASH_FIND(hh, port->claims, &address, sizeof(address), claim);
    if (!claim)
        return;
    const struct skr_learned over = {.adapter_id = adapter_id, .customer_address = address, .over = true};
    learn->options.report(learn->options.arg, &over);
    forget(learn, claim);
    if (!port->known && !port->claims && !port->ifindex)
        remove_port(learn, port);
}

/* No record holds the address any more, so those that wait for it tell theirs again. It may be half a minute old, so
 * their guests are asked as well; and it is not told as an announcement, which would win against one that is new. */
static void tell_waiting(struct skr_learn *learn, const Skerry__V1__Record *gone)
{
    struct wish wish = {.vsid = gone->vsid};
    struct claim *claim = NULL;
    if (!learn->refused || !skr_body_address(&gone->customer_address, &wish.address))
        return;
    for (;;) {
        HASH_FIND(by_wish, learn->refused, &wish, sizeof(wish), claim);
        if (!claim)
            return;
        set_refused(learn, claim, false);
        claim->evidence = SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE;
        claim->unanswered = 0;
        claim->unannounced = true;
        schedule(learn, claim, learn->now_ns);
        tell(learn, claim->port, claim, false);
    }
}

/* The address is this port's now. Other guests may remember the MAC of the one that had it before, and hosts answer
 * most of what a guest asks in ARP, so that they would never hear of the new one. */
static void announce(struct skr_learn *learn, struct claim *claim)
{
    const struct skr_arp_frame frame = skr_learn_announcement(claim);
    if (!claim->unannounced || !claim->port->ifindex || !learn->options.flood)
        return;
    claim->unannounced = false;
    claim->told_ns = learn->now_ns; /* the event of this frame is no word of the guest */
    learn->options.flood(learn->options.arg, claim->port->ifindex, &frame, sizeof(frame));
}

/* An address that was learned where the adapter was before, or by an agent that has lost its memory since: it is this
 * port's to keep, and to ask for. */
static void record_changed(struct skr_learn *learn, const struct skr_desired_change *change)
{
    const Skerry__V1__Record *record = (const Skerry__V1__Record *)change->after;
    struct skr_address address;
    struct claim *claim;
    claim_lost(learn, (const Skerry__V1__Record *)change->before, record);
    if (!record && change->before)
        tell_waiting(learn, (const Skerry__V1__Record *)change->before);
    if (!record || !skr_body_address(&record->customer_address, &address) ||
        record->mac.len != sizeof(claim->mac.bytes))
        return;
    struct port *port = port_of_record(learn, record);
    if (!port)
        return;
    HASH_FIND(hh, port->claims, &address, sizeof(address), claim);
    if (claim) {
        announce(learn, claim);
        return;
    }
    if (HASH_COUNT(port->claims) >= SKR_LEARN_ADDRESSES_MAX)
        return;
    claim = add_claim(port, &address);
    claim->evidence = SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE;
    claim->probe_ns = INT64_MAX;
    memcpy(claim->mac.bytes, record->mac.data, sizeof(claim->mac.bytes));
    if (!port->known)
        return;
    schedule(learn, claim, learn->now_ns + learn->options.probe_interval_ns);
    tell(learn, port, claim, false);
}

void skr_learn_changes(void *arg, const struct skr_desired_change *changes, size_t count)
{
    struct skr_learn *learn = arg;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].scope == SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST)
            set_self(learn, &changes[i].scope_id);
        if (changes[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT)
            port_changed(learn, &changes[i]);
        else if (changes[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET)
            skr_learn_gateway_changed(&learn->gateways, &changes[i]);
        else if (changes[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD)
            record_changed(learn, &changes[i]);
    }
}

static int64_t ask_every_ns(const struct skr_learn *learn, const struct claim *claim)
{
    int64_t usual_ns = learn->options.probe_interval_ns;
    return in_doubt(learn, claim) && usual_ns > SKR_LEARN_DOUBT_NS ? SKR_LEARN_DOUBT_NS : usual_ns;
}

struct answers {
    struct skr_learn *learn;
    struct port *port;
};

static void on_answer(void *arg, const struct skr_address *address, const struct skr_mac *mac)
{
    struct answers *answers = arg;
    struct claim *claim;
    HASH_FIND(hh, answers->port->claims, address, sizeof(*address), claim);
    /* A refused claim is forgotten in time, whatever its guest says. */
    if (!claim || claim->refused || memcmp(claim->mac.bytes, mac->bytes, sizeof(mac->bytes)) != 0)
        return;
    claim->unanswered = 0;
    claim->probe_ns = answers->learn->now_ns + ask_every_ns(answers->learn, claim);
}

static void hear(struct skr_learn *learn, struct port *port)
{
    struct answers answers = {.learn = learn, .port = port};
    if (port->probe_fd >= 0)
        skr_learn_probe_read(port->probe_fd, on_answer, &answers);
}

static struct claim *find_claim(struct skr_learn *learn, const struct skr_uuid *adapter_id,
                                const struct skr_address *address)
{
    struct port *port = find_port(learn, adapter_id);
    struct claim *claim = NULL;
    if (port)
        HASH_FIND(hh, port->claims, address, sizeof(*address), claim);
    return claim;
}

void skr_learn_ask(struct skr_learn *learn, const struct skr_uuid *adapter_id, const struct skr_address *address,
                   int64_t now_ns)
{
    struct claim *claim = find_claim(learn, adapter_id, address);
    learn->now_ns = now_ns;
    if (!claim || claim->refused || !claim->port->known || (claim->asked_ns && now_ns - claim->asked_ns < SECOND_NS))
        return;
    claim->asked_ns = now_ns;
    hear(learn, claim->port); /* an answer from before the question is none */
    if (claim->port->ifindex) {
        schedule(learn, claim, now_ns);
        return;
    }
    withdraw(learn, claim);
}

void skr_learn_refused(struct skr_learn *learn, const struct skr_uuid *adapter_id, const struct skr_address *address,
                       bool soon)
{
    struct claim *claim = find_claim(learn, adapter_id, address);
    if (!claim)
        return;
    set_refused(learn, claim, true);
    schedule(learn, claim, learn->now_ns + (soon ? SECOND_NS : learn->options.refused_again_ns));
}

static void ask(struct skr_learn *learn, struct port *port, struct claim *claim)
{
    const struct skr_address *gateway = skr_learn_gateway_of(learn->gateways, port->vsid);
    int64_t again_ns = in_doubt(learn, claim) ? SKR_LEARN_DOUBT_NS / PROBES_UNANSWERED_MAX : PROBE_AGAIN_NS;
    if (claim->refused) {
        forget(learn, claim);
        return;
    }
    if (claim->unanswered >= PROBES_UNANSWERED_MAX) {
        withdraw(learn, claim);
        return;
    }
    if (port->probe_fd < 0)
        port->probe_fd = skr_learn_probe_open(port->ifindex);
    /* A question that could not be put is not one that was not answered. */
    if (port->probe_fd >= 0 && gateway && skr_learn_probe_send(port->probe_fd, port->ifindex, gateway, claim) == 0)
        claim->unanswered++;
    if (again_ns > learn->options.probe_interval_ns)
        again_ns = learn->options.probe_interval_ns;
    claim->probe_ns = learn->now_ns + again_ns;
}

void skr_learn_run(struct skr_learn *learn, int64_t now_ns)
{
    learn->now_ns = now_ns;
    run_answers(learn);
    if (learn->due_ns > now_ns)
        return;
    learn->due_ns = INT64_MAX;
    struct port *port, *next_port;
    HASH_ITER (hh, learn->ports, port, next_port) {
        hear(learn, port);
        struct claim *claim, *next;
        bool asked = false;
        HASH_ITER (hh, port->claims, claim, next) {
            if (claim->probe_ns <= now_ns && port->ifindex)
                ask(learn, port, claim);
        }
        for (claim = port->claims; claim; claim = claim->hh.next) {
            asked = asked || (claim->unanswered && !claim->refused);
            if (claim->probe_ns < learn->due_ns && port->ifindex)
                learn->due_ns = claim->probe_ns;
        }
        if (!asked)
            skr_close_cleanup(&port->probe_fd);
    }
}

int64_t skr_learn_deadline_ns(const struct skr_learn *learn)
{
    return learn->answers_count ? 0 : learn->due_ns;
}
