/* How any object is written: existence and visibility, If-Match, immutable fields, references, the object's rules,
 * name, maximum, rows. */
#include "controller/model/rules.h"

/* An object that the principal does not see is refused in the same words as one that does not exist. */
static int check_reference(struct skr_write *write, const struct skr_field *field, const char *pointer,
                           const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_sight_done) struct skr_sight sight = {0};
    struct skr_error why = {0};
    int r = skr_model_sees(write->txn, write->principal, field->target, &sight, &why);
    if (r == 0)
        r = skr_model_find(write->txn, &sight, field->target, id, NULL, &why);
    if (r < 0 && r != -ENOENT && error)
        *error = why;
    if (r != -ENOENT)
        return r;
    char text[SKR_UUID_TEXT_MAX];
    return skr_refuse(error, SKR_ERROR_REFERENCE, pointer,
                      "There is no %s with the id %s; create it first or name one that exists.",
                      skr_resource_get(field->target)->name, skr_uuid_format(id, text));
}

static int check_list(struct skr_write *write, const struct skr_field *field, const struct skr_value *value,
                      struct skr_error *error)
{
    char pointer[SKR_ERROR_POINTER_MAX];
    for (uint32_t i = 0; i < value->count; i++) {
        skr_pointer(pointer, field->name, i, NULL);
        for (uint32_t other = 0; other < i; other++)
            if (skr_uuid_equal(&value->uuids[i], &value->uuids[other]))
                return skr_refuse(error, SKR_ERROR_INVALID, pointer, "The list names this %s twice; keep one.",
                                  skr_resource_get(field->target)->name);
        int r = check_reference(write, field, pointer, &value->uuids[i], error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* References of one entry of a list of structs. */
static int check_entry(struct skr_write *write, const struct skr_field *field, const struct skr_object *entry,
                       uint32_t index, struct skr_error *error)
{
    char pointer[SKR_ERROR_POINTER_MAX];
    for (unsigned f = 0; f < field->sub->field_count; f++) {
        const struct skr_field *member = &field->sub->fields[f];
        if (member->kind != SKR_KIND_REFERENCE || !skr_object_has(entry, (int)f))
            continue;
        skr_pointer(pointer, field->name, index, member->name);
        int r = check_reference(write, member, pointer, &entry->values[f].uuid, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_field(struct skr_write *write, unsigned f, struct skr_error *error)
{
    const struct skr_field *field = &write->after->resource->fields[f];
    const struct skr_value *value = &write->after->values[f];
    char pointer[SKR_ERROR_POINTER_MAX];
    int r = 0;
    if (field->kind == SKR_KIND_REFERENCE) {
        snprintf(pointer, sizeof(pointer), "/%s", field->name);
        return check_reference(write, field, pointer, &value->uuid, error);
    }
    if (field->kind == SKR_KIND_REFERENCES)
        return check_list(write, field, value, error);
    for (uint32_t i = 0; r == 0 && field->kind == SKR_KIND_STRUCTS && i < value->count; i++)
        r = check_entry(write, field, value->objects[i], i, error);
    return r;
}

static int check_references(struct skr_write *write, struct skr_error *error)
{
    int r = 0;
    for (unsigned f = 0; r == 0 && f < write->after->resource->field_count; f++)
        if (skr_object_has(write->after, (int)f) && skr_write_changes(write, (int)f))
            r = check_field(write, f, error);
    return r;
}

static int check_immutable(const struct skr_write *write, struct skr_error *error)
{
    const struct skr_resource *resource = skr_resource_get(write->resource);
    int r = 0;
    for (unsigned f = 0; f < resource->field_count; f++) {
        if (!(resource->fields[f].flags & SKR_FIELD_IMMUTABLE) || !skr_write_changes(write, (int)f))
            continue;
        char pointer[SKR_ERROR_POINTER_MAX];
        snprintf(pointer, sizeof(pointer), "/%s", resource->fields[f].name);
        r = skr_error_field(error, pointer,
                            "%s is fixed when the %s is created; delete it and create it anew to have another value.",
                            resource->fields[f].name, resource->name);
    }
    return r;
}

static int check_maximum(struct skr_write *write, struct skr_error *error)
{
    const struct skr_resource *resource = skr_resource_get(write->resource);
    if (write->before || resource->maximum <= 0 || skr_txn_count(write->txn, write->resource) < resource->maximum)
        return 0;
    return skr_error_set(
            error, SKR_ERROR_LIMIT,
            "There are %lld %s already, as many as this controller takes; delete some that are not needed.",
            (long long)resource->maximum, resource->collection);
}

static int run_delete(struct skr_write *write, const struct skr_rules *rules, struct skr_error *error)
{
    int r = skr_usage_check(write->txn, write->principal, write->before, error);
    if (r == 0 && rules->removing)
        r = rules->removing(write, error);
    if (r == 0)
        r = skr_txn_delete(write->txn, write->before, error);
    if (r == 0)
        skr_removal_note(write);
    return r < 0 || !rules->removed ? r : rules->removed(write, error);
}

int skr_write_run(struct skr_write *write, struct skr_error *error)
{
    const struct skr_rules *rules = skr_rules_get(write->resource);
    if (!write->after)
        return run_delete(write, rules, error);
    if (!write->before && !skr_object_has(write->after, SKR_FIELD_ID)) {
        struct skr_uuid id = skr_uuid_new();
        skr_object_set_uuid(write->after, SKR_FIELD_ID, &id);
    }
    if (!write->before)
        skr_object_fill_defaults(write->after);
    int r = write->before ? check_immutable(write, error) : check_maximum(write, error);
    if (r == 0)
        r = check_references(write, error);
    if (r == 0)
        r = skr_entries_settle(write, error);
    if (r == 0 && rules->prepare)
        r = rules->prepare(write, error);
    if (r == 0)
        r = skr_quota_check_write(write, error);
    if (r == 0 && (skr_write_changes(write, SKR_FIELD_NAME)))
        r = skr_name_check(write->txn, write->after, error);
    if (r < 0)
        return r;
    r = write->before ? skr_txn_update(write->txn, write->before, write->after, error)
                      : skr_txn_insert(write->txn, write->after, error);
    if (r == 0)
        skr_removal_note(write);
    if (r == 0 && rules->stored)
        r = rules->stored(write, error);
    return r;
}

int skr_write_inner(struct skr_txn *txn, enum skr_resource_id resource, struct skr_object *before,
                    struct skr_object *after, struct skr_error *error)
{
    struct skr_write write = {.txn = txn,
                              .principal = &skr_principal_model,
                              .operation = !after    ? SKR_OPERATION_DELETE
                                           : !before ? SKR_OPERATION_CREATE
                                                     : SKR_OPERATION_PATCH,
                              .resource = resource,
                              .before = before,
                              .after = after,
                              .secret_field = -1};
    return skr_write_run(&write, error);
}

/* ---- requests ---- */

static int check_role(const struct skr_write_request *request, struct skr_error *error)
{
    const struct skr_resource *resource = skr_resource_get(request->resource);
    if (resource->flags & SKR_RESOURCE_VIEW)
        return skr_error_set(error, SKR_ERROR_METHOD, "%s are kept by the controller and can only be read.",
                             resource->collection);
    if ((resource->flags & SKR_RESOURCE_NO_UPDATE) &&
        (request->operation == SKR_OPERATION_REPLACE || request->operation == SKR_OPERATION_PATCH))
        return skr_error_set(error, SKR_ERROR_METHOD, "A %s cannot be changed: create a new one and delete this one.",
                             resource->name);
    if (skr_role_writes(resource->writer, request->principal.role))
        return 0;
    return skr_error_set(error, SKR_ERROR_FORBIDDEN, "Your role may not write %s.", resource->collection);
}

static int check_match(const struct skr_write_request *request, const struct skr_object *before,
                       struct skr_error *error)
{
    const char *kind = skr_resource_get(request->resource)->name;
    if (!request->if_match)
        return request->operation == SKR_OPERATION_DELETE
                       ? 0
                       : skr_error_set(error, SKR_ERROR_PRECONDITION_REQUIRED,
                                       "Read the %s and send its etag in If-Match, so that nobody's change is lost.",
                                       kind);
    int64_t etag = skr_object_integer(before, SKR_FIELD_ETAG);
    if (etag == request->if_match)
        return 0;
    return skr_error_set(error, SKR_ERROR_PRECONDITION_FAILED,
                         "The %s has etag %lld now, not %lld: read it again and repeat the change on top of it.", kind,
                         (long long)etag, (long long)request->if_match);
}

/* Hidden fields come from no request: what stands there the controller made of a secret. */
static bool may_write(const struct skr_field *field, enum skr_role role)
{
    if (field->flags & SKR_FIELD_HIDDEN)
        return true;
    return !(field->flags & SKR_FIELD_READ_ONLY) && skr_role_writes(field->writer, role);
}

/* PUT: what the request may write is replaced; what is read-only, assigned or not the writer's stays. */
static struct skr_object *replace(const struct skr_write_request *request, const struct skr_object *before)
{
    struct skr_object *after = skr_object_copy(before);
    for (unsigned f = 0; f < before->resource->field_count; f++) {
        const struct skr_field *field = &before->resource->fields[f];
        const struct skr_value *value = &request->input->values[f];
        if (!may_write(field, request->principal.role) || value->type == SKR_VALUE_ABSENT)
            continue;
        if (value->type == SKR_VALUE_NULL &&
            (field->flags & SKR_FIELD_IMMUTABLE || !(field->flags & SKR_FIELD_NULLABLE)))
            continue;
        skr_value_clear(&after->values[f]);
        skr_value_copy(&after->values[f], value);
    }
    return after;
}

static int find_before(struct skr_txn *txn, const struct skr_write_request *request, struct skr_object **ret,
                       struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    SKR_CLEANUP(skr_sight_done) struct skr_sight sight = {0};
    int r = skr_model_sees(txn, &request->principal, request->resource, &sight, error);
    if (r == 0)
        r = skr_model_find(txn, &sight, request->resource, &request->id, &object, error);
    if (r == 0)
        r = skr_writes_check(txn, &request->principal, object, NULL, error);
    if (r == 0)
        r = check_match(request, object, error);
    if (r == 0)
        *ret = SKR_TAKE(object);
    return r;
}

static int check_tenant(struct skr_write *write, struct skr_error *error)
{
    const struct skr_uuid *tenant = &write->principal->tenant_id;
    if (skr_uuid_is_nil(tenant) || write->before)
        return 0;
    struct skr_uuid given = skr_object_uuid(write->after, SKR_FIELD_TENANT_ID);
    if (!skr_uuid_is_nil(&given) && !skr_uuid_equal(&given, tenant))
        return skr_refuse(error, SKR_ERROR_REFERENCE, "/tenant_id",
                          "There is no such tenant; leave tenant_id out, your own is taken.");
    skr_object_set_uuid(write->after, SKR_FIELD_TENANT_ID, tenant);
    return 0;
}

/* The answer: the after-image, what is computed, and a secret this once. Computed fields may rest on what followed from
 * the write (a pool's counters), so these objects are read again. */
static int answer(struct skr_write *write, struct skr_write_request *request, struct skr_error *error)
{
    const struct skr_rules *rules = skr_rules_get(write->resource);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *result = NULL;
    if (rules->compute && write->after) {
        struct skr_uuid id = skr_object_id(write->after);
        int r = skr_fetch(write->txn, write->resource, &id, &result, error);
        if (r == 0)
            r = rules->compute(write->txn, result, error);
        if (r < 0)
            return r;
    } else {
        result = skr_object_copy(write->after ? write->after : write->before);
    }
    if (write->secret_field >= 0 && !request->dry_run)
        skr_object_set_text(result, write->secret_field, write->secret);
    request->result = SKR_TAKE(result);
    request->job_id = write->job_id;
    return request->dry_run ? -ECANCELED : 0;
}

static const char *method_of(enum skr_operation operation)
{
    static const char *const methods[] = {[SKR_OPERATION_CREATE] = "POST",
                                          [SKR_OPERATION_REPLACE] = "PUT",
                                          [SKR_OPERATION_PATCH] = "PATCH",
                                          [SKR_OPERATION_DELETE] = "DELETE"};
    return methods[operation];
}

/* The object that the request named: a create names none, whoever chose the id. */
static const struct skr_uuid *addressed(const struct skr_write_request *request)
{
    static const struct skr_uuid nil;
    return request->operation == SKR_OPERATION_CREATE ? &nil : &request->id;
}

static int audit(struct skr_write *write, const struct skr_write_request *request, struct skr_error *error)
{
    char path[SKR_AUDIT_PATH_MAX];
    const struct skr_resource *resource = skr_resource_get(request->resource);
    const struct skr_audited audited = {.principal = &request->principal,
                                        .method = method_of(request->operation),
                                        .path = path,
                                        .kind = resource->name};
    skr_audit_path(path, resource, addressed(request), NULL);
    return request->dry_run ? 0 : skr_audit_done(write->txn, &audited, write->before, write->after, error);
}

/* The other end of audit(): an skr_refused_fn. A dry run ends in -ECANCELED too, alone or in a batch. */
static int audit_refused(struct skr_txn *txn, void *argument, int result, const struct skr_error *why)
{
    const struct skr_write_request *request = argument;
    struct skr_refusal refusal = {.principal = request->principal,
                                  .resource = skr_resource_get(request->resource),
                                  .id = *addressed(request),
                                  .why = *why};
    struct skr_error error;
    if (request->dry_run || result == -ECANCELED)
        return 0;
    snprintf(refusal.method, sizeof(refusal.method), "%s", method_of(request->operation));
    skr_audit_path(refusal.path, refusal.resource, addressed(request), NULL);
    return skr_model_refusal(txn, &refusal, &error);
}

static int run_request(struct skr_write *write, struct skr_write_request *request, struct skr_error *error)
{
    int r = check_tenant(write, error);
    if (r == 0)
        r = skr_write_run(write, error);
    if (r == 0 && write->after)
        r = skr_writes_check(write->txn, write->principal, write->after, NULL, error);
    if (r == -EEXIST && request->operation == SKR_OPERATION_CREATE && request->if_none_match_any)
        return skr_error_set(error, SKR_ERROR_PRECONDITION_FAILED, "A %s with this name exists already.",
                             skr_resource_get(write->resource)->name);
    if (r == 0)
        r = audit(write, request, error);
    return r < 0 ? r : answer(write, request, error);
}

int skr_model_write(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    struct skr_write_request *request = argument;
    skr_write_request_done(request);
    skr_txn_when_refused(txn, audit_refused, request);
    skr_txn_set_asker(txn, &request->principal);
    int r = check_role(request, error);
    if (r == 0)
        r = skr_rolled_back_check(txn, &request->principal, error);
    if (r < 0)
        return r;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = NULL, *after = NULL;
    if (request->operation != SKR_OPERATION_CREATE)
        r = find_before(txn, request, &before, error);
    if (r < 0)
        return r;
    if (!before)
        after = skr_object_copy(request->input);
    else if (request->operation == SKR_OPERATION_REPLACE) {
        r = request->echo ? skr_object_check_echo(before, request->echo, request->principal.role, error) : 0;
        if (r < 0)
            return r;
        after = replace(request, before);
    } else if (request->operation == SKR_OPERATION_PATCH) {
        bool changed;
        r = skr_object_merge(before, request->input, &after, &changed);
        if (r < 0)
            return skr_error_set(error, SKR_ERROR_INVALID, "The change cannot be merged into the object.");
    }
    struct skr_write write = {.txn = txn,
                              .principal = &request->principal,
                              .operation = request->operation,
                              .resource = request->resource,
                              .before = before,
                              .after = after,
                              .secret_field = -1};
    return run_request(&write, request, error);
}

void skr_write_request_done(struct skr_write_request *request)
{
    skr_object_unref(SKR_TAKE(request->result));
    request->job_id = (struct skr_uuid){0};
}
