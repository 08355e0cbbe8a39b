/* A cell is the text of one value of an object in a table or a description. Everything here returns new text that holds
 * no control characters: names and labels are chosen by tenants and must not drive an administrator's terminal. */
#pragma once

#include <jansson.h>
#include <skerry/resource.h>

/* A namer knows the names behind ids. `name` returns text that lives as long as the namer, or NULL when it does not
 * know; a NULL function shows ids. */
struct skr_namer {
    const char *(*name)(void *arg, const struct skr_resource *kind, const char *id);
    void *arg;
};

/* The kind that a field's ids are of, NULL when it holds none. Lists of ids kept as JSON (uplinks[].network_site_ids)
 * are told by their name. */
const struct skr_resource *skr_field_target(const struct skr_field *field);

/* `field` NULL: a value that no table describes. "-" for null and empty. */
char *skr_cell_text(const struct skr_field *field, const json_t *value, const struct skr_namer *namer);
/* Replaces control characters (C0, DEL, C1) by '?'. */
void skr_text_tame(char *text);
