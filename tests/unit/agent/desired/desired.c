#include "agent/desired/private.h"
#include "tests/unit/agent/build.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/frame.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct skr_desired *desired;
static unsigned calls, upserts, deletes, replaced;
static struct skr_error error;
static bool complete;

static void count(void *arg, const struct skr_desired_change *changes, size_t n)
{
    (void)arg;
    calls++;
    bool deleting = false;
    for (size_t i = 0; i < n; i++) {
        if (changes[i].after) {
            cr_assert(!deleting, "upserts come first");
            upserts++;
            replaced += changes[i].before != NULL;
        } else {
            deleting = true;
            deletes++;
            cr_assert(changes[i].before);
        }
    }
}

static void setup(void)
{
    struct skr_uuid database = test_id(0xdb, 1);
    calls = upserts = deletes = replaced = 0;
    complete = false;
    skr_error_clear(&error);
    skr_desired_new(&desired);
    skr_desired_set_controller(desired, &database, 7, &test_key);
    skr_desired_listen(desired, count, NULL);
}

static void teardown(void)
{
    skr_desired_free(desired);
}

TestSuite(desired, .init = setup, .fini = teardown);

static const struct skr_uuid network = {{0xaa}};
#define VSID 5001

static int deliver(Skerry__V1__Delta *delta)
{
    int r = skr_desired_delta(desired, delta, &complete, &error);
    delta_free(delta);
    return r;
}

static uint64_t add_record(Skerry__V1__Delta *delta, uint32_t number, uint32_t pa)
{
    return delta_upsert(
            delta, RECORD, test_id(0xec, number),
            body_record(VSID, 0x0a000000 + number, number + 1, pa, test_id(0x05, 2), test_id(0xad, number)));
}

static uint64_t send_records(uint64_t version, uint32_t from, uint32_t to)
{
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, version);
    uint64_t digest = 0;
    for (uint32_t i = from; i < to; i++)
        digest += add_record(delta, i, 0xc0000201);
    delta->digest = digest;
    delta->revision = version * 10;
    cr_assert_eq(deliver(delta), 0);
    return digest;
}

static Skerry__V1__Applied *applied(Skerry__V1__Envelope **ret)
{
    *ret = skr_desired_applied(desired, DOMAIN_SCOPE, &network);
    cr_assert(*ret);
    return (*ret)->applied;
}

Test(desired, takes_a_delta)
{
    send_records(3, 0, 10);
    cr_assert(complete);
    cr_assert_eq(calls, 1);
    cr_assert_eq(upserts, 10);
    cr_assert_eq(skr_desired_revision(desired), 30);
    Skerry__V1__ScopeKind kind;
    struct skr_uuid id;
    cr_assert(skr_desired_next_changed(desired, &kind, &id));
    Skerry__V1__Envelope *envelope;
    cr_assert_eq(applied(&envelope)->version, 3);
    skr_envelope_free(envelope);
    cr_assert(!skr_desired_next_changed(desired, &kind, &id));
}

Test(desired, same_bytes_are_no_change)
{
    send_records(3, 0, 10);
    send_records(4, 0, 10);
    cr_assert_eq(calls, 1);
    cr_assert_eq(upserts, 10);
}

Test(desired, replaces_and_deletes)
{
    uint64_t digest = send_records(3, 0, 10);
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 3, 4);
    struct skr_uuid gone = test_id(0xec, 4);
    Skerry__V1__Delta *old = delta_new(DOMAIN_SCOPE, network, 0, 1);
    digest -= add_record(old, 3, 0xc0000201) + add_record(old, 4, 0xc0000201);
    delta_free(old);
    digest += add_record(delta, 3, 0xc0000209);
    delta_delete(delta, RECORD, gone);
    delta->digest = digest;
    cr_assert_eq(deliver(delta), 0);
    cr_assert_eq(replaced, 1);
    cr_assert_eq(deletes, 1);
    cr_assert_null(skr_desired_get(desired, DOMAIN_SCOPE, &network, RECORD, &gone));
    struct skr_uuid there = test_id(0xec, 3);
    const Skerry__V1__Record *record = (const void *)skr_desired_get(desired, DOMAIN_SCOPE, &network, RECORD, &there);
    cr_assert(record);
    cr_assert_eq(record->provider_address.data[3], 9);
}

Test(desired, frames_apply_together)
{
    Skerry__V1__Delta *first = delta_new(DOMAIN_SCOPE, network, 0, 5), *last = delta_new(DOMAIN_SCOPE, network, 0, 5);
    uint64_t digest = add_record(first, 1, 1) + add_record(last, 2, 1);
    first->more = true;
    last->digest = digest;
    cr_assert_eq(deliver(first), 0);
    cr_assert(!complete);
    cr_assert_eq(calls, 0);
    cr_assert_eq(deliver(last), 0);
    cr_assert(complete);
    cr_assert_eq(upserts, 2);
}

Test(desired, a_lost_session_forgets_partial_deltas)
{
    Skerry__V1__Delta *first = delta_new(DOMAIN_SCOPE, network, 0, 5);
    add_record(first, 1, 1);
    first->more = true;
    cr_assert_eq(deliver(first), 0);
    skr_desired_drop_partial(desired);
    Skerry__V1__Delta *last = delta_new(DOMAIN_SCOPE, network, 0, 5);
    last->digest = add_record(last, 2, 1);
    cr_assert_eq(deliver(last), 0);
    cr_assert_eq(upserts, 1);
}

Test(desired, replaced_all_drops_what_was_not_sent)
{
    send_records(3, 0, 10);
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, 9);
    delta->digest = add_record(delta, 2, 0xc0000201) + add_record(delta, 30, 1);
    delta->replaced_all = true;
    cr_assert_eq(deliver(delta), 0);
    cr_assert_eq(deletes, 9);
    cr_assert_eq(upserts, 11);
}

Test(desired, replaced_buckets_drop_only_theirs)
{
    uint64_t digest = send_records(3, 0, 10);
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, 9), *old = delta_new(DOMAIN_SCOPE, network, 0, 1);
    digest -= add_record(old, 5, 0xc0000201);
    delta_free(old);
    delta->replaced_buckets = malloc(2 * sizeof(uint32_t));
    delta->replaced_buckets[0] = 5;
    delta->replaced_buckets[1] = 6;
    delta->n_replaced_buckets = 2;
    add_record(delta, 6, 0xc0000201);
    delta->digest = digest;
    cr_assert_eq(deliver(delta), 0);
    cr_assert_eq(deletes, 1);
}

Test(desired, wrong_version_asks_for_resync)
{
    send_records(3, 0, 3);
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 2, 4);
    add_record(delta, 9, 1);
    complete = false;
    cr_assert_eq(deliver(delta), -ESTALE);
    cr_assert(!complete);
    cr_assert_eq(upserts, 3);
}

Test(desired, an_unknown_scope_needs_a_beginning)
{
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 2, 4);
    add_record(delta, 9, 1);
    cr_assert_eq(deliver(delta), -ESTALE);
    cr_assert_eq(calls, 0);
}

Test(desired, after_another_incarnation_the_digest_decides)
{
    uint64_t digest = send_records(3, 0, 3);
    struct skr_uuid database = test_id(0xdb, 1);
    skr_desired_set_controller(desired, &database, 8, &test_key);
    cr_assert_eq(skr_desired_revision(desired), 30);
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 77, 78);
    delta->digest = digest + add_record(delta, 9, 1);
    cr_assert_eq(deliver(delta), 0);
    cr_assert_eq(upserts, 4);
}

Test(desired, a_wrong_digest_is_applied_and_told)
{
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, 4);
    delta->digest = 1 + add_record(delta, 9, 1);
    cr_assert_eq(deliver(delta), -ESTALE);
    cr_assert_eq(upserts, 1);
}

Test(desired, a_new_key_recomputes)
{
    send_records(3, 0, 3);
    uint64_t root = skr_desired_root_digest(desired);
    struct skr_uuid database = test_id(0xdb, 1);
    struct skr_digest_key other = {1, 2};
    skr_desired_set_controller(desired, &database, 7, &other);
    cr_assert_neq(skr_desired_root_digest(desired), root);
    skr_desired_set_controller(desired, &database, 7, &test_key);
    cr_assert_eq(skr_desired_root_digest(desired), root);
}

Test(desired, root_digest_is_the_contracts)
{
    uint64_t digest = send_records(3, 0, 3);
    uint8_t bytes[25] = {DOMAIN_SCOPE};
    memcpy(bytes + 1, network.bytes, 16);
    for (int i = 0; i < 8; i++)
        bytes[17 + i] = (uint8_t)(digest >> (8 * i));
    cr_assert_eq(skr_desired_root_digest(desired), skr_siphash(&test_key, bytes, sizeof(bytes)));
}

Test(desired, removes_a_scope)
{
    send_records(3, 0, 3);
    Skerry__V1__ScopeRemoved removed = SKERRY__V1__SCOPE_REMOVED__INIT;
    removed.kind = DOMAIN_SCOPE;
    removed.id = test_uuid(network);
    removed.revision = 99;
    cr_assert_eq(skr_desired_remove_scope(desired, &removed), 0);
    cr_assert_eq(deletes, 3);
    cr_assert_eq(skr_desired_root_digest(desired), 0);
    cr_assert_eq(skr_desired_revision(desired), 99);
    cr_assert_null(skr_desired_applied(desired, DOMAIN_SCOPE, &network));
    cr_assert_eq(skr_desired_remove_scope(desired, &removed), 0);
    free(removed.id.data);
    removed.id.len = 0;
    cr_assert_eq(skr_desired_remove_scope(desired, &removed), -EBADMSG);
}

Test(desired, failures_are_kept_until_cleared)
{
    send_records(3, 0, 3);
    struct skr_uuid id = test_id(0xec, 1), nobody = test_id(0xec, 77);
    Skerry__V1__Envelope *envelope;
    applied(&envelope);
    skr_envelope_free(envelope);
    skr_desired_failure_set(desired, DOMAIN_SCOPE, &network, RECORD, &nobody, SKR_DESIRED_PLACE,
                            "waiting: no such object");
    skr_desired_failure_set(desired, DOMAIN_SCOPE, &network, RECORD, &id, SKR_DESIRED_ENTRIES, "table_full: no room");
    Skerry__V1__ScopeKind kind;
    struct skr_uuid scope;
    cr_assert(skr_desired_next_changed(desired, &kind, &scope));
    cr_assert_eq(applied(&envelope)->n_failures, 1);
    cr_assert_str_eq(envelope->applied->failures[0]->reason, "table_full: no room");
    skr_envelope_free(envelope);
    skr_desired_failure_set(desired, DOMAIN_SCOPE, &network, RECORD, &id, SKR_DESIRED_ENTRIES, "table_full: no room");
    cr_assert(!skr_desired_next_changed(desired, &kind, &scope), "nothing new");
    skr_desired_failure_set(desired, DOMAIN_SCOPE, &network, RECORD, &id, SKR_DESIRED_ENTRIES, NULL);
    cr_assert(skr_desired_next_changed(desired, &kind, &scope));
    cr_assert_eq(applied(&envelope)->n_failures, 0);
    skr_envelope_free(envelope);
}

static void fail(struct skr_uuid id, enum skr_desired_aspect aspect, const char *reason)
{
    skr_desired_failure_set(desired, DOMAIN_SCOPE, &network, RECORD, &id, aspect, reason);
}

/* The text that the controller would hear of the one object that failed; empty: nothing. */
static void expect_told(const char *wanted)
{
    Skerry__V1__Envelope *envelope;
    Skerry__V1__Applied *said = applied(&envelope);
    cr_assert_eq(said->n_failures, *wanted ? 1 : 0);
    cr_assert_str_eq(*wanted ? said->failures[0]->reason : "", wanted);
    skr_envelope_free(envelope);
}

Test(desired, one_aspect_of_an_object_does_not_speak_for_another)
{
    struct skr_uuid id = test_id(0xec, 1);
    send_records(3, 0, 3);
    fail(id, SKR_DESIRED_SETTINGS, "not_supported: mirror");
    fail(id, SKR_DESIRED_ENTRIES, "table_full: no room");
    expect_told("table_full: no room; not_supported: mirror");
    fail(id, SKR_DESIRED_HOST, NULL);
    fail(id, SKR_DESIRED_ENTRIES, NULL);
    expect_told("not_supported: mirror");
    fail(id, SKR_DESIRED_SETTINGS, NULL);
    expect_told("");
}

/* An acknowledgement that does not fit a frame ends the session, and so does the next one. */
Test(desired, an_acknowledgement_fits_a_frame_however_much_failed)
{
    char reason[SKR_DESIRED_REASON_MAX];
    uint8_t *packed = NULL;
    size_t size = 0;
    memset(reason, 'x', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = 0;
    send_records(3, 0, SKR_DESIRED_FAILURES_LISTED_MAX + 10);
    for (uint32_t i = 0; i < SKR_DESIRED_FAILURES_LISTED_MAX + 10; i++)
        for (int aspect = 0; aspect < SKR_DESIRED_ASPECT_COUNT; aspect++)
            fail(test_id(0xec, i), aspect, reason);
    Skerry__V1__Envelope *envelope;
    cr_assert_gt(applied(&envelope)->n_failures, 500);
    cr_assert_eq(skr_frame_pack(envelope, &packed, &size), 0);
    free(packed);
    skr_envelope_free(envelope);
}

Test(desired, a_deleted_object_takes_its_failure_along)
{
    uint64_t digest = send_records(3, 0, 1);
    struct skr_uuid id = test_id(0xec, 0);
    (void)digest;
    skr_desired_failure_set(desired, DOMAIN_SCOPE, &network, RECORD, &id, SKR_DESIRED_ENTRIES, "table_full: no room");
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 3, 4);
    delta_delete(delta, RECORD, id);
    cr_assert_eq(deliver(delta), 0);
    Skerry__V1__Envelope *envelope;
    cr_assert_eq(applied(&envelope)->n_failures, 0);
    skr_envelope_free(envelope);
}

Test(desired, digests_for_the_controller)
{
    uint64_t digest = send_records(3, 0, 3);
    Skerry__V1__Envelope *scopes = skr_desired_scope_digests(desired);
    cr_assert_eq(scopes->scope_digests->n_scopes, 1);
    cr_assert_eq(scopes->scope_digests->scopes[0]->digest, digest);
    skr_envelope_free(scopes);
    Skerry__V1__Envelope *buckets = skr_desired_bucket_digests(desired, DOMAIN_SCOPE, &network);
    cr_assert_eq(buckets->bucket_digests->n_digests, 256);
    uint64_t sum = 0;
    for (int i = 0; i < 256; i++) {
        sum += buckets->bucket_digests->digests[i];
        cr_assert_eq(buckets->bucket_digests->digests[i] != 0, i < 3);
    }
    cr_assert_eq(sum, digest);
    skr_envelope_free(buckets);
}

/* ---- malformed ---- */

static void refused(Skerry__V1__Delta *delta, const char *what)
{
    complete = false;
    skr_error_clear(&error);
    cr_assert_eq(deliver(delta), -EBADMSG, "%s", what);
    cr_assert_eq(error.tag, SKR_ERROR_SYNTAX);
    cr_assert(!complete && calls == 0 && skr_desired_root_digest(desired) == 0, "%s changed something", what);
}

static void refused_body(Skerry__V1__ScopeKind kind, struct skr_uuid scope, Skerry__V1__ObjectType type,
                         struct skr_uuid id, ProtobufCMessage *body, const char *what)
{
    Skerry__V1__Delta *delta = delta_new(kind, scope, 0, 1);
    delta->digest = delta_upsert(delta, type, id, body);
    refused(delta, what);
}

Test(desired, refuses_malformed_deltas)
{
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    delta->kind = 9;
    refused(delta, "kind");
    delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    delta->id.len = 15;
    refused(delta, "scope id");
    refused(delta_new(DOMAIN_SCOPE, network, 0, 0), "version");
    delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    delta->replaced_buckets = calloc(1, sizeof(uint32_t));
    delta->replaced_buckets[0] = 256;
    delta->n_replaced_buckets = 1;
    refused(delta, "bucket");
    delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    delta_delete(delta, PORT, test_id(1, 1));
    refused(delta, "deletes what does not belong here");
    delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    delta_delete(delta, RECORD, test_id(1, 1));
    delta->deletes[0]->id.len = 3;
    refused(delta, "deleted id");
    delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    delta_upsert_bytes(delta, RECORD, test_id(1, 1), "\x0a\xff", 2);
    refused(delta, "body that does not unpack");
    delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    add_record(delta, 1, 1);
    delta->upserts[0]->id.len = 0;
    refused(delta, "object without id");
    refused_body(HOST_SCOPE, network, RECORD, test_id(1, 1), body_record(VSID, 1, 1, 1, test_id(5, 1), test_id(6, 1)),
                 "record in a host's scope");
    refused_body(DOMAIN_SCOPE, network, 0, test_id(1, 1), body_record(VSID, 1, 1, 1, test_id(5, 1), test_id(6, 1)),
                 "no type");
}

Test(desired, refuses_fields_out_of_range)
{
    struct skr_uuid host = test_id(5, 1), id = test_id(1, 1), nil = {0};
    refused_body(DOMAIN_SCOPE, network, RECORD, id, body_record(4095, 1, 1, 1, host, nil), "VSID low");
    refused_body(DOMAIN_SCOPE, network, RECORD, id, body_record(16777215, 1, 1, 1, host, nil), "VSID high");
    Skerry__V1__Record *record = (void *)body_record(VSID, 1, 1, 1, host, nil);
    record->mac.len = 5;
    refused_body(DOMAIN_SCOPE, network, RECORD, id, &record->base, "MAC size");
    record = (void *)body_record(VSID, 1, 1, 1, host, nil);
    record->mac.data[0] = 0x01;
    refused_body(DOMAIN_SCOPE, network, RECORD, id, &record->base, "group MAC");
    record = (void *)body_record(VSID, 1, 1, 1, host, nil);
    record->customer_address.len = 3;
    refused_body(DOMAIN_SCOPE, network, RECORD, id, &record->base, "address size");
    record = (void *)body_record(VSID, 1, 1, 1, host, nil);
    record->type = SKERRY__V1__RECORD_TYPE__RECORD_TYPE_UNSPECIFIED;
    refused_body(DOMAIN_SCOPE, network, RECORD, id, &record->base, "record type");
    Skerry__V1__Subnet *subnet = (void *)body_subnet(VSID, 0x0a000001, 24);
    refused_body(DOMAIN_SCOPE, network, SUBNET, id, &subnet->base, "host bits");
    refused_body(DOMAIN_SCOPE, network, SUBNET, id, body_subnet(VSID, 0x0a000000, 33), "prefix length");
    refused_body(DOMAIN_SCOPE, network, DOMAIN_OBJECT, id, body_domain(1, id), "domain of another scope");
    refused_body(DOMAIN_SCOPE, network, DOMAIN_OBJECT, network, body_domain(0, id), "domain number");
    Skerry__V1__Domain *domain = (void *)body_domain(1, id);
    domain->encapsulation = SKERRY__V1__ENCAPSULATION__ENCAPSULATION_UNSPECIFIED;
    refused_body(DOMAIN_SCOPE, network, DOMAIN_OBJECT, network, &domain->base, "encapsulation");
    uint32_t vsid = 12;
    refused_body(DOMAIN_SCOPE, network, MEMBER, id, body_member(NULL, 0, &vsid, 1), "member's VSID");
    Skerry__V1__ProviderAddress *pa = (void *)body_pa(0xc0000201, id);
    pa->vlan_id = 4095;
    refused_body(HOST_SCOPE, host, PA, id, &pa->base, "VLAN");
    pa = (void *)body_pa(0xc0000201, id);
    free(pa->uplink);
    pa->uplink = strdup("../../etc");
    refused_body(HOST_SCOPE, host, PA, id, &pa->base, "uplink");
    Skerry__V1__Port *port = (void *)body_port(network, VSID, 1);
    free(port->interface);
    port->interface = strdup("a name that is too long");
    refused_body(HOST_SCOPE, host, PORT, id, &port->base, "interface");
    Skerry__V1__Host *h = (void *)body_host("h");
    h->uplinks = malloc(sizeof(char *));
    h->uplinks[0] = strdup("");
    h->n_uplinks = 1;
    refused_body(HOST_SCOPE, host, HOST, host, &h->base, "host's uplink");
    refused_body(HOST_SCOPE, host, HOST, id, body_host("h"), "another host");
}

/* ---- deltas of several frames ---- */

/* Frame of version 4 on top of 3 that upserts the records in `put` and deletes those in `gone` (-1 ends a list). */
static int send_frame(bool more, const int *put, const int *gone, uint64_t digest)
{
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 3, 4);
    delta->more = more;
    delta->digest = digest;
    for (; *put >= 0; put++)
        add_record(delta, (uint32_t)*put, 0xc0000201);
    for (; *gone >= 0; gone++)
        delta_delete(delta, RECORD, test_id(0xec, (uint32_t)*gone));
    return deliver(delta);
}

#define NUMBERS(...) ((const int[]){__VA_ARGS__ __VA_OPT__(, ) - 1})

static uint64_t digest_of(uint32_t from, uint32_t to)
{
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 0, 1);
    uint64_t digest = 0;
    for (uint32_t i = from; i < to; i++)
        digest += add_record(delta, i, 0xc0000201);
    delta_free(delta);
    return digest;
}

Test(desired, deletes_of_every_frame_count)
{
    send_records(3, 0, 10);
    cr_assert_eq(send_frame(true, NUMBERS(), NUMBERS(0, 1), 0), 0);
    cr_assert(!complete, "more follows");
    cr_assert_eq(calls, 1, "nothing is applied before the last frame");
    cr_assert_eq(send_frame(true, NUMBERS(10, 11), NUMBERS(2), 0), 0);
    cr_assert(!complete);
    cr_assert_eq(send_frame(false, NUMBERS(), NUMBERS(3), digest_of(4, 12)), 0);
    cr_assert(complete);
    cr_assert_eq(calls, 2);
    cr_assert_eq(deletes, 4);
    cr_assert_eq(upserts, 12);
}

Test(desired, the_last_word_about_an_object_counts)
{
    send_records(3, 0, 4);
    cr_assert_eq(send_frame(true, NUMBERS(4), NUMBERS(0), 0), 0);
    cr_assert_eq(send_frame(false, NUMBERS(0), NUMBERS(4), digest_of(0, 4)), 0);
    cr_assert_eq(deletes, 0);
    cr_assert_eq(upserts, 4, "the same bytes as before, and one that never was");
}

/* A host that runs for months gets more than it may hold at a time. */
Test(desired, what_has_arrived_or_been_dropped_leaves_room)
{
    Skerry__V1__ScopeRemoved removed = SKERRY__V1__SCOPE_REMOVED__INIT;
    send_records(3, 0, 10);
    cr_assert_eq(desired->staged_bytes, 0, "applied");
    cr_assert_eq(send_frame(true, NUMBERS(10), NUMBERS(0), 0), 0);
    size_t once = desired->staged_bytes;
    cr_assert_gt(once, 0);
    cr_assert_eq(send_frame(true, NUMBERS(10), NUMBERS(0), 0), 0);
    cr_assert_eq(desired->staged_bytes, once, "said twice, held once");
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 3, 5);
    delta->more = true;
    cr_assert_eq(deliver(delta), 0);
    cr_assert_eq(desired->staged_bytes, 0, "superseded");
    cr_assert_eq(send_frame(true, NUMBERS(10), NUMBERS(0), 0), 0);
    skr_desired_drop_partial(desired);
    cr_assert_eq(desired->staged_bytes, 0, "the session ended");
    cr_assert_eq(send_frame(true, NUMBERS(10), NUMBERS(0), 0), 0);
    removed.kind = DOMAIN_SCOPE;
    removed.id = test_uuid(network);
    cr_assert_eq(skr_desired_remove_scope(desired, &removed), 0);
    cr_assert_eq(desired->staged_bytes, 0, "the scope was taken away");
    free(removed.id.data);
}

Test(desired, more_than_may_be_held_is_refused_and_nothing_of_it_kept)
{
    send_records(3, 0, 10);
    desired->staged_bytes = SKR_DESIRED_STAGED_BYTES_MAX + 1;
    cr_assert_eq(send_frame(true, NUMBERS(10), NUMBERS(), 0), -EBADMSG);
    cr_assert_eq(desired->staged_bytes, SKR_DESIRED_STAGED_BYTES_MAX + 1);
    desired->staged_bytes = 0;
    cr_assert_eq(send_frame(false, NUMBERS(10), NUMBERS(), digest_of(0, 11)), 0);
}

/* ---- cache ---- */

static char path[] = "/tmp/skerry-desired-XXXXXX";

Test(desired, survives_in_its_cache)
{
    close(mkstemp(path));
    send_records(3, 0, 3000);
    Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, test_id(5, 1), 0, 1);
    delta->digest = delta_upsert(delta, HOST, test_id(5, 1), body_host("h1"));
    cr_assert_eq(deliver(delta), 0);
    cr_assert_eq(skr_desired_save(desired, path), 0);
    uint64_t root = skr_desired_root_digest(desired);
    calls = upserts = 0;

    struct skr_desired *again;
    skr_desired_new(&again);
    skr_desired_listen(again, count, NULL);
    cr_assert_eq(skr_desired_load(again, path, &error), 0);
    cr_assert_eq(upserts, 3001);
    cr_assert_eq(skr_desired_root_digest(again), root);
    cr_assert_eq(skr_desired_revision(again), 30);
    cr_assert_eq(skr_desired_incarnation(again), 7);
    struct skr_uuid database = skr_desired_database_id(again), wanted = test_id(0xdb, 1);
    cr_assert_eq(skr_uuid_compare(&database, &wanted), 0);
    skr_desired_free(again);
    unlink(path);
}

static void damaged(long offset, bool cut, const char *words)
{
    FILE *file = fopen(path, "r+");
    if (cut) {
        cr_assert_eq(ftruncate(fileno(file), offset), 0);
    } else {
        fseek(file, offset, SEEK_SET);
        int c = fgetc(file);
        fseek(file, offset, SEEK_SET);
        fputc(c ^ 1, file);
    }
    fclose(file);
    struct skr_desired *again;
    skr_desired_new(&again);
    skr_desired_listen(again, count, NULL);
    calls = 0;
    skr_error_clear(&error);
    cr_assert_eq(skr_desired_load(again, path, &error), -EBADMSG, "offset %ld", offset);
    cr_assert(strstr(error.detail, words), "offset %ld: %s", offset, error.detail);
    cr_assert_eq(calls, 0);
    cr_assert_eq(skr_desired_root_digest(again), 0);
    skr_desired_free(again);
}

Test(desired, refuses_a_damaged_cache)
{
    close(mkstemp(path));
    long offsets[] = {0, 8, 16, 30, 57, 200, 400};
    static const char *const changed[] = {"not a cache", "another version", "longer",  "checksum",
                                          "checksum",    "checksum",        "checksum"};
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        calls = 0;
        send_records(3, 0, 30);
        cr_assert_eq(skr_desired_save(desired, path), 0);
        damaged(offsets[i], false, changed[i]);
        cr_assert_eq(skr_desired_save(desired, path), 0);
        damaged(offsets[i], true, i == 0 ? "not a cache" : "cut short");
    }
    unlink(path);
    struct skr_desired *again;
    skr_desired_new(&again);
    cr_assert_eq(skr_desired_load(again, path, &error), -ENOENT);
    skr_desired_free(again);
}

/* ---- what was noted since the cache was written ---- */

static char journal[sizeof(path) + 8];

static void open_journal(void)
{
    strcpy(path, "/tmp/skerry-desired-XXXXXX");
    close(mkstemp(path));
    snprintf(journal, sizeof(journal), "%s.journal", path);
    send_records(3, 0, 30);
    cr_assert_eq(skr_desired_save(desired, path), 0);
    cr_assert_lt(access(journal, F_OK), 0);
}

static void note_delta(Skerry__V1__Delta *delta)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_DELTA;
    envelope.delta = delta;
    cr_assert_eq(skr_desired_note(path, &envelope), 0);
    cr_assert_eq(deliver(delta), 0);
}

/* One more record, on top of the version before. */
static void note_record(uint64_t version, uint32_t number)
{
    struct skr_uuid id = network;
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, id, version - 1, version);
    Skerry__V1__Envelope *before = skr_desired_applied(desired, DOMAIN_SCOPE, &id);
    delta->digest = before->applied->digest + add_record(delta, number, 0xc0000201);
    delta->revision = version * 10;
    skr_envelope_free(before);
    note_delta(delta);
}

static void note_controller(uint64_t incarnation)
{
    struct skr_uuid database = test_id(0xdb, 1);
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Welcome welcome = SKERRY__V1__WELCOME__INIT;
    welcome.database_id = (ProtobufCBinaryData){sizeof(database.bytes), database.bytes};
    welcome.incarnation = incarnation;
    welcome.digest_key_0 = test_key.k0;
    welcome.digest_key_1 = test_key.k1;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_WELCOME;
    envelope.welcome = &welcome;
    cr_assert_eq(skr_desired_note(path, &envelope), 0);
    skr_desired_set_controller(desired, &database, incarnation, &test_key);
}

/* The agent that comes back holds what the killed one held, is told of it as of what the file holds, and has nothing to
 * acknowledge. */
static void expect_same(void)
{
    struct skr_desired *again;
    Skerry__V1__ScopeKind kind;
    struct skr_uuid id;
    calls = upserts = deletes = replaced = 0;
    skr_desired_new(&again);
    skr_desired_listen(again, count, NULL);
    cr_assert_eq(skr_desired_load(again, path, &error), 0);
    cr_expect_eq(skr_desired_root_digest(again), skr_desired_root_digest(desired));
    cr_expect_eq(skr_desired_revision(again), skr_desired_revision(desired));
    cr_expect_eq(skr_desired_incarnation(again), skr_desired_incarnation(desired));
    cr_expect_eq(replaced + deletes, 0);
    cr_expect_not(skr_desired_next_changed(again, &kind, &id));
    skr_desired_free(again);
}

static void close_journal(void)
{
    unlink(path);
    unlink(journal);
}

Test(desired, a_killed_agent_comes_back_with_what_was_noted)
{
    open_journal();
    note_record(4, 30);
    note_record(5, 31);
    expect_same();
    note_controller(8); /* versions begin anew */
    Skerry__V1__Delta *delta = delta_new(HOST_SCOPE, test_id(5, 1), 0, 1);
    delta->digest = delta_upsert(delta, HOST, test_id(5, 1), body_host("h1"));
    delta->revision = 60;
    note_delta(delta);
    expect_same();
    cr_assert_eq(skr_desired_save(desired, path), 0);
    cr_expect_lt(access(journal, F_OK), 0, "the file holds it now");
    expect_same();
    close_journal();
}

/* Killed in the middle of a word: what follows it later can be read. */
Test(desired, half_a_note_is_left_out)
{
    open_journal();
    note_record(4, 30);
    FILE *file = fopen(journal, "a");
    fwrite("\0\0\1\0half", 1, 8, file);
    fclose(file);
    expect_same();
    note_record(5, 31);
    expect_same();
    close_journal();
}

/* Killed between the new file and the end of its journal. */
Test(desired, what_is_noted_and_in_the_file_counts_once)
{
    char kept[sizeof(journal) + 8];
    open_journal();
    snprintf(kept, sizeof(kept), "%s.kept", journal);
    note_record(4, 30);
    note_controller(8);
    send_records(9, 0, 31);
    Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, network, 9, 10);
    Skerry__V1__Envelope *before = skr_desired_applied(desired, DOMAIN_SCOPE, &network);
    delta->digest = before->applied->digest + add_record(delta, 40, 0xc0000201);
    skr_envelope_free(before);
    note_delta(delta);
    cr_assert_eq(link(journal, kept), 0);
    cr_assert_eq(skr_desired_save(desired, path), 0);
    cr_assert_eq(rename(kept, journal), 0);
    expect_same();
    close_journal();
}

/* A controller takes at most 16 KiB before it has admitted a host, however many of its VM networks fail. */
Test(desired, a_hello_stays_small_whatever_fails)
{
    Skerry__V1__Envelope *envelope = calloc(1, sizeof(*envelope));
    Skerry__V1__Hello *hello = calloc(1, sizeof(*hello));
    SKR_CLEANUP(skr_free_cleanup) uint8_t *frame = NULL;
    size_t size;
    skerry__v1__envelope__init(envelope);
    skerry__v1__hello__init(hello);
    envelope->body_case = SKERRY__V1__ENVELOPE__BODY_HELLO;
    envelope->hello = hello;
    for (uint32_t i = 0; i < 2000; i++) {
        struct skr_uuid id = test_id(0xaa, i + 1);
        Skerry__V1__Delta *delta = delta_new(DOMAIN_SCOPE, id, 0, 1);
        delta->digest =
                delta_upsert(delta, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN, id, body_domain(i + 1, test_id(3, 1)));
        cr_assert_eq(deliver(delta), 0, "%s", error.detail);
        skr_desired_failure_set(desired, DOMAIN_SCOPE, &id, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN, &id,
                                SKR_DESIRED_ENTRIES, "table_full: no room");
    }
    hello->root_digest = skr_desired_root_digest(desired);
    skr_desired_tell_failing(desired, hello);
    cr_assert_eq(skr_frame_pack(envelope, &frame, &size), 0);
    cr_assert_leq(size - SKR_FRAME_HEADER, SKR_FRAME_MAX_UNAUTHENTICATED);
    cr_assert_neq(hello->root_digest, skr_desired_root_digest(desired), "not all are listed, so digests are compared");
    skr_envelope_free(envelope);
}
