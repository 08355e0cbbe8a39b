/* What the realization table is told: what each write and each object needs, and what only the policy knows to fail. */
#include "controller/policy/graph.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An object shares what its write needs as long as that is about it; in larger writes it has needs of its own. */
#define SHARED_PAIRS_MAX 8

static void pair_set(struct skr_realization_needs *needs, uint32_t index, const struct scope *scope, uint32_t first)
{
    needs->pairs[index] =
            (struct skr_realization_pair){.scope = scope->key, .touch_first = first, .version = scope->version};
}

static void pair_touch(struct skr_realization_needs *needs, uint32_t index, uint32_t type, const struct skr_uuid *id)
{
    struct skr_realization_pair *pair = &needs->pairs[index];
    needs->touches[pair->touch_first + pair->touch_count++] = skr_realization_touch((Skerry__V1__ObjectType)type, id);
}

static bool is_needed(const struct scope *scope)
{
    return scope->changed_count > 0 && !scope->ending && scope->member_count > 0;
}

/* What the write in progress needs, NULL when nobody. */
static struct skr_realization_needs *needs_of_write(const struct skr_policy *policy)
{
    uint32_t pairs = 0, touches = 0;

    for (uint32_t i = 0; i < policy->touched_count; i++) {
        const struct scope *scope = policy->touched[i];
        if (!is_needed(scope))
            continue;
        pairs++;
        touches += scope->changed_count <= SKR_REALIZATION_TOUCHES_MAX ? scope->changed_count : 0;
    }
    if (pairs == 0)
        return NULL;
    struct skr_realization_needs *needs = skr_realization_needs_new(pairs, touches);
    pairs = touches = 0;
    for (uint32_t i = 0; i < policy->touched_count; i++) {
        const struct scope *scope = policy->touched[i];
        if (!is_needed(scope))
            continue;
        pair_set(needs, pairs, scope, touches);
        if (scope->changed_count > SKR_REALIZATION_TOUCHES_MAX) {
            needs->pairs[pairs].touch_count = UINT32_MAX;
        } else {
            for (uint32_t k = 0; k < scope->changed_count; k++)
                pair_touch(needs, pairs, scope->changed[k].type, &scope->changed[k].id);
            touches += scope->changed_count;
        }
        pairs++;
    }
    return needs;
}

/* Where the object stands now. */
static uint32_t scopes_of_node(const struct node *node, const struct scope *ret_scopes[2])
{
    const struct scope *scope = NULL;
    uint32_t count = 0;

    switch ((enum skr_resource_id)node->key.type) {
    case SKR_NETWORK_ADAPTER: {
        const struct adapter *adapter = (const struct adapter *)node;
        if (adapter->scope)
            ret_scopes[count++] = adapter->scope;
        scope = adapter->domain ? adapter->domain->scope : NULL;
        break;
    }
    case SKR_HOST:
        scope = ((const struct host *)node)->scope;
        break;
    case SKR_PROVIDER_ADDRESS:
        scope = ((const struct provider_address *)node)->scope;
        break;
    case SKR_VM_NETWORK:
        scope = ((const struct domain *)node)->scope;
        break;
    case SKR_VM_SUBNET:
        scope = ((const struct subnet *)node)->scope;
        break;
    default:
        break;
    }
    if (scope)
        ret_scopes[count++] = scope;
    return count;
}

/* An adapter's records fail by their own ids; all else carries the object's. */
static struct skr_realization_needs *needs_of_node(const struct node *node)
{
    const struct adapter *adapter = node->key.type == SKR_NETWORK_ADAPTER ? (const struct adapter *)node : NULL;
    const struct scope *scopes[2];
    const struct record *record;
    uint32_t count = scopes_of_node(node, scopes), records = 0;

    if (count == 0)
        return NULL;
    if (adapter)
        LIST_FOREACH (record, &adapter->records, adapter_link)
            records++;
    struct skr_realization_needs *needs = skr_realization_needs_new(count, records);
    for (uint32_t i = 0; i < count; i++)
        pair_set(needs, i, scopes[i], 0);
    if (adapter)
        LIST_FOREACH (record, &adapter->records, adapter_link)
            pair_touch(needs, count - 1, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, &record->node.key.id);
    return needs;
}

/* Views are never asked for, and what compiles to nothing needs nobody. */
static bool is_told(enum skr_resource_id resource)
{
    switch (resource) {
    case SKR_VIRTUAL_PORT_PROFILE:
    case SKR_PORT_CLASSIFICATION:
    case SKR_LOGICAL_NETWORK:
    case SKR_HOST:
    case SKR_PROVIDER_ADDRESS:
    case SKR_VM_NETWORK:
    case SKR_VM_SUBNET:
    case SKR_NETWORK_ADAPTER:
        return true;
    default:
        return false;
    }
}

static void realize_object(struct skr_policy *policy, const struct changed_object *object,
                           struct skr_realization_needs *write_needs)
{
    struct skr_realization_table *table = policy->options.realizations;

    if (object->deleted) {
        skr_realization_object(table, object->resource, &object->id, NULL);
        return;
    }
    if (!write_needs)
        return; /* what an earlier change needed still stands */
    bool own = write_needs->count > SHARED_PAIRS_MAX && policy->object_count > 1;
    const struct node *node = own ? skr_policy_graph_find(policy, object->resource, &object->id) : NULL;
    struct skr_realization_needs *needs = node ? needs_of_node(node) : NULL;
    skr_realization_object(table, object->resource, &object->id, needs ? needs : write_needs);
    skr_realization_needs_unref(needs);
}

/* Whom the listener hears of when the write is realized, or is not. */
static void publish_write(struct skr_policy *policy, int64_t write_revision, struct skr_realization_needs *needs)
{
    struct skr_realization_change *objects = skr_policy_must(calloc(policy->object_count + 1, sizeof(*objects)));
    size_t count = 0;

    for (uint32_t i = 0; i < policy->object_count; i++)
        if (is_told(policy->objects[i].resource) && !policy->objects[i].deleted)
            objects[count++] = (struct skr_realization_change){.resource = policy->objects[i].resource,
                                                               .id = policy->objects[i].id};
    skr_realization_write(policy->options.realizations, write_revision, needs, objects, count);
    free(objects);
}

void skr_policy_realize_write(struct skr_policy *policy, int64_t write_revision)
{
    struct skr_realization_needs *needs = write_revision ? needs_of_write(policy) : NULL;

    for (uint32_t i = 0; i < policy->object_count; i++)
        if (is_told(policy->objects[i].resource))
            realize_object(policy, &policy->objects[i], needs);
    if (needs)
        publish_write(policy, write_revision, needs);
    skr_realization_needs_unref(needs);
}

void skr_policy_realize_load(struct skr_policy *policy)
{
    uint32_t cursor = 0;

    for (const struct node *node; (node = skr_id_map_next(&policy->nodes, &cursor));) {
        const struct scope *scopes[2];
        uint32_t count = node->present ? scopes_of_node(node, scopes) : 0;
        if (count)
            skr_realization_object_loaded(policy->options.realizations, (enum skr_resource_id)node->key.type,
                                          &node->key.id,
                                          (struct skr_map_key[2]){scopes[0]->key, scopes[count - 1]->key}, count);
    }
}

/* ---- what the policy itself knows ---- */

static void missing_address(const struct adapter *adapter, char *out, size_t size)
{
    const struct provider_address *address;
    const char *reason = NULL;

    LIST_FOREACH (address, &adapter->host->addresses, host_link)
        if (address->network == adapter->domain->network && address->reason)
            reason = address->reason;
    if (reason && strncmp(reason, "no_provider_address", strlen("no_provider_address")) == 0)
        snprintf(out, size, "%s", reason);
    else
        snprintf(out, size, "no_provider_address: %s",
                 reason ? reason : "no network site of the VM network's logical network covers the host");
}

static void local_failure(struct skr_policy *policy, struct adapter *adapter, const char *reason)
{
    adapter->failed = reason != NULL;
    skr_realization_local_failure(policy->options.realizations, &adapter->scope->key, &adapter->scope->key.id,
                                  SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &adapter->node.key.id, reason);
}

void skr_policy_realize_port_gone(struct skr_policy *policy, struct adapter *adapter)
{
    if (adapter->failed)
        local_failure(policy, adapter, NULL);
}

void skr_policy_realize_port(struct skr_policy *policy, struct adapter *adapter)
{
    char reason[SKR_REALIZATION_REASON_MAX];

    if (skr_policy_host_provider_address(adapter->host, adapter->domain->network)) {
        skr_policy_realize_port_gone(policy, adapter);
        return;
    }
    missing_address(adapter, reason, sizeof(reason));
    local_failure(policy, adapter, reason);
}
