/* Has what the API promised been applied on every host that needs it? The policy publishes, the API reads and waits;
 * the table between them is locked in shards, so neither waits for the other.
 *
 * The published data is small: a host's acknowledged version a scope, a scope's members, the (scope, version) pairs
 * that a write revision and an object's last change need. A summary is computed when it is asked for. A host that has
 * not been heard from since the controller started, or is not connected, counts as offline. Nobody needed = realized.
 */
#pragma once

#include <skerry/resource.h>
#include <skerry/uuid.h>
#include <stdbool.h>
#include <stdint.h>

#define SKR_REALIZATION_HOSTS_MAX  20
#define SKR_REALIZATION_REASON_MAX 400

/* UNPLACED is never said by the table: nobody needs an adapter that is on no host, so nothing of it is outstanding, but
 * "realized" it is not either. The code that shows the object says so. */
enum skr_realization_state {
    SKR_REALIZATION_PENDING,
    SKR_REALIZATION_REALIZED,
    SKR_REALIZATION_FAILED,
    SKR_REALIZATION_UNPLACED
};
enum skr_realization_host_state { SKR_HOST_APPLIED, SKR_HOST_PENDING, SKR_HOST_OFFLINE, SKR_HOST_FAILED };

struct skr_realization_host {
    struct skr_uuid id;
    char name[64];
    enum skr_realization_host_state state;
    char reason[SKR_REALIZATION_REASON_MAX];
};

struct skr_realization {
    enum skr_realization_state state;
    uint32_t applied, pending, offline, failed;
    uint32_t named; /* entries of hosts: those not applied, failed ones first */
    struct skr_realization_host hosts[SKR_REALIZATION_HOSTS_MAX];
};

struct skr_realization_table;
int skr_realization_table_new(struct skr_realization_table **ret);
void skr_realization_table_free(struct skr_realization_table *table);

/* ---- readers: any thread ---- */

/* The write that answered Skerry-Revision: N. PENDING while the policy has not reached it; REALIZED when it is older
 * than what the table keeps and nothing of it is outstanding. -ENOENT: beyond the last committed revision. */
int skr_realization_of_write(struct skr_realization_table *table, int64_t revision, struct skr_realization *ret);
/* Has the policy reached this revision? Before that the table does not know who needs it, nor what objects need since.
 */
bool skr_realization_knows(struct skr_realization_table *table, int64_t revision);
/* The last change of an object, with current failures that name it. */
void skr_realization_of_object(struct skr_realization_table *table, enum skr_resource_id resource,
                               const struct skr_uuid *id, struct skr_realization *ret);
/* Is this host connected now, and since when (wall ms, 0 = not)? */
bool skr_realization_host_online(struct skr_realization_table *table, const struct skr_uuid *host_id,
                                 int64_t *ret_since_ms);

/* Calls fn once, from the policy's thread or from this call, when the write is realized or has failed. cancel: false
 * when fn was or is being called (it then has been called on return; from within fn it returns at once). Deadlines are
 * the caller's. Every wait is ended by exactly one cancel, also after fn was called: it frees the wait. */
struct skr_realization_wait;
typedef void skr_realization_fn(void *arg, const struct skr_realization *realization);
struct skr_realization_wait *skr_realization_wait_new(struct skr_realization_table *table, int64_t revision,
                                                      skr_realization_fn *fn, void *arg);
bool skr_realization_wait_cancel(struct skr_realization_wait *wait);

/* Hears which objects' realization changed: a write that concerned them is realized, has failed or fails no longer, a
 * host reports a failure of one or its end, a host came or went. Several at once, from the policy's thread: it must not
 * wait, and the table may be read from within. One listener, set before the policy starts. */
struct skr_realization_change {
    enum skr_resource_id resource;
    struct skr_uuid id;
};
typedef void skr_realization_listener_fn(void *arg, const struct skr_realization_change *changes, size_t count);
void skr_realization_listen(struct skr_realization_table *table, skr_realization_listener_fn *fn, void *arg);

/* ---- the publisher: the policy's thread alone. Its functions stand in lib/realization.c's second header,
 * <skerry/realization_publish.h>. ---- */
