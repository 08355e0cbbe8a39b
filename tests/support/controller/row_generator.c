#include "tests/support/controller/row_generator.h"
#include "tests/support/controller/rows.h"
#include <string.h>

const unsigned rows_slots[ROWS_KINDS] = {3, 3, 2, ROWS_HOSTS, 16, 3, 6, 12, 24};
static const unsigned weights[ROWS_KINDS] = {2, 2, 2, 5, 8, 4, 6, 26, 20};
/* Which kinds refer to a kind: rows in use are not deleted. */
static const enum rows_kind users[ROWS_KINDS][3] = {[ROWS_PROFILE] = {ROWS_CLASSIFICATION, ROWS_KINDS},
                                                    [ROWS_CLASSIFICATION] = {ROWS_ADAPTER, ROWS_KINDS},
                                                    [ROWS_NETWORK] = {ROWS_ADDRESS, ROWS_VM_NETWORK, ROWS_KINDS},
                                                    [ROWS_HOST] = {ROWS_ADDRESS, ROWS_ADAPTER, ROWS_KINDS},
                                                    [ROWS_ADDRESS] = {ROWS_KINDS},
                                                    [ROWS_VM_NETWORK] = {ROWS_SUBNET, ROWS_ADAPTER, ROWS_RECORD},
                                                    [ROWS_SUBNET] = {ROWS_ADAPTER, ROWS_RECORD, ROWS_KINDS},
                                                    [ROWS_ADAPTER] = {ROWS_RECORD, ROWS_KINDS},
                                                    [ROWS_RECORD] = {ROWS_KINDS}};

unsigned rows_pick(struct rows *m, unsigned below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (unsigned)((m->random >> 11) % below);
}

bool rows_chance(struct rows *m, unsigned percent)
{
    return rows_pick(m, 100) < percent;
}

/* A random existing slot of a kind that `with` (a slot of kind `of`) holds, -1: none. */
static int existing(struct rows *m, enum rows_kind kind, enum rows_kind of, int with)
{
    int found = -1;
    unsigned seen = 0;
    for (unsigned i = 0; i < rows_slots[kind]; i++) {
        const struct rows_slot *slot = &m->slots[kind][i];
        if (slot->row && (with < 0 || slot->parents[of] == with) && rows_pick(m, ++seen) == 0)
            found = (int)i;
    }
    return found;
}

static unsigned number(const struct rows *m, enum rows_kind kind, int slot)
{
    return slot < 0 ? 0 : m->slots[kind][slot].number;
}

static bool is_used(const struct rows *m, enum rows_kind kind, int slot)
{
    for (int u = 0; u < 3 && users[kind][u] != ROWS_KINDS; u++)
        for (unsigned i = 0; i < rows_slots[users[kind][u]]; i++) {
            const struct rows_slot *user = &m->slots[users[kind][u]][i];
            if (user->row && user->parents[kind] == slot)
                return true;
        }
    return false;
}

/* ---- rows with random values; parents stand already, except where an update may change them ---- */

static struct skr_object *make_profile(struct rows *m, int slot, struct rows_slot *s)
{
    return profile_row(s->number, slot == 0 ? "Medium bandwidth adapter" : "other", slot == 0, rows_chance(m, 40));
}

static struct skr_object *make_classification(struct rows *m, struct rows_slot *s)
{
    s->parents[ROWS_PROFILE] = existing(m, ROWS_PROFILE, 0, -1);
    return s->parents[ROWS_PROFILE] < 0
                   ? NULL
                   : classification_row(s->number, number(m, ROWS_PROFILE, s->parents[ROWS_PROFILE]));
}

static struct skr_object *make_host(struct rows *m, int slot, struct rows_slot *s)
{
    char name[16];
    snprintf(name, sizeof(name), "host-%d-%u", slot, rows_pick(m, 3));
    struct skr_object *object = host_row(s->number, name, rows_chance(m, 8) ? "revoked" : "enrolled");
    if (rows_chance(m, 5))
        skr_object_set_text(object, SKR_HOST_STATE, "removed");
    if (rows_chance(m, 30))
        skr_object_set_text(object, SKR_HOST_REMEDIATION, "manual");
    return object;
}

static struct skr_object *make_address(struct rows *m, int slot, struct rows_slot *s)
{
    char text[32];
    bool fresh = !s->row;
    if (fresh) {
        s->parents[ROWS_HOST] = existing(m, ROWS_HOST, 0, -1);
        s->parents[ROWS_NETWORK] = existing(m, ROWS_NETWORK, 0, -1);
    }
    if (s->parents[ROWS_HOST] < 0 || s->parents[ROWS_NETWORK] < 0)
        return NULL;
    snprintf(text, sizeof(text), "10.1.%d.%u", slot, rows_pick(m, 3) + 1);
    return provider_address_row(s->number, number(m, ROWS_HOST, s->parents[ROWS_HOST]),
                                number(m, ROWS_NETWORK, s->parents[ROWS_NETWORK]), rows_chance(m, 20) ? NULL : text);
}

static struct skr_object *make_vm_network(struct rows *m, struct rows_slot *s)
{
    if (!s->row)
        s->parents[ROWS_NETWORK] = existing(m, ROWS_NETWORK, 0, -1);
    return s->parents[ROWS_NETWORK] < 0 ? NULL
                                        : vm_network_row(s->number, number(m, ROWS_NETWORK, s->parents[ROWS_NETWORK]),
                                                         rows_chance(m, 50) ? 0 : 1300 + (int)rows_pick(m, 3));
}

static struct skr_object *make_subnet(struct rows *m, struct rows_slot *s)
{
    if (!s->row)
        s->parents[ROWS_VM_NETWORK] = existing(m, ROWS_VM_NETWORK, 0, -1);
    if (s->parents[ROWS_VM_NETWORK] < 0)
        return NULL;
    struct skr_object *object = vm_subnet_row(s->number, number(m, ROWS_VM_NETWORK, s->parents[ROWS_VM_NETWORK]));
    char text[16];
    snprintf(text, sizeof(text), "subnet-%u", rows_pick(m, 3));
    skr_object_set_text(object, SKR_FIELD_NAME, text);
    return object;
}

static struct skr_object *make_adapter(struct rows *m, struct rows_slot *s)
{
    if (!s->row) {
        s->parents[ROWS_SUBNET] = existing(m, ROWS_SUBNET, 0, -1);
        s->parents[ROWS_VM_NETWORK] = s->parents[ROWS_SUBNET] < 0
                                              ? -1
                                              : m->slots[ROWS_SUBNET][s->parents[ROWS_SUBNET]].parents[ROWS_VM_NETWORK];
    } else if (rows_chance(m, 10)) { /* to another subnet of its VM network: immutable now, and still to be right */
        s->parents[ROWS_SUBNET] = existing(m, ROWS_SUBNET, ROWS_VM_NETWORK, s->parents[ROWS_VM_NETWORK]);
    }
    if (s->parents[ROWS_SUBNET] < 0)
        return NULL;
    if (!s->row || rows_chance(m, 60))
        s->parents[ROWS_HOST] = rows_chance(m, 80) ? existing(m, ROWS_HOST, 0, -1) : -1;
    if (!s->row || rows_chance(m, 30))
        s->parents[ROWS_CLASSIFICATION] = rows_chance(m, 50) ? existing(m, ROWS_CLASSIFICATION, 0, -1) : -1;
    struct skr_object *object =
            adapter_row(s->number, number(m, ROWS_VM_NETWORK, s->parents[ROWS_VM_NETWORK]),
                        number(m, ROWS_SUBNET, s->parents[ROWS_SUBNET]), number(m, ROWS_HOST, s->parents[ROWS_HOST]),
                        number(m, ROWS_CLASSIFICATION, s->parents[ROWS_CLASSIFICATION]));
    if (rows_chance(m, 20))
        skr_object_set_text(object, SKR_NETWORK_ADAPTER_INTERFACE, "tap7");
    return object;
}

static struct skr_object *make_record(struct rows *m, struct rows_slot *s)
{
    if (!s->row)
        s->parents[ROWS_ADAPTER] = existing(m, ROWS_ADAPTER, 0, -1);
    if (s->parents[ROWS_ADAPTER] < 0)
        return NULL;
    const struct rows_slot *adapter = &m->slots[ROWS_ADAPTER][s->parents[ROWS_ADAPTER]];
    s->parents[ROWS_VM_NETWORK] = adapter->parents[ROWS_VM_NETWORK];
    s->parents[ROWS_SUBNET] = adapter->parents[ROWS_SUBNET];
    return record_row(s->number, adapter->number, number(m, ROWS_VM_NETWORK, s->parents[ROWS_VM_NETWORK]),
                      number(m, ROWS_SUBNET, s->parents[ROWS_SUBNET]), rows_pick(m, 6));
}

static struct skr_object *make(struct rows *m, enum rows_kind kind, int slot, struct rows_slot *s)
{
    switch (kind) {
    case ROWS_PROFILE:
        return make_profile(m, slot, s);
    case ROWS_CLASSIFICATION:
        return make_classification(m, s);
    case ROWS_NETWORK:
        return logical_network_row(s->number, rows_chance(m, 50) ? "nvgre" : "vxlan", rows_chance(m, 50) ? 1500 : 9000);
    case ROWS_HOST:
        return make_host(m, slot, s);
    case ROWS_ADDRESS:
        return make_address(m, slot, s);
    case ROWS_VM_NETWORK:
        return make_vm_network(m, s);
    case ROWS_SUBNET:
        return make_subnet(m, s);
    case ROWS_ADAPTER:
        return make_adapter(m, s);
    default:
        return make_record(m, s);
    }
}

/* ---- operations ---- */

void rows_put(struct rows *m, enum rows_kind kind, int slot)
{
    struct rows_slot *s = &m->slots[kind][slot];
    struct rows_slot next = *s;

    if (!s->row) {
        memset(next.parents, 0xff, sizeof(next.parents));
        next.number = ++m->numbers;
    }
    struct skr_object *row = make(m, kind, slot, &next);
    if (!row)
        return;
    if (kind == ROWS_HOST && !s->row) {
        struct skr_uuid id = uuid_of(SKR_HOST, next.number);
        m->host(m->arg, slot, &id);
    }
    skr_object_unref(next.row);
    next.row = skr_object_ref(row);
    *s = next;
    m->emit(m->arg, SKR_CHANGE_PUT, row);
}

static bool delete_row(struct rows *m, enum rows_kind kind, int slot)
{
    struct rows_slot *s = &m->slots[kind][slot];

    if (!s->row || is_used(m, kind, slot))
        return false;
    m->emit(m->arg, SKR_CHANGE_DELETE, s->row);
    s->row = NULL;
    return true;
}

void rows_operate(struct rows *m)
{
    unsigned total = 0, at;
    enum rows_kind kind = ROWS_PROFILE;

    for (int k = 0; k < ROWS_KINDS; k++)
        total += weights[k];
    for (at = rows_pick(m, total); at >= weights[kind]; kind++)
        at -= weights[kind];
    int slot = (int)rows_pick(m, rows_slots[kind]);
    if (!(rows_chance(m, 25) && delete_row(m, kind, slot)))
        rows_put(m, kind, slot);
}

void rows_begin(struct rows *m, uint64_t seed)
{
    m->random = seed * 0x9e3779b97f4a7c15ULL + 1;
}

void rows_fill(struct rows *m)
{
    for (int kind = 0; kind < ROWS_KINDS; kind++)
        for (unsigned i = 0; i < rows_slots[kind]; i += 2)
            rows_put(m, (enum rows_kind)kind, (int)i);
}

void rows_each(const struct rows *m, enum rows_kind kind, void (*fn)(void *arg, struct skr_object *row), void *arg)
{
    for (unsigned i = 0; i < rows_slots[kind]; i++)
        if (m->slots[kind][i].row)
            fn(arg, m->slots[kind][i].row);
}

void rows_done(struct rows *m)
{
    for (int kind = 0; kind < ROWS_KINDS; kind++)
        for (unsigned i = 0; i < rows_slots[kind]; i++)
            skr_object_unref(m->slots[kind][i].row);
}
