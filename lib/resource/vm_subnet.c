#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_TENANT),
        [SKR_VM_SUBNET_VM_NETWORK_ID] =
                FIELD("vm_network_id", REFERENCE, REQUIRED | IMMUTABLE | FILTER, ANY, ANY, "VM network it belongs to",
                      .target = SKR_VM_NETWORK, .column_title = "VM NETWORK"),
        [SKR_VM_SUBNET_PREFIX] = FIELD("prefix", PREFIX, REQUIRED | IMMUTABLE, ANY, ANY,
                                       "Its addresses, IPv4 /8 to /29 or IPv6 /64; may overlap with other VM networks'",
                                       .column_title = "PREFIX"),
        [SKR_VM_SUBNET_VSID] =
                FIELD("vsid", INTEGER, NULLABLE | IMMUTABLE | FILTER, FABRIC, ANY,
                      "Virtual subnet ID on the wire; null at create: assigned; null later: it is a VLAN's",
                      .minimum = 4096, .maximum = 16777214, .column_title = "VSID"),
        [SKR_VM_SUBNET_GATEWAY] =
                FIELD("gateway", ADDRESS, READ_ONLY | NULLABLE, NOBODY, ANY,
                      "Address of the router: built in, the first of the prefix; on a VLAN that of the site's pool",
                      .column_title = "GATEWAY"),
        [SKR_VM_SUBNET_MTU] = FIELD("mtu", COMPUTED, READ_ONLY | WIDE, NOBODY, ANY,
                                    "Largest packet of a VM in bytes, from the VM network", .column_title = "MTU"),
        [SKR_VM_SUBNET_PA_MULTICAST_GROUP] = FIELD("pa_multicast_group", ADDRESS, NULLABLE, FABRIC, FABRIC,
                                                   "Multicast group of the physical network for broadcasts"),
        [SKR_VM_SUBNET_ACL_IDS] = FIELD("acl_ids", REFERENCES, 0, ANY, ANY,
                                        "Access control lists of every adapter in it, after the adapter's own",
                                        .target = SKR_ACCESS_CONTROL_LIST, .maximum = 16),
        [SKR_VM_SUBNET_UTILIZATION] =
                FIELD("utilization", COMPUTED, READ_ONLY, NOBODY, ANY,
                      "Its pools together: {total, allocated, reserved, vip, free} as decimal texts"),
};

const struct skr_resource skr_resource_vm_subnet = {
        .id = SKR_VM_SUBNET,
        .name = "vm-subnet",
        .collection = "vm-subnets",
        .shorthand = "vms",
        .table = "vm_subnet",
        .help = "One IP subnet of a VM network: a broadcast domain",
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_TENANT,
        .reader = SKR_ROLE_ANY,
        .name_parent = SKR_VM_SUBNET_VM_NETWORK_ID,
        .maximum = 1000000,
        FIELDS(fields),
};
