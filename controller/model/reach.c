#include "controller/model/reach.h"

static const struct skr_query switches_of_host = {"SELECT id FROM host_switch WHERE host_id = ?1 ORDER BY id"};
static const struct skr_query sites_here = {
        "SELECT s.id FROM network_site_host_group_ids l JOIN network_site s ON s.id = l.owner_id "
        "WHERE l.target_id = ?1 AND s.logical_network_id = ?2"};
static const struct skr_query address_at = {
        "SELECT network_site_id, uplink FROM provider_address WHERE host_id = ?1 AND +logical_network_id = ?2 ORDER BY "
        "id LIMIT 1"};

void skr_reach_cleanup(struct skr_reach *reach)
{
    skr_object_unref(reach->host);
    skr_ids_cleanup(&reach->groups);
    for (size_t i = 0; i < reach->kept_count; i++)
        skr_object_unref(reach->kept[i]);
    free(reach->kept);
    free(reach->uplinks);
}

static const struct skr_object *keep(struct skr_reach *reach, struct skr_object *object)
{
    reach->kept = reallocarray(reach->kept, reach->kept_count + 1, sizeof(struct skr_object *));
    if (!reach->kept)
        abort();
    return reach->kept[reach->kept_count++] = object;
}

static void add_uplink(struct skr_reach *reach, const struct skr_reach_uplink *uplink)
{
    reach->uplinks = reallocarray(reach->uplinks, reach->count + 1, sizeof(*reach->uplinks));
    if (!reach->uplinks)
        abort();
    reach->uplinks[reach->count++] = *uplink;
}

static const struct skr_object *own_uplink(const struct skr_object *host, const char *interface)
{
    const struct skr_value *uplinks = &host->values[SKR_HOST_UPLINKS];
    for (uint32_t i = 0; uplinks->type == SKR_VALUE_OBJECTS && i < uplinks->count; i++)
        if (!strcmp(skr_object_text(uplinks->objects[i], SKR_UPLINK_INTERFACE), interface))
            return uplinks->objects[i];
    return NULL;
}

/* A team is one uplink, known by its first interface; all of it has one profile. */
static int add_switch(struct skr_txn *txn, struct skr_reach *reach, const struct skr_uuid *id, struct skr_error *error)
{
    struct skr_object *loaded = NULL, *profile = NULL;
    int r = skr_fetch(txn, SKR_HOST_SWITCH, id, &loaded, error);
    if (r < 0)
        return r;
    const struct skr_object *host_switch = keep(reach, loaded);
    const struct skr_value *uplinks = &host_switch->values[SKR_HOST_SWITCH_UPLINKS];
    if (!uplinks->count)
        return 0;
    const struct skr_object *first = uplinks->objects[0];
    struct skr_reach_uplink uplink = {.interface = skr_object_text(first, SKR_SWITCH_UPLINK_INTERFACE),
                                      .switched = host_switch};
    uplink.own = own_uplink(reach->host, uplink.interface);
    if (skr_object_has(first, SKR_SWITCH_UPLINK_PROFILE_ID)) {
        struct skr_uuid profile_id = skr_object_uuid(first, SKR_SWITCH_UPLINK_PROFILE_ID);
        r = skr_fetch(txn, SKR_UPLINK_PORT_PROFILE, &profile_id, &profile, error);
        if (r < 0)
            return r;
        uplink.profile = keep(reach, profile);
    }
    add_uplink(reach, &uplink);
    return 0;
}

static bool is_switched(const struct skr_reach *reach, const char *interface)
{
    for (size_t i = 0; i < reach->kept_count; i++) {
        if (reach->kept[i]->resource->id != SKR_HOST_SWITCH)
            continue;
        const struct skr_value *uplinks = &reach->kept[i]->values[SKR_HOST_SWITCH_UPLINKS];
        for (uint32_t k = 0; k < uplinks->count; k++)
            if (!strcmp(skr_object_text(uplinks->objects[k], SKR_SWITCH_UPLINK_INTERFACE), interface))
                return true;
    }
    return false;
}

int skr_reach_load(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_reach *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_reach_cleanup) struct skr_reach reach = {0};
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids switches = {0};
    int r = skr_fetch(txn, SKR_HOST, host_id, &reach.host, error);
    if (r < 0)
        return r;
    struct skr_uuid group = skr_object_uuid(reach.host, SKR_HOST_HOST_GROUP_ID);
    r = skr_host_group_chain(txn, &group, &reach.groups, error);
    if (r == 0)
        r = skr_ids_query(txn, &switches_of_host, host_id, &switches, error);
    for (size_t i = 0; r == 0 && i < switches.count; i++)
        r = add_switch(txn, &reach, &switches.items[i], error);
    if (r < 0)
        return r;
    const struct skr_value *uplinks = &reach.host->values[SKR_HOST_UPLINKS];
    for (uint32_t i = 0; uplinks->type == SKR_VALUE_OBJECTS && i < uplinks->count; i++) {
        struct skr_reach_uplink uplink = {.own = uplinks->objects[i],
                                          .interface = skr_object_text(uplinks->objects[i], SKR_UPLINK_INTERFACE)};
        if (!is_switched(&reach, uplink.interface))
            add_uplink(&reach, &uplink);
    }
    *ret = reach;
    reach = (struct skr_reach){0};
    return 0;
}

static bool lists_site(const struct skr_reach_uplink *uplink, const struct skr_uuid *site_id)
{
    if (!uplink->profile) {
        const struct skr_value *names = uplink->own ? &uplink->own->values[SKR_UPLINK_NETWORK_SITE_IDS] : NULL;
        bool any = !names || names->type != SKR_VALUE_JSON || !json_array_size(names->json);
        return any || skr_uplink_names_site(uplink->own, site_id);
    }
    const struct skr_value *sites = &uplink->profile->values[SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS];
    for (uint32_t i = 0; sites->type == SKR_VALUE_UUIDS && i < sites->count; i++)
        if (skr_uuid_equal(&sites->uuids[i], site_id))
            return true;
    return false;
}

int skr_reach_distance(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_reach_uplink *uplink,
                       const struct skr_uuid *site_id, struct skr_error *error)
{
    if (!lists_site(uplink, site_id))
        return -ENOENT;
    for (size_t i = 0; i < reach->groups.count; i++) {
        struct skr_ids one = {.items = &reach->groups.items[i], .count = 1};
        int r = skr_network_site_covers(txn, site_id, &one, error);
        if (r)
            return r < 0 ? r : (int)i;
    }
    return -ENOENT;
}

int skr_reach_site(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_uuid *site_id,
                   const struct skr_reach_uplink **ret, struct skr_error *error)
{
    for (size_t i = 0; i < reach->count; i++) {
        int r = skr_reach_distance(txn, reach, &reach->uplinks[i], site_id, error);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r >= 0) {
            *ret = &reach->uplinks[i];
            return 0;
        }
    }
    *ret = NULL;
    return 0;
}

/* The nearest site of a logical network that an uplink reaches. *ret NULL: none. */
static int find_nearest(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_uuid *network_id,
                        struct skr_uuid *ret_site_id, const struct skr_reach_uplink **ret, struct skr_error *error)
{
    for (size_t i = 0; i < reach->groups.count; i++) {
        SKR_CLEANUP(skr_ids_cleanup) struct skr_ids sites = {0};
        struct skr_statement *statement;
        int r = skr_txn_query(txn, &sites_here, &statement, error);
        if (r < 0)
            return r;
        skr_bind_uuid(statement, 1, &reach->groups.items[i]);
        skr_bind_uuid(statement, 2, network_id);
        while ((r = skr_step(statement, error)) > 0) {
            struct skr_uuid site_id = skr_column_uuid(statement, 0);
            skr_ids_add(&sites, &site_id);
        }
        skr_statement_reset(statement);
        for (size_t k = 0; r == 0 && k < sites.count; k++) {
            r = skr_reach_site(txn, reach, &sites.items[k], ret, error);
            if (r == 0 && *ret) {
                *ret_site_id = sites.items[k];
                return 0;
            }
        }
        if (r < 0)
            return r;
    }
    *ret = NULL;
    return 0;
}

/* With network virtualization the rows of provider addresses have the answer. */
static int virtualized(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_uuid *network_id,
                       struct skr_uuid *ret_site_id, const struct skr_reach_uplink **ret, struct skr_error *error)
{
    struct skr_uuid host_id = skr_object_id(reach->host);
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &address_at, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &host_id);
    skr_bind_uuid(statement, 2, network_id);
    r = skr_step(statement, error);
    *ret = NULL;
    if (r > 0) {
        *ret_site_id = skr_column_uuid(statement, 0);
        for (size_t i = 0; i < reach->count && !*ret; i++)
            if (!strcmp(reach->uplinks[i].interface, skr_column_text(statement, 1)))
                *ret = &reach->uplinks[i];
    }
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

int skr_reach_vm_network(struct skr_txn *txn, const struct skr_reach *reach, const struct skr_object *vm_network,
                         struct skr_uuid *ret_site_id, const struct skr_reach_uplink **ret, struct skr_error *error)
{
    struct skr_uuid network_id = skr_object_uuid(vm_network, SKR_VM_NETWORK_LOGICAL_NETWORK_ID);
    if (skr_vm_network_is_virtualized(vm_network))
        return virtualized(txn, reach, &network_id, ret_site_id, ret, error);
    if (!skr_object_has(vm_network, SKR_VM_NETWORK_NETWORK_SITE_ID))
        return find_nearest(txn, reach, &network_id, ret_site_id, ret, error);
    *ret_site_id = skr_object_uuid(vm_network, SKR_VM_NETWORK_NETWORK_SITE_ID);
    return skr_reach_site(txn, reach, ret_site_id, ret, error);
}
