/* Facts about the whole controller that are no objects. */
#include "controller/model/rules.h"

#define AUTHORITY_CERTIFICATE "authority.certificate"
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

int skr_model_set_rolled_back(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    (void)unused;
    bool already;
    int r = skr_model_rolled_back(txn, &already, error);
    if (r < 0 || already)
        return r;
    r = skr_event_add(
            txn, SKR_EVENT_DATABASE_ROLLED_BACK, NULL, NULL, error,
            "A host has received newer changes than this database holds; nothing is written until it has been "
            "replaced by a newer one or accepted.");
    return r < 0 ? r : skr_txn_setting_set(txn, SKR_SETTING_ROLLED_BACK, "1", error);
}

int skr_model_accept_database(struct skr_txn *txn, void *principal, struct skr_error *error)
{
    const struct skr_audited audited = {
            .principal = principal, .method = "POST", .path = "/v1/controller:accept-database", .kind = "controller"};
    bool rolled_back;
    int r = skr_model_rolled_back(txn, &rolled_back, error);
    if (r < 0)
        return r;
    if (!rolled_back)
        return skr_error_set(error, SKR_ERROR_CONFLICT, "The database is in use as it is; there is nothing to accept.");
    skr_txn_skip_revisions(txn, REVISION_GAP);
    r = skr_txn_setting_set(txn, SKR_SETTING_ROLLED_BACK, "0", error);
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
    int r = skr_txn_setting_get(txn, SKR_SETTING_ROLLED_BACK, &value, error);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret = value && !strcmp(value, "1");
    return 0;
}

int skr_rolled_back_check(struct skr_txn *txn, struct skr_error *error)
{
    bool rolled_back;
    int r = skr_model_rolled_back(txn, &rolled_back, error);
    if (r < 0 || !rolled_back)
        return r;
    return skr_error_set(
            error, SKR_ERROR_CONFLICT,
            "This database is older than what hosts have already received, so nothing is written: restore a newer "
            "backup, or review the orphans and go on with this one by POST /v1/controller:accept-database.");
}
