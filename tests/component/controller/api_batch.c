/* Many writes at once, requests that are sent again, dry runs, and changes that must be confirmed. */
#include "tests/component/controller/api_client.h"
#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <string.h>

static struct api_server server;

static void start(void)
{
    api_server_start(&server, NULL, NULL);
}

static void stop(void)
{
    api_server_stop(&server);
}

TestSuite(batch, .init = start, .fini = stop);

#define RESULT(reply, i) json_array_get(json_object_get((reply).json, "results"), i)

static const char red[] =
        "{\"operations\": ["
        "{\"method\": \"POST\", \"path\": \"/v1/logical-networks\", \"body\": {\"name\": \"HNV\","
        " \"network_virtualization\": true}},"
        "{\"method\": \"POST\", \"path\": \"/v1/tenants\", \"body\": {\"name\": \"red\","
        " \"logical_network_ids\": [{\"$ref\": \"#/0/id\"}]}},"
        "{\"method\": \"POST\", \"path\": \"/v1/vm-networks\", \"body\": {\"name\": \"web\","
        " \"tenant_id\": {\"$ref\": \"#/1/id\"}, \"logical_network_id\": {\"$ref\": \"#/0/id\"},"
        " \"isolation\": \"network_virtualization\"}},"
        "{\"method\": \"PATCH\", \"path\": \"/v1/vm-networks/{#/2/id}\", \"body\": {\"description\": \"front\"}},"
        "{\"method\": \"PATCH\", \"resource\": \"vm-network\", \"id\": {\"$ref\": \"#/2/id\"},"
        " \"body\": {\"labels\": {\"tier\": \"gold\"}}}]}";

static size_t count(const char *path)
{
    API_REPLY reply = api_call(&server, "GET", path, NULL, NULL);
    cr_assert_eq(reply.status, 200, "%s: %s", path, reply.text);
    return json_array_size(json_object_get(reply.json, "items"));
}

Test(batch, operations_see_what_earlier_ones_made)
{
    API_REPLY reply = api_call(&server, "POST", "/v1/batch", red, NULL);
    cr_assert_eq(reply.status, 200, "%s", reply.text);
    cr_assert_gt(reply.revision, 0);
    cr_assert_eq(json_integer_value(json_object_get(RESULT(reply, 2), "status")), 201);
    cr_assert_eq(json_integer_value(json_object_get(RESULT(reply, 4), "status")), 200);
    char path[160];
    snprintf(path, sizeof(path), "/v1/vm-networks/%s", api_text(RESULT(reply, 2), "id"));
    API_REPLY network = api_call(&server, "GET", path, NULL, NULL);
    cr_assert_str_eq(api_text(network.json, "description"), "front");
    cr_assert_str_eq(api_text(json_object_get(network.json, "labels"), "tier"), "gold");
    cr_assert_str_eq(api_text(network.json, "tenant_id"), api_text(RESULT(reply, 1), "id"));
}

Test(batch, all_or_nothing_and_it_says_where)
{
    static const char bad[] = "{\"operations\": ["
                              "{\"method\": \"POST\", \"path\": \"/v1/tenants\", \"body\": {\"name\": \"a\"}},"
                              "{\"method\": \"POST\", \"path\": \"/v1/tenants\", \"body\": {\"name\": \"b\"}},"
                              "{\"method\": \"POST\", \"path\": \"/v1/tenants\", \"body\": {\"name\": \"a\"}}]}";
    API_REPLY reply = api_call(&server, "POST", "/v1/batch", bad, NULL);
    cr_assert_eq(reply.status, 409, "%s", reply.text);
    json_t *errors = json_object_get(reply.json, "errors");
    cr_assert(strncmp(api_text(json_array_get(errors, 0), "pointer"), "/operations/2", 13) == 0, "%s", reply.text);
    cr_assert_eq(count("/v1/tenants"), 0);
    static const char unparsable[] =
            "{\"operations\": [{\"method\": \"POST\", \"path\": \"/v1/tenants\", \"body\": {\"name\": \"a\"}},"
            "{\"method\": \"POST\", \"path\": \"/v1/tenants\", \"body\": {\"name\": 7}}]}";
    API_REPLY second = api_call(&server, "POST", "/v1/batch", unparsable, NULL);
    cr_assert_eq(second.status, 422, "%s", second.text);
    cr_assert_str_eq(api_text(json_array_get(json_object_get(second.json, "errors"), 0), "pointer"),
                     "/operations/1/body/name");
    cr_assert_eq(count("/v1/tenants"), 0);
}

Test(batch, what_is_no_batch_is_refused)
{
    static const struct {
        const char *body;
        long status;
    } bad[] = {
            {"{}", 422},
            {"{\"operations\": []}", 422},
            {"{\"operations\": [7]}", 422},
            {"{\"operations\": [{\"method\": \"POST\", \"path\": \"/v1/tenants\", \"body\": {}, \"when\": \"now\"}]}",
             422},
            {"{\"operations\": [{\"method\": \"GET\", \"path\": \"/v1/tenants\"}]}", 422},
            {"{\"operations\": [{\"method\": \"PUT\", \"path\": \"/v1/tenants\", \"body\": {}}]}", 405},
            {"{\"operations\": [{\"method\": \"POST\", \"path\": \"/v1/batch\", \"body\": {}}]}", 422},
            {"{\"operations\": [{\"method\": \"POST\", \"path\": \"/v1/nothing\", \"body\": {}}]}", 404},
            {"{\"operations\": [{\"method\": \"POST\", \"path\": \"/v1/tenants\", \"body\": {\"name\": {\"$ref\": "
             "\"#/0/id\"}}}]}",
             422},
            {"{\"operations\": [{\"method\": \"DELETE\", \"path\": \"/v1/tenants/{#/1/id}\"}]}", 422},
            {"{\"operations\": [{\"method\": \"PATCH\", \"path\": \"/v1/tenants/01890000-0000-7000-8000-000000000001\","
             " \"body\": {}}]}",
             428},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++) {
        API_REPLY reply = api_call(&server, "POST", "/v1/batch", bad[i].body, NULL);
        cr_assert_eq(reply.status, bad[i].status, "%s: %ld %s", bad[i].body, reply.status, reply.text);
    }
    API_REPLY wrong = api_call(&server, "GET", "/v1/batch", NULL, NULL);
    cr_assert_eq(wrong.status, 405);
    cr_assert_str_eq(wrong.allow, "POST");
}

Test(batch, a_dry_run_stores_nothing)
{
    API_REPLY reply = api_call(&server, "POST", "/v1/batch?dry_run=true", red, NULL);
    cr_assert_eq(reply.status, 200, "%s", reply.text);
    cr_assert_eq(json_integer_value(json_object_get(RESULT(reply, 0), "status")), 200);
    cr_assert_eq(count("/v1/tenants"), 0);
    char tenant[37], path[120];
    api_create(&server, "join-tokens", "{\"name\": \"j\"}", tenant);
    snprintf(path, sizeof(path), "/v1/join-tokens?dry_run=true");
    API_REPLY token = api_call(&server, "POST", path, "{\"name\": \"k\"}", NULL);
    cr_assert_eq(token.status, 200, "%s", token.text);
    cr_assert_null(json_object_get(token.json, "join_string"));
}

Test(batch, a_thousand_operations_and_not_one_more)
{
    json_t *operations = json_array();
    for (int i = 0; i < 1000; i++)
        json_array_append_new(operations, json_pack("{s:s,s:s,s:{s:o}}", "method", "POST", "path", "/v1/tenants",
                                                    "body", "name", json_sprintf("t%d", i)));
    json_t *body = json_pack("{s:O}", "operations", operations);
    char *text SKR_CLEANUP(skr_free_cleanup) = json_dumps(body, 0);
    API_REPLY reply = api_call(&server, "POST", "/v1/batch?fields=id", text, NULL);
    cr_assert_eq(reply.status, 200, "%s", reply.text);
    cr_assert_eq(count("/v1/tenants?limit=1000"), 1000);
    cr_assert_eq(json_object_size(json_object_get(RESULT(reply, 9), "object")), 1);
    json_array_append_new(operations, json_pack("{s:s,s:s,s:{s:s}}", "method", "POST", "path", "/v1/tenants", "body",
                                                "name", "more"));
    char *more SKR_CLEANUP(skr_free_cleanup) = json_dumps(body, 0);
    API_REPLY refused = api_call(&server, "POST", "/v1/batch", more, NULL);
    cr_assert_eq(refused.status, 422);
    json_decref(body);
    json_decref(operations);
}

/* ---- requests that are sent again ---- */

Test(batch, a_key_does_a_request_once)
{
    static const char *const key[] = {"Idempotency-Key: one", NULL}, *const other[] = {"Idempotency-Key: two", NULL};
    API_REPLY first = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"red\"}", key);
    API_REPLY again = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"red\"}", key);
    cr_assert_eq(first.status, 201, "%s", first.text);
    cr_assert_eq(again.status, 201, "%s", again.text);
    cr_assert_str_eq(api_text(first.json, "id"), api_text(again.json, "id"));
    cr_assert_str_eq(first.etag, again.etag);
    cr_assert_str_eq(first.location, again.location);
    cr_assert_eq(first.revision, again.revision);
    API_REPLY changed = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"blue\"}", key);
    cr_assert_eq(changed.status, 422, "%s", changed.text);
    API_REPLY elsewhere = api_call(&server, "POST", "/v1/host-groups", "{\"name\": \"red\"}", key);
    cr_assert_eq(elsewhere.status, 422);
    API_REPLY second = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"red\"}", other);
    cr_assert_eq(second.status, 409, "a key of its own is a request of its own");
    API_REPLY gone = api_call(&server, "DELETE", first.location, NULL, NULL);
    cr_assert_eq(gone.status, 204);
    API_REPLY late = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"red\"}", key);
    cr_assert_eq(late.status, 409, "%s", late.text);
    API_REPLY bad =
            api_call(&server, "POST", "/v1/tenants", "{}", (const char *const[]){"Idempotency-Key: two words", NULL});
    cr_assert_eq(bad.status, 400);
}

Test(batch, a_refused_request_keeps_no_key)
{
    static const char *const key[] = {"Idempotency-Key: one", NULL};
    char id[37];
    api_create(&server, "tenants", "{\"name\": \"red\"}", id);
    API_REPLY refused = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"red\"}", key);
    cr_assert_eq(refused.status, 409);
    API_REPLY good = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"blue\"}", key);
    cr_assert_eq(good.status, 201);
}

Test(batch, no_secret_is_told_twice_and_keys_of_principals_are_apart)
{
    static const char *const key[] = {"Idempotency-Key: one", NULL};
    static const char body[] = "{\"name\": \"j\"}";
    API_REPLY first = api_call(&server, "POST", "/v1/join-tokens", body, key);
    cr_assert_eq(first.status, 201, "%s", first.text);
    cr_assert_not_null(api_text(first.json, "join_string"));
    API_REPLY again = api_call(&server, "POST", "/v1/join-tokens", body, key);
    cr_assert_eq(again.status, 201);
    cr_assert_null(json_object_get(again.json, "join_string"));
    cr_assert_null(json_object_get(again.json, "secret"));
    API_REPLY token = api_call(&server, "POST", "/v1/tokens", "{\"name\": \"t\", \"role\": \"admin\"}", NULL);
    char header[300];
    snprintf(header, sizeof(header), "Authorization: Bearer %s.%s", api_text(token.json, "id"),
             api_text(token.json, "secret"));
    const char *const theirs[] = {"Idempotency-Key: one", header, NULL};
    API_REPLY apart = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"mine\"}", theirs);
    cr_assert_eq(apart.status, 201, "%s", apart.text);
}

Test(batch, a_batch_is_done_once_too)
{
    static const char *const key[] = {"Idempotency-Key: b", NULL};
    API_REPLY first = api_call(&server, "POST", "/v1/batch", red, key);
    API_REPLY again = api_call(&server, "POST", "/v1/batch", red, key);
    cr_assert_eq(again.status, 200, "%s", again.text);
    cr_assert_eq(first.revision, again.revision);
    cr_assert_str_eq(api_text(RESULT(first, 2), "id"), api_text(RESULT(again, 2), "id"));
    cr_assert_eq(count("/v1/tenants"), 1);
}

Test(batch, lists_by_labels_and_by_realization)
{
    API_REPLY made = api_call(&server, "POST", "/v1/batch", red, NULL);
    char id[37];
    api_create(&server, "tenants", "{\"name\": \"blue\", \"labels\": {\"tier\": \"gold\", \"site\": \"x\"}}", id);
    api_create(&server, "tenants", "{\"name\": \"green\", \"labels\": {\"tier\": \"iron\"}}", id);
    cr_assert_eq(count("/v1/vm-networks?labels=tier=gold"), 1);
    cr_assert_eq(count("/v1/tenants?labels=tier=gold"), 1);
    cr_assert_eq(count("/v1/tenants?labels=tier"), 2);
    cr_assert_eq(count("/v1/tenants?labels=site,tier=gold"), 1);
    cr_assert_eq(count("/v1/tenants?labels=site,tier=iron"), 0);
    cr_assert_eq(count("/v1/tenants?labels=tier=gold&name=green"), 0);
    /* Nothing compiles here, so all that was written is pending. */
    cr_assert_eq(count("/v1/tenants?realization=pending"), 3);
    cr_assert_eq(count("/v1/tenants?realization=failed"), 0);
    API_REPLY page = api_call(&server, "GET", "/v1/tenants?realization=pending&labels=tier&limit=1", NULL, NULL);
    const char *token = api_text(page.json, "next_page_token");
    cr_assert_not_null(token, "%s", page.text);
    char path[400];
    snprintf(path, sizeof(path), "/v1/tenants?realization=pending&labels=tier&limit=1&page_token=%s", token);
    cr_assert_eq(count(path), 1);
    snprintf(path, sizeof(path), "/v1/tenants?realization=pending&limit=1&page_token=%s", token);
    API_REPLY other = api_call(&server, "GET", path, NULL, NULL);
    cr_assert_eq(other.status, 400, "a token belongs to its list");
}
