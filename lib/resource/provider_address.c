#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(OF_FABRIC, READ_ONLY),
        [SKR_PROVIDER_ADDRESS_HOST_ID] = FIELD("host_id", REFERENCE, READ_ONLY | FILTER, NOBODY, FABRIC, "Host",
                                               .target = SKR_HOST, .column_title = "HOST"),
        [SKR_PROVIDER_ADDRESS_NETWORK_SITE_ID] = FIELD("network_site_id", REFERENCE, READ_ONLY | FILTER, NOBODY, FABRIC,
                                                       "Site", .target = SKR_NETWORK_SITE, .column_title = "SITE"),
        [SKR_PROVIDER_ADDRESS_LOGICAL_NETWORK_ID] = FIELD("logical_network_id", REFERENCE, READ_ONLY | FILTER, NOBODY,
                                                          FABRIC, "Logical network", .target = SKR_LOGICAL_NETWORK),
        [SKR_PROVIDER_ADDRESS_IP_POOL_ID] = FIELD("ip_pool_id", REFERENCE, READ_ONLY | FILTER | NULLABLE, NOBODY,
                                                  FABRIC, "Pool it came from", .target = SKR_IP_POOL),
        [SKR_PROVIDER_ADDRESS_UPLINK] =
                FIELD("uplink", TEXT, READ_ONLY, NOBODY, FABRIC, "Interface on the host", .column_title = "UPLINK"),
        [SKR_PROVIDER_ADDRESS_ADDRESS] =
                FIELD("address", ADDRESS, READ_ONLY | FILTER | NULLABLE, NOBODY, FABRIC,
                      "The address; null: none is left, see reason", .column_title = "ADDRESS"),
        [SKR_PROVIDER_ADDRESS_SUBNET] =
                FIELD("subnet", PREFIX, READ_ONLY, NOBODY, FABRIC, "Subnet of the site", .column_title = "SUBNET"),
        [SKR_PROVIDER_ADDRESS_GATEWAY] =
                FIELD("gateway", ADDRESS, READ_ONLY | NULLABLE, NOBODY, FABRIC, "Gateway to the other sites"),
        [SKR_PROVIDER_ADDRESS_VLAN_ID] = FIELD("vlan_id", INTEGER, READ_ONLY | WIDE, NOBODY, FABRIC,
                                               "VLAN on the wire, 0 = untagged", .column_title = "VLAN"),
        [SKR_PROVIDER_ADDRESS_REASON] = FIELD("reason", TEXT, READ_ONLY | NULLABLE, NOBODY, FABRIC,
                                              "Why there is no address", .column_title = "REASON"),
};

const struct skr_resource skr_resource_provider_address = {
        .id = SKR_PROVIDER_ADDRESS,
        .name = "provider-address",
        .collection = "provider-addresses",
        .shorthand = "pa",
        .table = "provider_address",
        .help = "The outer address of a host at a site",
        .scope = SKR_SCOPE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .flags = SKR_RESOURCE_VIEW,
        .name_parent = -1,
        .maximum = 1000000,
        FIELDS(fields),
};
