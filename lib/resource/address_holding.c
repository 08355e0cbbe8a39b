#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(READ_ONLY | FILTER, READ_ONLY),
        [SKR_ADDRESS_HOLDING_ADDRESS] = FIELD("address", ADDRESS, READ_ONLY | FILTER, NOBODY, ANY, "Address"),
        [SKR_ADDRESS_HOLDING_KIND] =
                FIELD("kind", ENUM, READ_ONLY, NOBODY, ANY, "How it is held",
                      .choices = CHOICES("adapter", "learned", "provider", "vip", "manual"), .column_title = "KIND"),
        [SKR_ADDRESS_HOLDING_OWNER_KIND] =
                FIELD("owner_kind", TEXT, READ_ONLY, NOBODY, ANY, "Kind of who holds it", .column_title = "OWNER KIND"),
        [SKR_ADDRESS_HOLDING_OWNER_ID] = FIELD("owner_id", UUID, READ_ONLY | FILTER, NOBODY, ANY,
                                               "Network adapter, host, or allocation when it was taken by hand"),
        [SKR_ADDRESS_HOLDING_OWNER_NAME] =
                FIELD("owner_name", TEXT, READ_ONLY, NOBODY, ANY, "Its name when it took it", .column_title = "OWNER"),
        [SKR_ADDRESS_HOLDING_VM_NETWORK_ID] =
                FIELD("vm_network_id", UUID, READ_ONLY | NULLABLE, NOBODY, ANY, "VM network the address is in"),
        [SKR_ADDRESS_HOLDING_VM_SUBNET_ID] =
                FIELD("vm_subnet_id", UUID, READ_ONLY | FILTER | NULLABLE, NOBODY, ANY, "VM subnet the address is in"),
        [SKR_ADDRESS_HOLDING_NETWORK_SITE_ID] =
                FIELD("network_site_id", UUID, READ_ONLY | NULLABLE, NOBODY, FABRIC, "Site whose pool it is from"),
        [SKR_ADDRESS_HOLDING_IP_POOL_ID] = FIELD("ip_pool_id", UUID, READ_ONLY | NULLABLE, NOBODY, FABRIC,
                                                 "Pool it is from; null: none manages it"),
        [SKR_ADDRESS_HOLDING_HELD_FROM] =
                FIELD("held_from", TIME, READ_ONLY, NOBODY, ANY, "Since when", .column_title = "FROM"),
        [SKR_ADDRESS_HOLDING_HELD_UNTIL] = FIELD("held_until", TIME, READ_ONLY | NULLABLE, NOBODY, ANY,
                                                 "Until when; null: it is held now", .column_title = "UNTIL"),
        [SKR_ADDRESS_HOLDING_SOURCE_ID] = FIELD("source_id", UUID, HIDDEN, NOBODY, NOBODY, "The row behind it"),
};

const struct skr_resource skr_resource_address_holding = {
        .id = SKR_ADDRESS_HOLDING,
        .name = "address",
        .collection = "addresses",
        .shorthand = "addr",
        .table = "address_holding",
        .help = "Who holds an address, or held it: one row a holding, ended ones kept for 90 days",
        .scope = SKR_SCOPE_TENANT,
        .reader = SKR_ROLE_ANY,
        .flags = SKR_RESOURCE_VIEW | SKR_RESOURCE_HISTORY | SKR_RESOURCE_APPENDED,
        .name_parent = -1,
        .maximum = 10000000,
        FIELDS(fields),
};
