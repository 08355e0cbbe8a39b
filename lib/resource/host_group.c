#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_HOST_GROUP_PARENT_ID] = FIELD("parent_id", REFERENCE, NULLABLE | FILTER, ADMIN, ADMIN,
                                           "Group above this one; null at create: the root \"All hosts\"",
                                           .target = SKR_HOST_GROUP, .column_title = "PARENT"),
        [SKR_HOST_GROUP_CLAIMS] = FIELD("claims", BOOLEAN, 0, ADMIN, ADMIN,
                                        "Hosts of this group may claim adapters by an interface's alias",
                                        .fallback = "true", .column_title = "CLAIMS"),
        [SKR_HOST_GROUP_BUILT_IN] = FIELD("built_in", BOOLEAN, READ_ONLY | WIDE, NOBODY, ADMIN,
                                          "Made with the database; cannot be deleted", .column_title = "BUILT-IN"),
};

const struct skr_resource skr_resource_host_group = {
        .id = SKR_HOST_GROUP,
        .name = "host-group",
        .collection = "host-groups",
        .shorthand = "hg",
        .table = "host_group",
        .help = "A node of the tree that hosts are sorted into",
        .scope = SKR_SCOPE_FABRIC,
        .name_parent = -1,
        .maximum = 10000,
        FIELDS(fields),
};
