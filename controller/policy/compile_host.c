/* The host scope: the host and its provider addresses. Ports and switches stand in files of their own. */
#include "controller/policy/graph.h"
#include <stdlib.h>
#include <string.h>

const struct provider_address *skr_policy_host_provider_address(const struct host *host,
                                                                const struct logical_network *network)
{
    const struct provider_address *address;

    if (!host->active)
        return NULL;
    LIST_FOREACH (address, &host->addresses, host_link)
        if (address->network == network && address->has_address)
            return address;
    return NULL;
}

static void uplink_add(const char **uplinks, size_t *count, const char *interface)
{
    size_t i = 0;

    while (i < *count && strcmp(uplinks[i], interface) != 0)
        i++;
    if (i == *count && *interface)
        uplinks[(*count)++] = interface;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The host's own uplinks in their order, then what its switches add; the caller's to free. */
static const char **host_uplinks(const struct host *host, size_t *ret_count)
{
    const struct host_switch *host_switch;
    size_t count = 0, own, room = host->uplink_count;

    LIST_FOREACH (host_switch, &host->switches, host_link)
        room += host_switch->profiles.count;
    const char **uplinks = skr_policy_must(calloc(room + 1, sizeof(char *)));
    for (uint32_t i = 0; i < host->uplink_count; i++)
        uplink_add(uplinks, &count, host->uplinks[i].interface ? host->uplinks[i].interface : "");
    own = count;
    LIST_FOREACH (host_switch, &host->switches, host_link)
        for (uint32_t i = 0; i < host_switch->profiles.count; i++)
            uplink_add(uplinks, &count, host_switch->uplinks[i]);
    qsort(uplinks + own, count - own, sizeof(char *), by_name);
    *ret_count = count;
    return uplinks;
}

void skr_policy_compile_host(struct skr_policy *policy, struct host *host)
{
    Skerry__V1__Host message = SKERRY__V1__HOST__INIT;

    if (!host->scope)
        return;
    if (host->name)
        message.name = host->name;
    message.remediate = host->remediate;
    const char **uplinks = host_uplinks(host, &message.n_uplinks);
    message.uplinks = (char **)(uintptr_t)uplinks;
    skr_policy_compile_put(policy, host->scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST, &host->node.key.id,
                           &message.base);
    free(uplinks);
}

void skr_policy_compile_provider_address(struct skr_policy *policy, struct provider_address *address)
{
    const Skerry__V1__ObjectType type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PROVIDER_ADDRESS;
    const struct skr_uuid *id = &address->node.key.id;
    struct scope *scope = address->host && address->has_address ? address->host->scope : NULL;
    Skerry__V1__ProviderAddress message = SKERRY__V1__PROVIDER_ADDRESS__INIT;

    skr_policy_compile_place(policy, &address->scope, scope, type, id);
    if (!scope)
        return;
    message.address = skr_policy_wire_address(&address->address);
    message.prefix_length = address->subnet.length;
    if (address->has_gateway)
        message.gateway = skr_policy_wire_address(&address->gateway);
    if (address->uplink)
        message.uplink = address->uplink;
    message.vlan_id = address->vlan_id;
    message.mtu = address->network->mtu;
    message.logical_network_id = skr_policy_wire_uuid(&address->network->node.key.id);
    skr_policy_compile_put(policy, scope, type, id, &message.base);
}
