/* Bootstrapping fills a new database: the root host group, the default MAC pool, the built-in profiles and their
 * classifications. */
#include "controller/model/rules.h"

#define DONE "bootstrap"

enum { BOOTSTRAP_VRSS = 1, BOOTSTRAP_SRIOV = 2, BOOTSTRAP_SPOOFING = 4, BOOTSTRAP_LEARNS = 8, BOOTSTRAP_TEAMING = 16 };

static const struct {
    const char *name, *classification, *description;
    int64_t weight; /* 0: none */
    unsigned switches;
} profiles[] = {
        {"High bandwidth adapter", "High bandwidth", "VMs that need much of the network", 30, BOOTSTRAP_VRSS},
        {"Medium bandwidth adapter", "Medium bandwidth", "Ordinary VMs", 10, 0},
        {"Low bandwidth adapter", "Low bandwidth", "VMs that need little of the network", 1, 0},
        {"Host management", "Host management", "The host's own management traffic", 10, 0},
        {"Live migration", "Live migration workload", "Memory of VMs on the move", 40, BOOTSTRAP_VRSS},
        {"Cluster", "Host cluster workload", "Heartbeats and storage of a cluster", 40, 0},
        {"iSCSI", "iSCSI workload", "Block storage", 10, BOOTSTRAP_VRSS},
        {"Network load balancing", "Network load balancing", "VMs that share a MAC address", 10,
         BOOTSTRAP_SPOOFING | BOOTSTRAP_TEAMING},
        {"SR-IOV", "SR-IOV", "A virtual function of the network card", 0, BOOTSTRAP_SRIOV},
        {"Guest dynamic IP", "Guest dynamic IP", "Addresses that the VM chooses itself are learned", 10,
         BOOTSTRAP_LEARNS},
};

static int create(struct skr_txn *txn, enum skr_resource_id resource, const char *json, int built_in_field,
                  struct skr_uuid *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    json_t *value = json_loads(json, 0, NULL);
    int r = skr_object_from_json(skr_resource_get(resource), value, false, SKR_ROLE_ADMIN, &object, error);
    json_decref(value);
    if (r < 0)
        return r;
    skr_object_set_integer(object, built_in_field, 1);
    r = skr_write_inner(txn, resource, NULL, object, error);
    if (r == 0 && ret)
        *ret = skr_object_id(object);
    return r;
}

static const char *json_bool(unsigned value)
{
    return value ? "true" : "false";
}

static int create_profile(struct skr_txn *txn, size_t index, struct skr_error *error)
{
    char json[1024], weight[24], text[SKR_UUID_TEXT_MAX];
    struct skr_uuid id;
    unsigned on = profiles[index].switches;
    snprintf(weight, sizeof(weight), "%lld", (long long)profiles[index].weight);
    snprintf(json, sizeof(json),
             "{\"name\": \"%s\", \"description\": \"%s\", \"offload\": {\"vrss\": %s, \"sriov\": %s}, \"security\": "
             "{\"mac_spoofing\": %s, \"guest_teaming\": %s, \"guest_specified_ips\": %s}, \"bandwidth\": "
             "{\"minimum_weight\": %s}}",
             profiles[index].name, profiles[index].description, json_bool(on & BOOTSTRAP_VRSS),
             json_bool(on & BOOTSTRAP_SRIOV), json_bool(on & BOOTSTRAP_SPOOFING), json_bool(on & BOOTSTRAP_TEAMING),
             json_bool(on & BOOTSTRAP_LEARNS), profiles[index].weight ? weight : "null");
    int r = create(txn, SKR_VIRTUAL_PORT_PROFILE, json, SKR_VIRTUAL_PORT_PROFILE_BUILT_IN, &id, error);
    if (r < 0)
        return r;
    snprintf(json, sizeof(json), "{\"name\": \"%s\", \"description\": \"%s\", \"virtual_port_profile_id\": \"%s\"}",
             profiles[index].classification, profiles[index].description, skr_uuid_format(&id, text));
    return create(txn, SKR_PORT_CLASSIFICATION, json, SKR_PORT_CLASSIFICATION_BUILT_IN, NULL, error);
}

int skr_model_bootstrap(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    (void)unused;
    SKR_CLEANUP(skr_free_cleanup) char *done = NULL;
    int r = skr_ip_usage_bootstrap(txn, error);
    if (r == 0)
        r = skr_txn_setting_get(txn, DONE, &done, error);
    if (r != -ENOENT)
        return r;
    struct skr_uuid root;
    char json[256], text[SKR_UUID_TEXT_MAX];
    r = create(txn, SKR_HOST_GROUP, "{\"name\": \"All hosts\"}", SKR_HOST_GROUP_BUILT_IN, &root, error);
    if (r < 0)
        return r;
    /* Locally administered, and clear of the gateways' 02:5c:00:00:00:01. */
    snprintf(json, sizeof(json),
             "{\"name\": \"Default MAC pool\", \"range_start\": \"02:5c:01:00:00:00\", \"range_end\": "
             "\"02:5c:ff:ff:ff:ff\", \"host_group_ids\": [\"%s\"]}",
             skr_uuid_format(&root, text));
    r = create(txn, SKR_MAC_POOL, json, SKR_MAC_POOL_BUILT_IN, NULL, error);
    for (size_t i = 0; r == 0 && i < SKR_ARRAY_SIZE(profiles); i++)
        r = create_profile(txn, i, error);
    return r < 0 ? r : skr_txn_setting_set(txn, DONE, "1", error);
}
