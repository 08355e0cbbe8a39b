/* Quotas against a model: whatever writes come, alone or several in one transaction, a tenant never has more than it
 * may, what is refused changes nothing, and the counters are the counts. */
#include "tests/support/controller/world.h"

#define STEPS       400
#define BATCH_MAX   6
#define OBJECTS_MAX 64

enum { NETWORKS, SUBNETS, RULES, COUNTED };

struct thing {
    struct skr_uuid id, parent;
    int rules;
};
struct state {
    struct thing networks[OBJECTS_MAX], subnets[OBJECTS_MAX], lists[OBJECTS_MAX];
    int network_count, subnet_count, list_count;
};
struct operation {
    struct skr_write_request request;
    struct skr_object *input;
};
struct batch {
    struct operation operations[BATCH_MAX];
    int count;
};

static unsigned seed;
static int serial;

static int pick(int below)
{
    return (int)((unsigned)rand_r(&seed) % (unsigned)below);
}

static int used(const struct state *state, int quota)
{
    int rules = 0;
    for (int i = 0; i < state->list_count; i++)
        rules += state->lists[i].rules;
    return quota == NETWORKS ? state->network_count : quota == SUBNETS ? state->subnet_count : rules;
}

static int run_batch(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct batch *batch = arg;
    for (int i = 0; i < batch->count; i++) {
        int r = skr_model_write(txn, &batch->operations[i].request, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static void add_create(struct world *w, struct batch *batch, enum skr_resource_id resource, const char *json,
                       struct skr_uuid *ret_id)
{
    struct operation *operation = &batch->operations[batch->count++];
    struct skr_error error = {0};
    cr_assert_eq(world_parse(w, skr_resource_get(resource), json, false, &operation->input, &error), 0, "%s: %s", json,
                 error.fields[0].detail);
    *ret_id = skr_uuid_new();
    skr_object_set_uuid(operation->input, SKR_FIELD_ID, ret_id);
    operation->request = (struct skr_write_request){.operation = SKR_OPERATION_CREATE,
                                                    .resource = resource,
                                                    .principal = {.role = SKR_ROLE_ADMIN},
                                                    .id = *ret_id,
                                                    .input = operation->input};
}

static void add_delete(struct batch *batch, enum skr_resource_id resource, const struct skr_uuid *id)
{
    batch->operations[batch->count++].request = (struct skr_write_request){
            .operation = SKR_OPERATION_DELETE, .resource = resource, .principal = {.role = SKR_ROLE_ADMIN}, .id = *id};
}

static void create_list(struct world *w, struct batch *batch, struct state *state)
{
    char json[1024];
    struct thing *list = &state->lists[state->list_count++];
    list->rules = pick(6);
    int length = snprintf(json, sizeof(json), "{'name': 'l%d', 'tenant_id': '$red', 'rules': [", serial++);
    for (int i = 0; i < list->rules; i++)
        length += snprintf(json + length, sizeof(json) - (size_t)length,
                           "%s{'name': 'r%d', 'direction': 'in', 'action': 'allow'}", i ? ", " : "", i);
    snprintf(json + length, sizeof(json) - (size_t)length, "]}");
    add_create(w, batch, SKR_ACCESS_CONTROL_LIST, json, &list->id);
}

static void create_subnet(struct world *w, struct batch *batch, struct state *state)
{
    const struct thing *network = &state->networks[pick(state->network_count)];
    struct thing *subnet = &state->subnets[state->subnet_count++];
    char json[256], id[SKR_UUID_TEXT_MAX];
    snprintf(json, sizeof(json), "{'name': 's%d', 'vm_network_id': '%s', 'prefix': '10.%d.%d.0/24'}", serial,
             skr_uuid_format(&network->id, id), serial / 250 % 250, serial % 250);
    serial++;
    subnet->parent = network->id;
    add_create(w, batch, SKR_VM_SUBNET, json, &subnet->id);
}

static bool has_subnets(const struct state *state, const struct thing *network)
{
    for (int i = 0; i < state->subnet_count; i++)
        if (!skr_uuid_compare(&state->subnets[i].parent, &network->id))
            return true;
    return false;
}

/* One random operation: into the batch, and done to the model as if it would be taken. */
static void add_random(struct world *w, struct batch *batch, struct state *state)
{
    char json[128];
    int which = pick(9);
    if (which < 2 && state->network_count < OBJECTS_MAX) {
        snprintf(json, sizeof(json), "{'name': 'n%d', 'tenant_id': '$red', 'logical_network_id': '$cloud'}", serial++);
        add_create(w, batch, SKR_VM_NETWORK, json, &state->networks[state->network_count++].id);
    } else if (which < 4 && state->network_count && state->subnet_count < OBJECTS_MAX) {
        create_subnet(w, batch, state);
    } else if (which < 6 && state->list_count < OBJECTS_MAX) {
        create_list(w, batch, state);
    } else if (which == 6 && state->subnet_count) {
        int i = pick(state->subnet_count);
        add_delete(batch, SKR_VM_SUBNET, &state->subnets[i].id);
        state->subnets[i] = state->subnets[--state->subnet_count];
    } else if (which == 7 && state->list_count) {
        int i = pick(state->list_count);
        add_delete(batch, SKR_ACCESS_CONTROL_LIST, &state->lists[i].id);
        state->lists[i] = state->lists[--state->list_count];
    } else if (state->network_count) {
        int i = pick(state->network_count);
        if (has_subnets(state, &state->networks[i]))
            return;
        add_delete(batch, SKR_VM_NETWORK, &state->networks[i].id);
        state->networks[i] = state->networks[--state->network_count];
    }
}

static void expect_counters(struct world *w, const struct state *state, int step)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *usage = world_get(w, SKR_USAGE, "red");
    static const int fields[COUNTED] = {SKR_USAGE_VM_NETWORKS, SKR_USAGE_VM_SUBNETS, SKR_USAGE_ACL_RULES};
    for (int i = 0; i < COUNTED; i++)
        cr_assert_eq(skr_object_integer(usage, fields[i]), used(state, i), "step %d, counter %d: %lld, not %d", step, i,
                     (long long)skr_object_integer(usage, fields[i]), used(state, i));
}

static void set_quotas(struct world *w, int quotas[static COUNTED])
{
    char json[160];
    for (int i = 0; i < COUNTED; i++)
        quotas[i] = 3 + pick(20);
    snprintf(json, sizeof(json), "{'quotas': {'vm_networks': %d, 'vm_subnets': %d, 'acl_rules': %d}}", quotas[NETWORKS],
             quotas[SUBNETS], quotas[RULES]);
    world_patch(w, SKR_TENANT, "red", json);
}

/* One batch; the model says whether it must be taken. */
static void step(struct world *w, struct state *state, const int quotas[static COUNTED], int number)
{
    struct state next = *state;
    struct batch batch = {0};
    struct skr_error error = {0};
    bool fits = true;
    for (int i = 1 + pick(BATCH_MAX); i > 0; i--) {
        const struct state before = next;
        add_random(w, &batch, &next);
        for (int q = 0; q < COUNTED; q++)
            fits = fits && (used(&next, q) <= used(&before, q) || used(&next, q) <= quotas[q]);
    }
    int r = skr_store_write_wait(w->test.store, run_batch, &batch, NULL, &error);
    cr_assert_eq(r == 0, fits, "step %d: %s", number, error.detail);
    cr_assert(r == 0 || error.tag == SKR_ERROR_LIMIT, "step %d: %s", number, error.detail);
    if (r == 0)
        *state = next;
    for (int i = 0; i < batch.count; i++) {
        skr_write_request_done(&batch.operations[i].request);
        skr_object_unref(batch.operations[i].input);
    }
    expect_counters(w, state, number);
}

static void run(unsigned from)
{
    static struct state state;
    struct world w;
    int quotas[COUNTED];
    seed = from;
    state = (struct state){0};
    world_open(&w);
    world_create(&w, SKR_LOGICAL_NETWORK, "cloud", "{'name': 'cloud', 'network_virtualization': true}");
    world_create(&w, SKR_TENANT, "red", "{'name': 'red', 'logical_network_ids': ['$cloud']}");
    set_quotas(&w, quotas);
    for (int number = 0; number < STEPS; number++) {
        if (number % 40 == 39)
            set_quotas(&w, quotas); /* below the use too: only growth ends */
        step(&w, &state, quotas, number);
    }
    world_close(&w);
}

Test(quotas, never_above_and_always_counted)
{
    run(1);
}

Test(quotas, never_above_and_always_counted_otherwise)
{
    run(20261121);
}
