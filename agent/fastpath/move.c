/* Moves. The fast path turns records around and makes ports current by itself, faster than anybody could tell it; here
 * is what it makes of an entry, so that nothing puts it back, and for how long a record still names the former host. */
#include "agent/fastpath/program_private.h"
#include <string.h>

/* Others may send to the former host until every member has heard (60 s at most), and what it passes on needs a way. */
#define FORMER_NS (65 * INT64_C(1000000000))
/* A frame that the former host sent before the turn is in the network no longer than this. */
#define SENDER_NS (5 * INT64_C(1000000000))

struct skr_program_former {
    UT_hash_handle hh;
    struct skr_uuid record_id;
    struct skr_address address;
    bool takes_part;
    int64_t until_ns; /* 0: from the next run on */
};

/* ---- what the fast path makes of an entry ---- */

static bool turned_port(const struct skr_abi_port *intended, const struct skr_abi_port *found, struct skr_abi_port *ret)
{
    if (!(intended->flags & SKR_PORT_ARMED) || !(found->flags & SKR_PORT_MOVED) ||
        memcmp(intended->adapter_id, found->adapter_id, sizeof(found->adapter_id)) != 0)
        return false;
    *ret = *intended;
    ret->flags = (ret->flags & ~(uint32_t)SKR_PORT_ARMED) | SKR_PORT_MOVED;
    return true;
}

static bool armed_record(const struct skr_abi_mac_record *record)
{
    return record->flags & SKR_MAC_WAITS || !skr_program_is_zero(&record->armed_pa);
}

static bool turned_record(const struct skr_abi_mac_record *intended, const struct skr_abi_mac_record *found,
                          struct skr_abi_mac_record *ret)
{
    if (!armed_record(intended) || intended->flags & SKR_MAC_FLIPPED ||
        (found->flags & (SKR_MAC_FLIPPED | SKR_MAC_TOLD)) != SKR_MAC_FLIPPED ||
        memcmp(&found->pa, &intended->armed_pa, sizeof(found->pa)) != 0)
        return false;
    *ret = (struct skr_abi_mac_record){.pa = intended->armed_pa,
                                       .ifindex = found->ifindex,
                                       .flags = (intended->flags & ~(uint32_t)SKR_MAC_ARRIVES) | SKR_MAC_FLIPPED,
                                       .armed_pa = intended->pa};
    return true;
}

bool skr_program_turned(enum skr_fastpath_table table, const void *intended, const void *found, void *ret)
{
    if (table == SKR_TABLE_PORTS)
        return turned_port(intended, found, ret);
    return table == SKR_TABLE_RECORDS_MAC && turned_record(intended, found, ret);
}

bool skr_program_stands(enum skr_fastpath_table table, const void *intended, const void *found)
{
    _Alignas(8) uint8_t turned[SKR_VALUE_SIZE_MAX];
    size_t size = skr_fastpath_table_info(table)->value_size;
    return memcmp(intended, found, size) == 0 ||
           (skr_program_turned(table, intended, found, turned) && memcmp(turned, found, size) == 0);
}

const void *skr_program_keep_turned(struct skr_program *program, const struct skr_program_entry *entry,
                                    const void *intended, void *room)
{
    _Alignas(8) uint8_t found[SKR_VALUE_SIZE_MAX];
    enum skr_fastpath_table table = entry->table;
    if (table != SKR_TABLE_PORTS && table != SKR_TABLE_RECORDS_MAC)
        return intended;
    bool armed = table == SKR_TABLE_PORTS ? ((const struct skr_abi_port *)intended)->flags & SKR_PORT_ARMED
                                          : armed_record(intended);
    if (!armed || program->fastpath->ops->get(program->fastpath, table, entry->bytes, found) != 0 ||
        !skr_program_turned(table, intended, found, room))
        return intended;
    if (table == SKR_TABLE_PORTS)
        skr_program_tell_moved(program, &entry->owner.id);
    return room;
}

/* ---- whose first frame was seen ---- */

void skr_program_on_moved(struct skr_program *program, void (*fn)(void *arg, const struct skr_uuid *adapter_id),
                          void *arg)
{
    program->moved = fn;
    program->moved_arg = arg;
}

void skr_program_tell_moved(struct skr_program *program, const struct skr_uuid *adapter_id)
{
    if (program->moved)
        program->moved(program->moved_arg, adapter_id);
}

/* ---- the former host ---- */

static struct skr_program_former *former_find(const struct skr_program *program, const struct skr_uuid *record_id)
{
    struct skr_program_former *former;
    HASH_FIND(hh, program->formers, record_id, sizeof(*record_id), former);
    return former;
}

static void former_forget(struct skr_program *program, struct skr_program_former *former)
{
    HASH_DELETE(hh, program->formers, former);
    free(former);
}

void skr_program_former_set(struct skr_program *program, const struct skr_uuid *record_id,
                            const struct skr_address *address, bool takes_part)
{
    struct skr_program_former *former = former_find(program, record_id);
    if (!address) {
        if (former)
            former_forget(program, former);
        return;
    }
    if (!former) {
        former = skr_must(calloc(1, sizeof(*former)));
        former->record_id = *record_id;
        HASH_ADD(hh, program->formers, record_id, sizeof(former->record_id), former);
    }
    former->address = *address;
    former->takes_part = takes_part;
    former->until_ns = 0;
    program->formers_due_ns = 0;
}

const struct skr_address *skr_program_former_of(const struct skr_program *program, const struct skr_uuid *record_id)
{
    const struct skr_program_former *former = former_find(program, record_id);
    return former ? &former->address : NULL;
}

int64_t skr_program_deadline_ns(const struct skr_program *program)
{
    return program->formers_due_ns;
}

void skr_program_run(struct skr_program *program, int64_t now_ns)
{
    struct skr_program_former *former, *next;
    bool any = false;
    if (program->formers_due_ns > now_ns)
        return;
    program->formers_due_ns = INT64_MAX;
    HASH_ITER (hh, program->formers, former, next) {
        if (!former->until_ns)
            former->until_ns = now_ns + (former->takes_part ? FORMER_NS : SENDER_NS);
        if (former->until_ns > now_ns) {
            if (former->until_ns < program->formers_due_ns)
                program->formers_due_ns = former->until_ns;
            continue;
        }
        struct skr_uuid record_id = former->record_id;
        former_forget(program, former);
        skr_program_record_reassert(program, &record_id);
        any = true;
    }
    if (any)
        skr_program_commit(program);
}

void skr_program_formers_free(struct skr_program *program)
{
    struct skr_program_former *former, *next;
    HASH_ITER (hh, program->formers, former, next)
        former_forget(program, former);
}
