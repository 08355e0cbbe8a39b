#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <skerry/file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64];

static void make_directory(void)
{
    strcpy(directory, "/tmp/skerry-file-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
}

static void remove_directory(void)
{
    static const char *const names[] = {"state", "state.new", "a/b/c", "a/b", "a", "plain", "locked"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        remove(path);
    }
    cr_assert_eq(rmdir(directory), 0);
}

TestSuite(file, .init = make_directory, .fini = remove_directory);

static const char *in(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

Test(file, replaces_whole_with_mode_and_reads_back)
{
    uint8_t *data;
    size_t size;
    struct stat status;
    cr_assert_eq(skr_file_replace(in("state"), "first", 5, 0644), 0);
    cr_assert_eq(skr_file_replace(in("state"), "second one", 10, 0600), 0);
    cr_assert_eq(skr_file_read(in("state"), 10, &data, &size), 0);
    cr_assert_eq(size, 10);
    cr_assert_str_eq((char *)data, "second one");
    free(data);
    cr_assert_eq(stat(in("state"), &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0600);
    cr_assert_neq(access(in("state.new"), F_OK), 0);
}

Test(file, failures_leave_nothing_behind)
{
    uint8_t *data = (uint8_t *)directory;
    size_t size = 77;
    cr_assert_eq(skr_file_replace(in("missing/state"), "x", 1, 0600), -ENOENT);
    cr_assert_eq(skr_directory_make(in("a"), 0700), 0);
    cr_assert_eq(skr_file_replace(in("a"), "x", 1, 0600), -EISDIR);
    cr_assert_neq(access(in("a.new"), F_OK), 0);
    cr_assert_eq(skr_file_read(in("state"), 10, &data, &size), -ENOENT);
    cr_assert_eq(skr_file_read(in("a"), 10, &data, &size), -EISDIR);
    cr_assert_eq(skr_file_replace(in("state"), "12345678901", 11, 0600), 0);
    cr_assert_eq(skr_file_read(in("state"), 10, &data, &size), -EFBIG);
    cr_assert_eq(data, (uint8_t *)directory);
    cr_assert_eq(size, 77);
}

Test(file, reads_files_that_do_not_tell_their_size)
{
    uint8_t *data;
    size_t size;
    cr_assert_eq(skr_file_read("/proc/self/status", 65536, &data, &size), 0);
    cr_assert_gt(size, 100);
    cr_assert_eq(data[size], 0);
    free(data);
    cr_assert_eq(skr_file_read("/proc/self/status", 100, &data, &size), -EFBIG);
}

Test(file, makes_directories_and_accepts_existing_ones)
{
    struct stat status;
    cr_assert_eq(skr_directory_make(in("a/b/c"), 0700), 0);
    cr_assert_eq(skr_directory_make(in("a/b/c"), 0700), 0);
    cr_assert_eq(skr_directory_make(in("a/b/c/"), 0700), 0);
    cr_assert_eq(stat(in("a/b/c"), &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0700);
    cr_assert_eq(skr_file_replace(in("plain"), "", 0, 0600), 0);
    cr_assert_eq(skr_directory_make(in("plain"), 0700), -ENOTDIR);
    cr_assert_eq(skr_directory_make(in("plain/x"), 0700), -ENOTDIR);
    cr_assert_eq(skr_directory_make("", 0700), -ENOENT);
}

Test(file, a_locked_directory_names_its_holder)
{
    int fd = -1, second = -1, answer[2];
    pid_t holder = 0;
    cr_assert_eq(skr_directory_make(in("locked"), 0700), 0);
    cr_assert_eq(pipe(answer), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (!child) {
        char byte = skr_directory_lock(in("locked"), &fd, &holder) == 0;
        _exit(write(answer[1], &byte, 1) != 1 || pause());
    }
    char byte = 0;
    cr_assert_eq(read(answer[0], &byte, 1), 1);
    cr_assert(byte);
    cr_expect_eq(skr_directory_lock(in("locked"), &second, &holder), -EWOULDBLOCK);
    cr_expect_eq(holder, child);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_expect_eq(skr_directory_lock(in("locked"), &second, &holder), 0, "a dead process holds nothing");
    cr_expect_eq(skr_directory_lock(in("missing"), &fd, &holder), -ENOENT);
    close(second);
}

/* ---- what a power cut must not take ---- */

static char calls[512];
static int fsync_fails_at; /* 0: never */

static void note(const char *what, const char *path)
{
    const char *name = strrchr(path, '/');
    size_t used = strlen(calls);
    snprintf(calls + used, sizeof(calls) - used, "%s %s, ", what, name ? name + 1 : path);
}

/* In the place of libc's: what the code under test asks the kernel for, in order. */
int fsync(int fd)
{
    char link[64], path[256] = "";
    static int count;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof(path) - 1) < 0)
        return -1;
    note("fsync", path);
    if (fsync_fails_at && ++count >= fsync_fails_at) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    note("rename", from);
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* The content is on the disk before it gets the name, and the name before anybody relies on it. */
Test(file, content_then_name_then_directory_go_to_the_disk)
{
    char expected[256];
    const char *folder = strrchr(directory, '/') + 1;
    calls[0] = '\0';
    cr_assert_eq(skr_file_replace(in("state"), "x", 1, 0600), 0);
    snprintf(expected, sizeof(expected), "fsync state.new, rename state.new, fsync %s, ", folder);
    cr_assert_str_eq(calls, expected);
    calls[0] = '\0';
    cr_assert_eq(skr_file_sync_name(in("state")), 0);
    snprintf(expected, sizeof(expected), "fsync %s, ", folder);
    cr_assert_str_eq(calls, expected);
}

Test(file, a_disk_that_does_not_take_it_is_told)
{
    uint8_t *data = NULL;
    size_t size;
    cr_assert_eq(skr_file_replace(in("state"), "old", 3, 0600), 0);
    fsync_fails_at = 1;
    cr_assert_eq(skr_file_replace(in("state"), "new", 3, 0600), -EIO);
    cr_assert_eq(skr_file_sync_name(in("state")), -EIO);
    cr_assert_neq(access(in("state.new"), F_OK), 0);
    cr_assert_eq(skr_file_read(in("state"), 10, &data, &size), 0);
    cr_assert_str_eq((char *)data, "old");
    free(data);
}
