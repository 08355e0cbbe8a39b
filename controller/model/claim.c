/* Claims: an interface with the alias of an adapter has appeared on a host. The first host that has it gets the
 * adapter; a second one is told, and so is the administrator, until the first lets go. */
#include "controller/model/report.h"

static int refuse_second(struct skr_report *report, const Skerry__V1__Claim *claim, const struct skr_object *adapter,
                         const struct skr_object *claimant, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *holder = NULL;
    struct skr_uuid holder_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    int r = skr_fetch(report->txn, SKR_HOST, &holder_id, &holder, error);
    if (r == 0)
        r = skr_event_add_detail(
                report->txn, "ClaimConflict", adapter, &report->host_id,
                "A second host claims this network adapter; it stays where it is.", error,
                "Host \"%.100s\" claims network adapter \"%.100s\" (interface %.15s), which is on host "
                "\"%.100s\".",
                skr_object_name(claimant), skr_object_name(adapter), claim->interface ? claim->interface : "",
                skr_object_name(holder));
    return r < 0 ? r : skr_report_refuse(report, &claim->adapter_id, NULL, claim->number, "claimed_elsewhere");
}

/* The id of an adapter is no secret: hosts of its VM network know it, and those that it was on. So whoever runs the
 * fabric says which hosts are believed. */
static int refuse_untrusted(struct skr_report *report, const Skerry__V1__Claim *claim, const struct skr_object *adapter,
                            const struct skr_object *host, const struct skr_object *group, struct skr_error *error)
{
    int r = skr_event_add_detail(
            report->txn, "ClaimRefused", adapter, &report->host_id,
            "A host that claims this network adapter may not have it; ask an administrator why.", error,
            "Host \"%.100s\" claims network adapter \"%.100s\" (interface %.15s), but hosts of host group \"%.100s\" "
            "may "
            "not claim: set claims on the group if all its hosts are trusted, or host_id on the adapter.",
            skr_object_name(host), skr_object_name(adapter), claim->interface ? claim->interface : "",
            skr_object_name(group));
    return r < 0 ? r : skr_report_refuse(report, &claim->adapter_id, NULL, claim->number, "claims_not_allowed");
}

/* An adapter that a host claims and nobody has. */
struct placing {
    struct skr_object *adapter;
    struct skr_uuid host_id;
};

/* An skr_write_fn. */
static int write_place(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    const struct placing *placing = argument;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(placing->adapter);
    skr_object_set_uuid(after, SKR_NETWORK_ADAPTER_HOST_ID, &placing->host_id);
    skr_object_set_integer(after, SKR_NETWORK_ADAPTER_CLAIMED, 1);
    return skr_write_inner(txn, SKR_NETWORK_ADAPTER, placing->adapter, after, error);
}

static int place(struct skr_report *report, const Skerry__V1__Claim *claim, struct skr_object *adapter,
                 const struct skr_object *host, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = NULL;
    struct placing placing = {.adapter = adapter, .host_id = report->host_id};
    struct skr_error why = {0};
    struct skr_uuid group_id = skr_object_uuid(host, SKR_HOST_HOST_GROUP_ID);
    int r = skr_fetch(report->txn, SKR_HOST_GROUP, &group_id, &group, error);
    if (r < 0)
        return r;
    if (!skr_object_integer(group, SKR_HOST_GROUP_CLAIMS))
        return refuse_untrusted(report, claim, adapter, host, group, error);
    r = skr_txn_try(report->txn, write_place, &placing, &why, error);
    if (r <= 0)
        return r;
    r = skr_event_add_detail(report->txn, "ClaimRefused", adapter, &report->host_id,
                             "A host that claims this network adapter may not have it; ask an administrator why.",
                             error, "%.500s", why.detail);
    return r < 0 ? r : skr_report_refuse(report, &claim->adapter_id, NULL, claim->number, why.detail);
}

int skr_report_take_claim(struct skr_report *report, size_t index, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    const Skerry__V1__Claim *claim = report->body->claims[index];
    const struct skr_object *host = report->host;
    struct skr_uuid id;
    if (!skr_report_uuid(&claim->adapter_id, &id))
        return 0;
    int r = skr_txn_get(report->txn, SKR_NETWORK_ADAPTER, &id, NULL, &adapter, error);
    if (r < 0 && r != -ENOENT)
        return r;
    struct skr_uuid holder = adapter ? skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID) : (struct skr_uuid){0};
    bool ours = adapter && skr_uuid_equal(&holder, &report->host_id);
    if (!claim->withdrawn)
        SKR_REPORT_NAME(report, claims, &id);
    if (adapter && skr_adapter_is_moving_to(adapter, &report->host_id))
        return skr_report_target_claim(report, adapter, !claim->withdrawn, error);
    if (ours && skr_adapter_is_moving(adapter))
        return 0; /* it stays ours until it has moved */
    if (claim->withdrawn)
        return ours && skr_object_integer(adapter, SKR_NETWORK_ADAPTER_CLAIMED)
                       ? skr_network_adapter_unplace(report->txn, adapter, error)
                       : 0;
    if (!adapter)
        return skr_report_refuse(report, &claim->adapter_id, NULL, claim->number, "no_such_adapter");
    if (ours)
        return 0;
    return skr_uuid_is_nil(&holder) ? place(report, claim, adapter, host, error)
                                    : refuse_second(report, claim, adapter, host, error);
}

int skr_report_lose_claim(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    const ProtobufCBinaryData bytes = {sizeof(id->bytes), (uint8_t *)id->bytes};
    int r = skr_report_own_adapter(report, &bytes, &adapter, error);
    if (r <= 0 || skr_adapter_is_moving(adapter) || !skr_object_integer(adapter, SKR_NETWORK_ADAPTER_CLAIMED))
        return r < 0 ? r : 0;
    return skr_network_adapter_unplace(report->txn, adapter, error);
}
