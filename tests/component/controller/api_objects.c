/* Objects over the API: create, read, list, change and delete, each with its headers. */
#include "tests/component/controller/api_client.h"
#include "tests/support/slow_vfs.h"

#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <sqlite3.h>
#include <string.h>

static struct api_server server;

static void start(void)
{
    skr_slow_vfs_configure(&(struct skr_slow_vfs_options){0});
    api_server_start(&server, NULL, SKR_SLOW_VFS);
}

static void stop(void)
{
    api_server_stop(&server);
}

TestSuite(api_objects, .init = start, .fini = stop);

static struct api_reply call(const char *method, const char *path, const char *body)
{
    return api_call(&server, method, path, body, NULL);
}

static struct api_reply call_matching(const char *method, const char *path, const char *body, const char *etag)
{
    char line[64];
    snprintf(line, sizeof(line), "If-Match: %s", etag);
    return api_call(&server, method, path, body, (const char *const[]){line, NULL});
}

Test(api_objects, health_needs_no_token)
{
    const char *const nobody[] = {"Authorization:", NULL};
    API_REPLY health = api_call(&server, "GET", "/healthz", NULL, nobody);
    cr_assert_eq(health.status, 200);
    API_REPLY ready = api_call(&server, "GET", "/readyz", NULL, nobody);
    cr_assert_eq(ready.status, 200);
    server.ready = false;
    API_REPLY loading = api_call(&server, "GET", "/readyz", NULL, nobody);
    cr_assert_eq(loading.status, 503);
    cr_assert_str_eq(loading.content_type, "application/problem+json");
    cr_assert_str_eq(loading.retry_after, "1");
}

/* Reading goes on, so it is no reason to send requests elsewhere; but whoever watches the controller must see it. */
Test(api_objects, readyz_says_that_the_disk_is_full)
{
    skr_slow_vfs_fail_writes(0, 1000, SQLITE_FULL);
    API_REPLY refused = call("POST", "/v1/tenants", "{\"name\": \"Red\"}");
    cr_assert_eq(refused.status, 507, "%s", refused.text);
    API_REPLY degraded = call("GET", "/readyz", NULL);
    cr_assert_eq(degraded.status, 200);
    cr_assert(strncmp(degraded.text, "degraded: ", 10) == 0 && strstr(degraded.text, "full"), "%s", degraded.text);
    API_REPLY measured = call("GET", "/metrics", NULL);
    cr_assert_not_null(strstr(measured.text, "\nskerry_store_state 1\n"));
    skr_slow_vfs_fail_writes(0, 0, SQLITE_OK);
    API_REPLY taken = call("POST", "/v1/tenants", "{\"name\": \"Red\"}");
    cr_assert_eq(taken.status, 201, "%s", taken.text);
    API_REPLY ready = call("GET", "/readyz", NULL);
    cr_assert_str_eq(ready.text, "ready\n");
}

/* Each read of the file in turn fails once while the request is answered. */
static void expect_truth(const char *path, const char *whole)
{
    static unsigned groups;
    unsigned hits = 0;
    for (unsigned at = 0;; at++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = skr_test_object(SKR_HOST_GROUP, "rack");
        char name[16];
        snprintf(name, sizeof(name), "rack%u", groups++);
        skr_object_set_text(group, SKR_FIELD_NAME, name); /* every reader has to read anew */
        cr_assert_eq(skr_store_write_wait(server.database.store, skr_test_insert, group, NULL, NULL), 0);
        uint64_t before = skr_slow_vfs_reads();
        skr_slow_vfs_fail_reads(at, 1, SQLITE_IOERR_READ);
        API_REPLY reply = call("GET", path, NULL);
        skr_slow_vfs_fail_reads(0, 0, SQLITE_OK);
        bool hit = skr_slow_vfs_reads() - before > at;
        hits += hit;
        if (reply.status == 200)
            cr_expect(strstr(reply.text, whole), "%s, read %u: %s", path, at, reply.text);
        else
            cr_expect(hit && reply.status >= 500, "%s, read %u: %s", path, at, reply.text);
        if (!hit)
            break;
    }
    cr_expect_gt(hits, 3, "%s reads", path);
}

/* A read that fails is answered as a failure: not as an empty list, an unknown token or an object that is not there. */
Test(api_objects, a_read_that_fails_is_no_answer)
{
    char path[96];
    API_REPLY red = call("POST", "/v1/tenants", "{\"name\": \"Red\", \"labels\": {\"a\": \"b\"}}");
    cr_assert_eq(red.status, 201, "%s", red.text);
    snprintf(path, sizeof(path), "/v1/tenants/%s", api_text(red.json, "id"));
    expect_truth(path, "\"Red\"");
    expect_truth("/v1/tenants", "\"Red\"");
    expect_truth("/v1/tenants?labels=a=b&realization=pending", "\"Red\"");
}

Test(api_objects, create_answers_with_all_its_headers)
{
    API_REPLY reply = call("POST", "/v1/tenants", "{\"name\": \"Red\", \"labels\": {\"a\": \"b\"}}");
    cr_assert_eq(reply.status, 201, "%s", reply.text);
    cr_assert_str_eq(reply.content_type, "application/json");
    char location[128], etag[40];
    snprintf(location, sizeof(location), "/v1/tenants/%s", api_text(reply.json, "id"));
    snprintf(etag, sizeof(etag), "\"%s\"", api_text(reply.json, "etag"));
    cr_assert_str_eq(reply.location, location);
    cr_assert_str_eq(reply.etag, etag);
    cr_assert_gt(reply.revision, 0);
    cr_assert_str_eq(api_text(json_object_get(reply.json, "labels"), "a"), "b");
    const json_t *realization = json_object_get(json_object_get(reply.json, "status"), "realization");
    cr_assert_str_eq(api_text(realization, "state"), "pending", "nobody has compiled it: not realized");
    cr_assert(json_is_object(json_object_get(realization, "hosts")));
}

Test(api_objects, get_answers_what_was_created)
{
    char id[37], path[80];
    api_create(&server, "tenants", "{\"name\": \"Red\"}", id);
    snprintf(path, sizeof(path), "/v1/tenants/%s", id);
    API_REPLY reply = call("GET", path, NULL);
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(api_text(reply.json, "name"), "Red");
    cr_assert_gt(strlen(reply.etag), 2);
    strcat(path, "?fields=name,etag");
    API_REPLY some = call("GET", path, NULL);
    cr_assert_eq(json_object_size(some.json), 2, "%s", some.text);
}

Test(api_objects, patch_and_put_need_the_etag_and_change_it)
{
    char id[37], path[80];
    api_create(&server, "tenants", "{\"name\": \"Red\", \"description\": \"one\"}", id);
    snprintf(path, sizeof(path), "/v1/tenants/%s", id);
    API_REPLY before = call("GET", path, NULL);
    API_REPLY blind = call("PATCH", path, "{\"description\": \"two\"}");
    cr_assert_eq(blind.status, 428, "%s", blind.text);
    API_REPLY patched = call_matching("PATCH", path, "{\"description\": \"two\"}", before.etag);
    cr_assert_eq(patched.status, 200, "%s", patched.text);
    cr_assert_str_eq(api_text(patched.json, "description"), "two");
    cr_assert_str_eq(api_text(patched.json, "name"), "Red");
    cr_assert_str_neq(patched.etag, before.etag);
    API_REPLY stale = call_matching("PATCH", path, "{\"description\": \"three\"}", before.etag);
    cr_assert_eq(stale.status, 412, "%s", stale.text);
    API_REPLY same = call_matching("PATCH", path, "{\"description\": \"two\"}", patched.etag);
    cr_assert_eq(same.status, 200, "%s", same.text);
    cr_assert_str_eq(same.etag, patched.etag, "nothing changed");
    cr_assert_eq(same.revision, patched.revision, "so the last change is what one may wait for");
    API_REPLY put = call_matching("PUT", path, "{\"name\": \"Crimson\"}", patched.etag);
    cr_assert_eq(put.status, 200, "%s", put.text);
    cr_assert_str_eq(api_text(put.json, "name"), "Crimson");
    cr_assert_str_eq(api_text(put.json, "description"), "");
    API_REPLY merged = api_call(&server, "PATCH", path, "{\"description\": null}",
                                (const char *const[]){"Content-Type: application/merge-patch+json", NULL});
    cr_assert_eq(merged.status, 428, "the media type is taken");
}

/* Reads an object, changes its description, and puts all of it back. */
static struct api_reply put_back(const char *path, json_t **ret_sent)
{
    API_REPLY seen = call("GET", path, NULL);
    cr_assert_eq(seen.status, 200, "%s", seen.text);
    json_object_set_new(seen.json, "description", json_string("put back"));
    char *body SKR_CLEANUP(skr_free_cleanup) = json_dumps(seen.json, 0);
    struct api_reply put = call_matching("PUT", path, body, seen.etag);
    if (ret_sent)
        *ret_sent = json_incref(seen.json);
    return put;
}

Test(api_objects, what_a_get_answers_can_be_put)
{
    char tenant[37], id[37], path[100], body[512];
    json_t *sent = NULL;
    api_create(&server, "tenants", "{\"name\": \"red\"}", tenant);
    snprintf(body, sizeof(body),
             "{\"name\": \"web\", \"tenant_id\": \"%s\", \"rules\": [{\"name\": \"a\", \"direction\": "
             "\"in\", \"action\": \"allow\"}, {\"name\": \"b\", \"direction\": \"in\", "
             "\"action\": \"deny\"}]}",
             tenant);
    api_create(&server, "access-control-lists", body, id);
    snprintf(path, sizeof(path), "/v1/access-control-lists/%s", id);
    API_REPLY put = put_back(path, &sent);
    cr_assert_eq(put.status, 200, "%s", put.text);
    cr_expect_str_eq(api_text(put.json, "description"), "put back");
    cr_expect(json_equal(json_object_get(put.json, "rules"), json_object_get(sent, "rules")), "%s", put.text);
    json_object_set_new(sent, "id", json_string(tenant));
    json_object_set_new(json_array_get(json_object_get(sent, "rules"), 1), "id", json_string(tenant));
    char *other SKR_CLEANUP(skr_free_cleanup) = json_dumps(sent, 0);
    API_REPLY refused = call_matching("PUT", path, other, put.etag);
    cr_expect_eq(refused.status, 422, "%s", refused.text);
    cr_expect(strstr(refused.text, "\"/id\"") && strstr(refused.text, "/rules/1/id"), "%s", refused.text);
    json_decref(sent);
    snprintf(path, sizeof(path), "/v1/tenants/%s", tenant);
    API_REPLY own = put_back(path, NULL);
    cr_expect_eq(own.status, 200, "%s", own.text);
    static const char *const built_in[] = {"virtual-port-profiles", "host-groups", "port-classifications", "mac-pools"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(built_in); i++) {
        snprintf(path, sizeof(path), "/v1/%s?limit=1", built_in[i]);
        API_REPLY list = call("GET", path, NULL);
        snprintf(path, sizeof(path), "/v1/%s/%s", built_in[i],
                 api_text(json_array_get(json_object_get(list.json, "items"), 0), "id"));
        API_REPLY again = put_back(path, NULL);
        cr_expect(again.status == 200 || again.status == 409, "%s: %s", path, again.text);
    }
}

Test(api_objects, delete_answers_without_a_body_and_it_is_gone)
{
    char id[37], path[80];
    api_create(&server, "tenants", "{\"name\": \"Red\"}", id);
    snprintf(path, sizeof(path), "/v1/tenants/%s", id);
    API_REPLY stale = call_matching("DELETE", path, NULL, "\"999999\"");
    cr_assert_eq(stale.status, 412, "%s", stale.text);
    API_REPLY gone = call("DELETE", path, NULL);
    cr_assert_eq(gone.status, 204, "%s", gone.text);
    cr_assert_gt(gone.revision, 0);
    API_REPLY after = call("GET", path, NULL);
    cr_assert_eq(after.status, 404);
    cr_assert_str_eq(after.content_type, "application/problem+json");
    cr_assert(strlen(api_text(after.json, "request_id")) == 36);
}

Test(api_objects, a_dry_run_judges_and_changes_nothing)
{
    API_REPLY reply = call("POST", "/v1/tenants?dry_run=true", "{\"name\": \"Red\"}");
    cr_assert_eq(reply.status, 200, "%s", reply.text);
    cr_assert_str_eq(api_text(reply.json, "name"), "Red");
    cr_assert_str_eq(reply.location, "");
    API_REPLY list = call("GET", "/v1/tenants", NULL);
    cr_assert_eq(json_array_size(json_object_get(list.json, "items")), 0);
}

Test(api_objects, lists_page_without_gap_or_duplicate)
{
    char path[160] = "/v1/tenants?limit=7", seen[25][37];
    unsigned count = 0;
    for (int i = 0; i < 25; i++) {
        char body[64], id[37];
        snprintf(body, sizeof(body), "{\"name\": \"tenant-%02d\"}", i);
        api_create(&server, "tenants", body, id);
    }
    for (unsigned page = 0; page < 4; page++) {
        API_REPLY reply = call("GET", path, NULL);
        cr_assert_eq(reply.status, 200, "%s", reply.text);
        cr_assert_gt(json_integer_value(json_object_get(reply.json, "revision")), 0);
        const json_t *items = json_object_get(reply.json, "items");
        for (size_t i = 0; i < json_array_size(items); i++) {
            cr_assert_lt(count, 25);
            snprintf(seen[count++], 37, "%s", api_text(json_array_get(items, i), "id"));
        }
        const char *next = api_text(reply.json, "next_page_token");
        cr_assert_eq(next[0] == '\0', page == 3);
        snprintf(path, sizeof(path), "/v1/tenants?limit=7&page_token=%s", next);
    }
    cr_assert_eq(count, 25);
    for (unsigned i = 1; i < 25; i++)
        cr_assert_lt(strcmp(seen[i - 1], seen[i]), 0, "ordered by id");
}

Test(api_objects, lists_filter_and_tokens_keep_to_their_filter)
{
    char id[37], path[200];
    for (int i = 0; i < 3; i++) {
        char body[64];
        snprintf(body, sizeof(body), "{\"name\": \"t%d\"}", i);
        api_create(&server, "tenants", body, id);
    }
    API_REPLY one = call("GET", "/v1/tenants?name=t1", NULL);
    cr_assert_eq(json_array_size(json_object_get(one.json, "items")), 1, "%s", one.text);
    API_REPLY page = call("GET", "/v1/tenants?limit=1", NULL);
    snprintf(path, sizeof(path), "/v1/tenants?limit=1&name=t1&page_token=%s", api_text(page.json, "next_page_token"));
    API_REPLY other = call("GET", path, NULL);
    cr_assert_eq(other.status, 400);
    cr_assert(strstr(api_text(other.json, "detail"), "another list"));
}

Test(api_objects, if_none_match_refuses_a_name_that_is_taken)
{
    const char *const any[] = {"If-None-Match: *", NULL};
    API_REPLY first = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"Red\"}", any);
    cr_assert_eq(first.status, 201, "%s", first.text);
    API_REPLY second = api_call(&server, "POST", "/v1/tenants", "{\"name\": \"Red\"}", any);
    cr_assert_eq(second.status, 412, "%s", second.text);
    API_REPLY plain = call("POST", "/v1/tenants", "{\"name\": \"Red\"}");
    cr_assert_eq(plain.status, 409, "%s", plain.text);
    cr_assert_str_eq(api_text(plain.json, "type"), "urn:skerry:error:exists");
}

Test(api_objects, join_tokens_come_with_their_command)
{
    char start_of[128];
    API_REPLY reply = call("POST", "/v1/join-tokens", "{\"name\": \"rack 1\"}");
    cr_assert_eq(reply.status, 201, "%s", reply.text);
    const char *string = api_text(reply.json, "join_string"), *command = api_text(reply.json, "join_command");
    snprintf(start_of, sizeof(start_of), "skerry://controller.test:6653/%s.%s#ab00", api_text(reply.json, "id"),
             api_text(reply.json, "secret"));
    cr_assert_eq(strncmp(string, start_of, strlen(start_of)), 0, "%s", string);
    cr_assert(strstr(command, string));
    cr_assert_eq(strncmp(command, "skerry-agent join ", 18), 0);
    const char *behind = strstr(command, string) + strlen(string);
    cr_expect_str_eq(behind, "' --uplink IFNAME", "without an uplink a host carries no virtualized network: %s",
                     command);
    API_REPLY again = api_call(&server, "GET", reply.location, NULL, NULL);
    cr_assert_eq(again.status, 200);
    cr_assert_null(json_object_get(again.json, "secret"), "shown once: %s", again.text);
    cr_assert_null(json_object_get(again.json, "join_string"));
}

Test(api_objects, a_revoked_token_is_refused_at_once)
{
    char path[80], header[200];
    API_REPLY token = call("POST", "/v1/tokens", "{\"name\": \"mine\", \"role\": \"admin\"}");
    cr_assert_eq(token.status, 201, "%s", token.text);
    snprintf(header, sizeof(header), "Authorization: Bearer %s.%s", api_text(token.json, "id"),
             api_text(token.json, "secret"));
    const char *const with[] = {header, NULL};
    API_REPLY good = api_call(&server, "GET", "/v1/tenants", NULL, with);
    cr_assert_eq(good.status, 200, "%s", good.text);
    snprintf(path, sizeof(path), "/v1/tokens/%s", api_text(token.json, "id"));
    API_REPLY gone = api_call(&server, "DELETE", path, NULL, with);
    cr_assert_eq(gone.status, 204, "%s", gone.text);
    API_REPLY refused = api_call(&server, "GET", "/v1/tenants", NULL, with);
    cr_assert_eq(refused.status, 401, "%s", refused.text);
    cr_assert(strstr(refused.authenticate, "Bearer"));
}

Test(api_objects, the_controller_and_its_counters_describe_themselves)
{
    API_REPLY controller = call("GET", "/v1/controller", NULL);
    cr_assert_eq(controller.status, 200, "%s", controller.text);
    cr_assert_str_eq(api_text(controller.json, "south_address"), "controller.test:6653");
    cr_assert_eq(strlen(api_text(controller.json, "authority_key_hash")), 64);
    cr_assert_eq(strlen(api_text(controller.json, "database_id")), 36);
    cr_assert(json_is_false(json_object_get(controller.json, "rolled_back")));
    API_REPLY metrics = call("GET", "/metrics", NULL);
    cr_assert_eq(metrics.status, 200);
    cr_assert(strstr(metrics.text, "skerry_http_answers_total{method=\"GET\",status=\"2xx\"} "));
    cr_assert(strstr(metrics.text, "skerry_store_commits_total "));
}

/* Every path and method of the description answers something else than "there is nothing here". */
Test(api_objects, everything_documented_answers)
{
    API_REPLY description = call("GET", "/v1/openapi.json", NULL);
    cr_assert_eq(description.status, 200);
    cr_assert_str_eq(api_text(description.json, "openapi"), "3.1.0");
    json_t *paths = json_object_get(description.json, "paths"), *operations, *operation;
    const char *path, *method;
    unsigned tried = 0;
    json_object_foreach (paths, path, operations) {
        if (strcmp(path, "/v1/watch") == 0)
            continue;
        json_object_foreach (operations, method, operation) {
            char url[256], upper[8] = "";
            const char *brace = strchr(path, '{');
            const char *word = brace && strncmp(brace, "{id}", 4) == 0 ? "01890000-0000-7000-8000-000000000000" : "1";
            snprintf(url, sizeof(url), "%.*s%s%s", brace ? (int)(brace - path) : (int)strlen(path), path,
                     brace ? word : "", brace ? strchr(brace, '}') + 1 : "");
            for (size_t i = 0; method[i] && i < sizeof(upper) - 1; i++)
                upper[i] = (char)(method[i] - 'a' + 'A');
            API_REPLY reply = call(upper, url, strcmp(method, "get") && strcmp(method, "delete") ? "{}" : NULL);
            cr_assert_neq(reply.status, 405, "%s %s", upper, url);
            cr_assert_neq(reply.status, 0, "%s %s", upper, url);
            cr_assert_neq(reply.status, 500, "%s %s: %s", upper, url, reply.text);
            if (reply.status == 404)
                cr_assert_null(strstr(reply.text, "There is nothing at"), "%s %s", upper, url);
            tried++;
        }
    }
    cr_assert_gt(tried, 80);
}
