#include "lib/resource/table.h"

static const struct skr_field subnet_vlan_fields[] = {
        [SKR_SUBNET_VLAN_SUBNET] =
                FIELD("subnet", PREFIX, NULLABLE, FABRIC, FABRIC, "IP subnet; provider addresses come from it"),
        [SKR_SUBNET_VLAN_VLAN_ID] =
                FIELD("vlan_id", INTEGER, 0, FABRIC, FABRIC, "VLAN on the wire, 0 = untagged", .maximum = 4094),
        [SKR_SUBNET_VLAN_SECONDARY_VLAN_ID] = FIELD("secondary_vlan_id", INTEGER, NULLABLE, FABRIC, FABRIC,
                                                    "Secondary VLAN of a private VLAN", .minimum = 1, .maximum = 4094),
};

static const struct skr_resource subnet_vlan = {
        .id = SKR_NETWORK_SITE,
        .name = "subnet-vlan",
        .help = "A subnet and its VLAN at a site",
        .name_parent = -1,
        FIELDS(subnet_vlan_fields),
};

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(OF_FABRIC, FILTER),
        [SKR_NETWORK_SITE_LOGICAL_NETWORK_ID] = FIELD("logical_network_id", REFERENCE, REQUIRED | IMMUTABLE | FILTER,
                                                      FABRIC, FABRIC, "Logical network the site belongs to",
                                                      .target = SKR_LOGICAL_NETWORK, .column_title = "LOGICAL NETWORK"),
        [SKR_NETWORK_SITE_HOST_GROUP_IDS] = FIELD("host_group_ids", REFERENCES, 0, FABRIC, FABRIC,
                                                  "Host groups the site holds for, with everything below them",
                                                  .target = SKR_HOST_GROUP, .column_title = "HOST GROUPS"),
        [SKR_NETWORK_SITE_SUBNET_VLANS] = FIELD("subnet_vlans", STRUCTS, 0, FABRIC, FABRIC, "Subnets and VLANs here",
                                                .sub = &subnet_vlan, .maximum = 256, .column_title = "SUBNETS"),
        [SKR_NETWORK_SITE_UTILIZATION] =
                FIELD("utilization", COMPUTED, READ_ONLY, NOBODY, FABRIC,
                      "Its pools together: {total, allocated, reserved, vip, free} as decimal texts"),
};

const struct skr_resource skr_resource_network_site = {
        .id = SKR_NETWORK_SITE,
        .name = "network-site",
        .collection = "network-sites",
        .shorthand = "site",
        .table = "network_site",
        .help = "Where a logical network is: host groups with their subnets and VLANs",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .name_parent = SKR_NETWORK_SITE_LOGICAL_NETWORK_ID,
        .maximum = 10000,
        FIELDS(fields),
};
