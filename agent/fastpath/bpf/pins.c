#include "agent/fastpath/bpf/bpf.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <skerry/file.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define USUAL_BPFFS "/sys/fs/bpf"

static bool is_bpffs(const char *path)
{
    struct statfs info;

    return !statfs(path, &info) && (unsigned long)info.f_type == BPF_FS_MAGIC;
}

static int mount_bpffs(const char *directory, struct skr_error *error)
{
    if (is_bpffs(directory) || !mount("bpf", directory, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
        return 0;
    return skr_error_set(error, SKR_ERROR_INTERNAL, "A bpffs cannot be mounted on %s: %s.", directory, strerror(errno));
}

int skr_bpf_pins_prepare(const char *directory, struct skr_error *error)
{
    /* sysfs takes no directories of ours: where the usual bpffs is not mounted, it is mounted in its usual place. */
    int result = strncmp(directory, USUAL_BPFFS "/", sizeof(USUAL_BPFFS)) ? 0 : mount_bpffs(USUAL_BPFFS, error);
    if (result)
        return result;
    result = skr_directory_make(directory, 0700);
    if (result)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The directory %s cannot be made: %s.", directory,
                             strerror(-result));
    return mount_bpffs(directory, error);
}

static bool pin_path(char path[static PATH_MAX], const char *directory, const char *name)
{
    return (size_t)snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX;
}

int skr_bpf_pins_get(const char *directory, const char *name)
{
    char path[PATH_MAX];

    return pin_path(path, directory, name) ? bpf_obj_get(path) : -1;
}

int skr_bpf_pins_put(const char *directory, const char *name, int fd)
{
    char path[PATH_MAX];

    if (!pin_path(path, directory, name))
        return -ENAMETOOLONG;
    if (unlink(path) && errno != ENOENT)
        return -errno;
    return bpf_obj_pin(fd, path) ? -errno : 0;
}

int skr_bpf_pins_lock(const char *directory, int *ret_fd, struct skr_error *error)
{
    pid_t holder;
    char who[32] = "another process";
    int result = skr_directory_lock(directory, ret_fd, &holder);

    if (!result)
        return 0;
    if (result != -EWOULDBLOCK)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The directory %s cannot be locked: %s.", directory,
                             strerror(-result));
    if (holder)
        snprintf(who, sizeof(who), "process %d", (int)holder);
    return skr_error_set(
            error, SKR_ERROR_IN_USE,
            "The fast path in %s belongs to another agent that runs (%s); stop that one first, or give this "
            "one a --pin-directory of its own.",
            directory, who);
}

/* A pin that somebody else made in our place counts as missing. */
static const char *pin_found(const struct skr_fastpath_bpf *bpf, unsigned map)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = skr_bpf_pins_get(bpf->pin_directory, skr_bpf_map_name(map));
    struct bpf_map_info found = {0}, own = {0};
    uint32_t found_size = sizeof(found), own_size = sizeof(own);

    if (fd < 0)
        return "missing";
    if (bpf_obj_get_info_by_fd(fd, &found, &found_size) || bpf_obj_get_info_by_fd(bpf->maps[map], &own, &own_size) ||
        found.id == own.id)
        return NULL;
    return "another map";
}

void skr_bpf_pins_audit(struct skr_fastpath *fastpath,
                        void (*fn)(void *arg, unsigned pin, const char *name, const char *found), void *arg)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);

    for (unsigned map = 0; map < SKR_BPF_MAP_COUNT; map++) {
        const char *found = pin_found(bpf, map);
        if (found)
            fn(arg, map, skr_bpf_map_name(map), found);
    }
}

int skr_bpf_pins_restore(struct skr_fastpath *fastpath, unsigned pin)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);
    int fd = -1, result = skr_bpf_pins_prepare(bpf->pin_directory, NULL);

    if (result)
        return result;
    /* A directory that was made anew is not locked yet. */
    if (bpf->lock_fd >= 0 && !skr_bpf_pins_lock(bpf->pin_directory, &fd, NULL)) {
        skr_close_cleanup(&bpf->lock_fd);
        bpf->lock_fd = fd;
    }
    return skr_bpf_pins_put(bpf->pin_directory, skr_bpf_map_name(pin), bpf->maps[pin]);
}

void skr_bpf_pins_remove(const char *directory)
{
    char path[PATH_MAX];

    for (unsigned map = 0; map < SKR_BPF_MAP_COUNT; map++)
        if (pin_path(path, directory, skr_bpf_map_name(map)))
            unlink(path);
}
