/* rooms: controller/model */
/* Messages of hosts to the controller, into a real database: the first byte chooses Enroll or Report, the rest is the
 * message. Whatever it says, the write is done or refused with a reason, a report comes to its end, and every text that
 * is stored can be shown: half a character would be missing from every answer. Each run is rolled back. */
#include "controller/model/rules.h"

#include <skerry/v1/southbound.pb-c.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECES_MAX 10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The seeds name these. */
static const struct skr_uuid adapter_id = {"adapter-00000001"}, other_adapter_id = {"adapter-00000002"};
static struct skr_store *store;
static struct skr_uuid host_id, token_id;
static char secret[] = "secret";

struct input {
    const uint8_t *data;
    size_t size;
    bool enrolls;
};

static void must(bool fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* ---- a small data centre ---- */

static struct skr_object *create(struct skr_txn *txn, enum skr_resource_id resource, const struct skr_uuid *id,
                                 json_t *json)
{
    struct skr_error error = {0};
    struct skr_object *object = NULL;
    int r = skr_object_from_json(skr_resource_get(resource), json, false, SKR_ROLE_ADMIN, &object, &error);
    if (r == 0 && id)
        skr_object_set_uuid(object, SKR_FIELD_ID, id);
    if (r == 0)
        r = skr_write_inner(txn, resource, NULL, object, &error);
    json_decref(json);
    must(r == 0, error.detail);
    return object;
}

static const char *make(struct skr_txn *txn, enum skr_resource_id resource, json_t *json)
{
    static char texts[16][SKR_UUID_TEXT_MAX];
    static unsigned next;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = create(txn, resource, NULL, json);
    struct skr_uuid id = skr_object_id(object);
    return skr_uuid_format(&id, texts[next++ % 16]);
}

/* Its own secret is shown once, to whoever created the token. */
static int set_secret(struct skr_txn *txn, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *token = NULL, *after = NULL;
    uint8_t hash[SKR_TLS_HASH_SIZE];
    char text[SKR_TLS_HASH_TEXT_MAX];
    skr_sha256(secret, strlen(secret), hash);
    int r = skr_fetch(txn, SKR_JOIN_TOKEN, &token_id, &token, error);
    if (r < 0)
        return r;
    after = skr_object_copy(token);
    skr_object_set_text(after, SKR_JOIN_TOKEN_SECRET_HASH, skr_tls_hash_format(hash, text));
    return skr_txn_update(txn, token, after, error);
}

static int fill(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    (void)unused;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *token = NULL, *adapter = NULL, *other = NULL;
    must(skr_model_bootstrap(txn, NULL, error) == 0, error->detail);
    const char *network =
            make(txn, SKR_LOGICAL_NETWORK, json_pack("{s:s, s:b}", "name", "n", "network_virtualization", 1));
    const char *tenant = make(txn, SKR_TENANT, json_pack("{s:s, s:[s]}", "name", "t", "logical_network_ids", network));
    const char *vms =
            make(txn, SKR_VM_NETWORK,
                 json_pack("{s:s, s:s, s:s}", "name", "v", "tenant_id", tenant, "logical_network_id", network));
    const char *subnet = make(txn, SKR_VM_SUBNET,
                              json_pack("{s:s, s:s, s:s}", "name", "s", "vm_network_id", vms, "prefix", "10.0.0.0/24"));
    adapter = create(txn, SKR_NETWORK_ADAPTER, &adapter_id,
                     json_pack("{s:s, s:s, s:s}", "name", "a", "vm_network_id", vms, "vm_subnet_id", subnet));
    other = create(txn, SKR_NETWORK_ADAPTER, &other_adapter_id,
                   json_pack("{s:s, s:s, s:s}", "name", "b", "vm_network_id", vms, "vm_subnet_id", subnet));
    token = create(txn, SKR_JOIN_TOKEN, NULL, json_pack("{s:s, s:i}", "name", "j", "uses", 100));
    token_id = skr_object_id(token);
    return set_secret(txn, error);
}

static int join(struct skr_txn *txn, void *unused, struct skr_error *error)
{
    (void)unused;
    Skerry__V1__Enroll enroll = SKERRY__V1__ENROLL__INIT;
    enroll.token_id = (ProtobufCBinaryData){sizeof(token_id.bytes), token_id.bytes};
    enroll.secret = secret;
    enroll.host_name = "h";
    struct skr_enrolment enrolment = {.enroll = &enroll, .key_hash = {1}};
    int r = skr_model_enroll(txn, &enrolment, error);
    host_id = enrolment.host_id;
    return r;
}

static char directory[64];

static void remove_store(void)
{
    static const char *const files[] = {"skerry.db", "skerry.db-wal", "skerry.db-shm", "skerry.db.lock"};
    char path[96];
    for (size_t i = 0; i < SKR_ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        unlink(path);
    }
    rmdir(directory);
}

static void open_store(void)
{
    char path[96];
    struct skr_error error = {0};
    snprintf(directory, sizeof(directory), "%s/skerry-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(mkdtemp(directory) != NULL, "mkdtemp");
    snprintf(path, sizeof(path), "%s/skerry.db", directory);
    const struct skr_store_options options = {.path = path};
    must(skr_store_open(&options, &store, &error) == 0, error.detail);
    atexit(remove_store);
    must(skr_store_write_wait(store, fill, NULL, NULL, &error) == 0, error.detail);
    must(skr_store_write_wait(store, join, NULL, NULL, &error) == 0, error.detail);
}

/* ---- one message ---- */

static int check_texts(void *unused, struct skr_object *object)
{
    (void)unused;
    json_t *shown = skr_object_to_json(object, SKR_ROLE_ADMIN);
    must(shown != NULL, "an object cannot be shown");
    json_decref(shown);
    for (unsigned i = 0; i < object->resource->field_count; i++) {
        if (object->values[i].type != SKR_VALUE_TEXT)
            continue;
        json_t *text = json_string(object->values[i].text);
        must(text != NULL, object->resource->fields[i].name);
        json_decref(text);
    }
    return 0;
}

static int enroll(struct skr_txn *txn, const struct input *input, struct skr_error *error)
{
    Skerry__V1__Enroll *enroll = skerry__v1__enroll__unpack(NULL, input->size, input->data);
    if (!enroll)
        return 0;
    Skerry__V1__Enroll said = *enroll;
    said.token_id = (ProtobufCBinaryData){sizeof(token_id.bytes), token_id.bytes};
    said.secret = secret;
    struct skr_enrolment enrolment = {.enroll = &said, .key_hash = {2}};
    int r = skr_model_enroll(txn, &enrolment, error);
    skerry__v1__enroll__free_unpacked(enroll, NULL);
    return r;
}

static int report(struct skr_txn *txn, const struct input *input, struct skr_error *error)
{
    Skerry__V1__Report *report = skerry__v1__report__unpack(NULL, input->size, input->data);
    struct skr_report_names *names = skr_report_names_new(skr_txn_now_ms(txn));
    struct skr_evidence *evidence = skr_evidence_new();
    struct skr_report_write write = {.host_id = host_id,
                                     .report = report,
                                     .received_ms = skr_txn_now_ms(txn),
                                     .names = report && report->whole ? names : NULL,
                                     .evidence = evidence};
    int r = report ? 0 : 1;
    for (unsigned pieces = 0; r == 0 && !write.done; pieces++) {
        must(pieces < PIECES_MAX, "a report that does not end");
        r = skr_model_report(txn, &write, error);
        if (write.accepted)
            skerry__v1__report_accepted__free_unpacked(SKR_TAKE(write.accepted), NULL);
        write.begin = write.next;
    }
    skr_report_names_free(names);
    skr_evidence_free(evidence);
    if (report)
        skerry__v1__report__free_unpacked(report, NULL);
    return r > 0 ? 0 : r;
}

static int run(struct skr_txn *txn, void *argument, struct skr_error *error)
{
    static const enum skr_resource_id written[] = {SKR_HOST,       SKR_NETWORK_ADAPTER, SKR_LOOKUP_RECORD,
                                                   SKR_COMPLIANCE, SKR_EVENT,           SKR_ORPHAN};
    const struct input *input = argument;
    struct skr_error why = {0};
    int r = input->enrolls ? enroll(txn, input, &why) : report(txn, input, &why);
    must(r == 0 || skr_error_is_refusal(&why), why.detail[0] ? why.detail : "refused without a reason");
    for (size_t i = 0; r == 0 && i < SKR_ARRAY_SIZE(written); i++)
        must(skr_txn_each(txn, written[i], check_texts, NULL, &why) == 0, why.detail);
    return skr_error_set(error, SKR_ERROR_CONFLICT, "Each run begins with the same database.");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skr_error error = {0};
    if (!store)
        open_store();
    if (size < 1)
        return 0;
    struct input input = {.data = data + 1, .size = size - 1, .enrolls = data[0] & 1};
    skr_store_write_wait(store, run, &input, NULL, &error);
    must(error.tag == SKR_ERROR_CONFLICT, error.detail);
    return 0;
}
