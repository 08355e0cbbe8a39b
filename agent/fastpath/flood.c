/* The chains of the flood table: receivers of a VSID in ascending order, each naming the next (abi/fastpath.h). */
#include "agent/fastpath/program_private.h"
#include <string.h>

static struct skr_program_chain *chain_find(const struct skr_program *program, uint32_t vsid, bool local)
{
    struct skr_program_chain wanted = {.key = {.vsid = vsid, .local = local}}, *chain;
    HASH_FIND(hh, program->chains, &wanted.key, sizeof(wanted.key), chain);
    return chain;
}

static struct skr_program_chain *chain_make(struct skr_program *program, uint32_t vsid, bool local)
{
    struct skr_program_chain *chain = skr_must(calloc(1, sizeof(*chain)));
    chain->key.vsid = vsid;
    chain->key.local = local;
    HASH_ADD(hh, program->chains, key, sizeof(chain->key), chain);
    return chain;
}

/* Where the receiver stands or belongs. */
static size_t position(const struct skr_program_chain *chain, const struct skr_abi_address *receiver, bool *ret_there)
{
    size_t low = 0, high = chain->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = memcmp(chain->receivers[middle].address.bytes, receiver->bytes, sizeof(receiver->bytes));
        if (c == 0) {
            *ret_there = true;
            return middle;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_there = false;
    return low;
}

static struct skr_abi_flood_key entry_key(const struct skr_program_chain *chain, size_t before)
{
    struct skr_abi_flood_key key = {.vsid = chain->key.vsid};
    if (before > 0)
        key.receiver = chain->receivers[before - 1].address;
    else if (chain->key.local)
        key.receiver.bytes[0] = SKR_FLOOD_LOCAL;
    return key;
}

/* The entry behind receiver number `before` (0: the head) names its successor. */
static void link_entry(struct skr_program *program, const struct skr_program_chain *chain, size_t before)
{
    static const struct skr_program_owner nobody;
    struct skr_abi_flood_key key = entry_key(chain, before);
    struct skr_abi_flood value = {0};
    if (before < chain->count)
        value.next = chain->receivers[before].address;
    const struct skr_program_owner *owner = before > 0 ? &chain->receivers[before - 1].owner : &nobody;
    skr_program_ask(program, SKR_TABLE_FLOOD, &key, owner, &value);
}

bool skr_program_flood_add(struct skr_program *program, uint32_t vsid, bool local,
                           const struct skr_abi_address *receiver, const struct skr_program_owner *owner)
{
    struct skr_program_chain *chain = chain_find(program, vsid, local);
    if (!chain)
        chain = chain_make(program, vsid, local);
    bool there;
    size_t at = position(chain, receiver, &there);
    if (there) {
        chain->receivers[at].references++; /* NOLINT(clang-analyzer-core.NullDereference): it is there */
        return true;
    }
    if (chain->count >= (local ? SKR_FLOOD_LOCAL_MAX : SKR_FLOOD_REMOTE_MAX))
        return false;
    if (chain->count == chain->room) {
        chain->room = chain->room ? 2 * chain->room : 8;
        chain->receivers = skr_must(realloc(chain->receivers, chain->room * sizeof(*chain->receivers)));
    }
    memmove(&chain->receivers[at + 1], &chain->receivers[at], (chain->count - at) * sizeof(*chain->receivers));
    chain->receivers[at] = (struct skr_program_receiver){.address = *receiver, .references = 1, .owner = *owner};
    chain->count++;
    link_entry(program, chain, at + 1);
    link_entry(program, chain, at);
    return true;
}

void skr_program_flood_remove(struct skr_program *program, uint32_t vsid, bool local,
                              const struct skr_abi_address *receiver)
{
    struct skr_program_chain *chain = chain_find(program, vsid, local);
    bool there = false;
    size_t at = chain ? position(chain, receiver, &there) : 0;
    if (!there || --chain->receivers[at].references > 0)
        return;
    struct skr_abi_flood_key key = entry_key(chain, at + 1);
    skr_program_take_back(program, SKR_TABLE_FLOOD, &key, &chain->receivers[at].owner);
    memmove(&chain->receivers[at], &chain->receivers[at + 1], (chain->count - at - 1) * sizeof(*chain->receivers));
    chain->count--;
    if (chain->count > 0) {
        link_entry(program, chain, at);
        return;
    }
    static const struct skr_program_owner nobody;
    key = entry_key(chain, 0);
    skr_program_take_back(program, SKR_TABLE_FLOOD, &key, &nobody);
    HASH_DELETE(hh, program->chains, chain);
    free(chain->receivers);
    free(chain);
}

void skr_program_flood_free(struct skr_program *program)
{
    struct skr_program_chain *chain, *next;
    HASH_ITER (hh, program->chains, chain, next) {
        HASH_DELETE(hh, program->chains, chain);
        free(chain->receivers);
        free(chain);
    }
}
