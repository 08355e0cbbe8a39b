#include "controller/model/rules.h"

/* Prefixes of one VM network never overlap, so the last one that starts at or below our end decides. */
static const struct skr_query last_at_or_below = {
        "SELECT id FROM vm_subnet WHERE vm_network_id = ?1 AND prefix <= ?2 ORDER BY prefix DESC LIMIT 1"};

/* Judges a prefix for VM subnets: IPv4 /8 to /29 or IPv6 /64, of addresses that can be used. */
static int check_prefix_fits(const struct skr_prefix *prefix, struct skr_error *error)
{
    static const struct {
        const char *prefix, *what;
    } unusable[] = {{"0.0.0.0/8", "addresses that mean \"this network\""},
                    {"127.0.0.0/8", "loopback addresses"},
                    {"169.254.0.0/16", "link-local addresses"},
                    {"224.0.0.0/4", "multicast addresses"},
                    {"240.0.0.0/4", "reserved addresses"},
                    {"::/8", "reserved addresses"},
                    {"fe80::/10", "link-local addresses"},
                    {"ff00::/8", "multicast addresses"}};
    char text[SKR_PREFIX_TEXT_MAX];
    bool v4 = skr_prefix_is_v4(prefix);
    skr_prefix_format(prefix, text);
    if (v4 && (prefix->length < 8 || prefix->length > 29))
        return skr_refuse(error, SKR_ERROR_INVALID, "/prefix", "%s does not fit: IPv4 VM subnets are /8 to /29.", text);
    if (!v4 && prefix->length != 64)
        return skr_refuse(error, SKR_ERROR_INVALID, "/prefix", "%s does not fit: IPv6 VM subnets are /64.", text);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(unusable); i++) {
        struct skr_prefix range;
        if (skr_prefix_parse(unusable[i].prefix, &range) == 0 && skr_prefix_is_v4(&range) == v4 &&
            skr_prefix_overlaps(&range, prefix))
            return skr_refuse(error, SKR_ERROR_INVALID, "/prefix", "%s holds %s; choose another prefix.", text,
                              unusable[i].what);
    }
    return 0;
}

int skr_vm_subnet_before(struct skr_txn *txn, const struct skr_uuid *vm_network_id, const struct skr_address *address,
                         struct skr_object **ret, struct skr_error *error)
{
    /* Prefixes sort by address first: with the longest length this is behind all that begin here. */
    struct skr_prefix end = {.address = *address, .length = 128};
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &last_at_or_below, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, vm_network_id);
    skr_bind_prefix(statement, 2, &end);
    return skr_fetch_first(txn, statement, SKR_VM_SUBNET, ret, error);
}

static int check_overlap(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = NULL;
    struct skr_uuid network_id = skr_object_uuid(write->after, SKR_VM_SUBNET_VM_NETWORK_ID);
    struct skr_prefix prefix = skr_object_prefix(write->after, SKR_VM_SUBNET_PREFIX);
    struct skr_address last = skr_prefix_last(&prefix);
    int r = skr_vm_subnet_before(write->txn, &network_id, &last, &before, error);
    if (r <= 0)
        return r;
    struct skr_prefix other = skr_object_prefix(before, SKR_VM_SUBNET_PREFIX);
    char text[SKR_PREFIX_TEXT_MAX], other_text[SKR_PREFIX_TEXT_MAX];
    if (!skr_prefix_overlaps(&prefix, &other))
        return 0;
    return skr_refuse(error, SKR_ERROR_CONFLICT, "/prefix",
                      "%s overlaps %s of VM subnet \"%.100s\" in the same VM network; choose another prefix.",
                      skr_prefix_format(&prefix, text), skr_prefix_format(&other, other_text), skr_object_name(before));
}

/* Assigned with network virtualization: VSID and built-in router. On a VLAN the model itself writes them. */
static int assign(struct skr_write *write, const struct skr_prefix *prefix, struct skr_error *error)
{
    int64_t vsid = 0;
    int r = check_prefix_fits(prefix, error);
    if (r == 0)
        r = check_overlap(write, error);
    if (r == 0)
        r = skr_vsid_assign(write->txn, skr_object_integer(write->after, SKR_VM_SUBNET_VSID), &vsid, error);
    if (r < 0)
        return r;
    struct skr_address gateway = skr_address_add(&prefix->address, 1);
    skr_object_set_integer(write->after, SKR_VM_SUBNET_VSID, vsid);
    skr_object_set_address(write->after, SKR_VM_SUBNET_GATEWAY, &gateway);
    return 0;
}

static int refuse_made(const char *pointer, const struct skr_object *network, struct skr_error *error)
{
    if (!strcmp(skr_object_text(network, SKR_VM_NETWORK_ISOLATION), "none"))
        return skr_refuse(
                error, SKR_ERROR_CONFLICT, pointer,
                "VM network \"%.100s\" passes through and has no VM subnets: the subnets of the sites are its "
                "adapters'.",
                skr_object_name(network));
    return skr_refuse(
            error, SKR_ERROR_CONFLICT, pointer,
            "The VM subnets of VM network \"%.100s\" are those of its VLAN; change subnet_vlans of its network "
            "site.",
            skr_object_name(network));
}

static int create(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    struct skr_uuid id = skr_object_uuid(write->after, SKR_VM_SUBNET_VM_NETWORK_ID);
    struct skr_prefix prefix = skr_object_prefix(write->after, SKR_VM_SUBNET_PREFIX);
    int r = skr_fetch(write->txn, SKR_VM_NETWORK, &id, &network, error);
    if (r == 0)
        r = skr_tenant_inherit(write->after, network, error);
    if (r < 0)
        return r;
    if (skr_vm_network_is_virtualized(network))
        return assign(write, &prefix, error);
    return write->principal->joining ? 0 : refuse_made("/vm_network_id", network, error);
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
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    struct skr_uuid id = skr_object_uuid(write->before, SKR_VM_SUBNET_VM_NETWORK_ID);
    if (skr_object_has(write->before, SKR_VM_SUBNET_VSID))
        return skr_vsid_retire(write->txn, skr_object_integer(write->before, SKR_VM_SUBNET_VSID), error);
    int r = write->principal->joining ? 0 : skr_fetch(write->txn, SKR_VM_NETWORK, &id, &network, error);
    return r < 0 || !network ? r : refuse_made("", network, error);
}

static int compute(struct skr_txn *txn, struct skr_object *vm_subnet, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    struct skr_uuid id = skr_object_uuid(vm_subnet, SKR_VM_SUBNET_VM_NETWORK_ID);
    int64_t mtu = 0;
    int r = skr_fetch(txn, SKR_VM_NETWORK, &id, &network, error);
    if (r == 0)
        r = skr_vm_network_mtu(txn, network, &mtu, error);
    if (r < 0)
        return r;
    skr_object_set_json(vm_subnet, SKR_VM_SUBNET_MTU, json_integer(mtu));
    return skr_ip_usage_compute(txn, vm_subnet, SKR_VM_SUBNET_UTILIZATION, error);
}

const char *skr_vm_subnet_refuses(const struct skr_object *vm_subnet, const struct skr_address *address)
{
    struct skr_prefix prefix = skr_object_prefix(vm_subnet, SKR_VM_SUBNET_PREFIX);
    struct skr_address gateway = skr_object_address(vm_subnet, SKR_VM_SUBNET_GATEWAY);
    if (!skr_prefix_contains(&prefix, address))
        return "is outside of the VM subnet";
    if (skr_prefix_is_edge(&prefix, address))
        return "is the network or broadcast address of the VM subnet";
    if (skr_object_has(vm_subnet, SKR_VM_SUBNET_GATEWAY) && !skr_address_compare(&gateway, address))
        return "is the gateway of the VM subnet";
    return NULL;
}

const struct skr_rules skr_vm_subnet_rules = {.prepare = prepare, .removing = removing, .compute = compute};
