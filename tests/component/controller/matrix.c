#include "tests/component/controller/matrix.h"

#include <criterion/criterion.h>
#include <string.h>

const char *const matrix_role_of[] = {"admin",        "fabric-operator", "auditor",
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
                {"ip-allocation", "wwrwr"},
                {"effective-route", "rrrrr"},
                {"compliance", "rrr--"},
                {"orphan", "rrr--"},
                {"event", "rrrrr"},
                {"job", "rrr--"},
                {"audit-record", "r-r--"},
                {"usage", "rrrrr"},
                {"backup", "w-r--"},
                {"address", "rrrrr"}};

const char *const matrix_side_names[] = {"own", "foreign", "missing"};

struct api_server matrix_server;
struct skr_uuid matrix_rows[SKR_RESOURCE_COUNT][2];
char matrix_bearer[WHO_COUNT][200];
unsigned matrix_leaks, matrix_asked;
int64_t matrix_before;
static const struct skr_resource *order[SKR_RESOURCE_COUNT];
static unsigned ordered;

static const char *access_of(const struct skr_resource *resource)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(expected); i++)
        if (strcmp(expected[i].kind, resource->name) == 0)
            return expected[i].access;
    cr_assert_fail("%s: say here who may do what with it", resource->name);
    return "-----";
}

char matrix_access(const struct skr_resource *resource, enum who who)
{
    return who == NOBODY ? '-' : access_of(resource)[who == GROUP ? FABRIC : who];
}

void matrix_leak(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (matrix_leaks++ < 40) {
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
    }
    va_end(arguments);
}

/* ---- the matrix_rows ---- */

bool matrix_has(enum skr_resource_id id)
{
    return !skr_uuid_is_nil(&matrix_rows[id][OWN]);
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
        id = strcmp(field->name, "host_id") == 0 ? matrix_rows[SKR_HOST][side] : skr_uuid_new();
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
        if (matrix_has(field->target))
            skr_object_set_uuid(object, index, &matrix_rows[field->target][side]);
        break;
    case SKR_KIND_REFERENCES:
        skr_object_set_uuids(object, index, &matrix_rows[field->target][side], 1);
        break;
    default:
        break;
    }
}

static struct skr_object *make_row(const struct skr_resource *resource, enum side side)
{
    struct skr_object *object = skr_object_new(resource);
    skr_object_set_uuid(object, SKR_FIELD_ID, &matrix_rows[resource->id][side]);
    for (unsigned i = SKR_FIELD_TENANT_ID; i < resource->field_count; i++) {
        bool own_parent = resource->fields[i].kind == SKR_KIND_REFERENCE && resource->fields[i].target == resource->id;
        bool tenants = i != SKR_FIELD_TENANT_ID || resource->scope == SKR_SCOPE_TENANT;
        if (tenants && !own_parent && i != SKR_FIELD_LABELS && i != SKR_FIELD_CREATED_AT && i != SKR_FIELD_UPDATED_AT &&
            i != SKR_FIELD_ETAG)
            fill_field(object, (int)i, side);
    }
    if (resource->id == SKR_IP_POOL)
        skr_object_set_null(object, SKR_IP_POOL_NETWORK_SITE_ID);
    if (!(resource->flags & SKR_RESOURCE_VIEW))
        skr_object_set_json(object, SKR_FIELD_LABELS,
                            json_pack("{s:s}", "team", word_for(resource, &resource->fields[SKR_FIELD_LABELS], side)));
    skr_object_fill_defaults(object);
    return object;
}

static bool ready(const struct skr_resource *resource)
{
    if (matrix_has(resource->id) || resource->flags & SKR_RESOURCE_DERIVED)
        return false;
    for (unsigned i = 0; i < resource->field_count; i++) {
        const struct skr_field *field = &resource->fields[i];
        bool reference = field->kind == SKR_KIND_REFERENCE || field->kind == SKR_KIND_REFERENCES;
        bool later = i == SKR_FIELD_TENANT_ID && resource->scope == SKR_SCOPE_FABRIC;
        if (strcmp(field->name, "host_id") == 0 && !matrix_has(SKR_HOST)) /* of histories: no reference */
            return false;
        if (reference && !later && field->target != resource->id && !matrix_has(field->target))
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
            order[ordered++] = r;
            for (enum side side = OWN; side <= FOREIGN; side++) {
                matrix_rows[r_id][side] = skr_uuid_new();
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
        snprintf(scope, sizeof(scope), ", \"tenant_id\": \"%s\"", skr_uuid_format(&matrix_rows[SKR_TENANT][OWN], id));
    if (who == GROUP)
        snprintf(scope, sizeof(scope), ", \"host_group_id\": \"%s\"",
                 skr_uuid_format(&matrix_rows[SKR_HOST_GROUP][OWN], id));
    snprintf(body, sizeof(body), "{\"name\": \"principal %d\", \"role\": \"%s\"%s}", who, matrix_role_of[who], scope);
    API_REPLY reply = api_call(&matrix_server, "POST", "/v1/tokens", body, NULL);
    cr_assert_eq(reply.status, 201, "%s", reply.text);
    snprintf(matrix_bearer[who], sizeof(matrix_bearer[who]), "Authorization: Bearer %s.%s", api_text(reply.json, "id"),
             api_text(reply.json, "secret"));
    if (who == ADMIN) { /* the first one ends with it */
        free(matrix_server.token);
        cr_assert_gt(
                asprintf(&matrix_server.token, "%s.%s", api_text(reply.json, "id"), api_text(reply.json, "secret")), 0);
    }
}

static CURL *handle;

void matrix_set_up(void)
{
    struct skr_uuid root;
    struct skr_error error = {0};
    matrix_leaks = matrix_asked = 0;
    memset(matrix_rows, 0, sizeof(matrix_rows));
    struct skr_api_options options = {.deadlines = {.bookmark = 200}};
    api_server_start(&matrix_server, &options, NULL);
    handle = api_handle_new(&matrix_server);
    API_REPLY groups = api_call(&matrix_server, "GET", "/v1/host-groups", NULL, NULL);
    skr_uuid_parse(api_text(json_array_get(json_object_get(groups.json, "items"), 0), "id"), &root);
    matrix_before = skr_store_revision(matrix_server.database.store);
    ordered = 0;
    cr_assert_eq(skr_store_write_wait(matrix_server.database.store, insert_rows, &root, NULL, &error), 0, "%s",
                 error.detail);
    snprintf(matrix_bearer[NOBODY], sizeof(matrix_bearer[0]), "Authorization:");
    for (enum who who = ADMIN; who < NOBODY; who++)
        make_token(who);
}

void matrix_tear_down(void)
{
    curl_easy_cleanup(handle);
    api_server_stop(&matrix_server);
}

/* ---- asking ---- */

struct api_reply matrix_ask_with(enum who who, const char *method, const char *path, const char *body,
                                 const char *header)
{
    bool matches = strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    const char *const headers[] = {matrix_bearer[who], matches ? "If-Match: \"1\"" : header, matches ? header : NULL,
                                   NULL};
    matrix_asked++;
    return api_call_on(handle, &matrix_server, method, path, body, body ? strlen(body) : 0, headers);
}

struct api_reply matrix_ask(enum who who, const char *method, const char *path, const char *body)
{
    return matrix_ask_with(who, method, path, body, NULL);
}

/* The text of an answer without the ids and texts that differ by nature. */
char *matrix_essence(const struct api_reply *reply, const char *id)
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

void matrix_check_text(enum who who, const char *path, const char *text)
{
    static const char *const tenants[] = {"zqforeign", "zqplaced", "zqfabric"};
    if (!text || who == ADMIN || who == AUDITOR || who == FABRIC || who == NOBODY)
        return;
    for (size_t i = who == GROUP ? 1 : 0; i < (who == GROUP ? 2u : SKR_ARRAY_SIZE(tenants)); i++)
        if (strstr(text, tenants[i]) && !strstr(path, tenants[i]))
            matrix_leak("%s of %s holds %s: %.600s", path, matrix_role_of[who], tenants[i], text);
    EACH_RESOURCE(r)
    {
        char id[SKR_UUID_TEXT_MAX];
        bool placed = skr_resource_place(r) >= 0;
        skr_uuid_format(&matrix_rows[r_id][FOREIGN], id);
        if (matrix_has(r->id) && (who != GROUP || placed) && strstr(text, id) && !strstr(path, id))
            matrix_leak("%s of %s names the foreign %s: %.600s", path, matrix_role_of[who], r->name, text);
    }
}

void matrix_check_words(enum who who, const char *path, const struct api_reply *reply)
{
    matrix_check_text(who, path, reply->text);
}

void matrix_write(skr_write_fn *fn, void *arg)
{
    struct skr_error error = {0};
    int r = skr_store_write_wait(matrix_server.database.store, fn, arg, NULL, &error);
    cr_assert_eq(r, 0, "%s", error.detail);
}

unsigned matrix_order(const struct skr_resource *ret[static SKR_RESOURCE_COUNT])
{
    memcpy(ret, order, sizeof(order));
    return ordered;
}

const char *matrix_id(enum skr_resource_id resource, enum side side, char out[static SKR_UUID_TEXT_MAX])
{
    struct skr_uuid id = side == MISSING ? skr_uuid_new() : matrix_rows[resource][side];
    return skr_uuid_format(&id, out);
}

/* ---- routes ---- */

bool matrix_sees(enum who who, const struct skr_resource *resource, enum side side)
{
    if (side == MISSING || matrix_access(resource, who) == '-')
        return false;
    if (who == TENANT || who == VIEWER)
        return side == OWN && (resource->scope == SKR_SCOPE_TENANT || resource->id == SKR_TENANT ||
                               resource->id == SKR_LOGICAL_NETWORK || resource->id == SKR_PORT_CLASSIFICATION);
    if (who == GROUP && skr_resource_place(resource) >= 0)
        return side == OWN;
    return who != GROUP || resource->scope == SKR_SCOPE_FABRIC;
}

/* ---- fields and references ---- */

json_t *matrix_sample(const struct skr_field *field, enum side side)
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
        return json_string(matrix_id(field->target, side, id));
    case SKR_KIND_REFERENCES:
        return json_pack("[s]", matrix_id(field->target, side, id));
    default:
        return field->kind == SKR_KIND_STRUCT || field->json_shape == '{' ? json_object() : json_array();
    }
}

bool matrix_is_writable(const struct skr_field *field, enum skr_role role)
{
    return !(field->flags & (SKR_FIELD_READ_ONLY | SKR_FIELD_HIDDEN)) && skr_role_writes(field->writer, role);
}

char *matrix_create_with(const struct skr_resource *resource, unsigned reference, enum side side,
                         char id[static SKR_UUID_TEXT_MAX])
{
    json_t *body = json_object();
    for (unsigned i = SKR_FIELD_NAME; i < resource->field_count; i++)
        if (resource->fields[i].flags & SKR_FIELD_REQUIRED && i != reference)
            json_object_set_new(body, resource->fields[i].name, matrix_sample(&resource->fields[i], OWN));
    const struct skr_field *field = &resource->fields[reference];
    matrix_id(field->target, side, id);
    json_object_set_new(body, field->name, field->kind == SKR_KIND_REFERENCE ? json_string(id) : json_pack("[s]", id));
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}
