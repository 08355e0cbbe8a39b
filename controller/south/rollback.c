/* Here the controller judges whether its database is older than what hosts have received. One host can say anything,
 * and what it says alone concerns that host alone: its session is held. Two things concern everybody: a proof that this
 * controller gave to the host, and several hosts that say the same. Hosts with an older agent have no proof, so after a
 * restore they are found by that.
 */
#include "controller/south/peer.h"
#include <errno.h>
#include <skerry/clock.h>
#include <stdio.h>
#include <string.h>

#define NAMED_MAX 2 /* hosts that a sentence names; the others are counted */

struct skr_witness {
    UT_hash_handle hh;
    struct skr_uuid host_id, database_id;
    uint64_t revision;
    char name[64];
};

void skr_witnesses_init(struct skr_witnesses *witnesses)
{
    pthread_mutex_init(&witnesses->lock, NULL);
    witnesses->hosts = NULL;
}

void skr_witnesses_done(struct skr_witnesses *witnesses)
{
    struct skr_witness *witness, *next;
    HASH_ITER (hh, witnesses->hosts, witness, next) {
        HASH_DEL(witnesses->hosts, witness);
        free(witness);
    }
    pthread_mutex_destroy(&witnesses->lock);
}

void skr_witnesses_forget(struct skr_witnesses *witnesses, const struct skr_uuid *host_id)
{
    struct skr_witness *witness;
    pthread_mutex_lock(&witnesses->lock);
    HASH_FIND(hh, witnesses->hosts, host_id, sizeof(*host_id), witness);
    if (witness)
        HASH_DEL(witnesses->hosts, witness);
    pthread_mutex_unlock(&witnesses->lock);
    free(witness);
}

/* Called with the lock held. */
static void remember(struct skr_witnesses *witnesses, const struct skr_witness *told)
{
    struct skr_witness *witness;
    HASH_FIND(hh, witnesses->hosts, &told->host_id, sizeof(told->host_id), witness);
    if (!witness) {
        witness = calloc(1, sizeof(*witness));
        if (!witness)
            abort();
        witness->host_id = told->host_id;
        HASH_ADD(hh, witnesses->hosts, host_id, sizeof(witness->host_id), witness);
    }
    witness->database_id = told->database_id;
    witness->revision = told->revision;
    memcpy(witness->name, told->name, sizeof(witness->name));
}

static void add_name(char *hosts, size_t size, const char *name)
{
    size_t length = strlen(hosts);
    snprintf(hosts + length, size - length, "%s\"%.63s\"", length ? ", " : "host ", name);
}

/* Counts the hosts that say the same as this one, it included; *ret names them. */
static unsigned count_agreeing(struct skr_witnesses *witnesses, const struct skr_witness *told,
                               struct skr_rollback *ret)
{
    unsigned count = 0;
    *ret = (struct skr_rollback){.database_id = told->database_id};
    pthread_mutex_lock(&witnesses->lock);
    remember(witnesses, told);
    for (const struct skr_witness *witness = witnesses->hosts; witness; witness = witness->hh.next) {
        if (!skr_uuid_equal(&witness->database_id, &told->database_id))
            continue;
        if (count++ < NAMED_MAX)
            add_name(ret->hosts, sizeof(ret->hosts), witness->name);
        if (ret->revision < witness->revision)
            ret->revision = witness->revision;
    }
    pthread_mutex_unlock(&witnesses->lock);
    size_t length = strlen(ret->hosts);
    if (count > NAMED_MAX)
        snprintf(ret->hosts + length, sizeof(ret->hosts) - length, " and %u more", count - NAMED_MAX);
    return count;
}

/* More than half of the fleet, within bounds. On failure more than there are: one host is held, nobody else is hurt. */
static unsigned witnesses_needed(struct skr_south *south)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_error error = {0};
    unsigned hosts;
    if (skr_store_read_begin(south->store, &txn, &error) < 0 ||
        skr_model_count_hosts(txn, 2 * SKR_ROLLBACK_WITNESSES_MAX, &hosts, &error) < 0)
        return UINT32_MAX;
    unsigned needed = hosts / 2 + 1;
    if (needed < SKR_ROLLBACK_WITNESSES_MIN)
        return SKR_ROLLBACK_WITNESSES_MIN;
    return needed < SKR_ROLLBACK_WITNESSES_MAX ? needed : SKR_ROLLBACK_WITNESSES_MAX;
}

/* Does the host hold what this database cannot have sent? */
static bool is_ahead(struct skr_south *south, const struct skr_standing *standing, const struct skr_uuid *database_id,
                     uint64_t revision)
{
    struct skr_uuid ours = skr_store_database_id(south->store);
    if (skr_uuid_equal(database_id, &ours))
        return revision > (uint64_t)standing->revision;
    return !skr_uuid_equal(database_id, &standing->accepted_database);
}

static bool is_id(const ProtobufCBinaryData *bytes, struct skr_uuid *ret)
{
    if (bytes->len != sizeof(ret->bytes))
        return false;
    memcpy(ret->bytes, bytes->data, sizeof(ret->bytes));
    return true;
}

static bool is_proved(struct skr_peer *peer, const struct skr_standing *standing,
                      const Skerry__V1__RevisionProof *proof, struct skr_rollback *ret)
{
    struct skr_south *south = peer->worker->south;
    struct skr_uuid database_id;
    if (!proof || !is_id(&proof->database_id, &database_id) ||
        !is_ahead(south, standing, &database_id, proof->revision) ||
        !skr_proof_holds(&south->proof_key, &peer->host_id, &database_id, proof->revision, proof->mac.data,
                         proof->mac.len))
        return false;
    *ret = (struct skr_rollback){.database_id = database_id, .revision = proof->revision, .proved = true};
    add_name(ret->hosts, sizeof(ret->hosts), standing->name);
    return true;
}

/* ---- writing ---- */

/* On its way to the database. */
struct telling {
    struct skr_south *south;
    skr_write_fn *write;
    union {
        struct skr_rollback rollback;
        struct skr_host_problem problem;
    } what;
};

static int write_telling(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct telling *telling = arg;
    return telling->write(txn, &telling->what, error);
}

static void written(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    static struct skr_log_limit limit;
    struct telling *telling = arg;
    struct skr_south *south = telling->south;
    bool rollback = telling->write == skr_model_set_rolled_back;
    (void)revision;
    if (result < 0 && result != -ENOENT && skr_log_allowed(&limit, 10))
        skr_log(rollback ? SKR_LOG_ERROR : SKR_LOG_WARNING,
                rollback ? "the rollback could not be recorded" : "a problem of a host could not be recorded",
                "reason='%s'", error ? error->detail : "");
    free(telling);
    skr_south_written(south);
}

/* Copies it. When the writer has no room it is lost; the next Hello says it again. */
static void tell(const struct telling *told)
{
    struct telling *telling = malloc(sizeof(*telling));
    if (!telling)
        abort();
    *telling = *told;
    if (skr_south_write(told->south, write_telling, written, telling) < 0)
        free(telling);
}

/* Recording it ends every session; a host that comes back stays connected and keeps what it has. */
static void record(struct skr_south *south, const struct skr_rollback *rollback, const struct skr_standing *standing)
{
    skr_log(SKR_LOG_ERROR, "the database is older than what hosts have: nothing is changed until it has been reviewed",
            "hosts='%s' host_revision=%llu revision=%lld proved=%d", rollback->hosts,
            (unsigned long long)rollback->revision, (long long)standing->revision, rollback->proved);
    tell(&(struct telling){.south = south, .write = skr_model_set_rolled_back, .what.rollback = *rollback});
}

void skr_rollback_tell_problem(struct skr_south *south, const struct skr_host_problem *problem)
{
    tell(&(struct telling){.south = south, .write = skr_model_host_problem, .what.problem = *problem});
}

/* ---- judging ---- */

static void hold(struct skr_peer *peer, const struct skr_witness *told, const struct skr_standing *standing,
                 struct skr_host_problem *ret)
{
    struct skr_south *south = peer->worker->south;
    struct skr_uuid ours = skr_store_database_id(south->store);
    struct skr_host_problem problem = {.host_id = peer->host_id, .reason = SKR_EVENT_HOST_IN_DOUBT};
    if (skr_uuid_equal(&told->database_id, &ours))
        snprintf(
                problem.text, sizeof(problem.text),
                "Host \"%.63s\" says, without a proof, that it holds revision %llu; this database is at revision %lld. "
                "Its session is held: it keeps what it has and gets nothing new. If the database was restored or set "
                "back, accept it (POST /v1/controller:accept-database). If not, do not trust the host: revoke it.",
                standing->name, (unsigned long long)told->revision, (long long)standing->revision);
    else
        snprintf(problem.text, sizeof(problem.text),
                 "Host \"%.63s\" says, without a proof, that it holds the state of another database. Its session is "
                 "held: it keeps what it has and gets nothing new. If it came from another controller, stop its agent, "
                 "remove the cache from the agent's state directory and start it again. If not, revoke the host.",
                 standing->name);
    if (skr_log_allowed(&peer->worker->log_limit, 10))
        skr_log(SKR_LOG_WARNING, "a host's session is held", "reason='%s'", problem.text);
    skr_rollback_tell_problem(south, &problem);
    *ret = problem;
}

enum skr_rollback_verdict skr_rollback_judge(struct skr_peer *peer, const Skerry__V1__Hello *hello,
                                             const struct skr_standing *standing, struct skr_host_problem *ret)
{
    struct skr_south *south = peer->worker->south;
    struct skr_witness told = {.host_id = peer->host_id, .revision = hello->revision};
    struct skr_rollback rollback;
    if (is_proved(peer, standing, hello->proof, &rollback)) {
        record(south, &rollback, standing);
        return SKR_ROLLBACK_SHOWN;
    }
    if (hello->database_id.len == 0 || (is_id(&hello->database_id, &told.database_id) &&
                                        !is_ahead(south, standing, &told.database_id, hello->revision))) {
        skr_witnesses_forget(&south->witnesses, &peer->host_id);
        return SKR_ROLLBACK_NONE;
    }
    memcpy(told.name, standing->name, sizeof(told.name));
    if (count_agreeing(&south->witnesses, &told, &rollback) >= witnesses_needed(south)) {
        record(south, &rollback, standing);
        return SKR_ROLLBACK_SHOWN;
    }
    hold(peer, &told, standing, ret);
    return SKR_ROLLBACK_HELD;
}
