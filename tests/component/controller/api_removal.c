/* Changes that take many ports from a host at once: refused until they are confirmed, whatever way the
 * ports go. */
#include "tests/component/controller/api_client.h"
#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <string.h>

#define MANY 40

static struct api_server server;
static char hosts[2][37], tenant[37], network[37], adapters[MANY][37];

static int insert(struct skr_txn *txn, void *object, struct skr_error *error)
{
    return skr_txn_insert(txn, object, error);
}

static void add_host(const char *name, const char *group, char id[static 37])
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *host = skr_test_object(SKR_HOST, name);
    struct skr_error error = {0};
    struct skr_uuid uuid;
    cr_assert_eq(skr_uuid_parse(group, &uuid), 0);
    skr_object_set_uuid(host, SKR_HOST_HOST_GROUP_ID, &uuid);
    skr_object_set_text(host, SKR_HOST_STATE, "active");
    skr_object_set_text(host, SKR_HOST_ENROLMENT, "enrolled");
    skr_object_set_text(host, SKR_HOST_REMEDIATION, "auto");
    skr_object_set_text(host, SKR_HOST_KEY_HASH, name);
    cr_assert_eq(skr_store_write_wait(server.database.store, insert, host, NULL, &error), 0, "%s", error.detail);
    uuid = skr_object_uuid(host, SKR_FIELD_ID);
    skr_uuid_format(&uuid, id);
}

static void add_uplink(const char *host)
{
    char path[80], line[64];
    snprintf(path, sizeof(path), "/v1/hosts/%.36s", host);
    API_REPLY now = api_call(&server, "GET", path, NULL, NULL);
    snprintf(line, sizeof(line), "If-Match: %s", now.etag);
    API_REPLY reply = api_call(&server, "PATCH", path, "{\"uplinks\": [{\"name\": \"up\", \"interface\": \"eth1\"}]}",
                               (const char *const[]){line, NULL});
    cr_assert_eq(reply.status, 200, "%s", reply.text);
}

static json_t *operation(const char *method, const char *collection, const char *id, json_t *body)
{
    return json_pack("{s:s, s:o, s:o*}", "method", method, "path",
                     json_sprintf("/v1/%s%s%s", collection, id ? "/" : "", id ? id : ""), "body", body);
}

static struct api_reply send_batch(json_t *operations, const char *query, const char *const *headers)
{
    json_t *body = json_pack("{s:o}", "operations", operations);
    char path[80];
    char *text SKR_CLEANUP(skr_free_cleanup) = json_dumps(body, 0);
    json_decref(body);
    snprintf(path, sizeof(path), "/v1/batch%s", query);
    return api_call(&server, "POST", path, text, headers);
}

/* A host with 40 adapters of a tenant, and another without any. */
static void start(void)
{
    char group[37], logical[37], site[37], subnet[37], body[300];
    api_server_start(&server, NULL, NULL);
    api_create(&server, "host-groups", "{\"name\": \"rack\"}", group);
    add_host("full", group, hosts[0]);
    add_host("empty", group, hosts[1]);
    api_create(&server, "logical-networks", "{\"name\": \"hnv\", \"network_virtualization\": true}", logical);
    snprintf(body, sizeof(body),
             "{\"name\": \"here\", \"logical_network_id\": \"%s\", \"host_group_ids\": [\"%s\"],"
             " \"subnet_vlans\": [{\"subnet\": \"172.16.0.0/24\", \"vlan_id\": 0}]}",
             logical, group);
    api_create(&server, "network-sites", body, site);
    for (int i = 0; i < 2; i++)
        add_uplink(hosts[i]);
    snprintf(body, sizeof(body), "{\"name\": \"red\", \"logical_network_ids\": [\"%s\"]}", logical);
    api_create(&server, "tenants", body, tenant);
    snprintf(body, sizeof(body),
             "{\"name\": \"web\", \"tenant_id\": \"%s\", \"logical_network_id\": \"%s\","
             " \"isolation\": \"network_virtualization\"}",
             tenant, logical);
    api_create(&server, "vm-networks", body, network);
    snprintf(body, sizeof(body), "{\"name\": \"front\", \"vm_network_id\": \"%s\", \"prefix\": \"10.1.0.0/24\"}",
             network);
    api_create(&server, "vm-subnets", body, subnet);
    json_t *operations = json_array();
    for (int i = 0; i < MANY; i++)
        json_array_append_new(
                operations, operation("POST", "network-adapters", NULL,
                                      json_pack("{s:o, s:s, s:s, s:s, s:s, s:[]}", "name", json_sprintf("nic-%02d", i),
                                                "vm_name", "vm", "vm_network_id", network, "vm_subnet_id", subnet,
                                                "host_id", hosts[0], "ip_addresses")));
    API_REPLY made = send_batch(operations, "", NULL);
    cr_assert_eq(made.status, 200, "%s", made.text);
    for (int i = 0; i < MANY; i++)
        snprintf(adapters[i], sizeof(adapters[i]), "%s",
                 api_text(json_array_get(json_object_get(made.json, "results"), (size_t)i), "id"));
}

static void stop(void)
{
    api_server_stop(&server);
}

TestSuite(removal, .init = start, .fini = stop);

static json_t *deletes(int first, int count)
{
    json_t *operations = json_array();
    for (int i = first; i < first + count; i++)
        json_array_append_new(operations, operation("DELETE", "network-adapters", adapters[i], NULL));
    return operations;
}

/* Every adapter gets that host, or none. */
static json_t *moves(int count, const char *host)
{
    json_t *operations = json_array();
    for (int i = 0; i < count; i++) {
        char path[80];
        snprintf(path, sizeof(path), "/v1/network-adapters/%.36s", adapters[i]);
        API_REPLY now = api_call(&server, "GET", path, NULL, NULL);
        json_t *move = operation("PATCH", "network-adapters", adapters[i],
                                 json_pack("{s:o}", "host_id", host ? json_string(host) : json_null()));
        json_object_set_new(move, "if_match", json_string(api_text(now.json, "etag")));
        json_array_append_new(operations, move);
    }
    return operations;
}

static size_t ports(const char *host)
{
    char path[120];
    snprintf(path, sizeof(path), "/v1/network-adapters?limit=1000&host_id=%s", host);
    API_REPLY reply = api_call(&server, "GET", path, NULL, NULL);
    cr_assert_eq(reply.status, 200, "%s", reply.text);
    return json_array_size(json_object_get(reply.json, "items"));
}

static void check_refused(const struct api_reply *reply, const char *words)
{
    cr_assert_eq(reply->status, 409, "%s", reply->text);
    cr_assert_str_eq(api_text(reply->json, "type"), "urn:skerry:error:needs_confirmation");
    const json_t *first = json_array_get(json_object_get(reply->json, "errors"), 0);
    cr_assert_not_null(strstr(api_text(first, "detail"), words), "%s", reply->text);
    cr_assert_eq(ports(hosts[0]), MANY, "what must be confirmed is not done in part");
}

Test(removal, deletes_in_a_batch_wait_until_they_are_confirmed)
{
    API_REPLY refused = send_batch(deletes(0, 12), "", NULL);
    check_refused(&refused, "Host \"full\" would lose 12 of its 40 ports.");
    API_REPLY dry = send_batch(deletes(0, 12), "?dry_run=true", NULL);
    check_refused(&dry, "Host \"full\"");
    API_REPLY done = send_batch(deletes(0, 12), "?confirm=true", NULL);
    cr_assert_eq(done.status, 200, "%s", done.text);
    cr_assert_eq(ports(hosts[0]), MANY - 12);
}

Test(removal, ten_ports_are_few)
{
    API_REPLY few = send_batch(deletes(0, 10), "", NULL);
    cr_assert_eq(few.status, 200, "%s", few.text);
}

Test(removal, changes_that_take_adapters_away_count_alike)
{
    API_REPLY away = send_batch(moves(12, hosts[1]), "", NULL);
    check_refused(&away, "Host \"full\" would lose 12 of its 40 ports");
    API_REPLY off = send_batch(moves(12, NULL), "", NULL);
    check_refused(&off, "Host \"full\" would lose 12 of its 40 ports");
    API_REPLY done = send_batch(moves(12, hosts[1]), "?confirm=true", NULL);
    cr_assert_eq(done.status, 200, "%s", done.text);
    cr_assert_eq(ports(hosts[1]), 12);
}

Test(removal, a_tenant_is_told_of_his_ports_and_of_no_host)
{
    char body[200], header[300];
    snprintf(body, sizeof(body), "{\"name\": \"t\", \"role\": \"tenant-admin\", \"tenant_id\": \"%s\"}", tenant);
    API_REPLY token = api_call(&server, "POST", "/v1/tokens", body, NULL);
    cr_assert_eq(token.status, 201, "%s", token.text);
    snprintf(header, sizeof(header), "Authorization: Bearer %s.%s", api_text(token.json, "id"),
             api_text(token.json, "secret"));
    const char *const his[] = {header, NULL};
    API_REPLY refused = send_batch(deletes(0, 12), "", his);
    check_refused(&refused, "A host would lose 12 ports.");
    cr_assert_null(strstr(refused.text, "full"), "%s", refused.text);
    cr_assert_null(strstr(refused.text, "of its"), "%s", refused.text);
}

Test(removal, what_still_has_ports_does_not_go)
{
    char path[80];
    snprintf(path, sizeof(path), "/v1/vm-networks/%s?confirm=true", network);
    API_REPLY kept = api_call(&server, "DELETE", path, NULL, NULL);
    cr_assert_eq(kept.status, 409, "%s", kept.text);
    cr_assert_str_eq(api_text(kept.json, "type"), "urn:skerry:error:in-use");
    cr_assert_eq(ports(hosts[0]), MANY);
}
