/* The audit log as the rules keep it: with the write, after a refused one, and bounded. */
#include "tests/support/controller/world.h"

static size_t audited(struct world *w, struct skr_object **ret)
{
    struct skr_object *rows[1000];
    size_t count = world_list(w, SKR_AUDIT_RECORD, 0, NULL, rows, 1000);
    for (size_t i = 0; i < count; i++) {
        if (ret && i + 1 == count)
            *ret = skr_object_ref(rows[i]);
        skr_object_unref(rows[i]);
    }
    return count;
}

static int create(struct world *w, const char *json, const char *request_id, bool dry_run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *input = NULL;
    struct skr_write_request request = {.operation = SKR_OPERATION_CREATE,
                                        .resource = SKR_TENANT,
                                        .principal = {.role = SKR_ROLE_ADMIN, .name = "root", .address = "192.0.2.1"},
                                        .dry_run = dry_run};
    snprintf(request.principal.request_id, sizeof(request.principal.request_id), "%s", request_id);
    cr_assert_eq(world_parse(w, skr_resource_get(SKR_TENANT), json, false, &input, error), 0);
    request.input = input;
    int r = skr_store_write_wait(w->test.store, skr_model_write, &request, NULL, error);
    skr_write_request_done(&request);
    return r;
}

Test(model_audit, a_record_comes_with_the_write_and_after_a_refused_one)
{
    struct world w;
    struct skr_error error = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
    world_open(&w);
    int64_t revision = skr_store_revision(w.test.store);
    cr_expect_eq(create(&w, "{'name': 'a'}", "request-1", false, &error), 0, "%s", error.detail);
    cr_expect_eq(skr_store_revision(w.test.store), revision + 1, "a record is no change");
    cr_assert_eq(audited(&w, &record), 1);
    cr_expect_str_eq(skr_object_text(record, SKR_AUDIT_RECORD_RESULT), "ok");
    cr_expect_str_eq(skr_object_text(record, SKR_AUDIT_RECORD_ADDRESS), "192.0.2.1");
    cr_expect_lt(create(&w, "{'name': 'a'}", "request-2", false, &error), 0);
    skr_object_unref(SKR_TAKE(record));
    cr_assert_eq(audited(&w, &record), 2);
    cr_expect_str_eq(skr_object_text(record, SKR_AUDIT_RECORD_RESULT), "exists");
    cr_expect_str_eq(skr_object_text(record, SKR_AUDIT_RECORD_DETAIL), error.detail);
    cr_expect_not(skr_object_has(record, SKR_AUDIT_RECORD_AFTER));
    cr_expect_eq(skr_store_revision(w.test.store), revision + 1);
    cr_expect_eq(create(&w, "{'name': 'b'}", "request-3", true, &error), -ECANCELED);
    cr_expect_lt(create(&w, "{'name': 'a'}", "request-4", true, &error), 0);
    cr_expect_eq(create(&w, "{'name': 'c'}", "", false, &error), 0, "from inside");
    cr_expect_eq(audited(&w, NULL), 2);
    world_close(&w);
}

Test(model_audit, actions_too)
{
    struct world w;
    struct skr_error error = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = NULL;
    world_open(&w);
    world_fill(&w);
    struct skr_action_request request = {.resource = SKR_HOST,
                                         .verb = "revoke",
                                         .principal = {.role = SKR_ROLE_ADMIN, .request_id = "r"},
                                         .id = world_id(&w, "h1")};
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_action, &request, NULL, &error), 0, "%s", error.detail);
    cr_assert_eq(audited(&w, &record), 1);
    const json_t *before = record->values[SKR_AUDIT_RECORD_BEFORE].json;
    const json_t *after = record->values[SKR_AUDIT_RECORD_AFTER].json;
    cr_expect_str_eq(json_string_value(json_object_get(json_object_get(before, "status"), "enrolment")), "enrolled");
    cr_expect_str_eq(json_string_value(json_object_get(json_object_get(after, "status"), "enrolment")), "revoked");
    cr_expect(strstr(skr_object_text(record, SKR_AUDIT_RECORD_PATH), ":revoke"));
    request.verb = "approve";
    cr_expect_lt(skr_store_write_wait(w.test.store, skr_model_action, &request, NULL, &error), 0);
    skr_object_unref(SKR_TAKE(record));
    cr_assert_eq(audited(&w, &record), 2);
    cr_expect_str_eq(skr_object_text(record, SKR_AUDIT_RECORD_RESULT), "conflict");
    skr_action_request_done(&request);
    world_close(&w);
}

/* ---- retention ---- */

static const struct skr_query age = {"UPDATE audit_record SET created_at = ?1 WHERE id < ?2"};
static const struct skr_query fill = {"UPDATE audit_total SET size = ?1 WHERE id = 1"};
static const struct skr_query sum = {"SELECT (SELECT size FROM audit_total WHERE id = 1) - coalesce(sum(size), 0) "
                                     "FROM audit_record WHERE id > ?1"};

struct bend {
    const struct skr_query *query;
    int64_t value;
    struct skr_uuid id;
};

static int bend(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    const struct bend *bent = arg;
    struct skr_statement *statement;
    int r = skr_txn_query(txn, bent->query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_integer(statement, 1, bent->value);
    if (bent->query == &age)
        skr_bind_uuid(statement, 2, &bent->id);
    r = skr_step(statement, error);
    skr_statement_reset(statement);
    return r;
}

static int64_t unaccounted(struct world *w)
{
    static const struct skr_uuid nil;
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_statement *statement;
    cr_assert_eq(skr_store_read_begin(w->test.store, &txn, NULL), 0);
    cr_assert_eq(skr_txn_query(txn, &sum, &statement, NULL), 0);
    skr_bind_uuid(statement, 1, &nil);
    cr_assert_eq(skr_step(statement, NULL), 1);
    int64_t difference = skr_column_integer(statement, 0);
    skr_statement_reset(statement);
    return difference;
}

static void write_some(struct world *w, int from, int to)
{
    struct skr_error error = {0};
    char json[40];
    for (int i = from; i < to; i++) {
        snprintf(json, sizeof(json), "{'name': 't%d'}", i);
        cr_assert_eq(create(w, json, "r", false, &error), 0, "%s", error.detail);
    }
}

Test(model_audit, old_records_go)
{
    struct world w;
    struct skr_error error = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *last = NULL;
    world_open(&w);
    write_some(&w, 0, 10);
    cr_assert_eq(audited(&w, &last), 10);
    struct bend old = {.query = &age, .value = 1000, .id = skr_object_id(last)};
    cr_assert_eq(skr_store_write_wait(w.test.store, bend, &old, NULL, &error), 0, "%s", error.detail);
    write_some(&w, 10, 11);
    cr_expect_eq(audited(&w, NULL), 9, "a new one takes two old ones with it");
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_prune, NULL, NULL, &error), 0, "%s", error.detail);
    cr_expect_eq(audited(&w, NULL), 2);
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_prune, NULL, NULL, &error), 0);
    cr_expect_eq(audited(&w, NULL), 2, "what is young stays");
    cr_expect_eq(unaccounted(&w), 0);
    world_close(&w);
}

Test(model_audit, too_much_of_it_goes)
{
    struct world w;
    struct skr_error error = {0};
    world_open(&w);
    write_some(&w, 0, 5);
    struct bend full = {.query = &fill, .value = (10LL << 30) + 1};
    cr_assert_eq(skr_store_write_wait(w.test.store, bend, &full, NULL, &error), 0);
    cr_assert_eq(skr_store_write_wait(w.test.store, skr_model_prune, NULL, NULL, &error), 0, "%s", error.detail);
    cr_expect_eq(audited(&w, NULL), 4, "one is enough to be below the bound");
    world_close(&w);
}
