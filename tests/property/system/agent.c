/* One agent: real desired state, program and session over the fast path in memory; its host is simulated. */
#include "tests/property/system/cloud.h"
#include <errno.h>
#include <event2/buffer.h>
#include <unistd.h>

/* ---- the host ---- */

static struct sim_port *port_of(struct sim_agent *agent, const struct skr_uuid *adapter_id)
{
    for (unsigned i = 0; i < agent->port_count; i++)
        if (skr_uuid_compare(&agent->ports[i].adapter_id, adapter_id) == 0)
            return &agent->ports[i];
    cr_assert_lt(agent->port_count, SIM_PORTS_MAX);
    struct sim_port *port = &agent->ports[agent->port_count];
    *port = (struct sim_port){.adapter_id = *adapter_id, .next_ifindex = 1000 + 100 * agent->port_count};
    agent->port_count++;
    return port;
}

static void on_port(struct sim_agent *agent, const struct skr_desired_change *change)
{
    struct sim_port *port = port_of(agent, &change->id);
    if (!change->after) {
        skr_program_bind(agent->program, &change->id, 0, false);
        return;
    }
    bool appears = !port->ifindex && cloud_chance(agent->cloud, 60);
    if (appears)
        port->ifindex = port->next_ifindex++;
    if (appears || !change->before)
        skr_program_bind(agent->program, &change->id, port->ifindex, false);
}

static void stand(struct sim_agent *agent, struct sim_pa *pa, bool stands)
{
    const Skerry__V1__ScopeKind kind = SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST;
    const Skerry__V1__ObjectType type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS;
    pa->done = stands;
    skr_program_own_pa(agent->program, &pa->address, stands ? 90 : 0, 1500);
    skr_desired_failure_set(agent->desired, kind, &agent->identity.host_id, type, &pa->object_id, SKR_DESIRED_HOST,
                            stands ? NULL : "no_uplink: the provider address does not stand on its uplink");
}

/* The object of an address was replaced: the address stays. */
static bool stands_for_another(const struct sim_agent *agent, const struct skr_address *address)
{
    for (unsigned i = 0; i < agent->pa_count; i++)
        if (agent->pas[i].done && skr_address_compare(&agent->pas[i].address, address) == 0)
            return true;
    return false;
}

static void on_provider_address(struct sim_agent *agent, const struct skr_desired_change *change)
{
    const Skerry__V1__ProviderAddress *after = (const void *)change->after;
    for (unsigned i = 0; i < agent->pa_count; i++)
        if (skr_uuid_compare(&agent->pas[i].object_id, &change->id) == 0) {
            struct skr_address address = agent->pas[i].address;
            agent->pas[i] = agent->pas[--agent->pa_count];
            if (!stands_for_another(agent, &address))
                skr_program_own_pa(agent->program, &address, 0, 0);
        }
    if (!after)
        return;
    cr_assert_lt(agent->pa_count, SIM_PAS_MAX);
    struct sim_pa *pa = &agent->pas[agent->pa_count++];
    *pa = (struct sim_pa){.object_id = change->id};
    skr_body_address(&after->address, &pa->address);
    stand(agent, pa, cloud_chance(agent->cloud, 70));
}

static void on_changes(void *arg, const struct skr_desired_change *changes, size_t count)
{
    struct sim_agent *agent = arg;
    for (size_t i = 0; i < count; i++)
        if (changes[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT)
            on_port(agent, &changes[i]);
        else if (changes[i].type == SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS)
            on_provider_address(agent, &changes[i]);
}

static void on_remote_pa(void *arg, const struct skr_address *address, const struct skr_address *source)
{
    struct sim_agent *agent = arg;
    for (unsigned i = 0; i < agent->neighbor_count; i++)
        if (skr_address_compare(&agent->neighbors[i].address, address) == 0) {
            struct sim_pa *known = &agent->neighbors[i];
            cr_assert(!source || skr_address_compare(&known->source, source) != 0, "a neighbour is asked for twice");
            if (source)
                known->source = *source;
            else
                *known = agent->neighbors[--agent->neighbor_count];
            return;
        }
    cr_assert(source != NULL, "a neighbour is given back that nobody asked for");
    cr_assert_lt(agent->neighbor_count, SIM_PAS_MAX);
    agent->neighbors[agent->neighbor_count++] = (struct sim_pa){.address = *address, .source = *source};
}

static struct skr_abi_neighbor neighbor_of(const struct skr_address *address)
{
    struct skr_abi_neighbor neighbor = {.ifindex = 90, .source_mac = {2, 1}, .destination_mac = {2, 2}};
    memcpy(neighbor.destination_mac + 2, address->bytes + 12, 4);
    return neighbor;
}

void sim_agent_catch_up(struct sim_agent *agent, unsigned percent)
{
    struct cloud *cloud = agent->cloud;
    for (unsigned i = 0; i < agent->port_count; i++) {
        struct sim_port *port = &agent->ports[i];
        bool restarts = percent < 100 && cloud_chance(cloud, 3);
        const ProtobufCMessage *placed =
                skr_desired_get(agent->desired, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, &agent->identity.host_id,
                                SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &port->adapter_id);
        if (!placed || (port->ifindex && !restarts) || !cloud_chance(cloud, percent))
            continue;
        port->ifindex = restarts ? 0 : port->next_ifindex++;
        skr_program_bind(agent->program, &port->adapter_id, port->ifindex, false);
    }
    for (unsigned i = 0; i < agent->pa_count; i++)
        if (!agent->pas[i].done && cloud_chance(cloud, percent))
            stand(agent, &agent->pas[i], true);
        else if (percent < 100 && cloud_chance(cloud, 2))
            stand(agent, &agent->pas[i], false);
    for (unsigned i = 0; i < agent->neighbor_count; i++)
        if (!agent->neighbors[i].done && cloud_chance(cloud, percent)) {
            struct skr_abi_neighbor neighbor = neighbor_of(&agent->neighbors[i].address);
            agent->neighbors[i].done = true;
            skr_program_neighbor(agent->program, &agent->neighbors[i].address, &neighbor);
        }
    if (agent->number)
        skr_session_acknowledge(agent->session);
}

/* ---- the process ---- */

static void on_synced(void *arg)
{
    struct sim_agent *agent = arg;
    agent->cloud->counts.synced++;
    if (!agent->settled)
        skr_program_remove_unintended(agent->program);
    agent->settled = true;
}

static void start(struct sim_agent *agent)
{
    struct skr_error error = {0};
    skr_desired_new(&agent->desired);
    skr_program_new(agent->fastpath, agent->desired, &agent->program);
    skr_program_on_remote_pa(agent->program, on_remote_pa, agent);
    skr_desired_listen(agent->desired, skr_program_changes, agent->program);
    skr_desired_listen(agent->desired, on_changes, agent);
    agent->pa_count = agent->neighbor_count = 0;
    agent->settled = false;
    skr_program_hold(agent->program, true);
    int r = skr_desired_load(agent->desired, agent->cache, &error);
    cr_assert(r == 0 || r == -ENOENT, "the cache cannot be read: %s", error.detail);
    skr_program_hold(agent->program, false);
    const struct skr_session_options options = {.base = agent->cloud->base,
                                                .identity = &agent->identity,
                                                .desired = agent->desired,
                                                .fastpath = "memory",
                                                .cache_path = agent->cache,
                                                .synced = on_synced,
                                                .arg = agent};
    cr_assert_eq(skr_session_new(&options, &agent->session, &error), 0);
}

static void forget_journal(const struct sim_agent *agent)
{
    char path[sizeof(agent->cache) + 8];
    snprintf(path, sizeof(path), "%s.journal", agent->cache);
    unlink(path);
}

static void forget_cache(const struct sim_agent *agent)
{
    char proof[sizeof(agent->cache) + 8];
    snprintf(proof, sizeof(proof), "%s.proof", agent->cache);
    unlink(proof);
    unlink(agent->cache);
    forget_journal(agent);
}

/* saved: it ends in peace; else the cache stays what it was when it was last written, and what was noted since may be
 * lost too. */
static void stop(struct sim_agent *agent, bool saved)
{
    if (!saved)
        agent->session->unsaved = false;
    if (!saved && cloud_chance(agent->cloud, 50))
        forget_journal(agent);
    skr_session_free(agent->session);
    skr_program_free(agent->program);
    skr_desired_free(agent->desired);
}

static void wipe_fastpath(struct sim_agent *agent)
{
    agent->fastpath->ops->free(agent->fastpath);
    cr_assert_eq(skr_fastpath_memory_new(NULL, &agent->fastpath, NULL), 0);
}

static void reboot(struct sim_agent *agent)
{
    stop(agent, cloud_chance(agent->cloud, 50));
    wipe_fastpath(agent);
    for (unsigned i = 0; i < agent->port_count; i++)
        agent->ports[i].ifindex = 0;
    start(agent);
    agent->cloud->counts.reboots++;
}

static void restart(struct sim_agent *agent)
{
    stop(agent, cloud_chance(agent->cloud, 60));
    if (cloud_chance(agent->cloud, 20)) {
        forget_cache(agent);
        agent->cloud->counts.losses++;
    }
    start(agent);
    agent->cloud->counts.restarts++;
}

void sim_agent_new(struct sim_agent *agent, struct cloud *cloud, unsigned number)
{
    memset(agent, 0, sizeof(*agent));
    agent->cloud = cloud;
    agent->identity.controller = strdup("none:1");
    snprintf(agent->cache, sizeof(agent->cache), "%s/cache-%u", cloud->directory, number);
    cr_assert_eq(skr_fastpath_memory_new(NULL, &agent->fastpath, NULL), 0);
    start(agent);
}

void sim_agent_free(struct sim_agent *agent)
{
    sim_agent_cut(agent);
    stop(agent, false);
    forget_cache(agent);
    agent->fastpath->ops->free(agent->fastpath);
    free(agent->identity.controller);
}

void sim_agent_become(struct sim_agent *agent, const struct skr_uuid *host_id)
{
    sim_agent_disconnect(agent, true);
    stop(agent, false);
    forget_cache(agent);
    wipe_fastpath(agent);
    agent->port_count = 0;
    agent->identity.host_id = *host_id;
    start(agent);
}

/* ---- the connection ---- */

void sim_agent_cut(struct sim_agent *agent)
{
    for (; agent->count; agent->count--) {
        skr_shared_bytes_unref(agent->frames[agent->first]);
        agent->first = (agent->first + 1) % SIM_FRAMES_MAX;
    }
    agent->number = 0;
    agent->closing = agent->swallowed = false;
    if (agent->session->bev)
        skr_session_disconnect(agent->session, "the connection ended");
}

static void bury(struct sim_agent *agent)
{
    if (agent->ghost)
        skr_policy_session_closed(agent->cloud->policy, agent->ghost);
    agent->ghost = 0;
}

void sim_agent_disconnect(struct sim_agent *agent, bool told)
{
    uint64_t number = agent->number;
    if (!number)
        return;
    agent->cloud->counts.disconnects++;
    sim_agent_cut(agent);
    bury(agent);
    agent->ghost = number;
    if (told)
        bury(agent);
}

void sim_agent_connect(struct sim_agent *agent)
{
    struct skr_session *session = agent->session;
    session->bev = bufferevent_socket_new(agent->cloud->base, -1, 0);
    bufferevent_disable(session->bev, EV_READ | EV_WRITE);
    evbuffer_unfreeze(bufferevent_get_output(session->bev), 1);
    session->state = SKR_SESSION_GREETING;
    agent->number = ++agent->cloud->connections;
    skr_session_greet(session);
}

/* The session gave up by itself. */
static void notice_end(struct sim_agent *agent)
{
    if (agent->number && !agent->session->bev)
        sim_agent_disconnect(agent, true);
}

bool sim_agent_step(struct sim_agent *agent)
{
    Skerry__V1__Envelope *envelope;

    if (agent->count == 0) {
        if (agent->closing)
            sim_agent_disconnect(agent, true);
        return false;
    }
    struct skr_shared_bytes *frame = agent->frames[agent->first];
    agent->first = (agent->first + 1) % SIM_FRAMES_MAX;
    agent->count--;
    cr_assert_eq(skr_frame_unpack(frame->data + SKR_FRAME_HEADER, frame->size - SKR_FRAME_HEADER, &envelope), 0);
    agent->cloud->counts.deltas += envelope->body_case == SKERRY__V1__ENVELOPE__BODY_DELTA;
    bool swallow = envelope->body_case == SKERRY__V1__ENVELOPE__BODY_DELTA && cloud_chance(agent->cloud, 1);
    agent->swallowed |= swallow;
    if (!swallow)
        skr_session_receive(agent->session, envelope);
    cr_assert(!agent->session->rolled_back, "seed %lu: nothing was set back", (unsigned long)agent->cloud->seed);
    if (agent->session->bev && (agent->count == 0 || cloud_chance(agent->cloud, 50)))
        skr_session_acknowledge(agent->session);
    skr_envelope_free(envelope);
    skr_shared_bytes_unref(frame);
    notice_end(agent);
    return true;
}

bool sim_agent_talk(struct sim_agent *agent, unsigned max)
{
    bool any = false;
    for (; agent->number && max; max--) {
        struct evbuffer *output = bufferevent_get_output(agent->session->bev);
        uint8_t header[SKR_FRAME_HEADER];
        Skerry__V1__Envelope *envelope;
        size_t size;
        if (evbuffer_copyout(output, header, sizeof(header)) < (ev_ssize_t)sizeof(header))
            break;
        cr_assert_eq(skr_frame_peek(header, sizeof(header), SKR_FRAME_MAX, &size), 0);
        const uint8_t *bytes = evbuffer_pullup(output, (ev_ssize_t)(SKR_FRAME_HEADER + size));
        cr_assert(bytes && skr_frame_unpack(bytes + SKR_FRAME_HEADER, size, &envelope) == 0);
        cr_assert_eq(evbuffer_drain(output, SKR_FRAME_HEADER + size), 0);
        agent->cloud->counts.resyncs += envelope->body_case == SKERRY__V1__ENVELOPE__BODY_RESYNC;
        if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_HELLO)
            skr_policy_session_open(agent->cloud->policy, agent->number, &agent->identity.host_id, envelope, NULL);
        else
            skr_policy_receive(agent->cloud->policy, agent->number, envelope);
        any = true;
    }
    return any;
}

void sim_agent_act(struct sim_agent *agent)
{
    struct cloud *cloud = agent->cloud;
    unsigned luck = cloud_pick(cloud, 100);

    if (cloud_chance(cloud, 30))
        bury(agent);
    if (luck < 3 || (!agent->number && luck < 15)) {
        sim_agent_disconnect(agent, cloud_chance(cloud, 50));
        if (cloud_chance(cloud, 70))
            restart(agent);
        else
            reboot(agent);
    } else if (luck < 6) {
        sim_agent_disconnect(agent, cloud_chance(cloud, 50));
    } else if (luck < 15) {
        cr_assert_eq(skr_desired_save(agent->desired, agent->cache), 0);
    }
    sim_agent_catch_up(agent, 30);
    if (!agent->number && cloud_chance(cloud, 40) && !skr_uuid_is_nil(&agent->identity.host_id))
        sim_agent_connect(agent);
    for (unsigned steps = cloud_pick(cloud, 12); steps && sim_agent_step(agent); steps--)
        ;
    sim_agent_talk(agent, cloud_pick(cloud, 6));
}

/* ---- compiled from scratch ---- */

struct comparison {
    const struct sim_agent *agent;
    struct skr_fastpath *other;
    enum skr_fastpath_table table;
    const char *who;
};

static int same_entry(void *arg, const void *key, const void *value)
{
    const struct comparison *c = arg;
    uint8_t found[64];
    char text[160];
    unsigned long seed = c->agent->cloud->seed;
    skr_program_describe(c->agent->program, c->table, key, value, text, sizeof(text), NULL);
    cr_assert_eq(c->other->ops->get(c->other, c->table, key, found), 0, "seed %lu: only %s has %s", seed, c->who, text);
    cr_assert_eq(memcmp(found, value, skr_fastpath_table_info(c->table)->value_size), 0, "seed %lu: %s differs", seed,
                 text);
    return 0;
}

/* Records name the host that an adapter has left for a while: until it is over, what an agent was told makes a
 * difference that what it is told does not. */
static void let_moves_end(struct skr_program *program)
{
    skr_program_run(program, 1);
    for (int rounds = 0; rounds < 2 && skr_program_deadline_ns(program) != INT64_MAX; rounds++)
        skr_program_run(program, skr_program_deadline_ns(program));
    cr_assert_eq(skr_program_deadline_ns(program), INT64_MAX, "it matters for one of two times, and no longer");
}

void sim_agent_expect_compiled(struct sim_agent *agent)
{
    static struct sim_agent fresh;
    let_moves_end(agent->program);
    fresh = (struct sim_agent){.cloud = agent->cloud, .identity = agent->identity};
    snprintf(fresh.cache, sizeof(fresh.cache), "%s/scratch", agent->cloud->directory);
    memcpy(fresh.ports, agent->ports, sizeof(fresh.ports));
    fresh.port_count = agent->port_count;
    cr_assert_eq(skr_desired_save(agent->desired, fresh.cache), 0);
    cr_assert_eq(skr_fastpath_memory_new(NULL, &fresh.fastpath, NULL), 0);
    start(&fresh);
    sim_agent_catch_up(&fresh, 100);
    for (int table = 0; table < SKR_TABLE_COUNT; table++) {
        struct comparison there = {agent, fresh.fastpath, table, "the agent"};
        struct comparison back = {agent, agent->fastpath, table, "a fresh compilation"};
        agent->fastpath->ops->walk(agent->fastpath, table, same_entry, &there);
        fresh.fastpath->ops->walk(fresh.fastpath, table, same_entry, &back);
    }
    stop(&fresh, false);
    fresh.fastpath->ops->free(fresh.fastpath);
    forget_cache(&fresh);
}
