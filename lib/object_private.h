/* Functions that the object_*.c files share: they make values from text and from defaults. */
#pragma once

#include <skerry/object.h>

#define SKR_WHY_MAX        256
#define SKR_ENTRY_TEXT_MAX 255 /* bytes of a text inside a list or a map */
#define SKR_ENTRY_KEY_MAX  63  /* bytes of a key of a map */

/* A scalar from its text. On failure: -EINVAL, `why` ends a sentence that begins with the field's name. */
int skr_scalar_from_text(const struct skr_field *field, const char *text, struct skr_value *ret, char why[SKR_WHY_MAX]);
/* Bounds of an integer; as above. */
int skr_integer_check(const struct skr_field *field, int64_t value, char why[SKR_WHY_MAX]);
/* Valid UTF-8 of `minimum` to `maximum` bytes without control characters; as above. */
int skr_text_check(const char *text, size_t minimum, size_t maximum, char why[SKR_WHY_MAX]);
/* The default of a field; ABSENT when it has none. */
void skr_field_default(const struct skr_field *field, struct skr_value *ret);
/* How many entries a list or map may hold. */
size_t skr_field_entries_max(const struct skr_field *field);
