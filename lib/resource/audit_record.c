#include "lib/resource/table.h"

#define SAID(name, help, ...) FIELD(name, TEXT, READ_ONLY, NOBODY, ADMIN, help, __VA_ARGS__)

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(READ_ONLY | FILTER, READ_ONLY),
        [SKR_AUDIT_RECORD_PRINCIPAL_ID] = FIELD("principal_id", UUID, READ_ONLY | FILTER | NULLABLE, NOBODY, ADMIN,
                                                "User who wrote, or the token when it is no user's"),
        [SKR_AUDIT_RECORD_PRINCIPAL] = SAID("principal", "Its name at that time", .column_title = "WHO"),
        [SKR_AUDIT_RECORD_ROLE] = SAID("role", "Role it wrote with", .column_title = "ROLE"),
        [SKR_AUDIT_RECORD_TOKEN_ID] =
                FIELD("token_id", UUID, READ_ONLY | NULLABLE | WIDE, NOBODY, ADMIN, "Token it showed"),
        [SKR_AUDIT_RECORD_ADDRESS] = SAID("address", "Where the request came from", .column_title = "FROM"),
        [SKR_AUDIT_RECORD_REQUEST_ID] = SAID("request_id", "Id of the request, as its answer named it"),
        [SKR_AUDIT_RECORD_METHOD] =
                SAID("method", "POST, PUT, PATCH or DELETE; JOB: a job's write", .column_title = "METHOD"),
        [SKR_AUDIT_RECORD_PATH] = SAID("path", "Address that was written to", .column_title = "PATH"),
        [SKR_AUDIT_RECORD_OBJECT_KIND] = SAID("object_kind", "Kind of the object"),
        [SKR_AUDIT_RECORD_OBJECT_ID] =
                FIELD("object_id", UUID, READ_ONLY | FILTER | NULLABLE, NOBODY, ADMIN, "Object that was written"),
        [SKR_AUDIT_RECORD_RESULT] = SAID("result", "ok, or the type of the error", .column_title = "RESULT"),
        [SKR_AUDIT_RECORD_DETAIL] = SAID("detail", "Why it was refused"),
        [SKR_AUDIT_RECORD_BEFORE] =
                FIELD("before", JSON, READ_ONLY | NULLABLE, NOBODY, ADMIN,
                      "The object before, without secrets; null: there was none", .json_shape = '{'),
        [SKR_AUDIT_RECORD_AFTER] = FIELD("after", JSON, READ_ONLY | NULLABLE, NOBODY, ADMIN,
                                         "The object after, without secrets; null: there is none", .json_shape = '{'),
        [SKR_AUDIT_RECORD_SIZE] = FIELD("size", INTEGER, HIDDEN, NOBODY, NOBODY, "Bytes of the row, about"),
};

const struct skr_resource skr_resource_audit_record = {
        .id = SKR_AUDIT_RECORD,
        .name = "audit-record",
        .collection = "audit-log",
        .shorthand = "audit",
        .table = "audit_record",
        .help = "A write through the API or by a job, done or refused",
        .scope = SKR_SCOPE_FABRIC,
        .reader = SKR_ROLE_ADMIN,
        .flags = SKR_RESOURCE_VIEW | SKR_RESOURCE_HISTORY | SKR_RESOURCE_APPENDED,
        .name_parent = -1,
        .maximum = 100000000,
        FIELDS(fields),
};
