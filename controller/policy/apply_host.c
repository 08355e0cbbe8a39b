/* After-images of host groups, hosts and provider addresses into nodes. */
#include "controller/policy/graph.h"
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_DEPTH_MAX 32

/* ---- host groups ---- */

static void group_hosts_changed(struct skr_policy *policy, const struct host_group *group)
{
    struct host *host;
    LIST_FOREACH (host, &group->hosts, group_link)
        skr_policy_host_ports_changed(policy, host);
}

/* The hosts below a group; groups stand at most so deep. */
static void subtree_changed(struct skr_policy *policy, const struct host_group *group)
{
    const struct host_group *stack[GROUP_DEPTH_MAX];
    uint32_t depth = 0;

    stack[0] = group;
    for (;;) {
        const struct host_group *next = LIST_FIRST(&stack[depth]->children);
        group_hosts_changed(policy, stack[depth]);
        if (next && depth + 1 < GROUP_DEPTH_MAX) {
            stack[++depth] = next;
            continue;
        }
        while (depth > 0 && !LIST_NEXT(stack[depth], parent_link))
            depth--;
        if (depth == 0)
            return;
        stack[depth] = LIST_NEXT(stack[depth], parent_link);
    }
}

void skr_policy_apply_host_group(struct skr_policy *policy, struct host_group *group, const struct skr_object *object)
{
    struct host_group *before = group->parent;

    if (before)
        LIST_REMOVE(group, parent_link);
    group->parent = skr_policy_apply_reference(policy, object, SKR_HOST_GROUP_PARENT_ID, SKR_HOST_GROUP);
    if (group->parent)
        LIST_INSERT_HEAD(&group->parent->children, group, parent_link);
    if (group->parent != before)
        subtree_changed(policy, group);
    skr_policy_apply_release(policy, before);
}

/* ---- hosts ---- */

static void uplinks_free(struct host_uplink *uplinks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(uplinks[i].interface);
        free(uplinks[i].sites);
    }
    free(uplinks);
}

static void uplink_set(struct host_uplink *uplink, const struct skr_object *object)
{
    const struct skr_value *sites = &object->values[SKR_UPLINK_NETWORK_SITE_IDS];
    size_t count = sites->type == SKR_VALUE_JSON ? json_array_size(sites->json) : 0;

    uplink->interface = skr_policy_apply_text(object, SKR_UPLINK_INTERFACE);
    uplink->sites = count ? skr_policy_must(calloc(count, sizeof(*uplink->sites))) : NULL;
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(sites->json, i));
        if (text && skr_uuid_parse(text, &uplink->sites[uplink->site_count]) == 0)
            uplink->site_count++;
    }
}

static bool uplinks_equal(const struct host *host, const struct host_uplink *uplinks, uint32_t count)
{
    bool equal = host->uplink_count == count;

    for (uint32_t i = 0; equal && i < count; i++) {
        const struct host_uplink *mine = &host->uplinks[i];
        equal = mine->interface && uplinks[i].interface && strcmp(mine->interface, uplinks[i].interface) == 0 &&
                mine->site_count == uplinks[i].site_count &&
                (mine->site_count == 0 || !mine->sites || !uplinks[i].sites ||
                 memcmp(mine->sites, uplinks[i].sites, mine->site_count * sizeof(*mine->sites)) == 0);
    }
    return equal;
}

void skr_policy_host_done(struct host *host)
{
    struct acl_use *use;
    uint32_t cursor = 0;

    uplinks_free(host->uplinks, host->uplink_count);
    free(host->name);
    while ((use = skr_id_map_next(&host->acls, &cursor)))
        free(use);
    skr_id_map_done(&host->acls);
    skr_id_map_done(&host->members);
}

/* True when they differ from what was there. */
static bool host_set_uplinks(struct host *host, const struct skr_object *object)
{
    uint32_t count;
    struct skr_object *const *list = skr_policy_apply_structs(object, SKR_HOST_UPLINKS, &count);
    struct host_uplink *uplinks = skr_policy_must(calloc(count + 1, sizeof(*uplinks)));

    for (uint32_t i = 0; i < count; i++)
        uplink_set(&uplinks[i], list[i]);
    bool changed = !uplinks_equal(host, uplinks, count);
    uplinks_free(host->uplinks, host->uplink_count);
    host->uplinks = uplinks;
    host->uplink_count = count;
    return changed;
}

/* True when it differs from what was there. */
static bool host_set_group(struct skr_policy *policy, struct host *host, const struct skr_object *object)
{
    struct host_group *before = host->group;

    if (before)
        LIST_REMOVE(host, group_link);
    host->group = skr_policy_apply_reference(policy, object, SKR_HOST_HOST_GROUP_ID, SKR_HOST_GROUP);
    if (host->group)
        LIST_INSERT_HEAD(&host->group->hosts, host, group_link);
    bool changed = host->group != before;
    skr_policy_apply_release(policy, before);
    return changed;
}

/* In maintenance a host goes on, and nobody waits for it. */
static void host_set_excused(struct skr_policy *policy, struct host *host, bool excused)
{
    const struct member *member;

    if (host->excused == excused)
        return;
    host->excused = excused;
    skr_realization_host_excuse(policy->options.realizations, &host->node.key.id, excused);
    LIST_FOREACH (member, &host->member_list, host_link)
        skr_realization_excuse(policy->options.realizations, &member->key, &host->node.key.id, excused);
}

static void adapter_recount(struct skr_policy *policy, struct adapter *adapter)
{
    struct record *record;

    skr_policy_adapter_recount(policy, adapter);
    LIST_FOREACH (record, &adapter->records, adapter_link)
        skr_policy_node_mark(policy, &record->node);
}

static void host_recount(struct skr_policy *policy, struct host *host)
{
    struct host_switch *host_switch;
    struct provider_address *address;
    struct adapter *adapter;
    const struct move *move;

    LIST_FOREACH (address, &host->addresses, host_link)
        skr_policy_node_mark(policy, &address->node);
    LIST_FOREACH (host_switch, &host->switches, host_link)
        skr_policy_node_mark(policy, &host_switch->node);
    LIST_FOREACH (adapter, &host->adapters, host_link)
        adapter_recount(policy, adapter);
    LIST_FOREACH (move, &host->arriving, target_link)
        adapter_recount(policy, move->adapter);
}

void skr_policy_host_set_older(struct skr_policy *policy, struct host *host, bool older)
{
    if (host->older == older)
        return;
    host->older = older;
    host_recount(policy, host);
    skr_policy_write_end(policy, 0);
}

static void host_activate(struct skr_policy *policy, struct host *host)
{
    host->active = true;
    host->scope = skr_policy_scope_new(SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, &host->node.key.id);
    host->scope->host = host;
    host->scope->version = host->last_version;
    skr_policy_member_of(policy, host, host->scope);
    host_recount(policy, host);
}

/* Revoked or removed: nobody accepts its packets any more, and it gets nothing more. */
static void host_deactivate(struct skr_policy *policy, struct host *host)
{
    struct member *member;

    host->active = false;
    host->excused = false; /* nobody waits for it any more; if it comes back, it is said again */
    host_recount(policy, host);
    if (host->session)
        skr_policy_session_end(policy, host->session, "the host has been removed or revoked");
    while ((member = LIST_FIRST(&host->member_list)))
        skr_policy_member_end(policy, member);
    host->last_version = host->scope->version + 1;
    skr_policy_scope_end(policy, host->scope);
    host->scope = NULL;
}

void skr_policy_apply_host(struct skr_policy *policy, struct host *host, const struct skr_object *object)
{
    const char *state = object ? skr_object_text(object, SKR_HOST_STATE) : NULL;
    const char *enrolment = object ? skr_object_text(object, SKR_HOST_ENROLMENT) : NULL;
    const char *remediation = object ? skr_object_text(object, SKR_HOST_REMEDIATION) : NULL;
    bool active =
            object && !(state && strcmp(state, "removed") == 0) && !(enrolment && strcmp(enrolment, "revoked") == 0);

    free(host->name);
    host->name = skr_policy_apply_text(object, SKR_FIELD_NAME);
    host->remediate = !(remediation && strcmp(remediation, "manual") == 0);
    bool ports_changed = host_set_uplinks(host, object);
    ports_changed = host_set_group(policy, host, object) || ports_changed;
    int64_t synced = object ? skr_object_integer(object, SKR_HOST_SYNCED_REVISION) : 0;
    if (host->synced < synced)
        host->synced = synced;
    if (active)
        skr_realization_host_put(policy->options.realizations, &host->node.key.id, host->name, host->synced);
    else
        skr_realization_host_remove(policy->options.realizations, &host->node.key.id);
    if (active && !host->active)
        host_activate(policy, host);
    else if (!active && host->active)
        host_deactivate(policy, host);
    if (active)
        host_set_excused(policy, host, state && strcmp(state, "maintenance") == 0);
    if (ports_changed)
        skr_policy_host_ports_changed(policy, host);
    skr_policy_node_mark(policy, &host->node);
}

/* ---- provider addresses ---- */

static void adapter_address_changed(struct skr_policy *policy, struct adapter *adapter,
                                    const struct logical_network *network)
{
    struct record *record;

    if (!adapter->domain || adapter->domain->network != network)
        return;
    skr_policy_adapter_profile_changed(policy, adapter);
    LIST_FOREACH (record, &adapter->records, adapter_link)
        skr_policy_node_mark(policy, &record->node);
}

/* Everything that carries the host's address in this logical network. */
static void provider_address_changed(struct skr_policy *policy, struct host *host, struct logical_network *network)
{
    struct member *member;
    struct adapter *adapter;
    const struct move *move;

    LIST_FOREACH (member, &host->member_list, host_link)
        if (member->scope->domain && member->scope->domain->network == network)
            skr_policy_member_mark(policy, member);
    LIST_FOREACH (adapter, &host->adapters, host_link)
        adapter_address_changed(policy, adapter, network);
    LIST_FOREACH (move, &host->arriving, target_link)
        adapter_address_changed(policy, move->adapter, network);
}

static void provider_address_unlink(struct skr_policy *policy, struct provider_address *address)
{
    struct host *host = address->host;
    struct logical_network *network = address->network;

    if (!host)
        return;
    LIST_REMOVE(address, host_link);
    LIST_REMOVE(address, network_link);
    address->host = NULL;
    address->network = NULL;
    provider_address_changed(policy, host, network);
    skr_policy_node_unref(policy, &host->node);
    skr_policy_node_unref(policy, &network->node);
}

static void provider_address_link(struct skr_policy *policy, struct provider_address *address,
                                  const struct skr_object *object)
{
    struct skr_uuid host_id = skr_object_uuid(object, SKR_PROVIDER_ADDRESS_HOST_ID);
    struct skr_uuid network_id = skr_object_uuid(object, SKR_PROVIDER_ADDRESS_LOGICAL_NETWORK_ID);
    struct provider_address *other, *last = NULL;

    address->host = skr_policy_graph_node(policy, SKR_HOST, &host_id);
    address->network = skr_policy_graph_node(policy, SKR_LOGICAL_NETWORK, &network_id);
    skr_policy_node_ref(&address->host->node);
    skr_policy_node_ref(&address->network->node);
    /* In order of id: the lowest row is the one that packets carry. */
    LIST_FOREACH (other, &address->host->addresses, host_link) {
        if (skr_uuid_compare(&other->node.key.id, &address->node.key.id) > 0)
            break;
        last = other;
    }
    if (last)
        LIST_INSERT_AFTER(last, address, host_link);
    else
        LIST_INSERT_HEAD(&address->host->addresses, address, host_link);
    LIST_INSERT_HEAD(&address->network->addresses, address, network_link);
    provider_address_changed(policy, address->host, address->network);
}

void skr_policy_apply_provider_address(struct skr_policy *policy, struct provider_address *address,
                                       const struct skr_object *object)
{
    provider_address_unlink(policy, address);
    free(address->uplink);
    free(address->reason);
    address->uplink = skr_policy_apply_text(object, SKR_PROVIDER_ADDRESS_UPLINK);
    address->reason = skr_policy_apply_text(object, SKR_PROVIDER_ADDRESS_REASON);
    address->has_address = object && skr_object_has(object, SKR_PROVIDER_ADDRESS_ADDRESS);
    address->has_gateway = object && skr_object_has(object, SKR_PROVIDER_ADDRESS_GATEWAY);
    if (object) {
        address->address = skr_object_address(object, SKR_PROVIDER_ADDRESS_ADDRESS);
        address->gateway = skr_object_address(object, SKR_PROVIDER_ADDRESS_GATEWAY);
        address->subnet = skr_object_prefix(object, SKR_PROVIDER_ADDRESS_SUBNET);
        address->vlan_id = (uint32_t)skr_object_integer(object, SKR_PROVIDER_ADDRESS_VLAN_ID);
        provider_address_link(policy, address, object);
    }
    skr_policy_node_mark(policy, &address->node);
}
