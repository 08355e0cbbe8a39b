#include "controller/model/rules.h"

static const struct skr_query team_on_host = {
        "SELECT s.id, h.name FROM host_switch s JOIN host_switch_uplinks u ON u.owner_id = s.id AND u.position = 1 "
        "JOIN host h ON h.id = s.host_id WHERE s.logical_switch_id = ?1 LIMIT 1"};
static const struct skr_query uplink_with = {
        "SELECT h.name, u.uplink_port_profile_id FROM host_switch s JOIN host_switch_uplinks u ON u.owner_id = s.id "
        "JOIN host h ON h.id = s.host_id WHERE s.logical_switch_id = ?1"};

static const struct skr_value *list(const struct skr_object *logical_switch, int field)
{
    return &logical_switch->values[field];
}

/* A classification stands once; where there are entries, one is for everything else. */
static int check_ports(const struct skr_object *logical_switch, struct skr_error *error)
{
    const struct skr_value *ports = list(logical_switch, SKR_LOGICAL_SWITCH_VIRTUAL_PORTS);
    char place[SKR_ERROR_POINTER_MAX];
    unsigned defaults = 0;
    for (uint32_t i = 0; ports->type == SKR_VALUE_OBJECTS && i < ports->count; i++) {
        struct skr_uuid id = skr_object_uuid(ports->objects[i], SKR_VIRTUAL_PORT_CLASSIFICATION_ID);
        for (uint32_t other = 0; other < i; other++) {
            struct skr_uuid earlier = skr_object_uuid(ports->objects[other], SKR_VIRTUAL_PORT_CLASSIFICATION_ID);
            if (skr_uuid_equal(&id, &earlier))
                return skr_refuse(error, SKR_ERROR_INVALID, skr_pointer(place, "virtual_ports", i, "classification_id"),
                                  "The list has this port classification twice; keep one.");
        }
        if (skr_object_integer(ports->objects[i], SKR_VIRTUAL_PORT_IS_DEFAULT) && ++defaults > 1)
            return skr_refuse(error, SKR_ERROR_INVALID, skr_pointer(place, "virtual_ports", i, "is_default"),
                              "Two entries are the default; keep one.");
    }
    if (defaults || ports->type != SKR_VALUE_OBJECTS || !ports->count)
        return 0;
    return skr_refuse(error, SKR_ERROR_INVALID, "/virtual_ports",
                      "Say which entry adapters without a classification of the list get: is_default of one of them.");
}

static int check_type(const struct skr_object *logical_switch, struct skr_error *error)
{
    const char *type = skr_object_text(logical_switch, SKR_LOGICAL_SWITCH_TYPE);
    if (!strcmp(type, "external"))
        return 0;
    if (list(logical_switch, SKR_LOGICAL_SWITCH_UPLINK_PORT_PROFILE_IDS)->count)
        return skr_refuse(error, SKR_ERROR_INVALID, "/uplink_port_profile_ids",
                          "A switch of type \"%s\" has no uplinks, so it has no uplink port profiles; leave them out.",
                          type);
    if (strcmp(skr_object_text(logical_switch, SKR_LOGICAL_SWITCH_UPLINK_MODE), "none") != 0)
        return skr_refuse(error, SKR_ERROR_INVALID, "/uplink_mode",
                          "A switch of type \"%s\" has no uplinks to team; give \"none\".", type);
    if (skr_object_integer(logical_switch, SKR_LOGICAL_SWITCH_SRIOV))
        return skr_refuse(error, SKR_ERROR_INVALID, "/sriov",
                          "Virtual functions are a network card's, and a switch of type \"%s\" has none; give false.",
                          type);
    return 0;
}

static int check_extensions(const struct skr_object *logical_switch, struct skr_error *error)
{
    const struct skr_value *value = list(logical_switch, SKR_LOGICAL_SWITCH_EXTENSIONS);
    char place[SKR_ERROR_POINTER_MAX];
    size_t index, other;
    json_t *name, *earlier;
    if (value->type != SKR_VALUE_JSON)
        return 0;
    json_array_foreach (value->json, index, name) {
        skr_pointer(place, "extensions", (unsigned)index, NULL);
        if (!json_is_string(name) || !json_string_length(name) || json_string_length(name) > 63)
            return skr_refuse(error, SKR_ERROR_INVALID, place, "Write the name of an extension, 1 to 63 bytes.");
        json_array_foreach (value->json, other, earlier)
            if (other < index && json_equal(name, earlier))
                return skr_refuse(error, SKR_ERROR_INVALID, place, "The list has this extension twice; keep one.");
    }
    return 0;
}

/* A profile stays while an uplink has it, and a team while it has several members. */
static int check_deployed(struct skr_write *write, struct skr_error *error)
{
    const struct skr_value *profiles = list(write->after, SKR_LOGICAL_SWITCH_UPLINK_PORT_PROFILE_IDS);
    struct skr_uuid id = skr_object_id(write->after);
    struct skr_statement *statement;
    bool team = !strcmp(skr_object_text(write->after, SKR_LOGICAL_SWITCH_UPLINK_MODE), "team");
    if (!team && skr_write_changes(write, SKR_LOGICAL_SWITCH_UPLINK_MODE)) {
        int r = skr_find(write->txn, &team_on_host, &id, NULL, NULL, error);
        if (r)
            return r < 0 ? r
                         : skr_refuse(error, SKR_ERROR_IN_USE, "/uplink_mode",
                                      "Host switches of it have several uplinks; leave one in each of them first.");
    }
    if (!skr_write_changes(write, SKR_LOGICAL_SWITCH_UPLINK_PORT_PROFILE_IDS))
        return 0;
    int r = skr_txn_query(write->txn, &uplink_with, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &id);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid used = skr_column_uuid(statement, 1);
        bool named = skr_column_is_null(statement, 1) && !profiles->count;
        for (uint32_t i = 0; !skr_column_is_null(statement, 1) && i < profiles->count; i++)
            named |= skr_uuid_equal(&profiles->uuids[i], &used);
        if (named)
            continue;
        r = skr_refuse(error, SKR_ERROR_IN_USE, "/uplink_port_profile_ids",
                       "The host switch on host \"%.100s\" has an uplink whose profile would not be in the list; "
                       "change its uplinks first.",
                       skr_column_text(statement, 0));
        break;
    }
    skr_statement_reset(statement);
    return r;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    int r = check_type(write->after, error);
    if (r == 0)
        r = check_ports(write->after, error);
    if (r == 0)
        r = check_extensions(write->after, error);
    return r < 0 || !write->before ? r : check_deployed(write, error);
}

const struct skr_rules skr_logical_switch_rules = {.prepare = prepare, .stored = skr_profile_changed};
