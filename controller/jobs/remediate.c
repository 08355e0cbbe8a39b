/* Putting back what differs on a host: what of a changed profile is held back for it comes into force, and its agent is
 * told to repair what it finds. Done when nothing differs any more. */
#include "controller/jobs/private.h"

#define REMEDIATE_TIMEOUT_MS (INT64_C(10) * 60 * 1000)
#define NAMED_MAX            5 /* findings that the message names */

static const struct skr_query findings_of = {"SELECT id FROM compliance WHERE host_id = ?1"};

static int list_findings(struct skr_job_run *run, struct skr_ids *ids, struct skr_error *error)
{
    return skr_ids_query(run->txn, &findings_of, &run->host_id, ids, error);
}

/* Remembers what differs, so that the end can say what was put back. */
static void remember(struct skr_job_run *run, const struct skr_object *finding, json_t *named)
{
    char text[200];
    if (json_array_size(named) >= NAMED_MAX)
        return;
    snprintf(text, sizeof(text), "%.80s %.80s", skr_object_text(finding, SKR_COMPLIANCE_OBJECT),
             skr_object_text(finding, SKR_COMPLIANCE_FIELD));
    skr_utf8_mend(text);
    json_array_append_new(named, json_string(text));
    (void)run;
}

static int release(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = skr_job_fetch(run, SKR_HOST, &run->host_id, &host, error);
    if (r == 0)
        r = list_findings(run, &ids, error);
    json_t *named = json_array();
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *finding = NULL;
        r = skr_fetch(run->txn, SKR_COMPLIANCE, &ids.items[i], &finding, error);
        if (r < 0)
            break;
        remember(run, finding, named);
        if (!strcmp(skr_object_text(finding, SKR_COMPLIANCE_OBJECT_KIND), SKR_HELD_PROFILE))
            r = skr_txn_delete(run->txn, finding, error); /* the row was what held it */
    }
    json_object_set_new(run->progress, "named", named);
    json_object_set_new(run->progress, "count", json_integer((json_int_t)ids.count));
    json_object_set_new(run->progress, "deadline", json_integer(run->now_ms + REMEDIATE_TIMEOUT_MS));
    json_object_set_new(run->progress, "revision", json_integer(skr_job_write_revision(run)));
    if (r == 0)
        r = skr_event_add(run->txn, SKR_EVENT_REMEDIATION_REQUESTED, host, &run->host_id, error,
                          "What differs on host \"%.100s\" is to be put back.", skr_object_name(host));
    if (r < 0)
        return r;
    /* Its own event is a change like any other, and so stands before the row's. */
    json_object_set_new(run->progress, "revision", json_integer(skr_job_write_revision(run)));
    skr_job_say(run, 100, "%zu differences are to be put back.", ids.count);
    return SKR_JOB_GOES_ON;
}

static void say_done(struct skr_job_run *run)
{
    const json_t *named = json_object_get(run->progress, "named"), *text;
    size_t count = (size_t)skr_job_integer(run->progress, "count"), index;
    char list[SKR_JOB_MESSAGE_MAX - 64] = "";
    json_array_foreach (named, index, text) {
        size_t at = strlen(list);
        snprintf(list + at, sizeof(list) - at, "%s%.160s", index ? ", " : ": ", json_string_value(text));
    }
    if (!count)
        skr_job_say(run, 100, "Nothing differed.");
    else
        skr_job_say(run, 100, "Put back %zu%s%s.", count, list, count > json_array_size(named) ? " and others" : "");
}

static int await_repair(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int64_t count = skr_job_integer(run->progress, "count"), since_ms;
    int r = skr_job_fetch(run, SKR_HOST, &run->host_id, &host, error);
    if (r == 0)
        r = list_findings(run, &ids, error);
    if (r < 0)
        return r;
    int realized = skr_job_realized(run, skr_job_integer(run->progress, "revision"), SKR_HOST, &run->host_id,
                                    &run->host_id, error);
    if (realized < 0)
        return realized;
    if (!ids.count && realized) {
        say_done(run);
        return SKR_JOB_GOES_ON;
    }
    run->deadline_ms = skr_job_integer(run->progress, "deadline");
    if (run->now_ms >= run->deadline_ms)
        return skr_error_set(error, SKR_ERROR_CONFLICT,
                             "%zu differences are still there; see the compliance view of host \"%.100s\".", ids.count,
                             skr_object_name(host));
    bool online = skr_realization_host_online(run->realizations, &run->host_id, &since_ms);
    skr_job_watch(run, &run->host_id);
    for (size_t i = 0; i < ids.count; i++)
        skr_job_watch(run, &ids.items[i]);
    int64_t left = (int64_t)ids.count < count ? (int64_t)ids.count : count;
    skr_job_say(run, count ? (int)(100 * (count - left) / count) : 0,
                online ? "%zu of %lld differences are left." : "Waits for the host to be online; %zu of %lld are left.",
                ids.count, (long long)count);
    return SKR_JOB_WAITS;
}

const struct skr_job_kind skr_job_remediate = {
        .name = "remediate",
        .steps = {{.name = "send", .run = release}, {.name = "repair", .run = await_repair, .weight = 4}}};
