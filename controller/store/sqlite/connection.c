#include "controller/store/sqlite/private.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

static const char writer_pragmas[] = "PRAGMA synchronous = FULL;"
                                     "PRAGMA wal_autocheckpoint = 0;"
                                     "PRAGMA journal_size_limit = 67108864;"
                                     "PRAGMA cache_size = -65536;"
                                     "PRAGMA temp_store = MEMORY;";
static const char reader_pragmas[] = "PRAGMA cache_size = -8192;"
                                     "PRAGMA temp_store = MEMORY;"
                                     "PRAGMA query_only = ON;";
/* For what another process may hold for a moment, such as a backup tool. */
#define BUSY_TIMEOUT_MS 1000

static int constraint_error(sqlite3 *db, int code, const char *sql, struct skr_error *error)
{
    bool deleting = sql && !strncasecmp(sql, "DELETE", 6);
    switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        return skr_error_set(error, SKR_ERROR_EXISTS, "There already is such an object (%s).", sqlite3_errmsg(db));
    case SQLITE_CONSTRAINT_FOREIGNKEY:
    case SQLITE_CONSTRAINT_TRIGGER: /* how SQLite reports ON DELETE RESTRICT */
        if (deleting)
            return skr_error_set(error, SKR_ERROR_IN_USE, "Something still refers to this object.");
        return skr_error_set(error, SKR_ERROR_REFERENCE, "The object refers to something that does not exist.");
    default:
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The database refused a row: %s.", sqlite3_errmsg(db));
    }
}

int skr_sqlite_error(struct skr_connection *connection, int code, const char *sql, struct skr_error *error)
{
    sqlite3 *db = connection->db;
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return constraint_error(db, code, sql, error);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        skr_error_set(error, SKR_ERROR_UNAVAILABLE, "Another process holds the database: %s.", skr_sqlite_text(db));
        return -EAGAIN;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return skr_health_damaged(connection->store, skr_sqlite_text(db), error);
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
    case SQLITE_PERM:
        return skr_error_set(error, SKR_ERROR_STORAGE, "The database cannot do this now: %s (SQLite %d).",
                             skr_sqlite_text(db), code);
    default:
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The database refused a statement: %s (SQLite %d).",
                             skr_sqlite_text(db), code);
    }
}

static int configure_writer(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    int code = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
    if (!code) {
        code = sqlite3_step(stmt);
        bool wal = code == SQLITE_ROW && !strcmp((const char *)sqlite3_column_text(stmt, 0), "wal");
        if (code == SQLITE_ROW)
            code = wal ? SQLITE_OK : SQLITE_CANTOPEN;
    }
    sqlite3_finalize(stmt);
    return code ? code : sqlite3_exec(db, writer_pragmas, NULL, NULL, NULL);
}

int skr_connection_open(struct skr_store *store, bool writing, struct skr_connection *ret, struct skr_error *error)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (writing ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(store->path, &db, flags, store->vfs);
    if (!code) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL); /* a misspelt column must not become a text */
        sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
        /* A restored file may bring things along in its schema: they call no functions and corrupt no pages. */
        sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        if (!writing)
            sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        code = writing ? configure_writer(db) : sqlite3_exec(db, reader_pragmas, NULL, NULL, NULL);
    }
    if (code) {
        int r = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB
                        ? skr_health_damaged(store, skr_sqlite_text(db), error)
                        : skr_error_set(error, SKR_ERROR_STORAGE, "The database %s cannot be opened: %s.", store->path,
                                        skr_sqlite_text(db));
        sqlite3_close_v2(db);
        return r;
    }
    *ret = (struct skr_connection){.db = db, .store = store};
    return 0;
}

static void statement_drop(struct skr_connection *connection, struct skr_statement *statement)
{
    HASH_DEL(connection->statements, statement);
    for (unsigned i = 0; i < SKR_STORE_NEAR; i++)
        if (connection->near[i] == statement)
            connection->near[i] = NULL;
    sqlite3_finalize(statement->stmt);
    free(statement->sql);
    free(statement);
}

void skr_connection_close(struct skr_connection *connection)
{
    struct skr_statement *statement, *next;
    HASH_ITER (hh, connection->statements, statement, next)
        statement_drop(connection, statement);
    sqlite3_close_v2(connection->db);
    *connection = (struct skr_connection){0};
}

/* Keeps the text for the test that reads plans. */
static void remember_text(struct skr_store *store, const char *sql)
{
    struct skr_text *text;
    pthread_mutex_lock(&store->texts_lock);
    HASH_FIND_STR(store->texts, sql, text);
    if (!text) {
        text = calloc(1, sizeof *text);
        if (!text || !(text->sql = strdup(sql)))
            abort();
        HASH_ADD_KEYPTR(hh, store->texts, text->sql, strlen(text->sql), text);
    }
    pthread_mutex_unlock(&store->texts_lock);
}

/* Prepares and keeps it; NULL when SQLite refuses, its code in *ret_code. */
static struct skr_statement *statement_new(struct skr_connection *connection, const char *sql, int *ret_code)
{
    sqlite3_stmt *stmt = NULL;
    *ret_code = sqlite3_prepare_v3(connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    if (*ret_code)
        return NULL;
    struct skr_statement *statement = calloc(1, sizeof *statement);
    if (!statement || !(statement->sql = strdup(sql)))
        abort();
    statement->stmt = stmt;
    statement->connection = connection;
    HASH_ADD_KEYPTR(hh, connection->statements, statement->sql, strlen(statement->sql), statement);
    remember_text(connection->store, sql);
    return statement;
}

static struct skr_statement *statement_find(struct skr_connection *connection, const char *sql, int *ret_code)
{
    struct skr_statement **near = &connection->near[((uintptr_t)sql >> 4) % SKR_STORE_NEAR], *statement = *near;
    if (statement && strcmp(statement->sql, sql) == 0)
        return statement;
    HASH_FIND_STR(connection->statements, sql, statement);
    if (!statement)
        statement = statement_new(connection, sql, ret_code);
    return *near = statement;
}

int skr_connection_statement(struct skr_connection *connection, const char *sql, struct skr_statement **ret,
                             struct skr_error *error)
{
    int code = SQLITE_OK;
    struct skr_statement *statement = statement_find(connection, sql, &code);
    if (!statement)
        return skr_sqlite_error(connection, code, sql, error);
    sqlite3_reset(statement->stmt);
    sqlite3_clear_bindings(statement->stmt);
    statement->bind_result = SQLITE_OK;
    if (!statement->used) {
        statement->used = true;
        statement->next_used = connection->used;
        connection->used = statement;
    }
    *ret = statement;
    return 0;
}

void skr_connection_reset(struct skr_connection *connection)
{
    while (connection->used) {
        struct skr_statement *statement = connection->used;
        connection->used = statement->next_used;
        statement->used = false;
        sqlite3_reset(statement->stmt);
    }
    /* The hash keeps the order of insertion: its head is the oldest. */
    while (HASH_COUNT(connection->statements) > SKR_STORE_STATEMENTS_MAX)
        statement_drop(connection, connection->statements);
}

int skr_connection_run(struct skr_connection *connection, const char *sql)
{
    int code = SQLITE_OK;
    struct skr_statement *statement = statement_find(connection, sql, &code);
    if (!statement)
        return code;
    code = sqlite3_step(statement->stmt);
    sqlite3_reset(statement->stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}
