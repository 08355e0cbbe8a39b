/* Time as an argument: daemons read the clock once at the edge and hand it inwards, so tests own it. */
#pragma once

#include <stdint.h>

#define SKR_NS_PER_MS     1000000LL
#define SKR_NS_PER_S      1000000000LL
#define SKR_TIME_TEXT_MAX 28

int64_t skr_clock_monotonic_ns(void);
/* Milliseconds since the epoch, UTC. */
int64_t skr_clock_wall_ms(void);
/* RFC 3339 with milliseconds: 2026-01-31T12:00:00.123Z. */
char *skr_time_format(int64_t wall_ms, char out[static SKR_TIME_TEXT_MAX]);
int skr_time_parse(const char *text, int64_t *ret_wall_ms);
