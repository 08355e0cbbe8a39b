/* Whole copies of a database: made while it is in use, and put in its place while it is not. */
#include "controller/store/sqlite/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <skerry/file.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static void close_database(sqlite3 **db)
{
    sqlite3_close(*db);
}

static int open_database(const char *path, int flags, sqlite3 **ret, struct skr_error *error)
{
    SKR_CLEANUP(close_database) sqlite3 *db = NULL;
    int code = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (!code && !(flags & SQLITE_OPEN_READWRITE))
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* the writer alone does */
    if (code)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The file %.300s cannot be opened: %s.", path,
                             skr_sqlite_text(db));
    *ret = SKR_TAKE(db);
    return 0;
}

/* First column of the first row as text; NULL when there is none. Owned by the caller. */
static int ask(sqlite3 *db, const char *sql, const char *first, const char *second, char **ret, struct skr_error *error)
{
    sqlite3_stmt *stmt = NULL;
    char *text = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (!code && first)
        code = sqlite3_bind_text(stmt, 1, first, -1, SQLITE_STATIC);
    if (!code && second)
        code = sqlite3_bind_text(stmt, 2, second, -1, SQLITE_STATIC);
    code = code ? code : sqlite3_step(stmt);
    if (code == SQLITE_ROW && sqlite3_column_text(stmt, 0))
        text = strdup((const char *)sqlite3_column_text(stmt, 0));
    int r = code == SQLITE_ROW || code == SQLITE_DONE
                    ? 0
                    : skr_error_set(error, SKR_ERROR_CONFLICT, "The copy cannot be read: %s.", skr_sqlite_text(db));
    sqlite3_finalize(stmt);
    if (r == 0)
        *ret = text;
    return r;
}

static int check(sqlite3 *db, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *verdict = NULL, *broken = NULL, *id = NULL;
    int r = ask(db, "PRAGMA integrity_check(1)", NULL, NULL, &verdict, error);
    if (r == 0 && (!verdict || strcmp(verdict, "ok") != 0))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The copy is damaged: %.300s", verdict ? verdict : "");
    if (r == 0)
        r = ask(db, "PRAGMA foreign_key_check", NULL, NULL, &broken, error);
    if (r == 0 && broken)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The copy is damaged: a %.60s refers to what is not there.",
                             broken);
    if (r == 0)
        r = ask(db, "SELECT value FROM settings WHERE name = 'database_id'", NULL, NULL, &id, error);
    if (r == 0 && !id)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The file is no database of a controller.");
    return r;
}

static int copy_pages(sqlite3 *to, sqlite3 *from, struct skr_error *error)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    int code = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(to);
    if (backup)
        sqlite3_backup_finish(backup);
    return code == SQLITE_DONE
                   ? 0
                   : skr_error_set(error, SKR_ERROR_CONFLICT, "The copy cannot be written: %s.", sqlite3_errstr(code));
}

static int run(sqlite3 *db, const char *sql, struct skr_error *error)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL)
                   ? skr_error_set(error, SKR_ERROR_CONFLICT, "The copy cannot be written: %s.", skr_sqlite_text(db))
                   : 0;
}

static int set(sqlite3 *db, const char *name, const char *value, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *nothing = NULL;
    return ask(db,
               "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = "
               "excluded.value",
               name, value, &nothing, error);
}

/* The file exists with its mode before SQLite gives it another. */
static int make_file(const char *path, struct skr_error *error)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? skr_error_set(error, SKR_ERROR_CONFLICT, "The file %.300s cannot be made: %s.", path,
                                  strerrordesc_np(errno))
                  : 0;
}

/* One file, no write-ahead log beside it. A setting that is replaced leaves no trace: everything is written anew. */
static int copy_to(sqlite3 *from, const char *path, const char *setting, const char *value, struct skr_error *error)
{
    SKR_CLEANUP(close_database) sqlite3 *to = NULL;
    int r = open_database(path, SQLITE_OPEN_READWRITE, &to, error);
    if (r == 0)
        r = copy_pages(to, from, error);
    if (r == 0)
        r = run(to, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON", error);
    if (r == 0 && value)
        r = set(to, setting, value, error);
    if (r == 0 && value)
        r = run(to, "VACUUM", error);
    return r < 0 ? r : check(to, error);
}

int skr_store_copy(struct skr_store *store, const struct skr_store_copy *options, struct skr_store_copy_facts *ret,
                   struct skr_error *error)
{
    SKR_CLEANUP(close_database) sqlite3 *from = NULL, *copy = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *revision = NULL;
    struct stat facts;
    int r = open_database(store->path, SQLITE_OPEN_READONLY, &from, error);
    if (r == 0)
        r = make_file(options->path, error);
    if (r == 0)
        r = copy_to(from, options->path, options->setting, options->value, error);
    if (r == 0)
        r = open_database(options->path, SQLITE_OPEN_READONLY, &copy, error);
    if (r == 0)
        r = ask(copy, "SELECT coalesce(max(revision), 0) FROM change_log", NULL, NULL, &revision, error);
    if (r < 0)
        return r;
    if (stat(options->path, &facts) < 0)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The copy has vanished.");
    *ret = (struct skr_store_copy_facts){.bytes = facts.st_size, .revision = revision ? atoll(revision) : 0};
    return 0;
}

/* ---- restore ---- */

static int path_with(const char *path, const char *suffix, char out[static PATH_MAX], struct skr_error *error)
{
    return snprintf(out, PATH_MAX, "%s%s", path, suffix) < PATH_MAX
                   ? 0
                   : skr_error_set(error, SKR_ERROR_INVALID, "The name of the data directory is too long.");
}

static int lock(const char *path, int *ret_fd, struct skr_error *error)
{
    char name[PATH_MAX];
    int r = path_with(path, ".lock", name, error);
    if (r < 0)
        return r;
    SKR_CLEANUP(skr_close_cleanup) int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return skr_error_set(error, SKR_ERROR_STORAGE, "The lock file %.300s: %s.", name, strerrordesc_np(errno));
    if (flock(fd, LOCK_EX | LOCK_NB))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The controller runs; stop it first.");
    *ret_fd = skr_take_fd(&fd);
    return 0;
}

/* What stands in the log goes into the database, if the database is still fit for it. */
static int settle_old(const char *path, struct skr_error *error)
{
    SKR_CLEANUP(close_database) sqlite3 *db = NULL;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (!code) /* before its first reading SQLite does not know that there is a log */
        code = sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    if (!code)
        code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED
                   ? skr_error_set(error, SKR_ERROR_CONFLICT, "Another process reads the database; end it first.")
                   : 0;
}

static int fail(const char *path, const char *how, struct skr_error *error)
{
    return skr_error_set(error, SKR_ERROR_STORAGE, "%.300s cannot be %s: %s.", path, how, strerrordesc_np(errno));
}

static int put_aside(const char *path, const char *aside, const char *suffix, struct skr_error *error)
{
    char from[PATH_MAX], to[PATH_MAX];
    int r = path_with(path, suffix, from, error);
    if (r == 0)
        r = path_with(aside, suffix, to, error);
    return r < 0 || link(from, to) == 0 || errno == ENOENT ? r : fail(from, "kept", error);
}

static int take_away(const char *path, const char *suffix, struct skr_error *error)
{
    char name[PATH_MAX];
    int r = path_with(path, suffix, name, error);
    return r < 0 || unlink(name) == 0 || errno == ENOENT ? r : fail(name, "removed", error);
}

/* With what SQLite keeps beside it: left of a restore that was killed, it would be played into the next one's. */
static int drop_copy(const char *beside, struct skr_error *error)
{
    static const char *const suffixes[] = {"-journal", "-wal", "-shm", ""};
    int r = 0;
    for (size_t i = 0; r == 0 && i < SKR_ARRAY_SIZE(suffixes); i++)
        r = take_away(beside, suffixes[i], error);
    return r;
}

static int sync_names(const char *path, struct skr_error *error)
{
    int r = skr_file_sync_name(path);
    errno = -r;
    return r < 0 ? fail(path, "written to the disk", error) : 0;
}

/* The copy with its settings as they shall be, beside the database. */
static int prepare_copy(const struct skr_store_restore *options, const char *beside, struct skr_error *error)
{
    SKR_CLEANUP(close_database) sqlite3 *from = NULL, *to = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *before = NULL, *after = NULL;
    int r = open_database(options->file, SQLITE_OPEN_READONLY, &from, error);
    if (r == 0)
        r = check(from, error);
    if (r == 0)
        r = ask(from, "SELECT value FROM settings WHERE name = ?1", options->setting, NULL, &before, error);
    if (r == 0 && before)
        r = options->change(options->arg, before, &after, error);
    if (r == 0)
        r = drop_copy(beside, error);
    if (r == 0)
        r = make_file(beside, error);
    if (r == 0)
        r = copy_to(from, beside, options->setting, after, error);
    if (after)
        explicit_bzero(after, strlen(after));
    if (r == 0)
        r = open_database(beside, SQLITE_OPEN_READWRITE, &to, error);
    return r < 0 ? r : set(to, options->mark, "1", error);
}

/* At every moment, and whenever the power fails, the name is that of a whole database: the old one, kept under another
 * name too, or the new one. A log of the old one must never meet the new one: what a step needs is on the disk before
 * the step. */
static int exchange(const char *path, const char *beside, const char *aside, struct skr_error *error)
{
    int r = settle_old(path, error);
    if (r == 0)
        r = put_aside(path, aside, "", error);
    if (r == 0)
        r = put_aside(path, aside, "-wal", error);
    if (r == 0)
        r = sync_names(path, error);
    if (r == 0)
        r = take_away(path, "-wal", error);
    if (r == 0)
        r = take_away(path, "-shm", error);
    if (r == 0)
        r = sync_names(path, error);
    if (r == 0 && rename(beside, path) < 0)
        r = fail(path, "replaced", error);
    return r < 0 ? r : sync_names(path, error);
}

int skr_store_restore(const struct skr_store_restore *options, struct skr_error *error)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = -1;
    char beside[PATH_MAX];
    int r = path_with(options->path, ".restore", beside, error);
    if (r == 0)
        r = lock(options->path, &fd, error);
    if (r < 0)
        return r;
    r = prepare_copy(options, beside, error);
    if (r == 0)
        r = exchange(options->path, beside, options->aside, error);
    if (r < 0)
        drop_copy(beside, NULL);
    return r;
}
