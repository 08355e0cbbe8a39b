/* Draining a host: it goes into maintenance, so that nothing new comes, and its adapters go to other hosts: those of
 * running VMs by moves of their own (child jobs, a few at a time), the others by writing where they are. It ends when
 * the host has none, or when the rest cannot be moved; the host then stays in maintenance. Cancelled, it starts no
 * further move and the host is as it was; what has moved stays moved. */
#include "controller/jobs/private.h"
#include "controller/model/reach.h"

#define DRAIN_PARALLEL_MAX   8  /* moves under way at a time */
#define DRAIN_BATCH_MAX      64 /* adapters without a running VM written in one look */
#define DRAIN_FAILURES_MAX   16 /* adapters that cannot be moved before the drain gives up */
#define DRAIN_CANDIDATES_MAX 64 /* hosts compared for one adapter */

static const struct skr_query adapters_of = {"SELECT id FROM network_adapter WHERE host_id = ?1 ORDER BY id"};
static const struct skr_query children_of = {
        "SELECT object_id, ended_at, state, message, id FROM job WHERE parent_id = ?1 ORDER BY id"};
static const struct skr_query load_of = {"SELECT count(*) FROM network_adapter WHERE host_id = ?1"};
static const struct skr_query coming_to = {"SELECT count(*) FROM network_adapter WHERE target_host_id = ?1"};

static int enter_maintenance(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *after = NULL;
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    int r = skr_job_fetch(run, SKR_HOST, &run->host_id, &host, error);
    if (r == 0)
        r = skr_ids_query(run->txn, &adapters_of, &run->host_id, &ids, error);
    if (r < 0)
        return r;
    json_object_set_new(run->progress, "state", json_string(skr_object_text(host, SKR_HOST_STATE)));
    json_object_set_new(run->progress, "total", json_integer((json_int_t)ids.count));
    json_object_set_new(run->progress, "failed", json_array());
    after = skr_object_copy(host);
    skr_object_set_text(after, SKR_HOST_STATE, "maintenance");
    skr_job_say(run, 100, "Host \"%.100s\" is in maintenance.", skr_object_name(host));
    r = skr_write_inner(run->txn, SKR_HOST, host, after, error);
    return r < 0 ? r : SKR_JOB_GOES_ON;
}

/* ---- where to ---- */

/* An adapter of a VM network that is to go. */
struct leaving {
    const struct skr_object *adapter, *network;
};

/* 1: the host has the same logical switch for the adapter; 0: not. */
static int within_boundary(struct skr_job_run *run, const struct skr_uuid *id, const struct leaving *leaving,
                           struct skr_error *error)
{
    struct skr_error why = {0};
    int r = skr_adapter_move_boundary(run->txn, leaving->adapter, id, &why);
    if (r < 0 && why.tag == SKR_ERROR_CONFLICT)
        return 0;
    if (r < 0 && error)
        *error = why;
    return r < 0 ? r : 1;
}

/* 1: the host can take the adapter, and has *ret_load; 0: not. */
static int judge_host(struct skr_job_run *run, const struct skr_uuid *id, const struct leaving *leaving,
                      int64_t *ret_load, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    int64_t since_ms;
    int r = skr_txn_get(run->txn, SKR_HOST, id, NULL, &host, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (skr_uuid_equal(id, &run->host_id) || !skr_host_takes_adapters(host) ||
        skr_object_integer(host, SKR_HOST_GATEWAY_ONLY) ||
        !skr_realization_host_online(run->realizations, id, &since_ms))
        return 0;
    SKR_CLEANUP(skr_reach_cleanup) struct skr_reach reach = {0};
    const struct skr_reach_uplink *uplink = NULL;
    struct skr_uuid site_id;
    r = skr_reach_load(run->txn, id, &reach, error);
    if (r == 0)
        r = skr_reach_vm_network(run->txn, &reach, leaving->network, &site_id, &uplink, error);
    if (r == 0 && uplink)
        r = within_boundary(run, id, leaving, error);
    if (r <= 0)
        return r;
    int64_t there = 0, coming = 0;
    r = skr_integer_query(run->txn, &load_of, id, &there, error);
    if (r == 0)
        r = skr_integer_query(run->txn, &coming_to, id, &coming, error);
    if (r < 0)
        return r;
    *ret_load = there + coming;
    return 1;
}

/* 1: the least loaded of these that can take it, of DRAIN_CANDIDATES_MAX at most, beginning anywhere. */
static int choose_among(struct skr_job_run *run, const struct skr_ids *hosts, const struct leaving *leaving,
                        unsigned start, struct skr_uuid *ret, struct skr_error *error)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < hosts->count && i < DRAIN_CANDIDATES_MAX; i++) {
        const struct skr_uuid *id = &hosts->items[(start + i) % hosts->count];
        int64_t load = 0;
        int r = judge_host(run, id, leaving, &load, error);
        if (r < 0)
            return r;
        if (r > 0 && load < least) {
            least = load;
            *ret = *id;
        }
    }
    return least < INT64_MAX;
}

static int list_given(struct skr_job_run *run, struct skr_ids *hosts)
{
    size_t index;
    json_t *text;
    json_array_foreach (json_object_get(run->input, "host_ids"), index, text) {
        struct skr_uuid id;
        if (json_is_string(text) && skr_uuid_parse(json_string_value(text), &id) == 0)
            skr_ids_add(hosts, &id);
    }
    return hosts->count > 0;
}

/* 1: found; 0: no host can take it. The nearest group that has one counts: its sites are the likeliest. An operator of
 * a host group drains into that group. */
static int choose(struct skr_job_run *run, const struct skr_object *adapter, struct skr_uuid *ret,
                  struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL, *host = NULL;
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids given = {0}, chain = {0};
    struct skr_uuid id = skr_object_id(adapter), within = skr_job_uuid(run->input, "within"),
                    vm_network_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    unsigned start = id.bytes[15] | (unsigned)id.bytes[14] << 8;
    int r = skr_fetch(run->txn, SKR_VM_NETWORK, &vm_network_id, &network, error);
    if (r == 0)
        r = skr_job_fetch(run, SKR_HOST, &run->host_id, &host, error);
    if (r < 0)
        return r;
    struct skr_uuid group_id = skr_object_uuid(host, SKR_HOST_HOST_GROUP_ID);
    const struct leaving leaving = {.adapter = adapter, .network = network};
    if (list_given(run, &given))
        return choose_among(run, &given, &leaving, start, ret, error);
    r = skr_host_group_chain(run->txn, &group_id, &chain, error);
    bool out = false;
    for (size_t i = 0; r == 0 && i < chain.count && !out; i++) {
        SKR_CLEANUP(skr_ids_cleanup) struct skr_ids hosts = {0};
        out = skr_uuid_equal(&chain.items[i], &within);
        r = skr_host_group_hosts(run->txn, &chain.items[i], &hosts, error);
        if (r == 0)
            r = choose_among(run, &hosts, &leaving, start, ret, error);
    }
    return r;
}

/* ---- moving ---- */

struct drain {
    struct skr_job_run *run;
    struct skr_ids moving, failed; /* adapters */
    unsigned open, written;
    char reason[200]; /* of the first failure */
};

static void note_failure(struct drain *drain, const struct skr_uuid *adapter_id, const char *reason)
{
    skr_ids_add(&drain->failed, adapter_id);
    if (!drain->reason[0])
        snprintf(drain->reason, sizeof(drain->reason), "%.199s", reason);
}

/* A failure that left no job behind is remembered in the drain's own row. */
static void remember_failure(struct drain *drain, const struct skr_uuid *adapter_id, const char *reason)
{
    char text[SKR_UUID_TEXT_MAX];
    json_array_append_new(json_object_get(drain->run->progress, "failed"),
                          json_pack("{s:s, s:s}", "adapter_id", skr_uuid_format(adapter_id, text), "reason", reason));
    note_failure(drain, adapter_id, reason);
}

static int read_children(struct drain *drain, struct skr_error *error)
{
    struct skr_statement *statement;
    const json_t *item;
    size_t index;
    json_array_foreach (json_object_get(drain->run->progress, "failed"), index, item) {
        struct skr_uuid id = skr_job_uuid(item, "adapter_id");
        note_failure(drain, &id, json_string_value(json_object_get(item, "reason")));
    }
    int r = skr_txn_query(drain->run->txn, &children_of, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &drain->run->id);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid adapter_id = skr_column_uuid(statement, 0), job_id = skr_column_uuid(statement, 4);
        if (skr_column_is_null(statement, 1)) {
            drain->open++;
            skr_ids_add(&drain->moving, &adapter_id);
            skr_job_watch(drain->run, &job_id);
        } else if (strcmp(skr_column_text(statement, 2), "succeeded") != 0) {
            note_failure(drain, &adapter_id, skr_column_text(statement, 3));
        }
    }
    skr_statement_reset(statement);
    skr_ids_sort(&drain->moving);
    return r;
}

/* An adapter that goes now. */
struct sending {
    struct skr_job_run *run;
    struct skr_object *adapter;
    struct skr_uuid target_id, job_id;
};

/* An skr_write_fn. */
static int start_move(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    struct sending *sending = argument;
    int64_t timeout_s = skr_job_integer(sending->run->input, "timeout_s");
    json_t *input = json_pack("{s:I}", "timeout_s", (json_int_t)timeout_s);
    const struct skr_job_request request = {.kind = "migrate",
                                            .object = sending->adapter,
                                            .host_id = sending->target_id,
                                            .parent_id = sending->run->id,
                                            .input = input};
    int r = skr_job_start(txn, &request, &sending->job_id, error);
    json_decref(input);
    return r;
}

/* An skr_write_fn. */
static int place(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    struct sending *sending = argument;
    (void)txn;
    return skr_job_place(sending->run, sending->adapter, &sending->target_id, error);
}

/* One adapter that is still here and not under way. */
static int send_away(struct drain *drain, const struct skr_uuid *adapter_id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    struct sending sending = {.run = drain->run};
    struct skr_error why = {0};
    int r = skr_fetch(drain->run->txn, SKR_NETWORK_ADAPTER, adapter_id, &adapter, error);
    if (r < 0)
        return r;
    bool runs = skr_object_integer(adapter, SKR_NETWORK_ADAPTER_BOUND);
    if (skr_object_has(adapter, SKR_NETWORK_ADAPTER_TARGET_HOST_ID) ||
        (runs ? drain->open >= DRAIN_PARALLEL_MAX : drain->written >= DRAIN_BATCH_MAX))
        return 0; /* somebody else moves it; or its turn comes */
    r = choose(drain->run, adapter, &sending.target_id, error);
    if (r < 0)
        return r;
    sending.adapter = adapter;
    if (r == 0)
        skr_error_set(&why, SKR_ERROR_CONFLICT,
                      "No other active host that is online, has the same logical switch and reaches the network "
                      "can take adapter \"%.60s\".",
                      skr_object_name(adapter));
    else
        r = skr_txn_try(drain->run->txn, runs ? start_move : place, &sending, &why, error);
    if (r < 0)
        return r;
    if (why.tag) /* an adapter that cannot go is no reason to stop */
        remember_failure(drain, adapter_id, why.detail);
    else if (runs)
        skr_job_watch(drain->run, &sending.job_id);
    drain->open += runs && !why.tag;
    drain->written += !runs;
    return 0;
}

static int judge(struct drain *drain, size_t left, size_t waiting, struct skr_error *error)
{
    struct skr_job_run *run = drain->run;
    int64_t total = skr_job_integer(run->progress, "total");
    int64_t gone = total > (int64_t)left ? total - (int64_t)left : 0;
    if (!left && !drain->open) {
        skr_job_say(run, 100, "The host has no adapters any more.");
        return SKR_JOB_GOES_ON;
    }
    bool over = drain->failed.count >= DRAIN_FAILURES_MAX || !waiting;
    if (over && !drain->open)
        return skr_error_set(error, SKR_ERROR_CONFLICT,
                             "%zu adapters are still on the host, which stays in maintenance; the first: %.200s", left,
                             drain->reason);
    skr_job_say(run, total ? (int)(100 * gone / total) : 0,
                "%lld of %lld adapters have left, %u are moving, %zu could not be moved.", (long long)gone,
                (long long)total, drain->open, drain->failed.count);
    return SKR_JOB_WAITS;
}

static int move_all(struct drain *drain, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0}, still = {0};
    int r = read_children(drain, error);
    if (r == 0)
        r = skr_ids_query(drain->run->txn, &adapters_of, &drain->run->host_id, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        if (skr_ids_contain(&drain->failed, &ids.items[i]))
            continue;
        skr_job_watch(drain->run, &ids.items[i]); /* it may leave by itself */
        if (!skr_ids_search(&drain->moving, &ids.items[i]) && drain->failed.count < DRAIN_FAILURES_MAX)
            r = send_away(drain, &ids.items[i], error);
    }
    if (r == 0)
        r = skr_ids_query(drain->run->txn, &adapters_of, &drain->run->host_id, &still, error);
    if (r < 0)
        return r;
    if (drain->written && still.count > drain->failed.count) /* more of the kind that needs nobody's help */
        drain->run->look_again_ms = drain->run->now_ms + 1;
    size_t waiting = 0;
    for (size_t i = 0; i < still.count; i++)
        waiting += !skr_ids_contain(&drain->failed, &still.items[i]);
    return judge(drain, still.count, waiting, error);
}

static int move(struct skr_job_run *run, struct skr_error *error)
{
    struct drain drain = {.run = run};
    int r = move_all(&drain, error);
    free(drain.moving.items);
    free(drain.failed.items);
    return r;
}

static int undo(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *after = NULL;
    const char *state = json_string_value(json_object_get(run->progress, "state"));
    run->kept = true;
    if (!run->cancelled || !state)
        return 0;
    int r = skr_txn_get(run->txn, SKR_HOST, &run->host_id, NULL, &host, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (strcmp(skr_object_text(host, SKR_HOST_STATE), "maintenance") != 0)
        return 0;
    run->kept = false;
    after = skr_object_copy(host);
    skr_object_set_text(after, SKR_HOST_STATE, state);
    skr_job_say(run, 0, "Cancelled; the host is %s again, and what has moved stays where it is.", state);
    return skr_write_inner(run->txn, SKR_HOST, host, after, error);
}

const struct skr_job_kind skr_job_drain = {
        .name = "drain",
        .steps = {{.name = "maintenance", .run = enter_maintenance}, {.name = "move", .run = move, .weight = 9}},
        .undo = undo};
