/* This file handles each message of the controller; the session calls it. */
#include "agent/desired/arena.h"
#include "agent/desired/body.h"
#include "agent/south/session_private.h"
#include <errno.h>
#include <skerry/log.h>
#include <skerry/macros.h>
#include <skerry/text.h>
#include <string.h>
#include <sys/utsname.h>

#define RENEW_RETRY_MS 60000
#define MISMATCHES_MAX 3
#define HOUR_MS        (3600 * 1000LL)
#define CLOCK_WRONG_MS (24 * HOUR_MS)

/* An envelope with an empty body of that kind, ready to be filled and sent. */
Skerry__V1__Envelope *skr_session_envelope(Skerry__V1__Envelope__BodyCase body)
{
    Skerry__V1__Envelope *envelope = skr_must(malloc(sizeof(*envelope)));
    skerry__v1__envelope__init(envelope);
    const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(&skerry__v1__envelope__descriptor, (unsigned)body);
    const ProtobufCMessageDescriptor *descriptor = field->descriptor;
    ProtobufCMessage *message = skr_must(malloc(descriptor->sizeof_message));
    protobuf_c_message_init(descriptor, message);
    /* All members of the oneof share their place. */
    memcpy((uint8_t *)envelope + field->offset, &message, sizeof(message));
    envelope->body_case = body;
    return envelope;
}

static ProtobufCBinaryData copy_bytes(const void *data, size_t size)
{
    ProtobufCBinaryData out = {.len = size, .data = skr_must(malloc(size + 1))};
    memcpy(out.data, data, size);
    return out;
}

/* ---- greeting ---- */

static void send_hello(struct skr_session *session)
{
    struct skr_desired *desired = session->options.desired;
    struct utsname kernel;
    struct skr_uuid database_id = skr_desired_database_id(desired);
    if (skr_identity_next_session(session->options.identity, &session->number) < 0)
        skr_log(SKR_LOG_WARNING, "the session's number cannot be kept on disk", NULL);
    uname(&kernel);
    Skerry__V1__Envelope *envelope = skr_session_envelope(SKERRY__V1__ENVELOPE__BODY_HELLO);
    Skerry__V1__Hello *hello = envelope->hello;
    hello->protocol_version = SKR_PROTOCOL_VERSION;
    hello->agent_version = skr_must(strdup(SKR_VERSION));
    hello->kernel = skr_must(strdup(kernel.release));
    hello->session_number = session->number;
    if (!skr_uuid_is_nil(&database_id))
        hello->database_id = copy_bytes(database_id.bytes, sizeof(database_id.bytes));
    hello->revision = skr_desired_revision(desired);
    hello->root_digest = skr_desired_root_digest(desired);
    hello->incarnation = skr_desired_incarnation(desired);
    hello->holders = true;
    hello->fastpath = skr_must(strdup(session->options.fastpath));
    skr_desired_tell_failing(desired, hello);
    skr_revision_proof_show(&session->proof, hello);
    skr_session_send(session, envelope);
}

void skr_session_send_renew(struct skr_session *session)
{
    char *request;
    struct skr_error error = {0};
    if (skr_tls_request_new(session->options.identity->tls, &request, &error) < 0) {
        skr_log(SKR_LOG_ERROR, "no certificate request can be made", "reason='%s'", error.detail);
        return;
    }
    Skerry__V1__Envelope *envelope = skr_session_envelope(SKERRY__V1__ENVELOPE__BODY_RENEW);
    envelope->renew->certificate_request = request;
    skr_session_send(session, envelope);
    skr_session_arm(session->renew, RENEW_RETRY_MS);
}

static void times(const struct skr_session *session, int64_t *ret_from_ms, int64_t *ret_until_ms)
{
    *ret_from_ms = *ret_until_ms = 0;
    skr_tls_certificate_times(session->options.identity->certificate, ret_from_ms, ret_until_ms, NULL);
}

/* The controller's certificate tells the time well enough to see a clock that is plainly wrong. */
static void judge_clock(struct skr_session *session)
{
    static struct skr_log_limit limit;
    int64_t from_ms, until_ms, now_ms = skr_clock_wall_ms();
    const SSL *ssl = bufferevent_openssl_get_ssl(session->bev);
    if (ssl && skr_tls_peer_times(ssl, &from_ms, &until_ms) == 0 && now_ms < from_ms - CLOCK_WRONG_MS &&
        skr_log_allowed(&limit, 3))
        skr_log(SKR_LOG_WARNING, "this host's clock is plainly wrong: it is before the controller's certificate", NULL);
}

void skr_session_greet(struct skr_session *session)
{
    int64_t from_ms, until_ms, now_ms = skr_clock_wall_ms();
    times(session, &from_ms, &until_ms);
    judge_clock(session);
    bool expired = until_ms != 0 && now_ms >= until_ms;
    session->renewing = session->opening == SKR_OPENING_RENEW || (session->opening == SKR_OPENING_BY_CLOCK && expired);
    if (session->renewing)
        skr_session_send_renew(session);
    else
        send_hello(session);
}

void skr_session_plan_renewal(struct skr_session *session)
{
    int64_t from_ms, until_ms, now_ms = skr_clock_wall_ms();
    times(session, &from_ms, &until_ms);
    if (until_ms - from_ms > SKR_TLS_BACKDATE_MS)
        from_ms += SKR_TLS_BACKDATE_MS; /* half of the life that is left to it, however short that is */
    int64_t life = until_ms - from_ms;
    if (life <= 0)
        return;
    uint32_t jitter = skr_session_random(session, (uint32_t)(life / 5 < UINT32_MAX ? life / 5 : UINT32_MAX));
    int64_t wait = from_ms + life / 2 - life / 10 + jitter - now_ms;
    skr_session_arm(session->renew, wait > 0 ? wait : skr_session_random(session, 1000));
}

static void receive_welcome(struct skr_session *session, const Skerry__V1__Welcome *welcome)
{
    struct skr_uuid database_id;
    struct skr_error error = {0};
    if (!skr_body_uuid(&welcome->database_id, &database_id)) {
        skr_session_disconnect(session, "the controller's Welcome is malformed");
        return;
    }
    if (skr_identity_update(session->options.identity, NULL, welcome->authorities, welcome->n_authorities, &error) < 0)
        skr_log(SKR_LOG_ERROR, "the controller's authorities cannot be kept", "reason='%s'", error.detail);
    session->rolled_back = welcome->rolled_back;
    session->opening = SKR_OPENING_BY_CLOCK;
    session->mismatches = 0;
    skr_session_set_keepalive(session, welcome->keepalive_ms);
    bool held = welcome->rolled_back && *welcome->held_reason;
    if (held) {
        skr_log(SKR_LOG_ERROR, "the controller holds this host's session: everything stays as it is", "reason='%s'",
                welcome->held_reason);
    } else if (welcome->rolled_back) {
        skr_log(SKR_LOG_WARNING, "the controller's database was set back: everything stays as it is", NULL);
    } else {
        struct skr_digest_key key = {.k0 = welcome->digest_key_0, .k1 = welcome->digest_key_1};
        skr_desired_set_controller(session->options.desired, &database_id, welcome->incarnation, &key);
        skr_session_unsaved(session);
    }
    skr_desired_failures_again(session->options.desired);
    skr_session_connected(session);
    if (held)
        snprintf(session->last_error, sizeof(session->last_error), "held by the controller: %s", welcome->held_reason);
    skr_utf8_mend(session->last_error);
    skr_log(SKR_LOG_NOTICE, "connected to the controller", "session=%llu", (unsigned long long)session->number);
    skr_session_report_soon(session);
}

/* The words that the controller and the agent agree on, and what they mean to people; any other is a sentence. */
static const char *goodbye_in_words(const char *reason)
{
    static const char *const words[][2] = {
            {"newer_session", "another session of this host was opened"},
            {"certificate_outside_its_time", "by the controller's clock this host's certificate has expired or is not "
                                             "valid yet; a new one is asked for"},
            {"certificate_expired", "this host's certificate has expired; a new one is asked for"},
            {"controller_stops", "the controller stops"},
            {"database_rolled_back", "the controller's database was set back"},
            {"database_accepted", "the controller's database was accepted as it is"},
            {"revoked", "this host was revoked or removed"},
            {"report_failed", "the controller could not write down a report; it is told again"},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(words); i++)
        if (strcmp(reason, words[i][0]) == 0)
            return words[i][1];
    return reason;
}

static void receive_goodbye(struct skr_session *session, const Skerry__V1__Goodbye *goodbye)
{
    static struct skr_log_limit displaced_limit;
    char why[SKR_SESSION_REASON_MAX];
    snprintf(why, sizeof(why), "the controller said goodbye: %s", goodbye_in_words(goodbye->reason));
    for (char *c = why; *c; c++)
        if ((unsigned char)*c < ' ' || *c == '\'')
            *c = '?';
    session->goodbye_ms = goodbye->reconnect_after_ms;
    /* Two agents with one identity, a cloned disk say, must not take the session from each other for ever. */
    session->displaced = strcmp(goodbye->reason, "newer_session") == 0 ? session->displaced + 1 : 0;
    if (session->displaced && skr_log_allowed(&displaced_limit, 3))
        skr_log(SKR_LOG_ERROR, "another agent runs with this host's identity", "times=%u", session->displaced);
    session->opening = SKR_OPENING_BY_CLOCK;
    if (strcmp(goodbye->reason, "certificate_outside_its_time") == 0 ||
        strcmp(goodbye->reason, "certificate_expired") == 0)
        session->opening = SKR_OPENING_RENEW;
    else if (strcmp(goodbye->reason, "hello_expected") == 0)
        session->opening = SKR_OPENING_HELLO;
    skr_session_disconnect(session, why);
}

static void receive_renewed(struct skr_session *session, const Skerry__V1__Renewed *renewed)
{
    struct skr_error error = {0};
    if (renewed->error) {
        skr_log(SKR_LOG_ERROR, "the certificate was not renewed", "tag=%s", renewed->error->tag);
        skr_session_arm(session->renew, RENEW_RETRY_MS);
        return;
    }
    if (skr_identity_update(session->options.identity, renewed->certificate, renewed->authorities,
                            renewed->n_authorities, &error) < 0) {
        skr_log(SKR_LOG_ERROR, "the renewed certificate cannot be kept", "reason='%s'", error.detail);
        skr_session_arm(session->renew, RENEW_RETRY_MS);
        return;
    }
    skr_log(SKR_LOG_INFO, "certificate renewed", NULL);
    session->opening = SKR_OPENING_BY_CLOCK;
    if (!session->renewing) {
        skr_session_plan_renewal(session);
        return;
    }
    session->attempts = 0;
    skr_session_disconnect(session, "the certificate was renewed");
    skr_session_arm(session->reconnect, 0);
}

/* ---- desired state ---- */

/* Acknowledgements wait until the controller knows whether digests are to be compared, because it does not hear earlier
 * ones. */
void skr_session_acknowledge(struct skr_session *session)
{
    Skerry__V1__ScopeKind kind;
    struct skr_uuid id;
    while (session->state == SKR_SESSION_CONNECTED && session->heard_state && !session->rolled_back &&
           skr_desired_next_changed(session->options.desired, &kind, &id))
        skr_session_send(session, skr_desired_applied(session->options.desired, kind, &id));
}

static void receive_delta(struct skr_session *session, const Skerry__V1__Delta *delta)
{
    struct skr_error error = {0};
    bool complete = false;
    session->deltas++;
    int r = skr_desired_delta(session->options.desired, delta, &complete, &error);
    if (r == -EBADMSG) {
        skr_log(SKR_LOG_ERROR, "malformed desired state", "reason='%s'", error.detail);
        skr_session_disconnect(session, "the controller sent malformed desired state");
        return;
    }
    if (r == -ESTALE) {
        Skerry__V1__Envelope *envelope = skr_session_envelope(SKERRY__V1__ENVELOPE__BODY_RESYNC);
        skr_log(SKR_LOG_NOTICE, "a scope is asked for again", "reason='%s'", error.detail);
        envelope->resync->kind = delta->kind;
        envelope->resync->id = copy_bytes(delta->id.data, delta->id.len);
        envelope->resync->version = delta->to_version;
        skr_session_send(session, envelope);
    }
    if (complete || r == -ESTALE)
        skr_session_unsaved(session);
}

static void receive_scope_removed(struct skr_session *session, const Skerry__V1__ScopeRemoved *removed)
{
    if (skr_desired_remove_scope(session->options.desired, removed) < 0) {
        skr_session_disconnect(session, "the controller sent malformed desired state");
        return;
    }
    Skerry__V1__Envelope *envelope = skr_session_envelope(SKERRY__V1__ENVELOPE__BODY_APPLIED);
    envelope->applied->kind = removed->kind;
    envelope->applied->id = copy_bytes(removed->id.data, removed->id.len);
    envelope->applied->version = removed->version;
    skr_session_send(session, envelope);
    skr_session_unsaved(session);
}

static void receive_synced(struct skr_session *session, const Skerry__V1__Synced *synced)
{
    struct skr_uuid database_id = skr_desired_database_id(session->options.desired);
    skr_revision_proof_take(&session->proof, &database_id, synced);
    if (synced->root_digest != skr_desired_root_digest(session->options.desired)) {
        /* Scopes may still be on their way; if it stays so, a new session compares every digest. */
        if (++session->mismatches >= MISMATCHES_MAX)
            skr_session_disconnect(session, "this host's digest keeps differing from the controller's");
        return;
    }
    session->mismatches = 0;
    session->agreed = true;
    skr_desired_synced(session->options.desired, synced->revision);
    skr_session_unsaved(session);
    if (session->options.synced)
        session->options.synced(session->options.arg);
    if (session->report_whole)
        skr_session_report_soon(session);
}

static void receive_bucket_request(struct skr_session *session, const Skerry__V1__BucketDigestsRequest *request)
{
    struct skr_uuid id;
    if (skr_body_uuid(&request->id, &id))
        skr_session_send(session, skr_desired_bucket_digests(session->options.desired, request->kind, &id));
}

static void receive_accepted(struct skr_session *session, const Skerry__V1__ReportAccepted *accepted)
{
    for (size_t i = 0; i < accepted->n_refusals; i++) {
        const Skerry__V1__Refusal *refusal = accepted->refusals[i];
        struct skr_uuid adapter;
        struct skr_address address;
        if (skr_body_uuid(&refusal->adapter_id, &adapter) && skr_body_address(&refusal->customer_address, &address) &&
            skr_report_refused(session->options.report, &adapter, &address, refusal->number) &&
            session->options.refused)
            session->options.refused(session->options.arg, &adapter, &address, refusal->reason);
    }
    if (accepted->more)
        return;
    session->report_waits = false;
    skr_report_accepted(session->options.report, accepted->sequence);
    skr_session_report_soon(session);
}

void skr_session_port_state(struct skr_session *session, const struct skr_uuid *adapter_id,
                            const struct skr_abi_meter *meter)
{
    if (session->state != SKR_SESSION_CONNECTED || session->rolled_back)
        return;
    Skerry__V1__Envelope *envelope = skr_session_envelope(SKERRY__V1__ENVELOPE__BODY_PORT_STATE);
    envelope->port_state->adapter_id = copy_bytes(adapter_id->bytes, sizeof(adapter_id->bytes));
    envelope->port_state->tx_packets = meter->tx_packets;
    envelope->port_state->tx_bytes = meter->tx_bytes;
    envelope->port_state->rx_packets = meter->rx_packets;
    envelope->port_state->rx_bytes = meter->rx_bytes;
    skr_session_send(session, envelope);
}

static void receive_port_state(struct skr_session *session, const Skerry__V1__PortState *state)
{
    struct skr_abi_meter meter = {.tx_packets = state->tx_packets,
                                  .tx_bytes = state->tx_bytes,
                                  .rx_packets = state->rx_packets,
                                  .rx_bytes = state->rx_bytes};
    struct skr_uuid adapter_id;
    if (session->options.port_state && skr_body_uuid(&state->adapter_id, &adapter_id))
        session->options.port_state(session->options.arg, &adapter_id, &meter);
}

static void receive_state(struct skr_session *session, const Skerry__V1__Envelope *envelope)
{
    session->heard_state |= envelope->body_case == SKERRY__V1__ENVELOPE__BODY_DELTA ||
                            envelope->body_case == SKERRY__V1__ENVELOPE__BODY_SCOPE_REMOVED ||
                            envelope->body_case == SKERRY__V1__ENVELOPE__BODY_SYNCED ||
                            envelope->body_case == SKERRY__V1__ENVELOPE__BODY_SCOPE_DIGESTS_REQUEST;
    switch (envelope->body_case) {
    case SKERRY__V1__ENVELOPE__BODY_DELTA:
        skr_session_note(session, envelope);
        receive_delta(session, envelope->delta);
        break;
    case SKERRY__V1__ENVELOPE__BODY_SCOPE_REMOVED:
        skr_session_note(session, envelope);
        receive_scope_removed(session, envelope->scope_removed);
        break;
    case SKERRY__V1__ENVELOPE__BODY_SYNCED:
        receive_synced(session, envelope->synced);
        break;
    case SKERRY__V1__ENVELOPE__BODY_SCOPE_DIGESTS_REQUEST:
        skr_session_send(session, skr_desired_scope_digests(session->options.desired));
        break;
    case SKERRY__V1__ENVELOPE__BODY_BUCKET_DIGESTS_REQUEST:
        receive_bucket_request(session, envelope->bucket_digests_request);
        break;
    case SKERRY__V1__ENVELOPE__BODY_COMMAND:
        if (session->options.command)
            session->options.command(session->options.arg, envelope->command);
        break;
    case SKERRY__V1__ENVELOPE__BODY_PORT_STATE:
        receive_port_state(session, envelope->port_state);
        break;
    case SKERRY__V1__ENVELOPE__BODY_REPORT_ACCEPTED:
        receive_accepted(session, envelope->report_accepted);
        break;
    default:
        skr_session_disconnect(session, "the controller sent what an agent does not take");
    }
}

void skr_session_receive(struct skr_session *session, Skerry__V1__Envelope *envelope)
{
    switch (envelope->body_case) {
    case SKERRY__V1__ENVELOPE__BODY_WELCOME:
        if (session->state != SKR_SESSION_GREETING)
            return;
        if (!envelope->welcome->rolled_back)
            skr_session_note(session, envelope);
        receive_welcome(session, envelope->welcome);
        return;
    case SKERRY__V1__ENVELOPE__BODY_GOODBYE:
        receive_goodbye(session, envelope->goodbye);
        return;
    case SKERRY__V1__ENVELOPE__BODY_RENEWED:
        receive_renewed(session, envelope->renewed);
        return;
    case SKERRY__V1__ENVELOPE__BODY_PING: {
        Skerry__V1__Envelope *pong = skr_session_envelope(SKERRY__V1__ENVELOPE__BODY_PONG);
        pong->pong->sequence = envelope->ping->sequence;
        skr_session_send(session, pong);
        return;
    }
    case SKERRY__V1__ENVELOPE__BODY_PONG:
        return;
    default:
        break;
    }
    if (session->state != SKR_SESSION_CONNECTED)
        skr_session_disconnect(session, "the controller spoke before its Welcome");
    else if (!session->rolled_back) /* a database that was set back changes nothing here */
        receive_state(session, envelope);
}
