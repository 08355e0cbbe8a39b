#include "lib/resource/table.h"

static const struct skr_field uplink_fields[] = {
        [SKR_UPLINK_NAME] =
                FIELD("name", TEXT, REQUIRED, FABRIC, FABRIC, "Name, unique on the host", .minimum = 1, .maximum = 63),
        [SKR_UPLINK_INTERFACE] = FIELD("interface", TEXT, REQUIRED, FABRIC, FABRIC, "Network interface on the host",
                                       .minimum = 1, .maximum = 15),
        [SKR_UPLINK_NETWORK_SITE_IDS] =
                FIELD("network_site_ids", JSON, 0, FABRIC, FABRIC,
                      "Sites it reaches; empty: those covering the host's group", .json_shape = '[', .maximum = 256),
};

static const struct skr_resource uplink = {
        .id = SKR_HOST,
        .name = "uplink",
        .help = "A physical interface",
        .name_parent = -1,
        FIELDS(uplink_fields),
};

static const struct skr_field drain_fields[] = {
        [SKR_DRAIN_HOST_IDS] = FIELD("host_ids", JSON, 0, FABRIC, FABRIC,
                                     "Hosts to move to; empty: every host that can take the adapter", .json_shape = '[',
                                     .maximum = 256),
        [SKR_DRAIN_TIMEOUT_S] =
                FIELD("timeout_s", INTEGER, 0, FABRIC, FABRIC, "Seconds within which each VM must appear on its target",
                      .minimum = 1, .maximum = 86400, .fallback = "600"),
};
static const struct skr_resource drain = {
        .id = SKR_HOST, .name = "drain", .help = "Where to", .name_parent = -1, FIELDS(drain_fields)};

static const struct skr_field replace_fields[] = {
        [SKR_REPLACE_NEW_HOST_ID] = FIELD("new_host_id", REFERENCE, REQUIRED, FABRIC, FABRIC,
                                          "Host that takes over its adapters", .target = SKR_HOST),
};
static const struct skr_resource replace = {
        .id = SKR_HOST, .name = "replace", .help = "By what", .name_parent = -1, FIELDS(replace_fields)};

static const struct skr_action actions[] = {
        {.verb = "drain",
         .help = "Takes the host into maintenance and moves its adapters away, as a job",
         .input = &drain,
         .role = SKR_ROLE_FABRIC},
        {.verb = "replace",
         .help = "Revokes the host and gives its adapters to another, as a job",
         .input = &replace,
         .role = SKR_ROLE_FABRIC},
        {.verb = "remediate", .help = "Puts back what differs on the host", .role = SKR_ROLE_FABRIC},
        {.verb = "approve", .help = "Lets a host in that waits for it", .role = SKR_ROLE_FABRIC},
        {.verb = "revoke", .help = "Ends the host's certificate for good", .role = SKR_ROLE_FABRIC},
};

static const struct skr_field fields[] = {
        SKR_COMMON_FIELDS(OF_FABRIC),
        [SKR_HOST_HOST_GROUP_ID] = FIELD("host_group_id", REFERENCE, NULLABLE | FILTER, FABRIC, FABRIC,
                                         "Group of the host; null: the root \"All hosts\"", .target = SKR_HOST_GROUP,
                                         .column_title = "GROUP"),
        [SKR_HOST_UPLINKS] =
                FIELD("uplinks", STRUCTS, 0, FABRIC, FABRIC, "Physical interfaces", .sub = &uplink, .maximum = 32),
        [SKR_HOST_STATE] = FIELD("state", ENUM, FILTER, FABRIC, FABRIC, "Whether it takes part",
                                 .choices = CHOICES("active", "maintenance", "removed"), .fallback = "\"active\"",
                                 .column_title = "STATE"),
        [SKR_HOST_GATEWAY_ONLY] = FIELD("gateway_only", BOOLEAN, WIDE, FABRIC, FABRIC,
                                        "Runs gateways alone, no adapters of tenants", .column_title = "GATEWAY"),
        [SKR_HOST_REMEDIATION] =
                FIELD("remediation", ENUM, 0, FABRIC, FABRIC, "Whether drift is put back at once or on :remediate",
                      .choices = CHOICES("auto", "manual"), .fallback = "\"auto\"", .column_title = "REMEDIATION"),
        [SKR_HOST_ENROLMENT] = FIELD("enrolment", ENUM, STATUS, NOBODY, FABRIC, "Whether its agent is let in",
                                     .choices = CHOICES("pending", "enrolled", "revoked"), .fallback = "\"pending\"",
                                     .column_title = "ENROLMENT"),
        [SKR_HOST_KEY_HASH] = FIELD("key_hash", TEXT, HIDDEN, NOBODY, NOBODY,
                                    "SHA-256 of the agent's public key in hex", .maximum = 64),
        [SKR_HOST_SYNCED_REVISION] = FIELD("synced_revision", INTEGER, HIDDEN | STATUS, NOBODY, NOBODY,
                                           "Revision up to which the host holds everything"),
        [SKR_HOST_AGENT_VERSION] = FIELD("agent_version", TEXT, STATUS | WIDE, NOBODY, FABRIC, "Version of the agent",
                                         .maximum = 64, .column_title = "AGENT"),
        [SKR_HOST_KERNEL] = FIELD("kernel", TEXT, STATUS | WIDE, NOBODY, FABRIC, "Kernel release", .maximum = 255,
                                  .column_title = "KERNEL"),
        [SKR_HOST_INVENTORY] = FIELD("inventory", JSON, STATUS, NOBODY, FABRIC,
                                     "Interfaces: name, MAC, MTU, speed, link, queues", .json_shape = '['),
        [SKR_HOST_CERTIFICATE_EXPIRES_AT] = FIELD("certificate_expires_at", TIME, STATUS | NULLABLE, NOBODY, FABRIC,
                                                  "End of the agent's certificate"),
        [SKR_HOST_LAST_SEEN_AT] = FIELD("last_seen_at", TIME, STATUS | NULLABLE, NOBODY, FABRIC,
                                        "When its agent last connected or left", .column_title = "LAST SEEN"),
        [SKR_HOST_COMPLIANCE] = FIELD(
                "compliance", COMPUTED, READ_ONLY, NOBODY, FABRIC,
                "Whether it is as it must be: compliant; non_compliant, how many rows of compliance it has; checked, "
                "whether its agent has looked; reason, why it can carry no virtualized network, null: it can"),
        [SKR_HOST_PROBLEM] = FIELD("problem", TEXT, STATUS | NULLABLE, NOBODY, FABRIC,
                                   "What is wrong: its agent's session is held, two machines use the host's "
                                   "identity, or it can carry no virtualized network; null: nothing",
                                   .maximum = 512, .column_title = "PROBLEM"),
};

const struct skr_resource skr_resource_host = {
        .id = SKR_HOST,
        .name = "host",
        .collection = "hosts",
        .shorthand = "h",
        .table = "host",
        .help = "A hypervisor with an agent",
        .scope = SKR_SCOPE_FABRIC,
        .writer = SKR_ROLE_FABRIC,
        .reader = SKR_ROLE_FABRIC,
        .name_parent = -1,
        .maximum = 10000,
        FIELDS(fields),
        ACTIONS(actions),
};
