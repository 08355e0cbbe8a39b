/* After-images into nodes: which function takes which kind, and what they share. */
#include "controller/policy/graph.h"
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdlib.h>
#include <string.h>

/* ---- what they share ---- */

void *skr_policy_apply_reference(struct skr_policy *policy, const struct skr_object *object, int field,
                                 enum skr_resource_id resource)
{
    if (!object || !skr_object_has(object, field))
        return NULL;
    struct skr_uuid id = skr_object_uuid(object, field);
    struct node *node = skr_policy_graph_node(policy, resource, &id);
    skr_policy_node_ref(node);
    return node;
}

void skr_policy_apply_release(struct skr_policy *policy, void *node)
{
    if (node)
        skr_policy_node_unref(policy, node);
}

char *skr_policy_apply_text(const struct skr_object *object, int field)
{
    const char *text = object ? skr_object_text(object, field) : NULL;
    return text && *text ? skr_policy_must(strdup(text)) : NULL;
}

struct skr_object *const *skr_policy_apply_structs(const struct skr_object *object, int field, uint32_t *ret_count)
{
    const struct skr_value *value = object ? &object->values[field] : NULL;
    bool has = value && value->type == SKR_VALUE_OBJECTS;

    *ret_count = has ? value->count : 0;
    return has ? value->objects : NULL;
}

uint32_t skr_policy_apply_choice(const char *text, const char *const *names)
{
    for (uint32_t i = 0; text && names[i]; i++)
        if (strcmp(names[i], text) == 0)
            return i + 1;
    return 0;
}

void skr_policy_host_ports_changed(struct skr_policy *policy, struct host *host)
{
    struct adapter *adapter;
    const struct move *move;

    skr_policy_node_mark(policy, &host->node);
    LIST_FOREACH (adapter, &host->adapters, host_link)
        skr_policy_adapter_profile_changed(policy, adapter);
    LIST_FOREACH (move, &host->arriving, target_link)
        skr_policy_adapter_profile_changed(policy, move->adapter);
}

/* ---- all kinds ---- */

typedef void apply_fn(struct skr_policy *policy, void *node, const struct skr_object *object);

#define APPLY(name_, type_)                                                                                            \
    static void take_##name_(struct skr_policy *policy, void *node, const struct skr_object *object)                   \
    {                                                                                                                  \
        skr_policy_apply_##name_(policy, (struct type_ *)node, object);                                                \
    }
APPLY(profile, profile)
APPLY(classification, classification)
APPLY(hold, hold)
APPLY(logical_network, logical_network)
APPLY(host_group, host_group)
APPLY(site, site)
APPLY(uplink_profile, uplink_profile)
APPLY(logical_switch, logical_switch)
APPLY(host, host)
APPLY(host_switch, host_switch)
APPLY(provider_address, provider_address)
APPLY(acl, acl)
APPLY(vm_network, domain)
APPLY(vm_subnet, subnet)
APPLY(route, route)
APPLY(network_adapter, adapter)
APPLY(lookup_record, record)
#undef APPLY

static apply_fn *const takers[SKR_RESOURCE_COUNT] = {
        [SKR_VIRTUAL_PORT_PROFILE] = take_profile,
        [SKR_PORT_CLASSIFICATION] = take_classification,
        [SKR_COMPLIANCE] = take_hold,
        [SKR_LOGICAL_NETWORK] = take_logical_network,
        [SKR_HOST_GROUP] = take_host_group,
        [SKR_NETWORK_SITE] = take_site,
        [SKR_UPLINK_PORT_PROFILE] = take_uplink_profile,
        [SKR_LOGICAL_SWITCH] = take_logical_switch,
        [SKR_HOST] = take_host,
        [SKR_HOST_SWITCH] = take_host_switch,
        [SKR_PROVIDER_ADDRESS] = take_provider_address,
        [SKR_ACCESS_CONTROL_LIST] = take_acl,
        [SKR_VM_NETWORK] = take_vm_network,
        [SKR_VM_SUBNET] = take_vm_subnet,
        [SKR_CUSTOMER_ROUTE] = take_route,
        [SKR_NETWORK_ADAPTER] = take_network_adapter,
        [SKR_LOOKUP_RECORD] = take_lookup_record,
};

void skr_policy_graph_apply(struct skr_policy *policy, enum skr_change_op op, const struct skr_object *object)
{
    enum skr_resource_id resource = object->resource->id;
    struct skr_uuid id = skr_object_uuid(object, SKR_FIELD_ID);

    if (op != SKR_CHANGE_STATUS)
        skr_policy_write_object(policy, resource, &id, op == SKR_CHANGE_DELETE);
    if (!takers[resource] || (resource == SKR_COMPLIANCE && !skr_policy_is_hold(object)))
        return;
    struct node *node = skr_policy_graph_node(policy, resource, &id);
    skr_policy_node_ref(node);
    node->present = op != SKR_CHANGE_DELETE;
    takers[resource](policy, node, node->present ? object : NULL);
    skr_policy_node_unref(policy, node);
}
