/* After any sequence of changes the incremental state equals that of an engine which only ever saw the final rows, and
 * every agent holds exactly its bytes. Agents come, go, lag, fall silent, lose or spoil their cache meanwhile. Seeded:
 * a failure names the seed of its sequence, and SKR_SEED=n runs that one alone. */
#include "tests/support/controller/row_generator.h"
#include "tests/unit/controller/policy/fixture.h"

#define SEQUENCES  1000
#define OPERATIONS 140
#define WRITES_MAX 1024

struct model {
    struct rows rows;
    struct world world;
    int64_t writes[WRITES_MAX];
    size_t write_count;
};

static unsigned pick(struct model *m, unsigned below)
{
    return rows_pick(&m->rows, below);
}

static bool chance(struct model *m, unsigned percent)
{
    return rows_chance(&m->rows, percent);
}

static struct agent *agent_of(struct model *m, int slot)
{
    return &m->world.agents[slot];
}

static void emit(void *arg, enum skr_change_op op, struct skr_object *row)
{
    struct model *m = arg;
    put_op(&m->world, op, row);
}

static void new_host(void *arg, int slot, const struct skr_uuid *id)
{
    struct model *m = arg;
    agent_disconnect(&m->world, agent_of(m, slot));
    agent_forget(agent_of(m, slot));
    agent_of(m, slot)->host = *id;
}

static void commit_write(struct model *m)
{
    if (m->world.change_count == 0)
        return;
    m->writes[m->write_count++ % WRITES_MAX] = commit(&m->world);
}

/* ---- agents ---- */

static void spoil(struct model *m, struct agent *agent)
{
    uint32_t cursor = 0;

    if (chance(m, 30)) {
        agent_forget(agent);
        return;
    }
    for (struct agent_scope *scope; (scope = skr_id_map_next(&agent->scopes, &cursor));) {
        uint32_t inner = 0;
        struct scope_object *object = skr_id_map_next(&scope->objects, &inner);
        if (object && chance(m, 50)) {
            struct skr_map_key key = object->key;
            agent_scope_set(scope, key.type, &key.id, NULL);
        }
    }
}

static void say_all_applied(struct model *m, struct agent *agent)
{
    uint32_t cursor = 0;
    for (struct agent_scope *scope; (scope = skr_id_map_next(&agent->scopes, &cursor));)
        agent_say_applied(&m->world, agent, scope);
}

static void agent_act(struct model *m, int slot)
{
    struct agent *agent = agent_of(m, slot);

    if (!agent->connected) {
        if (chance(m, 25))
            spoil(m, agent);
        if (chance(m, 20))
            agent->incarnation = 0; /* as if the controller had been another one */
        if (chance(m, 30) && m->rows.slots[ROWS_HOST][slot].row)
            agent_connect(&m->world, agent);
        return;
    }
    if (chance(m, 4)) {
        agent_disconnect(&m->world, agent);
        return;
    }
    if (chance(m, 10))
        agent->answers = !agent->answers;
    for (unsigned steps = pick(m, 12); steps && agent_step(&m->world, agent); steps--)
        ;
}

static void quiesce(struct model *m)
{
    for (int i = 0; i < ROWS_HOSTS; i++) {
        struct agent *agent = agent_of(m, i);
        while (agent_step(&m->world, agent))
            ;
        agent->answers = true;
        if (chance(m, 50) || !agent->connected || agent->owes) {
            agent_disconnect(&m->world, agent);
            if (m->rows.slots[ROWS_HOST][i].row)
                agent_connect(&m->world, agent);
        } else {
            say_all_applied(m, agent);
        }
    }
    for (int i = 0; i < 3; i++) {
        world_settle(&m->world);
        m->world.now += 61 * SECOND;
    }
    world_settle(&m->world);
}

/* ---- what must hold ---- */

static void put_again(void *arg, struct skr_object *row)
{
    put(arg, skr_object_ref(row));
}

static void expect_recompute_equal(struct model *m, uint64_t seed)
{
    static struct world fresh;

    world_init(&fresh, NULL);
    fresh.now = m->world.now;
    for (int kind = 0; kind < ROWS_KINDS; kind++) {
        rows_each(&m->rows, (enum rows_kind)kind, put_again, &fresh);
        if (fresh.change_count)
            commit(&fresh);
    }
    char *incremental = skr_policy_dump(m->world.policy), *recomputed = skr_policy_dump(fresh.policy);
    cr_assert_str_eq(incremental, recomputed, "seed %lu", (unsigned long)seed);
    free(incremental);
    free(recomputed);
    world_done(&fresh);
}

/* Everybody is connected and has answered: no write may be pending, and only ways to a network that are missing may
 * fail. */
static void expect_nothing_pending(struct model *m, uint64_t seed)
{
    size_t first = m->write_count > WRITES_MAX ? m->write_count - WRITES_MAX : 0;

    for (size_t i = first; i < m->write_count; i++) {
        struct skr_realization r;
        int64_t revision = m->writes[i % WRITES_MAX];
        cr_assert_eq(skr_realization_of_write(m->world.table, revision, &r), 0);
        cr_assert_eq(r.pending + r.offline, 0, "seed %lu: write %ld: %u pending, %u offline: %s", (unsigned long)seed,
                     (long)revision, r.pending, r.offline, r.hosts[0].reason);
        for (uint32_t n = 0; n < r.named; n++)
            cr_assert(strncmp(r.hosts[n].reason, "no_provider_address", 19) == 0 ||
                              strncmp(r.hosts[n].reason, "no_uplink", 9) == 0 ||
                              strncmp(r.hosts[n].reason, "no_vlan", 7) == 0,
                      "seed %lu: %s", (unsigned long)seed, r.hosts[n].reason);
    }
}

static struct counts run_sequence(uint64_t seed)
{
    static struct model m;
    static const uint32_t windows[] = {0, 1, 300, 2000};
    struct skr_policy_options options = {0};

    memset(&m, 0, sizeof(m));
    m.rows = (struct rows){.emit = emit, .host = new_host, .arg = &m};
    rows_begin(&m.rows, seed);
    options.window_bytes = windows[pick(&m, 4)];
    world_init(&m.world, &options);
    for (int i = 0; i < ROWS_HOSTS; i++)
        agent_new(&m.world, &(struct skr_uuid){{0}});
    rows_fill(&m.rows);
    commit_write(&m);

    for (int i = 0; i < OPERATIONS; i++) {
        rows_operate(&m.rows);
        if (chance(&m, 70))
            commit_write(&m);
        for (int a = 0; a < ROWS_HOSTS; a++)
            if (chance(&m, 50))
                agent_act(&m, a);
        m.world.now += chance(&m, 20) ? (int64_t)pick(&m, 8) * SECOND : 1000000;
        world_run(&m.world);
    }
    commit_write(&m);
    quiesce(&m);
    world_expect_equal(&m.world);
    expect_nothing_pending(&m, seed);
    expect_recompute_equal(&m, seed);
    rows_done(&m.rows);
    struct counts counts = m.world.counts;
    world_done(&m.world);
    return counts;
}

Test(policy, incremental_equals_recompute_and_agents_equal_the_controller)
{
    const char *only = getenv("SKR_SEED");
    struct counts sum = {0};

    if (only) {
        run_sequence(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEQUENCES; seed++) {
        struct counts counts = run_sequence(seed);
        sum.whole += counts.whole;
        sum.buckets += counts.buckets;
        sum.numbered += counts.numbered;
        sum.unnumbered += counts.unnumbered;
        sum.removed += counts.removed;
        sum.synced += counts.synced;
    }
    printf("whole %u, buckets %u, numbered %u, unnumbered %u, removed %u, synced %u\n", sum.whole, sum.buckets,
           sum.numbered, sum.unnumbered, sum.removed, sum.synced);
    /* Each way to the right state has been gone often. */
    cr_assert_gt(sum.whole, 1000);
    cr_assert_gt(sum.buckets, 500);
    cr_assert_gt(sum.numbered, 1000);
    cr_assert_gt(sum.unnumbered, 500);
    cr_assert_gt(sum.removed, 500);
    cr_assert_gt(sum.synced, 1000);
}
