#include "controller/south/peer.h"
#include <errno.h>

/* A Report in the writer's hands. */
struct report {
    struct skr_south *south;
    struct skr_worker_mail *mail;
    Skerry__V1__Envelope *envelope;
    struct skr_report_write model;
    int result;
};

static void clear_answer(struct report *report)
{
    if (report->model.accepted)
        skerry__v1__report_accepted__free_unpacked(report->model.accepted, NULL);
    report->model.accepted = NULL;
}

void skr_report_forget(void *request)
{
    struct report *report = request;
    clear_answer(report);
    skr_envelope_free(report->envelope);
    free(report);
}

static int write_report(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct report *report = arg;
    clear_answer(report); /* of a run whose batch was rolled back */
    return skr_model_report(txn, &report->model, error);
}

static void written(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    static struct skr_log_limit limit;
    struct report *report = arg;
    struct skr_south *south = report->south;
    (void)revision;
    report->result = result;
    if (result < 0 && skr_log_allowed(&limit, 10))
        skr_log(SKR_LOG_WARNING, "a host's report could not be written", "reason='%s'", error ? error->detail : "");
    skr_worker_post(skr_worker_of(south, report->mail->session), report->mail);
    skr_south_written(south);
}

static int submit(struct skr_peer *peer, Skerry__V1__Envelope *envelope)
{
    struct report *report = calloc(1, sizeof(*report));
    if (!report)
        abort();
    report->south = peer->worker->south;
    report->envelope = envelope;
    report->model =
            (struct skr_report_write){.host_id = peer->host_id, .report = envelope->report, .held = !peer->policy_open};
    report->mail = skr_worker_mail_new(SKR_MAIL_REPORTED, peer->session);
    report->mail->request = report;
    int result = skr_south_write(report->south, write_report, written, report);
    if (result < 0) {
        free(report->mail);
        free(report); /* the envelope stays the caller's */
        return result;
    }
    peer->reports++;
    atomic_fetch_add_explicit(&report->south->counters.reports, 1, memory_order_relaxed);
    return 0;
}

/* Counters are kept with the session alone. */
static void keep_counters(struct skr_peer *peer, const Skerry__V1__Report *report)
{
    const struct skr_registry_counters counters = {.dropped_packets = report->dropped_packets,
                                                   .rx_packets = report->rx_packets,
                                                   .tx_packets = report->tx_packets};
    skr_registry_count(&peer->worker->south->registry, &peer->host_id, peer->session, &counters);
}

static bool has_counters_alone(const Skerry__V1__Report *report)
{
    return !report->whole && !report->n_learned && !report->n_interfaces && !report->n_drift && !report->n_bindings &&
           !report->n_claims && !report->n_moved;
}

static void answer(struct skr_peer *peer, uint64_t sequence, Skerry__V1__ReportAccepted *accepted)
{
    Skerry__V1__ReportAccepted empty = SKERRY__V1__REPORT_ACCEPTED__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    empty.sequence = sequence;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_REPORT_ACCEPTED;
    envelope.report_accepted = accepted ? accepted : &empty;
    skr_peer_send(peer, &envelope);
}

void skr_report_receive(struct skr_peer *peer, Skerry__V1__Envelope *envelope)
{
    keep_counters(peer, envelope->report);
    /* In a rolled back database nothing may change until somebody has looked; what the host holds is for him to see. */
    if (!peer->policy_open && !envelope->report->whole) {
        skr_envelope_free(envelope);
        return;
    }
    if (peer->policy_open && has_counters_alone(envelope->report)) {
        atomic_fetch_add_explicit(&peer->worker->south->counters.reports, 1, memory_order_relaxed);
        answer(peer, envelope->report->sequence, NULL);
        skr_envelope_free(envelope);
        return;
    }
    if (submit(peer, envelope) < 0) {
        peer->waiting = envelope;
        skr_peer_arm(peer);
    }
    if (peer->waiting || peer->reports >= SKR_SOUTH_REPORTS_MAX)
        skr_peer_set_reading(peer, false);
}

/* Reads on when there is room again, starting with what has arrived meanwhile. */
static void go_on(struct skr_peer *peer)
{
    if (peer->state != SKR_PEER_OPEN || peer->waiting || peer->reports >= SKR_SOUTH_REPORTS_MAX)
        return;
    skr_peer_set_reading(peer, true);
    skr_peer_pump(peer);
}

void skr_report_retry(struct skr_peer *peer)
{
    if (submit(peer, peer->waiting) < 0)
        return;
    peer->waiting = NULL;
    go_on(peer);
}

void skr_report_written(struct skr_worker *worker, uint64_t session, void *request)
{
    struct report *report = request;
    struct skr_peer *peer = skr_peer_find(worker, session);
    if (peer && peer->state == SKR_PEER_OPEN) {
        bool was_full = peer->reports == SKR_SOUTH_REPORTS_MAX;
        peer->reports--;
        if (report->result == 0)
            answer(peer, report->envelope->report->sequence, report->model.accepted);
        else /* not answered it would be lost until the next connection: end this one, the agent tells everything again
              */
            skr_peer_goodbye(peer, "report_failed", 2000);
        if (was_full)
            go_on(peer);
    }
    skr_report_forget(report);
}
