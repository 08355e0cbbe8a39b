#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(OF_FABRIC, FILTER),
        [SKR_BACKUP_FILE] = FIELD("file", TEXT, STATUS, NOBODY, ADMIN, "Name of the file in the controller's backups",
                                  .maximum = 255, .column_title = "FILE"),
        [SKR_BACKUP_BYTES] =
                FIELD("bytes", INTEGER, STATUS | NULLABLE, NOBODY, ADMIN, "Size of the file; null: not there yet",
                      .maximum = INT64_MAX, .column_title = "BYTES"),
        [SKR_BACKUP_REVISION] =
                FIELD("revision", INTEGER, STATUS | NULLABLE, NOBODY, ADMIN, "Last revision of the database in it",
                      .maximum = INT64_MAX, .column_title = "REVISION"),
        [SKR_BACKUP_DATABASE_ID] =
                FIELD("database_id", UUID, STATUS | WIDE, NOBODY, ADMIN, "Database that it is a copy of"),
        [SKR_BACKUP_ENCRYPTED] = FIELD("encrypted", BOOLEAN, STATUS, NOBODY, ADMIN,
                                       "The certificate authority's key in it is encrypted by the passphrase",
                                       .column_title = "KEY ENCRYPTED"),
        [SKR_BACKUP_COMPLETED_AT] = FIELD("completed_at", TIME, STATUS | NULLABLE, NOBODY, ADMIN,
                                          "When it was complete and checked", .column_title = "COMPLETED"),
        [SKR_BACKUP_AUTHORITY_KEY] = FIELD("authority_key", TEXT, HIDDEN | STATUS | NULLABLE, NOBODY, NOBODY,
                                           "The key as the copy will hold it, until it does", .maximum = 8192),
        [SKR_BACKUP_PASSPHRASE] = FIELD(
                "passphrase", SECRET, 0, ADMIN, NOBODY,
                "Encrypts the certificate authority's key in the copy; without one the copy is as secret as the key",
                .minimum = 8, .maximum = 1024),
};

const struct skr_resource skr_resource_backup = {
        .id = SKR_BACKUP,
        .name = "backup",
        .collection = "backups",
        .shorthand = "bak",
        .table = "backup",
        .help = "A copy of the controller's database, made by a job",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_ADMIN,
        .reader = SKR_ROLE_ADMIN,
        .flags = SKR_RESOURCE_NO_UPDATE,
        .name_parent = -1,
        .maximum = 1000,
        FIELDS(fields),
};
