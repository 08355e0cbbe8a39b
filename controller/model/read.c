#include "controller/model/rules.h"

static const struct skr_uuid *tenant_of(const struct skr_principal *principal, enum skr_resource_id resource)
{
    if (skr_uuid_is_nil(&principal->tenant_id) || skr_resource_get(resource)->scope != SKR_SCOPE_TENANT)
        return NULL;
    return &principal->tenant_id;
}

int skr_model_read(struct skr_txn *txn, const struct skr_principal *principal, enum skr_resource_id resource,
                   const struct skr_uuid *id, struct skr_object **ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    const struct skr_rules *rules = skr_rules_get(resource);
    int r = skr_txn_get(txn, resource, id, tenant_of(principal, resource), &object, error);
    if (r == -ENOENT) {
        char text[SKR_UUID_TEXT_MAX];
        return skr_error_set(error, SKR_ERROR_NOT_FOUND, "There is no %s with the id %s.",
                             skr_resource_get(resource)->name, skr_uuid_format(id, text));
    }
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
    struct skr_list_query mine = *query;
    const struct skr_uuid *tenant = tenant_of(principal, query->resource);
    uint32_t count;
    bool more;
    if (tenant)
        mine.tenant = tenant;
    int r = skr_txn_list(txn, &mine, ret_objects, &count, &more, error);
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
