#include "controller/api/http.h"

#include <skerry/resource_fields.h>
#include <string.h>

static const char *const state_names[] = {[SKR_REALIZATION_PENDING] = "pending",
                                          [SKR_REALIZATION_REALIZED] = "realized",
                                          [SKR_REALIZATION_FAILED] = "failed",
                                          [SKR_REALIZATION_UNPLACED] = "unplaced"};
static const char *const host_state_names[] = {[SKR_HOST_APPLIED] = "applied",
                                               [SKR_HOST_PENDING] = "pending",
                                               [SKR_HOST_OFFLINE] = "offline",
                                               [SKR_HOST_FAILED] = "failed"};

json_t *skr_render_realization(const struct skr_principal *principal, const struct skr_realization *realization)
{
    json_t *rendered = json_object(), *hosts = json_object(), *not_applied = json_array();
    json_object_set_new(rendered, "state", json_string(state_names[realization->state]));
    json_object_set_new(hosts, "applied", json_integer(realization->applied));
    json_object_set_new(hosts, "pending", json_integer(realization->pending));
    json_object_set_new(hosts, "offline", json_integer(realization->offline));
    json_object_set_new(hosts, "failed", json_integer(realization->failed));
    for (uint32_t i = 0; i < realization->named && i < SKR_REALIZATION_HOSTS_MAX; i++) {
        const struct skr_realization_host *host = &realization->hosts[i];
        json_t *entry = json_object();
        /* Tenants learn how many and why, never which host. */
        if (skr_role_reads(SKR_ROLE_FABRIC, principal->role)) {
            char id[SKR_UUID_TEXT_MAX];
            json_object_set_new(entry, "id", json_string(skr_uuid_format(&host->id, id)));
            json_object_set_new(entry, "name", skr_json_text(host->name));
        }
        json_object_set_new(entry, "state", json_string(host_state_names[host->state]));
        if (host->reason[0])
            json_object_set_new(entry, "reason", skr_json_text(host->reason));
        json_array_append_new(not_applied, entry);
    }
    json_object_set_new(hosts, "not_applied", not_applied);
    json_object_set_new(rendered, "hosts", hosts);
    return rendered;
}

bool skr_render_state_parse(const char *text, enum skr_realization_state *ret)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(state_names); i++)
        if (strcmp(state_names[i], text) == 0) {
            *ret = (enum skr_realization_state)i;
            return true;
        }
    return false;
}

/* An adapter without a host is nowhere, and what is nowhere is not realized. */
static enum skr_realization_state state_of(const struct skr_object *object, enum skr_realization_state state)
{
    bool nowhere = object->resource->id == SKR_NETWORK_ADAPTER && !skr_object_has(object, SKR_NETWORK_ADAPTER_HOST_ID);
    return nowhere && state == SKR_REALIZATION_REALIZED ? SKR_REALIZATION_UNPLACED : state;
}

/* The table says "realized" also while the policy has not reached the object's last change: nobody knows yet then who
 * needs it, so the object is pending. */
void skr_render_look_up(struct skr_api *api, const struct skr_object *object, struct skr_realization *ret)
{
    struct skr_uuid id = skr_object_uuid(object, SKR_FIELD_ID);
    bool known = skr_realization_knows(api->realizations, skr_object_integer(object, SKR_FIELD_ETAG));
    skr_realization_of_object(api->realizations, object->resource->id, &id, ret);
    if (!known && ret->state == SKR_REALIZATION_REALIZED)
        ret->state = SKR_REALIZATION_PENDING;
    ret->state = state_of(object, ret->state);
}

/* Adds what the object's own status fields do not say: realization, and whether a host is there. */
static void add_status(struct skr_api *api, const struct skr_principal *principal, const struct skr_object *object,
                       const struct skr_realization *realization, json_t *rendered)
{
    struct skr_realization found;
    json_t *status = json_object_get(rendered, "status");
    if (!status) {
        status = json_object();
        json_object_set_new(rendered, "status", status);
    }
    if (!realization) {
        skr_render_look_up(api, object, &found);
        realization = &found;
    }
    json_t *shown = skr_render_realization(principal, realization);
    json_object_set_new(shown, "state", json_string(state_names[state_of(object, realization->state)]));
    json_object_set_new(status, "realization", shown);
    if (object->resource->id == SKR_HOST) {
        struct skr_uuid id = skr_object_uuid(object, SKR_FIELD_ID);
        char since[SKR_TIME_TEXT_MAX];
        int64_t since_ms = 0;
        bool online = skr_realization_host_online(api->realizations, &id, &since_ms);
        json_object_set_new(status, "online", json_boolean(online));
        json_object_set_new(status, "online_since",
                            online && since_ms ? json_string(skr_time_format(since_ms, since)) : json_null());
    }
}

static bool wanted(const struct skr_http_fields *fields, const char *name)
{
    if (!fields || !fields->count)
        return true;
    for (unsigned i = 0; i < fields->count; i++)
        if (strcmp(fields->names[i], name) == 0)
            return true;
    return false;
}

json_t *skr_render_object(struct skr_api *api, const struct skr_principal *principal, const struct skr_object *object,
                          const struct skr_realization *realization, const struct skr_http_fields *fields)
{
    json_t *rendered = skr_object_to_json(object, principal->role);
    if (!(object->resource->flags & SKR_RESOURCE_VIEW) && wanted(fields, "status"))
        add_status(api, principal, object, realization, rendered);
    if (!fields || !fields->count)
        return rendered;
    json_t *picked = json_object();
    for (unsigned i = 0; i < fields->count; i++) {
        json_t *value = json_object_get(rendered, fields->names[i]);
        if (value)
            json_object_set(picked, fields->names[i], value);
    }
    json_decref(rendered);
    return picked;
}

static int judge_name(const struct skr_resource *resource, const char *name, struct skr_error *error)
{
    const char *candidates[SKR_HTTP_FIELDS_MAX + 1];
    size_t count = 0;
    if (strcmp(name, "status") == 0 && !(resource->flags & SKR_RESOURCE_VIEW))
        return 0;
    int field = skr_resource_field(resource, name);
    if (field >= 0 && !(resource->fields[field].flags & SKR_FIELD_HIDDEN))
        return 0;
    for (unsigned i = 0; i < resource->field_count && count < SKR_HTTP_FIELDS_MAX; i++)
        if (!(resource->fields[i].flags & SKR_FIELD_HIDDEN))
            candidates[count++] = resource->fields[i].name;
    candidates[count++] = "status";
    const char *near = skr_nearest(name, candidates, count);
    return near ? skr_error_set(error, SKR_ERROR_SYNTAX, "fields: a %s has no field '%.60s'; did you mean '%s'?",
                                resource->name, name, near)
                : skr_error_set(error, SKR_ERROR_SYNTAX,
                                "fields: a %s has no field '%.60s'; give names separated by commas, as GET shows them",
                                resource->name, name);
}

int skr_http_fields_parse(const struct skr_resource *resource, const char *text, struct skr_http_fields *ret,
                          struct skr_error *error)
{
    struct skr_http_fields fields = {0};
    if (!text) {
        *ret = fields;
        return 0;
    }
    fields.text = strdup(text);
    if (!fields.text)
        abort();
    char *rest = fields.text, *name;
    int r = 0;
    while (r == 0 && (name = strsep(&rest, ","))) {
        r = judge_name(resource, name, error);
        if (r == 0 && fields.count == SKR_HTTP_FIELDS_MAX)
            r = skr_error_set(error, SKR_ERROR_SYNTAX, "fields: at most %d names", SKR_HTTP_FIELDS_MAX);
        if (r == 0)
            fields.names[fields.count++] = name;
    }
    if (r < 0) {
        skr_http_fields_done(&fields);
        return r;
    }
    *ret = fields;
    return 0;
}

void skr_http_fields_done(struct skr_http_fields *fields)
{
    free(SKR_TAKE(fields->text));
    fields->count = 0;
}
