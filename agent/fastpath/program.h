/* Compiles desired objects and bindings into table entries and keeps the fast path equal to them. Owns the intended
 * content of every table: what the drift audit compares the kernel with. Diffs by table key: an address that moves from
 * one adapter to another is one replaced entry, never a gap. Order: entries that others rely on first (own_pas,
 * neighbors, subnets, records, peers, flood, ports), removals in reverse. What cannot be programmed is a failure on its
 * object in struct skr_desired ("waiting: ..." when something it refers to has not arrived yet) and is retried when
 * that arrives. One thread. */
#pragma once

#include "agent/desired/desired.h"
#include "agent/fastpath/fastpath.h"
#include <skerry/address.h>

struct skr_program;

int skr_program_new(struct skr_fastpath *fastpath, struct skr_desired *desired, struct skr_program **ret);
void skr_program_free(struct skr_program *program); /* leaves the fast path as it is */
/* An skr_desired_fn; main registers it. */
void skr_program_changes(void *program, const struct skr_desired_change *changes, size_t count);

/* While held, everything is compiled and nothing written: at start, until the host has told which interfaces and
 * addresses stand, so that adopted entries are never replaced by poorer ones. Letting go writes. */
void skr_program_hold(struct skr_program *program, bool hold);

/* An adapter's interface was found, changed (other ifindex or peer flag) or lost (ifindex 0). */
void skr_program_bind(struct skr_program *program, const struct skr_uuid *adapter_id, uint32_t ifindex, bool peer);
/* An own PA stands on this uplink now (ifindex 0: not). */
void skr_program_own_pa(struct skr_program *program, const struct skr_address *pa, uint32_t ifindex, uint32_t mtu);
/* An uplink of the host is this interface now (ifindex 0: it is none, or not there). */
void skr_program_uplink(struct skr_program *program, const char *name, uint32_t ifindex, uint32_t mtu);
/* Next hop of a remote PA (ifindex 0: unresolved). */
void skr_program_neighbor(struct skr_program *program, const struct skr_address *pa,
                          const struct skr_abi_neighbor *neighbor);
/* Remote PAs that some record, peer or flood entry names: told when one appears, when what we send there gets another
 * own PA as its source, and when the last reference goes (source NULL). A source of zeros: none known. host/ resolves
 * them. */
typedef void skr_program_remote_pa_fn(void *arg, const struct skr_address *pa, const struct skr_address *source);
void skr_program_on_remote_pa(struct skr_program *program, skr_program_remote_pa_fn *fn, void *arg);
/* The fast path has made an armed port current (found when its entry is written: after a restart, the event is gone).
 */
void skr_program_on_moved(struct skr_program *program, void (*fn)(void *arg, const struct skr_uuid *adapter_id),
                          void *arg);
/* Something to do though nothing happens: call run when the deadline has come, INT64_MAX = never. */
int64_t skr_program_deadline_ns(const struct skr_program *program);
void skr_program_run(struct skr_program *program, int64_t now_ns);
/* First start with adopted tables: removes entries that nothing intends. Called once desired state is known (from the
 * cache or from Synced), never before. */
void skr_program_remove_unintended(struct skr_program *program);

/* ---- audit ---- */

/* Compares intended and actual content table by table from where the last call ended, at least one table, and goes on
 * while fewer than `budget` entries were compared; fn for each difference: expected or found NULL = missing there; it
 * may repair. Entries that nothing intends are told only after skr_program_remove_unintended(). Returns true when a
 * whole round is done. */
typedef void skr_program_difference_fn(void *arg, enum skr_fastpath_table table, const void *key, const void *expected,
                                       const void *found);
bool skr_program_audit(struct skr_program *program, size_t budget, skr_program_difference_fn *fn, void *arg);
/* Puts one entry back to what is intended. */
int skr_program_repair(struct skr_program *program, enum skr_fastpath_table table, const void *key);
/* Is `found` what the fast path holds of an intended entry? What it turns around by itself in a move is. */
bool skr_program_stands(enum skr_fastpath_table table, const void *intended, const void *found);
/* Every intended entry of a table, in no order; fn returning non-zero ends it with that value. */
int skr_program_each(struct skr_program *program, enum skr_fastpath_table table,
                     int (*fn)(void *arg, const void *key, const void *value), void *arg);
/* The intended value of a key; NULL: none. Valid until the next change. */
const void *skr_program_intended(struct skr_program *program, enum skr_fastpath_table table, const void *key);
/* Human text of an entry ("record vsid=5001 ca=10.0.0.5 mac=.. pa=.."); object it stems from when known (nil if not;
 * may be NULL). */
void skr_program_describe(struct skr_program *program, enum skr_fastpath_table table, const void *key,
                          const void *value, char *out, size_t size, struct skr_uuid *ret_object);
