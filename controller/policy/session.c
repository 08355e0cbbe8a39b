/* Sessions: Hello to Welcome, what a root digest decides, and the end of it. */
#include "controller/policy/graph.h"
#include <skerry/clock.h>
#include <skerry/frame.h>
#include <stdlib.h>
#include <string.h>

#define AUTHORITIES_MAX 16

static struct skr_map_key session_key(uint64_t number)
{
    struct skr_map_key key = {0};
    memcpy(key.id.bytes, &number, sizeof(number));
    return key;
}

static struct session *session_find(struct skr_policy *policy, uint64_t number)
{
    struct skr_map_key key = session_key(number);
    return skr_id_map_get(&policy->sessions, 0, &key.id);
}

static void send_to(struct skr_policy *policy, uint64_t number, const Skerry__V1__Envelope *envelope)
{
    size_t size = skerry__v1__envelope__get_packed_size(envelope);
    struct skr_shared_bytes *frame = skr_policy_must(skr_shared_bytes_new(SKR_FRAME_HEADER + size));

    for (int i = 0; i < SKR_FRAME_HEADER; i++)
        frame->data[i] = (uint8_t)(size >> (24 - 8 * i));
    skerry__v1__envelope__pack(envelope, frame->data + SKR_FRAME_HEADER);
    policy->options.output.send(policy->options.output.arg, number, frame);
    skr_shared_bytes_unref(frame);
}

void skr_policy_session_send(struct skr_policy *policy, const struct session *session,
                             const Skerry__V1__Envelope *envelope)
{
    send_to(policy, session->number, envelope);
}

void skr_policy_session_send_removed(struct skr_policy *policy, struct session *session,
                                     const struct skr_map_key *scope, uint64_t version)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__ScopeRemoved removed = SKERRY__V1__SCOPE_REMOVED__INIT;

    removed.kind = (Skerry__V1__ScopeKind)scope->type;
    removed.id = skr_policy_wire_uuid(&scope->id);
    removed.version = version;
    removed.revision = (uint64_t)policy->revision;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_SCOPE_REMOVED;
    envelope.scope_removed = &removed;
    skr_policy_session_send(policy, session, &envelope);
    if (!skr_id_map_get(&session->removed, scope->type, &scope->id)) {
        struct skr_map_key *key = skr_policy_must(malloc(sizeof(*key)));
        *key = *scope;
        skr_id_map_put(&session->removed, key);
    }
}

void skr_policy_session_done(struct session *session)
{
    uint32_t cursor = 0;

    for (void *key; (key = skr_id_map_next(&session->removed, &cursor));)
        free(key);
    skr_id_map_done(&session->removed);
    free(session);
}

/* Forgets the session; who ends it has said so to the other side. */
static void session_free(struct skr_policy *policy, struct session *session)
{
    struct host *host = session->host;
    struct member *member;

    LIST_FOREACH (member, &host->member_list, host_link)
        skr_policy_member_offline(member);
    if (host->sync_due) {
        host->sync_due = false;
        TAILQ_REMOVE(&policy->sync_queue, host, sync_link);
    }
    host->session = NULL;
    skr_realization_host_connected(policy->options.realizations, &host->node.key.id, 0);
    skr_id_map_remove(&policy->sessions, 0, &session->key.id);
    skr_policy_session_done(session);
}

static void refuse(struct skr_policy *policy, uint64_t number, const char *reason)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Goodbye goodbye = SKERRY__V1__GOODBYE__INIT;

    goodbye.reason = (char *)(uintptr_t)reason;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_GOODBYE;
    envelope.goodbye = &goodbye;
    send_to(policy, number, &envelope);
    policy->options.output.close(policy->options.output.arg, number, reason);
}

void skr_policy_session_end(struct skr_policy *policy, struct session *session, const char *reason)
{
    uint64_t number = session->number;

    session_free(policy, session);
    refuse(policy, number, reason);
}

void skr_policy_forget_session(struct skr_policy *policy, uint64_t number)
{
    struct session *session = session_find(policy, number);
    if (session)
        session_free(policy, session);
}

static void send_welcome(struct skr_policy *policy, const struct session *session, const char *const *authority_pems)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Welcome welcome = SKERRY__V1__WELCOME__INIT;
    char *authorities[AUTHORITIES_MAX];

    while (authority_pems && welcome.n_authorities < AUTHORITIES_MAX && authority_pems[welcome.n_authorities]) {
        authorities[welcome.n_authorities] = (char *)(uintptr_t)authority_pems[welcome.n_authorities];
        welcome.n_authorities++;
    }
    welcome.authorities = authorities;
    welcome.protocol_version = SKR_PROTOCOL_VERSION;
    welcome.database_id = skr_policy_wire_uuid(&policy->options.database_id);
    welcome.incarnation = policy->options.incarnation;
    welcome.digest_key_0 = policy->options.digest_key.k0;
    welcome.digest_key_1 = policy->options.digest_key.k1;
    welcome.keepalive_ms = policy->options.keepalive_ms;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_WELCOME;
    envelope.welcome = &welcome;
    skr_policy_session_send(policy, session, &envelope);
}

static struct member *member_of_wire(const struct session *session, Skerry__V1__ScopeKind kind,
                                     const ProtobufCBinaryData *id)
{
    struct skr_map_key key = {.type = kind};

    if (id->len != sizeof(key.id.bytes))
        return NULL;
    memcpy(key.id.bytes, id->data, sizeof(key.id.bytes));
    return skr_policy_member_find(session->host, &key);
}

/* The host has no failures in this scope any more; what it has, Applied lists. */
static void forget_failures(struct skr_policy *policy, const struct member *member)
{
    static const struct skr_realization_failure none;
    skr_realization_applied(policy->options.realizations, &member->key, &member->host->node.key.id, member->acked,
                            &none, 0);
}

/* Equal root digests: every scope is as it should be, and not a byte more has to travel. */
static void start_equal(struct skr_policy *policy, struct session *session, const Skerry__V1__Hello *hello)
{
    struct member *member;

    session->state = SESSION_LIVE;
    for (size_t i = 0; i < hello->n_failing; i++)
        if ((member = member_of_wire(session, hello->failing[i]->kind, &hello->failing[i]->id)))
            member->failing = true;
    LIST_FOREACH (member, &session->host->member_list, host_link) {
        skr_policy_member_online(policy, member, 0, member->scope->digest);
        if (!member->failing)
            forget_failures(policy, member);
        member->failing = false;
    }
    skr_policy_session_pump(policy, session);
}

static void start_digests(struct skr_policy *policy, struct session *session)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__ScopeDigestsRequest request = SKERRY__V1__SCOPE_DIGESTS_REQUEST__INIT;

    session->state = SESSION_DIGESTS;
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_SCOPE_DIGESTS_REQUEST;
    envelope.scope_digests_request = &request;
    skr_policy_session_send(policy, session, &envelope);
}

void skr_policy_open_session(struct skr_policy *policy, uint64_t number, const struct skr_uuid *host_id,
                             const Skerry__V1__Hello *hello, const char *const *authority_pems)
{
    struct host *host = skr_policy_graph_find(policy, SKR_HOST, host_id);

    if (!host || !host->active || session_find(policy, number)) {
        refuse(policy, number, "the host has been removed or revoked");
        return;
    }
    if (host->session && hello->session_number < host->session->agent_number) {
        refuse(policy, number, "a newer session of this host is open");
        return;
    }
    if (host->session)
        skr_policy_session_end(policy, host->session, "a newer session of this host is open");
    skr_policy_host_set_older(policy, host, !hello->holders);

    struct session *session = skr_policy_must(calloc(1, sizeof(*session)));
    session->key = session_key(number);
    session->number = number;
    session->agent_number = hello->session_number;
    session->host = host;
    session->state = SESSION_DIGESTS;
    TAILQ_INIT(&session->queue);
    skr_id_map_put(&policy->sessions, session);
    host->session = session;
    skr_realization_host_connected(policy->options.realizations, host_id, skr_clock_wall_ms());
    if (policy->idle_due == INT64_MAX)
        policy->idle_due = policy->now_ns + INT64_C(1000000000);
    send_welcome(policy, session, authority_pems);
    if (hello->root_digest == skr_policy_host_root_digest(policy, host) && hello->database_id.len == 16)
        start_equal(policy, session, hello);
    else
        start_digests(policy, session);
}

void skr_policy_session_command(struct skr_policy *policy, const struct skr_uuid *host_id,
                                const struct skr_policy_command *command)
{
    const struct host *host = skr_policy_graph_find(policy, SKR_HOST, host_id);
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    Skerry__V1__Command body = SKERRY__V1__COMMAND__INIT;

    if (!host || !host->session)
        return;
    body.kind = command->kind;
    if (command->kind == SKERRY__V1__COMMAND__KIND__KIND_ASK) {
        body.adapter_id = skr_policy_wire_uuid(&command->adapter_id);
        body.customer_address = skr_policy_wire_address(&command->customer_address);
    }
    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_COMMAND;
    envelope.command = &body;
    skr_policy_session_send(policy, host->session, &envelope);
}

/* Hears what the agent holds, scope by scope. */
static void receive_scope_digests(struct skr_policy *policy, struct session *session,
                                  const Skerry__V1__ScopeDigests *digests)
{
    struct member *member;

    if (session->state != SESSION_DIGESTS)
        return;
    session->state = SESSION_LIVE;
    LIST_FOREACH (member, &session->host->member_list, host_link)
        member->sync = MEMBER_WHOLE;
    for (size_t i = 0; i < digests->n_scopes; i++) {
        const Skerry__V1__ScopeDigest *scope = digests->scopes[i];
        member = member_of_wire(session, scope->kind, &scope->id);
        if (member) {
            skr_policy_member_online(policy, member, scope->version, scope->digest);
            if (!scope->failing)
                forget_failures(policy, member);
        } else if (scope->id.len == 16) {
            struct skr_map_key key = {.type = scope->kind};
            memcpy(key.id.bytes, scope->id.data, 16);
            skr_policy_session_send_removed(policy, session, &key, scope->version);
        }
    }
    LIST_FOREACH (member, &session->host->member_list, host_link) {
        if (member->sync == MEMBER_WHOLE) {
            skr_policy_member_acked(policy, member, 0, 0, NULL, 0);
            forget_failures(policy, member);
        }
        skr_policy_member_send(policy, member, NULL);
    }
    skr_policy_session_pump(policy, session);
}

static void receive_bucket_digests(struct skr_policy *policy, struct session *session,
                                   const Skerry__V1__BucketDigests *digests)
{
    struct member *member = member_of_wire(session, digests->kind, &digests->id);

    if (!member || member->sync != MEMBER_WAIT_BUCKETS)
        return;
    if (digests->n_digests != SKR_DIGEST_BUCKETS) {
        skr_policy_session_end(policy, session, "bucket digests must be 256");
        return;
    }
    skr_policy_member_bucket_digests(policy, member, digests->digests);
    skr_policy_session_pump(policy, session);
}

/* The answer to ScopeRemoved: nothing is left of the scope, so its digest is 0. */
static bool receive_dropped(struct session *session, const Skerry__V1__Applied *applied)
{
    struct skr_uuid id;

    if (applied->digest != 0 || applied->id.len != sizeof(id.bytes))
        return false;
    memcpy(id.bytes, applied->id.data, sizeof(id.bytes));
    void *key = skr_id_map_remove(&session->removed, applied->kind, &id);
    free(key);
    return key != NULL;
}

static void receive_applied(struct skr_policy *policy, struct session *session, const Skerry__V1__Applied *applied)
{
    if (receive_dropped(session, applied)) {
        skr_policy_session_pump(policy, session);
        return;
    }
    struct member *member = member_of_wire(session, applied->kind, &applied->id);
    struct skr_realization_failure *failures = skr_policy_must(calloc(applied->n_failures + 1, sizeof(*failures)));
    size_t count = 0;

    for (size_t i = 0; i < applied->n_failures; i++) {
        const Skerry__V1__Failure *from = applied->failures[i];
        if (from->id.len != 16)
            continue;
        failures[count].type = from->type;
        memcpy(failures[count].id.bytes, from->id.data, 16);
        failures[count++].reason = from->reason;
    }
    if (member)
        skr_policy_member_acked(policy, member, applied->version, applied->digest, failures, count);
    free(failures);
    session = member ? member->host->session : NULL; /* digests that keep differing end it */
    if (session)
        skr_policy_session_pump(policy, session);
}

static void receive_resync(struct skr_policy *policy, struct session *session, const Skerry__V1__Resync *resync)
{
    struct member *member = member_of_wire(session, resync->kind, &resync->id);
    if (member && member->sync == MEMBER_LIVE)
        skr_policy_member_resync(policy, member);
}

void skr_policy_session_receive(struct skr_policy *policy, uint64_t number, const Skerry__V1__Envelope *envelope)
{
    struct session *session = session_find(policy, number);

    if (!session)
        return;
    if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_SCOPE_DIGESTS)
        receive_scope_digests(policy, session, envelope->scope_digests);
    else if (session->state != SESSION_LIVE)
        return; /* late words from before the comparison */
    else if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_BUCKET_DIGESTS)
        receive_bucket_digests(policy, session, envelope->bucket_digests);
    else if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_APPLIED)
        receive_applied(policy, session, envelope->applied);
    else if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_RESYNC)
        receive_resync(policy, session, envelope->resync);
    else if (envelope->body_case == SKERRY__V1__ENVELOPE__BODY_PORT_STATE)
        skr_policy_move_port_state(policy, session, envelope->port_state);
}
