/* Provider addresses: the host's own (own_pas, source of each domain) and remote ones (neighbors). */
#include "agent/fastpath/program_private.h"
#include <string.h>

static struct skr_program_pa *pa_find(const struct skr_program *program, const struct skr_address *address)
{
    struct skr_program_pa *pa;
    HASH_FIND(hh, program->pas, address, sizeof(*address), pa);
    return pa;
}

static void mark_dirty(struct skr_program *program, struct skr_program_pa *pa)
{
    if (pa->dirty)
        return;
    pa->dirty = true;
    LL_PREPEND2(program->dirty_pas, pa, next_dirty);
}

static struct skr_program_pa *pa_make(struct skr_program *program, const struct skr_address *address)
{
    struct skr_program_pa *pa = pa_find(program, address);
    if (!pa) {
        pa = skr_must(calloc(1, sizeof(*pa)));
        pa->address = *address;
        HASH_ADD(hh, program->pas, address, sizeof(pa->address), pa);
    }
    mark_dirty(program, pa);
    return pa;
}

static bool is_needed(const struct skr_program_pa *pa)
{
    return pa->references > 0 && pa->own == 0;
}

void skr_program_pa_reference(struct skr_program *program, const struct skr_address *address, int delta)
{
    struct skr_program_pa *pa = pa_make(program, address);
    pa->references += (uint32_t)delta;
}

void skr_program_pa_source(struct skr_program *program, const struct skr_address *address,
                           const struct skr_address *source)
{
    if (!skr_program_is_zero(source->bytes)) /* a VM network that has no source sends nothing */
        pa_make(program, address)->source = *source;
}

/* ---- own addresses ---- */

static struct skr_program_owner provider_address_owner(const struct skr_program_provider_address *object)
{
    return (struct skr_program_owner){.id = object->id, .type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS};
}

static uint32_t smaller_mtu(uint32_t a, uint32_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

uint32_t skr_program_own_mtu(const struct skr_program *program, const struct skr_address *address)
{
    const struct skr_program_pa *pa = pa_find(program, address);
    return pa && pa->standing_ifindex ? skr_program_uplink_mtu(program, pa->standing_ifindex) : 0;
}

static void set_segment(struct skr_program *program, struct skr_program_provider_address *object, uint32_t segment)
{
    if (segment == object->asserted_segment)
        return;
    if (segment)
        skr_program_segment_hold(program, segment, true, 1);
    if (object->asserted_segment)
        skr_program_segment_hold(program, object->asserted_segment, true, -1);
    object->asserted_segment = segment;
}

static void assert_own(struct skr_program *program, struct skr_program_provider_address *object)
{
    const struct skr_program_pa *pa = pa_find(program, &object->address);
    struct skr_program_owner owner = provider_address_owner(object);
    struct skr_abi_address key = skr_program_abi(&object->address);
    if (!pa || !pa->standing_known || pa->standing_ifindex == 0) {
        skr_program_take_back(program, SKR_TABLE_OWN_PAS, &key, &owner);
        set_segment(program, object, 0);
        return;
    }
    set_segment(program, object, object->vlan_id ? SKR_SEGMENT_OF(pa->standing_ifindex, object->vlan_id) : 0);
    struct skr_abi_own_pa value = {.ifindex = pa->standing_ifindex,
                                   .vlan_id = object->vlan_id,
                                   .mtu = smaller_mtu(object->mtu, pa->standing_mtu)};
    skr_program_ask(program, SKR_TABLE_OWN_PAS, &key, &owner, &value);
}

/* Its subnet is out of bounds for ports in segments, whether it stands yet or not. */
static void assert_fabric(struct skr_program *program, const struct skr_program_provider_address *object, bool there)
{
    static const struct skr_abi_route nowhere;
    struct skr_program_owner owner = provider_address_owner(object);
    struct skr_abi_route_key key = {.prefix_bits = 32 + skr_prefix_length_128(&object->subnet),
                                    .destination = skr_program_abi(&object->subnet.address)};
    if (there)
        skr_program_ask(program, SKR_TABLE_ROUTES, &key, &owner, &nowhere);
    else
        skr_program_take_back(program, SKR_TABLE_ROUTES, &key, &owner);
}

static void object_drop(struct skr_program *program, struct skr_program_provider_address *object)
{
    struct skr_program_owner owner = provider_address_owner(object);
    struct skr_abi_address key = skr_program_abi(&object->address);
    skr_program_take_back(program, SKR_TABLE_OWN_PAS, &key, &owner);
    set_segment(program, object, 0);
    assert_fabric(program, object, false);
    pa_make(program, &object->address)->own--;
    HASH_DELETE(hh, program->provider_addresses, object);
    free(object);
}

static struct skr_prefix subnet_of(const struct skr_address *address, uint32_t length)
{
    struct skr_prefix subnet = {.address = *address, .length = (uint8_t)length};
    for (unsigned bit = skr_prefix_length_128(&subnet); bit < 128; bit++)
        subnet.address.bytes[bit / 8] &= (uint8_t) ~(0x80 >> (bit % 8));
    return subnet;
}

void skr_program_provider_address_change(struct skr_program *program, const struct skr_desired_change *change)
{
    const Skerry__V1__ProviderAddress *message = (const void *)change->after;
    struct skr_program_provider_address *object;
    char text[SKR_SUPPORT_TEXT_MAX];
    const char *refused = message ? skr_support_provider_address(message, text) : NULL;
    HASH_FIND(hh, program->provider_addresses, &change->id, sizeof(change->id), object);
    if (object)
        object_drop(program, object);
    const struct skr_program_owner owner = {.id = change->id, .type = change->type};
    skr_program_fail(program, &owner, SKR_DESIRED_PLACE, refused);
    if (message && !refused) {
        object = skr_must(calloc(1, sizeof(*object)));
        object->id = change->id;
        skr_body_address(&message->address, &object->address);
        object->vlan_id = message->vlan_id;
        object->mtu = message->mtu;
        skr_body_uuid(&message->logical_network_id, &object->logical_network_id);
        object->subnet = subnet_of(&object->address, message->prefix_length);
        HASH_ADD(hh, program->provider_addresses, id, sizeof(object->id), object);
        pa_make(program, &object->address)->own++;
        assert_own(program, object);
        assert_fabric(program, object, true);
    }
    skr_program_domains_source(program);
}

void skr_program_own_pa(struct skr_program *program, const struct skr_address *address, uint32_t ifindex, uint32_t mtu)
{
    struct skr_program_pa *pa = pa_make(program, address);
    pa->standing_known = true;
    pa->standing_ifindex = ifindex;
    pa->standing_mtu = mtu;
    for (struct skr_program_provider_address *o = program->provider_addresses; o; o = o->hh.next)
        if (skr_address_compare(&o->address, address) == 0)
            assert_own(program, o);
    skr_program_domains_uplink(program);
    skr_program_commit(program);
}

/* ---- neighbours ---- */

void skr_program_neighbor(struct skr_program *program, const struct skr_address *address,
                          const struct skr_abi_neighbor *neighbor)
{
    struct skr_program_pa *pa = pa_make(program, address);
    pa->neighbor_known = true;
    pa->neighbor = *neighbor;
    skr_program_commit(program);
}

void skr_program_on_remote_pa(struct skr_program *program, skr_program_remote_pa_fn *fn, void *arg)
{
    program->remote_pa = fn;
    program->remote_pa_arg = arg;
}

static bool own_is_open(const struct skr_program_pa *pa)
{
    return pa->own > 0 && !pa->standing_known;
}

static bool neighbor_is_open(const struct skr_program_pa *pa)
{
    return is_needed(pa) && !pa->neighbor_known;
}

/* An adopted entry that was excused, and now nobody wants it: no entry of ours says so, so it is removed by hand. */
static void end_excuse(struct skr_program *program, enum skr_fastpath_table table, const struct skr_abi_address *key,
                       bool is_open, bool *excused)
{
    if (!*excused || is_open)
        return;
    *excused = false;
    if (!skr_program_intended(program, table, key))
        program->fastpath->ops->remove(program->fastpath, table, key);
}

static void settle(struct skr_program *program, struct skr_program_pa *pa)
{
    static const struct skr_program_owner nobody;
    struct skr_abi_address key = skr_program_abi(&pa->address);
    bool needed = is_needed(pa);
    if (!needed)
        pa->neighbor_known = false;
    if (needed && pa->neighbor_known && pa->neighbor.ifindex != 0)
        skr_program_ask(program, SKR_TABLE_NEIGHBORS, &key, &nobody, &pa->neighbor);
    else
        skr_program_take_back(program, SKR_TABLE_NEIGHBORS, &key, &nobody);
    end_excuse(program, SKR_TABLE_NEIGHBORS, &key, neighbor_is_open(pa), &pa->excused_neighbor);
    end_excuse(program, SKR_TABLE_OWN_PAS, &key, own_is_open(pa), &pa->excused_own);
    bool other_source = needed && skr_address_compare(&pa->source, &pa->told_source) != 0;
    if ((needed != pa->told || other_source) && program->remote_pa) {
        pa->told = needed;
        pa->told_source = pa->source;
        program->remote_pa(program->remote_pa_arg, &pa->address, needed ? &pa->source : NULL);
    }
    /* Own addresses are remembered: their object may come after the word of the host. */
    if (!pa->dirty && pa->references == 0 && pa->own == 0 && !pa->told && pa->standing_ifindex == 0) {
        HASH_DELETE(hh, program->pas, pa);
        free(pa);
    }
}

void skr_program_pas_settle(struct skr_program *program)
{
    while (program->dirty_pas) {
        struct skr_program_pa *pa = program->dirty_pas;
        program->dirty_pas = pa->next_dirty;
        pa->dirty = false;
        settle(program, pa);
    }
}

/* Adopted entries of addresses about which the host has not spoken yet stay as they are. */
bool skr_program_pa_excused(struct skr_program *program, enum skr_fastpath_table table, const void *key)
{
    if (table != SKR_TABLE_OWN_PAS && table != SKR_TABLE_NEIGHBORS)
        return false;
    struct skr_address address = skr_program_address(key);
    struct skr_program_pa *pa = pa_find(program, &address);
    if (!pa)
        return false;
    if (table == SKR_TABLE_OWN_PAS)
        return pa->excused_own = own_is_open(pa);
    return pa->excused_neighbor = neighbor_is_open(pa);
}

void skr_program_pas_free(struct skr_program *program)
{
    struct skr_program_pa *pa, *next_pa;
    HASH_ITER (hh, program->pas, pa, next_pa) {
        HASH_DELETE(hh, program->pas, pa);
        free(pa);
    }
    struct skr_program_provider_address *object, *next;
    HASH_ITER (hh, program->provider_addresses, object, next) {
        HASH_DELETE(hh, program->provider_addresses, object);
        free(object);
    }
}
