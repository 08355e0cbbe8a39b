/* A tenant, or the operator of a host group, hears over a watch and of realizations about its own objects, and about
 * the others exactly what it would hear if they did not exist. */
#include "tests/component/controller/api_client.h"

#include <criterion/criterion.h>
#include <skerry/clock.h>
#include <skerry/resource_fields.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SOON 10000

static struct api_server server;
static char tenants[2][37], networks[2][37], groups[2][37], tokens[4][200], *admins;
enum { RED, BLUE, DALLAS, HOUSTON };

static char *text_of(const char *format, ...) SKR_PRINTF(1, 2);
static char *text_of(const char *format, ...)
{
    static char text[16][1024];
    static unsigned next;
    char *out = text[next++ % 16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out, sizeof(text[0]), format, arguments);
    va_end(arguments);
    return out;
}

static void make_token(unsigned which, const char *scope)
{
    API_REPLY reply = api_call(&server, "POST", "/v1/tokens", text_of("{\"name\": \"t%u\", %s}", which, scope), NULL);
    cr_assert_eq(reply.status, 201, "%s", reply.text);
    snprintf(tokens[which], sizeof(tokens[which]), "%s.%s", api_text(reply.json, "id"), api_text(reply.json, "secret"));
}

static struct api_reply call(const char *method, const char *path, const char *body, const char *etag)
{
    const char *const headers[] = {etag ? text_of("If-Match: %s", etag) : NULL, NULL};
    return api_call(&server, method, path, body, headers);
}

static struct api_reply as(unsigned who, const char *method, const char *path, const char *body)
{
    const char *const headers[] = {text_of("Authorization: Bearer %s", tokens[who]), NULL};
    return api_call(&server, method, path, body, headers);
}

static struct api_watch *watch_as(unsigned who, const char *path)
{
    server.token = tokens[who];
    struct api_watch *watch = api_watch_open(&server, path, NULL);
    server.token = admins;
    return watch;
}

static void allow(unsigned tenant, unsigned from, unsigned count)
{
    char ids[100] = "";
    for (unsigned i = from; i < from + count; i++)
        snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s\"%s\"", *ids ? ", " : "", networks[i]);
    const char *path = text_of("/v1/tenants/%s", tenants[tenant]);
    API_REPLY before = api_call(&server, "GET", path, NULL, NULL);
    API_REPLY after = call("PATCH", path, text_of("{\"logical_network_ids\": [%s]}", ids), before.etag);
    cr_assert_eq(after.status, 200, "%s", after.text);
}

static void set_up(void)
{
    static const char *const names[] = {"red", "blue"}, *const places[] = {"Dallas", "Houston"};
    struct skr_api_options options = {.deadlines = {.bookmark = 200}};
    api_server_start(&server, &options, NULL);
    API_REPLY own = api_call(&server, "POST", "/v1/tokens", "{\"name\": \"admin\", \"role\": \"admin\"}", NULL);
    free(server.token);
    cr_assert_gt(asprintf(&admins, "%s.%s", api_text(own.json, "id"), api_text(own.json, "secret")), 0);
    server.token = admins;
    for (unsigned i = 0; i < 2; i++) {
        api_create(&server, "tenants", text_of("{\"name\": \"%s\"}", names[i]), tenants[i]);
        api_create(&server, "logical-networks",
                   text_of("{\"name\": \"net %u\", \"isolation\": \"connected\", \"network_virtualization\": true}", i),
                   networks[i]);
        api_create(&server, "host-groups", text_of("{\"name\": \"%s\"}", places[i]), groups[i]);
        make_token(i, text_of("\"role\": \"tenant-admin\", \"tenant_id\": \"%s\"", tenants[i]));
        make_token(2 + i, text_of("\"role\": \"fabric-operator\", \"host_group_id\": \"%s\"", groups[i]));
    }
}

static void tear_down(void)
{
    api_server_stop(&server);
}

TestSuite(api_isolation, .init = set_up, .fini = tear_down, .timeout = 100);

/* The next event that is no bookmark. */
static struct api_event next(struct api_watch *watch)
{
    struct api_event event = {0};
    for (int i = 0; i < 200; i++) {
        cr_assert(api_watch_next(watch, SOON, &event), "no event came");
        if (strcmp(event.type, "bookmark") != 0)
            return event;
        json_decref(event.data);
    }
    cr_assert_fail("nothing but bookmarks came");
    return event;
}

static void expect(struct api_watch *watch, const char *type, const char *id)
{
    struct api_event event = next(watch);
    cr_assert_str_eq(event.type, type);
    cr_assert_str_eq(api_text(event.data, "id"), id, "%s of another", type);
    json_decref(event.data);
}

static long long expect_bookmark(struct api_watch *watch)
{
    struct api_event event;
    cr_assert(api_watch_next(watch, SOON, &event));
    cr_assert_str_eq(event.type, "bookmark");
    json_decref(event.data);
    return event.id;
}

/* ---- watch ---- */

Test(api_isolation, a_tenants_list_puts_networks_into_its_view_and_takes_them_out)
{
    struct api_watch *watch = watch_as(RED, "/v1/watch?kinds=logical-network");
    struct api_watch *narrow = watch_as(RED, text_of("/v1/watch?kinds=logical-network&id=%s", networks[1]));
    struct api_watch *others = watch_as(BLUE, "/v1/watch");
    long long from = expect_bookmark(watch);
    expect_bookmark(narrow);
    expect_bookmark(others);
    allow(RED, 0, 1);
    expect(watch, "put", networks[0]);
    allow(RED, 0, 2);
    expect(watch, "put", networks[1]);
    expect(narrow, "put", networks[1]);
    allow(RED, 1, 1);
    expect(watch, "delete", networks[0]);
    allow(RED, 0, 0);
    expect(watch, "delete", networks[1]);
    expect(narrow, "delete", networks[1]);
    allow(BLUE, 0, 1); /* nothing else has come to the other one */
    expect(others, "put", networks[0]);
    /* A watch that begins again later hears the same, without the changes that were over before it began. */
    struct api_watch *again = watch_as(RED, text_of("/v1/watch?kinds=logical-network&since=%lld", from));
    bool held[2] = {false, false};
    struct api_event event;
    while (api_watch_next(again, SOON, &event) && strcmp(event.type, "bookmark") != 0) {
        bool first = strcmp(api_text(event.data, "id"), networks[0]) == 0;
        held[first ? 0 : 1] = strcmp(event.type, "put") == 0;
        json_decref(event.data);
    }
    json_decref(event.data);
    cr_expect(!held[0] && !held[1], "he would believe that he may use what he may not");
    api_watch_close(again);
    api_watch_close(watch);
    api_watch_close(narrow);
    api_watch_close(others);
}

/* A tenant that could filter by a field it may not read would find its value by trying, the host of its VM among them.
 */
Test(api_isolation, a_filter_is_as_hidden_as_its_field)
{
    static const char id[] = "01a22f11-c4d7-7037-a5c3-8fe100136af1";
    unsigned hidden = 0;
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++) {
        const struct skr_resource *resource = skr_resource_get((enum skr_resource_id)i);
        if (!skr_role_reads(resource->reader, SKR_ROLE_TENANT))
            continue;
        for (unsigned f = 0; f < resource->field_count; f++) {
            const struct skr_field *field = &resource->fields[f];
            if (!(field->flags & SKR_FIELD_FILTER) || skr_role_reads(field->reader, SKR_ROLE_TENANT))
                continue;
            hidden++;
            const char *list = text_of("/v1/%s?%s=%s", resource->collection, field->name, id);
            API_REPLY refused = as(RED, "GET", list, NULL);
            cr_expect_eq(refused.status, 400, "%s: %s", list, refused.text);
            cr_expect(strstr(refused.text, "There is no query parameter"), "%s: %s", list, refused.text);
            API_REPLY shown = api_call(&server, "GET", list, NULL, NULL);
            cr_expect(shown.status == 200 || !strstr(shown.text, "There is no query parameter"), "%s: %s", list,
                      shown.text);
            const char *watch = text_of("/v1/watch?kinds=%s&%s=%s", resource->name, field->name, id);
            API_REPLY deaf = as(RED, "GET", watch, NULL);
            cr_expect_eq(deaf.status, 400, "%s: %s", watch, deaf.text);
        }
    }
    cr_assert_gt(hidden, 0, "no filter is hidden from tenants any more");
}

Test(api_isolation, a_kind_that_is_not_for_the_role_is_like_none)
{
    static const char *const kinds[] = {"host", "mac-pool", "audit-record", "job"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kinds); i++) {
        API_REPLY real = as(RED, "GET", text_of("/v1/watch?kinds=%s", kinds[i]), NULL);
        cr_expect_eq(real.status, 400, "%s: %ld", kinds[i], real.status);
        cr_expect(strstr(real.text, text_of("there is no kind '%s'", kinds[i])), "%s", real.text);
    }
    API_REPLY mixed = as(RED, "GET", "/v1/watch?kinds=vm-network,host", NULL);
    cr_expect_eq(mixed.status, 400);
    struct api_watch *all = watch_as(RED, "/v1/watch");
    expect_bookmark(all);
    api_create(&server, "mac-pools",
               "{\"name\": \"m\", \"range_start\": \"02:aa:00:00:00:00\", \"range_end\": \"02:aa:00:00:00:ff\"}",
               (char[37]){0});
    allow(RED, 0, 1);
    expect(all, "put", networks[0]);
    api_watch_close(all);
}

Test(api_isolation, a_watch_ends_with_the_token_that_opened_it)
{
    struct api_watch *watch = watch_as(RED, "/v1/watch?kinds=vm-network");
    struct api_watch *other = watch_as(BLUE, "/v1/watch?kinds=vm-network");
    expect_bookmark(watch);
    expect_bookmark(other);
    API_REPLY gone = call("DELETE", text_of("/v1/tokens/%.36s", tokens[RED]), NULL, NULL);
    cr_assert_eq(gone.status, 204, "%s", gone.text);
    struct api_event event = next(watch);
    cr_expect_str_eq(event.type, "error");
    json_decref(event.data);
    cr_expect_not(api_watch_next(watch, SOON, &event));
    cr_expect(api_watch_ended(watch));
    expect_bookmark(other);
    api_watch_close(watch);
    api_watch_close(other);
}

/* ---- host groups ---- */

static struct skr_uuid hosts[2];

static int add_hosts(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    (void)unused;
    for (unsigned i = 0; i < 2; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = skr_object_new(skr_resource_get(SKR_HOST));
        struct skr_uuid group;
        hosts[i] = skr_uuid_new();
        skr_uuid_parse(groups[i], &group);
        skr_object_set_uuid(host, SKR_FIELD_ID, &hosts[i]);
        skr_object_set_text(host, SKR_FIELD_NAME, i ? "houston-1" : "dallas-1");
        skr_object_set_uuid(host, SKR_HOST_HOST_GROUP_ID, &group);
        skr_object_fill_defaults(host);
        int r = skr_txn_insert(txn, host, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int remove_host(struct skr_txn *txn, void *which, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    int r = skr_txn_get(txn, SKR_HOST, &hosts[*(unsigned *)which], NULL, &host, error);
    return r < 0 ? r : skr_txn_delete(txn, host, error);
}

Test(api_isolation, an_operator_of_a_host_group_hears_nothing_of_hosts_elsewhere)
{
    struct skr_error error = {0};
    char ids[1][37];
    unsigned which = 1;
    struct api_watch *watch = watch_as(DALLAS, "/v1/watch?kinds=host,provider-address");
    expect_bookmark(watch);
    cr_assert_eq(skr_store_write_wait(server.database.store, add_hosts, NULL, NULL, &error), 0, "%s", error.detail);
    skr_uuid_format(&hosts[0], ids[0]);
    expect(watch, "put", ids[0]);
    cr_assert_eq(skr_store_write_wait(server.database.store, remove_host, &which, NULL, &error), 0, "%s", error.detail);
    which = 0;
    cr_assert_eq(skr_store_write_wait(server.database.store, remove_host, &which, NULL, &error), 0, "%s", error.detail);
    expect(watch, "delete", ids[0]);
    struct api_event event = next(watch); /* and what stood on it, which only a list tells */
    cr_expect_str_eq(event.type, "gone");
    json_decref(event.data);
    api_watch_close(watch);
}

Test(api_isolation, a_host_that_comes_into_a_group_makes_its_operator_list_again)
{
    struct skr_error error = {0};
    cr_assert_eq(skr_store_write_wait(server.database.store, add_hosts, NULL, NULL, &error), 0, "%s", error.detail);
    char id[37];
    skr_uuid_format(&hosts[HOUSTON - DALLAS], id);
    struct api_watch *watch = watch_as(DALLAS, "/v1/watch");
    expect_bookmark(watch);
    const char *path = text_of("/v1/hosts/%s", id);
    API_REPLY before = api_call(&server, "GET", path, NULL, NULL);
    API_REPLY moved = call("PATCH", path, text_of("{\"host_group_id\": \"%s\"}", groups[0]), before.etag);
    cr_assert_eq(moved.status, 200, "%s", moved.text);
    for (int i = 0; i < 20; i++) {
        struct api_event event = next(watch);
        bool gone = strcmp(event.type, "gone") == 0;
        cr_assert(gone || strcmp(event.type, "put") == 0, "%s", event.type);
        json_decref(event.data);
        if (gone)
            break;
    }
    struct api_event event;
    cr_expect_not(api_watch_next(watch, SOON, &event));
    api_watch_close(watch);
}

/* ---- realizations ---- */

/* The text of the answer without the revision, because that number differs. */
static char *said_of(unsigned who, long long revision, long *ret_status)
{
    char number[24];
    API_REPLY reply = as(who, "GET", text_of("/v1/realizations/%lld", revision), NULL);
    *ret_status = reply.status;
    char *text = strdup(reply.status == 404 ? api_text(reply.json, "detail") : "");
    snprintf(number, sizeof(number), "%lld", revision);
    char *at = strstr(text, number);
    if (at)
        memmove(at, at + strlen(number), strlen(at + strlen(number)) + 1);
    return text;
}

Test(api_isolation, a_write_that_touched_nothing_of_ones_own_is_like_none)
{
    long status, missing;
    allow(RED, 0, 2);
    allow(BLUE, 0, 2);
    long long newest = 0;
    for (unsigned i = 0; i < 3; i++) {
        const char *body = text_of("{\"name\": \"n%u\", \"logical_network_id\": \"%s\"}", i, networks[0]);
        API_REPLY made = as(i % 2, "POST", "/v1/vm-networks", body);
        cr_assert_eq(made.status, 201, "%s", made.text);
        cr_assert_gt(made.revision, 0);
        newest = made.revision;
        free(said_of(i % 2, made.revision, &status));
        cr_expect_eq(status, 200, "one's own: %ld", status);
        char *foreign = said_of((i + 1) % 2, made.revision, &status);
        char *none = said_of((i + 1) % 2, 999999999, &missing);
        cr_expect_eq(status, 404);
        cr_expect_eq(missing, 404);
        cr_expect_str_eq(foreign, none);
        free(foreign);
        free(none);
        free(said_of(DALLAS, made.revision, &status));
        cr_expect_eq(status, 404, "operators of a host group see no VM networks: %ld", status);
    }
    API_REPLY all = api_call(&server, "GET", text_of("/v1/realizations/%lld", newest), NULL, NULL);
    cr_expect_eq(all.status, 200);
    API_REPLY ahead = api_call(&server, "GET", "/v1/realizations/999999999", NULL, NULL);
    cr_expect_eq(ahead.status, 404);
}
