/* The same over the real store and the real rules: requests as the API makes them, reports as agents make them, hosts
 * that join and are revoked, a controller that restarts from its database. A failure names its seed; SKR_SEED=n runs
 * that one alone. */
#include "tests/property/system/cloud.h"
#include "tests/support/controller/world.h"
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEQUENCES  120
#define OPERATIONS 60
#define ADAPTERS   12
#define NETWORKS   3
#define SUBNETS    2

struct scene {
    struct world world;
    struct cloud cloud;
    bool adapters[ADAPTERS], networks[NETWORKS], subnets[NETWORKS][SUBNETS];
    uint8_t subnet_of[ADAPTERS];
    uint8_t keys; /* of hosts that joined */
    unsigned accepted, refused, learned;
};

/* Every sequence begins with a copy of this one. */
static struct world template;

static void make_template(void)
{
    struct world *w = &template;
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    world_open(w);
    world_create(w, SKR_LOGICAL_NETWORK, "cloud", "{'name': 'cloud', 'network_virtualization': true}");
    world_create(w, SKR_NETWORK_SITE, "site",
                 "{'name': 'site', 'logical_network_id': '$cloud', 'host_group_ids': ['$root'], 'subnet_vlans': "
                 "[{'subnet': '10.83.1.0/24', 'vlan_id': 0}]}");
    world_create(w, SKR_IP_POOL, "pas",
                 "{'name': 'pas', 'network_site_id': '$site', 'subnet': '10.83.1.0/24', 'range_start': '10.83.1.10', "
                 "'range_end': '10.83.1.200', 'gateways': [{'address': '10.83.1.254', 'metric': 10}]}");
    world_create(w, SKR_TENANT, "red",
                 "{'name': 'red', 'logical_network_ids': ['$cloud'], 'port_classification_ids': ['$Guest dynamic "
                 "IP']}");
    skr_test_store_close(&w->test);
}

static void copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert(in >= 0 && out >= 0);
    while (sendfile(out, in, NULL, 1 << 20) > 0)
        ;
    close(in);
    close(out);
}

/* ---- the controller ---- */

static void on_commit(void *arg, const struct skr_change *changes, size_t count)
{
    struct scene *s = arg;
    if (s->cloud.policy)
        skr_policy_changes(s->cloud.policy, changes, count);
}

static void load(struct scene *s, struct skr_policy *policy)
{
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    struct skr_error error = {0};
    cr_assert_eq(skr_store_read_begin(s->world.test.store, &txn, &error), 0);
    cr_assert_eq(skr_policy_load(policy, txn, &error), 0, "%s", error.detail);
}

static void start_controller(struct scene *s)
{
    struct skr_error error = {0};
    skr_test_store_reopen(&s->world.test, NULL);
    skr_store_listen(s->world.test.store, on_commit, s);
    cr_assert_eq(skr_store_write_wait(s->world.test.store, skr_model_bootstrap, NULL, NULL, &error), 0);
    s->cloud.options.database_id = skr_store_database_id(s->world.test.store);
    s->cloud.options.digest_key = skr_store_digest_key(s->world.test.store);
    s->cloud.options.incarnation = skr_store_incarnation(s->world.test.store);
    cloud_up(&s->cloud);
    load(s, s->cloud.policy);
}

static void stop_controller(struct scene *s)
{
    skr_test_store_close(&s->world.test);
    cloud_down(&s->cloud);
}

static void on_synced(struct cloud *cloud, const struct skr_uuid *host_id, int64_t revision)
{
    struct scene *s = SKR_CONTAINER_OF(cloud, struct scene, cloud);
    struct skr_host_synced synced = {.host_id = *host_id, .revision = revision};
    struct skr_error error = {0};
    int r = skr_store_write_wait(s->world.test.store, skr_model_host_synced, &synced, NULL, &error);
    cr_assert_eq(r, 0, "%s", error.detail);
}

/* ---- operations ---- */

static bool ask(struct scene *s, enum skr_operation operation, enum skr_resource_id resource, const char *name,
                const char *json)
{
    SKR_CLEANUP(answer_cleanup) struct answer answer = {0};
    bool creates = operation == SKR_OPERATION_CREATE;
    if (world_request(&s->world, operation, resource, creates ? NULL : name, json, &answer) < 0) {
        s->refused++;
        return false;
    }
    s->accepted++;
    cloud_wrote(&s->cloud, answer.revision);
    if (creates) {
        struct skr_uuid id = skr_object_id(answer.object);
        world_rename(&s->world, name, &id);
    }
    return true;
}

/* A host that joins; the one that had the name is revoked by then. */
static void join(struct scene *s, unsigned number)
{
    struct skr_error error = {0};
    char name[16];
    snprintf(name, sizeof(name), "h%u-%u", number, s->keys);
    s->keys++;
    cr_assert_eq(world_join(&s->world, name, "root", "eth1", s->keys, &error), 0, "%s", error.detail);
    struct skr_uuid id = world_id(&s->world, name);
    snprintf(name, sizeof(name), "h%u", number);
    world_rename(&s->world, name, &id);
    sim_agent_become(&s->cloud.agents[number], &id);
}

static void revoke_and_join(struct scene *s)
{
    struct skr_action_request request;
    struct skr_error error = {0};
    unsigned number = cloud_pick(&s->cloud, CLOUD_AGENTS);
    char name[16];
    snprintf(name, sizeof(name), "h%u", number);
    if (s->keys > 20)
        return;
    cr_assert_eq(world_action(&s->world, SKR_HOST, name, "revoke", NULL, &request, &error), 0, "%s", error.detail);
    skr_action_request_done(&request);
    join(s, number);
}

static void change_network(struct scene *s)
{
    unsigned n = cloud_pick(&s->cloud, NETWORKS), i = cloud_pick(&s->cloud, SUBNETS);
    char name[16], subnet[16], json[256];
    snprintf(name, sizeof(name), "n%u", n);
    snprintf(subnet, sizeof(subnet), "s%u-%u", n, i);
    if (!s->networks[n]) {
        snprintf(json, sizeof(json), "{'name': '%s', 'tenant_id': '$red', 'logical_network_id': '$cloud'}", name);
        s->networks[n] = ask(s, SKR_OPERATION_CREATE, SKR_VM_NETWORK, name, json);
    } else if (!s->subnets[n][i]) {
        snprintf(json, sizeof(json), "{'name': '%s', 'vm_network_id': '$%s', 'prefix': '10.0.%u.0/24'}", subnet, name,
                 i);
        s->subnets[n][i] = ask(s, SKR_OPERATION_CREATE, SKR_VM_SUBNET, subnet, json);
    } else if (cloud_chance(&s->cloud, 40)) {
        s->subnets[n][i] = !ask(s, SKR_OPERATION_DELETE, SKR_VM_SUBNET, subnet, NULL);
    } else {
        snprintf(json, sizeof(json), "{'mtu': %u}", 1300 + cloud_pick(&s->cloud, 4));
        ask(s, SKR_OPERATION_PATCH, SKR_VM_NETWORK, name, json);
    }
    bool used = s->subnets[n][0] || s->subnets[n][1];
    if (s->networks[n] && !used && cloud_chance(&s->cloud, 10))
        s->networks[n] = !ask(s, SKR_OPERATION_DELETE, SKR_VM_NETWORK, name, NULL);
}

static void host_text(struct scene *s, char out[static 16])
{
    if (cloud_chance(&s->cloud, 15))
        snprintf(out, 16, "null");
    else
        snprintf(out, 16, "'$h%u'", cloud_pick(&s->cloud, CLOUD_AGENTS));
}

static void change_adapter(struct scene *s)
{
    unsigned a = cloud_pick(&s->cloud, ADAPTERS), n = cloud_pick(&s->cloud, NETWORKS);
    unsigned i = cloud_pick(&s->cloud, SUBNETS);
    char name[16], host[16], json[512];
    snprintf(name, sizeof(name), "a%u", a);
    host_text(s, host);
    if (!s->adapters[a]) {
        if (!s->subnets[n][i])
            return;
        bool learns = cloud_chance(&s->cloud, 40);
        char address[32] = "";
        if (!learns)
            snprintf(address, sizeof(address), "'10.0.%u.%u'", i, 10 + cloud_pick(&s->cloud, 30));
        snprintf(json, sizeof(json),
                 "{'name': '%s', 'vm_network_id': '$n%u', 'vm_subnet_id': '$s%u-%u', 'ip_addresses': [%s], 'host_id': "
                 "%s%s}",
                 name, n, n, i, address, host, learns ? ", 'classification_id': '$Guest dynamic IP'" : "");
        s->adapters[a] = ask(s, SKR_OPERATION_CREATE, SKR_NETWORK_ADAPTER, name, json);
        s->subnet_of[a] = (uint8_t)i;
    } else if (cloud_chance(&s->cloud, 30)) {
        s->adapters[a] = !ask(s, SKR_OPERATION_DELETE, SKR_NETWORK_ADAPTER, name, NULL);
    } else {
        snprintf(json, sizeof(json), "{'host_id': %s}", host);
        ask(s, SKR_OPERATION_PATCH, SKR_NETWORK_ADAPTER, name, json);
    }
}

/* The host that has it, or now and then another one. */
static void host_of(struct scene *s, const struct skr_object *adapter, char out[static 16])
{
    snprintf(out, 16, "h%u", cloud_pick(&s->cloud, CLOUD_AGENTS));
    if (!skr_object_has(adapter, SKR_NETWORK_ADAPTER_HOST_ID) || cloud_chance(&s->cloud, 10))
        return;
    struct skr_uuid id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    for (unsigned i = 0; i < CLOUD_AGENTS; i++)
        if (skr_uuid_equal(&s->cloud.agents[i].identity.host_id, &id))
            snprintf(out, 16, "h%u", i);
}

/* A host says that an address is at one of the adapters; the rules know whether that can be. */
static void report_learned(struct scene *s)
{
    unsigned a = cloud_pick(&s->cloud, ADAPTERS);
    char name[16], host[16];
    struct skr_error error = {0};
    snprintf(name, sizeof(name), "a%u", a);
    if (!s->adapters[a])
        return;
    struct skr_uuid id = world_id(&s->world, name);
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = world_get(&s->world, SKR_NETWORK_ADAPTER, name);
    host_of(s, adapter, host);
    struct skr_mac mac = skr_object_mac(adapter, SKR_NETWORK_ADAPTER_MAC);
    uint8_t address[4] = {10, 0, s->subnet_of[a], (uint8_t)(10 + cloud_pick(&s->cloud, 40))};
    Skerry__V1__LearnedAddress learned = SKERRY__V1__LEARNED_ADDRESS__INIT, *list[] = {&learned};
    Skerry__V1__Report report = SKERRY__V1__REPORT__INIT;
    learned.adapter_id = (ProtobufCBinaryData){sizeof(id.bytes), id.bytes};
    learned.customer_address = (ProtobufCBinaryData){sizeof(address), address};
    learned.mac = (ProtobufCBinaryData){sizeof(mac.bytes), mac.bytes};
    learned.evidence = SKERRY__V1__LEARNED_EVIDENCE__LEARNED_EVIDENCE_SOURCE;
    learned.withdrawn = cloud_chance(&s->cloud, 30);
    report.sequence = 1;
    report.learned = list;
    report.n_learned = 1;
    Skerry__V1__ReportAccepted *accepted = NULL;
    cr_assert_eq(world_report(&s->world, host, &report, &accepted, &error), 0, "%s", error.detail);
    s->learned += accepted->n_refusals == 0;
    skerry__v1__report_accepted__free_unpacked(accepted, NULL);
}

static void change_fabric(struct scene *s)
{
    char name[16];
    snprintf(name, sizeof(name), "h%u", cloud_pick(&s->cloud, CLOUD_AGENTS));
    if (cloud_chance(&s->cloud, 50))
        ask(s, SKR_OPERATION_PATCH, SKR_HOST, name,
            cloud_chance(&s->cloud, 50) ? "{'remediation': 'manual'}" : "{'remediation': 'auto'}");
    else
        ask(s, SKR_OPERATION_PATCH, SKR_LOGICAL_NETWORK, "cloud",
            cloud_chance(&s->cloud, 50) ? "{'mtu': 1600}" : "{'mtu': 9000}");
}

static void operate(struct scene *s)
{
    unsigned luck = cloud_pick(&s->cloud, 100);
    if (luck < 20)
        change_network(s);
    else if (luck < 75)
        change_adapter(s);
    else if (luck < 90)
        report_learned(s);
    else if (luck < 98)
        change_fabric(s);
    else
        revoke_and_join(s);
}

/* ---- a sequence ---- */

static void expect_loaded_equal(struct scene *s)
{
    struct skr_realization_table *table;
    struct skr_policy *fresh = cloud_policy(&s->cloud, &table);
    load(s, fresh);
    char *followed = skr_policy_dump(s->cloud.policy), *loaded = skr_policy_dump(fresh);
    cr_assert_str_eq(followed, loaded, "seed %lu", (unsigned long)s->cloud.seed);
    free(followed);
    free(loaded);
    skr_policy_free(fresh);
    skr_realization_table_free(table);
}

static void begin(struct scene *s, uint64_t seed)
{
    static const uint32_t windows[] = {0, 1, 300, 2000};
    memset(s, 0, sizeof(*s));
    cloud_begin(&s->cloud, seed);
    s->cloud.options.window_bytes = windows[cloud_pick(&s->cloud, 4)];
    s->cloud.synced = on_synced;
    memcpy(s->world.names, template.names, sizeof(template.names));
    s->world.count = template.count;
    snprintf(s->world.test.directory, sizeof(s->world.test.directory), "%.50s/store", s->cloud.directory);
    snprintf(s->world.test.path, sizeof(s->world.test.path), "%s/skerry.db", s->world.test.directory);
    cr_assert_eq(mkdir(s->world.test.directory, 0700), 0);
    copy_file(template.test.path, s->world.test.path);
    start_controller(s);
    for (unsigned i = 0; i < CLOUD_AGENTS; i++)
        join(s, i);
    for (int i = 0; i < 15; i++)
        change_network(s);
    cloud_run(&s->cloud);
}

static void run_sequence(uint64_t seed, struct scene *sum)
{
    static struct scene s;

    begin(&s, seed);
    for (int i = 0; i < OPERATIONS; i++) {
        operate(&s);
        cloud_live(&s.cloud);
        if (cloud_chance(&s.cloud, 2)) {
            stop_controller(&s);
            start_controller(&s);
            s.cloud.counts.controllers++;
        }
    }
    cloud_quiesce(&s.cloud);
    cloud_expect_equal(&s.cloud);
    cloud_expect_realized(&s.cloud, NULL);
    expect_loaded_equal(&s);
    stop_controller(&s);
    skr_test_store_remove(&s.world.test);
    sum->accepted += s.accepted;
    sum->refused += s.refused;
    sum->learned += s.learned;
    sum->cloud.counts.controllers += s.cloud.counts.controllers;
    cloud_end(&s.cloud);
}

Test(system_model, agents_become_what_the_database_says)
{
    static struct scene sum;
    const char *only = getenv("SKR_SEED");
    make_template();
    for (uint64_t seed = 1; seed <= (only ? 1 : SEQUENCES); seed++)
        run_sequence(only ? strtoull(only, NULL, 10) : seed, &sum);
    skr_test_store_remove(&template.test);
    printf("# accepted %u, refused %u, learned %u, controllers %u\n", sum.accepted, sum.refused, sum.learned,
           sum.cloud.counts.controllers);
    cr_assert(only || sum.accepted > 25 * SEQUENCES);
    cr_assert(only || sum.learned > SEQUENCES);
    cr_assert(only || sum.cloud.counts.controllers > SEQUENCES / 2);
}
