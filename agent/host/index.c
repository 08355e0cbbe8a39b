/* The index finds the interfaces that have a name, an alias or a MAC, and the ports that want one, so that an event
 * costs what it concerns, not what the host has. */
#include "agent/host/private.h"

#include <string.h>

static struct index_key key_of(enum index_kind kind, const void *bytes, size_t size)
{
    struct index_key key;
    memset(&key, 0, sizeof(key));
    key.kind = (uint8_t)kind;
    memcpy(key.bytes, bytes, size);
    return key;
}

static struct index_node *find(const struct skr_host *host, const struct index_key *key)
{
    struct index_node *node;
    HASH_FIND(hh, host->index, key, sizeof(*key), node);
    return node;
}

void skr_host_index_add(struct skr_host *host, enum index_kind kind, const void *bytes, size_t size, uint64_t value)
{
    struct index_key key = key_of(kind, bytes, size);
    struct index_node *node = find(host, &key);
    if (!node) {
        node = calloc(1, sizeof(*node));
        if (!node)
            abort();
        node->key = key;
        HASH_ADD(hh, host->index, key, sizeof(node->key), node);
    }
    if (node->count == node->room) {
        node->room = node->room ? node->room * 2 : 1;
        node->values = realloc(node->values, node->room * sizeof(*node->values));
        if (!node->values)
            abort();
    }
    node->values[node->count++] = value;
}

static void drop(struct skr_host *host, struct index_node *node)
{
    HASH_DEL(host->index, node);
    free(node->values);
    free(node);
}

void skr_host_index_remove(struct skr_host *host, enum index_kind kind, const void *bytes, size_t size, uint64_t value)
{
    struct index_key key = key_of(kind, bytes, size);
    struct index_node *node = find(host, &key);
    for (size_t i = 0; node && i < node->count; i++) {
        if (node->values[i] != value)
            continue;
        node->count--;
        memmove(&node->values[i], &node->values[i + 1], (node->count - i) * sizeof(*node->values));
        if (!node->count)
            drop(host, node);
        return;
    }
}

size_t skr_host_index_find(const struct skr_host *host, enum index_kind kind, const void *bytes, size_t size,
                           const uint64_t **ret)
{
    struct index_key key = key_of(kind, bytes, size);
    const struct index_node *node = find(host, &key);
    *ret = node ? node->values : NULL;
    return node ? node->count : 0;
}

void skr_host_index_free(struct skr_host *host)
{
    struct index_node *node, *next;
    HASH_ITER (hh, host->index, node, next)
        drop(host, node);
}
