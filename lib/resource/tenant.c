#include "lib/resource/table.h"

/* Lowering one below what is used is allowed: nothing is taken away, only growth ends. */
#define QUOTA(name, maximum_, help) FIELD(name, INTEGER, NULLABLE, ADMIN, ANY, help, .maximum = (maximum_))

static const struct skr_field quota_fields[] = {
        [SKR_QUOTA_VM_NETWORKS] =
                QUOTA("vm_networks", 100000, "Most VM networks; null: no quota; below the use: no new ones"),
        [SKR_QUOTA_VM_SUBNETS] =
                QUOTA("vm_subnets", 1000000,
                      "Most VM subnets, those of VLANs aside; null: no quota; below the use: no new ones"),
        [SKR_QUOTA_NETWORK_ADAPTERS] =
                QUOTA("network_adapters", 1000000, "Most network adapters; null: no quota; below the use: no new ones"),
        [SKR_QUOTA_LEARNED_ADDRESSES] = QUOTA("learned_addresses", 10000000,
                                              "Most learned addresses; null: no quota; below the use: no new ones"),
        [SKR_QUOTA_ACL_RULES] = QUOTA("acl_rules", 10000000,
                                      "Most rules in all its access control lists; null: no quota; below the use: no "
                                      "new ones"),
        [SKR_QUOTA_CUSTOMER_ROUTES] =
                QUOTA("customer_routes", 1000000, "Most customer routes; null: no quota; below the use: no new ones"),
        [SKR_QUOTA_REQUESTS_PER_SECOND] =
                FIELD("requests_per_second", INTEGER, NULLABLE, ADMIN, ANY,
                      "Most requests a second of all its users and tokens together; null: no quota", .minimum = 1,
                      .maximum = 1000000),
};

const struct skr_resource skr_resource_quotas = {.id = SKR_TENANT,
                                                 .name = "quotas",
                                                 .help = "How much a tenant may have",
                                                 .name_parent = -1,
                                                 FIELDS(quota_fields)};

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_TENANT_LOGICAL_NETWORK_IDS] =
                FIELD("logical_network_ids", REFERENCES, SIGHT, ADMIN, ANY,
                      "Logical networks the tenant may build VM networks on", .target = SKR_LOGICAL_NETWORK),
        [SKR_TENANT_PORT_CLASSIFICATION_IDS] =
                FIELD("port_classification_ids", REFERENCES, SIGHT, ADMIN, ANY,
                      "Port classifications the tenant may choose", .target = SKR_PORT_CLASSIFICATION),
        [SKR_TENANT_QUOTAS] =
                FIELD("quotas", STRUCT, 0, ADMIN, ANY, "How much the tenant may have; lowering one stops growth alone",
                      .sub = &skr_resource_quotas),
        [SKR_TENANT_USAGE] = FIELD("usage", COMPUTED, READ_ONLY, NOBODY, ANY,
                                   "How much of each quota is used {vm_networks, vm_subnets, ...}"),
};

const struct skr_resource skr_resource_tenant = {
        .id = SKR_TENANT,
        .name = "tenant",
        .collection = "tenants",
        .shorthand = "tn",
        .table = "tenant",
        .help = "Somebody who owns VM networks and sees only what is his",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_ADMIN,
        .reader = SKR_ROLE_ANY,
        .name_parent = -1,
        .maximum = 10000,
        FIELDS(fields),
};
