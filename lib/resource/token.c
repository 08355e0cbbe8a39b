#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_TENANT),
        [SKR_TOKEN_ROLE] = FIELD("role", ENUM, IMMUTABLE, TENANT, TENANT, "What its bearer may do", .choices = ROLES,
                                 .fallback = "\"admin\"", .column_title = "ROLE"),
        [SKR_TOKEN_TTL_S] = FIELD("ttl_s", INTEGER, IMMUTABLE, TENANT, TENANT, "Seconds it is valid", .minimum = 60,
                                  .maximum = 31536000, .fallback = "2592000"),
        [SKR_TOKEN_EXPIRES_AT] =
                FIELD("expires_at", TIME, READ_ONLY, NOBODY, TENANT, "When it ends", .column_title = "EXPIRES"),
        [SKR_TOKEN_INITIAL] =
                FIELD("initial", BOOLEAN, READ_ONLY, NOBODY, ADMIN,
                      "The first one: ends once another administrator's token exists", .column_title = "INITIAL"),
        [SKR_TOKEN_SECRET_HASH] =
                FIELD("secret_hash", TEXT, HIDDEN, NOBODY, NOBODY, "SHA-256 of the secret in hex", .maximum = 64),
        [SKR_TOKEN_HOST_GROUP_ID] =
                FIELD("host_group_id", REFERENCE, NULLABLE | IMMUTABLE | FILTER, ADMIN, ADMIN,
                      "Host group that a fabric-operator is limited to; null: everything", .target = SKR_HOST_GROUP),
        [SKR_TOKEN_ROLE_BINDING_ID] =
                FIELD("role_binding_id", REFERENCE, READ_ONLY | NULLABLE | FILTER | WIDE, NOBODY, TENANT,
                      "Role binding of the user who made it, and with which it ends; null: made by no user",
                      .target = SKR_ROLE_BINDING),
        [SKR_TOKEN_SECRET] = FIELD("secret", SECRET, READ_ONLY, NOBODY, TENANT, "Shown once, at create"),
};

const struct skr_resource skr_resource_token = {
        .id = SKR_TOKEN,
        .name = "token",
        .collection = "tokens",
        .shorthand = "tok",
        .table = "token",
        .help = "Lets its bearer use the API under one grant: a role, and what it reaches",
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_TENANT,
        .reader = SKR_ROLE_TENANT,
        .flags = SKR_RESOURCE_NO_UPDATE,
        .name_parent = SKR_FIELD_TENANT_ID,
        .maximum = 10000,
        FIELDS(fields),
};
