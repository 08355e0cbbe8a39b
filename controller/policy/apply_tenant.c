/* After-images of tenants' objects into nodes: VM networks, VM subnets, adapters, lookup records. */
#include "controller/policy/graph.h"
#include <skerry/macros.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdlib.h>
#include <string.h>

static void *reference(struct skr_policy *policy, const struct skr_object *object, int field,
                       enum skr_resource_id resource)
{
    if (!object || !skr_object_has(object, field))
        return NULL;
    struct skr_uuid id = skr_object_uuid(object, field);
    struct node *node = skr_policy_graph_node(policy, resource, &id);
    skr_policy_node_ref(node);
    return node;
}

static void release(struct skr_policy *policy, void *node)
{
    if (node)
        skr_policy_node_unref(policy, node);
}

/* ---- VM networks ---- */

void skr_policy_apply_vm_network(struct skr_policy *policy, struct domain *domain, const struct skr_object *object)
{
    const char *isolation = object ? skr_object_text(object, SKR_VM_NETWORK_ISOLATION) : NULL;
    bool virtualized = object && (!isolation || strcmp(isolation, "network_virtualization") == 0);
    struct logical_network *before = domain->network;
    struct subnet *subnet;

    if (before)
        LIST_REMOVE(domain, network_link);
    domain->network = reference(policy, object, SKR_VM_NETWORK_LOGICAL_NETWORK_ID, SKR_LOGICAL_NETWORK);
    if (domain->network)
        LIST_INSERT_HEAD(&domain->network->domains, domain, network_link);
    release(policy, before);
    if (object) {
        domain->routing_domain_id = skr_object_uuid(object, SKR_VM_NETWORK_ROUTING_DOMAIN_ID);
        domain->number = (uint32_t)skr_object_integer(object, SKR_VM_NETWORK_ROUTING_DOMAIN_NUMBER);
        domain->mtu = (uint32_t)skr_object_integer(object, SKR_VM_NETWORK_MTU);
    }

    /* What a VM network is never changes: its scope lives as long as it does. */
    struct scope *ending = NULL;
    if (virtualized && !domain->scope) {
        domain->scope = skr_policy_scope_new(SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &domain->node.key.id);
        domain->scope->domain = domain;
    } else if (!object && domain->scope) {
        ending = domain->scope;
        domain->scope = NULL;
    }
    skr_policy_node_mark(policy, &domain->node);
    LIST_FOREACH (subnet, &domain->subnets, domain_link) {
        struct adapter *adapter;
        skr_policy_node_mark(policy, &subnet->node);
        LIST_FOREACH (adapter, &subnet->adapters, subnet_link)
            skr_policy_adapter_recount(policy, adapter);
    }
    if (ending)
        skr_policy_scope_end(policy, ending);
}

/* ---- VM subnets ---- */

void skr_policy_apply_vm_subnet(struct skr_policy *policy, struct subnet *subnet, const struct skr_object *object)
{
    struct domain *before = subnet->domain;
    struct adapter *adapter;

    if (before)
        LIST_REMOVE(subnet, domain_link);
    subnet->domain = reference(policy, object, SKR_VM_SUBNET_VM_NETWORK_ID, SKR_VM_NETWORK);
    if (subnet->domain)
        LIST_INSERT_HEAD(&subnet->domain->subnets, subnet, domain_link);
    release(policy, before);
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
    }
}

/* ---- adapters ---- */

void skr_policy_adapter_recount(struct skr_policy *policy, struct adapter *adapter)
{
    struct host *host = adapter->host;
    struct scope *domain = adapter->domain ? adapter->domain->scope : NULL;
    bool placed = adapter->node.present && host && host->active && domain && adapter->subnet;
    struct member *before = adapter->member;
    struct subnet *counted = adapter->counted_subnet;

    /* First in, then out: a member that only swaps ports does not begin to linger. */
    adapter->member = placed ? skr_policy_member_of(policy, host, domain) : NULL;
    adapter->counted_subnet = placed ? adapter->subnet : NULL;
    if (placed)
        skr_policy_member_port_added(policy, adapter->member, adapter->subnet);
    if (before)
        skr_policy_member_port_removed(policy, before, counted);
    skr_policy_node_mark(policy, &adapter->node);
}

void skr_policy_adapter_profile_changed(struct skr_policy *policy, struct adapter *adapter)
{
    const struct profile *profile = adapter->classification ? adapter->classification->profile : NULL;
    bool learner = adapter->node.present && adapter->subnet && profile && profile->guest_specified_ips;
    struct subnet *subnet = learner ? adapter->subnet : NULL, *before = adapter->learner_subnet;

    skr_policy_node_mark(policy, &adapter->node);
    if (subnet == before)
        return;
    adapter->learner = learner;
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
    if (adapter->subnet)
        LIST_REMOVE(adapter, subnet_link);
    if (adapter->classification)
        LIST_REMOVE(adapter, classification_link);
}

static void adapter_link(struct skr_policy *policy, struct adapter *adapter, const struct skr_object *object)
{
    adapter->host = reference(policy, object, SKR_NETWORK_ADAPTER_HOST_ID, SKR_HOST);
    adapter->domain = reference(policy, object, SKR_NETWORK_ADAPTER_VM_NETWORK_ID, SKR_VM_NETWORK);
    adapter->subnet = reference(policy, object, SKR_NETWORK_ADAPTER_VM_SUBNET_ID, SKR_VM_SUBNET);
    adapter->classification = reference(policy, object, SKR_NETWORK_ADAPTER_CLASSIFICATION_ID, SKR_PORT_CLASSIFICATION);
    if (object && !adapter->classification) {
        adapter->classification = policy->default_classification;
        skr_policy_node_ref(&adapter->classification->node);
    }
    if (adapter->host)
        LIST_INSERT_HEAD(&adapter->host->adapters, adapter, host_link);
    if (adapter->subnet)
        LIST_INSERT_HEAD(&adapter->subnet->adapters, adapter, subnet_link);
    if (adapter->classification)
        LIST_INSERT_HEAD(&adapter->classification->adapters, adapter, classification_link);
}

static void adapter_set_values(struct adapter *adapter, const struct skr_object *object)
{
    const struct skr_value *addresses = &object->values[SKR_NETWORK_ADAPTER_IP_ADDRESSES];
    const char *interface = skr_object_text(object, SKR_NETWORK_ADAPTER_INTERFACE);
    const char *name = skr_object_text(object, SKR_FIELD_NAME);

    free(adapter->name);
    free(adapter->interface);
    free(adapter->addresses);
    adapter->name = name && *name ? skr_policy_must(strdup(name)) : NULL;
    adapter->interface = interface && *interface ? skr_policy_must(strdup(interface)) : NULL;
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
    void *before[] = {adapter->host, adapter->domain, adapter->subnet, adapter->classification};
    struct record *record;

    adapter_unlink(adapter);
    adapter_link(policy, adapter, object);
    if (object)
        adapter_set_values(adapter, object);
    skr_policy_adapter_recount(policy, adapter);
    skr_policy_adapter_profile_changed(policy, adapter);
    LIST_FOREACH (record, &adapter->records, adapter_link)
        skr_policy_node_mark(policy, &record->node);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(before); i++)
        release(policy, before[i]);
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
    record->adapter = reference(policy, object, SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID, SKR_NETWORK_ADAPTER);
    record->domain = reference(policy, object, SKR_LOOKUP_RECORD_VM_NETWORK_ID, SKR_VM_NETWORK);
    if (record->adapter)
        LIST_INSERT_HEAD(&record->adapter->records, record, adapter_link);
    release(policy, adapter);
    release(policy, domain);
    if (object) {
        record->vsid = (uint32_t)skr_object_integer(object, SKR_LOOKUP_RECORD_VSID);
        record->mac = skr_object_mac(object, SKR_LOOKUP_RECORD_MAC);
        record->type = (uint8_t)record_type(skr_object_text(object, SKR_LOOKUP_RECORD_TYPE));
        record->has_address = skr_object_has(object, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS);
        record->address = skr_object_address(object, SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS);
    }
    skr_policy_node_mark(policy, &record->node);
}
