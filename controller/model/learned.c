/* Learned addresses become dynamic records. The port that had an address first keeps it, until it withdraws it or
 * another port shows that it moved (an announcement); what an administrator wrote is never overruled. When another port
 * merely uses it, the holder's agent asks its guest, and withdraws the address if the guest is silent.
 *
 * Announcements are ordered by when they were made, not by when they were heard: one that is older than what the holder
 * has shown since is history, and is passed over without a word. A whole report of an agent that does not number what
 * it tells says only what its ports have; its announcements have been judged before. */
#include "controller/model/home.h"
#include "controller/model/report.h"

static const struct skr_query count_dynamic = {
        "SELECT count(*) FROM lookup_record WHERE network_adapter_id = ?1 AND type = 'dynamic'"};
#define AGE_MAX_MS (365LL * 24 * 3600 * 1000)

struct learned {
    const Skerry__V1__LearnedAddress *item;
    struct skr_object *adapter; /* on the reporting host */
    struct skr_address address;
    struct skr_mac mac;
    int64_t shown_ms; /* wall clock */
};

static int refuse_item(struct skr_report *report, const Skerry__V1__LearnedAddress *item, const char *reason)
{
    return skr_report_refuse(report, &item->adapter_id, &item->customer_address, item->number, reason);
}

static int tell_refusal(struct skr_report *report, const struct learned *learned, const char *reason,
                        struct skr_error *error)
{
    char text[SKR_ADDRESS_TEXT_MAX];
    return skr_event_add(report->txn, "LearnedAddressRefused", learned->adapter, &report->host_id, error,
                         "Address %s of network adapter \"%.100s\" was not taken: %s.",
                         skr_address_format(&learned->address, text), skr_object_name(learned->adapter), reason);
}

static int refuse(struct skr_report *report, const struct learned *learned, const char *reason, struct skr_error *error)
{
    int r = tell_refusal(report, learned, reason, error);
    return r < 0 ? r : refuse_item(report, learned->item, reason);
}

static bool is_dynamic(const struct skr_object *record)
{
    return strcmp(skr_object_text(record, SKR_LOOKUP_RECORD_TYPE), "dynamic") == 0;
}

/* The record of the address in the adapter's VM network, and whether it is the adapter's own; -ENOENT. */
static int find_record(const struct skr_report *report, const struct learned *learned, struct skr_object **ret,
                       bool *ret_own, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(learned->adapter);
    struct skr_uuid network_id = skr_object_uuid(learned->adapter, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    int r = skr_lookup_record_find(report->txn, &network_id, &learned->address, ret, error);
    if (r < 0)
        return r;
    struct skr_uuid owner = skr_object_uuid(*ret, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID);
    *ret_own = skr_uuid_equal(&owner, &id);
    return 0;
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
        r = refuse_item(report, learned->item, "link_local");
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

/* An address that was learned may have been left without a word, as when a lease is lent again. */
static void ask_holder(struct skr_report *report, const struct learned *learned, const struct skr_object *record)
{
    struct skr_report_write *write = report->write;
    if (write->question_count < SKR_REPORT_PIECE_MAX)
        write->questions[write->question_count++] =
                (struct skr_question){.host_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_HOST_ID),
                                      .adapter_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID),
                                      .address = learned->address};
}

static int conflict(struct skr_report *report, const struct learned *learned, const struct skr_object *record,
                    struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *owner = NULL;
    struct skr_uuid owner_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID);
    char text[SKR_ADDRESS_TEXT_MAX];
    if (is_dynamic(record))
        ask_holder(report, learned, record);
    int r = skr_fetch(report->txn, SKR_NETWORK_ADAPTER, &owner_id, &owner, error);
    if (r == 0)
        r = skr_event_add(report->txn, "AddressConflict", learned->adapter, &report->host_id, error,
                          "Network adapters \"%.100s\" and \"%.100s\" both use %s; \"%.100s\" keeps it (%s).",
                          skr_object_name(owner), skr_object_name(learned->adapter),
                          skr_address_format(&learned->address, text), skr_object_name(owner),
                          skr_object_text(record, SKR_LOOKUP_RECORD_TYPE));
    return r < 0 ? r : refuse_item(report, learned->item, "held_by_another_adapter");
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

/* The pool must not hand out what is in use. 0: taken, or none of a pool's, or a virtual IP of the tenant, whose
 * allocation is what permits it; 1: refused. */
static int reserve(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids pools = {0};
    struct skr_uuid id = skr_object_id(learned->adapter);
    struct skr_error why = {0};
    int r = skr_home_pools_of(report->txn, learned->adapter, &pools, error);
    if (r < 0)
        return r;
    struct skr_uuid tenant_id = skr_object_uuid(learned->adapter, SKR_FIELD_TENANT_ID);
    struct skr_uuid network_id = skr_object_uuid(learned->adapter, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    r = skr_ip_is_virtual(report->txn, &pools, &learned->address, &tenant_id, error);
    if (r)
        return r < 0 ? r : 0;
    r = skr_customer_address_rests(report->txn, &network_id, &learned->address, "", &why);
    if (r == 0)
        r = skr_ip_take(report->txn, &pools, &learned->address, &id, "", &why);
    if (r == 0)
        return 0;
    if (why.tag != SKR_ERROR_EXISTS && why.tag != SKR_ERROR_CONFLICT && why.tag != SKR_ERROR_RESTING) {
        if (error)
            *error = why;
        return r;
    }
    if (why.tag == SKR_ERROR_RESTING) { /* agents know that word: a second later they ask again */
        r = tell_refusal(report, learned, "it was freed, and the host that served it has not let go of it yet", error);
        r = r < 0 ? r : refuse_item(report, learned->item, "resting");
    } else {
        r = refuse(report, learned, "it is allocated in the IP pool to something else", error);
    }
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

/* When the holder has last shown the address, as far as that is known. */
static int64_t held_since_ms(const struct skr_report *report, const struct skr_object *record)
{
    struct skr_uuid id = skr_object_id(record);
    int64_t shown_ms = skr_evidence_get(report->evidence, &id);
    return shown_ms ? shown_ms : skr_object_integer(record, SKR_FIELD_UPDATED_AT);
}

static bool is_history(const struct skr_report *report, const struct learned *learned, const struct skr_object *record)
{
    if (learned->item->number == 0)
        return report->names != NULL;
    return learned->shown_ms <= held_since_ms(report, record);
}

static int learn(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
    bool own;
    int r = judge(report, learned, error);
    if (r)
        return r < 0 ? r : 0;
    r = find_record(report, learned, &record, &own, error);
    if (r == -ENOENT)
        return insert(report, learned, error);
    if (r < 0)
        return r;
    if (own)
        return is_dynamic(record)
                       ? skr_lookup_record_move(report->txn, record, learned->adapter, &learned->mac, NULL, error)
                       : 0;
    if (is_dynamic(record) && learned->item->evidence == SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_ANNOUNCEMENT)
        return is_history(report, learned, record) ? 0 : move(report, learned, record, error);
    return conflict(report, learned, record, error);
}

static int withdraw(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
    bool own;
    int r = find_record(report, learned, &record, &own, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return !own || !is_dynamic(record) ? 0 : skr_lookup_record_withdraw(report->txn, record, false, error);
}

/* After it was taken: remembers the record as named, and when the port showed it if it is the port's now. */
static int note_record(struct skr_report *report, const struct learned *learned, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
    bool own;
    int r = find_record(report, learned, &record, &own, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct skr_uuid id = skr_object_id(record);
    SKR_REPORT_NAME(report, learned, &id);
    if (report->evidence && own && learned->shown_ms > skr_evidence_get(report->evidence, &id))
        skr_evidence_set(report->evidence, &id, learned->shown_ms);
    return 0;
}

int skr_report_take_learned(struct skr_report *report, size_t index, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    const Skerry__V1__LearnedAddress *item = report->body->learned[index];
    struct learned learned = {.item = item};
    if (!skr_report_address(&item->customer_address, &learned.address) ||
        (item->mac.len != sizeof(learned.mac.bytes) && !item->withdrawn))
        return refuse_item(report, item, "malformed");
    int r = skr_report_own_adapter(report, &item->adapter_id, &adapter, error);
    if (r == 0)
        return refuse_item(report, item, "not_on_this_host");
    if (r < 0)
        return r;
    learned.adapter = adapter;
    if (item->withdrawn)
        return withdraw(report, &learned, error);
    memcpy(learned.mac.bytes, item->mac.data, sizeof(learned.mac.bytes));
    learned.shown_ms = report->received_ms - (int64_t)(item->age_ms < AGE_MAX_MS ? item->age_ms : AGE_MAX_MS);
    r = learn(report, &learned, error);
    return r < 0 ? r : note_record(report, &learned, error);
}

int skr_report_lose_learned(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
    int r = skr_txn_get(report->txn, SKR_LOOKUP_RECORD, id, NULL, &record, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct skr_uuid host_id = skr_object_uuid(record, SKR_LOOKUP_RECORD_HOST_ID);
    bool came_since = skr_object_integer(record, SKR_FIELD_UPDATED_AT) > report->names->began_ms;
    if (came_since || !skr_uuid_equal(&host_id, &report->host_id) || !is_dynamic(record))
        return 0;
    return skr_lookup_record_withdraw(report->txn, record, false, error);
}
