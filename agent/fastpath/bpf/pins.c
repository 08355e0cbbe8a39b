#include "agent/fastpath/bpf/bpf.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define USUAL_BPFFS "/sys/fs/bpf"

static int make_directories(const char *path)
{
    char part[SKR_BPF_PATH_MAX];

    snprintf(part, sizeof(part), "%s", path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(part, 0700) && errno != EEXIST)
            return -errno;
        if (!slash)
            return 0;
        *slash = '/';
    }
}

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
    result = make_directories(directory);

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

void skr_bpf_pins_remove(const char *directory)
{
    char path[PATH_MAX];

    for (unsigned map = 0; map < SKR_BPF_MAP_COUNT; map++)
        if (pin_path(path, directory, skr_bpf_map_name(map)))
            unlink(path);
}
