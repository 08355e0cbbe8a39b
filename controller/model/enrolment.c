/* Hosts come in with a join token. A use of the token is bound to the hash of the agent's key: the same agent may ask
 * again and gets the same host, also after the token has ended, so an answer that was lost or an approval that took
 * long costs nothing. */
#include "controller/model/rules.h"

#define HOST_NAME_MAX_BYTES 63
#define NAME_TRIES_MAX      10000

static const struct skr_query use_of_key = {
        "SELECT host_id FROM join_token_use WHERE join_token_id = ?1 AND key_hash = ?2"};
static const struct skr_query add_use = {
        "INSERT INTO join_token_use (join_token_id, key_hash, host_id) VALUES (?1, ?2, ?3)"};

static int refuse_token(struct skr_error *error)
{
    return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED,
                         "The join token is unknown or has ended; ask an administrator for a new join command.");
}

static int find_token(struct skr_txn *txn, const Skerry__V1__Enroll *enroll, struct skr_object **ret,
                      struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *token = NULL;
    struct skr_uuid id;
    if (enroll->token_id.len != sizeof(id.bytes) || !enroll->secret)
        return refuse_token(error);
    memcpy(id.bytes, enroll->token_id.data, sizeof(id.bytes));
    int r = skr_txn_get(txn, SKR_JOIN_TOKEN, &id, NULL, &token, error);
    if (r < 0)
        return r == -ENOENT ? refuse_token(error) : r;
    if (!skr_hash_matches(enroll->secret, skr_object_text(token, SKR_JOIN_TOKEN_SECRET_HASH)))
        return refuse_token(error);
    *ret = SKR_TAKE(token);
    return 0;
}

/* 1: the key has used the token before, 0: not. */
static int find_use(struct skr_txn *txn, const struct skr_uuid *token_id, const char *key_hash, struct skr_uuid *ret,
                    struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &use_of_key, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, token_id);
    skr_bind_text(statement, 2, key_hash);
    r = skr_step(statement, error);
    if (r > 0)
        *ret = skr_column_uuid(statement, 0);
    skr_statement_reset(statement);
    return r;
}

static void answer(struct skr_enrolment *enrolment, const struct skr_object *host, bool pending)
{
    enrolment->host_id = skr_object_id(host);
    snprintf(enrolment->host_name, sizeof(enrolment->host_name), "%s", skr_object_name(host));
    enrolment->pending_approval = pending;
}

static int again(struct skr_txn *txn, struct skr_enrolment *enrolment, const struct skr_uuid *host_id,
                 struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    int r = skr_fetch(txn, SKR_HOST, host_id, &host, error);
    if (r < 0)
        return r;
    const char *state = skr_object_text(host, SKR_HOST_ENROLMENT);
    if (!strcmp(state, "revoked") || !strcmp(skr_object_text(host, SKR_HOST_STATE), "removed"))
        return skr_error_set(error, SKR_ERROR_UNAUTHENTICATED,
                             "This host was revoked or removed; make a new key and use a new join command.");
    answer(enrolment, host, !strcmp(state, "pending"));
    return 0;
}

static int take_use(struct skr_txn *txn, struct skr_object *token, const char *key_hash, const struct skr_uuid *host_id,
                    struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(token);
    struct skr_uuid id = skr_object_id(token);
    struct skr_statement *statement;
    skr_object_set_integer(after, SKR_JOIN_TOKEN_USES_LEFT, skr_object_integer(token, SKR_JOIN_TOKEN_USES_LEFT) - 1);
    int r = skr_txn_update(txn, token, after, error);
    if (r < 0)
        return r;
    r = skr_txn_query(txn, &add_use, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, &id);
    skr_bind_text(statement, 2, key_hash);
    skr_bind_uuid(statement, 3, host_id);
    return skr_statement_run(statement, error);
}

/* ---- the new host ---- */

/* Keeps of an agent's wish what a DNS label and a file name can hold. */
static void clean_name(const char *wished, char ret[static HOST_NAME_MAX_BYTES + 1])
{
    size_t length = 0;
    for (const char *c = wished ? wished : ""; *c && length < HOST_NAME_MAX_BYTES; c++) {
        bool fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '.' ||
                    *c == '_' || *c == '-';
        ret[length++] = fine ? *c : '-';
    }
    ret[length] = '\0';
    if (!length)
        snprintf(ret, HOST_NAME_MAX_BYTES + 1, "host");
}

static int choose_name(struct skr_txn *txn, struct skr_object *host, const char *wished, struct skr_error *error)
{
    char name[HOST_NAME_MAX_BYTES + 1], tried[HOST_NAME_MAX_BYTES + 16];
    struct skr_uuid other;
    clean_name(wished, name);
    snprintf(tried, sizeof(tried), "%s", name);
    for (unsigned n = 2; n <= NAME_TRIES_MAX; n++) {
        int r = skr_name_find(txn, SKR_HOST, tried, NULL, &other, error);
        if (r < 0)
            return r;
        if (r == 0) {
            skr_object_set_text(host, SKR_FIELD_NAME, tried);
            return 0;
        }
        snprintf(tried, sizeof(tried), "%s-%u", name, n);
    }
    return skr_error_set(error, SKR_ERROR_LIMIT, "No name like \"%s\" is free; give the host another name.", name);
}

static int set_uplinks(struct skr_object *host, const Skerry__V1__Enroll *enroll, struct skr_error *error)
{
    if (enroll->n_uplinks > SKR_HOST_UPLINKS_MAX)
        return skr_error_set(error, SKR_ERROR_INVALID, "A host has at most %d uplinks.", SKR_HOST_UPLINKS_MAX);
    json_t *list = json_array();
    for (size_t i = 0; i < enroll->n_uplinks; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s}", "name", enroll->uplinks[i], "interface", enroll->uplinks[i]));
    json_t *patch = json_pack("{s:o}", "uplinks", list);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    int r = skr_object_from_json(host->resource, patch, true, SKR_ROLE_ADMIN, &object, error);
    json_decref(patch);
    if (r < 0)
        return r;
    skr_value_clear(&host->values[SKR_HOST_UPLINKS]);
    skr_value_copy(&host->values[SKR_HOST_UPLINKS], &object->values[SKR_HOST_UPLINKS]);
    return 0;
}

static void set_text(struct skr_object *host, int field, const char *text, size_t max)
{
    char copy[256];
    snprintf(copy, sizeof(copy) < max + 1 ? sizeof(copy) : max + 1, "%s", text ? text : "");
    skr_utf8_mend(copy);
    skr_object_set_text(host, field, copy);
}

static int tell_joined(struct skr_txn *txn, const struct skr_object *host, const char *wished, bool waits,
                       struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(host);
    char asked[HOST_NAME_MAX_BYTES + 1], taken[HOST_NAME_MAX_BYTES + 64] = "";
    clean_name(wished, asked);
    if (strcmp(asked, skr_object_name(host)) != 0)
        snprintf(taken, sizeof(taken), " It asked for the name \"%s\", which another host has.", asked);
    return skr_event_add(txn, waits ? "HostWaitsForApproval" : "HostJoined", host, &id, error,
                         waits ? "Host \"%.100s\" asked to join and waits for approval.%s"
                               : "Host \"%.100s\" joined.%s",
                         skr_object_name(host), taken);
}

static int create_host(struct skr_txn *txn, struct skr_enrolment *enrolment, const struct skr_object *token,
                       const char *key_hash, struct skr_error *error)
{
    const Skerry__V1__Enroll *enroll = enrolment->enroll;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = skr_row_new(SKR_HOST);
    bool approve = skr_object_integer(token, SKR_JOIN_TOKEN_APPROVE);
    skr_value_copy(&host->values[SKR_HOST_HOST_GROUP_ID], &token->values[SKR_JOIN_TOKEN_HOST_GROUP_ID]);
    skr_object_set_text(host, SKR_HOST_ENROLMENT, approve ? "pending" : "enrolled");
    skr_object_set_text(host, SKR_HOST_KEY_HASH, key_hash);
    set_text(host, SKR_HOST_AGENT_VERSION, enroll->agent_version, 64);
    set_text(host, SKR_HOST_KERNEL, enroll->kernel, 255);
    skr_object_set_json(host, SKR_HOST_INVENTORY, skr_inventory_json(enroll->interfaces, enroll->n_interfaces));
    int r = choose_name(txn, host, enroll->host_name, error);
    if (r == 0)
        r = set_uplinks(host, enroll, error);
    if (r == 0)
        r = skr_write_inner(txn, SKR_HOST, NULL, host, error);
    if (r == 0)
        r = tell_joined(txn, host, enroll->host_name, approve, error);
    if (r < 0)
        return r;
    answer(enrolment, host, approve);
    return 0;
}

int skr_model_enroll(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    struct skr_enrolment *enrolment = argument;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *token = NULL;
    char key_hash[SKR_TLS_HASH_TEXT_MAX];
    struct skr_uuid host_id;
    skr_tls_hash_format(enrolment->key_hash, key_hash);
    int r = skr_rolled_back_check(txn, NULL, error);
    if (r == 0)
        r = find_token(txn, enrolment->enroll, &token, error);
    if (r < 0)
        return r;
    struct skr_uuid token_id = skr_object_id(token);
    r = find_use(txn, &token_id, key_hash, &host_id, error);
    if (r)
        return r < 0 ? r : again(txn, enrolment, &host_id, error);
    if (skr_object_integer(token, SKR_JOIN_TOKEN_EXPIRES_AT) <= skr_txn_now_ms(txn) ||
        skr_object_integer(token, SKR_JOIN_TOKEN_USES_LEFT) <= 0)
        return refuse_token(error);
    r = create_host(txn, enrolment, token, key_hash, error);
    return r < 0 ? r : take_use(txn, token, key_hash, &enrolment->host_id, error);
}

/* ---- sessions ---- */

static int find_host(struct skr_txn *txn, const struct skr_uuid *id, struct skr_object **ret, struct skr_error *error)
{
    int r = skr_txn_get(txn, SKR_HOST, id, NULL, ret, error);
    if (r != -ENOENT)
        return r;
    char text[SKR_UUID_TEXT_MAX];
    return skr_error_set(error, SKR_ERROR_NOT_FOUND, "There is no host with the id %s.", skr_uuid_format(id, text));
}

int skr_model_authorize_host(struct skr_txn *txn, const struct skr_uuid *host_id, const uint8_t key_hash[static 32],
                             struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    char text[SKR_TLS_HASH_TEXT_MAX];
    int r = find_host(txn, host_id, &host, error);
    if (r < 0)
        return r;
    const char *name = skr_object_name(host), *known = skr_object_text(host, SKR_HOST_KEY_HASH);
    const char *enrolment = skr_object_text(host, SKR_HOST_ENROLMENT);
    skr_tls_hash_format(key_hash, text);
    if (!known || strlen(known) != strlen(text) || !skr_secret_equal(known, text, strlen(text)))
        return skr_error_set(error, SKR_ERROR_FORBIDDEN, "This is not the key of host \"%.100s\".", name);
    if (!strcmp(skr_object_text(host, SKR_HOST_STATE), "removed"))
        return skr_error_set(error, SKR_ERROR_FORBIDDEN, "Host \"%.100s\" has been removed.", name);
    if (!strcmp(enrolment, "revoked"))
        return skr_error_set(error, SKR_ERROR_FORBIDDEN, "The key of host \"%.100s\" was revoked.", name);
    if (strcmp(enrolment, "enrolled") != 0)
        return skr_error_set(error, SKR_ERROR_FORBIDDEN, "Host \"%.100s\" waits for an administrator's approval.",
                             name);
    return 0;
}

int skr_model_host_seen(struct skr_txn *txn, void *host_seen, struct skr_error *error)
{
    const struct skr_host_seen *seen = host_seen;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *after = NULL;
    int r = find_host(txn, &seen->host_id, &host, error);
    if (r < 0)
        return r;
    after = skr_object_copy(host);
    if (seen->agent_version)
        set_text(after, SKR_HOST_AGENT_VERSION, seen->agent_version, 64);
    if (seen->kernel)
        set_text(after, SKR_HOST_KERNEL, seen->kernel, 255);
    if (seen->certificate_expires_at_ms)
        skr_object_set_integer(after, SKR_HOST_CERTIFICATE_EXPIRES_AT, seen->certificate_expires_at_ms);
    skr_object_set_integer(after, SKR_HOST_LAST_SEEN_AT, seen->now_ms);
    return skr_txn_update(txn, host, after, error);
}

/* ---- problems of sessions ---- */

static const struct skr_query any_problem = {"SELECT 1 FROM host WHERE id >= ?1 AND problem IS NOT NULL LIMIT 1"};
static const struct skr_query active_hosts = {
        "SELECT 1 FROM host WHERE state = 'active' AND enrolment = 'enrolled' LIMIT ?1"};

int skr_host_any_problem(struct skr_txn *txn, struct skr_error *error)
{
    static const struct skr_uuid first;
    return skr_find(txn, &any_problem, &first, NULL, NULL, error);
}

int skr_model_count_hosts(struct skr_txn *txn, unsigned max, unsigned *ret, struct skr_error *error)
{
    struct skr_statement *statement;
    unsigned count = 0;
    int r = skr_txn_query(txn, &active_hosts, &statement, error);
    if (r < 0)
        return r;
    skr_bind_integer(statement, 1, max);
    while ((r = skr_step(statement, error)) > 0)
        count++;
    skr_statement_reset(statement);
    if (r < 0)
        return r;
    *ret = count;
    return 0;
}

int skr_model_host_problem(struct skr_txn *txn, void *host_problem, struct skr_error *error)
{
    const struct skr_host_problem *problem = host_problem;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *after = NULL;
    int r = find_host(txn, &problem->host_id, &host, error);
    if (r < 0)
        return r;
    after = skr_object_copy(host);
    skr_object_set_text(after, SKR_HOST_PROBLEM, *problem->text ? problem->text : NULL);
    r = skr_txn_update(txn, host, after, error);
    if (r < 0 || !*problem->text)
        return r;
    return skr_event_add(txn, problem->reason, host, &problem->host_id, error, "%s", problem->text);
}

int skr_model_host_synced(struct skr_txn *txn, void *host_synced, struct skr_error *error)
{
    const struct skr_host_synced *synced = host_synced;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *after = NULL;
    int64_t before, now;
    int r = find_host(txn, &synced->host_id, &host, error);
    if (r < 0 || skr_object_integer(host, SKR_HOST_SYNCED_REVISION) >= synced->revision)
        return r;
    r = skr_retired_limit(txn, &before, error);
    after = skr_object_copy(host);
    skr_object_set_integer(after, SKR_HOST_SYNCED_REVISION, synced->revision);
    if (r == 0)
        r = skr_txn_update(txn, host, after, error);
    if (r == 0)
        r = skr_retired_limit(txn, &now, error);
    if (r == 0 && now != before)
        r = skr_retired_reclaim(txn, error);
    if (r == 0)
        r = skr_customer_address_reclaim(txn, &synced->host_id, synced->revision, error);
    return r < 0 ? r : 0;
}
