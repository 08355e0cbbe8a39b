/* Who may do what, generated from the tables that route: every kind, address, method, writable field and reference, for
 * every role, with an id of one's own, somebody else's and nobody's. What is expected is written here by hand, so that
 * a table that says too much is found; a kind without a row fails. Rows are put past the rules: what is judged is who
 * gets at them. Each text that somebody must not see carries a word, and no answer to him may hold it. */
#include "controller/api/http.h"
#include "tests/component/controller/api_client.h"

#include <criterion/criterion.h>
#include <skerry/clock.h>
#include <skerry/resource_fields.h>
#include <string.h>

enum who { ADMIN, FABRIC, AUDITOR, TENANT, VIEWER, GROUP, NOBODY, WHO_COUNT };
static const char *const role_of[] = {"admin",        "fabric-operator", "auditor",
                                      "tenant-admin", "tenant-viewer",   "fabric-operator"};

/* w writes and reads, r reads, - neither; in the order admin, fabric-operator, auditor, tenant-admin, tenant-viewer. */
static const struct {
    const char *kind, *access;
} expected[] = {{"tenant", "wrrrr"},
                {"host-group", "wwr--"},
                {"logical-network", "wwrrr"},
                {"network-site", "wwr--"},
                {"ip-pool", "wwrwr"},
                {"mac-pool", "wwr--"},
                {"virtual-port-profile", "wwr--"},
                {"uplink-port-profile", "wwr--"},
                {"port-classification", "wwrrr"},
                {"logical-switch", "wwr--"},
                {"host", "wwr--"},
                {"host-switch", "wwr--"},
                {"vm-network", "wrrwr"},
                {"vm-subnet", "wrrwr"},
                {"network-adapter", "wrrwr"},
                {"access-control-list", "wrrwr"},
                {"customer-route", "wrrwr"},
                {"join-token", "wwr--"},
                {"token", "w-rw-"},
                {"user", "w-rr-"},
                {"role-binding", "w-rw-"},
                {"session", "w-rw-"},
                {"lookup-record", "rrrrr"},
                {"provider-address", "rrr--"},
                {"ip-allocation", "rrr--"},
                {"effective-route", "rrrrr"},
                {"compliance", "rrr--"},
                {"orphan", "rrr--"},
                {"event", "rrrrr"},
                {"job", "rrr--"},
                {"audit-record", "r-r--"},
                {"usage", "rrrrr"},
                {"backup", "w-r--"},
                {"address-history", "rrr--"}};

enum side { OWN, FOREIGN, MISSING, SIDE_COUNT };
static const char *const side_names[] = {"own", "foreign", "missing"};

static struct api_server server;
static struct skr_uuid rows[SKR_RESOURCE_COUNT][2];
static char bearer[WHO_COUNT][200];
static unsigned leaks, asked;

#define EACH_RESOURCE(r)                                                                                               \
    for (int r##_id = 0; r##_id < SKR_RESOURCE_COUNT; r##_id++)                                                        \
        for (const struct skr_resource *r = skr_resource_get((enum skr_resource_id)r##_id); r; r = NULL)

static const char *access_of(const struct skr_resource *resource)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(expected); i++)
        if (strcmp(expected[i].kind, resource->name) == 0)
            return expected[i].access;
    cr_assert_fail("%s: say here who may do what with it", resource->name);
    return "-----";
}

static char access_for(const struct skr_resource *resource, enum who who)
{
    return who == NOBODY ? '-' : access_of(resource)[who == GROUP ? FABRIC : who];
}

static void leak(const char *format, ...) SKR_PRINTF(1, 2);
static void leak(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (leaks++ < 40) {
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
    }
    va_end(arguments);
}

/* ---- the rows ---- */

static bool is_made(enum skr_resource_id id)
{
    return !skr_uuid_is_nil(&rows[id][OWN]);
}

static const char *word_for(const struct skr_resource *resource, const struct skr_field *field, enum side side)
{
    bool tenants = access_of(resource)[VIEWER] != '-' || access_of(resource)[TENANT] != '-';
    if (side == FOREIGN)
        return skr_resource_place(resource) >= 0 ? "zqplaced" : "zqforeign";
    return tenants && skr_role_reads(field->reader, SKR_ROLE_TENANT) ? "own" : "zqfabric";
}

static void fill_field(struct skr_object *object, int index, enum side side)
{
    static unsigned counter = 5000;
    const struct skr_field *field = &object->resource->fields[index];
    char text[100];
    struct skr_uuid id;
    counter++;
    switch (field->kind) {
    case SKR_KIND_TEXT:
        snprintf(text, sizeof(text), "%s %u", word_for(object->resource, field, side), counter);
        skr_object_set_text(object, index, text);
        break;
    case SKR_KIND_ENUM:
        skr_object_set_text(object, index, field->choices[0]);
        break;
    case SKR_KIND_INTEGER:
        skr_object_set_integer(object, index, counter);
        break;
    case SKR_KIND_UUID:
        id = strcmp(field->name, "host_id") == 0 ? rows[SKR_HOST][side] : skr_uuid_new();
        skr_object_set_uuid(object, index, &id);
        break;
    case SKR_KIND_MAC:
        skr_object_set_mac(object, index, &(struct skr_mac){{2, 0, 0, 0, (uint8_t)(counter >> 8), (uint8_t)counter}});
        break;
    case SKR_KIND_ADDRESS:
        skr_object_set_address(object, index,
                               &(struct skr_address){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 9,
                                                      (uint8_t)(counter >> 8), (uint8_t)counter}});
        break;
    case SKR_KIND_PREFIX:
        skr_object_set_prefix(object, index, &(struct skr_prefix){.length = 24});
        break;
    case SKR_KIND_REFERENCE:
        if (is_made(field->target))
            skr_object_set_uuid(object, index, &rows[field->target][side]);
        break;
    case SKR_KIND_REFERENCES:
        skr_object_set_uuids(object, index, &rows[field->target][side], 1);
        break;
    default:
        break;
    }
}

static struct skr_object *make_row(const struct skr_resource *resource, enum side side)
{
    struct skr_object *object = skr_object_new(resource);
    skr_object_set_uuid(object, SKR_FIELD_ID, &rows[resource->id][side]);
    for (unsigned i = SKR_FIELD_TENANT_ID; i < resource->field_count; i++) {
        bool own_parent = resource->fields[i].kind == SKR_KIND_REFERENCE && resource->fields[i].target == resource->id;
        bool tenants = i != SKR_FIELD_TENANT_ID || resource->scope == SKR_SCOPE_TENANT;
        if (tenants && !own_parent && i != SKR_FIELD_LABELS && i != SKR_FIELD_CREATED_AT && i != SKR_FIELD_UPDATED_AT &&
            i != SKR_FIELD_ETAG)
            fill_field(object, (int)i, side);
    }
    if (resource->id == SKR_IP_POOL)
        skr_object_set_null(object, SKR_IP_POOL_NETWORK_SITE_ID);
    skr_object_fill_defaults(object);
    return object;
}

static bool ready(const struct skr_resource *resource)
{
    if (is_made(resource->id) || resource->flags & SKR_RESOURCE_DERIVED)
        return false;
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        bool reference = field->kind == SKR_KIND_REFERENCE || field->kind == SKR_KIND_REFERENCES;
        bool later = i == SKR_FIELD_TENANT_ID && resource->scope == SKR_SCOPE_FABRIC;
        if (strcmp(field->name, "host_id") == 0 && !is_made(SKR_HOST)) /* of histories: no reference */
            return false;
        if (reference && !later && field->target != resource->id && !is_made(field->target))
            return false;
    }
    return true;
}

static int insert_rows(struct skr_txn *txn, void *root, struct skr_error *error)
{
    bool more = true;
    while (more) {
        more = false;
        EACH_RESOURCE(r)
        {
            if (!ready(r))
                continue;
            more = true;
            for (enum side side = OWN; side <= FOREIGN; side++) {
                rows[r_id][side] = skr_uuid_new();
                SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = make_row(r, side);
                if (r->id == SKR_HOST_GROUP)
                    skr_object_set_uuid(object, SKR_HOST_GROUP_PARENT_ID, root);
                int result = skr_txn_insert(txn, object, error);
                cr_assert_eq(result, 0, "%s: %s", r->name, error->detail);
            }
        }
    }
    return 0;
}

static void make_token(enum who who)
{
    char scope[80] = "", body[300], id[SKR_UUID_TEXT_MAX];
    if (who == TENANT || who == VIEWER)
        snprintf(scope, sizeof(scope), ", \"tenant_id\": \"%s\"", skr_uuid_format(&rows[SKR_TENANT][OWN], id));
    if (who == GROUP)
        snprintf(scope, sizeof(scope), ", \"host_group_id\": \"%s\"", skr_uuid_format(&rows[SKR_HOST_GROUP][OWN], id));
    snprintf(body, sizeof(body), "{\"name\": \"principal %d\", \"role\": \"%s\"%s}", who, role_of[who], scope);
    API_REPLY reply = api_call(&server, "POST", "/v1/tokens", body, NULL);
    cr_assert_eq(reply.status, 201, "%s", reply.text);
    snprintf(bearer[who], sizeof(bearer[who]), "Authorization: Bearer %s.%s", api_text(reply.json, "id"),
             api_text(reply.json, "secret"));
    if (who == ADMIN) { /* the first one ends with it */
        free(server.token);
        cr_assert_gt(asprintf(&server.token, "%s.%s", api_text(reply.json, "id"), api_text(reply.json, "secret")), 0);
    }
}

static CURL *handle;

static void set_up(void)
{
    struct skr_uuid root;
    struct skr_error error = {0};
    leaks = asked = 0;
    memset(rows, 0, sizeof(rows));
    api_server_start(&server, NULL, NULL);
    handle = api_handle_new(&server);
    API_REPLY groups = api_call(&server, "GET", "/v1/host-groups", NULL, NULL);
    skr_uuid_parse(api_text(json_array_get(json_object_get(groups.json, "items"), 0), "id"), &root);
    cr_assert_eq(skr_store_write_wait(server.database.store, insert_rows, &root, NULL, &error), 0, "%s", error.detail);
    snprintf(bearer[NOBODY], sizeof(bearer[0]), "Authorization:");
    for (enum who who = ADMIN; who < NOBODY; who++)
        make_token(who);
}

static void tear_down(void)
{
    curl_easy_cleanup(handle);
    api_server_stop(&server);
}

TestSuite(api_matrix, .init = set_up, .fini = tear_down, .timeout = 100);

/* ---- asking ---- */

static struct api_reply ask(enum who who, const char *method, const char *path, const char *body)
{
    bool matches = strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    const char *const headers[] = {bearer[who], matches ? "If-Match: \"1\"" : NULL, NULL};
    asked++;
    return api_call_on(handle, &server, method, path, body, body ? strlen(body) : 0, headers);
}

/* What an answer says, without the ids that differ by nature. */
static char *essence(const struct api_reply *reply, const char *id)
{
    char *text = NULL, *at;
    json_t *json = json_deep_copy(reply->json);
    json_object_del(json, "request_id");
    char *dumped = json ? json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT) : strdup("");
    json_decref(json);
    while ((at = strstr(dumped, id)))
        memset(at, 'x', strlen(id));
    cr_assert_gt(asprintf(&text, "%ld %s", reply->status, dumped), 0);
    free(dumped);
    return text;
}

/* No word and no id of what he must not see. */
static void check_words(enum who who, const char *path, const struct api_reply *reply)
{
    static const char *const tenants[] = {"zqforeign", "zqplaced", "zqfabric"};
    if (!reply->text || who == ADMIN || who == AUDITOR || who == FABRIC)
        return;
    for (size_t i = who == GROUP ? 1 : 0; i < (who == GROUP ? 2u : SKR_ARRAY_SIZE(tenants)); i++)
        if (strstr(reply->text, tenants[i]))
            leak("%s of %s holds %s: %.600s", path, role_of[who], tenants[i], reply->text);
    EACH_RESOURCE(r)
    {
        char id[SKR_UUID_TEXT_MAX];
        bool placed = skr_resource_place(r) >= 0;
        skr_uuid_format(&rows[r_id][FOREIGN], id);
        if (is_made(r->id) && (who != GROUP || placed) && strstr(reply->text, id) && !strstr(path, id))
            leak("%s of %s names the foreign %s: %.600s", path, role_of[who], r->name, reply->text);
    }
}

static const char *id_of(enum skr_resource_id resource, enum side side, char out[static SKR_UUID_TEXT_MAX])
{
    struct skr_uuid id = side == MISSING ? skr_uuid_new() : rows[resource][side];
    return skr_uuid_format(&id, out);
}

/* ---- routes ---- */

static bool sees(enum who who, const struct skr_resource *resource, enum side side)
{
    if (side == MISSING || access_for(resource, who) == '-')
        return false;
    if (who == TENANT || who == VIEWER)
        return side == OWN && (resource->scope == SKR_SCOPE_TENANT || resource->id == SKR_TENANT ||
                               resource->id == SKR_LOGICAL_NETWORK || resource->id == SKR_PORT_CLASSIFICATION);
    if (who == GROUP && skr_resource_place(resource) >= 0)
        return side == OWN;
    return who != GROUP || resource->scope == SKR_SCOPE_FABRIC;
}

static void check_object(enum who who, const struct skr_resource *resource, const char *method, const char *suffix)
{
    bool get = strcmp(method, "GET") == 0, action = suffix[0] == ':';
    char *said[SIDE_COUNT], path[200], id[SKR_UUID_TEXT_MAX];
    char access = access_for(resource, who);
    for (enum side side = OWN; side < SIDE_COUNT; side++) {
        snprintf(path, sizeof(path), "/v1/%s/%s%s", resource->collection, id_of(resource->id, side, id), suffix);
        if (!get && sees(who, resource, side)) /* nothing is to change for those who come later */
            strcat(path, "?dry_run=true");
        API_REPLY reply = ask(who, method, path, get || strcmp(method, "DELETE") == 0 ? NULL : "{}");
        check_words(who, path, &reply);
        said[side] = essence(&reply, id);
        if (who == NOBODY && reply.status != 401)
            leak("%s %s without a token: %ld", method, path, reply.status);
        if (get && access != '-' && reply.status != (sees(who, resource, side) ? 200 : 404))
            leak("%s %s (%s) of %s: %ld %s", method, path, side_names[side], role_of[who], reply.status, reply.text);
        bool refused = who != NOBODY && (get ? access == '-' : !action && access != 'w');
        if (refused && reply.status != 403)
            leak("%s %s (%s) of %s: %ld", method, path, side_names[side], role_of[who], reply.status);
        if (!get && (who == AUDITOR || who == VIEWER) && reply.status != 403)
            leak("%s %s of %s: %ld", method, path, role_of[who], reply.status);
        if (refused && strcmp(said[OWN], said[side]) != 0)
            leak("%s %s of %s tells ids apart: %s, %s", method, path, role_of[who], said[OWN], said[side]);
    }
    if (!sees(who, resource, FOREIGN) && strcmp(said[FOREIGN], said[MISSING]) != 0)
        leak("%s %s of %s: foreign %s, missing %s", method, path, role_of[who], said[FOREIGN], said[MISSING]);
    for (enum side side = OWN; side < SIDE_COUNT; side++)
        free(said[side]);
}

static void check_collection(enum who who, const struct skr_resource *resource)
{
    char path[200], id[SKR_UUID_TEXT_MAX];
    snprintf(path, sizeof(path), "/v1/%s?limit=1000", resource->collection);
    API_REPLY list = ask(who, "GET", path, NULL);
    long wanted = who == NOBODY ? 401 : access_for(resource, who) == '-' ? 403 : 200;
    if (list.status != wanted)
        leak("GET %s of %s: %ld %.200s", path, who == NOBODY ? "nobody" : role_of[who], list.status, list.text);
    check_words(who, path, &list);
    if (is_made(resource->id) && sees(who, resource, OWN) && !strstr(list.text, id_of(resource->id, OWN, id)))
        leak("GET %s of %s lacks his own", path, role_of[who]);
    for (unsigned i = 0; i < resource->field_count && wanted == 200; i++) {
        const struct skr_field *field = &resource->fields[i];
        if (!(field->flags & SKR_FIELD_FILTER) || field->kind != SKR_KIND_REFERENCE || !is_made(field->target))
            continue;
        for (enum side side = FOREIGN; side < SIDE_COUNT; side++) {
            snprintf(path, sizeof(path), "/v1/%s?%s=%s", resource->collection, field->name,
                     id_of(field->target, side, id));
            API_REPLY filtered = ask(who, "GET", path, NULL);
            check_words(who, path, &filtered);
        }
    }
    if (resource->flags & (SKR_RESOURCE_VIEW | SKR_RESOURCE_LOGIN))
        return;
    snprintf(path, sizeof(path), "/v1/%s", resource->collection);
    API_REPLY create = ask(who, "POST", path, "{\"tenant_id\": 7}");
    wanted = who == NOBODY ? 401 : access_for(resource, who) == 'w' ? 422 : 403;
    if (create.status != wanted)
        leak("POST %s of %s: %ld, not %ld", path, who == NOBODY ? "nobody" : role_of[who], create.status, wanted);
}

Test(api_matrix, every_route_method_role_and_id)
{
    static const char *const methods[] = {"GET", "PUT", "PATCH", "DELETE"};
    unsigned kinds = 0;
    for (enum who who = ADMIN; who < WHO_COUNT; who++) {
        int64_t before = skr_store_revision(server.database.store);
        EACH_RESOURCE(r)
        {
            kinds += is_made(r->id);
            check_collection(who, r);
            for (size_t m = 0; m < SKR_ARRAY_SIZE(methods) && is_made(r->id); m++)
                if (skr_route_object_methods(r) & skr_http_method_parse(methods[m]))
                    check_object(who, r, methods[m], "");
            for (unsigned a = 0; a < r->action_count && is_made(r->id); a++) {
                char suffix[64];
                snprintf(suffix, sizeof(suffix), ":%s", r->actions[a].verb);
                check_object(who, r, "POST", suffix);
            }
        }
        if (skr_store_revision(server.database.store) != before)
            leak("%s has written something", who == NOBODY ? "nobody" : role_of[who]);
    }
    cr_assert_geq(kinds, (SKR_RESOURCE_COUNT - 4) * WHO_COUNT, "most kinds have rows");
    cr_assert_geq(asked, 2000, "%u", asked);
    cr_expect_eq(leaks, 0, "%u of %u", leaks, asked);
}

Test(api_matrix, fixed_addresses_without_a_token)
{
    static const char *const open[] = {"/healthz", "/readyz", "/v1/openapi.json"};
    for (unsigned i = 0; i < skr_fixed_route_count; i++) {
        const struct skr_fixed_route *fixed = &skr_fixed_routes[i];
        char path[128], method[SKR_HTTP_METHODS_TEXT_MAX];
        bool is_open = false;
        cr_expect_neq(fixed->role, SKR_ROLE_NOBODY, "%s says for nobody", fixed->path);
        for (size_t o = 0; o < SKR_ARRAY_SIZE(open); o++)
            is_open |= strcmp(fixed->path, open[o]) == 0;
        snprintf(path, sizeof(path), "%s%s", fixed->path, fixed->word ? "1" : "");
        API_REPLY reply = ask(NOBODY, skr_http_methods_format(fixed->method, method), path, NULL);
        cr_expect(is_open ? reply.status == 200 : reply.status == 401, "%s %s: %ld", method, path, reply.status);
    }
    API_REPLY metrics = ask(TENANT, "GET", "/metrics", NULL);
    cr_expect_eq(metrics.status, 403);
    API_REPLY auditors = ask(AUDITOR, "GET", "/metrics", NULL);
    cr_expect_eq(auditors.status, 200);
}

/* ---- fields and references ---- */

static json_t *sample(const struct skr_field *field, enum side side)
{
    char id[SKR_UUID_TEXT_MAX];
    switch (field->kind) {
    case SKR_KIND_TEXT:
        return json_string("x");
    case SKR_KIND_SECRET:
        return json_string("a long password");
    case SKR_KIND_ENUM:
        return json_string(field->choices[0]);
    case SKR_KIND_INTEGER:
        return json_integer(field->minimum);
    case SKR_KIND_BOOLEAN:
        return json_true();
    case SKR_KIND_ADDRESS:
        return json_string("10.0.0.9");
    case SKR_KIND_PREFIX:
        return json_string("10.0.0.0/24");
    case SKR_KIND_MAC:
        return json_string("02:00:00:00:00:01");
    case SKR_KIND_TIME:
        return json_string("2026-01-31T12:00:00Z");
    case SKR_KIND_UUID:
    case SKR_KIND_REFERENCE:
        return json_string(id_of(field->target, side, id));
    case SKR_KIND_REFERENCES:
        return json_pack("[s]", id_of(field->target, side, id));
    default:
        return field->kind == SKR_KIND_STRUCT || field->json_shape == '{' ? json_object() : json_array();
    }
}

static bool is_writable(const struct skr_field *field, enum skr_role role)
{
    return !(field->flags & (SKR_FIELD_READ_ONLY | SKR_FIELD_HIDDEN)) && skr_role_writes(field->writer, role);
}

Test(api_matrix, every_field_and_role)
{
    static const enum skr_role roles[] = {SKR_ROLE_ADMIN, SKR_ROLE_FABRIC, SKR_ROLE_AUDITOR, SKR_ROLE_TENANT,
                                          SKR_ROLE_VIEWER};
    for (enum who who = ADMIN; who <= VIEWER; who++)
        EACH_RESOURCE(r)
    for (unsigned i = 0; i < r->field_count && is_made(r->id); i++) {
        char path[200], id[SKR_UUID_TEXT_MAX];
        if (!(skr_route_object_methods(r) & SKR_HTTP_PATCH) || is_writable(&r->fields[i], roles[who]))
            continue;
        json_t *body = json_object();
        json_object_set_new(body, r->fields[i].name, sample(&r->fields[i], OWN));
        char *text = json_dumps(body, JSON_COMPACT);
        snprintf(path, sizeof(path), "/v1/%s/%s?dry_run=true", r->collection, id_of(r->id, OWN, id));
        API_REPLY reply = ask(who, "PATCH", path, text);
        if (reply.status != (access_for(r, who) == 'w' ? 422 : 403))
            leak("PATCH %s of %s with %s: %ld %s", path, role_of[who], text, reply.status, reply.text);
        check_words(who, path, &reply);
        free(text);
        json_decref(body);
    }
    cr_assert_geq(asked, 300, "%u", asked);
    cr_expect_eq(leaks, 0, "%u of %u", leaks, asked);
}

static char *create_with(const struct skr_resource *resource, unsigned reference, enum side side,
                         char id[static SKR_UUID_TEXT_MAX])
{
    json_t *body = json_object();
    for (unsigned i = SKR_FIELD_NAME; i < resource->field_count; i++)
        if (resource->fields[i].flags & SKR_FIELD_REQUIRED && i != reference)
            json_object_set_new(body, resource->fields[i].name, sample(&resource->fields[i], OWN));
    const struct skr_field *field = &resource->fields[reference];
    id_of(field->target, side, id);
    json_object_set_new(body, field->name, field->kind == SKR_KIND_REFERENCE ? json_string(id) : json_pack("[s]", id));
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

Test(api_matrix, a_foreign_reference_is_told_like_a_missing_one)
{
    unsigned references = 0;
    EACH_RESOURCE(r)
    for (unsigned i = SKR_FIELD_TENANT_ID; i < r->field_count; i++) {
        const struct skr_field *field = &r->fields[i];
        bool reference = field->kind == SKR_KIND_REFERENCE || field->kind == SKR_KIND_REFERENCES;
        if (access_for(r, TENANT) != 'w' || r->flags & SKR_RESOURCE_LOGIN || !reference ||
            !is_writable(field, SKR_ROLE_TENANT))
            continue;
        char path[200], id[SKR_UUID_TEXT_MAX], *said[SIDE_COUNT];
        snprintf(path, sizeof(path), "/v1/%s", r->collection);
        for (enum side side = FOREIGN; side <= MISSING; side++) {
            char *body = create_with(r, i, side, id);
            API_REPLY reply = ask(TENANT, "POST", path, body);
            if (reply.status != 422)
                leak("POST %s with %s: %ld %s", path, body, reply.status, reply.text);
            said[side] = essence(&reply, id);
            free(body);
        }
        if (strcmp(said[FOREIGN], said[MISSING]) != 0)
            leak("%s.%s: foreign %s, missing %s", r->name, field->name, said[FOREIGN], said[MISSING]);
        free(said[FOREIGN]);
        free(said[MISSING]);
        references++;
    }
    cr_assert_geq(references, 8, "%u", references);
    cr_expect_eq(leaks, 0, "%u of %u", leaks, asked);
}

/* ---- time ---- */

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

#define PAIRS 2000

Test(api_matrix, a_foreign_id_takes_as_long_as_a_missing_one)
{
    static int64_t took[2][PAIRS];
    char path[2][100], id[SKR_UUID_TEXT_MAX];
    double ratio = 0;
    snprintf(path[0], sizeof(path[0]), "/v1/vm-networks/%s", id_of(SKR_VM_NETWORK, FOREIGN, id));
    snprintf(path[1], sizeof(path[1]), "/v1/vm-networks/%s", id_of(SKR_VM_NETWORK, MISSING, id));
    for (unsigned i = 0; i < PAIRS; i++)
        for (unsigned k = 0; k < 2; k++) {
            unsigned which = (i + k) % 2;
            int64_t start_ns = skr_clock_monotonic_ns();
            API_REPLY reply = ask(TENANT, "GET", path[which], NULL);
            took[which][i] = skr_clock_monotonic_ns() - start_ns;
            cr_assert_eq(reply.status, 404);
        }
    qsort(took[0], PAIRS, sizeof(took[0][0]), compare_times);
    qsort(took[1], PAIRS, sizeof(took[1][0]), compare_times);
    ratio = (double)took[0][PAIRS / 2] / (double)took[1][PAIRS / 2];
    cr_expect(ratio > 0.95 && ratio < 1.05, "foreign %.1f us, missing %.1f us: %.3f", (double)took[0][PAIRS / 2] / 1e3,
              (double)took[1][PAIRS / 2] / 1e3, ratio);
}
