#include "lib/resource/table.h"

static const struct skr_field step_fields[] = {
        [SKR_JOB_STEP_NAME] = FIELD("name", TEXT, READ_ONLY, NOBODY, FABRIC, "What the step does, a stable word"),
        [SKR_JOB_STEP_STATE] =
                FIELD("state", ENUM, READ_ONLY, NOBODY, FABRIC, "How far it is",
                      .choices = CHOICES("pending", "running", "succeeded", "failed", "undone", "skipped"),
                      .fallback = "\"pending\""),
        [SKR_JOB_STEP_PERCENT] =
                FIELD("percent", INTEGER, READ_ONLY, NOBODY, FABRIC, "How much of it is done", .maximum = 100),
        [SKR_JOB_STEP_STARTED_AT] = FIELD("started_at", TIME, READ_ONLY | NULLABLE, NOBODY, FABRIC, "When it began"),
        [SKR_JOB_STEP_ENDED_AT] = FIELD("ended_at", TIME, READ_ONLY | NULLABLE, NOBODY, FABRIC, "When it ended"),
        [SKR_JOB_STEP_MESSAGE] =
                FIELD("message", TEXT, READ_ONLY, NOBODY, FABRIC, "What it waits for, did, or failed at"),
};

static const struct skr_resource step = {
        .id = SKR_JOB,
        .name = "step",
        .help = "One step of a job",
        .name_parent = -1,
        FIELDS(step_fields),
};

static const struct skr_action actions[] = {
        {.verb = "cancel", .help = "Ends the job and puts back what it has done", .role = SKR_ROLE_FABRIC},
};

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS_NAMED(OF_FABRIC, READ_ONLY | FILTER),
        [SKR_JOB_KIND] = FIELD("kind", ENUM, READ_ONLY | FILTER, NOBODY, FABRIC, "What kind of work",
                               .choices = CHOICES("deploy_host_switch", "remove_host_switch", "migrate", "drain",
                                                  "replace", "remediate", "backup")),
        [SKR_JOB_OBJECT_KIND] = FIELD("object_kind", TEXT, READ_ONLY, NOBODY, FABRIC, "Kind of the object it is about"),
        [SKR_JOB_OBJECT_ID] =
                FIELD("object_id", UUID, READ_ONLY | NULLABLE | FILTER, NOBODY, FABRIC, "Object it is about"),
        [SKR_JOB_HOST_ID] = FIELD("host_id", UUID, READ_ONLY | NULLABLE | FILTER, NOBODY, FABRIC, "Host it is about"),
        [SKR_JOB_PARENT_ID] =
                FIELD("parent_id", UUID, READ_ONLY | NULLABLE | FILTER, NOBODY, FABRIC, "Job that started it"),
        [SKR_JOB_STATE] =
                FIELD("state", ENUM, READ_ONLY | FILTER, NOBODY, FABRIC, "How far it is",
                      .choices = CHOICES("pending", "running", "cancelling", "succeeded", "failed", "cancelled"),
                      .fallback = "\"pending\"", .column_title = "STATE"),
        [SKR_JOB_PERCENT] = FIELD("percent", INTEGER, READ_ONLY, NOBODY, FABRIC, "How much of it is done",
                                  .maximum = 100, .column_title = "%"),
        [SKR_JOB_MESSAGE] = FIELD("message", TEXT, READ_ONLY, NOBODY, FABRIC, "What it waits for, did, or failed at",
                                  .column_title = "MESSAGE"),
        [SKR_JOB_STEPS] =
                FIELD("steps", STRUCTS, READ_ONLY, NOBODY, FABRIC, "Its steps, in order", .sub = &step, .maximum = 16),
        [SKR_JOB_STARTED_AT] = FIELD("started_at", TIME, READ_ONLY | NULLABLE, NOBODY, FABRIC, "When it began"),
        [SKR_JOB_ENDED_AT] = FIELD("ended_at", TIME, READ_ONLY | NULLABLE, NOBODY, FABRIC, "When it ended"),
        [SKR_JOB_DEADLINE] =
                FIELD("deadline", TIME, READ_ONLY | NULLABLE, NOBODY, FABRIC, "When it gives up what it waits for"),
        [SKR_JOB_CANCELLABLE] =
                FIELD("cancellable", BOOLEAN, READ_ONLY, NOBODY, FABRIC, "Whether :cancel is taken now"),
        [SKR_JOB_REQUESTED_BY] =
                FIELD("requested_by", TEXT, READ_ONLY | WIDE, NOBODY, FABRIC, "Who asked for it", .column_title = "BY"),
        [SKR_JOB_INPUT] =
                FIELD("input", JSON, HIDDEN, NOBODY, NOBODY, "What was asked for, by the kind", .json_shape = '{'),
        [SKR_JOB_PROGRESS] = FIELD("progress", JSON, HIDDEN, NOBODY, NOBODY, "What its steps remember, by the kind",
                                   .json_shape = '{'),
};

const struct skr_resource skr_resource_job = {
        .id = SKR_JOB,
        .name = "job",
        .collection = "jobs",
        .shorthand = "j",
        .table = "job",
        .help = "Long work in steps",
        .scope = SKR_SCOPE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .flags = SKR_RESOURCE_VIEW,
        .name_parent = -1,
        .maximum = 10000,
        FIELDS(fields),
        ACTIONS(actions),
};
