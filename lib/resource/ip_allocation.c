#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(SKR_FIELD_READ_ONLY | OF_TENANT, FILTER),
        [SKR_IP_ALLOCATION_IP_POOL_ID] = FIELD("ip_pool_id", REFERENCE, REQUIRED | IMMUTABLE | FILTER, ANY, ANY, "Pool",
                                               .target = SKR_IP_POOL, .column_title = "POOL"),
        [SKR_IP_ALLOCATION_ADDRESS] =
                FIELD("address", ADDRESS, IMMUTABLE | FILTER, ANY, ANY,
                      "Address, also its name; left out at create: the lowest free one", .column_title = "ADDRESS"),
        [SKR_IP_ALLOCATION_PURPOSE] =
                FIELD("purpose", ENUM, IMMUTABLE | FILTER, ANY, ANY,
                      "What it is for; manual and vip are taken by hand, the others by adapters and hosts",
                      .choices = CHOICES("adapter", "provider", "vip", "manual"), .fallback = "\"manual\"",
                      .column_title = "PURPOSE"),
        [SKR_IP_ALLOCATION_OWNER_ID] = FIELD("owner_id", UUID, READ_ONLY | FILTER | NULLABLE, NOBODY, ANY,
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
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_ANY,
        .reader = SKR_ROLE_ANY,
        .flags = SKR_RESOURCE_NO_UPDATE,
        .name_parent = SKR_IP_ALLOCATION_IP_POOL_ID,
        .maximum = 10000000,
        FIELDS(fields),
};
