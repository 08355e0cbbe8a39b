/* A policy engine with simulated agents: each holds the bytes of its scopes, answers digests and acknowledges deltas,
 * when the test lets it. Rows are skr_objects made by hand. */
#pragma once

#include "controller/policy/graph.h"
#include "tests/support/controller/rows.h"
#include <criterion/criterion.h>
#include <skerry/frame.h>
#include <skerry/object.h>
#include <skerry/shared_bytes.h>
#include <stdlib.h>
#include <string.h>

#define AGENTS_MAX 16
#define FRAMES_MAX 8192
#define WRITE_MAX  128
#define SECOND     INT64_C(1000000000)

struct agent_scope {
    struct skr_map_key key;
    uint64_t version;
    struct skr_id_map objects; /* struct scope_object */
};

struct agent {
    struct skr_uuid host;
    uint64_t session, next_number;
    bool connected, answers; /* answers: may acknowledge */
    bool older;              /* knows no Holder */
    bool owes;               /* has not acknowledged a removal, and only a new session makes up for that */
    struct skr_id_map scopes;
    struct skr_shared_bytes *frames[FRAMES_MAX];
    uint32_t first, count;
    struct agent_scope *partial; /* a delta of several frames is under way */
    struct skr_id_map mentioned; /* of it, struct scope_object keys */
    uint64_t revision, incarnation, synced_revision;
    bool has_database;
    uint32_t first_kind; /* of the first delta since the test set it to 0 */
    char failing[160];   /* reason of a failure to report for failing_id */
    struct skr_uuid failing_id;
    Skerry__V1__ObjectType failing_type;
    char goodbye[160];
};

struct counts {
    unsigned deltas, whole, buckets, unnumbered, numbered, removed, synced, more, requests, bytes;
};

struct world {
    struct skr_policy *policy;
    struct skr_realization_table *table;
    struct agent agents[AGENTS_MAX];
    uint32_t agent_count;
    int64_t now, revision, synced_revision;
    uint64_t sessions;
    unsigned synced_calls;
    struct counts counts;
    struct skr_policy_options options;
    /* The write in progress. */
    struct skr_change changes[WRITE_MAX];
    size_t change_count;
};

/* ---- what the engine emits ---- */

static inline void agent_drop_frames(struct agent *agent)
{
    for (; agent->count; agent->count--) {
        skr_shared_bytes_unref(agent->frames[agent->first]);
        agent->first = (agent->first + 1) % FRAMES_MAX;
    }
}

static void world_send(void *arg, uint64_t session, struct skr_shared_bytes *frame)
{
    struct world *world = arg;
    for (uint32_t i = 0; i < world->agent_count; i++) {
        struct agent *agent = &world->agents[i];
        if (agent->connected && agent->session == session) {
            cr_assert_lt(agent->count, FRAMES_MAX);
            agent->frames[(agent->first + agent->count++) % FRAMES_MAX] = skr_shared_bytes_ref(frame);
        }
    }
}

static void world_close(void *arg, uint64_t session, const char *reason)
{
    struct world *world = arg;
    for (uint32_t i = 0; i < world->agent_count; i++) {
        struct agent *agent = &world->agents[i];
        if (agent->connected && agent->session == session) {
            agent->connected = false;
            agent_drop_frames(agent);
            snprintf(agent->goodbye, sizeof(agent->goodbye), "%s", reason);
        }
    }
}

static void world_synced(void *arg, const struct skr_uuid *host, int64_t revision)
{
    struct world *world = arg;
    (void)host;
    world->synced_calls++;
    world->synced_revision = revision;
}

static inline void world_init(struct world *world, const struct skr_policy_options *options)
{
    struct skr_error error = {0};
    memset(world, 0, sizeof(*world));
    world->now = SECOND;
    cr_assert_eq(skr_realization_table_new(&world->table), 0);
    if (options)
        world->options = *options;
    world->options.realizations = world->table;
    world->options.database_id = uuid_of(99, 1);
    world->options.digest_key = (struct skr_digest_key){11, 22};
    world->options.incarnation = 5;
    world->options.output = (struct skr_policy_output){world_send, world_close, world_synced, world};
    cr_assert_eq(skr_policy_new(&world->options, &world->policy, &error), 0);
}

static inline void map_free_all(struct skr_id_map *map)
{
    uint32_t cursor = 0;
    for (void *element; (element = skr_id_map_next(map, &cursor));)
        free(element);
    skr_id_map_done(map);
}

static inline void agent_forget(struct agent *agent)
{
    uint32_t cursor = 0;
    for (struct agent_scope *scope; (scope = skr_id_map_next(&agent->scopes, &cursor));)
        map_free_all(&scope->objects);
    map_free_all(&agent->scopes);
    map_free_all(&agent->mentioned);
    agent->partial = NULL;
}

static inline void world_done(struct world *world)
{
    for (uint32_t i = 0; i < world->agent_count; i++) {
        agent_drop_frames(&world->agents[i]);
        agent_forget(&world->agents[i]);
    }
    skr_policy_free(world->policy);
    skr_realization_table_free(world->table);
}

static inline void world_run(struct world *world)
{
    skr_policy_run(world->policy, world->now);
}

/* ---- agents ---- */

static inline uint64_t agent_scope_digest(const struct world *world, const struct agent_scope *scope, uint64_t *buckets)
{
    uint64_t sum = 0;
    uint32_t cursor = 0;
    for (const struct scope_object *o; (o = skr_id_map_next(&scope->objects, &cursor));) {
        uint64_t digest = skr_digest_object(&world->options.digest_key, o->key.type, &o->key.id, o->bytes, o->size);
        sum += digest;
        if (buckets)
            buckets[skr_digest_bucket(&o->key.id)] += digest;
    }
    return sum;
}

static inline uint64_t agent_root(const struct world *world, const struct agent *agent)
{
    uint64_t sum = 0;
    uint32_t cursor = 0;
    for (const struct agent_scope *scope; (scope = skr_id_map_next(&agent->scopes, &cursor));) {
        uint8_t bytes[25] = {(uint8_t)scope->key.type};
        uint64_t digest = agent_scope_digest(world, scope, NULL);
        memcpy(bytes + 1, scope->key.id.bytes, 16);
        for (int i = 0; i < 8; i++)
            bytes[17 + i] = (uint8_t)(digest >> (8 * i));
        sum += skr_siphash(&world->options.digest_key, bytes, sizeof(bytes));
    }
    return sum;
}

/* Packs and unpacks, so that what the engine gets is its own. */
static inline Skerry__V1__Envelope *envelope_copy(const Skerry__V1__Envelope *envelope)
{
    uint8_t *frame;
    size_t size;
    Skerry__V1__Envelope *copy;
    cr_assert_eq(skr_frame_pack(envelope, &frame, &size), 0);
    cr_assert_eq(skr_frame_unpack(frame + SKR_FRAME_HEADER, size - SKR_FRAME_HEADER, &copy), 0);
    free(frame);
    return copy;
}

static inline void agent_say(struct world *world, struct agent *agent, const Skerry__V1__Envelope *envelope)
{
    skr_policy_receive(world->policy, agent->session, envelope_copy(envelope));
}

static inline struct agent *agent_new(struct world *world, const struct skr_uuid *host)
{
    struct agent *agent = &world->agents[world->agent_count++];
    *agent = (struct agent){.host = *host, .answers = true};
    return agent;
}

static inline void agent_connect(struct world *world, struct agent *agent)
{
    static const char *const authorities[] = {"first", "second", NULL};
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Hello hello = SKERRY__V1__HELLO__INIT;

    agent_drop_frames(agent);
    map_free_all(&agent->mentioned);
    agent->partial = NULL;
    agent->connected = true;
    agent->owes = false;
    agent->goodbye[0] = 0;
    agent->session = ++world->sessions;
    hello.protocol_version = 1;
    hello.session_number = ++agent->next_number;
    hello.revision = agent->revision;
    hello.root_digest = agent_root(world, agent);
    hello.holders = !agent->older;
    hello.incarnation = agent->incarnation;
    if (agent->has_database)
        hello.database_id = skr_policy_wire_uuid(&world->options.database_id);
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    skr_policy_session_open(world->policy, agent->session, &agent->host, envelope_copy(&envelope), authorities);
}

static inline void agent_disconnect(struct world *world, struct agent *agent)
{
    if (!agent->connected)
        return;
    agent->connected = false;
    agent_drop_frames(agent);
    map_free_all(&agent->mentioned);
    agent->partial = NULL;
    skr_policy_session_closed(world->policy, agent->session);
}

static inline void agent_say_applied(struct world *world, struct agent *agent, const struct agent_scope *scope)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Applied applied = SKERRY__V1__APPLIED__INIT;
    Skerry__V1__Failure failure = SKERRY__V1__FAILURE__INIT, *list[] = {&failure};

    applied.kind = (Skerry__V1__ScopeKind)scope->key.type;
    applied.id = skr_policy_wire_uuid(&scope->key.id);
    applied.version = scope->version;
    applied.digest = agent_scope_digest(world, scope, NULL);
    if (agent->failing[0] && skr_id_map_get(&scope->objects, agent->failing_type, &agent->failing_id)) {
        failure.type = agent->failing_type;
        failure.id = skr_policy_wire_uuid(&agent->failing_id);
        failure.reason = agent->failing;
        applied.failures = list;
        applied.n_failures = 1;
    }
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_APPLIED;
    envelope.applied = &applied;
    agent_say(world, agent, &envelope);
}

static inline void agent_say_resync(struct world *world, struct agent *agent, const struct agent_scope *scope)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Resync resync = SKERRY__V1__RESYNC__INIT;
    resync.kind = (Skerry__V1__ScopeKind)scope->key.type;
    resync.id = skr_policy_wire_uuid(&scope->key.id);
    resync.version = scope->version;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_RESYNC;
    envelope.resync = &resync;
    agent_say(world, agent, &envelope);
}

static inline void agent_say_scopes(struct world *world, struct agent *agent)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__ScopeDigests digests = SKERRY__V1__SCOPE_DIGESTS__INIT;
    Skerry__V1__ScopeDigest each[256], *list[256];
    uint32_t cursor = 0;

    for (struct agent_scope *scope; (scope = skr_id_map_next(&agent->scopes, &cursor));) {
        Skerry__V1__ScopeDigest *d = &each[digests.n_scopes];
        skerry__v1__scope_digest__init(d);
        d->kind = (Skerry__V1__ScopeKind)scope->key.type;
        d->id = skr_policy_wire_uuid(&scope->key.id);
        d->version = scope->version;
        d->digest = agent_scope_digest(world, scope, NULL);
        list[digests.n_scopes++] = d;
    }
    digests.scopes = list;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_SCOPE_DIGESTS;
    envelope.scope_digests = &digests;
    agent_say(world, agent, &envelope);
}

static inline struct agent_scope *agent_scope_of(struct agent *agent, uint32_t kind, const ProtobufCBinaryData *id,
                                                 bool make)
{
    struct skr_map_key key = {.type = kind};
    memcpy(key.id.bytes, id->data, 16);
    struct agent_scope *scope = skr_id_map_get(&agent->scopes, kind, &key.id);
    if (!scope && make) {
        scope = calloc(1, sizeof(*scope));
        scope->key = key;
        skr_id_map_put(&agent->scopes, scope);
    }
    return scope;
}

static inline void agent_say_buckets(struct world *world, struct agent *agent,
                                     const Skerry__V1__BucketDigestsRequest *request)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__BucketDigests digests = SKERRY__V1__BUCKET_DIGESTS__INIT;
    struct agent_scope *scope = agent_scope_of(agent, request->kind, &request->id, true);
    uint64_t buckets[256] = {0};

    agent_scope_digest(world, scope, buckets);
    digests.kind = request->kind;
    digests.id = request->id;
    digests.digests = buckets;
    digests.n_digests = 256;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_BUCKET_DIGESTS;
    envelope.bucket_digests = &digests;
    agent_say(world, agent, &envelope);
}

static inline void agent_scope_set(struct agent_scope *scope, uint32_t type, const struct skr_uuid *id,
                                   const ProtobufCBinaryData *body)
{
    free(skr_id_map_remove(&scope->objects, type, id));
    if (!body)
        return;
    struct scope_object *object = calloc(1, sizeof(*object) + body->len);
    object->key = (struct skr_map_key){.id = *id, .type = type};
    object->size = (uint32_t)body->len;
    if (body->len)
        memcpy(object->bytes, body->data, body->len);
    skr_id_map_put(&scope->objects, object);
}

/* Removes what a resync did not mention. */
static inline void agent_sweep(struct agent *agent, struct agent_scope *scope, const Skerry__V1__Delta *delta)
{
    bool swept[256] = {false};
    for (size_t i = 0; i < delta->n_replaced_buckets; i++)
        swept[delta->replaced_buckets[i]] = true;
    for (bool again = true; again;) {
        uint32_t cursor = 0;
        again = false;
        for (struct scope_object *o; (o = skr_id_map_next(&scope->objects, &cursor));)
            if ((delta->replaced_all || swept[skr_digest_bucket(&o->key.id)]) &&
                !skr_id_map_get(&agent->mentioned, o->key.type, &o->key.id)) {
                struct skr_map_key key = o->key;
                agent_scope_set(scope, key.type, &key.id, NULL);
                again = true;
                break;
            }
    }
}

static inline void agent_delta(struct world *world, struct agent *agent, const Skerry__V1__Delta *delta)
{
    struct agent_scope *scope = agent_scope_of(agent, delta->kind, &delta->id, true);

    world->counts.deltas++;
    if (!agent->first_kind)
        agent->first_kind = delta->kind;
    world->counts.whole += delta->replaced_all;
    world->counts.buckets += delta->n_replaced_buckets > 0;
    world->counts.more += delta->more;
    world->counts.numbered += delta->from_version != 0;
    world->counts.unnumbered += delta->from_version == 0 && !delta->replaced_all && !delta->n_replaced_buckets;
    if (delta->from_version != 0)
        cr_assert_eq(delta->from_version, scope->version, "a numbered delta starts where the agent stands");
    for (size_t i = 0; i < delta->n_upserts; i++) {
        struct skr_uuid id;
        memcpy(id.bytes, delta->upserts[i]->id.data, 16);
        agent_scope_set(scope, delta->upserts[i]->type, &id, &delta->upserts[i]->body);
        if (!skr_id_map_get(&agent->mentioned, delta->upserts[i]->type, &id)) {
            struct scope_object *mention = calloc(1, sizeof(*mention));
            mention->key = (struct skr_map_key){.id = id, .type = delta->upserts[i]->type};
            skr_id_map_put(&agent->mentioned, mention);
        }
    }
    for (size_t i = 0; i < delta->n_deletes; i++) {
        struct skr_uuid id;
        memcpy(id.bytes, delta->deletes[i]->id.data, 16);
        agent_scope_set(scope, delta->deletes[i]->type, &id, NULL);
    }
    if (delta->more)
        return;
    agent_sweep(agent, scope, delta);
    map_free_all(&agent->mentioned);
    scope->version = delta->to_version;
    if (delta->revision > agent->revision)
        agent->revision = delta->revision;
    if (agent_scope_digest(world, scope, NULL) != delta->digest)
        agent_say_resync(world, agent, scope);
    else if (agent->answers)
        agent_say_applied(world, agent, scope);
}

static inline void agent_removed(struct world *world, struct agent *agent, const Skerry__V1__ScopeRemoved *removed)
{
    struct agent_scope *scope = agent_scope_of(agent, removed->kind, &removed->id, false);
    world->counts.removed++;
    if (!scope)
        return;
    skr_id_map_remove(&agent->scopes, scope->key.type, &scope->key.id);
    map_free_all(&scope->objects);
    if (agent->answers)
        agent_say_applied(world, agent, scope);
    else
        agent->owes = true;
    free(scope);
}

static inline void agent_welcome(struct agent *agent, const Skerry__V1__Welcome *welcome)
{
    cr_assert_eq(welcome->n_authorities, 2);
    cr_assert_not(welcome->rolled_back);
    agent->has_database = true;
    if (agent->incarnation != welcome->incarnation) {
        uint32_t cursor = 0;
        for (struct agent_scope *scope; (scope = skr_id_map_next(&agent->scopes, &cursor));)
            scope->version = 0;
    }
    agent->incarnation = welcome->incarnation;
}

/* Takes the next frame in. False: there is none. */
static inline bool agent_step(struct world *world, struct agent *agent)
{
    Skerry__V1__Envelope *envelope;

    if (agent->count == 0)
        return false;
    struct skr_shared_bytes *frame = agent->frames[agent->first];
    agent->first = (agent->first + 1) % FRAMES_MAX;
    agent->count--;
    world->counts.bytes += (unsigned)frame->size;
    cr_assert_leq(frame->size, SKR_FRAME_MAX);
    cr_assert_eq(skr_frame_unpack(frame->data + SKR_FRAME_HEADER, frame->size - SKR_FRAME_HEADER, &envelope), 0);
    switch (envelope->body_case) {
    case SKERRY__V1__ENVELOPE__BODY_WELCOME:
        agent_welcome(agent, envelope->welcome);
        break;
    case SKERRY__V1__ENVELOPE__BODY_SCOPE_DIGESTS_REQUEST:
        agent_say_scopes(world, agent);
        break;
    case SKERRY__V1__ENVELOPE__BODY_BUCKET_DIGESTS_REQUEST:
        world->counts.requests++;
        agent_say_buckets(world, agent, envelope->bucket_digests_request);
        break;
    case SKERRY__V1__ENVELOPE__BODY_DELTA:
        agent_delta(world, agent, envelope->delta);
        break;
    case SKERRY__V1__ENVELOPE__BODY_SCOPE_REMOVED:
        agent_removed(world, agent, envelope->scope_removed);
        break;
    case SKERRY__V1__ENVELOPE__BODY_SYNCED:
        world->counts.synced++;
        agent->synced_revision = envelope->synced->revision;
        if (envelope->synced->revision > agent->revision)
            agent->revision = envelope->synced->revision;
        cr_assert_eq(envelope->synced->root_digest, agent_root(world, agent),
                     "Synced names what the agent has by then");
        break;
    default:
        break;
    }
    skr_envelope_free(envelope);
    skr_shared_bytes_unref(frame);
    return true;
}

/* Lets engine and agents talk until nobody has anything to say. */
static inline void world_settle(struct world *world)
{
    for (bool busy = true; busy;) {
        busy = skr_policy_run(world->policy, world->now) > 0;
        for (uint32_t i = 0; i < world->agent_count; i++)
            while (agent_step(world, &world->agents[i]))
                busy = true;
    }
}

/* Every agent that is connected holds exactly what the engine holds for it. */
static inline void world_expect_equal(const struct world *world)
{
    for (uint32_t i = 0; i < world->agent_count; i++) {
        const struct agent *agent = &world->agents[i];
        const struct host *host = skr_policy_graph_find(world->policy, SKR_HOST, &agent->host);
        const struct member *member;
        if (!agent->connected)
            continue;
        cr_assert_not_null(host);
        cr_assert_eq(agent->scopes.count, host->members.count, "agent %u has %u scopes, not %u", i, agent->scopes.count,
                     host->members.count);
        LIST_FOREACH (member, &host->member_list, host_link) {
            const struct agent_scope *scope = skr_id_map_get(&agent->scopes, member->key.type, &member->key.id);
            uint32_t cursor = 0;
            cr_assert_not_null(scope);
            cr_assert_eq(scope->objects.count, member->scope->objects.count);
            for (const struct scope_object *mine; (mine = skr_id_map_next(&member->scope->objects, &cursor));) {
                const struct scope_object *theirs = skr_id_map_get(&scope->objects, mine->key.type, &mine->key.id);
                cr_assert(theirs && theirs->size == mine->size && memcmp(theirs->bytes, mine->bytes, mine->size) == 0);
            }
            cr_assert_eq(agent_scope_digest(world, scope, NULL), member->scope->digest);
            cr_assert_eq(member->acked, member->scope->version);
        }
        cr_assert_eq(agent_root(world, agent), skr_policy_host_root_digest(world->policy, host));
    }
}

/* ---- writes ---- */

/* Adds to the write in progress; takes the object over. */
static inline void put_op(struct world *world, enum skr_change_op op, struct skr_object *object)
{
    cr_assert_lt(world->change_count, WRITE_MAX);
    world->changes[world->change_count++] =
            (struct skr_change){.op = op, .resource = object->resource->id, .object = object};
}

static inline void put(struct world *world, struct skr_object *object)
{
    put_op(world, SKR_CHANGE_PUT, object);
}

/* Commits what was put: one write. Returns its revision. */
static inline int64_t commit(struct world *world)
{
    int64_t last = world->revision + (int64_t)world->change_count;
    for (size_t i = 0; i < world->change_count; i++) {
        world->changes[i].revision = ++world->revision;
        world->changes[i].write_revision = last;
    }
    skr_policy_changes(world->policy, world->changes, world->change_count);
    for (size_t i = 0; i < world->change_count; i++)
        skr_object_unref(world->changes[i].object);
    world->change_count = 0;
    world_run(world);
    return last;
}
