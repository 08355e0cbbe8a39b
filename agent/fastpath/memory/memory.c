/* The fast path as hash tables: for tests and for many agents in one process. Forwards nothing. */
#include "agent/fastpath/fastpath.h"
#include <errno.h>
#include <skerry/macros.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

#define ATTACHMENTS_MAX 65536

struct entry {
    UT_hash_handle hh;
    uint8_t bytes[]; /* key, then value */
};

struct attachment {
    UT_hash_handle hh;
    struct {
        uint32_t egress, ifindex; /* one program in each direction */
    } key;
    enum skr_fastpath_hook hook;
};

struct guest {
    UT_hash_handle hh;
    uint32_t ifindex;
    enum skr_guest_memory memory;
};

struct memory {
    struct skr_fastpath fastpath;
    uint32_t records_max;
    struct entry *tables[SKR_TABLE_COUNT];
    struct attachment *attachments;
    struct guest *guests;
};

static struct memory *memory_of(struct skr_fastpath *fastpath)
{
    return SKR_CONTAINER_OF(fastpath, struct memory, fastpath);
}

static uint32_t capacity(const struct memory *memory, enum skr_fastpath_table table)
{
    if (memory->records_max && (table == SKR_TABLE_RECORDS_MAC || table == SKR_TABLE_RECORDS_CA))
        return memory->records_max;
    return skr_fastpath_table_info(table)->max_entries;
}

static struct entry *find(const struct memory *memory, enum skr_fastpath_table table, const void *key)
{
    struct entry *entry;
    HASH_FIND(hh, memory->tables[table], key, skr_fastpath_table_info(table)->key_size, entry);
    return entry;
}

static int memory_put(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key, const void *value)
{
    struct memory *memory = memory_of(fastpath);
    const struct skr_fastpath_table_info *info = skr_fastpath_table_info(table);
    struct entry *entry = find(memory, table, key);
    if (!entry) {
        if (HASH_COUNT(memory->tables[table]) >= capacity(memory, table))
            return -E2BIG;
        entry = malloc(sizeof(*entry) + info->key_size + info->value_size);
        if (!entry)
            return -ENOMEM;
        memcpy(entry->bytes, key, info->key_size);
        HASH_ADD(hh, memory->tables[table], bytes, info->key_size, entry);
    }
    memcpy(entry->bytes + info->key_size, value, info->value_size);
    return 0;
}

static int memory_remove(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key)
{
    struct memory *memory = memory_of(fastpath);
    struct entry *entry = find(memory, table, key);
    if (!entry)
        return 0;
    HASH_DELETE(hh, memory->tables[table], entry);
    free(entry);
    return 0;
}

static int memory_get(struct skr_fastpath *fastpath, enum skr_fastpath_table table, const void *key, void *ret_value)
{
    const struct skr_fastpath_table_info *info = skr_fastpath_table_info(table);
    const struct entry *entry = find(memory_of(fastpath), table, key);
    if (!entry)
        return -ENOENT;
    memcpy(ret_value, entry->bytes + info->key_size, info->value_size);
    return 0;
}

static int memory_walk(struct skr_fastpath *fastpath, enum skr_fastpath_table table,
                       int (*fn)(void *arg, const void *key, const void *value), void *arg)
{
    size_t key_size = skr_fastpath_table_info(table)->key_size;
    struct entry *entry, *next;
    HASH_ITER (hh, memory_of(fastpath)->tables[table], entry, next) {
        int r = fn(arg, entry->bytes, entry->bytes + key_size);
        if (r != 0)
            return r;
    }
    return 0;
}

static struct attachment *find_attachment(const struct memory *memory, enum skr_fastpath_hook hook, uint32_t ifindex)
{
    struct attachment wanted = {.key = {.egress = skr_fastpath_is_egress(hook), .ifindex = ifindex}}, *found;
    HASH_FIND(hh, memory->attachments, &wanted.key, sizeof(wanted.key), found);
    return found;
}

static int memory_guest_keep(struct skr_fastpath *fastpath, uint32_t ifindex, enum skr_guest_memory memory)
{
    struct memory *self = memory_of(fastpath);
    struct guest *guest;
    HASH_FIND(hh, self->guests, &ifindex, sizeof(ifindex), guest);
    if (memory == SKR_GUEST_FORGOTTEN) {
        if (guest)
            HASH_DELETE(hh, self->guests, guest);
        free(guest);
        return 0;
    }
    if (!guest && HASH_COUNT(self->guests) >= ATTACHMENTS_MAX)
        return -E2BIG;
    if (!guest) {
        guest = calloc(1, sizeof(*guest));
        if (!guest)
            return -ENOMEM;
        guest->ifindex = ifindex;
        HASH_ADD(hh, self->guests, ifindex, sizeof(guest->ifindex), guest);
    }
    guest->memory = memory;
    return 0;
}

static int memory_guests(struct skr_fastpath *fastpath,
                         void (*fn)(void *arg, uint32_t ifindex, enum skr_guest_memory memory, bool runs), void *arg)
{
    struct guest *guest, *next;
    HASH_ITER (hh, memory_of(fastpath)->guests, guest, next) {
        const struct attachment *attachment = find_attachment(memory_of(fastpath), SKR_HOOK_PORT, guest->ifindex);
        fn(arg, guest->ifindex, guest->memory, attachment && attachment->hook == SKR_HOOK_PORT);
    }
    return 0;
}

static int memory_attach(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex)
{
    struct memory *memory = memory_of(fastpath);
    struct attachment *attachment = find_attachment(memory, hook, ifindex);
    if (!attachment && HASH_COUNT(memory->attachments) >= ATTACHMENTS_MAX)
        return -E2BIG;
    if (!attachment) {
        attachment = calloc(1, sizeof(*attachment));
        if (!attachment)
            return -ENOMEM;
        attachment->key.egress = skr_fastpath_is_egress(hook);
        attachment->key.ifindex = ifindex;
        HASH_ADD(hh, memory->attachments, key, sizeof(attachment->key), attachment);
    }
    attachment->hook = hook;
    bool guest = hook == SKR_HOOK_PORT || hook == SKR_HOOK_CLOSED;
    return guest ? memory_guest_keep(fastpath, ifindex, SKR_GUEST_KEPT) : 0;
}

static int memory_detach(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex)
{
    struct memory *memory = memory_of(fastpath);
    struct attachment *attachment = find_attachment(memory, hook, ifindex);
    if (!attachment || attachment->hook != hook)
        return 0;
    HASH_DELETE(hh, memory->attachments, attachment);
    free(attachment);
    return 0;
}

static int memory_inspect(struct skr_fastpath *fastpath, enum skr_fastpath_hook hook, uint32_t ifindex,
                          struct skr_fastpath_attachment *ret)
{
    const struct attachment *attachment = find_attachment(memory_of(fastpath), hook, ifindex);
    bool attached = attachment != NULL;
    *ret = (struct skr_fastpath_attachment){.qdisc = attached,
                                            .attached = attached,
                                            .program_id = attached ? 1 + attachment->hook : 0,
                                            .ours = attached && attachment->hook == hook,
                                            .serves = attached && attachment->hook == hook};
    return 0;
}

static int memory_events_fd(struct skr_fastpath *fastpath)
{
    (void)fastpath;
    return -1;
}

static int memory_events_poll(struct skr_fastpath *fastpath, void (*fn)(void *arg, const struct skr_abi_event *event),
                              void *arg)
{
    (void)fastpath;
    (void)fn;
    (void)arg;
    return 0;
}

static void memory_pins(struct skr_fastpath *fastpath,
                        void (*fn)(void *arg, unsigned pin, const char *name, const char *found), void *arg)
{
    (void)fastpath, (void)fn, (void)arg;
}

static int memory_pin(struct skr_fastpath *fastpath, unsigned pin)
{
    (void)fastpath, (void)pin;
    return 0;
}

static int memory_meter(struct skr_fastpath *fastpath, uint32_t ifindex, struct skr_abi_meter *ret)
{
    (void)fastpath;
    (void)ifindex;
    *ret = (struct skr_abi_meter){0};
    return 0;
}

static int memory_flood_as_guest(struct skr_fastpath *fastpath, uint32_t ifindex, const void *frame, size_t size)
{
    (void)fastpath;
    (void)ifindex;
    (void)frame;
    (void)size;
    return 0; /* it carries no packets */
}

static int memory_carry(struct skr_fastpath *fastpath, uint32_t ifindex, const struct skr_abi_meter *meter)
{
    (void)fastpath;
    (void)ifindex;
    (void)meter;
    return 0;
}

static int memory_drops(struct skr_fastpath *fastpath,
                        void (*fn)(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count), void *arg)
{
    (void)fastpath;
    (void)fn;
    (void)arg;
    return 0;
}

static void memory_free(struct skr_fastpath *fastpath)
{
    struct memory *memory = memory_of(fastpath);
    for (int table = 0; table < SKR_TABLE_COUNT; table++) {
        struct entry *entry, *next;
        HASH_ITER (hh, memory->tables[table], entry, next) {
            HASH_DELETE(hh, memory->tables[table], entry);
            free(entry);
        }
    }
    struct attachment *attachment, *next;
    HASH_ITER (hh, memory->attachments, attachment, next) {
        HASH_DELETE(hh, memory->attachments, attachment);
        free(attachment);
    }
    struct guest *guest, *next_guest;
    HASH_ITER (hh, memory->guests, guest, next_guest) {
        HASH_DELETE(hh, memory->guests, guest);
        free(guest);
    }
    free(memory);
}

static const struct skr_fastpath_ops ops = {
        .name = "memory",
        .free = memory_free,
        .put = memory_put,
        .remove = memory_remove,
        .get = memory_get,
        .walk = memory_walk,
        .attach = memory_attach,
        .detach = memory_detach,
        .inspect = memory_inspect,
        .events_fd = memory_events_fd,
        .events_poll = memory_events_poll,
        .guests = memory_guests,
        .guest_keep = memory_guest_keep,
        .pins = memory_pins,
        .pin = memory_pin,
        .meter = memory_meter,
        .carry = memory_carry,
        .flood_as_guest = memory_flood_as_guest,
        .drops = memory_drops,
};

int skr_fastpath_memory_new(const struct skr_fastpath_options *options, struct skr_fastpath **ret,
                            struct skr_error *error)
{
    struct memory *memory = calloc(1, sizeof(*memory));
    if (!memory) {
        skr_error_set(error, SKR_ERROR_INTERNAL, "There is no memory for the fast path.");
        return -ENOMEM;
    }
    memory->fastpath.ops = &ops;
    memory->records_max = options ? options->records_max : 0;
    *ret = &memory->fastpath;
    return 0;
}
