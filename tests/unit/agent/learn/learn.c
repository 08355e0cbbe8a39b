#include "agent/learn/learn.h"
#include "agent/host/arp_frame.h"
#include "tests/unit/agent/build.h"

#include <criterion/criterion.h>
#include <errno.h>

#define VSID     5001
#define IFINDEX  7
#define S        1000000000LL
#define TOLD_MAX 1024

static const struct skr_uuid network = {{0xaa}}, self = {{0x05, [15] = 1}};
static struct skr_desired *desired;
static struct skr_learn *learn;
static struct skr_learned told[TOLD_MAX];
static size_t told_count;
static uint64_t version, record_version;

static struct skr_arp_frame flooded;
static unsigned flooded_count;

static void on_flood(void *arg, uint32_t ifindex, const void *frame, size_t size)
{
    (void)arg;
    cr_assert_eq(ifindex, IFINDEX);
    cr_assert_eq(size, sizeof(flooded));
    memcpy(&flooded, frame, size);
    flooded_count++;
}

static void on_report(void *arg, const struct skr_learned *learned)
{
    (void)arg;
    cr_assert_lt(told_count, (size_t)TOLD_MAX);
    told[told_count++] = *learned;
}

static struct skr_uuid adapter(void)
{
    return test_id(0xad, 1);
}

static void deliver(Skerry__V1__Delta *delta)
{
    struct skr_error error = {0};
    bool complete;
    int r = skr_desired_delta(desired, delta, &complete, &error);
    cr_assert(r == 0 || r == -ESTALE, "%s", error.detail);
    delta_free(delta);
}

static void set_port(bool learns, uint32_t vsid)
{
    Skerry__V1__Port *port = (Skerry__V1__Port *)body_port(network, vsid, 1);
    Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, self, version, version + 1);
    version++;
    port->guest_specified_ips = learns;
    delta_upsert(delta, PORT, adapter(), &port->base);
    deliver(delta);
}

static void set_record_on(struct skr_uuid host, uint32_t ca, struct skr_uuid holder, bool present)
{
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, ++record_version);
    Skerry__V1__Record *record = (Skerry__V1__Record *)body_record(VSID, ca, 1, 0xc0000202, host, holder);
    record->type = SKERRY__V1__RECORD_TYPE__RECORD_TYPE_DYNAMIC;
    if (present)
        delta_upsert(delta, RECORD, test_id(0xec, ca & 0xff), &record->base);
    else
        delta_delete(delta, RECORD, test_id(0xec, ca & 0xff));
    if (!present)
        skerry__v1__record__free_unpacked(record, NULL);
    deliver(delta);
}

static void set_record(uint32_t ca, struct skr_uuid holder, bool present)
{
    set_record_on(self, ca, holder, present);
}

/* An adapter on another host has the address, or not. */
static void set_record_elsewhere(uint32_t ca, bool present)
{
    set_record_on(test_id(0x05, 2), ca, test_id(0xad, 9), present);
}

static void setup(void)
{
    struct skr_uuid database = test_id(0xdb, 1), id = adapter();
    const struct skr_learn_options options = {.report = on_report, .flood = on_flood};
    skr_desired_new(&desired);
    skr_desired_set_controller(desired, &database, 7, &test_key);
    cr_assert_eq(skr_learn_new(&options, &learn), 0);
    skr_desired_listen(desired, skr_learn_changes, learn);
    set_port(true, VSID);
    skr_learn_port(learn, &id, IFINDEX);
}

static void teardown(void)
{
    skr_learn_free(learn);
    skr_desired_free(desired);
}

TestSuite(learn, .init = setup, .fini = teardown);

static void event(uint32_t kind, uint32_t ca, uint8_t mac, int64_t now)
{
    struct skr_address address = test_address(ca);
    struct skr_abi_event e = {.kind = kind, .ifindex = IFINDEX, .vsid = VSID, .mac = {2, 0, 0, 0, 0, mac}};
    memcpy(e.ca.bytes, address.bytes, sizeof(address.bytes));
    skr_learn_event(learn, &e, now);
}

static void refuse(uint32_t ca)
{
    struct skr_uuid id = adapter();
    struct skr_address address = test_address(ca);
    skr_learn_refused(learn, &id, &address, false);
}

Test(learn, an_event_becomes_a_claim_once)
{
    struct skr_address address = test_address(0x0a000005);
    struct skr_uuid id = adapter();
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 2 * S);
    cr_assert_eq(told_count, 1);
    cr_assert_eq(skr_uuid_compare(&told[0].adapter_id, &id), 0);
    cr_assert_eq(skr_address_compare(&told[0].customer_address, &address), 0);
    cr_assert_eq(told[0].mac.bytes[5], 1);
    cr_assert_eq(told[0].evidence, SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE);
    event(SKR_EVENT_LEARN, 0x0a000005, 2, 3 * S);
    cr_assert_eq(told_count, 2, "another MAC is news");
}

Test(learn, an_announcement_is_told_again_but_not_every_time)
{
    for (int i = 0; i < 10; i++)
        event(SKR_EVENT_ANNOUNCEMENT, 0x0a000005, 1, 1 * S + i);
    cr_assert_eq(told_count, 1);
    event(SKR_EVENT_ANNOUNCEMENT, 0x0a000005, 1, 3 * S);
    cr_assert_eq(told_count, 2);
    cr_assert_eq(told[1].evidence, SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_ANNOUNCEMENT);
}

Test(learn, errors_to_be_answered_claim_nothing)
{
    event(SKR_EVENT_TOO_BIG, 0x0a000005, 1, 1 * S);
    event(SKR_EVENT_TTL_EXCEEDED, 0x0a000006, 1, 1 * S);
    event(SKR_EVENT_UNREACHABLE, 0x0a000007, 1, 1 * S);
    event(99, 0x0a000008, 1, 1 * S);
    cr_assert_eq(told_count, 0);
}

Test(learn, a_port_that_may_not_learn_does_not)
{
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    set_port(false, VSID);
    cr_assert_eq(told_count, 2);
    cr_assert(told[1].withdrawn);
    event(SKR_EVENT_LEARN, 0x0a000006, 1, 3 * S);
    cr_assert_eq(told_count, 2);
}

Test(learn, claims_do_not_follow_into_another_subnet)
{
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    set_port(true, 6000);
    cr_assert_eq(told_count, 2);
    cr_assert(told[1].withdrawn);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 3 * S); /* said before it moved */
    cr_assert_eq(told_count, 2);
}

Test(learn, at_most_twenty_a_second)
{
    for (uint32_t i = 0; i < 60; i++)
        event(SKR_EVENT_LEARN, 0x0a000005 + i, 1, 5 * S + i);
    cr_assert_eq(told_count, SKR_LEARN_PER_SECOND);
    event(SKR_EVENT_LEARN, 0x0a000005 + 59, 1, 6 * S + 1);
    cr_assert_eq(told_count, SKR_LEARN_PER_SECOND + 1, "what was over is learned from a later frame");
}

Test(learn, at_most_sixty_four_a_port)
{
    for (uint32_t i = 0; i < 100; i++)
        event(SKR_EVENT_LEARN, 0x0a000005 + i, 1, (1 + i) * S);
    cr_assert_eq(told_count, SKR_LEARN_ADDRESSES_MAX);
}

Test(learn, what_is_refused_is_not_repeated_for_a_while)
{
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 100 * S);
    refuse(0x0a000005);
    for (int i = 1; i < 29; i++)
        event(SKR_EVENT_LEARN, 0x0a000005, 1, (100 + i) * S);
    cr_assert_eq(told_count, 1);
    event(SKR_EVENT_ANNOUNCEMENT, 0x0a000005, 1, 129 * S);
    cr_assert_eq(told_count, 2, "an announcement may win what a source did not");
    refuse(0x0a000005);
    event(SKR_EVENT_ANNOUNCEMENT, 0x0a000005, 1, 140 * S);
    cr_assert_eq(told_count, 2);
    skr_learn_run(learn, 160 * S);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 161 * S);
    cr_assert_eq(told_count, 3);
}

/* The host that served it lets go within the second. */
Test(learn, a_resting_address_is_claimed_again_a_second_later)
{
    struct skr_uuid id = adapter();
    struct skr_address address = test_address(0x0a000005);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 100 * S);
    skr_learn_refused(learn, &id, &address, true);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 100 * S + S / 2);
    skr_learn_run(learn, 100 * S + S / 2);
    cr_assert_eq(told_count, 1);
    skr_learn_run(learn, 101 * S);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 101 * S);
    cr_assert_eq(told_count, 2);
}

Test(learn, a_refused_claim_is_not_withdrawn)
{
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 100 * S);
    refuse(0x0a000005);
    set_port(false, VSID);
    cr_assert_eq(told_count, 1);
}

Test(learn, a_port_without_interface_keeps_its_claims_unasked)
{
    struct skr_uuid id = adapter();
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    skr_learn_port(learn, &id, 0);
    skr_learn_run(learn, 1000 * S);
    event(SKR_EVENT_LEARN, 0x0a000006, 1, 1001 * S);
    cr_assert_eq(told_count, 1);
    skr_learn_port(learn, &id, IFINDEX);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1002 * S);
    cr_assert_eq(told_count, 1, "it is known still");
}

Test(learn, a_port_that_goes_takes_its_claims_along)
{
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, self, version, version + 1);
    delta_delete(delta, PORT, adapter());
    deliver(delta);
    version++;
    cr_assert_eq(told_count, 1, "the controller knows that the port is gone");
    event(SKR_EVENT_LEARN, 0x0a000006, 1, 2 * S);
    cr_assert_eq(told_count, 1);
    struct skr_uuid id = adapter();
    set_port(true, VSID);
    skr_learn_port(learn, &id, IFINDEX);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 3 * S);
    cr_assert_eq(told_count, 2, "nothing of it is remembered");
}

Test(learn, an_interface_that_passes_on_belongs_to_the_new_adapter)
{
    struct skr_uuid other = test_id(0xad, 2);
    skr_learn_port(learn, &other, IFINDEX);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    cr_assert_eq(told_count, 0, "the new adapter's port is not known yet");
}

/* ---- records ---- */

static void begin_without_ports(void)
{
    teardown();
    struct skr_uuid database = test_id(0xdb, 1);
    const struct skr_learn_options options = {.report = on_report};
    skr_desired_new(&desired);
    skr_desired_set_controller(desired, &database, 7, &test_key);
    skr_learn_new(&options, &learn);
    skr_desired_listen(desired, skr_learn_changes, learn);
    version = 0;
    told_count = 0;
}

/* An agent that has lost its cache hears of a VM network before, or after, it hears of its port there. */
Test(learn, a_record_that_comes_before_its_port_is_a_claim_of_it)
{
    struct skr_uuid id = adapter();
    begin_without_ports();
    set_record(0x0a000005, adapter(), true);
    cr_assert_eq(told_count, 0, "not before the port is known");
    set_port(true, VSID);
    cr_assert_eq(told_count, 1);
    cr_assert_eq(skr_uuid_compare(&told[0].adapter_id, &id), 0);
    skr_learn_port(learn, &id, IFINDEX);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    cr_assert_eq(told_count, 1, "it is known");
}

Test(learn, a_record_that_goes_before_its_port_comes_is_no_claim)
{
    begin_without_ports();
    set_record(0x0a000005, adapter(), true);
    set_record(0x0a000005, adapter(), false);
    told_count = 0;
    set_port(true, VSID);
    cr_assert_eq(told_count, 0);
}

Test(learn, a_port_that_may_not_learn_gets_no_claims_of_records)
{
    begin_without_ports();
    set_record(0x0a000005, adapter(), true);
    set_port(false, VSID);
    cr_assert_eq(told_count, 0);
}

/* Another port has it now: this port's word from before is over, and its next one is news. */
Test(learn, a_claim_that_lost_ends)
{
    event(SKR_EVENT_ANNOUNCEMENT, 0x0a000005, 1, 1 * S);
    set_record(0x0a000005, adapter(), true);
    cr_assert_eq(told_count, 1);
    set_record(0x0a000005, test_id(0xad, 9), true);
    cr_assert_eq(told_count, 2);
    cr_assert(told[1].over && !told[1].withdrawn);
    skr_learn_run(learn, 1000 * S);
    cr_assert_eq(told_count, 2, "it is neither asked for nor withdrawn");
    event(SKR_EVENT_ANNOUNCEMENT, 0x0a000005, 1, 1000 * S);
    cr_assert_eq(told_count, 3);
    cr_assert(!told[2].over);
}

/* ---- addresses that are left without a word ---- */

static void ask_for(uint32_t ca, int64_t now)
{
    struct skr_uuid id = adapter();
    struct skr_address address = test_address(ca);
    skr_learn_ask(learn, &id, &address, now);
}

Test(learn, a_port_without_interface_gives_up_what_another_shows)
{
    struct skr_uuid id = adapter();
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    event(SKR_EVENT_LEARN, 0x0a000006, 1, 1 * S);
    skr_learn_port(learn, &id, 0);
    ask_for(0x0a000005, 2 * S);
    cr_assert_eq(told_count, 3);
    cr_assert(told[2].withdrawn);
    cr_assert_eq(told[2].customer_address.bytes[15], 5);
    ask_for(0x0a000005, 4 * S);
    ask_for(0x0a000007, 4 * S);
    cr_assert_eq(told_count, 3, "it has no such claim");
}

Test(learn, a_claim_in_doubt_is_asked_for_at_once_and_once_a_second)
{
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    skr_learn_run(learn, 1 * S);
    cr_assert_gt(skr_learn_deadline_ns(learn), 60 * S);
    ask_for(0x0a000005, 2 * S);
    cr_assert_eq(skr_learn_deadline_ns(learn), 2 * S);
    skr_learn_run(learn, 2 * S); /* there is no such interface, so the question cannot be put */
    int64_t again = skr_learn_deadline_ns(learn);
    cr_assert_eq(again, 2 * S + SKR_LEARN_DOUBT_NS / 3);
    ask_for(0x0a000005, 2 * S + 1);
    cr_assert_eq(skr_learn_deadline_ns(learn), again);
    for (int i = 0; i < 10; i++)
        skr_learn_run(learn, skr_learn_deadline_ns(learn));
    cr_assert_eq(told_count, 1, "a guest that could not be asked was not silent");
}

Test(learn, a_refused_claim_is_not_asked_for)
{
    struct skr_uuid id = adapter();
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    refuse(0x0a000005);
    skr_learn_port(learn, &id, 0);
    ask_for(0x0a000005, 2 * S);
    cr_assert_eq(told_count, 1);
}

/* The holder has let go: the refused port does not have to show the address once more. */
Test(learn, a_refused_claim_is_told_again_when_the_address_is_free)
{
    set_record_elsewhere(0x0a000005, true);
    set_record_elsewhere(0x0a000006, true);
    event(SKR_EVENT_ANNOUNCEMENT, 0x0a000005, 1, 1 * S);
    event(SKR_EVENT_LEARN, 0x0a000006, 1, 1 * S);
    refuse(0x0a000005);
    set_record_elsewhere(0x0a000006, false);
    cr_assert_eq(told_count, 2, "a claim that was not refused has been told");
    set_record_elsewhere(0x0a000005, false);
    cr_assert_eq(told_count, 3);
    cr_assert(!told[2].withdrawn);
    cr_assert_eq(told[2].customer_address.bytes[15], 5);
    cr_assert_eq(told[2].evidence, SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE,
                 "nobody has announced it now");
    cr_assert_leq(skr_learn_deadline_ns(learn), 1 * S, "its guest is asked whether it has it still");
    set_record_elsewhere(0x0a000005, true);
    set_record_elsewhere(0x0a000005, false);
    cr_assert_eq(told_count, 3, "it waits no more");
}

Test(learn, a_port_that_has_gone_waits_for_nothing)
{
    set_record_elsewhere(0x0a000005, true);
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    refuse(0x0a000005);
    set_port(false, VSID);
    set_record_elsewhere(0x0a000005, false);
    cr_assert_eq(told_count, 1);
}

/* Others may remember the MAC of the one that had the address before. */
Test(learn, an_address_that_its_guest_has_not_announced_is_announced_once)
{
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    cr_assert_eq(flooded_count, 0, "it is not this port's yet");
    set_record(0x0a000005, adapter(), true);
    cr_assert_eq(flooded_count, 1);
    cr_assert_eq(ntohs(flooded.arp.ea_hdr.ar_op), ARPOP_REQUEST);
    cr_assert_eq(memcmp(flooded.ethernet.ether_dhost, "\xff\xff\xff\xff\xff\xff", 6), 0);
    cr_assert_eq(memcmp(flooded.ethernet.ether_shost, "\2\0\0\0\0\1", 6), 0);
    cr_assert_eq(memcmp(flooded.arp.arp_sha, "\2\0\0\0\0\1", 6), 0);
    cr_assert_eq(memcmp(flooded.arp.arp_spa, "\x0a\0\0\5", 4), 0);
    cr_assert_eq(memcmp(flooded.arp.arp_tpa, "\x0a\0\0\5", 4), 0);
    event(SKR_EVENT_ANNOUNCEMENT, 0x0a000005, 1, 1 * S + 1); /* the event of that frame */
    cr_assert_eq(told_count, 1, "the guest has announced nothing");
    set_record(0x0a000005, adapter(), true);
    cr_assert_eq(flooded_count, 1);
}

Test(learn, an_address_that_its_guest_has_announced_is_not_announced_again)
{
    event(SKR_EVENT_ANNOUNCEMENT, 0x0a000005, 1, 1 * S);
    set_record(0x0a000005, adapter(), true);
    set_record(0x0a000006, adapter(), true); /* learned where the adapter was before */
    set_record(0x0a000006, adapter(), true);
    cr_assert_eq(flooded_count, 0);
}

Test(learn, a_guest_that_goes_gives_up_what_another_shows)
{
    struct skr_uuid id = adapter();
    event(SKR_EVENT_LEARN, 0x0a000005, 1, 1 * S);
    event(SKR_EVENT_LEARN, 0x0a000006, 1, 1 * S);
    ask_for(0x0a000005, 2 * S);
    cr_assert_eq(told_count, 2);
    skr_learn_port(learn, &id, 0);
    cr_assert_eq(told_count, 3);
    cr_assert(told[2].withdrawn);
    cr_assert_eq(told[2].customer_address.bytes[15], 5);
}
