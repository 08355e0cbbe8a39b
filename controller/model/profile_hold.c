/* A virtual port profile that ports on a host with manual remediation must not have yet, because it was edited or
 * because a classification or a logical switch gives them another one: rows of compliance say, for each kind of port
 * and field by field, what is asked for and what stays in force there until :remediate takes the rows away. What is in
 * force before the change is compared with what is asked for after it, whatever the change was. */
#include "controller/model/rules.h"

static const struct skr_query manual_hosts = {"SELECT id FROM host WHERE remediation = 'manual' AND id > ?1"};
static const struct skr_query held_on_host = {
        "SELECT id FROM compliance WHERE host_id = ?1 AND +object_kind = '" SKR_HELD_PROFILE "'"};
static const struct skr_query held_of_classification = {
        "SELECT id FROM compliance WHERE classification_id = ?1 AND +object_kind = '" SKR_HELD_PROFILE "'"};

static const int parts[] = {SKR_VIRTUAL_PORT_PROFILE_OFFLOAD, SKR_VIRTUAL_PORT_PROFILE_SECURITY,
                            SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH};

static const struct skr_object *part_of(const struct skr_object *profile, int part)
{
    const struct skr_value *value = &profile->values[part];
    return value->type == SKR_VALUE_OBJECTS && value->count ? value->objects[0] : NULL;
}

/* As in JSON: true, 30, null. */
static void write_value(const struct skr_object *part, int field, char out[static 32])
{
    json_t *json = part ? skr_value_to_json(&part->resource->fields[field], &part->values[field], SKR_ROLE_ADMIN)
                        : json_null();
    char *text = json_dumps(json, JSON_ENCODE_ANY);
    snprintf(out, 32, "%s", text ? text : "null");
    free(text);
    json_decref(json);
}

static struct skr_port_kind kind_of(const struct skr_object *row)
{
    struct skr_port_kind kind = {0};
    if (skr_object_has(row, SKR_COMPLIANCE_LOGICAL_SWITCH_ID))
        kind.logical_switch_id = skr_object_uuid(row, SKR_COMPLIANCE_LOGICAL_SWITCH_ID);
    if (skr_object_has(row, SKR_COMPLIANCE_CLASSIFICATION_ID))
        kind.classification_id = skr_object_uuid(row, SKR_COMPLIANCE_CLASSIFICATION_ID);
    return kind;
}

/* Rows of compliance of one host, or of one classification. */
struct held {
    struct skr_object **rows;
    size_t count;
};

static void held_cleanup(struct held *held)
{
    for (size_t i = 0; held->rows && i < held->count; i++)
        skr_object_unref(held->rows[i]);
    free(held->rows);
}

static int held_load(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *key, struct held *ret,
                     struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    SKR_CLEANUP(held_cleanup) struct held held = {0};
    int r = skr_ids_query(txn, query, key, &ids, error);
    held.rows = r < 0 || !ids.count ? NULL : calloc(ids.count, sizeof(struct skr_object *));
    if (r == 0 && ids.count && !held.rows)
        abort();
    for (; r == 0 && held.count < ids.count; held.count += r == 0)
        r = skr_fetch(txn, SKR_COMPLIANCE, &ids.items[held.count], &held.rows[held.count], error);
    if (r < 0)
        return r;
    *ret = (struct held){.rows = SKR_TAKE(held.rows), .count = held.count};
    return 0;
}

static bool is_of(const struct skr_object *row, const struct skr_port_kind *kind)
{
    struct skr_port_kind of = kind_of(row);
    return skr_uuid_equal(&of.logical_switch_id, &kind->logical_switch_id) &&
           skr_uuid_equal(&of.classification_id, &kind->classification_id);
}

/* ---- what stays in force ---- */

static void put_back(struct skr_object *profile, const struct skr_object *row)
{
    const char *name = skr_object_text(row, SKR_COMPLIANCE_FIELD);
    for (size_t p = 0; p < SKR_ARRAY_SIZE(parts); p++) {
        const struct skr_field *group = &profile->resource->fields[parts[p]];
        size_t length = strlen(group->name);
        if (strncmp(name, group->name, length) != 0 || name[length] != '.' || !part_of(profile, parts[p]))
            continue;
        int field = skr_resource_field(group->sub, name + length + 1);
        json_t *value = json_loads(skr_object_text(row, SKR_COMPLIANCE_FOUND), JSON_DECODE_ANY, NULL);
        struct skr_object *part = profile->values[parts[p]].objects[0];
        if (field >= 0 && json_is_integer(value))
            skr_object_set_integer(part, field, json_integer_value(value));
        else if (field >= 0 && json_is_boolean(value))
            skr_object_set_integer(part, field, json_is_true(value));
        else if (field >= 0)
            skr_object_set_null(part, field);
        json_decref(value);
    }
}

static int put_all_back(struct skr_object *profile, const struct held *held, const struct skr_port_kind *kind)
{
    int count = 0;
    for (size_t i = 0; i < held->count; i++) {
        if (!is_of(held->rows[i], kind))
            continue;
        put_back(profile, held->rows[i]);
        count++;
    }
    return count;
}

int skr_profile_hold(struct skr_txn *txn, struct skr_object *profile, const struct skr_uuid *host_id,
                     const struct skr_port_kind *kind, struct skr_error *error)
{
    SKR_CLEANUP(held_cleanup) struct held held = {0};
    int r = held_load(txn, &held_on_host, host_id, &held, error);
    return r < 0 ? r : put_all_back(profile, &held, kind);
}

/* ---- what is asked for ---- */

/* Ports of one kind on one host. */
struct holding {
    struct skr_txn *txn;
    const struct skr_uuid *host_id;
    const struct skr_port_kind *kind;
    const struct held *held;
    const struct skr_object *asked, *in_force; /* profiles */
};

static struct skr_object *row_of(const struct holding *holding, const char *field)
{
    for (size_t i = 0; i < holding->held->count; i++) {
        struct skr_object *row = holding->held->rows[i];
        if (is_of(row, holding->kind) && !strcmp(skr_object_text(row, SKR_COMPLIANCE_FIELD), field))
            return row;
    }
    return NULL;
}

static struct skr_object *row_new(const struct holding *holding, const char *field)
{
    struct skr_object *row = skr_row_new(SKR_COMPLIANCE);
    skr_object_set_uuid(row, SKR_COMPLIANCE_HOST_ID, holding->host_id);
    skr_object_set_text(row, SKR_COMPLIANCE_OBJECT_KIND, SKR_HELD_PROFILE);
    if (!skr_uuid_is_nil(&holding->kind->logical_switch_id))
        skr_object_set_uuid(row, SKR_COMPLIANCE_LOGICAL_SWITCH_ID, &holding->kind->logical_switch_id);
    if (!skr_uuid_is_nil(&holding->kind->classification_id))
        skr_object_set_uuid(row, SKR_COMPLIANCE_CLASSIFICATION_ID, &holding->kind->classification_id);
    skr_object_set_text(row, SKR_COMPLIANCE_FIELD, field);
    skr_object_set_integer(row, SKR_COMPLIANCE_SINCE, skr_txn_now_ms(holding->txn));
    return row;
}

/* A field that differs keeps a row whose `found` is the value in force; the row goes when that value is asked for
 * again. */
static int hold_field(const struct holding *holding, const char *field, const char *expected, const char *found,
                      struct skr_error *error)
{
    struct skr_object *row = row_of(holding, field);
    if (!strcmp(expected, found))
        return row ? skr_txn_delete(holding->txn, row, error) : 0;
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *after = row ? skr_object_copy(row) : row_new(holding, field);
    struct skr_uuid profile_id = skr_object_id(holding->asked);
    skr_object_set_text(after, SKR_FIELD_NAME, skr_object_name(holding->asked));
    skr_object_set_uuid(after, SKR_COMPLIANCE_OBJECT_ID, &profile_id);
    skr_object_set_text(after, SKR_COMPLIANCE_OBJECT, skr_object_name(holding->asked));
    skr_object_set_text(after, SKR_COMPLIANCE_EXPECTED, expected);
    skr_object_set_text(after, SKR_COMPLIANCE_FOUND, found);
    return row ? skr_txn_update(holding->txn, row, after, error) : skr_txn_insert(holding->txn, after, error);
}

static int hold_fields(const struct holding *holding, struct skr_error *error)
{
    for (size_t p = 0; p < SKR_ARRAY_SIZE(parts); p++) {
        const struct skr_field *group = &holding->asked->resource->fields[parts[p]];
        for (unsigned f = 0; f < group->sub->field_count; f++) {
            char field[64], expected[32], found[32];
            write_value(part_of(holding->asked, parts[p]), (int)f, expected);
            write_value(part_of(holding->in_force, parts[p]), (int)f, found);
            snprintf(field, sizeof(field), "%s.%s", group->name, group->sub->fields[f].name);
            int r = hold_field(holding, field, expected, found, error);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int hold_host(struct skr_write *write, const struct skr_uuid *host_id, struct skr_error *error)
{
    SKR_CLEANUP(skr_port_kinds_cleanup) struct skr_port_kinds kinds = {0};
    SKR_CLEANUP(held_cleanup) struct held held = {0};
    int r = held_load(write->txn, &held_on_host, host_id, &held, error);
    for (size_t i = 0; i < held.count; i++) {
        struct skr_port_kind kind = kind_of(held.rows[i]);
        skr_port_kinds_add(&kinds, &kind);
    }
    if (r == 0)
        r = skr_port_kinds_on_host(write->txn, host_id, &kinds, error);
    for (size_t i = 0; r >= 0 && i < kinds.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *asked = NULL, *in_force = NULL;
        struct holding holding = {write->txn, host_id, &kinds.items[i], &held, NULL, NULL};
        r = skr_port_kind_profile(write->txn, &kinds.items[i], NULL, &asked, error);
        if (r > 0)
            r = skr_port_kind_profile(write->txn, &kinds.items[i], write->before, &in_force, error);
        if (r <= 0)
            continue; /* the built-in default goes nowhere, so there is one of both or of neither */
        put_all_back(in_force, &held, &kinds.items[i]);
        holding.asked = asked;
        holding.in_force = in_force;
        r = hold_fields(&holding, error);
    }
    return r < 0 ? r : 0;
}

static bool changes_ports(const struct skr_write *write)
{
    bool changed = false;
    if (!write->before)
        return false;
    if (write->resource == SKR_PORT_CLASSIFICATION)
        return skr_write_changes(write, SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID);
    if (write->resource == SKR_LOGICAL_SWITCH)
        return skr_write_changes(write, SKR_LOGICAL_SWITCH_VIRTUAL_PORTS);
    for (size_t p = 0; p < SKR_ARRAY_SIZE(parts); p++)
        changed |= skr_write_changes(write, parts[p]);
    return changed;
}

int skr_profile_changed(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids hosts = {0};
    static const struct skr_uuid first;
    int r = changes_ports(write) ? skr_ids_query(write->txn, &manual_hosts, &first, &hosts, error) : 0;
    for (size_t i = 0; r == 0 && i < hosts.count; i++)
        r = hold_host(write, &hosts.items[i], error);
    return r;
}

/* ---- when nothing is held any more ---- */

/* Takes away the rows but those of `kept`. */
static int drop(struct skr_txn *txn, const struct held *held, const struct skr_port_kinds *kept,
                struct skr_error *error)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < held->count; i++) {
        bool keep = false;
        for (size_t k = 0; k < kept->count; k++)
            keep |= is_of(held->rows[i], &kept->items[k]);
        if (!keep)
            r = skr_txn_delete(txn, held->rows[i], error);
    }
    return r;
}

static int drop_all(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *key,
                    struct skr_error *error)
{
    static const struct skr_port_kinds none;
    SKR_CLEANUP(held_cleanup) struct held held = {0};
    int r = held_load(txn, query, key, &held, error);
    return r < 0 ? r : drop(txn, &held, &none, error);
}

int skr_profile_release(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_error *error)
{
    return drop_all(txn, &held_on_host, host_id, error);
}

int skr_profile_forget(struct skr_txn *txn, const struct skr_uuid *classification_id, struct skr_error *error)
{
    return drop_all(txn, &held_of_classification, classification_id, error);
}

int skr_profile_prune(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_error *error)
{
    SKR_CLEANUP(skr_port_kinds_cleanup) struct skr_port_kinds kinds = {0};
    SKR_CLEANUP(held_cleanup) struct held held = {0};
    int r = held_load(txn, &held_on_host, host_id, &held, error);
    if (r < 0 || !held.count)
        return r;
    r = skr_port_kinds_on_host(txn, host_id, &kinds, error);
    return r < 0 ? r : drop(txn, &held, &kinds, error);
}
