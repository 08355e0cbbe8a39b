#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_TENANT),
        [SKR_VM_NETWORK_LOGICAL_NETWORK_ID] =
                FIELD("logical_network_id", REFERENCE, REQUIRED | IMMUTABLE | FILTER, ANY, ANY,
                      "Logical network it runs over", .target = SKR_LOGICAL_NETWORK, .column_title = "LOGICAL NETWORK"),
        [SKR_VM_NETWORK_ISOLATION] = FIELD("isolation", ENUM, IMMUTABLE, ANY, ANY, "How it is kept apart",
                                           .choices = CHOICES("none", "vlan", "pvlan", "network_virtualization"),
                                           .fallback = "\"network_virtualization\"", .column_title = "ISOLATION"),
        [SKR_VM_NETWORK_ROUTING_DOMAIN_ID] = FIELD("routing_domain_id", UUID, READ_ONLY | FILTER | WIDE, NOBODY, ANY,
                                                   "Routing domain (RDID), assigned", .column_title = "RDID"),
        [SKR_VM_NETWORK_ROUTING_DOMAIN_NUMBER] = FIELD("routing_domain_number", INTEGER, HIDDEN, NOBODY, NOBODY,
                                                       "The fast path's key for the RDID, never reused"),
        [SKR_VM_NETWORK_MTU] = FIELD("mtu", INTEGER, NULLABLE, ANY, ANY,
                                     "Largest packet of a VM in bytes; null: what the logical network carries",
                                     .minimum = 1280, .maximum = 9216, .column_title = "MTU"),
        [SKR_VM_NETWORK_NETWORK_SITE_ID] =
                FIELD("network_site_id", REFERENCE, NULLABLE | IMMUTABLE | FILTER, FABRIC, FABRIC,
                      "Site of a vlan or pvlan network; null at create: one with a free VLAN is picked",
                      .target = SKR_NETWORK_SITE),
        [SKR_VM_NETWORK_VLAN_ID] =
                FIELD("vlan_id", INTEGER, NULLABLE | IMMUTABLE, FABRIC, FABRIC,
                      "VLAN of a vlan or pvlan network, 0 = untagged; null at create: a free one", .maximum = 4094),
        [SKR_VM_NETWORK_SECONDARY_VLAN_ID] = FIELD(
                "secondary_vlan_id", INTEGER, NULLABLE | IMMUTABLE, FABRIC, FABRIC,
                "Secondary VLAN of a pvlan network; null at create: that of its VLAN", .minimum = 1, .maximum = 4094),
};

const struct skr_resource skr_resource_vm_network = {
        .id = SKR_VM_NETWORK,
        .name = "vm-network",
        .collection = "vm-networks",
        .shorthand = "vmn",
        .table = "vm_network",
        .help = "A tenant's isolated network",
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_TENANT,
        .reader = SKR_ROLE_ANY,
        .name_parent = SKR_FIELD_TENANT_ID,
        .maximum = 100000,
        FIELDS(fields),
};
