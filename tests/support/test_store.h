/* A store in a directory of its own, for tests and benches of the controller. What cannot fail ends the process. */
#pragma once

#include "controller/store/store.h"

struct skr_test_store {
    char directory[64];
    char path[96];
    struct skr_store *store;
};

/* A new database at `path`: the present schema and no row of settings yet, so that the store that opens it gives it an
 * identity of its own. The migrations run once for each build directory; afterwards this copies a file. */
void skr_test_database_make(const char *path);
/* A new directory below $TMPDIR or /tmp, and a store in it. `vfs` NULL: SQLite's own. */
void skr_test_store_open(struct skr_test_store *test, const char *vfs);
/* Opens the same database again; the store must be closed. */
void skr_test_store_reopen(struct skr_test_store *test, const char *vfs);
void skr_test_store_close(struct skr_test_store *test);  /* the store alone */
void skr_test_store_remove(struct skr_test_store *test); /* store and directory */

/* A new object with a name; the caller owns it. */
struct skr_object *skr_test_object(enum skr_resource_id resource, const char *name);
/* Writes: arg is a struct skr_object *; insert works on a copy, so a repeated run starts from the same. */
int skr_test_insert(struct skr_txn *txn, void *object, struct skr_error *error);
int skr_test_delete(struct skr_txn *txn, void *object, struct skr_error *error);
/* Inserts a tenant of that name and waits: 0 or -errno. */
int skr_test_add_tenant(struct skr_store *store, const char *name);
/* The tenant of that name in a new snapshot? */
bool skr_test_has_tenant(struct skr_store *store, const char *name);
/* Refuses, on stderr, every prepared query that scans or sorts: the number of those. */
unsigned skr_test_bad_plans(struct skr_store *store, unsigned *ret_queries);
/* "SCAN" of a table or a sort in a plan? */
bool skr_test_plan_is_bad(const char *plan);
