/* After-images of tenants' objects into nodes: VM networks, VM subnets, adapters, routes, lookup records. */
#include "controller/policy/graph.h"
#include <skerry/macros.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdlib.h>
#include <string.h>

/* The ids of a list of references; NULL when it is empty. The caller's to free. */
static struct skr_uuid *ids_of(const struct skr_object *object, int field, uint32_t *ret_count)
{
    const struct skr_value *value = object ? &object->values[field] : NULL;
    bool has = value && value->type == SKR_VALUE_UUIDS && value->count;

    *ret_count = has ? value->count : 0;
    if (!has)
        return NULL;
    size_t size = value->count * sizeof(struct skr_uuid);
    return memcpy(skr_policy_must(malloc(size)), value->uuids, size);
}

/* ---- VM networks ---- */

static uint32_t isolation_of(const struct skr_object *object)
{
    static const char *const isolations[] = {"none", "vlan", "pvlan", NULL};
    return skr_policy_apply_choice(object ? skr_object_text(object, SKR_VM_NETWORK_ISOLATION) : NULL, isolations);
}

static void domain_link(struct skr_policy *policy, struct domain *domain, const struct skr_object *object)
{
    struct logical_network *network = domain->network;
    struct site *site = domain->site;

    if (network)
        LIST_REMOVE(domain, network_link);
    if (site)
        LIST_REMOVE(domain, site_link);
    domain->network =
            skr_policy_apply_reference(policy, object, SKR_VM_NETWORK_LOGICAL_NETWORK_ID, SKR_LOGICAL_NETWORK);
    domain->site = skr_policy_apply_reference(policy, object, SKR_VM_NETWORK_NETWORK_SITE_ID, SKR_NETWORK_SITE);
    if (domain->network)
        LIST_INSERT_HEAD(&domain->network->domains, domain, network_link);
    if (domain->site)
        LIST_INSERT_HEAD(&domain->site->domains, domain, site_link);
    skr_policy_apply_release(policy, network);
    skr_policy_apply_release(policy, site);
}

static void domain_adapters_changed(struct skr_policy *policy, struct domain *domain)
{
    struct adapter *adapter;
    struct subnet *subnet;
    const struct edge *edge;

    skr_policy_node_mark(policy, &domain->node);
    LIST_FOREACH (subnet, &domain->subnets, domain_link) {
        skr_policy_node_mark(policy, &subnet->node);
        LIST_FOREACH (adapter, &subnet->adapters, subnet_link) {
            skr_policy_adapter_recount(policy, adapter);
            skr_policy_adapter_profile_changed(policy, adapter);
        }
    }
    LIST_FOREACH (adapter, &domain->loose, subnet_link)
        skr_policy_adapter_recount(policy, adapter);
    LIST_FOREACH (edge, &domain->users, link)
        skr_policy_node_mark(policy, edge->from);
}

void skr_policy_apply_vm_network(struct skr_policy *policy, struct domain *domain, const struct skr_object *object)
{
    struct scope *ending = NULL;

    domain_link(policy, domain, object);
    domain->isolation = isolation_of(object);
    if (object) {
        domain->routing_domain_id = skr_object_uuid(object, SKR_VM_NETWORK_ROUTING_DOMAIN_ID);
        domain->number = (uint32_t)skr_object_integer(object, SKR_VM_NETWORK_ROUTING_DOMAIN_NUMBER);
        domain->mtu = (uint32_t)skr_object_integer(object, SKR_VM_NETWORK_MTU);
        domain->vlan_id = (uint32_t)skr_object_integer(object, SKR_VM_NETWORK_VLAN_ID);
        domain->secondary_vlan_id = (uint32_t)skr_object_integer(object, SKR_VM_NETWORK_SECONDARY_VLAN_ID);
    }
    /* A VM network never changes its kind: its scope lives as long as it does. */
    if (object && !domain->scope) {
        domain->scope = skr_policy_scope_new(SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &domain->node.key.id);
        domain->scope->domain = domain;
    } else if (!object && domain->scope) {
        ending = domain->scope;
        domain->scope = NULL;
    }
    domain_adapters_changed(policy, domain);
    if (ending)
        skr_policy_scope_end(policy, ending);
}

/* ---- VM subnets ---- */

/* Its adapters carry the new lists instead of the old ones. */
static void subnet_set_acls(struct skr_policy *policy, struct subnet *subnet, const struct skr_object *object)
{
    struct adapter *adapter;
    uint32_t count;
    SKR_CLEANUP(skr_free_cleanup) struct skr_uuid *acls = ids_of(object, SKR_VM_SUBNET_ACL_IDS, &count);

    if (count == subnet->acl_count && (count == 0 || memcmp(acls, subnet->acls, count * sizeof(*acls)) == 0))
        return;
    LIST_FOREACH (adapter, &subnet->adapters, subnet_link)
        skr_policy_adapter_carry(policy, adapter, false);
    free(subnet->acls);
    subnet->acls = SKR_TAKE(acls);
    subnet->acl_count = count;
    LIST_FOREACH (adapter, &subnet->adapters, subnet_link)
        skr_policy_adapter_carry(policy, adapter, true);
}

void skr_policy_apply_vm_subnet(struct skr_policy *policy, struct subnet *subnet, const struct skr_object *object)
{
    struct domain *before = subnet->domain;
    struct adapter *adapter;

    subnet_set_acls(policy, subnet, object);
    if (before)
        LIST_REMOVE(subnet, domain_link);
    subnet->domain = skr_policy_apply_reference(policy, object, SKR_VM_SUBNET_VM_NETWORK_ID, SKR_VM_NETWORK);
    if (subnet->domain)
        LIST_INSERT_HEAD(&subnet->domain->subnets, subnet, domain_link);
    skr_policy_apply_release(policy, before);
    if (object) {
        subnet->vsid = (uint32_t)skr_object_integer(object, SKR_VM_SUBNET_VSID);
        subnet->prefix = skr_object_prefix(object, SKR_VM_SUBNET_PREFIX);
        subnet->has_gateway = skr_object_has(object, SKR_VM_SUBNET_GATEWAY);
        subnet->gateway = skr_object_address(object, SKR_VM_SUBNET_GATEWAY);
    }
    skr_policy_node_mark(policy, &subnet->node);
    LIST_FOREACH (adapter, &subnet->adapters, subnet_link) {
        skr_policy_node_mark(policy, &adapter->node);
        if (adapter->member)
            skr_policy_member_mark(policy, adapter->member);
        if (adapter->move && adapter->move->member)
            skr_policy_member_mark(policy, adapter->move->member);
    }
}

/* ---- adapters ---- */

static void carry_on(struct skr_policy *policy, const struct adapter *adapter, struct host *host, bool *carries,
                     bool now)
{
    if (*carries == now)
        return;
    *carries = now;
    if (adapter->extra)
        skr_policy_acl_count(policy, host, adapter->extra->acls, adapter->extra->acl_count, now);
    if (adapter->subnet)
        skr_policy_acl_count(policy, host, adapter->subnet->acls, adapter->subnet->acl_count, now);
}

void skr_policy_adapter_carry(struct skr_policy *policy, struct adapter *adapter, bool carries)
{
    struct move *move = adapter->move;

    carry_on(policy, adapter, adapter->host, &adapter->carries, carries && adapter->placed);
    if (move)
        carry_on(policy, adapter, move->target, &move->carries, carries && move->placed);
}

/* A port of the adapter on this host, if it may have one there; counted with the member. */
static bool port_in(struct skr_policy *policy, struct adapter *adapter, struct host *host, struct member **ret_member,
                    struct subnet **ret_subnet)
{
    const struct domain *domain = adapter->domain;
    struct scope *scope = domain ? domain->scope : NULL;
    bool placed = adapter->node.present && host && host->active && domain && domain->node.present;
    struct subnet *subnet = placed && !domain->isolation ? adapter->subnet : NULL;
    bool member = placed && scope && (domain->isolation ? !host->older : subnet != NULL);

    *ret_member = member ? skr_policy_member_of(policy, host, scope) : NULL;
    *ret_subnet = subnet;
    if (member)
        skr_policy_member_port_added(policy, *ret_member, subnet);
    return placed && (member || domain->isolation);
}

void skr_policy_adapter_recount(struct skr_policy *policy, struct adapter *adapter)
{
    struct move *move = adapter->move;
    struct member *before = adapter->member, *target_before = move ? move->member : NULL;
    struct subnet *counted = adapter->counted_subnet, *target_counted = move ? move->counted_subnet : NULL;

    /* First in, then out: a member that only swaps ports does not begin to linger. */
    adapter->placed = port_in(policy, adapter, adapter->host, &adapter->member, &adapter->counted_subnet);
    if (move)
        move->placed = port_in(policy, adapter, move->target, &move->member, &move->counted_subnet);
    if (before)
        skr_policy_member_port_removed(policy, before, counted);
    if (target_before)
        skr_policy_member_port_removed(policy, target_before, target_counted);
    skr_policy_adapter_carry(policy, adapter, true);
    skr_policy_node_mark(policy, &adapter->node);
}

void skr_policy_adapter_profile_changed(struct skr_policy *policy, struct adapter *adapter)
{
    bool learner = adapter->node.present && adapter->subnet &&
                   skr_policy_port_profile(adapter, adapter->host).guest_specified_ips;
    struct subnet *subnet = learner ? adapter->subnet : NULL, *before = adapter->learner_subnet;

    skr_policy_node_mark(policy, &adapter->node);
    if (subnet == before)
        return;
    adapter->learner_subnet = subnet;
    if (subnet) {
        skr_policy_node_ref(&subnet->node);
        subnet->learners++;
        skr_policy_node_mark(policy, &subnet->node);
    }
    if (before) {
        before->learners--;
        skr_policy_node_mark(policy, &before->node);
        skr_policy_node_unref(policy, &before->node);
    }
}

static void adapter_unlink(struct adapter *adapter)
{
    if (adapter->host)
        LIST_REMOVE(adapter, host_link);
    if (adapter->subnet || adapter->domain)
        LIST_REMOVE(adapter, subnet_link);
    if (adapter->classification)
        LIST_REMOVE(adapter, classification_link);
}

static void adapter_link(struct skr_policy *policy, struct adapter *adapter, const struct skr_object *object)
{
    adapter->host = skr_policy_apply_reference(policy, object, SKR_NETWORK_ADAPTER_HOST_ID, SKR_HOST);
    adapter->domain = skr_policy_apply_reference(policy, object, SKR_NETWORK_ADAPTER_VM_NETWORK_ID, SKR_VM_NETWORK);
    adapter->subnet = skr_policy_apply_reference(policy, object, SKR_NETWORK_ADAPTER_VM_SUBNET_ID, SKR_VM_SUBNET);
    adapter->classification =
            skr_policy_apply_reference(policy, object, SKR_NETWORK_ADAPTER_CLASSIFICATION_ID, SKR_PORT_CLASSIFICATION);
    if (object && !adapter->classification) {
        adapter->classification = policy->default_classification;
        skr_policy_node_ref(&adapter->classification->node);
    }
    if (adapter->host)
        LIST_INSERT_HEAD(&adapter->host->adapters, adapter, host_link);
    if (adapter->subnet)
        LIST_INSERT_HEAD(&adapter->subnet->adapters, adapter, subnet_link);
    else if (adapter->domain)
        LIST_INSERT_HEAD(&adapter->domain->loose, adapter, subnet_link);
    if (adapter->classification)
        LIST_INSERT_HEAD(&adapter->classification->adapters, adapter, classification_link);
}

void skr_policy_adapter_extra_free(struct adapter_extra *extra)
{
    if (extra)
        free(extra->interface);
    free(extra);
}

/* NULL where there is nothing of it: hardly any adapter has any. */
static struct adapter_extra *extra_of(const struct skr_object *object)
{
    static const char *const mirrors[] = {"source", "destination", NULL};
    const struct skr_value *acls = &object->values[SKR_NETWORK_ADAPTER_ACL_IDS];
    uint32_t count = acls->type == SKR_VALUE_UUIDS ? acls->count : 0;
    struct adapter_extra values = {
            .interface = skr_policy_apply_text(object, SKR_NETWORK_ADAPTER_INTERFACE),
            .has_vlan = skr_object_has(object, SKR_NETWORK_ADAPTER_VLAN_ID),
            .vlan_id = (uint32_t)skr_object_integer(object, SKR_NETWORK_ADAPTER_VLAN_ID),
            .mirror = skr_policy_apply_choice(skr_object_text(object, SKR_NETWORK_ADAPTER_MIRROR), mirrors),
            .protected_network = skr_object_integer(object, SKR_NETWORK_ADAPTER_PROTECTED_NETWORK) != 0,
            .acl_count = count};

    if (!values.interface && !values.has_vlan && !values.mirror && !values.protected_network && !count)
        return NULL;
    struct adapter_extra *extra = skr_policy_must(malloc(sizeof(*extra) + count * sizeof(extra->acls[0])));
    *extra = values;
    if (count)
        memcpy(extra->acls, acls->uuids, count * sizeof(extra->acls[0]));
    return extra;
}

static void adapter_set_values(struct adapter *adapter, const struct skr_object *object)
{
    const struct skr_value *addresses = &object->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES];
    const char *name = skr_object_text(object, SKR_FIELD_NAME);

    free(adapter->name);
    free(adapter->addresses);
    skr_policy_adapter_extra_free(adapter->extra);
    adapter->name = name && *name ? skr_policy_must(strdup(name)) : NULL;
    adapter->extra = extra_of(object);
    adapter->addresses = NULL;
    adapter->address_count = addresses->type == SKR_VALUE_ADDRESSES ? (uint16_t)addresses->count : 0;
    if (adapter->address_count) {
        size_t size = adapter->address_count * sizeof(*adapter->addresses);
        adapter->addresses = memcpy(skr_policy_must(malloc(size)), addresses->addresses, size);
    }
    adapter->mac = skr_object_mac(object, SKR_NETWORK_ADAPTER_MAC);
}

void skr_policy_apply_network_adapter(struct skr_policy *policy, struct adapter *adapter,
                                      const struct skr_object *object)
{
    struct host *source = adapter->host;
    struct record *record;

    skr_policy_adapter_carry(policy, adapter, false);
    adapter_unlink(adapter);
    struct host *target = skr_policy_move_unlink(adapter);
    void *before[] = {source, adapter->domain, adapter->subnet, adapter->classification, target};
    adapter_link(policy, adapter, object);
    skr_policy_move_link(policy, adapter, object);
    skr_policy_move_arrived(policy, adapter, source, target);
    if (object)
        adapter_set_values(adapter, object);
    skr_policy_adapter_recount(policy, adapter);
    skr_policy_adapter_profile_changed(policy, adapter);
    LIST_FOREACH (record, &adapter->records, adapter_link)
        skr_policy_node_mark(policy, &record->node);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(before); i++)
        skr_policy_apply_release(policy, before[i]);
}

/* ---- customer routes ---- */

void skr_policy_apply_route(struct skr_policy *policy, struct route *route, const struct skr_object *object)
{
    struct domain *before = route->domain;

    route->domain = skr_policy_apply_reference(policy, object, SKR_CUSTOMER_ROUTE_VM_NETWORK_ID, SKR_VM_NETWORK);
    skr_policy_apply_release(policy, before);
    if (object) {
        route->destination = skr_object_prefix(object, SKR_CUSTOMER_ROUTE_DESTINATION);
        route->next_hop = skr_object_address(object, SKR_CUSTOMER_ROUTE_NEXT_HOP);
        route->metric = (uint32_t)skr_object_integer(object, SKR_CUSTOMER_ROUTE_METRIC);
    }
    skr_policy_node_mark(policy, &route->node);
}

/* ---- lookup records ---- */

static Skerry__V1__RecordType record_type(const char *text)
{
    static const struct {
        const char *name;
        Skerry__V1__RecordType type;
    } types[] = {{"static", SKERRY__V1__RECORD_TYPE__RECORD_TYPE_STATIC},
                 {"dynamic", SKERRY__V1__RECORD_TYPE__RECORD_TYPE_DYNAMIC},
                 {"l2only", SKERRY__V1__RECORD_TYPE__RECORD_TYPE_L2ONLY},
                 {"gateway", SKERRY__V1__RECORD_TYPE__RECORD_TYPE_GATEWAY},
                 {"dhcp", SKERRY__V1__RECORD_TYPE__RECORD_TYPE_DHCP}};

    for (size_t i = 0; text && i < SKR_ARRAY_SIZE(types); i++)
        if (strcmp(text, types[i].name) == 0)
            return types[i].type;
    return SKERRY__V1__RECORD_TYPE__RECORD_TYPE_STATIC;
}

void skr_policy_apply_lookup_record(struct skr_policy *policy, struct record *record, const struct skr_object *object)
{
    struct adapter *adapter = record->adapter;
    struct domain *domain = record->domain;

    if (adapter)
        LIST_REMOVE(record, adapter_link);
    record->adapter =
            skr_policy_apply_reference(policy, object, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID, SKR_NETWORK_ADAPTER);
    record->domain = skr_policy_apply_reference(policy, object, SKR_LOOKUP_RECORD_VM_NETWORK_ID, SKR_VM_NETWORK);
    if (record->adapter)
        LIST_INSERT_HEAD(&record->adapter->records, record, adapter_link);
    skr_policy_apply_release(policy, adapter);
    skr_policy_apply_release(policy, domain);
    if (object) {
        record->vsid = (uint32_t)skr_object_integer(object, SKR_LOOKUP_RECORD_VSID);
        record->mac = skr_object_mac(object, SKR_LOOKUP_RECORD_MAC);
        record->type = (uint8_t)record_type(skr_object_text(object, SKR_LOOKUP_RECORD_TYPE));
        record->has_address = skr_object_has(object, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS);
        record->address = skr_object_address(object, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS);
    }
    skr_policy_node_mark(policy, &record->node);
}
