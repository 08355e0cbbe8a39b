/* Members: made with the first port of a VM network on a host, kept a while after the last one went, because packets of
 * others are still on their way to it until every member knows. */
#include "controller/policy/graph.h"
#include <skerry/clock.h>
#include <stdlib.h>
#include <string.h>

#define LINGER_NS      (5 * SKR_NS_PER_S)    /* a member without ports stays so long after the last acknowledgement */
#define LINGER_MAX_NS  (60 * SKR_NS_PER_S)   /* and so long at most */
#define LINGER_STEP_NS (500 * SKR_NS_PER_MS) /* between two looks */

struct member *skr_policy_member_find(const struct host *host, const struct skr_map_key *scope)
{
    return skr_id_map_get(&host->members, scope->type, &scope->id);
}

void skr_policy_member_mark(struct skr_policy *policy, struct member *member)
{
    if (member->dirty || !member->scope->domain)
        return;
    member->dirty = true;
    LIST_INSERT_HEAD(&policy->dirty_members, member, dirty_link);
}

struct member *skr_policy_member_of(struct skr_policy *policy, struct host *host, struct scope *scope)
{
    struct member *member = skr_policy_member_find(host, &scope->key);

    if (member)
        return member;
    member = skr_policy_must(calloc(1, sizeof(*member)));
    member->key = scope->key;
    member->host = host;
    member->scope = scope;
    if (host->session && host->session->state == SESSION_LIVE)
        member->sync = MEMBER_WHOLE;
    LIST_INSERT_HEAD(&scope->members, member, scope_link);
    scope->member_count++;
    /* The host scope first, which has the ports that the others speak of: in this order a host gets what it lacks. */
    struct member *first = LIST_FIRST(&host->member_list);
    if (first && first->key.type == SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST)
        LIST_INSERT_AFTER(first, member, host_link);
    else
        LIST_INSERT_HEAD(&host->member_list, member, host_link);
    skr_id_map_put(&host->members, member);
    skr_policy_member_behind(member, true);
    skr_policy_member_mark(policy, member);
    /* The change that makes it a member also changes the scope: the version of that is the first that concerns it. */
    skr_realization_join(policy->options.realizations, &scope->key, &host->node.key.id, scope->version + 1);
    skr_realization_excuse(policy->options.realizations, &scope->key, &host->node.key.id, host->excused);
    return member;
}

const struct member_subnet *skr_policy_member_subnets(const struct member *member)
{
    return member->subnet_capacity ? member->many : &member->one;
}

static struct member_subnet *member_subnet(struct member *member, const struct subnet *subnet)
{
    struct member_subnet *subnets = member->subnet_capacity ? member->many : &member->one;

    for (uint32_t i = 0; i < member->subnet_count; i++)
        if (subnets[i].subnet == subnet)
            return &subnets[i];
    return NULL;
}

static struct member_subnet *member_subnet_add(struct member *member, struct subnet *subnet)
{
    uint32_t capacity = member->subnet_capacity ? member->subnet_capacity : 1;

    if (member->subnet_count == capacity) {
        struct member_subnet *many = skr_policy_must(calloc((size_t)capacity * 2, sizeof(*many)));
        memcpy(many, skr_policy_member_subnets(member), capacity * sizeof(*many));
        if (member->subnet_capacity)
            free(member->many);
        member->many = many;
        member->subnet_capacity = capacity * 2;
    }
    struct member_subnet *entry = (member->subnet_capacity ? member->many : &member->one) + member->subnet_count++;
    *entry = (struct member_subnet){.subnet = subnet};
    return entry;
}

static void linger_stop(struct member *member)
{
    if (!member->linger)
        return;
    LIST_REMOVE(member->linger, link);
    free(member->linger);
    member->linger = NULL;
}

static void linger_start(struct skr_policy *policy, struct member *member)
{
    struct lingering *linger = skr_policy_must(calloc(1, sizeof(*linger)));

    linger->member = member;
    linger->version = member->scope->version + 1;
    linger->since = policy->now_ns;
    member->linger = linger;
    LIST_INSERT_HEAD(&policy->lingering, linger, link);
    if (policy->linger_due == INT64_MAX)
        policy->linger_due = policy->now_ns + LINGER_STEP_NS;
}

void skr_policy_member_port_added(struct skr_policy *policy, struct member *member, struct subnet *subnet)
{
    struct member_subnet *entry = member_subnet(member, subnet);

    linger_stop(member);
    member->ports++;
    if (!entry) {
        entry = member_subnet_add(member, subnet);
        skr_policy_member_mark(policy, member);
    }
    entry->ports++;
}

void skr_policy_member_port_removed(struct skr_policy *policy, struct member *member, struct subnet *subnet)
{
    struct member_subnet *entry = member_subnet(member, subnet);

    if (--entry->ports == 0) {
        *entry = skr_policy_member_subnets(member)[--member->subnet_count];
        skr_policy_member_mark(policy, member);
    }
    if (--member->ports > 0)
        return;
    if (member->scope->domain->isolation) /* a member sends nothing to another there */
        skr_policy_member_end(policy, member);
    else
        linger_start(policy, member);
}

void skr_policy_member_end(struct skr_policy *policy, struct member *member)
{
    struct host *host = member->host;
    struct scope *scope = member->scope;
    struct session *session = host->session;

    if (session && (member->sync == MEMBER_LIVE || member->sync == MEMBER_WAIT_BUCKETS))
        skr_policy_session_send_removed(policy, session, &scope->key, scope->version);
    skr_policy_member_offline(member);
    skr_policy_member_behind(member, false);
    linger_stop(member);
    if (member->dirty)
        LIST_REMOVE(member, dirty_link);
    LIST_REMOVE(member, scope_link);
    scope->member_count--;
    LIST_REMOVE(member, host_link);
    skr_id_map_remove(&host->members, scope->key.type, &scope->key.id);
    skr_realization_leave(policy->options.realizations, &scope->key, &host->node.key.id);
    if (scope->domain)
        skr_policy_scope_remove(policy, scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER, &host->node.key.id);
    skr_policy_member_free(member);
}

void skr_policy_member_free(struct member *member)
{
    if (member->subnet_capacity)
        free(member->many);
    free(member->linger);
    free(member->inflight);
    free(member);
}

/* Has every connected member acknowledged that this one has no port any more? */
static bool linger_acknowledged(const struct lingering *linger)
{
    const struct member *member;

    LIST_FOREACH (member, &linger->member->scope->members, scope_link) {
        const struct session *session = member->host->session;
        if (session && member->acked < linger->version)
            return false;
    }
    return true;
}

void skr_policy_linger_run(struct skr_policy *policy)
{
    int64_t now = policy->now_ns;
    struct lingering *linger, *next;

    if (now < policy->linger_due)
        return;
    for (linger = LIST_FIRST(&policy->lingering); linger; linger = next) {
        next = LIST_NEXT(linger, link);
        if (linger->acked == 0 && linger_acknowledged(linger))
            linger->acked = now;
        bool quiet = linger->acked && now - linger->acked >= LINGER_NS;
        if (quiet || now - linger->since >= LINGER_MAX_NS)
            skr_policy_member_end(policy, linger->member);
    }
    policy->linger_due = LIST_EMPTY(&policy->lingering) ? INT64_MAX : now + LINGER_STEP_NS;
    if (policy->touched_count)
        skr_policy_write_end(policy, 0);
}
