#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(OF_FABRIC, READ_ONLY),
        [SKR_ORPHAN_HOST_ID] = FIELD("host_id", REFERENCE, READ_ONLY | FILTER, NOBODY, FABRIC, "Host that holds it",
                                     .target = SKR_HOST, .column_title = "HOST"),
        [SKR_ORPHAN_OBJECT_KIND] = FIELD("object_kind", TEXT, READ_ONLY | FILTER, NOBODY, FABRIC,
                                         "Resource that the object was of", .column_title = "KIND"),
        [SKR_ORPHAN_OBJECT_ID] =
                FIELD("object_id", UUID, READ_ONLY | FILTER, NOBODY, FABRIC, "Its id", .column_title = "OBJECT"),
        [SKR_ORPHAN_VM_NETWORK_ID] = FIELD("vm_network_id", UUID, READ_ONLY | NULLABLE, NOBODY, FABRIC,
                                           "VM network it belongs to, which may be gone too"),
        [SKR_ORPHAN_REASON] = FIELD("reason", TEXT, READ_ONLY, NOBODY, FABRIC, "What this database says of it",
                                    .column_title = "REASON"),
        [SKR_ORPHAN_SINCE] = FIELD("since", TIME, READ_ONLY, NOBODY, FABRIC, "When the host first told of it",
                                   .column_title = "SINCE"),
};

const struct skr_resource skr_resource_orphan = {
        .id = SKR_ORPHAN,
        .name = "orphan",
        .collection = "orphans",
        .shorthand = "or",
        .table = "orphan",
        .help = "One thing a host holds that a restored or rolled back database does not have",
        .scope = SKR_SCOPE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .flags = SKR_RESOURCE_VIEW,
        .name_parent = -1,
        .maximum = 1000000,
        FIELDS(fields),
};
