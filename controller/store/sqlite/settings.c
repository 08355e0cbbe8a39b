#include "controller/store/sqlite/private.h"
#include <errno.h>
#include <string.h>

int skr_txn_setting_get(struct skr_txn *txn, const char *name, char **ret_value, struct skr_error *error)
{
    struct skr_statement *statement = NULL;
    int r = skr_connection_statement(txn->connection, "SELECT value FROM settings WHERE name = ?1", &statement, error);
    if (r)
        return r;
    skr_bind_text(statement, 1, name);
    r = skr_step(statement, error);
    if (r != 1)
        return r ? r : -ENOENT;
    char *value = strdup(skr_column_text(statement, 0));
    skr_statement_reset(statement);
    if (!value)
        return -ENOMEM;
    *ret_value = value;
    return 0;
}

int skr_txn_setting_set(struct skr_txn *txn, const char *name, const char *value, struct skr_error *error)
{
    struct skr_statement *statement = NULL;
    if (strlen(value) > SKR_STORE_SETTING_MAX)
        return skr_error_set(error, SKR_ERROR_LIMIT, "Setting %s is longer than %d bytes.", name,
                             SKR_STORE_SETTING_MAX);
    int r = skr_connection_statement(txn->connection,
                                     "INSERT INTO settings (name, value) VALUES (?1, ?2) "
                                     "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                                     &statement, error);
    if (r)
        return r;
    skr_bind_text(statement, 1, name);
    skr_bind_text(statement, 2, value);
    return skr_step(statement, error);
}
