/* How a delta is split into frames, on scopes made by hand: nothing is lost, and no frame more than there must be. */
#include "tests/unit/controller/policy/fixture.h"

#define FULL (SKR_POLICY_FRAME_BYTES / 32) /* deletes of one frame: 32 bytes are reckoned for a key */

static struct scope scope;
static struct ring_entry *entry;

static struct skr_uuid numbered(uint32_t number)
{
    struct skr_uuid id = {{(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16), 7}};
    return id;
}

/* The last version changed this many objects; the first `present` of them are there, with bodies of `size` bytes. */
static void changed(uint32_t count, uint32_t present, uint32_t size)
{
    scope = (struct scope){.version = 9, .ring_count = 1, .ring_capacity = 1};
    entry = calloc(1, sizeof(*entry) + count * sizeof(entry->keys[0]));
    entry->count = count;
    scope.ring = &entry;
    for (uint32_t i = 0; i < count; i++) {
        entry->keys[i] = (struct skr_map_key){.type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_RECORD, .id = numbered(i)};
        if (i >= present)
            continue;
        struct scope_object *object = calloc(1, sizeof(*object) + size);
        object->key = entry->keys[i];
        object->size = size;
        skr_id_map_put(&scope.objects, object);
    }
}

struct sent {
    uint32_t frames, more, upserts, deletes;
    size_t largest;
};

static uint32_t number_of(const ProtobufCBinaryData *id)
{
    return id->data[0] | (uint32_t)id->data[1] << 8 | (uint32_t)id->data[2] << 16;
}

/* Reads the frames as an agent does. Each object is told once, and only the last frame says that it is the last. */
static struct sent sent(void)
{
    static uint8_t told[1 << 16];
    struct skr_policy policy = {.revision = 4};
    struct sent sum = {0};
    struct frames *frames = skr_policy_delta_recent(&policy, &scope, 0, 8);
    memset(told, 0, sizeof(told));
    for (uint32_t i = 0; i < frames->count; i++) {
        const struct skr_shared_bytes *frame = frames->frame[i];
        Skerry__V1__Envelope *envelope;
        cr_assert_eq(skr_frame_unpack(frame->data + SKR_FRAME_HEADER, frame->size - SKR_FRAME_HEADER, &envelope), 0);
        const Skerry__V1__Delta *delta = envelope->delta;
        for (size_t j = 0; j < delta->n_upserts; j++)
            cr_assert_eq(told[number_of(&delta->upserts[j]->id)]++, 0);
        for (size_t j = 0; j < delta->n_deletes; j++)
            cr_assert_eq(told[number_of(&delta->deletes[j]->id)]++, 0);
        cr_assert_eq(delta->more, i + 1 < frames->count, "frame %u of %u", i + 1, frames->count);
        cr_assert_eq(delta->n_replaced_buckets, 0);
        cr_assert_eq(delta->from_version, 8);
        cr_assert_eq(delta->to_version, 9);
        sum.more += delta->more;
        sum.upserts += (uint32_t)delta->n_upserts;
        sum.deletes += (uint32_t)delta->n_deletes;
        sum.largest = frame->size > sum.largest ? frame->size : sum.largest;
        skr_envelope_free(envelope);
    }
    sum.frames = frames->count;
    skr_policy_frames_unref(frames);
    map_free_all(&scope.objects);
    free(entry);
    return sum;
}

/* An agent that takes the first frame for the whole keeps the rest of what was deleted. */
Test(policy_delta, more_deletes_than_one_frame_holds_travel_in_two)
{
    changed(FULL, 0, 0);
    struct sent one = sent();
    cr_assert_eq(one.frames, 1);
    cr_assert_eq(one.deletes, FULL);
    changed(FULL + 1, 0, 0);
    struct sent two = sent();
    cr_assert_eq(two.frames, 2);
    cr_assert_eq(two.more, 1);
    cr_assert_eq(two.deletes, FULL + 1);
}

Test(policy_delta, deletes_that_do_not_fit_behind_the_objects_come_after_them)
{
    changed(FULL + 10, 100, 1000);
    struct sent both = sent();
    cr_assert_eq(both.upserts, 100);
    cr_assert_eq(both.deletes, FULL - 90);
    cr_assert_eq(both.frames, 2);
}

Test(policy_delta, objects_are_split_by_their_size)
{
    changed(12, 12, 100 * 1024);
    struct sent large = sent();
    cr_assert_eq(large.upserts, 12);
    cr_assert_eq(large.frames, 2, "six a frame: the sixth takes it over the limit");
    cr_assert_leq(large.largest, SKR_FRAME_MAX);
}

Test(policy_delta, a_few_changes_are_one_frame)
{
    changed(3, 0, 0);
    cr_assert_eq(sent().frames, 1);
    changed(3, 3, 100);
    cr_assert_eq(sent().frames, 1);
    changed(6, 3, 100);
    struct sent both = sent();
    cr_assert_eq(both.frames, 1);
    cr_assert_eq(both.upserts, 3);
    cr_assert_eq(both.deletes, 3);
}
