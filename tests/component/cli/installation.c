/* The controller looks at what it finds in its data directory when it starts: nothing, a whole installation, a part of
 * one, damage.
 */
#include "tests/component/cli/scene.h"

#include <signal.h>
#include <skerry/file.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(installation, .init = open_scene, .fini = close_scene);

static const char *in_data(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/data/%s", directory, name);
    return path;
}

/* A start that must fail; what it said is in `err`. */
static void refuse_start(const char *flag)
{
    char log[128];
    int status;
    start_controller_with(0, flag);
    cr_assert_eq(waitpid(controller, &status, 0), controller);
    snprintf(log, sizeof(log), "%s/log", directory);
    read_into(log, err);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %d: %s", status, err);
}

static bool says(const char *text)
{
    return strstr(err, text) != NULL;
}

SKR_PRINTF(1, 2) static void run(const char *format, ...)
{
    char command[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void write_file(const char *name, const char *text)
{
    cr_assert_eq(skr_file_replace(in_data(name), text, strlen(text), 0600), 0);
}

static size_t read_data(const char *name, char ret[static 8192])
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    cr_assert_eq(skr_file_read(in_data(name), 8191, &bytes, &size), 0, "%s", name);
    memcpy(ret, bytes, size + 1);
    free(bytes);
    return size;
}

static void make_empty_database(void)
{
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(in_data("skerry.db"), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA journal_mode = WAL; CREATE TABLE t (a); DROP TABLE t", NULL, NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(db);
}

/* The status of /readyz; what it said is in `out`. */
static int readyz(void)
{
    char command[512], path[128];
    snprintf(path, sizeof(path), "%s/ready", directory);
    snprintf(command, sizeof(command), "curl -sk -w '\n%%{http_code}' %s/readyz > %s", url, path);
    if (system(command) != 0)
        return 0;
    read_into(path, out);
    return atoi(strrchr(out, '\n') + 1);
}

/* The first moments of every start, which say nothing of what the controller finds. */
static bool is_loading(int status)
{
    return status == 503 && strstr(out, "still loading");
}

/* Until somebody answers: /readyz tells whether it is sound, and asks for no certificate that is known. */
static int when_ready(void)
{
    char log[128];
    int status = 0;
    for (int tries = 0; tries < 500 && (!status || is_loading(status)); tries++) {
        status = readyz();
        if (!status || is_loading(status))
            usleep(20000);
    }
    snprintf(log, sizeof(log), "%s/log", directory);
    read_into(log, err);
    cr_assert_neq(status, 0, "the controller does not answer: %s", err);
    return status;
}

Test(installation, without_its_database_is_no_new_one)
{
    char authority[8192], token[8192], now[8192], login[512];
    read_data("ca.pem", authority);
    read_data("admin.token", token);
    end_controller(SIGTERM);
    for (int round = 0; round < 3; round++) {
        run("rm -f %s", in_data("skerry.db"));
        if (round == 1)
            write_file("skerry.db", "");
        if (round == 2)
            make_empty_database();
        refuse_start(NULL);
        cr_expect(says(round ? "is empty" : "is missing") && says("--initialize") && says("restore"), "%s", err);
        cr_expect(says("ca.pem") || says("admin.token") || says("backups"), "it names what it found: %s", err);
        read_data("ca.pem", now);
        cr_expect_str_eq(now, authority);
        read_data("admin.token", now);
        cr_expect_str_eq(now, token);
        cr_expect_eq(access(in_data("skerry.db"), F_OK) == 0, round > 0, "a refused start makes no database");
    }
    run("rm -f %s", in_data("skerry.db"));
    start_controller_with(0, "--initialize");
    when_ready();
    snprintf(login, sizeof(login), "login %s --ca %s --token-file %s", url, in_data("ca.pem"), in_data("admin.token"));
    expect(0, ctl("%s", login));
    read_data("ca.pem", now);
    cr_expect_str_neq(now, authority);
    end_controller(SIGTERM);
    refuse_start("--initialize");
    cr_expect(says("exists"), "it is not for every start: %s", err);
    start_controller();
    expect(0, when_it_answers("get tenants"));
}

Test(installation, a_first_start_that_was_cut_off_begins_again)
{
    end_controller(SIGTERM);
    run("rm -rf %s", in_data(""));
    cr_assert_eq(mkdir(in_data(""), 0700), 0);
    write_file("skerry.db.lock", "");
    make_empty_database();
    write_file("skerry.db-wal", "");
    start_controller();
    expect(200, when_ready());
}

/* ---- damage ---- */

/* Bytes of zero where a page of the table was. */
static void zero_a_page_of(const char *table)
{
    static const char nothing[4096];
    sqlite3 *db;
    sqlite3_stmt *page;
    cr_assert_eq(sqlite3_open_v2(in_data("skerry.db"), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    cr_assert_eq(
            sqlite3_prepare_v2(db, "SELECT max(pgoffset), max(pgsize) FROM dbstat WHERE name = ?1", -1, &page, NULL),
            SQLITE_OK);
    sqlite3_bind_text(page, 1, table, -1, SQLITE_STATIC);
    cr_assert_eq(sqlite3_step(page), SQLITE_ROW);
    long long at = sqlite3_column_int64(page, 0);
    cr_assert_eq(sqlite3_column_int(page, 1), (int)sizeof(nothing));
    sqlite3_finalize(page);
    sqlite3_close(db);
    FILE *file = fopen(in_data("skerry.db"), "r+");
    cr_assert(file && fseek(file, at, SEEK_SET) == 0 && fwrite(nothing, sizeof(nothing), 1, file) == 1);
    fclose(file);
}

static int check_database(void)
{
    char data[128], log[128];
    int status;
    snprintf(data, sizeof(data), "%s/data", directory);
    snprintf(log, sizeof(log), "%s/check", directory);
    char program[] = SKR_BUILD_DIR "/skerry-controller";
    char *argv[] = {program, "--check-database", "--data-directory", data, NULL};
    pid_t pid = start(log, log, "/dev/null", argv);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    read_into(log, err);
    return WEXITSTATUS(status);
}

/* Only rows that nothing looks at when the controller starts. */
Test(installation, damage_is_found_told_and_stops_all_writes)
{
    static const char *const tables[] = {"audit_record", "label"};
    expect(0, check_database());
    cr_expect(says("sound"), "while the controller runs: %s", err);
    expect(200, readyz());
    for (size_t i = 0; i < SKR_ARRAY_SIZE(tables); i++) {
        int status = 200;
        end_controller(SIGTERM);
        run("cp %s %s", in_data("skerry.db"), in_data("sound"));
        zero_a_page_of(tables[i]);
        expect(1, check_database());
        cr_expect(says("damaged"), "%s", err);
        start_controller();
        when_ready();
        for (int tries = 0; tries < 300 && status == 200; tries++) {
            status = readyz();
            if (status == 200)
                usleep(20000);
        }
        cr_expect_eq(status, 503, "%s: %s", tables[i], out);
        cr_expect(strstr(out, "damaged") && strstr(out, "restore"), "%s", out);
        cr_expect_neq(ctl("create tenant t%zu", i), 0);
        cr_expect(says("damaged") && says("restore"), "%s", err);
        expect(0, ctl("get tenants"));
        end_controller(SIGTERM);
        run("cp %s %s && rm -f %s", in_data("sound"), in_data("skerry.db"), in_data("skerry.db-wal"));
        start_controller();
        cr_assert_eq(when_it_answers("get tenants"), 0, "%s", err);
    }
    expect(0, ctl("create tenant after"));
    end_controller(SIGTERM);
    run("cp %s %s", in_data("skerry.db"), in_data("sound"));
    zero_a_page_of("compliance"); /* which it reads when it starts */
    refuse_start(NULL);
    cr_expect(says("damaged") && says("restore"), "%s", err);
    run("cp %s %s && rm -f %s", in_data("sound"), in_data("skerry.db"), in_data("skerry.db-wal"));
    start_controller();
    expect(200, when_ready());
}

/* A hang-up is nothing to the controller: each one used to begin the wait for the upkeep anew. */
Test(installation, ignores_hang_ups)
{
    char path[64], status[4096];
    unsigned long long ignored = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", controller);
    kill(controller, SIGHUP);
    expect(0, ctl("get tenants"));
    uint8_t *text = NULL;
    size_t size;
    cr_assert_eq(skr_file_read(path, sizeof(status), &text, &size), 0);
    const char *line = strstr((char *)text, "SigIgn:");
    cr_assert(line && sscanf(line, "SigIgn: %llx", &ignored) == 1);
    free(text);
    cr_expect(ignored & 1ull << (SIGHUP - 1));
}
