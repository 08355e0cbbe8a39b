/* Claims: an interface with the alias of an adapter has appeared on a host. The first host that has it gets the
 * adapter. The claim of a second one waits, which the administrator hears of, and wins when the first lets go: that is
 * how a VM moves which nobody announced, because QEMU brings up the target's interface before it takes away the
 * source's. */
#include "controller/model/report.h"
#include <skerry/text.h>

static const struct skr_query
        wait_for_it = {"INSERT INTO waiting_claim (adapter_id, host_id, interface, since) SELECT ?1, ?2, ?3, ?4 WHERE "
                       "NOT EXISTS (SELECT 1 FROM waiting_claim WHERE host_id = ?2 LIMIT 1 OFFSET ?5) "
                       "ON CONFLICT (adapter_id, host_id) DO UPDATE SET interface = excluded.interface"},
        wait_no_more = {"DELETE FROM waiting_claim WHERE adapter_id = ?1 AND host_id = ?2"},
        drop_host = {"DELETE FROM waiting_claim WHERE host_id = ?1"},
        first_waiting = {"SELECT host_id, interface, min(since) FROM waiting_claim WHERE adapter_id = ?1"};

static int remember(struct skr_report *report, const struct skr_uuid *adapter_id, const char *interface,
                    struct skr_error *error)
{
    struct skr_statement *statement;
    char text[SKR_TEXT_MAX];
    int r = skr_txn_query(report->txn, &wait_for_it, &statement, error);
    if (r < 0)
        return r;
    snprintf(text, sizeof(text), "%.15s", interface ? interface : "");
    skr_utf8_mend(text);
    skr_bind_uuid(statement, 1, adapter_id);
    skr_bind_uuid(statement, 2, &report->host_id);
    skr_bind_text(statement, 3, text);
    skr_bind_integer(statement, 4, report->received_ms);
    skr_bind_integer(statement, 5, SKR_WAITING_CLAIMS_MAX - 1);
    return skr_statement_run(statement, error);
}

static int forget(struct skr_txn *txn, const struct skr_uuid *adapter_id, const struct skr_uuid *host_id,
                  struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &wait_no_more, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, adapter_id);
    skr_bind_uuid(statement, 2, host_id);
    return skr_statement_run(statement, error);
}

int skr_claim_forget_host(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &drop_host, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, host_id);
    return skr_statement_run(statement, error);
}

static int refuse_second(struct skr_report *report, const Skerry__V1__Claim *claim, const struct skr_object *adapter,
                         const struct skr_object *claimant, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *holder = NULL;
    struct skr_uuid holder_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    bool follows = skr_object_integer(adapter, SKR_NETWORK_ADAPTER_CLAIMED);
    int r = skr_fetch(report->txn, SKR_HOST, &holder_id, &holder, error);
    if (r == 0)
        r = skr_event_add_detail(
                report->txn, "ClaimConflict", adapter, &report->host_id,
                follows ? "A second host claims this network adapter; it stays on its host until its interface there "
                          "is gone."
                        : "A second host claims this network adapter; it stays on its host, because an administrator "
                          "placed it there. If its VM runs elsewhere now, ask an administrator to move it.",
                error,
                "Host \"%.100s\" claims network adapter \"%.100s\" (interface %.15s), which is on host \"%.100s\"%s",
                skr_object_name(claimant), skr_object_name(adapter), claim->interface ? claim->interface : "",
                skr_object_name(holder),
                follows ? " until its interface there is gone."
                        : ", where an administrator placed it. If its VM runs on the first host now, set host_id of "
                          "the "
                          "adapter to that host.");
    if (r == 0) {
        struct skr_uuid id = skr_object_id(adapter);
        r = remember(report, &id, claim->interface, error);
    }
    return r < 0 ? r : skr_report_refuse(report, &claim->adapter_id, NULL, claim->number, "claimed_elsewhere");
}

/* The id of an adapter is no secret: hosts of its VM network know it, and those that it was on. So an
 * administrator says which hosts are believed. */
static int tell_untrusted(struct skr_txn *txn, const char *interface, const struct skr_object *adapter,
                          const struct skr_object *host, const struct skr_object *group, struct skr_error *error)
{
    struct skr_uuid host_id = skr_object_id(host);
    return skr_event_add_detail(
            txn, "ClaimRefused", adapter, &host_id,
            "A host that claims this network adapter may not have it; ask an administrator why.", error,
            "Host \"%.100s\" claims network adapter \"%.100s\" (interface %.15s), but hosts of host group \"%.100s\" "
            "may "
            "not claim: set claims on the group if all its hosts are trusted, or host_id on the adapter.",
            skr_object_name(host), skr_object_name(adapter), interface ? interface : "", skr_object_name(group));
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

/* 1: the host has the adapter now; 0: it may not, *why says so and an event too. */
static int place(struct skr_txn *txn, const char *interface, struct skr_object *adapter, const struct skr_object *host,
                 struct skr_error *why, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = NULL;
    struct placing placing = {.adapter = adapter, .host_id = skr_object_id(host)};
    struct skr_uuid group_id = skr_object_uuid(host, SKR_HOST_HOST_GROUP_ID);
    int r = skr_fetch(txn, SKR_HOST_GROUP, &group_id, &group, error);
    if (r < 0)
        return r;
    if (!skr_object_integer(group, SKR_HOST_GROUP_CLAIMS)) {
        snprintf(why->detail, sizeof(why->detail), "claims_not_allowed");
        return tell_untrusted(txn, interface, adapter, host, group, error);
    }
    r = skr_txn_try(txn, write_place, &placing, why, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    return skr_event_add_detail(txn, "ClaimRefused", adapter, &placing.host_id,
                                "A host that claims this network adapter may not have it; ask an administrator why.",
                                error, "%.500s", why->detail);
}

/* 1 and *ret_host, interface: the one that has waited longest, which waits no more. */
static int take_first(struct skr_txn *txn, const struct skr_uuid *adapter_id, struct skr_uuid *ret_host,
                      char interface[static 16], struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &first_waiting, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, adapter_id);
    r = skr_step(statement, error);
    bool found = r > 0 && !skr_column_is_null(statement, 0);
    if (found) {
        *ret_host = skr_column_uuid(statement, 0);
        snprintf(interface, 16, "%.15s", skr_column_text(statement, 1));
    }
    skr_statement_reset(statement);
    if (r >= 0 && found)
        r = forget(txn, adapter_id, ret_host, error);
    return r < 0 ? r : found;
}

/* 1: that host has it now. */
static int hand_over(struct skr_txn *txn, const struct skr_uuid *adapter_id, const struct skr_uuid *host_id,
                     const char *interface, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL, *host = NULL;
    struct skr_error why = {0};
    int r = skr_fetch(txn, SKR_NETWORK_ADAPTER, adapter_id, &adapter, error);
    if (r == 0)
        r = skr_fetch(txn, SKR_HOST, host_id, &host, error);
    if (r == 0)
        r = place(txn, interface, adapter, host, &why, error);
    if (r <= 0)
        return r;
    r = skr_event_add_detail(txn, "ClaimTaken", adapter, host_id,
                             "The host that had this network adapter has let go; the one that claimed it has it now.",
                             error, "Network adapter \"%.100s\" is on host \"%.100s\" (interface %.15s) now.",
                             skr_object_name(adapter), skr_object_name(host), interface);
    return r < 0 ? r : 1;
}

int skr_claim_next(struct skr_txn *txn, const struct skr_uuid *adapter_id, struct skr_error *error)
{
    int r = 0, found = 1;
    while (r == 0 && found > 0) {
        struct skr_uuid host_id;
        char interface[16];
        found = take_first(txn, adapter_id, &host_id, interface, error);
        if (found > 0)
            r = hand_over(txn, adapter_id, &host_id, interface, error);
    }
    return found < 0 ? found : r < 0 ? r : 0;
}

/* The reporting host has let go of it. */
static int let_go(struct skr_report *report, struct skr_object *adapter, struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(adapter);
    int r = skr_network_adapter_unplace(report->txn, adapter, error);
    return r < 0 ? r : skr_claim_next(report->txn, &id, error);
}

static int take_new(struct skr_report *report, const Skerry__V1__Claim *claim, struct skr_object *adapter,
                    struct skr_error *error)
{
    struct skr_error why = {0};
    int r = place(report->txn, claim->interface, adapter, report->host, &why, error);
    return r == 0 ? skr_report_refuse(report, &claim->adapter_id, NULL, claim->number, why.detail) : r < 0 ? r : 0;
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
    if (claim->withdrawn && !ours)
        return forget(report->txn, &id, &report->host_id, error);
    if (claim->withdrawn)
        return skr_object_integer(adapter, SKR_NETWORK_ADAPTER_CLAIMED) ? let_go(report, adapter, error) : 0;
    if (!adapter)
        return skr_report_refuse(report, &claim->adapter_id, NULL, claim->number, "no_such_adapter");
    if (ours)
        return 0;
    return skr_uuid_is_nil(&holder) ? take_new(report, claim, adapter, error)
                                    : refuse_second(report, claim, adapter, host, error);
}

int skr_report_lose_claim(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    const ProtobufCBinaryData bytes = {sizeof(id->bytes), (uint8_t *)id->bytes};
    int r = skr_report_own_adapter(report, &bytes, &adapter, error);
    if (r <= 0 || skr_adapter_is_moving(adapter) || !skr_object_integer(adapter, SKR_NETWORK_ADAPTER_CLAIMED))
        return r < 0 ? r : 0;
    return let_go(report, adapter, error);
}

int skr_report_lose_waiting(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error)
{
    return forget(report->txn, id, &report->host_id, error);
}
