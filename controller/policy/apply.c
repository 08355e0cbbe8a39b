/* After-images of the fabric into nodes: profiles, classifications, logical networks, hosts, provider addresses. */
#include "controller/policy/graph.h"
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PROFILE_NAME "Medium bandwidth adapter"
#define DEFAULT_MTU          1500

static bool flag(const struct skr_object *object, int field)
{
    return object && skr_object_integer(object, field) != 0;
}

static char *text_of(const struct skr_object *object, int field)
{
    const char *text = object ? skr_object_text(object, field) : NULL;
    return text && *text ? skr_policy_must(strdup(text)) : NULL;
}

/* ---- profiles and classifications ---- */

static void classification_changed(struct skr_policy *policy, struct classification *classification)
{
    struct adapter *adapter;
    LIST_FOREACH (adapter, &classification->adapters, classification_link)
        skr_policy_adapter_profile_changed(policy, adapter);
}

static void classification_set_profile(struct skr_policy *policy, struct classification *classification,
                                       struct profile *profile)
{
    struct profile *before = classification->profile;

    if (before == profile)
        return;
    if (before)
        LIST_REMOVE(classification, profile_link);
    classification->profile = profile;
    if (profile) {
        skr_policy_node_ref(&profile->node);
        LIST_INSERT_HEAD(&profile->classifications, classification, profile_link);
    }
    if (before)
        skr_policy_node_unref(policy, &before->node);
    classification_changed(policy, classification);
}

static void apply_profile(struct skr_policy *policy, struct profile *profile, const struct skr_object *object)
{
    const struct skr_value *value = object ? &object->values[SKR_VIRTUAL_PORT_PROFILE_SECURITY] : NULL;
    const struct skr_object *security =
            value && value->type == SKR_VALUE_OBJECTS && value->count ? value->objects[0] : NULL;
    const char *name = object ? skr_object_text(object, SKR_FIELD_NAME) : NULL;

    profile->mac_spoofing = flag(security, SKR_SECURITY_MAC_SPOOFING);
    profile->dhcp_guard = flag(security, SKR_SECURITY_DHCP_GUARD);
    profile->router_guard = flag(security, SKR_SECURITY_ROUTER_GUARD);
    profile->arp_nd_inspection = flag(security, SKR_SECURITY_ARP_ND_INSPECTION);
    profile->guest_specified_ips = flag(security, SKR_SECURITY_GUEST_SPECIFIED_IPS);

    bool is_default =
            name && flag(object, SKR_VIRTUAL_PORT_PROFILE_BUILT_IN) && strcmp(name, DEFAULT_PROFILE_NAME) == 0;
    if (is_default)
        classification_set_profile(policy, policy->default_classification, profile);
    else if (policy->default_classification->profile == profile)
        classification_set_profile(policy, policy->default_classification, NULL);
    struct classification *classification;
    LIST_FOREACH (classification, &profile->classifications, profile_link)
        classification_changed(policy, classification);
}

static void apply_classification(struct skr_policy *policy, struct classification *classification,
                                 const struct skr_object *object)
{
    struct profile *profile = NULL;

    if (object && skr_object_has(object, SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID)) {
        struct skr_uuid id = skr_object_uuid(object, SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID);
        profile = skr_policy_graph_node(policy, SKR_VIRTUAL_PORT_PROFILE, &id);
    }
    classification_set_profile(policy, classification, profile);
}

/* ---- logical networks ---- */

static void apply_logical_network(struct skr_policy *policy, struct logical_network *network,
                                  const struct skr_object *object)
{
    const char *encapsulation = object ? skr_object_text(object, SKR_LOGICAL_NETWORK_ENCAPSULATION) : NULL;
    struct provider_address *address;
    struct domain *domain;
    struct subnet *subnet;

    network->vxlan = encapsulation && strcmp(encapsulation, "vxlan") == 0;
    network->mtu = object ? (uint32_t)skr_object_integer(object, SKR_LOGICAL_NETWORK_MTU) : 0;
    if (network->mtu == 0)
        network->mtu = DEFAULT_MTU;
    LIST_FOREACH (address, &network->addresses, network_link)
        skr_policy_node_mark(policy, &address->node);
    LIST_FOREACH (domain, &network->domains, network_link) {
        skr_policy_node_mark(policy, &domain->node);
        LIST_FOREACH (subnet, &domain->subnets, domain_link)
            skr_policy_node_mark(policy, &subnet->node);
    }
}

/* ---- hosts ---- */

static void host_set_uplinks(struct host *host, const struct skr_object *object)
{
    const struct skr_value *value = object ? &object->values[SKR_HOST_UPLINKS] : NULL;

    for (uint32_t i = 0; i < host->uplink_count; i++)
        free(host->uplinks[i]);
    free(host->uplinks);
    host->uplinks = NULL;
    host->uplink_count = 0;
    if (!value || value->type != SKR_VALUE_OBJECTS || value->count == 0)
        return;
    host->uplinks = skr_policy_must(calloc(value->count, sizeof(char *)));
    for (uint32_t i = 0; i < value->count; i++) {
        const char *interface = skr_object_text(value->objects[i], SKR_UPLINK_INTERFACE);
        host->uplinks[host->uplink_count++] = skr_policy_must(strdup(interface ? interface : ""));
    }
}

static void host_recount(struct skr_policy *policy, struct host *host)
{
    struct provider_address *address;
    struct adapter *adapter;
    struct record *record;

    LIST_FOREACH (address, &host->addresses, host_link)
        skr_policy_node_mark(policy, &address->node);
    LIST_FOREACH (adapter, &host->adapters, host_link) {
        skr_policy_adapter_recount(policy, adapter);
        LIST_FOREACH (record, &adapter->records, adapter_link)
            skr_policy_node_mark(policy, &record->node);
    }
}

static void host_activate(struct skr_policy *policy, struct host *host)
{
    host->active = true;
    host->scope = skr_policy_scope_new(SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, &host->node.key.id);
    host->scope->host = host;
    host->scope->version = host->last_version;
    skr_policy_member_of(policy, host, host->scope);
    host_recount(policy, host);
}

/* Revoked or removed: nobody accepts its packets any more, and it gets nothing more. */
static void host_deactivate(struct skr_policy *policy, struct host *host)
{
    struct member *member;

    host->active = false;
    host_recount(policy, host);
    if (host->session)
        skr_policy_session_end(policy, host->session, "the host has been removed or revoked");
    while ((member = LIST_FIRST(&host->member_list)))
        skr_policy_member_end(policy, member);
    host->last_version = host->scope->version + 1;
    skr_policy_scope_end(policy, host->scope);
    host->scope = NULL;
}

static void apply_host(struct skr_policy *policy, struct host *host, const struct skr_object *object)
{
    const char *state = object ? skr_object_text(object, SKR_HOST_STATE) : NULL;
    const char *enrolment = object ? skr_object_text(object, SKR_HOST_ENROLMENT) : NULL;
    const char *remediation = object ? skr_object_text(object, SKR_HOST_REMEDIATION) : NULL;
    bool active =
            object && !(state && strcmp(state, "removed") == 0) && !(enrolment && strcmp(enrolment, "revoked") == 0);

    free(host->name);
    host->name = text_of(object, SKR_FIELD_NAME);
    host->remediate = !(remediation && strcmp(remediation, "manual") == 0);
    host_set_uplinks(host, object);
    int64_t synced = object ? skr_object_integer(object, SKR_HOST_SYNCED_REVISION) : 0;
    if (host->synced < synced)
        host->synced = synced;
    if (active)
        skr_realization_host_put(policy->options.realizations, &host->node.key.id, host->name, host->synced);
    else
        skr_realization_host_remove(policy->options.realizations, &host->node.key.id);
    if (active && !host->active)
        host_activate(policy, host);
    else if (!active && host->active)
        host_deactivate(policy, host);
    skr_policy_node_mark(policy, &host->node);
}

/* ---- provider addresses ---- */

/* Everything that carries the host's address in this logical network. */
static void provider_address_changed(struct skr_policy *policy, struct host *host, struct logical_network *network)
{
    struct member *member;
    struct adapter *adapter;
    struct record *record;

    LIST_FOREACH (member, &host->member_list, host_link)
        if (member->scope->domain && member->scope->domain->network == network)
            skr_policy_member_mark(policy, member);
    LIST_FOREACH (adapter, &host->adapters, host_link) {
        if (!adapter->domain || adapter->domain->network != network)
            continue;
        skr_policy_node_mark(policy, &adapter->node);
        LIST_FOREACH (record, &adapter->records, adapter_link)
            skr_policy_node_mark(policy, &record->node);
    }
}

static void provider_address_unlink(struct skr_policy *policy, struct provider_address *address)
{
    struct host *host = address->host;
    struct logical_network *network = address->network;

    if (!host)
        return;
    LIST_REMOVE(address, host_link);
    LIST_REMOVE(address, network_link);
    address->host = NULL;
    address->network = NULL;
    provider_address_changed(policy, host, network);
    skr_policy_node_unref(policy, &host->node);
    skr_policy_node_unref(policy, &network->node);
}

static void provider_address_link(struct skr_policy *policy, struct provider_address *address,
                                  const struct skr_object *object)
{
    struct skr_uuid host_id = skr_object_uuid(object, SKR_PROVIDER_ADDRESS_HOST_ID);
    struct skr_uuid network_id = skr_object_uuid(object, SKR_PROVIDER_ADDRESS_LOGICAL_NETWORK_ID);
    struct provider_address *other, *last = NULL;

    address->host = skr_policy_graph_node(policy, SKR_HOST, &host_id);
    address->network = skr_policy_graph_node(policy, SKR_LOGICAL_NETWORK, &network_id);
    skr_policy_node_ref(&address->host->node);
    skr_policy_node_ref(&address->network->node);
    /* In order of id: the lowest row is the one that packets carry. */
    LIST_FOREACH (other, &address->host->addresses, host_link) {
        if (skr_uuid_compare(&other->node.key.id, &address->node.key.id) > 0)
            break;
        last = other;
    }
    if (last)
        LIST_INSERT_AFTER(last, address, host_link);
    else
        LIST_INSERT_HEAD(&address->host->addresses, address, host_link);
    LIST_INSERT_HEAD(&address->network->addresses, address, network_link);
    provider_address_changed(policy, address->host, address->network);
}

static void apply_provider_address(struct skr_policy *policy, struct provider_address *address,
                                   const struct skr_object *object)
{
    provider_address_unlink(policy, address);
    free(address->uplink);
    free(address->reason);
    address->uplink = text_of(object, SKR_PROVIDER_ADDRESS_UPLINK);
    address->reason = text_of(object, SKR_PROVIDER_ADDRESS_REASON);
    address->has_address = object && skr_object_has(object, SKR_PROVIDER_ADDRESS_ADDRESS);
    address->has_gateway = object && skr_object_has(object, SKR_PROVIDER_ADDRESS_GATEWAY);
    if (object) {
        address->address = skr_object_address(object, SKR_PROVIDER_ADDRESS_ADDRESS);
        address->gateway = skr_object_address(object, SKR_PROVIDER_ADDRESS_GATEWAY);
        address->subnet = skr_object_prefix(object, SKR_PROVIDER_ADDRESS_SUBNET);
        address->vlan_id = (uint32_t)skr_object_integer(object, SKR_PROVIDER_ADDRESS_VLAN_ID);
        provider_address_link(policy, address, object);
    }
    skr_policy_node_mark(policy, &address->node);
}

/* ---- all kinds ---- */

static bool is_compiled(enum skr_resource_id resource)
{
    switch (resource) {
    case SKR_VIRTUAL_PORT_PROFILE:
    case SKR_PORT_CLASSIFICATION:
    case SKR_LOGICAL_NETWORK:
    case SKR_HOST:
    case SKR_PROVIDER_ADDRESS:
    case SKR_VM_NETWORK:
    case SKR_VM_SUBNET:
    case SKR_NETWORK_ADAPTER:
    case SKR_LOOKUP_RECORD:
        return true;
    default:
        return false;
    }
}

static void apply_node(struct skr_policy *policy, struct node *node, const struct skr_object *after)
{
    switch ((enum skr_resource_id)node->key.type) {
    case SKR_VIRTUAL_PORT_PROFILE:
        apply_profile(policy, (struct profile *)node, after);
        break;
    case SKR_PORT_CLASSIFICATION:
        apply_classification(policy, (struct classification *)node, after);
        break;
    case SKR_LOGICAL_NETWORK:
        apply_logical_network(policy, (struct logical_network *)node, after);
        break;
    case SKR_HOST:
        apply_host(policy, (struct host *)node, after);
        break;
    case SKR_PROVIDER_ADDRESS:
        apply_provider_address(policy, (struct provider_address *)node, after);
        break;
    case SKR_VM_NETWORK:
        skr_policy_apply_vm_network(policy, (struct domain *)node, after);
        break;
    case SKR_VM_SUBNET:
        skr_policy_apply_vm_subnet(policy, (struct subnet *)node, after);
        break;
    case SKR_NETWORK_ADAPTER:
        skr_policy_apply_network_adapter(policy, (struct adapter *)node, after);
        break;
    default:
        skr_policy_apply_lookup_record(policy, (struct record *)node, after);
        break;
    }
}

void skr_policy_graph_apply(struct skr_policy *policy, enum skr_change_op op, const struct skr_object *object)
{
    enum skr_resource_id resource = object->resource->id;
    struct skr_uuid id = skr_object_uuid(object, SKR_FIELD_ID);

    if (op != SKR_CHANGE_STATUS)
        skr_policy_write_object(policy, resource, &id, op == SKR_CHANGE_DELETE);
    if (!is_compiled(resource))
        return;
    struct node *node = skr_policy_graph_node(policy, resource, &id);
    skr_policy_node_ref(node);
    node->present = op != SKR_CHANGE_DELETE;
    apply_node(policy, node, node->present ? object : NULL);
    skr_policy_node_unref(policy, node);
}
