/* Backups: the write makes the row and starts the job that makes the copy. The passphrase is gone when the write is
 * committed: what is kept, until the copy has it, is the authority's key encrypted by it. */
#include "controller/model/rules.h"

#include <time.h>

static void name_file(struct skr_write *write)
{
    struct skr_uuid id = skr_object_id(write->after);
    time_t now = (time_t)(skr_txn_now_ms(write->txn) / 1000);
    char text[SKR_UUID_TEXT_MAX], at[20], file[64];
    struct tm utc;
    skr_uuid_format(&id, text);
    strftime(at, sizeof(at), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    snprintf(file, sizeof(file), "skerry-%s-%s.db", at, text + strlen(text) - 12);
    skr_object_set_text(write->after, SKR_BACKUP_FILE, file);
    if (!skr_object_has(write->after, SKR_FIELD_NAME))
        skr_object_set_text(write->after, SKR_FIELD_NAME, file);
}

/* A backup that the principal may not make is not slow, because it is refused before any passphrase is used. */
bool skr_model_is_slow(const struct skr_write_request *request)
{
    return request->resource == SKR_BACKUP && request->operation == SKR_OPERATION_CREATE &&
           skr_object_has(request->input, SKR_BACKUP_PASSPHRASE) &&
           skr_role_writes(skr_resource_get(SKR_BACKUP)->writer, request->principal.role);
}

static int read_key(struct skr_store *store, char **ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *certificate = NULL;
    int r = skr_store_read_begin(store, &txn, error);
    if (r == 0)
        r = skr_model_authority_get(txn, ret, &certificate, error);
    return r == -ENOENT ? skr_error_set(error, SKR_ERROR_CONFLICT, "There is no certificate authority yet.") : r;
}

int skr_model_do_slow(struct skr_store *store, struct skr_write_request *request, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *key = NULL, *encrypted = NULL;
    if (!skr_model_is_slow(request))
        return 0;
    struct skr_value *secret = &request->input->values[SKR_BACKUP_PASSPHRASE];
    int r = read_key(store, &key, error);
    if (r == 0)
        r = skr_tls_key_encrypt(key, secret->text, &encrypted, error);
    if (key)
        explicit_bzero(key, strlen(key));
    if (r < 0)
        return r;
    skr_object_set_text(request->input, SKR_BACKUP_AUTHORITY_KEY, encrypted);
    explicit_bzero(secret->text, strlen(secret->text));
    skr_value_clear(secret);
    return 0;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    struct skr_uuid database_id = skr_store_database_id(skr_txn_store(write->txn));
    if (skr_object_has(write->after, SKR_BACKUP_PASSPHRASE))
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The passphrase has not been used before the write.");
    name_file(write);
    skr_object_set_uuid(write->after, SKR_BACKUP_DATABASE_ID, &database_id);
    skr_object_set_integer(write->after, SKR_BACKUP_ENCRYPTED, skr_object_has(write->after, SKR_BACKUP_AUTHORITY_KEY));
    return 0;
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    const struct skr_job_request job = {.kind = "backup", .object = write->after, .principal = write->principal};
    return write->before ? 0 : skr_job_start(write->txn, &job, &write->job_id, error);
}

static int removing(struct skr_write *write, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *job = NULL;
    struct skr_uuid id = skr_object_id(write->before);
    int r = skr_job_of(write->txn, &id, &job, error);
    if (r == 0 && !write->principal->joining)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The backup is being made; cancel its job first.");
    return r == -ENOENT ? 0 : r;
}

const struct skr_rules skr_backup_rules = {.prepare = prepare, .stored = stored, .removing = removing};
