#include "controller/store/sqlite/migrate.h"
#include <dirent.h>
#include <errno.h>
#include <skerry/file.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>

#define APPLICATION_ID     0x534b5259 /* "SKRY" */
#define MIGRATIONS_MAX     9999
#define MIGRATION_SIZE_MAX 1048576

static int storage_error(sqlite3 *db, const char *what, struct skr_error *error)
{
    return skr_error_set(error, SKR_ERROR_STORAGE, "The database could not be %s: %s.", what, sqlite3_errmsg(db));
}

/* First column of the first row; 0 when there is no row. */
static int read_integer(sqlite3 *db, const char *sql, int64_t *ret, struct skr_error *error)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
        return storage_error(db, "read", error);
    int code = sqlite3_step(stmt);
    int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return storage_error(db, "read", error);
    *ret = value;
    return 0;
}

/* How far the database is; refuses what is not ours. */
static int read_version(sqlite3 *db, unsigned last, int64_t *ret, struct skr_error *error)
{
    int64_t version = 0, application = 0, tables = 0;
    int r = read_integer(db, "PRAGMA user_version", &version, error);
    r = r ? r : read_integer(db, "PRAGMA application_id", &application, error);
    r = r ? r : read_integer(db, "SELECT count(*) FROM sqlite_schema", &tables, error);
    if (r)
        return r;
    if (application != APPLICATION_ID && (version || tables))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The file is a database of another program.");
    if (version > last)
        return skr_error_set(
                error, SKR_ERROR_CONFLICT,
                "The database was written by a newer version (schema %lld, this program knows %u): run that "
                "version or restore an older backup.",
                (long long)version, last);
    *ret = version;
    return 0;
}

/* A row of foreign_key_check is a reference that the migration left dangling. */
static int apply(sqlite3 *db, const struct skr_migration *migration, struct skr_error *error)
{
    char finish[96];
    snprintf(finish, sizeof finish, "PRAGMA user_version = %u; PRAGMA application_id = %d", migration->version,
             APPLICATION_ID);
    int64_t dangling = 0;
    if (sqlite3_exec(db, migration->sql, NULL, NULL, NULL) || sqlite3_exec(db, finish, NULL, NULL, NULL))
        return skr_error_set(error, SKR_ERROR_STORAGE, "Migration %s failed: %s.", migration->name, sqlite3_errmsg(db));
    int r = read_integer(db, "SELECT 1 FROM pragma_foreign_key_check LIMIT 1", &dangling, error);
    if (r == 0 && dangling)
        r = skr_error_set(error, SKR_ERROR_STORAGE, "Migration %s left a reference to nothing.", migration->name);
    return r;
}

/* All that are missing in one transaction: an upgrade that fails, or is cut off, leaves the database as it was, for the
 * version that wrote it. */
static int run(sqlite3 *db, const struct skr_migration *migrations, unsigned count, struct skr_error *error)
{
    int64_t version = 0;
    int r = read_version(db, count, &version, error);
    if (r == 0 && sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL))
        r = storage_error(db, "migrated", error);
    for (unsigned i = 0; r == 0 && i < count; i++) {
        if (migrations[i].version != i + 1)
            r = skr_error_set(error, SKR_ERROR_INTERNAL, "Migration %s is not number %u: one is missing or double.",
                              migrations[i].name, i + 1);
        else if (migrations[i].version > version)
            r = apply(db, &migrations[i], error);
    }
    if (r == 0 && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL))
        r = storage_error(db, "migrated", error);
    if (r && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

static int is_migration(const struct dirent *entry)
{
    const char *name = entry->d_name;
    size_t length = strlen(name);
    return length > 9 && strspn(name, "0123456789") == 4 && name[4] == '_' && !strcmp(name + length - 4, ".sql");
}

struct loaded {
    struct skr_migration *migrations;
    struct dirent **entries;
    int count;
};

static void loaded_cleanup(struct loaded *loaded)
{
    for (int i = 0; i < loaded->count; i++) {
        if (loaded->migrations)
            free((char *)loaded->migrations[i].sql);
        free(loaded->entries[i]);
    }
    free(loaded->migrations);
    free(loaded->entries);
}

static int run_directory(sqlite3 *db, const char *directory, struct skr_error *error)
{
    SKR_CLEANUP(loaded_cleanup) struct loaded loaded = {0};
    loaded.count = scandir(directory, &loaded.entries, is_migration, alphasort);
    if (loaded.count < 0) {
        loaded.count = 0;
        return skr_error_set(error, SKR_ERROR_STORAGE, "The schema directory %s: %s.", directory, strerror(errno));
    }
    if (loaded.count == 0 || loaded.count > MIGRATIONS_MAX)
        return skr_error_set(error, SKR_ERROR_STORAGE, "The schema directory %s holds no migrations.", directory);
    loaded.migrations = calloc((size_t)loaded.count, sizeof *loaded.migrations);
    if (!loaded.migrations)
        return -ENOMEM;
    for (int i = 0; i < loaded.count; i++) {
        SKR_CLEANUP(skr_free_cleanup) char *path = NULL;
        uint8_t *text = NULL;
        size_t size;
        if (asprintf(&path, "%s/%s", directory, loaded.entries[i]->d_name) < 0)
            return -ENOMEM;
        int r = skr_file_read(path, MIGRATION_SIZE_MAX, &text, &size);
        if (r)
            return skr_error_set(error, SKR_ERROR_STORAGE, "Migration %s cannot be read: %s.", path, strerror(-r));
        loaded.migrations[i] = (struct skr_migration){.version = (unsigned)strtoul(loaded.entries[i]->d_name, NULL, 10),
                                                      .name = loaded.entries[i]->d_name,
                                                      .sql = (const char *)text};
    }
    return run(db, loaded.migrations, (unsigned)loaded.count, error);
}

int skr_migrate(sqlite3 *db, const char *directory, struct skr_error *error)
{
    return directory ? run_directory(db, directory, error) : run(db, skr_migrations, skr_migration_count, error);
}
