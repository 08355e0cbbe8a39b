#include "controller/store/store.h"
#include "tests/support/slow_vfs.h"
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_open(const char *path, const char *schema, struct skr_error *error)
{
    struct skr_store_options options = {.path = path, .schema_directory = schema};
    struct skr_store *store = (struct skr_store *)&options; /* any value: must stay */
    int r = skr_store_open(&options, &store, error);
    if (r)
        cr_assert(store == (struct skr_store *)&options, "output touched on failure");
    else
        skr_store_close(store);
    return r;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    cr_assert(eq(int, sqlite3_open(path, &db), SQLITE_OK));
    cr_assert(eq(int, sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK), "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(store, keeps_its_identity_and_counts_its_lives)
{
    struct skr_test_store test;
    skr_test_store_open(&test, NULL);
    struct skr_uuid id = skr_store_database_id(test.store);
    struct skr_digest_key key = skr_store_digest_key(test.store);
    uint64_t incarnation = skr_store_incarnation(test.store);
    cr_assert(not(skr_uuid_is_nil(&id)));
    cr_assert(eq(i64, skr_store_revision(test.store), 0));
    cr_assert(eq(int, skr_test_add_tenant(test.store, "red"), 0));
    skr_test_store_close(&test);
    skr_test_store_reopen(&test, NULL);
    struct skr_uuid again = skr_store_database_id(test.store);
    struct skr_digest_key key_again = skr_store_digest_key(test.store);
    cr_assert(eq(int, skr_uuid_compare(&id, &again), 0));
    cr_assert(eq(int, memcmp(&key, &key_again, sizeof key), 0));
    cr_assert(eq(u64, skr_store_incarnation(test.store), incarnation + 1));
    cr_assert(eq(i64, skr_store_revision(test.store), 1));
    skr_test_store_remove(&test);
}

Test(store, two_databases_differ)
{
    struct skr_test_store a, b;
    skr_test_store_open(&a, NULL);
    skr_test_store_open(&b, NULL);
    struct skr_uuid ida = skr_store_database_id(a.store), idb = skr_store_database_id(b.store);
    cr_assert(ne(int, skr_uuid_compare(&ida, &idb), 0));
    skr_test_store_remove(&a);
    skr_test_store_remove(&b);
}

Test(store, only_the_owner_may_read_the_file)
{
    struct skr_test_store test;
    struct stat status;
    skr_test_store_open(&test, NULL);
    cr_assert(eq(int, stat(test.path, &status), 0));
    cr_assert(eq(int, status.st_mode & 0777, 0600));
    skr_test_store_remove(&test);
}

Test(store, a_second_process_is_refused)
{
    struct skr_test_store test;
    skr_test_store_open(&test, NULL);
    pid_t child = fork();
    if (child == 0) {
        struct skr_error error = {0};
        struct skr_store_options options = {.path = test.path};
        struct skr_store *store = NULL;
        int r = skr_store_open(&options, &store, &error);
        _exit(r && error.tag == SKR_ERROR_CONFLICT && strstr(error.detail, "another process") ? 0 : 1);
    }
    int status = -1;
    cr_assert(eq(int, waitpid(child, &status, 0), child));
    cr_assert(eq(int, status, 0));
    cr_assert(eq(int, skr_test_add_tenant(test.store, "red"), 0), "the first must go on");
    skr_test_store_remove(&test);
}

Test(store, refuses_a_newer_database)
{
    struct skr_test_store test;
    struct skr_error error = {0};
    skr_test_store_open(&test, NULL);
    skr_test_store_close(&test);
    run_sql(test.path, "PRAGMA user_version = 9000");
    cr_assert(lt(int, try_open(test.path, NULL, &error), 0));
    cr_assert(eq(int, error.tag, SKR_ERROR_CONFLICT));
    cr_assert(strstr(error.detail, "newer") != NULL, "%s", error.detail);
    skr_test_store_remove(&test);
}

Test(store, refuses_the_database_of_another_program)
{
    struct skr_test_store test;
    struct skr_error error = {0};
    skr_test_store_open(&test, NULL);
    skr_test_store_close(&test);
    run_sql(test.path, "PRAGMA application_id = 7");
    cr_assert(lt(int, try_open(test.path, NULL, &error), 0));
    cr_assert(eq(int, error.tag, SKR_ERROR_CONFLICT));
    skr_test_store_remove(&test);
}

Test(store, refuses_what_is_no_database)
{
    struct skr_test_store test;
    struct skr_error error = {0};
    skr_test_store_open(&test, NULL);
    skr_test_store_close(&test);
    FILE *file = fopen(test.path, "w");
    for (int i = 0; i < 2000; i++)
        fputs("no database ", file);
    fclose(file);
    cr_assert(eq(int, try_open(test.path, NULL, &error), -ENOSPC));
    cr_assert(eq(int, error.tag, SKR_ERROR_STORAGE));
    cr_assert(strstr(error.detail, "damaged") != NULL, "%s", error.detail);
    cr_assert(eq(int, try_open("/nowhere/skerry.db", NULL, &error), -ENOSPC));
    skr_test_store_remove(&test);
}

/* The first page is a header, which is left as it was, and the schema, which is not. */
Test(store, a_damaged_database_calls_for_a_backup)
{
    struct skr_test_store test;
    struct skr_error error = {0};
    skr_test_store_open(&test, NULL);
    skr_test_store_close(&test);
    FILE *file = fopen(test.path, "r+");
    cr_assert(eq(int, fseek(file, 100, SEEK_SET), 0));
    for (int i = 0; i < 300; i++)
        fputc(0x5a, file);
    fclose(file);
    cr_assert(eq(int, try_open(test.path, NULL, &error), -ENOSPC));
    cr_assert(strstr(error.detail, "damaged") != NULL, "%s", error.detail);
    cr_assert(strstr(error.detail, "restore FILE") != NULL, "%s", error.detail);
    skr_test_store_remove(&test);
}

/* Nothing is lost here, so nobody must be sent for a backup. */
Test(store, a_disk_that_does_not_answer_is_not_called_damage)
{
    struct skr_test_store test;
    struct skr_error error = {0};
    struct skr_store *store = NULL;
    skr_test_store_open(&test, NULL);
    skr_test_store_close(&test);
    skr_slow_vfs_configure(&(struct skr_slow_vfs_options){0});
    skr_slow_vfs_fail_reads(0, 1000, SQLITE_IOERR_READ);
    const struct skr_store_options options = {.path = test.path, .vfs = SKR_SLOW_VFS};
    cr_assert(eq(int, skr_store_open(&options, &store, &error), -ENOSPC));
    cr_assert(eq(int, error.tag, SKR_ERROR_STORAGE));
    cr_assert(strstr(error.detail, "cannot be opened") != NULL, "%s", error.detail);
    cr_assert(strstr(error.detail, "damaged") == NULL, "%s", error.detail);
    skr_test_store_remove(&test);
}

/* A controller that has run before must not begin anew because its disk is not mounted: hosts would lose all they have.
 */
Test(store, what_has_run_before_does_not_begin_with_nothing)
{
    struct skr_test_store test;
    struct skr_store *store = NULL;
    skr_test_store_open(&test, NULL);
    skr_test_store_close(&test);
    const struct skr_store_options options = {.path = test.path, .evidence = "the certificate"};
    const char *const found[] = {"missing", "empty"};
    for (int i = 0; i < 2; i++) {
        struct skr_error error = {0};
        if (i == 0)
            unlink(test.path);
        else
            fclose(fopen(test.path, "w"));
        cr_expect(lt(int, skr_store_open(&options, &store, &error), 0));
        cr_expect(strstr(error.detail, found[i]) != NULL, "%s", error.detail);
        cr_expect(strstr(error.detail, "the certificate") != NULL, "%s", error.detail);
        cr_expect(eq(int, access(test.path, F_OK), i - 1), "no file was made");
    }
    skr_test_store_remove(&test);
}

/* An index that lost its rows is whole page by page; only the comparison with its table finds that. */
Test(store, a_check_finds_an_index_without_its_rows)
{
    struct skr_test_store test;
    struct skr_error error = {0};
    skr_test_store_open(&test, NULL);
    cr_assert(eq(int, skr_test_add_tenant(test.store, "red"), 0));
    skr_test_store_close(&test);
    cr_assert(eq(int, skr_store_check(test.path, &error), 0), "%s", error.detail);
    run_sql(test.path, "CREATE TABLE t (x); INSERT INTO t VALUES (1); CREATE INDEX i ON t (x) WHERE x > 5;"
                       "PRAGMA writable_schema = ON;"
                       "UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (x)' WHERE name = 'i'");
    cr_expect(lt(int, skr_store_check(test.path, &error), 0));
    cr_expect(eq(int, error.tag, SKR_ERROR_CONFLICT));
    cr_expect(strstr(error.detail, "The database is damaged: ") != NULL, "%s", error.detail);
    skr_test_store_remove(&test);
}

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL);
    fputs(text, file);
    fclose(file);
}

static int version_of(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    cr_assert(eq(int, sqlite3_open(path, &db), SQLITE_OK));
    cr_assert(eq(int, sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL), SQLITE_OK));
    cr_assert(eq(int, sqlite3_step(stmt), SQLITE_ROW));
    int version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return version;
}

Test(store, migrates_from_a_directory_all_or_nothing)
{
    struct skr_test_store test;
    struct skr_error error = {0};
    char other[128];
    skr_test_store_open(&test, NULL);
    snprintf(other, sizeof other, "%s/other.db", test.directory);
    write_file(test.directory, "0001_create_store.sql",
               "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
               "CREATE TABLE change_log (revision INTEGER PRIMARY KEY, op INTEGER, resource TEXT, id BLOB,"
               " tenant_id BLOB, at INTEGER) STRICT;");
    cr_assert(eq(int, try_open(other, test.directory, &error), 0), "%s", error.detail);
    /* a broken one changes nothing, not even by its first half */
    write_file(test.directory, "0002_break_it.sql", "CREATE TABLE half (x INTEGER); CREATE TABL");
    cr_assert(eq(int, try_open(other, test.directory, &error), -ENOSPC));
    cr_assert(strstr(error.detail, "0002_break_it") != NULL, "%s", error.detail);
    /* nor by the good ones before it: the version that wrote the database may go on with it */
    write_file(test.directory, "0002_break_it.sql", "CREATE TABLE half (x INTEGER);");
    write_file(test.directory, "0003_break_it.sql", "CREATE TABL");
    cr_assert(eq(int, try_open(other, test.directory, &error), -ENOSPC));
    cr_assert(eq(int, version_of(other), 1));
    write_file(test.directory, "0003_break_it.sql", "CREATE TABLE third (x INTEGER);");
    cr_assert(eq(int, try_open(other, test.directory, &error), 0), "%s", error.detail);
    cr_assert(eq(int, version_of(other), 3));
    /* a number left out is a file that was lost */
    write_file(test.directory, "0005_jump_ahead.sql", "CREATE TABLE far (x INTEGER);");
    cr_assert(lt(int, try_open(other, test.directory, &error), 0));
    cr_assert(eq(int, try_open(other, "/nowhere", &error), -ENOSPC));
    skr_test_store_remove(&test);
}

static int set_then_get(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    char *value = arg;
    int r = skr_txn_setting_get(txn, "motto", &value, error);
    if (r != -ENOENT || value != arg)
        return -EPROTO;
    r = skr_txn_setting_set(txn, "motto", "first", error);
    r = r ? r : skr_txn_setting_set(txn, "motto", arg, error);
    return r;
}

Test(store, settings_are_set_changed_and_read)
{
    struct skr_test_store test;
    char *value = NULL;
    struct skr_txn *txn;
    skr_test_store_open(&test, NULL);
    cr_assert(eq(int, skr_store_write_wait(test.store, set_then_get, "islands", NULL, NULL), 0));
    cr_assert(eq(int, skr_store_read_begin(test.store, &txn, NULL), 0));
    cr_assert(eq(int, skr_txn_setting_get(txn, "motto", &value, NULL), 0));
    cr_assert(eq(str, value, "islands"));
    free(value);
    skr_store_read_end(txn);
    skr_test_store_remove(&test);
}
