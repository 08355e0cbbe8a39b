/* Agents join, report and claim. */
#include "tests/support/controller/world.h"
#include <skerry/clock.h>

/* ---- enrolment ---- */

struct joining {
    struct skr_uuid token_id;
    char secret[SKR_SECRET_TEXT_MAX];
};

static void make_token(struct world *world, const char *json, struct joining *ret)
{
    SKR_CLEANUP(answer_cleanup) struct answer token = {0};
    cr_assert_eq(world_request(world, SKR_OPERATION_CREATE, SKR_JOIN_TOKEN, NULL, json, &token), 0, "%s",
                 token.error.detail);
    ret->token_id = skr_object_id(token.object);
    snprintf(ret->secret, sizeof(ret->secret), "%s", skr_object_text(token.object, SKR_JOIN_TOKEN_SECRET));
}

static int join(struct world *world, struct joining *joining, uint8_t key, struct skr_enrolment *ret,
                struct skr_error *error)
{
    Skerry__V1__Enroll enroll;
    skerry__v1__enroll__init(&enroll);
    enroll.token_id = (ProtobufCBinaryData){16, joining->token_id.bytes};
    enroll.secret = joining->secret;
    enroll.host_name = "node 1/x";
    *ret = (struct skr_enrolment){.enroll = &enroll};
    memset(ret->key_hash, key, sizeof(ret->key_hash));
    *error = (struct skr_error){0};
    return skr_store_write_wait(world->test.store, skr_model_enroll, ret, NULL, error);
}

/* jansson takes UTF-8 alone; what it does not take would be missing from every answer. */
static void expect_utf8(const struct skr_object *object, int field, size_t at_least)
{
    const char *text = skr_object_text(object, field);
    json_t *json = json_string(text);
    cr_expect(json && text && strlen(text) >= at_least, "%s: %s", object->resource->fields[field].name,
              text ? text : "(null)");
    json_decref(json);
}

/* `length` bytes, the last two of which are one character. */
static char *long_text(size_t length)
{
    static char texts[8][512];
    static unsigned next;
    char *text = texts[next++ % 8];
    memset(text, 'x', length);
    memcpy(text + length - 2, "\xc3\xa9", 3);
    return text;
}

Test(model_enrolment, texts_are_cut_between_characters)
{
    struct world w;
    struct joining joining;
    struct skr_enrolment enrolment;
    struct skr_error error;
    world_open(&w);
    make_token(&w, "{'name': 'one', 'host_group_id': '$root'}", &joining);
    Skerry__V1__Enroll enroll;
    skerry__v1__enroll__init(&enroll);
    enroll.token_id = (ProtobufCBinaryData){16, joining.token_id.bytes};
    enroll.secret = joining.secret;
    enroll.host_name = "h";
    enroll.agent_version = long_text(65);
    enroll.kernel = long_text(256);
    enrolment = (struct skr_enrolment){.enroll = &enroll};
    error = (struct skr_error){0};
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_enroll, &enrolment, NULL, &error), 0, "%s", error.detail);
    world_name(&w, "h", &enrolment.host_id);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = world_get(&w, SKR_HOST, "h");
    expect_utf8(host, SKR_HOST_AGENT_VERSION, 63);
    expect_utf8(host, SKR_HOST_KERNEL, 254);
    world_close(&w);
}

static int authorize(struct world *world, const struct skr_uuid *id, uint8_t key, struct skr_error *error)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    uint8_t hash[32];
    memset(hash, key, sizeof(hash));
    *error = (struct skr_error){0};
    cr_assert_eq(skr_store_read_begin(world->test.store, &txn, error), 0);
    return skr_model_authorize_host(txn, id, hash, error);
}

Test(model_enrolment, one_use_one_winner_who_may_ask_again)
{
    struct world w;
    struct joining joining;
    struct skr_enrolment first, again, other;
    struct skr_error error;
    world_open(&w);
    make_token(&w, "{'name': 'j'}", &joining);
    cr_assert_eq(join(&w, &joining, 1, &first, &error), 0, "%s", error.detail);
    cr_expect_eq(join(&w, &joining, 1, &again, &error), 0, "%s", error.detail);
    cr_expect(skr_uuid_equal(&first.host_id, &again.host_id));
    cr_expect_lt(join(&w, &joining, 2, &other, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_UNAUTHENTICATED);
    joining.secret[0] ^= 1;
    cr_expect_lt(join(&w, &joining, 1, &other, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_UNAUTHENTICATED);
    world_name(&w, "host", &first.host_id);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = world_get(&w, SKR_HOST, "host");
    cr_expect_str_eq(skr_object_text(host, SKR_FIELD_NAME), "node-1-x");
    cr_expect_eq(authorize(&w, &first.host_id, 1, &error), 0, "%s", error.detail);
    cr_expect_lt(authorize(&w, &first.host_id, 2, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_FORBIDDEN);
    struct skr_uuid nobody = skr_uuid_new();
    cr_expect_lt(authorize(&w, &nobody, 1, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_NOT_FOUND);
    world_close(&w);
}

Test(model_enrolment, names_are_made_unique_and_approval_is_waited_for)
{
    struct world w;
    struct joining joining;
    struct skr_enrolment one, two;
    struct skr_error error;
    struct skr_action_request request;
    world_open(&w);
    make_token(&w, "{'name': 'j', 'uses': 2, 'approve': true}", &joining);
    cr_assert_eq(join(&w, &joining, 1, &one, &error), 0, "%s", error.detail);
    cr_assert_eq(join(&w, &joining, 2, &two, &error), 0, "%s", error.detail);
    cr_expect(two.pending_approval);
    world_name(&w, "one", &one.host_id);
    world_name(&w, "two", &two.host_id);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = world_get(&w, SKR_HOST, "two");
    cr_expect_str_eq(skr_object_text(host, SKR_FIELD_NAME), "node-1-x-2");
    cr_expect_str_eq(one.host_name, "node-1-x");
    cr_expect_str_eq(two.host_name, "node-1-x-2");
    cr_expect_lt(authorize(&w, &two.host_id, 2, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_FORBIDDEN);
    cr_expect_eq(world_action(&w, SKR_HOST, "two", "approve", NULL, &request, &error), 0);
    skr_action_request_done(&request);
    cr_expect_eq(authorize(&w, &two.host_id, 2, &error), 0, "%s", error.detail);
    cr_assert_eq(join(&w, &joining, 2, &two, &error), 0, "%s", error.detail);
    cr_expect(!two.pending_approval);
    cr_expect_eq(world_action(&w, SKR_HOST, "two", "revoke", NULL, &request, &error), 0);
    skr_action_request_done(&request);
    cr_expect_lt(authorize(&w, &two.host_id, 2, &error), 0);
    cr_expect_lt(join(&w, &joining, 2, &two, &error), 0);
    world_close(&w);
}

/* ---- learning ---- */

struct say {
    Skerry__V1__Report report;
    Skerry__V1__LearnedAddress learned, *learned_list[1];
    Skerry__V1__Claim claim, *claim_list[1];
    Skerry__V1__DriftItem drift, *drift_list[1];
    Skerry__V1__PortBinding binding, *binding_list[1];
    struct skr_uuid adapter;
    uint8_t address[4], mac[6], key[16];
};

static void say_init(struct say *say, struct world *world, const char *adapter)
{
    memset(say, 0, sizeof(*say));
    skerry__v1__report__init(&say->report);
    skerry__v1__learned_address__init(&say->learned);
    skerry__v1__claim__init(&say->claim);
    skerry__v1__drift_item__init(&say->drift);
    skerry__v1__port_binding__init(&say->binding);
    say->adapter = world_id(world, adapter);
    say->learned_list[0] = &say->learned;
    say->claim_list[0] = &say->claim;
    say->drift_list[0] = &say->drift;
    say->binding_list[0] = &say->binding;
    say->report.learned = say->learned_list;
    say->report.claims = say->claim_list;
    say->report.drift = say->drift_list;
    say->report.bindings = say->binding_list;
    memcpy(say->mac, "\x02\x11\x22\x33\x44\x55", 6);
    memset(say->key, 9, sizeof(say->key));
    say->learned.adapter_id = say->claim.adapter_id = say->binding.adapter_id =
            (ProtobufCBinaryData){16, say->adapter.bytes};
    say->learned.customer_address = (ProtobufCBinaryData){4, say->address};
    say->learned.mac = (ProtobufCBinaryData){6, say->mac};
    say->drift.key = (ProtobufCBinaryData){16, say->key};
    say->drift.object_kind = "filter";
    say->drift.object = "filter of tap1";
    say->drift.field = "program";
    say->drift.expected = "there";
    say->drift.found = "missing";
}

/* How many refusals the report met. */
static size_t report(struct world *world, const char *host, const struct say *say)
{
    Skerry__V1__ReportAccepted *accepted = NULL;
    struct skr_error error = {0};
    cr_assert_eq(world_report(world, host, &say->report, &accepted, &error), 0, "%s", error.detail);
    size_t refused = accepted->n_refusals;
    skerry__v1__report_accepted__free_unpacked(accepted, NULL);
    return refused;
}

static size_t learn(struct world *world, const char *host, const char *adapter, uint8_t last, int evidence,
                    bool withdrawn)
{
    struct say say;
    say_init(&say, world, adapter);
    memcpy(say.address, (uint8_t[]){10, 0, 0, last}, 4);
    say.learned.evidence = (Skerry__V1__LearnedEvidence)evidence;
    say.learned.withdrawn = withdrawn;
    say.report.n_learned = 1;
    return report(world, host, &say);
}

/* The holder of the address: "dynamic red-1", "" when there is none. */
static void holder(struct world *world, const char *adapter, uint8_t last, char ret[static 64])
{
    struct skr_object *rows[100];
    struct skr_address wanted;
    char text[SKR_ADDRESS_TEXT_MAX];
    snprintf(text, sizeof(text), "10.0.0.%u", last);
    cr_assert_eq(skr_address_parse(text, &wanted), 0);
    ret[0] = '\0';
    size_t count = world_list(world, SKR_LOOKUP_RECORD, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID, adapter, rows, 100);
    for (size_t i = 0; i < count; i++) {
        struct skr_address address = skr_object_address(rows[i], SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS);
        if (skr_object_has(rows[i], SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS) && !skr_address_compare(&address, &wanted))
            snprintf(ret, 64, "%s %s", skr_object_text(rows[i], SKR_LOOKUP_RECORD_TYPE), adapter);
        skr_object_unref(rows[i]);
    }
}

static void expect_holder(struct world *world, const char *adapter, uint8_t last, const char *wanted)
{
    char found[64];
    holder(world, adapter, last, found);
    cr_expect_str_eq(found, wanted, "10.0.0.%u of %s: \"%s\", not \"%s\"", last, adapter, found, wanted);
}

Test(model_learned, first_owner_keeps_it_and_an_announcement_moves_it)
{
    struct world w;
    enum { SOURCE = 1, ANNOUNCEMENT = 2 };
    world_open_learning(&w);
    cr_expect_eq(learn(&w, "h1", "dyn-1", 50, SOURCE, false), 0);
    expect_holder(&w, "dyn-1", 50, "dynamic dyn-1");
    int64_t revision = skr_store_revision(w.test.store);
    cr_expect_eq(learn(&w, "h1", "dyn-1", 50, SOURCE, false), 0);
    cr_expect_eq(skr_store_revision(w.test.store), revision, "a report that says nothing new writes nothing");
    cr_expect_eq(learn(&w, "h2", "dyn-2", 50, SOURCE, false), 1);
    cr_expect_eq(world_events(&w, "AddressConflict"), 1);
    expect_holder(&w, "dyn-1", 50, "dynamic dyn-1");
    cr_expect_eq(learn(&w, "h2", "dyn-2", 50, ANNOUNCEMENT, false), 0);
    expect_holder(&w, "dyn-1", 50, "");
    expect_holder(&w, "dyn-2", 50, "dynamic dyn-2");
    cr_expect_eq(learn(&w, "h1", "dyn-1", 50, SOURCE, true), 0); /* not his any more */
    expect_holder(&w, "dyn-2", 50, "dynamic dyn-2");
    cr_expect_eq(learn(&w, "h2", "dyn-2", 50, SOURCE, true), 0);
    expect_holder(&w, "dyn-2", 50, "");
    world_close(&w);
}

Test(model_learned, what_may_not_be_learned)
{
    struct world w;
    world_open_learning(&w);
    cr_expect_eq(learn(&w, "h1", "red-1", 60, 1, false), 1, "its profile does not learn");
    cr_expect_eq(learn(&w, "h2", "dyn-1", 60, 1, false), 1, "not on this host");
    cr_expect_eq(learn(&w, "h1", "dyn-1", 1, 1, false), 1, "the gateway");
    cr_expect_eq(learn(&w, "h1", "dyn-1", 255, 1, false), 1, "broadcast");
    cr_expect_eq(learn(&w, "h1", "dyn-1", 2, 2, false), 1, "red-1 has it by hand");
    expect_holder(&w, "red-1", 2, "static red-1");
    for (int last = 100; last < 164; last++)
        cr_assert_eq(learn(&w, "h1", "dyn-1", (uint8_t)last, 1, false), 0, "%d", last);
    cr_expect_eq(learn(&w, "h1", "dyn-1", 164, 1, false), 1, "65 addresses");
    world_close(&w);
}

Test(model_learned, a_whole_report_takes_back_what_it_leaves_out)
{
    struct world w;
    struct say say;
    world_open_learning(&w);
    cr_assert_eq(learn(&w, "h1", "dyn-1", 50, 1, false), 0);
    cr_assert_eq(learn(&w, "h1", "dyn-1", 51, 1, false), 0);
    say_init(&say, &w, "dyn-1");
    memcpy(say.address, (uint8_t[]){10, 0, 0, 51}, 4);
    say.report.n_learned = 1;
    say.report.whole = true;
    cr_expect_eq(report(&w, "h1", &say), 0);
    expect_holder(&w, "dyn-1", 50, "");
    expect_holder(&w, "dyn-1", 51, "dynamic dyn-1");
    world_close(&w);
}

/* The pool does not hand out what was learned, and what is written by hand overrules it. */
Test(model_learned, pools_and_administrators)
{
    struct world w;
    char text[SKR_ADDRESS_TEXT_MAX];
    world_open_learning(&w);
    cr_assert_eq(learn(&w, "h1", "dyn-1", 3, 1, false), 0);
    world_create(&w, SKR_NETWORK_ADAPTER, "next",
                 "{'name': 'next', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a'}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *next = world_get(&w, SKR_NETWORK_ADAPTER, "next");
    skr_address_format(&next->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES].addresses[0], text);
    cr_expect_str_eq(text, "10.0.0.4");
    world_patch(&w, SKR_NETWORK_ADAPTER, "next", "{'ip_addresses': ['10.0.0.3']}");
    expect_holder(&w, "dyn-1", 3, "");
    expect_holder(&w, "next", 3, "static next");
    expect_holder(&w, "next", 4, "");
    cr_expect_eq(world_events(&w, "LearnedAddressOverruled"), 1);
    world_close(&w);
}

Test(model_learned, no_more_than_the_quota)
{
    struct world w;
    world_open_learning(&w);
    world_patch(&w, SKR_TENANT, "red", "{'quotas': {'learned_addresses': 2}}");
    cr_expect_eq(learn(&w, "h1", "dyn-1", 50, 1, false), 0);
    cr_expect_eq(learn(&w, "h2", "dyn-2", 51, 1, false), 0);
    cr_expect_eq(learn(&w, "h1", "dyn-1", 52, 1, false), 1);
    cr_expect_eq(world_events(&w, "LearnedAddressRefused"), 1);
    expect_holder(&w, "dyn-1", 52, "");
    cr_expect_eq(learn(&w, "h1", "dyn-1", 51, 2, false), 0, "one that moves is no new one");
    expect_holder(&w, "dyn-1", 51, "dynamic dyn-1");
    world_patch(&w, SKR_NETWORK_ADAPTER, "dyn-1", "{'ip_addresses': ['10.0.0.50']}"); /* learned no more */
    cr_expect_eq(learn(&w, "h1", "dyn-1", 52, 1, false), 0);
    cr_expect_eq(learn(&w, "h1", "dyn-1", 53, 1, false), 1);
    cr_expect_eq(learn(&w, "h1", "dyn-1", 52, 1, true), 0);
    cr_expect_eq(learn(&w, "h1", "dyn-1", 53, 1, false), 0);
    world_close(&w);
}

/* ---- claims, bindings, drift ---- */

static size_t claim(struct world *world, const char *host, const char *adapter, bool withdrawn)
{
    struct say say;
    say_init(&say, world, adapter);
    say.claim.interface = "tap7";
    say.claim.withdrawn = withdrawn;
    say.report.n_claims = 1;
    return report(world, host, &say);
}

static bool on_host(struct world *world, const char *adapter, const char *host)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = world_get(world, SKR_NETWORK_ADAPTER, adapter);
    struct skr_uuid id = skr_object_uuid(object, SKR_NETWORK_ADAPTER_HOST_ID);
    struct skr_uuid wanted = host ? world_id(world, host) : (struct skr_uuid){0};
    return skr_uuid_equal(&id, &wanted);
}

Test(model_claim, first_come_and_let_go)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    cr_expect_eq(claim(&w, "h2", "blue-1", false), 0);
    cr_expect(on_host(&w, "blue-1", "h2"));
    cr_expect_eq(claim(&w, "h1", "blue-1", false), 1);
    cr_expect_eq(world_events(&w, "ClaimConflict"), 1);
    cr_expect(on_host(&w, "blue-1", "h2"));
    cr_expect_eq(claim(&w, "h1", "blue-1", true), 0); /* never had it */
    cr_expect(on_host(&w, "blue-1", "h2"));
    cr_expect_eq(claim(&w, "h2", "blue-1", true), 0);
    cr_expect(on_host(&w, "blue-1", NULL));
    cr_expect_eq(claim(&w, "h1", "blue-1", false), 0);
    cr_expect(on_host(&w, "blue-1", "h1"));
    world_patch(&w, SKR_NETWORK_ADAPTER, "blue-1", "{'host_id': '$h2'}"); /* now placed by hand: no claim to withdraw */
    cr_expect_eq(claim(&w, "h2", "blue-1", true), 0);
    cr_expect(on_host(&w, "blue-1", "h2"));
    world_close(&w);
}

/* A live migration that nobody announced: the target's interface comes first, the source's goes afterwards. There and
 * back, twice. */
Test(model_claim, one_that_waits_wins_when_the_holder_lets_go)
{
    static const char *const hosts[] = {"h2", "h1"};
    struct world w;
    world_open(&w);
    world_fill(&w);
    cr_expect_eq(claim(&w, "h2", "blue-1", false), 0);
    for (int move = 0; move < 4; move++) {
        const char *source = hosts[move % 2], *target = hosts[(move + 1) % 2];
        cr_expect_eq(claim(&w, target, "blue-1", false), 1, "it is told that it has to wait");
        cr_expect(on_host(&w, "blue-1", source));
        cr_expect_eq(claim(&w, source, "blue-1", true), 0);
        cr_expect(on_host(&w, "blue-1", target), "move %d", move);
    }
    cr_expect_geq(world_events(&w, "ClaimTaken"), 1);
    cr_expect_eq(claim(&w, "h2", "blue-1", true), 0);
    cr_expect(on_host(&w, "blue-1", NULL), "nobody waits any more");
    world_close(&w);
}

/* h3 has no site of the network, so it may not have the adapter, however long it has waited. */
Test(model_claim, one_that_may_not_have_it_is_passed_over)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    cr_assert_eq(world_join(&w, "h3", "root", "eth0", 3, &error), 0);
    cr_expect_eq(claim(&w, "h2", "blue-1", false), 0);
    cr_expect_eq(claim(&w, "h3", "blue-1", false), 1);
    cr_expect_eq(claim(&w, "h2", "blue-1", true), 0);
    cr_expect(on_host(&w, "blue-1", NULL));
    cr_expect_eq(world_events(&w, "ClaimRefused"), 1);
    cr_expect_eq(claim(&w, "h2", "blue-1", false), 0);
    cr_expect_eq(claim(&w, "h3", "blue-1", false), 1);
    cr_expect_eq(claim(&w, "h1", "blue-1", false), 1);
    cr_expect_eq(claim(&w, "h2", "blue-1", true), 0);
    cr_expect(on_host(&w, "blue-1", "h1"), "whichever of the two came first");
    world_close(&w);
}

/* Its host has not heard the answer to the withdrawal, or has lost its cache: it says all that it has. */
Test(model_claim, one_that_a_whole_report_does_not_name_waits_no_more)
{
    struct world w;
    struct say say;
    world_open(&w);
    world_fill(&w);
    cr_expect_eq(claim(&w, "h2", "blue-1", false), 0);
    cr_expect_eq(claim(&w, "h1", "blue-1", false), 1);
    say_init(&say, &w, "blue-1");
    say.report.whole = true;
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(claim(&w, "h2", "blue-1", true), 0);
    cr_expect(on_host(&w, "blue-1", NULL));
    world_close(&w);
}

/* No word of a tenant's events names an object that the tenant may not read; the fabric reads all of them. */
Test(model_event, tenants_read_of_no_host)
{
    struct world w;
    struct skr_object *events[8];
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_error error = {0};
    uint32_t count;
    bool more;
    world_open(&w);
    world_fill(&w);
    claim(&w, "h2", "blue-1", false);
    claim(&w, "h1", "blue-1", false);
    cr_assert_eq(world_join(&w, "h3", "root", "eth0", 3, &error), 0);
    claim(&w, "h2", "blue-1", true); /* h1 has it now */
    claim(&w, "h1", "blue-1", true);
    claim(&w, "h3", "blue-1", false); /* no site covers it */
    struct skr_principal blue = {.role = SKR_ROLE_TENANT, .tenant_id = world_id(&w, "blue")};
    struct skr_principal red = {.role = SKR_ROLE_TENANT, .tenant_id = world_id(&w, "red")};
    struct skr_list_query query = {.resource = SKR_EVENT, .limit = 8};
    cr_assert_eq(skr_store_read_begin(w.test.store, &txn, &error), 0);
    cr_assert_eq(skr_model_list(txn, &red, &query, events, &count, &more, &error), 0);
    cr_expect_eq(count, 0, "none of another tenant's, none of the fabric's");
    cr_assert_eq(skr_model_list(txn, &blue, &query, events, &count, &more, &error), 0);
    cr_assert_eq(count, 3);
    for (uint32_t i = 0; i < count; i++) {
        json_t *tenants = skr_object_to_json(events[i], SKR_ROLE_TENANT);
        json_t *administrators = skr_object_to_json(events[i], SKR_ROLE_ADMIN);
        SKR_CLEANUP(skr_free_cleanup) char *text = json_dumps(tenants, 0);
        cr_expect_not(strstr(text, "h1") || strstr(text, "h2") || strstr(text, "h3") || strstr(text, "tap7"), "%s",
                      text);
        cr_expect_null(json_object_get(tenants, "host_id"));
        cr_expect_null(json_object_get(tenants, "detail"));
        const char *detail = json_string_value(json_object_get(administrators, "detail"));
        cr_expect(detail && (strstr(detail, "h1") || strstr(detail, "h3")), "%s", detail);
        json_decref(tenants);
        json_decref(administrators);
        skr_object_unref(events[i]);
    }
    skr_store_read_end(SKR_TAKE(txn));
    world_close(&w);
}

/* The one event with this reason. */
static struct skr_object *only_event(struct world *world, const char *reason)
{
    struct skr_object *events[300], *found = NULL;
    size_t count = world_list(world, SKR_EVENT, 0, NULL, events, 300);
    for (size_t i = 0; i < count; i++) {
        bool is = !strcmp(skr_object_text(events[i], SKR_EVENT_REASON), reason);
        cr_assert(!is || !found, "there are several");
        if (is)
            found = events[i];
        else
            skr_object_unref(events[i]);
    }
    cr_assert_not_null(found);
    return found;
}

/* A hostile host says the same as often as it likes, in one report and in many. */
Test(model_event, what_happens_again_is_counted)
{
    struct world w;
    struct say say;
    static Skerry__V1__Claim *claims[2000];
    world_open(&w);
    world_fill(&w);
    claim(&w, "h2", "blue-1", false);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(claim(&w, "h1", "blue-1", false), 1);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *event = only_event(&w, "ClaimConflict");
    cr_expect_eq(skr_object_integer(event, SKR_EVENT_COUNT), 50);
    say_init(&say, &w, "blue-1");
    for (size_t i = 0; i < SKR_ARRAY_SIZE(claims); i++)
        claims[i] = &say.claim;
    say.report.claims = claims;
    say.report.n_claims = SKR_ARRAY_SIZE(claims);
    cr_expect_eq(report(&w, "h1", &say), SKR_ARRAY_SIZE(claims));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *later = only_event(&w, "ClaimConflict");
    cr_expect_eq(skr_object_integer(later, SKR_EVENT_COUNT), 50 + 2000);
    cr_expect(on_host(&w, "blue-1", "h2"));
    /* Another host is another event. */
    cr_expect_eq(claim(&w, "h2", "red-1", false), 1);
    cr_expect_eq(world_events(&w, "ClaimConflict"), 2);
    world_close(&w);
}

/* A claimed adapter follows its VM; one that an administrator has placed never does, and the message must not promise
 * it. */
Test(model_claim, a_conflict_says_whether_the_adapter_will_follow)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    cr_assert(on_host(&w, "red-1", "h1"));
    cr_expect_eq(claim(&w, "h2", "red-1", false), 1);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *placed = only_event(&w, "ClaimConflict");
    cr_expect(strstr(skr_object_text(placed, SKR_EVENT_MESSAGE), "an administrator placed it there"), "%s",
              skr_object_text(placed, SKR_EVENT_MESSAGE));
    cr_expect(strstr(skr_object_text(placed, SKR_EVENT_DETAIL), "set host_id"), "%s",
              skr_object_text(placed, SKR_EVENT_DETAIL));
    world_close(&w);
    world_open(&w);
    world_fill(&w);
    cr_expect_eq(claim(&w, "h2", "blue-1", false), 0);
    cr_expect_eq(claim(&w, "h1", "blue-1", false), 1);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *claimed = only_event(&w, "ClaimConflict");
    cr_expect(strstr(skr_object_text(claimed, SKR_EVENT_MESSAGE), "until its interface there is gone"), "%s",
              skr_object_text(claimed, SKR_EVENT_MESSAGE));
    world_close(&w);
}

static int write_many_events(struct skr_txn *txn, void *host_id, struct skr_error *error)
{
    int r = 0;
    for (uint8_t i = 1; r == 0 && i <= 250; i++) {
        struct skr_event_write write = {.reason = "Flood", .object_kind = "network-adapter", .object_id = {{i}}};
        struct skr_event_write tenants = {.reason = "Spill", .object_kind = "job", .object_id = {{i}}};
        write.host_id = *(struct skr_uuid *)host_id;
        tenants.tenant_id = (struct skr_uuid){{7}};
        snprintf(write.message, sizeof(write.message), "m%u", i);
        snprintf(write.detail, sizeof(write.detail), "d%u", i);
        snprintf(tenants.message, sizeof(tenants.message), "t%u", i);
        r = skr_model_event(txn, &write, error);
        if (r == 0)
            r = skr_model_event(txn, &tenants, error);
    }
    return r;
}

/* However many objects they have to do with. */
Test(model_event, no_host_and_no_tenant_fills_the_list)
{
    struct world w;
    struct skr_error error = {0};
    struct skr_object *events[300];
    size_t floods = 0, spills = 0;
    world_open(&w);
    struct skr_uuid host_id = {{9}};
    cr_assert_eq(skr_store_write_wait(w.test.store, write_many_events, &host_id, NULL, &error), 0, "%s", error.detail);
    size_t count = world_list(&w, SKR_EVENT, 0, NULL, events, 300);
    for (size_t i = 0; i < count; i++) {
        const char *message = skr_object_text(events[i], SKR_EVENT_MESSAGE);
        bool flood = !strcmp(skr_object_text(events[i], SKR_EVENT_REASON), "Flood");
        bool crowd = !skr_object_has(events[i], SKR_EVENT_OBJECT_ID);
        floods += flood;
        spills += !flood;
        cr_expect_eq(skr_object_integer(events[i], SKR_EVENT_COUNT), crowd ? 150 : 1);
        cr_expect(!crowd || strstr(message, flood ? "d250" : "t250"), "%s", message);
        cr_expect(!crowd || skr_object_has(events[i], flood ? SKR_EVENT_HOST_ID : SKR_FIELD_TENANT_ID));
        skr_object_unref(events[i]);
    }
    cr_expect_eq(floods, 101);
    cr_expect_eq(spills, 101);
    world_close(&w);
}

Test(model_claim, only_where_it_is_allowed_and_reached)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    /* No administrator has said that hosts of this group are trusted: the id of an adapter alone is no proof. */
    world_create(&w, SKR_HOST_GROUP, "new", "{'name': 'new', 'parent_id': '$north'}");
    cr_assert_eq(world_join(&w, "h9", "new", "eth0", 9, &error), 0);
    cr_expect_eq(claim(&w, "h9", "blue-1", false), 1);
    cr_expect_eq(world_events(&w, "ClaimRefused"), 1);
    world_patch(&w, SKR_HOST_GROUP, "north", "{'claims': false}");
    cr_expect_eq(claim(&w, "h1", "blue-1", false), 1);
    cr_expect_eq(world_events(&w, "ClaimRefused"), 2);
    cr_expect(on_host(&w, "blue-1", NULL));
    cr_assert_eq(world_join(&w, "h3", "root", "eth0", 3, &error), 0); /* no site covers the root */
    cr_expect_eq(claim(&w, "h3", "blue-1", false), 1);
    world_patch(&w, SKR_HOST_GROUP, "root", "{'claims': true}");
    cr_expect_eq(claim(&w, "h3", "blue-1", false), 1, "trusted, and out of reach");
    cr_expect_eq(world_events(&w, "ClaimRefused"), 3);
    cr_expect(on_host(&w, "blue-1", NULL));
    world_patch(&w, SKR_HOST_GROUP, "new", "{'claims': true}");
    cr_expect_eq(claim(&w, "h9", "blue-1", false), 0);
    cr_expect(on_host(&w, "blue-1", "h9"));
    world_close(&w);
}

Test(model_report, texts_are_cut_between_characters)
{
    struct world w;
    struct say say;
    struct skr_object *rows[2];
    world_open(&w);
    world_fill(&w);
    say_init(&say, &w, "red-1");
    say.binding.bound = true;
    say.binding.interface = long_text(16);
    say.report.n_bindings = say.report.n_drift = 1;
    say.drift.object = say.drift.field = say.drift.expected = say.drift.found = long_text(257);
    cr_expect_eq(report(&w, "h1", &say), 0);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *bound = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    expect_utf8(bound, SKR_NETWORK_ADAPTER_BOUND_INTERFACE, 14);
    say.report.n_drift = 0;
    say.binding.bound = false;
    say.binding.reason = long_text(256);
    cr_expect_eq(report(&w, "h1", &say), 0);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *unbound = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    expect_utf8(unbound, SKR_NETWORK_ADAPTER_BOUND_REASON, 254);
    cr_assert_eq(world_list(&w, SKR_COMPLIANCE, SKR_COMPLIANCE_HOST_ID, "h1", rows, 2), 1);
    expect_utf8(rows[0], SKR_COMPLIANCE_OBJECT, 200);
    expect_utf8(rows[0], SKR_COMPLIANCE_FIELD, 200);
    expect_utf8(rows[0], SKR_COMPLIANCE_EXPECTED, 200);
    expect_utf8(rows[0], SKR_COMPLIANCE_FOUND, 200);
    skr_object_unref(rows[0]);
    world_close(&w);
}

Test(model_report, bindings_and_drift)
{
    struct world w;
    struct say say;
    struct skr_object *rows[4];
    world_open(&w);
    world_fill(&w);
    say_init(&say, &w, "red-1");
    say.binding.bound = true;
    say.binding.interface = "tap1";
    say.report.n_bindings = 1;
    say.report.n_drift = 1;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    cr_expect_eq(report(&w, "h1", &say), 0);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *bound = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    cr_expect_eq(skr_object_integer(bound, SKR_NETWORK_ADAPTER_BOUND), 1);
    cr_expect_str_eq(skr_object_text(bound, SKR_NETWORK_ADAPTER_BOUND_INTERFACE), "tap1");
    cr_expect_eq(skr_object_integer(bound, SKR_FIELD_ETAG), skr_object_integer(before, SKR_FIELD_ETAG));
    cr_assert_eq(world_list(&w, SKR_COMPLIANCE, SKR_COMPLIANCE_HOST_ID, "h1", rows, 4), 1);
    cr_expect_str_eq(skr_object_text(rows[0], SKR_COMPLIANCE_FOUND), "missing");
    skr_object_unref(rows[0]);
    say.report.n_bindings = 0;
    say.drift.resolved = true;
    cr_expect_eq(report(&w, "h2", &say), 0); /* the same key of another host is another finding */
    cr_assert_eq(world_list(&w, SKR_COMPLIANCE, SKR_COMPLIANCE_HOST_ID, "h1", rows, 4), 1);
    skr_object_unref(rows[0]);
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(world_list(&w, SKR_COMPLIANCE, SKR_COMPLIANCE_HOST_ID, "h1", rows, 4), 0);
    say.report.n_drift = 0;
    say.report.whole = true;
    cr_expect_eq(report(&w, "h1", &say), 0);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *unbound = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    cr_expect_eq(skr_object_integer(unbound, SKR_NETWORK_ADAPTER_BOUND), 0);
    world_close(&w);
}

/* The status says what a host sees of a guest, and an event does so once, however often the count changes. */
Test(model_report, a_guest_with_another_mac)
{
    struct world w;
    struct say say;
    world_open(&w);
    world_fill(&w);
    say_init(&say, &w, "red-1");
    say.binding.bound = true;
    say.binding.interface = "tap1";
    say.report.n_bindings = 1;
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(world_events(&w, "GuestMacDiffers"), 0);
    say.binding.reason = "wrong_mac: 1 frame";
    cr_expect_eq(report(&w, "h1", &say), 0);
    say.binding.reason = "wrong_mac: 60 frames";
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(world_events(&w, "GuestMacDiffers"), 1);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *told = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    cr_expect_eq(skr_object_integer(told, SKR_NETWORK_ADAPTER_BOUND), 1);
    cr_expect_str_eq(skr_object_text(told, SKR_NETWORK_ADAPTER_BOUND_REASON), "wrong_mac: 60 frames");
    say.binding.reason = "";
    cr_expect_eq(report(&w, "h1", &say), 0);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *mended = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    cr_expect_null(skr_object_text(mended, SKR_NETWORK_ADAPTER_BOUND_REASON));
    say.binding.bound = false;
    say.binding.reason = "no_interface";
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(world_events(&w, "GuestMacDiffers"), 1, "unbound is another matter");
    world_close(&w);
}

/* Forged ARP against the fabric is an event, once a finding. */
Test(model_report, a_provider_address_that_another_station_claims)
{
    struct world w;
    struct say say;
    world_open(&w);
    world_fill(&w);
    say_init(&say, &w, "red-1");
    say.drift.object_kind = "provider-address";
    say.drift.field = "station";
    say.drift.found = "02:00:00:00:00:66";
    say.report.n_drift = 1;
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(world_events(&w, "ProviderAddressClaimed"), 1);
    say.drift.key.data = (uint8_t *)"another finding ";
    say.drift.object = "10.83.1.11";
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(world_events(&w, "ProviderAddressClaimed"), 2, "another address of the host, within the minute");
    world_close(&w);
}

/* Once, when the host begins to say so; another finding about an uplink is no loss of its carrier. */
Test(model_report, an_uplink_that_loses_its_carrier)
{
    struct world w;
    struct say say;
    world_open(&w);
    world_fill(&w);
    say_init(&say, &w, "red-1");
    say.drift.object_kind = "uplink";
    say.drift.field = "mtu";
    say.report.n_drift = 1;
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(world_events(&w, "UplinkCarrierLost"), 0);
    say_init(&say, &w, "red-1");
    say.drift.key.data = (uint8_t *)"another finding ";
    say.drift.object_kind = "uplink";
    say.drift.field = "carrier";
    say.report.n_drift = 1;
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(report(&w, "h1", &say), 0);
    cr_expect_eq(world_events(&w, "UplinkCarrierLost"), 1);
    world_close(&w);
}

static void expect_compliance(struct world *world, int compliant, int non_compliant, int checked)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = world_get(world, SKR_HOST, "h1");
    const json_t *told = host->values[SKR_HOST_COMPLIANCE].json;
    cr_expect_eq(json_is_true(json_object_get(told, "compliant")), compliant);
    cr_expect_eq(json_integer_value(json_object_get(told, "non_compliant")), non_compliant);
    cr_expect_eq(json_is_true(json_object_get(told, "checked")), checked);
}

Test(model_report, a_host_says_whether_it_is_as_it_must_be)
{
    struct world w;
    struct say say;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    struct skr_host_seen seen = {.host_id = world_id(&w, "h1"), .now_ms = 1000};
    expect_compliance(&w, false, 0, false); /* nobody has looked */
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_host_seen, &seen, NULL, &error), 0, "%s", error.detail);
    expect_compliance(&w, true, 0, true);
    say_init(&say, &w, "red-1");
    say.report.n_drift = 1;
    cr_expect_eq(report(&w, "h1", &say), 0);
    expect_compliance(&w, false, 1, true);
    say.drift.resolved = true;
    cr_expect_eq(report(&w, "h1", &say), 0);
    expect_compliance(&w, true, 0, true);
    world_close(&w);
}

/* ---- tokens of the API ---- */

static int first_token(struct skr_txn *txn, void *token, struct skr_error *error)
{
    free(*(char **)token);
    *(char **)token = NULL;
    return skr_model_first_token(txn, token, error);
}

static int authenticate(struct world *world, const char *bearer, int64_t later_ms, struct skr_principal *ret)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_error error = {0};
    cr_assert_eq(skr_store_read_begin(world->test.store, &txn, &error), 0);
    int r = skr_model_authenticate(txn, bearer, skr_clock_wall_ms() + later_ms, ret, &error);
    cr_expect(r == 0 || error.tag == SKR_ERROR_UNAUTHENTICATED, "%s", error.detail);
    return r;
}

Test(model_token, the_first_one_ends_with_the_second)
{
    struct world w;
    struct skr_principal principal = {0};
    struct skr_error error = {0};
    char *first = NULL, *none = NULL, own[128], id[SKR_UUID_TEXT_MAX];
    SKR_CLEANUP(answer_cleanup) struct answer token = {0};
    world_open(&w);
    cr_assert_eq(skr_store_write_wait(w.test.store, first_token, &first, NULL, &error), 0, "%s", error.detail);
    cr_assert_eq(skr_store_write_wait(w.test.store, first_token, &none, NULL, &error), 0);
    cr_expect_null(none);
    cr_expect_eq(authenticate(&w, first, 0, &principal), 0);
    cr_expect_eq(principal.role, SKR_ROLE_ADMIN);
    cr_expect_lt(authenticate(&w, first, 25 * 3600 * 1000LL, &principal), 0);
    cr_expect_lt(authenticate(&w, "nonsense", 0, &principal), 0);
    cr_expect_lt(authenticate(&w, "01970000-0000-7000-8000-000000000000.x", 0, &principal), 0);
    cr_assert_eq(world_request(&w, SKR_OPERATION_CREATE, SKR_TOKEN, NULL, "{'name': 'mine'}", &token), 0);
    struct skr_uuid token_id = skr_object_id(token.object);
    snprintf(own, sizeof(own), "%s.%s", skr_uuid_format(&token_id, id),
             skr_object_text(token.object, SKR_TOKEN_SECRET));
    cr_expect_eq(authenticate(&w, own, 0, &principal), 0);
    cr_expect_lt(authenticate(&w, first, 0, &principal), 0);
    own[strlen(own) - 1] ^= 1;
    cr_expect_lt(authenticate(&w, own, 0, &principal), 0);
    world_name(&w, "mine", &token_id);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&w, SKR_TOKEN, "mine");
    cr_expect_null(skr_object_text(row, SKR_TOKEN_SECRET), "a secret is shown once");
    free(first);
    world_close(&w);
}

Test(model_bootstrap, is_idempotent)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    size_t names = w.count;
    int64_t revision = skr_store_revision(w.test.store);
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_bootstrap, NULL, NULL, &error), 0);
    cr_expect_eq(skr_store_revision(w.test.store), revision);
    cr_expect_eq(names, 22, "a root, a MAC pool, ten profiles and their classifications: %zu", names);
    world_close(&w);
}
