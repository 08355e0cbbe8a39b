/* Jobs about hosts: draining, replacing, remediating. */
#include "tests/unit/controller/jobs/scene.h"

static struct scene s;

static void open_scene(void)
{
    scene_open(&s);
}

static void close_scene(void)
{
    scene_close(&s);
}

TestSuite(hosts, .init = open_scene, .fini = close_scene);

static bool adapter_on(const char *adapter, const char *host)
{
    return scene_refers(&s, SKR_NETWORK_ADAPTER, adapter, SKR_NETWORK_ADAPTER_HOST_ID, host);
}

static const char *host_state(const char *name)
{
    static char text[16];
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = world_get(&s.world, SKR_HOST, name);
    snprintf(text, sizeof(text), "%s", skr_object_text(host, SKR_HOST_STATE));
    return text;
}

/* ---- drain ---- */

static void add_idle_adapter(void)
{
    world_create(&s.world, SKR_NETWORK_ADAPTER, "idle",
                 "{'name': 'idle', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h1'}");
}

static void name_child(void)
{
    struct skr_object *rows[4];
    size_t count = world_list(&s.world, SKR_JOB, SKR_JOB_PARENT_ID, "drain", rows, 4);
    cr_assert_eq(count, 1, "%zu moves", count);
    struct skr_uuid id = skr_object_id(rows[0]);
    world_rename(&s.world, "child", &id);
    skr_object_unref(rows[0]);
}

Test(hosts, a_drained_host_is_empty_and_in_maintenance)
{
    add_idle_adapter();
    scene_start(&s, "drain", SKR_HOST, "h1", "drain", "{}");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "drain"), "running", "%s", scene_message(&s, "drain"));
    cr_expect_str_eq(host_state("h1"), "maintenance");
    cr_expect(adapter_on("idle", "h2"), "nothing runs there, so nothing has to be waited for");
    cr_expect(adapter_on("red-1", "h1"));
    cr_expect(scene_refers(&s, SKR_NETWORK_ADAPTER, "red-1", SKR_NETWORK_ADAPTER_TARGET_HOST_ID, "h2"));
    name_child();
    cr_expect_str_eq(scene_state(&s, "child"), "running");
    scene_act(&s, SKR_NETWORK_ADAPTER, "red-1", "activate");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "child"), "succeeded");
    cr_expect_str_eq(scene_state(&s, "drain"), "succeeded", "%s", scene_message(&s, "drain"));
    cr_expect_str_eq(host_state("h1"), "maintenance");
    cr_expect(adapter_on("red-1", "h2"));
}

Test(hosts, a_drain_goes_on_after_a_kill)
{
    s.kill_every = 1;
    add_idle_adapter();
    scene_start(&s, "drain", SKR_HOST, "h1", "drain", "{}");
    scene_drive(&s);
    name_child();
    scene_act(&s, SKR_NETWORK_ADAPTER, "red-1", "activate");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "drain"), "succeeded", "%s", scene_message(&s, "drain"));
    name_child(); /* still one: it was not started twice */
}

Test(hosts, what_cannot_move_ends_the_drain_and_the_host_stays_in_maintenance)
{
    scene_online(&s, "h2", false);
    scene_start(&s, "drain", SKR_HOST, "h1", "drain", "{}");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "drain"), "failed");
    cr_expect(strstr(scene_message(&s, "drain"), "red-1"), "%s", scene_message(&s, "drain"));
    cr_expect_str_eq(host_state("h1"), "maintenance");
    cr_expect(adapter_on("red-1", "h1"));
}

static void expect_no_host_takes_it(void)
{
    scene_start(&s, "drain", SKR_HOST, "h1", "drain", "{}");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "drain"), "failed");
    cr_expect(strstr(scene_message(&s, "drain"), "1 adapters are still on the host"), "%s", scene_message(&s, "drain"));
    cr_expect(strstr(scene_message(&s, "drain"), "No other active host"), "%s", scene_message(&s, "drain"));
    cr_expect(adapter_on("red-1", "h1"));
}

Test(hosts, a_drain_passes_over_hosts_that_take_nothing)
{
    world_patch(&s.world, SKR_HOST, "h2", "{'state': 'maintenance'}");
    expect_no_host_takes_it();
    world_patch(&s.world, SKR_HOST, "h2", "{'state': 'active', 'gateway_only': true}");
    expect_no_host_takes_it();
}

/* A host without the same kind of port cannot take the adapter; that is no failure of the drain. */
Test(hosts, a_drain_passes_over_hosts_without_the_logical_switch)
{
    world_create(&s.world, SKR_UPLINK_PORT_PROFILE, "north-up",
                 "{'name': 'north-up', 'network_site_ids': ['$site-north']}");
    world_create(&s.world, SKR_LOGICAL_SWITCH, "blades",
                 "{'name': 'blades', 'uplink_port_profile_ids': ['$north-up']}");
    world_create(&s.world, SKR_HOST_SWITCH, "hs",
                 "{'host_id': '$h1', 'logical_switch_id': '$blades', 'uplinks': [{'interface': 'eth1', "
                 "'uplink_port_profile_id': '$north-up'}]}");
    scene_drive(&s);
    expect_no_host_takes_it();
}

/* An operator of a host group has no say over hosts outside of it, and neither has the drain that he starts. */
Test(hosts, a_drain_stays_in_the_group_of_its_operator)
{
    struct skr_action_request request = {.resource = SKR_HOST, .verb = "drain", .id = world_id(&s.world, "h1")};
    struct skr_error error = {0};
    request.principal = (struct skr_principal){.role = SKR_ROLE_FABRIC, .host_group_id = world_id(&s.world, "north")};
    cr_assert_eq(skr_store_write_wait(s.world.test.store, skr_model_action, &request, NULL, &error), 0, "%s",
                 error.detail);
    world_rename(&s.world, "drain", &request.job_id);
    skr_action_request_done(&request);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "drain"), "failed");
    cr_expect(strstr(scene_message(&s, "drain"), "No other active host"), "%s", scene_message(&s, "drain"));
    cr_expect(adapter_on("red-1", "h1"));
    cr_expect(scene_refers(&s, SKR_NETWORK_ADAPTER, "red-1", SKR_NETWORK_ADAPTER_TARGET_HOST_ID, NULL));
}

static void expect_text(enum skr_resource_id resource, const char *name, int field, const char *part)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&s.world, resource, name);
    json_t *text = json_string(skr_object_text(row, field)); /* NULL: no UTF-8 */
    cr_expect(text && strstr(json_string_value(text), part), "%s", skr_object_text(row, field));
    json_decref(text);
}

/* A job's text about objects is whole UTF-8, so that it can be shown. */
Test(hosts, long_names_are_cut_between_characters)
{
    for (int shift = 0; shift < 2; shift++) {
        char patch[512] = "{'name': '";
        strcat(patch, shift ? "a" : "");
        for (int i = 0; i < 150; i++)
            strcat(patch, "\xd0\x96");
        strcat(patch, "'}");
        world_patch(&s.world, SKR_HOST, "h1", patch);
        world_patch(&s.world, SKR_NETWORK_ADAPTER, "red-1", patch);
        scene_online(&s, "h2", false);
        scene_start(&s, "drain", SKR_HOST, "h1", "drain", "{}");
        scene_drive(&s);
        cr_expect_str_eq(scene_state(&s, "drain"), "failed");
        expect_text(SKR_JOB, "drain", SKR_FIELD_NAME, "drain ");
        expect_text(SKR_JOB, "drain", SKR_JOB_MESSAGE, "stays in maintenance");
        expect_text(SKR_JOB, "drain", SKR_JOB_MESSAGE, "\xd0\x96");
    }
}

Test(hosts, a_move_that_fails_is_not_tried_again)
{
    scene_start(&s, "drain", SKR_HOST, "h1", "drain", "{'timeout_s': 5}");
    scene_drive(&s);
    name_child();
    s.now_ms += 5000;
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "child"), "failed");
    cr_expect_str_eq(scene_state(&s, "drain"), "failed");
    cr_expect(strstr(scene_message(&s, "drain"), "not appeared"), "%s", scene_message(&s, "drain"));
}

Test(hosts, a_cancelled_drain_gives_the_host_back)
{
    scene_start(&s, "drain", SKR_HOST, "h1", "drain", "{'host_ids': ['$h2']}");
    scene_drive(&s);
    scene_act(&s, SKR_JOB, "drain", "cancel");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "drain"), "cancelled");
    cr_expect_str_eq(host_state("h1"), "active");
}

Test(hosts, a_host_in_maintenance_keeps_what_it_has_and_gets_nothing_new)
{
    char before[SKR_ADDRESS_TEXT_MAX], after[SKR_ADDRESS_TEXT_MAX];
    SKR_CLEANUP(answer_cleanup) struct answer refused = {0};
    world_provider_address(&s.world, "h1", before);
    world_patch(&s.world, SKR_HOST, "h1", "{'state': 'maintenance'}");
    world_provider_address(&s.world, "h1", after);
    cr_expect_str_eq(before, after);
    cr_expect(adapter_on("red-1", "h1"));
    cr_expect_lt(
            world_request(&s.world, SKR_OPERATION_PATCH, SKR_NETWORK_ADAPTER, "blue-1", "{'host_id': '$h1'}", &refused),
            0);
    cr_expect_eq(refused.error.tag, SKR_ERROR_CONFLICT);
    world_patch(&s.world, SKR_HOST, "h1", "{'state': 'active'}");
}

/* ---- replace ---- */

Test(hosts, a_replaced_host_hands_everything_over_at_once)
{
    char address[SKR_ADDRESS_TEXT_MAX];
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *old = NULL;
    add_idle_adapter();
    scene_start(&s, "swap", SKR_HOST, "h1", "replace", "{'new_host_id': '$h2'}");
    cr_assert_eq(skr_jobs_run(s.jobs, s.now_ms, 1), 1);
    cr_expect(adapter_on("red-1", "h2") && adapter_on("idle", "h2"), "one transaction");
    old = world_get(&s.world, SKR_HOST, "h1");
    cr_expect_str_eq(skr_object_text(old, SKR_HOST_STATE), "removed");
    cr_expect_str_eq(skr_object_text(old, SKR_HOST_ENROLMENT), "revoked");
    world_provider_address(&s.world, "h1", address);
    cr_expect_str_eq(address, "", "withdrawn");
    cr_expect_eq(scene_refused(&s, SKR_JOB, "swap", "cancel", NULL), SKR_ERROR_CONFLICT);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "swap"), "succeeded", "%s", scene_message(&s, "swap"));
}

/* The write that handed over is what is waited for: of the objects that hosts have to take, the job watches none. */
Test(hosts, a_replacement_ends_when_the_hosts_have_taken_it_over)
{
    s.needs_hosts = true;
    scene_start(&s, "swap", SKR_HOST, "h1", "replace", "{'new_host_id': '$h2'}");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "swap"), "running");
    cr_expect(strstr(scene_message(&s, "swap"), "of 2 hosts"), "%s", scene_message(&s, "swap"));
    scene_apply(&s, NULL);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "swap"), "succeeded", "%s", scene_message(&s, "swap"));
}

Test(hosts, a_host_is_not_replaced_by_one_that_takes_nothing)
{
    world_patch(&s.world, SKR_HOST, "h2", "{'state': 'maintenance'}");
    scene_start(&s, "swap", SKR_HOST, "h1", "replace", "{'new_host_id': '$h2'}");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "swap"), "failed");
    cr_expect_str_eq(host_state("h1"), "active");
    cr_expect(adapter_on("red-1", "h1"), "nothing is half done");
}

/* ---- remediate ---- */

static void find(const char *name, const char *kind)
{
    struct skr_error error = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = skr_row_new(SKR_COMPLIANCE);
    struct skr_uuid host_id = world_id(&s.world, "h1"), id = skr_object_id(row);
    skr_object_set_text(row, SKR_FIELD_NAME, name);
    skr_object_set_uuid(row, SKR_COMPLIANCE_HOST_ID, &host_id);
    skr_object_set_text(row, SKR_COMPLIANCE_OBJECT_KIND, kind);
    skr_object_set_text(row, SKR_COMPLIANCE_OBJECT, name);
    skr_object_set_text(row, SKR_COMPLIANCE_FIELD, "present");
    skr_object_set_text(row, SKR_COMPLIANCE_EXPECTED, "yes");
    skr_object_set_text(row, SKR_COMPLIANCE_FOUND, "no");
    skr_object_set_integer(row, SKR_COMPLIANCE_SINCE, 1);
    world_rename(&s.world, name, &id);
    cr_assert_eq(skr_store_write_wait(s.world.test.store, skr_test_insert, row, NULL, &error), 0, "%s", error.detail);
}

static int repair(struct skr_txn *txn, void *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
    int r = skr_fetch(txn, SKR_COMPLIANCE, id, &row, error);
    return r < 0 ? r : skr_txn_delete(txn, row, error);
}

Test(hosts, a_remediation_ends_when_nothing_differs)
{
    struct skr_error error = {0};
    find("filter", "filter");
    find("held", "virtual-port-profile");
    scene_start(&s, "fix", SKR_HOST, "h1", "remediate", NULL);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "fix"), "running");
    cr_expect_eq(world_events(&s.world, SKR_EVENT_REMEDIATION_REQUESTED), 1, "told once");
    cr_expect(strstr(scene_message(&s, "fix"), "1 of 2"), "what held the profile is gone: %s",
              scene_message(&s, "fix"));
    struct skr_uuid id = world_id(&s.world, "filter");
    cr_assert_eq(skr_store_write_wait(s.world.test.store, repair, &id, NULL, &error), 0);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "fix"), "succeeded");
    cr_expect(strstr(scene_message(&s, "fix"), "filter present"), "%s", scene_message(&s, "fix"));
}

Test(hosts, a_remediation_that_takes_too_long_says_what_is_left)
{
    find("filter", "filter");
    scene_start(&s, "fix", SKR_HOST, "h1", "remediate", NULL);
    scene_drive(&s);
    s.now_ms += 600000;
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "fix"), "failed");
    cr_expect(strstr(scene_message(&s, "fix"), "1 differences are still there"), "%s", scene_message(&s, "fix"));
}

Test(hosts, where_nothing_differs_nothing_is_put_back)
{
    scene_start(&s, "fix", SKR_HOST, "h1", "remediate", NULL);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "fix"), "succeeded");
    cr_expect_str_eq(scene_message(&s, "fix"), "Nothing differed.");
}
