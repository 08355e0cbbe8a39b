/* The table of refusals; api_bad_input.c tries them. */
#pragma once

#include <stddef.h>

/* Words in braces are ids of what set_up() made. `header` NULL: a PATCH and a PUT carry the right If-Match; "-": none.
 * `body` beginning with @ is made by make_body(). `pointer` NULL: no member is to blame. `says` stands in the sentence.
 */
struct api_bad_row {
    const char *method, *path, *body, *header;
    int status;
    const char *type, *pointer, *says;
};

extern const struct api_bad_row api_bad_rows[];
extern const size_t api_bad_row_count;
