#include <skerry/id_map.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 4U

static uint32_t hash(uint32_t type, const struct skr_uuid *id)
{
    uint64_t high, low;

    memcpy(&high, id->bytes, sizeof(high));
    memcpy(&low, id->bytes + 8, sizeof(low));
    uint64_t h = (high ^ ((uint64_t)type << 32)) * 0x9e3779b97f4a7c15ULL;
    h ^= (h >> 29) ^ (low * 0xbf58476d1ce4e5b9ULL);
    h *= 0x94d049bb133111ebULL;
    return (uint32_t)(h >> 32);
}

/* Beside the slots stands a byte each, 0 = empty, else a piece of the key's hash: a walk past other elements then
 * seldom has to fetch them, which is what a large map spends its time on. */
static uint8_t *tags_of(const struct skr_id_map *map)
{
    return (uint8_t *)(map->slots + map->capacity);
}

static uint8_t tag_of(uint32_t hashed)
{
    return (uint8_t)(hashed >> 25) | 0x80;
}

static bool is(const void *element, uint32_t type, const struct skr_uuid *id)
{
    const struct skr_map_key *key = element;
    return key->type == type && memcmp(&key->id, id, sizeof(*id)) == 0;
}

/* The slot that holds the key, or the empty one where it would go. */
static uint32_t find(const struct skr_id_map *map, uint32_t type, const struct skr_uuid *id, uint32_t hashed)
{
    uint32_t mask = map->capacity - 1, slot = hashed & mask;
    const uint8_t *tags = tags_of(map);
    uint8_t tag = tag_of(hashed);

    while (tags[slot] && !(tags[slot] == tag && is(map->slots[slot], type, id)))
        slot = (slot + 1) & mask;
    return slot;
}

static void set(struct skr_id_map *map, uint32_t slot, void *element, uint8_t tag)
{
    map->slots[slot] = element;
    tags_of(map)[slot] = tag;
}

static void resize(struct skr_id_map *map, uint32_t capacity)
{
    struct skr_id_map bigger = {
            .slots = calloc(capacity, sizeof(void *) + 1), .capacity = capacity, .count = map->count};

    if (!bigger.slots)
        abort();
    for (uint32_t i = 0; i < map->capacity; i++) {
        const struct skr_map_key *key = map->slots[i];
        if (!key)
            continue;
        uint32_t hashed = hash(key->type, &key->id), slot = hashed & (capacity - 1);
        while (bigger.slots[slot])
            slot = (slot + 1) & (capacity - 1);
        set(&bigger, slot, map->slots[i], tag_of(hashed));
    }
    free(map->slots);
    *map = bigger;
}

void skr_id_map_done(struct skr_id_map *map)
{
    free(map->slots);
    *map = (struct skr_id_map){0};
}

void *skr_id_map_get(const struct skr_id_map *map, uint32_t type, const struct skr_uuid *id)
{
    return map->count ? map->slots[find(map, type, id, hash(type, id))] : NULL;
}

void skr_id_map_put(struct skr_id_map *map, void *element)
{
    const struct skr_map_key *key = element;

    if ((uint64_t)(map->count + 1) * 4 > (uint64_t)map->capacity * 3)
        resize(map, map->capacity ? map->capacity * 2 : CAPACITY_MIN);
    uint32_t hashed = hash(key->type, &key->id);
    set(map, find(map, key->type, &key->id, hashed), element, tag_of(hashed));
    map->count++;
}

void *skr_id_map_remove(struct skr_id_map *map, uint32_t type, const struct skr_uuid *id)
{
    if (map->count == 0)
        return NULL;
    uint32_t mask = map->capacity - 1, hole = find(map, type, id, hash(type, id));
    void *removed = map->slots[hole];
    if (!removed)
        return NULL;

    /* Close the gap, so that no tombstones pile up: what comes after moves back unless it would pass its home. */
    for (uint32_t slot = (hole + 1) & mask; map->slots[slot]; slot = (slot + 1) & mask) {
        const struct skr_map_key *key = map->slots[slot];
        uint32_t home = hash(key->type, &key->id) & mask;
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            set(map, hole, map->slots[slot], tags_of(map)[slot]);
            hole = slot;
        }
    }
    set(map, hole, NULL, 0);
    map->count--;
    if (map->count == 0)
        skr_id_map_done(map);
    else if (map->capacity > 64 && map->count < map->capacity / 8)
        resize(map, map->capacity / 2);
    return removed;
}

void *skr_id_map_next(const struct skr_id_map *map, uint32_t *cursor)
{
    while (*cursor < map->capacity) {
        void *element = map->slots[(*cursor)++];
        if (element)
            return element;
    }
    return NULL;
}
