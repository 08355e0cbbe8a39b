#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_HOST_GROUP_PARENT_ID] = FIELD("parent_id", REFERENCE, NULLABLE | FILTER, FABRIC, FABRIC,
                                           "Group above this one; null at create: the root \"All hosts\"",
                                           .target = SKR_HOST_GROUP, .column_title = "PARENT"),
        [SKR_HOST_GROUP_CLAIMS] =
                FIELD("claims", BOOLEAN, 0, FABRIC, FABRIC,
                      "Hosts of this group are trusted to claim any adapter of their networks that is "
                      "on no host, by an interface's alias",
                      .fallback = "false", .column_title = "CLAIMS"),
        [SKR_HOST_GROUP_BUILT_IN] = FIELD("built_in", BOOLEAN, READ_ONLY | WIDE, NOBODY, FABRIC,
                                          "Made with the database; cannot be deleted", .column_title = "BUILT-IN"),
        [SKR_HOST_GROUP_HOST_COUNT] =
                FIELD("host_count", INTEGER, HIDDEN | STATUS, NOBODY, NOBODY, "Hosts in the group, removed ones apart"),
        [SKR_HOST_GROUP_AVAILABILITY] =
                FIELD("availability", COMPUTED, READ_ONLY, NOBODY, FABRIC,
                      "Logical switches that some hosts of the group have and others lack: {logical_switch_id, hosts, "
                      "hosts_with_switch, reason}"),
};

const struct skr_resource skr_resource_host_group = {
        .id = SKR_HOST_GROUP,
        .name = "host-group",
        .collection = "host-groups",
        .shorthand = "hg",
        .table = "host_group",
        .help = "A node of the tree that hosts are sorted into",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .name_parent = -1,
        .maximum = 10000,
        FIELDS(fields),
};
