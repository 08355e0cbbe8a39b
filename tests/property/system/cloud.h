/* A controller's policy and real agents without sockets between them: the frames that the policy sends are the frames
 * that the agents' sessions take, and the other way round, when the test lets them through. Hosts are told of taps,
 * addresses and neighbours by hand; the fast path is the one in memory. */
#pragma once

#include "agent/desired/private.h"
#include "agent/fastpath/program.h"
#include "agent/south/session_private.h"
#include "controller/policy/graph.h"
#include <criterion/criterion.h>
#include <skerry/shared_bytes.h>

#define CLOUD_AGENTS     5
#define CLOUD_WRITES_MAX 512
#define SIM_FRAMES_MAX   8192
#define SIM_PORTS_MAX    128
#define SIM_PAS_MAX      64
#define SECOND           INT64_C(1000000000)

struct cloud;

/* A tap; it outlives the agent. */
struct sim_port {
    struct skr_uuid adapter_id;
    uint32_t ifindex, next_ifindex; /* 0: there is none now */
};
/* An address that the agent's rooms ask of the host: its own, or a neighbour's. */
struct sim_pa {
    struct skr_uuid object_id;          /* own: the provider address; nil for a neighbour */
    struct skr_address address, source; /* source: of a neighbour */
    bool done;
};

struct sim_agent {
    struct cloud *cloud;
    struct skr_identity identity;
    char cache[128];
    struct skr_fastpath *fastpath; /* outlives the agent, like what is pinned */
    struct skr_desired *desired;
    struct skr_program *program;
    struct skr_session *session;
    bool settled;
    /* The connection; 0: none. `ghost` is one that the controller still believes in. */
    uint64_t number, ghost;
    bool closing;
    bool swallowed; /* a delta was lost inside the agent: only a resync or a new session mends that */
    struct skr_shared_bytes *frames[SIM_FRAMES_MAX];
    uint32_t first, count;
    /* The host. */
    struct sim_port ports[SIM_PORTS_MAX];
    struct sim_pa pas[SIM_PAS_MAX], neighbors[SIM_PAS_MAX];
    unsigned port_count, pa_count, neighbor_count;
};

struct cloud_counts {
    unsigned restarts, reboots, losses, controllers, resyncs, deltas, synced, disconnects;
};

struct cloud {
    struct skr_policy *policy;
    struct skr_realization_table *table;
    struct skr_policy_options options;
    struct event_base *base; /* never runs: sessions want one for their timers */
    struct sim_agent agents[CLOUD_AGENTS];
    int64_t now;
    uint64_t connections, random, seed;
    int64_t writes[CLOUD_WRITES_MAX];
    size_t write_count;
    struct cloud_counts counts;
    void (*synced)(struct cloud *cloud, const struct skr_uuid *host_id, int64_t revision);
    char directory[64];
};

void cloud_begin(struct cloud *cloud, uint64_t seed);
void cloud_end(struct cloud *cloud);
unsigned cloud_pick(struct cloud *cloud, unsigned below);
bool cloud_chance(struct cloud *cloud, unsigned percent);
/* A policy that knows nothing yet; options.database_id, digest_key and incarnation are set. cloud_down ends every
 * connection. */
void cloud_up(struct cloud *cloud);
void cloud_down(struct cloud *cloud);
/* An empty policy like the cloud's that sends nothing, with a table of its own. */
struct skr_policy *cloud_policy(const struct cloud *cloud, struct skr_realization_table **ret_table);
void cloud_run(struct cloud *cloud);
/* Something happens to agents, connections and time. */
void cloud_live(struct cloud *cloud);
/* Everybody comes back and says everything. */
void cloud_quiesce(struct cloud *cloud);
/* Every agent of an active host holds what the policy holds for it, byte for byte, and so does its fast path. */
void cloud_expect_equal(struct cloud *cloud);
/* Every write is realized. excused: reasons that begin so may fail (the list ends with NULL), NULL: none. */
void cloud_expect_realized(struct cloud *cloud, const char *const *excused);
void cloud_wrote(struct cloud *cloud, int64_t revision);

/* ---- agent.c ---- */

void sim_agent_new(struct sim_agent *agent, struct cloud *cloud, unsigned number);
void sim_agent_free(struct sim_agent *agent);
/* Another host from now on: nothing of the former is left. */
void sim_agent_become(struct sim_agent *agent, const struct skr_uuid *host_id);
void sim_agent_act(struct sim_agent *agent);
void sim_agent_connect(struct sim_agent *agent);
/* told: the controller notices at once. */
void sim_agent_disconnect(struct sim_agent *agent, bool told);
/* The controller says no more, and what it said is lost. */
void sim_agent_cut(struct sim_agent *agent);
/* Takes a frame in; false: there is none. */
bool sim_agent_step(struct sim_agent *agent);
/* Lets what the agent said through, at most `max` frames. */
bool sim_agent_talk(struct sim_agent *agent, unsigned max);
/* Taps, addresses and neighbours that were late. */
void sim_agent_catch_up(struct sim_agent *agent, unsigned percent);
void sim_agent_expect_compiled(struct sim_agent *agent);
