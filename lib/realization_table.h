/* Inside of the realization table: what <skerry/realization.h> reads and <skerry/realization_publish.h> writes.
 *
 * Locks: a shard's guards its scopes (members, failures) and objects; hosts_lock the hosts; writes_lock the writes and
 * the waits. None is ever taken inside another, and no function of a caller runs under one. The publisher alone changes
 * anything but the waits, so it reads without locks. */
#pragma once

#include <pthread.h>
#include <skerry/realization_publish.h>
#include <sys/queue.h>

#define SKR_REALIZATION_SHARDS 64
/* Realized writes that still answer with their counts. */
#define SKR_REALIZATION_RESOLVED_MAX 4096

struct realization_failure {
    uint64_t touch;
    struct skr_uuid id;
    Skerry__V1__ObjectType type;
    char *reason; /* begins with "waiting": pending, not failed */
};

struct realization_member {
    struct skr_map_key key; /* the host's id, type 0 */
    uint64_t joined, applied;
    struct realization_failure *failures, *local;
    uint32_t failure_count, local_count;
    bool overflow; /* reported more failures than are kept */
    bool excused;  /* its host holds nothing up */
};

/* The members of a scope about which there is anything to say; a reader takes it, a change of a member makes it
 * invalid. */
struct realization_census {
    bool valid;
    uint64_t newest; /* version that any member has applied */
    uint32_t plain;  /* members that have the newest, without failures and not excused */
    uint64_t joined; /* the last of those to join did with this version */
    uint32_t other_count;
    struct realization_member **others; /* all others */
};

TAILQ_HEAD(realization_pending, realization_pending_pair);
struct realization_scope {
    struct skr_map_key key;
    struct skr_id_map members;
    struct realization_census census;
    struct realization_pending pending; /* of unresolved writes, by version; publisher only */
};

enum realization_verdict { VERDICT_CLEAN, VERDICT_PENDING, VERDICT_FAILED };

/* One pair of an unresolved write; publisher only. */
struct realization_pending_pair {
    TAILQ_ENTRY(realization_pending_pair) link;
    struct realization_write *write;
    struct realization_scope *scope;
    const struct skr_realization_pair *pair;
    uint32_t unclean, failed;     /* members that still owe it; that failed it */
    enum realization_verdict was; /* scratch while a member changes */
};

LIST_HEAD(realization_waits, skr_realization_wait);
TAILQ_HEAD(realization_writes, realization_write);
struct realization_write {
    struct skr_map_key key; /* the revision as an id */
    int64_t revision;
    TAILQ_ENTRY(realization_write) link; /* in unresolved or resolved */
    TAILQ_ENTRY(realization_write) finished_link;
    struct skr_realization_needs *needs;
    struct realization_pending_pair *pairs; /* NULL: resolved */
    uint32_t pair_count, unclean_pairs, failed_pairs;
    enum skr_realization_state told;        /* the listener */
    struct skr_realization_change *objects; /* until it is resolved; NULL without a listener */
    size_t object_count;
    bool resolved, judged; /* judged: in the list of those to look at */
    struct realization_waits waits;
};

struct realization_object {
    struct skr_map_key key; /* type: enum skr_resource_id */
    uint32_t scope_count;   /* of scopes, when needs is NULL: unchanged since the start */
    struct skr_realization_needs *needs;
    struct skr_map_key scopes[];
};

struct realization_host {
    struct skr_map_key key;
    char name[64];
    int64_t since_ms, synced;
    bool excused;
};

struct skr_realization_wait {
    LIST_ENTRY(skr_realization_wait) link;
    struct skr_realization_table *table;
    int64_t revision;
    skr_realization_fn *fn;
    void *arg;
    enum { WAIT_ARMED, WAIT_FIRING, WAIT_DONE } state;
    bool released; /* cancelled from within fn: who fires frees */
    pthread_t firing;
};

struct realization_shard {
    pthread_mutex_t lock;
    struct skr_id_map scopes, objects;
};

struct skr_realization_table {
    struct realization_shard shards[SKR_REALIZATION_SHARDS];
    pthread_mutex_t hosts_lock;
    struct skr_id_map hosts;
    pthread_mutex_t writes_lock;
    pthread_cond_t fired;
    struct skr_id_map writes;
    struct realization_writes unresolved, resolved;
    uint32_t unresolved_count, resolved_count;
    struct realization_waits future, old; /* beyond `reached`; at or below `given_up` */
    int64_t reached, given_up;
    int64_t committed; /* atomic */
    /* The publisher's: what the listener shall hear at the end of this call. */
    skr_realization_listener_fn *listener;
    void *listener_arg;
    struct skr_realization_change *changes;
    size_t change_count, change_capacity;
};

struct realization_shard *skr_realization_shard(struct skr_realization_table *table, const struct skr_map_key *key);
struct skr_map_key skr_realization_revision_key(int64_t revision);
/* How a member stands to a pair. object: also failures that name this id count. *ret_reason: NULL or the member's. */
enum realization_verdict skr_realization_judge(const struct realization_member *member,
                                               const struct skr_realization_needs *needs,
                                               const struct skr_realization_pair *pair, const struct skr_uuid *object,
                                               const char **ret_reason);
/* The listener: one more change, and the end of a publisher's call. */
void skr_realization_tell(struct skr_realization_table *table, enum skr_resource_id resource,
                          const struct skr_uuid *id);
/* ... of the object that a southbound object stands for; nothing when none does. */
void skr_realization_tell_object(struct skr_realization_table *table, Skerry__V1__ObjectType type,
                                 const struct skr_uuid *id);
void skr_realization_tell_all(struct skr_realization_table *table);
void skr_realization_summarize(struct skr_realization_table *table, const struct skr_realization_needs *needs,
                               const struct skr_uuid *object, struct skr_realization *ret);
void skr_realization_summarize_old(struct skr_realization_table *table, int64_t revision, struct skr_realization *ret);
/* Takes the waits out of `from` (writes_lock held) and marks them; realization_fire then calls them, without the lock.
 */
void skr_realization_collect(struct realization_waits *from, struct realization_waits *to);
void skr_realization_fire(struct skr_realization_table *table, struct realization_waits *waits,
                          const struct skr_realization *realization);
