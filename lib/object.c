#include <assert.h>
#include <skerry/object.h>
#include <string.h>

/* Daemons here do not limp on without memory. */
static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

struct skr_object *skr_object_new(const struct skr_resource *resource)
{
    struct skr_object *object = must(calloc(1, sizeof(*object) + resource->field_count * sizeof(object->values[0])));
    object->resource = resource;
    object->references = 1;
    return object;
}

struct skr_object *skr_object_ref(struct skr_object *object)
{
    __atomic_add_fetch(&object->references, 1, __ATOMIC_RELAXED);
    return object;
}

/* A secret leaves nothing in memory that is free again. */
static void clear_field(struct skr_object *object, unsigned field)
{
    struct skr_value *value = &object->values[field];
    if (object->resource->fields[field].kind == SKR_KIND_SECRET && value->type == SKR_VALUE_TEXT && value->text)
        explicit_bzero(value->text, strlen(value->text));
    skr_value_clear(value);
}

void skr_object_unref(struct skr_object *object)
{
    if (!object || __atomic_sub_fetch(&object->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    for (unsigned i = 0; i < object->resource->field_count; i++)
        clear_field(object, i);
    free(object);
}

struct skr_object *skr_object_copy(const struct skr_object *object)
{
    struct skr_object *copy = skr_object_new(object->resource);
    copy->partial = object->partial;
    for (unsigned i = 0; i < object->resource->field_count; i++)
        skr_value_copy(&copy->values[i], &object->values[i]);
    return copy;
}

void skr_value_clear(struct skr_value *value)
{
    switch (value->type) {
    case SKR_VALUE_TEXT:
        free(value->text);
        break;
    case SKR_VALUE_UUIDS:
        free(value->uuids);
        break;
    case SKR_VALUE_ADDRESSES:
        free(value->addresses);
        break;
    case SKR_VALUE_OBJECTS:
        for (uint32_t i = 0; i < value->count; i++)
            skr_object_unref(value->objects[i]);
        free(value->objects);
        break;
    case SKR_VALUE_JSON:
        json_decref(value->json);
        break;
    default:
        break;
    }
    *value = (struct skr_value){0};
}

/* A list of nothing has no memory. */
static void *copy_memory(const void *from, size_t count, size_t size)
{
    return count ? memcpy(must(calloc(count, size)), from, count * size) : NULL;
}

void skr_value_copy(struct skr_value *to, const struct skr_value *from)
{
    *to = *from;
    switch (from->type) {
    case SKR_VALUE_TEXT:
        to->text = must(strdup(from->text));
        break;
    case SKR_VALUE_UUIDS:
        to->uuids = copy_memory(from->uuids, from->count, sizeof(from->uuids[0]));
        break;
    case SKR_VALUE_ADDRESSES:
        to->addresses = copy_memory(from->addresses, from->count, sizeof(from->addresses[0]));
        break;
    case SKR_VALUE_OBJECTS:
        to->objects = copy_memory(from->objects, from->count, sizeof(struct skr_object *));
        for (uint32_t i = 0; i < from->count; i++)
            to->objects[i] = skr_object_copy(from->objects[i]);
        break;
    case SKR_VALUE_JSON:
        to->json = must(json_deep_copy(from->json));
        break;
    default:
        break;
    }
}

static bool objects_equal(const struct skr_object *a, const struct skr_object *b)
{
    if (a->resource != b->resource)
        return false;
    for (unsigned i = 0; i < a->resource->field_count; i++)
        if (!skr_value_equal(&a->values[i], &b->values[i]))
            return false;
    return true;
}

static bool lists_equal(const struct skr_value *a, const struct skr_value *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        bool same = a->type == SKR_VALUE_UUIDS       ? skr_uuid_equal(&a->uuids[i], &b->uuids[i])
                    : a->type == SKR_VALUE_ADDRESSES ? skr_address_compare(&a->addresses[i], &b->addresses[i]) == 0
                                                     : objects_equal(a->objects[i], b->objects[i]);
        if (!same)
            return false;
    }
    return true;
}

bool skr_value_equal(const struct skr_value *a, const struct skr_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case SKR_VALUE_ABSENT:
    case SKR_VALUE_NULL:
        return true;
    case SKR_VALUE_INTEGER:
        return a->integer == b->integer;
    case SKR_VALUE_TEXT:
        return strcmp(a->text, b->text) == 0;
    case SKR_VALUE_UUID:
        return skr_uuid_equal(&a->uuid, &b->uuid);
    case SKR_VALUE_ADDRESS:
        return skr_address_compare(&a->address, &b->address) == 0;
    case SKR_VALUE_PREFIX:
        return a->prefix.length == b->prefix.length && skr_address_compare(&a->prefix.address, &b->prefix.address) == 0;
    case SKR_VALUE_MAC:
        return memcmp(a->mac.bytes, b->mac.bytes, sizeof(a->mac.bytes)) == 0;
    case SKR_VALUE_JSON:
        return json_equal(a->json, b->json);
    default:
        return lists_equal(a, b);
    }
}

/* The value of a field, emptied and given its new type. */
static struct skr_value *renew(struct skr_object *object, int field, enum skr_value_type type)
{
    assert(field >= 0 && (unsigned)field < object->resource->field_count);
    struct skr_value *value = &object->values[field];
    clear_field(object, (unsigned)field);
    value->type = type;
    return value;
}

void skr_object_set_null(struct skr_object *object, int field)
{
    renew(object, field, SKR_VALUE_NULL);
}

void skr_object_set_integer(struct skr_object *object, int field, int64_t value)
{
    renew(object, field, SKR_VALUE_INTEGER)->integer = value;
}

void skr_object_set_text(struct skr_object *object, int field, const char *text)
{
    char *copy = text ? must(strdup(text)) : NULL; /* before: text may be what the field holds */
    renew(object, field, text ? SKR_VALUE_TEXT : SKR_VALUE_NULL)->text = copy;
}

void skr_object_set_uuid(struct skr_object *object, int field, const struct skr_uuid *value)
{
    struct skr_uuid copy = *value;
    renew(object, field, SKR_VALUE_UUID)->uuid = copy;
}

void skr_object_set_address(struct skr_object *object, int field, const struct skr_address *value)
{
    struct skr_address copy = *value;
    renew(object, field, SKR_VALUE_ADDRESS)->address = copy;
}

void skr_object_set_prefix(struct skr_object *object, int field, const struct skr_prefix *value)
{
    struct skr_prefix copy = *value;
    renew(object, field, SKR_VALUE_PREFIX)->prefix = copy;
}

void skr_object_set_mac(struct skr_object *object, int field, const struct skr_mac *value)
{
    struct skr_mac copy = *value;
    renew(object, field, SKR_VALUE_MAC)->mac = copy;
}

void skr_object_set_uuids(struct skr_object *object, int field, const struct skr_uuid *values, uint32_t count)
{
    struct skr_uuid *copy = copy_memory(values, count, sizeof(values[0]));
    struct skr_value *value = renew(object, field, SKR_VALUE_UUIDS);
    value->uuids = copy;
    value->count = count;
}

void skr_object_set_addresses(struct skr_object *object, int field, const struct skr_address *values, uint32_t count)
{
    struct skr_address *copy = copy_memory(values, count, sizeof(values[0]));
    struct skr_value *value = renew(object, field, SKR_VALUE_ADDRESSES);
    value->addresses = copy;
    value->count = count;
}

void skr_object_set_json(struct skr_object *object, int field, json_t *stolen)
{
    must(stolen);
    renew(object, field, SKR_VALUE_JSON)->json = stolen;
}

bool skr_object_has(const struct skr_object *object, int field)
{
    assert(field >= 0 && (unsigned)field < object->resource->field_count);
    return object->values[field].type != SKR_VALUE_ABSENT && object->values[field].type != SKR_VALUE_NULL;
}

/* The value when the field holds one, NULL when absent or null; of another type: a mistake of the caller. */
static const struct skr_value *held(const struct skr_object *object, int field, enum skr_value_type type)
{
    if (!skr_object_has(object, field))
        return NULL;
    assert(object->values[field].type == type);
    return object->values[field].type == type ? &object->values[field] : NULL;
}

int64_t skr_object_integer(const struct skr_object *object, int field)
{
    const struct skr_value *value = held(object, field, SKR_VALUE_INTEGER);
    return value ? value->integer : 0;
}

const char *skr_object_text(const struct skr_object *object, int field)
{
    const struct skr_value *value = held(object, field, SKR_VALUE_TEXT);
    return value ? value->text : NULL;
}

struct skr_uuid skr_object_uuid(const struct skr_object *object, int field)
{
    const struct skr_value *value = held(object, field, SKR_VALUE_UUID);
    return value ? value->uuid : (struct skr_uuid){0};
}

struct skr_address skr_object_address(const struct skr_object *object, int field)
{
    const struct skr_value *value = held(object, field, SKR_VALUE_ADDRESS);
    return value ? value->address : (struct skr_address){0};
}

struct skr_prefix skr_object_prefix(const struct skr_object *object, int field)
{
    const struct skr_value *value = held(object, field, SKR_VALUE_PREFIX);
    return value ? value->prefix : (struct skr_prefix){0};
}

struct skr_mac skr_object_mac(const struct skr_object *object, int field)
{
    const struct skr_value *value = held(object, field, SKR_VALUE_MAC);
    return value ? value->mac : (struct skr_mac){0};
}
