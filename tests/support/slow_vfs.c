#include "tests/support/slow_vfs.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

struct file {
    sqlite3_file base; /* first: what SQLite sees */
    sqlite3_file *real;
};

struct failure {
    _Atomic int code, after, count;
};

static sqlite3_vfs *real_vfs;
static _Atomic int64_t sync_ns;
static _Atomic bool real_syncs;
static _Atomic uint64_t syncs, writes, reads;
static struct failure write_failure, sync_failure, read_failure;
static _Atomic bool hold_next; /* set and cleared with the lock, read without */
static pthread_mutex_t hold_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hold_changed = PTHREAD_COND_INITIALIZER;
static bool held, released;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct file *)file)->real;
}

/* The code to fail with, SQLITE_OK for most. */
static int due(struct failure *failure)
{
    int code = atomic_load(&failure->code);
    if (!code || atomic_fetch_sub(&failure->after, 1) > 0)
        return SQLITE_OK;
    return atomic_fetch_sub(&failure->count, 1) > 0 ? code : SQLITE_OK;
}

static void arm(struct failure *failure, unsigned after, unsigned count, int code)
{
    atomic_store(&failure->code, SQLITE_OK);
    atomic_store(&failure->after, (int)after);
    atomic_store(&failure->count, (int)count);
    atomic_store(&failure->code, count ? code : SQLITE_OK);
}

static int close_file(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static void hold(void)
{
    pthread_mutex_lock(&hold_lock);
    if (atomic_exchange(&hold_next, false)) {
        held = true;
        pthread_cond_broadcast(&hold_changed);
        while (!released)
            pthread_cond_wait(&hold_changed, &hold_lock);
    }
    pthread_mutex_unlock(&hold_lock);
}

static int read_file(sqlite3_file *file, void *out, int size, sqlite3_int64 offset)
{
    if (atomic_load(&hold_next))
        hold();
    int code = due(&read_failure);
    atomic_fetch_add(&reads, 1);
    return code ? code : real_of(file)->pMethods->xRead(real_of(file), out, size, offset);
}

static int write_file(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    int code = due(&write_failure);
    atomic_fetch_add(&writes, 1);
    return code ? code : real_of(file)->pMethods->xWrite(real_of(file), bytes, size, offset);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int sync_file(sqlite3_file *file, int flags)
{
    int64_t ns = atomic_load(&sync_ns);
    struct timespec pause = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    int code = due(&sync_failure);
    atomic_fetch_add(&syncs, 1);
    if (ns)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    if (code)
        return code;
    return atomic_load(&real_syncs) ? real_of(file)->pMethods->xSync(real_of(file), flags) : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int lock_file(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int unlock_file(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int check_reserved(sqlite3_file *file, int *result)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), result);
}

static int control(sqlite3_file *file, int operation, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, ret);
}

static int shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods methods = {
        .iVersion = 2, /* no memory mapping: every write comes through here */
        .xClose = close_file,
        .xRead = read_file,
        .xWrite = write_file,
        .xTruncate = truncate_file,
        .xSync = sync_file,
        .xFileSize = file_size,
        .xLock = lock_file,
        .xUnlock = unlock_file,
        .xCheckReservedLock = check_reserved,
        .xFileControl = control,
        .xSectorSize = sector_size,
        .xDeviceCharacteristics = characteristics,
        .xShmMap = shm_map,
        .xShmLock = shm_lock,
        .xShmBarrier = shm_barrier,
        .xShmUnmap = shm_unmap,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct file *own = (struct file *)file;
    (void)vfs;
    own->real = (sqlite3_file *)(own + 1);
    int code = real_vfs->xOpen(real_vfs, name, own->real, flags, ret_flags);
    own->base.pMethods = own->real->pMethods ? &methods : NULL;
    return code;
}

void skr_slow_vfs_configure(const struct skr_slow_vfs_options *options)
{
    static sqlite3_vfs vfs;
    atomic_store(&sync_ns, options->sync_ns);
    atomic_store(&real_syncs, options->real_syncs);
    if (real_vfs)
        return;
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs; /* all but opening is the real one's; it keeps its state in pAppData, which is copied */
    vfs.pNext = NULL;
    vfs.zName = SKR_SLOW_VFS;
    vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    vfs.xOpen = open_file;
    sqlite3_vfs_register(&vfs, 0);
}

uint64_t skr_slow_vfs_syncs(void)
{
    return atomic_load(&syncs);
}

uint64_t skr_slow_vfs_writes(void)
{
    return atomic_load(&writes);
}

uint64_t skr_slow_vfs_reads(void)
{
    return atomic_load(&reads);
}

void skr_slow_vfs_fail_reads(unsigned after, unsigned count, int code)
{
    arm(&read_failure, after, count, code);
}

void skr_slow_vfs_fail_writes(unsigned after, unsigned count, int code)
{
    arm(&write_failure, after, count, code);
}

void skr_slow_vfs_fail_syncs(unsigned after, unsigned count, int code)
{
    arm(&sync_failure, after, count, code);
}

void skr_slow_vfs_hold_read(void)
{
    pthread_mutex_lock(&hold_lock);
    held = released = false;
    atomic_store(&hold_next, true);
    pthread_mutex_unlock(&hold_lock);
}

bool skr_slow_vfs_wait_held(unsigned seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)seconds;
    pthread_mutex_lock(&hold_lock);
    for (int r = 0; !held && r == 0;)
        r = pthread_cond_timedwait(&hold_changed, &hold_lock, &until);
    bool result = held;
    pthread_mutex_unlock(&hold_lock);
    return result;
}

void skr_slow_vfs_let_go(void)
{
    pthread_mutex_lock(&hold_lock);
    released = true;
    pthread_cond_broadcast(&hold_changed);
    pthread_mutex_unlock(&hold_lock);
}
