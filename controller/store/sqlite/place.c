/* The next rows of several places (hosts, host groups) in order of id: a few of each place's index, of which the first
 * are kept. A place that holds nothing near costs one search. */
#include "controller/store/sqlite/private.h"

/* A heap with the largest id on top. */
struct heap {
    struct skr_uuid *ids;
    uint32_t count, room;
};

static void swap(struct skr_uuid *a, struct skr_uuid *b)
{
    struct skr_uuid other = *a;
    *a = *b;
    *b = other;
}

static void sift_down(struct heap *heap)
{
    for (uint32_t at = 0, child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && skr_uuid_compare(&heap->ids[child], &heap->ids[child + 1]) < 0)
            child++;
        if (skr_uuid_compare(&heap->ids[at], &heap->ids[child]) >= 0)
            return;
        swap(&heap->ids[at], &heap->ids[child]);
    }
}

static void sift_up(struct heap *heap)
{
    for (uint32_t at = heap->count - 1; at && skr_uuid_compare(&heap->ids[(at - 1) / 2], &heap->ids[at]) < 0;
         at = (at - 1) / 2)
        swap(&heap->ids[(at - 1) / 2], &heap->ids[at]);
}

/* False: it comes after all that there is room for, and so does what follows it. */
static bool add(struct heap *heap, const struct skr_uuid *id)
{
    if (heap->count < heap->room) {
        heap->ids[heap->count++] = *id;
        sift_up(heap);
        return true;
    }
    if (skr_uuid_compare(id, &heap->ids[0]) >= 0)
        return false;
    heap->ids[0] = *id;
    sift_down(heap);
    return true;
}

static int compare(const void *a, const void *b)
{
    return skr_uuid_compare(a, b);
}

int skr_place_find(struct skr_statement *statement, const struct skr_list_query *query, uint32_t rows,
                   struct skr_uuid **ret, uint32_t *ret_count, struct skr_error *error)
{
    struct heap heap = {.ids = calloc(rows, sizeof(struct skr_uuid)), .room = rows};
    int r = 0;
    if (!heap.ids)
        abort();
    for (uint32_t i = 0; r >= 0 && i < query->within_count; i++) {
        skr_statement_reset(statement);
        skr_bind_uuid(statement, 1, &query->after);
        skr_bind_integer(statement, 2, rows);
        skr_bind_uuid(statement, 7, &query->within[i]);
        while ((r = skr_step(statement, error)) == 1) {
            struct skr_uuid id = skr_column_uuid(statement, 0);
            if (!add(&heap, &id))
                break;
        }
    }
    skr_statement_reset(statement);
    if (r < 0) {
        free(heap.ids);
        return r;
    }
    qsort(heap.ids, heap.count, sizeof(struct skr_uuid), compare);
    *ret = heap.ids;
    *ret_count = heap.count;
    return 0;
}
