/* Moving an adapter (docs/design/model.md, "Moving a VM"): its port stands armed on the target, every member of its
 * networks knows where it will be, and then the VM decides: its first frame on the target, which the target's agent
 * reports as moved, or :activate. Until then the adapter is where it was, and calling off is one write. */
#include "controller/jobs/private.h"

static int fetch_adapter(struct skr_job_run *run, struct skr_object **ret, struct skr_error *error)
{
    return skr_job_fetch(run, SKR_NETWORK_ADAPTER, &run->object_id, ret, error);
}

static bool is_at(const struct skr_object *adapter, int field, const struct skr_uuid *host_id)
{
    struct skr_uuid id = skr_object_uuid(adapter, field);
    return !skr_uuid_is_nil(host_id) && skr_uuid_equal(&id, host_id);
}

/* host_id of the job is the target's. The rules judge the target like any host_id. */
static int check(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL, *target = NULL;
    int r = fetch_adapter(run, &adapter, error);
    if (r == 0)
        r = skr_job_fetch(run, SKR_HOST, &run->host_id, &target, error);
    if (r < 0)
        return r;
    struct skr_uuid source_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    r = skr_adapter_move_begin(run->txn, adapter, &run->host_id, error);
    if (r < 0)
        return r;
    skr_job_set_uuid(run->progress, "source", &source_id);
    json_object_set_new(run->progress, "target_name", json_string(skr_object_name(target)));
    json_object_set_new(run->progress, "revision", json_integer(skr_job_write_revision(run)));
    json_object_set_new(run->progress, "deadline",
                        json_integer(run->now_ms + 1000 * skr_job_integer(run->input, "timeout_s")));
    skr_job_say(run, 100, "Host \"%.100s\" can take the adapter.", skr_object_name(target));
    return SKR_JOB_GOES_ON;
}

/* 1: it has arrived; 0: it still moves; CONFLICT: somebody has called it off or put it elsewhere, or time is over. */
static int judge(struct skr_job_run *run, const struct skr_object *adapter, struct skr_error *error)
{
    const char *target = json_string_value(json_object_get(run->progress, "target_name"));
    if (is_at(adapter, SKR_NETWORK_ADAPTER_HOST_ID, &run->host_id))
        return 1;
    if (!is_at(adapter, SKR_NETWORK_ADAPTER_TARGET_HOST_ID, &run->host_id))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "Somebody else has placed the adapter meanwhile.");
    run->deadline_ms = skr_job_integer(run->progress, "deadline");
    if (run->now_ms >= run->deadline_ms)
        return skr_error_set(error, SKR_ERROR_CONFLICT,
                             "The VM has not appeared on host \"%.100s\" in time; the adapter stays where it was.",
                             target ? target : "");
    return 0;
}

static int check_target(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *target = NULL;
    int r = skr_job_fetch(run, SKR_HOST, &run->host_id, &target, error);
    if (r < 0 || skr_host_in_service(target))
        return r;
    return skr_error_set(error, SKR_ERROR_CONFLICT, "Host \"%.100s\" is not in service any more.",
                         skr_object_name(target));
}

/* Every host that sends to the adapter knows the address it will be at, and the target has its port. */
static int arm(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    int r = fetch_adapter(run, &adapter, error);
    if (r == 0)
        r = judge(run, adapter, error);
    if (r != 0)
        return r < 0 ? r : SKR_JOB_GOES_ON;
    r = check_target(run, error);
    skr_job_watch(run, &run->object_id);
    skr_job_watch(run, &run->host_id);
    return r < 0 ? r
                 : skr_job_realized(run, skr_job_integer(run->progress, "revision"), SKR_NETWORK_ADAPTER,
                                    &run->object_id, &run->host_id, error);
}

static int await_vm(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    const char *target = json_string_value(json_object_get(run->progress, "target_name"));
    int r = fetch_adapter(run, &adapter, error);
    if (r == 0)
        r = judge(run, adapter, error);
    if (r > 0)
        skr_job_say(run, 100, "The VM runs on host \"%.100s\".", target ? target : "");
    if (r == 0)
        r = check_target(run, error);
    if (r != 0)
        return r < 0 ? r : SKR_JOB_GOES_ON;
    skr_job_watch(run, &run->object_id);
    skr_job_watch(run, &run->host_id);
    skr_job_say(run, 0, "Ready; waits for the VM's first frame on host \"%.100s\" (or :activate).",
                target ? target : "");
    return SKR_JOB_WAITS;
}

/* It has happened: whatever fails now, the adapter is on the target. */
static int settle(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    int r = skr_txn_get(run->txn, SKR_NETWORK_ADAPTER, &run->object_id, NULL, &adapter, error);
    if (r == -ENOENT || (r == 0 && !is_at(adapter, SKR_NETWORK_ADAPTER_HOST_ID, &run->host_id))) {
        skr_job_say(run, 100, "The adapter has moved on meanwhile.");
        return SKR_JOB_GOES_ON;
    }
    return r < 0 ? r : skr_job_realized(run, 0, SKR_NETWORK_ADAPTER, &run->object_id, NULL, error);
}

static int undo(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    int r = skr_txn_get(run->txn, SKR_NETWORK_ADAPTER, &run->object_id, NULL, &adapter, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (is_at(adapter, SKR_NETWORK_ADAPTER_HOST_ID, &run->host_id))
        skr_job_say(run, 100, "The VM had appeared on the target already; the adapter is there.");
    else
        skr_job_say(run, 0, "Cancelled; the adapter stays where it was.");
    /* Another's move is not ours to call off. */
    bool ours = json_object_get(run->progress, "source") &&
                is_at(adapter, SKR_NETWORK_ADAPTER_TARGET_HOST_ID, &run->host_id);
    return ours ? skr_adapter_move_cancel(run->txn, adapter, error) : 0;
}

const struct skr_job_kind skr_job_migrate = {.name = "migrate",
                                             .steps = {{.name = "check", .run = check},
                                                       {.name = "arm", .run = arm, .weight = 4},
                                                       {.name = "switch", .run = await_vm, .weight = 4},
                                                       {.name = "settle", .run = settle, .fixed = true}},
                                             .undo = undo};
