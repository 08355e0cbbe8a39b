#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_UPLINK_PORT_PROFILE_LOAD_BALANCING] =
                FIELD("load_balancing", ENUM, 0, FABRIC, FABRIC, "How a team shares its traffic",
                      .choices = CHOICES("switch_port", "address_hash", "dynamic"), .fallback = "\"switch_port\"",
                      .column_title = "LOAD BALANCING"),
        [SKR_UPLINK_PORT_PROFILE_TEAMING_MODE] =
                FIELD("teaming_mode", ENUM, 0, FABRIC, FABRIC, "What the physical switch knows of a team",
                      .choices = CHOICES("switch_independent", "static", "lacp"), .fallback = "\"switch_independent\"",
                      .column_title = "TEAMING"),
        [SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS] =
                FIELD("network_site_ids", REFERENCES, 0, FABRIC, FABRIC,
                      "Sites that an uplink with it reaches; of each logical network the one nearest to the host",
                      .target = SKR_NETWORK_SITE, .column_title = "SITES"),
        [SKR_UPLINK_PORT_PROFILE_NETWORK_VIRTUALIZATION] =
                FIELD("network_virtualization", BOOLEAN, 0, FABRIC, FABRIC,
                      "Its uplinks get provider addresses of these sites and carry virtualized networks",
                      .fallback = "true", .column_title = "VIRTUALIZATION"),
};

const struct skr_resource skr_resource_uplink_port_profile = {
        .id = SKR_UPLINK_PORT_PROFILE,
        .name = "uplink-port-profile",
        .collection = "uplink-port-profiles",
        .shorthand = "upp",
        .table = "uplink_port_profile",
        .help = "Settings of a physical-facing port",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .name_parent = -1,
        .maximum = 1000,
        FIELDS(fields),
};
