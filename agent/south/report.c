#include "agent/south/report.h"
#include "agent/desired/arena.h"
#include <skerry/clock.h>
#include <skerry/frame.h>
#include <skerry/log.h>
#include <skerry/macros.h>
#include <string.h>
#include <sys/queue.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

/* Beyond this many bytes of items a report is full; the rest of the frame is room for tags and counters. */
#define REPORT_BYTES_MAX (SKR_FRAME_MAX * 3 / 4)
#define ITEM_OVERHEAD    24 /* tag and length of a message, and the age that is added when it is told */

/* In the order in which a report tells them: an adapter's binding makes sense after the claim that brought it here, and
 * an address after both. */
enum kind { KIND_INTERFACES, KIND_MOVED, KIND_CLAIM, KIND_BINDING, KIND_LEARNED, KIND_DRIFT, KIND_COUNT };

/* Each kind has room of its own, so that guests that show many addresses cannot displace what is told of ports. */
static const unsigned kind_max[KIND_COUNT] = {[KIND_INTERFACES] = 1,
                                              [KIND_MOVED] = SKR_REPORT_PORTS_MAX,
                                              [KIND_CLAIM] = SKR_REPORT_PORTS_MAX,
                                              [KIND_BINDING] = SKR_REPORT_PORTS_MAX,
                                              [KIND_LEARNED] = SKR_REPORT_LEARNED_MAX,
                                              [KIND_DRIFT] = SKR_REPORT_DRIFT_MAX};

struct item {
    UT_hash_handle hh;
    struct {
        uint32_t kind;
        uint8_t id[32];
    } key;
    bool dirty;
    bool told;     /* the controller may know of it */
    bool gone;     /* told once more, as withdrawn, then forgotten */
    bool in_whole; /* the whole report that has begun needs it */
    int64_t at_ns; /* when it came about */
    size_t count;  /* interfaces are several messages in one item */
    size_t size;
    ProtobufCMessage **messages;
    struct owner *owner;
    LIST_ENTRY(item) owner_link;
    TAILQ_ENTRY(item) dirty_link;
    bool unanswered; /* an announcement in the report that waits for its answer */
    LIST_ENTRY(item) unanswered_link;
};

/* An adapter, and what is told of it. */
struct owner {
    UT_hash_handle hh;
    struct skr_uuid id;
    LIST_HEAD(, item) items;
};

struct skr_report {
    struct item *items;
    struct owner *owners;
    unsigned counts[KIND_COUNT];
    TAILQ_HEAD(, item) dirty[KIND_COUNT];
    LIST_HEAD(, item) unanswered;
    size_t dirty_count, whole_left;
    bool whole_open; /* a whole report has begun, and its last part has not been taken */
    uint32_t part;
    uint64_t sequence, number;
    uint64_t dropped, rx_packets, tx_packets;
    bool counted; /* they differ from what was told */
    void (*changed)(void *arg);
    void *changed_arg;
};

int skr_report_new(struct skr_report **ret)
{
    struct skr_report *report = skr_must(calloc(1, sizeof(*report)));
    for (int kind = 0; kind < KIND_COUNT; kind++)
        TAILQ_INIT(&report->dirty[kind]);
    *ret = report;
    return 0;
}

static void free_messages(struct item *item)
{
    for (size_t i = 0; i < item->count; i++)
        if (item->messages[i])
            protobuf_c_message_free_unpacked(item->messages[i], NULL);
    free(item->messages);
}

/* ---- items ---- */

static void clear_dirty(struct skr_report *report, struct item *item)
{
    if (!item->dirty)
        return;
    item->dirty = false;
    report->dirty_count--;
    TAILQ_REMOVE(&report->dirty[item->key.kind], item, dirty_link);
    if (item->in_whole)
        report->whole_left--;
    item->in_whole = false;
}

static void set_answered(struct item *item)
{
    if (item->unanswered)
        LIST_REMOVE(item, unanswered_link);
    item->unanswered = false;
}

static void disown(struct skr_report *report, struct item *item)
{
    struct owner *owner = item->owner;
    if (!owner)
        return;
    LIST_REMOVE(item, owner_link);
    item->owner = NULL;
    if (!LIST_EMPTY(&owner->items))
        return;
    HASH_DELETE(hh, report->owners, owner); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    free(owner);
}

static void own(struct skr_report *report, struct item *item)
{
    struct owner *owner;
    if (item->key.kind != KIND_LEARNED && item->key.kind != KIND_BINDING && item->key.kind != KIND_MOVED)
        return; /* a claim is there before the adapter is ours, and after */
    HASH_FIND(hh, report->owners, item->key.id, sizeof(owner->id), owner);
    if (!owner) {
        owner = skr_must(calloc(1, sizeof(*owner)));
        memcpy(owner->id.bytes, item->key.id, sizeof(owner->id.bytes));
        LIST_INIT(&owner->items);
        HASH_ADD(hh, report->owners, id, sizeof(owner->id), owner);
    }
    item->owner = owner;
    LIST_INSERT_HEAD(&owner->items, item, owner_link);
}

static void item_free(struct skr_report *report, struct item *item)
{
    clear_dirty(report, item);
    set_answered(item);
    disown(report, item);
    report->counts[item->key.kind]--;
    HASH_DELETE(hh, report->items, item); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    free_messages(item);
    free(item);
}

void skr_report_free(struct skr_report *report)
{
    if (!report)
        return;
    struct item *item, *next;
    HASH_ITER (hh, report->items, item, next)
        item_free(report, item);
    free(report);
}

void skr_report_on_change(struct skr_report *report, void (*fn)(void *arg), void *arg)
{
    report->changed = fn;
    report->changed_arg = arg;
}

static struct item *item_find(struct skr_report *report, enum kind kind, const void *id, size_t size)
{
    struct item wanted = {.key = {.kind = kind}}, *item;
    memcpy(wanted.key.id, id, size);
    HASH_FIND(hh, report->items, &wanted.key, sizeof(wanted.key), item);
    return item;
}

/* NULL: the kind has no room. */
static struct item *item_new(struct skr_report *report, enum kind kind, const void *id, size_t size)
{
    static struct skr_log_limit limit;
    if (report->counts[kind] >= kind_max[kind]) {
        if (skr_log_allowed(&limit, 3))
            skr_log(SKR_LOG_WARNING, "there is more to tell the controller than a report has room for",
                    "kind=%d max=%u", (int)kind, kind_max[kind]);
        return NULL;
    }
    struct item *item = skr_must(calloc(1, sizeof(*item)));
    item->key.kind = kind;
    memcpy(item->key.id, id, size);
    HASH_ADD(hh, report->items, key, sizeof(item->key), item);
    report->counts[kind]++;
    own(report, item);
    return item;
}

static void mark_dirty(struct skr_report *report, struct item *item)
{
    if (item->dirty)
        return;
    item->dirty = true;
    report->dirty_count++;
    TAILQ_INSERT_TAIL(&report->dirty[item->key.kind], item, dirty_link);
    if (report->changed)
        report->changed(report->changed_arg);
}

static bool same_bytes(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t size = protobuf_c_message_get_packed_size(a);
    if (protobuf_c_message_get_packed_size(b) != size)
        return false;
    SKR_CLEANUP(skr_free_cleanup) uint8_t *bytes = skr_must(malloc(2 * size + 1));
    protobuf_c_message_pack(a, bytes);
    protobuf_c_message_pack(b, bytes + size);
    return memcmp(bytes, bytes + size, size) == 0;
}

static bool same_messages(const struct item *item, ProtobufCMessage *const *messages, size_t count)
{
    if (item->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!same_bytes(item->messages[i], messages[i]))
            return false;
    return true;
}

/* Takes the messages and the array. What is the same as before is not told again; what has a number never is the same.
 */
static void tell(struct skr_report *report, enum kind kind, const void *id, size_t id_size, ProtobufCMessage **messages,
                 size_t count, bool gone)
{
    struct item *item = item_find(report, kind, id, id_size);
    struct item unused = {.messages = messages, .count = count};
    if (item && gone && !item->told) {
        item_free(report, item); /* nobody has heard of it */
        item = NULL;
    }
    if (item && item->gone == gone && same_messages(item, messages, count)) {
        free_messages(&unused);
        return;
    }
    if (!item && (gone || !(item = item_new(report, kind, id, id_size)))) {
        free_messages(&unused);
        return;
    }
    free_messages(item);
    set_answered(item);
    item->messages = messages;
    item->count = count;
    item->gone = gone;
    item->at_ns = skr_clock_monotonic_ns();
    item->size = 0;
    for (size_t i = 0; i < count; i++)
        item->size += protobuf_c_message_get_packed_size(messages[i]) + ITEM_OVERHEAD;
    mark_dirty(report, item);
}

static void tell_one(struct skr_report *report, enum kind kind, const void *id, size_t id_size,
                     ProtobufCMessage *message, bool gone)
{
    ProtobufCMessage **messages = skr_must(malloc(sizeof(ProtobufCMessage *)));
    messages[0] = message;
    tell(report, kind, id, id_size, messages, 1, gone);
}

static ProtobufCBinaryData bytes(const void *data, size_t size)
{
    ProtobufCBinaryData out = {.len = size, .data = skr_must(malloc(size + 1))};
    if (data)
        memcpy(out.data, data, size);
    return out;
}

static ProtobufCBinaryData address_bytes(const struct skr_address *address)
{
    return skr_address_is_v4(address) ? bytes(address->bytes + 12, 4) : bytes(address->bytes, sizeof(address->bytes));
}

static char *text(const char *from)
{
    return skr_must(strdup(from ? from : ""));
}

/* ---- what there is to tell ---- */

static void learned_key(uint8_t id[static 32], const struct skr_uuid *adapter_id, const struct skr_address *address)
{
    memcpy(id, adapter_id->bytes, 16);
    memcpy(id + 16, address->bytes, 16);
}

void skr_report_learned(struct skr_report *report, const struct skr_learned *learned)
{
    uint8_t id[32];
    learned_key(id, &learned->adapter_id, &learned->customer_address);
    struct item *item = learned->over ? item_find(report, KIND_LEARNED, id, sizeof(id)) : NULL;
    if (item)
        item_free(report, item);
    if (learned->over)
        return;
    Skerry__V1__LearnedAddress *message = skr_must(malloc(sizeof(*message)));
    skerry__v1__learned_address__init(message);
    message->adapter_id = bytes(learned->adapter_id.bytes, sizeof(learned->adapter_id.bytes));
    message->customer_address = address_bytes(&learned->customer_address);
    message->mac = bytes(learned->mac.bytes, sizeof(learned->mac.bytes));
    message->evidence = learned->evidence;
    message->withdrawn = learned->withdrawn;
    message->number = ++report->number;
    tell_one(report, KIND_LEARNED, id, sizeof(id), &message->base, learned->withdrawn);
}

void skr_report_drift(struct skr_report *report, const struct skr_drift_item *item)
{
    Skerry__V1__DriftItem *message = skr_must(malloc(sizeof(*message)));
    skerry__v1__drift_item__init(message);
    message->key = bytes(item->key, sizeof(item->key));
    message->object_kind = text(item->object_kind);
    if (!skr_uuid_is_nil(&item->object_id))
        message->object_id = bytes(item->object_id.bytes, sizeof(item->object_id.bytes));
    message->object = text(item->object);
    message->field = text(item->field);
    message->expected = text(item->expected);
    message->found = text(item->found);
    message->since_ms = item->since_ms;
    message->resolved = item->resolved;
    tell_one(report, KIND_DRIFT, item->key, sizeof(item->key), &message->base, item->resolved);
}

bool skr_report_refused(struct skr_report *report, const struct skr_uuid *adapter_id, const struct skr_address *address,
                        uint64_t number)
{
    uint8_t id[32];
    learned_key(id, adapter_id, address);
    struct item *item = item_find(report, KIND_LEARNED, id, sizeof(id));
    if (!item)
        return true;
    const Skerry__V1__LearnedAddress *message = (const void *)item->messages[0];
    if (item->dirty || (number && message->number != number))
        return false;
    item_free(report, item);
    return true;
}

static void forget_adapter(struct skr_report *report, const struct skr_uuid *adapter_id)
{
    struct owner *owner;
    HASH_FIND(hh, report->owners, adapter_id, sizeof(*adapter_id), owner);
    struct item *item = owner ? LIST_FIRST(&owner->items) : NULL, *next;
    for (; item; item = next) {
        next = LIST_NEXT(item, owner_link);
        item_free(report, item); /* the last one frees the owner */
    }
}

void skr_report_binding(struct skr_report *report, const struct skr_uuid *adapter_id, bool placed,
                        const char *interface, const char *reason)
{
    if (!placed) {
        forget_adapter(report, adapter_id);
        return;
    }
    Skerry__V1__PortBinding *message = skr_must(malloc(sizeof(*message)));
    skerry__v1__port_binding__init(message);
    message->adapter_id = bytes(adapter_id->bytes, sizeof(adapter_id->bytes));
    message->bound = interface && interface[0];
    message->interface = text(interface);
    message->reason = text(reason);
    tell_one(report, KIND_BINDING, adapter_id->bytes, sizeof(adapter_id->bytes), &message->base, false);
}

void skr_report_moved(struct skr_report *report, const struct skr_uuid *adapter_id, bool moved, int64_t first_frame_ns)
{
    struct item *item = item_find(report, KIND_MOVED, adapter_id->bytes, sizeof(adapter_id->bytes));
    if (item && !moved)
        item_free(report, item);
    if (item || !moved)
        return;
    Skerry__V1__Moved *message = skr_must(malloc(sizeof(*message)));
    skerry__v1__moved__init(message);
    message->adapter_id = bytes(adapter_id->bytes, sizeof(adapter_id->bytes));
    message->first_frame_ns = (uint64_t)first_frame_ns;
    message->number = ++report->number;
    tell_one(report, KIND_MOVED, adapter_id->bytes, sizeof(adapter_id->bytes), &message->base, false);
}

void skr_report_claim(struct skr_report *report, const struct skr_uuid *adapter_id, const char *interface, bool present)
{
    Skerry__V1__Claim *message = skr_must(malloc(sizeof(*message)));
    skerry__v1__claim__init(message);
    message->adapter_id = bytes(adapter_id->bytes, sizeof(adapter_id->bytes));
    message->interface = text(interface);
    message->withdrawn = !present;
    message->number = ++report->number;
    tell_one(report, KIND_CLAIM, adapter_id->bytes, sizeof(adapter_id->bytes), &message->base, !present);
}

Skerry__V1__Interface *skr_report_interface_message(const struct skr_host_interface *interface)
{
    Skerry__V1__Interface *message = skr_must(malloc(sizeof(*message)));
    skerry__v1__interface__init(message);
    message->name = text(interface->name);
    message->mac = bytes(interface->mac.bytes, sizeof(interface->mac.bytes));
    message->mtu = interface->mtu;
    message->speed_mbps = interface->speed_mbps;
    message->link_up = interface->running;
    message->rx_queues = interface->rx_queues;
    message->tx_queues = interface->tx_queues;
    message->kind = text(interface->kind);
    return message;
}

void skr_report_interfaces(struct skr_report *report, const struct skr_host_interface *interfaces, size_t count)
{
    ProtobufCMessage **messages = skr_must(calloc(count + 1, sizeof(ProtobufCMessage *)));
    size_t told = 0;
    for (int physical = 1; physical >= 0; physical--)
        for (size_t i = 0; i < count && told < SKR_REPORT_INTERFACES_MAX; i++)
            if ((interfaces[i].kind[0] == '\0') == (physical != 0))
                messages[told++] = &skr_report_interface_message(&interfaces[i])->base;
    tell(report, KIND_INTERFACES, "", 0, messages, told, false);
}

void skr_report_counters(struct skr_report *report, uint64_t dropped, uint64_t rx_packets, uint64_t tx_packets)
{
    if (report->dropped == dropped && report->rx_packets == rx_packets && report->tx_packets == tx_packets)
        return;
    report->dropped = dropped;
    report->rx_packets = rx_packets;
    report->tx_packets = tx_packets;
    report->counted = true;
    if (report->changed)
        report->changed(report->changed_arg);
}

/* ---- telling ---- */

static void *copy_message(const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    SKR_CLEANUP(skr_free_cleanup) uint8_t *packed = skr_must(malloc(size + 1));
    protobuf_c_message_pack(message, packed);
    return skr_must(protobuf_c_message_unpack(message->descriptor, NULL, size, packed));
}

#define APPEND(list, count, message)                                                                                   \
    do {                                                                                                               \
        (list) = skr_must(realloc((list), ((count) + 1) * sizeof(*(list))));                                           \
        (list)[(count)++] = (message);                                                                                 \
    } while (0)

static void set_age(ProtobufCMessage *message, const struct item *item, int64_t now_ns)
{
    uint64_t age_ms = (uint64_t)((now_ns - item->at_ns) / SKR_NS_PER_MS);
    if (item->key.kind == KIND_LEARNED)
        ((Skerry__V1__LearnedAddress *)message)->age_ms = age_ms;
    else if (item->key.kind == KIND_CLAIM)
        ((Skerry__V1__Claim *)message)->age_ms = age_ms;
    else if (item->key.kind == KIND_MOVED)
        ((Skerry__V1__Moved *)message)->age_ms = age_ms;
}

static void add_item(Skerry__V1__Report *out, const struct item *item, int64_t now_ns)
{
    for (size_t i = 0; i < item->count; i++) {
        void *message = copy_message(item->messages[i]);
        set_age(message, item, now_ns);
        switch (item->key.kind) {
        case KIND_LEARNED:
            APPEND(out->learned, out->n_learned, message);
            break;
        case KIND_INTERFACES:
            APPEND(out->interfaces, out->n_interfaces, message);
            break;
        case KIND_DRIFT:
            APPEND(out->drift, out->n_drift, message);
            break;
        case KIND_BINDING:
            APPEND(out->bindings, out->n_bindings, message);
            break;
        case KIND_MOVED:
            APPEND(out->moved, out->n_moved, message);
            break;
        default:
            APPEND(out->claims, out->n_claims, message);
        }
    }
}

/* An announcement is evidence until the controller has judged it; from then on the address is only what the port has.
 */
static bool is_announcement(const struct item *item)
{
    return item->key.kind == KIND_LEARNED && ((const Skerry__V1__LearnedAddress *)item->messages[0])->evidence ==
                                                     SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_ANNOUNCEMENT;
}

static void item_told(struct skr_report *report, struct item *item)
{
    clear_dirty(report, item);
    item->told = true;
    if (item->gone) {
        item_free(report, item);
    } else if (is_announcement(item) && !item->unanswered) {
        item->unanswered = true;
        LIST_INSERT_HEAD(&report->unanswered, item, unanswered_link);
    }
}

static void fill(struct skr_report *report, Skerry__V1__Report *out)
{
    int64_t now_ns = skr_clock_monotonic_ns();
    size_t size = 0;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct item *item;
        while ((item = TAILQ_FIRST(&report->dirty[kind]))) {
            if (size + item->size > REPORT_BYTES_MAX && size > 0)
                return;
            size += item->size;
            add_item(out, item, now_ns);
            item_told(report, item);
        }
    }
}

void skr_report_begin_whole(struct skr_report *report)
{
    struct item *item, *next;
    report->whole_open = true;
    report->part = 0;
    report->whole_left = 0;
    HASH_ITER (hh, report->items, item, next) {
        set_answered(item);
        if (item->gone) {
            item_free(report, item); /* who hears everything need not hear what was withdrawn */
            continue;
        }
        mark_dirty(report, item);
        item->in_whole = true;
        report->whole_left++;
    }
}

Skerry__V1__Envelope *skr_report_take(struct skr_report *report)
{
    if (!report->whole_open && report->dirty_count == 0 && !report->counted)
        return NULL;
    Skerry__V1__Envelope *envelope = skr_must(malloc(sizeof(*envelope)));
    skerry__v1__envelope__init(envelope);
    Skerry__V1__Report *out = envelope->report = skr_must(malloc(sizeof(*out)));
    skerry__v1__report__init(out);
    envelope->body_case = SKERRY__V1__ENVELOPE__BODY_REPORT;
    out->sequence = ++report->sequence;
    out->dropped_packets = report->dropped;
    out->rx_packets = report->rx_packets;
    out->tx_packets = report->tx_packets;
    report->counted = false;
    fill(report, out);
    if (report->whole_open) {
        out->whole = report->part == 0;
        out->part = report->part++;
        out->more = report->whole_open = report->whole_left > 0;
    }
    return envelope;
}

void skr_report_accepted(struct skr_report *report, uint64_t sequence)
{
    struct item *item;
    if (sequence != report->sequence)
        return;
    while ((item = LIST_FIRST(&report->unanswered))) {
        ((Skerry__V1__LearnedAddress *)item->messages[0])->evidence =
                SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE;
        set_answered(item);
    }
}
