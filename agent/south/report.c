#include "agent/south/report.h"
#include "agent/desired/arena.h"
#include <skerry/frame.h>
#include <skerry/macros.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

/* Beyond this many bytes of items a report is full; the rest of the frame is room for tags and counters. */
#define REPORT_BYTES_MAX (SKR_FRAME_MAX * 3 / 4)
#define ITEM_OVERHEAD    8

enum kind { KIND_LEARNED = 101, KIND_INTERFACES, KIND_DRIFT, KIND_BINDING, KIND_CLAIM, KIND_MOVED };

struct item {
    UT_hash_handle hh;
    struct {
        uint32_t kind;
        uint8_t id[32];
    } key;
    bool dirty;
    bool gone;    /* told once more, as withdrawn, then forgotten */
    size_t count; /* interfaces are several messages in one item */
    size_t size;
    ProtobufCMessage **messages;
};

struct skr_report {
    struct item *items;
    size_t dirty_count;
    uint64_t sequence;
    uint64_t dropped, rx_packets, tx_packets;
    bool counted; /* they differ from what was told */
    void (*changed)(void *arg);
    void *changed_arg;
};

int skr_report_new(struct skr_report **ret)
{
    *ret = skr_must(calloc(1, sizeof(**ret)));
    return 0;
}

static void free_messages(struct item *item)
{
    for (size_t i = 0; i < item->count; i++)
        if (item->messages[i])
            protobuf_c_message_free_unpacked(item->messages[i], NULL);
    free(item->messages);
}

static void item_free(struct skr_report *report, struct item *item)
{
    if (item->dirty)
        report->dirty_count--;
    HASH_DELETE(hh, report->items, item);
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

static void mark_dirty(struct skr_report *report, struct item *item)
{
    if (item->dirty)
        return;
    item->dirty = true;
    report->dirty_count++;
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

/* Takes the messages and the array. */
static void tell(struct skr_report *report, enum kind kind, const void *id, size_t id_size, ProtobufCMessage **messages,
                 size_t count, bool gone)
{
    struct item *item = item_find(report, kind, id, id_size);
    if ((!item && (gone || HASH_COUNT(report->items) >= SKR_REPORT_ITEMS_MAX)) ||
        (item && item->gone == gone && same_messages(item, messages, count))) {
        struct item unused = {.messages = messages, .count = count};
        free_messages(&unused);
        return;
    }
    if (!item) {
        item = skr_must(calloc(1, sizeof(*item)));
        item->key.kind = kind;
        memcpy(item->key.id, id, id_size);
        HASH_ADD(hh, report->items, key, sizeof(item->key), item);
    } else {
        free_messages(item);
    }
    item->messages = messages;
    item->count = count;
    item->gone = gone;
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

void skr_report_learned(struct skr_report *report, const struct skr_learned *learned)
{
    uint8_t id[32];
    Skerry__V1__LearnedAddress *message = skr_must(malloc(sizeof(*message)));
    skerry__v1__learned_address__init(message);
    message->adapter_id = bytes(learned->adapter_id.bytes, sizeof(learned->adapter_id.bytes));
    message->customer_address = address_bytes(&learned->customer_address);
    message->mac = bytes(learned->mac.bytes, sizeof(learned->mac.bytes));
    message->evidence = learned->evidence;
    message->withdrawn = learned->withdrawn;
    memcpy(id, learned->adapter_id.bytes, 16);
    memcpy(id + 16, learned->customer_address.bytes, 16);
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

static void forget_adapter(struct skr_report *report, const struct skr_uuid *adapter_id)
{
    struct item *item, *next;
    HASH_ITER (hh, report->items, item, next)
        if ((item->key.kind == KIND_LEARNED || item->key.kind == KIND_BINDING || item->key.kind == KIND_MOVED) &&
            memcmp(item->key.id, adapter_id->bytes, sizeof(adapter_id->bytes)) == 0)
            item_free(report, item);
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
    message->reason = text(message->bound ? "" : reason);
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
    tell_one(report, KIND_MOVED, adapter_id->bytes, sizeof(adapter_id->bytes), &message->base, false);
}

void skr_report_claim(struct skr_report *report, const struct skr_uuid *adapter_id, const char *interface, bool present)
{
    Skerry__V1__Claim *message = skr_must(malloc(sizeof(*message)));
    skerry__v1__claim__init(message);
    message->adapter_id = bytes(adapter_id->bytes, sizeof(adapter_id->bytes));
    message->interface = text(interface);
    message->withdrawn = !present;
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
    for (size_t i = 0; i < count; i++)
        messages[i] = &skr_report_interface_message(&interfaces[i])->base;
    tell(report, KIND_INTERFACES, "", 0, messages, count, false);
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

static void add_item(Skerry__V1__Report *out, const struct item *item)
{
    for (size_t i = 0; i < item->count; i++) {
        void *message = copy_message(item->messages[i]);
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

static void forget_gone_and_mark_all(struct skr_report *report)
{
    struct item *item, *next;
    HASH_ITER (hh, report->items, item, next) {
        if (item->gone) {
            item_free(report, item);
        } else if (!item->dirty) {
            item->dirty = true;
            report->dirty_count++;
        }
    }
}

Skerry__V1__Envelope *skr_report_take(struct skr_report *report, bool whole)
{
    if (whole)
        forget_gone_and_mark_all(report); /* who hears everything need not hear what was withdrawn */
    if (!whole && report->dirty_count == 0 && !report->counted)
        return NULL;
    Skerry__V1__Envelope *envelope = skr_must(malloc(sizeof(*envelope)));
    skerry__v1__envelope__init(envelope);
    Skerry__V1__Report *out = envelope->report = skr_must(malloc(sizeof(*out)));
    skerry__v1__report__init(out);
    envelope->body_case = SKERRY__V1__ENVELOPE__BODY_REPORT;
    out->sequence = ++report->sequence;
    out->whole = whole;
    out->dropped_packets = report->dropped;
    out->rx_packets = report->rx_packets;
    out->tx_packets = report->tx_packets;
    report->counted = false;
    size_t size = 0;
    struct item *item, *next;
    HASH_ITER (hh, report->items, item, next) {
        if (!item->dirty)
            continue;
        if (size + item->size > REPORT_BYTES_MAX && size > 0)
            break;
        size += item->size;
        add_item(out, item);
        item->dirty = false;
        report->dirty_count--;
        if (item->gone)
            item_free(report, item);
    }
    return envelope;
}
