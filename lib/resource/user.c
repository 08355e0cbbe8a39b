#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_TENANT),
        [SKR_USER_PASSWORD_HASH] = FIELD("password_hash", TEXT, HIDDEN, NOBODY, NOBODY,
                                         "Argon2id of the password, encoded", .maximum = 255),
        [SKR_USER_PASSWORD] =
                FIELD("password", SECRET, 0, ADMIN, NOBODY,
                      "Password, 10 to 1024 bytes, never shown; without one nobody logs in, a new one ends sessions",
                      .minimum = 10, .maximum = 1024),
};

const struct skr_resource skr_resource_user = {
        .id = SKR_USER,
        .name = "user",
        .collection = "users",
        .shorthand = "usr",
        .table = "user",
        .help = "Somebody who logs in with a password; role bindings say what he may do",
        .scope = SKR_SCOPE_TENANT,
        .writer = SKR_ROLE_ADMIN,
        .reader = SKR_ROLE_TENANT,
        .name_parent = -1,
        .maximum = 10000,
        FIELDS(fields),
};
