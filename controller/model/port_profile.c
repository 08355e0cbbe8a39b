/* The virtual port profile of a port: its logical switch maps the classification to one, else the classification has
 * its own, else it is the default. */
#include "controller/model/reach.h"

static const struct skr_query adapters_on_host = {
        "SELECT vm_network_id, classification_id FROM network_adapter WHERE host_id = ?1"};

static bool same_kind(const struct skr_port_kind *a, const struct skr_port_kind *b)
{
    return skr_uuid_equal(&a->logical_switch_id, &b->logical_switch_id) &&
           skr_uuid_equal(&a->classification_id, &b->classification_id);
}

void skr_port_kinds_add(struct skr_port_kinds *kinds, const struct skr_port_kind *kind)
{
    for (size_t i = 0; i < kinds->count; i++)
        if (same_kind(&kinds->items[i], kind))
            return;
    kinds->items = reallocarray(kinds->items, kinds->count + 1, sizeof(*kind));
    if (!kinds->items)
        abort();
    kinds->items[kinds->count++] = *kind;
}

/* The logical switch that carries ports of the VM network on the host; nil: none does. */
static int switch_for(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_uuid *vm_network_id,
                      struct skr_uuid *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *vm_network = NULL;
    const struct skr_reach_uplink *uplink = NULL;
    struct skr_uuid site_id;
    int r = skr_fetch(txn, SKR_VM_NETWORK, vm_network_id, &vm_network, error);
    if (r == 0)
        r = skr_reach_vm_network(txn, reach, vm_network, &site_id, &uplink, error);
    if (r < 0)
        return r;
    *ret = uplink && uplink->switched ? skr_object_uuid(uplink->switched, SKR_HOST_SWITCH_LOGICAL_SWITCH_ID)
                                      : (struct skr_uuid){0};
    return 0;
}

int skr_port_kind_load(struct skr_txn *txn, const struct skr_object *adapter, const struct skr_uuid *host_id,
                       struct skr_port_kind *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_reach_cleanup) struct skr_reach reach = {0};
    struct skr_uuid vm_network_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    struct skr_port_kind kind = {0};
    if (skr_object_has(adapter, SKR_NETWORK_ADAPTER_CLASSIFICATION_ID))
        kind.classification_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_CLASSIFICATION_ID);
    int r = host_id ? skr_reach_load(txn, host_id, &reach, error) : 0;
    if (r == 0 && host_id)
        r = switch_for(txn, &reach, &vm_network_id, &kind.logical_switch_id, error);
    if (r == 0)
        *ret = kind;
    return r;
}

int skr_port_kinds_on_host(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_port_kinds *kinds,
                           struct skr_error *error)
{
    SKR_CLEANUP(skr_reach_cleanup) struct skr_reach reach = {0};
    SKR_CLEANUP(skr_port_kinds_cleanup) struct skr_port_kinds networks = {0}; /* with the VM network in place of it */
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &adapters_on_host, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, host_id);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_port_kind kind = {.logical_switch_id = skr_column_uuid(statement, 0)};
        if (!skr_column_is_null(statement, 1))
            kind.classification_id = skr_column_uuid(statement, 1);
        skr_port_kinds_add(&networks, &kind);
    }
    skr_statement_reset(statement);
    if (r == 0 && networks.count)
        r = skr_reach_load(txn, host_id, &reach, error);
    for (size_t i = 0; r == 0 && i < networks.count; i++) {
        struct skr_port_kind kind = networks.items[i];
        r = switch_for(txn, &reach, &networks.items[i].logical_switch_id, &kind.logical_switch_id, error);
        if (r == 0)
            skr_port_kinds_add(kinds, &kind);
    }
    return r;
}

/* ---- from the kind to the profile ---- */

static int fetch(struct skr_txn *txn, enum skr_resource_id resource, const struct skr_uuid *id,
                 const struct skr_object *instead, struct skr_object **ret, struct skr_error *error)
{
    struct skr_uuid other = instead ? skr_object_id(instead) : (struct skr_uuid){0};
    if (!instead || instead->resource->id != resource || !skr_uuid_equal(&other, id))
        return skr_fetch(txn, resource, id, ret, error);
    *ret = skr_object_copy(instead);
    return 0;
}

/* The entry of a logical switch for a classification, else its default; NULL when it maps nothing. */
static const struct skr_object *mapped(const struct skr_object *logical_switch, const struct skr_uuid *classification)
{
    const struct skr_value *ports = &logical_switch->values[SKR_LOGICAL_SWITCH_VIRTUAL_PORTS];
    const struct skr_object *fallback = NULL;
    for (uint32_t i = 0; ports->type == SKR_VALUE_OBJECTS && i < ports->count; i++) {
        struct skr_uuid id = skr_object_uuid(ports->objects[i], SKR_VIRTUAL_PORT_CLASSIFICATION_ID);
        if (skr_uuid_equal(&id, classification))
            return ports->objects[i];
        if (skr_object_integer(ports->objects[i], SKR_VIRTUAL_PORT_IS_DEFAULT))
            fallback = ports->objects[i];
    }
    return fallback;
}

static int profile_id_of(struct skr_txn *txn, const struct skr_port_kind *kind, const struct skr_object *instead,
                         struct skr_uuid *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *logical_switch = NULL, *classification = NULL;
    const struct skr_object *entry = NULL;
    int r = 0;
    if (!skr_uuid_is_nil(&kind->logical_switch_id)) {
        r = fetch(txn, SKR_LOGICAL_SWITCH, &kind->logical_switch_id, instead, &logical_switch, error);
        entry = r < 0 ? NULL : mapped(logical_switch, &kind->classification_id);
    }
    if (r == 0 && !entry && skr_uuid_is_nil(&kind->classification_id))
        return skr_name_find(txn, SKR_VIRTUAL_PORT_PROFILE, SKR_DEFAULT_PROFILE, NULL, ret, error);
    if (r == 0 && !entry)
        r = fetch(txn, SKR_PORT_CLASSIFICATION, &kind->classification_id, instead, &classification, error);
    if (r < 0)
        return r;
    *ret = entry ? skr_object_uuid(entry, SKR_VIRTUAL_PORT_PROFILE_ID)
                 : skr_object_uuid(classification, SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID);
    return 1;
}

int skr_port_kind_profile(struct skr_txn *txn, const struct skr_port_kind *kind, const struct skr_object *instead,
                          struct skr_object **ret, struct skr_error *error)
{
    struct skr_uuid id;
    int r = profile_id_of(txn, kind, instead, &id, error);
    if (r <= 0)
        return r;
    r = fetch(txn, SKR_VIRTUAL_PORT_PROFILE, &id, instead, ret, error);
    return r < 0 ? r : 1;
}

int skr_profile_in_force(struct skr_txn *txn, const struct skr_object *adapter, const struct skr_uuid *host_id,
                         struct skr_object **ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *profile = NULL;
    struct skr_port_kind kind;
    int r = skr_port_kind_load(txn, adapter, host_id, &kind, error);
    if (r == 0)
        r = skr_port_kind_profile(txn, &kind, NULL, &profile, error);
    if (r > 0 && host_id)
        r = skr_profile_hold(txn, profile, host_id, &kind, error);
    if (r < 0 || !profile)
        return r;
    *ret = SKR_TAKE(profile);
    return 1;
}
