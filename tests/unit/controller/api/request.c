#include "controller/api/http.h"

#include <criterion/criterion.h>

Test(request, durations)
{
    static const struct {
        const char *text;
        unsigned ms;
    } good[] = {{"0s", 0}, {"500ms", 500}, {"30s", 30000}, {"2m", 120000}};
    static const char *const bad[] = {
            "", "30", "s", "-1s", " 1s", "1 s", "1h", "1.5s", "30S", "99999999999999999999s", "4294967296ms", "71583m"};
    unsigned ms = 77;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(good); i++) {
        cr_assert_eq(skr_http_duration_parse(good[i].text, &ms), 0, "%s", good[i].text);
        cr_assert_eq(ms, good[i].ms);
    }
    ms = 77;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++)
        cr_assert_lt(skr_http_duration_parse(bad[i], &ms), 0, "%s", bad[i]);
    cr_assert_eq(ms, 77, "untouched");
}

Test(request, if_match)
{
    static const char *const bad[] = {"",
                                      "*",
                                      "12",
                                      "\"12",
                                      "12\"",
                                      "\"\"",
                                      "\"0\"",
                                      "\"x\"",
                                      "W/\"12\"",
                                      "\"1\", \"2\"",
                                      "\"-1\"",
                                      "\"12\"x",
                                      "\"99999999999999999999\""};
    struct skr_error error = {0};
    int64_t etag = -7;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++) {
        cr_assert_lt(skr_http_if_match(bad[i], &etag, &error), 0, "%s", bad[i]);
        cr_assert_eq(error.tag, SKR_ERROR_SYNTAX);
        cr_assert_eq(etag, -7, "untouched");
    }
    cr_assert_eq(skr_http_if_match(NULL, &etag, NULL), 0);
    cr_assert_eq(etag, 0);
    cr_assert_eq(skr_http_if_match("\"12\"", &etag, NULL), 0);
    cr_assert_eq(etag, 12);
}
