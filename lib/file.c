#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <skerry/file.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int skr_file_read(const char *path, size_t max, uint8_t **ret, size_t *ret_size)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    if (status.st_size > 0 && (uint64_t)status.st_size > max)
        return -EFBIG;
    /* The size is a guess: files of /proc say 0, others may grow meanwhile. */
    size_t room = (size_t)status.st_size + 1, used = 0;
    SKR_CLEANUP(skr_free_cleanup) uint8_t *data = malloc(room + 1);
    if (!data)
        return -ENOMEM;
    for (;;) {
        if (used == room) {
            room = room * 2 > max + 1 ? max + 1 : room * 2;
            uint8_t *larger = realloc(data, room + 1);
            if (!larger)
                return -ENOMEM;
            data = larger;
        }
        ssize_t got = read(fd, data + used, room - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        used += (size_t)got;
        if (used > max)
            return -EFBIG;
    }
    data[used] = '\0';
    *ret_size = used;
    *ret = SKR_TAKE(data);
    return 0;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

static int write_new(const char *path, const void *data, size_t size, mode_t mode)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -errno;
    /* A file left from a crash keeps its mode, and umask would narrow ours: the caller's mode holds. */
    if (fchmod(fd, mode) < 0)
        return -errno;
    int result = write_all(fd, data, size);
    if (result < 0)
        return result;
    return fsync(fd) < 0 ? -errno : 0;
}

int skr_file_sync_name(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash)
        strcpy(directory, ".");
    else
        snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    SKR_CLEANUP(skr_close_cleanup) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return fsync(fd) < 0 ? -errno : 0;
}

int skr_file_replace(const char *path, const void *data, size_t size, mode_t mode)
{
    char new_path[PATH_MAX];
    if ((size_t)snprintf(new_path, sizeof(new_path), "%s.new", path) >= sizeof(new_path))
        return -ENAMETOOLONG;
    int result = write_new(new_path, data, size, mode);
    if (result == 0 && rename(new_path, path) < 0)
        result = -errno;
    if (result < 0) {
        unlink(new_path);
        return result;
    }
    return skr_file_sync_name(path);
}

static int make_one(const char *path, mode_t mode)
{
    struct stat status;
    if (mkdir(path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &status) < 0)
        return -errno;
    return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int skr_directory_make(const char *path, mode_t mode)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0)
        return -ENOENT;
    if (length >= sizeof(part))
        return -ENAMETOOLONG;
    for (size_t i = 1; i < length; i++) {
        if (path[i] != '/' || path[i + 1] == '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        int result = make_one(part, 0755);
        if (result < 0)
            return result;
    }
    return make_one(path, mode);
}

/* The kernel lists locks as "1: FLOCK  ADVISORY  WRITE 812 00:2b:17 0 EOF": who holds one, device and inode. */
static pid_t lock_holder(const struct stat *status)
{
    FILE *locks = fopen("/proc/locks", "re");
    char line[256];
    pid_t found = 0;
    while (!found && locks && fgets(line, sizeof(line), locks)) {
        unsigned device_major, device_minor;
        unsigned long inode;
        int pid;
        if (sscanf(line, "%*s FLOCK %*s %*s %d %x:%x:%lu", &pid, &device_major, &device_minor, &inode) == 4 &&
            pid > 0 && inode == status->st_ino && makedev(device_major, device_minor) == status->st_dev)
            found = pid;
    }
    if (locks)
        fclose(locks);
    return found;
}

int skr_directory_lock(const char *path, int *ret_fd, pid_t *ret_holder)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int result = -errno;
        *ret_holder = result == -EWOULDBLOCK ? lock_holder(&status) : 0;
        return result;
    }
    *ret_fd = skr_take_fd(&fd);
    return 0;
}
