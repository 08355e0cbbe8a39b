#include "lib/resource/table.h"

static const struct skr_field virtual_port_fields[] = {
        [SKR_VIRTUAL_PORT_CLASSIFICATION_ID] =
                FIELD("classification_id", REFERENCE, REQUIRED, FABRIC, FABRIC,
                      "Port classification, each once in the list", .target = SKR_PORT_CLASSIFICATION),
        [SKR_VIRTUAL_PORT_PROFILE_ID] = FIELD("profile_id", REFERENCE, REQUIRED, FABRIC, FABRIC,
                                              "Virtual port profile its ports get", .target = SKR_VIRTUAL_PORT_PROFILE),
        [SKR_VIRTUAL_PORT_IS_DEFAULT] =
                FIELD("is_default", BOOLEAN, 0, FABRIC, FABRIC,
                      "For adapters without a classification of the list; exactly one entry has it"),
};

static const struct skr_resource virtual_port = {
        .id = SKR_LOGICAL_SWITCH,
        .name = "virtual-port",
        .help = "The profile behind a classification",
        .name_parent = -1,
        FIELDS(virtual_port_fields),
};

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_LOGICAL_SWITCH_TYPE] = FIELD("type", ENUM, IMMUTABLE, FABRIC, FABRIC,
                                          "What its ports reach: the physical network, the host, or one another alone",
                                          .choices = CHOICES("external", "internal", "private"),
                                          .fallback = "\"external\"", .column_title = "TYPE"),
        [SKR_LOGICAL_SWITCH_UPLINK_MODE] =
                FIELD("uplink_mode", ENUM, 0, FABRIC, FABRIC, "One uplink (none), or several as a team",
                      .choices = CHOICES("none", "team"), .fallback = "\"none\"", .column_title = "UPLINKS"),
        [SKR_LOGICAL_SWITCH_MINIMUM_BANDWIDTH_MODE] =
                FIELD("minimum_bandwidth_mode", ENUM, 0, FABRIC, FABRIC, "How minimum bandwidth is given",
                      .choices = CHOICES("none", "weight", "absolute"), .fallback = "\"none\""),
        [SKR_LOGICAL_SWITCH_SRIOV] = FIELD("sriov", BOOLEAN, IMMUTABLE | WIDE, FABRIC, FABRIC,
                                           "Virtual functions of the network card", .column_title = "SR-IOV"),
        [SKR_LOGICAL_SWITCH_UPLINK_PORT_PROFILE_IDS] =
                FIELD("uplink_port_profile_ids", REFERENCES, 0, FABRIC, FABRIC, "Profiles its uplinks may have",
                      .target = SKR_UPLINK_PORT_PROFILE, .column_title = "UPLINK PROFILES"),
        [SKR_LOGICAL_SWITCH_VIRTUAL_PORTS] =
                FIELD("virtual_ports", STRUCTS, 0, FABRIC, FABRIC,
                      "Profile behind each classification; empty: the classification's own", .sub = &virtual_port,
                      .maximum = 256),
        [SKR_LOGICAL_SWITCH_EXTENSIONS] =
                FIELD("extensions", JSON, 0, FABRIC, FABRIC,
                      "Extensions of the switch, in order; names that agents know", .json_shape = '[', .maximum = 16),
};

const struct skr_resource skr_resource_logical_switch = {
        .id = SKR_LOGICAL_SWITCH,
        .name = "logical-switch",
        .collection = "logical-switches",
        .shorthand = "ls",
        .table = "logical_switch",
        .help = "The template of a host's virtual switch",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .name_parent = -1,
        .maximum = 1000,
        FIELDS(fields),
};
