/* Desired state is what this host should be: the scopes as the controller sent them, byte for byte, with versions and
 * digests; the diff of each delta as typed changes; and the cache file that survives a reboot. Knows no kernel and no
 * network. One thread (the agent's loop) owns it; several instances may live in one process (the swarm). */
#pragma once

#include <skerry/digest.h>
#include <skerry/error.h>
#include <skerry/uuid.h>
#include <skerry/v1/southbound.pb-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct skr_desired;

/* An object can fail in these aspects. Each is judged by one place, which sets it and clears it and leaves the others
 * alone; the controller is told of all of them in this order. */
enum skr_desired_aspect {
    SKR_DESIRED_PLACE,    /* the object as a whole: not supported, closed, or it waits for another object */
    SKR_DESIRED_HOST,     /* the host's interfaces and addresses that it needs */
    SKR_DESIRED_ENTRIES,  /* its entries in the tables of the fast path */
    SKR_DESIRED_FLOOD,    /* broadcasts that do not reach it */
    SKR_DESIRED_SETTINGS, /* settings that it works without */
    SKR_DESIRED_ASPECT_COUNT
};

/* One object that differs. before NULL: new; after NULL: gone. Bodies are unpacked messages of `type` (Host, Port,
 * ...), valid during the call alone. */
struct skr_desired_change {
    Skerry__V1__ScopeKind scope;
    struct skr_uuid scope_id;
    Skerry__V1__ObjectType type;
    struct skr_uuid id;
    const ProtobufCMessage *before, *after;
};
/* All changes of one applied delta (all frames of it), upserts first, then deletes. The listener returns nothing: what
 * it could not apply it keeps as a failure and retries (skr_desired_failure_set). */
typedef void skr_desired_fn(void *arg, const struct skr_desired_change *changes, size_t count);

int skr_desired_new(struct skr_desired **ret);
void skr_desired_free(struct skr_desired *desired);
void skr_desired_listen(struct skr_desired *desired, skr_desired_fn *fn, void *arg);

/* Facts of the controller, from Welcome; a new incarnation forgets versions, a new digest key recomputes digests. */
void skr_desired_set_controller(struct skr_desired *desired, const struct skr_uuid *database_id, uint64_t incarnation,
                                const struct skr_digest_key *key);
struct skr_uuid skr_desired_database_id(const struct skr_desired *desired);
uint64_t skr_desired_incarnation(const struct skr_desired *desired);
uint64_t skr_desired_revision(const struct skr_desired *desired);
uint64_t skr_desired_root_digest(const struct skr_desired *desired);

/* One frame of a delta. 0: taken, and when it was the last one the listeners have run; *ret_complete says so. A scope
 * whose version is not known (0: another incarnation's) takes a delta from any version: the digest alone decides.
 * -EBADMSG: malformed (nothing changed). -ESTALE: from_version is not ours, or the digest differs afterwards: ask for a
 * resync (in the digest's case the objects have been applied: they are the controller's). */
int skr_desired_delta(struct skr_desired *desired, const Skerry__V1__Delta *delta, bool *ret_complete,
                      struct skr_error *error);
/* Forgets frames of deltas whose last frame has not come: the session that sent them is gone. */
void skr_desired_drop_partial(struct skr_desired *desired);
int skr_desired_remove_scope(struct skr_desired *desired, const Skerry__V1__ScopeRemoved *removed);
void skr_desired_synced(struct skr_desired *desired, uint64_t revision);

/* For ScopeDigests, BucketDigests and Applied; the messages are owned by the caller (skr_envelope_free). */
Skerry__V1__Envelope *skr_desired_scope_digests(const struct skr_desired *desired);
Skerry__V1__Envelope *skr_desired_bucket_digests(const struct skr_desired *desired, Skerry__V1__ScopeKind kind,
                                                 const struct skr_uuid *id);
/* The scopes that have failures, into a Hello that has its root digest. A Hello is small, because its sender has not
 * been admitted yet: with more of them than this the root digest is made to differ, so that digests are compared, which
 * say of each scope whether it has failures. */
#define SKR_HELLO_FAILING_MAX 256
void skr_desired_tell_failing(const struct skr_desired *desired, Skerry__V1__Hello *hello);
/* Applied with the scope's version, digest and full list of current failures, one for each object with the reasons of
 * all its aspects (as many objects as fit a frame); takes the scope off skr_desired_next_changed. NULL: no such scope.
 */
Skerry__V1__Envelope *skr_desired_applied(struct skr_desired *desired, Skerry__V1__ScopeKind kind,
                                          const struct skr_uuid *id);

/* A failure of one aspect of an object, kept until it is cleared (reason NULL) or the object goes; a change marks the
 * scope for a fresh Applied, which the session sends. An object that is not there has no failures. */
void skr_desired_failure_set(struct skr_desired *desired, Skerry__V1__ScopeKind kind, const struct skr_uuid *scope_id,
                             Skerry__V1__ObjectType type, const struct skr_uuid *id, enum skr_desired_aspect aspect,
                             const char *reason);
/* A new session: scopes with failures are acknowledged again, for a controller that may have forgotten them. */
void skr_desired_failures_again(struct skr_desired *desired);
/* The next scope that has something new to acknowledge: a delta was applied or its failures changed since
 * skr_desired_applied() was last asked for it. false: none. */
bool skr_desired_next_changed(struct skr_desired *desired, Skerry__V1__ScopeKind *ret_kind, struct skr_uuid *ret_id);

/* Walks current objects of a type (over all scopes), unpacked; fn returning non-zero ends it. */
int skr_desired_each(const struct skr_desired *desired, Skerry__V1__ObjectType type,
                     int (*fn)(void *arg, const struct skr_desired_change *object), void *arg);
/* One object, unpacked, valid until the next change; NULL: none. */
const ProtobufCMessage *skr_desired_get(const struct skr_desired *desired, Skerry__V1__ScopeKind kind,
                                        const struct skr_uuid *scope_id, Skerry__V1__ObjectType type,
                                        const struct skr_uuid *id);

/* The cache file (checksummed, written by rename). Load before the first listener call; listeners then get everything
 * as new. -EBADMSG: not ours, truncated or checksum wrong: nothing loaded. */
int skr_desired_save(const struct skr_desired *desired, const char *path);
/* Notes in "<path>.journal" what is about to be applied: a Welcome, a Delta or a ScopeRemoved. The next load has it,
 * the next save makes it superfluous. -EFBIG: too much since the last save. */
int skr_desired_note(const char *path, const Skerry__V1__Envelope *envelope);
int skr_desired_load(struct skr_desired *desired, const char *path, struct skr_error *error);
