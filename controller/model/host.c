#include "controller/model/rules.h"

static const struct skr_query adapters_of = {"SELECT id FROM network_adapter WHERE host_id = ?1"};
static const struct skr_query compliance_of = {"SELECT id FROM compliance WHERE host_id = ?1"};

bool skr_host_in_service(const struct skr_object *host)
{
    return strcmp(skr_object_text(host, SKR_HOST_STATE), "removed") != 0 &&
           !strcmp(skr_object_text(host, SKR_HOST_ENROLMENT), "enrolled");
}

bool skr_host_takes_adapters(const struct skr_object *host)
{
    return skr_host_in_service(host) && !strcmp(skr_object_text(host, SKR_HOST_STATE), "active");
}

static bool is_removed(const struct skr_object *host)
{
    return !strcmp(skr_object_text(host, SKR_HOST_STATE), "removed");
}

bool skr_uplink_names_site(const struct skr_object *uplink, const struct skr_uuid *site_id)
{
    const struct skr_value *names = &uplink->values[SKR_UPLINK_NETWORK_SITE_IDS];
    char text[SKR_UUID_TEXT_MAX];
    size_t index;
    json_t *name;
    if (names->type != SKR_VALUE_JSON)
        return false;
    skr_uuid_format(site_id, text);
    json_array_foreach (names->json, index, name)
        if (json_is_string(name) && !strcasecmp(json_string_value(name), text))
            return true;
    return false;
}

bool skr_host_names_site(const struct skr_object *host, const struct skr_uuid *site_id)
{
    const struct skr_value *uplinks = &host->values[SKR_HOST_UPLINKS];
    for (uint32_t i = 0; uplinks->type == SKR_VALUE_OBJECTS && i < uplinks->count; i++)
        if (skr_uplink_names_site(uplinks->objects[i], site_id))
            return true;
    return false;
}

/* ---- uplinks ---- */

static int check_site_name(struct skr_write *write, unsigned uplink, size_t index, const json_t *name,
                           const struct skr_ids *chain, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *site = NULL;
    char place[SKR_ERROR_POINTER_MAX];
    struct skr_uuid id;
    snprintf(place, sizeof(place), "/uplinks/%u/network_site_ids/%zu", uplink, index);
    if (!json_is_string(name) || skr_uuid_parse(json_string_value(name), &id) < 0)
        return skr_refuse(error, SKR_ERROR_INVALID, place, "Write the id of a network site.");
    int r = skr_txn_get(write->txn, SKR_NETWORK_SITE, &id, NULL, &site, error);
    if (r == -ENOENT)
        return skr_refuse(error, SKR_ERROR_REFERENCE, place, "There is no network site with the id %s.",
                          json_string_value(name));
    if (r == 0)
        r = skr_network_site_covers(write->txn, &id, chain, error);
    if (r == 0)
        return skr_refuse(
                error, SKR_ERROR_CONFLICT, place,
                "Site \"%.100s\" does not cover the host's group; add the group to the site's host_group_ids.",
                skr_object_name(site));
    return r < 0 ? r : 0;
}

static int check_sites(struct skr_write *write, unsigned index, const struct skr_object *uplink,
                       struct skr_error *error)
{
    const struct skr_value *names = &uplink->values[SKR_UPLINK_NETWORK_SITE_IDS];
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids chain = {0};
    struct skr_uuid group = skr_object_uuid(write->after, SKR_HOST_HOST_GROUP_ID);
    if (names->type != SKR_VALUE_JSON || !json_array_size(names->json))
        return 0;
    int r = skr_host_group_chain(write->txn, &group, &chain, error);
    size_t position;
    json_t *name;
    json_array_foreach (names->json, position, name) {
        if (r == 0)
            r = check_site_name(write, index, position, name, &chain, error);
    }
    return r;
}

static int check_uplink(struct skr_write *write, unsigned index, struct skr_error *error)
{
    struct skr_object *const *uplinks = write->after->values[SKR_HOST_UPLINKS].objects;
    const char *name = skr_object_text(uplinks[index], SKR_UPLINK_NAME);
    const char *interface = skr_object_text(uplinks[index], SKR_UPLINK_INTERFACE);
    char place[SKR_ERROR_POINTER_MAX];
    if (!skr_interface_name_valid(interface))
        return skr_refuse(error, SKR_ERROR_INVALID, skr_pointer(place, "uplinks", index, "interface"),
                          "\"%.40s\" cannot be an interface: 1 to 15 bytes without space, colon or slash.",
                          interface ? interface : "");
    for (unsigned other = 0; other < index; other++) {
        if (!strcmp(name ? name : "", skr_object_text(uplinks[other], SKR_UPLINK_NAME)))
            return skr_refuse(error, SKR_ERROR_INVALID, skr_pointer(place, "uplinks", index, "name"),
                              "Two uplinks have the name \"%.63s\"; give each its own.", name);
        if (!strcmp(interface, skr_object_text(uplinks[other], SKR_UPLINK_INTERFACE)))
            return skr_refuse(error, SKR_ERROR_INVALID, skr_pointer(place, "uplinks", index, "interface"),
                              "Interface %s is an uplink twice; keep one.", interface);
    }
    return check_sites(write, index, uplinks[index], error);
}

/* ---- the rules ---- */

static int check_state(struct skr_write *write, struct skr_error *error)
{
    if (write->before && is_removed(write->before) && !is_removed(write->after))
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/state",
                          "A removed host does not come back; delete it, and let its agent join anew.");
    return 0;
}

static int check_gateway_only(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(write->after);
    if (!write->before || !skr_object_integer(write->after, SKR_HOST_GATEWAY_ONLY) ||
        !skr_write_changes(write, SKR_HOST_GATEWAY_ONLY))
        return 0;
    int r = skr_find(write->txn, &adapters_of, &id, NULL, NULL, error);
    if (r <= 0)
        return r;
    return skr_refuse(error, SKR_ERROR_IN_USE, "/gateway_only",
                      "Network adapters of tenants are on host \"%.100s\"; take them off first.",
                      skr_object_name(write->after));
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    if (!write->before && !write->principal->joining)
        return skr_error_set(error, SKR_ERROR_METHOD,
                             "Hosts join by themselves: create a join token and run its command on the host.");
    int r = check_state(write, error);
    if (r < 0)
        return r;
    if (!skr_object_has(write->after, SKR_HOST_HOST_GROUP_ID)) {
        struct skr_uuid root;
        r = skr_host_group_root(write->txn, &root, error);
        if (r < 0)
            return r;
        skr_object_set_uuid(write->after, SKR_HOST_HOST_GROUP_ID, &root);
    }
    if (!write->before) /* it has seen nothing, so nothing older can be left on it */
        skr_object_set_integer(write->after, SKR_HOST_SYNCED_REVISION, skr_txn_revision(write->txn));
    const struct skr_value *uplinks = &write->after->values[SKR_HOST_UPLINKS];
    if (uplinks->count > SKR_HOST_UPLINKS_MAX)
        return skr_refuse(error, SKR_ERROR_LIMIT, "/uplinks", "A host has at most %d uplinks.", SKR_HOST_UPLINKS_MAX);
    bool check = skr_write_changes(write, SKR_HOST_UPLINKS) || skr_write_changes(write, SKR_HOST_HOST_GROUP_ID);
    for (uint32_t i = 0; check && r == 0 && i < uplinks->count; i++)
        r = check_uplink(write, i, error);
    return r < 0 ? r : check_gateway_only(write, error);
}

/* The host is gone: adapters, addresses and findings go with it, and nothing waits for it any more. */
static int let_go(struct skr_txn *txn, const struct skr_object *host, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids adapters = {0}, findings = {0};
    struct skr_uuid id = skr_object_id(host);
    int r = skr_claim_forget_host(txn, &id, error);
    if (r == 0)
        r = skr_ids_query(txn, &adapters_of, &id, &adapters, error);
    for (size_t i = 0; r == 0 && i < adapters.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
        r = skr_fetch(txn, SKR_NETWORK_ADAPTER, &adapters.items[i], &adapter, error);
        if (r == 0)
            r = skr_network_adapter_unplace(txn, adapter, error);
        if (r == 0)
            r = skr_claim_next(txn, &adapters.items[i], error);
    }
    if (r == 0)
        r = skr_ids_query(txn, &compliance_of, &id, &findings, error);
    for (size_t i = 0; r == 0 && i < findings.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *finding = NULL;
        r = skr_fetch(txn, SKR_COMPLIANCE, &findings.items[i], &finding, error);
        if (r == 0)
            r = skr_txn_delete(txn, finding, error);
    }
    if (r == 0)
        r = skr_host_switch_erase(txn, &id, error);
    if (r == 0)
        r = skr_provider_address_host(txn, host, SKR_WITHDRAWAL_FREE, "/state", error);
    if (r == 0)
        r = skr_retired_reclaim(txn, error);
    if (r == 0)
        do
            r = skr_customer_address_reclaim(txn, &id, INT64_MAX, error);
        while (r > 0);
    return r;
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(write->after);
    int r = skr_host_group_count(write, error);
    if (r < 0)
        return r;
    if (is_removed(write->after))
        return skr_write_changes(write, SKR_HOST_STATE) ? let_go(write->txn, write->after, error) : 0;
    if (write->before && skr_write_changes(write, SKR_HOST_REMEDIATION) &&
        !strcmp(skr_object_text(write->after, SKR_HOST_REMEDIATION), "auto"))
        r = skr_profile_release(write->txn, &id, error);
    if (r < 0)
        return r;
    if (write->before && skr_host_in_service(write->before) && !skr_host_in_service(write->after))
        r = skr_removal_note_ports(write->txn, &id, NULL, error);
    if (r < 0)
        return r;
    bool moved = write->before && skr_write_changes(write, SKR_HOST_HOST_GROUP_ID);
    if (!moved && !skr_write_changes(write, SKR_HOST_UPLINKS) && !skr_write_changes(write, SKR_HOST_ENROLMENT))
        return 0;
    return skr_provider_address_host(write->txn, write->after, moved ? SKR_WITHDRAWAL_UNUSED : SKR_WITHDRAWAL_FREE,
                                     moved ? "/host_group_id" : "/uplinks", error);
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    if (is_removed(write->before))
        return 0;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *removed = skr_object_copy(write->before);
    skr_object_set_text(removed, SKR_HOST_STATE, "removed");
    int r = skr_txn_update(write->txn, write->before, removed, error);
    if (r == 0)
        r = skr_host_group_count(write, error);
    return r < 0 ? r : let_go(write->txn, removed, error);
}

const struct skr_rules skr_host_rules = {
        .prepare = prepare, .stored = stored, .removing = removing, .compute = skr_compliance_summary};
