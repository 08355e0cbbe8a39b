/* The audit log over HTTP: what is done, what the rules refuse, and what does not even reach them. */
#include "tests/component/controller/api_client.h"

#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <string.h>

/* The records of one filter, newest last; the caller owns the reply. */
static json_t *records(struct api_server *server, const char *filter, struct api_reply *ret)
{
    char path[200];
    snprintf(path, sizeof(path), "/v1/audit-log?limit=1000%s%s", *filter ? "&" : "", filter);
    *ret = api_call(server, "GET", path, NULL, NULL);
    cr_assert_eq(ret->status, 200, "%s", ret->text);
    return json_object_get(ret->json, "items");
}

static size_t count(struct api_server *server)
{
    API_REPLY reply = {0};
    return json_array_size(records(server, "", &reply));
}

static void expect_text(const json_t *record, const char *name, const char *wanted)
{
    const char *text = json_string_value(json_object_get(record, name));
    cr_expect(text && !strcmp(text, wanted), "%s is %s, not %s", name, text ? text : "null", wanted);
}

Test(api_audit, who_wrote_what_from_where)
{
    struct api_server server;
    char id[37], filter[64], path[80];
    api_server_start(&server, NULL, NULL);
    api_create(&server, "tenants", "{\"name\": \"red\"}", id);
    snprintf(path, sizeof(path), "/v1/tenants/%s", id);
    API_REPLY seen = api_call(&server, "GET", path, NULL, NULL);
    char match[48];
    snprintf(match, sizeof(match), "If-Match: %s", seen.etag);
    API_REPLY changed =
            api_call(&server, "PATCH", path, "{\"quotas\": {\"vm_networks\": 3}}", (const char *const[]){match, NULL});
    cr_assert_eq(changed.status, 200, "%s", changed.text);
    API_REPLY stale = api_call(&server, "PATCH", path, "{\"name\": \"green\"}", (const char *const[]){match, NULL});
    cr_assert_eq(stale.status, 412, "%s", stale.text);
    API_REPLY gone = api_call(&server, "DELETE", path, NULL, NULL);
    cr_assert_eq(gone.status, 204, "%s", gone.text);
    API_REPLY reply = {0};
    snprintf(filter, sizeof(filter), "object_id=%s", id);
    json_t *items = records(&server, filter, &reply);
    cr_assert_eq(json_array_size(items), 4);
    static const char *const methods[] = {"POST", "PATCH", "PATCH", "DELETE"};
    static const char *const results[] = {"ok", "ok", "precondition-failed", "ok"};
    for (size_t i = 0; i < 4; i++) {
        const json_t *record = json_array_get(items, i);
        expect_text(record, "method", methods[i]);
        expect_text(record, "result", results[i]);
        expect_text(record, "path", i ? path : "/v1/tenants");
        expect_text(record, "object_kind", "tenant");
        expect_text(record, "tenant_id", id);
        expect_text(record, "name", "red");
        expect_text(record, "role", "admin");
        expect_text(record, "address", "127.0.0.1");
        cr_expect_eq(strlen(json_string_value(json_object_get(record, "request_id"))), 36);
        cr_expect_gt(strlen(json_string_value(json_object_get(record, "principal"))), 0);
        cr_expect(json_is_string(json_object_get(record, "token_id")));
        cr_expect_eq(json_is_object(json_object_get(record, "before")), i == 1 || i == 3);
        cr_expect_eq(json_is_object(json_object_get(record, "after")), i < 2);
    }
    const json_t *change = json_array_get(items, 1);
    const json_t *before = json_object_get(json_object_get(change, "before"), "quotas");
    const json_t *after = json_object_get(json_object_get(change, "after"), "quotas");
    cr_expect(json_is_null(json_object_get(before, "vm_networks")));
    cr_expect_eq(json_integer_value(json_object_get(after, "vm_networks")), 3);
    cr_expect_null(json_object_get(json_object_get(change, "after"), "status"), "what is computed is no change");
    expect_text(json_array_get(items, 2), "detail", api_text(stale.json, "detail"));
    expect_text(json_array_get(items, 2), "request_id", api_text(stale.json, "request_id"));
    API_REPLY mine = {0}, theirs = {0};
    snprintf(filter, sizeof(filter), "principal_id=%s", api_text(change, "principal_id"));
    cr_expect_geq(json_array_size(records(&server, filter, &mine)), 4);
    cr_expect_eq(json_array_size(records(&server, "principal_id=01970000-0000-7000-8000-000000000000", &theirs)), 0);
    API_REPLY of_tenant = {0};
    snprintf(filter, sizeof(filter), "tenant_id=%s", id);
    cr_expect_eq(json_array_size(records(&server, filter, &of_tenant)), 4);
    api_server_stop(&server);
}

Test(api_audit, what_is_refused_before_the_rules)
{
    static const struct {
        const char *method, *path, *body, *result;
    } refused[] = {
            {"POST", "/v1/tenants", "{\"name\": 7}", "invalid"},
            {"POST", "/v1/tenants", "{\"nmae\": \"x\"}", "invalid"},
            {"POST", "/v1/tenants", "{", "syntax"},
            {"POST", "/v1/tenants?colour=red", "{\"name\": \"x\"}", "syntax"},
            {"PATCH", "/v1/tenants/01970000-0000-7000-8000-000000000000", "{\"name\": \"x\"}", "precondition-required"},
            {"DELETE", "/v1/tenants/01970000-0000-7000-8000-000000000000", NULL, "not-found"},
            {"POST", "/v1/ip-pools/01970000-0000-7000-8000-000000000000:release", "{\"address\": \"10.0.0.1\"}",
             "not-found"},
    };
    struct api_server server;
    api_server_start(&server, NULL, NULL);
    size_t before = count(&server);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(refused); i++) {
        API_REPLY reply = api_call(&server, refused[i].method, refused[i].path, refused[i].body, NULL);
        cr_expect_geq(reply.status, 400, "%s", refused[i].path);
        API_REPLY log = {0};
        json_t *items = records(&server, "", &log);
        /* The answer may be there before its record: a write of its own, which the next one comes after. */
        for (int tries = 0; tries < 200 && json_array_size(items) < before + i + 1; tries++) {
            API_REPLY again = {0};
            API_REPLY ordered = api_call(&server, "POST", "/v1/tenants?dry_run=true", "{\"name\": \"x\"}", NULL);
            cr_expect_eq(ordered.status, 200);
            records(&server, "", &again);
            api_reply_done(&log);
            log = again;
            again = (struct api_reply){0};
            items = json_object_get(log.json, "items");
        }
        cr_assert_eq(json_array_size(items), before + i + 1, "%s %s left no record", refused[i].method,
                     refused[i].path);
        const json_t *record = json_array_get(items, before + i);
        expect_text(record, "result", refused[i].result);
        expect_text(record, "method", refused[i].method);
        cr_expect(json_is_null(json_object_get(record, "before")) && json_is_null(json_object_get(record, "after")));
    }
    api_server_stop(&server);
}

/* Neither reading, nor a dry run, nor somebody unknown. */
Test(api_audit, what_leaves_no_record)
{
    struct api_server server;
    api_server_start(&server, NULL, NULL);
    size_t before = count(&server);
    static const char *const stranger[] = {"Authorization: Bearer nobody", NULL};
    API_REPLY dry = api_call(&server, "POST", "/v1/tenants?dry_run=true", "{\"name\": \"x\"}", NULL);
    API_REPLY dry_bad = api_call(&server, "POST", "/v1/tenants?dry_run=true", "{\"name\": 5}", NULL);
    API_REPLY read = api_call(&server, "GET", "/v1/tenants/01970000-0000-7000-8000-000000000000", NULL, NULL);
    API_REPLY unknown = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"x\"}", stranger);
    static const char *const nobody[] = {"Authorization:", NULL};
    API_REPLY malformed = api_call(&server, "POST", "/v1/sessions", "{\"name\": 5}", nobody);
    cr_expect(dry.status == 200 && dry_bad.status == 422 && read.status == 404 && unknown.status == 401);
    cr_expect_eq(malformed.status, 422, "%s", malformed.text);
    char id[37];
    api_create(&server, "tenants", "{\"name\": \"last\"}", id); /* comes after all of them */
    cr_expect_eq(count(&server), before + 1);
    api_server_stop(&server);
}

/* No audit record holds a secret that is shown once. */
Test(api_audit, secrets_stay_out)
{
    struct api_server server;
    api_server_start(&server, NULL, NULL);
    API_REPLY token = api_call(&server, "POST", "/v1/join-tokens", "{\"name\": \"j\"}", NULL);
    cr_assert_eq(token.status, 201, "%s", token.text);
    const char *secret = json_string_value(json_object_get(token.json, "secret"));
    cr_assert(secret && strlen(secret) > 20);
    API_REPLY log = api_call(&server, "GET", "/v1/audit-log", NULL, NULL);
    cr_expect(strstr(log.text, "join-token"), "%s", log.text);
    cr_expect_not(strstr(log.text, secret) || strstr(log.text, "secret"), "%s", log.text);
    api_server_stop(&server);
}

Test(api_audit, a_key_that_came_with_another_request)
{
    struct api_server server;
    api_server_start(&server, NULL, NULL);
    const char *const headers[] = {"Idempotency-Key: once", NULL};
    API_REPLY done = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"red\"}", headers);
    cr_assert_eq(done.status, 201, "%s", done.text);
    size_t before = count(&server);
    API_REPLY other = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"blue\"}", headers);
    cr_assert_geq(other.status, 400, "%s", other.text);
    API_REPLY reply = {0};
    json_t *items = records(&server, "", &reply);
    cr_assert_eq(json_array_size(items), before + 1);
    const json_t *record = json_array_get(items, before);
    expect_text(record, "method", "POST");
    expect_text(record, "path", "/v1/tenants");
    expect_text(record, "object_kind", "tenant");
    cr_expect_str_neq(json_string_value(json_object_get(record, "result")), "ok");
    API_REPLY again = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"red\"}", headers);
    cr_assert_eq(again.status, 201, "%s", again.text);
    cr_expect_eq(count(&server), before + 1, "what is told again is no write");
    api_server_stop(&server);
}

Test(api_audit, of_a_time)
{
    struct api_server server;
    char id[37], filter[200];
    api_server_start(&server, NULL, NULL);
    api_create(&server, "tenants", "{\"name\": \"red\"}", id);
    api_create(&server, "tenants", "{\"name\": \"blue\"}", id);
    API_REPLY all = {0}, some = {0}, none = {0}, exact = {0}, later = {0};
    json_t *items = records(&server, "", &all);
    size_t total = json_array_size(items);
    cr_assert_geq(total, 2);
    cr_expect_eq(json_array_size(records(&server, "since=2020-01-01T00:00:00Z&until=2999-01-01T00:00:00Z", &some)),
                 total);
    cr_expect_eq(json_array_size(records(&server, "until=2020-01-01T00:00:00Z", &none)), 0);
    cr_expect_eq(json_array_size(records(&server, "since=2999-01-01T00:00:00Z", &later)), 0);
    const json_t *last = json_array_get(items, total - 1);
    const char *when = json_string_value(json_object_get(last, "created_at"));
    snprintf(filter, sizeof(filter), "since=%s&until=%s&object_id=%s", when, when, id);
    cr_expect_eq(json_array_size(records(&server, filter, &exact)), 1, "%s", filter);
    API_REPLY bad = api_call(&server, "GET", "/v1/audit-log?since=yesterday", NULL, NULL);
    cr_expect_eq(bad.status, 400, "%s", bad.text);
    api_server_stop(&server);
}
