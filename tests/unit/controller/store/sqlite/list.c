/* Pages of lists, whatever index drives them, hold what a walk over all rows finds. */
#include "controller/store/store.h"
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <stdio.h>
#include <string.h>

#define ROWS 90

static struct skr_test_store test;
static struct skr_uuid tenants[2], groups[3];
static struct skr_object *rows[ROWS];

static int insert(struct skr_txn *txn, void *object, struct skr_error *error)
{
    return skr_txn_insert(txn, object, error);
}

static struct skr_uuid add(struct skr_object *object)
{
    struct skr_error error = {0};
    cr_assert(eq(int, skr_store_write_wait(test.store, insert, object, NULL, &error), 0), "%s", error.detail);
    return skr_object_uuid(object, SKR_FIELD_ID);
}

static struct skr_uuid add_named(enum skr_resource_id resource, const char *name)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = skr_test_object(resource, name);
    return add(object);
}

static int compare(const void *a, const void *b)
{
    return skr_uuid_compare(a, b);
}

static int compare_rows(const void *a, const void *b)
{
    struct skr_uuid x = skr_object_uuid(*(struct skr_object *const *)a, SKR_FIELD_ID);
    struct skr_uuid y = skr_object_uuid(*(struct skr_object *const *)b, SKR_FIELD_ID);
    return skr_uuid_compare(&x, &y);
}

/* Tokens of two tenants and of none, in three host groups and in none. */
static void fill(void)
{
    char name[80];
    skr_test_store_open(&test, NULL);
    for (unsigned i = 0; i < SKR_ARRAY_SIZE(tenants); i++) {
        snprintf(name, sizeof name, "tenant-%u", i);
        tenants[i] = add_named(SKR_TENANT, name);
    }
    for (unsigned i = 0; i < SKR_ARRAY_SIZE(groups); i++) {
        snprintf(name, sizeof name, "group-%u", i);
        groups[i] = add_named(SKR_HOST_GROUP, name);
    }
    qsort(groups, SKR_ARRAY_SIZE(groups), sizeof groups[0], compare);
    for (unsigned i = 0; i < ROWS; i++) {
        snprintf(name, sizeof name, "token-%u", i / 3); /* everybody has one of each name */
        rows[i] = skr_test_object(SKR_TOKEN, name);
        snprintf(name, sizeof name, "%064x", i);
        skr_object_set_text(rows[i], SKR_TOKEN_SECRET_HASH, name);
        skr_object_set_text(rows[i], SKR_TOKEN_ROLE, "tenant-viewer");
        skr_object_set_integer(rows[i], SKR_TOKEN_EXPIRES_AT, 1);
        if (i % 3 < 2)
            skr_object_set_uuid(rows[i], SKR_FIELD_TENANT_ID, &tenants[i % 3]);
        if (i % 4)
            skr_object_set_uuid(rows[i], SKR_TOKEN_HOST_GROUP_ID, &groups[i % 4 - 1]);
        if (i % 5 == 0)
            skr_object_set_json(rows[i], SKR_FIELD_LABELS, json_pack("{s:s}", "tier", i % 2 ? "gold" : "iron"));
        add(rows[i]);
    }
    qsort(rows, ROWS, sizeof rows[0], compare_rows);
}

static void clear(void)
{
    for (unsigned i = 0; i < ROWS; i++)
        skr_object_unref(rows[i]);
    skr_test_store_remove(&test);
}

TestSuite(list, .init = fill, .fini = clear);

/* Tells without any index whether the list must hold the row. */
static bool wanted(const struct skr_list_query *query, const struct skr_object *row)
{
    struct skr_uuid tenant = skr_object_uuid(row, SKR_FIELD_TENANT_ID);
    bool has_tenant = skr_object_has(row, SKR_FIELD_TENANT_ID);
    if (query->tenant && (!has_tenant || skr_uuid_compare(&tenant, query->tenant) != 0))
        return false;
    if (query->no_tenant && has_tenant)
        return false;
    bool within = !query->within;
    for (unsigned i = 0; i < query->within_count; i++) {
        struct skr_uuid place = skr_object_uuid(row, query->within_field);
        within |= skr_uuid_compare(&place, &query->within[i]) == 0;
    }
    for (unsigned i = 0; i < query->filter_count; i++)
        within &= skr_value_equal(&query->filters[i].value, &row->values[query->filters[i].field]);
    const json_t *labels = row->values[SKR_FIELD_LABELS].json;
    for (unsigned i = 0; i < query->label_count; i++) {
        const char *value = json_string_value(json_object_get(labels, query->labels[i].name));
        within &= value && (!query->labels[i].value || strcmp(value, query->labels[i].value) == 0);
    }
    return within;
}

static unsigned check(struct skr_txn *txn, const struct skr_list_query *asked)
{
    struct skr_list_query query = *asked;
    struct skr_object *objects[SKR_PAGE_MAX];
    struct skr_error error = {0};
    struct skr_uuid last;
    unsigned at = 0, found = 0;
    bool more = true;
    query.ret_last = &last;
    while (more) {
        uint32_t count = 0;
        int r = skr_txn_list(txn, &query, objects, &count, &more, &error);
        cr_assert(eq(int, r, 0), "%s", error.detail);
        cr_assert(le(u32, count, query.limit));
        for (uint32_t i = 0; i < count; i++, at++, found++) {
            while (at < ROWS && !wanted(asked, rows[at]))
                at++;
            cr_assert(lt(u32, at, ROWS), "a row too many");
            cr_assert(eq(int, compare_rows(&objects[i], &rows[at]), 0), "row %u is another", at);
            skr_object_unref(objects[i]);
        }
        query.after = last;
    }
    while (at < ROWS)
        cr_assert(not(wanted(asked, rows[at++])), "a row too few");
    return found;
}

static unsigned check_filters(struct skr_txn *txn, struct skr_list_query *query)
{
    char name[] = "token-7", nobody[] = "token-99";
    const struct skr_list_filter filters[] = {
            {SKR_FIELD_NAME, {.type = SKR_VALUE_TEXT, .text = name}},
            {SKR_FIELD_NAME, {.type = SKR_VALUE_TEXT, .text = nobody}},
            {SKR_FIELD_TENANT_ID, {.type = SKR_VALUE_UUID, .uuid = tenants[0]}},
            {SKR_FIELD_TENANT_ID, {.type = SKR_VALUE_NULL}},
            {SKR_TOKEN_HOST_GROUP_ID, {.type = SKR_VALUE_UUID, .uuid = groups[1]}},
            {SKR_TOKEN_HOST_GROUP_ID, {.type = SKR_VALUE_NULL}},
    };
    unsigned found = check(txn, query);
    for (unsigned a = 0; a < SKR_ARRAY_SIZE(filters); a++)
        for (unsigned b = a; b < SKR_ARRAY_SIZE(filters); b++) {
            query->filters[0] = filters[a];
            query->filters[1] = filters[b];
            query->filter_count = a == b ? 1 : 2;
            found += check(txn, query);
        }
    query->filter_count = 0;
    return found;
}

Test(list, every_way_finds_the_same, .timeout = 60)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    const struct skr_uuid places[] = {groups[0], groups[2]};
    unsigned found = 0;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    for (unsigned way = 0; way < 5 * 3 * 3; way++) {
        static const uint32_t limits[] = {1, 7, 100};
        struct skr_list_query query = {.resource = SKR_TOKEN, .limit = limits[way % 3]};
        unsigned scope = way / 3 % 5, labels = way / 15;
        query.tenant = scope == 1 ? &tenants[1] : NULL;
        query.no_tenant = scope == 2;
        if (scope > 2) {
            query.within = scope == 3 ? places : groups;
            query.within_count = scope == 3 ? 2 : 3;
            query.within_field = SKR_TOKEN_HOST_GROUP_ID;
        }
        query.labels[0] = (struct skr_list_label){"tier", labels == 2 ? "gold" : NULL};
        query.label_count = labels > 0;
        found += check_filters(txn, &query);
    }
    cr_assert(gt(u32, found, 2000));
}

/* A list that looks at many rows in vain ends its page, and goes on from there. */
Test(list, what_is_judged_needs_room_for_where_it_goes_on)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_object *objects[1];
    struct skr_error error = {0};
    uint32_t count = 77;
    bool more = true;
    struct skr_list_query query = {.resource = SKR_TOKEN, .limit = 1, .label_count = 1, .labels = {{"tier", NULL}}};
    query.filters[0] = (struct skr_list_filter){SKR_TOKEN_HOST_GROUP_ID, {.type = SKR_VALUE_NULL}};
    query.filter_count = 1;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(lt(int, skr_txn_list(txn, &query, objects, &count, &more, &error), 0));
    cr_assert(eq(u32, count, 77));
    cr_assert(more);
}

/* ---- references to what a tenant has ---- */

static struct skr_uuid add_subnet(unsigned owner, const struct skr_uuid *logical_network)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = skr_test_object(SKR_VM_NETWORK, "net");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *subnet = skr_test_object(SKR_VM_SUBNET, "subnet");
    struct skr_uuid id = skr_uuid_new();
    struct skr_prefix prefix = {0};
    skr_object_set_uuid(network, SKR_FIELD_TENANT_ID, &tenants[owner]);
    skr_object_set_uuid(network, SKR_VM_NETWORK_LOGICAL_NETWORK_ID, logical_network);
    skr_object_set_text(network, SKR_VM_NETWORK_ISOLATION, "network_virtualization");
    skr_object_set_uuid(network, SKR_VM_NETWORK_ROUTING_DOMAIN_ID, &id);
    skr_object_set_integer(network, SKR_VM_NETWORK_ROUTING_DOMAIN_NUMBER, 1 + owner);
    struct skr_uuid network_id = add(network);
    skr_object_set_uuid(subnet, SKR_FIELD_TENANT_ID, &tenants[owner]);
    skr_object_set_uuid(subnet, SKR_VM_SUBNET_VM_NETWORK_ID, &network_id);
    skr_object_set_prefix(subnet, SKR_VM_SUBNET_PREFIX, &prefix);
    add(subnet);
    return network_id;
}

static uint32_t subnets_of(struct skr_txn *txn, const struct skr_uuid *tenant, bool none,
                           const struct skr_uuid *network)
{
    struct skr_object *objects[8];
    uint32_t count = 0;
    bool more = true;
    struct skr_list_query query = {.resource = SKR_VM_SUBNET, .limit = 8, .tenant = tenant, .no_tenant = none};
    query.filters[0] =
            (struct skr_list_filter){SKR_VM_SUBNET_VM_NETWORK_ID, {.type = SKR_VALUE_UUID, .uuid = *network}};
    query.filter_count = 1;
    cr_assert(eq(int, skr_txn_list(txn, &query, objects, &count, &more, NULL), 0));
    cr_assert(not(more));
    for (uint32_t i = 0; i < count; i++)
        skr_object_unref(objects[i]);
    return count;
}

Test(list, a_tenant_finds_by_what_is_his)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_uuid logical_network = add_named(SKR_LOGICAL_NETWORK, "hnv"), nothing = skr_uuid_new();
    struct skr_uuid his = add_subnet(0, &logical_network), other = add_subnet(1, &logical_network);
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(eq(u32, subnets_of(txn, &tenants[0], false, &his), 1));
    cr_assert(eq(u32, subnets_of(txn, &tenants[0], false, &other), 0));
    cr_assert(eq(u32, subnets_of(txn, &tenants[0], false, &nothing), 0));
    cr_assert(eq(u32, subnets_of(txn, NULL, true, &his), 0));
    cr_assert(eq(u32, subnets_of(txn, NULL, false, &other), 1));
}
