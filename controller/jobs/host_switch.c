/* Deploying a logical switch to a host and removing it. The row is written, or deleted, by the request itself, which
 * its rules have judged; the job follows what the host makes of it. A switch that the host cannot apply stays where the
 * administrator put it, and its realization says why; a cancelled deployment takes it away again. */
#include "controller/jobs/private.h"

static const json_t *find_interface(const struct skr_object *host, const char *name)
{
    const struct skr_value *inventory = &host->values[SKR_HOST_INVENTORY];
    size_t index;
    json_t *one;
    if (inventory->type == SKR_VALUE_JSON)
        json_array_foreach (inventory->json, index, one)
            if (json_is_string(json_object_get(one, "name")) &&
                !strcmp(json_string_value(json_object_get(one, "name")), name))
                return one;
    return NULL;
}

static int check(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *host_switch = NULL;
    int r = skr_job_fetch(run, SKR_HOST_SWITCH, &run->object_id, &host_switch, error);
    if (r == 0)
        r = skr_job_fetch(run, SKR_HOST, &run->host_id, &host, error);
    if (r < 0 || !host || !host_switch)
        return r;
    if (!skr_host_in_service(host))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "Host \"%.100s\" is not in service any more.",
                             skr_object_name(host));
    const struct skr_value *uplinks = &host_switch->values[SKR_HOST_SWITCH_UPLINKS];
    const struct skr_value *inventory = &host->values[SKR_HOST_INVENTORY];
    bool reported = inventory->type == SKR_VALUE_JSON && json_array_size(inventory->json);
    for (uint32_t i = 0; uplinks->type == SKR_VALUE_OBJECTS && i < uplinks->count; i++) {
        const char *name = skr_object_text(uplinks->objects[i], SKR_SWITCH_UPLINK_INTERFACE);
        if (reported && !find_interface(host, name))
            return skr_error_set(error, SKR_ERROR_CONFLICT, "Host \"%.100s\" has no interface %.15s.",
                                 skr_object_name(host), name);
    }
    skr_job_say(run, 100, "Host \"%.100s\" has what the switch needs.", skr_object_name(host));
    return SKR_JOB_GOES_ON;
}

static int await_applied(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host_switch = NULL;
    int r = skr_job_fetch(run, SKR_HOST_SWITCH, &run->object_id, &host_switch, error);
    skr_job_watch(run, &run->object_id);
    return r < 0 ? r : skr_job_realized(run, 0, SKR_HOST_SWITCH, &run->object_id, &run->host_id, error);
}

static int undo_deploy(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host_switch = NULL;
    if (!run->cancelled)
        return 0;
    int r = skr_txn_get(run->txn, SKR_HOST_SWITCH, &run->object_id, NULL, &host_switch, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    skr_job_say(run, 0, "Cancelled; the switch is taken off the host again.");
    return skr_write_inner(run->txn, SKR_HOST_SWITCH, host_switch, NULL, error);
}

/* The write that took the row away is the one that started this job. */
static int withdraw(struct skr_job_run *run, struct skr_error *error)
{
    (void)error;
    json_object_set_new(run->progress, "revision", json_integer(run->born_revision));
    skr_job_say(run, 100, "The switch is no longer wanted on the host.");
    return SKR_JOB_GOES_ON;
}

static int await_gone(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    int r = skr_txn_get(run->txn, SKR_HOST, &run->host_id, NULL, &host, error);
    if (r == -ENOENT || (r == 0 && !skr_host_in_service(host))) {
        skr_job_say(run, 100, "The host itself is gone.");
        return SKR_JOB_GOES_ON;
    }
    skr_job_watch(run, &run->host_id);
    return r < 0 ? r
                 : skr_job_realized(run, skr_job_integer(run->progress, "revision"), SKR_HOST, &run->host_id,
                                    &run->host_id, error);
}

const struct skr_job_kind skr_job_deploy_host_switch = {
        .name = "deploy_host_switch",
        .steps = {{.name = "check", .run = check}, {.name = "apply", .run = await_applied, .weight = 4}},
        .undo = undo_deploy,
        .done = "The host has applied the switch."};
const struct skr_job_kind skr_job_remove_host_switch = {
        .name = "remove_host_switch",
        .steps = {{.name = "withdraw", .run = withdraw, .fixed = true},
                  {.name = "let_go", .run = await_gone, .fixed = true, .weight = 4}},
        .done = "The host has let go of the switch."};
