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
};

const struct skr_resource skr_resource_vm_network = {
        .id = SKR_VM_NETWORK,
        .name = "vm-network",
        .collection = "vm-networks",
        .shorthand = "vmn",
        .table = "vm_network",
        .help = "A tenant's isolated network",
        .scope = SKR_SCOPE_TENANT,
        .name_parent = SKR_FIELD_TENANT_ID,
        .maximum = 100000,
        FIELDS(fields),
};
