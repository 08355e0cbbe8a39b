/* A SQLite VFS over the default one that counts syncs, can make them slow, can make writes and syncs fail and can hold
 * a read. For tests and benches; registered once a process under the name SKR_SLOW_VFS. The controls are global and
 * atomic. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SKR_SLOW_VFS "skerry-slow"

struct skr_slow_vfs_options {
    int64_t sync_ns; /* each sync sleeps this long; 0: not at all */
    bool real_syncs; /* also sync the disk */
};

/* Registers it (not as default) and sets the options; may be called again to change them. */
void skr_slow_vfs_configure(const struct skr_slow_vfs_options *options);
uint64_t skr_slow_vfs_syncs(void);
uint64_t skr_slow_vfs_writes(void);
uint64_t skr_slow_vfs_reads(void);
/* From now on `after` writes succeed, then `count` writes (or syncs, or reads) fail with the SQLite code; 0 = never. */
void skr_slow_vfs_fail_writes(unsigned after, unsigned count, int code);
void skr_slow_vfs_fail_syncs(unsigned after, unsigned count, int code);
void skr_slow_vfs_fail_reads(unsigned after, unsigned count, int code);
/* The next read waits until it is let go. A connection that lags behind the last commit reads right after it has taken
 * its snapshot, so its reader is then held with a view of the database that grows old. */
void skr_slow_vfs_hold_read(void);
bool skr_slow_vfs_wait_held(unsigned seconds); /* false: nothing was read in that time */
void skr_slow_vfs_let_go(void);
