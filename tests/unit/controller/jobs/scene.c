#include "tests/unit/controller/jobs/scene.h"

static const struct skr_map_key everything = {.id = {{9}}, .type = SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN};

static void changed(void *argument, const struct skr_change *changes, size_t count)
{
    struct scene *scene = argument;
    for (size_t i = 0; i < count; i++) {
        int64_t revision = changes[i].write_revision;
        bool adapter = changes[i].resource == SKR_NETWORK_ADAPTER && changes[i].op != SKR_CHANGE_DELETE;
        if (revision > scene->revision)
            scene->revision = revision;
        if (adapter && scene->write_count < SKR_ARRAY_SIZE(scene->writes)) {
            scene->writes[scene->write_count].revision = revision;
            scene->writes[scene->write_count++].adapter = skr_object_id(changes[i].object);
        }
    }
    skr_realization_committed(scene->realizations, scene->revision);
    if (scene->jobs)
        skr_jobs_changes(scene->jobs, changes, count);
}

static void realizations_changed(void *argument, const struct skr_realization_change *changes, size_t count)
{
    struct scene *scene = argument;
    if (scene->jobs)
        skr_jobs_realizations(scene->jobs, changes, count);
}

static void new_engine(struct scene *scene)
{
    struct skr_error error = {0};
    const struct skr_jobs_options options = {
            .store = scene->world.test.store, .realizations = scene->realizations, .backup_directory = scene->backups};
    cr_assert_eq(skr_jobs_new(&options, &scene->jobs, &error), 0, "%s", error.detail);
}

void scene_kill(struct scene *scene)
{
    skr_jobs_free(SKR_TAKE(scene->jobs));
    new_engine(scene);
}

void scene_online(struct scene *scene, const char *host, bool online)
{
    struct skr_uuid id = world_id(&scene->world, host);
    skr_realization_host_connected(scene->realizations, &id, online ? 1 : 0);
}

static int set_bound(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL, *after = NULL;
    int r = skr_fetch(txn, SKR_NETWORK_ADAPTER, argument, &adapter, error);
    if (r < 0)
        return r;
    after = skr_object_copy(adapter);
    skr_object_set_integer(after, SKR_NETWORK_ADAPTER_BOUND, 1);
    return skr_txn_update(txn, adapter, after, error);
}

void scene_open(struct scene *scene)
{
    static const char *const hosts[] = {"h1", "h2"};
    struct skr_error error = {0};
    *scene = (struct scene){.now_ms = SCENE_START_MS, .version = 1};
    world_open(&scene->world);
    world_fill(&scene->world);
    struct skr_uuid adapter = world_id(&scene->world, "red-1");
    cr_assert_eq(skr_store_write_wait(scene->world.test.store, set_bound, &adapter, NULL, &error), 0);
    snprintf(scene->backups, sizeof(scene->backups), "%s/backups", scene->world.test.directory);
    cr_assert_eq(skr_realization_table_new(&scene->realizations), 0);
    skr_realization_listen(scene->realizations, realizations_changed, scene);
    scene->revision = skr_store_revision(scene->world.test.store);
    skr_realization_committed(scene->realizations, scene->revision);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(hosts); i++) {
        struct skr_uuid id = world_id(&scene->world, hosts[i]);
        skr_realization_host_put(scene->realizations, &id, hosts[i], scene->revision);
        skr_realization_host_connected(scene->realizations, &id, 1);
        skr_realization_join(scene->realizations, &everything, &id, 1);
        skr_realization_applied(scene->realizations, &everything, &id, 1, NULL, 0);
    }
    skr_realization_reached(scene->realizations, scene->revision, true);
    skr_store_listen(scene->world.test.store, changed, scene);
    new_engine(scene);
}

void scene_close(struct scene *scene)
{
    skr_jobs_free(scene->jobs);
    scene->jobs = NULL;
    world_close(&scene->world);
    skr_realization_table_free(scene->realizations);
}

void scene_publish(struct scene *scene)
{
    for (unsigned i = 0; scene->needs_hosts && i < scene->write_count; i++) {
        struct skr_realization_needs *needs = skr_realization_needs_new(1, 1);
        struct skr_realization_change object = {.resource = SKR_NETWORK_ADAPTER, .id = scene->writes[i].adapter};
        needs->pairs[0] =
                (struct skr_realization_pair){.scope = everything, .touch_count = 1, .version = ++scene->version};
        needs->touches[0] = skr_realization_touch(SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &object.id);
        skr_realization_write(scene->realizations, scene->writes[i].revision, needs, &object, 1);
        skr_realization_object(scene->realizations, SKR_NETWORK_ADAPTER, &object.id, needs);
        skr_realization_needs_unref(needs);
    }
    scene->write_count = 0;
    skr_realization_reached(scene->realizations, scene->revision, false);
}

void scene_apply(struct scene *scene, const char *reason)
{
    struct skr_uuid h1 = world_id(&scene->world, "h1"), h2 = world_id(&scene->world, "h2");
    struct skr_realization_failure failure = {SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT,
                                              world_id(&scene->world, "red-1"), reason};
    skr_realization_applied(scene->realizations, &everything, &h1, scene->version, NULL, 0);
    skr_realization_applied(scene->realizations, &everything, &h2, scene->version, &failure, reason ? 1 : 0);
}

static bool look(struct scene *scene)
{
    scene_publish(scene);
    bool looked = skr_jobs_run(scene->jobs, scene->now_ms, 1) > 0;
    scene->looks += looked;
    cr_assert_lt(scene->looks, SCENE_LOOKS_MAX, "the engine looks and looks");
    return looked;
}

/* A new engine looks at every open job once; when that brings nothing new, everything waits. */
static bool brings_something(struct scene *scene)
{
    int64_t before = scene->revision;
    while (scene->revision == before && look(scene))
        ;
    return scene->revision != before;
}

void scene_drive(struct scene *scene)
{
    while (scene->kill_every ? brings_something(scene) : look(scene))
        if (scene->kill_every ? scene->looks % scene->kill_every == 0 : scene->looks == scene->kill_at)
            scene_kill(scene);
}

void scene_start(struct scene *scene, const char *name, enum skr_resource_id resource, const char *target,
                 const char *verb, const char *json)
{
    struct skr_action_request request;
    struct skr_error error = {0};
    cr_assert_eq(world_action(&scene->world, resource, target, verb, json, &request, &error), 0, "%s", error.detail);
    cr_assert(!skr_uuid_is_nil(&request.job_id), ":%s starts no job", verb);
    cr_assert_eq(request.changed->resource->id, SKR_JOB);
    world_rename(&scene->world, name, &request.job_id);
    skr_action_request_done(&request);
}

enum skr_error_tag scene_refused(struct scene *scene, enum skr_resource_id resource, const char *target,
                                 const char *verb, const char *json)
{
    struct skr_action_request request;
    struct skr_error error = {0};
    cr_expect_lt(world_action(&scene->world, resource, target, verb, json, &request, &error), 0, ":%s", verb);
    skr_action_request_done(&request);
    return error.tag;
}

void scene_act(struct scene *scene, enum skr_resource_id resource, const char *target, const char *verb)
{
    struct skr_action_request request;
    struct skr_error error = {0};
    cr_assert_eq(world_action(&scene->world, resource, target, verb, NULL, &request, &error), 0, "%s", error.detail);
    skr_action_request_done(&request);
}

const char *scene_state(struct scene *scene, const char *job)
{
    static char text[32];
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&scene->world, SKR_JOB, job);
    snprintf(text, sizeof(text), "%s", skr_object_text(row, SKR_JOB_STATE));
    return text;
}

const char *scene_message(struct scene *scene, const char *job)
{
    static char text[1024];
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&scene->world, SKR_JOB, job);
    snprintf(text, sizeof(text), "%s", skr_object_text(row, SKR_JOB_MESSAGE));
    return text;
}

const char *scene_steps(struct scene *scene, const char *job)
{
    static char text[512];
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&scene->world, SKR_JOB, job);
    const struct skr_value *steps = &row->values[SKR_JOB_STEPS];
    text[0] = '\0';
    for (uint32_t i = 0; i < steps->count; i++) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof(text) - at, "%s%s=%s", i ? " " : "",
                 skr_object_text(steps->objects[i], SKR_JOB_STEP_NAME),
                 skr_object_text(steps->objects[i], SKR_JOB_STEP_STATE));
    }
    return text;
}

int64_t scene_integer(struct scene *scene, enum skr_resource_id resource, const char *name, int field)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&scene->world, resource, name);
    return skr_object_integer(row, field);
}

bool scene_refers(struct scene *scene, enum skr_resource_id resource, const char *name, int field, const char *other)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&scene->world, resource, name);
    struct skr_uuid id = skr_object_uuid(row, field),
                    wanted = other ? world_id(&scene->world, other) : (struct skr_uuid){0};
    return skr_uuid_equal(&id, &wanted);
}
