/* Tells the realization table what each write and each object needs, and what only the policy knows to fail. */
#include "controller/policy/graph.h"
#include <skerry/macros.h>
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

/* The needs of the write in progress; NULL when nobody needs it. */
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

/* Southbound objects in scopes stand for an object. Those with its own id need not be named, and one of a scope
 * may stand for nothing but the scope (type 0). */
struct standing {
    const struct scope *scope;
    uint32_t type;
    const struct skr_uuid *id;
};
struct standings {
    struct standing *items;
    uint32_t count, capacity;
};

static void stand(struct standings *list, const struct scope *scope, uint32_t type, const struct skr_uuid *id)
{
    if (!scope)
        return;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 4;
        list->items = skr_policy_must(reallocarray(list->items, list->capacity, sizeof(*list->items)));
    }
    list->items[list->count++] = (struct standing){.scope = scope, .type = type, .id = id};
}

static void stand_switch(struct standings *list, const struct host_switch *host_switch)
{
    stand(list, host_switch->scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH, &host_switch->node.key.id);
}

/* An adapter's records fail by their own ids. */
static void stand_adapter(struct standings *list, const struct adapter *adapter)
{
    const struct scope *domain = adapter->domain ? adapter->domain->scope : NULL;
    const struct record *record;
    uint32_t type = adapter->domain && adapter->domain->isolation ? SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER
                                                                  : SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD;

    stand(list, adapter->scope, 0, NULL);
    stand(list, adapter->move ? adapter->move->scope : NULL, 0, NULL);
    stand(list, domain, 0, NULL);
    LIST_FOREACH (record, &adapter->records, adapter_link)
        stand(list, domain, type, &record->node.key.id);
}

/* Where the object stands now; the caller frees the items. */
static struct standings standings_of(const struct node *node)
{
    struct standings list = {0};
    const struct host_switch *host_switch;
    const struct acl_use *use;
    const struct edge *edge;

    switch ((enum skr_resource_id)node->key.type) {
    case SKR_NETWORK_ADAPTER:
        stand_adapter(&list, (const struct adapter *)node);
        break;
    case SKR_HOST:
        stand(&list, ((const struct host *)node)->scope, 0, NULL);
        break;
    case SKR_HOST_SWITCH:
        stand(&list, ((const struct host_switch *)node)->scope, 0, NULL);
        break;
    case SKR_PROVIDER_ADDRESS:
        stand(&list, ((const struct provider_address *)node)->scope, 0, NULL);
        break;
    case SKR_VM_NETWORK:
        stand(&list, ((const struct domain *)node)->scope, 0, NULL);
        break;
    case SKR_VM_SUBNET:
        stand(&list, ((const struct subnet *)node)->scope, 0, NULL);
        break;
    case SKR_CUSTOMER_ROUTE:
        stand(&list, ((const struct route *)node)->scope, 0, NULL);
        break;
    case SKR_ACCESS_CONTROL_LIST:
        LIST_FOREACH (use, &((const struct acl *)node)->uses, acl_link)
            stand(&list, use->host->scope, 0, NULL);
        break;
    case SKR_LOGICAL_SWITCH:
        LIST_FOREACH (host_switch, &((const struct logical_switch *)node)->switches, logical_link)
            stand_switch(&list, host_switch);
        break;
    case SKR_UPLINK_PORT_PROFILE:
        LIST_FOREACH (edge, &((const struct uplink_profile *)node)->uplinks, link)
            stand_switch(&list, (const struct host_switch *)edge->from);
        break;
    default:
        break;
    }
    return list;
}

/* One pair for neighbours of the same scope. */
static struct skr_realization_needs *needs_of_standings(const struct standings *list)
{
    uint32_t pairs = 0, touches = 0;

    for (uint32_t i = 0; i < list->count; i++)
        pairs += i == 0 || list->items[i].scope != list->items[i - 1].scope;
    if (pairs == 0)
        return NULL;
    struct skr_realization_needs *needs = skr_realization_needs_new(pairs, list->count);
    pairs = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (i == 0 || list->items[i].scope != list->items[i - 1].scope)
            pair_set(needs, pairs++, list->items[i].scope, touches);
        if (list->items[i].type == 0)
            continue;
        pair_touch(needs, pairs - 1, list->items[i].type, list->items[i].id);
        touches++;
    }
    return needs;
}

static struct skr_realization_needs *needs_of_node(const struct node *node)
{
    struct standings list = standings_of(node);
    struct skr_realization_needs *needs = needs_of_standings(&list);

    free(list.items);
    return needs;
}

/* Views are never asked for, and what compiles to nothing needs nobody. */
static bool is_told(enum skr_resource_id resource)
{
    switch (resource) {
    case SKR_VIRTUAL_PORT_PROFILE:
    case SKR_PORT_CLASSIFICATION:
    case SKR_LOGICAL_NETWORK:
    case SKR_HOST_GROUP:
    case SKR_NETWORK_SITE:
    case SKR_UPLINK_PORT_PROFILE:
    case SKR_LOGICAL_SWITCH:
    case SKR_HOST:
    case SKR_HOST_SWITCH:
    case SKR_PROVIDER_ADDRESS:
    case SKR_VM_NETWORK:
    case SKR_VM_SUBNET:
    case SKR_ACCESS_CONTROL_LIST:
    case SKR_CUSTOMER_ROUTE:
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

/* Most objects stand in one scope or two by their own ids; that is kept in a third of the memory. */
static void load_object(struct skr_policy *policy, const struct node *node, const struct standings *list)
{
    enum skr_resource_id resource = (enum skr_resource_id)node->key.type;
    struct skr_map_key scopes[2];
    uint32_t count = 0;
    bool small = true;

    for (uint32_t i = 0; small && i < list->count; i++) {
        bool record = list->items[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD ||
                      list->items[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER;
        small = record || (list->items[i].type == 0 && count < SKR_ARRAY_SIZE(scopes));
        if (small && !record)
            scopes[count++] = list->items[i].scope->key;
    }
    if (small) {
        skr_realization_object_loaded(policy->options.realizations, resource, &node->key.id, scopes, count);
        return;
    }
    struct skr_realization_needs *needs = needs_of_standings(list);
    skr_realization_object(policy->options.realizations, resource, &node->key.id, needs);
    skr_realization_needs_unref(needs);
}

void skr_policy_realize_load(struct skr_policy *policy)
{
    uint32_t cursor = 0;

    for (const struct node *node; (node = skr_id_map_next(&policy->nodes, &cursor));) {
        if (!node->present || !is_told((enum skr_resource_id)node->key.type))
            continue;
        struct standings list = standings_of(node);
        if (list.count)
            load_object(policy, node, &list);
        free(list.items);
    }
}

/* ---- what the policy itself knows ---- */

const char *skr_policy_realize_address(const struct adapter *adapter, const struct host *host, char *out, size_t size)
{
    const struct provider_address *address;
    const char *reason = NULL;

    if (skr_policy_host_provider_address(host, adapter->domain->network))
        return NULL;
    LIST_FOREACH (address, &host->addresses, host_link)
        if (address->network == adapter->domain->network && address->reason)
            reason = address->reason;
    if (reason && strncmp(reason, "no_provider_address", strlen("no_provider_address")) == 0)
        snprintf(out, size, "%s", reason);
    else
        snprintf(out, size, "no_provider_address: %s",
                 reason ? reason : "no network site of the VM network's logical network covers the host");
    return out;
}

void skr_policy_realize_port(struct skr_policy *policy, const struct adapter *adapter, const struct scope *scope,
                             bool *failed, const char *reason)
{
    if (!reason && !*failed)
        return;
    *failed = reason != NULL;
    skr_realization_local_failure(policy->options.realizations, &scope->key, &scope->key.id,
                                  SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &adapter->node.key.id, reason);
}
