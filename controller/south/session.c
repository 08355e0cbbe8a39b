#include "controller/south/peer.h"
#include <errno.h>
#include <skerry/clock.h>
#include <stdio.h>
#include <string.h>

#define RECONNECT_REFUSED_MS  30000 /* who may not come in need not ask often */
#define RECONNECT_REPLACED_MS 5000

/* What a snapshot of the database says about a session that wants to open. */
struct standing {
    int64_t revision;
    bool rolled_back;
};

static int look(struct skr_south *south, const struct skr_peer *peer, struct standing *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct standing standing = {0};
    int result = skr_store_read_begin(south->store, &txn, error);
    if (result == 0)
        result = skr_model_authorize_host(txn, &peer->host_id, peer->key_hash, error);
    if (result == 0)
        result = skr_model_rolled_back(txn, &standing.rolled_back, error);
    if (result < 0)
        return result;
    standing.revision = skr_txn_revision(txn);
    *ret = standing;
    return 0;
}

static void refuse(struct skr_peer *peer, const char *reason, uint32_t reconnect_after_ms)
{
    char id[SKR_UUID_TEXT_MAX];
    atomic_fetch_add_explicit(&peer->worker->south->counters.refused, 1, memory_order_relaxed);
    if (skr_log_allowed(&peer->worker->log_limit, 10))
        skr_log(SKR_LOG_WARNING, "session refused", "host=%s reason='%s'", skr_uuid_format(&peer->host_id, id), reason);
    skr_peer_goodbye(peer, reason, reconnect_after_ms);
}

static uint32_t when_to_return(const struct skr_error *error)
{
    return error->tag == SKR_ERROR_FORBIDDEN || error->tag == SKR_ERROR_NOT_FOUND ? RECONNECT_REFUSED_MS : 2000;
}

/* ---- renewal ---- */

static int sign_renewal(struct skr_peer *peer, const char *request, char **ret_pem, struct skr_error *error)
{
    struct skr_south *south = peer->worker->south;
    uint8_t key_hash[SKR_TLS_HASH_SIZE];
    int64_t now_ms = skr_clock_wall_ms();
    struct standing standing;
    int result = look(south, peer, &standing, error);
    if (result < 0)
        return result;
    if (now_ms - peer->not_after_ms > south->expired_grace_ms)
        return skr_error_set(error, SKR_ERROR_FORBIDDEN, "The certificate expired too long ago; enrol the host again.");
    result = skr_tls_request_key_hash(request, key_hash, error);
    if (result < 0)
        return result;
    if (memcmp(key_hash, peer->key_hash, sizeof(key_hash)) != 0)
        return skr_error_set(error, SKR_ERROR_FORBIDDEN, "A renewal must be for the key that the host enrolled with.");
    result = skr_tls_sign_host(south->authority, request, &peer->host_id, now_ms, south->certificate_lifetime_ms,
                               ret_pem, error);
    if (result == 0) {
        peer->not_before_ms = now_ms - SKR_TLS_BACKDATE_MS;
        peer->not_after_ms = now_ms + south->certificate_lifetime_ms;
        skr_notes_seen(south, &peer->host_id, NULL, NULL, peer->not_after_ms);
    }
    return result;
}

static int renew(struct skr_peer *peer, const Skerry__V1__Renew *request, struct skr_error *ret_error)
{
    struct skr_south *south = peer->worker->south;
    Skerry__V1__Renewed renewed = SKERRY__V1__RENEWED__INIT;
    Skerry__V1__Error reason = SKERRY__V1__ERROR__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    SKR_CLEANUP(skr_free_cleanup) char *certificate = NULL;
    struct skr_error error = {0};
    int result = sign_renewal(peer, request->certificate_request, &certificate, &error);
    if (result < 0) {
        reason.tag = (char *)skr_error_tag_info(error.tag)->name;
        reason.detail = error.detail;
        renewed.error = &reason;
    } else {
        renewed.certificate = certificate;
        renewed.authorities = (char **)south->authority_pems;
        renewed.n_authorities = 1;
    }
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_RENEWED;
    envelope.renewed = &renewed;
    skr_peer_send(peer, &envelope);
    if (result < 0 && ret_error)
        *ret_error = error;
    return result;
}

/* A certificate outside its time gets a new one and nothing else. */
static void renew_alone(struct skr_peer *peer, const Skerry__V1__Renew *request)
{
    struct skr_error error = {0};
    char why[sizeof(error.detail) + 20];
    if (renew(peer, request, &error) == 0) {
        skr_peer_goodbye(peer, "renewed", 0);
        return;
    }
    snprintf(why, sizeof(why), "renewal_refused: %s", error.detail);
    refuse(peer, why, RECONNECT_REFUSED_MS);
}

/* ---- opening ---- */

/* A database that does not know what an agent already has from it has been set back; so has one that is another. */
static bool proves_rollback(struct skr_south *south, const Skerry__V1__Hello *hello, int64_t revision)
{
    struct skr_uuid ours = skr_store_database_id(south->store);
    if (hello->database_id.len == 0)
        return false;
    return hello->database_id.len != sizeof(ours.bytes) ||
           memcmp(hello->database_id.data, ours.bytes, sizeof(ours.bytes)) != 0 || hello->revision > (uint64_t)revision;
}

static void rolled_back_written(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    (void)revision;
    if (result < 0)
        skr_log(SKR_LOG_ERROR, "the rollback could not be recorded", "reason='%s'", error ? error->detail : "");
    skr_south_written(arg);
}

static int write_rolled_back(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    (void)arg;
    return skr_model_set_rolled_back(txn, NULL, error);
}

static void welcome_rolled_back(struct skr_peer *peer)
{
    struct skr_south *south = peer->worker->south;
    struct skr_uuid database = skr_store_database_id(south->store);
    Skerry__V1__Welcome welcome = SKERRY__V1__WELCOME__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    welcome.protocol_version = SKR_SOUTH_PROTOCOL_VERSION;
    welcome.database_id = (ProtobufCBinaryData){sizeof(database.bytes), database.bytes};
    welcome.incarnation = skr_store_incarnation(south->store);
    welcome.authorities = (char **)south->authority_pems;
    welcome.n_authorities = 1;
    welcome.keepalive_ms = south->keepalive_ms;
    welcome.rolled_back = true;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_WELCOME;
    envelope.welcome = &welcome;
    skr_peer_send(peer, &envelope);
}

/* Says so once in the log and, durably, in the database, which ends every session; a host that comes back stays
 * connected and keeps what it has. */
static void stand_still(struct skr_peer *peer, const Skerry__V1__Hello *hello, const struct standing *standing)
{
    char id[SKR_UUID_TEXT_MAX];
    struct skr_south *south = peer->worker->south;
    if (!standing->rolled_back) {
        skr_log(SKR_LOG_ERROR,
                "the database is older than what a host has: nothing is changed until it has been reviewed",
                "host=%s host_revision=%llu revision=%lld", skr_uuid_format(&peer->host_id, id),
                (unsigned long long)hello->revision, (long long)standing->revision);
        skr_south_write(south, write_rolled_back, rolled_back_written, south);
    }
    welcome_rolled_back(peer);
}

/* Into the registry, past the older session of this host; judged again if sessions were ended meanwhile for what the
 * database says, because whoever ended them did not find this one yet. */
static int enter(struct skr_peer *peer, const Skerry__V1__Hello *hello, struct standing *ret, struct skr_error *error)
{
    struct skr_south *south = peer->worker->south;
    uint64_t older, revocations = atomic_load(&south->revocations);
    int result = look(south, peer, ret, error);
    if (result < 0)
        return result;
    if (skr_registry_enter(&south->registry, &peer->host_id, peer->session, hello->session_number, &older) < 0)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "A newer session of this host is open.");
    peer->entered = true;
    atomic_fetch_add_explicit(&south->counters.sessions, 1, memory_order_relaxed);
    if (older)
        skr_worker_end_session(south, older, "newer_session");
    if (atomic_load(&south->revocations) != revocations)
        result = look(south, peer, ret, error);
    return result;
}

static void open_session(struct skr_peer *peer, Skerry__V1__Envelope *envelope)
{
    struct skr_south *south = peer->worker->south;
    const Skerry__V1__Hello *hello = envelope->hello;
    struct standing standing;
    struct skr_error error = {0};
    char id[SKR_UUID_TEXT_MAX];
    if (enter(peer, hello, &standing, &error) < 0) {
        refuse(peer, error.detail, when_to_return(&error));
        skr_envelope_free(envelope);
        return;
    }
    skr_peer_set_state(peer, SKR_PEER_OPEN, 0);
    skr_log(SKR_LOG_INFO, "session opened", "host=%s session=%llu", skr_uuid_format(&peer->host_id, id),
            (unsigned long long)peer->session);
    skr_notes_seen(south, &peer->host_id, hello->agent_version, hello->kernel, peer->not_after_ms);
    if (standing.rolled_back || proves_rollback(south, hello, standing.revision)) {
        stand_still(peer, hello, &standing);
        skr_envelope_free(envelope);
        return;
    }
    peer->policy_open = true;
    skr_policy_session_open(south->policy, peer->session, &peer->host_id, envelope, south->authority_pems);
}

static void greet_hello(struct skr_peer *peer, Skerry__V1__Envelope *envelope, bool outside_time)
{
    if (!outside_time && envelope->hello->protocol_version >= SKR_SOUTH_PROTOCOL_VERSION) {
        open_session(peer, envelope);
        return;
    }
    skr_envelope_free(envelope);
    if (outside_time)
        refuse(peer, "certificate_outside_its_time", 0);
    else
        refuse(peer, "protocol_version", RECONNECT_REFUSED_MS);
}

void skr_session_greet(struct skr_peer *peer, Skerry__V1__Envelope *envelope)
{
    int64_t now_ms = skr_clock_wall_ms();
    bool outside_time = now_ms < peer->not_before_ms || now_ms > peer->not_after_ms;
    switch (envelope->body_case) {
    case SKERRY__V1__ENVELOPE__BODY_HELLO:
        greet_hello(peer, envelope, outside_time);
        return;
    case SKERRY__V1__ENVELOPE__BODY_RENEW:
        if (outside_time) {
            renew_alone(peer, envelope->renew);
            break;
        }
        /* fall through */
    default:
        refuse(peer, "hello_expected", RECONNECT_REPLACED_MS);
    }
    skr_envelope_free(envelope);
}

void skr_session_leave(struct skr_peer *peer)
{
    struct skr_south *south = peer->worker->south;
    char id[SKR_UUID_TEXT_MAX];
    if (!peer->entered)
        return;
    peer->entered = false;
    atomic_fetch_sub_explicit(&south->counters.sessions, 1, memory_order_relaxed);
    if (skr_registry_leave(&south->registry, &peer->host_id, peer->session))
        skr_notes_seen(south, &peer->host_id, NULL, NULL, 0);
    if (peer->policy_open)
        skr_policy_session_closed(south->policy, peer->session);
    peer->policy_open = false;
    skr_log(SKR_LOG_INFO, "session closed", "host=%s session=%llu", skr_uuid_format(&peer->host_id, id),
            (unsigned long long)peer->session);
}

/* ---- open ---- */

static void pong(struct skr_peer *peer, uint64_t sequence)
{
    Skerry__V1__Pong body = SKERRY__V1__PONG__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    body.sequence = sequence;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_PONG;
    envelope.pong = &body;
    skr_peer_send(peer, &envelope);
}

void skr_session_receive(struct skr_peer *peer, Skerry__V1__Envelope *envelope)
{
    switch (envelope->body_case) {
    case SKERRY__V1__ENVELOPE__BODY_SCOPE_DIGESTS:
    case SKERRY__V1__ENVELOPE__BODY_BUCKET_DIGESTS:
    case SKERRY__V1__ENVELOPE__BODY_APPLIED:
    case SKERRY__V1__ENVELOPE__BODY_RESYNC:
    case SKERRY__V1__ENVELOPE__BODY_PORT_STATE:
        if (!peer->policy_open)
            break;
        skr_policy_receive(peer->worker->south->policy, peer->session, envelope);
        return;
    case SKERRY__V1__ENVELOPE__BODY_REPORT:
        skr_report_receive(peer, envelope);
        return;
    case SKERRY__V1__ENVELOPE__BODY_PING:
        pong(peer, envelope->ping->sequence);
        break;
    case SKERRY__V1__ENVELOPE__BODY_PONG:
        break;
    case SKERRY__V1__ENVELOPE__BODY_RENEW:
        renew(peer, envelope->renew, NULL);
        break;
    case SKERRY__V1__ENVELOPE__BODY_GOODBYE:
        skr_peer_finish(peer);
        break;
    default:
        refuse(peer, "unexpected_message", RECONNECT_REPLACED_MS);
    }
    skr_envelope_free(envelope);
}
