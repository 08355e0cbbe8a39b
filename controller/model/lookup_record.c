/* A lookup record says where a customer address is. On VLANs it has neither VSID nor provider address, and tells hosts
 * whose the address is. Static records follow the adapter's addresses, an adapter without any has an l2only
 * record for its MAC, dynamic ones come from reports. host_id is always the adapter's. */
#include "controller/model/rules.h"

static const struct skr_query of_adapter = {"SELECT id FROM lookup_record WHERE network_adapter_id = ?1"};
static const struct skr_query vsid_of_subnet = {"SELECT vsid FROM vm_subnet WHERE id = ?1"};
static const struct skr_query of_address = {
        "SELECT id FROM lookup_record WHERE vm_network_id = ?1 AND customer_address = ?2"};

int skr_lookup_record_find(struct skr_txn *txn, const struct skr_uuid *vm_network_id, const struct skr_address *address,
                           struct skr_object **ret, struct skr_error *error)
{
    return skr_fetch_by_address(txn, &of_address, SKR_LOOKUP_RECORD, vm_network_id, address, ret, error);
}

/* Takes over what the record shows of its adapter. */
static void follow(struct skr_object *record, const struct skr_object *adapter)
{
    static const int pairs[][2] = {
            {SKR_FIELD_TENANT_ID, SKR_FIELD_TENANT_ID},
            {SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID, SKR_FIELD_ID},
            {SKR_LOOKUP_RECORD_VM_NETWORK_ID, SKR_NETWORK_ADAPTER_VM_NETWORK_ID},
            {SKR_LOOKUP_RECORD_VM_SUBNET_ID, SKR_NETWORK_ADAPTER_VM_SUBNET_ID},
            {SKR_LOOKUP_RECORD_HOST_ID, SKR_NETWORK_ADAPTER_HOST_ID},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(pairs); i++) {
        skr_value_clear(&record->values[pairs[i][0]]);
        skr_value_copy(&record->values[pairs[i][0]], &adapter->values[pairs[i][1]]);
    }
}

int skr_lookup_record_move(struct skr_txn *txn, struct skr_object *record, const struct skr_object *adapter,
                           const struct skr_mac *mac, const char *type, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(record);
    follow(after, adapter);
    if (mac)
        skr_object_set_mac(after, SKR_LOOKUP_RECORD_MAC, mac);
    if (type)
        skr_object_set_text(after, SKR_LOOKUP_RECORD_TYPE, type);
    return skr_held_update(txn, record, after, error);
}

int skr_lookup_record_insert(struct skr_txn *txn, const struct skr_object *adapter, const struct skr_address *address,
                             const struct skr_mac *mac, const char *type, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = skr_row_new(SKR_LOOKUP_RECORD);
    int64_t vsid = 0; /* none */
    struct skr_uuid subnet_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_VM_SUBNET_ID);
    char text[SKR_ADDRESS_TEXT_MAX];
    int r = skr_object_has(adapter, SKR_NETWORK_ADAPTER_VM_SUBNET_ID)
                    ? skr_integer_query(txn, &vsid_of_subnet, &subnet_id, &vsid, error)
                    : 0;
    if (r < 0)
        return r;
    follow(record, adapter);
    if (address) {
        skr_object_set_text(record, SKR_FIELD_NAME, skr_address_format(address, text));
        skr_object_set_address(record, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS, address);
    } else {
        skr_object_set_text(record, SKR_FIELD_NAME, skr_mac_format(mac, text));
    }
    if (vsid)
        skr_object_set_integer(record, SKR_LOOKUP_RECORD_VSID, vsid);
    skr_object_set_mac(record, SKR_LOOKUP_RECORD_MAC, mac);
    skr_object_set_text(record, SKR_LOOKUP_RECORD_TYPE, type);
    return skr_held_insert(txn, record, error);
}

int skr_lookup_record_withdraw(struct skr_txn *txn, struct skr_object *record, bool served, struct skr_error *error)
{
    struct skr_uuid adapter_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID);
    struct skr_address address = skr_object_address(record, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS);
    int r = skr_held_delete(txn, record, error);
    if (r < 0 || !skr_object_has(record, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS))
        return r;
    return served ? skr_customer_address_free(txn, record, error) : skr_ip_give(txn, &address, &adapter_id, error);
}

int skr_lookup_record_erase(struct skr_txn *txn, const struct skr_object *adapter, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    struct skr_uuid id = skr_object_id(adapter);
    int r = skr_ids_query(txn, &of_adapter, &id, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
        r = skr_fetch(txn, SKR_LOOKUP_RECORD, &ids.items[i], &record, error);
        if (r == 0)
            r = skr_lookup_record_withdraw(txn, record, true, error);
    }
    return r;
}

/* ---- after an adapter was written ---- */

static int index_of(const struct skr_value *addresses, const struct skr_address *address)
{
    for (uint32_t i = 0; i < addresses->count; i++)
        if (!skr_address_compare(&addresses->addresses[i], address))
            return (int)i;
    return -1;
}

/* The host where the adapter was goes on with its address until it has been told. A learned address moves by what hosts
 * see, and waits for none of them. */
static int leave_host(struct skr_txn *txn, const struct skr_object *record, const struct skr_object *adapter,
                      struct skr_error *error)
{
    struct skr_uuid was = skr_object_uuid(record, SKR_LOOKUP_RECORD_HOST_ID);
    struct skr_uuid is = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    bool learned = !strcmp(skr_object_text(record, SKR_LOOKUP_RECORD_TYPE), "dynamic");
    return learned || skr_uuid_equal(&was, &is) ? 0 : skr_customer_address_leave(txn, record, error);
}

/* One record that is there; marks the address it stands for in `seen`. */
static int settle(struct skr_txn *txn, struct skr_object *record, const struct skr_object *adapter, bool *seen,
                  bool *l2only, struct skr_error *error)
{
    const struct skr_value *addresses = &adapter->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES];
    bool learned = !strcmp(skr_object_text(record, SKR_LOOKUP_RECORD_TYPE), "dynamic");
    struct skr_mac mac = skr_object_mac(adapter, SKR_NETWORK_ADAPTER_MAC);
    if (!skr_object_has(record, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS)) {
        *l2only = addresses->count == 0;
        return *l2only ? skr_lookup_record_move(txn, record, adapter, &mac, NULL, error)
                       : skr_held_delete(txn, record, error);
    }
    struct skr_address address = skr_object_address(record, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS);
    int index = index_of(addresses, &address);
    if (index >= 0) {
        seen[index] = true;
        int r = leave_host(txn, record, adapter, error);
        return r < 0 ? r : skr_lookup_record_move(txn, record, adapter, &mac, "static", error);
    }
    return learned ? skr_lookup_record_move(txn, record, adapter, NULL, NULL, error)
                   : skr_lookup_record_withdraw(txn, record, true, error);
}

int skr_lookup_record_adapter(struct skr_txn *txn, const struct skr_object *adapter, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    const struct skr_value *addresses = &adapter->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES];
    struct skr_uuid id = skr_object_id(adapter);
    struct skr_mac mac = skr_object_mac(adapter, SKR_NETWORK_ADAPTER_MAC);
    bool seen[SKR_ADAPTER_ADDRESSES_MAX] = {false}, l2only = false;
    int r = skr_ids_query(txn, &of_adapter, &id, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
        r = skr_fetch(txn, SKR_LOOKUP_RECORD, &ids.items[i], &record, error);
        if (r == 0)
            r = settle(txn, record, adapter, seen, &l2only, error);
    }
    for (uint32_t i = 0; r == 0 && i < addresses->count; i++)
        if (!seen[i])
            r = skr_lookup_record_insert(txn, adapter, &addresses->addresses[i], &mac, "static", error);
    if (r == 0 && addresses->count == 0 && !l2only)
        r = skr_lookup_record_insert(txn, adapter, NULL, &mac, "l2only", error);
    return r;
}

static int compute(struct skr_txn *txn, struct skr_object *record, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL;
    skr_object_set_json(record, SKR_LOOKUP_RECORD_PROVIDER_ADDRESS, json_null());
    if (!skr_object_has(record, SKR_LOOKUP_RECORD_HOST_ID) || !skr_object_has(record, SKR_LOOKUP_RECORD_VSID))
        return 0;
    struct skr_uuid host_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_HOST_ID);
    struct skr_uuid id = skr_object_uuid(record, SKR_LOOKUP_RECORD_VM_NETWORK_ID);
    struct skr_address address;
    int r = skr_fetch(txn, SKR_VM_NETWORK, &id, &network, error);
    if (r < 0)
        return r;
    id = skr_object_uuid(network, SKR_VM_NETWORK_LOGICAL_NETWORK_ID);
    r = skr_provider_address_of(txn, &host_id, &id, &address, error);
    if (r > 0) {
        char text[SKR_ADDRESS_TEXT_MAX];
        skr_object_set_json(record, SKR_LOOKUP_RECORD_PROVIDER_ADDRESS,
                            json_string(skr_address_format(&address, text)));
    }
    return r < 0 ? r : 0;
}

const struct skr_rules skr_lookup_record_rules = {.compute = compute};
