#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>

static struct skr_object *adapter(void)
{
    struct skr_object *object = skr_object_new(skr_resource_get(SKR_NETWORK_ADAPTER));
    struct skr_uuid id = {{1}};
    struct skr_mac mac = {{2, 0, 0, 0, 0, 1}};
    struct skr_address addresses[2] = {skr_address_from_v4(1), skr_address_from_v4(2)};
    skr_object_set_uuid(object, SKR_FIELD_ID, &id);
    skr_object_set_text(object, SKR_FIELD_NAME, "web");
    skr_object_set_json(object, SKR_FIELD_LABELS, json_pack("{s: s}", "a", "b"));
    skr_object_set_integer(object, SKR_FIELD_ETAG, 7);
    skr_object_set_mac(object, SKR_NETWORK_ADAPTER_MAC, &mac);
    skr_object_set_addresses(object, SKR_NETWORK_ADAPTER_IP_ADDRESSES, addresses, 2);
    skr_object_set_null(object, SKR_NETWORK_ADAPTER_HOST_ID);
    return object;
}

Test(object, a_new_one_is_absent_throughout)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = skr_object_new(skr_resource_get(SKR_NETWORK_ADAPTER));
    for (unsigned i = 0; i < object->resource->field_count; i++)
        cr_assert_eq(object->values[i].type, SKR_VALUE_ABSENT);
    struct skr_uuid id = skr_object_uuid(object, SKR_FIELD_ID);
    cr_assert(skr_uuid_is_nil(&id));
    cr_assert_null(skr_object_text(object, SKR_FIELD_NAME));
    cr_assert_eq(skr_object_integer(object, SKR_FIELD_ETAG), 0);
    struct skr_mac mac = skr_object_mac(object, SKR_NETWORK_ADAPTER_MAC);
    cr_assert(skr_mac_is_zero(&mac));
    cr_assert_not(skr_object_has(object, SKR_NETWORK_ADAPTER_HOST_ID));
}

Test(object, what_is_set_is_got)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = adapter();
    cr_assert_eq(skr_object_uuid(object, SKR_FIELD_ID).bytes[0], 1);
    cr_assert_str_eq(skr_object_text(object, SKR_FIELD_NAME), "web");
    cr_assert_eq(skr_object_integer(object, SKR_FIELD_ETAG), 7);
    cr_assert_eq(skr_object_mac(object, SKR_NETWORK_ADAPTER_MAC).bytes[5], 1);
    cr_assert_eq(object->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES].count, 2);
    cr_assert_not(skr_object_has(object, SKR_NETWORK_ADAPTER_HOST_ID));
    skr_object_set_text(object, SKR_FIELD_NAME, skr_object_text(object, SKR_FIELD_NAME));
    cr_assert_str_eq(skr_object_text(object, SKR_FIELD_NAME), "web");
    skr_object_set_text(object, SKR_FIELD_NAME, NULL);
    cr_assert_eq(object->values[SKR_FIELD_NAME].type, SKR_VALUE_NULL);
    skr_object_set_addresses(object, SKR_NETWORK_ADAPTER_IP_ADDRESSES, NULL, 0);
    cr_assert(skr_object_has(object, SKR_NETWORK_ADAPTER_IP_ADDRESSES), "an empty list is a value");
}

Test(object, addresses_prefixes_and_lists_of_ids)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *pool = skr_object_new(skr_resource_get(SKR_IP_POOL));
    struct skr_prefix prefix;
    cr_assert_eq(skr_prefix_parse("10.1.0.0/16", &prefix), 0);
    skr_object_set_prefix(pool, SKR_IP_POOL_SUBNET, &prefix);
    skr_object_set_address(pool, SKR_IP_POOL_RANGE_START, &prefix.address);
    cr_assert_eq(skr_object_prefix(pool, SKR_IP_POOL_SUBNET).length, 16);
    struct skr_address start = skr_object_address(pool, SKR_IP_POOL_RANGE_START);
    cr_assert_eq(skr_address_compare(&start, &prefix.address), 0);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = skr_object_new(skr_resource_get(SKR_TENANT));
    struct skr_uuid ids[3] = {{{1}}, {{2}}, {{3}}};
    skr_object_set_uuids(tenant, SKR_TENANT_LOGICAL_NETWORK_IDS, ids, 3);
    cr_assert_eq(tenant->values[SKR_TENANT_LOGICAL_NETWORK_IDS].uuids[2].bytes[0], 3);
}

static void all_equal(const struct skr_object *a, const struct skr_object *b)
{
    for (unsigned i = 0; i < a->resource->field_count; i++)
        cr_assert(skr_value_equal(&a->values[i], &b->values[i]), "%s", a->resource->fields[i].name);
}

Test(object, a_copy_is_equal_and_its_own)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = adapter();
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *copy = skr_object_copy(object);
    all_equal(object, copy);
    json_object_set_new(copy->values[SKR_FIELD_LABELS].json, "a", json_string("c"));
    copy->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES].addresses[1].bytes[15] ^= 1;
    skr_object_set_text(copy, SKR_FIELD_NAME, "other");
    static const int changed[] = {SKR_FIELD_LABELS, SKR_NETWORK_ADAPTER_IP_ADDRESSES, SKR_FIELD_NAME};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(changed); i++)
        cr_assert_not(skr_value_equal(&object->values[changed[i]], &copy->values[changed[i]]));
    cr_assert_str_eq(json_string_value(json_object_get(object->values[SKR_FIELD_LABELS].json, "a")), "b");
}

Test(object, structs_are_copied_and_compared_in_depth)
{
    SKR_CLEANUP(skr_object_cleanup)
    struct skr_object *profile = skr_object_new(skr_resource_get(SKR_VIRTUAL_PORT_PROFILE));
    skr_object_fill_defaults(profile);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *copy = skr_object_copy(profile);
    all_equal(profile, copy);
    struct skr_object *security = copy->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY].objects[0];
    cr_assert_eq(skr_object_integer(security, SKR_SECURITY_DHCP_GUARD), 1);
    skr_object_set_integer(security, SKR_SECURITY_DHCP_GUARD, 0);
    cr_assert_not(skr_value_equal(&profile->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY],
                                  &copy->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY]));
}

Test(object, references_keep_it_alive)
{
    struct skr_object *object = adapter();
    struct skr_object *second = skr_object_ref(object);
    skr_object_unref(object);
    cr_assert_str_eq(skr_object_text(second, SKR_FIELD_NAME), "web");
    skr_object_unref(second);
    skr_object_unref(NULL);
}

Test(object, values_of_different_types_differ)
{
    struct skr_value null = {.type = SKR_VALUE_NULL}, absent = {0}, zero = {.type = SKR_VALUE_INTEGER};
    cr_assert_not(skr_value_equal(&null, &absent));
    cr_assert_not(skr_value_equal(&null, &zero));
    cr_assert(skr_value_equal(&null, &null));
}

Test(object, defaults_of_a_create)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = skr_object_new(skr_resource_get(SKR_HOST));
    skr_object_set_text(host, SKR_HOST_REMEDIATION, "manual");
    skr_object_fill_defaults(host);
    cr_assert_str_eq(skr_object_text(host, SKR_HOST_REMEDIATION), "manual");
    cr_assert_str_eq(skr_object_text(host, SKR_HOST_STATE), "active");
    cr_assert_str_eq(skr_object_text(host, SKR_HOST_ENROLMENT), "pending");
    cr_assert_str_eq(skr_object_text(host, SKR_FIELD_DESCRIPTION), "");
    cr_assert_eq(host->values[SKR_HOST_LAST_SEEN_AT].type, SKR_VALUE_NULL);
    cr_assert_eq(host->values[SKR_HOST_UPLINKS].type, SKR_VALUE_OBJECTS);
    cr_assert(json_is_array(host->values[SKR_HOST_INVENTORY].json));
    cr_assert(json_is_object(host->values[SKR_FIELD_LABELS].json));
    cr_assert_eq(host->values[SKR_FIELD_NAME].type, SKR_VALUE_ABSENT);
    cr_assert_eq(host->values[SKR_FIELD_ID].type, SKR_VALUE_ABSENT);
}
