#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(READ_ONLY | FILTER, SKR_FIELD_REQUIRED | SKR_FIELD_FILTER),
        [SKR_SESSION_USER_ID] = FIELD("user_id", REFERENCE, READ_ONLY | FILTER, NOBODY, TENANT, "User who is logged in",
                                      .target = SKR_USER),
        [SKR_SESSION_ROLE_BINDING_ID] =
                FIELD("role_binding_id", REFERENCE, FILTER | IMMUTABLE, ANY, TENANT,
                      "Grant it acts under; need not be given by a user who has one alone", .target = SKR_ROLE_BINDING),
        [SKR_SESSION_ROLE] = FIELD("role", ENUM, READ_ONLY, NOBODY, TENANT, "Role of that grant", .choices = ROLES,
                                   .column_title = "ROLE"),
        [SKR_SESSION_HOST_GROUP_ID] = FIELD("host_group_id", REFERENCE, READ_ONLY | NULLABLE | FILTER, NOBODY, ADMIN,
                                            "Host group that grant is limited to", .target = SKR_HOST_GROUP),
        [SKR_SESSION_EXPIRES_AT] =
                FIELD("expires_at", TIME, READ_ONLY, NOBODY, TENANT,
                      "When it ends at the latest; 30 minutes without use end it too", .column_title = "EXPIRES"),
        [SKR_SESSION_LAST_USED_AT] = FIELD("last_used_at", TIME, STATUS, NOBODY, TENANT,
                                           "When it was last used, to a minute", .column_title = "LAST USED"),
        [SKR_SESSION_ADDRESS] = FIELD("address", TEXT, READ_ONLY, NOBODY, TENANT, "Where the login came from",
                                      .maximum = 64, .column_title = "ADDRESS"),
        [SKR_SESSION_SECRET_HASH] = FIELD("secret_hash", TEXT, HIDDEN, NOBODY, NOBODY,
                                          "SHA-256 of the cookie's secret in hex", .maximum = 64),
        [SKR_SESSION_PASSWORD] =
                FIELD("password", SECRET, REQUIRED, ANY, NOBODY, "Password of the user", .minimum = 1, .maximum = 1024),
        [SKR_SESSION_CSRF_TOKEN] =
                FIELD("csrf_token", SECRET, READ_ONLY, NOBODY, ANY,
                      "To be sent in X-CSRF-Token with every write of this session; answered to the login alone"),
};

const struct skr_resource skr_resource_session = {
        .id = SKR_SESSION,
        .name = "session",
        .collection = "sessions",
        .shorthand = "ses",
        .table = "session",
        .help = "A user who is logged in to the web page; its POST takes name and password and answers with a cookie",
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_TENANT,
        .reader = SKR_ROLE_TENANT,
        .flags = SKR_RESOURCE_NO_UPDATE | SKR_RESOURCE_LOGIN,
        .name_parent = -1,
        .maximum = 100000,
        FIELDS(fields),
};
