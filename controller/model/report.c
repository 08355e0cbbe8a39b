/* What an agent reported. An agent speaks for its own slice alone: adapters that are on its host, and claims. What is
 * not taken is a refusal in the answer, never a failed write, so one bad item does not hold up the others. */
#include "controller/model/report.h"

int skr_report_refuse(struct skr_report *report, const ProtobufCBinaryData *adapter_id,
                      const ProtobufCBinaryData *address, const char *reason)
{
    Skerry__V1__ReportAccepted *accepted = report->accepted;
    Skerry__V1__Refusal *refusal = malloc(sizeof(*refusal));
    accepted->refusals = reallocarray(accepted->refusals, accepted->n_refusals + 1, sizeof(*accepted->refusals));
    if (!refusal || !accepted->refusals)
        abort();
    skerry__v1__refusal__init(refusal);
    skr_report_bytes(&refusal->adapter_id, adapter_id->data, adapter_id->len);
    if (address)
        skr_report_bytes(&refusal->customer_address, address->data, address->len);
    refusal->reason = strdup(reason);
    if (!refusal->reason)
        abort();
    accepted->refusals[accepted->n_refusals++] = refusal;
    return 0;
}

void skr_report_bytes(ProtobufCBinaryData *ret, const void *data, size_t size)
{
    ret->data = size ? malloc(size) : NULL;
    if (size && !ret->data)
        abort();
    if (size)
        memcpy(ret->data, data, size);
    ret->len = size;
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

/* ---- bindings ---- */

static const struct skr_query bound_on_host = {"SELECT id FROM network_adapter WHERE host_id = ?1 AND bound = 1"};

static int set_bound(struct skr_txn *txn, struct skr_object *adapter, bool bound, const char *interface,
                     const char *reason, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(adapter);
    char text[SKR_TEXT_MAX];
    skr_object_set_integer(after, SKR_NETWORK_ADAPTER_BOUND, bound);
    snprintf(text, sizeof(text), "%.15s", interface ? interface : "");
    skr_object_set_text(after, SKR_NETWORK_ADAPTER_BOUND_INTERFACE, *text ? text : NULL);
    snprintf(text, sizeof(text), "%.255s", reason ? reason : "");
    skr_object_set_text(after, SKR_NETWORK_ADAPTER_BOUND_REASON, *text ? text : NULL);
    int r = skr_txn_update(txn, adapter, after, error);
    return r < 0 ? r : skr_adapter_move_settle(txn, after, error);
}

static int take_binding(struct skr_report *report, const Skerry__V1__PortBinding *binding, struct skr_ids *named,
                        struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    int r = skr_report_own_adapter(report, &binding->adapter_id, &adapter, error);
    if (r < 0)
        return r;
    if (r == 0) {
        r = skr_report_target_binding(report, binding, named, error);
        return r ? r < 0 ? r : 0 : skr_report_refuse(report, &binding->adapter_id, NULL, "not_on_this_host");
    }
    struct skr_uuid id = skr_object_id(adapter);
    if (binding->bound)
        skr_ids_add(named, &id);
    return set_bound(report->txn, adapter, binding->bound, binding->interface, binding->reason, error);
}

static int take_bindings(struct skr_report *report, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids named = {0}, bound = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < report->body->n_bindings; i++)
        r = take_binding(report, report->body->bindings[i], &named, error);
    if (r < 0 || !report->body->whole)
        return r;
    skr_ids_sort(&named);
    r = skr_ids_query(report->txn, &bound_on_host, &report->host_id, &bound, error);
    for (size_t i = 0; r == 0 && i < bound.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
        if (skr_ids_search(&named, &bound.items[i]))
            continue;
        r = skr_fetch(report->txn, SKR_NETWORK_ADAPTER, &bound.items[i], &adapter, error);
        if (r == 0)
            r = set_bound(report->txn, adapter, false, NULL, "no_interface", error);
    }
    return r < 0 ? r : skr_report_target_unnamed(report, &named, error);
}

/* ---- inventory ---- */

json_t *skr_inventory_json(Skerry__V1__Interface *const *interfaces, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count && i < SKR_INVENTORY_MAX; i++) {
        const Skerry__V1__Interface *one = interfaces[i];
        char mac[SKR_MAC_TEXT_MAX] = "";
        struct skr_mac bytes;
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

static int take_interfaces(struct skr_report *report, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *after = NULL;
    if (!report->body->n_interfaces)
        return 0;
    int r = skr_fetch(report->txn, SKR_HOST, &report->host_id, &host, error);
    if (r < 0)
        return r;
    after = skr_object_copy(host);
    skr_object_set_json(after, SKR_HOST_INVENTORY,
                        skr_inventory_json(report->body->interfaces, report->body->n_interfaces));
    return skr_txn_update(report->txn, host, after, error);
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
        snprintf(copy, sizeof(copy), "%s", texts[i].text ? texts[i].text : "");
        skr_object_set_text(row, texts[i].field, copy);
    }
    skr_object_set_uuid(row, SKR_COMPLIANCE_HOST_ID, &report->host_id);
    skr_object_set_null(row, SKR_COMPLIANCE_OBJECT_ID);
    if (skr_report_uuid(&item->object_id, &object_id))
        skr_object_set_uuid(row, SKR_COMPLIANCE_OBJECT_ID, &object_id);
    skr_object_set_integer(row, SKR_COMPLIANCE_SINCE, item->since_ms);
}

static int take_drift_item(struct skr_report *report, const Skerry__V1__DriftItem *item, size_t *open,
                           struct skr_ids *named, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL, *after = NULL;
    if (item->key.len != 16 || (item->object_kind && !strcmp(item->object_kind, SKR_HELD_PROFILE)))
        return 0; /* what is held back is the controller's affair */
    struct skr_uuid id = finding_id(report, item);
    int r = skr_txn_get(report->txn, SKR_COMPLIANCE, &id, NULL, &row, error);
    if (r < 0 && r != -ENOENT)
        return r;
    if (item->resolved)
        return row ? (*open)--, skr_txn_delete(report->txn, row, error) : 0;
    skr_ids_add(named, &id);
    if (!row && *open >= SKR_COMPLIANCE_MAX)
        return 0;
    after = row ? skr_object_copy(row) : skr_row_new(SKR_COMPLIANCE);
    skr_object_set_uuid(after, SKR_FIELD_ID, &id);
    set_finding(after, report, item);
    *open += row ? 0 : 1;
    return row ? skr_txn_update(report->txn, row, after, error) : skr_txn_insert(report->txn, after, error);
}

static int take_drift(struct skr_report *report, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids open = {0}, named = {0};
    if (!report->body->n_drift && !report->body->whole)
        return 0;
    int r = skr_ids_query(report->txn, &findings_of_host, &report->host_id, &open, error);
    size_t count = open.count;
    for (size_t i = 0; r == 0 && i < report->body->n_drift; i++)
        r = take_drift_item(report, report->body->drift[i], &count, &named, error);
    skr_ids_sort(&named);
    for (size_t i = 0; r == 0 && report->body->whole && i < open.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
        if (skr_ids_search(&named, &open.items[i]))
            continue;
        r = skr_txn_get(report->txn, SKR_COMPLIANCE, &open.items[i], NULL, &row, error);
        r = r == -ENOENT ? 0 : r < 0 ? r : skr_txn_delete(report->txn, row, error);
    }
    return r;
}

/* ---- all of it ---- */

static int check_host(struct skr_report *report, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    int r = skr_txn_get(report->txn, SKR_HOST, &report->host_id, NULL, &host, error);
    if (r == -ENOENT || (r == 0 && !skr_host_in_service(host)))
        return skr_error_set(error, SKR_ERROR_FORBIDDEN, "The host that reports is not in service.");
    return r;
}

int skr_model_report(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    struct skr_report_write *write = argument;
    if (write->accepted)
        skerry__v1__report_accepted__free_unpacked(SKR_TAKE(write->accepted), NULL);
    write->accepted = malloc(sizeof(*write->accepted));
    if (!write->accepted)
        abort();
    skerry__v1__report_accepted__init(write->accepted);
    write->accepted->sequence = write->report->sequence;
    struct skr_report report = {
            .txn = txn, .host_id = write->host_id, .body = write->report, .accepted = write->accepted};
    bool rolled_back;
    int r = skr_model_rolled_back(txn, &rolled_back, error);
    if (r == 0)
        r = check_host(&report, error);
    if (r < 0)
        return r;
    /* Hosts keep what they have, and nothing is taken until the database is accepted; but what they have is seen. */
    if (rolled_back || write->held)
        return rolled_back && write->held ? skr_report_apply_held(&report, error) : 0;
    r = take_interfaces(&report, error);
    if (r == 0) /* first: what follows speaks of adapters that are here */
        r = skr_report_apply_moved(&report, error);
    if (r == 0)
        r = skr_report_apply_claims(&report, error);
    if (r == 0)
        r = take_bindings(&report, error);
    if (r == 0)
        r = skr_report_apply_learned(&report, error);
    return r < 0 ? r : take_drift(&report, error);
}
