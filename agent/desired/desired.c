#include "agent/desired/private.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

int skr_desired_new(struct skr_desired **ret)
{
    *ret = skr_must(calloc(1, sizeof(**ret)));
    return 0;
}

void skr_desired_free(struct skr_desired *desired)
{
    if (!desired)
        return;
    skr_desired_drop_partial(desired);
    struct skr_desired_scope *scope, *next;
    HASH_ITER (hh, desired->scopes, scope, next)
        skr_desired_scope_free(desired, scope);
    free(desired);
}

void skr_desired_listen(struct skr_desired *desired, skr_desired_fn *fn, void *arg)
{
    assert(desired->listener_count < SKR_DESIRED_LISTENERS_MAX);
    desired->listeners[desired->listener_count].fn = fn;
    desired->listeners[desired->listener_count++].arg = arg;
}

void skr_desired_notify(struct skr_desired *desired, const struct skr_desired_change *changes, size_t count)
{
    for (size_t i = 0; i < desired->listener_count && count > 0; i++)
        desired->listeners[i].fn(desired->listeners[i].arg, changes, count);
}

/* ---- scopes and objects ---- */

static struct skr_desired_scope_key scope_key(Skerry__V1__ScopeKind kind, const struct skr_uuid *id)
{
    return (struct skr_desired_scope_key){.kind = kind, .id = *id};
}

struct skr_desired_scope *skr_desired_scope_find(const struct skr_desired *desired, Skerry__V1__ScopeKind kind,
                                                 const struct skr_uuid *id)
{
    struct skr_desired_scope_key key = scope_key(kind, id);
    struct skr_desired_scope *scope;
    HASH_FIND(hh, desired->scopes, &key, sizeof(key), scope);
    return scope;
}

struct skr_desired_scope *skr_desired_scope_make(struct skr_desired *desired, const struct skr_desired_scope_key *key)
{
    struct skr_desired_scope *scope = skr_must(calloc(1, sizeof(*scope)));
    scope->key = *key;
    HASH_ADD(hh, desired->scopes, key, sizeof(scope->key), scope);
    return scope;
}

void skr_desired_scope_free(struct skr_desired *desired, struct skr_desired_scope *scope)
{
    skr_desired_scope_unmark(desired, scope);
    HASH_DELETE(hh, desired->scopes, scope);
    skr_desired_objects_free(&scope->objects);
    skr_desired_failures_free(scope);
    free(scope);
}

void skr_desired_scope_mark(struct skr_desired *desired, struct skr_desired_scope *scope)
{
    if (!scope->changed)
        DL_APPEND(desired->changed, scope);
    scope->changed = true;
}

void skr_desired_scope_unmark(struct skr_desired *desired, struct skr_desired_scope *scope)
{
    if (scope->changed)
        DL_DELETE(desired->changed, scope);
    scope->changed = false;
}

struct skr_desired_object *skr_desired_object_new(const struct skr_digest_key *key, Skerry__V1__ObjectType type,
                                                  const struct skr_uuid *id, const uint8_t *bytes, size_t size)
{
    struct skr_desired_object *object = skr_must(malloc(sizeof(*object) + size));
    memset(object, 0, sizeof(*object));
    object->key = (struct skr_desired_object_key){.type = type, .id = *id};
    object->size = (uint32_t)size;
    if (size > 0)
        memcpy(object->bytes, bytes, size);
    object->digest = skr_digest_object(key, type, id, object->bytes, size);
    return object;
}

struct skr_desired_object *skr_desired_object_find(struct skr_desired_object *objects,
                                                   const struct skr_desired_object_key *key)
{
    struct skr_desired_object *object;
    HASH_FIND(hh, objects, key, sizeof(*key), object);
    return object;
}

void skr_desired_object_free(struct skr_desired_object *object)
{
    if (object && object->message)
        protobuf_c_message_free_unpacked(object->message, NULL);
    free(object);
}

void skr_desired_objects_free(struct skr_desired_object **objects)
{
    struct skr_desired_object *object, *next;
    HASH_ITER (hh, *objects, object, next) {
        HASH_DELETE(hh, *objects, object);
        skr_desired_object_free(object);
    }
}

ProtobufCMessage *skr_desired_object_unpack(const struct skr_desired_scope *scope, struct skr_arena *arena,
                                            const struct skr_desired_object *object)
{
    return skr_must(skr_body_unpack(arena, scope->key.kind, &scope->key.id, object->key.type, &object->key.id,
                                    object->bytes, object->size));
}

/* ---- facts of the controller ---- */

void skr_desired_set_controller(struct skr_desired *desired, const struct skr_uuid *database_id, uint64_t incarnation,
                                const struct skr_digest_key *key)
{
    bool same_database = skr_uuid_compare(&desired->database_id, database_id) == 0;
    bool same_key = memcmp(&desired->digest_key, key, sizeof(*key)) == 0;
    bool same_incarnation = same_database && desired->incarnation == incarnation;
    desired->database_id = *database_id;
    desired->incarnation = incarnation;
    desired->digest_key = *key;
    if (!same_database)
        desired->revision = 0;
    skr_desired_drop_partial(desired);
    for (struct skr_desired_scope *scope = desired->scopes; scope; scope = scope->hh.next) {
        if (!same_incarnation)
            scope->version = 0;
        if (same_key)
            continue;
        scope->digest = 0; /* digests are compared under the controller's key */
        for (struct skr_desired_object *o = scope->objects; o; o = o->hh.next) {
            o->digest = skr_digest_object(key, o->key.type, &o->key.id, o->bytes, o->size);
            scope->digest += o->digest;
        }
    }
}

struct skr_uuid skr_desired_database_id(const struct skr_desired *desired)
{
    return desired->database_id;
}

uint64_t skr_desired_incarnation(const struct skr_desired *desired)
{
    return desired->incarnation;
}

uint64_t skr_desired_revision(const struct skr_desired *desired)
{
    return desired->revision;
}

void skr_desired_synced(struct skr_desired *desired, uint64_t revision)
{
    if (revision > desired->revision)
        desired->revision = revision;
}

/* ---- reading ---- */

int skr_desired_each(const struct skr_desired *desired, Skerry__V1__ObjectType type,
                     int (*fn)(void *arg, const struct skr_desired_change *object), void *arg)
{
    int r = 0;
    struct skr_arena arena;
    skr_arena_init(&arena);
    for (struct skr_desired_scope *scope = desired->scopes; scope && r == 0; scope = scope->hh.next) {
        if (!skr_body_belongs(scope->key.kind, type))
            continue;
        for (struct skr_desired_object *object = scope->objects; object && r == 0; object = object->hh.next) {
            if (object->key.type != type)
                continue;
            struct skr_desired_change change = {.scope = scope->key.kind,
                                                .scope_id = scope->key.id,
                                                .type = type,
                                                .id = object->key.id,
                                                .after = skr_desired_object_unpack(scope, &arena, object)};
            r = fn(arg, &change);
            skr_arena_reset(&arena);
        }
    }
    skr_arena_done(&arena);
    return r;
}

const ProtobufCMessage *skr_desired_get(const struct skr_desired *desired, Skerry__V1__ScopeKind kind,
                                        const struct skr_uuid *scope_id, Skerry__V1__ObjectType type,
                                        const struct skr_uuid *id)
{
    struct skr_desired_scope *scope = skr_desired_scope_find(desired, kind, scope_id);
    struct skr_desired_object_key key = {.type = type, .id = *id};
    struct skr_desired_object *object = scope ? skr_desired_object_find(scope->objects, &key) : NULL;
    if (!object)
        return NULL;
    if (!object->message) {
        struct skr_arena arena;
        skr_arena_init(&arena);
        const ProtobufCMessageDescriptor *descriptor = skr_desired_object_unpack(scope, &arena, object)->descriptor;
        skr_arena_done(&arena);
        object->message = skr_must(protobuf_c_message_unpack(descriptor, NULL, object->size, object->bytes));
    }
    return object->message;
}
