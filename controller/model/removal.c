/* Large removals: a request that would take more than a fifth of a host's ports, and more than ten, from it must say
 * that it means it. Every write of an adapter sums up here what it does to its hosts, however it came about (a batch, a
 * host that is removed, a network that no longer reaches it), and the whole request is judged once, at its end. What
 * jobs and agents write is not judged: a job was confirmed when it was started. */
#include "controller/model/rules.h"

#define PORTS_FEW 10
#define SHARE     5 /* one part in five */

static const struct skr_query count_ports = {"SELECT count(*) FROM network_adapter WHERE host_id = ?1"};

void skr_removal_note(struct skr_write *write)
{
    static const struct skr_uuid nobody;
    if (write->resource != SKR_NETWORK_ADAPTER)
        return;
    struct skr_uuid before = write->before ? skr_object_uuid(write->before, SKR_NETWORK_ADAPTER_HOST_ID) : nobody;
    struct skr_uuid after = write->after ? skr_object_uuid(write->after, SKR_NETWORK_ADAPTER_HOST_ID) : nobody;
    if (skr_uuid_equal(&before, &after))
        return;
    if (!skr_uuid_is_nil(&before))
        skr_txn_tally(write->txn, &before, 1);
    if (!skr_uuid_is_nil(&after))
        skr_txn_tally(write->txn, &after, -1);
}

struct judgement {
    struct skr_txn *txn;
    const struct skr_principal *principal;
    struct skr_error *error;
    unsigned hosts;
};

static int judge(void *arg, const struct skr_uuid *host_id, int64_t removed)
{
    struct judgement *judgement = arg;
    struct skr_statement *statement = NULL;
    if (removed <= PORTS_FEW)
        return 0;
    int r = skr_txn_query(judgement->txn, &count_ports, &statement, judgement->error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, host_id);
    r = skr_step(statement, judgement->error);
    if (r < 0)
        return r;
    int64_t before = skr_column_integer(statement, 0) + removed;
    skr_statement_reset(statement);
    if (removed * SHARE <= before)
        return 0;
    if (judgement->hosts++ == 0)
        skr_error_set(
                judgement->error, SKR_ERROR_NEEDS_CONFIRMATION,
                "This change takes many ports from a host at once; repeat it with confirm=true if that is meant.");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    bool tells = skr_uuid_is_nil(&judgement->principal->tenant_id);
    if (tells)
        skr_txn_get(judgement->txn, SKR_HOST, host_id, NULL, &host, NULL);
    if (!tells) /* how full a host is is not for tenants */
        skr_error_field(judgement->error, "", "A host would lose %lld ports.", (long long)removed);
    else
        skr_error_field(judgement->error, "", "Host \"%.100s\" would lose %lld of its %lld ports.",
                        host ? skr_object_name(host) : "(deleted)", (long long)removed, (long long)before);
    return 0;
}

int skr_model_confirm(struct skr_txn *txn, const struct skr_principal *principal, struct skr_error *error)
{
    struct judgement judgement = {.txn = txn, .principal = principal, .error = error};
    int r = skr_txn_each_tally(txn, judge, &judgement);
    return r < 0 ? r : judgement.hosts ? -EPROTO : 0;
}
