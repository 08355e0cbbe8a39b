/* A manifest is the input of apply and create -f: one object, an array of them, or {"items": [...]}. Each says its kind
 * and name; the other members are fields, references by name or id. Parsing makes them uniform: members under the names
 * of the tables, a path in the name ("red/web/front") turned into the references it means, and what only the controller
 * writes (id, etag, status, ...) left out, so that what `get -o json` printed can be applied again. Pure functions. */
#pragma once

#include <jansson.h>
#include <skerry/error.h>
#include <skerry/resource.h>
#include <stdbool.h>
#include <stddef.h>

#define SKR_MANIFEST_MAX       10000
#define SKR_MANIFEST_BYTES_MAX (64 << 20)
#define SKR_MANIFEST_DEPTH_MAX 64 /* objects that refer to one another in a row */

struct skr_manifest_entry {
    const struct skr_resource *resource;
    json_t *body;     /* owned */
    char pointer[32]; /* of the entry in what was given: "", "/3" or "/items/3" */
};

struct skr_manifest {
    struct skr_manifest_entry *entries;
    size_t count;
};

int skr_manifest_parse(const json_t *given, struct skr_manifest *ret, struct skr_error *error);
/* One entry of a body, the way the items of a manifest are treated: for create with flags. `body` is stolen. */
int skr_manifest_entry_make(const struct skr_resource *resource, json_t *body, const char *pointer,
                            struct skr_manifest_entry *ret, struct skr_error *error);
/* Objects come behind those they refer to, otherwise in the order they were given. SYNTAX when they go round. */
int skr_manifest_order(struct skr_manifest *manifest, struct skr_error *error);
/* Does it hold an object of this kind whose name is the last word of `reference`? */
bool skr_manifest_has(const struct skr_manifest *manifest, const struct skr_resource *kind, const char *reference);
/* Cleanup function; the struct may be zeroed. */
void skr_manifest_done(struct skr_manifest *manifest);

/* The members of `desired` that an object as the controller shows it (`current`) does not hold already: the body of a
 * PATCH; *ret NULL when there is none. Values are compared as the controller would, whatever way they are written; maps
 * are merged, null for a field fixed at create means "whatever it is", and secrets are left out, which the controller
 * does not show. INVALID when `desired` cannot be right. */
int skr_manifest_diff(const struct skr_resource *resource, const json_t *current, const json_t *desired, json_t **ret,
                      struct skr_error *error);
