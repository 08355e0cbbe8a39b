/* Learned addresses become dynamic records. Who had an address first keeps it, until he withdraws it or another port
 * shows that it moved (an announcement); what an administrator wrote is never overruled. */
#include "controller/model/home.h"
#include "controller/model/report.h"

static const struct skr_query count_dynamic = {
        "SELECT count(*) FROM lookup_record WHERE network_adapter_id = ?1 AND type = 'dynamic'"};
static const struct skr_query dynamic_on_host = {
        "SELECT id FROM lookup_record WHERE host_id = ?1 AND type = 'dynamic'"};

struct learned {
    const Skerry__V1__LearnedAddress *item;
    struct skr_object *adapter; /* on the reporting host */
    struct skr_address address;
    struct skr_mac mac;
};

static int refuse(struct skr_report *report, const struct learned *learned, const char *reason, struct skr_error *error)
{
    char text[SKR_ADDRESS_TEXT_MAX];
    int r = skr_event_add(report->txn, "LearnedAddressRefused", learned->adapter, &report->host_id, error,
                          "Address %s of network adapter \"%.100s\" was not taken: %s.",
                          skr_address_format(&learned->address, text), skr_object_name(learned->adapter), reason);
    return r < 0 ? r : skr_report_refuse(report, &learned->item->adapter_id, &learned->item->customer_address, reason);
}

static bool is_link_local(const struct skr_address *address)
{
    return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

/* 0: may be learned; 1: refused; -errno. */
static int judge(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    SKR_CLEANUP(skr_home_cleanup) struct skr_home home = {0};
    char of[128], text[192];
    const char *why = NULL;
    int r = skr_network_adapter_learns(report->txn, learned->adapter, error);
    if (r < 0)
        return r;
    if (is_link_local(&learned->address)) { /* every IPv6 guest has one, and no router carries it */
        r = skr_report_refuse(report, &learned->item->adapter_id, &learned->item->customer_address, "link_local");
        return r < 0 ? r : 1;
    }
    if (!r)
        why = "its profile does not have guest_specified_ips";
    else if (skr_mac_is_zero(&learned->mac) || skr_mac_is_group(&learned->mac) || skr_mac_is_gateway(&learned->mac))
        why = "its MAC is no address of a guest";
    r = why ? 0 : skr_home_load(report->txn, learned->adapter, &home, error);
    if (r == 0 && !why) {
        r = skr_home_refuses(report->txn, &home, &learned->address, &why, of, error);
        if (r == 0 && why)
            snprintf(text, sizeof(text), "it %s %s", why, of);
        why = why ? text : NULL;
    }
    if (r < 0 || !why)
        return r;
    r = refuse(report, learned, why, error);
    return r < 0 ? r : 1;
}

static int conflict(struct skr_report *report, const struct learned *learned, const struct skr_object *record,
                    struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *owner = NULL;
    struct skr_uuid owner_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID);
    const char *type = skr_object_text(record, SKR_LOOKUP_RECORD_TYPE);
    char text[SKR_ADDRESS_TEXT_MAX];
    int r = skr_fetch(report->txn, SKR_NETWORK_ADAPTER, &owner_id, &owner, error);
    if (r == 0)
        r = skr_event_add(report->txn, "AddressConflict", learned->adapter, &report->host_id, error,
                          "Network adapters \"%.100s\" and \"%.100s\" both use %s; \"%.100s\" keeps it (%s).",
                          skr_object_name(owner), skr_object_name(learned->adapter),
                          skr_address_format(&learned->address, text), skr_object_name(owner), type);
    return r < 0 ? r
                 : skr_report_refuse(report, &learned->item->adapter_id, &learned->item->customer_address,
                                     "held_by_another_adapter");
}

/* 0: may have one more; 1: refused. */
static int check_count(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(learned->adapter);
    int64_t count = 0;
    int r = skr_integer_query(report->txn, &count_dynamic, &id, &count, error);
    if (r < 0 || count < SKR_LEARNED_MAX)
        return r;
    r = refuse(report, learned, "it has 64 learned addresses already", error);
    return r < 0 ? r : 1;
}

/* 0: the tenant may have one more; 1: refused. */
static int check_quota(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    struct skr_uuid tenant_id = skr_object_uuid(learned->adapter, SKR_FIELD_TENANT_ID);
    struct skr_error why = {0};
    int r = skr_quota_check(report->txn, &tenant_id, SKR_QUOTA_LEARNED_ADDRESSES, 1, &why);
    if (r == 0 || why.tag != SKR_ERROR_LIMIT) {
        if (r < 0 && error)
            *error = why;
        return r;
    }
    r = refuse(report, learned, "the tenant's quota of learned addresses is used up", error);
    return r < 0 ? r : 1;
}

/* The pool must not hand out what is in use. 0: taken or none of a pool's; 1: refused. */
static int reserve(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids pools = {0};
    struct skr_uuid id = skr_object_id(learned->adapter);
    struct skr_error why = {0};
    int r = skr_home_pools_of(report->txn, learned->adapter, &pools, error);
    if (r < 0)
        return r;
    r = skr_ip_take(report->txn, &pools, &learned->address, &id, "", &why);
    if (r == 0)
        return 0;
    if (why.tag != SKR_ERROR_EXISTS && why.tag != SKR_ERROR_CONFLICT) {
        if (error)
            *error = why;
        return r;
    }
    r = refuse(report, learned, "it is allocated in the IP pool to something else", error);
    return r < 0 ? r : 1;
}

static int insert(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    int r = check_count(report, learned, error);
    if (r == 0)
        r = check_quota(report, learned, error);
    if (r == 0)
        r = reserve(report, learned, error);
    if (r)
        return r < 0 ? r : 0;
    return skr_lookup_record_insert(report->txn, learned->adapter, &learned->address, &learned->mac, "dynamic", error);
}

/* An announcement moves a record that was learned, with what its pool holds for it. */
static int move(struct skr_report *report, const struct learned *learned, struct skr_object *record,
                struct skr_error *error)
{
    struct skr_uuid former = skr_object_uuid(record, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID);
    char text[SKR_ADDRESS_TEXT_MAX];
    int r = check_count(report, learned, error);
    if (r)
        return r < 0 ? r : 0;
    r = skr_ip_give(report->txn, &learned->address, &former, error);
    if (r == 0)
        r = reserve(report, learned, error);
    if (r)
        return r < 0 ? r : 0;
    r = skr_lookup_record_move(report->txn, record, learned->adapter, &learned->mac, NULL, error);
    if (r < 0)
        return r;
    return skr_event_add(report->txn, "AddressMoved", learned->adapter, &report->host_id, error,
                         "Address %s moved to network adapter \"%.100s\", which announced it.",
                         skr_address_format(&learned->address, text), skr_object_name(learned->adapter));
}

static int learn(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
    struct skr_uuid id = skr_object_id(learned->adapter);
    struct skr_uuid network_id = skr_object_uuid(learned->adapter, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    int r = judge(report, learned, error);
    if (r)
        return r < 0 ? r : 0;
    r = skr_lookup_record_find(report->txn, &network_id, &learned->address, &record, error);
    if (r == -ENOENT)
        return insert(report, learned, error);
    if (r < 0)
        return r;
    struct skr_uuid owner = skr_object_uuid(record, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID);
    bool dynamic = !strcmp(skr_object_text(record, SKR_LOOKUP_RECORD_TYPE), "dynamic");
    if (skr_uuid_equal(&owner, &id))
        return dynamic ? skr_lookup_record_move(report->txn, record, learned->adapter, &learned->mac, NULL, error) : 0;
    if (dynamic && learned->item->evidence == SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_ANNOUNCEMENT)
        return move(report, learned, record, error);
    return conflict(report, learned, record, error);
}

static int withdraw(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
    struct skr_uuid id = skr_object_id(learned->adapter);
    struct skr_uuid network_id = skr_object_uuid(learned->adapter, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    int r = skr_lookup_record_find(report->txn, &network_id, &learned->address, &record, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct skr_uuid owner = skr_object_uuid(record, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID);
    if (!skr_uuid_equal(&owner, &id) || strcmp(skr_object_text(record, SKR_LOOKUP_RECORD_TYPE), "dynamic") != 0)
        return 0;
    return skr_lookup_record_withdraw(report->txn, record, error);
}

static int take(struct skr_report *report, const Skerry__V1__LearnedAddress *item, struct skr_ids *named,
                struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL, *record = NULL;
    struct learned learned = {.item = item};
    if (!skr_report_address(&item->customer_address, &learned.address) ||
        (item->mac.len != sizeof(learned.mac.bytes) && !item->withdrawn))
        return skr_report_refuse(report, &item->adapter_id, &item->customer_address, "malformed");
    int r = skr_report_own_adapter(report, &item->adapter_id, &adapter, error);
    if (r == 0)
        return skr_report_refuse(report, &item->adapter_id, &item->customer_address, "not_on_this_host");
    if (r < 0)
        return r;
    learned.adapter = adapter;
    if (item->withdrawn)
        return withdraw(report, &learned, error);
    memcpy(learned.mac.bytes, item->mac.data, sizeof(learned.mac.bytes));
    r = learn(report, &learned, error);
    if (r < 0 || !report->body->whole)
        return r;
    struct skr_uuid network_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    r = skr_lookup_record_find(report->txn, &network_id, &learned.address, &record, error);
    if (r == 0) {
        struct skr_uuid id = skr_object_id(record);
        skr_ids_add(named, &id);
    }
    return r == -ENOENT ? 0 : r;
}

int skr_report_apply_learned(struct skr_report *report, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids named = {0}, present = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < report->body->n_learned; i++)
        r = take(report, report->body->learned[i], &named, error);
    if (r < 0 || !report->body->whole)
        return r;
    skr_ids_sort(&named);
    r = skr_ids_query(report->txn, &dynamic_on_host, &report->host_id, &present, error);
    for (size_t i = 0; r == 0 && i < present.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
        if (skr_ids_search(&named, &present.items[i]))
            continue;
        r = skr_fetch(report->txn, SKR_LOOKUP_RECORD, &present.items[i], &record, error);
        if (r == 0)
            r = skr_lookup_record_withdraw(report->txn, record, error);
    }
    return r;
}
