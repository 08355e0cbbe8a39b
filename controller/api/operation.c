#include "controller/api/operation.h"

#include <skerry/resource_fields.h>
#include <skerry/tls.h>
#include <string.h>

/* ---- parse ---- */

static int judge_preconditions(const struct skr_http_operation *operation,
                               const struct skr_http_preconditions *preconditions, struct skr_error *error)
{
    enum skr_operation kind = operation->write.operation;
    if (preconditions->if_none_match_any && kind != SKR_OPERATION_CREATE)
        return skr_error_set(error, SKR_ERROR_SYNTAX,
                             "If-None-Match is taken as * on a POST that creates, nowhere else");
    if (preconditions->if_match && kind == SKR_OPERATION_CREATE)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "If-Match makes no sense on a POST; nothing is there to match");
    bool changes = kind == SKR_OPERATION_REPLACE || kind == SKR_OPERATION_PATCH;
    if (changes && !preconditions->if_match && operation->etag_of < 0)
        return skr_error_set(error, SKR_ERROR_PRECONDITION_REQUIRED,
                             "Say which version you change: send If-Match with the ETag of your last GET");
    return 0;
}

static int parse_input(struct skr_http_operation *operation, const struct skr_resource *table, const json_t *body,
                       struct skr_error *error)
{
    const struct skr_principal *principal =
            operation->is_action ? &operation->action.principal : &operation->write.principal;
    if (!body)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "The request needs a body: a JSON object");
    if (operation->method == SKR_HTTP_PUT) {
        operation->body = json_incref((json_t *)body);
        return skr_object_from_echo(table, body, principal->role, &operation->input, error);
    }
    return skr_object_from_json(table, body, operation->method == SKR_HTTP_PATCH, principal->role, &operation->input,
                                error);
}

static int parse_write(struct skr_http_operation *operation, const json_t *body,
                       const struct skr_http_preconditions *preconditions, struct skr_error *error)
{
    struct skr_write_request *write = &operation->write;
    int r = judge_preconditions(operation, preconditions, error);
    if (r < 0)
        return r;
    write->if_match = preconditions->if_match;
    write->if_none_match_any = preconditions->if_none_match_any;
    if (write->operation == SKR_OPERATION_DELETE)
        return body ? skr_error_set(error, SKR_ERROR_SYNTAX, "A DELETE takes no body; leave it out") : 0;
    r = parse_input(operation, operation->route.resource, body, error);
    if (r < 0)
        return r;
    /* Given here, so that later operations of a batch can name it. */
    if (write->operation == SKR_OPERATION_CREATE)
        skr_object_set_uuid(operation->input, SKR_FIELD_ID, &write->id);
    write->input = operation->input;
    write->echo = operation->body;
    return 0;
}

static int parse_action(struct skr_http_operation *operation, const json_t *body, struct skr_error *error)
{
    const struct skr_action *action = operation->route.action;
    if (!action->input)
        return json_object_size(body)
                       ? skr_error_set(error, SKR_ERROR_SYNTAX, ":%s takes no body; leave it out", action->verb)
                       : 0;
    /* An action without a body asks for its defaults. */
    json_t *empty = body ? NULL : json_object();
    int r = parse_input(operation, action->input, body ? body : empty, error);
    json_decref(empty);
    operation->action.input = operation->input;
    return r;
}

int skr_http_operation_parse(struct skr_http_operation *operation, const struct skr_principal *principal,
                             const json_t *body, const struct skr_http_preconditions *preconditions, bool dry_run,
                             struct skr_error *error)
{
    const struct skr_route *route = &operation->route;
    operation->is_action = route->kind == SKR_ROUTE_ACTION;
    if (operation->is_action) {
        operation->action = (struct skr_action_request){.resource = route->resource->id,
                                                        .verb = route->action->verb,
                                                        .principal = *principal,
                                                        .id = route->id,
                                                        .dry_run = dry_run};
        return parse_action(operation, body, error);
    }
    operation->write =
            (struct skr_write_request){.operation = operation->method == SKR_HTTP_POST    ? SKR_OPERATION_CREATE
                                                    : operation->method == SKR_HTTP_PUT   ? SKR_OPERATION_REPLACE
                                                    : operation->method == SKR_HTTP_PATCH ? SKR_OPERATION_PATCH
                                                                                          : SKR_OPERATION_DELETE,
                                       .resource = route->resource->id,
                                       .principal = *principal,
                                       .id = route->id,
                                       .dry_run = dry_run};
    if (operation->method == SKR_HTTP_POST)
        operation->write.id = skr_uuid_new();
    return parse_write(operation, body, preconditions, error);
}

/* ---- run ---- */

int skr_http_operation_run(struct skr_http_operation *operation, struct skr_txn *txn, struct skr_error *error)
{
    return operation->is_action ? skr_model_action(txn, &operation->action, error)
                                : skr_model_write(txn, &operation->write, error);
}

const struct skr_object *skr_http_operation_object(const struct skr_http_operation *operation)
{
    return operation->is_action ? operation->action.changed : operation->write.result;
}

static const struct skr_uuid *job_of(const struct skr_http_operation *operation)
{
    return operation->is_action ? &operation->action.job_id : &operation->write.job_id;
}

void skr_http_operation_done(struct skr_http_operation *operation)
{
    skr_action_request_done(&operation->action);
    skr_write_request_done(&operation->write);
    skr_object_unref(SKR_TAKE(operation->input));
    json_decref(SKR_TAKE(operation->body));
}

/* ---- answer ---- */

static bool is_delete(const struct skr_http_operation *operation)
{
    return !operation->is_action && operation->write.operation == SKR_OPERATION_DELETE;
}

unsigned skr_http_operation_status(const struct skr_http_operation *operation, bool dry_run)
{
    if (!dry_run && !skr_uuid_is_nil(job_of(operation)))
        return 202;
    if (is_delete(operation) || (!operation->action.result && !skr_http_operation_object(operation)))
        return 204;
    return !operation->is_action && operation->write.operation == SKR_OPERATION_CREATE && !dry_run ? 201 : 200;
}

char *skr_http_operation_location(const struct skr_http_operation *operation, unsigned status,
                                  char out[static SKR_HTTP_LOCATION_MAX])
{
    char id[SKR_UUID_TEXT_MAX];
    const struct skr_object *object = skr_http_operation_object(operation);
    out[0] = '\0';
    if (status == 202) {
        snprintf(out, SKR_HTTP_LOCATION_MAX, "/v1/jobs/%s", skr_uuid_format(job_of(operation), id));
    } else if (status == 201 && object) {
        struct skr_uuid uuid = skr_object_uuid(object, SKR_FIELD_ID);
        snprintf(out, SKR_HTTP_LOCATION_MAX, "/v1/%s/%s", object->resource->collection, skr_uuid_format(&uuid, id));
    }
    return out;
}

static void add_join_string(struct skr_http_request *request, const struct skr_object *token, json_t *rendered)
{
    char text[512], command[576], id[SKR_UUID_TEXT_MAX], hash[SKR_TLS_HASH_TEXT_MAX];
    struct skr_uuid uuid = skr_object_uuid(token, SKR_FIELD_ID);
    const char *secret = skr_object_text(token, SKR_JOIN_TOKEN_SECRET);
    if (!secret)
        return;
    snprintf(text, sizeof(text), "skerry://%s/%s.%s#%s", request->api->south_address, skr_uuid_format(&uuid, id),
             secret, skr_tls_hash_format(request->api->authority_key_hash, hash));
    snprintf(command, sizeof(command), "skerry-agent join '%s' --uplink IFNAME", text);
    json_object_set_new(rendered, "join_string", json_string(text));
    json_object_set_new(rendered, "join_command", json_string(command));
}

json_t *skr_http_operation_render(struct skr_http_request *request, const struct skr_http_operation *operation,
                                  const struct skr_realization *realization, const struct skr_http_fields *fields,
                                  bool dry_run)
{
    const struct skr_object *object = skr_http_operation_object(operation);
    if (operation->is_action && operation->action.result)
        return json_incref(operation->action.result);
    if (is_delete(operation) || !object)
        return NULL;
    json_t *rendered = skr_render_object(request->api, &request->principal, object, realization, fields);
    bool created = !operation->is_action && operation->write.operation == SKR_OPERATION_CREATE && !dry_run;
    if (created && object->resource->id == SKR_JOIN_TOKEN)
        add_join_string(request, object, rendered);
    return rendered;
}
