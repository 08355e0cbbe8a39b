/* A fast path that refuses entries, and the order in which it gets them: what fails is told by object and aspect, and
 * no packet meets half a change. */
#include "agent/fastpath/program.h"
#include "tests/unit/agent/build.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/frame.h>

#define VSID   5001
#define OWN    0xc0000205u
#define REMOTE 0xc0000200u /* and the number of the host */
#define SECOND INT64_C(1000000000)

static const struct skr_uuid network = {{0xaa}}, self = {{0x05, [15] = 1}}, logical = {{0x77}};
static struct skr_fastpath *fastpath;
static struct skr_desired *desired;
static struct skr_program *program;
static struct skr_error error;
static uint64_t version;

/* The memory provider, with a put that refuses what it is told to refuse and a look at the chain after each change. */
static const struct skr_fastpath_ops *real;
static struct skr_fastpath_ops ops;
static int refuse[SKR_TABLE_COUNT]; /* -errno; 0: nothing is refused */
static void (*after_change)(void);

static int put(struct skr_fastpath *there, enum skr_fastpath_table table, const void *key, const void *value)
{
    int r = refuse[table] ? refuse[table] : real->put(there, table, key, value);
    if (after_change)
        after_change();
    return r;
}

static int remove_entry(struct skr_fastpath *there, enum skr_fastpath_table table, const void *key)
{
    int r = real->remove(there, table, key);
    if (after_change)
        after_change();
    return r;
}

static void setup(void)
{
    struct skr_fastpath_options options = {0};
    struct skr_uuid database = test_id(0xdb, 1);
    version = 1;
    cr_assert_eq(skr_fastpath_memory_new(&options, &fastpath, &error), 0);
    real = fastpath->ops;
    ops = *real;
    ops.put = put;
    ops.remove = remove_entry;
    fastpath->ops = &ops;
    skr_desired_new(&desired);
    skr_desired_set_controller(desired, &database, 7, &test_key);
    skr_program_new(fastpath, desired, &program);
    skr_desired_listen(desired, skr_program_changes, program);
}

static void teardown(void)
{
    skr_program_free(program);
    skr_desired_free(desired);
    real->free(fastpath);
}

TestSuite(failures, .init = setup, .fini = teardown);

static void deliver(Skerry__V1__Delta *delta)
{
    bool complete;
    int r = skr_desired_delta(desired, delta, &complete, &error);
    cr_assert(r == 0 || r == -ESTALE, "%s", error.detail);
    delta_free(delta);
}

static void give(Skerry__V1__ScopeKind kind, Skerry__V1__ObjectType type, struct skr_uuid id, void *body)
{
    Skerry__V1__Delta *delta = delta_new(kind, kind == HOST_SCOPE ? self : network, 0, ++version);
    if (body)
        delta_upsert(delta, type, id, body);
    else
        delta_delete(delta, type, id);
    deliver(delta);
}

static void give_network(void)
{
    give(HOST_SCOPE, HOST, self, body_host("h1"));
    give(HOST_SCOPE, PA, test_id(0x9a, 1), body_pa(OWN, logical));
    give(DOMAIN_SCOPE, DOMAIN_OBJECT, network, body_domain(9, logical));
    give(DOMAIN_SCOPE, SUBNET, test_id(0x5b, 1), body_subnet(VSID, 0x0a000000, 24));
}

static void give_record(uint32_t number, uint32_t mac)
{
    give(DOMAIN_SCOPE, RECORD, test_id(0xec, number),
         body_record(VSID, 0x0a000000 + number, mac, REMOTE + 9, test_id(5, 9), test_id(0xad, number)));
}

static const char *failure_of(Skerry__V1__ScopeKind kind, struct skr_uuid id)
{
    static char text[512];
    Skerry__V1__Envelope *envelope = skr_desired_applied(desired, kind, kind == HOST_SCOPE ? &self : &network);
    text[0] = 0;
    for (size_t i = 0; envelope && i < envelope->applied->n_failures; i++)
        if (memcmp(envelope->applied->failures[i]->id.data, id.bytes, 16) == 0)
            snprintf(text, sizeof(text), "%s", envelope->applied->failures[i]->reason);
    skr_envelope_free(envelope);
    return text;
}

static const char *record_failure(uint32_t number)
{
    return failure_of(DOMAIN_SCOPE, test_id(0xec, number));
}

/* ---- what is told ---- */

Test(failures, an_entry_that_fits_again_does_not_hide_what_the_port_does_without)
{
    struct skr_uuid id = test_id(0xad, 1);
    Skerry__V1__Port *port = (void *)body_port(network, VSID, 1);
    port->mirror = SKERRY__V1__MIRROR_MODE__MIRROR_MODE_SOURCE;
    give_network();
    give(HOST_SCOPE, PORT, id, port);
    refuse[SKR_TABLE_PORTS] = -E2BIG;
    skr_program_bind(program, &id, 11, false);
    cr_assert(strstr(failure_of(HOST_SCOPE, id), "table_full: "), "%s", failure_of(HOST_SCOPE, id));
    cr_assert(strstr(failure_of(HOST_SCOPE, id), "not_supported: mirror"), "%s", failure_of(HOST_SCOPE, id));
    refuse[SKR_TABLE_PORTS] = 0;
    skr_program_bind(program, &id, 12, false);
    cr_assert_null(strstr(failure_of(HOST_SCOPE, id), "table_full: "), "%s", failure_of(HOST_SCOPE, id));
    cr_assert(strstr(failure_of(HOST_SCOPE, id), "not_supported: mirror"), "%s", failure_of(HOST_SCOPE, id));
}

Test(failures, work_that_no_network_card_does_is_not_realized)
{
    static const char *const names[] = {"vmq", "ipsec_task_offload", "sriov", "vrss"};
    give_network();
    for (size_t i = 0; i < 4; i++) {
        struct skr_uuid id = test_id(0xad, 10 + (uint32_t)i);
        char wanted[80];
        Skerry__V1__Port *port = (void *)body_port(network, VSID, 10 + (uint32_t)i);
        protobuf_c_boolean *switches[] = {&port->vmq, &port->ipsec_task_offload, &port->sriov, &port->vrss};
        *switches[i] = true;
        give(HOST_SCOPE, PORT, id, port);
        snprintf(wanted, sizeof(wanted), "not_supported: %s is not supported", names[i]);
        cr_assert(strstr(failure_of(HOST_SCOPE, id), wanted), "%s", failure_of(HOST_SCOPE, id));
    }
}

Test(failures, each_keeps_its_own_reason)
{
    give_network();
    refuse[SKR_TABLE_RECORDS_CA] = -ENOMEM;
    give_record(1, 1);
    refuse[SKR_TABLE_RECORDS_CA] = -E2BIG;
    give_record(2, 2);
    give_record(3, 3);
    give(DOMAIN_SCOPE, RECORD, test_id(0xec, 3), NULL); /* a failure ends, and the others are looked at again */
    cr_assert(strstr(record_failure(1), "Cannot allocate memory"), "%s", record_failure(1));
    cr_assert(strstr(record_failure(2), "table_full: "), "%s", record_failure(2));
    cr_assert_str_eq(record_failure(3), "");
}

Test(failures, an_object_with_two_failed_entries_keeps_one_when_the_other_succeeds)
{
    give_network();
    refuse[SKR_TABLE_RECORDS_CA] = refuse[SKR_TABLE_RECORDS_MAC] = -ENOMEM;
    give_record(1, 1);
    refuse[SKR_TABLE_RECORDS_MAC] = 0;
    give_record(1, 2); /* its MAC's entry is another one */
    cr_assert(strstr(record_failure(1), "records_ca"), "%s", record_failure(1));
    refuse[SKR_TABLE_RECORDS_CA] = 0;
    give_record(1, 3);
    cr_assert_str_eq(record_failure(1), "");
}

/* Two records ask for one address; the entry that failed is the winner's failure alone. */
Test(failures, a_failure_follows_the_entry_to_its_next_owner)
{
    give_network();
    refuse[SKR_TABLE_RECORDS_CA] = -ENOMEM;
    give(DOMAIN_SCOPE, RECORD, test_id(0xec, 2),
         body_record(VSID, 0x0a000001, 1, REMOTE + 9, test_id(5, 9), test_id(0xad, 2)));
    cr_assert(strstr(record_failure(2), "records_ca"), "%s", record_failure(2));
    give_record(1, 1);
    cr_assert(strstr(record_failure(1), "records_ca"), "%s", record_failure(1));
    cr_assert_str_eq(record_failure(2), "");
}

static void nothing_differs(void *arg, enum skr_fastpath_table table, const void *key, const void *expected,
                            const void *found)
{
    (void)arg;
    (void)key;
    (void)expected;
    (void)found;
    cr_assert(false, "table %d", table);
}

/* The kernel refuses an entry when it has no memory just then; nobody touches that table again. */
Test(failures, what_was_refused_for_a_while_heals_with_the_audit)
{
    give_network();
    refuse[SKR_TABLE_RECORDS_CA] = -ENOMEM;
    give_record(1, 1);
    refuse[SKR_TABLE_RECORDS_CA] = 0;
    while (!skr_program_audit(program, 1, nothing_differs, NULL))
        ;
    cr_assert_str_eq(record_failure(1), "");
}

/* ---- the order of a change ---- */

static uint32_t chain[64];
static unsigned chain_count;
static bool always[256]; /* hosts that are members before and after the change */

/* Follows the chain as the flood program does, from what the table holds now. */
static void follow_chain(void)
{
    struct skr_abi_flood_key key = {.vsid = VSID};
    struct skr_abi_flood value;
    bool seen[256] = {false};
    for (chain_count = 0; real->get(fastpath, SKR_TABLE_FLOOD, &key, &value) == 0; chain_count++) {
        if (value.next.words[3] == 0)
            break;
        cr_assert_lt(chain_count, 64u, "the chain has an end");
        chain[chain_count] = value.next.bytes[15];
        seen[value.next.bytes[15]] = true;
        key.receiver = value.next;
    }
    for (unsigned host = 0; host < 256; host++)
        cr_assert(!always[host] || seen[host], "host %u gets no broadcast in the middle of the change", host);
}

static void member(Skerry__V1__Delta *delta, uint32_t host)
{
    uint32_t address = REMOTE + host, vsid = VSID;
    delta_upsert(delta, MEMBER, test_id(0x05, host), body_member(&address, 1, &vsid, 1));
}

Test(failures, a_flood_chain_is_whole_at_every_moment_of_a_change)
{
    give_network();
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, ++version);
    for (uint32_t host = 20; host < 60; host += 10) {
        member(delta, host);
        always[host] = host != 40;
    }
    deliver(delta);
    after_change = follow_chain;
    follow_chain();
    delta = delta_new(DOMAIN_SCOPE, network, 0, ++version);
    member(delta, 10);
    member(delta, 25);
    member(delta, 26);
    member(delta, 70);
    delta_delete(delta, MEMBER, test_id(0x05, 40));
    deliver(delta);
    after_change = NULL;
    follow_chain();
    const uint32_t wanted[] = {10, 20, 25, 26, 30, 50, 70};
    cr_assert_eq(chain_count, 7);
    cr_assert_arr_eq(chain, wanted, sizeof(wanted));
}

/* A port that is in the table finds its subnet there: an interface is opened last and closed first. */
static void port_has_its_subnet(void)
{
    uint32_t ifindex = 11, vsid = VSID;
    struct skr_abi_port port;
    struct skr_abi_subnet subnet;
    if (real->get(fastpath, SKR_TABLE_PORTS, &ifindex, &port) == 0 && port.vsid)
        cr_assert_eq(real->get(fastpath, SKR_TABLE_SUBNETS, &vsid, &subnet), 0);
}

Test(failures, a_port_opens_last_and_closes_first)
{
    struct skr_uuid id = test_id(0xad, 1);
    after_change = port_has_its_subnet;
    skr_program_hold(program, true);
    give(HOST_SCOPE, PORT, id, body_port(network, VSID, 1));
    skr_program_bind(program, &id, 11, false);
    give_network();
    skr_program_hold(program, false);
    skr_program_hold(program, true);
    give(DOMAIN_SCOPE, SUBNET, test_id(0x5b, 1), NULL);
    skr_program_bind(program, &id, 0, false);
    skr_program_hold(program, false);
    after_change = NULL;
    uint32_t ifindex = 11;
    struct skr_abi_port port;
    cr_assert_eq(real->get(fastpath, SKR_TABLE_PORTS, &ifindex, &port), -ENOENT);
}

/* ---- which provider address ---- */

static uint8_t source_pa(void)
{
    uint32_t vsid = VSID;
    struct skr_abi_subnet subnet;
    cr_assert_eq(real->get(fastpath, SKR_TABLE_SUBNETS, &vsid, &subnet), 0);
    return subnet.source_pa.bytes[15];
}

/* The controller names the same address to the other hosts: the one whose object has the lowest id. */
Test(failures, a_vm_network_sends_from_the_provider_address_with_the_lowest_id)
{
    give_network(); /* 0x9a..01 is 192.0.2.5 */
    cr_assert_eq(source_pa(), 5);
    give(HOST_SCOPE, PA, test_id(0x9a, 2), body_pa(0xc0000204u, logical));
    cr_assert_eq(source_pa(), 5, "a higher id with a lower address");
    give(HOST_SCOPE, PA, test_id(0x99, 9), body_pa(0xc0000206u, logical));
    cr_assert_eq(source_pa(), 6, "a lower id with a higher address");
    give(HOST_SCOPE, PA, test_id(0x01, 1), body_pa(0xc0000207u, test_id(0x78, 1)));
    cr_assert_eq(source_pa(), 6, "of another logical network");
    give(HOST_SCOPE, PA, test_id(0x99, 9), NULL);
    cr_assert_eq(source_pa(), 5);
}

/* ---- the host that an adapter has left ---- */

static uint8_t former_host(void)
{
    struct skr_abi_mac_key key = {.vsid = VSID, .mac = {2, 0, 0, 0, 0, 1}};
    struct skr_abi_mac_record record;
    cr_assert_eq(real->get(fastpath, SKR_TABLE_RECORDS_MAC, &key, &record), 0);
    return record.armed_pa.bytes[15];
}

/* The last byte of each address. */
static void expect_moving(uint32_t at, uint32_t ifindex, uint32_t flags, uint32_t other)
{
    struct skr_abi_mac_key key = {.vsid = VSID, .mac = {2, 0, 0, 0, 0, 1}};
    struct skr_abi_mac_record record;
    cr_assert_eq(real->get(fastpath, SKR_TABLE_RECORDS_MAC, &key, &record), 0);
    cr_assert(record.pa.bytes[15] == at && record.ifindex == ifindex && record.flags == flags &&
                      record.armed_pa.bytes[15] == other,
              "at %u interface %u flags %u other %u", record.pa.bytes[15], record.ifindex, record.flags,
              record.armed_pa.bytes[15]);
}

static void give_moving_record(struct skr_uuid host, uint32_t pa, uint32_t armed_pa)
{
    Skerry__V1__Record *record = (void *)body_record(VSID, 0x0a000001, 1, pa, host, test_id(0xad, 1));
    if (armed_pa)
        record->armed_provider_address = test_v4(armed_pa);
    give(DOMAIN_SCOPE, RECORD, test_id(0xec, 1), record);
}

/* Members hear of a move within 60 s; until all have, frames go to the former host, which passes them on. */
Test(failures, the_former_host_may_pass_on_frames_until_every_member_has_heard)
{
    struct skr_uuid id = test_id(0xad, 1);
    int64_t now_ns = 1000 * SECOND;
    give_network();
    give(HOST_SCOPE, PORT, id, body_port(network, VSID, 1));
    skr_program_bind(program, &id, 11, false);
    give_moving_record(test_id(5, 9), REMOTE + 9, OWN);
    give_moving_record(self, OWN, 0);
    cr_assert_eq(former_host(), 9);
    skr_program_run(program, now_ns);
    int64_t end_ns = skr_program_deadline_ns(program);
    cr_assert_geq(end_ns, now_ns + 60 * SECOND, "a member may be that late");
    cr_assert_leq(end_ns, now_ns + 70 * SECOND, "and the former host is trusted no longer than it must be");
    skr_program_run(program, end_ns - 1);
    cr_assert_eq(former_host(), 9);
    skr_program_run(program, end_ns);
    cr_assert_eq(former_host(), 0);
    cr_assert_eq(skr_program_deadline_ns(program), INT64_MAX);
}

/* To a host that is neither of the two, the former one is the sender of what was on its way, and no more. */
Test(failures, the_former_host_is_a_sender_for_a_moment_elsewhere)
{
    int64_t now_ns = 1000 * SECOND;
    give_network();
    give_moving_record(test_id(5, 9), REMOTE + 9, REMOTE + 8);
    give_moving_record(test_id(5, 8), REMOTE + 8, 0);
    expect_moving(8, 0, SKR_MAC_FLIPPED | SKR_MAC_TOLD, 9);
    skr_program_run(program, now_ns);
    int64_t end_ns = skr_program_deadline_ns(program);
    cr_assert_leq(end_ns, now_ns + 10 * SECOND);
    skr_program_run(program, end_ns - 1);
    expect_moving(8, 0, SKR_MAC_FLIPPED | SKR_MAC_TOLD, 9);
    skr_program_run(program, end_ns);
    expect_moving(8, 0, 0, 0);
    cr_assert_eq(skr_program_deadline_ns(program), INT64_MAX);
    /* A move that was called off, and an adapter that came otherwise: neither has a former host. */
    give_moving_record(test_id(5, 8), REMOTE + 8, REMOTE + 7);
    give_moving_record(test_id(5, 8), REMOTE + 8, 0);
    expect_moving(8, 0, 0, 0);
    give_moving_record(test_id(5, 6), REMOTE + 6, 0);
    expect_moving(6, 0, 0, 0);
}

/* The source sends on, and back, what still comes for the adapter. */
Test(failures, the_source_of_a_move_knows_that_the_adapter_has_just_left)
{
    give_network();
    give(HOST_SCOPE, PORT, test_id(0xad, 1), body_port(network, VSID, 1));
    skr_program_bind(program, &(struct skr_uuid){{0xad, [15] = 1}}, 11, false);
    give_moving_record(self, OWN, REMOTE + 9);
    expect_moving(OWN & 0xff, 11, 0, 9);
    give_moving_record(test_id(5, 9), REMOTE + 9, 0);
    expect_moving(9, 0, SKR_MAC_FLIPPED | SKR_MAC_TOLD, OWN & 0xff);
}

/* The port and the record travel apart, and each says on its own that the adapter has arrived. */
Test(failures, the_target_of_a_move_takes_what_others_send_it_first)
{
    struct skr_uuid id = test_id(0xad, 1);
    Skerry__V1__Port *armed = (void *)body_port(network, VSID, 1);
    give_network();
    give_moving_record(test_id(5, 9), REMOTE + 9, OWN);
    expect_moving(9, 0, 0, OWN & 0xff);
    armed->armed = true;
    give(HOST_SCOPE, PORT, id, armed);
    expect_moving(9, 0, 0, OWN & 0xff);
    skr_program_bind(program, &id, 11, false);
    expect_moving(9, 11, SKR_MAC_ARRIVES, OWN & 0xff);
    give(HOST_SCOPE, PORT, id, body_port(network, VSID, 1));
    expect_moving(OWN & 0xff, 11, SKR_MAC_FLIPPED | SKR_MAC_TOLD, 9);
    give_moving_record(self, OWN, 0);
    expect_moving(OWN & 0xff, 11, SKR_MAC_FLIPPED | SKR_MAC_TOLD, 9);
}

/* It knows what comes to it by its provider address, which may arrive last, and go. */
Test(failures, the_target_of_a_move_gets_its_provider_address_last)
{
    struct skr_uuid id = test_id(0xad, 1);
    Skerry__V1__Port *armed = (void *)body_port(network, VSID, 1);
    armed->armed = true;
    give(HOST_SCOPE, HOST, self, body_host("h1"));
    give(DOMAIN_SCOPE, DOMAIN_OBJECT, network, body_domain(9, logical));
    give(DOMAIN_SCOPE, SUBNET, test_id(0x5b, 1), body_subnet(VSID, 0x0a000000, 24));
    give_moving_record(test_id(5, 9), REMOTE + 9, OWN);
    give(HOST_SCOPE, PORT, id, armed);
    skr_program_bind(program, &id, 11, false);
    expect_moving(9, 0, 0, OWN & 0xff);
    give(HOST_SCOPE, PA, test_id(0x9a, 1), body_pa(OWN, logical));
    expect_moving(9, 11, SKR_MAC_ARRIVES, OWN & 0xff);
    give(HOST_SCOPE, PA, test_id(0x9a, 1), NULL);
    expect_moving(9, 0, 0, OWN & 0xff);
}
