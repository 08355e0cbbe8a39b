/* Tables of text. Titles are a JSON array of texts, rows an array of such arrays: what is printed is data, and easy to
 * compare in a test. */
#pragma once

#include "cli/output/cell.h"

#include <stdbool.h>
#include <stdio.h>

/* Columns are as wide as their widest cell, the last one ends the line. `colour`: bold titles, states in their colour.
 */
void skr_table_print(const json_t *titles, const json_t *rows, FILE *out, bool colour);
/* Widths for rows that come one by one (watch): an array of integers, grown by each row it has seen. */
void skr_table_widen(json_t *widths, const json_t *row);
void skr_table_print_row(const json_t *widths, const json_t *row, FILE *out, bool colour);

/* Columns of a kind, from its table: TENANT first where tenants own it, then what has a column title, then what the
 * controller knows of it (ONLINE, REALIZATION). */
json_t *skr_columns_titles(const struct skr_resource *resource, bool wide);
json_t *skr_columns_row(const struct skr_resource *resource, const json_t *object, bool wide,
                        const struct skr_namer *namer);
/* Where a field stands in a rendered object: at the top or inside "status". */
const json_t *skr_columns_value(const struct skr_resource *resource, const json_t *object, int field);
