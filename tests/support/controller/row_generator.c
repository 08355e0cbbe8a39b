#include "tests/support/controller/row_generator.h"
#include "tests/support/controller/rows.h"
#include <skerry/macros.h>
#include <string.h>

const unsigned rows_slots[ROWS_KINDS] = {
        [ROWS_PROFILE] = 3,        [ROWS_CLASSIFICATION] = 3, [ROWS_NETWORK] = 2,       [ROWS_GROUP] = 4,
        [ROWS_SITE] = 6,           [ROWS_UPLINK_PROFILE] = 3, [ROWS_HOST] = ROWS_HOSTS, [ROWS_ADDRESS] = 16,
        [ROWS_LOGICAL_SWITCH] = 2, [ROWS_HOLD] = 4,           [ROWS_ACL] = 4,           [ROWS_VM_NETWORK] = 5,
        [ROWS_HOST_SWITCH] = 5,    [ROWS_SUBNET] = 8,         [ROWS_ROUTE] = 4,         [ROWS_ADAPTER] = 16,
        [ROWS_RECORD] = 24};
static const unsigned weights[ROWS_KINDS] = {
        [ROWS_PROFILE] = 4,        [ROWS_CLASSIFICATION] = 2, [ROWS_NETWORK] = 2, [ROWS_GROUP] = 3,
        [ROWS_SITE] = 5,           [ROWS_UPLINK_PROFILE] = 4, [ROWS_HOST] = 6,    [ROWS_ADDRESS] = 8,
        [ROWS_LOGICAL_SWITCH] = 4, [ROWS_HOLD] = 5,           [ROWS_ACL] = 5,     [ROWS_VM_NETWORK] = 4,
        [ROWS_HOST_SWITCH] = 6,    [ROWS_SUBNET] = 6,         [ROWS_ROUTE] = 4,   [ROWS_ADAPTER] = 28,
        [ROWS_RECORD] = 16};

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

/* Rows in use are not deleted. */
static bool is_used(const struct rows *m, enum rows_kind kind, int slot)
{
    for (int u = 0; u < ROWS_KINDS; u++)
        for (unsigned i = 0; i < rows_slots[u]; i++) {
            const struct rows_slot *user = &m->slots[u][i];
            if (user->row && (user->parents[kind] == slot || (user->lists[kind] >> slot & 1)))
                return true;
        }
    return false;
}

/* A random row of the kind joins the list of this one; 0 when there is none. */
static unsigned listed(struct rows *m, struct rows_slot *s, enum rows_kind kind)
{
    int slot = existing(m, kind, 0, -1);

    if (slot < 0 || (s->lists[kind] >> slot & 1))
        return 0;
    s->lists[kind] |= 1U << slot;
    return number(m, kind, slot);
}

/* ---- rows with random values; parents stand already, except where an update may change them ---- */

static struct skr_object *make_profile(struct rows *m, int slot, struct rows_slot *s)
{
    struct skr_object *object =
            profile_row(s->number, slot == 0 ? "Medium bandwidth adapter" : "other", slot == 0, rows_chance(m, 40));
    struct skr_object *bandwidth = entry_add(object, SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH);
    skr_object_set_integer(bandwidth, SKR_BANDWIDTH_MAXIMUM_BPS, rows_pick(m, 3));
    return object;
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
    else if (rows_chance(m, 10))
        skr_object_set_text(object, SKR_HOST_STATE, "maintenance");
    if (!s->row || rows_chance(m, 30))
        s->parents[ROWS_GROUP] = existing(m, ROWS_GROUP, 0, -1);
    if (s->parents[ROWS_GROUP] >= 0) {
        struct skr_uuid group = uuid_of(SKR_HOST_GROUP, number(m, ROWS_GROUP, s->parents[ROWS_GROUP]));
        skr_object_set_uuid(object, SKR_HOST_HOST_GROUP_ID, &group);
    }
    s->lists[ROWS_SITE] = 0;
    for (unsigned i = rows_pick(m, 3); i; i--) {
        unsigned site = rows_chance(m, 40) ? listed(m, s, ROWS_SITE) : 0;
        struct skr_uuid site_id = uuid_of(SKR_NETWORK_SITE, site);
        host_uplink(object, i == 1 ? "eth0" : "eth1", site ? &site_id : NULL);
    }
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

static struct skr_object *make_group(struct rows *m, int slot, struct rows_slot *s)
{
    /* Only below an earlier slot: no circles. */
    s->parents[ROWS_GROUP] = slot > 0 && rows_chance(m, 70) ? (int)rows_pick(m, (unsigned)slot) : -1;
    if (s->parents[ROWS_GROUP] >= 0 && !m->slots[ROWS_GROUP][s->parents[ROWS_GROUP]].row)
        s->parents[ROWS_GROUP] = -1;
    return host_group_row(s->number, number(m, ROWS_GROUP, s->parents[ROWS_GROUP]));
}

static struct skr_object *make_site(struct rows *m, struct rows_slot *s)
{
    const int vlans[] = {(int)rows_pick(m, 3), rows_chance(m, 20) ? 30 : -1, -1};

    if (!s->row)
        s->parents[ROWS_NETWORK] = existing(m, ROWS_NETWORK, 0, -1);
    if (s->parents[ROWS_NETWORK] < 0)
        return NULL;
    struct skr_object *object = site_row(s->number, number(m, ROWS_NETWORK, s->parents[ROWS_NETWORK]), "site", vlans);
    s->lists[ROWS_GROUP] = 0;
    for (unsigned i = rows_pick(m, 3), group; i; i--)
        if ((group = listed(m, s, ROWS_GROUP))) {
            struct skr_uuid id = uuid_of(SKR_HOST_GROUP, group);
            id_add(object, SKR_NETWORK_SITE_HOST_GROUP_IDS, &id);
        }
    return object;
}

static struct skr_object *make_uplink_profile(struct rows *m, struct rows_slot *s)
{
    struct skr_object *object = uplink_profile_row(s->number, rows_chance(m, 50) ? "lacp" : "static");

    s->lists[ROWS_SITE] = 0;
    for (unsigned i = rows_pick(m, 4), site; i; i--)
        if ((site = listed(m, s, ROWS_SITE))) {
            struct skr_uuid id = uuid_of(SKR_NETWORK_SITE, site);
            id_add(object, SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS, &id);
        }
    return object;
}

static struct skr_object *make_logical_switch(struct rows *m, struct rows_slot *s)
{
    struct skr_object *object = logical_switch_row(s->number, rows_chance(m, 80) ? "external" : "private");

    s->lists[ROWS_CLASSIFICATION] = s->lists[ROWS_PROFILE] = 0;
    for (unsigned i = rows_pick(m, 3), classification; i; i--) {
        int profile = existing(m, ROWS_PROFILE, 0, -1);
        if (profile >= 0 && (classification = listed(m, s, ROWS_CLASSIFICATION))) {
            s->lists[ROWS_PROFILE] |= 1U << profile;
            logical_switch_map(object, classification, number(m, ROWS_PROFILE, profile), i == 1);
        }
    }
    return object;
}

static void add_host_adapter(struct rows *m, struct rows_slot *s, struct skr_object *object)
{
    bool in_site = rows_chance(m, 50);
    unsigned target = listed(m, s, in_site ? ROWS_SITE : ROWS_VM_NETWORK);
    struct skr_uuid id = uuid_of(in_site ? SKR_NETWORK_SITE : SKR_VM_NETWORK, target);

    if (target)
        host_switch_adapter(object, "vhost0",
                            in_site ? SKR_HOST_ADAPTER_NETWORK_SITE_ID : SKR_HOST_ADAPTER_VM_NETWORK_ID, &id);
}

static struct skr_object *make_host_switch(struct rows *m, struct rows_slot *s)
{
    if (!s->row) {
        s->parents[ROWS_HOST] = existing(m, ROWS_HOST, 0, -1);
        s->parents[ROWS_LOGICAL_SWITCH] = existing(m, ROWS_LOGICAL_SWITCH, 0, -1);
    }
    if (s->parents[ROWS_HOST] < 0 || s->parents[ROWS_LOGICAL_SWITCH] < 0)
        return NULL;
    struct skr_object *object = host_switch_row(s->number, number(m, ROWS_HOST, s->parents[ROWS_HOST]),
                                                number(m, ROWS_LOGICAL_SWITCH, s->parents[ROWS_LOGICAL_SWITCH]));
    memset(s->lists, 0, sizeof(s->lists));
    for (unsigned i = rows_pick(m, 3); i; i--)
        host_switch_uplink(object, i == 1 ? "eth0" : "eth2", listed(m, s, ROWS_UPLINK_PROFILE));
    if (rows_chance(m, 50))
        add_host_adapter(m, s, object);
    return object;
}

static struct skr_object *make_hold(struct rows *m, struct rows_slot *s)
{
    static const char *const held[][2] = {{"security.dhcp_guard", "false"},
                                          {"security.guest_specified_ips", "true"},
                                          {"security.guest_specified_ips", "false"},
                                          {"bandwidth.maximum_bps", "77"},
                                          {"offload.vmq", "true"}};
    const char *const *pair = held[rows_pick(m, SKR_ARRAY_SIZE(held))];

    if (!s->row) {
        s->parents[ROWS_HOST] = existing(m, ROWS_HOST, 0, -1);
        s->parents[ROWS_LOGICAL_SWITCH] = rows_chance(m, 50) ? existing(m, ROWS_LOGICAL_SWITCH, 0, -1) : -1;
        s->parents[ROWS_CLASSIFICATION] = rows_chance(m, 50) ? existing(m, ROWS_CLASSIFICATION, 0, -1) : -1;
    }
    if (s->parents[ROWS_HOST] < 0)
        return NULL;
    /* One value of a field is held for ports of one kind, as the rules see to. */
    for (unsigned i = 0; i < rows_slots[ROWS_HOLD]; i++) {
        const struct rows_slot *other = &m->slots[ROWS_HOLD][i];
        if (other->row && other->number != s->number && other->parents[ROWS_HOST] == s->parents[ROWS_HOST] &&
            other->parents[ROWS_LOGICAL_SWITCH] == s->parents[ROWS_LOGICAL_SWITCH] &&
            other->parents[ROWS_CLASSIFICATION] == s->parents[ROWS_CLASSIFICATION] &&
            strcmp(skr_object_text(other->row, SKR_COMPLIANCE_FIELD), pair[0]) == 0)
            return NULL;
    }
    return hold_row(s->number, number(m, ROWS_HOST, s->parents[ROWS_HOST]),
                    number(m, ROWS_LOGICAL_SWITCH, s->parents[ROWS_LOGICAL_SWITCH]),
                    number(m, ROWS_CLASSIFICATION, s->parents[ROWS_CLASSIFICATION]), pair[0], pair[1]);
}

static void list_acls(struct rows *m, struct rows_slot *s, struct skr_object *object, int field)
{
    s->lists[ROWS_ACL] = 0;
    for (unsigned i = rows_chance(m, 50) ? rows_pick(m, 3) : 0, acl; i; i--)
        if ((acl = listed(m, s, ROWS_ACL))) {
            struct skr_uuid id = uuid_of(SKR_ACCESS_CONTROL_LIST, acl);
            id_add(object, field, &id);
        }
}

static struct skr_object *make_route(struct rows *m, struct rows_slot *s)
{
    if (!s->row) {
        s->parents[ROWS_VM_NETWORK] = existing(m, ROWS_VM_NETWORK, 0, -1);
        s->parents[ROWS_SUBNET] = existing(m, ROWS_SUBNET, ROWS_VM_NETWORK, s->parents[ROWS_VM_NETWORK]);
    }
    if (s->parents[ROWS_VM_NETWORK] < 0 || s->parents[ROWS_SUBNET] < 0)
        return NULL;
    return route_row(s->number, number(m, ROWS_VM_NETWORK, s->parents[ROWS_VM_NETWORK]),
                     (unsigned)s->parents[ROWS_SUBNET], rows_pick(m, 3));
}

/* A VM network never changes its isolation; slots 3 and on are without virtualization. */
static struct skr_object *make_vm_network(struct rows *m, int slot, struct rows_slot *s)
{
    if (!s->row) {
        s->parents[ROWS_NETWORK] = existing(m, ROWS_NETWORK, 0, -1);
        if (slot == 4)
            s->parents[ROWS_SITE] = existing(m, ROWS_SITE, ROWS_NETWORK, s->parents[ROWS_NETWORK]);
    }
    if (s->parents[ROWS_NETWORK] < 0 || (slot == 4 && s->parents[ROWS_SITE] < 0))
        return NULL;
    unsigned network = number(m, ROWS_NETWORK, s->parents[ROWS_NETWORK]);
    if (slot < 3)
        return vm_network_row(s->number, network, rows_chance(m, 50) ? 0 : 1300 + (int)rows_pick(m, 3));
    return slot == 3 ? vlan_network_row(s->number, network, "none", 0, 0)
                     : vlan_network_row(s->number, network, "vlan", number(m, ROWS_SITE, s->parents[ROWS_SITE]),
                                        5 + (int)rows_pick(m, 2));
}

static struct skr_object *make_subnet(struct rows *m, int slot, struct rows_slot *s)
{
    if (!s->row)
        s->parents[ROWS_VM_NETWORK] = existing(m, ROWS_VM_NETWORK, 0, -1);
    if (s->parents[ROWS_VM_NETWORK] < 0)
        return NULL;
    struct skr_object *object = vm_subnet_row(s->number, number(m, ROWS_VM_NETWORK, s->parents[ROWS_VM_NETWORK]));
    char text[16];
    snprintf(text, sizeof(text), "subnet-%u", rows_pick(m, 3));
    skr_object_set_text(object, SKR_FIELD_NAME, text);
    vm_subnet_prefix(object, (unsigned)slot);
    list_acls(m, s, object, SKR_VM_SUBNET_ACL_IDS);
    return object;
}

static void place_in_network(struct rows *m, struct rows_slot *s)
{
    if (!s->row) {
        s->parents[ROWS_SUBNET] = existing(m, ROWS_SUBNET, 0, -1);
        s->parents[ROWS_VM_NETWORK] = s->parents[ROWS_SUBNET] < 0
                                              ? -1
                                              : m->slots[ROWS_SUBNET][s->parents[ROWS_SUBNET]].parents[ROWS_VM_NETWORK];
        if (rows_chance(m, 20)) { /* where the network has no VM subnet */
            int network = existing(m, ROWS_VM_NETWORK, 0, -1);
            s->parents[ROWS_VM_NETWORK] = network >= 3 ? network : s->parents[ROWS_VM_NETWORK];
            s->parents[ROWS_SUBNET] = network >= 3 ? -1 : s->parents[ROWS_SUBNET];
        }
    } else if (s->parents[ROWS_SUBNET] >= 0 && rows_chance(m, 10)) {
        /* To another subnet of its VM network: immutable now, and still to be right. */
        s->parents[ROWS_SUBNET] = existing(m, ROWS_SUBNET, ROWS_VM_NETWORK, s->parents[ROWS_VM_NETWORK]);
    }
}

/* Where it is, and where it moves to: a move begins, goes on, ends there or is cancelled. */
static void place_on_host(struct rows *m, struct rows_slot *s)
{
    int target = -1;

    for (int i = 0; i < ROWS_HOSTS; i++)
        if (s->lists[ROWS_HOST] & 1u << i)
            target = i;
    if (target >= 0 && rows_chance(m, 40)) {
        s->parents[ROWS_HOST] = target;
        s->lists[ROWS_HOST] = 0;
        return;
    }
    if (!s->row || rows_chance(m, 60))
        s->parents[ROWS_HOST] = rows_chance(m, 80) ? existing(m, ROWS_HOST, 0, -1) : -1;
    if (target < 0 && rows_chance(m, 40))
        target = existing(m, ROWS_HOST, 0, -1);
    else if (rows_chance(m, 30))
        target = -1;
    s->lists[ROWS_HOST] =
            target >= 0 && s->parents[ROWS_HOST] >= 0 && target != s->parents[ROWS_HOST] ? 1u << target : 0;
}

static struct skr_object *make_adapter(struct rows *m, struct rows_slot *s)
{
    place_in_network(m, s);
    if (s->parents[ROWS_VM_NETWORK] < 0)
        return NULL;
    place_on_host(m, s);
    if (!s->row || rows_chance(m, 30))
        s->parents[ROWS_CLASSIFICATION] = rows_chance(m, 50) ? existing(m, ROWS_CLASSIFICATION, 0, -1) : -1;
    struct skr_object *object =
            adapter_row(s->number, number(m, ROWS_VM_NETWORK, s->parents[ROWS_VM_NETWORK]),
                        number(m, ROWS_SUBNET, s->parents[ROWS_SUBNET]), number(m, ROWS_HOST, s->parents[ROWS_HOST]),
                        number(m, ROWS_CLASSIFICATION, s->parents[ROWS_CLASSIFICATION]));
    if (s->parents[ROWS_SUBNET] < 0)
        skr_object_set_null(object, SKR_NETWORK_ADAPTER_VM_SUBNET_ID);
    for (int i = 0; i < ROWS_HOSTS; i++)
        if (s->lists[ROWS_HOST] & 1u << i) {
            struct skr_uuid target = uuid_of(SKR_HOST, number(m, ROWS_HOST, i));
            skr_object_set_uuid(object, SKR_NETWORK_ADAPTER_TARGET_HOST_ID, &target);
        }
    if (rows_chance(m, 20))
        skr_object_set_text(object, SKR_NETWORK_ADAPTER_INTERFACE, "tap7");
    if (rows_chance(m, 20))
        skr_object_set_integer(object, SKR_NETWORK_ADAPTER_VLAN_ID, rows_pick(m, 3));
    if (rows_chance(m, 10))
        skr_object_set_text(object, SKR_NETWORK_ADAPTER_MIRROR, "source");
    list_acls(m, s, object, SKR_NETWORK_ADAPTER_ACL_IDS);
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
    case ROWS_GROUP:
        return make_group(m, slot, s);
    case ROWS_SITE:
        return make_site(m, s);
    case ROWS_UPLINK_PROFILE:
        return make_uplink_profile(m, s);
    case ROWS_LOGICAL_SWITCH:
        return make_logical_switch(m, s);
    case ROWS_HOST:
        return make_host(m, slot, s);
    case ROWS_ADDRESS:
        return make_address(m, slot, s);
    case ROWS_HOLD:
        return make_hold(m, s);
    case ROWS_ACL:
        return acl_row(s->number, rows_chance(m, 50) ? "tcp" : "any", rows_chance(m, 50) ? "80-90" : NULL);
    case ROWS_VM_NETWORK:
        return make_vm_network(m, slot, s);
    case ROWS_HOST_SWITCH:
        return make_host_switch(m, s);
    case ROWS_SUBNET:
        return make_subnet(m, slot, s);
    case ROWS_ROUTE:
        return make_route(m, s);
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
        memset(next.lists, 0, sizeof(next.lists));
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
