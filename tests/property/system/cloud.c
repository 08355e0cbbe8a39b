#include "tests/property/system/cloud.h"
#include <skerry/log.h>
#include <stdlib.h>
#include <unistd.h>

unsigned cloud_pick(struct cloud *cloud, unsigned below)
{
    cloud->random ^= cloud->random << 13;
    cloud->random ^= cloud->random >> 7;
    cloud->random ^= cloud->random << 17;
    return (unsigned)((cloud->random >> 11) % below);
}

bool cloud_chance(struct cloud *cloud, unsigned percent)
{
    return cloud_pick(cloud, 100) < percent;
}

/* ---- what the policy says ---- */

static struct sim_agent *by_number(struct cloud *cloud, uint64_t number)
{
    for (unsigned i = 0; i < CLOUD_AGENTS; i++)
        if (cloud->agents[i].number == number)
            return &cloud->agents[i];
    return NULL;
}

static void on_send(void *arg, uint64_t session, struct skr_shared_bytes *frame)
{
    struct sim_agent *agent = by_number(arg, session);
    if (!agent)
        return;
    cr_assert_lt(agent->count, SIM_FRAMES_MAX);
    agent->frames[(agent->first + agent->count++) % SIM_FRAMES_MAX] = skr_shared_bytes_ref(frame);
}

static void on_close(void *arg, uint64_t session, const char *reason)
{
    struct sim_agent *agent = by_number(arg, session);
    (void)reason;
    if (agent)
        agent->closing = true;
}

static void on_synced(void *arg, const struct skr_uuid *host_id, int64_t revision)
{
    struct cloud *cloud = arg;
    if (cloud->synced)
        cloud->synced(cloud, host_id, revision);
}

static void ignore_send(void *arg, uint64_t session, struct skr_shared_bytes *frame)
{
    (void)arg;
    (void)session;
    (void)frame;
}

static void ignore_close(void *arg, uint64_t session, const char *reason)
{
    (void)arg;
    (void)session;
    (void)reason;
}

static void ignore_synced(void *arg, const struct skr_uuid *host_id, int64_t revision)
{
    (void)arg;
    (void)host_id;
    (void)revision;
}

/* ---- life ---- */

void cloud_begin(struct cloud *cloud, uint64_t seed)
{
    memset(cloud, 0, sizeof(*cloud));
    skr_log_init(SKR_LOG_WARNING, false);
    cloud->seed = seed;
    cloud->random = seed * 0x9e3779b97f4a7c15ULL + 77;
    cloud->now = SECOND;
    snprintf(cloud->directory, sizeof(cloud->directory), "%s/skr-system-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert_not_null(mkdtemp(cloud->directory));
    cloud->base = event_base_new();
    cr_assert_not_null(cloud->base);
    for (unsigned i = 0; i < CLOUD_AGENTS; i++)
        sim_agent_new(&cloud->agents[i], cloud, i);
}

void cloud_end(struct cloud *cloud)
{
    for (unsigned i = 0; i < CLOUD_AGENTS; i++)
        sim_agent_free(&cloud->agents[i]);
    event_base_free(cloud->base);
    cr_assert_eq(rmdir(cloud->directory), 0, "%s is not empty", cloud->directory);
}

void cloud_up(struct cloud *cloud)
{
    struct skr_error error = {0};
    cr_assert_eq(skr_realization_table_new(&cloud->table), 0);
    cloud->options.realizations = cloud->table;
    cloud->options.output = (struct skr_policy_output){on_send, on_close, on_synced, cloud};
    cr_assert_eq(skr_policy_new(&cloud->options, &cloud->policy, &error), 0);
}

void cloud_down(struct cloud *cloud)
{
    for (unsigned i = 0; i < CLOUD_AGENTS; i++) {
        sim_agent_cut(&cloud->agents[i]);
        cloud->agents[i].ghost = 0;
    }
    skr_policy_free(SKR_TAKE(cloud->policy));
    skr_realization_table_free(SKR_TAKE(cloud->table));
}

struct skr_policy *cloud_policy(const struct cloud *cloud, struct skr_realization_table **ret_table)
{
    struct skr_policy_options options = cloud->options;
    struct skr_error error = {0};
    struct skr_policy *policy;
    cr_assert_eq(skr_realization_table_new(ret_table), 0);
    options.realizations = *ret_table;
    options.output = (struct skr_policy_output){ignore_send, ignore_close, ignore_synced, NULL};
    cr_assert_eq(skr_policy_new(&options, &policy, &error), 0);
    return policy;
}

void cloud_run(struct cloud *cloud)
{
    skr_policy_run(cloud->policy, cloud->now);
}

void cloud_live(struct cloud *cloud)
{
    for (unsigned i = 0; i < CLOUD_AGENTS; i++)
        if (cloud_chance(cloud, 50))
            sim_agent_act(&cloud->agents[i]);
    cloud->now += cloud_chance(cloud, 20) ? (int64_t)cloud_pick(cloud, 8) * SECOND : 1000000;
    cloud_run(cloud);
}

void cloud_wrote(struct cloud *cloud, int64_t revision)
{
    cr_assert_lt(cloud->write_count, CLOUD_WRITES_MAX);
    cloud->writes[cloud->write_count++] = revision;
}

static const struct host *active_host(const struct cloud *cloud, const struct sim_agent *agent)
{
    const struct host *host = skr_policy_graph_find(cloud->policy, SKR_HOST, &agent->identity.host_id);
    return host && host->active ? host : NULL;
}

static void settle(struct cloud *cloud)
{
    for (bool busy = true; busy;) {
        busy = skr_policy_run(cloud->policy, cloud->now) > 0;
        for (unsigned i = 0; i < CLOUD_AGENTS; i++) {
            struct sim_agent *agent = &cloud->agents[i];
            sim_agent_catch_up(agent, 100);
            while (sim_agent_step(agent))
                busy = true;
            sim_agent_catch_up(agent, 100);
            busy |= sim_agent_talk(agent, UINT32_MAX);
        }
    }
}

void cloud_quiesce(struct cloud *cloud)
{
    for (int round = 0; round < 6; round++) {
        for (unsigned i = 0; i < CLOUD_AGENTS; i++)
            if (cloud->agents[i].swallowed)
                sim_agent_disconnect(&cloud->agents[i], true);
        for (unsigned i = 0; i < CLOUD_AGENTS; i++)
            if (!cloud->agents[i].number && active_host(cloud, &cloud->agents[i]))
                sim_agent_connect(&cloud->agents[i]);
        settle(cloud);
        cloud->now += 61 * SECOND;
    }
    settle(cloud);
}

/* ---- what must hold ---- */

static void expect_scope(const struct cloud *cloud, const struct sim_agent *agent, const struct member *member)
{
    unsigned long seed = cloud->seed;
    const struct scope *scope = member->scope;
    const struct skr_desired_scope *theirs =
            skr_desired_scope_find(agent->desired, (Skerry__V1__ScopeKind)scope->key.type, &scope->key.id);
    uint32_t cursor = 0;

    cr_assert_not_null(theirs, "seed %lu: a scope is missing", seed);
    cr_assert_eq(HASH_COUNT(theirs->objects), scope->objects.count, "seed %lu: %u objects, not %u", seed,
                 HASH_COUNT(theirs->objects), scope->objects.count);
    for (const struct scope_object *mine; (mine = skr_id_map_next(&scope->objects, &cursor));) {
        struct skr_desired_object_key key = {.type = mine->key.type, .id = mine->key.id};
        const struct skr_desired_object *object = skr_desired_object_find(theirs->objects, &key);
        cr_assert(object && object->size == mine->size && memcmp(object->bytes, mine->bytes, mine->size) == 0,
                  "seed %lu: an object of type %u differs", seed, mine->key.type);
    }
    cr_assert_eq(theirs->digest, scope->digest, "seed %lu", seed);
    cr_assert_eq(member->acked, scope->version, "seed %lu: the last version is not acknowledged", seed);
}

void cloud_expect_equal(struct cloud *cloud)
{
    unsigned long seed = cloud->seed;
    for (unsigned i = 0; i < CLOUD_AGENTS; i++) {
        struct sim_agent *agent = &cloud->agents[i];
        const struct host *host = active_host(cloud, agent);
        const struct member *member;
        if (!host)
            continue;
        cr_assert(agent->number, "seed %lu: agent %u has no session", seed, i);
        cr_assert_eq(HASH_COUNT(agent->desired->scopes), host->members.count,
                     "seed %lu: agent %u has %u scopes, not %u", seed, i, HASH_COUNT(agent->desired->scopes),
                     host->members.count);
        LIST_FOREACH (member, &host->member_list, host_link)
            expect_scope(cloud, agent, member);
        cr_assert_eq(skr_desired_root_digest(agent->desired), skr_policy_host_root_digest(cloud->policy, host));
        sim_agent_expect_compiled(agent);
    }
}

static bool is_excused(const char *reason, const char *const *excused)
{
    for (; excused && *excused; excused++)
        if (strncmp(reason, *excused, strlen(*excused)) == 0)
            return true;
    return false;
}

void cloud_expect_realized(struct cloud *cloud, const char *const *excused)
{
    for (size_t i = 0; i < cloud->write_count; i++) {
        struct skr_realization r;
        long revision = (long)cloud->writes[i];
        unsigned long seed = cloud->seed;
        cr_assert_eq(skr_realization_of_write(cloud->table, revision, &r), 0, "seed %lu: write %ld", seed, revision);
        cr_assert_eq(r.pending + r.offline, 0, "seed %lu: write %ld: %u pending, %u offline: %s", seed, revision,
                     r.pending, r.offline, r.hosts[0].reason);
        for (uint32_t n = 0; n < r.named; n++)
            cr_assert(is_excused(r.hosts[n].reason, excused), "seed %lu: write %ld failed: %s", seed, revision,
                      r.hosts[n].reason);
        cr_assert(r.state == SKR_REALIZATION_REALIZED || r.failed, "seed %lu: write %ld is not realized", seed,
                  revision);
    }
}
