/* Lookup records, replacing, and what the answers show. */
#include "tests/support/controller/world.h"

/* "type address host provider" of every record of the adapter, in one text. */
static void describe(struct world *world, const char *adapter, char ret[static 512])
{
    struct skr_object *rows[16];
    size_t count = world_list(world, SKR_LOOKUP_RECORD, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID, adapter, rows, 16);
    size_t length = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const json_t *provider = rows[i]->values[SKR_LOOKUP_RECORD_PROVIDER_ADDRESS].json;
        length += (size_t)snprintf(
                ret + length, 512 - length, "%s %s %s;", skr_object_text(rows[i], SKR_LOOKUP_RECORD_TYPE),
                skr_object_text(rows[i], SKR_FIELD_NAME), json_is_string(provider) ? json_string_value(provider) : "-");
        skr_object_unref(rows[i]);
    }
}

static void expect_records(struct world *world, const char *adapter, const char *wanted)
{
    char text[512];
    describe(world, adapter, text);
    cr_expect_str_eq(text, wanted, "%s: \"%s\", not \"%s\"", adapter, text, wanted);
}

Test(model_lookup_record, follows_the_adapter)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    expect_records(&w, "red-1", "static 10.0.0.2 10.83.1.10;");
    expect_records(&w, "blue-1", "static 10.0.0.2 -;");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'host_id': '$h2', 'interface': null}");
    expect_records(&w, "red-1", "static 10.0.0.2 10.83.2.10;");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'ip_addresses': []}");
    expect_records(&w, "red-1", "l2only 02:aa:00:00:00:01 10.83.2.10;");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'ip_addresses': ['10.0.0.9', '10.0.0.50']}");
    expect_records(&w, "red-1", "static 10.0.0.9 10.83.2.10;static 10.0.0.50 10.83.2.10;");
    world_patch(&w, SKR_NETWORK_ADAPTER, "red-1", "{'host_id': null}");
    expect_records(&w, "red-1", "static 10.0.0.9 -;static 10.0.0.50 -;");
    world_delete(&w, SKR_NETWORK_ADAPTER, "red-1");
    struct skr_object *rows[8];
    cr_expect_eq(world_list(&w, SKR_LOOKUP_RECORD, SKR_LOOKUP_RECORD_VM_NETWORK_ID, "red-net", rows, 8), 0);
    world_synced(&w, "h1", skr_store_revision(w.test.store)); /* they served 10.0.0.2 */
    world_synced(&w, "h2", skr_store_revision(w.test.store));
    cr_expect_eq(world_list(&w, SKR_IP_ALLOCATION, SKR_IP_ALLOCATION_IP_POOL_ID, "red-pool", rows, 8), 0);
    world_close(&w);
}

Test(model_write, replace_keeps_what_is_assigned)
{
    struct world w;
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_open(&w);
    world_fill(&w);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = world_get(&w, SKR_NETWORK_ADAPTER, "red-1");
    world_request(&w, SKR_OPERATION_REPLACE, SKR_NETWORK_ADAPTER, "red-1",
                  "{'name': 'red-one', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h1'}",
                  &answer);
    cr_assert_eq(answer.result, 0, "%s", answer.error.detail);
    cr_expect_str_eq(skr_object_name(answer.object), "red-one");
    static const int kept[] = {SKR_FIELD_ID, SKR_FIELD_TENANT_ID, SKR_NETWORK_ADAPTER_MAC,
                               SKR_NETWORK_ADAPTER_IP_ADDRESSES, SKR_NETWORK_ADAPTER_HOST_ID};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(kept); i++)
        cr_expect(skr_value_equal(&before->values[kept[i]], &answer.object->values[kept[i]]), "field %d", kept[i]);
    cr_expect(!skr_object_has(answer.object, SKR_NETWORK_ADAPTER_INTERFACE));
    answer_cleanup(&answer);
    world_request(&w, SKR_OPERATION_REPLACE, SKR_VM_SUBNET, "red-a",
                  "{'name': 'renamed', 'vm_network_id': '$red-net', 'prefix': '10.0.0.0/24'}", &answer);
    cr_assert_eq(answer.result, 0, "%s", answer.error.detail);
    cr_expect_eq(skr_object_integer(answer.object, SKR_VM_SUBNET_VSID), 4096);
    cr_expect_eq(json_integer_value(answer.object->values[SKR_VM_SUBNET_MTU].json), 1458);
    world_close(&w);
}

Test(model_write, names_are_scoped_and_sites_have_a_default_one)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    world_create(&w, SKR_NETWORK_ADAPTER, "other",
                 "{'name': 'red-1', 'vm_network_id': '$blue-net', 'vm_subnet_id': '$blue-a'}");
    world_create(&w, SKR_LOGICAL_NETWORK, "second", "{'name': 'second'}");
    world_create(
            &w, SKR_NETWORK_SITE, "same-name",
            "{'name': 'site-north', 'logical_network_id': '$second', 'subnet_vlans': [{'subnet': '10.83.1.0/24'}]}");
    world_create(&w, SKR_NETWORK_SITE, "unnamed",
                 "{'logical_network_id': '$second', 'subnet_vlans': [{'subnet': '10.83.2.0/24'}]}");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *site = world_get(&w, SKR_NETWORK_SITE, "unnamed");
    cr_expect_str_eq(skr_object_name(site), "second_0");
    world_close(&w);
}

Test(model_names, pools_are_named_in_their_site_or_subnet)
{
    struct world w;
    world_open(&w);
    world_fill(&w);
    SKR_CLEANUP(answer_cleanup) struct answer again = {0};
    world_create(&w, SKR_IP_POOL, "same-name",
                 "{'name': 'pa-north', 'vm_subnet_id': '$blue-a', 'subnet': '10.0.0.0/24',"
                 " 'range_start': '10.0.0.200', 'range_end': '10.0.0.201'}");
    cr_expect_eq(world_request(&w, SKR_OPERATION_CREATE, SKR_IP_POOL, NULL,
                               "{'name': 'pa-north', 'vm_subnet_id': '$blue-a', 'subnet': '10.0.0.0/24',"
                               " 'range_start': '10.0.0.210', 'range_end': '10.0.0.211'}",
                               &again),
                 -EEXIST);
    cr_expect_str_eq(again.error.detail,
                     "There is a ip-pool named \"pa-north\" already in this vm-subnet; choose another name.");
    world_close(&w);
}

Test(model_action, remediate_starts_a_job_about_the_host)
{
    struct world w;
    struct skr_action_request request;
    struct skr_error error = {0};
    world_open(&w);
    world_fill(&w);
    cr_assert_eq(world_action(&w, SKR_HOST, "h1", "remediate", NULL, &request, &error), 0, "%s", error.detail);
    cr_assert_eq(request.changed->resource->id, SKR_JOB);
    cr_expect_str_eq(skr_object_text(request.changed, SKR_JOB_KIND), "remediate");
    struct skr_uuid about = skr_object_uuid(request.changed, SKR_JOB_OBJECT_ID), host = world_id(&w, "h1");
    cr_expect(skr_uuid_equal(&about, &host));
    skr_action_request_done(&request);
    cr_expect_lt(world_action(&w, SKR_HOST, "h1", "drain", "{}", &request, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_CONFLICT, "a host has one job at a time");
    skr_action_request_done(&request);
    cr_expect_lt(world_action(&w, SKR_HOST, "h1", "explode", NULL, &request, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_NOT_FOUND);
    skr_action_request_done(&request);
    world_close(&w);
}
