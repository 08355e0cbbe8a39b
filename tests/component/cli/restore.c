/* `skerry-controller restore` as a program, and what a controller that is killed makes of its jobs. */
#include "tests/component/cli/scene.h"

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <skerry/file.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(restore, .init = open_scene, .fini = close_scene);

/* Its exit status; what it said is in `out` and `err`. */
static int restore(const char *file, const char *passphrase)
{
    char data[128], out_path[128], err_path[128], secret[128];
    int status;
    snprintf(data, sizeof(data), "%s/data", directory);
    snprintf(out_path, sizeof(out_path), "%s/out", directory);
    snprintf(err_path, sizeof(err_path), "%s/err", directory);
    snprintf(secret, sizeof(secret), "%s/secret", directory);
    char *argv[] = {SKR_BUILD_DIR "/skerry-controller",
                    "restore",
                    (char *)(uintptr_t)file,
                    "--data-directory",
                    data,
                    passphrase ? "--passphrase-file" : NULL,
                    secret,
                    NULL};
    if (passphrase)
        cr_assert_eq(skr_file_replace(secret, passphrase, strlen(passphrase), 0600), 0);
    pid_t pid = start(out_path, err_path, "/dev/null", argv);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    read_into(out_path, out);
    read_into(err_path, err);
    cr_expect_null(strstr(err, "Sanitizer"), "%s", err);
    return WEXITSTATUS(status);
}

static size_t files(const char *pattern, char first[static 256])
{
    char path[256];
    glob_t found;
    snprintf(path, sizeof(path), "%s/%s", directory, pattern);
    size_t count = glob(path, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    snprintf(first, 256, "%s", count ? found.gl_pathv[0] : "");
    if (count)
        globfree(&found);
    return count;
}

/* A file of the same length with rubbish where pages were. */
static void damage(const char *from, const char *to)
{
    uint8_t *bytes = NULL;
    size_t size;
    cr_assert_eq(skr_file_read(from, 64 << 20, &bytes, &size), 0);
    for (size_t at = 8192; at + 4096 < size; at += 8192)
        memset(bytes + at, 0x5a, 4096);
    cr_assert_eq(skr_file_replace(to, bytes, size, 0600), 0);
    free(bytes);
}

static bool says(const char *text)
{
    return strstr(err, text) != NULL;
}

/* A host of the database that does not connect. */
static void add_host(const char *name)
{
    char path[128], sql[512];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/data/skerry.db", directory);
    snprintf(
            sql, sizeof(sql),
            "INSERT INTO host (id, name, description, labels, created_at, updated_at, etag, host_group_id, state, "
            "gateway_only, remediation, enrolment, key_hash, synced_revision, agent_version, kernel, inventory) SELECT "
            "randomblob(16), '%s', '', '{}', 0, 0, 1, id, 'active', 0, 'auto', 'enrolled', '%s', 0, '', '', '[]' FROM "
            "host_group WHERE parent_id IS NULL",
            name, name);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(restore, puts_a_backup_in_the_place_of_the_database)
{
    char copy[256], broken[128], old[256];
    expect(0, apply("{'items': [{'kind': 'tenant', 'name': 'early'}]}"));
    expect(0, ctl_reading("correct-horse\n", "create backup nightly --passphrase - --wait"));
    cr_assert_eq(files("data/backups/*", copy), 1, "%s", err);
    expect(0, ctl("create tenant late"));

    cr_expect_neq(restore(copy, "correct-horse"), 0);
    cr_expect(says("runs"), "while the controller runs: %s", err);
    end_controller(SIGTERM);
    snprintf(broken, sizeof(broken), "%s/broken", directory);
    damage(copy, broken);
    cr_expect_neq(restore(broken, "correct-horse"), 0, "a damaged file");
    cr_expect_neq(restore(copy, NULL), 0);
    cr_expect(says("--passphrase-file"), "%s", err);
    cr_expect_neq(restore(copy, "wrong-donkey"), 0);
    cr_expect(says("passphrase"), "%s", err);
    cr_expect_neq(restore("/nowhere/at/all", "correct-horse"), 0);
    cr_expect_eq(files("data/*before-restore*", old), 0, "what was refused has changed nothing");
    cr_expect_eq(restore(copy, "correct-horse"), 0, "%s", err);
    cr_expect(strstr(out, "/v1/orphans") && strstr(out, "skerryctl controller accept-database"), "%s", out);
    cr_expect(strstr(out, "The old database is "), "%s", out);
    cr_expect_geq(files("data/skerry.db.before-restore*", old), 1, "what was there is kept");

    add_host("h1");
    add_host("h2");
    start_controller();
    cr_expect_eq(when_it_answers("get tenant early"), 0, "%s", err);
    expect(3, ctl("get tenant late"));
    expect(4, ctl("create tenant new"));
    cr_expect(says("orphans") && says("accept-database"), "%s", err);
    expect(0, ctl("get orphans"));
    cr_expect(says("waiting for 2 hosts to connect"), "no host has told anything: %s", err);
    expect(0, ctl("controller accept-database"));
    expect(0, ctl("get orphans"));
    cr_expect(!says("waiting"), "%s", err);
    expect(0, ctl("create tenant new"));
    expect(0, ctl("get audit-log -o json"));
    cr_expect(strstr(out, "/v1/controller:accept-database"), "%s", out);
}

/* The user that systemd runs the controller as. */
#define SERVICE_USER 64123

static unsigned owner_of(const char *name)
{
    char path[128];
    struct stat facts;
    snprintf(path, sizeof(path), "%s/data/%s", directory, name);
    cr_assert_eq(stat(path, &facts), 0, "%s", path);
    cr_expect_eq(facts.st_mode & 0777, 0600, "%s", path);
    return facts.st_uid;
}

/* An administrator restores as root, and the controller has a user of its own. */
Test(restore, leaves_the_database_to_the_user_that_the_controller_runs_as)
{
    char copy[256], command[256];
    expect(0, ctl("create backup nightly --wait"));
    cr_assert_eq(files("data/backups/*", copy), 1, "%s", err);
    for (int round = 0; round < 2; round++) {
        end_controller(SIGTERM);
        /* In the second round nothing is left of the database but its directory. */
        snprintf(command, sizeof(command), "chmod 711 %s && chown -R %d:%d %s/data && rm -f %s/data/%s", directory,
                 SERVICE_USER, SERVICE_USER, directory, directory, round ? "skerry.db*" : "skerry.db.lock");
        cr_assert_eq(system(command), 0);
        cr_assert_eq(restore(copy, NULL), 0, "%s", err);
        cr_expect_eq(owner_of("skerry.db"), SERVICE_USER);
        cr_expect_eq(owner_of("skerry.db.lock"), SERVICE_USER);
        start_controller_with(SERVICE_USER, NULL);
        cr_expect_eq(when_it_answers("get backups"), 0, "%s", err);
    }
}

/* A file that an attacker made runs nothing that a schema must not. */
Test(restore, trusts_no_schema_of_a_file)
{
    char copy[256];
    sqlite3 *db;
    expect(0, ctl("create backup nightly --wait"));
    cr_assert_eq(files("data/backups/*", copy), 1, "%s", err);
    end_controller(SIGTERM);
    cr_assert_eq(sqlite3_open(copy, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db,
                              "CREATE TRIGGER evil AFTER INSERT ON settings BEGIN "
                              "SELECT count(*) FROM pragma_database_list; END",
                              NULL, NULL, NULL),
                 SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    cr_expect_neq(restore(copy, NULL), 0);
    cr_expect(says("unsafe"), "%s", err);
    start_controller();
    cr_expect_eq(when_it_answers("get backups"), 0, "%s", err);
}

/* The controller is killed at any point of its job: afterwards the job ends, and there is one copy. */
Test(restore, a_killed_controller_goes_on_with_its_job)
{
    char copy[256];
    for (int round = 0; round < 3; round++) {
        char id[64] = "";
        expect(0, ctl("create backup b%d", round));
        const char *job = strstr(out, "job/");
        cr_assert(job && sscanf(job, "job/%63s", id) == 1, "%s", out);
        end_controller(SIGKILL);
        start_controller();
        cr_assert_eq(when_it_answers("get jobs"), 0, "%s", err);
        expect(0, ctl("job wait %s --timeout 20s", id));
        expect(0, ctl("get job %s -o json", id));
        cr_expect(strstr(out, "\"succeeded\""), "%s", out);
        cr_expect_eq(files("data/backups/*", copy), (size_t)round + 1);
    }
}
