/* After any sequence of changes the incremental state equals that of an engine which only ever saw the final rows, and
 * every agent holds exactly its bytes. Agents come, go, lag, fall silent, lose or spoil their cache meanwhile. Seeded:
 * a failure names the seed of its sequence, and SKR_SEED=n runs that one alone. */
#include "tests/unit/controller/policy/fixture.h"

#define SEQUENCES  1000
#define OPERATIONS 100
#define HOSTS      5
#define WRITES_MAX 1024

/* Slots of each kind, in the order in which rows refer to each other. */
enum kind { PROFILE, CLASSIFICATION, NETWORK, HOST, ADDRESS, VM_NETWORK, SUBNET, ADAPTER, RECORD, KINDS };
#define SLOTS_MAX 24
static const unsigned slots[KINDS] = {3, 3, 2, HOSTS, 16, 3, 6, 12, 24};
static const unsigned weights[KINDS] = {2, 2, 2, 5, 8, 4, 6, 26, 20};
/* Which kinds refer to a kind: rows in use are not deleted. */
static const enum kind users[KINDS][3] = {[PROFILE] = {CLASSIFICATION, KINDS},
                                          [CLASSIFICATION] = {ADAPTER, KINDS},
                                          [NETWORK] = {ADDRESS, VM_NETWORK, KINDS},
                                          [HOST] = {ADDRESS, ADAPTER, KINDS},
                                          [ADDRESS] = {KINDS},
                                          [VM_NETWORK] = {SUBNET, ADAPTER, RECORD},
                                          [SUBNET] = {ADAPTER, RECORD, KINDS},
                                          [ADAPTER] = {RECORD, KINDS},
                                          [RECORD] = {KINDS}};

struct slot {
    struct skr_object *row; /* NULL: free */
    unsigned number;        /* of its id; a new one each time */
    int parents[KINDS];     /* slots it refers to, -1: none */
};

struct model {
    struct world world;
    struct slot slots[KINDS][SLOTS_MAX];
    unsigned numbers;
    uint64_t random;
    int64_t writes[WRITES_MAX];
    size_t write_count;
};

static unsigned pick(struct model *m, unsigned below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (unsigned)((m->random >> 11) % below);
}

static bool chance(struct model *m, unsigned percent)
{
    return pick(m, 100) < percent;
}

/* A random existing slot of a kind that `with` (a slot of kind `of`) holds, -1: none. */
static int existing(struct model *m, enum kind kind, enum kind of, int with)
{
    int found = -1;
    unsigned seen = 0;
    for (unsigned i = 0; i < slots[kind]; i++) {
        const struct slot *slot = &m->slots[kind][i];
        if (slot->row && (with < 0 || slot->parents[of] == with) && pick(m, ++seen) == 0)
            found = (int)i;
    }
    return found;
}

static unsigned number(const struct model *m, enum kind kind, int slot)
{
    return slot < 0 ? 0 : m->slots[kind][slot].number;
}

static bool is_used(const struct model *m, enum kind kind, int slot)
{
    for (int u = 0; u < 3 && users[kind][u] != KINDS; u++)
        for (unsigned i = 0; i < slots[users[kind][u]]; i++) {
            const struct slot *user = &m->slots[users[kind][u]][i];
            if (user->row && user->parents[kind] == slot)
                return true;
        }
    return false;
}

/* ---- rows with random values; parents stand already, except where an update may change them ---- */

static struct skr_object *make_profile(struct model *m, int slot, struct slot *s)
{
    return profile_row(s->number, slot == 0 ? "Medium bandwidth adapter" : "other", slot == 0, chance(m, 40));
}

static struct skr_object *make_classification(struct model *m, struct slot *s)
{
    s->parents[PROFILE] = existing(m, PROFILE, 0, -1);
    return s->parents[PROFILE] < 0 ? NULL : classification_row(s->number, number(m, PROFILE, s->parents[PROFILE]));
}

static struct skr_object *make_host(struct model *m, int slot, struct slot *s)
{
    char name[16];
    snprintf(name, sizeof(name), "host-%d-%u", slot, pick(m, 3));
    struct skr_object *object = host_row(s->number, name, chance(m, 8) ? "revoked" : "enrolled");
    if (chance(m, 5))
        skr_object_set_text(object, SKR_HOST_STATE, "removed");
    if (chance(m, 30))
        skr_object_set_text(object, SKR_HOST_REMEDIATION, "manual");
    return object;
}

static struct skr_object *make_address(struct model *m, int slot, struct slot *s)
{
    char text[32];
    bool fresh = !s->row;
    if (fresh) {
        s->parents[HOST] = existing(m, HOST, 0, -1);
        s->parents[NETWORK] = existing(m, NETWORK, 0, -1);
    }
    if (s->parents[HOST] < 0 || s->parents[NETWORK] < 0)
        return NULL;
    snprintf(text, sizeof(text), "10.1.%d.%u", slot, pick(m, 3) + 1);
    return provider_address_row(s->number, number(m, HOST, s->parents[HOST]), number(m, NETWORK, s->parents[NETWORK]),
                                chance(m, 20) ? NULL : text);
}

static struct skr_object *make_vm_network(struct model *m, struct slot *s)
{
    if (!s->row)
        s->parents[NETWORK] = existing(m, NETWORK, 0, -1);
    return s->parents[NETWORK] < 0 ? NULL
                                   : vm_network_row(s->number, number(m, NETWORK, s->parents[NETWORK]),
                                                    chance(m, 50) ? 0 : 1300 + (int)pick(m, 3));
}

static struct skr_object *make_subnet(struct model *m, struct slot *s)
{
    if (!s->row)
        s->parents[VM_NETWORK] = existing(m, VM_NETWORK, 0, -1);
    if (s->parents[VM_NETWORK] < 0)
        return NULL;
    struct skr_object *object = vm_subnet_row(s->number, number(m, VM_NETWORK, s->parents[VM_NETWORK]));
    char text[16];
    snprintf(text, sizeof(text), "subnet-%u", pick(m, 3));
    skr_object_set_text(object, SKR_FIELD_NAME, text);
    return object;
}

static struct skr_object *make_adapter(struct model *m, struct slot *s)
{
    if (!s->row) {
        s->parents[SUBNET] = existing(m, SUBNET, 0, -1);
        s->parents[VM_NETWORK] = s->parents[SUBNET] < 0 ? -1 : m->slots[SUBNET][s->parents[SUBNET]].parents[VM_NETWORK];
    } else if (chance(m, 10)) { /* to another subnet of its VM network: immutable now, and still to be right */
        s->parents[SUBNET] = existing(m, SUBNET, VM_NETWORK, s->parents[VM_NETWORK]);
    }
    if (s->parents[SUBNET] < 0)
        return NULL;
    if (!s->row || chance(m, 60))
        s->parents[HOST] = chance(m, 80) ? existing(m, HOST, 0, -1) : -1;
    if (!s->row || chance(m, 30))
        s->parents[CLASSIFICATION] = chance(m, 50) ? existing(m, CLASSIFICATION, 0, -1) : -1;
    struct skr_object *object =
            adapter_row(s->number, number(m, VM_NETWORK, s->parents[VM_NETWORK]), number(m, SUBNET, s->parents[SUBNET]),
                        number(m, HOST, s->parents[HOST]), number(m, CLASSIFICATION, s->parents[CLASSIFICATION]));
    if (chance(m, 20))
        skr_object_set_text(object, SKR_NETWORK_ADAPTER_INTERFACE, "tap7");
    return object;
}

static struct skr_object *make_record(struct model *m, struct slot *s)
{
    if (!s->row)
        s->parents[ADAPTER] = existing(m, ADAPTER, 0, -1);
    if (s->parents[ADAPTER] < 0)
        return NULL;
    const struct slot *adapter = &m->slots[ADAPTER][s->parents[ADAPTER]];
    s->parents[VM_NETWORK] = adapter->parents[VM_NETWORK];
    s->parents[SUBNET] = adapter->parents[SUBNET];
    return record_row(s->number, adapter->number, number(m, VM_NETWORK, s->parents[VM_NETWORK]),
                      number(m, SUBNET, s->parents[SUBNET]), pick(m, 6));
}

static struct skr_object *make(struct model *m, enum kind kind, int slot, struct slot *s)
{
    switch (kind) {
    case PROFILE:
        return make_profile(m, slot, s);
    case CLASSIFICATION:
        return make_classification(m, s);
    case NETWORK:
        return logical_network_row(s->number, chance(m, 50) ? "nvgre" : "vxlan", chance(m, 50) ? 1500 : 9000);
    case HOST:
        return make_host(m, slot, s);
    case ADDRESS:
        return make_address(m, slot, s);
    case VM_NETWORK:
        return make_vm_network(m, s);
    case SUBNET:
        return make_subnet(m, s);
    case ADAPTER:
        return make_adapter(m, s);
    default:
        return make_record(m, s);
    }
}

/* ---- operations ---- */

static struct agent *agent_of(struct model *m, int slot)
{
    return &m->world.agents[slot];
}

static void put_row(struct model *m, enum kind kind, int slot)
{
    struct slot *s = &m->slots[kind][slot];
    struct slot next = *s;

    if (!s->row) {
        memset(next.parents, 0xff, sizeof(next.parents));
        next.number = ++m->numbers;
    }
    struct skr_object *row = make(m, kind, slot, &next);
    if (!row)
        return;
    if (kind == HOST && !s->row) {
        agent_disconnect(&m->world, agent_of(m, slot));
        agent_forget(agent_of(m, slot));
        agent_of(m, slot)->host = uuid_of(SKR_HOST, next.number);
    }
    skr_object_unref(next.row);
    next.row = skr_object_ref(row);
    *s = next;
    put(&m->world, row);
}

static bool delete_row(struct model *m, enum kind kind, int slot)
{
    struct slot *s = &m->slots[kind][slot];

    if (!s->row || is_used(m, kind, slot))
        return false;
    put_op(&m->world, SKR_CHANGE_DELETE, s->row);
    s->row = NULL;
    return true;
}

static void operate(struct model *m)
{
    unsigned total = 0, at;
    enum kind kind = PROFILE;

    for (int k = 0; k < KINDS; k++)
        total += weights[k];
    for (at = pick(m, total); at >= weights[kind]; kind++)
        at -= weights[kind];
    int slot = (int)pick(m, slots[kind]);
    if (!(chance(m, 25) && delete_row(m, kind, slot)))
        put_row(m, kind, slot);
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
        if (chance(m, 30) && m->slots[HOST][slot].row)
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
    for (int i = 0; i < HOSTS; i++) {
        struct agent *agent = agent_of(m, i);
        while (agent_step(&m->world, agent))
            ;
        agent->answers = true;
        if (chance(m, 50) || !agent->connected) {
            agent_disconnect(&m->world, agent);
            if (m->slots[HOST][i].row)
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

static void expect_recompute_equal(struct model *m, uint64_t seed)
{
    static struct world fresh;

    world_init(&fresh, NULL);
    fresh.now = m->world.now;
    for (int kind = 0; kind < KINDS; kind++) {
        for (unsigned i = 0; i < slots[kind]; i++)
            if (m->slots[kind][i].row)
                put(&fresh, skr_object_ref(m->slots[kind][i].row));
        if (fresh.change_count)
            commit(&fresh);
    }
    char *incremental = skr_policy_dump(m->world.policy), *recomputed = skr_policy_dump(fresh.policy);
    cr_assert_str_eq(incremental, recomputed, "seed %lu", (unsigned long)seed);
    free(incremental);
    free(recomputed);
    world_done(&fresh);
}

/* Everybody is connected and has answered: no write may be pending, and only missing provider addresses may fail. */
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
            cr_assert_eq(strncmp(r.hosts[n].reason, "no_provider_address", 19), 0);
    }
}

static struct counts run_sequence(uint64_t seed)
{
    static struct model m;
    static const uint32_t windows[] = {0, 1, 300, 2000};
    struct skr_policy_options options = {0};

    memset(&m, 0, sizeof(m));
    m.random = seed * 0x9e3779b97f4a7c15ULL + 1;
    options.window_bytes = windows[pick(&m, 4)];
    world_init(&m.world, &options);
    for (int i = 0; i < HOSTS; i++)
        agent_new(&m.world, &(struct skr_uuid){{0}});
    for (int kind = 0; kind < KINDS; kind++) /* something to begin with */
        for (unsigned i = 0; i < slots[kind]; i += 2)
            put_row(&m, (enum kind)kind, (int)i);
    commit_write(&m);

    for (int i = 0; i < OPERATIONS; i++) {
        operate(&m);
        if (chance(&m, 70))
            commit_write(&m);
        for (int a = 0; a < HOSTS; a++)
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
    for (int kind = 0; kind < KINDS; kind++)
        for (unsigned i = 0; i < slots[kind]; i++)
            skr_object_unref(m.slots[kind][i].row);
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
