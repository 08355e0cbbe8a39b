#include "lib/resource/table.h"

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(READ_ONLY | FILTER, READ_ONLY),
        [SKR_EVENT_REASON] = FIELD("reason", TEXT, READ_ONLY | FILTER, NOBODY, ANY, "What happened, a stable word",
                                   .column_title = "REASON"),
        [SKR_EVENT_MESSAGE] =
                FIELD("message", TEXT, READ_ONLY, NOBODY, ANY, "What happened, a sentence", .column_title = "MESSAGE"),
        [SKR_EVENT_OBJECT_KIND] = FIELD("object_kind", TEXT, READ_ONLY, NOBODY, ANY, "Kind of the object it is about",
                                        .column_title = "KIND"),
        [SKR_EVENT_OBJECT_ID] = FIELD("object_id", UUID, READ_ONLY | FILTER | NULLABLE, NOBODY, ANY,
                                      "Object it is about", .column_title = "OBJECT"),
        [SKR_EVENT_HOST_ID] = FIELD("host_id", UUID, READ_ONLY | FILTER | NULLABLE, NOBODY, FABRIC, "Host it is about"),
        [SKR_EVENT_DETAIL] =
                FIELD("detail", TEXT, READ_ONLY | NULLABLE | WIDE, NOBODY, FABRIC,
                      "The message with hosts and interfaces; null: it names none", .column_title = "DETAIL"),
        [SKR_EVENT_COUNT] = FIELD("count", INTEGER, READ_ONLY, NOBODY, ANY,
                                  "How often it happened within a minute; the message is of the last time",
                                  .fallback = "1", .column_title = "COUNT"),
};

const struct skr_resource skr_resource_event = {
        .id = SKR_EVENT,
        .name = "event",
        .collection = "events",
        .shorthand = "ev",
        .table = "event",
        .help = "Something that happened",
        .scope = SKR_SCOPE_TENANT,
        .reader = SKR_ROLE_ANY,
        .flags = SKR_RESOURCE_VIEW | SKR_RESOURCE_HISTORY,
        .name_parent = -1,
        .maximum = 1000000,
        FIELDS(fields),
};
