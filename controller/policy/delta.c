/* Deltas as frames: the objects as they are now, packed once, split at SKR_POLICY_FRAME_BYTES. */
#include "controller/policy/graph.h"
#include <skerry/frame.h>
#include <skerry/macros.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT_OVERHEAD 32 /* tags, type, id and length of an object or key */

/* The content of one delta while it is put together. */
struct draft {
    const struct scope *scope;
    uint64_t from_version;
    bool replaced_all;
    uint32_t replaced[256];
    uint32_t replaced_count;
    const struct scope_object **upserts;
    struct skr_map_key *deletes;
    uint32_t upsert_count, delete_count;
};

static void draft_done(struct draft *draft)
{
    free(draft->upserts);
    free(draft->deletes);
}

static struct skr_shared_bytes *pack(const Skerry__V1__Delta *delta)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;

    envelope.body_case = SKERRY__V1__ENVELOPE__BODY_DELTA;
    envelope.delta = (Skerry__V1__Delta *)(uintptr_t)delta;
    size_t size = skerry__v1__envelope__get_packed_size(&envelope);
    struct skr_shared_bytes *bytes = skr_policy_must(skr_shared_bytes_new(SKR_FRAME_HEADER + size));
    for (int i = 0; i < SKR_FRAME_HEADER; i++)
        bytes->data[i] = (uint8_t)(size >> (24 - 8 * i));
    skerry__v1__envelope__pack(&envelope, bytes->data + SKR_FRAME_HEADER);
    return bytes;
}

/* The next frame's share of the draft, from *upsert and *delete_ on. */
static struct skr_shared_bytes *pack_next(const struct skr_policy *policy, const struct draft *draft, uint32_t *upsert,
                                          uint32_t *delete_)
{
    uint32_t first_upsert = *upsert, first_delete = *delete_;
    size_t bytes = 0;

    for (; *upsert < draft->upsert_count && bytes < SKR_POLICY_FRAME_BYTES; (*upsert)++)
        bytes += OBJECT_OVERHEAD + draft->upserts[*upsert]->size;
    for (; *delete_ < draft->delete_count && bytes < SKR_POLICY_FRAME_BYTES; (*delete_)++)
        bytes += OBJECT_OVERHEAD;
    uint32_t upserts = *upsert - first_upsert, deletes = *delete_ - first_delete;
    Skerry__V1__Object *objects = skr_policy_must(calloc(upserts + 1, sizeof(*objects)));
    Skerry__V1__Object **object_list = skr_policy_must(calloc(upserts + 1, sizeof(void *)));
    Skerry__V1__ObjectKey *keys = skr_policy_must(calloc(deletes + 1, sizeof(*keys)));
    Skerry__V1__ObjectKey **key_list = skr_policy_must(calloc(deletes + 1, sizeof(void *)));

    for (uint32_t i = 0; i < upserts; i++) {
        const struct scope_object *from = draft->upserts[first_upsert + i];
        skerry__v1__object__init(&objects[i]);
        objects[i].type = (Skerry__V1__ObjectType)from->key.type;
        objects[i].id = skr_policy_wire_uuid(&from->key.id);
        objects[i].body = (ProtobufCBinaryData){.len = from->size, .data = (uint8_t *)(uintptr_t)from->bytes};
        object_list[i] = &objects[i];
    }
    for (uint32_t i = 0; i < deletes; i++) {
        skerry__v1__object_key__init(&keys[i]);
        keys[i].type = (Skerry__V1__ObjectType)draft->deletes[first_delete + i].type;
        keys[i].id = skr_policy_wire_uuid(&draft->deletes[first_delete + i].id);
        key_list[i] = &keys[i];
    }
    Skerry__V1__Delta delta = SKERRY__V1__DELTA__INIT;
    delta.kind = (Skerry__V1__ScopeKind)draft->scope->key.type;
    delta.id = skr_policy_wire_uuid(&draft->scope->key.id);
    delta.from_version = draft->from_version;
    delta.to_version = draft->scope->version;
    delta.upserts = object_list;
    delta.n_upserts = upserts;
    delta.deletes = key_list;
    delta.n_deletes = deletes;
    delta.more = *upsert < draft->upsert_count || *delete_ < draft->delete_count;
    delta.digest = draft->scope->digest;
    delta.revision = (uint64_t)policy->revision;
    delta.replaced_all = draft->replaced_all;
    delta.replaced_buckets = (uint32_t *)(uintptr_t)draft->replaced;
    delta.n_replaced_buckets = draft->replaced_count;
    struct skr_shared_bytes *frame = pack(&delta);
    free(objects);
    free(object_list);
    free(keys);
    free(key_list);
    return frame;
}

static struct frames *draft_pack(const struct skr_policy *policy, const struct draft *draft)
{
    struct frames *frames = skr_policy_must(calloc(1, sizeof(*frames)));
    uint32_t upsert = 0, delete_ = 0;

    frames->references = 1;
    do {
        frames = skr_policy_must(realloc(frames, sizeof(*frames) + (frames->count + 1) * sizeof(void *)));
        struct skr_shared_bytes *frame = pack_next(policy, draft, &upsert, &delete_);
        frames->bytes += frame->size;
        frames->frame[frames->count++] = frame;
    } while (upsert < draft->upsert_count || delete_ < draft->delete_count);
    return frames;
}

void skr_policy_frames_unref(struct frames *frames)
{
    if (!frames || --frames->references > 0)
        return;
    for (uint32_t i = 0; i < frames->count; i++)
        skr_shared_bytes_unref(frames->frame[i]);
    free(frames);
}

static int by_key(const void *a, const void *b)
{
    const struct skr_map_key *x = a, *y = b;

    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return skr_uuid_compare(&x->id, &y->id);
}

struct frames *skr_policy_delta_recent(const struct skr_policy *policy, const struct scope *scope, uint32_t ring_index,
                                       uint64_t from_version)
{
    struct draft draft = {.scope = scope, .from_version = from_version};
    size_t count = 0;

    for (uint32_t i = ring_index; i < scope->ring_count; i++)
        count += scope->ring[(scope->ring_first + i) % scope->ring_capacity]->count;
    struct skr_map_key *keys = skr_policy_must(calloc(count + 1, sizeof(*keys)));
    count = 0;
    for (uint32_t i = ring_index; i < scope->ring_count; i++) {
        const struct ring_entry *entry = scope->ring[(scope->ring_first + i) % scope->ring_capacity];
        memcpy(keys + count, entry->keys, entry->count * sizeof(*keys));
        count += entry->count;
    }
    qsort(keys, count, sizeof(*keys), by_key);
    draft.upserts = skr_policy_must(calloc(count + 1, sizeof(void *)));
    draft.deletes = skr_policy_must(calloc(count + 1, sizeof(*draft.deletes)));
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && by_key(&keys[i], &keys[i - 1]) == 0)
            continue;
        const struct scope_object *object = skr_id_map_get(&scope->objects, keys[i].type, &keys[i].id);
        if (object)
            draft.upserts[draft.upsert_count++] = object;
        else
            draft.deletes[draft.delete_count++] = keys[i];
    }
    free(keys);
    struct frames *frames = draft_pack(policy, &draft);
    draft_done(&draft);
    return frames;
}

static void draft_add_buckets(struct draft *draft, const bool wanted[static 256])
{
    uint32_t cursor = 0;

    draft->upserts = skr_policy_must(calloc(draft->scope->objects.count + 1, sizeof(void *)));
    for (const struct scope_object *object; (object = skr_id_map_next(&draft->scope->objects, &cursor));)
        if (wanted[skr_digest_bucket(&object->key.id)])
            draft->upserts[draft->upsert_count++] = object;
}

struct frames *skr_policy_delta_whole(const struct skr_policy *policy, const struct scope *scope)
{
    struct draft draft = {.scope = scope, .replaced_all = true};
    bool all[256];

    memset(all, true, sizeof(all));
    draft_add_buckets(&draft, all);
    struct frames *frames = draft_pack(policy, &draft);
    draft_done(&draft);
    return frames;
}

struct frames *skr_policy_delta_buckets(const struct skr_policy *policy, const struct scope *scope,
                                        const bool differs[static 256])
{
    struct draft draft = {.scope = scope};

    for (uint32_t i = 0; i < 256; i++)
        if (differs[i])
            draft.replaced[draft.replaced_count++] = i;
    draft_add_buckets(&draft, differs);
    struct frames *frames = draft_pack(policy, &draft);
    draft_done(&draft);
    return frames;
}
