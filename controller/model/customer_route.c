#include "controller/model/rules.h"

/* Prefixes of one VM network never overlap: the last one that starts at or below an address is the one that can hold
 * it. */
static const struct skr_query same_destination = {
        "SELECT id, name FROM customer_route WHERE vm_network_id = ?1 AND destination = ?2 AND metric = ?3"};
/* A row when there are as many as there may be. */
static const struct skr_query full = {"SELECT id FROM customer_route WHERE vm_network_id = ?1 ORDER BY id LIMIT 1 "
                                      "OFFSET ?2"};

static int check_count(struct skr_write *write, const struct skr_object *network, struct skr_error *error)
{
    struct skr_uuid network_id = skr_object_id(network);
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, &full, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &network_id);
    skr_bind_integer(statement, 2, SKR_CUSTOMER_ROUTES_MAX - 1);
    r = skr_step(statement, error);
    skr_statement_reset(statement);
    if (r <= 0)
        return r;
    return skr_refuse(error, SKR_ERROR_LIMIT, "/vm_network_id",
                      "VM network \"%.100s\" has %d customer routes, as many as one may have; delete some or use "
                      "shorter prefixes.",
                      skr_object_name(network), SKR_CUSTOMER_ROUTES_MAX);
}

/* Refuses destinations that a router never forwards to. */
static int check_destination(const struct skr_prefix *destination, struct skr_error *error)
{
    static const struct {
        const char *prefix, *what;
    } unusable[] = {{"127.0.0.0/8", "loopback"}, {"169.254.0.0/16", "link-local"}, {"224.0.0.0/4", "multicast"},
                    {"240.0.0.0/4", "reserved"}, {"::1/128", "loopback"},          {"fe80::/10", "link-local"},
                    {"ff00::/8", "multicast"}};
    char text[SKR_PREFIX_TEXT_MAX];
    for (size_t i = 0; i < SKR_ARRAY_SIZE(unusable); i++) {
        struct skr_prefix range;
        if (skr_prefix_parse(unusable[i].prefix, &range) < 0 ||
            skr_prefix_length_128(&range) > skr_prefix_length_128(destination) ||
            !skr_prefix_contains(&range, &destination->address))
            continue;
        return skr_refuse(error, SKR_ERROR_INVALID, "/destination",
                          "%s holds %s addresses, which are never routed; choose another destination.",
                          skr_prefix_format(destination, text), unusable[i].what);
    }
    return 0;
}

/* Longer and shorter prefixes stand side by side, as in any router; the same one twice needs two metrics. */
static int check_same(struct skr_write *write, const struct skr_prefix *destination, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(write->after);
    struct skr_uuid network_id = skr_object_uuid(write->after, SKR_CUSTOMER_ROUTE_VM_NETWORK_ID);
    int64_t metric = skr_object_integer(write->after, SKR_CUSTOMER_ROUTE_METRIC);
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, &same_destination, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &network_id);
    skr_bind_prefix(statement, 2, destination);
    skr_bind_integer(statement, 3, metric);
    r = skr_step(statement, error);
    struct skr_uuid other = r > 0 ? skr_column_uuid(statement, 0) : id;
    if (!skr_uuid_equal(&other, &id)) {
        char text[SKR_PREFIX_TEXT_MAX];
        r = skr_refuse(error, SKR_ERROR_EXISTS, "/destination",
                       "Customer route \"%.100s\" leads to %s with metric %lld already; choose another metric or "
                       "change that one.",
                       skr_column_text(statement, 1), skr_prefix_format(destination, text), (long long)metric);
    }
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

static int no_subnet(const struct skr_address *next_hop, const struct skr_object *network, struct skr_error *error)
{
    char text[SKR_ADDRESS_TEXT_MAX];
    return skr_refuse(error, SKR_ERROR_INVALID, "/next_hop",
                      "%s is in no VM subnet of VM network \"%.100s\"; name the address of a VM in one of them.",
                      skr_address_format(next_hop, text), skr_object_name(network));
}

static int check_next_hop(struct skr_write *write, const struct skr_object *network, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *vm_subnet = NULL;
    struct skr_address next_hop = skr_object_address(write->after, SKR_CUSTOMER_ROUTE_NEXT_HOP);
    struct skr_uuid network_id = skr_object_id(network);
    int r = skr_vm_subnet_before(write->txn, &network_id, &next_hop, &vm_subnet, error);
    if (r <= 0)
        return r < 0 ? r : no_subnet(&next_hop, network, error);
    struct skr_prefix prefix = skr_object_prefix(vm_subnet, SKR_VM_SUBNET_PREFIX);
    if (!skr_prefix_contains(&prefix, &next_hop))
        return no_subnet(&next_hop, network, error);
    const char *why = skr_vm_subnet_refuses(vm_subnet, &next_hop);
    if (why) {
        char text[SKR_ADDRESS_TEXT_MAX], prefix_text[SKR_PREFIX_TEXT_MAX];
        return skr_refuse(error, SKR_ERROR_INVALID, "/next_hop", "%s %s %s; name the address of a VM in it.",
                          skr_address_format(&next_hop, text), why, skr_prefix_format(&prefix, prefix_text));
    }
    struct skr_uuid subnet_id = skr_object_id(vm_subnet);
    skr_object_set_uuid(write->after, SKR_CUSTOMER_ROUTE_VM_SUBNET_ID, &subnet_id);
    return 0;
}

static int check_network(struct skr_write *write, const struct skr_object *network, struct skr_error *error)
{
    if (strcmp(skr_object_text(network, SKR_VM_NETWORK_ISOLATION), "network_virtualization") != 0)
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/vm_network_id",
                          "VM network \"%.100s\" has no built-in router: only those of isolation "
                          "network_virtualization do; set the route on its physical router.",
                          skr_object_name(network));
    int r = skr_tenant_inherit(write->after, network, error);
    return r < 0 ? r : check_count(write, network, error);
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    struct skr_uuid network_id = skr_object_uuid(write->after, SKR_CUSTOMER_ROUTE_VM_NETWORK_ID);
    struct skr_prefix destination = skr_object_prefix(write->after, SKR_CUSTOMER_ROUTE_DESTINATION);
    struct skr_address next_hop = skr_object_address(write->after, SKR_CUSTOMER_ROUTE_NEXT_HOP);
    int r = skr_fetch(write->txn, SKR_VM_NETWORK, &network_id, &network, error);
    if (r == 0 && !write->before)
        r = check_network(write, network, error);
    if (r == 0)
        r = check_destination(&destination, error);
    if (r == 0 && skr_prefix_is_v4(&destination) != skr_address_is_v4(&next_hop))
        r = skr_refuse(error, SKR_ERROR_INVALID, "/next_hop",
                       "The next hop must be of the destination's family: an IPv%d address.",
                       skr_prefix_is_v4(&destination) ? 4 : 6);
    if (r == 0)
        r = check_same(write, &destination, error);
    return r < 0 ? r : check_next_hop(write, network, error);
}

const struct skr_rules skr_customer_route_rules = {.prepare = prepare};
