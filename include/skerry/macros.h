/* Ownership and small helpers that every file may use. An owning local carries SKR_CLEANUP(f); a value that leaves its
 * function alive leaves through SKR_TAKE(). File descriptors start at -1. */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define SKR_ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define SKR_CLEANUP(f)                    __attribute__((cleanup(f)))
#define SKR_PRINTF(fmt, args)             __attribute__((format(printf, fmt, args)))
#define SKR_CONTAINER_OF(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* Hands the pointer on and forgets it here. */
#define SKR_TAKE(p)                                                                                                    \
    (__extension__({                                                                                                   \
        __typeof__(p) *skr_take_from = &(p);                                                                           \
        __typeof__(p) skr_taken = *skr_take_from;                                                                      \
        *skr_take_from = NULL;                                                                                         \
        skr_taken;                                                                                                     \
    }))

/* Hands the descriptor on and leaves -1. */
static inline int skr_take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static inline void skr_free_cleanup(void *p)
{
    free(*(void **)p);
}

static inline void skr_close_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
