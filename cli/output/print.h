/* Forms of output: -o table|wide|json|yaml|name|csv. */
#pragma once

#include "cli/output/table.h"

enum skr_form {
    SKR_FORM_TABLE,
    SKR_FORM_WIDE,
    SKR_FORM_JSON,
    SKR_FORM_YAML,
    SKR_FORM_NAME,
    SKR_FORM_CSV,
    SKR_FORM_COUNT
};

/* A set of forms: 1 << SKR_FORM_X. NULL text = table. SYNTAX names those that are taken. */
int skr_form_parse(const char *text, unsigned taken, enum skr_form *ret, struct skr_error *error);
/* Colour on this stream: a terminal, and NO_COLOR is not set. */
bool skr_colour_wanted(FILE *out);
/* JSON, indented. */
void skr_json_print(const json_t *value, FILE *out);
/* Everything of one object, a field a line, its status below. */
void skr_describe_print(const struct skr_resource *resource, const json_t *object, const struct skr_namer *namer,
                        FILE *out);
/* Any JSON that no resource table describes, for people: lists of objects become tables, the rest lines. */
void skr_answer_print(const json_t *answer, FILE *out, bool colour);
