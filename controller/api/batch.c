#include "controller/api/operation.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* POST /v1/batch: {"operations": [{"method": "POST", "path": "/v1/vm-networks", "body": {...}}, ...]}. Later operations
 * name the objects of earlier ones: {"$ref": "#/0/id"} instead of a value, {#/0/id} inside a path. The id of an object
 * is given when its operation is parsed, so a reference is resolved here and the writer sees nothing of it. */

#define PATH_MAX_SIZE 320

void skr_http_batch_blame(struct skr_error *error, unsigned operation)
{
    if (!error->field_count) {
        char pointer[SKR_ERROR_POINTER_MAX];
        snprintf(pointer, sizeof(pointer), "/operations/%u", operation);
        skr_error_field(error, pointer, "%s", error->detail);
        return;
    }
    for (unsigned i = 0; i < error->field_count; i++) {
        char pointer[SKR_ERROR_POINTER_MAX];
        snprintf(pointer, sizeof(pointer), "/operations/%u/body%.100s", operation, error->fields[i].pointer);
        memcpy(error->fields[i].pointer, pointer, sizeof(pointer));
    }
}

static int refuse(struct skr_error *error, const char *member, const char *sentence)
{
    return skr_error_field(error, member, "%s", sentence);
}

/* ---- references ---- */

static const struct skr_uuid *id_of(const struct skr_http_operation *operation)
{
    return operation->is_action ? &operation->action.id : &operation->write.id;
}

/* "#/0/id" -> the id as text; -EINVAL when it names no earlier operation's id. */
static int resolve(const char *text, const struct skr_http_operation *operations, unsigned before,
                   char out[static SKR_UUID_TEXT_MAX])
{
    char *end;
    if (!text || strncmp(text, "#/", 2) != 0 || !isdigit((unsigned char)text[2]))
        return -EINVAL;
    unsigned long number = strtoul(text + 2, &end, 10);
    if (number >= before || strcmp(end, "/id") != 0)
        return -EINVAL;
    skr_uuid_format(id_of(&operations[number]), out);
    return 0;
}

static const char bad_reference[] =
        "A $ref is \"#/<number>/id\": the id of an object of an earlier operation of this batch, counted from 0";

/* Puts ids in the place of references; NULL with error. */
static json_t *resolve_all(const json_t *value, const struct skr_http_operation *operations, unsigned before,
                           struct skr_error *error)
{
    const json_t *reference = json_object_get(value, "$ref");
    const char *name;
    json_t *member, *copy;
    size_t i;
    if (reference) {
        char id[SKR_UUID_TEXT_MAX];
        if (json_object_size(value) == 1 && resolve(json_string_value(reference), operations, before, id) == 0)
            return json_string(id);
        refuse(error, "", bad_reference);
        return NULL;
    }
    if (!json_is_object(value) && !json_is_array(value))
        return json_incref((json_t *)value);
    copy = json_is_object(value) ? json_object() : json_array();
    json_object_foreach ((json_t *)value, name, member) {
        json_t *resolved = resolve_all(member, operations, before, error);
        if (!resolved)
            goto failed;
        json_object_set_new(copy, name, resolved);
    }
    json_array_foreach (value, i, member) {
        json_t *resolved = resolve_all(member, operations, before, error);
        if (!resolved)
            goto failed;
        json_array_append_new(copy, resolved);
    }
    return copy;
failed:
    json_decref(copy);
    return NULL;
}

/* ---- addresses ---- */

static int expand_path(const char *path, const struct skr_http_operation *operations, unsigned before,
                       char out[static PATH_MAX_SIZE], struct skr_error *error)
{
    size_t at = 0;
    while (*path && at < PATH_MAX_SIZE - SKR_UUID_TEXT_MAX) {
        const char *end = *path == '{' ? strchr(path, '}') : NULL;
        char reference[32] = "", id[SKR_UUID_TEXT_MAX];
        if (!end) {
            out[at++] = *path++;
            continue;
        }
        snprintf(reference, sizeof(reference), "%.*s", (int)(end - path - 1), path + 1);
        if (resolve(reference, operations, before, id) < 0)
            return refuse(error, "/path", bad_reference);
        at += (size_t)snprintf(out + at, SKR_UUID_TEXT_MAX, "%s", id);
        path = end + 1;
    }
    out[at] = '\0';
    return *path ? refuse(error, "/path", "There is no address as long as that") : 0;
}

/* resource, id and action instead of a path. */
static int compose_path(const json_t *entry, const struct skr_http_operation *operations, unsigned before,
                        char out[static PATH_MAX_SIZE], struct skr_error *error)
{
    const char *name = json_string_value(json_object_get(entry, "resource"));
    const char *action = json_string_value(json_object_get(entry, "action"));
    const struct skr_resource *resource = name ? skr_resource_find(name) : NULL;
    if (!resource)
        return refuse(error, "/resource",
                      "Say what the operation is about: a path, or a resource such as vm-network with its id");
    json_t *id = json_object_get(entry, "id");
    json_t *resolved = id ? resolve_all(id, operations, before, error) : NULL;
    if (id && (!resolved || !json_is_string(resolved))) {
        json_decref(resolved);
        return refuse(error, "/id", "id is a UUID or a reference");
    }
    snprintf(out, PATH_MAX_SIZE, "/v1/%s%s%.60s%s%.60s", resource->collection, resolved ? "/" : "",
             resolved ? json_string_value(resolved) : "", action ? ":" : "", action ? action : "");
    json_decref(resolved);
    return 0;
}

static int parse_route(struct skr_http_operation *operation, const json_t *entry,
                       const struct skr_http_operation *operations, unsigned before, struct skr_error *error)
{
    const char *method = json_string_value(json_object_get(entry, "method"));
    const char *path = json_string_value(json_object_get(entry, "path"));
    char expanded[PATH_MAX_SIZE], allowed[SKR_HTTP_METHODS_TEXT_MAX];
    int r = path ? expand_path(path, operations, before, expanded, error)
                 : compose_path(entry, operations, before, expanded, error);
    if (r < 0)
        return r;
    r = skr_route_find(expanded, &operation->route, error);
    if (r < 0)
        return r;
    operation->method = method ? skr_http_method_parse(method) : SKR_HTTP_OTHER;
    if (operation->route.kind == SKR_ROUTE_FIXED || operation->method == SKR_HTTP_GET ||
        skr_route_is_public(&operation->route, operation->method))
        return refuse(error, "/method", "A batch takes writes of objects and actions: POST, PUT, PATCH and DELETE");
    if (!skr_route_take_method(&operation->route, operation->method))
        return skr_error_set(error, SKR_ERROR_METHOD, "%s does not take %.20s; it takes %s", expanded,
                             method ? method : "an operation without a method",
                             skr_http_methods_format(operation->route.methods, allowed));
    return 0;
}

/* ---- operations ---- */

/* The version to change is what an earlier operation of the batch makes of the object. */
static int etag_of(const struct skr_http_operation *operations, unsigned at)
{
    for (unsigned i = at; i-- > 0;)
        if (operations[i].route.resource == operations[at].route.resource && !operations[i].is_action &&
            operations[i].method != SKR_HTTP_DELETE &&
            skr_uuid_equal(&operations[i].write.id, &operations[at].route.id))
            return (int)i;
    return -1;
}

static int parse_preconditions(struct skr_http_operation *operation, const json_t *entry,
                               const struct skr_http_operation *operations, unsigned at,
                               struct skr_http_preconditions *ret, struct skr_error *error)
{
    const char *match = json_string_value(json_object_get(entry, "if_match"));
    char quoted[40];
    operation->etag_of = -1;
    *ret = (struct skr_http_preconditions){.if_none_match_any =
                                                   json_is_true(json_object_get(entry, "if_none_match_any"))};
    if (match) {
        snprintf(quoted, sizeof(quoted), match[0] == '"' ? "%.36s" : "\"%.36s\"", match);
        return skr_http_if_match(quoted, &ret->if_match, error);
    }
    if (operation->method == SKR_HTTP_PUT || operation->method == SKR_HTTP_PATCH)
        operation->etag_of = etag_of(operations, at);
    return 0;
}

static int judge_members(const json_t *entry, struct skr_error *error)
{
    static const char *const known[] = {"method", "path",     "resource",          "id", "action",
                                        "body",   "if_match", "if_none_match_any", NULL};
    const char *name;
    json_t *value;
    if (!json_is_object(entry))
        return refuse(error, "", "An operation is a JSON object with method, path and body");
    json_object_foreach ((json_t *)entry, name, value) {
        bool found = false;
        for (const char *const *at = known; *at; at++)
            found |= strcmp(*at, name) == 0;
        bool good = !strcmp(name, "body")                ? json_is_object(value)
                    : !strcmp(name, "id")                ? json_is_string(value) || json_is_object(value)
                    : !strcmp(name, "if_none_match_any") ? json_is_boolean(value)
                                                         : json_is_string(value);
        if (!found)
            return skr_error_field(error, "", "An operation has no member '%.40s'; it has method, path, body, if_match",
                                   name);
        if (!good)
            return skr_error_field(error, "", "%s has another type", name);
    }
    return 0;
}

static int parse_operation(struct skr_http_job *job, const json_t *entry, unsigned at, struct skr_error *error)
{
    struct skr_http_operation *operation = &job->operations[at];
    struct skr_http_preconditions preconditions;
    struct skr_error why = {0};
    int r = judge_members(entry, error);
    if (r == 0)
        r = parse_route(operation, entry, job->operations, at, error);
    if (r == 0)
        r = skr_http_authorize(&job->principal, &operation->route, operation->method, error);
    if (r == 0)
        r = parse_preconditions(operation, entry, job->operations, at, &preconditions, error);
    if (r < 0)
        return r;
    const json_t *body = json_object_get(entry, "body");
    json_t *resolved = body ? resolve_all(body, job->operations, at, &why) : NULL;
    if (body && !resolved) {
        *error = why;
        return -EINVAL;
    }
    r = skr_http_operation_parse(operation, &job->principal, resolved, &preconditions, job->dry_run, error);
    json_decref(resolved);
    return r;
}

/* Errors of the operation itself point at its members, those of its body into it. */
static void blame(struct skr_error *error, unsigned at)
{
    static const char *const own[] = {"/path", "/method", "/resource", "/id"};
    for (unsigned i = 0; i < error->field_count; i++)
        for (size_t k = 0; k < SKR_ARRAY_SIZE(own); k++)
            if (error->field_count == 1 && strcmp(error->fields[i].pointer, own[k]) == 0 &&
                (k < 3 || strstr(error->fields[i].detail, "reference"))) {
                snprintf(error->fields[i].pointer, sizeof(error->fields[i].pointer), "/operations/%u%s", at, own[k]);
                return;
            }
    skr_http_batch_blame(error, at);
}

int skr_http_batch_parse(struct skr_http_request *request, struct skr_http_job *job, struct skr_error *error)
{
    const char *fields = skr_http_parameter(request, "fields");
    json_t *body = skr_http_request_json(request), *entries = json_object_get(body, "operations");
    size_t count = json_array_size(entries);
    int r = body ? 0 : -EINVAL;
    if (r == 0 && (json_object_size(body) != 1 || count < 1 || count > SKR_BATCH_OPERATIONS_MAX))
        r = skr_error_field(error, "/operations", "A batch is {\"operations\": [...]} with 1 to %d operations",
                            SKR_BATCH_OPERATIONS_MAX);
    if (r == 0) /* the first one is the request itself */
        r = skr_http_limit(request, (unsigned)count - 1, "operations", error);
    if (r == 0) {
        job->operations = calloc(count ? count : 1, sizeof(*job->operations));
        if (!job->operations)
            abort();
        if (fields)
            job->field_names = strdup(fields);
    }
    for (unsigned i = 0; r == 0 && i < count; i++) {
        job->count = i + 1;
        r = parse_operation(job, json_array_get(entries, i), i, error);
        if (r < 0)
            blame(error, i);
    }
    json_decref(body);
    return r;
}

/* ---- answer ---- */

static json_t *render_one(struct skr_http_request *request, const struct skr_http_job *job,
                          const struct skr_http_operation *operation)
{
    const struct skr_object *object = skr_http_operation_object(operation);
    struct skr_http_fields fields SKR_CLEANUP(skr_http_fields_done) = {0};
    struct skr_error ignored = {0};
    char id[SKR_UUID_TEXT_MAX], location[SKR_HTTP_LOCATION_MAX];
    unsigned status = skr_http_operation_status(operation, job->dry_run);
    json_t *entry = json_object();
    /* Names that an object's kind does not have are left out of it: one list serves all kinds of the batch. */
    if (job->field_names && object)
        skr_http_fields_parse(object->resource, job->field_names, &fields, &ignored);
    json_object_set_new(entry, "status", json_integer(status));
    json_object_set_new(entry, "kind", json_string(operation->route.resource->name));
    json_object_set_new(entry, "id", json_string(skr_uuid_format(id_of(operation), id)));
    if (skr_http_operation_location(operation, status, location)[0])
        json_object_set_new(entry, "location", json_string(location));
    json_t *body = skr_http_operation_render(request, operation, job->dry_run ? NULL : &job->realization, &fields,
                                             job->dry_run);
    if (body)
        json_object_set_new(entry, operation->is_action && operation->action.result ? "result" : "object", body);
    return entry;
}

json_t *skr_http_batch_render(struct skr_http_request *request, const struct skr_http_job *job)
{
    json_t *answer = json_object(), *results = json_array();
    for (unsigned i = 0; i < job->count; i++)
        json_array_append_new(results, render_one(request, job, &job->operations[i]));
    json_object_set_new(answer, "results", results);
    json_object_set_new(answer, "revision", json_integer(job->revision));
    if (!job->dry_run)
        json_object_set_new(answer, "realization", skr_render_realization(&request->principal, &job->realization));
    return answer;
}
