/* The policy engine: compiles the model into what each host must be, incrementally, and owns realization.
 *
 * One thread owns the graph (hosts, domains, subnets, records, members, versions, digests). It gets typed after-images
 * from the writer and messages of agents from the sessions, and emits encoded frames. Work per change is proportional
 * to the change and the hosts that need it. It never blocks and does not read the database after load.
 *
 * Scopes, versions, digests, rings, buckets and deltas are docs/design/southbound.md's:
 * - digest of a scope: the sum of skr_digest_object() over its objects, 0 when empty;
 * - root digest of a host: the sum over its scopes of SipHash(digest key, 25 bytes: kind in 1 byte, id in 16, the
 * scope's digest in 8, little-endian);
 * - the content decides, not the number: a delta with from_version 0 applies to whatever the agent has, and the digest
 *   after it says whether that was right. After a root digest was equal the agent may count differently (it forgets
 *   versions with a new incarnation), so the first delta of a scope then says from_version 0;
 * - `replaced_all` and `replaced_buckets` stand in every frame of a delta that takes several;
 * - after Synced the agent sends Applied again for every scope that has failures, so a restarted controller knows them.
 */
#pragma once

#include "controller/store/store.h"
#include <skerry/proof.h>
#include <skerry/realization.h>
#include <skerry/shared_bytes.h>
#include <skerry/v1/southbound.pb-c.h>

struct skr_policy;

/* The policy calls these on its thread; they must not wait. */
struct skr_policy_output {
    /* A frame (header included) for one session; ref it to keep it. */
    void (*send)(void *arg, uint64_t session, struct skr_shared_bytes *frame);
    /* End this session (Goodbye has been sent if there was a reason to send one). */
    void (*close)(void *arg, uint64_t session, const char *reason);
    /* The host holds everything up to this revision: to be made durable. */
    void (*synced)(void *arg, const struct skr_uuid *host_id, int64_t revision);
    void *arg;
};

struct skr_policy_options {
    struct skr_realization_table *realizations;
    struct skr_uuid database_id;
    struct skr_digest_key digest_key;
    uint64_t incarnation;
    struct skr_proof_key proof_key; /* for the proof of the revision in Synced */
    uint32_t window_bytes;          /* unacknowledged bytes a session, 0 = 4 MiB; beyond, changes of a scope coalesce */
    uint32_t keepalive_ms;          /* told to agents in Welcome, 0 = 5,000 */
    struct skr_policy_output output;
};

int skr_policy_new(const struct skr_policy_options *options, struct skr_policy **ret, struct skr_error *error);
/* Reads the whole model from a snapshot, once, before the thread starts. */
int skr_policy_load(struct skr_policy *policy, struct skr_txn *txn, struct skr_error *error);
int skr_policy_start(struct skr_policy *policy); /* its thread */
void skr_policy_stop(struct skr_policy *policy);
void skr_policy_free(struct skr_policy *policy); /* stopped or never started */
/* Processes what is in the mailbox and what is due at `now_ns`; for tests, instead of start. Returns messages
 * processed. */
size_t skr_policy_run(struct skr_policy *policy, int64_t now_ns);

/* ---- any thread ---- */

/* An skr_commit_fn: refs the objects, copies the rest, sends to the policy's mailbox. */
void skr_policy_changes(void *policy, const struct skr_change *changes, size_t count);
/* Start of a session (takes ownership of the Hello; authority_pems ends with NULL and is copied): a new number for this
 * connection, grown by the caller. A newer session of the same host ends the older one. The database is not older than
 * what the Hello says: whoever calls has looked. The policy answers Hello with
 * Welcome and whatever the digests call for. */
void skr_policy_session_open(struct skr_policy *policy, uint64_t session, const struct skr_uuid *host_id,
                             Skerry__V1__Envelope *hello, const char *const *authority_pems);
/* ScopeDigests, BucketDigests, Applied, Resync. Takes ownership of the envelope. */
void skr_policy_receive(struct skr_policy *policy, uint64_t session, Skerry__V1__Envelope *envelope);
void skr_policy_session_closed(struct skr_policy *policy, uint64_t session);
struct skr_policy_command {
    Skerry__V1__Command__Kind kind;
    struct skr_uuid adapter_id;          /* KIND_ASK */
    struct skr_address customer_address; /* KIND_ASK */
};
/* Sends a Command to a host, if it is connected. The caller does not hear whether it is: commands are hints, and state
 * is in the scopes. Any thread; the command is copied. */
void skr_policy_command(struct skr_policy *policy, const struct skr_uuid *host_id,
                        const struct skr_policy_command *command);

/* ---- tests ---- */

/* Everything every host must hold, as text in a canonical order: equal for equal policies. Owned by the caller. */
char *skr_policy_dump(struct skr_policy *policy);
