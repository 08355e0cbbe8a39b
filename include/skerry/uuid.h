/* UUIDs (RFC 9562). New ones are version 7 with a monotonic counter within a millisecond, so ids sort by creation. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SKR_UUID_TEXT_MAX 37

struct skr_uuid {
    uint8_t bytes[16];
};

/* Thread-safe. Randomness from getrandom(2). */
struct skr_uuid skr_uuid_new(void);
/* Lower or upper case, with hyphens; -EINVAL and output untouched otherwise. */
int skr_uuid_parse(const char *text, struct skr_uuid *ret);
char *skr_uuid_format(const struct skr_uuid *uuid, char out[static SKR_UUID_TEXT_MAX]);
/* Less than, equal to or greater than 0, as memcmp. */
int skr_uuid_compare(const struct skr_uuid *a, const struct skr_uuid *b);
bool skr_uuid_equal(const struct skr_uuid *a, const struct skr_uuid *b);
bool skr_uuid_is_nil(const struct skr_uuid *uuid);
