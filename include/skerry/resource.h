/* One description of each resource, used by every layer: JSON in and out, SQL, paging, filters, columns and help of
 * skerryctl, OpenAPI and authorization all come from these tables (lib/resource/<object>.c). Pure data, no behaviour:
 * rules are functions in controller/model/<object>.c.
 *
 * Every stored resource begins with the common fields (SKR_FIELD_ID ... SKR_FIELD_COMMON_COUNT); its own follow,
 * numbered by an enum in <skerry/resource_fields.h>. Values travel as struct skr_object (<skerry/object.h>). */
#pragma once

#include <skerry/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKR_NAME_MAX        255 /* characters (code points) */
#define SKR_DESCRIPTION_MAX 4096
#define SKR_TEXT_MAX        1024 /* bytes, other text fields unless the table says less */
#define SKR_LABELS_MAX      64
#define SKR_LIST_MAX        1000 /* entries of a list field unless the table says less */

enum skr_resource_id {
    SKR_TENANT,
    SKR_HOST_GROUP,
    SKR_LOGICAL_NETWORK,
    SKR_NETWORK_SITE,
    SKR_IP_POOL,
    SKR_MAC_POOL,
    SKR_VIRTUAL_PORT_PROFILE,
    SKR_PORT_CLASSIFICATION,
    SKR_HOST,
    SKR_VM_NETWORK,
    SKR_VM_SUBNET,
    SKR_NETWORK_ADAPTER,
    SKR_UPLINK_PORT_PROFILE,
    SKR_LOGICAL_SWITCH,
    SKR_HOST_SWITCH,
    SKR_JOIN_TOKEN,
    SKR_TOKEN,
    SKR_ACCESS_CONTROL_LIST,
    SKR_CUSTOMER_ROUTE,
    SKR_USER,
    SKR_ROLE_BINDING,
    SKR_BACKUP,
    /* Views: rows that the model keeps or derives; read-only over REST. */
    SKR_LOOKUP_RECORD,
    SKR_PROVIDER_ADDRESS,
    SKR_IP_ALLOCATION,
    SKR_EFFECTIVE_ROUTE,
    SKR_COMPLIANCE,
    SKR_ORPHAN,
    SKR_EVENT,
    SKR_JOB,
    SKR_AUDIT_RECORD,
    SKR_USAGE,
    SKR_SESSION, /* made by a login, not by an ordinary create */
    SKR_ADDRESS_HOLDING,
    SKR_RESOURCE_COUNT
};

enum skr_kind {
    SKR_KIND_TEXT,       /* TEXT */
    SKR_KIND_INTEGER,    /* INTEGER, minimum and maximum from the table */
    SKR_KIND_BOOLEAN,    /* INTEGER 0 or 1 */
    SKR_KIND_ENUM,       /* TEXT, one of `choices` */
    SKR_KIND_TIME,       /* INTEGER wall clock ms; RFC 3339 in JSON */
    SKR_KIND_UUID,       /* BLOB(16), not a reference */
    SKR_KIND_ADDRESS,    /* BLOB(16), IPv4 mapped */
    SKR_KIND_PREFIX,     /* BLOB(17): address, then length in the family's bits */
    SKR_KIND_MAC,        /* BLOB(6) */
    SKR_KIND_REFERENCE,  /* BLOB(16) with a foreign key to `target` */
    SKR_KIND_REFERENCES, /* link table <table>_<field>(owner_id, position, target_id) with foreign keys, ON DELETE
                            RESTRICT */
    SKR_KIND_STRUCTS,    /* child table <table>_<field>(owner_id, position, ...own columns) with its own `sub` table */
    SKR_KIND_STRUCT,     /* one nested object; its fields are columns <field>_<subfield> of the same row */
    SKR_KIND_ADDRESSES,  /* list of addresses; TEXT column holding a JSON array; never referenced, never filtered */
    SKR_KIND_JSON,     /* TEXT column of JSON; never referenced, never filtered; `json_shape` says object or array. What
                          requests write is a list of texts or a map of text to text; rules may keep any JSON */
    SKR_KIND_COMPUTED, /* no column: model fills it when an object is rendered; JSON value; read-only, not filterable */
    SKR_KIND_SECRET    /* no column, never stored, logged or replayed. READ_ONLY: shown once in the answer to a create.
                          Else written by requests (a password), and its reader is NOBODY: never shown */
};

/* A role says who a caller is, and also for whom a table reserves a resource, a field, an action or an address: one
 * list, so that both are compared in one place, skr_role_writes() and skr_role_reads(). */
enum skr_role {
    SKR_ROLE_NOBODY,
    SKR_ROLE_ADMIN,   /* administrators alone; as reader: administrators and auditors */
    SKR_ROLE_FABRIC,  /* and fabric operators */
    SKR_ROLE_TENANT,  /* administrators and the tenant's own administrators */
    SKR_ROLE_ANY,     /* whoever may write (read) the resource; of a resource: all who write (read) anything */
    SKR_ROLE_PUBLIC,  /* of an address: needs no token */
    SKR_ROLE_SELF,    /* of an address: whoever he is, in his own matters */
    SKR_ROLE_AUDITOR, /* somebody: reads everything, writes nothing */
    SKR_ROLE_VIEWER   /* somebody: reads what is his tenant's */
};

/* Flags of a field. */
enum {
    SKR_FIELD_REQUIRED = 1 << 0,
    SKR_FIELD_IMMUTABLE = 1 << 1,   /* after create */
    SKR_FIELD_READ_ONLY = 1 << 2,   /* written by rules, never by a request */
    SKR_FIELD_FILTER = 1 << 3,      /* ?name=value on lists; has an index (tests read the plan) */
    SKR_FIELD_NULLABLE = 1 << 4,    /* null is a value: "not set" */
    SKR_FIELD_WIDE = 1 << 5,        /* column only in -o wide */
    SKR_FIELD_HIDDEN = 1 << 6,      /* stored, never shown: hashes and counters of the rules */
    SKR_FIELD_UNVERSIONED = 1 << 7, /* written by reports: does not change the etag (status columns) */
    SKR_FIELD_SIGHT = 1 << 8        /* decides which other objects somebody sees: history keeps what it was */
};

struct skr_resource;

struct skr_field {
    const char *name; /* snake_case; column and JSON member; references end in _id, reference lists in _ids */
    const char *help; /* one line, for OpenAPI and skerryctl */
    enum skr_kind kind;
    unsigned flags;
    enum skr_role writer, reader;   /* 0 = SKR_ROLE_NOBODY; a table with a writable field that names none is refused
                                       by the unit test of tables */
    int64_t minimum, maximum;       /* integers: value; text: bytes; lists: entries (0, 0 = the general maximum) */
    const char *const *choices;     /* enums: NULL-terminated */
    enum skr_resource_id target;    /* references */
    const struct skr_resource *sub; /* structs: a table without common fields */
    const char *fallback;           /* default as JSON text; NULL = null, false, 0, [] or {} by kind */
    char json_shape;                /* '{' or '[' for SKR_KIND_JSON */
    const char *column_title;       /* table output of skerryctl; NULL = not a column */
};

/* Where a resource stands under tenants, for queries and names. */
enum skr_scope { SKR_SCOPE_FABRIC, SKR_SCOPE_TENANT };

enum {
    SKR_RESOURCE_VIEW = 1 << 0,      /* GET alone */
    SKR_RESOURCE_NO_UPDATE = 1 << 1, /* POST, GET, DELETE (tokens) */
    SKR_RESOURCE_DERIVED = 1 << 2,   /* no rows of its own: an SQL view over other tables */
    SKR_RESOURCE_HISTORY = 1 << 3,   /* rows outlive what they are about: its ids are no foreign keys */
    /* Only on a sub table: entries of the list are told apart by a name that is unique in it (SKR_ENTRY_NAME) and keep
     * the id that was assigned with it (SKR_ENTRY_ID), wherever they stand and whatever else of them changes. */
    SKR_RESOURCE_KEYED = 1 << 4,
    SKR_RESOURCE_LOGIN = 1 << 5, /* its POST is how one gets in: it needs no token (sessions) */
    /* Rows are only added and pruned: they make no change that a watch or a revision could tell of. */
    SKR_RESOURCE_APPENDED = 1 << 6
};

struct skr_action {
    const char *verb; /* POST <collection>/{id}:verb */
    const char *help;
    const struct skr_resource *input; /* fields of the body, a table without common fields; NULL = no body */
    enum skr_role role;
};

struct skr_resource {
    enum skr_resource_id id;
    const char *name;       /* "vm-network": messages, kinds of watch and events */
    const char *collection; /* "vm-networks": path and CLI */
    const char *shorthand;  /* CLI alias, "vmn"; may be NULL */
    const char *table;      /* "vm_network" */
    const char *help;
    enum skr_scope scope;
    enum skr_role writer, reader; /* who may create, change and delete; who may list, read and watch */
    unsigned flags;
    int name_parent;       /* field that scopes the name's uniqueness (SKR_FIELD_TENANT_ID, a reference), -1 = global */
    int name_other_parent; /* the field that does where name_parent is null; 0 = none */
    int64_t maximum;       /* objects of this kind; LIMIT beyond */
    const struct skr_field *fields;
    unsigned field_count;
    const struct skr_action *actions;
    unsigned action_count;
};

/* The first fields of a sub table that is KEYED. */
enum { SKR_ENTRY_ID, SKR_ENTRY_NAME, SKR_ENTRY_COMMON_COUNT };

/* Common fields, same place in every stored resource. Sub tables (structs, action inputs) have none of them. */
enum {
    SKR_FIELD_ID,
    SKR_FIELD_TENANT_ID, /* NULL = fabric; settable on tenant resources at create by administrators */
    SKR_FIELD_NAME,
    SKR_FIELD_DESCRIPTION,
    SKR_FIELD_LABELS, /* SKR_KIND_JSON '{' of text values */
    SKR_FIELD_CREATED_AT,
    SKR_FIELD_UPDATED_AT,
    SKR_FIELD_ETAG, /* revision of the last change to a written field; JSON text */
    SKR_FIELD_COMMON_COUNT
};

/* Expands to the common rows of a field table. tenant flags: 0 or SKR_FIELD_HIDDEN | SKR_FIELD_READ_ONLY for fabric. */
#define SKR_COMMON_FIELDS(tenant_flags) SKR_COMMON_FIELDS_NAMED(tenant_flags, SKR_FIELD_REQUIRED | SKR_FIELD_FILTER)
/* The same where a name is not demanded: rules find one (network sites), or a view has none of its own. */
#define SKR_COMMON_FIELDS_NAMED(tenant_flags, name_flags)                                                              \
    [SKR_FIELD_ID] = {.name = "id",                                                                                    \
                      .help = "UUID, assigned",                                                                        \
                      .kind = SKR_KIND_UUID,                                                                           \
                      .flags = SKR_FIELD_READ_ONLY | SKR_FIELD_WIDE,                                                   \
                      .reader = SKR_ROLE_ANY,                                                                          \
                      .column_title = "ID"},                                                                           \
    [SKR_FIELD_TENANT_ID] = {.name = "tenant_id",                                                                      \
                             .help = "Tenant that owns the object",                                                    \
                             .kind = SKR_KIND_REFERENCE,                                                               \
                             .target = SKR_TENANT,                                                                     \
                             .flags = SKR_FIELD_IMMUTABLE | SKR_FIELD_NULLABLE | (tenant_flags),                       \
                             .writer = SKR_ROLE_ADMIN,                                                                 \
                             .reader = SKR_ROLE_ANY},                                                                  \
    [SKR_FIELD_NAME] = {.name = "name",                                                                                \
                        .help = "Name, unique in its scope",                                                           \
                        .kind = SKR_KIND_TEXT,                                                                         \
                        .flags = (name_flags),                                                                         \
                        .minimum = 1,                                                                                  \
                        .maximum = SKR_NAME_MAX,                                                                       \
                        .writer = SKR_ROLE_ANY,                                                                        \
                        .reader = SKR_ROLE_ANY,                                                                        \
                        .column_title = "NAME"},                                                                       \
    [SKR_FIELD_DESCRIPTION] = {.name = "description",                                                                  \
                               .help = "Free text",                                                                    \
                               .kind = SKR_KIND_TEXT,                                                                  \
                               .maximum = SKR_DESCRIPTION_MAX,                                                         \
                               .writer = SKR_ROLE_ANY,                                                                 \
                               .reader = SKR_ROLE_ANY},                                                                \
    [SKR_FIELD_LABELS] = {.name = "labels",                                                                            \
                          .help = "Map of text to text",                                                               \
                          .kind = SKR_KIND_JSON,                                                                       \
                          .json_shape = '{',                                                                           \
                          .maximum = SKR_LABELS_MAX,                                                                   \
                          .writer = SKR_ROLE_ANY,                                                                      \
                          .reader = SKR_ROLE_ANY},                                                                     \
    [SKR_FIELD_CREATED_AT] = {.name = "created_at",                                                                    \
                              .help = "When it was created",                                                           \
                              .kind = SKR_KIND_TIME,                                                                   \
                              .flags = SKR_FIELD_READ_ONLY,                                                            \
                              .reader = SKR_ROLE_ANY},                                                                 \
    [SKR_FIELD_UPDATED_AT] = {.name = "updated_at",                                                                    \
                              .help = "When a written field last changed",                                             \
                              .kind = SKR_KIND_TIME,                                                                   \
                              .flags = SKR_FIELD_READ_ONLY,                                                            \
                              .reader = SKR_ROLE_ANY},                                                                 \
    [SKR_FIELD_ETAG] = {.name = "etag",                                                                                \
                        .help = "Version of the written fields, for If-Match",                                         \
                        .kind = SKR_KIND_INTEGER,                                                                      \
                        .maximum = INT64_MAX,                                                                          \
                        .flags = SKR_FIELD_READ_ONLY,                                                                  \
                        .reader = SKR_ROLE_ANY}

/* The table of a resource; never NULL for an id below SKR_RESOURCE_COUNT. */
const struct skr_resource *skr_resource_get(enum skr_resource_id id);
/* Where a field stands in JSON: true = inside the member "status". One rule for JSON, OpenAPI and columns: what is
 * READ_ONLY and (UNVERSIONED or COMPUTED), except in views, which are status altogether and stay flat. */
bool skr_resource_in_status(const struct skr_resource *resource, int field);
/* May somebody of role `who` write (do, use with a method that changes) what is reserved for `reserved`? Administrators
 * may all that is reserved for somebody; auditors and viewers nothing. */
bool skr_role_writes(enum skr_role reserved, enum skr_role who);
/* The same for reading: auditors read all that is reserved for somebody. */
bool skr_role_reads(enum skr_role reserved, enum skr_role who);
/* "admin", "fabric-operator", "auditor", "tenant-admin", "tenant-viewer"; NULL for what nobody is. And back: NOBODY. */
const char *skr_role_name(enum skr_role who);
enum skr_role skr_role_find(const char *name);
/* The field that says where in the fabric a row stands, a host or a host group: its "host_group_id" or "host_id"; -1 =
 * nowhere. What stands in a host group's subtree is what an operator of that group reaches. */
int skr_resource_place(const struct skr_resource *resource);
/* By collection, name or shorthand; NULL when unknown. */
const struct skr_resource *skr_resource_find(const char *text);
/* Index of a field by name, -1 when unknown. Only for edges that receive names (JSON, query strings, CLI). */
int skr_resource_field(const struct skr_resource *resource, const char *name);
/* The nearest known name to a mistyped one among `count` candidates, NULL when none is near ("did you mean"). */
const char *skr_nearest(const char *text, const char *const *candidates, size_t count);
