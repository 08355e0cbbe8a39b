/* Nodes: found or made by id, kept while present, referred to or marked. */
#include "controller/policy/graph.h"
#include <skerry/macros.h>
#include <stdlib.h>

void *skr_policy_must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static size_t node_size(enum skr_resource_id resource)
{
    switch (resource) {
    case SKR_VIRTUAL_PORT_PROFILE:
        return sizeof(struct profile);
    case SKR_PORT_CLASSIFICATION:
        return sizeof(struct classification);
    case SKR_LOGICAL_NETWORK:
        return sizeof(struct logical_network);
    case SKR_HOST:
        return sizeof(struct host);
    case SKR_PROVIDER_ADDRESS:
        return sizeof(struct provider_address);
    case SKR_VM_NETWORK:
        return sizeof(struct domain);
    case SKR_VM_SUBNET:
        return sizeof(struct subnet);
    case SKR_NETWORK_ADAPTER:
        return sizeof(struct adapter);
    case SKR_LOOKUP_RECORD:
        return sizeof(struct record);
    case SKR_HOST_GROUP:
        return sizeof(struct host_group);
    case SKR_NETWORK_SITE:
        return sizeof(struct site);
    case SKR_UPLINK_PORT_PROFILE:
        return sizeof(struct uplink_profile);
    case SKR_LOGICAL_SWITCH:
        return sizeof(struct logical_switch);
    case SKR_HOST_SWITCH:
        return sizeof(struct host_switch);
    case SKR_COMPLIANCE:
        return sizeof(struct hold);
    case SKR_ACCESS_CONTROL_LIST:
        return sizeof(struct acl);
    case SKR_CUSTOMER_ROUTE:
        return sizeof(struct route);
    default:
        return sizeof(struct node);
    }
}

static struct node *node_new(enum skr_resource_id resource, const struct skr_uuid *id)
{
    struct node *node = skr_policy_must(calloc(1, node_size(resource)));

    node->key = (struct skr_map_key){.id = *id, .type = resource};
    return node;
}

void *skr_policy_graph_find(struct skr_policy *policy, enum skr_resource_id resource, const struct skr_uuid *id)
{
    return skr_id_map_get(&policy->nodes, resource, id);
}

void *skr_policy_graph_node(struct skr_policy *policy, enum skr_resource_id resource, const struct skr_uuid *id)
{
    struct node *node = skr_policy_graph_find(policy, resource, id);

    if (!node) {
        node = node_new(resource, id);
        skr_id_map_put(&policy->nodes, node);
    }
    return node;
}

/* Frees what the node owns; its links and references are gone by now. */
static void node_free(struct node *node)
{
    switch ((enum skr_resource_id)node->key.type) {
    case SKR_HOST:
        skr_policy_host_done((struct host *)node);
        break;
    case SKR_PROVIDER_ADDRESS:
        free(((struct provider_address *)node)->uplink);
        free(((struct provider_address *)node)->reason);
        break;
    case SKR_NETWORK_ADAPTER:
        free(((struct adapter *)node)->name);
        free(((struct adapter *)node)->addresses);
        skr_policy_adapter_extra_free(((struct adapter *)node)->extra);
        free(((struct adapter *)node)->move);
        break;
    case SKR_VM_SUBNET:
        free(((struct subnet *)node)->acls);
        break;
    case SKR_ACCESS_CONTROL_LIST:
        free(((struct acl *)node)->bytes);
        break;
    default:
        skr_policy_switch_node_done(node);
        break;
    }
    free(node);
}

void skr_policy_node_ref(struct node *node)
{
    node->references++;
}

void skr_policy_node_unref(struct skr_policy *policy, struct node *node)
{
    if (--node->references > 0 || node->present)
        return;
    if (node == &policy->default_classification->node)
        return;
    skr_id_map_remove(&policy->nodes, node->key.type, &node->key.id);
    node_free(node);
}

void skr_policy_node_mark(struct skr_policy *policy, struct node *node)
{
    if (node->dirty)
        return;
    node->dirty = true;
    skr_policy_node_ref(node);
    if (policy->dirty_count == policy->dirty_capacity) {
        policy->dirty_capacity = policy->dirty_capacity ? policy->dirty_capacity * 2 : 64;
        policy->dirty = skr_policy_must(realloc(policy->dirty, policy->dirty_capacity * sizeof(void *)));
    }
    policy->dirty[policy->dirty_count++] = node;
}

void skr_policy_graph_init(struct skr_policy *policy)
{
    static const struct skr_uuid nil;

    LIST_INIT(&policy->dirty_members);
    LIST_INIT(&policy->dirty_uses);
    LIST_INIT(&policy->lingering);
    TAILQ_INIT(&policy->sync_queue);
    policy->default_classification = (struct classification *)node_new(SKR_PORT_CLASSIFICATION, &nil);
    policy->default_classification->node.present = true;
}

void skr_policy_graph_done(struct skr_policy *policy)
{
    uint32_t cursor = 0;

    for (struct node *node; (node = skr_id_map_next(&policy->nodes, &cursor));) {
        if (node->key.type == SKR_HOST)
            skr_policy_scope_free(((struct host *)node)->scope);
        else if (node->key.type == SKR_VM_NETWORK)
            skr_policy_scope_free(((struct domain *)node)->scope);
    }
    cursor = 0;
    for (struct node *node; (node = skr_id_map_next(&policy->nodes, &cursor));)
        node_free(node);
    skr_id_map_done(&policy->nodes);
    node_free(&policy->default_classification->node);
    free(policy->dirty);
    free(policy->touched);
    free(policy->objects);
}
