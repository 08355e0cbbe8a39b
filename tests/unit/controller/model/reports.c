/* Reports as the controller takes them: in parts, in pieces, and in the order in which things happened. */
#include "tests/support/controller/world.h"
#include <skerry/clock.h>

#define LEARNED_MAX 4

enum { SOURCE = 1, ANNOUNCEMENT = 2 };

struct session {
    struct world *world;
    const char *host;
    struct skr_report_names *names;
    struct skr_evidence *evidence;
    uint64_t number;
};

struct told {
    Skerry__V1__Report report;
    Skerry__V1__LearnedAddress learned[LEARNED_MAX], *list[LEARNED_MAX];
    struct skr_uuid adapter;
    uint8_t addresses[LEARNED_MAX][4], mac[6];
};

static void say(struct told *told, struct session *session, const char *adapter)
{
    memset(told, 0, sizeof(*told));
    skerry__v1__report__init(&told->report);
    told->adapter = world_id(session->world, adapter);
    memcpy(told->mac, "\x02\x11\x22\x33\x44\x55", 6);
    told->report.learned = told->list;
}

static void add(struct told *told, struct session *session, uint8_t last, int evidence, uint64_t age_ms)
{
    size_t i = told->report.n_learned++;
    Skerry__V1__LearnedAddress *learned = told->list[i] = &told->learned[i];
    skerry__v1__learned_address__init(learned);
    memcpy(told->addresses[i], (uint8_t[]){10, 0, 0, last}, 4);
    learned->adapter_id = (ProtobufCBinaryData){16, told->adapter.bytes};
    learned->customer_address = (ProtobufCBinaryData){4, told->addresses[i]};
    learned->mac = (ProtobufCBinaryData){6, told->mac};
    learned->evidence = (Skerry__V1__LearnedEvidence)evidence;
    learned->number = ++session->number;
    learned->age_ms = age_ms;
}

/* Until all pieces are written; returns how many there were. */
static unsigned send(struct session *session, const Skerry__V1__Report *report)
{
    struct skr_error error = {0};
    unsigned pieces = 0;
    struct skr_report_write write = {.host_id = world_id(session->world, session->host),
                                     .report = report,
                                     .received_ms = skr_clock_wall_ms(),
                                     .evidence = session->evidence};
    if (report->whole)
        session->names = skr_report_names_new(write.received_ms);
    write.names = session->names;
    for (; !write.done; write.begin = write.next, pieces++)
        cr_assert_eq(skr_store_write_wait(session->world->test.store, skr_model_report, &write, NULL, &error), 0, "%s",
                     error.detail);
    skerry__v1__report_accepted__free_unpacked(write.accepted, NULL);
    if (!report->more) {
        skr_report_names_free(session->names);
        session->names = NULL;
    }
    return pieces;
}

static bool holds(struct world *world, const char *adapter, uint8_t last)
{
    struct skr_object *rows[100];
    char text[SKR_ADDRESS_TEXT_MAX], found[SKR_ADDRESS_TEXT_MAX];
    bool holds = false;
    snprintf(text, sizeof(text), "10.0.0.%u", last);
    size_t count = world_list(world, SKR_LOOKUP_RECORD, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID, adapter, rows, 100);
    for (size_t i = 0; i < count; i++) {
        struct skr_address address = skr_object_address(rows[i], SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS);
        holds = holds || (skr_object_has(rows[i], SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS) &&
                          !strcmp(skr_address_format(&address, found), text));
        skr_object_unref(rows[i]);
    }
    return holds;
}

static void show(struct session *session, const char *adapter, uint8_t last, int evidence, uint64_t age_ms)
{
    struct told told;
    say(&told, session, adapter);
    add(&told, session, last, evidence, age_ms);
    send(session, &told.report);
}

Test(model_reports, nothing_is_gone_before_the_last_part)
{
    struct world w;
    struct told told;
    world_open_learning(&w);
    struct session h1 = {.world = &w, .host = "h1"};
    for (uint8_t last = 50; last < 53; last++)
        show(&h1, "dyn-1", last, SOURCE, 0);
    say(&told, &h1, "dyn-1");
    told.report.whole = told.report.more = true;
    add(&told, &h1, 50, SOURCE, 0);
    send(&h1, &told.report);
    cr_assert(holds(&w, "dyn-1", 50) && holds(&w, "dyn-1", 51) && holds(&w, "dyn-1", 52));
    say(&told, &h1, "dyn-1");
    told.report.part = 1;
    add(&told, &h1, 51, SOURCE, 0);
    send(&h1, &told.report);
    cr_assert(holds(&w, "dyn-1", 50), "the first part named it");
    cr_assert(holds(&w, "dyn-1", 51), "so did the last");
    cr_assert_not(holds(&w, "dyn-1", 52), "no part did");
    world_close(&w);
}

/* A row that is made here while a whole report travels is no part of it, and not gone. */
Test(model_reports, what_came_about_during_a_whole_report_stays)
{
    struct world w;
    struct told told;
    world_open_learning(&w);
    struct session h1 = {.world = &w, .host = "h1"}, h2 = {.world = &w, .host = "h2"};
    show(&h2, "dyn-2", 60, SOURCE, 0);
    say(&told, &h1, "dyn-1");
    told.report.whole = told.report.more = true;
    send(&h1, &told.report);
    for (int64_t ms = skr_clock_wall_ms(); skr_clock_wall_ms() <= ms + 1;)
        ;
    world_patch(&w, SKR_NETWORK_ADAPTER, "dyn-2", "{'host_id': '$h1'}");
    told.report.whole = told.report.more = false;
    told.report.part = 1;
    send(&h1, &told.report);
    cr_assert(holds(&w, "dyn-2", 60));
    world_close(&w);
}

/* An address goes from one host to the other and back, three times; each time the last one to announce it has it. */
Test(model_reports, an_address_goes_there_and_back)
{
    struct world w;
    world_open_learning(&w);
    struct skr_evidence *evidence = skr_evidence_new();
    struct session h1 = {.world = &w, .host = "h1", .evidence = evidence},
                   h2 = {.world = &w, .host = "h2", .evidence = evidence};
    for (int i = 0; i < 3; i++) {
        int64_t now_ms = skr_clock_wall_ms();
        show(&h1, "dyn-1", 50, ANNOUNCEMENT, 0);
        cr_assert(holds(&w, "dyn-1", 50) && !holds(&w, "dyn-2", 50), "time %d", i);
        while (skr_clock_wall_ms() <= now_ms)
            ;
        now_ms = skr_clock_wall_ms();
        show(&h2, "dyn-2", 50, ANNOUNCEMENT, 0);
        cr_assert(holds(&w, "dyn-2", 50) && !holds(&w, "dyn-1", 50), "time %d", i);
        while (skr_clock_wall_ms() <= now_ms)
            ;
    }
    skr_evidence_free(evidence);
    world_close(&w);
}

/* The allocation is what permits it: to adapters of the tenant's VM subnet, one at a time. It outlives who holds it. */
Test(model_reports, a_virtual_address_is_held_by_who_announces_it)
{
    struct world w;
    world_open_learning(&w);
    struct skr_evidence *evidence = skr_evidence_new();
    struct session h1 = {.world = &w, .host = "h1", .evidence = evidence},
                   h2 = {.world = &w, .host = "h2", .evidence = evidence};
    world_create(&w, SKR_IP_ALLOCATION, "vip", "{'ip_pool_id': '$red-pool', 'purpose': 'vip', 'address': '10.0.0.15'}");
    world_create(&w, SKR_IP_ALLOCATION, "printer", "{'ip_pool_id': '$red-pool', 'address': '10.0.0.9'}");
    for (int i = 0; i < 2; i++) {
        for (int64_t ms = skr_clock_wall_ms(); skr_clock_wall_ms() <= ms;)
            ;
        show(&h1, "dyn-1", 15, ANNOUNCEMENT, 0);
        cr_expect(holds(&w, "dyn-1", 15) && !holds(&w, "dyn-2", 15), "time %d", i);
        for (int64_t ms = skr_clock_wall_ms(); skr_clock_wall_ms() <= ms;)
            ;
        show(&h2, "dyn-2", 15, ANNOUNCEMENT, 0);
        cr_expect(holds(&w, "dyn-2", 15) && !holds(&w, "dyn-1", 15), "time %d", i);
    }
    show(&h1, "dyn-1", 9, ANNOUNCEMENT, 0);
    cr_expect_not(holds(&w, "dyn-1", 9), "another allocation permits nothing");
    world_delete(&w, SKR_NETWORK_ADAPTER, "dyn-2");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *vip = world_get(&w, SKR_IP_ALLOCATION, "vip");
    cr_expect_not(skr_object_has(vip, SKR_IP_ALLOCATION_RETIRED_AT_REVISION), "the allocation is still there");
    show(&h1, "dyn-1", 15, ANNOUNCEMENT, 0);
    cr_expect(holds(&w, "dyn-1", 15));
    skr_evidence_free(evidence);
    world_close(&w);
}

/* Both announced it while the controller was away; whichever of them is heard first, the later one has it. */
Test(model_reports, the_younger_announcement_wins_in_either_order)
{
    struct world w;
    world_open_learning(&w);
    for (int order = 0; order < 2; order++) {
        struct skr_evidence *evidence = skr_evidence_new();
        struct session h1 = {.world = &w, .host = "h1", .evidence = evidence},
                       h2 = {.world = &w, .host = "h2", .evidence = evidence};
        uint8_t last = (uint8_t)(50 + order);
        if (order)
            show(&h2, "dyn-2", last, ANNOUNCEMENT, 1000);
        show(&h1, "dyn-1", last, ANNOUNCEMENT, 5000);
        if (!order)
            show(&h2, "dyn-2", last, ANNOUNCEMENT, 1000);
        cr_assert(holds(&w, "dyn-2", last) && !holds(&w, "dyn-1", last), "order %d", order);
        skr_evidence_free(evidence);
    }
    world_close(&w);
}

/* It went there, and back, and the one in between is heard last: its row has not changed since long ago. */
Test(model_reports, the_one_in_between_does_not_win_for_being_heard_last)
{
    struct world w;
    world_open_learning(&w);
    struct skr_evidence *evidence = skr_evidence_new();
    struct session h1 = {.world = &w, .host = "h1", .evidence = evidence},
                   h2 = {.world = &w, .host = "h2", .evidence = evidence};
    show(&h1, "dyn-1", 50, SOURCE, 10000);
    show(&h1, "dyn-1", 50, ANNOUNCEMENT, 1000);
    show(&h2, "dyn-2", 50, ANNOUNCEMENT, 3000);
    cr_assert(holds(&w, "dyn-1", 50));
    skr_evidence_free(evidence);
    world_close(&w);
}

/* A controller that has started anew remembers nothing but its rows. */
Test(model_reports, a_replayed_announcement_loses_to_a_row_that_is_younger)
{
    struct world w;
    world_open_learning(&w);
    struct skr_evidence *evidence = skr_evidence_new();
    struct session h1 = {.world = &w, .host = "h1", .evidence = evidence},
                   h2 = {.world = &w, .host = "h2", .evidence = evidence};
    show(&h1, "dyn-1", 50, ANNOUNCEMENT, 20);
    show(&h2, "dyn-2", 50, ANNOUNCEMENT, 10);
    cr_assert(holds(&w, "dyn-2", 50));
    skr_evidence_free(evidence);
    h1.evidence = evidence = skr_evidence_new();
    struct told told;
    say(&told, &h1, "dyn-1");
    told.report.whole = true;
    add(&told, &h1, 50, ANNOUNCEMENT, 71000);
    send(&h1, &told.report);
    cr_assert(holds(&w, "dyn-2", 50));
    cr_assert_eq(world_events(&w, "AddressConflict"), 0, "history is no conflict");
    skr_evidence_free(evidence);
    world_close(&w);
}

/* Agents of the version before number nothing: their whole reports repeat what was judged long ago. */
Test(model_reports, an_unnumbered_announcement_in_a_whole_report_is_history)
{
    struct world w;
    struct told told;
    world_open_learning(&w);
    struct session h1 = {.world = &w, .host = "h1"}, h2 = {.world = &w, .host = "h2"};
    show(&h2, "dyn-2", 50, SOURCE, 0);
    say(&told, &h1, "dyn-1");
    add(&told, &h1, 50, ANNOUNCEMENT, 0);
    told.learned[0].number = 0;
    told.report.whole = true;
    send(&h1, &told.report);
    cr_assert(holds(&w, "dyn-2", 50));
    told.report.whole = false;
    send(&h1, &told.report);
    cr_assert(holds(&w, "dyn-1", 50), "a difference is news");
    world_close(&w);
}

Test(model_reports, a_large_one_is_taken_in_small_pieces)
{
    enum { CLAIMS = 1000 };
    struct world w;
    static Skerry__V1__Claim claims[CLAIMS], *list[CLAIMS];
    static struct skr_uuid ids[CLAIMS];
    Skerry__V1__Report report;
    world_open_learning(&w);
    struct session h1 = {.world = &w, .host = "h1"};
    skerry__v1__report__init(&report);
    report.claims = list;
    report.n_claims = CLAIMS;
    for (size_t i = 0; i < CLAIMS; i++) {
        ids[i] = skr_uuid_new();
        skerry__v1__claim__init(&claims[i]);
        claims[i].adapter_id = (ProtobufCBinaryData){16, ids[i].bytes};
        list[i] = &claims[i];
    }
    struct skr_report_write write = {.host_id = world_id(&w, "h1"), .report = &report};
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_report, &write, NULL, NULL), 0);
    cr_assert_not(write.done);
    cr_assert_leq(write.accepted->n_refusals, SKR_REPORT_PIECE_MAX);
    cr_assert_geq(write.accepted->n_refusals, 1);
    skerry__v1__report_accepted__free_unpacked(write.accepted, NULL);
    cr_assert_geq(send(&h1, &report), CLAIMS / SKR_REPORT_PIECE_MAX);
    world_close(&w);
}

Test(model_reports, an_inventory_has_limits)
{
    enum { INTERFACES = 900 };
    struct world w;
    static Skerry__V1__Interface interfaces[INTERFACES], *list[INTERFACES];
    static char names[INTERFACES][1024];
    Skerry__V1__Report report;
    world_open_learning(&w);
    struct session h1 = {.world = &w, .host = "h1"};
    skerry__v1__report__init(&report);
    report.interfaces = list;
    report.n_interfaces = INTERFACES;
    for (size_t i = 0; i < INTERFACES; i++) {
        skerry__v1__interface__init(&interfaces[i]);
        snprintf(names[i], sizeof(names[i]), "eth%zu", i);
        if (i < 400) /* no kernel names one so */
            memset(names[i], 'x', sizeof(names[i]) - 1);
        interfaces[i].name = names[i];
        interfaces[i].kind = i % 2 ? names[0] : "veth";
        list[i] = &interfaces[i];
    }
    send(&h1, &report);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = world_get(&w, SKR_HOST, "h1");
    SKR_CLEANUP(skr_free_cleanup) char *text = json_dumps(host->values[SKR_HOST_INVENTORY].json, JSON_COMPACT);
    cr_assert_eq(json_array_size(host->values[SKR_HOST_INVENTORY].json), 250, "those that a kernel could have");
    cr_assert_lt(strlen(text), 48 * 1024);
    world_close(&w);
}

/* The guest's interface got another MAC: packets follow it. */
Test(model_reports, a_new_mac_of_a_learned_address_is_taken)
{
    struct world w;
    struct told told;
    struct skr_object *rows[10];
    world_open_learning(&w);
    struct session h1 = {.world = &w, .host = "h1"};
    show(&h1, "dyn-1", 50, SOURCE, 0);
    say(&told, &h1, "dyn-1");
    told.mac[5] = 0x66;
    add(&told, &h1, 50, SOURCE, 0);
    send(&h1, &told.report);
    size_t count = world_list(&w, SKR_LOOKUP_RECORD, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID, "dyn-1", rows, 10);
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        struct skr_mac mac = skr_object_mac(rows[i], SKR_LOOKUP_RECORD_MAC);
        found = found || mac.bytes[5] == 0x66;
        skr_object_unref(rows[i]);
    }
    cr_assert(found);
    world_close(&w);
}
