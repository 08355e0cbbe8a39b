/* Names for ids and ids for names, by asking the controller. A name may be written as a path, "red/web/front": the
 * name, before it those that scope it (the VM network, its tenant), as many as it takes to be clear. */
#pragma once

#include "cli/output/cell.h"
#include "cli/rest/client.h"

#define SKR_LOOKUP_NAMES_MAX 500 /* names asked for one by one; what is beyond shows its id */

struct skr_lookup;

/* The client must outlive it. */
struct skr_lookup *skr_lookup_new(struct skr_client *client);
void skr_lookup_free(struct skr_lookup *lookup);

/* The object of a name, a path or an id: a new reference. NOT_FOUND; SYNTAX when several have the name. */
int skr_lookup_find(struct skr_lookup *lookup, const struct skr_resource *resource, const char *text, json_t **ret,
                    struct skr_error *error);
/* Replaces names by ids in the references of a body, in place. A name without a path is looked for beside the object
 * first: a VM subnet in the body's own VM network. `at` is the pointer of the body ("" or "/items/3"). REFERENCE. */
int skr_lookup_references(struct skr_lookup *lookup, const struct skr_resource *resource, json_t *body, const char *at,
                          struct skr_error *error);
/* The object that has the name of `body` in its scope; *ret NULL when there is none. References are ids already. */
int skr_lookup_same(struct skr_lookup *lookup, const struct skr_resource *resource, const json_t *body, json_t **ret,
                    struct skr_error *error);

struct skr_namer skr_lookup_namer(struct skr_lookup *lookup);
/* The same with whole paths. */
struct skr_namer skr_lookup_pather(struct skr_lookup *lookup);
/* The object's name as a path that skr_lookup_find finds: new text. Objects without a name give their id. */
char *skr_lookup_path(struct skr_lookup *lookup, const struct skr_resource *resource, const json_t *object);
