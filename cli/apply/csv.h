/* CSV (RFC 4180) as objects for a manifest: the first line names the members, each further line is an object. Cells are
 * read as the flags of create are; an empty one says nothing. A column "kind" says what a line is, unless `kind` does
 * for all. What -o csv printed can be read. A pure function. */
#pragma once

#include <jansson.h>
#include <skerry/error.h>
#include <skerry/resource.h>

#define SKR_CSV_COLUMNS_MAX 128

/* SYNTAX or INVALID, with line and column; *ret (new reference, an array) untouched. `kind` may be NULL. */
int skr_csv_parse(const char *what, const char *text, size_t size, const struct skr_resource *kind, json_t **ret,
                  struct skr_error *error);
