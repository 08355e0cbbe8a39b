/* Replacing a host: in one transaction the old one's key is revoked, its provider addresses are withdrawn and its
 * adapters are the new one's (docs/design/southbound.md, "Enrolment"). */
#include "controller/jobs/private.h"

static const struct skr_query adapters_of = {"SELECT id FROM network_adapter WHERE host_id = ?1"};
static const struct skr_query moving_to = {"SELECT id FROM network_adapter WHERE target_host_id = ?1"};

static int hand_over(struct skr_job_run *run, const struct skr_uuid *new_id, size_t *ret_count, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0}, coming = {0};
    int r = skr_ids_query(run->txn, &adapters_of, &run->host_id, &ids, error);
    if (r == 0)
        r = skr_ids_query(run->txn, &moving_to, &run->host_id, &coming, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
        r = skr_fetch(run->txn, SKR_NETWORK_ADAPTER, &ids.items[i], &adapter, error);
        if (r == 0)
            r = skr_job_place(run, adapter, new_id, error);
    }
    for (size_t i = 0; r == 0 && i < coming.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
        r = skr_fetch(run->txn, SKR_NETWORK_ADAPTER, &coming.items[i], &adapter, error);
        if (r == 0)
            r = skr_adapter_move_cancel(run->txn, adapter, error);
    }
    *ret_count = ids.count;
    return r;
}

static int replace(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *old = NULL, *by = NULL, *removed = NULL;
    struct skr_uuid new_id = skr_job_uuid(run->input, "new_host_id");
    size_t count = 0;
    int r = skr_job_fetch(run, SKR_HOST, &run->host_id, &old, error);
    if (r == 0)
        r = skr_job_fetch(run, SKR_HOST, &new_id, &by, error);
    if (r < 0)
        return r;
    if (!skr_host_takes_adapters(by))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "Host \"%.100s\" takes no adapters (%s, %s).",
                             skr_object_name(by), skr_object_text(by, SKR_HOST_STATE),
                             skr_object_text(by, SKR_HOST_ENROLMENT));
    r = hand_over(run, &new_id, &count, error);
    if (r < 0)
        return r;
    removed = skr_object_copy(old);
    skr_object_set_text(removed, SKR_HOST_STATE, "removed");
    skr_object_set_text(removed, SKR_HOST_ENROLMENT, "revoked");
    r = skr_write_inner(run->txn, SKR_HOST, old, removed, error);
    if (r == 0)
        r = skr_event_add(run->txn, "HostReplaced", old, &run->host_id, error,
                          "Host \"%.100s\" was replaced by \"%.100s\", which has its %zu adapters now.",
                          skr_object_name(old), skr_object_name(by), count);
    if (r < 0)
        return r;
    skr_job_set_uuid(run->progress, "new_host_id", &new_id);
    json_object_set_new(run->progress, "revision", json_integer(skr_job_write_revision(run)));
    skr_job_say(run, 100, "%zu adapters are on host \"%.100s\" now.", count, skr_object_name(by));
    return SKR_JOB_GOES_ON;
}

static int settle(struct skr_job_run *run, struct skr_error *error)
{
    struct skr_uuid new_id = skr_job_uuid(run->progress, "new_host_id");
    return skr_job_realized(run, skr_job_integer(run->progress, "revision"), SKR_HOST, &new_id, &new_id, error);
}

const struct skr_job_kind skr_job_replace = {
        .name = "replace",
        .steps = {{.name = "replace", .run = replace}, {.name = "settle", .run = settle, .fixed = true}}};
