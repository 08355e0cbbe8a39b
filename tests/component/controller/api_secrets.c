/* Secrets in bodies: what becomes of them, and what is left of them. */
#include "controller/model/model.h"
#include "tests/component/controller/api_client.h"

#include <criterion/criterion.h>
#include <skerry/clock.h>
#include <skerry/resource_fields.h>
#include <skerry/tls.h>
#include <string.h>
#include <time.h>

#define PASSPHRASE "correct horse"
#define BACKUP     "{\"name\": \"nightly\", \"passphrase\": \"" PASSPHRASE "\"}"

static struct api_server server;
static char *key_pem;

static int set_authority(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    return skr_model_authority_set(txn, argument, "certificate", error);
}

static void set_up(void)
{
    struct skr_tls_identity *identity SKR_CLEANUP(skr_tls_identity_cleanup) = NULL;
    api_server_start(&server, NULL, NULL);
    cr_assert_eq(skr_tls_key_new(&identity, NULL), 0);
    cr_assert_eq(skr_tls_identity_key_pem(identity, &key_pem), 0);
    cr_assert_eq(skr_store_write_wait(server.database.store, set_authority, key_pem, NULL, NULL), 0);
}

static void tear_down(void)
{
    free(SKR_TAKE(key_pem));
    api_server_stop(&server);
}

TestSuite(api_secrets, .init = set_up, .fini = tear_down, .timeout = 100);

/* Does the passphrase open the key that the copy will hold? */
static void expect_opens(const char *id)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *opened = NULL;
    struct skr_error error = {0};
    struct skr_uuid uuid;
    cr_assert_eq(skr_uuid_parse(id, &uuid), 0);
    cr_assert_eq(skr_store_read_begin(server.database.store, &txn, &error), 0);
    cr_assert_eq(skr_txn_get(txn, SKR_BACKUP, &uuid, NULL, &row, &error), 0);
    const char *sealed = skr_object_text(row, SKR_BACKUP_AUTHORITY_KEY);
    cr_assert_not_null(sealed);
    cr_assert_eq(skr_tls_key_decrypt(sealed, PASSPHRASE, &opened, &error), 0, "%s", error.detail);
    cr_expect_str_eq(opened, key_pem);
}

Test(api_secrets, a_backups_key_is_encrypted_by_the_passphrase_as_it_was_given)
{
    API_REPLY made = api_call(&server, "POST", "/v1/backups", BACKUP, NULL);
    cr_assert_eq(made.status, 202, "%s", made.text);
    cr_expect_null(strstr(made.text, PASSPHRASE));
    expect_opens(api_text(made.json, "id"));
}

static int64_t processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * SKR_NS_PER_S + now.tv_nsec;
}

/* A write: what the writer's thread has computed so far. */
static int ask_writer(struct skr_txn *txn, void *ret_ns, struct skr_error *error)
{
    (void)txn, (void)error;
    *(int64_t *)ret_ns = processor_ns();
    return 0;
}

static int64_t cost_of_a_key(void)
{
    SKR_CLEANUP(skr_free_cleanup) char *sealed = NULL;
    int64_t begun_ns = processor_ns();
    cr_assert_eq(skr_tls_key_encrypt(key_pem, PASSPHRASE, &sealed, NULL), 0);
    return processor_ns() - begun_ns;
}

/* Not in time, which the machine's other work stretches, but in what its thread computes. */
Test(api_secrets, no_write_waits_for_the_key_of_a_passphrase)
{
    enum { BACKUPS = 5 };
    int64_t before_ns = 0, after_ns = 0, cost_ns = cost_of_a_key();
    cr_assert_eq(skr_store_write_wait(server.database.store, ask_writer, &before_ns, NULL, NULL), 0);
    for (int i = 0; i < BACKUPS; i++) {
        API_REPLY made = api_call(&server, "POST", "/v1/backups", "{\"passphrase\": \"" PASSPHRASE "\"}", NULL);
        cr_assert_eq(made.status, 202, "%s", made.text);
    }
    cr_assert_eq(skr_store_write_wait(server.database.store, ask_writer, &after_ns, NULL, NULL), 0);
    cr_expect_lt((after_ns - before_ns) / BACKUPS, cost_ns / 2, "%lld ns a backup, a key takes %lld",
                 (long long)(after_ns - before_ns) / BACKUPS, (long long)cost_ns);
}

Test(api_secrets, a_batch_holds_few_passphrases)
{
    char batch[2048] = "{\"operations\": [";
    for (int i = 0; i < 9; i++)
        strcat(strcat(batch, i ? ", " : ""),
               "{\"method\": \"POST\", \"path\": \"/v1/backups\", \"body\": {\"passphrase\": \"" PASSPHRASE "\"}}");
    API_REPLY refused = api_call(&server, "POST", "/v1/batch", strcat(batch, "]}"), NULL);
    cr_expect_neq(refused.status, 200);
    cr_expect(strstr(refused.text, "passphrases"), "%s", refused.text);
}

Test(api_secrets, a_request_that_started_a_job_names_it_again)
{
    static const char *const key[] = {"Idempotency-Key: one", NULL};
    API_REPLY first = api_call(&server, "POST", "/v1/backups", BACKUP, key);
    API_REPLY again = api_call(&server, "POST", "/v1/backups", BACKUP, key);
    cr_assert_eq(first.status, 202, "%s", first.text);
    cr_assert_eq(again.status, 202, "%s", again.text);
    cr_expect_not_null(strstr(first.location, "/v1/jobs/"), "%s", first.location);
    cr_expect_str_eq(first.location, again.location);
    cr_expect_str_eq(api_text(first.json, "id"), api_text(again.json, "id"));
}

/* SHA-256 is fast: one of a text that somebody chose tells the text. */
static void expect_not_kept(const char *body)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    static const struct skr_query hashes = {"SELECT body_hash FROM idempotency"};
    uint8_t guessed[SKR_TLS_HASH_SIZE], kept[SKR_TLS_HASH_SIZE];
    struct skr_statement *statement;
    unsigned count = 0;
    skr_sha256(body, strlen(body), guessed);
    cr_assert_eq(skr_store_read_begin(server.database.store, &txn, NULL), 0);
    cr_assert_eq(skr_txn_query(txn, &hashes, &statement, NULL), 0);
    for (; skr_step(statement, NULL) > 0; count++)
        cr_expect(skr_column_hash(statement, 0, kept) && memcmp(kept, guessed, sizeof(kept)) != 0, "%s", body);
    cr_expect_gt(count, 0);
}

Test(api_secrets, no_hash_of_a_secret_is_kept_to_tell_a_retry)
{
    static const char *const key[] = {"Idempotency-Key: one", NULL}, *const other[] = {"Idempotency-Key: two", NULL};
    static const char batch[] =
            "{\"operations\": [{\"method\": \"POST\", \"path\": \"/v1/backups\", \"body\": " BACKUP "}]}";
    API_REPLY single = api_call(&server, "POST", "/v1/backups", BACKUP, key);
    cr_assert_eq(single.status, 202, "%s", single.text);
    expect_not_kept(BACKUP);
    API_REPLY renamed = api_call(&server, "POST", "/v1/backups", "{\"name\": \"weekly\"}", key);
    cr_expect_eq(renamed.status, 422, "what is no secret tells requests apart");
    API_REPLY gone = api_call(&server, "POST", "/v1/batch", batch, other);
    cr_assert_eq(gone.status, 409, "the name is taken: %s", gone.text);
}

Test(api_secrets, nor_one_in_a_batch)
{
    static const char *const key[] = {"Idempotency-Key: one", NULL};
    static const char batch[] =
            "{\"operations\": [{\"method\": \"POST\", \"path\": \"/v1/backups\", \"body\": " BACKUP "}]}";
    API_REPLY made = api_call(&server, "POST", "/v1/batch", batch, key);
    cr_assert_eq(made.status, 200, "%s", made.text);
    expect_not_kept(batch);
    API_REPLY again = api_call(&server, "POST", "/v1/batch", batch, key);
    cr_assert_eq(again.status, 200, "%s", again.text);
    const json_t *first = json_array_get(json_object_get(made.json, "results"), 0);
    const json_t *second = json_array_get(json_object_get(again.json, "results"), 0);
    cr_expect_str_eq(api_text(first, "location"), api_text(second, "location"));
    expect_opens(api_text(second, "id"));
}

Test(api_secrets, a_batch_that_took_something_away_is_told_again)
{
    static const char *const key[] = {"Idempotency-Key: one", NULL};
    char id[37], batch[256];
    api_create(&server, "tenants", "{\"name\": \"red\"}", id);
    snprintf(batch, sizeof(batch), "{\"operations\": [{\"method\": \"DELETE\", \"path\": \"/v1/tenants/%s\"}]}", id);
    API_REPLY first = api_call(&server, "POST", "/v1/batch", batch, key);
    API_REPLY again = api_call(&server, "POST", "/v1/batch", batch, key);
    cr_expect_eq(first.status, 200, "%s", first.text);
    cr_expect_eq(again.status, 200, "%s", again.text);
}
