#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_LOGICAL_NETWORK_ISOLATION] =
                FIELD("isolation", ENUM, IMMUTABLE, FABRIC, ANY, "How its sites and VM networks are kept apart",
                      .choices = CHOICES("connected", "vlan", "pvlan"), .fallback = "\"connected\"",
                      .column_title = "ISOLATION"),
        [SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION] =
                FIELD("network_virtualization", BOOLEAN, NULLABLE, FABRIC, ANY,
                      "VM networks with addresses of their own run over it; null: where it is connected, yes",
                      .column_title = "VIRTUALIZATION"),
        [SKR_LOGICAL_NETWORK_ENCAPSULATION] =
                FIELD("encapsulation", ENUM, 0, FABRIC, ANY,
                      "Wire format between hosts; vxlan is advised for new networks: network cards help with it",
                      .choices = CHOICES("nvgre", "vxlan"), .fallback = "\"nvgre\"", .column_title = "ENCAPSULATION"),
        [SKR_LOGICAL_NETWORK_MTU] = FIELD("mtu", INTEGER, 0, FABRIC, ANY,
                                          "Largest packet of the physical network in bytes, outer headers included",
                                          .minimum = 1280, .maximum = 9216, .fallback = "1500", .column_title = "MTU"),
        [SKR_LOGICAL_NETWORK_UTILIZATION] =
                FIELD("utilization", COMPUTED, READ_ONLY, NOBODY, FABRIC,
                      "Pools of its sites together: {total, allocated, reserved, vip, free} as decimal texts"),
};

const struct skr_resource skr_resource_logical_network = {
        .id = SKR_LOGICAL_NETWORK,
        .name = "logical-network",
        .collection = "logical-networks",
        .shorthand = "ln",
        .table = "logical_network",
        .help = "A named physical network as the administrator sees it",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_ANY,
        .name_parent = -1,
        .maximum = 1000,
        FIELDS(fields),
};
