/* A restore that is killed before any of the calls that change the disk: the database is whole, the old one or the new
 * one, and the next restore goes through. A power cut can besides take back what is not on the disk yet, so the order
 * of the calls is looked at too. */
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <skerry/macros.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX 400

static struct skr_test_store test;
static char copy[128], aside[128];

/* A controller that was killed leaves a log. */
static void leave_log(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        skr_test_store_reopen(&test, NULL);
        _exit(skr_test_add_tenant(test.store, "old") == 0 ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

static void open_store(void)
{
    const struct skr_store_copy options = {.path = copy};
    struct skr_store_copy_facts facts;
    skr_test_store_open(&test, NULL);
    snprintf(copy, sizeof(copy), "%s/copy", test.directory);
    snprintf(aside, sizeof(aside), "%s.aside", test.path);
    cr_assert_eq(skr_test_add_tenant(test.store, "both"), 0);
    cr_assert_eq(skr_store_copy(test.store, &options, &facts, NULL), 0);
    skr_test_store_close(&test);
    leave_log();
}

static void close_store(void)
{
    skr_test_store_remove(&test);
}

TestSuite(restore, .init = open_store, .fini = close_store, .timeout = 300);

static int change_nothing(void *argument, const char *value, char **ret, struct skr_error *error)
{
    (void)argument, (void)value, (void)ret, (void)error;
    return 0;
}

static int restore(struct skr_error *error)
{
    const struct skr_store_restore options = {.path = test.path,
                                              .file = copy,
                                              .aside = aside,
                                              .mark = "restored",
                                              .setting = "nothing",
                                              .change = change_nothing};
    unlink(aside);
    return skr_store_restore(&options, error);
}

/* A letter for each call that changes names or waits for the disk; 0: any other. */
static char letter_of(long call)
{
    switch (call) {
    case SYS_link:
    case SYS_linkat:
        return 'l';
    case SYS_unlink:
    case SYS_unlinkat:
        return 'u';
    case SYS_rename:
    case SYS_renameat:
    case SYS_renameat2:
        return 'r';
    case SYS_fsync:
    case SYS_fdatasync:
        return 's';
    case SYS_ftruncate:
        return 't';
    default:
        return 0;
    }
}

/* Runs a restore in a process of its own and ends it before its `kill_before`-th call (0: never). `calls`: the letters
 * of those it came to. True: it got to its end, by 0. */
static bool run_killed(unsigned kill_before, char calls[static CALLS_MAX])
{
    unsigned count = 0;
    int status;
    bool entering = true;
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(9);
        raise(SIGSTOP);
        _exit(restore(NULL) == 0 ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSTOPPED(status), "no process may be traced here");
    ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    for (;; entering = !entering) {
        struct __ptrace_syscall_info info;
        ptrace(PTRACE_SYSCALL, child, NULL, NULL);
        cr_assert_eq(waitpid(child, &status, 0), child);
        if (!WIFSTOPPED(status))
            break;
        if (!entering || ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info) <= 0)
            continue;
        char letter = letter_of((long)info.entry.nr);
        cr_assert_lt(count, CALLS_MAX - 1);
        calls[count] = letter;
        count += letter != 0;
        if (letter && count == kill_before) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            break;
        }
    }
    calls[count] = '\0';
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The database under its name: whole, and what it was ("old") or what it became. */
static bool is_restored(void)
{
    skr_test_store_reopen(&test, NULL);
    cr_expect(skr_test_has_tenant(test.store, "both"));
    bool old = skr_test_has_tenant(test.store, "old");
    char *mark = NULL;
    struct skr_txn *txn;
    cr_assert_eq(skr_store_read_begin(test.store, &txn, NULL), 0);
    int r = skr_txn_setting_get(txn, "restored", &mark, NULL);
    skr_store_read_end(txn);
    free(mark);
    cr_expect_eq(r, old ? -ENOENT : 0, "the new one is marked, the old one is not");
    skr_test_store_close(&test);
    return !old;
}

Test(restore, killed_anywhere_leaves_a_whole_database)
{
    char calls[CALLS_MAX];
    bool done = false, restored = false;
    unsigned kills = 0;
    while (!done) {
        struct skr_error error = {0};
        done = run_killed(++kills, calls);
        restored = is_restored();
        cr_expect(!done || restored);
        if (restored && !done) { /* back to the old one */
            cr_assert_eq(rename(aside, test.path), 0);
            cr_expect_not(is_restored(), "what is kept is the old one");
        }
        if (kills % 8 == 0) { /* what was left behind is in nobody's way */
            cr_expect_eq(restore(&error), 0, "after call %u: %s", kills, error.detail);
            cr_expect(is_restored());
            cr_assert_eq(rename(aside, test.path), 0);
        }
    }
    cr_expect_gt(kills, 8, "%s", calls);
}

/* Kept, synced, the log gone, synced, exchanged, synced: none of these may overtake another one on its way to the disk.
 */
Test(restore, nothing_overtakes_on_its_way_to_the_disk)
{
    char calls[CALLS_MAX];
    cr_assert(run_killed(0, calls));
    const char *link = strchr(calls, 'l');
    cr_assert(link, "%s", calls);
    const char *exchange = strchr(link, 'r');
    cr_assert(exchange, "%s", calls);
    cr_expect_eq(link[strspn(link, "l")], 's', "what is kept is on the disk before anything goes: %s", calls);
    cr_expect_eq(exchange[-1], 's', "the log has gone for good before the new one comes: %s", calls);
    cr_expect_eq(exchange[1], 's', "what was said to be restored is: %s", calls);
    cr_expect(memchr(calls, 's', (size_t)(link - calls)), "the copy is on the disk: %s", calls);
}

Test(restore, somebody_who_reads_the_database_is_waited_for)
{
    struct skr_error error = {0};
    sqlite3 *reader, *writer;
    skr_test_store_reopen(&test, NULL);
    cr_assert_eq(sqlite3_open(test.path, &reader), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM tenant", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(skr_test_add_tenant(test.store, "late"), 0);
    skr_test_store_close(&test);
    cr_expect_lt(restore(&error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_CONFLICT, "%s", error.detail);
    cr_expect(strstr(error.detail, "reads"), "%s", error.detail);
    cr_expect_lt(access(aside, F_OK), 0, "nothing is changed");
    sqlite3_close(reader);
    cr_assert_eq(sqlite3_open(test.path, &writer), SQLITE_OK);
    sqlite3_close(writer);
    cr_expect_not(is_restored());
    cr_expect_eq(restore(&error), 0, "%s", error.detail);
    cr_expect(is_restored());
}
