/* Reports over the wire: large ones, refused ones, and those of an agent of the version before. */
#include "tests/component/controller/south_scene.h"
#include <stdlib.h>

static struct scene scene;

static void begin(void)
{
    scene_begin(&scene, NULL);
}

static void end(void)
{
    scene_end(&scene);
}

TestSuite(south_report, .init = begin, .fini = end, .timeout = 120);

static void connect_agent(struct agent *agent, struct wire *wire)
{
    struct token token = scene_token(&scene, 1, false);
    agent_enrol(&scene, agent, &token);
    wire_session(&scene, agent, wire);
}

/* `count` claims of adapters that do not exist; each is refused. */
struct claims {
    Skerry__V1__Report report;
    Skerry__V1__Claim *claims, **list;
    struct skr_uuid *ids;
};

static void claims_init(struct claims *claims, size_t count)
{
    claims->claims = calloc(count, sizeof(*claims->claims));
    claims->list = calloc(count, sizeof(*claims->list));
    claims->ids = calloc(count, sizeof(*claims->ids));
    cr_assert(claims->claims && claims->list && claims->ids);
    skerry__v1__report__init(&claims->report);
    for (size_t i = 0; i < count; i++) {
        claims->ids[i] = skr_uuid_new();
        skerry__v1__claim__init(&claims->claims[i]);
        claims->claims[i].adapter_id = (ProtobufCBinaryData){16, claims->ids[i].bytes};
        claims->list[i] = &claims->claims[i];
    }
    claims->report.claims = claims->list;
    claims->report.n_claims = count;
}

static void claims_done(struct claims *claims)
{
    free(claims->claims);
    free(claims->list);
    free(claims->ids);
}

static void send_report(struct wire *wire, Skerry__V1__Report *report, uint64_t sequence)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    report->sequence = sequence;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_REPORT;
    envelope.report = report;
    wire_send(wire, &envelope);
}

/* All answers to one report; the number of refusals in them. */
static size_t hear_answers(struct wire *wire, uint64_t sequence)
{
    size_t refusals = 0;
    bool more = true;
    while (more) {
        Skerry__V1__Envelope *answer = wire_expect(wire, SKERRY__V1__ENVELOPE__BODY_REPORT_ACCEPTED);
        cr_assert_eq(answer->report_accepted->sequence, sequence);
        refusals += answer->report_accepted->n_refusals;
        more = answer->report_accepted->more;
        skr_envelope_free(answer);
    }
    return refusals;
}

/* Together they are longer than a frame. */
Test(south_report, refusals_without_number_do_not_end_the_session)
{
    enum { CLAIMS = 30000 };
    struct agent agent;
    struct wire wire;
    struct claims claims;
    connect_agent(&agent, &wire);
    claims_init(&claims, CLAIMS);
    send_report(&wire, &claims.report, 1);
    cr_assert_eq(hear_answers(&wire, 1), CLAIMS);
    claims.report.n_claims = 1;
    send_report(&wire, &claims.report, 2);
    cr_assert_eq(hear_answers(&wire, 2), 1, "and it goes on");
    claims_done(&claims);
    wire_close(&wire);
    agent_done(&agent);
}

/* Those that wait are answered in order, and what is written does not grow with what was sent. */
Test(south_report, one_after_the_other)
{
    enum { REPORTS = 20 };
    struct agent agent;
    struct wire wire;
    struct claims claims;
    connect_agent(&agent, &wire);
    claims_init(&claims, 200);
    for (uint64_t i = 1; i <= REPORTS; i++) {
        claims.report.whole = i % 3 == 0;
        send_report(&wire, &claims.report, i);
    }
    for (uint64_t i = 1; i <= REPORTS; i++)
        cr_assert_eq(hear_answers(&wire, i), 200);
    claims_done(&claims);
    wire_close(&wire);
    agent_done(&agent);
}

/* A session that ends in the middle of a long report takes the rest of it along; nothing waits for it. */
Test(south_report, the_controller_stops_between_two_pieces)
{
    struct agent agent;
    struct wire wire;
    struct claims claims;
    connect_agent(&agent, &wire);
    claims_init(&claims, 30000);
    send_report(&wire, &claims.report, 1);
    skr_envelope_free(wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_REPORT_ACCEPTED)); /* of its first piece */
    int64_t begin_ns = skr_clock_monotonic_ns();
    skr_south_stop(scene.south);
    cr_assert_lt(skr_clock_monotonic_ns() - begin_ns, 3 * SKR_NS_PER_S);
    claims_done(&claims);
    wire_close(&wire);
    agent_done(&agent);
}
