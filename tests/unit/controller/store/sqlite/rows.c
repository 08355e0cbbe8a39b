#include "controller/store/store.h"
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <stdio.h>

static struct skr_test_store test;

static void open_store(void)
{
    skr_test_store_open(&test, NULL);
}

static void close_store(void)
{
    skr_test_store_remove(&test);
}

TestSuite(rows, .init = open_store, .fini = close_store);

static int insert_itself(struct skr_txn *txn, void *object, struct skr_error *error)
{
    return skr_txn_insert(txn, object, error);
}

/* Inserts and lets the object be as the store filled it. */
static struct skr_object *added(struct skr_object *object)
{
    struct skr_error error = {0};
    int r = skr_store_write_wait(test.store, insert_itself, object, NULL, &error);
    cr_assert(eq(int, r, 0), "%s: %s", object->resource->name, error.detail);
    return object;
}

static struct skr_uuid id_of(const struct skr_object *object)
{
    return skr_object_uuid(object, SKR_FIELD_ID);
}

static struct skr_object *read_back(const struct skr_object *object)
{
    struct skr_uuid id = id_of(object);
    struct skr_object *ret = NULL;
    struct skr_txn *txn;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(eq(int, skr_txn_get(txn, object->resource->id, &id, NULL, &ret, NULL), 0));
    skr_store_read_end(txn);
    return ret;
}

static void assert_same(const struct skr_object *a, const struct skr_object *b)
{
    for (unsigned i = 0; i < a->resource->field_count; i++) {
        enum skr_kind kind = a->resource->fields[i].kind;
        if (kind != SKR_KIND_COMPUTED && kind != SKR_KIND_SECRET)
            cr_assert(skr_value_equal(&a->values[i], &b->values[i]), "%s.%s differs", a->resource->name,
                      a->resource->fields[i].name);
    }
}

static struct skr_object *site(const char *name, const struct skr_object *group)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = skr_test_object(SKR_LOGICAL_NETWORK, name);
    skr_object_set_text(network, SKR_LOGICAL_NETWORK_ISOLATION, "connected");
    skr_object_set_text(network, SKR_LOGICAL_NETWORK_ENCAPSULATION, "nvgre");
    added(network);
    struct skr_object *object = skr_test_object(SKR_NETWORK_SITE, name);
    struct skr_uuid network_id = id_of(network), group_id = id_of(group);
    struct skr_value *list = &object->values[SKR_NETWORK_SITE_SUBNET_VLANS];
    const struct skr_resource *sub = object->resource->fields[SKR_NETWORK_SITE_SUBNET_VLANS].sub;
    struct skr_prefix prefix;
    skr_prefix_parse("10.20.0.0/16", &prefix);
    skr_object_set_uuid(object, SKR_NETWORK_SITE_LOGICAL_NETWORK_ID, &network_id);
    skr_object_set_uuids(object, SKR_NETWORK_SITE_HOST_GROUP_IDS, &group_id, 1);
    *list = (struct skr_value){.type = SKR_VALUE_OBJECTS, .count = 3, .objects = calloc(3, sizeof *list->objects)};
    for (int i = 0; i < 3; i++) {
        list->objects[i] = skr_object_new(sub);
        skr_object_set_integer(list->objects[i], SKR_SUBNET_VLAN_VLAN_ID, 30 - i);
    }
    skr_object_set_prefix(list->objects[1], SKR_SUBNET_VLAN_SUBNET, &prefix);
    return object;
}

Test(rows, an_object_comes_back_as_it_was_written)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = added(skr_test_object(SKR_HOST_GROUP, "rack"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = added(site("north", group));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *again = read_back(object);
    assert_same(object, again);
    cr_assert(eq(u32, again->values[SKR_NETWORK_SITE_SUBNET_VLANS].count, 3));
    cr_assert(eq(u32, again->values[SKR_NETWORK_SITE_HOST_GROUP_IDS].count, 1));
    cr_assert(gt(i64, skr_object_integer(again, SKR_FIELD_CREATED_AT), 0));
    cr_assert(eq(i64, skr_object_integer(again, SKR_FIELD_ETAG), skr_store_revision(test.store)));
}

Test(rows, every_kind_of_value_survives)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = added(skr_test_object(SKR_HOST_GROUP, "rack"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *place = added(site("north", group));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = skr_test_object(SKR_IP_POOL, "pool");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *macs = skr_test_object(SKR_MAC_POOL, "macs");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *profile = skr_test_object(SKR_VIRTUAL_PORT_PROFILE, "profile");
    struct skr_uuid place_id = id_of(place);
    struct skr_prefix prefix;
    struct skr_address addresses[2];
    struct skr_mac mac;
    skr_prefix_parse("10.20.0.0/16", &prefix);
    skr_address_parse("10.20.0.9", &addresses[0]);
    skr_address_parse("fd00::1", &addresses[1]);
    skr_mac_parse("02:00:00:00:00:07", &mac);
    skr_object_set_uuid(pool, SKR_IP_POOL_NETWORK_SITE_ID, &place_id);
    skr_object_set_prefix(pool, SKR_IP_POOL_SUBNET, &prefix);
    skr_object_set_address(pool, SKR_IP_POOL_RANGE_START, &addresses[0]);
    skr_object_set_address(pool, SKR_IP_POOL_RANGE_END, &addresses[0]);
    skr_object_set_addresses(pool, SKR_IP_POOL_DNS_SERVERS, addresses, 2);
    skr_object_set_json(pool, SKR_FIELD_LABELS, json_pack("{s:s}", "tier", "gold"));
    skr_object_set_mac(macs, SKR_MAC_POOL_RANGE_START, &mac);
    skr_object_set_mac(macs, SKR_MAC_POOL_RANGE_END, &mac);
    struct skr_object *all[] = {pool, macs, profile};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(all); i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *again = read_back(added(all[i]));
        assert_same(all[i], again);
    }
}

static const char *text_of(const struct skr_object *object, int field)
{
    return object->values[field].type == SKR_VALUE_TEXT ? skr_object_text(object, field) : "no text";
}

/* A field that a request leaves out has the default that the documentation promises. */
Test(rows, what_is_not_given_has_its_default)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = added(skr_test_object(SKR_HOST, "h"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = added(skr_test_object(SKR_LOGICAL_NETWORK, "n"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = added(skr_test_object(SKR_TENANT, "t"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *list = skr_test_object(SKR_ACCESS_CONTROL_LIST, "l");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *profile = added(skr_test_object(SKR_UPLINK_PORT_PROFILE, "u"));
    struct skr_uuid tenant_id = id_of(tenant);
    struct skr_value *rules = &list->values[SKR_ACCESS_CONTROL_LIST_RULES];
    *rules = (struct skr_value){.type = SKR_VALUE_OBJECTS, .count = 1, .objects = calloc(1, sizeof *rules->objects)};
    rules->objects[0] = skr_object_new(list->resource->fields[SKR_ACCESS_CONTROL_LIST_RULES].sub);
    skr_object_set_uuid(rules->objects[0], SKR_ACL_RULE_ID, &tenant_id);
    skr_object_set_text(rules->objects[0], SKR_ACL_RULE_NAME, "r");
    skr_object_set_text(rules->objects[0], SKR_ACL_RULE_DIRECTION, "in");
    skr_object_set_text(rules->objects[0], SKR_ACL_RULE_ACTION, "deny");
    skr_object_set_uuid(list, SKR_FIELD_TENANT_ID, &tenant_id);
    added(list);
    cr_assert_str_eq(text_of(host, SKR_HOST_STATE), "active");
    cr_assert_str_eq(text_of(host, SKR_HOST_REMEDIATION), "auto");
    cr_assert_str_eq(text_of(host, SKR_HOST_ENROLMENT), "pending");
    cr_assert_str_eq(text_of(host, SKR_FIELD_DESCRIPTION), "");
    cr_assert(eq(u32, host->values[SKR_HOST_UPLINKS].count, 0));
    cr_assert(not(skr_object_has(host, SKR_HOST_HOST_GROUP_ID)));
    cr_assert_str_eq(text_of(network, SKR_LOGICAL_NETWORK_ISOLATION), "connected");
    cr_assert_str_eq(text_of(network, SKR_LOGICAL_NETWORK_ENCAPSULATION), "nvgre");
    cr_assert(eq(i64, skr_object_integer(network, SKR_LOGICAL_NETWORK_MTU), 1500));
    cr_assert(eq(i64, skr_object_integer(profile, SKR_UPLINK_PORT_PROFILE_NETWORK_VIRTUALIZATION), 1));
    const struct skr_object *rule = list->values[SKR_ACCESS_CONTROL_LIST_RULES].objects[0];
    cr_assert_str_eq(text_of(rule, SKR_ACL_RULE_PROTOCOL), "any");
    cr_assert(eq(i64, skr_object_integer(rule, SKR_ACL_RULE_IDLE_TIMEOUT_S), 300));
    cr_assert(eq(i64, skr_object_integer(rule, SKR_ACL_RULE_WEIGHT), 0));
}

struct change {
    struct skr_object *before, *after;
};

static int update(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct change *change = arg;
    return skr_txn_update(txn, change->before, change->after, error);
}

Test(rows, an_update_moves_the_etag_and_an_equal_one_nothing)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = added(skr_test_object(SKR_HOST_GROUP, "rack"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = added(site("north", group));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(before);
    struct change change = {before, after};
    int64_t revision = -1, etag = skr_object_integer(before, SKR_FIELD_ETAG);
    cr_assert(eq(int, skr_store_write_wait(test.store, update, &change, &revision, NULL), 0));
    cr_assert(eq(i64, revision, 0), "nothing changed");
    skr_object_set_text(after, SKR_FIELD_DESCRIPTION, "colder");
    skr_object_set_uuids(after, SKR_NETWORK_SITE_HOST_GROUP_IDS, NULL, 0);
    skr_object_unref(after->values[SKR_NETWORK_SITE_SUBNET_VLANS].objects[2]);
    after->values[SKR_NETWORK_SITE_SUBNET_VLANS].count = 2;
    cr_assert(eq(int, skr_store_write_wait(test.store, update, &change, &revision, NULL), 0));
    cr_assert(eq(i64, revision, etag + 1));
    cr_assert(eq(i64, skr_object_integer(after, SKR_FIELD_ETAG), revision));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *again = read_back(before);
    assert_same(after, again);
}

static int refused(skr_write_fn *fn, void *arg, enum skr_error_tag tag)
{
    struct skr_error error = {0};
    int64_t revision = -7;
    int r = skr_store_write_wait(test.store, fn, arg, &revision, &error);
    cr_assert(eq(int, error.tag, tag), "%s", error.detail);
    cr_assert(eq(i64, revision, -7), "output touched on failure");
    return r;
}

Test(rows, what_refers_to_nothing_exists_twice_or_is_in_use_is_refused)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = added(skr_test_object(SKR_HOST_GROUP, "rack"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *twin = skr_test_object(SKR_HOST_GROUP, "rack");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *orphan = skr_test_object(SKR_HOST_GROUP, "orphan");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *place = added(site("north", group));
    struct skr_uuid nobody = skr_uuid_new();
    int64_t revision = skr_store_revision(test.store);
    skr_object_set_uuid(orphan, SKR_HOST_GROUP_PARENT_ID, &nobody);
    cr_assert(eq(int, refused(skr_test_insert, twin, SKR_ERROR_EXISTS), -EEXIST));
    cr_assert(eq(int, refused(skr_test_insert, orphan, SKR_ERROR_REFERENCE), -EINVAL));
    cr_assert(eq(int, refused(skr_test_delete, group, SKR_ERROR_IN_USE), -EBUSY));
    cr_assert(eq(i64, skr_store_revision(test.store), revision));
    cr_assert(eq(int, skr_store_write_wait(test.store, skr_test_delete, place, NULL, NULL), 0));
    cr_assert(eq(int, skr_store_write_wait(test.store, skr_test_delete, group, NULL, NULL), 0));
    cr_assert(eq(int, refused(skr_test_delete, group, SKR_ERROR_NOT_FOUND), -ENOENT));
}

Test(rows, a_tenant_does_not_see_another_s)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *red = added(skr_test_object(SKR_TENANT, "red"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *blue = added(skr_test_object(SKR_TENANT, "blue"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *event = skr_test_object(SKR_EVENT, "event");
    struct skr_uuid red_id = id_of(red), blue_id = id_of(blue);
    skr_object_set_uuid(event, SKR_FIELD_TENANT_ID, &red_id);
    struct skr_uuid id = id_of(added(event));
    struct skr_object *seen = NULL;
    struct skr_error error = {0};
    struct skr_txn *txn;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(eq(int, skr_txn_get(txn, SKR_EVENT, &id, &blue_id, &seen, &error), -ENOENT));
    cr_assert(seen == NULL && error.tag == SKR_ERROR_NONE);
    cr_assert(eq(int, skr_txn_get(txn, SKR_EVENT, &id, &red_id, &seen, &error), 0));
    skr_object_unref(seen);
    uint32_t count = 9;
    bool more;
    struct skr_list_query query = {.resource = SKR_EVENT, .tenant = &blue_id, .limit = 1};
    cr_assert(eq(int, skr_txn_list(txn, &query, &seen, &count, &more, NULL), 0));
    cr_assert(eq(u32, count, 0));
    skr_store_read_end(txn);
}

static int add_groups(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    int r = 0;
    for (int i = 0; !r && i < *(int *)arg; i++) {
        char name[32];
        snprintf(name, sizeof name, "group %04d", i);
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = skr_test_object(SKR_HOST_GROUP, name);
        r = skr_txn_insert(txn, group, error);
    }
    return r;
}

Test(rows, pages_follow_each_other_without_gap_or_overlap)
{
    int total = 25;
    struct skr_txn *txn;
    cr_assert(eq(int, skr_store_write_wait(test.store, add_groups, &total, NULL, NULL), 0));
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    struct skr_list_query query = {.resource = SKR_HOST_GROUP, .limit = 10};
    struct skr_object *objects[10];
    uint32_t count, seen = 0;
    bool more = true;
    for (int page = 0; more && page < 5; page++) {
        cr_assert(eq(int, skr_txn_list(txn, &query, objects, &count, &more, NULL), 0));
        for (uint32_t i = 0; i < count; i++, seen++) {
            struct skr_uuid id = id_of(objects[i]);
            cr_assert(lt(int, skr_uuid_compare(&query.after, &id), 0));
            query.after = id;
            skr_object_unref(objects[i]);
        }
    }
    cr_assert(eq(u32, seen, (uint32_t)total));
    cr_assert(eq(i64, skr_txn_count(txn, SKR_HOST_GROUP), total));
    struct skr_error error = {0};
    query.limit = SKR_PAGE_MAX + 1;
    cr_assert(lt(int, skr_txn_list(txn, &query, objects, &count, &more, &error), 0));
    cr_assert(eq(int, error.tag, SKR_ERROR_INVALID));
    query = (struct skr_list_query){.resource = SKR_HOST_GROUP, .limit = 1, .filter_count = 1};
    query.filters[0].field = SKR_HOST_GROUP_CLAIMS; /* not a filter */
    cr_assert(lt(int, skr_txn_list(txn, &query, objects, &count, &more, &error), 0));
    skr_store_read_end(txn);
}

static int count_until(void *arg, struct skr_object *object)
{
    int *left = arg;
    cr_assert(skr_object_has(object, SKR_FIELD_NAME));
    return --*left == 0 ? 42 : 0;
}

Test(rows, each_walks_all_and_stops_when_told)
{
    int total = 600, left = -1, stop = 300;
    struct skr_txn *txn;
    cr_assert(eq(int, skr_store_write_wait(test.store, add_groups, &total, NULL, NULL), 0));
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(eq(int, skr_txn_each(txn, SKR_HOST_GROUP, count_until, &left, NULL), 0));
    cr_assert(eq(int, left, -1 - total));
    cr_assert(eq(int, skr_txn_each(txn, SKR_HOST_GROUP, count_until, &stop, NULL), 42));
    skr_store_read_end(txn);
}

Test(rows, a_snapshot_cannot_be_written)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = skr_test_object(SKR_HOST_GROUP, "rack");
    struct skr_error error = {0};
    struct skr_txn *txn;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(lt(int, skr_txn_insert(txn, group, &error), 0));
    cr_assert(eq(int, error.tag, SKR_ERROR_INTERNAL));
    skr_store_read_end(txn);
}

static const struct skr_query by_name = {.sql = "SELECT id, name, parent_id FROM host_group WHERE name = ?1"};
static const struct skr_query wrong = {.sql = "SELECT nonsense FROM host_group"};

Test(rows, named_queries_bind_and_read)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *group = added(skr_test_object(SKR_HOST_GROUP, "rack"));
    struct skr_uuid id = id_of(group);
    struct skr_statement *statement;
    struct skr_error error = {0};
    struct skr_txn *txn;
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    for (int round = 0; round < 2; round++) { /* the second time it comes from the cache, left in the middle */
        cr_assert(eq(int, skr_txn_query(txn, &by_name, &statement, &error), 0));
        skr_bind_text(statement, 1, "rack");
        cr_assert(eq(int, skr_step(statement, &error), 1));
        struct skr_uuid found = skr_column_uuid(statement, 0);
        cr_assert(eq(int, skr_uuid_compare(&found, &id), 0));
        cr_assert(eq(str, (char *)skr_column_text(statement, 1), "rack"));
        cr_assert(skr_column_is_null(statement, 2));
    }
    skr_statement_reset(statement);
    skr_bind_text(statement, 2, "there is no second parameter");
    cr_assert(lt(int, skr_step(statement, &error), 0));
    cr_assert(eq(int, error.tag, SKR_ERROR_INTERNAL));
    cr_assert(lt(int, skr_txn_query(txn, &wrong, &statement, &error), 0));
    skr_store_read_end(txn);
}
