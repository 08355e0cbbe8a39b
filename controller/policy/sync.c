/* Synced: the host holds all its scopes up to a revision. Told to the agent and made durable at once when it has been
 * quiet, else a little later; hosts that a revision did not concern are recorded by and by. */
#include "controller/policy/graph.h"

#define IDLE_PERIOD_NS INT64_C(1000000000)

uint64_t skr_policy_host_root_digest(const struct skr_policy *policy, const struct host *host)
{
    const struct member *member;
    uint64_t sum = 0;

    LIST_FOREACH (member, &host->member_list, host_link)
        sum += skr_policy_scope_root_term(policy, &member->key, member->scope->digest);
    return sum;
}

bool skr_policy_host_is_settled(const struct host *host)
{
    return host->behind == 0 && host->session && host->session->state == SESSION_LIVE &&
           host->session->removed.count == 0;
}

static void tell_synced(struct skr_policy *policy, struct host *host)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Synced synced = SKERRY__V1__SYNCED__INIT;
    uint8_t proof[SKR_PROOF_SIZE];

    synced.revision = (uint64_t)policy->revision;
    skr_proof_make(&policy->options.proof_key, &host->node.key.id, &policy->options.database_id, synced.revision,
                   proof);
    synced.proof = (ProtobufCBinaryData){.len = sizeof(proof), .data = proof};
    synced.root_digest = skr_policy_host_root_digest(policy, host);
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_SYNCED;
    envelope.synced = &synced;
    skr_policy_session_send(policy, host->session, &envelope);
    host->session->told_synced = true;
    if (!skr_policy_host_is_settled(host))
        return; /* all sent, not yet all acknowledged */
    host->synced_at = policy->now_ns;
    if (host->synced >= policy->revision)
        return;
    host->synced = policy->revision;
    skr_realization_host_synced(policy->options.realizations, &host->node.key.id, host->synced);
    policy->options.output.synced(policy->options.output.arg, &host->node.key.id, host->synced);
}

void skr_policy_sync_host(struct skr_policy *policy, struct host *host)
{
    int64_t due = host->synced_at + SKR_POLICY_SYNC_MS * INT64_C(1000000);

    if (!host->session || host->session->state != SESSION_LIVE || host->sync_due)
        return;
    if (!host->session->told_synced || host->synced_at == 0 || policy->now_ns >= due) {
        tell_synced(policy, host);
        return;
    }
    host->sync_due = true;
    TAILQ_INSERT_TAIL(&policy->sync_queue, host, sync_link);
    if (policy->sync_due > due)
        policy->sync_due = due;
}

static void run_queue(struct skr_policy *policy)
{
    struct host *host, *next;

    policy->sync_due = INT64_MAX;
    for (host = TAILQ_FIRST(&policy->sync_queue); host; host = next) {
        int64_t due = host->synced_at + SKR_POLICY_SYNC_MS * INT64_C(1000000);
        next = TAILQ_NEXT(host, sync_link);
        if (policy->now_ns < due) {
            policy->sync_due = policy->sync_due < due ? policy->sync_due : due;
            continue;
        }
        host->sync_due = false;
        TAILQ_REMOVE(&policy->sync_queue, host, sync_link);
        if (skr_policy_host_is_settled(host)) /* else its acknowledgement will come back here */
            tell_synced(policy, host);
    }
}

/* A share of the sessions each second, so that 10,000 quiet hosts are no burst of writes. */
static void run_idle(struct skr_policy *policy)
{
    uint32_t looked = 0;

    while (looked < SKR_POLICY_IDLE_SYNCS) {
        struct session *session = skr_id_map_next(&policy->sessions, &policy->idle_cursor);
        if (!session) {
            policy->idle_cursor = 0;
            break;
        }
        struct host *host = session->host;
        if (skr_policy_host_is_settled(host) && host->synced < policy->revision && !host->sync_due)
            tell_synced(policy, host);
        looked++;
    }
    policy->idle_due = policy->sessions.count ? policy->now_ns + IDLE_PERIOD_NS : INT64_MAX;
}

void skr_policy_sync_run(struct skr_policy *policy)
{
    if (policy->now_ns >= policy->sync_due)
        run_queue(policy);
    if (policy->now_ns >= policy->idle_due)
        run_idle(policy);
}
