#include "lib/hex.h"

#include <errno.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/uuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define COUNTER_MAX 0xfffu

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_ms;
static uint32_t counter;

/* The instant and counter of the next id: never below the last one's, even when the clock steps back. */
static uint64_t next_instant(uint32_t seed, uint32_t *ret_counter)
{
    uint64_t now = (uint64_t)skr_clock_wall_ms();
    pthread_mutex_lock(&lock);
    if (now > last_ms) {
        last_ms = now;
        counter = seed & (COUNTER_MAX >> 1); /* the upper half is room to count in */
    } else if (counter == COUNTER_MAX) {
        last_ms++;
        counter = 0;
    } else {
        counter++;
    }
    uint64_t instant = last_ms;
    *ret_counter = counter;
    pthread_mutex_unlock(&lock);
    return instant;
}

struct skr_uuid skr_uuid_new(void)
{
    struct skr_uuid uuid;
    if (getrandom(uuid.bytes, sizeof(uuid.bytes), 0) != (ssize_t)sizeof(uuid.bytes))
        abort(); /* 16 bytes always come whole once the kernel has entropy; without it no id is safe */
    uint32_t count;
    uint64_t instant = next_instant((uint32_t)uuid.bytes[6] << 8 | uuid.bytes[7], &count);
    for (int i = 5; i >= 0; i--, instant >>= 8)
        uuid.bytes[i] = (uint8_t)instant;
    uuid.bytes[6] = (uint8_t)(0x70 | count >> 8);
    uuid.bytes[7] = (uint8_t)count;
    uuid.bytes[8] = (uint8_t)(0x80 | (uuid.bytes[8] & 0x3f));
    return uuid;
}

static bool is_hyphen_place(int i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

int skr_uuid_parse(const char *text, struct skr_uuid *ret)
{
    if (strnlen(text, SKR_UUID_TEXT_MAX) != SKR_UUID_TEXT_MAX - 1)
        return -EINVAL;
    struct skr_uuid uuid = {0};
    for (int i = 0, nibble = 0; i < SKR_UUID_TEXT_MAX - 1; i++) {
        if (is_hyphen_place(i)) {
            if (text[i] != '-')
                return -EINVAL;
            continue;
        }
        int digit = skr_hex_digit(text[i]);
        if (digit < 0)
            return -EINVAL;
        uuid.bytes[nibble / 2] = (uint8_t)(uuid.bytes[nibble / 2] << 4 | digit);
        nibble++;
    }
    *ret = uuid;
    return 0;
}

char *skr_uuid_format(const struct skr_uuid *uuid, char out[static SKR_UUID_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0, nibble = 0; i < SKR_UUID_TEXT_MAX - 1; i++) {
        if (is_hyphen_place(i)) {
            out[i] = '-';
            continue;
        }
        out[i] = digits[uuid->bytes[nibble / 2] >> (nibble % 2 ? 0 : 4) & 0xf];
        nibble++;
    }
    out[SKR_UUID_TEXT_MAX - 1] = '\0';
    return out;
}

int skr_uuid_compare(const struct skr_uuid *a, const struct skr_uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool skr_uuid_equal(const struct skr_uuid *a, const struct skr_uuid *b)
{
    return skr_uuid_compare(a, b) == 0;
}

bool skr_uuid_is_nil(const struct skr_uuid *uuid)
{
    static const struct skr_uuid nil;
    return skr_uuid_equal(uuid, &nil);
}
