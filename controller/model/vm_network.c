#include "controller/model/rules.h"

static const struct skr_query passing_through = {
        "SELECT id, name FROM vm_network WHERE logical_network_id = ?1 AND isolation = 'none'"};
static const struct skr_query subnets_of = {"SELECT id FROM vm_subnet WHERE vm_network_id = ?1"};

/* One of a logical network passes through. */
static int check_alone(struct skr_write *write, const struct skr_object *network, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(network);
    int r = skr_find(write->txn, &passing_through, &id, NULL, NULL, error);
    if (r <= 0)
        return r;
    return skr_refuse(error, SKR_ERROR_EXISTS, "/isolation",
                      "A VM network with isolation \"none\" is on logical network \"%.100s\" already, and there can be "
                      "one; put the adapters into that one.",
                      skr_object_name(network));
}

static int check_isolation(struct skr_write *write, const struct skr_object *network, struct skr_error *error)
{
    const char *isolation = skr_object_text(write->after, SKR_VM_NETWORK_ISOLATION);
    const char *below = skr_object_text(network, SKR_LOGICAL_NETWORK_ISOLATION);
    bool none = !strcmp(isolation, "none"), virtualized = skr_vm_network_is_virtualized(write->after);
    if (virtualized && !skr_object_integer(network, SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION))
        return skr_refuse(
                error, SKR_ERROR_CONFLICT, "/logical_network_id",
                "Logical network \"%.100s\" has no network virtualization; switch it on there or choose another.",
                skr_object_name(network));
    if (!virtualized && strcmp(none ? "connected" : isolation, below) != 0)
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/isolation",
                          "A VM network with isolation \"%s\" stands on a logical network with isolation \"%s\", and "
                          "\"%.100s\" is \"%s\"; choose another logical network.",
                          isolation, none ? "connected" : isolation, skr_object_name(network), below);
    if (none && skr_object_integer(network, SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION))
        return skr_refuse(
                error, SKR_ERROR_CONFLICT, "/isolation",
                "Logical network \"%.100s\" has network virtualization: its addresses are those of hosts, and "
                "no VM may be among them; choose a logical network without it.",
                skr_object_name(network));
    if (none || virtualized)
        for (int f = SKR_VM_NETWORK_NETWORK_SITE_ID; f <= SKR_VM_NETWORK_SECONDARY_VLAN_ID; f++)
            if (skr_object_has(write->after, f)) {
                char place[SKR_ERROR_POINTER_MAX];
                snprintf(place, sizeof(place), "/%s", write->after->resource->fields[f].name);
                return skr_refuse(error, SKR_ERROR_INVALID, place,
                                  "Only VM networks with isolation \"vlan\" or \"pvlan\" are one VLAN of a site; leave "
                                  "it out.");
            }
    return none && !write->before ? check_alone(write, network, error) : 0;
}

static int64_t carried(const struct skr_object *vm_network, const struct skr_object *network)
{
    int64_t mtu = skr_object_integer(network, SKR_LOGICAL_NETWORK_MTU);
    return skr_vm_network_is_virtualized(vm_network) ? mtu - skr_logical_network_overhead(network) : mtu;
}

static int check_mtu(const struct skr_write *write, const struct skr_object *network, struct skr_error *error)
{
    int64_t mtu = skr_object_integer(write->after, SKR_VM_NETWORK_MTU), most = carried(write->after, network);
    bool virtualized = skr_vm_network_is_virtualized(write->after);
    char inside[96] = "";
    if (mtu <= most)
        return 0;
    if (virtualized)
        snprintf(inside, sizeof(inside), ", which leaves %lld inside of the encapsulation", (long long)most);
    return skr_refuse(error, SKR_ERROR_INVALID, "/mtu",
                      "An MTU of %lld does not fit: logical network \"%.100s\" carries %lld%s.", (long long)mtu,
                      skr_object_name(network), (long long)skr_object_integer(network, SKR_LOGICAL_NETWORK_MTU),
                      inside);
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

static bool is_vlan(const struct skr_object *vm_network)
{
    const char *isolation = skr_object_text(vm_network, SKR_VM_NETWORK_ISOLATION);
    return !strcmp(isolation, "vlan") || !strcmp(isolation, "pvlan");
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
    if (r == 0 && !write->before && is_vlan(write->after))
        r = skr_vm_vlan_settle(write, network, error);
    return r < 0 || write->before ? r : assign(write, error);
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *site = NULL;
    if (write->before || !is_vlan(write->after))
        return 0;
    struct skr_uuid site_id = skr_object_uuid(write->after, SKR_VM_NETWORK_NETWORK_SITE_ID);
    int r = skr_fetch(write->txn, SKR_NETWORK_SITE, &site_id, &site, error);
    return r < 0 ? r : skr_vm_vlan_subnets(write->txn, write->after, site, error);
}

/* VM subnets that were made with it go with it. */
static int removing(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids subnets = {0};
    struct skr_uuid id = skr_object_id(write->before);
    int r = skr_ids_query(write->txn, &subnets_of, &id, &subnets, error);
    for (size_t i = 0; r == 0 && i < subnets.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *subnet = NULL;
        r = skr_fetch(write->txn, SKR_VM_SUBNET, &subnets.items[i], &subnet, error);
        if (r == 0)
            r = skr_write_inner(write->txn, SKR_VM_SUBNET, subnet, NULL, error);
    }
    return r;
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
        *ret = carried(vm_network, network);
    return r;
}

const struct skr_rules skr_vm_network_rules = {.prepare = prepare, .stored = stored, .removing = removing};
