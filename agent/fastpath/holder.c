/* VM networks without network virtualization: whose each address is, on whichever host. A port here that claims the
 * address of a VM elsewhere is refused by the same entry that protects its neighbours on this host: one in each segment
 * in which the VM network has ports here. Called by domain.c, by segment.c and before each commit. */
#include "agent/fastpath/program_private.h"
#include <string.h>

static struct skr_program_owner holder_owner(struct skr_program_domain *domain, const struct skr_program_holder *holder)
{
    return (struct skr_program_owner){
            .id = holder->id, .domain = domain, .type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER};
}

static void put_entry(struct skr_program *program, struct skr_program_domain *domain,
                      const struct skr_program_holder *holder, uint32_t segment, bool stands)
{
    struct skr_program_owner owner = holder_owner(domain, holder);
    struct skr_abi_ca_key key = {.vsid = segment, .ca = skr_program_abi(&holder->address)};
    struct skr_abi_ca_record value = {0};
    memcpy(value.mac, holder->mac.bytes, sizeof(value.mac));
    if (stands)
        skr_program_ask(program, SKR_TABLE_RECORDS_CA, &key, &owner, &value);
    else
        skr_program_take_back(program, SKR_TABLE_RECORDS_CA, &key, &owner);
}

static void put_holder(struct skr_program *program, struct skr_program_domain *domain,
                       const struct skr_program_holder *holder, bool stands)
{
    for (const struct skr_program_place *place = domain->places; place; place = place->next)
        if (place->filled)
            put_entry(program, domain, holder, place->segment, stands);
}

void skr_program_holder_change(struct skr_program *program, struct skr_program_domain *domain,
                               const struct skr_desired_change *change)
{
    const Skerry__V1__Holder *message = (const void *)change->after;
    struct skr_program_holder *holder;
    HASH_FIND(hh, domain->holders, &change->id, sizeof(change->id), holder);
    if (holder)
        put_holder(program, domain, holder, false);
    if (!message) {
        if (holder)
            HASH_DELETE(hh, domain->holders, holder);
        free(holder);
        program->domains_gone = true;
        return;
    }
    if (!holder) {
        holder = skr_must(calloc(1, sizeof(*holder)));
        holder->id = change->id;
        HASH_ADD(hh, domain->holders, id, sizeof(holder->id), holder);
    }
    skr_body_address(&message->address, &holder->address);
    skr_body_mac(&message->mac, &holder->mac);
    put_holder(program, domain, holder, true);
}

/* ---- where they stand ---- */

void skr_program_place_hold(struct skr_program *program, const struct skr_uuid *vm_network_id, uint32_t segment,
                            int delta)
{
    struct skr_program_domain *domain = skr_program_domain_make(program, vm_network_id);
    struct skr_program_place *place;
    LL_SEARCH_SCALAR(domain->places, place, segment, segment);
    if (!place) {
        place = skr_must(calloc(1, sizeof(*place)));
        place->segment = segment;
        LL_PREPEND(domain->places, place);
    }
    place->ports += (uint32_t)delta;
    if ((place->ports > 0) != place->filled)
        program->places_touched = true;
}

static void place_settle(struct skr_program *program, struct skr_program_domain *domain,
                         struct skr_program_place *place)
{
    bool fill = place->ports > 0;
    if (fill != place->filled)
        for (struct skr_program_holder *holder = domain->holders; holder; holder = holder->hh.next)
            put_entry(program, domain, holder, place->segment, fill);
    place->filled = fill;
    if (fill)
        return;
    LL_DELETE(domain->places, place);
    free(place);
    program->domains_gone = true;
}

/* A port that is written again leaves its place and comes back: only what is so in the end costs a walk. */
void skr_program_places_settle(struct skr_program *program)
{
    if (!program->places_touched)
        return;
    program->places_touched = false;
    for (struct skr_program_domain *domain = program->domains; domain; domain = domain->hh.next) {
        struct skr_program_place *place, *next;
        LL_FOREACH_SAFE(domain->places, place, next)
        place_settle(program, domain, place);
    }
}

void skr_program_holders_free(struct skr_program_domain *domain)
{
    struct skr_program_holder *holder, *next_holder;
    HASH_ITER (hh, domain->holders, holder, next_holder) {
        HASH_DELETE(hh, domain->holders, holder);
        free(holder);
    }
    struct skr_program_place *place, *next;
    LL_FOREACH_SAFE(domain->places, place, next)
    {
        LL_DELETE(domain->places, place);
        free(place);
    }
}
