#include "agent/south/session.h"
#include "agent/south/revision_proof.h"
#include "tests/unit/agent/build.h"
#include "tests/unit/agent/south/controller.h"
#include <event2/thread.h>
#include <sys/stat.h>
#include <unistd.h>

static struct controller controller;
static struct event_base *base;
static struct skr_identity *identity;
static struct skr_desired *desired;
static struct skr_report *report;
static struct skr_session *session;
static struct skr_error error;
static unsigned synced_count, connected_count;
static int64_t save_ms = 5;
static char cache[] = "/tmp/skerry-session-XXXXXX";
static const struct skr_uuid network = {{0xaa}};

static void on_synced(void *arg)
{
    (void)arg;
    synced_count++;
}

static void on_connected(void *arg, bool connected)
{
    (void)arg;
    connected_count += connected;
}

static unsigned refused_count;

static void on_refused(void *arg, const struct skr_uuid *adapter_id, const struct skr_address *address,
                       const char *reason)
{
    (void)arg, (void)adapter_id, (void)address, (void)reason;
    refused_count++;
}

static void start(bool (*script)(struct controller *controller, SSL *ssl, int connection))
{
    char *request, *certificate;
    controller_start(&controller, script);
    cr_assert_eq(skr_identity_prepare(NULL, &identity, &error), 0);
    cr_assert_eq(skr_tls_request_new(identity->tls, &request, &error), 0);
    cr_assert_eq(skr_tls_sign_host(controller.authority, request, &controller.host_id, skr_clock_wall_ms(), 3600000,
                                   &certificate, &error),
                 0);
    cr_assert_eq(skr_identity_enrolled(identity, &controller.host_id, controller.address, certificate,
                                       &controller.authority_pem, 1, &error),
                 0);
    free(request);
    free(certificate);
    close(mkstemp(cache));
    unlink(cache);
    base = event_base_new();
    skr_desired_new(&desired);
    skr_report_new(&report);
    struct skr_session_options options = {.base = base,
                                          .identity = identity,
                                          .desired = desired,
                                          .report = report,
                                          .fastpath = "memory",
                                          .cache_path = cache,
                                          .reconnect_ms = 10,
                                          .save_ms = save_ms,
                                          .connected = on_connected,
                                          .synced = on_synced,
                                          .refused = on_refused};
    cr_assert_eq(skr_session_new(&options, &session, &error), 0);
    skr_session_start(session);
}

/* Runs the loop until the script is through, ten seconds at most. */
static void run(void)
{
    int64_t until = skr_clock_monotonic_ns() + 10 * SKR_NS_PER_S;
    while (!atomic_load(&controller.done)) {
        struct timeval turn = {.tv_usec = 20000};
        cr_assert_lt(skr_clock_monotonic_ns(), until, "the script does not end");
        event_base_loopexit(base, &turn);
        event_base_dispatch(base);
    }
}

static void stop(void)
{
    skr_session_free(session);
    skr_report_free(report);
    skr_desired_free(desired);
    event_base_free(base);
    skr_identity_free(identity);
    controller_stop(&controller);
    unlink(cache);
    char beside[sizeof(cache) + 8];
    snprintf(beside, sizeof(beside), "%s.proof", cache);
    unlink(beside);
}

/* ---- what the controller says ---- */

static uint8_t database[16] = {0xdb}, proof[SKR_PROOF_SIZE] = {0x5a, 1, 2, [31] = 0xa5};

static void welcome(SSL *ssl, uint32_t keepalive_ms, bool rolled_back)
{
    Skerry__V1__Welcome body = SKERRY__V1__WELCOME__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    body.database_id = (ProtobufCBinaryData){16, database};
    body.incarnation = 1;
    body.digest_key_0 = test_key.k0;
    body.digest_key_1 = test_key.k1;
    body.keepalive_ms = keepalive_ms;
    body.rolled_back = rolled_back;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_WELCOME;
    envelope.welcome = &body;
    controller_write(ssl, &envelope);
}

static uint64_t send_delta(SSL *ssl, uint64_t version, uint64_t lie)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, version);
    uint64_t digest = delta_upsert(delta, RECORD, test_id(0xec, 1),
                                   body_record(5001, 0x0a000005, 1, 0xc0000202, test_id(5, 2), test_id(0xad, 1)));
    delta->digest = digest + lie;
    delta->revision = 40;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_DELTA;
    envelope.delta = delta;
    controller_write(ssl, &envelope);
    delta_free(delta);
    return digest;
}

static uint64_t root_of(uint64_t digest)
{
    uint8_t bytes[25] = {DOMAIN_SCOPE};
    memcpy(bytes + 1, network.bytes, 16);
    for (int i = 0; i < 8; i++)
        bytes[17 + i] = (uint8_t)(digest >> (8 * i));
    return skr_siphash(&test_key, bytes, sizeof(bytes));
}

static void goodbye(SSL *ssl, const char *reason)
{
    Skerry__V1__Goodbye body = SKERRY__V1__GOODBYE__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    body.reason = (char *)reason;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_GOODBYE;
    envelope.goodbye = &body;
    controller_write(ssl, &envelope);
}

static void expect_and_forget(SSL *ssl, Skerry__V1__Envelope__BodyCase body)
{
    Skerry__V1__Envelope *envelope = controller_expect(ssl, body);
    cr_assert(envelope, "message %d did not come", (int)body);
    skr_envelope_free(envelope);
}

/* ---- a session, and the next one knows what the first was told ---- */

static bool two_sessions(struct controller *c, SSL *ssl, int connection)
{
    Skerry__V1__Envelope *hello = controller_expect(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    (void)c;
    cr_assert(hello);
    cr_assert_eq(hello->hello->session_number, (uint64_t)connection + 1);
    cr_assert_str_eq(hello->hello->fastpath, "memory");
    if (connection == 1) {
        cr_assert_eq(hello->hello->revision, 41);
        cr_assert_neq(hello->hello->root_digest, 0);
        cr_assert_eq(hello->hello->database_id.len, 16);
        cr_assert(hello->hello->proof, "what the controller proved is shown");
        cr_assert_eq(hello->hello->proof->revision, 41);
        cr_assert_arr_eq(hello->hello->proof->database_id.data, database, 16);
        cr_assert_arr_eq(hello->hello->proof->mac.data, proof, sizeof(proof));
        skr_envelope_free(hello);
        return false;
    }
    cr_assert_eq(hello->hello->database_id.len, 0);
    cr_assert_null(hello->hello->proof);
    skr_envelope_free(hello);
    welcome(ssl, 1000, false);
    uint64_t digest = send_delta(ssl, 3, 0);
    Skerry__V1__Envelope *applied = controller_expect(ssl, SKERRY__V1__ENVELOPE__BODY_APPLIED);
    cr_assert(applied);
    cr_assert_eq(applied->applied->version, 3);
    cr_assert_eq(applied->applied->digest, digest);
    skr_envelope_free(applied);
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Synced synced = SKERRY__V1__SYNCED__INIT;
    synced.revision = 41;
    synced.proof = (ProtobufCBinaryData){sizeof(proof), proof};
    synced.root_digest = root_of(digest);
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_SYNCED;
    envelope.synced = &synced;
    controller_write(ssl, &envelope);
    Skerry__V1__Ping ping = SKERRY__V1__PING__INIT;
    ping.sequence = 77;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_PING;
    envelope.ping = &ping;
    controller_write(ssl, &envelope);
    Skerry__V1__Envelope *pong = controller_expect(ssl, SKERRY__V1__ENVELOPE__BODY_PONG);
    cr_assert(pong && pong->pong->sequence == 77);
    skr_envelope_free(pong);
    return true;
}

Test(session, applies_and_comes_back_with_what_it_knows)
{
    start(two_sessions);
    run();
    cr_assert_eq(connected_count, 1);
    cr_assert_eq(synced_count, 1);
    struct skr_session_status status;
    skr_session_status(session, &status);
    cr_assert_gt(status.certificate_until_ms, skr_clock_wall_ms());
    struct skr_desired *again;
    uint64_t root = skr_desired_root_digest(desired);
    skr_session_free(session);
    session = NULL;
    skr_desired_new(&again);
    cr_assert_eq(skr_desired_load(again, cache, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_desired_root_digest(again), root);
    struct skr_revision_proof kept;
    skr_revision_proof_load(&kept, cache);
    cr_assert(kept.there && kept.revision == 41, "an agent that is restarted shows it too");
    cr_assert_arr_eq(kept.database_id.bytes, database, 16);
    cr_assert_arr_eq(kept.mac, proof, sizeof(proof));
    skr_desired_free(again);
    stop();
}

/* A controller that was made anew, as its hosts see it. */
static bool nobody_comes(struct controller *c, SSL *ssl, int connection)
{
    (void)c, (void)ssl, (void)connection;
    cr_assert_fail("the agent trusts another authority");
    return false;
}

Test(session, says_that_the_controller_is_another_and_what_to_do)
{
    struct skr_tls_identity *former;
    struct skr_session_status status = {0};
    char *pem;
    int64_t until = skr_clock_monotonic_ns() + 10 * SKR_NS_PER_S;
    start(nobody_comes);
    cr_assert_eq(skr_tls_authority_new("former", skr_clock_wall_ms(), &former, NULL), 0);
    cr_assert_eq(skr_tls_identity_certificate_pem(former, &pem), 0);
    cr_assert_eq(skr_identity_update(identity, NULL, &pem, 1, &error), 0);
    while (!status.last_error[0] && skr_clock_monotonic_ns() < until) {
        event_base_loop(base, EVLOOP_ONCE);
        skr_session_status(session, &status);
    }
    cr_assert(strstr(status.last_error, controller.address) && strstr(status.last_error, "another authority") &&
                      strstr(status.last_error, "join again"),
              "%s", status.last_error);
    free(pem);
    skr_tls_identity_free(former);
    stop();
}

static bool silence(struct controller *c, SSL *ssl, int connection)
{
    (void)c;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    if (connection == 1)
        return false;
    welcome(ssl, 100, false);
    while (true) { /* reads, says nothing, until the agent has had enough */
        Skerry__V1__Envelope *envelope = controller_read(ssl);
        if (!envelope)
            return true;
        skr_envelope_free(envelope);
    }
}

Test(session, leaves_a_silent_controller)
{
    start(silence);
    run();
    cr_assert_eq(atomic_load(&controller.connections), 2);
    stop();
}

#define PERIOD_MS 600

static int64_t silent_ms;

/* Heard for the last time between two ticks of the agent. */
static bool one_more_word(struct controller *c, SSL *ssl, int connection)
{
    Skerry__V1__Envelope *envelope;
    (void)c;
    (void)connection;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    welcome(ssl, PERIOD_MS, false);
    usleep(PERIOD_MS / 2 * 1000); /* the condition itself */
    welcome(ssl, PERIOD_MS, false);
    int64_t start_ns = skr_clock_monotonic_ns();
    while ((envelope = controller_read(ssl)))
        skr_envelope_free(envelope);
    silent_ms = (skr_clock_monotonic_ns() - start_ns) / SKR_NS_PER_MS;
    return false;
}

Test(session, leaves_after_three_silent_periods_and_not_after_four)
{
    start(one_more_word);
    run();
    cr_expect_geq(silent_ms, 3 * PERIOD_MS - 100, "%lld", (long long)silent_ms);
    cr_expect_lt(silent_ms, 3 * PERIOD_MS + PERIOD_MS / 3, "%lld", (long long)silent_ms);
    stop();
}

static bool outside_time(struct controller *c, SSL *ssl, int connection)
{
    if (connection == 0) {
        expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
        goodbye(ssl, "certificate_outside_its_time");
        skr_envelope_free(controller_read(ssl));
        return true;
    }
    if (connection == 2) {
        expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
        return false;
    }
    char *certificate;
    Skerry__V1__Envelope *request = controller_read(ssl), envelope = SKERRY__V1__ENVELOPE__INIT;
    cr_assert(request && request->body_case == SKERRY__V1__ENVELOPE__BODY_RENEW);
    cr_assert_eq(skr_tls_sign_host(c->authority, request->renew->certificate_request, &c->host_id, skr_clock_wall_ms(),
                                   7200000, &certificate, NULL),
                 0);
    skr_envelope_free(request);
    Skerry__V1__Renewed body = SKERRY__V1__RENEWED__INIT;
    body.certificate = certificate;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_RENEWED;
    envelope.renewed = &body;
    controller_write(ssl, &envelope);
    free(certificate);
    skr_envelope_free(controller_read(ssl));
    return true;
}

Test(session, renews_when_the_controller_says_it_is_late)
{
    start(outside_time);
    char *before = strdup(identity->certificate);
    run();
    cr_assert_str_neq(identity->certificate, before);
    free(before);
    stop();
}

#define WISH_MS 40
#define TIMES   4

static int64_t came_ns[TIMES];

static bool displaced(struct controller *c, SSL *ssl, int connection)
{
    Skerry__V1__Goodbye body = SKERRY__V1__GOODBYE__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    (void)c;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    came_ns[connection] = skr_clock_monotonic_ns();
    welcome(ssl, 1000, false);
    body.reason = "newer_session";
    body.reconnect_after_ms = WISH_MS;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_GOODBYE;
    envelope.goodbye = &body;
    controller_write(ssl, &envelope);
    return connection < TIMES - 1;
}

/* Two agents with one identity do not take the session from each other at one pace for ever. */
Test(session, comes_back_more_and_more_slowly_when_another_has_its_identity)
{
    start(displaced);
    run();
    for (int i = 1; i < TIMES; i++)
        cr_expect_geq(came_ns[i] - came_ns[i - 1], (WISH_MS << (i - 1)) * SKR_NS_PER_MS, "%d", i);
    stop();
}

static bool set_back(struct controller *c, SSL *ssl, int connection)
{
    (void)c;
    (void)connection;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    welcome(ssl, 100, true);
    Skerry__V1__Envelope *envelope = controller_expect(ssl, SKERRY__V1__ENVELOPE__BODY_REPORT);
    cr_assert(envelope && envelope->report->whole && envelope->report->n_held == 1, "the port, not the record");
    const Skerry__V1__HeldObject *held = envelope->report->held[0];
    struct skr_uuid port = test_id(0xad, 7);
    cr_expect(held->type == PORT && held->id.len == 16 && !memcmp(held->id.data, port.bytes, 16));
    cr_expect(held->vm_network_id.len == 16 && !memcmp(held->vm_network_id.data, network.bytes, 16));
    cr_expect_str_eq(held->name, "vm7");
    skr_envelope_free(envelope);
    send_delta(ssl, 3, 0);
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_PING);
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_PING);
    return false;
}

/* As a cache from before the database was set back would. */
static void hold_a_port(void)
{
    Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, test_id(5, 1), 0, 1);
    Skerry__V1__Port *port = (Skerry__V1__Port *)body_port(network, 5001, 7);
    bool complete;
    free(port->name);
    port->name = strdup("vm7");
    delta->digest = delta_upsert(delta, PORT, test_id(0xad, 7), &port->base);
    skr_desired_delta(desired, delta, &complete, NULL);
    delta_free(delta);
    delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    delta->digest = delta_upsert(delta, RECORD, test_id(0xec, 9),
                                 body_record(5001, 0x0a000005, 1, 0xc0000202, test_id(5, 2), test_id(0xad, 1)));
    skr_desired_delta(desired, delta, &complete, NULL);
    delta_free(delta);
}

Test(session, changes_nothing_for_a_database_that_was_set_back)
{
    start(set_back);
    hold_a_port();
    uint64_t before = skr_desired_root_digest(desired);
    run();
    struct skr_uuid known = skr_desired_database_id(desired);
    cr_assert(skr_uuid_is_nil(&known));
    cr_assert_neq(before, 0);
    cr_assert_eq(skr_desired_root_digest(desired), before);
    cr_assert_eq(connected_count, 1);
    stop();
}

static bool lies(struct controller *c, SSL *ssl, int connection)
{
    (void)c;
    (void)connection;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    welcome(ssl, 1000, false);
    send_delta(ssl, 3, 1);
    Skerry__V1__Envelope *resync = controller_expect(ssl, SKERRY__V1__ENVELOPE__BODY_RESYNC);
    cr_assert(resync);
    cr_assert_eq(resync->resync->version, 3);
    skr_envelope_free(resync);
    return false;
}

Test(session, asks_again_when_the_digest_differs)
{
    start(lies);
    run();
    stop();
}

static bool garbage(struct controller *c, SSL *ssl, int connection)
{
    (void)c;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    static const uint8_t frames[3][8] = {{0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 2, 0xff, 0xff}, {0, 0, 0, 0}};
    if (connection < 3) {
        SSL_write(ssl, frames[connection], 8);
        skr_envelope_free(controller_read(ssl));
    }
    return connection < 3;
}

Test(session, leaves_a_controller_that_sends_garbage)
{
    start(garbage);
    run();
    cr_assert_eq(atomic_load(&controller.connections), 4);
    cr_assert_eq(connected_count, 0);
    stop();
}

/* ---- reports ---- */

static void accept_report(SSL *ssl, uint64_t sequence)
{
    Skerry__V1__ReportAccepted body = SKERRY__V1__REPORT_ACCEPTED__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    body.sequence = sequence;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_REPORT_ACCEPTED;
    envelope.report_accepted = &body;
    controller_write(ssl, &envelope);
}

/* The empty agent agrees with a controller that has nothing for it. */
static void agree(SSL *ssl, uint64_t root_digest)
{
    Skerry__V1__Synced body = SKERRY__V1__SYNCED__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    body.revision = 40;
    body.root_digest = root_digest;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_SYNCED;
    envelope.synced = &body;
    controller_write(ssl, &envelope);
}

static Skerry__V1__Envelope *expect_report(SSL *ssl)
{
    Skerry__V1__Envelope *envelope = controller_expect(ssl, SKERRY__V1__ENVELOPE__BODY_REPORT);
    cr_assert_not_null(envelope);
    return envelope;
}

static bool hear_reports(struct controller *c, SSL *ssl, int connection)
{
    (void)c;
    (void)connection;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    welcome(ssl, 1000, false);
    agree(ssl, 0);
    Skerry__V1__Envelope *envelope = expect_report(ssl);
    if (!envelope->report->whole) { /* what had not been told yet need not wait */
        accept_report(ssl, envelope->report->sequence);
        skr_envelope_free(envelope);
        envelope = expect_report(ssl);
    }
    cr_assert(envelope->report->whole);
    cr_assert_eq(envelope->report->n_bindings, 1);
    cr_assert_eq(envelope->report->n_learned, 0, "withdrawn before anybody heard of it");
    accept_report(ssl, envelope->report->sequence);
    skr_envelope_free(envelope);
    send_delta(ssl, 1, 0);
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_APPLIED);
    envelope = expect_report(ssl);
    cr_assert_not(envelope->report->whole);
    cr_assert_eq(envelope->report->n_bindings, 0);
    cr_assert_eq(envelope->report->n_claims, 1);
    skr_envelope_free(envelope);
    return false;
}

static void claim(void *arg, const struct skr_desired_change *changes, size_t count)
{
    struct skr_uuid id = test_id(0xad, 9);
    (void)arg;
    (void)changes;
    (void)count;
    skr_report_claim(report, &id, "tap9", true);
}

Test(session, reports_all_and_then_differences)
{
    struct skr_uuid adapter = test_id(0xad, 1);
    struct skr_learned learned = {.adapter_id = adapter,
                                  .evidence = SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE};
    start(hear_reports);
    skr_report_binding(report, &adapter, true, "tap1", NULL);
    skr_report_learned(report, &learned);
    learned.withdrawn = true;
    skr_report_learned(report, &learned);
    skr_desired_listen(desired, claim, NULL);
    run();
    stop();
}

/* An agent whose cache was lost knows nothing of its ports: it must not say that they have nothing. */
static bool hear_after_sync(struct controller *c, SSL *ssl, int connection)
{
    (void)c;
    (void)connection;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    welcome(ssl, 1000, false);
    Skerry__V1__Envelope *envelope = expect_report(ssl);
    cr_assert_not(envelope->report->whole, "before it has its scopes");
    accept_report(ssl, envelope->report->sequence);
    skr_envelope_free(envelope);
    uint64_t digest = send_delta(ssl, 1, 0);
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_APPLIED);
    agree(ssl, root_of(digest));
    do {
        envelope = expect_report(ssl);
        bool whole = envelope->report->whole;
        cr_assert(!whole || envelope->report->n_claims == 1, "with what the scopes have brought");
        accept_report(ssl, envelope->report->sequence);
        skr_envelope_free(envelope);
        if (whole)
            return false;
    } while (true);
}

Test(session, a_whole_report_waits_until_the_host_knows_what_it_has)
{
    struct skr_uuid adapter = test_id(0xad, 1);
    start(hear_after_sync);
    skr_report_binding(report, &adapter, true, "tap1", NULL);
    skr_desired_listen(desired, claim, NULL);
    run();
    stop();
}

/* Refusals in several answers: the report is over with the last of them. */
static bool refuse_in_parts(struct controller *c, SSL *ssl, int connection)
{
    Skerry__V1__ReportAccepted body = SKERRY__V1__REPORT_ACCEPTED__INIT;
    Skerry__V1__Refusal refusal = SKERRY__V1__REFUSAL__INIT, *list[] = {&refusal};
    Skerry__V1__Envelope answer = SKERRY__V1__ENVELOPE__INIT;
    (void)c;
    (void)connection;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    welcome(ssl, 1000, false);
    Skerry__V1__Envelope *envelope = expect_report(ssl);
    cr_assert_eq(envelope->report->n_learned, 1);
    const Skerry__V1__LearnedAddress *learned = envelope->report->learned[0];
    refusal.adapter_id = learned->adapter_id;
    refusal.customer_address = learned->customer_address;
    refusal.number = learned->number;
    refusal.reason = "no";
    body.sequence = envelope->report->sequence;
    body.refusals = list;
    body.n_refusals = 1;
    body.more = true;
    answer.body_case = SKERRY__V1__ENVELOPE__BODY_REPORT_ACCEPTED;
    answer.report_accepted = &body;
    controller_write(ssl, &answer);
    accept_report(ssl, envelope->report->sequence);
    skr_envelope_free(envelope);
    agree(ssl, 0);
    envelope = expect_report(ssl);
    cr_assert(envelope->report->whole);
    cr_assert_eq(envelope->report->n_learned, 0, "what was refused is not repeated");
    skr_envelope_free(envelope);
    return false;
}

Test(session, refusals_are_heard_and_not_told_again)
{
    const struct skr_learned learned = {.adapter_id = test_id(0xad, 1),
                                        .customer_address = test_address(0x0a000005),
                                        .evidence = SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE};
    start(refuse_in_parts);
    skr_report_learned(report, &learned);
    run();
    cr_assert_eq(refused_count, 1);
    stop();
}

/* ---- what must survive ---- */

static bool take_away(struct controller *c, SSL *ssl, int connection)
{
    Skerry__V1__ScopeRemoved body = SKERRY__V1__SCOPE_REMOVED__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    (void)c;
    (void)connection;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    welcome(ssl, 1000, false);
    send_delta(ssl, 1, 0);
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_APPLIED);
    body.kind = DOMAIN_SCOPE;
    body.id = (ProtobufCBinaryData){16, (uint8_t *)network.bytes};
    body.version = 2;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_SCOPE_REMOVED;
    envelope.scope_removed = &body;
    controller_write(ssl, &envelope);
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_APPLIED);
    return false;
}

/* Killed before the cache is written, it must not come back with a VM network that was taken from it. */
Test(session, a_scope_that_was_taken_away_is_not_back_after_a_kill)
{
    struct skr_desired *again;
    save_ms = 600000;
    start(take_away);
    cr_assert_eq(skr_desired_save(desired, cache), 0);
    run();
    skr_desired_new(&again);
    cr_assert_eq(skr_desired_load(again, cache, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_desired_root_digest(again), 0);
    skr_desired_free(again);
    stop();
}

static bool one_delta(struct controller *c, SSL *ssl, int connection)
{
    Skerry__V1__Envelope *envelope;
    (void)c;
    (void)connection;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    welcome(ssl, 5000, false);
    send_delta(ssl, 1, 0);
    while ((envelope = controller_read(ssl)))
        skr_envelope_free(envelope);
    return false;
}

static void turn(void)
{
    struct timeval turn = {.tv_usec = 20000};
    event_base_loopexit(base, &turn);
    event_base_dispatch(base);
}

/* A disk that was full for a moment: the cache is written later, although nothing more changes. */
Test(session, a_cache_that_could_not_be_written_is_written_later)
{
    int64_t until = skr_clock_monotonic_ns() + 10 * SKR_NS_PER_S;
    struct skr_session_status status = {0};
    start(one_delta);
    cr_assert_eq(mkdir(cache, 0700), 0); /* no file can be renamed over it */
    while (!status.deltas) {
        turn();
        skr_session_status(session, &status);
        cr_assert_lt(skr_clock_monotonic_ns(), until);
    }
    for (int i = 0; i < 10; i++) /* it has tried, and failed */
        turn();
    cr_assert_eq(rmdir(cache), 0);
    while (access(cache, F_OK) != 0) {
        turn();
        cr_assert_lt(skr_clock_monotonic_ns(), until, "the cache is not written");
    }
    stop();
}

static void fail(void *arg, const struct skr_desired_change *changes, size_t count)
{
    (void)arg;
    for (size_t i = 0; i < count; i++)
        skr_desired_failure_set(desired, changes[i].scope, &changes[i].scope_id, changes[i].type, &changes[i].id,
                                SKR_DESIRED_ENTRIES, "table_full: no room");
}

static void ping_twice(SSL *ssl)
{
    for (uint64_t i = 1; i <= 2; i++) {
        Skerry__V1__Ping body = SKERRY__V1__PING__INIT;
        Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT, *answer;
        body.sequence = i;
        envelope.body_case = SKERRY__V1__ENVELOPE__BODY_PING;
        envelope.ping = &body;
        controller_write(ssl, &envelope);
        while ((answer = controller_read(ssl)) && answer->body_case != SKERRY__V1__ENVELOPE__BODY_PONG) {
            cr_assert_neq(answer->body_case, SKERRY__V1__ENVELOPE__BODY_APPLIED, "nobody listens to it yet");
            skr_envelope_free(answer);
        }
        cr_assert_not_null(answer);
        skr_envelope_free(answer);
    }
}

static void expect_failure(SSL *ssl)
{
    Skerry__V1__Envelope *applied = controller_expect(ssl, SKERRY__V1__ENVELOPE__BODY_APPLIED);
    cr_assert_not_null(applied);
    cr_assert_eq(applied->applied->n_failures, 1);
    skr_envelope_free(applied);
}

static bool hear_failures_twice(struct controller *c, SSL *ssl, int connection)
{
    static uint64_t digest;
    (void)c;
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    welcome(ssl, 5000, false);
    if (connection == 0) {
        digest = send_delta(ssl, 1, 0);
        expect_failure(ssl);
        goodbye(ssl, "controller_stops");
        return true;
    }
    ping_twice(ssl);
    agree(ssl, root_of(digest));
    expect_failure(ssl);
    return false;
}

/* A controller that has started anew knows nothing of failures, and hears of them once it has compared. */
Test(session, failures_are_told_in_each_session_after_the_comparison)
{
    start(hear_failures_twice);
    skr_desired_listen(desired, fail, NULL);
    run();
    stop();
}

static bool disagree_now_and_then(struct controller *c, SSL *ssl, int connection)
{
    (void)c;
    cr_assert_eq(connection, 0, "the session ended");
    expect_and_forget(ssl, SKERRY__V1__ENVELOPE__BODY_HELLO);
    welcome(ssl, 5000, false);
    for (int i = 0; i < 3; i++) {
        agree(ssl, 4711); /* scopes are on their way */
        agree(ssl, 4711);
        agree(ssl, 0);
    }
    ping_twice(ssl);
    return false;
}

Test(session, digests_that_differ_in_between_do_not_end_it)
{
    start(disagree_now_and_then);
    run();
    cr_assert_eq(atomic_load(&controller.connections), 1);
    stop();
}
