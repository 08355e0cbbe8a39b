/* The whole model, once, from a snapshot. */
#include "controller/policy/graph.h"
#include <skerry/macros.h>

static int load_one(void *arg, struct skr_object *object)
{
    skr_policy_graph_apply(arg, SKR_CHANGE_PUT, object);
    return 0;
}

int skr_policy_load(struct skr_policy *policy, struct skr_txn *txn, struct skr_error *error)
{
    static const enum skr_resource_id order[] = {
            SKR_VIRTUAL_PORT_PROFILE, SKR_PORT_CLASSIFICATION, SKR_LOGICAL_NETWORK, SKR_HOST_GROUP,
            SKR_NETWORK_SITE,         SKR_UPLINK_PORT_PROFILE, SKR_LOGICAL_SWITCH,  SKR_HOST,
            SKR_HOST_SWITCH,          SKR_PROVIDER_ADDRESS,    SKR_COMPLIANCE,      SKR_ACCESS_CONTROL_LIST,
            SKR_VM_NETWORK,           SKR_VM_SUBNET,           SKR_CUSTOMER_ROUTE,  SKR_NETWORK_ADAPTER,
            SKR_LOOKUP_RECORD};

    policy->loading = true;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(order); i++) {
        int r = skr_txn_each(txn, order[i], load_one, policy, error);
        if (r < 0)
            return r;
    }
    policy->revision = skr_txn_revision(txn);
    skr_policy_write_end(policy, 0);
    policy->loading = false;
    skr_policy_realize_load(policy);
    skr_realization_reached(policy->options.realizations, policy->revision, true);
    return 0;
}
