#include "controller/model/rules.h"

int skr_model_find(struct skr_txn *txn, const struct skr_sight *sight, enum skr_resource_id resource,
                   const struct skr_uuid *id, struct skr_object **ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    const struct skr_uuid *tenant = sight->kind == SKR_SIGHT_TENANT ? &sight->tenant_id : NULL;
    bool searched = sight->kind == SKR_SIGHT_ALL || tenant; /* the search itself keeps within sight */
    int r = sight->kind == SKR_SIGHT_NOTHING
                    ? -ENOENT
                    : skr_txn_get(txn, resource, id, tenant, ret || !searched ? &object : NULL, error);
    if (r == 0 && !searched && !skr_sight_covers(sight, object))
        r = -ENOENT;
    if (r == -ENOENT) {
        char text[SKR_UUID_TEXT_MAX];
        return skr_error_set(error, SKR_ERROR_NOT_FOUND, "There is no %s with the id %s.",
                             skr_resource_get(resource)->name, skr_uuid_format(id, text));
    }
    if (r == 0 && ret)
        *ret = SKR_TAKE(object);
    return r;
}

/* A kind that is not for the role at all is refused before any id is looked at. */
static int check_reader(const struct skr_principal *principal, enum skr_resource_id id, struct skr_error *error)
{
    const struct skr_resource *resource = skr_resource_get(id);
    if (skr_role_reads(resource->reader, principal->role))
        return 0;
    return skr_error_set(error, SKR_ERROR_FORBIDDEN, "Your role may not read %s.", resource->collection);
}

int skr_model_read(struct skr_txn *txn, const struct skr_principal *principal, enum skr_resource_id resource,
                   const struct skr_uuid *id, struct skr_object **ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    SKR_CLEANUP(skr_sight_done) struct skr_sight sight = {0};
    const struct skr_rules *rules = skr_rules_get(resource);
    int r = check_reader(principal, resource, error);
    if (r == 0)
        r = skr_model_sees(txn, principal, resource, &sight, error);
    if (r == 0)
        r = skr_model_find(txn, &sight, resource, id, &object, error);
    if (r == 0 && rules->compute)
        r = rules->compute(txn, object, error);
    if (r == 0)
        *ret = SKR_TAKE(object);
    return r;
}

int skr_model_list(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_list_query *query,
                   struct skr_object **ret_objects, uint32_t *ret_count, bool *ret_more, struct skr_error *error)
{
    const struct skr_rules *rules = skr_rules_get(query->resource);
    SKR_CLEANUP(skr_sight_done) struct skr_sight sight = {0};
    struct skr_list_query mine = *query;
    uint32_t count = 0;
    bool more = false;
    int r = check_reader(principal, query->resource, error);
    if (r == 0)
        r = skr_model_sees(txn, principal, query->resource, &sight, error);
    if (r == 0 && skr_sight_narrow(&sight, &mine))
        r = skr_txn_list(txn, &mine, ret_objects, &count, &more, error);
    if (r < 0)
        return r;
    for (uint32_t i = 0; r == 0 && rules->compute && i < count; i++)
        r = rules->compute(txn, ret_objects[i], error);
    if (r < 0) {
        for (uint32_t i = 0; i < count; i++)
            skr_object_unref(SKR_TAKE(ret_objects[i]));
        return r;
    }
    *ret_count = count;
    *ret_more = more;
    return 0;
}
