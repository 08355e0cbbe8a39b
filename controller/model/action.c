/* POST .../{id}:verb. */
#include "controller/model/rules.h"

typedef int action_fn(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *object,
                      struct skr_error *error);

/* Input tables are small and theirs alone, so a field is found by its name. */
static const struct skr_value *input(const struct skr_action_request *request, const char *name)
{
    int field = request->input ? skr_resource_field(request->input->resource, name) : -1;
    return field < 0 ? NULL : &request->input->values[field];
}

/* Both are writes of an allocation by other words. */
static int allocate(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *pool,
                    struct skr_error *error)
{
    const struct skr_value *wished = input(request, "address"), *kind = input(request, "kind");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *allocation = skr_object_new(skr_resource_get(SKR_IP_ALLOCATION));
    struct skr_uuid pool_id = skr_object_id(pool);
    skr_object_set_uuid(allocation, SKR_IP_ALLOCATION_IP_POOL_ID, &pool_id);
    if (wished && wished->type == SKR_VALUE_ADDRESS)
        skr_object_set_address(allocation, SKR_IP_ALLOCATION_ADDRESS, &wished->address);
    if (kind && kind->type == SKR_VALUE_TEXT)
        skr_object_set_text(allocation, SKR_IP_ALLOCATION_PURPOSE, kind->text);
    int r = skr_write_inner(txn, SKR_IP_ALLOCATION, NULL, allocation, error);
    if (r < 0)
        return r;
    request->result = json_pack("{s:s, s:s}", "address", skr_object_name(allocation), "kind",
                                skr_object_text(allocation, SKR_IP_ALLOCATION_PURPOSE));
    return 0;
}

static int release(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *pool,
                   struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *allocation = NULL;
    const struct skr_value *address = input(request, "address");
    struct skr_uuid pool_id = skr_object_id(pool);
    char text[SKR_ADDRESS_TEXT_MAX];
    if (!address || address->type != SKR_VALUE_ADDRESS)
        return skr_refuse(error, SKR_ERROR_INVALID, "/address", "Say which address to give back.");
    int r = skr_ip_find(txn, &pool_id, &address->address, &allocation, error);
    if (r == -ENOENT)
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/address", "%s is not allocated in this pool.",
                          skr_address_format(&address->address, text));
    return r < 0 ? r : skr_write_inner(txn, SKR_IP_ALLOCATION, allocation, NULL, error);
}

static int set_enrolment(struct skr_txn *txn, struct skr_object *host, const char *enrolment, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(host);
    skr_object_set_text(after, SKR_HOST_ENROLMENT, enrolment);
    return skr_write_inner(txn, SKR_HOST, host, after, error);
}

static int check_not_removed(const struct skr_object *host, struct skr_error *error)
{
    if (strcmp(skr_object_text(host, SKR_HOST_STATE), "removed") != 0)
        return 0;
    return skr_error_set(error, SKR_ERROR_CONFLICT, "Host \"%.100s\" has been removed; let its agent join anew.",
                         skr_object_name(host));
}

static int approve_host(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *host,
                        struct skr_error *error)
{
    (void)request;
    const char *enrolment = skr_object_text(host, SKR_HOST_ENROLMENT);
    if (!strcmp(enrolment, "revoked"))
        return skr_error_set(
                error, SKR_ERROR_CONFLICT,
                "The key of host \"%.100s\" was revoked for good; delete the host and let its agent join anew.",
                skr_object_name(host));
    int r = check_not_removed(host, error);
    return r < 0 || !strcmp(enrolment, "enrolled") ? r : set_enrolment(txn, host, "enrolled", error);
}

static int revoke_host(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *host,
                       struct skr_error *error)
{
    (void)request;
    if (!strcmp(skr_object_text(host, SKR_HOST_ENROLMENT), "revoked"))
        return 0;
    struct skr_uuid id = skr_object_id(host);
    int r = set_enrolment(txn, host, "revoked", error);
    return r < 0 ? r
                 : skr_event_add(txn, "HostRevoked", host, &id, error, "The key of host \"%.100s\" was revoked.",
                                 skr_object_name(host));
}

/* ---- actions that are jobs: the engine's steps judge what may change until they run ---- */

static int start_job(struct skr_txn *txn, struct skr_action_request *request, const char *kind,
                     const struct skr_object *object, const struct skr_uuid *host_id, struct skr_error *error)
{
    json_t *given = request->input ? skr_object_to_json(request->input, SKR_ROLE_ADMIN) : json_object();
    char within[SKR_UUID_TEXT_MAX];
    if (!skr_uuid_is_nil(&request->principal.host_group_id)) /* what the job chooses itself is in his group too */
        json_object_set_new(given, "within", json_string(skr_uuid_format(&request->principal.host_group_id, within)));
    const struct skr_job_request job = {
            .kind = kind, .object = object, .host_id = *host_id, .principal = &request->principal, .input = given};
    int r = skr_job_start(txn, &job, &request->job_id, error);
    json_decref(given);
    return r;
}

static int host_job(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *host,
                    struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(host);
    int r = check_not_removed(host, error);
    return r < 0 ? r : start_job(txn, request, request->verb, host, &id, error);
}

/* To the principal, a host that it does not see does not exist. */
static int check_host_named(struct skr_txn *txn, const struct skr_action_request *request,
                            const struct skr_value *named, const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    char text[SKR_UUID_TEXT_MAX];
    int r = skr_model_read(txn, &request->principal, SKR_HOST, &named->uuid, &host, error);
    return r == -ENOENT ? skr_refuse(error, SKR_ERROR_REFERENCE, pointer, "There is no host with the id %s.",
                                     skr_uuid_format(&named->uuid, text))
                        : r;
}

/* Begins a job that takes everything off the host. */
static int emptying_job(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *host,
                        struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(host);
    int r = host_job(txn, request, host, error);
    return r < 0 ? r : skr_removal_note_ports(txn, &id, NULL, error);
}

static int replace_host(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *host,
                        struct skr_error *error)
{
    const struct skr_value *by = input(request, "new_host_id");
    struct skr_uuid id = skr_object_id(host);
    int r = check_host_named(txn, request, by, "/new_host_id", error);
    if (r == 0 && skr_uuid_equal(&by->uuid, &id))
        return skr_refuse(error, SKR_ERROR_INVALID, "/new_host_id", "A host is replaced by another one.");
    return r < 0 ? r : emptying_job(txn, request, host, error);
}

static int drain_host(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *host,
                      struct skr_error *error)
{
    const struct skr_value *targets = input(request, "host_ids");
    size_t count = targets && targets->type == SKR_VALUE_JSON ? json_array_size(targets->json) : 0;
    for (size_t i = 0; i < count; i++) {
        struct skr_value named = {.type = SKR_VALUE_UUID};
        char pointer[SKR_ERROR_POINTER_MAX];
        const char *text = json_string_value(json_array_get(targets->json, i));
        skr_pointer(pointer, "host_ids", (unsigned)i, NULL);
        if (!text || skr_uuid_parse(text, &named.uuid) < 0)
            return skr_refuse(error, SKR_ERROR_INVALID, pointer, "Write the id of a host.");
        int r = check_host_named(txn, request, &named, pointer, error);
        if (r < 0)
            return r;
    }
    return emptying_job(txn, request, host, error);
}

static int migrate_adapter(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *adapter,
                           struct skr_error *error)
{
    const struct skr_value *target = input(request, "host_id");
    struct skr_uuid host_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    int r = check_host_named(txn, request, target, "/host_id", error);
    if (r < 0)
        return r;
    if (skr_uuid_is_nil(&host_id))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "Network adapter \"%.100s\" is on no host: set its host_id.",
                             skr_object_name(adapter));
    if (skr_uuid_equal(&host_id, &target->uuid))
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/host_id", "Network adapter \"%.100s\" is on this host already.",
                          skr_object_name(adapter));
    skr_removal_note_port(txn, &host_id, adapter);
    return start_job(txn, request, "migrate", adapter, &target->uuid, error);
}

/* The job is what an action that starts one answers with. */
static int cancel_job(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *job,
                      struct skr_error *error)
{
    request->job_id = skr_object_id(job);
    return skr_job_cancel(txn, job, error);
}

static int activate_adapter(struct skr_txn *txn, struct skr_action_request *request, struct skr_object *adapter,
                            struct skr_error *error)
{
    (void)request;
    return skr_adapter_move_finish(txn, adapter, error);
}

static const struct {
    enum skr_resource_id resource;
    const char *verb;
    action_fn *run;
} actions[] = {
        {SKR_IP_POOL, "allocate", allocate},
        {SKR_IP_POOL, "release", release},
        {SKR_HOST, "approve", approve_host},
        {SKR_HOST, "revoke", revoke_host},
        {SKR_HOST, "remediate", host_job},
        {SKR_HOST, "drain", drain_host},
        {SKR_HOST, "replace", replace_host},
        {SKR_JOB, "cancel", cancel_job},
        {SKR_NETWORK_ADAPTER, "migrate", migrate_adapter},
        {SKR_NETWORK_ADAPTER, "activate", activate_adapter},
};

static action_fn *find_action(const struct skr_action_request *request)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(actions); i++)
        if (actions[i].resource == request->resource && !strcmp(actions[i].verb, request->verb))
            return actions[i].run;
    return NULL;
}

static const struct skr_action *describe_action(const struct skr_action_request *request)
{
    const struct skr_resource *resource = skr_resource_get(request->resource);
    for (unsigned i = 0; i < resource->action_count; i++)
        if (!strcmp(resource->actions[i].verb, request->verb))
            return &resource->actions[i];
    return NULL;
}

static int audit(struct skr_txn *txn, const struct skr_action_request *request, const struct skr_object *before,
                 struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = NULL;
    char path[SKR_AUDIT_PATH_MAX];
    const struct skr_resource *resource = skr_resource_get(request->resource);
    const struct skr_audited audited = {
            .principal = &request->principal, .method = "POST", .path = path, .kind = resource->name};
    if (!*request->principal.request_id || request->dry_run)
        return 0;
    skr_audit_path(path, resource, &request->id, request->verb);
    int r = skr_txn_get(txn, request->resource, &request->id, NULL, &after, error);
    return r < 0 && r != -ENOENT ? r : skr_audit_done(txn, &audited, before, after, error);
}

/* An skr_refused_fn. */
static int audit_refused(struct skr_txn *txn, void *argument, int result, const struct skr_error *why)
{
    const struct skr_action_request *request = argument;
    struct skr_refusal refusal = {.principal = request->principal,
                                  .method = "POST",
                                  .resource = skr_resource_get(request->resource),
                                  .id = request->id,
                                  .why = *why};
    struct skr_error error;
    skr_audit_path(refusal.path, refusal.resource, &request->id, request->verb);
    return request->dry_run || result == -ECANCELED ? 0 : skr_model_refusal(txn, &refusal, &error);
}

int skr_model_action(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    struct skr_action_request *request = argument;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    action_fn *run = find_action(request);
    skr_action_request_done(request);
    skr_txn_when_refused(txn, audit_refused, request);
    skr_txn_set_asker(txn, &request->principal);
    if (!run)
        return skr_error_set(error, SKR_ERROR_NOT_FOUND, "A %s has no action \"%.40s\".",
                             skr_resource_get(request->resource)->name, request->verb);
    const struct skr_action *action = describe_action(request);
    if (!skr_role_writes(action ? action->role : SKR_ROLE_NOBODY, request->principal.role))
        return skr_error_set(error, SKR_ERROR_FORBIDDEN, "Your role may not use :%s.", request->verb);
    int r = skr_rolled_back_check(txn, &request->principal, error);
    if (r == 0)
        r = skr_model_read(txn, &request->principal, request->resource, &request->id, &object, error);
    if (r == 0)
        r = skr_writes_check(txn, &request->principal, object, action, error);
    if (r == 0)
        r = run(txn, request, object, error);
    if (r == 0)
        r = audit(txn, request, object, error);
    if (r < 0)
        return r;
    bool job = !skr_uuid_is_nil(&request->job_id);
    r = skr_model_read(txn, &request->principal, job ? SKR_JOB : request->resource,
                       job ? &request->job_id : &request->id, &request->changed, error);
    return r == 0 && request->dry_run ? -ECANCELED : r;
}

void skr_action_request_done(struct skr_action_request *request)
{
    json_decref(SKR_TAKE(request->result));
    skr_object_unref(SKR_TAKE(request->changed));
    request->job_id = (struct skr_uuid){0};
}
