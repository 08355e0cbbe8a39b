/* Backups and what is made of them: the copy, the key in it, a damaged one, and going on with an older database. */
#include "tests/unit/controller/jobs/scene.h"

#include <dirent.h>
#include <fcntl.h>
#include <skerry/file.h>
#include <sqlite3.h>
#include <sys/stat.h>

static struct scene s;

#define KEY_MARK "PRIVATE KEY"

static int set_authority(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    return skr_model_authority_set(txn, argument, "certificate", error);
}

static char *authority_key;

static void open_scene(void)
{
    struct skr_error error = {0};
    SKR_CLEANUP(skr_tls_identity_cleanup) struct skr_tls_identity *identity = NULL;
    scene_open(&s);
    cr_assert_eq(skr_tls_key_new(&identity, &error), 0);
    cr_assert_eq(skr_tls_identity_key_pem(identity, &authority_key), 0);
    cr_assert_eq(skr_store_write_wait(s.world.test.store, set_authority, authority_key, NULL, &error), 0);
}

static void close_scene(void)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf %s", s.backups);
    cr_expect_eq(system(command), 0);
    free(SKR_TAKE(authority_key));
    scene_close(&s);
}

TestSuite(backup, .init = open_scene, .fini = close_scene);

static void create(const char *json)
{
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    cr_assert_eq(world_request(&s.world, SKR_OPERATION_CREATE, SKR_BACKUP, NULL, json, &answer), 0, "%s",
                 answer.error.detail);
    struct skr_uuid id = skr_object_id(answer.object);
    world_rename(&s.world, "backup", &id);
    cr_expect(!skr_object_has(answer.object, SKR_BACKUP_PASSPHRASE), "what was given is not shown");
}

static void path_of(char out[static 256])
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&s.world, SKR_BACKUP, "backup");
    snprintf(out, 256, "%s/%s", s.backups, skr_object_text(row, SKR_BACKUP_FILE));
}

static bool file_holds(const char *path, const char *text)
{
    SKR_CLEANUP(skr_free_cleanup) uint8_t *bytes = NULL;
    size_t size;
    cr_assert_eq(skr_file_read(path, 64 << 20, &bytes, &size), 0, "%s", path);
    return memmem(bytes, size, text, strlen(text)) != NULL;
}

/* The middle of the key: a line that stands nowhere else. */
static const char *clear_key_line(void)
{
    static char line[48];
    snprintf(line, sizeof(line), "%.40s", strchr(authority_key, '\n') + 1);
    return line;
}

static int change_nothing(void *argument, const char *value, char **ret, struct skr_error *error)
{
    (void)argument, (void)value, (void)ret, (void)error;
    return 0;
}

static int decrypt(void *passphrase, const char *value, char **ret, struct skr_error *error)
{
    return skr_tls_key_decrypt(value, passphrase, ret, error);
}

static int restore(const char *file, void *passphrase, struct skr_error *error)
{
    char aside[128];
    snprintf(aside, sizeof(aside), "%s.aside", s.world.test.path);
    const struct skr_store_restore options = {.path = s.world.test.path,
                                              .file = file,
                                              .aside = aside,
                                              .mark = SKR_SETTING_ROLLED_BACK,
                                              .setting = SKR_SETTING_AUTHORITY_KEY,
                                              .change = passphrase ? decrypt : change_nothing,
                                              .arg = passphrase};
    return skr_store_restore(&options, error);
}

static void stop_controller(void)
{
    skr_jobs_free(SKR_TAKE(s.jobs));
    skr_test_store_close(&s.world.test);
}

Test(backup, a_copy_is_made_checked_and_private)
{
    char path[256];
    struct stat facts;
    create("{'name': 'nightly'}");
    scene_drive(&s);
    path_of(path);
    cr_assert_eq(stat(path, &facts), 0, "%s", path);
    cr_expect_eq(facts.st_mode & 0777, 0600);
    cr_expect_eq(scene_integer(&s, SKR_BACKUP, "backup", SKR_BACKUP_BYTES), facts.st_size);
    cr_expect_gt(scene_integer(&s, SKR_BACKUP, "backup", SKR_BACKUP_REVISION), 0);
    cr_expect_eq(scene_integer(&s, SKR_BACKUP, "backup", SKR_BACKUP_ENCRYPTED), 0);
    cr_expect_eq(stat(s.backups, &facts), 0);
    cr_expect_eq(facts.st_mode & 0777, 0700);
    cr_expect(file_holds(path, clear_key_line()), "an exact copy");
    world_delete(&s.world, SKR_BACKUP, "backup");
    cr_expect_lt(stat(path, &facts), 0, "the file goes with the row");
}

/* A write whose slow part (skr_model_do_slow) was left out is refused, because no write waits for it. */
Test(backup, a_write_knows_no_passphrase)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *input = NULL;
    struct skr_error error = {0};
    cr_assert_eq(world_parse(&s.world, skr_resource_get(SKR_BACKUP), "{'passphrase': 'correct horse'}", false, &input,
                             &error),
                 0);
    struct skr_write_request request = {.operation = SKR_OPERATION_CREATE,
                                        .resource = SKR_BACKUP,
                                        .principal = {.role = SKR_ROLE_TENANT},
                                        .input = input};
    cr_expect_not(skr_model_is_slow(&request), "he is refused for what he is");
    request.principal.role = SKR_ROLE_ADMIN;
    cr_expect(skr_model_is_slow(&request));
    cr_expect_lt(skr_store_write_wait(s.world.test.store, skr_model_write, &request, NULL, &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_INTERNAL, "%s", error.detail);
    cr_expect_eq(skr_model_do_slow(s.world.test.store, &request, &error), 0, "%s", error.detail);
    cr_expect_not(skr_model_is_slow(&request));
    cr_expect_eq(skr_store_write_wait(s.world.test.store, skr_model_write, &request, NULL, &error), 0, "%s",
                 error.detail);
    skr_write_request_done(&request);
}

Test(backup, the_key_in_it_is_encrypted_by_the_passphrase)
{
    char path[256];
    create("{'passphrase': 'correct horse'}");
    scene_drive(&s);
    path_of(path);
    cr_expect_eq(scene_integer(&s, SKR_BACKUP, "backup", SKR_BACKUP_ENCRYPTED), 1);
    cr_expect(!file_holds(path, clear_key_line()), "nowhere, free pages included");
    cr_expect(file_holds(path, "ENCRYPTED " KEY_MARK));
    cr_expect(!file_holds(path, "correct horse"));
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = world_get(&s.world, SKR_BACKUP, "backup");
    cr_expect(!skr_object_has(row, SKR_BACKUP_AUTHORITY_KEY));
}

Test(backup, a_killed_controller_makes_it_again)
{
    char path[256];
    struct stat facts;
    s.kill_every = 1;
    create("{'name': 'nightly'}");
    scene_drive(&s);
    path_of(path);
    cr_expect_eq(stat(path, &facts), 0);
    cr_expect_gt(scene_integer(&s, SKR_BACKUP, "backup", SKR_BACKUP_BYTES), 0);
}

static size_t entries(const char *directory, const char *part)
{
    size_t count = 0;
    DIR *open = opendir(directory);
    for (struct dirent *entry; open && (entry = readdir(open));)
        count += strstr(entry->d_name, part) != NULL;
    if (open)
        closedir(open);
    return count;
}

/* The next controller does not go on with every copy: its job may have been cancelled, or be in no database any more.
 */
Test(backup, a_killed_controller_leaves_no_half_copy)
{
    char path[256];
    create("{}");
    scene_drive(&s);
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = {"skerry-1.db.partial", "skerry-1.db.partial-journal", "kept.db"};
        snprintf(path, sizeof(path), "%s/%s", s.backups, names[i]);
        cr_assert_eq(skr_file_replace(path, "half", 4, 0600), 0);
    }
    cr_assert_eq(entries(s.backups, ".partial"), 2);
    scene_kill(&s);
    cr_expect_eq(entries(s.backups, ".partial"), 0);
    cr_expect_eq(entries(s.backups, ".db"), 2, "what is complete stays");
}

/* A row of a database that somebody else made names a file outside of the directory. */
Test(backup, stays_in_its_directory)
{
    static const char *const names[] = {"../outside.db", "/tmp/outside.db", ".hidden", ""};
    char victim[256];
    sqlite3 *db;
    snprintf(victim, sizeof(victim), "%s/outside.db", s.world.test.directory);
    cr_assert_eq(skr_file_replace(victim, "mine", 4, 0600), 0);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(names); i++) {
        char sql[160];
        create("{}");
        cr_assert_eq(sqlite3_open(s.world.test.path, &db), SQLITE_OK);
        snprintf(sql, sizeof(sql), "UPDATE backup SET file = '%s' WHERE completed_at IS NULL", names[i]);
        cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
        sqlite3_close(db);
        scene_drive(&s);
        cr_expect(!file_holds(victim, "SQLite"), "%s", names[i]);
        cr_expect_eq(entries(s.world.test.directory, "outside"), 1, "%s", names[i]);
        cr_expect_eq(entries(s.backups, "hidden") + entries(s.backups, "partial"), 0, "%s", names[i]);
    }
}

Test(backup, one_that_cannot_be_written_fails_and_leaves_nothing)
{
    int fd = open(s.backups, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* a file where the directory must be */
    cr_assert_geq(fd, 0);
    close(fd);
    create("{'name': 'nightly'}");
    scene_drive(&s);
    struct skr_object *rows[4];
    cr_expect_eq(world_events(&s.world, "JobFailed"), 1);
    cr_expect_eq(world_list(&s.world, SKR_BACKUP, -1, NULL, rows, 4), 0);
}

static int count_tenants(void)
{
    return skr_test_has_tenant(s.world.test.store, "late");
}

Test(backup, a_restored_database_is_the_older_one_and_waits_to_be_accepted)
{
    struct skr_principal somebody = {.role = SKR_ROLE_ADMIN, .name = "ada"};
    char path[256];
    struct skr_error error = {0};
    bool rolled_back = false;
    create("{'passphrase': 'correct horse'}");
    scene_drive(&s);
    path_of(path);
    world_create(&s.world, SKR_TENANT, "late", "{'name': 'late'}");
    cr_expect_lt(restore(path, "correct horse", &error), 0);
    cr_expect_eq(error.tag, SKR_ERROR_CONFLICT, "the controller runs");
    stop_controller();
    cr_expect_lt(restore(path, "wrong horse", &error), 0);
    cr_assert_eq(restore(path, "correct horse", &error), 0, "%s", error.detail);
    skr_test_store_reopen(&s.world.test, NULL);
    cr_expect(!count_tenants(), "it is the older one");

    SKR_CLEANUP(skr_free_cleanup) char *key = NULL, *certificate = NULL;
    struct skr_txn *txn;
    cr_assert_eq(skr_store_read_begin(s.world.test.store, &txn, &error), 0);
    cr_expect_eq(skr_model_rolled_back(txn, &rolled_back, &error), 0);
    cr_expect_eq(skr_model_authority_get(txn, &key, &certificate, &error), 0);
    int64_t revision = skr_txn_revision(txn);
    skr_store_read_end(txn);
    cr_expect(rolled_back);
    cr_expect_str_eq(key, authority_key, "the key is what it was");

    SKR_CLEANUP(answer_cleanup) struct answer refused = {0};
    cr_expect_lt(world_request(&s.world, SKR_OPERATION_CREATE, SKR_TENANT, NULL, "{'name': 'new'}", &refused), 0);
    cr_expect_eq(refused.error.tag, SKR_ERROR_CONFLICT);
    cr_assert_eq(skr_store_write_wait(s.world.test.store, skr_model_accept_database, &somebody, NULL, &error), 0, "%s",
                 error.detail);
    cr_expect_geq(skr_store_revision(s.world.test.store), revision + 1000000000, "beyond what any host has");
    world_create(&s.world, SKR_TENANT, "new", "{'name': 'new'}");
    cr_expect_lt(skr_store_write_wait(s.world.test.store, skr_model_accept_database, &somebody, NULL, &error), 0);
}

Test(backup, a_damaged_copy_is_refused_and_changes_nothing)
{
    char path[256];
    struct skr_error error = {0};
    create("{'name': 'nightly'}");
    scene_drive(&s);
    path_of(path);
    world_create(&s.world, SKR_TENANT, "late", "{'name': 'late'}");
    stop_controller();
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    char rubbish[4096];
    memset(rubbish, 0x5a, sizeof(rubbish));
    for (off_t at = 8192; at < 80000; at += 8192)
        cr_assert_eq(pwrite(fd, rubbish, sizeof(rubbish), at), (ssize_t)sizeof(rubbish));
    close(fd);
    cr_expect_lt(restore(path, NULL, &error), 0);
    cr_expect_lt(restore("/dev/null", NULL, &error), 0, "no database at all");
    skr_test_store_reopen(&s.world.test, NULL);
    cr_expect(count_tenants(), "the old one is untouched");
}
