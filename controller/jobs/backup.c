/* Making a backup: the copy is made, stripped of the authority's key where a passphrase was given, and checked under a
 * name of its own; only then it gets the name that the row says. Done twice it is the same file. */
#include "controller/jobs/private.h"

#include <dirent.h>
#include <limits.h>
#include <skerry/file.h>

#define PARTIAL ".partial" /* the end of a copy's name while it is being made */

/* The row may come from a restored database, which may be anybody's: a backup stands in its directory and nowhere else.
 */
static int path_of(const char *directory, const char *file, const char *suffix, char out[static PATH_MAX],
                   struct skr_error *error)
{
    if (!file || !*file || *file == '.' || strchr(file, '/'))
        return skr_error_set(error, SKR_ERROR_CONFLICT, "'%.100s' is no name of a backup's file.", file ? file : "");
    return snprintf(out, PATH_MAX, "%s/%s%s", directory, file, suffix) < PATH_MAX
                   ? 0
                   : skr_error_set(error, SKR_ERROR_CONFLICT, "The name of the backup directory is too long.");
}

static int read_row(struct skr_store *store, const struct skr_uuid *id, struct skr_object **ret,
                    struct skr_error *error)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    int r = skr_store_read_begin(store, &txn, error);
    if (r == 0)
        r = skr_txn_get(txn, SKR_BACKUP, id, NULL, ret, error);
    return r == -ENOENT ? skr_error_set(error, SKR_ERROR_CONFLICT, "The backup has been deleted meanwhile.") : r;
}

static int copy(struct skr_store *store, const struct skr_object *job, const char *directory, json_t **ret,
                struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
    char path[PATH_MAX], partial[PATH_MAX];
    struct skr_uuid id = skr_object_uuid(job, SKR_JOB_OBJECT_ID);
    int r = read_row(store, &id, &row, error);
    if (r == 0)
        r = path_of(directory, skr_object_text(row, SKR_BACKUP_FILE), "", path, error);
    if (r == 0)
        r = path_of(directory, skr_object_text(row, SKR_BACKUP_FILE), PARTIAL, partial, error);
    if (r < 0)
        return r;
    r = skr_directory_make(directory, 0700);
    if (r < 0)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The directory %.300s cannot be made: %s.", directory,
                             strerrordesc_np(-r));
    const struct skr_store_copy options = {.path = partial,
                                           .setting = SKR_SETTING_AUTHORITY_KEY,
                                           .value = skr_object_text(row, SKR_BACKUP_AUTHORITY_KEY)};
    struct skr_store_copy_facts facts;
    unlink(partial); /* of a controller that was killed */
    r = skr_store_copy(store, &options, &facts, error);
    if (r == 0 && (rename(partial, path) < 0 || skr_file_sync_name(path) < 0))
        r = skr_error_set(error, SKR_ERROR_CONFLICT, "The file %.300s cannot be made: %s.", path,
                          strerrordesc_np(errno));
    if (r < 0)
        unlink(partial);
    else
        *ret = json_pack("{s:I, s:I}", "bytes", (json_int_t)facts.bytes, "revision", (json_int_t)facts.revision);
    return r;
}

static int finish(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL, *after = NULL;
    int r = skr_job_fetch(run, SKR_BACKUP, &run->object_id, &row, error);
    if (r < 0)
        return r;
    after = skr_object_copy(row);
    skr_object_set_integer(after, SKR_BACKUP_BYTES, skr_job_integer(run->prepared, "bytes"));
    skr_object_set_integer(after, SKR_BACKUP_REVISION, skr_job_integer(run->prepared, "revision"));
    skr_object_set_integer(after, SKR_BACKUP_COMPLETED_AT, run->now_ms);
    skr_object_set_null(after, SKR_BACKUP_AUTHORITY_KEY);
    skr_job_say(
            run, 100, "%s is complete and checked, %lld bytes. %s", skr_object_text(row, SKR_BACKUP_FILE),
            (long long)skr_job_integer(run->prepared, "bytes"),
            skr_object_integer(row, SKR_BACKUP_ENCRYPTED)
                    ? "The certificate authority's key in it is encrypted."
                    : "Warning: the certificate authority's key in it is not encrypted; keep it as secret as that.");
    r = skr_txn_update(run->txn, row, after, error);
    return r < 0 ? r : SKR_JOB_GOES_ON;
}

/* The file goes when the row has gone (skr_jobs_changes). */
static int undo(struct skr_job_run *run, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
    int r = skr_txn_get(run->txn, SKR_BACKUP, &run->object_id, NULL, &row, error);
    return r < 0 ? r == -ENOENT ? 0 : r : skr_txn_delete(run->txn, row, error);
}

void skr_job_backup_sweep(const char *directory)
{
    DIR *entries = opendir(directory);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (strstr(entry->d_name, PARTIAL)) /* and what SQLite keeps beside it */
            unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        closedir(entries);
}

void skr_job_backup_deleted(const char *directory, const struct skr_object *backup)
{
    char path[PATH_MAX];
    const char *file = skr_object_text(backup, SKR_BACKUP_FILE);
    if (path_of(directory, file, "", path, NULL) == 0)
        unlink(path);
}

const struct skr_job_kind skr_job_backup = {
        .name = "backup", .steps = {{.name = "copy", .prepare = copy, .run = finish}}, .undo = undo};
