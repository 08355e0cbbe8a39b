#include <errno.h>
#include <skerry/clock.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t skr_clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SKR_NS_PER_S + now.tv_nsec;
}

int64_t skr_clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / SKR_NS_PER_MS;
}

char *skr_time_format(int64_t wall_ms, char out[static SKR_TIME_TEXT_MAX])
{
    int64_t milliseconds = wall_ms % 1000;
    time_t seconds = wall_ms / 1000;
    struct tm utc;
    if (milliseconds < 0) {
        milliseconds += 1000;
        seconds--;
    }
    /* Years outside 0000 to 9999 have no RFC 3339 form; the nearest instant that has one stands for them. */
    if (seconds < -62167219200LL)
        seconds = -62167219200LL;
    if (seconds > 253402300799LL)
        seconds = 253402300799LL;
    gmtime_r(&seconds, &utc);
    size_t length = strftime(out, SKR_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
    if (utc.tm_year + 1900 < 1000) /* %Y does not pad */
        length = (size_t)snprintf(out, SKR_TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u",
                                  (unsigned)(utc.tm_year + 1900) % 10000, (unsigned)(utc.tm_mon + 1) % 100,
                                  (unsigned)utc.tm_mday % 100, (unsigned)utc.tm_hour % 100, (unsigned)utc.tm_min % 100,
                                  (unsigned)utc.tm_sec % 100);
    snprintf(out + length, SKR_TIME_TEXT_MAX - length, ".%03uZ", (unsigned)milliseconds % 1000);
    return out;
}

/* Exactly `count` digits at *text, which moves behind them. */
static bool take_digits(const char **text, int count, int *ret)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *text += count;
    *ret = value;
    return true;
}

static bool take_char(const char **text, const char *choices)
{
    if (!**text || !strchr(choices, **text))
        return false;
    (*text)++;
    return true;
}

static bool take_fraction(const char **text, int *ret_ms)
{
    int weight = 100, value = 0, digit;
    if (**text != '.') {
        *ret_ms = 0;
        return true;
    }
    (*text)++;
    if (!take_digits(text, 1, &digit))
        return false;
    do {
        value += digit * weight;
        weight /= 10;
    } while (take_digits(text, 1, &digit));
    *ret_ms = value;
    return true;
}

/* "Z" or "+hh:mm", RFC 3339 section 5.6. */
static bool take_offset(const char **text, int *ret_seconds)
{
    int hours, minutes;
    if (take_char(text, "Zz")) {
        *ret_seconds = 0;
        return true;
    }
    bool negative = **text == '-';
    if (!take_char(text, "+-") || !take_digits(text, 2, &hours) || !take_char(text, ":") ||
        !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (hours * 60 + minutes) * 60 * (negative ? -1 : 1);
    return true;
}

int skr_time_parse(const char *text, int64_t *ret_wall_ms)
{
    struct tm given = {0};
    int milliseconds, offset;
    if (!take_digits(&text, 4, &given.tm_year) || !take_char(&text, "-") || !take_digits(&text, 2, &given.tm_mon) ||
        !take_char(&text, "-") || !take_digits(&text, 2, &given.tm_mday) || !take_char(&text, "Tt ") ||
        !take_digits(&text, 2, &given.tm_hour) || !take_char(&text, ":") || !take_digits(&text, 2, &given.tm_min) ||
        !take_char(&text, ":") || !take_digits(&text, 2, &given.tm_sec) || !take_fraction(&text, &milliseconds) ||
        !take_offset(&text, &offset) || *text)
        return -EINVAL;
    if (given.tm_hour > 23 || given.tm_min > 59 || given.tm_sec > 59)
        return -EINVAL;
    given.tm_year -= 1900;
    given.tm_mon -= 1;
    struct tm normal = given;
    time_t seconds = timegm(&normal);
    /* timegm turns February 30 into March 1 or 2; then the day did not exist. */
    if (normal.tm_mday != given.tm_mday || normal.tm_mon != given.tm_mon || normal.tm_year != given.tm_year)
        return -EINVAL;
    *ret_wall_ms = ((int64_t)seconds - offset) * 1000 + milliseconds;
    return 0;
}
