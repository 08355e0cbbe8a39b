/* Objects as CSV (RFC 4180), a line each, for spreadsheets and for apply: what is printed can be read again
 * (cli/apply/csv.h). References are what the namer calls them, lists stand with commas in one cell, structs as JSON. */
#pragma once

#include "cli/output/cell.h"

#include <stdio.h>

/* The titles: kind, name, then every field of the table; what the controller alone writes comes last. */
void skr_csv_print_titles(const struct skr_resource *resource, FILE *out);
/* `name` stands in the column of that name: a path, where names are only clear with what stands above them. */
void skr_csv_print_row(const struct skr_resource *resource, const json_t *object, const char *name,
                       const struct skr_namer *namer, FILE *out);
