#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/clock.h>
#include <string.h>

Test(clock, formats_and_parses_the_same_instant)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
            {0, "1970-01-01T00:00:00.000Z"},
            {1769860800123, "2026-01-31T12:00:00.123Z"},
            {-1, "1969-12-31T23:59:59.999Z"},
            {951782400000, "2000-02-29T00:00:00.000Z"},
            {253402300799999, "9999-12-31T23:59:59.999Z"},
            {-62135596800000, "0001-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[SKR_TIME_TEXT_MAX];
        int64_t parsed = 7;
        cr_assert_str_eq(skr_time_format(cases[i].ms, text), cases[i].text);
        cr_assert_eq(skr_time_parse(cases[i].text, &parsed), 0);
        cr_assert_eq(parsed, cases[i].ms);
    }
}

Test(clock, parses_offsets_and_fractions)
{
    int64_t parsed;
    cr_assert_eq(skr_time_parse("2026-01-31T14:00:00+02:00", &parsed), 0);
    cr_assert_eq(parsed, 1769860800000);
    cr_assert_eq(skr_time_parse("2026-01-31t07:00:00.5-05:00", &parsed), 0);
    cr_assert_eq(parsed, 1769860800500);
    cr_assert_eq(skr_time_parse("2026-01-31T12:00:00.123456789z", &parsed), 0);
    cr_assert_eq(parsed, 1769860800123);
}

Test(clock, refuses_what_is_no_time_and_leaves_the_output)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-01-31",
                                      "2026-01-31T12:00:00",
                                      "2026-02-29T12:00:00Z",
                                      "2026-13-01T12:00:00Z",
                                      "2026-00-01T12:00:00Z",
                                      "2026-01-00T12:00:00Z",
                                      "2026-01-31T24:00:00Z",
                                      "2026-01-31T12:60:00Z",
                                      "2026-01-31T12:00:60Z",
                                      "2026-01-31T12:00:00.Z",
                                      "2026-01-31T12:00:00+2:00",
                                      "2026-01-31T12:00:00+24:00",
                                      "2026-01-31T12:00:00Zjunk",
                                      "26-01-31T12:00:00Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t parsed = 7;
        cr_assert_eq(skr_time_parse(bad[i], &parsed), -EINVAL, "%s", bad[i]);
        cr_assert_eq(parsed, 7);
    }
}

Test(clock, monotonic_does_not_go_back)
{
    int64_t first = skr_clock_monotonic_ns();
    cr_assert_geq(skr_clock_monotonic_ns(), first);
    cr_assert_gt(skr_clock_wall_ms(), 1700000000000);
}
