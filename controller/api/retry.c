#include "controller/api/operation.h"

#include <skerry/tls.h>
#include <string.h>

static int judge_key(const char *key, struct skr_error *error)
{
    size_t length = strlen(key);
    bool good = length >= 1 && length <= SKR_RETRY_KEY_MAX;
    for (const char *at = key; *at && good; at++)
        good = *at > 0x20 && *at < 0x7f;
    return good ? 0
                : skr_error_set(error, SKR_ERROR_SYNTAX,
                                "Idempotency-Key has 1 to %d visible ASCII characters, a UUID for example",
                                SKR_RETRY_KEY_MAX);
}

static char *path_of(const struct skr_route *route)
{
    char id[SKR_UUID_TEXT_MAX], *path = NULL;
    int size = route->kind == SKR_ROUTE_FIXED    ? asprintf(&path, "%s", route->fixed->path)
               : route->kind == SKR_ROUTE_ACTION ? asprintf(&path, "/v1/%s/%s:%s", route->resource->collection,
                                                            skr_uuid_format(&route->id, id), route->action->verb)
                                                 : asprintf(&path, "/v1/%s", route->resource->collection);
    if (size < 0)
        abort();
    return path;
}

static void drop_secrets(json_t *body, const struct skr_resource *resource)
{
    for (unsigned i = 0; i < resource->field_count; i++)
        if (resource->fields[i].kind == SKR_KIND_SECRET)
            json_object_del(body, resource->fields[i].name);
}

static bool has_secret(const struct skr_resource *resource)
{
    for (unsigned i = 0; i < resource->field_count; i++)
        if (resource->fields[i].kind == SKR_KIND_SECRET)
            return true;
    return false;
}

/* NULL: the body holds no secret, or is nothing that a request may hold. An operation of a batch may say what it is
 * about in two ways, so whatever is a secret somewhere is left out of it. */
static char *text_without_secrets(const struct skr_http_request *request, bool is_batch)
{
    const struct skr_resource *resource = request->route.resource;
    struct skr_error ignored = {0};
    json_t *entry;
    size_t i;
    if (!(is_batch || (resource && has_secret(resource))) || !request->body_size ||
        skr_json_prescan(request->body, request->body_size, &ignored) < 0)
        return NULL;
    json_t *body = json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, NULL);
    if (!is_batch)
        drop_secrets(body, resource);
    json_array_foreach (is_batch ? json_object_get(body, "operations") : NULL, i, entry)
        for (unsigned id = 0; id < SKR_RESOURCE_COUNT; id++)
            drop_secrets(json_object_get(entry, "body"), skr_resource_get((enum skr_resource_id)id));
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(body);
    return text;
}

/* A retry is told by its body, but never by a secret in it: a password's hash differs each time, and from a hash kept
 * of a passphrase the passphrase could be guessed. */
static void hash_body(const struct skr_http_request *request, bool is_batch, uint8_t ret[static SKR_TLS_HASH_SIZE])
{
    SKR_CLEANUP(skr_free_cleanup) char *text = text_without_secrets(request, is_batch);
    if (text)
        skr_sha256(text, strlen(text), ret);
    else
        skr_sha256(request->body ? request->body : "", request->body_size, ret);
}

int skr_http_retry_parse(struct skr_http_request *request, struct skr_http_job *job, struct skr_error *error)
{
    const char *key = skr_http_header(request, "Idempotency-Key");
    if (!key || request->method != SKR_HTTP_POST || job->dry_run)
        return 0;
    int r = judge_key(key, error);
    if (r < 0)
        return r;
    job->key = strdup(key);
    if (!job->key)
        abort();
    job->path = path_of(&request->route);
    job->retry = (struct skr_retry){.principal_id = request->principal.token_id, .key = job->key, .path = job->path};
    hash_body(request, job->is_batch, job->retry.body_hash);
    return 0;
}

char *skr_http_retry_describe(const struct skr_http_job *job)
{
    json_t *entries = json_array();
    for (unsigned i = 0; i < job->count; i++) {
        const struct skr_http_operation *operation = &job->operations[i];
        const struct skr_object *object = skr_http_operation_object(operation);
        char id[SKR_UUID_TEXT_MAX], location[SKR_HTTP_LOCATION_MAX];
        json_t *entry = json_object();
        json_object_set_new(entry, "status", json_integer(skr_http_operation_status(operation, false)));
        if (object) {
            struct skr_uuid uuid = skr_object_uuid(object, SKR_FIELD_ID);
            json_object_set_new(entry, "kind", json_string(object->resource->name));
            json_object_set_new(entry, "id", json_string(skr_uuid_format(&uuid, id)));
        }
        if (operation->method == SKR_HTTP_DELETE)
            json_object_set_new(entry, "deleted", json_true());
        if (skr_http_operation_location(operation, skr_http_operation_status(operation, false), location)[0])
            json_object_set_new(entry, "location", json_string(location));
        /* The result of an action (an address) is kept because no object holds it; a retry of an action on a secret
         * object is answered from the object alone. */
        if (operation->is_action && operation->action.result && !has_secret(operation->route.resource))
            json_object_set(entry, "result", operation->action.result);
        json_array_append_new(entries, entry);
    }
    char *text = json_dumps(entries, JSON_COMPACT);
    json_decref(entries);
    if (!text)
        abort();
    return text;
}

/* ---- told again ---- */

struct told {
    unsigned status;
    const char *kind, *id, *location;
    json_t *result; /* borrowed */
    struct skr_object *object;
};

static void told_done(struct told *told)
{
    skr_object_unref(told->object);
}

static int read_told(struct skr_http_request *request, struct skr_txn *txn, const json_t *entry, struct told *ret,
                     struct skr_error *error)
{
    *ret = (struct told){.status = (unsigned)json_integer_value(json_object_get(entry, "status")),
                         .kind = json_string_value(json_object_get(entry, "kind")),
                         .id = json_string_value(json_object_get(entry, "id")),
                         .location = json_string_value(json_object_get(entry, "location")),
                         .result = json_object_get(entry, "result")};
    const struct skr_resource *resource = ret->kind ? skr_resource_find(ret->kind) : NULL;
    struct skr_uuid id;
    if (!resource || json_is_true(json_object_get(entry, "deleted")) || skr_uuid_parse(ret->id, &id) < 0)
        return 0;
    struct skr_error gone = {0};
    if (skr_model_read(txn, &request->principal, resource->id, &id, &ret->object, &gone) < 0)
        return skr_error_set(error, SKR_ERROR_CONFLICT,
                             "This request was done, and the %s it made has been deleted since; use a new key to make "
                             "another one",
                             resource->name);
    return 0;
}

static json_t *render_told(struct skr_http_request *request, const struct told *told,
                           const struct skr_http_fields *fields)
{
    if (told->result)
        return json_incref(told->result);
    return told->object ? skr_render_object(request->api, &request->principal, told->object, NULL, fields) : NULL;
}

static void answer_single(struct skr_http_request *request, const struct skr_http_job *job, const struct told *told)
{
    skr_http_answer(request, told->status, render_told(request, told, &job->fields));
    if (told->location)
        skr_http_add_header(request, "Location", told->location);
    if (told->object)
        skr_http_add_etag(request, skr_object_integer(told->object, SKR_FIELD_ETAG));
}

static json_t *entry_of(struct skr_http_request *request, const struct told *told)
{
    json_t *entry = json_object(), *body = render_told(request, told, NULL);
    json_object_set_new(entry, "status", json_integer(told->status));
    if (told->kind) {
        json_object_set_new(entry, "kind", json_string(told->kind));
        json_object_set_new(entry, "id", json_string(told->id));
    }
    if (told->location)
        json_object_set_new(entry, "location", json_string(told->location));
    if (body)
        json_object_set_new(entry, told->result ? "result" : "object", body);
    return entry;
}

static int answer_from(struct skr_http_request *request, const struct skr_http_job *job, const json_t *entries,
                       struct skr_txn *txn, struct skr_error *error)
{
    json_t *results = json_array();
    int r = 0;
    for (size_t i = 0; r == 0 && i < json_array_size(entries); i++) {
        SKR_CLEANUP(told_done) struct told told = {0};
        r = read_told(request, txn, json_array_get(entries, i), &told, error);
        if (r == 0 && !job->is_batch) {
            answer_single(request, job, &told);
            break;
        }
        if (r == 0)
            json_array_append_new(results, entry_of(request, &told));
    }
    if (r < 0 || !job->is_batch) {
        json_decref(results);
        return r;
    }
    json_t *body = json_object();
    json_object_set_new(body, "results", results);
    json_object_set_new(body, "revision", json_integer(job->retry.revision));
    skr_http_answer(request, 200, body);
    return 0;
}

void skr_http_retry_answer(struct skr_http_request *request, const struct skr_http_job *job)
{
    struct skr_error error = {0};
    struct skr_txn *txn SKR_CLEANUP(skr_store_read_cleanup) = NULL;
    json_t *entries = json_loads(job->retry.objects, 0, NULL);
    int r = skr_store_read_begin(request->api->store, &txn, &error);
    if (r == 0)
        r = answer_from(request, job, entries, txn, &error);
    json_decref(entries);
    if (r < 0) {
        skr_http_answer_error(request, &error);
    } else {
        skr_http_add_revision(request, job->retry.revision);
        skr_http_add_header(request, "Warning",
                            "299 skerry \"Done before; this is the object as it is now. A secret is shown once and "
                            "never again\"");
    }
    skr_http_add_header(request, "Idempotency-Replayed", "true");
}
