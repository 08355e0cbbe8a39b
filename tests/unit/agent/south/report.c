/* A host tells each occurrence once, a whole report in as many parts as it takes, and nothing for ever. */
#include "agent/south/report.h"
#include "agent/south/held.h"
#include "tests/unit/agent/build.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/frame.h>
#include <skerry/macros.h>
#include <unistd.h>

#define ANNOUNCEMENT SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_ANNOUNCEMENT
#define SOURCE       SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE

static struct skr_report *report;

static void setup(void)
{
    skr_report_new(&report);
}

static void teardown(void)
{
    skr_report_free(report);
}

TestSuite(report, .init = setup, .fini = teardown);

static void envelope_cleanup(Skerry__V1__Envelope **envelope)
{
    skr_envelope_free(*envelope);
}

static struct skr_learned shown(unsigned adapter, uint32_t ca, Skerry__V1__LearnedEvidence evidence)
{
    return (struct skr_learned){.adapter_id = test_id(0xad, adapter),
                                .customer_address = test_address(ca),
                                .mac = {{2, 0, 0, 0, 0, 1}},
                                .evidence = evidence};
}

static void learn(unsigned adapter, uint32_t ca, Skerry__V1__LearnedEvidence evidence)
{
    const struct skr_learned learned = shown(adapter, ca, evidence);
    skr_report_learned(report, &learned);
}

static void bind(unsigned adapter)
{
    struct skr_uuid id = test_id(0xad, adapter);
    skr_report_binding(report, &id, true, "tap1", NULL);
}

/* Takes what there is to tell, as a controller that accepts all of it; returns how many addresses were told. */
static size_t tell_all(void)
{
    size_t count = 0;
    for (;;) {
        SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *envelope = skr_report_take(report);
        if (!envelope)
            return count;
        count += envelope->report->n_learned;
        skr_report_accepted(report, envelope->report->sequence);
    }
}

Test(report, a_whole_one_takes_as_many_parts_as_it_needs)
{
    enum { PORTS = 300, ADDRESSES = 64 };
    size_t learned = 0, bindings = 0;
    bool more = true;
    for (unsigned port = 0; port < PORTS; port++) {
        for (uint32_t i = 0; i < ADDRESSES; i++)
            learn(port, 0x0a000000 + port * ADDRESSES + i, SOURCE);
        bind(port);
    }
    skr_report_begin_whole(report);
    for (uint32_t part = 0; more; part++) {
        SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *envelope = skr_report_take(report);
        SKR_CLEANUP(skr_free_cleanup) uint8_t *frame = NULL;
        size_t size;
        cr_assert_not_null(envelope, "part %u", part);
        cr_assert_eq(skr_frame_pack(envelope, &frame, &size), 0);
        cr_assert_eq(envelope->report->whole, part == 0);
        cr_assert_eq(envelope->report->part, part);
        cr_assert(bindings + envelope->report->n_bindings == PORTS, "ports come before what is said of them");
        more = envelope->report->more;
        learned += envelope->report->n_learned;
        bindings += envelope->report->n_bindings;
        cr_assert(part > 0 || more, "it does not fit one frame");
    }
    cr_assert_eq(learned, PORTS * ADDRESSES);
    cr_assert_null(skr_report_take(report), "all has been told");
}

Test(report, what_changes_during_a_whole_one_does_not_make_it_endless)
{
    for (uint32_t i = 0; i < 20000; i++)
        learn(i / 64, 0x0a000000 + i, SOURCE);
    skr_report_begin_whole(report);
    bool more = true;
    unsigned parts = 0;
    for (; more; parts++) {
        SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *envelope = skr_report_take(report);
        more = envelope->report->more;
        for (uint32_t i = 0; i < 5000; i++)
            learn(i / 64, 0x0a000000 + i, SOURCE);
    }
    cr_assert_leq(parts, 6);
    cr_assert_eq(tell_all(), 5000, "and is told after it");
}

Test(report, a_whole_one_that_loses_its_rest_still_ends)
{
    for (uint32_t i = 0; i < 20000; i++)
        learn(7, 0x0a000000 + i, SOURCE);
    skr_report_begin_whole(report);
    SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *first = skr_report_take(report);
    struct skr_uuid id = test_id(0xad, 7);
    cr_assert(first->report->more);
    skr_report_binding(report, &id, false, NULL, "removed");
    SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *last = skr_report_take(report);
    cr_assert(last && last->report->part == 1 && !last->report->more && last->report->n_learned == 0);
    cr_assert_null(skr_report_take(report));
}

/* An address that goes to another port and comes back is announced in the same words. */
Test(report, the_same_announcement_is_told_each_time)
{
    uint64_t number = 0;
    for (int i = 0; i < 3; i++) {
        learn(1, 0x0a000005, ANNOUNCEMENT);
        SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *envelope = skr_report_take(report);
        cr_assert(envelope && envelope->report->n_learned == 1, "time %d", i);
        cr_assert_eq(envelope->report->learned[0]->evidence, ANNOUNCEMENT);
        cr_assert_gt(envelope->report->learned[0]->number, number);
        number = envelope->report->learned[0]->number;
        skr_report_accepted(report, envelope->report->sequence);
        cr_assert_null(skr_report_take(report), "once each");
    }
}

Test(report, the_same_claim_is_told_each_time)
{
    struct skr_uuid id = test_id(0xad, 1);
    uint64_t number = 0;
    for (int i = 0; i < 3; i++) {
        skr_report_claim(report, &id, "tap1", true);
        SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *envelope = skr_report_take(report);
        cr_assert(envelope && envelope->report->n_claims == 1, "time %d", i);
        cr_assert_gt(envelope->report->claims[0]->number, number);
        number = envelope->report->claims[0]->number;
    }
}

/* The next session hears what was judged as a fact, and what was not as an announcement, with its age. */
Test(report, an_announcement_that_was_judged_is_not_repeated_as_one)
{
    learn(1, 0x0a000005, ANNOUNCEMENT);
    skr_envelope_free(skr_report_take(report)); /* and the connection ends before the answer */
    usleep(20000);
    skr_report_begin_whole(report);
    SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *again = skr_report_take(report);
    cr_assert_eq(again->report->n_learned, 1);
    cr_assert_eq(again->report->learned[0]->evidence, ANNOUNCEMENT);
    cr_assert_geq(again->report->learned[0]->age_ms, 20);
    skr_report_accepted(report, again->report->sequence);
    skr_report_begin_whole(report);
    SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *third = skr_report_take(report);
    cr_assert_eq(third->report->n_learned, 1);
    cr_assert_eq(third->report->learned[0]->evidence, SOURCE);
}

/* A guest whose addresses are refused shows others for hours. */
Test(report, nothing_is_kept_of_what_is_refused)
{
    for (uint32_t i = 0; i < 15360; i++) {
        const struct skr_learned learned = shown(1, 0x0a000000 + i, SOURCE);
        skr_report_learned(report, &learned);
        skr_envelope_free(skr_report_take(report));
        cr_assert(skr_report_refused(report, &learned.adapter_id, &learned.customer_address, 0));
    }
    skr_report_begin_whole(report);
    cr_assert_eq(tell_all(), 0);
}

Test(report, a_refusal_of_an_older_occurrence_leaves_the_newer)
{
    const struct skr_learned learned = shown(1, 0x0a000005, ANNOUNCEMENT);
    skr_report_learned(report, &learned);
    SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *first = skr_report_take(report);
    skr_report_learned(report, &learned);
    cr_assert_not(skr_report_refused(report, &learned.adapter_id, &learned.customer_address, 0));
    skr_envelope_free(skr_report_take(report));
    cr_assert_not(skr_report_refused(report, &learned.adapter_id, &learned.customer_address,
                                     first->report->learned[0]->number));
    skr_report_begin_whole(report);
    cr_assert_eq(tell_all(), 1);
}

Test(report, what_is_over_is_forgotten_without_a_word)
{
    struct skr_learned learned = shown(1, 0x0a000005, SOURCE);
    skr_report_learned(report, &learned);
    cr_assert_eq(tell_all(), 1);
    learned.over = true;
    skr_report_learned(report, &learned);
    cr_assert_null(skr_report_take(report));
    skr_report_begin_whole(report);
    cr_assert_eq(tell_all(), 0);
}

Test(report, addresses_that_come_and_go_unheard_leave_nothing)
{
    for (uint32_t i = 0; i < 10000; i++) {
        struct skr_learned learned = shown(1, 0x0a000000 + i, SOURCE);
        skr_report_learned(report, &learned);
        learned.withdrawn = true;
        skr_report_learned(report, &learned);
    }
    cr_assert_null(skr_report_take(report));
}

/* Room of one kind is not another's: findings without end do not keep a port from being told. */
Test(report, a_full_kind_does_not_displace_another)
{
    struct skr_drift_item item = {.object_kind = "filter", .field = "program"};
    for (uint32_t i = 0; i < SKR_REPORT_DRIFT_MAX + 10; i++) {
        memcpy(item.key, &i, sizeof(i));
        skr_report_drift(report, &item);
    }
    bind(1);
    SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *envelope = skr_report_take(report);
    cr_assert_eq(envelope->report->n_bindings, 1);
}

Test(report, an_inventory_is_bounded_and_its_uplinks_come_first)
{
    static struct skr_host_interface all[2 * SKR_REPORT_INTERFACES_MAX];
    for (size_t i = 0; i < SKR_ARRAY_SIZE(all); i++)
        snprintf(all[i].name, sizeof(all[i].name), "tap%zu", i), strcpy(all[i].kind, "tun");
    strcpy(all[SKR_ARRAY_SIZE(all) - 1].name, "eth0");
    all[SKR_ARRAY_SIZE(all) - 1].kind[0] = '\0';
    skr_report_interfaces(report, all, SKR_ARRAY_SIZE(all));
    SKR_CLEANUP(envelope_cleanup) Skerry__V1__Envelope *envelope = skr_report_take(report);
    cr_assert_eq(envelope->report->n_interfaces, SKR_REPORT_INTERFACES_MAX);
    cr_assert_str_eq(envelope->report->interfaces[0]->name, "eth0");
}

/* Objects have names of tenants' choosing. */
Test(report, what_is_held_fits_a_frame)
{
    struct skr_uuid database = test_id(0xdb, 1), host = test_id(5, 1), network = test_id(0xaa, 1);
    struct skr_desired *desired;
    SKR_CLEANUP(skr_free_cleanup) uint8_t *frame = NULL;
    size_t size;
    bool complete;
    skr_desired_new(&desired);
    skr_desired_set_controller(desired, &database, 7, &test_key);
    for (uint32_t part = 0; part < 8; part++) {
        struct skr_error error = {0};
        Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, host, part, part + 1);
        for (uint32_t i = 0; i < 500; i++) {
            Skerry__V1__Port *port = (Skerry__V1__Port *)body_port(network, 5001, i);
            free(port->name);
            port->name = malloc(256);
            memset(port->name, 'n', 255);
            port->name[255] = '\0';
            delta_upsert(delta, PORT, test_id(0xad, part * 500 + i), &port->base);
        }
        int r = skr_desired_delta(desired, delta, &complete, &error);
        cr_assert(r == 0 || r == -ESTALE, "%s", error.detail); /* the digest is not what is looked at */
        delta_free(delta);
    }
    Skerry__V1__Envelope *envelope = skr_held_report(desired);
    cr_assert_eq(skr_frame_pack(envelope, &frame, &size), 0);
    cr_assert_geq(envelope->report->n_held, 1000);
    skr_envelope_free(envelope);
    skr_desired_free(desired);
}
