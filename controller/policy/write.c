/* The end of a write: compile what was marked, give each changed scope its version, publish, send. */
#include "controller/policy/graph.h"
#include <stdlib.h>

void skr_policy_write_object(struct skr_policy *policy, enum skr_resource_id resource, const struct skr_uuid *id,
                             bool deleted)
{
    if (policy->loading)
        return;
    if (policy->object_count == policy->object_capacity) {
        policy->object_capacity = policy->object_capacity ? policy->object_capacity * 2 : 16;
        policy->objects = skr_policy_must(realloc(policy->objects, policy->object_capacity * sizeof(*policy->objects)));
    }
    policy->objects[policy->object_count++] = (struct changed_object){resource, *id, deleted};
}

void skr_policy_write_touch(struct skr_policy *policy, struct scope *scope)
{
    if (scope->touched)
        return;
    scope->touched = true;
    scope->digest_before = scope->digest;
    if (policy->touched_count == policy->touched_capacity) {
        policy->touched_capacity = policy->touched_capacity ? policy->touched_capacity * 2 : 16;
        policy->touched = skr_policy_must(realloc(policy->touched, policy->touched_capacity * sizeof(struct scope *)));
    }
    policy->touched[policy->touched_count++] = scope;
}

static void send_members(struct skr_policy *policy, struct scope *scope)
{
    struct frames *live[2] = {NULL, NULL};
    struct member *member, *next;

    for (member = LIST_FIRST(&scope->members); member; member = next) {
        next = LIST_NEXT(member, scope_link);
        skr_policy_member_send(policy, member, live);
    }
    skr_policy_frames_unref(live[0]);
    skr_policy_frames_unref(live[1]);
}

/* All frames of a write leave in an order that its pieces like: a host first learns its ports, then who else is there.
 */
static void send_all(struct skr_policy *policy)
{
    for (uint32_t pass = SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST; pass <= SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN;
         pass++)
        for (uint32_t i = 0; i < policy->touched_count; i++)
            if (policy->touched[i]->key.type == pass && policy->touched[i]->changed_count)
                send_members(policy, policy->touched[i]);
}

void skr_policy_write_end(struct skr_policy *policy, int64_t write_revision)
{
    struct member *member;

    skr_policy_compile_marked(policy);
    for (uint32_t i = 0; i < policy->touched_count; i++) {
        struct scope *scope = policy->touched[i];
        if (skr_policy_scope_close(scope))
            LIST_FOREACH (member, &scope->members, scope_link)
                skr_policy_member_behind(member, true);
    }
    if (!policy->loading) {
        skr_policy_realize_write(policy, write_revision);
        send_all(policy);
    }
    for (uint32_t i = 0; i < policy->touched_count; i++) {
        struct scope *scope = policy->touched[i];
        scope->touched = false;
        scope->changed_count = scope->changed_capacity = 0;
        free(scope->changed);
        scope->changed = NULL;
        if (scope->ending)
            skr_policy_scope_free(scope);
    }
    policy->touched_count = 0;
    policy->object_count = 0;
}
