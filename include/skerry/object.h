/* An object: the values of one resource (or sub table) by field number. It is what requests become, what the store
 * reads and writes, what rules judge and what the policy compiles. Owned by one thread at a time; after-images that
 * cross threads are immutable and reference-counted as a whole (skr_object_ref). */
#pragma once

#include <jansson.h>
#include <skerry/address.h>
#include <skerry/error.h>
#include <skerry/resource.h>
#include <skerry/uuid.h>
#include <stdbool.h>
#include <stdint.h>

enum skr_value_type {
    SKR_VALUE_ABSENT, /* the request did not mention it */
    SKR_VALUE_NULL,
    SKR_VALUE_INTEGER, /* INTEGER, BOOLEAN, TIME */
    SKR_VALUE_TEXT,    /* TEXT, ENUM, SECRET; NUL-terminated UTF-8, owned */
    SKR_VALUE_UUID,    /* UUID, REFERENCE */
    SKR_VALUE_ADDRESS,
    SKR_VALUE_PREFIX,
    SKR_VALUE_MAC,
    SKR_VALUE_UUIDS,     /* REFERENCES */
    SKR_VALUE_ADDRESSES, /* ADDRESSES */
    SKR_VALUE_OBJECTS,   /* STRUCTS (count objects), STRUCT (one) */
    SKR_VALUE_JSON       /* JSON, COMPUTED */
};

struct skr_object;

struct skr_value {
    enum skr_value_type type;
    uint32_t count; /* lists */
    union {
        int64_t integer;
        char *text;
        struct skr_uuid uuid;
        struct skr_address address;
        struct skr_prefix prefix;
        struct skr_mac mac;
        struct skr_uuid *uuids;
        struct skr_address *addresses;
        struct skr_object **objects;
        json_t *json;
    };
};

struct skr_object {
    const struct skr_resource *resource;
    unsigned references;       /* atomic */
    bool partial;              /* made from a PATCH: skr_object_merge merges its maps member by member */
    struct skr_value values[]; /* resource->field_count */
};

/* All values ABSENT, one reference. -ENOMEM aborts the process: daemons here do not limp on without memory. */
struct skr_object *skr_object_new(const struct skr_resource *resource);
struct skr_object *skr_object_ref(struct skr_object *object);
/* NULL is fine. */
void skr_object_unref(struct skr_object *object);
static inline void skr_object_cleanup(struct skr_object **object)
{
    skr_object_unref(*object);
}
/* A deep copy with one reference. */
struct skr_object *skr_object_copy(const struct skr_object *object);

void skr_value_clear(struct skr_value *value);
/* Deep copy over a cleared or zeroed `to`. */
void skr_value_copy(struct skr_value *to, const struct skr_value *from);
bool skr_value_equal(const struct skr_value *a, const struct skr_value *b);

/* Setters replace what was there. */
void skr_object_set_null(struct skr_object *object, int field);
void skr_object_set_integer(struct skr_object *object, int field, int64_t value);
void skr_object_set_text(struct skr_object *object, int field, const char *text); /* copies; NULL sets null */
void skr_object_set_uuid(struct skr_object *object, int field, const struct skr_uuid *value);
void skr_object_set_address(struct skr_object *object, int field, const struct skr_address *value);
void skr_object_set_prefix(struct skr_object *object, int field, const struct skr_prefix *value);
void skr_object_set_mac(struct skr_object *object, int field, const struct skr_mac *value);
void skr_object_set_uuids(struct skr_object *object, int field, const struct skr_uuid *values, uint32_t count);
void skr_object_set_addresses(struct skr_object *object, int field, const struct skr_address *values, uint32_t count);
void skr_object_set_json(struct skr_object *object, int field, json_t *stolen);

/* Getters: 0, NULL or the zero value when absent or null. Asserts the field's kind. */
bool skr_object_has(const struct skr_object *object, int field); /* neither absent nor null */
int64_t skr_object_integer(const struct skr_object *object, int field);
const char *skr_object_text(const struct skr_object *object, int field);
struct skr_uuid skr_object_uuid(const struct skr_object *object, int field);
struct skr_address skr_object_address(const struct skr_object *object, int field);
struct skr_prefix skr_object_prefix(const struct skr_object *object, int field);
struct skr_mac skr_object_mac(const struct skr_object *object, int field);

/* JSON -> object. Every mistake is reported with its pointer (up to SKR_ERROR_FIELDS_MAX): unknown members ("did you
 * mean"), wrong types, out of bounds, bad addresses, host bits in prefixes, writes to read-only fields. `role` is
 * judged against each field's writer: a field that the role may not write is reported like an unknown one. Not
 * `partial` (POST, PUT): required fields are demanded and the others get their defaults. What stays ABSENT is for the
 * rules: read-only and hidden fields, and immutable ones whose default is "not set", so that a PUT need not repeat
 * them. `partial` (PATCH, RFC 7396): nothing is required, null resets to the default (it stays SKR_VALUE_NULL in
 * structs and maps, for skr_object_merge). On error *ret stays untouched; -EINVAL. */
int skr_object_from_json(const struct skr_resource *resource, const json_t *json, bool partial, enum skr_role role,
                         struct skr_object **ret, struct skr_error *error);
/* The same for a whole object that was shown before and comes back (PUT): read-only members and "status" are passed
 * over, for whoever has the object to judge by skr_object_check_echo(). */
int skr_object_from_echo(const struct skr_resource *resource, const json_t *json, enum skr_role role,
                         struct skr_object **ret, struct skr_error *error);
/* Are the members of `json` that the role may not write as the object shows them? "status" may be of any time. -EINVAL
 * with the pointers of those that are not. */
int skr_object_check_echo(const struct skr_object *before, const json_t *json, enum skr_role role,
                          struct skr_error *error);
/* Gives every field that is still ABSENT its default, read-only and hidden ones too; for a create. Fields that have
 * none (computed, secret, a name, an address that is not nullable) stay ABSENT. */
void skr_object_fill_defaults(struct skr_object *object);
/* Object -> new JSON reference, without hidden fields, ABSENT values and what `role` may not read. etag is rendered as
 * text. Fields for which skr_resource_in_status() holds stand inside a member "status". */
json_t *skr_object_to_json(const struct skr_object *object, enum skr_role role);
/* One value as JSON, the way skr_object_to_json writes it. */
json_t *skr_value_to_json(const struct skr_field *field, const struct skr_value *value, enum skr_role role);
/* Parses a query-string or CLI word for a filterable field. -EINVAL and error with a sentence. */
int skr_value_from_text(const struct skr_field *field, const char *text, struct skr_value *ret,
                        struct skr_error *error);
/* `after` starts as a copy of `before`; each field present in `patch` replaces it; STRUCTs merge field by field and,
 * when the patch is partial (RFC 7396), JSON maps member by member, null removing one. *ret_changed says whether a
 * versioned field differs. -E2BIG: a map would hold more entries than its maximum. */
int skr_object_merge(const struct skr_object *before, const struct skr_object *patch, struct skr_object **ret_after,
                     bool *ret_changed);
