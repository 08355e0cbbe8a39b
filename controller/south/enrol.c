#include "controller/south/peer.h"
#include <errno.h>
#include <skerry/clock.h>

/* An Enroll in the writer's hands. The peer may be gone when it comes back; the host then exists, and the same key may
 * ask again. */
struct enrolment {
    struct skr_south *south;
    struct skr_worker_mail *mail;
    Skerry__V1__Envelope *envelope;
    struct skr_enrolment model;
    int result;
    struct skr_error error;
};

void skr_enrol_forget(void *request)
{
    struct enrolment *enrolment = request;
    skr_envelope_free(enrolment->envelope);
    free(enrolment);
}

static void answer(struct skr_peer *peer, Skerry__V1__Enrolled *enrolled)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_ENROLLED;
    envelope.enrolled = enrolled;
    skr_peer_send(peer, &envelope);
    skr_peer_finish(peer);
}

static void refuse(struct skr_peer *peer, const struct skr_error *error)
{
    Skerry__V1__Enrolled enrolled = SKERRY__V1__ENROLLED__INIT;
    Skerry__V1__Error reason = SKERRY__V1__ERROR__INIT;
    reason.tag = (char *)skr_error_tag_info(error->tag)->name;
    reason.detail = (char *)error->detail;
    enrolled.error = &reason;
    atomic_fetch_add_explicit(&peer->worker->south->counters.refused, 1, memory_order_relaxed);
    if (skr_log_allowed(&peer->worker->log_limit, 10))
        skr_log(SKR_LOG_WARNING, "enrolment refused", "reason='%s'", error->detail);
    answer(peer, &enrolled);
}

static void accept_host(struct skr_peer *peer, const struct enrolment *enrolment)
{
    struct skr_south *south = peer->worker->south;
    char id[SKR_UUID_TEXT_MAX];
    Skerry__V1__Enrolled enrolled = SKERRY__V1__ENROLLED__INIT;
    SKR_CLEANUP(skr_free_cleanup) char *certificate = NULL;
    struct skr_error error = {0};
    int64_t now_ms = skr_clock_wall_ms();
    if (!enrolment->model.pending_approval &&
        skr_tls_sign_host(south->authority, enrolment->envelope->enroll->certificate_request, &enrolment->model.host_id,
                          now_ms, south->certificate_lifetime_ms, &certificate, &error) < 0) {
        refuse(peer, &error);
        return;
    }
    if (certificate) {
        skr_notes_seen(south, &enrolment->model.host_id, NULL, NULL, now_ms + south->certificate_lifetime_ms);
        enrolled.certificate = certificate;
    }
    enrolled.host_id =
            (ProtobufCBinaryData){sizeof(enrolment->model.host_id.bytes), (uint8_t *)enrolment->model.host_id.bytes};
    enrolled.host_name = (char *)enrolment->model.host_name;
    enrolled.authorities = (char **)south->authority_pems;
    enrolled.n_authorities = 1;
    enrolled.pending_approval = enrolment->model.pending_approval;
    atomic_fetch_add_explicit(&south->counters.enrolments, 1, memory_order_relaxed);
    skr_log(SKR_LOG_NOTICE, enrolled.pending_approval ? "host waits for approval" : "host enrolled", "host=%s",
            skr_uuid_format(&enrolment->model.host_id, id));
    answer(peer, &enrolled);
}

void skr_enrol_written(struct skr_worker *worker, uint64_t session, void *request)
{
    struct enrolment *enrolment = request;
    struct skr_peer *peer = skr_peer_find(worker, session);
    if (peer && peer->state == SKR_PEER_ENROLLING) {
        if (enrolment->result < 0)
            refuse(peer, &enrolment->error);
        else
            accept_host(peer, enrolment);
    }
    skr_enrol_forget(enrolment);
}

static void written(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    struct enrolment *enrolment = arg;
    struct skr_south *south = enrolment->south;
    (void)revision;
    enrolment->result = result;
    if (result < 0 && error)
        enrolment->error = *error;
    skr_worker_post(skr_worker_of(south, enrolment->mail->session), enrolment->mail);
    skr_south_written(south);
}

static int write_enrolment(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct enrolment *enrolment = arg;
    return skr_model_enroll(txn, &enrolment->model, error);
}

static int judge(const Skerry__V1__Envelope *envelope, uint8_t key_hash[static SKR_TLS_HASH_SIZE],
                 struct skr_error *error)
{
    if (envelope->body_case != SKERRY__V1__ENVELOPE__BODY_ENROLL)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "Only Enroll may be sent before a certificate is shown.");
    if (envelope->enroll->protocol_version < SKR_PROTOCOL_VERSION_OLDEST)
        return skr_error_set(error, SKR_ERROR_NOT_SUPPORTED,
                             "The agent speaks protocol version %u, this controller %d and later; upgrade the agent.",
                             envelope->enroll->protocol_version, SKR_PROTOCOL_VERSION_OLDEST);
    return skr_tls_request_key_hash(envelope->enroll->certificate_request, key_hash, error);
}

void skr_enrol_receive(struct skr_peer *peer, Skerry__V1__Envelope *envelope)
{
    struct skr_south *south = peer->worker->south;
    struct skr_error error = {0};
    struct enrolment *enrolment = calloc(1, sizeof(*enrolment));
    if (!enrolment)
        abort();
    enrolment->south = south;
    enrolment->envelope = envelope;
    if (judge(envelope, enrolment->model.key_hash, &error) < 0) {
        refuse(peer, &error);
        skr_enrol_forget(enrolment);
        return;
    }
    enrolment->model.enroll = envelope->enroll;
    enrolment->mail = skr_worker_mail_new(SKR_MAIL_ENROLLED, peer->session);
    enrolment->mail->request = enrolment;
    skr_peer_set_reading(peer, false);
    skr_peer_set_state(peer, SKR_PEER_ENROLLING, SKR_SOUTH_ENROL_MS);
    if (skr_south_write(south, write_enrolment, written, enrolment) < 0) {
        skr_error_set(&error, SKR_ERROR_UNAVAILABLE, "The controller is too busy; try again in a moment.");
        refuse(peer, &error);
        free(enrolment->mail);
        skr_enrol_forget(enrolment);
    }
}
