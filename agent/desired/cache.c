/* The cache file: a header {magic, format, size, SHA-256 of the rest} and everything desired state is, little-endian.
 */
#include "agent/desired/private.h"
#include <assert.h>
#include <errno.h>
#include <skerry/file.h>
#include <skerry/macros.h>
#include <skerry/tls.h>
#include <string.h>

#define MAGIC       "SKRCACHE"
#define FORMAT      1
#define HEADER_SIZE (8 + 4 + 4 + 8 + SKR_TLS_HASH_SIZE)
#define FILE_MAX    ((size_t)2 * 1024 * 1024 * 1024)
#define LOAD_BATCH  4096 /* objects a listener call, so that unpacked bodies of a big scope are not all held at once */

/* ---- writing ---- */

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(at, bytes, size);
    return at + size;
}

static uint8_t *put_number(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return at + size;
}

static size_t content_size(const struct skr_desired *desired)
{
    size_t size = 16 + 4 * 8 + 4;
    for (const struct skr_desired_scope *scope = desired->scopes; scope; scope = scope->hh.next) {
        size += 4 + 16 + 8 + 4;
        for (const struct skr_desired_object *object = scope->objects; object; object = object->hh.next)
            size += 4 + 16 + 4 + object->size;
    }
    return size;
}

static uint8_t *put_content(const struct skr_desired *desired, uint8_t *at)
{
    at = put_bytes(at, desired->database_id.bytes, 16);
    at = put_number(at, desired->incarnation, 8);
    at = put_number(at, desired->revision, 8);
    at = put_number(at, desired->digest_key.k0, 8);
    at = put_number(at, desired->digest_key.k1, 8);
    at = put_number(at, HASH_COUNT(desired->scopes), 4);
    for (const struct skr_desired_scope *scope = desired->scopes; scope; scope = scope->hh.next) {
        at = put_number(at, scope->key.kind, 4);
        at = put_bytes(at, scope->key.id.bytes, 16);
        at = put_number(at, scope->version, 8);
        at = put_number(at, HASH_COUNT(scope->objects), 4);
        for (const struct skr_desired_object *object = scope->objects; object; object = object->hh.next) {
            at = put_number(at, object->key.type, 4);
            at = put_bytes(at, object->key.id.bytes, 16);
            at = put_number(at, object->size, 4);
            at = put_bytes(at, object->bytes, object->size);
        }
    }
    return at;
}

int skr_desired_save(const struct skr_desired *desired, const char *path)
{
    size_t size = content_size(desired);
    SKR_CLEANUP(skr_free_cleanup) uint8_t *file = skr_must(malloc(HEADER_SIZE + size));
    uint8_t *content = file + HEADER_SIZE;
    put_content(desired, content);
    uint8_t *at = put_bytes(file, MAGIC, 8);
    at = put_number(at, FORMAT, 4);
    at = put_number(at, 0, 4);
    at = put_number(at, size, 8);
    skr_sha256(content, size, at);
    int r = skr_file_replace(path, file, HEADER_SIZE + size, 0600);
    if (r == 0)
        skr_desired_forget_notes(path);
    return r;
}

/* ---- reading ---- */

struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static const uint8_t *take_bytes(struct reader *reader, size_t size)
{
    if (reader->bad || (size_t)(reader->end - reader->at) < size) {
        reader->bad = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += size;
    return bytes;
}

static uint64_t take_number(struct reader *reader, unsigned size)
{
    const uint8_t *bytes = take_bytes(reader, size);
    uint64_t value = 0;
    for (unsigned i = 0; bytes && i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static struct skr_uuid take_uuid(struct reader *reader)
{
    struct skr_uuid uuid = {0};
    const uint8_t *bytes = take_bytes(reader, 16);
    if (bytes)
        memcpy(uuid.bytes, bytes, 16);
    return uuid;
}

static void read_object(struct reader *reader, struct skr_desired *into, struct skr_desired_scope *scope,
                        struct skr_arena *arena)
{
    uint32_t type = (uint32_t)take_number(reader, 4);
    struct skr_uuid id = take_uuid(reader);
    uint32_t size = (uint32_t)take_number(reader, 4);
    const uint8_t *bytes = take_bytes(reader, size);
    struct skr_desired_object_key key = {.type = type, .id = id};
    if (!bytes || skr_desired_object_find(scope->objects, &key) ||
        !skr_body_unpack(arena, scope->key.kind, &scope->key.id, type, &id, bytes, size)) {
        reader->bad = true;
        return;
    }
    struct skr_desired_object *object = skr_desired_object_new(&into->digest_key, type, &id, bytes, size);
    HASH_ADD(hh, scope->objects, key, sizeof(object->key), object);
    scope->digest += object->digest;
}

static void read_scope(struct reader *reader, struct skr_desired *into, struct skr_arena *arena)
{
    struct skr_desired_scope_key key = {.kind = (uint32_t)take_number(reader, 4)};
    key.id = take_uuid(reader);
    uint64_t version = take_number(reader, 8);
    uint32_t count = (uint32_t)take_number(reader, 4);
    if (reader->bad || !skr_body_scope(key.kind) || count > SKR_DESIRED_OBJECTS_MAX ||
        skr_desired_scope_find(into, key.kind, &key.id)) {
        reader->bad = true;
        return;
    }
    struct skr_desired_scope *scope = skr_desired_scope_make(into, &key);
    scope->version = version;
    for (uint32_t i = 0; i < count && !reader->bad; i++) {
        read_object(reader, into, scope, arena);
        skr_arena_reset(arena);
    }
}

static bool read_content(struct reader *reader, struct skr_desired *into)
{
    struct skr_arena arena;
    skr_arena_init(&arena);
    into->database_id = take_uuid(reader);
    into->incarnation = take_number(reader, 8);
    into->revision = take_number(reader, 8);
    into->digest_key.k0 = take_number(reader, 8);
    into->digest_key.k1 = take_number(reader, 8);
    uint32_t count = (uint32_t)take_number(reader, 4);
    if (count > SKR_DESIRED_SCOPES_MAX)
        reader->bad = true;
    for (uint32_t i = 0; i < count && !reader->bad; i++)
        read_scope(reader, into, &arena);
    skr_arena_done(&arena);
    return !reader->bad && reader->at == reader->end;
}

/* NULL: the header fits the file, else what is wrong with it. */
static const char *judge_header(const uint8_t *file, size_t size)
{
    uint8_t hash[SKR_TLS_HASH_SIZE];
    if (size < sizeof(MAGIC) - 1 || memcmp(file, MAGIC, sizeof(MAGIC) - 1) != 0)
        return "is not a cache of an agent";
    if (size < HEADER_SIZE)
        return "is cut short";
    struct reader reader = {.at = file + 8, .end = file + HEADER_SIZE};
    if (take_number(&reader, 4) != FORMAT || take_number(&reader, 4) != 0)
        return "was written by an agent of another version";
    if (take_number(&reader, 8) != size - HEADER_SIZE)
        return "is cut short, or longer than it says";
    skr_sha256(file + HEADER_SIZE, size - HEADER_SIZE, hash);
    return memcmp(hash, reader.at, sizeof(hash)) == 0 ? NULL : "is damaged: its checksum is wrong";
}

static void tell_all(struct skr_desired *desired)
{
    struct skr_desired_change *batch = skr_must(calloc(LOAD_BATCH, sizeof(*batch)));
    struct skr_arena arena;
    skr_arena_init(&arena);
    for (const struct skr_desired_scope *scope = desired->scopes; scope; scope = scope->hh.next) {
        size_t count = 0;
        for (const struct skr_desired_object *object = scope->objects; object; object = object->hh.next) {
            batch[count++] = (struct skr_desired_change){.scope = scope->key.kind,
                                                         .scope_id = scope->key.id,
                                                         .type = object->key.type,
                                                         .id = object->key.id,
                                                         .after = skr_desired_object_unpack(scope, &arena, object)};
            if (count < LOAD_BATCH && object->hh.next)
                continue;
            skr_desired_notify(desired, batch, count);
            skr_arena_reset(&arena);
            count = 0;
        }
    }
    skr_arena_done(&arena);
    free(batch);
}

int skr_desired_load(struct skr_desired *desired, const char *path, struct skr_error *error)
{
    assert(!desired->scopes);
    SKR_CLEANUP(skr_free_cleanup) uint8_t *file = NULL;
    size_t size;
    int r = skr_file_read(path, FILE_MAX, &file, &size);
    if (r < 0) {
        skr_error_set(error, r == -ENOENT ? SKR_ERROR_NOT_FOUND : SKR_ERROR_STORAGE, "The cache %s cannot be read: %s.",
                      path, strerror(-r));
        return r;
    }
    struct skr_desired *loaded;
    skr_desired_new(&loaded);
    struct reader reader = {.at = file + HEADER_SIZE, .end = file + size};
    const char *wrong = judge_header(file, size);
    if (!wrong && !read_content(&reader, loaded))
        wrong = "holds what this agent cannot read";
    if (wrong) {
        skr_desired_free(loaded);
        skr_error_set(error, SKR_ERROR_SYNTAX, "The cache %s %s.", path, wrong);
        return -EBADMSG;
    }
    skr_desired_replay(loaded, path);
    desired->database_id = loaded->database_id;
    desired->incarnation = loaded->incarnation;
    desired->revision = loaded->revision;
    desired->digest_key = loaded->digest_key;
    desired->scopes = SKR_TAKE(loaded->scopes);
    skr_desired_free(loaded);
    tell_all(desired);
    return 0;
}
