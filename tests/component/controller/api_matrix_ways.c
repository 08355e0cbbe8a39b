/* The other ways to somebody else's objects, generated from the tables: every filter, ?labels, ?realization, page
 * tokens, batches, idempotency keys, fixed addresses. Whatever is asked for, the answer about a foreign thing is the
 * answer about nothing. */
#include "tests/component/controller/matrix.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(api_matrix_ways, .init = matrix_set_up, .fini = matrix_tear_down, .timeout = 300);

static const enum who narrow[] = {TENANT, VIEWER, GROUP};

#define EACH_NARROW(who)                                                                                               \
    for (size_t who##_at = 0; who##_at < SKR_ARRAY_SIZE(narrow); who##_at++)                                           \
        for (enum who who = narrow[who##_at], *who##_once = &who; who##_once; who##_once = NULL)

/* Is the foreign row out of his sight, and is there one? */
static bool is_hidden(enum who who, const struct skr_resource *resource)
{
    return matrix_has(resource->id) && !matrix_sees(who, resource, FOREIGN);
}

/* The two answers, once each with a text of the foreign row and with one that nobody has. */
static void compare(enum who who, const char *what, const char *foreign, const char *missing, const char *text[2])
{
    const char *paths[2] = {foreign, missing};
    char *said[2];
    for (int i = 0; i < 2; i++) {
        API_REPLY reply = matrix_ask(who, "GET", paths[i], NULL);
        matrix_check_words(who, paths[i], &reply);
        said[i] = matrix_essence(&reply, text[i]);
    }
    if (strcmp(said[0], said[1]) != 0)
        matrix_leak("%s of %s: foreign %s, missing %s", what, matrix_role_of[who], said[0], said[1]);
    free(said[0]);
    free(said[1]);
}

/* A value that is the foreign row's alone, as a filter takes it; "" when its kind has none such. */
static void distinct_value(const struct skr_object *row, unsigned index, char out[static 200], const char **ret_none)
{
    const struct skr_field *field = &row->resource->fields[index];
    json_t *value = skr_value_to_json(field, &row->values[index], SKR_ROLE_ADMIN);
    const char *text = json_string_value(value);
    out[0] = '\0';
    *ret_none = field->kind == SKR_KIND_MAC       ? "02:ff:ff:ff:ff:01"
                : field->kind == SKR_KIND_ADDRESS ? "10.99.99.99"
                : field->kind == SKR_KIND_TEXT    ? "nothing%20of%20the%20kind"
                                                  : "01890000-0000-7000-8000-000000000000";
    bool own_word = field->kind == SKR_KIND_TEXT && text && strncmp(text, "zq", 2) == 0;
    bool unique = own_word || field->kind == SKR_KIND_MAC || field->kind == SKR_KIND_ADDRESS ||
                  field->kind == SKR_KIND_UUID || field->kind == SKR_KIND_REFERENCE;
    for (size_t at = 0; unique && text && *text && at < 190; text++)
        at += (size_t)(*text == ' ' ? snprintf(out + at, 200 - at, "%%20") : snprintf(out + at, 200 - at, "%c", *text));
    json_decref(value);
}

struct read {
    enum skr_resource_id resource;
    enum side side;
    struct skr_object *object;
};

static int read_row(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct read *read = arg;
    return skr_txn_get(txn, read->resource, &matrix_rows[read->resource][read->side], NULL, &read->object, error);
}

static struct skr_object *row_of(enum skr_resource_id resource, enum side side)
{
    struct read read = {.resource = resource, .side = side};
    matrix_write(read_row, &read);
    return read.object;
}

Test(api_matrix_ways, every_filter_by_a_foreign_value)
{
    unsigned filters = 0;
    EACH_RESOURCE(r)
    {
        if (!matrix_has(r->id))
            continue;
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = row_of(r->id, FOREIGN);
        for (unsigned i = SKR_FIELD_TENANT_ID; i < r->field_count; i++) {
            char value[200], paths[2][300];
            const char *none, *text[2];
            if (!(r->fields[i].flags & SKR_FIELD_FILTER))
                continue;
            distinct_value(row, i, value, &none);
            if (!*value)
                continue;
            snprintf(paths[0], sizeof(paths[0]), "/v1/%s?%s=%s", r->collection, r->fields[i].name, value);
            snprintf(paths[1], sizeof(paths[1]), "/v1/%s?%s=%s", r->collection, r->fields[i].name, none);
            text[0] = value;
            text[1] = none;
            EACH_NARROW(who)
            if (is_hidden(who, r))
                compare(who, paths[0], paths[0], paths[1], text);
            filters++;
        }
    }
    cr_assert_geq(filters, 60, "%u", filters);
    cr_expect_eq(matrix_leaks, 0, "%u of %u", matrix_leaks, matrix_asked);
}

Test(api_matrix_ways, labels_and_realization)
{
    static const char *const queries[] = {"labels=team%3Dzqforeign", "labels=team%3Dzqplaced",
                                          "labels=team%3Dzqfabric"};
    static const char *const states[] = {"pending", "realized", "failed", "unplaced"};
    EACH_RESOURCE(r)
    EACH_NARROW(who)
    {
        char paths[2][200];
        for (size_t i = 0; i < SKR_ARRAY_SIZE(queries) && is_hidden(who, r); i++) {
            snprintf(paths[0], sizeof(paths[0]), "/v1/%s?%s", r->collection, queries[i]);
            snprintf(paths[1], sizeof(paths[1]), "/v1/%s?labels=team%%3Dnobody", r->collection);
            if (who != GROUP || i == 1) /* an operator sees the fabric's own */
                compare(who, paths[0], paths[0], paths[1], (const char *[]){"zq", "zq"});
        }
        snprintf(paths[0], sizeof(paths[0]), "/v1/%s?labels=team", r->collection);
        API_REPLY labelled = matrix_ask(who, "GET", paths[0], NULL);
        matrix_check_words(who, paths[0], &labelled);
        for (size_t i = 0; i < SKR_ARRAY_SIZE(states); i++) {
            snprintf(paths[0], sizeof(paths[0]), "/v1/%s?realization=%s", r->collection, states[i]);
            API_REPLY reply = matrix_ask(who, "GET", paths[0], NULL);
            matrix_check_words(who, paths[0], &reply);
        }
    }
    cr_expect_eq(matrix_leaks, 0, "%u of %u", matrix_leaks, matrix_asked);
}

/* An administrator's token of the next page, in the hands of somebody else. */
Test(api_matrix_ways, page_tokens_of_others)
{
    unsigned tokens = 0;
    EACH_RESOURCE(r)
    {
        char path[300];
        snprintf(path, sizeof(path), "/v1/%s?limit=1", r->collection);
        API_REPLY first = matrix_ask(ADMIN, "GET", path, NULL);
        const char *token = json_string_value(json_object_get(first.json, "next_page_token"));
        if (!token)
            continue;
        tokens++;
        char garbled[100];
        snprintf(garbled, sizeof(garbled), "%s", token);
        garbled[3] = garbled[3] == 'A' ? 'B' : 'A';
        for (enum who who = TENANT; who <= VIEWER; who++) {
            char paths[2][300];
            snprintf(paths[0], sizeof(paths[0]), "/v1/%s?limit=1&page_token=%s", r->collection, token);
            snprintf(paths[1], sizeof(paths[1]), "/v1/%s?limit=1&page_token=%s", r->collection, garbled);
            if (matrix_access(r, who) != '-')
                compare(who, paths[0], paths[0], paths[1], (const char *[]){token, garbled});
        }
    }
    cr_assert_geq(tokens, 15, "%u", tokens);
    cr_expect_eq(matrix_leaks, 0, "%u of %u", matrix_leaks, matrix_asked);
}

/* ---- batches ---- */

static char *batch_of(const char *method, const char *path, const char *body, const char *more)
{
    char *text;
    cr_assert_gt(
            asprintf(&text,
                     "{\"operations\": [{\"method\": \"POST\", \"path\": \"/v1/vm-networks\", \"body\": {\"name\": "
                     "\"first\", \"logical_network_id\": \"%s\"}}, {\"method\": \"%s\", \"path\": \"%s\"%s%s%s}]}",
                     matrix_id(SKR_LOGICAL_NETWORK, OWN, (char[SKR_UUID_TEXT_MAX]){0}), method, path,
                     body ? ", \"body\": " : "", body ? body : "", more),
            0);
    return text;
}

static void compare_batches(enum who who, const char *what, char *stolen[2], char ids[2][SKR_UUID_TEXT_MAX])
{
    char *said[2];
    int64_t before = skr_store_revision(matrix_server.database.store);
    for (int i = 0; i < 2; i++) {
        API_REPLY reply = matrix_ask(who, "POST", "/v1/batch", stolen[i]);
        if (reply.status < 400)
            matrix_leak("batch %s of %s: %ld %s", stolen[i], matrix_role_of[who], reply.status, reply.text);
        matrix_check_words(who, stolen[i], &reply);
        said[i] = matrix_essence(&reply, ids[i]);
        free(stolen[i]);
    }
    if (strcmp(said[0], said[1]) != 0)
        matrix_leak("batch %s of %s: foreign %s, missing %s", what, matrix_role_of[who], said[0], said[1]);
    if (skr_store_revision(matrix_server.database.store) != before)
        matrix_leak("batch %s of %s: a part of it was done", what, matrix_role_of[who]);
    free(said[0]);
    free(said[1]);
}

static void batch_object(enum who who, const struct skr_resource *resource, const char *method, const char *suffix)
{
    char ids[2][SKR_UUID_TEXT_MAX], path[200];
    char *bodies[2];
    bool changes = strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    for (int i = 0; i < 2; i++) {
        matrix_id(resource->id, i ? MISSING : FOREIGN, ids[i]);
        snprintf(path, sizeof(path), "/v1/%s/%s%s", resource->collection, ids[i], suffix);
        bodies[i] = batch_of(method, path, strcmp(method, "DELETE") == 0 ? NULL : "{}",
                             changes ? ", \"if_match\": \"\\\"1\\\"\"" : "");
    }
    compare_batches(who, path, bodies, ids);
}

Test(api_matrix_ways, batches_with_foreign_ids)
{
    static const char *const methods[] = {"PUT", "PATCH", "DELETE"};
    EACH_RESOURCE(r)
    EACH_NARROW(who)
    {
        if (!is_hidden(who, r) || r->flags & SKR_RESOURCE_LOGIN)
            continue;
        for (size_t m = 0; m < SKR_ARRAY_SIZE(methods); m++)
            if (skr_route_object_methods(r) & skr_http_method_parse(methods[m]))
                batch_object(who, r, methods[m], "");
        for (unsigned a = 0; a < r->action_count; a++) {
            char suffix[64];
            snprintf(suffix, sizeof(suffix), ":%s", r->actions[a].verb);
            batch_object(who, r, "POST", suffix);
        }
    }
    cr_assert_geq(matrix_asked, 100, "%u", matrix_asked);
    cr_expect_eq(matrix_leaks, 0, "%u of %u", matrix_leaks, matrix_asked);
}

Test(api_matrix_ways, batches_with_foreign_references)
{
    unsigned references = 0;
    EACH_RESOURCE(r)
    for (unsigned i = SKR_FIELD_TENANT_ID; i < r->field_count; i++) {
        const struct skr_field *field = &r->fields[i];
        bool reference = field->kind == SKR_KIND_REFERENCE || field->kind == SKR_KIND_REFERENCES;
        if (matrix_access(r, TENANT) != 'w' || r->flags & SKR_RESOURCE_LOGIN || !reference ||
            !matrix_is_writable(field, SKR_ROLE_TENANT))
            continue;
        char ids[2][SKR_UUID_TEXT_MAX], path[100], *bodies[2];
        snprintf(path, sizeof(path), "/v1/%s", r->collection);
        for (int k = 0; k < 2; k++) {
            char *body = matrix_create_with(r, i, k ? MISSING : FOREIGN, ids[k]);
            bodies[k] = batch_of("POST", path, body, "");
            free(body);
        }
        compare_batches(TENANT, path, bodies, ids);
        references++;
    }
    cr_assert_geq(references, 8, "%u", references);
    cr_expect_eq(matrix_leaks, 0, "%u of %u", matrix_leaks, matrix_asked);
}

/* ---- idempotency keys ---- */

static void give_network(const char *tenant, enum side side)
{
    char path[100], line[80], body[200], id[SKR_UUID_TEXT_MAX], other[SKR_UUID_TEXT_MAX];
    snprintf(path, sizeof(path), "/v1/tenants/%s", tenant);
    API_REPLY before = api_call(&matrix_server, "GET", path, NULL, NULL);
    snprintf(line, sizeof(line), "If-Match: %s", before.etag);
    matrix_id(SKR_LOGICAL_NETWORK, OWN, id);
    snprintf(body, sizeof(body), "{\"logical_network_ids\": [\"%s\", \"%s\"]}", id,
             matrix_id(SKR_LOGICAL_NETWORK, FOREIGN, other));
    API_REPLY after = api_call(&matrix_server, "PATCH", path, body, (const char *const[]){line, NULL});
    cr_assert_eq(after.status, 200, "%d: %s", side, after.text);
}

Test(api_matrix_ways, a_key_is_its_principals_own)
{
    char tenant[SKR_UUID_TEXT_MAX], body[300], id[SKR_UUID_TEXT_MAX], other[200];
    static const char key[] = "Idempotency-Key: the-very-same";
    snprintf(body, sizeof(body),
             "{\"name\": \"of the foreign tenant\", \"role\": \"tenant-admin\", \"tenant_id\": \"%s\"}",
             matrix_id(SKR_TENANT, FOREIGN, tenant));
    API_REPLY token = api_call(&matrix_server, "POST", "/v1/tokens", body, NULL);
    cr_assert_eq(token.status, 201, "%s", token.text);
    snprintf(other, sizeof(other), "Authorization: Bearer %s.%s", api_text(token.json, "id"),
             api_text(token.json, "secret"));
    snprintf(body, sizeof(body), "{\"name\": \"by a key\", \"role\": \"tenant-viewer\"}");
    API_REPLY mine = matrix_ask_with(TENANT, "POST", "/v1/tokens", body, key);
    cr_assert_eq(mine.status, 201, "%s", mine.text);
    /* The same request of somebody else is his own, and another one of his is not told of mine. */
    API_REPLY theirs = api_call(&matrix_server, "POST", "/v1/tokens", body, (const char *const[]){other, key, NULL});
    cr_expect_eq(theirs.status, 201, "%s", theirs.text);
    cr_expect_str_neq(api_text(theirs.json, "id"), api_text(mine.json, "id"));
    cr_expect_null(strstr(theirs.text, api_text(mine.json, "id")));
    API_REPLY again = matrix_ask_with(TENANT, "POST", "/v1/tokens", body, key);
    cr_expect_str_eq(api_text(again.json, "id"), api_text(mine.json, "id"), "a replay is one's own");
    /* The watch tells an object that left the tenant as if it were gone. */
    give_network(matrix_id(SKR_TENANT, OWN, id), OWN);
    API_REPLY removed =
            api_call(&matrix_server, "DELETE",
                     (snprintf(body, sizeof(body), "/v1/tokens/%s", api_text(mine.json, "id")), body), NULL, NULL);
    cr_assert_eq(removed.status, 204);
    snprintf(body, sizeof(body), "{\"name\": \"by a key\", \"role\": \"tenant-viewer\"}");
    API_REPLY gone = matrix_ask_with(TENANT, "POST", "/v1/tokens", body, key);
    cr_expect_eq(gone.status, 409, "%s", gone.text);
    cr_expect_null(strstr(gone.text, "zq"));
}

/* ---- addresses that no table makes ---- */

Test(api_matrix_ways, fixed_addresses_name_nothing_foreign)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *record = row_of(SKR_LOOKUP_RECORD, FOREIGN);
    char address[SKR_ADDRESS_TEXT_MAX] = "10.9.0.1";
    for (unsigned i = 0; i < record->resource->field_count; i++)
        if (record->resource->fields[i].kind == SKR_KIND_ADDRESS && record->values[i].type == SKR_VALUE_ADDRESS)
            skr_address_format(&record->values[i].address, address);
    for (unsigned i = 0; i < skr_fixed_route_count; i++) {
        const struct skr_fixed_route *fixed = &skr_fixed_routes[i];
        if (fixed->method != SKR_HTTP_GET || fixed->handle == skr_http_watch || fixed->word)
            continue;
        EACH_NARROW(who)
        {
            char paths[2][200];
            API_REPLY reply = matrix_ask(who, "GET", fixed->path, NULL);
            matrix_check_words(who, fixed->path, &reply);
            for (const char *const *name = fixed->parameters; *name; name++) {
                bool of_address = strcmp(*name, "address") == 0;
                const char *none = of_address ? "10.99.99.99" : "01890000-0000-7000-8000-000000000000";
                char id[SKR_UUID_TEXT_MAX];
                const char *values[2] = {address, none};
                if (strlen(*name) > 3 && strcmp(*name + strlen(*name) - 3, "_id") == 0)
                    values[0] = matrix_id(strcmp(*name, "tenant_id") == 0       ? SKR_TENANT
                                          : strcmp(*name, "vm_network_id") == 0 ? SKR_VM_NETWORK
                                                                                : SKR_HOST,
                                          FOREIGN, id);
                else if (!of_address)
                    continue;
                for (int k = 0; k < 2; k++)
                    snprintf(paths[k], sizeof(paths[k]), "%s?%s=%s", fixed->path, *name, values[k]);
                compare(who, paths[0], paths[0], paths[1], values);
            }
        }
    }
    cr_expect_eq(matrix_leaks, 0, "%u of %u", matrix_leaks, matrix_asked);
}
