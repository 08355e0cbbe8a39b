/* A virtual port profile that was changed is held back on hosts with manual remediation: rows of compliance say, field
 * by field, what is asked for and what stays in force there until :remediate takes the rows away. */
#include "controller/model/rules.h"

static const struct skr_query manual_hosts = {"SELECT id FROM host WHERE remediation = 'manual' AND id > ?1"};
/* A switch on the host maps a classification to the profile, or the host has none and an adapter with a classification
 * that has the profile itself. */
static const struct skr_query mapped_on_host = {
        "SELECT s.id FROM host_switch s JOIN logical_switch_virtual_ports p ON p.owner_id = s.logical_switch_id "
        "WHERE s.host_id = ?1 AND +p.profile_id = ?2 LIMIT 1"};
static const struct skr_query classified_on_host = {
        "SELECT a.id FROM network_adapter a JOIN port_classification c ON c.id = a.classification_id "
        "WHERE a.host_id = ?1 AND +c.virtual_port_profile_id = ?2 LIMIT 1"};
static const struct skr_query held_on_host = {
        "SELECT id FROM compliance WHERE host_id = ?1 AND +object_kind = '" SKR_HELD_PROFILE "'"};

static const struct skr_query held_of_profile = {
        "SELECT id FROM compliance WHERE object_id = ?1 AND +object_kind = '" SKR_HELD_PROFILE "'"};

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

static struct skr_uuid row_id(const struct skr_uuid *host_id, const struct skr_uuid *profile_id, const char *field)
{
    uint8_t all[32 + 64] = {0}, hash[SKR_TLS_HASH_SIZE];
    struct skr_uuid id;
    memcpy(all, host_id->bytes, 16);
    memcpy(all + 16, profile_id->bytes, 16);
    snprintf((char *)all + 32, 64, "%s", field);
    skr_sha256(all, sizeof(all), hash);
    memcpy(id.bytes, hash, sizeof(id.bytes));
    return id;
}

/* One field on one host. What was found at first stays; back at it, the row goes. */
static int hold_field(struct skr_write *write, const struct skr_uuid *host_id, const char *field, const char *expected,
                      const char *found, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL, *after = NULL;
    struct skr_uuid profile_id = skr_object_id(write->after), id = row_id(host_id, &profile_id, field);
    int r = skr_txn_get(write->txn, SKR_COMPLIANCE, &id, NULL, &row, error);
    if (r < 0 && r != -ENOENT)
        return r;
    if (row && !strcmp(skr_object_text(row, SKR_COMPLIANCE_FOUND), expected))
        return skr_txn_delete(write->txn, row, error);
    after = row ? skr_object_copy(row) : skr_row_new(SKR_COMPLIANCE);
    skr_object_set_text(after, SKR_COMPLIANCE_EXPECTED, expected);
    if (row)
        return skr_txn_update(write->txn, row, after, error);
    skr_object_set_uuid(after, SKR_FIELD_ID, &id);
    skr_object_set_text(after, SKR_FIELD_NAME, skr_object_name(write->after));
    skr_object_set_uuid(after, SKR_COMPLIANCE_HOST_ID, host_id);
    skr_object_set_text(after, SKR_COMPLIANCE_OBJECT_KIND, SKR_HELD_PROFILE);
    skr_object_set_uuid(after, SKR_COMPLIANCE_OBJECT_ID, &profile_id);
    skr_object_set_text(after, SKR_COMPLIANCE_OBJECT, skr_object_name(write->after));
    skr_object_set_text(after, SKR_COMPLIANCE_FIELD, field);
    skr_object_set_text(after, SKR_COMPLIANCE_FOUND, found);
    skr_object_set_integer(after, SKR_COMPLIANCE_SINCE, skr_txn_now_ms(write->txn));
    return skr_txn_insert(write->txn, after, error);
}

static int hold_host(struct skr_write *write, const struct skr_uuid *host_id, struct skr_error *error)
{
    for (size_t p = 0; p < SKR_ARRAY_SIZE(parts); p++) {
        const struct skr_field *group = &write->after->resource->fields[parts[p]];
        for (unsigned f = 0; f < group->sub->field_count; f++) {
            char field[64], expected[32], found[32];
            write_value(part_of(write->after, parts[p]), (int)f, expected);
            write_value(part_of(write->before, parts[p]), (int)f, found);
            if (!strcmp(expected, found))
                continue;
            snprintf(field, sizeof(field), "%s.%s", group->name, group->sub->fields[f].name);
            int r = hold_field(write, host_id, field, expected, found, error);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int skr_profile_changed(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids hosts = {0};
    static const struct skr_uuid first;
    struct skr_uuid id = skr_object_id(write->after);
    bool changed = false;
    for (size_t p = 0; p < SKR_ARRAY_SIZE(parts); p++)
        changed |= skr_write_changes(write, parts[p]);
    int r = changed ? skr_ids_query(write->txn, &manual_hosts, &first, &hosts, error) : 0;
    for (size_t i = 0; r == 0 && i < hosts.count; i++) {
        r = skr_find(write->txn, &mapped_on_host, &hosts.items[i], &id, NULL, error);
        if (r == 0)
            r = skr_find(write->txn, &classified_on_host, &hosts.items[i], &id, NULL, error);
        if (r > 0)
            r = hold_host(write, &hosts.items[i], error);
    }
    return r;
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

/* Puts back into the profile what is held back of it on the host; without a profile the rows go. */
static int each_held(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_object *profile,
                     struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids rows = {0};
    int r = skr_ids_query(txn, &held_on_host, host_id, &rows, error);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
        r = skr_fetch(txn, SKR_COMPLIANCE, &rows.items[i], &row, error);
        if (r < 0)
            return r;
        struct skr_uuid of = skr_object_uuid(row, SKR_COMPLIANCE_OBJECT_ID);
        struct skr_uuid id = profile ? skr_object_id(profile) : of;
        if (!profile)
            r = skr_txn_delete(txn, row, error);
        else if (skr_uuid_equal(&of, &id))
            put_back(profile, row);
    }
    return r;
}

int skr_profile_hold(struct skr_txn *txn, struct skr_object *profile, const struct skr_uuid *host_id,
                     struct skr_error *error)
{
    return each_held(txn, host_id, profile, error);
}

int skr_profile_release(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_error *error)
{
    return each_held(txn, host_id, NULL, error);
}

int skr_profile_forget(struct skr_txn *txn, const struct skr_uuid *profile_id, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids rows = {0};
    int r = skr_ids_query(txn, &held_of_profile, profile_id, &rows, error);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
        r = skr_fetch(txn, SKR_COMPLIANCE, &rows.items[i], &row, error);
        if (r == 0)
            r = skr_txn_delete(txn, row, error);
    }
    return r;
}
