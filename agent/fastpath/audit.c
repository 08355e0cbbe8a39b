/* Intended content against actual content. A walk of a table cannot be resumed, so a table is compared whole; the
 * budget decides whether the next table is looked at in the same call. */
#include "agent/fastpath/program_private.h"
#include <errno.h>
#include <string.h>

struct difference {
    _Alignas(8) uint8_t key[SKR_KEY_SIZE_MAX];
    _Alignas(8) uint8_t expected[SKR_VALUE_SIZE_MAX];
    _Alignas(8) uint8_t found[SKR_VALUE_SIZE_MAX];
    bool is_expected, is_found;
};

struct comparison {
    struct skr_program *program;
    enum skr_fastpath_table table;
    struct difference *items;
    size_t count, room, compared;
};

static void note(struct comparison *comparison, const void *key, const void *expected, const void *found)
{
    const struct skr_fastpath_table_info *info = skr_fastpath_table_info(comparison->table);
    if (comparison->count >= SKR_AUDIT_DIFFERENCES_MAX)
        return;
    if (comparison->count == comparison->room) {
        comparison->room = comparison->room ? 2 * comparison->room : 16;
        comparison->items = skr_must(realloc(comparison->items, comparison->room * sizeof(*comparison->items)));
    }
    struct difference *difference = &comparison->items[comparison->count++];
    memset(difference, 0, sizeof(*difference));
    memcpy(difference->key, key, info->key_size);
    difference->is_expected = expected != NULL;
    difference->is_found = found != NULL;
    if (expected)
        memcpy(difference->expected, expected, info->value_size);
    if (found)
        memcpy(difference->found, found, info->value_size);
}

static int compare_found(void *arg, const void *key, const void *value)
{
    struct comparison *comparison = arg;
    struct skr_program *program = comparison->program;
    struct skr_program_entry *entry = skr_program_entry_find(program, comparison->table, key);
    comparison->compared++;
    if (entry && entry->intended) {
        entry->seen = true;
        if (!entry->failed_at && !skr_program_stands(comparison->table, skr_program_entry_value(entry), value))
            note(comparison, key, skr_program_entry_value(entry), value);
    } else if (program->settled && !skr_program_pa_excused(program, comparison->table, key)) {
        note(comparison, key, NULL, value);
    }
    return 0;
}

static void compare_missing(struct comparison *comparison)
{
    struct skr_program *program = comparison->program;
    uint8_t found[SKR_VALUE_SIZE_MAX];
    for (struct skr_program_entry *entry = program->tables[comparison->table]; entry; entry = entry->hh.next) {
        bool seen = entry->seen;
        entry->seen = false;
        comparison->compared++;
        if (seen || !entry->intended || entry->failed_at)
            continue;
        /* The walk promises only what was there all the time. */
        if (program->fastpath->ops->get(program->fastpath, comparison->table, entry->bytes, found) == -ENOENT)
            note(comparison, entry->bytes, skr_program_entry_value(entry), NULL);
    }
}

static size_t audit_table(struct skr_program *program, enum skr_fastpath_table table, skr_program_difference_fn *fn,
                          void *arg)
{
    struct comparison comparison = {.program = program, .table = table};
    skr_program_retry(program, table); /* what the kernel refused for a while, as when it had no memory */
    program->fastpath->ops->walk(program->fastpath, table, compare_found, &comparison);
    compare_missing(&comparison);
    /* Told after the walk: the listener may repair. */
    for (size_t i = 0; i < comparison.count; i++) {
        const struct difference *d = &comparison.items[i];
        fn(arg, table, d->key, d->is_expected ? d->expected : NULL, d->is_found ? d->found : NULL);
    }
    free(comparison.items);
    return comparison.compared;
}

bool skr_program_audit(struct skr_program *program, size_t budget, skr_program_difference_fn *fn, void *arg)
{
    if (program->held)
        return true;
    size_t compared = 0;
    do {
        compared += audit_table(program, program->audit_next, fn, arg);
        program->audit_next = (program->audit_next + 1) % SKR_TABLE_COUNT;
    } while (program->audit_next != 0 && compared < budget);
    return program->audit_next == 0;
}

int skr_program_repair(struct skr_program *program, enum skr_fastpath_table table, const void *key)
{
    struct skr_program_entry *entry = skr_program_entry_find(program, table, key);
    if (entry && entry->intended)
        return skr_program_put(program, entry);
    return program->fastpath->ops->remove(program->fastpath, table, key);
}

static void remove_difference(void *arg, enum skr_fastpath_table table, const void *key, const void *expected,
                              const void *found)
{
    struct skr_program *program = arg;
    (void)found;
    if (!expected)
        program->fastpath->ops->remove(program->fastpath, table, key);
}

void skr_program_remove_unintended(struct skr_program *program)
{
    program->settled = true;
    for (int table = 0; table < SKR_TABLE_COUNT; table++)
        audit_table(program, table, remove_difference, program);
}

const void *skr_program_intended(struct skr_program *program, enum skr_fastpath_table table, const void *key)
{
    struct skr_program_entry *entry = skr_program_entry_find(program, table, key);
    return entry && entry->intended ? skr_program_entry_value(entry) : NULL;
}

int skr_program_each(struct skr_program *program, enum skr_fastpath_table table,
                     int (*fn)(void *arg, const void *key, const void *value), void *arg)
{
    for (struct skr_program_entry *entry = program->tables[table]; entry; entry = entry->hh.next) {
        int r = entry->intended ? fn(arg, entry->bytes, skr_program_entry_value(entry)) : 0;
        if (r != 0)
            return r;
    }
    return 0;
}
