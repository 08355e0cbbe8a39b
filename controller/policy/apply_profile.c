/* After-images of virtual port profiles, port classifications and held values into nodes. */
#include "controller/policy/graph.h"
#include <skerry/macros.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PROFILE_NAME "Medium bandwidth adapter"
#define HELD_KIND            "virtual-port-profile"

/* The fields that ports carry: their names as rows of compliance have them, and where the values stand. */
static const struct {
    const char *name;
    int group, field;
    size_t offset;
    size_t size;
} values[] = {
#define VALUE(name_, group_, field_, member_)                                                                          \
    {                                                                                                                  \
        name_, SKR_VIRTUAL_PORT_PROFILE_##group_, field_, offsetof(struct port_profile, member_),                      \
                sizeof(((struct port_profile *)NULL)->member_)                                                         \
    }
        VALUE("security.mac_spoofing", SECURITY, SKR_SECURITY_MAC_SPOOFING, mac_spoofing),
        VALUE("security.dhcp_guard", SECURITY, SKR_SECURITY_DHCP_GUARD, dhcp_guard),
        VALUE("security.router_guard", SECURITY, SKR_SECURITY_ROUTER_GUARD, router_guard),
        VALUE("security.arp_nd_inspection", SECURITY, SKR_SECURITY_ARP_ND_INSPECTION, arp_nd_inspection),
        VALUE("security.guest_teaming", SECURITY, SKR_SECURITY_GUEST_TEAMING, guest_teaming),
        VALUE("security.ieee_priority_tagging", SECURITY, SKR_SECURITY_IEEE_PRIORITY_TAGGING, ieee_priority_tagging),
        VALUE("security.guest_specified_ips", SECURITY, SKR_SECURITY_GUEST_SPECIFIED_IPS, guest_specified_ips),
        VALUE("offload.vmq", OFFLOAD, SKR_OFFLOAD_VMQ, vmq),
        VALUE("offload.ipsec_task_offload", OFFLOAD, SKR_OFFLOAD_IPSEC_TASK_OFFLOAD, ipsec_task_offload),
        VALUE("offload.sriov", OFFLOAD, SKR_OFFLOAD_SRIOV, sriov),
        VALUE("offload.vrss", OFFLOAD, SKR_OFFLOAD_VRSS, vrss),
        VALUE("bandwidth.minimum_weight", BANDWIDTH, SKR_BANDWIDTH_MINIMUM_WEIGHT, minimum_weight),
        VALUE("bandwidth.minimum_bps", BANDWIDTH, SKR_BANDWIDTH_MINIMUM_BPS, minimum_bps),
        VALUE("bandwidth.maximum_bps", BANDWIDTH, SKR_BANDWIDTH_MAXIMUM_BPS, maximum_bps),
#undef VALUE
};

static void value_set(struct port_profile *profile, size_t index, uint64_t value)
{
    void *at = (char *)profile + values[index].offset;
    uint32_t narrow = (uint32_t)value;

    if (values[index].size == sizeof(bool))
        *(bool *)at = value != 0;
    else if (values[index].size == sizeof(narrow))
        memcpy(at, &narrow, sizeof(narrow));
    else
        memcpy(at, &value, sizeof(value));
}

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

/* Every port that has the profile, by its classification or by what a logical switch makes of that. */
static void profile_changed(struct skr_policy *policy, struct profile *profile)
{
    struct classification *classification;
    struct host_switch *host_switch;
    struct edge *edge;

    LIST_FOREACH (classification, &profile->classifications, profile_link)
        classification_changed(policy, classification);
    LIST_FOREACH (edge, &profile->mappings, link)
        LIST_FOREACH (host_switch, &((struct logical_switch *)edge->from)->switches, logical_link)
            if (host_switch->host)
                skr_policy_host_ports_changed(policy, host_switch->host);
}

void skr_policy_apply_profile(struct skr_policy *policy, struct profile *profile, const struct skr_object *object)
{
    const char *name = object ? skr_object_text(object, SKR_FIELD_NAME) : NULL;

    for (size_t i = 0; i < SKR_ARRAY_SIZE(values); i++) {
        uint32_t count;
        struct skr_object *const *group = skr_policy_apply_structs(object, values[i].group, &count);
        value_set(&profile->values, i, count ? (uint64_t)skr_object_integer(group[0], values[i].field) : 0);
    }
    profile->values.built_in = object && skr_object_integer(object, SKR_VIRTUAL_PORT_PROFILE_BUILT_IN) != 0;
    bool is_default = name && profile->values.built_in && strcmp(name, DEFAULT_PROFILE_NAME) == 0;
    if (is_default)
        classification_set_profile(policy, policy->default_classification, profile);
    else if (policy->default_classification->profile == profile)
        classification_set_profile(policy, policy->default_classification, NULL);
    profile_changed(policy, profile);
}

void skr_policy_apply_classification(struct skr_policy *policy, struct classification *classification,
                                     const struct skr_object *object)
{
    struct profile *profile = NULL;

    if (object && skr_object_has(object, SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID)) {
        struct skr_uuid id = skr_object_uuid(object, SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID);
        profile = skr_policy_graph_node(policy, SKR_VIRTUAL_PORT_PROFILE, &id);
    }
    classification_set_profile(policy, classification, profile);
}

/* ---- held values ---- */

bool skr_policy_is_hold(const struct skr_object *object)
{
    const char *kind = skr_object_text(object, SKR_COMPLIANCE_OBJECT_KIND);
    return kind && strcmp(kind, HELD_KIND) == 0;
}

/* As skr_value_to_json writes it: true, false, a number, null. */
static uint64_t held_value(const char *text)
{
    if (text && strcmp(text, "true") == 0)
        return 1;
    return text ? strtoull(text, NULL, 10) : 0;
}

static struct skr_uuid uuid_or_nil(const struct skr_object *object, int field)
{
    return skr_object_has(object, field) ? skr_object_uuid(object, field) : (struct skr_uuid){0};
}

void skr_policy_apply_hold(struct skr_policy *policy, struct hold *hold, const struct skr_object *object)
{
    struct host *before = hold->host;
    const char *field = object ? skr_object_text(object, SKR_COMPLIANCE_FIELD) : NULL;

    if (before)
        LIST_REMOVE(hold, host_link);
    hold->host = skr_policy_apply_reference(policy, object, SKR_COMPLIANCE_HOST_ID, SKR_HOST);
    hold->field = -1;
    if (hold->host) {
        LIST_INSERT_HEAD(&hold->host->holds, hold, host_link);
        hold->logical_switch = uuid_or_nil(object, SKR_COMPLIANCE_LOGICAL_SWITCH_ID);
        hold->classification = uuid_or_nil(object, SKR_COMPLIANCE_CLASSIFICATION_ID);
        hold->value = held_value(skr_object_text(object, SKR_COMPLIANCE_FOUND));
        for (size_t i = 0; field && i < SKR_ARRAY_SIZE(values); i++)
            if (strcmp(values[i].name, field) == 0)
                hold->field = (int)i;
        skr_policy_host_ports_changed(policy, hold->host);
    }
    if (before && before != hold->host)
        skr_policy_host_ports_changed(policy, before);
    skr_policy_apply_release(policy, before);
}

/* The classification of an adapter that names none is a node of its own, with the nil id. */
static bool holds(const struct hold *hold, const struct adapter *adapter, const struct logical_switch *logical)
{
    static const struct skr_uuid nil;

    return hold->field >= 0 && adapter->classification &&
           skr_uuid_equal(&hold->classification, &adapter->classification->node.key.id) &&
           skr_uuid_equal(&hold->logical_switch, logical ? &logical->node.key.id : &nil);
}

struct port_profile skr_policy_port_profile(const struct adapter *adapter, const struct host *host)
{
    const struct profile *profile = skr_policy_profile_of(adapter, host);
    struct port_profile ret = {.dhcp_guard = true, .router_guard = true, .arp_nd_inspection = true};
    const struct host_switch *host_switch;
    const struct hold *hold;

    if (profile)
        ret = profile->values;
    if (!host || LIST_EMPTY(&host->holds))
        return ret;
    host_switch = skr_policy_host_switch_of(adapter, host);
    LIST_FOREACH (hold, &host->holds, host_link)
        if (holds(hold, adapter, host_switch ? host_switch->logical : NULL))
            value_set(&ret, (size_t)hold->field, hold->value);
    return ret;
}
