/* This file takes what an agent reports. An agent speaks for its own slice alone: adapters that are on its host, and
 * claims. An item that is not taken is a refusal in the answer, never a failed write, so one bad item does not hold up
 * the others.
 *
 * A report is taken in pieces, each a write of its own: section by section, first what it says, then, after the last
 * part of a whole report, what it does not name. Rows that another write changed in between are looked at as they are
 * now. */
#include "controller/model/report.h"
#include <skerry/clock.h>
#include <skerry/text.h>

#define PIECE_NS (5 * SKR_NS_PER_MS)

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static void copy_bytes(ProtobufCBinaryData *ret, const void *data, size_t size)
{
    ret->data = size ? malloc(size) : NULL;
    if (size && !ret->data)
        abort();
    if (size)
        memcpy(ret->data, data, size);
    ret->len = size;
}

int skr_report_refuse(struct skr_report *report, const ProtobufCBinaryData *adapter_id,
                      const ProtobufCBinaryData *address, uint64_t number, const char *reason)
{
    Skerry__V1__ReportAccepted *accepted = report->accepted;
    Skerry__V1__Refusal *refusal = malloc(sizeof(*refusal));
    accepted->refusals = reallocarray(accepted->refusals, accepted->n_refusals + 1, sizeof(*accepted->refusals));
    if (!refusal || !accepted->refusals)
        abort();
    skerry__v1__refusal__init(refusal);
    copy_bytes(&refusal->adapter_id, adapter_id->data, adapter_id->len);
    if (address)
        copy_bytes(&refusal->customer_address, address->data, address->len);
    refusal->number = number;
    refusal->reason = strdup(reason);
    if (!refusal->reason)
        abort();
    accepted->refusals[accepted->n_refusals++] = refusal;
    return 0;
}

bool skr_report_uuid(const ProtobufCBinaryData *data, struct skr_uuid *ret)
{
    if (data->len != sizeof(ret->bytes))
        return false;
    memcpy(ret->bytes, data->data, sizeof(ret->bytes));
    return true;
}

bool skr_report_address(const ProtobufCBinaryData *data, struct skr_address *ret)
{
    if (data->len == 16)
        memcpy(ret->bytes, data->data, 16);
    else if (data->len == 4) {
        uint32_t v4;
        memcpy(&v4, data->data, sizeof(v4));
        *ret = skr_address_from_v4(v4);
    }
    return data->len == 16 || data->len == 4;
}

int skr_report_own_adapter(struct skr_report *report, const ProtobufCBinaryData *id, struct skr_object **ret,
                           struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    struct skr_uuid adapter_id;
    if (!skr_report_uuid(id, &adapter_id))
        return 0;
    int r = skr_txn_get(report->txn, SKR_NETWORK_ADAPTER, &adapter_id, NULL, &adapter, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct skr_uuid host_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    if (!skr_uuid_equal(&host_id, &report->host_id))
        return 0;
    *ret = SKR_TAKE(adapter);
    return 1;
}

/* ---- names ---- */

struct skr_report_names *skr_report_names_new(int64_t began_ms)
{
    struct skr_report_names *names = calloc(1, sizeof(*names));
    if (!names)
        abort();
    names->began_ms = began_ms;
    return names;
}

void skr_report_names_free(struct skr_report_names *names)
{
    if (!names)
        return;
    skr_ids_cleanup(&names->claims);
    skr_ids_cleanup(&names->bindings);
    skr_ids_cleanup(&names->learned);
    skr_ids_cleanup(&names->findings);
    skr_ids_cleanup(&names->gone);
    free(names);
}

void skr_report_name(struct skr_report_names *names, struct skr_ids *ids, const struct skr_uuid *id)
{
    if (ids->count < SKR_REPORT_NAMES_MAX)
        skr_ids_add(ids, id);
    else
        names->too_many = true;
}

/* ---- bindings ---- */

static const struct skr_query bound_on_host = {"SELECT id FROM network_adapter WHERE host_id = ?1 AND bound = 1"};

/* Once, when a host begins to say so: counts follow in the status. */
static int tell_other_mac(struct skr_txn *txn, const struct skr_object *before, const struct skr_object *after,
                          struct skr_error *error)
{
    const char *was = skr_object_text(before, SKR_NETWORK_ADAPTER_BOUND_REASON);
    const char *is = skr_object_text(after, SKR_NETWORK_ADAPTER_BOUND_REASON);
    bool had = was && skr_object_integer(before, SKR_NETWORK_ADAPTER_BOUND);
    if (!is || had || !skr_object_integer(after, SKR_NETWORK_ADAPTER_BOUND))
        return 0;
    struct skr_uuid host_id = skr_object_uuid(after, SKR_NETWORK_ADAPTER_HOST_ID);
    return skr_event_add(
            txn, "GuestMacDiffers", after, &host_id, error,
            "The VM of network adapter \"%.100s\" sends from another MAC than the adapter's, and what it sends "
            "so is dropped. %.255s.",
            skr_object_name(after), is);
}

static int set_bound(struct skr_txn *txn, struct skr_object *adapter, bool bound, const char *interface,
                     const char *reason, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(adapter);
    char text[SKR_TEXT_MAX];
    skr_object_set_integer(after, SKR_NETWORK_ADAPTER_BOUND, bound);
    snprintf(text, sizeof(text), "%.15s", text_of(interface));
    skr_utf8_mend(text);
    skr_object_set_text(after, SKR_NETWORK_ADAPTER_BOUND_INTERFACE, *text ? text : NULL);
    snprintf(text, sizeof(text), "%.255s", text_of(reason));
    skr_utf8_mend(text);
    skr_object_set_text(after, SKR_NETWORK_ADAPTER_BOUND_REASON, *text ? text : NULL);
    int r = skr_txn_update(txn, adapter, after, error);
    if (r == 0)
        r = tell_other_mac(txn, adapter, after, error);
    return r < 0 ? r : skr_adapter_move_settle(txn, after, error);
}

static int take_binding(struct skr_report *report, size_t index, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    const Skerry__V1__PortBinding *binding = report->body->bindings[index];
    int r = skr_report_own_adapter(report, &binding->adapter_id, &adapter, error);
    if (r < 0)
        return r;
    if (r == 0) {
        r = skr_report_target_binding(report, binding, error);
        return r ? r < 0 ? r : 0 : skr_report_refuse(report, &binding->adapter_id, NULL, 0, "not_on_this_host");
    }
    struct skr_uuid id = skr_object_id(adapter);
    if (binding->bound)
        SKR_REPORT_NAME(report, bindings, &id);
    return set_bound(report->txn, adapter, binding->bound, binding->interface, binding->reason, error);
}

static int lose_binding(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    const ProtobufCBinaryData bytes = {sizeof(id->bytes), (uint8_t *)id->bytes};
    int r = skr_report_own_adapter(report, &bytes, &adapter, error);
    return r <= 0 ? r : set_bound(report->txn, adapter, false, NULL, "no_interface", error);
}

/* ---- inventory ---- */

json_t *skr_inventory_json(Skerry__V1__Interface *const *interfaces, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count && json_array_size(list) < SKR_INVENTORY_MAX; i++) {
        const Skerry__V1__Interface *one = interfaces[i];
        char mac[SKR_MAC_TEXT_MAX] = "";
        struct skr_mac bytes;
        if (!one->name || !skr_interface_name_valid(one->name) ||
            (one->kind && strlen(one->kind) > SKR_INVENTORY_KIND_MAX))
            continue; /* no kernel names an interface so */
        if (one->mac.len == sizeof(bytes.bytes)) {
            memcpy(bytes.bytes, one->mac.data, sizeof(bytes.bytes));
            skr_mac_format(&bytes, mac);
        }
        json_t *entry = json_pack("{s:s?, s:s, s:I, s:I, s:b, s:I, s:I, s:s?}", "name", one->name, "mac", mac, "mtu",
                                  (json_int_t)one->mtu, "speed_mbps", (json_int_t)one->speed_mbps, "link",
                                  (int)one->link_up, "rx_queues", (json_int_t)one->rx_queues, "tx_queues",
                                  (json_int_t)one->tx_queues, "kind", one->kind);
        if (entry) /* NULL: a text that is no UTF-8 */
            json_array_append_new(list, entry);
    }
    return list;
}

/* The whole inventory is one item. */
static int take_interfaces(struct skr_report *report, size_t index, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = NULL;
    if (index > 0)
        return 0;
    after = skr_object_copy(report->host);
    skr_object_set_json(after, SKR_HOST_INVENTORY,
                        skr_inventory_json(report->body->interfaces, report->body->n_interfaces));
    return skr_txn_update(report->txn, report->host, after, error);
}

/* ---- drift ---- */

static const struct skr_query findings_of_host = {
        "SELECT id FROM compliance WHERE host_id = ?1 AND +object_kind <> '" SKR_HELD_PROFILE "'"};

/* The agent's key is its own affair; hashed with the host's id no agent can touch another's rows. */
static struct skr_uuid finding_id(const struct skr_report *report, const Skerry__V1__DriftItem *item)
{
    uint8_t both[32] = {0}, hash[SKR_TLS_HASH_SIZE];
    struct skr_uuid id;
    memcpy(both, report->host_id.bytes, 16);
    memcpy(both + 16, item->key.data, 16);
    skr_sha256(both, sizeof(both), hash);
    memcpy(id.bytes, hash, sizeof(id.bytes));
    return id;
}

static void set_finding(struct skr_object *row, const struct skr_report *report, const Skerry__V1__DriftItem *item)
{
    const struct {
        int field;
        const char *text;
    } texts[] = {{SKR_FIELD_NAME, item->object},
                 {SKR_COMPLIANCE_OBJECT_KIND, item->object_kind},
                 {SKR_COMPLIANCE_OBJECT, item->object},
                 {SKR_COMPLIANCE_FIELD, item->field},
                 {SKR_COMPLIANCE_EXPECTED, item->expected},
                 {SKR_COMPLIANCE_FOUND, item->found}};
    struct skr_uuid object_id;
    char copy[SKR_NAME_MAX + 1];
    for (size_t i = 0; i < SKR_ARRAY_SIZE(texts); i++) {
        snprintf(copy, sizeof(copy), "%s", text_of(texts[i].text));
        skr_utf8_mend(copy);
        skr_object_set_text(row, texts[i].field, copy);
    }
    skr_object_set_uuid(row, SKR_COMPLIANCE_HOST_ID, &report->host_id);
    skr_object_set_null(row, SKR_COMPLIANCE_OBJECT_ID);
    if (skr_report_uuid(&item->object_id, &object_id))
        skr_object_set_uuid(row, SKR_COMPLIANCE_OBJECT_ID, &object_id);
    skr_object_set_integer(row, SKR_COMPLIANCE_SINCE, item->since_ms);
}

static int count_findings(struct skr_report *report, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids open = {0};
    if (report->findings >= 0)
        return 0;
    int r = skr_ids_query(report->txn, &findings_of_host, &report->host_id, &open, error);
    report->findings = (int64_t)open.count;
    return r;
}

/* A finding that cuts guests or tunnels off is worth an event, once, when it comes. */
static int tell_finding(struct skr_report *report, const Skerry__V1__DriftItem *item, const struct skr_object *row,
                        struct skr_error *error)
{
    const char *kind = text_of(item->object_kind), *object = text_of(item->object), *field = text_of(item->field),
               *expected = text_of(item->expected), *found = text_of(item->found),
               *host = skr_object_name(report->host);
    if (!strcmp(kind, "interface") && !strcmp(field, "closed"))
        return skr_event_add(report->txn, "PortClosed", row, &report->host_id, error,
                             "Host \"%.100s\" keeps interface %.15s of a guest closed: %.95s.", host, object, found);
    if (!strcmp(kind, "uplink") && !strcmp(field, "carrier"))
        return skr_event_add(
                report->txn, "UplinkCarrierLost", row, &report->host_id, error,
                "Uplink %.15s of host \"%.100s\" has lost its carrier: look at the cable, the switch's port "
                "and its settings.",
                object, host);
    if (!strcmp(field, "station"))
        return skr_event_add(report->txn, "ProviderAddressClaimed", row, &report->host_id, error,
                             "A station with MAC %.17s claims provider address %.45s of host \"%.100s\", whose MAC is "
                             "%.17s: forged ARP, or an address that is used twice.",
                             found, object, host, expected);
    if (!strcmp(field, "next_hop_mac"))
        return skr_event_add(
                report->txn, "ProviderAddressClaimed", row, &report->host_id, error,
                "MAC %.17s answers for %.45s, the next hop of host \"%.100s\" to provider addresses, where "
                "%.17s did: forged ARP, or a station that was replaced.",
                found, object, host, expected);
    return 0;
}

static int take_drift(struct skr_report *report, size_t index, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL, *after = NULL;
    const Skerry__V1__DriftItem *item = report->body->drift[index];
    if (item->key.len != 16 || !strcmp(text_of(item->object_kind), SKR_HELD_PROFILE))
        return 0; /* what is held back is the controller's affair */
    struct skr_uuid id = finding_id(report, item);
    int r = count_findings(report, error);
    if (r == 0)
        r = skr_txn_get(report->txn, SKR_COMPLIANCE, &id, NULL, &row, error);
    if (r < 0 && r != -ENOENT)
        return r;
    if (item->resolved)
        return row ? report->findings--, skr_txn_delete(report->txn, row, error) : 0;
    SKR_REPORT_NAME(report, findings, &id);
    if (!row && report->findings >= SKR_COMPLIANCE_MAX)
        return 0;
    after = row ? skr_object_copy(row) : skr_row_new(SKR_COMPLIANCE);
    skr_object_set_uuid(after, SKR_FIELD_ID, &id);
    set_finding(after, report, item);
    report->findings += row ? 0 : 1;
    if (row)
        return skr_txn_update(report->txn, row, after, error);
    r = skr_txn_insert(report->txn, after, error);
    return r < 0 ? r : tell_finding(report, item, after, error);
}

static int lose_finding(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
    int r = skr_txn_get(report->txn, SKR_COMPLIANCE, id, NULL, &row, error);
    return r == -ENOENT ? 0 : r < 0 ? r : skr_txn_delete(report->txn, row, error);
}

/* ---- all of it ---- */

static const struct skr_query
        waiting_of_host = {"SELECT adapter_id FROM waiting_claim WHERE host_id = ?1"},
        claimed_on_host = {"SELECT id FROM network_adapter WHERE host_id = ?1 AND claimed = 1"},
        claimed_on_target = {"SELECT id FROM network_adapter WHERE target_host_id = ?1 AND target_claimed = 1"},
        bound_on_target = {"SELECT id FROM network_adapter WHERE target_host_id = ?1 AND target_interface IS NOT NULL"},
        dynamic_on_host = {"SELECT id FROM lookup_record WHERE host_id = ?1 AND type = 'dynamic'"};

/* In this order: what comes first says which adapters are here, what follows speaks of them. */
static const struct section {
    size_t count; /* of the list, in the message */
    skr_report_take_fn *take;
    const struct skr_query *rows; /* what the host has, for the sections of what is gone */
    size_t named;                 /* in struct skr_report_names */
    skr_report_lose_fn *lose;
} sections[] = {
        {.count = offsetof(Skerry__V1__Report, n_interfaces), .take = take_interfaces},
        {.count = offsetof(Skerry__V1__Report, n_moved), .take = skr_report_take_moved},
        {.count = offsetof(Skerry__V1__Report, n_claims), .take = skr_report_take_claim},
        {.count = offsetof(Skerry__V1__Report, n_bindings), .take = take_binding},
        {.count = offsetof(Skerry__V1__Report, n_learned), .take = skr_report_take_learned},
        {.count = offsetof(Skerry__V1__Report, n_drift), .take = take_drift},
        {.rows = &waiting_of_host, .named = offsetof(struct skr_report_names, claims), .lose = skr_report_lose_waiting},
        {.rows = &claimed_on_host, .named = offsetof(struct skr_report_names, claims), .lose = skr_report_lose_claim},
        {.rows = &claimed_on_target,
         .named = offsetof(struct skr_report_names, claims),
         .lose = skr_report_lose_target_claim},
        {.rows = &bound_on_host, .named = offsetof(struct skr_report_names, bindings), .lose = lose_binding},
        {.rows = &bound_on_target,
         .named = offsetof(struct skr_report_names, bindings),
         .lose = skr_report_lose_target_binding},
        {.rows = &dynamic_on_host,
         .named = offsetof(struct skr_report_names, learned),
         .lose = skr_report_lose_learned},
        {.rows = &findings_of_host, .named = offsetof(struct skr_report_names, findings), .lose = lose_finding},
};

/* Before the first row of such a section: the rows that were not named. */
static int find_gone(struct skr_report *report, const struct section *section, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids rows = {0};
    struct skr_report_names *names = report->names;
    const struct skr_ids *named = (const void *)((const char *)names + section->named);
    if (!names->sorted) {
        skr_ids_sort(&names->claims);
        skr_ids_sort(&names->bindings);
        skr_ids_sort(&names->learned);
        skr_ids_sort(&names->findings);
        names->sorted = true;
    }
    names->gone.count = 0;
    int r = skr_ids_query(report->txn, section->rows, &report->host_id, &rows, error);
    for (size_t i = 0; r == 0 && i < rows.count; i++)
        if (!skr_ids_search(named, &rows.items[i]))
            skr_ids_add(&names->gone, &rows.items[i]);
    return r;
}

/* Takes one item, or row, of the place's section. 1: it is done, there may be more. 0: the section has no more. */
static int take_next(struct skr_report *report, const struct skr_report_place *place, struct skr_error *error)
{
    const struct section *section = &sections[place->section];
    int r = 0;
    if (section->take) {
        size_t count = *(const size_t *)(const void *)((const char *)report->body + section->count);
        if (place->index >= count)
            return 0;
        r = section->take(report, place->index, error);
        return r < 0 ? r : 1;
    }
    if (!report->names || report->body->more || report->names->too_many)
        return 0;
    if (place->index == 0)
        r = find_gone(report, section, error);
    if (r < 0 || place->index >= report->names->gone.count)
        return r;
    r = section->lose(report, &report->names->gone.items[place->index], error);
    return r < 0 ? r : 1;
}

static int take_piece(struct skr_report *report, struct skr_report_write *write, struct skr_error *error)
{
    int64_t until_ns = skr_clock_monotonic_ns() + PIECE_NS;
    unsigned taken = 0;
    while (write->next.section < SKR_ARRAY_SIZE(sections)) {
        if (taken == SKR_REPORT_PIECE_MAX || (taken && skr_clock_monotonic_ns() >= until_ns))
            return 0;
        int r = take_next(report, &write->next, error);
        if (r < 0)
            return r;
        taken += (unsigned)r;
        write->next = r ? (struct skr_report_place){write->next.section, write->next.index + 1}
                        : (struct skr_report_place){write->next.section + 1, 0};
    }
    write->done = true;
    return 0;
}

static int check_host(struct skr_report *report, struct skr_error *error)
{
    int r = skr_txn_get(report->txn, SKR_HOST, &report->host_id, NULL, &report->host, error);
    if (r == -ENOENT || (r == 0 && !skr_host_in_service(report->host)))
        return skr_error_set(error, SKR_ERROR_FORBIDDEN, "The host that reports is not in service.");
    return r;
}

static int take_report(struct skr_report *report, struct skr_report_write *write, struct skr_error *error)
{
    bool rolled_back;
    int r = skr_model_rolled_back(report->txn, &rolled_back, error);
    if (r == 0)
        r = check_host(report, error);
    if (r < 0)
        return r;
    if (!rolled_back && !write->held)
        return take_piece(report, write, error);
    /* Hosts keep what they have, and nothing is taken until the database is accepted; but what they have is seen. */
    write->done = true;
    return rolled_back && write->held ? skr_report_apply_held(report, error) : 0;
}

int skr_model_report(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    struct skr_report_write *write = argument;
    if (write->accepted) /* of the piece before, or of a run whose batch was rolled back */
        skerry__v1__report_accepted__free_unpacked(SKR_TAKE(write->accepted), NULL);
    write->accepted = malloc(sizeof(*write->accepted));
    if (!write->accepted)
        abort();
    skerry__v1__report_accepted__init(write->accepted);
    write->accepted->sequence = write->report->sequence;
    write->next = write->begin;
    write->done = false;
    write->question_count = 0;
    struct skr_report report = {.txn = txn,
                                .host_id = write->host_id,
                                .body = write->report,
                                .accepted = write->accepted,
                                .names = write->names,
                                .evidence = write->evidence,
                                .write = write,
                                .received_ms = write->received_ms,
                                .findings = -1};
    int r = take_report(&report, write, error);
    skr_object_unref(report.host);
    return r;
}
