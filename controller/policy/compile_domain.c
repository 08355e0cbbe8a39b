/* The domain scope of a VM network: itself, its subnets and routes, its member hosts, its lookup records. Without
 * network virtualization: its member hosts, and who has which address. */
#include "controller/policy/graph.h"
#include <stdlib.h>

/* Outer headers: NVGRE over IPv4 20 + 8 + 14, VXLAN over IPv4 20 + 8 + 8 + 14. */
#define NVGRE_OVERHEAD 42
#define VXLAN_OVERHEAD 50
#define PROVIDER_MTU   1500

static uint32_t domain_mtu(const struct domain *domain)
{
    uint32_t provider = domain->network && domain->network->mtu ? domain->network->mtu : PROVIDER_MTU;

    if (domain->mtu)
        return domain->mtu;
    return provider - (domain->network && domain->network->vxlan ? VXLAN_OVERHEAD : NVGRE_OVERHEAD);
}

void skr_policy_compile_domain(struct skr_policy *policy, struct domain *domain)
{
    Skerry__V1__Domain message = SKERRY__V1__DOMAIN__INIT;

    if (!domain->scope || domain->isolation)
        return;
    message.routing_domain_id = skr_policy_wire_uuid(&domain->routing_domain_id);
    message.number = domain->number;
    message.encapsulation = domain->network && domain->network->vxlan ? SKERRY__V1__ENCAPSULATION__ENCAPSULATION_VXLAN
                                                                      : SKERRY__V1__ENCAPSULATION__ENCAPSULATION_NVGRE;
    message.mtu = domain_mtu(domain);
    if (domain->network)
        message.logical_network_id = skr_policy_wire_uuid(&domain->network->node.key.id);
    skr_policy_compile_put(policy, domain->scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_DOMAIN, &domain->node.key.id,
                           &message.base);
}

/* The scope of a VM network with network virtualization. */
static struct scope *virtualized(const struct domain *domain)
{
    return domain && !domain->isolation ? domain->scope : NULL;
}

void skr_policy_compile_subnet(struct skr_policy *policy, struct subnet *subnet)
{
    const Skerry__V1__ObjectType type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_SUBNET;
    struct scope *scope = virtualized(subnet->domain);
    Skerry__V1__Subnet message = SKERRY__V1__SUBNET__INIT;

    skr_policy_compile_place(policy, &subnet->scope, scope, type, &subnet->node.key.id);
    if (!scope)
        return;
    message.vsid = subnet->vsid;
    message.prefix = skr_policy_wire_address(&subnet->prefix.address);
    message.prefix_length = subnet->prefix.length;
    if (subnet->has_gateway)
        message.gateway = skr_policy_wire_address(&subnet->gateway);
    message.mtu = domain_mtu(subnet->domain);
    message.learns = subnet->learners > 0;
    ProtobufCBinaryData *acls = skr_policy_must(calloc(subnet->acl_count + 1, sizeof(*acls)));
    for (uint32_t i = 0; i < subnet->acl_count; i++)
        acls[i] = skr_policy_wire_uuid(&subnet->acls[i]);
    message.access_control_list_ids = acls;
    message.n_access_control_list_ids = subnet->acl_count;
    skr_policy_compile_put(policy, scope, type, &subnet->node.key.id, &message.base);
    free(acls);
}

void skr_policy_compile_route(struct skr_policy *policy, struct route *route)
{
    const Skerry__V1__ObjectType type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_CUSTOMER_ROUTE;
    struct scope *scope = virtualized(route->domain);
    Skerry__V1__CustomerRoute message = SKERRY__V1__CUSTOMER_ROUTE__INIT;

    skr_policy_compile_place(policy, &route->scope, scope, type, &route->node.key.id);
    if (!scope)
        return;
    message.destination = skr_policy_wire_address(&route->destination.address);
    message.prefix_length = route->destination.length;
    message.next_hop = skr_policy_wire_address(&route->next_hop);
    message.metric = route->metric;
    skr_policy_compile_put(policy, scope, type, &route->node.key.id, &message.base);
}

/* Without network virtualization: an address that is somebody's. Where its adapter is makes no difference. */
static void put_holder(struct skr_policy *policy, const struct record *record)
{
    Skerry__V1__Holder message = SKERRY__V1__HOLDER__INIT;

    message.address = skr_policy_wire_address(&record->address);
    message.mac = (ProtobufCBinaryData){.len = 6, .data = (uint8_t *)(uintptr_t)record->mac.bytes};
    skr_policy_compile_put(policy, record->scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER, &record->node.key.id,
                           &message.base);
}

static void put_record(struct skr_policy *policy, const struct record *record)
{
    Skerry__V1__Record message = SKERRY__V1__RECORD__INIT;

    message.vsid = record->vsid;
    if (record->has_address)
        message.customer_address = skr_policy_wire_address(&record->address);
    message.mac = (ProtobufCBinaryData){.len = 6, .data = (uint8_t *)(uintptr_t)record->mac.bytes};
    message.type = (Skerry__V1__RecordType)record->type;
    const struct adapter *adapter = record->adapter;
    if (adapter)
        message.adapter_id = skr_policy_wire_uuid(&adapter->node.key.id);
    if (adapter && adapter->host && adapter->host->active) {
        const struct provider_address *address =
                skr_policy_host_provider_address(adapter->host, record->domain->network);
        message.host_id = skr_policy_wire_uuid(&adapter->host->node.key.id);
        if (address)
            message.provider_address = skr_policy_wire_address(&address->address);
    }
    const struct host *target = adapter ? skr_policy_move_target(adapter) : NULL;
    const struct provider_address *armed =
            target ? skr_policy_host_provider_address(target, record->domain->network) : NULL;
    if (armed)
        message.armed_provider_address = skr_policy_wire_address(&armed->address);
    skr_policy_compile_put(policy, record->scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, &record->node.key.id,
                           &message.base);
}

/* An address that was learned is not told in a VLAN: it may move, which nobody sees there. */
void skr_policy_compile_record(struct skr_policy *policy, struct record *record)
{
    struct domain *domain = record->domain;
    bool holder = domain ? domain->isolation != 0 : record->holder;
    bool told = !holder || (record->has_address && record->type != SKERRY__V1__RECORD_TYPE__RECORD_TYPE_DYNAMIC);
    Skerry__V1__ObjectType type =
            holder ? SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_HOLDER : SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD;

    record->holder = holder;
    skr_policy_compile_place(policy, &record->scope, domain && told ? domain->scope : NULL, type, &record->node.key.id);
    if (!domain || !record->scope)
        return;
    if (holder)
        put_holder(policy, record);
    else
        put_record(policy, record);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* A version of the scope that has its newest member, which the others need not know more of. */
static void put_member(struct skr_policy *policy, const struct member *member, const Skerry__V1__Member *message)
{
    skr_policy_compile_put(policy, member->scope, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER,
                           &member->host->node.key.id, &message->base);
}

void skr_policy_compile_member(struct skr_policy *policy, struct member *member)
{
    const struct logical_network *network = member->scope->domain->network;
    const struct provider_address *address;
    Skerry__V1__Member message = SKERRY__V1__MEMBER__INIT;
    size_t count = 0;

    if (member->scope->domain->isolation) {
        put_member(policy, member, &message);
        return;
    }
    LIST_FOREACH (address, &member->host->addresses, host_link)
        count += address->network == network && address->has_address;
    ProtobufCBinaryData *addresses = skr_policy_must(calloc(count + 1, sizeof(*addresses)));
    LIST_FOREACH (address, &member->host->addresses, host_link)
        if (address->network == network && address->has_address)
            addresses[message.n_provider_addresses++] = skr_policy_wire_address(&address->address);
    uint32_t *vsids = skr_policy_must(calloc(member->subnet_count + 1, sizeof(*vsids)));
    for (uint32_t i = 0; i < member->subnet_count; i++)
        vsids[i] = skr_policy_member_subnets(member)[i].subnet->vsid;
    qsort(vsids, member->subnet_count, sizeof(*vsids), by_number);

    message.provider_addresses = addresses;
    message.vsids = vsids;
    message.n_vsids = member->subnet_count;
    put_member(policy, member, &message);
    free(addresses);
    free(vsids);
}
