/* A small data centre in a real database, for targets whose input reaches the rules. One store a process, in memory's
 * file system; each run of a target leaves it as it was. */
#pragma once

#include "controller/model/rules.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The seeds name these. */
static const struct skr_uuid adapter_id = {"adapter-00000001"}, other_adapter_id = {"adapter-00000002"};
static const struct skr_uuid tenant_id = {"tenant-000000001"}, vm_network_id = {"vm-network-00001"},
                             vm_subnet_id = {"vm-subnet-000001"}, logical_network_id = {"logical-network1"};
static struct skr_store *store;
static struct skr_uuid token_id;
static char secret[] = "secret";

static void must(bool fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

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

static const char *make(struct skr_txn *txn, enum skr_resource_id resource, const struct skr_uuid *id, json_t *json)
{
    static char texts[16][SKR_UUID_TEXT_MAX];
    static unsigned next;
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = create(txn, resource, id, json);
    struct skr_uuid made = skr_object_id(object);
    return skr_uuid_format(&made, texts[next++ % 16]);
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
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *token = NULL;
    must(skr_model_bootstrap(txn, NULL, error) == 0, error->detail);
    const char *network = make(txn, SKR_LOGICAL_NETWORK, &logical_network_id,
                               json_pack("{s:s, s:b}", "name", "n", "network_virtualization", 1));
    const char *tenant =
            make(txn, SKR_TENANT, &tenant_id, json_pack("{s:s, s:[s]}", "name", "t", "logical_network_ids", network));
    const char *vms =
            make(txn, SKR_VM_NETWORK, &vm_network_id,
                 json_pack("{s:s, s:s, s:s}", "name", "v", "tenant_id", tenant, "logical_network_id", network));
    const char *subnet = make(txn, SKR_VM_SUBNET, &vm_subnet_id,
                              json_pack("{s:s, s:s, s:s}", "name", "s", "vm_network_id", vms, "prefix", "10.0.0.0/24"));
    make(txn, SKR_NETWORK_ADAPTER, &adapter_id,
         json_pack("{s:s, s:s, s:s}", "name", "a", "vm_network_id", vms, "vm_subnet_id", subnet));
    make(txn, SKR_NETWORK_ADAPTER, &other_adapter_id,
         json_pack("{s:s, s:s, s:s}", "name", "b", "vm_network_id", vms, "vm_subnet_id", subnet));
    token = create(txn, SKR_JOIN_TOKEN, NULL, json_pack("{s:s, s:i}", "name", "j", "uses", 100));
    token_id = skr_object_id(token);
    return set_secret(txn, error);
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
}
