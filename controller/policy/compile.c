/* Marked nodes into the objects of their scopes, each once a write. */
#include "controller/policy/graph.h"
#include <skerry/macros.h>

#define BODY_STACK 512

ProtobufCBinaryData skr_policy_wire_uuid(const struct skr_uuid *id)
{
    return (ProtobufCBinaryData){.len = sizeof(id->bytes), .data = (uint8_t *)(uintptr_t)id->bytes};
}

/* 4 bytes for IPv4, 16 for IPv6. */
ProtobufCBinaryData skr_policy_wire_address(const struct skr_address *address)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)address->bytes;

    if (skr_address_is_v4(address))
        return (ProtobufCBinaryData){.len = 4, .data = bytes + 12};
    return (ProtobufCBinaryData){.len = 16, .data = bytes};
}

void skr_policy_compile_place(struct skr_policy *policy, struct scope **at, struct scope *to,
                              Skerry__V1__ObjectType type, const struct skr_uuid *id)
{
    if (*at && *at != to)
        skr_policy_scope_remove(policy, *at, type, id);
    *at = to;
}

void skr_policy_compile_put(struct skr_policy *policy, struct scope *scope, Skerry__V1__ObjectType type,
                            const struct skr_uuid *id, const ProtobufCMessage *message)
{
    uint8_t small[BODY_STACK];
    SKR_CLEANUP(skr_free_cleanup) uint8_t *large = NULL;
    size_t size = protobuf_c_message_get_packed_size(message);

    if (size > sizeof(small))
        large = skr_policy_must(malloc(size));
    protobuf_c_message_pack(message, large ? large : small);
    skr_policy_scope_put(policy, scope, type, id, large ? large : small, size);
}

static void compile_node(struct skr_policy *policy, struct node *node)
{
    switch ((enum skr_resource_id)node->key.type) {
    case SKR_HOST:
        skr_policy_compile_host(policy, (struct host *)node);
        break;
    case SKR_PROVIDER_ADDRESS:
        skr_policy_compile_provider_address(policy, (struct provider_address *)node);
        break;
    case SKR_NETWORK_ADAPTER:
        skr_policy_compile_port(policy, (struct adapter *)node);
        break;
    case SKR_VM_NETWORK:
        skr_policy_compile_domain(policy, (struct domain *)node);
        break;
    case SKR_VM_SUBNET:
        skr_policy_compile_subnet(policy, (struct subnet *)node);
        break;
    case SKR_LOOKUP_RECORD:
        skr_policy_compile_record(policy, (struct record *)node);
        break;
    case SKR_HOST_SWITCH:
        skr_policy_compile_host_switch(policy, (struct host_switch *)node);
        break;
    case SKR_ACCESS_CONTROL_LIST:
        skr_policy_compile_acl(policy, (struct acl *)node);
        break;
    case SKR_CUSTOMER_ROUTE:
        skr_policy_compile_route(policy, (struct route *)node);
        break;
    default:
        break;
    }
}

void skr_policy_compile_marked(struct skr_policy *policy)
{
    struct member *member;

    for (uint32_t i = 0; i < policy->dirty_count; i++) {
        struct node *node = policy->dirty[i];
        node->dirty = false;
        compile_node(policy, node);
        skr_policy_node_unref(policy, node);
    }
    policy->dirty_count = 0;
    while ((member = LIST_FIRST(&policy->dirty_members))) {
        LIST_REMOVE(member, dirty_link);
        member->dirty = false;
        skr_policy_compile_member(policy, member);
    }
    struct acl_use *use;
    while ((use = LIST_FIRST(&policy->dirty_uses))) {
        LIST_REMOVE(use, dirty_link);
        use->dirty = false;
        skr_policy_compile_acl_use(policy, use);
    }
}
