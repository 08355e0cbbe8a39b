/* Changes that take many ports from a host at once, or leave them there to carry nothing: refused until they are
 * confirmed, whatever way the ports go. */
#include "tests/component/controller/api_client.h"
#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <skerry/resource_fields.h>
#include <string.h>

#define MANY 120 /* on the full host: more than a refusal lists */
#define SOME 30  /* more than a fifth of them */

static struct api_server server;
static char hosts[2][37], group[37], logical[37], site[37], tenant[37], network[37], adapters[MANY][37];

static int insert(struct skr_txn *txn, void *object, struct skr_error *error)
{
    return skr_txn_insert(txn, object, error);
}

static void add_host(const char *name, char id[static 37])
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

static struct api_reply change(const char *collection, const char *id, const char *query, const char *body)
{
    char path[120], line[64];
    snprintf(path, sizeof(path), "/v1/%s/%.36s", collection, id);
    API_REPLY now = api_call(&server, "GET", path, NULL, NULL);
    snprintf(line, sizeof(line), "If-Match: %s", now.etag);
    snprintf(path, sizeof(path), "/v1/%s/%.36s%s", collection, id, query);
    return api_call(&server, "PATCH", path, body, (const char *const[]){line, NULL});
}

static struct api_reply act(const char *id, const char *verb, const char *query, const char *body)
{
    char path[120];
    snprintf(path, sizeof(path), "/v1/hosts/%.36s:%s%s", id, verb, query);
    return api_call(&server, "POST", path, body, NULL);
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

/* A host with many adapters of a tenant, and another without any; both have a provider address. */
static void start(void)
{
    char subnet[37], pool[37], body[300];
    api_server_start(&server, NULL, NULL);
    api_create(&server, "host-groups", "{\"name\": \"rack\"}", group);
    add_host("full", hosts[0]);
    add_host("empty", hosts[1]);
    api_create(&server, "logical-networks", "{\"name\": \"hnv\", \"network_virtualization\": true}", logical);
    snprintf(body, sizeof(body),
             "{\"name\": \"here\", \"logical_network_id\": \"%s\", \"host_group_ids\": [\"%s\"],"
             " \"subnet_vlans\": [{\"subnet\": \"172.16.0.0/24\", \"vlan_id\": 0}]}",
             logical, group);
    api_create(&server, "network-sites", body, site);
    snprintf(body, sizeof(body),
             "{\"name\": \"pa\", \"network_site_id\": \"%s\", \"subnet\": \"172.16.0.0/24\", \"range_start\": "
             "\"172.16.0.10\", \"range_end\": \"172.16.0.99\"}",
             site);
    api_create(&server, "ip-pools", body, pool);
    for (int i = 0; i < 2; i++) {
        API_REPLY reply = change("hosts", hosts[i], "", "{\"uplinks\": [{\"name\": \"up\", \"interface\": \"eth1\"}]}");
        cr_assert_eq(reply.status, 200, "%s", reply.text);
    }
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
                                      json_pack("{s:o, s:s, s:s, s:s, s:s, s:[]}", "name", json_sprintf("nic-%03d", i),
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

static void check_refused(const struct api_reply *reply, const char *words, size_t lost)
{
    cr_assert_eq(reply->status, 409, "%s", reply->text);
    cr_assert_str_eq(api_text(reply->json, "type"), "urn:skerry:error:needs_confirmation");
    const json_t *first = json_array_get(json_object_get(reply->json, "errors"), 0);
    cr_assert_not_null(strstr(api_text(first, "detail"), words), "%s", reply->text);
    const json_t *listed = json_object_get(reply->json, "ports");
    cr_assert_eq(json_integer_value(json_object_get(reply->json, "port_count")), (json_int_t)lost, "%s", reply->text);
    cr_assert_eq(json_array_size(listed), lost < 100 ? lost : 100, "%s", reply->text);
    cr_assert_eq(strncmp(api_text(json_array_get(listed, 0), "name"), "nic-", 4), 0, "%s", reply->text);
    cr_assert_eq(ports(hosts[0]), MANY, "what must be confirmed is not done in part");
}

Test(removal, deletes_in_a_batch_wait_until_they_are_confirmed)
{
    API_REPLY refused = send_batch(deletes(0, SOME), "", NULL);
    check_refused(&refused, "Host \"full\" would lose 30 of its 120 ports.", SOME);
    const json_t *first = json_array_get(json_object_get(refused.json, "ports"), 0);
    cr_assert_str_eq(api_text(first, "id"), adapters[0]);
    cr_assert_str_eq(api_text(first, "name"), "nic-000");
    cr_assert_str_eq(api_text(first, "host_id"), hosts[0]);
    API_REPLY dry = send_batch(deletes(0, SOME), "?dry_run=true", NULL);
    check_refused(&dry, "Host \"full\"", SOME);
    API_REPLY done = send_batch(deletes(0, SOME), "?confirm=true", NULL);
    cr_assert_eq(done.status, 200, "%s", done.text);
    cr_assert_eq(ports(hosts[0]), MANY - SOME);
}

Test(removal, a_fifth_is_not_much)
{
    API_REPLY few = send_batch(deletes(0, MANY / 5), "", NULL);
    cr_assert_eq(few.status, 200, "%s", few.text);
}

Test(removal, ten_ports_are_few)
{
    API_REPLY most = send_batch(deletes(0, MANY - 10), "?confirm=true", NULL);
    cr_assert_eq(most.status, 200, "%s", most.text);
    API_REPLY few = send_batch(deletes(MANY - 10, 10), "", NULL);
    cr_assert_eq(few.status, 200, "%s", few.text);
}

Test(removal, changes_that_take_adapters_away_count_alike)
{
    API_REPLY away = send_batch(moves(SOME, hosts[1]), "", NULL);
    check_refused(&away, "Host \"full\" would lose 30 of its 120 ports", SOME);
    API_REPLY off = send_batch(moves(SOME, NULL), "", NULL);
    check_refused(&off, "Host \"full\" would lose 30 of its 120 ports", SOME);
    API_REPLY done = send_batch(moves(SOME, hosts[1]), "?confirm=true", NULL);
    cr_assert_eq(done.status, 200, "%s", done.text);
    cr_assert_eq(ports(hosts[1]), SOME);
}

/* Ports that come do not offset ports that go, because they are other ports. */
Test(removal, ports_that_come_do_not_stand_for_those_that_go)
{
    json_t *operations = moves(SOME, hosts[1]);
    API_REPLY there = send_batch(operations, "?confirm=true", NULL);
    cr_assert_eq(there.status, 200, "%s", there.text);
    operations = moves(SOME, hosts[0]);
    json_t *gone = deletes(SOME, SOME);
    json_array_extend(operations, gone);
    json_decref(gone);
    API_REPLY swapped = send_batch(operations, "", NULL);
    cr_assert_eq(swapped.status, 409, "%s", swapped.text);
    cr_assert_not_null(strstr(swapped.text, "Host \\\"full\\\" would lose 30 of its 90 ports."), "%s", swapped.text);
    cr_assert_not_null(strstr(swapped.text, "Host \\\"empty\\\" would lose 30 of its 30 ports."), "%s", swapped.text);
    cr_assert_eq(json_integer_value(json_object_get(swapped.json, "port_count")), 2 * SOME);
}

Test(removal, a_job_that_empties_a_host_is_confirmed_when_it_is_started)
{
    char body[80];
    snprintf(body, sizeof(body), "{\"new_host_id\": \"%s\"}", hosts[1]);
    API_REPLY replaced = act(hosts[0], "replace", "", body);
    check_refused(&replaced, "Host \"full\" would lose 120 of its 120 ports.", MANY);
    API_REPLY drained = act(hosts[0], "drain", "", "{}");
    check_refused(&drained, "Host \"full\" would lose 120 of its 120 ports.", MANY);
    API_REPLY jobs = api_call(&server, "GET", "/v1/jobs", NULL, NULL);
    cr_assert_eq(json_array_size(json_object_get(jobs.json, "items")), 0, "%s", jobs.text);
    API_REPLY none = act(hosts[1], "drain", "", "{}");
    cr_assert_eq(none.status, 202, "%s", none.text);
    API_REPLY done = act(hosts[0], "replace", "?confirm=true", body);
    cr_assert_eq(done.status, 202, "%s", done.text);
}

Test(removal, a_host_that_goes_takes_its_ports)
{
    API_REPLY removed = change("hosts", hosts[0], "", "{\"state\": \"removed\"}");
    check_refused(&removed, "Host \"full\" would lose 120 of its 120 ports.", MANY);
    API_REPLY revoked = act(hosts[0], "revoke", "", NULL);
    check_refused(&revoked, "Host \"full\" would lose 120 of its 120 ports.", MANY);
    API_REPLY empty = act(hosts[1], "revoke", "", NULL);
    cr_assert_eq(empty.status, 200, "%s", empty.text);
    API_REPLY done = act(hosts[0], "revoke", "?confirm=true", NULL);
    cr_assert_eq(done.status, 200, "%s", done.text);
}

/* A host switch on the full host whose uplink profile has the site where the pool is; returns another site, farther
 * and without a pool, the profile and the logical switch. */
static void deploy(char far[static 37], char profile[static 37], char logical_switch[static 37])
{
    char body[400];
    API_REPLY root = api_call(&server, "GET", "/v1/host-groups?name=All%20hosts", NULL, NULL);
    snprintf(body, sizeof(body),
             "{\"name\": \"far\", \"logical_network_id\": \"%s\", \"host_group_ids\": [\"%s\"],"
             " \"subnet_vlans\": [{\"subnet\": \"172.17.0.0/24\", \"vlan_id\": 0}]}",
             logical, api_text(json_array_get(json_object_get(root.json, "items"), 0), "id"));
    api_create(&server, "network-sites", body, far);
    snprintf(body, sizeof(body), "{\"name\": \"up\", \"network_site_ids\": [\"%s\"], \"network_virtualization\": true}",
             site);
    api_create(&server, "uplink-port-profiles", body, profile);
    snprintf(body, sizeof(body),
             "{\"name\": \"fabric\", \"type\": \"external\", \"uplink_port_profile_ids\": [\"%s\"]}", profile);
    api_create(&server, "logical-switches", body, logical_switch);
    snprintf(body, sizeof(body),
             "{\"name\": \"switch\", \"host_id\": \"%s\", \"logical_switch_id\": \"%s\","
             " \"uplinks\": [{\"interface\": \"eth1\", \"uplink_port_profile_id\": \"%s\"}]}",
             hosts[0], logical_switch, profile);
    API_REPLY made = api_call(&server, "POST", "/v1/host-switches", body, NULL);
    cr_assert_eq(made.status, 202, "%s", made.text);
}

/* The host goes on reaching the network, by a site that has no address for it. */
Test(removal, ports_whose_host_finds_no_provider_address_count)
{
    char far[37], profile[37], logical_switch[37], body[200];
    deploy(far, profile, logical_switch);
    snprintf(body, sizeof(body), "{\"network_site_ids\": [\"%s\"]}", far);
    API_REPLY refused = change("uplink-port-profiles", profile, "", body);
    check_refused(&refused, "Host \"full\" would lose 120 of its 120 ports.", MANY);
    snprintf(body, sizeof(body), "{\"network_site_ids\": [\"%s\", \"%s\"]}", far, site);
    API_REPLY more = change("uplink-port-profiles", profile, "", body);
    cr_assert_eq(more.status, 200, "%s", more.text);
    snprintf(body, sizeof(body), "{\"network_site_ids\": [\"%s\"]}", far);
    API_REPLY done = change("uplink-port-profiles", profile, "?confirm=true", body);
    cr_assert_eq(done.status, 200, "%s", done.text);
    cr_assert_eq(ports(hosts[0]), MANY);
    snprintf(body, sizeof(body), "{\"network_site_ids\": []}");
    API_REPLY lost = change("uplink-port-profiles", profile, "", body);
    cr_assert_eq(lost.status, 409, "%s", lost.text);
    cr_assert_str_eq(api_text(lost.json, "type"), "urn:skerry:error:in-use");
}

/* Changes that would leave ports without their network are not a matter of confirmation. */
Test(removal, what_ports_need_is_in_use_even_when_confirmed)
{
    char far[37], profile[37], logical_switch[37];
    deploy(far, profile, logical_switch);
    const struct {
        const char *collection, *id, *body;
    } changes[] = {
            {"network-sites", site, "{\"host_group_ids\": []}"},
            {"uplink-port-profiles", profile, "{\"network_site_ids\": []}"},
            {"logical-switches", logical_switch, "{\"uplink_port_profile_ids\": []}"},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(changes); i++) {
        API_REPLY kept = change(changes[i].collection, changes[i].id, "?confirm=true", changes[i].body);
        cr_assert_eq(kept.status, 409, "%s: %s", changes[i].collection, kept.text);
        cr_assert_str_eq(api_text(kept.json, "type"), "urn:skerry:error:in-use", "%s", kept.text);
    }
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
    API_REPLY refused = send_batch(deletes(0, SOME), "", his);
    check_refused(&refused, "A host would lose 30 ports.", SOME);
    cr_assert_null(strstr(refused.text, "full"), "%s", refused.text);
    cr_assert_null(strstr(refused.text, "of its"), "%s", refused.text);
    cr_assert_null(strstr(refused.text, hosts[0]), "%s", refused.text);
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
