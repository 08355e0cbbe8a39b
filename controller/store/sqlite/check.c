/* Looking for damage, and opening files that may be anybody's. copy.c and health.c call it, and the program's
 * --check-database. */
#include "controller/store/sqlite/private.h"

#include <string.h>

int skr_check_open(const char *path, int flags, sqlite3 **ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_check_close) sqlite3 *db = NULL;
    int code = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The file %.300s cannot be opened: %s.", path,
                             skr_sqlite_text(db));
    if (!(flags & SQLITE_OPEN_READWRITE))
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* the writer alone does */
    /* A file brings triggers and views along that run as soon as it is written to. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    *ret = SKR_TAKE(db);
    return 0;
}

int skr_check_ask(sqlite3 *db, const char *sql, const char *first, const char *second, char **ret,
                  struct skr_error *error)
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
                    : skr_error_set(error, SKR_ERROR_CONFLICT, "The database cannot be read: %s.", skr_sqlite_text(db));
    sqlite3_finalize(stmt);
    if (r == 0)
        *ret = text;
    return r;
}

int skr_check_all(sqlite3 *db, const char *what, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *verdict = NULL, *broken = NULL, *id = NULL;
    int r = skr_check_ask(db, "PRAGMA integrity_check(1)", NULL, NULL, &verdict, error);
    if (r == 0 && (!verdict || strcmp(verdict, "ok") != 0))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "%s is damaged: %.300s", what, verdict ? verdict : "");
    if (r == 0)
        r = skr_check_ask(db, "PRAGMA foreign_key_check", NULL, NULL, &broken, error);
    if (r == 0 && broken)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "%s is damaged: a %.60s refers to what is not there.", what,
                             broken);
    if (r == 0)
        r = skr_check_ask(db, "SELECT value FROM settings WHERE name = 'database_id'", NULL, NULL, &id, error);
    if (r == 0 && !id)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "%s is no database of a controller.", what);
    return r;
}

int skr_store_check(const char *path, struct skr_error *error)
{
    SKR_CLEANUP(skr_check_close) sqlite3 *db = NULL;
    int r = skr_check_open(path, SQLITE_OPEN_READONLY, &db, error);
    return r < 0 ? r : skr_check_all(db, "The database", error);
}
