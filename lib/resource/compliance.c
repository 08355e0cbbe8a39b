#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(OF_FABRIC, READ_ONLY),
        [SKR_COMPLIANCE_HOST_ID] = FIELD("host_id", REFERENCE, READ_ONLY | FILTER, NOBODY, FABRIC, "Host that differs",
                                         .target = SKR_HOST, .column_title = "HOST"),
        [SKR_COMPLIANCE_OBJECT_KIND] =
                FIELD("object_kind", TEXT, READ_ONLY | FILTER, NOBODY, FABRIC,
                      "port, filter, map-entry, provider-address, uplink, program or virtual-port-profile",
                      .column_title = "KIND"),
        [SKR_COMPLIANCE_OBJECT_ID] = FIELD("object_id", UUID, READ_ONLY | FILTER | NULLABLE, NOBODY, FABRIC,
                                           "Object of the model it belongs to"),
        [SKR_COMPLIANCE_OBJECT] =
                FIELD("object", TEXT, READ_ONLY, NOBODY, FABRIC, "What it is, readable", .column_title = "OBJECT"),
        [SKR_COMPLIANCE_FIELD] =
                FIELD("field", TEXT, READ_ONLY, NOBODY, FABRIC, "What of it differs", .column_title = "FIELD"),
        [SKR_COMPLIANCE_EXPECTED] =
                FIELD("expected", TEXT, READ_ONLY, NOBODY, FABRIC, "As it must be", .column_title = "EXPECTED"),
        [SKR_COMPLIANCE_FOUND] = FIELD("found", TEXT, READ_ONLY, NOBODY, FABRIC, "As it is", .column_title = "FOUND"),
        [SKR_COMPLIANCE_SINCE] =
                FIELD("since", TIME, READ_ONLY, NOBODY, FABRIC, "When it was found", .column_title = "SINCE"),
        [SKR_COMPLIANCE_LOGICAL_SWITCH_ID] =
                FIELD("logical_switch_id", UUID, READ_ONLY | NULLABLE, NOBODY, FABRIC,
                      "Of a held profile: logical switch of the ports that wait for it; null: they are on none"),
        [SKR_COMPLIANCE_CLASSIFICATION_ID] =
                FIELD("classification_id", UUID, READ_ONLY | FILTER | NULLABLE, NOBODY, FABRIC,
                      "Of a held profile: port classification of the ports that wait for it; null: they name "
                      "none"),
};

const struct skr_resource skr_resource_compliance = {
        .id = SKR_COMPLIANCE,
        .name = "compliance",
        .collection = "compliance",
        .shorthand = "co",
        .table = "compliance",
        .help = "One thing on a host that is not as it must be",
        .scope = SKR_SCOPE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .flags = SKR_RESOURCE_VIEW,
        .name_parent = -1,
        .maximum = 1000000,
        FIELDS(fields),
};
