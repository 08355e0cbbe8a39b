#include "controller/store/sqlite/private.h"
#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct skr_prefix) == 17, "a prefix is stored as its 17 bytes");

/* The first failure is kept and told by the step, so that binding needs no check of its own. */
static void bound(struct skr_statement *statement, int code)
{
    if (code && !statement->bind_result)
        statement->bind_result = code;
}

static void bind_blob(struct skr_statement *statement, int index, const void *bytes, int size)
{
    bound(statement, bytes ? sqlite3_bind_blob(statement->stmt, index, bytes, size, SQLITE_TRANSIENT)
                           : sqlite3_bind_null(statement->stmt, index));
}

void skr_bind_null(struct skr_statement *statement, int index)
{
    bound(statement, sqlite3_bind_null(statement->stmt, index));
}

void skr_bind_integer(struct skr_statement *statement, int index, int64_t value)
{
    bound(statement, sqlite3_bind_int64(statement->stmt, index, value));
}

void skr_bind_text(struct skr_statement *statement, int index, const char *text)
{
    bound(statement, sqlite3_bind_text(statement->stmt, index, text, -1, SQLITE_TRANSIENT));
}

void skr_bind_uuid(struct skr_statement *statement, int index, const struct skr_uuid *uuid)
{
    bind_blob(statement, index, uuid, sizeof *uuid);
}

void skr_bind_address(struct skr_statement *statement, int index, const struct skr_address *address)
{
    bind_blob(statement, index, address, sizeof *address);
}

void skr_bind_prefix(struct skr_statement *statement, int index, const struct skr_prefix *prefix)
{
    bind_blob(statement, index, prefix, sizeof *prefix);
}

void skr_bind_hash(struct skr_statement *statement, int index, const uint8_t hash[static 32])
{
    bind_blob(statement, index, hash, 32);
}

void skr_bind_mac(struct skr_statement *statement, int index, const struct skr_mac *mac)
{
    bind_blob(statement, index, mac, sizeof *mac);
}

int skr_step(struct skr_statement *statement, struct skr_error *error)
{
    if (statement->bind_result)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "A query was given a parameter it does not have: %s",
                             statement->sql);
    int code = sqlite3_step(statement->stmt);
    if (code == SQLITE_ROW)
        return 1;
    int r = code == SQLITE_DONE ? 0 : skr_sqlite_error(statement->connection, code, statement->sql, error);
    sqlite3_reset(statement->stmt); /* done with it: keep no snapshot alive */
    return r;
}

void skr_statement_reset(struct skr_statement *statement)
{
    sqlite3_reset(statement->stmt);
    sqlite3_clear_bindings(statement->stmt);
    statement->bind_result = SQLITE_OK;
}

int skr_statement_run(struct skr_statement *statement, struct skr_error *error)
{
    int r = skr_step(statement, error);
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

bool skr_column_is_null(struct skr_statement *statement, int column)
{
    return sqlite3_column_type(statement->stmt, column) == SQLITE_NULL;
}

int64_t skr_column_integer(struct skr_statement *statement, int column)
{
    return sqlite3_column_int64(statement->stmt, column);
}

const char *skr_column_text(struct skr_statement *statement, int column)
{
    return (const char *)sqlite3_column_text(statement->stmt, column);
}

/* Leaves zeros when the column holds something else. */
static void read_blob(struct skr_statement *statement, int column, void *ret, size_t size)
{
    const void *bytes = sqlite3_column_blob(statement->stmt, column);
    if (bytes && (size_t)sqlite3_column_bytes(statement->stmt, column) == size)
        memcpy(ret, bytes, size);
}

struct skr_uuid skr_column_uuid(struct skr_statement *statement, int column)
{
    struct skr_uuid uuid = {0};
    read_blob(statement, column, &uuid, sizeof uuid);
    return uuid;
}

struct skr_address skr_column_address(struct skr_statement *statement, int column)
{
    struct skr_address address = {0};
    read_blob(statement, column, &address, sizeof address);
    return address;
}

struct skr_prefix skr_column_prefix(struct skr_statement *statement, int column)
{
    struct skr_prefix prefix = {0};
    read_blob(statement, column, &prefix, sizeof prefix);
    return prefix;
}

struct skr_mac skr_column_mac(struct skr_statement *statement, int column)
{
    struct skr_mac mac = {0};
    read_blob(statement, column, &mac, sizeof mac);
    return mac;
}

int skr_txn_query(struct skr_txn *txn, const struct skr_query *query, struct skr_statement **ret,
                  struct skr_error *error)
{
    return skr_connection_statement(txn->connection, query->sql, ret, error);
}

bool skr_column_hash(struct skr_statement *statement, int column, uint8_t ret[static 32])
{
    const void *bytes = sqlite3_column_blob(statement->stmt, column);
    if (!bytes || sqlite3_column_bytes(statement->stmt, column) != 32)
        return false;
    memcpy(ret, bytes, 32);
    return true;
}
