#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_TENANT_LOGICAL_NETWORK_IDS] =
                FIELD("logical_network_ids", REFERENCES, 0, ADMIN, ANY,
                      "Logical networks the tenant may build VM networks on", .target = SKR_LOGICAL_NETWORK),
        [SKR_TENANT_PORT_CLASSIFICATION_IDS] =
                FIELD("port_classification_ids", REFERENCES, 0, ADMIN, ANY,
                      "Port classifications the tenant may choose", .target = SKR_PORT_CLASSIFICATION),
};

const struct skr_resource skr_resource_tenant = {
        .id = SKR_TENANT,
        .name = "tenant",
        .collection = "tenants",
        .shorthand = "tn",
        .table = "tenant",
        .help = "Somebody who owns VM networks and sees only what is his",
        .scope = SKR_SCOPE_FABRIC,
        .name_parent = -1,
        .maximum = 10000,
        FIELDS(fields),
};
