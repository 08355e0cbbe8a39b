#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_TENANT),
        [SKR_ROLE_BINDING_USER_ID] = FIELD("user_id", REFERENCE, REQUIRED | IMMUTABLE | FILTER, TENANT, TENANT,
                                           "User who gets the role", .target = SKR_USER, .column_title = "USER"),
        [SKR_ROLE_BINDING_ROLE] = FIELD("role", ENUM, REQUIRED | IMMUTABLE, TENANT, TENANT, "What the user may do",
                                        .choices = ROLES, .column_title = "ROLE"),
        [SKR_ROLE_BINDING_HOST_GROUP_ID] =
                FIELD("host_group_id", REFERENCE, NULLABLE | IMMUTABLE | FILTER, ADMIN, ADMIN,
                      "Host group that a fabric-operator is limited to; null: everything", .target = SKR_HOST_GROUP),
};

const struct skr_resource skr_resource_role_binding = {
        .id = SKR_ROLE_BINDING,
        .name = "role-binding",
        .collection = "role-bindings",
        .shorthand = "rb",
        .table = "role_binding",
        .help = "Gives a user a grant: a role, and what it reaches",
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_TENANT,
        .reader = SKR_ROLE_TENANT,
        .flags = SKR_RESOURCE_NO_UPDATE,
        .name_parent = SKR_FIELD_TENANT_ID,
        .maximum = 100000,
        FIELDS(fields),
};
