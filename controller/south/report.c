/* Reports on their way to the database. A session's reports are taken one after the other, each in pieces (model.h):
 * one piece is in the writer's hands at a time. Those of a long report go by the way of long writes, each a transaction
 * of its own, so that other writes never wait for more than one of them; and the controller can stop between two. */
#include "controller/south/peer.h"
#include <errno.h>
#include <skerry/clock.h>

/* A Report that waits, or is in the writer's hands. */
struct skr_peer_report {
    struct skr_south *south;
    struct skr_worker_mail *mail; /* while it is in the writer's hands */
    Skerry__V1__Envelope *envelope;
    struct skr_report_write model;
    bool is_long, begun;
    bool begins_whole, belongs; /* to a whole report; first of its parts */
    int result;
    struct skr_peer_report *next;
};

void skr_report_forget(void *request)
{
    struct skr_peer_report *report = request;
    if (report->model.accepted)
        skerry__v1__report_accepted__free_unpacked(report->model.accepted, NULL);
    skr_report_names_free(report->model.names);
    skr_envelope_free(report->envelope);
    free(report);
}

void skr_report_forget_all(struct skr_peer *peer)
{
    for (struct skr_peer_report *report = peer->report_queue, *next; report; report = next) {
        next = report->next;
        skr_report_forget(report);
    }
    peer->report_queue = NULL;
    skr_report_names_free(peer->names);
    peer->names = NULL;
}

static int write_report(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct skr_peer_report *report = arg;
    return skr_model_report(txn, &report->model, error);
}

static void written(void *arg, int result, int64_t revision, const struct skr_error *error)
{
    static struct skr_log_limit limit;
    struct skr_peer_report *report = arg;
    struct skr_south *south = report->south;
    (void)revision;
    report->result = result;
    if (result < 0 && skr_log_allowed(&limit, 10))
        skr_log(SKR_LOG_WARNING, "a host's report could not be written", "reason='%s'", error ? error->detail : "");
    if (report->is_long)
        atomic_fetch_sub(&south->long_reports, 1);
    skr_worker_post(skr_worker_of(south, report->mail->session), report->mail);
    skr_south_written(south);
}

/* Long reports leave room among the long writes for those of people. */
static int give(struct skr_peer_report *report)
{
    struct skr_south *south = report->south;
    if (!report->is_long)
        return skr_south_write(south, write_report, written, report);
    int r = -EAGAIN;
    if (atomic_fetch_add(&south->long_reports, 1) < SKR_SOUTH_LONG_REPORTS_MAX)
        r = skr_south_write_bulk(south, write_report, written, report);
    if (r < 0)
        atomic_fetch_sub(&south->long_reports, 1);
    return r;
}

/* The next piece of the first report, when there is one and nothing is in the writer's hands. */
static void submit(struct skr_peer *peer)
{
    struct skr_peer_report *report = peer->report_queue;
    if (!report || peer->report_busy)
        return;
    report->mail = skr_worker_mail_new(SKR_MAIL_REPORTED, peer->session);
    report->mail->request = report;
    peer->report_queue = report->next;
    report->next = NULL;
    if (!report->begun && report->begins_whole) {
        skr_report_names_free(peer->names);
        peer->names = skr_report_names_new(report->model.received_ms);
    }
    report->begun = true;
    report->model.names = report->belongs ? SKR_TAKE(peer->names) : NULL;
    peer->report_busy = true;
    peer->report_blocked = false;
    if (give(report) == 0)
        return;
    free(SKR_TAKE(report->mail));
    if (report->belongs)
        peer->names = SKR_TAKE(report->model.names);
    report->next = peer->report_queue;
    peer->report_queue = report;
    peer->report_busy = false;
    peer->report_blocked = true;
    skr_peer_arm(peer);
}

static size_t items_of(const Skerry__V1__Report *report)
{
    return report->n_learned + report->n_interfaces + report->n_drift + report->n_bindings + report->n_claims +
           report->n_moved;
}

/* A whole report begins with its first part; a part that does not follow the last one belongs to none. */
static void follow_parts(struct skr_peer *peer, const Skerry__V1__Report *report, struct skr_peer_report *ret)
{
    ret->model.received_ms = skr_clock_wall_ms();
    ret->begins_whole = report->whole && report->part == 0;
    ret->belongs = ret->begins_whole || (report->part > 0 && report->part == peer->next_part);
    if (report->whole || report->part > 0)
        peer->next_part = ret->belongs && report->more ? report->part + 1 : 0;
}

static void append(struct skr_peer *peer, Skerry__V1__Envelope *envelope)
{
    struct skr_peer_report *report = calloc(1, sizeof(*report)), **end = &peer->report_queue;
    if (!report)
        abort();
    report->south = peer->worker->south;
    report->envelope = envelope;
    report->model = (struct skr_report_write){.host_id = peer->host_id,
                                              .report = envelope->report,
                                              .held = !peer->policy_open,
                                              .evidence = report->south->evidence};
    report->is_long = items_of(envelope->report) > SKR_REPORT_PIECE_MAX;
    follow_parts(peer, envelope->report, report);
    while (*end)
        end = &(*end)->next;
    *end = report;
    peer->reports++;
    atomic_fetch_add_explicit(&report->south->counters.reports, 1, memory_order_relaxed);
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
    return !report->whole && !report->part && !report->n_learned && !report->n_interfaces && !report->n_drift &&
           !report->n_bindings && !report->n_claims && !report->n_moved;
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
    append(peer, envelope);
    submit(peer);
    if (peer->reports >= SKR_SOUTH_REPORTS_MAX)
        skr_peer_set_reading(peer, false);
}

void skr_report_retry(struct skr_peer *peer)
{
    submit(peer);
}

/* Its pieces are all written. Reads on when there is room again, starting with what has arrived meanwhile. */
static void finish(struct skr_peer *peer)
{
    bool was_full = peer->reports == SKR_SOUTH_REPORTS_MAX;
    peer->reports--;
    submit(peer);
    if (was_full && peer->state == SKR_PEER_OPEN) {
        skr_peer_set_reading(peer, true);
        skr_peer_pump(peer);
    }
}

/* A holder that is not connected is asked when the other port shows the address again. */
static void ask_holders(const struct skr_peer *peer, const struct skr_report_write *write)
{
    struct skr_policy *policy = peer->worker->south->policy;
    for (size_t i = 0; policy && i < write->question_count; i++) {
        const struct skr_question *question = &write->questions[i];
        const struct skr_policy_command command = {.kind = SKERRY__V1__COMMAND__KIND__KIND_ASK,
                                                   .adapter_id = question->adapter_id,
                                                   .customer_address = question->address};
        skr_policy_command(policy, &question->host_id, &command);
    }
}

/* A piece of it was written. Each answer is small, because a piece is. */
static void piece_written(struct skr_peer *peer, struct skr_peer_report *report)
{
    Skerry__V1__ReportAccepted *accepted = report->model.accepted;
    bool done = report->model.done;
    peer->report_busy = false;
    if (report->belongs && (report->envelope->report->more || !done))
        peer->names = SKR_TAKE(report->model.names);
    if (!done) {
        report->model.begin = report->model.next;
        report->next = peer->report_queue;
        peer->report_queue = report;
    }
    ask_holders(peer, &report->model);
    accepted->more = !done;
    if (done || accepted->n_refusals)
        answer(peer, accepted->sequence, accepted);
    if (done)
        skr_report_forget(report);
    if (peer->state != SKR_PEER_OPEN)
        return; /* the answer ended it */
    if (done)
        finish(peer);
    else
        submit(peer);
}

void skr_report_written(struct skr_worker *worker, uint64_t session, void *request)
{
    struct skr_peer_report *report = request;
    struct skr_peer *peer = skr_peer_find(worker, session);
    report->mail = NULL; /* the caller frees it */
    if (peer && peer->state == SKR_PEER_OPEN && report->result == 0) {
        piece_written(peer, report);
        return;
    }
    /* Not answered it would be lost until the next connection: end this one, the agent tells everything again. */
    if (peer && peer->state == SKR_PEER_OPEN)
        skr_peer_goodbye(peer, "report_failed", 2000);
    skr_report_forget(report);
}
