#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_TENANT),
        [SKR_CUSTOMER_ROUTE_VM_NETWORK_ID] =
                FIELD("vm_network_id", REFERENCE, REQUIRED | IMMUTABLE | FILTER, ANY, ANY,
                      "VM network whose router has the route", .target = SKR_VM_NETWORK, .column_title = "VM NETWORK"),
        [SKR_CUSTOMER_ROUTE_DESTINATION] =
                FIELD("destination", PREFIX, REQUIRED, ANY, ANY,
                      "Where to; the longest prefix that fits an address wins", .column_title = "DESTINATION"),
        [SKR_CUSTOMER_ROUTE_NEXT_HOP] = FIELD("next_hop", ADDRESS, REQUIRED, ANY, ANY,
                                              "By way of: an address in a VM subnet of the VM network, not its gateway",
                                              .column_title = "NEXT HOP"),
        [SKR_CUSTOMER_ROUTE_METRIC] =
                FIELD("metric", INTEGER, 0, ANY, ANY, "Of several to one destination the lowest is preferred",
                      .maximum = 9999, .column_title = "METRIC"),
        [SKR_CUSTOMER_ROUTE_VM_SUBNET_ID] = FIELD("vm_subnet_id", REFERENCE, READ_ONLY | FILTER, NOBODY, ANY,
                                                  "VM subnet of the next hop", .target = SKR_VM_SUBNET),
};

const struct skr_resource skr_resource_customer_route = {
        .id = SKR_CUSTOMER_ROUTE,
        .name = "customer-route",
        .collection = "customer-routes",
        .shorthand = "cr",
        .table = "customer_route",
        .help = "A route of a VM network's built-in router by way of one of its VMs",
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_TENANT,
        .reader = SKR_ROLE_ANY,
        .name_parent = SKR_CUSTOMER_ROUTE_VM_NETWORK_ID,
        .maximum = 1000000,
        FIELDS(fields),
};
