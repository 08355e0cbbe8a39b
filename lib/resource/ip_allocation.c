#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(OF_FABRIC, READ_ONLY),
        [SKR_IP_ALLOCATION_IP_POOL_ID] = FIELD("ip_pool_id", REFERENCE, READ_ONLY | FILTER, NOBODY, FABRIC, "Pool",
                                               .target = SKR_IP_POOL, .column_title = "POOL"),
        [SKR_IP_ALLOCATION_ADDRESS] =
                FIELD("address", ADDRESS, READ_ONLY | FILTER, NOBODY, FABRIC, "Address", .column_title = "ADDRESS"),
        [SKR_IP_ALLOCATION_KIND] =
                FIELD("kind", ENUM, READ_ONLY, NOBODY, FABRIC, "What it is for",
                      .choices = CHOICES("adapter", "provider", "vip", "manual"), .column_title = "KIND"),
        [SKR_IP_ALLOCATION_OWNER_ID] = FIELD("owner_id", UUID, READ_ONLY | FILTER | NULLABLE, NOBODY, FABRIC,
                                             "Adapter or provider address that has it", .column_title = "OWNER"),
        [SKR_IP_ALLOCATION_RETIRED_AT_REVISION] =
                FIELD("retired_at_revision", INTEGER, READ_ONLY | NULLABLE | WIDE, NOBODY, FABRIC,
                      "Freed here; free once every host has seen it", .column_title = "RETIRED"),
};

const struct skr_resource skr_resource_ip_allocation = {
        .id = SKR_IP_ALLOCATION,
        .name = "ip-allocation",
        .collection = "ip-allocations",
        .shorthand = "ipa",
        .table = "ip_allocation",
        .help = "An address taken from a pool",
        .scope = SKR_SCOPE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .flags = SKR_RESOURCE_VIEW,
        .name_parent = -1,
        .maximum = 10000000,
        FIELDS(fields),
};
