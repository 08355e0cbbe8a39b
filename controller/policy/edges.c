/* References of lists: made, hung up at their targets, and taken away. */
#include "controller/policy/graph.h"
#include <skerry/macros.h>
#include <stdlib.h>

static struct edge_list *edges_to(struct node *node)
{
    switch ((enum skr_resource_id)node->key.type) {
    case SKR_HOST_GROUP:
        return &((struct host_group *)node)->sites;
    case SKR_NETWORK_SITE:
        return &((struct site *)node)->users;
    case SKR_UPLINK_PORT_PROFILE:
        return &((struct uplink_profile *)node)->uplinks;
    case SKR_VIRTUAL_PORT_PROFILE:
        return &((struct profile *)node)->mappings;
    case SKR_VM_NETWORK:
        return &((struct domain *)node)->users;
    default:
        abort(); /* nothing else is referred to by lists */
    }
}

void skr_policy_edges_set(struct skr_policy *policy, struct edges *edges, struct node *from,
                          const struct skr_map_key *keys, uint32_t count)
{
    struct edges before = *edges;

    edges->items = count ? skr_policy_must(calloc(count, sizeof(*edges->items))) : NULL;
    edges->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct edge *edge = &edges->items[i];
        edge->from = from;
        if (skr_uuid_is_nil(&keys[i].id))
            continue;
        edge->to = skr_policy_graph_node(policy, (enum skr_resource_id)keys[i].type, &keys[i].id);
        skr_policy_node_ref(edge->to);
        LIST_INSERT_HEAD(edges_to(edge->to), edge, link);
    }
    for (uint32_t i = 0; i < before.count; i++)
        if (before.items[i].to) {
            LIST_REMOVE(&before.items[i], link);
            skr_policy_node_unref(policy, before.items[i].to);
        }
    free(before.items);
}

void skr_policy_edges_done(struct edges *edges)
{
    free(edges->items);
    *edges = (struct edges){0};
}
