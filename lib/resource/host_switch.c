#include "lib/resource/table.h"

static const struct skr_field uplink_fields[] = {
        [SKR_SWITCH_UPLINK_INTERFACE] = FIELD("interface", TEXT, REQUIRED, FABRIC, FABRIC,
                                              "Network interface on the host", .minimum = 1, .maximum = 15),
        [SKR_SWITCH_UPLINK_PROFILE_ID] =
                FIELD("uplink_port_profile_id", REFERENCE, NULLABLE, FABRIC, FABRIC,
                      "One of the logical switch's; null where it has none: the sites of the host's uplink count",
                      .target = SKR_UPLINK_PORT_PROFILE),
};

static const struct skr_resource uplink = {
        .id = SKR_HOST_SWITCH,
        .name = "uplink",
        .help = "A physical interface of the switch",
        .name_parent = -1,
        FIELDS(uplink_fields),
};

static const struct skr_field host_adapter_fields[] = {
        [SKR_HOST_ADAPTER_NAME] = FIELD("name", TEXT, REQUIRED, FABRIC, FABRIC, "Interface that the host gets",
                                        .minimum = 1, .maximum = 15),
        [SKR_HOST_ADAPTER_INHERIT_FROM_UPLINK] =
                FIELD("inherit_from_uplink", BOOLEAN, 0, FABRIC, FABRIC, "Takes over MAC and addresses of the uplink"),
        [SKR_HOST_ADAPTER_CLASSIFICATION_ID] =
                FIELD("classification_id", REFERENCE, NULLABLE, FABRIC, FABRIC,
                      "Port classification; null: the logical switch's default", .target = SKR_PORT_CLASSIFICATION),
        [SKR_HOST_ADAPTER_NETWORK_SITE_ID] = FIELD("network_site_id", REFERENCE, NULLABLE, FABRIC, FABRIC,
                                                   "Site it is in; this or vm_network_id", .target = SKR_NETWORK_SITE),
        [SKR_HOST_ADAPTER_VM_NETWORK_ID] =
                FIELD("vm_network_id", REFERENCE, NULLABLE, FABRIC, FABRIC,
                      "VM network without virtualization it is in; this or network_site_id", .target = SKR_VM_NETWORK),
        [SKR_HOST_ADAPTER_VLAN_ID] = FIELD("vlan_id", INTEGER, NULLABLE, FABRIC, FABRIC,
                                           "VLAN, 0 = untagged; needed where the site has several", .maximum = 4094),
};

static const struct skr_resource host_adapter = {
        .id = SKR_HOST_SWITCH,
        .name = "host-adapter",
        .help = "An adapter of the host itself",
        .name_parent = -1,
        FIELDS(host_adapter_fields),
};

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(OF_FABRIC, FILTER),
        [SKR_HOST_SWITCH_HOST_ID] = FIELD("host_id", REFERENCE, REQUIRED | IMMUTABLE | FILTER, FABRIC, FABRIC,
                                          "Host it is on", .target = SKR_HOST, .column_title = "HOST"),
        [SKR_HOST_SWITCH_LOGICAL_SWITCH_ID] = FIELD("logical_switch_id", REFERENCE, REQUIRED | IMMUTABLE | FILTER,
                                                    FABRIC, FABRIC, "Logical switch it is made of, once a host",
                                                    .target = SKR_LOGICAL_SWITCH, .column_title = "LOGICAL SWITCH"),
        [SKR_HOST_SWITCH_UPLINKS] = FIELD("uplinks", STRUCTS, 0, FABRIC, FABRIC,
                                          "Physical interfaces: one, or the members of a team with the same profile",
                                          .sub = &uplink, .maximum = 32, .column_title = "UPLINKS"),
        [SKR_HOST_SWITCH_HOST_ADAPTERS] = FIELD("host_adapters", STRUCTS, 0, FABRIC, FABRIC, "The host's own adapters",
                                                .sub = &host_adapter, .maximum = 32),
        [SKR_HOST_SWITCH_AVAILABILITY] =
                FIELD("availability", COMPUTED, READ_ONLY, NOBODY, FABRIC,
                      "{highly_available, hosts, hosts_with_switch, reason}: do all hosts of the group have the "
                      "logical switch",
                      .column_title = "AVAILABILITY"),
};

const struct skr_resource skr_resource_host_switch = {
        .id = SKR_HOST_SWITCH,
        .name = "host-switch",
        .collection = "host-switches",
        .shorthand = "hs",
        .table = "host_switch",
        .help = "A logical switch deployed on a host",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .name_parent = SKR_HOST_SWITCH_HOST_ID,
        .maximum = 100000,
        FIELDS(fields),
};
