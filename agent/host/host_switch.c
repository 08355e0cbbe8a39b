/* Host switches: what of them this agent does (support.h), and whether the uplink is there and carries what it must. */
#include "agent/desired/support.h"
#include "agent/host/private.h"

#include <stdio.h>
#include <string.h>

static struct host_switch *find(const struct skr_host *host, const struct skr_uuid *id)
{
    struct host_switch *host_switch;
    HASH_FIND(hh, host->host_switches, id, sizeof(*id), host_switch);
    return host_switch;
}

static const char *judge(const struct skr_host *host, const struct host_switch *host_switch,
                         char out[static SKR_SUPPORT_TEXT_MAX])
{
    const struct skr_host_interface *interface = skr_host_interface_named(host, host_switch->uplink);
    if (host_switch->refused[0])
        return host_switch->refused;
    if (!interface) {
        snprintf(out, SKR_SUPPORT_TEXT_MAX, "no_uplink: this host has no interface %s", host_switch->uplink);
        return out;
    }
    if (interface->mtu >= host_switch->mtu)
        return NULL;
    snprintf(out, SKR_SUPPORT_TEXT_MAX, "uplink_mtu: the interface %s has an MTU of %u, and %u are needed",
             interface->name, interface->mtu, host_switch->mtu);
    return out;
}

static void tell(struct skr_host *host, const struct host_switch *host_switch)
{
    const Skerry__V1__ScopeKind kind = SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST;
    const Skerry__V1__ObjectType type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOST_SWITCH;
    char text[SKR_SUPPORT_TEXT_MAX];
    const char *reason = judge(host, host_switch, text);
    skr_desired_failure_set(host->desired, kind, &host_switch->scope_id, type, &host_switch->id, SKR_DESIRED_HOST,
                            reason);
}

void skr_host_switch_set(struct skr_host *host, const struct skr_desired_change *change)
{
    const Skerry__V1__HostSwitch *wanted = (const void *)change->after;
    struct host_switch *host_switch = find(host, &change->id);
    char text[SKR_SUPPORT_TEXT_MAX];
    if (!wanted) {
        if (host_switch)
            HASH_DEL(host->host_switches, host_switch);
        free(host_switch);
        return;
    }
    if (!host_switch) {
        host_switch = skr_must(calloc(1, sizeof(*host_switch)));
        host_switch->id = change->id;
        HASH_ADD(hh, host->host_switches, id, sizeof(host_switch->id), host_switch);
    }
    const char *refused = skr_support_host_switch(wanted, text);
    host_switch->scope_id = change->scope_id;
    host_switch->mtu = wanted->mtu;
    snprintf(host_switch->refused, sizeof(host_switch->refused), "%s", refused ? refused : "");
    snprintf(host_switch->uplink, sizeof(host_switch->uplink), "%s", wanted->n_uplinks ? wanted->uplinks[0] : "");
    tell(host, host_switch);
}

void skr_host_switch_interface(struct skr_host *host, const struct skr_host_interface *interface)
{
    for (const struct host_switch *host_switch = host->host_switches; host_switch; host_switch = host_switch->hh.next)
        if (!strcmp(host_switch->uplink, interface->name))
            tell(host, host_switch);
}

const struct host_switch *skr_host_switch_of(const struct skr_host *host, const char *uplink)
{
    const struct host_switch *largest = NULL;
    for (const struct host_switch *host_switch = host->host_switches; host_switch; host_switch = host_switch->hh.next)
        if (!host_switch->refused[0] && !strcmp(host_switch->uplink, uplink) &&
            (!largest || host_switch->mtu > largest->mtu))
            largest = host_switch;
    return largest;
}

void skr_host_switches_free(struct skr_host *host)
{
    struct host_switch *host_switch, *next;
    HASH_ITER (hh, host->host_switches, host_switch, next) {
        HASH_DEL(host->host_switches, host_switch);
        free(host_switch);
    }
}
