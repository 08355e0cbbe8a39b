/* Large removals: a request that would take more than a fifth of a host's ports, and more than ten, from it must say
 * that it means it. Whatever takes a port away notes it here: writes of adapters, however they came about (a batch, a
 * host that is removed), the start of a job that will move them, and changes after which a port stays where it is and
 * no longer works (the host's key is revoked, its provider address goes). The whole request is judged once, at its
 * end. What jobs and agents write is not judged: a job was confirmed when it was started. */
#include "controller/model/rules.h"

#define PORTS_FEW 10
#define SHARE     5 /* one part in five */

static const struct skr_query count_ports = {"SELECT count(*) FROM network_adapter WHERE host_id = ?1"};
static const struct skr_query port_on_host = {"SELECT id FROM network_adapter WHERE id = ?1 AND host_id = ?2"};
static const struct skr_query ports_of_host = {
        "SELECT a.id FROM network_adapter a JOIN vm_network n ON n.id = a.vm_network_id WHERE a.host_id = ?1 "
        "AND (?2 IS NULL OR (n.logical_network_id = ?2 AND n.isolation = 'network_virtualization'))"};

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
        skr_txn_tally(write->txn, &before, write->before, 1);
    if (!skr_uuid_is_nil(&after))
        skr_txn_tally(write->txn, &after, write->after, -1);
}

void skr_removal_note_port(struct skr_txn *txn, const struct skr_uuid *host_id, struct skr_object *adapter)
{
    skr_txn_tally(txn, host_id, adapter, 1);
}

int skr_removal_note_ports(struct skr_txn *txn, const struct skr_uuid *host_id, const struct skr_uuid *network_id,
                           struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &ports_of_host, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, host_id);
    if (network_id)
        skr_bind_uuid(statement, 2, network_id);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid id = skr_column_uuid(statement, 0);
        skr_ids_add(&ids, &id);
    }
    skr_statement_reset(statement);
    for (size_t i = 0; r == 0 && i < ids.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
        r = skr_fetch(txn, SKR_NETWORK_ADAPTER, &ids.items[i], &adapter, error);
        if (r == 0)
            skr_removal_note_port(txn, host_id, adapter);
    }
    return r;
}

/* ---- the judgement ---- */

/* The ports that the request takes from one host and brings to it. */
struct loss {
    struct skr_uuid host_id;
    int64_t lost, left; /* of the lost, those that are not on the host any more */
    int64_t arrived;
    bool large;
};
struct judgement {
    struct skr_txn *txn;
    const struct skr_principal *principal;
    struct skr_error *error;
    struct loss *losses;
    size_t count;
    json_t *ports; /* of large losses, those that the principal sees */
    int64_t port_count;
};

static struct loss *loss_of(struct judgement *judgement, const struct skr_uuid *host_id)
{
    for (size_t i = judgement->count; i-- > 0;) /* ports of one host come together */
        if (skr_uuid_equal(&judgement->losses[i].host_id, host_id))
            return &judgement->losses[i];
    judgement->losses = reallocarray(judgement->losses, judgement->count + 1, sizeof(*judgement->losses));
    if (!judgement->losses)
        abort();
    judgement->losses[judgement->count] = (struct loss){.host_id = *host_id};
    return &judgement->losses[judgement->count++];
}

static int add_up(void *arg, const struct skr_uuid *host_id, const struct skr_object *adapter, int64_t sum)
{
    struct judgement *judgement = arg;
    struct skr_uuid id = skr_object_id(adapter);
    struct loss *loss = sum ? loss_of(judgement, host_id) : NULL;
    if (sum < 0)
        loss->arrived++;
    if (sum <= 0)
        return 0;
    int r = skr_find(judgement->txn, &port_on_host, &id, host_id, NULL, judgement->error);
    if (r < 0)
        return r;
    loss->lost++;
    loss->left += r == 0;
    return 0;
}

static int judge(struct judgement *judgement, struct loss *loss)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    int64_t now;
    if (loss->lost <= PORTS_FEW)
        return 0;
    int r = skr_integer_query(judgement->txn, &count_ports, &loss->host_id, &now, judgement->error);
    int64_t before = now + loss->left - loss->arrived;
    if (r < 0 || loss->lost * SHARE <= before)
        return r;
    loss->large = true;
    if (judgement->error->tag == SKR_ERROR_NONE)
        skr_error_set(
                judgement->error, SKR_ERROR_NEEDS_CONFIRMATION,
                "This change takes many ports from a host at once; repeat it with confirm=true if that is meant.");
    if (!skr_uuid_is_nil(&judgement->principal->tenant_id)) { /* how full a host is is not for tenants */
        skr_error_field(judgement->error, "", "A host would lose %lld ports.", (long long)loss->lost);
        return 0;
    }
    r = skr_txn_get(judgement->txn, SKR_HOST, &loss->host_id, NULL, &host, NULL);
    skr_error_field(judgement->error, "", "Host \"%.100s\" would lose %lld of its %lld ports.",
                    r == 0 ? skr_object_name(host) : "(deleted)", (long long)loss->lost, (long long)before);
    return 0;
}

static int list_port(void *arg, const struct skr_uuid *host_id, const struct skr_object *adapter, int64_t sum)
{
    struct judgement *judgement = arg;
    struct skr_error ignored = {0};
    struct skr_uuid id = skr_object_id(adapter);
    char text[SKR_UUID_TEXT_MAX];
    if (sum <= 0 || !loss_of(judgement, host_id)->large)
        return 0;
    judgement->port_count++;
    if (json_array_size(judgement->ports) >= SKR_REMOVAL_PORTS_MAX ||
        skr_principal_sees(judgement->txn, judgement->principal, adapter, &ignored) <= 0)
        return 0;
    json_t *port = json_pack("{s:s, s:s}", "id", skr_uuid_format(&id, text), "name", skr_object_name(adapter));
    if (skr_uuid_is_nil(&judgement->principal->tenant_id))
        json_object_set_new(port, "host_id", json_string(skr_uuid_format(host_id, text)));
    json_array_append_new(judgement->ports, port);
    return 0;
}

int skr_model_confirm(struct skr_txn *txn, const struct skr_principal *principal, json_t **ret_removal,
                      struct skr_error *error)
{
    struct skr_error own = {0};
    struct judgement judgement = {.txn = txn, .principal = principal, .error = &own};
    int r = skr_txn_each_tally(txn, add_up, &judgement);
    for (size_t i = 0; r == 0 && i < judgement.count; i++)
        r = judge(&judgement, &judgement.losses[i]);
    if (r == 0 && own.tag == SKR_ERROR_NEEDS_CONFIRMATION) {
        judgement.ports = json_array();
        skr_txn_each_tally(txn, list_port, &judgement);
        *ret_removal =
                json_pack("{s:o, s:I}", "ports", judgement.ports, "port_count", (json_int_t)judgement.port_count);
        r = -EPROTO;
    }
    if (r < 0 && error)
        *error = own;
    free(judgement.losses);
    return r;
}
