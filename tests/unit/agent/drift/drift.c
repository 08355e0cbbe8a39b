#include "agent/drift/drift.h"
#include "tests/unit/agent/build.h"

#include <criterion/criterion.h>
#include <errno.h>

#define VSID     5001
#define OWN      0xc0000201u /* 192.0.2.1 */
#define REMOTE   0xc0000202u
#define S        1000000000LL
#define IFINDEX  7
#define TOLD_MAX 16384

static const struct skr_uuid network = {{0xaa}}, self = {{0x05, [15] = 1}}, peer = {{0x05, [15] = 2}},
                             logical = {{0x77}};
static struct skr_fastpath *fastpath;
static struct skr_desired *desired;
static struct skr_program *program;
static struct skr_drift *drift;
static struct skr_drift_item told[TOLD_MAX];
static size_t told_count;
static int64_t now;
static uint64_t host_version, domain_version;

static void on_report(void *arg, const struct skr_drift_item *item)
{
    (void)arg;
    cr_assert_lt(told_count, (size_t)TOLD_MAX);
    told[told_count++] = *item;
}

static void deliver(Skerry__V1__Delta *delta)
{
    struct skr_error error = {0};
    bool complete;
    int r = skr_desired_delta(desired, delta, &complete, &error);
    cr_assert(r == 0 || r == -ESTALE, "%s", error.detail);
    delta_free(delta);
}

static void remediation(bool automatic)
{
    Skerry__V1__Host *host = (Skerry__V1__Host *)body_host("h1");
    host->remediate = automatic;
    Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, self, host_version, host_version + 1);
    host_version++;
    delta_upsert(delta, HOST, self, &host->base);
    delta_upsert(delta, PA, test_id(0x9a, 1), body_pa(OWN, logical));
    delta_upsert(delta, PORT, test_id(0xad, 1), body_port(network, VSID, 1));
    deliver(delta);
}

static Skerry__V1__Delta *domain_delta(void)
{
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, domain_version, domain_version + 1);
    domain_version++;
    return delta;
}

static void setup(void)
{
    struct skr_error error = {0};
    struct skr_uuid database = test_id(0xdb, 1), adapter = test_id(0xad, 1);
    uint32_t own = OWN, remote = REMOTE, vsid = VSID;
    struct skr_address pa = test_address(OWN);
    cr_assert_eq(skr_fastpath_memory_new(&(struct skr_fastpath_options){0}, &fastpath, &error), 0);
    skr_desired_new(&desired);
    skr_desired_set_controller(desired, &database, 7, &test_key);
    skr_program_new(fastpath, desired, &program);
    skr_desired_listen(desired, skr_program_changes, program);
    remediation(false);
    Skerry__V1__Delta *delta = domain_delta();
    delta_upsert(delta, DOMAIN_OBJECT, network, body_domain(9, logical));
    delta_upsert(delta, SUBNET, test_id(0x5b, 1), body_subnet(VSID, 0x0a000000, 24));
    delta_upsert(delta, MEMBER, self, body_member(&own, 1, &vsid, 1));
    delta_upsert(delta, MEMBER, peer, body_member(&remote, 1, &vsid, 1));
    delta_upsert(delta, RECORD, test_id(0xec, 1), body_record(VSID, 0x0a000005, 1, OWN, self, adapter));
    delta_upsert(delta, RECORD, test_id(0xec, 2), body_record(VSID, 0x0a000006, 2, REMOTE, peer, test_id(0xad, 2)));
    deliver(delta);
    skr_program_own_pa(program, &pa, 3, 1500);
    skr_program_bind(program, &adapter, IFINDEX, false);
    fastpath->ops->attach(fastpath, SKR_HOOK_PORT, IFINDEX);
    skr_program_remove_unintended(program);
    const struct skr_drift_options options = {
            .desired = desired, .program = program, .fastpath = fastpath, .report = on_report};
    cr_assert_eq(skr_drift_new(&options, &drift), 0);
    skr_drift_expect(drift, SKR_HOOK_PORT, IFINDEX, "v7", &adapter, true);
    skr_drift_begin(drift, now);
}

static void teardown(void)
{
    skr_drift_free(drift);
    skr_program_free(program);
    skr_desired_free(desired);
    fastpath->ops->free(fastpath);
}

TestSuite(drift, .init = setup, .fini = teardown);

/* Lets time pass; returns how often the drift ran. */
static unsigned pass(int64_t ns)
{
    unsigned runs = 0;
    int64_t until = now + ns;
    while (skr_drift_deadline_ns(drift) <= until) {
        now = skr_drift_deadline_ns(drift) > now ? skr_drift_deadline_ns(drift) : now;
        skr_drift_run(drift, now, now / 1000000);
        cr_assert_lt(++runs, 10000u, "a busy loop");
    }
    now = until;
    return runs;
}

static void count_one(void *arg, const struct skr_drift_item *item)
{
    (void)item;
    (*(size_t *)arg)++;
}

static size_t open_findings(void)
{
    size_t count = 0;
    skr_drift_each(drift, count_one, &count);
    return count;
}

static struct skr_abi_ca_key record_key(uint32_t ca)
{
    struct skr_address address = test_address(ca);
    struct skr_abi_ca_key key = {.vsid = VSID};
    memcpy(key.ca.bytes, address.bytes, sizeof(address.bytes));
    return key;
}

static bool has_record(uint32_t ca)
{
    struct skr_abi_ca_key key = record_key(ca);
    struct skr_abi_ca_record value;
    return fastpath->ops->get(fastpath, SKR_TABLE_RECORDS_CA, &key, &value) == 0;
}

static void remove_record(uint32_t ca)
{
    struct skr_abi_ca_key key = record_key(ca);
    cr_assert(has_record(ca));
    fastpath->ops->remove(fastpath, SKR_TABLE_RECORDS_CA, &key);
}

Test(drift, nothing_differs)
{
    pass(60 * S);
    cr_assert_eq(told_count, 0);
}

Test(drift, an_entry_that_went_is_found_by_the_audit_and_left_in_manual)
{
    remove_record(0x0a000006);
    pass(11 * S);
    cr_assert_eq(told_count, 1);
    cr_assert_str_eq(told[0].object_kind, "map-entry");
    cr_assert_str_eq(told[0].field, "records_ca");
    cr_assert_str_eq(told[0].found, "missing");
    cr_assert_not(told[0].resolved);
    pass(60 * S);
    cr_assert_eq(told_count, 1, "told once");
    cr_assert_not(has_record(0x0a000006));
    cr_assert_eq(open_findings(), 1);
}

Test(drift, remediate_puts_back_once)
{
    remove_record(0x0a000006);
    pass(11 * S);
    skr_drift_remediate(drift, now);
    pass(1 * S);
    cr_assert(has_record(0x0a000006));
    cr_assert_eq(told_count, 2);
    cr_assert(told[1].resolved);
    cr_assert_arr_eq(told[0].key, told[1].key, 16);
    remove_record(0x0a000006);
    pass(11 * S);
    cr_assert_not(has_record(0x0a000006), "the command was for then, not for ever");
    cr_assert_eq(open_findings(), 1);
}

Test(drift, remediate_finds_what_no_audit_has_seen_yet)
{
    pass(1 * S);
    remove_record(0x0a000006);
    skr_drift_remediate(drift, now);
    pass(1 * S);
    cr_assert(has_record(0x0a000006));
}

Test(drift, automatic_repairs_and_confirms)
{
    remediation(true);
    remove_record(0x0a000006);
    pass(11 * S);
    cr_assert(has_record(0x0a000006));
    cr_assert_eq(told_count, 2);
    cr_assert(!told[0].resolved && told[1].resolved);
    cr_assert_eq(open_findings(), 0);
}

Test(drift, what_somebody_else_mends_is_resolved)
{
    struct skr_abi_ca_key key = record_key(0x0a000006);
    struct skr_abi_ca_record value;
    cr_assert_eq(fastpath->ops->get(fastpath, SKR_TABLE_RECORDS_CA, &key, &value), 0);
    remove_record(0x0a000006);
    pass(11 * S);
    fastpath->ops->put(fastpath, SKR_TABLE_RECORDS_CA, &key, &value);
    pass(11 * S);
    cr_assert_eq(told_count, 2);
    cr_assert(told[1].resolved);
}

Test(drift, another_wrong_value_is_told_under_the_same_key)
{
    struct skr_abi_ca_key key = record_key(0x0a000006);
    struct skr_abi_ca_record value;
    cr_assert_eq(fastpath->ops->get(fastpath, SKR_TABLE_RECORDS_CA, &key, &value), 0);
    memset(value.mac, 0x11, sizeof(value.mac));
    fastpath->ops->put(fastpath, SKR_TABLE_RECORDS_CA, &key, &value);
    pass(11 * S);
    memset(value.mac, 0x22, sizeof(value.mac));
    fastpath->ops->put(fastpath, SKR_TABLE_RECORDS_CA, &key, &value);
    pass(11 * S);
    cr_assert_eq(told_count, 2);
    cr_assert_arr_eq(told[0].key, told[1].key, 16);
    cr_assert_str_neq(told[0].found, told[1].found);
    cr_assert_eq(told[0].since_ms, 10000, "the audit that found it");
    cr_assert_eq(told[1].since_ms, 10000);
}

/* A guest's filter is put back in manual too: without it the guest could talk to the host. */
Test(drift, a_filter_that_went_is_found_within_a_second_of_the_notification)
{
    struct skr_fastpath_attachment found;
    pass(1 * S);
    fastpath->ops->detach(fastpath, SKR_HOOK_PORT, IFINDEX);
    skr_drift_changed(drift, now);
    pass(1 * S);
    cr_assert_eq(told_count, 2);
    cr_assert_str_eq(told[0].object_kind, "filter");
    cr_assert_str_eq(told[0].object, "v7");
    cr_assert_str_eq(told[0].field, "port_ingress");
    cr_assert_str_eq(told[0].expected, "our program");
    cr_assert_str_eq(told[0].found, "missing");
    cr_assert_eq(fastpath->ops->inspect(fastpath, SKR_HOOK_PORT, IFINDEX, &found), 0);
    cr_assert(found.attached);
    cr_assert(told[1].resolved);
}

static bool usurped; /* another program than ours is on the hook */

static int find_usurper(struct skr_fastpath *f, enum skr_fastpath_hook hook, uint32_t ifindex,
                        struct skr_fastpath_attachment *ret)
{
    (void)f, (void)hook, (void)ifindex;
    *ret = (struct skr_fastpath_attachment){.attached = true, .ours = !usurped, .program_id = usurped ? 77 : 1};
    return 0;
}

static int replace_usurper(struct skr_fastpath *f, enum skr_fastpath_hook hook, uint32_t ifindex)
{
    (void)f;
    cr_assert_eq(hook, SKR_HOOK_PORT);
    cr_assert_eq(ifindex, (uint32_t)IFINDEX);
    usurped = false;
    return 0;
}

/* A program that was put in the place of a guest's filter judges none of the guest's packets, because ours is put back.
 */
Test(drift, another_program_in_our_place_is_told_and_replaced)
{
    struct skr_fastpath_ops watched = *fastpath->ops;
    const struct skr_fastpath_ops *plain = fastpath->ops;
    watched.inspect = find_usurper;
    watched.attach = replace_usurper;
    fastpath->ops = &watched;
    usurped = true;
    pass(1 * S);
    cr_assert_eq(told_count, 2);
    cr_assert_str_eq(told[0].object_kind, "program");
    cr_assert_str_eq(told[0].object, "v7");
    cr_assert_str_eq(told[0].found, "program 77");
    cr_assert_not(usurped);
    cr_assert(told[1].resolved);
    fastpath->ops = plain;
}

Test(drift, what_is_no_longer_expected_is_no_finding)
{
    struct skr_uuid none = {0};
    skr_drift_expect(drift, SKR_HOOK_UPLINK, IFINDEX + 1, "up0", &none, true);
    pass(1 * S);
    cr_assert_eq(open_findings(), 1, "no program is on the uplink");
    skr_drift_expect(drift, SKR_HOOK_UPLINK, IFINDEX + 1, "up0", &none, false);
    pass(11 * S);
    cr_assert_eq(open_findings(), 0);
}

static int forget_put(struct skr_fastpath *f, enum skr_fastpath_table table, const void *key, const void *value)
{
    (void)f, (void)table, (void)key, (void)value;
    return 0;
}

Test(drift, what_does_not_stay_mended_is_no_busy_loop)
{
    struct skr_fastpath_ops lying = *fastpath->ops;
    const struct skr_fastpath_ops *honest = fastpath->ops;
    remediation(true);
    remove_record(0x0a000006);
    lying.put = forget_put;
    fastpath->ops = &lying;
    pass(10 * S);
    cr_assert_lt(pass(60 * S), 200u);
    cr_assert_eq(told_count, 1);
    fastpath->ops = honest;
    pass(2 * S);
    cr_assert(has_record(0x0a000006));
}

static void put_foreign(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct skr_abi_ca_key key = record_key(0x0b000000 + i);
        const struct skr_abi_ca_record value = {0};
        cr_assert_eq(fastpath->ops->put(fastpath, SKR_TABLE_RECORDS_CA, &key, &value), 0);
    }
}

/* Puts or counts foreign entries of another table: one round lists as many entries of a table as the list of all holds.
 */
static unsigned foreign_macs(unsigned count, bool put)
{
    unsigned there = 0;
    for (unsigned i = 0; i < count; i++) {
        struct skr_abi_mac_key key = {.vsid = VSID, .mac = {2, 0xbb, 0, 0, 0, (uint8_t)i}};
        struct skr_abi_mac_record value = {0};
        if (put)
            cr_assert_eq(fastpath->ops->put(fastpath, SKR_TABLE_RECORDS_MAC, &key, &value), 0);
        there += fastpath->ops->get(fastpath, SKR_TABLE_RECORDS_MAC, &key, &value) == 0;
    }
    return there;
}

Test(drift, a_full_list_does_not_repair_in_manual)
{
    put_foreign(SKR_DRIFT_ITEMS_MAX + 100);
    foreign_macs(100, true);
    pass(11 * S);
    cr_assert_eq(open_findings(), SKR_DRIFT_ITEMS_MAX);
    for (unsigned i = 0; i < SKR_DRIFT_ITEMS_MAX + 100; i++)
        cr_assert(has_record(0x0b000000 + i));
    cr_assert_eq(foreign_macs(100, false), 100);
    skr_drift_remediate(drift, now);
    pass(5 * S);
    for (unsigned i = 0; i < SKR_DRIFT_ITEMS_MAX + 100; i++)
        cr_assert_not(has_record(0x0b000000 + i));
    cr_assert_eq(foreign_macs(100, false), 0);
    cr_assert_eq(open_findings(), 0);
}

static unsigned lost_pin, pins_made; /* lost_pin 0: each is where it belongs */

static void lose_pin(struct skr_fastpath *f, void (*fn)(void *arg, unsigned pin, const char *name, const char *found),
                     void *arg)
{
    (void)f;
    if (lost_pin)
        fn(arg, lost_pin, "records_ca", "missing");
}

static int make_pin(struct skr_fastpath *f, unsigned pin)
{
    (void)f;
    cr_assert_eq(pin, lost_pin);
    lost_pin = 0;
    pins_made++;
    return 0;
}

/* An agent that starts over finds its tables by their pins; without them live ports would drop. */
Test(drift, a_pin_that_went_is_told_and_put_back)
{
    struct skr_fastpath_ops watched = *fastpath->ops;
    const struct skr_fastpath_ops *plain = fastpath->ops;
    watched.pins = lose_pin;
    watched.pin = make_pin;
    fastpath->ops = &watched;
    lost_pin = 3;
    pass(11 * S);
    cr_assert_eq(told_count, 1);
    cr_assert_str_eq(told[0].object_kind, "pin");
    cr_assert_str_eq(told[0].object, "records_ca");
    cr_assert_str_eq(told[0].found, "missing");
    cr_assert_eq(pins_made, 0, "in manual it is told, no more");
    skr_drift_remediate(drift, now);
    pass(2 * S);
    cr_assert_eq(pins_made, 1);
    cr_assert_eq(open_findings(), 0);
    fastpath->ops = plain;
}

Test(drift, nothing_before_it_begins)
{
    struct skr_drift *early;
    const struct skr_drift_options options = {
            .desired = desired, .program = program, .fastpath = fastpath, .report = on_report};
    cr_assert_eq(skr_drift_new(&options, &early), 0);
    skr_drift_changed(early, now);
    skr_drift_remediate(early, now);
    cr_assert_eq(skr_drift_deadline_ns(early), INT64_MAX);
    skr_drift_run(early, now + 100 * S, 0);
    cr_assert_eq(told_count, 0);
    skr_drift_free(early);
}

Test(drift, a_busy_host_has_no_false_finding)
{
    unsigned seed = 1;
    remediation(true);
    for (unsigned step = 0; step < 3000; step++) {
        uint32_t n = 10 + (unsigned)rand_r(&seed) % 200;
        Skerry__V1__Delta *delta = domain_delta();
        if (rand_r(&seed) % 3 == 0)
            delta_delete(delta, RECORD, test_id(0xec, n));
        else
            delta_upsert(
                    delta, RECORD, test_id(0xec, n),
                    body_record(VSID, 0x0a000000 + n, n + (unsigned)rand_r(&seed) % 2, REMOTE, peer, test_id(0xad, n)));
        deliver(delta);
        if (rand_r(&seed) % 4 == 0)
            skr_drift_changed(drift, now);
        pass(rand_r(&seed) % 2 ? 50000000 : 3 * S);
    }
    cr_assert_eq(told_count, 0, "%s: %s, not %s", told[0].object, told[0].found, told[0].expected);
}
