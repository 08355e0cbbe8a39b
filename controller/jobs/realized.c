/* Has what a job changed reached the hosts that need it? */
#include "controller/jobs/private.h"

/* Hosts that have not come back this long after a start are away; before it nobody has had the time to. */
#define OFFLINE_GRACE_MS 60000

static const struct skr_realization_host *first_in(const struct skr_realization *realization,
                                                   enum skr_realization_host_state state)
{
    for (uint32_t i = 0; i < realization->named; i++)
        if (realization->hosts[i].state == state)
            return &realization->hosts[i];
    return NULL;
}

static void say_waiting(struct skr_job_run *run, const struct skr_realization *realization)
{
    uint32_t owing = realization->pending + realization->offline, all = owing + realization->applied;
    const struct skr_realization_host *host = first_in(realization, SKR_HOST_PENDING);
    if (!host)
        host = first_in(realization, SKR_HOST_OFFLINE);
    skr_job_say(run, all ? (int)(100 * realization->applied / all) : 0, "Waits for %u of %u hosts%s%.60s%s.", owing,
                all, host ? ", \"" : "", host ? host->name : "", host ? "\" among them" : "");
}

int skr_job_realized(struct skr_job_run *run, int64_t revision, enum skr_resource_id resource,
                     const struct skr_uuid *object_id, const struct skr_uuid *must, struct skr_error *error)
{
    struct skr_realization realization = {.state = SKR_REALIZATION_PENDING};
    int64_t since_ms;
    bool there = !must || skr_realization_host_online(run->realizations, must, &since_ms);
    if (!revision)
        skr_realization_of_object(run->realizations, resource, object_id, &realization);
    else if (skr_realization_of_write(run->realizations, revision, &realization) < 0)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The database has been replaced by an older one.");
    if (realization.state == SKR_REALIZATION_FAILED) {
        const struct skr_realization_host *host = first_in(&realization, SKR_HOST_FAILED);
        return skr_error_set(error, SKR_ERROR_CONFLICT, "Host \"%.60s\" could not apply it: %.160s",
                             host ? host->name : "?", host ? host->reason : "unknown");
    }
    bool all = realization.state == SKR_REALIZATION_REALIZED;
    bool waived = !all && realization.offline && !realization.pending && !realization.failed &&
                  run->now_ms - run->started_ms >= OFFLINE_GRACE_MS;
    if ((all || waived) && there) {
        skr_job_say(run, 100, waived ? "Applied on %u hosts; %u offline." : "Applied on %u hosts.", realization.applied,
                    realization.offline);
        return 1;
    }
    if (all || waived)
        skr_job_say(run, 90, "Waits for the host to be online.");
    else
        say_waiting(run, &realization);
    run->awaited_revision = revision;
    if (!revision)
        skr_job_watch(run, object_id);
    if (must)
        skr_job_watch(run, must);
    /* While a host is offline, nothing tells that the others are done. */
    if (realization.offline)
        run->look_again_ms = run->now_ms + SKR_JOB_LOOK_AGAIN_MS;
    return 0;
}
