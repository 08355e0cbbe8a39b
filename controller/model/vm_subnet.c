#include "controller/model/rules.h"

/* Prefixes of one VM network never overlap, so the last one that starts at or below our end decides. */
static const struct skr_query last_at_or_below = {
        "SELECT name, prefix FROM vm_subnet WHERE vm_network_id = ?1 AND prefix <= ?2 ORDER BY prefix DESC LIMIT 1"};

int skr_vm_subnet_check_prefix(const struct skr_prefix *prefix, struct skr_error *error)
{
    static const struct {
        const char *prefix, *what;
    } unusable[] = {{"0.0.0.0/8", "addresses that mean \"this network\""},
                    {"127.0.0.0/8", "loopback addresses"},
                    {"169.254.0.0/16", "link-local addresses"},
                    {"224.0.0.0/4", "multicast addresses"},
                    {"240.0.0.0/4", "reserved addresses"}};
    char text[SKR_PREFIX_TEXT_MAX];
    if (!skr_prefix_is_v4(prefix))
        return skr_refuse(error, SKR_ERROR_NOT_SUPPORTED, "/prefix",
                          "IPv6 customer addresses are not supported by this version; use an IPv4 prefix.");
    skr_prefix_format(prefix, text);
    if (prefix->length < 8 || prefix->length > 29)
        return skr_refuse(error, SKR_ERROR_INVALID, "/prefix", "%s does not fit: VM subnets are /8 to /29.", text);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(unusable); i++) {
        struct skr_prefix range;
        if (skr_prefix_parse(unusable[i].prefix, &range) == 0 && skr_prefix_overlaps(&range, prefix))
            return skr_refuse(error, SKR_ERROR_INVALID, "/prefix", "%s holds %s; choose another prefix.", text,
                              unusable[i].what);
    }
    return 0;
}

static int check_overlap(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid network_id = skr_object_uuid(write->after, SKR_VM_SUBNET_VM_NETWORK_ID);
    struct skr_prefix prefix = skr_object_prefix(write->after, SKR_VM_SUBNET_PREFIX);
    struct skr_prefix end = {.address = skr_prefix_last(&prefix), .length = 32};
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, &last_at_or_below, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &network_id);
    skr_bind_prefix(statement, 2, &end);
    r = skr_step(statement, error);
    if (r > 0) {
        struct skr_prefix other = skr_column_prefix(statement, 1);
        char text[SKR_PREFIX_TEXT_MAX], other_text[SKR_PREFIX_TEXT_MAX];
        r = 0;
        if (skr_prefix_overlaps(&prefix, &other))
            r = skr_refuse(error, SKR_ERROR_CONFLICT, "/prefix",
                           "%s overlaps %s of VM subnet \"%.100s\" in the same VM network; choose another prefix.",
                           skr_prefix_format(&prefix, text), skr_prefix_format(&other, other_text),
                           skr_column_text(statement, 0));
    }
    skr_statement_reset(statement);
    return r;
}

static int take_tenant(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    struct skr_uuid id = skr_object_uuid(write->after, SKR_VM_SUBNET_VM_NETWORK_ID);
    int r = skr_fetch(write->txn, SKR_VM_NETWORK, &id, &network, error);
    return r < 0 ? r : skr_tenant_inherit(write->after, network, error);
}

static int create(struct skr_write *write, struct skr_error *error)
{
    struct skr_prefix prefix = skr_object_prefix(write->after, SKR_VM_SUBNET_PREFIX);
    int64_t vsid = 0;
    int r = take_tenant(write, error);
    if (r == 0)
        r = skr_vm_subnet_check_prefix(&prefix, error);
    if (r == 0)
        r = check_overlap(write, error);
    if (r == 0)
        r = skr_vsid_assign(write->txn, skr_object_integer(write->after, SKR_VM_SUBNET_VSID), &vsid, error);
    if (r < 0)
        return r;
    struct skr_address gateway = skr_address_add(&prefix.address, 1);
    skr_object_set_integer(write->after, SKR_VM_SUBNET_VSID, vsid);
    skr_object_set_address(write->after, SKR_VM_SUBNET_GATEWAY, &gateway);
    return 0;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    if (skr_object_has(write->after, SKR_VM_SUBNET_PA_MULTICAST_GROUP))
        return skr_refuse(
                error, SKR_ERROR_NOT_SUPPORTED, "/pa_multicast_group",
                "Multicast groups for broadcasts are not supported by this version; leave it out, and each host "
                "gets its own copy.");
    int r = write->before ? 0 : create(write, error);
    return r < 0 ? r : skr_access_control_lists_check(write, SKR_VM_SUBNET_ACL_IDS, error);
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    return skr_vsid_retire(write->txn, skr_object_integer(write->before, SKR_VM_SUBNET_VSID), error);
}

static int compute(struct skr_txn *txn, struct skr_object *vm_subnet, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    struct skr_uuid id = skr_object_uuid(vm_subnet, SKR_VM_SUBNET_VM_NETWORK_ID);
    int64_t mtu;
    int r = skr_fetch(txn, SKR_VM_NETWORK, &id, &network, error);
    if (r == 0)
        r = skr_vm_network_mtu(txn, network, &mtu, error);
    if (r == 0)
        skr_object_set_json(vm_subnet, SKR_VM_SUBNET_MTU, json_integer(mtu));
    return r;
}

const char *skr_vm_subnet_refuses(const struct skr_object *vm_subnet, const struct skr_address *address)
{
    struct skr_prefix prefix = skr_object_prefix(vm_subnet, SKR_VM_SUBNET_PREFIX);
    struct skr_address gateway = skr_object_address(vm_subnet, SKR_VM_SUBNET_GATEWAY);
    if (!skr_prefix_contains(&prefix, address))
        return "is outside of the VM subnet";
    if (skr_prefix_is_edge(&prefix, address))
        return "is the network or broadcast address of the VM subnet";
    if (!skr_address_compare(&gateway, address))
        return "is the gateway of the VM subnet";
    return NULL;
}

const struct skr_rules skr_vm_subnet_rules = {.prepare = prepare, .removing = removing, .compute = compute};
