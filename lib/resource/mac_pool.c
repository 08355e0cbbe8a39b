#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_MAC_POOL_HOST_GROUP_IDS] =
                FIELD("host_group_ids", REFERENCES, 0, FABRIC, FABRIC,
                      "Host groups it serves, with everything below them", .target = SKR_HOST_GROUP),
        [SKR_MAC_POOL_RANGE_START] =
                FIELD("range_start", MAC, REQUIRED, FABRIC, FABRIC, "First MAC address", .column_title = "FROM"),
        [SKR_MAC_POOL_RANGE_END] =
                FIELD("range_end", MAC, REQUIRED, FABRIC, FABRIC, "Last MAC address", .column_title = "TO"),
        [SKR_MAC_POOL_BUILT_IN] = FIELD("built_in", BOOLEAN, READ_ONLY | WIDE, NOBODY, FABRIC,
                                        "Made with the database; cannot be deleted", .column_title = "BUILT-IN"),
};

const struct skr_resource skr_resource_mac_pool = {
        .id = SKR_MAC_POOL,
        .name = "mac-pool",
        .collection = "mac-pools",
        .shorthand = "macp",
        .table = "mac_pool",
        .help = "A range of MAC addresses for network adapters",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .name_parent = -1,
        .maximum = 1000,
        FIELDS(fields),
};
