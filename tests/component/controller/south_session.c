#include "controller/jobs/jobs.h"
#include "tests/component/controller/south_scene.h"
#include <poll.h>
#include <stdlib.h>

#define DAY_MS 86400000LL

static struct scene scene;

static void begin(void)
{
    scene_begin(&scene, NULL);
}

static void end(void)
{
    scene_end(&scene);
}

TestSuite(south_session, .init = begin, .fini = end, .timeout = 120);

static void enrol(struct agent *agent)
{
    struct token token = scene_token(&scene, 1, false);
    agent_enrol(&scene, agent, &token);
}

static uint64_t sessions(void)
{
    struct skr_south_stats stats;
    skr_south_stats(scene.south, &stats);
    return stats.sessions;
}

/* Waits for a condition that the controller meets on its own time; 5 s at most, and no longer than needed. */
#define EVENTUALLY(condition)                                                                                          \
    do {                                                                                                               \
        int64_t until_ns = skr_clock_monotonic_ns() + 5 * SKR_NS_PER_S;                                                \
        while (!(condition) && skr_clock_monotonic_ns() < until_ns)                                                    \
            poll(NULL, 0, 10);                                                                                         \
        cr_assert(condition);                                                                                          \
    } while (0)

static bool host_is(const struct skr_uuid *host_id, const char *agent_version)
{
    struct skr_object *host = scene_host(&scene, host_id);
    const char *version = skr_object_text(host, SKR_HOST_AGENT_VERSION);
    bool is = version && strcmp(version, agent_version) == 0 && skr_object_has(host, SKR_HOST_LAST_SEEN_AT) &&
              skr_object_integer(host, SKR_HOST_CERTIFICATE_EXPIRES_AT) > skr_clock_wall_ms();
    skr_object_unref(host);
    return is;
}

Test(south_session, hello_is_welcomed_and_the_host_is_seen)
{
    struct agent agent;
    struct wire wire;
    int64_t since_ms;
    enrol(&agent);
    cr_assert(wire_open(&scene, &agent, &wire));
    wire_hello(&scene, &wire, &agent, 0);
    Skerry__V1__Envelope *answer = wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_WELCOME);
    struct skr_uuid database = skr_store_database_id(scene.store);
    cr_assert_arr_eq(answer->welcome->database_id.data, database.bytes, 16);
    cr_assert_eq(answer->welcome->incarnation, skr_store_incarnation(scene.store));
    cr_assert_str_eq(answer->welcome->authorities[0], skr_south_authority_pem(scene.south));
    skr_envelope_free(answer);
    cr_assert_eq(sessions(), 1);
    EVENTUALLY(skr_realization_host_online(scene.realizations, &agent.host_id, &since_ms));
    EVENTUALLY(host_is(&agent.host_id, "test-1"));
    wire_close(&wire);
    EVENTUALLY(sessions() == 0);
    EVENTUALLY(!skr_realization_host_online(scene.realizations, &agent.host_id, &since_ms));
    agent_done(&agent);
}

Test(south_session, ping_is_answered)
{
    struct agent agent;
    struct wire wire;
    enrol(&agent);
    wire_session(&scene, &agent, &wire);
    wire_ping(&wire);
    wire_close(&wire);
    agent_done(&agent);
}

Test(south_session, reports_are_accepted_one_by_one)
{
    struct agent agent;
    struct wire wire;
    enrol(&agent);
    wire_session(&scene, &agent, &wire);
    for (uint64_t i = 1; i <= 30; i++) {
        Skerry__V1__Report report = SKERRY__V1__REPORT__INIT;
        Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
        report.sequence = i;
        report.whole = true;
        envelope.body_case = SKERRY__V1__ENVELOPE__BODY_REPORT;
        envelope.report = &report;
        wire_send(&wire, &envelope);
    }
    for (uint64_t i = 1; i <= 30; i++) {
        Skerry__V1__Envelope *accepted = wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_REPORT_ACCEPTED);
        cr_assert_eq(accepted->report_accepted->sequence, i);
        skr_envelope_free(accepted);
    }
    wire_close(&wire);
    agent_done(&agent);
}

/* The lines of /metrics about hosts; the caller frees the text. */
static char *metrics(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    skr_south_metrics(scene.south, out);
    fclose(out);
    return text;
}

Test(south_session, counters_are_shown_and_not_written)
{
    struct agent agent;
    struct wire wire;
    char id[SKR_UUID_TEXT_MAX], line[128];
    Skerry__V1__Report report = SKERRY__V1__REPORT__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    struct skr_store_stats before, after;
    enrol(&agent);
    wire_session(&scene, &agent, &wire);
    report.sequence = 9;
    report.dropped_packets = 41;
    report.rx_packets = 42;
    report.tx_packets = 43;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_REPORT;
    envelope.report = &report;
    skr_store_stats(scene.store, &before);
    for (int i = 0; i < 20; i++) {
        wire_send(&wire, &envelope);
        Skerry__V1__Envelope *accepted = wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_REPORT_ACCEPTED);
        cr_assert_eq(accepted->report_accepted->sequence, 9);
        skr_envelope_free(accepted);
    }
    skr_store_stats(scene.store, &after);
    cr_assert_lt(after.writes - before.writes, 20); /* that the host was seen may be among them */
    SKR_CLEANUP(skr_free_cleanup) char *text = metrics();
    snprintf(line, sizeof(line), "skerry_host_dropped_packets_total{host_id=\"%s\"} 41\n",
             skr_uuid_format(&agent.host_id, id));
    cr_assert(strstr(text, line), "%s", text);
    cr_assert(strstr(text, "skerry_host_rx_packets{"));
    cr_assert(strstr(text, "} 43\n"));
    wire_close(&wire);
    agent_done(&agent);
}

Test(south_session, the_first_frame_must_be_hello)
{
    struct agent agent;
    struct wire wire;
    Skerry__V1__Ping ping = SKERRY__V1__PING__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    enrol(&agent);
    cr_assert(wire_open(&scene, &agent, &wire));
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_PING;
    envelope.ping = &ping;
    wire_send(&wire, &envelope);
    wire_goodbye(&wire, "hello_expected");
    cr_assert(wire_ends(&wire));
    cr_assert_eq(sessions(), 0);
    wire_close(&wire);
    agent_done(&agent);
}

Test(south_session, revocation_ends_it_within_a_second_and_for_good)
{
    struct agent agent;
    struct wire wire;
    enrol(&agent);
    wire_session(&scene, &agent, &wire);
    int64_t begin_ns = skr_clock_monotonic_ns();
    scene_host_action(&scene, &agent.host_id, "revoke");
    wire_goodbye(&wire, "") /* south or the policy, whoever hears of it first */;
    cr_assert_lt(skr_clock_monotonic_ns() - begin_ns, SKR_NS_PER_S);
    Skerry__V1__Envelope *more = wire_receive(&wire); /* the other may say it too; nothing else follows */
    cr_assert(!more || more->body_case == SKERRY__V1__ENVELOPE__BODY_GOODBYE);
    cr_assert(!more || wire_ends(&wire));
    skr_envelope_free(more);
    wire_close(&wire);

    cr_assert(wire_open(&scene, &agent, &wire));
    wire_hello(&scene, &wire, &agent, 0);
    wire_goodbye(&wire, "");
    cr_assert(wire_ends(&wire));
    EVENTUALLY(sessions() == 0);
    wire_close(&wire);
    agent_done(&agent);
}

/* A certificate of our authority is not enough: the key must be the one that the host enrolled with. */
Test(south_session, another_key_does_not_speak_for_the_host)
{
    struct agent agent, other;
    struct wire wire;
    enrol(&agent);
    agent_new(&other);
    other.host_id = agent.host_id;
    agent_sign(&scene, &other, skr_clock_wall_ms(), DAY_MS);
    cr_assert(wire_open(&scene, &other, &wire));
    wire_hello(&scene, &wire, &other, 0);
    wire_goodbye(&wire, "");
    wire_close(&wire);
    agent_done(&other);
    agent_done(&agent);
}

Test(south_session, a_newer_one_ends_the_older)
{
    struct agent agent;
    struct wire older, newer, stale;
    enrol(&agent);
    wire_session(&scene, &agent, &older);
    wire_session(&scene, &agent, &newer);
    wire_goodbye(&older, "newer_session");
    cr_assert(wire_ends(&older));
    EVENTUALLY(sessions() == 1);
    /* A message of an older session that arrives late does not end the newer session. */
    agent.session_number = 0;
    cr_assert(wire_open(&scene, &agent, &stale));
    wire_hello(&scene, &stale, &agent, 0);
    wire_goodbye(&stale, "A newer session");
    cr_assert_eq(sessions(), 1);
    wire_close(&older);
    wire_close(&newer);
    wire_close(&stale);
    agent_done(&agent);
}

static void send_renew(struct wire *wire, const struct agent *agent)
{
    Skerry__V1__Renew renew = SKERRY__V1__RENEW__INIT;
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    renew.certificate_request = agent->request;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_RENEW;
    envelope.renew = &renew;
    wire_send(wire, &envelope);
}

static void take_renewal(struct wire *wire, struct agent *agent)
{
    struct skr_error error = {0};
    int64_t from, to;
    Skerry__V1__Envelope *renewed = wire_expect(wire, SKERRY__V1__ENVELOPE__BODY_RENEWED);
    cr_assert_null(renewed->renewed->error, "%s", renewed->renewed->error->detail);
    cr_assert_eq(skr_tls_identity_set_certificate(agent->identity, renewed->renewed->certificate, &error), 0);
    cr_assert_eq(skr_tls_certificate_times(renewed->renewed->certificate, &from, &to, &error), 0);
    cr_assert_gt(to, skr_clock_wall_ms() + DAY_MS / 2);
    cr_assert_eq(renewed->renewed->n_authorities, 1);
    skr_envelope_free(renewed);
}

Test(south_session, a_running_one_renews)
{
    struct agent agent;
    struct wire wire;
    enrol(&agent);
    wire_session(&scene, &agent, &wire);
    send_renew(&wire, &agent);
    take_renewal(&wire, &agent);
    wire_close(&wire);
    wire_session(&scene, &agent, &wire);
    wire_close(&wire);
    agent_done(&agent);
}

Test(south_session, an_expired_certificate_may_renew_and_nothing_else)
{
    struct agent agent;
    struct wire wire;
    enrol(&agent);
    agent_sign(&scene, &agent, skr_clock_wall_ms() - 7 * DAY_MS, DAY_MS);
    cr_assert(wire_open(&scene, &agent, &wire));
    wire_hello(&scene, &wire, &agent, 0);
    wire_goodbye(&wire, "certificate_outside_its_time");
    wire_close(&wire);

    cr_assert(wire_open(&scene, &agent, &wire));
    send_renew(&wire, &agent);
    take_renewal(&wire, &agent);
    wire_goodbye(&wire, "renewed");
    cr_assert(wire_ends(&wire));
    wire_close(&wire);
    wire_session(&scene, &agent, &wire);
    wire_close(&wire);
    agent_done(&agent);
}

static void assert_renewal_refused(struct agent *agent, const struct agent *request_of)
{
    struct wire wire;
    cr_assert(wire_open(&scene, agent, &wire));
    send_renew(&wire, request_of);
    Skerry__V1__Envelope *renewed = wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_RENEWED);
    cr_assert_not_null(renewed->renewed->error);
    cr_assert_str_eq(renewed->renewed->error->tag, "forbidden");
    cr_assert_str_eq(renewed->renewed->certificate, "");
    skr_envelope_free(renewed);
    wire_goodbye(&wire, "renewal_refused");
    wire_close(&wire);
}

Test(south_session, renewals_are_refused_too_late_for_another_key_or_when_revoked)
{
    struct agent agent, other;
    enrol(&agent);
    agent_new(&other);
    agent_sign(&scene, &agent, skr_clock_wall_ms() - 367 * DAY_MS, DAY_MS);
    assert_renewal_refused(&agent, &agent);
    agent_sign(&scene, &agent, skr_clock_wall_ms() - 7 * DAY_MS, DAY_MS);
    assert_renewal_refused(&agent, &other);
    scene_host_action(&scene, &agent.host_id, "revoke");
    assert_renewal_refused(&agent, &agent);
    agent_done(&other);
    agent_done(&agent);
}

/* A version that is too old is told so, with both numbers; a newer one than ours speaks ours too. */
Test(south_session, versions_that_do_not_fit_are_named)
{
    struct agent agent;
    struct wire wire;
    enrol(&agent);
    for (uint32_t version = 0; version <= 2; version += 2) {
        Skerry__V1__Hello hello = SKERRY__V1__HELLO__INIT;
        Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
        hello.protocol_version = version;
        hello.session_number = version + 1;
        envelope.body_case = SKERRY__V1__ENVELOPE__BODY_HELLO;
        envelope.hello = &hello;
        cr_assert(wire_open(&scene, &agent, &wire));
        wire_send(&wire, &envelope);
        if (version == 0)
            wire_goodbye(&wire, "protocol_version: the agent speaks version 0, this controller 1");
        else
            skr_envelope_free(wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_WELCOME));
        wire_close(&wire);
    }
    agent_done(&agent);
}

Test(south_session, the_present_revision_is_no_rollback)
{
    struct agent agent;
    struct wire wire;
    enrol(&agent);
    cr_assert(wire_open(&scene, &agent, &wire));
    wire_hello(&scene, &wire, &agent, (uint64_t)skr_store_revision(scene.store));
    Skerry__V1__Envelope *welcome = wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_WELCOME);
    cr_assert_not(welcome->welcome->rolled_back);
    skr_envelope_free(welcome);
    cr_assert_not(scene_rolled_back(&scene));
    wire_close(&wire);
    agent_done(&agent);
}

Test(south_session, remediate_becomes_a_command)
{
    struct agent agent;
    struct wire wire;
    int64_t since_ms;
    enrol(&agent);
    wire_session(&scene, &agent, &wire);
    EVENTUALLY(skr_realization_host_online(scene.realizations, &agent.host_id, &since_ms));
    scene_host_action(&scene, &agent.host_id, "remediate");
    const struct skr_jobs_options options = {.store = scene.store, .realizations = scene.realizations};
    struct skr_jobs *jobs;
    cr_assert_eq(skr_jobs_new(&options, &jobs, NULL), 0);
    cr_assert_gt(skr_jobs_run(jobs, skr_clock_wall_ms(), 1), 0, "its job sends it");
    skr_jobs_free(jobs);
    Skerry__V1__Envelope *command = wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_COMMAND);
    cr_assert_eq(command->command->kind, SKERRY__V1__COMMAND__KIND__KIND_REMEDIATE);
    skr_envelope_free(command);
    wire_close(&wire);
    agent_done(&agent);
}

TestSuite(south_end, .timeout = 60);

Test(south_end, goodbye_to_everybody)
{
    struct agent agent;
    struct wire wire;
    scene_begin(&scene, NULL);
    enrol(&agent);
    wire_session(&scene, &agent, &wire);
    skr_south_stop(scene.south);
    wire_goodbye(&wire, "controller_stops");
    cr_assert(wire_ends(&wire));
    wire_close(&wire);
    agent_done(&agent);
    scene_end(&scene);
}

Test(south_end, a_silent_session_is_pinged_and_then_gone)
{
    const struct skr_south_options options = {.keepalive_ms = 300};
    struct agent agent;
    struct wire wire;
    scene_begin(&scene, &options);
    enrol(&agent);
    wire_session(&scene, &agent, &wire);
    int64_t begin_ns = skr_clock_monotonic_ns();
    skr_envelope_free(wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_PING));
    for (Skerry__V1__Envelope *envelope; (envelope = wire_receive(&wire));)
        skr_envelope_free(envelope);
    int64_t ms = (skr_clock_monotonic_ns() - begin_ns) / SKR_NS_PER_MS;
    cr_assert(ms >= 600 && ms < 5000, "%lld ms", (long long)ms);
    EVENTUALLY(sessions() == 0);
    wire_close(&wire);
    agent_done(&agent);
    scene_end(&scene);
}
