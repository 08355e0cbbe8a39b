/* UTF-8 (RFC 3629). Names are counted in characters and buffers in bytes: a "%.100s" cuts where it likes, and half a
 * character is no JSON. */
#pragma once

#include <stdint.h>

/* Bytes of the character at p, 0 for what is none: overlong, surrogate, beyond U+10FFFF, cut by the text's end. */
unsigned skr_utf8_decode(const char *p, uint32_t *ret);
/* Drops the bytes that belong to no whole character: what formatting into a buffer has cut. */
void skr_utf8_mend(char *text);
