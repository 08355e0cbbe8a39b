/* A map from (id, type) to whatever begins with a struct skr_map_key: open addressing over pointers, 9 bytes a slot,
 * because the hot maps of a controller hold millions of small things. The map owns its slots, never its elements. Ids
 * are assigned by us, so the hash needs no secret. One thread. A zeroed struct is an empty map. */
#pragma once

#include <skerry/uuid.h>
#include <stdint.h>

struct skr_map_key {
    struct skr_uuid id;
    uint32_t type;
};

struct skr_id_map {
    void **slots;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
};

/* Frees the slots. */
void skr_id_map_done(struct skr_id_map *map);
void *skr_id_map_get(const struct skr_id_map *map, uint32_t type, const struct skr_uuid *id);
/* The key must not be there yet. Without memory the process ends, as with objects. */
void skr_id_map_put(struct skr_id_map *map, void *element);
/* The element that was there, or NULL. */
void *skr_id_map_remove(struct skr_id_map *map, uint32_t type, const struct skr_uuid *id);
/* Walks all elements: start with *cursor = 0; NULL ends. The map must not change meanwhile. */
void *skr_id_map_next(const struct skr_id_map *map, uint32_t *cursor);
