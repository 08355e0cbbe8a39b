/* Access control lists: packed once, and kept in the scope of each host that has a port with them. */
#include "controller/policy/graph.h"
#include <skerry/access.h>
#include <skerry/object.h>
#include <skerry/resource_fields.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_BYTES 17

/* ---- a list as sent ---- */

static uint32_t protocol_of(const char *text)
{
    unsigned protocol = SKR_PROTOCOL_ANY;

    if (text)
        (void)skr_protocol_parse(text, &protocol);
    return protocol;
}

/* 0 to 0: all. */
static struct skr_ports ports_of(const char *text)
{
    struct skr_ports ports = {0};

    if (text)
        (void)skr_ports_parse(text, &ports);
    return ports;
}

/* Address and length in the 16-byte form. */
static ProtobufCBinaryData prefix_of(const struct skr_object *rule, int field, uint8_t out[static PREFIX_BYTES])
{
    if (!skr_object_has(rule, field))
        return (ProtobufCBinaryData){0};
    struct skr_prefix prefix = skr_object_prefix(rule, field);
    memcpy(out, prefix.address.bytes, sizeof(prefix.address.bytes));
    out[PREFIX_BYTES - 1] = (uint8_t)(prefix.length + (skr_address_is_v4(&prefix.address) ? 96 : 0));
    return (ProtobufCBinaryData){.len = PREFIX_BYTES, .data = out};
}

struct rule_buffer {
    Skerry__V1__AccessRule rule;
    struct skr_uuid id;
    uint8_t local[PREFIX_BYTES], remote[PREFIX_BYTES];
};

static void rule_set(struct rule_buffer *buffer, const struct skr_object *from)
{
    static const char *const actions[] = {"allow", "deny", "meter", NULL};
    Skerry__V1__AccessRule *rule = &buffer->rule;
    const char *direction = skr_object_text(from, SKR_ACL_RULE_DIRECTION);
    struct skr_ports local = ports_of(skr_object_text(from, SKR_ACL_RULE_LOCAL_PORTS));
    struct skr_ports remote = ports_of(skr_object_text(from, SKR_ACL_RULE_REMOTE_PORTS));

    skerry__v1__access_rule__init(rule);
    buffer->id = skr_object_uuid(from, SKR_ACL_RULE_ID);
    rule->id = skr_policy_wire_uuid(&buffer->id);
    rule->out = direction && strcmp(direction, "out") == 0;
    rule->action =
            (Skerry__V1__AccessAction)skr_policy_apply_choice(skr_object_text(from, SKR_ACL_RULE_ACTION), actions);
    rule->protocol = protocol_of(skr_object_text(from, SKR_ACL_RULE_PROTOCOL));
    rule->local = prefix_of(from, SKR_ACL_RULE_LOCAL, buffer->local);
    rule->remote = prefix_of(from, SKR_ACL_RULE_REMOTE, buffer->remote);
    rule->local_port_first = local.first;
    rule->local_port_last = local.last;
    rule->remote_port_first = remote.first;
    rule->remote_port_last = remote.last;
    rule->weight = (uint32_t)skr_object_integer(from, SKR_ACL_RULE_WEIGHT);
    rule->stateful = skr_object_integer(from, SKR_ACL_RULE_STATEFUL) != 0;
    rule->idle_timeout_s = (uint32_t)skr_object_integer(from, SKR_ACL_RULE_IDLE_TIMEOUT_S);
    rule->log = skr_object_integer(from, SKR_ACL_RULE_LOG) != 0;
}

void skr_policy_apply_acl(struct skr_policy *policy, struct acl *acl, const struct skr_object *object)
{
    uint32_t count;
    struct skr_object *const *rules = skr_policy_apply_structs(object, SKR_ACCESS_CONTROL_LIST_RULES, &count);
    struct rule_buffer *buffers = skr_policy_must(calloc(count + 1, sizeof(*buffers)));
    Skerry__V1__AccessRule **list = skr_policy_must(calloc(count + 1, sizeof(void *)));
    Skerry__V1__AccessControlList message = SKERRY__V1__ACCESS_CONTROL_LIST__INIT;

    for (uint32_t i = 0; i < count; i++) {
        rule_set(&buffers[i], rules[i]);
        list[i] = &buffers[i].rule;
    }
    message.rules = list;
    message.n_rules = count;
    free(acl->bytes);
    acl->size = protobuf_c_message_get_packed_size(&message.base);
    acl->bytes = skr_policy_must(malloc(acl->size + 1));
    protobuf_c_message_pack(&message.base, acl->bytes);
    free(buffers);
    free(list);
    skr_policy_node_mark(policy, &acl->node);
}

/* ---- who has it ---- */

static void use_mark(struct skr_policy *policy, struct acl_use *use)
{
    if (use->dirty)
        return;
    use->dirty = true;
    LIST_INSERT_HEAD(&policy->dirty_uses, use, dirty_link);
}

static struct acl_use *use_new(struct skr_policy *policy, struct host *host, const struct skr_uuid *id)
{
    struct acl_use *use = skr_policy_must(calloc(1, sizeof(*use)));

    use->key.id = *id;
    use->host = host;
    use->acl = skr_policy_graph_node(policy, SKR_ACCESS_CONTROL_LIST, id);
    skr_policy_node_ref(&use->acl->node);
    skr_policy_node_ref(&host->node);
    LIST_INSERT_HEAD(&use->acl->uses, use, acl_link);
    skr_id_map_put(&host->acls, use);
    return use;
}

void skr_policy_acl_count(struct skr_policy *policy, struct host *host, const struct skr_uuid *ids, uint32_t count,
                          bool more)
{
    for (uint32_t i = 0; i < count; i++) {
        struct acl_use *use = skr_id_map_get(&host->acls, 0, &ids[i]);
        if (!use)
            use = use_new(policy, host, &ids[i]);
        use->count += more ? 1U : -1U;
        if (use->count == (more ? 1U : 0U))
            use_mark(policy, use);
    }
}

void skr_policy_compile_acl(struct skr_policy *policy, struct acl *acl)
{
    struct acl_use *use;
    LIST_FOREACH (use, &acl->uses, acl_link)
        use_mark(policy, use);
}

void skr_policy_compile_acl_use(struct skr_policy *policy, struct acl_use *use)
{
    const Skerry__V1__ObjectType type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_ACCESS_CONTROL_LIST;
    struct acl *acl = use->acl;
    struct host *host = use->host;

    if (host->scope && use->count && acl->node.present)
        skr_policy_scope_put(policy, host->scope, type, &use->key.id, acl->bytes, acl->size);
    else if (host->scope)
        skr_policy_scope_remove(policy, host->scope, type, &use->key.id);
    if (use->count)
        return;
    LIST_REMOVE(use, acl_link);
    skr_id_map_remove(&host->acls, 0, &use->key.id);
    free(use);
    skr_policy_node_unref(policy, &acl->node);
    skr_policy_node_unref(policy, &host->node);
}
