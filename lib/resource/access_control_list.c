#include "lib/resource/table.h"

static const struct skr_field rule_fields[] = {
        [SKR_ACL_RULE_ID] = FIELD("id", UUID, READ_ONLY, NOBODY, ANY, "Assigned; stays while the rule has its name"),
        [SKR_ACL_RULE_NAME] =
                FIELD("name", TEXT, REQUIRED, ANY, ANY, "Name, unique in the list", .minimum = 1, .maximum = 63),
        [SKR_ACL_RULE_DIRECTION] = FIELD("direction", ENUM, REQUIRED, ANY, ANY, "As the VM sees it: to it or from it",
                                         .choices = CHOICES("in", "out")),
        [SKR_ACL_RULE_ACTION] = FIELD("action", ENUM, REQUIRED, ANY, ANY, "What is done; meter counts and goes on",
                                      .choices = CHOICES("allow", "deny", "meter")),
        [SKR_ACL_RULE_PROTOCOL] =
                FIELD("protocol", TEXT, 0, ANY, ANY, "tcp, udp, icmp, icmpv6, any or a number from 0 to 255",
                      .minimum = 1, .maximum = 6, .fallback = "\"any\""),
        [SKR_ACL_RULE_LOCAL] = FIELD("local", PREFIX, NULLABLE, ANY, ANY, "Addresses on the VM's side; null: all"),
        [SKR_ACL_RULE_REMOTE] = FIELD("remote", PREFIX, NULLABLE, ANY, ANY, "Addresses on the other side; null: all"),
        [SKR_ACL_RULE_LOCAL_PORTS] =
                FIELD("local_ports", TEXT, NULLABLE, ANY, ANY,
                      "Ports on the VM's side, like 80 or 1000-2000; null: all", .minimum = 1, .maximum = 11),
        [SKR_ACL_RULE_REMOTE_PORTS] =
                FIELD("remote_ports", TEXT, NULLABLE, ANY, ANY,
                      "Ports on the other side, like 80 or 1000-2000; null: all", .minimum = 1, .maximum = 11),
        [SKR_ACL_RULE_WEIGHT] =
                FIELD("weight", INTEGER, 0, ANY, ANY, "Higher first, equal ones in their order", .maximum = 65535),
        [SKR_ACL_RULE_STATEFUL] = FIELD("stateful", BOOLEAN, 0, ANY, ANY, "Answers to what is allowed are allowed too"),
        [SKR_ACL_RULE_IDLE_TIMEOUT_S] = FIELD("idle_timeout_s", INTEGER, 0, ANY, ANY,
                                              "Seconds without a packet after which a stateful rule forgets a flow",
                                              .minimum = 1, .maximum = 86400, .fallback = "300"),
        [SKR_ACL_RULE_LOG] = FIELD("log", BOOLEAN, 0, ANY, ANY, "What it matches is logged"),
};

static const struct skr_resource rule = {
        .id = SKR_ACCESS_CONTROL_LIST,
        .name = "rule",
        .help = "One rule of an access control list",
        .flags = SKR_RESOURCE_KEYED,
        .name_parent = -1,
        FIELDS(rule_fields),
};

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_TENANT),
        [SKR_ACCESS_CONTROL_LIST_RULES] = FIELD("rules", STRUCTS, 0, ANY, ANY, "What is allowed, denied and metered",
                                                .sub = &rule, .maximum = 1000, .column_title = "RULES"),
};

const struct skr_resource skr_resource_access_control_list = {
        .id = SKR_ACCESS_CONTROL_LIST,
        .name = "access-control-list",
        .collection = "access-control-lists",
        .shorthand = "acl",
        .table = "access_control_list",
        .help = "Rules for the packets of network adapters, attached to them or to VM subnets",
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_TENANT,
        .reader = SKR_ROLE_ANY,
        .name_parent = SKR_FIELD_TENANT_ID,
        .maximum = 100000,
        FIELDS(fields),
};
