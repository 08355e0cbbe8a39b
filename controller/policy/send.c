/* This file sends a scope to one member: deltas while the window is open, coalesced ones after it was closed, buckets
 * when the ring does not reach back. */
#include "controller/policy/graph.h"
#include <stdlib.h>
#include <string.h>

void skr_policy_member_behind(struct member *member, bool behind)
{
    if (member->behind == behind)
        return;
    member->behind = behind;
    if (behind)
        member->host->behind++;
    else
        member->host->behind--;
}

static void inflight_release(struct member *member, uint64_t version)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < member->inflight_count; i++) {
        if (member->inflight[i].version <= version)
            member->host->session->unacked -= member->inflight[i].bytes;
        else
            member->inflight[kept++] = member->inflight[i];
    }
    member->inflight_count = kept;
    if (kept == 0) {
        free(member->inflight);
        member->inflight = NULL;
    }
}

static void dequeue(struct member *member)
{
    if (!member->queued)
        return;
    member->queued = false;
    TAILQ_REMOVE(&member->host->session->queue, member, queue_link);
}

void skr_policy_member_offline(struct member *member)
{
    if (member->host->session) {
        inflight_release(member, UINT64_MAX);
        dequeue(member);
    }
    member->sync = MEMBER_OFFLINE;
    member->resyncs = 0;
}

static void member_transmit(struct skr_policy *policy, struct member *member, const struct frames *frames)
{
    struct session *session = member->host->session;
    size_t size = (member->inflight_count + 1) * sizeof(*member->inflight);

    member->inflight = skr_policy_must(realloc(member->inflight, size));
    member->inflight[member->inflight_count++] = (struct inflight){
            .version = member->scope->version, .digest = member->scope->digest, .bytes = (uint32_t)frames->bytes};
    session->unacked += frames->bytes;
    member->base = member->scope->version;
    member->base_numbered = true;
    member->sync = MEMBER_LIVE;
    dequeue(member);
    for (uint32_t i = 0; i < frames->count; i++)
        policy->options.output.send(policy->options.output.arg, session->number, frames->frame[i]);
}

static void ask_buckets(struct skr_policy *policy, struct member *member)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__BucketDigestsRequest request = SKERRY__V1__BUCKET_DIGESTS_REQUEST__INIT;

    inflight_release(member, UINT64_MAX);
    dequeue(member);
    member->sync = MEMBER_WAIT_BUCKETS;
    request.kind = (Skerry__V1__ScopeKind)member->key.type;
    request.id = skr_policy_wire_uuid(&member->key.id);
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_BUCKET_DIGESTS_REQUEST;
    envelope.bucket_digests_request = &request;
    skr_policy_session_send(policy, member->host->session, &envelope);
}

/* The frames that bring this member to the newest version; NULL: only a comparison can tell. */
static struct frames *frames_for(struct skr_policy *policy, const struct member *member, struct frames *live[2])
{
    const struct scope *scope = member->scope;

    if (member->sync == MEMBER_WHOLE)
        return skr_policy_delta_whole(policy, scope);
    int index = skr_policy_scope_ring_after_version(scope, member->base);
    if (index < 0)
        return NULL;
    uint64_t from = member->base_numbered ? member->base : 0;
    if (!live || member->base + 1 != scope->version)
        return skr_policy_delta_recent(policy, scope, (uint32_t)index, from);
    int variant = member->base_numbered ? 0 : 1;
    if (!live[variant])
        live[variant] = skr_policy_delta_recent(policy, scope, (uint32_t)index, from);
    live[variant]->references++;
    return live[variant];
}

void skr_policy_member_send(struct skr_policy *policy, struct member *member, struct frames *live[2])
{
    struct session *session = member->host->session;

    if (!session || session->state != SESSION_LIVE)
        return;
    if (member->sync != MEMBER_WHOLE && (member->sync != MEMBER_LIVE || member->base == member->scope->version))
        return;
    if (session->unacked >= policy->options.window_bytes) {
        if (!member->queued)
            TAILQ_INSERT_TAIL(&session->queue, member, queue_link);
        member->queued = true;
        return;
    }
    struct frames *frames = frames_for(policy, member, live);
    if (frames)
        member_transmit(policy, member, frames);
    else
        ask_buckets(policy, member);
    skr_policy_frames_unref(frames);
}

void skr_policy_session_pump(struct skr_policy *policy, struct session *session)
{
    struct host *host = session->host;
    struct member *member;
    bool all_sent = true;

    while (session->unacked < policy->options.window_bytes && (member = TAILQ_FIRST(&session->queue))) {
        dequeue(member);
        skr_policy_member_send(policy, member, NULL);
    }
    if (!session->told_synced)
        LIST_FOREACH (member, &host->member_list, host_link)
            all_sent = all_sent && member->sync == MEMBER_LIVE && member->base == member->scope->version;
    if (skr_policy_host_is_settled(host) || (!session->told_synced && all_sent))
        skr_policy_sync_host(policy, host);
}

/* The agent has said what it holds of this scope. */
void skr_policy_member_online(struct skr_policy *policy, struct member *member, uint64_t version, uint64_t digest)
{
    const struct scope *scope = member->scope;
    int index = digest == scope->digest ? -1 : skr_policy_scope_ring_after_digest(scope, digest);

    if (digest == scope->digest)
        member->base = scope->version;
    else if (index >= 0)
        member->base = scope->ring[(scope->ring_first + (uint32_t)index) % scope->ring_capacity]->version - 1;
    if (digest != scope->digest && index < 0) {
        skr_policy_member_acked(policy, member, 0, 0, NULL, 0);
        ask_buckets(policy, member);
        return;
    }
    member->sync = MEMBER_LIVE;
    member->base_numbered = version == member->base;
    skr_policy_member_acked(policy, member, member->base, digest, NULL, 0);
}

void skr_policy_member_resync(struct skr_policy *policy, struct member *member)
{
    if (++member->resyncs > SKR_POLICY_RESYNCS_MAX)
        skr_policy_session_end(policy, member->host->session, "digests keep differing");
    else
        ask_buckets(policy, member);
}

void skr_policy_member_bucket_digests(struct skr_policy *policy, struct member *member,
                                      const uint64_t digests[static 256])
{
    const uint64_t *mine = skr_policy_scope_buckets(member->scope);
    bool differs[256];

    for (int i = 0; i < 256; i++)
        differs[i] = mine[i] != digests[i];
    struct frames *frames = skr_policy_delta_buckets(policy, member->scope, differs);
    member_transmit(policy, member, frames);
    skr_policy_frames_unref(frames);
}

/* Finds the version that we sent with this content. False: we sent none. */
static bool acked_version(const struct member *member, uint64_t version, uint64_t digest, uint64_t *ret)
{
    if (digest == member->scope->digest) {
        *ret = member->scope->version;
        return true;
    }
    for (uint32_t i = 0; i < member->inflight_count; i++)
        if (member->inflight[i].version == version && member->inflight[i].digest == digest) {
            *ret = version;
            return true;
        }
    *ret = member->acked;
    return version == member->acked && digest == member->acked_digest;
}

static void set_acked(struct skr_policy *policy, struct member *member, uint64_t version, uint64_t digest,
                      const struct skr_realization_failure *failures, size_t count)
{
    member->acked = version;
    member->acked_digest = digest;
    skr_policy_member_behind(member, version != member->scope->version);
    skr_realization_applied(policy->options.realizations, &member->key, &member->host->node.key.id, version, failures,
                            count);
}

void skr_policy_member_acked(struct skr_policy *policy, struct member *member, uint64_t version, uint64_t digest,
                             const struct skr_realization_failure *failures, size_t count)
{
    uint64_t mine;

    if (!failures) { /* known from digests, not from an acknowledgement */
        set_acked(policy, member, version, digest, NULL, 0);
        return;
    }
    if (member->sync != MEMBER_LIVE)
        return;
    if (!acked_version(member, version, digest, &mine)) {
        skr_policy_member_resync(policy, member);
        return;
    }
    member->resyncs = 0;
    inflight_release(member, version);
    set_acked(policy, member, mine, digest, failures, count);
}
