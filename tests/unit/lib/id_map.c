/* The map against a plain array, through random puts and removals. */
#include <criterion/criterion.h>
#include <skerry/id_map.h>
#include <stdlib.h>
#include <string.h>

#define ELEMENTS 2000

struct element {
    struct skr_map_key key;
    bool inside;
};

static struct element *elements_new(void)
{
    struct element *elements = calloc(ELEMENTS, sizeof(*elements));
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        uint32_t id = i / 2; /* two types share each id */
        memcpy(elements[i].key.id.bytes + 10, &id, sizeof(id));
        elements[i].key.type = i % 2;
    }
    return elements;
}

Test(id_map, an_empty_map_has_nothing)
{
    struct skr_id_map map = {0};
    struct skr_uuid id = {{1}};
    uint32_t cursor = 0;
    cr_assert_null(skr_id_map_get(&map, 1, &id));
    cr_assert_null(skr_id_map_remove(&map, 1, &id));
    cr_assert_null(skr_id_map_next(&map, &cursor));
    skr_id_map_done(&map);
}

Test(id_map, holds_exactly_what_was_put_and_not_removed)
{
    struct element *elements = elements_new();
    struct skr_id_map map = {0};
    uint32_t count = 0;

    srand(7);
    for (int step = 0; step < 40000; step++) {
        /* the range shrinks and grows, so that the table does */
        struct element *e = &elements[rand() % (step % 8000 < 4000 ? ELEMENTS : 20)];
        cr_assert_eq(skr_id_map_get(&map, e->key.type, &e->key.id), e->inside ? e : NULL);
        if (e->inside) {
            cr_assert_eq(skr_id_map_remove(&map, e->key.type, &e->key.id), e);
            count--;
        } else {
            skr_id_map_put(&map, e);
            count++;
        }
        e->inside = !e->inside;
        cr_assert_eq(map.count, count);
    }
    uint32_t cursor = 0, walked = 0;
    for (struct element *e; (e = skr_id_map_next(&map, &cursor)); walked++)
        cr_assert(e->inside);
    cr_assert_eq(walked, count);
    for (int i = 0; i < ELEMENTS; i++)
        if (elements[i].inside)
            cr_assert_eq(skr_id_map_remove(&map, elements[i].key.type, &elements[i].key.id), &elements[i]);
    cr_assert_null(map.slots);
    free(elements);
}
