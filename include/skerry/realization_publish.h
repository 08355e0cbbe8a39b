/* The policy calls these functions to publish to the realization table (<skerry/realization.h>). Everything but
 * skr_realization_committed is called by one thread, the policy's. Each call takes a lock of one shard for a few
 * hundred nanoseconds at most; only that thread changes anything, so it needs no lock to read.
 *
 * Order of calls within one write: hosts and scopes as they are after it (join, leave, local failures), then
 * skr_realization_write, then skr_realization_reached.
 *
 * A write needs pairs (scope, version). Each member of the scope needs such a version unless it joined later. A pair
 * names the southbound objects that the write changed in the scope, as skr_realization_touch() of type and id: a host
 * that acknowledged the version but reports a failure of one of them has failed; with a reason that begins with
 * "waiting" it is pending. Unresolved writes are kept; realized ones are forgotten. Over SKR_REALIZATION_WRITES_MAX the
 * oldest unresolved one is given up, and from then on writes up to it are judged by the hosts' synced revisions, which
 * never says realized too early. */
#pragma once

#include <skerry/id_map.h>
#include <skerry/realization.h>
#include <skerry/v1/southbound.pb-c.h>

#define SKR_REALIZATION_WRITES_MAX 65536
#define SKR_REALIZATION_FAILURES_MAX                                                                                   \
    1024                                /* kept a host and scope; with more, everything in the scope counts as failed */
#define SKR_REALIZATION_TOUCHES_MAX 256 /* named a pair; with more, every failure in the scope concerns the write */

/* The pairs (scope, version) that a change needs; immutable, counted, shared by a write and its objects. */
struct skr_realization_pair {
    struct skr_map_key scope; /* type: Skerry__V1__ScopeKind */
    uint32_t touch_count;     /* UINT32_MAX: everything in the scope */
    uint32_t touch_first;     /* in touches */
    uint64_t version;
};
struct skr_realization_needs {
    unsigned references; /* atomic */
    uint32_t count;
    uint64_t *touches;
    struct skr_realization_pair pairs[];
};
/* Room for pairs and touches, one reference; the caller fills both before it hands it on. */
struct skr_realization_needs *skr_realization_needs_new(uint32_t pairs, uint32_t touches);
struct skr_realization_needs *skr_realization_needs_ref(struct skr_realization_needs *needs);
void skr_realization_needs_unref(struct skr_realization_needs *needs);
uint64_t skr_realization_touch(Skerry__V1__ObjectType type, const struct skr_uuid *id);

/* The last committed revision; any thread (the writer's). */
void skr_realization_committed(struct skr_realization_table *table, int64_t revision);

void skr_realization_host_put(struct skr_realization_table *table, const struct skr_uuid *id, const char *name,
                              int64_t synced_revision);
void skr_realization_host_remove(struct skr_realization_table *table, const struct skr_uuid *id);
/* An excused host (in maintenance) holds nothing up: what it has counts as applied, what it has not counts for nothing.
 * The host for what is judged by synced revisions, each of its memberships for all else. */
void skr_realization_host_excuse(struct skr_realization_table *table, const struct skr_uuid *id, bool excused);
void skr_realization_excuse(struct skr_realization_table *table, const struct skr_map_key *scope,
                            const struct skr_uuid *host, bool excused);
/* since_ms: wall clock of the session's start, 0 = it ended. */
void skr_realization_host_connected(struct skr_realization_table *table, const struct skr_uuid *id, int64_t since_ms);
void skr_realization_host_synced(struct skr_realization_table *table, const struct skr_uuid *id, int64_t revision);

/* A host becomes a member of a scope with this version of it: older ones do not concern it. */
void skr_realization_join(struct skr_realization_table *table, const struct skr_map_key *scope,
                          const struct skr_uuid *host, uint64_t version);
void skr_realization_leave(struct skr_realization_table *table, const struct skr_map_key *scope,
                           const struct skr_uuid *host);
/* The host holds this version. failures: the full list, or NULL to leave the known one. */
struct skr_realization_failure {
    Skerry__V1__ObjectType type;
    struct skr_uuid id;
    const char *reason;
};
void skr_realization_applied(struct skr_realization_table *table, const struct skr_map_key *scope,
                             const struct skr_uuid *host, uint64_t version,
                             const struct skr_realization_failure *failures, size_t count);
/* A failure that the policy itself knows (no provider address); reason NULL clears it. */
void skr_realization_local_failure(struct skr_realization_table *table, const struct skr_map_key *scope,
                                   const struct skr_uuid *host, Skerry__V1__ObjectType type, const struct skr_uuid *id,
                                   const char *reason);

/* A write and what it needs (needs is reffed); nothing needed: do not call it. `objects` are those whose realization is
 * this write's: the listener hears of them. */
void skr_realization_write(struct skr_realization_table *table, int64_t revision, struct skr_realization_needs *needs,
                           const struct skr_realization_change *objects, size_t count);
/* Everything up to this revision has been published. first: right after load, nothing is known about earlier writes. */
void skr_realization_reached(struct skr_realization_table *table, int64_t revision, bool first);
/* The last change of an object; needs NULL forgets it (deleted). */
void skr_realization_object(struct skr_realization_table *table, enum skr_resource_id resource,
                            const struct skr_uuid *id, struct skr_realization_needs *needs);
/* After load: an object needs the first version of these scopes. Takes a third of the memory of needs of its own. */
void skr_realization_object_loaded(struct skr_realization_table *table, enum skr_resource_id resource,
                                   const struct skr_uuid *id, const struct skr_map_key *scopes, uint32_t count);
