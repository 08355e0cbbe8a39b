/* Random rows straight into the policy: after any sequence of changes, lags, disconnections, restarts of agents (from
 * their cache, an old cache, none) and of the controller, agents and fast paths are what the rows say. A failure names
 * its seed; SKR_SEED=n runs that one alone. */
#include "tests/support/controller/rows.h"
#include "tests/property/system/cloud.h"
#include "tests/support/controller/row_generator.h"

#define SEQUENCES   300 /* a test */
#define OPERATIONS  60
#define CHANGES_MAX 128

static const char *const excused[] = {"no_provider_address", "no_uplink", "no_vlan", "not_supported", NULL};

struct batch {
    struct skr_change changes[CHANGES_MAX];
    size_t count;
};

struct scene {
    struct rows rows;
    struct cloud cloud;
    struct batch batch;
    int64_t revision;
};

static void add(struct batch *batch, enum skr_change_op op, struct skr_object *row)
{
    cr_assert_lt(batch->count, CHANGES_MAX);
    batch->changes[batch->count++] = (struct skr_change){.op = op, .resource = row->resource->id, .object = row};
}

static void add_standing(void *arg, struct skr_object *row)
{
    add(arg, SKR_CHANGE_PUT, skr_object_ref(row));
}

static void on_row(void *arg, enum skr_change_op op, struct skr_object *row)
{
    struct scene *scene = arg;
    add(&scene->batch, op, row);
}

static void on_host(void *arg, int slot, const struct skr_uuid *id)
{
    struct scene *scene = arg;
    sim_agent_become(&scene->cloud.agents[slot], id);
}

static void give(struct skr_policy *policy, struct batch *batch, int64_t first, int64_t step)
{
    for (size_t i = 0; i < batch->count; i++) {
        batch->changes[i].revision = first + (int64_t)i * step;
        batch->changes[i].write_revision = first + (int64_t)(batch->count - 1) * step;
    }
    skr_policy_changes(policy, batch->changes, batch->count);
    for (size_t i = 0; i < batch->count; i++)
        skr_object_unref(batch->changes[i].object);
    batch->count = 0;
}

static void commit(struct scene *scene)
{
    int64_t first = scene->revision + 1;
    if (!scene->batch.count)
        return;
    scene->revision += (int64_t)scene->batch.count;
    give(scene->cloud.policy, &scene->batch, first, 1);
    cloud_wrote(&scene->cloud, scene->revision);
}

/* Loads the rows as they stand, at the last revision, as the controller does at its start. */
static void load(struct scene *scene, struct skr_policy *policy)
{
    static struct batch batch;
    for (int kind = 0; kind < ROWS_KINDS; kind++)
        rows_each(&scene->rows, (enum rows_kind)kind, add_standing, &batch);
    give(policy, &batch, scene->revision, 0);
    skr_policy_run(policy, scene->cloud.now);
}

static void restart_controller(struct scene *scene)
{
    struct cloud *cloud = &scene->cloud;
    commit(scene);
    cloud_down(cloud);
    cloud->options.incarnation++;
    cloud_up(cloud);
    load(scene, cloud->policy);
    cloud->write_count = 0; /* the new table was never told of them */
    cloud->counts.controllers++;
}

static void expect_recompute_equal(struct scene *scene)
{
    struct skr_realization_table *table;
    struct skr_policy *fresh = cloud_policy(&scene->cloud, &table);
    load(scene, fresh);
    char *incremental = skr_policy_dump(scene->cloud.policy), *recomputed = skr_policy_dump(fresh);
    cr_assert_str_eq(incremental, recomputed, "seed %lu", (unsigned long)scene->cloud.seed);
    free(incremental);
    free(recomputed);
    skr_policy_free(fresh);
    skr_realization_table_free(table);
}

static void run_sequence(uint64_t seed, struct cloud_counts *sum)
{
    static struct scene s;
    static const uint32_t windows[] = {0, 1, 300, 2000};
    struct cloud *cloud = &s.cloud;

    memset(&s, 0, sizeof(s));
    cloud_begin(cloud, seed);
    cloud->options.database_id = uuid_of(99, 1);
    cloud->options.digest_key = (struct skr_digest_key){11, 22};
    cloud->options.incarnation = 5;
    cloud->options.window_bytes = windows[cloud_pick(cloud, 4)];
    cloud_up(cloud);
    s.rows = (struct rows){.emit = on_row, .host = on_host, .arg = &s};
    rows_begin(&s.rows, seed);
    rows_fill(&s.rows);
    commit(&s);
    for (int i = 0; i < OPERATIONS; i++) {
        rows_operate(&s.rows);
        if (cloud_chance(cloud, 70))
            commit(&s);
        cloud_live(cloud);
        if (cloud_chance(cloud, 2))
            restart_controller(&s);
    }
    commit(&s);
    cloud_quiesce(cloud);
    cloud_expect_equal(cloud);
    cloud_expect_realized(cloud, excused);
    expect_recompute_equal(&s);
    rows_done(&s.rows);
    cloud_down(cloud);
    const unsigned *from = (const unsigned *)&cloud->counts;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(unsigned); i++)
        ((unsigned *)sum)[i] += from[i];
    cloud_end(cloud);
}

static void run_sequences(uint64_t first)
{
    const char *only = getenv("SKR_SEED");
    struct cloud_counts sum = {0};
    if (only) {
        run_sequence(strtoull(only, NULL, 10), &sum);
        return;
    }
    for (uint64_t seed = first; seed < first + SEQUENCES; seed++)
        run_sequence(seed, &sum);
    printf("# restarts %u, reboots %u, losses %u, controllers %u, resyncs %u, deltas %u, synced %u, disconnects %u\n",
           sum.restarts, sum.reboots, sum.losses, sum.controllers, sum.resyncs, sum.deltas, sum.synced,
           sum.disconnects);
    /* The events that the sequences are about have happened often enough to prove something. */
    cr_assert_gt(sum.restarts, SEQUENCES);
    cr_assert_gt(sum.reboots, SEQUENCES / 2);
    cr_assert_gt(sum.losses, SEQUENCES / 4);
    cr_assert_gt(sum.controllers, SEQUENCES / 2);
    cr_assert_gt(sum.resyncs, SEQUENCES / 10);
    cr_assert_gt(sum.deltas, 20 * SEQUENCES);
    cr_assert_gt(sum.synced, 5 * SEQUENCES);
}

Test(system_rows, agents_become_what_the_rows_say_first)
{
    run_sequences(1);
}

Test(system_rows, agents_become_what_the_rows_say_second)
{
    run_sequences(100001);
}

Test(system_rows, agents_become_what_the_rows_say_third)
{
    run_sequences(200001);
}
