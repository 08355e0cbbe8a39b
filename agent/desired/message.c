/* This file builds the messages in which desired state tells the controller about itself: digests, acknowledgements and
 * failures. */
#include "agent/desired/private.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static ProtobufCBinaryData copy_id(const struct skr_uuid *id)
{
    ProtobufCBinaryData data = {.len = sizeof(id->bytes), .data = skr_must(malloc(sizeof(id->bytes)))};
    memcpy(data.data, id->bytes, sizeof(id->bytes));
    return data;
}

static Skerry__V1__Envelope *new_envelope(Skerry__V1__Envelope__BodyCase body)
{
    Skerry__V1__Envelope *envelope = skr_must(malloc(sizeof(*envelope)));
    skerry__v1__envelope__init(envelope);
    envelope->body_case = body;
    return envelope;
}

static void put_little_endian(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

uint64_t skr_desired_root_digest(const struct skr_desired *desired)
{
    uint64_t sum = 0;
    for (const struct skr_desired_scope *scope = desired->scopes; scope; scope = scope->hh.next) {
        uint8_t bytes[1 + 16 + 8] = {(uint8_t)scope->key.kind};
        memcpy(bytes + 1, scope->key.id.bytes, 16);
        put_little_endian(bytes + 17, scope->digest);
        sum += skr_siphash(&desired->digest_key, bytes, sizeof(bytes));
    }
    return sum;
}

Skerry__V1__Envelope *skr_desired_scope_digests(const struct skr_desired *desired)
{
    Skerry__V1__Envelope *envelope = new_envelope(SKERRY__V1__ENVELOPE__BODY_SCOPE_DIGESTS);
    Skerry__V1__ScopeDigests *list = envelope->scope_digests = skr_must(malloc(sizeof(*list)));
    skerry__v1__scope_digests__init(list);
    list->scopes = skr_must(calloc(HASH_COUNT(desired->scopes) + 1, sizeof(*list->scopes)));
    for (const struct skr_desired_scope *scope = desired->scopes; scope; scope = scope->hh.next) {
        Skerry__V1__ScopeDigest *digest = list->scopes[list->n_scopes++] = skr_must(malloc(sizeof(*digest)));
        skerry__v1__scope_digest__init(digest);
        digest->kind = scope->key.kind;
        digest->id = copy_id(&scope->key.id);
        digest->version = scope->version;
        digest->digest = scope->digest;
        digest->failing = scope->failures != NULL;
    }
    return envelope;
}

void skr_desired_tell_failing(const struct skr_desired *desired, Skerry__V1__Hello *hello)
{
    hello->failing = skr_must(calloc(SKR_HELLO_FAILING_MAX, sizeof(*hello->failing)));
    for (const struct skr_desired_scope *scope = desired->scopes; scope; scope = scope->hh.next) {
        if (!scope->failures)
            continue;
        if (hello->n_failing == SKR_HELLO_FAILING_MAX) {
            hello->root_digest = ~hello->root_digest;
            return;
        }
        Skerry__V1__ScopeKey *key = hello->failing[hello->n_failing++] = skr_must(malloc(sizeof(*key)));
        skerry__v1__scope_key__init(key);
        key->kind = scope->key.kind;
        key->id = copy_id(&scope->key.id);
    }
}

Skerry__V1__Envelope *skr_desired_bucket_digests(const struct skr_desired *desired, Skerry__V1__ScopeKind kind,
                                                 const struct skr_uuid *id)
{
    Skerry__V1__Envelope *envelope = new_envelope(SKERRY__V1__ENVELOPE__BODY_BUCKET_DIGESTS);
    Skerry__V1__BucketDigests *list = envelope->bucket_digests = skr_must(malloc(sizeof(*list)));
    skerry__v1__bucket_digests__init(list);
    list->kind = kind;
    list->id = copy_id(id);
    list->n_digests = SKR_DIGEST_BUCKETS;
    list->digests = skr_must(calloc(SKR_DIGEST_BUCKETS, sizeof(*list->digests)));
    const struct skr_desired_scope *scope = skr_desired_scope_find(desired, kind, id);
    for (const struct skr_desired_object *o = scope ? scope->objects : NULL; o; o = o->hh.next)
        list->digests[skr_digest_bucket(&o->key.id)] += o->digest;
    return envelope;
}

/* All that failed of one object, in one text that the caller frees. */
static char *join_reasons(const struct skr_desired_failure *failure)
{
    const size_t room = (size_t)SKR_DESIRED_ASPECT_COUNT * (SKR_DESIRED_REASON_MAX + 2);
    char *text = skr_must(malloc(room));
    size_t used = 0;
    for (int aspect = 0; aspect < SKR_DESIRED_ASPECT_COUNT; aspect++)
        if (failure->reasons[aspect])
            used += (size_t)snprintf(text + used, room - used, "%s%s", used ? "; " : "", failure->reasons[aspect]);
    return text;
}

static void list_failures(Skerry__V1__Applied *applied, const struct skr_desired_scope *scope)
{
    size_t count = HASH_COUNT(scope->failures), bytes = 0;
    if (count > SKR_DESIRED_FAILURES_LISTED_MAX)
        count = SKR_DESIRED_FAILURES_LISTED_MAX;
    applied->failures = skr_must(calloc(count + 1, sizeof(*applied->failures)));
    for (const struct skr_desired_failure *f = scope->failures; f && applied->n_failures < count; f = f->hh.next) {
        Skerry__V1__Failure *failure = applied->failures[applied->n_failures++] = skr_must(malloc(sizeof(*failure)));
        skerry__v1__failure__init(failure);
        failure->type = f->key.type;
        failure->id = copy_id(&f->key.id);
        failure->reason = join_reasons(f);
        bytes += protobuf_c_message_get_packed_size(&failure->base);
        if (bytes > SKR_DESIRED_FAILURES_BYTES_MAX)
            return;
    }
}

Skerry__V1__Envelope *skr_desired_applied(struct skr_desired *desired, Skerry__V1__ScopeKind kind,
                                          const struct skr_uuid *id)
{
    struct skr_desired_scope *scope = skr_desired_scope_find(desired, kind, id);
    if (!scope)
        return NULL;
    Skerry__V1__Envelope *envelope = new_envelope(SKERRY__V1__ENVELOPE__BODY_APPLIED);
    Skerry__V1__Applied *applied = envelope->applied = skr_must(malloc(sizeof(*applied)));
    skerry__v1__applied__init(applied);
    applied->kind = kind;
    applied->id = copy_id(id);
    applied->version = scope->version;
    applied->digest = scope->digest;
    list_failures(applied, scope);
    skr_desired_scope_unmark(desired, scope);
    return envelope;
}

bool skr_desired_next_changed(struct skr_desired *desired, Skerry__V1__ScopeKind *ret_kind, struct skr_uuid *ret_id)
{
    if (!desired->changed)
        return false;
    *ret_kind = desired->changed->key.kind;
    *ret_id = desired->changed->key.id;
    return true;
}

/* ---- failures ---- */

static struct skr_desired_failure *failure_find(const struct skr_desired_scope *scope,
                                                const struct skr_desired_object_key *key)
{
    struct skr_desired_failure *failure;
    HASH_FIND(hh, scope->failures, key, sizeof(*key), failure);
    return failure;
}

static void failure_free(struct skr_desired_scope *scope, struct skr_desired_failure *failure)
{
    HASH_DELETE(hh, scope->failures, failure);
    for (int aspect = 0; aspect < SKR_DESIRED_ASPECT_COUNT; aspect++)
        free(failure->reasons[aspect]);
    free(failure);
}

void skr_desired_failure_drop(struct skr_desired_scope *scope, const struct skr_desired_object_key *key)
{
    struct skr_desired_failure *failure = failure_find(scope, key);
    if (failure)
        failure_free(scope, failure);
}

void skr_desired_failures_free(struct skr_desired_scope *scope)
{
    struct skr_desired_failure *failure, *next;
    HASH_ITER (hh, scope->failures, failure, next)
        failure_free(scope, failure);
}

static bool has_failed(const struct skr_desired_failure *failure)
{
    for (int aspect = 0; aspect < SKR_DESIRED_ASPECT_COUNT; aspect++)
        if (failure->reasons[aspect])
            return true;
    return false;
}

void skr_desired_failure_set(struct skr_desired *desired, Skerry__V1__ScopeKind kind, const struct skr_uuid *scope_id,
                             Skerry__V1__ObjectType type, const struct skr_uuid *id, enum skr_desired_aspect aspect,
                             const char *reason)
{
    struct skr_desired_object_key key = {.type = type, .id = *id};
    struct skr_desired_scope *scope = skr_desired_scope_find(desired, kind, scope_id);
    if (!scope || !skr_desired_object_find(scope->objects, &key))
        return;
    struct skr_desired_failure *failure = failure_find(scope, &key);
    const char *before = failure ? failure->reasons[aspect] : NULL;
    if (reason ? before && strncmp(before, reason, SKR_DESIRED_REASON_MAX - 1) == 0 : !before)
        return;
    if (!failure) {
        failure = skr_must(calloc(1, sizeof(*failure)));
        failure->key = key;
        HASH_ADD(hh, scope->failures, key, sizeof(failure->key), failure);
    }
    free(failure->reasons[aspect]);
    failure->reasons[aspect] = reason ? skr_must(strndup(reason, SKR_DESIRED_REASON_MAX - 1)) : NULL;
    if (!has_failed(failure))
        failure_free(scope, failure);
    skr_desired_scope_mark(desired, scope);
}

void skr_desired_failures_again(struct skr_desired *desired)
{
    for (struct skr_desired_scope *scope = desired->scopes; scope; scope = scope->hh.next)
        if (scope->failures)
            skr_desired_scope_mark(desired, scope);
}
