/* Reports over the wire: large ones, refused ones, and those of an agent of the version before. */
#include "controller/south/private.h"
#include "tests/component/controller/south_scene.h"
#include <poll.h>
#include <pthread.h>
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

/* ---- what holds a session up, and what does not ---- */

static int write_slowly(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    (void)txn, (void)arg, (void)error;
    poll(NULL, 0, 700); /* the condition itself */
    return 0;
}

/* While we do not read from a host because the database is slow, it cannot be heard, and is not silent. */
Test(south_report, a_slow_database_does_not_make_a_host_silent)
{
    const struct skr_south_options options = {.keepalive_ms = 150};
    struct agent agent;
    struct wire wire;
    struct claims claims;
    scene_end(&scene);
    scene_begin(&scene, &options);
    connect_agent(&agent, &wire);
    claims_init(&claims, 1);
    cr_assert_eq(skr_store_write(scene.store, write_slowly, NULL, NULL), 0);
    for (uint64_t i = 1; i <= 8; i++)
        send_report(&wire, &claims.report, i);
    for (uint64_t i = 1; i <= 8; i++)
        hear_answers(&wire, i);
    skr_envelope_free(wire_expect(&wire, SKERRY__V1__ENVELOPE__BODY_PING)); /* it is asked first */
    claims_done(&claims);
    wire_close(&wire);
    agent_done(&agent);
}

/* The certificate counts all the time, not when the session opens alone. */
Test(south_report, a_session_ends_with_its_certificate)
{
    const struct skr_south_options options = {.keepalive_ms = 1000};
    struct agent agent;
    struct wire wire;
    scene_end(&scene);
    scene_begin(&scene, &options);
    struct token token = scene_token(&scene, 1, false);
    agent_enrol(&scene, &agent, &token);
    agent_sign(&scene, &agent, skr_clock_wall_ms(), 2000);
    wire_session(&scene, &agent, &wire);
    wire_goodbye(&wire, "certificate_expired");
    wire_close(&wire);
    agent_done(&agent);
}

/* ---- a database that was set back ---- */

static void set_back(void)
{
    cr_assert_eq(skr_store_write_wait(scene.store, skr_model_set_rolled_back, &(struct skr_rollback){0}, NULL, NULL),
                 0);
}

static int64_t orphans(void)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    cr_assert_eq(skr_store_read_begin(scene.store, &txn, NULL), 0);
    return skr_txn_count(txn, SKR_ORPHAN);
}

static bool opens_rolled_back(struct agent *agent, struct wire *wire)
{
    cr_assert(wire_open(&scene, agent, wire));
    wire_hello(&scene, wire, agent, 0);
    Skerry__V1__Envelope *welcome = wire_expect(wire, SKERRY__V1__ENVELOPE__BODY_WELCOME);
    bool rolled_back = welcome->welcome->rolled_back;
    skr_envelope_free(welcome);
    return rolled_back;
}

/* An administrator decides by what a host holds and the database does not. */
Test(south_report, what_a_host_holds_is_seen_in_a_database_that_was_set_back)
{
    struct agent agent;
    struct wire wire;
    struct skr_uuid id = skr_uuid_new();
    Skerry__V1__Report report = SKERRY__V1__REPORT__INIT;
    Skerry__V1__HeldObject held = SKERRY__V1__HELD_OBJECT__INIT, *list[] = {&held};
    struct token token = scene_token(&scene, 1, false);
    agent_enrol(&scene, &agent, &token);
    set_back();
    cr_assert(opens_rolled_back(&agent, &wire));
    held.type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT;
    held.id = (ProtobufCBinaryData){16, id.bytes};
    held.name = "web";
    report.whole = true;
    report.held = list;
    report.n_held = 1;
    send_report(&wire, &report, 1);
    hear_answers(&wire, 1);
    cr_assert_eq(orphans(), 1);
    wire_close(&wire);
    agent_done(&agent);
}

/* On the writer's thread. While the registry is locked nobody comes in, and nobody is found in it. */
static int lock_registry(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    (void)txn, (void)arg, (void)error;
    return pthread_mutex_lock(&scene.south->registry.lock);
}

static void unlock_registry(struct scene *of)
{
    pthread_mutex_unlock(&of->south->registry.lock);
    of->before_south = NULL;
}

/* They looked before the database was set back, and come in after every session has been ended for that. */
Test(south_report, sessions_that_are_coming_in_are_judged_again)
{
    enum { WORKERS = 2 };
    struct token token = scene_token(&scene, WORKERS, false);
    struct agent agents[WORKERS];
    struct wire wires[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        agent_enrol(&scene, &agents[i], &token);
        cr_assert(wire_open(&scene, &agents[i], &wires[i]));
    }
    cr_assert_eq(skr_store_write_wait(scene.store, lock_registry, NULL, NULL, NULL), 0);
    for (int i = 0; i < WORKERS; i++)
        wire_hello(&scene, &wires[i], &agents[i], 0);
    poll(NULL, 0, 200); /* they look, and wait; one that is later looks when it sees the change */
    scene.before_south = unlock_registry;
    set_back();
    for (int i = 0; i < WORKERS; i++) {
        Skerry__V1__Envelope *first = wire_receive(&wires[i]);
        if (first && first->body_case == SKERRY__V1__ENVELOPE__BODY_WELCOME && !first->welcome->rolled_back)
            wire_goodbye(&wires[i], ""); /* it came in before, and was found */
        skr_envelope_free(first);
        wire_close(&wires[i]);
        agent_done(&agents[i]);
    }
}
