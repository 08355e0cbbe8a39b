/* Whole copies of a database: made while it is in use, and put in its place while it is not. */
#include "controller/store/sqlite/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <skerry/file.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

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
    return skr_check_ask(db,
                         "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = "
                         "excluded.value",
                         name, value, &nothing, error);
}

/* The controller runs as a user of its own: what root makes for it must be that user's. */
static int give_to_owner(int fd, const char *path, const struct stat *like, struct skr_error *error)
{
    if (fchown(fd, like->st_uid, like->st_gid) == 0 && fchmod(fd, like->st_mode & 0777) == 0)
        return 0;
    return skr_error_set(error, SKR_ERROR_CONFLICT,
                         "%.300s cannot be given to user %u, whose database it replaces: %s. Run this as root or as "
                         "that user.",
                         path, like->st_uid, strerrordesc_np(errno));
}

/* The file exists with its mode before SQLite gives it another, and with the owner of `like` (NULL: this process's). */
static int make_file(const char *path, const struct stat *like, struct skr_error *error)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The file %.300s cannot be made: %s.", path,
                             strerrordesc_np(errno));
    return like ? give_to_owner(fd, path, like, error) : 0;
}

/* One file, no write-ahead log beside it. A setting that is replaced leaves no trace: everything is written anew. */
static int copy_to(sqlite3 *from, const char *path, const char *setting, const char *value, struct skr_error *error)
{
    SKR_CLEANUP(skr_check_close) sqlite3 *to = NULL;
    int r = skr_check_open(path, SQLITE_OPEN_READWRITE, &to, error);
    if (r == 0)
        r = copy_pages(to, from, error);
    if (r == 0)
        r = run(to, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON", error);
    if (r == 0 && value)
        r = set(to, setting, value, error);
    if (r == 0 && value)
        r = run(to, "VACUUM", error);
    return r < 0 ? r : skr_check_all(to, "The copy", error);
}

int skr_store_copy(struct skr_store *store, const struct skr_store_copy *options, struct skr_store_copy_facts *ret,
                   struct skr_error *error)
{
    SKR_CLEANUP(skr_check_close) sqlite3 *from = NULL, *copy = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *revision = NULL;
    struct stat facts;
    int r = skr_check_open(store->path, SQLITE_OPEN_READONLY, &from, error);
    if (r == 0)
        r = make_file(options->path, NULL, error);
    if (r == 0)
        r = copy_to(from, options->path, options->setting, options->value, error);
    if (r == 0)
        r = skr_check_open(options->path, SQLITE_OPEN_READONLY, &copy, error);
    if (r == 0)
        r = skr_check_ask(copy, "SELECT coalesce(max(revision), 0) FROM change_log", NULL, NULL, &revision, error);
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

static int lock(const char *path, const struct stat *like, int *ret_fd, struct skr_error *error)
{
    char name[PATH_MAX];
    int r = path_with(path, ".lock", name, error);
    if (r < 0)
        return r;
    SKR_CLEANUP(skr_close_cleanup) int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return skr_error_set(error, SKR_ERROR_STORAGE, "The lock file %.300s: %s.", name, strerrordesc_np(errno));
    r = give_to_owner(fd, name, like, error);
    if (r < 0)
        return r;
    if (flock(fd, LOCK_EX | LOCK_NB))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The controller runs; stop it first.");
    *ret_fd = skr_take_fd(&fd);
    return 0;
}

/* Moves what stands in the log into the database, if the database is still fit for it. */
static int settle_old(const char *path, struct skr_error *error)
{
    SKR_CLEANUP(skr_check_close) sqlite3 *db = NULL;
    if (skr_check_open(path, SQLITE_OPEN_READWRITE, &db, NULL) < 0)
        return 0;
    /* before its first reading SQLite does not know that there is a log */
    int code = sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
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
static int prepare_copy(const struct skr_store_restore *options, const char *beside, const struct stat *like,
                        struct skr_error *error)
{
    SKR_CLEANUP(skr_check_close) sqlite3 *from = NULL, *to = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *before = NULL, *after = NULL;
    int r = skr_check_open(options->file, SQLITE_OPEN_READONLY, &from, error);
    if (r == 0)
        r = skr_check_all(from, "The file", error);
    if (r == 0)
        r = skr_check_ask(from, "SELECT value FROM settings WHERE name = ?1", options->setting, NULL, &before, error);
    if (r == 0 && before)
        r = options->change(options->arg, before, &after, error);
    if (r == 0)
        r = drop_copy(beside, error);
    if (r == 0)
        r = make_file(beside, like, error);
    if (r == 0)
        r = copy_to(from, beside, options->setting, after, error);
    if (after)
        explicit_bzero(after, strlen(after));
    if (r == 0)
        r = skr_check_open(beside, SQLITE_OPEN_READWRITE, &to, error);
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

/* Finds the database's owner and mode; where there is no database any more, the directory's owner gets the new one. */
static int owner_of(const char *path, struct stat *ret, struct skr_error *error)
{
    char directory[PATH_MAX];
    if (stat(path, ret) == 0)
        return 0;
    const char *slash = strrchr(path, '/');
    snprintf(directory, sizeof(directory), "%.*s", slash > path ? (int)(slash - path) : 1, slash ? path : ".");
    if (stat(directory, ret) < 0)
        return fail(directory, "looked at", error);
    ret->st_mode = 0600;
    return 0;
}

int skr_store_restore(const struct skr_store_restore *options, struct skr_error *error)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = -1;
    char beside[PATH_MAX];
    struct stat like = {0};
    int r = path_with(options->path, ".restore", beside, error);
    if (r == 0)
        r = owner_of(options->path, &like, error);
    if (r == 0)
        r = lock(options->path, &like, &fd, error);
    if (r < 0)
        return r;
    r = prepare_copy(options, beside, &like, error);
    if (r == 0)
        r = exchange(options->path, beside, options->aside, error);
    if (r < 0)
        drop_copy(beside, NULL);
    return r;
}
