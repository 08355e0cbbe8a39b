/* The jobs that follow a logical switch onto a host and off it. */
#include "tests/unit/controller/jobs/scene.h"

static struct scene s;

static void open_scene(void)
{
    scene_open(&s);
    world_create(&s.world, SKR_UPLINK_PORT_PROFILE, "north-up",
                 "{'name': 'north-up', 'network_site_ids': ['$site-north']}");
    world_create(&s.world, SKR_LOGICAL_SWITCH, "blades",
                 "{'name': 'blades', 'uplink_port_profile_ids': ['$north-up']}");
}

static void close_scene(void)
{
    scene_close(&s);
}

TestSuite(switches, .init = open_scene, .fini = close_scene);

static int set_inventory(struct skr_txn *txn, void *json, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *after = NULL;
    struct skr_uuid id = world_id(&s.world, "h1");
    int r = skr_fetch(txn, SKR_HOST, &id, &host, error);
    if (r < 0)
        return r;
    after = skr_object_copy(host);
    skr_object_set_json(after, SKR_HOST_INVENTORY, json_loads(json, 0, NULL));
    return skr_txn_update(txn, host, after, error);
}

static void reported(const char *interfaces)
{
    struct skr_error error = {0};
    char json[256];
    snprintf(json, sizeof(json), "%s", interfaces);
    cr_assert_eq(skr_store_write_wait(s.world.test.store, set_inventory, json, NULL, &error), 0, "%s", error.detail);
}

/* The open job about the switch is known as `name` from now on. */
static void name_job(const char *name)
{
    struct skr_object *rows[4];
    size_t count = world_list(&s.world, SKR_JOB, SKR_JOB_OBJECT_ID, "hs", rows, 4), open = 0;
    for (size_t i = 0; i < count; i++) {
        struct skr_uuid id = skr_object_id(rows[i]);
        if (!skr_object_has(rows[i], SKR_JOB_ENDED_AT)) {
            world_rename(&s.world, name, &id);
            open++;
        }
        skr_object_unref(rows[i]);
    }
    cr_assert_eq(open, 1, "%zu jobs", open);
}

static void deploy(void)
{
    world_create(&s.world, SKR_HOST_SWITCH, "hs",
                 "{'host_id': '$h1', 'logical_switch_id': '$blades', 'uplinks': [{'interface': 'eth1', "
                 "'uplink_port_profile_id': '$north-up'}]}");
    name_job("deploy");
}

Test(switches, one_is_deployed_where_its_interfaces_are)
{
    reported("[{\"name\": \"lo\"}, {\"name\": \"eth1\"}]");
    deploy();
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "deploy"), "succeeded", "%s", scene_message(&s, "deploy"));
    cr_expect_str_eq(scene_message(&s, "deploy"), "The host has applied the switch.");
}

Test(switches, a_host_that_has_reported_nothing_is_given_the_benefit)
{
    reported("[]");
    deploy();
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "deploy"), "succeeded", "%s", scene_message(&s, "deploy"));
}

Test(switches, without_the_interface_the_job_fails_and_the_row_stays)
{
    reported("[{\"name\": \"lo\"}, {\"speed\": 5}, {\"name\": \"eth10\"}]");
    deploy();
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "deploy"), "failed");
    cr_expect(strstr(scene_message(&s, "deploy"), "\"h1\" has no interface eth1"), "%s", scene_message(&s, "deploy"));
    cr_expect(scene_refers(&s, SKR_HOST_SWITCH, "hs", SKR_HOST_SWITCH_HOST_ID, "h1"));
}

Test(switches, a_cancelled_deployment_takes_the_switch_away)
{
    scene_online(&s, "h1", false);
    deploy();
    scene_drive(&s);
    cr_expect_str_eq(scene_steps(&s, "deploy"), "check=succeeded apply=running", "the host is not there");
    scene_act(&s, SKR_JOB, "deploy", "cancel");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "deploy"), "cancelled");
    cr_expect_str_eq(scene_message(&s, "deploy"), "Cancelled; the switch is taken off the host again.");
    SKR_CLEANUP(answer_cleanup) struct answer gone = {0};
    cr_expect_lt(world_request(&s.world, SKR_OPERATION_PATCH, SKR_HOST_SWITCH, "hs", "{'labels': {}}", &gone), 0);
    cr_expect_eq(gone.error.tag, SKR_ERROR_NOT_FOUND);
}

static void take_off(void)
{
    deploy();
    scene_drive(&s);
    world_delete(&s.world, SKR_HOST_SWITCH, "hs");
    name_job("remove");
}

/* The network is not to be used for something else before the host says that it has let go. */
Test(switches, a_removal_waits_for_the_host)
{
    take_off();
    scene_online(&s, "h1", false);
    scene_drive(&s);
    cr_expect_str_eq(scene_steps(&s, "remove"), "withdraw=succeeded let_go=running");
    cr_expect_str_eq(scene_message(&s, "remove"), "Waits for the host to be online.");
    scene_online(&s, "h1", true);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "remove"), "succeeded");
    cr_expect_str_eq(scene_message(&s, "remove"), "The host has let go of the switch.");
}

Test(switches, a_removal_does_not_wait_for_a_host_that_is_gone)
{
    take_off();
    scene_online(&s, "h1", false);
    scene_drive(&s);
    world_patch(&s.world, SKR_NETWORK_ADAPTER, "red-1", "{'host_id': null}");
    world_delete(&s.world, SKR_HOST, "h1");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "remove"), "succeeded", "%s", scene_message(&s, "remove"));
}
