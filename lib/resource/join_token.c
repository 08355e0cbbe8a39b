#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_JOIN_TOKEN_HOST_GROUP_ID] = FIELD("host_group_id", REFERENCE, NULLABLE | FILTER, FABRIC, FABRIC,
                                               "Group of the hosts that join with it; null: the root",
                                               .target = SKR_HOST_GROUP, .column_title = "GROUP"),
        [SKR_JOIN_TOKEN_TTL_S] = FIELD("ttl_s", INTEGER, IMMUTABLE, FABRIC, FABRIC, "Seconds it can be used",
                                       .minimum = 60, .maximum = 86400, .fallback = "3600"),
        [SKR_JOIN_TOKEN_USES] = FIELD("uses", INTEGER, IMMUTABLE, FABRIC, FABRIC, "Hosts that can join with it",
                                      .minimum = 1, .maximum = 10000, .fallback = "1", .column_title = "USES"),
        [SKR_JOIN_TOKEN_APPROVE] =
                FIELD("approve", BOOLEAN, 0, FABRIC, FABRIC, "Hosts wait for :approve", .column_title = "APPROVE"),
        [SKR_JOIN_TOKEN_USES_LEFT] = FIELD("uses_left", INTEGER, STATUS, NOBODY, FABRIC, "Hosts that still can join",
                                           .column_title = "LEFT"),
        [SKR_JOIN_TOKEN_EXPIRES_AT] =
                FIELD("expires_at", TIME, READ_ONLY, NOBODY, FABRIC, "When it ends", .column_title = "EXPIRES"),
        [SKR_JOIN_TOKEN_SECRET_HASH] =
                FIELD("secret_hash", TEXT, HIDDEN, NOBODY, NOBODY, "SHA-256 of the secret in hex", .maximum = 64),
        [SKR_JOIN_TOKEN_SECRET] = FIELD("secret", SECRET, READ_ONLY, NOBODY, FABRIC, "Shown once, at create"),
};

const struct skr_resource skr_resource_join_token = {
        .id = SKR_JOIN_TOKEN,
        .name = "join-token",
        .collection = "join-tokens",
        .shorthand = "jt",
        .table = "join_token",
        .help = "Lets hosts enrol themselves",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .flags = SKR_RESOURCE_NO_UPDATE,
        .name_parent = -1,
        .maximum = 10000,
        FIELDS(fields),
};
