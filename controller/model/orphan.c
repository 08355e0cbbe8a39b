/* Orphans: what hosts hold that a restored or rolled back database does not have. Agents tell what they hold when they
 * are welcomed by such a database; each report replaces its host's rows, accepting the database removes all. Nothing
 * else is taken from a report then. */
#include "controller/model/report.h"

static const struct skr_query of_host = {"SELECT id FROM orphan WHERE host_id = ?1 ORDER BY id"};
static const struct skr_query all_orphans = {"SELECT id FROM orphan WHERE id >= ?1 ORDER BY id"};

static const struct {
    Skerry__V1__ObjectType type;
    enum skr_resource_id resource;
} kinds[] = {
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, SKR_NETWORK_ADAPTER},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS, SKR_PROVIDER_ADDRESS},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH, SKR_HOST_SWITCH},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_ACCESS_CONTROL_LIST, SKR_ACCESS_CONTROL_LIST},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN, SKR_VM_NETWORK},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET, SKR_VM_SUBNET},
        {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_CUSTOMER_ROUTE, SKR_CUSTOMER_ROUTE},
};

static const struct skr_resource *resource_of(Skerry__V1__ObjectType type)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++)
        if (kinds[i].type == type)
            return skr_resource_get(kinds[i].resource);
    return NULL;
}

/* A host has one row of one object, whatever it calls it. */
static struct skr_uuid row_id(const struct skr_uuid *host_id, const struct skr_resource *resource,
                              const struct skr_uuid *object_id)
{
    uint8_t all[33], hash[SKR_TLS_HASH_SIZE];
    struct skr_uuid id;
    memcpy(all, host_id->bytes, 16);
    memcpy(all + 16, object_id->bytes, 16);
    all[32] = (uint8_t)resource->id;
    skr_sha256(all, sizeof(all), hash);
    memcpy(id.bytes, hash, sizeof(id.bytes));
    return id;
}

/* 1: the database has it as the host does; 0: it has not, *ret_reason says what it has. */
static int look_up(struct skr_report *report, const struct skr_resource *resource, const struct skr_uuid *object_id,
                   const char **ret_reason, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
    int r = skr_txn_get(report->txn, resource->id, object_id, NULL, &row, error);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_reason = "not in the database";
    if (r == -ENOENT || resource->id != SKR_NETWORK_ADAPTER)
        return r == 0;
    struct skr_uuid at = skr_object_uuid(row, SKR_NETWORK_ADAPTER_HOST_ID),
                    to = skr_object_uuid(row, SKR_NETWORK_ADAPTER_TARGET_HOST_ID);
    *ret_reason = skr_uuid_is_nil(&at) ? "on no host in the database" : "on another host in the database";
    return skr_uuid_equal(&at, &report->host_id) || skr_uuid_equal(&to, &report->host_id);
}

/* A name that a host sends is shown to people, so it must be short UTF-8 text without control characters. */
static bool is_name(const char *text)
{
    json_t *json = text && *text && strlen(text) <= SKR_NAME_MAX ? json_string(text) : NULL; /* NULL: no UTF-8 */
    for (const char *c = text; json && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            json_decref(SKR_TAKE(json));
    bool is = json != NULL;
    json_decref(json);
    return is;
}

static void set_row(struct skr_object *row, const struct skr_report *report, const struct skr_resource *resource,
                    const Skerry__V1__HeldObject *held, const char *reason)
{
    struct skr_uuid object_id, vm_network_id;
    skr_report_uuid(&held->id, &object_id);
    skr_object_set_text(row, SKR_FIELD_NAME, is_name(held->name) ? held->name : resource->name);
    skr_object_set_uuid(row, SKR_ORPHAN_HOST_ID, &report->host_id);
    skr_object_set_text(row, SKR_ORPHAN_OBJECT_KIND, resource->name);
    skr_object_set_uuid(row, SKR_ORPHAN_OBJECT_ID, &object_id);
    skr_object_set_null(row, SKR_ORPHAN_VM_NETWORK_ID);
    if (skr_report_uuid(&held->vm_network_id, &vm_network_id))
        skr_object_set_uuid(row, SKR_ORPHAN_VM_NETWORK_ID, &vm_network_id);
    skr_object_set_text(row, SKR_ORPHAN_REASON, reason);
}

static int take(struct skr_report *report, const Skerry__V1__HeldObject *held, struct skr_ids *named,
                struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL, *after = NULL;
    const struct skr_resource *resource = resource_of(held->type);
    struct skr_uuid object_id;
    const char *reason;
    if (!resource || !skr_report_uuid(&held->id, &object_id))
        return 0;
    int r = look_up(report, resource, &object_id, &reason, error);
    if (r != 0)
        return r < 0 ? r : 0;
    struct skr_uuid id = row_id(&report->host_id, resource, &object_id);
    skr_ids_add(named, &id);
    r = skr_txn_get(report->txn, SKR_ORPHAN, &id, NULL, &row, error);
    if (r < 0 && r != -ENOENT)
        return r;
    after = row ? skr_object_copy(row) : skr_row_new(SKR_ORPHAN);
    set_row(after, report, resource, held, reason);
    if (row)
        return skr_txn_update(report->txn, row, after, error);
    skr_object_set_uuid(after, SKR_FIELD_ID, &id);
    skr_object_set_integer(after, SKR_ORPHAN_SINCE, skr_txn_now_ms(report->txn));
    return skr_txn_insert(report->txn, after, error);
}

/* All of `ids` that are not in `kept` (sorted). */
static int forget(struct skr_txn *txn, const struct skr_ids *ids, const struct skr_ids *kept, struct skr_error *error)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < ids->count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
        if (skr_ids_search(kept, &ids->items[i]))
            continue;
        r = skr_fetch(txn, SKR_ORPHAN, &ids->items[i], &row, error);
        if (r == 0)
            r = skr_txn_delete(txn, row, error);
    }
    return r;
}

int skr_report_apply_held(struct skr_report *report, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids before = {0}, named = {0};
    int r = skr_ids_query(report->txn, &of_host, &report->host_id, &before, error);
    for (size_t i = 0; r == 0 && i < report->body->n_held && named.count < SKR_ORPHANS_MAX; i++)
        r = take(report, report->body->held[i], &named, error);
    skr_ids_sort(&named);
    return r < 0 ? r : forget(report->txn, &before, &named, error);
}

int skr_orphans_forget(struct skr_txn *txn, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    static const struct skr_uuid first;
    static const struct skr_ids none;
    int r = skr_ids_query(txn, &all_orphans, &first, &ids, error);
    return r < 0 ? r : forget(txn, &ids, &none, error);
}
