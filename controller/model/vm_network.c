#include "controller/model/rules.h"

static int check_isolation(const struct skr_write *write, const struct skr_object *network, struct skr_error *error)
{
    const char *isolation = skr_object_text(write->after, SKR_VM_NETWORK_ISOLATION);
    if (isolation && strcmp(isolation, "network_virtualization") != 0)
        return skr_refuse(error, SKR_ERROR_NOT_SUPPORTED, "/isolation",
                          "Isolation \"%s\" is not supported by this version; use \"network_virtualization\".",
                          isolation);
    if (!skr_object_integer(network, SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION))
        return skr_refuse(
                error, SKR_ERROR_CONFLICT, "/logical_network_id",
                "Logical network \"%.100s\" has no network virtualization; switch it on there or choose another.",
                skr_object_name(network));
    return 0;
}

static int check_mtu(const struct skr_write *write, const struct skr_object *network, struct skr_error *error)
{
    int64_t mtu = skr_object_integer(write->after, SKR_VM_NETWORK_MTU);
    int64_t outer = skr_object_integer(network, SKR_LOGICAL_NETWORK_MTU);
    int64_t most = outer - skr_logical_network_overhead(network);
    if (mtu <= most)
        return 0;
    return skr_refuse(
            error, SKR_ERROR_INVALID, "/mtu",
            "An MTU of %lld does not fit: logical network \"%.100s\" carries %lld, which leaves %lld inside of "
            "the encapsulation.",
            (long long)mtu, skr_object_name(network), (long long)outer, (long long)most);
}

static int assign(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid domain = skr_uuid_new();
    int64_t number;
    int r = skr_counter_next(write->txn, "routing_domain_next", 1, &number, error);
    if (r < 0)
        return r;
    if (number > UINT32_MAX)
        return skr_error_set(error, SKR_ERROR_EXHAUSTED, "All routing domain numbers of this database have been used.");
    skr_object_set_uuid(write->after, SKR_VM_NETWORK_ROUTING_DOMAIN_ID, &domain);
    skr_object_set_integer(write->after, SKR_VM_NETWORK_ROUTING_DOMAIN_NUMBER, number);
    return 0;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    if (!skr_object_has(write->after, SKR_FIELD_TENANT_ID))
        return skr_refuse(error, SKR_ERROR_INVALID, "/tenant_id",
                          "A VM network belongs to a tenant; give its tenant_id.");
    struct skr_uuid id = skr_object_uuid(write->after, SKR_VM_NETWORK_LOGICAL_NETWORK_ID);
    struct skr_uuid tenant_id = skr_object_uuid(write->after, SKR_FIELD_TENANT_ID);
    int r = skr_fetch(write->txn, SKR_LOGICAL_NETWORK, &id, &network, error);
    if (r == 0 && !write->before)
        r = skr_tenant_allows(write->txn, &tenant_id, SKR_TENANT_LOGICAL_NETWORK_IDS, &id, "/logical_network_id",
                              error);
    if (r == 0)
        r = check_isolation(write, network, error);
    if (r == 0)
        r = check_mtu(write, network, error);
    return r < 0 || write->before ? r : assign(write, error);
}

int skr_vm_network_mtu(struct skr_txn *txn, const struct skr_object *vm_network, int64_t *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    if (skr_object_has(vm_network, SKR_VM_NETWORK_MTU)) {
        *ret = skr_object_integer(vm_network, SKR_VM_NETWORK_MTU);
        return 0;
    }
    struct skr_uuid id = skr_object_uuid(vm_network, SKR_VM_NETWORK_LOGICAL_NETWORK_ID);
    int r = skr_fetch(txn, SKR_LOGICAL_NETWORK, &id, &network, error);
    if (r == 0)
        *ret = skr_object_integer(network, SKR_LOGICAL_NETWORK_MTU) - skr_logical_network_overhead(network);
    return r;
}

const struct skr_rules skr_vm_network_rules = {.prepare = prepare};
