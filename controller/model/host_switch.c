#include "controller/model/home.h"
#include "controller/model/reach.h"

static const struct skr_query switches_of = {"SELECT id FROM host_switch WHERE host_id = ?1"};
static const struct skr_query deployed = {"SELECT id FROM host_switch WHERE host_id = ?1 AND logical_switch_id = ?2"};
static const struct skr_query interfaces_of = {
        "SELECT s.id, s.name, u.interface FROM host_switch s JOIN host_switch_uplinks u ON u.owner_id = s.id "
        "WHERE s.host_id = ?1"};
static const struct skr_query adapters_of = {
        "SELECT s.id, s.name, a.name FROM host_switch s JOIN host_switch_host_adapters a ON a.owner_id = s.id "
        "WHERE s.host_id = ?1"};

static const struct skr_value *list(const struct skr_object *host_switch, int field)
{
    return &host_switch->values[field];
}

/* ---- uplinks ---- */

bool skr_host_reports_interface(const struct skr_object *host, const char *interface)
{
    const struct skr_value *inventory = &host->values[SKR_HOST_INVENTORY];
    size_t index;
    json_t *one;
    if (inventory->type == SKR_VALUE_JSON)
        json_array_foreach (inventory->json, index, one) {
            const char *name = json_string_value(json_object_get(one, "name"));
            if (name && !strcmp(name, interface))
                return true;
        }
    return false;
}

static bool has_interface(const struct skr_object *host, const char *interface)
{
    const struct skr_value *uplinks = &host->values[SKR_HOST_UPLINKS];
    for (uint32_t i = 0; uplinks->type == SKR_VALUE_OBJECTS && i < uplinks->count; i++)
        if (!strcmp(skr_object_text(uplinks->objects[i], SKR_UPLINK_INTERFACE), interface))
            return true;
    return skr_host_reports_interface(host, interface);
}

/* The interface, or the host adapter, is of no other host switch of the host. */
static int check_free(struct skr_write *write, const struct skr_query *query, const char *interface, const char *place,
                      struct skr_error *error)
{
    struct skr_uuid host_id = skr_object_uuid(write->after, SKR_HOST_SWITCH_HOST_ID), id = skr_object_id(write->after);
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &host_id);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid other = skr_column_uuid(statement, 0);
        if (skr_uuid_equal(&other, &id) || strcmp(skr_column_text(statement, 2), interface) != 0)
            continue;
        r = skr_refuse(error, SKR_ERROR_CONFLICT, place,
                       "Host switch \"%.100s\" of this host has interface %s; choose another.",
                       skr_column_text(statement, 1), interface);
        break;
    }
    skr_statement_reset(statement);
    return r;
}

static int check_profile(const struct skr_object *uplink, const struct skr_object *first,
                         const struct skr_object *logical_switch, const char *place, struct skr_error *error)
{
    const struct skr_value *profiles = list(logical_switch, SKR_LOGICAL_SWITCH_UPLINK_PORT_PROFILE_IDS);
    struct skr_uuid id = skr_object_uuid(uplink, SKR_SWITCH_UPLINK_PROFILE_ID);
    struct skr_uuid of_first = skr_object_uuid(first, SKR_SWITCH_UPLINK_PROFILE_ID);
    bool given = skr_object_has(uplink, SKR_SWITCH_UPLINK_PROFILE_ID), listed = !given && !profiles->count;
    for (uint32_t i = 0; given && i < profiles->count; i++)
        listed |= skr_uuid_equal(&profiles->uuids[i], &id);
    if (!listed)
        return skr_refuse(error, SKR_ERROR_CONFLICT, place,
                          "Name one of the uplink port profiles of logical switch \"%.100s\".",
                          skr_object_name(logical_switch));
    if (!skr_uuid_equal(&id, &of_first))
        return skr_refuse(error, SKR_ERROR_CONFLICT, place,
                          "All uplinks of a team have the same uplink port profile; give that of the first.");
    return 0;
}

static int check_uplinks(struct skr_write *write, const struct skr_object *host,
                         const struct skr_object *logical_switch, struct skr_error *error)
{
    const struct skr_value *uplinks = list(write->after, SKR_HOST_SWITCH_UPLINKS);
    bool external = !strcmp(skr_object_text(logical_switch, SKR_LOGICAL_SWITCH_TYPE), "external");
    bool team = !strcmp(skr_object_text(logical_switch, SKR_LOGICAL_SWITCH_UPLINK_MODE), "team");
    char place[SKR_ERROR_POINTER_MAX];
    if (external == !uplinks->count)
        return skr_refuse(error, SKR_ERROR_INVALID, "/uplinks", "%s",
                          external ? "An external switch reaches the physical network: give it an uplink."
                                   : "Only external switches have uplinks; leave them out.");
    if (uplinks->count > 1 && !team)
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/uplinks",
                          "Logical switch \"%.100s\" has no teams (uplink_mode \"none\"): give one uplink.",
                          skr_object_name(logical_switch));
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < uplinks->count; i++) {
        const char *interface = skr_object_text(uplinks->objects[i], SKR_SWITCH_UPLINK_INTERFACE);
        skr_pointer(place, "uplinks", i, "interface");
        for (uint32_t other = 0; other < i; other++)
            if (!strcmp(interface, skr_object_text(uplinks->objects[other], SKR_SWITCH_UPLINK_INTERFACE)))
                return skr_refuse(error, SKR_ERROR_INVALID, place, "Interface %s is an uplink twice; keep one.",
                                  interface);
        if (!has_interface(host, interface))
            return skr_refuse(error, SKR_ERROR_CONFLICT, place,
                              "Host \"%.100s\" has no interface %.15s, neither in its uplinks nor in its inventory.",
                              skr_object_name(host), interface);
        r = check_free(write, &interfaces_of, interface, place, error);
        if (r == 0)
            r = check_profile(uplinks->objects[i], uplinks->objects[0], logical_switch,
                              skr_pointer(place, "uplinks", i, "uplink_port_profile_id"), error);
    }
    return r;
}

/* ---- host adapters ---- */

static int check_place(struct skr_write *write, const struct skr_object *adapter, const char *place,
                       struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *vm_network = NULL;
    bool inherits = skr_object_integer(adapter, SKR_HOST_ADAPTER_INHERIT_FROM_UPLINK);
    bool site = skr_object_has(adapter, SKR_HOST_ADAPTER_NETWORK_SITE_ID);
    bool network = skr_object_has(adapter, SKR_HOST_ADAPTER_VM_NETWORK_ID);
    struct skr_uuid id = skr_object_uuid(adapter, SKR_HOST_ADAPTER_VM_NETWORK_ID);
    if (site && network)
        return skr_refuse(error, SKR_ERROR_INVALID, place,
                          "A host adapter is at a site or in a VM network, not both; leave one out.");
    if (!site && !network && !inherits)
        return skr_refuse(error, SKR_ERROR_INVALID, place,
                          "Say where the host adapter is: network_site_id, vm_network_id, or inherit_from_uplink.");
    if (!network)
        return 0;
    int r = skr_fetch(write->txn, SKR_VM_NETWORK, &id, &vm_network, error);
    if (r < 0 || !skr_vm_network_is_virtualized(vm_network))
        return r;
    return skr_refuse(error, SKR_ERROR_CONFLICT, place,
                      "VM network \"%.100s\" is virtualized, and the host itself is not in it; name one on a VLAN or "
                      "with isolation \"none\".",
                      skr_object_name(vm_network));
}

static int check_host_adapters(struct skr_write *write, const struct skr_object *host,
                               const struct skr_object *logical_switch, struct skr_error *error)
{
    const struct skr_value *adapters = list(write->after, SKR_HOST_SWITCH_HOST_ADAPTERS);
    const char *type = skr_object_text(logical_switch, SKR_LOGICAL_SWITCH_TYPE);
    char place[SKR_ERROR_POINTER_MAX];
    unsigned inheriting = 0;
    if (adapters->count && !strcmp(type, "private"))
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/host_adapters",
                          "A private switch does not reach its host; leave the host adapters out.");
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < adapters->count; i++) {
        const struct skr_object *adapter = adapters->objects[i];
        const char *name = skr_object_text(adapter, SKR_HOST_ADAPTER_NAME);
        skr_pointer(place, "host_adapters", i, "name");
        if (!skr_interface_name_valid(name))
            return skr_refuse(error, SKR_ERROR_INVALID, place,
                              "\"%.40s\" cannot be an interface: 1 to 15 bytes without space, colon or slash.", name);
        for (uint32_t other = 0; other < i; other++)
            if (!strcmp(name, skr_object_text(adapters->objects[other], SKR_HOST_ADAPTER_NAME)))
                return skr_refuse(error, SKR_ERROR_INVALID, place, "Two host adapters have the name %s.", name);
        bool uplink = false;
        const struct skr_value *uplinks = &host->values[SKR_HOST_UPLINKS];
        for (uint32_t k = 0; k < uplinks->count; k++)
            uplink |= !strcmp(name, skr_object_text(uplinks->objects[k], SKR_UPLINK_INTERFACE));
        if (uplink)
            return skr_refuse(error, SKR_ERROR_CONFLICT, place, "%s is an uplink of the host; choose another name.",
                              name);
        if (skr_object_integer(adapter, SKR_HOST_ADAPTER_INHERIT_FROM_UPLINK) &&
            (++inheriting > 1 || strcmp(type, "external") != 0))
            return skr_refuse(error, SKR_ERROR_CONFLICT, skr_pointer(place, "host_adapters", i, "inherit_from_uplink"),
                              inheriting > 1 ? "One host adapter takes over MAC and addresses of the uplink, not two."
                                             : "Only an external switch has an uplink to inherit from.");
        r = check_free(write, &adapters_of, name, place, error);
        if (r == 0)
            r = check_place(write, adapter, skr_pointer(place, "host_adapters", i, "network_site_id"), error);
    }
    return r;
}

/* A VM network that is one VLAN says which; anywhere else the site does, where it has one alone, or the adapter. */
static int check_vlan(struct skr_txn *txn, const struct skr_object *adapter, const struct skr_object *vm_network,
                      const struct skr_uuid *site_id, const char *place, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *site = NULL;
    int64_t wanted = skr_object_integer(adapter, SKR_HOST_ADAPTER_VLAN_ID), vlan_id;
    bool named = skr_object_has(adapter, SKR_HOST_ADAPTER_VLAN_ID);
    if (vm_network && skr_object_has(vm_network, SKR_VM_NETWORK_VLAN_ID))
        return !named || wanted == skr_object_integer(vm_network, SKR_VM_NETWORK_VLAN_ID)
                       ? 0
                       : skr_refuse(error, SKR_ERROR_CONFLICT, place,
                                    "VM network \"%.100s\" is VLAN %lld of its site; leave the host adapter's out.",
                                    skr_object_name(vm_network),
                                    (long long)skr_object_integer(vm_network, SKR_VM_NETWORK_VLAN_ID));
    int r = skr_fetch(txn, SKR_NETWORK_SITE, site_id, &site, error);
    return r < 0 ? r : skr_home_choose_vlan(txn, site, named ? &wanted : NULL, place, &vlan_id, error);
}

/* The switch is written: do its uplinks reach where its host adapters are, and on which VLAN? */
static int check_reached(struct skr_txn *txn, const struct skr_object *host_switch, struct skr_error *error)
{
    SKR_CLEANUP(skr_reach_cleanup) struct skr_reach reach = {0};
    const struct skr_value *adapters = list(host_switch, SKR_HOST_SWITCH_HOST_ADAPTERS);
    struct skr_uuid host_id = skr_object_uuid(host_switch, SKR_HOST_SWITCH_HOST_ID), id = skr_object_id(host_switch);
    char place[SKR_ERROR_POINTER_MAX];
    int r = adapters->count ? skr_reach_load(txn, &host_id, &reach, error) : 0;
    for (uint32_t i = 0; r == 0 && i < adapters->count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *vm_network = NULL;
        const struct skr_object *adapter = adapters->objects[i];
        struct skr_uuid site_id = skr_object_uuid(adapter, SKR_HOST_ADAPTER_NETWORK_SITE_ID);
        struct skr_uuid network_id = skr_object_uuid(adapter, SKR_HOST_ADAPTER_VM_NETWORK_ID);
        const struct skr_reach_uplink *uplink = NULL;
        if (skr_object_has(adapter, SKR_HOST_ADAPTER_VM_NETWORK_ID)) {
            r = skr_fetch(txn, SKR_VM_NETWORK, &network_id, &vm_network, error);
            if (r == 0)
                r = skr_reach_vm_network(txn, &reach, vm_network, &site_id, &uplink, error);
        } else if (skr_object_has(adapter, SKR_HOST_ADAPTER_NETWORK_SITE_ID)) {
            r = skr_reach_site(txn, &reach, &site_id, &uplink, error);
        } else {
            continue;
        }
        struct skr_uuid of = uplink && uplink->switched ? skr_object_id(uplink->switched) : (struct skr_uuid){0};
        if (r == 0 && !skr_uuid_equal(&of, &id))
            r = skr_refuse(error, SKR_ERROR_CONFLICT, skr_pointer(place, "host_adapters", i, "network_site_id"),
                           "The uplinks of this switch do not reach the site of the host adapter; add the site to "
                           "their uplink port profile.");
        if (r == 0)
            r = check_vlan(txn, adapter, vm_network, &site_id, skr_pointer(place, "host_adapters", i, "vlan_id"),
                           error);
    }
    return r;
}

int skr_host_switch_check_host(struct skr_txn *txn, const struct skr_object *host, const char *pointer,
                               struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    struct skr_uuid id = skr_object_id(host);
    int r = skr_ids_query(txn, &switches_of, &id, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *host_switch = NULL;
        struct skr_error why = {0};
        r = skr_fetch(txn, SKR_HOST_SWITCH, &ids.items[i], &host_switch, error);
        int reached = r == 0 ? check_reached(txn, host_switch, &why) : 0;
        if (reached < 0 && !skr_error_is_refusal(&why)) {
            *error = why;
            r = reached;
        } else if (reached < 0)
            r = skr_refuse(error, SKR_ERROR_IN_USE, pointer,
                           "Host adapters of host switch \"%.100s\" on host \"%.100s\" would lose their site or VLAN; "
                           "change its host_adapters first.",
                           skr_object_name(host_switch), skr_object_name(host));
    }
    return r;
}

/* ---- the rules ---- */

static int check_host(struct skr_write *write, const struct skr_object *host, struct skr_error *error)
{
    struct skr_uuid host_id = skr_object_id(host);
    struct skr_uuid switch_id = skr_object_uuid(write->after, SKR_HOST_SWITCH_LOGICAL_SWITCH_ID);
    if (!skr_host_in_service(host))
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/host_id",
                          "Host \"%.100s\" is not in service (%s, %s); choose an enrolled host.", skr_object_name(host),
                          skr_object_text(host, SKR_HOST_STATE), skr_object_text(host, SKR_HOST_ENROLMENT));
    int r = skr_find(write->txn, &deployed, &host_id, &switch_id, NULL, error);
    return r <= 0 ? r
                  : skr_refuse(error, SKR_ERROR_EXISTS, "/logical_switch_id",
                               "This logical switch is on host \"%.100s\" already; change that host switch.",
                               skr_object_name(host));
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *logical_switch = NULL;
    struct skr_uuid host_id = skr_object_uuid(write->after, SKR_HOST_SWITCH_HOST_ID);
    struct skr_uuid switch_id = skr_object_uuid(write->after, SKR_HOST_SWITCH_LOGICAL_SWITCH_ID);
    int r = skr_fetch(write->txn, SKR_HOST, &host_id, &host, error);
    if (r == 0)
        r = skr_fetch(write->txn, SKR_LOGICAL_SWITCH, &switch_id, &logical_switch, error);
    if (r == 0 && !write->before)
        r = check_host(write, host, error);
    if (r == 0 && !skr_object_has(write->after, SKR_FIELD_NAME))
        skr_object_set_text(write->after, SKR_FIELD_NAME, skr_object_name(logical_switch));
    if (r == 0 && skr_write_changes(write, SKR_HOST_SWITCH_UPLINKS))
        r = check_uplinks(write, host, logical_switch, error);
    if (r == 0 && skr_write_changes(write, SKR_HOST_SWITCH_HOST_ADAPTERS))
        r = check_host_adapters(write, host, logical_switch, error);
    return r;
}

static int refresh(struct skr_txn *txn, const struct skr_object *host_switch, const char *pointer,
                   struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    struct skr_uuid host_id = skr_object_uuid(host_switch, SKR_HOST_SWITCH_HOST_ID);
    int r = skr_fetch(txn, SKR_HOST, &host_id, &host, error);
    return r < 0 ? r : skr_provider_address_host(txn, host, SKR_WITHDRAWAL_FREE, pointer, error);
}

/* A job follows a request's write; a write of the model itself is part of something larger. */
static int follow(struct skr_write *write, const char *kind, struct skr_error *error)
{
    const struct skr_object *host_switch = write->after ? write->after : write->before;
    const struct skr_job_request job = {.kind = kind,
                                        .object = host_switch,
                                        .host_id = skr_object_uuid(host_switch, SKR_HOST_SWITCH_HOST_ID),
                                        .principal = write->principal,
                                        .beside = !write->after};
    return write->principal->joining ? 0 : skr_job_start(write->txn, &job, &write->job_id, error);
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    int r = write->before ? 0 : skr_host_group_count_switch(write->txn, write->after, 1, error);
    if (r == 0)
        r = check_reached(write->txn, write->after, error);
    if (r == 0 && !write->before)
        r = follow(write, "deploy_host_switch", error);
    if (r < 0 || !skr_write_changes(write, SKR_HOST_SWITCH_UPLINKS))
        return r;
    return refresh(write->txn, write->after, "/uplinks", error);
}

/* The uplinks go first, so that what the host reaches without the switch is looked at. */
static int removing(struct skr_write *write, struct skr_error *error)
{
    int r = skr_host_group_count_switch(write->txn, write->before, -1, error);
    if (r == 0)
        r = follow(write, "remove_host_switch", error);
    if (r < 0 || !list(write->before, SKR_HOST_SWITCH_UPLINKS)->count)
        return r;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *bare = skr_object_copy(write->before);
    skr_value_clear(&bare->values[SKR_HOST_SWITCH_UPLINKS]);
    bare->values[SKR_HOST_SWITCH_UPLINKS].type = SKR_VALUE_OBJECTS;
    skr_value_clear(&bare->values[SKR_HOST_SWITCH_HOST_ADAPTERS]);
    bare->values[SKR_HOST_SWITCH_HOST_ADAPTERS].type = SKR_VALUE_OBJECTS;
    r = skr_txn_update(write->txn, write->before, bare, error);
    return r < 0 ? r : refresh(write->txn, bare, "", error);
}

int skr_host_switch_erase(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = skr_ids_query(txn, &switches_of, host_id, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *host_switch = NULL;
        r = skr_fetch(txn, SKR_HOST_SWITCH, &ids.items[i], &host_switch, error);
        if (r == 0)
            r = skr_write_inner(txn, SKR_HOST_SWITCH, host_switch, NULL, error);
    }
    return r;
}

static int compute(struct skr_txn *txn, struct skr_object *host_switch, struct skr_error *error)
{
    json_t *availability = NULL;
    int r = skr_host_switch_availability(txn, host_switch, &availability, error);
    if (r == 0)
        skr_object_set_json(host_switch, SKR_HOST_SWITCH_AVAILABILITY, availability);
    return r;
}

const struct skr_rules skr_host_switch_rules = {
        .prepare = prepare, .stored = stored, .removing = removing, .compute = compute};
