#include "controller/south/peer.h"
#include <errno.h>
#include <skerry/clock.h>
#include <skerry/resource_fields.h>
#include <stdio.h>
#include <string.h>

#define RECONNECT_REFUSED_MS  30000 /* an agent that may not come in need not ask often */
#define RECONNECT_REPLACED_MS 5000
#define EXPIRED_GRACE_MS      (365LL * 24 * 3600 * 1000) /* a certificate that expired so long ago is not renewed */

static int look_at_host(struct skr_txn *txn, const struct skr_peer *peer, struct skr_standing *standing,
                        struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    int result = skr_txn_get(txn, SKR_HOST, &peer->host_id, NULL, &host, error);
    if (result < 0)
        return result;
    standing->problem = skr_object_has(host, SKR_HOST_PROBLEM);
    snprintf(standing->name, sizeof(standing->name), "%s", skr_object_text(host, SKR_FIELD_NAME));
    return 0;
}

static int look(struct skr_south *south, const struct skr_peer *peer, struct skr_standing *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_standing standing = {0};
    int result = skr_store_read_begin(south->store, &txn, error);
    if (result == 0)
        result = skr_model_authorize_host(txn, &peer->host_id, peer->key_hash, error);
    if (result == 0)
        result = skr_model_rolled_back(txn, &standing.rolled_back, error);
    if (result == 0)
        result = skr_model_accepted_database(txn, &standing.accepted_database, error);
    if (result == 0)
        result = look_at_host(txn, peer, &standing, error);
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
    struct skr_standing standing;
    int result = look(south, peer, &standing, error);
    if (result < 0)
        return result;
    if (now_ms - peer->not_after_ms > EXPIRED_GRACE_MS)
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

/* The host keeps what it has. `held_reason` says why when it is this host alone; NULL: the database was set back. */
static void welcome_held(struct skr_peer *peer, const char *held_reason)
{
    struct skr_south *south = peer->worker->south;
    struct skr_uuid database = skr_store_database_id(south->store);
    Skerry__V1__Welcome welcome = SKERRY__V1__WELCOME__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    welcome.protocol_version = SKR_PROTOCOL_VERSION;
    welcome.database_id = (ProtobufCBinaryData){sizeof(database.bytes), database.bytes};
    welcome.incarnation = skr_store_incarnation(south->store);
    welcome.authorities = (char **)south->authority_pems;
    welcome.n_authorities = 1;
    welcome.keepalive_ms = south->keepalive_ms;
    welcome.rolled_back = true;
    welcome.held_reason = (char *)held_reason;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_WELCOME;
    envelope.welcome = &welcome;
    skr_peer_send(peer, &envelope);
}

/* ---- one identity on two machines ---- */

static void tell_shared(struct skr_peer *peer, const char *name, const char *other)
{
    struct skr_host_problem problem = {.host_id = peer->host_id, .reason = SKR_EVENT_HOST_IDENTITY_SHARED};
    snprintf(
            problem.text, sizeof(problem.text),
            "The identity of host \"%.63s\" is in use on two machines: agents with it connect from %s and from %s, and "
            "end each other's sessions. Stop the agent on the machine that is the copy, remove its state directory "
            "and let it join as a host of its own.",
            name, other, peer->address);
    peer->problem = true;
    if (skr_log_allowed(&peer->worker->log_limit, 10))
        skr_log(SKR_LOG_ERROR, "two machines use one identity", "host='%s' addresses=%s,%s", name, other,
                peer->address);
    skr_rollback_tell_problem(peer->worker->south, &problem);
}

void skr_session_look_after(struct skr_peer *peer)
{
    struct skr_south *south = peer->worker->south;
    const struct skr_host_problem none = {.host_id = peer->host_id};
    if (!peer->problem || !peer->policy_open)
        return;
    int64_t shared_ns = skr_registry_shared_ns(&south->registry, &peer->host_id);
    if (shared_ns && skr_clock_monotonic_ns() - shared_ns < south->shared_ms * SKR_NS_PER_MS)
        return;
    peer->problem = false;
    skr_rollback_tell_problem(south, &none);
}

/* Into the registry, past the older session of this host; judged again if sessions were ended meanwhile for what the
 * database says, because the thread that ended them did not find this one yet. */
static int enter(struct skr_peer *peer, const Skerry__V1__Hello *hello, struct skr_standing *ret,
                 struct skr_error *error)
{
    struct skr_south *south = peer->worker->south;
    struct skr_registry_entered entered;
    uint64_t revocations = atomic_load(&south->revocations);
    int result = look(south, peer, ret, error);
    if (result < 0)
        return result;
    result = skr_registry_enter(&south->registry, &peer->host_id, peer->session, hello->session_number, peer->address,
                                &entered);
    if (entered.shared)
        tell_shared(peer, ret->name, entered.address);
    if (result < 0)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "A newer session of this host is open.");
    peer->entered = true;
    atomic_fetch_add_explicit(&south->counters.sessions, 1, memory_order_relaxed);
    if (entered.older)
        skr_worker_end_session(south, entered.older, "newer_session");
    if (atomic_load(&south->revocations) != revocations)
        result = look(south, peer, ret, error);
    return result;
}

/* Does the host keep what it has for now? Then it has been told. */
static bool is_held(struct skr_peer *peer, const Skerry__V1__Hello *hello, const struct skr_standing *standing)
{
    struct skr_host_problem problem;
    enum skr_rollback_verdict verdict =
            standing->rolled_back ? SKR_ROLLBACK_SHOWN : skr_rollback_judge(peer, hello, standing, &problem);
    if (verdict == SKR_ROLLBACK_NONE)
        return false;
    welcome_held(peer, verdict == SKR_ROLLBACK_HELD ? problem.text : NULL);
    return true;
}

static void open_session(struct skr_peer *peer, Skerry__V1__Envelope *envelope)
{
    struct skr_south *south = peer->worker->south;
    const Skerry__V1__Hello *hello = envelope->hello;
    struct skr_standing standing;
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
    if (is_held(peer, hello, &standing)) {
        skr_envelope_free(envelope);
        return;
    }
    peer->policy_open = true;
    peer->problem |= standing.problem;
    skr_session_look_after(peer);
    skr_policy_session_open(south->policy, peer->session, &peer->host_id, envelope, south->authority_pems);
}

static void greet_hello(struct skr_peer *peer, Skerry__V1__Envelope *envelope, bool outside_time)
{
    uint32_t version = envelope->hello->protocol_version;
    char why[120];
    if (!outside_time && version >= SKR_PROTOCOL_VERSION_OLDEST) {
        open_session(peer, envelope);
        return;
    }
    skr_envelope_free(envelope);
    if (outside_time) {
        refuse(peer, "certificate_outside_its_time", 0);
        return;
    }
    snprintf(why, sizeof(why),
             "protocol_version: the agent speaks version %u, this controller %d and later; upgrade it", version,
             SKR_PROTOCOL_VERSION_OLDEST);
    refuse(peer, why, RECONNECT_REFUSED_MS);
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
