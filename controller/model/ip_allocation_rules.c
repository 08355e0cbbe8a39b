/* Allocations made by hand: for machines outside of the model and for virtual IPs. Those of adapters and hosts come and
 * go with them, and no request makes or deletes one. An allocation is named by its address. */
#include "controller/model/rules.h"

static bool is_by_hand(const struct skr_object *allocation)
{
    const char *kind = skr_object_text(allocation, SKR_IP_ALLOCATION_PURPOSE);
    return kind && (!strcmp(kind, SKR_IP_MANUAL) || !strcmp(kind, SKR_IP_VIP));
}

/* The address may be given by name: 1 and *ret, or 0 when none is. */
static int wished_address(const struct skr_object *allocation, struct skr_address *ret, struct skr_error *error)
{
    const char *name = skr_object_name(allocation);
    bool given = skr_object_has(allocation, SKR_IP_ALLOCATION_ADDRESS);
    struct skr_address address = skr_object_address(allocation, SKR_IP_ALLOCATION_ADDRESS), named;
    char text[SKR_ADDRESS_TEXT_MAX];
    if (*name && skr_address_parse(name, &named) < 0)
        return skr_refuse(error, SKR_ERROR_INVALID, "/name",
                          "An allocation is named by its address; leave the name out, and say in the description what "
                          "it is for.");
    if (*name && given && skr_address_compare(&named, &address))
        return skr_refuse(error, SKR_ERROR_INVALID, "/name",
                          "The allocation of %s is named by its address; leave the name out.",
                          skr_address_format(&address, text));
    if (!*name && !given)
        return 0;
    *ret = given ? address : named;
    return 1;
}

/* A lookup record can hold an address that no pool knows of (an adapter's own); such an address is taken too. */
static int check_unused(struct skr_txn *txn, const struct skr_object *pool, const struct skr_address *address,
                        struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL, *vm_subnet = NULL;
    struct skr_uuid subnet_id = skr_object_uuid(pool, SKR_IP_POOL_VM_SUBNET_ID);
    if (skr_uuid_is_nil(&subnet_id))
        return 0;
    int r = skr_fetch(txn, SKR_VM_SUBNET, &subnet_id, &vm_subnet, error);
    if (r < 0)
        return r;
    struct skr_uuid network_id = skr_object_uuid(vm_subnet, SKR_VM_SUBNET_VM_NETWORK_ID);
    r = skr_lookup_record_find(txn, &network_id, address, &record, error);
    if (r == 0)
        return skr_refuse(error, SKR_ERROR_EXISTS, "/address", "A network adapter has this address; choose another.");
    return r == -ENOENT ? 0 : r;
}

static int fetch_pool(struct skr_write *write, const struct skr_object *allocation, struct skr_object **ret,
                      struct skr_error *error)
{
    struct skr_uuid id = skr_object_uuid(allocation, SKR_IP_ALLOCATION_IP_POOL_ID);
    return skr_fetch(write->txn, SKR_IP_POOL, &id, ret, error);
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL;
    struct skr_object *row = write->after;
    struct skr_address address;
    char text[SKR_ADDRESS_TEXT_MAX];
    if (!is_by_hand(row))
        return skr_refuse(
                error, SKR_ERROR_INVALID, "/purpose",
                "Allocate \"manual\" or \"vip\"; the addresses of adapters and hosts are allocated with them.");
    int wished = wished_address(row, &address, error);
    int r = wished < 0 ? wished : fetch_pool(write, row, &pool, error);
    if (r == 0 && wished)
        r = check_unused(write->txn, pool, &address, error);
    if (r == 0)
        r = skr_ip_claim(write->txn, pool, wished ? &address : NULL, skr_object_text(row, SKR_IP_ALLOCATION_PURPOSE),
                         "/address", &address, error);
    if (r < 0)
        return r;
    skr_object_set_address(row, SKR_IP_ALLOCATION_ADDRESS, &address);
    skr_object_set_text(row, SKR_FIELD_NAME, skr_address_format(&address, text));
    skr_value_clear(&row->values[SKR_FIELD_TENANT_ID]);
    skr_value_copy(&row->values[SKR_FIELD_TENANT_ID], &pool->values[SKR_FIELD_TENANT_ID]);
    return 0;
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL;
    int r = fetch_pool(write, write->after, &pool, error);
    return r < 0 ? r : skr_ip_count_claim(write->txn, pool, write->after, error);
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    const char *kind = skr_object_text(write->before, SKR_IP_ALLOCATION_PURPOSE);
    if (skr_object_has(write->before, SKR_IP_ALLOCATION_RETIRED_AT_REVISION))
        return skr_refuse(error, SKR_ERROR_IN_USE, "/address",
                          "%s was freed and rests until every host has let go of it; nothing is to be done.",
                          skr_object_name(write->before));
    if (is_by_hand(write->before))
        return 0;
    return skr_refuse(error, SKR_ERROR_IN_USE, "/address",
                      "%s belongs to its %s and is released with it; change or delete that.",
                      skr_object_name(write->before), strcmp(kind, SKR_IP_ADAPTER) ? "host" : "network adapter");
}

/* A host that waits for a provider address may get the address that this allocation gave back. */
static int removed(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL;
    int r = skr_ip_give_back(write->txn, write->before, error);
    if (r == 0)
        r = fetch_pool(write, write->before, &pool, error);
    if (r < 0 || !skr_object_has(pool, SKR_IP_POOL_NETWORK_SITE_ID))
        return r;
    struct skr_uuid site_id = skr_object_uuid(pool, SKR_IP_POOL_NETWORK_SITE_ID);
    return skr_provider_address_retry(write->txn, &site_id, error);
}

const struct skr_rules skr_ip_allocation_rules = {
        .prepare = prepare, .stored = stored, .removing = removing, .removed = removed};
