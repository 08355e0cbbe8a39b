/* Hosts report orphans, the objects that they hold while the database is rolled back. */
#include "tests/support/controller/world.h"

#define PORT   SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT
#define DOMAIN SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN
#define RECORD SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD

static struct world w;

static void set_up(void)
{
    world_open(&w);
    world_fill(&w); /* red-1 on h1; blue-1 on no host */
}

static void tear_down(void)
{
    world_close(&w);
}

TestSuite(model_orphan, .init = set_up, .fini = tear_down);

struct held {
    Skerry__V1__HeldObject objects[8], *list[8];
    struct skr_uuid ids[8];
    Skerry__V1__Report report;
};

static void held_init(struct held *held)
{
    *held = (struct held){0};
    skerry__v1__report__init(&held->report);
    held->report.whole = true;
    held->report.held = held->list;
}

static void hold(struct held *held, Skerry__V1__ObjectType type, struct skr_uuid id, const char *name)
{
    size_t i = held->report.n_held++;
    skerry__v1__held_object__init(&held->objects[i]);
    held->ids[i] = id;
    held->list[i] = &held->objects[i];
    held->objects[i].type = type;
    held->objects[i].id = (ProtobufCBinaryData){16, held->ids[i].bytes};
    held->objects[i].name = (char *)(uintptr_t)name;
}

static void tell(const char *host, const struct held *held, bool as_held)
{
    struct skr_error error = {0};
    struct skr_report_write write = {.host_id = world_id(&w, host), .report = &held->report, .held = as_held};
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_report, &write, NULL, &error), 0, "%s", error.detail);
    skerry__v1__report_accepted__free_unpacked(write.accepted, NULL);
}

static void roll_back(void)
{
    struct skr_error error = {0};
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_set_rolled_back, &(struct skr_rollback){0}, NULL, &error),
                 0, "%s", error.detail);
}

static struct skr_uuid stranger(uint8_t n)
{
    return (struct skr_uuid){{0x01, 0x97, 0, 0, 0, 0, 0x70, 0, 0x80, n}};
}

/* "kind name reason; ..." of a host's rows, in no order that matters: at most one row of a kind is in these tests. */
static const char *orphans(const char *host)
{
    static char text[1024];
    struct skr_object *rows[8];
    size_t length = 0;
    uint32_t count = (uint32_t)world_list(&w, SKR_ORPHAN, SKR_ORPHAN_HOST_ID, host, rows, 8);
    text[0] = '\0';
    static const char *const kinds[] = {"network-adapter", "vm-network", "vm-subnet"};
    for (size_t k = 0; k < SKR_ARRAY_SIZE(kinds); k++)
        for (uint32_t i = 0; i < count; i++)
            if (!strcmp(skr_object_text(rows[i], SKR_ORPHAN_OBJECT_KIND), kinds[k]))
                length += (size_t)snprintf(text + length, sizeof(text) - length, "%s %s: %s; ", kinds[k],
                                           skr_object_name(rows[i]), skr_object_text(rows[i], SKR_ORPHAN_REASON));
    for (uint32_t i = 0; i < count; i++)
        skr_object_unref(rows[i]);
    return text;
}

Test(model_orphan, what_the_database_has_not)
{
    struct held held;
    roll_back();
    held_init(&held);
    hold(&held, PORT, world_id(&w, "red-1"), "red-1");
    hold(&held, DOMAIN, world_id(&w, "red-net"), "");
    hold(&held, PORT, stranger(1), "later-1");
    hold(&held, DOMAIN, stranger(2), "");
    tell("h1", &held, true);
    cr_expect_str_eq(orphans("h1"), "network-adapter later-1: not in the database; vm-network vm-network: not in the "
                                    "database; ");
    cr_expect_str_eq(orphans("h2"), "");
    /* A port of an adapter that the database has elsewhere goes too. */
    tell("h2", &held, true);
    held_init(&held);
    hold(&held, PORT, world_id(&w, "blue-1"), "blue-1");
    tell("h1", &held, true);
    cr_expect_str_eq(orphans("h1"), "network-adapter blue-1: on no host in the database; ", "the last report counts");
    held_init(&held);
    hold(&held, PORT, world_id(&w, "red-1"), "red-1");
    tell("h2", &held, true);
    cr_expect_str_eq(orphans("h2"), "network-adapter red-1: on another host in the database; ");
}

Test(model_orphan, is_bounded_and_believes_nothing)
{
    struct held held;
    static char long_name[400];
    roll_back();
    held_init(&held);
    memset(long_name, 'x', sizeof(long_name) - 1);
    hold(&held, PORT, stranger(1), "\xff\xfe");
    hold(&held, PORT, stranger(1), "a\nb");
    hold(&held, DOMAIN, stranger(2), long_name);
    hold(&held, RECORD, stranger(3), "another host's");
    hold(&held, (Skerry__V1__ObjectType)99, stranger(4), "unknown");
    hold(&held, PORT, stranger(5), "short id");
    held.objects[5].id.len = 3;
    tell("h1", &held, true);
    cr_expect_str_eq(orphans("h1"), "network-adapter network-adapter: not in the database; vm-network vm-network: not "
                                    "in the database; ");
}

Test(model_orphan, only_while_rolled_back)
{
    struct held held;
    struct skr_error error = {0};
    struct skr_principal somebody = {.role = SKR_ROLE_ADMIN, .name = "ada", .request_id = "r"};
    held_init(&held);
    hold(&held, PORT, stranger(1), "later-1");
    tell("h1", &held, true);
    cr_expect_str_eq(orphans("h1"), "", "the database is the newest there is");
    roll_back();
    tell("h1", &held, false);
    cr_expect_str_eq(orphans("h1"), "", "an ordinary report of a session from before");
    tell("h1", &held, true);
    cr_expect_str_neq(orphans("h1"), "");
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_accept_database, &somebody, NULL, &error), 0, "%s",
                 error.detail);
    cr_expect_str_eq(orphans("h1"), "", "he has seen them");
    struct skr_object *records[2];
    cr_assert_eq(world_list(&w, SKR_AUDIT_RECORD, -1, NULL, records, 2), 1, "and the audit log says so");
    cr_expect_str_eq(skr_object_text(records[0], SKR_AUDIT_RECORD_PATH), "/v1/controller:accept-database");
    cr_expect_str_eq(skr_object_text(records[0], SKR_AUDIT_RECORD_PRINCIPAL), "ada");
    skr_object_unref(records[0]);
}
