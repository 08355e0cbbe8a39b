/* Deltas: frames are judged and staged as they come, and applied in one step after the last. */
#include "agent/desired/private.h"
#include <errno.h>
#include <string.h>

/* ---- staging ---- */

void skr_desired_staged_free(struct skr_desired *desired, struct skr_desired_staged *staged)
{
    HASH_DELETE(hh, desired->staged, staged);
    desired->staged_bytes -= staged->bytes;
    skr_desired_objects_free(&staged->operations);
    free(staged);
}

void skr_desired_drop_partial(struct skr_desired *desired)
{
    struct skr_desired_staged *staged, *next;
    HASH_ITER (hh, desired->staged, staged, next)
        skr_desired_staged_free(desired, staged);
}

static size_t staged_size(const struct skr_desired_object *operation)
{
    return sizeof(*operation) + operation->size;
}

static void stage(struct skr_desired *desired, struct skr_desired_staged *staged, struct skr_desired_object *operation)
{
    struct skr_desired_object *old = skr_desired_object_find(staged->operations, &operation->key);
    size_t before = staged->bytes;
    if (old) {
        staged->bytes -= staged_size(old);
        HASH_DELETE(hh, staged->operations, old);
        skr_desired_object_free(old);
    }
    HASH_ADD(hh, staged->operations, key, sizeof(operation->key), operation);
    staged->bytes += staged_size(operation);
    desired->staged_bytes += staged->bytes - before;
}

static int refuse(struct skr_error *error, const char *what)
{
    skr_error_set(error, SKR_ERROR_SYNTAX, "A delta of the controller is malformed: %s.", what);
    return -EBADMSG;
}

/* Every field of the frame, before anything of it is kept. */
static int judge(const struct skr_desired *desired, const Skerry__V1__Delta *delta, struct skr_error *error)
{
    struct skr_uuid scope_id, id;
    if (!skr_body_scope(delta->kind))
        return refuse(error, "unknown kind of scope");
    if (!skr_body_uuid(&delta->id, &scope_id))
        return refuse(error, "the scope's id is not 16 bytes");
    if (delta->to_version == 0)
        return refuse(error, "it has no version");
    for (size_t i = 0; i < delta->n_replaced_buckets; i++)
        if (delta->replaced_buckets[i] >= SKR_DIGEST_BUCKETS)
            return refuse(error, "a bucket is out of range");
    for (size_t i = 0; i < delta->n_deletes; i++)
        if (!skr_body_belongs(delta->kind, delta->deletes[i]->type) || !skr_body_uuid(&delta->deletes[i]->id, &id))
            return refuse(error, "a deleted object's key");
    struct skr_arena arena;
    skr_arena_init(&arena);
    bool good = true;
    for (size_t i = 0; i < delta->n_upserts && good; i++) {
        const Skerry__V1__Object *object = delta->upserts[i];
        good = skr_body_uuid(&object->id, &id) &&
               skr_body_unpack(&arena, delta->kind, &scope_id, object->type, &id, object->body.data, object->body.len);
        skr_arena_reset(&arena);
    }
    skr_arena_done(&arena);
    if (!good)
        return refuse(error, "an object's body");
    if (desired->staged_bytes > SKR_DESIRED_STAGED_BYTES_MAX ||
        (!skr_desired_scope_find(desired, delta->kind, &scope_id) &&
         HASH_COUNT(desired->scopes) + HASH_COUNT(desired->staged) >= SKR_DESIRED_SCOPES_MAX))
        return refuse(error, "more than this agent takes");
    return 0;
}

/* The staged delta this frame belongs to. A frame of another version starts anew: its beginning was superseded. */
static struct skr_desired_staged *staged_for(struct skr_desired *desired, const Skerry__V1__Delta *delta)
{
    struct skr_desired_scope_key key = {.kind = delta->kind};
    skr_body_uuid(&delta->id, &key.id);
    struct skr_desired_staged *staged;
    HASH_FIND(hh, desired->staged, &key, sizeof(key), staged);
    if (staged && staged->to_version != delta->to_version) {
        skr_desired_staged_free(desired, staged);
        staged = NULL;
    }
    if (!staged) {
        staged = skr_must(calloc(1, sizeof(*staged)));
        staged->key = key;
        staged->from_version = delta->from_version;
        staged->to_version = delta->to_version;
        HASH_ADD(hh, desired->staged, key, sizeof(staged->key), staged);
    }
    return staged;
}

static void stage_frame(struct skr_desired *desired, struct skr_desired_staged *staged, const Skerry__V1__Delta *delta)
{
    struct skr_uuid id;
    for (size_t i = 0; i < delta->n_upserts; i++) {
        const Skerry__V1__Object *object = delta->upserts[i];
        skr_body_uuid(&object->id, &id);
        stage(desired, staged,
              skr_desired_object_new(&desired->digest_key, object->type, &id, object->body.data, object->body.len));
    }
    for (size_t i = 0; i < delta->n_deletes; i++) {
        skr_body_uuid(&delta->deletes[i]->id, &id);
        struct skr_desired_object *operation =
                skr_desired_object_new(&desired->digest_key, delta->deletes[i]->type, &id, NULL, 0);
        operation->gone = true;
        stage(desired, staged, operation);
    }
    for (size_t i = 0; i < delta->n_replaced_buckets; i++)
        staged->replaced_bucket[delta->replaced_buckets[i]] = true;
    staged->replaced_all |= delta->replaced_all;
}

/* ---- applying ---- */

struct changes {
    struct skr_desired_change *items;
    size_t count, room;
    struct skr_arena arena; /* the bodies */
};

static void add_change(struct changes *changes, const struct skr_desired_scope *scope,
                       const struct skr_desired_object *before, const struct skr_desired_object *after)
{
    if (changes->count == changes->room) {
        changes->room = changes->room ? 2 * changes->room : 16;
        changes->items = skr_must(realloc(changes->items, changes->room * sizeof(*changes->items)));
    }
    const struct skr_desired_object *any = after ? after : before;
    changes->items[changes->count++] = (struct skr_desired_change){
            .scope = scope->key.kind,
            .scope_id = scope->key.id,
            .type = any->key.type,
            .id = any->key.id,
            .before = before ? skr_desired_object_unpack(scope, &changes->arena, before) : NULL,
            .after = after ? skr_desired_object_unpack(scope, &changes->arena, after) : NULL,
    };
}

static void remove_object(struct skr_desired_scope *scope, struct skr_desired_object *object)
{
    HASH_DELETE(hh, scope->objects, object);
    scope->digest -= object->digest;
    skr_desired_failure_drop(scope, &object->key);
    skr_desired_object_free(object);
}

static void apply_upserts(struct skr_desired_scope *scope, struct skr_desired_staged *staged, struct changes *changes)
{
    struct skr_desired_object *operation, *next;
    HASH_ITER (hh, staged->operations, operation, next) {
        if (operation->gone)
            continue;
        struct skr_desired_object *old = skr_desired_object_find(scope->objects, &operation->key);
        if (old && old->size == operation->size && memcmp(old->bytes, operation->bytes, old->size) == 0) {
            old->round = scope->round;
            continue;
        }
        if (!old && HASH_COUNT(scope->objects) >= SKR_DESIRED_OBJECTS_MAX)
            continue; /* the digest will differ, and says so */
        add_change(changes, scope, old, operation);
        if (old) {
            HASH_DELETE(hh, scope->objects, old);
            scope->digest -= old->digest;
            skr_desired_object_free(old);
        }
        HASH_DELETE(hh, staged->operations, operation);
        HASH_ADD(hh, scope->objects, key, sizeof(operation->key), operation);
        scope->digest += operation->digest;
        operation->round = scope->round;
    }
}

static bool is_deleted(const struct skr_desired_scope *scope, const struct skr_desired_staged *staged,
                       const struct skr_desired_object *object)
{
    if (object->round == scope->round)
        return false;
    struct skr_desired_object *operation = skr_desired_object_find(staged->operations, &object->key);
    return (operation && operation->gone) || staged->replaced_all ||
           staged->replaced_bucket[skr_digest_bucket(&object->key.id)];
}

static bool replaces(const struct skr_desired_staged *staged)
{
    return staged->replaced_all || memchr(staged->replaced_bucket, true, sizeof(staged->replaced_bucket));
}

static void apply_deletes(struct skr_desired_scope *scope, struct skr_desired_staged *staged, struct changes *changes)
{
    struct skr_desired_object *object, *next;
    if (replaces(staged)) {
        HASH_ITER (hh, scope->objects, object, next) {
            if (!is_deleted(scope, staged, object))
                continue;
            add_change(changes, scope, object, NULL);
            remove_object(scope, object);
        }
        return;
    }
    for (struct skr_desired_object *o = staged->operations; o; o = o->hh.next) {
        object = o->gone ? skr_desired_object_find(scope->objects, &o->key) : NULL;
        if (!object)
            continue;
        add_change(changes, scope, object, NULL);
        remove_object(scope, object);
    }
}

static void notify_and_free(struct skr_desired *desired, struct changes *changes)
{
    skr_desired_notify(desired, changes->items, changes->count);
    skr_arena_done(&changes->arena);
    free(changes->items);
}

static int apply(struct skr_desired *desired, struct skr_desired_staged *staged, const Skerry__V1__Delta *last,
                 struct skr_error *error)
{
    struct changes changes = {0};
    skr_arena_init(&changes.arena);
    struct skr_desired_scope *scope = skr_desired_scope_find(desired, staged->key.kind, &staged->key.id);
    if (!scope)
        scope = skr_desired_scope_make(desired, &staged->key);
    scope->round++;
    apply_upserts(scope, staged, &changes);
    apply_deletes(scope, staged, &changes);
    scope->version = staged->to_version;
    skr_desired_synced(desired, last->revision);
    skr_desired_staged_free(desired, staged);
    skr_desired_scope_mark(desired, scope);
    uint64_t digest = scope->digest;
    notify_and_free(desired, &changes);
    if (digest == last->digest)
        return 0;
    skr_error_set(error, SKR_ERROR_CONFLICT,
                  "After the delta the digest of the scope differs from that of the controller.");
    return -ESTALE;
}

int skr_desired_delta(struct skr_desired *desired, const Skerry__V1__Delta *delta, bool *ret_complete,
                      struct skr_error *error)
{
    int r = judge(desired, delta, error);
    if (r < 0)
        return r;
    struct skr_desired_staged *staged = staged_for(desired, delta);
    const struct skr_desired_scope *scope = skr_desired_scope_find(desired, staged->key.kind, &staged->key.id);
    uint64_t version = scope ? scope->version : 0;
    if (staged->from_version != 0 && staged->from_version != version && (version != 0 || !scope)) {
        skr_desired_staged_free(desired, staged);
        skr_error_set(error, SKR_ERROR_CONFLICT, "The delta starts at another version than the scope has.");
        return -ESTALE;
    }
    stage_frame(desired, staged, delta);
    if (!delta->more) {
        r = apply(desired, staged, delta, error);
        if (r < 0)
            return r;
    }
    *ret_complete = !delta->more;
    return 0;
}

int skr_desired_remove_scope(struct skr_desired *desired, const Skerry__V1__ScopeRemoved *removed)
{
    struct skr_desired_scope_key key = {.kind = removed->kind};
    if (!skr_body_uuid(&removed->id, &key.id))
        return -EBADMSG;
    struct skr_desired_staged *staged;
    HASH_FIND(hh, desired->staged, &key, sizeof(key), staged);
    if (staged)
        skr_desired_staged_free(desired, staged);
    skr_desired_synced(desired, removed->revision);
    struct skr_desired_scope *scope = skr_desired_scope_find(desired, removed->kind, &key.id);
    if (!scope)
        return 0;
    struct changes changes = {0};
    skr_arena_init(&changes.arena);
    for (struct skr_desired_object *object = scope->objects; object; object = object->hh.next)
        add_change(&changes, scope, object, NULL);
    /* Listeners see the scope without its objects, as after any delete. */
    skr_desired_scope_free(desired, scope);
    notify_and_free(desired, &changes);
    return 0;
}
