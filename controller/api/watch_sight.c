#include "controller/api/watch.h"

#include <skerry/resource_fields.h>
#include <string.h>

/* The sight of a client can change without the objects: a tenant's lists gain or lose one, a host goes to another host
 * group. */

static const struct listed {
    const char *field; /* of the tenant */
    int index;
    enum skr_resource_id resource;
} lists[] = {{"logical_network_ids", SKR_TENANT_LOGICAL_NETWORK_IDS, SKR_LOGICAL_NETWORK},
             {"port_classification_ids", SKR_TENANT_PORT_CLASSIFICATION_IDS, SKR_PORT_CLASSIFICATION}};

static bool names(const json_t *list, const char *id)
{
    size_t index;
    const json_t *item;
    json_array_foreach (list, index, item) {
        const char *text = json_string_value(item);
        if (text && strcmp(text, id) == 0)
            return true;
    }
    return false;
}

static void each_missing(const json_t *from, const json_t *in, const struct listed *listed, skr_watch_listed_fn *fn,
                         void *arg)
{
    size_t index;
    const json_t *item;
    json_array_foreach (from, index, item) {
        const char *text = json_string_value(item);
        struct skr_uuid id;
        if (text && !names(in, text) && skr_uuid_parse(text, &id) == 0)
            fn(arg, listed->resource, &id);
    }
}

/* The lists after a change: what the next change found, or what stands now. */
static json_t *lists_after(struct skr_txn *txn, const struct skr_log_row *row, const struct skr_log_row *next)
{
    struct skr_error ignored = {0};
    json_t *fields = NULL;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = NULL;
    if (next)
        return skr_store_log_fields(txn, next->revision, &fields, &ignored) == 0 ? fields : json_object();
    if (skr_txn_get(txn, SKR_TENANT, &row->id, NULL, &tenant, &ignored) < 0)
        return json_object();
    return skr_object_to_json(tenant, SKR_ROLE_ADMIN);
}

void skr_watch_lists(const struct skr_watch *watch, struct skr_txn *txn, const struct skr_log_row *row,
                     const struct skr_log_row *next, skr_watch_listed_fn *gained, skr_watch_listed_fn *lost, void *arg)
{
    const struct skr_uuid *tenant_id = &watch->request->principal.tenant_id;
    struct skr_error ignored = {0};
    json_t *before = NULL;
    if (row->resource != SKR_TENANT || !row->has_fields || !skr_uuid_equal(&row->id, tenant_id) ||
        skr_store_log_fields(txn, row->revision, &before, &ignored) < 0)
        return;
    json_t *after = lists_after(txn, row, next);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(lists); i++) {
        const json_t *old = json_object_get(before, lists[i].field), *new = json_object_get(after, lists[i].field);
        if (!(watch->kinds >> lists[i].resource & 1))
            continue;
        each_missing(old, new, &lists[i], lost, arg);
        each_missing(new, old, &lists[i], gained, arg);
    }
    json_decref(before);
    json_decref(after);
}

uint64_t skr_watch_kinds_decided(enum skr_resource_id resource)
{
    uint64_t kinds = 0;
    for (size_t i = 0; resource == SKR_TENANT && i < SKR_ARRAY_SIZE(lists); i++)
        kinds |= UINT64_C(1) << lists[i].resource;
    for (int i = 0; (resource == SKR_HOST || resource == SKR_HOST_GROUP) && i < SKR_RESOURCE_COUNT; i++)
        if (skr_resource_place(skr_resource_get((enum skr_resource_id)i)) >= 0)
            kinds |= UINT64_C(1) << i;
    return kinds;
}

/* Does the group stand in the subtree of the principal, whose sight of hosts this is? */
static bool is_below(const struct skr_sight *hosts, const char *group)
{
    const struct skr_log_row row = {.resource = SKR_HOST};
    json_t *fields = json_pack("{s:s?}", "host_group_id", group);
    bool below = skr_sight_covers_logged(hosts, &row, fields);
    json_decref(fields);
    return below;
}

/* A host that crosses the border of the principal's subtree, or ends, takes all that stands on it along; a group that
 * does, its hosts. */
bool skr_watch_sight_moved(const struct skr_watch *watch, struct skr_txn *txn, const struct skr_log_row *row)
{
    const struct skr_principal *principal = &watch->request->principal;
    uint64_t kinds = skr_watch_kinds_decided(row->resource) & ~(UINT64_C(1) << SKR_HOST);
    SKR_CLEANUP(skr_sight_done) struct skr_sight hosts = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    struct skr_error ignored = {0};
    json_t *fields = NULL;
    char text[SKR_UUID_TEXT_MAX];
    bool group = row->resource == SKR_HOST_GROUP, now = false;
    if ((!group && row->resource != SKR_HOST) || skr_uuid_is_nil(&principal->host_group_id) || !row->has_fields ||
        !(watch->kinds & kinds) || (group && skr_uuid_equal(&row->id, &principal->host_group_id)))
        return false; /* the principal's own group takes its hosts along, wherever it goes */
    if (skr_model_sees(txn, principal, SKR_HOST, &hosts, &ignored) < 0 ||
        skr_store_log_fields(txn, row->revision, &fields, &ignored) < 0)
        return false;
    const char *name = group ? "parent_id" : "host_group_id";
    bool before = is_below(&hosts, json_string_value(json_object_get(fields, name)));
    json_decref(fields);
    if (skr_model_read(txn, principal, row->resource, &row->id, &object, &ignored) < 0)
        return before && !group; /* a group that ended was empty */
    if (!group)
        return !before; /* it is seen now */
    struct skr_uuid parent_id = skr_object_uuid(object, SKR_HOST_GROUP_PARENT_ID);
    now = is_below(&hosts, skr_uuid_format(&parent_id, text));
    return before != now;
}
