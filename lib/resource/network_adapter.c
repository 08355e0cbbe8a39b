#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_TENANT),
        [SKR_NETWORK_ADAPTER_VM_NAME] =
                FIELD("vm_name", TEXT, FILTER, ANY, ANY, "VM it belongs to", .maximum = 255, .column_title = "VM"),
        [SKR_NETWORK_ADAPTER_VM_NETWORK_ID] =
                FIELD("vm_network_id", REFERENCE, REQUIRED | IMMUTABLE | FILTER, ANY, ANY, "VM network it is in",
                      .target = SKR_VM_NETWORK, .column_title = "VM NETWORK"),
        [SKR_NETWORK_ADAPTER_VM_SUBNET_ID] =
                FIELD("vm_subnet_id", REFERENCE, NULLABLE | IMMUTABLE | FILTER, ANY, ANY,
                      "VM subnet it is in; null where the VM network has none, or one on its VLAN",
                      .target = SKR_VM_SUBNET, .column_title = "VM SUBNET"),
        [SKR_NETWORK_ADAPTER_MAC] = FIELD("mac", MAC, NULLABLE | IMMUTABLE | FILTER, ANY, ANY,
                                          "MAC address; null: from a MAC pool", .column_title = "MAC"),
        [SKR_NETWORK_ADAPTER_IP_ADDRESSES] =
                FIELD("ip_addresses", ADDRESSES, NULLABLE, ANY, ANY,
                      "Addresses; null: one of the pool of its VM subnet or VLAN, []: none (learned)", .maximum = 64,
                      .column_title = "ADDRESSES"),
        [SKR_NETWORK_ADAPTER_CLASSIFICATION_ID] =
                FIELD("classification_id", REFERENCE, NULLABLE | FILTER, ANY, ANY,
                      "Port classification; null: the built-in default", .target = SKR_PORT_CLASSIFICATION),
        [SKR_NETWORK_ADAPTER_HOST_ID] =
                FIELD("host_id", REFERENCE, NULLABLE | FILTER, FABRIC, FABRIC,
                      "Host it runs on; null: the one that claims it", .target = SKR_HOST, .column_title = "HOST"),
        [SKR_NETWORK_ADAPTER_INTERFACE] =
                FIELD("interface", TEXT, NULLABLE, FABRIC, FABRIC, "Interface on the host; null: found by alias or MAC",
                      .minimum = 1, .maximum = 15),
        [SKR_NETWORK_ADAPTER_CLAIMED] =
                FIELD("claimed", BOOLEAN, HIDDEN | STATUS, NOBODY, NOBODY, "host_id came from a claim"),
        [SKR_NETWORK_ADAPTER_BOUND] =
                FIELD("bound", BOOLEAN, STATUS, NOBODY, ANY, "A port of a host carries it", .column_title = "BOUND"),
        [SKR_NETWORK_ADAPTER_BOUND_INTERFACE] = FIELD("bound_interface", TEXT, STATUS | NULLABLE | WIDE, NOBODY, FABRIC,
                                                      "Interface of that port", .column_title = "INTERFACE"),
        [SKR_NETWORK_ADAPTER_BOUND_REASON] =
                FIELD("bound_reason", TEXT, STATUS | NULLABLE | WIDE, NOBODY, ANY,
                      "Why it is not bound, or what its host sees wrong with the guest", .column_title = "REASON"),
        [SKR_NETWORK_ADAPTER_TARGET_HOST_ID] =
                FIELD("target_host_id", REFERENCE, STATUS | NULLABLE | FILTER | WIDE, NOBODY, FABRIC,
                      "Host it is moving to", .target = SKR_HOST, .column_title = "MOVING TO"),
        [SKR_NETWORK_ADAPTER_ACL_IDS] =
                FIELD("acl_ids", REFERENCES, 0, ANY, ANY, "Access control lists, before those of its VM subnet",
                      .target = SKR_ACCESS_CONTROL_LIST, .maximum = 16),
        [SKR_NETWORK_ADAPTER_TARGET_INTERFACE] =
                FIELD("target_interface", TEXT, STATUS | NULLABLE, NOBODY, FABRIC,
                      "Interface that waits for it on the host it is moving to; null: none yet"),
        [SKR_NETWORK_ADAPTER_TARGET_CLAIMED] =
                FIELD("target_claimed", BOOLEAN, HIDDEN | STATUS, NOBODY, NOBODY, "The host it is moving to claims it"),
        [SKR_NETWORK_ADAPTER_VLAN_ID] =
                FIELD("vlan_id", INTEGER, NULLABLE, FABRIC, FABRIC,
                      "VLAN in a VM network with isolation none, 0 = untagged; needed where the site has several",
                      .maximum = 4094),
        [SKR_NETWORK_ADAPTER_MIRROR] =
                FIELD("mirror", ENUM, 0, FABRIC, FABRIC,
                      "Copies of its traffic: what source adapters send goes to destination",
                      .choices = CHOICES("none", "source", "destination"), .fallback = "\"none\""),
        [SKR_NETWORK_ADAPTER_PROTECTED_NETWORK] =
                FIELD("protected_network", BOOLEAN, 0, ANY, ANY,
                      "Its VM is to run elsewhere when the network of the host fails"),
};

static const struct skr_field migrate_fields[] = {
        [SKR_MIGRATE_HOST_ID] =
                FIELD("host_id", REFERENCE, REQUIRED, FABRIC, FABRIC, "Host to move it to", .target = SKR_HOST),
        [SKR_MIGRATE_TIMEOUT_S] =
                FIELD("timeout_s", INTEGER, 0, FABRIC, FABRIC, "Seconds within which the VM must appear there",
                      .minimum = 1, .maximum = 86400, .fallback = "600"),
};
static const struct skr_resource migrate = {
        .id = SKR_NETWORK_ADAPTER,
        .name = "migrate",
        .help = "Where to",
        .name_parent = -1,
        FIELDS(migrate_fields),
};
static const struct skr_action actions[] = {
        {.verb = "migrate",
         .help = "Moves the adapter to another host, as a job",
         .input = &migrate,
         .role = SKR_ROLE_FABRIC},
        {.verb = "activate", .help = "Says that a moving adapter's VM runs on the target now", .role = SKR_ROLE_FABRIC},
};

const struct skr_resource skr_resource_network_adapter = {
        .id = SKR_NETWORK_ADAPTER,
        .name = "network-adapter",
        .collection = "network-adapters",
        .shorthand = "na",
        .table = "network_adapter",
        .help = "A VM's virtual network card",
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_TENANT,
        .reader = SKR_ROLE_ANY,
        .name_parent = SKR_NETWORK_ADAPTER_VM_NETWORK_ID,
        .maximum = 1000000,
        FIELDS(fields),
        ACTIONS(actions),
};
