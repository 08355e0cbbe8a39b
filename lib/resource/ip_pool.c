#include "lib/resource/table.h"

static const struct skr_field gateway_fields[] = {
        [SKR_GATEWAY_ADDRESS] = FIELD("address", ADDRESS, REQUIRED, ANY, ANY, "Address of the gateway"),
        [SKR_GATEWAY_METRIC] = FIELD("metric", INTEGER, 0, ANY, ANY, "Lower is preferred", .maximum = 9999),
};

static const struct skr_resource gateway = {
        .id = SKR_IP_POOL,
        .name = "gateway",
        .help = "A gateway of the subnet",
        .name_parent = -1,
        FIELDS(gateway_fields),
};

static const struct skr_field allocate_fields[] = {
        FIELD("address", ADDRESS, NULLABLE, ANY, ANY, "Wished address; null: the lowest free one"),
        FIELD("kind", ENUM, 0, ANY, ANY, "What it is for", .choices = CHOICES("manual", "vip"),
              .fallback = "\"manual\""),
};

static const struct skr_field release_fields[] = {
        FIELD("address", ADDRESS, REQUIRED, ANY, ANY, "Address to give back"),
};

static const struct skr_resource allocate = {
        .id = SKR_IP_POOL, .name = "allocate", .help = "What to allocate", .name_parent = -1, FIELDS(allocate_fields)};
static const struct skr_resource release = {
        .id = SKR_IP_POOL, .name = "release", .help = "What to release", .name_parent = -1, FIELDS(release_fields)};

static const struct skr_action actions[] = {
        {.verb = "allocate", .help = "Takes an address", .input = &allocate, .role = SKR_ROLE_ANY},
        {.verb = "release", .help = "Gives an address back", .input = &release, .role = SKR_ROLE_ANY},
};

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(SKR_FIELD_READ_ONLY | OF_TENANT),
        [SKR_IP_POOL_NETWORK_SITE_ID] = FIELD("network_site_id", REFERENCE, NULLABLE | IMMUTABLE | FILTER, FABRIC,
                                              FABRIC, "Site whose subnet it manages; this or vm_subnet_id",
                                              .target = SKR_NETWORK_SITE, .column_title = "SITE"),
        [SKR_IP_POOL_VM_SUBNET_ID] = FIELD("vm_subnet_id", REFERENCE, NULLABLE | IMMUTABLE | FILTER, ANY, ANY,
                                           "VM subnet it manages; this or network_site_id", .target = SKR_VM_SUBNET,
                                           .column_title = "VM SUBNET"),
        [SKR_IP_POOL_SUBNET] = FIELD("subnet", PREFIX, REQUIRED, ANY, ANY, "Subnet of the site or VM subnet",
                                     .column_title = "SUBNET"),
        [SKR_IP_POOL_RANGE_START] =
                FIELD("range_start", ADDRESS, REQUIRED, ANY, ANY, "First managed address", .column_title = "FROM"),
        [SKR_IP_POOL_RANGE_END] =
                FIELD("range_end", ADDRESS, REQUIRED, ANY, ANY, "Last managed address", .column_title = "TO"),
        [SKR_IP_POOL_RESERVED] = FIELD("reserved", JSON, 0, ANY, ANY,
                                       "Never allocated: addresses \"a\" and ranges \"a-b\"", .json_shape = '['),
        [SKR_IP_POOL_VIP_RESERVED] =
                FIELD("vip_reserved", JSON, 0, ANY, ANY, "Kept for virtual IPs: addresses \"a\" and ranges \"a-b\"",
                      .json_shape = '['),
        [SKR_IP_POOL_GATEWAYS] =
                FIELD("gateways", STRUCTS, 0, ANY, ANY, "Gateways of the subnet", .sub = &gateway, .maximum = 16),
        [SKR_IP_POOL_DNS_SERVERS] =
                FIELD("dns_servers", ADDRESSES, 0, ANY, ANY, "DNS servers, in order", .maximum = 16),
        [SKR_IP_POOL_DNS_SUFFIX] = FIELD("dns_suffix", TEXT, 0, ANY, ANY, "DNS domain", .maximum = 253),
        [SKR_IP_POOL_DNS_SEARCH_SUFFIXES] = FIELD("dns_search_suffixes", JSON, 0, ANY, ANY,
                                                  "DNS domains to search, in order", .json_shape = '[', .maximum = 64),
        [SKR_IP_POOL_WINS_SERVERS] =
                FIELD("wins_servers", ADDRESSES, 0, ANY, ANY, "WINS servers, in order", .maximum = 16),
        [SKR_IP_POOL_TOTAL] =
                FIELD("total", INTEGER, HIDDEN | STATUS, NOBODY, NOBODY, "Addresses of the range, INT64_MAX when more"),
        [SKR_IP_POOL_ALLOCATED] = FIELD("allocated", INTEGER, HIDDEN | STATUS, NOBODY, NOBODY, "Allocated addresses"),
        [SKR_IP_POOL_RESERVED_COUNT] =
                FIELD("reserved_count", INTEGER, HIDDEN | STATUS, NOBODY, NOBODY, "Reserved addresses"),
        [SKR_IP_POOL_VIP_COUNT] =
                FIELD("vip_count", INTEGER, HIDDEN | STATUS, NOBODY, NOBODY, "Addresses kept for virtual IPs"),
        [SKR_IP_POOL_UTILIZATION] =
                FIELD("utilization", COMPUTED, READ_ONLY, NOBODY, ANY,
                      "{total, allocated, reserved, vip, free} as decimal texts", .column_title = "UTILIZATION"),
};

const struct skr_resource skr_resource_ip_pool = {
        .id = SKR_IP_POOL,
        .name = "ip-pool",
        .collection = "ip-pools",
        .shorthand = "ipp",
        .table = "ip_pool",
        .help = "A managed range of one site subnet or one VM subnet",
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_ANY,
        .reader = SKR_ROLE_ANY,
        .name_parent = SKR_IP_POOL_NETWORK_SITE_ID,
        .name_other_parent = SKR_IP_POOL_VM_SUBNET_ID,
        .maximum = 100000,
        FIELDS(fields),
        ACTIONS(actions),
};
