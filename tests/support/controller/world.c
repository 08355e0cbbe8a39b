#include "tests/support/controller/world.h"
#include <skerry/clock.h>

static const struct skr_principal administrator = {.role = SKR_ROLE_ADMIN};

struct skr_uuid world_id(const struct world *world, const char *name)
{
    for (size_t i = 0; i < world->count; i++)
        if (!strcmp(world->names[i].name, name))
            return world->names[i].id;
    cr_assert_fail("no object called %s", name);
    return (struct skr_uuid){0};
}

void world_name(struct world *world, const char *name, const struct skr_uuid *id)
{
    cr_assert_lt(world->count, WORLD_NAMES_MAX);
    snprintf(world->names[world->count].name, sizeof(world->names[0].name), "%s", name);
    world->names[world->count++].id = *id;
}

void world_rename(struct world *world, const char *name, const struct skr_uuid *id)
{
    for (size_t i = 0; i < world->count; i++)
        if (!strcmp(world->names[i].name, name)) {
            world->names[i].id = *id;
            return;
        }
    world_name(world, name, id);
}

static json_t *to_json(const struct world *world, const char *text)
{
    char out[8192];
    size_t length = 0;
    for (const char *c = text; *c; c++) {
        cr_assert_lt(length, sizeof(out) - 64);
        if (*c == '\'') {
            out[length++] = '"';
        } else if (*c == '$') {
            char name[64];
            size_t n = strcspn(c + 1, "'");
            snprintf(name, sizeof(name), "%.*s", (int)n, c + 1);
            struct skr_uuid id = world_id(world, name);
            skr_uuid_format(&id, out + length);
            length += SKR_UUID_TEXT_MAX - 1;
            c += n;
        } else {
            out[length++] = *c;
        }
    }
    out[length] = '\0';
    json_error_t where;
    json_t *json = json_loads(out, 0, &where);
    cr_assert(json, "%s: %s", where.text, out);
    return json;
}

int world_parse(const struct world *world, const struct skr_resource *resource, const char *text, bool partial,
                struct skr_object **ret, struct skr_error *error)
{
    json_t *json = to_json(world, text);
    int r = skr_object_from_json(resource, json, partial, SKR_ROLE_ADMIN, ret, error);
    json_decref(json);
    return r;
}

static int64_t etag_of(struct world *world, enum skr_resource_id resource, const struct skr_uuid *id)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    struct skr_error error = {0};
    cr_assert_eq(skr_store_read_begin(world->test.store, &txn, &error), 0);
    if (skr_txn_get(txn, resource, id, NULL, &object, &error) < 0)
        return 1;
    return skr_object_integer(object, SKR_FIELD_ETAG);
}

int world_request(struct world *world, enum skr_operation operation, enum skr_resource_id resource, const char *target,
                  const char *json, struct answer *ret)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *input = NULL;
    struct skr_write_request request = {.operation = operation, .resource = resource, .principal = administrator};
    *ret = (struct answer){0};
    if (json) {
        ret->result = world_parse(world, skr_resource_get(resource), json, operation == SKR_OPERATION_PATCH, &input,
                                  &ret->error);
        if (ret->result < 0)
            return ret->result;
    }
    request.input = input;
    if (target) {
        request.id = world_id(world, target);
        request.if_match = etag_of(world, resource, &request.id);
    }
    ret->result = skr_model_do_slow(world->test.store, &request, &ret->error);
    if (ret->result == 0)
        ret->result = skr_store_write_wait(world->test.store, skr_model_write, &request, &ret->revision, &ret->error);
    ret->object = request.result;
    return ret->result;
}

void world_create(struct world *world, enum skr_resource_id resource, const char *name, const char *json)
{
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_request(world, SKR_OPERATION_CREATE, resource, NULL, json, &answer);
    cr_assert_eq(answer.result, 0, "%s: %s %s", name, answer.error.detail, answer.error.fields[0].pointer);
    struct skr_uuid id = skr_object_id(answer.object);
    world_name(world, name, &id);
}

void world_patch(struct world *world, enum skr_resource_id resource, const char *target, const char *json)
{
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_request(world, SKR_OPERATION_PATCH, resource, target, json, &answer);
    cr_assert_eq(answer.result, 0, "%s: %s", target, answer.error.detail);
}

void world_delete(struct world *world, enum skr_resource_id resource, const char *target)
{
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    world_request(world, SKR_OPERATION_DELETE, resource, target, NULL, &answer);
    cr_assert_eq(answer.result, 0, "%s: %s", target, answer.error.detail);
}

int world_action(struct world *world, enum skr_resource_id resource, const char *target, const char *verb,
                 const char *json, struct skr_action_request *ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *input = NULL;
    const struct skr_resource *table = skr_resource_get(resource);
    *ret = (struct skr_action_request){
            .resource = resource, .verb = verb, .principal = administrator, .id = world_id(world, target)};
    for (unsigned i = 0; json && i < table->action_count; i++)
        if (!strcmp(table->actions[i].verb, verb))
            cr_assert_eq(world_parse(world, table->actions[i].input, json, false, &input, error), 0);
    ret->input = input;
    int r = skr_store_write_wait(world->test.store, skr_model_action, ret, NULL, error);
    ret->input = NULL;
    return r;
}

int world_join(struct world *world, const char *name, const char *group, const char *uplink, uint8_t key,
               struct skr_error *error)
{
    SKR_CLEANUP(answer_cleanup) struct answer token = {0};
    char json[256];
    snprintf(json, sizeof(json), "{'name': 'for %s', 'host_group_id': '$%s'}", name, group);
    cr_assert_eq(world_request(world, SKR_OPERATION_CREATE, SKR_JOIN_TOKEN, NULL, json, &token), 0, "%s",
                 token.error.detail);
    struct skr_uuid token_id = skr_object_id(token.object);
    Skerry__V1__Enroll enroll;
    skerry__v1__enroll__init(&enroll);
    char *uplinks[] = {(char *)uplink};
    enroll.token_id = (ProtobufCBinaryData){sizeof(token_id.bytes), token_id.bytes};
    enroll.secret = (char *)skr_object_text(token.object, SKR_JOIN_TOKEN_SECRET);
    enroll.host_name = (char *)name;
    enroll.uplinks = uplinks;
    enroll.n_uplinks = uplink ? 1 : 0;
    struct skr_enrolment enrolment = {.enroll = &enroll};
    memset(enrolment.key_hash, key, sizeof(enrolment.key_hash));
    int r = skr_store_write_wait(world->test.store, skr_model_enroll, &enrolment, NULL, error);
    if (r == 0)
        world_name(world, name, &enrolment.host_id);
    return r;
}

struct skr_object *world_get(struct world *world, enum skr_resource_id resource, const char *name)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_object *object = NULL;
    struct skr_error error = {0};
    struct skr_uuid id = world_id(world, name);
    cr_assert_eq(skr_store_read_begin(world->test.store, &txn, &error), 0);
    cr_assert_eq(skr_model_read(txn, &administrator, resource, &id, &object, &error), 0, "%s: %s", name, error.detail);
    return object;
}

size_t world_list(struct world *world, enum skr_resource_id resource, int field, const char *name,
                  struct skr_object **ret, size_t max)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_error error = {0};
    struct skr_list_query query = {.resource = resource, .limit = (uint32_t)max};
    uint32_t count;
    bool more;
    if (name) {
        query.filters[0].field = field;
        query.filters[0].value = (struct skr_value){.type = SKR_VALUE_UUID, .uuid = world_id(world, name)};
        query.filter_count = 1;
    }
    cr_assert_eq(skr_store_read_begin(world->test.store, &txn, &error), 0);
    cr_assert_eq(skr_model_list(txn, &administrator, &query, ret, &count, &more, &error), 0, "%s", error.detail);
    return count;
}

size_t world_events(struct world *world, const char *reason)
{
    struct skr_object *events[200];
    size_t count = world_list(world, SKR_EVENT, 0, NULL, events, 200), found = 0;
    for (size_t i = 0; i < count; i++) {
        found += !strcmp(skr_object_text(events[i], SKR_EVENT_REASON), reason);
        skr_object_unref(events[i]);
    }
    return found;
}

void world_provider_address(struct world *world, const char *host, char ret[static SKR_ADDRESS_TEXT_MAX])
{
    struct skr_object *rows[8];
    size_t count = world_list(world, SKR_PROVIDER_ADDRESS, SKR_PROVIDER_ADDRESS_HOST_ID, host, rows, 8);
    ret[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        struct skr_address address = skr_object_address(rows[i], SKR_PROVIDER_ADDRESS_ADDRESS);
        if (skr_object_has(rows[i], SKR_PROVIDER_ADDRESS_ADDRESS))
            skr_address_format(&address, ret);
        skr_object_unref(rows[i]);
    }
}

void world_synced(struct world *world, const char *host, int64_t revision)
{
    struct skr_host_synced synced = {.host_id = world_id(world, host), .revision = revision};
    struct skr_error error = {0};
    cr_assert_eq(skr_store_write_wait(world->test.store, skr_model_host_synced, &synced, NULL, &error), 0, "%s",
                 error.detail);
}

int world_report(struct world *world, const char *host, const Skerry__V1__Report *report,
                 Skerry__V1__ReportAccepted **ret, struct skr_error *error)
{
    struct skr_report_write write = {
            .host_id = world_id(world, host), .report = report, .received_ms = skr_clock_wall_ms()};
    Skerry__V1__ReportAccepted *all = malloc(sizeof(*all));
    cr_assert_not_null(all);
    skerry__v1__report_accepted__init(all);
    if (report->whole && !report->more)
        write.names = skr_report_names_new(write.received_ms);
    int r = 0;
    for (; r == 0 && !write.done; write.begin = write.next) {
        r = skr_store_write_wait(world->test.store, skr_model_report, &write, NULL, error);
        for (size_t i = 0; i < write.accepted->n_refusals; i++) {
            all->refusals = reallocarray(all->refusals, all->n_refusals + 1, sizeof(*all->refusals));
            cr_assert_not_null(all->refusals);
            all->refusals[all->n_refusals++] = SKR_TAKE(write.accepted->refusals[i]);
        }
        write.accepted->n_refusals = 0;
    }
    skerry__v1__report_accepted__free_unpacked(write.accepted, NULL);
    skr_report_names_free(write.names);
    *ret = all;
    return r;
}

void world_utilization(struct world *world, const char *pool, long long ret[static 5])
{
    static const char *const names[] = {"total", "allocated", "reserved", "vip", "free"};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = world_get(world, SKR_IP_POOL, pool);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(names); i++)
        ret[i] = atoll(json_string_value(json_object_get(object->values[SKR_IP_POOL_UTILIZATION].json, names[i])));
}

void world_open(struct world *world)
{
    struct skr_error error = {0};
    *world = (struct world){0};
    skr_test_store_open(&world->test, NULL);
    cr_assert_eq(skr_store_write_wait(world->test.store, skr_model_bootstrap, NULL, NULL, &error), 0, "%s",
                 error.detail);
    static const enum skr_resource_id built_in[] = {SKR_HOST_GROUP, SKR_MAC_POOL, SKR_PORT_CLASSIFICATION,
                                                    SKR_VIRTUAL_PORT_PROFILE};
    for (size_t k = 0; k < SKR_ARRAY_SIZE(built_in); k++) {
        struct skr_object *rows[50];
        size_t count = world_list(world, built_in[k], 0, NULL, rows, 50);
        for (size_t i = 0; i < count; i++) {
            struct skr_uuid id = skr_object_id(rows[i]);
            const char *name = skr_object_text(rows[i], SKR_FIELD_NAME);
            world_name(world, built_in[k] == SKR_HOST_GROUP ? "root" : name, &id);
            skr_object_unref(rows[i]);
        }
    }
}

void world_fill(struct world *w)
{
    struct skr_error error = {0};
    world_create(w, SKR_LOGICAL_NETWORK, "cloud", "{'name': 'cloud', 'network_virtualization': true}");
    world_create(w, SKR_LOGICAL_NETWORK, "plain", "{'name': 'plain', 'network_virtualization': false}");
    world_create(w, SKR_HOST_GROUP, "north", "{'name': 'north', 'claims': true}");
    world_create(w, SKR_HOST_GROUP, "south", "{'name': 'south', 'claims': true}");
    world_create(w, SKR_HOST_GROUP, "north-a", "{'name': 'north-a', 'parent_id': '$north', 'claims': true}");
    world_create(w, SKR_NETWORK_SITE, "site-north",
                 "{'name': 'site-north', 'logical_network_id': '$cloud', 'host_group_ids': ['$north'], 'subnet_vlans': "
                 "[{'subnet': '10.83.1.0/24', 'vlan_id': 0}]}");
    world_create(w, SKR_NETWORK_SITE, "site-south",
                 "{'name': 'site-south', 'logical_network_id': '$cloud', 'host_group_ids': ['$south'], 'subnet_vlans': "
                 "[{'subnet': '10.83.2.0/24', 'vlan_id': 7}]}");
    world_create(w, SKR_IP_POOL, "pa-north",
                 "{'name': 'pa-north', 'network_site_id': '$site-north', 'subnet': '10.83.1.0/24', 'range_start': "
                 "'10.83.1.10', 'range_end': '10.83.1.13', 'gateways': [{'address': '10.83.1.254', 'metric': 10}]}");
    world_create(w, SKR_IP_POOL, "pa-south",
                 "{'name': 'pa-south', 'network_site_id': '$site-south', 'subnet': '10.83.2.0/24', 'range_start': "
                 "'10.83.2.10', 'range_end': '10.83.2.20', 'gateways': [{'address': '10.83.2.254', 'metric': 10}]}");
    world_create(w, SKR_TENANT, "red",
                 "{'name': 'red', 'logical_network_ids': ['$cloud', '$plain'], 'port_classification_ids': ['$Guest "
                 "dynamic IP']}");
    world_create(w, SKR_TENANT, "blue", "{'name': 'blue', 'logical_network_ids': ['$cloud']}");
    world_create(w, SKR_VM_NETWORK, "red-net",
                 "{'name': 'red-net', 'tenant_id': '$red', 'logical_network_id': '$cloud'}");
    world_create(w, SKR_VM_NETWORK, "blue-net",
                 "{'name': 'blue-net', 'tenant_id': '$blue', 'logical_network_id': '$cloud'}");
    world_create(w, SKR_VM_SUBNET, "red-a", "{'name': 'a', 'vm_network_id': '$red-net', 'prefix': '10.0.0.0/24'}");
    world_create(w, SKR_VM_SUBNET, "red-b", "{'name': 'b', 'vm_network_id': '$red-net', 'prefix': '10.0.1.0/24'}");
    world_create(w, SKR_VM_SUBNET, "blue-a", "{'name': 'a', 'vm_network_id': '$blue-net', 'prefix': '10.0.0.0/24'}");
    world_create(w, SKR_IP_POOL, "red-pool",
                 "{'name': 'red-pool', 'vm_subnet_id': '$red-a', 'subnet': '10.0.0.0/24', 'range_start': '10.0.0.1', "
                 "'range_end': '10.0.0.20', 'reserved': ['10.0.0.19-10.0.0.20'], 'vip_reserved': ['10.0.0.15']}");
    cr_assert_eq(world_join(w, "h1", "north", "eth1", 1, &error), 0, "%s", error.detail);
    cr_assert_eq(world_join(w, "h2", "south", "eth1", 2, &error), 0, "%s", error.detail);
    world_create(w, SKR_NETWORK_ADAPTER, "red-1",
                 "{'name': 'red-1', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h1', 'mac': "
                 "'02:aa:00:00:00:01', 'interface': 'tap1'}");
    world_create(w, SKR_NETWORK_ADAPTER, "blue-1",
                 "{'name': 'blue-1', 'vm_network_id': '$blue-net', 'vm_subnet_id': '$blue-a', 'ip_addresses': "
                 "['10.0.0.2']}");
}

void world_judge(struct world *world, enum skr_operation operation, enum skr_resource_id resource, const char *target,
                 const char *json, enum skr_error_tag tag, const char *pointer, const char *words)
{
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    int64_t before = skr_store_revision(world->test.store);
    world_request(world, operation, resource, target, json, &answer);
    const char *what = json ? json : target;
    if (tag == SKR_ERROR_NONE) {
        cr_assert_eq(answer.result, 0, "%s: %s", what, answer.error.detail);
        return;
    }
    cr_assert_lt(answer.result, 0, "passed: %s", what);
    cr_expect_eq(answer.error.tag, tag, "%s: %s (%s)", what, skr_error_tag_info(answer.error.tag)->name,
                 answer.error.detail);
    if (pointer)
        cr_expect_str_eq(answer.error.fields[0].pointer, pointer, "%s: %s", what, answer.error.detail);
    bool said = !words || strstr(answer.error.detail, words);
    for (unsigned i = 0; i < answer.error.field_count && !said; i++)
        said = strstr(answer.error.fields[i].detail, words);
    cr_expect(said, "\"%s\" is not in: %s", words ? words : "", answer.error.detail);
    cr_expect_eq(skr_store_revision(world->test.store), before, "%s left something behind", what);
}

void world_close(struct world *world)
{
    unsigned queries;
    cr_expect_eq(skr_test_bad_plans(world->test.store, &queries), 0, "queries without an index");
    skr_test_store_close(&world->test);
    skr_test_store_remove(&world->test);
}

void world_open_learning(struct world *w)
{
    world_open(w);
    world_fill(w);
    world_create(w, SKR_NETWORK_ADAPTER, "dyn-1",
                 "{'name': 'dyn-1', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h1', "
                 "'ip_addresses': [], 'classification_id': '$Guest dynamic IP'}");
    world_create(w, SKR_NETWORK_ADAPTER, "dyn-2",
                 "{'name': 'dyn-2', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h2', "
                 "'ip_addresses': [], 'classification_id': '$Guest dynamic IP'}");
}
