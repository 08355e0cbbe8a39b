/* Claims: an interface whose ifalias is skerry:<adapter id> asks for that adapter. Of several interfaces that ask for
 * one, the first is told until it goes. */
#include "agent/host/private.h"

#include <stdio.h>
#include <string.h>

#define ALIAS_PREFIX "skerry:"

bool skr_host_alias_ours(const struct skr_host_interface *interface)
{
    return !strncmp(interface->alias, ALIAS_PREFIX, strlen(ALIAS_PREFIX));
}

bool skr_host_alias_id(const struct skr_host_interface *interface, struct skr_uuid *ret)
{
    return skr_host_alias_ours(interface) && skr_uuid_parse(interface->alias + strlen(ALIAS_PREFIX), ret) == 0;
}

static void withdraw(struct skr_host *host, struct claim *claim)
{
    HASH_DEL(host->claims, claim);
    host->output.claim(host->output.arg, &claim->id, claim->interface, false);
    free(claim);
}

static bool stands(const struct skr_host *host, const struct claim *claim, const uint64_t *ifindexes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct skr_host_interface *interface = skr_host_interface(host, (uint32_t)ifindexes[i]);
        if (interface && ifindexes[i] == claim->ifindex && !strcmp(interface->name, claim->interface))
            return true;
    }
    return false;
}

static void look_again(struct skr_host *host, const struct skr_uuid *id)
{
    const uint64_t *ifindexes;
    size_t count = skr_host_index_find(host, INDEX_LINK_ALIAS, id, sizeof(*id), &ifindexes);
    struct claim *claim;
    HASH_FIND(hh, host->claims, id, sizeof(*id), claim);
    if (claim && stands(host, claim, ifindexes, count))
        return;
    if (claim)
        withdraw(host, claim);
    const struct skr_host_interface *interface = count ? skr_host_interface(host, (uint32_t)ifindexes[0]) : NULL;
    if (!interface)
        return;
    claim = calloc(1, sizeof(*claim));
    if (!claim)
        abort();
    claim->id = *id;
    claim->ifindex = interface->ifindex;
    snprintf(claim->interface, sizeof(claim->interface), "%s", interface->name);
    HASH_ADD(hh, host->claims, id, sizeof(claim->id), claim);
    host->output.claim(host->output.arg, &claim->id, claim->interface, true);
}

void skr_host_claim_interface(struct skr_host *host, const struct skr_host_interface *before,
                              const struct skr_host_interface *after)
{
    struct skr_uuid was, is;
    bool had = before && skr_host_alias_id(before, &was);
    if (had)
        look_again(host, &was);
    if (after && skr_host_alias_id(after, &is) && !(had && skr_uuid_compare(&was, &is) == 0))
        look_again(host, &is);
}

void skr_host_claim_free(struct skr_host *host)
{
    struct claim *claim, *next;
    HASH_ITER (hh, host->claims, claim, next) {
        HASH_DEL(host->claims, claim);
        free(claim);
    }
}
