#include "lib/resource/table.h"

#define SWITCH(name, fallback_, help) FIELD(name, BOOLEAN, 0, FABRIC, ANY, help, .fallback = (fallback_))

static const struct skr_field offload_fields[] = {
        [SKR_OFFLOAD_VMQ] = SWITCH("vmq", "false", "A hardware queue of its own where there is one"),
        [SKR_OFFLOAD_IPSEC_TASK_OFFLOAD] = SWITCH("ipsec_task_offload", "false", "IPsec work by the network card"),
        [SKR_OFFLOAD_SRIOV] = SWITCH("sriov", "false", "A virtual function of the network card"),
        [SKR_OFFLOAD_VRSS] = SWITCH("vrss", "false", "Receive load spread over the VM's processors"),
};

static const struct skr_field security_fields[] = {
        [SKR_SECURITY_MAC_SPOOFING] = SWITCH("mac_spoofing", "false", "The VM may send with other source MACs"),
        [SKR_SECURITY_DHCP_GUARD] = SWITCH("dhcp_guard", "true", "DHCP answers of the VM are dropped"),
        [SKR_SECURITY_ROUTER_GUARD] =
                SWITCH("router_guard", "true", "Router advertisements and redirects of the VM are dropped"),
        [SKR_SECURITY_ARP_ND_INSPECTION] =
                SWITCH("arp_nd_inspection", "true", "ARP and neighbour discovery must name the VM's own addresses"),
        [SKR_SECURITY_GUEST_TEAMING] = SWITCH("guest_teaming", "false", "The VM may team its adapters"),
        [SKR_SECURITY_IEEE_PRIORITY_TAGGING] =
                SWITCH("ieee_priority_tagging", "false", "The VM may send 802.1p priority tags"),
        [SKR_SECURITY_GUEST_SPECIFIED_IPS] =
                SWITCH("guest_specified_ips", "false", "Addresses that the VM uses are learned"),
};

static const struct skr_field bandwidth_fields[] = {
        [SKR_BANDWIDTH_MINIMUM_WEIGHT] = FIELD("minimum_weight", INTEGER, NULLABLE, FABRIC, ANY,
                                               "Share of the uplink under load; this or minimum_bps", .maximum = 100),
        [SKR_BANDWIDTH_MINIMUM_BPS] =
                FIELD("minimum_bps", INTEGER, NULLABLE, FABRIC, ANY, "Guaranteed bits a second; this or minimum_weight",
                      .minimum = 1, .maximum = 1000000000000),
        [SKR_BANDWIDTH_MAXIMUM_BPS] = FIELD("maximum_bps", INTEGER, NULLABLE, FABRIC, ANY,
                                            "At most this many bits a second", .minimum = 1, .maximum = 1000000000000),
};

static const struct skr_resource offload = {.id = SKR_VIRTUAL_PORT_PROFILE,
                                            .name = "offload",
                                            .help = "Work handed to the network card",
                                            .name_parent = -1,
                                            FIELDS(offload_fields)};
static const struct skr_resource security = {.id = SKR_VIRTUAL_PORT_PROFILE,
                                             .name = "security",
                                             .help = "What the VM may send",
                                             .name_parent = -1,
                                             FIELDS(security_fields)};
static const struct skr_resource bandwidth = {.id = SKR_VIRTUAL_PORT_PROFILE,
                                              .name = "bandwidth",
                                              .help = "How much it may send",
                                              .name_parent = -1,
                                              FIELDS(bandwidth_fields)};

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_VIRTUAL_PORT_PROFILE_OFFLOAD] =
                FIELD("offload", STRUCT, 0, FABRIC, ANY, "Work handed to the network card", .sub = &offload),
        [SKR_VIRTUAL_PORT_PROFILE_SECURITY] =
                FIELD("security", STRUCT, 0, FABRIC, ANY, "What the VM may send", .sub = &security),
        [SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH] =
                FIELD("bandwidth", STRUCT, 0, FABRIC, ANY, "How much it may send", .sub = &bandwidth),
        [SKR_VIRTUAL_PORT_PROFILE_BUILT_IN] =
                FIELD("built_in", BOOLEAN, READ_ONLY, NOBODY, ANY, "Made with the database; cannot be deleted",
                      .column_title = "BUILT-IN"),
};

const struct skr_resource skr_resource_virtual_port_profile = {
        .id = SKR_VIRTUAL_PORT_PROFILE,
        .name = "virtual-port-profile",
        .collection = "virtual-port-profiles",
        .shorthand = "vpp",
        .table = "virtual_port_profile",
        .help = "Settings of a VM-facing port",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .name_parent = -1,
        .maximum = 1000,
        FIELDS(fields),
};
