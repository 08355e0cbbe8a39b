/* Jobs and an operator whose role is bound to a host group: h1 is in "north", h2 in "south". */
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

TestSuite(scope, .init = open_scene, .fini = close_scene);

static struct skr_principal operator_of(const char *group)
{
    return (struct skr_principal){.role = SKR_ROLE_FABRIC, .host_group_id = world_id(&s.world, group), .name = "olaf"};
}

/* Does the action; 0 and the job is known as `job`, or -errno. */
static int act(const char *group, enum skr_resource_id resource, const char *target, const char *verb,
               const char *host_field, const char *host, const char *job, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *input = NULL;
    const struct skr_resource *table = skr_resource_get(resource);
    struct skr_action_request request = {
            .resource = resource, .verb = verb, .principal = operator_of(group), .id = world_id(&s.world, target)};
    char json[160];
    snprintf(json, sizeof(json), host ? "{'%s': '$%s'}" : "{}", host_field, host);
    for (unsigned i = 0; i < table->action_count; i++)
        if (!strcmp(table->actions[i].verb, verb) && table->actions[i].input)
            cr_assert_eq(world_parse(&s.world, table->actions[i].input, json, false, &input, error), 0, "%s",
                         error->detail);
    request.input = input;
    int r = skr_store_write_wait(s.world.test.store, skr_model_action, &request, NULL, error);
    if (r == 0)
        world_rename(&s.world, job, &request.job_id);
    skr_action_request_done(&request);
    return r;
}

static uint32_t jobs_seen(const char *group)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_principal principal = operator_of(group);
    struct skr_list_query query = {.resource = SKR_JOB, .limit = 8};
    struct skr_object *rows[8];
    struct skr_error error = {0};
    uint32_t count;
    bool more;
    cr_assert_eq(skr_store_read_begin(s.world.test.store, &txn, &error), 0);
    cr_assert_eq(skr_model_list(txn, &principal, &query, rows, &count, &more, &error), 0, "%s", error.detail);
    for (uint32_t i = 0; i < count; i++)
        skr_object_unref(rows[i]);
    return count;
}

Test(scope, he_starts_and_sees_jobs_of_his_hosts_alone)
{
    struct skr_error error = {0};
    cr_expect_lt(act("south", SKR_HOST, "h1", "drain", NULL, NULL, "none", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_NOT_FOUND, "as if there were none");
    cr_expect_lt(act("south", SKR_HOST, "h1", "remediate", NULL, NULL, "none", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_NOT_FOUND);
    cr_assert_eq(act("north", SKR_HOST, "h1", "remediate", NULL, NULL, "mend", &error), 0, "%s", error.detail);
    cr_expect_eq(jobs_seen("north"), 1);
    cr_expect_eq(jobs_seen("south"), 0);
    cr_expect_lt(act("south", SKR_JOB, "mend", "cancel", NULL, NULL, "none", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_NOT_FOUND);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&s.world, SKR_JOB, "mend");
    cr_expect_str_eq(skr_object_text(row, SKR_JOB_REQUESTED_BY), "olaf");
}

/* A host that he does not see is none: the same words as of an id that nobody has. */
Test(scope, he_names_no_host_of_others)
{
    struct skr_error foreign = {0}, missing = {0};
    static const struct skr_uuid nobody = {{0x01, 0x97, 0, 0, 0, 0, 0x70, 0, 0x80, 1}};
    world_name(&s.world, "nobody", &nobody);
    cr_expect_lt(act("north", SKR_NETWORK_ADAPTER, "red-1", "migrate", "host_id", "h2", "none", &foreign), 0);
    cr_expect_lt(act("north", SKR_NETWORK_ADAPTER, "red-1", "migrate", "host_id", "nobody", "none", &missing), 0);
    cr_expect_eq(foreign.tag, SKR_ERROR_REFERENCE);
    cr_expect_eq(foreign.tag, missing.tag);
    char foreign_id[SKR_UUID_TEXT_MAX], missing_id[SKR_UUID_TEXT_MAX];
    struct skr_uuid h2 = world_id(&s.world, "h2");
    skr_uuid_format(&h2, foreign_id);
    skr_uuid_format(&nobody, missing_id);
    char *at = strstr(foreign.detail, foreign_id);
    cr_assert(at && strstr(missing.detail, missing_id));
    memcpy(at, missing_id, strlen(missing_id));
    cr_expect_str_eq(foreign.detail, missing.detail);
    cr_expect_lt(act("north", SKR_HOST, "h1", "replace", "new_host_id", "h2", "none", &foreign), 0);
    cr_expect_eq(foreign.tag, SKR_ERROR_REFERENCE);
}

/* A job chooses only hosts within its principal's scope: h2 could take the adapter, and is outside of it. */
Test(scope, he_drains_into_his_group)
{
    struct skr_error error = {0};
    cr_assert_eq(act("north", SKR_HOST, "h1", "drain", NULL, NULL, "drain", &error), 0, "%s", error.detail);
    scene_drive(&s);
    cr_expect_str_eq(scene_state(&s, "drain"), "failed", "%s", scene_message(&s, "drain"));
    cr_expect(scene_refers(&s, SKR_NETWORK_ADAPTER, "red-1", SKR_NETWORK_ADAPTER_HOST_ID, "h1"));
    cr_expect_str_eq(scene_steps(&s, "drain"), "maintenance=succeeded move=failed", "it is in maintenance");
}
