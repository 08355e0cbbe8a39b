#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(READ_ONLY | FILTER, READ_ONLY),
        [SKR_EFFECTIVE_ROUTE_VM_NETWORK_ID] =
                FIELD("vm_network_id", REFERENCE, READ_ONLY | FILTER, NOBODY, ANY,
                      "VM network whose router has the route", .target = SKR_VM_NETWORK, .column_title = "VM NETWORK"),
        [SKR_EFFECTIVE_ROUTE_DESTINATION] =
                FIELD("destination", PREFIX, READ_ONLY, NOBODY, ANY, "Where to", .column_title = "DESTINATION"),
        [SKR_EFFECTIVE_ROUTE_NEXT_HOP] = FIELD("next_hop", ADDRESS, READ_ONLY | NULLABLE, NOBODY, ANY,
                                               "By way of; null: on the VM subnet", .column_title = "NEXT HOP"),
        [SKR_EFFECTIVE_ROUTE_VM_SUBNET_ID] =
                FIELD("vm_subnet_id", REFERENCE, READ_ONLY | FILTER, NOBODY, ANY, "VM subnet it leads to",
                      .target = SKR_VM_SUBNET, .column_title = "VM SUBNET"),
        [SKR_EFFECTIVE_ROUTE_METRIC] = FIELD("metric", INTEGER, READ_ONLY | NULLABLE, NOBODY, ANY,
                                             "Lower is preferred; null: on the VM subnet", .column_title = "METRIC"),
        [SKR_EFFECTIVE_ROUTE_CUSTOMER_ROUTE_ID] =
                FIELD("customer_route_id", REFERENCE, READ_ONLY | NULLABLE, NOBODY, ANY,
                      "Customer route it comes from; null: on the VM subnet", .target = SKR_CUSTOMER_ROUTE),
};

const struct skr_resource skr_resource_effective_route = {
        .id = SKR_EFFECTIVE_ROUTE,
        .name = "effective-route",
        .collection = "effective-routes",
        .shorthand = "er",
        .table = "effective_route",
        .help = "A route of a VM network's built-in router",
        .scope = SKR_SCOPE_TENANT,
        .reader = SKR_ROLE_ANY,
        .flags = SKR_RESOURCE_VIEW | SKR_RESOURCE_DERIVED,
        .name_parent = -1,
        .maximum = 1000000,
        FIELDS(fields),
};
