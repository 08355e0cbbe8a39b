/* The inside of struct skr_desired, shared by the files of this room alone. */
#pragma once

#include "agent/desired/arena.h"
#include "agent/desired/body.h"
#include "agent/desired/desired.h"

#define uthash_fatal(msg) abort()
#include <uthash.h>
#include <utlist.h>

#define SKR_DESIRED_LISTENERS_MAX       8
#define SKR_DESIRED_SCOPES_MAX          16384
#define SKR_DESIRED_OBJECTS_MAX         (4 * 1024 * 1024)      /* of a scope */
#define SKR_DESIRED_STAGED_BYTES_MAX    (1024UL * 1024 * 1024) /* of deltas that are still arriving */
#define SKR_DESIRED_FAILURES_LISTED_MAX 4096                   /* in one Applied */
#define SKR_DESIRED_FAILURES_BYTES_MAX  (768UL * 1024)         /* likewise, so that it fits a frame */
#define SKR_DESIRED_REASON_MAX          200                    /* of one aspect */

/* Keys are compared as bytes: no padding in them. */
struct skr_desired_object_key {
    uint32_t type;
    struct skr_uuid id;
};
struct skr_desired_scope_key {
    uint32_t kind;
    struct skr_uuid id;
};
static_assert(sizeof(struct skr_desired_object_key) == 20, "no padding");
static_assert(sizeof(struct skr_desired_scope_key) == 20, "no padding");

struct skr_desired_object {
    UT_hash_handle hh;
    struct skr_desired_object_key key;
    uint32_t size;
    uint32_t round; /* of the scope's last delta that sent it */
    uint64_t digest;
    ProtobufCMessage *message; /* kept for skr_desired_get, NULL until asked */
    bool gone;                 /* in a staged delta: a delete */
    uint8_t bytes[];
};

struct skr_desired_failure {
    UT_hash_handle hh;
    struct skr_desired_object_key key;
    char *reasons[SKR_DESIRED_ASPECT_COUNT]; /* NULL: that has not failed */
};

struct skr_desired_scope {
    UT_hash_handle hh;
    struct skr_desired_scope_key key;
    uint64_t version, digest;
    uint32_t round;
    struct skr_desired_object *objects;
    struct skr_desired_failure *failures;
    bool changed; /* in desired->changed */
    struct skr_desired_scope *prev, *next;
};

/* A delta of which the last frame has not arrived. */
struct skr_desired_staged {
    UT_hash_handle hh;
    struct skr_desired_scope_key key;
    uint64_t from_version, to_version;
    size_t bytes;
    bool replaced_all;
    bool replaced_bucket[SKR_DIGEST_BUCKETS];
    struct skr_desired_object *operations; /* the last one for a key wins */
};

struct skr_desired {
    struct skr_uuid database_id;
    uint64_t incarnation, revision;
    struct skr_digest_key digest_key;
    struct skr_desired_scope *scopes;
    struct skr_desired_scope *changed;
    struct skr_desired_staged *staged;
    size_t staged_bytes;
    struct {
        skr_desired_fn *fn;
        void *arg;
    } listeners[SKR_DESIRED_LISTENERS_MAX];
    size_t listener_count;
};

struct skr_desired_scope *skr_desired_scope_find(const struct skr_desired *desired, Skerry__V1__ScopeKind kind,
                                                 const struct skr_uuid *id);
struct skr_desired_scope *skr_desired_scope_make(struct skr_desired *desired, const struct skr_desired_scope_key *key);
void skr_desired_scope_free(struct skr_desired *desired, struct skr_desired_scope *scope);
void skr_desired_scope_mark(struct skr_desired *desired, struct skr_desired_scope *scope);
void skr_desired_scope_unmark(struct skr_desired *desired, struct skr_desired_scope *scope);

struct skr_desired_object *skr_desired_object_new(const struct skr_digest_key *key, Skerry__V1__ObjectType type,
                                                  const struct skr_uuid *id, const uint8_t *bytes, size_t size);
struct skr_desired_object *skr_desired_object_find(struct skr_desired_object *objects,
                                                   const struct skr_desired_object_key *key);
void skr_desired_object_free(struct skr_desired_object *object);
void skr_desired_objects_free(struct skr_desired_object **objects);
/* Unpacks what has been judged before; aborts if it cannot. */
ProtobufCMessage *skr_desired_object_unpack(const struct skr_desired_scope *scope, struct skr_arena *arena,
                                            const struct skr_desired_object *object);
void skr_desired_failure_drop(struct skr_desired_scope *scope, const struct skr_desired_object_key *key);
void skr_desired_failures_free(struct skr_desired_scope *scope);
void skr_desired_notify(struct skr_desired *desired, const struct skr_desired_change *changes, size_t count);
/* journal.c: what was noted since the file was written. */
void skr_desired_replay(struct skr_desired *desired, const char *path);
void skr_desired_forget_notes(const char *path);
void skr_desired_staged_free(struct skr_desired *desired, struct skr_desired_staged *staged);
