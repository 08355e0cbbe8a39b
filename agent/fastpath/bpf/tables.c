#include "agent/fastpath/bpf/bpf.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define UPDATE_ATTEMPTS 16
#define BATCH_FIRST     256
#define BATCH_MAX       65536 /* entries of one hash bucket that a walk can bear */
#define KEY_SIZE_MAX    64
#define VALUE_SIZE_MAX  256

int skr_bpf_table_put(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key, const void *value)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);

    /* Entries are allocated from a pool that the kernel refills in an interrupt: a fast writer may be ahead of it. */
    for (int attempt = 0; attempt < UPDATE_ATTEMPTS; attempt++) {
        if (!bpf_map_update_elem(bpf->maps[table], key, value, BPF_ANY))
            return 0;
        if (errno == ENOSPC)
            return -E2BIG; /* the trie's word for full */
        if (errno != ENOMEM && errno != EBUSY)
            return -errno;
        sched_yield();
    }
    return -errno;
}

int skr_bpf_table_remove(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);

    if (bpf_map_delete_elem(bpf->maps[table], key) && errno != ENOENT)
        return -errno;
    if (table == SKR_TABLE_PORTS)
        skr_bpf_state_forget(bpf, *(const uint32_t *)key);
    return 0;
}

struct exact {
    const void *key;
    void *ret_value;
};

static int exact_entry(void *arg, const void *key, const void *value)
{
    struct exact *exact = arg;

    if (memcmp(key, exact->key, sizeof(struct skr_abi_route_key)) != 0)
        return 0;
    memcpy(exact->ret_value, value, sizeof(struct skr_abi_route));
    return 1;
}

int skr_bpf_table_get(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key, void *ret_value)
{
    struct skr_fastpath_bpf *bpf = skr_bpf_from(fastpath);
    struct exact exact = {.key = key, .ret_value = ret_value};
    uint64_t value[VALUE_SIZE_MAX / sizeof(uint64_t)];
    int result;

    if (table == SKR_TABLE_ROUTES) { /* a trie's lookup may answer with a shorter prefix */
        result = skr_bpf_table_walk(fastpath, table, exact_entry, &exact);
        return result == 1 ? 0 : result ? result : -ENOENT;
    }
    if (bpf_map_lookup_elem(bpf->maps[table], key, value))
        return -errno;
    memcpy(ret_value, value, skr_fastpath_table_info(table)->value_size);
    return 0;
}

int skr_bpf_table_walk(struct skr_fastpath *fastpath, enum skr_fastpath_table table,
                       int (*fn)(void *arg, const void *key, const void *value), void *arg)
{
    const struct skr_fastpath_table_info *info = skr_fastpath_table_info(table);

    return skr_bpf_map_walk(skr_bpf_from(fastpath)->maps[table], info->key_size, info->value_size, fn, arg);
}

struct batch {
    char *keys, *values;
    uint32_t capacity;
};

static void batch_done(struct batch *batch)
{
    free(batch->keys);
    free(batch->values);
}

static int batch_grow(struct batch *batch, size_t key_size, size_t value_size)
{
    uint32_t capacity = batch->capacity ? batch->capacity * 4 : BATCH_FIRST;
    char *keys, *values;

    if (capacity > BATCH_MAX)
        return -ENOSPC;
    keys = realloc(batch->keys, capacity * key_size);
    if (!keys)
        return -ENOMEM;
    batch->keys = keys;
    values = realloc(batch->values, capacity * value_size);
    if (!values)
        return -ENOMEM;
    batch->values = values;
    batch->capacity = capacity;
    return 0;
}

/* By batches: the kernel keeps the place by bucket, so entries that vanish meanwhile cannot send the walk back. */
int skr_bpf_map_walk(int fd, size_t key_size, size_t value_size,
                     int (*fn)(void *arg, const void *key, const void *value), void *arg)
{
    SKR_CLEANUP(batch_done) struct batch batch = {0};
    char place[KEY_SIZE_MAX], next[KEY_SIZE_MAX];
    bool started = false, ended = false;
    int result = batch_grow(&batch, key_size, value_size);

    while (!result && !ended) {
        uint32_t count = batch.capacity;

        if (bpf_map_lookup_batch(fd, started ? place : NULL, next, batch.keys, batch.values, &count, NULL)) {
            if (errno == ENOSPC) {
                result = batch_grow(&batch, key_size, value_size);
                continue;
            }
            if (errno != ENOENT)
                return -errno;
            ended = true;
        }
        for (uint32_t i = 0; i < count && !result; i++)
            result = fn(arg, batch.keys + i * key_size, batch.values + i * value_size);
        memcpy(place, next, sizeof(place));
        started = true;
    }
    return result;
}
