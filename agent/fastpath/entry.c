#include "agent/fastpath/program_private.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Entries that others rely on first; removals run backwards. */
static const enum skr_fastpath_table order[SKR_TABLE_COUNT] = {
        SKR_TABLE_OWN_PAS, SKR_TABLE_NEIGHBORS, SKR_TABLE_SUBNETS, SKR_TABLE_RECORDS_MAC, SKR_TABLE_RECORDS_CA,
        SKR_TABLE_ROUTES,  SKR_TABLE_PEERS,     SKR_TABLE_FLOOD,   SKR_TABLE_PORTS,
};

struct skr_program_entry *skr_program_entry_find(const struct skr_program *program, enum skr_fastpath_table table,
                                                 const void *key)
{
    struct skr_program_entry *entry;
    HASH_FIND(hh, program->tables[table], key, skr_fastpath_table_info(table)->key_size, entry);
    return entry;
}

uint8_t *skr_program_entry_value(struct skr_program_entry *entry)
{
    return entry->bytes + skr_fastpath_table_info(entry->table)->key_size;
}

static size_t value_size(const struct skr_program_entry *entry)
{
    return skr_fastpath_table_info(entry->table)->value_size;
}

static int owner_compare(const struct skr_program_owner *a, const struct skr_program_owner *b)
{
    static const struct skr_uuid host_scope;
    int c = skr_uuid_compare(&a->id, &b->id);
    if (c == 0)
        c = (int)a->type - (int)b->type;
    /* A host is a member of many VM networks under one id. */
    return c ? c : skr_uuid_compare(a->domain ? &a->domain->id : &host_scope, b->domain ? &b->domain->id : &host_scope);
}

static void owner_hold(const struct skr_program_owner *owner, int delta)
{
    if (owner->domain)
        owner->domain->references += (size_t)delta;
}

/* ---- the provider addresses that entries name ---- */

static void reference_pas(struct skr_program *program, struct skr_program_entry *entry, int delta)
{
    struct skr_address pa;
    if (entry->table == SKR_TABLE_RECORDS_MAC) {
        const struct skr_abi_mac_record *record = (const void *)skr_program_entry_value(entry);
        pa = skr_program_address(&record->armed_pa);
        if (!skr_program_is_zero(&pa))
            skr_program_pa_reference(program, &pa, delta);
        pa = skr_program_address(&record->pa);
    } else if (entry->table == SKR_TABLE_PEERS) {
        pa = skr_program_address(&((const struct skr_abi_peer_key *)(const void *)entry->bytes)->pa);
    } else if (entry->table == SKR_TABLE_FLOOD) {
        const struct skr_abi_flood_key *key = (const void *)entry->bytes;
        if (key->receiver.bytes[0] == SKR_FLOOD_LOCAL)
            return;
        pa = skr_program_address(&key->receiver);
    } else {
        return;
    }
    if (!skr_program_is_zero(&pa))
        skr_program_pa_reference(program, &pa, delta);
}

/* ---- failures ---- */

void skr_program_fail(struct skr_program *program, const struct skr_program_owner *owner,
                      enum skr_desired_aspect aspect, const char *reason)
{
    if (owner->type == 0 || (!owner->domain && !program->self_known))
        return;
    Skerry__V1__ScopeKind kind =
            owner->domain ? SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN : SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST;
    const struct skr_uuid *scope_id = owner->domain ? &owner->domain->id : &program->self;
    skr_desired_failure_set(program->desired, kind, scope_id, owner->type, &owner->id, aspect, reason);
}

static void tell_failure(struct skr_program *program, const struct skr_program_failed *failed)
{
    const char *table = skr_fastpath_table_info(failed->entry->table)->name;
    char reason[160];
    if (failed->error == -E2BIG)
        snprintf(reason, sizeof(reason), "table_full: the fast path's table %s holds no more entries", table);
    else
        snprintf(reason, sizeof(reason), "fastpath: the table %s refused an entry: %s", table,
                 strerror(-failed->error));
    skr_program_fail(program, &failed->entry->owner, SKR_DESIRED_ENTRIES, reason);
}

static void set_failed(struct skr_program *program, struct skr_program_entry *entry, int error)
{
    if (!entry->failed_at) {
        if (program->failed_count == program->failed_room) {
            program->failed_room = program->failed_room ? 2 * program->failed_room : 16;
            program->failed = skr_must(realloc(program->failed, program->failed_room * sizeof(*program->failed)));
        }
        entry->failed_at = (uint32_t)++program->failed_count;
    }
    struct skr_program_failed *failed = &program->failed[entry->failed_at - 1];
    *failed = (struct skr_program_failed){.entry = entry, .error = error};
    tell_failure(program, failed);
}

/* The owner has no failed entry for all that is known here; tell_remaining() looks at the others. */
static void clear_told(struct skr_program *program, const struct skr_program_entry *entry)
{
    program->failure_cleared = true;
    skr_program_fail(program, &entry->owner, SKR_DESIRED_ENTRIES, NULL);
}

static void clear_failed(struct skr_program *program, struct skr_program_entry *entry)
{
    struct skr_program_failed *last = &program->failed[--program->failed_count];
    program->failed[entry->failed_at - 1] = *last;
    last->entry->failed_at = entry->failed_at;
    entry->failed_at = 0;
    clear_told(program, entry);
}

static void tell_remaining(struct skr_program *program)
{
    for (size_t i = 0; program->failure_cleared && i < program->failed_count; i++)
        tell_failure(program, &program->failed[i]);
    program->failure_cleared = false;
}

/* ---- asking ---- */

static void mark_dirty(struct skr_program *program, struct skr_program_entry *entry)
{
    if (entry->dirty)
        return;
    entry->dirty = true;
    struct skr_program_entries *dirty = &program->dirty[entry->table];
    if (dirty->count == dirty->room) {
        dirty->room = dirty->room ? 2 * dirty->room : 64;
        dirty->items = skr_must(realloc(dirty->items, dirty->room * sizeof(struct skr_program_entry *)));
    }
    dirty->items[dirty->count++] = entry;
}

static void set_winner(struct skr_program *program, struct skr_program_entry *entry,
                       const struct skr_program_owner *owner, const void *value)
{
    bool same = memcmp(skr_program_entry_value(entry), value, value_size(entry)) == 0;
    if (entry->failed_at && owner_compare(&entry->owner, owner) != 0)
        clear_told(program, entry);
    entry->owner = *owner;
    if (entry->intended && same)
        return;
    if (entry->intended)
        reference_pas(program, entry, -1);
    if (!same) {
        memcpy(skr_program_entry_value(entry), value, value_size(entry));
        entry->current = false;
    }
    reference_pas(program, entry, 1);
    entry->intended = true;
    mark_dirty(program, entry);
}

static struct skr_program_entry *entry_make(struct skr_program *program, enum skr_fastpath_table table, const void *key)
{
    const struct skr_fastpath_table_info *info = skr_fastpath_table_info(table);
    struct skr_program_entry *entry = skr_must(calloc(1, sizeof(*entry) + info->key_size + info->value_size));
    entry->table = (uint8_t)table;
    memcpy(entry->bytes, key, info->key_size);
    HASH_ADD(hh, program->tables[table], bytes, info->key_size, entry);
    return entry;
}

static void add_other(struct skr_program_entry *entry, const struct skr_program_owner *owner, const void *value)
{
    struct skr_program_cause *cause;
    LL_FOREACH(entry->others, cause)
    if (owner_compare(&cause->owner, owner) == 0)
        break;
    if (!cause) {
        cause = skr_must(calloc(1, sizeof(*cause) + value_size(entry)));
        cause->owner = *owner;
        owner_hold(owner, 1);
        LL_PREPEND(entry->others, cause);
    }
    memcpy(cause->value, value, value_size(entry));
}

static bool drop_other(struct skr_program_entry *entry, const struct skr_program_owner *owner)
{
    struct skr_program_cause *cause;
    LL_FOREACH(entry->others, cause)
    if (owner_compare(&cause->owner, owner) == 0)
        break;
    if (!cause)
        return false;
    LL_DELETE(entry->others, cause);
    owner_hold(&cause->owner, -1);
    free(cause);
    return true;
}

void skr_program_ask(struct skr_program *program, enum skr_fastpath_table table, const void *key,
                     const struct skr_program_owner *owner, const void *value)
{
    struct skr_program_entry *entry = skr_program_entry_find(program, table, key);
    if (!entry)
        entry = entry_make(program, table, key);
    if (!entry->intended) {
        owner_hold(owner, 1);
        set_winner(program, entry, owner, value);
        return;
    }
    int c = owner_compare(owner, &entry->owner);
    if (c > 0) {
        add_other(entry, owner, value);
        return;
    }
    if (c < 0) {
        struct skr_program_owner loser = entry->owner;
        uint8_t lost[SKR_VALUE_SIZE_MAX];
        memcpy(lost, skr_program_entry_value(entry), value_size(entry));
        owner_hold(owner, 1);
        set_winner(program, entry, owner, value);
        add_other(entry, &loser, lost);
        owner_hold(&loser, -1);
        return;
    }
    set_winner(program, entry, owner, value);
}

void skr_program_take_back(struct skr_program *program, enum skr_fastpath_table table, const void *key,
                           const struct skr_program_owner *owner)
{
    struct skr_program_entry *entry = skr_program_entry_find(program, table, key);
    if (!entry || !entry->intended)
        return;
    if (owner_compare(owner, &entry->owner) != 0) {
        drop_other(entry, owner);
        return;
    }
    struct skr_program_owner before = entry->owner;
    struct skr_program_cause *best = entry->others, *cause;
    LL_FOREACH(entry->others, cause)
    if (owner_compare(&cause->owner, &best->owner) < 0)
        best = cause;
    if (best) {
        LL_DELETE(entry->others, best);
        set_winner(program, entry, &best->owner, best->value); /* its hold moves along */
        free(best);
    } else {
        reference_pas(program, entry, -1);
        entry->intended = false;
        mark_dirty(program, entry);
    }
    owner_hold(&before, -1);
}

/* ---- the fast path ---- */

int skr_program_put(struct skr_program *program, struct skr_program_entry *entry)
{
    _Alignas(8) uint8_t turned[SKR_VALUE_SIZE_MAX];
    const void *value = skr_program_keep_turned(program, entry, skr_program_entry_value(entry), turned);
    int r = program->fastpath->ops->put(program->fastpath, entry->table, entry->bytes, value);
    if (r < 0) {
        set_failed(program, entry, r);
        return r;
    }
    if (entry->failed_at)
        clear_failed(program, entry);
    entry->present = entry->current = true;
    return 0;
}

static void entry_free(struct skr_program *program, struct skr_program_entry *entry)
{
    if (entry->failed_at)
        clear_failed(program, entry);
    HASH_DELETE(hh, program->tables[entry->table], entry);
    free(entry);
}

static void commit_puts(struct skr_program *program, enum skr_fastpath_table table)
{
    const struct skr_program_entries *dirty = &program->dirty[table];
    /* New keys first: the predecessor in a chain may name one of them. */
    for (int replaced = 0; replaced < 2; replaced++)
        for (size_t i = 0; i < dirty->count; i++) {
            struct skr_program_entry *entry = dirty->items[i];
            if (entry->intended && !entry->current && entry->present == (replaced == 1))
                skr_program_put(program, entry);
        }
}

static bool commit_removals(struct skr_program *program, enum skr_fastpath_table table)
{
    struct skr_program_entries *dirty = &program->dirty[table];
    bool removed = false;
    for (size_t i = 0; i < dirty->count; i++) {
        struct skr_program_entry *entry = dirty->items[i];
        entry->dirty = false;
        if (entry->intended)
            continue;
        /* An entry that cannot be removed is found by the audit. */
        if (entry->present)
            removed |= program->fastpath->ops->remove(program->fastpath, table, entry->bytes) == 0;
        entry_free(program, entry);
    }
    dirty->count = 0;
    return removed;
}

void skr_program_retry(struct skr_program *program, enum skr_fastpath_table table)
{
    int r = 0;
    for (size_t i = 0; i < program->failed_count && r != -E2BIG;) {
        struct skr_program_entry *entry = program->failed[i].entry;
        r = entry->table == table ? skr_program_put(program, entry) : 0;
        if (entry->failed_at) /* otherwise the last one has come here */
            i++;
    }
    tell_remaining(program);
}

void skr_program_commit_entries(struct skr_program *program)
{
    bool removed[SKR_TABLE_COUNT];
    for (int i = 0; i < SKR_TABLE_COUNT; i++)
        commit_puts(program, order[i]);
    for (int i = SKR_TABLE_COUNT - 1; i >= 0; i--)
        removed[order[i]] = commit_removals(program, order[i]);
    /* Room was made: what did not fit may fit now. */
    for (int i = 0; i < SKR_TABLE_COUNT && program->failed_count > 0; i++)
        if (removed[order[i]])
            skr_program_retry(program, order[i]);
    tell_remaining(program);
}

void skr_program_entries_free(struct skr_program *program)
{
    for (int table = 0; table < SKR_TABLE_COUNT; table++) {
        struct skr_program_entry *entry, *next;
        HASH_ITER (hh, program->tables[table], entry, next) {
            struct skr_program_cause *cause, *after;
            LL_FOREACH_SAFE(entry->others, cause, after)
            free(cause);
            HASH_DELETE(hh, program->tables[table], entry);
            free(entry);
        }
        free(program->dirty[table].items);
    }
    free(program->failed);
}
