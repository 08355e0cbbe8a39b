#include "lib/resource/table.h"

#define COUNT(name, title, help) FIELD(name, INTEGER, READ_ONLY, NOBODY, ANY, help, .column_title = (title))

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(READ_ONLY | FILTER, READ_ONLY | FILTER),
        [SKR_USAGE_VM_NETWORKS] = COUNT("vm_networks", "VM NETWORKS", "VM networks of the tenant"),
        [SKR_USAGE_VM_SUBNETS] = COUNT("vm_subnets", "VM SUBNETS", "VM subnets of the tenant, those of VLANs aside"),
        [SKR_USAGE_NETWORK_ADAPTERS] = COUNT("network_adapters", "ADAPTERS", "Network adapters of the tenant"),
        [SKR_USAGE_LEARNED_ADDRESSES] = COUNT("learned_addresses", "LEARNED", "Learned addresses of its adapters"),
        [SKR_USAGE_ACL_RULES] = COUNT("acl_rules", "ACL RULES", "Rules of its access control lists"),
        [SKR_USAGE_CUSTOMER_ROUTES] = COUNT("customer_routes", "ROUTES", "Customer routes of its VM networks"),
        [SKR_USAGE_QUOTAS] = FIELD("quotas", STRUCT, READ_ONLY, NOBODY, ANY, "How much the tenant may have",
                                   .sub = &skr_resource_quotas),
};

const struct skr_resource skr_resource_usage = {
        .id = SKR_USAGE,
        .name = "usage",
        .collection = "usage",
        .shorthand = "use",
        .table = "usage",
        .help = "How much a tenant has, and may have",
        .scope = SKR_SCOPE_TENANT,
        .reader = SKR_ROLE_ANY,
        .flags = SKR_RESOURCE_VIEW | SKR_RESOURCE_DERIVED,
        .name_parent = -1,
        .maximum = 10000,
        FIELDS(fields),
};
