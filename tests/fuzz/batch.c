/* rooms: controller/api */
/* POST /v1/batch into a real database: the first byte says who asks, the rest is the body. It is refused with a reason,
 * or done and can be shown; and a tenant never changes what is not its own. Each run is rolled back. */
#include "controller/api/operation.h"
#include "tests/fuzz/database.h"
#include "tests/fuzz/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct skr_api api;

struct run {
    struct skr_http_request request;
    struct skr_http_job job;
};

/* The objects of the data centre belong to another tenant than the one that asks. */
static struct {
    enum skr_resource_id resource;
    const struct skr_uuid *id;
    int64_t etag;
} others[] = {{SKR_TENANT, &tenant_id, 0},
              {SKR_VM_NETWORK, &vm_network_id, 0},
              {SKR_VM_SUBNET, &vm_subnet_id, 0},
              {SKR_NETWORK_ADAPTER, &adapter_id, 0},
              {SKR_LOGICAL_NETWORK, &logical_network_id, 0}};

static int64_t etag_of(struct skr_txn *txn, size_t other)
{
    struct skr_error error = {0};
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    must(skr_fetch(txn, others[other].resource, others[other].id, &object, &error) == 0, "another's object is gone");
    return skr_object_integer(object, SKR_FIELD_ETAG);
}

static void check_others(struct skr_txn *txn)
{
    for (size_t i = 0; i < SKR_ARRAY_SIZE(others); i++)
        must(etag_of(txn, i) == others[i].etag, "another's object was changed");
}

static void show(struct run *run)
{
    json_t *answer = skr_http_batch_render(&run->request, &run->job);
    char *text = answer ? json_dumps(answer, 0) : NULL;
    must(text && json_array_size(json_object_get(answer, "results")) == run->job.count, "a batch cannot be shown");
    free(text);
    json_decref(answer);
}

static int write_batch(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    struct run *run = argument;
    struct skr_error why = {0};
    int r = 0;
    for (unsigned i = 0; r == 0 && i < run->job.count; i++) {
        struct skr_http_operation *operation = &run->job.operations[i];
        if (operation->etag_of >= 0)
            operation->write.if_match = skr_object_integer(
                    skr_http_operation_object(&run->job.operations[operation->etag_of]), SKR_FIELD_ETAG);
        r = skr_http_operation_run(operation, txn, &why);
    }
    if (r == 0)
        r = skr_model_confirm(txn, &run->job.principal, &run->job.removal, &why);
    must(r == 0 || skr_error_is_refusal(&why), why.detail[0] ? why.detail : "refused without a reason");
    if (r == 0)
        show(run);
    if (run->job.principal.role == SKR_ROLE_TENANT || run->job.principal.role == SKR_ROLE_VIEWER)
        check_others(txn);
    return skr_error_set(error, SKR_ERROR_CONFLICT, "Each run begins with the same database.");
}

static int add_tenant(struct skr_txn *txn, void *id, struct skr_error *error)
{
    (void)error;
    char network[SKR_UUID_TEXT_MAX];
    make(txn, SKR_TENANT, id,
         json_pack("{s:s, s:[s]}", "name", "asking", "logical_network_ids",
                   skr_uuid_format(&logical_network_id, network)));
    for (size_t i = 0; i < SKR_ARRAY_SIZE(others); i++)
        others[i].etag = etag_of(txn, i);
    return 0;
}

static void set_up(const struct skr_uuid *asking)
{
    struct skr_error error = {0};
    open_store();
    must(skr_store_write_wait(store, add_tenant, (void *)asking, NULL, &error) == 0, error.detail);
    api.store = store;
    api.south_address = strdup("localhost:6653");
    must(skr_realization_table_new(&api.realizations) == 0, "no table");
    api.limits = skr_http_limits_new(1000000000);
    skr_http_pools_new(api.pools);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct skr_uuid asking = {"tenant-000000002"};
    struct run *run = calloc(1, sizeof(*run));
    struct skr_error error = {0};
    if (!store)
        set_up(&asking);
    if (!run)
        abort();
    char who[] = {size ? (char)('0' + data[0] % 10) : '0', '\0'}, *line = who;
    struct skr_principal *principal = &run->request.principal;
    *principal = (struct skr_principal){.role = take_role(&line), .token_id = {"token-0000000001"}, .name = "f"};
    if (principal->role == SKR_ROLE_TENANT || principal->role == SKR_ROLE_VIEWER)
        principal->tenant_id = asking;
    run->request.api = &api;
    run->request.body_size = run->request.body_capacity = size ? size - 1 : 0;
    run->request.body = malloc(size ? size : 1);
    if (!run->request.body)
        abort();
    if (size)
        memcpy(run->request.body, data + 1, size - 1);
    run->job.principal = *principal;
    run->job.is_batch = true;
    if (skr_http_batch_parse(&run->request, &run->job, &error) < 0) {
        /* A body that is no JSON says so in the request's own error. */
        need_reason(error.tag ? &error : &run->request.error);
    } else {
        skr_store_write_wait(store, write_batch, run, NULL, &error);
        must(error.tag == SKR_ERROR_CONFLICT, error.detail);
    }
    for (unsigned i = 0; i < run->job.count; i++)
        skr_http_operation_done(&run->job.operations[i]);
    free(run->job.operations);
    json_decref(run->job.removal);
    skr_http_request_drop_body(&run->request);
    free(run);
    return 0;
}
