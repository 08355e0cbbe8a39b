/* A scope: compiled objects, their additive digest, and a ring of what recent versions changed. The ring keeps keys,
 * not bytes: whoever is behind gets the objects as they are now. */
#include "controller/policy/graph.h"
#include <stdlib.h>
#include <string.h>

struct scope *skr_policy_scope_new(Skerry__V1__ScopeKind kind, const struct skr_uuid *id)
{
    struct scope *scope = skr_policy_must(calloc(1, sizeof(*scope)));

    scope->key = (struct skr_map_key){.id = *id, .type = kind};
    LIST_INIT(&scope->members);
    return scope;
}

static void members_free(struct member_list *members)
{
    struct member *member;

    while ((member = LIST_FIRST(members))) {
        LIST_REMOVE(member, scope_link);
        skr_policy_member_free(member);
    }
}

void skr_policy_scope_free(struct scope *scope)
{
    uint32_t cursor = 0;

    if (!scope)
        return;
    for (struct scope_object *object; (object = skr_id_map_next(&scope->objects, &cursor));)
        free(object);
    skr_id_map_done(&scope->objects);
    for (uint32_t i = 0; i < scope->ring_count; i++)
        free(scope->ring[(scope->ring_first + i) % scope->ring_capacity]);
    members_free(&scope->members);
    free(scope->ring);
    free(scope->buckets);
    free(scope->changed);
    free(scope);
}

static void scope_account(struct scope *scope, const struct scope_object *object, bool added)
{
    uint64_t delta = added ? object->digest : -object->digest;

    scope->digest += delta;
    if (scope->buckets)
        scope->buckets[skr_digest_bucket(&object->key.id)] += delta;
}

static void scope_changed(struct skr_policy *policy, struct scope *scope, const struct skr_map_key *key)
{
    skr_policy_write_touch(policy, scope);
    if (scope->changed_count == scope->changed_capacity) {
        scope->changed_capacity = scope->changed_capacity ? scope->changed_capacity * 2 : 4;
        scope->changed = skr_policy_must(realloc(scope->changed, scope->changed_capacity * sizeof(*scope->changed)));
    }
    scope->changed[scope->changed_count++] = *key;
}

void skr_policy_scope_put(struct skr_policy *policy, struct scope *scope, Skerry__V1__ObjectType type,
                          const struct skr_uuid *id, const void *bytes, size_t size)
{
    struct scope_object *before = skr_id_map_get(&scope->objects, type, id);

    if (before && before->size == size && memcmp(before->bytes, bytes, size) == 0)
        return;
    struct scope_object *object = skr_policy_must(malloc(sizeof(*object) + size));
    object->key = (struct skr_map_key){.id = *id, .type = type};
    object->size = (uint32_t)size;
    object->digest = skr_digest_object(&policy->options.digest_key, type, id, bytes, size);
    memcpy(object->bytes, bytes, size);
    scope_changed(policy, scope, &object->key);
    if (before) {
        scope_account(scope, before, false);
        skr_id_map_remove(&scope->objects, type, id);
        free(before);
    }
    scope_account(scope, object, true);
    skr_id_map_put(&scope->objects, object);
}

void skr_policy_scope_remove(struct skr_policy *policy, struct scope *scope, Skerry__V1__ObjectType type,
                             const struct skr_uuid *id)
{
    struct scope_object *object = skr_id_map_get(&scope->objects, type, id);

    if (!object)
        return;
    scope_changed(policy, scope, &object->key);
    scope_account(scope, object, false);
    skr_id_map_remove(&scope->objects, type, id);
    free(object);
}

void skr_policy_scope_end(struct skr_policy *policy, struct scope *scope)
{
    struct member *member;

    while ((member = LIST_FIRST(&scope->members)))
        skr_policy_member_end(policy, member);
    scope->host = NULL;
    scope->domain = NULL;
    scope->ending = true;
    skr_policy_write_touch(policy, scope);
}

/* ---- versions ---- */

static void ring_drop_oldest(struct scope *scope)
{
    struct ring_entry *oldest = scope->ring[scope->ring_first];

    scope->ring_keys -= oldest->count;
    scope->ring_first = (scope->ring_first + 1) % scope->ring_capacity;
    scope->ring_count--;
    free(oldest);
}

static void ring_grow(struct scope *scope)
{
    uint32_t capacity = scope->ring_capacity ? scope->ring_capacity * 2 : 2;
    struct ring_entry **ring = skr_policy_must(calloc(capacity, sizeof(struct ring_entry *)));

    for (uint32_t i = 0; i < scope->ring_count; i++)
        ring[i] = scope->ring[(scope->ring_first + i) % scope->ring_capacity];
    free(scope->ring);
    scope->ring = ring;
    scope->ring_first = 0;
    scope->ring_capacity = capacity;
}

static void ring_push(struct scope *scope)
{
    size_t size = sizeof(struct ring_entry) + scope->changed_count * sizeof(struct skr_map_key);
    size_t keys_max = scope->objects.count > SKR_POLICY_RING_KEYS_MIN ? scope->objects.count : SKR_POLICY_RING_KEYS_MIN;

    while (scope->ring_count &&
           (scope->ring_count >= SKR_POLICY_RING_VERSIONS || scope->ring_keys + scope->changed_count > keys_max))
        ring_drop_oldest(scope);
    if (scope->changed_count > keys_max)
        return; /* as long as the scope itself: no use to anybody */
    if (scope->ring_count == scope->ring_capacity)
        ring_grow(scope);
    struct ring_entry *entry = skr_policy_must(malloc(size));
    *entry = (struct ring_entry){.version = scope->version,
                                 .digest_before = scope->digest_before,
                                 .digest = scope->digest,
                                 .count = scope->changed_count};
    memcpy(entry->keys, scope->changed, scope->changed_count * sizeof(struct skr_map_key));
    scope->ring[(scope->ring_first + scope->ring_count++) % scope->ring_capacity] = entry;
    scope->ring_keys += entry->count;
}

bool skr_policy_scope_close(struct scope *scope)
{
    bool changed = scope->changed_count > 0;

    if (changed) {
        scope->version++;
        /* The first version needs no entry in the ring, because no host can hold an earlier version. */
        if (scope->version > 1)
            ring_push(scope);
    }
    return changed;
}

int skr_policy_scope_ring_after_digest(const struct scope *scope, uint64_t digest)
{
    for (uint32_t i = scope->ring_count; i > 0; i--)
        if (scope->ring[(scope->ring_first + i - 1) % scope->ring_capacity]->digest_before == digest)
            return (int)(i - 1);
    return -1;
}

int skr_policy_scope_ring_after_version(const struct scope *scope, uint64_t version)
{
    if (version >= scope->version || scope->version - version > scope->ring_count)
        return -1;
    return (int)(scope->ring_count - (scope->version - version));
}

const uint64_t *skr_policy_scope_buckets(struct scope *scope)
{
    uint32_t cursor = 0;

    if (scope->buckets)
        return scope->buckets;
    scope->buckets = skr_policy_must(calloc(SKR_DIGEST_BUCKETS, sizeof(uint64_t)));
    for (const struct scope_object *object; (object = skr_id_map_next(&scope->objects, &cursor));)
        scope->buckets[skr_digest_bucket(&object->key.id)] += object->digest;
    return scope->buckets;
}

uint64_t skr_policy_scope_root_term(const struct skr_policy *policy, const struct skr_map_key *key, uint64_t digest)
{
    uint8_t bytes[1 + 16 + 8];

    bytes[0] = (uint8_t)key->type;
    memcpy(bytes + 1, key->id.bytes, 16);
    for (int i = 0; i < 8; i++)
        bytes[17 + i] = (uint8_t)(digest >> (8 * i));
    return skr_siphash(&policy->options.digest_key, bytes, sizeof(bytes));
}
