#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <skerry/file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

static void make_directory(void)
{
    strcpy(directory, "/tmp/skerry-file-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
}

static void remove_directory(void)
{
    static const char *const names[] = {"state", "state.new", "a/b/c", "a/b", "a", "plain"};
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
