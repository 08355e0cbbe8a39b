/* Migrations: schema/NNNN_verb_noun.sql in order, all that are missing in one transaction. PRAGMA user_version says how
 * far a database is, PRAGMA application_id that it is one of ours. */
#pragma once

#include <skerry/error.h>
#include <sqlite3.h>

struct skr_migration {
    unsigned version;
    const char *name;
    const char *sql;
};

/* Compiled in (cmake/schema.cmake), by version. */
extern const struct skr_migration skr_migrations[];
extern const unsigned skr_migration_count;

/* Brings the database to the last version; foreign keys must still be off. `directory` NULL: the compiled-in ones.
 * CONFLICT: written by a newer program, or not a database of this one. */
int skr_migrate(sqlite3 *db, const char *directory, struct skr_error *error);
