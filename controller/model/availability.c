/* "Not highly available": a logical switch that some hosts of a host group have and others lack. Numbers of hosts and
 * of host switches are kept a group, so that showing one costs the same in a group of ten thousand. */
#include "controller/model/rules.h"

static const struct skr_query count_hosts = {"UPDATE host_group SET host_count = host_count + ?2 WHERE id = ?1"};
static const struct skr_query count_switch = {
        "INSERT INTO host_group_switch (host_group_id, logical_switch_id, hosts) VALUES (?1, ?2, max(?3, 0)) "
        "ON CONFLICT (host_group_id, logical_switch_id) DO UPDATE SET hosts = hosts + ?3"};
static const struct skr_query numbers = {
        "SELECT s.hosts, g.host_count, g.name FROM host_group_switch s JOIN host_group g ON g.id = s.host_group_id "
        "WHERE s.host_group_id = ?1 AND s.logical_switch_id = ?2"};
static const struct skr_query lacking = {
        "SELECT s.logical_switch_id, s.hosts, g.host_count, l.name FROM host_group_switch s "
        "JOIN host_group g ON g.id = s.host_group_id JOIN logical_switch l ON l.id = s.logical_switch_id "
        "WHERE s.host_group_id = ?1 AND s.hosts > 0 AND s.hosts < g.host_count LIMIT 100"};
static const struct skr_query switches_of = {"SELECT logical_switch_id FROM host_switch WHERE host_id = ?1"};

static int add(struct skr_txn *txn, const struct skr_query *query, const struct skr_uuid *group,
               const struct skr_uuid *logical_switch, int change, struct skr_error *error)
{
    struct skr_statement *statement;
    int r = skr_txn_query(txn, query, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, group);
    if (logical_switch)
        skr_bind_uuid(statement, 2, logical_switch);
    skr_bind_integer(statement, logical_switch ? 3 : 2, change);
    return skr_statement_run(statement, error);
}

static bool counts(const struct skr_object *host)
{
    return host && strcmp(skr_object_text(host, SKR_HOST_STATE), "removed") != 0;
}

/* The host and its switches, in its group. */
static int add_host(struct skr_txn *txn, const struct skr_object *host, bool switches, int change,
                    struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids ids = {0};
    struct skr_uuid group = skr_object_uuid(host, SKR_HOST_HOST_GROUP_ID), id = skr_object_id(host);
    int r = add(txn, &count_hosts, &group, NULL, change, error);
    if (r == 0 && switches)
        r = skr_ids_query(txn, &switches_of, &id, &ids, error);
    for (size_t i = 0; r == 0 && i < ids.count; i++)
        r = add(txn, &count_switch, &group, &ids.items[i], change, error);
    return r;
}

int skr_host_group_count(struct skr_write *write, struct skr_error *error)
{
    bool stays = write->after && counts(write->before) && counts(write->after);
    bool removed = write->after && !counts(write->after);
    if (stays && !skr_write_changes(write, SKR_HOST_HOST_GROUP_ID))
        return 0;
    /* A host that goes takes its switches away itself, and each counts itself out. */
    int r = counts(write->before) ? add_host(write->txn, write->before, stays, -1, error) : 0;
    return r < 0 || !write->after || removed ? r : add_host(write->txn, write->after, stays, 1, error);
}

int skr_host_group_count_switch(struct skr_txn *txn, const struct skr_object *host_switch, int change,
                                struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL;
    struct skr_uuid host_id = skr_object_uuid(host_switch, SKR_HOST_SWITCH_HOST_ID);
    struct skr_uuid switch_id = skr_object_uuid(host_switch, SKR_HOST_SWITCH_LOGICAL_SWITCH_ID);
    int r = skr_fetch(txn, SKR_HOST, &host_id, &host, error);
    if (r < 0)
        return r;
    struct skr_uuid group = skr_object_uuid(host, SKR_HOST_HOST_GROUP_ID);
    return add(txn, &count_switch, &group, &switch_id, change, error);
}

static json_t *sentence(const char *logical_switch, int64_t have, int64_t hosts, const char *group)
{
    char text[512];
    snprintf(text, sizeof(text),
             "not highly available: logical switch \"%.100s\" is on %lld of %lld hosts of host group \"%.100s\"",
             logical_switch, (long long)have, (long long)hosts, group);
    return json_string(text);
}

int skr_host_switch_availability(struct skr_txn *txn, const struct skr_object *host_switch, json_t **ret,
                                 struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = NULL, *logical_switch = NULL;
    struct skr_uuid host_id = skr_object_uuid(host_switch, SKR_HOST_SWITCH_HOST_ID);
    struct skr_uuid switch_id = skr_object_uuid(host_switch, SKR_HOST_SWITCH_LOGICAL_SWITCH_ID);
    struct skr_statement *statement = NULL;
    int r = skr_fetch(txn, SKR_HOST, &host_id, &host, error);
    if (r == 0)
        r = skr_fetch(txn, SKR_LOGICAL_SWITCH, &switch_id, &logical_switch, error);
    if (r == 0)
        r = skr_txn_query(txn, &numbers, &statement, error);
    if (r < 0)
        return r;
    struct skr_uuid group = skr_object_uuid(host, SKR_HOST_HOST_GROUP_ID);
    skr_bind_uuid(statement, 1, &group);
    skr_bind_uuid(statement, 2, &switch_id);
    r = skr_step(statement, error);
    if (r >= 0) {
        int64_t have = r ? skr_column_integer(statement, 0) : 0, hosts = r ? skr_column_integer(statement, 1) : 0;
        bool high = have >= hosts;
        *ret = json_pack("{s:b, s:I, s:I, s:o}", "highly_available", high, "hosts", (json_int_t)hosts,
                         "hosts_with_switch", (json_int_t)have, "reason",
                         high ? json_null()
                              : sentence(skr_object_name(logical_switch), have, hosts, skr_column_text(statement, 2)));
    }
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

int skr_host_group_availability(struct skr_txn *txn, const struct skr_object *group, json_t **ret,
                                struct skr_error *error)
{
    struct skr_uuid id = skr_object_id(group);
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &lacking, &statement, error);
    if (r < 0)
        return r;
    json_t *array = json_array();
    skr_bind_uuid(statement, 1, &id);
    while ((r = skr_step(statement, error)) > 0) {
        struct skr_uuid switch_id = skr_column_uuid(statement, 0);
        int64_t have = skr_column_integer(statement, 1), hosts = skr_column_integer(statement, 2);
        char text[SKR_UUID_TEXT_MAX];
        json_array_append_new(array,
                              json_pack("{s:s, s:I, s:I, s:o}", "logical_switch_id", skr_uuid_format(&switch_id, text),
                                        "hosts", (json_int_t)hosts, "hosts_with_switch", (json_int_t)have, "reason",
                                        sentence(skr_column_text(statement, 3), have, hosts, skr_object_name(group))));
    }
    skr_statement_reset(statement);
    if (r < 0)
        json_decref(array);
    else
        *ret = array;
    return r;
}
