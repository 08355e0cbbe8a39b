/* Every list at its full size: each kind in turn is filled with rows made from its table, and each of its filters, with
 * labels and by realization, is asked for a page of 100 over HTTPS, by the administrator, by a tenant and by an
 * operator of one host group. What a table gains is filled and asked for without a word here.
 *
 *     bench-lists [--count N] [--pages N] [--kind COLLECTION] [--json FILE]
 *
 * Prints every list whose p99 is over 20 ms and the worst of each kind; fails when there is one. Measure a release
 * build: docs/benchmarks.md. */
#include "controller/api/api.h"
#include "tests/bench/control/bench.h"
#include "tests/support/test_store.h"
#include <getopt.h>
#include <jansson.h>
#include <skerry/clock.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <skerry/tls.h>
#include <string.h>

#define OTHERS    1000 /* rows of the kinds that the measured one refers to */
#define TENANTS   10
#define GROUPS    20
#define A_WRITE   5000
#define PAGES_MAX 1000
#define TARGET_MS 20
#define DAY_MS    (24 * 3600 * INT64_C(1000))

static struct {
    struct skr_test_store test;
    struct skr_realization_table *realizations;
    struct skr_api *api;
    struct skr_tls_identity *authority;
    struct bench_client *client;
    char url[64], admin[200], tenant[200], operator[200];
    struct skr_uuid *ids[SKR_RESOURCE_COUNT];
    unsigned counts[SKR_RESOURCE_COUNT];
    unsigned count, pages;
    json_t *results;
} bench;

/* ---- rows ---- */

/* The number among its target's rows that row `i` refers to: what tenants own goes along with the tenant, what is the
 * fabric's spreads, so that two of them together stay unique. */
static unsigned target_of(const struct skr_field *field, unsigned i, unsigned *spread)
{
    unsigned count = bench.counts[field->target];
    bool owned = skr_resource_get(field->target)->scope == SKR_SCOPE_TENANT || field->target == SKR_TENANT;
    unsigned number = i;
    for (unsigned k = 0; !owned && k < *spread; k++)
        number /= OTHERS;
    *spread += !owned;
    return number % count;
}

static void set_reference(struct skr_object *object, int number, unsigned i, unsigned *spread)
{
    const struct skr_field *field = &object->resource->fields[number];
    if (field->target == object->resource->id || !bench.counts[field->target]) {
        bench_must(field->flags & SKR_FIELD_NULLABLE, field->name);
        skr_object_set_null(object, number);
        return;
    }
    skr_object_set_uuid(object, number, &bench.ids[field->target][target_of(field, i, spread)]);
}

static void set_value(struct skr_object *object, int number, unsigned i)
{
    const struct skr_field *field = &object->resource->fields[number];
    uint8_t bytes[16] = {[10] = 0xff,      [11] = 0xff, [12] = 10, [13] = (uint8_t)(i >> 16), [14] = (uint8_t)(i >> 8),
                         [15] = (uint8_t)i};
    struct skr_address address;
    struct skr_prefix prefix = {0};
    struct skr_mac mac = {{2, 0, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
    struct skr_uuid uuid = bench.counts[SKR_HOST] ? bench.ids[SKR_HOST][i % bench.counts[SKR_HOST]] : skr_uuid_new();
    char text[80];
    unsigned choices = 0;
    _Static_assert(sizeof(address) == sizeof(bytes), "an address is its bytes");
    memcpy(&address, bytes, sizeof(address));
    memcpy(&prefix, bytes, sizeof(bytes));
    switch (field->kind) {
    case SKR_KIND_TEXT:
        snprintf(text, sizeof(text), "%s-%u", field->name, i);
        skr_object_set_text(object, number, text);
        break;
    case SKR_KIND_ENUM:
        while (field->choices[choices])
            choices++;
        skr_object_set_text(object, number, field->choices[choices - 1 - i % (choices > 1 ? choices - 1 : 1)]);
        break;
    case SKR_KIND_INTEGER:
        skr_object_set_integer(object, number, (int64_t)i + 1);
        break;
    case SKR_KIND_TIME:
        skr_object_set_integer(object, number, skr_clock_wall_ms() + DAY_MS);
        break;
    case SKR_KIND_ADDRESS:
        skr_object_set_address(object, number, &address);
        break;
    case SKR_KIND_PREFIX:
        skr_object_set_prefix(object, number, &prefix);
        break;
    case SKR_KIND_MAC:
        skr_object_set_mac(object, number, &mac);
        break;
    case SKR_KIND_UUID:
        uuid = strstr(field->name, "domain") || strcmp(field->name, "source_id") == 0 ? skr_uuid_new() : uuid;
        skr_object_set_uuid(object, number, &uuid);
        break;
    default:
        break;
    }
}

static struct skr_object *make_row(const struct skr_resource *resource, unsigned i)
{
    struct skr_object *object = skr_object_new(resource);
    unsigned spread = 0;
    for (unsigned f = SKR_FIELD_ID + 1; f < resource->field_count; f++) {
        const struct skr_field *field = &resource->fields[f];
        if (f == SKR_FIELD_TENANT_ID && resource->scope != SKR_SCOPE_TENANT)
            continue;
        if (field->kind == SKR_KIND_REFERENCE)
            set_reference(object, (int)f, i, &spread);
        else if (f != SKR_FIELD_LABELS && f != SKR_FIELD_DESCRIPTION && f != SKR_FIELD_ETAG)
            set_value(object, (int)f, i);
    }
    skr_object_set_json(object, SKR_FIELD_LABELS,
                        json_pack("{s:s, s:s}", "tier", i % 10 ? "iron" : "gold", "site", i % 2 ? "x" : "y"));
    return object;
}

struct stretch {
    const struct skr_resource *resource;
    unsigned begin, end;
};

static int write_stretch(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    const struct stretch *stretch = arg;
    int r = 0;
    for (unsigned i = stretch->begin; r == 0 && i < stretch->end; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = make_row(stretch->resource, i);
        struct skr_uuid id = skr_uuid_new();
        skr_object_set_uuid(object, SKR_FIELD_ID, &id);
        r = stretch->resource->flags & SKR_RESOURCE_APPENDED ? skr_txn_append(txn, object, error)
                                                             : skr_txn_insert(txn, object, error);
        bench.ids[stretch->resource->id][i] = id;
    }
    return r;
}

static void fill(enum skr_resource_id id, unsigned count)
{
    const struct skr_resource *resource = skr_resource_get(id);
    struct skr_error error = {0};
    unsigned begin = bench.counts[id];
    if (resource->flags & SKR_RESOURCE_DERIVED || count <= begin)
        return;
    bench.ids[id] = reallocarray(bench.ids[id], count, sizeof(struct skr_uuid));
    bench_must(bench.ids[id] != NULL, "memory");
    for (unsigned at = begin; at < count; at += A_WRITE) {
        struct stretch stretch = {resource, at, at + A_WRITE < count ? at + A_WRITE : count};
        if (skr_store_write_wait(bench.test.store, write_stretch, &stretch, NULL, &error) == 0)
            continue;
        fprintf(stderr, "bench-lists: %s: %s\n", resource->collection, error.detail);
        exit(1);
    }
    bench.counts[id] = count;
}

/* Fills the kinds that a kind refers to, because its rows need them. */
static void fill_others(enum skr_resource_id id)
{
    const struct skr_resource *resource = skr_resource_get(id);
    if (bench.counts[id])
        return;
    for (unsigned f = 0; f < resource->field_count; f++)
        if (resource->fields[f].kind == SKR_KIND_REFERENCE && resource->fields[f].target != id)
            fill_others(resource->fields[f].target);
    fill(id, id == SKR_TENANT ? TENANTS : id == SKR_HOST_GROUP ? GROUPS : OTHERS);
}

/* ---- the API ---- */

static json_t *call(const char *token, const char *path, const char *body, double *ret_ms)
{
    char url[4096];
    snprintf(url, sizeof(url), "%s%s", bench.url, path);
    json_t *json = json_loads(bench_client_call(bench.client, token, url, body, ret_ms), 0, NULL);
    bench_must(json != NULL, "the answer is no JSON");
    return json;
}

static void make_token(const char *name, const char *role, const char *scope, const struct skr_uuid *id, char ret[200])
{
    char body[300], text[SKR_UUID_TEXT_MAX];
    snprintf(body, sizeof(body), "{\"name\": \"%s\", \"role\": \"%s\", \"%s\": \"%s\"}", name, role, scope,
             skr_uuid_format(id, text));
    json_t *token = call(bench.admin, "/v1/tokens", body, NULL);
    const char *secret = json_string_value(json_object_get(token, "secret"));
    bench_must(secret != NULL, "a token was refused");
    snprintf(ret, 200, "%s.%s", json_string_value(json_object_get(token, "id")), secret);
    json_decref(token);
}

static int first_token(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    return skr_model_first_token(txn, arg, error);
}

static void serve(void)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    static const uint8_t hash[32];
    struct skr_tls_identity *identity SKR_CLEANUP(skr_tls_identity_cleanup) = NULL;
    char *key SKR_CLEANUP(skr_free_cleanup) = NULL, *certificate SKR_CLEANUP(skr_free_cleanup) = NULL;
    char *token SKR_CLEANUP(skr_free_cleanup) = NULL;
    int64_t now_ms = skr_clock_wall_ms();
    bench_must(skr_tls_authority_new("bench", now_ms, &bench.authority, NULL) == 0 &&
                       skr_tls_sign_server(bench.authority, names, 2, now_ms, DAY_MS, &identity, NULL) == 0 &&
                       skr_tls_identity_key_pem(identity, &key) == 0 &&
                       skr_tls_identity_certificate_pem(identity, &certificate) == 0,
               "certificates");
    struct skr_store *store = bench.test.store;
    bench_must(skr_store_write_wait(store, skr_model_bootstrap, NULL, NULL, NULL) == 0 &&
                       skr_store_write_wait(store, first_token, &token, NULL, NULL) == 0 &&
                       skr_realization_table_new(&bench.realizations) == 0,
               "the model");
    snprintf(bench.admin, sizeof(bench.admin), "%s", token);
    struct skr_api_options options = {.listen = "127.0.0.1:0",
                                      .key_pem = key,
                                      .certificate_pem = certificate,
                                      .store = store,
                                      .realizations = bench.realizations,
                                      .south_address = "controller.test:6653",
                                      .authority_key_hash = hash};
    bench_must(skr_api_new(&options, &bench.api, NULL) == 0, "the API");
    snprintf(bench.url, sizeof(bench.url), "https://127.0.0.1:%u", skr_api_port(bench.api));
    bench.client = bench_client_new(NULL);
    fill(SKR_TENANT, TENANTS);
    fill(SKR_HOST_GROUP, GROUPS);
    make_token("tenant", "tenant-admin", "tenant_id", &bench.ids[SKR_TENANT][0], bench.tenant);
    make_token("operator", "fabric-operator", "host_group_id", &bench.ids[SKR_HOST_GROUP][0], bench.operator);
}

static void open_all(void)
{
    skr_test_store_open(&bench.test, NULL);
    serve();
}

static void close_all(void)
{
    bench_client_free(bench.client);
    skr_api_stop(bench.api);
    skr_test_store_remove(&bench.test);
    skr_api_free(bench.api);
    skr_realization_table_free(bench.realizations);
    skr_tls_identity_cleanup(&bench.authority);
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++)
        free(SKR_TAKE(bench.ids[i]));
    memset(bench.counts, 0, sizeof(bench.counts));
}

/* ---- measuring ---- */

/* Page after page, from the beginning again when there is no more. */
static double measure(const char *who, const char *token, const char *query)
{
    static double ms[PAGES_MAX];
    char path[2048], after[1024] = "";
    size_t found = 0;
    for (unsigned i = 0; i < bench.pages; i++) {
        snprintf(path, sizeof(path), "/v1/%s%s%s", query, *after ? "&page_token=" : "", after);
        json_t *page = call(token, path, NULL, &ms[i]);
        const char *next = json_string_value(json_object_get(page, "next_page_token"));
        if (!json_object_get(page, "items")) {
            json_decref(page);
            return -1; /* not for this role */
        }
        found += json_array_size(json_object_get(page, "items"));
        snprintf(after, sizeof(after), "%s", next ? next : "");
        json_decref(page);
    }
    double p50 = bench_quantile(ms, bench.pages, 0.5), p99 = bench_quantile(ms, bench.pages, 0.99);
    json_array_append_new(bench.results, json_pack("{s:s,s:s,s:f,s:f,s:I}", "who", who, "list", query, "p50_ms", p50,
                                                   "p99_ms", p99, "objects", (json_int_t)found));
    if (p99 > TARGET_MS)
        printf("  %-10s %-90s p99 %.1f ms\n", who, query, p99);
    return p99;
}

static double worst_of(const char *query)
{
    double worst = measure("admin", bench.admin, query);
    double tenant = measure("tenant", bench.tenant, query), operator= measure("operator", bench.operator, query);
    worst = tenant > worst ? tenant : worst;
    return operator> worst ? operator: worst;
}

/* "&name=value" of an object in the middle of the list, as it is shown; empty when it shows none. */
static void write_filter(const struct skr_field *field, const json_t *object, char *out, size_t size)
{
    const json_t *value = json_object_get(object, field->name);
    if (!value)
        value = json_object_get(json_object_get(object, "status"), field->name);
    out[0] = '\0';
    if (json_is_string(value))
        snprintf(out, size, "&%s=%s", field->name, json_string_value(value));
    else if (json_is_integer(value))
        snprintf(out, size, "&%s=%lld", field->name, (long long)json_integer_value(value));
}

static double measure_kind(const struct skr_resource *resource)
{
    char query[1200], one[512], two[512];
    snprintf(query, sizeof(query), "%s?limit=100", resource->collection);
    double worst = worst_of(query), this;
    char path[1300];
    snprintf(path, sizeof(path), "/v1/%s", query);
    json_t *page = call(bench.admin, path, NULL, NULL);
    const json_t *object = json_array_get(json_object_get(page, "items"), 50);
    for (unsigned a = 0; a < resource->field_count; a++)
        for (unsigned b = a; b < resource->field_count; b++) {
            if (!(resource->fields[a].flags & resource->fields[b].flags & SKR_FIELD_FILTER))
                continue;
            write_filter(&resource->fields[a], object, one, sizeof(one));
            write_filter(&resource->fields[b], object, two, sizeof(two));
            if (!*one || !*two)
                continue;
            snprintf(query, sizeof(query), "%s?limit=100%s%s", resource->collection, one, a == b ? "" : two);
            this = worst_of(query);
            worst = this > worst ? this : worst;
        }
    json_decref(page);
    static const char *const extras[] = {"labels=tier=gold", "labels=site,tier=gold", "realization=pending",
                                         "realization=failed", "fields=id,name"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(extras); i++) {
        snprintf(query, sizeof(query), "%s?limit=100&%s", resource->collection, extras[i]);
        this = worst_of(query);
        worst = this > worst ? this : worst;
    }
    return worst;
}

static bool bench_kind(enum skr_resource_id id)
{
    const struct skr_resource *resource = skr_resource_get(id);
    open_all();
    unsigned count = bench.count;
    if (resource->maximum > 0 && resource->maximum < count)
        count = (unsigned)resource->maximum;
    /* A view has no rows of its own, so the kind that it derives from is filled. */
    static const enum skr_resource_id sources[SKR_RESOURCE_COUNT] = {
            [SKR_EFFECTIVE_ROUTE] = SKR_CUSTOMER_ROUTE, [SKR_USAGE] = SKR_TENANT};
    enum skr_resource_id filled = resource->flags & SKR_RESOURCE_DERIVED ? sources[id] : id;
    fill_others(filled);
    fill(filled, count);
    double worst = measure_kind(resource);
    printf("%-26s %7u rows  worst p99 %6.2f ms\n", resource->collection, bench.counts[filled], worst);
    fflush(stdout);
    close_all();
    return worst <= TARGET_MS;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"count", required_argument, NULL, 'c'},
                                            {"pages", required_argument, NULL, 'p'},
                                            {"kind", required_argument, NULL, 'k'},
                                            {"json", required_argument, NULL, 'j'},
                                            {0}};
    const char *file = NULL;
    const struct skr_resource *only = NULL;
    bool good = true;
    bench.count = 100000;
    bench.pages = 100; /* fewer would make the slowest one the p99 */
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        bench_must(option != '?', "[--count N] [--pages N] [--kind COLLECTION] [--json FILE]");
        if (option == 'c')
            bench.count = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'p')
            bench.pages = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'k')
            bench_must((only = skr_resource_find(optarg)) != NULL, "--kind is a collection");
        else
            file = optarg;
    }
    bench_must(bench.count > OTHERS && bench.pages > 0 && bench.pages <= PAGES_MAX,
               "--count is over 1,000, --pages to 1,000");
    bench.results = json_array();
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++)
        if (!only || only->id == (enum skr_resource_id)i)
            good &= bench_kind((enum skr_resource_id)i);
    printf("%zu lists, target %d ms: %s\n", json_array_size(bench.results), TARGET_MS, good ? "met" : "missed");
    bench_must(!file || json_dump_file(bench.results, file, JSON_INDENT(1)) == 0, "the result cannot be written");
    json_decref(bench.results);
    return good ? 0 : 1;
}
