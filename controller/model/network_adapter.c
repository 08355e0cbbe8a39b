#include "controller/model/home.h"
#include "controller/model/reach.h"

static const struct skr_query same_mac = {"SELECT id FROM network_adapter WHERE vm_subnet_id = ?1 AND mac = ?2"};
/* On a VLAN the whole VM network is one broadcast domain. */
static const struct skr_query same_mac_on_vlan = {
        "SELECT id FROM network_adapter WHERE +vm_network_id = ?1 AND mac = ?2"};
static const struct skr_query same_interface = {
        "SELECT id, name FROM network_adapter WHERE host_id = ?1 AND interface = ?2 LIMIT 2"};

/* ---- MAC ---- */

static int check_mac(struct skr_write *write, const struct skr_home *home, struct skr_error *error)
{
    struct skr_mac mac = skr_object_mac(write->after, SKR_NETWORK_ADAPTER_MAC);
    char text[SKR_MAC_TEXT_MAX];
    skr_mac_format(&mac, text);
    if (skr_mac_is_zero(&mac) || skr_mac_is_group(&mac))
        return skr_refuse(error, SKR_ERROR_INVALID, "/mac",
                          "%s is no address of a single adapter; give a unicast MAC or leave it out.", text);
    if (skr_mac_is_gateway(&mac))
        return skr_refuse(error, SKR_ERROR_INVALID, "/mac",
                          "%s is the MAC of every gateway; give another or leave it out.", text);
    struct skr_statement *statement;
    bool virtualized = skr_vm_network_is_virtualized(home->vm_network);
    struct skr_uuid domain = skr_object_id(virtualized ? home->vm_subnet : home->vm_network);
    int r = skr_txn_query(write->txn, virtualized ? &same_mac : &same_mac_on_vlan, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &domain);
    skr_bind_mac(statement, 2, &mac);
    r = skr_step(statement, error);
    skr_statement_reset(statement);
    if (r > 0)
        return skr_refuse(error, SKR_ERROR_EXISTS, "/mac",
                          "Another adapter of this VM %s has the MAC %s; give another or leave it out.",
                          virtualized ? "subnet" : "network", text);
    return r;
}

static int assign_mac(struct skr_write *write, const struct skr_home *home, struct skr_error *error)
{
    if (skr_object_has(write->after, SKR_NETWORK_ADAPTER_MAC))
        return check_mac(write, home, error);
    struct skr_uuid host_id = skr_object_uuid(write->after, SKR_NETWORK_ADAPTER_HOST_ID);
    struct skr_mac mac;
    int r = skr_mac_pool_assign(write->txn, &host_id, &mac, error);
    if (r == 0)
        skr_object_set_mac(write->after, SKR_NETWORK_ADAPTER_MAC, &mac);
    return r;
}

/* ---- addresses ---- */

static bool has_address(const struct skr_object *adapter, const struct skr_address *address)
{
    const struct skr_value *value = &adapter->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES];
    for (uint32_t i = 0; value->type == SKR_VALUE_ADDRESSES && i < value->count; i++)
        if (!skr_address_compare(&value->addresses[i], address))
            return true;
    return false;
}

/* The address must be no other adapter's: a static record stands in the way, a learned one gives way to what is written
 * by hand. */
static int claim_address(struct skr_write *write, const struct skr_ids *pools, const struct skr_address *address,
                         const char *place, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL, *owner = NULL;
    struct skr_uuid id = skr_object_id(write->after);
    struct skr_uuid network_id = skr_object_uuid(write->after, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    char text[SKR_ADDRESS_TEXT_MAX];
    skr_address_format(address, text);
    int r = skr_lookup_record_find(write->txn, &network_id, address, &record, error);
    if (r < 0 && r != -ENOENT)
        return r;
    struct skr_uuid owner_id = record ? skr_object_uuid(record, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID) : id;
    if (!skr_uuid_equal(&owner_id, &id)) {
        r = skr_fetch(write->txn, SKR_NETWORK_ADAPTER, &owner_id, &owner, error);
        if (r < 0)
            return r;
        if (strcmp(skr_object_text(record, SKR_LOOKUP_RECORD_TYPE), "dynamic") != 0)
            return skr_refuse(error, SKR_ERROR_EXISTS, place,
                              "%s belongs to network adapter \"%.100s\" of the same VM subnet; choose another address.",
                              text, skr_object_name(owner));
        r = skr_event_add(write->txn, "LearnedAddressOverruled", owner, NULL, error,
                          "%s, learned from adapter \"%.100s\", was given to adapter \"%.100s\".", text,
                          skr_object_name(owner), skr_object_name(write->after));
        if (r == 0)
            r = skr_lookup_record_withdraw(write->txn, record, false, error);
        if (r < 0)
            return r;
    }
    if (!record || owner) /* its own may rest on the host that it has left */
        r = skr_customer_address_rests(write->txn, &network_id, address, place, error);
    return r < 0 ? r : skr_ip_take(write->txn, pools, address, &id, place, error);
}

static int check_addresses(struct skr_write *write, const struct skr_home *home, struct skr_error *error)
{
    const struct skr_value *value = &write->after->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES];
    char place[SKR_ERROR_POINTER_MAX], text[SKR_ADDRESS_TEXT_MAX], of[128];
    if (value->count > SKR_ADAPTER_ADDRESSES_MAX)
        return skr_refuse(error, SKR_ERROR_LIMIT, "/ip_addresses", "An adapter has at most %d addresses.",
                          SKR_ADAPTER_ADDRESSES_MAX);
    for (uint32_t i = 0; i < value->count; i++) {
        const char *why;
        skr_pointer(place, "ip_addresses", i, NULL);
        skr_address_format(&value->addresses[i], text);
        int r = skr_home_refuses(write->txn, home, &value->addresses[i], &why, of, error);
        if (r < 0)
            return r;
        if (why)
            return skr_refuse(error, SKR_ERROR_INVALID, place, "%s %s %s; choose another address.", text, why, of);
        for (uint32_t other = 0; other < i; other++)
            if (!skr_address_compare(&value->addresses[other], &value->addresses[i]))
                return skr_refuse(error, SKR_ERROR_INVALID, place, "%s is listed twice; keep one.", text);
    }
    return 0;
}

/* The lowest free address of the pools; without a pool the adapter has none. */
static int assign_address(struct skr_write *write, const struct skr_home *home, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids pools = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = NULL;
    struct skr_uuid id = skr_object_id(write->after);
    struct skr_address address;
    char called[SKR_CALLED_MAX];
    int r = skr_home_pools(write->txn, home, false, &pools, error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < pools.count; i++) {
        skr_object_unref(SKR_TAKE(pool));
        r = skr_fetch(write->txn, SKR_IP_POOL, &pools.items[i], &pool, error);
        if (r == 0)
            r = skr_ip_allocate_free(write->txn, pool, SKR_IP_ADAPTER, &id, &address, error);
        if (r < 0)
            return r;
        if (r > 0)
            break;
    }
    skr_object_set_addresses(write->after, SKR_NETWORK_ADAPTER_IP_ADDRESSES, &address, r > 0 ? 1 : 0);
    if (r == 0 && pool)
        return skr_refuse(error, SKR_ERROR_EXHAUSTED, "/ip_addresses",
                          "%s has no free address; widen its range, or give [] for an adapter without.",
                          skr_called(write->txn, pool, "IP pool", "The IP pool of its VLAN", called));
    return 0;
}

/* The adapter gets the addresses that are listed. One that is listed no more is freed with its lookup record. `anew`:
 * the place has changed, and pools that were out of the question may have the addresses now. */
static int exchange_addresses(struct skr_write *write, const struct skr_home *home, bool anew, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids pools = {0};
    const struct skr_value *value = &write->after->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES];
    char place[SKR_ERROR_POINTER_MAX];
    int r = check_addresses(write, home, error);
    if (r == 0)
        r = skr_home_pools(write->txn, home, true, &pools, error);
    for (uint32_t i = 0; r == 0 && i < value->count; i++)
        if (anew || !write->before || !has_address(write->before, &value->addresses[i]))
            r = claim_address(write, &pools, &value->addresses[i], skr_pointer(place, "ip_addresses", i, NULL), error);
    return r;
}

static int settle_addresses(struct skr_write *write, const struct skr_home *home, struct skr_error *error)
{
    struct skr_value *value = &write->after->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES];
    bool virtualized = skr_vm_network_is_virtualized(home->vm_network);
    bool anew = !virtualized && (skr_write_changes(write, SKR_NETWORK_ADAPTER_HOST_ID) ||
                                 skr_write_changes(write, SKR_NETWORK_ADAPTER_VLAN_ID));
    if (value->type != SKR_VALUE_ADDRESSES && write->before) {
        skr_value_clear(value); /* null asks for an assigned one: what is assigned stays */
        skr_value_copy(value, &write->before->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES]);
    }
    if (value->type != SKR_VALUE_ADDRESSES && !virtualized && !home->site)
        return 0; /* assigned when its host is known */
    if (value->type != SKR_VALUE_ADDRESSES)
        return assign_address(write, home, error);
    return anew || skr_write_changes(write, SKR_NETWORK_ADAPTER_IP_ADDRESSES)
                   ? exchange_addresses(write, home, anew, error)
                   : 0;
}

/* ---- placement ---- */

/* A VLAN: the very site; a network that passes through: any of its logical network. */
static int check_reach(struct skr_txn *txn, const struct skr_object *vm_network, const struct skr_object *host,
                       const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_reach_cleanup) struct skr_reach reach = {0};
    const struct skr_reach_uplink *uplink = NULL;
    struct skr_uuid host_id = skr_object_id(host), site_id;
    char called[SKR_CALLED_MAX];
    int r = skr_reach_load(txn, &host_id, &reach, error);
    if (r == 0)
        r = skr_reach_vm_network(txn, &reach, vm_network, &site_id, &uplink, error);
    if (r < 0 || uplink)
        return r;
    return skr_refuse(error, SKR_ERROR_CONFLICT, pointer,
                      "No uplink of %s reaches %s of VM network \"%.100s\"; add the host's group to a "
                      "site's host_group_ids, and the site to what an uplink of the host reaches.",
                      skr_called(txn, host, "host", "its host", called),
                      skr_object_has(vm_network, SKR_VM_NETWORK_NETWORK_SITE_ID) ? "the site" : "a site",
                      skr_object_name(vm_network));
}

int skr_network_adapter_check_host(struct skr_txn *txn, const struct skr_object *vm_network,
                                   const struct skr_uuid *host_id, const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    struct skr_uuid network_id = skr_object_uuid(vm_network, SKR_VM_NETWORK_LOGICAL_NETWORK_ID);
    char called[SKR_CALLED_MAX];
    int r = skr_fetch(txn, SKR_HOST, host_id, &host, error);
    if (r < 0)
        return r;
    if (!skr_host_takes_adapters(host))
        return skr_refuse(error, SKR_ERROR_CONFLICT, pointer,
                          "%s is not in service (%s, %s); choose an active, enrolled host.",
                          skr_called(txn, host, "Host", "Its host", called), skr_object_text(host, SKR_HOST_STATE),
                          skr_object_text(host, SKR_HOST_ENROLMENT));
    if (skr_object_integer(host, SKR_HOST_GATEWAY_ONLY))
        return skr_refuse(error, SKR_ERROR_CONFLICT, pointer, "%s is kept for gateways; choose another host.",
                          skr_called(txn, host, "Host", "Its host", called));
    if (!skr_vm_network_is_virtualized(vm_network))
        return check_reach(txn, vm_network, host, pointer, error);
    r = skr_provider_address_reaches(txn, host_id, &network_id, error);
    if (r == 0)
        return skr_refuse(error, SKR_ERROR_CONFLICT, pointer,
                          "No uplink of %s reaches the logical network of VM network \"%.100s\"; give the "
                          "network a site for the host's group, and the host an uplink.",
                          skr_called(txn, host, "host", "its host", called), skr_object_name(vm_network));
    return r < 0 ? r : 0;
}

static int say_interface_taken(struct skr_txn *txn, const struct skr_uuid *by, const char *interface,
                               const char *pointer, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *other = NULL;
    char called[SKR_CALLED_MAX];
    int r = skr_fetch(txn, SKR_NETWORK_ADAPTER, by, &other, error);
    return r < 0 ? r
                 : skr_refuse(error, SKR_ERROR_EXISTS, pointer,
                              "%s has interface %s of this host; choose another interface.",
                              skr_called(txn, other, "Network adapter", "Another adapter", called), interface);
}

int skr_network_adapter_check_interface(struct skr_txn *txn, const struct skr_object *adapter,
                                        const struct skr_uuid *host_id, const char *pointer, struct skr_error *error)
{
    const char *interface = skr_object_text(adapter, SKR_NETWORK_ADAPTER_INTERFACE);
    struct skr_uuid id = skr_object_id(adapter);
    struct skr_statement *statement;
    if (!interface)
        return 0;
    int r = skr_txn_query(txn, &same_interface, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, host_id);
    skr_bind_text(statement, 2, interface);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid other = skr_column_uuid(statement, 0);
        if (skr_uuid_equal(&other, &id))
            continue;
        skr_statement_reset(statement);
        return say_interface_taken(txn, &other, interface, pointer, error);
    }
    skr_statement_reset(statement);
    return r;
}

static int check_interface(struct skr_write *write, struct skr_error *error)
{
    const char *interface = skr_object_text(write->after, SKR_NETWORK_ADAPTER_INTERFACE);
    if (!interface)
        return 0;
    if (!skr_object_has(write->after, SKR_NETWORK_ADAPTER_HOST_ID))
        return skr_refuse(error, SKR_ERROR_INVALID, "/interface",
                          "An interface is one of a host: give host_id too, or leave the interface out.");
    if (!skr_interface_name_valid(interface))
        return skr_refuse(error, SKR_ERROR_INVALID, "/interface",
                          "\"%.40s\" cannot be an interface: 1 to 15 bytes without space, colon or slash.", interface);
    struct skr_uuid host_id = skr_object_uuid(write->after, SKR_NETWORK_ADAPTER_HOST_ID);
    return skr_network_adapter_check_interface(write->txn, write->after, &host_id, "/interface", error);
}

/* On its new host it is bound to what waited for it there, if it was moving to that host; nowhere else. */
static void change_host(struct skr_write *write, bool placed)
{
    struct skr_uuid host_id = skr_object_uuid(write->after, SKR_NETWORK_ADAPTER_HOST_ID);
    struct skr_uuid target_id = skr_object_uuid(write->before, SKR_NETWORK_ADAPTER_TARGET_HOST_ID);
    bool arrives = placed && skr_uuid_equal(&host_id, &target_id);
    const char *interface = arrives ? skr_object_text(write->before, SKR_NETWORK_ADAPTER_TARGET_INTERFACE) : NULL;
    skr_object_set_integer(write->after, SKR_NETWORK_ADAPTER_BOUND, interface != NULL);
    skr_object_set_text(write->after, SKR_NETWORK_ADAPTER_BOUND_INTERFACE, interface);
    skr_object_set_null(write->after, SKR_NETWORK_ADAPTER_BOUND_REASON);
    skr_adapter_move_forget(write->after);
    if (!write->principal->joining)
        skr_object_set_integer(write->after, SKR_NETWORK_ADAPTER_CLAIMED, 0);
    if (!skr_write_changes(write, SKR_NETWORK_ADAPTER_INTERFACE) && !placed)
        skr_object_set_null(write->after, SKR_NETWORK_ADAPTER_INTERFACE);
}

static int place(struct skr_write *write, const struct skr_object *network, struct skr_error *error)
{
    bool moved = skr_write_changes(write, SKR_NETWORK_ADAPTER_HOST_ID);
    bool placed = skr_object_has(write->after, SKR_NETWORK_ADAPTER_HOST_ID);
    struct skr_uuid host_id = skr_object_uuid(write->after, SKR_NETWORK_ADAPTER_HOST_ID);
    if (moved && write->before)
        change_host(write, placed);
    int r = moved && placed ? skr_network_adapter_check_host(write->txn, network, &host_id, "/host_id", error) : 0;
    if (r < 0 || (!moved && !skr_write_changes(write, SKR_NETWORK_ADAPTER_INTERFACE)))
        return r;
    return check_interface(write, error);
}

/* ---- the rules ---- */

static int check_create(struct skr_write *write, const struct skr_home *home, struct skr_error *error)
{
    if (home->vm_subnet) {
        struct skr_uuid subnet_id = skr_object_id(home->vm_subnet);
        skr_object_set_uuid(write->after, SKR_NETWORK_ADAPTER_VM_SUBNET_ID, &subnet_id);
    }
    int r = skr_tenant_inherit(write->after, home->vm_network, error);
    return r < 0 ? r : assign_mac(write, home, error);
}

static int check_classification(struct skr_write *write, struct skr_error *error)
{
    if (!skr_object_has(write->after, SKR_NETWORK_ADAPTER_CLASSIFICATION_ID) ||
        !skr_write_changes(write, SKR_NETWORK_ADAPTER_CLASSIFICATION_ID))
        return 0;
    struct skr_uuid tenant_id = skr_object_uuid(write->after, SKR_FIELD_TENANT_ID);
    struct skr_uuid id = skr_object_uuid(write->after, SKR_NETWORK_ADAPTER_CLASSIFICATION_ID);
    return skr_tenant_allows(write->txn, &tenant_id, SKR_TENANT_PORT_CLASSIFICATION_IDS, &id, "/classification_id",
                             error);
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    SKR_CLEANUP(skr_home_cleanup) struct skr_home home = {0};
    struct skr_uuid network_id = skr_object_uuid(write->after, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    int r = skr_fetch(write->txn, SKR_VM_NETWORK, &network_id, &network, error);
    if (r == 0)
        r = skr_access_control_lists_check(write, SKR_NETWORK_ADAPTER_ACL_IDS, error);
    if (r == 0)
        r = place(write, network, error);
    if (r == 0)
        r = skr_home_load(write->txn, write->after, &home, error);
    if (r == 0 && !write->before)
        r = check_create(write, &home, error);
    if (r == 0)
        r = check_classification(write, error);
    return r < 0 ? r : settle_addresses(write, &home, error);
}

/* It is another kind of port now, or the port of another host. */
static int leave_kind(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid host_id = skr_object_uuid(write->before, SKR_NETWORK_ADAPTER_HOST_ID);
    return skr_uuid_is_nil(&host_id) ? 0 : skr_profile_prune(write->txn, &host_id, error);
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    int r = skr_lookup_record_adapter(write->txn, write->after, error);
    if (r < 0 || !write->before ||
        (!skr_write_changes(write, SKR_NETWORK_ADAPTER_HOST_ID) &&
         !skr_write_changes(write, SKR_NETWORK_ADAPTER_CLASSIFICATION_ID)))
        return r;
    return leave_kind(write, error);
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    return skr_lookup_record_erase(write->txn, write->before, error);
}

int skr_network_adapter_unplace(struct skr_txn *txn, struct skr_object *adapter, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(adapter);
    skr_object_set_null(after, SKR_NETWORK_ADAPTER_HOST_ID);
    skr_object_set_null(after, SKR_NETWORK_ADAPTER_INTERFACE);
    skr_object_set_integer(after, SKR_NETWORK_ADAPTER_CLAIMED, 0);
    return skr_write_inner(txn, SKR_NETWORK_ADAPTER, adapter, after, error);
}

int skr_network_adapter_learns(struct skr_txn *txn, const struct skr_object *adapter, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *profile = NULL;
    struct skr_uuid host_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    bool placed = skr_object_has(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    int r = skr_profile_in_force(txn, adapter, placed ? &host_id : NULL, &profile, error);
    if (r <= 0)
        return r;
    const struct skr_value *security = &profile->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY];
    return security->type == SKR_VALUE_OBJECTS && security->count &&
           skr_object_integer(security->objects[0], SKR_SECURITY_GUEST_SPECIFIED_IPS);
}

const struct skr_rules skr_network_adapter_rules = {
        .prepare = prepare, .stored = stored, .removing = removing, .removed = leave_kind};
