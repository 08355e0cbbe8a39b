#include "tests/support/test_store.h"
#include "controller/store/sqlite/migrate.h"
#include <dirent.h>
#include <fcntl.h>
#include <skerry/digest.h>
#include <skerry/file.h>
#include <skerry/macros.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEMPLATE_SIZE_MAX (16 << 20)

static void must(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "test store: %s\n", what);
        abort();
    }
}

void skr_test_store_reopen(struct skr_test_store *test, const char *vfs)
{
    struct skr_store_options options = {.path = test->path, .vfs = vfs};
    struct skr_error error = {0};
    int r = skr_store_open(&options, &test->store, &error);
    must(!r, error.detail);
}

/* One name for each schema, so that a build directory may hold the templates of several. */
static void name_template(char *ret, size_t size)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < skr_migration_count; i++) {
        const struct skr_digest_key key = {hash, i};
        hash = skr_siphash(&key, skr_migrations[i].sql, strlen(skr_migrations[i].sql));
    }
    snprintf(ret, size, SKR_BUILD_DIR "/schema-%016llx.db", (unsigned long long)hash);
}

/* Tests of several processes may do this at the same time: each makes a file of its own, and the last rename wins. */
static void make_template(const char *path)
{
    char own[256];
    struct skr_error error = {0};
    sqlite3 *db;
    snprintf(own, sizeof own, "%s.%d", path, (int)getpid());
    must(!sqlite3_open(own, &db), own);
    must(!sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL), "synchronous");
    must(!skr_migrate(db, NULL, &error), error.detail);
    sqlite3_close(db);
    must(!rename(own, path), path);
}

void skr_test_database_make(const char *path)
{
    char template[256];
    uint8_t *bytes SKR_CLEANUP(skr_free_cleanup) = NULL;
    size_t size;
    name_template(template, sizeof template);
    if (access(template, R_OK))
        make_template(template);
    must(!skr_file_read(template, TEMPLATE_SIZE_MAX, &bytes, &size), template);
    SKR_CLEANUP(skr_close_cleanup) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, path);
}

void skr_test_store_open(struct skr_test_store *test, const char *vfs)
{
    const char *parent = getenv("TMPDIR");
    *test = (struct skr_test_store){0};
    snprintf(test->directory, sizeof test->directory, "%s/skr-store-XXXXXX",
             parent && strlen(parent) < 40 ? parent : "/tmp");
    must(mkdtemp(test->directory), "mkdtemp");
    snprintf(test->path, sizeof test->path, "%s/skerry.db", test->directory);
    skr_test_database_make(test->path);
    skr_test_store_reopen(test, vfs);
}

void skr_test_store_close(struct skr_test_store *test)
{
    skr_store_close(SKR_TAKE(test->store));
}

void skr_test_store_remove(struct skr_test_store *test)
{
    skr_test_store_close(test);
    DIR *directory = opendir(test->directory);
    must(directory, "opendir");
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(test->directory);
}

struct skr_object *skr_test_object(enum skr_resource_id resource, const char *name)
{
    struct skr_object *object = skr_object_new(skr_resource_get(resource));
    skr_object_set_text(object, SKR_FIELD_NAME, name);
    return object;
}

int skr_test_insert(struct skr_txn *txn, void *object, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *copy = skr_object_copy(object);
    return skr_txn_insert(txn, copy, error);
}

int skr_test_delete(struct skr_txn *txn, void *object, struct skr_error *error)
{
    return skr_txn_delete(txn, object, error);
}

int skr_test_add_tenant(struct skr_store *store, const char *name)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *tenant = skr_test_object(SKR_TENANT, name);
    return skr_store_write_wait(store, skr_test_insert, tenant, NULL, NULL);
}

bool skr_test_has_tenant(struct skr_store *store, const char *name)
{
    struct skr_txn *txn;
    must(!skr_store_read_begin(store, &txn, NULL), "read");
    struct skr_list_query query = {.resource = SKR_TENANT, .filter_count = 1, .limit = 1};
    query.filters[0] = (struct skr_list_filter){SKR_FIELD_NAME, {.type = SKR_VALUE_TEXT, .text = (char *)name}};
    struct skr_object *object = NULL;
    uint32_t count = 0;
    bool more;
    must(!skr_txn_list(txn, &query, &object, &count, &more, NULL), "list");
    skr_object_unref(object);
    skr_store_read_end(txn);
    return count == 1;
}

/* A constant row and the one row of a subquery are no tables. */
bool skr_test_plan_is_bad(const char *plan)
{
    bool bad = strstr(plan, "TEMP B-TREE") != NULL;
    for (const char *scan = strstr(plan, "SCAN "); scan && !bad; scan = strstr(scan + 1, "SCAN "))
        bad = strncmp(scan, "SCAN CONSTANT ROW", 17) != 0;
    return bad;
}

struct judge {
    struct skr_store *store;
    unsigned queries, bad;
};

static bool is_statement_of_data(const char *sql)
{
    static const char *const words[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(words); i++)
        if (!strncmp(sql, words[i], strlen(words[i])))
            return true;
    return false;
}

static void judge_query(void *arg, const char *sql)
{
    struct judge *judge = arg;
    struct skr_error error = {0};
    SKR_CLEANUP(skr_free_cleanup) char *plan = NULL;
    if (!is_statement_of_data(sql))
        return;
    judge->queries++;
    if (!skr_store_explain(judge->store, sql, &plan, &error) && !skr_test_plan_is_bad(plan))
        return;
    judge->bad++;
    fprintf(stderr, "bad plan: %s\n%s\n", sql, plan ? plan : error.detail);
}

unsigned skr_test_bad_plans(struct skr_store *store, unsigned *ret_queries)
{
    struct judge judge = {.store = store};
    skr_store_each_query(store, judge_query, &judge);
    *ret_queries = judge.queries;
    return judge.bad;
}
