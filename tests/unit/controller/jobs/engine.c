/* The engine and the move of an adapter: every way to end, who may begin, and a controller that is killed at every
 * point. */
#include "tests/support/slow_vfs.h"
#include "tests/unit/controller/jobs/scene.h"

#include <skerry/clock.h>
#include <sqlite3.h>
#include <unistd.h>

static struct scene s;

static void open_scene(void)
{
    scene_open(&s);
}

static void close_scene(void)
{
    scene_close(&s);
}

TestSuite(engine, .init = open_scene, .fini = close_scene);

static bool on_host(const char *host)
{
    return scene_refers(&s, SKR_NETWORK_ADAPTER, "red-1", SKR_NETWORK_ADAPTER_HOST_ID, host);
}

static bool moving_to(const char *host)
{
    return scene_refers(&s, SKR_NETWORK_ADAPTER, "red-1", SKR_NETWORK_ADAPTER_TARGET_HOST_ID, host);
}

static void start_move(void)
{
    scene_start(&s, "move", SKR_NETWORK_ADAPTER, "red-1", "migrate", "{'host_id': '$h2', 'timeout_s': 60}");
}

Test(engine, an_adapter_moves_when_its_vm_appears)
{
    start_move();
    cr_expect_str_eq(scene_state(&s, "move"), "pending");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "running");
    cr_expect_str_eq(scene_steps(&s, "move"), "check=succeeded arm=succeeded switch=running settle=pending");
    cr_expect(on_host("h1") && moving_to("h2"));
    cr_expect_eq(scene_integer(&s, SKR_JOB, "move", SKR_JOB_PERCENT), 50);
    cr_expect_eq(scene_integer(&s, SKR_JOB, "move", SKR_JOB_CANCELLABLE), 1);
    cr_expect_eq(scene_integer(&s, SKR_JOB, "move", SKR_JOB_DEADLINE), SCENE_START_MS + 60000);
    cr_expect_eq(skr_jobs_due_ms(s.jobs), SCENE_START_MS + 60000, "nothing else wakes it");

    scene_act(&s, SKR_NETWORK_ADAPTER, "red-1", "activate");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "succeeded", "%s", scene_message(&s, "move"));
    cr_expect_str_eq(scene_steps(&s, "move"), "check=succeeded arm=succeeded switch=succeeded settle=succeeded");
    cr_expect_eq(scene_integer(&s, SKR_JOB, "move", SKR_JOB_PERCENT), 100);
    cr_expect_eq(scene_integer(&s, SKR_JOB, "move", SKR_JOB_ENDED_AT), SCENE_START_MS);
    cr_expect(on_host("h2") && moving_to(NULL));
    cr_expect_eq(skr_jobs_due_ms(s.jobs), INT64_MAX, "an ended job is nobody's");
}

Test(engine, a_cancelled_move_leaves_everything_as_it_was)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = world_get(&s.world, SKR_NETWORK_ADAPTER, "red-1");
    start_move();
    scene_drive(&s);
    scene_act(&s, SKR_JOB, "move", "cancel");
    cr_expect_str_eq(scene_state(&s, "move"), "cancelling");
    scene_act(&s, SKR_JOB, "move", "cancel"); /* twice is once */
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "cancelled");
    cr_expect_str_eq(scene_steps(&s, "move"), "check=undone arm=undone switch=undone settle=skipped");
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = world_get(&s.world, SKR_NETWORK_ADAPTER, "red-1");
    for (unsigned f = 0; f < before->resource->field_count; f++)
        cr_expect(skr_value_equal(&before->values[f], &after->values[f]), "%s", before->resource->fields[f].name);
    cr_expect_eq(scene_refused(&s, SKR_JOB, "move", "cancel", NULL), SKR_ERROR_CONFLICT);
}

Test(engine, a_job_cancelled_before_it_began_does_nothing)
{
    start_move();
    scene_act(&s, SKR_JOB, "move", "cancel");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "cancelled");
    cr_expect(moving_to(NULL));
}

Test(engine, a_cancel_that_comes_too_late_says_where_the_adapter_is)
{
    start_move();
    scene_drive(&s);
    scene_act(&s, SKR_NETWORK_ADAPTER, "red-1", "activate");
    scene_act(&s, SKR_JOB, "move", "cancel");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "cancelled");
    cr_expect(strstr(scene_message(&s, "move"), "appeared on the target already"), "%s", scene_message(&s, "move"));
    cr_expect(on_host("h2"));
}

Test(engine, a_vm_that_does_not_appear_ends_the_move)
{
    start_move();
    scene_drive(&s);
    s.now_ms += 59999;
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "running");
    s.now_ms++;
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "failed");
    cr_expect_str_eq(scene_steps(&s, "move"), "check=undone arm=undone switch=failed settle=skipped");
    cr_expect(on_host("h1") && moving_to(NULL));
    cr_expect_eq(world_events(&s.world, "JobFailed"), 1);
}

Test(engine, every_host_must_know_before_the_vm_may_come)
{
    s.needs_hosts = true;
    start_move();
    scene_drive(&s);
    cr_expect_str_eq(scene_steps(&s, "move"), "check=succeeded arm=running switch=pending settle=pending");
    cr_expect(strstr(scene_message(&s, "move"), "of 2 hosts"), "%s", scene_message(&s, "move"));
    unsigned looks = s.looks;
    scene_drive(&s);
    cr_expect_eq(s.looks, looks, "nothing happened, so nobody looks");
    scene_apply(&s, NULL);
    scene_drive(&s);
    cr_expect_str_eq(scene_steps(&s, "move"), "check=succeeded arm=succeeded switch=running settle=pending");
    scene_act(&s, SKR_NETWORK_ADAPTER, "red-1", "activate");
    scene_drive(&s);
    cr_expect_str_eq(scene_steps(&s, "move"), "check=succeeded arm=succeeded switch=succeeded settle=running");
    cr_expect_eq(scene_refused(&s, SKR_JOB, "move", "cancel", NULL), SKR_ERROR_CONFLICT, "it has happened");
    scene_apply(&s, NULL);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "succeeded");
}

Test(engine, a_host_that_cannot_ends_the_move)
{
    s.needs_hosts = true;
    start_move();
    scene_drive(&s);
    scene_apply(&s, "no room");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "failed");
    cr_expect(strstr(scene_message(&s, "move"), "h2") && strstr(scene_message(&s, "move"), "no room"), "%s",
              scene_message(&s, "move"));
    cr_expect(moving_to(NULL));
}

static void apply_on_h2(void)
{
    struct skr_uuid h2 = world_id(&s.world, "h2");
    struct skr_map_key everything = {.id = {{9}}, .type = SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN};
    skr_realization_applied(s.realizations, &everything, &h2, s.version, NULL, 0);
}

/* Its own row is among the changes that the engine hears of. */
Test(engine, what_a_look_wrote_itself_calls_for_no_other_look)
{
    s.needs_hosts = true;
    scene_online(&s, "h1", false);
    start_move();
    scene_drive(&s);
    unsigned looks = s.looks;
    apply_on_h2();
    s.now_ms += 1000;
    scene_drive(&s);
    cr_expect_str_eq(scene_message(&s, "move"), "Waits for 1 of 2 hosts, \"h1\" among them.");
    cr_expect_eq(s.looks, looks + 1);
}

Test(engine, an_offline_host_holds_a_move_up_for_a_while_alone)
{
    s.needs_hosts = true;
    scene_online(&s, "h1", false);
    scene_start(&s, "move", SKR_NETWORK_ADAPTER, "red-1", "migrate", "{'host_id': '$h2'}");
    scene_drive(&s);
    apply_on_h2();
    scene_drive(&s);
    cr_expect_str_eq(scene_steps(&s, "move"), "check=succeeded arm=running switch=pending settle=pending");
    s.now_ms += 59000;
    scene_drive(&s);
    cr_expect_str_eq(scene_steps(&s, "move"), "check=succeeded arm=running switch=pending settle=pending");
    cr_expect_str_eq(scene_message(&s, "move"), "Waits for 1 of 2 hosts, \"h1\" among them.");
    s.now_ms += 1000;
    scene_drive(&s);
    cr_expect_str_eq(scene_steps(&s, "move"), "check=succeeded arm=succeeded switch=running settle=pending");
}

Test(engine, the_target_must_be_online)
{
    scene_online(&s, "h2", false);
    start_move();
    scene_drive(&s);
    cr_expect_str_eq(scene_steps(&s, "move"), "check=succeeded arm=running switch=pending settle=pending");
    cr_expect_str_eq(scene_message(&s, "move"), "Waits for the host to be online.");
    scene_online(&s, "h2", true);
    scene_drive(&s);
    cr_expect_str_eq(scene_steps(&s, "move"), "check=succeeded arm=succeeded switch=running settle=pending");
}

/* A step that never ran has its moment too: lists are sorted and shown by it. */
Test(engine, a_skipped_step_begins_and_ends_at_once)
{
    start_move();
    scene_drive(&s);
    s.now_ms += 10;
    scene_act(&s, SKR_JOB, "move", "cancel");
    scene_drive(&s);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&s.world, SKR_JOB, "move");
    const struct skr_value *steps = &row->values[SKR_JOB_STEPS];
    cr_assert_eq(steps->count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect_eq(skr_object_integer(steps->objects[i], SKR_JOB_STEP_STARTED_AT), SCENE_START_MS + (i < 3 ? 0 : 10));
        cr_expect_eq(skr_object_integer(steps->objects[i], SKR_JOB_STEP_ENDED_AT), SCENE_START_MS + 10);
    }
}

static int accept_database(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    (void)unused;
    return skr_txn_setting_set(txn, SKR_SETTING_ROLLED_BACK, "0", error);
}

/* A database that takes no write is looked at again every second: nothing tells when it is accepted. */
Test(engine, in_a_database_that_was_rolled_back_jobs_wait)
{
    struct skr_error error = {0};
    start_move();
    cr_assert_eq(skr_store_write_wait(s.world.test.store, skr_model_set_rolled_back, &(struct skr_rollback){0}, NULL,
                                      &error),
                 0);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "pending");
    cr_expect_eq(skr_jobs_due_ms(s.jobs), SCENE_START_MS + 1000);
    cr_assert_eq(skr_store_write_wait(s.world.test.store, accept_database, NULL, NULL, &error), 0);
    s.now_ms += 1000;
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "running");
}

/* The job is not to blame for a full disk, so it goes on when there is room again. */
Test(engine, a_full_disk_holds_a_job_up_for_a_second)
{
    scene_close(&s);
    skr_slow_vfs_configure(&(struct skr_slow_vfs_options){0});
    cr_assert_eq(sqlite3_vfs_register(sqlite3_vfs_find(SKR_SLOW_VFS), 1), SQLITE_OK);
    scene_open(&s);
    start_move();
    skr_slow_vfs_fail_writes(0, 1, SQLITE_FULL);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "pending");
    cr_expect_eq(skr_jobs_due_ms(s.jobs), SCENE_START_MS + 1000);
    s.now_ms += 1000;
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "running");
}

/* The wait for hosts ends with the job: their answer comes when the job's memory is gone. */
Test(engine, hosts_that_answer_after_a_cancel_find_no_job)
{
    s.needs_hosts = true;
    start_move();
    scene_drive(&s);
    cr_assert_str_eq(scene_steps(&s, "move"), "check=succeeded arm=running switch=pending settle=pending");
    scene_act(&s, SKR_JOB, "move", "cancel");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "cancelled");
    scene_apply(&s, NULL);
    cr_expect_eq(skr_jobs_due_ms(s.jobs), INT64_MAX);
}

Test(engine, who_moves_the_adapter_elsewhere_ends_the_move)
{
    start_move();
    scene_drive(&s);
    world_patch(&s.world, SKR_NETWORK_ADAPTER, "red-1", "{'host_id': null}");
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "failed");
    cr_expect(on_host(NULL) && moving_to(NULL));
}

Test(engine, what_a_move_refuses)
{
    cr_expect_eq(scene_refused(&s, SKR_NETWORK_ADAPTER, "red-1", "migrate", "{'host_id': '$h1'}"), SKR_ERROR_CONFLICT);
    cr_expect_eq(scene_refused(&s, SKR_NETWORK_ADAPTER, "blue-1", "migrate", "{'host_id': '$h1'}"), SKR_ERROR_CONFLICT);
    cr_expect_eq(scene_refused(&s, SKR_NETWORK_ADAPTER, "red-1", "migrate", "{'host_id': '$red-net'}"),
                 SKR_ERROR_REFERENCE);
    cr_expect_eq(scene_refused(&s, SKR_HOST, "h1", "replace", "{'new_host_id': '$h1'}"), SKR_ERROR_INVALID);
    cr_expect_eq(scene_refused(&s, SKR_HOST, "h1", "drain", "{'host_ids': ['nobody']}"), SKR_ERROR_INVALID);
    start_move();
    cr_expect_eq(scene_refused(&s, SKR_NETWORK_ADAPTER, "red-1", "migrate", "{'host_id': '$h2'}"), SKR_ERROR_CONFLICT,
                 "one job at a time");
    scene_drive(&s);
    scene_act(&s, SKR_JOB, "move", "cancel");
    scene_drive(&s);
    /* The rules of the adapter judge when the job begins: here the target takes nothing. */
    world_patch(&s.world, SKR_HOST, "h2", "{'state': 'maintenance'}");
    start_move();
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), "failed");
    cr_expect(strstr(scene_message(&s, "move"), "maintenance"), "%s", scene_message(&s, "move"));
    cr_expect_str_eq(scene_steps(&s, "move"), "check=failed arm=skipped switch=skipped settle=skipped");
}

Test(engine, a_kind_of_another_version_fails)
{
    struct skr_error error = {0};
    struct skr_uuid id;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = skr_row_new(SKR_JOB);
    skr_object_set_text(row, SKR_FIELD_NAME, "odd");
    skr_object_set_text(row, SKR_JOB_KIND, "levitate");
    id = skr_object_id(row);
    world_name(&s.world, "odd", &id);
    cr_assert_eq(skr_store_write_wait(s.world.test.store, skr_test_insert, row, NULL, &error), 0, "%s", error.detail);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "odd"), "failed");
}

/* Its thread sleeps to the next deadline, and a request wakes it before. */
static void await_state(const char *state)
{
    for (int i = 0; i < 1000 && strcmp(scene_state(&s, "move"), state) != 0; i++)
        usleep(10000);
    cr_expect_str_eq(scene_state(&s, "move"), state);
}

Test(engine, its_thread_wakes_in_time)
{
    s.now_ms = skr_clock_wall_ms();
    scene_start(&s, "move", SKR_NETWORK_ADAPTER, "red-1", "migrate", "{'host_id': '$h2', 'timeout_s': 1}");
    scene_drive(&s);
    cr_assert_eq(skr_jobs_start(s.jobs), 0);
    await_state("failed");
    scene_start(&s, "move", SKR_NETWORK_ADAPTER, "red-1", "migrate", "{'host_id': '$h2'}");
    await_state("running");
    skr_jobs_stop(s.jobs);
}

/* ---- killed at every point ---- */

static void move_and_cancel(bool cancel)
{
    start_move();
    scene_drive(&s);
    scene_apply(&s, NULL);
    scene_drive(&s);
    cr_assert_str_eq(scene_steps(&s, "move"), "check=succeeded arm=succeeded switch=running settle=pending", "%u",
                     s.kill_at);
    if (cancel)
        scene_act(&s, SKR_JOB, "move", "cancel");
    else
        scene_act(&s, SKR_NETWORK_ADAPTER, "red-1", "activate");
    scene_drive(&s);
    scene_apply(&s, NULL);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "move"), cancel ? "cancelled" : "succeeded", "%u", s.kill_at);
    cr_expect(on_host(cancel ? "h1" : "h2") && moving_to(NULL));
}

Test(engine, a_controller_killed_after_every_look_goes_on)
{
    s.needs_hosts = true;
    s.kill_every = 1;
    move_and_cancel(false);
}

Test(engine, a_controller_killed_after_every_look_takes_back)
{
    s.needs_hosts = true;
    s.kill_every = 1;
    move_and_cancel(true);
}

Test(engine, a_controller_killed_once_at_any_look_goes_on)
{
    s.needs_hosts = true;
    move_and_cancel(false);
    unsigned all = s.looks;
    cr_assert_gt(all, 4);
    for (unsigned at = 1; at <= all; at++) {
        scene_close(&s);
        scene_open(&s);
        s.needs_hosts = true;
        s.kill_at = at;
        move_and_cancel(at % 2);
    }
}
