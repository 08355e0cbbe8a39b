/* The gateways of VM subnets: ICMP errors come from them, and guests are asked in their name. learn.c calls this. */
#include "agent/desired/body.h"
#include "agent/learn/private.h"

/* Within a delta upserts come first: the old object of a VSID must not take the new one's gateway away. */
static void remove_of(struct gateway **gateways, uint32_t vsid, const struct skr_uuid *subnet_id)
{
    struct gateway *gateway;
    HASH_FIND(hh, *gateways, &vsid, sizeof(vsid), gateway);
    if (!gateway || skr_uuid_compare(&gateway->subnet_id, subnet_id) != 0)
        return;
    HASH_DEL(*gateways, gateway);
    free(gateway);
}

static struct gateway *need(struct gateway **gateways, uint32_t vsid)
{
    struct gateway *gateway;
    HASH_FIND(hh, *gateways, &vsid, sizeof(vsid), gateway);
    if (gateway)
        return gateway;
    gateway = calloc(1, sizeof(*gateway));
    if (!gateway)
        abort();
    gateway->vsid = vsid;
    HASH_ADD(hh, *gateways, vsid, sizeof(gateway->vsid), gateway);
    return gateway;
}

void skr_learn_gateway_changed(struct gateway **gateways, const struct skr_desired_change *change)
{
    const Skerry__V1__Subnet *before = (const Skerry__V1__Subnet *)change->before;
    const Skerry__V1__Subnet *after = (const Skerry__V1__Subnet *)change->after;
    uint32_t v4;
    if (before && !(after && after->vsid == before->vsid))
        remove_of(gateways, before->vsid, &change->id);
    if (!after || after->gateway.len != sizeof(v4))
        return;
    struct gateway *gateway = need(gateways, after->vsid);
    memcpy(&v4, after->gateway.data, sizeof(v4));
    gateway->subnet_id = change->id;
    gateway->address = skr_address_from_v4(v4);
}

const struct skr_address *skr_learn_gateway_of(const struct gateway *gateways, uint32_t vsid)
{
    struct gateway *gateway;
    HASH_FIND(hh, gateways, &vsid, sizeof(vsid), gateway);
    return gateway ? &gateway->address : NULL;
}

void skr_learn_gateways_free(struct gateway **gateways)
{
    struct gateway *gateway, *next;
    HASH_ITER (hh, *gateways, gateway, next) {
        HASH_DEL(*gateways, gateway);
        free(gateway);
    }
}
