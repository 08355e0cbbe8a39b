#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID] =
                FIELD("virtual_port_profile_id", REFERENCE, REQUIRED | FILTER, FABRIC, ANY,
                      "Profile that adapters of this classification get", .target = SKR_VIRTUAL_PORT_PROFILE,
                      .column_title = "PROFILE"),
        [SKR_PORT_CLASSIFICATION_BUILT_IN] =
                FIELD("built_in", BOOLEAN, READ_ONLY, NOBODY, ANY, "Made with the database; cannot be deleted",
                      .column_title = "BUILT-IN"),
};

const struct skr_resource skr_resource_port_classification = {
        .id = SKR_PORT_CLASSIFICATION,
        .name = "port-classification",
        .collection = "port-classifications",
        .shorthand = "pc",
        .table = "port_classification",
        .help = "The name tenants see for a kind of port",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_ANY,
        .name_parent = -1,
        .maximum = 1000,
        FIELDS(fields),
};
