/* Facts about the whole controller that are no objects. */
#include "controller/model/rules.h"

#define AUTHORITY_CERTIFICATE "authority.certificate"
#define ROLLED_BACK_HOSTS     "rolled_back.hosts"    /* names of those that showed it */
#define ROLLED_BACK_DATABASE  "rolled_back.database" /* that they hold, when it is another */
#define ACCEPTED_DATABASE     "accepted_database"
/* More changes than a controller makes between its newest backup and its loss. */
#define REVISION_GAP 1000000000

int skr_model_authority_get(struct skr_txn *txn, char **ret_key_pem, char **ret_certificate_pem,
                            struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *key = NULL, *certificate = NULL;
    int r = skr_txn_setting_get(txn, SKR_SETTING_AUTHORITY_KEY, &key, error);
    if (r == 0)
        r = skr_txn_setting_get(txn, AUTHORITY_CERTIFICATE, &certificate, error);
    if (r < 0)
        return r;
    *ret_key_pem = SKR_TAKE(key);
    *ret_certificate_pem = SKR_TAKE(certificate);
    return 0;
}

int skr_model_authority_set(struct skr_txn *txn, const char *key_pem, const char *certificate_pem,
                            struct skr_error *error)
{
    int r = skr_txn_setting_set(txn, SKR_SETTING_AUTHORITY_KEY, key_pem, error);
    return r < 0 ? r : skr_txn_setting_set(txn, AUTHORITY_CERTIFICATE, certificate_pem, error);
}

/* Names the hosts that showed it, for the sentences that follow. */
static int keep_evidence(struct skr_txn *txn, const struct skr_rollback *rollback, struct skr_error *error)
{
    struct skr_uuid ours = skr_store_database_id(skr_txn_store(txn));
    bool another = !skr_uuid_equal(&rollback->database_id, &ours);
    char id[SKR_UUID_TEXT_MAX];
    int r = skr_txn_setting_set(txn, ROLLED_BACK_HOSTS, rollback->hosts, error);
    if (r == 0)
        r = skr_txn_setting_set(txn, ROLLED_BACK_DATABASE, another ? skr_uuid_format(&rollback->database_id, id) : "",
                                error);
    if (r < 0)
        return r;
    return skr_event_add(
            txn, SKR_EVENT_DATABASE_ROLLED_BACK, NULL, NULL, error,
            "Revision %llu of %s was received by %s, and this database is at revision %lld: %s. Nothing is "
            "written until an administrator has restored a newer backup or accepted this database.",
            (unsigned long long)rollback->revision, another ? "another database" : "this database", rollback->hosts,
            (long long)skr_txn_revision(txn),
            rollback->proved ? "the proof is this controller's own" : "these hosts agree");
}

int skr_model_set_rolled_back(struct skr_txn *txn, void *rollback, struct skr_error *error)
{
    bool already;
    int r = skr_model_rolled_back(txn, &already, error);
    if (r < 0 || already)
        return r;
    r = keep_evidence(txn, rollback, error);
    return r < 0 ? r : skr_txn_setting_set(txn, SKR_SETTING_ROLLED_BACK, "1", error);
}

static int get_text(struct skr_txn *txn, const char *name, char **ret, struct skr_error *error)
{
    int r = skr_txn_setting_get(txn, name, ret, error);
    if (r != -ENOENT)
        return r;
    skr_error_clear(error);
    return 0;
}

int skr_model_accepted_database(struct skr_txn *txn, struct skr_uuid *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *text = NULL;
    struct skr_uuid id = {0};
    int r = get_text(txn, ACCEPTED_DATABASE, &text, error);
    if (r < 0)
        return r;
    if (text && *text && skr_uuid_parse(text, &id) < 0)
        return skr_error_set(error, SKR_ERROR_INTERNAL, "The setting " ACCEPTED_DATABASE " is damaged.");
    *ret = id;
    return 0;
}

static int accept_another(struct skr_txn *txn, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *text = NULL;
    int r = get_text(txn, ROLLED_BACK_DATABASE, &text, error);
    if (r == 0 && text && *text)
        r = skr_txn_setting_set(txn, ACCEPTED_DATABASE, text, error);
    if (r == 0 && text && *text)
        r = skr_txn_setting_set(txn, ROLLED_BACK_DATABASE, "", error);
    return r;
}

int skr_model_accept_database(struct skr_txn *txn, void *principal, struct skr_error *error)
{
    const struct skr_audited audited = {
            .principal = principal, .method = "POST", .path = "/v1/controller:accept-database", .kind = "controller"};
    bool rolled_back;
    int r = skr_model_rolled_back(txn, &rolled_back, error);
    if (r == 0 && !rolled_back)
        r = skr_host_any_problem(txn, error);
    if (r < 0)
        return r;
    if (!rolled_back && r == 0)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The database is in use as it is; there is nothing to accept.");
    skr_txn_skip_revisions(txn, REVISION_GAP);
    r = skr_txn_setting_set(txn, SKR_SETTING_ROLLED_BACK, "0", error);
    if (r == 0)
        r = accept_another(txn, error);
    if (r == 0)
        r = skr_orphans_forget(txn, error);
    if (r == 0)
        r = skr_audit_done(txn, &audited, NULL, NULL, error);
    return r < 0 ? r
                 : skr_event_add(txn, SKR_EVENT_DATABASE_ACCEPTED, NULL, NULL, error,
                                 "An administrator goes on with this database; hosts get what it says.");
}

int skr_model_rolled_back(struct skr_txn *txn, bool *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *value = NULL;
    int r = get_text(txn, SKR_SETTING_ROLLED_BACK, &value, error);
    if (r < 0)
        return r;
    *ret = value && !strcmp(value, "1");
    return 0;
}

int skr_rolled_back_check(struct skr_txn *txn, const struct skr_principal *principal, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *hosts = NULL;
    bool rolled_back;
    int r = skr_model_rolled_back(txn, &rolled_back, error);
    if (r < 0 || !rolled_back)
        return r;
    if (principal && skr_role_reads(SKR_ROLE_FABRIC, principal->role)) /* tenants hear of no host */
        r = get_text(txn, ROLLED_BACK_HOSTS, &hosts, error);
    if (r < 0)
        return r;
    return skr_error_set(
            error, SKR_ERROR_CONFLICT,
            "This database is older than what hosts have already received%s%s%s, so nothing is written: restore a "
            "newer backup, or review the orphans and go on with this one by POST /v1/controller:accept-database.",
            hosts && *hosts ? " (" : "", hosts && *hosts ? hosts : "", hosts && *hosts ? ")" : "");
}
