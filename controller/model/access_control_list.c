#include "controller/model/rules.h"

#include <skerry/access.h>
#include <stdarg.h>

/* A rule being judged, and where it stands. */
struct judged {
    struct skr_object *rule;
    unsigned index, protocol;
};

static int blame(const struct judged *judged, int field, struct skr_error *error, const char *format, ...)
        SKR_PRINTF(4, 5);
static int blame(const struct judged *judged, int field, struct skr_error *error, const char *format, ...)
{
    char place[SKR_ERROR_POINTER_MAX], text[SKR_ERROR_DETAIL_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return skr_refuse(error, SKR_ERROR_INVALID,
                      skr_pointer(place, "rules", judged->index, judged->rule->resource->fields[field].name),
                      "Rule \"%.63s\": %s", skr_object_text(judged->rule, SKR_ACL_RULE_NAME), text);
}

static int settle_protocol(struct judged *judged, struct skr_error *error)
{
    const char *text = skr_object_text(judged->rule, SKR_ACL_RULE_PROTOCOL);
    char normal[SKR_PROTOCOL_TEXT_MAX];
    if (skr_protocol_parse(text, &judged->protocol) < 0)
        return blame(judged, SKR_ACL_RULE_PROTOCOL, error,
                     "\"%.20s\" is no protocol; use tcp, udp, icmp, icmpv6, any or a number from 0 to 255.", text);
    skr_object_set_text(judged->rule, SKR_ACL_RULE_PROTOCOL, skr_protocol_format(judged->protocol, normal));
    return 0;
}

static int settle_ports(struct judged *judged, int field, struct skr_error *error)
{
    const char *text = skr_object_text(judged->rule, field);
    char normal[SKR_PORTS_TEXT_MAX];
    struct skr_ports ports;
    if (!text)
        return 0;
    if (judged->protocol != SKR_PROTOCOL_TCP && judged->protocol != SKR_PROTOCOL_UDP)
        return blame(judged, field, error,
                     "only tcp and udp have ports; set the protocol to one of them or leave the ports out.");
    if (skr_ports_parse(text, &ports) < 0)
        return blame(judged, field, error,
                     "\"%.20s\" are no ports; use one from 1 to 65535 like 80, or a range like 1000-2000.", text);
    skr_object_set_text(judged->rule, field, skr_ports_format(&ports, normal));
    return 0;
}

static int check_families(const struct judged *judged, struct skr_error *error)
{
    static const int sides[] = {SKR_ACL_RULE_LOCAL, SKR_ACL_RULE_REMOTE};
    int family = judged->protocol == SKR_PROTOCOL_ICMP ? 4 : judged->protocol == SKR_PROTOCOL_ICMPV6 ? 6 : 0;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(sides); i++) {
        if (!skr_object_has(judged->rule, sides[i]))
            continue;
        struct skr_prefix prefix = skr_object_prefix(judged->rule, sides[i]);
        int mine = skr_prefix_is_v4(&prefix) ? 4 : 6;
        if (family && family != mine)
            return blame(judged, sides[i], error,
                         "an IPv%d prefix can never match here: the %s is of IPv%d; use prefixes of one family.", mine,
                         i && skr_object_has(judged->rule, SKR_ACL_RULE_LOCAL) ? "other side" : "protocol", family);
        family = mine;
    }
    return 0;
}

static int settle_rule(struct judged *judged, struct skr_error *error)
{
    int r = settle_protocol(judged, error);
    if (r == 0)
        r = settle_ports(judged, SKR_ACL_RULE_LOCAL_PORTS, error);
    if (r == 0)
        r = settle_ports(judged, SKR_ACL_RULE_REMOTE_PORTS, error);
    if (r == 0)
        r = check_families(judged, error);
    if (r == 0 && skr_object_integer(judged->rule, SKR_ACL_RULE_STATEFUL) &&
        strcmp(skr_object_text(judged->rule, SKR_ACL_RULE_ACTION), "allow") != 0)
        r = blame(judged, SKR_ACL_RULE_STATEFUL, error,
                  "only a rule that allows can be stateful: nothing is answered otherwise.");
    return r;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    const struct skr_value *rules = &write->after->values[SKR_ACCESS_CONTROL_LIST_RULES];
    if (!skr_object_has(write->after, SKR_FIELD_TENANT_ID))
        return skr_refuse(error, SKR_ERROR_INVALID, "/tenant_id",
                          "An access control list belongs to a tenant; give its tenant_id.");
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < rules->count; i++)
        r = settle_rule(&(struct judged){.rule = rules->objects[i], .index = i}, error);
    return r;
}

int skr_access_control_lists_check(struct skr_write *write, int field, struct skr_error *error)
{
    const struct skr_value *ids = &write->after->values[field];
    struct skr_uuid tenant_id = skr_object_uuid(write->after, SKR_FIELD_TENANT_ID);
    if (!skr_write_changes(write, field))
        return 0;
    for (uint32_t i = 0; i < ids->count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *list = NULL;
        char place[SKR_ERROR_POINTER_MAX];
        int r = skr_fetch(write->txn, SKR_ACCESS_CONTROL_LIST, &ids->uuids[i], &list, error);
        if (r < 0)
            return r;
        struct skr_uuid owner = skr_object_uuid(list, SKR_FIELD_TENANT_ID);
        if (!skr_uuid_equal(&owner, &tenant_id))
            return skr_refuse(error, SKR_ERROR_REFERENCE,
                              skr_pointer(place, write->after->resource->fields[field].name, i, NULL),
                              "Access control list \"%.100s\" belongs to another tenant; attach one of the %s's own.",
                              skr_object_name(list), write->after->resource->name);
    }
    return 0;
}

const struct skr_rules skr_access_control_list_rules = {.prepare = prepare};
